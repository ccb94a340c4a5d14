"""Token probabilities: how probable each option is at the place of the answer, as far as the tokens can tell."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from worldvaluesbench.parsing._parse import EXCERPT, Unparsed
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
    "4." and, behind a generated blank or "Answer:", what stands at the next place. Letters count as capitals only,
    words in any case. A token that begins a longer option ("1" before "10") is followed along the generated tokens;
    where it was not generated it counts for what it says if a token of the longer option stands beside it, else it is
    unresolved. An option that is not among the tokens has probability 0; `coverage` is the sum of what was found, by
    which the probabilities were divided. However small it is the distribution is kept: whoever scores says from which
    coverage on an answer counts. Only where nothing was found there is none, `low_coverage`.
    """
    if not tokens or not any(math.isfinite(logprob) for logprob in tokens[0].top.values()):
        return Unparsed("no_probabilities", "")
    walk = _Walk(tokens, _symbols_of(tuple(choices)))
    walk.visit(0, "", "", 1.0)
    total = math.fsum(walk.found.values())
    # of little that was found, a hundredth of everything could be most
    if walk.unresolved > MAX_UNRESOLVED * min(1.0, total / MIN_COVERAGE):
        return Unparsed("ambiguous", walk.beginning[:EXCERPT])
    if total == 0:
        return Unparsed("low_coverage", "".join(token.token for token in tokens)[:EXCERPT])
    in_order = sorted(choice.rating for choice in choices)
    return Distribution(tuple(walk.found.get(rating, 0.0) / total for rating in in_order), min(1.0, total))


@dataclass(frozen=True)
class _Symbols:
    """The options as they are compared: the rating of each, and by each beginning the options that are longer.

    `fold`: in lower case.
    """

    ratings: Mapping[str, int]
    longer: Mapping[str, tuple[str, ...]]
    fold: bool


@lru_cache(maxsize=1024)
def _symbols_of(choices: tuple[AnswerOption, ...]) -> _Symbols:
    fold = not has_letters(choices)
    ratings = {_spelled(choice.symbol, fold=fold): choice.rating for choice in choices}
    beginnings = {symbol[:length] for symbol in ratings for length in range(len(symbol))}
    longer = {
        text: tuple(symbol for symbol in ratings if symbol != text and symbol.startswith(text)) for text in beginnings
    }
    return _Symbols(ratings, longer, fold)


@dataclass(frozen=True, slots=True)
class _Start:
    """How an answer may start: its text so far as compared and as it stands, its probability, whether it was made."""

    text: str
    raw: str
    share: float
    is_generated: bool


@dataclass
class _Walk:
    """A walk along the generated tokens; `found` is by rating, `beginning` the first text that was not resolved."""

    tokens: Sequence[TokenChoice]
    symbols: _Symbols
    found: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    unresolved: float = 0.0
    beginning: str = ""

    def visit(self, depth: int, raw: str, stem: str, mass: float) -> None:
        """Add up what stands at one place, behind `raw`; `stem` is that as compared, `mass` its probability."""
        place = self.tokens[depth]
        starts = [
            _Start(
                _spelled(raw + token, fold=self.symbols.fold),
                raw + token,
                mass * math.exp(logprob),
                token == place.token,
            )
            for token, logprob in place.top.items()
            if logprob > -math.inf
        ]
        texts = {start.text for start in starts}
        for start in starts:
            if start.is_generated and depth + 1 < len(self.tokens) and self._goes_on(start.text, stem, texts):
                self.visit(depth + 1, start.raw, start.text, start.share)
            else:
                self._count(start, stem, texts)
        if stem in self._ratings:
            self._count_rest(stem, texts, mass - math.fsum(start.share for start in starts))

    @property
    def _ratings(self) -> Mapping[str, int]:
        return self.symbols.ratings

    def _longer(self, text: str) -> tuple[str, ...]:
        return self.symbols.longer.get(text, ())

    def _goes_on(self, text: str, stem: str, texts: set[str]) -> bool:
        """Whether it takes the next place to know what a generated text says."""
        if text in self._ratings and (text == stem or texts.issuperset(self._longer(text))):
            return False
        return bool(self._longer(text))

    def _count(self, start: _Start, stem: str, texts: set[str]) -> None:
        text, longer = start.text, self._longer(start.text)
        if text in self._ratings and (text == stem or texts.issuperset(longer)):
            self.found[self._ratings[text]] += start.share
        elif longer and text and text not in self._ratings and len(longer) == 1 and len(text) >= MIN_BEGINNING:
            self.found[self._ratings[longer[0]]] += start.share
        elif longer and text:
            self._leave(text, start.share)
        elif stem in self._ratings and text.startswith(stem) and not text[len(stem) :][:1].isalnum():
            self.found[self._ratings[stem]] += start.share

    def _count_rest(self, stem: str, texts: set[str], rest: float) -> None:
        """What is not among the tokens behind a whole option: not its continuation, where that is among them."""
        is_seen = all(any(text != stem and symbol.startswith(text) for text in texts) for symbol in self._longer(stem))
        if is_seen:
            self.found[self._ratings[stem]] += max(rest, 0.0)
        else:
            self._leave(stem, rest)

    def _leave(self, text: str, share: float) -> None:
        self.unresolved += max(share, 0.0)
        self.beginning = self.beginning or text


@lru_cache(maxsize=65_536)
def _spelled(text: str, *, fold: bool) -> str:
    """A text as it is compared: without what may stand around an answer, and, with `fold`, in lower case."""
    text = text.translate(_BLANKS)
    before = _BEFORE.match(text)
    bare = " ".join(text[before.end() if before else 0 :].rstrip(_AFTER).split())
    return bare.casefold() if fold else bare
