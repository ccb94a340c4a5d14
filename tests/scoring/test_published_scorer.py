"""The published treatment adds what the default one leaves out; the same rows counted by another road give the same."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.scoring import naive
from tests.scoring.people import ALL, make_dataset, write_answers
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.measure import _pairing as panel_module
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.survey._attributes import parse_groupings

N_PEOPLE = 60
SCORES = ("1", "2", "3", "4", "9", "-2", "2.7", "", "none", "1e9")
BY = parse_groupings("H_URBRURAL")
TABLES = ("scores", "summary", "attainment", "distances", "distributions", "counts")

Rows = list[tuple[object, object, object]]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Sixty people, all of the weight 1; some gave no response, and some live nowhere."""
    rng = np.random.default_rng(11)
    return make_dataset(
        tmp_path_factory.mktemp("people") / "dataset",
        {item_id: rng.choice([-1, 1, 2, 3, 4], N_PEOPLE).tolist() for item_id in ("Q1", "Q2")},
        {"H_URBRURAL": rng.choice([1, 2, -5], N_PEOPLE).tolist()},
        weights={"W_WEIGHT": [1.0] * N_PEOPLE},
    )


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Four hundred answers, respondent by respondent, most of them odd or given before."""
    rng = np.random.default_rng(12)
    keys = np.sort(rng.integers(101, 101 + N_PEOPLE, 400))
    return [(rng.choice(["Q1", "Q2"]), key, rng.choice(SCORES)) for key in keys]


def test_persons_who_all_weigh_1_score_as_without_weights(people: Dataset, rows: Rows, tmp_path: Path) -> None:
    """Weighted rows are counted as a whole, and others on top of the default counts."""
    answers = [read_answers(write_answers(tmp_path / "model.tsv", rows))]
    weighted, plain = (
        score_answers(answers, respondents_reference(people, "probe", weight), groupings=BY, as_published=True)
        for weight in ("W_WEIGHT", "none")
    )
    for name in TABLES:
        one, other = (scores.tables[name].drop("weight", strict=False) for scores in (weighted, plain))
        assert_frame_equal(one, other, abs_tol=1e-12, rel_tol=0)


def test_respondents_together_or_apart_score_alike(people: Dataset, rows: Rows, tmp_path: Path) -> None:
    shuffled = [rows[place] for place in np.random.default_rng(13).permutation(len(rows))]
    written = naive.read_rows(write_answers(tmp_path / "model.tsv", shuffled))
    responses = {
        item_id: {key: rating for key, rating in people.responses([item_id]).rows() if rating > 0}
        for item_id in ("Q1", "Q2")
    }
    scores = score_answers(
        [read_answers(tmp_path / "model.tsv")], respondents_reference(people), as_published=True, how=ALL
    )
    everybody = set(people.respondents()["respondent_id"].to_list())
    for row in scores.table.to_dicts():
        expected = naive.score_as_published(written, row["item_id"], responses, everybody)
        assert {key: row[key] for key in vars(expected)} == pytest.approx(vars(expected), rel=1e-12, abs=1e-12)
    (tmp_path / "together").mkdir()
    together = write_answers(tmp_path / "together" / "model.tsv", sorted(shuffled, key=lambda row: str(row[1])))
    again = score_answers([read_answers(together)], respondents_reference(people), as_published=True, how=ALL)
    kept = ["item_id", "n_responses", "n_answers", "n_missing", "distance", "uniform", "best", "worst"]
    assert_frame_equal(scores.table.select(kept), again.table.select(kept), abs_tol=1e-12, rel_tol=0)


def test_entries_are_counted_the_same_few_at_a_time(
    people: Dataset, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, reference = [read_answers(write_answers(tmp_path / "model.tsv", rows))], respondents_reference(people)
    at_once = score_answers(answers, reference, groupings=BY, as_published=True)
    monkeypatch.setattr(panel_module, "COUNTED_AT_ONCE", 1)
    in_parts = score_answers(answers, reference, groupings=BY, as_published=True)
    for name in TABLES:
        assert_frame_equal(at_once.tables[name], in_parts.tables[name])


def test_of_several_most_frequent_responses_the_first_met_in_each_group_is_the_majority(tmp_path: Path) -> None:
    """Everybody: 4 was met first; rural: 1. Whoever lives nowhere is pooled alone."""
    dataset = make_dataset(
        tmp_path / "people", {"Q1": [4, 4, 1, 1, 2, 4, 1, 4, 1]}, {"H_URBRURAL": [1, 1, 2, 2, 2, 2, 1, 2, -5]}
    )
    file = write_answers(tmp_path / "model.tsv", [("Q1", 101 + place, 9) for place in range(9)])
    scores = score_answers([read_answers(file)], respondents_reference(dataset), groupings=BY, as_published=True)
    found = dict(scores.table.select("group", "majority").rows())
    assert found["all"] == pytest.approx((0 * 4 + 1 * 4 + 2 / 3) / 9)
    assert found["Rural"] == pytest.approx((0 * 2 + 1 / 3 + 1 * 2) / 5)


def test_ids_written_as_numbers_of_any_kind_are_the_same_respondents(people: Dataset, tmp_path: Path) -> None:
    """One id that is no plain integer makes the whole column be read as text."""
    plain: Rows = [("Q1", 101 + place, 1 + place % 4) for place in range(40)]
    odd: Rows = [*plain[:-1], ("Q1", "140.0", plain[-1][2])]
    one, other = (
        score_answers([read_answers(write_answers(tmp_path / f"{name}.tsv", rows))], respondents_reference(people))
        for name, rows in (("plain", plain), ("odd", odd))
    )
    assert_frame_equal(one.table.drop("answers"), other.table.drop("answers"))
    assert one.counts["valid"].sum() == 40 - n_silent(people)


def n_silent(people: Dataset) -> int:
    return people.responses(["Q1"])[:40].filter(pl.col("Q1") < 0).height
