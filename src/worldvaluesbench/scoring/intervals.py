"""Intervals of the scores of one source of answers: cell by cell, and of the summaries over items, group by group.

All come from the same draws of people. Draws of distances are kept no longer than a group is worked on, so that many
groups cost time and no memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.distribution import Array
from worldvaluesbench.estimate import Floats, Resampling, acceleration_of, bca_ends, bias_bounds, debias, quantiles_of
from worldvaluesbench.scoring.askings import Mask
from worldvaluesbench.scoring.bounds import refusal_distance
from worldvaluesbench.scoring.distances import DISTANCES
from worldvaluesbench.scoring.panel import Panel
from worldvaluesbench.scoring.resample import Columns, Drawing, Drawn, draw_people, gradients
from worldvaluesbench.scoring.summary import ANSWERS, THRESHOLDS, SetInterval, SetIntervals

Found = TypeVar("Found")


@dataclass(frozen=True)
class Cells:
    """Interval and bias-corrected value of the distance in each cell, shape (groups, items); NaN where there is none.

    `others`: low and high of the other distances, by name: quantiles of their draws as they are.
    """

    low: Array
    high: Array
    corrected: Array
    others: Mapping[str, tuple[Array, Array]]

    def where(self, is_sure: Mask) -> "Cells":
        """Those of these cells alone, shape (groups, items); NaN elsewhere."""
        low, high, corrected = (np.where(is_sure, part, np.nan) for part in (self.low, self.high, self.corrected))
        others = {
            name: (np.where(is_sure, ends[0], np.nan), np.where(is_sure, ends[1], np.nan))
            for name, ends in self.others.items()
        }
        return Cells(low, high, corrected, others)


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
    stratum: NDArray[np.int64] | None,
    resampling: Resampling,
    is_shown: Mask,
    known: SetIntervals | None = None,
) -> Intervals:
    """Draw the people of a panel and find all intervals; `is_shown`, shape (groups, items): which cells have one.

    `known`: the intervals of another panel of the same humans and people; those of baselines are taken from it.
    """
    drawing = Drawing(panel, draw_people([panel], member, stratum, resampling), resampling)
    sets = {key: found for key, found in (known or {}).items() if key[1] != ANSWERS}
    answerers = None if known is None else 1
    parts = []

    def work(groups: range) -> tuple[Cells, dict[tuple[int, str], SetInterval]]:
        return _intervals_of(drawing, groups, is_shown[groups], resampling, answerers)

    for _, (cells, of_groups) in _each_batch(drawing, is_shown.shape[0], work):
        parts.append(cells)
        sets |= of_groups
    return Intervals(_joined(parts), sets)


def _joined(parts: Sequence[Cells]) -> Cells:
    """Batches of groups together."""
    low, high, corrected = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("low", "high", "corrected")
    )
    others = {
        name: (
            np.concatenate([part.others[name][0] for part in parts]),
            np.concatenate([part.others[name][1] for part in parts]),
        )
        for name in parts[0].others
    }
    return Cells(low, high, corrected, others)


def resample_distances(drawing: Drawing, n_groups: int) -> Resampled:
    """The distances of the answers of a panel with all their draws, those freed of bias among them."""

    def work(groups: range) -> Resampled:
        drawn = drawing.sums(groups)
        return _resampled(drawn, *next(drawn.answered_by)[1:], (len(groups), drawing.panel.n_items))

    parts = [found for _, found in _each_batch(drawing, n_groups, work)]
    return Resampled(*(np.concatenate([getattr(part, name) for part in parts]) for name in Resampled.__annotations__))


def mean_over_items(found: Resampled, is_in: Mask) -> Resampled:
    """Means over the items of each group that are in, (groups, items); NaN for a group without any.

    A resample in which nobody of an item was drawn says nothing about it: there the item stays at the mean of its other
    draws, and the draw of the mean tells of the items that it has people for.
    """
    n = is_in.sum(axis=1)
    value, corrected = (_mean_of(part, is_in, n) for part in (found.value, found.corrected))
    draws, corrected_draws = (
        _mean_of(_filled(part, instead), is_in, n)
        for part, instead in ((found.draws, found.value), (found.corrected_draws, found.corrected))
    )
    return Resampled(value, corrected, draws, corrected_draws)


def _mean_of(values: Floats, is_in: Mask, n: NDArray[np.int64]) -> Floats:
    extra = (1,) * (values.ndim - 2)
    total = np.where(is_in.reshape(*is_in.shape, *extra), values, 0).sum(axis=1, dtype=np.float64)
    size = n.reshape(-1, *extra)
    mean = np.divide(total, size, out=np.full_like(total, np.nan), where=size > 0)
    return np.asarray(mean, dtype=values.dtype)


def _filled(draws: Floats, instead: Floats) -> Floats:
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


def _each_batch(drawing: Drawing, n_groups: int, work: Callable[[range], Found]) -> Iterator[tuple[range, Found]]:
    """Batches of groups with what is found for each."""
    batches = list(drawing.batches(n_groups))
    # numpy lets go of the interpreter while it works on large arrays; matrix products use all cores by themselves
    with ThreadPoolExecutor(None if drawing.is_sparse else 1) as pool:
        yield from zip(batches, pool.map(work, batches), strict=True)


def _intervals_of(
    drawing: Drawing, groups: range, is_shown: Mask, resampling: Resampling, answerers: int | None
) -> tuple[Cells, dict[tuple[int, str], SetInterval]]:
    """The intervals of some groups: of their cells, and of what is said of the items of a group together.

    Of so many answerers (None: all), the answers first.
    """
    drawn = drawing.sums(groups)
    sets: dict[tuple[int, str], SetInterval] = {}
    cells = None
    for name, gap, draws in islice(drawn.answered_by, answerers):
        found = _resampled(drawn, gap, draws, is_shown.shape, is_debiased=resampling.method == "debiased")
        per_cell, per_mean = np.zeros(is_shown.shape), np.zeros(len(groups))
        if name == ANSWERS and resampling.method == "bca" and not drawing.panel.has_refusals:
            # baselines move with nobody but the humans, and little
            per_cell, per_mean = _accelerations(drawing, groups, drawn, is_shown)
        if cells is None:
            cells = Cells(
                *interval_of(found, per_cell, resampling),
                found.corrected.astype(np.float64),
                _others_of(drawn, is_shown.shape, resampling),
            )
        of_groups = _sets_of(found, is_shown, per_mean, resampling)
        sets |= {(groups[place], name): of_group for place, of_group in of_groups.items()}
    assert cells is not None
    return cells, sets


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


def interval_of(found: Resampled, acceleration: Array, resampling: Resampling) -> tuple[Array, Array]:
    """The interval of each distance, shapes (groups, items); no end lies beyond what a distance can be."""
    ends: tuple[float, float] | tuple[Array, Array] = resampling.ends
    draws = found.draws
    if resampling.method == "debiased":
        draws = found.corrected_draws
    if resampling.method == "bca":
        ends = bca_ends(found.value, draws, acceleration, resampling.ends)
    low, high = quantiles_of(draws, ends)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def _resampled(
    drawn: Drawn, gap: Floats, draws: Floats, shape: tuple[int, int], *, is_debiased: bool = True
) -> Resampled:
    """The distances that gaps (columns, 1) and their draws (columns, resamples) say, in this shape."""
    columns = drawn.columns
    if drawn.has_refusals:
        value, of_draws = (_with_refusals(columns, gaps) for gaps in (gap, draws))
        corrected: Floats = 2 * value - _mean_of_known(of_draws, value[:, 0])[:, None]
        corrected_draws = of_draws - (value - corrected).astype(np.float32)
    else:
        spread = _spread(draws)
        value, of_draws = columns.mean_gap(np.abs(gap)), columns.mean_gap(np.abs(draws))
        corrected = columns.mean_gap(debias(gap, spread))
        corrected_draws = columns.mean_gap(debias(draws, spread)) if is_debiased else of_draws
    return Resampled(
        value.reshape(shape), corrected.reshape(shape), *(x.reshape(*shape, -1) for x in (of_draws, corrected_draws))
    )


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


def _accelerations(drawing: Drawing, groups: range, drawn: Drawn, is_shown: Mask) -> tuple[Array, Array]:
    """The accelerations of the distances of the answers, (groups, items), and of their mean over items, (groups,)."""
    of_humans, of_answers = (found.reshape(len(groups), -1) for found in gradients(drawn))
    cubes, squares = np.zeros(is_shown.shape), np.zeros(is_shown.shape)
    mean_cubes, mean_squares = np.zeros(len(groups)), np.zeros(len(groups))
    for place, group in enumerate(groups):
        for influence in drawing.influence(group, of_humans[place], of_answers[place]):
            cubes[place] += (influence**3).sum(axis=0)
            squares[place] += (influence**2).sum(axis=0)
            together = influence[:, is_shown[place]].sum(axis=1)
            mean_cubes[place] += (together**3).sum()
            mean_squares[place] += (together**2).sum()
    return acceleration_of(cubes, squares), acceleration_of(mean_cubes, mean_squares)


def _sets_of(found: Resampled, is_shown: Mask, acceleration: Array, resampling: Resampling) -> dict[int, SetInterval]:
    """What is said of the items of each group together; cells that are not shown are left out.

    The little bias that draws keep adds up over items, so draws of a mean are moved to the corrected mean, and the
    lower end further by what may be left in that. Attainment is that of draws moved to where the distances are: it is
    said of distances as they are.
    """
    is_in = is_shown & ~np.isnan(found.value)
    n_items = is_in.sum(axis=1)
    kept = np.flatnonzero(n_items)
    if not kept.size:
        return {}
    found = Resampled(*(getattr(found, name)[kept] for name in Resampled.__annotations__))
    over_items = mean_over_items(found, is_in[kept])
    corrected, draws = over_items.corrected, over_items.corrected_draws
    if resampling.method == "debiased":
        moved = draws - (draws.mean(axis=1, keepdims=True) - corrected[:, None]).astype(np.float32)
        over_items = Resampled(over_items.value, corrected, over_items.draws, moved)
    low, high = interval_of(over_items, acceleration[kept], resampling)
    if resampling.method == "debiased":
        low = np.clip(low - bias_bounds(*(part.astype(np.float64) for part in (over_items.value, corrected)))[0], 0, 1)
    attained = _attained(found.value, found.draws, is_in[kept], resampling.ends)
    return {
        int(group): SetInterval((float(low[place]), float(high[place])), float(corrected[place]), attained[place])
        for place, group in enumerate(kept)
    }


def _attained(value: Floats, draws: Floats, is_in: Mask, ends: tuple[float, float]) -> Array:
    """The band of the share of items within each threshold, shape (groups, thresholds, 2)."""
    known: Floats = np.where(is_in[..., None], _filled(draws, value), np.float32(np.nan))
    moved = known + (value - known.mean(axis=2)).astype(np.float32)[..., None]
    n = is_in.sum(axis=1)[:, None]
    # draws are in single precision, in which a tenth may lie above a tenth
    least = [np.float32(threshold + 1e-6) for threshold in THRESHOLDS]
    shares = [((moved <= threshold).sum(axis=1) / n).astype(np.float32) for threshold in least]
    low, high = quantiles_of(np.stack(shares, axis=1), ends)
    # the share itself is within its band, though single draws be moved over a threshold
    as_it_is = np.where(is_in, value, np.nan)
    share = np.stack([(as_it_is <= threshold).sum(axis=1) / n[:, 0] for threshold in least], axis=1)
    return np.stack([np.minimum(low, share), np.maximum(high, share)], axis=2)
