"""Missing answers: bounds equal those of all placements and of linear programs; refusals move at the least cost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from tests.scoring.people import ALL, make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._reference import ReferenceName, respondents_reference, world_reference
from worldvaluesbench.stats._bounds import distance_bounds, distance_with_refusals, refusal_distance
from worldvaluesbench.stats._distribution import Array, shares_of, wasserstein
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings
from worldvaluesbench.survey._marginals import load_marginals

counts = st.integers(2, 6).flatmap(
    lambda k: st.tuples(*(st.lists(st.integers(0, 6), min_size=k, max_size=k) for _ in range(2)))
)


@given(counts, st.integers(0, 4))
@settings(max_examples=150, deadline=None)
def test_bounds_are_the_least_and_the_largest_over_all_ways_to_answer(
    sides: tuple[list[int], list[int]], n_missing: int
) -> None:
    """As many humans as answers and missing ones, as where people are compared one by one."""
    answers = np.array(sides[1])
    humans = np.array(sides[0])
    humans[0] += max(answers.sum() + n_missing - humans.sum(), 0)
    answers[-1] += humans.sum() - answers.sum() - n_missing
    if humans.sum() == 0:
        return
    k = len(humans)
    placed = [np.bincount(where, minlength=k) for where in combinations_with_replacement(range(k), n_missing)]
    possible = [float(wasserstein(shares_of(humans), shares_of(answers + more))) for more in placed]
    best, worst = distance_bounds(humans, answers, n_missing, k)
    assert float(best) == pytest.approx(min(possible), abs=1e-12)
    assert float(worst) == pytest.approx(max(possible), abs=1e-12)


def least_by_linear_program(humans: Array, answers: Array, missing: float) -> float:
    """Missing mass m_j at each point and gaps g_k at least as large as what is left of them: sum of g is least."""
    k = humans.size
    v, total = humans / humans.sum(), answers.sum() + missing
    gap = np.cumsum(v)[:-1] - np.cumsum(answers)[:-1] / total
    lower = np.tril(np.ones((k, k)))[:-1] / total
    sides = np.vstack([np.hstack([-lower, -np.eye(k - 1)]), np.hstack([lower, -np.eye(k - 1)])])
    found = linprog(
        np.r_[np.zeros(k), np.ones(k - 1)],
        A_ub=sides,
        b_ub=np.r_[-gap, gap],
        A_eq=[np.r_[np.ones(k), np.zeros(k - 1)]],
        b_eq=[missing],
    )
    assert found.success
    return float(found.fun) / (k - 1)


@pytest.mark.parametrize("seed", range(25))
def test_bounds_of_weights_equal_those_of_a_linear_program(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 11))
    humans, answers = rng.gamma(0.5, size=(2, k))
    missing = float(rng.gamma(1.0) * answers.sum())
    padded = [np.pad(side, (0, 10 - k)) for side in (humans, answers)]
    best, worst = distance_bounds(padded[0], padded[1], missing, k)
    assert float(best) == pytest.approx(least_by_linear_program(humans, answers, missing), abs=1e-7)
    ends = [float(wasserstein(shares_of(humans), shares_of(answers + missing * one))) for one in np.eye(k)]
    assert float(worst) == pytest.approx(max(ends), abs=1e-12)


def test_bounds_of_many_cells_are_those_of_each() -> None:
    rng = np.random.default_rng(31)
    n_points = np.array([4, 10, 2])
    inside = np.arange(10) < n_points[:, None]
    humans, answers = rng.integers(0, 5, (2, 6, 3, 10)) * inside
    missing = rng.integers(0, 4, (6, 3))
    best, worst = distance_bounds(humans, answers, missing, n_points)
    for group, item in np.ndindex(6, 3):
        k = n_points[item]
        alone = distance_bounds(humans[group, item, :k], answers[group, item, :k], missing[group, item], k)
        assert (best[group, item], worst[group, item]) == pytest.approx(tuple(map(float, alone)), nan_ok=True)


def test_without_missing_answers_both_bounds_are_the_distance() -> None:
    best, worst = distance_bounds([3, 1, 0, 2], [1, 1, 1, 1], 0, 4)
    expected = float(wasserstein(shares_of([3, 1, 0, 2]), shares_of([1, 1, 1, 1])))
    assert (float(best), float(worst)) == pytest.approx((expected, expected))


@pytest.mark.parametrize(("humans", "answers", "missing"), [([0, 0], [1, 1], 1), ([1, 1], [0, 0], 0)])
def test_an_empty_side_has_no_bounds(humans: list[int], answers: list[int], missing: int) -> None:
    assert np.isnan(distance_bounds(humans, answers, missing, 2)).all()


def test_nothing_read_at_all_can_be_anything() -> None:
    best, worst = distance_bounds([5, 0, 0, 0], [0, 0, 0, 0], 5, 4)
    assert (float(best), float(worst)) == (0, 1)


def transport(humans: Array, answers: Array) -> float:
    """Optimal transport, by a linear program, of scale points and, last, refusals at distance 1 from all."""
    k = humans.size - 1
    place = np.arange(k) / (k - 1)
    cost = np.ones((k + 1, k + 1))
    cost[:k, :k] = np.abs(place[:, None] - place)
    cost[k, k] = 0
    rows = np.kron(np.eye(k + 1), np.ones(k + 1))
    columns = np.kron(np.ones(k + 1), np.eye(k + 1))
    sides = np.r_[humans / humans.sum(), answers / answers.sum()]
    found = linprog(cost.ravel(), A_eq=np.vstack([rows, columns])[:-1], b_eq=sides[:-1])
    assert found.success
    return float(found.fun)


@pytest.mark.parametrize("seed", range(25))
def test_the_distance_with_refusals_is_optimal_transport(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    k = int(rng.integers(2, 8))
    humans, answers = rng.gamma(0.5, size=(2, k + 1))
    if seed % 5 == 0:
        humans[-1] = 0
    expected = transport(humans, answers)
    padded = [np.pad(side[:-1], (0, 10 - k)) for side in (humans, answers)]
    assert float(distance_with_refusals(padded[0], humans[-1], padded[1], answers[-1], k)) == pytest.approx(
        expected, abs=1e-7
    )
    gaps = np.cumsum(shares_of(humans) - shares_of(answers))[:-1, None]
    assert refusal_distance(gaps) == pytest.approx(expected, abs=1e-7)


def test_refusals_worked_by_hand() -> None:
    # half refuse on one side, a quarter on the other: a quarter is moved at 1, from where it is in the way
    assert float(distance_with_refusals([1, 1], 2, [3, 0], 1, 2)) == pytest.approx(0.25 + 0.25)
    assert float(distance_with_refusals([0, 0], 4, [3, 1], 0, 2)) == 1
    assert float(distance_with_refusals([2, 2], 4, [1, 1], 2, 2)) == 0
    assert np.isnan(distance_with_refusals([0, 0], 0, [3, 1], 0, 2))


# Scores: people who refuse, people who do not, and answers of all kinds for them

N_PEOPLE = 48
RESPONSES = [1, 2, 3, 4, -1, -2, -4, 4]
"""Of eight people five respond to Q1, two refuse, and one was not asked."""
TEXTS = ["1", "2", "no", "4", "4", "9", ""]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    rng = np.random.default_rng(32)
    return make_dataset(
        tmp_path_factory.mktemp("people") / "dataset",
        {"Q1": RESPONSES * 6},
        {"H_URBRURAL": [1, 2, 2] * 16},
        weights={"W_WEIGHT": rng.uniform(0.5, 2, N_PEOPLE).tolist()},
        splits=["test"] * 40 + ["train"] * 8,
    )


def text_of(k: int) -> str:
    return TEXTS[(k * k + k // 3) % 7]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """An answer for each but the last eight people, readable or not; the first three are answered for again."""
    rows = [("Q1", 101 + k, text_of(k)) for k in range(40)] + [("Q1", 101 + k, "3") for k in range(3)]
    return read_answers(write_answers(tmp_path_factory.mktemp("file") / "model.tsv", rows))


@pytest.fixture(scope="module")
def run(people: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Three samples for each but the last eight: ratings, probabilities and refusals by turns; some all refusals."""
    kinds: list[dict[str, Any]] = [
        {"rating": 2},
        {"probabilities": [0.1, 0.2, 0.3, 0.4]},
        {"unparsed": "refusal"},
        {"unparsed": "off_scale"},
        {"rating": 4},
    ]
    rows = [Row("Q1", 101 + k, sample=s, **kinds[(k * (s + 2) + s) % 5]) for k in range(40) for s in range(3)]
    return read_answers(make_run(tmp_path_factory.mktemp("runs") / "run", rows, people))


