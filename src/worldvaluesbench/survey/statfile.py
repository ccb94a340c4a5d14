"""A survey table as a statistics package writes it: SPSS (sav), Stata (dta), or Parquet."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyreadstat

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey.cells import codes_of, shown
from worldvaluesbench.survey.columns import ID_COLUMN
from worldvaluesbench.survey.fileformat import Format
from worldvaluesbench.survey.table import TableCells

# Stata's extended missing values, which the survey's Stata files use for its missing codes.
STATA_MISSING = {"a": -1, "b": -2, "c": -3, "d": -4, "e": -5}

_FORMAT_NAMES = {"sav": "SPSS (sav)", "dta": "Stata (dta)", "parquet": "Parquet"}

# pyreadstat makes a Python object of every cell: rows per call bound the memory.
_ROWS_PER_READ = 16_384


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
        parts, unknown_tags = [], Counter[str]()
        for start in range(0, self.n_rows, _ROWS_PER_READ):
            part = self._read_rows(start, [*codes, *texts], unknown_tags)
            # narrowed at once, to keep four bytes a cell instead of eight
            parts.append(part.with_columns(_narrowed(part[name], self.where, start) for name in codes))
        notes = [
            f"column {column}: {n} cells hold Stata missing values other than .a to .e; they are blank here."
            for column, n in unknown_tags.items()
        ]
        return TableCells(pl.concat(parts, how="vertical_relaxed", rechunk=True), notes=tuple(notes))

    def _read_rows(self, start: int, columns: list[str], unknown_tags: Counter[str]) -> pl.DataFrame:
        cells, metadata = _read_by_pyreadstat(
            self.path,
            self.where,
            self.format,
            usecols=columns,
            row_offset=start,
            row_limit=_ROWS_PER_READ,
            user_missing=True,
            disable_datetime_conversion=True,
        )
        types = metadata.readstat_variable_types
        return pl.DataFrame(
            [
                pl.Series(name, cells[name], dtype=pl.String)
                if types[name] == "string"
                else _numbers(name, cells[name], unknown_tags)
                for name in columns
            ]
        )


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A Parquet file whose cells are not read yet."""

    path: Path
    where: str
    names: tuple[str, ...]

    def read_cells(self, codes: Sequence[str], texts: Sequence[str]) -> TableCells:
        """The columns named in `codes` and `texts`, as stored."""
        with _one_line_errors(self.where, "parquet"):
            return TableCells(pl.scan_parquet(self.path, glob=False).select(*codes, *texts).collect())


def open_statistics(path: Path, where: str, file_format: Format) -> StatisticsTable:
    """The column names and row count of an SPSS or Stata file.

    Raises SurveyFileError where it cannot be read or has no rows.
    """
    _, metadata = _read_by_pyreadstat(path, where, file_format, metadataonly=True)
    if not metadata.number_rows:
        raise SurveyFileError(f"{where}: has columns and no rows; download it again.")
    return StatisticsTable(path, where, file_format, tuple(metadata.column_names), metadata.number_rows)


def open_parquet(path: Path, where: str) -> ParquetTable:
    """The column names of a Parquet file.

    Raises SurveyFileError where it cannot be read.
    """
    with _one_line_errors(where, "parquet"):
        return ParquetTable(path, where, tuple(pl.read_parquet_schema(path)))


def _read_by_pyreadstat(
    path: Path, where: str, file_format: Format, **options: Any
) -> tuple[dict[str, list[Any]], Any]:
    read = pyreadstat.read_sav if file_format == "sav" else pyreadstat.read_dta
    with _one_line_errors(where, file_format), warnings.catch_warnings():
        warnings.simplefilter("error")  # a column that occurs twice is a warning to pyreadstat
        cells, metadata = read(path, output_format="dict", **options)
    return cells, metadata


def _numbers(name: str, cells: list[Any], unknown_tags: Counter[str]) -> pl.Series:
    try:
        return pl.Series(name, cells, dtype=pl.Float64)
    except TypeError:  # a letter among the numbers is Stata's missing value of that letter
        tags = Counter(cell for cell in cells if isinstance(cell, str) and cell not in STATA_MISSING)
        if tags:
            unknown_tags[name] += tags.total()
        numbers = [STATA_MISSING.get(cell) if isinstance(cell, str) else cell for cell in cells]
        return pl.Series(name, numbers, dtype=pl.Float64)


def _narrowed(cells: pl.Series, where: str, start: int) -> pl.Series:
    dtype = pl.Int64 if cells.name.casefold() == ID_COLUMN.casefold() else pl.Int32
    return codes_of(cells, where, dtype, n_rows_before=start)


@contextmanager
def _one_line_errors(where: str, file_format: Format) -> Iterator[None]:
    try:
        yield
    except (Exception, pl.exceptions.PanicException) as error:  # on damaged files both raise more than they document
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SurveyFileError(
            f"{where}: cannot be read as {_FORMAT_NAMES[file_format]} ({shown(reason, 100)}); "
            f"the file is damaged, download it again."
        ) from None
