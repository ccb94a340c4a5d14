"""Result files of a batch: what a service or an offline runner made of the lines of request files."""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worldvaluesbench.errors import RunError
from worldvaluesbench.models import error_code

_GZIP = b"\x1f\x8b"
MOST_BYTES = 16 * 2**20
"""No line is longer, decompressed."""

_TORN = b"{"
"""What stands for the rest of a gzipped file that breaks off."""


@dataclass(frozen=True, slots=True)
class Result:
    """One line of a result file: what came of one line of a request file.

    `body` is that of the response where it succeeded. Else there is a `failure`: the code that the service gives
    (`rate_limit_exceeded`, `batch_expired`, ...), or `http_500` and the like. `line` is its number in the file.
    """

    line: int
    custom_id: str
    body: Mapping[str, Any] | None
    failure: str | None


def read_results(path: Path) -> Iterator[Result | None]:
    """The results in a file, plain or gzipped, in its order; None, as the last, for a torn last line.

    Output files and error files have the same shape and are told apart by their lines. Blank lines are passed over.

    Raises RunError, with the number of the line, where the file is absent or anything but its end is no result.
    """
    for number, raw in enumerate(_lines(path), 1):
        if not raw.strip():
            continue
        content = _object(raw)
        if content is None and not raw.endswith(b"\n"):
            yield None
            return
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


def _object(raw: bytes) -> Mapping[str, Any] | None:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _result(place: str, number: int, content: Mapping[str, Any] | None) -> Result:
    if content is None:
        raise RunError(f"{place}: is no JSON object; expected a result with custom_id and response or error.")
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
