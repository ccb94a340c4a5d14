"""Intervals equal those of loops that draw people and score them again, by every method, and every view of items."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap, norm, wasserstein_distance
from scipy.stats import t as student

from tests.scoring.simulated import draw_points, panel_of, ratings
from worldvaluesbench.scoring.measure._bootstrap import Design, draw_people
from worldvaluesbench.scoring.measure._intervals import Cells, Intervals, Sampling, find_intervals, variance_of
from worldvaluesbench.scoring.measure._pairing import Entries, Panel, with_refusals
from worldvaluesbench.scoring.measure._summary import ANSWERS, THRESHOLDS
from worldvaluesbench.stats._bounds import distance_with_refusals
from worldvaluesbench.stats._distribution import Array, shares_of, uniform_shares, wasserstein
from worldvaluesbench.stats._estimate import METHODS, Method, Resampling, debias
from worldvaluesbench.stats._item_sampling import ITEM_SAMPLING, Items, ItemSampling

N_POINTS = np.array([4, 3, 2])
N = 40
SOME = Resampling(n=200, seed=3)
SIMPLE = Design()
TOPICS = ("Trust", "Trust", "Security")


def intervals_of(
    panel: Panel,
    resampling: Resampling = SOME,
    *,
    design: Design = SIMPLE,
    member: NDArray[np.int64] | None = None,
    items: ItemSampling = "within-topics",
) -> Intervals:
    """The intervals of all cells of a panel; the topics of its items are those of `TOPICS`, in turn."""
    n_groups = 1 if member is None else int(member.max()) + 1
    topics = [TOPICS[place % 3] for place in range(panel.n_items)]
    sampling = Sampling(resampling, design, Items.of(topics, items))
    return find_intervals(panel, member, sampling, np.ones((n_groups, panel.n_items), dtype=bool))


def cells_of(panel: Panel, resampling: Resampling = SOME, *, design: Design = SIMPLE) -> Cells:
    return intervals_of(panel, resampling, design=design).cells


def random_panel(seed: int, n: int = N, *, leaning: float = 0.5) -> Panel:
    """Three items; answers follow the response of the person half of the time, else they lie low."""
    rng = np.random.default_rng(seed)
    people = np.column_stack([rng.integers(0, k, n) for k in N_POINTS])
    given = np.where(rng.random((n, 3)) < leaning, people, rng.integers(0, 2, (n, 3)))
    return panel_of(N_POINTS, ratings(people), ratings(given))


def counts_of(entries: Entries, times: Array, item: int) -> Array:
    """Weight on the points of an item as drawn; `times` is (people, draws) -> (draws, points)."""
    counts = np.zeros((times.shape[1], int(N_POINTS[item])))
    for person, of_item, point, weight in zip(
        entries.person, entries.item, entries.point, entries.weights, strict=True
    ):
        if of_item == item:
            counts[:, point] += weight * times[person]
    return counts


@dataclass(frozen=True)
class Naive:
    """Per item: distance, corrected, draws and corrected draws."""

    value: Array
    corrected: Array
    draws: Array
    corrected_draws: Array


def naive(panel: Panel, resampling: Resampling) -> Naive:
    """People drawn as `draw_people` says, scored item by item and draw by draw; the correction by its definition."""
    people = draw_people([panel], None, SIMPLE, resampling)
    times = np.zeros((panel.n_people, resampling.n))
    times[people.place] = people.drawn(slice(None))
    once = np.ones((panel.n_people, 1))
    found = []
    for item in range(3):
        value = [np.cumsum(shares_of(counts_of(side, once, item)), axis=1)[0, :-1] for side in sides_of(panel)]
        drawn = [np.cumsum(shares_of(counts_of(side, times, item)), axis=1)[:, :-1] for side in sides_of(panel)]
        gap, gaps = value[0] - value[1], drawn[0] - drawn[1]
        spread = gaps.std(axis=0)
        found.append(
            (
                np.abs(gap).mean(),
                debias(gap, spread).mean(),
                np.abs(gaps).mean(axis=1),
                debias(gaps, spread).mean(axis=1),
            )
        )
    return Naive(*(np.array(part) for part in zip(*found, strict=True)))


def sides_of(panel: Panel) -> tuple[Entries, Entries]:
    return panel.humans, panel.answers


def naive_error(values: Array, draws: Array, sampling: ItemSampling) -> tuple[float, float]:
    """The standard error of the mean of the three items of `TOPICS`, and the quantile of its 95% interval.

    `values`, (items,), and their `draws`, (items, resamples). The item alone in its topic is put with the others.
    """
    together = np.cov(draws)
    between = [together[i, j] for i in range(3) for j in range(3) if i != j]
    common = float(np.mean(between))
    common = common * 2 / 3 if sampling == "fixed" else max(common, 0)
    apart = values - values.mean()
    if sampling == "within-topics":
        return float(np.sqrt(values.var(ddof=1) / 3 + common)), student.ppf(0.975, 2)
    if sampling == "topics":
        totals = apart[0] + apart[1], apart[2]
        return float(np.sqrt((totals[0] ** 2 + totals[1] ** 2) / 9 * 2 / 1 + common)), student.ppf(0.975, 1)
    return float(np.sqrt(np.trace(together) / 9 + common)), norm.ppf(0.975)


def ends_by(method: Method, found: Naive) -> tuple[Array, Array]:
    """The ends of the intervals of items, never below 0."""
    low, high = np.quantile(found.corrected_draws if method == "debiased" else found.draws, SOME.ends, axis=1)
    return np.maximum(low, 0), np.maximum(high, 0)


@pytest.mark.parametrize("method", METHODS)
def test_intervals_of_items_equal_those_of_plain_draws(method: Method) -> None:
    panel = random_panel(1)
    resampling = replace(SOME, method=method)
    found, expected = cells_of(panel, resampling), naive(panel, resampling)
    low, high = ends_by(method, expected)
    assert found.low[0] == pytest.approx(low, abs=2e-5)
    assert found.high[0] == pytest.approx(high, abs=2e-5)
    assert found.corrected[0] == pytest.approx(expected.corrected, abs=1e-5)


@pytest.mark.parametrize("sampling", ITEM_SAMPLING)
@pytest.mark.parametrize("method", METHODS)
def test_the_interval_of_a_mean_is_that_of_people_and_items(method: Method, sampling: ItemSampling) -> None:
    panel = random_panel(2)
    resampling = replace(SOME, method=method)
    found = intervals_of(panel, resampling, items=sampling).sets[0, ANSWERS]
    expected = naive(panel, resampling)
    mean = expected.corrected.mean()
    assert found.mean_corrected == pytest.approx(mean, abs=1e-5)
    is_debiased = method == "debiased"
    values = expected.corrected if is_debiased else expected.value
    error, quantile = naive_error(values, expected.corrected_draws if is_debiased else expected.draws, sampling)
    low, high = values.mean() - quantile * error, values.mean() + quantile * error
    if is_debiased:
        # 0.796 times what the correction took may be left of the bias
        low -= 0.796 * (expected.value.mean() - mean)
    assert found.mean == pytest.approx((max(low, 0), min(high, 1)), abs=2e-5)


def test_the_interval_of_a_mean_of_fixed_items_is_that_of_the_means_of_draws() -> None:
    """Quantiles of 4,000 draws of the mean of three items are its mean and 1.96 standard errors: to a twentieth."""
    panel, resampling = random_panel(3, leaning=0.1), Resampling(n=4_000, method="percentile")
    found = intervals_of(panel, resampling, items="fixed").sets[0, ANSWERS].mean
    draws = naive(panel, resampling).draws.mean(axis=0)
    low, high = np.quantile(draws, resampling.ends)
    assert found[1] - found[0] == pytest.approx(high - low, rel=0.05)


def test_a_mean_over_items_of_the_same_people_is_no_surer_than_one_of_them() -> None:
    """Ten copies of one item: whoever is drawn, all of them move alike. Intervals of items apart would not see it."""
    rng = np.random.default_rng(4)
    people, given = rng.integers(0, 4, (60, 1)), rng.integers(0, 2, (60, 1))
    panel = panel_of([4] * 10, ratings(np.tile(people, 10)), ratings(np.tile(given, 10)))
    for sampling in ITEM_SAMPLING:
        found = intervals_of(panel, replace(SOME, method="percentile"), items=sampling)
        low, high = found.sets[0, ANSWERS].mean
        assert high - low > 0.96 * (found.cells.high[0, 0] - found.cells.low[0, 0])


@pytest.mark.parametrize("sampling", ITEM_SAMPLING)
def test_bands_of_attainment_are_wilsons_of_as_many_items_as_these_are_worth(sampling: ItemSampling) -> None:
    panel = random_panel(5)
    found = intervals_of(panel, items=sampling).sets[0, ANSWERS].attained
    expected = naive(panel, SOME)
    moved = expected.draws - expected.draws.mean(axis=1, keepdims=True) + expected.value[:, None]
    shares = []
    for place, threshold in enumerate(THRESHOLDS):
        is_within = (expected.value <= threshold).astype(float)
        share = is_within.mean()
        error, _ = naive_error(is_within, (moved <= threshold).astype(float), sampling)
        # without variance of independent items nothing can be said of a design effect
        effect = 1.0 if share in (0, 1) else max(error**2 / (share * (1 - share) / 3), 0.05)
        z2n = norm.ppf(0.975) ** 2 * effect / 3
        # Wilson: the shares x that lie z standard errors from the observed one, (share - x)^2 = z^2 x (1 - x) / n
        low, high = sorted(np.roots([1 + z2n, -(2 * share + z2n), share**2]).real)
        assert found[place] == pytest.approx([low, high], abs=1e-5)
        shares.append(share)
    assert {0.0, 1.0} < set(shares), "some thresholds are met by some of the items alone"


def test_no_share_of_items_is_known_for_sure_and_each_lies_in_its_band() -> None:
    """Everybody says the lowest of six points, and the answer is the next: 0.2, whoever is drawn."""
    people = np.zeros((20, 1), dtype=int)
    panel = panel_of([6], ratings(people), ratings(people + 1))
    found = intervals_of(panel).sets[0, ANSWERS].attained
    is_within = np.array([threshold >= 0.2 for threshold in THRESHOLDS])
    assert (found[is_within, 1] == 1).all()
    assert (found[~is_within, 0] == 0).all()
    # one of one item: Wilson's interval is that of one toss of a coin
    z2 = norm.ppf(0.975) ** 2
    assert found[is_within, 0] == pytest.approx(1 / (1 + z2))
    assert found[~is_within, 1] == pytest.approx(z2 / (1 + z2))


@pytest.mark.parametrize("sampling", ITEM_SAMPLING)
def test_baselines_have_the_intervals_of_the_same_draws(sampling: ItemSampling) -> None:
    panel = random_panel(6)
    sets = intervals_of(panel, replace(SOME, method="percentile"), items=sampling).sets
    people = draw_people([panel], None, SIMPLE, SOME)
    times = np.column_stack([np.ones(N), people.drawn(slice(None)).astype(float)])
    of_items: dict[str, list[Array]] = {"uniform": [], "majority": []}
    for item, k in enumerate(N_POINTS.tolist()):
        drawn = shares_of(counts_of(panel.humans, times, item))
        of_items["uniform"].append(wasserstein(drawn, uniform_shares(k)))
        mode = drawn >= drawn.max(axis=1, keepdims=True) - 1e-6
        first = np.eye(k)[mode.argmax(axis=1)]
        of_items["majority"].append(wasserstein(drawn, first))
    for name, found in of_items.items():
        value, draws = np.array(found)[:, 0], np.array(found)[:, 1:]
        error, quantile = naive_error(value, draws, sampling)
        ends = value.mean() - quantile * error, value.mean() + quantile * error
        assert sets[0, name].mean == pytest.approx((max(ends[0], 0), min(ends[1], 1)), abs=1e-5)


def test_the_percentile_interval_is_near_that_of_scipys_bootstrap_of_pairs() -> None:
    """Two programs that draw apart: their ends agree to a few hundredths of the scale's length."""
    rng = np.random.default_rng(7)
    people, given = rng.choice(4, 80, p=[0.4, 0.3, 0.2, 0.1]), rng.choice(4, 80, p=[0.2, 0.3, 0.3, 0.2])

    def distance(u: Array, v: Array) -> float:
        return float(wasserstein_distance(u, v)) / 3

    by_scipy = bootstrap(
        (people, given), distance, n_resamples=1_500, paired=True, vectorized=False, method="percentile", rng=8
    ).confidence_interval
    found = cells_of(
        panel_of([4], ratings(people[:, None]), ratings(given[:, None])), Resampling(4_000, 0, 0.95, "percentile")
    )
    assert (found.low[0, 0], found.high[0, 0]) == pytest.approx(tuple(by_scipy), abs=0.02)
    assert by_scipy.high - by_scipy.low > 0.1


