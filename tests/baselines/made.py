"""Baselines of datasets made by hand, asked about their test people."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.baselines._build import build_baseline
from worldvaluesbench.baselines._options import BaselineName, BaselineOptions
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.planning._examples import split_examples
from worldvaluesbench.survey._attributes import parse_groupings

TRAIN, VALID, TEST = "train", "valid", "test"


def answers_of(
    dataset: Dataset, out: Path, name: BaselineName, item_ids: Sequence[str] = ("Q1",), **options: Any
) -> pl.DataFrame:
    """The answers table of a baseline about the test people; `groups` is written as on the command line."""
    if "groups" in options:
        (options["groups"],) = parse_groupings(options["groups"], dataset.codebook)
    build_baseline(
        name, split_examples(dataset, TEST, item_ids), out, options=BaselineOptions(**options), force=out.exists()
    )
    return pl.read_parquet(out / "answers.parquet")


def probabilities_of(*given: Any, **options: Any) -> dict[int, list[float]]:
    """The distribution that a baseline gives each respondent for Q1."""
    table = answers_of(*given, **options)
    return dict(table.select("respondent_id", "probabilities").rows())


def log_loss(table: pl.DataFrame, dataset: Dataset) -> float:
    """Minus the mean log of what a table of distributions gives to the responses that were given."""
    losses: list[NDArray[np.float64]] = []
    for (item_id,), part in table.group_by("item_id", maintain_order=True):
        humans = dataset.responses([str(item_id)])
        rating = part.join(humans, on="respondent_id", how="left", maintain_order="left")[str(item_id)].to_numpy()
        shares = np.array(part["probabilities"].to_list())
        points = rating - dataset.codebook.item(str(item_id)).scale.low
        losses.append(-np.log(shares[np.arange(points.size), points]))
    return float(np.concatenate(losses).mean())
