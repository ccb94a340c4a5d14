"""How respondents were sampled: clusters are drawn whole, within strata; design effects say what that does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.scoring.people import make_dataset, write_answers
from tests.scoring.simulated import Points, panel_of, ratings
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import open_sources
from worldvaluesbench.scoring.measure._bootstrap import Design, draw_people
from worldvaluesbench.scoring.measure._cells import score_groups
from worldvaluesbench.scoring.measure._intervals import Cells, Sampling, find_intervals
from worldvaluesbench.scoring.measure._pairing import Panel, count_clusters, with_refusals
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._groups import find_groups
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.stats._item_sampling import Items
from worldvaluesbench.survey._attributes import parse_groupings

MANY = Resampling(n=3000)
SIMPLE = Design()
Codes = NDArray[np.int64]


def held_against_the_lowest(people: Points) -> Panel:
    """People, (people, items), of items with three points, for whom all answers are the lowest."""
    return panel_of([3] * people.shape[1], ratings(people), ratings(np.zeros_like(people)))


def cells_of(panel: Panel, design: Design, resampling: Resampling = MANY) -> Cells:
    items = Items.of(["Trust"] * panel.n_items)
    every = np.ones((1, panel.n_items), dtype=bool)
    return find_intervals(panel, None, Sampling(resampling, design, items), every).cells


def width_of(cells: Cells) -> float:
    return float(cells.high[0, 0] - cells.low[0, 0])


@pytest.mark.parametrize("m", [2, 5, 10])
def test_of_clusters_that_respond_alike_the_design_effect_is_their_size(m: int) -> None:
    """As the variance of C clusters' means to that of n respondents: (n - 1) / (C - 1). Resamples know it to 3%."""
    of_clusters = np.random.default_rng(1).integers(0, 3, (60, 1))
    panel, cluster = held_against_the_lowest(of_clusters.repeat(m, axis=0)), np.arange(60).repeat(m)
    clustered, alone = (cells_of(panel, design) for design in (Design(cluster=cluster), SIMPLE))
    assert clustered.design_effect[0, 0] == pytest.approx((60 * m - 1) / 59, rel=0.1)
    assert alone.design_effect[0, 0] == pytest.approx(1, rel=0.1)
    assert width_of(clustered) == pytest.approx(m**0.5 * width_of(alone), rel=0.1)


def test_of_clusters_that_say_nothing_of_responses_the_design_effect_is_near_1() -> None:
    """Chance alone makes it differ: of 200 clusters by about a tenth."""
    rng = np.random.default_rng(2)
    panel, cluster = held_against_the_lowest(rng.integers(0, 3, (800, 1))), np.arange(800) % 200
    assert cells_of(panel, Design(cluster=cluster)).design_effect[0, 0] == pytest.approx(1, abs=0.3)


def test_the_design_effect_is_that_of_the_means_of_clusters_within_strata() -> None:
    """Against the formula of a stratified sample of clusters, for clusters of several sizes: a ratio of totals."""
    rng = np.random.default_rng(3)
    cluster = rng.integers(0, 40, 300)
    stratum = cluster % 3
    leaning = rng.normal(0, 0.6, 40)[cluster] + 0.7 * stratum
    people = np.clip(np.round(leaning + rng.normal(0, 0.5, 300)), 0, 2).astype(int)[:, None]
    position = people[:, 0] / 2
    variance = 0.0
    for one in range(3):
        names = np.unique(cluster[stratum == one])
        residuals = [(position[cluster == name] - position.mean()).sum() / 300 for name in names]
        variance += names.size * np.var(residuals, ddof=1)
    expected = variance / (position.var() / 299)
    assert expected > 1.5
    cells = cells_of(held_against_the_lowest(people), Design(stratum, cluster))
    assert cells.design_effect[0, 0] == pytest.approx(expected, rel=0.12)


def test_strata_reduce_it() -> None:
    """Two strata of 100, in which one in ten and nine in ten say the highest: 0.09 of the variance 0.25 is within."""
    high = np.concatenate([np.arange(100) < 10, np.arange(100) < 90])
    panel, stratum = held_against_the_lowest(2 * high.astype(int)[:, None]), np.arange(200) // 100
    within, pooled = (cells_of(panel, design) for design in (Design(stratum), SIMPLE))
    assert within.design_effect[0, 0] == pytest.approx(0.09 / 0.25, rel=0.1)
    assert width_of(within) == pytest.approx(0.6 * width_of(pooled), rel=0.1)
    cluster = np.arange(200) // 5
    both, clusters = (cells_of(panel, Design(strata, cluster)).design_effect[0, 0] for strata in (stratum, None))
    assert both < 0.6 * clusters


def test_weights_make_a_design_effect_of_kishs() -> None:
    """Weights that say nothing of the responses: 1 and the squared coefficient of variation of weights; Kish (1965)."""
    rng = np.random.default_rng(4)
    people, weight = rng.integers(0, 3, (2000, 1)), rng.gamma(2, size=2000)
    panel = held_against_the_lowest(people)
    humans, answers = (replace(side, weight=weight) for side in (panel.humans, panel.answers))
    weighted = replace(panel, humans=humans, answers=answers, examples=humans)
    kish = 2000 * (weight**2).sum() / weight.sum() ** 2
    found = cells_of(weighted, SIMPLE, Resampling(n=1000)).design_effect[0, 0]
    assert found == pytest.approx(kish, rel=0.15)


