"""A batch: what a run still wants, as request files for a service or an offline runner that answers them later.

A request file has one JSON object a line, in OpenAI's batch format: `custom_id`, `method`, `url`, `body`. The bodies
are those that `wvb ask` sends one by one, so a run can be asked by either, or by both in turn.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from worldvaluesbench._io import check_destination, new_folder, write_manifest
from worldvaluesbench.asking import Run, note_export, open_state
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
from worldvaluesbench.prompts import Request
from worldvaluesbench.runs import fingerprint_of

KIND = "batch"

_CUSTOM_ID = re.compile(r"([0-9a-f]{8})-([0-9a-f]{16})-a(\d{1,3})-(?:s(\d{1,6})-n(\d{1,6})|o(\d{1,2}))")


@dataclass(frozen=True)
class BatchModel:
    """The model that a batch is for, and how it is asked; `begin_run` takes it as it takes a `Model`.

    `endpoint` is where the requests go (`option_likelihood` needs `completions`), `is_reasoning` whether the model
    takes its limit as `max_completion_tokens`, `top_logprobs` the number of alternatives of a token that `token_probs`
    asks for, `chat_template_kwargs` the variables of the chat template.

    Raises ModelError where the name is empty or there is no such endpoint.
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
    """The most lines and bytes of a request file, and the most completions that one line asks for.

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


class CustomId(NamedTuple):
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
    """The request files that were written, what they ask for, and the numbers of damaged lines of the journal."""

    paths: tuple[Path, ...]
    n_lines: int
    n_completions: int
    damaged_lines: Sequence[int] = ()


def export_batch(
    run: Run, folder: Path | str, model: BatchModel, *, limits: BatchLimits | None = None, force: bool = False
) -> BatchFiles:
    """Write what a run still wants as request files in a new folder, whole or not at all.

    Wanted are all samples that its journal lacks, and those that were unparsed fewer times than its settings ask
    again. What was exported before and not yet imported is still wanted.

    Raises RunError where nothing is wanted, another process is asking the run, or a line is larger than a file may be;
    ModelError where the endpoint cannot be asked by the run's method; FolderError where the folder cannot be made.
    """
    folder = Path(folder)
    check_destination(folder, KIND, force=force)
    if run.settings.method == "option_likelihood" and model.endpoint == "chat":
        raise ModelError(
            "option_likelihood needs an endpoint that echoes prompts, and chat completions do not; give --endpoint "
            "completions, or choose token_probs."
        )
    limits = limits or BatchLimits()
    with open_state(run) as state, new_folder(folder, KIND, force=force) as staging:
        run, tag = state.run, tag_of(state.run)
        parts = (
            replace(request, first_sample=request.first_sample + first, n=min(limits.max_n, request.n - first))
            for request in state.all_wanted()
            for first in range(0, request.n, limits.max_n)
        )
        written = _write_files(((part.n, _lines(part, model, tag)) for part in parts), staging, limits)
        if not written.paths:
            raise RunError(f"{run.folder}: nothing is missing, so there is nothing to export.")
        counts = {"n_lines": written.n_lines, "n_completions": written.n_completions}
        asked = {"run": run.name, "tag": tag, "model": dict(model.describe()), "url": URLS[model.endpoint]}
        write_manifest(staging, KIND, asked | {"is_invented": run.is_invented} | counts)
        note_export(run)
    paths = tuple(folder / path.name for path in written.paths)
    return replace(written, paths=paths, damaged_lines=tuple(state.damaged))


def batch_model_of(run: Run) -> BatchModel:
    """The model of a run that was begun for a batch or for an endpoint, to ask it as the run was begun.

    Raises ModelError where the run's model is of another kind: local weights, a function.
    """
    if run.backend not in ("batch", "hosted") or run.model_name is None:
        raise ModelError(
            f"{run.folder}: was begun with a model of kind {run.backend}; only runs of hosted models and batches can "
            f"be exported."
        )
    names = ("endpoint", "is_reasoning", "top_logprobs", "chat_template_kwargs")
    return BatchModel(run.model_name, **{name: run.model[name] for name in names if name in run.model})


def tag_of(run: Run) -> str:
    """Eight characters that identify a run, for two runs can ask the same of different models."""
    kept = {name: run.description[name] for name in ("name", "settings", "model", "dataset")}
    return fingerprint_of(kept)[:8]


def parse_custom_id(text: str) -> CustomId | None:
    """Parse the id of a line; None where it is not one of ours.

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


def _lines(request: Request, model: BatchModel, tag: str) -> list[bytes]:
    """The lines of a request: one, or one for each option."""
    asked = CustomId(tag, request.request_id, request.attempt, request.first_sample, request.n)
    top = model.top_logprobs
    if request.method == "option_likelihood":
        places = range(len(request.options))
        bodies = {asked._replace(option=place): echo_body(request, model.name, place) for place in places}
    elif model.endpoint == "completions":
        bodies = {asked: completion_body(request, model.name, top_logprobs=top)}
    else:
        kwargs, is_reasoning = model.chat_template_kwargs, model.is_reasoning
        body = chat_body(request, model.name, top_logprobs=top, is_reasoning=is_reasoning, template_kwargs=kwargs)
        bodies = {asked: body}
    contents = (
        {"custom_id": str(custom_id), "method": "POST", "url": URLS[model.endpoint], "body": body}
        for custom_id, body in bodies.items()
    )
    return [(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n").encode() for content in contents]


def _write_files(groups: Iterable[tuple[int, list[bytes]]], folder: Path, limits: BatchLimits) -> BatchFiles:
    """Write the lines of requests into numbered files, each within the limits; a request is never split.

    `groups`: the completions that each request asks for, and its lines.
    """
    paths: list[Path] = []
    stream: BinaryIO
    n_lines = n_completions = n_here = size_here = 0
    with ExitStack() as opened:
        for n, lines in groups:
            size = sum(map(len, lines))
            if len(lines) > limits.max_requests or size > limits.max_bytes:
                raise RunError(
                    f"One request needs {len(lines)} lines and {size:,} bytes, but a file may have "
                    f"{limits.max_requests:,} and {limits.max_bytes:,}; give higher limits."
                )
            if not paths or n_here + len(lines) > limits.max_requests or size_here + size > limits.max_bytes:
                paths.append(folder / f"requests-{len(paths) + 1:04}.jsonl")
                opened.close()
                stream = opened.enter_context(paths[-1].open("wb"))
                n_here = size_here = 0
            stream.writelines(lines)
            n_here, size_here = n_here + len(lines), size_here + size
            n_lines, n_completions = n_lines + len(lines), n_completions + n
    return BatchFiles(tuple(paths), n_lines, n_completions)