def test_answers_that_are_the_responses_themselves_are_never_apart() -> None:
    """Whoever is drawn brings the same to both sides."""
    people = np.random.default_rng(9).integers(0, 4, (50, 1))
    panel = panel_of([4], ratings(people), ratings(people))
    for method in METHODS:
        found = cells_of(panel, replace(SOME, method=method))
        assert (found.low[0, 0], found.high[0, 0], found.corrected[0, 0]) == (0, 0, 0)


def test_probabilities_that_are_the_same_for_everybody_do_not_move() -> None:
    """Then the interval is that of the humans alone, held against those probabilities."""
    rng = np.random.default_rng(10)
    people = rng.integers(0, 4, (50, 1))
    person = np.repeat(np.arange(50), 4)
    stated = Entries(person, np.zeros(200, dtype=int), np.tile(np.arange(4), 50), np.tile([0.1, 0.2, 0.3, 0.4], 50))
    panel = panel_of([4], ratings(people), stated)
    times = draw_people([panel], None, SIMPLE, SOME).drawn(slice(None)).astype(float)
    drawn = np.array([np.bincount(people[:, 0], weights=column, minlength=4) for column in times.T])
    gaps = np.cumsum(shares_of(drawn), axis=1)[:, :-1] - np.array([0.1, 0.3, 0.6])
    low, high = np.quantile(debias(gaps, gaps.std(axis=0)).mean(axis=1), SOME.ends)
    found = cells_of(panel)
    assert (found.low[0, 0], found.high[0, 0]) == pytest.approx((max(low, 0), high), abs=1e-5)


