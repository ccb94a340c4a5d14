"""What stops a run, its budget, an interrupt, a full disk, costs no answer that has come."""

import json
import os
import resource
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from tests.elicitation.runs import STEADY, Begin, CountingModel, beginner, failing_after, replying, small_plan
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._budget import Budget
from worldvaluesbench.asking._journal import Journal, JournalLine, read_journal
from worldvaluesbench.asking._outcome import Outcome, Progress
from worldvaluesbench.asking._run import begin_run
from worldvaluesbench.asking._state import open_state
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import ModelError, RunError
from worldvaluesbench.planning._plan import build_plan
from worldvaluesbench.prompts._request import Reply, Request


@pytest.fixture
def begin(paper: Dataset, tmp_path: Path) -> Begin:
    return beginner(paper, tmp_path)


@pytest.mark.parametrize("hold", [1, 8, 1000])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.55, 1.0])
def test_the_budget_is_never_passed_and_used_as_far_as_it_goes(begin: Begin, hold: int, share: float) -> None:
    run = begin(max_tokens=100)
    each = 100 * 1e-6 * 1.0 + 20 * 1e-6 * 2.0
    budget = Budget(maximum=share * run.n_requests * each + 0.0007, price_in=1.0, price_out=2.0)
    model = CountingModel(replying("2", (100, 20)), hold)
    outcome = ask(run, model, budget=budget)
    assert outcome.cost == pytest.approx(len(model.given) * each)
    assert budget.maximum is not None
    assert outcome.cost is not None
    assert outcome.cost <= budget.maximum
    assert outcome.n_done == len(model.given)
    if not outcome.is_finished:
        assert budget.maximum - outcome.cost < 0.0007, "there was room for one more at its worst"
        assert "The budget of" in outcome.why
    again = CountingModel(replying("2", (100, 20)), hold)
    second = ask(run, again, budget=budget)
    assert second.cost is not None
    assert again.given == [], "what earlier sessions spent counts"
    assert second.cost == pytest.approx(outcome.cost)
    assert ask(run, again, budget=replace(budget, maximum=1.0)).is_finished


