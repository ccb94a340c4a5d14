"""Disparity: the groups of a grouping side by side for every source, beside what chance alone would make of them."""

import altair as alt
import polars as pl

from worldvaluesbench.reporting.figures.data import check_grouping, grouping_name, values_of
from worldvaluesbench.reporting.theme import (
    LINES,
    MUTED,
    PAGE,
    Chart,
    finish,
    humans_note,
    interval_note,
    look_of,
    two_lines,
)
from worldvaluesbench.scoring.comparison import Comparison

MAX_GROUPS = 70


def plot_disparity(comparison: Comparison, grouping: str) -> Chart:
    """The corrected mean distance of every group, with its interval, a panel for each source.

    A grey band around the middle of the groups is as wide as the gap that chance alone would make: groups within it are
    not told apart. Groups are ordered by their mean over sources. Raises AnswersError for an unknown grouping.
    """
    check_grouping(comparison, grouping)
    board = comparison.tables["leaderboard"].filter(grouping=grouping)
    order = board.group_by("group", maintain_order=True).agg(pl.col("corrected").mean()).sort("corrected")
    groups = order["group"].to_list()[:MAX_GROUPS]
    table = board.filter(pl.col("group").is_in(groups)).join(
        _chance(comparison, grouping), on="answers", how="left", maintain_order="left"
    )
    titles = {name: two_lines(name, sort) for name, sort in comparison.sorts.items()}
    table = table.with_columns(title=pl.col("answers").replace_strict(titles, return_dtype=pl.String))
    look = look_of(comparison.sorts)
    n_columns = min(4, len(titles))
    longest = max(map(len, groups), default=1)
    label_width = min(170, 6 + 4.4 * longest)
    width = max(60, (PAGE - label_width - 14 * (n_columns - 1)) / n_columns)
    y = alt.Y("group:N", sort=groups, title=None, axis=alt.Axis(labelLimit=170, ticks=False))
    x = alt.X("corrected:Q", title="mean Wasserstein-1", axis=alt.Axis(tickCount=3), scale=alt.Scale(zero=False))
    colour = alt.Color("answers:N", scale=look.colour_scale(comparison.names), legend=None)
    layers = [
        alt.Chart().mark_rect(color=MUTED, opacity=0.035).encode(x=alt.X("chance_low:Q"), x2="chance_high:Q"),
        alt.Chart().mark_rule(strokeWidth=1.3).encode(x="low:Q", x2="high:Q", y=y, color=colour),
        alt.Chart().mark_point(filled=True, size=28, opacity=1).encode(x=x, y=y, color=colour),
    ]
    kept = ("answers", "title", "group", "corrected", "low", "high", "chance_low", "chance_high")
    panel = alt.layer(*layers, data=values_of(table.select(kept))).properties(width=width, height=13 * len(groups))
    header = alt.Header(labelExpr=LINES)
    facet = alt.Facet("title:N", sort=list(titles.values()), title=None, header=header)
    faceted = panel.facet(facet=facet, columns=n_columns, spacing=14)
    notes = [
        f"{humans_note(comparison)} {len(groups)} groups by {grouping_name(grouping)}.",
        f"Corrected means with {interval_note(comparison)}",
        "Grey: as wide as the gap between best and worst that chance alone would make.",
    ]
    return finish(faceted, comparison, "Whom each gets wrong", notes)


def _chance(comparison: Comparison, grouping: str) -> pl.DataFrame:
    """For each source, the middle of its groups and half the gap by chance to either side."""
    found = comparison.tables["disparity"].filter(grouping=grouping)
    middle = (
        comparison.tables["leaderboard"]
        .filter(grouping=grouping)
        .group_by("answers")
        .agg(middle=pl.col("corrected").median())
    )
    return found.join(middle, on="answers", how="left").select(
        "answers",
        chance_low=pl.col("middle") - pl.col("gap_by_chance") / 2,
        chance_high=pl.col("middle") + pl.col("gap_by_chance") / 2,
    )
