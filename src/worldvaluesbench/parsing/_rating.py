"""A completion, read: the rating that it gives, or the reason why it gives none."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from worldvaluesbench.errors import ScaleError
from worldvaluesbench.parsing._numbers import NAMED_ANSWER, find_numbers, read_value
from worldvaluesbench.parsing._text import (
    PLAIN,
    Entry,
    after_reasoning,
    first_turn,
    is_open_object,
    kind_of,
    plain_key,
    plain_text,
    read_entries,
)
from worldvaluesbench.runs import UNPARSED
from worldvaluesbench.stats import Scale

EXCERPT = 80
"""The most characters of a completion that an `Unparsed` carries."""


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A completion, or probabilities, without a reading.

    `reason` is one of `runs.UNPARSED`; `text`, at most 80 characters, is the cause: the number or
    numbers as written (`off_scale`, `not_integer`, `several_numbers`), the end of the text (`truncated`), else the
    beginning of the text or of the value under its answer key.
    It may repeat what the prompt says of a respondent, so it belongs in no log.

    Raises ValueError where the reason is none of these.
    """

    reason: str
    text: str

    def __post_init__(self) -> None:
        if self.reason not in UNPARSED:
            raise ValueError(f"{self.reason!r} is no unparsed reason; expected one of {', '.join(UNPARSED)}.")


@dataclass(frozen=True, slots=True)
class Reader:
    """What an answer looks like, for `read_answer`.

    `find` gives what a text offers as its answer, each once, as written; `judge` the rating of what is the only answer
    found, or why it is none. `may_go_on` tells whether a text that was cut off behind its answer may have been about
    to give a longer one. `asked` is the key under which the prompt asked for it (`asked_key`).
    """

    find: Callable[[str], tuple[str, ...]]
    judge: Callable[[str], int | Unparsed]
    may_go_on: Callable[[str, int], bool]
    asked: str | None = None


# all characters from U+10000 count as look-alikes, for a pattern compares those one by one: a thousandfold difference
_LOOK_ALIKES = re.escape("".join(chr(code) for code in PLAIN if code < 0x10000)) + "\U00010000-\U0010ffff"
_UNTROUBLED = rf'[^"\\\n:={{}}<\[|{_LOOK_ALIKES}]*+'
_PLAIN_JSON = re.compile(
    rf"""\s*\{{\s*"(?:thoughtful )?explanation"\s?:\s?"{_UNTROUBLED}",\s*"(?:answer|answer as a score)"\s?:\s?"""
    r"""("?)(\d{1,2})\1\s*\}\s*""",
    re.ASCII,
)
"""Just the JSON that the prompts ask for, with nothing in it that could be read in another way. Most completions are,
and there may be millions."""

_PLACEHOLDER = re.compile(r"\s{0,4}(?:\.\.\.|…|<)[^\d]{0,60}(?:[\n>}]|$)")
CORRECTED = re.compile(
    r"\b(?:on reflection|correct(?:ed|ion)|revis(?:ed|ion|ing)|reconsider\w*|second thought|actually|wait|instead|"
    r"final(?:ly)?|no\b[,:.])",
    re.IGNORECASE,
)
"""Words between two answers that put the later one in place of the earlier."""
MOST_NAMED = 50
"""So many answers named in the prose around an object are looked at."""

