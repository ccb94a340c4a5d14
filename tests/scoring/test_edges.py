"""Odd cases: groups of nobody or of one, items nobody responded to, refusals of the longest scales, two resamples."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.scoring.people import make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.errors import AnswersError, DatasetError
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.compare._compare import compare_answers
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import Reference, respondents_reference, world_reference
from worldvaluesbench.stats._estimate import METHODS, Method, Resampling
from worldvaluesbench.stats._item_sampling import ITEM_SAMPLING
from worldvaluesbench.survey._attributes import parse_groupings

FEW = Resampling(n=40)
HOMES = parse_groupings("H_URBRURAL")


def test_a_grouping_in_which_nobody_is_has_no_rows(tmp_path: Path) -> None:
    """A country where the question was not asked: all are -5."""
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 3, 4] * 5}, {"H_URBRURAL": [-5] * 20})
    answers = read_answers(write_answers(tmp_path / "model.tsv", [("Q1", 101 + k, 1) for k in range(20)]))
    how = How(resampling=FEW)
    scores = score_answers([answers], respondents_reference(dataset), groupings=HOMES, how=how)
    assert scores.table["grouping"].to_list() == ["all"]
    compared = compare_answers([answers], respondents_reference(dataset), groupings=HOMES, how=how)
    assert compared.tables["leaderboard"]["grouping"].to_list() == ["all"]


@pytest.mark.parametrize("item_id", ["Q1", "Q48"])
def test_refusals_are_a_category_against_the_world_too(tmp_path: Path, item_id: str) -> None:
    """Q48 has ten points, and so eleven places with that of refusals."""
    rows = [(item_id, key, 1 + key % 4) for key in range(30)] + [(item_id, 99, "no")] * 10
    answers = read_answers(write_answers(tmp_path / "model.tsv", rows))
    (row,) = score_answers([answers], world_reference(), how=How(resampling=FEW, has_refusals=True)).table.to_dicts()
    assert row["low"] < row["distance"] < row["high"]
    assert row["distance"] >= 1 / 31, "the one person who refused ten times is one example of 31"


def test_strata_and_clusters_of_the_world_are_refused(tmp_path: Path) -> None:
    answers = read_answers(write_answers(tmp_path / "model.tsv", [("Q1", 1, 1)]))
    how = How(resampling=FEW, strata=HOMES[0])
    with pytest.raises(AnswersError, match=r"Strata by H_URBRURAL need respondents.*score with --data"):
        score_answers([answers], world_reference(), how=how)
    with pytest.raises(AnswersError, match=r"Clusters by I_PSU need respondents.*score with --data"):
        score_answers([answers], world_reference(), how=How(resampling=FEW, cluster="I_PSU"))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("has_refusals", [False, True])
def test_two_resamples_with_items_of_one_person_make_no_noise(
    tmp_path: Path, method: Method, has_refusals: bool
) -> None:
    """Of thirty people one alone has Q2: in most seeds here there is a draw without, in some both are."""
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 3] * 10, "Q2": [3] * 30}, {"H_URBRURAL": [1, 2, 2] * 10})
    rows = [*(("Q1", 101 + k, 2) for k in range(30)), ("Q2", 101, 2)]
    answers = read_answers(write_answers(tmp_path / "model.tsv", rows))
    for seed in range(12):
        how = How(1, Resampling(2, seed, method=method), has_refusals=has_refusals)
        scores = score_answers([answers], respondents_reference(dataset), groupings=HOMES, how=how)
        mine = scores.summary.filter(answered_by="model", group="all").row(0, named=True)
        assert mine["mean_low"] <= mine["mean_high"]
        for table in scores.tables.values():
            floats = table.select(pl.selectors.float())
            assert not floats.select(pl.any_horizontal(pl.all().is_nan().any())).item()


def test_several_samples_for_one_person_are_no_more_people(tmp_path: Path) -> None:
    """Of two people each has five samples: ten answers, and still a cell of two."""
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 3, 4] * 5})
    rows = [Row("Q1", key, 1, sample=sample) for key in (101, 102) for sample in range(5)]
    answers = read_answers(make_run(tmp_path / "run", rows, dataset))
    row = score_answers([answers], respondents_reference(dataset, "all")).table.row(0, named=True)
    assert (row["n_responses"], row["n_answers"], row["n_examples"]) == (20, 10, 2)
    assert row["is_too_small"]
    assert row["distance"] is None


def test_who_is_alone_in_a_cell_does_not_say_how_sure_one_can_be(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 3, 4, 4]}, {"H_URBRURAL": [1, 1, 1, 1, 2]})
    answers = read_answers(write_answers(tmp_path / "model.tsv", [("Q1", 101 + k, 1) for k in range(5)]))
    how = How(min_n=1, resampling=FEW)
    tables = score_answers([answers], respondents_reference(dataset), groupings=HOMES, how=how).tables
    alone = tables["scores"].filter(group="Rural").row(0, named=True)
    assert (alone["n_responses"], alone["distance"]) == (1, 1)
    for column in ("low", "high", "corrected", "noise_floor"):
        assert alone[column] is None
    others = tables["distances"].filter(group="Rural").row(0, named=True)
    assert (others["total_variation"], others["total_variation_low"]) == (1, None)
    several = tables["scores"].filter(group="Urban").row(0, named=True)
    assert several["low"] < several["high"]


def test_people_alone_in_their_strata_are_drawn_from_one_another(tmp_path: Path) -> None:
    """Were each in every draw, strata of one person would make whatever is measured look certain."""
    homes = {"H_URBRURAL": [1, 2] * 10, "G_TOWNSIZE": [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 1, 1, 2, 2]}
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 3, 4] * 5}, homes)
    answers = read_answers(write_answers(tmp_path / "model.tsv", [("Q1", 101 + k, 1 + k % 3) for k in range(20)]))
    reference = respondents_reference(dataset)
    of_one = parse_groupings("H_URBRURAL*G_TOWNSIZE", reference.codebook)[0]
    rows = [
        score_answers([answers], reference, how=How(resampling=Resampling(n=200), strata=strata)).table.row(
            0, named=True
        )
        for strata in (of_one, None)
    ]
    widths = [row["high"] - row["low"] for row in rows]
    assert widths[0] > 0.7 * widths[1]


def test_sources_that_state_probabilities_need_more_respondents_than_ratings(tmp_path: Path) -> None:
    """They add no noise of their own, so with ten respondents the interval near 0 would not hold the truth."""
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 3] * 10, "Q2": [1, 2] * 10 + [-1] * 10})
    keys = range(101, 131)
    ratings = [Row(item, key, 1 + key % 3) for item in ("Q1", "Q2") for key in keys]
    stated = [row._replace(rating=None, probabilities=[0.25] * 4) for row in ratings]
    runs = {
        "ratings": ratings,
        "stated": stated,
        "mixed": [*stated[:-1], ratings[-1]],
        "mixed_too": [*ratings[:-1], stated[-1]],
    }
    answers = [read_answers(make_run(tmp_path / name, rows, dataset)) for name, rows in runs.items()]
    # Q2 has twenty respondents; the one rating among probabilities was given for one who did not respond
    expected = {"ratings": [False, False], "stated": [False, True], "mixed": [False, True], "mixed_too": [False, False]}
    scores = score_answers(answers, respondents_reference(dataset), how=How(min_n=10))
    for name, is_too_small in expected.items():
        assert scores.table.filter(answers=name)["is_too_small"].to_list() == is_too_small, name
    for how, is_too_small in ((How(5, min_n_stated=20), [False, False]), (How(40, min_n_stated=20), [True, True])):
        scores = score_answers(answers[1:2], respondents_reference(dataset), how=how)
        assert scores.table["is_too_small"].to_list() == is_too_small


@pytest.mark.parametrize("sampling", ITEM_SAMPLING)
def test_a_single_item_says_nothing_of_other_items(tmp_path: Path, sampling: Any) -> None:
    """Then its mean is as sure as with items that are fixed."""
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 3, 4] * 5})
    answers = read_answers(write_answers(tmp_path / "model.tsv", [("Q1", 101 + k, 1 + k % 3) for k in range(20)]))
    found = [
        score_answers([answers], respondents_reference(dataset), how=How(resampling=FEW, item_sampling=one)).summary
        for one in (sampling, "fixed")
    ]
    assert found[0].equals(found[1])


def test_an_estimate_is_a_row_of_the_tables_with_its_interval_and_n(tmp_path: Path) -> None:
    weights = {"W_WEIGHT": [1.0, 2.0] * 10}
    dataset = make_dataset(tmp_path / "d", {"Q1": [1, 2, 3, 4] * 5}, {"H_URBRURAL": [1, 1, 1, 2] * 5}, weights=weights)
    answers = read_answers(write_answers(tmp_path / "m.tsv", [("Q1", 101 + k, 1 + k % 3) for k in range(20)]))
    reference = respondents_reference(dataset, "probe", "W_WEIGHT")
    scores = score_answers([answers], reference, groupings=HOMES, how=How(resampling=FEW))
    cell = scores.table.filter(group="all").row(0, named=True)
    of_item = scores.estimate("m", "Q1")
    assert [of_item.value, of_item.low, of_item.high, of_item.n, of_item.corrected] == [
        cell[name] for name in ("distance", "low", "high", "n_effective", "corrected")
    ]
    mean = scores.summary.filter(group="Urban", answered_by="m").row(0, named=True)
    of_group = scores.estimate("m", group="Urban")
    assert [of_group.value, of_group.low, of_group.high, of_group.n, of_group.corrected] == [
        mean[name] for name in ("mean", "mean_low", "mean_high", "n_effective", "mean_corrected")
    ]
    assert str(of_group) == f"{max(mean['mean_corrected'], 0):.3f} [{mean['mean_low']:.3f}, {mean['mean_high']:.3f}]"
    for wrong in (("x",), ("m", "Q2"), ("m", "Q1", "Rural")):
        with pytest.raises(AnswersError, match=r"there is no score of .* too small"):
            scores.estimate(*wrong)


def test_a_label_of_two_groupings_needs_the_name_of_one(tmp_path: Path) -> None:
    attributes = {"Q264": [1] * 10 + [2] * 10, "Q265": [2] * 10 + [1] * 10}
    dataset = make_dataset(tmp_path / "d", {"Q1": [1, 2, 3, 4] * 5}, attributes)
    answers = read_answers(write_answers(tmp_path / "m.tsv", [("Q1", 101 + k, 1 + k % 3) for k in range(20)]))
    groupings = parse_groupings("Q264,Q265")
    scores = score_answers([answers], respondents_reference(dataset), groupings=groupings)
    of_each = [set(scores.table.filter(grouping=name)["group"]) for name in attributes]
    label = sorted(of_each[0] & of_each[1])[0]
    for item_id in (None, "Q1"):
        with pytest.raises(AnswersError, match=f"several groups are called '{label}', of Q264, Q265"):
            scores.estimate("m", item_id, label)
        for name in attributes:
            row = scores.table.filter(grouping=name, group=label).row(0, named=True)
            assert scores.estimate("m", item_id, label, grouping=name).value == row["distance"]


def test_configurations_and_references_refuse_to_be_wrong(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", {"Q1": [1, 2]})
    answers = read_answers(write_answers(tmp_path / "m.tsv", [("Q1", 101, 1)]))
    wrong: Any
    for wrong, message in (
        ({"min_n": 0}, "The minimum n is 0; expected 1 or more"),
        ({"min_n_stated": -1}, "The minimum n is -1; expected 1 or more"),
        ({"cluster": "Q1"}, "There is no column of clusters 'Q1'; there are I_PSU, N_REGION_WVS, L_INTERVIEWER_NUMBER"),
        ({"item_sampling": "all"}, "There is no item sampling 'all'; there are within-topics, topics, fixed"),
    ):
        with pytest.raises(AnswersError, match=message):
            How(**wrong)
    with pytest.raises(AnswersError, match="Missing answers are treated as published or as refusals; choose one"):
        score_answers([answers], respondents_reference(dataset), as_published=True, how=How(has_refusals=True))
    for wrong, message in (
        ({"name": "everybody"}, "There is no reference 'everybody'; there are probe, split, all, world"),
        ({"name": "probe"}, "The reference probe needs a dataset"),
        ({"name": "world", "dataset": dataset}, "The reference world needs no dataset"),
    ):
        with pytest.raises(AnswersError, match=message):
            Reference(dataset.codebook, **wrong)
    for wrong in ("heavy", "w_weight"):
        with pytest.raises(
            DatasetError, match=f"There is no weight '{wrong}'; there are none, W_WEIGHT, S018, product"
        ):
            respondents_reference(dataset, "probe", wrong)


def test_an_item_that_a_group_has_nobody_for_has_a_row_without_a_number(tmp_path: Path) -> None:
    """Those in the country were not asked Q2."""
    responses = {"Q1": [1, 2] * 12, "Q2": [3, -4] * 12}
    dataset = make_dataset(tmp_path / "d", responses, {"H_URBRURAL": [1, 2] * 12})
    rows = [(item, 101 + k, 2) for item in responses for k in range(24)]
    answers = read_answers(write_answers(tmp_path / "m.tsv", rows))
    for has_refusals in (False, True):
        how = How(resampling=FEW, has_refusals=has_refusals)
        scores = score_answers([answers], respondents_reference(dataset), groupings=HOMES, how=how)
        (row,) = scores.table.filter(group="Rural", item_id="Q2").to_dicts()
        assert (row["n_responses"], row["n_answers"], row["coverage"], row["distance"]) == (0, 0, None, None)
        assert row["left_out"] == "no_response 12"
        assert row["is_too_small"]
        of_group = scores.summary.filter(group="Rural", answered_by="m").row(0, named=True)
        assert (of_group["n_items"], of_group["mean"]) == (1, pytest.approx(0))
