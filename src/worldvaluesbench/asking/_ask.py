"""Asking: the requests of a run that have no answer yet are given to a model, and what comes back is journalled.

Whatever stops it, a full disk, a revoked key, a budget, Ctrl-C, SIGKILL, every completion that had arrived is in the
journal, and asking the same run again goes on with what is missing. The manifest is written when nothing is.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain

from worldvaluesbench._io import interruptible
from worldvaluesbench.asking._budget import Budget, Spending
from worldvaluesbench.asking._finish import Outcome, finish_run, outcome_of, read_outcome
from worldvaluesbench.asking._journal import Journal, damage_note, open_journal, sound
from worldvaluesbench.asking._progress import Pace, Progress
from worldvaluesbench.asking._received import Received, read_received
from worldvaluesbench.asking._run import (
    Run,
    check_model,
    check_unchanged,
    note_address,
    note_names,
    open_run,
)
from worldvaluesbench.models import Model
from worldvaluesbench.prompts import Reply, Request

Watch = Callable[[Progress], None]


def ask(run: Run, model: Model, *, budget: Budget | None = None, watch: Watch | None = None) -> Outcome:
    """Ask a model what a run still lacks, and finish the run when it lacks nothing.

    Unparsed samples are asked again, `retry_unparsed` times at most, after all others. Requests that failed are left
    for the next session. `budget` stops before it would be passed; `watch` is told of progress at most ten times a
    second. The first Ctrl-C (or SIGTERM) lets what is in flight arrive, a second one stops at once.

    Raises RunError where the run was begun with another model, another process writes to it, or its journal is
    of another run or cannot be written; ModelError where the model cannot be asked. What had arrived is kept then, too.
    """
    check_model(run, model)
    if run.is_finished:
        return read_outcome(run)
    budget = budget or Budget()
    budget.check(run.settings)
    with open_journal(run.folder) as journal:
        check_unchanged(run)
        spending = Spending(budget)
        received = read_received(run, spending)
        moved = note_address(run, model)
        session = _Session(open_run(run.folder) if moved else run, model, journal, received, spending, watch)
        session.begin(moved)
        with interruptible(session.stop):
            try:
                session.ask_all()
            except KeyboardInterrupt:
                session.is_stopped = True
            return session.end()


@dataclass
class _Session:
    """One session of asking a run: what stands in its way, and who is told."""

    run: Run
    model: Model
    journal: Journal
    received: Received
    spending: Spending
    watch: Watch | None
    is_stopped: bool = False
    is_halted: bool = False
    failures: Counter[str] = field(default_factory=Counter)
    _failed: set[str] = field(default_factory=set)
    _held: Request | None = None  # the next request, for which the budget has no room
    _is_short: bool = False
    _is_taking: bool = False
    _is_telling: bool = False
    _notice: str | None = None

    def __post_init__(self) -> None:
        self._pace = Pace()
        self._n_before = self.received.n_done

    def begin(self, moved: str | None) -> None:
        """Tell what is there already, and that the model has `moved`, if it has."""
        n, there = self.run.n_completions, self.received.n_done
        done = f"Going on: {there:,} of {n:,} completions are there and not asked again." if there else ""
        damage = damage_note(self.received.damaged) if self.received.damaged else None
        self._notice = " ".join(filter(None, (moved, damage, done))) or None

    def stop(self) -> None:
        """Give no new requests; the second time raise KeyboardInterrupt, but not in the middle of taking in a reply.

        Called from a signal's handler, so it must not come between two lines of `watch`.
        """
        if self.is_stopped:
            if not self._is_taking or self.is_halted:
                raise KeyboardInterrupt
            self.is_halted = True
            return
        self.is_stopped = True
        self._notice = "Stopping: what is in flight is still taken in; once more stops at once."
        if not self._is_telling:
            self._tell()

    def ask_all(self) -> None:
        """Ask everything that is missing, then, attempt by attempt, what could not be read."""
        self._tell()
        for attempt in range(self.received.last_attempt + 1):
            self._ask_attempt(attempt)
            if self.is_stopped or self._held is not None:
                return

    def end(self) -> Outcome:
        """Finish the run if it is complete; say how it stands."""
        is_finished = self.received.is_complete
        seconds = self._pace.seconds
        if is_finished:
            finish_run(self.run, self.received, self.spending, seconds)
        self._tell()
        return outcome_of(
            self.received,
            self.spending,
            is_finished=is_finished,
            is_interrupted=self.is_stopped and not is_finished,
            seconds=seconds,
            failures=dict(self.failures),
            why="" if is_finished else self._why(),
        )

    def _ask_attempt(self, attempt: int) -> None:
        """Ask all wanted samples of an attempt; again where replies brought fewer completions than were asked for."""
        self._is_short = True
        while self._is_short and not self.is_stopped and self._held is None:
            self._is_short = False
            wanted = self._wanted(attempt)
            while self._ask_round(wanted):
                pass

    def _wanted(self, attempt: int) -> Iterator[Request]:
        for request in self.run.requests():
            if request.request_id not in self._failed:
                yield from self.received.wanted(request, attempt)

    def _ask_round(self, wanted: Iterator[Request]) -> bool:
        """Give requests as long as the budget can bear them all; whether another round may find room for more.

        Room is set aside for the most that requests in flight can cost, so there is more of it when they are back.
        """
        given = self._give(wanted)
        first = next(given, None)
        if first is None:
            return False
        replies = self.model.replies(_Given(chain([first], given), self))
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
            if not self.spending.set_aside(request):
                self._held = request
                return
            yield request

    def _take(self, reply: Reply) -> None:
        self._is_taking = True
        try:
            self._take_in(reply)
        finally:
            self._is_taking = False

    def _take_in(self, reply: Reply) -> None:
        if len(reply.completions) > reply.request.n:
            reply = replace(reply, completions=reply.completions[: reply.request.n])
        reply = sound(reply)
        self.journal.write(reply)
        self.spending.settle(reply)
        if reply.named:
            self.run, told = note_names(self.run, reply.named)
            self._notice = " ".join(filter(None, (self._notice, told))) or None
        n = 0 if reply.failure is not None else self.received.add(reply)
        self._pace.count(n)
        if n == 0:
            self._failed.add(reply.request.request_id)
            self.failures[reply.failure or "the reply holds no completion"] += 1
        elif n < reply.request.n:
            self._is_short = True
        if self.watch is not None and self._pace.is_due():
            self._tell()

    def _tell(self) -> None:
        if self.watch is None:
            return
        self._is_telling = True
        try:
            self.watch(self._progress())
        finally:
            self._is_telling = False
        if self._notice is not None:  # came while it was being told
            self._tell()

    def _progress(self) -> Progress:
        received, spending, rate = self.received, self.spending, self._pace.rate()
        left = self.run.n_completions - received.n_done
        notice, self._notice = self._notice, None
        return Progress(
            n_requests=self.run.n_requests,
            n_completions=self.run.n_completions,
            n_done=received.n_done,
            n_before=self._n_before,
            n_unparsed=received.unparsed.total(),
            n_retried=received.n_retried,
            n_failed=self.failures.total(),
            prompt_tokens=spending.prompt_tokens,
            completion_tokens=spending.completion_tokens,
            spend=spending.spent,
            spend_is=spending.cost_is,
            budget=spending.budget.maximum,
            seconds=self._pace.seconds,
            rate=rate,
            seconds_left=left / rate if rate else None,
            notice=notice,
        )

    def _why(self) -> str:
        kept = f"{self.received.n_done:,} of {self.run.n_completions:,} completions are there"
        if self.is_stopped:
            return f"Interrupted: {kept}; give the same command again to go on."
        if self._held is not None:
            spent = f"{self.spending.spent:.4g}"
            if self.spending.cost_is != "exact":
                spent = f"{self.spending.cost_is} {spent}"
            return (
                f"The budget of {self.spending.budget.maximum:g} has no room for another request "
                f"({spent} spent): {kept}; give a larger budget to go on."
            )
        if not self.failures:
            return f"The model left requests without a reply: {kept}; give the same command again to ask them again."
        told, n = self.failures.most_common(1)[0]
        return (
            f"{self.failures.total():,} requests failed, {n:,} of them thus: {told.rstrip('.')}. {kept}; give the same "
            f"command again to ask the others again."
        )


@dataclass(frozen=True)
class _Given:
    """Requests as a model is given them, which can see here that they are withdrawn."""

    requests: Iterator[Request]
    session: _Session

    def __iter__(self) -> Iterator[Request]:
        return self.requests

    def __next__(self) -> Request:
        return next(self.requests)

    @property
    def is_withdrawn(self) -> bool:
        return self.session.is_stopped


def _left_in(replies: Iterator[Reply]) -> Iterator[Reply]:
    """What had arrived when an interrupt came, which a model gives on being interrupted itself."""
    throw = getattr(replies, "throw", None)
    if throw is None:
        return
    with suppress(KeyboardInterrupt, StopIteration):
        yield throw(KeyboardInterrupt())
        yield from replies
