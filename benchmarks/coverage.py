"""Do confidence intervals hold the truth as often as they say? A simulation of respondents and of items.

The items of a sample are drawn within topics, three of each of twelve, from all value items: so what is true of the
items that could have been asked is known, and so is the truth of those asked. Respondents are drawn from a population
whose responses have the world marginals, and models answer for each of them, from distributions of their own. Items
hang together within respondents, and an answer with the response. Run as `python -m benchmarks.coverage [--samples N]`.
It prints, for every model, kind of answers and number of respondents,

- bias: of the mean over items, as it is and corrected, against the items that were asked;
- cells: how often the interval of one item's distance holds its truth;
- mean: how often the two-way interval of the mean holds the mean over all items that could have been asked;
- fixed: how often the interval with `--item-sampling fixed` holds the mean over the items that were asked, and how
  often that interval holds the mean over all items;
- share: of items within 0.1, as measured with samples of this size: how often its interval holds what it is on average,
  and how often the share of true distances;

then, of three models answering for the same respondents, how often intervals of paired differences hold the true ones,
of W1 and of squared gaps, and how often all three rank intervals hold the true ranks.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.benchmark._spec import read_spec
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compared import Compared, compare_groups
from worldvaluesbench.scoring.compare._contrasts import mean_ends
from worldvaluesbench.scoring.compare._paired import (
    Difference,
    difference_of,
    holm,
    rank_sources,
    squared_difference_of,
)
from worldvaluesbench.scoring.measure._bootstrap import Design
from worldvaluesbench.scoring.measure._intervals import Intervals, Sampling, find_intervals
from worldvaluesbench.scoring.measure._pairing import NOBODY, Entries, Panel
from worldvaluesbench.scoring.measure._summary import ANSWERS, THRESHOLDS
from worldvaluesbench.scoring.sources._groups import POOLED
from worldvaluesbench.stats._distribution import Array, shares_of, wasserstein
from worldvaluesbench.stats._estimate import NORMAL, Method, Resampling
from worldvaluesbench.stats._item_sampling import Items, ItemSampling
from worldvaluesbench.stats._noise import noise_floor
from worldvaluesbench.survey._codebook import load_codebook
from worldvaluesbench.survey._marginals import load_marginals

SIZES = (30, 230)
RESAMPLES = 300
PER_TOPIC = 3
LOADING, AGREEMENT = 0.5, 0.3
"""How closely responses follow what is common to a person, and answers the person's response."""

WITHIN = 0.1
"""The threshold of attainment."""


@dataclass(frozen=True)
class Population:
    """Shares of responses and lengths of scales of some items, (items, 10) and (items,), and the topic of each."""

    shares: Array
    n_points: NDArray[np.int64]
    topic: NDArray[np.int64]

    def take(self, place: NDArray[np.int64]) -> "Population":
        """Some of the items, in this order, each as often as it is named."""
        return Population(self.shares[place], self.n_points[place], self.topic[place])

    def mean(self, values: Array) -> float:
        """The mean of values of items, (items,), in which every topic counts alike."""
        return float(np.mean([values[self.topic == topic].mean() for topic in np.unique(self.topic)]))


def load_population() -> Population:
    """The paper's 36 items."""
    return _population(read_spec("paper36", load_codebook()).item_ids)


@cache
def all_items() -> Population:
    """All value items that have world marginals."""
    return _population(load_marginals().item_ids)


def _population(ids: Sequence[str]) -> Population:
    codebook = load_codebook()
    items = [codebook.item(item_id) for item_id in ids]
    topic = Items.of([item.topic for item in items]).topic
    n_points = np.array([item.scale.n_points for item in items])
    return Population(shares_of(load_marginals().as_array(ids)), n_points, topic)


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
        "half uniform": (u + even) / 2,
        "uniform": even,
        "right on 5 of 6": np.where(number % 6 > 0, u, tilted(u, 2.5 * np.sign(pull) * (place - 0.5))),
    }


