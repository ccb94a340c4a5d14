"""Disparity: the gap of unequal groups is found, that of equal ones is called chance, and numbers follow by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student_t

from tests.scoring.simulated import compared_of, draw_points, panel_of, ratings
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._disparity import (
    Disparity,
    GroupMeans,
    comparable_cells,
    find_disparity,
    two_way_noise,
)
from worldvaluesbench.stats._distribution import Array
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.stats._item_sampling import Items, Moments

TEN = Resampling(n=10)


def means_of(corrected: list[float], noise: Array) -> GroupMeans:
    """Means of groups, with noise (groups, resamples) that is centred here."""
    value = np.array(corrected)
    centred = noise - noise.mean(axis=1, keepdims=True)
    return GroupMeans("by hand", np.ones(value.size, dtype=bool), 1, value, value, centred.astype(np.float32))


def test_disparity_worked_by_hand() -> None:
    noise = np.array([[-0.02, 0.02, 0.0, 0.0], [0.02, -0.02, 0.0, 0.0], [0.0, 0.0, 0.02, -0.02]])
    found = find_disparity(means_of([0.1, 0.2, 0.13], noise), np.ones(3, dtype=bool), Resampling(n=4))
    assert found is not None
    assert (found.best, found.worst) == (0, 1)
    assert found.gap == pytest.approx(0.1)
    # gaps of the noise: 0.04, 0.04, 0.02, 0.02
    assert found.gap_by_chance == pytest.approx(0.03, abs=1e-7)
    assert found.p == 1 / 5
    # the gap less the 95th percentile of those of the noise; the pair 0.1 apart moves by 0.04, -0.04, 0 and 0
    assert found.gap_low == pytest.approx(0.1 - 0.04, abs=1e-6)
    assert found.gap_high == pytest.approx(0.1 + np.quantile([0.04, -0.04, 0, 0], 0.975), abs=1e-6)
    variance = np.var([0.1, 0.2, 0.13], ddof=1)
    assert found.spread_as_is == pytest.approx(variance**0.5)
    assert found.spread == pytest.approx((variance - 0.0002) ** 0.5, abs=1e-6)
    assert found.spread_low <= found.spread <= found.spread_high


def test_the_interval_of_a_spread_is_that_of_the_gap_for_two_groups() -> None:
    """Two groups 0.1 apart, a normal error of 0.02 between them: the spread is the gap by the root of 2."""
    rng = np.random.default_rng(82)
    noise = rng.normal(0, 0.02 / 2**0.5, (2, 4000))
    found = find_disparity(means_of([0.2, 0.3], noise), np.ones(2, dtype=bool), Resampling(n=4000))
    assert found is not None
    ends = (0.1 - 1.96 * 0.02) / 2**0.5, (0.1 + 1.96 * 0.02) / 2**0.5
    assert (found.spread_low, found.spread_high) == pytest.approx(ends, abs=0.003)


def test_a_gap_that_chance_makes_in_half_of_the_draws_has_a_p_of_half() -> None:
    noise = np.array([[0.0] * 9, [-4, -3, -2, -1, 0, 1, 2, 3, 4]]) / 100
    found = find_disparity(means_of([0.1, 0.13], noise), np.ones(2, dtype=bool), Resampling(n=9))
    assert found is not None
    assert found.p == pytest.approx((1 + 4) / 10)


def test_groups_that_are_left_out_or_without_a_number_do_not_count() -> None:
    noise = np.random.default_rng(81).normal(0, 0.01, (4, 10))
    means = means_of([0.1, 0.9, np.nan, 0.2], noise)
    found = find_disparity(means, np.array([True, False, True, True]), TEN)
    assert found is not None
    assert (found.best, found.worst, round(found.gap, 9)) == (0, 3, 0.1)


def test_one_group_alone_has_no_disparity() -> None:
    means = means_of([0.1, np.nan], np.zeros((2, 10)))
    assert find_disparity(means, np.ones(2, dtype=bool), TEN) is None
    assert find_disparity(means, np.zeros(2, dtype=bool), TEN) is None


def simulate(sizes: list[int], away: list[float], seed: int, rng: np.random.Generator, n_items: int = 12) -> Disparity:
    """Groups of these sizes, for which a model is so far off at the end of the scale."""
    people = np.array([[0.4, 0.3, 0.2, 0.1]] * n_items)
    shift = np.array([-1, 0, 0, 1])
    humans = draw_points(people, sum(sizes), rng)
    given = np.vstack([draw_points(people + x * shift, n, rng) for x, n in zip(away, sizes, strict=True)])
    member = np.repeat(np.arange(len(sizes)), sizes)
    panel = panel_of([4] * n_items, ratings(humans), ratings(given))
    resampling = Resampling(n=199, seed=seed)
    _, (means,) = compared_of([panel], How(min_n=1, resampling=resampling), member=member)
    found = find_disparity(means, np.ones(len(sizes), dtype=bool), resampling)
    assert found is not None
    return found


def test_equal_groups_are_called_unequal_as_rarely_as_the_level_says() -> None:
    """Five groups of 40 to 200 people, all 0.15 off. Of 200 samples 10 have a p of at most 0.05, give or take 9.3."""
    rng = np.random.default_rng(82)
    found = [simulate([40, 60, 80, 120, 200], [0.15] * 5, seed, rng) for seed in range(200)]
    p = np.array([one.p for one in found])
    assert 0.005 <= (p <= 0.05).mean() <= 0.1
    assert 0.33 <= (p <= 0.5).mean() <= 0.62
    gap, by_chance = (np.mean([getattr(one, name) for one in found]) for name in ("gap", "gap_by_chance"))
    assert gap == pytest.approx(by_chance, rel=0.15), "the gap there is is the gap that chance makes"
    assert np.mean([one.spread for one in found]) < 0.6 * np.mean([one.spread_as_is for one in found])


def test_two_items_that_agree_by_chance_make_no_gap_certain() -> None:
    """Of 200 samples 10 have a p of at most 0.05, give or take 9.3; before, with two items, it was one in three."""
    rng = np.random.default_rng(88)
    p = np.array([simulate([100, 150], [0.15, 0.15], seed, rng, n_items=2).p for seed in range(200)])
    assert (p <= 0.05).mean() <= 0.1


def test_a_perfect_model_is_not_said_to_serve_small_groups_worse() -> None:
    """What the correction leaves of the bias of 30 people is more than that of 1,000, and is nobody's fault."""
    rng = np.random.default_rng(86)
    found = [simulate([30, 1000], [0.0, 0.0], seed, rng, n_items=36) for seed in range(40)]
    assert np.mean([one.worst == 0 for one in found]) > 0.8, "the bias is there"
    assert np.mean([one.p <= 0.05 for one in found]) <= 0.05
    assert np.mean([one.gap_low > 0 for one in found]) <= 0.05
    clear = [simulate([30, 1000], [0.3, 0.1], seed, rng) for seed in range(10)]
    assert all(one.p <= 0.05 and one.worst == 0 for one in clear)


