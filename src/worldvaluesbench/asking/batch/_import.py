"""The results of a batch: what a service or an offline runner made of request files, brought into the run's journal."""

import gzip
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from worldvaluesbench.asking import Run, RunState, finish_run, note_names, open_state
from worldvaluesbench.asking.batch._export import parse_custom_id, tag_of
from worldvaluesbench.errors import LogprobError, ModelError, RunError
from worldvaluesbench.models import (
    FILTERED,
    MOST_NAMES,
    choices_in,
    error_code,
    model_named,
    read_response,
    token_counts,
)
from worldvaluesbench.models.hosted import Scored, option_logprobs, read_option
from worldvaluesbench.prompts import TEXT_METHODS, Completion, Reply, Request

NOT_ECHOED = "not_echoed"
"""The failure of a response that does not give back the prompt and its option as tokens with log-probabilities."""

MOST_BYTES = 16 * 2**20
"""The longest line of a result file, decompressed."""

_GZIP = b"\x1f\x8b"
_TORN = b"{"  # stands for the rest of a gzipped file that breaks off


@dataclass
class BatchImport:
    """What an import did. Counts are of completions unless said otherwise.

    `n_new` were journalled, `n_known` had been before. `n_unknown` lines were of no request of this run. `failed`:
    lines by the code of their failure, as far as they are still wanted. `torn`: the names of files whose last line
    broke off. `n_missing` are still wanted, of `n_requests_missing` requests; `unparsed`: samples by the reason why
    they could not be parsed. `is_finished`: nothing is missing, and the run has its manifest. `notice`: what to tell
    the user about the names under which the service answered; None where it is the model that was asked for.
    `damaged_lines`: the numbers of damaged lines of the journal, which are left out.
    """

    n_new: int = 0
    n_known: int = 0
    n_unknown: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    torn: tuple[str, ...] = ()
    n_missing: int = 0
    n_requests_missing: int = 0
    unparsed: Mapping[str, int] = field(default_factory=dict)
    is_finished: bool = False
    notice: str | None = None
    damaged_lines: Sequence[int] = ()


class Result(NamedTuple):
    """One line of a result file: what came of one line of a request file.

    `body` is that of the response where it succeeded. Else there is a `failure`: the code that the service gives
    (`rate_limit_exceeded`, `batch_expired`, ...), or `http_500` and the like. `line` is its number in the file.
    """

    line: int
    custom_id: str
    body: Mapping[str, Any] | None
    failure: str | None


def import_batch(run: Run, files: Sequence[Path | str]) -> BatchImport:
    """Journal the results in these files, output and error files in any order; finish the run if nothing is missing.

    Each file is read to its end before anything of it is journalled. A result that is journalled already is ignored,
    so the same file can be given again. What failed is still wanted: export again, or ask for it.

    Raises RunError where a file is absent or malformed (nothing of it is journalled, but files before it are), where
    another process is asking the run, or the journal cannot be written.
    """
    with open_state(run) as state:  # without prices: a batch is charged at its own
        session = _Import(state)
        for path in map(Path, files):
            for reply in list(session.replies(path)):
                session.take(reply)
        return session.end()


