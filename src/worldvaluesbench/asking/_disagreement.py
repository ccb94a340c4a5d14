"""Disagreement between orders: how far a model's answers change when only the order of the options does."""

from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.stats import Array, Scale, wasserstein
from worldvaluesbench.survey import Codebook, load_codebook

ALL_ITEMS = "all"
"""The `item_id` of the row that sums up all items."""


def order_disagreement(answers: pl.DataFrame, codebook: Codebook | None = None) -> pl.DataFrame:
    """How far the orders of the options disagree, a row an item, then one for all items.

    `answers` are those of a run (`make_answers`). An example counts where it was read in every order in which its item
    was asked. `w1`: the mean Wasserstein-1 distance, over the pairs of orders, between the distributions that all
    counted examples have together; 0: the order changes nothing of the whole; 1: it turns it round. `position`: the
    mean absolute difference, over the pairs and the examples, between the positions (in [0, 1]) of one example's
    answers; samples of an example are averaged first, and a distribution stands at its mean. Both hold the noise of
    sampled answers, `position` all of it.

    Columns: `item_id` (String), `n_orders`, `n_examples`, `w1`, `position`, the last two null where an item has one
    order or no example that counts. The last row, `all`, has the sum of the examples and the means over the items.
    """
    codebook = codebook or load_codebook()
    asked = answers.select("item_id", "order").unique()
    orders = {item_id: sorted(set(own["order"])) for (item_id,), own in asked.group_by("item_id")}
    read = answers.filter(pl.col("rating").is_not_null() | pl.col("probabilities").is_not_null())
    rows = []
    for item_id in [item_id for item_id in codebook.item_ids if item_id in orders]:
        of_item = read.filter(pl.col("item_id") == item_id)
        rows.append((item_id, *_disagreement(of_item, orders[item_id], codebook.item(item_id).scale)))
    schema = {
        "item_id": pl.String,
        "n_orders": pl.Int64,
        "n_examples": pl.Int64,
        "w1": pl.Float64,
        "position": pl.Float64,
    }
    items = pl.DataFrame(rows, schema=schema, orient="row")
    total = items.select(
        pl.lit(ALL_ITEMS).alias("item_id"),
        pl.col("n_orders").max(),
        pl.col("n_examples").sum(),
        pl.col("w1", "position").mean(),
    )
    return pl.concat([items, total]) if rows else items


def _disagreement(
    answers: pl.DataFrame, orders: list[int], scale: Scale
) -> tuple[int, int, float | None, float | None]:
    """Orders, examples that count, and both distances, of one item."""
    shares, counts = _by_example(answers, orders, scale)
    counted = shares[(counts > 0).all(axis=1)]
    n_orders, n_examples = counts.shape[1], counted.shape[0]
    if n_orders < 2 or not n_examples:
        return n_orders, n_examples, None, None
    pooled = counted.mean(axis=0)
    positions = counted @ np.linspace(0.0, 1.0, scale.n_points)
    pairs = list(combinations(range(n_orders), 2))
    w1 = np.mean([wasserstein(pooled[first], pooled[second]) for first, second in pairs])
    position = np.mean([np.abs(positions[:, first] - positions[:, second]).mean() for first, second in pairs])
    return n_orders, n_examples, float(w1), float(position)


def _by_example(answers: pl.DataFrame, orders: list[int], scale: Scale) -> tuple[Array, NDArray[np.int64]]:
    """Mean shares, shape (examples, orders, points), and how many samples they are the mean of, (examples, orders)."""
    ids, example = np.unique(answers["respondent_id"].to_numpy(), return_inverse=True)
    cell = example * len(orders) + np.searchsorted(orders, answers["order"].to_numpy())
    counts = np.bincount(cell, minlength=ids.size * len(orders))
    sums = np.zeros((counts.size, scale.n_points))
    np.add.at(sums, cell, _shares(answers, scale))
    means = sums / np.maximum(counts, 1)[:, None]
    shape = ids.size, len(orders)
    return means.reshape(*shape, scale.n_points), counts.reshape(shape)


def _shares(answers: pl.DataFrame, scale: Scale) -> Array:
    """The answers as shares, shape (rows, points); a rating has all on its point."""
    has_rating = answers["rating"].is_not_null().to_numpy()
    shares = np.zeros((answers.height, scale.n_points))
    points = answers["rating"].drop_nulls().to_numpy().astype(np.int64) - scale.low
    shares[np.flatnonzero(has_rating), points] = 1.0
    stated = answers["probabilities"].drop_nulls().explode().to_numpy()
    shares[~has_rating] = stated.reshape(-1, scale.n_points)
    return shares
