"""Answers to score: those of one file or of one run, with the receipt of where they came from.

A published file of answers has the columns `QUESTION_ID`, `PARTICIPANT_ID` and `SCORE`. Column order, case and
separator are detected; other columns are ignored.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import polars as pl

from worldvaluesbench._io import check_fits, check_name, memory_size, printable, read_manifest, split_header
from worldvaluesbench.errors import AnswersError, RunError
from worldvaluesbench.runs import ANSWER_COLUMNS, ANSWERS, RUN_KIND, UNPARSED, RunFolder, is_finished, is_run, read_run
from worldvaluesbench.survey import load_codebook
from worldvaluesbench.survey.reader import numbers_of

COLUMN_NAMES = {
    "item_id": ("question_id", "item_id"),
    "respondent_id": ("participant_id", "respondent_id"),
    "answer": ("score", "rating", "answer", "prediction"),
}
"""The accepted names of each column, in any case. A file with several of one kind is refused: beside a model's answers
there may be the humans' responses, a confidence, or the text that an answer was parsed from."""

COMPLETION_NAMES = ("completion", "raw_completion", "output", "generated_text", "text", "raw")
"""The accepted names of a column of completions; a file without one has them where answers are."""

RESPONSES = "response"
"""The column of the humans' responses in tables of examples: that of a model's answers only if it is named."""

SEPARATORS = ("\t", ",", ";", "|")
EXACT_BELOW = 2**53
"""Floats below this hold every whole number exactly."""

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
"""Endings of answer files that are not part of a name: `gpt-3.5` is a whole one."""

_WIDE = {"order": pl.Int32, "sample": pl.Int32, "rating": pl.Int16}  # answers made elsewhere may exceed what runs write
_OPTIONAL = ("raw", "request_id", "coverage")
_RUN_COLUMNS: Mapping[str, type[pl.DataType] | pl.DataType] = {
    "item_id": pl.String,
    **{name: _WIDE.get(name, dtype) for name, dtype in ANSWER_COLUMNS.items() if name not in ("n", "attempt")},
    "raw": pl.String,
}
"""The columns that are read, and what their values must be convertible to. `raw`: imported answers as written."""

TOLERANCE = 1e-6
"""How far a coverage may be above 1: rounding."""

Read = TypeVar("Read")


@dataclass(frozen=True)
class Answers:
    """The answers of one file or one run, rows in their order there.

    `name` is the file's name without folder and known suffix, or the run's; `file_name`, `size` and `sha256` say which
    file it was, and `run` which run (None: a file of answers). `answer_column` is the column of the file that the
    answers are from (None: of a run).

    `frame` holds `item_id` (an Enum of all item ids; null: none of them), `respondent_id` (Int64; null: not a whole
    number) and `answer` (String as read, or the numbers of a parquet file; null: blank). Of a run it also holds
    `order`, `sample`, `unparsed` (an Enum of reasons), `probabilities` (List over the scale points; a row has an
    answer, a distribution or a reason), `coverage` (the probability on the options; null: not known) and `request`.
    """

    name: str
    file_name: str
    size: int
    sha256: str
    frame: pl.DataFrame = field(repr=False)
    run: RunFolder | None = None
    answer_column: str | None = None

    def __post_init__(self) -> None:
        advice = "rename the file" if self.run is None else "begin the run again with another --name"
        check_name(self.name, self.file_name, AnswersError, what="name", advice=advice)
        if self.run is not None and self.run.model_name is not None:
            check_name(self.run.model_name, self.file_name, AnswersError, what="model's name", is_model=True)

    @property
    def kind(self) -> Literal["file", "run"]:
        """Which of the two they come from."""
        return "file" if self.run is None else "run"

    @property
    def is_invented(self) -> bool:
        """Whether they are known to be for a synthetic survey."""
        return self.run is not None and self.run.is_invented

    @cached_property
    def item_ids(self) -> tuple[str, ...]:
        """The items they answer, in questionnaire order."""
        known = load_codebook().item_ids
        is_named = np.zeros(len(known), dtype=bool)
        is_named[self.frame["item_id"].drop_nulls().to_physical().to_numpy()] = True
        return tuple(known[place] for place in np.flatnonzero(is_named).tolist())

    def describe(self) -> dict[str, Any]:
        """What a manifest says about them."""
        facts = {"file": printable(self.file_name), "size": self.size, "sha256": self.sha256}
        run = None if self.run is None else self.run.describe()
        return {"name": self.name, "kind": self.kind, **facts, "answer_column": self.answer_column, "run": run}


