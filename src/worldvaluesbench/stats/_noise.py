"""The noise floor: the expected distance of two human samples of one population."""

import numpy as np
from numpy.typing import ArrayLike

from worldvaluesbench.stats._distribution import Array

_NODES = 128
_ANGLES = (np.arange(_NODES) + 0.5) * np.pi / _NODES
_EXACT_UP_TO = 50.0
"""Up to this variance of a cumulated count the mean difference is exact; beyond it, counts are as good as normal."""


def noise_floor(shares: ArrayLike, n: ArrayLike, n_points: ArrayLike, *, n_shares: ArrayLike | None = None) -> Array:
    r"""Expected Wasserstein-1 distance of two samples of `n` respondents each, shares (..., points) -> (...).

    .. math:: \frac{1}{K-1} \sum_{k=1}^{K-1} \frac{E|X_k - Y_k|}{n}, \qquad X_k, Y_k \sim \text{Binomial}(n, F_k)

    with F the cumulative shares and K the number of points, `n_points`; `n` and `n_points` have shape (...). For large
    n it is about :math:`\frac{2}{K-1} \sum_k \sqrt{F_k (1 - F_k) / (\pi n)}`. 0: all responses are
    the same. With `n_shares`, (...), the shares are themselves those of so many respondents, whose F (1 - F) is too
    small by (n - 1) / n on average; that is corrected. `n` need not be whole: it may be an effective sample size, or
    the harmonic mean of two (`harmonic_n`).

    NaN where there are no shares, or n is below two. Against SciPy's binomial it is exact to 1e-6 of its size.

    >>> noise_floor([0.25, 0.25, 0.25, 0.25], [5, 230], 4).round(3)
    array([0.221, 0.034])
    """
    cumulated = np.cumsum(np.asarray(shares, dtype=np.float64), axis=-1)[..., :-1]
    size = np.asarray(n, dtype=np.float64)[..., None]
    spread, size = np.broadcast_arrays(np.clip(cumulated * (1 - cumulated), 0, None), size)
    with np.errstate(divide="ignore", invalid="ignore"):
        if n_shares is not None:
            known = np.asarray(n_shares, dtype=np.float64)[..., None]
            spread = np.minimum(spread * known / (known - 1), 0.25)
        gaps = _mean_difference(spread, size) / size
    floor: Array = gaps.sum(axis=-1) / (np.asarray(n_points) - 1)
    return np.where(size[..., 0] > 1, floor, np.nan)


def harmonic_n(first: ArrayLike, second: ArrayLike) -> Array:
    """The one size of two samples that are as noisy together as samples of these two sizes, shapes (...) -> (...).

    NaN where either is empty.

    >>> harmonic_n([230, 100_000], [230, 230]).round(1)
    array([230. , 458.9])
    """
    sizes = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    together = sizes[0] + sizes[1]
    n: Array = np.divide(2 * sizes[0] * sizes[1], together, out=np.full_like(together, np.nan), where=together > 0)
    return np.where(n > 0, n, np.nan)


def _mean_difference(spread: Array, n: Array) -> Array:
    """E|X - Y| of binomial counts with variance n times `spread`, the product of share and rest; shapes agree.

    For whole numbers D, E|D| is the mean over angles t of (1 - Re phi(t)) / (1 - cos t), with phi the characteristic
    function: the denominator turns each |D| into a sum of cosines (Fejer). That of X - Y is (1 - 2 v (1 - cos t))^n.
    """
    variance = 2 * n * spread
    # normal, with corrections for the excess kurtosis of X - Y and for its being a whole number
    excess = (1 - 6 * spread) / 24 + 1 / 12
    found: Array = np.sqrt(2 * variance / np.pi) * (1 - excess / np.where(variance > 0, variance, np.inf))
    few = np.nan_to_num(variance) <= 2 * _EXACT_UP_TO
    if few.any():
        rest = 1 - np.cos(_ANGLES)
        base = 1 - 2 * spread[few][:, None] * rest
        found[few] = ((1 - base ** n[few][:, None]) / rest).mean(axis=-1)
    return found