def test_unequal_groups_are_found_and_named() -> None:
    """Of 30 samples all have a small p, the right worst group, and mostly an interval that holds the true gap."""
    rng = np.random.default_rng(83)
    found = [simulate([80, 80, 80], [0.1, 0.15, 0.3], seed, rng) for seed in range(30)]
    assert all(one.p <= 0.01 for one in found)
    assert {one.worst for one in found} == {2}
    held = np.mean([one.gap_low <= 0.2 <= one.gap_high for one in found])
    assert held >= 0.85
    assert np.mean([one.gap for one in found]) == pytest.approx(0.2, abs=0.02)
    assert np.mean([one.spread for one in found]) == pytest.approx(np.std([0.1, 0.15, 0.3], ddof=1), abs=0.015)


def test_raw_distances_would_call_small_groups_badly_served() -> None:
    """All are 0.05 off; in raw distances those of 30 look farther than those of 500, in corrected ones hardly."""
    rng = np.random.default_rng(84)
    people = np.array([[0.4, 0.3, 0.2, 0.1]] * 12)
    model = people + 0.05 * np.array([-1, 0, 0, 1])
    raw, corrected = [], []
    for seed in range(60):
        panel = panel_of([4] * 12, ratings(draw_points(people, 530, rng)), ratings(draw_points(model, 530, rng)))
        member = np.repeat([0, 1], [30, 500])
        how = How(min_n=1, resampling=Resampling(n=50, seed=seed))
        _, (means,) = compared_of([panel], how, member=member)
        raw.append(means.value[0] - means.value[1])
        corrected.append(means.corrected[0] - means.corrected[1])
    assert np.mean(raw) > 0.02
    assert abs(np.mean(corrected)) < np.mean(raw) / 4


