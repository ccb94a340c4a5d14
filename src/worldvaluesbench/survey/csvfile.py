"""A survey table as delimited text: commas, semicolons or tabs, and the quirks of real exports."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.datatypes import DataTypeClass

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey.cells import codes_of, shown
from worldvaluesbench.survey.columns import ID_COLUMN
from worldvaluesbench.survey.table import TableCells

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
_MAX_LINE = 1 << 20

# Columns of text per pass over the file, where cells must be read as text: bounds the memory.
_TEXT_COLUMNS_PER_PASS = 64

_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException)

# Columns beyond the header: some files end every row with an extra separator, and a separator within a cell that is
# not quoted shifts the rest of its row. Those that shift may be blank, so one column would not show every such row.
_BEYOND = tuple(f"beyond {n}" for n in range(1, 9))


@dataclass(frozen=True, slots=True)
class DelimitedTable:
    """A delimited text file whose header is known and whose cells are not read yet."""

    path: Path
    where: str
    separator: str
    names: tuple[str, ...]
    details: tuple[str, ...]

    def read_cells(self, codes: Sequence[str], texts: Sequence[str]) -> TableCells:
        """The columns named in `codes`, as numbers where all their cells are plain ones, and in `texts`, as text.

        Raises SurveyFileError where rows and header do not fit together or the text is malformed.
        """
        # the last column is read as text to see which rows do not reach it
        as_text = list(dict.fromkeys((*texts, self.names[-1])))
        as_codes = [name for name in codes if name not in as_text]
        frame = self._scan_or_none(as_codes, pl.Int32, as_text)
        if frame is not None:
            self._check_rows(frame)
            return TableCells(frame.drop(_BEYOND), self.details)
        # cells in wrong columns are a likelier reason than cells in another spelling
        self._check_rows(self._scan_or_refuse(as_text))
        frame = self._scan_or_none(as_codes, pl.Float64, as_text)
        if frame is not None:
            return TableCells(frame.drop(_BEYOND), (*self.details, "numbers as doubles"))
        return TableCells(self._read_as_text(as_codes, as_text), (*self.details, "numbers in several spellings"))

    def _read_as_text(self, codes: list[str], texts: list[str]) -> pl.DataFrame:
        """All columns from their text, those of `codes` as codes already: four bytes a cell instead of sixteen."""
        frame = self._scan_or_refuse(texts).drop(_BEYOND)
        for start in range(0, len(codes), _TEXT_COLUMNS_PER_PASS):
            group = self._scan_or_refuse(codes[start : start + _TEXT_COLUMNS_PER_PASS]).drop(_BEYOND)
            frame = frame.with_columns(_narrowed(column, self.where) for column in group)
        return frame

    def _scan_or_none(self, codes: list[str], dtype: DataTypeClass, texts: list[str]) -> pl.DataFrame | None:
        try:
            return self._scan(codes, dtype, texts)
        except _UNREADABLE:
            return None

    def _scan_or_refuse(self, texts: list[str]) -> pl.DataFrame:
        try:
            return self._scan([], pl.String, texts)
        except _UNREADABLE as error:
            reason = str(error).split("\n", maxsplit=1)[0][:80]
            raise SurveyFileError(
                f"{self.where}: cannot be read as delimited text ({shown(reason, 100)}; often a quote that is not "
                f"closed); the file is damaged, download it again."
            ) from None

    def _scan(self, codes: list[str], dtype: DataTypeClass, texts: list[str]) -> pl.DataFrame:
        # columns go by their position: names that are not needed may occur twice
        position = {name: str(index) for index, name in enumerate(self.names)}
        schema: dict[str, DataTypeClass] = dict.fromkeys((*map(str, range(len(self.names))), *_BEYOND), pl.String)
        schema |= {position[name]: dtype for name in codes}
        scan = pl.scan_csv(
            self.path,
            has_header=False,
            skip_lines=1,
            separator=self.separator,
            schema=schema,
            missing_columns="insert",
            truncate_ragged_lines=True,
            encoding="utf8-lossy",
            glob=False,
        )
        return scan.select(*(pl.col(position[name]).alias(name) for name in (*codes, *texts)), *_BEYOND).collect()

    def _check_rows(self, frame: pl.DataFrame) -> None:
        for beyond in frame.select(_BEYOND):
            is_filled = beyond.str.strip_chars() != ""
            if is_filled.any():
                row = int(is_filled.arg_max() or 0)
                raise SurveyFileError(
                    f"{self.where}: row {row + 1} below the header has more cells than the header names "
                    f"({len(self.names)}), one of them {shown(beyond[row])}; its cells may stand in wrong columns, "
                    f"download it again."
                )
        last = frame[self.names[-1]]
        short = _first_short_row(self, frame.height) if last.null_count() else None
        if short is not None:
            raise SurveyFileError(
                f"{self.where}: row {short} below the header has fewer cells than the header names "
                f"({len(self.names)}); the file is cut off or damaged, download it again."
            )


def open_delimited(path: Path, where: str) -> DelimitedTable:
    """The header of a delimited text file.

    Raises SurveyFileError where the first line is no header, or nothing stands below it.
    """
    with path.open("rb") as file:
        header, first = file.readline(_MAX_LINE), file.readline(_MAX_LINE)
    if len(header) == _MAX_LINE or header.rstrip(b"\n").count(b"\r") > 1:
        raise SurveyFileError(
            f"{where}: its first line is longer than a header can be or ends in a bare carriage return; "
            f"expected lines that end in a line feed, save it as csv again."
        )
    details = ["UTF-8 BOM"] if header.startswith(b"\xef\xbb\xbf") else []
    header_text = header.decode("utf-8-sig", errors="replace").rstrip("\r\n")
    separator, names = _split_header(header_text, where)
    if not first:
        raise SurveyFileError(f"{where}: has a header and no rows below it; download it again.")
    n_fields = len(_fields(first.decode("utf-8", errors="replace").rstrip("\r\n"), separator))
    if n_fields > len(names) + 1:
        raise SurveyFileError(
            f"{where}: row 1 below the header has {n_fields} cells, the header {len(names)} names; "
            f"the file is damaged or was edited, download it again."
        )
    if n_fields == len(names) + 1:
        details.append("an extra separator in every row")
    return DelimitedTable(path, where, separator, names, (_SEPARATORS[separator], *details))


def _split_header(header: str, where: str) -> tuple[str, tuple[str, ...]]:
    separator = max(_SEPARATORS, key=lambda candidate: len(_fields(header, candidate)))
    names = tuple(name.strip() for name in _fields(header, separator))
    if len(names) < 2:
        raise SurveyFileError(
            f"{where}: no comma, semicolon or tab in its first line {shown(header)}; "
            f"expected the column names of the World Values Survey wave 7 file."
        )
    return separator, names


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _narrowed(text: pl.Series, where: str) -> pl.Series:
    """The text of a column as codes at once, to keep four bytes a cell instead of sixteen."""
    return codes_of(text, where, pl.Int64 if text.name.casefold() == ID_COLUMN.casefold() else pl.Int32)


def _first_short_row(table: DelimitedTable, n_rows: int) -> int | None:
    """The first row that ends before its last column; None too where a cell spans lines and rows cannot be told."""
    short = None
    n_lines = 0
    for n_lines, line in enumerate(_lines_below_header(table.path), start=1):
        if short is None and line.strip() and not _reaches_end(line, table):
            short = n_lines
    return short if n_lines == n_rows else None


def _reaches_end(line: bytes, table: DelimitedTable) -> bool:
    n_separators = line.count(table.separator.encode())
    if b'"' in line:
        n_separators = len(_fields(line.decode("utf-8", errors="replace"), table.separator)) - 1
    return n_separators >= len(table.names) - 1


def _lines_below_header(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.readline()
        yield from file
