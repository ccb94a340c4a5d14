"""Comparing sources of answers: over the same examples, with confidence intervals, ranks and group disparities.

Comparisons can also be merged, without anyone's data. Ranked are then only items that all sources have, for a mean over
other items is another mean. Items are paired; the covariance of two sources of different comparisons over resamples of
respondents is not known, so the largest variance that their difference can have is taken.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from worldvaluesbench._io import find_twice
from worldvaluesbench.benchmark import SPLITS, dataset_difference, describe_dataset
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring import How, Scores, check_sources, items_of, open_sources, receipt_of, score_sources
from worldvaluesbench.scoring.compare._compared import Compared, compare_groups, compared_tables, read_compared
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.compare._contrasts import contrast, countries_table, disparity_tables, table_2
from worldvaluesbench.scoring.diversity import diagnose
from worldvaluesbench.scoring.measure import Panel, Source, common_panels
from worldvaluesbench.scoring.sources import (
    EVERYONE,
    Answers,
    Kind,
    Reference,
    Sort,
    give_kinds,
    scored_groups,
    sorts_of,
)
from worldvaluesbench.stats import MIN_COVERAGE, Resampling
from worldvaluesbench.survey import Grouping

CONTRASTS = ("leaderboard", "pairs", "demographics")
"""The tables that a merge makes again; all others are those of the comparisons, one after another."""


def compare_answers(
    answers: Sequence[Answers],
    reference: Reference,
    *,
    groupings: Sequence[Grouping] = (),
    how: How | None = None,
    kinds: Mapping[str, Kind] | None = None,
    pairs: Sequence[tuple[str, str]] = (),
) -> Comparison:
    """Compare files of answers and runs with one another and with the humans of a reference.

    One source alone is compared with the humans only: it has means and disparities, and no differences.

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
        raise AnswersError(
            f"No example is answered by all of {names}; compare runs that answer for the same respondents."
        )
    scores = score_sources(sources, answers, reference, groupings, how)
    receipt = {
        **receipt_of(scores),
        "sorts": {name: sort.describe() for name, sort in sorts.items()},
        "n_common": panels[0].examples.size,
        "examples_sha256": _hash_examples(sources[0], panels[0]),
    }
    return Comparison(receipt, dict(scores.tables) | _compare(sources, panels, scores, sorts))


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
    keys = {"reference": reference.name, "edition": reference.edition, "weight": reference.weight}
    compared: list[Compared] = []
    parts: dict[str, list[pl.DataFrame]] = {}
    for groups in scored_groups(reference, groupings, len(items)):
        found, means = compare_groups(list(sorts), panels, groups, design, how, items)
        compared.append(found)
        of_groups = disparity_tables(found, means, keys, how.resampling)
        for name, table in (*compared_tables(found).items(), *of_groups.items(), *diagnose(common, groups, how)):
            parts.setdefault(name, []).append(table)
    tables = {name: pl.concat(of_groupings) for name, of_groupings in parts.items()}
    tables |= contrast(compared, sorts, keys, how.resampling.level, how.item_sampling)
    return tables | {"table_2": table_2(scores.table, sorts), "countries": countries_table(scores)}


def _hash_examples(source: Source, panel: Panel) -> str:
    """A hash of all examples that are compared, in any order: comparisons of the same examples have the same."""
    ids = source.humans.respondent_ids if source.humans.known_ids is None else source.humans.known_ids
    assert ids is not None
    items = np.array([item.item_id for item in source.humans.items])[panel.examples.item]
    # against the world a respondent without an id has a place after the last
    people = np.append(ids.to_numpy(), np.full(panel.n_people - ids.len(), -1))[panel.examples.person]
    order = np.lexsort((people, items))
    digest = hashlib.sha256("\n".join(items[order].tolist()).encode())
    digest.update(np.ascontiguousarray(people[order].astype("<i8")).tobytes())
    return digest.hexdigest()


