"""What a run has received so far: of every sample the last attempt, and whether it could be read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from worldvaluesbench.asking._budget import Spending
from worldvaluesbench.asking._journal import JournalLine, not_asked, read_journal, reply_of
from worldvaluesbench.asking._run import Run
from worldvaluesbench.parsing import Unparsed, read_reply
from worldvaluesbench.prompts import Reply, Request


class Mark(NamedTuple):
    """The last attempt at a sample, and why it could not be read (None: it could)."""

    attempt: int
    reason: str | None


class Received:
    """The marks of all samples of a run's requests, kept up to date as replies arrive."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._items = {item.item_id: item for item in run.codebook.items}
        self._marks: dict[str, list[Mark | None]] = {}
        self.n_completions = run.n_completions
        self._known: dict[Mark, Mark] = {}  # millions of samples share a handful of marks
        self.n_done = 0
        self.n_retried = 0
        self.unparsed: Counter[str] = Counter()
        self.damaged: list[int] = []  # the numbers of damaged lines of the journal

    def add(self, reply: Reply) -> int:
        """Take in a reply; how many completions of it count."""
        settings, item = self._run.settings, self._items[reply.request.item_id]
        n = 0
        for sample, reading in read_reply(reply, item, settings):
            reason = reading.reason if isinstance(reading, Unparsed) else None
            n += self._put(reply.request, sample, Mark(reply.request.attempt, reason))
        return n

    def wanted(self, request: Request, attempt: int) -> Iterator[Request]:
        """What is still to be asked of a planned request: at attempt 0 its absent samples, later the unparsed ones.

        Samples that follow one another are asked together.
        """
        marks = self._marks.get(request.request_id, ())
        if not marks and attempt == 0:
            yield request
            return
        samples = range(request.first_sample, request.first_sample + request.n)
        wanted = [sample for sample in samples if _is_wanted(_at(marks, sample), attempt)]
        for first, n in _stretches(wanted):
            yield replace(request, n=n, first_sample=first, attempt=attempt)

    @property
    def last_attempt(self) -> int:
        """The attempt after which an unparsed sample stays so."""
        return self._run.settings.retry_unparsed

    @property
    def is_complete(self) -> bool:
        """Whether every sample was read, or unparsed as often as the settings allow."""
        if self.n_done < self.n_completions:
            return False
        marks = (mark for marks in self._marks.values() for mark in marks)
        return not any(mark and mark.reason and mark.attempt < self.last_attempt for mark in marks)

    def _put(self, request: Request, sample: int, mark: Mark) -> int:
        marks = self._marks.setdefault(request.request_id, [])
        marks += [None] * (sample + 1 - len(marks))
        before = marks[sample]
        if before is not None and (before.reason is None or before.attempt >= mark.attempt):
            return 0
        if before is None:
            self.n_done += 1
        elif before.reason is not None:
            self.unparsed[before.reason] -= 1
        if mark.reason is not None:
            self.unparsed[mark.reason] += 1
        self.n_retried += mark.attempt > 0
        marks[sample] = self._known.setdefault(mark, mark)
        return 1


def read_received(run: Run, spending: Spending) -> Received:
    """What the journal of a run holds; what it cost is added to `spending`.

    Damaged lines are left out, and their numbers kept.

    Raises RunError where no line of the journal is whole, or it holds completions that this run does not ask for.
    """
    received = Received(run)
    planned: dict[str, Request] = {}
    first: JournalLine | None = None  # of the reply that the line is a part of
    last: JournalLine | None = None
    n_damaged = 0
    for line in read_journal(run.folder, received.damaged):
        planned = planned or _planned(run, has_prompts=spending.budget.has_prices)
        request = planned.get(line.request_id)
        if request is None or line.sample >= request.n:
            raise not_asked(run.folder, line)
        reply = reply_of(request, line)
        if len(received.damaged) > n_damaged:
            n_damaged, last = len(received.damaged), None  # who knows what the line before said
        if not received.add(reply):
            continue  # what is there twice was paid for once
        first = first if last is not None and _continues(line, last) else line
        spending.settle(reply if first is line else _rest_of(reply, first))
        last = line
    return received


def _planned(run: Run, *, has_prompts: bool) -> dict[str, Request]:
    """The planned requests by id; without their prompts, which take most of the room, where nothing needs them."""
    if has_prompts:
        return {request.request_id: request for request in run.requests()}
    return {request.request_id: replace(request, prompt="") for request in run.requests()}


def _rest_of(reply: Reply, first: JournalLine | None) -> Reply:
    """A later line's reply as it costs: its prompt was paid for with the first, which may have counted all tokens."""
    is_counted = first is not None and first.completion_tokens is not None
    return replace(reply, prompt_tokens=0, completion_tokens=0 if is_counted else None)


def _continues(line: JournalLine, last: JournalLine) -> bool:
    """Whether a line belongs to the same reply as the one before it."""
    same = (line.request_id, line.attempt, line.sample) == (last.request_id, last.attempt, last.sample + 1)
    return same and line.prompt_tokens is None and line.completion_tokens is None


def _is_wanted(mark: Mark | None, attempt: int) -> bool:
    if attempt == 0:
        return mark is None
    return mark is not None and mark.reason is not None and mark.attempt == attempt - 1


def _at(marks: Sequence[Mark | None], sample: int) -> Mark | None:
    return marks[sample] if sample < len(marks) else None


def _stretches(samples: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Stretches of samples that follow one another: the first of each, and how many."""
    first = 0
    for place, sample in enumerate(samples):
        if place + 1 == len(samples) or samples[place + 1] != sample + 1:
            yield samples[first], place + 1 - first
            first = place + 1
