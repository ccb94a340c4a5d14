"""The look of all figures: sizes for paper, colours that everybody can tell apart, one for a model everywhere."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from worldvaluesbench.benchmark import describe_weight
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import MAJORITY, MAJORITY_POOLED, UNIFORM, WORLD, Sort
from worldvaluesbench.survey import WHICH_WORLD

COLUMN, PAGE = 218, 455
"""Widths in points: a column and the text of a page of two columns, as the proceedings of the field have them."""

PADDING = 4
"""Points left free around a figure."""

SMALLEST, TITLE = 8, 11
"""No text is smaller than this many points, at the width for which a figure is made; and the size of titles."""

FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"

INK, MUTED, GRID, PAPER = "#1a1c20", "#5f646d", "#d9dce1", "#ffffff"
"""Text and human side; second text; lines behind; background. A page that can be dark puts its own in their place."""

ON_PALE, ON_DARK = "#101216", "#fefefe"
"""Text on a coloured cell, which is as it is whatever the page behind."""

PALETTE = (
    "#0072b2",
    "#d87800",
    "#a84860",
    "#009c9c",
    "#84600c",
    "#fc3c54",
    "#00a860",
    "#c06ce4",
    "#0060e4",
    "#fc489c",
)
"""One for each family of models, in their order; told apart by red-green blind eyes, dark enough on white and light
enough on black."""

PEOPLE: Mapping[str, str] = {"marginal": "#6c6084", "cell": "#6c906c", "trees": "#546c60", "human": "#8490b4"}
"""Those of the baselines, which take none from the models: a model has its colour whether they are there or not."""

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

MOST_LINES = 4
"""Lines of a heading of a panel."""

BOLD, GAP = 1.07, 16
"""How much wider bold letters are; points around a label of a legend."""

BESIDE = 44
"""Points of an axis of numbers and its title, beside a panel; a legend below begins where the panel does."""

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
    is_baseline = {name: sort.kind == "baseline" for name, sort in sorts.items()}
    models = {sort.family for name, sort in sorts.items() if not is_baseline[name]}
    people = {sort.family for name, sort in sorts.items() if is_baseline[name]}
    of_model = _in_turn(sorted(models, key=str.casefold), PALETTE)
    of_people = _in_turn(sorted(people - set(PEOPLE)), tuple(PEOPLE.values())) | dict(PEOPLE)
    colours = {name: (of_people if is_baseline[name] else of_model)[sort.family] for name, sort in sorts.items()}
    dashes = {name: DASHES[sort.kind] for name, sort in sorts.items()}
    return Look(colours | dict(GREYS), dashes | {name: DASHES.get(name, [2, 2]) for name in GREYS})


def _in_turn(names: Sequence[str], colours: Sequence[str]) -> dict[str, str]:
    return {name: colours[place % len(colours)] for place, name in enumerate(names)}


def finish(chart: Chart, comparison: Comparison, title: str, notes: Sequence[str]) -> Chart:
    """A chart with its title, notes below (n, what the interval is), the mark of invented people, and the look.

    Title and notes are broken into lines of the width of a page.
    """
    room = PAGE - 2 * PADDING
    marked = f"{INVENTED} · {title}" if comparison.is_invented else title
    sentences = [*notes, *([INVENTED_NOTE] if comparison.is_invented else [])]
    heading = alt.TitleParams(
        text=break_lines(marked, room / BOLD, TITLE),
        subtitle=[line for note in sentences for line in break_lines(note, room)],
        anchor="start",
        offset=10,
        fontSize=TITLE,
        color=INK,
        subtitleColor=MUTED,
        subtitleFontSize=SMALLEST,
        subtitleLineHeight=11,
        subtitlePadding=4,
    )
    return _configured(chart.properties(title=heading))


def _configured(chart: Chart) -> Chart:
    """A chart with the sizes, letters and inks of all."""
    return (
        chart.configure(font=FONT, background="transparent", padding=PADDING)
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
            columns=3,
            labelLimit=220,
            symbolSize=60,
        )
        .configure_text(fontSize=SMALLEST, color=INK)
    )


def titles_of(sorts: Mapping[str, Sort], width: float) -> dict[str, str]:
    r"""Sources as titles of panels of this width: the family, and below whether prompts show who is answered for.

    >>> titles_of({"alpaca_with_demographics": Sort("with", "alpaca")}, 100)
    {'alpaca_with_demographics': 'alpaca\nwith demographics'}
    """
    size = SMALLEST + 1
    families = short_names([sort.family for sort in sorts.values()], width, size * BOLD)
    below = {}
    for name, sort in sorts.items():
        line = _second_line(name, sort)
        fits = text_width(line, size * BOLD) <= width
        below[name] = line if fits else shorten_middle(line.removeprefix("with "), width, size * BOLD)
    titles: dict[str, str] = {}
    for name, sort in sorts.items():
        title = f"{families[sort.family]}\n{below[name]}"
        n = 1 + sum(other == title or other.startswith(f"{title} (") for other in titles.values())
        titles[name] = title if n == 1 else f"{title} ({n})"
    return titles


def header_of(panels: Sequence[str], width: float) -> alt.Header:
    """The headings of panels of this width, none of which reaches beyond its own."""
    size = (SMALLEST + 1) * BOLD
    found = {}
    for name in panels:
        lines = break_lines(name, width, size)
        short = shorten_middle(name, MOST_LINES * 0.7 * width, size)
        found[name] = "\n".join(lines if len(lines) <= MOST_LINES else break_lines(short, width, size))
    return alt.Header(labelExpr=f"split({label_expression(found)}, '\\n')")


def _second_line(name: str, sort: Sort) -> str:
    below = {"with": "with demographics", "without": "without", "baseline": "baseline"}[sort.kind]
    rest = name.replace(sort.family, "").strip("+_-. ")
    return below if rest.replace("with_", "") in ("", "demographics") else rest


def legend_of(shown: Mapping[str, str]) -> dict[str, Any]:
    """Settings of a legend below, of sources by these names: as many columns as fit, all of them on the page.

    `shown`: what each is called.
    """
    size, symbol = SMALLEST + 1, 24
    room = PAGE - 2 * PADDING - BESIDE
    labels = short_names(list(shown.values()), room - symbol - GAP, size)
    names = {name: labels[label] for name, label in shown.items()}
    columns = max(1, min(4, len(names), int(room / (symbol + GAP + widest(names.values(), size)))))
    return {"labelExpr": label_expression(names), "columns": columns, "labelLimit": room - symbol}


def interval_note(comparison: Comparison) -> str:
    """What the confidence intervals of a comparison are, in words."""
    settings = comparison.receipt["settings"]
    drawn = settings["resampling"]
    how = {"debiased": "bias-corrected", "percentile": "percentile"}[drawn["method"]]
    return (
        f"{level_of(comparison)} confidence intervals ({how}; {drawn['n']:,} bootstrap resamples of respondents; "
        f"{ITEMS_NOTES[settings['item_sampling']]})."
    )


ITEMS_NOTES = {
    "within-topics": "items sampled within topics",
    "topics": "topics sampled",
    "fixed": "items fixed",
}
"""What intervals of means over items allow for, in words."""


def level_of(comparison: Comparison) -> str:
    """The level of a comparison's intervals, as a percentage."""
    return f"{100 * comparison.receipt['settings']['resampling']['level']:.4g}%"


