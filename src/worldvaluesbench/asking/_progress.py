"""How far a run is: what a progress bar shows, and how fast it goes."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from worldvaluesbench.asking._budget import CostIs

WINDOW = 30.0
"""Seconds over which the rate is taken."""

EVERY = 0.1
"""Seconds between two calls of whoever watches, at least."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A run at one moment. Counts are of completions, over all sessions; rate and times are of this session.

    `n_done` of `n_completions` samples have an answer, `n_before` of them from earlier sessions; `n_unparsed` of them
    could not be read; `n_retried` completions were asked again. `n_failed` requests failed in this session and are
    asked again in the next. `spend` is None without prices, `budget` without a limit; `spend_is` says whether `spend`
    is a bound, for the model did not report its usage for all completions. `rate` is completions per second over the
    last half minute, `seconds_left` None as long as there is none. `notice` is said once, when it is news.
    """

    n_requests: int
    n_completions: int
    n_done: int
    n_before: int
    n_unparsed: int
    n_retried: int
    n_failed: int
    prompt_tokens: int
    completion_tokens: int
    spend: float | None
    spend_is: CostIs | None
    budget: float | None
    seconds: float
    rate: float
    seconds_left: float | None
    notice: str | None = None


class Pace:
    """Completions counted against a clock: how many a second came of late."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._marks: deque[tuple[float, int]] = deque([(self._begun, 0)])
        self._n = 0
        self._told = -EVERY

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._begun

    def count(self, n: int) -> None:
        """Count `n` more completions."""
        self._n += n

    def is_due(self) -> bool:
        """Whether it is time to tell again; if so, the next time is counted from now."""
        now = self.seconds
        if now - self._told < EVERY:
            return False
        self._told = now
        return True

    def rate(self) -> float:
        """Completions a second over the last `WINDOW` seconds, or since the beginning where that is later."""
        now = self._clock()
        self._marks.append((now, self._n))
        while now - self._marks[0][0] > WINDOW and len(self._marks) > 2:
            self._marks.popleft()
        since, n = self._marks[0]
        return (self._n - n) / (now - since) if now > since else 0.0
