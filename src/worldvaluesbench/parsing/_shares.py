"""Shares that a model states: the percentage of people it gives to each option, read from its text."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from worldvaluesbench.parsing._numbers import DECORATION, without_latex
from worldvaluesbench.parsing._rating import CORRECTED, EXCERPT, Unparsed, is_refusal
from worldvaluesbench.parsing._text import after_reasoning, first_turn, plain_text
from worldvaluesbench.prompts import AnswerOption

TOLERANCE = 0.02
"""How far the sum of stated shares may be from 1 (or 100%); they are then divided by it."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution over the scale points of an item, in the order of the scale; its probabilities sum to 1.

    `coverage` is how much there was before they were divided by their sum: the probability known to be on the options
    (`token_probs`, `option_likelihood`), or the sum of the stated shares, at most 1.
    """

    probabilities: tuple[float, ...]
    coverage: float


_OBJECT = re.compile(r"\{[^{}]*+\}?")
_NUMBER = r"[-+−]?(?:\d++(?:[.,]\d++)?|\.\d++)"
_VALUE = r""""[^"\n{}]*+"|'[^'\n{}]*+'|[^,}\n]++"""
_IS = r"\s{0,9}[:=]\s{0,9}"
_ENTRY = re.compile(
    rf"""\\?(?P<quote>["'])(?P<key>[^"\n{{}}]{{1,160}}?)\\?(?P=quote){_IS}(?P<value>{_VALUE})"""
    rf"""|(?<=[{{,\n])\s{{0,9}}(?P<bare>\w{{1,3}}){_IS}(?P<plain>{_VALUE})"""
)
_LINE = re.compile(
    rf"^[ \t*_\-•>|]{{0,8}}(?P<key>[^\n]{{1,160}}?)[*_` ]{{0,4}}\s{{0,3}}(?:[:=|→]|->|[–—-](?=\s))[*_` ~≈]{{0,4}}"
    rf"(?P<value>{_NUMBER}\s?(?:%|percent)?)[*_` .,;|]{{0,6}}$",
    re.MULTILINE | re.IGNORECASE,
)
_NEXT = re.compile(r"(?<=[\d%])[,;]\s+")
_SHARE = re.compile(rf"[~≈]?\s?(?P<number>{_NUMBER})\s?(?P<percent>%|percent)?", re.IGNORECASE)
_ASIDE = re.compile(
    r"explanation|thoughtful explanation|reason(?:ing)?|rationale|thoughts?|comment|notes?|total|sum|question|item|n|"
    r"confidence|answer|format|unit",
    re.IGNORECASE,
)
"""Other keys than shares that say nothing about any option."""


def parse_shares(
    completion: str, choices: tuple[AnswerOption, ...], *, finish_reason: str | None = None
) -> Distribution | Unparsed:
    """Read the share that a completion states for each option, or why it states none.

    Read is, after any reasoning, the JSON object that gives numbers to options, however it is nested or fenced (of two
    that differ neither, unless the later one is said to correct the earlier); without one, the lines that do, such as
    "1: 40%". An option goes by its symbol, its label, or both. Shares are percentages, or fractions where they sum to
    1. The sum may be off by 2 in a hundred; shares are then divided by it. Nothing is filled in: every option must have
    its share, an option not mentioned is not taken for 0.

    >>> choices = AnswerOption("1", "Yes", 1), AnswerOption("2", "No", 2)
    >>> parse_shares('{"1": 60, "2": "40%"}', choices)
    Distribution(probabilities=(0.6, 0.4), coverage=1.0)
    >>> parse_shares('{"1": 60}', choices).reason
    'missing_options'
    """
    text = plain_text(completion)
    if finish_reason == "content_filter":
        return Unparsed("filtered", text[:EXCERPT])
    spoken, is_open = after_reasoning(text)
    spoken = without_latex(spoken).replace("\\%", "%")
    reading = _read(first_turn(spoken), choices)
    if isinstance(reading, Distribution):
        return reading
    is_cut = finish_reason == "length" or (finish_reason is None and (is_open or _is_open_object(spoken)))
    may_be_cut = reading.reason in ("empty", "no_shares", "missing_options", "bad_sum")
    return Unparsed("truncated", text[-EXCERPT:]) if is_cut and may_be_cut else reading


