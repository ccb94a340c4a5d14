"""Structure: correlations between items in the answers, compared with those in the human responses.

Respondents who find religion important also pray more often. Answers can match the distribution of every item and still
combine items as no respondent does; or combine them too neatly, as a stereotype does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.errors import ScaleError
from worldvaluesbench.scoring.measure import Entries
from worldvaluesbench.stats import Array, Ints, Mask

LEAST = 30
"""Two items need so many respondents in common for a correlation."""

LEAST_VARIANCE = 1e-12
"""Positions whose variance is no more than this do not vary: a standard deviation of a millionth of the scale."""

ALL, INSIDE, ACROSS, TOPIC = "all", "inside", "across", "topic"
"""Sets of pairs of items: all; two of one topic; of two topics; two of the topic that is named."""

PEOPLE_AT_ONCE = 4096
"""Products are summed over so many respondents at a time."""


@dataclass(frozen=True)
class Correlations:
    """Correlations between items over the respondents who have both, shape (items, items); NaN where there is none.

    `n`, of the same shape, is the number of respondents who have both items, `n_effective` their effective number.
    `varies`: whether both items vary among them.
    """

    value: Array
    n: NDArray[np.int64]
    n_effective: Array
    varies: Mask


def positions_of(entries: Entries, n_points: Ints, n_people: int) -> Array:
    """The mean position of each respondent's entries for each item, shape (people, items), in [0, 1]; NaN without any.

    Of a response it is its position, of an answer with probabilities the expected one, of several samples their mean.

    >>> two = Entries(np.array([0, 0]), np.array([0, 0]), np.array([0, 2]), np.array([0.25, 0.75]))
    >>> positions_of(two, np.array([3]), 2)
    array([[0.75],
           [ nan]])
    """
    cell = entries.person.astype(np.int64) * n_points.size + entries.item
    position = entries.point / (np.asarray(n_points, dtype=np.float64)[entries.item] - 1)
    weight = entries.weights
    n_cells = n_people * n_points.size
    total = np.bincount(cell, weights=weight, minlength=n_cells)
    summed = np.bincount(cell, weights=weight * position, minlength=n_cells)
    mean: Array = np.divide(summed, total, out=np.full(n_cells, np.nan), where=total > 0)
    return mean.reshape(n_people, n_points.size)


def correlate(positions: Array, *, least: int = LEAST, weight: Array | None = None) -> Correlations:
    r"""Pearson correlations between all items, each over the respondents who have both; positions (people, items).

    .. math:: r_{ij} = \frac{\sum_p w_p (x_{pi} - \bar x_{i|j}) (x_{pj} - \bar x_{j|i})}
        {\sqrt{\sum_p w_p (x_{pi} - \bar x_{i|j})^2} \sqrt{\sum_p w_p (x_{pj} - \bar x_{j|i})^2}}

    with sums and means over the respondents p with a position on both i and j. A missing position is NaN. -1 and 1:
    each item follows from the other; 0: no straight line helps. NaN for a pair with fewer than `least` respondents, or
    of which an item does not vary among them (a variance of `LEAST_VARIANCE` or less). `weight`, shape (people,):
    survey weights, above 0. Source: Pearson (1896); pairs over the respondents they have are those of
    `pandas.DataFrame.corr`.

    >>> x = np.arange(4.0)[:, None] / 3
    >>> correlate(np.hstack([x, 1 - x]), least=2).value.round(6)
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    n_items = positions.shape[1]
    n, mass, squares, first, second, product = (np.zeros((n_items, n_items)) for _ in range(6))
    for has, x, w in _parts(positions, weight):
        # a place with no position holds 0 in both factors, so each product runs over the respondents who have both
        n += has.T @ has
        mass += (w * has).T @ has
        squares += (w**2 * has).T @ has
        first += (w * x).T @ has
        second += (w * x**2).T @ has
        product += (w * x).T @ x
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = first / mass
        variance = second / mass - mean**2
        covariance = product / mass - mean * mean.T
        n_effective = mass**2 / squares
        varies = np.minimum(variance, variance.T) > LEAST_VARIANCE
        value = covariance / np.sqrt(variance * variance.T)
    is_shown = varies & (n >= least)
    return Correlations(np.where(is_shown, np.clip(value, -1, 1), np.nan), n.astype(np.int64), n_effective, varies)


