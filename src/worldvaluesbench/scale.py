"""A scale: the ordered codes an item may be answered with, and their place in [0, 1]."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worldvaluesbench.errors import ScaleError

MAX_POINTS = 10
"""The most points a scale has in wave 7; arrays over several items are padded to this many."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The whole numbers from `low` to `high`, both included.

    The *position* of a rating is its place on the scale stretched to [0, 1]. This class is the only place
    where ratings become positions.

    >>> Scale(1, 4).n_points
    4
    >>> Scale(1, 4).position(2)
    0.3333333333333333
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        if self.high <= self.low:
            raise ScaleError(f"A scale needs at least two points, got {self.low}..{self.high}.")

    def __contains__(self, rating: object) -> bool:
        return isinstance(rating, int) and self.low <= rating <= self.high

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"

    @property
    def n_points(self) -> int:
        """How many scale points there are."""
        return self.high - self.low + 1

    @property
    def ratings(self) -> range:
        """The scale points in order."""
        return range(self.low, self.high + 1)

    def position(self, rating: float) -> float:
        """The place of `rating` in [0, 1]; off-scale ratings fall outside."""
        return (rating - self.low) / (self.high - self.low)

    def positions(self, ratings: ArrayLike) -> NDArray[np.float64]:
        """The places of many ratings, of any shape, in [0, 1]; off-scale ratings fall outside.

        >>> Scale(0, 2).positions([0, 1, 2])
        array([0. , 0.5, 1. ])
        """
        return (np.asarray(ratings, dtype=np.float64) - self.low) / (self.high - self.low)
