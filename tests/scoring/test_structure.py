"""Correlation structure, against NumPy and pandas pair by pair, and against simulation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldvaluesbench.errors import ScaleError
from worldvaluesbench.scoring.diversity._structure import PEOPLE_AT_ONCE, compare_structure, correlate, positions_of
from worldvaluesbench.scoring.measure._pairing import Entries
from worldvaluesbench.stats._distribution import Array


def drawn_positions(rng: np.random.Generator, n: int, n_items: int, *, missing: float = 0.2) -> Array:
    """Ratings on five points that share a trait, as positions; some are missing."""
    trait = rng.normal(size=(n, 1))
    loading = np.linspace(-1, 1, n_items)
    found = np.clip(np.round(2 + trait * loading + rng.normal(size=(n, n_items))), 0, 4) / 4
    return np.where(rng.random(found.shape) < missing, np.nan, found)


def test_of_complete_answers_the_correlations_are_those_of_numpy() -> None:
    positions = drawn_positions(np.random.default_rng(1), 500, 7, missing=0)
    assert correlate(positions).value == pytest.approx(np.corrcoef(positions.T), abs=1e-12)


@given(st.integers(0, 10_000))
def test_of_patchy_answers_each_correlation_is_over_the_people_who_have_both_items_as_pandas_does(seed: int) -> None:
    positions = drawn_positions(np.random.default_rng(seed), 60, 5, missing=0.4)
    found = correlate(positions, least=15)
    expected = pd.DataFrame(positions).corr(min_periods=15).to_numpy()
    assert found.value == pytest.approx(expected, abs=1e-9, nan_ok=True)
    has = ~np.isnan(positions)
    assert (found.n == np.array([[(a & b).sum() for b in has.T] for a in has.T])).all()


def test_more_people_than_are_summed_up_at_a_time_change_nothing() -> None:
    positions = drawn_positions(np.random.default_rng(2), 2 * PEOPLE_AT_ONCE + 5, 4)
    expected = pd.DataFrame(positions).corr().to_numpy()
    assert correlate(positions).value == pytest.approx(expected, abs=1e-12)


def test_a_weighted_person_counts_as_so_many_people() -> None:
    rng = np.random.default_rng(3)
    positions, weight = drawn_positions(rng, 80, 4), rng.integers(1, 4, 80)
    repeated = correlate(np.repeat(positions, weight, axis=0))
    weighted = correlate(positions, weight=weight.astype(float))
    assert weighted.value == pytest.approx(repeated.value)
    assert (weighted.n < repeated.n).all()
    both = ~np.isnan(positions[:, 0]) & ~np.isnan(positions[:, 1])
    w = weight[both]
    assert weighted.n_effective[0, 1] == pytest.approx(w.sum() ** 2 / (w**2).sum())


def test_an_item_that_does_not_vary_where_the_other_is_answered_gives_no_correlation() -> None:
    rng = np.random.default_rng(4)
    positions = drawn_positions(rng, 90, 3, missing=0)
    positions[:45, 0] = 1 / 3  # varies among all people, but not among those who have item 2
    positions[45:, 2] = np.nan
    found = correlate(positions)
    assert np.isnan(found.value[0, 2])
    assert not found.varies[0, 2]
    assert found.n[0, 2] == 45
    assert not np.isnan(found.value[[0, 1], [1, 2]]).any()


def test_positions_are_the_mean_of_what_a_person_was_answered_with() -> None:
    # person 0: two samples of item 0 and a distribution of item 1; person 2: one response of weight 7
    entries = Entries(
        person=np.array([0, 0, 0, 0, 2]),
        item=np.array([0, 0, 1, 1, 1]),
        point=np.array([0, 3, 0, 9, 9]),
        weight=np.array([0.5, 0.5, 0.9, 0.1, 7.0]),
    )
    expected = [[0.5, 0.1], [np.nan, np.nan], [np.nan, 1.0]]
    assert positions_of(entries, np.array([4, 10]), 3) == pytest.approx(np.array(expected), nan_ok=True)


def test_both_sides_are_compared_over_the_people_who_have_both_and_by_topic() -> None:
    rng = np.random.default_rng(5)
    humans, answers = drawn_positions(rng, 400, 6), drawn_positions(rng, 400, 6)
    topics = ["trust", "trust", "faith", "faith", "faith", "work"]
    table = compare_structure(humans, answers, topics)
    shared = ~(np.isnan(humans) | np.isnan(answers))
    r, s = (pd.DataFrame(np.where(shared, side, np.nan)).corr().to_numpy() for side in (humans, answers))
    pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    chosen = {
        ("all", None): pairs,
        ("inside", None): [(i, j) for i, j in pairs if topics[i] == topics[j]],
        ("across", None): [(i, j) for i, j in pairs if topics[i] != topics[j]],
        ("topic", "trust"): [(0, 1)],
        ("topic", "faith"): [(2, 3), (2, 4), (3, 4)],
        ("topic", "work"): [],
    }
    assert [(row["pairs"], row["topic"]) for row in table.to_dicts()] == list(chosen)
    for row, of_set in zip(table.to_dicts(), chosen.values(), strict=True):
        first, second = np.array([r[p] for p in of_set]), np.array([s[p] for p in of_set])
        assert row["n_pairs"] == row["n_compared"] == len(of_set)
        if not of_set:
            assert row["mean_abs_humans"] is row["mean_abs_answers"] is row["by_chance"] is None
            continue
        assert row["mean_abs_humans"] == pytest.approx(np.abs(first).mean())
        assert row["mean_abs_answers"] == pytest.approx(np.abs(second).mean())
        if len(of_set) >= 3:
            assert row["agreement"] == pytest.approx(np.corrcoef(first, second)[0, 1])
        else:
            assert row["agreement"] is None


def test_the_same_positions_on_both_sides_agree_entirely_and_turned_answers_go_against_them() -> None:
    humans = drawn_positions(np.random.default_rng(6), 300, 6)
    same = compare_structure(humans, humans, ["a"] * 6).row(0, named=True)
    assert same["agreement"] == pytest.approx(1)
    assert same["mean_abs_humans"] == same["mean_abs_answers"]
    turned = humans.copy()
    turned[:, ::2] = 1 - turned[:, ::2]
    assert compare_structure(humans, turned, ["a"] * 6).row(0, named=True)["mean_abs_answers"] == pytest.approx(
        same["mean_abs_humans"]
    )


def test_answers_that_say_the_same_of_everybody_are_counted_and_not_compared() -> None:
    humans = drawn_positions(np.random.default_rng(7), 200, 4)
    answers = drawn_positions(np.random.default_rng(8), 200, 4, missing=0)
    answers[:, 1] = 0.1  # has no exact binary form, so its mean is not quite itself
    row = compare_structure(humans, answers, ["a"] * 4).row(0, named=True)
    assert (row["n_pairs"], row["n_constant_humans"], row["n_constant_answers"], row["n_compared"]) == (6, 0, 3, 3)


def test_a_probe_where_each_person_answers_few_items_has_counts_and_nulls() -> None:
    rng = np.random.default_rng(9)
    humans = np.full((500, 20), np.nan)
    humans[np.arange(500), rng.integers(0, 20, 500)] = 0.5
    table = compare_structure(humans, humans, ["a", "b"] * 10)
    first = table.row(0, named=True)
    assert (first["n_pairs"], first["n_too_few"], first["n_compared"]) == (190, 190, 0)
    assert table["agreement"].null_count() == table.height
    assert table["mean_abs_humans"].null_count() == table.height


def test_nobody_and_no_item_at_all_are_no_error() -> None:
    assert compare_structure(np.empty((0, 2)), np.empty((0, 2)), ["a", "a"])["n_too_few"].to_list() == [1, 1, 0, 1]
    assert compare_structure(np.empty((0, 0)), np.empty((0, 0)), [])["n_pairs"].to_list() == [0, 0, 0]


def test_sides_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ScaleError, match=r"humans \(3, 2\), of answers \(2, 2\) and 2 topics do not fit"):
        compare_structure(np.zeros((3, 2)), np.zeros((2, 2)), ["a", "b"])


def test_items_that_do_not_go_together_are_as_strong_as_chance_makes_them() -> None:
    rng = np.random.default_rng(10)
    row = compare_structure(rng.random((50, 80)), rng.random((50, 80)), ["a"] * 80).row(0, named=True)
    assert row["by_chance"] == pytest.approx(np.sqrt(2 / (np.pi * 49)))
    assert row["mean_abs_humans"] == pytest.approx(row["by_chance"], abs=0.004)
    assert row["reliability"] == pytest.approx(0, abs=0.1)
    assert row["agreement"] == pytest.approx(0, abs=0.1)


def test_two_samples_of_the_same_people_agree_as_far_as_they_are_reliable() -> None:
    rng = np.random.default_rng(11)
    found = [
        compare_structure(
            drawn_positions(rng, 60, 40, missing=0), drawn_positions(rng, 60, 40, missing=0), ["a"] * 40
        ).row(0, named=True)
        for _ in range(10)
    ]
    agreement, reliability = (np.mean([row[name] for row in found]) for name in ("agreement", "reliability"))
    assert 0.5 < agreement < 0.95
    assert reliability == pytest.approx(agreement, abs=0.03)
