"""A cell of a survey file: however its number is spelled, one exact integer code, or blank."""

from collections.abc import Collection

import numpy as np
import polars as pl
from polars.datatypes import DataTypeClass

from worldvaluesbench.errors import SurveyFileError

# How csv, R, Stata, pandas and SPSS write a cell without a value; none of them can be a code.
BLANKS = ("", ".", "NA", "NaN", "nan", "#NULL!")

BLANKS_AROUND = " \t\n\r\v\f"
"""What may stand around a number: ASCII blanks only, as pandas strips them, with which the published scorer reads."""
_LARGEST_EXACT = 2**53
_LARGEST_EXACT_OF_SHORT: dict[pl.DataType | DataTypeClass, int] = {pl.Float16: 2**11, pl.Float32: 2**24}
_FEWEST_IDS_TO_JUDGE = 8  # below that, ids may all be even, or end in 0, by chance

# Dates as text. Days and months that could change places are settled by the whole column.
_DATE_TEXTS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d%b%Y", "%d-%b-%Y", "%d %b %Y"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d.%m.%y", "%d-%b-%y", "%d %b %y", "%d/%m/%y", "%m/%d/%y"),
)
_FIRST_DATE = 19000101  # an earlier one is a year of two digits read as one of four
_TIME_OF_DAY = r"[ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?Z?$"
_EXCEL_DAY_OF_1970 = 25_569
_DAYS_OF_EXCEL = (36_526, 54_788)  # of the years 2000 to 2049, which no date written as yyyymmdd can be
_DECIMAL_COMMA = r"^([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)$"
_DECIMAL_COMMA_OF_NUMBER = r"^([+-]?\d*),(\d{1,2}|\d{4,})$"
# "1,234" may be a thousand and some, so a code may have a decimal comma only where it can mean nothing else
_DECIMAL_COMMA_OF_CODE = r"^([+-]?\d+),(0|\d+[eE][+-]?\d+)$"


def shown(cell: object, length: int = 60) -> str:
    """A cell or name of a file as it may stand in a message: quoted, on one line, cut after `length` characters."""
    text = repr(cell)
    return text if len(text) <= length else f"{text[: length - 4]}...{text[0]}"


def codes_of(
    cells: pl.Series,
    where: str,
    dtype: DataTypeClass = pl.Int32,
    *,
    n_rows_before: int = 0,
    expected: str = "a whole number as its code",
) -> pl.Series:
    """One column of a survey file as whole numbers of `dtype`; blank cells are null.

    A code may be an integer, a double (`1.0`, `2.018113E7`) or the text of either. `where` names
    the file, `n_rows_before` counts its rows above these cells.

    Raises SurveyFileError with column, row and cell where a cell is something else (a label, a fraction, a date), and
    where floats of less than 64 bits are too large to be told from their neighbours.
    """
    if cells.dtype == dtype:
        return cells
    cells = _plain(cells, where)
    _check_precision(cells, where)
    if cells.dtype == pl.String:
        codes, is_bad = _codes_of_text(cells, dtype)
    else:
        codes, is_bad = _codes_of_numbers(cells, dtype)
    if is_bad.any():
        _refuse(cells, is_bad, f"{where}: column {shown(cells.name)}", n_rows_before, expected)
    return codes


def ids_of(cells: pl.Series, where: str) -> pl.Series:
    """The column of respondents' ids, Int64; blank cells are null.

    Raises SurveyFileError with column, row and cell where a cell is no whole number, or below one, and where ids have
    lost their last digits.
    """
    ids = codes_of(cells, where, pl.Int64)
    is_bad = ids < 1
    if is_bad.any():
        _refuse(ids, is_bad, f"{where}: column {shown(cells.name)}", 0, "a respondent's id, a number of at least 1")
    lost = _lost_digits(ids.drop_nulls())
    if lost:
        raise SurveyFileError(
            f"{where}: the ids in column {shown(cells.name)} have lost their last digits ({lost}, and several rows "
            f"share one); an earlier tool rounded them, give the file as downloaded."
        )
    return ids


