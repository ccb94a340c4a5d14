"""A run: one model asked the requests of one plan with one set of settings, as a folder that can be gone on with.

`run.json` says what is asked of whom and never changes; beside it stand `requests.parquet` and `examples.parquet`
(the plan), `journal.jsonl` (what came back) and, once all has come, `answers.parquet` and `manifest.json`. A folder
without a manifest is unfinished: asking again with the same settings goes on where it stopped.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from worldvaluesbench._io import MANIFEST, check_name, file_facts, manifest_of, parse_json, reason_of
from worldvaluesbench.asking._journal import JOURNAL, open_journal, read_journal
from worldvaluesbench.benchmark import dataset_difference
from worldvaluesbench.errors import PromptError, RunError
from worldvaluesbench.models import MOST_NAMES
from worldvaluesbench.planning import EXAMPLES, REQUESTS, Plan, read_requests, write_plan
from worldvaluesbench.prompts import Request, Settings, differences, parse_template
from worldvaluesbench.survey import Codebook, load_codebook

RUN, ANSWERS = "run.json", "answers.parquet"
PLANNED = (REQUESTS, EXAMPLES)
"""The files of the plan, which stand beside `run.json` and never change."""

_COMPARED = ("name", "settings", "model", "examples", "dataset", "n_examples", "n_requests", "n_completions")


class Described(Protocol):
    """Whoever answers a run, as far as its folder says: every `Model` is one."""

    @property
    def name(self) -> str:
        """The name, for tables and folders."""
        ...

    def describe(self) -> Mapping[str, object]:
        """What must not change within a run. Never a key."""
        ...


@dataclass(frozen=True)
class Run:
    """A run, opened: its folder, what `run.json` says, and the settings and codebook that read its answers.

    `note`: what is to be told of how it was begun, "" for nothing.
    """

    folder: Path
    description: Mapping[str, Any] = field(repr=False)
    settings: Settings = field(repr=False)
    codebook: Codebook = field(repr=False)
    note: str = ""

    @property
    def name(self) -> str:
        """The run's name, for tables."""
        return str(self.description["name"])

    @property
    def model(self) -> Mapping[str, Any]:
        """What the model said of itself."""
        return dict(self.description["model"])

    @property
    def is_invented(self) -> bool:
        """Whether the people in the dataset were invented."""
        return bool(self.description["is_invented"])

    @property
    def n_examples(self) -> int:
        """How many examples it covers."""
        return int(self.description["n_examples"])

    @property
    def n_requests(self) -> int:
        """How many distinct requests it sends."""
        return int(self.description["n_requests"])

    @property
    def n_completions(self) -> int:
        """How many completions it wants, retries apart."""
        return int(self.description["n_completions"])

    @property
    def is_finished(self) -> bool:
        """Whether everything has come and the manifest stands."""
        return (self.folder / MANIFEST).is_file()

    def requests(self) -> Iterator[Request]:
        """All its requests as they were planned, lazily."""
        return read_requests(self.folder, self.settings, self.codebook)


def begin_run(plan: Plan, model: Described, folder: Path | str, name: str | None = None) -> Run:
    """Begin a run in an absent or empty folder, or open the one that was begun there with the same plan and model.

    `name` is that of the model where none is given, and that of the run where it was begun before. A run that was begun
    with other settings is begun anew where it has no answers and none can be on their way; its `note` says so.

    Raises RunError where the folder holds something else, a run with other settings (the differences are named) and
    answers, or a run that another process is beginning or asking.
    """
    folder = Path(folder).resolve()
    wanted = _plain(_describe(plan, model, name))
    check_name(wanted["name"], folder, RunError, what="run's name", advice="choose another with --name")
    if isinstance(wanted["model"].get("model"), str):
        check_name(wanted["model"]["model"], folder, RunError, what="model's name", is_model=True)
    note = ""
    if (folder / RUN).exists():
        found = _reopen(folder, wanted, has_name=name is not None)
        if isinstance(found, Run):
            return found
        note = found
    else:
        _check_free(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open_journal(folder):  # its lock keeps a second writer out from the first moment
            if (folder / RUN).exists():
                found = _reopen(folder, wanted, has_name=name is not None)
                if isinstance(found, Run):
                    return found
                note = found
                # first, so that whatever comes between leaves what a killed begin leaves
                (folder / ANSWERS).unlink(missing_ok=True)  # of a partial score: none
                (folder / RUN).unlink()
            write_plan(plan, folder)
            files = {file: file_facts(folder / file) for file in PLANNED}
            write_whole(folder / RUN, manifest_of("run", wanted) | {"files": files})
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error.strerror}); choose another place.") from None
    return replace(open_run(folder), note=note)


def open_run(folder: Path | str) -> Run:
    """Open the run in a folder, finished or not.

    Raises RunError where there is none, or its plan was changed since it was made.
    """
    folder = Path(folder).resolve()
    description = _read_description(folder)
    for name, facts in description["files"].items():
        path = folder / name
        if not path.is_file() or file_facts(path) != facts:
            raise RunError(f"{path}: is absent or was changed since the run was begun; begin the run again elsewhere.")
    if description["settings"] is None:
        raise RunError(
            f"{folder}: holds answers that a baseline made or that were imported; there are no requests to ask or to "
            f"go on with."
        )
    settings = settings_of(folder / RUN, description["settings"])
    return Run(folder, description, settings, load_codebook())


