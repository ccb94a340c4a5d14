"""A completion that several respondents share is one draw of the model: in resamples, in noise floors, in coverage."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from polars.testing import assert_frame_equal

from tests.scoring.people import make_dataset
from tests.scoring.run_folders import Row, make_run
from tests.scoring.simulated import draw_points, panel_of, ratings
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.measure._bootstrap import Design, Drawing, Drawn, draw_people
from worldvaluesbench.scoring.measure._intervals import Sampling, find_intervals
from worldvaluesbench.scoring.measure._pairing import Panel, build_panel
from worldvaluesbench.scoring.measure._tally import tally_panel
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import read_humans, respondents_reference, world_reference
from worldvaluesbench.scoring.sources._rows import sort_rows
from worldvaluesbench.stats._distribution import Array, wasserstein
from worldvaluesbench.stats._estimate import Floats, Resampling
from worldvaluesbench.stats._item_sampling import Items
from worldvaluesbench.stats._noise import harmonic_n, noise_floor
from worldvaluesbench.survey._attributes import parse_groupings
from worldvaluesbench.survey._codebook import load_codebook

N_PEOPLE = 12
MANY = Resampling(n=4000)
SIMPLE = Design()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Twelve respondents in town and country; the first gave no response to Q2."""
    responses = {"Q1": [1, 2, 3, 4] * 3, "Q2": [-1, 2, 3, 4] + [1, 2, 3, 4] * 2}
    folder = tmp_path_factory.mktemp("people") / "dataset"
    weights = {"W_WEIGHT": np.linspace(0.5, 2, N_PEOPLE).tolist()}
    return make_dataset(folder, responses, {"H_URBRURAL": [1, 2] * 6}, weights=weights)


def panel_of_rows(rows: list[Row], people: Dataset, folder: Path) -> Panel:
    answers, reference = read_answers(make_run(folder / "run", rows, people)), respondents_reference(people)
    humans = read_humans(reference, [load_codebook().item(item_id) for item_id in ("Q1", "Q2")])
    return build_panel(sort_rows(answers, humans), humans, reference, answers.frame["respondent_id"])


def some_rows() -> list[Row]:
    """Of each item the first four share a prompt and the next three, in two orders with two samples; five are alone.

    In the second order all of the second prompt have probabilities.
    """
    rows = []
    for item_id in ("Q1", "Q2"):
        for k in range(N_PEOPLE):
            prompt = 0 if k < 4 else 1 if k < 7 else k
            for order in range(2):
                request = f"{item_id}-{prompt}-{order}"
                for sample in range(2):
                    rating = 1 + (prompt + order + sample) % 4
                    row = Row(item_id, 101 + k, rating, order=order, sample=sample, request_id=request)
                    stated = row._replace(rating=None, probabilities=[0.25] * 4)
                    rows.append(stated if prompt == 1 and order == 1 else row)
    return rows


def test_completions_are_known_of_ratings_whose_request_is_answered_for_several(
    people: Dataset, tmp_path: Path
) -> None:
    """And never of distributions, which are no random draws. One completion is of one request and one sample."""
    answers = panel_of_rows(some_rows(), people, tmp_path).answers
    assert answers.completion is not None
    is_stated = (answers.weights < 1 / 4) & (answers.person >= 4) & (answers.person < 7)
    assert is_stated.sum() == 2 * 3 * 2 * 4, "of both items three respondents' probabilities of four points, twice"
    assert (answers.completion[is_stated | (answers.person >= 7)] == -1).all()
    shared = defaultdict[tuple[int, int], list[tuple[int, int]]](list)
    for entry in zip(answers.item, answers.completion, answers.person, answers.point, strict=True):
        item, completion, person, point = map(int, entry)
        if completion >= 0:
            shared[item, completion].append((person, point))
    found = sorted((item, sorted(of_each)) for (item, _), of_each in shared.items())
    expected = [
        (item, [(person, point) for person in persons if (item, person) != (1, 0)])
        for item in (0, 1)
        # ratings 1 and 2 in the first order, and 2 and 3 in the second; 2 and 3 of the second prompt
        for persons, points in ((range(4), (0, 1, 1, 2)), (range(4, 7), (1, 2)))
        for point in points
    ]
    assert found == sorted(expected)


def test_the_same_respondents_share_one_number_for_the_prompts_of_all_items(people: Dataset, tmp_path: Path) -> None:
    """So that what a prompt does to all its items moves them together; both items have a response of respondent 105."""
    answers = panel_of_rows(some_rows(), people, tmp_path).answers
    assert answers.completion is not None
    of_items = [set(answers.completion[(answers.item == item) & (answers.person == 4)].tolist()) for item in (0, 1)]
    assert of_items[0] == of_items[1]
    assert len(of_items[0] - {-1}) == 2


