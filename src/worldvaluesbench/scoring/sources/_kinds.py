"""Kinds of sources: a baseline, or a model asked with or without demographics; and which two belong together.

What a run says of itself, or the caller, is known; what a file is called is a guess, is said to be one, and is no
ground for a test. Two runs are a pair where they were asked alike but for the persona.
"""

import hashlib
import json
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeVar

from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring.sources._answers import Answers

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


KindFrom = Literal["manifest", "given", "name"]
KIND_FROM: Mapping[KindFrom, str] = {
    "manifest": "the run says so",
    "given": "whoever compares says so",
    "name": "guessed from the name of a file",
}
"""How the kind of a source is known."""

OF_THE_PERSONA = frozenset(("preset", "attributes", "style", "questions", "n", "seed"))
"""Settings in which two runs may differ and still differ in the persona alone: what is shown of a respondent and how it
is worded; and the number of samples and their seed, which do not change what is sampled from."""

GUESSED = "kinds guessed from the names of files"
"""Why a pair of files is not tested."""


@dataclass(frozen=True, slots=True)
class Sort:
    """What sort of source it is: its kind, how that is known, and what answers with and without demographics share.

    `family` is the name without what it says of demographics; `asked` the model and method of a run; `conditions` how a
    run was asked, but for the persona, as names and short values (None: not known). `partner`: the source that the
    caller says it is a pair with.
    """

    kind: Kind
    family: str
    asked: tuple[str, str] | None = None
    kind_from: KindFrom = "name"
    conditions: tuple[tuple[str, str], ...] | None = None
    partner: str | None = None

    def describe(self) -> dict[str, Any]:
        """What a manifest says about it."""
        model, method = self.asked or (None, None)
        return {
            "kind": self.kind,
            "kind_from": self.kind_from,
            "family": self.family,
            "model": model,
            "method": method,
            "conditions": None if self.conditions is None else dict(self.conditions),
            "partner": self.partner,
        }


def read_sort(described: Mapping[str, Any]) -> Sort:
    """The sort that a manifest speaks of.

    >>> read_sort(Sort("with", "gpt", ("gpt-4o", "greedy"), "manifest").describe())
    Sort(kind='with', family='gpt', asked=('gpt-4o', 'greedy'), kind_from='manifest', conditions=None, partner=None)
    """
    model, method = described.get("model"), described.get("method")
    asked = None if model is None or method is None else (str(model), str(method))
    found = described.get("conditions")
    conditions = None if found is None else tuple((str(name), str(value)) for name, value in found.items())
    kind_from = described.get("kind_from", "name")
    return Sort(described["kind"], described["family"], asked, kind_from, conditions, described.get("partner"))


def sort_of(answers: Answers) -> Sort:
    """The sort of a source: what its run says of itself, else what its name says.

    >>> from types import SimpleNamespace
    >>> sort_of(SimpleNamespace(name="alpaca_with_demographics", run=None)).kind_from
    'name'
    """
    said = _SHOWN.search(answers.name)
    family = answers.name if said is None else answers.name[: said.start()] + answers.name[said.end() :]
    run = answers.run
    if run is not None and run.backend == "baseline":
        return Sort("baseline", answers.name, kind_from="manifest")
    if run is not None and run.has_demographics is not None:
        asked = None if run.model_name is None or run.method is None else (run.model_name, run.method)
        kind: Kind = "with" if run.has_demographics else "without"
        return Sort(kind, family, asked, "manifest", _conditions(run.about))
    return Sort("without" if said is None or said["without"] else "with", family)


def sorts_of(
    answers: Sequence[Answers],
    *,
    kinds: Mapping[str, Kind] | None = None,
    pairs: Sequence[tuple[str, str]] = (),
) -> dict[str, Sort]:
    """The sorts of sources by name, with what the caller says of them: kinds, and pairs of one without and one with.

    Raises AnswersError where a name is that of no source, or a source is given two kinds or two partners.
    """
    return give_kinds({one.name: sort_of(one) for one in answers}, kinds=kinds, pairs=pairs)