def check_model(run: Run, model: Described) -> None:
    """Raise RunError where a model is not the one that a run was begun with."""
    found = differences(_without_address(run.model), _without_address(_plain(model.describe())))
    if found:
        raise RunError(f"{run.folder}: was begun with another model; choose another folder. {'; '.join(found)}.")


def check_unchanged(run: Run) -> None:
    """Raise RunError where a run was begun anew since it was opened. To be called by whoever has the journal."""
    now = _read_description(run.folder)
    if any(now[name] != run.description[name] for name in ("settings", "model", "files")):
        raise RunError(f"{run.folder}: another process has begun this run anew; choose another folder.")


def note_address(run: Run, model: Described) -> str | None:
    """Write into `run.json` that a model is asked elsewhere than before, if it is; what to tell of it.

    A server that moved to another host or port is the same model by its name, and who reads the run can see that it
    moved. To be called by whoever has the journal.

    Raises RunError where it cannot be written.
    """
    address = model.describe().get("base_url")
    run = _as_written(run)
    before = [run.model.get("base_url"), *run.description.get("later_base_urls", [])]
    if address is None or address == before[-1]:
        return None
    _note(run, later_base_urls=[*before[1:], address])
    return f"The model is asked at {address} now; before at {before[-1]}."


def note_names(run: Run, names: Sequence[str]) -> tuple[Run, str | None]:
    """Write into `run.json` under which names a server answered; the run that says so, and what to tell of it.

    A name other than the one asked for is usual: an alias is answered by a version. A further name says that another
    model may have answered a part of the run. To be called by whoever has the journal.

    Raises RunError where it cannot be written.
    """
    run = _as_written(run)
    known: list[str] = run.description.get("named_models", [])
    new = [name for name in dict.fromkeys(names) if name not in known][: MOST_NAMES - len(known)]
    if not new:
        return run, None
    before, asked = known[-1:], run.model.get("model")
    told = []
    for name in new:
        if before:
            told.append(f"The server names the model {name} now, before {before[0]}: both may have answered this run.")
        elif name != asked:
            told.append(f"The server names the model {name}; {asked} was asked for.")
        before = [name]
    return _note(run, named_models=[*known, *new]), " ".join(told) or None


def _as_written(run: Run) -> Run:
    """A run as its folder says now: another session may have noted something since it was opened."""
    return replace(run, description=_read_description(run.folder))


def _note(run: Run, **content: object) -> Run:
    described = dict(run.description) | content
    try:
        write_whole(run.folder / RUN, described)
    except OSError as error:
        raise RunError(f"{run.folder / RUN}: cannot be written ({error.strerror}).") from None
    return replace(run, description=described)


def write_whole(path: Path, content: object) -> None:
    """Write JSON aside and move it into place, so that a killed process leaves all of it or nothing."""
    aside = path.with_name(f".{path.name}.unfinished")
    with aside.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)


def _describe(plan: Plan, model: Described, name: str | None) -> dict[str, Any]:
    dataset = plan.examples.dataset
    return {
        "name": name or model.name,
        "settings": plan.settings.describe(),
        "model": model.describe(),
        "examples": plan.examples.describe(),
        "dataset": dataset.receipt,
        "is_invented": dataset.is_invented,
        "n_examples": plan.n_examples,
        "n_requests": plan.n_requests,
        "n_completions": plan.n_completions,
    }


def _plain(content: object) -> Any:
    """The content as JSON gives it back, to be compared with a file."""
    return json.loads(json.dumps(content))


def _without_address(model: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in model.items() if name != "base_url"}


def note_export(run: Run) -> None:
    """Write into `run.json` that requests of a run were exported, so that their answers may be on their way.

    Raises RunError where it cannot be written.
    """
    _note(_as_written(run), is_exported=True)


def _reopen(folder: Path, wanted: Mapping[str, Any], *, has_name: bool) -> Run | str:
    """The run that is there; or, where it is another one that can be begun anew, what is told of that."""
    run = open_run(folder)
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
    if run.is_finished or not _has_no_answers(folder):
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
    """Raise RunError unless a run can be begun here: nothing, or what a begin that was killed has left."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RunError(f"{folder}: is a file; expected the name of a folder for the run.")
    names = {path.name for path in folder.iterdir()}
    if not names:
        return
    journal = folder / JOURNAL
    is_ours = _is_empty(journal)
    foreign = sorted(names - {JOURNAL, *PLANNED, f".{RUN}.unfinished"})
    if foreign or not is_ours:
        raise RunError(
            f"{folder}: holds {(foreign or sorted(names))[0]} and no run; choose an empty folder or another name."
        )


def _has_no_answers(folder: Path) -> bool:
    """Whether the journal holds nothing that was paid for: no line, whole or damaged."""
    damaged: list[int] = []
    return next(read_journal(folder, damaged), None) is None and not damaged


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0


def _read_description(folder: Path) -> Mapping[str, Any]:
    path = folder / RUN
    if not folder.is_dir():
        raise RunError(f"{folder}: there is no such folder; expected a run made by `wvb ask`.")
    if not path.is_file():
        raise RunError(f"{folder}: no {RUN}, so this is no run; expected a folder made by `wvb ask`.")
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as JSON ({reason_of(error)}); begin the run again elsewhere.") from None
    absent = [
        key for key in (*_COMPARED, "is_invented", "files") if not isinstance(content, dict) or key not in content
    ]
    if absent:
        raise RunError(f"{path}: says nothing of {absent[0]}; expected what `wvb ask` writes there.")
    return dict(content)


def settings_of(path: Path | str, described: Mapping[str, Any]) -> Settings:
    """The settings that a run was begun with, from their description; `path` says where that stands.

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
