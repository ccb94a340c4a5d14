"""One stretch of rows of an SPSS, Stata, Parquet or Arrow file, read in a process of its own.

The readers may bring their process down on a damaged file, and that of SPSS and Stata holds Python's lock: a process
for each stretch makes the first a message and lets several stretches be read at once. Run by `statfile.read_apart` as
`python -P -m worldvaluesbench.survey.reader._statworker STRETCH`; the stretch and the reply it prints are JSON.
"""

import json
import math
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyreadstat

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey import ID_COLUMN
from worldvaluesbench.survey.reader._cells import codes_of
from worldvaluesbench.survey.reader._container import unreadable
from worldvaluesbench.survey.reader._statfile import Stretch, one_line_errors

# Stata's extended missing values, which the survey's Stata files use for its missing codes.
STATA_MISSING = {"a": -1, "b": -2, "c": -3, "d": -4, "e": -5}

# What the numbers of a date count, by its display format, and from which day on.
_SPSS_DATE = re.compile(r"(?:[AEJS]?DATE|DATETIME|YMDHMS|MOYR|QYR|WKYR)\d*(?:\.\d+)?")
_STATA_DAYS, _STATA_MILLISECONDS = re.compile(r"%-?t?d.*"), re.compile(r"%-?t[cC].*")
_SPSS_START, _STATA_START = date(1582, 10, 14), date(1960, 1, 1)
_SECONDS_A_DAY = 86_400


def main(argument: str) -> None:
    """Print the reply to a stretch given as JSON: what `read_stretch` says, or the one line that refuses the file."""
    stretch = Stretch(**json.loads(argument))
    try:
        reply = read_stretch(stretch)
    except SurveyFileError as error:
        reply = {"refusal": str(error)}
    except OSError as error:
        reply = {"refusal": unreadable(stretch.where, error)}
    print(json.dumps(reply))


def read_stretch(stretch: Stretch) -> dict[str, Any]:
    """Read what is asked for: column names and row count, or the cells of some rows, written to `stretch.target`.

    Raises SurveyFileError where the file is damaged or no survey file, OSError where its cells cannot be written.
    """
    if stretch.format in ("parquet", "arrow"):
        return _read_frame(stretch)
    if not stretch.columns:
        return _read_metadata(stretch)
    cells, metadata = _read(
        stretch,
        usecols=stretch.columns,
        row_offset=stretch.start,
        row_limit=stretch.n_rows,
        user_missing=True,
    )
    unknown_tags = Counter[str]()
    columns = []
    for name in stretch.columns:
        if metadata.readstat_variable_types[name] == "string":
            column = pl.Series(name, cells[name], dtype=pl.String)
        else:
            column = _numbers(name, cells[name], unknown_tags)
            if metadata.readstat_variable_types[name] == "float":
                column = column.cast(pl.Float32)  # which is refused where its numbers are too large for it
            column = _without_days(column, metadata.original_variable_types[name])
        columns.append(column)
    _write(columns, stretch)
    return {"unknown_tags": unknown_tags}


def _read_metadata(stretch: Stretch) -> dict[str, Any]:
    _, metadata = _read(stretch, metadataonly=True)
    n_rows = metadata.number_rows
    if n_rows is None:  # whoever wrote the file did not go back to say it
        first = metadata.column_names[:1]
        n_rows = len(_read(stretch, usecols=first)[0][first[0]]) if first else 0
    value_labels = {
        name: [(value, label) for value, label in labels.items() if isinstance(value, int | float)]
        for name, labels in metadata.variable_value_labels.items()
    }
    return {"names": metadata.column_names, "n_rows": n_rows, "value_labels": value_labels}