def test_strata_leave_out_what_is_between_them() -> None:
    """Half the people say the lowest and are answered for rightly, half the highest and wrongly."""
    rng = np.random.default_rng(11)
    stratum = np.arange(80) % 2
    people = np.where(rng.random((80, 1)) < 0.1, 1, stratum[:, None] * 3)
    panel = panel_of([4], ratings(people), ratings(np.zeros((80, 1), dtype=int)))
    widths = []
    for design in (SIMPLE, Design(stratum)):
        cells = cells_of(panel, design=design)
        widths.append(float(cells.high[0, 0] - cells.low[0, 0]))
    assert widths[1] < 0.5 * widths[0]
    expected = naive_of_one_item(panel, stratum)
    assert (cells.low[0, 0], cells.high[0, 0]) == pytest.approx(expected, abs=1e-5)


def naive_of_one_item(panel: Panel, stratum: NDArray[np.int64]) -> tuple[float, float]:
    times = draw_people([panel], None, Design(stratum), SOME).drawn(slice(None)).astype(float)
    gaps = np.zeros((SOME.n, 3))
    for side, sign in zip(sides_of(panel), (1, -1), strict=True):
        counts = np.array([np.bincount(side.point, weights=column, minlength=4) for column in times.T])
        gaps = gaps + sign * np.cumsum(shares_of(counts), axis=1)[:, :-1]
    draws = debias(gaps, gaps.std(axis=0)).mean(axis=1)
    low, high = np.quantile(draws, SOME.ends)
    return max(float(low), 0), float(high)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sampling", ITEM_SAMPLING)
