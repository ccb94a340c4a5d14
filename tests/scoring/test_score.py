"""Scores equal those of a second, naive scorer, under both treatments and whatever is wrong with the answers."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.scoring import naive
from tests.scoring.people import ALL, make_dataset, write_answers
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.runs._reasons import OUTCOMES, UNPARSED
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring._scores import Scores
from worldvaluesbench.scoring.sources import _groups as groups_module
from worldvaluesbench.scoring.sources import _rows as rows_module
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference, world_reference
from worldvaluesbench.survey._attributes import parse_groupings
from worldvaluesbench.survey._codebook import load_codebook
from worldvaluesbench.survey._marginals import load_marginals

ITEMS = ("Q1", "Q48", "Q106", "Q111", "Q119", "Q165", "Q234A")
ODD_SCORES = (
    "", " ", "I cannot say", "4.0", " 3", "2e0", "2.7", "-0.5", "0", "-3", "11", "27", "1e9", "99999999999", "nan",
    "inf", "1_0", "True", "+2", "003", "32768", "-32768", "2.", "NA", "2,0",
)  # fmt: skip
ODD_IDS = ("nobody", "", "7", "101.5", "1e30", "-101")
ATTRIBUTES = {"H_URBRURAL": (1, 2, -5), "continent": (1, 2, 3, 6), "education_level": (1, 2, 3, 4, -1)}
GROUPINGS = "H_URBRURAL,continent*education_level"
N_PEOPLE = 80


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Eighty people, of whom one in six gave no response to an item, and nobody at all to Q234A."""
    rng = np.random.default_rng(5)
    responses = {}
    for item_id in ITEMS:
        scale = load_codebook().item(item_id).scale
        ratings = rng.integers(scale.low, scale.high + 1, N_PEOPLE)
        responses[item_id] = np.where(rng.random(N_PEOPLE) < 1 / 6, -1, ratings).tolist()
    responses["Q234A"] = [-4] * N_PEOPLE
    attributes = {key: rng.choice(codes, N_PEOPLE).tolist() for key, codes in ATTRIBUTES.items()}
    return make_dataset(tmp_path_factory.mktemp("people") / "dataset", responses, attributes)