_DECLINED = (
    r"(?:answer|provide|determine|predict|speculat|assum|assist|help|rat(?:e|ing)\b|giv(?:e|ing)\b|comply|respond|say\b|"
    r"comment|guess|shar|offer|mak(?:e|ing)\b|generat|engag|fulfil|choos|tell|complet|participat|pretend|judg|discuss)"
)
_REFUSALS = (
    r"\b(?:as|i am|i'm)(?: just| only| merely)? an? (?:ai|artificial intelligence|(?:large )?language model)\b",
    r"\b(?:i|we) (?:do not|don't|cannot|can't) have (?:any )?(?:personal|opinions|beliefs|feelings|enough information)",
    r"\bi(?:'m| am) (?:very |really |truly )?sorry,? (?:but|i)\b|\bi apologi[sz]e,? (?:but|i|for)\b",
    r"\b(?:i|we) (?:\w{2,10}ly )?(?:can ?not|can't|won't|will not|shouldn't|should not) (?:\w{2,12}ly )?" + _DECLINED,
    r"\b(?:i|we) (?:must |have to )?(?:decline|refuse) to\b",
    r"\b(?:i|we)(?:'d| would)? (?:prefer|rather) not(?: to)? (?:say|answer)",
    r"\bi(?:'m| am) (?:unable|not able|not comfortable|not going|declining)(?: to)?(?: \w{2,12}ly)? " + _DECLINED,
    r"\bnot (?:be )?(?:possible|appropriate) (?:for me )?to\b|\b(?:impossible|inappropriate) (?:for me )?to\b",
    r"\b(?:can ?not|can't|unable to) (?:be determined|be predicted|determine|predict|speculate|assist)\b",
    r"\b(?:lo siento|no puedo (?:responder|proporcionar|contestar)|como modelo de lenguaje)\b",
    r"\b(?:es tut mir leid|ich kann (?:diese|dir|keine|das)|als ki)\b",
    r"\b(?:je suis désolée?|désolée?,|je ne peux pas|en tant qu'ia|en tant que modèle)",
    r"\b(?:desculpe|sinto muito|não posso|mi dispiace|non posso)\b",
    r"\b(?:извините|к сожалению, я|как языковая модель|я не могу)\b",
    r"抱歉|对不起|我无法|我不能|作为(?:一个|一名)?(?:人工智能|ai|语言模型)|申し訳|お答えできません|죄송",
    r"عذر|آسف|لا أستطيع|क्षमा करें",
)
_REFUSAL = re.compile("|".join(_REFUSALS), re.IGNORECASE)


def parse_rating(
    completion: str,
    scale: Scale,
    *,
    labels: Sequence[str] = (),
    finish_reason: str | None = None,
    asked: str | None = None,
) -> int | Unparsed:
    """Read the rating that a completion gives, or why it gives none. Nothing is guessed, nothing imputed.

    Read is, after any reasoning, the value under an answer key of an object or a tag, however damaged; without such a
    key the number that the text offers as its answer (`find_numbers`). `asked` is the key that the prompt
    asks for (`asked_key`), which counts before all others; None: the paper's, "answer as a score". Where a
    model runs on into a next question or another person, what comes before is read. Two answers are none.

    `labels` are the labels of all scale points, in order: an answer may be one of them, and a number next to another's
    label is two answers. `finish_reason` is the endpoint's word on why the text ends: "stop", "length",
    "content_filter", or None where it is not known.

    Takes time proportional to the length of the text, and raises nothing for any text;
    ScaleError where there are labels, but not one for each scale point.

    >>> parse_rating('{"thoughtful explanation": "One of 4 siblings.", "answer as a score": "2"}', Scale(1, 4))
    2
    >>> parse_rating("I would say 3.", Scale(1, 4))
    3
    >>> parse_rating("Rather important", Scale(1, 3), labels=["Very important", "Rather important", "Not important"])
    2
    >>> parse_rating("7", Scale(1, 4))
    Unparsed(reason='off_scale', text='7')
    >>> parse_rating("2 or 3", Scale(1, 4))
    Unparsed(reason='several_numbers', text='2, 3')
    """
    if labels and len(labels) != scale.n_points:
        raise ScaleError(
            f"The scale {scale} has {scale.n_points} points, but {len(labels)} labels came; give one for each."
        )
    plain = _PLAIN_JSON.fullmatch(completion)
    if plain and finish_reason in (None, "stop") and int(plain[2]) in scale:
        return int(plain[2])
    reader = Reader(
        find=lambda text: find_numbers(text, scale, labels),
        judge=lambda number: _judge(number, scale),
        may_go_on=lambda text, rating: _may_go_on(text, rating, scale),
        asked=asked,
    )
    return read_answer(completion, reader, finish_reason)


def read_answer(completion: str, reader: Reader, finish_reason: str | None = None) -> int | Unparsed:
    """Read the answer that a completion gives, given what an answer looks like; otherwise as `parse_rating`."""
    text = plain_text(completion)
    if finish_reason == "content_filter":
        return Unparsed("filtered", text[:EXCERPT])
    spoken, is_open = after_reasoning(text)
    turn = first_turn(spoken)
    reading, is_keyed = _read_turn(turn, reader)
    # where a first turn says nothing, the question behind it may be the one that was asked
    if turn != spoken and isinstance(reading, Unparsed) and reading.reason in ("empty", "no_number"):
        reading, is_keyed = _read_turn(spoken, reader)
    if isinstance(reading, int):
        is_cut_short = finish_reason == "length" and reader.may_go_on(text, reading)
        return Unparsed("truncated", text[-EXCERPT:]) if is_cut_short else reading
    is_cut = finish_reason == "length" or (finish_reason is None and (is_open or is_open_object(spoken)))
    may_be_cut = reading.reason in ("empty", "no_number", "several_numbers") and not is_keyed
    return Unparsed("truncated", text[-EXCERPT:]) if is_cut and may_be_cut else reading


