"""A comparison as a result: tables, and the folder that holds them. docs/compare.md explains every column.

It holds aggregates alone, so that it can be shown and shared: no respondent, no row that is about one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench._io import (
    MANIFEST,
    check_files,
    check_fits,
    manifest_of,
    new_folder,
    printable,
    quoted,
    reason_of,
    write_json,
    write_manifest,
)
from worldvaluesbench.errors import FolderError
from worldvaluesbench.scoring import write_tables
from worldvaluesbench.scoring.compare._compared import COMPARED, COMPARED_SCHEMA, COVARIANCES, COVARIANCES_SCHEMA
from worldvaluesbench.scoring.compare._contrasts import SCHEMAS
from worldvaluesbench.scoring.compare._receipts import receipt_problem
from worldvaluesbench.scoring.measure import GROUPINGS, GROUPINGS_SCHEMA
from worldvaluesbench.scoring.sources import EVERYONE, Sort, read_sort
from worldvaluesbench.tables import render_leaderboard, render_table_2

KIND = "comparison"
DOCUMENT = "comparison.json"
IN_DOCUMENT = (
    "leaderboard",
    "pairs",
    "demographics",
    "disparity",
    "table_2",
    "countries",
    "collapse_summary",
    "determination_summary",
    "structure",
    "summary",
    "individuals_summary",
)
"""The tables whose rows stand in the JSON document too; the others are large."""

MAX_LABEL = 1000
"""No text in a table has more characters."""

MADE_FROM = {COMPARED: COMPARED_SCHEMA, COVARIANCES: COVARIANCES_SCHEMA}
"""The tables from which sources are compared anew, and their columns."""


@dataclass(frozen=True)
class Comparison:
    """Several sources of answers compared.

    `tables`, by the name of their file. Over the examples that all sources answer: `leaderboard`, `pairs`,
    `demographics` (with against without), `disparity` and its `group_means`, `compared` and `covariances`, from which
    these are made, `collapse`, `collapse_summary`, `determination`, `determination_summary`, `structure`. Over each
    source's own: those of its scores (`groupings` among them), `table_2` of the paper, `countries` for a map. `receipt`
    says how it was made: what a manifest of scores says, and `sorts` (of each source), `n_common` (examples that all
    answer), `examples_sha256` (which these are).
    """

    receipt: Mapping[str, Any]
    tables: Mapping[str, pl.DataFrame] = field(repr=False)

    @property
    def is_invented(self) -> bool:
        """Whether the humans were invented, or a run was made for invented people."""
        return bool(self.receipt["is_invented"])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sources, in the order in which they were given."""
        return tuple(self.receipt["sorts"])

    @property
    def sorts(self) -> dict[str, Sort]:
        """What sort each source is."""
        return {name: read_sort(one) for name, one in self.receipt["sorts"].items()}

    @property
    def n_common(self) -> int | None:
        """How many examples all sources answer; None where they were compared apart, over different ones."""
        n = self.receipt["n_common"]
        return None if n is None else int(n)

    @property
    def groupings(self) -> tuple[str, ...]:
        """What people are grouped by, beside everybody pooled."""
        return tuple(self.receipt["settings"]["groupings"])


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as one JSON document: how it was made, and the rows of the tables named in `IN_DOCUMENT`."""
    tables = {name: comparison.tables[name].to_dicts() for name in IN_DOCUMENT if name in comparison.tables}
    return manifest_of(KIND, comparison.receipt) | tables


def write_comparison(comparison: Comparison, folder: Path | str, *, force: bool = False) -> None:
    """Write a comparison to a new folder: its tables, JSON, LaTeX, and the manifest last.

    Raises FolderError where the folder is occupied or cannot be written.
    """
    with new_folder(Path(folder), KIND, force=force) as staging:
        fill_folder(comparison, staging)


def fill_folder(comparison: Comparison, folder: Path) -> None:
    """Write all files of a comparison into a folder, its manifest last."""
    write_tables(comparison.tables, folder)
    write_json(folder / DOCUMENT, comparison_document(comparison))
    pooled = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE)
    table_2 = render_table_2(comparison.tables["table_2"], is_invented=comparison.is_invented)
    (folder / "table_2.tex").write_text(table_2, encoding="utf-8")
    leaderboard = render_leaderboard(pooled, is_invented=comparison.is_invented)
    (folder / "leaderboard.tex").write_text(leaderboard, encoding="utf-8")
    write_manifest(folder, KIND, comparison.receipt)


def read_comparison(folder: Path | str) -> Comparison:
    """Open a comparison folder made by `wvb compare`.

    Raises FolderError where it is absent, unfinished or damaged.
    """
    folder = Path(folder)
    manifest = check_files(folder, KIND)
    problem = receipt_problem({key: value for key, value in manifest.items() if key != "files"})
    if problem:
        raise FolderError(f"{folder / MANIFEST}: {problem}; compare again.")
    receipt = {key: value for key, value in manifest.items() if key not in ("kind", "worldvaluesbench", "files")}
    try:
        tables = {
            name.removesuffix(".parquet"): _read_table(folder / name)
            for name in manifest["files"]
            if name.endswith(".parquet") and "/" not in name
        }
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise FolderError(f"{folder}: cannot be read ({reason_of(error)}); make it again.") from None
    for name, columns in {**SCHEMAS, **MADE_FROM, GROUPINGS: GROUPINGS_SCHEMA}.items():
        if name not in tables or set(tables[name].columns) != set(columns):
            made_by = manifest["worldvaluesbench"]
            raise FolderError(
                f"{folder}: {name} has other columns than this version makes (it was made by worldvaluesbench "
                f"{made_by}); compare again."
            )
    return Comparison(receipt, tables)


def _read_table(path: Path) -> pl.DataFrame:
    """A table of a comparison. Raises ValueError where it would not fit into memory, or holds text that is no label."""
    content = path.read_bytes()
    check_fits(content)
    table = pl.read_parquet(content)
    for texts in table.select(pl.col(pl.String)):
        odd = next((one for one in texts.unique().drop_nulls() if len(one) > MAX_LABEL or printable(one) != one), None)
        if odd is not None:
            raise ValueError(f"{path.name} holds {quoted(odd)}, which is no label")
    return table