def tilted(shares: Array, exponent: Array) -> Array:
    """Shares with more on one end of the scale."""
    return shares_of(shares * np.exp(exponent))


def at_distance(population: Population, wanted: float, seed: int, *, squared: bool = False) -> Array:
    """A model that leans one way or the other on each item, all as strongly, and is so far away in the mean."""
    measure = squared_gaps if squared else w1
    place = np.arange(10) / (population.n_points - 1)[:, None]
    way = np.random.default_rng([seed, 5]).choice([-1, 1], (population.n_points.size, 1)) * (place - 0.5)
    low, high = 0.0, 30.0
    for _ in range(50):
        middle = (low + high) / 2
        is_near = population.mean(measure(population, tilted(population.shares, middle * way))) < wanted
        low, high = (middle, high) if is_near else (low, middle)
    return tilted(population.shares, low * way)


def w1(population: Population, model: Array) -> Array:
    """The true distance of each item."""
    return wasserstein(population.shares, model, population.n_points)


def squared_gaps(population: Population, model: Array) -> Array:
    """The true mean squared gap between cumulative shares of each item."""
    gap = np.cumsum(population.shares, axis=1) - np.cumsum(model, axis=1)
    inside = np.arange(10) < (population.n_points - 1)[:, None]
    return np.asarray((gap**2 * inside).sum(axis=1) / (population.n_points - 1))


def draw_panels(
    population: Population, models: Sequence[Array], n: int, *, stated: bool, rng: np.random.Generator
) -> list[Panel]:
    """A sample of n people with their responses, and what each model answers for them: ratings, or its distribution."""
    n_items = population.n_points.size
    common = rng.standard_normal((n, 1))
    own = LOADING * common + np.sqrt(1 - LOADING**2) * rng.standard_normal((n, n_items))
    person, item = (part.ravel() for part in np.indices((n, n_items)))
    humans = Entries(person, item, cut(own, population.shares).ravel())
    panels = []
    for model in models:
        if stated:
            row, point = np.nonzero(np.tile(model, (n, 1)))
            answers = Entries(person[row], item[row], point, np.tile(model, (n, 1))[row, point])
        else:
            given = AGREEMENT * own + np.sqrt(1 - AGREEMENT**2) * rng.standard_normal((n, n_items))
            answers = Entries(person, item, cut(given, model).ravel())
        panels.append(Panel(population.n_points, n, humans, answers, humans, NOBODY, NOBODY, is_stated=stated))
    return panels


def draw_panel(population: Population, model: Array, n: int, *, stated: bool, rng: np.random.Generator) -> Panel:
    """The same of one model."""
    return draw_panels(population, [model], n, stated=stated, rng=rng)[0]


def cut(tendency: Array, shares: Array) -> NDArray[np.int64]:
    """Points for standard normal tendencies (people, items), with these shares on average."""
    ends = [
        [NORMAL.inv_cdf(min(max(end, 1e-12), 1 - 1e-12)) for end in row] for row in np.cumsum(shares, axis=1)[:, :-1]
    ]
    return np.asarray((tendency[..., None] > np.array(ends)).sum(axis=-1))


def draw_items(rng: np.random.Generator) -> NDArray[np.int64]:
    """The items of a sample, so many of each topic, drawn with replacement: the places among all items."""
    population = all_items()
    return np.concatenate(
        [rng.choice(np.flatnonzero(population.topic == topic), PER_TOPIC) for topic in np.unique(population.topic)]
    )


def intervals_of(
    panel: Panel,
    topic: NDArray[np.int64],
    seed: int,
    method: Method = "debiased",
    sampling: ItemSampling = "within-topics",
) -> Intervals:
    """The intervals of one panel, everybody pooled."""
    drawn = Sampling(Resampling(RESAMPLES, seed, method=method), Design(), Items(topic, sampling))
    return find_intervals(panel, None, drawn, np.ones((1, panel.n_items), dtype=bool))


