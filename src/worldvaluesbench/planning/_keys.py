"""A file of example keys: which item and which respondent each of its rows names."""

import csv
from pathlib import Path

import polars as pl

from worldvaluesbench._io import check_fits
from worldvaluesbench.errors import DatasetError
from worldvaluesbench.survey import Codebook

KEY_NAMES = {
    "item_id": ("item_id", "question_id", "question"),
    "respondent_id": ("respondent_id", "participant_id", "d_interview"),
}
"""What each column may be called, in any case; the last of each is that of the published samples."""

SEPARATORS = ("\t", ",", ";", "|")


def read_keys(path: Path, codebook: Codebook) -> pl.DataFrame:
    """`item_id` (an Enum of all item ids) and `respondent_id` (Int64) of every row; other columns are passed over.

    Raises DatasetError where the file is absent, holds no rows, lacks a column, names an unknown item, or has an id
    that is no whole number; the message says in which row.
    """
    # blank lines are no rows
    raw = _read(path).with_row_index("row", offset=1).filter(~pl.all_horizontal(pl.col(*KEY_NAMES).is_null()))
    if raw.is_empty():
        raise DatasetError(f"{path}: holds no examples; expected a header and a row for each example.")
    keys = raw.select(
        pl.col("item_id").cast(pl.String).str.strip_chars().cast(pl.Enum(codebook.item_ids), strict=False),
        pl.col("respondent_id").cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False),
    )
    for name, expected in (("item_id", "an item such as Q1"), ("respondent_id", "the id of a respondent")):
        bad = raw.filter(keys[name].is_null())
        if bad.height:
            found = str(bad[name][0] or "")[:40]
            raise DatasetError(f"{path} row {bad['row'][0]}: {name} is {found!r}; expected {expected}.")
    return keys


def _read(path: Path) -> pl.DataFrame:
    try:
        with path.open("rb") as stream:
            start = stream.read(1 << 16)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); expected a file of examples.") from None
    is_parquet = start.startswith(b"PAR1")
    try:
        if is_parquet:
            check_fits(path.read_bytes())
            named = _columns(path, list(pl.read_parquet_schema(path)))
            return pl.read_parquet(path, columns=list(named), glob=False).rename(named)
        separator, names = _split_header(start)
        named = _columns(path, names)
        frame = pl.read_csv(
            path, separator=separator, columns=list(named), infer_schema=False, raise_if_empty=False, glob=False
        )
        return frame.rename(named)
    except (pl.exceptions.PolarsError, ValueError) as error:
        first = str(error).splitlines()[0][:100]
        raise DatasetError(f"{path}: cannot be read as csv, tsv or parquet ({first}).") from None


def _split_header(start: bytes) -> tuple[str, list[str]]:
    """The separator that splits the first line into most columns, and their names."""
    line = start.split(b"\n", 1)[0].decode("utf-8-sig").rstrip("\r")
    split = {separator: next(csv.reader([line], delimiter=separator), []) for separator in SEPARATORS}
    best = max(SEPARATORS, key=lambda separator: len(split[separator]))
    return best, split[best]


def _columns(path: Path, names: list[str]) -> dict[str, str]:
    """Which column of the file is which key."""
    plain = {name.strip().casefold(): name for name in reversed(names)}
    found = {key: next((plain[name] for name in known if name in plain), None) for key, known in KEY_NAMES.items()}
    columns = {name: key for key, name in found.items() if name is not None}
    absent = [key for key, name in found.items() if name is None]
    if absent:
        raise DatasetError(
            f"{path}: has no column {absent[0]}; expected item_id and respondent_id, or QUESTION_ID and "
            f"PARTICIPANT_ID (found {', '.join(names[:6])})."
        )
    return columns
