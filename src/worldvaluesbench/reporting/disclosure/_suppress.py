"""Cell suppression: what is taken out of a comparison before it is shared, so that it gives no small group away."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from worldvaluesbench.errors import BundleError
from worldvaluesbench.reporting.disclosure._complement import find_complements
from worldvaluesbench.reporting.disclosure._partition import Group, group_of
from worldvaluesbench.reporting.disclosure._sharing import SAFE_MIN_N, load_shared_columns, round_numbers
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.measure import GROUPINGS, NONRESPONSE, protect_groupings

CELL = ("item_id", "grouping", "group", "group_codes")
GROUP = ("grouping", "group", "group_codes")
COUNTS = ("n_responses", "n_effective", "n_answers", "n_examples", "n_missing", "coverage", "left_out")
COUNTRY = "B_COUNTRY"
BY_GROUP = ("summary", "attainment", "individuals_summary", "collapse_summary")
COMPARED_BY_GROUP = ("leaderboard", "pairs", "demographics", "group_means", "covariances")
"""Tables with a row for each group, of one source and of all together."""

BY_GROUPING = ("disparity", "determination", "determination_summary")
"""Tables with a row for all groups of a grouping together."""

BY_CELL = ("distributions", "individuals", "collapse", "compared")
"""Tables with a row for each cell that has a number."""

NO_RESPONSE = "no_response"
BOUNDS = ("best", "worst")
"""Columns of scores that depend on the responses of those respondents, too, whose answers cannot be used."""


def suppress(comparison: Comparison) -> Comparison:
    """The comparison as a bundle holds it: with the tables that may be shared, and nothing of cells that are too small.

    Not even the number of respondents of such a cell is left.

    Raises BundleError where it has numbers of cells with fewer than `SAFE_MIN_N` people.
    """
    least = int(comparison.receipt["settings"]["min_n"])
    if least < SAFE_MIN_N:
        raise BundleError(
            f"The comparison shows cells of {least} people and more; to share it, make it with --min-n {SAFE_MIN_N}."
        )
    protected = protect(comparison)
    tables = {name: table for name, table in protected.tables.items() if name in load_shared_columns()}
    return Comparison(protected.receipt, tables)


def protect(comparison: Comparison) -> Comparison:
    """The comparison without what is known of small cells, and without others that they could be computed from.

    Such cells then are too small as well, and nothing is said of their groups over all items, for a mean less what is
    shown is what is not. Where two sources answer for the same people but a few, the people of the source with more
    stand for those of both, so that nobody sees the few by taking one from the other. Numbers are rounded, so that
    they do not serve to verify a guess at single responses.
    """
    least = int(comparison.receipt["settings"]["min_n"])
    tables = dict(comparison.tables)
    edition = comparison.receipt["reference"]["edition"]
    complements = pl.concat([_complements(tables["scores"], least, edition), _hidden_elsewhere(tables["scores"])])
    complements = complements.unique()
    tables["scores"] = _without(tables["scores"], complements, least)
    small = tables["scores"].filter("is_too_small").select("answers", *CELL)
    for name in BY_CELL:
        if name in tables:
            tables[name] = _anti(tables[name], small if "answers" in tables[name].columns else small.drop("answers"))
    tables["distances"] = _emptied(tables["distances"], small)
    for name in ("individuals", "individuals_summary"):
        if not tables[name].is_empty():
            tables[name] = tables[name].filter(pl.col("n") >= least)
    enough = pl.when(pl.col("n_responses") >= least).then("n_responses")
    tables["table_2"] = tables["table_2"].with_columns(enough.alias("n_responses"))
    tables.pop(NONRESPONSE, None)  # counts of few who did not know; a bundle has none of it
    tables[GROUPINGS] = protect_groupings(tables[GROUPINGS], least)
    _drop_groups(tables, complements)
    tables["distributions"] = _same_humans(tables["distributions"], comparison.tables["scores"], least)
    tables["counts"], receipt = _without_few_nonresponses(tables["counts"], comparison.receipt, least)
    return Comparison(receipt, {name: round_numbers(table) for name, table in tables.items()})


def _on(table: pl.DataFrame, keys: pl.DataFrame) -> list[str]:
    """The columns by which a table is joined with cells or groups: those of these keys that it has."""
    return [name for name in keys.columns if name in table.columns]


def _anti(table: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table that are of none of these cells or groups."""
    return table.join(cells, on=_on(table, cells), how="anti", maintain_order="left", nulls_equal=True)