def given_by(answers: Answers) -> dict[int, Array]:
    """For each person answered for, shares of the points 1 to 4 and, last, of a refusal: naively, from the rows."""
    given = defaultdict[int, list[Array]](list)
    seen = set[tuple[int, ...]]()
    for row in answers.frame.to_dicts():
        shares = None
        if row.get("probabilities"):
            shares = np.array([*row["probabilities"], 0.0]) / sum(row["probabilities"])
        elif row["answer"] is not None and str(row["answer"]) in "1234":
            shares = np.eye(5)[int(row["answer"]) - 1]
        key = row["respondent_id"], *((row["order"], row["sample"]) if answers.run else ())
        given.setdefault(row["respondent_id"], [])
        if shares is not None and key not in seen:
            seen.add(key)
            given[row["respondent_id"]].append(shares)
    return {key: np.mean(several, axis=0) if several else np.eye(5)[4] for key, several in given.items()}


def expected_distance(
    answers: Answers, people: Dataset, whom: ReferenceName, weight: str, codes: str | None
) -> tuple[float, float]:
    """The distance with refusals and that of the uniform baseline, by linear programs."""
    known = people.respondents().join(people.responses(), on="respondent_id").to_dicts()
    given = given_by(answers)
    humans, answered = np.zeros(5), np.zeros(5)
    for row in known:
        w = row["W_WEIGHT"] if weight != "none" else 1.0
        key, response = row["respondent_id"], row["Q1"]
        if codes not in (None, str(row["H_URBRURAL"])) or response == -4:
            continue
        if key in given:
            answered += w * given[key]
        if key in given or whom == "all" or (whom == "split" and row["split"] == "test"):
            humans[response - 1 if response > 0 else 4] += w
    return transport(humans, answered), transport(humans, np.array([1, 1, 1, 1, 0.0]))


