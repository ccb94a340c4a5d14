"""Do intervals hold the truth as often as they say, and is the corrected distance without bias? A simulation.

People are drawn from a population whose responses to the paper's 36 items have the world marginals; a model answers for
each of them, from distributions of its own. So the true distances are known. Items hang together within people, and an
answer with the response. Run as `python -m benchmarks.coverage [--samples N]`; it prints, for every model and size,

- bias: mean over samples of the mean distance over items, less the truth, as it is and corrected;
- cells: how often the interval of an item holds its truth, over all items;
- mean: how often the interval of the mean over items holds the true mean;
- within 0.1: the share of items that are, its bias, and how often its band holds the true share;

and last, over all models and items, the same by how large the truth is beside the noise floor.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.benchmark.spec import read_spec
from worldvaluesbench.distribution import Array, shares_of, wasserstein
from worldvaluesbench.estimate import METHODS, NORMAL, Method, Resampling
from worldvaluesbench.scoring.intervals import find_intervals
from worldvaluesbench.scoring.noise import noise_floor
from worldvaluesbench.scoring.panel import Entries, Panel
from worldvaluesbench.scoring.summary import ANSWERS, THRESHOLDS
from worldvaluesbench.survey.codebook import load_codebook
from worldvaluesbench.survey.marginals import load_marginals

SIZES = (30, 60, 120, 230)
RESAMPLES = 500
LOADING, AGREEMENT = 0.5, 0.3
"""How closely responses follow what is common to a person, and answers the person's response."""

WITHIN = 0.1
"""The threshold of attainment."""

ByRatio = dict[int, list[list[float]]]

RATIOS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, np.inf)


@dataclass(frozen=True)
class Population:
    """Shares of responses and lengths of scales of some items, (items, 10) and (items,)."""

    shares: Array
    n_points: NDArray[np.int64]


def load_population() -> Population:
    codebook = load_codebook()
    ids = read_spec("paper36", codebook).item_ids
    n_points = np.array([codebook.item(item_id).scale.n_points for item_id in ids])
    return Population(shares_of(load_marginals().as_array(ids)), n_points)


def models_of(population: Population) -> dict[str, Array]:
    """The distributions from which models answer, each (items, 10)."""
    u, n = population.shares, population.n_points
    place = np.arange(10) / (n - 1)[:, None]
    inside = np.arange(10) < n[:, None]
    number = np.arange(n.size)[:, None]
    rng = np.random.default_rng(0)
    pull = rng.normal(0, 1.5, (n.size, 1))
    even = inside / n[:, None]
    return {
        "perfect": u,
        "nearly perfect": tilted(u, 0.15 * np.sign(pull) * (place - 0.5)),
        "leaning": tilted(u, pull * (place - 0.5)),
        "collapsed": shares_of(u**3),
        "leaning, collapsed": tilted(shares_of(u**2), pull * (place - 0.5)),
        "half uniform": (u + even) / 2,
        "uniform": even,
        "right on 5 of 6": np.where(number % 6 > 0, u, tilted(u, 2.5 * np.sign(pull) * (place - 0.5))),
        "right on every other": np.where(number % 2 > 0, u, tilted(u, 2.5 * np.sign(pull) * (place - 0.5))),
    }


def tilted(shares: Array, exponent: Array) -> Array:
    return shares_of(shares * np.exp(exponent))


def draw_panel(population: Population, model: Array, n: int, *, stated: bool, rng: np.random.Generator) -> Panel:
    """A sample of n people with their responses, and answers: one rating for each, or the model's distribution."""
    n_items = population.n_points.size
    common = rng.standard_normal((n, 1))
    own = LOADING * common + np.sqrt(1 - LOADING**2) * rng.standard_normal((n, n_items))
    given = AGREEMENT * own + np.sqrt(1 - AGREEMENT**2) * rng.standard_normal((n, n_items))
    person, item = (part.ravel() for part in np.indices((n, n_items)))
    humans = Entries(person, item, cut(own, population.shares).ravel())
    if stated:
        row, point = np.nonzero(np.tile(model, (n, 1)))
        answers = Entries(person[row], item[row], point, np.tile(model, (n, 1))[row, point])
    else:
        answers = Entries(person, item, cut(given, model).ravel())
    none = np.empty(0, dtype=np.int64)
    nobody = Entries(none, none, none)
    return Panel(population.n_points, n, humans, answers, humans, nobody, nobody)


def cut(tendency: Array, shares: Array) -> NDArray[np.int64]:
    """Points for standard normal tendencies (people, items), with these shares on average."""
    ends = [
        [NORMAL.inv_cdf(min(max(end, 1e-12), 1 - 1e-12)) for end in row] for row in np.cumsum(shares, axis=1)[:, :-1]
    ]
    return np.asarray((tendency[..., None] > np.array(ends)).sum(axis=-1))


@dataclass(frozen=True)
class Sample:
    """What one sample says: raw and corrected distances, ends of intervals by method; of items and of their mean."""

    raw: Array
    corrected: Array
    cells: dict[Method, tuple[Array, Array]]
    mean: dict[Method, tuple[float, float]]
    mean_corrected: float
    band: tuple[float, float]


