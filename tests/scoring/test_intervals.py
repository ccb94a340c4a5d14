"""Intervals equal those of loops that draw people and score them again, by every method, on every side."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap, wasserstein_distance

from tests.scoring.simulated import draw_points, panel_of, ratings
from worldvaluesbench.distribution import Array, shares_of, uniform_shares, wasserstein
from worldvaluesbench.estimate import (
    METHODS,
    SIDES,
    Method,
    Resampling,
    Side,
    acceleration_of,
    bca_ends,
    debias,
    quantiles_of,
)
from worldvaluesbench.scoring.bounds import distance_with_refusals
from worldvaluesbench.scoring.intervals import Intervals, find_intervals
from worldvaluesbench.scoring.panel import Entries, Panel, with_refusals
from worldvaluesbench.scoring.resample import draw_people
from worldvaluesbench.scoring.summary import ANSWERS, THRESHOLDS

N_POINTS = np.array([4, 3, 2])
N = 40
EVERY = np.ones((1, 3), dtype=bool)
SOME = Resampling(n=200, seed=3)


def random_panel(seed: int, n: int = N, *, leaning: float = 0.5) -> Panel:
    """Three items; answers follow the response of the person half of the time, else they lie low."""
    rng = np.random.default_rng(seed)
    people = np.column_stack([rng.integers(0, k, n) for k in N_POINTS])
    given = np.where(rng.random((n, 3)) < leaning, people, rng.integers(0, 2, (n, 3)))
    return panel_of(N_POINTS, ratings(people), ratings(given))


def counts_of(entries: Entries, times: Array, item: int) -> Array:
    """Weight on the points of an item as drawn; `times` is (people, draws) -> (draws, points)."""
    counts = np.zeros((times.shape[1], int(N_POINTS[item])))
    for person, of_item, point, weight in zip(
        entries.person, entries.item, entries.point, entries.weights, strict=True
    ):
        if of_item == item:
            counts[:, point] += weight * times[person]
    return counts


@dataclass(frozen=True)
class Naive:
    """Per item: distance, corrected, draws and corrected draws."""

    value: Array
    corrected: Array
    draws: Array
    corrected_draws: Array


def naive(panel: Panel, resampling: Resampling, stratum: NDArray[np.int64] | None = None) -> Naive:
    """People drawn as `draw_people` says, scored item by item and draw by draw; the correction by its definition."""
    people = draw_people([panel], None, stratum, resampling)
    times = np.zeros((panel.n_people, resampling.n))
    times[people.place] = people.drawn(slice(None))
    once = np.ones((panel.n_people, 1))
    found = []
    for item in range(3):
        value = [np.cumsum(shares_of(counts_of(side, once, item)), axis=1)[0, :-1] for side in sides_of(panel)]
        drawn = [np.cumsum(shares_of(counts_of(side, times, item)), axis=1)[:, :-1] for side in sides_of(panel)]
        if resampling.side == "reference":
            drawn[1] = value[1][None]
        gap, gaps = value[0] - value[1], drawn[0] - drawn[1]
        spread = gaps.std(axis=0)
        found.append(
            (
                np.abs(gap).mean(),
                debias(gap, spread).mean(),
                np.abs(gaps).mean(axis=1),
                debias(gaps, spread).mean(axis=1),
            )
        )
    return Naive(*(np.array(part) for part in zip(*found, strict=True)))


def sides_of(panel: Panel) -> tuple[Entries, Entries]:
    return panel.humans, panel.answers


def jackknife_acceleration(panel: Panel, side: Side = "both", *, of_mean: bool = False) -> Array:
    """A sixth of the skewness of what the distances do as each person weighs a little more."""

    def distances(times: Array) -> Array:
        of_answers = times if side == "both" else np.ones_like(times)
        counts = [
            (counts_of(panel.humans, times, item)[0], counts_of(panel.answers, of_answers, item)[0])
            for item in range(3)
        ]
        return np.array([float(wasserstein(*map(shares_of, both))) for both in counts])

    once = np.ones((panel.n_people, 1))
    influence = np.array([distances(once + 1e-6 * (np.arange(N) == k)[:, None]) for k in range(N)]) - distances(once)
    if of_mean:
        influence = influence.mean(axis=1, keepdims=True)
    return acceleration_of((influence**3).sum(axis=0), (influence**2).sum(axis=0))


def ends_by(method: Method, found: Naive, panel: Panel, side: Side = "both") -> tuple[Array, Array]:
    """The ends of the intervals of items, never below 0."""
    if method == "bca":
        ends = bca_ends(found.value, found.draws, jackknife_acceleration(panel, side), SOME.ends)
        low, high = quantiles_of(found.draws, ends)
    else:
        draws = found.corrected_draws if method == "debiased" else found.draws
        low, high = np.quantile(draws, SOME.ends, axis=1)
    return np.maximum(low, 0), np.maximum(high, 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("side", SIDES)
def test_intervals_of_items_equal_those_of_plain_draws(method: Method, side: Side) -> None:
    panel = random_panel(1)
    resampling = replace(SOME, method=method, side=side)
    found, expected = find_intervals(panel, None, None, resampling, EVERY).cells, naive(panel, resampling)
    low, high = ends_by(method, expected, panel, side)
    assert found.low[0] == pytest.approx(low, abs=2e-3 if method == "bca" else 2e-5)
    assert found.high[0] == pytest.approx(high, abs=2e-3 if method == "bca" else 2e-5)
    assert found.corrected[0] == pytest.approx(expected.corrected, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_interval_of_a_mean_comes_from_the_means_of_draws(method: Method) -> None:
    panel = random_panel(2)
    resampling = replace(SOME, method=method)
    found, expected = find_intervals(panel, None, None, resampling, EVERY).sets[0, ANSWERS], naive(panel, resampling)
    mean = expected.corrected.mean()
    assert found.mean_corrected == pytest.approx(mean, abs=1e-5)
    if method == "debiased":
        draws = expected.corrected_draws.mean(axis=0)
        low, high = np.quantile(draws - draws.mean() + mean, SOME.ends)
        # 0.796 times what the correction took may be left of the bias
        low -= 0.796 * (expected.value.mean() - mean)
    elif method == "percentile":
        low, high = np.quantile(expected.draws.mean(axis=0), SOME.ends)
    else:
        draws = expected.draws.mean(axis=0)
        acceleration = jackknife_acceleration(panel, of_mean=True)[0]
        ends = bca_ends(expected.value.mean(), draws, acceleration, SOME.ends)
        low, high = map(float, quantiles_of(draws, ends))
    assert found.mean == pytest.approx((max(low, 0), high), abs=2e-3 if method == "bca" else 2e-5)
    of_items = ends_by(method, expected, panel)
    assert found.mean[1] - found.mean[0] < 0.8 * np.mean(of_items[1] - of_items[0]), "a mean is surer than its items"


def test_a_mean_over_items_of_the_same_people_is_no_surer_than_one_of_them() -> None:
    """Ten copies of one item: whoever is drawn, all of them move alike. Intervals of items apart would not see it."""
    rng = np.random.default_rng(4)
    people, given = rng.integers(0, 4, (2, 60, 1))
    panel = panel_of([4] * 10, ratings(np.tile(people, 10)), ratings(np.tile(given, 10)))
    found = find_intervals(panel, None, None, SOME, np.ones((1, 10), dtype=bool))
    low, high = found.sets[0, ANSWERS].mean
    assert high - low == pytest.approx(found.cells.high[0, 0] - found.cells.low[0, 0], rel=0.02)


def test_bands_of_attainment_are_those_of_draws_moved_to_the_distances() -> None:
    panel = random_panel(5)
    found = find_intervals(panel, None, None, SOME, EVERY).sets[0, ANSWERS].attained
    expected = naive(panel, SOME)
    moved = expected.draws - expected.draws.mean(axis=1, keepdims=True) + expected.value[:, None]
    for place, threshold in enumerate(THRESHOLDS):
        shares = (moved <= threshold).mean(axis=0)
        assert found[place] == pytest.approx(np.quantile(shares, SOME.ends), abs=0.02)


def test_a_distance_without_noise_at_a_threshold_attains_it() -> None:
    """Everybody says the lowest of six points, and the answer is the next: 0.2, whoever is drawn."""
    people = np.zeros((20, 1), dtype=int)
    panel = panel_of([6], ratings(people), ratings(people + 1))
    found = find_intervals(panel, None, None, SOME, np.ones((1, 1), dtype=bool)).sets[0, ANSWERS].attained
    assert found[:, 0].tolist() == found[:, 1].tolist() == [float(threshold >= 0.2) for threshold in THRESHOLDS]


def test_baselines_have_the_intervals_of_the_same_draws() -> None:
    panel = random_panel(6)
    sets = find_intervals(panel, None, None, replace(SOME, method="percentile"), EVERY).sets
    people = draw_people([panel], None, None, SOME)
    times = people.drawn(slice(None)).astype(float)
    means: dict[str, list[Array]] = {"uniform": [], "majority": []}
    for item, k in enumerate(N_POINTS.tolist()):
        drawn = shares_of(counts_of(panel.humans, times, item))
        means["uniform"].append(wasserstein(drawn, uniform_shares(k)))
        mode = drawn >= drawn.max(axis=1, keepdims=True) - 1e-6
        first = np.eye(k)[mode.argmax(axis=1)]
        means["majority"].append(wasserstein(drawn, first))
    for name, of_items in means.items():
        low, high = np.quantile(np.mean(of_items, axis=0), SOME.ends)
        assert sets[0, name].mean == pytest.approx((low, high), abs=1e-5)


def test_bca_is_near_that_of_scipys_bootstrap_of_pairs() -> None:
    """Two programs that draw apart: their ends agree to a few hundredths of the scale's length."""
    rng = np.random.default_rng(7)
    people, given = rng.choice(4, 80, p=[0.4, 0.3, 0.2, 0.1]), rng.choice(4, 80, p=[0.2, 0.3, 0.3, 0.2])

    def distance(u: Array, v: Array) -> float:
        return float(wasserstein_distance(u, v)) / 3

    by_scipy = bootstrap(
        (people, given), distance, n_resamples=1_500, paired=True, vectorized=False, method="BCa", rng=8
    ).confidence_interval
    panel = panel_of([4], ratings(people[:, None]), ratings(given[:, None]))
    resampling = Resampling(n=4_000, method="bca")
    found = find_intervals(panel, None, None, resampling, np.ones((1, 1), dtype=bool)).cells
    assert (found.low[0, 0], found.high[0, 0]) == pytest.approx(tuple(by_scipy), abs=0.02)
    assert by_scipy.high - by_scipy.low > 0.1


