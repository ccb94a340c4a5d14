"""Draws of people, the correction of absolute values, its bounds and quantiles, each against SciPy, NumPy or a hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.integrate import quad
from scipy.stats import foldnorm, norm

from worldvaluesbench.errors import ScaleError
from worldvaluesbench.stats._distribution import Array
from worldvaluesbench.stats._estimate import (
    Estimate,
    Resampling,
    bias_bounds,
    debias,
    draw_multiplicities,
    quantiles_of,
)


def test_an_estimate_is_shown_with_its_interval_where_it_has_one() -> None:
    assert str(Estimate(0.2, 0.18, 0.2251, 230)) == "0.200 [0.180, 0.225]"
    assert str(Estimate(0.2, None, None, 230)) == "0.200"


def test_what_is_shown_is_the_corrected_value_for_which_the_interval_is() -> None:
    """A distance of 0.09 that is all noise: the interval is [0, 0.02], and the value beside it lies inside."""
    assert str(Estimate(0.09, 0.0, 0.02, 40, 0.01)) == "0.010 [0.000, 0.020]"
    assert str(Estimate(0.09, 0.0, 0.02, 40, -0.01)) == "0.000 [0.000, 0.020]"
    assert str(Estimate(0.09, None, None, 40, 0.01)) == "0.090"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 1}, r"^Confidence intervals need 2 resamples or more, got 1\.$"),
        ({"n": 2.5}, r"The number of resamples is a whole number, got 2\.5"),
        ({"n": "3"}, "The number of resamples is a whole number, got '3'"),
        ({"n": True}, "The number of resamples is a whole number, got True"),
        ({"seed": 1.5}, r"A seed is a whole number, got 1\.5"),
        ({"level": "0.9"}, "The confidence level is a number between 0 and 1, got '0.9'"),
        ({"seed": -1}, "A seed is 0 or more, got -1"),
        ({"level": 1.0}, "The confidence level lies between 0 and 1, got 1"),
        ({"level": 0.0}, "between 0 and 1, got 0"),
        ({"method": "normal"}, "no interval 'normal'; there are debiased, percentile"),
        ({"method": "bca"}, "no interval 'bca'; there are debiased, percentile"),
    ],
)
def test_a_resampling_refuses_to_be_wrong(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ScaleError, match=message):
        Resampling(**wrong)


def test_the_ends_of_a_level_leave_as_much_on_either_side() -> None:
    assert Resampling(level=0.9).ends == pytest.approx((0.05, 0.95))
    assert Resampling().ends == pytest.approx((0.025, 0.975))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(2, 20), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_every_draw_has_as_many_people_of_each_stratum_as_there_are(strata: list[int], n: int, seed: int) -> None:
    stratum = np.array(strata)
    drawn = draw_multiplicities(stratum, n, rng=np.random.default_rng(seed))
    assert drawn.times.shape == (stratum.size, n)
    for one in np.unique(stratum):
        m = int((stratum == one).sum())
        times = drawn.times[stratum == one]
        assert (times.sum(axis=0) == max(m - 1, 1)).all(), "one fewer than there are, but for somebody alone"
        assert (times * drawn.factor[stratum == one][:, None]).sum(axis=0) == pytest.approx(np.full(n, m), rel=1e-5)


def test_nobody_is_drawn_from_nobody() -> None:
    drawn = draw_multiplicities(np.empty(0, dtype=np.int64), 5, rng=np.random.default_rng(0))
    assert drawn.times.shape == (0, 5)


def test_draws_of_a_mean_spread_as_means_of_samples_do() -> None:
    """The variance of the draws is s^2 / n with s^2 dividing by n - 1, for six people too; here to 3%."""
    x = np.array([0.0, 0.0, 1.0, 0.5, 0.2, 1.0])
    drawn = draw_multiplicities(np.zeros(6, dtype=np.int64), 20_000, rng=np.random.default_rng(1))
    means = (drawn.times * drawn.factor[:, None]).T @ x / 6
    assert means.mean() == pytest.approx(x.mean(), abs=0.005)
    assert means.var() == pytest.approx(x.var(ddof=1) / 6, rel=0.03)


def test_draws_within_strata_leave_out_what_is_between_them() -> None:
    x = np.array([0.0, 0.1, 0.2, 0.9, 0.8, 1.0, 0.7])
    stratum = np.array([0, 0, 0, 1, 1, 1, 1])
    drawn = draw_multiplicities(stratum, 20_000, rng=np.random.default_rng(2))
    means = (drawn.times * drawn.factor[:, None]).T @ x / 7
    expected = sum((size / 7) ** 2 * x[stratum == one].var(ddof=1) / size for one, size in ((0, 3), (1, 4)))
    assert means.var() == pytest.approx(expected, rel=0.03)


def corrected_by_scipy(x: float, s: float) -> float:
    """4|x| - 6 m_1 + 4 m_2 - m_3, each m_j the mean of a folded normal with j times the variance."""
    folded = [foldnorm(abs(x) / (s * j**0.5), scale=s * j**0.5).mean() for j in (1, 2, 3)]
    return float(4 * abs(x) - 6 * folded[0] + 4 * folded[1] - folded[2])


@given(st.floats(-1, 1), st.floats(0.001, 0.5))
@settings(max_examples=200, deadline=None)
def test_the_correction_is_that_of_folded_normals(x: float, s: float) -> None:
    assert float(debias(np.array(x), np.array(s))) == pytest.approx(corrected_by_scipy(x, s), abs=2e-6)


def test_without_noise_there_is_nothing_to_correct() -> None:
    assert debias(np.array([0.3, -0.3, 0.0]), np.zeros(3)).tolist() == [0.3, 0.3, 0.0]
    far = debias(np.array([0.3, -0.3]), np.array([0.01, 0.01]))
    assert far == pytest.approx([0.3, 0.3])


def test_what_is_nan_stays_nan_and_shapes_broadcast() -> None:
    found = debias(np.array([[np.nan], [0.1]]), np.array([[0.05, 0.1, 0.2]]))
    assert np.isnan(found[0]).all()
    assert found[1] == pytest.approx([corrected_by_scipy(0.1, s) for s in (0.05, 0.1, 0.2)], abs=1e-6)


def test_single_precision_stays_single() -> None:
    assert debias(np.zeros((2, 3), dtype=np.float32), np.ones((2, 1), dtype=np.float32)).dtype == np.float32


def mean_of(correct: Any, truth: float) -> float:
    """The mean of what is made of an observation with standard error 1, by numerical integration."""
    return float(quad(lambda x: correct(x) * norm.pdf(x, truth), truth - 9, truth + 9, points=[0], limit=200)[0])


@pytest.mark.parametrize("truth", [0.0, 0.5, 1.0, 2.0, 3.0, 4.0])
def test_the_correction_leaves_less_bias_than_there_was(truth: float) -> None:
    """At 0 it leaves 44% of it; at two standard errors and beyond at most a twentieth of a standard error."""
    raw = mean_of(abs, truth) - truth
    left = mean_of(lambda x: float(debias(np.array(x), np.array(1.0))), truth) - truth
    assert raw == pytest.approx(foldnorm(truth).mean() - truth, abs=1e-7)
    if truth == 0:
        assert left / raw == pytest.approx(0.44, abs=0.005)
    elif truth >= 2:
        assert abs(left) < 0.05
    else:
        assert abs(left) < raw


@pytest.mark.parametrize("truth", [0.0, 0.5, 1.0, 1.5, 1.73, 2.0, 2.34, 2.86, 3.0, 4.0, 5.0])
def test_the_bias_that_is_left_lies_within_its_bounds(truth: float) -> None:
    """Bounds of the mean of very many items that are alike, each observed with standard error 1.

    From 2.2 to 4.5 standard errors 0.017 of one is left at most, which is in neither bound.
    """
    observed = truth + norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    value, corrected = np.abs(observed).mean(), debias(observed, np.ones(1)).mean()
    too_large, too_small = map(float, bias_bounds(np.array(value), np.array(corrected)))
    beyond = 0.0175 if 2.2 < truth < 4.6 else 0.0015
    assert truth - too_small - 0.0015 <= corrected <= truth + too_large + beyond
    if 2.35 < truth < 4.5:
        assert value < corrected, "there the correction adds"
    if truth == 1.73:
        assert too_small == pytest.approx(truth - corrected, rel=0.02), "there the bound is what is left"
    if truth == 0:
        assert too_large == pytest.approx(corrected, rel=1e-3), "at 0 the bound is what is left"


def test_where_nothing_was_taken_away_no_bias_is_left() -> None:
    value, corrected = np.array([0.3, 0.2]), np.array([0.3, 0.25])
    for bound in bias_bounds(value, corrected):
        assert bound.tolist() == [0, 0]


@given(arrays(np.float64, array_shapes(min_dims=1, max_dims=3, max_side=6), elements=st.floats(-5, 5)), st.data())
@settings(max_examples=100, deadline=None)
def test_quantiles_are_numpys(draws: Array, data: st.DataObject) -> None:
    ends = tuple(data.draw(st.floats(0, 1)) for _ in range(2))
    found = quantiles_of(draws, (ends[0], ends[1]))
    assert np.stack(found) == pytest.approx(np.quantile(draws, ends, axis=-1), abs=1e-12)


def test_draws_that_are_nan_are_none() -> None:
    rng = np.random.default_rng(3)
    draws = rng.normal(size=(4, 5, 30))
    draws[rng.random(draws.shape) < 0.3] = np.nan
    draws[0, 0] = np.nan
    found = quantiles_of(draws, (0.1, 0.8))
    for place in np.ndindex(4, 5):
        known = draws[place][~np.isnan(draws[place])]
        expected = np.quantile(known, [0.1, 0.8]) if known.size else [np.nan, np.nan]
        assert [found[0][place], found[1][place]] == pytest.approx(list(expected), nan_ok=True)


def test_every_place_may_have_ends_of_its_own() -> None:
    rng = np.random.default_rng(4)
    draws, low, high = rng.normal(size=(6, 40)), rng.uniform(0, 0.4, 6), rng.uniform(0.6, 1, 6)
    found = quantiles_of(draws, (low, high))
    for place in range(6):
        expected = np.quantile(draws[place], [low[place], high[place]])
        assert [found[0][place], found[1][place]] == pytest.approx(list(expected))
