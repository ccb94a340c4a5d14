"""Distributions of an item: Figure 4 of the paper, models side by side with the humans."""

import altair as alt
import polars as pl

from worldvaluesbench.errors import AnswersError
from worldvaluesbench.reporting.figures.data import item_labels, largest, values_of, wrap_lines
from worldvaluesbench.reporting.theme import INK, LINES, PAGE, Chart, finish, humans_note, level_of, look_of, two_lines
from worldvaluesbench.scoring.comparison import Comparison
from worldvaluesbench.scoring.groups import EVERYONE
from worldvaluesbench.survey.codebook import load_codebook

HUMANS = "humans"
WIDTH_OF_LABEL, WIDTH_OF_NOTE = 28, 112


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
    labels = [wrap_lines(label, WIDTH_OF_LABEL) for label in item_labels(item)]
    in_words = pl.col("rating").replace_strict(
        dict(zip(item.scale.ratings, labels, strict=True)), return_dtype=pl.String
    )
    titles = {name: two_lines(name, sort) for name, sort in comparison.sorts.items()}
    table = found.with_columns(label=in_words, title=pl.col("answers").replace_strict(titles, return_dtype=pl.String))
    n_columns = min(4, len(titles))
    look = look_of(comparison.sorts)
    width = (PAGE - 135 - 12 * (n_columns - 1)) / n_columns
    y = alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(labelLimit=130, ticks=False, labelExpr=LINES))
    x = alt.X("given:Q", title="share", axis=alt.Axis(format="%", tickCount=3), scale=alt.Scale(domainMin=0))
    colour = alt.Color("answers:N", scale=look.colour_scale(comparison.names), legend=None)
    bars = alt.Chart().mark_bar(height={"band": 0.72}).encode(x=x, y=y, color=colour)
    people = alt.Chart().mark_tick(color=INK, thickness=2, size=9).encode(x="humans:Q", y=y)
    sure = alt.Chart().mark_rule(color=INK, strokeWidth=1).encode(x="humans_low:Q", x2="humans_high:Q", y=y)
    panel = alt.layer(bars, sure, people, data=values_of(_columns(table))).properties(
        width=width, height=(20 if any("\n" in label for label in labels) else 15) * len(labels)
    )
    header = alt.Header(labelExpr=LINES)
    facet = alt.Facet("title:N", sort=list(titles.values()), title=None, header=header)
    faceted = panel.facet(facet=facet, columns=n_columns, spacing=12)
    n = comparison.tables["scores"].filter(item_id=item_id, grouping=grouping, group=group)["n_responses"]
    whom = "" if group == EVERYONE else f", {group}"
    notes = [
        *wrap_lines(item.question, WIDTH_OF_NOTE).splitlines(),
        f"Bars: answers. Black: humans with {level_of(comparison)} intervals (Wilson), n = {largest(n):,.0f}{whom}.",
        humans_note(comparison),
    ]
    return finish(faceted, comparison, f"{item_id} {item.name}", notes)


def _columns(table: pl.DataFrame) -> pl.DataFrame:
    return table.select("answers", "title", "label", "humans", "humans_low", "humans_high", "given")
