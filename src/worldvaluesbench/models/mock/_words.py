"""The words of the mock server: an answer in the form that a prompt or a JSON schema asks for, and what is none."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from worldvaluesbench.models.mock._opinion import Opinion
from worldvaluesbench.models.mock._question import CACHED, Key, Question

EXPLANATIONS = (
    "People in this situation mostly see it this way.",
    "Given where and how this person lives, this seems the likeliest answer.",
    "Family, schooling and neighbourhood all point in this direction.",
    "This is what many people with a similar background say.",
    "The person's surroundings make such a view quite common.",
    "Others may disagree, but this fits what is known of the person.",
    "Habits and traditions of the place speak for this answer.",
    "Nothing suggests a stronger or weaker view than this.",
)
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
UNASKED = "This is a stand-in model: it answers questions of the survey and nothing else."


@dataclass(frozen=True, slots=True)
class Wording:
    """A completion: its text, why it ends, and where in it the answer stands (None: nowhere)."""

    text: str
    span: tuple[int, int] | None = None
    finish_reason: str = "stop"


def word_answer(question: Question, opinion: Opinion, place: int, *, variant: int, lead: str) -> Wording:
    """The answer at `place` among the options, in the form asked for.

    `variant` chooses the explanation; `lead` is what a plain completion begins with: a blank or a line end, or nothing.
    """
    if question.form == "shares":
        return Wording(lead.replace(" ", "\n") + _word_shares(question, opinion))
    symbol = question.symbols[place]
    if question.form == "symbol":
        return Wording(lead + symbol, (0, len(lead) + len(symbol)))
    explanation = EXPLANATIONS[variant % len(EXPLANATIONS)]
    return _word_object(question.keys, symbol, explanation, question.is_tall, lead.replace(" ", "\n"))


def word_structured(
    schema: Mapping[str, Any], question: Question, opinion: Opinion, place: int, *, variant: int
) -> Wording:
    """The answer as JSON that fits a schema."""
    value = _fill(
        schema, "", _Filling(question, percentages(opinion), place, EXPLANATIONS[variant % len(EXPLANATIONS)])
    )
    text = json.dumps(value, ensure_ascii=False)
    symbol = question.symbols[place]
    found = max(text.rfind(f": {symbol}"), text.rfind(f': "{symbol}"'))
    if found < 0 or question.form == "shares":
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


def percentages(opinion: Opinion) -> tuple[int, ...]:
    """The shares of the options in whole percent, which sum to 100: the largest remainders are rounded up."""
    exact = [100 * probability for probability in opinion.probabilities]
    whole = [int(share) for share in exact]
    by_rest = sorted(range(len(exact)), key=lambda place: (whole[place] - exact[place], place))
    for place in by_rest[: 100 - sum(whole)]:
        whole[place] += 1
    return tuple(whole)


def _word_shares(question: Question, opinion: Opinion) -> str:
    shares = zip(question.symbols, percentages(opinion), strict=True)
    return json.dumps(dict(shares), ensure_ascii=False)


@lru_cache(maxsize=CACHED)
def _word_object(keys: tuple[Key, ...], symbol: str, explanation: str, is_tall: bool, lead: str) -> Wording:
    text, gap, span = lead + "{", "\n  " if is_tall else "", None
    for place, key in enumerate(keys):
        text += ("," + (gap or " ") if place else gap) + json.dumps(key.name, ensure_ascii=False) + ":"
        if not key.is_answer:
            text += " " + json.dumps(explanation, ensure_ascii=False)
        elif key.is_quoted or not symbol.isdigit():
            text += " " + json.dumps(symbol, ensure_ascii=False)
            span = (len(text) - len(symbol) - 1, len(text) - 1)
        else:
            text += " " + symbol
            span = (len(text) - len(symbol) - 1, len(text))
    return Wording(text + ("\n}" if is_tall else "}"), span)


@dataclass(frozen=True, slots=True)
class _Filling:
    question: Question
    percentages: Sequence[int]
    place: int
    explanation: str


def _fill(schema: Mapping[str, Any], name: str, filling: _Filling) -> Any:
    """A value that fits a schema and says the answer where it can: of enums, numbers, strings, objects and arrays."""
    symbol = filling.question.symbols[filling.place]
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
        if name in filling.question.symbols:
            return filling.percentages[filling.question.symbols.index(name)]
        return filling.question.ratings[filling.place]
    if kind in ("boolean", "null"):
        return True if kind == "boolean" else None
    return symbol if any(word in name.casefold() for word in ("answer", "score", "rating")) else filling.explanation
