"""The number that a text offers as its answer, as opposed to other numbers in it."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import islice

from worldvaluesbench.stats import Scale

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
    """The pattern of a label, with any signs between its words: "VERY_IMPORTANT" is "Very important"."""
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
    """The numbers that a number and a label next to it say: two where they disagree."""
    said = (str(labels.ratings[plain_label(label)]) for label in (match["label"], match["beside"]) if label)
    return distinct_numbers(filter(None, (match["number"], match["behind"], *said)))


def distinct_numbers(numbers: Iterable[str]) -> tuple[str, ...]:
    """The numbers, each value once."""
    return tuple({read_value(number): number for number in dict.fromkeys(numbers)}.values())


MAX_REPEATS = 50
"""A text that says its only number more often than this is going round in circles and offers none."""

_WORDS = "|".join(NUMBER_WORDS)

_ANSWER_WORDS = (
    "answer|score|rating|response|choice|option|prediction|selection|guess|boxed|정답|respuesta|puntuación|calificación|"
    "antwort|bewertung|réponse|note|risposta|resposta|pontuação|odpowiedź|ответ|оценка|cevap|puan|jawaban|skor|đáp án|"
    "câu trả lời|답변|답|점수|答案|回答|评分|分数|答え|スコア|الإجابة|الجواب|پاسخ|उत्तर"
)
_BETWEEN = (
    r"""(?:\s{0,2}\([^()\n\d]{0,40}\))?+["'`*_\]]{0,4}(?:>|\s{0,3}"""
    r"""(?:[:={→]|[-=]>|(?:(?:is|would be|will be|ist|est|es|è|é|wäre|serait|sería|to jest)\b|是|为|は|은|는|هي|هو)))"""
    r"""["'`*_\[({<\s]{0,8}(?:(?:an?|option|number)\s)?["'`*_]{0,3}(?=(?P<rest>[^\n]{0,120}))"""
)
_OF_MANY = r"(?<!mean )(?<!average )(?<!median )(?<!typical )(?<!usual )"
NAMED_ANSWER = re.compile(rf"(?<![A-Za-z]){_OF_MANY}(?:{_ANSWER_WORDS})s?{_BETWEEN}", re.IGNORECASE)
"""An answer that is named as such, "Answer: ..."; what follows is the group `rest`."""
FINAL_ANSWER = re.compile(rf"\bfinal (?:answer|score|rating|response|choice){_BETWEEN}", re.IGNORECASE)

_TAIL = re.compile(
    rf"\s{{0,2}}(?:%|\+|\(?±|\?|percent|and a (?:half|quarter)|½|or (?:higher|lower|more|less|above|below|so|fewer)\b|"
    rf"and (?:up|above|below|over|under)\b|[,;]?\s?\(?(?:[-–—/,:&~|<>^×→]|[-=]>|\.\.|to|or|and|in|(?:out )?of|vs\.?|"
    rf"versus|on an? (?:scale (?:of|from) )?)\s{{0,2}}(?:[-.]?\d|(?:{_WORDS})\b))|\s{{1,2}}[-.]?\d|"
    r"\s{1,2}(?:is|was|would be|seems?|sounds?|might be|may be|feels?)\s(?:not|too|wrong|incorrect|unlikely|"
    r"impossible|out|rare|"
    r"the (?:lowest|highest|middle|maximum|minimum|scale))\b|\s{1,2}(?:is|would|does|can|was|could)(?:n't|\snot)\b",
    re.IGNORECASE,
)
"""What makes one of two numbers, a share, no answer or a rating on another scale of the number before it."""

