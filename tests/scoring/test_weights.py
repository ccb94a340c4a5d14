"""Survey weights reach both sides, the baselines and the effective n; the four references are whom they say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import wasserstein_distance

from tests.scoring.people import ALL, make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._weights import WEIGHTS, WeightName
from worldvaluesbench.errors import AnswersError, DatasetError
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._reference import Reference, ReferenceName, respondents_reference, world_reference
from worldvaluesbench.survey._attributes import parse_groupings
from worldvaluesbench.survey._codebook import load_codebook

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
    four: Dataset, three_answers: Answers, whom: ReferenceName, n: int, distance: float
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
    for name in set(scores.tables) - {"counts", "groupings", "nonresponse"}:
        assert scores.tables[name]["weight"].unique().to_list() == ["product"]
    assert isinstance(scores.table, pl.DataFrame)


ITEMS = ("Q1", "Q48", "Q111")
N_PEOPLE = 40


@pytest.fixture(scope="module")
def weighted_people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Forty invented people in a city or not, in two splits, with both weights; one in ten gave no response."""
    rng = np.random.default_rng(91)
    responses = {}
    for item_id in ITEMS:
        scale = load_codebook().item(item_id).scale
        ratings = rng.integers(scale.low, scale.high + 1, N_PEOPLE)
        responses[item_id] = np.where(rng.random(N_PEOPLE) < 0.1, -1, ratings).tolist()
    return make_dataset(
        tmp_path_factory.mktemp("people") / "dataset",
        responses,
        {"H_URBRURAL": [1, 2] * 20},
        weights={
            name: rng.gamma(shape, size=N_PEOPLE).tolist()
            for name, shape in (("W_WEIGHT", 1.0), ("S018", 2.0), ("PWGHT", 1.5), ("S017", 3.0))
        },
        splits=["test", "test", "train", "valid"] * 10,
    )


def sources_of(kind: str, dataset: Dataset, folder: Path) -> tuple[Answers, dict[tuple[str, int], dict[int, float]]]:
    """Answers for the first thirty people of test and valid, and the shares of ratings that each is given."""
    rng = np.random.default_rng(92)
    given, rows = dict[tuple[str, int], dict[int, float]](), []
    splits = dict(dataset.respondents(["respondent_id", "split"]).rows())
    for item_id in ITEMS:
        scale = load_codebook().item(item_id).scale
        for key in (key for key in range(101, 131) if splits[key] != "train"):
            if kind == "file" or rng.random() < 0.5:
                ratings = rng.integers(scale.low, scale.high + 1, 1 if kind == "file" else 3).tolist()
                rows += [Row(item_id, key, rating, sample=sample) for sample, rating in enumerate(ratings)]
                given[item_id, key] = {r: ratings.count(r) / len(ratings) for r in ratings}
            else:
                shares = rng.dirichlet(np.ones(scale.n_points))
                rows.append(Row(item_id, key, probabilities=shares.tolist()))
                given[item_id, key] = dict(zip(scale.ratings, shares.tolist(), strict=True))
    if kind == "run":
        return read_answers(make_run(folder / "run", rows, dataset)), given
    file = write_answers(folder / "file.tsv", [(row.item_id, row.respondent_id, row.rating) for row in rows])
    return read_answers(file), given


def weight_of(person: Mapping[str, Any], weight: WeightName) -> float:
    named = {"none": 1.0, "product": person["W_WEIGHT"] * person["S018"]}
    return float(named[weight] if weight in named else person[weight])


