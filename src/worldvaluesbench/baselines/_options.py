"""Which baselines there are, and their options."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from worldvaluesbench.benchmark import SPLITS, WeightName
from worldvaluesbench.errors import RunError
from worldvaluesbench.survey import Grouping

BaselineName = Literal["marginal", "cell", "trees", "human"]
BASELINES: tuple[BaselineName, ...] = get_args(BaselineName)

Source = Literal["train", "world"]
SOURCES: tuple[Source, ...] = get_args(Source)

FITTED_ON: Mapping[BaselineName, tuple[str, ...]] = {
    "marginal": ("train",),
    "cell": ("train",),
    "trees": ("train",),
    "human": ("train", "valid"),
}
"""The splits each baseline is made from; it never answers for their respondents."""

_USED: Mapping[BaselineName, tuple[str, ...]] = {
    "marginal": ("source", "weight", "fit"),
    "cell": ("groups", "weight", "fit"),
    "trees": ("attributes", "weight", "seed", "fit", "threads"),
    "human": ("groups", "weight", "seed"),
}


@dataclass(frozen=True, slots=True)
class BaselineOptions:
    """The options of a baseline, each refused by a baseline that does not use it.

    `source`: whether `marginal` gives the marginals of the train split or of the `world`. `weight`: the survey weight.
    `groups`: the finest groups of `cell` and `human` (None: countries; of `human` for a probe set those of its cross).
    `attributes`: the features of `trees` (None: all that make sense). `seed`: of the random draws of `trees` and
    `human`. `fit`: a folder where the fit is kept, or was. `called`: the run's name (None: the baseline's). `threads`:
    how many items `trees` fits at a time (None: one per core).
    """

    source: Source = "train"
    weight: WeightName = "none"
    groups: Grouping | None = None
    attributes: tuple[str, ...] | None = None
    seed: int = 0
    fit: Path | None = None
    called: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise RunError(f"There are no marginals of {self.source!r}; there are those of {' and '.join(SOURCES)}.")
        if self.seed < 0:
            raise RunError(f"The seed is {self.seed}; expected 0 or more.")
        if self.attributes is not None and not self.attributes:
            raise RunError("trees would see no attribute; name at least one, or take marginal, which sees none.")
        if self.threads is not None and self.threads < 1:
            raise RunError(f"threads is {self.threads}; expected at least 1.")
        if self.called is not None and not self.called.strip():
            raise RunError("The run's name is empty; give one, so that runs can be distinguished.")
        if self.source == "world" and (self.weight != "none" or self.fit is not None):
            raise RunError("The world marginals are counted and unweighted: they take no weight and nothing is fitted.")

    def changed(self) -> list[str]:
        """The names of the options that differ from their defaults."""
        return [field.name for field in fields(self) if getattr(self, field.name) != field.default]


def check_options(name: BaselineName, options: BaselineOptions) -> None:
    """Raise RunError for an unknown baseline, or an option that it does not use."""
    if name not in BASELINES:
        raise RunError(f"There is no baseline {name!r}; there are {', '.join(BASELINES)}.")
    unused = [field for field in options.changed() if field not in (*_USED[name], "called")]
    if unused:
        taken = ", ".join(_USED[name])
        raise RunError(f"{name}: has no use for the option {unused[0]}; leave it out ({name} takes {taken}).")


def options_for(name: BaselineName, options: BaselineOptions) -> BaselineOptions:
    """Of options given to several baselines those that this one uses; its fit in a folder of its own name."""
    kept = {field: getattr(options, field) for field in options.changed() if field in _USED[name]}
    return BaselineOptions(**(kept | {"fit": kept["fit"] / name} if "fit" in kept else kept))


def fitted_on(name: BaselineName, options: BaselineOptions) -> tuple[str, ...]:
    """The splits a baseline is made from; none for the world marginals, which hold no single respondent."""
    return () if options.source == "world" else tuple(split for split in SPLITS if split in FITTED_ON[name])
