"""The opinions of the stand-in models: a prompt, read from its text alone, and the probability of each option in it.

They know the codebook and the world marginals, but neither the plan nor the template that a prompt was made by. They
are models of nobody: a hash of its words decides how a fact about the person tilts the answers.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b

from worldvaluesbench.survey import Item, load_codebook, load_marginals

STAND_INS = ("mock-good", "mock-poor", "mock-first")
"""World marginals tilted by the person; the low end for everybody; as the first, but with a bias to early options."""

CACHED = 8192
"""How many prompts are cached with what was read from them: enough for repeated samples of those in flight."""

_SCALE = re.compile(r"\bscale (?:of|from) (\d{1,2}) to (\d{1,2})\b", re.IGNORECASE)
_OPTION = re.compile(r"^(?:[-*•]\s*)?\(?(\d{1,2}|[A-Z])(?:\s*[=:)]\s*|\.\s+|\s+[-–—]\s+|$)(.*)$")
_KEY = re.compile(r'"([^"\n:{}]{1,60})"\s*:\s*("?)')
_FACT = re.compile(r"^\s*Answer:[ \t]*(\S.*)$", re.MULTILINE)
_PROSE_FACT = re.compile(r"(?:^|(?<=\. ))[A-Z][^:.\n]{1,60}: ([^\n]+?)\.(?= |$)", re.MULTILINE)


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question as shown: the scale point of each option by its symbol, in order.

    `item` is None for a question that is not in the codebook. `keys` of the JSON object to answer with, and whether
    their values are in quotes: none for a symbol alone. `is_tall`: the object is shown on several lines.
    """

    item: Item | None
    ratings: Mapping[str, int]
    keys: tuple[tuple[str, bool], ...]
    is_tall: bool

    @property
    def wants_shares(self) -> bool:
        """Whether the object to answer with has a percentage for each option."""
        return [key for key, _ in self.keys] == list(self.ratings)


@lru_cache(maxsize=CACHED)
def read_prompt(prompt: str) -> tuple[Question, tuple[str, ...]] | None:
    """The question of a prompt and the attribute labels of its person; None without a question that has options."""
    by_text = _items_by_text()
    lines = (line.strip() for line in reversed(prompt.splitlines()))
    found = (text for line in lines for text in (line, line.partition(": ")[2]) if text in by_text)
    text = next(found, None) or max(by_text, key=lambda text: (prompt.rfind(text), text))
    start = prompt.rfind(text)
    question = _read_question(prompt[max(start, 0) :], by_text[text].item_id if start >= 0 else None)
    facts = tuple(_FACT.findall(prompt[: max(start, 0)]) or _PROSE_FACT.findall(prompt[: max(start, 0)]))
    return (question, facts) if question else None


@cache
def _items_by_text() -> dict[str, Item]:
    return {item.question: item for item in load_codebook().items}


@lru_cache(maxsize=CACHED)  # prompts for many persons end with the same question
def _read_question(text: str, item_id: str | None) -> Question | None:
    item = load_codebook().item(item_id) if item_id else None
    after = text[len(item.question) :] if item else text
    scales = [range(int(low), int(high) + 1) for low, high in _SCALE.findall(text)]
    points = item.scale.ratings if item else next((scale for scale in reversed(scales) if len(scale) > 1), range(0))
    ratings = _listed_options(after.splitlines(), item) or {str(rating): rating for rating in points}
    if not ratings:
        return None
    if all(f'"{symbol}":' in after for symbol in ratings):
        return Question(item, ratings, tuple((symbol, False) for symbol in ratings), False)
    matches = list(_KEY.finditer(after))
    if not any(is_answer(match[1]) for match in matches):
        return Question(item, ratings, (), False)
    is_tall = "\n" in after[matches[0].start() : matches[-1].end()]
    return Question(item, ratings, tuple((match[1], bool(match[2])) for match in matches), is_tall)


