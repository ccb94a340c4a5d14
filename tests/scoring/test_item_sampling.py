"""Standard errors of means over items equal those of literal bootstraps, of samples of samples, and of a hand."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from worldvaluesbench.errors import ScaleError
from worldvaluesbench.scoring.compare._compared import _moments
from worldvaluesbench.stats._distribution import Array, Mask
from worldvaluesbench.stats._item_sampling import (
    ITEM_SAMPLING,
    LEAST_DESIGN_EFFECT,
    Items,
    ItemSampling,
    Moments,
    StandardError,
    collapse_singletons,
    design_effect_of_share,
    draw_items,
    moments_of,
    standard_error,
    t_quantile,
    t_share,
)

N_RESAMPLES = 30_000
UNEQUAL = ("A",) * 5 + ("B",) * 4 + ("C",) * 6 + ("D",) * 3 + ("E",) * 2
STILL = Moments(np.zeros(1), np.zeros(()))
"""Respondents move nothing."""


def variance_with_error(draws: Array) -> tuple[float, float]:
    """The variance of independent draws, and its own Monte Carlo standard error."""
    apart = draws - draws.mean()
    return float((apart**2).mean()), float(np.sqrt((apart**4).mean() - (apart**2).mean() ** 2) / draws.size**0.5)


def resampled_means(values: Array, units: Sequence[Sequence[Sequence[int]]], rng: np.random.Generator) -> Array:
    """Means of values in resamples by Rao and Wu, one by one.

    `units`: for each stratum its units, each some items that are drawn together. Of m units m - 1 are drawn with
    replacement, and each counts as m / (m - 1).
    """
    means = np.empty(N_RESAMPLES)
    plan = [
        (np.array([values[list(unit)].sum() for unit in stratum]), np.array([len(unit) for unit in stratum]))
        for stratum in units
    ]
    for b in range(N_RESAMPLES):
        total = size = 0.0
        for totals, sizes in plan:
            m = totals.size
            drawn = rng.integers(m, size=m - 1)
            total += totals[drawn].sum() * m / (m - 1)
            size += sizes[drawn].sum() * m / (m - 1)
        means[b] = total / size
    return means


def error_of(values: Any, topics: Sequence[str], sampling: ItemSampling, moments: Moments = STILL) -> StandardError:
    return standard_error(values, np.ones(len(topics), dtype=bool), moments, Items.of(topics, sampling))


def members_of(topics: Sequence[str]) -> list[list[int]]:
    return [[place for place, one in enumerate(topics) if one == topic] for topic in dict.fromkeys(topics)]


def test_within_topics_the_variance_is_that_of_a_bootstrap_of_items_within_topics() -> None:
    rng = np.random.default_rng(1)
    values = rng.gamma(2, 0.05, len(UNEQUAL)) + np.repeat([0, 0.3, 0.1, 0.5, 0.2], [5, 4, 6, 3, 2])
    units = [[[place] for place in stratum] for stratum in members_of(UNEQUAL)]
    expected, error = variance_with_error(resampled_means(values, units, rng))
    found = error_of(values, UNEQUAL, "within-topics")
    assert float(found.value) ** 2 == pytest.approx(expected, abs=4 * error)
    assert found.df == len(UNEQUAL) - 5
    assert error < 0.02 * expected


def test_with_topics_the_variance_is_that_of_a_bootstrap_of_topics() -> None:
    """With as many items in each topic; topics of several sizes make a ratio, checked by its own formula."""
    rng = np.random.default_rng(2)
    topics = [topic for topic in "ABCDEFGH" for _ in range(4)]
    values = rng.gamma(2, 0.05, 32) + np.repeat(rng.uniform(0, 0.5, 8), 4)
    expected, error = variance_with_error(resampled_means(values, [members_of(topics)], rng))
    found = error_of(values, topics, "topics")
    assert float(found.value) ** 2 == pytest.approx(expected, abs=4 * error)
    assert found.df == 7
    one_by_one = error_of(values, topics, "within-topics")
    assert found.value > 2 * one_by_one.value, "topics are far apart"


def test_of_topics_of_several_sizes_the_mean_is_a_ratio() -> None:
    """Of totals to numbers of items: T / (T - 1) times the sum of squared residuals, over the square of all items."""
    values = np.random.default_rng(3).uniform(0, 1, len(UNEQUAL))
    residuals = [sum(values[place] - values.mean() for place in members) for members in members_of(UNEQUAL)]
    expected = 5 / 4 * sum(residual**2 for residual in residuals) / len(UNEQUAL) ** 2
    found = error_of(values, UNEQUAL, "topics")
    assert float(found.value) ** 2 == pytest.approx(expected)
    assert found.df == 4


OWN = np.array([0.01, 0.02, 0.03, 0.04])


@pytest.mark.parametrize(
    ("topics", "sampling", "of_items", "common", "df"),
    [
        # within topics the variances are 0.02 and 0.08: (2 x 0.02 + 2 x 0.08) / 16
        ("AABB", "within-topics", 0.0125, 0.004, 2),
        # the mean is 0.3 and both topics are 0.2 apart from their part of it: 2 x (0.04 + 0.04) / 16
        ("AABB", "topics", 0.01, 0.004, 1),
        # the sampling variances sum to 0.1; of the 16 pairs of items 12 are of two different ones
        ("AABB", "fixed", 0.1 / 16, 0.75 * 0.004, inf),
        # one topic: the variance 0.14 / 3 over four items
        ("AAAA", "within-topics", 0.14 / 12, 0.004, 3),
        # one topic says nothing of others: as if it were fixed
        ("AAAA", "topics", 0.1 / 16, 0.75 * 0.004, inf),
        # a topic of one item is put with the other one
        ("AAAB", "within-topics", 0.14 / 12, 0.004, 3),
        # topics of one item each are put together
        ("ABCD", "within-topics", 0.14 / 12, 0.004, 3),
        ("AABC", "within-topics", 0.0125, 0.004, 2),
        ("ABCD", "topics", 0.14 / 12, 0.004, 3),
    ],
)
def test_errors_by_hand(topics: str, sampling: ItemSampling, of_items: float, common: float, df: float) -> None:
    found = error_of([0.1, 0.3, 0.2, 0.6], list(topics), sampling, Moments(OWN, np.array(0.004)))
    assert float(found.value) ** 2 == pytest.approx(of_items + common)
    assert found.df == df


@pytest.mark.parametrize("sampling", ITEM_SAMPLING)
def test_the_error_is_that_of_other_respondents_and_other_items(sampling: ItemSampling) -> None:
    """Of 6,000 samples, each of other items and other respondents: the mean variance is the variance of the means.

    Respondents move all items alike, and each for itself; items are of four topics, which with `topics` are others in
    each sample. The variance of the means is known to 2%.
    """
    rng, n = np.random.default_rng(4), 6_000
    topics = [topic for topic in "ABCD" for _ in range(3)]
    of_topics = rng.normal(0, 0.2, (n if sampling == "topics" else 1, 4)).repeat(3, axis=1)
    truths = of_topics + rng.normal(0, 0.1, (1 if sampling == "fixed" else n, 12))
    own, common = 0.08**2, 0.06**2
    values = truths + rng.normal(0, own**0.5, (n, 12)) + rng.normal(0, common**0.5, (n, 1))
    moments = Moments(np.full((n, 12), own + common), np.full(n, common))
    found = standard_error(values, np.ones(12, dtype=bool), moments, Items.of(topics, sampling)).value
    assert (found**2).mean() == pytest.approx(values.mean(axis=1).var(), rel=0.06)


def test_what_items_have_in_common_counts_whole_however_few_they_are() -> None:
    """Three items without noise of their own: of 20,000 samples the variance is known to 1%."""
    rng = np.random.default_rng(5)
    values = rng.normal(0, 0.02, (20_000, 3)) + rng.normal(0, 0.2, (20_000, 1))
    moments = Moments(np.full(3, 0.04), np.array(0.04))
    found = standard_error(values, np.ones(3, dtype=bool), moments, Items.of("AAA")).value
    assert (found**2).mean() == pytest.approx(values.mean(axis=1).var(), rel=0.04)


def test_a_covariance_below_0_takes_nothing_away_but_from_fixed_items() -> None:
    """Two items that go against each other: their mean does not move at all."""
    moments = Moments(np.array([0.04, 0.04]), np.array(-0.04))
    assert error_of([0.1, 0.3], "AA", "fixed", moments).value == pytest.approx(0)
    assert error_of([0.1, 0.3], "AA", "within-topics", moments).value == pytest.approx(0.1)


def some_moments(rng: np.random.Generator, shape: tuple[int, ...]) -> Moments:
    return Moments(rng.uniform(0, 0.1, shape), rng.uniform(-0.02, 0.05, shape[:-1]))


@given(
    st.integers(0, 2**32), st.sampled_from(ITEM_SAMPLING), st.integers(1, 7), st.lists(st.integers(1, 3), max_size=2)
)
@settings(max_examples=150, deadline=None)
def test_every_mean_has_the_error_of_its_items_alone(
    seed: int, sampling: ItemSampling, n_items: int, outer: list[int]
) -> None:
    """Whatever stands at items that are not in, NaN and infinity too, and whatever other means stand beside it."""
    rng = np.random.default_rng(seed)
    shape = (*outer, n_items)
    items = Items(rng.integers(0, 3, n_items), sampling)
    values, moments, is_in = rng.uniform(0, 1, shape), some_moments(rng, shape), rng.random(shape) < 0.7
    odd = np.where(is_in, values, rng.choice([np.nan, np.inf, -7.0], shape))
    found = standard_error(odd, is_in, replace(moments, variance=np.where(is_in, moments.variance, np.nan)), items)
    assert found.value.shape == found.df.shape == tuple(outer)
    for place in np.ndindex(*outer):
        kept = is_in[place]
        if not kept.any():
            assert np.isnan(found.value[place])
            continue
        alone = standard_error(
            values[place][kept],
            np.ones(int(kept.sum()), dtype=bool),
            Moments(moments.variance[place][kept], moments.covariance[place]),
            replace(items, topic=items.topic[kept]),
        )
        assert found.value[place] == pytest.approx(float(alone.value))
        assert found.df[place] == alone.df


@given(st.integers(0, 2**32), st.sampled_from(ITEM_SAMPLING), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_shapes_broadcast(seed: int, sampling: ItemSampling, n_items: int) -> None:
    """One variance, one covariance and one choice of items for all means are those written out for each."""
    rng = np.random.default_rng(seed)
    items, values = Items(rng.integers(0, 3, n_items), sampling), rng.uniform(0, 1, (2, 3, n_items))
    is_in, moments = rng.random(n_items) < 0.8, some_moments(rng, (n_items,))
    written_out = Moments(np.tile(moments.variance, (2, 3, 1)), np.tile(moments.covariance, (2, 3)))
    brief = standard_error(values, is_in, moments, items)
    whole = standard_error(values, np.tile(is_in, (2, 3, 1)), written_out, items)
    assert np.array_equal(brief.value, whole.value, equal_nan=True)
    assert np.array_equal(brief.df, whole.df)


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(ITEM_SAMPLING))
def test_one_item_is_as_if_it_were_fixed(value: float, variance: float, sampling: ItemSampling) -> None:
    found = error_of([value], ["A"], sampling, Moments(np.array([variance]), np.array(0.0)))
    assert float(found.value) == pytest.approx(variance**0.5)
    assert found.df == inf


@pytest.mark.parametrize(
    ("strata", "expected"),
    [
        # two are alone: they are put together
        ([3, 3, 8, 5, 9, 9], [0, 0, 1, 1, 2, 2]),
        # one is alone: it is put with the smallest of the others
        ([3, 3, 3, 5, 9, 9, 4, 4, 4, 4], [0, 0, 0, 2, 2, 2, 1, 1, 1, 1]),
        ([7], [0]),
        ([7, 6], [0, 0]),
        ([2, 2, 2], [0, 0, 0]),
        ([], []),
    ],
)
def test_strata_of_one_are_put_together(strata: list[int], expected: list[int]) -> None:
    assert collapse_singletons(np.array(strata, dtype=np.int64)).tolist() == expected


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=30))
def test_collapsed_strata_hold_two_or_more_and_keep_together_what_was(strata: list[int]) -> None:
    stratum = np.array(strata)
    found = collapse_singletons(stratum)
    assert np.bincount(found).min() >= 2
    for one in np.unique(stratum):
        assert np.unique(found[stratum == one]).size == 1


@pytest.mark.parametrize("sampling", ITEM_SAMPLING)
def test_drawn_items_move_a_mean_as_much_as_its_standard_error_says(sampling: ItemSampling) -> None:
    """Items that are not in are in no resample; in each, those of a topic count for as many as there are."""
    rng = np.random.default_rng(6)
    items, is_in = Items.of(UNEQUAL, sampling), np.arange(len(UNEQUAL)) % 5 != 4
    values = rng.uniform(0, 1, len(UNEQUAL))
    weight = draw_items(items, is_in, N_RESAMPLES, rng).astype(np.float64)
    assert (weight[~is_in] == 0).all()
    if sampling == "within-topics":
        # but for the one of the last topic that is left, which is put with the fourth topic
        for members in members_of(UNEQUAL)[:3]:
            kept = is_in[members].sum()
            assert weight[members].sum(axis=0) == pytest.approx(np.full(N_RESAMPLES, kept), rel=1e-5)
    # a mean of drawn items is a ratio: residuals have the same variance, and no ratio
    residual = np.where(is_in, values - values[is_in].mean(), 0)
    expected, error = variance_with_error(residual @ weight / is_in.sum())
    found = float(standard_error(values, is_in, STILL, items).value) ** 2
    assert found == pytest.approx(expected, abs=4 * error + 1e-12)


@pytest.mark.parametrize(
    ("topics", "is_in", "sampling"),
    [
        ("AAB", [True, False, False], "within-topics"),
        ("AAB", [True, True, False], "topics"),
        ("AAB", [True] * 3, "fixed"),
    ],
)
def test_where_nothing_is_known_of_other_items_every_draw_has_them_all(
    topics: str, is_in: list[bool], sampling: ItemSampling
) -> None:
    weight = draw_items(Items.of(topics, sampling), np.array(is_in), 50, np.random.default_rng(7))
    assert (weight == np.array(is_in)[:, None]).all()


def test_an_unknown_way_of_sampling_items_is_refused() -> None:
    wrong: Any = "random"
    with pytest.raises(ScaleError, match="no item sampling 'random'; there are within-topics, topics, fixed"):
        Items.of("AB", wrong)


def cross_covariance(first: Any, second: Any, is_in: Mask) -> Array:
    """Of two sources, group by group, as comparisons compute it: (groups, items, resamples) -> (groups,)."""
    groups = zip(first, second, is_in, strict=True)
    return np.array([_moments(np.stack([one, two]), kept)[1][0, 1] for one, two, kept in groups])


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(2, 30))
@settings(max_examples=60, deadline=None)
def test_moments_are_those_of_numpys_covariances(seed: int, n_items: int, n_draws: int) -> None:
    """Draws of items that are not in do not count, whatever they are."""
    rng = np.random.default_rng(seed)
    draws = rng.normal(size=(2, n_items, n_draws)) + rng.normal(size=(2, 1, n_draws))
    other = rng.normal(size=draws.shape) + draws.sum(axis=1, keepdims=True)
    is_in = rng.random((2, n_items)) < 0.7
    odd = np.where(is_in[..., None], draws, np.nan)
    found, crossed = moments_of(odd, is_in), cross_covariance(odd, other, is_in)
    for place in range(2):
        kept = np.flatnonzero(is_in[place])
        k = kept.size
        if not k:
            assert found.covariance[place] == crossed[place] == 0
            continue
        both = np.cov(np.concatenate([draws[place, kept], other[place, kept]]))
        own, across = both[:k, :k], both[:k, k:]
        assert found.variance[place, kept] == pytest.approx(np.diag(own))
        is_apart = ~np.eye(k, dtype=bool)
        expected = (own[is_apart].mean(), across[is_apart].mean()) if k > 1 else (0, 0)
        assert (found.covariance[place], crossed[place]) == pytest.approx(expected, abs=1e-9)


def test_a_covariance_with_oneself_is_the_covariance_of_the_moments() -> None:
    draws = np.random.default_rng(8).normal(size=(3, 5, 40)).astype(np.float32)
    every = np.ones((3, 5), dtype=bool)
    assert cross_covariance(draws, draws, every) == pytest.approx(moments_of(draws, every).covariance, abs=1e-7)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 10, 24, 35, 101, 1000, inf])
def test_shares_and_quantiles_of_students_t_are_scipys(df: float) -> None:
    places = np.concatenate([np.linspace(-8, 8, 81), [-300.0, 300.0]])
    assert [t_share(place, df) for place in places.tolist()] == pytest.approx(student.cdf(places, df), abs=1e-12)
    for share in (0.001, 0.025, 0.3, 0.5, 0.9, 0.975, 0.9995):
        assert t_quantile(share, df) == pytest.approx(student.ppf(share, df), abs=1e-7, rel=1e-9)


def test_half_widths_and_p_values_are_those_of_scipys_t() -> None:
    error = StandardError(np.array([[0.02, 0.03], [0.02, np.nan]]), np.array([[24.0, 3.0], [inf, 5.0]]))
    assert error.half_width(0.9) == pytest.approx(student.ppf(0.95, error.df) * error.value, nan_ok=True)
    size = np.array([[0.05, 0.01], [0.04, 0.01]])
    assert error.p_of(size) == pytest.approx(2 * student.sf(size / error.value, error.df), nan_ok=True)
    assert error.p_of(np.array(0.05))[1, 0] == pytest.approx(2 * norm.sf(2.5))


def test_a_size_of_0_is_no_difference_and_one_without_error_is_sure() -> None:
    error = StandardError(np.array([0.0, 0.0, 0.1, 0.1]), np.full(4, 5.0))
    assert error.p_of(np.array([0, 0.1, 0, np.nan])).tolist() == pytest.approx([1, 0, 1, np.nan], nan_ok=True)


@example(size=100.0, value=1.0, df=70.0)
@given(st.floats(0, 1e6), st.floats(1e-9, 1e3), st.one_of(st.integers(1, 200).map(float), st.just(inf)))
@settings(max_examples=300)
def test_p_values_are_shares(size: float, value: float, df: float) -> None:
    p = float(StandardError(np.array(value), np.array(df)).p_of(np.array(size)))
    assert 0 <= p <= 1


def test_a_design_effect_is_the_variance_by_that_of_independent_items() -> None:
    """Where a share is 0 or 1 independent items would not differ, so it says nothing; nor is any share quite sure."""
    share, n = np.array([0.5, 0.5, 0.0, 1.0, 0.25]), np.array([10, 10, 10, 10, 4])
    variance = np.array([0.05, 0.0, 0.0, 0.1, 0.1875 / 4])
    assert design_effect_of_share(share, variance, n) == pytest.approx([2, LEAST_DESIGN_EFFECT, 1, 1, 1])


def test_items_of_names_of_topics_are_numbered_as_they_come() -> None:
    found: NDArray[np.int64] = Items.of(["b", "a", "b"]).topic
    assert found.tolist() == [0, 1, 0]
