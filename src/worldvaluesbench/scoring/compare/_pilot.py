"""Variance components of the difference of two sources, from the comparison of a pilot."""

from collections.abc import Sequence
from dataclasses import fields
from itertools import combinations

import numpy as np
import polars as pl

from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring.compare._compared import COVARIANCE
from worldvaluesbench.scoring.sources import EVERYONE
from worldvaluesbench.stats import HUMAN_SHARE, Array, DifferenceVariance

_OF_ITEMS = ("corrected", "variance")


def pilot_variances(
    compared: pl.DataFrame, covariances: pl.DataFrame, *, n_samples: float = 1, human_share: float = HUMAN_SHARE
) -> dict[tuple[str, str], DifferenceVariance]:
    """The variance components of each two sources of a pilot, from two tables of its comparison, over all respondents.

    `items` is the variance of corrected differences over the items of a topic, less the part due to sampling; at least
    0.

    `compared` has one row for each source and item: answers, grouping, item_id, topic, n_examples, corrected (W1),
    variance (of `corrected` over samples of respondents). `covariances` has one row for each two sources, themselves
    included: grouping, first, second, covariance (mean over pairs of different items), same_item_covariance (mean over
    items). `n_samples`: how many samples of the model the pilot had for each respondent. `human_share`: the share of
    the sampling variance that is the humans', an assumption; see `DifferenceVariance`.

    Raises AnswersError where a column is absent, or there are not two sources with two items that both have.
    """
    _check_columns("compared", compared, ("answers", "grouping", "item_id", "topic", "n_examples", *_OF_ITEMS))
    _check_columns("covariances", covariances, ("grouping", "first", "second", *COVARIANCE))
    rows = compared.filter(pl.col("grouping") == EVERYONE)
    between = {
        frozenset((row["first"], row["second"])): tuple(row[name] or 0.0 for name in COVARIANCE)
        for row in covariances.filter(pl.col("grouping") == EVERYONE).iter_rows(named=True)
    }
    names = rows["answers"].unique(maintain_order=True).to_list()
    parts = {name: rows.filter(pl.col("answers") == name).drop_nulls(_OF_ITEMS).drop_nans(_OF_ITEMS) for name in names}
    left = human_share + (1 - human_share) / n_samples
    found = {}
    for first, second in combinations(names, 2):
        both = parts[first].join(parts[second], on="item_id", suffix="_b")
        if both.height >= 2:
            pairs = ((first, first), (second, second), (first, second))
            items, sampling, shared = _components(both, [between.get(frozenset(pair), (0.0, 0.0)) for pair in pairs])
            found[first, second] = DifferenceVariance(items, sampling / left, shared / left, human_share)
    if not found:
        raise AnswersError(
            f"A pilot compares two sources or more over two items or more, this one has {len(names)} with "
            f"{rows['item_id'].n_unique()}; compare more, or leave the pilot out."
        )
    return found


def mean_variance(variances: Sequence[DifferenceVariance]) -> DifferenceVariance:
    """The mean of several, component by component.

    >>> mean_variance([DifferenceVariance(0.01, 0.2, 0), DifferenceVariance(0.03, 0.3, 0)]).items
    0.02
    """
    names = [field.name for field in fields(DifferenceVariance)]
    return DifferenceVariance(*(float(np.mean([getattr(one, name) for one in variances])) for name in names))


def _check_columns(name: str, table: pl.DataFrame, columns: Sequence[str]) -> None:
    lacking = [column for column in columns if column not in table.columns]
    if lacking:
        raise AnswersError(f"The table {name} of a pilot lacks {', '.join(lacking)}; compare again with this version.")


def _components(both: pl.DataFrame, between: Sequence[tuple[float, ...]]) -> tuple[float, float, float]:
    """The variance between items, of sampling and of what items share, at the numbers of respondents of the pilot."""
    difference = (both["corrected"] - both["corrected_b"]).to_numpy()
    n = both["n_examples"].to_numpy().astype(np.float64)
    of_first, of_second, of_both = between
    shared = max(of_first[0] + of_second[0] - 2 * of_both[0], 0.0)
    # what both share within an item, on average, reduces the variance of their difference there
    sampling = (both["variance"] + both["variance_b"]).to_numpy()
    sampling = sampling * (max(1 - 2 * of_both[1] / float(sampling.mean()), 0.0) if sampling.any() else 0.0)
    # sampling makes differences vary over items, but for what it does to all of them alike
    items = _variance_within(difference, both["topic"]) - float(sampling.mean()) + shared
    n_usual = float(n.size / (1 / n).sum())
    return max(items, 0.0), float((sampling * n).mean()), shared * n_usual


def _variance_within(values: Array, topics: pl.Series) -> float:
    """The variance of values within topics, pooled; of all values where each topic has only one."""
    _, topic = np.unique(topics.to_numpy(), return_inverse=True)
    n_topics = int(topic.max()) + 1
    if n_topics == values.size:
        return float(values.var(ddof=1))
    means = np.bincount(topic, values) / np.bincount(topic)
    return float(((values - means[topic]) ** 2).sum() / (values.size - n_topics))
