"""The journal of a run: every completion as it arrived, one line each, appended and never changed.

A line is a JSON object. `id`, `s`, `a`: the request, the sample, the attempt. Then what came back: `text` and `finish`
(completions), `tokens` (token log-probabilities) or `logprobs` (option likelihoods). The first line of a reply also
has `in` and `out`, the token counts of the whole reply, where the model says them. Last stand `run`, a hash of what
the run asks of whom, and `crc`, the CRC-32 of all before it on the line; lines of earlier versions have neither.

All lines of a reply are given to the system in one write, so a killed process loses at most the reply that it was
writing, and leaves at most one torn line, the last. Readers pass over it; the next writer cuts it off. A line that was
damaged later is told with its number and left out, and stays where it is.
"""

import json
import os
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from worldvaluesbench.errors import LogprobError, RunError
from worldvaluesbench.prompts import MAX_N, Completion, Reply, Request, TokenChoice, check_options, fingerprint_of

if sys.platform != "win32":
    import fcntl

JOURNAL = "journal.jsonl"

SYNC_EVERY = 5.0
"""Seconds between two calls that make the disk itself keep what was written; a killed process needs none."""

MAX_ATTEMPT, MAX_TOKENS, MAX_LOGPROB = 2**8 - 1, 2**31 - 1, 700.0
"""The largest numbers that a line may hold: what the table of answers has room for, what a reply can be paid for, and
what has an exponential."""

_CHUNK = 1 << 16
_CRC = b',"crc":"'
_SEAL = len(_CRC) + 8 + len(b'"}')
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


def read_journal(folder: Path, damaged: list[int] | None = None) -> Iterator[JournalLine]:
    """The lines of a run's journal, in the order of their arrival; none where there is no journal yet.

    A torn last line is passed over, and so is a damaged one, whose number is put into `damaged`.

    Raises RunError where a line is of another run, or several are damaged and none is whole; without a list for their
    numbers also where any is damaged.
    """
    path = folder / JOURNAL
    if not path.exists():
        return
    try:
        with path.open("rb") as stream:
            yield from _read_lines(path, stream, damaged)
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}).") from None


def sound(reply: Reply) -> Reply:
    """The reply as a journal can hold it: token counts out of range are unknown; what no
    reader would take is a failure.
    """
    counts = _count(reply.prompt_tokens), _count(reply.completion_tokens)
    if counts != (reply.prompt_tokens, reply.completion_tokens):
        reply = replace(reply, prompt_tokens=counts[0], completion_tokens=counts[1])
    if all(map(_is_possible, lines_of(reply))):
        return reply
    return Reply(reply.request, failure="the reply holds something that is no text, token or log-probability")


def not_asked(folder: Path, line: JournalLine) -> RunError:
    """The error of a journal that holds a completion which its run does not ask for."""
    return RunError(
        f"{folder / JOURNAL}: holds a completion of request {line.request_id}, sample {line.sample}, which this run "
        f"does not ask for; the journal is of another run."
    )


def damage_note(damaged: Sequence[int]) -> str:
    """What is told of damaged lines: which they are, and that what they held is asked for again."""
    if len(damaged) == 1:
        return f"{JOURNAL} line {damaged[0]} is damaged and left out; what it held is asked for again."
    named = ", ".join(map(str, damaged[:_MOST_NAMED])) + (", ..." if len(damaged) > _MOST_NAMED else "")
    return f"{JOURNAL}: {len(damaged):,} lines are damaged and left out ({named}); what they held is asked for again."


_MOST_NAMED = 20


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
        self._key: str | None = None

    def write(self, reply: Reply) -> int:
        """Append a reply and give it to the system at once; how many lines it has (a failure has none).

        Raises RunError where it cannot be written: a full disk. What was written before is kept.
        """
        lines = lines_of(reply)
        if self._key is None:  # the journal is opened before there is a run
            self._key = _key_of(self.path)
        key = self._key
        try:
            _write_whole(self._handle, b"".join(_encode(line, key) for line in lines))
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
    """Cut off a torn last line; end a whole one that has lost only its newline. What ends in one was not torn."""
    size = os.fstat(handle).st_size
    start = _start_of_last_line(path, size)
    with path.open("rb") as stream:
        stream.seek(start)
        last = stream.read()
    try:
        if last.endswith(b"\n") or not last:
            return
        if _decode(last) is None:
            os.ftruncate(handle, start)
        else:
            _write_whole(handle, b"\n")
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


