"""The published scorer, repeated: numbers are truncated and scored wherever they lie, and all rows are pooled.

An answer that is no number leaves the side of the answers only, and repeated rows count each time on both sides. Most
rows of most files are the same in both treatments, so the counts of the default one are the start, and only the rows
that it leaves out are counted here. Runs and weighted references, where rows share weight, are counted as a whole.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.scoring.measure import (
    LEVEL,
    NOBODY,
    Askings,
    Counts,
    Entries,
    Part,
    Source,
    Tally,
    answer_distances,
    answers_side,
    attain,
    baseline_distances,
    cell_keys,
    cells_of,
    count_cells,
    count_columns,
    count_entries,
    distributions_of,
    entries_of,
    find_rows,
    floors_of,
    is_first,
    missing_bounds,
    no_persons,
    number_columns,
    other_distances,
    side_of,
    summarise,
    tally_panel,
    weigh_entries,
)
from worldvaluesbench.scoring.sources import MAJORITY, UNIFORM, WORLD, Groups, Rows, majority_distances
from worldvaluesbench.stats import MAX_POINTS, Array, Ints, Mask, skill

OF_SIDES = ("humans", "answers", "n_responses", "n_answers", "n_effective")
"""The counts that are not those of the default treatment."""

Shape = tuple[NDArray[np.int64] | None, int, int]
"""The group of each person (None: all are in one), the number of groups, and that of items."""


@dataclass(frozen=True)
class PublishedSides:
    """Both sides as the published scorer compares them, and by how many points answers lie beyond the scale.

    `is_whole`: whether these are all rows, or only those that the default treatment leaves out. `beyond` has an entry
    for each answer off the scale, which stands at its nearer end among the `answers`; its weight is the points to go.
    """

    humans: Entries
    answers: Entries
    beyond: Entries
    is_whole: bool


@dataclass(frozen=True)
class PublishedTally:
    """The counts of both sides, group by group.

    `by_default` counts the rows that count by default; `tally` those that the published scorer compares. `overshoot`,
    shape (groups, items), is by how many points answers lie beyond the scale, summed. `first_met`, shape (groups,
    items, 10), ranks the most frequent responses of a cell by where they were first met (0 where there is only one);
    None: in no order.
    """

    by_default: Tally
    tally: Tally
    overshoot: Array
    first_met: Ints | None


@dataclass(frozen=True)
class PublishedSource:
    """A source of answers to be scored as published; `source` holds the rows, and the panel of those that count."""

    source: Source

    @cached_property
    def pooled(self) -> PublishedTally:
        """The counts of everybody in one group."""
        return self._count(None, 1)

    def count(self, groups: Groups) -> PublishedTally:
        """The counts by the groups of one grouping."""
        return self.pooled if groups.member is None else self._count(groups.member, len(groups.labels))

    @cached_property
    def _sides(self) -> PublishedSides:
        rows, weights, n_points = self.source.rows, self.source.humans.weights, self.source.panel.n_points
        if rows.askings is None and weights is None:
            return _left_out_sides(rows, n_points)
        return _whole_sides(rows, n_points, weights)

    def _count(self, member: NDArray[np.int64] | None, n_groups: int) -> PublishedTally:
        panel, sides = self.source.panel, self._sides
        shape = member, n_groups, panel.n_items
        # all other humans are the same in both treatments
        are_told_apart = panel.marginals is None and panel.is_paired
        by_default = tally_panel(panel, member, n_groups)
        if sides.is_whole:
            humans = sides.humans if are_told_apart else panel.humans
            whole = tally_panel(replace(panel, humans=humans, answers=sides.answers), member, n_groups)
            tally = replace(by_default, **{name: getattr(whole, name) for name in OF_SIDES})
        else:
            tally = _add_rows(by_default, sides.humans if are_told_apart else NOBODY, sides.answers, shape)
        overshoot = count_cells(sides.beyond, *shape, weight=sides.beyond.weights).astype(np.float64)
        return PublishedTally(by_default, tally, overshoot, self._find_first_met(tally.humans, shape))

    def _find_first_met(self, humans: Counts, shape: Shape) -> Ints | None:
        """Where the most frequent responses of each cell were first met."""
        panel, rows = self.source.panel, self.source.rows
        if panel.marginals is not None:
            return None
        is_top = (humans == humans.max(axis=-1, keepdims=True)) & (humans > 0)
        is_top &= is_top.sum(axis=-1, keepdims=True) > 1
        first = np.zeros(humans.shape, dtype=np.int64)
        if not is_top.any():
            return first
        if not panel.is_paired:
            met = panel.humans
        elif self._sides.is_whole:
            met = self._sides.humans
        else:
            met = Entries(rows.respondent, rows.item, rows.human_point).select(rows.has_response)
        place = cells_of(met, *shape) * MAX_POINTS + met.point
        # whoever is in no group stands in a cell after the last
        at = np.flatnonzero(np.append(is_top.ravel(), np.zeros((panel.n_items * MAX_POINTS), dtype=bool))[place])
        tops, entry = np.unique(place[at], return_index=True)
        first.reshape(-1)[tops] = at[entry]
        return first


def score_as_published(published: PublishedSource, groups: Groups) -> Part:
    """Score a source by the groups of one grouping: those that any of its respondents is in.

    There are no intervals and no cells that are too small, and single persons are not judged: the published scorer
    knows none of them.
    """
    source, counts = published.source, published.count(groups)
    tally = counts.tally
    is_shown = np.ones(tally.n_responses.shape, dtype=bool)
    keys, is_row = cell_keys(source, groups), find_rows(source, groups)
    counted = keys.hstack(count_columns(source, tally, groups)).with_columns(is_too_small=False)
    scores = counted.hstack(number_columns(_values(published, counts), is_shown)).filter(is_row)
    place, shares = distributions_of(tally, is_row.to_numpy().reshape(is_shown.shape), source.humans.low, LEVEL)
    individuals, individuals_summary = no_persons(keys)
    return Part(
        {
            "scores": scores,
            "summary": summarise(scores, groups, {}),
            "attainment": attain(scores, groups, {}),
            "distances": keys.hstack(number_columns(other_distances(tally, None), is_shown)).filter(is_row),
            "distributions": keys[place].drop("topic").hstack(shares),
            "individuals": individuals,
            "individuals_summary": individuals_summary,
        }
    )


def _values(published: PublishedSource, counts: PublishedTally) -> dict[str, Array]:
    """The numbers of every cell, shape (groups, items), in the order of the table of scores."""
    panel, tally = published.source.panel, counts.tally
    distance = _distances(tally, counts.overshoot)
    baselines = baseline_distances(panel, tally, published.pooled.tally)
    baselines[MAJORITY] = majority_distances(tally.humans, tally.n_points, counts.first_met)
    none = np.full_like(distance, np.nan)
    # off the scale is no answer, however it is scored
    best, worst = missing_bounds(panel, counts.by_default)
    return {
        "distance": distance,
        "low": none,
        "high": none,
        "corrected": none,
        "noise_floor": floors_of(tally, is_stated=panel.is_stated),
        "design_effect": none,
        "best": best,
        "worst": worst,
        **baselines,
        "skill_uniform": skill(distance, baselines[UNIFORM]),
        "skill_marginal": skill(distance, baselines[WORLD]),
    }


def _distances(tally: Tally, overshoot: Array) -> Array:
    """Wasserstein-1 distance of the answers from the humans, shape (groups, items); NaN where a side is empty.

    All humans are on the scale, so an answer beyond an end of it is moved to that end first, whatever else moves:
    the distance is that of the answers on the scale, and the way to it on top.
    """
    total = tally.answers.sum(axis=-1)
    return answer_distances(tally) + overshoot / (np.where(total > 0, total, 1) * (tally.n_points - 1))


def _add_rows(by_default: Tally, humans: Entries, answers: Entries, shape: Shape) -> Tally:
    """The default counts of rows that weigh 1, with more of them on both sides."""
    of_humans, of_answers = count_entries(humans, *shape), count_entries(answers, *shape)
    return replace(
        by_default,
        humans=by_default.humans + of_humans,
        answers=by_default.answers + of_answers,
        n_responses=by_default.n_responses + of_humans.sum(axis=-1),
        n_effective=by_default.n_effective + of_humans.sum(axis=-1),
        n_answers=by_default.n_answers + of_answers.sum(axis=-1),
    )


def _left_out_sides(rows: Rows, n_points: Ints) -> PublishedSides:
    """The rows of a file that the published scorer compares, and the default treatment leaves out."""
    row = np.flatnonzero(rows.has_response & ~rows.is_valid)
    with_number = row[rows.has_number[row]]
    return PublishedSides(
        humans=Entries(rows.respondent[row], rows.item[row], rows.human_point[row]),
        answers=Entries(rows.respondent[with_number], rows.item[with_number], _on_scale(rows, with_number, n_points)),
        beyond=_beyond(rows, rows.has_response, n_points),
        is_whole=False,
    )


def _whole_sides(rows: Rows, n_points: Ints, weights: Array | None) -> PublishedSides:
    """All rows that the published scorer compares, where rows share weight or persons have some of their own."""
    speaks, weight, has_answer = rows.has_response, None, rows.has_response & rows.has_number
    if rows.askings is not None:
        has_answer |= rows.has_response & rows.askings.is_spread
        speaks, weight = _share_slots(rows.askings, rows.has_response)
    point = _on_scale(rows, np.arange(rows.item.size), n_points)
    beyond = _beyond(rows, has_answer, n_points, weight)
    humans = entries_of(side_of(speaks, rows.human_point), rows.respondent, rows)
    answers = entries_of(answers_side(rows, point, has_answer, weight), rows.respondent, rows)
    if weights is not None:
        humans, answers, beyond = (weigh_entries(entries, weights) for entries in (humans, answers, beyond))
    return PublishedSides(humans, answers, beyond, is_whole=True)


def _on_scale(rows: Rows, row: Ints, n_points: Ints) -> Ints:
    """The points of some rows, those off the scale at its nearer end."""
    return np.clip(rows.point[row], 0, np.take((n_points - 1).astype(np.int16), rows.item[row]))


def _beyond(rows: Rows, is_in: Mask, n_points: Ints, weight: Array | None = None) -> Entries:
    """By how many points the answers off the scale of these rows lie beyond its end."""
    is_counted = is_in[rows.is_off_scale]
    row, point = np.flatnonzero(rows.is_off_scale)[is_counted], rows.off_points[is_counted]
    beyond = np.maximum(-point, point - (n_points[rows.item[row]] - 1))
    return Entries(
        rows.respondent[row], rows.item[row], np.zeros_like(row), beyond if weight is None else beyond * weight[row]
    )


def _share_slots(askings: Askings, is_in: Mask) -> tuple[Mask, Array | None]:
    """Which rows speak for their respondent, and what each row of a run weighs.

    Repeated rows count each time, on both sides, but several samples or orders of an example share its weight.

    A row without an answer keeps its share of the weight, and so takes it away from the side of the answers.
    """
    examples, asking = askings.example[is_in], askings.asking[is_in]
    is_first_row = is_first(examples)
    if is_first_row.all():
        return is_in, None
    # the slot of the first row of each example, found for each of its rows
    order = np.argsort(examples, kind="stable")
    starts = np.flatnonzero(is_first(examples[order]))
    sizes = np.diff(np.append(starts, order.size))
    speaks, weight = np.zeros_like(is_in), np.zeros(is_in.size)
    is_spoken, shared = np.empty(order.size, dtype=bool), np.empty(order.size)
    is_spoken[order] = np.repeat(asking[order][starts], sizes) == asking[order]
    n_slots = np.add.reduceat(is_first(asking[order]), starts, dtype=np.int64)
    shared[order] = np.repeat(1 / n_slots, sizes)
    speaks[is_in], weight[is_in] = is_spoken, shared
    return speaks, None if (n_slots == 1).all() else weight
