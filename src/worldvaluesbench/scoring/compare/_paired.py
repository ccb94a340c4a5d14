"""Paired comparisons: differences of means over the same items and respondents, p-values, and ranks.

What bias the correction of a mean may leave does not go away with more items, so no difference of mean W1 is claimed
that it could have made. Squared gaps between cumulative shares have no such bias: their test has more power.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.scoring.compare._compared import Compared
from worldvaluesbench.stats import Array, Items, bias_bounds, standard_error

NEAR_0 = 1e-6
"""Means in single precision that differ by no more than this are the same."""


@dataclass(frozen=True)
class Difference:
    """The difference of two sources, the first minus the second, each part of shape (groups,).

    `value`, the ends `low` and `high` of its confidence interval, and its two-sided p-value `p`.
    """

    value: Array
    low: Array
    high: Array
    p: Array


def difference_of(compared: Compared, first: int, second: int, items: Items, level: float) -> Difference:
    """The difference of mean corrected W1 of two sources, group by group; negative = the first is closer to humans.

    Means below 0 count as 0, for no distance is below it. The interval allows for the bias that the correction may
    leave in either mean, and p is that of the part of the difference that no such bias can have made.
    """
    corrected, raw = compared.mean("corrected"), compared.mean("distance")
    over, under = bias_bounds(raw, corrected)
    # the same distances have the same bias
    is_same = (np.abs(raw[first] - raw[second]) < NEAR_0) & (np.abs(corrected[first] - corrected[second]) < NEAR_0)
    too_large = np.where(is_same, 0, over[first] + under[second])
    too_small = np.where(is_same, 0, under[first] + over[second])
    value = np.maximum(corrected[first], 0) - np.maximum(corrected[second], 0)
    value = np.where(np.abs(value) < NEAR_0, 0, value)
    of_items = compared.values["corrected"][first] - compared.values["corrected"][second]
    error = standard_error(of_items, compared.is_in, compared.moments_of_difference(first, second), items)
    half = error.half_width(level)
    sure = np.maximum(np.where(value > 0, value - too_large, -value - too_small), 0)
    low, high = np.maximum(value - half - too_large, -1), np.minimum(value + half + too_small, 1)
    return Difference(value, low, high, error.p_of(np.where(np.isnan(value), value, sure)))


def squared_difference_of(compared: Compared, first: int, second: int, items: Items, level: float) -> Difference:
    r"""The difference of the mean squared gaps between cumulative shares, group by group.

    .. math:: \frac{1}{K-1} \sum_{k=1}^{K-1} (U_k - V_k)^2

    is the squared Cramér distance of two distributions on a scale of K points. It is estimated without bias, a
    U-statistic over respondents, so it needs no allowance; it can be below 0. Source: Székely and Rizzo (2013).
    """
    squared, found = compared.values["squared"], compared.mean("squared")
    value = np.where(np.abs(found[first] - found[second]) < NEAR_0**2, 0, found[first] - found[second])
    moments = compared.moments_of_difference(first, second, "squared")
    error = standard_error(squared[first] - squared[second], compared.is_in, moments, items)
    half = error.half_width(level)
    # both may be below 0 by chance, and no distance is
    is_claimed = np.maximum(found[first], 0) != np.maximum(found[second], 0)
    size = np.where(np.isnan(value), np.nan, np.where(is_claimed, np.abs(value), 0))
    return Difference(value, value - half, value + half, error.p_of(size))


def holm(p: Array) -> Array:
    """p-values adjusted for their number by Holm's method, over the first axis; NaN stays and is not counted.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none falls below one before it, nor exceeds 1.
    The chance of even one false claim is then at most the level at which claims are made. Source: Holm (1979).

    >>> holm(np.array([0.030, 0.012, 0.040])).round(3)
    array([0.06 , 0.036, 0.06 ])
    """
    order = np.argsort(p, axis=0)  # NaN goes to the end
    m = np.count_nonzero(~np.isnan(p), axis=0)
    sorted_p = np.take_along_axis(p, order, axis=0)
    times = m - np.arange(p.shape[0]).reshape(-1, *(1,) * (p.ndim - 1))
    raised = np.minimum(np.maximum.accumulate(np.where(np.isnan(sorted_p), -1, sorted_p * times), axis=0), 1)
    found = np.empty_like(p)
    np.put_along_axis(found, order, np.where(np.isnan(sorted_p), np.nan, raised), axis=0)
    return found


@dataclass(frozen=True)
class Ranks:
    """Ranks of sources within each group, 1 = closest to the humans; shape (sources, groups).

    `low` and `high` are the ends of the rank's confidence interval: it is no better than `low` where `low` - 1 sources
    are significantly closer. Sources that are equally close share a rank; `is_tied` says which do.
    """

    rank: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    is_tied: NDArray[np.bool_]


def rank_sources(corrected: Array, differences: Array, p_holm: Array, level: float) -> Ranks:
    """Rank sources by their corrected means, (sources, groups); below 0 they count as 0.

    `differences` and `p_holm` have shape (sources, sources, groups), the first minus the second; the diagonal is not
    used. A pair is significant where its p is below 1 - level, so that with this confidence all intervals of ranks are
    right together. Source: Mogstad, Romano, Shaikh and Wilhelm (2024), by pairs.
    """
    value = np.maximum(np.nan_to_num(corrected, nan=np.inf), 0)
    is_clear = p_holm < 1 - level
    n_closer = np.where(is_clear & (differences > 0), 1, 0).sum(axis=1)
    n_farther = np.where(is_clear & (differences < 0), 1, 0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        apart = value[None] - value[:, None]
    rank = 1 + (apart < -NEAR_0).sum(axis=1)
    is_tied = (rank[None] == rank[:, None]).sum(axis=1) > 1
    return Ranks(rank, 1 + n_closer, corrected.shape[0] - n_farther, is_tied)
