"""Distances of one sample equal SciPy's binomial; a poll's size gives back the distance that it was found from."""

import numpy as np
import pytest
from benchmarks.coverage import load_population
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, wasserstein_distance

from worldvaluesbench.stats._distribution import shares_of, uniform_shares, wasserstein
from worldvaluesbench.stats._noise import noise_floor
from worldvaluesbench.stats._worth import poll_size, sampling_distance, skill_score

SHARES = [0.4, 0.3, 0.2, 0.1]


def exact_distance(shares: list[float], n: int) -> float:
    """The mean of |X - nF| / n over steps, X binomial, by summing over all counts."""
    counts = np.arange(n + 1)
    steps = [np.abs(counts - n * f) @ binom.pmf(counts, n, min(f, 1.0)) / n for f in np.cumsum(shares)[:-1]]
    return float(np.sum(steps)) / (len(shares) - 1)


@given(
    st.lists(st.integers(0, 20), min_size=2, max_size=10).filter(lambda counts: sum(counts) > 0), st.integers(1, 2_000)
)
@settings(max_examples=100, deadline=None)
def test_distances_of_a_sample_equal_those_of_scipys_binomial(counts: list[int], n: int) -> None:
    shares = (np.array(counts) / sum(counts)).tolist()
    found = sampling_distance(shares, n, len(shares))
    assert float(found) == pytest.approx(exact_distance(shares, n), rel=1e-10, abs=1e-14)
    padded = np.pad(shares, (0, 10 - len(shares)))
    assert float(sampling_distance(padded, n, len(shares))) == pytest.approx(float(found), rel=1e-10, abs=1e-14)


def test_it_is_the_distance_that_scipy_finds_between_samples_and_their_population() -> None:
    """4,000 samples of 5 respondents; their mean is known to about 1%."""
    place = np.arange(4) / 3
    drawn = np.random.default_rng(11).choice(place, p=SHARES, size=(4_000, 5))
    simulated = np.mean([wasserstein_distance(one, place, v_weights=SHARES) for one in drawn])
    assert float(sampling_distance(SHARES, 5, 4)) == pytest.approx(simulated, rel=0.03)


def test_one_sample_is_nearer_than_two_by_the_root_of_two() -> None:
    two = float(noise_floor(SHARES, 400, 4))
    assert float(sampling_distance(SHARES, 400, 4)) == pytest.approx(two / 2**0.5, rel=0.002)


def test_very_large_samples_lose_no_digits() -> None:
    """The normal limit, from which the exact value differs by less than 1 in n."""
    n = np.array([1e7, 1e10, 1e15])
    cumulated = np.cumsum(SHARES)[:-1]
    limit = np.sqrt(2 / np.pi * cumulated * (1 - cumulated) / n[:, None]).sum(axis=1) / 3
    assert sampling_distance(SHARES, n, 4) == pytest.approx(limit, rel=1e-6)
    assert float(sampling_distance(SHARES, np.inf, 4)) == 0


@given(st.lists(st.integers(0, 9), min_size=2, max_size=6).filter(lambda counts: sum(counts) > 0))
@settings(max_examples=60, deadline=None)
def test_a_larger_sample_is_never_farther_on_average(counts: list[int]) -> None:
    n = np.arange(1, 60, 0.25)
    found = sampling_distance([shares_of(counts)] * n.size, n, len(counts))
    assert (np.diff(found) <= 1e-15).all()


def test_between_whole_numbers_it_is_the_mean_of_samples_of_either_size() -> None:
    three, part, four = sampling_distance([SHARES] * 3, [3, 3.25, 4], 4)
    assert part == pytest.approx(0.75 * three + 0.25 * four)


@pytest.mark.parametrize("n", [0, 0.5, np.nan])
def test_fewer_than_one_respondent_have_no_distance(n: float) -> None:
    assert np.isnan(sampling_distance(SHARES, n, 4))
    assert np.isnan(sampling_distance([np.nan, np.nan], 30, 2))


def test_distances_from_observed_shares_are_nearly_right_on_average() -> None:
    rng = np.random.default_rng(12)
    observed = shares_of(rng.multinomial(30, SHARES, 20_000))
    truth = float(sampling_distance(SHARES, 30, 4))
    found = float(sampling_distance(observed, 30, 4, n_shares=np.full(20_000, 30)).mean())
    assert found == pytest.approx(truth, rel=0.02)
    assert float(sampling_distance(observed, 30, 4).mean()) < found


