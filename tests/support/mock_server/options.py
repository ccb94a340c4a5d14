"""Options of the mock server, and the faults it injects: drawn from seeded streams and counted."""

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from typing import Literal, get_args

from worldvaluesbench.errors import ModelError

Feature = Literal["logprobs", "echo", "n", "lists", "schema", "zero_tokens"]
"""What endpoints differ in: log-probabilities, prompts echoed, several completions of one, several prompts in a list,
structured output, completions of no tokens.
"""

FEATURES: tuple[Feature, ...] = get_args(Feature)

Misreport = Literal["probabilities", "logits", "zeros", "nulls", "twice", "shifted"]
"""What servers give for log-probabilities: probabilities, logits, 0 for every token, no values but those of the two
likeliest, each alternative twice by half, and, in an echo, those of the token behind. The rest of a reply is right.
"""

MISREPORTS: tuple[Misreport, ...] = get_args(Misreport)

REQUEST_FAULTS = ("too_many", "errors", "hang_ups", "broken")
"""What can happen to a request: 429, 500, a connection closed mid-body, a body that is no JSON."""

FAILS_ON = ("echo", "lists", "logprobs", "n", "response_format", "seed", "stop", "temperature", "top_logprobs")
"""Parameters, or several prompts in a list, on which a server can fail."""

Usage = Literal["all", "first", "prompts", "none", "odd"]
USAGES: tuple[Usage, ...] = get_args(Usage)
"""Whose tokens a server reports: those of all choices, of the first alone (llama.cpp), the prompt's once for each
choice, none, or counts that cannot be.
"""

COMPLETION_FAULTS = ("garbage", "refusals", "cut_offs", "filtered")
"""What can happen to a completion: nonsense, a refusal, cut off before the answer, withheld by a filter."""


@dataclass(frozen=True)
class MockOptions:
    """How a mock server behaves.

    `seed` decides all that is drawn. `latency` and `jitter` are seconds: each answer waits `latency` and up to `jitter`
    more. Faults are shares from 0 to 1, of requests (`too_many`, `errors`, `hang_ups`, `broken`) and of the completions
    sent (`garbage`, `refusals`, `cut_offs`, `filtered`); no request or completion has two. `retry_after` is the wait in
    seconds that an injected 429 asks for. `requests_per_minute` is a limit that is kept evenly, with 429 and the true
    wait. `key`: what requests must carry; `revoked_after`: after so many requests it is refused. `max_context`: the
    most tokens of a prompt and its completion. `most_logprobs` and `most_completions`: the most alternatives at a token
    and the most completions that can be asked for. `digit_splitting`: whether "10" is the tokens "1" and "0".
    `without`: the features that the server lacks. `misreport`: what it gives for log-probabilities (None: these).
    `is_reasoning`: it wants max_completion_tokens and no temperature. `fails_on`: what it answers `fails_with` to (HTTP
    500 and the like). `usage`: whose tokens it reports. `named`: the model that it says answered, where that is not the
    one asked for. `key_status`: the status with which a wrong key is refused, 400 by some proxies. `floods`: whether it
    answers with 64 MiB, packed into 64 kB.

    Raises ModelError for a share or number that cannot be one.
    """

    seed: int = 0
    models: tuple[str, ...] = ("mock-good", "mock-poor", "mock-first")
    host: str = "127.0.0.1"
    port: int = 0
    latency: float = 0.0
    jitter: float = 0.0
    too_many: float = 0.0
    errors: float = 0.0
    hang_ups: float = 0.0
    broken: float = 0.0
    garbage: float = 0.0
    refusals: float = 0.0
    cut_offs: float = 0.0
    filtered: float = 0.0
    retry_after: float = 0.0
    requests_per_minute: float | None = None
    key: str | None = field(default=None, repr=False)
    revoked_after: int | None = None
    max_context: int | None = None
    most_logprobs: int = 20
    most_completions: int = 128
    digit_splitting: bool = False
    without: frozenset[Feature] = frozenset()
    misreport: Misreport | None = None
    is_reasoning: bool = False
    fails_on: frozenset[str] = frozenset()
    fails_with: int = 500
    usage: Usage = "all"
    named: str | None = None
    key_status: int = 401
    floods: bool = False

    def __post_init__(self) -> None:
        for kinds in (REQUEST_FAULTS, COMPLETION_FAULTS):
            shares = [getattr(self, kind) for kind in kinds]
            if min(shares) < 0 or sum(shares) > 1:
                raise ModelError(f"{', '.join(kinds)} are {shares}; expected shares from 0 that sum to at most 1.")
        if min(self.latency, self.jitter, self.retry_after) < 0:
            raise ModelError("latency, jitter and retry_after are seconds; expected 0 or more of each.")
        if self.requests_per_minute is not None and self.requests_per_minute <= 0:
            raise ModelError(f"requests_per_minute is {self.requests_per_minute}; expected a number above 0.")
        unknown = sorted(set(self.without) - set(FEATURES))
        if unknown:
            raise ModelError(f"without names {unknown[0]!r}; a server may lack {', '.join(FEATURES)}.")
        if self.misreport not in (None, *MISREPORTS):
            raise ModelError(f"misreport is {self.misreport!r}; expected one of {', '.join(MISREPORTS)}.")
        odd = sorted(self.fails_on - set(FAILS_ON))
        if odd:
            raise ModelError(f"fails_on names {odd[0]!r}; a server may fail on {', '.join(FAILS_ON)}.")
        if self.usage not in USAGES:
            raise ModelError(f"usage is {self.usage!r}; a server may report {', '.join(USAGES)}.")
        if not self.models:
            raise ModelError("There are no models; expected at least one name.")


