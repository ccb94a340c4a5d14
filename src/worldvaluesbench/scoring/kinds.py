"""Kinds of sources: a baseline, or a model asked with or without demographics; and which two belong together."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from worldvaluesbench.scoring.answers import Answers

Kind = Literal["baseline", "without", "with"]
KINDS: Mapping[Kind, str] = {
    "baseline": "no language model",
    "without": "a model whose prompt shows nobody",
    "with": "a model whose prompt shows who is answered for",
}

ORACLE = "oracle"
"""The kind of the baselines that look at the humans they are held against: uniform and majority in the paper."""

_SHOWN = re.compile(r"[ ._+-]*(with[ ._-]?)?demographics(?=$|[ ._+-])", re.IGNORECASE)
"""How names say that answers are with demographics: the paper's `alpaca-7b+demographics`, the published files'
`alpaca_with_demographics`, and `alpaca-7b+demographics+verbalised`."""


@dataclass(frozen=True, slots=True)
class Sort:
    """What sort of source it is: its kind, and the name that answers with and without demographics share."""

    kind: Kind
    family: str


def sort_of(answers: Answers) -> Sort:
    """The sort of a source: what its run says of itself, else what its name says.

    >>> from types import SimpleNamespace
    >>> sort_of(SimpleNamespace(name="alpaca_with_demographics", run=None))
    Sort(kind='with', family='alpaca')
    """
    family = _SHOWN.sub("", answers.name)
    run = answers.run
    if run is not None and run.backend == "baseline":
        return Sort("baseline", answers.name)
    if run is not None and run.has_demographics is not None:
        return Sort("with" if run.has_demographics else "without", family)
    return Sort("without" if family == answers.name else "with", family)


def pairs_of(sorts: Mapping[str, Sort]) -> list[tuple[str, str, str]]:
    """The families of which there is one source without and one with demographics: family, without, with.

    >>> sorts = {"a": Sort("without", "a"), "a+demographics": Sort("with", "a"), "b": Sort("without", "b")}
    >>> pairs_of(sorts)
    [('a', 'a', 'a+demographics')]
    """
    found = []
    for family in dict.fromkeys(sort.family for sort in sorts.values() if sort.kind != "baseline"):
        without = _members(sorts, Sort("without", family))
        shown = _members(sorts, Sort("with", family))
        if len(without) == len(shown) == 1:
            found.append((family, without[0], shown[0]))
    return found


def _members(sorts: Mapping[str, Sort], wanted: Sort) -> Sequence[str]:
    return [name for name, sort in sorts.items() if sort == wanted]
