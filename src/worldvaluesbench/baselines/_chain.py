"""A chain of nested groups, from everybody to the finest: what says most about a person where the finest says little.

Countries stand within continents; a group of a cross stands within those of its first attributes.
"""

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.benchmark import Dataset
from worldvaluesbench.errors import DatasetError
from worldvaluesbench.survey import COUNTRY_COLUMN, Grouping

CONTINENT = "continent"
COUNTRIES = Grouping((COUNTRY_COLUMN,))

MAX_GROUPS = 20_000
"""The most groups of a level: more would be groups of single people."""

Members = NDArray[np.int32]


@dataclass(frozen=True)
class Level:
    """One step of a chain, below everybody.

    `codes` are those of its groups, in order. `member`, shape (respondents,): the group of each respondent; -1 where a
    level is missing. `parent`, shape (groups,): in which group of the step before each stands (the first step: in 0,
    everybody).
    """

    grouping: Grouping
    codes: tuple[str, ...] = field(repr=False)
    member: Members = field(repr=False)
    parent: Members = field(repr=False)


def chain_of(finest: Grouping) -> tuple[Grouping, ...]:
    """The steps from everybody, who are left out, down to these groups.

    >>> [step.name for step in chain_of(Grouping(("B_COUNTRY", "H_URBRURAL")))]
    ['continent', 'B_COUNTRY', 'B_COUNTRY*H_URBRURAL']
    >>> [step.name for step in chain_of(Grouping(("continent", "Q260")))]
    ['continent', 'continent*Q260']
    """
    steps: list[Grouping] = []
    before: tuple[str, ...] = ()
    for attribute_id in finest.attribute_ids:
        if attribute_id == COUNTRY_COLUMN and CONTINENT not in before:
            steps.append(Grouping((*before, CONTINENT)))
        before = (*before, attribute_id)
        steps.append(Grouping(before))
    return tuple(steps)


def find_levels(dataset: Dataset, finest: Grouping) -> tuple[Level, ...]:
    """The chain down to these groups, with the groups of all respondents of a dataset.

    Who has no group at one step has none at finer ones.

    Raises DatasetError where there are far too many groups.
    """
    steps = chain_of(finest)
    names = list(dict.fromkeys(name for step in steps for name in step.attribute_ids))
    people = dataset.respondents(names)
    above: Members = np.zeros(people.height, dtype=np.int32)
    levels = []
    for step in steps:
        level = _level_of(step, people, above)
        levels.append(level)
        above = level.member
    return tuple(levels)


def _level_of(grouping: Grouping, people: pl.DataFrame, above: Members) -> Level:
    keys = list(grouping.attribute_ids)
    is_member = pl.all_horizontal(pl.col(keys) >= 0) & (pl.col("above") >= 0)
    known = people.select(keys).with_columns(above=pl.Series(above)).filter(is_member)
    groups = known.group_by(keys).agg(pl.col("above").max()).sort(keys)  # all of a group stand in the same one above
    if groups.height > MAX_GROUPS:
        raise DatasetError(
            f"{grouping.name}: makes {groups.height:,} groups, far too many to learn from; choose fewer or coarser "
            f"attributes (at most {MAX_GROUPS:,} groups)."
        )
    numbered = groups.select(keys).with_row_index("group")
    joined = people.select(keys).join(numbered, on=keys, how="left", maintain_order="left")
    member = joined["group"].cast(pl.Int32).fill_null(-1).to_numpy(writable=True)
    member[above < 0] = -1
    codes = tuple("·".join(map(str, row)) for row in groups.select(keys).rows())
    return Level(grouping, codes, member, groups["above"].to_numpy())
