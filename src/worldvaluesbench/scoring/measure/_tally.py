"""A tally: how much weight of humans and of answers stands on each point of each item's scale, group by group."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.benchmark import effective_n
from worldvaluesbench.scoring.measure._pairing import Entries, Panel, cells_of, count_cells, count_entries
from worldvaluesbench.stats import Array, Ints, harmonic_n, noise_floor, sampling_distance, shares_of, wasserstein

Counts = Ints | Array
"""Whole numbers, or sums of weights."""


@dataclass(frozen=True)
class Tally:
    """Counts per group, item and scale point, shape (groups, items, 10); points beyond an item's scale hold 0.

    With survey weights, and on the side of the answers of a run, they are sums of weights. Of shape (groups, items):
    `n_responses`, `n_answers` and `n_examples`, how many there are (an example may have several answers); `n_effective`
    and `n_effective_examples`, Kish's effective numbers of humans and of people answered for; `n_missing`, `missing`
    and `missing_humans` (..., 10), examples without an answer: their number, weight and human responses; `n_refusals`
    and `refusals`, number and weight of humans who refused; `for_refusers` (..., 10) and `missing_for_refusers`, the
    answers given for them, and the weight of those without. `n_points`: points of each item's scale, shape (items,).
    """

    humans: Counts
    answers: Counts
    n_responses: Counts
    n_answers: Counts
    n_examples: Counts
    n_effective: Array
    n_effective_examples: Array
    n_missing: Counts
    missing: Counts
    missing_humans: Counts
    n_refusals: Counts
    refusals: Counts
    for_refusers: Counts
    missing_for_refusers: Counts
    n_points: Ints


def tally_panel(panel: Panel, member: NDArray[np.int64] | None, n_groups: int) -> Tally:
    """Count both sides of a panel into groups; `member` is the group of each person (None: all are in one)."""
    shape = member, n_groups, panel.n_items
    answers = count_entries(panel.answers, *shape)
    is_counted = panel.answers.weight is None and panel.answers.is_row is None
    n_answers = answers.sum(axis=-1) if is_counted else _count_rows(panel.answers, *shape)
    examples, n_examples, n_effective_examples = _weigh(panel.examples, *shape)
    if panel.marginals is not None:
        humans, n_responses, n_effective = _weigh_world(panel.marginals)
    elif panel.humans is panel.examples:
        humans, n_responses, n_effective = examples, n_examples, n_effective_examples
    else:
        humans, n_responses, n_effective = _weigh(panel.humans, *shape)
    if panel.answers.completion is not None:
        n_effective_examples = _effective_completions(panel.answers, *shape)
    missing_humans = count_entries(panel.missing, *shape)
    return Tally(
        humans=humans,
        answers=answers,
        n_responses=n_responses,
        n_answers=n_answers,
        n_examples=n_examples,
        n_effective=n_effective,
        n_effective_examples=n_effective_examples,
        n_missing=count_cells(panel.missing, *shape),
        missing=missing_humans.sum(axis=-1),
        missing_humans=missing_humans,
        n_refusals=count_cells(panel.human_refusals, *shape),
        refusals=count_entries(panel.human_refusals, *shape).sum(axis=-1),
        for_refusers=count_entries(panel.for_refusers, *shape),
        missing_for_refusers=count_entries(panel.missing_for_refusers, *shape).sum(axis=-1),
        n_points=panel.n_points,
    )


def floors_of(tally: Tally, *, is_stated: bool = False) -> Array:
    """The noise floor of each cell, (groups, items): the distance that a perfect source of its kind would have.

    Of ratings it is that of two samples of respondents, as large as the two sides; of sources that state probabilities
    (`is_stated`), which add no noise of their own, that of the one sample of humans from its population.
    """
    shares = shares_of(tally.humans)
    if is_stated:
        return sampling_distance(shares, tally.n_effective, tally.n_points, n_shares=tally.n_effective)
    n = harmonic_n(tally.n_effective, tally.n_effective_examples)
    return noise_floor(shares, n, tally.n_points, n_shares=tally.n_effective)


def answer_distances(tally: Tally) -> Array:
    """Wasserstein-1 distance of the answers from the humans, shape (groups, items); NaN where a side is empty."""
    return wasserstein(shares_of(tally.humans), shares_of(tally.answers), tally.n_points)


def _weigh(
    entries: Entries, member: NDArray[np.int64] | None, n_groups: int, n_items: int
) -> tuple[Counts, Counts, Array]:
    """Weights of entries by cell and point, numbers and effective numbers by cell."""
    counts = count_entries(entries, member, n_groups, n_items)
    if entries.weight is None:
        n = counts.sum(axis=-1)
        return counts, n, n.astype(np.float64)
    squares = count_cells(entries, member, n_groups, n_items, weight=entries.weight**2)
    n_effective = effective_n(counts.sum(axis=-1).astype(np.float64), squares.astype(np.float64))
    return counts, count_cells(entries, member, n_groups, n_items), n_effective


def _effective_completions(entries: Entries, member: NDArray[np.int64] | None, n_groups: int, n_items: int) -> Array:
    """Kish's effective number of independent answers by cell, (groups, items).

    All answers given for one respondent alone are one, and each completion that several share is one.
    """
    assert entries.completion is not None
    cell = cells_of(entries, member, n_groups, n_items).astype(np.int64)
    most = max(int(entries.person.max(initial=0)), int(entries.completion.max(initial=0))) + 1
    unit = np.where(entries.completion < 0, entries.person, most + entries.completion)
    keys, place = np.unique(cell * (2 * most) + unit, return_inverse=True)
    of_unit: Array = np.bincount(place, weights=entries.weights).astype(np.float64)
    at, n_cells = keys // (2 * most), n_groups * n_items
    sums, squares = (
        np.bincount(at, weights=of_unit**k, minlength=n_cells)[:n_cells].astype(np.float64) for k in (1, 2)
    )
    return effective_n(sums, squares).reshape(n_groups, n_items)


def _weigh_world(marginals: Ints) -> tuple[Counts, Counts, Array]:
    n = marginals.sum(axis=-1)[None]
    return marginals[None], n, n.astype(np.float64)


def _count_rows(entries: Entries, member: NDArray[np.int64] | None, n_groups: int, n_items: int) -> Counts:
    """How many rows of the source there are, by cell."""
    rows = entries if entries.is_row is None else entries.select(entries.is_row)
    return count_cells(rows, member, n_groups, n_items)