def test_without_reported_tokens_the_worst_is_counted_in_every_session(begin: Begin) -> None:
    run = begin(method="sampled", n=3, max_tokens=50)
    prices = Budget(None, 1.0, 1.0)
    with pytest.raises(ModelError):
        ask(run, CountingModel(failing_after(6, ModelError("stopped"))), budget=prices)
    first_six = list(run.requests())[:6]
    worst = sum(-(-len(request.prompt.encode()) // 3) + 16 + 150 for request in first_six) * 1e-6
    with open_state(run, prices) as state:
        assert state.n_done == 18
        spending = state.spending
    assert spending.spent == pytest.approx(worst)
    assert (spending.cost_is, spending.n_received, spending.n_without_usage) == ("at most", 18, 18)


def test_a_run_that_mixes_replies_with_and_without_usage_says_so_at_its_end_and_ever_after(begin: Begin) -> None:
    run = begin(method="sampled", n=3, max_tokens=50)
    left = [4]

    def answer(request: Request) -> Reply:
        left[0] -= 1
        return replying("2", (10, 5) if left[0] >= 0 else None)(request)

    with pytest.raises(ModelError):
        ask(run, CountingModel(failing_after(6, ModelError("stopped"), answer)), budget=Budget(None, 1.0, 1.0))
    outcome = ask(run, CountingModel(answer), budget=Budget(None, 1.0, 1.0))
    n = run.n_completions
    assert (outcome.cost_is, outcome.n_received, outcome.n_without_usage) == ("at most", n, n - 12)
    manifest = json.loads((run.folder / "manifest.json").read_text())
    kept = ("cost", "cost_is", "n_received", "n_without_usage")
    assert [manifest[name] for name in kept] == [getattr(outcome, name) for name in kept]
    again = ask(run, CountingModel(answer), budget=Budget(None, 1.0, 1.0))
    assert [getattr(again, name) for name in kept] == [getattr(outcome, name) for name in kept]


def test_a_budget_without_a_limit_on_completions_is_refused(paper: Dataset, tmp_path: Path) -> None:
    planned = small_plan(paper, tmp_path)
    endless = build_plan(planned.examples, replace(planned.settings, max_tokens=None))
    model = CountingModel(STEADY)
    run = begin_run(endless, model, tmp_path / "run")
    with pytest.raises(RunError, match="--max-tokens"):
        ask(run, model, budget=Budget(1.0, 1.0, 1.0))
    assert model.given == []


def interrupting(n: int, signum: int, times: int = 1) -> Callable[[Request], Reply]:
    """Answers steadily; sends this process a signal while it answers the n-th request, and those after it."""
    left = [n]

    def answer(request: Request) -> Reply:
        left[0] -= 1
        if -times < left[0] <= 0:
            os.kill(os.getpid(), signum)
        return STEADY(request)

    return answer


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_first_interrupt_takes_in_what_is_in_flight(begin: Begin, signum: int) -> None:
    run, said = begin(), list[Progress]()
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    model = CountingModel(interrupting(5, signum), hold=4)
    outcome = ask(run, model, watch=said.append)
    assert (outcome.is_interrupted, outcome.is_finished) == (True, False)
    assert len(model.given) == 8, "four were in flight when the fifth was answered"
    assert outcome.n_done == 8 == len(list(read_journal(run.folder)))
    assert f"Interrupted: 8 of {run.n_requests}" in outcome.why
    assert [progress.notice for progress in said if progress.notice] == [
        "Stopping: what is in flight is still taken in; once more stops at once."
    ]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    again = CountingModel(STEADY)
    assert ask(run, again).is_finished
    assert len(again.given) == run.n_requests - 8


def test_the_second_interrupt_stops_at_once_and_keeps_what_came(begin: Begin) -> None:
    run = begin()
    model = CountingModel(interrupting(5, signal.SIGINT, times=2), hold=9)
    outcome = ask(run, model)
    assert outcome.is_interrupted
    assert outcome.n_done == 5 == len(list(read_journal(run.folder)))
    assert ask(run, CountingModel(STEADY)).is_finished


class BusyModel(CountingModel):
    """All replies arrive at once; what was not yet taken when it is interrupted is given then, as an endpoint does."""

    def replies(self, requests: Iterable[Request]) -> Iterator[Reply]:
        self.given += requests
        arrived = [self.answer(request) for request in self.given]
        try:
            while arrived:
                yield arrived.pop(0)
        except KeyboardInterrupt:
            yield from arrived
            raise


def test_interrupts_while_a_reply_is_taken_in_lose_nothing_that_had_arrived(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, model, write = begin(), BusyModel(STEADY), Journal.write

    def interrupted(journal: Journal, reply: Reply) -> list[JournalLine]:
        if reply.request is model.given[4]:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return write(journal, reply)

    monkeypatch.setattr(Journal, "write", interrupted)
    ask(run, model)
    assert [line.request_id for line in read_journal(run.folder)] == [request.request_id for request in model.given]
    assert run.is_finished, "all had arrived"


def test_an_interrupt_while_it_is_told_is_told_after_it(begin: Begin) -> None:
    run, said = begin(), list[str | None]()

    def watch(progress: Progress) -> None:
        if not said:
            os.kill(os.getpid(), signal.SIGINT)
        said.append(progress.notice)

    assert ask(run, CountingModel(STEADY), watch=watch).n_done == 0
    assert [notice and notice[:9] for notice in said] == [None, "Stopping:", None]


def test_a_run_can_be_asked_from_another_thread(begin: Begin) -> None:
    run, outcomes = begin(), list[Outcome]()
    thread = Thread(target=lambda: outcomes.append(ask(run, CountingModel(STEADY))))
    thread.start()
    thread.join()
    assert outcomes[0].is_finished


def test_a_full_disk_keeps_what_came_before(begin: Begin) -> None:
    run = begin()
    size = (run.folder / "requests.parquet").stat().st_size  # no file is longer than this one
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    line = '{"id":"0123456789abcdef","s":0,"a":0,"text":"1","finish":"stop"}\n'
    text = "1" + " " * (size // 10)
    n_lines = size // (len(line) + len(text) - 1)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        with pytest.raises(RunError, match=r"journal\.jsonl: cannot be written \(.*\); everything received before"):
            ask(run, CountingModel(replying(text), hold=3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(list(read_journal(run.folder))) == n_lines
    model = CountingModel(STEADY)
    assert ask(run, model).is_finished
    assert len(model.given) == run.n_requests - n_lines
