"""Scores: how far the distribution of the answers to an item is from that of the humans, item by item.

Two treatments. By default an answer counts if it is a whole number on its item's scale, given for a known
respondent who has a response to that item; whatever does not count is left out on both sides, so the humans are
exactly the respondents whose answers count. `as_published` repeats what the published scorer does: numbers are
truncated and scored wherever they lie, unreadable answers leave the model's side only, duplicates count twice.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl

from worldvaluesbench.errors import AnswersError, RunError
from worldvaluesbench.scoring.answers import Answers
from worldvaluesbench.scoring.baselines import BASELINES, MAJORITY, UNIFORM
from worldvaluesbench.scoring.groups import Groups, find_groups
from worldvaluesbench.scoring.reasons import OUTCOMES
from worldvaluesbench.scoring.reference import Humans, Reference, read_humans
from worldvaluesbench.scoring.rows import Rows, sort_rows
from worldvaluesbench.scoring.runs import dataset_difference
from worldvaluesbench.scoring.scores import Scores
from worldvaluesbench.scoring.sides import Sides, find_sides
from worldvaluesbench.scoring.summary import attain, summarise
from worldvaluesbench.scoring.tally import answer_distances, baseline_distances, tally_sides
from worldvaluesbench.survey.attributes import Grouping
from worldvaluesbench.survey.codebook import Item

_COLLISIONS = {
    "file": ("files of answers are", "rename one"),
    "run": ("runs are", "score them apart"),
    "file, run": ("of the runs and files are", "rename the file"),
}
"""What shares a name, by its kinds, and what to do then."""


def score_answers(
    answers: Sequence[Answers],
    reference: Reference,
    *,
    groupings: Sequence[Grouping] = (),
    as_published: bool = False,
) -> Scores:
    """Score files of answers and runs against the humans of a reference: pooled, and for every group of every grouping.

    Raises AnswersError where two share a name, one names no known item, or the world is to be grouped; RunError where
    a run was made from another dataset than that of the reference.
    """
    _check_names(answers)
    _check_datasets(answers, reference)
    items = _items_of(answers, reference)
    all_groups = find_groups(reference, groupings, len(items))
    humans = read_humans(reference, items)
    tables, counts = [], []
    for one in answers:
        rows = sort_rows(one, humans)
        sides = find_sides(rows, humans, as_published=as_published)
        counts.append(_count_outcomes(one.name, items, rows))
        labels = pl.lit(one.name).alias("answers"), *_reference_columns(reference)
        for groups in all_groups:
            table = _score_groups(sides, rows, humans, groups, as_published=as_published)
            tables.append(table.filter(pl.col("item_id").is_in(one.item_ids)).select(*labels, pl.all()))
    table = pl.concat(tables)
    return Scores(
        answers=tuple(answers),
        reference=reference,
        groupings=tuple(grouping.name for grouping in groupings),
        as_published=as_published,
        table=table,
        summary=summarise(table),
        attainment=attain(table),
        counts=pl.concat(counts),
    )


def _check_names(answers: Sequence[Answers]) -> None:
    if not answers:
        raise AnswersError("There is no file of answers to score; give at least one.")
    twice = [name for name, n in Counter(one.name for one in answers).items() if n > 1]
    if twice:
        kinds = {one.kind for one in answers if one.name == twice[0]}
        what, advice = _COLLISIONS[", ".join(sorted(kinds))]
        raise AnswersError(f"Two {what} called {twice[0]!r}; {advice}, for names tell scores apart.")
    for one in answers:
        if one.name in BASELINES:
            raise AnswersError(f"{one.file_name}: {one.name!r} is the name of a baseline; rename the {one.kind}.")


def _check_datasets(answers: Sequence[Answers], reference: Reference) -> None:
    """Raise RunError where a run speaks of other respondents than the reference."""
    if reference.dataset is None:
        return
    for one in answers:
        made_from = None if one.run is None else one.run.dataset
        difference = None if made_from is None else dataset_difference(made_from, reference.dataset.receipt)
        if difference is not None:
            raise RunError(
                f"{one.name}: the run was made from another dataset than {reference.dataset.folder}: {difference}; "
                f"score it with the dataset it was made from."
            )


def _items_of(answers: Sequence[Answers], reference: Reference) -> tuple[Item, ...]:
    """The items that any of the files names, in questionnaire order."""
    named = {item_id for one in answers for item_id in one.item_ids}
    return tuple(item for item in reference.codebook.items if item.item_id in named)


def _reference_columns(reference: Reference) -> list[pl.Expr]:
    return [pl.lit(reference.name).alias("reference"), pl.lit(reference.edition, dtype=pl.String).alias("edition")]


def _score_groups(sides: Sides, rows: Rows, humans: Humans, groups: Groups, *, as_published: bool) -> pl.DataFrame:
    """A row for each item and each group that any respondent of the file or run is in."""
    tally = tally_sides(sides, rows, humans, groups, as_published=as_published)
    uniform, majority = baseline_distances(tally)
    n_groups, n_items = tally.n_responses.shape
    group, item = np.divmod(np.arange(n_groups * n_items), n_items)
    table = pl.DataFrame(
        {
            "item_id": pl.Series([known.item_id for known in humans.items]).gather(item),
            "topic": pl.Series([known.topic for known in humans.items]).gather(item),
            "grouping": pl.repeat(groups.grouping, item.size, eager=True),
            "group": pl.Series(groups.labels, dtype=pl.String).gather(group),
            "group_codes": pl.Series(groups.codes, dtype=pl.String).gather(group),
            "n_responses": tally.n_responses.ravel(),
            "n_answers": tally.n_answers.ravel(),
            "distance": answer_distances(tally).ravel(),
            UNIFORM: uniform.ravel(),
            MAJORITY: majority.ravel(),
        }
    )
    return table.filter(groups.are_met_by(rows.respondent)[group]).with_columns(
        pl.col("distance", UNIFORM, MAJORITY).fill_nan(None)
    )


def _count_outcomes(name: str, items: Sequence[Item], rows: Rows) -> pl.DataFrame:
    """How many rows of each item had which outcome; rows of unknown items stand together under a null."""
    counts = rows.outcome_counts(len(items))
    item_ids = pl.Series([*(item.item_id for item in items), None], dtype=pl.String)
    table = pl.DataFrame({"item_id": item_ids, "n_rows": counts.sum(axis=1)}).hstack(
        pl.from_numpy(counts, schema=list(OUTCOMES))
    )
    return table.filter(pl.col("n_rows") > 0).select(pl.lit(name).alias("answers"), pl.all())