@pytest.mark.parametrize("source", ["file", "run"])
@pytest.mark.parametrize("whom", ["probe", "split", "all"])
@pytest.mark.parametrize("weight", ["none", "W_WEIGHT"])
def test_scores_with_refusals_equal_optimal_transport_of_all_who_were_answered_for(
    source: str, whom: ReferenceName, weight: Any, people: Dataset, request: pytest.FixtureRequest
) -> None:
    answers: Answers = request.getfixturevalue(source)
    how = How(1, Resampling(n=30), has_refusals=True)
    reference = respondents_reference(people, whom, weight)
    scores = score_answers([answers], reference, groupings=parse_groupings("H_URBRURAL"), how=how)
    assert scores.table.height == 3
    for row in scores.table.to_dicts():
        distance, uniform = expected_distance(answers, people, whom, weight, row["group_codes"])
        assert row["distance"] == pytest.approx(distance, abs=1e-7)
        assert row["uniform"] == pytest.approx(uniform, abs=1e-7)
        assert row["low"] < row["high"]
        assert row["low"] <= max(row["corrected"], 0) <= row["high"]


def test_who_refuses_where_people_do_is_right(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 3, 4, -1, -2] * 2})
    texts = ["1", "2", "3", "4", "I don't know", ""] * 2
    answers = read_answers(write_answers(tmp_path / "m.tsv", [("Q1", 101 + k, text) for k, text in enumerate(texts)]))
    row = score_answers([answers], respondents_reference(dataset), how=How(has_refusals=True)).table.row(0, named=True)
    assert row["distance"] == 0
    # a third of the people refuse, and nobody else
    assert row["uniform"] == pytest.approx(1 / 3)


def test_who_refuses_everything_is_far_off_and_not_too_small(tmp_path: Path) -> None:
    """Were the cell left out, a model would gain by refusing what it does badly."""
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 3, 4] * 5})
    answers = read_answers(write_answers(tmp_path / "m.tsv", [("Q1", 101 + k, "no") for k in range(20)]))
    how = How(resampling=Resampling(n=20), has_refusals=True)
    scores = score_answers([answers], respondents_reference(dataset), how=how)
    (row,) = scores.table.to_dicts()
    assert (row["is_too_small"], row["n_answers"], row["n_missing"], row["coverage"]) == (False, 0, 20, 0)
    assert (row["distance"], row["low"], row["high"], row["uniform"]) == (1, 1, 1, 0)
    assert scores.summary.filter(answered_by="m")["mean"].item() == 1
    left_out = score_answers([answers], respondents_reference(dataset)).table.row(0, named=True)
    assert (left_out["is_too_small"], left_out["distance"]) == (True, None)