def _read_frame(stretch: Stretch) -> dict[str, Any]:
    with one_line_errors(stretch.where, stretch.format):
        try:
            frame = _scan(stretch)
            if not stretch.columns:
                n_rows = frame.select(pl.len()).collect().item()
                return {"names": frame.collect_schema().names(), "n_rows": n_rows, "value_labels": {}}
            columns = frame.select(stretch.columns).collect().get_columns()
        except OSError as error:
            if error.errno is None:  # polars says so too of a file that ends before its time
                raise ValueError(str(error)) from None
            raise
    _write(columns, stretch)
    return {"unknown_tags": {}}


def _scan(stretch: Stretch) -> pl.LazyFrame:
    if stretch.format == "parquet":
        return pl.scan_parquet(stretch.path, glob=False)
    if _begins_with(Path(stretch.path), b"ARROW1"):
        return pl.scan_ipc(stretch.path, glob=False)
    return pl.read_ipc_stream(stretch.path).lazy()


def _begins_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _write(columns: list[pl.Series], stretch: Stretch) -> None:
    codes = (column if column.name in stretch.texts else _narrowed(column, stretch) for column in columns)
    pl.DataFrame(codes).write_ipc(stretch.target)


_ReadStat = Callable[..., tuple[dict[str, list[Any]], Any]]


def _read(stretch: Stretch, **options: Any) -> tuple[dict[str, list[Any]], Any]:
    """Read with pyreadstat; texts in another encoding than the file declares do not matter, for no label is used."""
    read: _ReadStat = pyreadstat.read_sav if stretch.format == "sav" else pyreadstat.read_dta
    options |= {"output_format": "dict", "disable_datetime_conversion": True}
    with one_line_errors(stretch.where, stretch.format), warnings.catch_warnings():
        warnings.simplefilter("error")  # a column that occurs twice is a warning to pyreadstat
        try:
            return read(Path(stretch.path), **options)
        except Exception:
            # any byte is a letter in Latin-1, and a digit, point or Latin letter is the same as in what was declared
            try:
                return read(Path(stretch.path), encoding="latin1", **options)
            except Exception as error:
                raise error.__context__ or error from None


def _without_days(numbers: pl.Series, display: str) -> pl.Series:
    """Numbers that are shown as dates as yyyymmdd; missing codes, which are below zero, stay."""
    if _SPSS_DATE.fullmatch(display):
        days, start = numbers / _SECONDS_A_DAY, _SPSS_START
    elif _STATA_MILLISECONDS.fullmatch(display):
        days, start = numbers / (_SECONDS_A_DAY * 1000), _STATA_START
    elif _STATA_DAYS.fullmatch(display):
        days, start = numbers, _STATA_START
    else:
        return numbers
    texts = [
        value if value is None or value < 0 else _yyyymmdd(start, day) for value, day in zip(numbers, days, strict=True)
    ]
    return pl.Series(numbers.name, texts, dtype=pl.Float64)


def _yyyymmdd(start: date, days: float) -> int | None:
    try:
        day = date.fromordinal(start.toordinal() + math.floor(days))
    except (ValueError, OverflowError):
        return 0  # no date: a code that is unlisted
    return day.year * 10_000 + day.month * 100 + day.day


def _numbers(name: str, cells: list[Any], unknown_tags: Counter[str]) -> pl.Series:
    try:
        return pl.Series(name, cells, dtype=pl.Float64)
    except TypeError:  # a letter among the numbers is Stata's missing value of that letter
        tags = Counter(cell for cell in cells if isinstance(cell, str) and cell not in STATA_MISSING)
        if tags:
            unknown_tags[name] += tags.total()
        numbers = [STATA_MISSING.get(cell) if isinstance(cell, str) else cell for cell in cells]
        return pl.Series(name, numbers, dtype=pl.Float64)


def _narrowed(cells: pl.Series, stretch: Stretch) -> pl.Series:
    dtype = pl.Int64 if cells.name.casefold() == ID_COLUMN.casefold() else pl.Int32
    return codes_of(cells, stretch.where, dtype, n_rows_before=stretch.start)


if __name__ == "__main__":
    main(sys.argv[1])