@pytest.mark.parametrize("request_ids", ["own", "none", "of distributions", "of one with a response"])
def test_where_no_completion_is_shared_none_has_a_number(request_ids: str, people: Dataset, tmp_path: Path) -> None:
    rows = [Row("Q2", 101 + k, 1 + k % 4, sample=sample) for k in range(N_PEOPLE) for sample in range(2)]
    if request_ids == "none":
        rows = [row._replace(request_id=None) for row in rows]
    if request_ids == "of distributions":
        rows = [row._replace(rating=None, probabilities=[0.25] * 4, request_id="same") for row in rows]
    if request_ids == "of one with a response":
        rows = [row._replace(request_id="same") if row.respondent_id <= 102 else row for row in rows]
    assert panel_of_rows(rows, people, tmp_path).answers.completion is None


def test_where_every_request_has_one_respondent_nothing_changes(people: Dataset, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    own = [
        Row(item_id, 101 + k, int(rng.integers(1, 5)), order=order, sample=sample)
        for item_id in ("Q1", "Q2")
        for k in range(N_PEOPLE)
        for order in range(2)
        for sample in range(2)
    ]
    how = How(min_n=1, resampling=Resampling(n=50))
    first, second = (
        score_answers(
            [read_answers(make_run(tmp_path / name / "run", rows, people))],
            respondents_reference(people, "probe", "W_WEIGHT"),
            groupings=parse_groupings("H_URBRURAL"),
            how=how,
        )
        for name, rows in (("own", own), ("none", [row._replace(request_id=None) for row in own]))
    )
    for name, table in first.tables.items():
        assert_frame_equal(second.tables[name], table)


def sharing(completions: NDArray[np.int64], humans: NDArray[np.int64], shared_by: NDArray[np.int64]) -> Panel:
    """A panel of respondents and items of four points; respondent k has completion `shared_by[k]`, (people,), of each.

    `completions`, (completions, items), are its points, `humans`, (people, items), those of the responses.
    """
    answers = ratings(completions[shared_by])
    return panel_of([4] * humans.shape[1], ratings(humans), replace(answers, completion=shared_by[answers.person]))


def drawn_of(panel: Panel, resampling: Resampling = MANY, member: NDArray[np.int64] | None = None) -> Drawn:
    n_groups = 1 if member is None else int(member.max()) + 1
    people = draw_people([panel], member, SIMPLE, resampling)
    return Drawing(panel, people, resampling).sums(range(n_groups))


def covariance_of(draws: Floats) -> Array:
    """The covariance of cumulative shares over resamples, without the last point of each item of four."""
    is_inner = np.arange(draws.shape[0]) % 4 != 3
    return np.atleast_2d(np.cov(draws[is_inner].astype(np.float64)))


@pytest.mark.parametrize("n_each", [1, 5, 50])
@pytest.mark.parametrize("n_completions", [4, 7, 30])
def test_draws_of_shared_completions_vary_as_means_over_completions_however_many_share_them(
    n_completions: int, n_each: int
) -> None:
    """Their covariance is that between completions over their number, s^2 / U: of 4,000 resamples known to a tenth."""
    rng = np.random.default_rng([2, n_completions])
    completions = rng.integers(0, 4, (n_completions, 2))
    shared_by = np.repeat(np.arange(n_completions), n_each)
    humans = rng.integers(0, 4, (shared_by.size, 2))
    drawn = drawn_of(sharing(completions, humans, shared_by))
    reached = completions[:, :, None] <= np.arange(3)
    expected = np.cov(reached.reshape(n_completions, 6).T.astype(float)) / n_completions
    share = reached.mean(axis=0).ravel()
    assert np.diag(expected) == pytest.approx(share * (1 - share) / (n_completions - 1))
    found = covariance_of(drawn.drawn_answers)
    largest = float(np.diag(expected).max())
    assert found == pytest.approx(expected, rel=0.1, abs=0.06 * largest)
    together = np.cov(np.concatenate([drawn.drawn_humans, drawn.drawn_answers]).astype(np.float64))[:8, 8:]
    of_humans = float(np.diag(covariance_of(drawn.drawn_humans)).max())
    assert np.abs(together).max() < 0.08 * (of_humans * largest) ** 0.5, "who is interviewed moves no completion"


def test_a_single_completion_cannot_vary() -> None:
    """Nothing is known of what others would have said: the answers stay, and the humans alone are drawn."""
    humans = np.random.default_rng(3).integers(0, 4, (40, 1))
    drawn = drawn_of(sharing(np.array([[2]]), humans, np.zeros(40, dtype=np.int64)))
    assert covariance_of(drawn.drawn_answers) == pytest.approx(np.zeros((3, 3)))
    assert covariance_of(drawn.drawn_humans).max() > 0


def test_of_two_completions_the_draws_vary_by_most_of_what_they_should() -> None:
    """The weights have a smallest shape, lest all of them are 0: 1 / 1.2 of the variance s^2 / 2."""
    humans = np.random.default_rng(4).integers(0, 4, (40, 1))
    drawn = drawn_of(sharing(np.array([[0], [3]]), humans, np.arange(40) % 2))
    assert covariance_of(drawn.drawn_answers)[0, 0] == pytest.approx(0.25 / 1.2, rel=0.06)
    assert not np.isnan(drawn.drawn_answers).any()


def test_completions_count_by_how_many_share_them() -> None:
    """Thirty completions shared by 1 to 59: the variance of a ratio of totals, with most of it from the largest."""
    rng = np.random.default_rng(5)
    completions, sizes = rng.integers(0, 4, (30, 1)), np.arange(1, 60, 2)
    shared_by = np.repeat(np.arange(30), sizes)
    drawn = drawn_of(sharing(completions, rng.integers(0, 4, (shared_by.size, 1)), shared_by))
    for point in range(3):
        is_reached = completions[:, 0] <= point
        share = sizes[is_reached].sum() / sizes.sum()
        assert drawn.answers[point, 0] == pytest.approx(share, abs=1e-6)
        residual = sizes * (is_reached - share) / sizes.sum()
        expected = 30 / 29 * (residual**2).sum()
        assert drawn.drawn_answers[point].astype(float).var() == pytest.approx(expected, rel=0.15)


def test_answers_for_respondents_alone_are_drawn_with_them_beside_shared_ones() -> None:
    """Half the respondents share eight completions; of the others each has an answer that is their response."""
    rng = np.random.default_rng(6)
    humans, completions = rng.integers(0, 4, (80, 1)), rng.integers(0, 4, (8, 1))
    shared_by = np.where(np.arange(80) < 40, np.arange(80) % 8, -1)
    points = np.where(shared_by[:, None] < 0, humans, completions[shared_by])
    panel = panel_of([4], ratings(humans), replace(ratings(points), completion=shared_by))
    drawn = drawn_of(panel)
    times = draw_people([panel], None, SIMPLE, MANY).drawn(slice(40, 80)).astype(float)
    # eight shares of the forty shared answers, other than those of the panel but drawn alike
    of_completions = rng.dirichlet(np.full(8, 6 / 8), MANY.n).T * 40
    for point in range(3):
        alone, of_shared = (points[40:, 0] <= point) @ times, (completions[:, 0] <= point) @ of_completions
        expected = (alone + of_shared) / (times.sum(axis=0) + 40)
        found = drawn.drawn_answers[point].astype(float)
        assert found.var() == pytest.approx(expected.var(), rel=0.12)
        assert np.corrcoef(found, alone)[0, 1] == pytest.approx(np.corrcoef(expected, alone)[0, 1], abs=0.08)


def test_groups_that_share_completions_move_alike_and_each_has_the_variance_of_its_own() -> None:
    rng = np.random.default_rng(7)
    completions, shared_by = rng.integers(0, 4, (10, 1)), np.arange(200) % 10
    panel = sharing(completions, rng.integers(0, 4, (200, 1)), shared_by)
    draws = drawn_of(panel, member=np.arange(200) // 100).drawn_answers
    assert draws[:4] == pytest.approx(draws[4:], abs=1e-5), "both groups have all ten"
    draws = drawn_of(panel, member=np.where(shared_by < 4, 0, 1)).drawn_answers
    for group, own in enumerate((completions[:4, 0], completions[4:, 0])):
        share = (own <= 1).mean()
        found = draws[4 * group + 1].astype(float).var()
        assert found == pytest.approx(share * (1 - share) / (own.size - 1), rel=0.1)


@pytest.mark.parametrize(("n_prompts", "n_samples"), [(1, 8), (6, 1), (6, 3)])
def test_the_noise_floor_is_that_of_as_many_answers_as_there_are_completions(
    n_prompts: int, n_samples: int, tmp_path: Path
) -> None:
    """Sixty respondents; each prompt is answered for equally many, each completion for all of its prompt."""
    rng = np.random.default_rng(8)
    responses = rng.integers(1, 5, 60)
    dataset = make_dataset(tmp_path / "people", {"Q1": responses.tolist()})
    given = rng.integers(1, 5, (n_prompts, n_samples))
    rows = [
        Row("Q1", 101 + k, int(given[k % n_prompts, sample]), sample=sample, request_id=f"prompt {k % n_prompts}")
        for k in range(60)
        for sample in range(n_samples)
    ]
    answers = read_answers(make_run(tmp_path / "run", rows, dataset))
    shares = np.bincount(responses - 1, minlength=4) / 60
    scores = score_answers([answers], respondents_reference(dataset), how=How(resampling=Resampling(n=20)))
    row = scores.table.row(0, named=True)
    n = harmonic_n(60, n_prompts * n_samples)
    assert row["noise_floor"] == pytest.approx(float(noise_floor(shares, n, 4, n_shares=60)))
    assert (row["n_examples"], row["n_answers"]) == (60, 60 * n_samples), "what there is is counted as before"
    if n_samples == 1:
        alone = [row._replace(request_id=None) for row in rows]
        apart = score_answers(
            [read_answers(make_run(tmp_path / "alone", alone, dataset))], respondents_reference(dataset)
        )
        assert row["noise_floor"] > 1.5 * apart.table["noise_floor"][0]


def test_the_effective_number_of_answers_is_kishs_over_completions() -> None:
    """Two completions shared by 30 and 10, and five respondents alone: 45^2 / (900 + 100 + 5)."""
    shared_by = np.array([0] * 30 + [1] * 10 + [-1] * 5)
    points = np.zeros((45, 1), dtype=np.int64)
    answers = replace(ratings(points), completion=shared_by)
    panel = panel_of([4], ratings(points), answers)
    assert tally_panel(panel, None, 1).n_effective_examples[0, 0] == pytest.approx(45**2 / 1005)
    weight = np.random.default_rng(9).gamma(2, size=45)
    sums = np.array([weight[:30].sum(), weight[30:40].sum(), *weight[40:]])
    weighted = replace(panel, answers=replace(answers, weight=weight))
    found = tally_panel(weighted, None, 1).n_effective_examples[0, 0]
    assert found == pytest.approx(sums.sum() ** 2 / (sums**2).sum())
    member = np.where(shared_by < 0, 1, 0)
    assert tally_panel(panel, member, 2).n_effective_examples[:, 0] == pytest.approx([40**2 / 1000, 5])


def test_against_the_world_shared_completions_are_few_answers_too(people: Dataset, tmp_path: Path) -> None:
    """As many answers, from one completion each or from three: the three leave a wider interval."""
    rows = [Row("Q1", 101 + k, 1 + k % 3) for k in range(N_PEOPLE)]
    shared = [row._replace(request_id=f"prompt {k % 3}") for k, row in enumerate(rows)]
    widths = []
    for name, of_name in (("alone", rows), ("shared", shared)):
        answers = read_answers(make_run(tmp_path / name, of_name, people))
        row = score_answers([answers], world_reference(), how=How(resampling=Resampling(n=400))).table.row(
            0, named=True
        )
        widths.append(row["high"] - row["low"])
    assert widths[1] > 1.3 * widths[0]


def test_intervals_hold_the_truth_where_a_thousand_respondents_share_46_completions() -> None:
    """A level of 0.95; of 150 samples from 90% to 99% hold it. As a thousand draws of the model few would."""
    rng = np.random.default_rng(10)
    people, model = np.array([[0.4, 0.3, 0.2, 0.1]]), np.array([[0.15, 0.25, 0.35, 0.25]])
    truth = float(wasserstein(people, model)[0])
    held: dict[str, list[bool]] = {"shared": [], "alone": []}
    every, items = np.ones((1, 1), dtype=bool), Items.of(["Trust"])
    for seed in range(150):
        shared_by = rng.integers(0, 46, 1000)
        panel = sharing(draw_points(model, 46, rng), draw_points(people, 1000, rng), shared_by)
        alone = replace(panel, answers=replace(panel.answers, completion=None))
        for name, one in (("shared", panel), ("alone", alone)):
            if name == "shared" or seed < 40:
                cells = find_intervals(one, None, Sampling(Resampling(200, seed), SIMPLE, items), every).cells
                held[name].append(bool(cells.low[0, 0] <= truth <= cells.high[0, 0]))
    assert 0.9 <= np.mean(held["shared"]) <= 0.99
    assert np.mean(held["alone"]) < 0.7
