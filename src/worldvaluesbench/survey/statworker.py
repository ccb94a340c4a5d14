"""One stretch of rows of an SPSS or Stata file, read in a process of its own.

The reader is a C library that may bring its process down on a damaged file, and it holds Python's lock: a process for
each stretch makes the first a message and lets several stretches be read at once. Run by `statfile.read_apart` as
`python -m worldvaluesbench.survey.statworker REQUEST`, where the request is JSON.
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
from worldvaluesbench.survey.statfile import Request, one_line_errors

# Stata's extended missing values, which the survey's Stata files use for its missing codes.
STATA_MISSING = {"a": -1, "b": -2, "c": -3, "d": -4, "e": -5}


def answer_request(request: Request) -> dict[str, Any]:
    """Do what is asked: column names and row count, or the cells of some rows, written to `request.target`."""
    if not request.columns:
        _, metadata = _read(request, metadataonly=True)
        return {"names": metadata.column_names, "n_rows": metadata.number_rows}
    cells, metadata = _read(
        request,
        usecols=request.columns,
        row_offset=request.start,
        row_limit=request.n_rows,
        user_missing=True,
        disable_datetime_conversion=True,
    )
    unknown_tags = Counter[str]()
    columns = []
    for name in request.columns:
        if metadata.readstat_variable_types[name] == "string":
            column = pl.Series(name, cells[name], dtype=pl.String)
        else:
            column = _numbers(name, cells[name], unknown_tags)
        columns.append(column if name in request.texts else _narrowed(column, request))
    pl.DataFrame(columns).write_ipc(request.target)
    return {"unknown_tags": unknown_tags}


def _read(request: Request, **options: Any) -> tuple[dict[str, list[Any]], Any]:
    read = pyreadstat.read_sav if request.format == "sav" else pyreadstat.read_dta
    with one_line_errors(request.where, request.format), warnings.catch_warnings():
        warnings.simplefilter("error")  # a column that occurs twice is a warning to pyreadstat
        cells, metadata = read(Path(request.path), output_format="dict", **options)
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


def _narrowed(cells: pl.Series, request: Request) -> pl.Series:
    dtype = pl.Int64 if cells.name.casefold() == ID_COLUMN.casefold() else pl.Int32
    return codes_of(cells, request.where, dtype, n_rows_before=request.start)


if __name__ == "__main__":
    try:
        print(json.dumps(answer_request(Request(**json.loads(sys.argv[1])))))
    except SurveyFileError as error:
        print(json.dumps({"refusal": str(error)}))
