"""Resamples of respondents: each is what scoring those in it, written down one by one, would give."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.scoring.people import make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.measure import _bootstrap as resample
from worldvaluesbench.scoring.measure._bootstrap import Design, Drawing, draw_people, generator_of
from worldvaluesbench.scoring.measure._intervals import resampled_distances
from worldvaluesbench.scoring.measure._pairing import Entries, Panel, build_panel
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._groups import find_groups
from worldvaluesbench.scoring.sources._reference import Reference, read_humans, respondents_reference, world_reference
from worldvaluesbench.scoring.sources._rows import sort_rows
from worldvaluesbench.stats._distribution import Array, shares_of, wasserstein
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.stats._item_sampling import ITEM_SAMPLING
from worldvaluesbench.survey._attributes import parse_groupings
from worldvaluesbench.survey._codebook import load_codebook

ITEMS = ("Q1", "Q48", "Q57")
N_PEOPLE = 60
SOME = Resampling(n=40, seed=3)
SIMPLE = Design()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Sixty people of three continents with weights, of whom one in ten gave no response to an item."""
    rng = np.random.default_rng(8)
    responses = {}
    for item_id in ITEMS:
        scale = load_codebook().item(item_id).scale
        ratings = rng.integers(scale.low, scale.high + 1, N_PEOPLE)
        responses[item_id] = np.where(rng.random(N_PEOPLE) < 0.1, -1, ratings).tolist()
    attributes = {
        "continent": rng.choice([1, 2, 3], N_PEOPLE).tolist(),
        "H_URBRURAL": rng.choice([1, 2], N_PEOPLE).tolist(),
    }
    weights = {"W_WEIGHT": rng.uniform(0.3, 3, N_PEOPLE).tolist()}
    return make_dataset(tmp_path_factory.mktemp("people") / "dataset", responses, attributes, weights=weights)


