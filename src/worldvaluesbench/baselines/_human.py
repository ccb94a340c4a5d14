"""`human`: for each example the response of another person of the same group, drawn at random."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.baselines._chain import Level, Members
from worldvaluesbench.baselines._people import People
from worldvaluesbench.planning import Rows
from worldvaluesbench.survey import Item

Ratings = NDArray[np.int8]


def draw_ratings(
    people: People, item: Item, rows: Rows, levels: Sequence[Level], *, rng: np.random.Generator
) -> Ratings:
    """For each of these respondents the rating that one of the people gave, of the same group, shape (rows,).

    Of the finest group in which anybody of the people has a response to the item. Within a group everybody is drawn
    once before anybody is drawn again; with weights, who comes next is drawn in proportion to them (Efraimidis &
    Spirakis 2006, Information Processing Letters 97, 181-185).

    Raises DatasetError where nobody has a response to the item.
    """
    who, points = people.responses_to(item)
    weights = people.weights_of(who)
    waits = rng.exponential(size=who.size) if weights is None else rng.exponential(size=who.size) / weights
    in_turn = np.argsort(waits, kind="stable")
    donors, points = people.rows[who[in_turn]], points[in_turn]
    drawn = np.full(rows.size, -1, dtype=np.int64)
    everybody = np.zeros(int(people.dataset.manifest["n_respondents"]), dtype=np.int32)
    for member in (*(level.member for level in reversed(levels)), everybody):
        open_ = np.flatnonzero(drawn < 0)
        drawn[open_] = _draw_within(member[rows[open_]], member[donors])
    return (points[drawn] + item.scale.low).astype(np.int8)


def _draw_within(wanted: Members, given: Members) -> NDArray[np.int64]:
    """For each wanted group the place of the next giver of that group; -1 where it has none. Givers stand in turn."""
    by_group = np.argsort(given, kind="stable")
    by_group = by_group[given[by_group] >= 0]
    n_groups = int(max(wanted.max(initial=-1), given.max(initial=-1))) + 1
    size = np.bincount(given[by_group], minlength=n_groups)
    first = np.cumsum(size) - size
    turn = _turn_of(wanted)
    found = np.full(wanted.size, -1, dtype=np.int64)
    has_giver = (wanted >= 0) & (np.append(size, 0)[wanted] > 0)
    group = wanted[has_giver]
    found[has_giver] = by_group[first[group] + turn[has_giver] % size[group]]
    return found


def _turn_of(groups: Members) -> NDArray[np.int64]:
    """How many of the same group stand before each."""
    order = np.argsort(groups, kind="stable")
    counts = np.bincount(groups + 1)
    starts = np.cumsum(counts) - counts
    turn = np.empty(groups.size, dtype=np.int64)
    turn[order] = np.arange(groups.size) - np.repeat(starts, counts)
    return turn
