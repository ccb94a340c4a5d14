"""Heat maps: items by sources, topic by topic; and items by groups for one source."""

from collections.abc import Mapping
from math import cos, radians
from typing import Literal

import altair as alt
import polars as pl

from worldvaluesbench.reporting.figures._data import (
    check_grouping,
    check_rows,
    check_source,
    counted,
    in_order,
    item_name,
    middle,
    span,
    values_of,
)
from worldvaluesbench.reporting.figures._theme import (
    NAMES,
    ON_DARK,
    ON_PALE,
    PADDING,
    PAGE,
    SMALLEST,
    Chart,
    finish,
    humans_note,
    label_expression,
    short_names,
    text_width,
    widest,
)
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE, MAJORITY, UNIFORM
from worldvaluesbench.survey import grouping_name

MAX_ITEMS = 60
"""With more items than these the rows are topics, and the numbers means over their items."""

SCHEME: Literal["blues"] = "blues"
LABELS, HEADS, NUMBER, ANGLE = 190, 130, 19, 40
"""Points for the names of rows and columns, and for a number in a cell; degrees by which names of columns slant."""

WIDEST, NARROWEST = 34, 8
"""Points that a cell is wide."""

LARGEST = 0.5
"""Distances from here on have the darkest colour."""


def plot_heatmap(comparison: Comparison) -> Chart:
    """Distance of every source (and of uniform and majority) by item, pooled, grouped by topic.

    Of more than 60 items the rows are topics, with the mean over their items.
    """
    scores = comparison.tables["scores"].filter(pl.col("grouping") == EVERYONE)
    first = scores.filter(answers=comparison.names[0])
    oracles = [
        first.select("item_id", "topic", answers=pl.lit(NAMES[name]), distance=name) for name in (UNIFORM, MAJORITY)
    ]
    long = pl.concat([scores.select("item_id", "topic", "answers", "distance"), *oracles])
    columns = [*comparison.names, NAMES[UNIFORM], NAMES[MAJORITY]]
    n = middle(first["n_responses"])
    what = f"{counted(first['item_id'].n_unique(), 'item')}, pooled; median n of an item {n:,.0f}."
    return _heatmap(
        comparison, long.rename({"answers": "column"}), columns, "Where each is near, and where not", [what]
    )


def plot_groups(comparison: Comparison, answers: str, grouping: str) -> Chart:
    """Distance of one source by item and group. Cells that are too small stay empty.

    Raises AnswersError for a source or grouping that the comparison does not have.
    """
    check_source(comparison, answers)
    check_grouping(comparison, grouping)
    scores = comparison.tables["scores"].filter(answers=answers, grouping=grouping)
    columns = in_order(scores.drop_nulls("distance")["group"].to_list())
    n_empty = scores["group"].n_unique() - len(columns)
    shown = scores.filter(pl.col("group").is_in(columns))
    small = shown.filter("is_too_small").height
    least = comparison.receipt["settings"]["min_n"]
    n = span(shown.drop_nulls("distance")["n_responses"])
    left_out = f" {counted(n_empty, 'group')} without any number left out." if n_empty else ""
    what = (
        f"By {grouping_name(grouping)}, {n} humans a cell. Empty: fewer than {least} people ({small:,} of "
        f"{shown.height:,} cells).{left_out}"
    )
    long = shown.select("item_id", "topic", "distance", column="group")
    return _heatmap(comparison, long, columns, f"Whom {answers} gets wrong", [what])


def _heatmap(comparison: Comparison, long: pl.DataFrame, columns: list[str], title: str, notes: list[str]) -> Chart:
    check_rows(long.drop_nulls("distance"), comparison, "items")
    by_topic = long["item_id"].n_unique() > MAX_ITEMS
    if by_topic:
        long = long.group_by("topic", "column", maintain_order=True).agg(pl.col("distance").mean())
        table = long.with_columns(row="topic")
        notes = [*notes, "Rows are topics: means over their items."]
    else:
        names = {item_id: item_name(item_id) for item_id in in_order(long["item_id"].to_list())}
        table = long.with_columns(row=pl.col("item_id").replace_strict(names, return_dtype=pl.String))
    cells = _cells(table.select("topic", "row", "column", "distance").drop_nulls(), columns)
    if not by_topic:
        # topics are headings over their items
        topics = in_order(table.sort("topic", maintain_order=True)["topic"].to_list())
        header = alt.Header(labelOrient="top", labelAnchor="start", labelPadding=1, labelLimit=PAGE)
        heading = alt.Facet("topic:N", sort=topics, title=None, header=header)
        cells = cells.facet(facet=heading, columns=1, spacing=2).resolve_scale(y="independent")
    return finish(cells, comparison, title, [humans_note(comparison), *notes, "Distances as they are, not corrected."])


def _cells(table: pl.DataFrame, columns: list[str]) -> Chart:
    """Rectangles as wide as the page allows, with their numbers where two decimals at 8 points fit in."""
    labels, heads = short_names(in_order(table["row"].to_list()), LABELS), short_names(columns, HEADS)
    cell = _width_of(columns, heads, PAGE - 2 * PADDING - widest(labels.values()) - 8)
    of_columns = alt.Axis(
        orient="top",
        labelAngle=-ANGLE,
        labelLimit=HEADS + 10,
        ticks=False,
        domain=False,
        labelExpr=label_expression(heads),
    )
    of_rows = alt.Axis(labelLimit=LABELS + 10, ticks=False, domain=False, labelExpr=label_expression(labels))
    x = alt.X("column:N", sort=columns, title=None, axis=of_columns)
    y = alt.Y("row:N", sort=list(labels), title=None, axis=of_rows)
    scale = alt.Scale(scheme=SCHEME, domain=[0, LARGEST], clamp=True)
    title = f"Wasserstein-1 (darkest: {LARGEST} and more)"
    legend = alt.Legend(title=title, titleLimit=PAGE, orient="bottom", gradientLength=160, format=".1f")
    rectangles = alt.Chart().mark_rect().encode(x=x, y=y, color=alt.Color("distance:Q", scale=scale, legend=legend))
    layers = [rectangles]
    if cell >= NUMBER:
        dark = alt.condition(f"datum.distance > {LARGEST * 0.735}", alt.value(ON_DARK), alt.value(ON_PALE))
        number = alt.Text("distance:Q", format=".2f")
        layers.append(alt.Chart().mark_text(fontSize=SMALLEST).encode(x=x, y=y, text=number, color=dark))
    return alt.layer(*layers, data=values_of(table)).properties(width=alt.Step(cell), height=alt.Step(13))


def _width_of(columns: list[str], heads: Mapping[str, str], room: float) -> int:
    """The width of a cell, so that columns and their slanting names fit into so many points."""
    reach = cos(radians(ANGLE))
    for cell in range(WIDEST, NARROWEST, -1):
        ends = [(place + 0.5) * cell + reach * text_width(heads[name]) + 6 for place, name in enumerate(columns)]
        if max(*ends, cell * len(columns)) <= room:
            return cell
    return NARROWEST
