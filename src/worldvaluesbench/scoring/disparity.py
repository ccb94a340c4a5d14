"""Disparity: whom a model gets wrong more than others, beside what chance alone would make of groups of these sizes.

The worst of many noisy numbers is bad, and the best is good; so there is a gap between groups even where a model is
equally far from all of them. What is claimed is what goes beyond that.
"""

from dataclasses import dataclass

import numpy as np

from worldvaluesbench.estimate import Resampling, bias_left, quantiles_of
from worldvaluesbench.scoring.askings import Mask
from worldvaluesbench.scoring.paired import Means

LEAST_SHARE = 0.9
"""Groups are compared that have numbers for this share of the items that any of them has."""


@dataclass(frozen=True)
class Disparity:
    """How unequally a source meets groups, over items that all of them have.

    `best` and `worst` are the places of the groups with the smallest and largest corrected mean, and `gap` how far they
    are apart. `gap_by_chance` is the gap to be expected were all equally far, and `p` how often it is as large as the
    part of this one that no bias can have made. `spread` is the standard deviation over groups without what chance
    adds to it, `spread_as_is` with it.
    """

    best: int
    worst: int
    gap: float
    gap_low: float
    gap_high: float
    gap_by_chance: float
    p: float
    spread: float
    spread_as_is: float


def comparable_cells(is_shown: Mask) -> tuple[Mask, Mask]:
    """Which groups, shape (groups,), and which of their items, (items,), can be compared: every such cell is shown.

    Groups that lack more than a tenth of the items are left out, for who lacks the hard items looks good.
    """
    n_items = is_shown.any(axis=0).sum()
    groups = is_shown.sum(axis=1) >= max(1, np.ceil(LEAST_SHARE * n_items))
    items = is_shown[groups].all(axis=0) if groups.any() else np.zeros(is_shown.shape[1], dtype=bool)
    return np.asarray(groups), np.asarray(items)


def find_disparity(means: Means, groups: Mask, resampling: Resampling) -> Disparity | None:
    """The disparity between these groups; None for fewer than two.

    Chance is that of the resamples: how far the means of these groups move, each around its own, as people are drawn.
    A corrected mean of few people who are met nearly perfectly is still too large; what may be left of its bias makes
    nobody the worst group, in `p` and in the lower end of the interval.
    """
    kept = np.flatnonzero(groups & ~np.isnan(means.corrected))
    if kept.size < 2:
        return None
    value, noise = means.corrected[kept], means.noise[kept]
    gap = float(value.max() - value.min())
    least = value - bias_left(means.value[kept], value)
    sure = max(float(least.max() - value.min()), 0.0)
    by_chance = np.ptp(noise, axis=0)
    drawn = np.ptp(value[:, None] + noise, axis=0)
    low, high = quantiles_of(drawn - drawn.mean(), resampling.ends)
    # the draws add noise to noise, so the gap they are around is too large by as much as theirs is
    middle = max(2 * gap - float(drawn.mean()), 0.0)
    variance = float(value.var(ddof=1))
    of_chance = float(noise.var(axis=1).mean())
    return Disparity(
        best=int(kept[np.argmin(value)]),
        worst=int(kept[np.argmax(value)]),
        gap=gap,
        gap_low=max(middle + float(low) - (gap - sure), 0.0),
        gap_high=max(middle + float(high), 0.0),
        gap_by_chance=float(by_chance.mean()),
        p=float((1 + (by_chance >= sure - 1e-12).sum()) / (1 + by_chance.size)),
        spread=max(variance - of_chance, 0.0) ** 0.5,
        spread_as_is=variance**0.5,
    )
