"""What whoever watches a run is told of it."""

from pathlib import Path

import pytest

from tests.elicitation.runs import Begin, CountingModel, beginner, failing_after, replying
from worldvaluesbench.asking._ask import RateMeter, ask
from worldvaluesbench.asking._budget import Budget
from worldvaluesbench.asking._outcome import Progress
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import ModelError


@pytest.fixture
def begin(paper: Dataset, tmp_path: Path) -> Begin:
    return beginner(paper, tmp_path)


def test_progress_counts_all_sessions_and_is_told_at_the_end(begin: Begin) -> None:
    run = begin(method="sampled", n=2)
    with pytest.raises(ModelError):
        ask(run, CountingModel(failing_after(4, ModelError("stopped"))))
    said = list[Progress]()
    ask(run, CountingModel(replying("no idea", (10, 1))), budget=Budget(None, 1.0, 1.0), watch=said.append)
    first, last = said[0], said[-1]
    assert (first.n_done, first.n_before, first.n_completions, first.n_requests) == (
        8,
        8,
        run.n_completions,
        run.n_requests,
    )
    assert (last.n_done, last.n_before, last.n_unparsed) == (run.n_completions, 8, run.n_completions - 8)
    assert (last.prompt_tokens, last.completion_tokens) == (10 * (run.n_requests - 4), run.n_requests - 4)
    assert last.cost is not None
    assert last.cost > 11e-6 * (run.n_requests - 4)
    assert last.seconds_left == 0


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    now = [0.0]
    meter = RateMeter(lambda: now[0])
    for second in range(1, 101):
        now[0] = float(second)
        meter.count(10 if second <= 50 else 2)
        rate = meter.rate()
    assert rate == pytest.approx(2)
    assert meter.seconds == 100


def test_nobody_is_told_more_often_than_ten_times_a_second() -> None:
    now = [0.0]
    meter = RateMeter(lambda: now[0])
    told = 0
    for step in range(10_000):
        now[0] = step / 1000
        told += meter.is_due()
    assert 90 <= told <= 100