def give_kinds(
    sorts: Mapping[str, Sort], *, kinds: Mapping[str, Kind] | None = None, pairs: Sequence[tuple[str, str]] = ()
) -> dict[str, Sort]:
    """Sorts by name, with what the caller says of them; see `sorts_of`."""
    sorts = dict(sorts)
    given: dict[str, Kind] = dict(kinds or {})
    partners: dict[str, str] = {}
    for without, shown in pairs:
        for name, other, kind in ((without, shown, "without"), (shown, without, "with")):
            if name in partners or given.get(name, kind) != kind:
                raise AnswersError(f"{name!r} is in two pairs, or is said to be of two kinds; give it one.")
            partners[name], given[name] = other, "without" if kind == "without" else "with"
    for name in given:
        if name not in sorts:
            raise AnswersError(f"There is no source {name!r} to give a kind or a pair; there are {', '.join(sorts)}.")
        if given[name] not in KINDS:
            raise AnswersError(f"{name}: there is no kind {given[name]!r}; there are {', '.join(KINDS)}.")
    for name, kind_given in given.items():
        sorts[name] = replace(sorts[name], kind=kind_given, kind_from="given", partner=partners.get(name))
    return sorts


def _conditions(about: Mapping[str, Any]) -> tuple[tuple[str, str], ...] | None:
    """How a run was asked, but for the persona; texts that are long by their hash."""
    settings = about.get("settings")
    if not isinstance(settings, Mapping):
        return None
    kept = {name: value for name, value in settings.items() if name not in OF_THE_PERSONA}
    model = about.get("model")
    if isinstance(model, Mapping):
        # which words stand around a prompt is how it was asked
        kept |= {name: model[name] for name in ("model", "backend", "chat_template_kwargs") if name in model}
        if model.get("prompt", "auto") != "auto":
            kept["prompt"] = model["prompt"]
    return tuple(sorted((name, _short(value)) for name, value in kept.items()))


def _short(value: object) -> str:
    if isinstance(value, Mapping) and "text" in value:
        digest = hashlib.sha256(str(value["text"]).encode()).hexdigest()[:8]
        return f"{value.get('name')} ({digest})"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_CONDITION else hashlib.sha256(text.encode()).hexdigest()[:16]


MAX_CONDITION = 60
"""Longer values of settings are told apart by their hash."""


class Pair(NamedTuple):
    """Two sources that belong together: what they share, the one without and the one with demographics.

    `differs_in`: what they differ in beside the persona, or why that is not known (None: in the persona alone).
    `is_given`: whether the caller says that they are a pair.
    """

    family: str
    without: str
    shown: str
    differs_in: str | None = None
    is_given: bool = False

    @property
    def is_tested(self) -> bool:
        """Whether their difference is a persona effect: they differ in nothing else, or the caller says that it is."""
        return self.is_given or self.differs_in is None


def pairs_of(sorts: Mapping[str, Sort]) -> list[Pair]:
    """Sources that belong together, one without and one with demographics.

    First those that the caller names. Then names tell, `alpaca` and `alpaca+demographics`; and of what they leave over,
    runs of one model by one method. Where there are several with or without, none of them is a pair.

    >>> sorts = {"a": Sort("without", "a"), "a+demographics": Sort("with", "a"), "b": Sort("without", "b")}
    >>> pairs_of(sorts)[0].differs_in, pairs_of(sorts)[0].is_tested
    ('kinds guessed from the names of files', False)
    """
    given = [
        Pair(sort.family, name, partner, _difference(sort, sorts[partner]), is_given=True)
        for name, sort in sorts.items()
        if (partner := sort.partner) is not None and partner in sorts and sort.kind == "without"
    ]
    rest = {name: sort for name, sort in sorts.items() if sort.partner not in sorts}
    by_name = _pairs({name: sort.family for name, sort in rest.items()}, rest)
    paired = {name for _, *two in by_name for name in two}
    left = {name: sort.asked for name, sort in rest.items() if sort.asked is not None and name not in paired}
    by_model = [(asked[0], without, shown) for asked, without, shown in _pairs(left, rest)]
    found = [
        Pair(
            family, without, shown, _guessed(sorts[without], sorts[shown]) or _difference(sorts[without], sorts[shown])
        )
        for family, without, shown in (*by_name, *by_model)
    ]
    return given + found


def tested_pairs(sorts: Mapping[str, Sort]) -> list[Pair]:
    """Those of `pairs_of` whose difference is a persona effect."""
    return [pair for pair in pairs_of(sorts) if pair.is_tested]


def _guessed(first: Sort, second: Sort) -> str | None:
    return GUESSED if "name" in (first.kind_from, second.kind_from) else None


def _difference(first: Sort, second: Sort) -> str | None:
    """What two sources differ in beside the persona; None: in nothing that is known."""
    if first.conditions is None and second.conditions is None:
        return None
    if first.conditions is None or second.conditions is None:
        return "how one of them was asked, which is not known"
    one, two = dict(first.conditions), dict(second.conditions)
    names = [name for name in sorted({*one, *two}) if one.get(name) != two.get(name)]
    return ", ".join(f"{name} ({one.get(name, '-')} and {two.get(name, '-')})" for name in names) or None


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
