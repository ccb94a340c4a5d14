"""A completion, read: the rating that it gives, or the reason why it gives none."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from worldvaluesbench.elicitation.statement import find_numbers, read_value
from worldvaluesbench.errors import ScaleError
from worldvaluesbench.scale import Scale

UNPARSED_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "empty": "there is no text, or nothing after the model's reasoning",
        "no_number": "no number is offered as the answer; the answer may be `null`, or a number of something else",
        "several_numbers": "more than one number could be the answer",
        "off_scale": "the answer is a whole number that the scale does not have",
        "not_integer": "the answer is a number between scale points, such as 3.5",
        "refusal": "the model declines to answer",
        "truncated": "the text breaks off before an answer stands in it",
        "filtered": "the endpoint withheld the text (finish reason `content_filter`)",
    }
)
"""Why a completion holds no rating: the reason and what it means."""

DISTRIBUTION_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "no_probabilities": "the endpoint gave no log-probabilities, or not one for each option",
        "low_coverage": "none of the probability at the answer's place is known to be on the options",
        "ambiguous": "more than 1% of the probability is on tokens that may begin several options",
        "no_shares": "no share of any option is given",
        "missing_options": "an option is given no share",
        "unknown_options": "a share is given to something that is no option",
        "several_shares": "an option is given two different shares",
        "not_a_share": "a share is negative or no number",
        "bad_sum": "the shares do not sum to 100 (or to 1), within 2%",
    }
)
"""Why probabilities or stated shares hold no distribution, beside what can befall any completion."""

ALL_UNPARSED_REASONS: Final[Mapping[str, str]] = MappingProxyType({**UNPARSED_REASONS, **DISTRIBUTION_REASONS})
"""Why there is no reading, by whatever method; docs/methods.md explains each."""

EXCERPT = 80
"""The most characters of a completion that an `Unparsed` carries."""


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A completion, or probabilities, without a reading.

    `reason` is one of `ALL_UNPARSED_REASONS`; `text`, at most 80 characters, is what stood in the way: the number or
    numbers as written (`off_scale`, `not_integer`, `several_numbers`), the end of the text (`truncated`), else the
    beginning of the text or of what stands under its answer key.
    It may repeat what the prompt says of a respondent, so it belongs in no log.

    Raises ValueError where the reason is none of these.
    """

    reason: str
    text: str

    def __post_init__(self) -> None:
        if self.reason not in ALL_UNPARSED_REASONS:
            known = ", ".join(ALL_UNPARSED_REASONS)
            raise ValueError(f"{self.reason!r} is no unparsed reason; expected one of {known}.")


@dataclass(frozen=True, slots=True)
class Reader:
    """What an answer looks like, for `read_answer`.

    `find` gives what a text offers as its answer, each once, as written; `judge` the rating of what is the only answer
    found, or why it is none. `may_go_on` tells whether a text that was cut off behind its answer may have been about
    to give a longer one.
    """

    find: Callable[[str], tuple[str, ...]]
    judge: Callable[[str], int | Unparsed]
    may_go_on: Callable[[str, int], bool]


PLAIN = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»″＂", '"'),
        **dict.fromkeys("‘’‚‛′＇", "'"),
        **dict.fromkeys("\0\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\ufe0f\u20e3", ""),
        **{
            "：": ":",
            "，": ",",
            "｛": "{",
            "｝": "}",
            "（": "(",
            "）": ")",
            "−": "-",
            "٫": ".",
            "\u00a0": " ",
            "\u202f": " ",
        },
    }
)
"""Other spellings of quotes, colons, blanks and the minus sign; characters that are not seen go, as in the keycap 4️⃣."""

_UNTROUBLED = rf'[^"\\\n:={{}}<\[|{re.escape("".join(map(chr, PLAIN)))}]*+'
_PLAIN_JSON = re.compile(
    rf"""\s*\{{\s*"(?:thoughtful )?explanation"\s?:\s?"{_UNTROUBLED}",\s*"(?:answer|answer as a score)"\s?:\s?"""
    r"""("?)(\d{1,2})\1\s*\}\s*""",
    re.ASCII,
)
"""Just the JSON that the prompts ask for, with nothing in it that could be read in another way. Most completions are,
and there may be millions."""

