"""Power is what SciPy's noncentral t says and what simulated comparisons show; needs and detections are inverses."""

from dataclasses import replace
from math import inf, nan, sqrt

import numpy as np
import pytest
from benchmarks.coverage import models_of
from benchmarks.power import all_ends, is_found_in, load_items, parts_of
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import nct, t

from worldvaluesbench.errors import ScaleError
from worldvaluesbench.stats._item_sampling import t_quantile
from worldvaluesbench.stats._power import (
    DEFAULT_VARIANCE,
    Design,
    DifferenceVariance,
    detectable_difference,
    needed,
    power_of,
    variance_of,
)

VARIANCE = DifferenceVariance(items=0.012, sampling=0.3, shared=0.02, human_share=0.4)
PROBE = Design(36, 230)
N_SAMPLES = 150


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 24, 227, 999, 1_000, 20_000])
@pytest.mark.parametrize("p", [0.01, 0.5, 0.6, 0.975, 0.9995])
def test_quantiles_of_t_are_scipys(p: float, df: int) -> None:
    assert t_quantile(p, df) == pytest.approx(t.ppf(p, df), rel=1e-7, abs=1e-9)
    assert t_quantile(0.975, inf) == pytest.approx(1.959964, abs=1e-6)


def test_the_variance_is_that_of_a_mean_over_items_of_sums_over_respondents() -> None:
    """A thousand simulated tables: an effect of each item, of each respondent on all items, and of each on each."""
    rng = np.random.default_rng(1)
    n_items, n, n_samples = 6, 20, 4
    parts = DifferenceVariance(items=0.5, sampling=3.0, shared=1.0, human_share=0.25)
    share = {"humans": 0.25, "model": 0.75}
    means = []
    for _ in range(20_000):
        total = rng.normal(0, sqrt(0.5), n_items).mean()
        for who, times in (("humans", 1), ("model", n_samples)):
            # as normal sums go, the mean over respondents and samples of effects with these variances
            own = rng.normal(0, sqrt(2 * share[who] / n / times), n_items).mean()
            total += own + rng.normal(0, sqrt(1 * share[who] / n / times))
        means.append(total)
    design = Design(n_items, n, n_samples, n_topics=1)
    assert variance_of(parts, design) == pytest.approx(np.var(means), rel=0.03)


@pytest.mark.parametrize(("n_items", "n_topics"), [(12, 4), (36, 12), (239, 12), (6, 1)])
@pytest.mark.parametrize("difference", [0.01, 0.04, 0.08, 0.2])
def test_power_is_that_of_scipys_noncentral_t(n_items: int, n_topics: int, difference: float) -> None:
    design = Design(n_items, 230, n_topics=n_topics)
    df = n_items - n_topics
    place = difference / sqrt(variance_of(VARIANCE, design))
    expected = nct.sf(t.ppf(0.975, df), df, place)
    assert power_of(difference, VARIANCE, design) == pytest.approx(expected, abs=0.01)
    assert power_of(-difference, VARIANCE, design) == power_of(difference, VARIANCE, design)


def test_the_detectable_difference_is_where_scipys_power_is_80_percent() -> None:
    error, df = sqrt(variance_of(VARIANCE, PROBE)), 24
    expected = brentq(lambda x: nct.sf(t.ppf(0.975, df), df, x / error) - 0.8, 0.001, 0.5)
    assert detectable_difference(VARIANCE, PROBE) == pytest.approx(expected, rel=0.002)


@given(st.integers(2, 239), st.integers(10, 5_000), st.sampled_from([1, 3, inf]), st.floats(0.3, 0.95), st.booleans())
def test_power_at_the_detectable_difference_is_the_power_asked_for(
    n_items: int, n: int, n_samples: float, power: float, is_fixed: bool
) -> None:
    design = Design(n_items, n, n_samples, has_fixed_items=is_fixed)
    found = detectable_difference(VARIANCE, design, power=power)
    assert power_of(found, VARIANCE, design) == pytest.approx(power)


def test_what_is_needed_is_the_least_that_is_enough() -> None:
    noisy = DifferenceVariance(items=0.004, sampling=0.9, shared=0.02, human_share=0.2)
    design = Design(36, 20)
    wanted = 0.12
    assert detectable_difference(noisy, design) > wanted
    found = needed(wanted, noisy, design)
    for enough, too_few in (
        (replace(design, n_items=int(found.n_items)), replace(design, n_items=int(found.n_items) - 1)),
        (replace(design, n_respondents=found.n_respondents), replace(design, n_respondents=found.n_respondents - 1)),
        (replace(design, n_samples=found.n_samples), replace(design, n_samples=found.n_samples - 1)),
    ):
        assert detectable_difference(noisy, enough) <= wanted < detectable_difference(noisy, too_few)


def test_what_no_number_can_do_needs_infinitely_many() -> None:
    """Items vary by more than respondents and samples can make up for; and no item does where humans are few."""
    assert needed(0.03, VARIANCE, PROBE).n_respondents == inf
    assert needed(0.03, VARIANCE, PROBE).n_samples == inf
    assert 36 < needed(0.03, VARIANCE, PROBE).n_items < inf
    assert needed(0.01, DifferenceVariance(0.01, 0.3, 0.3), Design(36, 30)).n_items == inf


