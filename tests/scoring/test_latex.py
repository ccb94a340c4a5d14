"""LaTeX tables: what they show and mark, that names do not break them, and that pdflatex takes them."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from worldvaluesbench.tables._latex import (
    KIND_TITLES,
    PUBLISHED,
    escape,
    render_leaderboard,
    render_summary,
    render_table_2,
    render_tabular,
)

AWKWARD = "a_b%c&d#e$f{g}h~i^j\\k<l>m|n"
PREAMBLE = (
    r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}\usepackage[table]{xcolor}"
    r"\usepackage{graphicx}"
)


def table_2_of(rows: Sequence[tuple[str, str, str, float | None, bool, bool, bool]]) -> pl.DataFrame:
    schema = {
        "item_id": pl.String,
        "answers": pl.String,
        "kind": pl.String,
        "distance": pl.Float64,
        "is_best": pl.Boolean,
        "is_best_of_kind": pl.Boolean,
        "is_better_of_pair": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


TABLE_2 = table_2_of(
    [
        ("Q1", "a+demographics", "with", 0.1, True, True, True),
        ("Q1", "a", "without", 0.3, False, True, False),
        ("Q1", "uniform", "oracle", 0.2, False, True, False),
        ("Q1", AWKWARD, "baseline", 0.25, False, True, False),
        ("Q2", "a+demographics", "with", 0.4, False, False, False),
        ("Q2", "a", "without", None, False, False, False),
        ("Q2", "uniform", "oracle", 0.125, False, False, False),
    ]
)
SUMMARY = pl.DataFrame(
    {
        "answered_by": ["a_b", "uniform"],
        "n_items": [36, 36],
        "mean": [0.1234, 0.2],
        "mean_corrected": [0.1, None],
        "mean_low": [0.09, None],
        "mean_high": [0.11, None],
        "noise_floor": [0.034, 0.034],
        "attained_0_1": [0.5, 0.25],
        "attained_0_2": [0.75, 2 / 3],
    }
)
LEADERBOARD = pl.DataFrame(
    {
        "answers": ["far", "near"],
        "mean": [0.3, 0.2],
        "corrected": [0.25, 0.1],
        "low": [0.2, 0.05],
        "high": [0.3, 0.15],
        "rank": [2, 1],
        "rank_low": [2, 1],
        "rank_high": [2, 1],
        "is_tied": [False, False],
        "skill": [-0.5, 0.25],
        "poll_n": [1.0, 9.6],
        "poll_n_low": [1.0, 5.2],
        "poll_n_high": [2.0, None],
    }
)


def lines_of(latex: str) -> list[list[str]]:
    """The cells of the rows of a table, without rules."""
    return [
        [cell.strip() for cell in line.removesuffix(r"\\").split(" & ")]
        for line in latex.splitlines()
        if line.endswith(r"\\")
    ]


def test_every_letter_that_latex_takes_for_its_own_is_escaped() -> None:
    shown = escape(AWKWARD)
    assert shown == (
        r"a\_b\%c\&d\#e\$f\{g\}h\textasciitilde{}i\textasciicircum{}j\textbackslash{}k"
        r"\textless{}l\textgreater{}m\textbar{}n"
    )
    assert escape("GPT-4o mini (2024)") == "GPT-4o mini (2024)"


def test_a_table_has_a_line_for_each_row_and_a_column_for_each_name() -> None:
    latex = render_tabular(["Item", "x_y"], [["Q1", "0.10"], ["Q2", "--"]])
    assert lines_of(latex) == [["Item", r"x\_y"], ["Q1", "0.10"], ["Q2", "--"]]
    assert r"\begin{tabular}{lr}" in latex
    assert "INVENTED" not in latex
    assert "INVENTED" in render_tabular(["Item"], [], is_invented=True)


def test_table_2_has_its_columns_by_kind_and_its_marks() -> None:
    head, names, first, second, mean, deviation = lines_of(render_table_2(TABLE_2))
    titles = [title for kind, title in KIND_TITLES.items() if kind != PUBLISHED]
    assert head == ["", *(rf"\multicolumn{{1}}{{c}}{{{title}}}" for title in titles)]
    heads = ("uniform", escape(AWKWARD), "a", "a+demographics")
    assert names == ["Item", *(rf"\rotatebox{{90}}{{{head}}}" for head in heads)]
    assert first == [
        "Q1",
        r"\underline{0.20}",
        r"\underline{0.25}",
        r"\underline{0.30}",
        r"\cellcolor{gray!20}\underline{\textbf{0.10}}",
    ]
    assert second == ["Q2", "0.12", "--", "--", "0.40"]
    assert mean == ["Mean", "0.16", "0.25", "0.30", "0.25"]
    assert deviation == ["Std.", "0.04", "0.00", "0.00", "0.15"], "dividing by the number of items, as in the paper"


def test_kinds_stand_over_as_many_columns_as_they_have() -> None:
    rows = [
        ("Q1", name, kind, 0.1, False, False, False) for name, kind in (("u", "oracle"), ("m", "oracle"), ("x", "with"))
    ]
    latex = render_table_2(table_2_of(rows))
    assert r"\multicolumn{2}{c}{Oracle} & \multicolumn{1}{c}{With demographics}" in latex
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}" in latex


def test_columns_of_the_paper_stand_at_the_end_without_marks() -> None:
    latex = render_table_2(TABLE_2, published={"gpt_3.5": {"Q1": 0.14, "Q2": 0.2}, "Alpaca": {"Q1": 0.38}})
    head, names, first, second, mean, deviation = lines_of(latex)
    assert head[-1] == r"\multicolumn{2}{c}{As published}"
    assert names[-2:] == [r"\rotatebox{90}{gpt\_3.5}", r"\rotatebox{90}{Alpaca}"]
    assert [first[-2:], second[-2:]] == [["0.14", "0.38"], ["0.20", "--"]]
    assert (mean[-2:], deviation[-2:]) == (["0.17", "0.38"], ["0.03", "0.00"])


def test_a_summary_shows_what_it_has() -> None:
    head, first, second = lines_of(render_summary(SUMMARY))
    assert head[-2:] == [r"W1 $\leq$ 0.1", r"W1 $\leq$ 0.2"]
    assert first == [r"a\_b", "36", "0.123", "0.100", "[0.090, 0.110]", "0.034", r"50.0\%", r"75.0\%"]
    assert second == ["uniform", "36", "0.200", "--", "--", "0.034", r"25.0\%", r"66.7\%"]


def test_a_leaderboard_begins_with_the_nearest() -> None:
    _, first, second = lines_of(render_leaderboard(LEADERBOARD))
    assert first == ["near", "0.200", "0.100", "[0.050, 0.150]", "0.25", "10 [5, –]", "1 (1–1)"]
    assert second[0] == "far"


def test_a_distance_below_0_is_shown_as_0() -> None:
    below = LEADERBOARD.with_columns(corrected=pl.lit(-0.004), low=pl.lit(0.0))
    for row in lines_of(render_leaderboard(below))[1:]:
        assert row[2] == "0.000"
    _, first, _ = lines_of(render_summary(SUMMARY.with_columns(mean_corrected=pl.lit(-0.004))))
    assert first[3] == "0.000"


def test_a_name_in_brackets_is_no_argument_of_the_line_above() -> None:
    latex = render_leaderboard(LEADERBOARD.with_columns(answers=pl.Series(["[1cm]", "*"])))
    assert "{}[1cm] &" in latex
    assert "{}* &" in latex


def test_letters_that_pdflatex_lacks_are_said_to_need_another_engine() -> None:
    assert "XeLaTeX" not in render_tabular(["Über", "x ≤ 1"], [["Müller – naïve", "1"]])
    assert "% needs XeLaTeX or LuaLaTeX" in render_tabular(["Item"], [["模型"]])


def test_invented_people_are_named_in_the_table_itself() -> None:
    last = lines_of(render_leaderboard(LEADERBOARD, is_invented=True))[-1]
    assert last == [r"\multicolumn{7}{l}{\textit{INVENTED PEOPLE (wvb synthetic)}}"]


TABLES = {
    "table_2": render_table_2(TABLE_2),
    "published": render_table_2(TABLE_2, published={"gpt_3.5": {"Q1": 0.14}}),
    "empty_table_2": render_table_2(TABLE_2.clear()),
    "summary": render_summary(SUMMARY, is_invented=True),
    "leaderboard": render_leaderboard(LEADERBOARD),
    "brackets": render_leaderboard(LEADERBOARD.with_columns(answers=pl.Series(["[1cm]", "*"]))),
    "bracket_below_mean": render_tabular(["[x]", "y"], [["\\midrule\n[2em]", "1"]]),
    "wide": render_table_2(TABLE_2, published={f"a column of the paper {n}": {"Q1": 0.1} for n in range(20)}),
    "empty_leaderboard": render_leaderboard(LEADERBOARD.clear()),
}


@pytest.mark.parametrize("name", TABLES)
def test_braces_and_environments_are_balanced_and_rows_as_wide_as_the_head(name: str) -> None:
    latex = TABLES[name]
    plain = re.sub(r"\\[{}]", "", latex)
    assert plain.count("{") == plain.count("}")
    assert re.findall(r"\\(begin|end)\{(\w+)\}", latex) == [("begin", "tabular"), ("end", "tabular")]
    n_columns = len(re.findall(r"[lr]", re.findall(r"\\begin\{tabular\}\{(\w+)\}", latex)[0]))
    for cells in lines_of(latex):
        widths = [int(found[0]) if (found := re.findall(r"\\multicolumn\{(\d+)\}", cell)) else 1 for cell in cells]
        assert sum(widths) == n_columns, cells
    assert [latex.count(rf"\{rule}") for rule in ("toprule", "bottomrule")] == [1, 1]


@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="needs pdflatex; braces and environments are checked above"
)
def test_pdflatex_takes_every_table(tmp_path: Path) -> None:
    body = "\n\n".join(f"\\noindent {table}" for table in TABLES.values())
    (tmp_path / "all.tex").write_text(f"{PREAMBLE}\\begin{{document}}{body}\\end{{document}}", encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if "not found" in done.stdout and ".sty'" in done.stdout:
        pytest.skip("pdflatex lacks booktabs or xcolor")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 1000
    assert "Overfull" not in done.stdout, "what is too wide is made as narrow as the text"
