"""Paired comparisons: differences, Holm's p and ranks equal those of plain loops, and claims of equals are rare."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from tests.scoring.simulated import compared_of, draw_points, panel_of, ratings
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compared import Compared
from worldvaluesbench.scoring.compare._paired import (
    Difference,
    difference_of,
    holm,
    rank_sources,
    squared_difference_of,
)
from worldvaluesbench.scoring.measure._bootstrap import Design, draw_people
from worldvaluesbench.scoring.measure._pairing import Panel
from worldvaluesbench.stats._distribution import Array, shares_of, wasserstein
from worldvaluesbench.stats._estimate import Resampling, debias
from worldvaluesbench.stats._item_sampling import Items, ItemSampling

N_POINTS = np.array([4, 3, 2])
WIDE = Resampling(n=300, seed=5)
HOW = How(min_n=1, resampling=WIDE)
ALL_ITEMS = Items(np.zeros(3, dtype=np.int64))


def three_items(n: int, seed: int, n_of_last: int | None = None) -> list[Panel]:
    """Two models that answer at random for n people, three items each; the last item for `n_of_last` people alone."""
    rng = np.random.default_rng(seed)
    people, *models = (np.column_stack([rng.integers(0, k, n) for k in N_POINTS]) for _ in range(3))
    for table in (people, *models):
        table[n_of_last or n :, 2] = -1
    return [panel_of(N_POINTS, ratings(people), ratings(model)) for model in models]


def differ(compared: Compared, sampling: ItemSampling = "within-topics", first: int = 0, second: int = 1) -> Difference:
    items = Items(np.zeros(compared.is_in.shape[1], dtype=np.int64), sampling)
    return difference_of(compared, first, second, items, 0.95)


def naive_items(panel: Panel, times: Array) -> tuple[list[float], list[float], list[Array], list[float]]:
    """Of each item: the distance, the same corrected, its corrected draws, and the unbiased squared gap."""
    values, corrected, draws, squared = [], [], [], []
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
        values.append(float(np.abs(gap).mean()))
        corrected.append(float(debias(gap, spread).mean()))
        freed = debias(of_draws, spread).mean(axis=1)
        draws.append(np.where(np.isnan(freed), np.nanmean(freed), freed))
        squared.append(float((gap**2 - np.nanvar(of_draws, axis=0, ddof=1)).mean()))
    return values, corrected, draws, squared


@pytest.mark.parametrize("n_of_last", [40, 3], ids=["all people", "some draws without an item"])
@pytest.mark.parametrize("sampling", ["within-topics", "fixed"])
def test_differences_equal_those_of_plain_loops_over_people_and_draws(n_of_last: int, sampling: ItemSampling) -> None:
    panels = three_items(40, 1, n_of_last)
    compared, _ = compared_of(panels, HOW)
    people = draw_people(panels, None, Design(), WIDE)
    assert people.place.tolist() == list(range(40))
    naive = [naive_items(panel, people.drawn(slice(None)).astype(float)) for panel in panels]
    for place, (values, corrected, draws, squared) in enumerate(naive):
        assert compared.values["distance"][place, 0] == pytest.approx(values, abs=1e-6)
        assert compared.values["corrected"][place, 0] == pytest.approx(corrected, abs=1e-5)
        assert compared.values["squared"][place, 0] == pytest.approx(squared, abs=3e-4)
        variances = [np.var(one, ddof=1) for one in draws]
        assert compared.values["variance"][place, 0] == pytest.approx(variances, rel=2e-3, abs=1e-7)
    found = differ(compared, sampling)
    of_sources = [(float(np.mean(one[0])), float(np.mean(one[1]))) for one in naive]
    means = [(max(corrected, 0.0), raw - corrected) for raw, corrected in of_sources]
    value = means[0][0] - means[1][0]
    assert found.value[0] == pytest.approx(value, abs=1e-5)
    # the variance of a mean over the three items, of their differences and of what moves them together
    of_items = np.array(naive[0][1]) - np.array(naive[1][1])
    moved = np.array(naive[0][2]) - np.array(naive[1][2])
    together = np.cov(moved)
    # the six pairs of different items; how much items differ does not hold what they have in common
    between = together.sum() - np.trace(together)
    common = between / 9 if sampling == "fixed" else max(between / 6, 0)
    own = np.trace(together) / 9 if sampling == "fixed" else of_items.var(ddof=1) / 3
    quantile = 1.959964 if sampling == "fixed" else stats.t.ppf(0.975, 2)
    half = quantile * np.sqrt(own + common)
    # what the corrections took: 0.796 times as much may be left of the bias, and 0.56 of it may be too much
    taken = [max(part, 0.0) for _, part in means]
    too_large, too_small = 0.796 * taken[0] + 0.56 * taken[1], 0.56 * taken[0] + 0.796 * taken[1]
    ends = max(value - half - too_large, -1), min(value + half + too_small, 1)
    assert (found.low[0], found.high[0]) == pytest.approx(ends, abs=2e-3)
    sure = max(value - too_large, -value - too_small, 0)
    t = sure / np.sqrt(own + common)
    expected = 2 * (stats.norm.sf(t) if sampling == "fixed" else stats.t.sf(t, 2))
    assert found.p[0] == pytest.approx(expected, abs=5e-3)


def test_the_squared_gap_is_the_u_statistic_over_respondents() -> None:
    """The mean over pairs of different respondents of the products of their gaps, item by item, in plain loops."""
    rng = np.random.default_rng(31)
    humans, answers = rng.integers(0, 3, (12, 2)), rng.integers(0, 3, (12, 2))
    panel = panel_of([3, 3], ratings(humans), ratings(answers))
    compared, _ = compared_of([panel], How(min_n=1, resampling=Resampling(n=40_000)))
    for item in range(2):
        total, n_pairs = 0.0, 0
        for one in range(12):
            for other in range(12):
                if one != other:
                    n_pairs += 1
                    for cut in range(2):
                        gaps = [
                            float(humans[who, item] <= cut) - float(answers[who, item] <= cut) for who in (one, other)
                        ]
                        total += gaps[0] * gaps[1] / 2
        assert compared.values["squared"][0, 0, item] == pytest.approx(total / n_pairs, abs=6e-4)


def test_an_item_of_few_people_makes_no_difference_clear() -> None:
    """With three people of forty some draws have nobody of the last item; such draws are no sign of certainty."""
    found = differ(compared_of(three_items(40, 2, n_of_last=3), HOW)[0])
    assert found.low[0] < found.value[0] < found.high[0]
    assert found.p[0] > 0.05


def test_the_same_model_twice_differs_by_nothing() -> None:
    panel = three_items(50, 3)[0]
    found = differ(compared_of([panel, panel], HOW)[0])
    assert (found.value[0], found.low[0], found.high[0], found.p[0]) == (0, 0, 0, 1)


def test_a_difference_turned_round_is_the_same_with_the_other_sign() -> None:
    compared, _ = compared_of(three_items(50, 4), HOW)
    for measure in (difference_of, squared_difference_of):
        one, other = (measure(compared, *pair, ALL_ITEMS, 0.95) for pair in ((0, 1), (1, 0)))
        assert other.value[0] == -one.value[0]
        assert (other.low[0], other.high[0]) == pytest.approx((-one.high[0], -one.low[0]), abs=1e-6)
        assert other.p[0] == pytest.approx(one.p[0], abs=1e-12)


def test_a_copy_of_the_responses_and_its_shuffle_tie() -> None:
    """Both have a distance of 0 on every item; only the shuffle moves as respondents are resampled, to below 0."""
    rng = np.random.default_rng(32)
    people = rng.integers(0, 4, (200, 36))
    shuffled = rng.permuted(people, axis=0)
    panels = [panel_of([4] * 36, ratings(people), ratings(given)) for given in (people, shuffled)]
    compared, _ = compared_of(panels, How(resampling=WIDE))
    assert compared.values["distance"].max() == pytest.approx(0, abs=1e-12)
    assert compared.mean("corrected")[1, 0] < -0.001, "the correction goes below 0"
    found = differ(compared)
    assert (found.value[0], found.p[0]) == (0, 1)
    items = Items(np.zeros(36, dtype=np.int64))
    squared = squared_difference_of(compared, 0, 1, items, 0.95)
    assert squared.p[0] == 1
    ranks = rank_sources(compared.mean("corrected"), np.zeros((2, 2, 1)), np.ones((2, 2, 1)), 0.95)
    assert (ranks.rank[:, 0].tolist(), ranks.is_tied[:, 0].tolist()) == ([1, 1], [True, True])


def test_the_same_people_make_a_difference_surer_than_either_distance() -> None:
    """Two models one point apart: whoever is drawn, and whatever is asked, the second is nearer by the same."""
    rng = np.random.default_rng(5)
    people = rng.integers(0, 2, (60, 6))
    panels = [panel_of([5] * 6, ratings(people), ratings(people + away)) for away in (1, 2)]
    found = differ(compared_of(panels, HOW)[0])
    assert found.value[0] == pytest.approx(-0.25, abs=1e-6)
    assert (found.low[0], found.high[0]) == pytest.approx((-0.25, -0.25), abs=1e-4)
    assert found.p[0] < 1e-6


def test_cells_that_are_too_small_are_in_no_mean() -> None:
    panels = three_items(40, 6, n_of_last=8)
    compared, _ = compared_of(panels, replace(HOW, min_n=10))
    distances = [
        wasserstein(*(shares_of(np.bincount(side.point[side.item == item], minlength=k)) for side in sides))
        for item, k in enumerate(N_POINTS.tolist())
        for sides in [(panels[0].humans, panels[0].answers)]
    ]
    assert compared.n_items.tolist() == [2]
    assert compared.mean("distance")[0, 0] == pytest.approx(np.mean(distances[:2]), abs=1e-6)


def test_a_group_without_any_cell_has_no_number_and_no_p() -> None:
    member = np.repeat([0, 1], [35, 5])
    compared, _ = compared_of(three_items(40, 7), replace(HOW, min_n=10), member=member)
    found = differ(compared)
    for part in (found.value, found.low, found.high, found.p):
        assert np.isnan(part).tolist() == [False, True]


def test_sources_of_different_comparisons_differ_by_the_most_that_chance_can_make() -> None:
    """Without their covariance the variance is that of sources whose common parts move against one another."""
    rng = np.random.default_rng(8)
    tendency = rng.normal(size=(60, 1))
    people, *models = ((tendency + rng.normal(size=(60, 24)) + lean > 0).astype(int) for lean in (0, 0.8, 1.2))
    panels = [panel_of([2] * 24, ratings(people), ratings(1 - (1 - model) * people)) for model in models]
    compared, _ = compared_of(panels, HOW)
    hidden = {name: values.copy() for name, values in compared.covariances.items()}
    for values in hidden.values():
        values[0, 1] = values[1, 0] = np.nan
    apart = replace(compared, covariances=hidden)
    known, unknown = (one.moments_of_difference(0, 1) for one in (compared, apart))
    assert (unknown.variance >= known.variance - 1e-12).all()
    assert (unknown.covariance >= known.covariance - 1e-12).all()
    spread = np.sqrt(compared.values["variance"][:, 0])
    assert unknown.variance[0] == pytest.approx(spread.sum(axis=0) ** 2)
    width = [differ(one).high[0] - differ(one).low[0] for one in (compared, apart)]
    assert width[1] >= width[0]


@pytest.mark.parametrize("squared", [False, True], ids=["W1", "squared"])
def test_equal_models_are_told_apart_as_rarely_as_the_level_says(squared: bool) -> None:
    """In 300 pairs of models with equal distributions p is below a share no more often than that share says.

    Within three standard errors of a binomial share: 0.038 at 0.05 and 0.066 at 0.2.
    """
    rng = np.random.default_rng(12)
    people, model = (np.array([shares] * 8) for shares in ([0.4, 0.3, 0.2, 0.1], [0.2, 0.2, 0.3, 0.3]))
    found, items = [], Items(np.zeros(8, dtype=np.int64))
    for seed in range(300):
        humans = ratings(draw_points(people, 60, rng))
        panels = [panel_of([4] * 8, humans, ratings(draw_points(model, 60, rng))) for _ in range(2)]
        compared, _ = compared_of(panels, How(resampling=Resampling(n=99, seed=seed)))
        measure = squared_difference_of if squared else difference_of
        found.append(measure(compared, 0, 1, items, 0.95).p[0])
    p = np.array(found)
    for share in (0.05, 0.2):
        assert abs((p <= share).mean() - share) < 3 * np.sqrt(share * (1 - share) / 300)


def test_the_squared_test_finds_a_near_model_among_nearer_ones() -> None:
    """0.08 against 0.02 with thirty respondents and stated probabilities: W1 allows for bias there, and is blind."""
    rng = np.random.default_rng(33)
    people = np.array([[0.4, 0.3, 0.2, 0.1]] * 36)
    models = [people + away * np.array([-1, 0, 0, 1]) for away in (0.08, 0.02)]
    items, found = Items(np.zeros(36, dtype=np.int64)), []
    person, item, point = (part.ravel() for part in np.indices((30, 36, 4)))
    for seed in range(30):
        humans = ratings(draw_points(people, 30, rng))
        panels = []
        for model in models:
            stated = ratings(np.zeros((1, 1)))
            stated = replace(stated, person=person, item=item, point=point, weight=model[item, point])
            panels.append(replace(panel_of([4] * 36, humans, stated), is_stated=True))
        compared, _ = compared_of(panels, How(resampling=Resampling(n=99, seed=seed)))
        found.append([measure(compared, 0, 1, items, 0.95).p[0] for measure in (difference_of, squared_difference_of)])
    rejected = (np.array(found) < 0.05).mean(axis=0)
    assert rejected[1] > 0.9
    assert rejected[0] < rejected[1]


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


def square(pairs: dict[tuple[int, int], tuple[float, float]], n: int) -> tuple[Array, Array]:
    """Differences and p of all ordered pairs of n sources, from those of i < j."""
    differences, p = np.zeros((n, n, 1)), np.ones((n, n, 1))
    for (i, j), (value, of_pair) in pairs.items():
        differences[i, j], differences[j, i] = value, -value
        p[i, j] = p[j, i] = of_pair
    return differences, p


def test_ranks_worked_by_hand() -> None:
    """a is significantly closer than c and d; b than d alone; c and d cannot be told apart."""
    corrected = np.array([[0.10], [0.12], [0.20], [0.25]])
    pairs = {
        (0, 1): (-0.02, 0.8),
        (0, 2): (-0.10, 0.02),
        (0, 3): (-0.15, 0.001),
        (1, 2): (-0.08, 0.06),
        (1, 3): (-0.13, 0.049),
        (2, 3): (-0.05, 0.5),
    }
    ranks = rank_sources(corrected, *square(pairs, 4), 0.95)
    assert ranks.rank[:, 0].tolist() == [1, 2, 3, 4]
    assert ranks.low[:, 0].tolist() == [1, 1, 2, 3]
    assert ranks.high[:, 0].tolist() == [2, 3, 4, 4]
    assert not ranks.is_tied.any()
    surer = rank_sources(corrected, *square(pairs, 4), 0.99)
    assert surer.high[:, 0].tolist() == [3, 4, 4, 4]


def test_equal_means_share_a_rank_and_so_do_all_below_0() -> None:
    ranks = rank_sources(np.array([[0.2], [0.1], [0.1]]), *square({}, 3), 0.95)
    assert (ranks.rank[:, 0].tolist(), ranks.is_tied[:, 0].tolist()) == ([3, 1, 1], [False, True, True])
    assert (ranks.low[:, 0].tolist(), ranks.high[:, 0].tolist()) == ([1, 1, 1], [3, 3, 3])
    below = rank_sources(np.array([[-0.01], [0.0], [-0.03]]), *square({}, 3), 0.95)
    assert below.rank[:, 0].tolist() == [1, 1, 1]


def test_clear_pairs_keep_ranks_in_the_order_of_the_truth() -> None:
    """Of 40 samples, those in which any model's true rank lies outside its interval are one in twenty at most.

    The models are 0.1, 0.14 and 0.18 off on each of ten items; at most 6 of 40 fail with a chance of 0.99.
    """
    rng = np.random.default_rng(13)
    people = np.array([[0.4, 0.3, 0.2, 0.1]] * 10)
    models = [people + away * np.array([-1, 0, 0, 1]) for away in (0.1, 0.14, 0.18)]
    n_failed = 0
    for seed in range(40):
        humans = ratings(draw_points(people, 80, rng))
        panels = [panel_of([4] * 10, humans, ratings(draw_points(model, 80, rng))) for model in models]
        compared, _ = compared_of(panels, How(resampling=Resampling(n=200, seed=seed)))
        pairs = {(i, j): differ(compared, first=i, second=j) for i, j in ((0, 1), (0, 2), (1, 2))}
        p = holm(np.array([found.p[0] for found in pairs.values()]))
        of_pairs = {key: (float(pairs[key].value[0]), float(p[k])) for k, key in enumerate(pairs)}
        ranks = rank_sources(compared.mean("corrected"), *square(of_pairs, 3), 0.95)
        places: NDArray[np.int64] = np.arange(1, 4)
        n_failed += bool(((ranks.low[:, 0] > places) | (ranks.high[:, 0] < places)).any())
    assert n_failed <= 6