def _semi(table: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table that are of one of these groups; where it has labels alone, of none that is not."""
    return table.join(shown, on=_on(table, shown), how="semi", maintain_order="left", nulls_equal=True)


def _complements(scores: pl.DataFrame, least: int, edition: str | None) -> pl.DataFrame:
    """The cells that are shown and from which a small one could be computed."""
    found: set[tuple[str, str, str, str | None]] = set()
    known: dict[frozenset[tuple[Group, int | None, bool]], set[Group]] = {}
    # where answers are held against other respondents than those they are for, either can be small
    for column in ("n_responses", "n_examples"):
        for (_, item_id), cells in scores.group_by("answers", "item_id", maintain_order=True):
            names: dict[Group, tuple[str, str, str | None]] = {}
            counts: dict[Group, int] = {}
            hidden: set[Group] = set()
            for grouping, label, codes, n, is_small in cells.select(*GROUP, column, "is_too_small").iter_rows():
                group = group_of(grouping, codes)
                names[group] = grouping, label, codes
                if n is not None:
                    counts[group] = n
                if is_small:
                    hidden.add(group)
            key = frozenset((group, counts.get(group), group in hidden) for group in names)
            if key not in known:
                known[key] = find_complements(counts, hidden, least, edition)
            found |= {(str(item_id), *names[group]) for group in known[key]}
    return pl.DataFrame(sorted(found, key=str), schema=dict.fromkeys(CELL, pl.String), orient="row")


def _without(scores: pl.DataFrame, complements: pl.DataFrame, least: int) -> pl.DataFrame:
    """Scores in which these cells are too small, and nothing is said of cells that are.

    Bounds are left out where they depend on the responses of a few respondents beyond those of the cell.
    """
    marked = scores.join(
        complements.with_columns(is_complement=True), on=CELL, how="left", maintain_order="left", nulls_equal=True
    )
    is_small = pl.col("is_too_small") | pl.col("is_complement").fill_null(False)
    is_few = pl.col("n_missing").is_between(1, least - 1).fill_null(False)
    numbers = [name for name, kind in scores.schema.items() if kind.is_float() or name in COUNTS]
    kept = [
        pl.when(~(is_small | is_few) if name in BOUNDS else ~is_small).then(pl.col(name)).alias(name)
        for name in numbers
    ]
    reasons = marked.with_columns(*kept, is_small.alias("is_too_small")).select(scores.columns)
    # how many of a group gave no response is about the respondents, not about the answers
    words = pl.col("left_out").str.replace(rf"{NO_RESPONSE} \d+(, )?", "").str.strip_suffix(", ")
    return reasons.with_columns(pl.when(words != "").then(words).alias("left_out"))


def _without_few_nonresponses(
    counts: pl.DataFrame, receipt: Mapping[str, Any], least: int
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Counts and receipt that do not say where fewer than `least` respondents gave no response to an item.

    All rows less those of the other outcomes would say it, so the number of rows goes as well; and so does the total.
    """
    is_few = pl.col(NO_RESPONSE).is_between(1, least - 1) | pl.col(NO_RESPONSE).is_null()
    concerned = set(counts.filter(is_few)["answers"].to_list())
    kept = [pl.when(~is_few).then(pl.col(name)).alias(name) for name in ("n_rows", NO_RESPONSE)]
    outcomes = {
        name: {**of, "n_rows": None, NO_RESPONSE: None} if name in concerned else of
        for name, of in receipt["outcomes"].items()
    }
    return counts.with_columns(kept), {**receipt, "outcomes": outcomes}


def _emptied(table: pl.DataFrame, small: pl.DataFrame) -> pl.DataFrame:
    """A table in which the cells that are too small have no number."""
    marked = table.join(
        small.with_columns(is_small=True), on=["answers", *CELL], how="left", maintain_order="left", nulls_equal=True
    ).with_columns(pl.col("is_small").fill_null(False))
    numbers = [name for name, kind in table.schema.items() if kind.is_float()]
    return marked.with_columns(pl.when(~pl.col("is_small")).then(pl.col(name)).alias(name) for name in numbers).select(
        table.columns
    )


def _hidden_elsewhere(scores: pl.DataFrame) -> pl.DataFrame:
    """The cells of which a bundle does not say how many people they have, and another source does."""
    is_hidden = pl.col("is_too_small") & pl.col("n_responses").is_null()
    hidden = scores.filter(is_hidden).select(CELL).unique()
    shown = scores.filter(~pl.col("is_too_small")).select(CELL).unique()
    return hidden.join(shown, on=CELL, how="semi", nulls_equal=True)


def _drop_groups(tables: dict[str, pl.DataFrame], complements: pl.DataFrame) -> None:
    """Take out what is said over all items of groups that are hidden for an item for another's sake, or for all."""
    scores = tables["scores"]
    groups = scores.select("answers", *GROUP).unique(maintain_order=True)
    shown = _anti(
        _semi(groups, scores.filter(~pl.col("is_too_small")).select(groups.columns).unique()),
        complements.drop("item_id"),
    )
    for name in BY_GROUP:
        tables[name] = _of_groups(tables[name], shown, groups)
    by_country = shown.filter(grouping=COUNTRY).select("answers", country=pl.col("group_codes").cast(pl.Int64))
    tables["countries"] = _semi(tables["countries"], by_country)
    sources = scores["answers"].n_unique()
    by_all = shown.group_by(GROUP, maintain_order=True).len().filter(len=sources).select(GROUP)
    for name in COMPARED_BY_GROUP:
        if name in tables:
            tables[name] = _of_groups(tables[name], by_all, groups.select(GROUP).unique(maintain_order=True))
    # these are of all groups of a grouping together
    concerned = complements.select("grouping").unique()
    for name in BY_GROUPING:
        if name in tables:
            tables[name] = _anti(tables[name], concerned)


def _of_groups(table: pl.DataFrame, shown: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """The rows of these groups; of a table without codes, those whose label no other group has that is not shown."""
    if "group_codes" in table.columns:
        return _semi(table, shown)
    return _anti(table, _anti(groups, shown).drop("group_codes"))


def _same_humans(distributions: pl.DataFrame, scores: pl.DataFrame, least: int) -> pl.DataFrame:
    """Distributions in which the people of a cell are those of a source with more of them, where few differ."""
    n = scores.select("answers", *CELL, n="n_responses")
    rows = distributions.join(
        n, on=["answers", *CELL], how="left", maintain_order="left", nulls_equal=True
    ).with_row_index("row")
    differ = rows.group_by(*CELL, "rating").agg(pl.col("humans").n_unique()).filter(pl.col("humans") > 1)
    concerned = rows.join(differ.select(CELL).unique(), on=CELL, how="semi", maintain_order="left", nulls_equal=True)
    taken: list[tuple[int, int]] = []
    for _, cell in concerned.group_by(CELL, maintain_order=True):
        sources = [
            one
            for _, one in cell.sort("n", descending=True, maintain_order=True).group_by("answers", maintain_order=True)
        ]
        counts = [(one["humans"] * one["n"]).to_numpy() for one in sources]
        stand: list[int] = []
        for place, own in enumerate(counts):
            near = next((other for other in stand if np.abs(own - counts[other]).sum() < least), None)
            if near is None:
                stand.append(place)
            else:
                taken += zip(sources[place]["row"], sources[near]["row"], strict=True)
    if not taken:
        return distributions
    humans = ["humans", "humans_low", "humans_high"]
    theirs = pl.DataFrame(taken, schema={"row": rows.schema["row"], "of": rows.schema["row"]}, orient="row").join(
        rows.select("row", **{f"their_{name}": name for name in humans}), left_on="of", right_on="row", how="left"
    )
    joined = rows.join(theirs, on="row", how="left", maintain_order="left")
    is_taken = pl.col("of").is_not_null()
    kept = [pl.when(is_taken).then(pl.col(f"their_{name}")).otherwise(pl.col(name)).alias(name) for name in humans]
    return joined.with_columns(kept).select(distributions.columns)