def _read_lines(path: Path, stream: Any, damaged: list[int] | None) -> Iterator[JournalLine]:
    key, has_sealed, n_whole, n_damaged = _key_of(path), False, 0, 0
    for number, raw in enumerate(stream, 1):
        found = _decode(raw)
        is_old = found is not None and found[1] is None
        if found is None or (is_old and has_sealed):
            if not raw.endswith(b"\n") and found is None:
                break  # torn
            n_damaged += 1
            if damaged is None:
                raise RunError(
                    f"{path} line {number}: is damaged; expected a completion with its checksum. Give the command that "
                    f"asked once more: it leaves the line out and asks for its completion again."
                )
            damaged.append(number)
            continue
        line, of_run = found
        if of_run is not None and of_run != key:
            raise RunError(
                f"{path} line {number}: is of another run, or run.json was changed since it was written; remove the "
                f"line, or begin the run again elsewhere."
            )
        has_sealed, n_whole = has_sealed or not is_old, n_whole + 1
        yield line
    if n_damaged > 1 and not n_whole:
        raise RunError(
            f"{path}: none of its {n_damaged:,} lines is whole, so something has written it anew; put back a copy of "
            f"it, or begin the run again elsewhere."
        )


def _key_of(path: Path) -> str:
    """Eight characters that stand for what the run of a journal asks of whom, wherever the model's address is."""
    try:
        content = json.loads((path.parent / "run.json").read_text(encoding="utf-8"))
        model = {name: value for name, value in content["model"].items() if name != "base_url"}
        return fingerprint_of([model, content["settings"], content["files"]])[:8]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "00000000"  # whoever opens the run says what is wrong with it


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


def _encode(line: JournalLine, key: str) -> bytes:
    content: dict[str, object] = {"id": line.request_id, "s": line.sample, "a": line.attempt}
    if line.tokens is not None:
        content["tokens"] = [[token.token, _floats(token.top)] for token in line.tokens]
    elif line.logprobs is not None:
        content["logprobs"] = list(map(float, line.logprobs))  # a model of one's own may give NumPy's numbers
    else:
        content |= {"text": line.text, "finish": line.finish}
    if line.prompt_tokens is not None:
        content["in"] = line.prompt_tokens
    if line.completion_tokens is not None:
        content["out"] = line.completion_tokens
    content["run"] = key
    try:
        whole = _encoder.encode(content).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which a completion cut between two tokens may end with
        whole = json.dumps(content, separators=(",", ":")).encode()
    body = whole[:-1]
    return b'%s%s%08x"}\n' % (body, _CRC, zlib.crc32(body))


def _decode(raw: bytes) -> tuple[JournalLine, str | None] | None:
    """A line as it was journalled, and the run that it is of (None: an earlier version wrote it); None: damaged."""
    raw = raw.rstrip(b" \t\r\n")
    is_sealed = raw[-_SEAL:].startswith(_CRC) and raw.endswith(b'"}')
    if is_sealed:
        body, told = raw[:-_SEAL], raw[-_SEAL + len(_CRC) : -2]
        if told != b"%08x" % zlib.crc32(body):
            return None
        raw = body + b"}"
    try:
        content: Mapping[str, Any] = json.loads(raw)
        line = JournalLine(
            content["id"],
            content["s"],
            content["a"],
            content.get("text"),
            content.get("finish"),
            _tokens(content["tokens"]) if "tokens" in content else None,
            tuple(content["logprobs"]) if "logprobs" in content else None,
            _count(content.get("in")),
            _count(content.get("out")),
        )
        check_options(line.logprobs or ())
        of_run = str(content["run"]) if is_sealed else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, LogprobError):
        return None
    # who says of which run it is, and has no checksum, has lost it
    return (line, of_run) if is_sealed == ("run" in content) and _is_possible(line) else None


def _is_possible(line: JournalLine) -> bool:
    """Whether a line can be what it should: what a reader takes and a writer may write."""
    if line.tokens is not None:
        has_one = all(
            isinstance(token.token, str) and all(map(_is_text, token.top)) and all(map(_is_logprob, token.top.values()))
            for token in line.tokens
        )
    elif line.logprobs is not None:
        has_one = all(map(_is_logprob, line.logprobs))
    else:
        has_one = isinstance(line.text, str)
    numbers = (line.sample, MAX_N - 1), (line.attempt, MAX_ATTEMPT)
    is_placed = all(type(n) is int and 0 <= n <= most for n, most in numbers)
    return has_one and is_placed and isinstance(line.request_id, str) and isinstance(line.finish, str | None)


def _floats(top: Mapping[str, float]) -> dict[str, float]:
    return {token: float(logprob) for token, logprob in top.items()}


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_logprob(value: Any) -> bool:
    """Whether this is a number that is no NaN and has an exponential."""
    return not isinstance(value, bool) and isinstance(value, Real) and bool(value <= MAX_LOGPROB)


def _count(n: Any) -> int | None:
    """A count of tokens; None where it is none, or beyond any."""
    return int(n) if not isinstance(n, bool) and isinstance(n, Integral) and 0 <= int(n) <= MAX_TOKENS else None


def _tokens(content: Any) -> tuple[TokenChoice, ...]:
    return tuple(TokenChoice(token, dict(top)) for token, top in content)
