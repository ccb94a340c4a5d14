"""A run folder: begun once, gone on with by the same settings only, and never in the way of a second try."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.elicitation.runs import small_plan, steady_model
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._journal import open_journal
from worldvaluesbench.asking._run import Run, begin_run, check_model, load_run
from worldvaluesbench.asking.batch._export import BatchModel, export_batch
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import RunError
from worldvaluesbench.planning._plan import Plan
from worldvaluesbench.prompts._options import Labels
from worldvaluesbench.prompts._request import Completion, Reply
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.runs._folder import JOURNAL


@pytest.fixture
def plan(paper: Dataset, tmp_path: Path) -> Plan:
    return small_plan(paper, tmp_path, 5)


def test_a_run_says_what_is_asked_of_whom(plan: Plan, paper: Dataset, tmp_path: Path) -> None:
    run = begin_run(plan, steady_model(), tmp_path / "run")
    assert (run.name, run.model) == ("steady", {"backend": "function", "model": "steady"})
    assert run.is_invented
    assert not run.is_finished
    assert (run.n_examples, run.n_requests, run.n_completions) == (plan.n_examples, plan.n_requests, plan.n_requests)
    content = json.loads((tmp_path / "run" / "run.json").read_text())
    assert content["kind"] == "run"
    assert content["dataset"] == paper.receipt
    assert set(content["files"]) == {"requests.parquet", "examples.parquet"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"preset": "mixtral-8x7b-instruct"},
        {"method": "sampled", "n": 3, "seed": 4, "retry_unparsed": 2, "style": "prose", "orders": 2},
        {"labels": "letters", "without_temperature": True, "stop": ("\n\n", "###"), "attributes": ("Q260",)},
    ],
)  # fmt: skip
def test_an_opened_run_has_the_settings_it_was_begun_with(
    paper: Dataset, tmp_path: Path, given: dict[str, Any]
) -> None:
    begin_run(small_plan(paper, tmp_path, 3, **given), steady_model(), tmp_path / "run", "mine")
    run = load_run(tmp_path / "run")
    assert run.settings == make_settings(**given)
    assert run.settings.fingerprint == make_settings(**given).fingerprint
    assert run.name == "mine"


def test_begun_again_with_the_same_it_is_the_same_run(plan: Plan, tmp_path: Path) -> None:
    before = begin_run(plan, steady_model(), tmp_path / "run", "mine")
    said = (tmp_path / "run" / "run.json").read_bytes()
    assert begin_run(plan, steady_model(), tmp_path / "run") == before
    assert begin_run(plan, steady_model(), tmp_path / "run", "mine") == before
    assert (tmp_path / "run" / "run.json").read_bytes() == said


def answer_one(run: Run) -> None:
    with open_journal(run.folder) as journal:
        journal.write(Reply(next(run.requests()), (Completion("1", "stop"),)))


def test_other_settings_are_refused_with_every_difference(paper: Dataset, plan: Plan, tmp_path: Path) -> None:
    answer_one(begin_run(plan, steady_model(), tmp_path / "run"))
    labels: Labels = "letters"
    other = small_plan(paper, tmp_path, 5, method="sampled", temperature=0.5, n=2, labels=labels)
    with pytest.raises(RunError) as told:
        begin_run(other, steady_model("another"), tmp_path / "run", "mine")
    text = str(told.value)
    assert "holds a run with other settings" in text
    for difference in (
        "settings.method: 'greedy' before, 'sampled' now",
        "settings.temperature: 0.0 before, 0.5 now",
        "settings.n: 1 before, 2 now",
        "settings.labels: 'digits' before, 'letters' now",
        "model.model: 'steady' before, 'another' now",
        "name: 'steady' before, 'mine' now",
    ):
        assert difference in text.split("Differences: ")[1].rstrip(".").split("; ")
    assert "\n" not in text


def test_other_examples_are_refused(paper: Dataset, plan: Plan, tmp_path: Path) -> None:
    answer_one(begin_run(plan, steady_model(), tmp_path / "run"))
    with pytest.raises(RunError, match="n_examples: 10 before, 12 now"):
        begin_run(small_plan(paper, tmp_path, 6), steady_model(), tmp_path / "run")


@pytest.mark.parametrize("torn", [None, b"", b'{"id":"a1","s":0,"a":0,"te'])
def test_a_run_without_answers_is_begun_anew(paper: Dataset, plan: Plan, tmp_path: Path, torn: bytes | None) -> None:
    folder = tmp_path / "run"
    assert begin_run(plan, steady_model("mistyped"), folder).note == ""
    (folder / JOURNAL).unlink()
    if torn is not None:
        (folder / JOURNAL).write_bytes(torn)
    other = small_plan(paper, tmp_path, 6, labels="letters")
    run = begin_run(other, steady_model(), folder, "mine")
    for difference in (
        "settings.labels: 'digits' before, 'letters' now",
        "model.model: 'mistyped' before, 'steady' now",
    ):
        assert difference in run.note
    assert run.note.startswith("The run had no answers yet and is begun anew with other settings: ")
    assert "\n" not in run.note
    fresh = begin_run(other, steady_model(), tmp_path / "fresh", "mine")
    assert run.description == fresh.description
    assert list(run.requests()) == list(fresh.requests())
    assert begin_run(other, steady_model(), folder).note == ""
    assert ask(run, steady_model()).is_finished


def test_a_damaged_answer_is_one_too(paper: Dataset, plan: Plan, tmp_path: Path) -> None:
    run = begin_run(plan, steady_model(), tmp_path / "run")
    answer_one(run)
    whole = (run.folder / JOURNAL).read_bytes()
    (run.folder / JOURNAL).write_bytes(whole[:-9] + b"\n")
    with pytest.raises(RunError, match="holds a run with other settings"):
        begin_run(small_plan(paper, tmp_path, 6), steady_model(), run.folder)


def test_a_finished_run_without_its_journal_is_not_begun_anew(paper: Dataset, plan: Plan, tmp_path: Path) -> None:
    run = begin_run(plan, steady_model(), tmp_path / "run")
    ask(run, steady_model())
    (run.folder / JOURNAL).unlink()
    with pytest.raises(RunError, match="holds a run with other settings"):
        begin_run(small_plan(paper, tmp_path, 6), steady_model(), run.folder)
    assert run.is_finished


def test_a_run_that_another_process_begins_anew_in_between_is_not_asked(
    paper: Dataset, plan: Plan, tmp_path: Path
) -> None:
    """Its answers would stand in the journal of another plan."""
    run = begin_run(plan, steady_model(), tmp_path / "run")
    anew = begin_run(small_plan(paper, tmp_path, 6), steady_model(), tmp_path / "run")
    with pytest.raises(RunError, match="another process has begun this run anew"):
        ask(run, steady_model())
    assert ask(anew, steady_model()).is_finished


def test_a_run_whose_requests_were_exported_is_not_begun_anew(paper: Dataset, plan: Plan, tmp_path: Path) -> None:
    """Their answers are paid for, and would be of no run."""
    model = BatchModel("m")
    run = begin_run(plan, model, tmp_path / "run")
    export_batch(run, tmp_path / "batch", model)
    with pytest.raises(RunError, match="whose requests were exported; import their results, or delete it"):
        begin_run(small_plan(paper, tmp_path, 6), model, tmp_path / "run")
    assert begin_run(plan, model, tmp_path / "run").name == run.name


def test_another_model_is_not_asked(plan: Plan, tmp_path: Path) -> None:
    run = begin_run(plan, steady_model(), tmp_path / "run")
    check_model(run, steady_model())
    with pytest.raises(RunError, match=r"another model.*model: 'steady' before, 'other' now"):
        ask(run, steady_model("other"))


@pytest.mark.parametrize("name", ["mine.txt", "requests.parquet", "manifest.json", "journal.jsonl"])
def test_a_folder_that_holds_something_else_is_left_alone(plan: Plan, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / name).write_text("not ours")
    with pytest.raises(RunError, match=f"holds {name} and no run"):
        begin_run(plan, steady_model(), folder)
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [(name, "not ours")]


def test_a_file_in_its_place_is_refused(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="is a file; expected the name of a folder"):
        begin_run(plan, steady_model(), tmp_path / "run")


def test_a_begin_that_was_killed_anywhere_does_not_block_the_next(plan: Plan, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    begin_run(plan, steady_model(), whole)
    order = [JOURNAL, "requests.parquet", "examples.parquet", ".run.json.unfinished.k1"]
    for n in range(len(order) + 1):
        folder = tmp_path / f"killed{n}"
        folder.mkdir()
        for name in order[:n]:
            if name.startswith("."):
                (folder / name).mkdir()
            else:
                (folder / name).write_bytes(b"" if name == JOURNAL else b"half")
        run = begin_run(plan, steady_model(), folder)
        assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}
        assert ask(run, steady_model()).is_finished


def test_a_run_that_is_being_written_is_not_begun_twice(plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with open_journal(folder), pytest.raises(RunError, match="another process is writing to this run"):
        begin_run(plan, steady_model(), folder)
    run = begin_run(plan, steady_model(), folder)
    with open_journal(folder), pytest.raises(RunError, match="another process is writing to this run"):
        ask(run, steady_model())


@pytest.mark.parametrize("name", ["requests.parquet", "examples.parquet"])
def test_a_plan_that_was_changed_is_refused(plan: Plan, tmp_path: Path, name: str) -> None:
    begin_run(plan, steady_model(), tmp_path / "run")
    path = tmp_path / "run" / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(RunError, match=f"{name}: is absent or was changed"):
        load_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "does not describe a run"),
        ('{"kind": "run"}', "says nothing of its model"),
        ('{"kind": "run", "model": {}, "settings": {}, "dataset": {}}', "says nothing of name"),
    ],
)
def test_a_damaged_description_is_one_line(plan: Plan, tmp_path: Path, content: str, told: str) -> None:
    begin_run(plan, steady_model(), tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(content)
    with pytest.raises(RunError, match=told):
        load_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": None}, "imported; there are no requests"),
        ({"settings": {"later": 1}}, "are not those of this version"),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(
    plan: Plan, tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    begin_run(plan, steady_model(), tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RunError, match=told):
        load_run(tmp_path / "run")


def test_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no such folder; expected a run"):
        load_run(tmp_path / "nothing")
    with pytest.raises(RunError, match=r"no run\.json, so this is not a run folder"):
        load_run(tmp_path)


@dataclass(frozen=True)
class Described:
    """Something that answers a run elsewhere: it need not be a model."""

    name: str = "somewhere"

    def describe(self) -> dict[str, object]:
        return {"backend": "batch", "shape": (1, 2)}


def test_what_answers_elsewhere_can_begin_and_reopen_a_run(plan: Plan, tmp_path: Path) -> None:
    run = begin_run(plan, Described(), tmp_path / "run")
    assert begin_run(plan, Described(), tmp_path / "run") == run
    assert replace(run) == run
