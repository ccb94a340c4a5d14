"""Tables for a paper, as HTML and LaTeX: Table 2, the leaderboard, Table 1."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

import polars as pl

from worldvaluesbench._io import new_folder, write_manifest
from worldvaluesbench.benchmark import Dataset, load_dataset
from worldvaluesbench.reporting.disclosure import protect
from worldvaluesbench.reporting.page import read_template
from worldvaluesbench.reporting.tables._html import Column, render_table, render_table_2
from worldvaluesbench.reporting.tables._published import load_published
from worldvaluesbench.reporting.tables._report_tables import ReportTables
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE
from worldvaluesbench.tables import render_leaderboard, render_tabular
from worldvaluesbench.tables import render_table_2 as render_latex_table_2

KIND = "tables"


def write_table_set(
    comparison: Comparison,
    folder: Path | str,
    data: Path | str | None = None,
    *,
    with_published: bool = False,
    force: bool = False,
) -> list[str]:
    """Write the tables of a comparison, and with a dataset folder Table 1, into a new folder; returns their names.

    Raises FolderError where the folder is occupied, or the dataset cannot be opened.
    """
    comparison = protect(comparison)
    dataset = None if data is None else load_dataset(data)
    names = []
    with new_folder(Path(folder), KIND, force=force) as staging:
        for name, html, latex in _tables(comparison, dataset, load_published() if with_published else None):
            (staging / f"{name}.html").write_text(_page(name, html, comparison.is_invented), encoding="utf-8")
            (staging / f"{name}.tex").write_text(latex, encoding="utf-8")
            names.append(name)
        kept = ("is_invented", "reference", "settings", "sorts", "n_common")
        write_manifest(staging, KIND, {key: comparison.receipt[key] for key in kept} | {"tables": names})
    return names


def _tables(
    comparison: Comparison, dataset: Dataset | None, published: Mapping[str, Mapping[str, float]] | None
) -> Iterator[tuple[str, str, str]]:
    """Every table: its name, as HTML, as LaTeX."""
    is_invented = comparison.is_invented
    table = comparison.tables["table_2"]
    latex = render_latex_table_2(table, is_invented=is_invented, published=published)
    yield "table_2", render_table_2(table, published), latex
    board = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE)
    yield "leaderboard", ReportTables(comparison).leaderboard(), render_leaderboard(board, is_invented=is_invented)
    if dataset is not None:
        yield "table_1", *_table_1(dataset)


def _table_1(dataset: Dataset) -> tuple[str, str]:
    """Respondents and examples by split, as in Table 1 of the paper."""
    counts: Sequence[Mapping[str, int | str]] = dataset.manifest["counts"]
    rows = [
        {"split": one["split"], "respondents": f"{one['n_respondents']:,}", "examples": f"{one['n_examples']:,}"}
        for one in counts
    ]
    columns = [
        Column("Split", "split", is_text=True),
        Column("Respondents", "respondents"),
        Column("Examples", "examples"),
    ]
    html = render_table(f"Respondents and examples, edition {dataset.edition}", columns, rows)
    cells = [[str(row[column.key]) for column in columns] for row in rows]
    latex = render_tabular([column.title for column in columns], cells, is_invented=dataset.is_invented)
    return html, latex


def _page(name: str, html: str, is_invented: bool) -> str:
    """A table as a page of its own."""
    mark = (
        "<p><strong>INVENTED PEOPLE: no number here says anything about the world.</strong></p>" if is_invented else ""
    )
    head = f'<meta charset="utf-8"><title>{escape(name)}</title><style>{read_template("tables.css")}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{mark}\n{html}\n</body></html>\n'