def humans_note(comparison: Comparison) -> str:
    """Who the humans of a comparison are, in words."""
    reference = comparison.receipt["reference"]
    weight = "" if reference["weight"] == "none" else f", {describe_weight(reference['weight'])}"
    whom = {
        "probe": "the respondents answered for",
        "split": "everyone of their split",
        "all": "everyone of the dataset",
        "world": f"the world marginals ({WHICH_WORLD})",
    }[reference["name"]]
    edition = f", edition {reference['edition']}" if reference["edition"] else ""
    return f"Humans: {whom}{edition}{weight}."


_NARROW, _WIDE = frozenset("iljtfrI.,:;'|!()[]/\\ -·"), frozenset("mwMW@%")
_SHARES = {"narrow": 0.34, "wide": 0.92, "capital": 0.7, "other": 0.57, "full": 1.02}
"""Widths of letters of Helvetica as shares of their size, a little more than they are."""

SHARES_OF_END = (0.5, 0.65, 0.8)
"""How much of shortened names is their end: more of it where the names would else be alike."""


def text_width(text: str, size: float = 8) -> float:
    """About how many points wide a line of text is at this size, rather too many than too few.

    >>> text_width("Wales") > text_width("Wiles") > text_width("iiiii")
    True
    """
    return size * sum(_SHARES[_sort_of(letter)] for letter in text)


def widest(texts: Iterable[str], size: float = 8) -> float:
    """The width of the widest line of all these texts; 0 where there is none."""
    return max((text_width(line, size) for text in texts for line in text.split("\n")), default=0.0)


def _sort_of(letter: str) -> str:
    if letter in _NARROW:
        return "narrow"
    if letter in _WIDE:
        return "wide"
    if ord(letter) > 0x2E80:
        return "full"
    return "capital" if letter.isupper() else "other"


def shorten_middle(text: str, width: float, size: float = 8, *, share: float = 0.5) -> str:
    """Text that fits into so many points; of what is too long the middle is left out, for names differ at their ends.

    `share`: how much of what is left is its end.

    >>> shorten_middle("a-very-long-name-of-a-model+demographics", 110)
    'a-very-long-n…demographics'
    """
    if text_width(text, size) <= width:
        return text
    for n in range(len(text) - 1, 1, -1):
        n_end = round(share * n)
        short = f"{text[: n - n_end].rstrip()}…{text[len(text) - n_end :].lstrip()}"
        if text_width(short, size) <= width:
            return short
    return text[:1] + "…"


def short_names(names: Sequence[str], width: float, size: float = 8) -> dict[str, str]:
    """Every name as it fits into so many points, no two of them alike: those that would be are numbered.

    >>> short_names(["x" * 40 + "a" + "y" * 40, "x" * 40 + "b" + "y" * 40], 60)["x" * 40 + "b" + "y" * 40]
    'xxxxx…yyyy (2)'
    """
    names = list(dict.fromkeys(names))
    for share in SHARES_OF_END:
        found = {name: shorten_middle(name, width, size, share=share) for name in names}
        if len(set(found.values())) == len(names):
            return found
    found = {}
    for name in names:
        short, place = shorten_middle(name, width, size), 2
        while short in found.values():
            mark = f" ({place})"
            short = shorten_middle(name, width - text_width(mark, size), size) + mark
            place += 1
        found[name] = short
    return found


def break_lines(text: str, width: float, size: float = 8) -> list[str]:
    """Text in lines of at most so many points, broken between words; a word that is too long is shortened.

    >>> break_lines("Humans: everyone of their split.", 80)
    ['Humans: everyone', 'of their split.']
    """
    lines: list[str] = []
    for word in text.split():
        fitting = shorten_middle(word, width, size)
        if lines and text_width(f"{lines[-1]} {fitting}", size) <= width:
            lines[-1] += f" {fitting}"
        else:
            lines.append(fitting)
    return lines


def label_expression(shown: Mapping[str, str]) -> str:
    """The expression by which an axis or a legend shows other names than those in the data."""
    changed = {name: label for name, label in shown.items() if name != label}
    return f"({json.dumps(changed)})[datum.label] || (datum.label)" if changed else "datum.label"
