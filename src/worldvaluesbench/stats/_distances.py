"""Other distances than Wasserstein-1, each under its own name, and skill against a baseline."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from worldvaluesbench.stats._distribution import Array
from worldvaluesbench.stats._estimate import Floats


def total_variation(humans: Floats, answers: Floats) -> Floats:
    r"""Half the sum of absolute differences of shares, (points, ...) -> (...), in [0, 1].

    .. math:: TV(U, V) = \frac12 \sum_k |u_k - v_k|

    0: equal; 1: no point in common. Blind to order. The first axis runs over points.

    >>> total_variation(np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.2, 0.7])).round(6)
    np.float64(0.6)
    """
    found: Floats = np.abs(humans - answers).sum(axis=0) / 2
    return found


def jensen_shannon(humans: Floats, answers: Floats) -> Floats:
    r"""Jensen-Shannon divergence to base 2, (points, ...) -> (...), in [0, 1]; not its square root.

    .. math:: JS(U, V) = H\left(\frac{U + V}{2}\right) - \frac{H(U) + H(V)}{2}

    with H the entropy in bits. 0: equal; 1: no point in common. Blind to order. Source: Lin (1991).

    >>> jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    np.float64(1.0)
    """
    found: Floats = np.maximum(_bits((humans + answers) / 2) - (_bits(humans) + _bits(answers)) / 2, 0)
    return found


def ranked_probability_score(humans: Floats, answers: Floats) -> Floats:
    r"""Ranked probability score of the answers as a forecast of single responses, (points, ...) -> (...), in [0, 1].

    .. math:: RPS = \frac{1}{K-1} \sum_{k=1}^{K-1} \left((V_k - U_k)^2 + U_k (1 - U_k)\right)

    with U and V the cumulative shares of humans and answers: the mean over respondents of the squared gaps between the
    cumulative shares of the answers and those of the one response. It is smallest for V = U, and not 0 then: the
    variance of responses remains. Source: Epstein (1969); Gneiting and Raftery (2007).

    >>> ranked_probability_score(np.array([[0.5], [0.5]]), np.array([[0.5], [0.5]]))
    array([0.25])
    """
    steps = humans.shape[0] - 1
    u, v = np.zeros_like(humans[0]), np.zeros_like(answers[0])
    found: Floats = np.zeros(np.broadcast(u, v).shape, dtype=np.result_type(u, v))
    for point in range(steps):  # running sums, for a cumulative sum over the first axis takes thrice as long
        u, v = u + humans[point], v + answers[point]
        found += (v - u) ** 2 + u * (1 - u)
    found /= steps
    return found


def mean_difference(humans: Floats, answers: Floats) -> Floats:
    """Mean position of the answers less that of the humans, (points, ...) -> (...), in [-1, 1], with its sign.

    Above 0: the answers lie higher on the scale. Its size is at most the Wasserstein-1 distance.

    >>> mean_difference(np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.5, 0.5]))
    np.float64(0.5)
    """
    steps = humans.shape[0] - 1
    position = (np.arange(steps + 1) / steps).reshape(-1, *(1,) * (humans.ndim - 1)).astype(humans.dtype)
    found: Floats = ((answers - humans) * position).sum(axis=0)
    return found


DISTANCES: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "total_variation": total_variation,
    "jensen_shannon": jensen_shannon,
    "ranked_probability_score": ranked_probability_score,
    "mean_difference": mean_difference,
}
"""The other distances by the names of their columns: of shares (points, ...) of one scale, first the humans'."""


LEAST_BASELINE = 1e-12
"""A baseline nearer than this is at 0: sums of survey weights are rounded."""


def skill(distance: ArrayLike, baseline: ArrayLike) -> Array:
    """Skill against a baseline, 1 - distance / that of the baseline; shapes agree.

    1: perfect; 0: as good as the baseline; below 0: worse. NaN where the baseline is at 0, but for rounding.

    >>> skill([0.1, 0.3, 0.0], [0.2, 0.2, 0.0])
    array([ 0.5, -0.5,  nan])
    """
    own, other = np.asarray(distance, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    ratio = np.divide(own, other, out=np.full(np.broadcast(own, other).shape, np.nan), where=other > LEAST_BASELINE)
    found: Array = 1 - ratio
    return found


def _bits(shares: Floats) -> Floats:
    """Entropy in bits over the first axis."""
    logs = np.log2(np.where(shares > 0, shares, 1))
    found: Floats = -(shares * logs).sum(axis=0)
    return found
