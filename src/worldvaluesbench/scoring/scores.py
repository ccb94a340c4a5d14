"""Scores as a result: four tables, and the folder that holds them. docs/scores.md explains every column and key."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench.folder import manifest_of, new_folder, write_json, write_manifest
from worldvaluesbench.scoring.answers import Answers
from worldvaluesbench.scoring.reference import Reference

KIND = "scores"
DOCUMENT = "scores.json"


@dataclass(frozen=True)
class Scores:
    """What came of scoring some files of answers and runs against one reference.

    `table`: a row for each file or run, group and item. `summary`: mean and spread over items. `attainment`: the share
    of items within a threshold. `counts`: what became of every row.
    """

    answers: tuple[Answers, ...]
    reference: Reference
    groupings: tuple[str, ...]
    as_published: bool
    table: pl.DataFrame = field(repr=False)
    summary: pl.DataFrame = field(repr=False)
    attainment: pl.DataFrame = field(repr=False)
    counts: pl.DataFrame = field(repr=False)

    @property
    def is_invented(self) -> bool:
        """Whether the humans were invented, or a run was made for invented people."""
        return self.reference.is_invented or any(one.is_invented for one in self.answers)

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The four tables, by the name of their file."""
        return {
            "scores": self.table,
            "summary": self.summary,
            "attainment": self.attainment,
            "counts": self.counts,
        }


def scores_document(scores: Scores) -> dict[str, Any]:
    """All of the scores as one JSON document: how they were made, and the rows of every table."""
    return manifest_of(KIND, _receipt(scores)) | {name: table.to_dicts() for name, table in scores.tables.items()}


def write_scores(scores: Scores, folder: Path | str, *, force: bool = False) -> None:
    """Write the scores to a new folder: a parquet file for each table, `scores.json`, and the manifest last.

    Raises FolderError where the folder is occupied or cannot be written.
    """
    with new_folder(Path(folder), KIND, force=force) as staging:
        for name, table in scores.tables.items():
            table.write_parquet(staging / f"{name}.parquet")
        write_json(staging / DOCUMENT, scores_document(scores))
        write_manifest(staging, KIND, _receipt(scores))


def _receipt(scores: Scores) -> dict[str, Any]:
    """How the scores were made, and what became of the rows of each file."""
    totals = scores.counts.drop("item_id").group_by("answers", maintain_order=True).sum()
    outcomes = {row.pop("answers"): row for row in totals.to_dicts()}
    return {
        "is_invented": scores.is_invented,
        "reference": scores.reference.describe(),
        "settings": {"as_published": scores.as_published, "groupings": list(scores.groupings)},
        "answers": [one.describe() for one in scores.answers],
        "outcomes": outcomes,
    }
