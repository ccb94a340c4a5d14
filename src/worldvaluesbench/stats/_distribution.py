"""Distributions over a scale, and the Wasserstein-1 distance between them, one at a time or in bulk.

A distribution is an array of shares whose last axis runs over the scale points in order and sums to 1.
Scales of different lengths share one array by padding: points beyond an item's scale hold zero.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worldvaluesbench.errors import ScaleError

Array = NDArray[np.float64]
Ints = NDArray[np.int8 | np.int16 | np.int32 | np.int64]
Mask = NDArray[np.bool_]

MIN_COVERAGE = 0.5
"""The least probability that must have been on the scale points for an answer to count, by default."""


def shares_of(counts: ArrayLike) -> Array:
    """Counts to shares along the last axis; where nothing was counted the shares are NaN.

    >>> shares_of([1, 3])
    array([0.25, 0.75])
    >>> shares_of([[0, 0], [2, 2]])
    array([[nan, nan],
           [0.5, 0.5]])
    """
    values = np.asarray(counts, dtype=np.float64)
    if values.size and values.min() < 0:
        raise ScaleError(f"Counts cannot be negative, got {values.min():g}.")
    total = values.sum(axis=-1, keepdims=True)
    shares: Array = np.divide(values, total, out=np.full_like(values, np.nan), where=total > 0)
    return shares


def uniform_shares(n_points: ArrayLike, width: int | None = None) -> Array:
    """The uniform distribution over `n_points` scale points, padded with zeros to `width`.

    >>> uniform_shares(4)
    array([0.25, 0.25, 0.25, 0.25])
    >>> uniform_shares([2, 3])
    array([[0.5       , 0.5       , 0.        ],
           [0.33333333, 0.33333333, 0.33333333]])
    """
    points = np.asarray(n_points, dtype=np.int64)
    columns = np.arange(int(points.max()) if width is None else width)
    shares: Array = (columns < points[..., None]) / points[..., None]
    return shares


def majority_shares(shares: ArrayLike) -> Array:
    """All mass on the most frequent point of each distribution; the lowest of several equally frequent ones.

    >>> majority_shares([0.2, 0.5, 0.3])
    array([0., 1., 0.])
    """
    values = np.asarray(shares, dtype=np.float64)
    missing = np.isnan(values).any(axis=-1, keepdims=True)
    top = np.argmax(np.nan_to_num(values, nan=-1.0), axis=-1)
    chosen = (np.arange(values.shape[-1]) == top[..., None]).astype(np.float64)
    return np.where(missing, np.nan, chosen)


def wasserstein(first: ArrayLike, second: ArrayLike, n_points: ArrayLike | None = None) -> Array:
    r"""Wasserstein-1 distance between distributions over the same scale, in [0, 1].

    .. math:: W_1(U, V) = \int_0^1 |U(x) - V(x)|\,dx = \frac{1}{K-1} \sum_{k=1}^{K-1} |U_k - V_k|

    with U and V the cumulative shares and K the number of points, which lie evenly over [0, 1]. 0: equal distributions;
    1: all responses at one end and all answers at the other. Shares have shape (..., points), leading axes broadcast
    and NaN gives NaN; `n_points`, shape (...), are the points of each scale where the last axis is padded (by default
    its length). Returns distances, shape (...), without unit.

    Raises ScaleError where the last axes differ in length.

    Source: Zhao et al. (2024), section 3.2; Vallender (1974) for the equality of both forms.

    >>> float(wasserstein([0.7, 0.2, 0.1], [0.1, 0.2, 0.7]).round(12))
    0.6
    """
    u, v = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if u.shape[-1] != v.shape[-1]:
        raise ScaleError(f"Distributions over {u.shape[-1]} and {v.shape[-1]} points cannot be compared.")
    steps = (u.shape[-1] if n_points is None else np.asarray(n_points)) - 1
    return np.asarray(np.abs(np.cumsum(u - v, axis=-1)[..., :-1]).sum(axis=-1) / steps)
