"""The respondents that a baseline is made from, and the chain of nested groups that they are in."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.benchmark import Dataset, WeightName, check_weights, read_weights
from worldvaluesbench.errors import DatasetError
from worldvaluesbench.planning import ExampleSet, Rows
from worldvaluesbench.stats import Array, Mask
from worldvaluesbench.survey import COUNTRY_COLUMN, Grouping, Item

CONTINENT = "continent"
COUNTRIES = Grouping((COUNTRY_COLUMN,))

MAX_GROUPS = 20_000
"""The most groups of a level: with more, most groups would be single respondents."""

Members = NDArray[np.int32]
Points = NDArray[np.int8]
"""Positions on an item's scale, from 0."""


@dataclass(frozen=True)
class Respondents:
    """Some respondents of a dataset: their `rows` in its tables, and their weights (None: all count equally)."""

    dataset: Dataset
    rows: Rows = field(repr=False)
    weights: Array | None = field(default=None, repr=False)

    def responses_to(self, item: Item) -> tuple["Respondents", NDArray[np.int64], Points]:
        """Those with a valid response to an item, their places among all of these, and their points on its scale.

        Raises DatasetError where there are none.
        """
        ratings = self.dataset.responses([item.item_id])[item.item_id].to_numpy()[self.rows]
        places = np.flatnonzero(ratings >= 0)
        if not places.size:
            raise DatasetError(
                f"{self.dataset.folder}: none of the {self.rows.size:,} respondents that the baseline is made from has "
                f"a response to {item.item_id}; leave this item out."
            )
        return self.only(places), places, (ratings[places] - item.scale.low).astype(np.int8)

    def only(self, kept: NDArray[np.int64] | Mask) -> "Respondents":
        """A subset of these respondents, by places or by a mask."""
        return Respondents(self.dataset, self.rows[kept], None if self.weights is None else self.weights[kept])


def read_respondents(dataset: Dataset, splits: Sequence[str], weight: WeightName = "none") -> Respondents:
    """The respondents of some splits, in file order, with their weights.

    Raises DatasetError where there are none, or a weight is missing.
    """
    rows = np.flatnonzero(_is_in(dataset, splits)).astype(np.int32)
    where = f"{dataset.folder}, {' and '.join(splits)}"
    if not rows.size:
        raise DatasetError(f"{where}: holds no respondent to make a baseline from; build from the whole survey file.")
    weights = read_weights(dataset, weight)
    if weights is None:
        return Respondents(dataset, rows)
    check_weights(weights[rows], weight, where)
    return Respondents(dataset, rows, weights[rows])


def check_asked(name: str, examples: ExampleSet, splits: Sequence[str]) -> None:
    """Raise DatasetError where an example's respondent is in one of the splits that the baseline is made from."""
    is_asked = np.zeros(int(examples.dataset.manifest["n_respondents"]), dtype=bool)
    for item_id in examples.item_ids:
        is_asked[examples.rows_of(item_id)] = True
    n = np.count_nonzero(is_asked & _is_in(examples.dataset, splits))
    if n:
        others = " or ".join(split for split in ("valid", "test") if split not in splits)
        raise DatasetError(
            f"{name}: {n:,} of the {np.count_nonzero(is_asked):,} respondents asked about are in "
            f"{' and '.join(splits)}, which it is made from, so it knows their responses; ask about respondents of "
            f"{others}."
        )


def _is_in(dataset: Dataset, splits: Sequence[str]) -> Mask:
    return dataset.respondents(["split"])["split"].is_in(list(splits)).to_numpy()


