"""Bundles: what is shared holds aggregates alone, can be trusted, and stands beside other bundles and runs."""

import hashlib
import io
import zipfile
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.reporting.conftest import GROUPINGS, MIN_N, NAMES
from worldvaluesbench.benchmark.dataset import Dataset
from worldvaluesbench.errors import AnswersError, BundleError, FolderError
from worldvaluesbench.estimate import Resampling
from worldvaluesbench.reporting.bundle import write_bundle
from worldvaluesbench.reporting.bundle_file import check_bundle, is_bundle, load_shared_columns, read_bundle
from worldvaluesbench.reporting.bundle_zip import load_schemas
from worldvaluesbench.reporting.suppress import protect
from worldvaluesbench.scoring.answers import read_answers
from worldvaluesbench.scoring.compare import compare_answers
from worldvaluesbench.scoring.comparison import Comparison, read_comparison, write_comparison
from worldvaluesbench.scoring.how import How
from worldvaluesbench.scoring.merge import is_paired, merge_comparisons
from worldvaluesbench.scoring.reference import Reference, respondents_reference, world_reference
from worldvaluesbench.survey.attributes import parse_groupings


def compare(paths: list[Path], reference: Reference, n: int = 200) -> Comparison:
    groupings = parse_groupings(GROUPINGS) if reference.dataset else ()
    how = How(min_n=MIN_N, resampling=Resampling(n=n))
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
    assert set(found.tables) == set(comparison.tables) - {"draws"}
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
    made = {name: table for name, table in comparison.tables.items() if name != "draws"}
    for name, table in made.items():
        assert set(table.columns) == shared[name], name
        assert {column: str(dtype) for column, dtype in table.schema.items()} == load_schemas()[name]
    assert set(shared) == set(made)
    assert {kind for of in load_schemas().values() for kind in of.values()} <= {"String", "Int64", "Float64", "Boolean"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tables/people.parquet", parquet(pl.DataFrame({"item_id": ["Q1"], "rating": [1]})), "is no table of a bundle"),
        (
            "tables/pairs.parquet",
            parquet(pl.DataFrame({"respondent_id": [1]})),
            "has the column respondent_id, which is about single people",
        ),
        ("tables/pairs.parquet", parquet(pl.DataFrame({"salary": [1]})), "the column salary, which no bundle has"),
        ("tables/pairs.parquet", b"PAR1", "cannot be read as parquet"),
        ("answers.tsv", b"QUESTION_ID\n", "is no file of a bundle"),
    ],
)
def test_whatever_is_about_single_people_is_refused(
    bundle: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = change(bundle, tmp_path / "odd.zip", name, content, is_summed=True)
    assert any(message in problem for problem in check_bundle(path))
    with pytest.raises(BundleError):
        read_bundle(path)


def test_a_bundle_that_was_changed_is_refused(bundle: Path, tmp_path: Path) -> None:
    changed = change(bundle, tmp_path / "changed.zip", "README.md", b"all is well")
    assert check_bundle(changed) == ["README.md is not as SHA256SUMS says it was; get the bundle again."]
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


@pytest.mark.skip(reason="merging without draws: rewritten with the new tables")
def test_bundles_of_the_same_examples_compare_as_their_runs_would(
    paper: Dataset, answer_files: list[Path], comparison: Comparison, tmp_path: Path
) -> None:
    reference = respondents_reference(paper)
    parts = []
    for place, paths in enumerate((answer_files[:1], answer_files[1:])):
        write_bundle(compare(paths, reference), tmp_path / f"{place}.zip")
        parts.append(read_bundle(tmp_path / f"{place}.zip"))
    together = merge_comparisons(parts)
    assert is_paired(together.receipt)
    assert together.names == comparison.names
    shown = protect(comparison).tables
    for name in ("leaderboard", "pairs", "demographics", "disparity", "table_2"):
        keys = [column for column in shown[name].columns if not shown[name][column].dtype.is_float()]
        found = together.tables[name]
        if name == "disparity":  # made anew of the groups that may be shown
            found = found.join(shown[name].select("grouping").unique(), on="grouping", how="semi")
        assert_frame_equal(found.sort(keys), shown[name].sort(keys), abs_tol=1e-6)


@pytest.mark.skip(reason="merging without draws: rewritten with the new tables")
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
    paper: Dataset, answer_files: list[Path], comparison: Comparison
) -> None:
    with pytest.raises(AnswersError, match="Two of the comparisons have answers called 'model'"):
        merge_comparisons([comparison, compare(answer_files[:1], respondents_reference(paper))])
    with pytest.raises(AnswersError, match="differ in reference name: probe and world"):
        merge_comparisons([comparison, compare(answer_files[:1], world_reference())])
    with pytest.raises(AnswersError, match="differ in settings resampling"):
        merge_comparisons([comparison, compare(answer_files[:1], respondents_reference(paper), n=50)])


def test_a_comparison_folder_is_opened_as_it_was_written(comparison: Comparison, tmp_path: Path) -> None:
    write_comparison(comparison, tmp_path / "comparison")
    found = read_comparison(tmp_path / "comparison")
    assert found.receipt == comparison.receipt
    for name, table in comparison.tables.items():
        assert_frame_equal(found.tables[name], table)
    (tmp_path / "comparison" / "pairs.parquet").write_bytes(b"")
    with pytest.raises(FolderError, match=r"pairs.parquet: is absent or was changed"):
        read_comparison(tmp_path / "comparison")
