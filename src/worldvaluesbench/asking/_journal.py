"""The journal of a run: every completion as it arrived, one line each, appended and never changed.

A line is a JSON object. `id`, `s`, `a`: the request, the sample, the attempt. Then what came back: `text` and `finish`
(completions), `tokens` (token log-probabilities) or `logprobs` (option likelihoods). The first line of a reply also
has `in` and `out`, the token counts of the whole reply, where the model reports them. Last come `run`, a hash of the
model, the settings and the plan, and `crc`, the CRC-32 of all before it on the line; lines of earlier versions have
neither.

All lines of a reply are given to the system in one write, so a killed process loses at most the reply that it was
writing, and leaves at most one torn line, the last. Readers ignore it; the next writer cuts it off. A line that was
damaged later is reported with its number and left out, and stays where it is.
"""

import json
import mmap
import os
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from json.encoder import encode_basestring
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

from worldvaluesbench.errors import LogprobError, RunError
from worldvaluesbench.prompts import MAX_N, Reply, TokenChoice, check_options
from worldvaluesbench.runs import JOURNAL, fingerprint_of, read_run

if sys.platform != "win32":
    import fcntl

SYNC_EVERY = 5.0
"""Seconds between two fsyncs; a killed process needs none."""

MAX_ATTEMPT, MAX_TOKENS = 2**8 - 1, 2**31 - 1
"""The largest numbers that a line may hold: the table of answers has room for no more."""

_MOST_NAMED = 20
_CRC = b',"crc":"'
_SEAL = len(_CRC) + 8 + len(b'"}')
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class JournalLine(NamedTuple):
    """One journalled completion: of which request, sample and attempt, and what came back.

    One of `text` (with `finish`), `tokens` and `logprobs` is there, the others are None. Token counts are those of
    the whole reply and only on its first line.
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
        text, finish = completion.text, completion.finish_reason
        lines.append(JournalLine(request.request_id, sample, request.attempt, text, finish, None, None, *counts))
        counts = None, None
    return lines


def sound(reply: Reply) -> Reply:
    """The reply as a journal can hold it: token counts out of range are unknown, numbers are floats; a reply that no
    reader would take is a failure.
    """
    counts = _count(reply.prompt_tokens), _count(reply.completion_tokens)
    if counts != (reply.prompt_tokens, reply.completion_tokens):
        reply = replace(reply, prompt_tokens=counts[0], completion_tokens=counts[1])
    if not all(map(_is_possible, lines_of(reply))):
        return Reply(reply.request, failure="the reply holds something that is not a text, token or log-probability")
    if not _are_floats(reply.option_logprobs):  # a custom model may give NumPy's numbers
        reply = replace(reply, option_logprobs=tuple(map(float, reply.option_logprobs)))
    if not all(_are_floats(token.top.values()) for token in reply.tokens):
        tops = [{key: float(value) for key, value in token.top.items()} for token in reply.tokens]
        reply = replace(reply, tokens=tuple(map(TokenChoice, [token.token for token in reply.tokens], tops)))
    return reply


def damage_note(damaged: Sequence[int]) -> str:
    """What to tell the user about damaged lines, given their numbers."""
    if len(damaged) == 1:
        return f"{JOURNAL} line {damaged[0]} is damaged and left out; what it held is asked for again."
    named = ", ".join(map(str, damaged[:_MOST_NAMED])) + (", ..." if len(damaged) > _MOST_NAMED else "")
    return f"{JOURNAL}: {len(damaged):,} lines are damaged and left out ({named}); what they held is asked for again."


def read_journal(folder: Path, damaged: list[int] | None = None) -> Iterator[JournalLine]:
    """The lines of a run's journal, in the order of their arrival; none where there is no journal yet.

    A torn last line is ignored, and so is a damaged one, whose number is put into `damaged`.

    Raises RunError where a line is of another run, or several are damaged and none is whole; without `damaged` also
    where any is damaged.
    """
    path = folder / JOURNAL
    if not path.exists():
        return
    key, has_sealed, n_whole, n_damaged = _key_of(folder), False, 0, 0
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, 1):
                found = _decode(raw)
                if found is None and not raw.endswith(b"\n"):
                    break  # torn
                if found is None or (has_sealed and found[1] is None):  # a checksum that got lost
                    n_damaged += 1
                    if damaged is None:
                        raise RunError(
                            f"{path} line {number}: is damaged; expected a completion with its checksum. Give the "
                            f"command that asked once more: it leaves the line out and asks for its completion again."
                        )
                    damaged.append(number)
                    continue
                line, of_run = found
                if of_run not in (None, key):
                    raise RunError(
                        f"{path} line {number}: is of another run, or run.json was changed since it was written; "
                        f"remove the line, or begin the run again elsewhere."
                    )
                has_sealed, n_whole = has_sealed or of_run is not None, n_whole + 1
                yield line
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}).") from None
    if n_damaged > 1 and not n_whole:
        raise RunError(
            f"{path}: none of its {n_damaged:,} lines is whole, so something has written it anew; put back a copy of "
            f"it, or begin the run again elsewhere."
        )


class Journal:
    """The one writer of a run's journal; made by `open_journal`."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self._synced = time.monotonic()
        self._key: str | None = None

    def write(self, reply: Reply) -> list[JournalLine]:
        """Append a sound reply and give it to the system at once; its lines (a failure has none).

        Raises RunError where it cannot be written: a full disk. What was written before is kept.
        """
        lines = lines_of(reply)
        if self._key is None:  # the journal is opened before there is a run
            self._key = _key_of(self.path.parent)
        try:
            _write_whole(self._handle, b"".join([_encode(line, self._key) for line in lines]))
            if time.monotonic() - self._synced > SYNC_EVERY:
                os.fsync(self._handle)
                self._synced = time.monotonic()
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be written ({error.strerror}); everything received before is kept, make room "
                f"and give the same command again."
            ) from None
        return lines


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Open a run's journal for appending, as its only writer, after cutting off a torn last line.

    Raises RunError where another process writes to it, or it cannot be written.
    """
    path = folder / JOURNAL
    try:
        handle = os.open(path, _FLAGS, 0o666)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); choose another folder.") from None
    try:
        _lock(folder, handle)
        _mend_end(path, handle)
        yield Journal(path, handle)
    finally:
        with suppress(OSError):  # a disk that refuses now has refused a write before
            os.fsync(handle)
        os.close(handle)


def _lock(folder: Path, handle: int) -> None:
    """Lock the journal itself while its handle is open: a lock file beside it would outlive a killed process."""
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(
            f"{folder}: another process is writing to this run; wait for it to end, or choose another folder."
        ) from None
    except OSError:
        return  # a file system without locks


def _mend_end(path: Path, handle: int) -> None:
    """Cut off a torn last line; end a whole one that has lost only its newline."""
    size = os.fstat(handle).st_size
    if size == 0:
        return
    with mmap.mmap(handle, size, access=mmap.ACCESS_READ) as content:
        start = content.rfind(b"\n", 0, size - 1) + 1
        last = content[start:]
    try:
        if last.endswith(b"\n"):
            return
        if _decode(last) is None:
            os.ftruncate(handle, start)
        else:
            _write_whole(handle, b"\n")
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); make room and try again.") from None


def _write_whole(handle: int, data: bytes) -> None:
    n_written = os.write(handle, data)
    if n_written < len(data):
        _write_whole(handle, data[n_written:])


def _key_of(folder: Path) -> str:
    """Eight characters for the model, the settings and the plan of a run, whatever the model's address is."""
    try:
        content = read_run(folder).description
        model = {name: value for name, value in content["model"].items() if name != "base_url"}
        return fingerprint_of([model, content["settings"], content["files"]])[:8]
    except (RunError, KeyError):
        return "00000000"  # loading the run says what is wrong with it


