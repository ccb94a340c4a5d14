"""The state of a run: its journalled completions, each read once, what is still missing, and the answers table.

The table has one row for each example, order of the options and sample: the answer, or the reason why it could not be
parsed. Nothing is imputed, and examples without a reply yet have no row.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from worldvaluesbench._io import new_file, reason_of
from worldvaluesbench.asking._budget import Budget, Spending
from worldvaluesbench.asking._journal import Journal, JournalLine, open_journal, read_journal, sound
from worldvaluesbench.asking._run import Run, load_run, reread
from worldvaluesbench.errors import RunError
from worldvaluesbench.parsing import (
    Distribution,
    Rating,
    Reading,
    asked_key,
    read_completion,
    read_likelihoods,
    read_tokens,
)
from worldvaluesbench.prompts import Completion, Reply, Request, Settings, choices_of
from worldvaluesbench.runs import ANSWER_COLUMNS, ANSWERS, EXAMPLES, JOURNAL, REQUESTS, UNPARSED
from worldvaluesbench.survey import Item

_READINGS: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "request": pl.UInt32,
    "sample": pl.Int16,
    "attempt": pl.UInt16,
    "rating": pl.Int8,
    "probabilities": pl.List(pl.Float64),
    "coverage": pl.Float64,
    "unparsed": pl.String,
}
_ROWS_AT_ONCE = 10_000
_SHORT = 64
_REASON_NUMBERS = {reason: number for number, reason in enumerate(UNPARSED, 1)}

Reader = Callable[[JournalLine], Reading]


class RunState:
    """What has come of a run so far. Of each sample the last attempt counts that could be read, else the last.

    `n_done` samples have an answer, `unparsed` counts those without a reading by reason, `n_retried` the completions
    of later attempts. `damaged`: the numbers of damaged lines of the journal. `spending`: what the run has cost.
    """

    def __init__(self, run: Run, budget: Budget | None = None, journal: Journal | None = None) -> None:
        self.run = run
        self.spending = Spending(budget or Budget())
        self.damaged: list[int] = []
        self.n_done = self.n_retried = 0
        self.unparsed: Counter[str] = Counter()
        self._journal = journal
        requests = _read_table(run.folder / REQUESTS, ["request_id", "item_id", "order", "n"])
        self._ids, n_each = requests["request_id"], requests["n"].cast(pl.Int64)
        slots = (n_each.cum_sum() - n_each).to_list()
        asked = zip(requests["item_id"].to_list(), requests["order"].to_list(), strict=True)
        readers: dict[tuple[str, int], Reader] = {}
        for item_id, order in set(asked):
            readers[item_id, order] = _line_reader(run.codebook.item(item_id), order, run.settings)
        # by request id: its row, the slot of its first sample, its number of samples, and what reads its completions
        self._requests = {
            request_id: (row, slots[row], n, readers[item_id, order])
            for row, (request_id, item_id, order, n) in enumerate(requests.iter_rows())
        }
        self._attempts = array("h", [-1]) * int(n_each.sum())  # by slot: the last attempt, -1 for none
        self._reasons = bytearray(len(self._attempts))  # by slot: why it could not be read, 0 if it could
        self._rows: list[tuple[object, ...]] = []
        self._frames: list[pl.DataFrame] = []

    def add_journal(self, *, is_strict: bool = False) -> None:
        """Add what the journal holds, and what it cost. Damaged lines are left out, and their numbers kept.

        Raises RunError where no line of the journal is whole, or it holds completions that this run does not ask for;
        with `is_strict` also where any line is damaged.
        """
        planned: dict[str, Request] = {}
        first: JournalLine | None = None  # of the reply that the line is a part of
        last: JournalLine | None = None
        n_damaged = 0
        for line in read_journal(self.run.folder, None if is_strict else self.damaged):
            is_new = self.add([line])
            if len(self.damaged) > n_damaged:
                n_damaged, last = len(self.damaged), None  # the lost line may have been the first of this reply
            if not is_new:
                continue  # what is there twice was paid for once
            if not planned:  # without prompts, which take most of the memory, where nothing needs them
                planned = {
                    one.request_id: one if self.spending.budget.has_prices else replace(one, prompt="")
                    for one in self.run.requests()
                }
            if first is None or last is None or not _continues(line, last):
                first = line
            counts = line.prompt_tokens, line.completion_tokens
            if first is not line:  # its prompt was paid for with the first, which may have counted all tokens
                counts = 0, None if first.completion_tokens is None else 0
            request = replace(planned[line.request_id], n=1, first_sample=line.sample, attempt=line.attempt)
            self.spending.settle(Reply(request, (), (), (), *counts))
            last = line

    def add(self, lines: Iterable[JournalLine]) -> int:
        """Read journal lines; returns how many of them count.

        Raises RunError where a line is of no request of this run.
        """
        n_counted = 0
        for line in lines:
            row, slot, n, read = self._requests.get(line.request_id, (0, 0, 0, None))
            if read is None or line.sample >= n:
                raise RunError(
                    f"{self.run.folder / JOURNAL}: holds a completion of request {line.request_id}, sample "
                    f"{line.sample}, which this run does not ask for; the journal is of another run."
                )
            reading, reason = read(line), None
            values: tuple[object, ...] = (None, None, None)
            if isinstance(reading, Rating):
                values = reading.rating, None, 1.0
            elif isinstance(reading, Distribution):
                values = None, reading.probabilities, reading.coverage
            else:
                reason = reading.reason
            self._rows.append((row, line.sample, line.attempt, *values, reason))
            n_counted += self._count(slot + line.sample, line.attempt, reason)
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._frames, self._rows = [*self._frames, self._frame()], []
        return n_counted

    def take(self, reply: Reply) -> tuple[Reply, int]:
        """Journal a reply and count it; the reply, a failure if it is not sound, and how many completions count."""
        assert self._journal is not None, "made by open_state"
        reply = sound(reply)
        lines = self._journal.write(reply)
        self.spending.settle(reply)
        return reply, self.add(lines)

    def wanted(self, request: Request, attempt: int) -> Iterator[Request]:
        """What is still to be asked of a planned request: at attempt 0 its absent samples, later the unparsed ones.

        Consecutive samples are asked together.
        """
        slot, first = self._requests[request.request_id][1], request.first_sample
        attempts = self._attempts[slot + first : slot + first + request.n]
        if attempt == 0 and max(attempts, default=-1) < 0:
            yield request
            return
        reasons = self._reasons[slot + first : slot + first + request.n]
        n = 0
        for sample, (last, reason) in enumerate(zip([*attempts, attempt], [*reasons, 0], strict=True), first):
            if last == attempt - 1 and (reason or attempt == 0):
                n += 1
            elif n:
                yield replace(request, n=n, first_sample=sample - n, attempt=attempt)
                n = 0

    def all_wanted(self) -> Iterator[Request]:
        """What the run still wants, attempt by attempt."""
        for attempt in range(self.last_attempt + 1):
            for request in self.run.requests():
                yield from self.wanted(request, attempt)

    @property
    def last_attempt(self) -> int:
        """The attempt after which an unparsed sample stays unparsed."""
        return self.run.settings.retry_unparsed

    @property
    def is_complete(self) -> bool:
        """Whether every sample was read, or unparsed as often as the settings allow."""
        attempts, reasons = np.frombuffer(self._attempts, np.int16), np.frombuffer(self._reasons, np.uint8)
        return self.n_done == self.run.n_completions and not ((reasons > 0) & (attempts < self.last_attempt)).any()

    def answers(self) -> pl.DataFrame:
        """The answers table; see `make_answers`."""
        sample = ["request", "sample"]
        lines = pl.concat([*self._frames, self._frame()])
        attempts = lines.unique([*sample, "attempt"], keep="first", maintain_order=True)
        counted = attempts.with_columns(n=pl.len().over(sample), is_read=pl.col("unparsed").is_null())
        chosen = counted.sort(*sample, "is_read", "attempt").unique(sample, keep="last", maintain_order=True)
        named = chosen.with_columns(request_id=self._ids.gather(chosen["request"]))
        columns = ["item_id", "respondent_id", "order", "request", "sample"]
        examples = _read_table(self.run.folder / EXAMPLES, columns)
        is_shared = pl.col("sample").is_null()  # all samples of its request, or one of its own
        shared = examples.filter(is_shared).drop("sample").join(named, on="request", maintain_order="left_right")
        own = examples.filter(~is_shared).join(named, on=sample, maintain_order="left_right")
        return pl.concat([shared, own.select(shared.columns)]).select(
            pl.col("item_id").cast(pl.String).cast(pl.Enum(self.run.codebook.item_ids)),
            *(pl.col(name).cast(dtype) for name, dtype in ANSWER_COLUMNS.items()),
        )

    def write_answers(self) -> Path:
        """Write the answers table into the run folder, whole or not at all; returns its path."""
        path = self.run.folder / ANSWERS
        with new_file(path, force=True) as aside:
            self.answers().write_parquet(aside, compression="zstd")
        return path

    def _frame(self) -> pl.DataFrame:
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in _READINGS)
        return pl.DataFrame(dict(zip(_READINGS, columns, strict=True)), schema=_READINGS)

    def _count(self, slot: int, attempt: int, reason: str | None) -> int:
        before, number = self._attempts[slot], self._reasons[slot]
        if before >= 0 and (number == 0 or before >= attempt):
            return 0
        if before < 0:
            self.n_done += 1
        else:
            self.unparsed[UNPARSED[number - 1]] -= 1
        if reason is not None:
            self.unparsed[reason] += 1
        self.n_retried += attempt > 0
        self._attempts[slot], self._reasons[slot] = attempt, 0 if reason is None else _REASON_NUMBERS[reason]
        return 1


@contextmanager
def open_state(run: Run, budget: Budget | None = None) -> Iterator[RunState]:
    """The state of a run, to add to it as the only writer of its journal.

    Raises RunError where another process writes to the run, or has begun it anew; where no line of the journal is
    whole, or it holds completions that the run does not ask for.
    """
    with open_journal(run.folder) as journal:
        state = RunState(reread(run), budget, journal)
        state.add_journal()
        yield state


def make_answers(folder: Path | str, *, damaged: list[int] | None = None) -> pl.DataFrame:
    """The answers table of a run folder, from what its journal holds.

    One row for each example, order and sample, in the order of the plan: `item_id`, `respondent_id`, `order`, `sample`,
    then one of `rating`, `probabilities` (over the scale points in order, summing to 1) and `unparsed` (the reason);
    `coverage` (1 for a rating, see `Distribution`; null where unparsed), `n` (completions received for the sample, all
    attempts), `attempt` (that of the row: the last one that could be read, else the last) and `request_id`.

    Damaged lines of the journal are left out, and their numbers put into `damaged`.

    Raises RunError where the folder is not a run with requests, or its journal is of another run; without `damaged`
    also where any line is damaged.
    """
    return _state_of(folder, damaged).answers()


def write_answers(folder: Path | str, *, damaged: list[int] | None = None) -> Path:
    """Write `make_answers` into the run folder, as `answers.parquet`; returns its path.

    Raises RunError as `make_answers` does; FolderError where it cannot be written.
    """
    return _state_of(folder, damaged).write_answers()


def _state_of(folder: Path | str, damaged: list[int] | None) -> RunState:
    state = RunState(load_run(folder))
    state.add_journal(is_strict=damaged is None)
    if damaged is not None:
        damaged += state.damaged
    return state


def _continues(line: JournalLine, last: JournalLine) -> bool:
    """Whether a line belongs to the same reply as the one before it."""
    same = (line.request_id, line.attempt, line.sample) == (last.request_id, last.attempt, last.sample + 1)
    return same and line.prompt_tokens is None and line.completion_tokens is None


def _line_reader(item: Item, order: int, settings: Settings) -> Reader:
    """A function that reads journal lines of one question; short completions, which repeat, it reads once."""
    choices, asked = choices_of(item, settings.labels, order), asked_key(settings.template.text)
    known: dict[tuple[str, str | None], Reading] = {}

    def read(line: JournalLine) -> Reading:
        if line.tokens is not None:
            return read_tokens(line.tokens, choices)
        if line.logprobs is not None:
            return read_likelihoods(line.logprobs, choices)
        text = line.text or ""
        reading = known.get((text, line.finish))
        if reading is None:
            reading = read_completion(Completion(text, line.finish), choices, item.scale, settings.method, asked)
            if len(text) <= _SHORT:
                known[text, line.finish] = reading
        return reading

    return read


def _read_table(path: Path, columns: list[str]) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, columns=columns, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RunError(f"{path}: cannot be read ({reason_of(error)}); begin the run again elsewhere.") from None
