"""What sources are compared by: distances item by item over the same examples, and their bootstrap moments.

These are aggregates, and all that ranks, differences and confidence intervals of means are made from. Bootstrap
resamples are never stored: they would reveal which respondents are in one, and from enough of them each response.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
_BOTH = tuple(f"{prefix}{name}" for prefix in ("", "squared_") for name in COVARIANCE)
COVARIANCES_SCHEMA: Schema = {
    **dict.fromkeys(("grouping", "group", "group_codes", "first", "second"), pl.String),
    "n_items": pl.Int64,
    **dict.fromkeys(_BOTH, pl.Float64),
}
"""A row for each pair of sources, each with itself too, and group. `covariance`: the mean covariance, over resamples of
respondents, of one source's value of an item with the other's value of another item; `same_item_covariance`: with the
other's value of the same item."""


@dataclass(frozen=True)
class Compared:
    """Several sources over the groups of one grouping, item by item.

    `is_in`, shape (groups, items): the items for which all sources have a number in the group. Of shape (sources,
    groups, items): `n_examples`, and `values`, those named in `NUMBERS`. `covariances`, shape (sources, sources,
    groups), are those of `COVARIANCES_SCHEMA`, NaN for sources that were not compared together. `humans`, shape
    (groups, items, 10), are the shares of the human responses.
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
        """The number of items of each group, shape (groups,)."""
        return np.asarray(self.is_in.sum(axis=1))

    def mean(self, name: str) -> Array:
        """The mean of one of the numbers over the items of each group, shape (sources, groups); NaN without items."""
        return mean_of(self.values[name], self.is_in)

    def moments(self, source: int, name: str = "corrected") -> Moments:
        """The bootstrap moments of one source's values, `corrected` or `squared`."""
        variance, covariance, _ = self._moments_of(name)
        return Moments(variance[source], covariance[source, source])

    def moments_of_difference(self, first: int, second: int, name: str = "corrected") -> Moments:
        """The bootstrap moments of the differences of two sources.

        The covariance of sources that were not compared together is unknown; then the variances, of items and of the
        mean over items, are the largest possible (Cauchy-Schwarz).
        """
        variance, covariance, same = self._moments_of(name)
        is_known = ~np.isnan(covariance[first, second])
        of_items = variance[first] + variance[second] - 2 * same[first, second][:, None]
        together = covariance[first, first] + covariance[second, second] - 2 * covariance[first, second]
        if is_known.all():
            return Moments(np.maximum(of_items, 0), together)
        n = np.maximum(self.n_items, 2)

        def error_of_mean(place: int) -> Array:
            own = np.where(self.is_in, variance[place], 0).sum(axis=1) / n**2
            return np.asarray(np.sqrt(np.maximum(own + covariance[place, place] * (n - 1) / n, 0)))

        spread = np.sqrt(variance[first]), np.sqrt(variance[second])
        # the least that single items add to the variance of the mean is counted already, by how much they differ
        least = np.where(self.is_in, (spread[0] - spread[1]) ** 2, 0).sum(axis=1) / n**2
        most = ((error_of_mean(first) + error_of_mean(second)) ** 2 - least) * n / (n - 1)
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

    Also the means of each source over the items that all groups have, with bootstrap noise; none for the whole sample.
    """
    resampling = how.resampling or Resampling()
    tallies = [tally_panel(panel, groups.member, len(groups.labels)) for panel in panels]
    least = [how.least_n(is_stated=panel.is_stated) for panel in panels]
    is_in: Mask = np.all(
        [(one.n_responses >= n) & (one.n_examples >= n) for one, n in zip(tallies, least, strict=True)], axis=0
    )
    kept, common = comparable_cells(is_in)
    if groups.grouping == EVERYONE or not common.any():
        kept = np.zeros_like(kept)
    people = draw_people(panels, groups.member, design, resampling)
    drawings = [Drawing(panel, people, resampling) for panel in panels]
    values, covariances, noise = _resample(panels, drawings, is_in, common, resampling.n)
    humans = shares_of(tallies[0].humans)
    floors = [floors_of(one, is_stated=panel.is_stated) for one, panel in zip(tallies, panels, strict=True)]
    compared = Compared(
        grouping=groups.grouping,
        labels=groups.labels,
        codes=groups.codes,
        names=names,
        item_ids=[item.item_id for item in items],
        topics=[item.topic for item in items],
        is_in=is_in,
        n_examples=np.stack([np.asarray(one.n_examples, dtype=np.int64) for one in tallies]),
        values=values
        | {
            "distance": np.stack([answer_distances(one) for one in tallies]),
            "noise_floor": np.stack(floors),
            "uniform": np.stack([uniform_distances(one.humans, one.n_points) for one in tallies]),
        },
        covariances=covariances,
        humans=np.broadcast_to(humans, (len(groups.labels), *humans.shape[1:])),
    )
    if not kept.any():
        return compared, []
    sampled = Items.of(compared.topics, how.item_sampling)
    in_all = np.broadcast_to(common, is_in.shape) & kept[:, None]
    means = []
    for place, name in enumerate(names):
        corrected = values["corrected"][place]
        moments = compared.moments(place)
        means.append(
            GroupMeans(
                name=name,
                is_kept=kept,
                n_items=int(common.sum()),
                value=mean_of(compared.values["distance"][place], in_all),
                corrected=mean_of(corrected, in_all),
                noise=two_way_noise(corrected, noise[place], common, moments, sampled, resampling),
            )
        )
    return compared, means


def _resample(
    panels: Sequence[Panel], drawings: Sequence[Drawing], is_in: Mask, common: Mask, n: int
) -> tuple[dict[str, Array], dict[str, Array], Floats]:
    """Resample respondents `n` times: values, covariances, and noise of the means over the common items.

    The first two are as in `Compared`; noise has shape (sources, groups, resamples).
    """
    shape = len(panels), *is_in.shape
    values = {name: np.zeros(shape) for name in ("corrected", "variance", "squared", "squared_variance")}
    covariances = {name: np.zeros((len(panels), len(panels), len(is_in))) for name in _BOTH}
    noise = np.zeros((*shape[:2], n), dtype=np.float32)

    def work(groups: range) -> None:
        batch, of_batch = slice(groups.start, groups.stop), (len(groups), panels[0].n_items)
        draws: dict[str, list[Floats]] = {"": [], "squared_": []}
        for place, drawing in enumerate(drawings):
            drawn = drawing.sums(groups)
            _, gap, of_draws = next(drawn.answered_by)
            found = resampled_distances(drawn, gap, of_draws, of_batch)
            values["corrected"][place, batch] = found.corrected
            draws[""].append(filled(found.corrected_draws, found.corrected))
            # the square of a gap less its variance has no bias: a U-statistic over respondents; as with other
            # corrections nothing is taken away where the resamples do not give the variance
            of_gap = np.nan_to_num(variance_of(of_draws))[:, None]
            squared = drawn.columns.mean_gap(gap.astype(np.float64) ** 2 - of_gap).reshape(of_batch)
            values["squared"][place, batch] = squared
            of_squares = drawn.columns.mean_gap(of_draws**2).reshape(*of_batch, -1)
            draws["squared_"].append(filled(of_squares, squared.astype(np.float32)))
        for prefix, of_sources in draws.items():
            for place, group in enumerate(groups):
                of_group = np.stack([one[place] for one in of_sources])
                variance, *both = _moments(of_group, is_in[group])
                values[f"{prefix}variance"][:, group] = variance
                for name, covariance in zip(COVARIANCE, both, strict=True):
                    covariances[f"{prefix}{name}"][:, :, group] = covariance
                if not prefix and common.any():
                    mean = np.stack([one[common].mean(axis=0) for one in of_group])
                    noise[:, group] = mean - mean.mean(axis=1, keepdims=True)

    for _ in each_batch(drawings[0], len(is_in), work):
        pass
    return values, covariances, noise


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


def compared_tables(compared: Compared) -> dict[str, pl.DataFrame]:
    """The tables `compared` and `covariances` of one grouping."""
    is_pair = np.triu(np.ones((len(compared.names), len(compared.names)), dtype=bool))
    item_places = np.nonzero(np.broadcast_to(compared.is_in, compared.n_examples.shape))
    pair_places = np.nonzero(is_pair[..., None] & compared.is_in.any(axis=1))
    source, group, item = item_places
    first, second, of_pair = pair_places

    def texts(values: Sequence[str | None], places: NDArray[np.int64]) -> pl.Series:
        return pl.Series(values, dtype=pl.String).gather(places)

    def groups(places: NDArray[np.int64]) -> dict[str, pl.Series]:
        grouping = pl.repeat(compared.grouping, places.size, dtype=pl.String, eager=True)
        labels, codes = texts(compared.labels, places), texts(compared.codes, places)
        return {"grouping": grouping, "group": labels, "group_codes": codes}

    items = {
        "answers": texts(compared.names, source),
        **groups(group),
        "item_id": texts(compared.item_ids, item),
        "topic": texts(compared.topics, item),
        "n_examples": compared.n_examples[item_places],
        **{name: pl.Series(compared.values[name][item_places]).fill_nan(None) for name in NUMBERS},
    }
    pairs = {
        **groups(of_pair),
        "first": texts(compared.names, first),
        "second": texts(compared.names, second),
        "n_items": compared.n_items[of_pair],
        **{name: compared.covariances[name][pair_places] for name in _BOTH},
    }
    return {
        COMPARED: pl.DataFrame(items, schema=COMPARED_SCHEMA),
        COVARIANCES: pl.DataFrame(pairs, schema=COVARIANCES_SCHEMA),
    }


def read_compared(tables: Mapping[str, pl.DataFrame], names: Sequence[str]) -> Iterator[Compared]:
    """Sources out of the tables of one or more comparisons, grouping by grouping, over what all of them have.

    Groups that any of them lacks are left out, and items that any of them lacks in a group. So are groups whose means
    and covariances are absent from any comparison, as cell suppression has it.
    """
    codes = ["group", "group_codes"]
    has_all = pl.col("n") == len(names)
    of_each = tables[COVARIANCES].filter(pl.col("first") == pl.col("second"))
    for (grouping,), rows in tables[COMPARED].group_by("grouping", maintain_order=True):
        with_items = rows.group_by(codes, maintain_order=True).agg(n=pl.col("answers").n_unique()).filter(has_all)
        with_moments = of_each.filter(grouping=grouping).group_by(codes).agg(n=pl.col("first").n_unique())
        shared = with_items.join(
            with_moments.filter(has_all), on=codes, how="semi", nulls_equal=True, maintain_order="left"
        )
        if shared.height:
            others = (tables[name].filter(grouping=grouping) for name in (COVARIANCES, "distributions"))
            yield _read_grouping(str(grouping), rows, *others, names=names, groups=shared.select(codes))


def _read_grouping(
    grouping: str,
    rows: pl.DataFrame,
    pairs: pl.DataFrame,
    distributions: pl.DataFrame,
    *,
    names: Sequence[str],
    groups: pl.DataFrame,
) -> Compared:
    items = rows.select("item_id", "topic").unique(maintain_order=True)
    in_groups = pl.col("group_codes").is_in(groups["group_codes"].implode(), nulls_equal=True)
    group_of, item_of = _places(groups["group_codes"]), _places(items["item_id"])
    source_of = _places(pl.Series(names))
    kept, pairs = rows.filter(in_groups), pairs.filter(in_groups)
    places = source_of(kept["answers"]), group_of(kept["group_codes"]), item_of(kept["item_id"])
    shape = len(names), groups.height, items.height
    has_number, n_examples = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.int64)
    has_number[places], n_examples[places] = True, kept["n_examples"].to_numpy()
    values = {name: np.full(shape, np.nan) for name in NUMBERS}
    for name, found in values.items():
        found[places] = kept[name].fill_null(np.nan).to_numpy()
    first, second, group = source_of(pairs["first"]), source_of(pairs["second"]), group_of(pairs["group_codes"])
    covariances = {name: np.full((len(names), len(names), groups.height), np.nan) for name in _BOTH}
    for name, found in covariances.items():
        found[first, second, group] = found[second, first, group] = pairs[name].to_numpy()
    # the human shares as the first source that shows them has them
    shown = distributions.filter(in_groups & pl.col("item_id").is_in(items["item_id"].implode()))
    cell = ["group_codes", "item_id"]
    shown = shown.unique([*cell, "rating"], keep="first", maintain_order=True)
    point = shown.select(pl.col("rating").rank("ordinal").over(cell) - 1).to_series().to_numpy()
    of_cell = group_of(shown["group_codes"]), item_of(shown["item_id"])
    humans = np.full((*shape[1:], MAX_POINTS), np.nan)
    humans[of_cell] = 0
    humans[*of_cell, point] = shown["humans"].to_numpy()
    return Compared(
        grouping=grouping,
        labels=groups["group"].to_list(),
        codes=groups["group_codes"].to_list(),
        names=names,
        item_ids=items["item_id"].to_list(),
        topics=items["topic"].to_list(),
        is_in=np.asarray(has_number.all(axis=0)),
        n_examples=n_examples,
        values=values,
        covariances=covariances,
        humans=humans,
    )


def _places(order: pl.Series) -> Callable[[pl.Series], NDArray[np.int64]]:
    """A function that finds the places of texts in a list, nulls among them."""
    known = {text: place for place, text in enumerate(order.to_list())}
    return lambda texts: np.array([known[text] for text in texts.to_list()], dtype=np.int64)
