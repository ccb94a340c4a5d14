"""The distributions behind scores, point by point, with how sure one can be of the humans' shares."""

import numpy as np
import polars as pl

from worldvaluesbench.scoring.measure._tally import Tally
from worldvaluesbench.stats import NORMAL, Array, Ints, Mask, shares_of


def wilson(share: Array, n: Array, level: float) -> tuple[Array, Array]:
    r"""Interval of a share of n people, shapes agree.

    .. math:: \frac{p + \frac{z^2}{2n} \pm z \sqrt{\frac{p (1 - p)}{n} + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}

    Within [0, 1], and wider than nothing where the share is 0 or 1. n may be an effective number. Source: Wilson
    (1927).

    >>> low, high = wilson(np.array([0.5, 0.0]), np.array([100.0, 100.0]), 0.95)
    >>> low.round(3), high.round(3)
    (array([0.404, 0.   ]), array([0.596, 0.037]))
    """
    z = NORMAL.inv_cdf((1 + level) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def distributions_of(tally: Tally, is_shown: Mask, low: Ints, level: float) -> tuple[Ints, pl.DataFrame]:
    """The shares of both sides in every cell that is shown: the cell of each row, and its columns.

    `low`, shape (items,), is the rating of the first point. A row for each point of each cell: `rating`, the shares of
    `humans` with their interval, and of `answers`.
    """
    width = tally.humans.shape[-1]
    humans, answers = shares_of(tally.humans), shares_of(tally.answers)
    ends = wilson(humans, np.broadcast_to(tally.n_effective[..., None], humans.shape), level)
    has_both = is_shown & ~np.isnan(humans[..., 0]) & ~np.isnan(answers[..., 0])
    is_row = has_both[..., None] & (np.arange(width) < tally.n_points[:, None])
    group, item, point = np.nonzero(is_row)
    columns = {
        "rating": low[item].astype(np.int64) + point,
        "humans": humans[is_row],
        "humans_low": ends[0][is_row],
        "humans_high": ends[1][is_row],
        "given": answers[is_row],
    }
    return group * is_shown.shape[1] + item, pl.DataFrame(columns)
