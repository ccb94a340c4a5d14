"""A statement: the number that a text offers as its answer, as opposed to the numbers that merely stand in it."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from worldvaluesbench.scale import Scale

DECORATION = " \t\r\n\f\v\"'`*_#>()[]{}<.,;:!|\\~"
"""What may surround an answer without changing it."""

NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
MAX_REPEATS = 50
"""A text that says its only number more often than this is going round in circles and offers none."""

FRACTIONS = "½¼¾⅓⅔"

_DIGITS = rf"(?:\d++(?:[.,]\d++)?+[{FRACTIONS}]?+|(?<![.\d])\.\d++)"
_SIGN = r"""(?:(?<![^\s"'`(\[{:=*<>])-)?+"""
_NUMBER = rf"{_SIGN}(?<![A-Za-z_\d])(?<!\d[.,]){_DIGITS}(?![A-Za-z_])"
NUMBER = re.compile(_NUMBER)
"""A number on its own: not part of a word (`Q3`, `3rd`). Digits of every script count, so `٣` is 3."""

_ANSWER_WORDS = (
    "answer|score|rating|response|choice|boxed|"
    "respuesta|puntuación|calificación|antwort|bewertung|réponse|note|risposta|resposta|pontuação|odpowiedź|"
    "ответ|оценка|cevap|puan|jawaban|skor|đáp án|câu trả lời|답변|답|점수|答案|回答|评分|分数|答え|スコア|"
    "الإجابة|الجواب|پاسخ|उत्तर"
)
_BETWEEN = (
    r"""(?:\s{0,2}\([^()\n\d]{0,40}\))?+["'`*_\]]{0,4}\s{0,3}"""
    r"""(?:[:=>{→]|->|(?:is|would be|will be|es|ist|est|是|为|は)(?!\w{2}))"""
    r"""["'`*_\[({<\s]{0,8}(?:(?:an?|option|number)\s)?["'`*_]{0,3}(?P<rest>[^\n]{0,120})"""
)
NAMED_ANSWER = re.compile(rf"(?<![A-Za-z])(?:{_ANSWER_WORDS})s?{_BETWEEN}", re.IGNORECASE)
"""An answer that is named as such, "Answer: ..."; what follows is the group `rest`."""
FINAL_ANSWER = re.compile(rf"\bfinal (?:answer|score|rating|response|choice){_BETWEEN}", re.IGNORECASE)

_TAIL = re.compile(
    r"\s{0,2}(?:%|\+|percent|or (?:higher|lower|more|less|above|below)\b|"
    r",?\s?\(?(?:[-–—/,:&~|]|to|or|and|in|(?:out )?of|on an? (?:scale (?:of|from) )?)\s{0,2}[-.]?\d)",
    re.IGNORECASE,
)
"""What makes one of two numbers, a share or a rating on another scale of the number before it."""

_FOLLOWED = re.compile(
    r"""[*_"'`)\]}]{0,4}(?:\s{0,3}(?:$|[.;:!?(=<。、,]|[–—-](?![a-z\d%])|\n)|分|点|점|"""
    r"""\s+(?:because|since|as|on|out|for|to|which|indicating|meaning|and|but|if|from|given|due|overall|in|is|would|"""
    r"""points?|stars?|here|when|though|although|considering|being|sagen|wählen|geben|vergeben|[A-Z]))"""
)
"""What may follow a number that is an answer; "2 children" and "45 years" do not pass."""

_CUE = re.compile(
    r"(?:\b(?:say|choose|chose|pick|select|rat(?:e|es|ed|ing)|scor(?:e|es|ed)|g(?:ive|ives|ave)|answer(?:s|ed)?|response|"
    r"choice|option|go(?:ing)? with|opt for|settle on|place|put|assign|respond|reply|think|guess|estimate|probably|"
    r"definitely|likely|maybe|perhaps|around|about|"
    r"approximately|roughly|closest to|it'?s a|elegiría|diría|dirais|würde|sagen|wählen|direi|diria)\b|"
    r"选择|选|我会说|だと思います|выбрал[аи]?|бы|поставил[аи]?)[^.!?;\n\d]{0,100}$",
    re.IGNORECASE,
)
_CONCLUDED = re.compile(r"(?:\b(?:so|hence|thus|therefore)|[:=→>,(\[—–-])[\s*_\"'`(\[]{0,4}$", re.IGNORECASE)
_BARRED = re.compile(
    r"(?:(?<!score )(?<!rating )(?<!value )(?<!answer )(?<!an )\bof|"
    r"\b(?:not(?: (?:say|choose|give|pick|rate it))?|never)(?: an?)?|n't(?: \w{1,10}){0,2}|"
    r"\b(?:aged?|since|by|year|in|question|section|wave|version|isced|top|first|last|next|past|step|page|than|above|below|"
    r"under|over|at least|at most|up to|or|have|has|had|"
    r"group|category|grade|class|stage|type|room|chapter))[\s*_\"'`]{1,3}$",
    re.IGNORECASE,
)
"""What turns the number after it into something else: "born in 1980", "not 3", "at least 3"."""

_RANGE = re.compile(
    r"(?<![A-Za-z_\d])(?<!\d[.,])(\d{1,3})\s{0,3}(?:to|-|–|—|through|\.{2,3}|~|bis|à|a|al|até|до|至|到|から)\s{0,3}(\d{1,3})"
    r"(?![A-Za-z_\d]|[.,]\d)",
    re.IGNORECASE,
)
_BETWEEN_ENDS = re.compile(
    r"\b(?:between|entre|zwischen)\s{1,3}(\d{1,3})\s{1,3}(?:and|y|et|e|und)\s{1,3}(\d{1,3})(?![A-Za-z_\d]|[.,]\d)",
    re.IGNORECASE,
)
_DENOMINATOR = re.compile(
    r"(?:\bout of|/)\s{0,3}(\d{1,3})(?![A-Za-z_\d]|[.,/]\d)|\b(\d{1,2})[- ]points?\b", re.IGNORECASE
)
_MEANING = re.compile(
    r"(?:\b(?:where|with|and|while|wobei|donde|où)|[,;(])\s{0,3}(\d{1,3})\s{0,3}(?:=|(?:means?|meaning|being|is|represents?|"
    r"representing|indicates?|stands? for|denotes?|signifies|bedeutet|significa|signifie)\b)",
    re.IGNORECASE,
)
_MARKER = re.compile(r"^[ \t]{0,8}(?:[-*•][ \t])?\**(\d{1,2})[.)](?=\s)", re.MULTILINE)


def find_numbers(text: str, scale: Scale, labels: Sequence[str] = ()) -> tuple[str, ...]:
    """Find the numbers that a text offers as its answer, each once, as written.

    None: it offers none. One: that is the answer, on the scale or not. Several: which is meant is not clear. Numbers of
    the scale's own description and the markers of a list are passed over. What then counts is, in this order: a label
    of the scale or a number word that is all there is; a final answer; an answer that is named as such, or alone on its
    line; the only number there is, where it opens the text or follows words such as "I would say".

    >>> find_numbers("On a scale of 1 to 10, I'd say 7.", Scale(1, 10))
    ('7',)
    >>> find_numbers("Somewhere around 2 or 3", Scale(1, 4))
    ('2', '3')
    >>> find_numbers("A mother of 3 children", Scale(1, 4))
    ()
    """
    whole = _read_whole(text, scale, labels)
    if whole:
        return (whole,)
    text = _without_list(_without_scale(text, scale))
    finals = list(_named(FINAL_ANSWER, text, scale, labels))
    if finals:
        return finals[-1]
    named = [number for numbers in _named(NAMED_ANSWER, text, scale, labels) for number in numbers]
    strong = _distinct([*named, *_alone_on_line(text, labels)])
    return strong or _only_number(text, labels)


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


def _read_whole(text: str, scale: Scale, labels: Sequence[str]) -> str:
    """The number as which a text that is nothing but a number word or a label reads; "" for all other texts."""
    if len(text) > 300:
        return ""
    bare = " ".join(text.strip(DECORATION).casefold().split())
    if bare in NUMBER_WORDS:
        return str(NUMBER_WORDS.index(bare))
    matching = [
        rating
        for rating, label in zip(scale.ratings, labels, strict=False)
        if bare == " ".join(label.strip(DECORATION).casefold().split())
    ]
    is_number = NUMBER.fullmatch(bare) is not None
    return str(matching[0]) if len(matching) == 1 and bare and not is_number else ""


def _without_scale(text: str, scale: Scale) -> str:
    ends = {str(scale.low), str(scale.high)}

    def blank_range(match: re.Match[str]) -> str:
        return " " if {str(int(match[1])), str(int(match[2]))} == ends else match[0]

    def blank_denominator(match: re.Match[str]) -> str:
        own, number = (scale.high, match[1]) if match[1] else (scale.n_points, match[2])
        return "" if int(number) == own else match[0]

    def blank_meaning(match: re.Match[str]) -> str:
        return " " if int(match[1]) in scale else match[0]

    text = _RANGE.sub(blank_range, _BETWEEN_ENDS.sub(blank_range, text))
    return _MEANING.sub(blank_meaning, _DENOMINATOR.sub(blank_denominator, text))


def _without_list(text: str) -> str:
    """The text without the markers 1., 2., ... of a list of at least two."""
    spans: list[tuple[int, int]] = []
    pieces: list[str] = []
    start = 0
    for match in _MARKER.finditer(text):
        if int(match[1]) == len(spans) + 1:
            spans.append(match.span(1))
    for first, end in spans if len(spans) > 1 else ():
        pieces += [text[start:first], "-" * (end - first)]
        start = end
    return "".join([*pieces, text[start:]])


def _named(pattern: re.Pattern[str], text: str, scale: Scale, labels: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for match in pattern.finditer(text):
        rest = match["rest"]
        number = NUMBER.match(text, match.start("rest"))
        if number is None:
            whole = _read_whole(rest, scale, labels)
            if whole:
                yield (whole,)
        elif not _TAIL.match(text, number.end()):
            yield (number[0],)
        elif len(both := _distinct(NUMBER.findall(rest)[:2])) > 1:
            yield both


def _alone_on_line(text: str, labels: Sequence[str]) -> Iterator[str]:
    """Numbers that are all that stands on their line, a label of the scale aside."""
    names = {label.strip(DECORATION).casefold() for label in labels}
    for line in text.splitlines():
        bare = line.strip(" \t\"'`*_#>()[]{}<,;:!|\\~") if len(line) < 300 else ""
        number = NUMBER.match(bare)
        rest = bare[number.end() :].strip(DECORATION + "-–—=/") if number else ""
        if number and (not rest or rest.casefold() in names):
            yield number[0]


def _only_number(text: str, labels: Sequence[str]) -> tuple[str, ...]:
    """All numbers of the text where there are several; the only one where it is offered as an answer."""
    matches = list(NUMBER.finditer(text))
    distinct = _distinct(match[0] for match in matches)
    if len(distinct) != 1:
        return distinct
    if len(matches) > MAX_REPEATS:
        return ()
    opening = len(text) - len(text.lstrip(DECORATION + "-–—"))
    names = tuple(label.casefold() for label in labels if label)
    return distinct if any(_is_offered(text, match, opening, names) for match in matches) else ()


def _is_offered(text: str, match: re.Match[str], opening: int, names: tuple[str, ...]) -> bool:
    after = text[match.end() : match.end() + 160]
    before = text[max(0, match.start() - 160) : match.start()]
    says_label = after.lstrip(DECORATION + "-–—=").casefold().startswith(names) if names else False
    if _BARRED.search(before) or _TAIL.match(after) or not (says_label or _FOLLOWED.match(after)):
        return False
    if match.start() <= opening:
        # a lone "1. Family is ..." is as well the start of a list that the model broke off
        return says_label or not (match[0] == "1" and re.match(r"[.)]\s{1,3}\S", after))
    at_end = not after.strip(DECORATION)
    return bool(_CUE.search(before)) or (at_end and bool(_CONCLUDED.search(before)))


def _distinct(numbers: Iterable[str]) -> tuple[str, ...]:
    """The numbers, each value once."""
    return tuple({read_value(number): number for number in dict.fromkeys(numbers)}.values())
