"""The journal of a run: every completion as it arrived, one line each, appended and never changed.

A line is a JSON object. `id`, `s`, `a`: the request, the sample, the attempt. Then what came back: `text` and `finish`
(completions), `tokens` (token log-probabilities) or `logprobs` (option likelihoods). The first line of a reply also
has `in` and `out`, the token counts of the whole reply, where the model says them.

All lines of a reply are given to the system in one write, so a killed process loses at most the reply that it was
writing, and leaves at most one torn line, the last. Readers pass over it; the next writer cuts it off.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from worldvaluesbench.elicitation.logprobs import check_options
from worldvaluesbench.elicitation.request import Completion, Reply, Request, TokenChoice
from worldvaluesbench.errors import LogprobError, RunError

if sys.platform != "win32":
    import fcntl

JOURNAL = "journal.jsonl"

SYNC_EVERY = 5.0
"""Seconds between two calls that make the disk itself keep what was written; a killed process needs none."""

_CHUNK = 1 << 16
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would write two characters for a line's end


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One journalled completion: of which request, sample and attempt, and what came back.

    Of `text` (with `finish`), `tokens` and `logprobs` one is there, the others are None. Token counts are those of
    the whole reply and stand on its first line alone.
    """

    request_id: str
    sample: int
    attempt: int
    text: str | None = None
    finish: str | None = None
    tokens: tuple[TokenChoice, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def read_journal(folder: Path) -> Iterator[JournalLine]:
    """The lines of a run's journal, in the order of their arrival; none where there is no journal yet.

    A torn last line is passed over. Raises RunError, with the line's number, where any other line is damaged.
    """
    path = folder / JOURNAL
    if not path.exists():
        return
    try:
        with path.open("rb") as stream:
            yield from _read_lines(path, stream)
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}).") from None


def lines_of(reply: Reply) -> list[JournalLine]:
    """The journal lines of a reply, one for each completion; none for a failure."""
    request, counts = reply.request, (reply.prompt_tokens, reply.completion_tokens)
    if reply.failure is not None:
        return []
    key = request.request_id, request.first_sample, request.attempt
    if request.method == "token_probs":
        return [JournalLine(*key, None, None, reply.tokens, None, *counts)]
    if request.method == "option_likelihood":
        return [JournalLine(*key, None, None, None, reply.option_logprobs, *counts)]
    lines = []
    for sample, completion in enumerate(reply.completions, request.first_sample):
        own = counts if sample == request.first_sample else (None, None)
        text, finish = completion.text, completion.finish_reason
        lines.append(JournalLine(request.request_id, sample, request.attempt, text, finish, None, None, *own))
    return lines


def reply_of(request: Request, line: JournalLine) -> Reply:
    """A journal line as the reply that it was a part of: its own completion alone, the request cut to its sample."""
    own = replace(request, n=1, first_sample=line.sample, attempt=line.attempt)
    counts = line.prompt_tokens, line.completion_tokens
    if line.tokens is not None:
        return Reply(own, (), line.tokens, (), *counts)
    if line.logprobs is not None:
        return Reply(own, (), (), line.logprobs, *counts)
    return Reply(own, (Completion(line.text or "", line.finish),), (), (), *counts)


class Journal:
    """The one writer of a run's journal; made by `open_journal`."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self._synced = time.monotonic()

    def write(self, reply: Reply) -> int:
        """Append a reply and give it to the system at once; how many lines it has (a failure has none).

        Raises RunError where it cannot be written: a full disk. What was written before is kept.
        """
        lines = lines_of(reply)
        try:
            _write_whole(self._handle, b"".join(_encode(line) for line in lines))
            if time.monotonic() - self._synced > SYNC_EVERY:
                self.sync()
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be written ({error.strerror}); everything received before is kept, make room "
                f"and give the same command again."
            ) from None
        return len(lines)

    def sync(self) -> None:
        """Wait until the disk itself has what was written."""
        os.fsync(self._handle)
        self._synced = time.monotonic()


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Open a run's journal for appending, as its only writer, after cutting off a torn last line.

    Raises RunError where another process writes to it, or it cannot be written.
    """
    path = folder / JOURNAL
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY, 0o666)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); choose another folder.") from None
    try:
        _lock(path, handle)
        _mend_end(path, handle)
        journal = Journal(path, handle)
        try:
            yield journal
        finally:
            _sync_quietly(journal)
    finally:
        os.close(handle)