def _lost_digits(ids: pl.Series) -> str:
    """How it shows that ids were rounded before they came here, so that several respondents share one; or nothing."""
    if len(ids) < _FEWEST_IDS_TO_JUDGE or ids.n_unique() == len(ids):
        return ""
    if (ids % 10 == 0).all():
        return "all end in 0"
    short = ids.cast(pl.Float32)
    # as it is, or as it is spelled in a text: with as few digits as tell it from the next
    is_short = (short.cast(pl.Int64) == ids) | (short.cast(pl.String).cast(pl.Float64).cast(pl.Int64) == ids)
    if is_short.all() and (ids > _LARGEST_EXACT_OF_SHORT[pl.Float32]).any():
        return "all are numbers that a 32-bit float holds"
    return ""


def dates_of(cells: pl.Series, where: str) -> tuple[pl.Series, str]:
    """One column of dates as whole numbers yyyymmdd, Int32, and in what other way the file has them, or nothing.

    Missing codes and blanks stay. A date may be a real one, its text (`2018-11-30`, `30.11.2018`, `30nov2018`) or the
    number of its day in Excel. Which of two numbers is the day is settled by a cell where only one of them can be.

    Raises SurveyFileError with column, row and cell where a cell is none of these or may be two dates.
    """
    if cells.dtype == pl.Date or cells.dtype == pl.Datetime:
        return _yyyymmdd(cells), "real dates"
    if cells.dtype == pl.String:
        text = _without_blanks(cells)
        is_date = text.str.contains(r"\d[-/. ]?[A-Za-z]{3}|\d[-/.]\d+[-/.]\d") & text.is_not_null()
        if is_date.any():
            dates = _dates_of_text(text.set(~is_date, None), where)
            return codes_of(text.set(is_date, None), where).zip_with(~is_date, dates), "dates as text"
    codes = codes_of(cells, where)
    is_day = codes.is_between(*_DAYS_OF_EXCEL)
    if not is_day.any():
        return codes, ""
    days = (codes - _EXCEL_DAY_OF_1970).cast(pl.Date)
    return codes.zip_with(~is_day, _yyyymmdd(days)), "days as Excel numbers them"


def _dates_of_text(text: pl.Series, where: str) -> pl.Series:
    day = text.str.replace(_TIME_OF_DAY, "").str.replace_all(r"\s+", " ")
    fitting = [_yyyymmdd(day.str.to_date(form, strict=False)) for form in _DATE_TEXTS]
    fitting = [dates for dates in fitting if (dates > _FIRST_DATE).sum() == day.count()]
    if fitting and all((dates == fitting[0]).all() for dates in fitting):
        return fitting[0]
    what = "may be two dates" if fitting else "is no date that is understood"
    row = int(text.is_not_null().arg_max() or 0)
    raise SurveyFileError(
        f"{where}: column {shown(text.name)}, row {row + 1} below the header, holds {shown(text[row])}, or a cell like "
        f"it {what}; expected 20181130 or 2018-11-30 throughout."
    )


def _yyyymmdd(dates: pl.Series) -> pl.Series:
    return dates.dt.year() * 10_000 + dates.dt.month().cast(pl.Int32) * 100 + dates.dt.day().cast(pl.Int32)


def weights_of(cells: pl.Series, where: str, missing_codes: Collection[int] = ()) -> pl.Series:
    """One column of a survey file as weights, Float64; blank cells and missing codes are null.

    A decimal comma is understood. Raises SurveyFileError with column, row and cell where a cell is no finite number,
    or below zero.
    """
    cells = _plain(cells, where)
    if cells.dtype == pl.String:
        text = _without_blanks(cells)
        weights = text.cast(pl.Float64, strict=False)
        if weights.null_count() > text.null_count():
            weights = text.str.replace(_DECIMAL_COMMA, "$1.$2").cast(pl.Float64, strict=False)
        is_bad = text.is_not_null() & (weights.is_null() | ~weights.is_finite())
    else:
        weights = cells.cast(pl.Float64).fill_nan(None)
        is_bad = ~weights.is_finite()
    is_missing = weights.is_in([float(code) for code in missing_codes])
    is_bad = is_bad | ((weights < 0) & ~is_missing)
    if is_bad.any():
        _refuse(cells, is_bad, f"{where}: column {shown(cells.name)}", 0, "a weight, a number of at least 0")
    return weights.set(is_missing, None)


