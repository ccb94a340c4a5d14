"""Response diversity: do answers vary as responses do, within groups, between them and across items?

Whatever the distance says, answers can be too much alike within a cell (entropy, variance, share of the modal answer,
points used), or follow from the group too strictly (the share of variance that the group explains).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from worldvaluesbench.scoring import How
from worldvaluesbench.scoring.diversity._structure import compare_structure, positions_of
from worldvaluesbench.scoring.measure import Entries, Source, tally_panel
from worldvaluesbench.scoring.sources import POOLED, Groups
from worldvaluesbench.stats import Array, Ints, Mask, shares_of

RATIOS = ("entropy", "variance")
"""The measures of which there is a ratio too, answers by humans."""

MEASURES = (*RATIOS, "modal_share", "n_points_used")
"""The measures of each side of a cell."""


def diagnose(sources: Sequence[Source], groups: Groups, how: How) -> Iterator[tuple[str, pl.DataFrame]]:
    """The diversity tables of every source by the groups of one grouping, each with its name.

    A cell that is too small for one source is left out for all, so that all are over the same cells.
    """
    least = max(how.least_n(is_stated=source.panel.is_stated) for source in sources)
    for source in sources:
        keys = (pl.lit(source.answers.name).alias("answers"), pl.lit(groups.grouping).alias("grouping"))
        for name, table in _tables_of(source, groups, least):
            yield name, table.select(*keys, pl.all())


def _tables_of(source: Source, groups: Groups, least: int) -> Iterator[tuple[str, pl.DataFrame]]:
    tally = tally_panel(source.panel, groups.member, len(groups.labels))
    is_shown = np.asarray((tally.n_responses >= least) & (tally.n_examples >= least))
    item_ids = [item.item_id for item in source.humans.items]
    cells = describe_collapse(
        tally.humans, tally.answers, tally.n_points, item_ids=item_ids, groups=groups, is_shown=is_shown
    ).filter(is_shown.ravel())
    yield "collapse", cells
    yield "collapse_summary", summarise_collapse(cells)
    if groups is not POOLED:
        humans, answers = tally.humans * is_shown[..., None], tally.answers * is_shown[..., None]
        n_effective = np.where(is_shown, tally.n_effective, 0)
        items = describe_determination(humans, answers, tally.n_points, item_ids=item_ids, n_effective=n_effective)
        yield "determination", items
        yield "determination_summary", summarise_determination(items)
    elif source.panel.marginals is None:
        yield "structure", _structure(source)


def _structure(source: Source) -> pl.DataFrame:
    """Correlations between items in the responses, and in the answers given for the same respondents."""
    panel = source.panel
    people, place = np.unique(panel.examples.person, return_inverse=True)
    of_answers = Entries(
        np.searchsorted(people, panel.answers.person), panel.answers.item, panel.answers.point, panel.answers.weight
    )
    of_humans = Entries(place, panel.examples.item, panel.examples.point, panel.examples.weight)
    humans, answers = (positions_of(side, panel.n_points, people.size) for side in (of_humans, of_answers))
    weight: Array | None = None if source.humans.weights is None else source.humans.weights[people]
    return compare_structure(humans, answers, [item.topic for item in source.humans.items], weight=weight)


def entropy(counts: ArrayLike, n_points: ArrayLike) -> Array:
    r"""Entropy of distributions as a share of its maximum, (..., points) -> (...), in [0, 1].

    .. math:: H(U) = -\frac{1}{\log_2 K} \sum_{k=1}^{K} u_k \log_2 u_k

    with u the shares and K the number of points, `n_points`. 0: all on one point; 1: all points equally frequent. In
    bits it is `log2(K)` times as much. NaN where nothing was counted. Of few respondents it is too low: by about
    (K - 1) / (2 n ln K) (Miller, 1955), so a cell of 5 says little. Source: Shannon (1948).

    >>> entropy([[1, 1, 0, 0], [7, 0, 0, 0]], 4)
    array([0.5, 0. ])
    """
    shares = shares_of(counts)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    # 0 - ... and not a minus sign, which would make a zero of -0.0
    spread: Array = 0.0 - (shares * logs).sum(axis=-1)
    return spread / np.log2(np.asarray(n_points, dtype=np.float64))


def variance(counts: ArrayLike, n_points: ArrayLike) -> Array:
    r"""Variance of positions, (..., points) -> (...), in [0, 1/4].

    .. math:: \sigma^2(U) = \sum_k u_k x_k^2 - \Big(\sum_k u_k x_k\Big)^2, \qquad x_k = \frac{k - 1}{K - 1}

    0: all on one point; 1/4: half of them at either end. It divides by n, not by n - 1. NaN where nothing was counted.

    >>> variance([[3, 0, 3], [0, 6, 0]], 3)
    array([0.25, 0.  ])
    """
    shares = shares_of(counts)
    position = _positions(n_points, shares.shape[-1])
    mean = (shares * position).sum(axis=-1, keepdims=True)
    return np.asarray((shares * (position - mean) ** 2).sum(axis=-1))


def modal_share(counts: ArrayLike) -> Array:
    """Share of the most frequent point, (..., points) -> (...), from 1/K to 1; NaN where nothing was counted.

    >>> modal_share([[1, 2, 1], [0, 5, 0]])
    array([0.5, 1. ])
    """
    return np.asarray(shares_of(counts).max(axis=-1))


def count_points_used(counts: ArrayLike) -> NDArray[np.int64]:
    """How many points hold anything at all, (..., points) -> (...).

    >>> count_points_used([[1, 2, 0], [0, 0, 0]])
    array([2, 0])
    """
    return np.asarray(np.count_nonzero(np.asarray(counts) > 0, axis=-1), dtype=np.int64)


def describe_collapse(
    humans: ArrayLike,
    answers: ArrayLike,
    n_points: Ints,
    *,
    item_ids: Sequence[str],
    groups: Groups,
    is_shown: Mask | None = None,
) -> pl.DataFrame:
    """A row for each group and item: every measure of both sides, and the ratios of the answers to the humans.

    `humans` and `answers` are counts or sums of weights, shape (groups, items, 10), `n_points` has shape (items,).
    Cells outside `is_shown`, shape (groups, items), and those where a side is empty, have nulls; so has a ratio
    without human entropy or variance. A ratio below 1 says that the answers vary less than the responses.
    """
    sides = {"humans": np.asarray(humans, dtype=np.float64), "answers": np.asarray(answers, dtype=np.float64)}
    has_both = np.all([counts.sum(axis=-1) > 0 for counts in sides.values()], axis=0)
    shown = has_both if is_shown is None else has_both & is_shown
    group, item = np.divmod(np.arange(shown.size), len(item_ids))
    table = {
        "item_id": pl.Series(item_ids, dtype=pl.String).gather(item),
        "group": pl.Series(groups.labels, dtype=pl.String).gather(group),
        "group_codes": pl.Series(groups.codes, dtype=pl.String).gather(group),
    }
    measured = [
        (entropy(counts, n_points), variance(counts, n_points), modal_share(counts), count_points_used(counts))
        for counts in sides.values()
    ]
    for name, *of_sides in zip(MEASURES, *measured, strict=True):
        of_humans, of_answers = (np.where(shown, values, np.nan) for values in of_sides)
        table[f"{name}_humans"] = _series(of_humans)
        table[f"{name}_answers"] = _series(of_answers)
        if name in RATIOS:
            table[f"{name}_ratio"] = _series(_ratio(of_answers, of_humans))
    whole = [pl.col(f"n_points_used_{side}").cast(pl.Int64) for side in sides]
    return pl.DataFrame(table).with_columns(whole)


def summarise_collapse(table: pl.DataFrame) -> pl.DataFrame:
    """A row for each group of `describe_collapse`: means over items of each measure, medians of the ratios.

    Medians, for one item on which responses hardly vary can make a ratio arbitrarily large. `n_items` are those
    with numbers, `n_entropy_ratios` and `n_variance_ratios` those with a ratio.
    """
    means = [pl.col(f"{name}_{side}").mean() for name in MEASURES for side in ("humans", "answers")]
    medians = [pl.col(f"{name}_ratio").median() for name in RATIOS]
    counts = [pl.col(f"{name}_ratio").count().cast(pl.Int64).alias(f"n_{name}_ratios") for name in RATIOS]
    n_items = pl.col("entropy_humans").count().cast(pl.Int64).alias("n_items")
    return table.group_by("group", "group_codes", maintain_order=True).agg(n_items, *means, *medians, *counts)


@dataclass(frozen=True)
class Explained:
    """How much of the variance of positions the group explains, each of shape (items,); NaN where it is undefined.

    `eta_squared` is what the sample shows, `epsilon_squared` and `omega_squared` estimate what holds beyond the sample;
    they may come out below 0. `by_chance` is the eta squared to be expected where groups do not differ at all.
    `n_groups` are those that are not empty.
    """

    eta_squared: Array
    epsilon_squared: Array
    omega_squared: Array
    by_chance: Array
    n_groups: NDArray[np.int64]


def explain_by_group(counts: ArrayLike, n_points: Ints, *, n_effective: ArrayLike | None = None) -> Explained:
    r"""Share of the variance of positions that lies between groups, counts (groups, items, 10) -> (items,).

    With p_g the share of group g, m_g and v_g its mean and variance of positions, n_g its number of respondents, and
    s^2 the variance within groups without bias,

    .. math::
        B = \sum_g p_g (m_g - m)^2, \quad T = B + \sum_g p_g v_g, \quad
        s^2 = \frac{\sum_g p_g v_g}{\sum_g p_g (1 - 1/n_g)}, \quad D = s^2 \sum_g \frac{p_g (1 - p_g)}{n_g}

    .. math::
        \eta^2 = \frac{B}{T}, \qquad \epsilon^2 = \frac{B - D}{T}, \qquad
        \omega^2 = \frac{B - D}{T + s^2 \sum_g p_g^2 / n_g}

    0: the groups have the same mean; 1: all of a group answer alike. The means of small groups differ by
    chance, and D is by how much: eta squared of G groups among N respondents is about (G - 1) / (N - 1) even where
    there is no difference. Without weights this is the textbook's :math:`\epsilon^2 = 1 - (1 - \eta^2)(N - 1)/(N - G)`.
    The variance of an answer that is a distribution counts as variance within its group.

    `n_effective`, shape (groups, items), are the n_g where counts are sums of weights (by default their sums).
    Sources: Kelley (1935) for epsilon squared, Hays (1963) for omega squared; Okada (2013) compares their bias.

    >>> explained = explain_by_group([[[3, 1]], [[1, 3]]], np.array([2]))
    >>> explained.eta_squared, explained.epsilon_squared.round(6)
    (array([0.25]), array([0.125]))
    """
    weights = np.asarray(counts, dtype=np.float64)
    size = weights.sum(axis=-1)
    n = size if n_effective is None else np.asarray(n_effective, dtype=np.float64)
    share = shares_of(size.T).T
    per_head = np.divide(1.0, n, out=np.zeros_like(size), where=size > 0)
    position = _positions(n_points, weights.shape[-1])
    mean = np.nan_to_num((shares_of(weights) * position).sum(axis=-1))
    inside = (share * np.nan_to_num(variance(weights, n_points))).sum(axis=0)
    between = (share * (mean - (share * mean).sum(axis=0)) ** 2).sum(axis=0)
    total = between + inside
    s_squared = _ratio(inside, (share * (1 - per_head)).sum(axis=0))
    drift = (share * (1 - share) * per_head).sum(axis=0)
    of_all = (share**2 * per_head).sum(axis=0)
    return Explained(
        eta_squared=_ratio(between, total),
        epsilon_squared=_ratio(between - s_squared * drift, total),
        omega_squared=_ratio(between - s_squared * drift, total + s_squared * of_all),
        by_chance=_ratio(drift, 1 - of_all),
        n_groups=np.count_nonzero(size > 0, axis=0),
    )


def describe_determination(
    humans: ArrayLike,
    answers: ArrayLike,
    n_points: Ints,
    *,
    item_ids: Sequence[str],
    n_effective: ArrayLike | None = None,
) -> pl.DataFrame:
    """A row for each item: how much the group explains in the answers against in the humans.

    Counts have shape (groups, items, 10); groups that either side lacks are left out of both. `n_effective`, shape
    (groups, items), is that of weighted humans. `eta_ratio`, answers by humans as both are in the sample, is for
    answers that are one rating per respondent, which vary by chance as responses do. `excess`, eta squared of the
    answers less epsilon squared of the humans, is for probabilities, which do not. Above 1 and above 0 the answers are
    over-determined.
    """
    people, model = np.asarray(humans, dtype=np.float64), np.asarray(answers, dtype=np.float64)
    has_both = ((people.sum(axis=-1) > 0) & (model.sum(axis=-1) > 0))[..., None]
    of_humans = explain_by_group(people * has_both, n_points, n_effective=n_effective)
    of_answers = explain_by_group(model * has_both, n_points)
    has_any = has_both[..., 0].sum(axis=0) > 1
    table: Mapping[str, Array] = {
        "eta_squared_humans": of_humans.eta_squared,
        "epsilon_squared_humans": of_humans.epsilon_squared,
        "omega_squared_humans": of_humans.omega_squared,
        "by_chance": of_humans.by_chance,
        "eta_squared_answers": of_answers.eta_squared,
        "eta_ratio": _ratio(of_answers.eta_squared, of_humans.eta_squared),
        "excess": of_answers.eta_squared - of_humans.epsilon_squared,
    }
    columns = {name: _series(np.where(has_any, found, np.nan)) for name, found in table.items()}
    return pl.DataFrame({"item_id": pl.Series(item_ids, dtype=pl.String), "n_groups": of_humans.n_groups, **columns})


def summarise_determination(table: pl.DataFrame) -> pl.DataFrame:
    """One row for a table of `describe_determination`: means over the items that have both sides, median of the ratios.

    Items whose answers do not vary at all have no eta squared; `n_without` counts them and others without a number.
    """
    has_both = pl.col("excess").is_not_null()
    names = [name for name in table.columns if name not in ("item_id", "n_groups", "eta_ratio")]
    return table.select(
        has_both.sum().cast(pl.Int64).alias("n_items"),
        (~has_both).sum().cast(pl.Int64).alias("n_without"),
        *(pl.col(name).filter(has_both).mean() for name in names),
        pl.col("eta_ratio").filter(has_both).median(),
    )


def _positions(n_points: ArrayLike, width: int) -> Array:
    """The position of each point, shape (..., width); beyond an item's scale they mean nothing."""
    return np.asarray(np.arange(width) / (np.asarray(n_points, dtype=np.float64)[..., None] - 1))


def _ratio(part: Array, whole: Array) -> Array:
    """Part by whole; NaN where the whole is nothing."""
    is_some = np.nan_to_num(whole) > np.finfo(np.float64).eps
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=is_some))


def _series(found: Array) -> pl.Series:
    return pl.Series(found.ravel(), dtype=pl.Float64).fill_nan(None)
