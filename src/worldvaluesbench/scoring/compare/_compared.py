"""What sources are compared by: distances item by item over the same examples, and how respondents move them.

These are aggregates, and all that ranks, differences and intervals of means are made from. Bootstrap draws are not
among them and are never stored: who is in a draw could be found out, and from enough draws what each one responded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.scoring import How
from worldvaluesbench.scoring.compare._disparity import GroupMeans, comparable_cells, two_way_noise
from worldvaluesbench.scoring.measure import (
    Design,
    Drawing,
    Panel,
    answer_distances,
    draw_people,
    each_batch,
    filled,
    floors_of,
    resampled_distances,
    tally_panel,
    variance_of,
)
from worldvaluesbench.scoring.sources import EVERYONE, Groups, uniform_distances
from worldvaluesbench.stats import MAX_POINTS, Array, Floats, Items, Mask, Moments, Resampling, shares_of
from worldvaluesbench.survey import Item

Schema = dict[str, pl.DataType | type[pl.DataType]]

COMPARED, COVARIANCES = "compared", "covariances"
"""The names of the two tables."""

NUMBERS = ("distance", "corrected", "variance", "noise_floor", "uniform", "squared", "squared_variance")
COMPARED_SCHEMA: Schema = {
    **dict.fromkeys(("answers", "grouping", "group", "group_codes", "item_id", "topic"), pl.String),
    "n_examples": pl.Int64,
    **dict.fromkeys(NUMBERS, pl.Float64),
}
"""A row for each source, group and item that all sources compared have a number for. `variance` and `squared_variance`
are those of `corrected` and `squared` over bootstrap resamples of respondents."""

COVARIANCE = ("covariance", "same_item_covariance")
COVARIANCES_SCHEMA: Schema = {
    **dict.fromkeys(("grouping", "group", "group_codes", "first", "second"), pl.String),
    "n_items": pl.Int64,
    **dict.fromkeys((f"{squared}{name}" for squared in ("", "squared_") for name in COVARIANCE), pl.Float64),
}
"""A row for each pair of sources, each with itself too, and group. `covariance`: the mean covariance, over resamples of
respondents, of one source's value of an item with the other's value of another item; `same_item_covariance`: with the
other's value of the same item."""


@dataclass(frozen=True)
class Compared:
    """Several sources over the groups of one grouping, item by item.

    `is_in`, shape (groups, items): the items for which all sources have a number in the group. Of shape (sources,
    groups, items): `n_examples`, and `values`, those named in `NUMBERS`. `covariances`, shape
    (sources, sources, groups), are those of `COVARIANCES_SCHEMA`, NaN for sources that were not compared together.
    `humans`, shape (groups, items,
    10), are the shares of the humans.
    """

    grouping: str
    labels: Sequence[str]
    codes: Sequence[str | None]
    names: Sequence[str]
    item_ids: Sequence[str]
    topics: Sequence[str]
    is_in: Mask
    n_examples: NDArray[np.int64]
    values: Mapping[str, Array] = field(repr=False)
    covariances: Mapping[str, Array] = field(repr=False)
    humans: Array = field(repr=False)

    @property
    def n_items(self) -> NDArray[np.int64]:
        """How many items each group has, shape (groups,)."""
        return np.asarray(self.is_in.sum(axis=1))

    def mean(self, name: str) -> Array:
        """The mean of one of the numbers over the items of each group, shape (sources, groups); NaN without items."""
        return mean_of(self.values[name], self.is_in)

    def moments(self, source: int, name: str = "corrected") -> Moments:
        """How respondents move the values of one source, `corrected` or `squared`."""
        variance, covariance, _ = self._moments_of(name)
        return Moments(variance[source], covariance[source, source])

    def moments_of_difference(self, first: int, second: int, name: str = "corrected") -> Moments:
        """How respondents move the differences of two sources.

        Of sources that were not compared together it is not known how they move together; then the variances, of items
        and of the mean over items, are the largest that there can be (Cauchy-Schwarz).
        """
        variance, covariance, same = self._moments_of(name)
        is_known = ~np.isnan(covariance[first, second])
        of_items = variance[first] + variance[second] - 2 * same[first, second][:, None]
        together = covariance[first, first] + covariance[second, second] - 2 * covariance[first, second]
        if is_known.all():
            return Moments(np.maximum(of_items, 0), together)
        spread = [np.sqrt(variance[place]) for place in (first, second)]
        n = np.maximum(self.n_items, 2)
        own = [np.where(self.is_in, variance[place], 0).sum(axis=1) / n**2 for place in (first, second)]
        of_mean = [
            np.sqrt(np.maximum(part + covariance[place, place] * (n - 1) / n, 0))
            for part, place in zip(own, (first, second), strict=True)
        ]
        # the least that single items add to the variance of the mean is counted already, by how much they differ
        least = np.where(self.is_in, (spread[0] - spread[1]) ** 2, 0).sum(axis=1) / n**2
        most = ((of_mean[0] + of_mean[1]) ** 2 - least) * n / (n - 1)
        return Moments(
            np.where(is_known[:, None], np.maximum(of_items, 0), (spread[0] + spread[1]) ** 2),
            np.where(is_known, together, most),
        )

    def _moments_of(self, name: str) -> tuple[Array, Array, Array]:
        prefix = "squared_" if name == "squared" else ""
        covariance, same = (self.covariances[f"{prefix}{key}"] for key in COVARIANCE)
        return self.values[f"{prefix}variance"], covariance, same


