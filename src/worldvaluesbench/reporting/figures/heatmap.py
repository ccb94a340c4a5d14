"""Heat maps: items by sources, topic by topic; and items by groups for one source."""

from typing import Literal

import altair as alt
import polars as pl

from worldvaluesbench.reporting.figures.data import (
    check_grouping,
    check_source,
    grouping_name,
    in_order,
    item_name,
    middle,
    shorten,
    values_of,
)
from worldvaluesbench.reporting.theme import INK, NAMES, PAGE, SMALLEST, Chart, finish, humans_note
from worldvaluesbench.scoring.baselines import MAJORITY, UNIFORM
from worldvaluesbench.scoring.comparison import Comparison
from worldvaluesbench.scoring.groups import EVERYONE

MAX_ITEMS = 60
"""With more items than these the rows are topics, and the numbers means over their items."""

SCHEME: Literal["blues"] = "blues"
LABELS, NUMBER = 200, 19
"""Points for the names of rows, and for a number in a cell."""

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
    what = f"{first['item_id'].n_unique()} items, pooled; median n of an item {n:,.0f}."
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
    columns = in_order(scores["group"].to_list())
    small = scores.filter("is_too_small").height
    least = comparison.receipt["settings"]["min_n"]
    what = f"By {grouping_name(grouping)}. Empty: fewer than {least} people ({small:,} of {scores.height:,} cells)."
    long = scores.select("item_id", "topic", "distance", column="group")
    return _heatmap(comparison, long, columns, f"Whom {answers} gets wrong", [what])


def _heatmap(comparison: Comparison, long: pl.DataFrame, columns: list[str], title: str, notes: list[str]) -> Chart:
    by_topic = long["item_id"].n_unique() > MAX_ITEMS
    if by_topic:
        long = long.group_by("topic", "column", maintain_order=True).agg(pl.col("distance").mean())
        table = long.with_columns(row="topic")
        notes = [*notes, "Rows are topics: means over their items."]
    else:
        names = {item_id: shorten(item_name(item_id), 40) for item_id in in_order(long["item_id"].to_list())}
        table = long.with_columns(row=pl.col("item_id").replace_strict(names, return_dtype=pl.String))
    cell = max(9, min(34, (PAGE - LABELS) // len(columns)))
    cells = _cells(table.select("topic", "row", "column", "distance").drop_nulls(), columns, cell)
    if not by_topic:
        # topics are headings over their items
        topics = in_order(table.sort("topic", maintain_order=True)["topic"].to_list())
        header = alt.Header(labelOrient="top", labelAnchor="start", labelPadding=1, labelLimit=PAGE)
        heading = alt.Facet("topic:N", sort=topics, title=None, header=header)
        cells = cells.facet(facet=heading, columns=1, spacing=2).resolve_scale(y="independent")
    return finish(cells, comparison, title, [humans_note(comparison), *notes])


def _cells(table: pl.DataFrame, columns: list[str], cell: int) -> Chart:
    """Rectangles of this width with their numbers, where two decimals at 8 points fit in."""
    rows = in_order(table["row"].to_list())
    axis = alt.Axis(orient="top", labelAngle=-40, labelLimit=120, ticks=False)
    x = alt.X("column:N", sort=columns, title=None, axis=axis)
    y = alt.Y("row:N", sort=rows, title=None, axis=alt.Axis(labelLimit=LABELS - 4, ticks=False, domain=False))
    scale = alt.Scale(scheme=SCHEME, domain=[0, LARGEST], clamp=True)
    legend = alt.Legend(title="Wasserstein-1", orient="bottom", gradientLength=160, format=".1f")
    rectangles = alt.Chart().mark_rect().encode(x=x, y=y, color=alt.Color("distance:Q", scale=scale, legend=legend))
    layers = [rectangles]
    if cell >= NUMBER:
        dark = alt.condition(f"datum.distance > {LARGEST * 0.55}", alt.value("white"), alt.value(INK))
        number = alt.Text("distance:Q", format=".2f")
        layers.append(alt.Chart().mark_text(fontSize=SMALLEST).encode(x=x, y=y, text=number, color=dark))
    return alt.layer(*layers, data=values_of(table)).properties(width=alt.Step(cell), height=alt.Step(13))
