"""A run asked over HTTP: faults of the server cost time and no answers, and nothing that is told names anyone."""

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.elicitation.runs import small_plan
from tests.support.mock_server import MockOptions, MockServer, mock_server
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._budget import Budget
from worldvaluesbench.asking._journal import read_journal
from worldvaluesbench.asking._outcome import Progress
from worldvaluesbench.asking._run import Run, begin_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.hosted._hosted import HostedModel
from worldvaluesbench.models.hosted._pace import HostedOptions

KEY = "sk-mock-0123456789abcdef"


def hosted(server: MockServer, name: str = "mock-good", **given: Any) -> HostedModel:
    options = HostedOptions(**{"concurrency": 16, "initial_backoff": 0.001, "retries": 12} | given)
    return HostedModel(name, base_url=server.base_url, key_env="MOCK_KEY", options=options)


def begun(dataset: Dataset, folder: Path, server: MockServer, n_each: int = 60, **given: Any) -> Run:
    return begin_run(small_plan(dataset, folder, n_each, **given), hosted(server), folder / "run")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCK_KEY", KEY)


def test_with_a_tenth_of_replies_faulty_a_run_completes_and_counts_what_was_injected(
    paper: Dataset, tmp_path: Path
) -> None:
    faults: dict[str, Any] = {"too_many": 0.03, "errors": 0.03, "hang_ups": 0.02, "broken": 0.02}
    faults |= {"garbage": 0.04, "refusals": 0.03, "cut_offs": 0.02, "filtered": 0.02}
    with mock_server(MockOptions(seed=5, **faults)) as server:
        run = begun(paper, tmp_path, server, n_each=150)
        outcome = ask(run, hosted(server))
        stats = server.stats()
    assert outcome.is_finished
    assert min(stats[kind] for kind in faults) > 0, "every kind of fault was met"
    assert outcome.n_done == run.n_completions == stats["completions"]
    assert outcome.unparsed["refusal"] == stats["refusals"]
    assert outcome.unparsed["filtered"] == stats["filtered"]
    assert outcome.unparsed["truncated"] == stats["cut_offs"]
    assert outcome.n_unparsed == sum(stats[kind] for kind in ("garbage", "refusals", "cut_offs", "filtered"))


def test_unparsed_completions_are_healed_by_asking_again(paper: Dataset, tmp_path: Path) -> None:
    with mock_server(MockOptions(seed=5, garbage=0.2, refusals=0.1)) as server:
        run = begun(paper, tmp_path, server, retry_unparsed=8)
        outcome = ask(run, hosted(server))
        stats = server.stats()
    assert outcome.is_finished
    assert (outcome.n_unparsed, outcome.n_retried) == (0, stats["garbage"] + stats["refusals"])
    assert stats["completions"] == run.n_completions + outcome.n_retried


def test_the_budget_holds_against_a_server_that_counts_tokens(paper: Dataset, tmp_path: Path) -> None:
    share, prices = 0.4, Budget(None, 1.0, 2.0)
    with mock_server() as server:
        (tmp_path / "whole").mkdir()
        whole = ask(begun(paper, tmp_path / "whole", server), hosted(server), budget=prices)
        asked_for_all = server.stats()["requests"]
        assert whole.cost == pytest.approx((whole.prompt_tokens + 2 * whole.completion_tokens) / 1e6)
        assert whole.cost is not None
        budget = Budget(share * whole.cost, 1.0, 2.0)
        outcome = ask(begun(paper, tmp_path, server), hosted(server), budget=budget)
        asked = server.stats()["requests"] - asked_for_all
    assert outcome.cost is not None
    assert outcome.cost <= share * whole.cost
    assert 0 < outcome.n_done == asked < whole.n_done


