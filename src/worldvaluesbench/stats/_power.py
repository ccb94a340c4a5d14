"""Statistical power of a comparison before it is paid for: the difference of two sources that a design detects."""

from bisect import bisect_left
from dataclasses import dataclass, replace
from math import ceil, inf, isnan, sqrt

from worldvaluesbench.errors import ScaleError
from worldvaluesbench.stats._estimate import NORMAL
from worldvaluesbench.stats._item_sampling import t_quantile

POWER, LEVEL = 0.8, 0.95
HUMAN_SHARE = 0.5
"""The share of the sampling variance that is due to the humans, which further samples of a model do not reduce. An
assumption: simulated pairs of models have 0.38 (median); with a larger share further samples help less."""

MOST_ITEMS = 10_000
"""Where so many items do not suffice, none do."""


@dataclass(frozen=True)
class DifferenceVariance:
    r"""What the variance of a paired difference of mean W1 between two sources is made of.

    .. math:: \frac{\sigma^2 + g(s)\,\tau^2 / n}{I} + \left(1 - \frac{1}{I}\right) \frac{g(s)\,o\,\gamma}{n},
       \qquad g(s) = \varphi + \frac{1 - \varphi}{s}

    for I items, n respondents of each and s samples of the model for each respondent.

    `items`: :math:`\sigma^2`, the variance over the items of a topic of the true difference. `sampling`:
    :math:`\tau^2`, n times the variance of an item's difference over samples of respondents and answers; its mean over
    items. `shared`: :math:`\gamma`, n times the covariance of the differences of two items that the same respondents
    answer; its mean over pairs of items. Where items share only some respondents, the part o of it counts (`overlap`).
    `human_share`: :math:`\varphi`, the share of `sampling` and `shared` that is due to the humans.

    Raises ScaleError where a variance is negative or not finite, or the share is not between 0 and 1.
    """

    items: float
    sampling: float
    shared: float
    human_share: float = HUMAN_SHARE

    def __post_init__(self) -> None:
        for name in ("items", "sampling", "shared"):
            value = getattr(self, name)
            if not 0 <= value < inf:
                raise ScaleError(f"The variance {name!r} of a difference is {value:g}; expected 0 or more, and finite.")
        if not 0 <= self.human_share <= 1:
            raise ScaleError(f"The humans' share of a variance is {self.human_share:g}; expected 0 to 1.")


DEFAULT_VARIANCE = DifferenceVariance(items=0.02, sampling=0.28, shared=0.01)
"""Without a pilot, from what `python -m benchmarks.power` prints: `items` is the median over pairs of published models,
`sampling` over pairs of simulated ones, `shared` over those of them in which one errs in one direction everywhere."""