def test_where_humans_do_not_vary_or_one_is_alone_there_is_no_design_effect() -> None:
    people = np.array([[0, 1, -1]] + [[0, -1, -1]] * 9)
    cells = cells_of(held_against_the_lowest(people), Design(cluster=np.arange(10) // 2))
    assert np.isnan(cells.design_effect).all()
    moving = held_against_the_lowest(np.arange(10)[:, None] % 3)
    assert np.isnan(cells_of(with_refusals(moving), SIMPLE).design_effect).all(), "of refusals there is no mean"


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_whatever_the_design_clusters_are_drawn_whole_and_strata_keep_their_number(
    seed: int, n: int, n_strata: int, n_clusters: int
) -> None:
    """A cluster that reaches into several strata is one in each; nothing else is asked of a design."""
    rng = np.random.default_rng(seed)
    stratum, cluster = rng.integers(0, n_strata, n), rng.integers(0, n_clusters, n)
    panel = held_against_the_lowest(np.zeros((n, 1), dtype=int))
    people = draw_people([panel], None, Design(stratum, cluster), Resampling(20))
    drawn = people.drawn(slice(None))
    assert people.place.tolist() == list(range(n))
    units = np.unique(np.column_stack([stratum, cluster]), axis=0)
    of_units = []
    for one in units.tolist():
        members = drawn[(stratum == one[0]) & (cluster == one[1])]
        assert (members == members[0]).all()
        of_units.append(members[0])
    assert np.sum(of_units, axis=0) == pytest.approx(np.full(20, len(units)), rel=1e-5)
    names, n_units = np.unique(units[:, 0], return_counts=True)
    if n_units.min() > 1:  # else strata are put together
        for one, k in zip(names, n_units, strict=True):
            of_stratum = np.sum(np.array(of_units)[units[:, 0] == one], axis=0)
            assert of_stratum == pytest.approx(np.full(20, k), rel=1e-5)


def test_clusters_of_one_respondent_are_none_and_numbers_of_clusters_say_nothing() -> None:
    panel = held_against_the_lowest(np.random.default_rng(5).integers(0, 3, (50, 1)))
    few = Resampling(n=50)
    plain = draw_people([panel], None, SIMPLE, few)
    single = draw_people([panel], None, Design(np.zeros(50, dtype=np.int64), np.arange(50)), few)
    assert np.array_equal(plain.times, single.times)
    cluster = np.arange(50) // 7
    some, others = (draw_people([panel], None, Design(cluster=codes), few) for codes in (cluster, cluster * 1000 + 17))
    assert np.array_equal(some.times, others.times)


def test_a_stratum_of_one_cluster_is_put_with_another() -> None:
    """Were it in every draw, the six respondents of the third cluster would look certain."""
    stratum, cluster = np.array([0] * 12 + [1] * 6), np.arange(18) // 6
    panel = held_against_the_lowest(np.zeros((18, 1), dtype=int))
    drawn = draw_people([panel], None, Design(stratum, cluster), Resampling(n=50)).drawn(slice(None))
    assert len(set(drawn[12].tolist())) > 1


def test_the_clusters_of_each_cell_are_counted() -> None:
    people = np.array([[0, 1], [1, -1], [2, 0], [0, -1], [1, -1], [2, 2]])
    cluster, member = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 0, 0, 1, 1, -1])
    humans = ratings(people)
    assert count_clusters(humans, None, 1, 2, cluster).tolist() == [[3, 3]]
    assert count_clusters(humans, member, 2, 2, cluster).tolist() == [[2, 2], [1, 0]]


def test_a_cell_of_one_cluster_does_not_say_how_sure_one_can_be(tmp_path: Path) -> None:
    """Drawn once or twice, a cluster has the same shares: its interval would have no width."""
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 3, 4] * 6}, {"H_URBRURAL": [1] * 16 + [2] * 8})
    answers = read_answers(write_answers(tmp_path / "model.tsv", [("Q1", 101 + k, 1 + k % 3) for k in range(24)]))
    reference, how = respondents_reference(dataset), How(min_n=5, resampling=Resampling(n=100))
    (source,) = open_sources([answers], reference, how)
    clustered = replace(source, design=Design(cluster=np.arange(24) // 8))
    groups = find_groups(reference, parse_groupings("H_URBRURAL"), 1)[1]
    table = score_groups(clustered, groups, how).tables["scores"]
    town, country = table.sort("group_codes").to_dicts()
    assert (town["group"], country["group"]) == ("Urban", "Rural")
    assert town["low"] < town["high"]
    assert (country["low"], country["high"], country["corrected"], country["design_effect"]) == (None,) * 4
    assert country["distance"] is not None


def test_designs_are_the_same_where_their_strata_and_clusters_are() -> None:
    codes, same, other = np.array([0, 0, 1]), np.array([0, 0, 1]), np.array([0, 1, 1])
    assert Design(codes).is_same(Design(same))
    assert Design(codes, codes).is_same(Design(same, same))
    assert SIMPLE.is_same(Design())
    for unlike in (Design(other), SIMPLE, Design(None, codes), Design(codes, codes)):
        assert not Design(codes).is_same(unlike)
        assert not unlike.is_same(Design(codes))
