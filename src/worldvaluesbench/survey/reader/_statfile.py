"""A survey table in a binary format: SPSS (sav), Stata (dta), Parquet or Arrow."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey.reader._cells import shown
from worldvaluesbench.survey.reader._fileformat import Format
from worldvaluesbench.survey.reader._table import TableCells

_FORMAT_NAMES = {"sav": "SPSS (sav)", "dta": "Stata (dta)", "parquet": "Parquet", "arrow": "Arrow"}

# pyreadstat makes a Python object of every cell: rows per process bound the memory.
_ROWS_PER_READ = 16_384
_MAX_PROCESSES = 4

# The whole survey has 97,220 rows; a damaged file may claim any number.
_MAX_ROWS = 10_000_000

# How a process ends that went wrong by itself; any other signal came from outside.
_CRASHES = {number for number in signal.Signals if number.name in {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE"}}


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a process of its own is to read: `n_rows` rows from `start`, into an IPC file at `target`.

    Without columns only the names of the columns and the number of rows are read. `texts` are those of the
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
    """An SPSS, Stata, Parquet or Arrow file whose cells are not read yet."""

    path: Path
    where: str
    format: Format
    names: tuple[str, ...]
    n_rows: int
    value_labels: Mapping[str, Mapping[float, str]] = field(default_factory=dict)

    def read_cells(self, codes: Sequence[str], texts: Sequence[str]) -> TableCells:
        """The columns named in `codes` and `texts`. User-missing codes of SPSS stay codes; its own blank is null.

        Stata's `.a` to `.e` are -1 to -5; its further letters have no known meaning, are null and noted. Dates of SPSS
        and Stata are numbers yyyymmdd.
        """
        # the Parquet and Arrow readers read columns at once and use all cores
        n_rows_per_read = _ROWS_PER_READ if self.format in ("sav", "dta") else self.n_rows
        n_processes = min(_MAX_PROCESSES, os.cpu_count() or 1)
        with tempfile.TemporaryDirectory(prefix="wvb-") as folder, ThreadPoolExecutor(n_processes) as pool:
            stretches = [
                Stretch(
                    path=str(self.path.absolute()),
                    where=self.where,
                    format=self.format,
                    columns=[*codes, *texts],
                    texts=texts,
                    start=start,
                    n_rows=n_rows_per_read,
                    target=str(Path(folder) / f"{start}.arrow"),
                )
                for start in range(0, self.n_rows, n_rows_per_read)
            ]
            replies = list(pool.map(read_apart, stretches))
            cells = pl.concat(
                [pl.scan_ipc(stretch.target, glob=False).collect() for stretch in stretches],
                how="vertical_relaxed",
                rechunk=True,
            )
        unknown_tags = sum((Counter(reply["unknown_tags"]) for reply in replies), Counter[str]())
        notes = [
            f"column {column}: {n} cells hold Stata missing values other than .a to .e; they are blank here."
            for column, n in unknown_tags.items()
        ]
        return TableCells(cells, notes=tuple(notes))


def open_statistics(path: Path, where: str, file_format: Format) -> StatisticsTable:
    """The column names, row count and value labels of a file.

    Raises SurveyFileError where it cannot be read, has no rows, or more than a survey file can have.
    """
    reply = read_apart(Stretch(str(path.absolute()), where, file_format))
    n_rows = reply["n_rows"]
    if not n_rows:
        raise SurveyFileError(f"{where}: has columns and no rows; download it again.")
    if n_rows > _MAX_ROWS:
        raise SurveyFileError(f"{where}: claims to have {n_rows:,} rows; the file is damaged, download it again.")
    labels = {name: dict(pairs) for name, pairs in reply["value_labels"].items()}
    return StatisticsTable(path, where, file_format, tuple(reply["names"]), n_rows, labels)


def read_apart(stretch: Stretch) -> dict[str, Any]:
    """Have a process of its own read a stretch; see `statworker`.

    Raises SurveyFileError where the file is refused, damaged such that its reader crashes, or its reader is killed.
    """
    # -P: Python must not import from the current folder, where somebody's polars.py may lie beside the download
    command = [sys.executable, "-P", "-m", "worldvaluesbench.survey.reader._statworker", json.dumps(asdict(stretch))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode > 0:
        raise RuntimeError(f"The reader of {stretch.where} failed:\n{done.stderr}")
    if done.returncode < 0:
        raise SurveyFileError(_end_by_signal(stretch, -done.returncode))
    reply: dict[str, Any] = json.loads(done.stdout)
    if "refusal" in reply:
        raise SurveyFileError(reply["refusal"])
    return reply


def _end_by_signal(stretch: Stretch, signal_number: int) -> str:
    if signal_number in _CRASHES:
        return (
            f"{stretch.where}: cannot be read as {_FORMAT_NAMES[stretch.format]} (its reader crashed); "
            f"the file is damaged, download it again."
        )
    return (
        f"{stretch.where}: its reader was killed (signal {signal_number}), most likely for want of memory; "
        f"free some memory and try again, or give the csv edition."
    )


@contextmanager
def one_line_errors(where: str, file_format: Format) -> Iterator[None]:
    """Turn whatever a reader raises into one line that says that the file is damaged; but a full disk stays one."""
    try:
        yield
    except OSError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # on damaged files both raise more than they document
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SurveyFileError(
            f"{where}: cannot be read as {_FORMAT_NAMES[file_format]} ({shown(reason, 100)}); "
            f"the file is damaged, download it again."
        ) from None
