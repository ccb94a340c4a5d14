"""Collapse: how varied the answers are beside people, within cells, between groups and across items."""

import altair as alt
import polars as pl

from worldvaluesbench.reporting.figures._data import check_rows, middle, spanned, values_of
from worldvaluesbench.reporting.figures._theme import (
    INK,
    PADDING,
    PAGE,
    Chart,
    finish,
    header_of,
    humans_note,
    label_expression,
    look_of,
    short_names,
    widest,
)
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE
from worldvaluesbench.survey import grouping_name

ENTROPY, VARIANCE, MODE, GROUP = "entropy", "variance", "modal share", "variance explained by {}"

LABELS = 120
"""Points for the names of sources."""


def plot_collapse(comparison: Comparison, grouping: str | None = None) -> Chart:
    """Ratios of the answers to the humans, by source: entropy, variance, modal share, and variance explained by groups.

    1 is as people. Below 1 in entropy and variance, or above in the others, the answers are too much alike. `grouping`
    chooses the groups (default: the first of the comparison); without any that panel is left out.
    """
    chosen = grouping or next(iter(comparison.groupings), None)
    table = _rows(comparison, chosen)
    check_rows(table, comparison, "how varied the answers are")
    look = look_of(comparison.sorts)
    order = list(comparison.names)
    measures = table["measure"].unique(maintain_order=True).to_list()
    labels = short_names(order, LABELS)
    width = (PAGE - 2 * PADDING - widest(labels.values()) - 34 - 16 * (len(measures) - 1)) / len(measures)
    labelled = alt.Axis(labelLimit=LABELS + 10, ticks=False, labelExpr=label_expression(labels))
    y = alt.Y("answers:N", sort=order, title=None, axis=labelled)
    axis = alt.Axis(tickCount=3)
    x = alt.X("ratio:Q", title="ratio", axis=axis, scale=alt.Scale(zero=True, nice=True))
    colour = alt.Color("answers:N", scale=look.colour_scale(comparison.names), legend=None)
    layers = [
        alt.Chart().mark_rule(color=INK, strokeDash=[4, 3]).encode(x=alt.datum(1)),
        alt.Chart().mark_rule(strokeWidth=1.3).encode(x=x, x2=alt.datum(1), y=y, color=colour),
        alt.Chart().mark_point(filled=True, size=44, opacity=1).encode(x=x, y=y, color=colour),
    ]
    panel = alt.layer(*layers, data=values_of(table)).properties(width=width, height=17 * len(order))
    facet = alt.Facet("measure:N", sort=measures, title=None, header=header_of(measures, width))
    faceted = panel.facet(facet=facet, columns=len(measures), spacing=16).resolve_scale(x="independent")
    n_items = comparison.tables["collapse_summary"].filter(pl.col("grouping") == EVERYONE)["n_items"]
    scores = comparison.tables["scores"].filter(pl.col("grouping") == EVERYONE, is_too_small=False)
    notes = [
        humans_note(comparison),
        f"{spanned(n_items, 'item')}; median n of an item {middle(scores['n_responses']):,.0f}.",
        "Ratios of answers to humans. Entropy and variance: medians over items, pooled. "
        "1: as varied as people; below: collapsed.",
        "Modal share, and variance that groups explain: above 1 answers are too much alike, or follow from the group.",
    ]
    return finish(faceted, comparison, "How varied the answers are", notes)


def _rows(comparison: Comparison, grouping: str | None) -> pl.DataFrame:
    pooled = comparison.tables["collapse_summary"].filter(pl.col("grouping") == EVERYONE)
    ratios = {
        ENTROPY: pl.col("entropy_ratio"),
        VARIANCE: pl.col("variance_ratio"),
        MODE: pl.col("modal_share_answers") / pl.col("modal_share_humans"),
    }
    parts = [pooled.select("answers", measure=pl.lit(name), ratio=ratio) for name, ratio in ratios.items()]
    if grouping is not None and "determination_summary" in comparison.tables:
        of_groups = comparison.tables["determination_summary"].filter(grouping=grouping)
        ratio = pl.col("eta_squared_answers") / pl.col("eta_squared_humans")
        parts.append(of_groups.select("answers", measure=pl.lit(GROUP.format(grouping_name(grouping))), ratio=ratio))
    return pl.concat(parts).drop_nulls()
