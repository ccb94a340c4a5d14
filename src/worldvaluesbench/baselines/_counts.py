"""How many people stand on each point of a scale, group by group, and how many people of equal weight say as much."""

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.baselines._chain import Members
from worldvaluesbench.baselines._people import Points
from worldvaluesbench.stats import Array


def count_points(
    group: Members | NDArray[np.int64], points: Points, n_groups: int, n_points: int, weights: Array | None = None
) -> Array:
    """People, or their weights, by group and point, shape (groups, points); group -1 is left out.

    >>> count_points(np.array([0, 0, 1, -1]), np.array([0, 1, 1, 0], dtype=np.int8), 2, 2)
    array([[1., 1.],
           [0., 1.]])
    """
    cell = (group.astype(np.int64) + 1) * n_points + points
    counts = np.bincount(cell, weights=weights, minlength=(n_groups + 1) * n_points)
    table: Array = counts.reshape(n_groups + 1, n_points)[1:].astype(np.float64)
    return table


def effective_counts(
    group: Members | NDArray[np.int64], points: Points, n_groups: int, n_points: int, weights: Array | None
) -> Array:
    r"""Counts that sum in each group to as many people of equal weight as say the same, shape (groups, points).

    With weights w the shares of a group are :math:`\sum_{i \in k} w_i / \sum_i w_i`, and they are as certain as those
    of :math:`(\sum_i w_i)^2 / \sum_i w_i^2` people of equal weight: a group whose weight lies on few people counts as
    few, and it makes no difference on which scale weights are. Without weights these are the plain counts.

    Source: Kish (1965), Survey Sampling, section 11.7.

    >>> effective_counts(np.array([0, 0]), np.array([0, 1], dtype=np.int8), 1, 2, np.array([3.0, 1.0]))
    array([[1.2, 0.4]])
    """
    counts = count_points(group, points, n_groups, n_points, weights)
    if weights is None:
        return counts
    squares = count_points(group, points, n_groups, n_points, weights**2).sum(axis=-1)
    total = counts.sum(axis=-1)
    factor: Array = np.divide(total, squares, out=np.zeros_like(total), where=squares > 0)
    return counts * factor[:, None]
