"""Scores as a result: tables, and the folder that holds them. docs/scores.md explains every column and key."""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench._io import FORMULA, manifest_of, new_folder, write_manifest
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.sources import BASELINES, EVERYONE, MAJORITY_POOLED, Answers, Reference, describe_coverage
from worldvaluesbench.stats import Estimate
from worldvaluesbench.tables import render_summary

KIND = "scores"
DOCUMENT, LATEX = "scores.json", "summary.tex"

IN_DOCUMENT = ("scores", "summary", "attainment", "individuals_summary", "counts")
"""The tables whose rows stand in the JSON document too; the others are as large as `scores` and more."""


@dataclass(frozen=True)
class Scores:
    """What came of scoring some files of answers and runs against one reference.

    `tables`, by the name of their file: `scores`, a row for each file or run, group and item; `summary`, mean and
    spread over items; `attainment`, the share of items within a threshold; `distances`, other distances than
    Wasserstein-1 of the same cells; `distributions`, the shares behind them, point by point; `individuals` and
    `individuals_summary`, how well single persons are met; `groupings`, who is in no group of each; `nonresponse`,
    humans who do not know or do not answer beside refusals; `counts`, what became of every row.
    """

    answers: tuple[Answers, ...]
    reference: Reference
    groupings: tuple[str, ...]
    as_published: bool
    how: How
    tables: Mapping[str, pl.DataFrame] = field(repr=False)

    @property
    def table(self) -> pl.DataFrame:
        """A row for each file or run, group and item."""
        return self.tables["scores"]

    @property
    def summary(self) -> pl.DataFrame:
        """A row for each file or run, group and answerer."""
        return self.tables["summary"]

    @property
    def attainment(self) -> pl.DataFrame:
        """A row for each file or run, group, answerer and threshold."""
        return self.tables["attainment"]

    @property
    def counts(self) -> pl.DataFrame:
        """A row for each file or run, and item."""
        return self.tables["counts"]

    def estimate(
        self, answers: str, item_id: str | None = None, group: str = EVERYONE, *, grouping: str | None = None
    ) -> Estimate:
        """The distance of one source: of one item, or (None) the mean over items; pooled, or in a group by its label.

        `grouping` is needed where groups of several groupings have this label.

        Raises AnswersError where there is no such score, it is of a cell that is too small, or of several groupings.
        """
        if item_id is None:
            found, mean = self.summary.filter(answers=answers, answered_by=answers, group=group), "mean"
        else:
            found, mean = self.table.filter(answers=answers, item_id=item_id, group=group), ""
        if grouping is not None:
            found = found.filter(grouping=grouping)
        if found.height > 1:
            several = ", ".join(found["grouping"].unique(maintain_order=True))
            codes = ", ".join(found["group_codes"].drop_nulls())
            raise AnswersError(
                f"{answers}: several groups are called {group!r}, of {several} (codes {codes}); say of which grouping."
            )
        names = [mean or "distance", *(f"{mean}_{name}".strip("_") for name in ("low", "high", "corrected"))]
        if found.is_empty() or found[names[0]][0] is None:
            what = item_id or "mean"
            raise AnswersError(f"{answers}: there is no score of {what} in {group}, or its cell is too small.")
        row = found.row(0, named=True)
        value, low, high, corrected = (row[name] for name in names)
        return Estimate(value, low, high, row["n_effective"], corrected)

    @property
    def is_invented(self) -> bool:
        """Whether the humans were invented, or a run was made for invented people."""
        return self.reference.is_invented or any(one.is_invented for one in self.answers)


def scores_document(scores: Scores) -> dict[str, Any]:
    """The scores as one JSON document: how they were made, and the rows of the tables named in `IN_DOCUMENT`."""
    return manifest_of(KIND, receipt_of(scores)) | {name: scores.tables[name].to_dicts() for name in IN_DOCUMENT}


