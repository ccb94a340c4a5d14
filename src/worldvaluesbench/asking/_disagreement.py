"""Disagreement between orders: how far a model's answers change when only the order of the options does."""

from itertools import combinations

import numpy as np
import polars as pl

from worldvaluesbench.stats import Array, Scale, wasserstein
from worldvaluesbench.survey import Codebook, load_codebook

ALL_ITEMS = "all"
"""The `item_id` of the row that sums up all items."""


def order_disagreement(answers: pl.DataFrame, codebook: Codebook | None = None) -> pl.DataFrame:
    """How far the orders of the options disagree, a row for each item, then one for all items.

    `answers` are those of a run (`make_answers`). An example counts where it was parsed in every order in which its
    item was asked. `w1`: the mean Wasserstein-1 distance, over the pairs of orders, between the distributions that all
    counted examples have together; 0: the order changes nothing overall; 1: it reverses the answers. `position`: the
    mean absolute difference, over the pairs and the examples, between the positions (in [0, 1]) of one example's
    answers; samples of an example are averaged first, and the position of a distribution is its mean. Both include the
    noise of sampled answers, `position` all of it.

    Columns: `item_id` (String), `n_orders`, `n_examples`, `w1`, `position`, the last two null where an item has one
    order or no example that counts. The last row, `all`, has the sum of the examples and the means over the items.
    """
    codebook = codebook or load_codebook()
    by_item = {str(item_id): own for (item_id,), own in answers.partition_by("item_id", as_dict=True).items()}
    rows = [
        (item.item_id, *_disagreement(by_item[item.item_id], item.scale))
        for item in codebook.items
        if item.item_id in by_item
    ]
    counts, distances = (
        dict.fromkeys(("n_orders", "n_examples"), pl.Int64),
        dict.fromkeys(("w1", "position"), pl.Float64),
    )
    items = pl.DataFrame(rows, schema={"item_id": pl.String, **counts, **distances}, orient="row")
    total = items.select(
        pl.lit(ALL_ITEMS).alias("item_id"),
        pl.col("n_orders").max(),
        pl.col("n_examples").sum(),
        pl.col("w1", "position").mean(),
    )
    return pl.concat([items, total]) if rows else items


def _disagreement(answers: pl.DataFrame, scale: Scale) -> tuple[int, int, float | None, float | None]:
    """Orders, examples that count, and both distances, of one item."""
    orders = answers["order"].unique().sort().to_numpy()
    read = answers.filter(pl.col("rating").is_not_null() | pl.col("probabilities").is_not_null())
    ids, example = np.unique(read["respondent_id"].to_numpy(), return_inverse=True)
    cell = example, np.searchsorted(orders, read["order"].to_numpy())
    counts, sums = np.zeros((ids.size, orders.size)), np.zeros((ids.size, orders.size, scale.n_points))
    np.add.at(counts, cell, 1)
    np.add.at(sums, cell, _shares(read, scale))
    is_counted = (counts > 0).all(axis=1)
    shares = sums[is_counted] / counts[is_counted, :, None]
    n_orders, n_examples = orders.size, shares.shape[0]
    if n_orders < 2 or not n_examples:
        return n_orders, n_examples, None, None
    pooled, positions = shares.mean(axis=0), shares @ np.linspace(0.0, 1.0, scale.n_points)
    pairs = list(combinations(range(n_orders), 2))
    w1 = np.mean([wasserstein(pooled[first], pooled[second]) for first, second in pairs])
    position = np.mean([np.abs(positions[:, first] - positions[:, second]).mean() for first, second in pairs])
    return n_orders, n_examples, float(w1), float(position)


def _shares(answers: pl.DataFrame, scale: Scale) -> Array:
    """The answers as shares, shape (rows, points); a rating has all on its point."""
    has_rating = answers["rating"].is_not_null().to_numpy()
    shares = np.zeros((answers.height, scale.n_points))
    points = answers["rating"].drop_nulls().to_numpy().astype(np.int64) - scale.low
    shares[np.flatnonzero(has_rating), points] = 1.0
    shares[~has_rating] = answers["probabilities"].drop_nulls().explode().to_numpy().reshape(-1, scale.n_points)
    return shares
