"""With against without demographics: does a model know more when it is told who is answered for?"""

import altair as alt
import polars as pl

from worldvaluesbench.errors import AnswersError
from worldvaluesbench.reporting.figures._data import (
    OVERALL,
    check_grouping,
    check_rows,
    floor_at_0,
    groups_of,
    in_order,
    spanned,
    values_of,
)
from worldvaluesbench.reporting.figures._theme import (
    BESIDE,
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
from worldvaluesbench.scoring.sources import Pair, tested_pairs

SIDES = ("without", "with")


def plot_demographics(comparison: Comparison, grouping: str | None = None) -> Chart:
    """A slope for every model that was asked both ways, from its mean distance without to that with demographics.

    A panel for everybody and one for each group of a grouping. Raises AnswersError where no model was asked both ways.
    """
    check_grouping(comparison, grouping)
    families = tested_pairs(comparison.sorts)
    if not families:
        raise AnswersError(
            "No model was asked both with and without demographics and alike in all else; compare two runs of one "
            "model, or say with --pair which two files belong together."
        )
    table = _rows(groups_of(comparison.tables["leaderboard"], grouping), families)
    check_rows(table, comparison, "demographics")
    look = look_of(comparison.sorts)
    colours = alt.Scale(domain=[one[0] for one in families], range=[look.colours[one[1]] for one in families])
    panels = in_order(table["panel"].to_list())
    n_columns = min(4, len(panels))
    x = alt.X(
        "side:N", sort=list(SIDES), title=None, axis=alt.Axis(labelAngle=0, labelLimit=60), scale=alt.Scale(padding=0.5)
    )
    y = alt.Y("corrected:Q", title="mean Wasserstein-1, corrected", scale=alt.Scale(domainMin=0))
    colour = alt.Color(
        "model:N", scale=colours, title=None, legend=alt.Legend(**legend_of({one[0]: one[0] for one in families}))
    )
    base = alt.Chart().encode(x=x, color=colour)
    layers = [
        base.mark_line(strokeWidth=1.8).encode(y=y, detail="model:N"),
        base.mark_rule(strokeWidth=1.2).encode(y="low:Q", y2="high:Q"),
        base.mark_point(filled=True, size=36, opacity=1).encode(y=y),
    ]
    width = min(150, (PAGE - 2 * PADDING - BESIDE - 14 - 14 * (n_columns - 1)) / n_columns)
    panel = alt.layer(*layers, data=values_of(table)).properties(width=width, height=170)
    facet = alt.Facet("panel:N", sort=panels, title=None, header=header_of(panels, width))
    faceted = panel.facet(facet=facet, columns=n_columns, spacing=14)
    notes = [
        humans_note(comparison),
        _counts(comparison, table),
        f"Lines at points: {interval_note(comparison)} Down: demographics help.",
    ]
    return finish(faceted, comparison, "With demographics and without", notes)


def _rows(board: pl.DataFrame, families: list[Pair]) -> pl.DataFrame:
    """Both sides of every pair, panel by panel."""
    parts = [
        board.filter(answers=name).with_columns(model=pl.lit(family), side=pl.lit(side))
        for family, without, shown, *_ in families
        for side, name in zip(SIDES, (without, shown), strict=True)
    ]
    table = pl.concat(parts).select("panel", "model", "side", "answers", "corrected", "low", "high", "n_items")
    return floor_at_0(table, "corrected", "low", "high")


def _counts(comparison: Comparison, table: pl.DataFrame) -> str:
    """How many examples and items are behind the points."""
    n = comparison.n_common
    same = "Different examples." if n is None else f"The same {n:,} examples for all."
    if table["panel"].n_unique() == 1:
        return f"{same} {spanned(table['n_items'], 'item')}."
    of_groups = spanned(table.filter(pl.col("panel") != OVERALL)["n_items"], "item")
    differ = "; groups of different items are not to be compared" if "to" in of_groups.split() else ""
    return f"{same} {of_groups} a group{differ}."
