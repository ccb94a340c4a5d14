"""Diagnostics of collapse, against SciPy, against single people counted one by one, and against simulation."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from worldvaluesbench.scoring.diversity._diversity import (
    count_points_used,
    describe_collapse,
    describe_determination,
    entropy,
    explain_by_group,
    modal_share,
    summarise_collapse,
    summarise_determination,
    variance,
)
from worldvaluesbench.scoring.sources._groups import POOLED, Groups
from worldvaluesbench.stats._distribution import Array
from worldvaluesbench.stats._scale import MAX_POINTS

N_POINTS = np.array([2, 4, 10])
FOUR = Groups("Q260", tuple("abcd"), tuple("1234"))


def counted(*rows: list[float]) -> Array:
    """Counts of one item by group, shape (groups, 1, 10)."""
    return np.array([[row + [0.0] * (MAX_POINTS - len(row))] for row in rows])


def drawn_counts(rng: np.random.Generator, n_groups: int, n: int) -> Array:
    """n people in each group on each item of `N_POINTS`, groups of the same shares."""
    counts = np.zeros((n_groups, N_POINTS.size, MAX_POINTS))
    for item, k in enumerate(N_POINTS):
        counts[:, item, :k] = rng.multinomial(n, rng.dirichlet(np.ones(k)), size=n_groups)
    return counts


def positions_by_group(counts: Array, k: int) -> list[Array]:
    """The position of every single person, group by group, of counts (groups, 10)."""
    return [np.repeat(np.arange(k) / (k - 1), row[:k].astype(int)) for row in counts]


@given(st.lists(st.integers(0, 60), min_size=2, max_size=10).filter(any))
def test_each_measure_of_a_cell_is_that_of_its_people(counts: list[int]) -> None:
    k, padded = len(counts), counts + [0] * (MAX_POINTS - len(counts))
    people = np.repeat(np.arange(k) / (k - 1), counts)
    assert entropy(padded, k) == pytest.approx(stats.entropy(counts, base=2) / np.log2(k), abs=1e-12)
    assert variance(padded, k) == pytest.approx(np.var(people), abs=1e-12)
    assert modal_share(padded) == pytest.approx(np.mean(people == stats.mode(people).mode))
    assert count_points_used(padded) == np.unique(people).size


def test_equal_shares_on_all_points_of_any_scale_have_entropy_1_and_the_two_ends_a_variance_of_a_quarter() -> None:
    for k in N_POINTS:
        everywhere = [1] * k + [0] * (MAX_POINTS - k)
        ends = [1] + [0] * (k - 2) + [1] + [0] * (MAX_POINTS - k)
        assert entropy(everywhere, k) == pytest.approx(1)
        assert variance(ends, k) == pytest.approx(0.25)


def test_a_cell_worked_by_hand() -> None:
    # humans 2, 1, 1 on three points: entropy 1.5 of log2(3) bits; mean 3/8, variance 11/64; answers all in the middle
    table = describe_collapse(
        counted([2, 1, 1]), counted([0, 4, 0]), np.array([3]), item_ids=["Q1"], groups=POOLED
    ).row(0, named=True)
    assert table["entropy_humans"] == pytest.approx(1.5 / np.log2(3))
    assert table["variance_humans"] == pytest.approx(11 / 64)
    assert (table["modal_share_humans"], table["modal_share_answers"]) == (0.5, 1)
    assert (table["n_points_used_humans"], table["n_points_used_answers"]) == (3, 1)
    assert (table["entropy_ratio"], table["variance_ratio"]) == (0, 0)


def test_answers_like_the_humans_have_ratios_of_1_whatever_their_weight() -> None:
    humans = drawn_counts(np.random.default_rng(1), 4, 50)
    table = describe_collapse(humans, humans * 0.37, N_POINTS, item_ids=["Q1", "Q2", "Q3"], groups=FOUR)
    assert table.height == 12
    assert table["item_id"].to_list()[:4] == ["Q1", "Q2", "Q3", "Q1"]
    assert table["group"].to_list()[:4] == ["a", "a", "a", "b"]
    for ratio in ("entropy_ratio", "variance_ratio"):
        assert table[ratio].drop_nulls().to_numpy() == pytest.approx(1)


def test_a_ratio_without_human_variance_is_null_and_an_empty_or_hidden_cell_has_no_number_at_all() -> None:
    humans = counted([5, 0], [0, 0], [2, 3], [2, 3])
    answers = counted([2, 3], [1, 4], [1, 4], [0, 0])
    shown = np.array([[True], [True], [False], [True]])
    table = describe_collapse(humans, answers, np.array([2]), item_ids=["Q1"], groups=FOUR, is_shown=shown)
    assert table["variance_ratio"].to_list() == [None] * 4
    assert table["variance_answers"].to_list() == [pytest.approx(0.24), None, None, None]
    assert table["n_points_used_answers"].to_list() == [2, None, None, None]
    summary = summarise_collapse(table)
    assert summary["n_items"].to_list() == [1, 0, 0, 0]
    assert summary["n_variance_ratios"].to_list() == [0, 0, 0, 0]
    assert summary["variance_answers"].to_list() == [pytest.approx(0.24), None, None, None]


def test_a_summary_has_the_means_over_items_and_the_medians_of_ratios() -> None:
    table = pl.DataFrame(
        {"item_id": ["Q1", "Q2", "Q3"], "group": "all", "group_codes": None}
        | {
            f"{name}_{side}": [0.1, 0.2, 0.6]
            for name in ("entropy", "variance", "modal_share", "n_points_used")
            for side in ("humans", "answers")
        }
        | {"entropy_ratio": [0.5, 40.0, 1.0], "variance_ratio": [0.5, None, 1.0]}
    )
    row = summarise_collapse(table).row(0, named=True)
    assert row["entropy_humans"] == pytest.approx(0.3)
    assert (row["entropy_ratio"], row["variance_ratio"]) == (1.0, 0.75)
    assert (row["n_items"], row["n_entropy_ratios"], row["n_variance_ratios"]) == (3, 3, 2)


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_the_share_explained_by_group_is_that_of_an_analysis_of_variance(seed: int, n_groups: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 9, (n_groups, 1, MAX_POINTS)).astype(float)
    people = positions_by_group(counts[:, 0], MAX_POINTS)
    n = sum(len(one) for one in people)
    f = stats.f_oneway(*people).statistic
    eta = f * (n_groups - 1) / (f * (n_groups - 1) + n - n_groups)
    explained = explain_by_group(counts, np.array([MAX_POINTS]))
    assert explained.eta_squared == pytest.approx(eta)
    assert explained.epsilon_squared == pytest.approx(1 - (1 - eta) * (n - 1) / (n - n_groups))
    assert explained.omega_squared == pytest.approx((n_groups - 1) * (f - 1) / ((n_groups - 1) * (f - 1) + n))
    assert explained.by_chance == pytest.approx((n_groups - 1) / (n - 1))
    assert explained.n_groups == n_groups


def test_groups_that_do_not_differ_explain_by_chance_what_is_said_and_nothing_once_corrected() -> None:
    rng = np.random.default_rng(2)
    found = [explain_by_group(drawn_counts(rng, 46, 5), N_POINTS) for _ in range(400)]
    eta, epsilon, omega = (
        np.nanmean([getattr(one, name) for one in found], axis=0)
        for name in ("eta_squared", "epsilon_squared", "omega_squared")
    )
    assert found[0].by_chance == pytest.approx(45 / 229)
    assert eta == pytest.approx(np.full(3, 45 / 229), abs=0.01)
    assert np.abs(epsilon).max() < 0.01
    assert np.abs(omega).max() < 0.01


def test_small_groups_that_do_differ_explain_once_corrected_what_the_whole_population_shows() -> None:
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.full(4, 4.0), size=46)
    truth = explain_by_group(counted(*(shares * 1e6).tolist()), np.array([4])).eta_squared[0]
    found = [
        explain_by_group(counted(*rng.multinomial(5, shares).astype(float).tolist()), np.array([4])) for _ in range(600)
    ]
    eta, epsilon = (np.mean([getattr(one, name) for one in found]) for name in ("eta_squared", "epsilon_squared"))
    assert eta - truth > 0.1
    assert epsilon == pytest.approx(truth, abs=0.01)


def test_weighted_groups_are_corrected_by_their_effective_numbers() -> None:
    rng = np.random.default_rng(4)
    found = []
    for _ in range(600):
        weight = rng.lognormal(0, 0.8, (30, 8))
        point = rng.integers(0, 2, (30, 8))
        counts = np.stack([(weight * (point == k)).sum(axis=1) for k in range(2)], axis=-1)[:, None]
        n_effective = (weight.sum(axis=1) ** 2 / (weight**2).sum(axis=1))[:, None]
        found.append(explain_by_group(counts, np.array([2]), n_effective=n_effective))
    assert np.mean([one.epsilon_squared for one in found]) == pytest.approx(0, abs=0.01)
    assert np.mean([one.eta_squared - one.by_chance for one in found]) == pytest.approx(0, abs=0.01)


def test_the_scale_of_weights_does_not_matter_where_effective_numbers_are_given() -> None:
    counts = drawn_counts(np.random.default_rng(5), 5, 20)
    as_weights = explain_by_group(counts * 0.01, N_POINTS, n_effective=counts.sum(axis=-1))
    for name in ("eta_squared", "epsilon_squared", "omega_squared", "by_chance"):
        assert getattr(as_weights, name) == pytest.approx(getattr(explain_by_group(counts, N_POINTS), name))


def test_where_the_group_decides_everything_all_of_the_variance_is_explained() -> None:
    explained = explain_by_group(counted([5, 0, 0], [0, 5, 0], [0, 0, 5]), np.array([3]))
    for name in ("eta_squared", "epsilon_squared", "omega_squared"):
        assert getattr(explained, name) == pytest.approx(1)


def test_groups_of_one_explain_everything_in_the_sample_and_nothing_can_be_said_beyond_it() -> None:
    explained = explain_by_group(counted([1, 0], [0, 1]), np.array([2]))
    assert explained.eta_squared == pytest.approx(1)
    assert np.isnan(explained.epsilon_squared)
    assert np.isnan(explained.omega_squared)


def test_the_spread_of_single_answers_counts_as_variance_within_their_group() -> None:
    humans = counted([6, 4], [4, 6])
    # each group is given one distribution for all of its people: what the group explains is as it is in the humans
    spread = describe_determination(humans, counted([6, 4], [4, 6]), np.array([2]), item_ids=["Q1"])
    certain = describe_determination(humans, counted([10, 0], [0, 10]), np.array([2]), item_ids=["Q1"])
    assert spread["eta_squared_answers"].to_list() == pytest.approx([0.04])
    assert spread["eta_ratio"].to_list() == pytest.approx([1])
    assert certain["eta_squared_answers"].to_list() == [1]
    assert certain["eta_ratio"].to_list() == pytest.approx([25])


def test_an_answer_drawn_for_each_person_has_a_ratio_about_1_and_the_truth_itself_no_excess() -> None:
    rng = np.random.default_rng(6)
    shares = rng.dirichlet(np.full(4, 4.0), size=46)
    ratio, excess = [], []
    for _ in range(300):
        humans, answers = (counted(*rng.multinomial(5, shares).astype(float).tolist()) for _ in range(2))
        ratio += describe_determination(humans, answers, np.array([4]), item_ids=["Q1"])["eta_ratio"].to_list()
        truth = counted(*(5 * shares).tolist())
        excess += describe_determination(humans, truth, np.array([4]), item_ids=["Q1"])["excess"].to_list()
    assert np.median(ratio) == pytest.approx(1, abs=0.04)
    assert np.mean(excess) == pytest.approx(0, abs=0.01)


def test_a_group_that_one_side_lacks_is_left_out_of_both() -> None:
    humans, answers = counted([5, 1], [1, 5], [9, 0]), counted([4, 2], [2, 4], [0, 0])
    table = describe_determination(humans, answers, np.array([2]), item_ids=["Q1"])
    assert table.equals(describe_determination(humans[:2], answers[:2], np.array([2]), item_ids=["Q1"]))
    assert table["n_groups"].to_list() == [2]


def test_one_group_or_answers_without_variance_give_nulls_that_are_counted() -> None:
    lonely = describe_determination(counted([5, 1]), counted([4, 2]), np.array([2]), item_ids=["Q1"])
    same = describe_determination(counted([5, 1], [1, 5]), counted([6, 0], [6, 0]), np.array([2]), item_ids=["Q2"])
    assert lonely["eta_squared_humans"].to_list() == [None]
    assert same["eta_squared_answers"].to_list() == [None]
    assert same["eta_squared_humans"].to_list() == pytest.approx([4 / 9])
    full = describe_determination(counted([5, 1], [1, 5]), counted([4, 2], [2, 4]), np.array([2]), item_ids=["Q3"])
    row = summarise_determination(pl.concat([lonely, same, full])).row(0, named=True)
    assert (row["n_items"], row["n_without"]) == (1, 2)
    assert row["eta_squared_humans"] == pytest.approx(4 / 9)
    assert row["eta_ratio"] == pytest.approx(1 / 4)
