"""Shrinkage: the concentration is where the likelihood is highest, and says how far a group is drawn to its mean."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import digamma as scipy_digamma
from scipy.special import gammaln

from worldvaluesbench.stats._shrinkage import LEAST, MOST, digamma, find_concentration, shrink

Array = NDArray[np.float64]


def log_likelihood(counts: Array, means: Array, concentration: float) -> float:
    """The Dirichlet-multinomial log-likelihood by its definition, without what the concentration does not move."""
    parameters = concentration * means
    by_group = gammaln(concentration) - gammaln(counts.sum(axis=1) + concentration)
    by_point = np.where(means > 0, gammaln(counts + parameters) - gammaln(np.where(means > 0, parameters, 1.0)), 0.0)
    return float(by_group.sum() + by_point.sum())


def test_four_countries_worked_by_another_road() -> None:
    counts = np.array([[30.0, 10.0, 0.0], [12.0, 20.0, 8.0], [5.0, 30.0, 5.0], [20.0, 15.0, 5.0]])
    means = np.tile(counts.sum(axis=0) / counts.sum(), (4, 1))
    found = minimize_scalar(
        lambda log_a: -log_likelihood(counts, means, math.exp(log_a)), bounds=(-4, 12), options={"xatol": 1e-10}
    )
    concentration = find_concentration(counts, means)
    assert concentration == pytest.approx(math.exp(found.x), rel=1e-4)
    expected = (counts + concentration * means) / (40 + concentration)
    np.testing.assert_allclose(shrink(counts, means, concentration), expected)


@settings(max_examples=60)
@given(st.integers(2, 6), st.integers(2, 10), st.floats(0.3, 300), st.integers(0, 10_000))
def test_nothing_near_is_likelier(n_groups: int, n_points: int, truth: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mean = rng.dirichlet(np.ones(n_points)) + 1e-3
    mean /= mean.sum()
    counts = np.array([rng.multinomial(200, rng.dirichlet(truth * mean)) for _ in range(n_groups)], dtype=np.float64)
    means = np.tile(mean, (n_groups, 1))
    found = find_concentration(counts, means)
    highest = log_likelihood(counts, means, min(found, MOST))
    for factor in (0.5, 0.9, 1.1, 2.0):
        if LEAST < found * factor < MOST:
            assert log_likelihood(counts, means, found * factor) <= highest + 1e-6


def test_the_concentration_that_groups_were_drawn_with_is_found_again() -> None:
    rng = np.random.default_rng(0)
    mean = np.array([0.5, 0.3, 0.15, 0.05])
    counts = np.array([rng.multinomial(1_000, rng.dirichlet(20 * mean)) for _ in range(400)], dtype=np.float64)
    assert find_concentration(counts, np.tile(mean, (400, 1))) == pytest.approx(20, rel=0.1)


def test_groups_alike_are_drawn_wholly_to_their_mean() -> None:
    counts = np.array([[60.0, 40.0], [59.0, 41.0], [61.0, 39.0]])
    means = np.full((3, 2), [0.6, 0.4])
    assert find_concentration(counts, means) == math.inf
    np.testing.assert_array_equal(shrink(counts, means, math.inf), means)


def test_large_groups_that_differ_hardly_move() -> None:
    counts = np.array([[900.0, 100.0], [200.0, 800.0], [500.0, 500.0]])
    means = np.full((3, 2), 0.5)
    shrunk = shrink(counts, means, find_concentration(counts, means))
    assert np.abs(shrunk - counts / 1_000).max() < 0.005


def test_groups_each_on_one_point_are_not_drawn_at_all() -> None:
    counts = np.array([[50.0, 0.0], [0.0, 50.0]])
    assert find_concentration(counts, np.full((2, 2), 0.5)) == pytest.approx(LEAST, rel=1e-3)


def test_a_group_without_people_says_nothing_and_gets_its_mean() -> None:
    counts = np.array([[9.0, 1.0], [2.0, 8.0], [0.0, 0.0]])
    means = np.array([[0.5, 0.5], [0.5, 0.5], [0.25, 0.75]])
    assert find_concentration(counts, means) == find_concentration(counts[:2], means[:2])
    np.testing.assert_array_equal(shrink(counts, means, 3.0)[2], means[2])
    assert find_concentration(np.zeros((3, 2)), means) == math.inf


def test_a_point_that_nobody_is_on_changes_nothing() -> None:
    counts, means = np.array([[9.0, 1.0], [2.0, 8.0]]), np.full((2, 2), 0.5)
    wider = [np.hstack([array, np.zeros((2, 1))]) for array in (counts, means)]
    assert find_concentration(*wider) == find_concentration(counts, means)


def test_digamma_is_scipys() -> None:
    x = np.logspace(-6, 7, 500)
    np.testing.assert_allclose(digamma(x), scipy_digamma(x), rtol=1e-11)
