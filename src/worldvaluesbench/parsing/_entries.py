"""Entries: the keys and values of the objects and tags in a text, however damaged, and the prose around them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

MAX_DAMAGED = 20
"""After so many objects that are no JSON the rest is read key by key at once: each costs a reading of all the rest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key, its value as text, and where the object (or else the value) begins and ends in the text."""

    key: str
    value: str
    start: int
    end: int


class _Pairs(list[tuple[str, Any]]):
    """The pairs of an object, of which two may have the same key."""


_DECODER = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=str, strict=False)
_TAG = re.compile(r"<(?P<tag>[^\W\d_][\w.:-]{0,40})(?:\s[^<>\n]{0,80})?>(?P<value>[^<>]{0,2000}+)</(?P=tag)\s?>")
_KEY = re.compile(
    r"""\\?(?P<quote>["'`])(?P<key>[^"'`\n:{}\\]{1,60})\\?(?P=quote)\s{0,9}[:=]"""
    r"""|(?<![A-Za-z])(?P<bare>(?:the )?(?:answer as an? (?:integer )?score|answer_as_an?_score))[*_`"' ]{0,4}[:=]""",
    re.IGNORECASE,
)
_STRING_END = re.compile(r"""["'`]\s{0,9}[,}\n]|}""")
_VALUE_END = re.compile(r",(?!\s?-?\d)|[}\n]|\](?!\s?[,\]])|//|/\*|#|\.\s")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ASIDES = _words(
    """explanation explanations explain reason reasons reasoning rationale thought thoughts thoughtful thinking
    analysis justification justify comment comments note notes confidence certainty probability likelihood uncertainty
    sure age year years born birth children kids siblings brothers sisters household id index item question questions
    topic step steps min max low high lowest highest minimum maximum total count n scale points sum weight person
    respondent participant country sex gender persona demographics education income marital status name type wave
    version alternative alternatives previous average mean range rank time date month day hour temperature tokens
    format unit page attempt retry error size length context explicación razón razonamiento edad explication raison
    explicação spiegazione erklärung begründung alter объяснение 解释 理由 説明 설명 이유"""
)
"""Words of keys that announce something beside the answer."""
_ANSWERS = _words(
    "answer answers score scores rating ratings response responses choice selection prediction predicted decision ans "
    "respuesta réponse antwort resposta risposta ответ 答案 回答 puntuación"
)
_VALUES = _words("value option number code result label level output grade final selected chosen integer pick")
_AROUND = _words("the my your as a an is most likely numeric numerical of best their single x s")
"""Words that announce an answer, those that do where they stand alone, and those that may stand around them."""


def read_entries(text: str) -> tuple[list[Entry], str]:
    """The entries of a text in their order, and its prose: the text with blanks where objects and tags stood.

    >>> read_entries('So: {"answer": [2, 3]}')
    ([Entry(key='answer', value='2, 3', start=4, end=22)], 'So:                   ')
    """
    entries: list[Entry] = []
    pieces: list[str] = []
    start = 0
    for begin, end, content in _decoded(text):
        entries += [Entry(key, value, begin, end) for key, value in content]
        pieces += [text[start:begin], " " * (end - begin)]
        start = end
    text = "".join([*pieces, text[start:]])
    for match in _TAG.finditer(text):
        if match["value"].strip():
            entries.append(Entry(match["tag"], match["value"], *match.span()))
    text = _TAG.sub(lambda match: " " * len(match[0]), text)
    damaged = list(_keyed(text))
    pieces, start = [], 0
    for entry, end in damaged:
        pieces += [text[start : entry.start], " " * (end - entry.start)]
        start = end
    entries += [entry for entry, _ in damaged]
    return sorted(entries, key=lambda entry: entry.start), "".join([*pieces, text[start:]])


def is_open_object(text: str) -> bool:
    """Whether an object with a key begins in the text and does not end."""
    opening = text.rfind("{")
    return opening >= 0 and text.find("}", opening) < 0 and bool(_KEY.search(text, opening))


@lru_cache(maxsize=4096)
def plain_key(key: str) -> str:
    """A key as keys are compared: its words in lower case, of whatever make (`finalAnswer`, `final_answer`)."""
    return " ".join(
        re.split(r"[\W_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[a-z])(?=\d)", " ", key).casefold())
    ).strip()


