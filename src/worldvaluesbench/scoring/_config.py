"""How scores are made, beside what the answers are compared with: what is too small, what was sampled and how."""

from dataclasses import asdict, dataclass
from typing import Any

from worldvaluesbench.benchmark import CLUSTERS
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.stats import ITEM_SAMPLING, MIN_COVERAGE, ItemSampling, Resampling
from worldvaluesbench.survey import Grouping

MIN_N = 10
"""Below so many humans or respondents answered for a cell is reported as too small, and not as a number."""

MIN_N_STATED = 30
"""The same for sources that state probabilities. They add no noise of their own, so near 0 fewer respondents are too
few for the correction of bias and its interval."""


@dataclass(frozen=True)
class How:
    """How scores are made, beside what the answers are compared with.

    `min_n`: cells with fewer humans or respondents answered for have counts and no distance; `min_n_stated`: the same
    where all answers are probabilities. `resampling` None: no confidence intervals. `strata`: respondents are resampled
    within the groups of this grouping (None: within those by which a run's probe set was drawn, if it was). `cluster`:
    the column of the survey by which respondents were sampled together (None: each alone). `item_sampling`: what other
    items could have been asked. `has_refusals`: missing answers and humans who refused are a category apart, at
    distance 1 from every point. `min_coverage`: token probabilities of which less was on the options are left out as
    `low_coverage`.

    Raises AnswersError for a minimum n below 1, a minimum coverage that is no probability, an unknown column of
    clusters or an unknown way of sampling items.
    """

    min_n: int = MIN_N
    resampling: Resampling | None = None
    strata: Grouping | None = None
    has_refusals: bool = False
    cluster: str | None = None
    item_sampling: ItemSampling = "within-topics"
    min_n_stated: int = MIN_N_STATED
    min_coverage: float = MIN_COVERAGE

    def __post_init__(self) -> None:
        if min(self.min_n, self.min_n_stated) < 1:
            raise AnswersError(f"The minimum n is {min(self.min_n, self.min_n_stated)}; expected 1 or more.")
        if not 0 <= self.min_coverage <= 1:
            raise AnswersError(f"The minimum coverage is {self.min_coverage}; expected a probability, 0 to 1.")
        if self.cluster is not None and self.cluster not in CLUSTERS:
            raise AnswersError(f"There is no column of clusters {self.cluster!r}; there are {', '.join(CLUSTERS)}.")
        if self.item_sampling not in ITEM_SAMPLING:
            raise AnswersError(
                f"There is no item sampling {self.item_sampling!r}; there are {', '.join(ITEM_SAMPLING)}."
            )

    def least_n(self, *, is_stated: bool) -> int:
        """The minimum n of sources of ratings, or of those that state probabilities."""
        return max(self.min_n, self.min_n_stated) if is_stated else self.min_n

    def describe(self) -> dict[str, Any]:
        """What a manifest says about it."""
        drawn = self.resampling
        return {
            "min_n": self.min_n,
            "min_n_stated": self.min_n_stated,
            "min_coverage": self.min_coverage,
            "has_refusals": self.has_refusals,
            "strata": None if self.strata is None else self.strata.name,
            "cluster": self.cluster,
            "item_sampling": self.item_sampling,
            "resampling": None if drawn is None else asdict(drawn),
        }
