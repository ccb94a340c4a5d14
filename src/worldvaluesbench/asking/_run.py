"""A run: one model asked the requests of one plan with one set of settings, in a folder that can be resumed.

A folder without a manifest is unfinished: asking again with the same settings goes on where it stopped.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from worldvaluesbench._io import check_name, file_facts, manifest_of, new_file, write_json
from worldvaluesbench.asking._journal import open_journal, read_journal
from worldvaluesbench.benchmark import dataset_difference
from worldvaluesbench.errors import PromptError, RunError
from worldvaluesbench.models import MOST_NAMES
from worldvaluesbench.planning import Plan, read_requests, write_plan
from worldvaluesbench.prompts import Request, Settings, differences, parse_template
from worldvaluesbench.runs import (
    ANSWERS,
    EXAMPLES,
    JOURNAL,
    REQUESTS,
    RUN,
    RUN_KIND,
    RunFolder,
    describe_run,
    read_run,
)
from worldvaluesbench.survey import Codebook, load_codebook

PLANNED = (REQUESTS, EXAMPLES)
"""The files of the plan, which never change."""

_COMPARED = ("name", "settings", "model", "examples", "dataset", "n_examples", "n_requests", "n_completions")


class Described(Protocol):
    """What a run records of its model. Every `Model` has it."""

    @property
    def name(self) -> str:
        """The model's name, for tables and folders."""

    def describe(self) -> Mapping[str, object]:
        """What must not change within a run. Never a key."""


@dataclass(frozen=True, kw_only=True)
class Run(RunFolder):
    """A run that can be asked: its folder, with the settings and codebook that read its answers.

    `note`: what to tell the user about how it was begun, "" for nothing.
    """

    settings: Settings = field(repr=False)
    codebook: Codebook = field(repr=False)
    note: str = ""

    def requests(self) -> Iterator[Request]:
        """All its requests as they were planned, lazily."""
        return read_requests(self.folder, self.settings, self.codebook)


def begin_run(plan: Plan, model: Described, folder: Path | str, name: str | None = None) -> Run:
    """Begin a run in an absent or empty folder, or resume the one that was begun there with the same plan and model.

    `name` is by default that of the model, or of the run where there is one. A run that was begun with other settings
    is begun anew if it has no answers and none can be on their way; its `note` says so.

    Raises RunError where the folder holds something else, a run with other settings (the differences are named) and
    answers, or a run that another process is beginning or asking.
    """
    folder = Path(folder).resolve()
    content = describe_run(
        name or model.name,
        model.describe(),
        plan.examples.describe(),
        plan.examples.dataset,
        plan.settings.describe(),
        (plan.n_examples, plan.n_requests, plan.n_completions),
    )
    wanted = _as_json(content)
    check_name(wanted["name"], folder, RunError, what="run's name", advice="choose another with --name")
    if isinstance(wanted["model"].get("model"), str):
        check_name(wanted["model"]["model"], folder, RunError, what="model's name", is_model=True)
    found = _reopen(folder, wanted, has_name=name is not None)
    if isinstance(found, Run):
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open_journal(folder):  # its lock keeps a second writer out from the first moment
            found = _reopen(folder, wanted, has_name=name is not None)
            if isinstance(found, Run):
                return found
            # first, so that a killed process leaves no run
            (folder / ANSWERS).unlink(missing_ok=True)  # of a partial score
            (folder / RUN).unlink(missing_ok=True)
            write_plan(plan, folder)
            files = {file: file_facts(folder / file) for file in PLANNED}
            write_whole(folder / RUN, manifest_of(RUN_KIND, wanted) | {"files": files})
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error.strerror}); choose another place.") from None
    return replace(load_run(folder), note=found)


def load_run(folder: Path | str) -> Run:
    """Load the run in a folder, finished or not.

    Raises RunError where there is none, it is precomputed, or its plan was changed since it was begun.
    """
    folder = Path(folder).resolve()
    description = read_run(folder).description
    path = folder / RUN
    if description["settings"] is None:
        raise RunError(
            f"{folder}: holds answers that a baseline made or that were imported; there are no requests to ask or to "
            f"go on with."
        )
    absent = [key for key in (*_COMPARED, "is_invented", "files") if key not in description]
    if absent:
        raise RunError(f"{path}: says nothing of {absent[0]}; expected what `wvb ask` writes there.")
    for name, facts in description["files"].items():
        if not (folder / name).is_file() or file_facts(folder / name) != facts:
            raise RunError(f"{folder / name}: is absent or was changed since the run was begun; begin it elsewhere.")
    return Run(folder, description, settings=settings_of(path, description["settings"]), codebook=load_codebook())


def settings_of(path: Path | str, described: Mapping[str, Any]) -> Settings:
    """The settings that a run was begun with, from their description; `path` is named in errors.

    Raises RunError where they are not those of this version, or cannot be used.
    """
    content: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in described.items()
    }
    try:
        name, text = described["template"]["name"], described["template"]["text"]
        template = parse_template(f"{{# name: {name} #}}\n{text}", f"{path} template")
        return Settings(**content | {"template": template})
    except (KeyError, TypeError):
        raise RunError(f"{path}: its settings are not those of this version of worldvaluesbench.") from None
    except PromptError as error:
        raise RunError(f"{path}: its settings cannot be used ({error}).") from None