def mean_of(values: Array, is_in: Mask) -> Array:
    """Means of values (..., groups, items) over the items of each group that are in; NaN where there is none."""
    n = is_in.sum(axis=-1)
    total = np.where(is_in, values, 0).sum(axis=-1)
    found: Array = np.divide(total, n, out=np.full(total.shape, np.nan), where=np.broadcast_to(n > 0, total.shape))
    return found


def compare_groups(
    names: Sequence[str],
    panels: Sequence[Panel],
    groups: Groups,
    design: Design,
    how: How,
    items: Sequence[Item],
) -> tuple[Compared, list[GroupMeans]]:
    """Compare panels of the same examples by the groups of one grouping.

    Also the means of each source over the items that all groups have, with bootstrap noise; none for everybody pooled.
    """
    resampling = how.resampling or Resampling()
    tallies = [tally_panel(panel, groups.member, len(groups.labels)) for panel in panels]
    least = [how.least_n(is_stated=panel.is_stated) for panel in panels]
    is_in: Mask = np.all(
        [(one.n_responses >= n) & (one.n_examples >= n) for one, n in zip(tallies, least, strict=True)], axis=0
    )
    sampled = Items.of([item.topic for item in items], how.item_sampling)
    kept, common = comparable_cells(is_in)
    if groups.grouping == EVERYONE or not common.any():
        kept = np.zeros_like(kept)
    people = draw_people(panels, groups.member, design, resampling)
    found = _resample(panels, [Drawing(panel, people, resampling) for panel in panels], is_in, common)
    humans = shares_of(tallies[0].humans)
    compared = Compared(
        grouping=groups.grouping,
        labels=groups.labels,
        codes=groups.codes,
        names=names,
        item_ids=[item.item_id for item in items],
        topics=[item.topic for item in items],
        is_in=is_in,
        n_examples=np.stack([np.asarray(one.n_examples, dtype=np.int64) for one in tallies]),
        values={
            "distance": np.stack([answer_distances(one) for one in tallies]),
            "corrected": found.corrected,
            "variance": found.variance,
            "noise_floor": np.stack(
                [floors_of(one, is_stated=panel.is_stated) for one, panel in zip(tallies, panels, strict=True)]
            ),
            "uniform": np.stack([uniform_distances(one.humans, one.n_points) for one in tallies]),
            "squared": found.squared,
            "squared_variance": found.squared_variance,
        },
        covariances=found.covariances,
        humans=np.broadcast_to(humans, (len(groups.labels), *humans.shape[1:])),
    )
    return compared, list(_group_means(compared, found.noise, kept, common, sampled, resampling)) if kept.any() else []


@dataclass(frozen=True)
class _Found:
    """What resamples of respondents say; shapes as in `Compared`. `noise`, (sources, groups, resamples): of the means
    over the common items.
    """

    corrected: Array
    variance: Array
    squared: Array
    squared_variance: Array
    covariances: Mapping[str, Array]
    noise: Floats


