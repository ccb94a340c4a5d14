"""Estimates with confidence intervals, bootstrap resamples of respondents, and the bias correction of distances.

A resample draws respondents with replacement, one fewer than there are, and reweights them: then the variance of a mean
is right for few respondents too, and for the few of every stratum (Rao and Wu, 1988).
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
"""`debiased`: bias-corrected bootstrap distances. `percentile`: bootstrap distances as they are."""

Draws = NDArray[np.float32]
"""Resampled values; the last axis runs over resamples."""

Floats = NDArray[np.floating[Any]]
"""Values in single or double precision."""

NORMAL = NormalDist()
ORDER = 3
"""J of `debias`: the order of the iterated correction."""

_STEPS, _END = 4096, 10.0
"""The correction is read from a table: so many steps up to so many standard deviations, beyond which there is none."""


def interval_text(value: float | None, low: float | None, high: float | None) -> str | None:
    """A value with its confidence interval in square brackets, where it has one; None for no value.

    >>> interval_text(0.2, 0.18, 0.22), interval_text(0.2, None, None)
    ('0.200 [0.180, 0.220]', '0.200')
    """
    if value is None:
        return None
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its confidence interval.

    `low` and `high` are None where no interval was asked for. `n` is the effective sample size. `corrected` is the
    bias-corrected value, around which the interval is; None where nothing was resampled.
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
        has_interval = self.low is not None and self.high is not None
        shown = self.value if self.corrected is None or not has_interval else max(self.corrected, 0.0)
        return str(interval_text(shown, self.low, self.high))


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
        checks: tuple[tuple[str, object, type, str], ...] = (
            ("The number of resamples", self.n, Integral, "a whole number"),
            ("A seed", self.seed, Integral, "a whole number"),
            ("The confidence level", self.level, Real, "a number between 0 and 1"),
        )
        for name, value, kind, what in checks:
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ScaleError(f"{name} is {what}, got {value!r}.")
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
        """The quantiles of resamples that are the ends of a percentile interval."""
        return (1 - self.level) / 2, (1 + self.level) / 2


@dataclass(frozen=True)
class Multiplicities:
    """How often respondents are in each resample: `times`, shape (people, resamples), and their `factor`, (people,).

    The products of both sum, in each resample and stratum, to the number of its respondents.
    """

    times: NDArray[np.uint8]
    factor: NDArray[np.float32]


def draw_multiplicities(stratum: NDArray[np.int64], n: int, *, rng: np.random.Generator) -> Multiplicities:
    """Draw `n` bootstrap resamples of the respondents of each stratum; `stratum`, shape (people,), of whole numbers.

    Of m respondents m - 1 are drawn, and each counts as m / (m - 1). Singleton strata are kept fixed: in every
    resample. Source: Rao and Wu (1988), section 2.
    """
    times = np.empty((stratum.size, n), dtype=np.uint8)
    factor = np.ones(stratum.size, dtype=np.float32)
    order = np.argsort(stratum, kind="stable")
    starts = np.flatnonzero(np.diff(stratum[order], prepend=stratum[order[:1]] - 1))
    for members in np.split(order, starts[1:]):
        if members.size == 1:
            times[members] = 1
        elif members.size:
            m = members.size
            drawn = np.empty((n, m), dtype=np.uint8)
            for resample in drawn:
                resample[:] = np.bincount(rng.integers(m, size=m - 1, dtype=np.int32), minlength=m)
            times[members], factor[members] = drawn.T, m / (m - 1)
    return Multiplicities(times, factor)


def debias(gap: Floats, spread: Floats) -> Floats:
    r"""Bias-corrected absolute values, for values `gap` with normal noise of standard errors `spread`.

    Noise makes absolute values larger: with standard error s, one that is x in truth is observed, on average, as

    .. math:: m_1(x) = E|x + sZ| = s\sqrt{2/\pi}\,e^{-x^2/2s^2} + x\,\bigl(2\Phi(x/s) - 1\bigr)

    Taking away the estimated bias m_1 - |x| leaves some, since the estimate is made at a noisy place; taking that away
    in turn leaves less. With m_j as m_1 for a variance of j s^2, and m_0(x) = |x|,

    .. math:: T(x) = \sum_{j=0}^{J} (-1)^j \binom{J+1}{j+1} m_j(x), \qquad J = 3

    Where x is 0 it leaves 44% of the bias, and it can be negative; what it leaves elsewhere is in `bias_bounds`. No
    function of a sample is without bias where x is 0 (Cai and Low, 2011). Shapes broadcast; a spread of 0 leaves |x|.
    Sources: Hall and Martin (1988) for iterated correction by the bootstrap, here in closed form for normal noise.

    >>> debias(np.array([0.0, 0.1, 0.1]), np.array([0.05, 0.05, 0.0])).round(4)
    array([-0.0828,  0.1044,  0.1   ])
    """
    size = np.abs(gap)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        place = np.asarray(size * (_STEPS / _END / spread))
    # fmin takes NaN (0 by 0, and gaps that are NaN) to the end as well, where nothing is taken away
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
    """By how much a corrected mean may be too large, and too small, given what `debias` took away; shapes agree.

    Too large where every gap is 0 in truth: it leaves 44% of the bias there, 0.8 times what it takes. Too small where
    every true gap is 0.51 to 2.22 standard errors, most at 1.7: there 0.56 of what it takes should have stayed. The
    bounds do not cover gaps of 2.22 to 4.5 standard errors: there it takes too little, and from 2.34 on it adds (at
    most 0.016 of a standard error, at 2.9), so that a mean is too large by up to 0.017 of one. Beyond that 0.001 is
    left.
    """
    taken = np.maximum(value - corrected, 0)
    too_large: Array = _LEFT / (1 - _LEFT) * taken
    too_small: Array = _TOO_MUCH * taken
    return too_large, too_small


def mean_interval(value: Array, corrected: Array, below: Array, above: Array) -> tuple[Array, Array]:
    """The ends of the confidence interval of a mean; shapes agree.

    `value` is the raw mean and `corrected` the bias-corrected one (below 0 it counts as 0); `below` (negative) and
    `above` are the ends of its noise. It reaches further down by the bias that may be left, and is within [0, 1].
    """
    at_least_0, (bias_left, _) = np.maximum(corrected, 0), bias_bounds(value, corrected)
    return np.clip(at_least_0 + below - bias_left, 0, 1), np.clip(at_least_0 + above, 0, 1)


def _correction(u: float) -> float:
    """What `debias` takes away from an absolute value of u standard errors, in standard errors."""

    def folded(s: float) -> float:  # the mean of |u + sZ|
        return s * sqrt(2 / pi) * exp(-u * u / (2 * s * s)) + u * erf(u / (s * sqrt(2))) if s else u

    return u - sum(float((-1) ** j * comb(ORDER + 1, j + 1)) * folded(sqrt(j)) for j in range(ORDER + 1))


_LEFT = sum((-1) ** j * comb(ORDER + 1, j + 1) * sqrt(j + 1) for j in range(ORDER + 1))
"""The share of its bias that `debias` leaves where the truth is 0."""

_TOO_MUCH = 0.56
"""The largest part of what `debias` takes on average that it should not have taken: at 1.7 standard errors."""


@cache
def _corrections() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`_correction` at each step up to `_END`, and the slope to the next; made on first use."""
    values = np.array([_correction(step * _END / _STEPS) for step in range(_STEPS + 1)])
    return np.append(values[:-1], 0.0).astype(np.float32), np.append(np.diff(values), 0.0).astype(np.float32)


def quantiles_of(draws: Floats, ends: tuple[float, float] | tuple[Array, Array]) -> tuple[Array, Array]:
    """Two quantiles over the last axis, of shape (...), linearly interpolated; NaN is left out. NaN where all are NaN.

    An end is one number, or one for each place, shape (...).
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
