"""Microdata: any survey file of wave 7, in whatever shape it was downloaded, as one frame of standard integer codes."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey import (
    CLUSTER_COLUMNS,
    COUNTRY_COLUMN,
    EXPECTED,
    ID_COLUMN,
    VERSION_COLUMN,
    WAVE_COLUMN,
    WEIGHT_COLUMNS,
    Codebook,
    ColumnChoice,
    check_value_labels,
    choose_columns,
    load_codebook,
)
from worldvaluesbench.survey.reader._cells import codes_of, dates_of, ids_of, weights_of
from worldvaluesbench.survey.reader._container import Unpacked, name_of, unpacked, unreadable
from worldvaluesbench.survey.reader._csvfile import open_delimited
from worldvaluesbench.survey.reader._inverted import turn_back
from worldvaluesbench.survey.reader._statfile import open_statistics
from worldvaluesbench.survey.reader._table import SurveyTable, TableCells

WAVE = 7


@dataclass(frozen=True, slots=True)
class Source:
    """Which file was read: name without folder, size in bytes and SHA-256 of the file the user named; its format.

    `details` says how it was written, for people: "csv, semicolon, UTF-8 BOM, numbers as doubles, in zip".
    """

    name: str
    size: int
    sha256: str
    format: str
    details: str


@dataclass(frozen=True)
class Microdata:
    """The respondents of a survey file in file order, in the standard raw codes, before any recode.

    `frame` has `D_INTERVIEW` (Int64); every attribute and item the file has (Int32, codebook order), codes untouched,
    missing and unlisted ones included, blank cells null; the weights (Float64) and clusters (Int64) that the file has,
    missing ones null.
    `columns` says under which name the file holds each of them, `inverted` which were turned back, and from which
    inverted column of the codebook. `notes` are one-line remarks for the user.
    """

    frame: pl.DataFrame
    source: Source
    version: str | None
    is_invented: bool
    columns: Mapping[str, str]
    inverted: Mapping[str, str]
    absent_items: tuple[str, ...]
    absent_attributes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_inverted(self) -> bool:
        """Whether the file is of the inverted edition, or some of its columns are."""
        return bool(self.inverted)


def read_microdata(path: Path | str, codebook: Codebook | None = None) -> Microdata:
    """Read a survey file: csv, sav, dta, parquet or arrow, or a zip or gz of one; standard or inverted edition.

    Raises SurveyFileError, one line, where the file is not the wave 7 file, damaged, or an edition without codes.
    """
    codebook = codebook or load_codebook()
    path = Path(path)
    with _one_line_errors(path), unpacked(path) as contents, ThreadPoolExecutor(1) as beside:
        digest = beside.submit(_sha256, path)
        table = _open_table(contents)
        choice = choose_columns(table.names, contents.where, codebook)
        check_value_labels(table.value_labels, choice, contents.where, codebook)
        cells = _read_columns(table, choice, codebook)
        frame, date_notes = _in_codes(cells.frame, choice, contents.where, codebook)
        frame = _without_blank_rows(frame, contents.where)
        _check_wave(frame, contents.where)
        version_cell = _version_cell(cells.frame, choice)
        frame = frame.drop(WAVE_COLUMN, strict=False)
        frame, notes = turn_back(frame, choice.inverted, codebook)
        details = (contents.format, *cells.details, contents.packing)
        source = Source(
            path.name, path.stat().st_size, digest.result(), contents.format, ", ".join(filter(None, details))
        )
    return Microdata(
        frame=frame,
        source=source,
        version=_version_of(version_cell),
        is_invented="invented" in version_cell.lower(),
        columns=choice.columns,
        inverted=choice.inverted,
        absent_items=tuple(item_id for item_id in codebook.item_ids if item_id not in choice.columns),
        absent_attributes=tuple(name for name in codebook.attribute_ids if name not in choice.columns),
        notes=(
            *(
                *choice.notes,
                *cells.notes,
                *date_notes,
                *_doubled_notes(choice),
                *_cluster_notes(choice, frame),
                *notes,
            ),
            *_lost_reason_notes(frame, codebook),
        ),
    )


def _open_table(contents: Unpacked) -> SurveyTable:
    if contents.format == "csv":
        return open_delimited(contents.path, contents.where)
    return open_statistics(contents.path, contents.where, contents.format)


def _dates(codebook: Codebook) -> list[str]:
    return [attribute.attribute_id for attribute in codebook.attributes if attribute.kind == "date"]


def _read_columns(table: SurveyTable, choice: ColumnChoice, codebook: Codebook) -> TableCells:
    """The chosen columns, still under the file's names; as text those that may be no plain numbers."""
    as_text = (COUNTRY_COLUMN, *_dates(codebook), *WEIGHT_COLUMNS, *CLUSTER_COLUMNS, VERSION_COLUMN)
    texts = [name for ours, name in choice.columns.items() if ours in as_text]
    return table.read_cells([name for name in choice.columns.values() if name not in texts], texts)


