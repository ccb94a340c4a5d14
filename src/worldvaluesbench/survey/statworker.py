"""One stretch of rows of an SPSS or Stata file, read in a process of its own.

The reader is a C library that may bring its process down on a damaged file, and it holds Python's lock: a process for
each stretch makes the first a message and lets several stretches be read at once. Run by `statfile.read_apart` as
`python -P -m worldvaluesbench.survey.statworker STRETCH`, where the stretch is JSON, and so is the reply it prints.
"""

import json
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pyreadstat

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey.cells import codes_of
from worldvaluesbench.survey.columns import ID_COLUMN
from worldvaluesbench.survey.container import unreadable
from worldvaluesbench.survey.statfile import Stretch, one_line_errors

# Stata's extended missing values, which the survey's Stata files use for its missing codes.
STATA_MISSING = {"a": -1, "b": -2, "c": -3, "d": -4, "e": -5}


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
    if not stretch.columns:
        _, metadata = _read(stretch, metadataonly=True)
        return {"names": metadata.column_names, "n_rows": metadata.number_rows}
    cells, metadata = _read(
        stretch,
        usecols=stretch.columns,
        row_offset=stretch.start,
        row_limit=stretch.n_rows,
        user_missing=True,
        disable_datetime_conversion=True,
    )
    unknown_tags = Counter[str]()
    columns = []
    for name in stretch.columns:
        if metadata.readstat_variable_types[name] == "string":
            column = pl.Series(name, cells[name], dtype=pl.String)
        else:
            column = _numbers(name, cells[name], unknown_tags)
        columns.append(column if name in stretch.texts else _narrowed(column, stretch))
    pl.DataFrame(columns).write_ipc(stretch.target)
    return {"unknown_tags": unknown_tags}


def _read(stretch: Stretch, **options: Any) -> tuple[dict[str, list[Any]], Any]:
    read = pyreadstat.read_sav if stretch.format == "sav" else pyreadstat.read_dta
    with one_line_errors(stretch.where, stretch.format), warnings.catch_warnings():
        warnings.simplefilter("error")  # a column that occurs twice is a warning to pyreadstat
        cells, metadata = read(Path(stretch.path), output_format="dict", **options)
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


def _narrowed(cells: pl.Series, stretch: Stretch) -> pl.Series:
    dtype = pl.Int64 if cells.name.casefold() == ID_COLUMN.casefold() else pl.Int32
    return codes_of(cells, stretch.where, dtype, n_rows_before=stretch.start)


if __name__ == "__main__":
    main(sys.argv[1])