def _resample(panels: Sequence[Panel], drawings: Sequence[Drawing], is_in: Mask, common: Mask) -> _Found:
    """Resample respondents, and keep of the draws what means and intervals need."""

    def work(groups: range) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
        shape = len(groups), panels[0].n_items
        corrected, draws, squared, squared_draws = [], [], [], []
        for drawing in drawings:
            drawn = drawing.sums(groups)
            _, gap, of_draws = next(drawn.answered_by)
            found = resampled_distances(drawn, gap, of_draws, shape)
            corrected.append(found.corrected.astype(np.float64))
            draws.append(filled(found.corrected_draws, found.corrected))
            # the square of a gap less its variance has no bias: a U-statistic over respondents; as with other
            # corrections nothing is taken away where draws say nothing of the variance
            of_gap = np.nan_to_num(variance_of(of_draws))[:, None]
            squared.append(drawn.columns.mean_gap(gap.astype(np.float64) ** 2 - of_gap).reshape(shape))
            of_squares = drawn.columns.mean_gap(of_draws**2).reshape(*shape, -1)
            squared_draws.append(filled(of_squares, squared[-1].astype(np.float32)))
        of_batch = [
            (*_moments(np.stack([one[place] for one in draws]), is_in[group]),
             *_moments(np.stack([one[place] for one in squared_draws]), is_in[group]),
             np.stack([_mean_noise(one[place], common) for one in draws]))
            for place, group in enumerate(groups)
        ]  # fmt: skip
        values = (np.stack(corrected), np.stack(squared))
        return values, tuple(np.stack(part) for part in zip(*of_batch, strict=True))

    parts = [found for _, found in each_batch(drawings[0], is_in.shape[0], work)]
    corrected, squared = (np.concatenate([values[k] for values, _ in parts], axis=1) for k in (0, 1))
    *moments, noise = (np.concatenate([found[k] for _, found in parts]) for k in range(7))
    variance, squared_variance = (moments[k].transpose(1, 0, 2) for k in (0, 3))
    covariances = {name: moments[k].transpose(1, 2, 0) for name, k in zip(_BOTH, (1, 2, 4, 5), strict=True)}
    return _Found(corrected, variance, squared, squared_variance, covariances, noise.transpose(1, 0, 2))


_BOTH = [name for name in COVARIANCES_SCHEMA if name.endswith("covariance")]


def _moments(draws: Floats, is_in: Mask) -> tuple[Array, Array, Array]:
    """Of draws (sources, items, resamples): the variance of each item, and covariances of different and of same items.

    Covariances of each two sources, shape (sources, sources): means over pairs of different items, and over items.
    """
    n, free = int(is_in.sum()), draws.shape[-1] - 1
    variance, none = np.zeros(draws.shape[:2]), np.zeros((draws.shape[0], draws.shape[0]))
    if not n:
        return variance, none, none
    kept = draws[:, is_in]
    centred = kept - kept.mean(axis=-1, keepdims=True)
    variance[:, is_in] = (centred.astype(np.float64) ** 2).sum(axis=-1) / free
    sums = centred.sum(axis=1, dtype=np.float64)
    flat = centred.reshape(draws.shape[0], -1)
    same = (flat @ flat.T).astype(np.float64)
    return variance, (sums @ sums.T - same) / free / max(n * (n - 1), 1), same / free / n


def _mean_noise(draws: Floats, items: Mask) -> Floats:
    """The mean of draws (items, resamples) over some items, around its mean over resamples, shape (resamples,)."""
    mean = draws[items].mean(axis=0) if items.any() else np.zeros(draws.shape[-1], dtype=np.float32)
    return np.asarray(mean - mean.mean(), dtype=np.float32)


def _group_means(
    compared: Compared, noise: Floats, kept: Mask, common: Mask, items: Items, resampling: Resampling
) -> Iterator[GroupMeans]:
    """The means of each source over the same items in all groups that are kept, with the noise of both samplings."""
    is_in = np.broadcast_to(common, compared.is_in.shape) & kept[:, None]
    for place, name in enumerate(compared.names):
        corrected = compared.values["corrected"][place]
        moments = compared.moments(place)
        yield GroupMeans(
            name=name,
            is_kept=kept,
            n_items=int(common.sum()),
            value=mean_of(compared.values["distance"][place], is_in),
            corrected=mean_of(corrected, is_in),
            noise=two_way_noise(corrected, noise[place], common, moments, items, resampling),
        )


def compared_tables(compared: Compared) -> dict[str, pl.DataFrame]:
    """The tables `compared` and `covariances` of one grouping."""
    source, group, item = np.nonzero(np.broadcast_to(compared.is_in, compared.n_examples.shape))
    known = source, group, item
    names, labels = pl.Series(compared.names, dtype=pl.String), pl.Series(compared.labels, dtype=pl.String)
    codes = pl.Series(compared.codes, dtype=pl.String)
    keys = {
        "answers": names.gather(source),
        "grouping": pl.repeat(compared.grouping, source.size, dtype=pl.String, eager=True),
        "group": labels.gather(group),
        "group_codes": codes.gather(group),
        "item_id": pl.Series(compared.item_ids, dtype=pl.String).gather(item),
        "topic": pl.Series(compared.topics, dtype=pl.String).gather(item),
    }
    numbers = {name: pl.Series(compared.values[name][known]).fill_nan(None) for name in NUMBERS}
    items = pl.DataFrame({**keys, "n_examples": compared.n_examples[known], **numbers}, schema=COMPARED_SCHEMA)
    first, second, group = np.nonzero(
        np.triu(np.ones((len(names), len(names)), dtype=bool))[..., None] & compared.is_in.any(axis=1)
    )
    pairs = {
        "grouping": pl.repeat(compared.grouping, first.size, dtype=pl.String, eager=True),
        "group": labels.gather(group),
        "group_codes": codes.gather(group),
        "first": names.gather(first),
        "second": names.gather(second),
        "n_items": compared.n_items[group],
        **{name: compared.covariances[name][first, second, group] for name in _BOTH},
    }
    return {COMPARED: items, COVARIANCES: pl.DataFrame(pairs, schema=COVARIANCES_SCHEMA)}


