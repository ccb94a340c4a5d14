"""Other distances than Wasserstein-1, and skill: SciPy, loops over people, and numbers worked by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cityblock, jensenshannon

from tests.scoring.people import ALL, make_dataset, write_answers
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._distances import (
    DISTANCES,
    jensen_shannon,
    mean_difference,
    ranked_probability_score,
    skill,
    total_variation,
)
from worldvaluesbench.stats._distribution import Array, shares_of, wasserstein
from worldvaluesbench.stats._estimate import Floats, Resampling
from worldvaluesbench.survey._codebook import load_codebook

counts = st.integers(2, 10).flatmap(
    lambda k: st.tuples(*(st.lists(st.integers(0, 9), min_size=k, max_size=k).filter(any) for _ in range(2)))
)


def rps_by_people(humans: Array, answers: Array) -> float:
    """The mean over people of the squared gaps between cumulated answers and the step at the one response."""
    scores = []
    for point, n in enumerate(humans.astype(int)):
        step = (np.arange(humans.size) >= point).astype(float)
        gaps = (np.cumsum(shares_of(answers)) - step)[:-1]
        scores += [(gaps**2).mean()] * n
    return float(np.mean(scores))


def by_another_road(name: str, humans: Array, answers: Array) -> float:
    u, v = shares_of(humans), shares_of(answers)
    place = np.linspace(0, 1, u.size)
    roads: dict[str, Callable[[], float]] = {
        "total_variation": lambda: cityblock(u, v) / 2,
        "jensen_shannon": lambda: jensenshannon(u, v, base=2) ** 2,
        "ranked_probability_score": lambda: rps_by_people(humans, answers),
        "mean_difference": lambda: float(np.average(place, weights=v) - np.average(place, weights=u)),
    }
    return float(roads[name]())


@given(counts)
@settings(max_examples=150, deadline=None)
def test_every_distance_equals_that_of_another_road(sides: tuple[list[int], list[int]]) -> None:
    humans, answers = (np.array(side, dtype=float) for side in sides)
    for name, measure in DISTANCES.items():
        found = float(measure(shares_of(humans), shares_of(answers)))
        assert found == pytest.approx(by_another_road(name, humans, answers), abs=1e-9), name


@given(counts)
@settings(max_examples=150, deadline=None)
def test_distances_lie_where_they_should(sides: tuple[list[int], list[int]]) -> None:
    u, v = (shares_of(side) for side in sides)
    w1 = float(wasserstein(u, v))
    assert abs(float(mean_difference(u, v))) <= w1 + 1e-12
    assert float(mean_difference(u, v)) == pytest.approx(-float(mean_difference(v, u)), abs=1e-12)
    assert 0 <= float(jensen_shannon(u, v)) <= float(total_variation(u, v)) + 1e-12 <= 1 + 2e-12
    assert float(ranked_probability_score(u, v)) >= float(ranked_probability_score(u, u)) - 1e-12


def test_no_forecast_is_better_than_the_people_themselves() -> None:
    rng = np.random.default_rng(71)
    u = np.array([0.4, 0.3, 0.2, 0.1])
    others = rng.dirichlet(np.ones(4), 200)
    assert all(ranked_probability_score(u, other) > ranked_probability_score(u, u) for other in others)


@pytest.mark.parametrize("measure", DISTANCES.values(), ids=DISTANCES)
def test_many_at_a_time_are_as_each_alone(measure: Callable[[Floats, Floats], Floats]) -> None:
    rng = np.random.default_rng(72)
    humans, answers = rng.dirichlet(np.ones(5), (2, 3, 4)).transpose(0, 3, 1, 2)
    found = measure(humans, answers)
    for place in np.ndindex(3, 4):
        at = (slice(None), *place)
        assert found[place] == pytest.approx(float(measure(humans[at], answers[at])))


def test_skill_worked_by_hand() -> None:
    assert skill([0.05, 0.1, 0.3], [0.1, 0.1, 0.1]) == pytest.approx([0.5, 0, -2])
    assert np.isnan(skill(0.1, 0.0))
    assert np.isnan(skill(np.nan, 0.1))
    assert np.isnan(skill(0.1, np.nan))


ITEMS = ("Q1", "Q48", "Q111")


def test_the_table_of_distances_holds_them_with_quantiles_of_their_draws(tmp_path: Path) -> None:
    rng = np.random.default_rng(73)
    scales = [load_codebook().item(item_id).scale for item_id in ITEMS]
    said = [rng.integers(scale.low, scale.high + 1, 50) for scale in scales]
    given_ = [rng.integers(scale.low, scale.high + 1, 50) for scale in scales]
    dataset = make_dataset(
        tmp_path / "people", {item_id: column.tolist() for item_id, column in zip(ITEMS, said, strict=True)}
    )
    rows = [(item_id, 101 + k, given_[place][k]) for place, item_id in enumerate(ITEMS) for k in range(50)]
    answers = read_answers(write_answers(tmp_path / "model.tsv", rows))
    how = How(resampling=Resampling(n=2_000))
    scores = score_answers([answers], respondents_reference(dataset), how=how)
    table = scores.tables["distances"]
    drawn = np.random.default_rng(74).integers(50, size=(2_000, 49))
    for place, row in enumerate(table.to_dicts()):
        n_points, low = scales[place].n_points, scales[place].low
        counts_of = [np.bincount(side[place] - low, minlength=n_points).astype(float) for side in (said, given_)]
        shares = [
            np.stack([shares_of(np.bincount(side[place][who] - low, minlength=n_points)) for who in drawn], axis=1)
            for side in (said, given_)
        ]
        for name, measure in DISTANCES.items():
            assert row[name] == pytest.approx(by_another_road(name, *counts_of), abs=1e-9)
            ends = np.quantile(measure(*shares), [0.025, 0.975])
            # two sets of 2,000 draws
            assert [row[f"{name}_low"], row[f"{name}_high"]] == pytest.approx(list(ends), abs=0.03)


def test_skills_of_scores_are_those_against_their_baselines(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 1, 2, 4] * 5, "Q234A": [1, 2, 3, 4] * 5})
    rows = [(item_id, 101 + k, 1 + k % 2) for item_id in ("Q1", "Q234A") for k in range(20)]
    scores = score_answers(
        [read_answers(write_answers(tmp_path / "model.tsv", rows))], respondents_reference(dataset), how=ALL
    )
    for row in scores.table.to_dicts():
        ratio = row["distance"] / row["uniform"] if row["uniform"] else None
        assert row["skill_uniform"] == (None if ratio is None else pytest.approx(1 - ratio))
    first, without_marginals = scores.table.sort("item_id").to_dicts()
    assert first["skill_marginal"] == pytest.approx(1 - first["distance"] / first["world_marginal"])
    assert (without_marginals["world_marginal"], without_marginals["skill_marginal"]) == (None, None)


def test_where_people_are_spread_evenly_there_is_no_skill_against_uniform(tmp_path: Path) -> None:
    """Weights of 0.6 at each point; but 0.2 + 0.2 + 0.2 is 0.6000000000000001."""
    people = {"Q1": [1, 1, 1, 2, 2, 3, 3, 4, 4, 4]}
    weights = {"W_WEIGHT": [0.2, 0.2, 0.2, 0.1, 0.5, 0.3, 0.3, 0.1, 0.2, 0.3]}
    dataset = make_dataset(tmp_path / "people", people, weights=weights)
    answers = read_answers(write_answers(tmp_path / "model.tsv", [("Q1", 101 + k, 1) for k in range(10)]))
    row = score_answers([answers], respondents_reference(dataset, "probe", "W_WEIGHT")).table.row(0, named=True)
    assert row["uniform"] != 0
    assert row["uniform"] == pytest.approx(0, abs=1e-12)
    assert row["skill_uniform"] is None