def numbers_of(cells: pl.Series) -> pl.Series:
    """The number that each cell says, blanks of ASCII around it aside; null where it says none.

    A decimal comma is understood; "1,234" may be a thousand and some, and is no number.
    """
    if cells.dtype == pl.String:
        cells = cells.str.strip_chars(BLANKS_AROUND)
        if cells.str.contains(",", literal=True).any():
            cells = cells.str.replace(_DECIMAL_COMMA_OF_NUMBER, "$1.$2")
    return cells.cast(pl.Float64, strict=False)


def _check_precision(cells: pl.Series, where: str) -> None:
    largest = _LARGEST_EXACT_OF_SHORT.get(cells.dtype)
    if largest is None or not (cells.abs() > largest).any():
        return
    raise SurveyFileError(
        f"{where}: column {shown(cells.name)} holds floats of less than 64 bits (single precision), which cannot tell "
        f"numbers above {largest:,} apart: last digits are lost; an earlier tool stored it so, give the file as "
        f"downloaded."
    )


def _plain(cells: pl.Series, where: str) -> pl.Series:
    """The cells as integers, doubles or text."""
    if cells.dtype.is_integer() or cells.dtype.is_float() or cells.dtype == pl.String:
        return cells
    if cells.dtype == pl.Null or cells.dtype.is_decimal():
        return cells.cast(pl.Float64)
    if cells.dtype in (pl.Categorical, pl.Enum):
        return cells.cast(pl.String)
    raise SurveyFileError(
        f"{where}: column {shown(cells.name)} holds values of the type {cells.dtype}, expected integer codes; "
        f"save the file with the codes as plain numbers."
    )


def _without_blanks(text: pl.Series) -> pl.Series:
    stripped = text.str.strip_chars()
    return stripped.set(stripped.is_in(BLANKS), None)


def _codes_of_text(cells: pl.Series, dtype: DataTypeClass) -> tuple[pl.Series, pl.Series]:
    text = _without_blanks(cells)
    codes = text.cast(dtype, strict=False)
    is_other = text.is_not_null() & codes.is_null()
    if not is_other.any():
        return codes, is_other
    numbers = text.str.replace(_DECIMAL_COMMA_OF_CODE, "$1.$2").cast(pl.Float64, strict=False)
    rounded, is_bad = _codes_of_numbers(numbers, dtype)
    return codes.zip_with(~is_other, rounded), is_other & (is_bad | numbers.is_null())


def _codes_of_numbers(cells: pl.Series, dtype: DataTypeClass) -> tuple[pl.Series, pl.Series]:
    if cells.dtype.is_integer():
        codes = cells.cast(dtype, strict=False)
        return codes, cells.is_not_null() & codes.is_null()
    numbers = cells.cast(pl.Float64).to_numpy()  # a null becomes NaN
    is_blank = np.isnan(numbers)
    largest = _LARGEST_EXACT if dtype == pl.Int64 else np.iinfo(np.int32).max
    is_code = (np.abs(numbers) <= largest) & (np.trunc(numbers) == numbers)
    codes = pl.Series(cells.name, np.where(is_code, numbers, 0).astype(np.int64)).cast(dtype)
    if is_blank.any():
        codes = codes.set(pl.Series(is_blank), None)
    return codes, pl.Series(~(is_code | is_blank))


def _refuse(cells: pl.Series, is_bad: pl.Series, where: str, n_rows_before: int, expected: str) -> None:
    row = int(np.flatnonzero(is_bad.fill_null(False).to_numpy())[0])
    cell = cells[row]
    advice = "the file is damaged or was edited, download it again."
    if isinstance(cell, str) and any(letter.isalpha() for letter in cell):
        advice = (
            "this looks like an edition with labels in its cells; download the csv, SPSS (sav) or Stata (dta) "
            "edition, whose cells are codes."
        )
    raise SurveyFileError(
        f"{where}, row {n_rows_before + row + 1} below the header, holds {shown(cell)}, expected {expected}; {advice}"
    )
