"""Answers made elsewhere, brought into a run folder of their own, so that they stand beside runs that `wvb` asked.

Nothing is known of how they were asked: the folder has no settings, no requests and no journal. It has the answers,
each as its file has it and as it was read, and says which file that was.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from worldvaluesbench._io import check_destination, check_name
from worldvaluesbench.asking._precomputed import RUN_KIND, describe_unasked, examples_of, write_unasked_run
from worldvaluesbench.asking._run import ANSWERS
from worldvaluesbench.benchmark import Dataset
from worldvaluesbench.errors import RunError
from worldvaluesbench.parsing import Rating, Reading, Unparsed, read_completion
from worldvaluesbench.prompts import Completion, Labels, choices_of
from worldvaluesbench.survey import Codebook, load_codebook
from worldvaluesbench.survey.reader import BLANKS_AROUND, numbers_of


class AnswersFile(Protocol):
    """A file of answers as `worldvaluesbench.scoring.sources._answers.read_answers` gives it."""

    @property
    def name(self) -> str:
        """The file's name without folder and known suffix."""
        ...

    @property
    def file_name(self) -> str:
        """The file's name."""
        ...

    @property
    def size(self) -> int:
        """Its size in bytes."""
        ...

    @property
    def sha256(self) -> str:
        """Its SHA-256."""
        ...

    @property
    def answer_column(self) -> str | None:
        """The column that its answers were read from."""
        ...

    @property
    def run(self) -> object | None:
        """Facts of the run folder that they are from; None for a file."""
        ...

    @property
    def frame(self) -> pl.DataFrame:
        """`item_id` (null: none of ours), `respondent_id` (null: no whole number), `answer` (text or numbers)."""
        ...


