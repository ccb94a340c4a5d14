"""Standard errors of means over items when both the respondents and the items are a sample.

A benchmark asks some items of each topic, and readers generalise its mean beyond them. So a mean over items has two
sources of error: which respondents were interviewed, and which items were asked. This is the variance of a two-way
bootstrap (resample respondents, resample items within topics) in which the noise of single items counts once: it is
part of how much observed items differ, so of the respondents only the covariance of different items is added.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import atan, cos, inf, pi, sin, sqrt
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worldvaluesbench.errors import ScaleError
from worldvaluesbench.stats._distribution import Array, Mask
from worldvaluesbench.stats._estimate import NORMAL, Floats

ItemSampling = Literal["within-topics", "topics", "fixed"]
ITEM_SAMPLING: tuple[ItemSampling, ...] = get_args(ItemSampling)
"""`within-topics`: other items of the same topics could have been asked (items are resampled within topics).
`topics`: other topics could have been asked (topics are clusters of items). `fixed`: these items, and no others."""

LEAST_DESIGN_EFFECT = 0.05
"""The precision of a share of items is never taken to be that of more than 20 times as many independent items."""


@dataclass(frozen=True)
class Items:
    """The items that means run over: the topic of each, shape (items,), as whole numbers, and how they were sampled."""

    topic: NDArray[np.int64]
    sampling: ItemSampling = "within-topics"

    @classmethod
    def of(cls, topics: Sequence[str], sampling: ItemSampling = "within-topics") -> "Items":
        """Items of these topics."""
        number = {topic: place for place, topic in enumerate(dict.fromkeys(topics))}
        return cls(np.array([number[topic] for topic in topics], dtype=np.int64), sampling)

    def __post_init__(self) -> None:
        if self.sampling not in ITEM_SAMPLING:
            raise ScaleError(f"There is no item sampling {self.sampling!r}; there are {', '.join(ITEM_SAMPLING)}.")


@dataclass(frozen=True)
class Moments:
    """Bootstrap moments of items over respondents: `variance`, shape (..., items), and `covariance`, shape (...).

    `covariance` is the mean covariance of two different items, which does not become smaller with more items.
    """

    variance: Array
    covariance: Array


def moments_of(draws: Floats, is_in: Mask) -> Moments:
    """The moments of bootstrap draws of items, (..., items, resamples), over the items that are in, (..., items)."""
    values = np.where(is_in[..., None], draws, 0).astype(np.float64)
    n = is_in.sum(axis=-1)
    variance = values.var(axis=-1, ddof=1)
    of_sum = values.sum(axis=-2).var(axis=-1, ddof=1)
    pairs = n * (n - 1)
    covariance = np.divide(of_sum - variance.sum(axis=-1), pairs, out=np.zeros(of_sum.shape), where=pairs > 0)
    return Moments(variance, covariance)


@dataclass(frozen=True)
class StandardError:
    """The standard error of a mean over items, shape (...), and its degrees of freedom (`inf`: normal)."""

    value: Array
    df: NDArray[np.float64]

    def half_width(self, level: float) -> Array:
        """Half the width of a confidence interval at this level, shape (...)."""
        return np.asarray(np.vectorize(t_quantile, otypes=[float])((1 + level) / 2, self.df) * self.value)

    def p_of(self, size: Array) -> Array:
        """Two-sided p-values of values that lie `size` from 0, shape (...); 1 for a size of 0, whatever the error."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.vectorize(_p, otypes=[float])(size, self.value, self.df))


def _p(size: float, error: float, df: float) -> float:
    if size != size or error != error:
        return np.nan
    if size <= 0:
        return 1.0
    # rounded, a share may be a little larger than 1
    return max(2 * (1 - t_share(size / error, df)), 0.0) if error > 0 else 0.0


def standard_error(values: ArrayLike, is_in: Mask, moments: Moments, items: Items) -> StandardError:
    r"""The standard error of means of `values` over the items that are in; both of shape (..., items).

    .. math:: \frac{1}{I^2} \sum_t I_t s_t^2 + c

    with I_t items of topic t that differ with variance s_t^2 (n - 1 in the denominator), and c the covariance of
    different items over respondents. What items have in common is not part of how they differ, so all of c is added.
    With `topics` the first term is that of the totals of topics, a ratio estimate; with `fixed` it is the mean of the
    items' own sampling variances over I, to which c (I - 1) / I is added. The degrees of freedom are those of a
    stratified design: items less topics, or topics less one. Topics of one item are put together (collapsed strata,
    Wolter, 2007, section 2.5). A single item says nothing of other items: then it is taken as fixed. Sources: Owen
    (2007) on resampling of two-way tables; Miller (2024) on standard errors of evaluations.
    """
    table = np.asarray(values, dtype=np.float64)
    shape, n_items = table.shape[:-1], table.shape[-1]
    rows, kept = table.reshape(-1, n_items), np.broadcast_to(is_in, table.shape).reshape(-1, n_items)
    own = np.broadcast_to(moments.variance, table.shape).reshape(-1, n_items)
    common = np.broadcast_to(moments.covariance, shape).ravel()
    if items.sampling != "fixed":
        # of items that could be others, a covariance below 0 is an estimate of one that is near it
        common = np.maximum(common, 0)
    variance, df = np.full(rows.shape[0], np.nan), np.full(rows.shape[0], inf)
    patterns, pattern_of = np.unique(kept, axis=0, return_inverse=True)
    for place, pattern in enumerate(patterns):
        size = int(np.count_nonzero(pattern))
        if size:
            which = np.flatnonzero(pattern_of.ravel() == place)
            of_items, free = _item_variance(
                rows[which][:, pattern], own[which][:, pattern], items.topic[pattern], items.sampling
            )
            part = (size - 1) / size if free == inf else 1
            variance[which], df[which] = np.maximum(of_items + common[which] * part, 0), free
    return StandardError(np.sqrt(variance).reshape(shape), df.reshape(shape))


