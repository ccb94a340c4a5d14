"""Panels of invented people without a dataset: a few lines of arrays from which distances and intervals are made."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compared import Compared, compare_groups
from worldvaluesbench.scoring.compare._disparity import GroupMeans
from worldvaluesbench.scoring.measure._bootstrap import Design
from worldvaluesbench.scoring.measure._pairing import NOBODY, Entries, Panel
from worldvaluesbench.scoring.sources._groups import POOLED, Groups
from worldvaluesbench.stats._distribution import Array

Points = NDArray[np.int64]


def ratings(points: ArrayLike) -> Entries:
    """One entry for each person and item of points (people, items); -1: none."""
    table = np.asarray(points)
    person, item = np.nonzero(table >= 0)
    return Entries(person, item, table[person, item])


def panel_of(n_points: ArrayLike, humans: Entries, answers: Entries, n_people: int | None = None) -> Panel:
    """A panel of people, each compared with the answers given for them."""
    most = max(int(side.person.max(initial=-1)) for side in (humans, answers)) + 1
    return Panel(np.asarray(n_points), n_people or most, humans, answers, humans, NOBODY, NOBODY)


def draw_points(shares: Array, n: int, rng: np.random.Generator) -> Points:
    """Points of n people for items with these shares (items, points), each drawn apart; shape (n, items)."""
    ends = np.cumsum(shares, axis=1)[:, :-1]
    return np.asarray((rng.random((n, shares.shape[0], 1)) > ends).sum(axis=-1))


def compared_of(
    panels: Sequence[Panel],
    how: How,
    *,
    member: NDArray[np.int64] | None = None,
    topics: Sequence[str] | None = None,
    design: Design | None = None,
) -> tuple[Compared, list[GroupMeans]]:
    """Panels compared; `member`: the group of each person (None: pooled), `topics` of the items (None: one)."""
    n_items = panels[0].n_items
    items: list[Any] = [
        SimpleNamespace(item_id=f"I{place}", topic="one" if topics is None else topics[place])
        for place in range(n_items)
    ]
    groups = POOLED
    if member is not None:
        names = tuple(map(str, range(int(member.max()) + 1)))
        groups = Groups("by hand", names, names, member)
    sources = [f"source {place}" for place in range(len(panels))]
    return compare_groups(sources, panels, groups, design or Design(), how, items)
