"""Asking: the requests of a run that have no answer yet are given to a model, and what comes back is journalled.

Whatever stops it, a full disk, a revoked key, a budget, Ctrl-C, SIGKILL, every completion that had arrived is in the
journal, and asking the same run again goes on with what is missing. The manifest is written when nothing is.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain

from worldvaluesbench._io import interruptible
from worldvaluesbench.asking._budget import Budget
from worldvaluesbench.asking._journal import damage_note
from worldvaluesbench.asking._outcome import Outcome, Progress, counts_of, finish_run, read_outcome
from worldvaluesbench.asking._run import Run, check_model, note_address, note_names
from worldvaluesbench.asking._state import RunState, open_state
from worldvaluesbench.models import Model
from worldvaluesbench.prompts import Reply, Request

WINDOW = 30.0
"""Seconds over which the rate is taken."""

EVERY = 0.1
"""Least seconds between two reports of progress."""


Watch = Callable[[Progress], None]


class RateMeter:
    """Counts completions per second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._marks: deque[tuple[float, int]] = deque([(self._begun, 0)])
        self._n = 0
        self._due = self._begun

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._begun

    def count(self, n: int) -> None:
        """Count `n` more completions."""
        self._n += n

    def is_due(self) -> bool:
        """Whether it is time for another report; if so, the next is due after `EVERY` seconds."""
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + EVERY
        return True

    def rate(self) -> float:
        """Completions per second over the last `WINDOW` seconds, or since the beginning where that is later."""
        now = self._clock()
        self._marks.append((now, self._n))
        while now - self._marks[0][0] > WINDOW and len(self._marks) > 2:
            self._marks.popleft()
        since, n = self._marks[0]
        return (self._n - n) / (now - since) if now > since else 0.0


def ask(run: Run, model: Model, *, budget: Budget | None = None, watch: Watch | None = None) -> Outcome:
    """Ask a model what a run still lacks, and finish the run when it lacks nothing.

    Unparsed samples are asked again after all others, at most `retry_unparsed` times. Requests that failed are left
    for the next session. `budget` stops before it would be exceeded; `watch` is called with the progress at most ten
    times a second. The first Ctrl-C (or SIGTERM) waits for what is in flight, a second one stops at once.

    Raises RunError where the run was begun with another model, another process writes to it, or its journal is
    of another run or cannot be written; ModelError where the model cannot be asked. What had arrived is kept then, too.
    """
    check_model(run, model)
    if run.is_finished:
        return read_outcome(run)
    if budget is not None:
        budget.check(run.settings)
    with open_state(run, budget) as state:
        state.run, moved = note_address(state.run, model)
        session = _Session(state, model, watch)
        with interruptible(session.stop):
            try:
                session.ask_all(moved)
            except KeyboardInterrupt:
                session.is_stopped = True
            return session.end()


