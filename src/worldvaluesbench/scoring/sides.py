"""The two sides that are compared: which rows speak for the humans, which stand for the answers, with what weight.

An example, an item asked for a respondent, weighs 1 on each side. On that of the answers the rows of a run that hold
an answer to it share that weight, be they samples, orders or both; each puts its share on one point, or spreads it
over the points as its distribution says.
"""

from dataclasses import dataclass

import numpy as np

from worldvaluesbench.distribution import Array
from worldvaluesbench.scoring.askings import Askings, Ints, Mask, is_first, n_alike
from worldvaluesbench.scoring.reference import Humans
from worldvaluesbench.scoring.rows import Rows


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
    """Both sides. As published, answers off the scale stand at its nearer end, and have a way to go beyond it.

    `beyond_row`, `beyond`, shape (such answers,): their rows, and by how many points they lie beyond, weighted.
    """

    humans: Side
    answers: Side
    beyond_row: Ints
    beyond: Array


def find_sides(rows: Rows, humans: Humans, *, as_published: bool = False) -> Sides:
    """The sides of a file or run.

    By default the answers that count, and the respondents with one that does. As published: all respondents who gave
    a response, and all answers with a number or distribution for them, whatever the others of the example hold.
    """
    if as_published:
        return _published_sides(rows, humans)
    speaks, weight = rows.is_valid, None
    if rows.askings is not None:
        speaks, weight = _share_examples(rows.askings, rows.is_valid)
    none = np.empty(0, dtype=np.int64)
    answers = _answers_side(rows, rows.point, rows.is_valid, weight)
    return Sides(_side(speaks, rows.human_point), answers, none, none.astype(np.float64))


def share_answers(rows: Rows, is_in: Mask) -> Side:
    """The side of the answers of some rows; those of one example share its weight."""
    weight = None if rows.askings is None else _share_examples(rows.askings, is_in)[1]
    return _answers_side(rows, rows.point, is_in, weight)


def _published_sides(rows: Rows, humans: Humans) -> Sides:
    speaks, weight, is_in = rows.has_response, None, rows.has_response & rows.has_number
    if rows.askings is not None:
        is_in |= rows.has_response & rows.askings.is_spread
        speaks, weight = _share_slots(rows.askings, rows.has_response)
    point = np.clip(rows.point, 0, np.take((humans.n_points - 1).astype(np.int16), rows.item))
    is_counted = is_in[rows.is_off_scale]
    off, off_point = np.flatnonzero(rows.is_off_scale)[is_counted], rows.off_points[is_counted]
    beyond = np.maximum(-off_point, off_point - (humans.n_points[rows.item[off]] - 1))
    return Sides(
        humans=_side(speaks, rows.human_point),
        answers=_answers_side(rows, point, is_in, weight),
        beyond_row=off,
        beyond=beyond if weight is None else beyond * weight[off],
    )


def _share_examples(askings: Askings, is_in: Mask) -> tuple[Mask, Array | None]:
    """Which rows speak for their respondent, one an example, and what each row weighs: rows alike share 1."""
    examples = askings.example[is_in]
    is_first_row = is_first(examples)
    if is_first_row.all():
        return is_in, None
    speaks, weight = np.zeros_like(is_in), np.zeros(is_in.size)
    speaks[is_in], weight[is_in] = is_first_row, 1 / n_alike(examples)
    return speaks, weight


def _share_slots(askings: Askings, is_in: Mask) -> tuple[Mask, Array | None]:
    """The same as published: repeated rows count each time, on both sides, but several samples or orders only once.

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


def _side(is_in: Mask, point: Ints, weight: Array | None = None) -> Side:
    if is_in.all():
        return Side(is_in, None, point, weight)
    row = np.flatnonzero(is_in)
    return Side(is_in, row, point[row], None if weight is None else weight[row])


def _answers_side(rows: Rows, point: Ints, is_in: Mask, weight: Array | None) -> Side:
    """The side of the answers; rows with a distribution have an entry for each point."""
    if rows.askings is None or not rows.askings.is_spread.any():
        return _side(is_in, point, weight)
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