@pytest.fixture(scope="module", params=["file", "run"])
def answers(request: pytest.FixtureRequest, people: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Ratings of a file, or probabilities and several samples of a run, for most of the people."""
    rng = np.random.default_rng(9)
    folder = tmp_path_factory.mktemp("answers")
    asked = [(item_id, 101 + k) for item_id in ITEMS for k in range(N_PEOPLE) if rng.random() < 0.9]
    if request.param == "file":
        return read_answers(write_answers(folder / "file.tsv", [(*key, rng.integers(1, 3)) for key in asked]))
    rows = []
    for item_id, key in asked:
        n_points = load_codebook().item(item_id).scale.n_points
        if rng.random() < 0.5:
            rows.append(Row(item_id, key, probabilities=rng.dirichlet(np.ones(n_points)).tolist()))
        else:
            rows += [Row(item_id, key, int(rng.integers(1, 3)), sample=sample) for sample in range(3)]
    return read_answers(make_run(folder / "run", rows, people))


def panel_of(answers: Answers, reference: Reference) -> Panel:
    humans = read_humans(reference, [load_codebook().item(item_id) for item_id in ITEMS])
    return build_panel(sort_rows(answers, humans), humans, reference, answers.frame["respondent_id"])


def counts_of(entries: Entries, times: dict[int, float], kept: Any, n_items: int) -> Array:
    """Sums of weight, entry by entry, each as often as its person was drawn."""
    counts = np.zeros((n_items, 10))
    for person, item, point, weight in zip(entries.person, entries.item, entries.point, entries.weights, strict=True):
        if kept is None or person in kept:
            counts[item, point] += weight * times[int(person)]
    return counts


@pytest.mark.parametrize("weight", ["none", "W_WEIGHT"])
@pytest.mark.parametrize("sparse", [0, 10**9], ids=["matrix", "entries"])
def test_a_draw_is_the_score_of_the_people_in_it(
    people: Dataset, answers: Answers, weight: Any, sparse: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resample, "SPARSE", sparse)
    reference = respondents_reference(people, "probe", weight)
    panel = panel_of(answers, reference)
    groups = find_groups(reference, parse_groupings("continent"), 3)[1]
    assert groups.member is not None
    drawn_people = draw_people([panel], groups.member, SIMPLE, SOME)
    drawn = Drawing(panel, drawn_people, SOME).sums(range(3))
    _, gap, draws = next(drawn.answered_by)
    found = resampled_distances(drawn, gap, draws, (3, 3))
    for group in range(3):
        is_in = np.flatnonzero(groups.member == group)
        for b in (0, 17, 39):
            drawn_times = drawn_people.drawn(slice(None))[:, b].tolist()
            times = dict(zip(drawn_people.place.tolist(), drawn_times, strict=True))
            human, answer = (counts_of(side, times, is_in, 3) for side in (panel.humans, panel.answers))
            expected = wasserstein(shares_of(human), shares_of(answer), panel.n_points)
            assert found.draws[group, :, b] == pytest.approx(expected, abs=2e-6)


def test_the_same_seed_draws_the_same_people_whatever_they_are_grouped_by(people: Dataset, answers: Answers) -> None:
    reference = respondents_reference(people)
    panel = panel_of(answers, reference)
    member = find_groups(reference, parse_groupings("continent"), 3)[1].member
    pooled, grouped = (draw_people([panel], groups, SIMPLE, SOME) for groups in (None, member))
    of_person = dict(zip(pooled.place.tolist(), pooled.times.tolist(), strict=True))
    assert [of_person[place] for place in grouped.place.tolist()] == grouped.times.tolist()
    assert not np.array_equal(draw_people([panel], None, SIMPLE, Resampling(n=40, seed=4)).times, pooled.times)


def test_whoever_lacks_the_responses_cannot_repeat_the_draws(people: Dataset, answers: Answers, tmp_path: Path) -> None:
    """Who is in a resample depends on the responses of the dataset, down to one of them, and not on the seed alone."""
    panel = panel_of(answers, respondents_reference(people))
    drawn = draw_people([panel], None, SIMPLE, SOME).times
    assert panel.key
    assert "key" not in repr(panel)
    assert not np.array_equal(draw_people([replace(panel, key=())], None, SIMPLE, SOME).times, drawn)
    responses = {item_id: people.responses([item_id])[item_id].to_list() for item_id in ITEMS}
    first, same = (make_dataset(tmp_path / name, responses) for name in ("first", "same"))
    responses["Q1"][0] = 1 + responses["Q1"][0] % 4
    other = make_dataset(tmp_path / "other", responses)
    keys = [panel_of(answers, respondents_reference(dataset)).key for dataset in (first, same, other)]
    assert keys[0] == keys[1] != keys[2]


def test_streams_of_random_numbers_are_apart(people: Dataset, answers: Answers) -> None:
    panels = panel_of(answers, respondents_reference(people)), panel_of(answers, world_reference())
    firsts = [
        generator_of(panel, resampling, *stream).random()
        for panel in panels
        for resampling in (SOME, Resampling(n=40, seed=4))
        for stream in ((), (1,), (2,))
    ]
    assert len(set(firsts)) == 12


def test_within_strata_every_draw_has_as_many_people_of_each(people: Dataset, answers: Answers) -> None:
    reference = respondents_reference(people)
    panel = panel_of(answers, reference)
    stratum = find_groups(reference, parse_groupings("continent*H_URBRURAL"), 3)[1].member
    assert stratum is not None
    drawn = draw_people([panel], None, Design(stratum), SOME)
    for one in np.unique(stratum):
        is_in = stratum[drawn.place] == one
        assert drawn.drawn(np.flatnonzero(is_in)).sum(axis=0) == pytest.approx(is_in.sum())


def test_scores_have_intervals_around_them_and_a_mean_with_one(people: Dataset, answers: Answers) -> None:
    how = How(min_n=5, resampling=Resampling(n=200))
    scores = score_answers([answers], respondents_reference(people), groupings=parse_groupings("H_URBRURAL"), how=how)
    assert scores.table.height == 9
    assert (scores.table["low"] < scores.table["high"]).all()
    assert scores.table["corrected"].null_count() == 0
    near = scores.table.filter(pl.col("distance") < pl.col("noise_floor"))
    assert near.height > 0
    assert (near["corrected"] < near["distance"]).all(), "noise adds to a distance near 0"
    mine = scores.summary.filter(answered_by=answers.name)
    assert (mine["mean_low"] < mine["mean_corrected"]).all()
    assert (mine["mean_corrected"] < mine["mean_high"]).all()


def test_the_mean_of_some_fixed_items_is_surer_than_one_of_them_and_of_items_that_could_be_others_less(
    people: Dataset, answers: Answers
) -> None:
    """Q1, Q48 and Q57 are of three topics, whose distances are far apart."""
    reference, widths = respondents_reference(people), []
    for sampling in ITEM_SAMPLING:
        how = How(resampling=Resampling(n=200), item_sampling=sampling)
        scores = score_answers([answers], reference, how=how)
        mine = scores.summary.filter(answered_by=answers.name).row(0, named=True)
        widths.append(mine["mean_high"] - mine["mean_low"])
    of_items = (scores.table["high"] - scores.table["low"]).max()
    assert isinstance(of_items, float)
    within_topics, topics, fixed = widths
    assert fixed < of_items
    assert min(within_topics, topics) > 1.3 * fixed


def test_the_world_is_drawn_as_so_many_other_interviews(people: Dataset, answers: Answers) -> None:
    """The variance of its cumulative shares is F (1 - F) / n; of 2,000 resamples it is known to a tenth."""
    panel, resampling = panel_of(answers, world_reference()), Resampling(n=2000)
    drawn = Drawing(panel, draw_people([panel], None, SIMPLE, resampling), resampling).sums(range(1))
    assert panel.marginals is not None
    for item, n_points in enumerate(panel.n_points.tolist()):
        counts, start = panel.marginals[item, :n_points], drawn.columns.start[item]
        share = np.cumsum(counts)[:-1] / counts.sum()
        inner = slice(start, start + n_points - 1)
        assert drawn.humans[inner, 0] == pytest.approx(share, abs=1e-6)
        variance = drawn.drawn_humans[inner].astype(np.float64).var(axis=1)
        assert variance == pytest.approx(share * (1 - share) / counts.sum(), rel=0.15)


def test_a_cell_that_is_too_small_has_counts_and_no_number(people: Dataset, answers: Answers, tmp_path: Path) -> None:
    how = How(min_n=25, resampling=Resampling(n=50))
    scores = score_answers([answers], respondents_reference(people), groupings=parse_groupings("continent"), how=how)
    small = scores.table.filter("is_too_small")
    assert small.height > 0
    assert (small["n_responses"] < 25).any()
    for column in ("distance", "low", "high", "corrected", "noise_floor", "best", "worst", "uniform", "majority"):
        assert small[column].null_count() == small.height
    assert scores.table.filter(~scores.table["is_too_small"])["distance"].null_count() == 0