def test_the_noise_of_a_gap_is_that_of_items_and_of_what_respondents_move_together() -> None:
    """Two groups over 30 items: items move both alike where both are as far from each, and the gap not at all."""
    rng = np.random.default_rng(87)
    of_items, common = rng.normal(0.2, 0.05, 30), np.ones(30, dtype=bool)
    alike = np.vstack([of_items, of_items + 0.1])
    nothing = np.zeros((2, 4000), dtype=np.float32)
    moments = Moments(np.zeros((2, 30)), np.zeros(2))
    items = Items(np.repeat(np.arange(6), 5))
    found = two_way_noise(alike, nothing, common, moments, items, Resampling(n=4000))
    within = sum(5 * of_items[k : k + 5].var(ddof=1) for k in range(0, 30, 5)) / 30**2
    within *= (student_t.ppf(0.975, 30 - 6) / norm.ppf(0.975)) ** 2
    assert found.var(axis=1, ddof=1) == pytest.approx([within] * 2, rel=0.1)
    assert np.ptp(found, axis=0).max() == pytest.approx(0, abs=1e-6)
    moving = rng.normal(0, 0.01, (2, 4000)).astype(np.float32)
    common_part = Moments(np.zeros((2, 30)), np.full(2, 0.006**2 * 30 / 29))
    both = two_way_noise(alike, moving, common, common_part, items, Resampling(n=4000))
    assert both.var(axis=1, ddof=1) == pytest.approx([within + 0.01**2] * 2, rel=0.1), (
        "the gap moves as for fixed items"
    )
    apart = np.vstack([of_items, rng.permutation(of_items)])
    both = two_way_noise(apart, moving, common, common_part, items, Resampling(n=4000))
    assert both[0].var(ddof=1) == pytest.approx(within + 0.006**2, rel=0.1)
    fixed = two_way_noise(alike, moving, common, common_part, Items(items.topic, "fixed"), Resampling(n=4000))
    assert np.array_equal(fixed, moving)


def naive_comparable(is_shown: NDArray[np.bool_]) -> tuple[list[bool], list[bool]]:
    n_items = sum(any(row[item] for row in is_shown) for item in range(is_shown.shape[1]))
    groups = [sum(row) >= 0.9 * n_items and sum(row) > 0 for row in is_shown]
    kept = [row for row, is_kept in zip(is_shown, groups, strict=True) if is_kept]
    return groups, [bool(kept) and all(row[item] for row in kept) for item in range(is_shown.shape[1])]


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=14)))
@settings(max_examples=200, deadline=None)
def test_groups_are_compared_over_items_that_all_of_them_have(is_shown: NDArray[np.bool_]) -> None:
    groups, items = comparable_cells(is_shown)
    assert (groups.tolist(), items.tolist()) == naive_comparable(is_shown)


def test_who_lacks_more_than_a_tenth_of_the_items_is_left_out() -> None:
    is_shown = np.ones((3, 20), dtype=bool)
    is_shown[1, :2] = False
    is_shown[2, :3] = False
    groups, items = comparable_cells(is_shown)
    assert groups.tolist() == [True, True, False]
    assert items.tolist() == [False] * 2 + [True] * 18


def test_a_disparity_is_frozen() -> None:
    rng = np.random.default_rng(85)
    found = simulate([30, 30], [0.1, 0.1], 0, rng)
    assert replace(found, gap=0.0).gap == 0 != found.gap
