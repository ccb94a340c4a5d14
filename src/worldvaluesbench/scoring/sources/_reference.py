"""The reference: the humans that answers are compared with, either respondents of a dataset or the whole world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.benchmark import WEIGHTS, Dataset, WeightName, read_weights
from worldvaluesbench.errors import AnswersError, DatasetError
from worldvaluesbench.stats import MAX_POINTS, Array
from worldvaluesbench.survey import N_INTERVIEWS, Codebook, Item, load_codebook, load_marginals

ReferenceName = Literal["probe", "split", "all", "world"]
REFERENCES: Mapping[ReferenceName, str] = {
    "probe": "the respondents answered for, one by one",
    "split": "everyone of the split that most of them are in",
    "all": "everyone of the dataset",
    "world": "the world marginals of file version 5",
}
"""What answers can be compared with."""


@dataclass(frozen=True)
class Reference:
    """The humans that answers are compared with, and the survey weight with which everybody counts.

    `name`: see `REFERENCES`. All but the world are respondents of `dataset`.

    Raises AnswersError where the two do not fit, DatasetError for an unknown weight.
    """

    codebook: Codebook = field(repr=False)
    dataset: Dataset | None = None
    name: ReferenceName = "world"
    weight: WeightName = "none"

    def __post_init__(self) -> None:
        if self.name not in REFERENCES:
            raise AnswersError(f"There is no reference {self.name!r}; there are {', '.join(REFERENCES)}.")
        if (self.dataset is None) != (self.name == "world"):
            raise AnswersError(f"The reference {self.name} needs {'no' if self.dataset else 'a'} dataset.")
        if self.weight not in WEIGHTS:
            raise DatasetError(f"There is no weight {self.weight!r}; there are {', '.join(WEIGHTS)}.")
        if self.dataset is None and self.weight != "none":
            raise AnswersError(
                f"The world marginals are unweighted counts; the weight {self.weight} needs respondents: give --data."
            )

    @property
    def edition(self) -> str | None:
        """The edition of the dataset; None for the world."""
        return None if self.dataset is None else self.dataset.edition

    @property
    def is_invented(self) -> bool:
        """Whether the humans are invented ones."""
        return self.dataset is not None and self.dataset.is_invented

    def describe(self) -> dict[str, Any]:
        """What a manifest says about it: its name, and the receipt of the dataset or the file behind the marginals."""
        if self.dataset is None:
            world = {"edition": None, "file_version": "5.0", "is_invented": False, "n_respondents": N_INTERVIEWS}
            return {"name": self.name, "weight": self.weight, **world}
        return {"name": self.name, "weight": self.weight, **self.dataset.receipt}


@dataclass(frozen=True)
class Humans:
    """What a reference says about some items, as arrays.

    `low`, `n_points`: first point and length of the items' scales, shape (items,). Of a dataset, `respondent_ids`
    and `responses`, Int8 of shape (items, respondents): a rating, or the negative code of a missing reason; `weights`
    and `splits` (a number for each split) of the respondents, None where they do not matter. `world` has the world
    marginals, counts of shape (items, 10), zeros for an item without; of the world itself they are `marginals` too,
    and `known_ids` the ids by which people answered for are told apart (None: as they are met).
    """

    items: tuple[Item, ...]
    low: NDArray[np.int64]
    n_points: NDArray[np.int64]
    respondent_ids: pl.Series | None = None
    known_ids: pl.Series | None = None
    responses: NDArray[np.int8] | None = None
    marginals: NDArray[np.int64] | None = None
    world: NDArray[np.int64] | None = None
    weights: Array | None = None
    splits: NDArray[np.uint8] | None = None


def world_reference(codebook: Codebook | None = None) -> Reference:
    """The world: the counts of all interviews of file version 5, which need no survey data."""
    return Reference(codebook or load_codebook())


def respondents_reference(dataset: Dataset, name: ReferenceName = "probe", weight: WeightName = "none") -> Reference:
    """The respondents of a dataset; by default those answered for, each compared with the answer given for them."""
    return Reference(dataset.codebook, dataset, name, weight)


def read_humans(reference: Reference, items: Sequence[Item]) -> Humans:
    """The human side of these items; of a dataset only their columns are read."""
    low = np.array([item.scale.low for item in items])
    n_points = np.array([item.scale.n_points for item in items])
    world = _world_counts(items)
    if reference.dataset is None:
        return Humans(tuple(items), low, n_points, marginals=world, world=world)
    frame = reference.dataset.responses([item.item_id for item in items])
    responses = frame.drop("respondent_id").to_numpy(order="fortran").T
    weights = read_weights(reference.dataset, reference.weight)
    splits = None
    if reference.name == "split":
        splits = reference.dataset.respondents(["split"])["split"].to_physical().to_numpy()
    ids = frame["respondent_id"]
    return Humans(tuple(items), low, n_points, ids, responses=responses, world=world, weights=weights, splits=splits)


def _world_counts(items: Sequence[Item]) -> NDArray[np.int64]:
    marginals = load_marginals()
    counts = np.zeros((len(items), MAX_POINTS), dtype=np.int64)
    has_marginals = np.isin([item.item_id for item in items], marginals.item_ids)
    counts[has_marginals] = marginals.as_array(items[place].item_id for place in np.flatnonzero(has_marginals).tolist())
    return counts