def compare(panels: Sequence[Panel], topic: NDArray[np.int64], seed: int) -> tuple[Compared, Items]:
    """Panels compared over all their items, everybody pooled."""
    items: list[Any] = [SimpleNamespace(item_id=f"I{k}", topic=str(one)) for k, one in enumerate(topic.tolist())]
    how = How(min_n=1, min_n_stated=1, resampling=Resampling(RESAMPLES, seed))
    names = [f"source {place}" for place in range(len(panels))]
    compared, _ = compare_groups(names, panels, POOLED, Design(), how, items)
    return compared, Items(topic)


def differences(compared: Compared, items: Items) -> Mapping[tuple[int, int], tuple[Difference, Difference]]:
    """The differences of each two sources, of W1 and of squared gaps."""
    n = len(compared.names)
    return {
        (i, j): (
            difference_of(compared, i, j, items, 0.95),
            squared_difference_of(compared, i, j, items, 0.95),
        )
        for i in range(n)
        for j in range(i + 1, n)
    }


def holds(ends: tuple[Array, Array] | tuple[float, float], truth: Array | float) -> NDArray[np.bool_]:
    """Whether intervals hold the truth."""
    return np.asarray((ends[0] <= truth + 1e-9) & (truth <= ends[1] + 1e-9))


def share_in(found: Intervals) -> tuple[float, float]:
    """The interval of the share of items within the threshold."""
    low, high = found.sets[0, ANSWERS].attained[THRESHOLDS.index(WITHIN)]
    return float(low), float(high)


def judge_model(name: str, n: int, n_samples: int, *, stated: bool) -> str:
    """A row of the first table."""
    population = all_items()
    model = models_of(population)[name]
    distances = w1(population, model)
    truth, true_share = population.mean(distances), population.mean((distances <= WITHIN).astype(float))
    rng = np.random.default_rng([n, int(stated), 7])
    rows, bands = [], []
    for seed in range(n_samples):
        place = draw_items(rng)
        sample = population.take(place)
        panel = draw_panel(sample, model[place], n, stated=stated, rng=rng)
        found = intervals_of(panel, sample.topic, seed)
        own, asked = distances[place], distances[place].mean()
        humans, given = (_shares(panel, side) for side in (panel.humans, panel.answers))
        measured = wasserstein(humans, given, panel.n_points)
        of_asked = intervals_of(panel, sample.topic, seed, sampling="fixed").sets[0, ANSWERS].mean
        bands.append(share_in(found))
        rows.append(
            (
                noise_floor(sample.shares, 2 * n if stated else n, sample.n_points).mean(),
                measured.mean() - asked,
                found.sets[0, ANSWERS].mean_corrected - asked,
                holds((found.cells.low[0], found.cells.high[0]), own).mean(),
                holds(found.sets[0, ANSWERS].mean, truth),
                holds(of_asked, asked),
                holds(of_asked, truth),
                (measured <= WITHIN + 1e-9).mean(),
            )
        )
    floor, raw, corrected, cells, mean, fixed, fixed_of_all, share = np.mean(np.array(rows, dtype=float), axis=0)
    held = [np.mean([holds(band, value) for band in bands]) for value in (share, true_share)]
    kind = "probabilities" if stated else "ratings"
    return (
        f"{name:<16}{kind:<14}{n:>4} {truth:>6.3f} {floor:>6.3f} {raw:>+8.4f} {corrected:>+9.4f} {cells:>7.3f} "
        f"{mean:>7.3f} {fixed:>7.3f} {fixed_of_all:>7.3f} "
        f"{share:>7.2f} {held[0]:>7.3f} {true_share:>6.2f} {held[1]:>7.3f}"
    )


def _shares(panel: Panel, entries: Entries) -> Array:
    counts = np.zeros((panel.n_items, 10))
    np.add.at(counts, (entries.item, entries.point), entries.weights)
    return shares_of(counts)


TRIO = {"near": 0.02, "medium": 0.08, "far": 0.2}
"""Three models and their mean distances."""


