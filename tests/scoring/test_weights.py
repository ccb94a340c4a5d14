"""Survey weights reach both sides, the baselines and the effective n; the four references are whom they say."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.scoring.people import ALL, make_dataset, write_answers
from worldvaluesbench.benchmark.dataset import Dataset
from worldvaluesbench.benchmark.weights import WeightName
from worldvaluesbench.errors import AnswersError, DatasetError
from worldvaluesbench.scoring.answers import Answers, read_answers
from worldvaluesbench.scoring.reference import Reference, Whom, respondents_reference, world_reference
from worldvaluesbench.scoring.score import score_answers

W, S = [1.0, 2.0, 3.0, 2.0], [0.5, 1.0, 0.5, 2.0]


@pytest.fixture
def four(tmp_path: Path) -> Dataset:
    """Four people who said 1, 2, 4 and 4 of Q1 (a scale from 1 to 4), the last of them in the train split."""
    return make_dataset(
        tmp_path / "four",
        {"Q1": [1, 2, 4, 4]},
        weights={"W_WEIGHT": W, "S018": S},
        splits=["test", "test", "test", "train"],
    )


@pytest.fixture
def three_answers(tmp_path: Path) -> Answers:
    """The first three are said to answer 2, 2 and 3."""
    return read_answers(write_answers(tmp_path / "model.tsv", [("Q1", 101, 2), ("Q1", 102, 2), ("Q1", 103, 3)]))


def row_of(answers: Answers, reference: Reference) -> dict[str, Any]:
    return score_answers([answers], reference, how=ALL).table.row(0, named=True)


def test_a_weighted_score_equals_one_worked_by_hand(four: Dataset, three_answers: Answers) -> None:
    row = row_of(three_answers, respondents_reference(four, weight="W_WEIGHT"))
    # humans 1, 2, 0, 3 of 6, answers 0, 3, 3, 0 of 6; cumulated 1, 3, 3 against 0, 3, 6 sixths
    assert row["distance"] == pytest.approx((1 + 0 + 3) / 6 / 3)
    assert row["majority"] == pytest.approx((1 + 3 + 3) / 6 / 3), "the point with most weight is 4"
    assert row["uniform"] == pytest.approx((abs(1 / 6 - 1 / 4) + 0 + abs(1 / 2 - 3 / 4)) / 3)
    assert row["n_effective"] == pytest.approx(36 / 14)
    assert (row["n_responses"], row["n_answers"]) == (3, 3)


@pytest.mark.parametrize("weight", ["W_WEIGHT", "S018", "product"])
def test_weighing_equals_counting_people_as_often_as_they_weigh(tmp_path: Path, weight: WeightName) -> None:
    rng = np.random.default_rng(2)
    said, answered = rng.integers(1, 5, 30), rng.integers(1, 5, 30)
    weights = {"W_WEIGHT": rng.integers(1, 5, 30).astype(float), "S018": rng.integers(1, 4, 30).astype(float)}
    times = {**weights, "product": weights["W_WEIGHT"] * weights["S018"]}[weight].astype(int)
    few = make_dataset(tmp_path / "few", {"Q1": said.tolist()}, weights={k: v.tolist() for k, v in weights.items()})
    many = make_dataset(tmp_path / "many", {"Q1": np.repeat(said, times).tolist()})
    files = [
        read_answers(write_answers(tmp_path / f"{size}.tsv", [("Q1", 101 + k, x) for k, x in enumerate(given)]))
        for size, given in (("few", answered.tolist()), ("many", np.repeat(answered, times).tolist()))
    ]
    weighted, counted = (
        row_of(files[0], respondents_reference(few, weight=weight)),
        row_of(files[1], respondents_reference(many)),
    )
    for column in ("distance", "uniform", "majority", "majority_pooled", "best", "worst"):
        assert weighted[column] == pytest.approx(counted[column], abs=1e-12)


@pytest.mark.parametrize("bad", [None, 0.0, -1.0])
def test_missing_and_zero_weights_are_an_error_that_counts_them(
    tmp_path: Path, three_answers: Answers, bad: float | None
) -> None:
    dataset = make_dataset(tmp_path / "d", {"Q1": [1, 2, 4, 4]}, weights={"W_WEIGHT": [1.0, bad, bad, bad]})
    with pytest.raises(DatasetError, match="2 of 3 respondents who are used have a missing or zero weight W_WEIGHT"):
        row_of(three_answers, respondents_reference(dataset, weight="W_WEIGHT"))


def test_a_dataset_without_the_weight_is_an_error(tmp_path: Path, three_answers: Answers) -> None:
    dataset = make_dataset(tmp_path / "d", {"Q1": [1, 2, 4, 4]})
    with pytest.raises(DatasetError, match="W_WEIGHT"):
        row_of(three_answers, respondents_reference(dataset, weight="W_WEIGHT"))


@pytest.mark.parametrize(
    ("whom", "n", "distance"),
    [
        ("probe", 3, (1 / 3 + 0 + abs(2 / 3 - 1)) / 3),
        ("split", 3, (1 / 3 + 0 + abs(2 / 3 - 1)) / 3),
        ("all", 4, (1 / 4 + abs(2 / 4 - 2 / 3) + abs(2 / 4 - 1)) / 3),
    ],
)
def test_the_humans_are_those_who_are_asked_for(
    four: Dataset, three_answers: Answers, whom: Whom, n: int, distance: float
) -> None:
    row = row_of(three_answers, respondents_reference(four, whom))
    assert row["reference"] == whom
    assert row["n_responses"] == n
    assert row["distance"] == pytest.approx(distance)


def test_of_the_split_those_count_who_were_not_answered_for(four: Dataset, tmp_path: Path) -> None:
    one = read_answers(write_answers(tmp_path / "one.tsv", [("Q1", 101, 1)]))
    assert row_of(one, respondents_reference(four))["distance"] == 0
    row = row_of(one, respondents_reference(four, "split"))
    assert (row["n_responses"], row["n_answers"]) == (3, 1)
    assert row["distance"] == pytest.approx((2 / 3 + 1 / 3 + 1 / 3) / 3)


def test_the_world_has_no_weights(four: Dataset) -> None:
    with pytest.raises(AnswersError, match="unweighted counts"):
        Reference(four.codebook, weight="S018")
    assert world_reference().weight == "none"


def test_every_score_names_its_weight(four: Dataset, three_answers: Answers) -> None:
    scores = score_answers([three_answers], respondents_reference(four, weight="product"), how=ALL)
    for name in set(scores.tables) - {"counts"}:
        assert scores.tables[name]["weight"].unique().to_list() == ["product"]
    assert isinstance(scores.table, pl.DataFrame)