def test_with_the_reference_alone_answers_stay() -> None:
    """Answers that are the responses themselves: with both sides drawn nothing is ever apart."""
    people = np.random.default_rng(9).integers(0, 4, (50, 1))
    panel = panel_of([4], ratings(people), ratings(people))
    every = np.ones((1, 1), dtype=bool)
    both = find_intervals(panel, None, None, replace(SOME, method="percentile"), every).cells
    alone = find_intervals(panel, None, None, replace(SOME, method="percentile", side="reference"), every).cells
    assert (both.low[0, 0], both.high[0, 0]) == (0, 0)
    assert 0 < alone.low[0, 0] < alone.high[0, 0]


def test_probabilities_that_are_the_same_for_everybody_do_not_move() -> None:
    rng = np.random.default_rng(10)
    people = rng.integers(0, 4, (50, 1))
    person = np.repeat(np.arange(50), 4)
    stated = Entries(person, np.zeros(200, dtype=int), np.tile(np.arange(4), 50), np.tile([0.1, 0.2, 0.3, 0.4], 50))
    panel = panel_of([4], ratings(people), stated)
    every = np.ones((1, 1), dtype=bool)
    both, alone = (
        find_intervals(panel, None, None, replace(SOME, side=side), every).cells for side in ("both", "reference")
    )
    assert (both.low[0, 0], both.high[0, 0]) == pytest.approx((alone.low[0, 0], alone.high[0, 0]), abs=1e-5)


