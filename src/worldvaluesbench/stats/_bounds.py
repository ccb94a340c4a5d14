"""Missing answers: worst-case bounds of the distance, and the distance with refusals as a category of their own."""

import numpy as np
from numpy.typing import ArrayLike

from worldvaluesbench.stats._distribution import Array, shares_of
from worldvaluesbench.stats._estimate import Floats


def distance_bounds(
    humans: ArrayLike, answers: ArrayLike, missing: ArrayLike, n_points: ArrayLike
) -> tuple[Array, Array]:
    r"""Worst-case bounds (Manski) of the Wasserstein-1 distance: missing answers may be on any points.

    `humans` are response counts of all respondents answered for, those without an answer included, `answers` the counts
    of answers, both (..., points), padded; `missing` the number (or weight) of missing answers and `n_points` the
    scale's length, both (...). With U the cumulative shares of the humans, A the cumulated answers, m those missing,

    .. math:: \min_M \text{ and } \max_M \quad \frac{1}{K-1} \sum_{k=1}^{K-1}
        \left|U_k - \frac{A_k + M_k}{A_K + m}\right|, \qquad 0 \le M_1 \le \dots \le M_{K-1} \le m

    The largest puts all missing answers on one point, for the sum is convex in M. The smallest is found over the places
    at which one of its terms is 0. Both equal the distance where nothing is missing. NaN where a side is empty.

    >>> low, high = distance_bounds([2, 0, 2], [1, 0, 1], 2, 3)
    >>> float(low), float(high)
    (0.0, 0.25)
    """
    gaps, m, n = _gaps(humans, answers, missing, n_points)
    steps = np.asarray(n_points) - 1
    best = _least_sum(gaps, m, n) / steps
    width = gaps.shape[-1]
    # all missing answers on point j: the cumulated ones rise by m from j on
    worst = np.max([np.abs(gaps - m[..., None] * _from(j, n, width)).sum(axis=-1) for j in range(width + 1)], axis=0)
    return best, worst / steps


def distance_with_refusals(
    humans: ArrayLike, human_refusals: ArrayLike, answers: ArrayLike, refusals: ArrayLike, n_points: ArrayLike
) -> Array:
    r"""The distance where a refusal is a category of its own, at distance 1 from every point; shape (...), in [0, 1].

    `humans` and `answers` are counts of on-scale responses and answers (..., points), `human_refusals` and `refusals`
    those of refusals (...). With r the share of refusals that one side has beyond the other, r is moved at a cost of 1,
    from (or to) where on the scale that serves best, and the rest along the scale. It is the optimal transport between
    both distributions, and so a Wasserstein-1 distance. NaN where a side is empty.

    >>> float(distance_with_refusals([5, 5], 0, [5, 3], 2, 2))
    0.2
    """
    human, answer = np.asarray(humans, dtype=np.float64), np.asarray(answers, dtype=np.float64)
    refused, refusing = np.asarray(human_refusals, dtype=np.float64), np.asarray(refusals, dtype=np.float64)
    total = human.sum(axis=-1) + refused, answer.sum(axis=-1) + refusing
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = human / total[0][..., None], answer / total[1][..., None]
        beyond = refusing / total[1] - refused / total[0]
    n = np.asarray(n_points)
    inside = (np.arange(u.shape[-1] - 1) < n[..., None] - 1).astype(np.float64)
    return _transport(np.cumsum(u - v, axis=-1)[..., :-1] * inside, beyond, inside)


def refusal_distance(gaps: Floats) -> Floats:
    """The same for gaps between cumulative shares of one scale, (points, draws) -> (draws,).

    The shares are of all responses, refusals included, and the last gap, at the last point, is what one side refuses
    beyond the other.
    """
    on_scale = np.moveaxis(gaps[:-1], 0, -1).astype(np.float64)
    return _transport(on_scale, gaps[-1].astype(np.float64), np.ones_like(on_scale)).astype(gaps.dtype)


def _transport(gaps: Array, beyond: Array, inside: Array) -> Array:
    """The cost of moving refusals, `beyond` (...), and the rest along a scale with these gaps (..., width)."""
    # mass is taken away from the humans where the answers refuse more, else from the answers
    sign = np.where(beyond < 0, -1.0, 1.0)
    size = np.abs(beyond)
    found: Array = size + _least_sum(gaps * sign[..., None], size, inside) / inside.sum(axis=-1)
    return found


def _gaps(humans: ArrayLike, answers: ArrayLike, missing: ArrayLike, n_points: ArrayLike) -> tuple[Array, Array, Array]:
    """Gaps between both sides in shares, the share of missing answers, and which gaps are on the scale (1, else 0)."""
    answer, m = np.asarray(answers, dtype=np.float64), np.asarray(missing, dtype=np.float64)
    total = answer.sum(axis=-1) + m
    with np.errstate(divide="ignore", invalid="ignore"):
        v = answer / np.where(total > 0, total, np.nan)[..., None]
        m = m / total
    u = shares_of(humans)
    inside = (np.arange(u.shape[-1] - 1) < np.asarray(n_points)[..., None] - 1).astype(np.float64)
    return np.cumsum(u - v, axis=-1)[..., :-1] * inside, m, np.broadcast_to(inside, u[..., :-1].shape)


def _from(j: int, inside: Array, width: int) -> Array:
    """1 at the gaps from point j on, where they are on the scale."""
    return (np.arange(width) >= j) * inside


def _least_sum(gaps: Array, m: Array, inside: Array) -> Array:
    """The least sum of |gap - M| over M that rise from 0 to m; gaps (..., width), those off the scale do not count.

    Somewhere a least sum has each M at 0, at m, or at one of the gaps, so a walk over these places finds it.
    """
    places = np.sort(np.clip(np.concatenate([gaps, 0 * m[..., None], m[..., None]], axis=-1), 0, m[..., None]), axis=-1)
    least = np.zeros_like(places)
    for k in range(gaps.shape[-1]):
        cost = np.abs(gaps[..., k : k + 1] - places) * inside[..., k : k + 1]
        least = np.minimum.accumulate(least, axis=-1) + cost
    found: Array = least.min(axis=-1)
    return np.where(np.isnan(gaps).any(axis=-1) | np.isnan(m), np.nan, found)
