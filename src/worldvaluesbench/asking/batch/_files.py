"""A batch: what a run still wants, as request files for a service or an offline runner that answers them later.

A request file has one JSON object a line, in OpenAI's batch format: `custom_id`, `method`, `url`, `body`. The bodies
are those that `wvb ask` sends one by one, so a run can be asked by either, or by both in turn. What comes back is read
by `worldvaluesbench.asking.batch._importing`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from worldvaluesbench._io import check_destination, new_folder, write_manifest
from worldvaluesbench.asking import (
    Budget,
    Received,
    Run,
    Spending,
    check_unchanged,
    note_export,
    open_journal,
    read_received,
)
from worldvaluesbench.errors import ModelError, RunError
from worldvaluesbench.models import (
    TOP_LOGPROBS,
    URLS,
    Endpoint,
    chat_body,
    check_endpoint,
    completion_body,
    describe_template,
    echo_body,
)
from worldvaluesbench.prompts import Request, fingerprint_of

KIND = "batch"

_Group = tuple[int, list[bytes]]
"""Lines that stay together, and how many completions they ask for."""

_CUSTOM_ID = re.compile(r"([0-9a-f]{8})-([0-9a-f]{16})-a(\d{1,3})-(?:s(\d{1,6})-n(\d{1,6})|o(\d{1,2}))")


@dataclass(frozen=True)
class BatchModel:
    """The model that a batch is for, and how it is to be asked; `begin_run` takes it as it takes a `Model`.

    `endpoint` is where the requests go (`option_likelihood` needs `completions`), `is_reasoning` whether the model
    takes its limit as `max_completion_tokens`, `top_logprobs` how many alternatives of a token `token_probs` asks for,
    `chat_template_kwargs` the variables of the chat template.

    Raises ModelError where the name is empty or the endpoint is none.
    """

    name: str
    endpoint: Endpoint = "chat"
    is_reasoning: bool = False
    top_logprobs: int = TOP_LOGPROBS
    chat_template_kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ModelError("A batch needs the model's name; give --model NAME as the service calls it.")
        check_endpoint(self.endpoint, self.chat_template_kwargs)

    def describe(self) -> Mapping[str, object]:
        """What must not change within a run."""
        return {
            "backend": "batch",
            "model": self.name,
            "endpoint": self.endpoint,
            "is_reasoning": self.is_reasoning,
            "top_logprobs": self.top_logprobs,
        } | describe_template(self.chat_template_kwargs)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large a request file may be, in lines and bytes, and how many completions one line may ask for.

    The first two are OpenAI's. `max_n` is 1 where an endpoint gives one completion a request.

    Raises RunError for a limit under 1.
    """

    max_requests: int = 50_000
    max_bytes: int = 200_000_000
    max_n: int = 128

    def __post_init__(self) -> None:
        least = min(self.max_requests, self.max_bytes, self.max_n)
        if least < 1:
            raise RunError(f"A limit of a batch is {least}; expected 1 or more.")


@dataclass(frozen=True, slots=True)
class CustomId:
    """What a line asks for: samples `first_sample` to `first_sample + n - 1` of a request, or one of its options."""

    tag: str
    request_id: str
    attempt: int
    first_sample: int = 0
    n: int = 1
    option: int | None = None

    def __str__(self) -> str:
        what = f"s{self.first_sample}-n{self.n}" if self.option is None else f"o{self.option}"
        return f"{self.tag}-{self.request_id}-a{self.attempt}-{what}"


@dataclass(frozen=True)
class BatchFiles:
    """The request files that were written, what they ask for, and which lines of the journal are damaged."""

    paths: tuple[Path, ...]
    n_lines: int
    n_completions: int
    damaged_lines: Sequence[int] = ()


def export_batch(
    run: Run, folder: Path, model: BatchModel, *, limits: BatchLimits | None = None, force: bool = False
) -> BatchFiles:
    """Write what a run still wants as request files in a new folder, whole or not at all.

    Wanted are all samples that its journal lacks, and those that were unparsed fewer times than its settings ask
    again. What was exported before and is not yet imported is wanted still.

    Raises RunError where nothing is wanted, another process is asking the run, or a line is larger than a file may be;
    ModelError where the endpoint cannot be asked by the run's method; FolderError where the folder cannot be made.
    """
    check_destination(folder, KIND, force=force)
    _check_method(run, model)
    limits = limits or BatchLimits()
    with open_journal(run.folder), new_folder(folder, KIND, force=force) as staging:
        check_unchanged(run)
        received = read_received(run, Spending(Budget()))
        wanted = wanted_requests(run, received)
        parts = (part for request in wanted for part in _parts(request, limits.max_n))
        written = _write_files((_encoded(part, model, tag_of(run)) for part in parts), staging, limits)
        if not written.paths:
            raise RunError(f"{run.folder}: nothing is missing, so there is nothing to export.")
        counts = {"n_lines": written.n_lines, "n_completions": written.n_completions}
        asked = {"run": run.name, "tag": tag_of(run), "model": dict(model.describe()), "url": URLS[model.endpoint]}
        write_manifest(staging, KIND, asked | {"is_invented": run.is_invented} | counts)
        note_export(run)
    paths = tuple(folder / path.name for path in written.paths)
    return replace(written, paths=paths, damaged_lines=tuple(received.damaged))


