"""Twelve invented respondents, written in every shape in which real survey files of wave 7 were seen."""

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pandas as pd
import polars as pl
import pyreadstat

Cell = int | float | str | None
Rows = Mapping[str, Sequence[Cell]]

# Nobody's responses: made up so that every kind of code occurs. Q119 and Q176 avoid the codes that inversion merges.
ROWS: Rows = {
    "version": ["5-0-0 (2022-05-23)"] * 12,
    "A_WAVE": [7] * 12,
    "A_STUDY": [2] * 12,
    "B_COUNTRY": [170] * 6 + [20] * 5 + [356],
    "B_COUNTRY_ALPHA": ["COL"] * 6 + ["AND"] * 5 + ["IND"],
    "J_INTDATE": [20181130, 20181201, -5, 20181100, 20181130, -2, 20180910, 20180911, -1, 20180913, None, 20190101],
    "D_INTERVIEW": [170070052 + n for n in range(6)] + [20070001 + n for n in range(5)] + [356070001],
    "N_TOWN": [170001, 170002, 170001, -5, -1, -2, 20001, 20002, 20003, -4, None, 356001],
    "Q1": [1, 2, 3, 4, -1, -2, -5, -99, -999, -9999, None, 77],
    "Q2": [4, 3, 2, 1, 1, 1, 2, 2, 3, 3, 4, 4],
    "Q57": [1, 2, 1, 2, -1, -2, -4, -5, None, 1, 2, 2],
    "Q83": [1, 2, 3, 4, -1, -2, -3, -4, -5, 1, 2, None],
    "Q119": [0, 1, 4, 1, 1, -1, -2, -4, -5, None, 4, 0],
    "Q176": [1, 4, 5, 6, 7, 8, 9, 10, -1, -5, None, 1],
    "Q199": [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4],
    "X_TEXT": ["", "plain", "two words", "7", "", "a", "b", "c", "d", "e", "f", ""],
    "Q260": [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, -1, -2],
    "Q262": [18, 25, 99, 44, -1, -2, 17, 61, 33, -5, None, 103],
    "Q275": [0, 1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -5],
    "Q287": [1, 2, 3, 4, 5, -1, -2, -5, None, 1, 2, 3],
    "W_WEIGHT": [1.0, 0.9460738, 1.25, 0.5, 2.0, 1.0, 1.0, 0.0, 1.5, None, 1.0, 3.25],
    "S018": [0.5, 0.25, 0.125, 1.0, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0625],
}  # fmt: skip

WEIGHTS = ("W_WEIGHT", "S018")
TEXTS = ("version", "B_COUNTRY_ALPHA", "X_TEXT")
IN_ORDER = (
    "D_INTERVIEW", "B_COUNTRY", "J_INTDATE", "N_TOWN", "Q260", "Q262", "Q275", "Q287",
    "Q1", "Q2", "Q57", "Q119", "Q176", "Q199", *WEIGHTS,
)  # fmt: skip


def expected_frame(rows: Rows = ROWS) -> pl.DataFrame:
    """What reading must give: made from the rows themselves, not by reading."""
    types = {"D_INTERVIEW": pl.Int64} | dict.fromkeys(WEIGHTS, pl.Float64)
    return pl.DataFrame(
        [pl.Series(name, rows[name], dtype=types.get(name, pl.Int32)) for name in IN_ORDER if name in rows]
    )


def without(*names: str, rows: Rows = ROWS) -> Rows:
    return {name: cells for name, cells in rows.items() if name not in names}


def changed(rows: Rows = ROWS, **columns: Sequence[Cell]) -> Rows:
    return {**rows, **columns}


def renamed(rows: Rows, names: Callable[[str], str]) -> Rows:
    return {names(name): cells for name, cells in rows.items()}


def plain(cell: Cell) -> str:
    return "" if cell is None else str(cell)


