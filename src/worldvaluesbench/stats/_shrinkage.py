"""Empirical Bayes shrinkage of the shares of a group towards those of the larger group it is in."""

import math

import numpy as np

from worldvaluesbench.stats._distribution import Array

LEAST, MOST = 1e-2, 1e6
"""Between these a concentration is looked for."""

PRECISION = 1e-5
"""How exactly a concentration is found, as a share of it."""


def shrink(counts: Array, means: Array, concentration: float) -> Array:
    r"""The shares of groups, shrunk towards their means: :math:`(n_k + A m_k) / (N + A)`, shape (groups, points).

    Where the counts are 0, or the concentration A is infinite, they are the means; where A is 0, the plain shares.

    >>> shrink(np.array([[3.0, 1.0], [0.0, 0.0]]), np.array([[0.5, 0.5], [0.5, 0.5]]), 4.0)
    array([[0.625, 0.375],
           [0.5  , 0.5  ]])
    """
    n = counts.sum(axis=-1, keepdims=True)
    if math.isinf(concentration):
        return means.copy()
    total = n + concentration
    shrunk: Array = np.divide(counts + concentration * means, total, out=means.copy(), where=total > 0)
    return shrunk


def find_concentration(counts: Array, means: Array) -> float:
    r"""The concentration A of the Dirichlet distribution from which the shares of groups are drawn: large = alike.

    The counts :math:`n_g` of a group, N of them, are taken as Dirichlet-multinomial with parameters
    :math:`A m_{g1}, ..., A m_{gK}`, the means :math:`m_g` being those of the group it is in, and known. A is
    where the likelihood is highest, that is where its derivative

    .. math:: \sum_g [ \psi(A) - \psi(N_g + A) + \sum_k m_{gk} ( \psi(n_{gk} + A m_{gk}) - \psi(A m_{gk}) ) ]

    goes from positive to negative. A group of A respondents is shrunk half of the way towards its mean.

    `counts`, shape (groups, points), are the responses of each group, not necessarily whole; empty groups do not count.
    `means` are shares of the same shape, above 0 wherever counts are. Returns A, from `LEAST` on; infinite where groups
    differ no more than samples from one distribution do: where the likelihood does not fall towards infinity, which is
    where :math:`\sum_g [\sum_k n_{gk} (n_{gk} - 1) / m_{gk} - N_g (N_g - 1)]` is not above 0.

    Source: Minka (2000), Estimating a Dirichlet distribution, for the derivative with the means held; Levin & Reeds
    (1977), Annals of Statistics 5, 79-87, for the single maximum and the condition at infinity, for one group. It is
    found by bisection of ln A, which cannot diverge as Newton's steps can.

    >>> round(find_concentration(np.array([[9.0, 1.0], [2.0, 8.0]]), np.full((2, 2), 0.5)), 3)
    1.928
    >>> find_concentration(np.array([[5.0, 5.0], [6.0, 4.0]]), np.full((2, 2), 0.5))
    inf
    """
    is_sampled = counts.sum(axis=-1) > 0
    counts, means = counts[is_sampled], means[is_sampled]
    n = counts.sum(axis=-1)
    pairs = np.divide(counts * (counts - 1), means, out=np.zeros_like(counts), where=means > 0)
    if not pairs.sum() - (n * (n - 1)).sum() > 0:
        return math.inf
    low, high = math.log(LEAST), math.log(MOST)
    while high - low > PRECISION:
        middle = (low + high) / 2
        if _slope(counts, means, math.exp(middle)) > 0:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def digamma(x: Array) -> Array:
    r"""The derivative of ln Gamma, for numbers above 0; 12 digits.

    By :math:`\psi(x) = \psi(x + 8) - \sum_{i<8} 1 / (x + i)` and the asymptotic series (Abramowitz & Stegun 6.3.18).

    >>> float(digamma(np.array([1.0]))[0].round(10))
    -0.5772156649
    """
    result = np.zeros_like(x)
    for _ in range(8):
        result -= 1 / x
        x = x + 1
    squared = 1 / (x * x)
    series = squared * (1 / 12 - squared * (1 / 120 - squared * (1 / 252 - squared * (1 / 240 - squared / 132))))
    shifted: Array = result + np.log(x) - 0.5 / x - series
    return shifted


def _slope(counts: Array, means: Array, concentration: float) -> float:
    """The derivative of the log-likelihood by the concentration."""
    n = counts.sum(axis=-1)
    is_met = counts > 0  # elsewhere both terms are the same
    parameters = concentration * means[is_met]
    by_point = means[is_met] * (digamma(counts[is_met] + parameters) - digamma(parameters))
    by_group = digamma(np.array([concentration])) - digamma(n + concentration)
    return float(by_point.sum() + by_group.sum())