@lru_cache(maxsize=4096)
def kind_of(key: str) -> Literal["score", "answer", "aside", "unknown"]:
    """What a key announces: the score that the paper asks for, an answer, something beside it, or nobody knows."""
    words = set(plain_key(key).replace("person x", "").split())
    if words & _ASIDES or words <= _AROUND or all(word.isdigit() for word in words):
        return "aside"
    if {"answer", "as", "score"} <= words or {"answer", "as", "integer"} <= words:
        return "score"
    is_answer = bool(words & _ANSWERS) or (bool(words & _VALUES) and words <= _VALUES | _AROUND)
    return "answer" if is_answer else "unknown"


@lru_cache(maxsize=64)
def asked_key(template: str) -> str | None:
    """The key under which a prompt's text asks for the answer: the last of its objects that says an answer, or may."""
    keys = [match["key"] or match["bare"] for match in _KEY.finditer(template)]
    known = [key for key in keys if kind_of(key) in ("score", "answer")]
    possible = known or [key for key in keys if kind_of(key) == "unknown"] or keys
    return possible[-1] if possible else None


def _decoded(text: str) -> Iterator[tuple[int, int, list[tuple[str, str]]]]:
    """Where each object that is JSON begins and ends, and its keys with their values."""
    n_damaged, begin = 0, text.find("{")
    while begin >= 0 and n_damaged < MAX_DAMAGED:
        try:
            content, end = _DECODER.raw_decode(text, begin)
            yield begin, end, list(_leaves(content, ""))
        except (ValueError, RecursionError):
            n_damaged += 1
            end = begin + 1
        begin = text.find("{", end)


def _leaves(content: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(content, _Pairs):
        is_answer = kind_of(key) in ("score", "answer")
        for own_key, value in content:
            # what an answer holds under names of its own is the answer
            yield from _leaves(value, key if is_answer and _is_own(own_key) else own_key)
    elif isinstance(content, list):
        inner = [value for value in content if isinstance(value, list)]
        for value in inner:
            yield from _leaves(value, key)
        if len(inner) < len(content):
            yield key, ", ".join(str(value) for value in content if not isinstance(value, list))
    else:
        yield key, content if isinstance(content, str) else json.dumps(content)


def _is_own(key: str) -> bool:
    return kind_of(key) == "unknown" or len(key) == 1


def _keyed(text: str) -> Iterator[tuple[Entry, int]]:
    """The entries of objects that are no JSON, each with where its string ends for what is left as prose."""
    keys = list(_KEY.finditer(text))
    for match, end in zip(keys, [*(key.start() for key in keys[1:]), len(text)][: len(keys)], strict=True):
        key, section = match["key"] or "answer as a score", text[match.end() : end].strip()
        closing = _STRING_END.search(text, match.end() + 2, end)
        value = "" if section in ("{", "") else _value(section)
        yield Entry(key, value, match.start(), closing.end() if closing else end), closing.end() if closing else end


def _value(section: str) -> str:
    """What stands behind a key, up to the end of the string, list, number or word that it is."""
    section = section.lstrip("\\[{(* ")
    if section[:1] in ("'", '"', "`"):
        quote = section[0]
        closing = re.search(rf"\\?{quote}\s{{0,9}}(?:[,}}\])\n]|$)", section[1:])
        listed = closing and re.match(
            rf"\s{{0,9}},\s{{0,9}}{quote}[^{quote}\n]{{0,60}}{quote}\s{{0,9}}[,\]]", section[1 + closing.end() - 1 :]
        )
        if closing and not listed:
            return section[1 : 1 + closing.start()]
    ending = _VALUE_END.search(section)
    return section[: ending.start()] if ending else section
