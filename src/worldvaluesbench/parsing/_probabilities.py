"""Distributions from log-probabilities: of the tokens at the place of the answer, or of whole answer options."""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from worldvaluesbench.parsing._rating import EXCERPT, Unparsed
from worldvaluesbench.parsing._shares import Distribution
from worldvaluesbench.parsing._symbols import has_letters
from worldvaluesbench.prompts import AnswerOption, TokenChoice
from worldvaluesbench.stats import MIN_COVERAGE

MAX_UNRESOLVED = 0.01
"""The most probability that may be on tokens which may begin several options; above it an answer is `ambiguous`. Where
less than half of the probability is on the options, it is that much less."""

MIN_BEGINNING = 3
"""The fewest characters by which the beginning of one option alone is taken for it: "Rather", but not "A" or "No"."""

# ▁ and Ġ are how some servers write a blank, Ċ a line end
_BLANKS = str.maketrans({"▁": " ", "Ġ": " ", "Ċ": "\n", "’": "'"})
_BEFORE = re.compile(r"""[\s"'`*_(\[{]*+(?:(?:the )?answer(?: is)?)?+[\s"'`*_(\[{:=]*+""", re.IGNORECASE)
_AFTER = " \t\r\n\"'`*_)]}.,:;!="


def read_tokens(tokens: Sequence[TokenChoice], choices: Sequence[AnswerOption]) -> Distribution | Unparsed:
    """The distribution over the options, from the most likely tokens at the place of the answer.

    `tokens` are the first generated ones with their alternatives. The spellings of an option are summed: " 4", "4",
    "4." and, behind a generated blank or "Answer:", the tokens at the next place. Letters count as capitals only,
    words in any case. A token that begins a longer option ("1" before "10") is followed along the generated tokens;
    where it was not generated it counts as the shorter option if a token of the longer one is among the alternatives,
    else it is unresolved. An option that is not among the tokens has probability 0; `coverage` is the sum of what was
    found, by which the probabilities were divided. However small it is, the distribution is kept: scoring decides
    which coverage counts. Only where nothing was found there is none, `low_coverage`.
    """
    if not tokens or not any(math.isfinite(logprob) for logprob in tokens[0].top.values()):
        return Unparsed("no_probabilities", "")
    fold = not has_letters(choices)
    in_order = [_spelled(choice.symbol, fold=fold) for choice in sorted(choices, key=lambda choice: choice.rating)]
    walk = _Walk(tokens, tuple(in_order), fold)
    walk.visit(0, "", "", 1.0)
    total = math.fsum(walk.found.values())
    # of little that was found, a hundredth of everything could be most
    if walk.unresolved > MAX_UNRESOLVED * min(1.0, total / MIN_COVERAGE):
        return Unparsed("ambiguous", walk.beginning[:EXCERPT])
    if total == 0:
        return Unparsed("low_coverage", "".join(token.token for token in tokens)[:EXCERPT])
    return Distribution(tuple(walk.found.get(symbol, 0.0) / total for symbol in in_order), min(1.0, total))


def read_likelihoods(logprobs: Sequence[float], choices: Sequence[AnswerOption]) -> Distribution | Unparsed:
    """The distribution over the options, from the log-probability of each option's full token sequence.

    `logprobs` are in the order of `choices`; the distribution is in that of the scale. `coverage` is their raw sum:
    small where options are long, and no reason to leave an answer out.
    """
    if len(logprobs) != len(choices):
        return Unparsed("no_probabilities", f"{len(logprobs)} for {len(choices)} options")
    highest = max(logprobs)
    if not math.isfinite(highest):
        return Unparsed("no_probabilities", f"none of {len(choices)} options is possible")
    by_rating = {choice.rating: math.exp(logprob - highest) for choice, logprob in zip(choices, logprobs, strict=True)}
    total = math.fsum(by_rating.values())
    probabilities = tuple(by_rating[rating] / total for rating in sorted(by_rating))
    return Distribution(probabilities, min(1.0, total * math.exp(min(highest, 0.0))))


@dataclass
class _Walk:
    """A walk along the generated tokens; `found` is by symbol, `beginning` the first text that was not resolved."""

    tokens: Sequence[TokenChoice]
    symbols: tuple[str, ...]
    fold: bool
    found: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    unresolved: float = 0.0
    beginning: str = ""

    def visit(self, depth: int, raw: str, stem: str, mass: float) -> None:
        """Add up the tokens at one place behind the text `raw`; `stem` is `raw` as compared, `mass` its probability."""
        place, symbols = self.tokens[depth], self.symbols
        shares = {token: mass * math.exp(logprob) for token, logprob in place.top.items() if logprob > -math.inf}
        spelled = {token: _spelled(raw + token, fold=self.fold) for token in shares}
        texts = set(spelled.values())
        for token, share in shares.items():
            text = spelled[token]
            longer = _longer(symbols, text)
            is_whole = text in symbols and (text == stem or texts.issuperset(longer))
            if token == place.token and depth + 1 < len(self.tokens) and longer and not is_whole:
                self.visit(depth + 1, raw + token, text, share)
            elif is_whole:
                self.found[text] += share
            elif longer and text and text not in symbols and len(longer) == 1 and len(text) >= MIN_BEGINNING:
                self.found[longer[0]] += share
            elif longer and text:
                self._leave(text, share)
            elif stem in symbols and text.startswith(stem) and not text[len(stem) :][:1].isalnum():
                self.found[stem] += share
        if stem in symbols:
            rest = mass - math.fsum(shares.values())
            # what is not shown does not continue the option where its continuations are shown
            if all(any(text != stem and one.startswith(text) for text in texts) for one in _longer(symbols, stem)):
                self.found[stem] += max(rest, 0.0)
            else:
                self._leave(stem, rest)

    def _leave(self, text: str, share: float) -> None:
        self.unresolved += max(share, 0.0)
        self.beginning = self.beginning or text


@lru_cache(maxsize=65_536)
def _longer(symbols: tuple[str, ...], text: str) -> tuple[str, ...]:
    return tuple(symbol for symbol in symbols if symbol != text and symbol.startswith(text))


@lru_cache(maxsize=65_536)
def _spelled(text: str, *, fold: bool) -> str:
    """A text as it is compared: without the signs around an answer, and, with `fold`, in lower case."""
    text = text.translate(_BLANKS)
    before = _BEFORE.match(text)
    bare = " ".join(text[before.end() if before else 0 :].rstrip(_AFTER).split())
    return bare.casefold() if fold else bare