def read_answers(
    path: Path | str, *, partial: bool = False, answer_column: str | None = None, completions: bool = False
) -> Answers:
    """Read a file of answers, csv, tsv (or `;`, `|`) or parquet, or the answers of a run folder.

    Blank lines are ignored. With `partial` an unfinished run is read as far as its answers go. `answer_column`: the
    column of the answers, where a file has several that could be it; with `completions` it may be one of completions,
    for `import_answers`.

    Raises AnswersError where a file is absent, not a run, empty, not text, lacks a column, has several that could hold
    the answers, names no known item, or has a name that cannot be shown; RunError where a run is unfinished or cannot
    be read.
    """
    path = Path(path)
    if is_run(path):
        run = _read_run(path, partial=partial)
        content = _read_bytes(path / ANSWERS)
        frame, digest = _read_beside_digest(content, lambda: _read_run_table(path, content))
        run.check_answers(len(content), digest)
        return Answers(run.name, f"{path.resolve().name}/{ANSWERS}", len(content), digest, frame, run)
    content = _read_bytes(path)
    preferred = COMPLETION_NAMES if completions else ()
    (frame, column), digest = _read_beside_digest(content, lambda: _read_table(path, content, answer_column, preferred))
    name = path.stem if path.suffix.lower() in SUFFIXES else path.name
    return Answers(name, path.name, len(content), digest, frame, answer_column=column)


def _read_beside_digest(content: bytes, read: Callable[[], Read]) -> tuple[Read, str]:
    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(hashlib.sha256, content)
        return read(), digest.result().hexdigest()


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise AnswersError(
            f"{path}: is a folder; expected a file of answers (csv, tsv or parquet), or a run folder of `wvb ask`."
        )
    most = memory_size() // 2
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            content = b"" if size > most else stream.read(most + 1)
    except FileNotFoundError:
        raise AnswersError(f"{path}: there is no such file; expected a file of answers.") from None
    except OSError as error:
        raise AnswersError(f"{path}: cannot be read ({error.strerror}).") from None
    if max(size, len(content)) > most:
        raise AnswersError(f"{path}: has more than {most >> 30:,} GB, half the memory here; expected answers alone.")
    if not content[:1000].strip() and not content.strip():
        raise AnswersError(f"{path}: is empty; expected a header and a row for each answer.")
    return content


def _read_table(
    path: Path, content: bytes, answer_column: str | None, preferred: Sequence[str]
) -> tuple[pl.DataFrame, str]:
    """The rows of a file, see `Answers.frame`, and the name of its column of answers."""
    read = _read_parquet if content.startswith(b"PAR1") else _read_text
    raw, name = read(path, content, answer_column, preferred)
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
    return frame.with_columns(_exact_ids(frame["respondent_id"], raw["respondent_id"])), name


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
    known = {name for accepted in COLUMN_NAMES.values() for name in accepted} | {_plain(answer_column or "")}
    separator, names = split_header(line, SEPARATORS, known)
    places = _find_columns(path, names, answer_column, preferred)
    in_file_order = sorted(places, key=lambda column: places[column])
    read = partial(
        pl.read_csv,
        content,
        separator=separator,
        infer_schema=False,
        columns=[places[column] for column in in_file_order],
        raise_if_empty=False,
    )
    likely = {names[places["item_id"]]: pl.Enum(load_codebook().item_ids), names[places["respondent_id"]]: pl.Int64()}
    try:
        try:
            frame = read(schema_overrides=likely)
        except pl.exceptions.ComputeError:
            frame = read()  # as text
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise AnswersError(
            f"{path}: cannot be read as text with {separator!r} between columns ({reason}); "
            f"expected UTF-8 and as many fields in every row as in the header."
        ) from None
    return frame.rename(dict(zip(frame.columns, in_file_order, strict=True))), names[places["answer"]].strip()


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


def _read_run(folder: Path, *, partial: bool = False) -> RunFolder:
    """A run that has answers, with its manifest; with `partial` also one that has no manifest yet.

    Raises RunError where it is unfinished, has no answers, or its `run.json` cannot be read; FolderError where its
    manifest cannot be.
    """
    has_manifest = is_finished(folder)
    if not has_manifest and not partial:
        raise RunError(
            f"{folder}: the run is not finished; finish it with `wvb ask`, or score what there is with --partial."
        )
    if not (folder / ANSWERS).is_file():
        raise RunError(f"{folder}: the run has no {ANSWERS} yet; go on with `wvb ask`, which makes it.")
    return replace(read_run(folder), manifest=read_manifest(folder, RUN_KIND) if has_manifest else None)