def _item_variance(values: Array, own: Array, topic: NDArray[np.int64], sampling: ItemSampling) -> tuple[Array, float]:
    """The variance of means (rows,) of values (rows, items) that item sampling gives them, and degrees of freedom."""
    n = topic.size
    names, place = np.unique(topic, return_inverse=True)
    if sampling == "fixed" or n == 1 or (sampling == "topics" and names.size == 1):
        return own.sum(axis=1) / n**2, inf
    if sampling == "topics":
        totals = _sums_by(values - values.mean(axis=1, keepdims=True), place)
        return (totals**2).sum(axis=1) / n**2 * names.size / (names.size - 1), float(names.size - 1)
    strata = collapse_singletons(topic)
    size = np.bincount(strata)
    mean = _sums_by(values, strata) / size
    squares = _sums_by((values - mean[:, strata]) ** 2, strata)
    return (size * squares / (size - 1)).sum(axis=1) / n**2, float(n - size.size)


def _sums_by(values: Array, member: NDArray[np.int64]) -> Array:
    """Sums of values (rows, items) by the members of groups, shape (rows, groups)."""
    return np.asarray(values @ (member[:, None] == np.arange(int(member.max()) + 1)).astype(np.float64))


def collapse_singletons(stratum: NDArray[np.int64]) -> NDArray[np.int64]:
    """Strata, (members,), numbered from 0, with those of one member put together.

    A single one is put with the smallest of the others. Source: collapsed strata, Wolter (2007), section 2.5.

    >>> collapse_singletons(np.array([4, 4, 7, 9, 9, 9]))
    array([0, 0, 0, 1, 1, 1])
    """
    names, place, n = np.unique(stratum, return_inverse=True, return_counts=True)
    loners = np.flatnonzero(n == 1)
    if loners.size and names.size > 1:
        together = loners[0] if loners.size > 1 else np.argmin(np.where(n == 1, n.max() + 1, n))
        place = np.unique(np.where(n[place] == 1, together, place), return_inverse=True)[1]
    return place.astype(np.int64)


def item_df(items: Items, is_in: Mask) -> float:
    """The degrees of freedom of the variance between the items that are in, shape (items,); `inf` for fixed ones."""
    nothing = np.zeros((1, int(is_in.sum())))
    return _item_variance(nothing, nothing, items.topic[is_in], items.sampling)[1] if nothing.size else inf


def draw_items(items: Items, is_in: Mask, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """How much each item counts in each of `n` resamples of items, shape (items, resamples); mean 1 for those in.

    Of m items of a topic m - 1 are drawn with replacement, and each counts as m / (m - 1) (Rao and Wu, 1988).
    """

    def resample(m: int) -> Array:
        return np.asarray(rng.multinomial(m - 1, np.full(m, 1 / m), size=n).T * (m / (m - 1)))

    weight = np.zeros((is_in.size, n), dtype=np.float32)
    kept = np.flatnonzero(is_in)
    names, place = np.unique(items.topic[kept], return_inverse=True)
    if items.sampling == "fixed" or kept.size < 2 or (items.sampling == "topics" and names.size == 1):
        weight[kept] = 1
    elif items.sampling == "topics":
        weight[kept] = resample(names.size)[place]
    else:
        strata = collapse_singletons(items.topic[kept])
        for number in range(int(strata.max()) + 1):
            members = kept[strata == number]
            weight[members] = resample(members.size)
    return weight


def design_effect_of_share(share: Array, variance: Array, n: NDArray[np.int64]) -> Array:
    """The variance of shares of n items by that of as many independent items; shapes agree, 1 where it says nothing."""
    binomial = share * (1 - share) / np.maximum(n, 1)
    found = np.divide(variance, binomial, out=np.ones_like(variance), where=binomial > 1e-12)
    return np.clip(found, LEAST_DESIGN_EFFECT, None)


@lru_cache(maxsize=4096)
def t_quantile(share: float, df: float) -> float:
    """The quantile of Student's t distribution with `df` degrees of freedom, a whole number; `inf`: the normal one.

    >>> round(t_quantile(0.975, 24), 4), round(t_quantile(0.975, float("inf")), 4)
    (2.0639, 1.96)
    """
    if df == inf:
        return NORMAL.inv_cdf(share)
    low, high = -1e6, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if t_share(middle, df) < share else (low, middle)
    return (low + high) / 2


def t_share(t: float, df: float) -> float:
    """The share of Student's t distribution below t, for a whole number of degrees of freedom; `inf`: normal.

    A finite sum. Source: Abramowitz and Stegun (1964), 26.7.3 and 26.7.4.

    >>> round(t_share(2.0639, 24), 4), round(t_share(-1.0, 1), 4)
    (0.975, 0.25)
    """
    if df == inf:
        return NORMAL.cdf(t)
    n = int(df)
    theta = atan(t / sqrt(n))
    if n == 1:
        return 0.5 + theta / pi
    square = cos(theta) ** 2
    term = total = 1.0
    for k in range(3 if n % 2 else 2, n - 1, 2):
        term *= square * (k - 1) / k
        total += term
    between = sin(theta) * total
    if n % 2:
        between = 2 / pi * (theta + between * cos(theta))
    return 0.5 + between / 2
