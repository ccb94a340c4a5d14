"""What a distance is worth: the size of the random sample that is as far from the population, and skill scores."""

from collections.abc import Callable
from math import lgamma, log, pi

import numpy as np
from numpy.typing import ArrayLike

from worldvaluesbench.stats._distribution import Array

_STIRLING_ERRORS = np.array([0.0, *(lgamma(k + 1) - (k + 0.5) * log(k) + k - log(2 * pi) / 2 for k in range(1, 16))])
"""The natural logarithm of k! less Stirling's approximation of it, k from 0 to 15; beyond, its series is exact."""

_LARGEST_POLL = 2.0**52
"""Up to here every whole number of respondents is a number of its own."""


def sampling_distance(
    shares: ArrayLike, n: ArrayLike, n_points: ArrayLike, *, n_shares: ArrayLike | None = None
) -> Array:
    r"""Expected Wasserstein-1 distance of one random sample of `n` respondents from their population.

    .. math:: \frac{1}{K-1} \sum_{k=1}^{K-1} \frac{E|X_k - n F_k|}{n}, \qquad X_k \sim \text{Binomial}(n, F_k)

    with F the cumulative shares of the population and K the number of points. It is exact, by De Moivre's formula for
    the mean absolute deviation of a binomial count,

    .. math:: E|X - nF| = 2\,m\,(1 - F)\,\binom{n}{m} F^m (1 - F)^{n-m}, \qquad m = \lfloor nF \rfloor + 1

    and for large n about :math:`\sqrt{2/\pi}\,\sum_k \sqrt{F_k (1 - F_k) / n} / (K-1)`. It is the noise floor of a
    source that states probabilities, for then only the humans are a sample. It never grows with n. 0: all responses are
    the same.

    `shares`, shape (..., points), are padded with zeros where scales differ in length; `n`, at least 1, and `n_points`
    have shape (...). Between two whole n it is interpolated linearly: the mean of samples of either size. `n_shares`,
    shape (...): the shares are themselves those of so many respondents, whose F (1 - F) is too small by (n - 1) / n on
    average; that is corrected. Returns distances in [0, 1], shape (...); NaN where shares are NaN or n is below 1.

    Source: De Moivre (1730), Miscellanea Analytica; Diaconis and Zabell (1991), Statistical Science 6(3).

    >>> sampling_distance([0.5, 0.5], [1, 2, 2.5, 100], 2).round(4)
    array([0.5   , 0.25  , 0.25  , 0.0398])
    """
    rarer = _rarer_shares(shares, n_shares)
    size = np.asarray(n, dtype=np.float64)
    size = np.where(size >= 1, size, np.nan)
    with np.errstate(invalid="ignore"):
        below, part = np.floor(size), size - np.floor(size)
        found = _distance_of_whole(rarer, below, n_points)
        between = np.nan_to_num(part) > 0
        if between.any():
            found = np.where(between, (1 - part) * found + part * _distance_of_whole(rarer, below + 1, n_points), found)
    return found


def poll_size(
    distance: ArrayLike, shares: ArrayLike, n_points: ArrayLike, *, n_shares: ArrayLike | None = None
) -> Array:
    """How many respondents a random sample has that is, on average, as far from the population as `distance`.

    The n at which the mean over items of `sampling_distance` equals the distance: "worth a poll of n respondents".
    A larger distance gives a smaller n, so the ends of an interval change places.

    `distance`: mean distances over the same items, shape (...): a value and the ends of its interval, say. They should
    be bias-corrected, or n is at most about the number of humans. `shares`, `n_points` and `n_shares`: the population
    of each item, shapes (items, points), (items,) and (items,), as for `sampling_distance`.

    Returns numbers of respondents, shape (...), not whole. 1 where the distance is that of a sample of one or larger:
    worth one respondent at most. Infinite where it is 0 or less: no sample is as close. NaN where distance or shares
    are. The smallest such n where samples of several sizes are equally far.

    >>> poll_size([0.6, 0.25, 0.0398, 0.0], [[0.5, 0.5]], [2]).round(1)
    array([  1.,   2., 100.,  inf])
    """
    wanted = np.asarray(distance, dtype=np.float64)
    rarer = _rarer_shares(shares, n_shares)
    points = np.asarray(n_points)

    def mean_distance(n: Array) -> Array:
        return np.asarray(_distance_of_whole(rarer, n[:, None], points).mean(axis=-1))

    of_one = float(mean_distance(np.ones(1))[0])
    found = np.where(wanted <= 0, np.inf, np.where(wanted >= of_one, 1.0, np.nan))
    if np.isnan(of_one):
        return np.full(wanted.shape, np.nan)
    is_between = (wanted > 0) & (wanted < of_one)
    if is_between.any():
        # |X - nF| has at most its standard deviation as a mean
        widest = float((np.sqrt(rarer * (1 - rarer)).sum(axis=-1) / (points - 1)).mean())
        found[is_between] = _search(mean_distance, wanted[is_between], of_one, widest)
    return found


