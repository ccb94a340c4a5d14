"""How often is something claimed, of equals and of unequals? A simulation of paired tests and of gaps between groups.

Respondents and items are drawn as in `benchmarks.coverage`. Run as `python -m benchmarks.claims [--samples N]`; it
prints

- size: how often p is below 0.05 for two models that are equally far: in mean W1, or in mean squared gaps;
- power: the same for models that are not;
- claimed: how often a gap between groups is claimed that one model meets equally, and how often its interval holds 0.
"""

import argparse
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage import (
    RESAMPLES,
    Population,
    all_items,
    at_distance,
    compare,
    differences,
    draw_items,
    draw_panel,
    draw_panels,
    holds,
    load_population,
    squared_gaps,
    tilted,
    w1,
)
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compared import compare_groups
from worldvaluesbench.scoring.compare._disparity import find_disparity
from worldvaluesbench.scoring.measure._bootstrap import Design
from worldvaluesbench.scoring.sources._groups import Groups
from worldvaluesbench.stats._distribution import Array
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._codebook import load_codebook

ALPHA = 0.05


def equally_far(population: Population) -> tuple[Array, Array]:
    """The distributions of two models whose mean distance is the same: off everywhere, and off on every sixth item."""
    u, n = population.shares, population.n_points
    place = np.arange(10) / (n - 1)[:, None]
    way = np.where(np.arange(n.size) % 2, 1, -1)[:, None] * (place - 0.5)
    everywhere = tilted(u, 0.5 * way)
    sixth = (np.arange(n.size) % 6 == 0)[:, None]
    wanted = population.mean(w1(population, everywhere))
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        is_near = population.mean(w1(population, tilted(u, middle * way * sixth))) < wanted
        low, high = (middle, high) if is_near else (low, middle)
    return everywhere, tilted(u, low * way * sixth)


def same_everywhere(population: Population, wanted: float, seed: int) -> Array:
    """A model that is equally far on every item, one way or the other."""
    place = np.arange(10) / (population.n_points - 1)[:, None]
    way = np.random.default_rng([seed, 5]).choice([-1, 1], (population.n_points.size, 1)) * (place - 0.5)
    low, high = np.zeros((population.n_points.size, 1)), np.full((population.n_points.size, 1), 60.0)
    for _ in range(60):
        middle = (low + high) / 2
        is_near = (w1(population, tilted(population.shares, middle * way)) < wanted)[:, None]
        low, high = np.where(is_near, middle, low), np.where(is_near, high, middle)
    return tilted(population.shares, low * way)


def judge_pair(first: Array, second: Array, n: int, n_samples: int, *, stated: bool) -> tuple[float, float, float]:
    """How often two models of all items are told apart, by W1 and by squared gaps; and the true difference is held."""
    population = all_items()
    truth = population.mean(w1(population, first)) - population.mean(w1(population, second))
    rng = np.random.default_rng([n, 11])
    claimed, held = [], []
    for seed in range(n_samples):
        place = draw_items(rng)
        sample = population.take(place)
        panels = draw_panels(sample, [first[place], second[place]], n, stated=stated, rng=rng)
        distance, squared = differences(*compare(panels, sample.topic, seed))[0, 1]
        claimed.append([distance.p[0] < ALPHA, squared.p[0] < ALPHA])
        held.append(holds((float(distance.low[0]), float(distance.high[0])), truth))
    by_w1, by_squares = np.mean(claimed, axis=0).tolist()
    return by_w1, by_squares, float(np.mean(held))


def judge_groups(population: Population, model: Array, sizes: NDArray[np.int64], n_samples: int) -> tuple[float, float]:
    """How often a gap is claimed between groups that are met equally, and how often its interval holds 0."""
    rng = np.random.default_rng([*sizes, 13])
    member = np.repeat(np.arange(sizes.size), sizes)
    names = tuple(map(str, range(sizes.size)))
    codebook = load_codebook()
    items = [replace(codebook.items[0], topic=str(topic)) for topic in population.topic.tolist()]
    claimed, held = [], []
    for seed in range(n_samples):
        panel = draw_panel(population, model, member.size, stated=False, rng=rng)
        how = How(min_n=1, resampling=Resampling(RESAMPLES, seed))
        _, (means,) = compare_groups(["model"], [panel], Groups("by hand", names, names, member), Design(), how, items)
        found = find_disparity(means, np.ones(sizes.size, dtype=bool), Resampling(RESAMPLES, seed))
        assert found is not None
        claimed.append(found.p < ALPHA)
        held.append(holds((found.gap_low, found.gap_high), 0.0))
    return float(np.mean(claimed)), float(np.mean(held))


def cases() -> dict[str, tuple[Array, Array]]:
    """Pairs of models, of which some are equally far."""
    population = all_items()
    off = at_distance(population, 0.08, 1)
    same_squares = population.mean(squared_gaps(population, off))
    everywhere, sixth = equally_far(population)
    return {
        "equal: both perfect": (population.shares, population.shares),
        "equal: both 0.02": (at_distance(population, 0.02, 1), at_distance(population, 0.02, 2)),
        "equal: both 0.08": (off, at_distance(population, 0.08, 2)),
        "equal squares": (off, at_distance(population, same_squares, 2, squared=True)),
        "equal W1: everywhere, every sixth": (everywhere, sixth),
        "0.08 and 0.02": (off, at_distance(population, 0.02, 2)),
        "0.08 and 0.02 on every item": (same_everywhere(population, 0.08, 1), same_everywhere(population, 0.02, 2)),
        "0.08 and 0.06": (off, at_distance(population, 0.06, 1)),
    }


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=200, help="samples for each row")
    n_samples = parser.parse_args().samples
    print(f"{n_samples} samples a row, {RESAMPLES} resamples, 36 items drawn within topics")
    print("\nHow often p is below 0.05, and the interval of the difference of W1 holds the truth")
    print(f"{'models':<36}{'answers':<14}{'n':>4}{'W1':>8}{'squared':>9}{'held':>8}")
    for name, (first, second) in cases().items():
        for stated in (False, True):
            for n in (30, 230):
                found = judge_pair(first, second, n, n_samples, stated=stated)
                kind = "probabilities" if stated else "ratings"
                print(f"{name:<36}{kind:<14}{n:>4}{found[0]:>8.3f}{found[1]:>9.3f}{found[2]:>8.3f}", flush=True)
    population = load_population()
    print("\nGroups that one model meets equally, over the paper's 36 items")
    print(f"{'model':<12}{'sizes':<14}{'claimed':>10}{'0 held':>9}")
    models = {"off": equally_far(population)[0], "perfect": population.shares}
    for name, model in models.items():
        for sizes in ([100] * 2, [30, 1000], [60] * 10):
            claimed, gap_held = judge_groups(population, model, np.array(sizes), n_samples // 2)
            label = " and ".join(map(str, sizes)) if len(sizes) == 2 else f"ten of {sizes[0]}"
            print(f"{name:<12}{label:<14}{claimed:>10.3f}{gap_held:>9.3f}", flush=True)


if __name__ == "__main__":
    main()