_REASONING = re.compile(
    r"[<\[](/?)(?:think|thinking|thought|reasoning|scratchpad|reflection|analysis)[>\]]", re.IGNORECASE
)
_CHANNEL = re.compile(r"<\|channel\|>(\w{1,20})(?:<\|[a-z]{1,20}\|>[^<]{0,20})?<\|message\|>")
_END = re.compile(r"</s>|<\|(?:im_end|endoftext|eot_id|end|return|end_of_text|user|im_start)\|>|<eos>|<end_of_turn>")
_NEXT_TURN = re.compile(
    r"^[ \t]{0,4}(?:### ?(?:instruction|human|input|user|question)|(?:human|user|q|question) ?:|\[INST\]|"
    r"person [a-z] provided|what would person)",
    re.IGNORECASE | re.MULTILINE,
)
_KEY = re.compile(
    r"""\\?(?P<quote>["'`])(?P<key>[^"'`\n:{}\\]{1,60})\\?(?P=quote)\s{0,9}[:=]"""
    r"""|(?<![A-Za-z])(?P<bare>(?:the )?(?:answer as an? (?:integer )?score|answer_as_an?_score))[*_`"' ]{0,4}[:=]""",
    re.IGNORECASE,
)
_SCORE_KEYS = frozenset(
    {
        "answer as a score", "answer as score", "answer as an integer score", "answer as a integer score",
        "answer as an integer", "answerasascore", "answer score", "score", "rating", "final score", "final rating",
        "integer score", "numeric score", "numeric answer", "numerical answer", "answer number",
    }
)  # fmt: skip
_ANSWER_KEYS = frozenset(
    {
        "answer", "final answer", "response", "value", "choice", "option", "selected option", "number",
        "respuesta", "réponse", "antwort", "ответ", "答案",
    }
)  # fmt: skip
_PLACEHOLDER = re.compile(r"""["'\s]{0,4}(?:\.\.\.|…|<)[^"'\d]{0,60}(?:["'\n>}]|$)""")
_STRING_END = re.compile(r"""["'`]\s{0,9}[,}\n]|}""")
_VALUE_END = re.compile(r",(?!\d)|[}\]\n]|//|#|\.\s")

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
    completion: str, scale: Scale, *, labels: Sequence[str] = (), finish_reason: str | None = None
) -> int | Unparsed:
    """Read the rating that a completion gives, or why it gives none. Nothing is guessed, nothing imputed.

    Read is, after any reasoning block: the value under an answer key of a JSON object, however damaged ("answer as a
    score" before "answer"; of several objects the last that has one), and then nothing else counts; without such a key
    the number that the text offers as its answer (`statement.find_numbers`). Where a model runs on into a next
    question, what comes before that question is read.

    `labels` are the labels of all scale points, in order: an answer that is one of them and nothing else is its rating;
    where number and label disagree the number stands. `finish_reason` is the endpoint's word on why the text ends:
    "stop", "length", "content_filter", or None where it is not known.

    Takes time proportional to the length of the text, and raises nothing whatever the text;
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
    )
    return read_answer(completion, reader, finish_reason)


def read_answer(completion: str, reader: Reader, finish_reason: str | None = None) -> int | Unparsed:
    """Read the answer that a completion gives, whatever an answer looks like; otherwise as `parse_rating`."""
    text = completion.translate(PLAIN).strip()
    if finish_reason == "content_filter":
        return Unparsed("filtered", text[:EXCERPT])
    spoken, is_open = after_reasoning(text)
    reading = _read_turns(spoken, reader)
    if isinstance(reading, int):
        is_cut_short = finish_reason == "length" and reader.may_go_on(text, reading)
        return Unparsed("truncated", text[-EXCERPT:]) if is_cut_short else reading
    is_cut = finish_reason == "length" or (finish_reason is None and (is_open or _is_open_object(spoken)))
    may_be_cut = reading.reason in ("empty", "no_number", "several_numbers")
    return Unparsed("truncated", text[-EXCERPT:]) if is_cut and may_be_cut else reading


def after_reasoning(text: str) -> tuple[str, bool]:
    """What is said outside reasoning blocks, and whether a block is still open at the end.

    A closing tag without an opening one closes a block that the prompt's template opened.
    """
    channels = list(_CHANNEL.finditer(text))
    if channels:
        finals = [match for match in channels if match[1] == "final"]
        text = text[finals[-1].end() :] if finals else ""
        return _before_end(text), not finals
    pieces: list[str] = []
    start, is_open = 0, False
    for match in _REASONING.finditer(text):
        if not match[1]:
            pieces += [] if is_open else [text[start : match.start()]]
        elif not is_open:
            pieces.clear()
        is_open, start = not match[1], match.end()
    return _before_end("\n".join(pieces if is_open else [*pieces, text[start:]])), is_open


def _before_end(text: str) -> str:
    """The text up to the token with which a model ends its turn."""
    start = 0
    for match in _END.finditer(text):
        if text[start : match.start()].strip():
            return text[start : match.start()].strip()
        start = match.end()
    return text[start:].strip()


def is_refusal(text: str) -> bool:
    """Whether a model says in a text that it declines to answer."""
    return _REFUSAL.search(text) is not None


def _read_turns(text: str, reader: Reader) -> int | Unparsed:
    """Read what comes before a next question; where that says nothing, the question may be the one that was asked."""
    turn = next((match.start() for match in _NEXT_TURN.finditer(text) if match.start()), None)
    reading = _read_turn(text[:turn].strip(), reader)
    if turn and isinstance(reading, Unparsed) and reading.reason in ("empty", "no_number"):
        return _read_turn(text, reader)
    return reading


def _read_turn(text: str, reader: Reader) -> int | Unparsed:
    if not text:
        return Unparsed("empty", "")
    keys = list(_KEY.finditer(text))
    values = _answer_values(text, keys)
    for value in reversed(values):
        found = reader.find(value)
        if found:
            return _read_found(found, reader)
    found = () if values else reader.find(_without_explanations(text, keys))
    # a refusal may mention numbers (years, shares), as long as it offers none as an answer
    if len(found) != 1 and is_refusal(text):
        return Unparsed("refusal", text[:EXCERPT])
    return _read_found(found, reader) if found else Unparsed("no_number", (values[-1] if values else text)[:EXCERPT])


def _read_found(found: tuple[str, ...], reader: Reader) -> int | Unparsed:
    if len(found) > 1:
        return Unparsed("several_numbers", ", ".join(answer[:20] for answer in found[:3])[:EXCERPT])
    return reader.judge(found[0])


def _judge(number: str, scale: Scale) -> int | Unparsed:
    value = read_value(number)
    if value.denominator > 1:
        return Unparsed("not_integer", number[:EXCERPT])
    return int(value) if scale.low <= value <= scale.high else Unparsed("off_scale", number[:EXCERPT])


def _answer_values(text: str, keys: Sequence[re.Match[str]]) -> list[str]:
    """The values of the answer keys, in order: those of keys that speak of a score where there are any."""
    scores: list[str] = []
    answers: list[str] = []
    for match, end in _sections(text, keys):
        name = " ".join(re.split(r"[\s_\-]+", (match["key"] or "answer as a score").strip().casefold()))
        kind = scores if name in _SCORE_KEYS else answers if name in _ANSWER_KEYS else None
        opens_object = text[match.end() : end].strip() == "{"
        if kind is not None and not opens_object and not _PLACEHOLDER.match(text, match.end(), end):
            kind.append(_value(text, match.end(), end))
    return scores or answers


def _value(text: str, start: int, end: int) -> str:
    """What stands behind a key, up to the end of the string, number or word that it is."""
    section = text[start:end].strip().lstrip("\\[{(* ")
    if section[:1] in ("'", '"', "`"):
        quote = section[0]
        closing = re.search(rf"\\?{quote}\s{{0,9}}(?:[,}}\])\n]|$)", section[1:])
        if closing:
            return section[1 : 1 + closing.start()]
    ending = _VALUE_END.search(section)
    return section[: ending.start()] if ending else section


def _without_explanations(text: str, keys: Sequence[re.Match[str]]) -> str:
    """The text without the strings of its objects: where an object has no answer key, its explanation is no answer."""
    pieces: list[str] = []
    start = 0
    for match, end in _sections(text, keys):
        closing = _STRING_END.search(text, match.end() + 2, end)
        pieces.append(text[start : match.start()])
        start = closing.end() if closing else end
    return "".join([*pieces, text[start:]])


def _sections(text: str, keys: Sequence[re.Match[str]]) -> Iterator[tuple[re.Match[str], int]]:
    """Each key, and where its value ends at the latest: before the next key."""
    return zip(keys, [*(key.start() for key in keys[1:]), len(text)][: len(keys)], strict=True)


def _is_open_object(text: str) -> bool:
    """Whether an object with a key begins in the text and does not end."""
    opening = text.rfind("{")
    return opening >= 0 and text.find("}", opening) < 0 and bool(_KEY.search(text, opening))


def _may_go_on(text: str, rating: int, scale: Scale) -> bool:
    """Whether a text cut off right behind a digit may have been about to say a longer number: "1" for "10"."""
    is_last = text[-1:].isdigit()
    return is_last and any(str(longer).startswith(str(rating)) and longer != rating for longer in scale.ratings)
