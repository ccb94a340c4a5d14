"""Item nonresponse: humans who do not know or do not answer, beside a source's refusals, by plain counting."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.cli.test_commands import Capture, run
from tests.scoring.people import make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.reporting.disclosure._suppress import protect
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.compare._compare import compare_answers
from worldvaluesbench.scoring.measure._nonresponse import NONRESPONSE
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._reference import ReferenceName, respondents_reference, world_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings

N = 80
ITEMS = ("Q1", "Q48", "Q111")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Eighty respondents of two splits in a city or not (or neither), who respond in every way there is."""
    rng = np.random.default_rng(5)
    responses = {item: rng.choice([1, 2, -1, -2, -3, -4, -5], N).tolist() for item in ITEMS}
    homes = rng.choice([1, 2, -5], N).tolist()
    splits = ["test", "test", "train", "test"] * (N // 4)
    return make_dataset(tmp_path_factory.mktemp("people") / "d", responses, {"H_URBRURAL": homes}, splits=splits)


@pytest.fixture(scope="module")
def answers(people: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """A run in two samples for every third respondent of two items: ratings, refusals and what cannot be read."""
    rng = np.random.default_rng(6)
    rows = []
    for item in ITEMS[:2]:
        for key in range(101, 101 + N, 3):
            for sample in range(2):
                reason = [None, "refusal", "no_number", "truncated"][rng.choice(4, p=[0.5, 0.2, 0.2, 0.1])]
                rows.append(Row(item, key, None if reason else 1, unparsed=reason, sample=sample))
    return read_answers(make_run(tmp_path_factory.mktemp("run") / "run", rows, people))


def counted_by_hand(row: dict[str, Any], people: Dataset, answers: Answers, splits: set[str]) -> dict[str, Any]:
    known = people.respondents().join(people.responses(), on="respondent_id").to_dicts()
    inside = [one for one in known if row["group_codes"] in (None, str(one["H_URBRURAL"]))]
    said = [one[row["item_id"]] for one in inside if one["split"] in splits]
    asked = [code for code in said if code >= -2]
    ids = {one["respondent_id"] for one in inside}
    own = [
        one["unparsed"]
        for one in answers.frame.to_dicts()
        if one["item_id"] == row["item_id"] and one["respondent_id"] in ids
    ]
    refusals, others = own.count("refusal"), len(own) - own.count("refusal") - own.count(None)
    return {
        "n_humans_asked": len(asked),
        "n_dont_know": asked.count(-1),
        "n_no_answer": asked.count(-2),
        "share_dont_know": asked.count(-1) / len(asked),
        "share_no_answer": asked.count(-2) / len(asked),
        "n_rows": len(own),
        "n_refusals": refusals,
        "n_unparsed": others,
        "share_refusal": refusals / len(own),
        "share_unparsed": others / len(own),
    }


@pytest.mark.parametrize(("whom", "split"), [("probe", "test"), ("all", "full")])
def test_every_number_is_that_of_plain_counting(
    people: Dataset, answers: Answers, whom: ReferenceName, split: str
) -> None:
    reference = respondents_reference(people, whom)
    scores = score_answers([answers], reference, groupings=parse_groupings("H_URBRURAL"), how=How(1))
    table = scores.tables[NONRESPONSE]
    assert table.select("item_id", "group").rows() == [
        (item, group) for group in ("all", "Urban", "Rural") for item in ITEMS[:2]
    ]
    assert set(table["split"]) == {split}
    for row in table.iter_rows(named=True):
        expected = counted_by_hand(row, people, answers, {"train", "test"} if split == "full" else {split})
        assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_with_a_split_as_reference_rows_of_another_split_are_not_counted(people: Dataset, answers: Answers) -> None:
    table = score_answers([answers], respondents_reference(people, "split"), how=How(1)).tables[NONRESPONSE]
    of_split = dict(people.respondents(["respondent_id", "split"]).rows())
    of_test = [key for key in answers.frame["respondent_id"].to_list() if of_split[key] == "test"]
    assert table["n_rows"].sum() == len(of_test) < answers.frame.height


def test_humans_who_are_few_have_no_numbers(people: Dataset, answers: Answers) -> None:
    reference = respondents_reference(people)
    groupings = parse_groupings("H_URBRURAL")
    every = score_answers([answers], reference, groupings=groupings, how=How(1)).tables[NONRESPONSE]
    least = int(every["n_humans_asked"].sort()[2]) + 1
    found = score_answers([answers], reference, groupings=groupings, how=How(least)).tables[NONRESPONSE]
    is_few = every["n_humans_asked"] < least
    assert 0 < is_few.sum() < every.height
    for name in ("n_humans_asked", "n_dont_know", "n_no_answer", "share_dont_know", "share_no_answer"):
        assert (found[name].is_null() == is_few).all()
        assert found[name].drop_nulls().to_list() == every.filter(~is_few)[name].to_list()
    assert found["n_rows"].to_list() == every["n_rows"].to_list()


def test_a_repeated_row_of_a_file_counts_once(people: Dataset, tmp_path: Path) -> None:
    key = next(one["respondent_id"] for one in people.responses().to_dicts() if one["Q1"] > 0)
    rows = [("Q1", key, 1), ("Q1", key, 2), ("Q1", 999, 1), ("Q1", key + 1, "no")]
    source = read_answers(write_answers(tmp_path / "m.tsv", rows))
    table = score_answers([source], respondents_reference(people), how=How(1)).tables[NONRESPONSE]
    assert table.select("n_rows", "n_refusals", "n_unparsed").row(0) == (2, 0, 1)


def test_against_the_world_nobody_was_asked(answers: Answers) -> None:
    assert score_answers([answers], world_reference(), how=How(1)).tables[NONRESPONSE].is_empty()


def test_it_is_never_shared(tmp_path: Path) -> None:
    people = make_dataset(tmp_path / "d", {"Q1": [1, 2, 3, -1] * 10})
    rows = [("Q1", 101 + k, 2) for k in range(40)]
    sources = [read_answers(write_answers(tmp_path / f"{name}.tsv", rows)) for name in "ab"]
    comparison = compare_answers(sources, respondents_reference(people), how=How(resampling=Resampling(n=20)))
    assert comparison.tables[NONRESPONSE]["n_dont_know"].to_list() == [10, 10]
    assert NONRESPONSE not in protect(comparison).tables


@pytest.mark.parametrize(
    ("n_items", "said"), [(2, "Item nonresponse"), (13, "Nonresponse, mean over 13 items: humans")]
)
def test_few_items_are_a_table_and_many_a_line(capsys: Capture, tmp_path: Path, n_items: int, said: str) -> None:
    items = [f"Q{number}" for number in range(1, 1 + n_items)]
    people = make_dataset(tmp_path / "d", {item: [1, 2, 1, -1] * 10 for item in items})
    rows = [(item, 101 + k, 1 if k % 10 else "no") for item in items for k in range(40)]
    file = write_answers(tmp_path / "m.tsv", rows)
    assert run("score", file, "--data", people.folder, "--out", tmp_path / "out", "--resamples", 0) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert said in shown
    assert "25.0%" in shown
    assert "10.0%" in shown


def test_where_everybody_responds_and_is_answered_for_nothing_is_said(capsys: Capture, tmp_path: Path) -> None:
    people = make_dataset(tmp_path / "d", {"Q1": [1, 2] * 20})
    file = write_answers(tmp_path / "m.tsv", [("Q1", 101 + k, 1) for k in range(40)])
    assert run("score", file, "--data", people.folder, "--out", tmp_path / "out", "--resamples", 0) == 0
    assert "onresponse" not in capsys.readouterr().out
    assert pl.read_parquet(tmp_path / "out" / "nonresponse.parquet")["n_humans_asked"].to_list() == [40]