def batch_model_of(run: Run) -> BatchModel:
    """The model of a run that was begun for a batch or for an endpoint, to ask it as the run was begun.

    Raises ModelError where the run's model is of another kind: local weights, a function.
    """
    model = run.model
    if model.get("backend") not in ("batch", "hosted") or not isinstance(model.get("model"), str):
        raise ModelError(
            f"{run.folder}: was begun with a model of kind {model.get('backend')}; only runs of hosted models and "
            f"batches can be exported."
        )
    names = ("endpoint", "is_reasoning", "top_logprobs", "chat_template_kwargs")
    kept = {name: model[name] for name in names if name in model}
    return BatchModel(str(model["model"]), **kept)


def wanted_requests(run: Run, received: Received) -> Iterator[Request]:
    """What a run still wants, attempt by attempt."""
    for attempt in range(received.last_attempt + 1):
        for request in run.requests():
            yield from received.wanted(request, attempt)


def tag_of(run: Run) -> str:
    """Eight characters that tell a run from others, for two runs can ask the same of different models."""
    kept = {name: run.description[name] for name in ("name", "settings", "model", "dataset")}
    return fingerprint_of(kept)[:8]


def parse_custom_id(text: str) -> CustomId | None:
    """The id of a line, taken apart; None where it is none of ours.

    >>> parse_custom_id("0a1b2c3d-0123456789abcdef-a0-s16-n4").n
    4
    """
    match = _CUSTOM_ID.fullmatch(text)
    if match is None:
        return None
    tag, request_id, attempt, first, n, option = match.groups()
    if option is not None:
        return CustomId(tag, request_id, int(attempt), option=int(option))
    return CustomId(tag, request_id, int(attempt), int(first), int(n))


def _check_method(run: Run, model: BatchModel) -> None:
    if run.settings.method == "option_likelihood" and model.endpoint == "chat":
        raise ModelError(
            "option_likelihood needs an endpoint that echoes prompts, and chat completions do not; give --endpoint "
            "completions, or choose token_probs."
        )


def _parts(request: Request, max_n: int) -> Iterator[Request]:
    """A request in parts of at most so many completions."""
    for first in range(0, request.n, max_n):
        yield replace(request, first_sample=request.first_sample + first, n=min(max_n, request.n - first))


def _encoded(request: Request, model: BatchModel, tag: str) -> _Group:
    """How many completions a request asks for, and its lines: one, or one for each option."""
    asked = CustomId(tag, request.request_id, request.attempt, request.first_sample, request.n)
    if request.method == "option_likelihood":
        places = range(len(request.options))
        bodies = {replace(asked, option=place): echo_body(request, model.name, place) for place in places}
    elif model.endpoint == "completions":
        bodies = {asked: completion_body(request, model.name, top_logprobs=model.top_logprobs)}
    else:
        body = chat_body(
            request,
            model.name,
            top_logprobs=model.top_logprobs,
            is_reasoning=model.is_reasoning,
            template_kwargs=model.chat_template_kwargs,
        )
        bodies = {asked: body}
    url = URLS[model.endpoint]
    return request.n, [_line(asked, url, body) for asked, body in bodies.items()]


def _line(custom_id: CustomId, url: str, body: Mapping[str, Any]) -> bytes:
    content = {"custom_id": str(custom_id), "method": "POST", "url": url, "body": body}
    return (json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def _write_files(groups: Iterable[_Group], folder: Path, limits: BatchLimits) -> BatchFiles:
    """Write lines into numbered files, each within the limits."""
    paths: list[Path] = []
    n_lines = n_completions = 0
    for number, placed in groupby(_placed(groups, limits), key=itemgetter(0)):
        path = folder / f"requests-{number:04}.jsonl"
        with path.open("wb") as stream:
            for _, (n, lines) in placed:
                stream.writelines(lines)
                n_lines += len(lines)
                n_completions += n
        paths.append(path)
    return BatchFiles(tuple(paths), n_lines, n_completions)


def _placed(groups: Iterable[_Group], limits: BatchLimits) -> Iterator[tuple[int, _Group]]:
    """The number of the file that each group of lines stands in; a group is never split."""
    number = 1
    n_here = size_here = 0
    for n, lines in groups:
        size = sum(map(len, lines))
        if len(lines) > limits.max_requests or size > limits.max_bytes:
            raise RunError(
                f"One request needs {len(lines)} lines and {size:,} bytes, but a file may have "
                f"{limits.max_requests:,} and {limits.max_bytes:,}; give higher limits."
            )
        if n_here + len(lines) > limits.max_requests or size_here + size > limits.max_bytes:
            number, n_here, size_here = number + 1, 0, 0
        n_here, size_here = n_here + len(lines), size_here + size
        yield number, (n, lines)
