"""A file of answers: which respondent was answered for, on which item, and with what answer.

The published shape has the columns `QUESTION_ID`, `PARTICIPANT_ID` and `SCORE`. Column order, case and
separator are found out; other columns are passed over.
"""

import csv
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from worldvaluesbench._io import check_fits, memory_size
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.survey import load_codebook
from worldvaluesbench.survey.reader import numbers_of

COLUMN_NAMES = {
    "item_id": ("question_id", "item_id"),
    "respondent_id": ("participant_id", "respondent_id"),
    "answer": ("score", "rating", "answer", "prediction"),
}
"""What each column may be called, in any case. Where several could be the one that is meant, the file is refused:
beside a model's answers there may be the humans' responses, a confidence, or the text that an answer was read from."""

COMPLETION_NAMES = ("completion", "raw_completion", "output", "generated_text", "text", "raw")
"""What a column of completions may be called; where there is none of these, they are where answers are."""

RESPONSES = "response"
"""The column of the humans' responses in tables of examples: never that of a model's answers unless it is named."""

SEPARATORS = ("\t", ",", ";", "|")
EXACT_BELOW = 2**53
"""Floats below this hold every whole number exactly."""


def read_bytes(path: Path) -> bytes:
    """The content of a file of answers.

    Raises AnswersError where it is absent, a folder or empty.
    """
    if path.is_dir():
        raise AnswersError(
            f"{path}: is a folder; expected a file of answers (csv, tsv or parquet), or a run folder of `wvb ask`."
        )
    try:
        content = _read_at_most(path, memory_size() // 2)
    except FileNotFoundError:
        raise AnswersError(f"{path}: there is no such file; expected a file of answers.") from None
    except OSError as error:
        raise AnswersError(f"{path}: cannot be read ({error.strerror}).") from None
    if not content[:1000].strip() and not content.strip():
        raise AnswersError(f"{path}: is empty; expected a header and a row for each answer.")
    return content


def _read_at_most(path: Path, n_bytes: int) -> bytes:
    """Raises AnswersError, before it takes up memory, for a file of more bytes."""
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        content = b"" if size > n_bytes else stream.read(n_bytes + 1)
    if max(size, len(content)) > n_bytes:
        raise AnswersError(f"{path}: has more than {n_bytes >> 30:,} GB, half the memory here; expected answers alone.")
    return content


def read_table(
    path: Path, content: bytes, answer_column: str | None = None, *, completions: bool = False
) -> tuple[pl.DataFrame, str]:
    """The rows of a file of answers, in file order, and the name of the column that the answers are from.

    See `Answers.frame` for the columns. `answer_column`: the name of that column, where several could be it;
    `completions`: it is one of completions as a model wrote them.

    Raises AnswersError where it is not text, lacks a column, has several that could be the one meant, or names no known
    item.
    """
    read = _read_parquet if content.startswith(b"PAR1") else _read_text
    raw, name = read(path, content, answer_column, COMPLETION_NAMES if completions else ())
    return _typed(path, raw), name


def _typed(path: Path, raw: pl.DataFrame) -> pl.DataFrame:
    if raw["item_id"].null_count():
        raw = raw.filter(~pl.all_horizontal(pl.all().is_null()))
    if raw.is_empty():
        raise AnswersError(f"{path}: holds no answers, only a header; expected a row for each answer.")
    # in one select the columns are converted side by side
    frame = raw.select(
        _item_ids(raw["item_id"]),
        pl.col("respondent_id").cast(_id_type(path, raw), strict=False),
        pl.col("answer").cast(_answer_type(path, raw)),
    )
    if frame["item_id"].null_count() == frame.height:
        found = ", ".join(raw["item_id"].drop_nulls().unique(maintain_order=True).head(3).to_list())
        raise AnswersError(
            f"{path}: names no known item (found {found[:80] or 'none'}); expected Q1, Q2, ... as in `wvb items`."
        )
    return frame.with_columns(_exact_ids(frame["respondent_id"], raw["respondent_id"]))


def _item_ids(written: pl.Series) -> pl.Series:
    """Item ids as the codebook has them, of whatever case and with blanks around them; null for none of them."""
    known = load_codebook().item_ids
    exact = written.cast(pl.Enum(known), strict=False)
    if exact.null_count() == written.null_count():
        return exact
    return written.cast(pl.String).str.strip_chars().str.to_uppercase().cast(pl.Enum(known), strict=False)


def _read_text(
    path: Path, content: bytes, answer_column: str | None, preferred: Sequence[str]
) -> tuple[pl.DataFrame, str]:
    end = content.find(b"\n")
    try:
        line = content[: end if end >= 0 else None].decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError:
        line = "\0"
    if "\0" in line:
        raise AnswersError(f"{path}: is neither UTF-8 text nor parquet; export the answers as csv, tsv or parquet.")
    separator, names = _split_header(line, answer_column)
    places = _find_columns(path, names, answer_column, preferred)
    in_file_order = sorted(places, key=lambda column: places[column])
    try:
        likely = {
            names[places["item_id"]]: pl.Enum(load_codebook().item_ids),
            names[places["respondent_id"]]: pl.Int64(),
        }
        frame = _read_columns(content, separator, [places[column] for column in in_file_order], likely)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise AnswersError(
            f"{path}: cannot be read as text with {separator!r} between columns ({reason}); "
            f"expected UTF-8 and as many fields in every row as in the header."
        ) from None
    return frame.rename(dict(zip(frame.columns, in_file_order, strict=True))), names[places["answer"]].strip()


def _read_columns(
    content: bytes, separator: str, places: Sequence[int], likely: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """The columns at these places: of their `likely` types where all fields can be read so, else all of them as text.

    Raises PolarsError where the text has another number of fields in some row, or is not UTF-8.
    """
    read = partial(
        pl.read_csv, content, separator=separator, infer_schema=False, columns=list(places), raise_if_empty=False
    )
    try:
        return read(schema_overrides=likely)
    except pl.exceptions.ComputeError:
        return read()


def _split_header(line: str, answer_column: str | None = None) -> tuple[str, list[str]]:
    """The separator that finds the most columns we look for (then: the most columns), and the names it finds."""
    known = {name for names in COLUMN_NAMES.values() for name in names} | {_plain(answer_column or "")}
    split = {separator: _fields(line, separator) for separator in SEPARATORS}
    best = max(
        SEPARATORS, key=lambda separator: (len(known & set(map(_plain, split[separator]))), len(split[separator]))
    )
    return best, split[best]


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _read_parquet(
    path: Path, content: bytes, answer_column: str | None, preferred: Sequence[str]
) -> tuple[pl.DataFrame, str]:
    try:
        check_fits(content)
        names = list(pl.read_parquet_schema(content))
        if {"sample", "unparsed"} <= set(names):
            raise AnswersError(f"{path}: is the table of a run; give the folder in which it lies.")
        places = _find_columns(path, names, answer_column, preferred)
        columns = {column: names[place] for column, place in places.items()}
        frame = pl.read_parquet(content, columns=list(columns.values()))
        found = frame.select(pl.col(name).alias(column) for column, name in columns.items())
        return found.with_columns(pl.col("item_id").cast(pl.String)), columns["answer"]
    except (ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise AnswersError(f"{path}: cannot be read as parquet ({reason}); write it again.") from None


def _find_columns(
    path: Path, names: Sequence[str], answer_column: str | None, preferred: Sequence[str]
) -> dict[str, int]:
    """The place of each column that we need among these names."""
    plain = [_plain(name) for name in names]
    accepted = dict(COLUMN_NAMES)
    if set(preferred) & set(plain):
        accepted["answer"] = tuple(preferred)
    if answer_column is not None:
        if _plain(answer_column) not in plain:
            raise AnswersError(
                f"{path}: there is no column {answer_column!r} (--answer-column); found {_shown_names(names)}."
            )
        accepted["answer"] = (_plain(answer_column),)
    places = {}
    for column, known in accepted.items():
        found = [place for place, name in enumerate(plain) if name in known]
        if len(found) > 1:
            shown = " and ".join(repr(names[place].strip()[:40]) for place in found[:4])
            is_answer = column == "answer" and len({plain[place] for place in found}) == len(found)
            advice = "say which with --answer-column" if is_answer else "keep one"
            what = "the column of the answers" if column == "answer" else COLUMN_NAMES[column][0].upper()
            raise AnswersError(f"{path}: has the columns {shown}, any of which could be {what}; {advice}.")
        if found:
            places[column] = found[0]
    if len(places) < len(accepted):
        absent = [COLUMN_NAMES[column][0].upper() for column in accepted if column not in places]
        humans = ""
        if "answer" not in places and RESPONSES in plain:
            humans = f" ({RESPONSES!r} holds the humans' responses)"
        raise AnswersError(
            f"{path}: no column {' and no '.join(absent)}; "
            f"expected QUESTION_ID, PARTICIPANT_ID and SCORE, found {_shown_names(names)}{humans}."
        )
    return places


def _shown_names(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in names[:8]) + (", ..." if len(names) > 8 else "")


def _plain(name: str) -> str:
    return name.strip().lower()


def _id_type(path: Path, raw: pl.DataFrame) -> type[pl.Int64] | type[pl.Float64]:
    dtype = raw["respondent_id"].dtype
    if dtype == pl.Float32:
        raise AnswersError(f"{path}: 32-bit floats cannot hold respondent ids exactly; write the ids as integers.")
    if not (dtype.is_numeric() or dtype == pl.String):
        raise AnswersError(f"{path}: the respondent ids are of type {dtype}; expected whole numbers.")
    return pl.Float64 if dtype.is_float() or dtype.is_decimal() else pl.Int64


def _answer_type(path: Path, raw: pl.DataFrame) -> pl.DataType:
    dtype = raw["answer"].dtype
    if dtype.is_nested() or dtype.is_temporal():
        raise AnswersError(f"{path}: the answers are of type {dtype}; expected numbers or text.")
    if dtype.is_decimal():
        return pl.Float64()
    return dtype if dtype.is_numeric() else pl.String()


def _exact_ids(ids: pl.Series, raw: pl.Series) -> pl.Series:
    """The ids, with those that were written as decimals: 1.56070594E8 means exactly 156070594."""
    if ids.dtype == pl.Float64:
        return _whole(ids)
    if raw.dtype != pl.String or ids.null_count() == raw.null_count():
        return ids
    places = ids.is_null().arg_true()
    return ids.scatter(places, _whole(numbers_of(raw.gather(places))))


def _whole(numbers: pl.Series) -> pl.Series:
    """Numbers as integers where they are exactly that; null elsewhere."""
    is_exact = (numbers == numbers.floor()) & (numbers.abs() < EXACT_BELOW)
    return numbers.set(~is_exact.fill_null(False), None).cast(pl.Int64)
