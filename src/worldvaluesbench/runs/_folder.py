"""A run folder as `run.json` describes it: the one reader of that file, and what it says, for asking and scoring.

`run.json` says which examples are asked, of which model and how. Beside it are the plan (`requests.parquet`,
`examples.parquet`), the journal of what came back and, once all has come, `answers.parquet` and `manifest.json`.
A precomputed run, whose answers a baseline made or were imported, has neither settings nor requests nor a journal.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from worldvaluesbench._io import (
    MANIFEST,
    file_facts,
    manifest_of,
    new_folder,
    parse_json,
    read_manifest,
    reason_of,
    write_json,
    write_manifest,
)
from worldvaluesbench.benchmark import Dataset
from worldvaluesbench.errors import FolderError, RunError

RUN_KIND = "run"
RUN, ANSWERS, JOURNAL = "run.json", "answers.parquet", "journal.jsonl"
REQUESTS, EXAMPLES = "requests.parquet", "examples.parquet"

ANSWER_COLUMNS: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "respondent_id": pl.Int64,
    "order": pl.UInt8,
    "sample": pl.Int16,
    "rating": pl.Int8,
    "probabilities": pl.List(pl.Float64),
    "coverage": pl.Float64,
    "n": pl.UInt16,
    "attempt": pl.UInt8,
    "unparsed": pl.String,
    "request_id": pl.String,
}
"""The columns of a run's answers, behind `item_id` (Enum of the codebook's item ids); docs/methods.md explains each."""

_LIBRARIES = ("polars", "aiohttp", "torch", "transformers", "lightgbm")
_FROM_MANIFEST = (
    *("n_requests", "n_completions", "unparsed", "prompt_tokens", "completion_tokens"),
    *("cost", "cost_is", "n_received", "n_without_usage", "versions"),
)
"""What scores repeat of a run's manifest."""


@dataclass(frozen=True)
class RunFolder:
    """A run folder: where it is, what its `run.json` says, and its manifest, where it was read finished."""

    folder: Path
    description: Mapping[str, Any] = field(repr=False)
    manifest: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The run's name, for tables; that of the folder where it has none."""
        return _text(self.description.get("name")) or self.folder.resolve().name

    @property
    def model(self) -> Mapping[str, Any]:
        """How the model describes itself."""
        return dict(self.description["model"])

    @property
    def model_name(self) -> str | None:
        """The model's name; None where it has none."""
        return _text(self.model.get("model")) or _text(self.model.get("name"))

    @property
    def backend(self) -> str | None:
        """The kind of model: `hosted`, `local`, `baseline`, `imported`, ..."""
        return _text(self.model.get("backend"))

    @property
    def method(self) -> str | None:
        """The elicitation method; None for a precomputed run."""
        return _text((self.description["settings"] or {}).get("method"))

    @property
    def has_demographics(self) -> bool | None:
        """Whether prompts show attributes of respondents; None where that is not known."""
        attributes = (self.description["settings"] or {}).get("attributes")
        return None if attributes is None else bool(attributes)

    @property
    def dataset(self) -> Mapping[str, Any] | None:
        """The receipt of the dataset that the examples are from; None: imported without one."""
        dataset: Mapping[str, Any] | None = self.description["dataset"]
        return dataset

    @property
    def strata(self) -> tuple[str, ...]:
        """The attributes by whose cross the probe set was drawn; empty where no probe set was asked."""
        crossed = _mapping(self.description.get("examples")).get("cross")
        return tuple(map(str, crossed)) if isinstance(crossed, list) else ()

    @property
    def is_invented(self) -> bool:
        """Whether the dataset is of a synthetic survey."""
        return bool(self.description.get("is_invented"))

    @property
    def n_examples(self) -> int:
        """The number of examples."""
        return int(self.description["n_examples"])

    @property
    def n_requests(self) -> int:
        """The number of distinct requests."""
        return int(self.description["n_requests"])

    @property
    def n_completions(self) -> int:
        """The number of completions wanted, not counting retries of unparsed ones."""
        return int(self.description["n_completions"])

    @property
    def is_finished(self) -> bool:
        """Whether the folder has its manifest by now, which is written last."""
        return is_finished(self.folder)

    @property
    def is_partial(self) -> bool:
        """Whether the folder was read without a manifest."""
        return self.manifest is None

    @property
    def about(self) -> dict[str, Any]:
        """Model, settings, tokens and versions, as scores repeat them; of a server's address only the host."""
        model = dict(self.model)
        if isinstance(model.get("base_url"), str):
            model["base_url"] = host_of(model["base_url"])
        source = _mapping(self.description.get("examples"))
        examples = {key: source[key] for key in ("source", "name", "split") if key in source}
        told = {**self.description, **(self.manifest or {})}
        return {"model": model, "settings": self.description["settings"], "examples": examples} | {
            name: told.get(name) for name in _FROM_MANIFEST
        }

    def describe(self) -> dict[str, Any]:
        """What the scores of the run say about it."""
        settings, n_examples = self.description["settings"], self.description.get("n_examples")
        return {
            "model": self.model_name,
            "method": self.method,
            "fingerprint": None if settings is None else fingerprint_of(settings),
            "dataset": None if self.dataset is None else dict(self.dataset),
            "n_examples": n_examples if isinstance(n_examples, int) else None,
            "is_invented": self.is_invented,
            "is_partial": self.is_partial,
            "about": self.about,
        }

    def check_answers(self, size: int, sha256: str) -> None:
        """Raise FolderError unless the answers table is the one in the manifest, where there is a manifest."""
        facts = None if self.manifest is None else self.manifest["files"].get(ANSWERS)
        if facts is not None and facts != {"size": size, "sha256": sha256}:
            raise FolderError(f"{self.folder / ANSWERS}: was changed since the run was finished; make it again.")


