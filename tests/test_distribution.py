"""Wasserstein-1 equals SciPy's, in bulk and one by one, and numbers worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from worldvaluesbench.errors import ScaleError
from worldvaluesbench.stats._distribution import majority_shares, shares_of, uniform_shares, wasserstein

WIDTH = 10
Counts = list[int]


def counts_of(n_points: int) -> st.SearchStrategy[Counts]:
    """Counts on a scale of this many points, at least one of them positive."""
    return st.lists(st.integers(0, 1000), min_size=n_points, max_size=n_points).filter(any)


scales = st.integers(2, WIDTH).flatmap(lambda n_points: st.tuples(counts_of(n_points), counts_of(n_points)))


def padded(counts: Counts) -> Counts:
    return counts + [0] * (WIDTH - len(counts))


@given(st.lists(scales, min_size=1, max_size=20))
def test_scales_of_any_lengths_are_compared_in_bulk_as_scipy_compares_them_one_by_one(
    pairs: list[tuple[Counts, Counts]],
) -> None:
    first, second = ([padded(pair[side]) for pair in pairs] for side in (0, 1))
    n_points = [len(pair[0]) for pair in pairs]
    expected = []
    for u, v in pairs:
        positions = np.linspace(0, 1, len(u))
        expected.append(wasserstein_distance(positions, positions, u, v))
    assert wasserstein(shares_of(first), shares_of(second), n_points) == pytest.approx(expected, abs=1e-12)


@given(scales)
def test_distance_is_symmetric_and_lies_between_0_and_1(pair: tuple[Counts, Counts]) -> None:
    u, v = map(shares_of, pair)
    assert wasserstein(u, v) == pytest.approx(wasserstein(v, u))
    assert 0 <= wasserstein(u, v) <= 1 + 1e-12
    assert wasserstein(u, u) == 0


def test_opposite_ends_are_1_apart() -> None:
    assert wasserstein([1, 0, 0, 0], [0, 0, 0, 1]) == 1


def test_numbers_worked_by_hand() -> None:
    # cumulative .7 .9 against .1 .3: (.6 + .6) / 2
    assert wasserstein([0.7, 0.2, 0.1], [0.1, 0.2, 0.7]) == pytest.approx(0.6)
    # half of the people move one of three steps
    assert wasserstein([0.5, 0.5, 0, 0], [0.5, 0, 0.5, 0]) == pytest.approx(0.5 / 3)


def test_padding_changes_nothing() -> None:
    u, v = [0.7, 0.2, 0.1], [0.1, 0.2, 0.7]
    assert wasserstein([*u, 0, 0], [*v, 0, 0], 3) == pytest.approx(wasserstein(u, v))


def test_where_nobody_answered_there_is_no_distance() -> None:
    u = shares_of([[0, 0, 0], [1, 2, 3]])
    assert np.isnan(wasserstein(u, [[1, 0, 0], [1, 0, 0]])).tolist() == [True, False]
    assert np.isnan(majority_shares(u)).all(axis=1).tolist() == [True, False]


def test_scales_of_different_lengths_are_not_compared() -> None:
    with pytest.raises(ScaleError, match="over 3 and 2 points cannot be compared"):
        wasserstein([1, 0, 0], [1, 0])


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ScaleError, match="cannot be negative, got -1"):
        shares_of([2, -1])


def test_the_lowest_of_several_most_frequent_points_is_the_majority() -> None:
    assert majority_shares([0.2, 0.4, 0.4]).tolist() == [0, 1, 0]


@given(st.lists(st.integers(2, WIDTH), min_size=1))
def test_uniform_shares_sum_to_one_on_every_scale(n_points: list[int]) -> None:
    shares = uniform_shares(n_points, WIDTH)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert (shares > 0).sum(axis=1).tolist() == n_points
