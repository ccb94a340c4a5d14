"""Letters: how wide text is in a figure, and how it is broken or shortened so that it fits and is still told apart."""

import json
from collections.abc import Iterable, Mapping, Sequence

_NARROW, _WIDE = frozenset("iljtfrI.,:;'|!()[]/\\ -·"), frozenset("mwMW@%")
_SHARES = {"narrow": 0.34, "wide": 0.92, "capital": 0.7, "other": 0.57, "full": 1.02}
"""Widths of letters of Helvetica as shares of their size, a little more than they are."""

SHARES_OF_END = (0.5, 0.65, 0.8)
"""How much of shortened names is their end: more of it where the names would else be alike."""


def text_width(text: str, size: float = 8) -> float:
    """About how many points wide a line of text is at this size, rather too many than too few.

    >>> text_width("Wales") > text_width("Wiles") > text_width("iiiii")
    True
    """
    return size * sum(_SHARES[_sort_of(letter)] for letter in text)


def widest(texts: Iterable[str], size: float = 8) -> float:
    """The width of the widest line of all these texts; 0 where there is none."""
    return max((text_width(line, size) for text in texts for line in text.split("\n")), default=0.0)


def _sort_of(letter: str) -> str:
    if letter in _NARROW:
        return "narrow"
    if letter in _WIDE:
        return "wide"
    if ord(letter) > 0x2E80:
        return "full"
    return "capital" if letter.isupper() else "other"


def shorten_middle(text: str, width: float, size: float = 8, *, share: float = 0.5) -> str:
    """Text that fits into so many points; of what is too long the middle is left out, for names differ at their ends.

    `share`: how much of what is left is its end.

    >>> shorten_middle("a-very-long-name-of-a-model+demographics", 110)
    'a-very-long-n…demographics'
    """
    if text_width(text, size) <= width:
        return text
    for n in range(len(text) - 1, 1, -1):
        n_end = round(share * n)
        short = f"{text[: n - n_end].rstrip()}…{text[len(text) - n_end :].lstrip()}"
        if text_width(short, size) <= width:
            return short
    return text[:1] + "…"


def short_names(names: Sequence[str], width: float, size: float = 8) -> dict[str, str]:
    """Every name as it fits into so many points, no two of them alike: those that would be are numbered.

    >>> short_names(["x" * 40 + "a" + "y" * 40, "x" * 40 + "b" + "y" * 40], 60)["x" * 40 + "b" + "y" * 40]
    'xxxxx…yyyy (2)'
    """
    names = list(dict.fromkeys(names))
    for share in SHARES_OF_END:
        found = {name: shorten_middle(name, width, size, share=share) for name in names}
        if len(set(found.values())) == len(names):
            return found
    found = {}
    for name in names:
        short, place = shorten_middle(name, width, size), 2
        while short in found.values():
            mark = f" ({place})"
            short = shorten_middle(name, width - text_width(mark, size), size) + mark
            place += 1
        found[name] = short
    return found


def break_lines(text: str, width: float, size: float = 8) -> list[str]:
    """Text in lines of at most so many points, broken between words; a word that is too long is shortened.

    >>> break_lines("Humans: everyone of their split.", 80)
    ['Humans: everyone', 'of their split.']
    """
    lines: list[str] = []
    for word in text.split():
        fitting = shorten_middle(word, width, size)
        if lines and text_width(f"{lines[-1]} {fitting}", size) <= width:
            lines[-1] += f" {fitting}"
        else:
            lines.append(fitting)
    return lines


def label_expression(shown: Mapping[str, str]) -> str:
    """The expression by which an axis or a legend shows other names than those in the data."""
    changed = {name: label for name, label in shown.items() if name != label}
    return f"({json.dumps(changed)})[datum.label] || (datum.label)" if changed else "datum.label"