def compare_structure(
    humans: Array, answers: Array, topics: Sequence[str], *, least: int = LEAST, weight: Array | None = None
) -> pl.DataFrame:
    """Correlations between items in the answers against those in the humans: of all pairs, by topic inside and across.

    Positions, shape (people, items), of the same respondents row for row; NaN where one is missing. A respondent counts
    for an item with both a response and an answer. `topics` names the topic of each item. A row for each of `pairs`:
    `all`, `inside` (one topic), `across` (two), and a row `topic` for every single topic:

    - `n_pairs`: pairs of items; of them `n_too_few` with fewer than `least` respondents, `n_constant_humans`
      and `n_constant_answers` that have no correlation since a side does not vary (of both, if both do not), and
      `n_compared` with correlations on both sides, which all that follows is about;
    - `mean_abs_humans`, `mean_abs_answers`: mean of the absolute correlations, and `by_chance`, what it would be if no
      items went together: the mean of sqrt(2 / (pi (n - 1)));
    - `agreement`: correlation, over pairs, of the correlations of both sides; null for fewer than 3 pairs;
    - `reliability`: the share of the variance between human correlations that is not noise, 1 less the mean of
      (1 - r^2)^2 / (n - 1) by their variance. Answers right in all correlations would still agree only to about its
      square root; where it is 0 or below, agreement says nothing.

    Null where no pair is compared. Raises ScaleError where the shapes do not fit.
    """
    if humans.shape != answers.shape or humans.shape[1] != len(topics):
        raise ScaleError(
            f"Positions of humans {humans.shape}, of answers {answers.shape} and {len(topics)} topics do not fit; "
            f"expected a row for each respondent and a column for each item, the same on both sides."
        )
    has_both = ~(np.isnan(humans) | np.isnan(answers))
    people = correlate(np.where(has_both, humans, np.nan), least=least, weight=weight)
    model = correlate(np.where(has_both, answers, np.nan), least=least, weight=weight)
    rows = [
        {"pairs": pairs, "topic": topic, **_compare(people, model, which, least)}
        for pairs, topic, which in _sets_of_pairs(topics)
    ]
    return pl.DataFrame(rows, schema=_SCHEMA)


_COUNTS = ("n_pairs", "n_too_few", "n_constant_humans", "n_constant_answers", "n_compared")
_FIGURES = ("mean_abs_humans", "mean_abs_answers", "by_chance", "agreement", "reliability")
_SCHEMA = {
    "pairs": pl.String,
    "topic": pl.String,
    **dict.fromkeys(_COUNTS, pl.Int64),
    **dict.fromkeys(_FIGURES, pl.Float64),
}


def _parts(positions: Array, weight: Array | None) -> Iterator[tuple[Array, Array, Array]]:
    """Some respondents at a time: whether they have each item, its position from the mean, and weights (people, 1)."""
    has_any = ~np.isnan(positions)
    n = has_any.sum(axis=0)
    middle = np.where(has_any, positions, 0).sum(axis=0) / np.maximum(n, 1)
    for start in range(0, positions.shape[0], PEOPLE_AT_ONCE):
        part = slice(start, start + PEOPLE_AT_ONCE)
        x = np.where(has_any[part], positions[part] - middle, 0)
        yield has_any[part].astype(np.float64), x, np.ones((x.shape[0], 1)) if weight is None else weight[part, None]


def _sets_of_pairs(topics: Sequence[str]) -> Iterator[tuple[str, str | None, Mask]]:
    """The sets of pairs of items, each as a mask (items, items) of places above the diagonal."""
    number = {topic: place for place, topic in enumerate(dict.fromkeys(topics))}
    of_item = np.array([number[topic] for topic in topics], dtype=np.int64)
    above = np.triu(np.ones((of_item.size, of_item.size), dtype=bool), k=1)
    is_inside = of_item[:, None] == of_item
    yield ALL, None, above
    yield INSIDE, None, above & is_inside
    yield ACROSS, None, above & ~is_inside
    for topic, place in number.items():
        yield TOPIC, topic, above & is_inside & (of_item == place)


def _compare(people: Correlations, model: Correlations, which: Mask, least: int) -> dict[str, float | None]:
    """The numbers of one set of pairs."""
    has_enough = people.n[which] >= least
    r, of_answers = people.value[which], model.value[which]
    is_compared = ~np.isnan(r) & ~np.isnan(of_answers)
    counts = (
        r.size,
        int((~has_enough).sum()),
        int((has_enough & ~people.varies[which]).sum()),
        int((has_enough & ~model.varies[which]).sum()),
        int(is_compared.sum()),
    )
    figures = _figures(r[is_compared], of_answers[is_compared], people.n_effective[which][is_compared])
    return dict(zip(_COUNTS, counts, strict=True)) | dict(zip(_FIGURES, figures, strict=True))


def _figures(r: Array, of_answers: Array, n: Array) -> tuple[float | None, ...]:
    """The figures of the pairs that are compared, `_FIGURES`."""
    if r.size == 0:
        return (None,) * len(_FIGURES)
    strengths = float(np.abs(r).mean()), float(np.abs(of_answers).mean()), float(np.sqrt(2 / (np.pi * (n - 1))).mean())
    spreads = float(r.var()), float(of_answers.var())
    if r.size < 3 or min(spreads) <= LEAST_VARIANCE:
        return *strengths, None, None
    noise = float(((1 - r**2) ** 2 / (n - 1)).mean())
    return *strengths, float(np.corrcoef(r, of_answers)[0, 1]), 1 - noise / float(r.var(ddof=1))