@pytest.fixture(scope="module")
def answers_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve hundred answers, every third of them odd: its score, its id or its item, and some given twice."""
    rng = np.random.default_rng(6)
    rows: list[tuple[object, object, object]] = []
    for _ in range(1200):
        item_id = rng.choice([*ITEMS, "Q999"], p=[0.14] * 7 + [0.02])
        key = rng.choice(ODD_IDS) if rng.random() < 0.05 else str(rng.integers(101, 101 + N_PEOPLE))
        if rng.random() < 0.1:
            key = f"{key}.0"
        score = rng.choice(ODD_SCORES) if rng.random() < 0.3 else str(rng.integers(0, 6))
        rows.append((item_id, key, score))
    return write_answers(tmp_path_factory.mktemp("answers") / "odd.tsv", rows)


@pytest.fixture(scope="module", params=[False, True], ids=["default", "as_published"])
def treated(request: pytest.FixtureRequest, people: Dataset, answers_file: Path) -> Scores:
    return score_answers(
        [read_answers(answers_file)],
        respondents_reference(people),
        groupings=parse_groupings(GROUPINGS),
        as_published=request.param,
        how=ALL,
    )


def responses_of(people: Dataset) -> dict[str, dict[int, int]]:
    wide = people.responses()
    ids = wide["respondent_id"].to_list()
    return {
        item_id: {key: rating for key, rating in zip(ids, wide[item_id].to_list(), strict=True) if rating >= 0}
        for item_id in ITEMS
    }


def ids_of(people: Dataset) -> set[int]:
    return set(people.respondents()["respondent_id"].to_list())


def found_in(row: dict[str, Any]) -> dict[str, float]:
    """What a row of the scores says, NaN for null."""
    return {key: np.nan if row[key] is None else row[key] for key in naive.Score.__annotations__}


def approximately(expected: naive.Score) -> Any:
    return pytest.approx(vars(expected), rel=1e-9, abs=1e-9, nan_ok=True)


def members_of(people: Dataset, row: dict[str, Any]) -> set[int]:
    """Whom a row of the scores speaks of, found by its group codes."""
    everybody = people.respondents()
    if row["group_codes"] is not None:
        for key, code in zip(row["grouping"].split("*"), row["group_codes"].split("·"), strict=True):
            everybody = everybody.filter(pl.col(key) == int(code))
    return set(everybody["respondent_id"].to_list())


def test_every_score_equals_that_of_the_naive_scorer(treated: Scores, people: Dataset, answers_file: Path) -> None:
    rows, responses = naive.read_rows(answers_file), responses_of(people)
    score = naive.score_as_published
    if not treated.as_published:
        rows, score = naive.valid_rows(rows, ids_of(people), responses), naive.score_valid
    assert treated.table.height > 100
    for row in treated.table.to_dicts():
        expected = score(rows, row["item_id"], responses, members_of(people, row))
        assert found_in(row) == approximately(expected), row


def test_every_group_that_was_met_has_a_row_for_every_item(treated: Scores) -> None:
    sizes = treated.table.group_by("grouping", "group").len()["len"]
    assert sizes.to_list() == [len(ITEMS)] * sizes.len()
    assert set(treated.table["grouping"]) == {"all", "H_URBRURAL", "continent*education_level"}


def test_a_missing_level_puts_nobody_in_a_group(treated: Scores) -> None:
    assert treated.table.filter(pl.col("grouping") == "H_URBRURAL")["group"].unique(maintain_order=True).to_list() == [
        "Urban",
        "Rural",
    ]
    assert not treated.table["group_codes"].drop_nulls().str.contains("-").any()


def test_groups_of_a_cross_carry_both_labels(treated: Scores) -> None:
    row = treated.table.filter(pl.col("group_codes") == "2·4").row(0, named=True)
    assert row["group"] == "Asia · Tertiary"


def test_counts_are_those_of_the_naive_scorer_and_add_up(treated: Scores, people: Dataset, answers_file: Path) -> None:
    rows, responses = naive.read_rows(answers_file), responses_of(people)
    ids, seen = ids_of(people), set[tuple[str, int]]()
    expected = [naive.outcome_of(row, ids, responses, seen) for row in rows]
    totals = treated.counts.select(pl.col(*OUTCOMES).sum()).row(0, named=True)
    assert totals == {outcome: expected.count(outcome) for outcome in OUTCOMES}
    kinds = {outcome for outcome, n in totals.items() if n}
    of_files = {"empty", "no_number", "not_integer", "off_scale"}
    assert kinds == set(OUTCOMES) - {"other_split"} - (set(UNPARSED) - of_files), (
        "the file should hold a row of every kind that files have"
    )
    assert treated.counts["n_rows"].sum() == len(rows)
    assert (treated.counts["n_rows"] == treated.counts.select(pl.sum_horizontal(OUTCOMES)).to_series()).all()


def test_a_row_of_an_unknown_item_is_counted_under_no_item(treated: Scores) -> None:
    unknown = treated.counts.filter(pl.col("item_id").is_null())
    assert unknown["n_rows"].to_list() == unknown["unknown_item"].to_list() != [0]


@pytest.mark.parametrize("as_published", [False, True])
def test_against_the_world_the_humans_are_its_marginals(answers_file: Path, as_published: bool) -> None:
    scores = score_answers([read_answers(answers_file)], world_reference(), as_published=as_published, how=ALL)
    rows, marginals = naive.read_rows(answers_file), load_marginals()
    seen = set[tuple[str, str]]()
    for row in scores.table.filter(pl.col("item_id") != "Q234A").to_dicts():
        scale, counts = load_codebook().item(row["item_id"]).scale, marginals.counts(row["item_id"]).tolist()
        answers: list[float] = []
        for _, key, text in (found for found in rows if found[0] == row["item_id"]):
            whole = naive.whole_number(key)
            is_repeated = (row["item_id"], str(whole)) in seen and whole is not None and abs(whole) < 2**53
            number = naive.pandas_number(text)
            if number is not None and as_published:
                answers.append(int(number))
            elif number is not None and number == int(number) and int(number) in scale and not is_repeated:
                answers.append(number)
                seen.add((row["item_id"], str(whole)))
        human = list(itertools.chain.from_iterable([r] * n for r, n in zip(scale.ratings, counts, strict=True)))
        expected = naive.compare(row["item_id"], human, answers, lambda counts: min(naive.tops(counts)))
        assert found_in(row) == approximately(expected), row


def test_against_the_world_an_item_without_marginals_has_no_response(answers_file: Path) -> None:
    scores = score_answers([read_answers(answers_file)], world_reference(), how=ALL)
    row = scores.table.filter(pl.col("item_id") == "Q234A").row(0, named=True)
    assert (row["n_responses"], row["n_answers"], row["distance"], row["uniform"]) == (0, 0, None, None)
    assert scores.counts.filter(pl.col("item_id") == "Q234A")["no_response"].item() > 0


def test_the_world_has_no_groups(answers_file: Path) -> None:
    with pytest.raises(AnswersError, match=r"H_URBRURAL need respondents.*score with --data"):
        score_answers([read_answers(answers_file)], world_reference(), groupings=parse_groupings("H_URBRURAL"), how=ALL)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    rows = [("Q1", 101, 1)]
    files = [write_answers(tmp_path / "a.tsv", rows), write_answers(tmp_path / "a.csv", rows, ",")]
    with pytest.raises(AnswersError, match="Two files of answers are called 'a'"):
        score_answers([read_answers(file) for file in files], world_reference(), how=ALL)


def test_a_file_named_like_a_baseline_is_refused(tmp_path: Path) -> None:
    answers = read_answers(write_answers(tmp_path / "uniform.tsv", [("Q1", 101, 1)]))
    with pytest.raises(AnswersError, match="'uniform' is the name of a baseline"):
        score_answers([answers], world_reference(), how=ALL)


def test_no_file_at_all_is_refused() -> None:
    with pytest.raises(AnswersError, match="no file of answers"):
        score_answers([], world_reference(), how=ALL)


def test_files_over_different_items_are_scored_each_over_its_own(tmp_path: Path) -> None:
    one = read_answers(write_answers(tmp_path / "one.tsv", [("Q2", 1, 1), ("Q1", 1, 1)]))
    other = read_answers(write_answers(tmp_path / "other.tsv", [("Q3", 1, 1)]))
    scores = score_answers([one, other], world_reference(), how=ALL)
    assert scores.table.select("answers", "item_id").rows() == [("one", "Q1"), ("one", "Q2"), ("other", "Q3")]
    assert scores.counts.select("answers", "item_id").rows() == [("one", "Q1"), ("one", "Q2"), ("other", "Q3")]


def test_a_file_without_a_valid_row_has_counts_but_no_distance(tmp_path: Path) -> None:
    scores = score_answers(
        [read_answers(write_answers(tmp_path / "mute.tsv", [("Q1", 1, "?")]))], world_reference(), how=ALL
    )
    assert scores.table["distance"].to_list() == [None]
    assert scores.counts["no_number"].to_list() == [1]
    of_answers = scores.summary.filter(pl.col("answered_by") == "mute").row(0, named=True)
    assert (of_answers["n_items"], of_answers["mean"], of_answers["sd"]) == (0, None, None)


def test_groups_of_single_people_are_refused(
    people: Dataset, answers_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_module, "MAX_CELLS", 10)
    with pytest.raises(AnswersError, match=r"continent makes 4 groups, too many to score 7 items by"):
        score_answers(
            [read_answers(answers_file)], respondents_reference(people), groupings=parse_groupings("continent"), how=ALL
        )


@pytest.mark.parametrize("as_published", [False, True])
def test_the_rows_sorted_at_once_change_nothing(
    people: Dataset, answers_file: Path, as_published: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, reference = [read_answers(answers_file)], respondents_reference(people)
    whole = score_answers(answers, reference, as_published=as_published, how=ALL)
    monkeypatch.setattr(rows_module, "ROWS_AT_ONCE", 7)
    in_slices = score_answers(answers, reference, as_published=as_published, how=ALL)
    for name, table in whole.tables.items():
        assert_frame_equal(in_slices.tables[name], table)