class _Import:
    """One import: what its files held so far."""

    def __init__(self, state: RunState) -> None:
        self.state, self.done, self.tag = state, BatchImport(damaged_lines=tuple(state.damaged)), tag_of(state.run)
        # prompts take most of the memory, and nothing here needs them
        self.planned = {request.request_id: replace(request, prompt="") for request in state.run.requests()}
        self.failures: list[tuple[Request, str]] = []
        self.names: dict[str, None] = {}
        self.options: dict[tuple[str, int], dict[int, tuple[Scored, int | None, int | None]]] = defaultdict(dict)

    def replies(self, path: Path) -> Iterator[Reply]:
        """The replies in one file; other lines are counted."""
        for result in read_results(path):
            if result is None:
                self.done.torn += (path.name,)
                return
            found = self._request_of(result.custom_id)
            if found is None:
                self.done.n_unknown += 1
                continue
            try:
                reply = self._read(result, *found)
            except ModelError as error:
                raise RunError(f"{path} line {result.line}: {error}") from None
            name = None if result.body is None else model_named(result.body)
            if name is not None and len(self.names) < MOST_NAMES:
                self.names[name] = None
            if reply is not None and reply.failure is not None:
                self.failures.append((reply.request, reply.failure))
            elif reply is not None:
                yield reply

    def take(self, reply: Reply) -> None:
        """Journal the parts of a reply that the run still wants: most often all of it or nothing."""
        asked, completions, n_new = reply.request, reply.completions, 0
        for part in list(self.state.wanted(replace(asked, n=max(len(completions), 1)), asked.attempt)):
            start = part.first_sample - asked.first_sample
            taken, n = self.state.take(replace(reply, request=part, completions=completions[start : start + part.n]))
            reply = replace(reply, prompt_tokens=None, completion_tokens=None)  # counted once
            n_new += n
            if taken.failure is not None:
                self.failures.append((taken.request, taken.failure))
        self.done.n_new += n_new
        self.done.n_known += max(len(completions), 1) - n_new

    def end(self) -> BatchImport:
        """Finish the run if nothing is missing; what was done, and what is still wanted."""
        state, done = self.state, self.done
        if not state.run.is_finished:
            state.run, done.notice = note_names(state.run, list(self.names))
            if state.is_complete:
                finish_run(state)
        missing = list(state.all_wanted())
        failed = (code for request, code in self.failures if any(state.wanted(request, request.attempt)))
        done.failed = dict(Counter(failed).most_common())
        done.n_missing = sum(request.n for request in missing)
        done.n_requests_missing = len({request.request_id for request in missing})
        done.unparsed = {reason: n for reason, n in sorted(state.unparsed.items()) if n}
        done.is_finished = state.is_complete
        return done

    def _request_of(self, text: str) -> tuple[Request, int | None] | None:
        """The request that a line was for, cut to its samples, and the option; None where it is not of this run."""
        custom_id = parse_custom_id(text)
        request = None if custom_id is None else self.planned.get(custom_id.request_id)
        if custom_id is None or request is None or custom_id.tag != self.tag:
            return None
        _, _, attempt, first_sample, n, option = custom_id
        if first_sample + n > request.n or (option is None) == (request.method == "option_likelihood"):
            return None
        if option is not None and option >= len(request.options):
            return None
        return replace(request, n=n, first_sample=first_sample, attempt=attempt), option

    def _read(self, result: Result, request: Request, option: int | None) -> Reply | None:
        """A result as a reply; that of an option with the others of its request, None as long as some are absent."""
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
        options = self.options[request.request_id, request.attempt]
        options[option] = scored, *counts
        if len(options) < len(request.options):
            return None
        all_scored, n_in, n_out = zip(*(options[place] for place in sorted(options)), strict=True)
        return Reply(request, (), (), option_logprobs(all_scored), _sum(n_in), _sum(n_out))


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def read_results(path: Path) -> Iterator[Result | None]:
    """The results in a file, plain or gzipped, in its order; None, as the last, for a torn last line.

    Output files and error files have the same shape; each line shows which it is of. Blank lines are ignored.

    Raises RunError, with the number of the line, where the file is absent or anything but its end is not a result.
    """
    for number, raw in enumerate(_lines(path), 1):
        if not raw.strip():
            continue
        try:
            content = json.loads(raw)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            if not raw.endswith(b"\n"):
                yield None
                return
            raise RunError(
                f"{path} line {number}: is not a JSON object; expected a result with custom_id and response or error."
            )
        yield _result(f"{path} line {number}", number, content)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == _GZIP
        with gzip.open(path) if is_gzip else path.open("rb") as stream:
            while line := stream.readline(MOST_BYTES + 1):
                if len(line) > MOST_BYTES:
                    raise RunError(
                        f"{path}: has a line of more than {MOST_BYTES / 2**20:g} MiB; expected a result of a batch in "
                        f"each line."
                    )
                yield line
    except EOFError:
        yield _TORN
    except (gzip.BadGzipFile, zlib.error):
        raise RunError(f"{path}: is damaged inside its gzip; download it again.") from None
    except FileNotFoundError:
        raise RunError(f"{path}: there is no such file; expected a result file of a batch.") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); expected a result file of a batch.") from None


def _result(place: str, number: int, content: Mapping[str, Any]) -> Result:
    custom_id = content.get("custom_id")
    if not isinstance(custom_id, str):
        raise RunError(f"{place}: has no custom_id; expected the result of a line that `wvb batch export` wrote.")
    if "method" in content and "body" in content:
        raise RunError(f"{place}: is a request, not a result; give the files that came back.")
    response, error = content.get("response"), content.get("error")
    if not isinstance(response, Mapping):
        if error is None:
            raise RunError(f"{place}: has neither a response nor an error; expected one of them.")
        return Result(number, custom_id, None, error_code(error) or "no_response")
    status, body = response.get("status_code", 200), response.get("body")
    if status == 200 and error is None:
        if not isinstance(body, Mapping):
            raise RunError(f"{place}: its response has no body; expected a completion.")
        return Result(number, custom_id, body, None)
    told = f"http_{status}"[:20] if isinstance(status, int) else "no_status"
    return Result(number, custom_id, None, error_code(body) or error_code(error) or told)
