"""Summaries of scores over items: mean, spread, and attainment at a row of thresholds."""

import polars as pl

from worldvaluesbench.scoring.baselines import BASELINES

THRESHOLDS = tuple(step / 20 for step in range(21))
"""0, 0.05, ... 1: the distances at which attainment is measured."""

TOLERANCE = 1e-12
"""A distance is at a threshold if it exceeds it by no more than this, for 0.05 has no exact binary form."""

SET_COLUMNS = ("answers", "reference", "edition", "grouping", "group", "group_codes", "answered_by")
"""What tells one set of items from another in a summary."""


def summarise(table: pl.DataFrame) -> pl.DataFrame:
    """Mean and spread over items of the distances in a table of scores, for the answers and for each baseline.

    `sd` divides by the number of items, not by one less: of the two only this agrees with the spreads that the paper
    prints. Items without a distance are left out; `n_items` says how many are in.
    """
    distance = pl.col("distance")
    return _by_set(table).agg(
        n_items=distance.count().cast(pl.Int64),
        mean=distance.mean(),
        sd=distance.std(ddof=0),
        attained_0_1=_share_within(0.1),
        attained_0_2=_share_within(0.2),
    )


def attain(table: pl.DataFrame) -> pl.DataFrame:
    """Attainment: the share of items whose distance is at or under a threshold, for each of `THRESHOLDS`."""
    shares = [_share_within(threshold).alias(str(threshold)) for threshold in THRESHOLDS]
    wide = _by_set(table).agg(*shares, n_items=pl.col("distance").count().cast(pl.Int64))
    return wide.select(
        *SET_COLUMNS,
        threshold=pl.lit(list(THRESHOLDS), dtype=pl.List(pl.Float64)),
        share=pl.concat_list(map(str, THRESHOLDS)),
        n_items="n_items",
    ).explode("threshold", "share")


def _share_within(threshold: float) -> pl.Expr:
    return (pl.col("distance") <= threshold + TOLERANCE).mean()


def _by_set(table: pl.DataFrame) -> "pl.dataframe.group_by.GroupBy":
    """The distances of the answers and of both baselines in long form, grouped into sets of items."""
    names = {"distance": pl.col("answers"), **{name: pl.lit(name) for name in BASELINES}}
    keys = [name for name in SET_COLUMNS if name != "answered_by"]
    long = [table.select(*keys, answered_by=name, distance=column) for column, name in names.items()]
    order = table.select(keys).unique(maintain_order=True).with_row_index("set")
    together = pl.concat(long).join(order, on=keys, nulls_equal=True, maintain_order="left")
    return together.sort("set", maintain_order=True).group_by(SET_COLUMNS, maintain_order=True)