def check_model(run: Run, model: Described) -> None:
    """Raise RunError where a model is not the one that a run was begun with."""
    found = differences(_without_address(run.model), _without_address(_as_json(model.describe())))
    if found:
        raise RunError(f"{run.folder}: was begun with another model; choose another folder. {'; '.join(found)}.")


def reread(run: Run) -> Run:
    """The run as its folder describes it now. Call it while holding the journal, before the `note_*` functions.

    Raises RunError where another process has begun it anew since it was loaded.
    """
    now = read_run(run.folder).description
    if any(now.get(name) != run.description[name] for name in ("settings", "model", "files")):
        raise RunError(f"{run.folder}: another process has begun this run anew; choose another folder.")
    return replace(run, description=now)


def note_address(run: Run, model: Described) -> tuple[Run, str | None]:
    """Record in `run.json` that the model moved to another address, if it did; the run and what to tell the user."""
    address = model.describe().get("base_url")
    before = [run.model.get("base_url"), *run.description.get("later_base_urls", [])]
    if address is None or address == before[-1]:
        return run, None
    told = f"The model is asked at {address} now; before at {before[-1]}."
    return _note(run, later_base_urls=[*before[1:], address]), told


def note_names(run: Run, names: Sequence[str]) -> tuple[Run, str | None]:
    """Record in `run.json` under which names a server answered; the run and what to tell the user.

    One name other than that asked for is usual: an alias is answered by a version. A further name says that another
    model may have answered a part of the run.
    """
    known: list[str] = run.description.get("named_models", [])
    new = [name for name in dict.fromkeys(names) if name not in known][: MOST_NAMES - len(known)]
    if not new:
        return run, None
    before, asked, told = known[-1:], run.model.get("model"), []
    for name in new:
        if before:
            told.append(f"The server names the model {name} now, before {before[0]}: both may have answered this run.")
        elif name != asked:
            told.append(f"The server names the model {name}; {asked} was asked for.")
        before = [name]
    return _note(run, named_models=[*known, *new]), " ".join(told) or None


def note_export(run: Run) -> None:
    """Record in `run.json` that requests were exported, so that their answers may be on their way."""
    _note(run, is_exported=True)


def _note(run: Run, **content: object) -> Run:
    description = {**run.description, **content}
    write_whole(run.folder / RUN, description)
    return replace(run, description=description)


def write_whole(path: Path, content: object) -> None:
    """Write JSON whole or not at all, also where the power fails."""
    with new_file(path, force=True) as aside:
        write_json(aside, content)
        with aside.open("rb") as stream:
            os.fsync(stream.fileno())


def _as_json(content: object) -> Any:
    """The content as JSON gives it back, to compare it with a file."""
    return json.loads(json.dumps(content))


def _without_address(model: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in model.items() if name != "base_url"}


def _reopen(folder: Path, wanted: Mapping[str, Any], *, has_name: bool) -> Run | str:
    """The run in this folder if it is the wanted one; else the note of a run that can be begun here.

    Raises RunError where none can be begun.
    """
    if not (folder / RUN).exists():
        _check_free(folder)
        return ""
    run = load_run(folder)
    compared = [key for key in _COMPARED if key != "dataset" and (has_name or key != "name")]
    before, now = (
        {key: content.get(key) for key in compared} | {"model": _without_address(content["model"])}
        for content in (run.description, wanted)
    )
    found = differences(before, now)
    other = dataset_difference(run.description["dataset"], wanted["dataset"])
    if other is not None:
        found.append(f"dataset: {other}")
    if not found:
        return run
    differing = "; ".join(found)
    damaged: list[int] = []
    has_answers = next(read_journal(folder, damaged), None) is not None or damaged
    if run.is_finished or has_answers:
        raise RunError(
            f"{folder}: holds a run with other settings; go on with those, or choose another folder (in `wvb run`, "
            f"another --name). Differences: {differing}."
        )
    if run.description.get("is_exported"):
        raise RunError(
            f"{folder}: holds a run with other settings, whose requests were exported; import their results, or "
            f"delete it if they were never sent. Differences: {differing}."
        )
    return f"The run had no answers yet and is begun anew with other settings: {differing}."


def _check_free(folder: Path) -> None:
    """Raise RunError unless a run can be begun here: nothing, or what a killed begin has left."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RunError(f"{folder}: is a file; expected the name of a folder for the run.")
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    foreign = [name for name in sizes if name not in (JOURNAL, *PLANNED) and not name.startswith(f".{RUN}.unfinished")]
    if sizes and (foreign or sizes.get(JOURNAL) != 0):
        raise RunError(f"{folder}: holds {min(foreign or sizes)} and no run; choose an empty folder or another name.")
