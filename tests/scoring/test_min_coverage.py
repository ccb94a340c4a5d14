"""Token probabilities with too little on the options are kept in a run and left out of scores, and it is said."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.cli.test_commands import Capture
from tests.cli.test_commands import run as wvb
from tests.elicitation.runs import CountingModel, small_plan
from tests.scoring.people import ALL, make_dataset
from tests.scoring.run_folders import Row, answers_table, make_run
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._run import begin_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.cli._score import say_coverage
from worldvaluesbench.errors import AnswersError, WorldValuesBenchError
from worldvaluesbench.prompts._request import Reply, TokenChoice
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.prompts._template import Method
from worldvaluesbench.reporting.page._page import build_report
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring._scores import Scores, receipt_of
from worldvaluesbench.scoring.compare._compare import compare_answers, merge_comparisons
from worldvaluesbench.scoring.compare._comparison import load_comparison, write_comparison
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._coverage import coverage_sentences, sentences_of
from worldvaluesbench.scoring.sources._reference import respondents_reference

N = 12
COVERAGES = [0.4167, 0.3889, 0.61, 0.44]
"""Of the answer that each three respondents share."""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("people") / "d", {"Q1": [1, 2, 3, 4] * 3, "Q2": [2] * N})


def asked(
    folder: Path,
    people: Dataset,
    coverages: Sequence[float | None] = COVERAGES,
    *,
    method: Method | None = "token_probs",
    spread: Sequence[float] = (0.7, 0.1, 0.1, 0.1),
) -> Path:
    """A run of answers to Q1 with these coverages, each shared by as many respondents, and to Q2 with ratings."""
    each = N // len(coverages)
    of_row = [coverage for coverage in coverages for _ in range(each)]
    rows = [
        Row("Q1", 101 + k, probabilities=list(spread), request_id=f"request {k // each}") for k in range(len(of_row))
    ]
    rows += [Row("Q2", 101 + k, rating=2) for k in range(N)]
    table = answers_table(rows).with_columns(
        coverage=pl.Series([*of_row, *[1.0] * N], dtype=pl.Float64)
    )  # of a rating it is 1
    settings = None if method is None else make_settings(method=method).describe()
    return make_run(folder, table, people, settings=settings)


def scored(run: Path | Answers, people: Dataset, how: How = ALL) -> Scores:
    answers = read_answers(run) if isinstance(run, Path) else run
    return score_answers([answers], respondents_reference(people), how=how)


def counted(scores: Scores, item_id: str = "Q1") -> dict[str, int]:
    row = scores.counts.filter(item_id=item_id).row(0, named=True)
    return {name: n for name, n in row.items() if isinstance(n, int) and n and name != "n_rows"}


@pytest.mark.parametrize(
    ("least", "n_low"), [(0.0, 0), (0.38, 0), (0.3889, 0), (0.389, 3), (0.42, 6), (0.5, 9), (0.61, 9), (1.0, 12)]
)
def test_rows_below_the_minimum_coverage_are_left_out_listwise(
    people: Dataset, tmp_path: Path, least: float, n_low: int
) -> None:
    scores = scored(asked(tmp_path / "run", people), people, replace(ALL, min_coverage=least))
    expected = {"valid": N - n_low, "low_coverage": n_low}
    assert counted(scores) == {name: n for name, n in expected.items() if n}
    assert counted(scores, "Q2") == {"valid": N}, "a rating has no coverage to lack"
    (row,) = scores.table.filter(item_id="Q1").to_dicts()
    assert row["n_responses"] == N - n_low


def test_the_default_is_half_and_what_is_left_out_is_what_an_unparsed_answer_is(
    people: Dataset, tmp_path: Path
) -> None:
    run = asked(tmp_path / "new" / "run", people)
    kept = pl.read_parquet(run / "answers.parquet")
    is_low = pl.col("coverage") < 0.5
    lost = kept.with_columns(  # as a run of which low ones were not kept
        unparsed=pl.when(is_low).then(pl.lit("low_coverage")),
        probabilities=pl.when(~is_low).then("probabilities"),
    )
    old = make_run(tmp_path / "old" / "run", lost, people, settings=make_settings(method="token_probs").describe())
    for how in (ALL, replace(ALL, has_refusals=True)):
        one, two = scored(run, people, how), scored(old, people, how)
        for name, table in one.tables.items():
            assert table.equals(two.tables[name]), name
    reference = respondents_reference(people)
    one, two = (score_answers([read_answers(folder)], reference, as_published=True) for folder in (run, old))
    assert one.table.equals(two.table)


@pytest.mark.parametrize("method", ["option_likelihood", "verbalised"])
def test_what_is_no_probability_of_a_token_is_not_judged_by_its_coverage(
    people: Dataset, tmp_path: Path, method: Method
) -> None:
    run = asked(tmp_path / "run", people, [1e-9, 0.99], method=method)
    assert counted(scored(run, people, replace(ALL, min_coverage=1.0))) == {"valid": N}


def test_answers_made_elsewhere_are_judged_where_they_say_their_coverage(people: Dataset, tmp_path: Path) -> None:
    assert counted(scored(asked(tmp_path / "said", people, method=None), people)) == {"valid": 3, "low_coverage": 9}
    assert counted(scored(asked(tmp_path / "null", people, [None], method=None), people)) == {"valid": N}


@pytest.mark.parametrize("coverage", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_coverage_that_is_none_is_refused_with_its_row(people: Dataset, tmp_path: Path, coverage: float) -> None:
    run = asked(tmp_path / "run", people, [0.6, coverage])
    with pytest.raises(AnswersError, match=r"the coverage of row 7 is .+; expected how much of the probability"):
        read_answers(run)


@pytest.mark.parametrize("least", [-0.1, 1.1, float("nan")])
def test_a_minimum_that_is_no_probability_is_refused(least: float) -> None:
    with pytest.raises(AnswersError, match=r"The minimum coverage is .+; expected a probability, 0 to 1"):
        How(min_coverage=least)


def test_a_score_says_how_many_answers_are_left_out_and_at_which_minimum_they_would_count(
    people: Dataset, tmp_path: Path
) -> None:
    run = asked(tmp_path / "run", people)
    said = (
        "run: 3 of 4 answers have a coverage below 0.5 (0.38 to 0.44) and are left out: all would count at "
        "--min-coverage 0.38, half of them at 0.41."
    )
    scores = scored(run, people)
    assert coverage_sentences(receipt_of(scores)) == sentences_of([read_answers(run)], 0.5) == [said]
    document = json.loads(json.dumps(receipt_of(scores)))
    assert document["settings"]["min_coverage"] == 0.5
    described = document["answers"][0]["coverage"]
    assert (described["n_answers"], described["n_low"], described["lowest"], described["highest"]) == (4, 3, 0.38, 0.61)
    page = build_report(compare_answers([read_answers(run)], respondents_reference(people), how=ALL))
    assert "less than 0.5 was on the answer options" in page
    assert said in page
    at_least = replace(ALL, min_coverage=0.38)
    assert counted(scored(run, people, at_least)) == {"valid": N}, "the minimum that it names is one"
    assert coverage_sentences(receipt_of(scored(run, people, at_least))) == []


def test_every_answer_counts_at_the_minimum_that_is_named(people: Dataset, tmp_path: Path) -> None:
    for place, lowest in enumerate((0.3799999999999999, 0.1, 0.07 - 1e-12, 3.3e-7, 5e-324)):
        run = asked(tmp_path / f"run{place}", people, [lowest, 0.3])
        (said,) = sentences_of([read_answers(run)], 0.5)
        named = float(said.split("all would count at --min-coverage ")[1].split(",")[0])
        assert counted(scored(run, people, replace(ALL, min_coverage=named))) == {"valid": N}


@pytest.mark.parametrize(("n_certain", "is_said"), [(12, True), (11, True), (10, False), (0, False)])
def test_answers_that_are_nearly_all_certain_are_told_to_be_the_servers(
    people: Dataset, tmp_path: Path, n_certain: int, is_said: bool
) -> None:
    rows = [
        Row("Q1", 101 + k, probabilities=[0.0, 1.0, 0.0, 0.0] if k < n_certain else [1e-9, 1 - 1e-9, 0.0, 0.0])
        for k in range(N)
    ]
    run = make_run(tmp_path / "run", rows, people, settings=make_settings(method="token_probs").describe())
    said = coverage_sentences(receipt_of(scored(run, people)))
    assert len(said) == is_said
    if is_said:
        assert f"run: {n_certain} of 12 answers have a probability of exactly 1 on one option" in said[0]
        assert "--temperature 1" in said[0]


def test_answers_that_an_earlier_version_did_not_keep_are_said_to_be_lost(people: Dataset, tmp_path: Path) -> None:
    rows = [Row("Q1", 101 + k, unparsed="low_coverage") for k in range(N)]
    run = make_run(tmp_path / "run", rows, people, settings=make_settings(method="token_probs").describe())
    (said,) = coverage_sentences(receipt_of(scored(run, people)))
    assert said.startswith("run: 12 answers have no distribution to count at any --min-coverage")


def test_sources_are_compared_with_one_minimum_and_merged_only_with_the_same(people: Dataset, tmp_path: Path) -> None:
    runs = [asked(tmp_path / name, people) for name in "ab"]
    reference = respondents_reference(people)

    def compared(run: Path, least: float = 0.38) -> Path:
        how = replace(ALL, min_coverage=least)
        folder = tmp_path / f"{run.name}{least}"
        write_comparison(compare_answers([read_answers(run)], reference, how=how), folder)
        return folder

    first, second = (load_comparison(compared(run)) for run in runs)
    assert first.n_common == 2 * N
    assert merge_comparisons([first, second]).receipt["settings"]["min_coverage"] == 0.38
    other = load_comparison(compared(runs[1], 0.5))
    assert other.n_common == N + 3
    with pytest.raises(WorldValuesBenchError, match=r"differ in settings min_coverage: 0\.38 and 0\.5; compare"):
        merge_comparisons([first, other])
    # one of an earlier version says nothing, and was made with a half
    del other.receipt["settings"]["min_coverage"]
    with pytest.raises(WorldValuesBenchError, match=r"min_coverage: 0\.38 and 0\.5"):
        merge_comparisons([first, other])
    half = load_comparison(compared(runs[0], 0.5))
    assert merge_comparisons([half, other]).names == ("a", "b")


def test_the_commands_take_a_minimum_coverage_and_say_what_it_leaves_out(
    capsys: Capture, people: Dataset, tmp_path: Path
) -> None:
    run = asked(tmp_path / "run", people)
    for command in ("score", "compare"):
        call = (command, run, "--data", people.folder, "--resamples", "2", "--min-n", "1", "--by", "")
        assert wvb(*call, "--out", tmp_path / command) == 0
        assert "run: 3 of 4 answers have a coverage below 0.5" in capsys.readouterr().out
        assert wvb(*call, "--out", tmp_path / f"{command}38", "--min-coverage", "0.38") == 0
        assert "coverage below" not in capsys.readouterr().out
    assert wvb("compare", tmp_path / "compare", "--min-coverage", "0.38", "--out", tmp_path / "y") == 2
    assert "--min-coverage has no effect on comparisons that are already made" in capsys.readouterr().err
    assert wvb("score", run, "--data", people.folder, "--out", tmp_path / "x", "--min-coverage", "nan") == 1
    assert "The minimum coverage is nan; expected a probability" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("top", "said"),
    [
        ({"1": -0.9163, "The": -0.6}, "all would count at --min-coverage 0.39."),
        ({"1": 0.0, "2": -9999.0, "The": -9999.0}, "have a probability of exactly 1 on one option"),
        ({"1": 0.0, "2": -math.inf}, "have a probability of exactly 1 on one option"),
        ({"The": 0.0, "2": -math.inf}, "have no distribution to count at any --min-coverage"),
    ],
)
def test_a_run_that_was_asked_says_so_too(
    capsys: Capture, paper: Dataset, tmp_path: Path, top: dict[str, float], said: str
) -> None:
    plan = small_plan(paper, tmp_path, 4, method="token_probs", attributes=())
    model = CountingModel(lambda request: Reply(request, tokens=(TokenChoice(max(top, key=top.__getitem__), top),)))
    run = begin_run(plan, model, tmp_path / "run", "model")
    assert ask(run, model).is_finished
    (sentence,) = sentences_of([read_answers(run.folder)], 0.5)
    assert said in sentence
    say_coverage(run.folder)
    assert sentence in capsys.readouterr().out.replace("\n", " ")
