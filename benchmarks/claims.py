"""How often is something claimed of equals? A simulation of paired differences and of gaps between groups.

People are drawn as in `benchmarks.coverage`. Two models have the same true mean distance: one is a little off on every
item, the other far off on every sixth and right on the rest, which is where a corrected mean keeps most of its bias.
And groups are met equally by one model. Run as `python -m benchmarks.claims [--samples N]`; it prints

- claimed: how often p is below 0.05, and how often it would be if nothing were said of bias (by chance alone);
- held: how often the interval of the difference, or of the gap, holds the true one, which is 0 where all are equal.
"""

import argparse
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage import Population, draw_panel, holds, load_population, tilted
from worldvaluesbench.distribution import Array, wasserstein
from worldvaluesbench.estimate import Resampling
from worldvaluesbench.scoring.disparity import find_disparity
from worldvaluesbench.scoring.paired import Means, difference_of, resample_means
from worldvaluesbench.scoring.panel import Panel

RESAMPLES = 300
ALPHA = 0.05


def equally_far(population: Population) -> tuple[Array, Array]:
    """The distributions of two models whose mean distance is the same: off everywhere, and off on every sixth item."""
    u, n = population.shares, population.n_points
    place = np.arange(10) / (n - 1)[:, None]
    way = np.where(np.arange(n.size) % 2, 1, -1)[:, None] * (place - 0.5)
    everywhere = tilted(u, 0.5 * way)
    sixth = (np.arange(n.size) % 6 == 0)[:, None]
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        is_near = _mean(population, tilted(u, middle * way * sixth)) < _mean(population, everywhere)
        low, high = (middle, high) if is_near else (low, middle)
    return everywhere, tilted(u, low * way * sixth)


def _mean(population: Population, model: Array) -> float:
    return float(wasserstein(population.shares, model, population.n_points).mean())


def with_humans_of(panel: Panel, other: Panel) -> Panel:
    """The answers of a panel held against the humans of another; both are of the same people and items."""
    return replace(panel, humans=other.humans, examples=other.examples)


def judge_pair(population: Population, n: int, n_samples: int) -> tuple[float, float, float]:
    """How often two models that are equally far are told apart, by chance alone and as we do; and 0 is held."""
    rng = np.random.default_rng([n, 11])
    claimed, alone, held = [], [], []
    for seed in range(n_samples):
        first, second = (draw_panel(population, model, n, stated=False, rng=rng) for model in equally_far(population))
        resampling = Resampling(RESAMPLES, seed)
        panels = [first, with_humans_of(second, first)]
        (one,), (two,) = resample_means(panels, None, None, resampling, np.ones((1, first.n_items), dtype=bool))
        found = difference_of(one, two, resampling)
        raw = difference_of(_unbiased(one), _unbiased(two), resampling)
        claimed.append(found.p[0] < ALPHA)
        alone.append(raw.p[0] < ALPHA)
        held.append(holds((found.low[0], found.high[0]), 0.0))
    return float(np.mean(alone)), float(np.mean(claimed)), float(np.mean(held))


def _unbiased(means: Means) -> Means:
    """Means of which nothing is said to be left, so that nothing is allowed for."""
    return replace(means, value=means.corrected)


def judge_groups(population: Population, model: Array, sizes: NDArray[np.int64], n_samples: int) -> tuple[float, float]:
    """How often a gap is claimed between groups that are met equally, and how often its interval holds 0."""
    rng = np.random.default_rng([*sizes, 13])
    member = np.repeat(np.arange(sizes.size), sizes)
    claimed, held = [], []
    for seed in range(n_samples):
        panel = draw_panel(population, model, member.size, stated=False, rng=rng)
        resampling = Resampling(RESAMPLES, seed)
        is_shown = np.ones((sizes.size, panel.n_items), dtype=bool)
        ((means,),) = resample_means([panel], member, None, resampling, is_shown)
        found = find_disparity(means, np.ones(sizes.size, dtype=bool), resampling)
        assert found is not None
        claimed.append(found.p < ALPHA)
        held.append(holds((found.gap_low, found.gap_high), 0.0))
    return float(np.mean(claimed)), float(np.mean(held))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=100, help="samples for each row")
    n_samples = parser.parse_args().samples
    population = load_population()
    print(f"{n_samples} samples a row, {RESAMPLES} resamples, {population.n_points.size} items")
    print("\nTwo models equally far, one off everywhere and one on every sixth item")
    print(f"{'n':>5}{'claimed by chance alone':>25}{'claimed':>10}{'0 held':>9}")
    for n in (30, 100, 230, 1000):
        alone, claimed, held = judge_pair(population, n, n_samples)
        print(f"{n:>5}{alone:>25.3f}{claimed:>10.3f}{held:>9.3f}", flush=True)
    print("\nGroups that one model meets equally")
    print(f"{'model':<12}{'sizes':<12}{'claimed':>10}{'0 held':>9}")
    models = {"off": equally_far(population)[0], "perfect": population.shares}
    for name, model in models.items():
        for sizes in ([100] * 2, [30, 1000], [60] * 10):
            claimed, held = judge_groups(population, model, np.array(sizes), n_samples)
            label = " and ".join(map(str, sizes)) if len(sizes) == 2 else f"ten of {sizes[0]}"
            print(f"{name:<12}{label:<12}{claimed:>10.3f}{held:>9.3f}", flush=True)


if __name__ == "__main__":
    main()
