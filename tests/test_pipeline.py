"""The whole job for one model: the probe that is there is the one asked for, or nothing is asked; and its report."""

import json
from pathlib import Path

import polars as pl
import pytest

from worldvaluesbench.baselines._build import build_baselines, makeable
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import ModelError, ProbeError, RunError
from worldvaluesbench.pipeline._demo import explain_order, mean_by_group
from worldvaluesbench.pipeline._report import report_results
from worldvaluesbench.pipeline._results import Results, evaluate, plan_probe
from worldvaluesbench.planning._examples import ExampleSet, probe_examples
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._imported import import_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.survey._attributes import Grouping

SPEC = 'items = ["Q1", "Q2"]\ncross = ["Q260"]\nper_cell = 4\nseed = 3\n'


def test_a_probe_of_another_specification_is_not_asked_instead(paper: Dataset, tmp_path: Path) -> None:
    spec, results = tmp_path / "mine.toml", Results(tmp_path / "results", paper)
    spec.write_text(SPEC)
    drawn = plan_probe(results, make_settings(), spec)
    assert (
        drawn.n_examples
        == plan_probe(results, make_settings()).n_examples
        == plan_probe(results, make_settings(), spec).n_examples
    )
    with pytest.raises(ProbeError, match=r"was drawn by another specification \(name: 'mine' before, 'paper36' now"):
        plan_probe(results, make_settings(), "paper36")
    spec.write_text(SPEC.replace("seed = 3", "seed = 4"))
    with pytest.raises(ProbeError, match="seed: 3 before, 4 now"):
        plan_probe(results, make_settings(), spec)


def answer_all(examples: ExampleSet, out: Path, name: str) -> None:
    """A finished run of a model that always says 2."""
    items = pl.concat(
        [
            pl.DataFrame({"respondent_id": examples.dataset.respondents()["respondent_id"][examples.rows_of(item_id)]})
            .with_columns(QUESTION_ID=pl.lit(item_id), SCORE=pl.lit(2))
            .rename({"respondent_id": "PARTICIPANT_ID"})
            for item_id in examples.item_ids
        ]
    )
    items.write_csv(out.with_suffix(".csv"))
    import_answers(read_answers(out.with_suffix(".csv")), out, name=name)


def test_a_results_folder_has_a_report_of_its_runs_beside_baselines_of_people(paper: Dataset, tmp_path: Path) -> None:
    results = Results(tmp_path / "results", paper, ["Q1", "Q57"])
    plan_probe(results, make_settings())
    with pytest.raises(RunError, match="holds no finished run; `wvb run` makes one"):
        report_results(results)
    examples = probe_examples(paper, results.probe, results.item_ids)
    answer_all(examples, results.folder / "two", "two")
    comparison, page = report_results(results)
    assert list(comparison.names) == ["two", *makeable()]
    assert comparison.groupings == ("H_URBRURAL", "continent")
    assert "two" in page.read_text()
    assert page == results.report / "report.html"
    assert (results.comparison / "manifest.json").is_file()
    made = {name: (results.baselines / name / "answers.parquet").stat().st_mtime_ns for name in makeable()}
    again, _ = report_results(results)
    kept = {name: (results.baselines / name / "answers.parquet").stat().st_mtime_ns for name in makeable()}
    assert kept == made, "what is there is not made again"
    assert again.tables["leaderboard"].equals(comparison.tables["leaderboard"])
    fewer = Results(results.folder, paper, ["Q1"])
    comparison, _ = report_results(fewer)
    assert comparison.tables["scores"].filter(answers="cell")["item_id"].unique().to_list() == ["Q1"]


def test_means_by_country_hold_every_baseline_once(paper: Dataset, tmp_path: Path) -> None:
    results = Results(tmp_path / "results", paper, ["Q1", "Q57"])
    plan_probe(results, make_settings())
    build_baselines(probe_examples(paper, results.probe, results.item_ids), tmp_path / "people")
    answers = [read_answers(tmp_path / "people" / name) for name in makeable()]
    scores = score_answers(answers, respondents_reference(paper), groupings=[Grouping(("continent",))])
    means = mean_by_group(scores.summary, "continent")
    assert list(means) == ["uniform", "majority", *makeable(), "noise floor"]
    of_cell = scores.summary.filter(grouping="continent", answered_by="cell", answers="cell")["mean"].mean()
    assert means["cell"] == pytest.approx(of_cell)


def test_why_baselines_stand_in_another_order_is_said_of_each_that_does() -> None:
    means = {"uniform": 0.2, "majority": 0.3, "marginal": 0.1, "cell": 0.02, "trees": 0.021, "human": 0.03}
    trees, human = explain_order(means)
    assert trees.startswith("trees scores worse than cell: what attributes tell beyond the country averages out")
    assert human.startswith("human scores worse than cell and trees: it answers with one rating per respondent")


def test_evaluate_does_what_run_does(paper: Dataset, tmp_path: Path) -> None:
    def always_two(prompt: str) -> str:
        assert "\n" in prompt
        return "2"

    out = tmp_path / "results"
    scores = evaluate(always_two, paper.folder, out, item_ids=["Q1", "Q106"], groupings="continent*Q260", limit=30)
    assert {row["answered_by"] for row in scores.summary.to_dicts()} >= {"always_two+demographics", "uniform"}
    assert scores.table["grouping"].unique().sort().to_list() == ["all", "continent*Q260"]
    manifest = json.loads((out / "always_two+demographics" / "manifest.json").read_text())
    assert (manifest["examples"]["n"], manifest["examples"]["limit"]) == (30, 30)
    assert set(manifest["examples"]["item_ids"]) <= {"Q1", "Q106"}
    assert evaluate(always_two, paper, out, item_ids=["Q1", "Q106"], limit=30).table.height > 0
    with pytest.raises(ModelError, match="always_two: cannot answer by token_probs, only by greedy, sampled"):
        evaluate(always_two, paper, out, settings=make_settings("default", method="token_probs"))
