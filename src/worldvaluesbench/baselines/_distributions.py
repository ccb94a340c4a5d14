"""`marginal` and `cell`: response distributions of the whole population, and of the group of each respondent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from worldvaluesbench.baselines._respondents import Level, Members, Respondents, effective_counts
from worldvaluesbench.errors import DatasetError
from worldvaluesbench.planning import ExampleSet, Rows
from worldvaluesbench.stats import Array, Mask, find_concentration, shares_of, shrink
from worldvaluesbench.survey import Codebook, load_marginals

POPULATION = "all"
"""The name of the grouping at the top of every chain, and of its one group."""

FILE = "distributions.parquet"


@dataclass(frozen=True)
class Distributions:
    """For each item the response distribution of every group of a chain: of the population, then level by level.

    `table` has a row per item and group: `item_id`, `grouping`, `group_codes`, `n` (effective number of respondents),
    `concentration` (null for the population) and `probabilities`.
    """

    levels: tuple[Level, ...] = field(repr=False)
    table: pl.DataFrame = field(repr=False)

    def probabilities(self, item_id: str, rows: Rows) -> Array:
        """The distributions of the finest groups that these respondents are in, shape (rows, points)."""
        place = np.zeros(rows.size, dtype=np.int64)
        start = 1
        for level in self.levels:
            member = level.member[rows]
            place = np.where(member >= 0, start + member, place)
            start += len(level.codes)
        return self._shares[item_id][place]

    @cached_property
    def _shares(self) -> dict[str, Array]:
        parts = self.table.group_by("item_id", maintain_order=True)
        return {str(item_id): np.array(part["probabilities"].to_list()) for (item_id,), part in parts}

    def write(self, folder: Path) -> None:
        """Write the table to a fit folder."""
        self.table.write_parquet(folder / FILE, compression="zstd")


def fit_distributions(fitted_on: Respondents, item_ids: Iterable[str], levels: Sequence[Level] = ()) -> Distributions:
    """Estimate the distributions of some items; without levels, only those of the population.

    The population's are the plain shares. Below it each level is shrunk towards the one above (`shrink`), with one
    concentration per item and level (`find_concentration`). A group that is all there is of the one above it says
    nothing of how groups differ and is left out in finding the concentration.

    Raises DatasetError where there is no response to an item.
    """
    codebook = fitted_on.dataset.codebook
    parts = []
    for item_id in item_ids:
        item = codebook.item(item_id)
        given, _, points = fitted_on.responses_to(item)
        member: Members = np.zeros(points.size, dtype=np.int32)
        counts = effective_counts(member, points, 1, item.scale.n_points, given.weights)
        n, concentrations, shares = [counts.sum(axis=-1)], [], [shares_of(counts)]
        for level in levels:
            above, member = member, level.member[given.rows]
            means = shares[-1][level.parent]
            counts = effective_counts(member, points, len(level.codes), item.scale.n_points, given.weights)
            concentrations.append(find_concentration(counts * ~_are_alone(level, member, above)[:, None], means))
            n.append(counts.sum(axis=-1))
            shares.append(shrink(counts, means, concentrations[-1]))
        parts.append(_table_of(item_id, codebook, levels, np.concatenate(n), concentrations, np.vstack(shares)))
    return Distributions(tuple(levels), pl.concat(parts))


def with_world_marginals(examples: ExampleSet) -> ExampleSet:
    """The examples whose items have world marginals; the others are counted as left out.

    Raises DatasetError where no item has any.
    """
    known = load_marginals(examples.dataset.codebook).item_ids
    counts = {item_id: n for item_id, n in examples.counts.items() if item_id in known}
    if not counts:
        raise DatasetError(f"{', '.join(examples.item_ids)} has no world marginals; take those of the train split.")
    return replace(examples, counts=counts, n_left_out=examples.n_left_out + examples.n - sum(counts.values()))


def world_distributions(item_ids: Iterable[str], codebook: Codebook) -> Distributions:
    """The world marginals of some items: the shares of all interviews of file version 5."""
    marginals = load_marginals(codebook)
    parts = []
    for item_id in item_ids:
        counts = marginals.counts(item_id)[None, :].astype(np.float64)
        parts.append(_table_of(item_id, codebook, (), counts.sum(axis=-1), (), shares_of(counts)))
    return Distributions((), pl.concat(parts))


def read_distributions(folder: Path, levels: Sequence[Level]) -> Distributions:
    """The distributions of a fit folder, for the groups of this dataset.

    Raises DatasetError where the groups differ.
    """
    found = Distributions(tuple(levels), pl.read_parquet(folder / FILE, glob=False))
    names, codes = _groups_of(levels)
    for (item_id,), part in found.table.group_by("item_id", maintain_order=True):
        if part["grouping"].to_list() != names or part["group_codes"].to_list() != codes:
            raise DatasetError(f"{item_id}: the fit is of other groups; fit again in another folder.")
    return found


def _table_of(
    item_id: str, codebook: Codebook, levels: Sequence[Level], n: Array, concentrations: Sequence[float], shares: Array
) -> pl.DataFrame:
    names, codes = _groups_of(levels)
    of_levels = [one for level, one in zip(levels, concentrations, strict=True) for _ in level.codes]
    return pl.DataFrame(
        {
            "item_id": pl.repeat(item_id, len(names), dtype=pl.Enum(codebook.item_ids), eager=True),
            "grouping": names,
            "group_codes": codes,
            "n": n,
            "concentration": pl.Series([None, *of_levels], dtype=pl.Float64),
            "probabilities": pl.Series(shares.tolist(), dtype=pl.List(pl.Float64)),
        }
    )


def _are_alone(level: Level, member: Members, above: Members) -> Mask:
    """Which groups have all the respondents of the group above them."""
    n = np.bincount(member[member >= 0], minlength=len(level.codes))
    n_above = np.bincount(above[above >= 0], minlength=int(level.parent.max(initial=0)) + 1)
    return np.asarray(n == n_above[level.parent])


def _groups_of(levels: Sequence[Level]) -> tuple[list[str], list[str]]:
    """Grouping and codes of all groups of a chain, in order."""
    names = [POPULATION] + [level.grouping.name for level in levels for _ in level.codes]
    return names, [POPULATION] + [code for level in levels for code in level.codes]
