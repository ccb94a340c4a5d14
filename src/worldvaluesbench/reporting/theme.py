"""The look of all figures: sizes for paper, colours that everybody can tell apart, one for a model everywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from worldvaluesbench.scoring.baselines import MAJORITY, MAJORITY_POOLED, UNIFORM, WORLD
from worldvaluesbench.scoring.comparison import Comparison
from worldvaluesbench.scoring.kinds import Sort

COLUMN, PAGE = 218, 455
"""Widths in points: a column and the text of a page of two columns, as the proceedings of the field have them."""

LONGEST = 18
"""Letters of a family's name above a narrow panel."""

SMALLEST = 8
"""No text is smaller than this many points, at the width for which a figure is made."""

FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"

INK, MUTED, GRID, PAPER = "#1a1c20", "#5f646d", "#d9dce1", "#ffffff"
"""Text and human side; second text; lines behind; background. A page that can be dark puts its own in their place."""

PALETTE = (
    "#0072b2",
    "#b8860b",
    "#008766",
    "#c23b5a",
    "#9a4dd6",
    "#2f8091",
    "#4f772d",
    "#c8501e",
    "#5a6bd0",
    "#8a5a44",
)
"""One for each family of sources, in their order; told apart by red-green blind eyes, dark enough on white and light
enough on black."""

GREYS: Mapping[str, str] = {UNIFORM: "#6f757e", MAJORITY: "#6f757e", MAJORITY_POOLED: "#6f757e", WORLD: "#6f757e"}
DASHES: Mapping[str, Sequence[int]] = {
    "with": [1, 0],
    "without": [5, 3],
    "baseline": [7, 2, 1, 2],
    UNIFORM: [1, 2],
    MAJORITY: [3, 2],
    WORLD: [1, 4],
}
NAMES: Mapping[str, str] = {
    UNIFORM: "uniform",
    MAJORITY: "majority",
    MAJORITY_POOLED: "majority, pooled",
    WORLD: "world marginal",
}
"""Baselines as figures name them."""

INVENTED = "INVENTED PEOPLE"
INVENTED_NOTE = "The people are invented (wvb synthetic): no number here says anything about the world."
LINES = "split(datum.label, '\\n')"
"""The expression that breaks a label into its lines."""


Chart = Any
"""An Altair chart of any kind: layered, faceted or plain."""


@dataclass(frozen=True)
class Look:
    """How sources look in all figures of a comparison: the colour of each by name, and the dashes of its lines."""

    colours: Mapping[str, str]
    dashes: Mapping[str, Sequence[int]]

    @property
    def names(self) -> list[str]:
        """The sources, in their order."""
        return list(self.colours)

    def colour_scale(self, names: Sequence[str] | None = None) -> alt.Scale:
        """The colours of these sources (default: of all)."""
        shown = self.names if names is None else list(names)
        return alt.Scale(domain=shown, range=[self.colours[name] for name in shown])

    def dash_scale(self, names: Sequence[str] | None = None) -> alt.Scale:
        """The dashes of these sources (default: of all)."""
        shown = self.names if names is None else list(names)
        return alt.Scale(domain=shown, range=[list(self.dashes[name]) for name in shown])


def look_of(sorts: Mapping[str, Sort]) -> Look:
    """The look of sources: those of one family share a colour, and lines are dashed without demographics."""
    families = sorted({sort.family for sort in sorts.values()}, key=str.casefold)
    of_family = {family: PALETTE[place % len(PALETTE)] for place, family in enumerate(families)}
    colours = {name: of_family[sort.family] for name, sort in sorts.items()}
    dashes = {name: DASHES[sort.kind] for name, sort in sorts.items()}
    return Look(colours | dict(GREYS), dashes | {name: DASHES.get(name, [2, 2]) for name in GREYS})


def finish(
    chart: Chart, comparison: Comparison, title: str, notes: Sequence[str], *, columns: int | None = None
) -> Chart:
    """A chart with its title, notes below (n, what the interval is), the mark of invented people, and the look."""
    heading = alt.TitleParams(
        text=f"{INVENTED} · {title}" if comparison.is_invented else title,
        subtitle=[*notes, *([INVENTED_NOTE] if comparison.is_invented else [])],
        anchor="start",
        offset=10,
        fontSize=11,
        color=INK,
        subtitleColor=MUTED,
        subtitleFontSize=SMALLEST,
        subtitleLineHeight=11,
        subtitlePadding=4,
    )
    return _configured(chart.properties(title=heading), columns)


def _configured(chart: Chart, columns: int | None) -> Chart:
    """A chart with the sizes, letters and inks of all."""
    return (
        chart.configure(font=FONT, background="transparent", padding=4)
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=SMALLEST,
            titleFontSize=SMALLEST + 1,
            titleFontWeight="normal",
            labelColor=INK,
            titleColor=INK,
            gridColor=GRID,
            domainColor=MUTED,
            tickColor=MUTED,
            labelLimit=190,
        )
        .configure_header(
            labelFontSize=SMALLEST + 1, titleFontSize=SMALLEST + 1, labelColor=INK, labelFontWeight="bold"
        )
        .configure_legend(
            labelFontSize=SMALLEST + 1,
            titleFontSize=SMALLEST + 1,
            titleFontWeight="normal",
            labelColor=INK,
            titleColor=INK,
            orient="bottom",
            direction="horizontal",
            columns=columns or 3,
            labelLimit=220,
            symbolSize=60,
        )
        .configure_text(fontSize=SMALLEST, color=INK)
    )


def two_lines(name: str, sort: Sort) -> str:
    r"""A source as a narrow title: its family, and below whether its prompts show who is answered for.

    >>> two_lines("alpaca_with_demographics", Sort("with", "alpaca"))
    'alpaca\nwith demographics'
    """
    family = sort.family if len(sort.family) <= LONGEST else sort.family[: LONGEST - 1] + "…"
    below = {"with": "with demographics", "without": "without", "baseline": "baseline"}[sort.kind]
    rest = name.replace(sort.family, "").strip("+_-. ")
    return f"{family}\n{below}" if rest.replace("with_", "") in ("", "demographics") else f"{family}\n{rest}"


def interval_note(comparison: Comparison) -> str:
    """What the intervals of a comparison are, in words."""
    drawn = comparison.receipt["settings"]["resampling"]
    how = {"debiased": "debiased", "percentile": "percentile", "bca": "BCa"}[drawn["method"]]
    return f"{level_of(comparison)} intervals ({how}), {drawn['n']:,} resamples of respondents."


def level_of(comparison: Comparison) -> str:
    """The level of a comparison's intervals, as a percentage."""
    return f"{100 * comparison.receipt['settings']['resampling']['level']:.4g}%"


def humans_note(comparison: Comparison) -> str:
    """Who the humans of a comparison are, in words."""
    reference = comparison.receipt["reference"]
    weight = "" if reference["weight"] == "none" else f", weighted by {reference['weight']}"
    whom = {
        "probe": "the respondents answered for",
        "split": "everyone of their split",
        "all": "everyone of the dataset",
        "world": "world marginals, all interviews of file version 5",
    }[reference["name"]]
    edition = f", edition {reference['edition']}" if reference["edition"] else ""
    return f"Humans: {whom}{edition}{weight}."
