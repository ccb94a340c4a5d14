"""`human`: for each example the response of another respondent of the same group, drawn at random."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.baselines._respondents import Level, Members, Respondents
from worldvaluesbench.planning import Rows
from worldvaluesbench.survey import Item


def draw_ratings(
    donors: Respondents, item: Item, rows: Rows, levels: Sequence[Level], *, rng: np.random.Generator
) -> NDArray[np.int8]:
    """For each of these respondents the rating that a donor of the same group gave, shape (rows,).

    Of the finest group in which any donor has a response to the item. Within a group each donor is drawn once before
    any is drawn again; with weights, the order is drawn in proportion to them (Efraimidis & Spirakis 2006, Information
    Processing Letters 97, 181-185).

    Raises DatasetError where no donor has a response to the item.
    """
    given, _, points = donors.responses_to(item)
    waits = rng.exponential(size=points.size)
    if given.weights is not None:
        waits = waits / given.weights
    order = np.argsort(waits, kind="stable")
    donor_rows, points = given.rows[order], points[order]
    drawn = np.full(rows.size, -1, dtype=np.int64)
    population = np.zeros(int(donors.dataset.manifest["n_respondents"]), dtype=np.int32)
    for member in (*(level.member for level in reversed(levels)), population):
        open_ = np.flatnonzero(drawn < 0)
        drawn[open_] = _draw_within(member[rows[open_]], member[donor_rows])
    return (points[drawn] + item.scale.low).astype(np.int8)


def _draw_within(wanted: Members, given: Members) -> NDArray[np.int64]:
    """For each wanted group the place of its next donor, in turn; -1 where the group has none."""
    by_group = np.argsort(given, kind="stable")
    by_group = by_group[given[by_group] >= 0]
    n_groups = int(max(wanted.max(initial=-1), given.max(initial=-1))) + 1
    size = np.bincount(given[by_group], minlength=n_groups)
    first = np.cumsum(size) - size
    order = np.argsort(wanted, kind="stable")
    n_wanted = np.bincount(wanted + 1)
    turn = np.empty(wanted.size, dtype=np.int64)
    turn[order] = np.arange(wanted.size) - np.repeat(np.cumsum(n_wanted) - n_wanted, n_wanted)
    has_donor = (wanted >= 0) & (np.append(size, 0)[wanted] > 0)
    group = wanted[has_donor]
    found = np.full(wanted.size, -1, dtype=np.int64)
    found[has_donor] = by_group[first[group] + turn[has_donor] % size[group]]
    return found
