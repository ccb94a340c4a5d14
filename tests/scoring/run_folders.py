"""Run folders made by hand: what `wvb ask` leaves, without asking anyone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from worldvaluesbench._io._folder import manifest_of, write_json, write_manifest
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.survey._codebook import load_codebook

OWN = "own"


class Row(NamedTuple):
    """One row of a run's answers; `request_id` is `OWN` where the request asks for this respondent alone."""

    item_id: str
    respondent_id: int
    rating: int | None = None
    probabilities: list[float] | None = None
    unparsed: str | None = None
    order: int = 0
    sample: int | None = 0
    request_id: str | None = OWN


def answers_table(rows: Sequence[Row]) -> pl.DataFrame:
    """The table of answers with every column that runs have."""
    frame = pl.DataFrame(
        rows,
        orient="row",
        schema={
            "item_id": pl.Enum(load_codebook().item_ids),
            "respondent_id": pl.Int64,
            "rating": pl.Int8,
            "probabilities": pl.List(pl.Float64),
            "unparsed": pl.String,
            "order": pl.UInt8,
            "sample": pl.Int16,
            "request_id": pl.String,
        },
    )
    return frame.with_columns(
        coverage=pl.when(pl.col("rating").is_null()).then(pl.col("probabilities").list.sum()).otherwise(1.0),
        n=pl.lit(1, dtype=pl.UInt16),
        attempt=pl.lit(0, dtype=pl.UInt8),
        request_id=pl.when(pl.col("request_id") == OWN)
        .then(pl.format("{}-{}-{}", pl.col("item_id").cast(pl.String), "respondent_id", "order"))
        .otherwise("request_id"),
    )


def make_run(
    folder: Path,
    answers: Sequence[Row] | pl.DataFrame | None,
    dataset: Dataset,
    *,
    is_finished: bool = True,
    **described: Any,
) -> Path:
    """A run folder with these answers (None: not made yet); `described` replaces what `run.json` would say."""
    folder.mkdir(parents=True)
    content: Mapping[str, Any] = {
        "name": folder.name,
        "settings": make_settings().describe(),
        "model": {"backend": "function", "model": "by-hand"},
        "examples": {"source": "by hand"},
        "dataset": dataset.receipt,
        "is_invented": dataset.is_invented,
        "n_examples": 2,
        "n_requests": 2,
        "n_completions": 2,
    } | described
    write_json(folder / "run.json", manifest_of("run", content) | {"files": {}})
    if answers is not None:
        frame = answers if isinstance(answers, pl.DataFrame) else answers_table(answers)
        frame.write_parquet(folder / "answers.parquet", compression="zstd")
    if is_finished:
        write_manifest(folder, "run", content)
    return folder