def csv_text(
    rows: Rows = ROWS,
    *,
    separator: str = ",",
    spell: Callable[[Cell], str] = plain,
    quoting: Literal[0, 1, 2, 3] = csv.QUOTE_MINIMAL,
    newline: str = "\n",
    row_end: str = "",
) -> str:
    """The rows as delimited text; `row_end` follows every data row but not the header."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n", quoting=quoting)
    writer.writerow(rows)
    header, text = out.getvalue(), io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n", quoting=quoting)
    writer.writerows([spell(cell) for cell in row] for row in zip(*rows.values(), strict=True))
    return (header + text.getvalue().replace("\n", row_end + "\n")).replace("\n", newline)


def java_double(cell: Cell) -> str:
    """A number as Java prints a double: 1.0, and 1.70070052E8 from ten million on."""
    if cell is None or isinstance(cell, str):
        return plain(cell)
    if abs(cell) < 10_000_000:
        return str(float(cell))
    sign, digits, exponent = Decimal(cell).normalize().as_tuple()
    assert isinstance(exponent, int)
    rest = "".join(map(str, digits[1:])) or "0"
    return f"{'-' * sign}{digits[0]}.{rest}E{len(digits) - 1 + exponent}"


def without_leading_zero(cell: Cell) -> str:
    if cell is None:
        return " "
    return str(cell).removeprefix("0") if isinstance(cell, float) and cell > 0 else str(cell)


def with_decimal_comma(cell: Cell) -> str:
    return str(cell).replace(".", ",") if isinstance(cell, float) else plain(cell)


def as_r_writes(cell: Cell) -> str:
    return "NA" if cell is None else str(cell)


def inverted(rows: Rows = ROWS) -> Rows:
    """The inverted edition: the columns of TO_INVERTED get a P and their codes are reversed."""
    reversed_rows: dict[str, Sequence[Cell]] = {}
    for name, cells in rows.items():
        codes = TO_INVERTED.get(name)
        if codes is None:
            reversed_rows[name] = cells
        else:
            reversed_rows[f"{name}P"] = [
                codes[cell] if isinstance(cell, int) and cell in codes else cell for cell in cells
            ]
    return reversed_rows


# Written out by hand from the survey's documentation of its inverted edition, the other way round than `inverted.csv`.
TO_INVERTED = {
    "Q1": {1: 4, 2: 3, 3: 2, 4: 1},
    "Q83": {1: 4, 2: 3, 3: 2, 4: 1},  # an inverted column of the file that is none of our items
    "Q119": {0: 0, 1: 4, 4: 1},
    "Q176": {code: 11 - code for code in (1, 4, 5, 6, 7, 8, 9, 10)},
    "Q287": {1: 5, 2: 4, 3: 3, 4: 2, 5: 1},
}


def table(rows: Rows = ROWS) -> pl.DataFrame:
    """The rows with the column types that a statistics package has: text, or a double."""
    return pl.DataFrame(
        [pl.Series(name, cells, dtype=pl.String if name in TEXTS else pl.Float64) for name, cells in rows.items()]
    )


def write_sav(path: Path, rows: Rows = ROWS, *, row_compress: bool = False, compress: bool = False) -> Path:
    """An SPSS file with value labels and user-missing ranges, as the survey's have."""
    questions = [name for name in rows if name.startswith("Q")]
    pyreadstat.write_sav(
        table(rows),
        path,
        row_compress=row_compress,
        compress=compress,
        missing_ranges={name: [{"lo": -5, "hi": -1}] for name in questions},
        variable_value_labels={name: {-1: "Don't know", 1: "Very important"} for name in questions},
    )
    return path


def write_dta(path: Path, rows: Rows = ROWS) -> Path:
    """A Stata file whose missing codes are plain negative numbers."""
    pyreadstat.write_dta(table(rows), path)
    return path


def write_tagged_dta(path: Path, rows: Rows = ROWS, letters: str = "abcde") -> Path:
    """A Stata file whose codes -1 to -5 are the extended missing values .a to .e (or other letters)."""
    tags = dict(zip(range(-1, -6, -1), letters, strict=True))
    frame = pd.DataFrame(
        {
            name: pd.Series(
                [tags[cell] if isinstance(cell, int) and cell in tags else cell for cell in cells], dtype=object
            )
            if name.startswith("Q")
            else list(cells)
            for name, cells in rows.items()
        }
    )
    tagged = {name: sorted(set(letters) & set(frame[name])) for name in frame if name.startswith("Q")}
    pyreadstat.write_dta(frame, path, missing_user_values={name: found for name, found in tagged.items() if found})
    return path


def write_zip(path: Path, entries: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def write_gz(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content))
    return path


def write_text(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path
