"""The answers of a run folder: what `run.json` says of the run, and its table of answers, checked."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import polars as pl

from worldvaluesbench._io import MANIFEST, check_fits, parse_json, read_manifest, reason_of
from worldvaluesbench.errors import AnswersError, FolderError, RunError
from worldvaluesbench.runs import UNPARSED
from worldvaluesbench.survey import load_codebook

KIND = "run"
RUN, ANSWERS = "run.json", "answers.parquet"

COLUMNS: Mapping[str, type[pl.DataType] | pl.DataType] = {
    "item_id": pl.String,
    "respondent_id": pl.Int64,
    "order": pl.Int32,
    "sample": pl.Int32,
    "rating": pl.Int16,
    "probabilities": pl.List(pl.Float64),
    "unparsed": pl.String,
}
"""The columns that are read, and what their values must be convertible to."""

OPTIONAL: Mapping[str, type[pl.DataType]] = {"raw": pl.String, "request_id": pl.String, "coverage": pl.Float64}
"""Columns that may stand beside them: of imported answers as they were written; the request answered; how much of the
probability was on the options (null: not known)."""


@dataclass(frozen=True)
class RunFacts:
    """What a run says of itself.

    `method` and `fingerprint`, the hash of its settings, are None for imported answers. `dataset` is the receipt of the
    dataset it was made from (None: imported without one), `n_examples` how many examples it asks, `is_partial` whether
    it was read before it was finished, `strata` the attributes by whose cross its probe set was drawn.
    `backend` is what kind of model it was, `has_demographics` whether its prompts show who is answered for (None: not
    known), `about` what else is to be known of it: settings, model, tokens, versions. `manifest_facts`: size and
    SHA-256 of its table of answers, as its manifest has them; None before there is one.
    """

    name: str
    model: str | None
    method: str | None
    fingerprint: str | None
    dataset: Mapping[str, Any] | None
    n_examples: int | None
    is_invented: bool
    is_partial: bool
    strata: tuple[str, ...] = ()
    backend: str | None = None
    has_demographics: bool | None = None
    about: Mapping[str, Any] = field(default_factory=dict, repr=False)
    manifest_facts: Mapping[str, Any] | None = field(default=None, repr=False)

    def describe(self) -> dict[str, Any]:
        """What the scores of the run say about it."""
        return {
            "model": self.model,
            "method": self.method,
            "fingerprint": self.fingerprint,
            "dataset": None if self.dataset is None else dict(self.dataset),
            "n_examples": self.n_examples,
            "is_invented": self.is_invented,
            "is_partial": self.is_partial,
            "about": dict(self.about),
        }

    def check_answers(self, folder: Path, size: int, sha256: str) -> None:
        """Raise FolderError where the table of answers is not the one that the manifest speaks of."""
        if self.manifest_facts is not None and self.manifest_facts != {"size": size, "sha256": sha256}:
            raise FolderError(f"{folder / ANSWERS}: was changed since the run was finished; make it again.")


TOLERANCE = 1e-6
"""How far a coverage may be above 1: rounding."""


def is_run(path: Path) -> bool:
    """Whether this is the folder of a run, finished or not."""
    return (path / RUN).is_file()


def is_finished(folder: Path) -> bool:
    """Whether the run in this folder has its manifest."""
    return (folder / MANIFEST).is_file()


def read_run_facts(folder: Path, *, partial: bool = False) -> RunFacts:
    """What a run says of itself, before any of its answers is read.

    Raises RunError where it is unfinished (with `partial`: has no answers yet) or its `run.json` cannot be read;
    FolderError where its manifest cannot be.
    """
    is_partial = not is_finished(folder)
    if is_partial and not partial:
        raise RunError(
            f"{folder}: the run is not finished; finish it with `wvb ask`, or score what there is with --partial."
        )
    if not (folder / ANSWERS).is_file():
        raise RunError(f"{folder}: the run has no {ANSWERS} yet; go on with `wvb ask`, which makes it.")
    facts = None if is_partial else read_manifest(folder, KIND)["files"].get(ANSWERS)
    content = _read_run_json(folder / RUN)
    model, settings = content["model"], content["settings"]
    return RunFacts(
        name=_text(content.get("name")) or folder.resolve().name,
        model=_text(model.get("model")) or _text(model.get("name")),
        method=_text((settings or {}).get("method")),
        fingerprint=None if settings is None else settings_fingerprint(settings),
        dataset=content["dataset"],
        n_examples=content["n_examples"] if isinstance(content.get("n_examples"), int) else None,
        is_invented=bool(content.get("is_invented")),
        is_partial=is_partial,
        strata=_strata_of(content),
        backend=_text(model.get("backend")),
        has_demographics=_shows_somebody(settings),
        about=_about(content, {} if is_partial else read_manifest(folder, KIND)),
        manifest_facts=facts,
    )


def _about(content: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be known of a run beside its name: of the address of its model no more than the host."""
    model = dict(content["model"])
    if isinstance(model.get("base_url"), str):
        model["base_url"] = host_of(model["base_url"])
    told = (
        *("n_requests", "n_completions", "unparsed", "prompt_tokens", "completion_tokens"),
        *("cost", "cost_is", "n_received", "n_without_usage", "versions"),
    )
    examples = content.get("examples")
    asked = (
        {key: examples[key] for key in ("source", "name", "split") if key in examples}
        if isinstance(examples, Mapping)
        else {}
    )
    return {"model": model, "settings": content["settings"], "examples": asked} | {
        name: manifest.get(name, content.get(name)) for name in told
    }