def import_answers(
    answers: AnswersFile,
    folder: Path,
    *,
    name: str | None = None,
    dataset: Dataset | None = None,
    completions: Labels | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Make a finished run folder of a file of answers; returns its manifest.

    `name` is what the run is called (default: as the file). With a `dataset` the folder says whose respondents were
    answered for; without one the ids are kept as given. `completions`: the answers are texts as a model wrote them, to
    be read as those of `wvb ask`, which name options by these labels.

    Raises RunError for a name that is none, for the answers of a run, or where the dataset has none of the
    respondents; FolderError where the folder cannot be made.
    """
    if answers.run is not None:
        raise RunError(f"{answers.file_name}: is of a run already, which is scored as it is; expected a file.")
    called = answers.name if name is None else name.strip()
    if not called:
        raise RunError(f"{answers.file_name}: the run's name is empty; give one, for names tell runs apart.")
    check_name(called, answers.file_name, RunError, what="run's name", advice="choose another with --name")
    check_destination(folder, RUN_KIND, force=force)
    codebook = load_codebook() if dataset is None else dataset.codebook
    if completions is None:
        table = answers_table(answers.frame, codebook)
    else:
        table = completions_table(answers.frame, codebook, completions)
    unknown = None if dataset is None else _n_unknown(answers, dataset)
    content = _description(answers, called, table, dataset)
    content["imported"] |= {"completions": completions}
    content |= {"n_rows_of_unknown_respondents": unknown}
    counts = {"n_answers": table["rating"].count(), "unparsed": _unparsed_counts(table)}
    return write_unasked_run(folder, content, table, counts=counts, force=force)


def answers_table(frame: pl.DataFrame, codebook: Codebook) -> pl.DataFrame:
    """The answers table of a run for answers as a file has them: the same rows in the same order.

    `frame` is that of an `AnswersFile`. Beside the columns that every run's answers have there is `raw`, what was
    written (null: nothing). A row of an unknown item has neither `rating` nor `unparsed`: there is no scale to read it
    on.
    """
    text, number = _texts_and_numbers(frame["answer"])
    low, high = _ends(frame["item_id"], codebook)
    judged = frame.select("item_id", "respondent_id").with_columns(raw=text, number=number, low=low, high=high)
    reason = (
        pl.when(pl.col("low").is_null())
        .then(None)
        .when(pl.col("raw").fill_null("").str.strip_chars(BLANKS_AROUND) == "")
        .then(pl.lit("empty"))
        .when(pl.col("number").is_null())
        .then(pl.lit("no_number"))
        .when(pl.col("number") != pl.col("number").floor())
        .then(pl.lit("not_integer"))
        .when(~pl.col("number").is_between("low", "high"))
        .then(pl.lit("off_scale"))
    )
    is_rating = pl.col("unparsed").is_null() & pl.col("low").is_not_null()
    return judged.with_columns(unparsed=reason).select(
        pl.col("item_id").cast(pl.Enum(codebook.item_ids)),
        "respondent_id",
        order=pl.lit(0, dtype=pl.UInt8),
        sample=pl.lit(0, dtype=pl.Int16),
        rating=pl.when(is_rating).then("number").cast(pl.Int8),
        probabilities=pl.lit(None, dtype=pl.List(pl.Float64)),
        coverage=pl.when(is_rating).then(1.0),
        n=pl.lit(1, dtype=pl.UInt16),
        attempt=pl.lit(0, dtype=pl.UInt8),
        unparsed="unparsed",
        request_id=pl.lit(None, dtype=pl.String),
        raw="raw",
    )


def completions_table(frame: pl.DataFrame, codebook: Codebook, labels: Labels = "digits") -> pl.DataFrame:
    """The answers table of a run for completions as a file has them, each in the column `completion`.

    Each is read as `wvb ask` reads what a model wrote whose prompt shows the options of an item by `labels`, in the
    order of the scale. Otherwise as `answers_table`; `raw` is null, for scores are made of what was read.
    """
    shown = {item.item_id: (choices_of(item, labels), item.scale) for item in codebook.items}
    readings: list[Reading | None] = [
        None if item_id is None else read_completion(Completion(text or ""), *shown[item_id], "greedy")
        for item_id, text in zip(frame["item_id"].cast(pl.String), frame["answer"].cast(pl.String), strict=True)
    ]
    ratings = [reading.rating if isinstance(reading, Rating) else None for reading in readings]
    reasons = [reading.reason if isinstance(reading, Unparsed) else None for reading in readings]
    return answers_table(frame, codebook).with_columns(
        rating=pl.Series(ratings, dtype=pl.Int8),
        coverage=pl.Series([None if rating is None else 1.0 for rating in ratings], dtype=pl.Float64),
        unparsed=pl.Series(reasons, dtype=pl.String),
        raw=pl.lit(None, dtype=pl.String),
        completion=frame["answer"].cast(pl.String),
    )


def _texts_and_numbers(answers: pl.Series) -> tuple[pl.Series, pl.Series]:
    """What was written, as text, and the finite number that it says; null for none."""
    number = numbers_of(answers)
    return answers.cast(pl.String), number.set(~number.is_finite().fill_null(False), None)


def _ends(item_ids: pl.Series, codebook: Codebook) -> tuple[pl.Series, pl.Series]:
    """The lowest and highest rating of each row's item; null for an unknown item."""
    names = [item.item_id for item in codebook.items]
    low, high = (
        item_ids.cast(pl.String).replace_strict(names, ends, default=None, return_dtype=pl.Float64)
        for ends in ([item.scale.low for item in codebook.items], [item.scale.high for item in codebook.items])
    )
    return low, high


def _description(answers: AnswersFile, name: str, table: pl.DataFrame, dataset: Dataset | None) -> dict[str, Any]:
    source = {"name": answers.file_name, "size": answers.size, "sha256": answers.sha256}
    n_examples = examples_of(table).height
    model = {"backend": "imported", "model": name}
    examples = {"source": "imported", "file": source, "n": n_examples}
    imported = source | {"answer_column": answers.answer_column, "n_rows": table.height, "answers_are_in": ANSWERS}
    return describe_unasked(name, model, examples, n_examples, dataset) | {"imported": imported}


def _n_unknown(answers: AnswersFile, dataset: Dataset) -> int:
    """How many rows name a respondent whom the dataset does not have.

    Raises RunError where all do: then the file was made for another dataset.
    """
    known = dataset.respondents(["respondent_id"])["respondent_id"]
    ids = answers.frame["respondent_id"]
    n = ids.len() - ids.drop_nulls().is_in(known.implode()).to_list().count(True)
    if n == ids.len():
        raise RunError(
            f"{answers.file_name}: none of its respondents is in {dataset.folder.name}; give the dataset that the "
            f"answers were made for, or none."
        )
    return n


def _unparsed_counts(table: pl.DataFrame) -> Mapping[str, int]:
    counts = table["unparsed"].drop_nulls().value_counts(sort=True)
    return dict(counts.rows())
