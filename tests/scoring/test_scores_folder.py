"""A folder of scores holds what docs/scores.md says, and all of its files say the same."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.scoring.people import ALL, RURAL, URBAN, make_dataset, write_answers
from worldvaluesbench._io._folder import file_facts, read_manifest
from worldvaluesbench.errors import FolderError
from worldvaluesbench.runs._reasons import OUTCOMES, REASONS
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring._scores import IN_DOCUMENT, Scores, scores_document, write_scores
from worldvaluesbench.scoring.measure._summary import THRESHOLDS
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._baselines import BASELINES
from worldvaluesbench.scoring.sources._reference import respondents_reference, world_reference
from worldvaluesbench.survey._attributes import parse_groupings

PAGE = (Path(__file__).parents[2] / "docs" / "scores.md").read_text(encoding="utf-8")
TABLES = (
    "scores",
    "summary",
    "attainment",
    "distances",
    "distributions",
    "individuals",
    "individuals_summary",
    "groupings",
    "nonresponse",
    "counts",
)

# Q1 runs from 1 to 4, Q111 from 1 to 2. Two live in a city, two in the country, and of the last nothing is known.
RESPONSES = {"Q1": [1, 2, 3, 4, 1], "Q111": [1, 1, 2, 2, 2]}
HOMES = [URBAN, URBAN, RURAL, RURAL, -5]
ROWS = [("Q1", key, score) for key, score in zip(range(101, 106), [1, 2, 4, 4, 4], strict=True)]
ROWS += [("Q111", key, 1) for key in range(101, 106)] + [("Q111", 104, 2), ("Q7777", 101, 1)]


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Scores:
    folder = tmp_path_factory.mktemp("scores")
    dataset = make_dataset(folder / "people", RESPONSES, {"H_URBRURAL": HOMES})
    file = write_answers(folder / "model.tsv", ROWS)
    return score_answers(
        [read_answers(file)], respondents_reference(dataset), groupings=parse_groupings("H_URBRURAL"), how=ALL
    )


@pytest.fixture(scope="module")
def folder(scores: Scores, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("out") / "scores"
    write_scores(scores, path)
    return path


def documented(section: str) -> list[str]:
    """The names in the first column of the table in a section of the page."""
    text = PAGE.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)


def read_json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize("name", TABLES)
def test_the_page_names_the_columns_of_every_table(name: str, folder: Path) -> None:
    assert documented(f"{name}.parquet") == pl.read_parquet(folder / f"{name}.parquet").columns


def test_the_page_names_the_keys_of_the_document(folder: Path) -> None:
    assert documented("scores.json") == list(read_json(folder / "scores.json"))


def test_the_page_names_the_outcomes_in_their_order() -> None:
    assert documented("Which answers count") == list(OUTCOMES)
    for reason, why in REASONS.items():
        assert f"| `{reason}` | {why}" in PAGE


@pytest.mark.parametrize("key", ["reference", "settings", "answers"])
def test_the_page_names_the_keys_within_the_document(key: str, scores: Scores) -> None:
    section = PAGE.split("## scores.json\n", 1)[1]
    line = next(line for line in section.splitlines() if line.startswith(f"| `{key}` |"))
    content = scores_document(scores)[key]
    for name in content[0] if isinstance(content, list) else content:
        assert f"`{name}`" in line


def test_the_manifest_is_the_document_without_its_tables(folder: Path) -> None:
    manifest, document = read_manifest(folder, "scores"), read_json(folder / "scores.json")
    assert {key: value for key, value in document.items() if key not in TABLES} == {
        key: value for key, value in manifest.items() if key != "files"
    }
    names = {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert manifest["files"] == {name: file_facts(folder / name) for name in names}


@pytest.mark.parametrize("name", IN_DOCUMENT)
def test_the_document_repeats_its_tables(name: str, folder: Path) -> None:
    table = pl.read_parquet(folder / f"{name}.parquet")
    assert read_json(folder / "scores.json")[name] == table.to_dicts()


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_there_as_csv_too(name: str, folder: Path) -> None:
    table = pl.read_parquet(folder / f"{name}.parquet")
    assert_frame_equal(pl.read_csv(folder / f"{name}.csv", schema=table.schema), table)


def test_no_table_holds_a_nan(scores: Scores) -> None:
    for table in scores.tables.values():
        for column in table.iter_columns():
            assert not column.dtype.is_float() or not column.is_nan().any()


def test_scores_of_invented_people_say_so(folder: Path) -> None:
    assert read_json(folder / "scores.json")["is_invented"] is True
    assert read_manifest(folder, "scores")["is_invented"] is True


def test_scores_against_the_world_say_so(scores: Scores) -> None:
    against_world = scores_document(score_answers(scores.answers, world_reference(), how=ALL))
    assert against_world["is_invented"] is False
    assert against_world["reference"]["name"] == "world"
    assert against_world["reference"]["n_respondents"] == 94_278
    assert set(against_world["scores"][0]) == set(scores.table.columns)
    assert against_world["scores"][0]["edition"] is None


def test_a_finished_folder_is_not_overwritten_unasked(scores: Scores, folder: Path) -> None:
    with pytest.raises(FolderError, match="is not empty"):
        write_scores(scores, folder)
    write_scores(scores, folder, force=True)


def test_distances_worked_by_hand(scores: Scores) -> None:
    distances = {(row["group"], row["item_id"]): row["distance"] for row in scores.table.to_dicts()}
    # people 1 2 3 4 1, answers 1 2 4 4 4: one goes from 3 to 4, another from 1 to 4; of five people, over three steps
    assert distances["all", "Q1"] == pytest.approx(4 / 15)
    assert distances["Urban", "Q1"] == 0
    assert distances["Rural", "Q1"] == pytest.approx(1 / 6)
    # people 1 1 2 2 2, answers all 1
    assert distances["all", "Q111"] == pytest.approx(3 / 5)
    assert distances["Urban", "Q111"] == 0
    assert distances["Rural", "Q111"] == 1


def test_baselines_worked_by_hand(scores: Scores) -> None:
    pooled = scores.table.filter(pl.col("grouping") == "all")
    # Q1: shares .4 .2 .2 .2 against .25 each: (.15 + .10 + .05) / 3; against all at 1: (1 + 2 + 3) / 15
    # Q111: .4 .6 against .5 .5; against all at 2
    assert pooled["uniform"].to_list() == pytest.approx([0.1, 0.1])
    assert pooled["majority"].to_list() == pytest.approx([6 / 15, 2 / 5])
    rural = scores.table.filter(pl.col("group") == "Rural", pl.col("item_id") == "Q1")
    # 3 and 4 are equally frequent: the lower is the majority
    assert rural["majority"].to_list() == pytest.approx([1 / 6])


def test_summaries_worked_by_hand(scores: Scores) -> None:
    rows = {(row["group"], row["answered_by"]): row for row in scores.summary.to_dicts()}
    pooled, urban = rows["all", "model"], rows["Urban", "model"]
    assert (pooled["n_items"], pooled["attained_0_1"], pooled["attained_0_2"]) == (2, 0, 0)
    assert pooled["mean"] == pytest.approx((4 / 15 + 3 / 5) / 2)
    assert pooled["sd"] == pytest.approx((3 / 5 - 4 / 15) / 2)
    assert (urban["mean"], urban["sd"], urban["attained_0_1"]) == (0, 0, 1)
    assert rows["all", "uniform"]["attained_0_1"] == 1, "0.1 is within 0.1, whatever its last bits say"
    assert {method for _, method in rows} == {"model", *BASELINES}


def test_attainment_counts_items_at_exactly_a_threshold(scores: Scores) -> None:
    pooled = scores.attainment.filter(pl.col("grouping") == "all")
    shares = {
        method: dict(pooled.filter(pl.col("answered_by") == method).select("threshold", "share").rows())
        for method in ("model", "uniform", "majority")
    }
    assert list(shares["model"]) == pytest.approx([step * 0.05 for step in range(21)])
    # distances 4/15 and 3/5
    assert shares["model"] == {t: (t > 4 / 15) / 2 + (t >= 0.6) / 2 for t in THRESHOLDS}
    # both 1/10; both 2/5
    assert shares["uniform"] == {t: float(t >= 0.1) for t in THRESHOLDS}
    assert shares["majority"] == {t: float(t >= 0.4) for t in THRESHOLDS}


@pytest.mark.parametrize("step", range(21))
def test_no_threshold_flips_by_a_rounding_error(step: int, tmp_path: Path) -> None:
    """Of twenty people at the low end, `step` are said to stand at the high end: the distance is step/20."""
    dataset = make_dataset(tmp_path / "people", {"Q111": [1] * 20})
    file = write_answers(tmp_path / "model.tsv", [("Q111", 101 + i, 2 if i < step else 1) for i in range(20)])
    scores = score_answers([read_answers(file)], respondents_reference(dataset), how=ALL)
    shares = scores.attainment.filter(pl.col("answered_by") == "model")["share"].to_list()
    assert shares == [float(place >= step) for place in range(21)]


def test_counts_worked_by_hand(scores: Scores) -> None:
    rows = {row["item_id"]: row for row in scores.counts.to_dicts()}
    assert (rows["Q1"]["n_rows"], rows["Q1"]["valid"]) == (5, 5)
    assert (rows["Q111"]["n_rows"], rows["Q111"]["valid"], rows["Q111"]["duplicate"]) == (6, 5, 1)
    assert (rows[None]["n_rows"], rows[None]["unknown_item"]) == (1, 1)


def test_groups_carry_codes_and_labels(scores: Scores) -> None:
    groups = scores.table.select("grouping", "group", "group_codes").unique(maintain_order=True).rows()
    assert groups == [("all", "all", None), ("H_URBRURAL", "Urban", "1"), ("H_URBRURAL", "Rural", "2")]
