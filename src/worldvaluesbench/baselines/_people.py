"""The people a baseline is made from: respondents of some splits, what they said, and how much each of them counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.benchmark import Dataset, WeightName, check_weights, read_weights
from worldvaluesbench.errors import DatasetError
from worldvaluesbench.planning import ExampleSet, Rows
from worldvaluesbench.stats import Array
from worldvaluesbench.survey import Item

Points = NDArray[np.int8]
"""Places on an item's scale, from 0."""


@dataclass(frozen=True)
class People:
    """Respondents of a dataset: `rows` are theirs in its tables, `weights` how much each counts (None: all alike)."""

    dataset: Dataset
    rows: Rows = field(repr=False)
    weights: Array | None = field(default=None, repr=False)

    def responses_to(self, item: Item) -> tuple[NDArray[np.int64], Points]:
        """Who of them gave a response to an item, as places in `rows`, and at which point of its scale.

        Raises DatasetError where nobody did.
        """
        ratings = self.dataset.responses([item.item_id])[item.item_id].to_numpy()[self.rows]
        who = np.flatnonzero(ratings >= 0)
        if not who.size:
            raise DatasetError(
                f"{self.dataset.folder}: none of the {self.rows.size:,} respondents that the baseline is made from has "
                f"a response to {item.item_id}; leave this item out."
            )
        return who, (ratings[who] - item.scale.low).astype(np.int8)

    def weights_of(self, who: NDArray[np.int64]) -> Array | None:
        """The weights of these of them; None where all count alike."""
        return None if self.weights is None else self.weights[who]


def read_people(dataset: Dataset, splits: Sequence[str], weight: WeightName = "none") -> People:
    """The respondents of some splits, in file order, with their weights.

    Raises DatasetError where there are none, or a weight is missing.
    """
    rows = np.flatnonzero(_is_in(dataset, splits)).astype(np.int32)
    where = f"{dataset.folder}, {' and '.join(splits)}"
    if not rows.size:
        raise DatasetError(f"{where}: holds no respondent to make a baseline from; build from the whole survey file.")
    weights = read_weights(dataset, weight)
    if weights is None:
        return People(dataset, rows)
    check_weights(weights[rows], weight, where)
    return People(dataset, rows, weights[rows])


def check_asked(name: str, examples: ExampleSet, splits: Sequence[str]) -> None:
    """Raise DatasetError where anyone asked about is in one of these splits, from which the baseline is made."""
    is_asked = np.zeros(int(examples.dataset.manifest["n_respondents"]), dtype=bool)
    for item_id in examples.item_ids:
        is_asked[examples.rows_of(item_id)] = True
    n = np.count_nonzero(is_asked & _is_in(examples.dataset, splits))
    if n:
        named = " and ".join(splits)
        others = " or ".join(split for split in ("valid", "test") if split not in splits)
        raise DatasetError(
            f"{name}: {n:,} of the {np.count_nonzero(is_asked):,} respondents asked about are in {named}, which it is "
            f"made from, so it knows their responses; ask about people of {others}."
        )


def _is_in(dataset: Dataset, splits: Sequence[str]) -> NDArray[np.bool_]:
    split = dataset.respondents(["split"])["split"]
    return split.is_in(list(splits)).to_numpy()