def read_compared(
    compared: pl.DataFrame, covariances: pl.DataFrame, distributions: pl.DataFrame, names: Sequence[str]
) -> Iterator[Compared]:
    """Sources out of the tables of one or more comparisons, grouping by grouping, over what all of them have.

    Groups that any of them lacks are left out, and items that any of them lacks in a group. So are groups of which any
    comparison hides means and covariances, as disclosure control has it where cells are suppressed.
    """
    codes = ["group", "group_codes"]
    of_each = covariances.filter(pl.col("first") == pl.col("second"))
    for (grouping,), of_grouping in compared.group_by("grouping", maintain_order=True):
        n_with_items = of_grouping.group_by(codes, maintain_order=True).agg(n=pl.col("answers").n_unique())
        n_with_moments = of_each.filter(grouping=grouping).group_by(codes).agg(n=pl.col("first").n_unique())
        has_all = pl.col("n") == len(names)
        shared = n_with_items.filter(has_all).join(
            n_with_moments.filter(has_all), on=codes, how="semi", nulls_equal=True, maintain_order="left"
        )
        if shared.height:
            yield _read_grouping(of_grouping, covariances, distributions, names, shared.select(codes).rows())


def _read_grouping(
    rows: pl.DataFrame,
    covariances: pl.DataFrame,
    distributions: pl.DataFrame,
    names: Sequence[str],
    groups: Sequence[tuple[str, str | None]],
) -> Compared:
    grouping = str(rows["grouping"][0])
    items = rows.select("item_id", "topic").unique(maintain_order=True)
    place_of = {name: place for place, name in enumerate(names)}
    group_of = {codes: place for place, (_, codes) in enumerate(groups)}
    item_of = {item_id: place for place, item_id in enumerate(items["item_id"].to_list())}
    kept = rows.filter(pl.col("group_codes").is_in(list(group_of), nulls_equal=True))
    source = kept["answers"].replace_strict(place_of, return_dtype=pl.Int64).to_numpy()
    group = np.array([group_of[codes] for codes in kept["group_codes"].to_list()], dtype=np.int64)
    item = kept["item_id"].replace_strict(item_of, return_dtype=pl.Int64).to_numpy()
    shape = len(names), len(groups), items.height
    has_number = np.zeros(shape, dtype=bool)
    has_number[source, group, item] = True
    values = {name: np.full(shape, np.nan) for name in NUMBERS}
    for name, found in values.items():
        found[source, group, item] = kept[name].fill_null(np.nan).to_numpy()
    n_examples = np.zeros(shape, dtype=np.int64)
    n_examples[source, group, item] = kept["n_examples"].to_numpy()
    both = {name: np.full((len(names), len(names), len(groups)), np.nan) for name in _BOTH}
    for row in covariances.filter(grouping=grouping).iter_rows(named=True):
        if row["group_codes"] in group_of:
            first, second, where = place_of[row["first"]], place_of[row["second"]], group_of[row["group_codes"]]
            for name, found in both.items():
                found[first, second, where] = found[second, first, where] = row[name]
    return Compared(
        grouping=grouping,
        labels=[label for label, _ in groups],
        codes=[codes for _, codes in groups],
        names=names,
        item_ids=items["item_id"].to_list(),
        topics=items["topic"].to_list(),
        is_in=np.asarray(has_number.all(axis=0)),
        n_examples=n_examples,
        values=values,
        covariances=both,
        humans=_read_humans(distributions.filter(grouping=grouping), group_of, item_of),
    )


def _read_humans(distributions: pl.DataFrame, group_of: Mapping[str | None, int], item_of: Mapping[str, int]) -> Array:
    """The shares of the humans as the first source that shows them has them, (groups, items, 10); NaN elsewhere."""
    found = np.full((len(group_of), len(item_of), MAX_POINTS), np.nan)
    is_group = pl.col("group_codes").is_in(list(group_of), nulls_equal=True)
    shown = distributions.filter(is_group & pl.col("item_id").is_in(list(item_of)))
    first = shown.unique(["group_codes", "item_id", "rating"], keep="first", maintain_order=True)
    for (codes, item_id), cell in first.group_by("group_codes", "item_id", maintain_order=True):
        shares = cell.sort("rating")["humans"].to_numpy()
        place = group_of[None if codes is None else str(codes)], item_of[str(item_id)]
        found[place] = 0
        found[place][: shares.size] = shares
    return found
