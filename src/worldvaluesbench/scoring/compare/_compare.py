"""Comparing sources of answers: over the same people and items, with intervals, ranks, and whom each gets wrong."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from worldvaluesbench.benchmark import SPLITS
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring import How, Scores, check_sources, items_of, open_sources, receipt_of, score_sources
from worldvaluesbench.scoring.compare._compared import Compared, compare_groups, compared_tables
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.compare._contrasts import Terms, contrast, disparity_tables
from worldvaluesbench.scoring.compare._table2 import countries_table, table_2
from worldvaluesbench.scoring.diversity import diagnose
from worldvaluesbench.scoring.measure import Panel, Source, common_panels
from worldvaluesbench.scoring.sources import Answers, Kind, Reference, Sort, scored_groups, sorts_of
from worldvaluesbench.stats import Resampling
from worldvaluesbench.survey import Grouping


def compare_answers(
    answers: Sequence[Answers],
    reference: Reference,
    *,
    groupings: Sequence[Grouping] = (),
    how: How | None = None,
    kinds: Mapping[str, Kind] | None = None,
    pairs: Sequence[tuple[str, str]] = (),
) -> Comparison:
    """Compare files of answers and runs with one another against the humans of a reference.

    `kinds` and `pairs` say what files do not say of themselves: whether a source is a model asked with or without
    demographics, or a baseline; and which two, without and with, are one model, so that their difference is tested.

    Raises what `score_answers` does, and AnswersError where no example is answered by all of them, they answer for
    different splits of which each is the reference, or refusals are to be a category: what is compared is what all of
    them answer.
    """
    how = How() if how is None else how
    if how.has_refusals:
        raise AnswersError("Sources are compared over what all of them answer; score them to count refusals.")
    how = replace(how, resampling=how.resampling or Resampling())
    check_sources(answers, reference)
    sorts = sorts_of(answers, kinds=kinds, pairs=pairs)
    sources = list(open_sources(answers, reference, how))
    _check_splits(sources)
    panels = common_panels([source.panel for source in sources])
    if not panels[0].examples.size:
        names = ", ".join(one.name for one in answers)
        raise AnswersError(f"No example is answered by all of {names}; compare runs that asked the same people.")
    scores = score_sources(sources, answers, reference, groupings, how)
    tables = dict(scores.tables) | _compare(sources, panels, scores, sorts)
    return Comparison(_receipt(scores, sorts, sources[0], panels[0]), tables)


def _check_splits(sources: Sequence[Source]) -> None:
    """Raise AnswersError where everyone of a split is the reference, and it is not one split for all sources."""
    splits = {source.answers.name: SPLITS[source.rows.split] for source in sources if source.rows.split is not None}
    if len(set(splits.values())) > 1:
        named = ", ".join(f"{name} ({split})" for name, split in splits.items())
        raise AnswersError(
            f"--reference split compares with everyone of one split, and the sources answer for several: {named}; "
            f"compare those of one split, or choose --reference probe or all."
        )


def _compare(
    sources: Sequence[Source], panels: Sequence[Panel], scores: Scores, sorts: Mapping[str, Sort]
) -> dict[str, pl.DataFrame]:
    """The tables beyond those of the scores."""
    how, reference = scores.how, scores.reference
    assert how.resampling is not None
    groupings = [Grouping(tuple(name.split("*"))) for name in scores.groupings]
    design = next((source.design for source in sources if source.design.stratum is not None), sources[0].design)
    items = items_of(scores.answers, reference)
    common = [replace(source, panel=panel) for source, panel in zip(sources, panels, strict=True)]
    compared: list[Compared] = []
    parts: dict[str, list[pl.DataFrame]] = {}
    for groups in scored_groups(reference, groupings, len(items)):
        found, means = compare_groups(list(sorts), panels, groups, design, how, items)
        compared.append(found)
        of_groups = disparity_tables(found, means, keys_of(reference), how.resampling)
        for name, table in (*compared_tables(found).items(), *of_groups.items(), *diagnose(common, groups, how)):
            parts.setdefault(name, []).append(table)
    tables = {name: pl.concat(found) for name, found in parts.items()}
    tables |= contrast(compared, sorts, keys_of(reference), Terms(how.resampling.level, how.item_sampling))
    return tables | {"table_2": table_2(scores.table, sorts), "countries": countries_table(scores)}


def keys_of(reference: Reference) -> dict[str, object]:
    """What stands before each row of a comparison: whom it is with."""
    return {"reference": reference.name, "edition": reference.edition, "weight": reference.weight}


def _receipt(scores: Scores, sorts: Mapping[str, Sort], source: Source, panel: Panel) -> dict[str, Any]:
    """How a comparison was made."""
    return {
        **receipt_of(scores),
        "sorts": {name: sort.describe() for name, sort in sorts.items()},
        "n_common": panel.examples.size,
        "examples_sha256": _hash_examples(source, panel),
    }


def _hash_examples(source: Source, panel: Panel) -> str:
    """One hash of all examples that are compared, whatever their order: by it two comparisons are known to be alike."""
    ids = source.humans.respondent_ids if source.humans.known_ids is None else source.humans.known_ids
    assert ids is not None
    items = np.array([item.item_id for item in source.humans.items])[panel.examples.item]
    # against the world somebody without an id has a place after the last
    people = np.append(ids.to_numpy(), np.full(panel.n_people - ids.len(), -1))[panel.examples.person]
    order = np.lexsort((people, items))
    digest = hashlib.sha256("\n".join(items[order].tolist()).encode())
    digest.update(np.ascontiguousarray(people[order].astype("<i8")).tobytes())
    return digest.hexdigest()