def _lock(path: Path, handle: int) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(
            f"{path.parent}: another process is writing to this run; wait for it to end, or choose another folder."
        ) from None
    except OSError:
        return  # a file system without locks


def _mend_end(path: Path, handle: int) -> None:
    """Cut off a torn last line; end a whole one that has lost only its newline."""
    size = os.fstat(handle).st_size
    start = _start_of_last_line(path, size)
    with path.open("rb") as stream:
        stream.seek(start)
        last = stream.read()
    try:
        if not last or _decode(last):
            if last and not last.endswith(b"\n"):
                _write_whole(handle, b"\n")
            return
        os.ftruncate(handle, start)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); make room and try again.") from None


def _start_of_last_line(path: Path, size: int) -> int:
    with path.open("rb") as stream:
        end = size - 1  # a newline at the very end belongs to the last line
        while end > 0:
            begin = max(0, end - _CHUNK)
            stream.seek(begin)
            found = stream.read(end - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
    return 0


def _sync_quietly(journal: Journal) -> None:
    """Sync at the end; a disk that refuses now has refused a write before, and that is what is told."""
    try:
        journal.sync()
    except OSError:
        return


def _write_whole(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _read_lines(path: Path, stream: Any) -> Iterator[JournalLine]:
    damaged = 0
    for number, raw in enumerate(stream, 1):
        if damaged:
            raise RunError(
                f"{path} line {damaged}: is damaged; expected a JSON object with id, s, a and a completion. Remove "
                f"the line, and its completion will be asked for again."
            )
        line = _decode(raw)
        if line is None:
            damaged = number  # torn if it is the last, damage if another one follows
        else:
            yield line


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


def _encode(line: JournalLine) -> bytes:
    content: dict[str, object] = {"id": line.request_id, "s": line.sample, "a": line.attempt}
    if line.tokens is not None:
        content["tokens"] = [[token.token, dict(token.top)] for token in line.tokens]
    elif line.logprobs is not None:
        content["logprobs"] = line.logprobs
    else:
        content |= {"text": line.text, "finish": line.finish}
    if line.prompt_tokens is not None:
        content["in"] = line.prompt_tokens
    if line.completion_tokens is not None:
        content["out"] = line.completion_tokens
    try:
        return (_encoder.encode(content) + "\n").encode()
    except UnicodeEncodeError:  # half a surrogate pair, which a completion cut between two tokens may end with
        return (json.dumps(content, separators=(",", ":")) + "\n").encode()


def _decode(raw: bytes) -> JournalLine | None:
    """A line as it was journalled; None where it is damaged."""
    try:
        content: Mapping[str, Any] = json.loads(raw)
        line = JournalLine(
            content["id"],
            content["s"],
            content["a"],
            content.get("text"),
            content.get("finish"),
            _tokens(content["tokens"]) if "tokens" in content else None,
            tuple(map(float, content["logprobs"])) if "logprobs" in content else None,
            content.get("in"),
            content.get("out"),
        )
        check_options(line.logprobs or ())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, LogprobError):
        return None
    has_one = isinstance(line.text, str) or line.tokens is not None or line.logprobs is not None
    return line if has_one and _are_possible(line) else None


def _are_possible(line: JournalLine) -> bool:
    """Whether what stands beside a completion can be what it should."""
    numbers = line.sample, line.attempt, line.prompt_tokens or 0, line.completion_tokens or 0
    words = line.request_id, line.finish or ""
    return all(isinstance(n, int) and n >= 0 for n in numbers) and all(isinstance(word, str) for word in words)


def _tokens(content: Any) -> tuple[TokenChoice, ...]:
    return tuple(TokenChoice(str(token), dict(top)) for token, top in content)
