"""A tally: how many humans and answers stand on each point of each item's scale, group by group."""

from dataclasses import dataclass

import numpy as np

from worldvaluesbench.distribution import Array, shares_of, wasserstein
from worldvaluesbench.scale import MAX_POINTS
from worldvaluesbench.scoring.askings import Ints
from worldvaluesbench.scoring.baselines import majority_distances, uniform_distances
from worldvaluesbench.scoring.groups import Groups
from worldvaluesbench.scoring.reference import Humans
from worldvaluesbench.scoring.rows import Rows
from worldvaluesbench.scoring.sides import Side, Sides

Shape = tuple[int, int, int]
Counts = Ints | Array
"""Whole numbers, or sums of weights."""


@dataclass(frozen=True)
class Tally:
    """Counts per group, item and scale point, shape (groups, items, 10); points beyond an item's scale hold 0.

    Those of the answers of a run are weights, for its rows share an example. `n_answers`, shape (groups, items): how
    many answers there are. `n_points`: points of each item's scale, shape (items,). Answers scored off the scale are
    counted at its nearer end, and `overshoot`, shape (groups, items), is by how many points they lie beyond it, summed.
    `first_met`, of the shape of the counts: the row at which a human rating was first met (published treatment only).
    """

    humans: Counts
    answers: Counts
    n_answers: Counts
    n_points: Ints
    overshoot: Array
    first_met: Ints | None = None

    @property
    def n_responses(self) -> Counts:
        """How many humans are compared, shape (groups, items)."""
        return np.asarray(self.humans.sum(axis=-1))


def tally_sides(sides: Sides, rows: Rows, humans: Humans, groups: Groups, *, as_published: bool = False) -> Tally:
    """Count both sides of a file or run into the groups of one grouping."""
    shape = (len(groups.labels), len(humans.items), MAX_POINTS)
    cell = _cells(rows, groups, len(humans.items))
    answers = _count(sides.answers, cell, shape)
    are_respondents = humans.marginals is None
    return Tally(
        humans=_count(sides.humans, cell, shape) if humans.marginals is None else humans.marginals[None],
        answers=answers,
        n_answers=answers.sum(axis=-1) if sides.answers.weight is None else _count_rows(sides.answers, cell, shape),
        n_points=humans.n_points,
        overshoot=_count_cells(cell[sides.beyond_row], shape, sides.beyond).astype(np.float64),
        first_met=_first_met(sides.humans, cell, shape) if as_published and are_respondents else None,
    )


def answer_distances(tally: Tally) -> Array:
    """Wasserstein-1 distance of the answers from the humans, shape (groups, items); NaN where a side is empty.

    All humans are on the scale, so an answer beyond an end of it is moved to that end first, whatever else moves:
    the distance is that of the answers on the scale, and the way to it on top.
    """
    on_scale = wasserstein(shares_of(tally.humans), shares_of(tally.answers), tally.n_points)
    total = tally.answers.sum(axis=-1)
    return on_scale + tally.overshoot / (np.where(total > 0, total, 1) * (tally.n_points - 1))


def baseline_distances(tally: Tally) -> tuple[Array, Array]:
    """Distances of the uniform and of the majority baseline from the humans, each of shape (groups, items)."""
    return (
        uniform_distances(tally.humans, tally.n_points),
        majority_distances(tally.humans, tally.n_points, tally.first_met),
    )


def _cells(rows: Rows, groups: Groups, n_items: int) -> Ints:
    """The cell of each row: group times items plus item. Whoever is in no group is in one after the last."""
    group = groups.of_respondents(rows.respondent)
    if group is None:
        return rows.item.astype(np.int32)
    return np.where(group < 0, len(groups.labels), group) * n_items + rows.item


def _count(side: Side, cell: Ints, shape: Shape) -> Counts:
    """Count the entries of a side, or sum their weights, by cell and point into an array of this shape."""
    cells = cell if side.row is None else cell[side.row]
    n_bins = int(np.prod(shape))
    counts = np.bincount(cells * MAX_POINTS + side.point, weights=side.weight, minlength=n_bins)
    return counts[:n_bins].reshape(shape)


def _count_rows(side: Side, cell: Ints, shape: Shape) -> Counts:
    """How many rows stand on a side, by cell, shape (groups, items)."""
    return _count_cells(cell[side.is_in], shape)


def _count_cells(cells: Ints, shape: Shape, weight: Array | None = None) -> Counts:
    n_cells = shape[0] * shape[1]
    return np.bincount(cells, weights=weight, minlength=n_cells)[:n_cells].reshape(shape[:2])


def _first_met(side: Side, cell: Ints, shape: Shape) -> Ints:
    """The first row at which each point of each cell occurs."""
    first = np.full((shape[0] + 1, *shape[1:]), np.iinfo(np.int64).max)
    row = np.arange(cell.size) if side.row is None else side.row
    bins = cell[row] * MAX_POINTS + side.point
    # of several values put in one place numpy keeps the last, so rows go in from the end
    first.reshape(-1)[bins[::-1]] = row[::-1]
    return first[:-1]
