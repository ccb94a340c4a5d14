"""Comparisons put together: sources that were compared apart, side by side without anybody's data.

Ranked are only items that all sources have, for a mean over other items is another mean. Items are paired; how two
sources of different comparisons move together as respondents are resampled is not known, so the largest variance that
their difference can have is taken.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from worldvaluesbench._io import find_twice
from worldvaluesbench.benchmark import dataset_difference, describe_dataset
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring.compare._compared import COMPARED, COVARIANCES, read_compared
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.compare._contrasts import Terms, contrast
from worldvaluesbench.scoring.compare._table2 import table_2
from worldvaluesbench.scoring.sources import EVERYONE, Kind, Sort, give_kinds
from worldvaluesbench.stats import MIN_COVERAGE, Resampling

_SAME_REFERENCE = ("name", "weight")
_SAME_SETTINGS = ("min_n", "min_n_stated", "has_refusals", "as_published", "cluster", "item_sampling")
_LATER_SETTINGS = {"min_coverage": MIN_COVERAGE}
"""What comparisons made by earlier versions do not say, and were made with."""

ANEW = ("leaderboard", "pairs", "demographics")
"""Tables that are made anew; all others are those of the comparisons, one after another."""


def merge_comparisons(
    comparisons: Sequence[Comparison],
    *,
    kinds: Mapping[str, Kind] | None = None,
    pairs: Sequence[tuple[str, str]] = (),
) -> Comparison:
    """Several comparisons as one. Groupings that not all of them have are left out.

    `kinds` and `pairs` say what sources do not say of themselves, as in `compare_answers`.

    Raises AnswersError where they are not of the same people or not made alike, or two sources share a name.
    """
    if len(comparisons) == 1 and not kinds and not pairs:
        return comparisons[0]
    first = comparisons[0].receipt
    for other in comparisons[1:]:
        _check_alike(first, other.receipt)
    same = find_twice(name for one in comparisons for name in one.names)
    if same is not None:
        raise AnswersError(f"Two of the comparisons have answers called {same!r}; compare under other names.")
    groupings = [name for name in comparisons[0].groupings if all(name in one.groupings for one in comparisons)]
    kept = [EVERYONE, *groupings]
    known = {name: sort for one in comparisons for name, sort in one.sorts.items()}
    sorts = give_kinds(known, kinds=kinds, pairs=pairs)
    tables = {
        name: pl.concat([_kept(one.tables[name], kept) for one in comparisons], how="vertical_relaxed")
        for name in comparisons[0].tables
        if name not in ANEW and all(name in one.tables for one in comparisons)
    }
    reference = first["reference"]
    keys = {"reference": reference["name"], "edition": reference["edition"], "weight": reference["weight"]}
    together = read_compared(tables[COMPARED], tables[COVARIANCES], tables["distributions"], list(sorts))
    terms = Terms.of(first["settings"], Resampling(**first["settings"]["resampling"]))
    tables |= contrast(together, sorts, keys, terms)
    tables["table_2"] = table_2(tables["scores"], sorts)
    return Comparison(_receipt(comparisons, sorts, groupings), tables)


def is_paired(receipt: Mapping[str, Any]) -> bool:
    """Whether all sources of a comparison answer the same examples, so that differences are paired."""
    return isinstance(receipt["examples_sha256"], str)


def _kept(table: pl.DataFrame, groupings: Sequence[str]) -> pl.DataFrame:
    return table.filter(pl.col("grouping").is_in(groupings)) if "grouping" in table.columns else table


def _check_alike(first: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Raise AnswersError unless two comparisons are with the same humans and made in the same way."""
    for part, names in (("reference", _SAME_REFERENCE), ("settings", _SAME_SETTINGS)):
        for name in names:
            one, two = first[part].get(name), other[part].get(name)
            if one != two:
                raise AnswersError(f"The comparisons differ in {part} {name}: {one} and {two}; make them alike first.")
    for name, before in _LATER_SETTINGS.items():
        one, two = (receipt["settings"].get(name, before) for receipt in (first, other))
        if one != two:
            raise AnswersError(f"The comparisons differ in settings {name}: {one} and {two}; make them alike first.")
    drawn = [receipt["settings"]["resampling"] for receipt in (first, other)]
    for name in ("level", "method"):
        if drawn[0][name] != drawn[1][name]:
            raise AnswersError(
                f"The comparisons differ in the {name} of confidence intervals: {drawn[0][name]} and {drawn[1][name]}; "
                f"make them alike first."
            )
    difference = dataset_difference(first["reference"], other["reference"])
    if difference is not None:
        raise AnswersError(
            f"The comparisons are with different datasets, the first with {describe_dataset(first['reference'])}, the "
            f"other with {describe_dataset(other['reference'])}: {difference}; make them alike first."
        )


def _receipt(comparisons: Sequence[Comparison], sorts: Mapping[str, Sort], groupings: Sequence[str]) -> dict[str, Any]:
    receipts = [one.receipt for one in comparisons]
    first = receipts[0]
    hashes = [receipt["examples_sha256"] for receipt in receipts]
    same = all(one == hashes[0] and isinstance(one, str) for one in hashes)
    return {
        **first,
        "is_invented": any(receipt["is_invented"] for receipt in receipts),
        "settings": {**first["settings"], "groupings": list(groupings)},
        "answers": [answers for receipt in receipts for answers in receipt["answers"]],
        "outcomes": {name: of for receipt in receipts for name, of in receipt["outcomes"].items()},
        "sorts": {name: sort.describe() for name, sort in sorts.items()},
        "n_common": first["n_common"] if same else None,
        "examples_sha256": hashes[0] if same else hashes,
    }