def test_a_value_lies_inside_the_interval_printed_beside_it(method: Method, sampling: ItemSampling) -> None:
    """Few people and few resamples, for near and far answers: also where values are below 0 before they are printed."""
    for seed in range(12):
        panel = random_panel(100 + seed, n=12, leaning=(0.0, 0.5, 1.0)[seed % 3])
        resampling = Resampling(5, seed, method=method)
        found = intervals_of(panel, resampling, member=np.arange(12) % 2, items=sampling)
        cells = found.cells
        assert ((cells.low >= 0) & (cells.high <= 1)).all()
        if method == "debiased":
            assert (cells.low <= np.maximum(cells.corrected, 0)).all()
            assert (np.maximum(cells.corrected, 0) <= cells.high).all()
        for of_set in found.sets.values():
            assert 0 <= of_set.mean[0] <= of_set.mean[1] <= 1
            if method == "debiased":
                assert of_set.mean[0] <= max(of_set.mean_corrected, 0) <= of_set.mean[1]
            assert (of_set.attained[:, 0] < of_set.attained[:, 1]).all()


def test_the_variance_of_draws_is_numpys_of_those_that_are_not_nan() -> None:
    draws = np.random.default_rng(19).normal(size=(3, 4, 9))
    draws[np.random.default_rng(20).random(draws.shape) < 0.4] = np.nan
    draws[0, 0], draws[0, 1, 1:] = np.nan, np.nan
    found = variance_of(draws)
    for place in np.ndindex(3, 4):
        known = draws[place][~np.isnan(draws[place])]
        expected = known.var(ddof=1) if known.size > 1 else np.nan
        assert found[place] == pytest.approx(expected, nan_ok=True)