def judge(panel: Panel, seed: int, methods: tuple[Method, ...]) -> Sample:
    is_shown = np.ones((1, panel.n_items), dtype=bool)
    cells, means = {}, {}
    for method in methods:
        found = find_intervals(panel, None, None, Resampling(RESAMPLES, seed, method=method), is_shown)
        cells[method] = found.cells.low[0], found.cells.high[0]
        means[method] = found.sets[0, ANSWERS].mean
    counts = [np.zeros((panel.n_items, 10)) for _ in range(2)]
    for count, entries in zip(counts, (panel.humans, panel.answers), strict=True):
        np.add.at(count, (entries.item, entries.point), entries.weights)
    raw = wasserstein(shares_of(counts[0]), shares_of(counts[1]), panel.n_points)
    corrected = found.cells.corrected[0]
    low, high = found.sets[0, ANSWERS].attained[THRESHOLDS.index(WITHIN)]
    return Sample(raw, corrected, cells, means, found.sets[0, ANSWERS].mean_corrected, (float(low), float(high)))


def simulate(
    population: Population, model: Array, n: int, *, stated: bool, n_samples: int, methods: tuple[Method, ...] = METHODS
) -> Iterator[Sample]:
    rng = np.random.default_rng([n, int(stated), 7])
    for number in range(n_samples):
        panel = draw_panel(population, model, n, stated=stated, rng=rng)
        yield judge(panel, number, methods)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=200, help="samples for each row")
    n_samples = parser.parse_args().samples
    population = load_population()
    print(f"{n_samples} samples a row, {RESAMPLES} resamples, intervals at 95%, {population.n_points.size} items")
    heads = " ".join(f"{method:>10}" for method in METHODS)
    print(
        f"{'':<47}{'bias of the mean':>18}  {'cells hold the truth':>32}   {'mean holds the truth':>32}"
        f" {'within 0.1':>13}"
    )
    print(
        f"{'model':<21}{'answers':<9}{'n':>4} {'truth':>6} {'floor':>6} {'raw':>8} {'corrected':>9}  {heads}   {heads}"
        f" {'truth':>6} {'bias':>7} {'held':>6}"
    )
    by_ratio: ByRatio = {}
    for name, model in models_of(population).items():
        truth = wasserstein(population.shares, model, population.n_points)
        for stated in (True, False):
            for n in SIZES:
                samples = list(simulate(population, model, n, stated=stated, n_samples=n_samples))
                floor = noise_floor(population.shares, n, population.n_points) / (2**0.5 if stated else 1)
                print_row(name, stated, n, truth, floor, samples)
                keep_by_ratio(by_ratio, truth, floor, samples)
    print_by_ratio(by_ratio)


def print_row(name: str, stated: bool, n: int, truth: Array, floor: Array, samples: list[Sample]) -> None:
    raw, corrected = (
        np.mean([getattr(one, what).mean() for one in samples]) - truth.mean() for what in ("raw", "corrected")
    )
    cells = [np.mean([holds(one.cells[method], truth).mean() for one in samples]) for method in METHODS]
    means = [np.mean([holds(one.mean[method], truth.mean()) for one in samples]) for method in METHODS]
    share = float((truth <= WITHIN).mean())
    bias = np.mean([(one.raw <= WITHIN).mean() for one in samples]) - share
    held = np.mean([holds(one.band, float(np.float32(share))) for one in samples])  # bands are in single precision
    kind = "shares" if stated else "ratings"
    rates = "   ".join(" ".join(f"{rate:>10.3f}" for rate in rates) for rates in (cells, means))
    print(
        f"{name:<21}{kind:<9}{n:>4} {truth.mean():>6.3f} {floor.mean():>6.3f} {raw:>+8.4f} {corrected:>+9.4f}  {rates}"
        f" {share:>6.2f} {bias:>+7.3f} {held:>6.3f}",
        flush=True,
    )


def holds(ends: tuple[Array, Array] | tuple[float, float], truth: Array | float) -> NDArray[np.bool_]:
    return np.asarray((ends[0] <= truth + 1e-9) & (truth <= ends[1] + 1e-9))


def keep_by_ratio(by_ratio: ByRatio, truth: Array, floor: Array, samples: list[Sample]) -> None:
    place = np.searchsorted(RATIOS, truth / floor, side="right") - 1
    for one in samples:
        held = [holds(one.cells[method], truth) for method in METHODS]
        for item in range(truth.size):
            row = (one.raw[item] - truth[item]) / floor[item], (one.corrected[item] - truth[item]) / floor[item]
            by_ratio.setdefault(int(place[item]), []).append([*row, *(float(which[item]) for which in held)])


def print_by_ratio(by_ratio: ByRatio) -> None:
    print("\nBy the truth, in noise floors: bias in floors, and how often intervals of cells hold it")
    print(
        f"{'truth / floor':<16}{'cells':>9}{'raw':>8}{'corrected':>11}  "
        + " ".join(f"{method:>10}" for method in METHODS)
    )
    for place in sorted(by_ratio):
        rows = np.array(by_ratio[place], dtype=float)
        label = f"{RATIOS[place]:g} to {RATIOS[place + 1]:g}"
        rates = " ".join(f"{rate:>10.3f}" for rate in rows[:, 2:].mean(axis=0))
        print(f"{label:<16}{len(rows):>9,}{rows[:, 0].mean():>+8.3f}{rows[:, 1].mean():>+11.3f}  {rates}")


if __name__ == "__main__":
    main()
