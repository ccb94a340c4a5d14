"""Kinds of sources: a baseline, or a model asked with or without demographics; and which two belong together."""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from worldvaluesbench.scoring.answers import Answers

Shared = TypeVar("Shared", bound=Hashable)

Kind = Literal["baseline", "without", "with"]
KINDS: Mapping[Kind, str] = {
    "baseline": "no language model",
    "without": "a model whose prompt shows nobody",
    "with": "a model whose prompt shows who is answered for",
}

ORACLE = "oracle"
"""The kind of the baselines that look at the humans they are held against: uniform and majority in the paper."""

_SHOWN = re.compile(r"[ ._+(-]+(?:(?:(?P<without>without|no)|with)[ ._-]*)?demographics\)?(?=$|[ ._+-])", re.IGNORECASE)
"""How names say whether somebody is shown: the paper's `alpaca-7b+demographics`, the published files'
`alpaca_with_demographics`, `alpaca-7b+demographics+verbalised`, and `alpaca_without_demographics`."""


@dataclass(frozen=True, slots=True)
class Sort:
    """What sort of source it is: its kind, and what answers with and without demographics share.

    `family` is the name without what it says of demographics; `asked` the model and method of a run.
    """

    kind: Kind
    family: str
    asked: tuple[str, str] | None = None

    def describe(self) -> dict[str, Any]:
        """What a manifest says about it."""
        model, method = self.asked or (None, None)
        return {"kind": self.kind, "family": self.family, "model": model, "method": method}


def read_sort(described: Mapping[str, Any]) -> Sort:
    """The sort that a manifest speaks of.

    >>> read_sort(Sort("with", "gpt", ("gpt-4o", "greedy")).describe())
    Sort(kind='with', family='gpt', asked=('gpt-4o', 'greedy'))
    """
    model, method = described.get("model"), described.get("method")
    asked = None if model is None or method is None else (str(model), str(method))
    return Sort(described["kind"], described["family"], asked)


def sort_of(answers: Answers) -> Sort:
    """The sort of a source: what its run says of itself, else what its name says.

    >>> from types import SimpleNamespace
    >>> sort_of(SimpleNamespace(name="alpaca_with_demographics", run=None))
    Sort(kind='with', family='alpaca', asked=None)
    """
    said = _SHOWN.search(answers.name)
    family = answers.name if said is None else answers.name[: said.start()] + answers.name[said.end() :]
    run = answers.run
    if run is not None and run.backend == "baseline":
        return Sort("baseline", answers.name)
    if run is not None and run.has_demographics is not None:
        asked = None if run.model is None or run.method is None else (run.model, run.method)
        return Sort("with" if run.has_demographics else "without", family, asked)
    return Sort("without" if said is None or said["without"] else "with", family)


def pairs_of(sorts: Mapping[str, Sort]) -> list[tuple[str, str, str]]:
    """Sources that belong together, one without and one with demographics: what they share, without, with.

    Names tell, `alpaca` and `alpaca+demographics`; of what they leave over, runs of one model by one method. Where
    there are several with or without, none of them is a pair.

    >>> sorts = {"a": Sort("without", "a"), "a+demographics": Sort("with", "a"), "b": Sort("without", "b")}
    >>> pairs_of(sorts)
    [('a', 'a', 'a+demographics')]
    """
    found = _pairs({name: sort.family for name, sort in sorts.items()}, sorts)
    paired = {name for _, *two in found for name in two}
    left = {name: sort.asked for name, sort in sorts.items() if sort.asked is not None and name not in paired}
    return found + [(asked[0], without, shown) for asked, without, shown in _pairs(left, sorts)]


def _pairs(shared: Mapping[str, Shared], sorts: Mapping[str, Sort]) -> list[tuple[Shared, str, str]]:
    """What two of these names share, of which one is without and one with demographics."""
    found = []
    for one in dict.fromkeys(shared.values()):
        of_kind = [
            [name for name, other in shared.items() if other == one and sorts[name].kind == kind]
            for kind in ("without", "with")
        ]
        if len(of_kind[0]) == len(of_kind[1]) == 1:
            found.append((one, of_kind[0][0], of_kind[1][0]))
    return found
