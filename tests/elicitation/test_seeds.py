"""Seeds: every sample of every request has one of its own, the same however and in how many goes it is asked for."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.elicitation.runs import small_plan
from tests.elicitation.scripted import Response, chat, refusal, scripted
from tests.support.mock_server import MockOptions, mock_server
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._journal import read_journal
from worldvaluesbench.asking._run import Run, begin_run
from worldvaluesbench.asking.batch._export import BatchLimits, BatchModel, export_batch
from worldvaluesbench.asking.batch._import import import_batch
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import ModelError
from worldvaluesbench.models._bodies import chat_body
from worldvaluesbench.models.hosted._hosted import HostedModel
from worldvaluesbench.models.hosted._pace import HostedOptions
from worldvaluesbench.planning._examples import split_examples
from worldvaluesbench.planning._plan import build_plan
from worldvaluesbench.prompts._settings import make_settings

Body = dict[str, Any]
SAMPLED: dict[str, Any] = {"method": "sampled", "n": 5, "seed": 1}


def drawn_for(bodies: list[Body], most: int) -> Counter[tuple[str, int]]:
    """Prompt and seed of every completion, of a server that gives so many a call and counts on from its seed."""
    return Counter(
        (body["messages"][0]["content"], body["seed"] + place)
        for body in bodies
        for place in range(min(body.get("n", 1), most))
    )


def hosted(base_url: str) -> HostedModel:
    return HostedModel("m", base_url=base_url, options=HostedOptions(initial_backoff=0, retries=0, concurrency=4))


def begun(paper: Dataset, folder: Path, base_url: str) -> Run:
    return begin_run(small_plan(paper, folder, 12, **SAMPLED), hosted(base_url), folder / "run")


def test_no_two_completions_of_a_plan_share_a_seed(paper: Dataset) -> None:
    items = ("Q1", "Q2", "Q3", "Q4", "Q5", "Q46", "Q48", "Q57", "Q106", "Q107")
    plan = build_plan(split_examples(paper, "test", items), make_settings("default", method="sampled", n=2, seed=1))
    requests = list(plan.requests())
    assert len(requests) > 3_000
    seeds = [chat_body(request, "m")["seed"] + sample for request in requests for sample in range(2)]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) > 0
    assert max(seeds) < 2**31
    others = {
        request.request_id for request in build_plan(plan.examples, make_settings("default", **SAMPLED)).requests()
    }
    assert others == {request.request_id for request in requests}, "how many samples are drawn is no part of an id"


@pytest.mark.parametrize("most", [128, 2, 1], ids=["all of n", "two of n", "one of n"])
@pytest.mark.parametrize("stopped_after", [7, 10])
def test_a_run_that_was_stopped_sends_the_seeds_of_one_that_was_not(
    paper: Dataset, tmp_path: Path, most: int, stopped_after: int
) -> None:
    def answered(body: Body) -> Response:
        return chat(*["2"] * min(body.get("n", 1), most))

    found = []
    for name, is_stopped in (("whole", False), ("stopped", True)):
        (tmp_path / name).mkdir()
        sent: list[Body] = []

        def script(body: Body, number: int, is_stopped: bool = is_stopped, sent: list[Body] = sent) -> Response:
            if is_stopped and stopped_after <= number < stopped_after + 2:
                return refusal(500)
            if is_stopped and number == stopped_after + 2:
                return refusal(401)
            sent.append(body)
            return answered(body)

        with scripted(script) as server:
            run = begun(paper, tmp_path / name, server.base_url)
            if is_stopped:
                with pytest.raises(ModelError, match="HTTP 401"):
                    ask(run, hosted(server.base_url))
            while not ask(run, hosted(server.base_url)).is_finished:
                pass
        found.append(drawn_for(sent, most))
    assert found[0] == found[1]
    assert set(found[0].values()) == {1}
    assert sum(found[0].values()) == run.n_completions


def test_request_files_hold_the_seeds_of_a_run_that_is_asked_one_by_one(paper: Dataset, tmp_path: Path) -> None:
    with scripted(lambda body, number: chat(*["2"] * body.get("n", 1))) as server:
        ask(run := begun(paper, tmp_path, server.base_url), hosted(server.base_url))
    wanted = drawn_for(server.bodies, 128)
    other = begin_run(small_plan(paper, tmp_path, 12, **SAMPLED), BatchModel("m"), tmp_path / "other")

    def exported(name: str, **limits: int) -> list[Body]:
        files = export_batch(other, tmp_path / name, BatchModel("m"), limits=BatchLimits(**limits)).paths
        return [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]

    lines = exported("first", max_n=2)
    assert drawn_for([line["body"] for line in lines], 128) == wanted
    (tmp_path / "results").write_text(
        "".join(
            json.dumps({"custom_id": line["custom_id"], "response": {"body": chat("2").body}, "error": None}) + "\n"
            for line in lines[::3]
        )
    )
    import_batch(other, [tmp_path / "results"])
    answered = drawn_for([line["body"] for line in lines[::3]], 1)
    assert drawn_for([line["body"] for line in exported("rest")], 128) + answered == wanted
    assert run.n_completions == sum(wanted.values())


def test_respondents_are_not_answered_by_the_same_random_numbers(paper: Dataset, tmp_path: Path) -> None:
    # of a server that draws from the seed alone, whatever the prompt says
    said: Callable[[Body], str] = lambda body: str(1 + hash((body["seed"],)) % 4)  # noqa: E731
    with scripted(lambda body, number: chat(said(body))) as server:
        run = begin_run(
            small_plan(paper, tmp_path, 40, method="sampled", seed=1), hosted(server.base_url), tmp_path / "r"
        )
        ask(run, hosted(server.base_url))
    counts = Counter(line.text for line in read_journal(run.folder))
    assert set(counts) == {"1", "2", "3", "4"}
    assert max(counts.values()) < run.n_completions / 2


def test_the_mock_server_draws_from_the_seed_alone_as_real_ones_do(paper: Dataset, tmp_path: Path) -> None:
    texts = []
    for repeat in ("a", "b"):
        (tmp_path / repeat).mkdir()
        with mock_server(MockOptions()) as server:
            model = HostedModel("mock-good", base_url=server.base_url)
            run = begin_run(small_plan(paper, tmp_path / repeat, 40, **SAMPLED), model, tmp_path / repeat / "run")
            assert ask(run, model).is_finished
        texts.append(sorted((line.request_id, line.sample, line.text) for line in read_journal(run.folder)))
    assert texts[0] == texts[1]
    assert len({text for _, _, text in texts[0]}) > 10
