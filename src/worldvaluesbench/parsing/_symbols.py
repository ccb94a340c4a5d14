"""Symbols: which option a text names by its letter or its words. Never guessed; what is not named is not read."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from string import ascii_uppercase

from worldvaluesbench.parsing._numbers import (
    ACROSS,
    BARRED,
    DECORATION,
    FINAL_ANSWER,
    JOINED,
    LINE_ENDS,
    MAX_FURTHER,
    MAX_NAMED,
    NAMED_ANSWER,
    OTHERS,
    SENTENCE_END,
    plain_label,
    spelled,
    without_asides,
)
from worldvaluesbench.parsing._rating import EXCERPT, Reader, Unparsed
from worldvaluesbench.prompts import AnswerOption

_CHOSEN = re.compile(
    r"\b(?:(?:say|choose|pick|select|answer|respond|reply|go|opt|give)(?:s|es|ed)?|chose|chosen|said|likely|"
    r"probably|option|letter)"
    r"""(?: with| for| option| letter| that it is)?:?\s{1,3}(?P<rest>)|(?:我会)?选择?(?P<chosen>)""",
    re.IGNORECASE,
)
_FOLLOWED = re.compile(
    r"""[*_"'`)\]}]{0,4}(?:\s{0,3}(?:$|[.;:!(=<,/&|\n]|[–—-](?!\w))|번|番|です|입니다|"""
    r"""\s+(?:because|since|as|or|and|but|given|due|based|for|on|out)\b)"""
)
"""What may follow a name that is an answer; "A person" and "No respect" do not pass for A and No."""
_OPENED = re.compile(
    r"""[*_"'`)\]}]{0,4}(?:\s{0,3}(?:$|[.;:!)\]=\n]|[–—-](?!\w)|,(?=[^\x00-\x7f])|\s(?:is (?:the|my)|seems (?:most """
    r""")?likely)\b|번|番|です|입니다|,?\s(?:because|since|as|given|due)\b))"""
)
"""What may follow a name that opens a text; "No, but" does not pass."""
_ALSO = re.compile(r"""[*_"'`)\]]{0,3}\s{0,2}(?:,?\s?\b(?:or|and|to)\b|[/,&|–-])\s{0,2}(?:option\s)?[*_"'`(\[]{0,3}""")
_LEAD = re.compile(r"""[\s"'`*_(\[:]{0,8}""")
_LETTER = re.compile(r"[A-Z]")
_NUMBER = r"\d{1,2}(?!\d)"
_AFTER_WORD, _BEFORE_WORD = r"(?<![A-Za-z\d_À-ɏЀ-ӿ])", r"(?![A-Za-z\d_'À-ɏЀ-ӿ])"
"""Words end where a script without blanks begins: 选B."""


@dataclass(frozen=True)
class _Names:
    """By what names options go, and the pattern of a name: a letter, a letter with a label, or a label.

    `numbers` may follow each symbol without another meaning: its rating, and its place as shown.
    """

    symbols: frozenset[str]
    by_label: dict[str, str]
    numbers: dict[str, frozenset[str]]
    pattern: re.Pattern[str]


def has_numbers(choices: Sequence[AnswerOption]) -> bool:
    """Whether the options are named by their ratings: always with digits, and where an item has no words for all."""
    return all(choice.symbol == str(choice.rating) for choice in choices)


def has_letters(choices: Sequence[AnswerOption]) -> bool:
    """Whether the options are named by the letters A, B, C, ..."""
    return all(_LETTER.fullmatch(choice.symbol) for choice in choices)


def reader_of(choices: tuple[AnswerOption, ...], asked: str | None = None) -> Reader:
    """The reader of answers that name options by letters or words, for `read_answer`."""
    ratings = {choice.symbol: choice.rating for choice in choices}

    def judge(symbol: str) -> int | Unparsed:
        return ratings[symbol] if symbol in ratings else Unparsed("off_scale", symbol[:EXCERPT])

    def may_go_on(text: str, rating: int) -> bool:
        end = plain_label(text)
        own = next(plain_label(symbol) for symbol, known in ratings.items() if known == rating)
        return end.endswith(own) and any(plain_label(symbol).startswith(f"{own} ") for symbol in ratings)

    return Reader(lambda text: find_symbols(text, choices), judge, may_go_on, asked)


def find_symbols(text: str, choices: tuple[AnswerOption, ...]) -> tuple[str, ...]:
    """Find the symbols that a text offers as its answer, each once.

    None: it offers none. One: that is the answer; a letter of no option is given as written. Several: which is
    meant is not clear. What counts is, in this order: a name that is all there is (a letter in either case); what is
    said to be the final answer; an answer that is named as such, chosen, or alone on its line (where lines list all
    options they say nothing); a name that opens the text.

    A name is the symbol, the label, or both; where both disagree they are two answers. The longest name counts: "Not
    at all important" is not "Important". Letters in a sentence are capitals.
    """
    names = _names_of(choices)
    text = without_asides(text)
    whole = _exactly(text.strip(DECORATION), names)
    if whole:
        return whole
    finals = [found for found in _after(FINAL_ANSWER, text, names) if found]
    if finals:
        return finals[-1]
    lines = _on_lines(text, names)
    is_list = set(lines) == names.symbols
    offered = [*_after(NAMED_ANSWER, text, names), *_after(_CHOSEN, text, names), () if is_list else lines]
    strong = tuple(dict.fromkeys(symbol for found in offered for symbol in found))
    return strong or (lines if is_list else _opening(text, names))