def is_refusal(text: str) -> bool:
    """Whether a model says in a text that it declines to answer."""
    return _REFUSAL.search(text) is not None


def _read_turn(text: str, reader: Reader) -> tuple[int | Unparsed, bool]:
    """What a turn says, and whether it says it under a key."""
    if not text:
        return Unparsed("empty", ""), False
    entries, prose = read_entries(text)
    answers, offered = _under_keys(entries, reader)
    found: tuple[str, ...] = _one_of(offered, text, prose, reader) if offered else ()
    # where a key announces an answer and there is none, prose is not an answer
    if not answers and not offered:
        found = reader.find(prose)
    # a refusal may mention numbers (years, shares), as long as it offers none as an answer
    if len(found) != 1 and is_refusal(text) and not offered:
        return Unparsed("refusal", text[:EXCERPT]), False
    if len(found) > 1:
        return Unparsed("several_numbers", ", ".join(answer[:20] for answer in found[:3])[:EXCERPT]), bool(offered)
    if found:
        return reader.judge(found[0]), bool(offered)
    return Unparsed("no_number", (answers[-1].value if answers else text)[:EXCERPT]), False


Offered = list[tuple[Entry, tuple[str, ...]]]


def _under_keys(entries: Sequence[Entry], reader: Reader) -> tuple[list[Entry], Offered]:
    """The entries whose keys announce an answer, and those that count, with what each offers.

    The key that was asked for counts before all others, then every key that announces an answer, then the only other
    one, in any language, whose value is an answer.
    """
    wanted = plain_key(reader.asked or "")
    told = [entry for entry in entries if not _PLACEHOLDER.match(entry.value)]
    asked = [entry for entry in told if (plain_key(entry.key) == wanted if wanted else kind_of(entry.key) == "score")]
    announced = {entry.key for entry in asked}
    answers = [entry for entry in told if entry.key in announced or kind_of(entry.key) in ("score", "answer")]
    for level in (asked, answers):
        offered = [(entry, found) for entry in level if (found := reader.find(entry.value))]
        # a label where the symbol was asked for is no better than the symbol under another key
        if offered and (level is answers or any(_is_said(found, entry.value) for entry, found in offered)):
            return answers, offered
    others = [(entry, reader.find(entry.value)) for entry in told if _may_be_answer(entry)]
    return answers, [
        (entry, found)
        for entry, found in others
        if not answers and len(found) == 1 and isinstance(reader.judge(found[0]), int)
    ]


def _may_be_answer(entry: Entry) -> bool:
    return kind_of(entry.key) == "unknown" and len(entry.value) <= EXCERPT


def _is_said(found: tuple[str, ...], value: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(found[0])}(?!\w)", value, re.IGNORECASE) is not None


def _one_of(offered: Offered, text: str, prose: str, reader: Reader) -> tuple[str, ...]:
    """The one answer under the keys, or all of them, each once; prose that names another makes two."""
    found = _distinct(offered, reader)
    if len(found) > 1 and CORRECTED.search(text, offered[-2][0].end if len(offered) > 1 else 0, offered[-1][0].start):
        offered = offered[-1:]
    named = islice(NAMED_ANSWER.finditer(prose), MOST_NAMED)
    return _distinct([*offered, *((offered[-1][0], reader.find(match[0] + match["rest"])) for match in named)], reader)


def _distinct(offered: Offered, reader: Reader) -> tuple[str, ...]:
    return tuple({reader.judge(symbol): symbol for _, found in offered for symbol in found}.values())


def _judge(number: str, scale: Scale) -> int | Unparsed:
    value = read_value(number)
    if value.denominator > 1:
        return Unparsed("not_integer", number[:EXCERPT])
    return int(value) if scale.low <= value <= scale.high else Unparsed("off_scale", number[:EXCERPT])


def _may_go_on(text: str, rating: int, scale: Scale) -> bool:
    """Whether a text cut off right behind a digit may have been about to say a longer number: "1" for "10"."""
    is_last = text[-1:].isdigit()
    return is_last and any(str(longer).startswith(str(rating)) and longer != rating for longer in scale.ratings)
