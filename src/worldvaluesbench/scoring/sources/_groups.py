"""Groups: which respondents belong together, for each grouping that was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring.sources._reference import Reference
from worldvaluesbench.stats import Ints
from worldvaluesbench.survey import Codebook, Grouping, group_label

EVERYONE = "all"
"""The name of the grouping, and of its only group, that pools everybody."""

MAX_CELLS = 2_000_000
"""The most groups times items that one grouping may make: more would be groups of single people."""


@dataclass(frozen=True)
class Groups:
    """The groups of one grouping.

    `member` is the group of every respondent, shape (respondents,); -1 where a level is missing. None: everybody,
    known or not, is in the one group. `labels` and `codes` name the groups, in order of their codes.
    """

    grouping: str
    labels: tuple[str, ...]
    codes: tuple[str | None, ...]
    member: NDArray[np.int64] | None = None

    def of_respondents(self, respondent: Ints) -> NDArray[np.int64] | None:
        """The groups of these respondents (places in the dataset; -1, somebody unknown, is in no group).

        None where everybody is in the one group.
        """
        # the entry after the last stands for somebody unknown, at -1
        return None if self.member is None else np.take(np.append(self.member, -1), respondent)

    def are_met_by(self, respondent: Ints) -> NDArray[np.bool_]:
        """Which groups any of these respondents is in, shape (groups,)."""
        group = self.of_respondents(respondent)
        if group is None:
            return np.ones(1, dtype=bool)
        return np.bincount(group + 1, minlength=len(self.labels) + 1)[1:] > 0

    def count_without_level(self, respondent: Ints) -> int:
        """How many of these respondents lack a level, and so are in no group."""
        group = self.of_respondents(respondent)
        return 0 if group is None else int(np.count_nonzero(group < 0))


POOLED = Groups(EVERYONE, (EVERYONE,), (None,))
"""Everybody in one group."""


def find_groups(reference: Reference, groupings: Sequence[Grouping], n_items: int) -> tuple[Groups, ...]:
    """Everybody pooled, then the groups of each grouping; a grouping in whose groups nobody is has none.

    Raises AnswersError for groupings of the world, which has no respondents, and for one that makes far too many
    groups; DatasetError for an attribute that the dataset lacks.
    """
    if not groupings:
        return (POOLED,)
    if reference.dataset is None:
        names = ", ".join(grouping.name for grouping in groupings)
        raise AnswersError(
            f"Groups by {names} need respondents, and the world marginals have none: score with --data instead."
        )
    columns = list(dict.fromkeys(key for grouping in groupings for key in grouping.attribute_ids))
    levels = reference.dataset.respondents(columns)
    found = tuple(_groups_of(grouping, levels, reference.codebook) for grouping in groupings)
    for groups in found:
        if len(groups.labels) * n_items > MAX_CELLS:
            raise AnswersError(
                f"The grouping {groups.grouping} makes {len(groups.labels):,} groups, too many to score "
                f"{n_items} items by; choose fewer or coarser attributes."
            )
    return (POOLED, *found)


def scored_groups(reference: Reference, groupings: Sequence[Grouping], n_items: int) -> tuple[Groups, ...]:
    """Those of `find_groups` that have a group: where nobody has a level there is nothing to score."""
    return tuple(groups for groups in find_groups(reference, groupings, n_items) if groups.labels)


def _groups_of(grouping: Grouping, levels: pl.DataFrame, codebook: Codebook) -> Groups:
    keys = list(grouping.attribute_ids)
    has_levels = pl.all_horizontal(pl.col(keys) >= 0)
    groups = levels.select(keys).filter(has_levels).unique().sort(keys)
    numbered = groups.with_row_index("group")
    joined = levels.select(keys).join(numbered, on=keys, how="left", maintain_order="left")
    member = joined["group"].cast(pl.Int64).fill_null(-1).to_numpy()
    names = [{code: group_label(key, code, codebook) for code in groups[key].unique().to_list()} for key in keys]
    labels = tuple(" · ".join(name[code] for name, code in zip(names, row, strict=True)) for row in groups.rows())
    codes = tuple("·".join(map(str, row)) for row in groups.rows())
    return Groups(grouping.name, labels, codes, member)