def test_strata_leave_out_what_is_between_them() -> None:
    """Half the people say the lowest and are answered for rightly, half the highest and wrongly."""
    rng = np.random.default_rng(11)
    stratum = np.arange(80) % 2
    people = np.where(rng.random((80, 1)) < 0.1, 1, stratum[:, None] * 3)
    panel = panel_of([4], ratings(people), ratings(np.zeros((80, 1), dtype=int)))
    every = np.ones((1, 1), dtype=bool)
    widths = []
    for strata in (None, stratum):
        cells = find_intervals(panel, None, strata, SOME, every).cells
        widths.append(float(cells.high[0, 0] - cells.low[0, 0]))
    assert widths[1] < 0.5 * widths[0]
    expected = naive_of_one_item(panel, stratum)
    assert (cells.low[0, 0], cells.high[0, 0]) == pytest.approx(expected, abs=1e-5)


def naive_of_one_item(panel: Panel, stratum: NDArray[np.int64]) -> tuple[float, float]:
    times = draw_people([panel], None, stratum, SOME).drawn(slice(None)).astype(float)
    gaps = np.zeros((SOME.n, 3))
    for side, sign in zip(sides_of(panel), (1, -1), strict=True):
        counts = np.array([np.bincount(side.point, weights=column, minlength=4) for column in times.T])
        gaps = gaps + sign * np.cumsum(shares_of(counts), axis=1)[:, :-1]
    draws = debias(gaps, gaps.std(axis=0)).mean(axis=1)
    low, high = np.quantile(draws, SOME.ends)
    return max(float(low), 0), float(high)


