"""Stand-in models: how likely each answer is to one that knows the world marginals and leans with the person asked.

They are no models of anybody: what a fact does to an answer is drawn from a hash of its words. But the same person is
always answered for alike, people differ, and the answers to an item are about as the world's.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import accumulate

from worldvaluesbench.models.mock._question import CACHED, Case, Question
from worldvaluesbench.survey import load_codebook, load_marginals

LEAN = 1.2
"""How strongly a person's facts tilt the answers of the good stand-in: the typical tilt from end to middle."""

FLAT_FROM = 0.5
"""From this temperature answers are drawn from the probabilities as they are; below, from sharper ones."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """How likely each option is, in the order shown, and what is needed to draw one."""

    probabilities: tuple[float, ...]

    def draw(self, temperature: float, uniform: float) -> int:
        """The place of an option: the likeliest at temperature 0, else that at `uniform` in [0, 1)."""
        if temperature == 0:
            return max(range(len(self.probabilities)), key=self.probabilities.__getitem__)
        steps = _steps(self.probabilities, min(1.0, temperature / FLAT_FROM))
        return min(bisect_right(steps, uniform * steps[-1]), len(steps) - 1)


@lru_cache(maxsize=CACHED)
def opinion_of(model: str, case: Case, seed: int) -> Opinion:
    """What a stand-in thinks of a question; a name that is no stand-in's own is answered for by `mock-good`."""
    weigh = STAND_INS.get(model, _good)
    weights = weigh(case, seed)
    total = math.fsum(weights)
    return Opinion(tuple(weight / total for weight in weights))


def uniform_of(*parts: object) -> float:
    """A number in [0, 1) that depends on these parts alone, the same in every process."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest(), "big") / (1 << 56)


def _good(case: Case, seed: int) -> list[float]:
    """The world marginals, tilted by the person."""
    return _tilted(_world(case.question), case, LEAN * _lean(case, seed))


def _poor(case: Case, seed: int) -> list[float]:
    """Nearly always the low end, whoever is asked."""
    return _tilted((1.0,) * len(case.question.symbols), case, -2.5 + 0.3 * _lean(case, seed))


def _first(case: Case, seed: int) -> list[float]:
    """As the good one, but each option counts for less than the one listed before it."""
    return [weight * 0.6**place for place, weight in enumerate(_good(case, seed))]


STAND_INS: Mapping[str, Callable[[Case, int], list[float]]] = {
    "mock-good": _good,
    "mock-poor": _poor,
    "mock-first": _first,
}
"""The stand-in models by name."""


def _tilted(weights: Sequence[float], case: Case, tilt: float) -> list[float]:
    """Weights tilted to the high end of the scale, or by a negative tilt to the low end."""
    positions = _positions(case.question)
    return [weight * math.exp(tilt * position) for weight, position in zip(weights, positions, strict=True)]


@lru_cache(maxsize=CACHED)
def _positions(question: Question) -> tuple[float, ...]:
    """Where each option lies on the scale, from -1 (low end) to 1."""
    low, width = question.scale.low, question.scale.high - question.scale.low
    return tuple(2 * (rating - low) / width - 1 for rating in question.ratings)


@lru_cache(maxsize=CACHED)
def _world(question: Question) -> tuple[float, ...]:
    """The shares of the world marginals, none of them 0; even ones where there are no marginals."""
    even = 1 / len(question.ratings)
    counts = {} if question.item is None else _marginals().get(question.item.item_id, {})
    total = sum(counts.values())
    return tuple(0.98 * counts[rating] / total + 0.02 * even if total else even for rating in question.ratings)


@cache
def _marginals() -> dict[str, dict[int, int]]:
    codebook, marginals = load_codebook(), load_marginals()
    return {
        item_id: dict(zip(codebook.item(item_id).scale.ratings, map(int, marginals.counts(item_id)), strict=True))
        for item_id in marginals.item_ids
    }


def _lean(case: Case, seed: int) -> float:
    """How far the person's facts lean to the high end: about as far for many as for one; 0 without any."""
    item = case.question.item
    subject = item.item_id if item else ""
    leans = [_lean_of(fact, subject, seed) for fact in case.facts]
    return math.fsum(leans) / math.sqrt(len(leans)) if leans else 0.0


@lru_cache(maxsize=CACHED)
def _lean_of(fact: str, subject: str, seed: int) -> float:
    """In [-1, 1]. Education leans in steps: each level a little further the same way."""
    label = fact.strip().removesuffix(".")
    levels = _education()
    if label in levels:
        return levels[label] * _lean_of("education", subject, seed)
    return 2 * uniform_of(seed, subject, label) - 1


@cache
def _education() -> dict[str, float]:
    """The labels of education, each with its place from -1 to 1."""
    labels = list(load_codebook().attribute("Q275").choices.values())
    return {label: 2 * place / (len(labels) - 1) - 1 for place, label in enumerate(labels)}


@lru_cache(maxsize=CACHED)
def _steps(probabilities: tuple[float, ...], temperature: float) -> tuple[float, ...]:
    highest = max(probabilities)
    return tuple(accumulate((probability / highest) ** (1 / temperature) for probability in probabilities))