def host_of(address: str) -> str:
    """An address without whatever could be secret in it: a user, a path, a query.

    >>> host_of("https://me:secret@api.example.org:8000/key-1/v1?x=2")
    'https://api.example.org:8000'
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}:{parts.port}" if parts.port else f"{parts.scheme}://{host}"


def _shows_somebody(settings: Mapping[str, Any] | None) -> bool | None:
    """Whether prompts with these settings show who is answered for; None where there are no settings."""
    return None if settings is None or "attributes" not in settings else bool(settings["attributes"])


def _strata_of(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The attributes by whose cross the probe set of a run was drawn; none where it asked no probe set."""
    examples = content.get("examples")
    crossed = examples.get("cross") if isinstance(examples, Mapping) else None
    return tuple(map(str, crossed)) if isinstance(crossed, list) else ()


def settings_fingerprint(settings: Mapping[str, object]) -> str:
    """The hash of a run's settings, as the run itself computes it."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def read_run_table(folder: Path, content: bytes) -> pl.DataFrame:
    """The rows of a run's table of answers, in its order; see `Answers.frame` for the columns.

    A row with a text as it was written (`raw`, of imported answers) has that text as its answer, to be judged like
    that of a file, whatever was read from it.

    Raises AnswersError where the table is not as documented.
    """
    path = folder / ANSWERS
    frame = _read_columns(path, content)
    if frame.is_empty():
        raise AnswersError(f"{path}: holds no answers; go on with `wvb ask`.")
    has_raw = frame["raw"].null_count() < frame.height
    answer = pl.coalesce("raw", pl.col("rating").cast(pl.String)) if has_raw else pl.col("rating")
    read = frame.select(
        pl.col("item_id").cast(pl.Enum(load_codebook().item_ids), strict=False),
        "respondent_id",
        answer.alias("answer"),
        pl.col("order", "sample").fill_null(0),
        pl.when(pl.col("raw").is_null()).then("unparsed").cast(pl.Enum(UNPARSED), strict=False).alias("unparsed"),
        "probabilities",
        "coverage",
        _numbered("request_id").alias("request"),
    )
    _check_reasons(path, frame)
    _check_kinds(path, read)
    _check_probabilities(path, read)
    return read


def _numbered(column: str) -> pl.Expr:
    """Texts as whole numbers that tell them apart; null stays null."""
    return pl.col(column).rank("dense").cast(pl.Int64)


def _read_columns(path: Path, content: bytes) -> pl.DataFrame:
    try:
        check_fits(content)
        names = list(pl.read_parquet_schema(content))
        absent = [name for name in COLUMNS if name not in names]
        if absent:
            raise AnswersError(f"{path}: no column {' and no '.join(absent)}; expected the answers of a run.")
        optional = [name for name in OPTIONAL if name in names]
        frame = pl.read_parquet(content, columns=[*COLUMNS, *optional])
        others = [
            pl.col(name).cast(dtype) if name in names else pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in OPTIONAL.items()
        ]
        return frame.select(*(pl.col(name).cast(dtype) for name, dtype in COLUMNS.items()), *others)
    except (ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise AnswersError(f"{path}: cannot be read as the answers of a run ({reason}); make it again.") from None


def _read_run_json(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as JSON ({reason_of(error)}); begin the run again.") from None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise RunError(f"{path}: does not describe a run; expected the {RUN} that `wvb ask` writes.")
    for key, expected in (("model", dict), ("settings", dict | None), ("dataset", dict | None)):
        if key not in content or not isinstance(content[key], expected):
            raise RunError(f"{path}: says nothing of its {key}; expected the {RUN} that `wvb ask` writes.")
    return content


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _check_reasons(path: Path, frame: pl.DataFrame) -> None:
    unknown = frame["unparsed"].drop_nulls().unique().sort().to_list()
    unknown = [reason for reason in unknown if reason not in UNPARSED]
    if unknown:
        raise AnswersError(
            f"{path}: {unknown[0][:40]!r} is no reason that this version knows; expected one of {', '.join(UNPARSED)}."
        )


def _check_kinds(path: Path, read: pl.DataFrame) -> None:
    """Raise AnswersError unless every row of a known item has just one of: an answer, a distribution, a reason."""
    n_kinds = pl.sum_horizontal(pl.col("answer", "probabilities", "unparsed").is_not_null())
    is_wrong = (n_kinds != 1) & pl.col("item_id").is_not_null()
    has_wrong, row = read.select(is_wrong.any(), is_wrong.arg_max().alias("row")).row(0)
    if has_wrong:
        raise AnswersError(
            f"{path}: row {row + 1} has not just one of rating, probabilities and unparsed; make it again."
        )


def _check_probabilities(path: Path, read: pl.DataFrame) -> None:
    """Raise AnswersError unless every distribution has a share for each point of its scale, and one above 0."""
    rows = (
        read.select("item_id", "probabilities", "coverage")
        .with_row_index("row")
        .filter(pl.col("probabilities").is_not_null())
    )
    if rows.is_empty():
        return
    items, shares = rows["item_id"].to_physical(), rows["probabilities"]
    n_points = np.array([*(item.scale.n_points for item in load_codebook().items), -1])
    expected = np.take(n_points, items.fill_null(n_points.size - 1).to_numpy())
    is_right = shares.list.len().to_numpy() == expected
    if is_right.all():
        mass = shares.explode(empty_as_null=False).fill_null(np.nan).to_numpy()
        starts = np.cumsum(expected) - expected
        total = np.add.reduceat(mass, starts)
        is_right = (np.minimum.reduceat(mass, starts) >= 0) & np.isfinite(total) & (total > 0)
    if not is_right.all():
        row, item_id = rows.select("row", "item_id").row(int(np.argmin(is_right)))
        raise AnswersError(
            f"{path}: the probabilities of row {row + 1} are no shares of the scale points of {item_id}; make it again."
        )
    is_odd = ~rows["coverage"].is_between(0, 1 + TOLERANCE).fill_null(True)
    if is_odd.any():
        row, coverage = rows.select("row", "coverage").row(int(is_odd.arg_max() or 0))
        raise AnswersError(
            f"{path}: the coverage of row {row + 1} is {coverage}; expected how much of the probability was on the "
            f"options, 0 to 1."
        )
