"""The answers of a run: its journal, read and joined back to the examples, as one tidy table.

It can be made at any time from what has come so far. One row an example, order of the options, and sample: what was
answered, or why that cannot be read. Nothing is imputed, and examples without a reply yet have no row.
"""

import json
import os
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from worldvaluesbench.asking._disagreement import order_disagreement as order_disagreement
from worldvaluesbench.asking._journal import JournalLine, not_asked, read_journal
from worldvaluesbench.asking._run import ANSWERS, RUN
from worldvaluesbench.errors import RunError
from worldvaluesbench.parsing import (
    Distribution,
    Rating,
    Reading,
    Unparsed,
    asked_key,
    read_completion,
    read_likelihoods,
    read_tokens,
)
from worldvaluesbench.planning import EXAMPLES, REQUESTS
from worldvaluesbench.prompts import Completion, ShownChoice, choices_of
from worldvaluesbench.survey import Codebook, Item, load_codebook

COLUMNS: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "respondent_id": pl.Int64,
    "order": pl.UInt8,
    "sample": pl.Int16,
    "rating": pl.Int8,
    "probabilities": pl.List(pl.Float64),
    "coverage": pl.Float64,
    "n": pl.UInt16,
    "attempt": pl.UInt8,
    "unparsed": pl.String,
    "request_id": pl.String,
}
"""The columns of the table, behind `item_id` (Enum of the codebook's item ids)."""

_SHORT = 64
_NO_RATING = -128


def make_answers(folder: Path, codebook: Codebook | None = None, *, damaged: list[int] | None = None) -> pl.DataFrame:
    """The answers table of a run folder, from what its journal holds.

    One row an example, order and sample, in the order of the plan: `item_id`, `respondent_id`, `order`, `sample`, then
    one of `rating`, `probabilities` (over the scale points in order, summing to 1) and `unparsed` (the reason);
    `coverage` (1 for a rating, see `Distribution`; null where unparsed), `n` (completions received for the sample, all
    attempts), `attempt` (that which the row shows: the last one that could be read, else the last) and `request_id`.

    Damaged lines of the journal are left out, and their numbers put into `damaged`.

    Raises RunError where the folder is no run that was asked, or its journal is of another run; without a list for
    their numbers also where lines of it are damaged.
    """
    settings = _read_settings(folder)
    codebook = codebook or load_codebook()
    requests = _read_table(folder / REQUESTS, ["request_id", "item_id", "order", "n"])
    readings = _read_lines(folder, requests, settings, codebook, damaged)
    examples = _read_table(folder / EXAMPLES, ["item_id", "respondent_id", "order", "request", "sample"])
    return _joined(examples, readings, requests["request_id"]).select(
        pl.col("item_id").cast(pl.String).cast(pl.Enum(codebook.item_ids)),
        *(pl.col(name).cast(dtype) for name, dtype in COLUMNS.items()),
    )


def write_answers(folder: Path, codebook: Codebook | None = None, *, damaged: list[int] | None = None) -> Path:
    """Make the answers table of a run folder and put it there whole, as `answers.parquet`; its path.

    Raises RunError as `make_answers` does, and where it cannot be written.
    """
    answers = make_answers(folder, codebook, damaged=damaged)
    path = folder / ANSWERS
    aside = path.with_name(f".{ANSWERS}.{os.getpid()}.unfinished")  # `score --partial` may be at it, too
    try:
        answers.write_parquet(aside, compression="zstd")
        aside.replace(path)
    except (OSError, pl.exceptions.ComputeError) as error:
        reason = str(error.strerror) if isinstance(error, OSError) else str(error).splitlines()[0]
        raise RunError(f"{path}: cannot be written ({reason}); make room and ask the run again.") from None
    return path


def _joined(examples: pl.DataFrame, readings: pl.DataFrame, request_ids: pl.Series) -> pl.DataFrame:
    """Examples with their readings: those of their own sample, or of every sample of their request."""
    named = readings.with_columns(request_id=request_ids.gather(readings["request"]))
    is_shared = pl.col("sample").is_null()
    shared = examples.filter(is_shared).drop("sample").join(named, on="request", maintain_order="left_right")
    own = examples.filter(~is_shared).join(named, on=["request", "sample"], maintain_order="left_right")
    columns = shared.columns
    return pl.concat([shared, own.select(columns)]) if own.height else shared


