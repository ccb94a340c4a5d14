"""Variables of a server's chat template: sent with each request, part of what a run is, refused where none is."""

import json
from pathlib import Path

import pytest

from tests.elicitation.runs import small_plan
from tests.elicitation.scripted import chat, refusal, request_of, scripted
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._run import begin_run, check_model, load_run
from worldvaluesbench.asking.batch._export import BatchModel, batch_model_of, export_batch
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import ModelError, RunError
from worldvaluesbench.models.hosted._hosted import HostedModel
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._kinds import sort_of

KWARGS = {"enable_thinking": False, "depth": {"of": [1, None]}}


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_they_are_sent_as_they_are_given_and_not_where_none_are() -> None:
    with scripted(lambda body, number: chat("2")) as server:
        for kwargs in (KWARGS, None, {}):
            model = HostedModel("m", server.base_url, chat_template_kwargs=kwargs)
            list(model.replies([request_of()]))
    first, *others = server.bodies
    assert first.pop("chat_template_kwargs") == KWARGS
    assert others == [first, first], "and nothing else changes"


def test_a_server_that_takes_none_says_so_in_one_line() -> None:
    refused = refusal(400, None, "Unrecognized request argument supplied: chat_template_kwargs", None)
    with scripted(lambda body, number: refused) as server:
        model = HostedModel("m", server.base_url, chat_template_kwargs=KWARGS)
        with pytest.raises(ModelError, match=r"takes no chat_template_kwargs .* ask without --chat-template-kwargs"):
            list(model.replies([request_of()]))
    assert len(server.bodies) == 1


def test_plain_completions_have_no_template_to_give_them_to() -> None:
    for make in (HostedModel, BatchModel):
        with pytest.raises(ModelError, match="Plain completions go through no chat template; ask without"):
            make("m", endpoint="completions", chat_template_kwargs=KWARGS)


def test_a_run_goes_on_with_its_own_alone_and_is_exported_with_them(paper: Dataset, tmp_path: Path) -> None:
    plan = small_plan(paper, tmp_path, 3)
    usual = HostedModel("m", "http://localhost:1/v1")
    model = HostedModel("m", "http://localhost:1/v1", chat_template_kwargs=KWARGS)
    before, run = begin_run(plan, usual, tmp_path / "before"), begin_run(plan, model, tmp_path / "run")
    assert "chat_template_kwargs" not in before.model, "runs that were begun before go on"
    for begun, other in ((before, model), (run, usual)):
        with pytest.raises(RunError, match=r"another model.*chat_template_kwargs"):
            check_model(begun, other)
    assert begin_run(plan, HostedModel("m", chat_template_kwargs=KWARGS), run.folder).folder == run.folder
    for begun, sent in ((run, KWARGS), (before, None)):
        batch = batch_model_of(load_run(begun.folder))
        lines = export_batch(begun, tmp_path / f"out-{begun.folder.name}", batch).paths[0].read_text().splitlines()
        assert {json.dumps(json.loads(line)["body"].get("chat_template_kwargs")) for line in lines} == {
            json.dumps(sent)
        }


def test_runs_that_differ_in_them_differ_in_more_than_the_persona(paper: Dataset, tmp_path: Path) -> None:
    conditions = []
    with scripted(lambda body, number: chat("2")) as server:
        for number, kwargs in enumerate((None, {"enable_thinking": False})):
            model = HostedModel("m", server.base_url, chat_template_kwargs=kwargs)
            run = begin_run(small_plan(paper, tmp_path, 3), model, tmp_path / f"run-{number}")
            assert ask(run, model).is_finished
            conditions.append(dict(sort_of(read_answers(run.folder)).conditions or ()))
    usual, given = conditions
    assert given == {**usual, "chat_template_kwargs": '{"enable_thinking": false}'}
