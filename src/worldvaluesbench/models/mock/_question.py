"""What a prompt asks: the item, its options as shown, the person described, and the form that the answer is to have.

The mock server reads prompts as a model would, from their text alone: it knows the codebook, but neither the plan nor
the template that they were made by.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from worldvaluesbench.stats import Scale
from worldvaluesbench.survey import Item, load_codebook

Form = Literal["symbol", "object", "shares"]

_SCALE = re.compile(r"\bscale (?:of|from) (\d{1,2}) to (\d{1,2})\b", re.IGNORECASE)
_OPTION = re.compile(r"^(?:[-*•]\s*)?\(?(\d{1,2}|[A-Z])(?:\s*[=:)]\s*|\.\s+|\s+[-–—]\s+)(.*)$")
_BARE = re.compile(r"^(\d{1,2}|[A-Z])$")
_KEY = re.compile(r'"([^"\n:{}]{1,60})"\s*:\s*("?)')
_FACT = re.compile(r"^\s*Answer:[ \t]*(\S.*)$", re.MULTILINE)
_PROSE_FACT = re.compile(r"(?:^|(?<=\. ))[A-Z][^:.\n]{1,60}: ([^\n]+?)\.(?= |$)", re.MULTILINE)
CACHED = 8192
"""How many prompts, and what was made of them, are kept at hand: enough for repeated samples of those in flight."""

_ANSWER_KEY = re.compile(r"answer|score|rating|choice", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the JSON object that a prompt asks for: whether the answer stands under it, and in quotes."""

    name: str
    is_answer: bool
    is_quoted: bool


# compared by identity: the same wording is the same object as long as it is kept
@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question as it is put.

    `symbols` are the options in the order shown, `ratings` the scale point of each. `item` is None where the question
    is none of the codebook's. `keys` are those of the object asked for, `is_tall` whether it is shown on several lines.
    """

    item: Item | None
    scale: Scale
    symbols: tuple[str, ...]
    ratings: tuple[int, ...]
    form: Form
    keys: tuple[Key, ...]
    is_tall: bool


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A prompt, read: the question, the labels told of the person, and the prompt's length, counted roughly."""

    question: Question
    facts: tuple[str, ...]
    n_tokens: int


@lru_cache(maxsize=CACHED)
def parse_case(prompt: str) -> Case | None:
    """What a prompt asks, and of whom; None where it holds no question with a scale or options."""
    item, start = _find_item(prompt)
    question = _parse_question(prompt[start:], item.item_id if item else None)
    facts = _facts_of(prompt[:start]) if item else ()
    return None if question is None else Case(question, facts, count_roughly(prompt))


def count_roughly(text: str) -> int:
    """About how many tokens a text has: one for four characters."""
    return (len(text) + 3) // 4


# people differ, but the question to them is the same text
@lru_cache(maxsize=CACHED)
def _parse_question(text: str, item_id: str | None) -> Question | None:
    """The question that a text begins with, where it is an item's, or that it holds."""
    item = None if item_id is None else load_codebook().item(item_id)
    after = text[len(item.question) :] if item else text
    options = _options_of(after.splitlines(), item)
    if options is None:
        scale = item.scale if item else _named_scale(text)
        if scale is None:
            return None
        options = [(str(rating), rating) for rating in scale.ratings]
    symbols, ratings = zip(*options, strict=True)
    scale = item.scale if item else Scale(min(ratings), max(ratings))
    form, keys, is_tall = _form_of(after, symbols)
    return Question(item, scale, symbols, ratings, form, keys, is_tall)


def _named_scale(text: str) -> Scale | None:
    """The last scale that a text speaks of: "on a scale of 1 to 4"."""
    ends = [(int(match[1]), int(match[2])) for match in _SCALE.finditer(text)]
    scales = [Scale(low, high) for low, high in ends if low < high]
    return scales[-1] if scales else None


@cache
def _by_question() -> dict[str, Item]:
    return {item.question: item for item in load_codebook().items}


def _find_item(prompt: str) -> tuple[Item | None, int]:
    """The item that is asked last, and where its question begins."""
    known = _by_question()
    for line in reversed(prompt.splitlines()):
        question = line.strip()
        item = known.get(question) or known.get(question.partition(": ")[2])
        if item is not None:
            return item, prompt.rindex(item.question)
    start, question = max((prompt.rfind(question), question) for question in known)
    return (None, 0) if start < 0 else (known[question], start)


def _options_of(lines: Sequence[str], item: Item | None) -> list[tuple[str, int]] | None:
    """The options listed on lines of their own, with their ratings; None where no complete list is found."""
    labels = (
        {} if item is None else {label.casefold(): r for r, label in zip(item.scale.ratings, item.labels, strict=True)}
    )
    runs: list[list[tuple[str, str]]] = [[]]
    for line in lines:
        bare = line.strip()
        match = _BARE.match(bare) or _OPTION.match(bare)
        if bare.casefold() in labels and not _BARE.match(bare):
            runs[-1].append((bare, bare))
        elif match:
            runs[-1].append((match[1], match[2].strip() if match.re is _OPTION else ""))
        elif runs[-1]:
            runs.append([])
    for run in runs:
        ratings = _ratings_of(run, item, labels)
        if ratings is not None:
            return [(symbol, rating) for (symbol, _), rating in zip(run, ratings, strict=True)]
    return None


def _ratings_of(run: Sequence[tuple[str, str]], item: Item | None, labels: dict[str, int]) -> list[int] | None:
    """The rating of each option of a list; None where they are not exactly the scale's points."""
    symbols = [symbol for symbol, _ in run]
    if len(run) < 2 or len(set(symbols)) != len(run) or (item is not None and len(run) != item.scale.n_points):
        return None
    if all(symbol.isdigit() for symbol in symbols):
        ratings: list[int | None] = [int(symbol) for symbol in symbols]
    elif item is None:
        ratings = list(range(1, len(run) + 1))
    else:
        ratings = _rotated([labels.get(label.casefold()) for _, label in run], item.scale)
    found = [rating for rating in ratings if rating is not None]
    expected = set(item.scale.ratings) if item else set(range(min(found, default=0), min(found, default=0) + len(run)))
    return found if len(found) == len(run) and set(found) == expected else None


def _rotated(ratings: list[int | None], scale: Scale) -> list[int | None]:
    """The ratings with those of options without a label: all points in order or in reverse, begun anywhere."""
    if None not in ratings:
        return ratings
    n = len(ratings)
    for step in (1, -1):
        for start in range(n):
            order = [scale.low + (start + step * place) % n for place in range(n)]
            if all(own in (None, other) for own, other in zip(ratings, order, strict=True)):
                return list(order)
    return ratings


def _form_of(after: str, symbols: Sequence[str]) -> tuple[Form, tuple[Key, ...], bool]:
    """The form asked for: a JSON object with an answer, one with a share for each symbol, or a symbol alone."""
    if all(f'"{symbol}":' in after for symbol in symbols):
        return "shares", (), False
    matches = list(_KEY.finditer(after))
    keys = tuple(Key(match[1], bool(_ANSWER_KEY.search(match[1])), bool(match[2])) for match in matches)
    if not any(key.is_answer for key in keys):
        return "symbol", (), False
    return "object", keys, "\n" in after[matches[0].start() : matches[-1].end()]


def _facts_of(before: str) -> tuple[str, ...]:
    return tuple(_FACT.findall(before)) or tuple(_PROSE_FACT.findall(before))