@dataclass(frozen=True)
class Design:
    """How much is asked: items, respondents of each item, samples of the model for each respondent.

    `n_samples` is infinite where the model states probabilities. `n_topics` are the topics within which items count as
    drawn. `overlap` is the share of an item's respondents who answer another one too: 1 where all answer all. With
    `has_fixed_items` a difference is one on these very items, and says nothing of others.

    Raises ScaleError for a number that is too small.
    """

    n_items: int
    n_respondents: float
    n_samples: float = 1
    n_topics: int = 12
    overlap: float = 1.0
    has_fixed_items: bool = False

    def __post_init__(self) -> None:
        for name, least in (("n_items", 1), ("n_respondents", 1), ("n_topics", 1)):
            if not getattr(self, name) >= least:
                raise ScaleError(f"{name} of a design is {getattr(self, name):g}; expected {least} or more.")
        if not self.n_samples > 0 or not self.overlap >= 0:
            raise ScaleError(
                f"A design has {self.n_samples:g} samples and an overlap of {self.overlap:g}; expected more than 0 "
                f"samples and an overlap of 0 or more."
            )

    @property
    def df(self) -> float:
        """Degrees of freedom of a t test over items: items less topics, topics of single items being joined in pairs.

        Infinite where items are fixed, 0 where there is one item alone: then nothing is known of other items.
        """
        if self.has_fixed_items:
            return inf
        return self.n_items - min(self.n_topics, self.n_items // 2) if self.n_items > 1 else 0


@dataclass(frozen=True)
class Needed:
    """What a difference needs for the power asked for: respondents, items or samples, the other two as they are.

    Whole numbers; infinite where no number is enough.
    """

    n_respondents: float
    n_items: float
    n_samples: float


def variance_of(variance: DifferenceVariance, design: Design) -> float:
    """The variance of the estimated difference of mean W1 by this design.

    >>> round(variance_of(DifferenceVariance(0.018, 0.23, 0), Design(36, 230)), 6)
    0.000528
    """
    of_items = 0.0 if design.has_fixed_items else variance.items / design.n_items
    return of_items + _share_left(variance, design.n_samples) * _per_respondent(variance, design) / design.n_respondents


def power_of(difference: float, variance: DifferenceVariance, design: Design, *, level: float = LEVEL) -> float:
    """The probability that a two-sided t test detects a true difference, with its right sign.

    The t distribution has `Design.df` degrees of freedom; the noncentral one is approximated by a normal one, to 0.01
    from 4 degrees on. Source: Johnson and Welch (1940), Biometrika 31. NaN where there are no degrees of freedom.

    Raises ScaleError for a level that is not between 0 and 1.

    >>> round(power_of(0.07, DifferenceVariance(0.018, 0.23, 0), Design(36, 230)), 2)
    0.83
    """
    _check_share("level", level)
    if not design.df:
        return float("nan")
    error = sqrt(variance_of(variance, design))
    t = t_quantile((1 + level) / 2, design.df)
    place = abs(difference) / error if error else inf
    return NORMAL.cdf((place - t * (1 - 1 / (4 * design.df))) / sqrt(1 + t * t / (2 * design.df)))


def detectable_difference(
    variance: DifferenceVariance, design: Design, *, power: float = POWER, level: float = LEVEL
) -> float:
    """The smallest true difference of mean W1 that this design detects with this power: the inverse of `power_of`.

    Infinite where there are no degrees of freedom. Raises ScaleError for a power or level that is not between 0 and 1.

    >>> round(detectable_difference(DifferenceVariance(0.018, 0.23, 0), Design(36, 230)), 3)
    0.067
    """
    return _factor(design, power, level) * sqrt(variance_of(variance, design))


def needed(
    difference: float, variance: DifferenceVariance, design: Design, *, power: float = POWER, level: float = LEVEL
) -> Needed:
    """How many respondents, items or samples detect a difference, each with the rest of the design as it is.

    Raises ScaleError for a difference that is not above 0, and for a power or level that is not between 0 and 1.

    >>> needed(0.05, DifferenceVariance(0.018, 0.23, 0), Design(36, 230))
    Needed(n_respondents=inf, n_items=63, n_samples=inf)
    """
    if not 0 < difference <= 1:
        raise ScaleError(f"The difference to detect is {difference:g}; expected more than 0 and at most 1.")
    factor = _factor(design, power, level)
    room = (difference / factor) ** 2 - (0 if design.has_fixed_items else variance.items / design.n_items)
    each = _per_respondent(variance, design)
    n_respondents = _share_left(variance, design.n_samples) * each / room if room > 0 else inf
    # the share of the sampling variance that there is room for, and the samples that leave so much
    left = inf if each == 0 and room > 0 else room * design.n_respondents / each if each else -inf
    n_samples = (1 - variance.human_share) / (left - variance.human_share) if left > variance.human_share else inf

    def is_enough(n_items: int) -> bool:
        other = replace(design, n_items=n_items)
        return detectable_difference(variance, other, power=power, level=level) <= difference

    n_items = 1 + bisect_left(range(1, MOST_ITEMS + 1), True, key=is_enough)
    return Needed(_whole(n_respondents), n_items if n_items <= MOST_ITEMS else inf, _whole(n_samples))


def _share_left(variance: DifferenceVariance, n_samples: float) -> float:
    """What share of the sampling variance so many samples of each respondent leave."""
    return variance.human_share + (1 - variance.human_share) / n_samples


def _per_respondent(variance: DifferenceVariance, design: Design) -> float:
    """The variance of a mean difference by sampling, times the number of respondents, with one sample of each."""
    return variance.sampling / design.n_items + (1 - 1 / design.n_items) * design.overlap * variance.shared


def _factor(design: Design, power: float, level: float) -> float:
    """How many standard errors a difference has that is detected with this power."""
    _check_share("power", power)
    _check_share("level", level)
    if not design.df:
        return inf
    t = t_quantile((1 + level) / 2, design.df)
    return max(t * (1 - 1 / (4 * design.df)) + NORMAL.inv_cdf(power) * sqrt(1 + t * t / (2 * design.df)), 0.0)


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ScaleError(f"The {name} of a test is {value:g}; expected a number between 0 and 1.")


def _whole(n: float) -> float:
    """The next whole number, at least 1; not one more for the last digits alone."""
    return n if n == inf or isnan(n) else max(ceil(n - 1e-9), 1)
