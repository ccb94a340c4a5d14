"""Tokens of the mock server, and how likely each is: where an answer stands, as likely as the answers it can begin."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.support.mock_server.options import Misreport
from worldvaluesbench.models.standin._opinions import Question

OTHER = 0.02
"""The share of a chat or plain completion that begins with none of the options."""

OTHER_SPELLING = 0.01
"""The share of an option that is spelled the other way: " 4" where "4" is usual."""

END = "<|end|>"

_WHOLE = re.compile(r" ?[^\W\d_]+| ?\d+| ?[^\w\s]|\s|_")
_SPLIT = re.compile(r" ?[^\W\d_]+| ?\d| ?[^\w\s]|\s|_")
# none of them may be an option: "I" is one of ten letters
_OTHERS = (("The", 0.6), ("It", 0.3), ("\n", 0.1))


@dataclass(frozen=True, slots=True)
class Token:
    """A token, its natural log-probability, and the likeliest tokens at its place, in falling order."""

    text: str
    logprob: float
    top: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Words, punctuation and digits, each with the blank before it; numbers whole or, as some do, digit by digit."""

    is_splitting: bool = False

    def split(self, text: str) -> list[str]:
        """The tokens of a text, which they make up again when joined."""
        return (_SPLIT if self.is_splitting else _WHOLE).findall(text)


@dataclass(frozen=True, slots=True)
class Answers:
    """The options as token sequences, with the probability of each: what can stand at the place of an answer."""

    paths: tuple[tuple[str, ...], ...]
    probabilities: tuple[float, ...]

    def next_shares(self, before: Sequence[str]) -> dict[str, float]:
        """How likely each token is behind these tokens of an answer; `END` where an answer is whole."""
        depth = len(before)
        shares: dict[str, float] = defaultdict(float)
        for path, probability in zip(self.paths, self.probabilities, strict=True):
            if path[:depth] == tuple(before):
                shares[path[depth] if len(path) > depth else END] += probability
        total = math.fsum(shares.values())
        return {token: share / total for token, share in shares.items()} if total else {}


def answers_of(question: Question, probabilities: Sequence[float], lead: str, tokenizer: Tokenizer) -> Answers:
    """The options of a question as token sequences, each with `lead` (a blank or nothing) before it."""
    paths = tuple(tuple(tokenizer.split(lead + symbol)) for symbol in question.ratings)
    return Answers(paths, tuple(probabilities))


def completion_tokens(
    text: str, span: tuple[int, int] | None, answers: Answers | None, tokenizer: Tokenizer
) -> list[Token]:
    """The tokens of a completion; those in `span`, where the answer stands, by how likely the answers are."""
    if span is None or answers is None:
        return [_plain(token) for token in tokenizer.split(text)]
    start, end = span
    tokens = [_plain(token, is_sure=True) for token in tokenizer.split(text[:start])]
    own = tokenizer.split(text[start:end])
    for depth, token in enumerate(own):
        shares = answers.next_shares(own[:depth])
        tokens.append(_chosen(token, shares if depth else _spelled(shares)))
    rest = tokenizer.split(text[end:])
    last = answers.next_shares(own)
    if not rest and last.get(END, 0.0) < 1:
        # "1" is not the whole story where "10" could have followed: that it ended is a token too
        tokens.append(_chosen(END, last))
    return tokens + [_plain(token, is_sure=True) for token in rest]


def prompt_tokens(
    prompt: str, span: tuple[int, int] | None, answers: Answers | None, tokenizer: Tokenizer
) -> list[Token]:
    """The tokens of a prompt; those of an option in `span` sum to its log-probability, the first of all has none (nan).

    Where an option is the beginning of another in tokens ("1" and "10", digits split), it sums to that of both.
    """
    tokens = [_plain(token) for token in tokenizer.split(prompt if span is None else prompt[: span[0]])]
    if span is not None and answers is not None:
        own = tokenizer.split(prompt[span[0] :])
        tokens += [_chosen(token, answers.next_shares(own[:depth])) for depth, token in enumerate(own)]
    return [Token(token.text, token.logprob if place else math.nan, token.top) for place, token in enumerate(tokens)]


def misreport(tokens: Sequence[Token], kind: Misreport, *, is_echo: bool) -> list[Token]:
    """Tokens with something else in place of their log-probabilities."""
    if kind == "shifted":
        behind = [*tokens[1:], *tokens[-1:]] if is_echo else tokens
        return [replace(other, text=token.text) for token, other in zip(tokens, behind, strict=True)]
    if kind == "nulls":
        return [replace(token, top=(*token.top[:2], *((text, None) for text, _ in token.top[2:]))) for token in tokens]
    if kind == "twice":
        halves = [[(text, logprob + math.log(0.5)) for text, logprob in token.top if logprob] for token in tokens]
        return [replace(token, top=(*half, *half)) for token, half in zip(tokens, halves, strict=True)]
    change: Mapping[str, Callable[[float], float]] = {
        "probabilities": math.exp,
        "logits": lambda value: value + 20,
        "zeros": lambda value: value * 0.0,  # that of the first token, nan, stays so
    }
    wrong = change[kind]
    return [
        Token(token.text, wrong(token.logprob), tuple((text, wrong(logprob or 0.0)) for text, logprob in token.top))
        for token in tokens
    ]


def option_span(prompt: str, question: Question) -> tuple[int, int] | None:
    """Where an option stands at the very end of a prompt, with the blank before it; the longest that does."""
    for symbol in sorted(question.ratings, key=len, reverse=True):
        start = len(prompt) - len(symbol)
        if start > 0 and prompt.endswith(symbol) and not prompt[start - 1].isalnum():
            return start - (prompt[start - 1] == " "), len(prompt)
    return None


def _spelled(shares: dict[str, float]) -> dict[str, float]:
    """The first tokens of an answer, each in both spellings, and what else a model may begin with."""
    spelled: dict[str, float] = defaultdict(float)
    for token, share in shares.items():
        other = token[1:] if token.startswith(" ") else f" {token}"
        spelled[token] += share * (1 - OTHER) * (1 - OTHER_SPELLING)
        spelled[other] += share * (1 - OTHER) * OTHER_SPELLING
    for token, share in _OTHERS:
        spelled[token] += OTHER * share
    return spelled


def _chosen(token: str, shares: dict[str, float]) -> Token:
    ordered = sorted(
        ((name, math.log(share)) for name, share in shares.items() if share > 0), key=lambda pair: -pair[1]
    )
    return Token(token, math.log(shares[token]) if shares.get(token) else -99.0, tuple(ordered))


def _plain(token: str, *, is_sure: bool = False) -> Token:
    """A token that is no answer: its log-probability depends on its length alone."""
    logprob = -0.01 if is_sure else -1.0 - len(token) / 4
    other = " the" if token != " the" else " a"
    return Token(token, logprob, ((token, logprob), (other, min(logprob, -5.0) - 1)))
