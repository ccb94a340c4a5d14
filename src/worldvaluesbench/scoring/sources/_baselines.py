"""Baselines: what is reached without any model, measured against the same humans as the answers."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worldvaluesbench.stats import Array, majority_shares, shares_of, uniform_shares, wasserstein

UNIFORM, MAJORITY, MAJORITY_POOLED, WORLD = "uniform", "majority", "majority_pooled", "world_marginal"
BASELINES = {
    UNIFORM: "every scale point is as frequent as any other",
    MAJORITY: "everybody gives the most frequent response of these humans",
    MAJORITY_POOLED: "everybody gives the most frequent response of all who are compared, whatever their group",
    WORLD: "the distribution is that of the world marginals",
}
"""The baselines that every score has beside it, and what each of them answers."""


def uniform_distances(human: ArrayLike, n_points: ArrayLike) -> Array:
    """The distance of the uniform baseline from these human counts, shape (..., points) -> (...); NaN without humans.

    >>> uniform_distances([[4, 0], [2, 2]], 2)
    array([0.5, 0. ])
    """
    counts = np.asarray(human)
    return wasserstein(shares_of(counts), uniform_shares(n_points, counts.shape[-1]), n_points)


def majority_distances(human: ArrayLike, n_points: ArrayLike, first_met: ArrayLike | None = None) -> Array:
    """The distance of the majority baseline from these human counts, shape (..., points) -> (...); NaN without humans.

    Of several equally frequent points the lowest is taken; with `first_met`, of the shape of the counts, the one
    that was met first.

    >>> majority_distances([[1, 3], [2, 2]], 2)
    array([0.25, 0.5 ])
    """
    counts = np.asarray(human)
    shares = shares_of(counts)
    majority = majority_shares(shares) if first_met is None else _first_met_majority(counts, np.asarray(first_met))
    return wasserstein(shares, majority, n_points)


def pooled_majority_distances(human: ArrayLike, everybody: ArrayLike, n_points: ArrayLike) -> Array:
    """The distance of the most frequent response of everybody (..., points) from these counts, (groups, ..., points).

    The numbers of the paper were made so, with everybody pooled; its text speaks of the group's own.

    >>> pooled_majority_distances([[[1, 3]], [[4, 0]]], [[5, 3]], 2)
    array([[0.75],
           [0.  ]])
    """
    majority = majority_shares(shares_of(np.asarray(everybody)))
    return wasserstein(shares_of(np.asarray(human)), majority, n_points)


def world_distances(human: ArrayLike, world: ArrayLike, n_points: ArrayLike) -> Array:
    """The distance of the world's counts (..., points) from these counts, (groups, ..., points); NaN without either.

    >>> world_distances([[[1, 3]]], [[2, 2]], 2)
    array([[0.25]])
    """
    return wasserstein(shares_of(np.asarray(human)), shares_of(np.asarray(world)), n_points)


def _first_met_majority(counts: NDArray[np.int64], first_met: NDArray[np.int64]) -> Array:
    is_top = counts == counts.max(axis=-1, keepdims=True)
    late = np.iinfo(np.int64).max
    chosen = np.argmin(np.where(is_top & (counts > 0), first_met, late), axis=-1)
    return np.asarray(np.arange(counts.shape[-1]) == chosen[..., None], dtype=np.float64)