@dataclass
class Faults:
    """The faults of a running server: two streams that say what goes wrong next.

    What happens to the k-th request, or to the k-th completion sent, depends on the seed alone.
    """

    options: MockOptions
    _requests: Iterator[str | None] = field(init=False, repr=False)
    _completions: Iterator[str | None] = field(init=False, repr=False)
    _waits: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._requests = _faults(self.options, "requests", REQUEST_FAULTS)
        self._completions = _faults(self.options, "completions", COMPLETION_FAULTS)
        self._waits = random.Random(f"{self.options.seed}/waits")

    def next_of_request(self) -> str | None:
        """What goes wrong with the next request; None: nothing."""
        return next(self._requests)

    def next_of_completion(self) -> str | None:
        """What goes wrong with the next completion; None: nothing."""
        return next(self._completions)

    def next_wait(self) -> float:
        """How many seconds the next answer takes."""
        return self.options.latency + self.options.jitter * self._waits.random()


def _faults(options: MockOptions, name: str, kinds: Sequence[str]) -> Iterator[str | None]:
    """An endless stream of what goes wrong next, each kind with its share."""
    shares = [getattr(options, kind) for kind in kinds]
    if not any(shares):
        return repeat(None)
    ends = list(accumulate(shares))
    stream = random.Random(f"{options.seed}/{name}")
    return ((*kinds, None)[bisect_right(ends, stream.random())] for _ in repeat(None))


@dataclass
class Counts:
    """What a running server did: requests by what became of them, completions sent, faults by kind."""

    counts: Counter[str] = field(default_factory=Counter)
    prompts: set[int] = field(default_factory=set, repr=False)

    def as_dict(self) -> dict[str, int]:
        """Every count by name, those that are 0 as well."""
        names = ("requests", "answered", "completions", "rate_limited", "refused", *REQUEST_FAULTS, *COMPLETION_FAULTS)
        return {name: self.counts[name] for name in names} | {"distinct_prompts": len(self.prompts)}


@dataclass
class Pace:
    """A limit of requests per minute, kept evenly: a bucket that fills by one request at a time, up to a second's."""

    per_minute: float
    _level: float = field(default=0.0, init=False)
    _since: float | None = field(default=None, init=False)

    def wait(self, now: float) -> float:
        """0 where a request may pass now, which it then does; else the seconds until one may."""
        per_second = self.per_minute / 60
        full = max(1.0, per_second)
        level = full if self._since is None else min(full, self._level + (now - self._since) * per_second)
        self._since = now
        # a client that waits exactly as long as it was told must not be told to wait again for want of a rounding
        self._level = level - 1 if level >= 1 - 1e-6 else level
        return 0.0 if level >= 1 - 1e-6 else (1 - level) / per_second
