"""What the receipt of a comparison says: how it was made, in the shape that everything reads it in."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from worldvaluesbench._io import find_twice, name_problem, printable, quoted
from worldvaluesbench.benchmark import WEIGHTS
from worldvaluesbench.errors import WorldValuesBenchError
from worldvaluesbench.runs import OUTCOMES
from worldvaluesbench.scoring.sources import BASELINES, KIND_FROM, KINDS, WHOM
from worldvaluesbench.stats import ITEM_SAMPLING, Resampling
from worldvaluesbench.survey import parse_groupings

Check = Callable[[Any], bool]


def receipt_problem(receipt: Mapping[str, Any]) -> str | None:
    """What is wrong with a receipt, its first fault; None for one that everything can read."""
    return _shape_problem(receipt) or _sense_problem(receipt) or _names_problem(receipt)


def _names_problem(receipt: Mapping[str, Any]) -> str | None:
    """What is wrong with a name of a source, its family or its model."""
    for name, sort in receipt["sorts"].items():
        named = {"name": name, "family": sort["family"], "model's name": sort["model"], "partner": sort["partner"]}
        for what, text in named.items():
            if text is not None and (problem := name_problem(text, is_model=what != "name")):
                return f"has the {what} {quoted(text)}, which {problem}"
    return None


def _is(*types: type) -> Check:
    return lambda value: isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def _lacks(found: object, shape: Mapping[str, Check]) -> str | None:
    """The first key of a shape that an object lacks, or that is of another type."""
    if not isinstance(found, Mapping):
        return next(iter(shape))
    return next((key for key, check in shape.items() if key not in found or not check(found[key])), None)


def _is_about(about: Mapping[str, Any]) -> bool:
    """Whether what a run says of itself can be shown."""
    counts = (
        about.get(name)
        for name in ("n_requests", "prompt_tokens", "completion_tokens", "n_received", "n_without_usage")
    )
    settings = about.get("settings")
    if settings is not None and not isinstance(settings, Mapping):
        return False
    if settings is not None and not isinstance(settings.get("attributes", []), list):
        return False
    lists = [value for value in (settings or {}).values() if isinstance(value, list)]
    return all(n is None or _is_count(n) for n in counts) and all(isinstance(one, str) for of in lists for one in of)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_coverage(found: object) -> bool:
    """Whether this is what is said of the coverage of a source: None of one without distributions."""
    if found is None or not isinstance(found, Mapping) or _lacks(found, COVERAGE) is not None:
        return found is None
    return not found["n_low"] or None not in (found[name] for name in _COVERAGES)


def _are_texts(found: object) -> bool:
    """Whether this is an object whose values are texts."""
    return isinstance(found, Mapping) and all(isinstance(value, str) for value in found.values())


_TEXT, _MAYBE_TEXT, _FLAG = _is(str), _is(str, type(None)), _is(bool)
_OBJECT, _LIST, _MAYBE_OBJECT = _is(dict), _is(list), _is(dict, type(None))

_DRAWN: frozenset[str] = frozenset(field.name for field in fields(Resampling))

RECEIPT: Mapping[str, Check] = {
    "kind": _TEXT,
    "worldvaluesbench": _TEXT,
    "is_invented": _FLAG,
    "reference": _OBJECT,
    "settings": _OBJECT,
    "answers": _LIST,
    "outcomes": _OBJECT,
    "sorts": _OBJECT,
    "n_common": _is(int, type(None)),
    "examples_sha256": _is(str, list),
}
REFERENCE: Mapping[str, Check] = {
    "name": lambda value: isinstance(value, str) and value in WHOM,
    "weight": lambda value: isinstance(value, str) and value in WEIGHTS,
    "edition": _MAYBE_TEXT,
    "file_version": _MAYBE_TEXT,
    "is_invented": _FLAG,
    "n_respondents": _is_count,
}
SETTINGS: Mapping[str, Check] = {
    "as_published": _FLAG,
    "has_refusals": _FLAG,
    "groupings": lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    "min_n": _is_count,
    "min_n_stated": _is_count,
    "strata": _MAYBE_TEXT,
    "cluster": _MAYBE_TEXT,
    "item_sampling": lambda value: isinstance(value, str) and value in ITEM_SAMPLING,
    "resampling": lambda value: isinstance(value, dict) and set(value) == _DRAWN,
}
ANSWERS: Mapping[str, Check] = {
    "name": lambda value: isinstance(value, str) and value not in BASELINES,
    "kind": lambda value: value in ("file", "run"),
    "file": _TEXT,
    "size": _is_count,
    "sha256": _TEXT,
    "answer_column": _MAYBE_TEXT,
    "run": _MAYBE_OBJECT,
}
SORT: Mapping[str, Check] = {
    "kind": lambda value: isinstance(value, str) and value in KINDS,
    "kind_from": lambda value: isinstance(value, str) and value in KIND_FROM,
    "family": _TEXT,
    "model": _MAYBE_TEXT,
    "method": _MAYBE_TEXT,
    "conditions": lambda value: value is None or _are_texts(value),
    "partner": _MAYBE_TEXT,
}
_COVERAGES = ("lowest", "median", "highest", "median_of_low", "highest_of_low")
COVERAGE: Mapping[str, Check] = {
    **dict.fromkeys(("n_answers", "n_certain", "n_low", "n_nothing"), _is_count),
    **dict.fromkeys(_COVERAGES, lambda value: value is None or _is_share(value)),
}
SOURCE: Mapping[str, Check] = {"name": _TEXT, "sha256": _TEXT}
OUTCOME: Mapping[str, Check] = {
    **dict.fromkeys(OUTCOMES, _is_count),
    # not said where few respondents gave no response
    **dict.fromkeys(("n_rows", "no_response"), lambda value: value is None or _is_count(value)),
}
RUN: Mapping[str, Check] = {
    "model": _MAYBE_TEXT,
    "method": _MAYBE_TEXT,
    "about": lambda value: value is None or (isinstance(value, Mapping) and _is_about(value)),
}


def _shape_problem(receipt: Mapping[str, Any]) -> str | None:
    """The first key that is absent, unknown or of another type."""
    unknown = next((key for key in receipt if key not in RECEIPT), None)
    if unknown is not None:
        return f"says {quoted(unknown)}, which no comparison says"
    parts: list[tuple[str, object, Mapping[str, Check]]] = [("", receipt, RECEIPT)]
    for where, found, shape in parts:
        lacking = _lacks(found, shape)
        if lacking is not None:
            return f"lacks {where}{lacking}, or it is not as in any comparison"
        if found is receipt:
            parts += [("reference.", receipt["reference"], REFERENCE), ("settings.", receipt["settings"], SETTINGS)]
            parts += [("answers.", one, ANSWERS) for one in receipt["answers"]]
            parts += [("answers.run.", one["run"], RUN) for one in receipt["answers"] if _has(one, "run")]
            parts += [("sorts.", one, SORT) for one in receipt["sorts"].values()]
            parts += [("outcomes.", one, OUTCOME) for one in receipt["outcomes"].values()]
            # earlier versions said nothing of coverage
            described = [one for one in receipt["answers"] if isinstance(one, Mapping) and "coverage" in one]
            parts += [("answers.", one, {"coverage": _is_coverage}) for one in described]
            if "min_coverage" in receipt["settings"]:
                parts.append(("settings.", receipt["settings"], {"min_coverage": _is_share}))
            if "identity" in receipt["reference"]:  # earlier versions gave datasets none
                parts.append(("reference.", receipt["reference"], {"identity": _is_hash}))
            if "source" in receipt["reference"]:
                parts.append(("reference.source.", receipt["reference"]["source"], SOURCE))
    return None


def _has(found: object, key: str) -> bool:
    return isinstance(found, Mapping) and isinstance(found.get(key), Mapping)


def _sense_problem(receipt: Mapping[str, Any]) -> str | None:
    """What a receipt of the right shape says that cannot be."""
    settings = receipt["settings"]
    if settings["as_published"] or settings["has_refusals"]:
        return "says that answers were scored in a way in which none are compared"
    try:
        Resampling(**settings["resampling"])
        for name in [*settings["groupings"], *([settings["strata"]] if settings["strata"] else [])]:
            if len(parse_groupings(name)) != 1 or parse_groupings(name)[0].name != name:
                return f"says {quoted(name)}, which is no grouping"
    except (TypeError, WorldValuesBenchError) as error:
        return f"has settings that cannot be ({printable(str(error)[:120])})"
    names = [one["name"] for one in receipt["answers"]]
    if (
        not names
        or find_twice(names) is not None
        or any(set(receipt[key]) != set(names) for key in ("sorts", "outcomes"))
    ):
        return "names other answers in one place than in another"
    return None
