"""Runs are scored like files: every example counts once, on both sides or on none, however often it was asked."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.stats import wasserstein_distance

from tests.scoring.people import ALL, make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.runs._reasons import OUTCOMES, UNPARSED
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring._scores import Scores
from worldvaluesbench.scoring.measure import _repeats as askings_module
from worldvaluesbench.scoring.sources import _rows as rows_module
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference, world_reference
from worldvaluesbench.survey._attributes import parse_groupings
from worldvaluesbench.survey._codebook import load_codebook
from worldvaluesbench.survey._marginals import load_marginals

ITEMS = ("Q1", "Q48", "Q111", "Q165")
N_PEOPLE = 40
ORDERS, SAMPLES = 2, 3


def random_row(rng: np.random.Generator, item_id: str, key: int, order: int, sample: int) -> Row:
    """A rating, a distribution that need not sum to 1, or a reason."""
    scale = load_codebook().item(item_id).scale
    kind = rng.random()
    if kind < 0.35:
        return Row(item_id, key, rating=int(rng.integers(scale.low, scale.high + 1)), order=order, sample=sample)
    if kind < 0.6:
        shares = rng.dirichlet(np.ones(scale.n_points)) * rng.uniform(0.2, 1)
        return Row(item_id, key, probabilities=shares.tolist(), order=order, sample=sample)
    return Row(item_id, key, unparsed=str(rng.choice(UNPARSED)), order=order, sample=sample)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Forty people, of whom one in six gave no response to an item, in a city, in the country, or nobody knows."""
    rng = np.random.default_rng(7)
    responses = {}
    for item_id in ITEMS:
        scale = load_codebook().item(item_id).scale
        ratings = rng.integers(scale.low, scale.high + 1, N_PEOPLE)
        responses[item_id] = np.where(rng.random(N_PEOPLE) < 1 / 6, -1, ratings).tolist()
    homes = rng.choice((1, 2, -5), N_PEOPLE).tolist()
    return make_dataset(tmp_path_factory.mktemp("people") / "dataset", responses, {"H_URBRURAL": homes})


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Every person but the last five is asked every item in two orders, thrice each; a few rows stand twice."""
    rng = np.random.default_rng(8)
    found = []
    for item_id in ITEMS:
        for key in range(101, 96 + N_PEOPLE):
            asked = [random_row(rng, item_id, key, order, s) for order in range(ORDERS) for s in range(SAMPLES)]
            found += asked + ([asked[-1]._replace(rating=1, probabilities=None, unparsed=None)] * (key % 7 == 0))
    rng.shuffle(shuffled := np.arange(len(found)))
    return [found[place] for place in shuffled]


@pytest.fixture(scope="module")
def run(rows: list[Row], people: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "mixed", rows, people)


@pytest.fixture(scope="module", params=[False, True], ids=["default", "as_published"])
def treated(request: pytest.FixtureRequest, run: Path, people: Dataset) -> Scores:
    return score_answers(
        [read_answers(run)],
        respondents_reference(people),
        groupings=parse_groupings("H_URBRURAL"),
        as_published=request.param,
        how=ALL,
    )


def points_of(row: Row) -> dict[int, float]:
    """What one row says, as shares of ratings that sum to 1; nothing where it has no answer."""
    if row.rating is not None:
        return {row.rating: 1.0}
    low, shares = load_codebook().item(row.item_id).scale.low, row.probabilities or []
    return {low + place: share / sum(shares) for place, share in enumerate(shares)}


def naive_sides(
    rows: Sequence[Row], responses: dict[int, int], *, as_published: bool
) -> tuple[list[int], dict[int, float], int]:
    """One item's humans, the weight of the answers on each rating, and how many answers there are, step by step."""
    examples: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if row.respondent_id in responses:
            examples[row.respondent_id].append(row)
    humans: list[int] = []
    weights: dict[int, float] = defaultdict(float)
    n = 0
    for key, asked in examples.items():
        slots = [(row.order, row.sample) for row in asked]
        kept = [row for row in asked if points_of(row)]
        if as_published:
            humans += [responses[key]] * slots.count(slots[0])
            share = 1 / len(set(slots))
        else:
            first = {(row.order, row.sample): row for row in reversed(kept)}
            kept = list(first.values())
            humans += [responses[key]] * bool(kept)
            share = 1 / max(len(kept), 1)
        n += len(kept)
        for row in kept:
            for rating, mass in points_of(row).items():
                weights[rating] += share * mass
    return humans, weights, n