def as_numbers(found: Intervals) -> dict[str, Array]:
    cells = {name: getattr(found.cells, name) for name in ("low", "high", "corrected")}
    return cells | {f"{name} of {group}": np.array(one.mean) for (group, name), one in found.sets.items()}


def assert_equal(first: Mapping[str, Array], second: Mapping[str, Array], *, within: float = 0.0) -> None:
    assert first.keys() == second.keys()
    for name, numbers in first.items():
        assert numbers == pytest.approx(second[name], abs=within, nan_ok=True), name


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_gives_the_same_intervals_and_another_others(method: Method) -> None:
    panel = random_panel(12)
    first, again = (
        as_numbers(find_intervals(panel, None, None, Resampling(50, 1, method=method), EVERY)) for _ in "ab"
    )
    assert_equal(first, again)
    other = as_numbers(find_intervals(panel, None, None, Resampling(50, 2, method=method), EVERY))
    assert (first["low"] != other["low"]).any() or (first["high"] != other["high"]).any()


@pytest.mark.parametrize("method", METHODS)
def test_weights_that_are_all_alike_change_nothing(method: Method) -> None:
    panel = random_panel(13)
    humans, answers = (replace(side, weight=np.full(side.size, 2.5)) for side in sides_of(panel))
    weighted = replace(panel, humans=humans, answers=answers, examples=humans)
    resampling = Resampling(100, method=method)
    plain, of_weights = (as_numbers(find_intervals(one, None, None, resampling, EVERY)) for one in (panel, weighted))
    assert_equal(plain, of_weights, within=2e-5)


def test_weights_make_intervals_as_wide_as_draws_of_people_with_them() -> None:
    """Each person counts the weight in every draw, so the spread grows with the weights' variation: to 6%."""
    rng = np.random.default_rng(14)
    people = rng.integers(0, 2, (200, 1))
    weight = rng.gamma(1.0, size=200)
    side = replace(ratings(people), weight=weight)
    nothing = replace(ratings(np.zeros((200, 1), dtype=int)), weight=weight)
    panel = panel_of([2], side, nothing)
    found = find_intervals(panel, None, None, Resampling(4_000), np.ones((1, 1), dtype=bool)).cells
    mean = np.average(people[:, 0], weights=weight)
    spread = np.sqrt((weight**2 * (people[:, 0] - mean) ** 2).sum()) / weight.sum()
    assert found.high[0, 0] - found.low[0, 0] == pytest.approx(2 * 1.96 * spread, rel=0.06)