def merge_comparisons(
    comparisons: Sequence[Comparison],
    *,
    kinds: Mapping[str, Kind] | None = None,
    pairs: Sequence[tuple[str, str]] = (),
) -> Comparison:
    """Several comparisons as one. Groupings that not all of them have are left out.

    `kinds` and `pairs` say what sources do not say of themselves, as in `compare_answers`.

    Raises AnswersError where they have different references or settings, or two sources share a name.
    """
    if len(comparisons) == 1 and not kinds and not pairs:
        return comparisons[0]
    receipts = [one.receipt for one in comparisons]
    first = receipts[0]
    for other in receipts[1:]:
        _check_alike(first, other)
    same = find_twice(name for one in comparisons for name in one.names)
    if same is not None:
        raise AnswersError(f"Two of the comparisons have answers called {same!r}; compare under other names.")
    groupings = [name for name in comparisons[0].groupings if all(name in one.groupings for one in comparisons)]
    is_kept = pl.col("grouping").is_in([EVERYONE, *groupings])
    sorts = give_kinds(
        {name: sort for one in comparisons for name, sort in one.sorts.items()}, kinds=kinds, pairs=pairs
    )
    tables = {}
    for name in comparisons[0].tables:
        parts = [one.tables[name] for one in comparisons if name in one.tables]
        if name not in CONTRASTS and len(parts) == len(comparisons):
            has_grouping = "grouping" in parts[0].columns
            tables[name] = pl.concat(
                [part.filter(is_kept) if has_grouping else part for part in parts], how="vertical_relaxed"
            )
    reference, settings = first["reference"], first["settings"]
    keys = {"reference": reference["name"], "edition": reference["edition"], "weight": reference["weight"]}
    together = read_compared(tables, list(sorts))
    tables |= contrast(together, sorts, keys, settings["resampling"]["level"], settings["item_sampling"])
    tables["table_2"] = table_2(tables["scores"], sorts)
    hashes = [receipt["examples_sha256"] for receipt in receipts]
    is_same = all(one == hashes[0] and isinstance(one, str) for one in hashes)
    receipt = {
        **first,
        "is_invented": any(one["is_invented"] for one in receipts),
        "settings": {**settings, "groupings": groupings},
        "answers": [answers for one in receipts for answers in one["answers"]],
        "outcomes": {name: of for one in receipts for name, of in one["outcomes"].items()},
        "sorts": {name: sort.describe() for name, sort in sorts.items()},
        "n_common": first["n_common"] if is_same else None,
        "examples_sha256": hashes[0] if is_same else hashes,
    }
    return Comparison(receipt, tables)


def is_paired(receipt: Mapping[str, Any]) -> bool:
    """Whether all sources of a comparison answer the same examples, so that differences are paired."""
    return isinstance(receipt["examples_sha256"], str)


def _check_alike(first: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Raise AnswersError unless two comparisons have the same reference and settings."""
    settings = ("min_n", "min_n_stated", "has_refusals", "as_published", "cluster", "item_sampling", "min_coverage")
    for part, names in (("reference", ("name", "weight")), ("settings", settings)):
        for name in names:
            # comparisons of earlier versions do not say their minimum coverage, which was the default
            default = MIN_COVERAGE if name == "min_coverage" else None
            one, two = (receipt[part].get(name, default) for receipt in (first, other))
            if one != two:
                raise AnswersError(
                    f"The comparisons differ in {part} {name}: {one} and {two}; compare them again with the same."
                )
    for name in ("level", "method"):
        one, two = (receipt["settings"]["resampling"][name] for receipt in (first, other))
        if one != two:
            raise AnswersError(
                f"The comparisons differ in the {name} of confidence intervals: {one} and {two}; compare them again "
                f"with the same."
            )
    difference = dataset_difference(first["reference"], other["reference"])
    if difference is not None:
        raise AnswersError(
            f"The comparisons are with different datasets, the first with {describe_dataset(first['reference'])}, the "
            f"other with {describe_dataset(other['reference'])}: {difference}; compare them again with the same."
        )