def responses_of(people: Dataset, item_id: str, codes: str | None) -> dict[int, int]:
    wide = people.responses([item_id]).join(people.respondents(["respondent_id", "H_URBRURAL"]), on="respondent_id")
    if codes is not None:
        wide = wide.filter(pl.col("H_URBRURAL") == int(codes))
    return {key: rating for key, rating, _ in wide.rows() if rating >= 0}


def test_every_score_equals_that_of_a_naive_scorer(treated: Scores, rows: list[Row], people: Dataset) -> None:
    assert treated.table.height == 3 * len(ITEMS)
    for found in treated.table.to_dicts():
        scale = load_codebook().item(found["item_id"]).scale
        humans, weights, n = naive_sides(
            [row for row in rows if row.item_id == found["item_id"]],
            responses_of(people, found["item_id"], found["group_codes"]),
            as_published=treated.as_published,
        )
        distance = wasserstein_distance(humans, list(weights), v_weights=list(weights.values()))
        assert (found["n_responses"], found["n_answers"]) == (len(humans), n)
        assert found["distance"] == pytest.approx(distance / (scale.n_points - 1), abs=1e-12)


def test_every_row_has_one_outcome(treated: Scores, rows: list[Row], people: Dataset) -> None:
    totals = treated.counts.select(pl.col(*OUTCOMES).sum()).row(0, named=True)
    for reason in UNPARSED:
        assert totals[reason] == sum(row.unparsed == reason for row in rows) > 0
    silent = {item_id: set(range(101, 200)) - set(responses_of(people, item_id, None)) for item_id in ITEMS}
    unasked = [row for row in rows if not row.unparsed and row.respondent_id in silent[row.item_id]]
    assert totals["no_response"] == len(unasked) > 0
    assert sum(totals.values()) == treated.counts["n_rows"].sum() == len(rows)


def score_by_hand(
    folder: Path, responses: Sequence[int], rows: Sequence[Row], *, as_published: bool = False
) -> tuple[Any, ...]:
    """Humans, answers and distance of a run about Q1 (scale 1..4) against people 101, 102, ..."""
    dataset = make_dataset(folder / "people", {"Q1": responses})
    run = make_run(folder / "run", rows, dataset)
    scores = score_answers([read_answers(run)], respondents_reference(dataset), as_published=as_published, how=ALL)
    found = scores.table.row(0, named=True)
    return found["n_responses"], found["n_answers"], found["distance"]


def test_the_worked_example_of_the_page(tmp_path: Path) -> None:
    """Two people, who said 1 and 4; two samples 1 and 3 for the one, probabilities in two orders for the other."""
    rows = [
        Row("Q1", 101, rating=1, sample=0),
        Row("Q1", 101, rating=3, sample=1),
        Row("Q1", 101, unparsed="refusal", sample=2),
        Row("Q1", 102, probabilities=[0.0, 0.0, 0.2, 0.6], order=0),
        Row("Q1", 102, probabilities=[0.25, 0.25, 0.25, 0.25], order=1),
    ]
    # answers: (1/2, 0, 1/2, 0) and (1/8, 1/8, 1/4, 1/2), together (5/16, 1/16, 6/16, 4/16); humans (8, 0, 0, 8) / 16
    # cumulated: 5 6 12 against 8 8 8, apart by 3 + 2 + 4 = 9 sixteenths over three steps
    assert score_by_hand(tmp_path, [1, 4], rows) == (2, 4, pytest.approx(9 / 16 / 3))


def test_samples_of_an_example_are_a_distribution_not_a_mean(tmp_path: Path) -> None:
    rows = [Row("Q1", key, rating=rating, sample=s) for key in (101, 102) for s, rating in enumerate([1, 4])]
    assert score_by_hand(tmp_path, [1, 4], rows) == (2, 4, 0)


def test_an_example_sampled_more_often_weighs_no_more(tmp_path: Path) -> None:
    rows = [Row("Q1", 101, rating=1, sample=s) for s in range(9)] + [Row("Q1", 102, rating=4)]
    assert score_by_hand(tmp_path, [1, 4], rows) == (2, 10, pytest.approx(0, abs=1e-15))


def test_an_example_without_any_answer_leaves_with_its_response(tmp_path: Path) -> None:
    rows = [Row("Q1", 101, rating=1), *(Row("Q1", 102, unparsed="empty", sample=s) for s in range(3))]
    assert score_by_hand(tmp_path, [1, 4], rows) == (1, 1, 0)


def test_a_run_without_any_answer_has_no_distance(tmp_path: Path) -> None:
    assert score_by_hand(tmp_path, [1, 4], [Row("Q1", 101, unparsed="filtered")]) == (0, 0, None)


