"""Distributions by group: `marginal` gives everybody's to everybody, `cell` gives each person their group's."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.baselines._chain import Level
from worldvaluesbench.baselines._counts import effective_counts
from worldvaluesbench.baselines._people import People, Points
from worldvaluesbench.errors import DatasetError
from worldvaluesbench.planning import ExampleSet, Rows
from worldvaluesbench.stats import Array, find_concentration, shares_of, shrink
from worldvaluesbench.survey import Codebook, Item, load_marginals

EVERYBODY = "all"
"""The name of the grouping at the top of every chain, and of its one group."""

SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "grouping": pl.String,
    "group_codes": pl.String,
    "n": pl.Float64,
    "concentration": pl.Float64,
    "probabilities": pl.List(pl.Float64),
}
"""The columns of a table of distributions, behind `item_id`."""


@dataclass(frozen=True)
class Distributions:
    """For each item a distribution of every group of a chain: everybody's, then level by level.

    `levels` are the steps below everybody. `n` and `shares`, by item, are of shapes (groups,) and (groups, points), the
    groups of all steps one after another; `concentrations`, by item, has one for each level.
    """

    levels: tuple[Level, ...] = field(repr=False)
    n: Mapping[str, Array] = field(repr=False)
    concentrations: Mapping[str, tuple[float, ...]] = field(repr=False)
    shares: Mapping[str, Array] = field(repr=False)

    def probabilities(self, item_id: str, rows: Rows) -> Array:
        """The distributions of the finest groups that these respondents are in, shape (rows, points)."""
        place = np.zeros(rows.size, dtype=np.int64)
        start = 1
        for level in self.levels:
            member = level.member[rows]
            place = np.where(member >= 0, start + member, place)
            start += len(level.codes)
        return self.shares[item_id][place]

    def table(self, codebook: Codebook) -> pl.DataFrame:
        """Everything that was fitted: one row an item and group."""
        names, codes = _groups_of(self.levels)
        parts = []
        for item_id, shares in self.shares.items():
            by_level = [None, *self.concentrations[item_id]]
            sizes = [1, *(len(level.codes) for level in self.levels)]
            concentrations = [one for one, size in zip(by_level, sizes, strict=True) for _ in range(size)]
            columns = [names, codes, self.n[item_id], concentrations, shares.tolist()]
            frame = pl.DataFrame(dict(zip(SCHEMA, columns, strict=True)), schema=dict(SCHEMA))
            parts.append(frame.select(pl.lit(item_id).cast(pl.Enum(codebook.item_ids)).alias("item_id"), pl.all()))
        return pl.concat(parts)


def fit_distributions(people: People, item_ids: Iterable[str], levels: Sequence[Level] = ()) -> Distributions:
    """Fit the distributions of some items to people; without levels, everybody's only.

    Everybody's are the shares as they are. From there on each level is shrunk towards the one above it (`shrink`), by
    a concentration of its own for every item (`find_concentration`). A group that is all there is of the one above it
    says nothing of how groups differ and is left out in finding the concentration.

    Raises DatasetError where nobody has a response to an item.
    """
    fitted = {}
    for item_id in item_ids:
        item = people.dataset.codebook.item(item_id)
        who, points = people.responses_to(item)
        members = [level.member[people.rows[who]] for level in levels]
        fitted[item_id] = _fit_item(points, people.weights_of(who), levels, members, item)
    return Distributions(
        tuple(levels),
        {item_id: n for item_id, (n, _, _) in fitted.items()},
        {item_id: concentrations for item_id, (_, concentrations, _) in fitted.items()},
        {item_id: shares for item_id, (_, _, shares) in fitted.items()},
    )


def with_world_marginals(examples: ExampleSet) -> ExampleSet:
    """The examples whose items have world marginals; the others are left out, and counted so.

    Raises DatasetError where no item has any.
    """
    known = load_marginals(examples.dataset.codebook).item_ids
    counts = {item_id: n for item_id, n in examples.counts.items() if item_id in known}
    if not counts:
        raise DatasetError(f"{', '.join(examples.item_ids)} has no world marginals; take those of the train split.")
    return replace(examples, counts=counts, n_left_out=examples.n_left_out + examples.n - sum(counts.values()))


def world_distributions(item_ids: Iterable[str], codebook: Codebook) -> Distributions:
    """Everybody's distributions as all interviews of file version 5 have them, for items that have world marginals."""
    marginals = load_marginals(codebook)
    counts = {item_id: marginals.counts(item_id)[None, :] for item_id in item_ids}
    return Distributions(
        (),
        {item_id: one.sum(axis=-1).astype(np.float64) for item_id, one in counts.items()},
        dict.fromkeys(counts, ()),
        {item_id: shares_of(one) for item_id, one in counts.items()},
    )


def distributions_of(table: pl.DataFrame, levels: Sequence[Level]) -> Distributions:
    """What `Distributions.table` gave, with the groups of the respondents it is to be used for.

    Raises DatasetError where the groups are others.
    """
    names, codes = _groups_of(levels)
    parts = table.with_columns(pl.col("item_id").cast(pl.String)).partition_by("item_id", maintain_order=True)
    for part in parts:
        if part["grouping"].to_list() != names or part["group_codes"].to_list() != codes:
            raise DatasetError(f"{part['item_id'][0]}: the fit is of other groups; fit again in another folder.")
    firsts = list(np.cumsum([1, *(len(level.codes) for level in levels)])[:-1])
    ids = [str(part["item_id"][0]) for part in parts]
    return Distributions(
        tuple(levels),
        {item_id: part["n"].to_numpy() for item_id, part in zip(ids, parts, strict=True)},
        {item_id: tuple(part["concentration"].gather(firsts)) for item_id, part in zip(ids, parts, strict=True)},
        {item_id: np.array(part["probabilities"].to_list()) for item_id, part in zip(ids, parts, strict=True)},
    )


def _fit_item(
    points: Points, weights: Array | None, levels: Sequence[Level], members: Sequence[NDArray[np.int32]], item: Item
) -> tuple[Array, tuple[float, ...], Array]:
    """How many people, the concentrations and the shares of all groups, level by level, for one item."""
    n_points = item.scale.n_points
    everybody = np.zeros(points.size, dtype=np.int32)
    counts = effective_counts(everybody, points, 1, n_points, weights)
    n, concentrations, shares = [counts.sum(axis=-1)], [], [shares_of(counts)]
    above = everybody
    for level, member in zip(levels, members, strict=True):
        means = shares[-1][level.parent]
        counts = effective_counts(member, points, len(level.codes), n_points, weights)
        told = counts * ~_are_alone(level, member, above)[:, None]
        concentrations.append(find_concentration(told, means))
        n.append(counts.sum(axis=-1))
        shares.append(shrink(counts, means, concentrations[-1]))
        above = member
    return np.concatenate(n), tuple(concentrations), np.vstack(shares)


def _are_alone(level: Level, member: NDArray[np.int32], above: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which groups have all the people of the group that they stand in."""
    n = np.bincount(member[member >= 0], minlength=len(level.codes))
    n_above = np.bincount(above[above >= 0], minlength=int(level.parent.max(initial=0)) + 1)
    alone: NDArray[np.bool_] = n == n_above[level.parent]
    return alone


def _groups_of(levels: Sequence[Level]) -> tuple[list[str], list[str]]:
    """Grouping and codes of all groups of a chain, in order."""
    names = [EVERYBODY] + [level.grouping.name for level in levels for _ in level.codes]
    codes = [EVERYBODY] + [code for level in levels for code in level.codes]
    return names, codes
