"""Pace: how fast an endpoint is asked, and how long a call that failed waits for its next try."""

import math
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models import TOP_LOGPROBS

LONGEST_REST = 60.0
"""The most seconds between two tries where the server names no time."""

_SPAN = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


_LEAST = {"concurrency": 1, "retries": 0, "top_logprobs": 2, "first_rest": 0, "most_bytes": 1}


@dataclass(frozen=True, slots=True)
class HostedOptions:
    """How an endpoint is driven; nothing of it changes what is asked.

    `concurrency`: calls at a time; `requests_per_minute` and `tokens_per_minute`: no more than these (None: no limit).
    `timeout`: seconds that one call may take, `deadline` those of a request with all its tries (None: no limit).
    `retries`: further tries of a call that failed for now, with rests that double from `first_rest` seconds.
    `top_logprobs`: alternatives asked for by token_probs; fewer where the endpoint allows fewer. `is_reasoning`: the
    model wants its limit as `max_completion_tokens`; without it that is found out by one refused call. `most_bytes`:
    bytes that the body of a reply may have, decompressed; one that has more is a failure.
    """

    concurrency: int = 64
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = 120.0
    deadline: float | None = None
    retries: int = 8
    first_rest: float = 0.5
    top_logprobs: int = TOP_LOGPROBS
    is_reasoning: bool = False
    most_bytes: int = 16 * 2**20

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ModelError(f"{name} is {getattr(self, name)}; expected at least {least}.")
        for name in ("requests_per_minute", "tokens_per_minute", "timeout", "deadline"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ModelError(f"{name} is {value}; expected a number above 0.")


@dataclass
class Bucket:
    """Something that flows in at a steady rate and is taken in amounts: calls, or tokens, a minute.

    What is taken is owed at once; whoever takes waits until it has flowed in, so those who come first go first. A
    second's worth can be saved up.
    """

    per_minute: float
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._most = max(1.0, self.per_minute / 60)
        self._level = self._most
        self._then = self.clock()

    def take(self, amount: float) -> float:
        """Take an amount; the seconds to wait before it may be used."""
        now = self.clock()
        self._level = min(self._most, self._level + (now - self._then) * self.per_minute / 60)
        self._then = now
        # an amount larger than what can be saved up waits for a full bucket only
        owed = min(amount, self._most) - self._level
        self._level -= amount
        return max(0.0, owed * 60 / self.per_minute)

    def give_back(self, amount: float) -> None:
        """Give back what was taken and not used; a negative amount was used beyond what was taken."""
        self._level += amount


@dataclass
class Pace:
    """The calls and the tokens that an endpoint may be asked for in a minute; None: no limit."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    clock: Callable[[], float] = time.monotonic
    _per_completion: float | None = None

    def __post_init__(self) -> None:
        self._calls = None if self.requests_per_minute is None else Bucket(self.requests_per_minute, self.clock)
        self._tokens = None if self.tokens_per_minute is None else Bucket(self.tokens_per_minute, self.clock)

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to wait for."""
        return self._calls is not None or self._tokens is not None

    def take(self, n_tokens: float) -> float:
        """Take one call that may use so many tokens; the seconds to wait before it."""
        waits = [0.0]
        if self._calls is not None:
            waits.append(self._calls.take(1))
        if self._tokens is not None:
            waits.append(self._tokens.take(n_tokens))
        return max(waits)

    def settle(self, estimate: float, used: float) -> None:
        """Tell what a call used, instead of what was estimated for it."""
        if self._tokens is not None:
            self._tokens.give_back(estimate - used)

    def estimate(self, n_characters: int, n: int, max_tokens: int | None) -> float:
        """The tokens that a call may use: four characters each, and for a completion as many as others had so far."""
        each = self._per_completion
        if each is None:
            each = 256 if max_tokens is None else max_tokens
        return n_characters / 4 + n * each

    def learn(self, n_tokens: float, n: int) -> None:
        """Learn from a reply how many tokens its n completions had."""
        each = n_tokens / max(1, n)
        before = self._per_completion
        self._per_completion = each if before is None else before + 0.05 * (each - before)


@dataclass(frozen=True)
class Patience:
    """How often, and after what rest, a call that failed for now is made again.

    Rests double from `first` and are drawn between nothing and that ("full jitter"), so that calls which failed
    together do not come back together. A time that the server names is kept in full.
    """

    retries: int = 8
    first: float = 0.5
    rng: random.Random = field(default_factory=random.Random)

    def rest(self, n_tries: int, named: float | None = None) -> float:
        """Seconds before the next try after so many; `named` are those that the server asks for."""
        longest = min(LONGEST_REST, self.first * 2 ** min(n_tries - 1, 30))
        if named is None:
            return self.rng.uniform(0, longest)
        return named + self.rng.uniform(0, min(longest, named / 4 + self.first))


def named_rest(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """The seconds that a response asks to wait; None where it asks for nothing that can be understood.

    Read are `retry-after-ms`, `retry-after` (seconds, or a date) and, where nothing remains of a limit, its
    `x-ratelimit-reset-*` (such as 6m0s). `now` is in seconds since 1970; None: the present.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    after = headers.get("retry-after")
    if after is not None:
        seconds = _number(after)
        return _until(after, time.time() if now is None else now) if seconds is None else seconds
    resets = [
        _span(headers.get(f"x-ratelimit-reset-{what}"))
        for what in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{what}") == "0"
    ]
    return max((reset for reset in resets if reset is not None), default=None)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _until(date: str, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _span(text: str | None) -> float | None:
    match = _SPAN.fullmatch(text or "")
    if match is None or not any(match.groups()):
        return _number(text)
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
