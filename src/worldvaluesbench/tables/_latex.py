r"""LaTeX tables with booktabs rules: Table 2 of the paper for any set of sources, and means with their intervals.

They need `\usepackage{booktabs}`, `\usepackage[table]{xcolor}` and `\usepackage{graphicx}`, which makes a table that is
wider than the text as narrow as that.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from worldvaluesbench.tables._words import floored, poll_text, rank_text

HEAD = "% needs \\usepackage{booktabs}, \\usepackage[table]{xcolor} and \\usepackage{graphicx}"
ENGINE = "% needs XeLaTeX or LuaLaTeX, with a font that has the letters of these names"
SIDEWAYS = "% made as narrow as the text; in a sidewaystable (package rotating) its letters are larger"
MANY = 10
INVENTED_ROW = "INVENTED PEOPLE (wvb synthetic)"
FITTING = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"
"""Begins what is made as narrow as the text where it is wider, and else is left as it is."""

LATIN = 0x17F
"""Letters up to this one are known to pdfLaTeX; and these beyond, which are escaped or stand in every font."""

KNOWN = frozenset("–—‘’“”…•")
INVENTED = "% The people are INVENTED (wvb synthetic); no number here says anything about the world."
SHADE = "gray!20"
PUBLISHED = "published"
KIND_TITLES = {
    "oracle": "Oracle",
    "baseline": "Baselines",
    "without": "Without demographics",
    "with": "With demographics",
    PUBLISHED: "As published",
}

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "≤": r"$\leq$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}

_LIGATURE = re.compile("(?<=-)(?=-)|(?<=`)(?=`)|(?<=')(?=')|(?<=,)(?=,)|(?<=[?!])(?=`)")
"""Between these two letters stands nothing; TeX makes a dash, a quotation mark or another letter of both."""


def escape(text: str) -> str:
    r"""Text as LaTeX shows it.

    >>> print(escape("50% of R&D_x"))
    50\% of R\&D\_x
    """
    return _LIGATURE.sub("{}", "".join(_ESCAPES.get(letter, letter) for letter in text))


def render_tabular(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: int = 1,
    above: str = "",
    is_invented: bool = False,
    is_turned: bool = False,
) -> str:
    """A `tabular` of cells that are LaTeX already, the first `left` columns left-aligned; `above`: more of its head.

    With `is_turned` the heads of the others stand upright: so many columns of short numbers fit beside one another.
    """
    names = [
        rf"\rotatebox{{90}}{{{escape(name)}}}" if is_turned and place >= left else escape(name)
        for place, name in enumerate(columns)
    ]
    spec = "l" * left + "r" * (len(columns) - left)
    body = [_protected(" & ".join(row)) + r" \\" for row in rows]
    heads = [*([above] if above else []), _protected(" & ".join(names)) + r" \\", "\\midrule"]
    narrow = ["\\setlength{\\tabcolsep}{3pt}"] if is_turned else []
    lines = [*narrow, f"\\begin{{tabular}}{{{spec}}}", "\\toprule", *heads, *body, "\\bottomrule"]
    if is_invented:
        lines.append(f"\\multicolumn{{{len(columns)}}}{{l}}{{\\textit{{{INVENTED_ROW}}}}} \\\\")
    text = "\n".join([FITTING, *lines, "\\end{tabular}}"])
    is_latin = all(ord(letter) <= LATIN or letter in KNOWN for letter in text)
    turn = [SIDEWAYS] if len(columns) > MANY else []
    head = [HEAD, *turn, *([] if is_latin else [ENGINE]), *([INVENTED] if is_invented else [])]
    return "\n".join([*head, text]) + "\n"


def _protected(row: str) -> str:
    """A row that what ends the one above does not take for its own: a bracket or a star there would be its argument."""
    begin = "\\midrule\n" if row.startswith("\\midrule\n") else ""
    rest = row.removeprefix(begin)
    return f"{begin}{{}}{rest}" if rest.startswith(("[", "*")) else row


def render_table_2(
    table: pl.DataFrame,
    *,
    decimals: int = 2,
    is_invented: bool = False,
    published: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """Table 2 for the rows of `table_2`: best of a row bold, best of its kind underlined, better of a pair shaded.

    Mean and standard deviation over items stand below, without marks, as in the paper. `published`: columns of the
    paper by name and item, which stand at the end under a heading of their own.
    """
    paper = dict(published or {})
    names = sources_by_kind(table)
    cells = {(row["item_id"], row["answers"]): row for row in table.iter_rows(named=True)}
    items = table["item_id"].unique(maintain_order=True).to_list()
    rows = [
        [
            escape(item),
            *(_marked(cells.get((item, name)), decimals) for name, _ in names),
            *(_number(values.get(item), decimals) for values in paper.values()),
        ]
        for item in items
    ]
    by_name = {name: table.filter(answers=name)["distance"].drop_nulls() for name, _ in names}
    by_name |= {f"{name} ({PUBLISHED})": pl.Series(list(values.values())) for name, values in paper.items()}
    for title, found in (
        ("Mean", {name: values.mean() for name, values in by_name.items()}),
        ("Std.", {name: values.std(ddof=0) for name, values in by_name.items()}),
    ):
        rule = "\\midrule\n" if title == "Mean" else ""
        rows.append([rule + title, *(_number(value, decimals) for value in found.values())])
    columns = ["Item", *(name for name, _ in names), *paper]
    kinds = [kind for _, kind in names] + [PUBLISHED] * len(paper)
    return render_tabular(columns, rows, above=_kinds_line(kinds), is_invented=is_invented, is_turned=True)


def render_summary(summary: pl.DataFrame, *, is_invented: bool = False) -> str:
    """Means over items with their intervals, pooled: a row for each source and baseline."""
    rows = [
        [
            escape(row["answered_by"]),
            str(row["n_items"]),
            _number(row["mean"], 3),
            _number(floored(row["mean_corrected"]), 3),
            _interval(floored(row["mean_low"]), floored(row["mean_high"])),
            _number(row["noise_floor"], 3),
            _percent(row["attained_0_1"]),
            _percent(row["attained_0_2"]),
        ]
        for row in summary.iter_rows(named=True)
    ]
    columns = ["Answered by", "Items", "Mean W1", "Corrected", "CI", "Noise floor", "W1 ≤ 0.1", "W1 ≤ 0.2"]
    return render_tabular(columns, rows, is_invented=is_invented)


def render_leaderboard(leaderboard: pl.DataFrame, *, is_invented: bool = False) -> str:
    """A leaderboard: corrected mean and rank with confidence intervals, skill score, and the poll it is worth."""
    rows = [
        [
            escape(row["answers"]),
            _number(row["mean"], 3),
            _number(floored(row["corrected"]), 3),
            _interval(floored(row["low"]), floored(row["high"])),
            _number(row["skill"], 2),
            escape(poll_text(row)),
            escape(rank_text(row) or "") or "--",
        ]
        for row in leaderboard.sort("corrected", nulls_last=True).iter_rows(named=True)
    ]
    columns = ["Answers", "Mean W1", "Corrected", "CI", "Skill", "Worth a poll of", "Rank (CI)"]
    return render_tabular(columns, rows, is_invented=is_invented)


def sources_by_kind(table: pl.DataFrame) -> list[tuple[str, str]]:
    """The sources of Table 2 in the order of its columns, with their kinds: oracles, baselines, without, with."""
    known = dict(table.select("answers", "kind").unique(maintain_order=True).iter_rows())
    return [(name, kind) for wanted in KIND_TITLES for name, kind in known.items() if kind == wanted]


def _kinds_line(kinds: Sequence[str]) -> str:
    """The line above the columns that names their kinds, with a rule under each."""
    titles, rules, column = [], [], 2
    for kind in dict.fromkeys(kinds):
        width = kinds.count(kind)
        titles.append(f"\\multicolumn{{{width}}}{{c}}{{{KIND_TITLES[kind]}}}")
        rules.append(f"\\cmidrule(lr){{{column}-{column + width - 1}}}")
        column += width
    return " & ".join(["", *titles]) + r" \\" + "\n" + " ".join(rules)


def _marked(row: Mapping[str, object] | None, decimals: int) -> str:
    if row is None or not isinstance(row["distance"], float):
        return "--"
    text = _number(row["distance"], decimals)
    if row["is_best"]:
        text = f"\\textbf{{{text}}}"
    if row["is_best_of_kind"]:
        text = f"\\underline{{{text}}}"
    return f"\\cellcolor{{{SHADE}}}{text}" if row["is_better_of_pair"] else text


def _number(value: object, decimals: int) -> str:
    return f"{value:.{decimals}f}" if isinstance(value, float) else "--"


def _percent(value: object) -> str:
    return f"{100 * value:.1f}\\%" if isinstance(value, float) else "--"


def _interval(low: object, high: object) -> str:
    return f"[{low:.3f}, {high:.3f}]" if isinstance(low, float) and isinstance(high, float) else "--"