def bounds_in(answers: Answers, people: Dataset, **treated: Any) -> tuple[float, float, float]:
    row = score_answers([answers], respondents_reference(people), **{"how": ALL, **treated}).table.row(0, named=True)
    return row["best"], row["worst"], row["coverage"]


def naive_bounds(answers: Answers, people: Dataset) -> tuple[float, float, float]:
    """Bounds over all ways to place what is missing among the people who responded and were answered for."""
    responses = dict(people.responses().rows())
    given = {key: shares for key, shares in given_by(answers).items() if responses.get(key, -1) > 0}
    humans = np.bincount([responses[key] - 1 for key in given], minlength=4).astype(float)
    answered = np.sum([shares[:4] for shares in given.values()], axis=0)
    missing = sum(shares[4] for shares in given.values())
    ends = [float(wasserstein(shares_of(humans), shares_of(answered + missing * one))) for one in np.eye(4)]
    return least_by_linear_program(humans, answered, missing), max(ends), 1 - missing / len(given)


@pytest.mark.parametrize("source", ["file", "run"])
@pytest.mark.parametrize(
    "treated",
    [{}, {"as_published": True}, {"how": How(1, has_refusals=True)}],
    ids=["leave-out", "as-published", "refusal"],
)
def test_every_row_says_what_missing_answers_could_have_made_however_they_are_treated(
    source: str, treated: Mapping[str, Any], people: Dataset, request: pytest.FixtureRequest
) -> None:
    answers: Answers = request.getfixturevalue(source)
    assert bounds_in(answers, people, **treated) == pytest.approx(naive_bounds(answers, people), abs=1e-7)


def test_rows_left_out_are_counted_by_reason_in_every_cell(file: Answers, people: Dataset) -> None:
    scores = score_answers([file], respondents_reference(people), groupings=parse_groupings("H_URBRURAL"), how=ALL)
    responses = dict(people.responses().rows())
    homes = dict(people.respondents(["respondent_id", "H_URBRURAL"]).rows())

    def reason_of(key: int, text: str) -> str | None:
        reasons = {"": "empty", "no": "no_number", "9": "off_scale"}
        return reasons.get(text, None if responses[key] > 0 else "no_response")

    for row in scores.table.to_dicts():
        found: dict[str, int] = defaultdict(int)
        rows: Sequence[tuple[int, str]] = [(101 + k, text_of(k)) for k in range(40)]
        seen = set[int]()
        for key, text in [*rows, *((101 + k, "3") for k in range(3))]:
            if row["group_codes"] in (None, str(homes[key])):
                reason = reason_of(key, text) or ("duplicate" if key in seen else None)
                seen |= {key} if reason is None else set()
                found[reason or "valid"] += 1
        n_valid = found.pop("valid")
        assert dict(part.split(" ") for part in row["left_out"].split(", ")) == {k: str(n) for k, n in found.items()}
        assert row["n_answers"] == n_valid


def test_missing_answers_against_the_world_are_bounded_by_its_counts(tmp_path: Path) -> None:
    rows = [("Q1", key, 1) for key in range(30)] + [("Q1", 100 + key, "?") for key in range(10)]
    answers = read_answers(write_answers(tmp_path / "m.tsv", rows))
    (row,) = score_answers([answers], world_reference()).table.to_dicts()
    world = load_marginals().counts("Q1").astype(float)
    assert row["coverage"] == 0.75
    assert row["best"] == pytest.approx(least_by_linear_program(world, np.array([30, 0, 0, 0.0]), 10), abs=1e-7)
    ends = [float(wasserstein(shares_of(world), shares_of([30, 0, 0, 0] + 10 * one))) for one in np.eye(4)]
    assert row["worst"] == pytest.approx(max(ends), abs=1e-12)
    assert row["left_out"] == "no_number 10"
    assert row["best"] <= row["distance"] <= row["worst"]
