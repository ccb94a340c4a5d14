"""Single persons: how well the response of each person is met, beside how well their distribution is.

Every example is judged by the shares p that were given to its points: all on one point for a rating, those of a
distribution, or of several samples together. The same is asked of two baselines that know the humans of the cell.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import polars as pl
import polars.selectors as selectors
from numpy.typing import NDArray

from worldvaluesbench.scoring.measure._pairing import Panel, cells_of, count_entries
from worldvaluesbench.scoring.measure._summary import ANSWERS
from worldvaluesbench.scoring.sources import MAJORITY, UNIFORM
from worldvaluesbench.stats import MAX_POINTS, NORMAL, Array, Ints, Mask

LEAST_SHARE = 1e-6
"""A share below this counts as this in a log loss, which would be infinite for a share of 0."""

MEASURES = {
    "accuracy": "share of examples whose most probable point is the response; of t equally probable ones it counts 1/t",
    "expected_accuracy": "mean share on the response: accuracy of ratings drawn from the shares",
    "absolute_error": "mean distance in positions between answer and response, expected over the shares",
    "log_loss": "mean of -ln of the share on the response, for distributions alone",
}

Schema = dict[str, pl.DataType | type[pl.DataType]]

AT_ONCE = 2**18
"""Examples are judged so many at a time."""


@dataclass(frozen=True)
class Judged:
    """What is said of each example, arrays of shape (examples,), by measure; None where a measure says nothing.

    `is_clipped`: whether the share on the response was too small for a log loss; None: nowhere.
    """

    values: dict[str, Array | None]
    is_clipped: Mask | None


def judge_answers(panel: Panel) -> Judged:
    """Every example of a panel of respondents, in its order there, by the answers."""
    return _judge_alike(panel) if _is_alike(panel) else _judge_shares(panel)


def judge_baselines(panel: Panel) -> Iterator[tuple[str, Judged]]:
    """The same by each baseline.

    They know the humans of all examples of an item, and so are no predictions: `uniform` gives every point the same
    share, `majority` all to the most frequent response.
    """
    examples = panel.examples
    # what a baseline says of a response depends on the item and the response alone
    place = examples.item.astype(np.int64) * MAX_POINTS + examples.point
    for name, table in ((UNIFORM, _uniform_table(panel)), (MAJORITY, _majority_table(panel))):
        taken = {id(values): values.ravel()[place] for values in table if values is not None}
        yield name, _judged(*(None if values is None else taken[id(values)] for values in table))


def person_tables(
    panel: Panel, answers: Judged, member: NDArray[np.int64] | None, is_shown: Mask, level: float
) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
    """For each answerer: a row for every cell (group by group, item by item), and a row for every group over its items.

    `answers` is what `judge_answers` says. `is_shown`, shape (groups, items): which cells have numbers, if they have an
    example. Intervals are by the normal approximation. For a mean over items they count every person once, with all
    examples of that person together.
    """
    cells = _cells_of_examples(panel, member, is_shown)
    for name, judged in chain([(ANSWERS, answers)], judge_baselines(panel)):
        yield name, *_tables(panel, judged, cells, NORMAL.inv_cdf((1 + level) / 2))


def no_person_tables() -> tuple[pl.DataFrame, pl.DataFrame]:
    """The columns of both tables, without a row: those of a reference in which nobody is known."""
    values: Schema = {f"{name}{end}": pl.Float64 for name in MEASURES for end in ("", "_low", "_high")}
    counts: Schema = {"n": pl.Int64, "n_clipped": pl.Int64}
    return pl.DataFrame(schema=counts | values), pl.DataFrame(schema={"n_items": pl.Int64} | counts | values)


@dataclass(frozen=True)
class _Cells:
    """Which cell each example is in (n_cells: none), which cells are shown, and the group of each person (-1: none)."""

    cell: Ints
    is_shown: Mask
    group: Ints
    n: Ints
    total: Array

    @property
    def n_cells(self) -> int:
        return self.is_shown.size

    def sum(self, values: Array) -> Array:
        """Sums by cell, shape (cells,)."""
        return np.bincount(self.cell, weights=values, minlength=self.n_cells + 1)[: self.n_cells].astype(np.float64)


def _cells_of_examples(panel: Panel, member: NDArray[np.int64] | None, is_shown: Mask) -> _Cells:
    found = cells_of(panel.examples, member, *is_shown.shape)
    cell = np.where((found < is_shown.size), found, is_shown.size)
    cell = np.where(np.append(is_shown.ravel(), False)[cell], cell, is_shown.size)
    n = np.bincount(cell, minlength=is_shown.size + 1)[:-1]
    total = np.bincount(cell, weights=panel.examples.weight, minlength=is_shown.size + 1)[:-1].astype(np.float64)
    group = np.zeros(panel.n_people, dtype=np.int64) if member is None else member
    return _Cells(cell, is_shown & (n > 0).reshape(is_shown.shape), group, n, total)


def _is_alike(panel: Panel) -> bool:
    """Whether each example has one rating, in the order of the examples."""
    answers, examples = panel.answers, panel.examples
    if answers.is_row is not None or answers.size != examples.size or panel.is_stated:
        return False
    return np.array_equal(answers.item, examples.item) and np.array_equal(answers.person, examples.person)


def _judge_alike(panel: Panel) -> Judged:
    answers, examples = panel.answers, panel.examples
    apart = np.abs(answers.point - examples.point)
    hit = (apart == 0).astype(np.float64)
    return _judged(hit, hit, apart / (panel.n_points[examples.item] - 1), None)


def _uniform_table(panel: Panel) -> tuple[Array, Array, Array, Array]:
    """What the uniform baseline says of each item and response, shape (items, 10)."""
    n = panel.n_points[:, None].astype(np.float64)
    point = np.arange(MAX_POINTS)
    away: Array = (np.abs(point - point[:, None]) * (point < n[..., None])).sum(axis=-1) / n / (n - 1)
    even = np.repeat(1 / n, MAX_POINTS, axis=1)
    return even, even, away, -np.log(even)


def _majority_table(panel: Panel) -> tuple[Array, Array, Array, None]:
    """What the majority baseline says of each item and response, shape (items, 10)."""
    mode = np.argmax(count_entries(panel.examples, None, 1, panel.n_items)[0], axis=-1)[:, None]
    point = np.arange(MAX_POINTS)
    hit = (mode == point).astype(np.float64)
    away = np.abs(mode - point) / (panel.n_points[:, None] - 1)
    return hit, hit, away, None


def _judge_shares(panel: Panel) -> Judged:
    """The examples by the shares that the answers to them give."""
    examples, answers = panel.examples, panel.answers
    key = examples.item.astype(np.int64) * panel.n_people + examples.person
    order = np.argsort(key, kind="stable")
    place = np.searchsorted(key[order], answers.item.astype(np.int64) * panel.n_people + answers.person)
    by_example = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[by_example], np.arange(key.size + 1))
    parts = []
    for first in range(0, key.size, AT_ONCE):
        last = min(first + AT_ONCE, key.size)
        which = by_example[starts[first] : starts[last]]
        flat = (place[which] - first) * MAX_POINTS + answers.point[which]
        weight = None if answers.weight is None else answers.weight[which]
        sums = np.bincount(flat, weights=weight, minlength=(last - first) * MAX_POINTS).astype(np.float64)
        chosen = order[first:last]
        response, n_points = examples.point[chosen], panel.n_points[examples.item[chosen]]
        parts.append(_judge(sums.reshape(-1, MAX_POINTS), response, n_points, panel.is_stated))
    if not parts:
        none = np.empty(0)
        return _judged(none, none, none, None)
    back = np.argsort(order)
    columns = zip(*((*part.values.values(), part.is_clipped) for part in parts), strict=True)
    *values, clipped = (None if column[0] is None else np.concatenate(column)[back] for column in columns)
    return _judged(*values, is_clipped=clipped)


def _judge(weights: Array, response: Ints, n_points: Ints, is_stated: bool) -> Judged:
    """Examples with these weights on their points, shape (examples, 10)."""
    shares = weights / weights.sum(axis=1, keepdims=True)
    top = shares.max(axis=1, keepdims=True)
    is_top = shares >= top - 1e-9
    row = np.arange(response.size)
    on_response = shares[row, response]
    hit = is_top[row, response] / is_top.sum(axis=1)
    away = np.abs(np.arange(MAX_POINTS) - response[:, None]) / (n_points - 1)[:, None]
    loss = -np.log(np.maximum(on_response, LEAST_SHARE)) if is_stated else None
    is_clipped = on_response < LEAST_SHARE if is_stated else None
    return _judged(hit, on_response, (shares * away).sum(axis=1), loss, is_clipped=is_clipped)


def _judged(*values: Array | None, is_clipped: Mask | None = None) -> Judged:
    return Judged(dict(zip(MEASURES, values, strict=True)), is_clipped)


def _tables(panel: Panel, judged: Judged, cells: _Cells, width: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    shape, n_items = cells.is_shown.shape, cells.is_shown.sum(axis=1)
    clipped = np.zeros(cells.n_cells) if judged.is_clipped is None else cells.sum(judged.is_clipped.astype(np.float64))
    counts = {"n": cells.n, "n_clipped": clipped.astype(np.int64)}
    per_cell: dict[str, Array | Ints] = dict(counts)
    per_group: dict[str, Array | Ints] = {"n_items": n_items}
    per_group |= {name: found.reshape(shape).sum(axis=1) for name, found in counts.items()}
    done: dict[int, tuple[Array, ...]] = {}
    for name, values in judged.values.items():
        if id(values) not in done:
            done[id(values)] = _means(panel, values, cells, n_items)
        mean, spread, of_group, error = done[id(values)]
        per_cell |= _with_ends(name, mean, width * spread)
        per_group |= _with_ends(name, of_group, width * error)
    return _frame(per_cell), _frame(per_group)


def _means(panel: Panel, values: Array | None, cells: _Cells, n_items: Ints) -> tuple[Array, ...]:
    """Means by cell and their standard errors, means over the items of each group and theirs."""
    shape, weight = cells.is_shown.shape, panel.examples.weight
    if values is None:
        none = np.full(cells.n_cells, np.nan)
        return none, none, none[: shape[0]], none[: shape[0]]
    mean = _by(cells.sum(values if weight is None else weight * values), cells.total)
    # people in no cell stand at the end, where there is nothing to be far from
    total = np.append(cells.total, np.inf)[cells.cell]
    influence = (values - np.append(np.nan_to_num(mean), 0)[cells.cell]) / total
    if weight is not None:
        influence *= weight
    spread = np.sqrt(cells.sum(influence**2) * _by(cells.n, cells.n - 1))
    of_group = _by(np.nan_to_num(mean).reshape(shape).sum(axis=1), n_items)
    return mean, spread, of_group, _spread_of_means(panel, influence, cells, n_items)


def _spread_of_means(panel: Panel, influence: Array, cells: _Cells, n_items: Ints) -> Array:
    """The standard error of the mean over items of each group: what each person does to it, squared and summed."""
    person = panel.examples.person
    of_person = np.bincount(person, weights=influence, minlength=panel.n_people)
    is_in = np.bincount(person[cells.cell < cells.n_cells], minlength=panel.n_people) > 0
    group = np.where(is_in, cells.group, -1) + 1
    n_people = np.bincount(group, minlength=n_items.size + 1)[1:]
    squares = np.bincount(group, weights=of_person**2, minlength=n_items.size + 1)[1:]
    return np.sqrt(squares * _by(n_people, n_people - 1)) / np.where(n_items > 0, n_items, np.nan)


def _by(part: Array | Ints, whole: Array | Ints) -> Array:
    """Part by whole; NaN where the whole is nothing."""
    found: Array = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.nan_to_num(whole) > 0)
    return found


def _with_ends(name: str, value: Array, half: Array) -> dict[str, Array]:
    """A measure with its interval, no end of which lies beyond what the measure can be."""
    most = np.inf if name == "log_loss" else 1
    return {name: value, f"{name}_low": np.maximum(value - half, 0), f"{name}_high": np.minimum(value + half, most)}


def _frame(columns: dict[str, Array | Ints]) -> pl.DataFrame:
    frame = pl.DataFrame(columns)
    return frame.with_columns(selectors.float().fill_nan(None), selectors.integer().cast(pl.Int64))
