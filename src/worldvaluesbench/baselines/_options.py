"""Which baselines there are, and how each is made."""

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
"""The splits whose people each baseline is made from; it answers for nobody else's."""

_USED: Mapping[BaselineName, tuple[str, ...]] = {
    "marginal": ("source", "weight", "fit"),
    "cell": ("groups", "weight", "fit"),
    "trees": ("attributes", "weight", "seed", "fit", "threads"),
    "human": ("groups", "weight", "seed"),
}


@dataclass(frozen=True, slots=True)
class BaselineOptions:
    """How a baseline is made. One that has no use for an option refuses it.

    `source`: the people whose marginals `marginal` gives, of the train split or of the `world`. `weight`: the survey
    weight by which people count. `groups`: the finest groups of `cell` and `human` (None: countries; of `human` for a
    probe set those of its cross). `attributes`: what `trees` sees of a person (None: all that make sense). `seed`: of
    the draws of `trees` and `human`. `fit`: a folder where what was fitted is kept, or was. `called`: the run's name
    (None: the baseline's). `threads`: how many items `trees` fits at a time (None: as many as there are cores).
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
            raise RunError("The run's name is empty; give one, for names tell runs apart.")
        if self.source == "world" and (self.weight != "none" or self.fit is not None):
            raise RunError("The world marginals are counted and unweighted: they take no weight and nothing is fitted.")


def check_options(name: BaselineName, options: BaselineOptions) -> None:
    """Raise RunError for an unknown baseline, or an option that it has no use for."""
    if name not in BASELINES:
        raise RunError(f"There is no baseline {name!r}; there are {', '.join(BASELINES)}.")
    unused = [field for field in _changed(options) if field not in (*_USED[name], "called")]
    if unused:
        raise RunError(f"{name}: has no use for the option {unused[0]}; leave it out ({name} takes {_listed(name)}).")


def options_for(name: BaselineName, options: BaselineOptions) -> BaselineOptions:
    """Of options given to several baselines those that this one uses; its fit in a folder of its own name."""
    kept = {field: getattr(options, field) for field in _changed(options) if field in _USED[name]}
    fit = kept.get("fit")
    return BaselineOptions(**kept if fit is None else kept | {"fit": fit / name})


def fitted_on(name: BaselineName, options: BaselineOptions) -> tuple[str, ...]:
    """The splits whose people a baseline is made from; none of them for the world marginals, which name nobody."""
    return () if options.source == "world" else tuple(split for split in SPLITS if split in FITTED_ON[name])


def _changed(options: BaselineOptions) -> list[str]:
    return [field.name for field in fields(options) if getattr(options, field.name) != field.default]


def _listed(name: BaselineName) -> str:
    return ", ".join(_USED[name])
