"""A run whose journal was damaged keeps what is whole, asks again for what is not, and says which line it was."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.cli.test_commands import Capture
from tests.cli.test_commands import run as wvb
from tests.elicitation.runs import CountingModel, digit_of, replying, small_plan
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._budget import Budget
from worldvaluesbench.asking._outcome import Progress
from worldvaluesbench.asking._run import Run, begin_run
from worldvaluesbench.asking._state import make_answers
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import ModelError, RunError
from worldvaluesbench.prompts._request import Completion, Reply, Request
from worldvaluesbench.runs._folder import JOURNAL

N_STOP = 6
STEADY = replying(lambda request: str(digit_of(request.prompt)), (10, 1))
Begun = Callable[..., Run]


@pytest.fixture
def begin(paper: Dataset, tmp_path: Path) -> Begun:
    plan = small_plan(paper, tmp_path, 5)
    return lambda name="run", model="counting": begin_run(plan, CountingModel(STEADY, name=model), tmp_path / name)


def stopping_after(n: int) -> Callable[[Request], Reply]:
    left = [n]

    def answer(request: Request) -> Reply:
        if not left[0]:
            raise ModelError("stopped")
        left[0] -= 1
        return STEADY(request)

    return answer


def stopped(run: Run, model: str = "counting") -> bytes:
    """The journal of a run that was stopped after a few replies."""
    with pytest.raises(ModelError):
        ask(run, CountingModel(stopping_after(N_STOP), name=model))
    return (run.folder / JOURNAL).read_bytes()


def answers_of(run: Run) -> pl.DataFrame:
    return pl.read_parquet(run.folder / "answers.parquet")


def test_what_a_damaged_line_held_is_asked_again_and_nothing_else(begin: Begun) -> None:
    undisturbed = begin("undisturbed")
    ask(undisturbed, CountingModel(STEADY))
    run = begin()
    lines = stopped(run).splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"text":"', b'"text":"\x01')
    (run.folder / JOURNAL).write_bytes(b"".join(lines))
    told: list[Progress] = []
    model = CountingModel(STEADY)
    outcome = ask(run, model, watch=told.append)
    assert outcome.is_finished
    assert outcome.damaged_lines == [3]
    assert len(model.given) == run.n_completions - (N_STOP - 1)
    assert "journal.jsonl line 3 is damaged and left out; what it held is asked for again." in str(told[0].notice)
    assert answers_of(run).equals(answers_of(undisturbed))
    journal = (run.folder / JOURNAL).read_bytes()
    assert journal.startswith(b"".join(lines)), "the damaged line stays where it is"
    assert ask(run, CountingModel(STEADY)).damaged_lines == [3], "the manifest says it too"


def test_no_flipped_byte_ever_changes_an_answer(begin: Begun) -> None:
    """Through the whole way: what is read of a journal with any byte flipped are the answers, or fewer of them."""
    run = begin()
    whole = stopped(run)
    expected = {tuple(row.items()) for row in make_answers(run.folder).drop("probabilities").to_dicts()}
    for place in range(0, len(whole), 3):
        changed = bytes([whole[place] ^ (1 << place % 7)])
        (run.folder / JOURNAL).write_bytes(whole[:place] + changed + whole[place + 1 :])
        damaged: list[int] = []
        found = make_answers(run.folder, damaged=damaged)
        assert {tuple(row.items()) for row in found.drop("probabilities").to_dicts()} <= expected
        assert damaged or found.height == len(expected) or place == len(whole) - 1


def test_a_line_that_is_there_twice_is_counted_and_paid_for_once(begin: Begun) -> None:
    run = begin()
    first, *others = stopped(run).splitlines(keepends=True)
    (run.folder / JOURNAL).write_bytes(b"".join([first, *others, first, first]))
    outcome = ask(run, CountingModel(STEADY), budget=Budget(None, 1.0, 1.0))
    assert outcome.is_finished
    assert outcome.n_done == outcome.n_received == run.n_completions
    assert outcome.prompt_tokens == 10 * run.n_completions
    assert set(answers_of(run)["n"]) == {1}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_line_of_a_run_that_asked_the_same_of_another_model_is_refused(begin: Begun, *, is_first: bool) -> None:
    """Its requests have the same ids, so nothing else would tell."""
    run, other = begin(), begin("other", "another-model")
    own, foreign = stopped(run), stopped(other, "another-model").splitlines(keepends=True)[-1]
    parts = [foreign, own] if is_first else [own, foreign]
    (run.folder / JOURNAL).write_bytes(b"".join(parts))
    number = 1 if is_first else N_STOP + 1
    for read in (lambda: ask(run, CountingModel(STEADY)), lambda: make_answers(run.folder, damaged=[])):
        with pytest.raises(RunError, match=rf"journal\.jsonl line {number}: is of another run"):
            read()


def test_a_sample_that_is_not_asked_for_is_refused(begin: Begun) -> None:
    """As in a line of an earlier version, moved here from a run with more samples."""
    run = begin()
    request = next(run.requests())
    line = f'{{"id":"{request.request_id}","s":1,"a":0,"text":"1","finish":"stop"}}\n'
    (run.folder / JOURNAL).write_text(line)
    model = CountingModel(STEADY)
    for read in (lambda: ask(run, model), lambda: make_answers(run.folder)):
        with pytest.raises(RunError, match="sample 1, which this run does not ask for; the journal is of another run"):
            read()
    assert model.given == [], "it is refused before anything is paid for"


def test_one_odd_reply_fails_alone_and_is_asked_again(begin: Begun) -> None:
    run = begin()
    odd = [Completion(None, "stop")]  # type: ignore[arg-type]

    def answer(request: Request) -> Reply:
        reply = STEADY(request)
        return replace(reply, completions=(odd.pop(),)) if odd else replace(reply, prompt_tokens=10**30)

    outcome = ask(run, CountingModel(answer))
    assert not outcome.is_finished
    assert list(outcome.failures) == ["the reply holds something that is not a text, token or log-probability"]
    assert outcome.n_done == run.n_completions - 1 == outcome.n_without_usage
    assert ask(run, CountingModel(STEADY)).is_finished


def test_a_partial_score_says_which_lines_are_damaged(
    capsys: Capture, begin: Begun, paper: Dataset, tmp_path: Path
) -> None:
    run = begin()
    lines = stopped(run).splitlines(keepends=True)
    (run.folder / JOURNAL).write_bytes(b"".join([lines[0], lines[1][:-9] + b"\n", *lines[2:]]))
    call = ("score", run.folder, "--data", paper.folder, "--partial", "--out", tmp_path / "scores", "--resamples", "0")
    assert wvb(*call) == 0
    assert "journal.jsonl line 2 is damaged and left out" in capsys.readouterr().err