_FOLLOWED = re.compile(
    r"""[*_"'`)\]}]{0,4}(?:\s{0,3}(?:$|[.;:!?(=,…]|</|/\*|[–—-](?![a-z\d%])|\n)|\s?(?:分|点|점|번(?!째)|番(?!目)|です|だと|입니다|"""
    r"""이다)|\s+(?:because|since|as|on|out|for|to|which|indicating|meaning|and|but|from|given|due|overall|in|is|"""
    r"""would be|(?:points?|stars?)\b(?! (?:more|less|higher|lower|above|below|out|of|in))|seems (?:most |"""
    r"""more )?(?:likely|right|plausible)|here|when|though|although|considering|sagen|wählen|geben|vergeben|[A-Z]))"""
)
"""What may follow a number that is an answer; "2 children" and "45 years" do not pass."""

_CUE = re.compile(
    r"(?:\b(?:say|choose|chose|pick|select|rat(?:e|es|ed|ing)|scor(?:e|es|ed)|g(?:ive|ives|ave)|answer(?:s|ed)?|"
    r"response|choice|option|go(?:ing)? with|opt for|settle on|place|put|assign|respond(?:s|ed)?|reply|think|guess|"
    r"estimate|probably|definitely|likely|maybe|perhaps|around|about|approximately|roughly|closest to|it'?s a|elegiría|"
    r"diría|dirais|choisi(?:rai)?s|würde|sagen|wählen|direi|diria)\b|"
    r"选择|选项?|選択肢|我会说|だと思います|выбрал[аи]?|бы|поставил[аи]?)[^.!?;\n\d]{0,100}$",
    re.IGNORECASE,
)
_CONCLUDED = re.compile(
    r"(?:\A\s*(?:an?(?: (?:solid|strong|firm|clear|perfect|low|high))?|(?:it|that|this)(?:'s| is| would be)(?: an?)?|"
    r"(?:sure|ok|okay|yes|certainly|of course)[!.,])|\b(?:so|hence|thus|therefore)|[:=→,(\[—–]|[-=]>|"
    r"\s-)[\s*_\"'`(\[]{0,4}$",
    re.IGNORECASE,
)
BARRED = re.compile(
    r"(?:(?<!score )(?<!rating )(?<!value )(?<!answer )(?<!an )\bof|(?:\b(?:not|never|cannot|neither|nor|hardly|except|"
    r"excluding|besides|without|doubt|avoid|reject|rule out|rather than|instead of|other than|anything but|far from|"
    r"unlikely|refuse|decline)|n't)(?:\s(?!(?:but|so|and|thus|hence|because)\b)[\w'*]{1,12}){0,3}|\b(?:aged?|since|by|"
    r"year|in|question|section|wave|version|isced|top|first|last|next|past|step|page|than|above|below|under|over|"
    r"at least|at most|up to|or|have|has|had|(?<!go )(?<!going )with|from|exceeds?|minimum|maximum|max|min|item|table|"
    r"figure|either|between|both|group|category|grade|class|stage|type|room|chapter|confiden\w{2,4}|"
    r"certain\w{0,3})[:=]?|"
    r"(?<![-=/'\"\w|])[<>]=?|!=|[≥≤≠±^×])[\s*_\"'`]{0,3}$",
    re.IGNORECASE,
)
"""What turns the number after it into something else: "born in 1980", "not 3", "at least 3", "> 3"."""
OTHERS = re.compile(
    r"\b(?:(?:(?:other|some|many|most|older|younger|married|single|poor|rich|religious) (?:\w{2,14} )?(?:people|"
    r"persons?|respondents|men|women|adults|individuals|citizens|participants|americans|[a-z]{3,14}s)|others|men|women|"
    r"half|average|mean|median|typical|some|nobody|no one|anyone|people)\b(?! like (?:this|her|him|me))|"
    r"(?-i:\b(?:Person|Respondent|Participant) (?:[A-WYZ]|\d{1,4})\b))|\bif (?:it|this|that|the question) (?:were|"
    r"was)\b|\b(?:mother|father|wife|husband|neighbou?r|friend|parent|son|daughter)s? (?:would|will|might|may|says?|"
    r"said|gave)\b",
    re.IGNORECASE,
)
"""Other people whose answer it may be, not the one asked for."""

