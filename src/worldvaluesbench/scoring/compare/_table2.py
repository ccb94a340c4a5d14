"""Table 2 of the paper as data, for any set of sources; and distances by country, as a map needs them."""

from collections.abc import Mapping

import polars as pl

from worldvaluesbench.scoring import Scores
from worldvaluesbench.scoring.sources import EVERYONE, MAJORITY, ORACLE, UNIFORM, Sort, pairs_of
from worldvaluesbench.survey import load_codebook

DECIMALS = 2
"""Distances are told apart as far as the paper prints them."""

COUNTRY = "B_COUNTRY"


def table_2(scores: pl.DataFrame, sorts: Mapping[str, Sort]) -> pl.DataFrame:
    """A row for each item and column of Table 2: the distances of sources, from their scores, with the paper's marks.

    `kind` is that of the column: `oracle` (uniform, majority), `baseline`, `without` or `with` demographics. `is_best`:
    nearest of all in its row, as printed; `is_best_of_kind`: of its kind; `is_better_of_pair`: of the two of one model,
    without and with demographics, it is not the farther one. Ties are marked together.
    """
    pooled = scores.filter(pl.col("grouping") == EVERYONE)
    kinds = {name: sort.kind for name, sort in sorts.items()} | {UNIFORM: ORACLE, MAJORITY: ORACLE}
    other = {a: b for pair in pairs_of(sorts) for a, b in ((pair.without, pair.shown), (pair.shown, pair.without))}
    columns = ("item_id", "topic", "n_responses", "noise_floor")
    # of the first source that has a number for the item
    first = pooled.sort(pl.col(UNIFORM).is_null(), maintain_order=True).unique("item_id", keep="first")
    oracles = [first.select(*columns, answers=pl.lit(name), distance=name) for name in (UNIFORM, MAJORITY)]
    own = pooled.select(*columns, "answers", "distance", "low", "high", "corrected")
    printed = pl.col("printed")
    long = pl.concat([*oracles, own], how="diagonal").with_columns(
        printed=pl.Series([_as_printed(row) for one in (*oracles, own) for row in one["distance"]], dtype=pl.Float64),
        kind=pl.col("answers").replace_strict(kinds, return_dtype=pl.String),
        partner=pl.col("answers").replace_strict(other, default=None, return_dtype=pl.String),
    )
    partners = long.select("item_id", partner="answers", printed_of_partner=printed)
    order = {item_id: place for place, item_id in enumerate(load_codebook().item_ids)}
    return (
        long.join(partners, on=["item_id", "partner"], how="left", maintain_order="left")
        .with_columns(
            is_best=(printed == printed.min().over("item_id")).fill_null(False),
            is_best_of_kind=(printed == printed.min().over("item_id", "kind")).fill_null(False),
            is_better_of_pair=(printed <= pl.col("printed_of_partner")).fill_null(False),
        )
        .sort(pl.col("item_id").replace_strict(order, return_dtype=pl.Int64), maintain_order=True)
        .select(
            *columns,
            "answers",
            "kind",
            "distance",
            "low",
            "high",
            "corrected",
            "is_best",
            "is_best_of_kind",
            "is_better_of_pair",
        )
    )


def _as_printed(distance: float | None) -> float | None:
    return None if distance is None else float(f"{distance:.{DECIMALS}f}")


def countries_table(scores: Scores) -> pl.DataFrame:
    """Mean distances by country, ready for a map: code, alpha-3 code, name and continent of each, with intervals.

    Without a row where scores are not grouped by country (`B_COUNTRY`).
    """
    countries = pl.DataFrame(
        [
            {"group_codes": str(country.code), "alpha3": country.alpha3, "continent": country.continent}
            for country in scores.reference.codebook.countries
        ]
    )
    by_country = scores.summary.filter((pl.col("grouping") == COUNTRY) & (pl.col("n_items") > 0))
    return by_country.join(countries, on="group_codes", how="left", maintain_order="left").select(
        "answers",
        "answered_by",
        pl.col("group_codes").cast(pl.Int64).alias("country"),
        "alpha3",
        pl.col("group").alias("name"),
        "continent",
        "n_items",
        "n_effective",
        "mean",
        "mean_low",
        "mean_high",
        "mean_corrected",
        "noise_floor",
    )
