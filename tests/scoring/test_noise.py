"""The noise floor equals SciPy's binomial, simulation, and the table of what two samples differ by."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, wasserstein_distance

from worldvaluesbench.stats._distribution import Array, shares_of, wasserstein
from worldvaluesbench.stats._noise import harmonic_n, noise_floor

SHAPES = {
    "uniform, 4 points": [0.25] * 4,
    ".7/.2/.07/.03": [0.7, 0.2, 0.07, 0.03],
    ".93/.05/.01/.01": [0.93, 0.05, 0.01, 0.01],
    "uniform, 10 points": [0.1] * 10,
}
SIZES = (5, 42, 120, 230, 1_000, 14_000)
# two samples of so many people from one distribution, by simulation
TABLE = {
    "uniform, 4 points": (0.221, 0.079, 0.047, 0.034, 0.016, 0.004),
    ".7/.2/.07/.03": (0.135, 0.053, 0.032, 0.023, 0.011, 0.003),
    ".93/.05/.01/.01": (0.052, 0.027, 0.017, 0.012, 0.006, 0.002),
    "uniform, 10 points": (0.202, 0.073, 0.043, 0.031, 0.015, 0.004),
}


def exact_floor(shares: list[float], n: int) -> float:
    """Mean over steps of E|X - Y| / n, X and Y binomial: twice the sum of G (1 - G), G from SciPy."""
    total = 0.0
    for share in np.cumsum(shares)[:-1]:
        below = binom.cdf(np.arange(n), n, min(share, 1.0))
        total += 2 * float((below * (1 - below)).sum()) / n
    return total / (len(shares) - 1)


@pytest.mark.parametrize("name", SHAPES)
def test_floors_are_those_of_the_table(name: str) -> None:
    """To the three decimals that it prints; they were simulated, so the last may be off by one."""
    found = noise_floor([SHAPES[name]] * len(SIZES), SIZES, len(SHAPES[name]))
    assert found == pytest.approx(np.array(TABLE[name]), abs=0.0015)
    assert (np.abs(found - TABLE[name]) > 0.0005).sum() <= 1


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("n", [2, 3, 5, 10, 42, 120, 230, 400, 1_000, 14_000])
def test_floors_equal_those_of_scipys_binomial(name: str, n: int) -> None:
    shares = SHAPES[name]
    assert float(noise_floor(shares, n, len(shares))) == pytest.approx(exact_floor(shares, n), rel=2e-6)


@given(st.lists(st.integers(0, 20), min_size=2, max_size=10).filter(lambda x: sum(x) > 0), st.integers(2, 600))
@settings(max_examples=100, deadline=None)
def test_floors_of_any_shape_equal_those_of_scipys_binomial(counts: list[int], n: int) -> None:
    shares = (np.array(counts) / sum(counts)).tolist()
    expected = exact_floor(shares, n)
    assert float(noise_floor(shares, n, len(shares))) == pytest.approx(expected, rel=1e-5, abs=1e-12)
    padded = np.pad(shares, (0, 10 - len(shares)))
    assert float(noise_floor(padded, n, len(shares))) == pytest.approx(expected, rel=1e-5, abs=1e-12)


def test_a_floor_is_what_scipys_distance_of_two_samples_is_on_average() -> None:
    """4,000 pairs of 30 people; their mean is known to about 1%."""
    rng = np.random.default_rng(41)
    shares = [0.5, 0.1, 0.1, 0.3]
    place = np.arange(4) / 3
    pairs = rng.choice(place, p=shares, size=(4_000, 2, 30))
    simulated = np.mean([wasserstein_distance(*pair) for pair in pairs])
    assert float(noise_floor(shares, 30, 4)) == pytest.approx(simulated, rel=0.03)


def mean_distance(n: int, m: int, shares: Array, rng: np.random.Generator) -> float:
    pairs = (shares_of(rng.multinomial(size, shares, 100_000)) for size in (n, m))
    return float(wasserstein(*pairs).mean())


@pytest.mark.parametrize(("n", "m"), [(230, 230), (30, 300), (10, 5_000)])
def test_two_sizes_are_as_noisy_as_two_of_their_harmonic_mean(n: int, m: int) -> None:
    """Nearly: counts of ten people are coarser than those of twenty, which makes 2%."""
    rng = np.random.default_rng(42)
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    assert float(harmonic_n(n, m)) == pytest.approx(2 / (1 / n + 1 / m))
    found = float(noise_floor(shares, harmonic_n(n, m), 4))
    assert found == pytest.approx(mean_distance(n, m, shares, rng), rel=0.02)


@pytest.mark.parametrize(
    ("n_people", "n_answers", "within"), [(10, 10, 0.08), (30, 30, 0.02), (230, 230, 0.004), (1_000, 10, 0.002)]
)
def test_floors_from_a_sample_are_nearly_right_on_average(n_people: int, n_answers: int, within: float) -> None:
    """Shares of few people are too narrow; of many they need no correction, however few were answered for."""
    rng = np.random.default_rng(43)
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    observed = shares_of(rng.multinomial(n_people, shares, 20_000))
    n = np.full(20_000, float(harmonic_n(n_people, n_answers)))
    truth = float(noise_floor(shares, n[0], 4))
    found = float(noise_floor(observed, n, 4, n_shares=np.full(20_000, n_people)).mean())
    as_they_are = float(noise_floor(observed, n, 4).mean())
    assert found == pytest.approx(truth, rel=within)
    assert as_they_are < found < truth * 1.002


def test_floors_of_many_cells_are_those_of_each() -> None:
    rng = np.random.default_rng(44)
    n_points = np.array([4, 10, 2])
    shares = shares_of(rng.integers(1, 9, (5, 3, 10)) * (np.arange(10) < n_points[:, None]))
    n = rng.integers(2, 3_000, (5, 3))
    found = noise_floor(shares, n, n_points)
    for group, item in np.ndindex(5, 3):
        k = int(n_points[item])
        assert found[group, item] == pytest.approx(float(noise_floor(shares[group, item, :k], n[group, item], k)))


def test_who_all_respond_alike_differ_by_nothing() -> None:
    assert float(noise_floor([0, 1, 0], 5, 3)) == 0
    assert float(noise_floor([1, 0, 0], 5_000, 3)) == 0


@pytest.mark.parametrize("n", [0, 1, np.nan])
def test_fewer_than_two_people_have_no_floor(n: float) -> None:
    assert np.isnan(noise_floor([0.5, 0.5], n, 2))
    assert np.isnan(noise_floor([np.nan, np.nan], 30, 2))
    assert np.isnan(noise_floor([0.5, 0.5], harmonic_n(0, 30), 2))


def test_a_floor_goes_with_the_effective_number_between_whole_ones() -> None:
    floors = noise_floor([[0.4, 0.3, 0.2, 0.1]] * 5, [30, 30.5, 31, 199.9, 200.1], 4)
    assert (np.diff(floors) < 0).all()
    assert floors[1] == pytest.approx((floors[0] + floors[2]) / 2, rel=1e-3)
