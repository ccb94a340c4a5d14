"""Suppression: what is taken out of a comparison before it is shared, so that no small group can be read from it."""

import numpy as np
import polars as pl

from worldvaluesbench.errors import BundleError
from worldvaluesbench.reporting.bundle_tables import SAFE_MIN_N
from worldvaluesbench.reporting.complement import Group, find_complements
from worldvaluesbench.scoring.comparison import Comparison
from worldvaluesbench.scoring.groups import EVERYONE
from worldvaluesbench.scoring.nonresponse import NONRESPONSE
from worldvaluesbench.scoring.without_level import GROUPINGS, protect_groupings

CELL = ("item_id", "grouping", "group")
COUNTS = ("n_responses", "n_effective", "n_answers", "n_examples", "n_missing", "coverage", "left_out")
COUNTRY = "B_COUNTRY"
BY_GROUP = ("summary", "attainment", "individuals_summary", "collapse_summary")
COMPARED_BY_GROUP = ("leaderboard", "pairs", "demographics", "draws")
"""Tables with a row for each group, of one source and of all together."""

BY_GROUPING = ("disparity", "determination", "determination_summary")
"""Tables with a row for all groups of a grouping together."""

BY_CELL = ("distributions", "individuals", "collapse")
"""Tables with a row for each cell that has a number."""


def suppress(comparison: Comparison) -> Comparison:
    """The comparison without what is known of cells that are too small: not even how many people they have.

    Raises BundleError where it has numbers of cells with fewer than `SAFE_MIN_N` people.
    """
    least = int(comparison.receipt["settings"]["min_n"])
    if least < SAFE_MIN_N:
        raise BundleError(
            f"The comparison shows cells of {least} people and more; to share it, make it with --min-n {SAFE_MIN_N}."
        )
    return protect(comparison)


def protect(comparison: Comparison) -> Comparison:
    """The comparison without what is known of small cells, and without others that they could be computed from.

    Such cells then are too small as well, and nothing is said of their groups over all items, for a mean less what is
    shown is what is not. Where two sources answer for the same people but a few, the people of the source with more
    stand for those of both, so that nobody sees the few by taking one from the other.
    """
    least = int(comparison.receipt["settings"]["min_n"])
    tables = dict(comparison.tables)
    complements = pl.concat([_complements(tables["scores"], least), _hidden_elsewhere(tables["scores"])]).unique()
    tables["scores"] = _without(tables["scores"], complements)
    small = tables["scores"].filter("is_too_small").select("answers", *CELL)
    for name in BY_CELL:
        tables[name] = tables[name].join(small, on=["answers", *CELL], how="anti", maintain_order="left")
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
    return Comparison(comparison.receipt, tables)


def _complements(scores: pl.DataFrame, least: int) -> pl.DataFrame:
    """The cells that are shown and from which a small one could be computed."""
    found: set[tuple[str, str, str]] = set()
    known: dict[frozenset[tuple[Group, int | None, bool]], set[Group]] = {}
    small = (pl.col("n_responses") > 0) & (pl.col("n_responses") < least)
    concerned = scores.filter(small).select("answers", "item_id").unique()
    rows = scores.join(concerned, on=["answers", "item_id"], how="semi", maintain_order="left")
    for (_, item_id), cells in rows.group_by("answers", "item_id", maintain_order=True):
        names: dict[Group, tuple[str, str]] = {}
        counts: dict[Group, int] = {}
        hidden: set[Group] = set()
        for grouping, label, codes, n, is_small in cells.select(
            "grouping", "group", "group_codes", "n_responses", "is_too_small"
        ).iter_rows():
            group = _group_of(grouping, codes)
            names[group] = grouping, label
            if n is not None:
                counts[group] = n
            if is_small:
                hidden.add(group)
        key = frozenset((group, counts.get(group), group in hidden) for group in names)
        if key not in known:
            known[key] = find_complements(counts, hidden, least)
        found |= {(str(item_id), *names[group]) for group in known[key]}
    return pl.DataFrame(sorted(found), schema=dict.fromkeys(CELL, pl.String), orient="row")


def _group_of(grouping: str, codes: str | None) -> Group:
    """The group of a row of scores by attributes and codes; everybody is the empty one."""
    if grouping == EVERYONE or codes is None:
        return frozenset()
    return frozenset(zip(grouping.split("*"), map(int, codes.split("·")), strict=True))


def _without(scores: pl.DataFrame, complements: pl.DataFrame) -> pl.DataFrame:
    """Scores in which these cells are too small, and nothing is said of cells that are."""
    marked = scores.join(complements.with_columns(is_complement=True), on=CELL, how="left", maintain_order="left")
    is_small = pl.col("is_too_small") | pl.col("is_complement").fill_null(False)
    numbers = [name for name, kind in scores.schema.items() if kind.is_float() or name in COUNTS]
    kept = [pl.when(~is_small).then(pl.col(name)).alias(name) for name in numbers]
    return marked.with_columns(*kept, is_small.alias("is_too_small")).select(scores.columns)


def _emptied(table: pl.DataFrame, small: pl.DataFrame) -> pl.DataFrame:
    """A table in which the cells that are too small have no number."""
    marked = table.join(
        small.with_columns(is_small=True), on=["answers", *CELL], how="left", maintain_order="left"
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
    return hidden.join(shown, on=CELL, how="semi")


def _drop_groups(tables: dict[str, pl.DataFrame], complements: pl.DataFrame) -> None:
    """Take out what is said over all items of groups that are hidden for an item for another's sake, or for all."""
    shown = tables["scores"].filter(~pl.col("is_too_small")).select("answers", "grouping", "group").unique()
    shown = shown.join(complements, on=["grouping", "group"], how="anti")
    for name in BY_GROUP:
        tables[name] = tables[name].join(shown, on=shown.columns, how="semi", maintain_order="left")
    by_country = shown.filter(grouping=COUNTRY).select("answers", name="group")
    tables["countries"] = tables["countries"].join(
        by_country, on=["answers", "name"], how="semi", maintain_order="left"
    )
    sources = tables["scores"]["answers"].n_unique()
    by_all = shown.group_by("grouping", "group").len().filter(len=sources).select("grouping", "group")
    for name in COMPARED_BY_GROUP:
        tables[name] = tables[name].join(by_all, on=by_all.columns, how="semi", maintain_order="left")
    # these are of all groups of a grouping together
    concerned = complements.select("grouping").unique()
    for name in BY_GROUPING:
        if name in tables:
            tables[name] = tables[name].join(concerned, on="grouping", how="anti", maintain_order="left")


def _same_humans(distributions: pl.DataFrame, scores: pl.DataFrame, least: int) -> pl.DataFrame:
    """Distributions in which the people of a cell are those of a source with more of them, where few differ."""
    n = scores.select("answers", *CELL, n="n_responses")
    rows = distributions.join(n, on=["answers", *CELL], how="left", maintain_order="left").with_row_index("row")
    differ = rows.group_by(*CELL, "rating").agg(pl.col("humans").n_unique()).filter(pl.col("humans") > 1)
    concerned = rows.join(differ.select(CELL).unique(), on=CELL, how="semi", maintain_order="left")
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