def test_groups_have_the_intervals_of_their_people_alone() -> None:
    panel = random_panel(15, n=90)
    member = np.array([0, 1, -1] * 30)
    found = find_intervals(panel, member, None, SOME, np.ones((2, 3), dtype=bool)).cells
    people = draw_people([panel], None, None, SOME)
    for group in (0, 1):
        times = people.drawn(slice(None)).astype(float) * (member == group)[:, None]
        for item in range(3):
            drawn = [np.cumsum(shares_of(counts_of(side, times, item)), axis=1)[:, :-1] for side in sides_of(panel)]
            gaps = drawn[0] - drawn[1]
            low, high = np.quantile(debias(gaps, gaps.std(axis=0)).mean(axis=1), SOME.ends)
            assert found.low[group, item] == pytest.approx(max(low, 0), abs=1e-5)
            assert found.high[group, item] == pytest.approx(high, abs=1e-5)


def test_with_refusals_draws_are_scored_with_refusals() -> None:
    rng = np.random.default_rng(16)
    people, given = rng.integers(0, 4, (2, 60, 1))
    people[:6], given[3:20] = -1, -1
    none = np.zeros((60, 1), dtype=int)
    both = (people >= 0) & (given >= 0)
    panel = Panel(
        np.array([4]),
        60,
        ratings(np.where(both, people, -1)),
        ratings(np.where(both, given, -1)),
        ratings(np.where(both, people, -1)),
        missing=ratings(np.where((people >= 0) & (given < 0), people, -1)),
        human_refusals=ratings(np.where(people < 0, none, -1)),
        for_refusers=ratings(np.where((people < 0) & (given >= 0), given, -1)),
        missing_for_refusers=ratings(np.where((people < 0) & (given < 0), none, -1)),
    )
    found = find_intervals(with_refusals(panel), None, None, replace(SOME, method="percentile"), np.ones((1, 1), bool))
    times = draw_people([with_refusals(panel)], None, None, SOME).drawn(slice(None)).astype(float)

    def distances(times: Array) -> Array:
        counts = [np.zeros((times.shape[1], 5)) for _ in range(2)]
        for side, of_side in zip(counts, (people, given), strict=True):
            for k in range(60):
                side[:, of_side[k, 0]] += times[k]  # -1: the last place, that of refusals
        return distance_with_refusals(counts[0][:, :4], counts[0][:, 4], counts[1][:, :4], counts[1][:, 4], 4)

    draws, value = distances(times), distances(np.ones((60, 1)))[0]
    assert (found.cells.low[0, 0], found.cells.high[0, 0]) == pytest.approx(np.quantile(draws, SOME.ends), abs=1e-5)
    assert found.cells.corrected[0, 0] == pytest.approx(2 * value - draws.mean(), abs=1e-5)


def test_other_populations_are_held_as_often_as_the_level_says() -> None:
    """A level of 0.8, one item: of 300 samples from 0.73 to 0.87 hold the truth, three standard errors either way."""
    rng = np.random.default_rng(17)
    people, model = np.array([[0.4, 0.3, 0.2, 0.1]]), np.array([[0.1, 0.2, 0.3, 0.4]])
    truth, held = float(wasserstein(people, model)[0]), []
    for seed in range(300):
        panel = panel_of([4], ratings(draw_points(people, 50, rng)), ratings(draw_points(model, 50, rng)))
        cells = find_intervals(panel, None, None, Resampling(150, seed, level=0.8), np.ones((1, 1), bool)).cells
        held.append(cells.low[0, 0] <= truth <= cells.high[0, 0])
    assert 0.73 <= np.mean(held) <= 0.87