def test_the_correction_gives_shares_the_variance_that_it_should() -> None:
    """One respondent of a population: E|X - F| is 2 F (1 - F), so it is larger by n / (n - 1) exactly."""
    ratio = sampling_distance([0.8, 0.2], 1, 2, n_shares=11) / sampling_distance([0.8, 0.2], 1, 2)
    assert float(ratio) == pytest.approx(1.1)
    assert np.isnan(sampling_distance([0.8, 0.2], 1, 2, n_shares=1))


def test_a_poll_of_this_size_is_as_far_as_the_distance_it_was_found_from() -> None:
    population = load_population()
    wanted = np.array([0.2, 0.138, 0.1, 0.02, 1e-3, 1e-5])
    n = poll_size(wanted, population.shares, population.n_points)
    back = sampling_distance(population.shares[:, None], n, population.n_points[:, None]).mean(axis=0)
    assert back == pytest.approx(wanted, rel=1e-9)
    assert (np.diff(n) > 0).all()


def test_a_real_poll_of_that_size_is_as_far() -> None:
    """0.138, that of GPT-3.5 with demographics on the paper's items: 5 respondents, by drawing them."""
    population = load_population()
    n = float(poll_size(0.138, population.shares, population.n_points))
    assert n == pytest.approx(5.1, abs=0.05)
    rng = np.random.default_rng(13)
    drawn = shares_of(np.stack([rng.multinomial(5, shares, 2_000) for shares in population.shares]))
    simulated = wasserstein(drawn, population.shares[:, None], population.n_points[:, None]).mean()
    assert simulated == pytest.approx(0.138, abs=0.003)


@pytest.mark.parametrize("wanted", [1.999e-4, 1.9e-4, 1e-4, 1e-6])
def test_rare_responses_are_no_hindrance(wanted: float) -> None:
    shares = [[0.9999, 0.0001]]
    n = float(poll_size(wanted, shares, [2]))
    assert float(sampling_distance(shares[0], n, 2)) == pytest.approx(wanted, rel=1e-9)


def test_ends_of_what_a_poll_can_be() -> None:
    sizes = poll_size([0.9, 0.5, 0.0, -0.01, np.nan], [[0.5, 0.5]], [2])
    assert sizes.tolist()[:4] == [1.0, 1.0, np.inf, np.inf]
    assert np.isnan(sizes[4])
    assert float(poll_size(0.1, [[1.0, 0.0]], [2])) == 1
    assert np.isnan(poll_size(0.1, [[np.nan, np.nan], [0.5, 0.5]], [2, 2]))


def test_where_two_sizes_are_equally_far_the_smaller_one_counts() -> None:
    """Of two equally frequent responses two respondents are as far as three: 0.25."""
    assert sampling_distance([[0.5, 0.5]] * 2, [2, 3], 2) == pytest.approx(np.array([0.25, 0.25]))
    assert float(poll_size(0.25, [[0.5, 0.5]], [2])) == pytest.approx(2)


def test_a_perfect_model_of_each_kind_has_a_skill_of_one_on_average() -> None:
    """230 respondents, one rating or the true shares for each."""
    rng = np.random.default_rng(14)
    people, answers = (shares_of(rng.multinomial(230, SHARES, 20_000)) for _ in range(2))
    uniform = wasserstein(SHARES, uniform_shares(4)).item()
    by_rating = skill_score(wasserstein(people, answers).mean(), uniform, noise_floor(SHARES, 230, 4))
    by_shares = skill_score(wasserstein(people, SHARES).mean(), uniform, sampling_distance(SHARES, 230, 4))
    assert float(by_rating) == pytest.approx(1, abs=0.01)
    assert float(by_shares) == pytest.approx(1, abs=0.01)


def test_skill_is_none_where_the_baseline_is_at_the_floor() -> None:
    found = skill_score([0.1, 0.1, np.nan, 0.4], [0.02, 0.03, 0.2, 0.2], [0.02, 0.04, 0.0, 0.0])
    assert np.isnan(found[:3]).all()
    assert found[3] == pytest.approx(-1)
