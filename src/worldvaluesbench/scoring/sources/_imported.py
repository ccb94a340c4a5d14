"""Answers made elsewhere, brought into a run folder, so that they can be compared with runs that `wvb` asked.

Nothing is known of how they were asked: the folder has no settings, no requests and no journal. It has the answers,
each as its file has it and as it was parsed, and says which file that was.
"""

from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench._io import check_destination, check_name
from worldvaluesbench.benchmark import Dataset
from worldvaluesbench.errors import RunError
from worldvaluesbench.parsing import Rating, Reading, Unparsed, read_completion
from worldvaluesbench.prompts import Completion, Labels, choices_of
from worldvaluesbench.runs import ANSWERS, RUN_KIND, complete_answers, describe_run, examples_of, write_precomputed_run
from worldvaluesbench.scoring.sources._answers import Answers
from worldvaluesbench.scoring.sources._ratings import FLAWS, read_ratings
from worldvaluesbench.survey import Codebook, load_codebook


def import_answers(
    answers: Answers,
    folder: Path | str,
    *,
    name: str | None = None,
    dataset: Dataset | None = None,
    completions: Labels | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Make a finished run folder of a file of answers; returns its manifest.

    `name` is the run's name (default: that of the file). With a `dataset` the folder records whose respondents were
    answered for; without one the ids are kept as given. `completions`: the answers are texts as a model wrote them, to
    be parsed as those of `wvb ask`, which name options by these labels.

    Raises RunError for an empty or unusable name, for the answers of a run, or where the dataset has none of the
    respondents; FolderError where the folder cannot be made.
    """
    if answers.run is not None:
        raise RunError(f"{answers.file_name}: is of a run already, which is scored as it is; expected a file.")
    called = answers.name if name is None else name.strip()
    if not called:
        raise RunError(f"{answers.file_name}: the run's name is empty; give one.")
    check_name(called, answers.file_name, RunError, what="run's name", advice="choose another with --name")
    folder = Path(folder)
    check_destination(folder, RUN_KIND, force=force)
    codebook = load_codebook() if dataset is None else dataset.codebook
    if completions is None:
        table = answers_table(answers.frame, codebook)
    else:
        table = completions_table(answers.frame, codebook, completions)
    source = {"name": answers.file_name, "size": answers.size, "sha256": answers.sha256}
    n_examples = examples_of(table).height
    model = {"backend": "imported", "model": called}
    content = describe_run(
        called, model, {"source": "imported", "file": source, "n": n_examples}, dataset, None, (n_examples, 0, 0)
    ) | {
        "imported": {
            **source,
            "answer_column": answers.answer_column,
            "n_rows": table.height,
            "answers_are_in": ANSWERS,
            "completions": completions,
        },
        "n_rows_of_unknown_respondents": None if dataset is None else _n_unknown(answers, dataset),
    }
    unparsed = dict(table["unparsed"].drop_nulls().value_counts(sort=True).rows())
    counts = {"n_answers": table["rating"].count(), "unparsed": unparsed}
    return write_precomputed_run(folder, content, table, counts=counts, force=force)


def answers_table(frame: pl.DataFrame, codebook: Codebook) -> pl.DataFrame:
    """The answers table of a run for answers as a file has them: the same rows in the same order.

    `frame` is that of `Answers`. Beside the columns that every run's answers have there is `raw`, the text of the file
    (null: nothing). A row of an unknown item has neither `rating` nor `unparsed`: there is no scale for it.
    """
    ratings = read_ratings(frame["answer"])
    item_ids = frame["item_id"].cast(pl.String)
    low, high = (
        item_ids.replace_strict(codebook.item_ids, ends, default=None, return_dtype=pl.Int16)
        for ends in zip(*((item.scale.low, item.scale.high) for item in codebook.items), strict=True)
    )
    judged = frame.with_columns(
        rating=pl.Series(ratings.rating), flaw=pl.Series(FLAWS).gather(ratings.flaw), low=low, high=high
    )
    reason = (
        pl.when(pl.col("flaw") != "")
        .then("flaw")
        .when(~pl.col("rating").is_between("low", "high"))
        .then(pl.lit("off_scale"))
    )
    found = judged.with_columns(unparsed=pl.when(pl.col("low").is_not_null()).then(reason))
    is_rating = pl.col("unparsed").is_null() & pl.col("low").is_not_null()
    return complete_answers(
        found.select(
            pl.col("item_id").cast(pl.Enum(codebook.item_ids)),
            "respondent_id",
            "unparsed",
            rating=pl.when(is_rating).then("rating"),
            raw=pl.col("answer").cast(pl.String),
        )
    )


def completions_table(frame: pl.DataFrame, codebook: Codebook, labels: Labels = "digits") -> pl.DataFrame:
    """The answers table of a run for completions as a file has them, each in the column `completion`.

    Each is parsed as `wvb ask` parses a completion of a prompt that shows the options of an item by `labels`, in the
    order of the scale. Otherwise as `answers_table`; `raw` is null, for scores are made of what was parsed.
    """
    shown = {item.item_id: (choices_of(item, labels), item.scale) for item in codebook.items}
    texts = frame["answer"].cast(pl.String)
    readings: list[Reading | None] = [
        None if item_id is None else read_completion(Completion(text or ""), *shown[item_id], "greedy")
        for item_id, text in zip(frame["item_id"].cast(pl.String), texts, strict=True)
    ]
    ratings = [reading.rating if isinstance(reading, Rating) else None for reading in readings]
    reasons = [reading.reason if isinstance(reading, Unparsed) else None for reading in readings]
    return complete_answers(
        frame.select(
            pl.col("item_id").cast(pl.Enum(codebook.item_ids)),
            "respondent_id",
            rating=pl.Series(ratings, dtype=pl.Int8),
            unparsed=pl.Series(reasons, dtype=pl.String),
            raw=pl.lit(None, dtype=pl.String),
            completion=texts,
        )
    )


def _n_unknown(answers: Answers, dataset: Dataset) -> int:
    """How many rows name a respondent that the dataset does not have.

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