def _read(text: str, choices: tuple[AnswerOption, ...]) -> Distribution | Unparsed:
    if not text:
        return Unparsed("empty", "")
    names, ratings = _names_of(choices), [choice.rating for choice in choices]
    stated = [(start, end, _shares_in(entries, names, ratings)) for start, end, entries in _objects(text, names)]
    lines = _lines(text)
    if _gives_share(lines, names):
        in_lines = _shares_in(lines, names, ratings)
        # next to an object, lines count where they are whole: "1: 40% of women ..." is prose
        stated = [(0, len(text), in_lines), *stated] if not stated or isinstance(in_lines, Distribution) else stated
    if not stated:
        return Unparsed("refusal" if is_refusal(text) else "no_shares", text[:EXCERPT])
    distinct = {reading for _, _, reading in stated if isinstance(reading, Distribution)}
    if len(distinct) > 1 and not CORRECTED.search(text, stated[-2][1], stated[-1][0]):
        return Unparsed("several_shares", text[stated[-2][0] :][:EXCERPT])
    return stated[-1][2]


def _shares_in(
    entries: Sequence[tuple[str, str]], names: Mapping[str, int], ratings: Sequence[int]
) -> Distribution | Unparsed:
    shares: dict[int, tuple[float, bool]] = {}
    for key, value in entries:
        rating, share, fault = names.get(_plain(key)), _share_of(value), ""
        if rating is None:
            is_aside = share is None or share[0] == 0 or _ASIDE.fullmatch(key.strip(DECORATION)) is not None
            fault = "" if is_aside else "unknown_options"
        elif share is None or share[0] < 0:
            fault = "not_a_share"
        elif shares.setdefault(rating, share) != share:
            fault = "several_shares"
        if fault:
            return Unparsed(fault, f"{key}: {value}"[:EXCERPT])
    absent = sorted(set(ratings) - shares.keys())
    if absent:
        return Unparsed("missing_options", ", ".join(map(str, absent)))
    total = math.fsum(share for share, _ in shares.values())
    whole = 100.0 if total > 2 or any(is_percent for _, is_percent in shares.values()) else 1.0
    if abs(total / whole - 1) > TOLERANCE + 1e-9:
        return Unparsed("bad_sum", f"{total:g}")
    return Distribution(tuple(shares[rating][0] / total for rating in sorted(ratings)), min(1.0, total / whole))


def _objects(text: str, names: Mapping[str, int]) -> list[tuple[int, int, list[tuple[str, str]]]]:
    """The entries of every innermost object that gives a number to an option, behind where it begins and ends."""
    found = [match for match in _OBJECT.finditer(text) if ":" in match[0] or "=" in match[0]]
    stated = [(*match.span(), _entries(match[0])) for match in found]
    return [row for row in stated if _gives_share(row[2], names)]


def _lines(text: str) -> list[tuple[str, str]]:
    """The entries on lines of their own, or one behind the other: "1: 40%, 2: 60%"."""
    lines = _NEXT.sub("\n", _OBJECT.sub(" ", text))
    return [(match["key"], match["value"]) for match in _LINE.finditer(lines)]


def _gives_share(entries: Sequence[tuple[str, str]], names: Mapping[str, int]) -> bool:
    return any(_plain(key) in names and _share_of(value) is not None for key, value in entries)


def _entries(text: str) -> list[tuple[str, str]]:
    try:
        content = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        matches = list(_ENTRY.finditer(text))
        return [(match["key"] or match["bare"], match["value"] or match["plain"]) for match in matches]
    return [(str(key), str(value)) for key, value in content]


@lru_cache(maxsize=4096)
def _share_of(value: str) -> tuple[float, bool] | None:
    """A number, and whether it is said to be a percentage; None where the value is not a number."""
    match = _SHARE.fullmatch(value.strip(" \t\r\n\"'*_`"))
    if match is None:
        return None
    number = float(match["number"].replace(",", ".").replace("−", "-")[:40])
    return number, match["percent"] is not None


@lru_cache(maxsize=1024)
def _names_of(choices: tuple[AnswerOption, ...]) -> Mapping[str, int]:
    """The rating of every name that an option goes by."""
    names: dict[str, int] = {}
    for choice in choices:
        both = f"{choice.symbol} {choice.label}" if choice.label else choice.symbol
        names |= {_plain(name): choice.rating for name in (choice.label, both, choice.symbol) if name}
    return names


@lru_cache(maxsize=4096)
def _plain(key: str) -> str:
    """A key as it is compared: words and numbers only, in lower case, without "option" or "answer" before them."""
    key = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"\d", lambda digit: str(int(digit[0])), key))
    words = re.findall(r"-?[^\W_]+", key.casefold().replace("'", ""))
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("option", "answer", "choice") else words)


def _is_open_object(text: str) -> bool:
    opening = text.rfind("{")
    return opening >= 0 and text.find("}", opening) < 0