_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def _encode(line: JournalLine, key: str) -> bytes:
    if line.tokens is not None:
        content = f'"tokens":{_to_json([[token.token, token.top] for token in line.tokens])}'
    elif line.logprobs is not None:
        content = f'"logprobs":{_to_json(line.logprobs)}'
    else:
        finish = "null" if line.finish is None else encode_basestring(line.finish)
        content = f'"text":{encode_basestring(line.text or "")},"finish":{finish}'
    n_in = "" if line.prompt_tokens is None else f',"in":{line.prompt_tokens}'
    n_out = "" if line.completion_tokens is None else f',"out":{line.completion_tokens}'
    place = f'"id":{encode_basestring(line.request_id)},"s":{line.sample},"a":{line.attempt}'
    text = f'{{{place},{content}{n_in}{n_out},"run":"{key}"'
    try:
        body = text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which a completion cut between two tokens may end with
        body = json.dumps(json.loads(text + "}"), separators=(",", ":"))[:-1].encode()
    return b'%s%s%08x"}\n' % (body, _CRC, zlib.crc32(body))


def _decode(raw: bytes) -> tuple[JournalLine, str | None] | None:
    """A line and the run that it is of (None: an earlier version wrote it); None where it is damaged."""
    raw = raw.rstrip(b" \t\r\n")
    is_sealed = raw[-_SEAL:].startswith(_CRC) and raw.endswith(b'"}')
    if is_sealed:
        body, crc = raw[:-_SEAL], raw[-_SEAL + len(_CRC) : -2]
        if crc != b"%08x" % zlib.crc32(body):
            return None
        raw = body + b"}"
    try:
        content = json.loads(raw)
        line = JournalLine(
            content["id"],
            content["s"],
            content["a"],
            content.get("text"),
            content.get("finish"),
            tuple(TokenChoice(token, dict(top)) for token, top in content["tokens"]) if "tokens" in content else None,
            tuple(content["logprobs"]) if "logprobs" in content else None,
            _count(content.get("in")),
            _count(content.get("out")),
        )
        check_options(line.logprobs or ())
        of_run = str(content["run"]) if is_sealed else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, LogprobError):
        return None
    # a line that names its run and has no checksum has lost it
    return (line, of_run) if is_sealed == ("run" in content) and _is_possible(line) else None


def _is_possible(line: JournalLine) -> bool:
    """Whether a line has the right types: what a reader takes and a writer may write."""
    if line.tokens is not None:
        has_one = all(
            isinstance(token.token, str)
            and _are(str, token.top)
            and (_are_floats(token.top.values()) or _are(Real, token.top.values()))
            for token in line.tokens
        )
    elif line.logprobs is not None:
        has_one = _are(Real, line.logprobs)
    else:
        has_one = isinstance(line.text, str)
    is_placed = type(line.sample) is type(line.attempt) is int and 0 <= line.sample < MAX_N
    is_named = isinstance(line.request_id, str) and isinstance(line.finish, str | None)
    return has_one and is_named and is_placed and 0 <= line.attempt <= MAX_ATTEMPT


def _are(kind: type, values: Iterable[object]) -> bool:
    return all(issubclass(found, kind) and found is not bool for found in set(map(type, values)))


def _are_floats(values: Iterable[object]) -> bool:
    return set(map(type, values)) <= {float}


def _count(n: Any) -> int | None:
    """A count of tokens; None where it is no count, or too large."""
    is_whole = type(n) is int or (n is not None and _are(Integral, [n]))
    return int(n) if is_whole and 0 <= n <= MAX_TOKENS else None
