"""The reference: the humans whom answers are compared with, either a dataset's respondents or the whole world."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.benchmark.dataset import Dataset
from worldvaluesbench.scale import MAX_POINTS
from worldvaluesbench.survey.codebook import Codebook, Item, load_codebook
from worldvaluesbench.survey.marginals import N_INTERVIEWS, load_marginals


@dataclass(frozen=True)
class Reference:
    """A dataset's respondents; without a dataset, the embedded world marginals."""

    codebook: Codebook = field(repr=False)
    dataset: Dataset | None = None

    @property
    def name(self) -> Literal["respondents", "world"]:
        """Which of the two it is."""
        return "world" if self.dataset is None else "respondents"

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
            return {"name": self.name, **world}
        return {"name": self.name, **self.dataset.receipt}


@dataclass(frozen=True)
class Humans:
    """What a reference says about some items, as arrays.

    `low`, `n_points`: first point and length of the items' scales, shape (items,). Of a dataset, `respondent_ids`
    and `responses`, Int8 of shape (items, respondents): a rating, or the negative code of a missing reason. Of the
    world, `marginals`, counts of shape (items, 10); an item without marginals has zeros.
    """

    items: tuple[Item, ...]
    low: NDArray[np.int64]
    n_points: NDArray[np.int64]
    respondent_ids: pl.Series | None = None
    responses: NDArray[np.int8] | None = None
    marginals: NDArray[np.int64] | None = None


def world_reference(codebook: Codebook | None = None) -> Reference:
    """The world: the counts of all interviews of file version 5, which need no survey data."""
    return Reference(codebook or load_codebook())


def respondents_reference(dataset: Dataset) -> Reference:
    """The respondents of a dataset: each answer is compared with the response of the person it was given for."""
    return Reference(dataset.codebook, dataset)


def read_humans(reference: Reference, items: Sequence[Item]) -> Humans:
    """The human side of these items; of a dataset only their columns are read."""
    low = np.array([item.scale.low for item in items])
    n_points = np.array([item.scale.n_points for item in items])
    if reference.dataset is None:
        return Humans(tuple(items), low, n_points, marginals=_world_counts(items))
    frame = reference.dataset.responses([item.item_id for item in items])
    responses = frame.drop("respondent_id").to_numpy(order="fortran").T
    return Humans(tuple(items), low, n_points, respondent_ids=frame["respondent_id"], responses=responses)


def _world_counts(items: Sequence[Item]) -> NDArray[np.int64]:
    marginals = load_marginals()
    counts = np.zeros((len(items), MAX_POINTS), dtype=np.int64)
    has_marginals = np.isin([item.item_id for item in items], marginals.item_ids)
    counts[has_marginals] = marginals.as_array(items[place].item_id for place in np.flatnonzero(has_marginals).tolist())
    return counts
