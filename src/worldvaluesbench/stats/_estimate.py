"""Estimates: a value with its interval and n, the resamples of people that make one, and distances freed of their bias.

A resample draws people with replacement, one fewer than there are, and lets those drawn stand for all: then what it
says of the spread of a mean is right for few people too, and for the few of every stratum (Rao and Wu, 1988).
"""

from dataclasses import dataclass
from functools import cache
from math import comb, erf, exp, pi, sqrt
from numbers import Integral, Real
from statistics import NormalDist
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.errors import ScaleError
from worldvaluesbench.stats._distribution import Array

Method = Literal["debiased", "percentile"]
METHODS: tuple[Method, ...] = get_args(Method)
"""`debiased`: bootstrap distances freed of their bias. `percentile`: bootstrap distances as they are."""

Draws = NDArray[np.float32]
"""Resampled values; the last axis runs over resamples."""

Floats = NDArray[np.floating[Any]]
"""Values in single or double precision."""

NORMAL = NormalDist()
ORDER = 3
"""How many times the correction of a distance is itself corrected, less one; see `debias`."""

_STEPS, _END = 4096, 10.0
"""The correction is read from a table: so many steps up to so many standard deviations, beyond which there is none."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value made from people: what it is, where the truth lies with the confidence asked for, from how many people.

    `low` and `high` are None where no interval was asked for. `n` is the effective number of people. `corrected` is the
    value without the bias that chance gives it, in the middle of what is likely; None where nothing was drawn.
    """

    value: float
    low: float | None
    high: float | None
    n: float
    corrected: float | None = None

    def __str__(self) -> str:
        """The bias-corrected value with its confidence interval, as tables show it; the value alone without one.

        >>> print(Estimate(0.215, 0.18, 0.22, 230, 0.2))
        0.200 [0.180, 0.220]
        """
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        shown = self.value if self.corrected is None else max(self.corrected, 0.0)
        return f"{shown:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Resampling:
    """How confidence intervals are made: the number of bootstrap resamples of respondents, seed, level, method.

    Raises ScaleError for a value that is none of those possible.
    """

    n: int = 1000
    seed: int = 0
    level: float = 0.95
    method: Method = "debiased"

    def __post_init__(self) -> None:
        _check_number("The number of resamples", self.n, Integral, "a whole number")
        _check_number("A seed", self.seed, Integral, "a whole number")
        _check_number("The confidence level", self.level, Real, "a number between 0 and 1")
        if self.n < 2:
            raise ScaleError(f"Confidence intervals need 2 resamples or more, got {self.n}.")
        if self.seed < 0:
            raise ScaleError(f"A seed is 0 or more, got {self.seed}.")
        if not 0 < self.level < 1:
            raise ScaleError(f"The confidence level lies between 0 and 1, got {self.level:g}.")
        if self.method not in METHODS:
            raise ScaleError(f"There is no interval {self.method!r}; there are {', '.join(METHODS)}.")

    @property
    def ends(self) -> tuple[float, float]:
        """The two quantiles between which the middle draws lie."""
        return (1 - self.level) / 2, (1 + self.level) / 2


def _check_number(name: str, value: object, kind: type, what: str) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ScaleError(f"{name} is {what}, got {value!r}.")


@dataclass(frozen=True)
class Multiplicities:
    """How often people are in each resample: `times`, shape (people, resamples), each counting as `factor`, (people,).

    The products of both sum, in each resample and stratum, to the number of its people.
    """

    times: NDArray[np.uint8]
    factor: NDArray[np.float32]


def draw_multiplicities(stratum: NDArray[np.int64], n: int, *, rng: np.random.Generator) -> Multiplicities:
    """Draw the people of each stratum `n` times anew; `stratum`, shape (people,), holds whole numbers.

    Of m people m - 1 are drawn, and each counts as m / (m - 1). Somebody alone in a stratum is in every resample, for
    there is nobody to stand for them. Source: Rao and Wu (1988), section 2.
    """
    times = np.empty((stratum.size, n), dtype=np.uint8)
    factor = np.ones(stratum.size, dtype=np.float32)
    order = np.argsort(stratum, kind="stable")
    starts = np.flatnonzero(np.diff(stratum[order], prepend=stratum[order[:1]] - 1))
    for members in np.split(order, starts[1:]):
        if members.size == 1:
            times[members] = 1
        elif members.size:
            times[members] = _draw_among(members.size, n, rng)
            factor[members] = members.size / (members.size - 1)
    return Multiplicities(times, factor)


