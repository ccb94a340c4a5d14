"""Log-probabilities: what can be one, how two of one text add up, and what an option has that others begin with."""

import math
from collections.abc import Iterable, Sequence
from itertools import permutations

from worldvaluesbench.errors import LogprobError

ROUNDING = 1e-4
"""So far above 0 a log-probability may be: 32-bit numbers over logits of some hundreds round by nearly as much."""

MOST = 1.01
"""The most that probabilities may sum to: a server that rounds logarithms to two decimals is off by half a percent."""

Sequenced = tuple[Sequence[str] | Sequence[int], float]
"""The tokens of an option, and the natural log-probability of all of them."""


def check_logprobs(logprobs: Iterable[float]) -> None:
    """Raise LogprobError unless each can be the natural logarithm of a probability; -inf is that of 0."""
    for value in logprobs:
        if not value <= ROUNDING:
            raise LogprobError(
                f"a log-probability is {value:.4g}; expected natural logarithms of probabilities, none of them above 0 "
                f"(no probabilities, no logits)."
            )


def check_place(logprobs: Iterable[float]) -> None:
    """Raise LogprobError unless these can be of different tokens at one place."""
    values = tuple(logprobs)
    check_logprobs(values)
    total = _sum(values)
    if total > MOST:
        raise LogprobError(
            f"the probabilities of tokens at one place sum to {total:.4g}; expected at most 1, for they exclude one "
            f"another."
        )


def check_options(logprobs: Sequence[float], options: Sequence[str] = ()) -> None:
    """Raise LogprobError unless these can be of different answers to one prompt, of these options."""
    check_logprobs(logprobs)
    total = _sum(logprobs)
    if total > MOST:
        told = f"the probabilities of the options of a prompt sum to {total:.4g}; expected at most 1"
        for one, two in permutations(options, 2):
            if two.startswith(one):
                raise LogprobError(
                    f'{told}: "{one}" begins "{two}"; where its tokens do, give it without what goes on to that '
                    f"(worldvaluesbench.prompts._logprobs.apart)."
                )
        raise LogprobError(f"{told}, for they exclude one another.")


def apart(options: Sequence[Sequenced]) -> list[float]:
    """The log-probabilities of options, of one whose tokens begin another's only the part that does not go on to it.

    "1" and "10" are then two different answers with any tokenizer, and the sum of all is at most 1.

    >>> [round(math.exp(logprob), 2) for logprob in apart([("1", math.log(0.98)), ("10", math.log(0.97))])]
    [0.01, 0.97]

    Raises LogprobError where one cannot be, or something longer is more likely than what it begins with.
    """
    check_logprobs(logprob for _, logprob in options)
    found = []
    for own, logprob in options:
        longer = [(other, value) for other, value in options if len(other) > len(own) and other[: len(own)] == own]
        nearest = [
            value
            for other, value in longer
            if not any(other != between and other[: len(between)] == between for between, _ in longer)
        ]
        share = _sum(min(value - logprob, 1.0) for value in nearest if value > -math.inf)
        if share > MOST:
            raise LogprobError(
                "an option is less likely than a longer one that it begins; expected at least as much, for the longer "
                "one is a part of it."
            )
        found.append(logprob + math.log1p(-share) if share < 1 else -math.inf)
    return found


def log_sum(one: float, two: float) -> float:
    """The logarithm of the sum of two numbers given by theirs."""
    high, low = (one, two) if one > two else (two, one)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def _sum(logprobs: Iterable[float]) -> float:
    return math.fsum(map(math.exp, logprobs))
