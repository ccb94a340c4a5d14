"""The tables of a comparison: leaderboard with ranks, paired differences, group disparities, Table 2 of the paper."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from worldvaluesbench.scoring import Scores
from worldvaluesbench.scoring.compare._compared import Compared, Schema
from worldvaluesbench.scoring.compare._disparity import GroupMeans, find_disparity
from worldvaluesbench.scoring.compare._paired import (
    Difference,
    difference_of,
    holm,
    rank_sources,
    squared_difference_of,
)
from worldvaluesbench.scoring.sources import EVERYONE, MAJORITY, ORACLE, UNIFORM, Sort, pairs_of
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

DECIMALS = 2
"""Distances of Table 2 are compared as far as the paper prints them."""

COUNTRY = "B_COUNTRY"

_KEYS: Schema = {"reference": pl.String, "edition": pl.String, "weight": pl.String, "grouping": pl.String}
_GROUP: Schema = {**_KEYS, "group": pl.String, "group_codes": pl.String}
_VALUES = ("difference", "low", "high", "p", "p_holm")
_DIFFERENCE: Schema = {
    "n_items": pl.Int64,
    **dict.fromkeys((f"{prefix}{name}" for prefix in ("", "squared_") for name in _VALUES), pl.Float64),
}
_GAPS = ("gap", "gap_low", "gap_high", "gap_by_chance", "p", "spread", "spread_low", "spread_high", "spread_as_is")
_MEANS = ("mean", "corrected", "low", "high", "bias_left", "noise_floor", "uniform", "skill")
_POLLS = ("poll_n", "poll_n_low", "poll_n_high")
SCHEMAS: Mapping[str, Schema] = {
    "leaderboard": {
        **_GROUP,
        **dict.fromkeys(("answers", "kind"), pl.String),
        **dict.fromkeys(("n_items", "n_examples"), pl.Int64),
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
        **dict.fromkeys(("best", "worst"), pl.String),
        **dict.fromkeys(_GAPS, pl.Float64),
    },
    "group_means": {
        **_GROUP,
        "answers": pl.String,
        "n_items": pl.Int64,
        **dict.fromkeys(("mean", "corrected", "low", "high"), pl.Float64),
    },
}
"""The columns of each table, in their order."""


def contrast(
    compared: Iterable[Compared],
    sorts: Mapping[str, Sort],
    keys: Mapping[str, object],
    level: float,
    sampling: ItemSampling,
) -> dict[str, pl.DataFrame]:
    """The tables `leaderboard`, `pairs` and `demographics` at a confidence level; `keys` come first in each row."""
    found: dict[str, list[pl.DataFrame]] = {name: [] for name in ("leaderboard", "pairs", "demographics")}
    for one in compared:
        items = Items.of(one.topics, sampling)
        pairs = _differ(one, list(combinations(range(len(one.names)), 2)), items, level)
        found["leaderboard"] += _leaderboard(one, sorts, pairs, items, level)
        for (i, j), columns in pairs.items():
            both = {"first": one.names[i], "second": one.names[j]}
            found["pairs"].append(_rows("pairs", one, both | columns))
        found["demographics"] += _demographics(one, sorts, items, level)
    return {name: _table(name, parts, keys) for name, parts in found.items()}


def _table(name: str, parts: Sequence[pl.DataFrame], keys: Mapping[str, object]) -> pl.DataFrame:
    """The rows of a table together, with the same keys in each."""
    rows = pl.concat([pl.DataFrame(schema=SCHEMAS[name]), *parts])
    return rows.with_columns(pl.lit(value, dtype=pl.String).alias(key) for key, value in keys.items())


Columns = Mapping[str, Any]
"""Columns of a table, each an array of shape (groups,), or one value for all groups."""


def _rows(table: str, compared: Compared, columns: Columns) -> pl.DataFrame:
    """A row of a table for each group that has items; columns that are not given are null."""
    n = len(compared.labels)
    groups = {"group": compared.labels, "group_codes": compared.codes, "n_items": compared.n_items}
    given = {"grouping": compared.grouping, **groups, **columns}

    def series(name: str, dtype: Any) -> pl.Series:
        value = given.get(name)
        return pl.Series(name, [value] * n if value is None or isinstance(value, str) else value, dtype=dtype)

    made = pl.DataFrame([series(name, dtype) for name, dtype in SCHEMAS[table].items()])
    return made.filter(pl.Series(compared.n_items > 0))


def _differ(
    compared: Compared, pairs: Sequence[tuple[int, int]], items: Items, level: float
) -> dict[tuple[int, int], dict[str, Array]]:
    """The differences of pairs of sources as columns, with p-values adjusted for the number of pairs."""
    found: dict[tuple[int, int], dict[str, Array]] = {pair: {} for pair in pairs}
    for prefix, measure in (("", difference_of), ("squared_", squared_difference_of)):
        of_pairs: list[Difference] = [measure(compared, *pair, items, level) for pair in pairs]
        adjusted = holm(np.array([one.p for one in of_pairs]).reshape(len(pairs), len(compared.labels)))
        for pair, one, p_holm in zip(pairs, of_pairs, adjusted, strict=True):
            values = (one.value, one.low, one.high, one.p, p_holm)
            found[pair] |= {f"{prefix}{name}": value for name, value in zip(_VALUES, values, strict=True)}
    return found


def _leaderboard(
    compared: Compared,
    sorts: Mapping[str, Sort],
    pairs: Mapping[tuple[int, int], Mapping[str, Array]],
    items: Items,
    level: float,
) -> list[pl.DataFrame]:
    shape = len(compared.names), len(compared.names), len(compared.labels)
    differences, p = np.zeros(shape), np.ones(shape)
    for (i, j), found in pairs.items():
        differences[i, j], differences[j, i] = found["difference"], -found["difference"]
        p[i, j] = p[j, i] = found["p_holm"]
    ranks = rank_sources(compared.mean("corrected"), differences, p, level)
    n_examples = np.where(compared.is_in, compared.n_examples, 0).sum(axis=-1)
    uniform, floor = compared.mean("uniform"), compared.mean("noise_floor")
    parts = []
    for place, name in enumerate(compared.names):
        ends = mean_ends(compared, place, items, level)
        skill = skill_score(ends["mean"], uniform[place], floor[place])
        known = {"noise_floor": floor[place], "uniform": uniform[place], "skill": skill}
        columns: dict[str, Any] = {
            "answers": name,
            "kind": sorts[name].kind,
            "n_examples": n_examples[place],
            **ends,
            **{name: pl.Series(values).fill_nan(None) for name, values in known.items()},
            **_poll_sizes(compared, ends),
            "rank": ranks.rank[place],
            "rank_low": ranks.low[place],
            "rank_high": ranks.high[place],
            "is_tied": ranks.is_tied[place],
        }
        parts.append(_rows("leaderboard", compared, columns))
    return parts


def mean_ends(compared: Compared, source: int, items: Items, level: float) -> dict[str, Array]:
    """The means of one source, with the confidence interval of the corrected one, each of shape (groups,)."""
    value, corrected = (compared.mean(name)[source] for name in ("distance", "corrected"))
    error = standard_error(compared.values["corrected"][source], compared.is_in, compared.moments(source), items)
    half = error.half_width(level)
    low, high = mean_interval(value, corrected, -half, half)
    bias_left, _ = bias_bounds(value, corrected)
    return {"mean": value, "corrected": corrected, "low": low, "high": high, "bias_left": bias_left}


def _poll_sizes(compared: Compared, ends: Mapping[str, Array]) -> dict[str, list[float | None]]:
    """The size of the random sample that is as far from its population as the source is, and its interval."""
    codebook = load_codebook()
    found: dict[str, list[float | None]] = {name: [] for name in _POLLS}
    for group, in_group in enumerate(compared.is_in & ~np.isnan(compared.humans[..., 0])):
        items = [item_id for item_id, is_in in zip(compared.item_ids, in_group.tolist(), strict=True) if is_in]
        sizes = np.full(3, np.inf)
        if items:
            n_points = np.array([codebook.item(item_id).scale.n_points for item_id in items])
            # the larger the distance, the smaller the poll
            distances = np.array([max(ends[key][group], 0.0) for key in ("corrected", "high", "low")])
            sizes = poll_size(distances, compared.humans[group, in_group], n_points)
        for name, n in zip(_POLLS, sizes.tolist(), strict=True):
            found[name].append(n if np.isfinite(n) else None)
    return found


def _demographics(compared: Compared, sorts: Mapping[str, Sort], items: Items, level: float) -> list[pl.DataFrame]:
    """With minus without demographics of each model that was asked both ways: the question of the paper."""
    place = {name: number for number, name in enumerate(compared.names)}
    pairs = {pair: (place[pair.shown], place[pair.without]) for pair in pairs_of(sorts)}
    found = _differ(compared, [both for pair, both in pairs.items() if pair.is_tested], items, level)
    parts = []
    for pair, both in pairs.items():
        said = {"model": pair.family, "without": pair.without, "with": pair.shown, "differs_in": pair.differs_in}
        parts.append(_rows("demographics", compared, said | (found[both] if pair.is_tested else {})))
    return parts


def disparity_tables(
    compared: Compared, means: Iterable[GroupMeans], keys: Mapping[str, object], resampling: Resampling
) -> dict[str, pl.DataFrame]:
    """The tables `disparity` and `group_means` of one grouping: sources over the items that all its groups have."""
    n_shown = int(np.count_nonzero(compared.n_items))
    disparities, group_means = [], []
    for one in means:
        found = find_disparity(one, one.is_kept, resampling)
        if found is None:
            continue
        n_groups = int(one.is_kept.sum())
        said: dict[str, Any] = {"grouping": compared.grouping, "answers": one.name, "n_items": one.n_items}
        said |= {"n_groups": n_groups, "n_groups_left_out": n_shown - n_groups, **asdict(found)}
        said |= {key: compared.labels[said[key]] for key in ("best", "worst")}
        disparities.append(pl.DataFrame([said], schema=SCHEMAS["disparity"]))
        below, above = np.quantile(one.noise.astype(np.float64), resampling.ends, axis=1)
        low, high = mean_interval(one.value, one.corrected, below, above)
        columns = {"answers": one.name, "mean": one.value, "corrected": one.corrected, "low": low, "high": high}
        columns["n_items"] = np.full(one.value.size, one.n_items)
        table = _rows("group_means", compared, columns)
        group_means.append(table.filter(pl.Series(one.is_kept[compared.n_items > 0])))
    both = {"disparity": disparities, "group_means": group_means}
    return {name: _table(name, parts, keys) for name, parts in both.items()}


def table_2(scores: pl.DataFrame, sorts: Mapping[str, Sort]) -> pl.DataFrame:
    """A row for each item and column of Table 2: the distances of sources, from their scores, with the paper's marks.

    `kind` is that of the column: `oracle` (uniform, majority), `baseline`, `without` or `with` demographics. `is_best`:
    closest of all in its row, as printed; `is_best_of_kind`: of its kind; `is_better_of_pair`: of the two of one model,
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
    long = pl.concat([*oracles, own], how="diagonal")
    # rounded as Python prints a number, which rounds exact halves to even
    printed = [None if one is None else float(f"{one:.{DECIMALS}f}") for one in long["distance"]]
    long = long.with_columns(
        printed=pl.Series(printed, dtype=pl.Float64),
        kind=pl.col("answers").replace_strict(kinds, return_dtype=pl.String),
        partner=pl.col("answers").replace_strict(other, default=None, return_dtype=pl.String),
    )
    of_partners = long.select("item_id", partner="answers", printed_of_partner="printed")
    order = {item_id: place for place, item_id in enumerate(load_codebook().item_ids)}
    shown = pl.col("printed")
    marks = {
        "is_best": shown == shown.min().over("item_id"),
        "is_best_of_kind": shown == shown.min().over("item_id", "kind"),
        "is_better_of_pair": shown <= pl.col("printed_of_partner"),
    }
    return (
        long.join(of_partners, on=["item_id", "partner"], how="left", maintain_order="left")
        .with_columns(**{name: mark.fill_null(False) for name, mark in marks.items()})
        .sort(pl.col("item_id").replace_strict(order, return_dtype=pl.Int64), maintain_order=True)
        .select(*columns, "answers", "kind", "distance", "low", "high", "corrected", *marks)
    )


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
    numbers = ("n_items", "n_effective", "mean", "mean_low", "mean_high", "mean_corrected", "noise_floor")
    return by_country.join(countries, on="group_codes", how="left", maintain_order="left").select(
        "answers",
        "answered_by",
        pl.col("group_codes").cast(pl.Int64).alias("country"),
        "alpha3",
        pl.col("group").alias("name"),
        "continent",
        *numbers,
    )
