"""A folder of a comparison holds what docs/compare.md says, and all of its files say the same."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench._io._folder import file_facts, read_manifest
from worldvaluesbench.errors import FolderError, WorldValuesBenchError
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compare import compare_answers
from worldvaluesbench.scoring.compare._comparison import (
    IN_DOCUMENT,
    Comparison,
    comparison_document,
    load_comparison,
    write_comparison,
)
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._kinds import KINDS, ORACLE
from worldvaluesbench.scoring.sources._reference import respondents_reference, world_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings

PAGE = (Path(__file__).parents[2] / "docs" / "compare.md").read_text(encoding="utf-8")
TABLES = (
    "leaderboard", "pairs", "demographics", "disparity", "group_means", "compared", "covariances", "table_2",
    "countries", "collapse", "collapse_summary", "determination", "determination_summary", "structure",
)  # fmt: skip
OF_SCORES = (
    "scores", "summary", "attainment", "distances", "distributions", "individuals", "individuals_summary", "counts",
    "groupings", "nonresponse",
)  # fmt: skip
N_PEOPLE = 80
HOW = How(resampling=Resampling(n=30))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Answers]:
    """Two files about two items for eighty people."""
    folder = tmp_path_factory.mktemp("answers")
    rng = np.random.default_rng(95)
    files = [
        write_answers(
            folder / f"{name}.tsv",
            [(item, 101 + k, rng.integers(1, top)) for item, top in (("Q1", 5), ("Q111", 3)) for k in range(N_PEOPLE)],
        )
        for name in ("gpt", "gpt+demographics")
    ]
    return [read_answers(file) for file in files]


@pytest.fixture(scope="module")
def comparison(sources: Sequence[Answers], tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Compared with people of two countries, who all say the same to the second item."""
    responses = {"Q1": np.random.default_rng(96).integers(1, 5, N_PEOPLE).tolist(), "Q111": [1] * N_PEOPLE}
    dataset = make_dataset(tmp_path_factory.mktemp("people") / "dataset", responses, {"B_COUNTRY": [76, 276] * 40})
    reference = respondents_reference(dataset)
    return compare_answers(sources, reference, groupings=parse_groupings("B_COUNTRY"), how=HOW)


@pytest.fixture(scope="module")
def folder(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("out") / "comparison"
    write_comparison(comparison, path)
    return path


def documented(section: str) -> list[str]:
    """The names in the first column of the table in a section of the page."""
    text = PAGE.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)


def read_json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize("name", TABLES)
def test_the_page_names_the_columns_of_every_table(name: str, folder: Path) -> None:
    assert documented(f"{name}.parquet") == pl.read_parquet(folder / f"{name}.parquet").columns


def test_the_folder_holds_these_files_and_no_others(folder: Path) -> None:
    names = {f"{name}.{end}" for name in (*TABLES, *OF_SCORES) for end in ("parquet", "csv")}
    names |= {"comparison.json", "manifest.json", "table_2.tex", "leaderboard.tex"}
    assert {path.name for path in folder.iterdir()} == names
    for name in ("table_2.tex", "leaderboard.tex"):
        assert f"`{name}`" in PAGE
    for name in OF_SCORES:
        assert f"`{name}`" in PAGE.split("## Scores\n")[1]


def test_every_table_of_the_comparison_is_one_that_the_page_names(comparison: Comparison) -> None:
    assert set(comparison.tables) == {*TABLES, *OF_SCORES}


def test_the_page_names_the_keys_of_the_document(folder: Path) -> None:
    assert sorted(documented("comparison.json")) == sorted(read_json(folder / "comparison.json"))


def test_the_page_names_every_kind() -> None:
    assert set(documented("Kinds and pairs")) == {*KINDS, ORACLE}


def test_the_document_repeats_its_tables(comparison: Comparison, folder: Path) -> None:
    document = read_json(folder / "comparison.json")
    assert document == json.loads(json.dumps(comparison_document(comparison)))
    for name in IN_DOCUMENT:
        assert document[name] == pl.read_parquet(folder / f"{name}.parquet").to_dicts()
    assert document["n_common"] == 2 * N_PEOPLE
    sort = {"kind": "with", "kind_from": "name", "family": "gpt", "model": None, "method": None}
    sort |= {"conditions": None, "partner": None}
    assert document["sorts"]["gpt+demographics"] == sort


@pytest.mark.parametrize("name", sorted({*TABLES, *OF_SCORES}))
def test_every_table_is_there_as_csv_too(name: str, folder: Path) -> None:
    table = pl.read_parquet(folder / f"{name}.parquet")
    assert_frame_equal(pl.read_csv(folder / f"{name}.csv", schema=table.schema), table)