def test_what_is_there_already_needs_no_more() -> None:
    found = needed(0.5, VARIANCE, PROBE)
    assert found.n_samples == 1
    assert found.n_respondents == 1
    assert found.n_items < 36
    sure = DifferenceVariance(0.001, 0.0, 0.0)
    assert needed(0.05, sure, PROBE).n_respondents == 1
    assert needed(0.001, sure, PROBE).n_respondents == inf


def test_more_of_anything_never_detects_less() -> None:
    for designs in (
        [replace(PROBE, n_items=n) for n in range(2, 100)],
        [replace(PROBE, n_respondents=n) for n in range(10, 500, 10)],
        [replace(PROBE, n_samples=n) for n in (1, 3, inf)],
    ):
        assert (np.diff([detectable_difference(VARIANCE, one) for one in designs]) < 0).all()


def test_items_that_are_fixed_take_no_part_in_the_variance() -> None:
    fixed = replace(PROBE, has_fixed_items=True)
    of_sampling = (VARIANCE.sampling / 36 + 35 / 36 * VARIANCE.shared) / 230
    assert variance_of(VARIANCE, fixed) == pytest.approx(of_sampling)
    assert detectable_difference(VARIANCE, fixed) == pytest.approx((1.959964 + 0.841621) * sqrt(of_sampling), rel=1e-5)


def test_items_that_share_no_respondents_have_no_shared_variance() -> None:
    apart = replace(PROBE, overlap=0.0)
    assert variance_of(VARIANCE, apart) == pytest.approx((0.012 + 0.3 / 230) / 36)


def test_of_one_item_nothing_follows_about_others() -> None:
    assert detectable_difference(VARIANCE, Design(1, 230)) == inf
    assert np.isnan(power_of(0.1, VARIANCE, Design(1, 230)))
    assert 0 < detectable_difference(VARIANCE, Design(1, 230, has_fixed_items=True)) < 1


@pytest.mark.parametrize(("n_items", "df"), [(2, 1), (3, 2), (12, 6), (24, 12), (36, 24), (239, 227)])
def test_topics_with_a_single_item_are_joined_in_pairs(n_items: int, df: int) -> None:
    assert Design(n_items, 100).df == df


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DifferenceVariance(-0.1, 0, 0), "'items' of a difference is -0.1; expected 0 or more"),
        (lambda: DifferenceVariance(0, nan, 0), "'sampling' of a difference is nan"),
        (lambda: DifferenceVariance(0, 0, inf), "'shared' of a difference is inf"),
        (lambda: DifferenceVariance(0, 0, 0, 1.5), "humans' share of a variance is 1.5; expected 0 to 1"),
        (lambda: Design(0, 230), "n_items of a design is 0; expected 1 or more"),
        (lambda: Design(36, nan), "n_respondents of a design is nan"),
        (lambda: Design(36, 230, 0), "0 samples and an overlap of 1"),
        (lambda: needed(0, VARIANCE, PROBE), "difference to detect is 0; expected more than 0"),
        (lambda: power_of(0.1, VARIANCE, PROBE, level=95), "level of a test is 95; expected a number between 0 and 1"),
        (lambda: detectable_difference(VARIANCE, PROBE, power=80), "power of a test is 80"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ScaleError, match=message):
        make()


@pytest.mark.parametrize(("per_topic", "n", "n_samples"), [(3, 230, 1), (3, 30, 5)])
def test_predicted_power_is_the_share_of_simulated_comparisons_that_find_the_difference(
    per_topic: int, n: int, n_samples: int
) -> None:
    """A t test over items drawn within topics and respondents drawn from the world; chance makes 0.08 of 150."""
    items = load_items()
    models = models_of(items.population)
    pair = models["leaning"], models["half uniform"]
    ends = all_ends(items, pair)
    rng = np.random.default_rng([n, 2])
    difference, parts = parts_of(items, ends, pair, n, rng, 25)
    predicted = power_of(difference, parts, Design(per_topic * items.n_topics, n, n_samples, items.n_topics))
    assert 0.25 < predicted < 0.75, "or it tells little"
    found = [is_found_in(items, ends, per_topic, n, n_samples, rng) for _ in range(N_SAMPLES)]
    assert np.mean(found) == pytest.approx(predicted, abs=0.1)


def test_equals_are_told_apart_no_more_often_than_the_level_says() -> None:
    """Both sources answer from one distribution: power is half of 5% on either side."""
    items = load_items()
    models = models_of(items.population)
    pair = models["leaning"], models["leaning"]
    ends = all_ends(items, pair)
    rng = np.random.default_rng(3)
    found = [is_found_in(items, ends, 3, 60, 1, rng) for _ in range(N_SAMPLES)]
    assert np.abs(found).mean() <= 0.1


def test_without_a_pilot_the_papers_probe_detects_what_the_docs_say() -> None:
    assert detectable_difference(DEFAULT_VARIANCE, replace(PROBE, overlap=0.06)) == pytest.approx(0.071, abs=0.0005)
