"""From a question to a score: functions are asked, and the scores of their runs are those counted by hand."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scipy.stats import wasserstein_distance

from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._run import begin_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.cli import main
from worldvaluesbench.errors import ModelError, RunError
from worldvaluesbench.models._model import FunctionModel
from worldvaluesbench.planning._examples import split_examples
from worldvaluesbench.planning._plan import build_plan
from worldvaluesbench.prompts._request import Sampling
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring._scores import Scores
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference

HOME, SEX = "H_URBRURAL", "Q260"
URBAN, FEMALE = 1, 2


def ask_and_score(dataset: Dataset, model: FunctionModel, folder: Path, **given: Any) -> Scores:
    """Scores of a model that was asked Q1 (scale 1..4) for the whole test split."""
    plan = build_plan(split_examples(dataset, "test", ["Q1"]), make_settings(**given))
    assert ask(begin_run(plan, model, folder), model).is_finished
    return score_answers([read_answers(folder)], respondents_reference(dataset))


def test_two_samples_of_every_person_are_scored_as_counted_by_hand(paper: Dataset, tmp_path: Path) -> None:
    times: Counter[str] = Counter()

    def complete(prompt: str, sampling: Sampling) -> str:
        """For townspeople 1, then 2; for men of the country 4, then nothing; for its women nothing at all."""
        times[prompt] += 1
        is_first = times[prompt] == 1
        if "Urban" in prompt:
            return "1" if is_first else "2"
        return "4" if is_first and "Female" not in prompt else "I cannot answer that."

    given = {"method": "sampled", "n": 2, "attributes": (HOME, SEX)}
    scores = ask_and_score(paper, FunctionModel("by-place", complete=complete), tmp_path / "run", **given)
    humans = paper.examples("test", ["Q1"], [HOME, SEX]).collect()
    in_town, is_woman = pl.col(HOME) == URBAN, pl.col(SEX) == FEMALE
    counted = humans.filter(in_town | ~is_woman)["response"].to_list()
    n_town, n_men = humans.filter(in_town).height, humans.filter(~in_town & ~is_woman).height
    assert 0 < n_men < humans.height - n_town
    found = scores.table.row(0, named=True)
    assert (found["n_responses"], found["n_answers"]) == (n_town + n_men, 2 * n_town + n_men)
    weights = [n_town / 2, n_town / 2, n_men]
    assert found["distance"] == pytest.approx(wasserstein_distance(counted, [1, 2, 4], None, weights) / 3)
    counts = scores.counts.row(0, named=True)
    n_refused = n_men + 2 * (humans.height - n_town - n_men)
    assert (counts["n_rows"], counts["valid"], counts["refusal"]) == (2 * humans.height, 2 * n_town + n_men, n_refused)
    assert sum(times.values()) == 8, "of two places and two sexes there are four prompts"


def test_likelihoods_in_two_orders_are_scored_as_counted_by_hand(paper: Dataset, tmp_path: Path) -> None:
    def option_logprobs(prompt: str, options: Sequence[str]) -> list[float]:
        """The option n has n tenths of the probability, but what is shown first is twice as likely."""
        return [math.log(int(symbol) / 20 * (1 + (place == 0))) for place, symbol in enumerate(options)]

    model = FunctionModel("sure", option_logprobs=option_logprobs)
    scores = ask_and_score(paper, model, tmp_path / "run", method="option_likelihood", orders=2)
    ratings = paper.examples("test", ["Q1"]).collect()["response"].to_list()
    # as is: 2 2 3 4 of 11; reversed: 1 2 3 8 of 14
    weights = [2 / 11 + 1 / 14, 2 / 11 + 2 / 14, 3 / 11 + 3 / 14, 4 / 11 + 8 / 14]
    found = scores.table.row(0, named=True)
    assert (found["n_responses"], found["n_answers"]) == (len(ratings), 2 * len(ratings))
    assert found["distance"] == pytest.approx(wasserstein_distance(ratings, range(1, 5), None, weights) / 3)


def test_a_run_of_another_edition_is_refused(paper: Dataset, corrected: Dataset, tmp_path: Path) -> None:
    model = FunctionModel("two", complete=lambda prompt, sampling: "2")
    scores = ask_and_score(paper, model, tmp_path / "run")
    assert scores.answers[0].describe()["run"]["fingerprint"] == make_settings().fingerprint
    with pytest.raises(
        RunError, match=r"edition paper, not corrected \(identity .*\); score it with the dataset it was made from"
    ):
        score_answers([read_answers(tmp_path / "run")], respondents_reference(corrected))


def test_what_an_interrupted_run_has_can_be_scored(
    paper: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["1", "2", "4"])

    def complete(prompt: str, sampling: Sampling) -> str:
        try:
            return next(answers)
        except StopIteration:
            raise ModelError("The key was revoked.") from None

    model, folder = FunctionModel("short", complete=complete), tmp_path / "run"
    with pytest.raises(ModelError, match="revoked"):
        ask_and_score(paper, model, folder, attributes=("B_COUNTRY",))
    command = ["score", str(folder), "--data", str(paper.folder), "--partial", "--out", str(tmp_path / "scores")]
    with pytest.raises(SystemExit) as stopped:
        main(command)
    assert not stopped.value.code
    assert "short is not finished: scored as far as its answers go" in capsys.readouterr().out
    counts = pl.read_parquet(tmp_path / "scores" / "counts.parquet").row(0, named=True)
    assert 3 <= counts["valid"] == counts["n_rows"] < paper.examples("test", ["Q1"]).collect().height
