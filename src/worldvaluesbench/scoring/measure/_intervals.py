"""Confidence intervals of the scores of one source: of its cells, and of means and shares over items, group by group.

All come from the same bootstrap resamples of respondents; those of means and shares allow for the sampling of items too
(`item_sampling`). Draws of distances are kept no longer than a group is worked on, so that many groups cost time and no
memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.scoring.measure._bootstrap import Columns, Design, Drawing, Drawn, draw_people
from worldvaluesbench.scoring.measure._pairing import Panel
from worldvaluesbench.scoring.measure._shares import wilson
from worldvaluesbench.scoring.measure._summary import ANSWERS, THRESHOLDS, SetInterval, SetIntervals
from worldvaluesbench.stats import (
    DISTANCES,
    Array,
    Floats,
    Items,
    Mask,
    Resampling,
    debias,
    design_effect_of_share,
    mean_interval,
    moments_of,
    quantiles_of,
    refusal_distance,
    standard_error,
)

Found = TypeVar("Found")


@dataclass(frozen=True)
class Cells:
    """Interval and bias-corrected value of the distance in each cell, shape (groups, items); NaN where there is none.

    `others`: low and high of the other distances, by name: quantiles of their draws as they are. `design_effect`: the
    variance of the mean human response under the design by that of a simple random sample of as many respondents.
    """

    low: Array
    high: Array
    corrected: Array
    others: Mapping[str, tuple[Array, Array]]
    design_effect: Array

    def where(self, is_sure: Mask) -> "Cells":
        """Those of these cells alone, shape (groups, items); NaN elsewhere."""
        parts = (self.low, self.high, self.corrected, self.design_effect)
        low, high, corrected, design_effect = (np.where(is_sure, part, np.nan) for part in parts)
        others = {
            name: (np.where(is_sure, ends[0], np.nan), np.where(is_sure, ends[1], np.nan))
            for name, ends in self.others.items()
        }
        return Cells(low, high, corrected, others, design_effect)


@dataclass(frozen=True)
class Sampling:
    """What confidence intervals are made from: resamples of respondents, by a design, and how items were sampled."""

    resampling: Resampling
    design: Design
    items: Items


@dataclass(frozen=True)
class Intervals:
    """The intervals of one source: of its cells, and of each group and answerer over all items with a distance."""

    cells: Cells
    sets: SetIntervals


@dataclass(frozen=True)
class Resampled:
    """Distances of one answerer and what other people would have made of them.

    `value` is the distance as it is and `corrected` without its bias, shape (groups, items); `draws` and
    `corrected_draws`, shape (groups, items, resamples), are both of resamples. NaN where there is no distance.
    """

    value: Floats
    corrected: Floats
    draws: Floats
    corrected_draws: Floats


def find_intervals(
    panel: Panel,
    member: NDArray[np.int64] | None,
    sampling: Sampling,
    is_shown: Mask,
    known: SetIntervals | None = None,
) -> Intervals:
    """Resample the respondents of a panel and find all intervals; `is_shown`, (groups, items): which cells have one.

    `known`: the intervals of another panel of the same humans and people; those of baselines are taken from it.
    """
    resampling = sampling.resampling
    drawing = Drawing(panel, draw_people([panel], member, sampling.design, resampling), resampling)
    sets = {key: found for key, found in (known or {}).items() if key[1] != ANSWERS}
    answerers = None if known is None else 1
    parts = []

    def work(groups: range) -> tuple[Cells, dict[tuple[int, str], SetInterval]]:
        return _intervals_of(drawing, groups, is_shown[groups], sampling, answerers)

    for _, (cells, of_groups) in each_batch(drawing, is_shown.shape[0], work):
        parts.append(cells)
        sets |= of_groups
    return Intervals(_joined(parts), sets)


def _joined(parts: Sequence[Cells]) -> Cells:
    """Batches of groups together."""
    low, high, corrected, design_effect = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("low", "high", "corrected", "design_effect")
    )
    others = {
        name: (
            np.concatenate([part.others[name][0] for part in parts]),
            np.concatenate([part.others[name][1] for part in parts]),
        )
        for name in parts[0].others
    }
    return Cells(low, high, corrected, others, design_effect)


def filled(draws: Floats, instead: Floats) -> Floats:
    """Draws (..., resamples) with the mean of the others where one is NaN; where all are, what is `instead` (...)."""
    if not np.isnan(draws.sum()):
        return draws
    return np.where(np.isnan(draws), _mean_of_known(draws, instead)[..., None], draws)


def _mean_of_known(draws: Floats, instead: Floats) -> Floats:
    """The mean over the last axis of the draws that are not NaN; where all are, what is `instead`."""
    is_known = ~np.isnan(draws)
    n = is_known.sum(axis=-1)
    total = np.where(is_known, draws, 0).sum(axis=-1, dtype=np.float64)
    mean = np.divide(total, n, out=np.array(instead, dtype=np.float64), where=n > 0)
    return np.asarray(mean, dtype=draws.dtype)


def each_batch(drawing: Drawing, n_groups: int, work: Callable[[range], Found]) -> Iterator[tuple[range, Found]]:
    """Batches of groups with what is found for each."""
    batches = list(drawing.batches(n_groups))
    # numpy lets go of the interpreter while it works on large arrays; matrix products use all cores by themselves
    with ThreadPoolExecutor(None if drawing.is_sparse else 1) as pool:
        yield from zip(batches, pool.map(work, batches), strict=True)


def _intervals_of(
    drawing: Drawing, groups: range, is_shown: Mask, sampling: Sampling, answerers: int | None
) -> tuple[Cells, dict[tuple[int, str], SetInterval]]:
    """The intervals of some groups: of their cells, and of what is said of the items of a group together.

    Of so many answerers (None: all), the answers first.
    """
    drawn, resampling = drawing.sums(groups), sampling.resampling
    sets: dict[tuple[int, str], SetInterval] = {}
    cells = None
    for name, gap, draws in islice(drawn.answered_by, answerers):
        found = resampled_distances(drawn, gap, draws, is_shown.shape, is_debiased=resampling.method == "debiased")
        if cells is None:
            cells = Cells(
                *interval_of(found, resampling),
                found.corrected.astype(np.float64),
                _others_of(drawn, is_shown.shape, resampling),
                _design_effects(drawn).reshape(is_shown.shape),
            )
        of_groups = _sets_of(found, is_shown, resampling, sampling.items)
        sets |= {(groups[place], name): of_group for place, of_group in of_groups.items()}
    assert cells is not None
    return cells, sets


def _design_effects(drawn: Drawn) -> Array:
    """The variance of the mean human response over resamples by that of a simple random sample, shape (items,).

    NaN where humans do not vary, or there are fewer than two. Source: Kish (1965), section 8.2.
    """
    columns = drawn.columns
    if drawn.has_refusals:
        return np.full(columns.n_points.size, np.nan)
    inner = np.ones(columns.n, dtype=bool)
    inner[columns.last] = False
    steps = (columns.n_points - 1).astype(np.float64)

    def mean_of(cumulated: Floats) -> Array:
        # the mean position is 1 less the mean of the cumulative shares
        sums = np.add.reduceat(np.where(inner[:, None], cumulated, 0).astype(np.float64), columns.start, axis=0)
        return np.asarray(1 - sums / steps[:, None])

    mean = mean_of(drawn.humans)[:, 0]
    place = np.arange(columns.n) - columns.start[columns.item]
    position = place / steps[columns.item]
    mass = columns.masses(drawn.humans)[:, 0].astype(np.float64)
    variance = np.add.reduceat(mass * position**2, columns.start) - mean**2
    n = drawn.n_respondents
    of_sample = np.divide(variance, n - 1, out=np.full_like(variance, np.nan), where=n > 1)
    of_design = variance_of(mean_of(drawn.drawn_humans))
    found: Array = np.divide(of_design, of_sample, out=np.full_like(variance, np.nan), where=of_sample > 1e-12)
    return found


def _others_of(drawn: Drawn, shape: tuple[int, int], resampling: Resampling) -> dict[str, tuple[Array, Array]]:
    """Low and high of each of the other distances; none where the last point is a refusal."""
    if drawn.has_refusals:
        return {}
    n_items = drawn.columns.n_points.size
    found = {name: (np.full(n_items, np.nan), np.full(n_items, np.nan)) for name in DISTANCES}
    sides = zip(*(drawn.columns.by_scale(side) for side in (drawn.drawn_humans, drawn.drawn_answers)), strict=True)
    for (items, humans), (_, answers) in sides:
        for name, measure in DISTANCES.items():
            low, high = quantiles_of(measure(humans, answers).astype(np.float32), resampling.ends)
            found[name][0][items], found[name][1][items] = low, high
    return {name: (low.reshape(shape), high.reshape(shape)) for name, (low, high) in found.items()}


def interval_of(found: Resampled, resampling: Resampling) -> tuple[Array, Array]:
    """The interval of each distance, shapes (groups, items); no end lies beyond what a distance can be.

    The value that it is printed beside, corrected or as it is by the method, is inside.
    """
    is_debiased = resampling.method == "debiased"
    low, high = quantiles_of(found.corrected_draws if is_debiased else found.draws, resampling.ends)
    value = np.clip(found.corrected if is_debiased else found.value, 0, 1).astype(np.float64)
    return np.minimum(np.clip(low, 0, 1), value), np.maximum(np.clip(high, 0, 1), value)


def resampled_distances(
    drawn: Drawn, gap: Floats, draws: Floats, shape: tuple[int, int], *, is_debiased: bool = True
) -> Resampled:
    """The distances that gaps (columns, 1) and their draws (columns, resamples) say, in this shape."""
    columns = drawn.columns
    if drawn.has_refusals:
        value, of_draws = (_with_refusals(columns, gaps) for gaps in (gap, draws))
        # no distance is larger than 1, whatever few resamples say
        corrected: Floats = np.minimum(2 * value - _mean_of_known(of_draws, value[:, 0])[:, None], 1)
        corrected_draws = of_draws - (value - corrected).astype(np.float32)
    else:
        spread = _spread(draws)
        value, of_draws = columns.mean_gap(np.abs(gap)), columns.mean_gap(np.abs(draws))
        corrected = columns.mean_gap(debias(gap, spread))
        corrected_draws = columns.mean_gap(debias(draws, spread)) if is_debiased else of_draws
    return Resampled(
        value.reshape(shape), corrected.reshape(shape), *(x.reshape(*shape, -1) for x in (of_draws, corrected_draws))
    )


def variance_of(draws: Floats) -> Array:
    """The variance over the last axis of the draws that are not NaN, (...), n - 1 below; NaN where fewer than two are.

    >>> variance_of(np.array([[1.0, 3.0, np.nan], [1.0, np.nan, np.nan]]))
    array([ 2., nan])
    """
    is_known = ~np.isnan(draws)
    n = is_known.sum(axis=-1)
    known = np.where(is_known, draws, 0).astype(np.float64)
    mean = known.sum(axis=-1) / np.maximum(n, 1)
    squares = (np.where(is_known, known - mean[..., None], 0) ** 2).sum(axis=-1)
    found: Array = np.divide(squares, n - 1, out=np.full(n.shape, np.nan), where=n > 1)
    return found


def _spread(draws: Floats) -> Floats:
    """The standard deviation over draws, (columns, 1); those that are NaN do not count."""
    spread: Floats = draws.std(axis=1, keepdims=True)
    lacking = np.flatnonzero(np.isnan(spread))
    if lacking.size:
        some = draws[lacking]
        known = ~np.isnan(some)
        n = np.maximum(known.sum(axis=1, keepdims=True), 1)
        mean = np.where(known, some, 0).sum(axis=1, keepdims=True) / n
        spread[lacking] = np.sqrt((np.where(known, some - mean, 0) ** 2).sum(axis=1, keepdims=True) / n)
    return spread


def _with_refusals(columns: Columns, gaps: Floats) -> Floats:
    """Distances where the last point of each item is a refusal, (items, draws), of gaps (columns, draws)."""
    found = np.empty((columns.n_points.size, gaps.shape[1]), dtype=gaps.dtype)
    for item, (start, n) in enumerate(zip(columns.start.tolist(), columns.n_points.tolist(), strict=True)):
        found[item] = refusal_distance(gaps[start : start + n - 1])
    return found


def _sets_of(found: Resampled, is_shown: Mask, resampling: Resampling, items: Items) -> dict[int, SetInterval]:
    """What is said of the items of each group together; cells that are not shown are left out.

    The interval of a mean is that of the corrected mean, and reaches further down by the bias that may be left in it.
    Attainment is that of distances as they are.
    """
    is_in = is_shown & ~np.isnan(found.value)
    kept = np.flatnonzero(is_in.any(axis=1))
    if not kept.size:
        return {}
    is_in = is_in[kept]
    raw, corrected = (np.where(is_in, part[kept], 0).astype(np.float64) for part in (found.value, found.corrected))
    is_debiased = resampling.method == "debiased"
    draws = filled(*((found.corrected_draws, found.corrected) if is_debiased else (found.draws, found.value)))[kept]
    values = corrected if is_debiased else raw
    n = is_in.sum(axis=1)
    mean_raw, mean_corrected = (part.sum(axis=1) / n for part in (raw, corrected))
    half = standard_error(values, is_in, moments_of(draws, is_in), items).half_width(resampling.level)
    # of distances as they are no bias is taken, so none of it is left
    low, high = mean_interval(mean_raw, mean_corrected if is_debiased else mean_raw, -half, half)
    attained = _attained(raw, filled(found.draws, found.value)[kept], is_in, resampling.level, items)
    return {
        int(group): SetInterval((float(low[place]), float(high[place])), float(mean_corrected[place]), attained[place])
        for place, group in enumerate(kept)
    }


def _attained(value: Array, draws: Floats, is_in: Mask, level: float, items: Items) -> Array:
    """The band of the share of items within each threshold, shape (groups, thresholds, 2).

    Wilson's interval of a share of items, as many as are worth what these are: their number by the design effect of the
    share, its two-way variance by that of independent items. So no interval has a width of 0, and each holds its share.
    Source: Franco, Little, Louis and Slud (2019) on intervals of shares in complex surveys.
    """
    moved = draws + (value - draws.mean(axis=2)).astype(np.float32)[..., None]
    n = is_in.sum(axis=1)
    bands = []
    for threshold in THRESHOLDS:
        # draws are in single precision, in which a tenth may lie above a tenth
        is_within = is_in & (value <= threshold + 1e-6)
        share = is_within.sum(axis=1) / n
        moments = moments_of(moved <= np.float32(threshold + 1e-6), is_in)
        error = standard_error(is_within, is_in, moments, items).value
        low, high = wilson(share, n / design_effect_of_share(share, error**2, n), level)
        bands.append(np.stack([np.minimum(low, share), np.maximum(high, share)], axis=1))
    return np.stack(bands, axis=1)
