"""The answers of a run folder: which run it is, and its table of answers, checked."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from worldvaluesbench._io import check_fits, read_manifest
from worldvaluesbench.errors import AnswersError, RunError
from worldvaluesbench.runs import ANSWER_COLUMNS, ANSWERS, RUN_KIND, UNPARSED, RunFolder, is_finished, read_run
from worldvaluesbench.survey import load_codebook

_WIDE = {"order": pl.Int32, "sample": pl.Int32, "rating": pl.Int16}  # answers made elsewhere may exceed what runs write
_OPTIONAL = ("raw", "request_id", "coverage")
_READ: Mapping[str, type[pl.DataType] | pl.DataType] = {
    "item_id": pl.String,
    **{name: _WIDE.get(name, dtype) for name, dtype in ANSWER_COLUMNS.items() if name not in ("n", "attempt")},
    "raw": pl.String,
}
"""The columns that are read, and what their values must be convertible to. `raw`: imported answers as written."""

TOLERANCE = 1e-6
"""How far a coverage may be above 1: rounding."""


def read_finished_run(folder: Path, *, partial: bool = False) -> RunFolder:
    """A run that has answers, with its manifest; with `partial` also one that has no manifest yet.

    Raises RunError where it is unfinished, has no answers, or its `run.json` cannot be read; FolderError where its
    manifest cannot be.
    """
    has_manifest = is_finished(folder)
    if not has_manifest and not partial:
        raise RunError(
            f"{folder}: the run is not finished; finish it with `wvb ask`, or score what there is with --partial."
        )
    if not (folder / ANSWERS).is_file():
        raise RunError(f"{folder}: the run has no {ANSWERS} yet; go on with `wvb ask`, which makes it.")
    return replace(read_run(folder), manifest=read_manifest(folder, RUN_KIND) if has_manifest else None)


def read_run_table(folder: Path, content: bytes) -> pl.DataFrame:
    """The rows of a run's table of answers, in its order; see `Answers.frame` for the columns.

    A row with a text as it was written (`raw`, of imported answers) has that text as its answer, to be judged like
    that of a file, whatever was read from it.

    Raises AnswersError where the table is not as documented.
    """
    path = folder / ANSWERS
    frame = _read_columns(path, content)
    if frame.is_empty():
        raise AnswersError(f"{path}: holds no answers; go on with `wvb ask`.")
    has_raw = frame["raw"].null_count() < frame.height
    answer = pl.coalesce("raw", pl.col("rating").cast(pl.String)) if has_raw else pl.col("rating")
    read = frame.select(
        pl.col("item_id").cast(pl.Enum(load_codebook().item_ids), strict=False),
        "respondent_id",
        answer.alias("answer"),
        pl.col("order", "sample").fill_null(0),
        pl.when(pl.col("raw").is_null()).then("unparsed").cast(pl.Enum(UNPARSED), strict=False).alias("unparsed"),
        "probabilities",
        "coverage",
        pl.col("request_id").rank("dense").cast(pl.Int64).alias("request"),
    )
    _check_reasons(path, frame)
    _check_kinds(path, read)
    _check_probabilities(path, read)
    return read


def _read_columns(path: Path, content: bytes) -> pl.DataFrame:
    try:
        check_fits(content)
        names = list(pl.read_parquet_schema(content))
        absent = [name for name in _READ if name not in (*names, *_OPTIONAL)]
        if absent:
            raise AnswersError(f"{path}: no column {' and no '.join(absent)}; expected the answers of a run.")
        frame = pl.read_parquet(content, columns=[name for name in _READ if name in names])
        return frame.select(
            pl.col(name).cast(dtype) if name in names else pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in _READ.items()
        )
    except (ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise AnswersError(f"{path}: cannot be read as the answers of a run ({reason}); make it again.") from None


def _check_reasons(path: Path, frame: pl.DataFrame) -> None:
    unknown = frame["unparsed"].drop_nulls().unique().sort().to_list()
    unknown = [reason for reason in unknown if reason not in UNPARSED]
    if unknown:
        raise AnswersError(
            f"{path}: this version does not know the reason {unknown[0][:40]!r}; expected one of {', '.join(UNPARSED)}."
        )


def _check_kinds(path: Path, read: pl.DataFrame) -> None:
    """Raise AnswersError unless every row of a known item has just one of: an answer, a distribution, a reason."""
    n_kinds = pl.sum_horizontal(pl.col("answer", "probabilities", "unparsed").is_not_null())
    is_wrong = (n_kinds != 1) & pl.col("item_id").is_not_null()
    has_wrong, row = read.select(is_wrong.any(), is_wrong.arg_max().alias("row")).row(0)
    if has_wrong:
        raise AnswersError(
            f"{path}: row {row + 1} has not just one of rating, probabilities and unparsed; make it again."
        )


def _check_probabilities(path: Path, read: pl.DataFrame) -> None:
    """Raise AnswersError unless every distribution has a share for each point of its scale, and one above 0."""
    rows = (
        read.select("item_id", "probabilities", "coverage")
        .with_row_index("row")
        .filter(pl.col("probabilities").is_not_null())
    )
    if rows.is_empty():
        return
    items, shares = rows["item_id"].to_physical(), rows["probabilities"]
    n_points = np.array([*(item.scale.n_points for item in load_codebook().items), -1])
    expected = np.take(n_points, items.fill_null(n_points.size - 1).to_numpy())
    is_right = shares.list.len().to_numpy() == expected
    if is_right.all():
        mass = shares.explode(empty_as_null=False).fill_null(np.nan).to_numpy()
        starts = np.cumsum(expected) - expected
        total = np.add.reduceat(mass, starts)
        is_right = (np.minimum.reduceat(mass, starts) >= 0) & np.isfinite(total) & (total > 0)
    if not is_right.all():
        row, item_id = rows.select("row", "item_id").row(int(np.argmin(is_right)))
        raise AnswersError(
            f"{path}: the probabilities of row {row + 1} are no shares of the scale points of {item_id}; make it again."
        )
    is_odd = ~rows["coverage"].is_between(0, 1 + TOLERANCE).fill_null(True)
    if is_odd.any():
        row, coverage = rows.select("row", "coverage").row(int(is_odd.arg_max() or 0))
        raise AnswersError(
            f"{path}: the coverage of row {row + 1} is {coverage}; expected how much of the probability was on the "
            f"options, 0 to 1."
        )
