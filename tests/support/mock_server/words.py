"""The words of the mock server: an answer in the form that a prompt or a JSON schema asks for, and what is none."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worldvaluesbench.models.standin._opinions import Question
from worldvaluesbench.models.standin._server import EXPLANATIONS, percentages

NONSENSE = (
    "Florp wendle brax, tiv ombar quelish.",
    "zzkr plo plo plo mwenna dritch",
    "{florp: wendle; brax",
    "Ombar ombar tivvel. Quelish dritch wen.",
)
REFUSALS = (
    "I'm sorry, but I can't predict what an individual would answer.",
    "As an AI language model, I do not have personal opinions.",
    "I cannot speculate about a person's views from their demographics.",
    "I must decline to answer on behalf of somebody else.",
    "I am unable to provide an answer to this question.",
)


@dataclass(frozen=True, slots=True)
class Wording:
    """A completion: its text, why it ends, and where in it the answer stands (None: nowhere)."""

    text: str
    span: tuple[int, int] | None = None
    finish_reason: str = "stop"


def word_structured(
    schema: Mapping[str, Any], question: Question, opinion: Sequence[float], place: int, *, variant: int
) -> Wording:
    """The answer as JSON that fits a schema."""
    value = _fill(
        schema, "", _Filling(question, percentages(opinion), place, EXPLANATIONS[variant % len(EXPLANATIONS)])
    )
    text = json.dumps(value, ensure_ascii=False)
    symbol = list(question.ratings)[place]
    found = max(text.rfind(f": {symbol}"), text.rfind(f': "{symbol}"'))
    if found < 0 or question.wants_shares:
        return Wording(text)
    start = found + 1 if text[found + 2] != '"' else found + 3
    return Wording(text, (start, start + len(symbol) + (text[start] == " ")))


def spoil(wording: Wording, fault: str | None, variant: int) -> Wording:
    """A completion with what is wrong with it; unchanged where nothing is."""
    if fault == "garbage":
        return Wording(NONSENSE[variant % len(NONSENSE)])
    if fault == "refusals":
        return Wording(REFUSALS[variant % len(REFUSALS)])
    if fault == "filtered":
        return Wording("", None, "content_filter")
    if fault == "cut_offs":
        before = wording.span[0] if wording.span else wording.text.find(":") - 1
        return Wording(wording.text[: max(before * 2 // 3, 0)] or "The", None, "length")
    return wording


@dataclass(frozen=True, slots=True)
class _Filling:
    question: Question
    percentages: Sequence[int]
    place: int
    explanation: str


def _fill(schema: Mapping[str, Any], name: str, filling: _Filling) -> Any:
    """A value that fits a schema and says the answer where it can: of enums, numbers, strings, objects and arrays."""
    symbol = list(filling.question.ratings)[filling.place]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return next((value for value in schema["enum"] if str(value) == symbol), schema["enum"][0])
    kind = schema.get("type")
    if kind == "object":
        return {key: _fill(part, key, filling) for key, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_fill(schema["items"], name, filling)] if "items" in schema else []
    if kind in ("integer", "number"):
        if name in filling.question.ratings:
            return filling.percentages[list(filling.question.ratings).index(name)]
        return filling.question.ratings[symbol]
    if kind in ("boolean", "null"):
        return True if kind == "boolean" else None
    return symbol if any(word in name.casefold() for word in ("answer", "score", "rating")) else filling.explanation
