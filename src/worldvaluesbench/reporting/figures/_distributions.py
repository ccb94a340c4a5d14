"""Distributions of an item: Figure 4 of the paper, models side by side with the humans."""

from itertools import pairwise
from typing import Any

import altair as alt
import polars as pl

from worldvaluesbench.errors import AnswersError
from worldvaluesbench.reporting.figures._data import item_labels, span, values_of, wrap_lines
from worldvaluesbench.reporting.figures._theme import (
    INK,
    LINES,
    PADDING,
    PAGE,
    Chart,
    finish,
    humans_note,
    level_of,
    look_of,
    titles_of,
    widest,
)
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE
from worldvaluesbench.survey import load_codebook

HUMANS = "humans"
WIDTH_OF_LABEL, SPACE = 28, 12
"""Letters of a line of a label, and points between panels."""

MOST_LINES, LINE, STEP = 3, 10, 15
"""Lines of a label, points of a line, and points of a row at least."""


def plot_distributions(
    comparison: Comparison, item_id: str, *, grouping: str = EVERYONE, group: str = EVERYONE
) -> Chart:
    """The shares of humans and of every source on each scale point of an item: of everybody, or one group.

    Bars are the answers; in every panel a tick marks the humans' share and a line its interval (Wilson, by the
    effective n). Raises AnswersError where the comparison has no such cell, or it is too small.
    """
    found = comparison.tables["distributions"].filter(item_id=item_id, grouping=grouping, group=group)
    if found.is_empty():
        raise AnswersError(
            f"There is no distribution of {item_id} for {group}: it was not asked, or is too small a cell."
        )
    item = load_codebook().item(item_id)
    labels = [wrap_lines(label, WIDTH_OF_LABEL, MOST_LINES) for label in item_labels(item)]
    in_words = pl.col("rating").replace_strict(
        dict(zip(item.scale.ratings, labels, strict=True)), return_dtype=pl.String
    )
    n_columns = min(4, len(comparison.sorts))
    look = look_of(comparison.sorts)
    width = (PAGE - 2 * PADDING - widest(labels) - 22 - SPACE * (n_columns - 1)) / n_columns
    titles = titles_of(comparison.sorts, width)
    table = found.with_columns(label=in_words, title=pl.col("answers").replace_strict(titles, return_dtype=pl.String))
    y = alt.Y(
        "label:N",
        sort=labels,
        title=None,
        axis=alt.Axis(labelLimit=160, ticks=False, labelExpr=LINES, labelOffset=_raised()),
    )
    x = alt.X("given:Q", title="share", axis=alt.Axis(format="%", tickCount=3), scale=alt.Scale(domainMin=0))
    colour = alt.Color("answers:N", scale=look.colour_scale(comparison.names), legend=None)
    bars = alt.Chart().mark_bar(height={"band": 0.72}).encode(x=x, y=y, color=colour)
    people = alt.Chart().mark_tick(color=INK, thickness=2, size=9).encode(x="humans:Q", y=y)
    ends = alt.Chart().mark_rule(color=INK, strokeWidth=1).encode(x="humans_low:Q", x2="humans_high:Q", y=y)
    panel = alt.layer(bars, ends, people, data=values_of(_columns(table))).properties(
        width=width, height=_step(labels) * len(labels)
    )
    header = alt.Header(labelExpr=LINES)
    facet = alt.Facet("title:N", sort=list(titles.values()), title=None, header=header)
    faceted = panel.facet(facet=facet, columns=n_columns, spacing=SPACE)
    notes = [item.question, _marks(comparison, item_id, grouping, group), humans_note(comparison)]
    return finish(faceted, comparison, f"{item_id} {item.name}", notes)


def _marks(comparison: Comparison, item_id: str, grouping: str, group: str) -> str:
    """What bars and marks are, and of how many people."""
    scores = comparison.tables["scores"].filter(item_id=item_id, grouping=grouping, group=group, is_too_small=False)
    whom = "" if group == EVERYONE else f", {group}"
    sure = f"{level_of(comparison)} intervals (Wilson), n = {span(scores['n_responses'])}{whom}"
    return f"Bars: answers. Marks: humans with {sure}."


def _raised() -> Any:
    """Labels of several lines begin so much higher that their middle is at their row."""
    lines = "length(split(datum.value, '\\n'))"
    tests = [{"test": f"{lines} == {n}", "value": -LINE * (n - 1) / 2} for n in range(2, MOST_LINES + 1)]
    return {"condition": tests, "value": 0}


def _step(labels: list[str]) -> float:
    """Points from row to row, so that no two labels beside one another touch."""
    lines = [label.count("\n") + 1 for label in labels]
    return max(STEP, *(1 + LINE * (one + other) / 2 for one, other in pairwise(lines)))


def _columns(table: pl.DataFrame) -> pl.DataFrame:
    return table.select("answers", "title", "label", "humans", "humans_low", "humans_high", "given")