def is_answer(key: str) -> bool:
    """Whether the answer is expected under this key of a JSON object."""
    return bool(re.search(r"answer|score|rating|choice", key, re.IGNORECASE))


def _listed_options(lines: Sequence[str], item: Item | None) -> dict[str, int] | None:
    """The rating of each option listed on a line of its own, by symbol; None without a complete list."""
    labels = {label.casefold(): r for r, label in zip(item.scale.ratings, item.labels, strict=True)} if item else {}
    listed: dict[str, str] = {}
    for line in (*lines, ""):
        bare = line.strip()
        match = _OPTION.match(bare)
        if match and (match[2] or bare.casefold() not in labels):
            listed[match[1]] = match[2].strip()
        elif bare.casefold() in labels:
            listed[bare] = bare
        else:
            ratings = _ratings_of(listed, item, labels)
            if ratings:
                return dict(zip(listed, ratings, strict=True))
            listed = {}
    return None


def _ratings_of(listed: Mapping[str, str], item: Item | None, labels: Mapping[str, int]) -> Sequence[int] | None:
    """The rating of each listed option; None unless they are exactly the points of the scale."""
    n = len(listed)
    if n < 2 or (item is not None and n != item.scale.n_points):
        return None
    if all(symbol.isdigit() for symbol in listed):
        ratings = [int(symbol) for symbol in listed]
        low = item.scale.low if item else min(ratings)
        return ratings if set(ratings) == set(range(low, low + n)) else None
    if item is None:
        return range(1, n + 1)
    # options without a label of their own: all points in order or in reverse, from any point on
    found = [labels.get(label.casefold()) for label in listed.values()]
    orders = [[item.scale.low + (start + step * k) % n for k in range(n)] for step in (1, -1) for start in range(n)]
    fitting = (order for order in orders if all(own in (None, one) for own, one in zip(found, order, strict=True)))
    return next(fitting, None)


@lru_cache(maxsize=CACHED)
def opinion_of(model: str, question: Question, facts: tuple[str, ...], seed: int) -> tuple[float, ...]:
    """The probability of each option, in the order shown; a model with another name answers as `mock-good`."""
    subject = question.item.item_id if question.item else ""
    lean = math.fsum(_lean_of(fact.strip().removesuffix("."), subject, seed) for fact in facts)
    lean /= math.sqrt(len(facts) or 1)  # about as far for many facts as for one
    low, high, even = min(question.ratings.values()), max(question.ratings.values()), 1 / len(question.ratings)
    world = _marginals().get(subject) if model != "mock-poor" else None
    tilt = -2.5 + 0.3 * lean if model == "mock-poor" else 1.2 * lean
    weights = []
    for place, rating in enumerate(question.ratings.values()):
        weight = world[rating] + 0.02 * even if world else even
        weight *= math.exp(tilt * (2 * (rating - low) / (high - low) - 1))
        weights.append(weight * 0.6**place if model == "mock-first" else weight)
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


@cache
def _marginals() -> dict[str, dict[int, float]]:
    """98% of each rating's share in the world marginals, by item."""
    codebook, marginals, found = load_codebook(), load_marginals(), {}
    for item_id in marginals.item_ids:
        counts = marginals.counts(item_id)
        shares = (0.98 * counts / counts.sum()).tolist()
        found[item_id] = dict(zip(codebook.item(item_id).scale.ratings, shares, strict=True))
    return found


def _lean_of(label: str, subject: str, seed: int) -> float:
    """How far a fact leans to the high end, in [-1, 1]; levels of education lean in steps, all the same way."""
    levels = list(load_codebook().attribute("Q275").choices.values())
    if label in levels:
        return (2 * levels.index(label) / (len(levels) - 1) - 1) * _lean_of("education", subject, seed)
    return 2 * uniform_of(seed, subject, label) - 1


def uniform_of(*parts: object) -> float:
    """A number in [0, 1) that depends on these parts alone, the same in every process."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest(), "big") / (1 << 56)
