"""How scores are made, beside whom the answers are compared with: what is too small, drawn anew, counted apart."""

from dataclasses import asdict, dataclass
from typing import Any

from worldvaluesbench.errors import AnswersError
from worldvaluesbench.estimate import Resampling
from worldvaluesbench.survey.attributes import Grouping

MIN_N = 10
"""Below so many humans or people answered for a cell is reported as too small, and not as a number."""


@dataclass(frozen=True)
class How:
    """How scores are made, beside whom the answers are compared with.

    `min_n`: cells with fewer humans or people answered for have counts and no distance. `resampling` None: no
    intervals. `strata`: people are drawn within the groups of this grouping (None: within those by which a run's probe
    set was drawn, if it was). `has_refusals`: missing answers and humans who refused are a category apart, at distance
    1 from every point.

    Raises AnswersError for a minimum below 1.
    """

    min_n: int = MIN_N
    resampling: Resampling | None = None
    strata: Grouping | None = None
    has_refusals: bool = False

    def __post_init__(self) -> None:
        if self.min_n < 1:
            raise AnswersError(f"The minimum n is {self.min_n}; expected 1 or more.")

    def describe(self) -> dict[str, Any]:
        """What a manifest says about it."""
        drawn = self.resampling
        return {
            "min_n": self.min_n,
            "has_refusals": self.has_refusals,
            "strata": None if self.strata is None else self.strata.name,
            "resampling": None if drawn is None else asdict(drawn),
        }
