"""Respondents without a level: how many of those answered for are in no group of a grouping, counted and in words.

Together with the groups they are everybody, so a few of them are as little to be shown as a group of a few.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from worldvaluesbench.scoring.sources import Groups, Rows
from worldvaluesbench.survey import grouping_name

GROUPINGS = "groupings"
"""The name of the table."""

GROUPINGS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("answers", "grouping"), pl.String),
    **dict.fromkeys(("n_groups", "n_respondents", "n_without_level"), pl.Int64),
}
"""A row for each source and grouping, over the respondents for whom a row of the source counts: how many groups any of
them is in, how many they are, and how many of them lack a level and so are in no group."""


def describe_groupings(name: str, rows: Rows, groupings: Iterable[Groups]) -> pl.DataFrame:
    """The rows of `GROUPINGS_SCHEMA` for one source, of these groupings of a dataset's respondents."""
    respondents = np.unique(rows.respondent[rows.is_valid])
    found = [
        (
            name,
            groups.grouping,
            int(np.count_nonzero(groups.are_met_by(respondents))),
            respondents.size,
            groups.count_without_level(respondents),
        )
        for groups in groupings
    ]
    return pl.DataFrame(found, schema=GROUPINGS_SCHEMA, orient="row")


def protect_groupings(table: pl.DataFrame, least: int) -> pl.DataFrame:
    """The table without counts of 1 to `least` - 1 respondents, nor those that give one when they are subtracted.

    Whoever lacks a level of a grouping lacks one of each finer grouping of the same attributes: their difference is
    how many lack only the level of another attribute.
    """
    rows = table.sort(pl.col("grouping").str.count_matches("*", literal=True), maintain_order=True)
    shown: list[tuple[str, frozenset[str], int]] = []
    kept: list[tuple[str, str]] = []
    for name, grouping, n in rows.select("answers", "grouping", "n_without_level").iter_rows():
        attributes = frozenset(grouping.split("*"))
        coarser = [n_coarser for other, of, n_coarser in shown if other == name and of < attributes]
        if n is not None and all(gap == 0 or gap >= least for gap in (n, *(n - other for other in coarser))):
            shown.append((name, attributes, n))
            kept.append((name, grouping))
    is_kept = pl.concat_str("answers", "grouping", separator="\0").is_in(["\0".join(keys) for keys in kept])
    return table.with_columns(n_without_level=pl.when(is_kept).then("n_without_level"))


def without_level_sentences(table: pl.DataFrame) -> list[str]:
    """For each grouping, who is in none of its groups; said once for all sources of which the same can be said."""
    sentences = []
    for (grouping,), rows in table.group_by("grouping", maintain_order=True):
        levels = " or of ".join(f"'{grouping_name(attribute)}'" for attribute in str(grouping).split("*"))
        sources: dict[str, list[str]] = {}
        for name, n, n_without in rows.select("answers", "n_respondents", "n_without_level").iter_rows():
            if n_without != 0:
                who = "Some" if n_without is None else f"{n_without:,}"
                how_many = " (how many is not shown)" if n_without is None else ""
                has, are = ("has", "is") if n_without == 1 else ("have", "are")
                said = (
                    f"{who} of {n:,} respondents{how_many} {has} no level of {levels} and {are} in none of its groups."
                )
                sources.setdefault(said, []).append(name)
        for said, names in sources.items():
            sentences.append(said if len(names) == rows.height else f"{', '.join(names)}: {said}")
    return sentences
