"""A precomputed run: answers that a baseline made or that were imported, as a finished run folder.

It has neither settings nor requests nor a journal, and is scored like any other run.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench._io import file_facts, manifest_of, new_folder, read_manifest, write_json, write_manifest
from worldvaluesbench.runs._folder import ANSWER_COLUMNS, ANSWERS, EXAMPLES, RUN, RUN_KIND


def examples_of(table: pl.DataFrame) -> pl.DataFrame:
    """Each distinct item, respondent and order of an answers table, in order of appearance; of no request."""
    return (
        table.select("item_id", "respondent_id", "order")
        .drop_nulls()
        .unique(maintain_order=True)
        .with_columns(request=pl.lit(None, dtype=pl.UInt32), sample=pl.lit(None, dtype=pl.Int16))
    )


def complete_answers(table: pl.DataFrame) -> pl.DataFrame:
    """An answers table with every column of a run; those it lacks say that each example was answered once."""
    answer = [pl.col(name).is_not_null() for name in ("rating", "probabilities") if name in table.columns]
    filled = {name: pl.lit(value) for name, value in {"order": 0, "sample": 0, "n": 1, "attempt": 0}.items()}
    filled |= {"coverage": pl.when(pl.any_horizontal(answer)).then(1.0)}
    columns = [
        (pl.col(name) if name in table.columns else filled.get(name, pl.lit(None))).cast(dtype).alias(name)
        for name, dtype in ANSWER_COLUMNS.items()
    ]
    return table.select("item_id", *columns, pl.exclude("item_id", *ANSWER_COLUMNS))


def write_precomputed_run(
    folder: Path, content: Mapping[str, Any], table: pl.DataFrame, *, counts: Mapping[str, Any], force: bool = False
) -> dict[str, Any]:
    """Write an answers table as a finished run folder; returns its manifest.

    `content` is what `run.json` says (`describe_run`, and more); the manifest repeats it, with `counts`.
    Raises FolderError where the folder cannot be made.
    """
    with new_folder(folder, RUN_KIND, force=force) as staging:
        examples_of(table).write_parquet(staging / EXAMPLES, compression="zstd")
        files = {EXAMPLES: file_facts(staging / EXAMPLES)}
        write_json(staging / RUN, manifest_of(RUN_KIND, content) | {"files": files})
        table.write_parquet(staging / ANSWERS, compression="zstd")
        write_manifest(staging, RUN_KIND, {**content, **counts})
    return read_manifest(folder, RUN_KIND)