def skill_score(distance: ArrayLike, uniform: ArrayLike, floor: ArrayLike) -> Array:
    r"""Skill of a mean distance between the uniform baseline and the noise floor of its kind of source.

    .. math:: \frac{W_1(\text{uniform}) - W_1}{W_1(\text{uniform}) - \text{floor}}

    1: as close as a perfect model of this kind is measured on average (the ceiling); 0: as close as the uniform
    baseline; below 0: farther. Take means over the same items for all three, shape (...), and never average skills over
    items. Raw distances belong with the floor of their kind, that of `noise_floor` for ratings and of
    `sampling_distance` for probabilities; bias-corrected ones with a floor of 0. NaN where the uniform baseline is no
    farther than the floor, and where any of them is NaN.

    Source: Murphy (1988), Monthly Weather Review 116, for skill scores with a reference and a perfect forecast.

    >>> skill_score([0.03, 0.1, 0.17, 0.2], 0.17, 0.03).round(2)
    array([ 1.  ,  0.5 ,  0.  , -0.21])
    """
    value, baseline, ceiling = (np.asarray(one, dtype=np.float64) for one in (distance, uniform, floor))
    value, baseline, ceiling = np.broadcast_arrays(value, baseline, ceiling)
    room = baseline - ceiling
    skill: Array = np.divide(baseline - value, room, out=np.full(room.shape, np.nan), where=room > 0)
    return skill


def _search(mean_distance: Callable[[Array], Array], wanted: Array, of_one: float, widest: float) -> Array:
    """Where a mean distance that falls from `of_one` at n = 1, and stays below `widest` / sqrt(n), equals `wanted`.

    Bisection to two neighbouring whole numbers, and a line between them.
    """
    low, high = np.ones_like(wanted), np.minimum(np.ceil((widest / wanted) ** 2) + 1, _LARGEST_POLL)
    at_low, at_high = np.full_like(wanted, of_one), mean_distance(high)
    while (is_open := high - low > 1).any():
        middle = np.where(is_open, np.floor((low + high) / 2), high)
        found = mean_distance(middle)
        # but for the last digits: of sizes that are equally far the smallest counts
        is_low = is_open & (found > wanted * (1 + 1e-12))
        low, at_low = np.where(is_low, middle, low), np.where(is_low, found, at_low)
        high, at_high = np.where(is_open & ~is_low, middle, high), np.where(is_open & ~is_low, found, at_high)
    fall = at_low - at_high
    part = np.divide(at_low - wanted, fall, out=np.ones_like(fall), where=fall > 0)
    return np.asarray(low + np.clip(part, 0, 1))


def _rarer_shares(shares: ArrayLike, n_shares: ArrayLike | None) -> Array:
    """The smaller one of each cumulative share and its rest, shape (..., points - 1): which one makes no difference."""
    cumulated = np.cumsum(np.asarray(shares, dtype=np.float64), axis=-1)[..., :-1]
    rarer: Array = np.clip(np.minimum(cumulated, 1 - cumulated), 0, None)
    # sums of shares that end at 1 but for the last digits are no rare responses
    rarer = np.where(rarer < 1e-12, 0, rarer)
    if n_shares is None:
        return rarer
    known = np.asarray(n_shares, dtype=np.float64)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.minimum(rarer * (1 - rarer) * known / (known - 1), 0.25)
    # the smaller root of F (1 - F) = variance, without cancellation
    return np.asarray(np.where(known > 1, 2 * variance / (1 + np.sqrt(1 - 4 * variance)), np.nan))


def _distance_of_whole(rarer: Array, n: Array, n_points: ArrayLike) -> Array:
    """`sampling_distance` for whole numbers of respondents."""
    deviation = _mean_deviation(rarer, np.asarray(n, dtype=np.float64)[..., None])
    return np.asarray(deviation.sum(axis=-1) / (np.asarray(n_points) - 1))


def _mean_deviation(share: Array, n: Array) -> Array:
    """E|X - n p| / n of X ~ Binomial(n, p), p at most 1/2, n whole; shapes broadcast.

    The probability in De Moivre's formula is computed by Loader's saddle-point expansion, which loses no digits for
    large n. Source: Loader (2000), Fast and Accurate Computation of Binomial Probabilities.
    """
    p, n = np.broadcast_arrays(share, n)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        m = np.floor(n * p) + 1
        rest = n - m
        # terms of ln(pmf): the deviance from the mode, and how far factorials are from Stirling's approximation
        deviance = m * np.log1p((n * p - m) / m)
        deviance += np.where(rest > 0, rest * np.log1p((m - n * p) / np.where(rest > 0, rest, 1)), 0)
        errors = _stirling_error(n) - _stirling_error(m) - _stirling_error(rest)
        stirling = np.sqrt(n / (2 * np.pi * m * np.where(rest > 0, rest, 1)))
        probability = np.where(rest > 0, stirling, 1) * np.exp(deviance + np.where(rest > 0, errors, 0))
        found = 2 * m / n * (1 - p) * probability
    found = np.where(np.isposinf(n), 0, found)
    return np.asarray(np.where(p > 0, found, np.where(np.isnan(p) | np.isnan(n), np.nan, 0.0)))


def _stirling_error(k: Array) -> Array:
    """The logarithm of k! less Stirling's approximation of it, k whole; 0 for 0, which has none."""
    is_small = np.nan_to_num(k) < _STIRLING_ERRORS.size
    squared = k * k
    series = (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680) / squared) / squared) / squared) / k
    small = np.where(is_small & ~np.isnan(k), k, 0).astype(np.int64)
    return np.asarray(np.where(is_small, _STIRLING_ERRORS[small], series))