@lru_cache(maxsize=1024)
def _names_of(choices: tuple[AnswerOption, ...]) -> _Names:
    is_letter = has_letters(choices)
    labels = {(choice.label if is_letter else choice.symbol): choice.symbol for choice in choices}
    labels.pop("", None)
    known = "|".join(spelled(label) for label in sorted(labels, key=len, reverse=True)) or "(?!)"
    letter = rf"(?P<letter>[A-Z]){_BEFORE_WORD}" if is_letter else "(?P<letter>(?!))"
    beside = rf"(?:\s{{0,2}}[=:.,)\]–—(-]{{1,3}}\s{{0,2}}[\"'(]?(?P<beside>(?i:{known}))(?!\w)[\"')]?)?"
    before = rf"(?:(?:(?P<before>{_NUMBER})[.):]?|(?P<place>[A-J])[.):])\s{{0,2}}[=–—(-]?\s{{0,2}})?"
    inside = rf"[(\[](?P<inside>{_NUMBER}|[A-J])(?:[)\]]|$)"  # a text is compared without the brackets at its end
    behind = rf"(?:\s{{0,2}}(?:[=:,–—-]?\s{{0,2}}(?P<behind>{_NUMBER})(?![\w%.])|{inside}))?"
    pattern = rf"{_AFTER_WORD}(?:{letter}{beside}|{before}(?P<label>(?i:{known})){_BEFORE_WORD}{behind})"
    by_label = {plain_label(label): symbol for label, symbol in labels.items()}
    numbers = {
        choice.symbol: frozenset({str(choice.rating), str(place), ascii_uppercase[place - 1]})
        for place, choice in enumerate(choices, 1)
    }
    return _Names(frozenset(numbers), by_label, numbers, re.compile(pattern))


def _symbols_in(match: re.Match[str], names: _Names) -> tuple[str, ...]:
    found = [match["letter"]] if match["letter"] else []
    found += [names.by_label[plain_label(label)] for label in (match["beside"], match["label"]) if label]
    # a number that is neither the option's rating nor its place is another answer
    others = filter(None, match.group("before", "place", "behind", "inside"))
    found += [other for other in others if other not in names.numbers[found[0]]]
    return tuple(dict.fromkeys(found))


def _exactly(text: str, names: _Names) -> tuple[str, ...]:
    # one letter is an answer in either case; in a sentence "a" is a word
    match = names.pattern.fullmatch(text.upper() if len(text) == 1 else text)
    return _symbols_in(match, names) if match else ()


def _after(cue: re.Pattern[str], text: str, names: _Names) -> Iterator[tuple[str, ...]]:
    """What is named behind each of these cues: one symbol, several, or nothing."""
    for match in islice(cue.finditer(text), MAX_NAMED):
        start = match.end()
        # the cue takes "a" for an article; a capital one is an answer
        start -= 2 if text[start - 2 : start] == "A " else 0
        lead = _LEAD.match(text, start)
        start = lead.end() if lead else start
        before = text[max(0, start - 160) : start]
        sentence = before[max(map(before.rfind, (". ", "\n"))) + 1 :]
        if not (BARRED.search(before) or OTHERS.search(sentence)):
            rest = text[start : start + 20].partition("\n")[0].strip(DECORATION)
            yield _exactly(rest, names) if len(rest) == 1 else _named_at(text, start, names)


def _named_at(text: str, start: int, names: _Names) -> tuple[str, ...]:
    first = names.pattern.match(text, start)
    if first is None or not _FOLLOWED.match(text, first.end()):
        return ()
    found = _symbols_in(first, names)
    if found[0] not in names.symbols and found[0] == "I":
        return ()
    return tuple(dict.fromkeys([*found, *_also_at(text, first.end(), names), *_further(text, first.end(), names)]))


def _further(text: str, start: int, names: _Names) -> Iterator[str]:
    """What is named in the rest of the sentence and joined to it: "C for women" behind "B for men"."""
    rest = text[start : start + 300]
    end = SENTENCE_END.search(rest)
    for match in islice(names.pattern.finditer(rest), MAX_FURTHER):
        is_joined = not (end and end.start() < match.start()) and JOINED.search(rest, 0, match.start())
        if (is_joined or ACROSS.search(rest, 0, match.start())) and _FOLLOWED.match(rest, match.end()):
            yield from _symbols_in(match, names)


def _also_at(text: str, start: int, names: _Names) -> tuple[str, ...]:
    """What is named next to the name that ends here: "B" behind the A of "A or B"."""
    joint = _ALSO.match(text, start)
    second = names.pattern.match(text, joint.end()) if joint else None
    return _symbols_in(second, names) if second and _FOLLOWED.match(text, second.end()) else ()


def _on_lines(text: str, names: _Names) -> tuple[str, ...]:
    """The names that are alone on their lines: one, several, or the list of all options."""
    bare = (line.strip(LINE_ENDS) for line in text.splitlines() if len(line) < 300)
    found = (symbol for line in bare for symbol in _exactly(line, names))
    return tuple(dict.fromkeys(symbol for symbol in found if symbol in names.symbols))


def _opening(text: str, names: _Names) -> tuple[str, ...]:
    start = len(text) - len(text.lstrip(DECORATION + "-–—"))
    match = names.pattern.match(text, start)
    if match is None:
        return ()
    also = _also_at(text, match.end(), names)
    found = _symbols_in(match, names) if also or _OPENED.match(text, match.end()) else ()
    # a number next to a label is another answer, a letter beyond the list begins a sentence ("I")
    return tuple(dict.fromkeys(symbol for symbol in [*found, *also] if symbol in names.symbols or symbol.isdigit()))
