"""What the receipt of a bundle may say: no more than how a comparison was made, and nobody's id."""

from collections.abc import Iterator, Mapping
from typing import Any

from worldvaluesbench._io import parse_json
from worldvaluesbench.reporting.bundle._tables import SAFE_MIN_N, plain
from worldvaluesbench.reporting.bundle._texts import id_in
from worldvaluesbench.reporting.bundle._zip import KIND, MANIFEST
from worldvaluesbench.scoring.compare import receipt_problem

MAX_TEXT, MAX_LIST, MAX_DEPTH = 20_000, 1000, 12
"""No text of a receipt has more letters than the first, no list more entries than the second."""

MAX_NUMBERS = 50
"""No list of a receipt has more numbers: resamples of respondents would."""

COUNTED = frozenset(
    (
        *("size", "prompt_tokens", "completion_tokens", "n_requests", "n_completions", "n_examples", "seed"),
        *("n_received", "n_without_usage", "n_answers", "n_certain", "n_low", "n_nothing"),
    )
)
"""Whole numbers under these names may look like ids by chance."""


def read_receipt(content: bytes) -> dict[str, Any] | None:
    """The JSON object in these bytes; None where there is none."""
    try:
        found = parse_json(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def receipt_problems(content: bytes) -> Iterator[str]:
    """What is wrong with a receipt, its first fault; nothing for a sound one."""
    receipt = read_receipt(content)
    if receipt is None:
        yield f"{MANIFEST} is no JSON object; get the bundle again."
        return
    problem = receipt_problem(receipt) or _shared_problem(receipt) or _content_problem(receipt)
    if problem:
        yield f"{MANIFEST} {problem}; get the bundle again."
        return
    for answers in receipt["answers"]:
        yield from _template_problems(answers)


def _shared_problem(receipt: Mapping[str, Any]) -> str | None:
    """What a receipt says that no bundle may."""
    if receipt["kind"] != KIND:
        return f"is that of a {plain(receipt['kind'])}"
    least = receipt["settings"]["min_n"]
    if least < SAFE_MIN_N:
        return f"says that cells of {least} people and more are shown, and fewer than {SAFE_MIN_N} never are"
    return None


def _content_problem(found: object, key: str = "", depth: int = 0) -> str | None:
    """What anywhere in a receipt is too long, or looks like somebody's id."""
    if depth > MAX_DEPTH:
        return "is nested more deeply than any"
    if isinstance(found, Mapping | list):
        if len(found) > MAX_LIST:
            return f"has {len(found):,} entries in {plain(key)}, more than any"
        if isinstance(found, list) and sum(isinstance(one, int | float) for one in found) > MAX_NUMBERS:
            return f"has a list of {len(found):,} numbers in {plain(key)}, which no bundle has"
        pairs = found.items() if isinstance(found, Mapping) else ((key, one) for one in found)
        inside = (
            _content_problem(one, name, depth + 1) or _content_problem(name, name, MAX_DEPTH) for name, one in pairs
        )
        return next((problem for problem in inside if problem), None)
    text = str(found)
    if len(text) > MAX_TEXT:
        return f"has {len(text):,} letters in {plain(key)}, more than any"
    if isinstance(found, str | int | float) and key not in COUNTED and (identity := id_in(text)):
        return f"holds {identity} in {plain(key)}, which looks like the id of a respondent"
    return None


def _template_problems(answers: Mapping[str, Any]) -> Iterator[str]:
    """Settings with a template that could run long or far: it is rendered for the report."""
    about = (answers["run"] or {}).get("about") or {}
    template = (about.get("settings") or {}).get("template")
    if not template:
        return
    text = template.get("text") if isinstance(template, Mapping) else None
    # only here, for comparing files of answers must not wait for templates
    from worldvaluesbench.reporting.bundle._safe_template import is_safe

    if not isinstance(text, str) or not is_safe(text):
        yield (
            f"{MANIFEST} has a prompt template of {plain(answers['name'])} that does more than fill in names and list "
            f"options; it is not rendered, so this bundle is not read."
        )