@dataclass
class _Columns:
    """The readings of journal lines, as columns; distributions stand apart, each with the line that it is of."""

    request: "array[int]" = field(default_factory=lambda: array("L"))
    sample: "array[int]" = field(default_factory=lambda: array("h"))
    attempt: "array[int]" = field(default_factory=lambda: array("H"))
    rating: "array[int]" = field(default_factory=lambda: array("b"))
    coverage: "array[float]" = field(default_factory=lambda: array("d"))
    reason: list[str | None] = field(default_factory=list)
    probabilities: list[tuple[float, ...] | None] = field(default_factory=list)

    def add(self, request: int, line: JournalLine, reading: Reading) -> None:
        """Add a line's reading."""
        self.request.append(request)
        self.sample.append(line.sample)
        self.attempt.append(line.attempt)
        self.rating.append(reading.rating if isinstance(reading, Rating) else _NO_RATING)
        self.coverage.append(reading.coverage if isinstance(reading, Distribution) else 1.0)
        self.reason.append(reading.reason if isinstance(reading, Unparsed) else None)
        self.probabilities.append(reading.probabilities if isinstance(reading, Distribution) else None)

    def frame(self) -> pl.DataFrame:
        """The columns as a table, a row a line, in the order of the journal."""
        return pl.DataFrame(
            {
                "request": pl.Series(np.array(self.request, dtype=np.uint32)),
                "sample": pl.Series(np.array(self.sample, dtype=np.int16)),
                "attempt": pl.Series(np.array(self.attempt, dtype=np.uint16)),
                "rating": pl.Series(np.array(self.rating, dtype=np.int8)),
                "coverage": pl.Series(np.array(self.coverage, dtype=np.float64)),
                "unparsed": pl.Series(self.reason, dtype=pl.String),
                "probabilities": pl.Series(self.probabilities, dtype=pl.List(pl.Float64)),
            }
        ).with_columns(
            rating=pl.when(pl.col("rating") != _NO_RATING).then("rating"),
            coverage=pl.when(pl.col("unparsed").is_null()).then("coverage"),
        )


def _read_lines(
    folder: Path, requests: pl.DataFrame, settings: Mapping[str, Any], codebook: Codebook, damaged: list[int] | None
) -> pl.DataFrame:
    """One reading for each sample of each request that the journal has, ordered by request and sample."""
    places = {request_id: place for place, request_id in enumerate(requests["request_id"].to_list())}
    asked = list(zip(requests["item_id"].cast(pl.String).to_list(), requests["order"].to_list(), strict=True))
    readers: dict[tuple[str, int], Callable[[JournalLine], Reading]] = {}
    wanted = requests["n"].to_list()
    columns = _Columns()
    for line in read_journal(folder, damaged):
        place = places.get(line.request_id)
        if place is None or line.sample >= wanted[place]:
            raise not_asked(folder, line)
        item_id, order = asked[place]
        reader = readers.get((item_id, order))
        if reader is None:
            item = codebook.item(item_id)
            reader = readers[item_id, order] = _line_reader(item, settings, choices_of(item, settings["labels"], order))
        columns.add(place, line, reader(line))
    return _last_readable(columns.frame())


def _last_readable(lines: pl.DataFrame) -> pl.DataFrame:
    """Of every sample the last attempt that could be read, else the last; of an attempt that came twice the first."""
    sample = ["request", "sample"]
    attempts = lines.unique([*sample, "attempt"], keep="first", maintain_order=True)
    counted = attempts.with_columns(n=pl.len().over(sample), is_read=pl.col("unparsed").is_null())
    chosen = counted.sort(*sample, "is_read", "attempt").unique(sample, keep="last", maintain_order=True)
    return chosen.drop("is_read")


def _line_reader(
    item: Item, settings: Mapping[str, Any], choices: tuple[ShownChoice, ...]
) -> Callable[[JournalLine], Reading]:
    """A function that reads a journal line of one question; short completions, which come often, it reads once."""
    known: dict[tuple[str, str | None], Reading] = {}
    asked = asked_key(settings["template"]["text"])

    def read(line: JournalLine) -> Reading:
        if line.tokens is not None:
            return read_tokens(line.tokens, choices)
        if line.logprobs is not None:
            return read_likelihoods(line.logprobs, choices)
        text = line.text or ""
        reading = known.get((text, line.finish))
        if reading is None:
            reading = read_completion(Completion(text, line.finish), choices, item.scale, settings["method"], asked)
            if len(text) <= _SHORT:
                known[text, line.finish] = reading
        return reading

    return read


def _read_settings(folder: Path) -> Mapping[str, Any]:
    path = folder / RUN
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
    except FileNotFoundError:
        raise RunError(f"{folder}: no {RUN}, so this is no run; expected a folder made by `wvb ask`.") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise RunError(f"{path}: cannot be read as the description of a run; begin the run again elsewhere.") from None
    if not isinstance(settings, dict) or not {"method", "labels", "template"} <= settings.keys():
        raise RunError(f"{path}: has no settings, so there is no journal to read; its answers were made elsewhere.")
    return settings


def _read_table(path: Path, columns: list[str]) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, columns=columns, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
        raise RunError(f"{path}: cannot be read ({reason}); begin the run again elsewhere.") from None
