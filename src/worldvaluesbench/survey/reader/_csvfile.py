"""A survey table as delimited text: commas, semicolons or tabs, and the quirks of real exports."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl
from polars.datatypes import DataTypeClass

from worldvaluesbench._io import split_header, split_line
from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey import ID_COLUMN, is_id_name
from worldvaluesbench.survey.reader._cells import codes_of, shown
from worldvaluesbench.survey.reader._table import TableCells

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
_MAX_LINE = 1 << 20

# How many lines may stand above the header: a title, a note on the source, `sep=;`.
_MAX_LINES_ABOVE = 50

# Columns of text per pass over the file, where cells must be read as text: bounds the memory.
_TEXT_COLUMNS_PER_PASS = 64

_BOM = b"\xef\xbb\xbf"
_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException)

# Columns beyond the header: some files end every row with an extra separator, and a separator within a cell that is
# not quoted shifts the rest of its row. Those that shift may be blank, so one column would not show every such row.
_BEYOND = tuple(f"beyond {n}" for n in range(1, 9))


@dataclass(frozen=True, slots=True)
class DelimitedTable:
    """A delimited text file whose header is known, `n_above` lines from its top, and whose cells are not read yet."""

    path: Path
    where: str
    separator: str
    names: tuple[str, ...]
    details: tuple[str, ...]
    n_above: int

    @property
    def value_labels(self) -> Mapping[str, Mapping[float, str]]:
        """Text files have no value labels."""
        return {}

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
            return TableCells(frame.drop(_BEYOND), self.details, self._notes())
        # cells in wrong columns are a likelier reason than cells in another spelling
        self._check_rows(self._scan_or_refuse(as_text))
        frame = self._scan_or_none(as_codes, pl.Float64, as_text)
        if frame is not None:
            return TableCells(frame.drop(_BEYOND), (*self.details, "numbers as doubles"), self._notes())
        cells = self._read_as_text(as_codes, as_text)
        return TableCells(cells, (*self.details, "numbers in several spellings"), self._notes())

    def _notes(self) -> tuple[str, ...]:
        if not self.n_above:
            return ()
        lines = "the first line is" if self.n_above == 1 else f"the first {self.n_above} lines are"
        return (f"{lines} no part of the table: passed over.",)

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
            skip_lines=self.n_above + 1,
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
                f"({len(self.names)}); the file is cut off or damaged, download it again, or take out lines that are "
                f"no rows."
            )


def open_delimited(path: Path, where: str) -> DelimitedTable:
    """The header of a delimited text file.

    Raises SurveyFileError where the first line is no header, or nothing stands below it.
    """
    with path.open("rb") as file:
        lines = list(islice(iter(lambda: file.readline(_MAX_LINE), b""), _MAX_LINES_ABOVE + 2))
    n_above = _lines_above_header(lines)
    header, first = (*lines[n_above : n_above + 2], b"", b"")[:2]
    if len(header) == _MAX_LINE or header.rstrip(b"\n").count(b"\r") > 1:
        raise SurveyFileError(
            f"{where}: its first line is longer than a header can be or ends in a bare carriage return; "
            f"expected lines that end in a line feed, save it as csv again."
        )
    details = ["UTF-8 BOM"] if lines[0].startswith(_BOM) else []
    separator, names = _split_names(_text_of(header), where)
    if not first:
        raise SurveyFileError(f"{where}: has a header and no rows below it; download it again.")
    n_fields = len(split_line(_text_of(first), separator))
    if n_fields > len(names) + 1:
        raise SurveyFileError(
            f"{where}: row 1 below the header has {n_fields} cells, the header {len(names)} names; "
            f"the file is damaged or was edited, download it again."
        )
    if n_fields == len(names) + 1:
        details.append("an extra separator in every row")
    return DelimitedTable(path, where, separator, names, (_SEPARATORS[separator], *details), n_above)


def _lines_above_header(lines: Sequence[bytes]) -> int:
    """How many lines stand above the one that names the column of ids and most others; 0 where none names it."""
    named = [split_header(_text_of(line), _SEPARATORS)[1] for line in lines]
    n_names = [len(names) if any(is_id_name(name.strip()) for name in names) else 0 for names in named]
    return n_names.index(max(n_names)) if max(n_names) > 1 else 0


def _text_of(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").replace("\ufeff", "").rstrip("\r\n")


def _split_names(header: str, where: str) -> tuple[str, tuple[str, ...]]:
    separator, written = split_header(header, _SEPARATORS)
    names = tuple(name.strip() for name in written)
    if len(names) < 2:
        raise SurveyFileError(
            f"{where}: no comma, semicolon or tab in its first line {shown(header)}; "
            f"expected the column names of the World Values Survey wave 7 file."
        )
    return separator, names


def _narrowed(text: pl.Series, where: str) -> pl.Series:
    """The text of a column as codes at once, to keep four bytes a cell instead of sixteen."""
    return codes_of(text, where, pl.Int64 if text.name.casefold() == ID_COLUMN.casefold() else pl.Int32)


def _first_short_row(table: DelimitedTable, n_rows: int) -> int | None:
    """The first row that ends before its last column; None too where a cell spans lines and rows cannot be told."""
    short = None
    n_lines = 0
    for n_lines, line in enumerate(_lines_below_header(table), start=1):
        if short is None and line.strip() and not _reaches_end(line, table):
            short = n_lines
    return short if n_lines == n_rows else None


def _reaches_end(line: bytes, table: DelimitedTable) -> bool:
    n_separators = line.count(table.separator.encode())
    if b'"' in line:
        n_separators = len(split_line(line.decode("utf-8", errors="replace"), table.separator)) - 1
    return n_separators >= len(table.names) - 1


def _lines_below_header(table: DelimitedTable) -> Iterator[bytes]:
    with table.path.open("rb") as file:
        yield from islice(file, table.n_above + 1, None)
