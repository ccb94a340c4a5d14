"""Is power predicted rightly, and where do the defaults of `wvb plan --detect` come from? A simulation.

Run as `python -m benchmarks.power [--samples N]`. It prints

- of what the variance of a difference is made, for pairs of published models against the world marginals (where
  `../shared` is there) and for pairs of invented models: `DEFAULT_VARIANCE` is read off here;
- predicted power beside the share of simulated samples in which a t test finds the difference. Items are drawn within
  topics from all that have marginals, respondents from the population; the test knows nothing of either.
"""

import argparse
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage import AGREEMENT, LOADING, Population, models_of, tilted
from worldvaluesbench.benchmark._spec import read_spec
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import world_reference
from worldvaluesbench.stats._distribution import Array, shares_of, wasserstein
from worldvaluesbench.stats._estimate import NORMAL, Resampling, debias
from worldvaluesbench.stats._item_sampling import t_quantile
from worldvaluesbench.stats._power import Design, DifferenceVariance, power_of
from worldvaluesbench.survey._codebook import load_codebook
from worldvaluesbench.survey._marginals import load_marginals

SHARED = Path(__file__).parents[1] / ".." / "shared"
N = 230
"""Respondents of an item in the paper's probe set."""

UP, DOWN = "higher everywhere", "lower everywhere"
"""Models that err in one direction on every item, so that a sample moves all their distances together."""

PAIRS = (
    ("leaning", "half uniform"),
    ("leaning", "collapsed"),
    ("collapsed", "uniform"),
    ("right on 5 of 6", "half uniform"),
)
DESIGNS = ((3, 230, 1), (3, 30, 1), (3, 30, 5), (6, 230, 1))
"""Items of each topic, respondents, samples for each respondent."""


