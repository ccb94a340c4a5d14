"""A run that asked nothing: its answers were made elsewhere, or by a baseline, and the folder is written whole.

It has neither settings nor requests nor a journal, and is scored like any other run.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench._io import file_facts, manifest_of, new_folder, read_manifest, write_json, write_manifest
from worldvaluesbench.asking._run import ANSWERS, RUN
from worldvaluesbench.benchmark import Dataset
from worldvaluesbench.planning import EXAMPLES

RUN_KIND = "run"


def examples_of(table: pl.DataFrame) -> pl.DataFrame:
    """Each distinct item and respondent of an answers table, in the order they are met; of no request."""
    return (
        table.select("item_id", "respondent_id", "order")
        .drop_nulls()
        .unique(maintain_order=True)
        .with_columns(request=pl.lit(None, dtype=pl.UInt32), sample=pl.lit(None, dtype=pl.Int16))
    )


def describe_unasked(
    name: str, model: Mapping[str, Any], examples: Mapping[str, Any], n_examples: int, dataset: Dataset | None
) -> dict[str, Any]:
    """What `run.json` says of such a run: its name, who answered, where its examples come from, of which dataset."""
    return {
        "name": name,
        "settings": None,
        "model": dict(model),
        "examples": dict(examples),
        "dataset": None if dataset is None else dataset.receipt,
        "is_invented": dataset is not None and dataset.is_invented,
        "n_examples": n_examples,
        "n_requests": 0,
        "n_completions": 0,
    }


def write_unasked_run(
    folder: Path,
    content: Mapping[str, Any],
    table: pl.DataFrame,
    *,
    counts: Mapping[str, Any],
    force: bool = False,
) -> dict[str, Any]:
    """Make a finished run folder of an answers table; returns its manifest.

    `content` is what `run.json` says (`describe_unasked`, and more); the manifest says it too, and `counts` beside it.

    Raises FolderError where the folder cannot be made.
    """
    with new_folder(folder, RUN_KIND, force=force) as staging:
        examples_of(table).write_parquet(staging / EXAMPLES, compression="zstd")
        files = {EXAMPLES: file_facts(staging / EXAMPLES)}
        write_json(staging / RUN, manifest_of(RUN_KIND, content) | {"files": files})
        table.write_parquet(staging / ANSWERS, compression="zstd")
        write_manifest(staging, RUN_KIND, {**content, **counts})
    return read_manifest(folder, RUN_KIND)
