"""Asking a run: what arrives is kept, what is there is not asked again, and the manifest comes last."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.elicitation.runs import (
    STEADY,
    Begin,
    CountingModel,
    beginner,
    digit_of,
    failing_after,
    replying,
    small_plan,
    steady_model,
)
from worldvaluesbench._io._folder import check_files
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._journal import open_journal, read_journal
from worldvaluesbench.asking._run import Run, begin_run, load_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import ModelError, RunError
from worldvaluesbench.prompts._request import Completion, Reply, Request, TokenChoice
from worldvaluesbench.runs._folder import JOURNAL


@pytest.fixture
def begin(paper: Dataset, tmp_path: Path) -> Begin:
    return beginner(paper, tmp_path)


def answers_of(run: Run) -> dict[tuple[str, int], tuple[int | None, str | None, int]]:
    """Rating, reason and attempt of every sample in the answers table."""
    table = pl.read_parquet(run.folder / "answers.parquet").unique(["request_id", "sample"])
    kept = table.select("request_id", "sample", "rating", "unparsed", "attempt")
    return {(row[0], row[1] or 0): row[2:] for row in kept.iter_rows()}


def test_a_run_is_asked_once_and_finished(begin: Begin) -> None:
    run, model = begin(), CountingModel(STEADY)
    outcome = ask(run, model)
    assert outcome == replace(outcome, n_done=run.n_requests, n_completions=run.n_requests, unparsed={}, why="")
    assert outcome.is_finished
    assert run.is_finished
    assert sorted(model.samples) == sorted((request.request_id, 0, 0) for request in run.requests())
    manifest = check_files(run.folder, "run")
    assert {"journal.jsonl", "answers.parquet", "run.json"} < set(manifest["files"])
    assert (manifest["n_done"], manifest["n_unparsed"], manifest["unparsed"]) == (run.n_requests, 0, {})
    expected = {(request.request_id, 0): (digit_of(request.prompt), None, 0) for request in run.requests()}
    assert answers_of(run) == expected


def test_a_finished_run_is_not_asked_again(begin: Begin) -> None:
    run = begin()
    before = ask(run, CountingModel(STEADY))
    model = CountingModel(STEADY)
    outcome = ask(run, model)
    assert model.given == []
    assert outcome == replace(before, seconds=0.0, why="The run was finished before; there is nothing to do.")


def test_an_interrupted_run_pays_for_nothing_twice(begin: Begin) -> None:
    whole, run = begin("whole"), begin("run")
    ask(whole, CountingModel(STEADY))
    asked = []
    for n in (0, 1, 7, 12):
        model = CountingModel(failing_after(n, ModelError("The key was revoked.")))
        with pytest.raises(ModelError, match="revoked"):
            ask(run, model)
        assert not run.is_finished
        asked += model.samples[:n]
    assert [(line.request_id, line.sample, line.attempt) for line in read_journal(run.folder)] == asked
    model = CountingModel(STEADY)
    assert ask(run, model).is_finished
    assert len(asked) == 20
    assert not set(asked) & set(model.samples)
    assert sorted(asked + model.samples) == sorted((request.request_id, 0, 0) for request in run.requests())
    assert answers_of(run) == answers_of(whole)


def test_part_of_a_requests_samples_is_completed(begin: Begin) -> None:
    run = begin(method="sampled", n=4)
    first, second, *_ = run.requests()
    with open_journal(run.folder) as journal:
        journal.write(Reply(replace(first, n=1, first_sample=1), (Completion("1"),)))
        journal.write(Reply(replace(second, n=3), (Completion("1"),) * 3))
    model = CountingModel(STEADY)
    assert ask(run, model).is_finished
    asked = [(request.first_sample, request.n) for request in model.given if request.request_id == first.request_id]
    assert asked == [(0, 1), (2, 2)]
    asked = [(request.first_sample, request.n) for request in model.given if request.request_id == second.request_id]
    assert asked == [(3, 1)]
    assert len(model.samples) == run.n_completions - 4


def test_a_model_that_brings_fewer_completions_is_asked_for_the_rest(begin: Begin) -> None:
    run = begin(method="sampled", n=5)

    def two_at_most(request: Request) -> Reply:
        return Reply(request, (Completion("1"),) * min(2, request.n))

    model = CountingModel(two_at_most)
    assert ask(run, model).is_finished
    of_one = [request for request in model.given if request.request_id == model.given[0].request_id]
    assert [(request.first_sample, request.n) for request in of_one] == [(0, 5), (2, 3), (4, 1)]


def test_completions_beyond_those_asked_for_are_not_kept(begin: Begin) -> None:
    run = begin()
    ask(run, CountingModel(lambda request: Reply(request, (Completion("1"), Completion("2")))))
    assert [line.text for line in read_journal(run.folder)] == ["1"] * run.n_requests


def test_failed_requests_are_asked_in_the_next_session(begin: Begin) -> None:
    run = begin()
    unlucky = [request.request_id for request in run.requests()][::3]

    def answer(request: Request) -> Reply:
        return Reply(request, failure="no answer within 9 s.") if request.request_id in unlucky else STEADY(request)

    outcome = ask(run, CountingModel(answer))
    assert (outcome.is_finished, outcome.n_failed) == (False, len(unlucky))
    assert outcome.failures == {"no answer within 9 s.": len(unlucky)}
    assert f"{len(unlucky)} requests failed" in outcome.why
    assert "no answer within 9 s." in outcome.why
    assert not run.is_finished
    model = CountingModel(STEADY)
    assert ask(run, model).is_finished
    assert [request.request_id for request in model.given] == unlucky


@pytest.mark.parametrize("empty", [Reply, lambda request: Reply(request, failure="x")])
def test_a_model_that_never_answers_ends(begin: Begin, empty: Callable[[Request], Reply]) -> None:
    run, model = begin(), CountingModel(empty)
    outcome = ask(run, model)
    assert (outcome.n_failed, outcome.n_done, len(model.given)) == (run.n_requests, 0, run.n_requests)


def test_a_model_that_drops_requests_ends(begin: Begin) -> None:
    class Dropping(CountingModel):
        def replies(self, requests: Iterable[Request]) -> Iterator[Reply]:
            return (STEADY(request) for place, request in enumerate(requests) if place % 2)

    outcome = ask(begin(), Dropping(STEADY))
    assert not outcome.is_finished
    assert "left requests without a reply" in outcome.why


def test_unparsed_samples_are_asked_again_and_recorded_as_such(begin: Begin) -> None:
    run = begin(method="sampled", n=3, retry_unparsed=2)

    def answer(request: Request) -> Reply:
        samples = range(request.first_sample, request.first_sample + request.n)
        # sample 0 is read at once, 1 at the second attempt, 2 never
        texts = ["2" if sample <= request.attempt < 2 and sample < 2 else "no idea" for sample in samples]
        return Reply(request, tuple(map(Completion, texts)))

    model = CountingModel(answer)
    outcome = ask(run, model)
    n = run.n_requests
    assert (outcome.unparsed, outcome.n_retried) == ({"no_number": n}, 3 * n)
    assert outcome.is_finished
    by_attempt = [{sample for _, sample, attempt in model.samples if attempt == number} for number in range(4)]
    assert by_attempt == [{0, 1, 2}, {1, 2}, {2}, set()]
    assert [request.attempt for request in model.given] == sorted(request.attempt for request in model.given)
    for (_, sample), answered in answers_of(run).items():
        assert answered == [(2, None, 0), (2, None, 1), (None, "no_number", 2)][sample]
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert (manifest["unparsed"], manifest["n_retried"]) == ({"no_number": n}, 3 * n)


def test_retries_go_on_where_they_were_interrupted(begin: Begin) -> None:
    run = begin(retry_unparsed=3)
    never = replying("no idea")
    left = [30, 30, 30, 1000]
    samples = []
    for n in left:
        model = CountingModel(failing_after(n, ModelError("stopped"), never))
        try:
            ask(run, model)
        except ModelError:
            samples += model.samples[:n]
        else:
            samples += model.samples
    assert run.is_finished
    assert sorted(samples) == sorted(
        (request.request_id, 0, attempt) for request in run.requests() for attempt in range(4)
    )


def test_a_torn_reply_is_asked_again_and_nothing_else(begin: Begin) -> None:
    run = begin()
    with pytest.raises(ModelError):
        ask(run, CountingModel(failing_after(10, ModelError("stopped"))))
    path = run.folder / JOURNAL
    path.write_bytes(path.read_bytes()[:-5])
    model = CountingModel(STEADY)
    assert ask(run, model).is_finished
    assert len(model.samples) == run.n_completions - 9


def test_a_journal_of_another_run_is_refused(begin: Begin) -> None:
    run, other = begin("run"), begin("other", style="prose")
    ask(other, CountingModel(STEADY))
    (run.folder / JOURNAL).write_bytes((other.folder / JOURNAL).read_bytes())
    with pytest.raises(RunError, match=r"journal\.jsonl line 1: is of another run, or run.json was changed"):
        ask(run, CountingModel(STEADY))


def test_nothing_told_repeats_a_prompt(begin: Begin) -> None:
    run = begin()
    outcome = ask(run, CountingModel(lambda request: Reply(request, failure="HTTP 500")))
    prompts = [set(request.prompt.splitlines()) for request in run.requests()]
    personal = {line for line in prompts[0].union(*prompts) - prompts[0].intersection(*prompts) if len(line) > 8}
    assert len(personal) > 10
    told = outcome.why + (run.folder / "run.json").read_text()
    assert ask(run, CountingModel(STEADY)).is_finished
    told += (run.folder / "manifest.json").read_text()
    assert [line for line in personal if line in told] == []


@pytest.mark.parametrize("method", ["token_probs", "option_likelihood", "verbalised"])
def test_other_methods_are_journalled_and_only_text_is_asked_for_again(begin: Begin, method: str) -> None:
    run = begin(method=method, retry_unparsed=1 if method == "verbalised" else 0)

    def answer(request: Request) -> Reply:
        if method == "token_probs":
            return Reply(request, tokens=(TokenChoice("1", {"1": -0.1, "2": -3.0}),))
        if method == "option_likelihood":
            return Reply(request, option_logprobs=tuple(-1.0 - place for place in range(len(request.options))))
        return Reply(request, (Completion("nothing of the kind"),))

    model = CountingModel(answer)
    outcome = ask(run, model)
    assert outcome.is_finished
    assert len(model.given) == run.n_requests * (2 if method == "verbalised" else 1)
    assert load_run(run.folder).is_finished


def test_a_plain_function_is_enough_of_a_model(paper: Dataset, tmp_path: Path) -> None:
    run = begin_run(small_plan(paper, tmp_path), steady_model(), tmp_path / "run")
    assert ask(run, steady_model()).is_finished
