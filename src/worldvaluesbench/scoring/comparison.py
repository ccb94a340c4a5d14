"""A comparison as a result: tables, and the folder that holds them. docs/compare.md explains every column."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench.folder import manifest_of, new_folder, write_json, write_manifest
from worldvaluesbench.scoring.groups import EVERYONE
from worldvaluesbench.scoring.kinds import Sort
from worldvaluesbench.scoring.latex import render_leaderboard, render_table_2
from worldvaluesbench.scoring.scores import Scores, receipt_of, write_tables

KIND = "comparison"
DOCUMENT = "comparison.json"


@dataclass(frozen=True)
class Comparison:
    """Several sources of answers compared.

    `scores` are those of each source over its own examples. `tables`, by the name of their file, are over the examples
    that all of them answer: `leaderboard`, `pairs`, `demographics` (with against without), `disparity`; and over each
    one's own: `table_2` of the paper, `countries` for a map, `collapse`, `collapse_summary`, `determination`,
    `determination_summary`, `structure`. `sorts` says of each source what sort it is, `n_common` how many examples all
    of them answer.
    """

    scores: Scores
    sorts: Mapping[str, Sort]
    n_common: int
    tables: Mapping[str, pl.DataFrame] = field(repr=False)

    @property
    def is_invented(self) -> bool:
        """Whether the humans were invented, or a run was made for invented people."""
        return self.scores.is_invented


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as one JSON document: how it was made, and the rows of every table but the large `collapse`."""
    tables = {name: table.to_dicts() for name, table in comparison.tables.items() if name != "collapse"}
    return manifest_of(KIND, _receipt(comparison)) | tables


def write_comparison(comparison: Comparison, folder: Path | str, *, force: bool = False) -> None:
    """Write a comparison to a new folder: its tables and those of the scores, JSON, LaTeX, and the manifest last.

    Raises FolderError where the folder is occupied or cannot be written.
    """
    is_invented = comparison.is_invented
    pooled = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE)
    with new_folder(Path(folder), KIND, force=force) as staging:
        write_tables(comparison.tables, staging)
        write_tables(comparison.scores.tables, staging)
        write_json(staging / DOCUMENT, comparison_document(comparison))
        for name, latex in (
            ("table_2.tex", render_table_2(comparison.tables["table_2"], is_invented=is_invented)),
            ("leaderboard.tex", render_leaderboard(pooled, is_invented=is_invented)),
        ):
            (staging / name).write_text(latex, encoding="utf-8")
        write_manifest(staging, KIND, _receipt(comparison))


def _receipt(comparison: Comparison) -> dict[str, Any]:
    """How the comparison was made."""
    sorts = {name: {"kind": sort.kind, "family": sort.family} for name, sort in comparison.sorts.items()}
    return {**receipt_of(comparison.scores), "n_common": comparison.n_common, "sorts": sorts}