def _read_run_table(folder: Path, content: bytes) -> pl.DataFrame:
    """The rows of a run's table of answers, in its order; see `Answers.frame` for the columns.

    A row with a text as it was written (`raw`, of imported answers) has that text as its answer, to be judged like
    that of a file, whatever was read from it.

    Raises AnswersError where the table is not as documented.
    """
    path = folder / ANSWERS
    frame = _read_run_columns(path, content)
    if frame.is_empty():
        raise AnswersError(f"{path}: holds no answers; go on with `wvb ask`.")
    has_raw = frame["raw"].null_count() < frame.height
    answer = pl.coalesce("raw", pl.col("rating").cast(pl.String)) if has_raw else pl.col("rating")
    read = frame.select(
        pl.col("item_id").cast(pl.Enum(load_codebook().item_ids), strict=False),
        "respondent_id",
        answer.alias("answer"),
        pl.col("order", "sample").fill_null(0),
        pl.when(pl.col("raw").is_null()).then("unparsed").cast(pl.Enum(UNPARSED), strict=False).alias("unparsed"),
        "probabilities",
        "coverage",
        pl.col("request_id").rank("dense").cast(pl.Int64).alias("request"),
    )
    _check_reasons(path, frame)
    _check_kinds(path, read)
    _check_probabilities(path, read)
    return read


def _read_run_columns(path: Path, content: bytes) -> pl.DataFrame:
    try:
        check_fits(content)
        names = list(pl.read_parquet_schema(content))
        absent = [name for name in _RUN_COLUMNS if name not in (*names, *_OPTIONAL)]
        if absent:
            raise AnswersError(f"{path}: no column {' and no '.join(absent)}; expected the answers of a run.")
        frame = pl.read_parquet(content, columns=[name for name in _RUN_COLUMNS if name in names])
        return frame.select(
            pl.col(name).cast(dtype) if name in names else pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in _RUN_COLUMNS.items()
        )
    except (ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise AnswersError(f"{path}: cannot be read as the answers of a run ({reason}); make it again.") from None


def _check_reasons(path: Path, frame: pl.DataFrame) -> None:
    unknown = frame["unparsed"].drop_nulls().unique().sort().to_list()
    unknown = [reason for reason in unknown if reason not in UNPARSED]
    if unknown:
        raise AnswersError(
            f"{path}: this version does not know the reason {unknown[0][:40]!r}; expected one of {', '.join(UNPARSED)}."
        )


def _check_kinds(path: Path, read: pl.DataFrame) -> None:
    """Raise AnswersError unless every row of a known item has just one of: an answer, a distribution, a reason."""
    n_kinds = pl.sum_horizontal(pl.col("answer", "probabilities", "unparsed").is_not_null())
    is_wrong = (n_kinds != 1) & pl.col("item_id").is_not_null()
    has_wrong, row = read.select(is_wrong.any(), is_wrong.arg_max().alias("row")).row(0)
    if has_wrong:
        raise AnswersError(
            f"{path}: row {row + 1} has not just one of rating, probabilities and unparsed; make it again."
        )


def _check_probabilities(path: Path, read: pl.DataFrame) -> None:
    """Raise AnswersError unless every distribution has a share for each point of its scale, and one above 0."""
    rows = (
        read.select("item_id", "probabilities", "coverage")
        .with_row_index("row")
        .filter(pl.col("probabilities").is_not_null())
    )
    if rows.is_empty():
        return
    items, shares = rows["item_id"].to_physical(), rows["probabilities"]
    n_points = np.array([*(item.scale.n_points for item in load_codebook().items), -1])
    expected = np.take(n_points, items.fill_null(n_points.size - 1).to_numpy())
    is_right = shares.list.len().to_numpy() == expected
    if is_right.all():
        mass = shares.explode(empty_as_null=False).fill_null(np.nan).to_numpy()
        starts = np.cumsum(expected) - expected
        total = np.add.reduceat(mass, starts)
        is_right = (np.minimum.reduceat(mass, starts) >= 0) & np.isfinite(total) & (total > 0)
    if not is_right.all():
        row, item_id = rows.select("row", "item_id").row(int(np.argmin(is_right)))
        raise AnswersError(
            f"{path}: the probabilities of row {row + 1} are no shares of the scale points of {item_id}; make it again."
        )
    is_odd = ~rows["coverage"].is_between(0, 1 + TOLERANCE).fill_null(True)
    if is_odd.any():
        row, coverage = rows.select("row", "coverage").row(int(is_odd.arg_max() or 0))
        raise AnswersError(
            f"{path}: the coverage of row {row + 1} is {coverage}; expected how much of the probability was on the "
            f"options, 0 to 1."
        )
