"""Numbers and labels as they are written: what they look like in a text, and which ratings they say."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

DECORATION = " \t\r\n\f\v\"'`*_#>()[]{}<.,;:!|\\~"
"""What may surround an answer without changing it."""

NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
FRACTIONS = "½¼¾⅓⅔"

_DIGITS = rf"(?:\d++(?:[.,]\d++)?+[{FRACTIONS}]?+|(?<![.\d])\.\d++)"
_SIGN = r"""(?:(?<![^\s"'`(\[{:=*<>])-)?+"""
NUMBER_PATTERN = rf"{_SIGN}(?<![A-Za-z_\d$€£¥₹§])(?<!\d[.,]){_DIGITS}(?![A-Za-z_²³€£¥]|[.,]\d)"
NUMBER = re.compile(NUMBER_PATTERN)
"""A number on its own: not part of a word (`Q3`, `3rd`), no price. Digits of every script count, so `٣` is 3."""
_BESIDE = r"""["'`*_]{0,3}\s{0,2}[=:.,)\]–—(-]{0,3}\s{0,2}["'(*_]{0,2}"""


@dataclass(frozen=True)
class WrittenLabels:
    """The labels of a scale: their pattern, and the rating of each, as labels are compared."""

    pattern: str
    ratings: Mapping[str, int]
    named: re.Pattern[str]


def read_value(number: str) -> Fraction:
    """The exact value of a number as written: both `3.5` and `3,5` are 3.5, `1,000` is 1000.

    >>> read_value("3,5"), read_value("٣")
    (Fraction(7, 2), Fraction(3, 1))
    """
    whole = number.rstrip(FRACTIONS)
    _, comma, decimals = whole.partition(",")
    plain = whole.replace(",", "" if comma and len(decimals) == 3 else ".")
    # longer numbers are off every scale however they go on, and whole numbers of any length may not be converted
    return Fraction(plain[:300]) + sum(Fraction(unicodedata.numeric(part)) for part in number[len(whole) :])


def spelled(label: str) -> str:
    """The pattern of a label, whatever stands between its words: "VERY_IMPORTANT" is "Very important"."""
    return r"[\s,_-]{1,3}".join(word.replace("'", "'?") for word in re.findall(r"[^\W_]+(?:'[^\W_]+)?", label))


def plain_label(label: str) -> str:
    """A label as it is compared: its words, without case, apostrophes and punctuation."""
    return " ".join(re.findall(r"[^\W_]+", label.casefold().replace("'", "")))


@lru_cache(maxsize=1024)
def labels_of(labels: tuple[str, ...], low: int) -> WrittenLabels:
    """What labels say of a scale that begins at `low`; a label of several points, or a bare number, says nothing."""
    plain = [plain_label(label) for label in labels]
    ratings = {
        label: low + place
        for place, label in enumerate(plain)
        if plain.count(label) == 1 and re.search(r"[^\W\d]", label)
    }
    known = [label for label, own in zip(labels, plain, strict=True) if own in ratings]
    pattern = "|".join(filter(None, map(spelled, sorted(known, key=len, reverse=True)))) or "(?!)"
    named = (
        rf"(?P<number>{NUMBER_PATTERN})(?:{_BESIDE}(?P<beside>{pattern})(?!\w))?"
        rf"|(?P<label>{pattern})(?!\w)(?:{_BESIDE}(?P<behind>{NUMBER_PATTERN}))?"
    )
    return WrittenLabels(pattern, ratings, re.compile(named, re.IGNORECASE))


def read_whole(text: str, labels: WrittenLabels) -> tuple[str, ...]:
    """The number as which a text that is nothing but a number word, or a label with or without its number, reads."""
    if len(text) > 300:
        return ()
    bare = " ".join(text.strip(DECORATION).casefold().split())
    if bare in NUMBER_WORDS:
        return (str(NUMBER_WORDS.index(bare)),)
    match = labels.named.fullmatch(bare)
    return numbers_in(match, labels) if match and (match["label"] or match["beside"]) else ()


def numbers_in(match: re.Match[str], labels: WrittenLabels) -> tuple[str, ...]:
    """The numbers that a number and a label beside it say: two where they disagree."""
    said = (str(labels.ratings[plain_label(label)]) for label in (match["label"], match["beside"]) if label)
    return distinct_numbers(filter(None, (match["number"], match["behind"], *said)))


def distinct_numbers(numbers: Iterable[str]) -> tuple[str, ...]:
    """The numbers, each value once."""
    return tuple({read_value(number): number for number in dict.fromkeys(numbers)}.values())