def _in_codes(
    cells: pl.DataFrame, choice: ColumnChoice, where: str, codebook: Codebook
) -> tuple[pl.DataFrame, list[str]]:
    """Our columns under our names (id, attributes, items, weights, clusters, last the wave), and notes on them."""
    order = (ID_COLUMN, *codebook.attribute_ids, *codebook.item_ids, *WEIGHT_COLUMNS, *CLUSTER_COLUMNS, WAVE_COLUMN)
    missing_codes = [code for missing in codebook.missing_reasons for code in missing.file_codes]
    dates = _dates(codebook)
    columns, notes = [], []
    for ours in order:
        if ours not in choice.columns:
            continue
        name = choice.columns[ours]
        column = cells[name]
        if ours == ID_COLUMN:
            column = ids_of(column, where)
        elif ours == COUNTRY_COLUMN:
            column = _countries_of(column, where, codebook)
        elif ours in dates:
            column, how = dates_of(column, where)
            if how:
                notes.append(f"column {name} holds {how}: read as yyyymmdd.")
        elif ours in WEIGHT_COLUMNS:
            column = weights_of(column, where, missing_codes)
        elif ours in CLUSTER_COLUMNS:
            numbers = _clusters_of(column, where)
            if numbers is None:
                continue
            column = numbers
        else:
            column = codes_of(column, where)
        columns.append(column.alias(ours))
    return pl.DataFrame(columns), notes


def _countries_of(cells: pl.Series, where: str, codebook: Codebook) -> pl.Series:
    """A column of countries as codes, whether it has their codes, ISO letters or names."""
    if cells.dtype.is_numeric():
        return codes_of(cells, where)
    spelled = {
        text.casefold(): str(country.code)
        for country in codebook.countries
        for text in (country.alpha2, country.alpha3, country.name)
        if text
    }
    texts = cells.cast(pl.String).str.strip_chars()
    codes = texts.str.to_lowercase().replace_strict(spelled, default=texts)
    return codes_of(codes, where, expected="a country's code, its ISO letters (such as AND) or its name")


def _clusters_of(cells: pl.Series, where: str) -> pl.Series | None:
    """A column of clusters, Int64, missing ones null; None where it holds other than whole numbers."""
    try:
        numbers = codes_of(cells, where, pl.Int64)
    except SurveyFileError:  # nothing is lost to whoever does not ask for these clusters
        return None
    return numbers.set(numbers < 0, None)


def _cluster_notes(choice: ColumnChoice, frame: pl.DataFrame) -> list[str]:
    left_out = [name for name in CLUSTER_COLUMNS if name in choice.columns and name not in frame.columns]
    return [f"column {name} holds other than whole numbers, and is left out: no clusters by it." for name in left_out]


def _without_blank_rows(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """The frame without rows that hold nothing at all, such as blank lines at the end of a csv."""
    if frame[ID_COLUMN].null_count():
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    n_blank = frame[ID_COLUMN].null_count()
    if n_blank:
        raise SurveyFileError(
            f"{where}: {n_blank} of {frame.height} rows have no {ID_COLUMN}, expected one in every row; "
            f"the file is damaged or was edited, download it again."
        )
    if not frame.height:
        raise SurveyFileError(f"{where}: has columns and no rows; download it again.")
    return frame


def _check_wave(frame: pl.DataFrame, where: str) -> None:
    if WAVE_COLUMN not in frame.columns:
        return
    other = frame[WAVE_COLUMN].filter(frame[WAVE_COLUMN] != WAVE)
    if len(other):
        raise SurveyFileError(
            f"{where}: column {WAVE_COLUMN} says wave {other[0]} in {len(other)} of {frame.height} rows; {EXPECTED}."
        )


def _version_cell(cells: pl.DataFrame, choice: ColumnChoice) -> str:
    """The first cell that is not blank in the column `version`, or nothing."""
    if VERSION_COLUMN not in choice.columns:
        return ""
    texts = cells[choice.columns[VERSION_COLUMN]].cast(pl.String, strict=False).str.strip_chars()
    return next(iter(texts.filter(texts != "").head(1)), "")


def _version_of(cell: str) -> str | None:
    match = re.search(r"(\d+)[-._](\d+)", cell)
    return f"{match[1]}.{match[2]}" if match else None


def _doubled_notes(choice: ColumnChoice) -> list[str]:
    if not choice.doubled:
        return []
    listed = ", ".join(choice.doubled[:5]) + ", ..." * (len(choice.doubled) > 5)
    return [
        f"{len(choice.doubled)} items are there both as they were asked and inverted ({listed}): the former is read."
    ]


def _lost_reason_notes(frame: pl.DataFrame, codebook: Codebook) -> list[str]:
    """A note where blanks stand in place of what the survey always has: who did not know and who did not answer."""
    responses = frame.select(name for name in codebook.item_ids if name in frame.columns)
    n_blank = sum(column.null_count() for column in responses)
    if not n_blank or any(column.is_in([-1, -2]).any() for column in responses):
        return []
    return [
        f"no response has a code for why it is missing (-1, -2), and {n_blank:,} are blank: an earlier tool most "
        f"likely blanked them, as many do with the missing codes of SPSS; they are all not_available. The file as "
        f"downloaded has the reasons."
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _one_line_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SurveyFileError(unreadable(name_of(path), error)) from None
