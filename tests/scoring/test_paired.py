"""Paired comparisons: differences, Holm's p and ranks equal those of plain loops, and claims of equals are rare."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scoring.simulated import draw_points, panel_of, ratings
from worldvaluesbench.distribution import Array, shares_of, wasserstein
from worldvaluesbench.estimate import Resampling, debias
from worldvaluesbench.scoring.paired import (
    Means,
    difference_of,
    holm,
    judge_difference,
    rank_sources,
    resample_means,
)
from worldvaluesbench.scoring.panel import Panel
from worldvaluesbench.scoring.resample import draw_people

N_POINTS = np.array([4, 3, 2])
WIDE = Resampling(n=300, seed=5)


def three_items(n: int, seed: int, n_of_last: int | None = None) -> list[Panel]:
    """Two models that answer at random for n people, three items each; the last item for `n_of_last` people alone."""
    rng = np.random.default_rng(seed)
    people, *models = (np.column_stack([rng.integers(0, k, n) for k in N_POINTS]) for _ in range(3))
    for table in (people, *models):
        table[n_of_last or n :, 2] = -1
    return [panel_of(N_POINTS, ratings(people), ratings(model)) for model in models]


def naive_means(panel: Panel, times: Array) -> tuple[float, float, Array]:
    """Mean distance over items, the same corrected, and corrected draws of it; `times` is (people, draws)."""
    values, corrected, draws = [], [], []
    for item, k in enumerate(N_POINTS.tolist()):
        sides = []
        for entries in (panel.humans, panel.answers):
            counts, drawn = np.zeros(k), np.zeros((k, times.shape[1]))
            for person, of_item, point in zip(entries.person, entries.item, entries.point, strict=True):
                if of_item == item:
                    counts[point] += 1
                    drawn[point] += times[person]
            sides.append((np.cumsum(counts / counts.sum())[:-1], np.cumsum(shares_of(drawn.T), axis=1)[:, :-1]))
        gap, of_draws = sides[0][0] - sides[1][0], sides[0][1] - sides[1][1]
        spread = np.nanstd(of_draws, axis=0)
        values.append(np.abs(gap).mean())
        corrected.append(debias(gap, spread).mean())
        freed = debias(of_draws, spread).mean(axis=1)
        draws.append(np.where(np.isnan(freed), np.nanmean(freed), freed))
    return float(np.mean(values)), float(np.mean(corrected)), np.mean(draws, axis=0)


@pytest.mark.parametrize("n_of_last", [40, 3], ids=["all people", "some draws without an item"])
def test_differences_equal_those_of_plain_loops_over_people_and_draws(n_of_last: int) -> None:
    panels = three_items(40, 1, n_of_last)
    is_shown = np.ones((1, 3), dtype=bool)
    means = [found[0] for found in resample_means(panels, None, None, WIDE, is_shown)]
    people = draw_people(panels, None, None, WIDE)
    assert people.place.tolist() == list(range(40))
    naive = [naive_means(panel, people.drawn(slice(None)).astype(float)) for panel in panels]
    for found, (value, corrected, draws) in zip(means, naive, strict=True):
        assert found.value[0] == pytest.approx(value, abs=1e-6)
        assert found.corrected[0] == pytest.approx(corrected, abs=1e-5)
        assert found.noise[0] == pytest.approx(draws - draws.mean(), abs=1e-4)
    difference = difference_of(means[0], means[1], WIDE)
    noise = naive[0][2] - naive[1][2]
    noise -= noise.mean()
    value = naive[0][1] - naive[1][1]
    assert difference.value[0] == pytest.approx(value, abs=1e-5)
    # what the corrections took: 0.796 times as much may be left of the bias, and half of it may be too much
    taken = [max(raw - corrected, 0) for raw, corrected, _ in naive]
    too_large, too_small = 0.796 * taken[0] + 0.5 * taken[1], 0.5 * taken[0] + 0.796 * taken[1]
    low, high = np.quantile(noise, [0.025, 0.975])
    ends = value + low - too_large, value + high + too_small
    assert (difference.low[0], difference.high[0]) == pytest.approx(ends, abs=1e-3)
    sure = max(value - too_large, -value - too_small, 0)
    n_as_far = sum(abs(one) >= sure for one in noise)
    assert difference.p[0] == pytest.approx((1 + n_as_far) / 301, abs=2 / 301)


def test_an_item_of_few_people_makes_no_difference_clear() -> None:
    """With three people of forty some draws have nobody of the last item; such draws are no sign of certainty."""
    panels = three_items(40, 2, n_of_last=3)
    found = resample_means(panels, None, None, WIDE, np.ones((1, 3), dtype=bool))
    difference = difference_of(found[0][0], found[1][0], WIDE)
    assert difference.low[0] < difference.value[0] < difference.high[0]
    assert difference.p[0] > 0.05


def test_the_same_model_twice_differs_by_nothing() -> None:
    panel = three_items(50, 3)[0]
    (first,), (second,) = resample_means([panel, panel], None, None, WIDE, np.ones((1, 3), dtype=bool))
    found = difference_of(first, second, WIDE)
    assert (found.value[0], found.low[0], found.high[0], found.p[0]) == (0, 0, 0, 1)


def test_a_difference_turned_round_is_the_same_with_the_other_sign() -> None:
    (first,), (second,) = resample_means(three_items(50, 4), None, None, WIDE, np.ones((1, 3), dtype=bool))
    one, other = difference_of(first, second, WIDE), difference_of(second, first, WIDE)
    assert other.value[0] == -one.value[0]
    assert (other.low[0], other.high[0]) == pytest.approx((-one.high[0], -one.low[0]), abs=1e-6)
    assert other.p[0] == one.p[0]


def test_the_same_people_make_a_difference_surer_than_either_distance() -> None:
    """Two models one point apart: whoever is drawn, the second is nearer, and by nearly as much."""
    rng = np.random.default_rng(5)
    people = rng.integers(0, 2, (60, 6))
    panels = [panel_of([5] * 6, ratings(people), ratings(people + away)) for away in (1, 2)]
    (near,), (far,) = resample_means(panels, None, None, WIDE, np.ones((1, 6), dtype=bool))
    found = difference_of(near, far, WIDE)
    assert found.value[0] == pytest.approx(-0.25, abs=1e-6)
    assert (found.low[0], found.high[0]) == pytest.approx((-0.25, -0.25), abs=1e-5)
    assert found.p[0] == 1 / 301


def test_cells_that_are_not_shown_are_in_no_mean() -> None:
    panels = three_items(40, 6)
    is_shown = np.array([[True, False, True]])
    found = resample_means(panels, None, None, WIDE, is_shown, np.ones((1, 3), dtype=bool))
    some, every = found[0]
    distances = [
        wasserstein(*(shares_of(np.bincount(side.point[side.item == item], minlength=k)) for side in sides))
        for item, k in enumerate(N_POINTS.tolist())
        for sides in [(panels[0].humans, panels[0].answers)]
    ]
    assert every.value[0] == pytest.approx(np.mean(distances), abs=1e-6)
    assert some.value[0] == pytest.approx((distances[0] + distances[2]) / 2, abs=1e-6)


def test_a_group_without_any_cell_has_no_number_and_no_p() -> None:
    member = np.repeat([0, 1], 20)
    found = resample_means(three_items(40, 7), member, None, WIDE, np.array([[True] * 3, [False] * 3]))
    difference = difference_of(found[0][0], found[1][0], WIDE)
    for part in (difference.value, difference.low, difference.high, difference.p):
        assert np.isnan(part).tolist() == [False, True]


def test_p_of_a_difference_counts_draws_by_hand() -> None:
    """Of ten draws two, -3 and 3, lie as far from 0 as 3 does; and the difference itself is counted."""
    noise = np.array([[-3, -2, -1, -1, 0, 0, 1, 1, 2, 3]], dtype=np.float32)
    found = judge_difference(np.array([3.0]), noise, Resampling(n=10))
    assert found.p.tolist() == [3 / 11]
    assert judge_difference(np.array([-3.5]), noise, Resampling(n=10)).p.tolist() == [1 / 11]
    assert judge_difference(np.array([0.0]), noise, Resampling(n=10)).p.tolist() == [1]


def test_equal_models_are_told_apart_as_rarely_as_the_level_says() -> None:
    """In 300 pairs of models with equal distributions p is below a share about as often as that share says.

    Within three standard errors of a binomial share: 0.038 at 0.05, 0.066 at 0.2 and 0.087 at 0.5.
    """
    rng = np.random.default_rng(12)
    people = np.array([[0.4, 0.3, 0.2, 0.1]] * 8)
    model = np.array([[0.2, 0.2, 0.3, 0.3]] * 8)
    n_points, is_shown, found = [4] * 8, np.ones((1, 8), dtype=bool), []
    for seed in range(300):
        humans = ratings(draw_points(people, 60, rng))
        panels = [panel_of(n_points, humans, ratings(draw_points(model, 60, rng))) for _ in range(2)]
        resampling = Resampling(n=199, seed=seed)
        (first,), (second,) = resample_means(panels, None, None, resampling, is_shown)
        found.append(difference_of(first, second, resampling).p[0])
    p = np.array(found)
    for share in (0.05, 0.2, 0.5):
        assert abs((p <= share).mean() - share) < 3 * np.sqrt(share * (1 - share) / 300)


def test_holm_worked_by_hand() -> None:
    # four claims: 4 x 0.01, 3 x 0.02, then 2 x 0.03 and 1 x 0.04 are no less than the one before
    assert holm(np.array([0.03, 0.01, 0.04, 0.02])) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm(np.array([0.5, 0.6])) == pytest.approx([1, 1]), "a p is at most 1"
    assert holm(np.array([0.2])) == pytest.approx([0.2])
    assert holm(np.empty((0, 3))).shape == (0, 3)


def holm_by_definition(p: list[float]) -> list[float]:
    """The least level at which Holm's step-down procedure rejects each hypothesis, found by trying levels."""
    m, order = len(p), sorted(range(len(p)), key=lambda i: p[i])
    found = [1.0] * m
    for level in sorted({min(1.0, p[i] * (m - k)) for k, i in enumerate(order)}, reverse=True):
        for k, i in enumerate(order):
            if p[i] * (m - k) > level:
                break
            found[i] = level
    return found


