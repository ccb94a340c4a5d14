"""The two sides that are compared: which rows speak for the humans, which stand for the answers, with what weight.

An example, an item asked for a respondent, weighs 1 on each side. On that of the answers the rows of a run that hold
an answer to it share that weight, be they samples, orders or both; each puts its share on one point, or spreads it
over the points as its distribution says.
"""

from dataclasses import dataclass

import numpy as np

from worldvaluesbench.scoring.measure._repeats import Askings, is_first, n_alike
from worldvaluesbench.scoring.sources import Rows
from worldvaluesbench.stats import Array, Ints, Mask


@dataclass(frozen=True)
class Side:
    """One side as entries of shape (entries,): the row of each, its point from 0, its weight.

    `row` None: each row is one entry, in order. `weight` None: each entry weighs 1. `is_in`, shape (rows,): which rows
    have entries.
    """

    is_in: Mask
    row: Ints | None
    point: Ints
    weight: Array | None = None


@dataclass(frozen=True)
class Sides:
    """Both sides."""

    humans: Side
    answers: Side


def find_sides(rows: Rows) -> Sides:
    """The sides of a file or run: the answers that count, and the respondents with one that does."""
    speaks, weight = rows.is_valid, None
    if rows.askings is not None:
        speaks, weight = _share_examples(rows.askings, rows.is_valid)
    return Sides(side_of(speaks, rows.human_point), answers_side(rows, rows.point, rows.is_valid, weight))


def share_answers(rows: Rows, is_in: Mask) -> Side:
    """The side of the answers of some rows; those of one example share its weight."""
    weight = None if rows.askings is None else _share_examples(rows.askings, is_in)[1]
    return answers_side(rows, rows.point, is_in, weight)


def _share_examples(askings: Askings, is_in: Mask) -> tuple[Mask, Array | None]:
    """Which rows speak for their respondent, one an example, and what each row weighs: rows alike share 1."""
    examples = askings.example[is_in]
    is_first_row = is_first(examples)
    if is_first_row.all():
        return is_in, None
    speaks, weight = np.zeros_like(is_in), np.zeros(is_in.size)
    speaks[is_in], weight[is_in] = is_first_row, 1 / n_alike(examples)
    return speaks, weight


def side_of(is_in: Mask, point: Ints, weight: Array | None = None) -> Side:
    """The side of the rows that are in it, with one entry for each; `point` and `weight` are those of all rows."""
    if is_in.all():
        return Side(is_in, None, point, weight)
    row = np.flatnonzero(is_in)
    return Side(is_in, row, point[row], None if weight is None else weight[row])


def answers_side(rows: Rows, point: Ints, is_in: Mask, weight: Array | None) -> Side:
    """The side of the answers; rows with a distribution have an entry for each point."""
    if rows.askings is None or not rows.askings.is_spread.any():
        return side_of(is_in, point, weight)
    spread = rows.askings.spread
    row, of_spread, share = spread.row, spread.point, spread.share
    if not is_in.all():
        kept = is_in[row]
        row, of_spread, share = row[kept], of_spread[kept], share[kept]
    on_point = np.flatnonzero(is_in & ~rows.askings.is_spread)
    if on_point.size:
        row = np.concatenate([on_point, row])
        of_spread = np.concatenate([point[on_point], of_spread])
        share = np.concatenate([np.ones(on_point.size), share])
    return Side(is_in, row, of_spread, share if weight is None else share * weight[row])
