"""A scale: the ordered codes an item may be answered with, and their place in [0, 1]."""

from dataclasses import dataclass

from worldvaluesbench.errors import ScaleError

MAX_POINTS = 10
"""The most points a scale has in wave 7; arrays over several items are padded to this many."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The whole numbers from `low` to `high`, both included.

    The points lie evenly: the *position* of point k of K, from 0, is k / (K - 1) in [0, 1]. Distances are measured in
    positions (`distribution.wasserstein`).

    >>> Scale(1, 4).n_points
    4
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
