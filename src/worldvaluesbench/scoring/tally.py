"""A tally: how many humans and answers stand on each point of each item's scale, group by group."""

from dataclasses import dataclass

import numpy as np

from worldvaluesbench.distribution import Array, shares_of, wasserstein
from worldvaluesbench.scale import MAX_POINTS
from worldvaluesbench.scoring.baselines import majority_distances, uniform_distances
from worldvaluesbench.scoring.groups import Groups
from worldvaluesbench.scoring.reference import Humans
from worldvaluesbench.scoring.rows import Ints, Mask, Rows

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Tally:
    """Counts per group, item and scale point, shape (groups, items, 10); points beyond an item's scale hold 0.

    `n_points`: points of each item's scale, shape (items,). Answers scored off the scale are counted at its nearer
    end, and `overshoot`, shape (groups, items), is by how many points they lie beyond it, summed. `first_met`, of the
    shape of the counts: the row at which a human rating was first met (published treatment only).
    """

    humans: Ints
    answers: Ints
    n_points: Ints
    overshoot: Array
    first_met: Ints | None = None

    @property
    def n_responses(self) -> Ints:
        """How many humans are compared, shape (groups, items)."""
        return np.asarray(self.humans.sum(axis=-1))

    @property
    def n_answers(self) -> Ints:
        """How many answers they are compared with, shape (groups, items)."""
        return np.asarray(self.answers.sum(axis=-1))


def tally_rows(rows: Rows, humans: Humans, groups: Groups, *, as_published: bool = False) -> Tally:
    """Count the rows of a file of answers into the groups of one grouping."""
    shape = (len(groups.labels), len(humans.items), MAX_POINTS)
    speaks, answers = _sides(rows, as_published=as_published)
    group = groups.of_respondents(rows.respondent)
    if group is None:
        cell = rows.item.astype(np.int32)
    else:
        cell = group * len(humans.items) + rows.item
        speaks, answers = speaks & (group >= 0), answers & (group >= 0)
    return Tally(
        humans=_count(cell, rows.human_point, speaks, shape) if humans.marginals is None else humans.marginals[None],
        answers=_count(cell, _nearest_points(rows, humans) if as_published else rows.point, answers, shape),
        n_points=humans.n_points,
        overshoot=_overshoot(rows, humans, cell, answers, shape),
        first_met=_first_met(cell, rows.human_point, speaks, shape)
        if as_published and humans.marginals is None
        else None,
    )


def answer_distances(tally: Tally) -> Array:
    """Wasserstein-1 distance of the answers from the humans, shape (groups, items); NaN where a side is empty.

    All humans are on the scale, so an answer beyond an end of it is moved to that end first, whatever else moves:
    the distance is that of the answers on the scale, and the way to it on top.
    """
    on_scale = wasserstein(shares_of(tally.humans), shares_of(tally.answers), tally.n_points)
    return on_scale + tally.overshoot / (np.maximum(tally.n_answers, 1) * (tally.n_points - 1))


def baseline_distances(tally: Tally) -> tuple[Array, Array]:
    """Distances of the uniform and of the majority baseline from the humans, each of shape (groups, items)."""
    return (
        uniform_distances(tally.humans, tally.n_points),
        majority_distances(tally.humans, tally.n_points, tally.first_met),
    )


def _sides(rows: Rows, *, as_published: bool) -> tuple[Mask, Mask]:
    """Which rows stand on the human side, and which on the side of the answers."""
    if not as_published:
        return rows.is_valid, rows.is_valid
    return rows.has_response, rows.has_response & rows.has_number


def _count(cell: Ints, point: Ints, is_in: Mask, shape: Shape) -> Ints:
    """Count the rows that are in, by cell (group times items plus item) and point, into an array of this shape."""
    if not is_in.all():
        cell, point = cell[is_in], point[is_in]
    return np.bincount(cell * MAX_POINTS + point, minlength=int(np.prod(shape))).reshape(shape)


def _nearest_points(rows: Rows, humans: Humans) -> Ints:
    """The points of the scores, those off the scale moved to its nearer end."""
    highest = (humans.n_points - 1).astype(np.int16)
    return np.clip(rows.point, 0, np.take(highest, rows.item))


def _overshoot(rows: Rows, humans: Humans, cell: Ints, answers: Mask, shape: Shape) -> Array:
    """By how many points the answers lie beyond their scale, summed over the rows of a cell."""
    is_counted = answers[rows.is_off_scale]
    off, point = np.flatnonzero(rows.is_off_scale)[is_counted], rows.off_points[is_counted]
    beyond = np.maximum(-point, point - (humans.n_points[rows.item[off]] - 1))
    return np.bincount(cell[off], weights=beyond, minlength=shape[0] * shape[1]).reshape(shape[:2]).astype(np.float64)


def _first_met(cell: Ints, point: Ints, is_in: Mask, shape: Shape) -> Ints:
    """The first row at which each point of each cell occurs."""
    first = np.full(shape, np.iinfo(np.int64).max)
    rows = np.flatnonzero(is_in)
    bins = cell[rows] * MAX_POINTS + point[rows]
    # of several values put in one place numpy keeps the last, so rows go in from the end
    first.reshape(-1)[bins[::-1]] = rows[::-1]
    return first