_GLOSS = (
    r"""(?:\s{0,2}(?:[(\[][^()\[\]\d\n]{1,80}[)\]]|["'][^"'\d\n]{1,80}["']|[=:]\s{0,2}(?=[^\W\d])[^\d\n,.;]{1,60}?))?"""
)
_RANGE = re.compile(
    rf"(?<![A-Za-z_\d])(?<!\d[.,])(\d{{1,3}}){_GLOSS}\s{{0,3}}(?:to|-|–|—|through|\.{{2,3}}|~|bis|à|a|al|até|до|至|到|"
    rf"から)\s{{0,3}}(\d{{1,3}})"
    rf"(?![A-Za-z_\d]|[.,]\d){_GLOSS}",
    re.IGNORECASE,
)
_BETWEEN_ENDS = re.compile(
    rf"\b(?:between|entre|zwischen)\s{{1,3}}(\d{{1,3}}){_GLOSS}\s{{1,3}}(?:and|y|et|e|"
    rf"und)\s{{1,3}}(\d{{1,3}})(?![A-Za-z_\d]|[.,]\d){_GLOSS}",
    re.IGNORECASE,
)
_CONFIDENCE = re.compile(
    r"[(\[,;–—-]?\s?(?:with )?(?:an? )?(?:confidence|certainty|probability|likelihood)(?: (?:level|score|rating|"
    r"of)){0,2}\s?(?:is |[:=]\s?)?~?\d{1,3}(?:[.,]\d{1,4})?(?:\s?%|/\d{1,3}| out of \d{1,3})?[)\]]?|"
    r"\(?(?:\bwith (?:an? )?)?\b\d{1,3}(?:\.\d{1,3})?\s?% (?:confiden\w{1,4}|certain\w{0,3}|sure|likely|likelihood|"
    r"probability)\)?|\(~?\d{1,3}(?:\.\d{1,3})?\s?%\)",
    re.IGNORECASE,
)
_DENOMINATOR = re.compile(
    r"(?:\b(?:out )?of|/)\s{0,3}(\d{1,3})(?![A-Za-z_\d]|[.,/]\d)|\b(\d{1,2})[- ]points?\b", re.IGNORECASE
)
_MEANING = re.compile(
    r"(?:\b(?:where|with|and|while|wobei|donde|où)|[,;(])\s{0,3}(\d{1,3})\s{0,3}(?:=|(?:means?|meaning|being|is|"
    r"represents?|"
    r"representing|indicates?|stands? for|denotes?|signifies|bedeutet|significa|signifie)\b)",
    re.IGNORECASE,
)
_MARKER = re.compile(r"^[ \t]{0,8}(?:[-*•][ \t])?\**(\d{1,2})[.)](?=\s)", re.MULTILINE)
_LATEX = re.compile(r"\\(?:text\w{0,6}|math\w{0,4}|mbox|fbox|bf)\s?\{([^{}\n]{0,60})\}|\\[()\[\]]")
_DOLLARS = re.compile(r"(\$\$?)([^$\n]{1,60})\1(?!\d)")
_BRACKETED = re.compile(rf"[^\d\n(\[]{{1,80}}[(\[]({NUMBER_PATTERN})[)\]]{{1,2}}[\s.*_]*$")
SENTENCE_END = re.compile(r"[.!?]\s|\n")
JOINED = re.compile(
    r"(?:[,;/]|\b(?:or|and|but|then|maybe|perhaps|possibly))\s{1,2}(?:an? |maybe |perhaps |possibly |even "
    r")?[\"'*(]{0,2}$",
    re.IGNORECASE,
)
_COMPARED = re.compile(r"\s{0,9}[<>≥≤≠±]")
LINE_ENDS = " \t•·\"'`*_#>()[]{}<.,;:!|\\~"
_UNIT = re.compile(r"[\s-](?!point|scale|star|or\b|to\b|vs)[a-z]{2,}", re.IGNORECASE)
_ALTERNATIVE = re.compile(r"\b(?:or|either|between|nor|neither)[\s*_\"'`]{1,3}$", re.IGNORECASE)
_ALSO = re.compile(r"""["'`*_)]{0,3}\s{0,2}(?:,?\s?\b(?:or|and|to)\b|[/,&|])\s{0,2}["'`*_(]{0,3}""")
ACROSS = re.compile(r"\b(?:for|among)\s[^.\n\d]{1,40}[,:]\s{1,2}$", re.IGNORECASE)
"""What makes a name in another sentence an answer as well: "For women, 3."."""
MAX_NAMED = 100
"""So many answers that are named as such are looked at."""
MAX_FURTHER = 20
"""So many numbers behind an answer are looked at for another answer."""


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
    words = labels_of(tuple(labels), scale.low)
    whole = read_whole(text, words)
    if whole:
        return whole
    text = _without_list(_without_scale(_without_options(without_asides(text), words), scale))
    finals = list(_named(FINAL_ANSWER, text, scale, words))
    if finals:
        return finals[-1]
    named = [number for numbers in _named(NAMED_ANSWER, text, scale, words) for number in numbers]
    strong = distinct_numbers([*named, *_alone_on_line(text, words)])
    return strong or _only_number(text, words)