def effective_counts(member: Members, points: Points, n_groups: int, n_points: int, weights: Array | None) -> Array:
    r"""Counts by group and point that sum to each group's effective sample size, shape (groups, points).

    With weights w the shares of a group are :math:`\sum_{i \in k} w_i / \sum_i w_i`, and they are as certain as those
    of :math:`(\sum_i w_i)^2 / \sum_i w_i^2` respondents of equal weight. Without weights these are the plain counts.
    Group -1 is left out.

    Source: Kish (1965), Survey Sampling, section 11.7.

    >>> effective_counts(np.array([0, 0]), np.array([0, 1], dtype=np.int8), 1, 2, np.array([3.0, 1.0]))
    array([[1.2, 0.4]])
    """
    cell = (member.astype(np.int64) + 1) * n_points + points

    def count(weight: Array | None) -> Array:
        found = np.bincount(cell, weights=weight, minlength=(n_groups + 1) * n_points)
        return found.reshape(n_groups + 1, n_points)[1:].astype(np.float64)

    counts = count(weights)
    if weights is None:
        return counts
    squares, total = count(weights**2).sum(axis=-1), counts.sum(axis=-1)
    factor: Array = np.divide(total, squares, out=np.zeros_like(total), where=squares > 0)
    return counts * factor[:, None]


@dataclass(frozen=True)
class Level:
    """One level of a chain of nested groups, below the whole population.

    `codes` are those of its groups, in order. `member`, shape (respondents,): the group of each respondent of the
    dataset, -1 where an attribute is missing. `parent`, shape (groups,): the group of the level above in which each
    lies (for the first level 0, the population).
    """

    grouping: Grouping
    codes: tuple[str, ...] = field(repr=False)
    member: Members = field(repr=False)
    parent: Members = field(repr=False)


def chain_of(finest: Grouping) -> tuple[Grouping, ...]:
    """The levels from the population, which is left out, down to these groups; countries lie within continents.

    >>> [level.name for level in chain_of(Grouping(("B_COUNTRY", "H_URBRURAL")))]
    ['continent', 'B_COUNTRY', 'B_COUNTRY*H_URBRURAL']
    >>> [level.name for level in chain_of(Grouping(("continent", "Q260")))]
    ['continent', 'continent*Q260']
    """
    levels: list[Grouping] = []
    before: tuple[str, ...] = ()
    for attribute_id in finest.attribute_ids:
        if attribute_id == COUNTRY_COLUMN and CONTINENT not in before:
            levels.append(Grouping((*before, CONTINENT)))
        before = (*before, attribute_id)
        levels.append(Grouping(before))
    return tuple(levels)


def find_levels(dataset: Dataset, finest: Grouping) -> tuple[Level, ...]:
    """The chain down to these groups, with the groups of all respondents of a dataset.

    A respondent without a group at one level has none at finer ones. Raises DatasetError where there are far too many
    groups.
    """
    chain = chain_of(finest)
    respondents = dataset.respondents(list(dict.fromkeys(name for step in chain for name in step.attribute_ids)))
    above: Members = np.zeros(respondents.height, dtype=np.int32)
    levels = []
    for grouping in chain:
        levels.append(_level_of(grouping, respondents, above))
        above = levels[-1].member
    return tuple(levels)


def _level_of(grouping: Grouping, respondents: pl.DataFrame, above: Members) -> Level:
    keys = list(grouping.attribute_ids)
    has_group = pl.all_horizontal(pl.col(keys) >= 0) & (pl.col("above") >= 0)
    known = respondents.select(keys).with_columns(above=pl.Series(above)).filter(has_group)
    groups = known.group_by(keys).agg(pl.col("above").max()).sort(keys)  # all of a group lie in the same one above
    if groups.height > MAX_GROUPS:
        raise DatasetError(
            f"{grouping.name}: makes {groups.height:,} groups, far too many to learn from; choose fewer or coarser "
            f"attributes (at most {MAX_GROUPS:,} groups)."
        )
    numbered = groups.select(keys).with_row_index("group")
    joined = respondents.select(keys).join(numbered, on=keys, how="left", maintain_order="left")
    member = joined["group"].cast(pl.Int32).fill_null(-1).to_numpy(writable=True)
    member[above < 0] = -1
    codes = tuple("·".join(map(str, row)) for row in groups.select(keys).rows())
    return Level(grouping, codes, member, groups["above"].to_numpy())