@dataclass(frozen=True)
class Items:
    """Items to draw from: their population, and the number of each one's topic, (items,)."""

    population: Population
    topic: NDArray[np.int64]

    @property
    def n_topics(self) -> int:
        """How many topics there are."""
        return int(self.topic.max()) + 1

    def drawn(self, per_topic: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """So many items of each topic, drawn with replacement: a sample of the items that there could be."""
        rows = [np.flatnonzero(self.topic == topic) for topic in range(self.n_topics)]
        return np.concatenate([rng.choice(row, per_topic) for row in rows])

    def means_over_topics(self, values: Array) -> tuple[float, float]:
        """What a sample estimates of values (items,): the mean over topics of their means, and of their variances."""
        parts = [values[self.topic == topic] for topic in range(self.n_topics)]
        return float(np.mean([part.mean() for part in parts])), float(np.mean([part.var() for part in parts]))


@dataclass(frozen=True)
class Sampled:
    """One sample of respondents: corrected distances of two sources, (2, items), and what each respondent adds.

    `influence` has shape (2, respondents, items); its mean over respondents is 0.
    """

    corrected: Array
    influence: Array


def load_items(item_ids: tuple[str, ...] | None = None) -> Items:
    codebook, marginals = load_codebook(), load_marginals()
    items = [codebook.item(item_id) for item_id in item_ids or marginals.item_ids]
    n_points = np.array([item.scale.n_points for item in items])
    shares = shares_of(marginals.as_array([item.item_id for item in items]))
    topics = list(dict.fromkeys(item.topic for item in items))
    topic = np.array([topics.index(item.topic) for item in items])
    return Items(Population(shares, n_points, topic), topic)


def ends_of(shares: Array) -> Array:
    """Where a standard normal tendency is cut for these shares (items, points): shape (items, points - 1)."""
    cumulated = np.clip(np.cumsum(shares, axis=1)[:, :-1], 1e-12, 1 - 1e-12)
    return np.array([[NORMAL.inv_cdf(end) for end in row] for row in cumulated.tolist()])


def draw_sample(ends: Array, n_points: NDArray[np.int64], n: int, n_samples: int, rng: np.random.Generator) -> Sampled:
    """Draw n respondents and the answers of two sources for them; `ends`, (3, items, 9): humans, first, second.

    As in `benchmarks.coverage`: items hang together within respondents, and answers with responses.
    """
    n_items = n_points.size
    common = rng.standard_normal((n, 1))
    own = LOADING * common + np.sqrt(1 - LOADING**2) * rng.standard_normal((n, n_items))
    human = own[..., None] <= ends[0]
    corrected, influence = [], []
    for which in (1, 2):
        answered = np.zeros(human.shape)
        for _ in range(n_samples):
            given = AGREEMENT * own + np.sqrt(1 - AGREEMENT**2) * rng.standard_normal((n, n_items))
            answered += given[..., None] <= ends[which]
        gaps = human - answered / n_samples
        gap = gaps.mean(axis=0)
        spread = gaps.std(axis=0, ddof=1) / np.sqrt(n)
        corrected.append(debias(gap, spread).sum(axis=-1) / (n_points - 1))
        influence.append((np.sign(gap) * (gaps - gap)).sum(axis=-1) / (n_points - 1))
    return Sampled(np.array(corrected), np.array(influence))


def covariances_of(influence: Array) -> tuple[Array, float]:
    """From influences (respondents, items): the variance of each item's mean, and the mean covariance between items."""
    n, n_items = influence.shape
    each = np.asarray(influence.var(axis=0, ddof=1) / n)
    together = float(influence.sum(axis=1).var(ddof=1)) / n
    return each, (together - float(each.sum())) / (n_items * (n_items - 1))


def is_found(sampled: Sampled, topic: NDArray[np.int64], level: float = 0.95) -> int:
    """1 or -1 where a t test over items and respondents finds the first source farther or nearer; else 0."""
    difference = sampled.corrected[0] - sampled.corrected[1]
    n_items, n_topics = topic.size, np.unique(topic).size
    means = np.bincount(topic, difference) / np.bincount(topic)
    within = float(((difference - means[topic]) ** 2).sum()) / (n_items - n_topics)
    _, between = covariances_of(sampled.influence[0] - sampled.influence[1])
    error = np.sqrt(within / n_items + max(between, 0))
    statistic = difference.mean() / error
    return int(np.sign(statistic)) if abs(statistic) > t_quantile((1 + level) / 2, n_items - n_topics) else 0


def variance_by_simulation(
    ends: Array, n_points: NDArray[np.int64], n: int, n_samples: int, rng: np.random.Generator, repeats: int
) -> tuple[float, float]:
    """The variance over samples of an item's difference, mean over items, and the mean covariance between items."""
    found = [draw_sample(ends, n_points, n, n_samples, rng).corrected for _ in range(repeats)]
    differences = np.array([first - second for first, second in found])
    each = differences.var(axis=0, ddof=1)
    n_items = n_points.size
    covariance = (differences.sum(axis=1).var(ddof=1) - each.sum()) / (n_items * (n_items - 1))
    return float(each.mean()), float(covariance)


def parts_of(
    items: Items, ends: Array, models: tuple[Array, Array], n: int, rng: np.random.Generator, repeats: int
) -> tuple[float, DifferenceVariance]:
    """The true difference of two models, and of what the variance of an estimate of it is made."""
    n_points = items.population.n_points
    first, second = (wasserstein(items.population.shares, model, n_points) for model in models)
    difference, varies = items.means_over_topics(first - second)
    once, between = variance_by_simulation(ends, n_points, n, 1, rng, repeats)
    often, _ = variance_by_simulation(ends, n_points, n, 5, rng, repeats)
    # 5 samples leave the share h + (1 - h) / 5 of the variance
    humans = float(np.clip((often / once - 1 / 5) / (1 - 1 / 5), 0, 1))
    return difference, DifferenceVariance(varies, n * once, n * max(between, 0.0), humans)


def all_ends(items: Items, models: tuple[Array, Array]) -> Array:
    return np.stack([ends_of(one) for one in (items.population.shares, *models)])


def is_found_in(items: Items, ends: Array, per_topic: int, n: int, n_samples: int, rng: np.random.Generator) -> int:
    """1 or -1 where a sample of items and respondents finds the first of two models farther or nearer; else 0."""
    rows = items.drawn(per_topic, rng)
    return is_found(draw_sample(ends[:, rows], items.population.n_points[rows], n, n_samples, rng), items.topic[rows])


def print_published() -> None:
    folder = SHARED / "published" / "model_outputs"
    if not folder.is_dir():
        print(f"{folder}: is not there, so published models are left out.\n")
        return
    answers = [read_answers(path) for path in sorted(folder.glob("*.tsv"))]
    table = score_answers(answers, world_reference(), how=How(resampling=Resampling())).table
    items = load_items(paper_items())
    corrected = {one.name: table.filter(answers=one.name)["corrected"].to_numpy() for one in answers}
    print("Published models against the world marginals: how much their difference varies over items of a topic\n")
    print(f"{'pair':<58}{'difference':>11}{'items':>8}")
    rows = []
    for first, second in combinations(corrected, 2):
        difference = corrected[first] - corrected[second]
        mean, varies = items.means_over_topics(difference)
        # three items of a topic have two thirds of the variance of all there could be
        rows.append((mean, varies * 3 / 2))
        print(f"{first + ' / ' + second:<58}{mean:>+11.3f}{varies * 3 / 2:>8.4f}")
    print(f"{'median':<58}{'':>11}{np.median(rows, axis=0)[1]:>8.4f}\n")


def print_invented(repeats: int) -> None:
    items = load_items(paper_items())
    shares = items.population.shares
    place = np.arange(10) / (items.population.n_points - 1)[:, None]
    models = models_of(items.population) | {UP: tilted(shares, place - 0.5), DOWN: tilted(shares, 0.5 - place)}
    rng = np.random.default_rng(5)
    print(f"Invented models, {N} respondents, the paper's items: of what the variance of their difference is made\n")
    print(f"{'pair':<58}{'difference':>11}{'items':>8}{'sampling':>9}{'shared':>8}{'humans':>7}")
    rows, one_way = [], []
    for first, second in combinations(models, 2):
        pair = models[first], models[second]
        difference, parts = parts_of(items, all_ends(items, pair), pair, N, rng, repeats)
        rows.append((parts.items * 3 / 2, parts.sampling, parts.shared, parts.human_share))
        if {UP, DOWN} & {first, second}:
            one_way.append(rows[-1])
        figures = "{:>8.4f}{:>9.3f}{:>8.3f}{:>7.2f}".format(*rows[-1])
        print(f"{first + ' / ' + second:<58}{difference:>+11.3f}{figures}", flush=True)
    for name, which in (("median", rows), ("median, one or both the same way everywhere", one_way)):
        print(f"{name:<58}{'':>11}" + "{:>8.4f}{:>9.3f}{:>8.3f}{:>7.2f}".format(*np.median(which, axis=0)))
    print()


def paper_items() -> tuple[str, ...]:
    return tuple(read_spec("paper36", load_codebook()).item_ids)


def print_power(n_samples: int) -> None:
    items = load_items()
    models = models_of(items.population)
    rng = np.random.default_rng(6)
    print(f"Predicted power, and the share of {n_samples} simulated samples in which the difference is found\n")
    print(f"{'pair':<40}{'difference':>11}{'items':>6}{'n':>5}{'samples':>8}{'predicted':>10}{'found':>7}{'wrong':>7}")
    for first, second in PAIRS:
        pair = models[first], models[second]
        ends = all_ends(items, pair)
        for per_topic, n, samples in DESIGNS:
            difference, parts = parts_of(items, ends, pair, n, rng, 40)
            design = Design(per_topic * items.n_topics, n, samples, items.n_topics)
            predicted = power_of(difference, parts, design)
            found = [is_found_in(items, ends, per_topic, n, samples, rng) for _ in range(n_samples)]
            right = np.mean(np.array(found) == np.sign(difference))
            wrong = np.mean(np.array(found) == -np.sign(difference))
            print(
                f"{first + ' / ' + second:<40}{difference:>+11.3f}{design.n_items:>6}{n:>5}{samples:>8}"
                f"{predicted:>10.2f}{right:>7.2f}{wrong:>7.2f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=400, help="samples for each row of power")
    n_samples = parser.parse_args().samples
    print_published()
    print_invented(200)
    print_power(n_samples)


if __name__ == "__main__":
    main()