def without_latex(text: str) -> str:
    r"""The text without LaTeX around what it says: `$3$` is 3, `\text{Agree}` is Agree; `\boxed{3}` names an answer."""
    if "\\" not in text and "$" not in text:
        return text
    return _DOLLARS.sub(r"\2", _LATEX.sub(lambda match: match[1] or " ", text))


def without_asides(text: str) -> str:
    """The text without LaTeX, and without how sure its answer is."""
    return _CONFIDENCE.sub(" ", without_latex(text))


def _without_scale(text: str, scale: Scale) -> str:
    ends = {str(scale.low), str(scale.high)}

    def blank_range(match: re.Match[str]) -> str:
        return " " if {str(int(match[1])), str(int(match[2]))} == ends else match[0]

    def blank_denominator(match: re.Match[str]) -> str:
        own, number = (scale.high, match[1]) if match[1] else (scale.n_points, match[2])
        return "" if int(number) == own else match[0]

    def blank_meaning(match: re.Match[str]) -> str:
        return "…" if int(match[1]) in scale else match[0]

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


def _without_options(text: str, labels: WrittenLabels) -> str:
    """The text without a list of all options, in lines or in a row: where all are named, none is an answer."""
    n = len(labels.ratings)
    if n < 2:
        return text
    named = [match for match in labels.named.finditer(text) if match["beside"] or match["label"]]
    ratings = [labels.ratings[plain_label(match["beside"] or match["label"])] for match in named]
    for place in range(min(len(named) - n + 1, MAX_NAMED)):
        if len(set(ratings[place : place + n])) == n:
            return f"{text[: named[place].start()]}…{text[named[place + n - 1].end() :]}"
    return text


def _named(pattern: re.Pattern[str], text: str, scale: Scale, labels: WrittenLabels) -> Iterator[tuple[str, ...]]:
    """What follows each of these names: one number, several, or (nothing of it) no number."""
    for match in islice(pattern.finditer(text), MAX_NAMED):
        start, rest = match.end(), match["rest"]
        whole, bracketed = read_whole(rest, labels), _BRACKETED.match(rest)
        named = labels.named.match(text, start, match.end("rest"))
        if whole:
            yield whole
        elif named is None:
            if bracketed:
                yield (bracketed[1],)
        elif _TAIL.match(text, named.end()) or BARRED.search(text[match.start() : start]):
            if len(both := distinct_numbers(NUMBER.findall(rest)[:2])) > 1:
                yield both
        elif named["beside"] or named["behind"] or not _is_unit(text, named.end()):
            also = _ALSO.match(text, named.end())
            second = labels.named.match(text, also.end()) if also else None
            found = [*numbers_in(named, labels), *(numbers_in(second, labels) if second and second["label"] else ())]
            yield distinct_numbers([*found, *_further(text, named.end(), scale)])


