"""Bundles: what is shared holds aggregates alone, can be trusted, and stands beside other bundles and runs."""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.reporting.conftest import GROUPINGS, MIN_N, NAMES, PAIR
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import AnswersError, BundleError, FolderError
from worldvaluesbench.reporting._bundle import check_bundle, is_bundle, read_bundle, write_bundle
from worldvaluesbench.reporting.disclosure._sharing import load_shared_columns
from worldvaluesbench.reporting.disclosure._suppress import protect
from worldvaluesbench.reporting.tables._board import own_means
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compare import compare_answers, is_paired, merge_comparisons
from worldvaluesbench.scoring.compare._comparison import Comparison, load_comparison, write_comparison
from worldvaluesbench.scoring.measure._nonresponse import NONRESPONSE
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import Reference, respondents_reference, world_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings


def compare(paths: list[Path], reference: Reference, n: int = 200, level: float = 0.95) -> Comparison:
    groupings = parse_groupings(GROUPINGS) if reference.dataset else ()
    how = How(min_n=MIN_N, resampling=Resampling(n=n, level=level))
    return compare_answers([read_answers(path) for path in paths], reference, groupings=groupings, how=how)


def change(bundle: Path, path: Path, name: str, content: bytes | None, *, is_summed: bool = False) -> Path:
    """A copy of a bundle with one file changed, added or (None) taken out; its checksums put right if asked for."""
    with zipfile.ZipFile(bundle) as archive:
        files = {one: archive.read(one) for one in archive.namelist()}
    files.pop(name, None)
    if content is not None:
        files[name] = content
    if is_summed:
        sums = [f"{hashlib.sha256(files[one]).hexdigest()}  {one}\n" for one in sorted(files) if one != "SHA256SUMS"]
        files["SHA256SUMS"] = "".join(sums).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for one, found in files.items():
            archive.writestr(one, found)
    return path