def test_the_manifest_is_the_document_without_its_tables(folder: Path) -> None:
    manifest, document = read_manifest(folder, "comparison"), read_json(folder / "comparison.json")
    assert {key: value for key, value in document.items() if key not in IN_DOCUMENT} == {
        key: value for key, value in manifest.items() if key != "files"
    }
    names = {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert manifest["files"] == {name: file_facts(folder / name) for name in names}


def test_the_latex_is_of_the_pooled_rows_and_says_that_people_are_invented(folder: Path) -> None:
    leaderboard = (folder / "leaderboard.tex").read_text(encoding="utf-8")
    assert leaderboard.count(r"\\") == 1 + 2 + 1, "head, sources, and the mark of invented people"
    table_2 = (folder / "table_2.tex").read_text(encoding="utf-8")
    assert "Q111 & " in table_2
    assert "Without demographics" in table_2
    assert all("INVENTED" in text for text in (leaderboard, table_2))


def test_what_does_not_vary_has_nulls_and_no_infinity(comparison: Comparison) -> None:
    row = comparison.tables["collapse"].filter(item_id="Q111", grouping="all", answers="gpt").row(0, named=True)
    assert (row["entropy_humans"], row["entropy_ratio"], row["variance_ratio"]) == (0, None, None)
    for table in comparison.tables.values():
        for column in table.iter_columns():
            assert not column.dtype.is_float() or column.drop_nulls().is_finite().all()


def test_against_the_world_what_needs_people_is_not_there(sources: Sequence[Answers], tmp_path: Path) -> None:
    against_world = compare_answers(sources, world_reference(), how=HOW)
    assert set(TABLES) - set(against_world.tables) == {"structure", "determination", "determination_summary"}
    write_comparison(against_world, tmp_path / "world")
    assert read_json(tmp_path / "world" / "comparison.json")["is_invented"] is False
    assert "INVENTED" not in (tmp_path / "world" / "leaderboard.tex").read_text(encoding="utf-8")


def test_a_finished_folder_is_not_overwritten_unasked(comparison: Comparison, folder: Path) -> None:
    with pytest.raises(FolderError, match="is not empty"):
        write_comparison(comparison, folder)
    write_comparison(comparison, folder, force=True)


def test_a_folder_opens_as_what_was_written(comparison: Comparison, folder: Path) -> None:
    opened = load_comparison(folder)
    assert opened.receipt == json.loads(json.dumps(comparison.receipt))
    assert opened.sorts == comparison.sorts
    assert opened.tables.keys() == comparison.tables.keys()
    for name, table in comparison.tables.items():
        assert_frame_equal(opened.tables[name], table)


def test_a_folder_of_another_version_is_to_be_made_again(comparison: Comparison, tmp_path: Path) -> None:
    tables = dict(comparison.tables)
    tables["leaderboard"] = tables["leaderboard"].drop("bias_left")
    write_comparison(Comparison(comparison.receipt, tables), tmp_path / "old")
    with pytest.raises(FolderError, match="leaderboard has other columns than this version makes"):
        load_comparison(tmp_path / "old")


def test_a_comparison_prints_and_shows_as_its_leaderboard(comparison: Comparison) -> None:
    board = comparison.tables["leaderboard"].filter(grouping="all").sort("rank")
    rows = [f"{max(row['corrected'], 0):.3f} [{row['low']:.3f}, {row['high']:.3f}]" for row in board.to_dicts()]
    for text in (repr(comparison), comparison._repr_html_()):
        plain = re.sub(r"<[^>]+>|[│┆]", " ", text)
        shown = re.findall(r"(\S+)\s+(?:with|without)\s+(\d\.\d{3} \[\S+ \S+\])", plain)
        assert shown == list(zip(board["answers"], rows, strict=True)), "the closest first, each with its mean"
        assert "95% confidence interval" in text
        assert "synthetic survey" in text
        assert "Brazil" not in text, "pooled rows alone"
    assert comparison._repr_html_().count("<tr>") == 1 + board.height


def test_a_name_is_no_markup(comparison: Comparison) -> None:
    named = comparison.tables["leaderboard"].with_columns(answers=pl.lit("<b>gpt"))
    shown = Comparison(comparison.receipt, {**comparison.tables, "leaderboard": named})._repr_html_()
    assert "&lt;b&gt;gpt" in shown
    assert "<b>" not in shown


def test_the_tables_are_pandas_frames_where_pandas_is_there(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    frames = comparison.to_pandas()
    assert frames.keys() == comparison.tables.keys()
    for name, table in comparison.tables.items():
        assert list(frames[name].columns) == table.columns
        assert len(frames[name]) == table.height
    board = comparison.tables["leaderboard"]
    assert frames["leaderboard"]["corrected"].tolist() == board["corrected"].to_list()
    assert frames["leaderboard"]["answers"].tolist() == board["answers"].to_list()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(WorldValuesBenchError, match=r"needs pandas; pip install 'worldvaluesbench\[pandas\]'"):
        comparison.to_pandas()


def test_a_manifest_that_lacks_something_or_says_what_none_does_is_one_line(folder: Path, tmp_path: Path) -> None:
    manifest = read_json(folder / "manifest.json")
    shutil.copytree(folder, tmp_path / "copy")
    changes: list[tuple[Callable[[dict[str, Any]], object], str]] = [
        (lambda said: said.pop("sorts"), "lacks sorts, or it is not as in any comparison"),
        (lambda said: said.update(people=[1]), "says 'people', which no comparison says"),
        (lambda said: said["settings"].pop("min_n"), "lacks settings.min_n"),
        (lambda said: said["settings"].update(groupings=["me"]), "There is no attribute 'me'"),
        (lambda said: said["settings"].update(groupings=[3]), "has settings that cannot be"),
        (lambda said: said["settings"]["resampling"].update(n="3"), "The number of resamples is a whole number"),
        (lambda said: said["answers"][0].update(size="many"), "lacks answers.size"),
        (lambda said: said["answers"].append(3), "lacks answers.name"),
        (lambda said: said["sorts"]["gpt"].update(conditions=3), "lacks sorts.conditions"),
        (lambda said: said.update(outcomes={}), "names other answers in one place than in another"),
        (
            lambda said: said["sorts"]["gpt"].update(partner=" gpt"),
            "has the partner ' gpt', which begins or ends with a space",
        ),
    ]
    for change, message in changes:
        said = json.loads(json.dumps(manifest))
        change(said)
        (tmp_path / "copy" / "manifest.json").write_text(json.dumps(said))
        with pytest.raises(FolderError, match=f"^[^\n]*{message}[^\n]*; compare again.$"):
            load_comparison(tmp_path / "copy")
