"""What the draws say: leaderboard with ranks, paired differences, with against without demographics, disparity."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import polars as pl

from worldvaluesbench.distribution import Array
from worldvaluesbench.estimate import Resampling, bias_bounds, quantiles_of
from worldvaluesbench.scoring.disparity import find_disparity
from worldvaluesbench.scoring.draws import GroupDraws, read_draws
from worldvaluesbench.scoring.groups import EVERYONE
from worldvaluesbench.scoring.kinds import Sort, pairs_of
from worldvaluesbench.scoring.paired import Difference, Ranks, difference_of, holm, rank_sources

Rows = list[dict[str, object]]
Pairs = Mapping[tuple[int, int], Difference]


def contrast(
    draws: pl.DataFrame, sorts: Mapping[str, Sort], keys: Mapping[str, object], resampling: Resampling
) -> dict[str, pl.DataFrame]:
    """The tables `leaderboard`, `pairs`, `demographics` and `disparity`; `keys` stand before each row of them."""
    found: dict[str, Rows] = {name: [] for name in SCHEMAS}
    for drawn in read_draws(draws, list(sorts)):
        for name, rows in _of_grouping(drawn, sorts, resampling):
            found[name] += [dict(keys) | {"grouping": drawn.grouping} | row for row in rows]
    return {name: pl.DataFrame(rows, schema=SCHEMAS[name], orient="row") for name, rows in found.items()}


def _of_grouping(drawn: GroupDraws, sorts: Mapping[str, Sort], resampling: Resampling) -> Iterator[tuple[str, Rows]]:
    pairs = {(i, j): _differ(drawn, i, j, resampling) for i, j in combinations(range(len(drawn.names)), 2)}
    p_holm = holm(np.array([one.p for one in pairs.values()]).reshape(len(pairs), len(drawn.labels)))
    yield "leaderboard", _leaderboard(drawn, sorts, _ranks(drawn, pairs, p_holm, resampling), resampling)
    yield "pairs", _pairs(drawn, pairs, p_holm)
    yield "demographics", _demographics(drawn, sorts, resampling)
    if drawn.grouping != EVERYONE:
        yield "disparity", _disparities(drawn, resampling)


def _differ(drawn: GroupDraws, first: int, second: int, resampling: Resampling) -> Difference:
    return difference_of(drawn.means[first], drawn.means[second], resampling)


def _leaderboard(drawn: GroupDraws, sorts: Mapping[str, Sort], ranks: Ranks, resampling: Resampling) -> Rows:
    rows: Rows = []
    for place, (name, means) in enumerate(zip(drawn.names, drawn.means, strict=True)):
        bias_left, _ = bias_bounds(means.value, means.corrected)
        below, above = quantiles_of(means.noise, resampling.ends)
        low = np.clip(means.corrected + below - bias_left, 0, 1)
        high = np.clip(means.corrected + above, 0, 1)
        for group in range(len(drawn.labels)):
            rows.append(
                _of_group(drawn, group)
                | {
                    "answers": name,
                    "kind": sorts[name].kind,
                    "n_items": int(drawn.n_items[group]),
                    "n_examples": int(drawn.n_examples[group]),
                    "mean": means.value[group],
                    "corrected": means.corrected[group],
                    "low": low[group],
                    "high": high[group],
                    "bias_left": bias_left[group],
                    "noise_floor": _known(drawn.noise_floor[place, group]),
                    "rank": int(ranks.rank[place, group]),
                    "rank_low": int(ranks.low[place, group]),
                    "rank_high": int(ranks.high[place, group]),
                    "share_first": ranks.share_first[place, group],
                }
            )
    return rows


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def _ranks(drawn: GroupDraws, pairs: Pairs, p_holm: Array, resampling: Resampling) -> Ranks:
    shape = len(drawn.names), len(drawn.names), len(drawn.labels)
    differences, p = np.zeros(shape), np.ones(shape)
    for ((i, j), found), of_pair in zip(pairs.items(), p_holm, strict=True):
        differences[i, j], differences[j, i] = found.value, -found.value
        p[i, j] = p[j, i] = of_pair
    return rank_sources(drawn.means, differences, p, resampling.level)


def _pairs(drawn: GroupDraws, pairs: Pairs, p_holm: Array) -> Rows:
    return [
        _of_group(drawn, group)
        | {"first": drawn.names[i], "second": drawn.names[j]}
        | _difference(drawn, found, group)
        | {"p_holm": of_pair[group]}
        for ((i, j), found), of_pair in zip(pairs.items(), p_holm, strict=True)
        for group in range(len(drawn.labels))
    ]


def _demographics(drawn: GroupDraws, sorts: Mapping[str, Sort], resampling: Resampling) -> Rows:
    """With less without demographics of each model that was asked both ways: the question of the paper."""
    families = pairs_of(sorts)
    if not families:
        return []
    place = {name: number for number, name in enumerate(drawn.names)}
    found = [_differ(drawn, place[shown], place[without], resampling) for _, without, shown in families]
    p_holm = holm(np.array([one.p for one in found]))
    return [
        _of_group(drawn, group)
        | {"model": family, "without": without, "with": shown}
        | _difference(drawn, of_family, group)
        | {"p_holm": p[group]}
        for (family, without, shown), of_family, p in zip(families, found, p_holm, strict=True)
        for group in range(len(drawn.labels))
    ]


def _disparities(drawn: GroupDraws, resampling: Resampling) -> Rows:
    rows: Rows = []
    for name, means in zip(drawn.names, drawn.alike, strict=True):
        found = find_disparity(means, drawn.is_alike, resampling)
        if found is not None:
            content = {key: getattr(found, key) for key in found.__dataclass_fields__}
            content |= {key: drawn.labels[content[key]] for key in ("best", "worst")}
            n_groups = int(drawn.is_alike.sum())
            counts = {"n_items": drawn.n_alike, "n_groups": n_groups, "n_groups_left_out": len(drawn.labels) - n_groups}
            rows.append({"answers": name} | counts | content)
    return rows


def _difference(drawn: GroupDraws, found: Difference, group: int) -> dict[str, object]:
    values = {name: getattr(found, name)[group] for name in ("value", "low", "high", "p")}
    return {"n_items": int(drawn.n_items[group]), "difference": values.pop("value")} | values


def _of_group(drawn: GroupDraws, group: int) -> dict[str, object]:
    return {"group": drawn.labels[group], "group_codes": drawn.codes[group]}


Schema = dict[str, pl.DataType | type[pl.DataType]]
_KEYS: Schema = {"reference": pl.String, "edition": pl.String, "weight": pl.String, "grouping": pl.String}
_GROUP: Schema = {**_KEYS, "group": pl.String, "group_codes": pl.String}
_VALUES = ("difference", "low", "high", "p", "p_holm")
_DIFFERENCE: Schema = {"n_items": pl.Int64, **dict.fromkeys(_VALUES, pl.Float64)}
_OF_GAPS = (
    *("gap", "gap_low", "gap_high", "gap_by_chance", "p"),
    *("spread", "spread_low", "spread_high", "spread_as_is"),
)
SCHEMAS: Mapping[str, Schema] = {
    "leaderboard": {
        **_GROUP,
        "answers": pl.String,
        "kind": pl.String,
        "n_items": pl.Int64,
        "n_examples": pl.Int64,
        **dict.fromkeys(("mean", "corrected", "low", "high", "bias_left", "noise_floor"), pl.Float64),
        **dict.fromkeys(("rank", "rank_low", "rank_high"), pl.Int64),
        "share_first": pl.Float64,
    },
    "pairs": {**_GROUP, "first": pl.String, "second": pl.String, **_DIFFERENCE},
    "demographics": {**_GROUP, "model": pl.String, "without": pl.String, "with": pl.String, **_DIFFERENCE},
    "disparity": {
        **_KEYS,
        "answers": pl.String,
        **dict.fromkeys(("n_items", "n_groups", "n_groups_left_out"), pl.Int64),
        "best": pl.String,
        "worst": pl.String,
        **dict.fromkeys(_OF_GAPS, pl.Float64),
    },
}
"""The columns of each table, in their order."""