@given(st.lists(st.floats(0.0005, 1), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_holm_is_the_least_level_at_which_the_procedure_rejects(p: list[float]) -> None:
    assert holm(np.array(p)) == pytest.approx(holm_by_definition(p))


def test_holm_works_column_by_column_and_passes_over_what_is_nan() -> None:
    p = np.array([[0.01, 0.04], [np.nan, 0.03], [0.02, 0.5]])
    expected = [[0.02, 0.09], [np.nan, 0.09], [0.02, 0.5]]
    assert holm(p) == pytest.approx(np.array(expected), nan_ok=True)


def means_of(corrected: list[float], noise: list[list[float]]) -> list[Means]:
    """Means of sources in one group."""
    return [
        Means(np.array([value]), np.array([value]), np.array([of_source], dtype=np.float32))
        for value, of_source in zip(corrected, noise, strict=True)
    ]


def square(pairs: dict[tuple[int, int], tuple[float, float]], n: int) -> tuple[Array, Array]:
    """Differences and p of all ordered pairs of n sources, from those of i < j."""
    differences, p = np.zeros((n, n, 1)), np.ones((n, n, 1))
    for (i, j), (value, of_pair) in pairs.items():
        differences[i, j], differences[j, i] = value, -value
        p[i, j] = p[j, i] = of_pair
    return differences, p


def test_ranks_worked_by_hand() -> None:
    """a is clearly nearer than c and d; b than d alone; c and d cannot be told apart."""
    means = means_of([0.10, 0.12, 0.20, 0.25], [[0, 0, 0.05, 0], [0, 0, -0.05, 0], [0, 0, 0, -0.15], [0] * 4])
    pairs = {
        (0, 1): (-0.02, 0.8),
        (0, 2): (-0.10, 0.02),
        (0, 3): (-0.15, 0.001),
        (1, 2): (-0.08, 0.06),
        (1, 3): (-0.13, 0.049),
        (2, 3): (-0.05, 0.5),
    }
    ranks = rank_sources(means, *square(pairs, 4), 0.95)
    assert ranks.rank[:, 0].tolist() == [1, 2, 3, 4]
    assert ranks.low[:, 0].tolist() == [1, 1, 2, 3]
    assert ranks.high[:, 0].tolist() == [2, 3, 4, 4]
    # nearest in the four draws: a, a, b (0.07 against 0.15), c (0.05)
    assert ranks.share_first[:, 0].tolist() == [0.5, 0.25, 0.25, 0]
    surer = rank_sources(means, *square(pairs, 4), 0.99)
    assert surer.high[:, 0].tolist() == [3, 4, 4, 4]


def test_equal_means_share_a_rank() -> None:
    ranks = rank_sources(means_of([0.2, 0.1, 0.1], [[0.0] * 2] * 3), *square({}, 3), 0.95)
    assert ranks.rank[:, 0].tolist() == [3, 1, 1]
    assert (ranks.low[:, 0].tolist(), ranks.high[:, 0].tolist()) == ([1, 1, 1], [3, 3, 3])


def test_clear_pairs_keep_ranks_in_the_order_of_the_truth() -> None:
    """Of 40 samples, those in which any model's true place lies outside its places are about one in twenty at most.

    The models are 0, 0.04 and 0.08 from the first on each of ten items; at most 6 of 40 fail with a chance of 0.99.
    """
    rng = np.random.default_rng(13)
    people = np.array([[0.4, 0.3, 0.2, 0.1]] * 10)
    models = [people + away * np.array([-1, 0, 0, 1]) for away in (0.1, 0.14, 0.18)]
    is_shown, n_failed = np.ones((1, 10), dtype=bool), 0
    for seed in range(40):
        resampling = Resampling(n=200, seed=seed)
        humans = ratings(draw_points(people, 80, rng))
        panels = [panel_of([4] * 10, humans, ratings(draw_points(model, 80, rng))) for model in models]
        means = [found for (found,) in resample_means(panels, None, None, resampling, is_shown)]
        pairs = {(i, j): difference_of(means[i], means[j], resampling) for i, j in ((0, 1), (0, 2), (1, 2))}
        p = holm(np.array([found.p[0] for found in pairs.values()]))
        of_pairs = {key: (float(pairs[key].value[0]), float(p[k])) for k, key in enumerate(pairs)}
        ranks = rank_sources(means, *square(of_pairs, 3), 0.95)
        places = np.arange(1, 4)
        n_failed += bool(((ranks.low[:, 0] > places) | (ranks.high[:, 0] < places)).any())
    assert n_failed <= 6