def judge_trio(n: int, n_samples: int, *, stated: bool) -> list[str]:
    """Rows of the second table: coverage of paired differences and of ranks."""
    population = all_items()
    models = [at_distance(population, wanted, seed) for seed, wanted in enumerate(TRIO.values())]
    true = [(population.mean(w1(population, one)), population.mean(squared_gaps(population, one))) for one in models]
    rng = np.random.default_rng([n, int(stated), 9])
    held: dict[tuple[int, int], list[list[bool]]] = {}
    ranks_held, means_held = [], []
    for seed in range(n_samples):
        place = draw_items(rng)
        sample = population.take(place)
        panels = draw_panels(sample, [one[place] for one in models], n, stated=stated, rng=rng)
        compared, items = compare(panels, sample.topic, seed)
        pairs = differences(compared, items)
        for (i, j), found in pairs.items():
            ends = [(float(one.low[0]), float(one.high[0])) for one in found]
            truth = [true[i][k] - true[j][k] for k in (0, 1)]
            held.setdefault((i, j), []).append([bool(holds(ends[k], truth[k])) for k in (0, 1)])
        of_means = [mean_ends(compared, place, items, 0.95) for place in range(3)]
        means_held.append([bool(holds((one["low"][0], one["high"][0]), true[k][0])) for k, one in enumerate(of_means)])
        ranks_held.append(_ranks_hold(compared, pairs))
    kind, names = "probabilities" if stated else "ratings", list(TRIO)
    rows = []
    for (i, j), both in held.items():
        shares = np.mean(both, axis=0)
        rows.append(f"{names[i]} - {names[j]:<9} {kind:<14}{n:>4} {shares[0]:>10.3f} {shares[1]:>10.3f}")
    return [*rows, f"all three ranks  {kind:<14}{n:>4} {np.mean(ranks_held):>10.3f}"]


def _ranks_hold(compared: Compared, pairs: Mapping[tuple[int, int], tuple[Difference, Difference]]) -> bool:
    """Whether the rank intervals of three sources, the nearest first, hold their ranks."""
    n = len(compared.names)
    p_holm = holm(np.array([found[0].p[0] for found in pairs.values()]))
    value, p = np.zeros((n, n, 1)), np.ones((n, n, 1))
    for ((i, j), (found, _)), of_pair in zip(pairs.items(), p_holm.tolist(), strict=True):
        value[i, j], value[j, i] = found.value, -found.value
        p[i, j] = p[j, i] = of_pair
    ranks = rank_sources(compared.mean("corrected"), value, p, 0.95)
    true = np.arange(1, n + 1)
    return bool(((ranks.low[:, 0] <= true) & (true <= ranks.high[:, 0])).all())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=300, help="samples for each row")
    n_samples = parser.parse_args().samples
    n_items = PER_TOPIC * np.unique(all_items().topic).size
    print(f"{n_samples} samples a row, {RESAMPLES} resamples, intervals at 95%, {n_items} items drawn within topics")
    print(
        f"{'':<47}{'bias of the mean':>18} {'':>7} {'two-way':>7} {'items fixed':>15} {'within 0.1, measured':>15}"
        f" {'true share':>13}"
    )
    print(
        f"{'model':<16}{'answers':<14}{'n':>4} {'truth':>6} {'floor':>6} {'raw':>8} {'corrected':>9} {'cells':>7} "
        f"{'mean':>7} {'asked':>7} {'all':>7} {'share':>7} {'held':>7} {'share':>6} {'held':>7}"
    )
    for name in models_of(all_items()):
        for stated in (False, True):
            for n in SIZES:
                print(judge_model(name, n, n_samples, stated=stated), flush=True)
    means = ", ".join(f"{name} {wanted}" for name, wanted in TRIO.items())
    print(f"\nThree models, {means}: how often intervals hold the truth")
    print(f"{'difference':<17}{'answers':<14}{'n':>4} {'W1':>10} {'squared':>10}")
    for stated in (False, True):
        for n in SIZES:
            for row in judge_trio(n, n_samples, stated=stated):
                print(row, flush=True)


if __name__ == "__main__":
    main()