def test_as_published_a_response_stays_where_its_example_has_no_answer(tmp_path: Path) -> None:
    rows = [Row("Q1", 101, rating=1), Row("Q1", 102, unparsed="empty")]
    assert score_by_hand(tmp_path, [1, 4], rows, as_published=True) == (2, 1, 0.5)


def test_a_row_that_stands_twice_counts_once(tmp_path: Path) -> None:
    rows = [Row("Q1", 101, rating=1), Row("Q1", 101, rating=4), Row("Q1", 102, rating=4)]
    assert score_by_hand(tmp_path / "default", [1, 4], rows) == (2, 2, 0)
    assert score_by_hand(tmp_path / "published", [1, 4], rows, as_published=True)[:2] == (3, 3)


def test_a_run_of_single_ratings_scores_as_a_file_of_them(people: Dataset, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    ratings = [(item_id, key, int(rng.integers(1, 3))) for item_id in ITEMS for key in range(101, 130)]
    run = make_run(tmp_path / "same", [Row(*rating) for rating in ratings], people)
    file = write_answers(tmp_path / "same.tsv", ratings)
    assert_same_scores(run, file, people)


def test_certain_distributions_score_as_ratings(people: Dataset, tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    rows = [Row("Q165", key, rating=int(rng.integers(1, 3))) for key in range(101, 130)]
    certain = [
        row._replace(rating=None, probabilities=[2.0 - (row.rating or 0), (row.rating or 0) - 1.0]) for row in rows
    ]
    one, other = make_run(tmp_path / "a" / "same", rows, people), make_run(tmp_path / "b" / "same", certain, people)
    # stated probabilities are no random draws: their noise floor is that of the humans alone
    floors = assert_same_scores(one, other, people, but=("noise_floor", "mean_noise_floor"))
    for of_ratings, of_probabilities in floors:
        assert of_ratings / of_probabilities == pytest.approx(2**0.5, rel=0.02)


def assert_same_scores(
    one: Path, other: Path, people: Dataset, *, but: Sequence[str] = ()
) -> list[tuple[float, float]]:
    """Both score alike in all columns but some; the numbers of both in the column `noise_floor`."""
    floors: list[tuple[float, float]] = []
    for as_published in (False, True):
        first, second = (
            score_answers(
                [read_answers(path)],
                respondents_reference(people),
                groupings=parse_groupings("H_URBRURAL"),
                as_published=as_published,
                how=ALL,
            )
            for path in (one, other)
        )
        # ratings and certain distributions are the same answers, but a log loss is that of distributions
        for name in ("scores", "summary", "attainment", "distances", "counts"):
            tables = [scores.tables[name].drop(but, strict=False) for scores in (first, second)]
            assert_frame_equal(*tables, check_exact=True)
        floors += zip(first.table["noise_floor"].to_list(), second.table["noise_floor"].to_list(), strict=True)
    return floors


def test_against_the_world_answers_of_an_example_share_its_weight_too(people: Dataset, tmp_path: Path) -> None:
    rows = [Row("Q1", 7, rating=1, sample=0), Row("Q1", 7, rating=2, sample=1), Row("Q1", 8, rating=4)]
    run = make_run(tmp_path / "run", rows, people)
    found = score_answers([read_answers(run)], world_reference(), how=ALL).table.row(0, named=True)
    marginals = load_marginals().counts("Q1").tolist()[:4]
    expected = wasserstein_distance(range(1, 5), [1, 2, 4], marginals, [1, 1, 2]) / 3
    assert (found["n_responses"], found["n_answers"]) == (sum(marginals), 3)
    assert found["distance"] == pytest.approx(expected)


@pytest.mark.parametrize("module_and_name", [(rows_module, "ROWS_AT_ONCE", 7), (askings_module, "ROOM", 0)])
def test_how_rows_are_worked_through_changes_nothing(
    treated: Scores, run: Path, people: Dataset, module_and_name: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*module_and_name)
    again = score_answers(
        [read_answers(run)],
        respondents_reference(people),
        groupings=parse_groupings("H_URBRURAL"),
        as_published=treated.as_published,
        how=ALL,
    )
    for name, table in treated.tables.items():
        assert_frame_equal(again.tables[name], table)


def test_runs_and_files_are_scored_beside_one_another(run: Path, people: Dataset, tmp_path: Path) -> None:
    file = write_answers(tmp_path / "file.tsv", [("Q1", 101, 1)])
    alone = score_answers([read_answers(run)], respondents_reference(people), how=ALL)
    both = score_answers([read_answers(file), read_answers(run)], respondents_reference(people), how=ALL)
    assert both.table["answers"].unique(maintain_order=True).to_list() == ["file", "mixed"]
    assert_frame_equal(both.table.filter(pl.col("answers") == "mixed"), alone.table)
