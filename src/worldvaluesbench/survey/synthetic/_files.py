"""The file formats in which an invented survey is written: those in which people have the real one."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyreadstat

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey import Codebook
from worldvaluesbench.survey.reader import name_of

Writer = Callable[[pl.DataFrame, Path, Codebook], None]

LABELLED_ATTRIBUTES = ("B_COUNTRY", "H_URBRURAL", "Q260", "Q275")
LABELLED_ITEMS = ("Q1", "Q56", "Q119", "Q164")
MISSING_LABELS = {-1: "Don't know", -2: "No answer", -3: "Not applicable", -4: "Not asked", -5: "Not available"}
EARLIEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def writer_of(path: Path) -> Writer:
    """The function that writes a frame to a file of this extension.

    Raises SurveyFileError for an extension that is none of a survey file.
    """
    for suffix, writer in _WRITERS.items():
        if path.name.lower().endswith(suffix):
            return writer
    raise SurveyFileError(
        f"{name_of(path)}: unknown extension; an invented survey is written as {', '.join(_WRITERS)}."
    )


def _write_csv(frame: pl.DataFrame, path: Path, _: Codebook) -> None:
    frame.write_csv(path)


def _write_gzip(frame: pl.DataFrame, path: Path, _: Codebook) -> None:
    frame.write_csv(path, compression="gzip", check_extension=False)


def _write_zip(frame: pl.DataFrame, path: Path, _: Codebook) -> None:
    inside = zipfile.ZipInfo("invented_survey.csv", EARLIEST_ZIP_TIME)
    inside.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as archive, archive.open(inside, "w", force_zip64=True) as file:
        frame.write_csv(file)


def _write_parquet(frame: pl.DataFrame, path: Path, _: Codebook) -> None:
    frame.write_parquet(path)


def _write_sav(frame: pl.DataFrame, path: Path, codebook: Codebook) -> None:
    coded = [name for name in frame.columns if frame[name].dtype.is_integer()]
    pyreadstat.write_sav(
        frame,
        path,
        variable_value_labels=_value_labels(codebook),
        missing_ranges={name: [{"lo": -5, "hi": -1}] for name in coded},
        row_compress=True,
    )


def _write_dta(frame: pl.DataFrame, path: Path, codebook: Codebook) -> None:
    pyreadstat.write_dta(frame, path, variable_value_labels=_value_labels(codebook))


def _value_labels(codebook: Codebook) -> dict[str, dict[int, str]]:
    """The labels of a few variables, the missing reasons' included, as in the real file."""
    labels = {
        attribute_id: MISSING_LABELS | dict(codebook.attribute(attribute_id).choices)
        for attribute_id in LABELLED_ATTRIBUTES
    }
    for item_id in LABELLED_ITEMS:
        choices = {choice.code: choice.label for choice in codebook.item(item_id).choices}
        labels[item_id] = MISSING_LABELS | choices
    return labels


_WRITERS: dict[str, Writer] = {
    ".csv": _write_csv,
    ".csv.gz": _write_gzip,
    ".zip": _write_zip,
    ".sav": _write_sav,
    ".dta": _write_dta,
    ".parquet": _write_parquet,
}
