"""How fast an endpoint is asked, and how long a request that failed waits for its next attempt."""

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from aiolimiter import AsyncLimiter
from tenacity import RetryCallState, wait_random_exponential

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models import TOP_LOGPROBS

LONGEST_DELAY = 60.0
"""The most seconds between two attempts where the server names no time."""

_SPAN = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


_LEAST = {"concurrency": 1, "retries": 0, "top_logprobs": 2, "initial_backoff": 0, "most_bytes": 1}


@dataclass(frozen=True, slots=True)
class HostedOptions:
    """How an endpoint is driven; nothing of it changes what is asked.

    `concurrency`: calls at a time; `requests_per_minute` and `tokens_per_minute`: no more than these (None: no limit).
    `timeout`: seconds that one call may take, `deadline` those of a request with all its tries (None: no limit).
    `retries`: further tries of a call that failed for now, with delays that double from `initial_backoff` seconds.
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
    initial_backoff: float = 0.5
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


class RateLimiter:
    """The requests and tokens that an endpoint may be asked for in a minute (None: no limit).

    Each is a leaky bucket (aiolimiter) that holds one second's worth, or one where that is less. Tokens are acquired by
    an estimate; what a request used beyond it, or less, is settled with the next one. Use it within an event loop.
    """

    def __init__(self, requests_per_minute: float | None = None, tokens_per_minute: float | None = None) -> None:
        self._requests = None if requests_per_minute is None else _limiter(requests_per_minute)
        self._tokens = None if tokens_per_minute is None else _limiter(tokens_per_minute)
        self._owed = 0.0
        self._per_completion: float | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to wait for."""
        return self._requests is not None or self._tokens is not None

    async def acquire(self, n_tokens: float) -> None:
        """Wait until one request that may use so many tokens may be sent."""
        if self._requests is not None:
            await self._requests.acquire()
        if self._tokens is not None:
            amount, self._owed = max(0.0, n_tokens + self._owed), min(0.0, n_tokens + self._owed)
            while amount > 0:
                part = min(amount, self._tokens.max_rate)
                await self._tokens.acquire(part)
                amount -= part

    def settle(self, estimate: float, used: float) -> None:
        """Tell what a request used, in place of what was estimated for it."""
        self._owed += used - estimate

    def estimate(self, n_characters: int, n: int, max_tokens: int | None) -> float:
        """The tokens that a request may use: a quarter of its characters, and completions as long as earlier ones."""
        each = self._per_completion
        if each is None:
            each = 256 if max_tokens is None else max_tokens
        return n_characters / 4 + n * each

    def learn(self, n_tokens: float, n: int) -> None:
        """Learn from a reply how many tokens its n completions had."""
        each = n_tokens / max(1, n)
        before = self._per_completion
        self._per_completion = each if before is None else before + 0.05 * (each - before)


def _limiter(per_minute: float) -> AsyncLimiter:
    burst = max(1.0, per_minute / 60)
    return AsyncLimiter(burst, burst * 60 / per_minute)


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and after what delay, a request that failed for now is sent again.

    Delays double from `first` seconds and are drawn between 0 and that ("full jitter", tenacity's
    `wait_random_exponential`), so that requests that failed together do not return together. A delay that the server
    names is kept in full.
    """

    retries: int = 8
    first: float = 0.5

    def delay(self, state: RetryCallState, named: float | None = None) -> float:
        """Seconds before the next attempt; `named` are those that the server asks for."""
        drawn = wait_random_exponential(multiplier=self.first, max=LONGEST_DELAY)(state)
        return drawn if named is None else named + min(drawn, named / 4 + self.first)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
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
