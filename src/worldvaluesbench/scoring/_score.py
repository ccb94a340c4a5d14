"""Scores: how far the distribution of the answers to an item is from that of the humans, item by item.

Two treatments. By default an answer counts if it is a whole number on its item's scale, given for a known
respondent who has a response to that item; whatever does not count is left out on both sides, so the humans are
exactly the respondents whose answers count. `as_published` repeats the published scorer; see `published_scorer`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from worldvaluesbench._io import find_twice
from worldvaluesbench.benchmark import dataset_difference, read_clusters
from worldvaluesbench.errors import AnswersError, RunError
from worldvaluesbench.runs import OUTCOMES
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._published_scorer import PublishedSource, score_as_published
from worldvaluesbench.scoring._scores import Scores
from worldvaluesbench.scoring.measure import (
    GROUPINGS,
    NONRESPONSE,
    Beside,
    Design,
    Nonresponse,
    Source,
    build_panel,
    describe_groupings,
    score_groups,
)
from worldvaluesbench.scoring.sources import BASELINES, Answers, Reference, Rows, find_groups, read_humans, sort_rows
from worldvaluesbench.survey import Grouping, Item

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
    how: How | None = None,
) -> Scores:
    """Score files of answers and runs against the humans of a reference: pooled, and for every group of every grouping.

    As published there are no intervals, no cells that are too small, and no refusal category: the published scorer
    knows none.

    Raises AnswersError where two share a name, one names no known item, or the world is to be grouped; RunError where
    a run was made from another dataset than that of the reference; DatasetError where somebody compared has no weight.
    """
    how = How() if how is None else how
    if as_published:
        how = replace(how, min_n=1, resampling=None)
    check_sources(answers, reference)
    if as_published and how.has_refusals:
        raise AnswersError("Missing answers are treated as published or as refusals; choose one of the two.")
    sources = open_sources(answers, reference, how)
    return score_sources(sources, answers, reference, groupings, how, as_published=as_published)


def score_sources(
    sources: Iterable[Source],
    answers: Sequence[Answers],
    reference: Reference,
    groupings: Sequence[Grouping],
    how: How,
    *,
    as_published: bool = False,
) -> Scores:
    """Score sources that are open already; see `score_answers`."""
    items = items_of(answers, reference)
    found_groups = find_groups(reference, groupings, len(items))
    # where nobody has a level there is nothing to score
    all_groups = [groups for groups in found_groups if groups.labels]
    by_grouping = []
    nonresponse = Nonresponse(reference, how.min_n)
    parts: dict[str, list[pl.DataFrame]] = {}
    beside: dict[str, Beside | None] = {}
    counts = []
    for source in sources:
        counts.append(_count_outcomes(source.answers.name, items, source.rows))
        by_grouping.append(describe_groupings(source.answers.name, source.rows, found_groups[1:]))
        published = PublishedSource(source) if as_published else None
        nonresponse.add(source.answers.name, source.rows, source.humans, all_groups)
        for groups in all_groups:
            if published is None:
                part = score_groups(source, groups, how, beside=beside.get(groups.grouping))
                beside[groups.grouping] = part.beside
            else:
                part = score_as_published(published, groups)
            for name, table in part.tables.items():
                parts.setdefault(name, []).append(table)
    parts |= {GROUPINGS: by_grouping, NONRESPONSE: [nonresponse.table()], "counts": counts}
    return Scores(
        answers=tuple(answers),
        reference=reference,
        groupings=tuple(grouping.name for grouping in groupings),
        as_published=as_published,
        how=how,
        tables={name: pl.concat(tables) for name, tables in parts.items()},
    )


def open_sources(answers: Sequence[Answers], reference: Reference, how: How) -> Iterator[Source]:
    """Sort the rows of each source and hold them against the humans, one source after the other.

    Raises DatasetError where somebody who is compared has no survey weight; AnswersError for strata of the world.
    """
    if reference.dataset is None and (how.strata is not None or how.cluster is not None):
        what = f"Clusters by {how.cluster}" if how.strata is None else f"Strata by {how.strata.name}"
        raise AnswersError(f"{what} need respondents, and the world marginals have none: score with --data instead.")
    items = items_of(answers, reference)
    humans = read_humans(reference, items)
    if humans.respondent_ids is None:
        known = pl.concat([one.frame["respondent_id"] for one in answers]).unique().drop_nulls()
        humans = replace(humans, known_ids=known)
    for one in answers:
        rows = sort_rows(one, humans, how.min_coverage)
        panel = build_panel(rows, humans, reference, one.frame["respondent_id"])
        design = Design() if how.resampling is None else _design_of(one, reference, how, len(items))
        yield Source(one, rows, humans, panel, reference, design)


def check_sources(answers: Sequence[Answers], reference: Reference) -> None:
    """Refuse sources that cannot be scored together, or not against this reference.

    Raises AnswersError where there is none or two share a name; RunError for a run of another dataset.
    """
    _check_names(answers)
    _check_datasets(answers, reference)


def _check_names(answers: Sequence[Answers]) -> None:
    if not answers:
        raise AnswersError("There is no file of answers to score; give at least one.")
    same = find_twice(one.name for one in answers)
    if same is not None:
        kinds = {one.kind for one in answers if find_twice([one.name, same]) is not None}
        what, advice = _COLLISIONS[", ".join(sorted(kinds))]
        raise AnswersError(f"Two {what} called {same!r}; {advice}, for names tell scores apart.")
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


def items_of(answers: Sequence[Answers], reference: Reference) -> tuple[Item, ...]:
    """The items that any of the files names, in questionnaire order."""
    named = {item_id for one in answers for item_id in one.item_ids}
    return tuple(item for item in reference.codebook.items if item.item_id in named)


def _design_of(one: Answers, reference: Reference, how: How, n_items: int) -> Design:
    """How the respondents of a source are resampled; whoever lacks a level of the strata is in one of their own."""
    if reference.dataset is None:
        return Design()
    crossed = () if one.run is None else one.run.strata
    strata = how.strata or (Grouping(crossed) if crossed else None)
    stratum = None
    if strata is not None:
        member = find_groups(reference, [strata], n_items)[1].member
        assert member is not None
        stratum = np.where(member < 0, member.max(initial=0) + 1, member)
    return Design(stratum, None if how.cluster is None else read_clusters(reference.dataset, how.cluster))


def _count_outcomes(name: str, items: Sequence[Item], rows: Rows) -> pl.DataFrame:
    """How many rows of each item had which outcome; rows of unknown items stand together under a null."""
    counts = rows.outcome_counts(len(items))
    item_ids = pl.Series([*(item.item_id for item in items), None], dtype=pl.String)
    table = pl.DataFrame({"item_id": item_ids, "n_rows": counts.sum(axis=1)}).hstack(
        pl.from_numpy(counts, schema=list(OUTCOMES))
    )
    return table.filter(pl.col("n_rows") > 0).select(pl.lit(name).alias("answers"), pl.all())
