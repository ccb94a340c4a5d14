"""What came back from a batch, brought into the journal of the run that it was exported from."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from worldvaluesbench.asking import (
    Budget,
    Journal,
    Received,
    Run,
    Spending,
    check_unchanged,
    finish_run,
    note_names,
    open_journal,
    read_received,
    sound,
)
from worldvaluesbench.asking.batch._files import CustomId, parse_custom_id, tag_of, wanted_requests
from worldvaluesbench.asking.batch._results import Result, read_results
from worldvaluesbench.errors import LogprobError, ModelError, RunError
from worldvaluesbench.models import FILTERED, MOST_NAMES, choices_in, model_named, read_response, token_counts
from worldvaluesbench.models.hosted import Scored, option_logprobs, read_option
from worldvaluesbench.prompts import TEXT_METHODS, Completion, Reply, Request

NOT_ECHOED = "not_echoed"
"""The failure of a response that does not give back the prompt and its option as tokens with log-probabilities."""


@dataclass(frozen=True, slots=True)
class _Option:
    """What came back for one option of a request."""

    request: Request
    place: int
    scored: Scored
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True)
class BatchImport:
    """What an import did. Counts are of completions but where it is said.

    `n_new` were journalled, `n_known` had been before. `n_unknown` lines were of no request of this run. `failed`:
    lines by the code of their failure, as far as they are still wanted. `torn`: the names of files whose last line
    broke off. `n_missing` are still wanted, of `n_requests_missing` requests; `unparsed`: samples by the reason why
    they could not be read. `is_finished`: nothing is missing, and the run has its manifest. `notice`: what is to be
    told of the names under which the service answered; None: nothing, it is the model that was asked for.
    `damaged_lines`: the numbers of lines of the journal that are left out, for they were damaged.
    """

    n_new: int
    n_known: int
    n_unknown: int
    failed: Mapping[str, int]
    torn: tuple[str, ...]
    n_missing: int
    n_requests_missing: int
    unparsed: Mapping[str, int]
    is_finished: bool
    notice: str | None = None
    damaged_lines: Sequence[int] = ()


def import_batch(run: Run, files: Sequence[Path]) -> BatchImport:
    """Journal the results in these files, output and error files in any order; finish the run if nothing is missing.

    Each file is read to its end before anything of it is journalled. A result that is journalled already is passed
    over, so the same file can be given again. What failed is still wanted: export again, or ask for it.

    Raises RunError where a file is absent or malformed (nothing of it is journalled, but what stood in files before it
    is), where another process is asking the run, or the journal cannot be written.
    """
    # prompts take most of the room, and nothing here needs them
    planned = {request.request_id: replace(request, prompt="") for request in run.requests()}
    with open_journal(run.folder) as journal:
        check_unchanged(run)
        spending = Spending(Budget())  # without prices: a batch is charged at its own
        session = _Session(run, planned, journal, read_received(run, spending), spending)
        for path in files:
            session.take(list(session.replies(path)))
        noted, notice = (run, None) if run.is_finished else note_names(run, list(session.named))
        if session.received.is_complete and not run.is_finished:
            finish_run(noted, session.received, spending)
        return session.end(notice)


@dataclass
class _Session:
    """One import: what its files held so far."""

    run: Run
    planned: Mapping[str, Request]
    journal: Journal
    received: Received
    spending: Spending
    n_new: int = 0
    n_known: int = 0
    n_unknown: int = 0
    failures: list[tuple[Request, str]] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    options: dict[tuple[str, int], dict[int, _Option]] = field(default_factory=dict)
    named: dict[str, None] = field(default_factory=dict)

    def replies(self, path: Path) -> Iterator[Reply]:
        """The replies in one file; what is none is counted."""
        tag = tag_of(self.run)
        for result in read_results(path):
            if result is None:
                self.torn.append(path.name)
                return
            custom_id = parse_custom_id(result.custom_id)
            request = _request_of(custom_id, self.planned, tag)
            if custom_id is None or request is None:
                self.n_unknown += 1
                continue
            try:
                whole = list(self._whole(_read(result, request, custom_id.option)))
            except ModelError as error:
                raise RunError(f"{path} line {result.line}: {error}") from None
            name = None if result.body is None else model_named(result.body)
            if name is not None and len(self.named) < MOST_NAMES:
                self.named[name] = None
            yield from whole

    def take(self, replies: Iterable[Reply]) -> None:
        """Journal what the run still wants of these replies."""
        for reply in replies:
            n_new = 0
            for part in map(sound, _wanted_parts(reply, self.received)):
                if part.failure is not None:
                    self.failures.append((part.request, part.failure))
                    continue
                n_new += self.journal.write(part)
                self.spending.settle(part)
                self.received.add(part)
            self.n_new += n_new
            self.n_known += max(len(reply.completions), 1) - n_new

    def end(self, notice: str | None) -> BatchImport:
        """What was done, and what is still wanted."""
        missing = list(wanted_requests(self.run, self.received))
        failed = (code for request, code in self.failures if any(self.received.wanted(request, request.attempt)))
        return BatchImport(
            n_new=self.n_new,
            n_known=self.n_known,
            n_unknown=self.n_unknown,
            failed=dict(Counter(failed).most_common()),
            torn=tuple(self.torn),
            n_missing=sum(request.n for request in missing),
            n_requests_missing=len({request.request_id for request in missing}),
            unparsed={reason: n for reason, n in sorted(self.received.unparsed.items()) if n},
            is_finished=self.received.is_complete,
            notice=notice,
            damaged_lines=tuple(self.received.damaged),
        )

    def _whole(self, read: Reply | _Option) -> Iterator[Reply]:
        """A reply; of an option only when all options of its request are there; none where it failed."""
        request = read.request
        if isinstance(read, _Option):
            options = self.options.setdefault((request.request_id, request.attempt), {})
            options[read.place] = read
            if len(options) == len(request.options):
                yield _joined(options.values())
        elif read.failure is not None:
            self.failures.append((request, read.failure))
        else:
            yield read


def _request_of(custom_id: CustomId | None, planned: Mapping[str, Request], tag: str) -> Request | None:
    """The request that a line was for, cut to its samples; None where it is none of this run's."""
    if custom_id is None or custom_id.tag != tag or custom_id.request_id not in planned:
        return None
    request = planned[custom_id.request_id]
    is_within = custom_id.first_sample + custom_id.n <= request.first_sample + request.n
    is_option = custom_id.option is not None
    has_option = custom_id.option is None or custom_id.option < len(request.options)
    if not (is_within and has_option and is_option == (request.method == "option_likelihood")):
        return None
    return replace(request, n=custom_id.n, first_sample=custom_id.first_sample, attempt=custom_id.attempt)