def as_numbers(found: Intervals) -> dict[str, Array]:
    cells = {name: getattr(found.cells, name) for name in ("low", "high", "corrected", "design_effect")}
    return cells | {f"{name} of {group}": np.array(one.mean) for (group, name), one in found.sets.items()}


def assert_equal(first: Mapping[str, Array], second: Mapping[str, Array], *, within: float = 0.0) -> None:
    assert first.keys() == second.keys()
    for name, numbers in first.items():
        assert numbers == pytest.approx(second[name], abs=within, nan_ok=True), name


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_gives_the_same_intervals_and_another_others(method: Method) -> None:
    panel = random_panel(12)
    first, again = (as_numbers(intervals_of(panel, Resampling(50, 1, method=method))) for _ in "ab")
    assert_equal(first, again)
    other = as_numbers(intervals_of(panel, Resampling(50, 2, method=method)))
    assert (first["low"] != other["low"]).any() or (first["high"] != other["high"]).any()


@pytest.mark.parametrize("method", METHODS)
def test_weights_that_are_all_alike_change_nothing(method: Method) -> None:
    panel = random_panel(13)
    humans, answers = (replace(side, weight=np.full(side.size, 2.5)) for side in sides_of(panel))
    weighted = replace(panel, humans=humans, answers=answers, examples=humans)
    resampling = Resampling(100, method=method)
    plain, of_weights = (as_numbers(intervals_of(one, resampling)) for one in (panel, weighted))
    assert_equal(plain, of_weights, within=2e-5)