@pytest.mark.parametrize("kind", ["file", "run"])
@pytest.mark.parametrize("whom", ["probe", "split", "all"])
@pytest.mark.parametrize("weight", WEIGHTS)
def test_every_weighted_distance_equals_scipys_to_1e_9(
    kind: str, whom: ReferenceName, weight: WeightName, weighted_people: Dataset, tmp_path: Path
) -> None:
    """SciPy's distance of weighted values, cell by cell; and the baselines and effective numbers by plain sums."""
    answers, given = sources_of(kind, weighted_people, tmp_path)
    reference = respondents_reference(weighted_people, whom, weight)
    scores = score_answers([answers], reference, groupings=parse_groupings("H_URBRURAL"), how=ALL)
    people = weighted_people.respondents().join(weighted_people.responses(), on="respondent_id").to_dicts()
    assert scores.table.height == 9
    for row in scores.table.to_dicts():
        scale = load_codebook().item(row["item_id"]).scale
        inside = [one for one in people if row["group_codes"] in (None, str(one["H_URBRURAL"]))]
        w = {one["respondent_id"]: weight_of(one, weight) for one in inside}
        response = {one["respondent_id"]: one[row["item_id"]] for one in inside if one[row["item_id"]] >= 0}
        splits = {one["respondent_id"]: one["split"] for one in inside}
        answered = [key for key in response if (row["item_id"], key) in given]
        if whom == "split":  # most rows are for the test split, and those of the other are left out
            answered = [key for key in answered if splits[key] == "test"]
        humans = {
            "probe": answered,
            "split": [key for key in response if splits[key] == "test"],
            "all": list(response),
        }[whom]
        entries = [(r, share * w[key]) for key in answered for r, share in given[row["item_id"], key].items()]
        said, of_said = [response[key] for key in humans], [w[key] for key in humans]
        expected = wasserstein_distance(
            said, [r for r, _ in entries], u_weights=of_said, v_weights=[share for _, share in entries]
        ) / (scale.n_points - 1)
        assert row["distance"] == pytest.approx(expected, abs=1e-9)
        uniform = wasserstein_distance(said, list(scale.ratings), u_weights=of_said) / (scale.n_points - 1)
        assert row["uniform"] == pytest.approx(uniform, abs=1e-9)
        mass = [sum(x for r, x in zip(said, of_said, strict=True) if r == rating) for rating in scale.ratings]
        mode = scale.ratings[int(np.argmax(mass))]
        majority = wasserstein_distance(said, [mode], u_weights=of_said) / (scale.n_points - 1)
        assert row["majority"] == pytest.approx(majority, abs=1e-9)
        assert row["n_effective"] == pytest.approx(sum(of_said) ** 2 / sum(x**2 for x in of_said))
        assert (row["n_responses"], row["n_examples"]) == (len(humans), len(answered))
        assert row["weight"] == weight


def test_only_weights_of_those_who_are_compared_need_be_there(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", {"Q1": [1, 2, 4, 4]}, weights={"W_WEIGHT": [1.0, 2.0, None, 0.0]})
    two = read_answers(write_answers(tmp_path / "two.tsv", [("Q1", 101, 1), ("Q1", 102, 1)]))
    assert row_of(two, respondents_reference(dataset, "probe", "W_WEIGHT"))["distance"] == pytest.approx(2 / 3 / 3)
    with pytest.raises(DatasetError, match="2 of 4 respondents who are used have a missing or zero weight"):
        row_of(two, respondents_reference(dataset, "all", "W_WEIGHT"))


@pytest.mark.parametrize("weight", ["W_WEIGHT", "product"])
def test_missing_answers_need_weights_too_for_they_are_in_the_bounds(tmp_path: Path, weight: WeightName) -> None:
    weights: dict[str, list[float | None]] = {"W_WEIGHT": [1.0, None], "S018": [1.0, 1.0]}
    dataset = make_dataset(tmp_path / "d", {"Q1": [1, 2]}, weights=weights)
    two = read_answers(write_answers(tmp_path / "two.tsv", [("Q1", 101, 1), ("Q1", 102, "no")]))
    with pytest.raises(DatasetError, match=f"1 of 2 respondents who are used have .* weight {weight}"):
        row_of(two, respondents_reference(dataset, "probe", weight))
