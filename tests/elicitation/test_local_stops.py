"""Ctrl-C while weights on this machine are loaded or asked: what was computed is kept, and the run goes on from it."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="local models need torch; pip install worldvaluesbench[local]")
pytest.importorskip("transformers", reason="local models need transformers; pip install worldvaluesbench[local]")

import polars as pl
import transformers
from polars.testing import assert_frame_equal

from tests.elicitation.local_models import save
from tests.elicitation.runs import small_plan
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._journal import read_journal
from worldvaluesbench.asking._run import Run, begin_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.models.local._model import LocalModel, LocalOptions
from worldvaluesbench.prompts._template import Method

ASKED: dict[Method, dict[str, Any]] = {
    "option_likelihood": {},
    "token_probs": {},
    "greedy": {"max_tokens": 24},
    "sampled": {"max_tokens": 24, "n": 5, "temperature": 1.0, "seed": 4},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a limit of its context to be reached by these prompts."""
    made = save(tmp_path_factory.mktemp("models") / "model")
    config = made / "config.json"
    config.write_text(config.read_text().replace('"max_position_embeddings": 512', '"max_position_embeddings": 4096'))
    return made


def fresh(folder: Path) -> LocalModel:
    """The model with small batches, not loaded yet."""
    return LocalModel(str(folder), LocalOptions(batch_tokens=2500, device="cpu"))


def begun(dataset: Dataset, tmp_path: Path, model: LocalModel, method: Method, name: str = "run") -> Run:
    return begin_run(small_plan(dataset, tmp_path, 6, method=method, **ASKED[method]), model, tmp_path / name)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def at_call(number: int, forward: Callable[..., Any], act: Callable[[], None], seen: list[int]) -> Callable[..., Any]:
    """A forward pass that does something besides at its k-th call, and counts its calls."""

    def counting(*args: Any, **given: Any) -> Any:
        seen.append(len(seen))
        if len(seen) == number:
            act()
        return forward(*args, **given)

    return counting


@pytest.mark.parametrize("method", list(ASKED))
def test_the_first_interrupt_lets_the_batch_at_hand_arrive_and_no_other(
    paper: Dataset, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, method: Method
) -> None:
    whole = fresh(folder)
    undisturbed = begun(paper, tmp_path, whole, method, "whole")
    _ = whole.runner
    calls: list[int] = []
    monkeypatch.setattr(whole.loaded.model, "forward", at_call(0, whole.loaded.model.forward, interrupt, calls))
    assert ask(undisturbed, whole).is_finished

    model, some = fresh(folder), begun(paper, tmp_path, fresh(folder), method)
    _ = model.runner
    seen: list[int] = []
    monkeypatch.setattr(model.loaded.model, "forward", at_call(3, model.loaded.model.forward, interrupt, seen))
    outcome = ask(some, model)
    assert outcome.is_interrupted
    assert not outcome.is_finished
    assert 0 < outcome.n_done < some.n_completions
    assert len(list(read_journal(some.folder))) == outcome.n_done
    assert len(seen) < len(calls)
    assert ask(some, fresh(folder)).is_finished
    tables = [pl.read_parquet(run.folder / "answers.parquet") for run in (undisturbed, some)]
    assert_frame_equal(*tables, rel_tol=1e-4)


def test_a_second_interrupt_stops_at_once_and_keeps_the_completions_that_had_ended(
    paper: Dataset, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief = Path(shutil.copytree(folder, tmp_path / "model"))
    ends = {"eos_token_id": list(range(0, 260, 9))}
    (brief / "generation_config.json").write_text(json.dumps(ends))
    model = fresh(brief)
    run = begun(paper, tmp_path, model, "sampled")
    loaded = model.loaded.model
    _ = model.runner

    def twice() -> None:
        interrupt()
        interrupt()

    seen: list[int] = []
    monkeypatch.setattr(loaded, "forward", at_call(12, loaded.forward, twice, seen))
    outcome = ask(run, model)
    assert outcome.is_interrupted
    assert len(seen) == 12
    assert 0 < outcome.n_done < run.n_completions
    assert len(list(read_journal(run.folder))) == outcome.n_done


def test_an_interrupt_while_weights_are_loaded_stops_at_once(
    paper: Dataset, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fresh(folder)
    run = begun(paper, tmp_path, model, "greedy")
    load = transformers.AutoModelForCausalLM.from_pretrained
    n_loaded = []

    def interrupted(*args: Any, **given: Any) -> Any:
        interrupt()
        n_loaded.append(1)
        return load(*args, **given)

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    outcome = ask(run, model)
    assert (outcome.is_interrupted, outcome.n_done, n_loaded) == (True, 0, [])
    assert signal.getsignal(signal.SIGINT) is handler
    monkeypatch.undo()
    assert ask(run, model).is_finished