def test_weights_make_intervals_as_wide_as_draws_of_people_with_them() -> None:
    """Each person counts the weight in every draw, so the spread grows with the weights' variation: to 6%."""
    rng = np.random.default_rng(14)
    people = rng.integers(0, 2, (200, 1))
    weight = rng.gamma(1.0, size=200)
    side = replace(ratings(people), weight=weight)
    nothing = replace(ratings(np.zeros((200, 1), dtype=int)), weight=weight)
    panel = panel_of([2], side, nothing)
    found = cells_of(panel, Resampling(4_000))
    mean = np.average(people[:, 0], weights=weight)
    spread = np.sqrt((weight**2 * (people[:, 0] - mean) ** 2).sum()) / weight.sum()
    assert found.high[0, 0] - found.low[0, 0] == pytest.approx(2 * 1.96 * spread, rel=0.06)


def test_groups_have_the_intervals_of_their_people_alone() -> None:
    panel = random_panel(15, n=90)
    member = np.array([0, 1, -1] * 30)
    found = intervals_of(panel, member=member).cells
    people = draw_people([panel], None, SIMPLE, SOME)
    for group in (0, 1):
        times = people.drawn(slice(None)).astype(float) * (member == group)[:, None]
        for item in range(3):
            drawn = [np.cumsum(shares_of(counts_of(side, times, item)), axis=1)[:, :-1] for side in sides_of(panel)]
            gaps = drawn[0] - drawn[1]
            low, high = np.quantile(debias(gaps, gaps.std(axis=0)).mean(axis=1), SOME.ends)
            assert found.low[group, item] == pytest.approx(max(low, 0), abs=1e-5)
            assert found.high[group, item] == pytest.approx(high, abs=1e-5)


def test_with_refusals_draws_are_scored_with_refusals() -> None:
    rng = np.random.default_rng(16)
    people, given = rng.integers(0, 4, (2, 60, 1))
    people[:6], given[3:20] = -1, -1
    none = np.zeros((60, 1), dtype=int)
    both = (people >= 0) & (given >= 0)
    panel = Panel(
        np.array([4]),
        60,
        ratings(np.where(both, people, -1)),
        ratings(np.where(both, given, -1)),
        ratings(np.where(both, people, -1)),
        missing=ratings(np.where((people >= 0) & (given < 0), people, -1)),
        human_refusals=ratings(np.where(people < 0, none, -1)),
        for_refusers=ratings(np.where((people < 0) & (given >= 0), given, -1)),
        missing_for_refusers=ratings(np.where((people < 0) & (given < 0), none, -1)),
    )
    found = cells_of(with_refusals(panel), replace(SOME, method="percentile"))
    times = draw_people([with_refusals(panel)], None, SIMPLE, SOME).drawn(slice(None)).astype(float)

    def distances(times: Array) -> Array:
        counts = [np.zeros((times.shape[1], 5)) for _ in range(2)]
        for side, of_side in zip(counts, (people, given), strict=True):
            for k in range(60):
                side[:, of_side[k, 0]] += times[k]  # -1: the last place, that of refusals
        return distance_with_refusals(counts[0][:, :4], counts[0][:, 4], counts[1][:, :4], counts[1][:, 4], 4)

    draws, value = distances(times), distances(np.ones((60, 1)))[0]
    assert (found.low[0, 0], found.high[0, 0]) == pytest.approx(np.quantile(draws, SOME.ends), abs=1e-5)
    assert found.corrected[0, 0] == pytest.approx(2 * value - draws.mean(), abs=1e-5)


def test_other_populations_are_held_as_often_as_the_level_says() -> None:
    """A level of 0.8, one item: of 200 samples from 0.71 to 0.89 hold the truth, three standard errors either way."""
    rng = np.random.default_rng(17)
    people, model = np.array([[0.4, 0.3, 0.2, 0.1]]), np.array([[0.1, 0.2, 0.3, 0.4]])
    truth, held = float(wasserstein(people, model)[0]), []
    for seed in range(200):
        panel = panel_of([4], ratings(draw_points(people, 50, rng)), ratings(draw_points(model, 50, rng)))
        cells = cells_of(panel, Resampling(150, seed, level=0.8))
        held.append(cells.low[0, 0] <= truth <= cells.high[0, 0])
    assert 0.71 <= np.mean(held) <= 0.89
