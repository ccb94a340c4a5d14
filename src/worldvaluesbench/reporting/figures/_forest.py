"""A forest: every source with its interval, beside what chance does and what people reach."""

import altair as alt
import polars as pl

from worldvaluesbench.reporting.figures._data import check_rows, middle, span, spanned, values_of
from worldvaluesbench.reporting.figures._theme import (
    INK,
    MUTED,
    NAMES,
    PADDING,
    PAGE,
    SMALLEST,
    Chart,
    finish,
    humans_note,
    interval_note,
    label_expression,
    look_of,
    short_names,
    widest,
)
from worldvaluesbench.reporting.page import HUMAN
from worldvaluesbench.reporting.tables import board_of
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import MAJORITY, UNIFORM, WORLD

LABELS = 170
"""Points for the names of sources."""


def plot_forest(comparison: Comparison) -> Chart:
    """Mean distance of every source and baseline: as it is (open), and corrected with its interval (filled).

    A grey band reaches up to the mean noise floor; where the baseline `human` is among the sources a line marks it.
    """
    table = _rows(comparison)
    check_rows(table, comparison, "how near each is")
    look = look_of(comparison.sorts)
    order = table.sort("middle", nulls_last=True)["name"].to_list()
    sources = [*comparison.names, UNIFORM, MAJORITY, WORLD]
    labels = short_names(order, LABELS)
    expression = label_expression(labels)
    labelled = alt.Axis(labelLimit=LABELS + 10, ticks=False, domain=False, labelExpr=expression)
    y = alt.Y("name:N", sort=order, title=None, axis=labelled)
    x = alt.X(
        "middle:Q", title="mean Wasserstein-1 over items (0: as people, 1: opposite)", scale=alt.Scale(domainMin=0)
    )
    colour = alt.Color("answered_by:N", scale=look.colour_scale(sources), legend=None)
    base = alt.Chart(values_of(table))
    floor = middle(table["noise_floor"])
    band = alt.Chart(alt.InlineData(values=[{"from": 0, "to": floor}])).mark_rect(opacity=0.13, color=MUTED)
    layers = [
        band.encode(x="from:Q", x2="to:Q"),
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=colour),
        base.mark_point(filled=False, size=34, strokeWidth=1.2).encode(x="mean:Q", y=y, color=colour),
        base.mark_point(filled=True, size=42, opacity=1).encode(x=x, y=y, color=colour),
        base.mark_text(align="left", dx=6, fontSize=SMALLEST).encode(x="end:Q", y=y, text="text:N"),
    ]
    human = table.filter(name=HUMAN)
    if human.height:
        rule = alt.Chart(alt.InlineData(values=[{"at": human["middle"][0]}])).mark_rule(color=INK, strokeDash=[4, 3])
        layers.insert(1, rule.encode(x="at:Q"))
    ceiling = f" Dashed: another person of the same group ({human['middle'][0]:.3f})." if human.height else ""
    own = table.filter(pl.col("answered_by").is_in(comparison.names))
    n, n_answers = span(own["n_effective"].round()), span((own["n_examples"] / own["n_items"]).round())
    answered = "" if n == n_answers else f", {n_answers} answered for"
    notes = [
        f"{humans_note(comparison)} {spanned(table['n_items'], 'item')}, pooled; mean n of an item {n}{answered}.",
        f"Filled: corrected, with {interval_note(comparison)}",
        f"Open: as it is.{ceiling} Grey: up to the noise floor ({floor:.3f}).",
    ]
    # beside the names: the numbers stand to the right of the farthest point
    width = PAGE - 2 * PADDING - widest(labels.values()) - widest(table["text"].to_list()) - 16
    chart = alt.layer(*layers).properties(width=width, height=17 * table.height)
    return finish(chart, comparison, "How near each is to people", notes)


def _rows(comparison: Comparison) -> pl.DataFrame:
    """A row for each source, and once for each baseline, over the same people and items."""
    middle = pl.coalesce("corrected", "mean").clip(lower_bound=0.0)
    text = (
        pl.when(pl.col("low").is_null())
        .then(middle.round(3).cast(pl.String))
        .otherwise(
            pl.format(
                "{} [{}, {}]",
                *(
                    number.map_elements(lambda x: f"{x:.3f}", return_dtype=pl.String)
                    for number in (middle, pl.col("low"), pl.col("high"))
                ),
            )
        )
    )
    return (
        board_of(comparison)
        .filter(pl.col("mean").is_not_null())
        .with_columns(
            name=pl.col("answers").replace(dict(NAMES)),
            answered_by="answers",
            middle=middle,
            low=pl.coalesce("low", middle),
            high=pl.coalesce("high", middle),
            text=text,
        )
        .with_columns(end=pl.max_horizontal("mean", "high", "middle"))
        .select(
            "name",
            "answered_by",
            "middle",
            "mean",
            "low",
            "high",
            "end",
            "text",
            "noise_floor",
            "n_items",
            "n_examples",
            "n_effective",
        )
    )