class _Session:
    """One session of asking a run; for its model also the iterator of requests."""

    def __init__(self, state: RunState, model: Model, watch: Watch | None) -> None:
        self.state, self.model, self.watch = state, model, watch
        self.is_stopped = self.is_halted = False
        self.failures: Counter[str] = Counter()
        self._failed: set[str] = set()
        self._given: Iterator[Request] = iter(())
        self._held: Request | None = None  # the next request, for which the budget has no room
        self._is_short = self._is_taking = self._is_telling = False
        self._meter = RateMeter()
        self._n_before = state.n_done
        self._notice: str | None = None

    def __iter__(self) -> Iterator[Request]:
        return self._given

    def __next__(self) -> Request:
        return next(self._given)

    @property
    def is_withdrawn(self) -> bool:
        """Whether the requests that were not sent yet are no longer wanted."""
        return self.is_stopped

    def stop(self) -> None:
        """Give no more requests; at the second time also raise KeyboardInterrupt, once a reply being taken is kept."""
        if self.is_stopped:
            self.is_halted = True
            if not self._is_taking:
                raise KeyboardInterrupt
            return
        self.is_stopped = True
        self._notice = "Stopping: what is in flight is still taken in; once more stops at once."
        if not self._is_telling:
            self._tell()

    def ask_all(self, moved: str | None) -> None:
        """Ask everything that is missing, then, attempt by attempt, what could not be parsed."""
        n = self._n_before
        resumed = f"Going on: {n:,} of {self.state.run.n_completions:,} completions are there and not asked again."
        damaged = damage_note(self.state.damaged) if self.state.damaged else None
        self._notice = " ".join(filter(None, (moved, damaged, resumed if n else None))) or None
        self._tell()
        for attempt in range(self.state.last_attempt + 1):
            self._is_short = True
            while self._is_short and not self.is_stopped and self._held is None:
                # again where replies brought fewer completions than were asked for
                self._is_short = False
                wanted = self._wanted(attempt)
                while self._ask_round(wanted):
                    pass
            if self.is_stopped or self._held is not None:
                return

    def end(self) -> Outcome:
        """Finish the run if it is complete; returns its outcome."""
        is_finished = self.state.is_complete
        seconds = self._meter.seconds
        if is_finished:
            finish_run(self.state, seconds)
        self._tell()
        return Outcome(
            **counts_of(self.state),
            is_finished=is_finished,
            is_interrupted=self.is_stopped and not is_finished,
            seconds=seconds,
            failures=dict(self.failures),
            why="" if is_finished else self._why(),
        )

    def _wanted(self, attempt: int) -> Iterator[Request]:
        for request in self.state.run.requests():
            if request.request_id not in self._failed:
                yield from self.state.wanted(request, attempt)

    def _ask_round(self, wanted: Iterator[Request]) -> bool:
        """Give requests as long as the budget has room for them all; whether another round may find more room.

        Room is set aside for the most that requests in flight can cost, so there is more of it when they are back.
        """
        given = self._give(wanted)
        first = next(given, None)
        if first is None:
            return False
        self._given = chain([first], given)
        replies = self.model.replies(self)
        try:
            for reply in replies:
                self._take(reply)
                if self.is_halted:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            for reply in _left_in(replies):
                self._take(reply)
            raise
        finally:
            close = getattr(replies, "close", None)
            if close is not None:
                close()
        return self._held is not None and not self.is_stopped

    def _give(self, wanted: Iterator[Request]) -> Iterator[Request]:
        """The wanted requests, until asked to stop or the budget has no room; the model may take them in a thread."""
        while not self.is_stopped:
            request = self._held or next(wanted, None)
            self._held = None
            if request is None:
                return
            if not self.state.spending.set_aside(request):
                self._held = request
                return
            yield request

    def _take(self, reply: Reply) -> None:
        """Journal a reply, count it, and tell the progress where that is due."""
        self._is_taking = True
        try:
            if len(reply.completions) > reply.request.n:
                reply = replace(reply, completions=reply.completions[: reply.request.n])
            reply, n = self.state.take(reply)
            if reply.named:
                self.state.run, told = note_names(self.state.run, reply.named)
                self._notice = " ".join(filter(None, (self._notice, told))) or None
            self._meter.count(n)
            if n == 0:
                self._failed.add(reply.request.request_id)
                self.failures[reply.failure or "the reply holds no completion"] += 1
            elif n < reply.request.n:
                self._is_short = True
            if self.watch is not None and self._meter.is_due():
                self._tell()
        finally:
            self._is_taking = False

    def _tell(self) -> None:
        if self.watch is None:
            return
        self._is_telling = True
        try:
            self.watch(self._progress())
        finally:
            self._is_telling = False
        if self._notice is not None:  # an interrupt came meanwhile
            self._tell()

    def _progress(self) -> Progress:
        run, rate = self.state.run, self._meter.rate()
        notice, self._notice = self._notice, None
        return Progress(
            **counts_of(self.state),
            is_finished=False,
            seconds=self._meter.seconds,
            failures=dict(self.failures),
            n_requests=run.n_requests,
            n_before=self._n_before,
            budget=self.state.spending.budget.maximum,
            rate=rate,
            seconds_left=(run.n_completions - self.state.n_done) / rate if rate else None,
            notice=notice,
        )

    def _why(self) -> str:
        spending = self.state.spending
        kept = f"{self.state.n_done:,} of {self.state.run.n_completions:,} completions are there"
        if self.is_stopped:
            return f"Interrupted: {kept}; give the same command again to go on."
        if self._held is not None:
            spent = f"{spending.spent:.4g}"
            if spending.cost_is != "exact":
                spent = f"{spending.cost_is} {spent}"
            return (
                f"The budget of {spending.budget.maximum:g} has no room for another request "
                f"({spent} spent): {kept}; give a larger budget to go on."
            )
        if not self.failures:
            return f"The model left requests without a reply: {kept}; give the same command again to ask them again."
        message, n = self.failures.most_common(1)[0]
        return (
            f"{self.failures.total():,} requests failed, {n:,} of them with: {message.rstrip('.')}. {kept}; give the "
            f"same command again to ask the others again."
        )


def _left_in(replies: Iterator[Reply]) -> Iterator[Reply]:
    """What had arrived when an interrupt came, which a model gives on being interrupted itself."""
    throw = getattr(replies, "throw", None)
    if throw is None:
        return
    with suppress(KeyboardInterrupt, StopIteration):
        yield throw(KeyboardInterrupt())
        yield from replies
