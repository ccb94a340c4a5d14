"""Attainment against threshold: Figure 3 of the paper, for any grouping, with bands and baselines."""

import altair as alt
import polars as pl

from worldvaluesbench.reporting.figures.data import check_grouping, groups_of, in_order, largest, values_of
from worldvaluesbench.reporting.theme import NAMES, PAGE, Chart, finish, humans_note, interval_note, look_of
from worldvaluesbench.scoring.baselines import MAJORITY, UNIFORM
from worldvaluesbench.scoring.comparison import Comparison

BASELINES = (UNIFORM, MAJORITY)


def plot_attainment(comparison: Comparison, grouping: str | None = None, *, up_to: float = 0.4) -> Chart:
    """Share of items within each threshold up to `up_to`: a panel for everybody, and for each group of a grouping.

    Lines are dashed without demographics and solid with them, baselines grey. Bands are intervals; they are left out
    where there are more than four sources, for then nothing would be seen of them. Raises AnswersError for a grouping
    that the comparison does not have.
    """
    check_grouping(comparison, grouping)
    table = _rows(comparison, grouping, up_to)
    look = look_of(comparison.sorts)
    shown = [*comparison.names, *BASELINES]
    panels = in_order(table["panel"].to_list())
    n_columns = min(3, len(panels))
    width = (PAGE - 75 - 16 * (n_columns - 1)) / n_columns
    legend = alt.Legend(symbolType="stroke", symbolSize=500, labelExpr=_label_expression(shown))
    x = alt.X("threshold:Q", title="Wasserstein-1 threshold", axis=alt.Axis(tickCount=4, grid=False))
    colour = alt.Color("answered_by:N", scale=look.colour_scale(shown), title=None, legend=legend)
    dash = alt.StrokeDash("answered_by:N", scale=look.dash_scale(shown), title=None, legend=legend)
    axis = alt.Axis(format="%", tickCount=5)
    y = alt.Y("share:Q", title="share of items within it", axis=axis, scale=alt.Scale(domain=[0, 1]))
    line = alt.Chart().mark_line(strokeWidth=1.7).encode(x=x, y=y, color=colour, strokeDash=dash)
    layers = [line]
    has_bands = len(comparison.names) <= 4 and table["low"].null_count() < table.height
    if has_bands:
        # each band is a layer of its own, for a legend of bands would hide that of lines
        ends = {"y": alt.Y("low:Q", title="share of items within it"), "y2": "high:Q"}
        for name in comparison.names:
            area = alt.Chart().mark_area(opacity=0.14, color=look.colours[name]).encode(x=x, **ends)
            layers.insert(0, area.transform_filter(alt.FieldEqualPredicate(field="answered_by", equal=name)))
    panel = alt.layer(*layers, data=values_of(table)).properties(width=width, height=150)
    facet = alt.Facet("panel:N", sort=panels, title=None)
    n_items = largest(table["n_items"])
    bands = f" Bands: {interval_note(comparison)}" if has_bands else ""
    notes = [humans_note(comparison), f"Up to {n_items:.0f} items in each panel.{bands}", _HOW]
    faceted = panel.facet(facet=facet, columns=n_columns, spacing=16)
    return finish(faceted, comparison, "How many items each is near enough to", notes)


_HOW = "Solid: with demographics; dashed: without; grey: baselines."


def _rows(comparison: Comparison, grouping: str | None, up_to: float) -> pl.DataFrame:
    table = groups_of(comparison.tables["attainment"], grouping)
    is_own = pl.col("answered_by") == pl.col("answers")
    is_baseline = pl.col("answered_by").is_in(BASELINES) & (pl.col("answers") == comparison.names[0])
    return table.filter(
        (is_own | is_baseline) & (pl.col("threshold") <= up_to + 1e-9) & pl.col("share").is_not_null()
    ).select("panel", "answered_by", "threshold", "share", "low", "high", "n_items")


def _label_expression(names: list[str]) -> str:
    """Names of sources as they are, of baselines in words."""
    return "datum.label" if not set(names) & set(NAMES) else f"({dict(NAMES)})[datum.label] || datum.label"