def _read(result: Result, request: Request, option: int | None) -> Reply | _Option:
    """A result as a reply, or as the part of one that an option is."""
    if result.body is None:
        if result.failure == FILTERED:
            is_text = request.method in TEXT_METHODS
            return Reply(request, (Completion("", FILTERED),) * request.n if is_text else ())
        return Reply(request, failure=result.failure)
    if option is None:
        return read_response(result.body, request)
    (choice, *_) = choices_in(result.body)
    counts = token_counts(result.body)
    try:
        scored = read_option(choice, request.options[option], counts[1])
    except LogprobError:
        raise
    except ModelError:
        return Reply(request, failure=NOT_ECHOED)
    return _Option(request, option, scored, *counts)


def _joined(options: Iterable[_Option]) -> Reply:
    """The options of a request as the reply to it."""
    in_order = sorted(options, key=lambda option: option.place)
    logprobs = option_logprobs([option.scored for option in in_order])
    counts = (
        _sum([option.prompt_tokens for option in in_order]),
        _sum([option.completion_tokens for option in in_order]),
    )
    return Reply(in_order[0].request, (), (), logprobs, *counts)


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _wanted_parts(reply: Reply, received: Received) -> Iterator[Reply]:
    """The parts of a reply that the run still wants: most often all of it or nothing."""
    if not reply.completions:
        yield from (reply for _ in list(received.wanted(reply.request, reply.request.attempt)))
        return
    first = reply.request.first_sample
    given = replace(reply.request, n=len(reply.completions))
    counts = reply.prompt_tokens, reply.completion_tokens
    for part in list(received.wanted(given, given.attempt)):
        start = part.first_sample - first
        yield Reply(part, reply.completions[start : start + part.n], (), (), *counts)
        counts = None, None  # told once
