"""The folder of tables: Table 2, the leaderboard, Table 1, as HTML and LaTeX; the published columns beside."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.reporting.tables._published import load_published
from worldvaluesbench.reporting.tables._writing import write_table_set
from worldvaluesbench.scoring.compare._comparison import Comparison


@pytest.fixture(scope="module")
def folder(comparison: Comparison, paper: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables") / "tables"
    assert write_table_set(comparison, out, paper.folder, with_published=True) == ["table_2", "leaderboard", "table_1"]
    return out


def cells_of(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr.*?</tr>", html, flags=re.DOTALL)
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in rows
    ]


def test_table_2_has_an_item_a_row_with_the_distances_of_the_scores(folder: Path, comparison: Comparison) -> None:
    rows = {row[0]: row[1:] for row in cells_of((folder / "table_2.html").read_text()) if row}
    names = next(row for row in cells_of((folder / "table_2.html").read_text()) if "model+demographics" in row)
    place = names.index("model+demographics")
    scores = comparison.tables["scores"].filter(grouping="all", answers="model+demographics")
    for item_id, distance in scores.select("item_id", "distance").rows():
        row = next(cells for name, cells in rows.items() if name.startswith(f"{item_id} ") or name == item_id)
        assert row[place - 1].startswith(f"{distance:.2f}")


def test_published_columns_are_the_paper_s_and_marked(folder: Path) -> None:
    published = load_published()
    text = (folder / "table_2.html").read_text()
    assert "published" in text.lower()
    first = next(row for row in cells_of(text) if row and f"{row[0]} ".startswith("Q1 "))
    assert first[-len(published) :] == [f"{column['Q1']:.2f}" for column in published.values()]
    assert r"\multicolumn" in (folder / "table_2.tex").read_text()


def test_table_1_counts_people_and_examples_of_the_splits(folder: Path, paper: Dataset) -> None:
    rows = {row[0]: row[1:] for row in cells_of((folder / "table_1.html").read_text()) if row}
    for one in paper.manifest["counts"]:
        assert rows[one["split"]] == [f"{one['n_respondents']:,}", f"{one['n_examples']:,}"]


def test_every_page_stands_alone_and_says_that_people_are_invented(folder: Path) -> None:
    for name in ("table_2", "leaderboard", "table_1"):
        text = (folder / f"{name}.html").read_text()
        assert "INVENTED" in text
        assert text.startswith("<!doctype html>") or text.startswith("<!DOCTYPE html>")
        assert "http" not in re.sub(r"http://www\.w3\.org\S*", "", text)
        assert "INVENTED" in (folder / f"{name}.tex").read_text()


@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="needs pdflatex; tests/scoring/test_latex.py checks braces without it"
)
def test_pdflatex_takes_them_all(folder: Path, tmp_path: Path) -> None:
    tables = "\n".join(
        rf"\begin{{table}}{path.read_text()}\end{{table}}"
        if r"\begin{table" not in path.read_text()
        else path.read_text()
        for path in sorted(folder.glob("*.tex"))
    )
    names = ("{booktabs}", "[table]{xcolor}", "{graphicx}", "[margin=1cm,landscape]{geometry}")
    packages = "".join(rf"\usepackage{name}" for name in names)
    document = rf"\documentclass{{article}}{packages}\begin{{document}}{tables}\end{{document}}"
    (tmp_path / "all.tex").write_text(document)
    call = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    if "booktabs.sty' not found" in done.stdout or "xcolor.sty' not found" in done.stdout:
        pytest.skip("pdflatex lacks booktabs or xcolor")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000