def is_run(path: Path) -> bool:
    """Whether this is a run folder, finished or not."""
    return (path / RUN).is_file()


def is_finished(folder: Path) -> bool:
    """Whether the run in this folder has its manifest."""
    return (folder / MANIFEST).is_file()


def read_run(folder: Path) -> RunFolder:
    """Read what the `run.json` of a folder says.

    Raises RunError where there is none, it cannot be read, or it lacks the model, the settings or the dataset.
    """
    path = folder / RUN
    if not folder.is_dir():
        raise RunError(f"{folder}: there is no such folder; expected a run made by `wvb ask`.")
    if not path.is_file():
        raise RunError(f"{folder}: no {RUN}, so this is not a run folder; expected a folder made by `wvb ask`.")
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as JSON ({reason_of(error)}); begin the run again elsewhere.") from None
    if not isinstance(content, dict) or content.get("kind") != RUN_KIND:
        raise RunError(f"{path}: does not describe a run; expected the {RUN} that `wvb ask` writes.")
    for key, expected in (("model", dict), ("settings", dict | None), ("dataset", dict | None)):
        if key not in content or not isinstance(content[key], expected):
            raise RunError(f"{path}: says nothing of its {key}; expected the {RUN} that `wvb ask` writes.")
    return RunFolder(folder, content)


def describe_run(
    name: str,
    model: Mapping[str, Any],
    examples: Mapping[str, Any],
    dataset: Dataset | None,
    settings: Mapping[str, Any] | None,
    counts: tuple[int, int, int],
) -> dict[str, Any]:
    """The content of a `run.json`; without settings that of a precomputed run.

    `counts`: of examples, requests and completions.
    """
    n_examples, n_requests, n_completions = counts
    return {
        "name": name,
        "settings": settings,
        "model": dict(model),
        "examples": dict(examples),
        "dataset": None if dataset is None else dataset.receipt,
        "is_invented": dataset is not None and dataset.is_invented,
        "n_examples": n_examples,
        "n_requests": n_requests,
        "n_completions": n_completions,
    }


def examples_of(table: pl.DataFrame) -> pl.DataFrame:
    """Each distinct item, respondent and order of an answers table, in order of appearance; of no request."""
    return (
        table.select("item_id", "respondent_id", "order")
        .drop_nulls()
        .unique(maintain_order=True)
        .with_columns(request=pl.lit(None, dtype=pl.UInt32), sample=pl.lit(None, dtype=pl.Int16))
    )


def complete_answers(table: pl.DataFrame) -> pl.DataFrame:
    """An answers table with every column of a run; those it lacks say that each example was answered once."""
    answer = [pl.col(name).is_not_null() for name in ("rating", "probabilities") if name in table.columns]
    filled = {name: pl.lit(value) for name, value in {"order": 0, "sample": 0, "n": 1, "attempt": 0}.items()}
    filled |= {"coverage": pl.when(pl.any_horizontal(answer)).then(1.0)}
    columns = [
        (pl.col(name) if name in table.columns else filled.get(name, pl.lit(None))).cast(dtype).alias(name)
        for name, dtype in ANSWER_COLUMNS.items()
    ]
    return table.select("item_id", *columns, pl.exclude("item_id", *ANSWER_COLUMNS))


def write_precomputed_run(
    folder: Path, content: Mapping[str, Any], table: pl.DataFrame, *, counts: Mapping[str, Any], force: bool = False
) -> dict[str, Any]:
    """Write an answers table as a finished run folder; returns its manifest.

    `content` is what `run.json` says (`describe_run`, and more); the manifest repeats it, with `counts`.
    Raises FolderError where the folder cannot be made.
    """
    with new_folder(folder, RUN_KIND, force=force) as staging:
        examples_of(table).write_parquet(staging / EXAMPLES, compression="zstd")
        files = {EXAMPLES: file_facts(staging / EXAMPLES)}
        write_json(staging / RUN, manifest_of(RUN_KIND, content) | {"files": files})
        table.write_parquet(staging / ANSWERS, compression="zstd")
        write_manifest(staging, RUN_KIND, {**content, **counts})
    return read_manifest(folder, RUN_KIND)


def fingerprint_of(content: Mapping[str, object] | Sequence[object]) -> str:
    """A short hash of settings, the same for the same settings in any order of keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def used_versions() -> dict[str, str]:
    """The versions of Python and of the libraries that were used to answer, for a manifest."""
    used = {name: version(name) for name in _LIBRARIES if name in sys.modules}
    return {"python": platform.python_version(), **used}


def host_of(address: str) -> str:
    """An address without user, path and query, which may be secret.

    >>> host_of("https://me:secret@api.example.org:8000/key-1/v1?x=2")
    'https://api.example.org:8000'
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}:{parts.port}" if parts.port else f"{parts.scheme}://{host}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
