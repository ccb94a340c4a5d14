"""Group disparity: how much farther a model is from some groups than from others, beyond chance.

The largest of many noisy numbers is large, and the smallest is small; so there is a gap between groups even where a
model is equally far from all of them. Only what exceeds that is claimed.
"""

from dataclasses import dataclass
from math import inf

import numpy as np

from worldvaluesbench.stats import (
    NORMAL,
    Array,
    Floats,
    Items,
    Mask,
    Moments,
    Resampling,
    bias_bounds,
    draw_items,
    item_df,
    quantiles_of,
    t_quantile,
)

N_PAIRS = 100
"""Bootstrap quantiles are taken of so many pairs of groups, those with the largest gaps."""

N_TRUTHS = 400
"""So many true spreads are tried."""

LEAST_SHARE = 0.9
"""Groups are compared that have numbers for at least this share of the items that any of them has."""


@dataclass(frozen=True)
class GroupMeans:
    """Mean distances of one source over the items that all groups have, shape (groups,); NaN for other groups.

    `value` is the raw mean, `corrected` the bias-corrected one. `noise`, shape (groups, resamples), is that of two-way
    resamples, of respondents and of items, centred.
    """

    name: str
    is_kept: Mask
    n_items: int
    value: Array
    corrected: Array
    noise: Floats


def two_way_noise(
    corrected: Array, noise: Floats, common: Mask, moments: Moments, items: Items, resampling: Resampling
) -> Floats:
    """Two-way bootstrap noise of the means of groups over the same items, shape (groups, resamples).

    `corrected`, (groups, items), are the values; `noise`, (groups, resamples), is that of their means over the `common`
    items as respondents are resampled. Items are resampled in the same way for all groups. The noise of single items is
    part of how much items differ, so of respondents' noise only the covariance of items is added (`item_sampling`), or
    as much more as it takes for differences between groups to vary no less than with fixed items. Few items may differ
    little by chance: what they add is scaled by the quantile of Student's t, at their degrees of freedom times those of
    the groups.
    """
    weight = draw_items(items, common, noise.shape[1], np.random.default_rng([resampling.seed, 3]))
    n = np.count_nonzero(common)
    if (weight[common] == 1).all():  # fixed items, or one item or topic, which says nothing of others
        return noise
    values = np.where(common, np.nan_to_num(corrected), 0)
    of_items = (values - values.sum(axis=1, keepdims=True) / n) @ (weight - common[:, None]) / n
    kept = ~np.isnan(corrected[:, common]).any(axis=1)
    end, df = (1 + resampling.level) / 2, item_df(items, common) * max(int(kept.sum()) - 1, 1)
    of_items *= t_quantile(end, df) / t_quantile(end, inf)
    has = noise.var(axis=1, ddof=1)
    wanted = np.maximum(moments.covariance, 0)
    share = np.divide(wanted, has, out=np.zeros_like(wanted), where=has > 0)
    beside = [(part[kept] - part[kept].mean(axis=0)).var(axis=1, ddof=1).sum() for part in (of_items, noise)]
    lacking = 1 - beside[0] / beside[1] if beside[1] > 0 else 0
    together = of_items + noise * np.sqrt(np.clip(np.maximum(share, lacking), 0, 1))[:, None]
    return np.asarray(together - together.mean(axis=1, keepdims=True), dtype=np.float32)


@dataclass(frozen=True)
class Disparity:
    """The disparity of a source between groups, over items that all of them have.

    `best` and `worst` are the places of the groups with the smallest and largest corrected mean, and `gap` is their
    difference. `gap_by_chance` is the gap expected if all were equally far, and `p` the probability that it is as large
    as the part of this one that no bias can have made. `spread` is the standard deviation over groups less the part due
    to chance, `spread_as_is` with it. `_low` and `_high` are the ends of confidence intervals.
    """

    best: int
    worst: int
    gap: float
    gap_low: float
    gap_high: float
    gap_by_chance: float
    p: float
    spread: float
    spread_low: float
    spread_high: float
    spread_as_is: float


