"""What is said of several sources: leaderboard with ranks, paired differences, with against without demographics."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import cast

import numpy as np
import polars as pl

from worldvaluesbench.scoring.compare._compared import Compared, Schema
from worldvaluesbench.scoring.compare._disparity import GroupMeans, find_disparity
from worldvaluesbench.scoring.compare._paired import (
    Difference,
    Ranks,
    difference_of,
    holm,
    rank_sources,
    squared_difference_of,
)
from worldvaluesbench.scoring.sources import Sort, pairs_of
from worldvaluesbench.stats import (
    Array,
    Items,
    ItemSampling,
    Resampling,
    bias_bounds,
    mean_interval,
    poll_size,
    skill_score,
    standard_error,
)
from worldvaluesbench.survey import load_codebook

Rows = list[dict[str, object]]
Pairs = Mapping[tuple[int, int], tuple[Difference, Difference]]
"""Of each two sources: the difference of mean W1, and that of mean squared gaps."""


@dataclass(frozen=True)
class Terms:
    """How contrasts are made: at which confidence level, and what is said of the sampling of items."""

    level: float = 0.95
    item_sampling: ItemSampling = "within-topics"

    @classmethod
    def of(cls, settings: Mapping[str, object], resampling: Resampling) -> "Terms":
        """Those of the settings of a comparison."""
        return cls(resampling.level, cast("ItemSampling", settings["item_sampling"]))

    def items(self, compared: Compared) -> Items:
        """The items of a comparison, as they were sampled."""
        return Items.of(compared.topics, self.item_sampling)


def contrast(
    compared: Iterable[Compared], sorts: Mapping[str, Sort], keys: Mapping[str, object], terms: Terms
) -> dict[str, pl.DataFrame]:
    """The tables `leaderboard`, `pairs` and `demographics`; `keys` stand before each row of them."""
    names = ("leaderboard", "pairs", "demographics")
    found: dict[str, Rows] = {name: [] for name in names}
    for one in compared:
        for name, rows in _of_grouping(one, sorts, terms):
            found[name] += [dict(keys) | {"grouping": one.grouping} | row for row in rows]
    return {name: pl.DataFrame(found[name], schema=SCHEMAS[name], orient="row") for name in names}


def _of_grouping(compared: Compared, sorts: Mapping[str, Sort], terms: Terms) -> Iterator[tuple[str, Rows]]:
    places = range(len(compared.names))
    pairs = {(i, j): _differ(compared, i, j, terms) for i, j in combinations(places, 2)}
    p_holm, squared_p_holm = _holm_of(list(pairs.values()), len(compared.labels))
    yield "leaderboard", _leaderboard(compared, sorts, _ranks(compared, pairs, p_holm, terms), terms)
    yield "pairs", _pairs(compared, pairs, p_holm, squared_p_holm)
    yield "demographics", _demographics(compared, sorts, terms)


def _differ(compared: Compared, first: int, second: int, terms: Terms) -> tuple[Difference, Difference]:
    items = terms.items(compared)
    return (
        difference_of(compared, first, second, items, terms.level),
        squared_difference_of(compared, first, second, items, terms.level),
    )


def _holm_of(found: Sequence[tuple[Difference, Difference]], n_groups: int) -> tuple[Array, Array]:
    """Adjusted p-values of differences of mean W1, and of mean squared gaps, each of shape (pairs, groups)."""
    distance, squared = (np.array([one[k].p for one in found]).reshape(len(found), n_groups) for k in (0, 1))
    return holm(distance), holm(squared)


def _leaderboard(compared: Compared, sorts: Mapping[str, Sort], ranks: Ranks, terms: Terms) -> Rows:
    rows: Rows = []
    n_examples = np.where(compared.is_in, compared.n_examples, 0).sum(axis=-1)
    uniform, floor = compared.mean("uniform"), compared.mean("noise_floor")
    for place, name in enumerate(compared.names):
        ends = mean_ends(compared, place, terms)
        skill = skill_score(ends["mean"], uniform[place], floor[place])
        polls = [_poll_ends(compared, ends, group) for group in range(len(compared.labels))]
        for group in np.flatnonzero(compared.n_items).tolist():
            rows.append(
                _of_group(compared, group)
                | {
                    "answers": name,
                    "kind": sorts[name].kind,
                    "n_items": int(compared.n_items[group]),
                    "n_examples": int(n_examples[place, group]),
                    **{key: float(values[group]) for key, values in ends.items()},
                    "noise_floor": _known(floor[place, group]),
                    "uniform": _known(uniform[place, group]),
                    "skill": _known(skill[group]),
                    **polls[group],
                    "rank": int(ranks.rank[place, group]),
                    "rank_low": int(ranks.low[place, group]),
                    "rank_high": int(ranks.high[place, group]),
                    "is_tied": bool(ranks.is_tied[place, group]),
                }
            )
    return rows


def mean_ends(compared: Compared, source: int, terms: Terms) -> dict[str, Array]:
    """The means of one source, with the confidence interval of the corrected one, each of shape (groups,)."""
    value, corrected = (compared.mean(name)[source] for name in ("distance", "corrected"))
    error = standard_error(
        compared.values["corrected"][source], compared.is_in, compared.moments(source), terms.items(compared)
    )
    half = error.half_width(terms.level)
    low, high = mean_interval(value, corrected, -half, half)
    bias_left, _ = bias_bounds(value, corrected)
    return {"mean": value, "corrected": corrected, "low": low, "high": high, "bias_left": bias_left}


def _poll_ends(compared: Compared, ends: Mapping[str, Array], group: int) -> dict[str, float | None]:
    """The size of the random sample that is as far from its population as the source is, and its interval."""
    is_in = compared.is_in[group] & ~np.isnan(compared.humans[group, :, 0])
    if not is_in.any():
        return {"poll_n": None, "poll_n_low": None, "poll_n_high": None}
    codebook = load_codebook()
    items = [item_id for item_id, kept in zip(compared.item_ids, is_in.tolist(), strict=True) if kept]
    n_points = np.array([codebook.item(item_id).scale.n_points for item_id in items])
    # the larger the distance, the smaller the poll
    distances = np.array([max(ends[key][group], 0.0) for key in ("corrected", "high", "low")])
    found = poll_size(distances, compared.humans[group, is_in], n_points)
    return {
        name: float(n) if np.isfinite(n) else None
        for name, n in zip(("poll_n", "poll_n_low", "poll_n_high"), found.tolist(), strict=True)
    }


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def _ranks(compared: Compared, pairs: Pairs, p_holm: Array, terms: Terms) -> Ranks:
    shape = len(compared.names), len(compared.names), len(compared.labels)
    differences, p = np.zeros(shape), np.ones(shape)
    for ((i, j), (found, _)), of_pair in zip(pairs.items(), p_holm, strict=True):
        differences[i, j], differences[j, i] = found.value, -found.value
        p[i, j] = p[j, i] = of_pair
    return rank_sources(compared.mean("corrected"), differences, p, terms.level)


def _pairs(compared: Compared, pairs: Pairs, p_holm: Array, squared_p_holm: Array) -> Rows:
    rows: Rows = []
    for ((i, j), found), of_pair, squared in zip(pairs.items(), p_holm, squared_p_holm, strict=True):
        for group in np.flatnonzero(compared.n_items).tolist():
            rows.append(
                _of_group(compared, group)
                | {"first": compared.names[i], "second": compared.names[j], "n_items": int(compared.n_items[group])}
                | _difference(found, group, of_pair[group], squared[group])
            )
    return rows


def _demographics(compared: Compared, sorts: Mapping[str, Sort], terms: Terms) -> Rows:
    """With minus without demographics of each model that was asked both ways: the question of the paper."""
    pairs = pairs_of(sorts)
    tested = [pair for pair in pairs if pair.is_tested]
    place = {name: number for number, name in enumerate(compared.names)}
    found = [_differ(compared, place[pair.shown], place[pair.without], terms) for pair in tested]
    judged = dict(zip(tested, zip(found, *_holm_of(found, len(compared.labels)), strict=True), strict=True))
    rows: Rows = []
    for pair in pairs:
        for group in np.flatnonzero(compared.n_items).tolist():
            row: dict[str, object] = {"model": pair.family, "without": pair.without, "with": pair.shown}
            row |= {"n_items": int(compared.n_items[group]), "differs_in": pair.differs_in}
            if pair in judged:
                both, p_holm, squared_p_holm = judged[pair]
                row |= _difference(both, group, p_holm[group], squared_p_holm[group])
            rows.append(_of_group(compared, group) | row)
    return rows


def disparity_tables(
    compared: Compared, means: Iterable[GroupMeans], keys: Mapping[str, object], resampling: Resampling
) -> dict[str, pl.DataFrame]:
    """The tables `disparity` and `group_means` of one grouping: sources over the items that all its groups have."""
    grouping, labels, codes = compared.grouping, compared.labels, compared.codes
    n_shown = int(np.count_nonzero(compared.n_items))
    rows: dict[str, Rows] = {"disparity": [], "group_means": []}
    for one in means:
        found = find_disparity(one, one.is_kept, resampling)
        if found is None:
            continue
        content = {key: getattr(found, key) for key in found.__dataclass_fields__}
        content |= {key: labels[content[key]] for key in ("best", "worst")}
        n_groups = int(one.is_kept.sum())
        counts = {"n_items": one.n_items, "n_groups": n_groups, "n_groups_left_out": n_shown - n_groups}
        rows["disparity"].append({**keys, "grouping": grouping, "answers": one.name} | counts | content)
        low, high = group_ends(one, resampling)
        for group in np.flatnonzero(one.is_kept).tolist():
            of_group = {"group": labels[group], "group_codes": codes[group], "answers": one.name}
            numbers = {"mean": one.value, "corrected": one.corrected, "low": low, "high": high}
            rows["group_means"].append(
                {**keys, "grouping": grouping, **of_group, "n_items": one.n_items}
                | {name: float(values[group]) for name, values in numbers.items()}
            )
    return {name: pl.DataFrame(found_rows, schema=SCHEMAS[name], orient="row") for name, found_rows in rows.items()}


def group_ends(means: GroupMeans, resampling: Resampling) -> tuple[Array, Array]:
    """The ends of the confidence intervals of the means of groups over the same items, shape (groups,)."""
    below, above = np.quantile(means.noise.astype(np.float64), resampling.ends, axis=1)
    return mean_interval(means.value, means.corrected, below, above)


def _difference(found: tuple[Difference, Difference], group: int, p: float, squared_p: float) -> dict[str, object]:
    distance, squared = found
    ends = {name: float(getattr(distance, name)[group]) for name in ("value", "low", "high", "p")}
    of_squared = {f"squared_{name}": float(getattr(squared, name)[group]) for name in ("value", "low", "high", "p")}
    return {
        "difference": ends.pop("value"),
        **ends,
        "p_holm": p,
        "squared_difference": of_squared.pop("squared_value"),
        **of_squared,
        "squared_p_holm": squared_p,
    }


def _of_group(compared: Compared, group: int) -> dict[str, object]:
    return {"group": compared.labels[group], "group_codes": compared.codes[group]}


_KEYS: Schema = {"reference": pl.String, "edition": pl.String, "weight": pl.String, "grouping": pl.String}
_GROUP: Schema = {**_KEYS, "group": pl.String, "group_codes": pl.String}
_VALUES = ("difference", "low", "high", "p", "p_holm")
_DIFFERENCE: Schema = {
    "n_items": pl.Int64,
    **dict.fromkeys(_VALUES, pl.Float64),
    **dict.fromkeys((f"squared_{name}" for name in _VALUES), pl.Float64),
}
_OF_GAPS = (
    *("gap", "gap_low", "gap_high", "gap_by_chance", "p"),
    *("spread", "spread_low", "spread_high", "spread_as_is"),
)
_MEANS = ("mean", "corrected", "low", "high", "bias_left", "noise_floor", "uniform", "skill")
_POLLS = ("poll_n", "poll_n_low", "poll_n_high")
SCHEMAS: Mapping[str, Schema] = {
    "leaderboard": {
        **_GROUP,
        "answers": pl.String,
        "kind": pl.String,
        "n_items": pl.Int64,
        "n_examples": pl.Int64,
        **dict.fromkeys((*_MEANS, *_POLLS), pl.Float64),
        **dict.fromkeys(("rank", "rank_low", "rank_high"), pl.Int64),
        "is_tied": pl.Boolean,
    },
    "pairs": {**_GROUP, "first": pl.String, "second": pl.String, **_DIFFERENCE},
    "demographics": {
        **_GROUP,
        **dict.fromkeys(("model", "without", "with"), pl.String),
        **_DIFFERENCE,
        "differs_in": pl.String,
    },
    "disparity": {
        **_KEYS,
        "answers": pl.String,
        **dict.fromkeys(("n_items", "n_groups", "n_groups_left_out"), pl.Int64),
        "best": pl.String,
        "worst": pl.String,
        **dict.fromkeys(_OF_GAPS, pl.Float64),
    },
    "group_means": {
        **_GROUP,
        "answers": pl.String,
        "n_items": pl.Int64,
        **dict.fromkeys(("mean", "corrected", "low", "high"), pl.Float64),
    },
}
"""The columns of each table, in their order."""
