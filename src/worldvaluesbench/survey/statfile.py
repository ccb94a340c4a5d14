"""A survey table as a statistics package writes it: SPSS (sav), Stata (dta), or Parquet."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey.cells import shown
from worldvaluesbench.survey.fileformat import Format
from worldvaluesbench.survey.table import TableCells

_FORMAT_NAMES = {"sav": "SPSS (sav)", "dta": "Stata (dta)", "parquet": "Parquet"}

# pyreadstat makes a Python object of every cell: rows per process bound the memory.
_ROWS_PER_READ = 16_384
_MAX_PROCESSES = 4


@dataclass(frozen=True, slots=True)
class Request:
    """What a process of its own is to read: `n_rows` rows from `start`, into an IPC file at `target`.

    Without columns only the names of the columns and the number of rows are asked for. `texts` are those of the
    columns that are not codes.
    """

    path: str
    where: str
    format: Format
    columns: Sequence[str] = ()
    texts: Sequence[str] = ()
    start: int = 0
    n_rows: int = 0
    target: str = ""


@dataclass(frozen=True, slots=True)
class StatisticsTable:
    """An SPSS or Stata file whose cells are not read yet."""

    path: Path
    where: str
    format: Format
    names: tuple[str, ...]
    n_rows: int

    def read_cells(self, codes: Sequence[str], texts: Sequence[str]) -> TableCells:
        """The columns named in `codes` and `texts`. User-missing codes of SPSS stay codes; its own blank is null.

        Stata's `.a` to `.e` are -1 to -5; its further letters have no known meaning, are null and noted.
        """
        n_processes = min(_MAX_PROCESSES, os.cpu_count() or 1)
        with tempfile.TemporaryDirectory(prefix="wvb-") as folder, ThreadPoolExecutor(n_processes) as pool:
            requests = [
                Request(
                    path=str(self.path.absolute()),
                    where=self.where,
                    format=self.format,
                    columns=[*codes, *texts],
                    texts=texts,
                    start=start,
                    n_rows=_ROWS_PER_READ,
                    target=str(Path(folder) / f"{start}.arrow"),
                )
                for start in range(0, self.n_rows, _ROWS_PER_READ)
            ]
            answers = list(pool.map(read_apart, requests))
            cells = pl.concat(
                [pl.read_ipc(request.target) for request in requests],
                how="vertical_relaxed",
                rechunk=True,
            )
        unknown_tags = sum((Counter(answer["unknown_tags"]) for answer in answers), Counter[str]())
        notes = [
            f"column {column}: {n} cells hold Stata missing values other than .a to .e; they are blank here."
            for column, n in unknown_tags.items()
        ]
        return TableCells(cells, notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A Parquet file whose cells are not read yet."""

    path: Path
    where: str
    names: tuple[str, ...]

    def read_cells(self, codes: Sequence[str], texts: Sequence[str]) -> TableCells:
        """The columns named in `codes` and `texts`, as stored."""
        with one_line_errors(self.where, "parquet"):
            return TableCells(pl.scan_parquet(self.path, glob=False).select(*codes, *texts).collect())


def open_statistics(path: Path, where: str, file_format: Format) -> StatisticsTable:
    """The column names and row count of an SPSS or Stata file.

    Raises SurveyFileError where it cannot be read or has no rows.
    """
    answer = read_apart(Request(str(path.absolute()), where, file_format))
    if not answer["n_rows"]:
        raise SurveyFileError(f"{where}: has columns and no rows; download it again.")
    return StatisticsTable(path, where, file_format, tuple(answer["names"]), answer["n_rows"])


def open_parquet(path: Path, where: str) -> ParquetTable:
    """The column names of a Parquet file.

    Raises SurveyFileError where it cannot be read.
    """
    with one_line_errors(where, "parquet"):
        return ParquetTable(path, where, tuple(pl.read_parquet_schema(path)))


def read_apart(request: Request) -> dict[str, Any]:
    """Have a process of its own answer a request; see `statworker`.

    Raises SurveyFileError where the file is refused, or damaged such that its reader crashes.
    """
    command = [sys.executable, "-m", "worldvaluesbench.survey.statworker", json.dumps(asdict(request))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode > 0:
        raise RuntimeError(f"The reader of {request.where} failed:\n{done.stderr}")
    if done.returncode < 0:
        raise SurveyFileError(
            f"{request.where}: cannot be read as {_FORMAT_NAMES[request.format]} (its reader crashed); "
            f"the file is damaged, download it again."
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    if "refusal" in answer:
        raise SurveyFileError(answer["refusal"])
    return answer


@contextmanager
def one_line_errors(where: str, file_format: Format) -> Iterator[None]:
    """Turn whatever a reader raises into one line that says that the file is damaged."""
    try:
        yield
    except (Exception, pl.exceptions.PanicException) as error:  # on damaged files both raise more than they document
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SurveyFileError(
            f"{where}: cannot be read as {_FORMAT_NAMES[file_format]} ({shown(reason, 100)}); "
            f"the file is damaged, download it again."
        ) from None