def test_a_revoked_key_keeps_what_came_and_is_told_in_one_line(
    paper: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with mock_server(MockOptions(key=KEY, revoked_after=50)) as server:
        run = begun(paper, tmp_path, server)
        with pytest.raises(ModelError) as told:
            ask(run, hosted(server))
        n_answered = server.stats()["answered"]
    journalled = list(read_journal(run.folder))
    assert 0 < len(journalled) == n_answered
    assert "\n" not in str(told.value)
    assert "401" in str(told.value) or "key" in str(told.value)
    said = str(told.value) + caplog.text
    assert KEY not in said
    prompts = [set(request.prompt.splitlines()) for request in run.requests()]
    personal = {line for line in prompts[0].union(*prompts) - prompts[0].intersection(*prompts) if len(line) > 8}
    assert [line for line in personal if line in said] == []
    assert [path.name for path in run.folder.iterdir() if KEY.encode() in path.read_bytes()] == []


def test_an_interrupt_takes_in_what_is_in_flight_over_http(paper: Dataset, tmp_path: Path) -> None:
    said = list[Progress]()

    def watch(progress: Progress) -> None:
        if progress.n_done and not any(earlier.n_done for earlier in said):
            os.kill(os.getpid(), signal.SIGINT)
        said.append(progress)

    with mock_server(MockOptions(latency=0.01)) as server:
        run = begun(paper, tmp_path, server)
        outcome = ask(run, hosted(server), watch=watch)
        assert outcome.is_interrupted
        assert outcome.n_done == len(list(read_journal(run.folder))) == server.stats()["requests"]
        assert outcome.n_done < run.n_completions
        assert ask(run, hosted(server)).is_finished
        assert server.stats()["requests"] == run.n_completions


@pytest.mark.parametrize("waiting", [{"requests_per_minute": 6}, {"retries": 3}], ids=["pace", "retry-after"])
def test_ctrl_c_sends_nothing_that_waits_for_its_turn_or_for_another_try(
    paper: Dataset, tmp_path: Path, waiting: dict[str, Any]
) -> None:
    def interrupt(_: Progress) -> None:
        threading.Timer(0.5, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()

    options = MockOptions() if "retries" not in waiting else MockOptions(too_many=1.0, retry_after=60.0)
    with mock_server(options) as server:
        run = begun(paper, tmp_path, server)
        watch = once(interrupt)
        outcome = ask(run, hosted(server, **waiting), watch=watch)
        n_sent = server.stats()["requests"]
        assert outcome.is_interrupted
        assert outcome.n_done <= n_sent <= 16, "of those that could be on their way at a time"
        assert outcome.seconds < 30


def test_ctrl_c_is_heard_where_telling_of_it_takes_longer_than_a_wait(paper: Dataset, tmp_path: Path) -> None:
    """Whoever waits for replies with a limit must not wait for ever because the limit passed in the handler."""
    told: list[Progress] = []

    def watch(progress: Progress) -> None:
        if not told:
            threading.Timer(0.5, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
        told.append(progress)
        if "Stopping" in (progress.notice or ""):
            time.sleep(0.8)

    with mock_server(MockOptions(too_many=1.0, retry_after=30.0)) as server:
        outcome = ask(begun(paper, tmp_path, server), hosted(server, retries=1), watch=watch)
        assert outcome.is_interrupted
        assert outcome.seconds < 15


def test_a_server_that_moved_goes_on_with_the_run_and_is_written_down(paper: Dataset, tmp_path: Path) -> None:
    notices: list[str | None] = []
    with mock_server() as first, mock_server() as second:
        run = begun(paper, tmp_path, first)
        assert ask(run, hosted(first), watch=once(lambda _: os.kill(os.getpid(), signal.SIGINT))).is_interrupted
        again = begin_run(small_plan(paper, tmp_path, 60), hosted(second), run.folder)
        outcome = ask(again, hosted(second), watch=lambda progress: notices.append(progress.notice))
        stored = json.loads((run.folder / "manifest.json").read_text())
        assert outcome.is_finished
        assert (stored["model"]["base_url"], stored["later_base_urls"]) == (first.base_url, [second.base_url])
        assert f"The model is asked at {second.base_url} now; before at {first.base_url}." in str(notices[0])


def once(watch: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """`watch` at the first call alone."""
    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        if not told:
            watch(progress)
        told.append(progress)

    return tell
