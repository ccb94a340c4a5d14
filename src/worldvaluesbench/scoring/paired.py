"""Paired comparisons: what the same people, drawn anew, would have said of several sources of answers at once.

Distances of two models go up and down together as people are drawn, so their difference is known better than either.
What the correction of a mean may have left of its bias does not go away with more items, so no difference is claimed
that it could have made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.distribution import Array
from worldvaluesbench.estimate import Floats, Resampling, bias_bounds, quantiles_of
from worldvaluesbench.scoring.askings import Mask
from worldvaluesbench.scoring.intervals import Resampled, mean_over_items, resample_distances
from worldvaluesbench.scoring.panel import Panel
from worldvaluesbench.scoring.resample import Drawing, draw_people


@dataclass(frozen=True)
class Means:
    """Mean distances over the items of each group, of one source.

    `value` is that of the distances as they are, `corrected` that without bias, shape (groups,). `noise`, shape
    (groups, resamples), is how far each resample lies from the mean of all: the same people, whatever the source.
    """

    value: Array
    corrected: Array
    noise: Floats


@dataclass(frozen=True)
class Difference:
    """A difference of corrected values and what chance and bias make of it; arrays of one shape (...).

    The interval is that of chance, wider by what bias may be left. `p` is two-sided: the share of resamples that lie at
    least as far from their mean as the part of the difference that no bias can have made lies from 0.
    """

    value: Array
    low: Array
    high: Array
    p: Array


def resample_means(
    panels: Sequence[Panel],
    member: NDArray[np.int64] | None,
    stratum: NDArray[np.int64] | None,
    resampling: Resampling,
    *cells: Mask,
) -> list[tuple[Means, ...]]:
    """The means of each panel over each of several sets of cells, (groups, items), all with the same people drawn."""
    people = draw_people(panels, member, stratum, resampling)
    found = []
    for panel in panels:
        drawn = resample_distances(Drawing(panel, people, resampling), cells[0].shape[0])
        found.append(tuple(_means_of(drawn, which) for which in cells))
    return found


def _means_of(drawn: Resampled, cells: Mask) -> Means:
    found = mean_over_items(drawn, cells)
    draws = found.corrected_draws
    noise = draws - draws.mean(axis=1, keepdims=True)
    return Means(np.asarray(found.value, np.float64), np.asarray(found.corrected, np.float64), noise)


def difference_of(first: Means, second: Means, resampling: Resampling) -> Difference:
    """The first less the second, group by group; below 0 the first is nearer to the humans."""
    first_over, first_under = bias_bounds(first.value, first.corrected)
    second_over, second_under = bias_bounds(second.value, second.corrected)
    # the same distances hold the same bias
    is_same = (first.value == second.value) & (first.corrected == second.corrected)
    bias = np.where(is_same, 0, first_over + second_under), np.where(is_same, 0, first_under + second_over)
    return judge_difference(first.corrected - second.corrected, first.noise - second.noise, resampling, bias)


def judge_difference(
    value: Array, noise: Floats, resampling: Resampling, bias: tuple[Array | float, Array | float] = (0.0, 0.0)
) -> Difference:
    """A value (...) with noise around it, (..., resamples), of mean 0; `bias`: by how much it may be too large, small.

    Where fewer than 10 of 100 or more resamples lie as far, they no longer say how rare that is: then p is that of a
    normal curve as wide as they are.
    """
    low, high = quantiles_of(noise, resampling.ends)
    sure = np.maximum(np.where(value > 0, value - bias[0], -value - bias[1]), 0)
    n_as_far = (np.abs(noise) >= sure[..., None] - 1e-12).sum(axis=-1)
    n = noise.shape[-1]
    p = np.asarray((1 + n_as_far) / (1 + n))
    if n >= LEAST_FOR_TAIL:
        spread = np.asarray(noise.std(axis=-1), np.float64)
        p = np.where((n_as_far < FEW) & (spread > SINGLE), _tail(sure, spread), p)
    return Difference(value, value + low - bias[0], value + high + bias[1], np.where(np.isnan(value), np.nan, p))


FEW, LEAST_FOR_TAIL, SINGLE = 10, 100, 1e-6
"""A share of resamples is told from so many of them; with fewer resamples no curve is told either, nor from draws that
differ by no more than single precision does."""


def _tail(size: Array, spread: Array) -> Array:
    """How often something normal with this spread lies at least so far from its mean."""
    z = np.divide(size, spread, out=np.full_like(size, np.inf), where=spread > 0)
    return np.array([erfc(one / sqrt(2)) for one in z.ravel()]).reshape(z.shape)


def holm(p: Array) -> Array:
    """p-values freed of their number by Holm's method, over the first axis; NaN stays and is not counted.

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
    """Ranks of sources within each group, 1 the nearest to the humans; shape (sources, groups).

    `low` and `high` are the places that pairs do not rule out: it is no better than `low` where so many less one are
    clearly nearer. `share_first` is in how many resamples it is the nearest.
    """

    rank: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    share_first: Array


def rank_sources(means: Sequence[Means], differences: Array, p_holm: Array, level: float) -> Ranks:
    """Rank sources by their corrected means.

    `differences` and `p_holm` have shape (sources, sources, groups), the first less the second; on the diagonal they
    say nothing. A pair is clear where its p is below 1 less the level, so that with this confidence all places are
    right together. Source: Mogstad, Romano, Shaikh and Wilhelm (2024), by pairs.
    """
    corrected = np.stack([one.corrected for one in means])
    is_clear = p_holm < 1 - level
    n_nearer = np.where(is_clear & (differences > 0), 1, 0).sum(axis=1)
    n_farther = np.where(is_clear & (differences < 0), 1, 0).sum(axis=1)
    drawn = corrected[..., None] + np.stack([one.noise for one in means])
    first = np.nan_to_num(drawn, nan=np.inf) == np.nanmin(np.nan_to_num(drawn, nan=np.inf), axis=0)
    ordered = np.nan_to_num(corrected, nan=np.inf)
    rank = 1 + (ordered[None] < ordered[:, None]).sum(axis=1)
    return Ranks(rank, 1 + n_nearer, len(means) - n_farther, first.mean(axis=-1))