def _draw_among(m: int, n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """How often each of m people is among m - 1 draws with replacement, n times over; shape (people, resamples)."""
    times = np.empty((n, m), dtype=np.uint8)
    for resample in times:
        resample[:] = np.bincount(rng.integers(m, size=m - 1, dtype=np.int32), minlength=m)
    return times.T


def debias(gap: Floats, spread: Floats) -> Floats:
    r"""What absolute values would be without the noise in them, for values `gap` with standard errors `spread`.

    Noise makes absolute values larger: with standard error s, one that is x in truth is observed, on average, as

    .. math:: m_1(x) = E|x + sZ| = s\sqrt{2/\pi}\,e^{-x^2/2s^2} + x\,\bigl(2\Phi(x/s) - 1\bigr)

    Taking away the estimated bias m_1 - |x| leaves some, since the estimate is made at a noisy place; taking that away
    in turn leaves less. With m_j as m_1 for a variance of j s^2, and m_0(x) = |x|,

    .. math:: T(x) = \sum_{j=0}^{J} (-1)^j \binom{J+1}{j+1} m_j(x), \qquad J = 3

    Where x is 0 it leaves 44% of the bias, and it can be negative; beyond four standard errors nothing is left. No
    function of a sample is without bias where x is 0 (Cai and Low, 2011). Shapes broadcast; a spread of 0 leaves |x|.
    Sources: Hall and Martin (1988) for iterated correction by the bootstrap, here in closed form for normal noise.

    >>> debias(np.array([0.0, 0.1, 0.1]), np.array([0.05, 0.05, 0.0])).round(4)
    array([-0.0828,  0.1044,  0.1   ])
    """
    size = np.abs(gap)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        place = np.asarray(size * (_STEPS / _END / spread))
    # fmin takes what is no number (0 by 0, and gaps that are none) to the end as well, where nothing is taken away
    np.fmin(place, size.dtype.type(_STEPS), out=place)
    step = place.astype(np.int32)
    table, slope = _corrections()
    taken = table[step]
    place -= step
    taken += place * slope[step]
    taken *= spread
    found: Floats = size - taken.astype(size.dtype, copy=False)
    return found


def bias_bounds(value: Array, corrected: Array) -> tuple[Array, Array]:
    """By how much a corrected mean may be too large, and too small, given what was taken away from the mean as it is.

    Too large where the truth is 0 item by item: `debias` leaves 44% of the bias there, so 0.8 times what it takes. Too
    small where every truth is about 1.7 standard errors: there 0.56 of what it takes should have stayed. Beyond 2.3
    standard errors it adds up to 0.02 of one, and beyond four nothing. Shapes agree.
    """
    taken = np.maximum(value - corrected, 0)
    too_large: Array = _LEFT / (1 - _LEFT) * taken
    too_small: Array = _TOO_MUCH * taken
    return too_large, too_small


def mean_interval(value: Array, corrected: Array, below: Array, above: Array) -> tuple[Array, Array]:
    """The ends of the confidence interval of a true mean, from what its estimate may be off by chance, shapes agree.

    `value` is the mean as it is and `corrected` that without bias (below 0 it counts as 0); `below` (negative) and
    `above` are the ends of its noise. It reaches further down by the bias that may be left, and is within [0, 1].
    """
    at_least_0, (bias_left, _) = np.maximum(corrected, 0), bias_bounds(value, corrected)
    return np.clip(at_least_0 + below - bias_left, 0, 1), np.clip(at_least_0 + above, 0, 1)


def _correction(u: float) -> float:
    """What `debias` takes away from an absolute value of u standard errors, in standard errors."""
    kept = sum(float((-1) ** j * comb(ORDER + 1, j + 1)) * _folded(u, sqrt(j)) for j in range(ORDER + 1))
    return u - kept


def _folded(x: float, s: float) -> float:
    """The mean of |x + sZ|."""
    if s == 0:
        return x
    return s * sqrt(2 / pi) * exp(-x * x / (2 * s * s)) + x * erf(x / (s * sqrt(2)))


_LEFT = sum((-1) ** j * comb(ORDER + 1, j + 1) * sqrt(j + 1) for j in range(ORDER + 1))
"""The share of its bias that `debias` leaves where the truth is 0."""

_TOO_MUCH = 0.56
"""The largest part of what `debias` takes on average that it should not have taken: at 1.7 standard errors."""


@cache
def _corrections() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What `_correction` says at each step up to `_END`, and how much more at the next; who draws nothing waits not."""
    values = np.array([_correction(step * _END / _STEPS) for step in range(_STEPS + 1)])
    return np.append(values[:-1], 0.0).astype(np.float32), np.append(np.diff(values), 0.0).astype(np.float32)


def quantiles_of(draws: Floats, ends: tuple[float, float] | tuple[Array, Array]) -> tuple[Array, Array]:
    """Two quantiles over the last axis, of shape (...); draws that are NaN are none. NaN where all are.

    An end is one number, or one for each place, shape (...). Between two draws it is as far as the quantile says.
    """
    ordered = np.sort(draws, axis=-1)  # NaN goes to the end
    n = draws.shape[-1] - np.count_nonzero(np.isnan(ordered), axis=-1)
    found = []
    for end in ends:
        place = np.maximum(n - 1, 0) * np.asarray(end, dtype=np.float64)
        below = np.nan_to_num(np.floor(place)).astype(np.int64)
        lower = np.take_along_axis(ordered, below[..., None], axis=-1)[..., 0].astype(np.float64)
        upper = np.take_along_axis(ordered, np.minimum(below + 1, np.maximum(n - 1, 0))[..., None], axis=-1)[..., 0]
        found.append(lower + (upper - lower) * (place - below))
    return found[0], found[1]
