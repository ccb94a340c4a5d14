"""The draws of each source's mean distances, group by group, as a table: what paired comparisons are made from.

They are aggregates over people, so that sources can be compared by whoever has the table and not the people: resample b
is the same people in each, where the examples are the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.distribution import Array
from worldvaluesbench.estimate import Floats, Resampling
from worldvaluesbench.scoring.askings import Ints, Mask
from worldvaluesbench.scoring.disparity import comparable_cells
from worldvaluesbench.scoring.groups import Groups
from worldvaluesbench.scoring.paired import Means, resample_means
from worldvaluesbench.scoring.panel import Panel
from worldvaluesbench.scoring.tally import Tally, floors_of, tally_panel

DRAWS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "answers": pl.String,
    "grouping": pl.String,
    "group": pl.String,
    "group_codes": pl.String,
    "n_items": pl.Int64,
    "n_examples": pl.Int64,
    "mean": pl.Float64,
    "corrected": pl.Float64,
    "noise_floor": pl.Float64,
    "noise": pl.List(pl.Float32),
    "n_alike": pl.Int64,
    "alike_mean": pl.Float64,
    "alike": pl.Float64,
    "alike_noise": pl.List(pl.Float32),
}
"""`mean`, `corrected` and `noise_floor` are over the items that every source has a number for in the group, `noise` the
draws around the corrected mean. `alike_mean`, `alike` and `alike_noise` are the same over the `n_alike` items that all
groups of the grouping have; null for a group that lacks too many."""


@dataclass(frozen=True)
class GroupDraws:
    """The draws of all sources for the groups of one grouping.

    `n_items` and `n_examples` have shape (groups,), `noise_floor` (sources, groups). `means` are those of each source
    over the items of each group, `alike` those over the same items in all groups that are in `is_alike`.
    """

    grouping: str
    labels: Sequence[str]
    codes: Sequence[str | None]
    names: Sequence[str]
    n_items: Ints
    n_examples: Ints
    noise_floor: Array
    n_alike: int
    is_alike: Mask
    means: Sequence[Means]
    alike: Sequence[Means]


def draw_groups(
    names: Sequence[str],
    panels: Sequence[Panel],
    groups: Groups,
    strata: NDArray[np.int64] | None,
    resampling: Resampling,
    min_n: int,
) -> pl.DataFrame:
    """The rows of one grouping: every source and every group that has a number for any item in all of them."""
    tallies = [tally_panel(panel, groups.member, len(groups.labels)) for panel in panels]
    is_shown: Mask = np.all([(one.n_responses >= min_n) & (one.n_examples >= min_n) for one in tallies], axis=0)
    kept, items = comparable_cells(is_shown)
    kept &= items.any()  # where all groups lack another item there is nothing that all of them have
    found = resample_means(panels, groups.member, strata, resampling, is_shown, is_shown & kept[:, None] & items)
    n_examples = np.where(is_shown, tallies[0].n_examples, 0).sum(axis=1)
    floors = [_mean_floor(tally, is_shown) for tally in tallies]
    rows = [
        {
            "answers": name,
            "grouping": groups.grouping,
            "group": groups.labels[group],
            "group_codes": groups.codes[group],
            "n_items": int(is_shown[group].sum()),
            "n_examples": int(n_examples[group]),
            "mean": means.value[group],
            "corrected": means.corrected[group],
            "noise_floor": floor[group],
            "noise": means.noise[group].tolist(),
            "n_alike": int(items.sum()),
            "alike_mean": alike.value[group] if kept[group] else None,
            "alike": alike.corrected[group] if kept[group] else None,
            "alike_noise": alike.noise[group].tolist() if kept[group] else None,
        }
        for name, (means, alike), floor in zip(names, found, floors, strict=True)
        for group in np.flatnonzero(is_shown.any(axis=1)).tolist()
    ]
    return pl.DataFrame(rows, schema=DRAWS_SCHEMA, orient="row")


def _mean_floor(tally: Tally, is_shown: Mask) -> list[float | None]:
    """The mean noise floor of the cells of each group that are shown and have one."""
    floors = floors_of(tally)
    is_in = is_shown & ~np.isnan(floors)
    total, n = np.where(is_in, floors, 0).sum(axis=1).tolist(), is_in.sum(axis=1).tolist()
    return [one / many if many else None for one, many in zip(total, n, strict=True)]


def read_draws(table: pl.DataFrame, names: Sequence[str]) -> Iterator[GroupDraws]:
    """The draws of a table, grouping by grouping, for the groups that all of these sources have."""
    for _, of_grouping in table.group_by("grouping", maintain_order=True):
        has_all = of_grouping.group_by("group", "group_codes", maintain_order=True).len().filter(len=len(names))
        rows = [
            has_all.join(
                of_grouping.filter(answers=name), on=["group", "group_codes"], nulls_equal=True, maintain_order="left"
            )
            for name in names
        ]
        first = rows[0]
        if first.is_empty():
            continue
        is_alike = np.all([one["alike"].is_not_null().to_numpy() for one in rows], axis=0)
        width = len(first["noise"][0])
        yield GroupDraws(
            grouping=first["grouping"][0],
            labels=first["group"].to_list(),
            codes=first["group_codes"].to_list(),
            names=names,
            n_items=first["n_items"].to_numpy(),
            n_examples=first["n_examples"].to_numpy(),
            noise_floor=np.array([_floats(one["noise_floor"]) for one in rows]),
            n_alike=int(first["n_alike"][0]),
            is_alike=is_alike,
            means=[Means(_floats(one["mean"]), _floats(one["corrected"]), _noise(one["noise"], width)) for one in rows],
            alike=[
                Means(_floats(one["alike_mean"]), _floats(one["alike"]), _noise(one["alike_noise"], width))
                for one in rows
            ],
        )


def _floats(column: pl.Series) -> Array:
    return column.fill_null(np.nan).to_numpy()


def _noise(column: pl.Series, width: int) -> Floats:
    """Lists of this length as an array (groups, resamples); a row of NaN for a null."""
    none = pl.Series([[float("nan")] * width], dtype=pl.List(pl.Float32))
    filled = column.to_frame("noise").select(pl.coalesce("noise", pl.lit(none).first())).to_series()
    return filled.explode(empty_as_null=False).to_numpy().reshape(-1, width)