def _further(text: str, start: int, scale: Scale) -> Iterator[str]:
    """Numbers behind an answer that are offered as answers as well: "2 for women" behind "3 for men"."""
    for number in islice(NUMBER.finditer(text, start), MAX_FURTHER):
        before, after = text[max(start, number.start() - 160) : number.start()], text[number.end() : number.end() + 160]
        if BARRED.search(before) or _TAIL.match(after) or not _FOLLOWED.match(after):
            continue
        value = read_value(number[0])
        same_sentence = not SENTENCE_END.search(text, start, number.start())
        is_joined = same_sentence and (JOINED.search(before) is not None or (scale.low <= value <= scale.high))
        if is_joined or _CUE.search(before) or ACROSS.search(before):
            yield number[0]


def _alone_on_line(text: str, labels: WrittenLabels) -> Iterator[str]:
    """Numbers that are alone on their line, or with a label of the scale."""
    for line in text.splitlines():
        # a point may begin a number, as in .5
        bare = line.lstrip(LINE_ENDS.replace(".", "")).rstrip(LINE_ENDS) if len(line) < 300 else ""
        match = labels.named.fullmatch(bare) if bare and not _COMPARED.match(line) else None
        if match:
            yield from numbers_in(match, labels)


def _only_number(text: str, labels: WrittenLabels) -> tuple[str, ...]:
    """All numbers of the text where there are several; the only one where it is offered as an answer."""
    numbers = list(NUMBER.finditer(text))
    distinct = distinct_numbers(number[0] for number in numbers)
    is_only = len(distinct) == 1
    # numbers of something else, such as "3 children", are not answers next to one that is offered as such
    matches = numbers if is_only else [number for number in numbers[:MAX_REPEATS] if not _is_of_else(text, number)]
    if (len(numbers) > MAX_REPEATS and not is_only) or len(distinct_numbers(match[0] for match in matches)) != 1:
        return distinct
    if len(matches) > MAX_REPEATS:
        return ()
    opening = len(text) - len(text.lstrip(DECORATION + "-–—"))
    for match in matches:
        named = labels.named.match(text, match.start())
        if _is_offered(text, match, opening, bool(named and named["beside"])):
            return numbers_in(named, labels) if named else (match[0],)
    return () if is_only else distinct


def _is_of_else(text: str, number: re.Match[str]) -> bool:
    before, after = text[max(0, number.start() - 160) : number.start()], text[number.end() : number.end() + 160]
    is_barred = BARRED.search(before) is not None and not _ALTERNATIVE.search(before)
    return not _TAIL.match(after) and (is_barred or _is_unit(after, 0))


def _is_unit(text: str, place: int) -> bool:
    """Whether a word that makes a number one of something else begins here: "children" behind "3"."""
    return _UNIT.match(text, place) is not None and not _FOLLOWED.match(text, place)


def _is_offered(text: str, match: re.Match[str], opening: int, says_label: bool) -> bool:
    after = text[match.end() : match.end() + 160]
    before = text[max(0, match.start() - 160) : match.start()]
    sentence = before[max(map(before.rfind, (". ", "? ", "! ", "\n"))) + 1 :]
    if BARRED.search(before) or _TAIL.match(after) or not (says_label or _FOLLOWED.match(after)):
        return False
    if match.start() <= opening:
        # a lone "1. Family is ..." is as well the start of a list that the model broke off
        # a lone "2. Which ...?" is a question
        is_list = re.match(
            r"[.)]\s{1,3}(?:[^\n?]{1,150}\?|\S)" if match[0] == "1" else r"[.)]\s{1,3}[^\n?]{1,150}\?", after
        )
        return says_label or is_list is None
    at_end = not after.strip(DECORATION)
    is_others = OTHERS.search(sentence) is not None
    return not is_others and (bool(_CUE.search(before)) or (at_end and bool(_CONCLUDED.search(before))))
