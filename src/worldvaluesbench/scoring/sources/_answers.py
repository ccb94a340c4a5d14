"""Answers as they come to be scored: those of one file, or of one run, with the receipt of where they came from."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import polars as pl

from worldvaluesbench._io import check_name, printable
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring.sources._answer_files import read_bytes, read_table
from worldvaluesbench.scoring.sources._runs import ANSWERS, RunFacts, is_run, read_run_facts, read_run_table
from worldvaluesbench.survey import load_codebook

Read = TypeVar("Read")


@dataclass(frozen=True)
class Answers:
    """The answers of one file or one run, rows in their order there.

    `name` is the file's name without folder and known suffix, or the run's; `file_name`, `size` and `sha256` say which
    file it was, and `run` which run (None: no run, a file of answers).
    `answer_column` is the column of the file that the answers are from (None: of a run).
    `frame` holds `item_id` (an Enum of all item ids; null: none of them), `respondent_id` (Int64; null: no whole
    number) and `answer` (String as read, or the numbers of a parquet file; null: blank). Of a run it also holds
    `order`, `sample`, `unparsed` (an Enum of reasons), `probabilities` (List over the scale points; a row has an
    answer, a distribution or a reason) and `coverage` (how much of the probability was on the options; null: not
    known).
    """

    name: str
    file_name: str
    size: int
    sha256: str
    frame: pl.DataFrame = field(repr=False)
    run: RunFacts | None = None
    answer_column: str | None = None

    def __post_init__(self) -> None:
        advice = "rename the file" if self.run is None else "begin the run again with another --name"
        check_name(self.name, self.file_name, AnswersError, what="name", advice=advice)
        if self.run is not None and self.run.model is not None:
            check_name(self.run.model, self.file_name, AnswersError, what="model's name", is_model=True)

    @property
    def kind(self) -> Literal["file", "run"]:
        """Which of the two they come from."""
        return "file" if self.run is None else "run"

    @property
    def is_invented(self) -> bool:
        """Whether they are known to have been given for invented people."""
        return self.run is not None and self.run.is_invented

    @cached_property
    def item_ids(self) -> tuple[str, ...]:
        """The items it names, in questionnaire order."""
        known = load_codebook().item_ids
        is_named = np.zeros(len(known), dtype=bool)
        is_named[self.frame["item_id"].drop_nulls().to_physical().to_numpy()] = True
        return tuple(known[place] for place in np.flatnonzero(is_named).tolist())

    def describe(self) -> dict[str, Any]:
        """What a manifest says about them."""
        facts = {"file": printable(self.file_name), "size": self.size, "sha256": self.sha256}
        run = None if self.run is None else self.run.describe()
        return {"name": self.name, "kind": self.kind, **facts, "answer_column": self.answer_column, "run": run}


SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
"""Endings of files of answers that are no part of a name: `gpt-3.5` is a whole one."""


def read_answers(
    path: Path | str, *, partial: bool = False, answer_column: str | None = None, completions: bool = False
) -> Answers:
    """Read a file of answers, csv, tsv (or `;`, `|`) or parquet, or the answers of a run folder.

    Lines that are blank throughout are no rows. They are not judged here; see `sort_rows`. With `partial` a run that
    is not finished is read as far as its answers go. `answer_column`: the column of the answers, where a file has
    several that could be it; with `completions` it may be one of completions, for `import_answers` to read.

    Raises AnswersError where a file is absent, no run, empty, not text, lacks a column, has several that could hold the
    answers, names no known item, or has a name that cannot be shown;
    RunError where a run is unfinished or cannot be read.
    """
    path = Path(path)
    if is_run(path):
        return _read_run(path, partial=partial)
    content = read_bytes(path)
    (frame, column), digest = _read_beside_digest(
        content, lambda: read_table(path, content, answer_column, completions=completions)
    )
    name = path.stem if path.suffix.lower() in SUFFIXES else path.name
    return Answers(name, path.name, len(content), digest, frame, answer_column=column)


def _read_run(folder: Path, *, partial: bool) -> Answers:
    run = read_run_facts(folder, partial=partial)
    content = read_bytes(folder / ANSWERS)
    frame, digest = _read_beside_digest(content, lambda: read_run_table(folder, content))
    run.check_answers(folder, len(content), digest)
    return Answers(run.name, f"{folder.resolve().name}/{ANSWERS}", len(content), digest, frame, run)


def _read_beside_digest(content: bytes, read: Callable[[], Read]) -> tuple[Read, str]:
    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(hashlib.sha256, content)
        return read(), digest.result().hexdigest()
