"""Disparity: the groups of a grouping side by side for every source, beside what chance alone would make of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from worldvaluesbench.reporting.figures._data import (
    NothingToDraw,
    check_grouping,
    counted,
    floor_at_0,
    spanned,
    values_of,
)
from worldvaluesbench.reporting.figures._theme import (
    LINES,
    MUTED,
    PADDING,
    PAGE,
    Chart,
    finish,
    humans_note,
    interval_note,
    label_expression,
    look_of,
    short_names,
    titles_of,
    widest,
)
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE
from worldvaluesbench.survey import grouping_name

MAX_GROUPS = 70
"""Of more groups than these the nearest and the farthest are drawn."""

TALLEST = 620
"""Points that the panels together may be high: title and notes fit above them on a page."""

STEP, SMALL_STEP, HEADER, SPACE = 13, 9, 32, 14
"""Points from row to row, where there are few and where there are many; above a panel, and between two."""


def plot_disparity(comparison: Comparison, grouping: str) -> Chart:
    """The corrected mean distance of every group over the items that all have, with its interval: a panel a source.

    These are the numbers that the table `disparity` compares. A grey band around the middle of the groups is as wide as
    the gap that chance alone would make: groups within it are not told apart. Groups are ordered by their mean over
    sources; those that lack too many items are left out, and where not all sources fit on a page the nearest are drawn.
    Raises AnswersError for an unknown grouping, and where groups have no items in common.
    """
    check_grouping(comparison, grouping)
    table = _rows(comparison, grouping)
    shown = _choose(comparison, table)
    table = table.filter(pl.col("answers").is_in(shown.names) & pl.col("group").is_in(shown.groups))
    labels = short_names(shown.groups, 130)
    width = (PAGE - 2 * PADDING - widest(labels.values()) - 22 - SPACE * (shown.n_columns - 1)) / shown.n_columns
    titles = titles_of({name: comparison.sorts[name] for name in shown.names}, width)
    table = table.with_columns(title=pl.col("answers").replace_strict(titles, return_dtype=pl.String))
    labelled = alt.Axis(labelLimit=170, ticks=False, labelExpr=label_expression(labels), labelOverlap=False)
    y = alt.Y("group:N", sort=shown.groups, title=None, axis=labelled)
    x = alt.X("value:Q", title="mean Wasserstein-1", axis=alt.Axis(tickCount=3), scale=alt.Scale(zero=False))
    colour = alt.Color("answers:N", scale=look_of(comparison.sorts).colour_scale(shown.names), legend=None)
    band = alt.Chart().mark_rect(color=MUTED, opacity=0.22).encode(x=alt.X("chance_low:Q"), x2="chance_high:Q")
    layers = [
        band.transform_filter("datum.has_band"),
        alt.Chart().mark_rule(strokeWidth=1.3).encode(x="low:Q", x2="high:Q", y=y, color=colour),
        alt.Chart().mark_point(filled=True, size=24, opacity=1).encode(x=x, y=y, color=colour),
    ]
    panel = alt.layer(*layers, data=values_of(table)).properties(width=width, height=shown.step * len(shown.groups))
    header = alt.Header(labelExpr=LINES)
    facet = alt.Facet("title:N", sort=list(titles.values()), title=None, header=header)
    faceted = panel.facet(facet=facet, columns=shown.n_columns, spacing=SPACE)
    notes = [humans_note(comparison), *_notes(comparison, grouping, table, shown)]
    return finish(faceted, comparison, "Whom each gets wrong", notes)


@dataclass(frozen=True)
class _Shown:
    """What is drawn of all sources and groups, in how many columns, and how high a row is."""

    names: Sequence[str]
    groups: Sequence[str]
    n_groups: int
    n_columns: int
    step: int


def _rows(comparison: Comparison, grouping: str) -> pl.DataFrame:
    """Sources by groups over the items that all groups have, with intervals, and the band of each source once."""
    drawn = comparison.tables["group_means"].filter(grouping=grouping)
    if drawn["group"].n_unique() < 2:
        raise NothingToDraw(f"Fewer than two groups of {grouping} have numbers over the same items.")
    by_chance = comparison.tables["disparity"].filter(grouping=grouping).select("answers", "gap_by_chance")
    table = drawn.select("answers", "group", "n_items", "low", "high", value="corrected")
    middle = pl.col("value").median().over("answers")
    table = table.join(by_chance, on="answers", how="left", maintain_order="left").with_columns(
        chance_low=middle - pl.col("gap_by_chance") / 2,
        chance_high=middle + pl.col("gap_by_chance") / 2,
    )
    return floor_at_0(table, "value", "chance_low", "chance_high").with_columns(
        has_band=(pl.int_range(pl.len()).over("answers") == 0) & pl.col("gap_by_chance").is_not_null()
    )


def _choose(comparison: Comparison, table: pl.DataFrame) -> _Shown:
    """The groups in their order, and as many sources as fit on a page: those nearest to people, in their order."""
    order = table.group_by("group", maintain_order=True).agg(pl.col("value").mean()).sort("value")
    groups = order["group"].to_list()
    half = MAX_GROUPS // 2
    kept = groups if len(groups) <= MAX_GROUPS else groups[:half] + groups[-half:]
    names = list(comparison.names)
    n_columns = min(4, len(names))
    n_rows = -(-len(names) // n_columns)
    is_low = n_rows * (STEP * len(kept) + HEADER) <= TALLEST
    step = STEP if is_low else SMALL_STEP
    n_fit = max(1, TALLEST // (step * len(kept) + HEADER)) * n_columns
    if n_fit < len(names):
        pooled = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE)
        nearest = pooled.sort("corrected", nulls_last=True)["answers"].to_list()[:n_fit]
        names = [name for name in names if name in (nearest or names[:n_fit])]
    return _Shown(names, kept, len(groups), n_columns, step)


def _notes(comparison: Comparison, grouping: str, table: pl.DataFrame, shown: _Shown) -> list[str]:
    """What is drawn and what is left out, how many people are behind it, and what the band is."""
    gaps = comparison.tables["disparity"].filter(grouping=grouping)
    n_out = int(gaps["n_groups_left_out"][0]) if gaps.height else 0
    scores = comparison.tables["scores"].filter(grouping=grouping, answers=comparison.names[0], is_too_small=False)
    n_items = int(table["n_items"][0])
    over = f"the same {counted(n_items, 'item')} in all"
    notes = [f"{counted(shown.n_groups, 'group')} by {grouping_name(grouping)}, over {over}"]
    if scores.height:
        notes[0] += f"; {spanned(scores['n_responses'].cast(pl.Int64), 'human')} an item and group"
    notes[0] += "."
    if n_out:
        notes.append(f"Left out: {counted(n_out, 'group')} without enough people for all but a tenth of the items.")
    if len(shown.groups) < shown.n_groups:
        half = len(shown.groups) // 2
        notes.append(f"Drawn: the {half} nearest and the {half} farthest of them.")
    if len(shown.names) < len(comparison.names):
        notes.append(f"Drawn: the {len(shown.names)} nearest of {len(comparison.names)} sources; all are in the table.")
    notes.append(f"Corrected means with {interval_note(comparison)}")
    if table["has_band"].any():
        notes.append("Grey: as wide as the gap between best and worst that chance alone would make.")
    return notes
