"""Tables as HTML: rows with headers that a screen reader can follow, and Table 2 with the marks of the paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import polars as pl

from worldvaluesbench.tables import KIND_TITLES, sources_by_kind

WIDE = 10
"""Tables of so many columns and more have smaller letters, so that they fit on a page."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, the key of its cells in a row, and whether they are text (left) or numbers (right)."""

    title: str
    key: str
    is_text: bool = False


def render_table(
    caption: str, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], *, identity: str = ""
) -> str:
    """A table with a caption; the first cell of each row is its header. Cells are text already, or None for a dash."""
    head = "".join(f'<th scope="col"{_side(column)}>{escape(column.title)}</th>' for column in columns)
    body = "\n".join(f"<tr>{_row(columns, row)}</tr>" for row in rows)
    named = f' id="{escape(identity)}"' if identity else ""
    named += ' class="wide"' if len(columns) >= WIDE else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table{named}>'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _row(columns: Sequence[Column], row: Mapping[str, Any]) -> str:
    cells = []
    for place, column in enumerate(columns):
        value = row.get(column.key)
        text = "–" if value is None else escape(str(value))
        cells.append(f'<th scope="row">{text}</th>' if place == 0 else f"<td{_side(column)}>{text}</td>")
    return "".join(cells)


def _side(column: Column) -> str:
    return "" if column.is_text else ' class="number"'


def render_table_2(table: pl.DataFrame, published: Mapping[str, Mapping[str, float]] | None = None) -> str:
    """Table 2: best of a row bold, best of its kind underlined, the better of a pair shaded.

    `published`: columns of the paper by their names, by item; they stand at the end, marked as published.
    """
    columns = sources_by_kind(table)
    cells = {(row["item_id"], row["answers"]): row for row in table.iter_rows(named=True)}
    kinds = [kind for _, kind in columns]
    groups = "".join(
        f'<th scope="colgroup" colspan="{kinds.count(kind)}">{KIND_TITLES[kind]}</th>' for kind in dict.fromkeys(kinds)
    )
    shown = dict(published or {})
    if shown:
        groups += f'<th scope="colgroup" colspan="{len(shown)}">As published (Table 2 of the paper)</th>'
    names = "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in [*dict(columns), *shown])
    body = []
    for item_id in table["item_id"].unique(maintain_order=True).to_list():
        own = "".join(_marked(cells.get((item_id, name))) for name, _ in columns)
        paper = "".join(_published(values.get(item_id)) for values in shown.values())
        body.append(f'<tr><th scope="row">{escape(item_id)}</th>{own}{paper}</tr>')
    body.append(_means(table, columns, shown))
    caption = "Wasserstein-1 by item. Bold: best of all; underlined: best of its kind; shaded: better of a pair."
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Distances by item"><table class="table-2">'
        f"<caption>{caption}</caption>\n<thead><tr><td></td>{groups}</tr>\n"
        f'<tr><th scope="col">Item</th>{names}</tr></thead>\n<tbody>\n' + "\n".join(body) + "\n</tbody></table></div>"
    )


def _marked(row: Mapping[str, Any] | None) -> str:
    if row is None or row["distance"] is None:
        return '<td class="number">–</td>'
    text = f"{row['distance']:.2f}"
    if row["is_best_of_kind"]:
        text = f"<u>{text}</u>"
    if row["is_best"]:
        text = f"<strong>{text}</strong>"
    return f'<td class="number{" better" if row["is_better_of_pair"] else ""}">{text}</td>'


def _published(value: float | None) -> str:
    return f'<td class="number published">{"–" if value is None else f"{value:.2f}"}</td>'


def _means(
    table: pl.DataFrame, columns: Sequence[tuple[str, str]], published: Mapping[str, Mapping[str, float]]
) -> str:
    means = dict(table.group_by("answers").agg(pl.col("distance").mean()).iter_rows())
    own = [means[name] for name, _ in columns]
    paper = [sum(values.values()) / len(values) for values in published.values()]
    cells = "".join(f'<td class="number">{"–" if value is None else f"{value:.2f}"}</td>' for value in [*own, *paper])
    return f'<tr class="mean"><th scope="row">Mean</th>{cells}</tr>'
