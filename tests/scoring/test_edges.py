"""Odd cases: groups of nobody or of one, items nobody responded to, refusals of the longest scales, two resamples."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.scoring.people import make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.errors import AnswersError, DatasetError
from worldvaluesbench.estimate import METHODS, Method, Resampling, Side
from worldvaluesbench.scoring.answers import read_answers
from worldvaluesbench.scoring.compare import compare_answers
from worldvaluesbench.scoring.how import How
from worldvaluesbench.scoring.reference import Reference, respondents_reference, world_reference
from worldvaluesbench.scoring.resample import without_loners
from worldvaluesbench.scoring.score import score_answers
from worldvaluesbench.survey.attributes import parse_groupings

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


def test_strata_of_the_world_are_refused(tmp_path: Path) -> None:
    answers = read_answers(write_answers(tmp_path / "model.tsv", [("Q1", 1, 1)]))
    how = How(resampling=FEW, strata=HOMES[0])
    with pytest.raises(AnswersError, match=r"Strata by H_URBRURAL need respondents.*score with --data"):
        score_answers([answers], world_reference(), how=how)


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


@pytest.mark.parametrize("side", ["both", "reference"])
def test_who_is_alone_in_a_cell_does_not_say_how_sure_one_can_be(tmp_path: Path, side: Side) -> None:
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 3, 4, 4]}, {"H_URBRURAL": [1, 1, 1, 1, 2]})
    answers = read_answers(write_answers(tmp_path / "model.tsv", [("Q1", 101 + k, 1) for k in range(5)]))
    how = How(min_n=1, resampling=Resampling(n=40, side=side))
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


def test_somebody_alone_is_drawn_with_the_smallest_other_stratum() -> None:
    strata = np.array([3, 3, 3, 5, 9, 9, 4, 4, 4, 4])
    assert without_loners(strata).tolist() == [0, 0, 0, 3, 3, 3, 1, 1, 1, 1]
    assert without_loners(np.array([7, 8, 1, 1])).tolist() == [1, 1, 0, 0]
    assert without_loners(np.array([7])).tolist() == [0]


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
    assert str(of_group) == f"{mean['mean']:.3f} [{mean['mean_low']:.3f}, {mean['mean_high']:.3f}]"
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


def test_how_and_against_whom_refuse_to_be_wrong(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", {"Q1": [1, 2]})
    answers = read_answers(write_answers(tmp_path / "m.tsv", [("Q1", 101, 1)]))
    with pytest.raises(AnswersError, match="The minimum n is 0; expected 1 or more"):
        How(min_n=0)
    with pytest.raises(AnswersError, match="Missing answers are treated as published or as refusals; choose one"):
        score_answers([answers], respondents_reference(dataset), as_published=True, how=How(has_refusals=True))
    wrong: Any
    for wrong, message in (
        ({"whom": "everybody"}, "There is no reference 'everybody'; there are probe, split, all, world"),
        ({"whom": "probe"}, "The reference probe needs a dataset"),
        ({"whom": "world", "dataset": dataset}, "The reference world needs no dataset"),
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
