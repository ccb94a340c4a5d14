"""Summaries of scores over items: mean, spread, and attainment at a row of thresholds, with their intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from worldvaluesbench.scoring.sources import BASELINES, Groups
from worldvaluesbench.stats import Array

THRESHOLDS = tuple(step / 20 for step in range(21))
"""0, 0.05, ... 1: the distances at which attainment is measured."""

TOLERANCE = 1e-12
"""A distance is at a threshold if it exceeds it by no more than this, for 0.05 has no exact binary form."""

ANSWERS = "answers"
"""The answers among those whose distances are summarised; the others are baselines."""

SET_COLUMNS = ("answers", "reference", "edition", "weight", "grouping", "group", "group_codes", "answered_by")
"""What tells one set of items from another in a summary."""

_KEYS = [name for name in SET_COLUMNS if name != "answered_by"]
_ON = ["group", "group_codes", "answered_by"]
_PLACE = {threshold: place for place, threshold in enumerate(THRESHOLDS)}
_INTERVALS: dict[str, pl.DataType | type[pl.DataType]] = {
    "group": pl.String,
    "group_codes": pl.String,
    "answered_by": pl.String,
    "mean_low": pl.Float64,
    "mean_high": pl.Float64,
    "mean_corrected": pl.Float64,
    "share_low": pl.List(pl.Float64),
    "share_high": pl.List(pl.Float64),
}


@dataclass(frozen=True)
class SetInterval:
    """The intervals of what is said of all items of a group together, of one answerer.

    `mean` is low and high, `mean_corrected` the mean without its bias, `attained`, shape (thresholds, 2), the band of
    the attainment curve.
    """

    mean: tuple[float, float]
    mean_corrected: float
    attained: Array


SetIntervals = Mapping[tuple[int, str], SetInterval]
"""By the place of the group and the answerer: `ANSWERS`, or a baseline."""


def summarise(table: pl.DataFrame, groups: Groups, intervals: SetIntervals) -> pl.DataFrame:
    """Mean and spread over items of the distances in a table of scores, for the answers and for each baseline.

    `sd` divides by the number of items, not by one less: of the two only this agrees with the spreads that the paper
    prints. `area` is that under the attainment curve, 1 less the mean. Items without a distance are left out; `n_items`
    says how many are in. `noise_floor`, `n_effective` and `design_effect` are means of theirs; null where one has none.
    """
    distance = pl.col("distance")
    found = _by_set(table).agg(
        n_items=distance.count().cast(pl.Int64),
        n_effective=pl.col("n_effective").filter(distance.is_not_null()).mean(),
        mean=distance.mean(),
        sd=distance.std(ddof=0),
        noise_floor=_mean_of_all("noise_floor"),
        design_effect=_mean_of_all("design_effect"),
        area=1 - distance.mean(),
        attained_0_1=_share_within(0.1),
        attained_0_2=_share_within(0.2),
    )
    with_intervals = _join_intervals(found, table, groups, intervals)
    return with_intervals.select(
        *SET_COLUMNS,
        "n_items",
        "n_effective",
        "mean",
        "mean_low",
        "mean_high",
        "mean_corrected",
        "sd",
        "noise_floor",
        "design_effect",
        "area",
        area_low=1 - pl.col("mean_high"),
        area_high=1 - pl.col("mean_low"),
        attained_0_1="attained_0_1",
        attained_0_1_low=pl.col("share_low").list.get(_PLACE[0.1]),
        attained_0_1_high=pl.col("share_high").list.get(_PLACE[0.1]),
        attained_0_2="attained_0_2",
        attained_0_2_low=pl.col("share_low").list.get(_PLACE[0.2]),
        attained_0_2_high=pl.col("share_high").list.get(_PLACE[0.2]),
    )


def attain(table: pl.DataFrame, groups: Groups, intervals: SetIntervals) -> pl.DataFrame:
    """Attainment: the share of items whose distance is at or under a threshold, for each of `THRESHOLDS`."""
    shares = [_share_within(threshold).alias(str(threshold)) for threshold in THRESHOLDS]
    wide = _by_set(table).agg(*shares, n_items=pl.col("distance").count().cast(pl.Int64))
    banded = _join_intervals(wide, table, groups, intervals)
    no_band = pl.lit([None] * len(THRESHOLDS), dtype=pl.List(pl.Float64))
    return banded.select(
        *SET_COLUMNS,
        threshold=pl.lit(list(THRESHOLDS), dtype=pl.List(pl.Float64)),
        share=pl.concat_list(map(str, THRESHOLDS)),
        low=pl.col("share_low").fill_null(no_band),
        high=pl.col("share_high").fill_null(no_band),
        n_items="n_items",
    ).explode("threshold", "share", "low", "high")


def _join_intervals(sets: pl.DataFrame, table: pl.DataFrame, groups: Groups, intervals: SetIntervals) -> pl.DataFrame:
    """Sets of items with their intervals; null where there are none."""
    source = table["answers"][0] if table.height else ""
    rows = [
        {
            "group": groups.labels[group],
            "group_codes": groups.codes[group],
            "answered_by": source if name == ANSWERS else name,
            "mean_low": one.mean[0],
            "mean_high": one.mean[1],
            "mean_corrected": one.mean_corrected,
            "share_low": one.attained[:, 0].tolist(),
            "share_high": one.attained[:, 1].tolist(),
        }
        for (group, name), one in intervals.items()
    ]
    found = pl.DataFrame(rows, schema=_INTERVALS, orient="row")
    return sets.join(found, on=_ON, how="left", nulls_equal=True, maintain_order="left")


def _mean_of_all(name: str) -> pl.Expr:
    """The mean over the items with a distance; null where one of them lacks it, so that all means are over the same."""
    has_distance = pl.col("distance").is_not_null()
    is_there = pl.col(name).is_not_null().filter(has_distance)
    return pl.when(is_there.all()).then(pl.col(name).filter(has_distance).mean())


def _share_within(threshold: float) -> pl.Expr:
    return (pl.col("distance") <= threshold + TOLERANCE).mean()


def _by_set(table: pl.DataFrame) -> "pl.dataframe.group_by.GroupBy":
    """The distances of the answers and of the baselines in long form, grouped into sets of items."""
    names = {"distance": pl.col("answers"), **{name: pl.lit(name) for name in BASELINES}}
    kept = (*_KEYS, "noise_floor", "n_effective", "design_effect")
    long = [table.select(*kept, answered_by=name, distance=column) for column, name in names.items()]
    order = table.select(_KEYS).unique(maintain_order=True).with_row_index("set")
    together = pl.concat(long).join(order, on=_KEYS, nulls_equal=True, maintain_order="left")
    return together.sort("set", maintain_order=True).group_by(SET_COLUMNS, maintain_order=True)
