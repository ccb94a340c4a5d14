"""What a model says: plain characters, without reasoning, tokens of chat templates and turns that are not its own."""

import re

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
"""A mark that opens or closes reasoning, of whatever make: <think>, [THINK], ◁think▷, <|begin_of_thought|>, ..."""

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
"""Of longer texts the beginning and the end are read, a half of this each: answers stand there."""
_OTHERS = frozenset({"user", "human", "system", "developer", "tool", "inst"})
_TOKEN = re.compile(
    r"<[|｜][^<>|｜\s]{1,40}[|｜]>|<s>|<bos>|<pad>|<</?SYS>>|</?(?:b|strong|i|em|u|p|br|code|span|div|pre)\s?/?>"
)
_NEXT_TURN = re.compile(
    r"^[ \t*#]{0,6}(?:### ?(?:instruction|human|input|user|question)|(?:instruction|human|user|q|question)\b "
    r"?\d{0,3} ?:|\[INST\]|"
    r"person [a-z] provided|what would person|"
    r"(?P<other>(?:(?:next|another|second|third) )?(?:person|respondent|participant|individual|"
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
    """The first words between the tokens of chat templates that are not in the turn of somebody else."""
    start, is_own = 0, True
    for match in [*_BOUNDARY.finditer(text), None]:
        piece = _TOKEN.sub(" ", text[start : match.start() if match else None]).strip()
        if is_own and piece:
            return _ends_of(piece, LONGEST)
        if match:
            role = match["named"] or match["role"] or match["inst"] or ""
            is_own, start = role.casefold() not in _OTHERS, match.end()
    return ""
