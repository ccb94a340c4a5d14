"""Intervals hold the truth as often as they say, and corrected means are without bias: `benchmarks.coverage`, small.

One hundred samples of people, and of items, from a population whose true distances are known; 300 resamples of each.
What is left to chance in the shares and means below is said where it is allowed for.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from benchmarks.claims import equally_far, judge_groups, judge_pair
from benchmarks.coverage import (
    TRIO,
    all_items,
    at_distance,
    compare,
    differences,
    draw_items,
    draw_panel,
    draw_panels,
    holds,
    intervals_of,
    load_population,
    models_of,
    share_in,
    w1,
)

from worldvaluesbench.scoring.measure._pairing import Entries
from worldvaluesbench.scoring.measure._summary import ANSWERS
from worldvaluesbench.stats._distribution import Array, shares_of, wasserstein
from worldvaluesbench.stats._estimate import Method

N_SAMPLES, N_OF_PERCENTILE = 100, 30

# two models whose raw distances are clearly biased at these sizes, each with one rating for each person
CASES = [("leaning", 30), ("half uniform", 230)]


@dataclass(frozen=True)
class Simulated:
    """What the samples say: of the items whether their intervals hold the truth, of each sample whether that of the
    mean does, by method; the same with the items fixed; how far raw and corrected means are from the truth of the items
    asked; and the shares of items within 0.1 with their intervals."""

    items: dict[Method, Array]
    means: dict[Method, Array]
    fixed: Array
    raw: Array
    corrected: Array
    shares: Array
    bands: list[tuple[float, float]]


def counts_of(entries: Entries) -> Array:
    counts = np.zeros((36, 10))
    np.add.at(counts, (entries.item, entries.point), entries.weights)
    return counts


def simulate(name: str, n: int) -> Simulated:
    population = all_items()
    model = models_of(population)[name]
    distances = w1(population, model)
    truth = population.mean(distances)
    rng = np.random.default_rng([n, 61])
    items: dict[Method, list[float]] = {"debiased": [], "percentile": []}
    means: dict[Method, list[float]] = {"debiased": [], "percentile": []}
    fixed, raw, corrected, shares, bands = [], [], [], [], []
    for seed in range(N_SAMPLES):
        place = draw_items(rng)
        sample, own = population.take(place), distances[place]
        panel = draw_panel(sample, model[place], n, stated=False, rng=rng)
        methods: tuple[Method, ...] = ("percentile", "debiased") if seed < N_OF_PERCENTILE else ("debiased",)
        for method in methods:
            found = intervals_of(panel, sample.topic, seed, method)
            items[method].append(float(holds((found.cells.low[0], found.cells.high[0]), own).mean()))
            means[method].append(float(holds(found.sets[0, ANSWERS].mean, truth)))
        of_asked = intervals_of(panel, sample.topic, seed, sampling="fixed")
        fixed.append(float(holds(of_asked.sets[0, ANSWERS].mean, own.mean())))
        sides = shares_of(counts_of(panel.humans)), shares_of(counts_of(panel.answers))
        measured = wasserstein(*sides, sample.n_points)
        raw.append(measured.mean() - own.mean())
        corrected.append(found.sets[0, ANSWERS].mean_corrected - own.mean())
        shares.append((measured <= 0.1 + 1e-9).mean())
        bands.append(share_in(found))
    return Simulated(
        {method: np.array(held) for method, held in items.items()},
        {method: np.array(held) for method, held in means.items()},
        np.array(fixed),
        np.array(raw),
        np.array(corrected),
        np.array(shares),
        bands,
    )


def error_of(values: Array) -> float:
    """Standard error of a mean over samples."""
    return float(values.std(ddof=1) / np.sqrt(values.size))


@pytest.mark.parametrize(("name", "n"), CASES)
def test_intervals_hold_the_truth_and_corrected_means_are_without_bias(name: str, n: int) -> None:
    """One test, so that what takes long is done once."""
    found = simulate(name, n)
    check_items(found)
    check_means(found)
    check_bias(found, n)


def check_items(found: Simulated) -> None:
    """From 93% to 97%, allowing three standard errors of the share over samples, whose items go together."""
    held = found.items["debiased"]
    slack = 3 * error_of(held)
    assert slack < 0.012
    assert 0.93 - slack < held.mean() < 0.97 + slack
    assert found.items["percentile"].mean() < 0.9


def check_means(found: Simulated) -> None:
    """Of 100 samples at least 87: with a share of 0.93 fewer come once in fifty times.

    Two-way intervals hold the mean over all items that could have been asked; those with fixed items the mean over the
    items that were. The interval of the share holds what it is on average.
    """
    assert found.means["debiased"].mean() >= 0.87
    assert found.fixed.mean() >= 0.87
    assert np.mean([holds(band, found.shares.mean()) for band in found.bands]) >= 0.87
    for share, (low, high) in zip(found.shares, found.bands, strict=True):
        assert low - 1e-9 <= share <= high + 1e-9
        assert high - low > 0.02


def check_bias(found: Simulated, n: int) -> None:
    """Within 0.002 of the truth, allowing three standard errors; raw means are beyond that."""
    slack = 3 * error_of(found.corrected)
    assert slack < (0.0045 if n == 30 else 0.002)
    assert abs(found.corrected.mean()) < 0.002 + slack
    assert found.raw.mean() > 0.002 + 3 * error_of(found.raw)
    assert abs(found.corrected.mean()) < found.raw.mean() / 3


def test_models_that_are_equally_far_are_seldom_told_apart() -> None:
    """One is off everywhere and one on every sixth item: their mean W1 is the same."""
    claimed, _, held = judge_pair(*equally_far(all_items()), 100, 30, stated=False)
    assert claimed <= 0.17
    assert held >= 0.83


def test_a_near_model_and_a_nearer_one_are_told_apart_by_squared_gaps() -> None:
    """0.08 and 0.02 with 30 respondents and stated probabilities."""
    population = all_items()
    models = at_distance(population, 0.08, 1), at_distance(population, 0.02, 2)
    by_w1, by_squares, held = judge_pair(*models, 30, 30, stated=True)
    assert by_squares > 0.6 > by_w1
    assert held >= 0.83


def test_differences_and_ranks_of_three_models_hold_the_truth() -> None:
    """Forty samples of three models with ratings; of the three differences at least 85% of intervals hold theirs."""
    population = all_items()
    models = [at_distance(population, wanted, seed) for seed, wanted in enumerate(TRIO.values())]
    truths = [population.mean(w1(population, one)) for one in models]
    rng, held = np.random.default_rng(62), []
    for seed in range(40):
        place = draw_items(rng)
        sample = population.take(place)
        panels = draw_panels(sample, [one[place] for one in models], 100, stated=False, rng=rng)
        for (i, j), (found, _) in differences(*compare(panels, sample.topic, seed)).items():
            held.append(holds((float(found.low[0]), float(found.high[0])), truths[i] - truths[j]))
    assert np.mean(held) >= 0.85


def test_no_gap_is_claimed_between_groups_that_are_met_equally() -> None:
    population = load_population()
    claimed, held = judge_groups(population, equally_far(population)[0], np.array([60] * 6), 20)
    assert claimed <= 0.15
    assert held >= 0.85