def comparable_cells(is_shown: Mask) -> tuple[Mask, Mask]:
    """Which groups, shape (groups,), and which of their items, (items,), can be compared: every such cell is shown.

    Groups that lack more than a tenth of the items are left out: a group that lacks the hard items looks good.
    """
    n_items = is_shown.any(axis=0).sum()
    groups = is_shown.sum(axis=1) >= max(1, np.ceil(LEAST_SHARE * n_items))
    items = is_shown[groups].all(axis=0) if groups.any() else np.zeros(is_shown.shape[1], dtype=bool)
    return np.asarray(groups), np.asarray(items)


def find_disparity(means: GroupMeans, groups: Mask, resampling: Resampling) -> Disparity | None:
    """The disparity between these groups; None for fewer than two.

    Chance is the noise of the resamples, each group's around its own mean. The gap differs from the true one by no more
    than the range of that noise over groups, so the true one is at least the gap less a high quantile of the range. It
    is at most the largest upper end of any pair of groups. The ends and `p` allow for the bias that may be left.
    """
    kept = np.flatnonzero(groups & ~np.isnan(means.corrected))
    if kept.size < 2:
        return None
    value, noise = means.corrected[kept], means.noise[kept]
    too_large, too_small = bias_bounds(means.value[kept], value)
    gap = float(value.max() - value.min())
    sure = max(float((value - too_large).max() - (value + too_small).min()), 0.0)
    by_chance = np.ptp(noise, axis=0)
    spread = _spread(value, noise, resampling)
    return Disparity(
        best=int(kept[np.argmin(value)]),
        worst=int(kept[np.argmax(value)]),
        gap=gap,
        gap_low=max(sure - float(np.quantile(by_chance, resampling.level)), 0.0),
        gap_high=_farthest_apart(value, noise, too_large, too_small, resampling),
        gap_by_chance=float(by_chance.mean()),
        p=float((1 + (by_chance >= sure - 1e-12).sum()) / (1 + by_chance.size)),
        spread=spread[0],
        spread_low=spread[1],
        spread_high=spread[2],
        spread_as_is=float(value.std(ddof=1)),
    )


def _farthest_apart(value: Array, noise: Floats, too_large: Array, too_small: Array, resampling: Resampling) -> float:
    """The largest upper end of the intervals of all pairs of groups.

    Quantiles of resamples are taken only of the pairs with the largest upper ends by a normal approximation.
    """
    apart = (value + too_small)[:, None] - (value - too_large)
    together = np.cov(noise, bias=True)
    spread = np.sqrt(np.clip(together.diagonal()[:, None] + together.diagonal() - 2 * together, 0, None))
    by_curve = apart + NORMAL.inv_cdf(resampling.ends[1]) * spread
    worse, better = np.unravel_index(np.argsort(by_curve, axis=None)[-N_PAIRS:], apart.shape)
    drawn = quantiles_of(noise[worse] - noise[better], resampling.ends)[1]
    return float((apart[worse, better] + drawn).max())


def _spread(value: Array, noise: Floats, resampling: Resampling) -> tuple[float, float, float]:
    """The standard deviation over groups less the variance due to chance, and the ends of its confidence interval.

    The interval inverts a test: it holds the true spreads, in the proportions of these groups, with which resamples
    show a spread as large (or as small) as this one more often than the level leaves.
    """
    as_is = float(value.std(ddof=1))
    own = max(as_is**2 - float(noise.var(axis=1).mean()), 0.0) ** 0.5
    chance = noise.var(axis=0, ddof=1)
    shape = (value - value.mean()) / as_is if as_is > 0 else np.zeros_like(value)
    along = shape @ (noise - noise.mean(axis=0)) / (value.size - 1)
    truths = np.linspace(0, as_is + 4 * float(chance.max()) ** 0.5, N_TRUTHS)[:, None]
    # the square of the spread that would be seen, (truths, resamples)
    seen = truths**2 + 2 * truths * along + chance
    tail = resampling.ends[0]
    can_be_lower = (seen >= as_is**2).mean(axis=1) > tail
    can_be_higher = (seen <= as_is**2).mean(axis=1) > tail
    low = float(truths[np.argmax(can_be_lower), 0]) if can_be_lower.any() else own
    high = float(truths[can_be_higher.size - 1 - np.argmax(can_be_higher[::-1]), 0]) if can_be_higher.any() else own
    return own, min(low, own), max(high, own)