def parquet(table: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.write_parquet(stream)
    return stream.getvalue()


def test_a_bundle_gives_back_the_comparison_but_for_what_is_too_small(bundle: Path, comparison: Comparison) -> None:
    found = read_bundle(bundle)
    assert found.receipt == comparison.receipt
    assert set(found.tables) == set(comparison.tables) - {NONRESPONSE}, "few who did not respond are not shared"
    shown = protect(comparison)
    for name in ("leaderboard", "pairs", "summary", "distributions"):
        assert_frame_equal(found.tables[name], shown.tables[name])
        pooled = [table.tables[name].filter(grouping="all") for table in (found, comparison)]
        assert pooled[0].height == pooled[1].height > 0
    small = found.tables["scores"].filter("is_too_small")
    assert small.height > 0
    assert (
        small.select("n_responses", "n_answers", "n_missing", "left_out", "distance").null_count().row(0)
        == (small.height,) * 5
    )


def test_the_same_comparison_gives_the_same_bytes(bundle: Path, comparison: Comparison, tmp_path: Path) -> None:
    write_bundle(comparison, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()
    with pytest.raises(FolderError, match="exists already"):
        write_bundle(comparison, tmp_path / "again.zip")


def test_force_replaces_a_bundle_and_no_other_zip(comparison: Comparison, bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "survey.zip", "w") as archive:
        archive.writestr("survey.csv", "D_INTERVIEW")
    before = (tmp_path / "survey.zip").read_bytes()
    with pytest.raises(FolderError, match=r"survey\.zip: is no bundle of `wvb`, so --force does not replace it"):
        write_bundle(comparison, tmp_path / "survey.zip", force=True)
    assert (tmp_path / "survey.zip").read_bytes() == before
    copy = tmp_path / "copy.zip"
    copy.write_bytes(bundle.read_bytes())
    write_bundle(comparison, copy, force=True)
    assert copy.read_bytes() == bundle.read_bytes()


def test_a_bundle_has_report_card_and_checksums(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
        card = archive.read("README.md").decode()
    assert {"bundle.json", "README.md", "SHA256SUMS", "report.html", "tables/scores.parquet"} <= names
    for text in ("INVENTED", "may not be redistributed", "Haerpfer", *NAMES):
        assert text in card.replace("invented", "INVENTED")
    assert is_bundle(bundle)
    assert check_bundle(bundle) == []


def test_every_column_that_is_made_may_be_shared(comparison: Comparison) -> None:
    shared = load_shared_columns()
    made = {name: table for name, table in comparison.tables.items() if name != NONRESPONSE}
    for name, table in made.items():
        assert set(table.columns) == set(shared[name]), name
        assert {column: str(dtype) for column, dtype in table.schema.items()} == load_shared_columns()[name]
    assert set(shared) == set(made)
    assert {kind for of in load_shared_columns().values() for kind in of.values()} <= {
        "String",
        "Int64",
        "Float64",
        "Boolean",
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "tables/people.parquet",
            parquet(pl.DataFrame({"item_id": ["Q1"], "rating": [1]})),
            "is not a file of a bundle",
        ),
        (
            "tables/pairs.parquet",
            parquet(pl.DataFrame({"respondent_id": [1]})),
            "has the column 'respondent_id', which no bundle has",
        ),
        ("tables/pairs.parquet", parquet(pl.DataFrame({"salary": [1]})), "the column 'salary', which no bundle has"),
        ("answers.tsv", b"QUESTION_ID\n", "is not a file of a bundle"),
    ],
)
def test_whatever_is_about_single_people_is_refused(
    bundle: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = change(bundle, tmp_path / "odd.zip", name, content, is_summed=True)
    assert any(message in problem for problem in check_bundle(path))


def test_a_table_that_is_no_table_is_refused(bundle: Path, tmp_path: Path) -> None:
    path = change(bundle, tmp_path / "odd.zip", "tables/pairs.parquet", b"PAR1", is_summed=True)
    with pytest.raises(BundleError, match="cannot be read as parquet"):
        check_bundle(path)
    with pytest.raises(BundleError):
        read_bundle(path)


def test_a_bundle_that_was_changed_is_refused(bundle: Path, tmp_path: Path) -> None:
    changed = change(bundle, tmp_path / "changed.zip", "README.md", b"all is well")
    assert check_bundle(changed) == ["'README.md' is not as SHA256SUMS says it was; get the bundle again."]
    lacking = change(bundle, tmp_path / "lacking.zip", "tables/pairs.parquet", None)
    assert check_bundle(lacking) == ["tables/pairs.parquet is missing; get the bundle again."]


def test_what_is_no_bundle_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a", "b")
    for name, message in (
        ("text.zip", "cannot be read as a zip"),
        ("other.zip", "no bundle.json"),
        ("x", "no such file"),
    ):
        with pytest.raises(BundleError, match=message):
            read_bundle(tmp_path / name)
    assert not is_bundle(tmp_path / "text.zip")


def test_cells_of_few_people_are_never_shared(paper: Dataset, answer_files: list[Path], tmp_path: Path) -> None:
    how = How(min_n=5, resampling=Resampling(n=20))
    shown = compare_answers([read_answers(answer_files[0])], respondents_reference(paper), how=how)
    with pytest.raises(BundleError, match="shows cells of 5 people and more; to share it, make it with --min-n 10"):
        write_bundle(shown, tmp_path / "few.zip")
    assert not (tmp_path / "few.zip").exists()
    with pytest.raises(BundleError, match=r"expected a name that ends in \.zip"):
        write_bundle(shown, tmp_path / "few")


@pytest.fixture(scope="module")
def parts(paper: Dataset, answer_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Comparison]:
    """Two bundles of the same dataset, opened: of `model` and `model+demographics`, and of `other`."""
    folder, reference = tmp_path_factory.mktemp("parts"), respondents_reference(paper)
    opened = []
    for place, paths in enumerate((answer_files[:2], answer_files[2:])):
        write_bundle(compare(paths, reference), folder / f"{place}.zip")
        opened.append(read_bundle(folder / f"{place}.zip"))
    return opened


@pytest.fixture(scope="module")
def together(parts: list[Comparison]) -> Comparison:
    """The two bundles as one comparison, of which the caller says which two are a pair."""
    return merge_comparisons(parts, pairs=[PAIR])


def keyed(table: pl.DataFrame, names: tuple[str, ...] = NAMES) -> dict[tuple[str, ...], dict[str, Any]]:
    """The rows of a table of groups by group and source or sources, those of these sources alone."""
    keys = [key for key in ("answers", "first", "second", "without", "with") if key in table.columns]
    rows = table.filter(pl.col(key).is_in(names) for key in keys).iter_rows(named=True)
    return {(row["grouping"], row["group"], *(row[key] for key in keys)): row for row in rows}


def test_bundles_of_the_same_examples_rank_as_their_runs_would(together: Comparison, comparison: Comparison) -> None:
    assert is_paired(together.receipt)
    assert together.names == comparison.names
    assert together.n_common == comparison.n_common
    found, own = (keyed(one.tables["leaderboard"]) for one in (together, protect(comparison)))
    assert found.keys() == own.keys()
    for key, row in found.items():
        for name in ("n_items", "n_examples", "mean", "corrected", "low", "high", "uniform", "skill", "poll_n"):
            exact = own[key][name]
            assert row[name] == (exact if exact is None else pytest.approx(exact, abs=2e-6, rel=1e-4)), (key, name)
    table_2 = [one.tables["table_2"] for one in (together, protect(comparison))]
    keys = ["item_id", "answers"]
    assert_frame_equal(table_2[0].sort(keys), table_2[1].sort(keys), abs_tol=1e-6)


@pytest.mark.parametrize("name", ["pairs", "demographics"])
def test_differences_of_sources_of_one_bundle_are_as_their_runs_make_them(
    together: Comparison, comparison: Comparison, name: str
) -> None:
    found, own = (keyed(one.tables[name], PAIR) for one in (together, protect(comparison)))
    assert found.keys() == own.keys()
    assert len(found) > 2
    for key, row in found.items():
        for column in ("n_items", "difference", "low", "high", "squared_difference", "squared_low", "squared_high"):
            assert row[column] == pytest.approx(own[key][column], abs=5e-6), (key, column)
        for column in ("p", "squared_p"):
            assert row[column] == pytest.approx(own[key][column], abs=1e-3), (key, column)


def test_differences_of_sources_of_two_bundles_are_the_same_and_no_surer(
    together: Comparison, comparison: Comparison
) -> None:
    """How two sources of two bundles move together is not known: the largest variance that there can be is taken."""
    found, own = (keyed(one.tables["pairs"]) for one in (together, protect(comparison)))
    apart = [key for key in found if "other" in key]
    assert len(apart) == 2 * len([key for key in found if "other" not in key])
    for key in apart:
        one, exact = found[key], own[key]
        for squared in ("", "squared_"):
            name = f"{squared}difference"
            assert one[name] == pytest.approx(exact[name], abs=2e-6)
            wide, narrow = (row[f"{squared}high"] - row[f"{squared}low"] for row in (one, exact))
            assert wide >= narrow - 2e-6
            assert one[f"{squared}p"] >= exact[f"{squared}p"] - 1e-3
    assert any(found[key]["high"] - found[key]["low"] > 1.01 * (own[key]["high"] - own[key]["low"]) for key in apart)


def test_bundles_that_share_some_items_are_ranked_over_these_alone(
    paper: Dataset, answer_files: list[Path], tmp_path: Path
) -> None:
    """A mean over other items is another mean: what one of them lacks counts for neither, and is shown apart."""
    items = (("Q1", "Q46", "Q57"), ("Q46", "Q57", "Q106"))
    opened = []
    for place, kept in enumerate(items):
        answers = pl.read_csv(answer_files[2 * place], separator="\t").filter(pl.col("QUESTION_ID").is_in(kept))
        path = tmp_path / answer_files[2 * place].name
        answers.write_csv(path, separator="\t")
        write_bundle(compare([path], respondents_reference(paper), n=50), tmp_path / f"{place}.zip")
        opened.append(read_bundle(tmp_path / f"{place}.zip"))
    found = merge_comparisons(opened)
    both = set(items[0]) & set(items[1])
    for one in opened:
        (name,) = one.names
        cells = one.tables["compared"].filter(answers=name, grouping="all").filter(pl.col("item_id").is_in(both))
        row = found.tables["leaderboard"].filter(answers=name, grouping="all").row(0, named=True)
        assert row["n_items"] == len(both)
        assert row["n_examples"] == cells["n_examples"].sum()
        assert row["mean"] == pytest.approx(cells["distance"].mean(), abs=1e-6)
    pairs = found.tables["pairs"].filter(grouping="all").row(0, named=True)
    assert pairs["n_items"] == len(both)
    assert {row["answers"]: row["n_items"] for row in own_means(found).to_dicts()} == {"model": 3, "other": 3}
    assert found.n_common is None


def test_bundles_against_the_world_and_of_bundles_are_sound(answer_files: list[Path], tmp_path: Path) -> None:
    parts = []
    for place, paths in enumerate((answer_files[:1], answer_files[1:])):
        write_bundle(compare(paths, world_reference(), n=20), tmp_path / f"{place}.zip")
        assert check_bundle(tmp_path / f"{place}.zip") == []
        parts.append(read_bundle(tmp_path / f"{place}.zip"))
    write_bundle(merge_comparisons(parts), tmp_path / "both.zip")
    assert check_bundle(tmp_path / "both.zip") == []


def test_an_item_of_few_people_has_no_count_in_a_bundle(
    paper: Dataset, answer_files: list[Path], tmp_path: Path
) -> None:
    answers = pl.read_csv(answer_files[0], separator="\t")
    rare = pl.concat([answers.filter(QUESTION_ID="Q1").head(7), answers.filter(pl.col("QUESTION_ID") != "Q1")])
    rare.write_csv(tmp_path / "rare.tsv", separator="\t")
    write_bundle(compare([tmp_path / "rare.tsv"], respondents_reference(paper), n=20), tmp_path / "rare.zip")
    assert check_bundle(tmp_path / "rare.zip") == []
    found = read_bundle(tmp_path / "rare.zip").tables["table_2"]
    assert found.filter(item_id="Q1")["n_responses"].to_list() == [None] * 3
    assert found.filter(pl.col("item_id") != "Q1")["n_responses"].null_count() == 0


def test_bundles_of_different_examples_are_not_paired(paper: Dataset, answer_files: list[Path], tmp_path: Path) -> None:
    lines = answer_files[2].read_text().splitlines(keepends=True)
    half = tmp_path / "half.tsv"
    half.write_text("".join(lines[: len(lines) // 2]))
    reference = respondents_reference(paper)
    together = merge_comparisons([compare(answer_files[:1], reference), compare([half], reference)])
    assert not is_paired(together.receipt)
    assert together.n_common is None
    assert together.tables["pairs"].height > 0


def test_comparisons_that_are_not_alike_are_refused(
    paper: Dataset, answer_files: list[Path], comparison: Comparison, tmp_path: Path
) -> None:
    with pytest.raises(AnswersError, match="Two of the comparisons have answers called 'model'"):
        merge_comparisons([comparison, compare(answer_files[:1], respondents_reference(paper))])
    with pytest.raises(AnswersError, match="differ in reference name: probe and world"):
        merge_comparisons([comparison, compare(answer_files[:1], world_reference())])
    renamed_file = tmp_path / "renamed.tsv"
    renamed_file.write_bytes(answer_files[0].read_bytes())
    with pytest.raises(AnswersError, match=r"differ in the level of confidence intervals: 0\.95 and 0\.9"):
        merge_comparisons([comparison, compare([renamed_file], respondents_reference(paper), n=50, level=0.9)])


def test_comparisons_of_other_numbers_of_resamples_stand_together(
    paper: Dataset, answer_files: list[Path], tmp_path: Path
) -> None:
    renamed_file = tmp_path / "renamed.tsv"
    renamed_file.write_bytes(answer_files[0].read_bytes())
    reference = respondents_reference(paper)
    found = merge_comparisons([compare(answer_files[2:], reference, n=40), compare([renamed_file], reference, n=50)])
    board = found.tables["leaderboard"].filter(grouping="all")
    assert dict(board.select("answers", "n_items").rows()) == {"other": 4, "renamed": 4}
    assert found.tables["pairs"].filter(grouping="all").height == 1


def test_a_comparison_folder_is_opened_as_it_was_written(comparison: Comparison, tmp_path: Path) -> None:
    write_comparison(comparison, tmp_path / "comparison")
    found = load_comparison(tmp_path / "comparison")
    assert found.receipt == comparison.receipt
    for name, table in comparison.tables.items():
        assert_frame_equal(found.tables[name], table)
    (tmp_path / "comparison" / "pairs.parquet").write_bytes(b"")
    with pytest.raises(FolderError, match=r"pairs.parquet: is absent or was changed"):
        load_comparison(tmp_path / "comparison")
