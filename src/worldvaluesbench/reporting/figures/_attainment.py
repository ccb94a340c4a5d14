"""Attainment against threshold: Figure 3 of the paper, for any grouping, with bands and baselines."""

import altair as alt
import polars as pl

from worldvaluesbench.reporting.figures._data import (
    check_grouping,
    check_rows,
    groups_of,
    in_order,
    span,
    spanned,
    upper_first,
    values_of,
)
from worldvaluesbench.reporting.figures._theme import (
    BESIDE,
    NAMES,
    PADDING,
    PAGE,
    Chart,
    finish,
    header_of,
    humans_note,
    interval_note,
    legend_of,
    look_of,
)
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE, MAJORITY, UNIFORM

BASELINES = (UNIFORM, MAJORITY)

MAX_BANDS = 4
"""Of more sources than these no bands are drawn, for nothing would be seen of them."""


def plot_attainment(comparison: Comparison, grouping: str | None = None, *, up_to: float = 0.4) -> Chart:
    """Share of items within each threshold up to `up_to`: a panel for everybody, and for each group of a grouping.

    Lines are dashed without demographics and solid with them, baselines grey. Bands are intervals; they are left out
    where there are more than four sources, for then nothing would be seen of them. Raises AnswersError for a grouping
    that the comparison does not have.
    """
    check_grouping(comparison, grouping)
    table = _rows(comparison, grouping, up_to)
    check_rows(table, comparison, "attainment")
    look = look_of(comparison.sorts)
    shown = [*comparison.names, *BASELINES]
    panels = in_order(table["panel"].to_list())
    n_columns = min(3, len(panels))
    width = (PAGE - 2 * PADDING - BESIDE - 14 - 16 * (n_columns - 1)) / n_columns
    called = {name: NAMES.get(name, name) for name in shown}
    legend = alt.Legend(symbolType="stroke", symbolSize=500, **legend_of(called))
    x = alt.X("threshold:Q", title="Wasserstein-1 threshold", axis=alt.Axis(tickCount=4, grid=False))
    colour = alt.Color("answered_by:N", scale=look.colour_scale(shown), title=None, legend=legend)
    dash = alt.StrokeDash("answered_by:N", scale=look.dash_scale(shown), title=None, legend=legend)
    axis = alt.Axis(format="%", tickCount=5)
    y = alt.Y("share:Q", title="share of items within it", axis=axis, scale=alt.Scale(domain=[0, 1]))
    line = alt.Chart().mark_line(strokeWidth=1.7).encode(x=x, y=y, color=colour, strokeDash=dash)
    layers = [line]
    has_bands = len(comparison.names) <= MAX_BANDS and table["low"].null_count() < table.height
    if has_bands:
        # each band is a layer of its own, for a legend of bands would hide that of lines
        ends = {"y": alt.Y("low:Q", title="share of items within it"), "y2": "high:Q"}
        for name in comparison.names:
            area = alt.Chart().mark_area(opacity=0.14, color=look.colours[name]).encode(x=x, **ends)
            layers.insert(0, area.transform_filter(alt.FieldEqualPredicate(field="answered_by", equal=name)))
    panel = alt.layer(*layers, data=values_of(table)).properties(width=width, height=150)
    facet = alt.Facet("panel:N", sort=panels, title=None, header=header_of(panels, width))
    notes = [humans_note(comparison), _counts(comparison, table), _bands(comparison, has_bands), *_lines(comparison)]
    faceted = panel.facet(facet=facet, columns=n_columns, spacing=16)
    return finish(faceted, comparison, "How many items each is near enough to", notes)


def _counts(comparison: Comparison, table: pl.DataFrame) -> str:
    """How many items and people are behind the lines."""
    pooled = comparison.tables["summary"].filter(pl.col("grouping") == EVERYONE)
    n = span(pooled.filter(pl.col("answered_by") == pl.col("answers"))["n_effective"].round())
    what = f"{spanned(table['n_items'], 'item')}{' a panel' if table['panel'].n_unique() > 1 else ''}"
    return f"{what}; mean effective n of an item, everybody pooled: {n}."


def _bands(comparison: Comparison, has_bands: bool) -> str:
    if has_bands:
        return f"Bands: {interval_note(comparison)}"
    if len(comparison.names) > MAX_BANDS:
        return f"No bands: with more than {MAX_BANDS} sources they would hide one another; intervals are in the tables."
    return "No intervals were drawn."


def _lines(comparison: Comparison) -> list[str]:
    """What the strokes and colours of the lines say, of those that are there."""
    kinds = {sort.kind for sort in comparison.sorts.values()}
    strokes = {"with": "solid: with demographics", "without": "dashed: without"}
    said = [words for kind, words in strokes.items() if kind in kinds]
    people = [name for name, sort in comparison.sorts.items() if sort.kind == "baseline"]
    if people:
        said.append(f"dashed and dotted: baselines of people ({', '.join(people)})")
    return [upper_first("; ".join([*said, "grey: uniform and majority."]))]


def _rows(comparison: Comparison, grouping: str | None, up_to: float) -> pl.DataFrame:
    table = groups_of(comparison.tables["attainment"], grouping)
    is_own = pl.col("answered_by") == pl.col("answers")
    is_baseline = pl.col("answered_by").is_in(BASELINES) & (pl.col("answers") == comparison.names[0])
    return table.filter(
        (is_own | is_baseline) & (pl.col("threshold") <= up_to + 1e-9) & pl.col("share").is_not_null()
    ).select("panel", "answered_by", "threshold", "share", "low", "high", "n_items")
