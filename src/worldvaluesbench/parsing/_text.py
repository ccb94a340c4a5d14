"""The text of a completion: its plain characters without reasoning and other turns, and the keys and values in it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

_PICTURES = [
    sign for sign in (*range(0x2600, 0x27C0), *range(0x1F000, 0x1FB00)) if chr(sign) not in "❌✖✗✘❎❓❔⛔🚫👎"
]
PLAIN = str.maketrans(
    {
        **{chr(wide): chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)},
        **{chr(0x2460 + place): f" {place + 1} " for place in range(10)},
        **dict.fromkeys(map(chr, _PICTURES), " "),
        **dict.fromkeys("“”„‟«»″「」『』", '"'),
        **dict.fromkeys("‘’‚‛′", "'"),
        **dict.fromkeys("\0\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\ufe0f\u20e3", ""),
        **{"。": ".", "、": ",", "،": ",", "٫": ".", "٪": "%", "−": "-", "\u00a0": " ", "\u202f": " ", "\u3000": " "},
    }
)
"""Other spellings of quotes, colons, blanks, digits and the minus sign; characters that are not seen go, as in 4️⃣."""

_REASONING = (
    r"think(?:ing)?|thoughts?|reason(?:ing|s)?|scratch[_ -]?pad|reflection|analysis|cot|chain[_ ]of[_ ]thought|inner|"
    r"monologue|deliberation|rationale|explanation|reflect"
)
_MARK = re.compile(
    rf"[<\[◁⟨【][|｜]?(?P<close>/|end[_ ▁](?:of[_ ▁])?)?(?:(?:begin|start)[_ ▁](?:of[_ ▁])?)?(?:\w{{1,12}}:)?"
    rf"(?P<word>{_REASONING})(?:[_ ](?:start|begin|prefix|process|block|steps)|(?P<end>[_ ](?:end|suffix)))?"
    r"(?:\s[^<>\[\]\n]{0,80})?[|｜]?[>\]▷⟩】]"
    r"|(?P<over>\.\.\.done thinking\.|\bhere is my response:|<channel\|>)"
    r"|\AThinking\.\.\.\n|\Ahere is my thought process:|<\|channel>\w{1,20}",
    re.IGNORECASE,
)
"""A mark that opens or closes reasoning, of any model: <think>, [THINK], ◁think▷, <|begin_of_thought|>, ..."""

_CHANNEL = re.compile(
    r"<\|channel\|>(\w{1,20})(?:[^<\n]{0,40}<\|(?!message)[a-z]{1,20}\|>[^<\n]{0,20})?(?:<\|message\|>)?"
)
_BARE_CHANNEL = re.compile(
    r"\A(?:assistant)?(?:analysis|commentary)(?![\s:.,;*_)#-]|\Z)|assistant(?:analysis|commentary)(?=\S)"
)
_BARE_FINAL = re.compile(r"assistant\s?final(?:json|<\|message\|>)?(?=\S)")
"""Channels whose tokens a server left out: `analysis...assistantfinal...`."""

_BOUNDARY = re.compile(
    r"<\|?(?:im_start|start_header_id|header_start|start_of_role|start_of_turn|start|turn)\|?>\s?(?P<named>[a-z]{1,12})"
    r"(?:<\|(?:end_header_id|header_end|end_of_role|message)\|>)?"
    r"|<[|｜](?P<role>user|human|assistant|bot|model|system|developer|tool)[|｜]>|\[(?P<inst>/?INST)\]"
    r"|</s>|<[|｜](?:im_end|endoftext|end_of_text|eot_id|eom_id|eot|end|return|end_of_turn|end_of_turn_token|"
    r"end▁of▁sentence)[|｜]>|<eos>|<end_of_turn>|<turn\|>",
    re.IGNORECASE,
)
LONGEST, LONGEST_WITH_REASONING = 20_000, 200_000
"""Of longer texts the beginning and the end are read, a half of this each: answers are there."""
_OTHERS = frozenset({"user", "human", "system", "developer", "tool", "inst"})
_TOKEN = re.compile(
    r"<[|｜][^<>|｜\s]{1,40}[|｜]>|<s>|<bos>|<pad>|<</?SYS>>|</?(?:b|strong|i|em|u|p|br|code|span|div|pre)\s?/?>"
)
_NEXT_TURN = re.compile(
    r"^[ \t*#]{0,6}(?:### ?(?:instruction|human|input|user|question)|(?:instruction|human|user|q|"
    r"question)\b ?\d{0,3} ?:|\[INST\]|person [a-z] provided|what would person|(?P<other>(?:(?:next|another|second|"
    r"third) )?(?:person|respondent|participant|individual|"
    r"interviewee)\s(?:[a-wyz]|\d{1,6})\b))",
    re.IGNORECASE | re.MULTILINE,
)


def plain_text(completion: str) -> str:
    """The text in plain characters, of a very long one its beginning and its end."""
    return _ends_of(completion, LONGEST_WITH_REASONING).translate(PLAIN).strip()


def after_reasoning(text: str) -> tuple[str, bool]:
    """What is said outside reasoning, and whether reasoning is still open at the end.

    A closing mark without an opening one closes what the prompt's template opened.
    """
    channels = list(_CHANNEL.finditer(text))
    finals = [match for match in channels if match[1] == "final"] or list(_BARE_FINAL.finditer(text))
    if finals:
        return _own_turn(text[finals[-1].end() :]), False
    if channels or _BARE_CHANNEL.search(text):
        return "", True
    pieces: list[str] = []
    start, is_open = 0, False
    for match in _MARK.finditer(text):
        # in prose and in objects, "[reason]" holds a place
        if match[0][0] == "[" and not match[0].isupper():
            continue
        if not (match["close"] or match["end"] or match["over"]):
            pieces += [] if is_open else [text[start : match.start()]]
            is_open = True
        else:
            pieces = pieces if is_open else []
            is_open = False
        start = match.end()
    return _own_turn("\n".join(pieces if is_open else [*pieces, text[start:]])), is_open


def first_turn(text: str) -> str:
    """What comes before a next question or another person; all of it where the text begins with one of several."""
    turns = list(_NEXT_TURN.finditer(text))
    if not turns or (turns[0]["other"] and not turns[0].start()):
        return text
    return text[: next((turn.start() for turn in turns if turn.start()), None)].strip()


def _ends_of(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest // 2]}\n…\n{text[-longest // 2 :]}"


def _own_turn(text: str) -> str:
    """The first words between the tokens of chat templates that are not in another turn."""
    start, is_own = 0, True
    for match in [*_BOUNDARY.finditer(text), None]:
        piece = _TOKEN.sub(" ", text[start : match.start() if match else None]).strip()
        if is_own and piece:
            return _ends_of(piece, LONGEST)
        if match:
            role = match["named"] or match["role"] or match["inst"] or ""
            is_own, start = role.casefold() not in _OTHERS, match.end()
    return ""


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
"""Words of keys that announce something other than the answer."""
_ANSWERS = _words(
    "answer answers score scores rating ratings response responses choice selection prediction predicted decision ans "
    "respuesta réponse antwort resposta risposta ответ 答案 回答 puntuación"
)
_VALUES = _words("value option number code result label level output grade final selected chosen integer pick")
_AROUND = _words("the my your as a an is most likely numeric numerical of best their single x s")
"""Words that announce an answer, those that do alone, and those that may surround them."""


def read_entries(text: str) -> tuple[list[Entry], str]:
    """The entries of a text in their order, and its prose: the text with blanks in place of objects and tags.

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
    """A key as keys are compared: its words in lower case, in any style (`finalAnswer`, `final_answer`)."""
    return " ".join(
        re.split(r"[\W_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[a-z])(?=\d)", " ", key).casefold())
    ).strip()


@lru_cache(maxsize=4096)
def kind_of(key: str) -> Literal["score", "answer", "aside", "unknown"]:
    """What a key announces: the score that the paper asks for, an answer, something else, or unknown."""
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
    """The value after a key, up to the end of the string, list, number or word that it is."""
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
