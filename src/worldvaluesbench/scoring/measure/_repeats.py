"""What a run has beside the rows of a file: examples asked several times over, and answers that are distributions."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.stats import Array, Ints, Mask

ROOM = 16
"""Keys are marked in an array as long as their largest number, up to so many times their count."""


@dataclass(frozen=True)
class Spread:
    """Distributions, as entries of shape (entries,) ordered by row: the row, a point of its scale from 0, its share.

    The shares of a row sum to 1.
    """

    row: Ints
    point: Ints
    share: Array


@dataclass(frozen=True)
class Askings:
    """Which rows ask the same: arrays of shape (rows,), and the rows that hold distributions.

    `example` numbers the item and respondent, `slot` the order and sample by which the example was asked; neither is
    dense. `is_spread`: whether the row holds a distribution. `request` numbers the request that was answered, -1 where
    none is known (None: of no row).
    """

    example: NDArray[np.int64]
    slot: NDArray[np.int64]
    is_spread: Mask
    spread: Spread
    request: Ints | None = None

    @property
    def asking(self) -> NDArray[np.int64]:
        """Example and slot as one number, shape (rows,)."""
        return self.example * (int(self.slot.max(initial=0)) + 1) + self.slot


def find_askings(frame: pl.DataFrame, item: Ints) -> Askings:
    """The askings of a run's table of answers, `item` being the places of its items.

    Probabilities that do not sum to 1 (the model put the rest on what is no choice) are taken as shares of their sum.
    """
    sample = frame["sample"].to_numpy().astype(np.int64)
    person, n_people = number_people(frame["respondent_id"])
    return Askings(
        example=item.astype(np.int64) * n_people + person,
        slot=frame["order"].to_numpy() * (int(sample.max(initial=0)) + 1) + sample,
        is_spread=frame["probabilities"].is_not_null().to_numpy(),
        spread=_spread(frame["probabilities"]),
        request=frame["request"].fill_null(-1).to_numpy() if "request" in frame.columns else None,
    )


def is_first(keys: NDArray[np.int64]) -> Mask:
    """Which of these keys, whole numbers from 0, have not come before; shape (keys,)."""
    n_keys = int(keys.max(initial=-1)) + 1
    if n_keys > ROOM * (keys.size + 1):
        return np.asarray(pl.Series(keys).is_first_distinct().to_numpy())
    place = np.arange(keys.size)
    first = np.empty(n_keys, dtype=np.int64)
    # of several values put in one place numpy keeps the last, so keys go in from the end
    first[keys[::-1]] = place[::-1]
    return np.equal(first[keys], place)


def n_alike(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of these keys, whole numbers from 0, are the same as each, itself included; shape (keys,)."""
    if int(keys.max(initial=-1)) >= ROOM * (keys.size + 1):
        return pl.DataFrame({"key": keys}).select(pl.len().over("key").cast(pl.Int64)).to_series().to_numpy()
    return np.asarray(np.bincount(keys)[keys])


def number_people(ids: pl.Series, known: pl.Series | None = None) -> tuple[NDArray[np.int64], int]:
    """A number from 0 for each row's respondent, and how many there are. A row without an id is somebody else.

    `known`: ids that have numbers in this order, every one of `ids` among them.
    """
    if known is None:
        known = ids.unique().drop_nulls()
    person = ids.replace_strict(known, pl.int_range(known.len(), dtype=pl.Int64, eager=True), default=None)
    numbers = person.fill_null(-1).to_numpy(writable=True)
    nobody = np.flatnonzero(numbers < 0)
    numbers[nobody] = known.len() + np.arange(nobody.size)
    return numbers, known.len() + nobody.size


def _spread(probabilities: pl.Series) -> Spread:
    n_points = probabilities.list.len().fill_null(0).to_numpy().astype(np.int64)
    row = np.repeat(np.arange(n_points.size, dtype=np.int32), n_points)
    sizes = n_points[n_points > 0]
    starts = np.cumsum(sizes) - sizes
    mass = probabilities.drop_nulls().explode(empty_as_null=False).to_numpy()
    total = np.add.reduceat(mass, starts) if mass.size else mass
    point = np.arange(row.size, dtype=np.int32) - np.repeat(starts.astype(np.int32), sizes)
    return Spread(row, point.astype(np.int8), mass / np.repeat(total, sizes))