def write_scores(scores: Scores, folder: Path | str, *, force: bool = False) -> None:
    """Write the scores to a new folder: each table as parquet and csv, `scores.json`, LaTeX, and the manifest last.

    Raises FolderError where the folder is occupied or cannot be written.
    """
    with new_folder(Path(folder), KIND, force=force) as staging:
        write_tables(scores.tables, staging)
        write_document(staging / DOCUMENT, manifest_of(KIND, receipt_of(scores)), scores.tables)
        pooled = scores.summary.filter(pl.col("grouping") == EVERYONE)
        latex = render_summary(once_a_baseline(pooled), is_invented=scores.is_invented)
        (staging / LATEX).write_text(latex, encoding="utf-8")
        write_manifest(staging, KIND, receipt_of(scores))


MAX_CSV_ROWS = 100_000
"""A larger table is written as parquet alone."""


def write_tables(tables: Mapping[str, pl.DataFrame], folder: Path) -> None:
    """Write each table as parquet, with its types, and as csv unless it is very large."""
    for name, table in tables.items():
        # by way of memory, for what polars says of a disk without room is no reason that anybody understands
        stream = io.BytesIO()
        table.write_parquet(stream)
        (folder / f"{name}.parquet").write_bytes(stream.getbuffer())
        if table.height <= MAX_CSV_ROWS:
            _for_spreadsheets(table).write_csv(folder / f"{name}.csv")


def _for_spreadsheets(table: pl.DataFrame) -> pl.DataFrame:
    """A table whose texts no spreadsheet computes: what begins as a formula does stands behind an apostrophe."""
    return table.with_columns(pl.col(pl.String).str.replace(f"^[{re.escape(FORMULA)}]", "'${0}"))


def write_document(path: Path, receipt: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> None:
    """Write a JSON document: a receipt as JSON is written here, then each of `IN_DOCUMENT` with a line for each row."""
    head = json.dumps(receipt, indent=2, ensure_ascii=False)
    parts = [
        f"  {json.dumps(name)}: [\n" + ",\n".join(f"    {line}" for line in _json_lines(tables[name])) + "\n  ]"
        for name in IN_DOCUMENT
        if name in tables
    ]
    path.write_text(head.removesuffix("\n}") + ",\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def once_a_baseline(summary: pl.DataFrame) -> pl.DataFrame:
    """Group by group: the sources, then each baseline once where it is the same for all of them.

    Pooled, both majorities are one; groups without any item are left out, as are baselines that have none.
    """
    is_baseline = pl.col("answered_by").is_in(list(BASELINES))
    is_same = (pl.col("answered_by") == MAJORITY_POOLED) & (pl.col("grouping") == EVERYONE)
    shown = summary.filter((pl.col("n_items") > 0) & ~is_same & ~(is_baseline & pl.col("mean").is_null()))
    # the noise floor is that of the source beside which a baseline stands, and no part of it
    same = [name for name in shown.columns if name not in ("answers", "noise_floor")]
    table = shown.unique(same, keep="first", maintain_order=True)
    order = table.select("grouping", "group").unique(maintain_order=True).with_row_index("place")
    placed = table.join(order, on=["grouping", "group"], how="left", maintain_order="left")
    return placed.sort("place", is_baseline, maintain_order=True).drop("place")


def _json_lines(table: pl.DataFrame) -> list[str]:
    return table.write_ndjson().splitlines()


def receipt_of(scores: Scores) -> dict[str, Any]:
    """How the scores were made, and what became of the rows of each file."""
    totals = scores.counts.drop("item_id").group_by("answers", maintain_order=True).sum()
    outcomes = {row.pop("answers"): row for row in totals.to_dicts()}
    return {
        "is_invented": scores.is_invented,
        "reference": scores.reference.describe(),
        "settings": {"as_published": scores.as_published, "groupings": list(scores.groupings), **scores.how.describe()},
        "answers": [
            one.describe() | {"coverage": describe_coverage(one, scores.how.min_coverage)} for one in scores.answers
        ],
        "outcomes": outcomes,
    }
