"""Single persons: every measure equals that of a loop over examples, and its interval that of a plain formula."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log, sqrt
from pathlib import Path
from statistics import NormalDist, stdev
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.scoring.people import ALL, make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.measure import _individuals as persons
from worldvaluesbench.scoring.measure._individuals import MEASURES
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference, world_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings
from worldvaluesbench.survey._codebook import load_codebook

ITEMS = ("Q1", "Q48", "Q111")
N_PEOPLE = 60
Z = NormalDist().inv_cdf(0.975)


def scale_of(item_id: str) -> tuple[int, int]:
    """Lowest rating and number of points."""
    scale = load_codebook().item(item_id).scale
    return scale.low, scale.n_points


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Sixty people with weights, in a city or not, or nobody knows; one in eight gave no response to an item."""
    rng = np.random.default_rng(21)
    responses = {}
    for item_id in ITEMS:
        low, n_points = scale_of(item_id)
        ratings = rng.integers(low, low + n_points, N_PEOPLE)
        responses[item_id] = np.where(rng.random(N_PEOPLE) < 1 / 8, -1, ratings).tolist()
    homes = {"H_URBRURAL": rng.choice([1, 2, -5], N_PEOPLE, p=[0.5, 0.4, 0.1]).tolist()}
    weights = {"W_WEIGHT": rng.uniform(0.2, 3, N_PEOPLE).tolist()}
    return make_dataset(tmp_path_factory.mktemp("people") / "dataset", responses, homes, weights=weights)


def mixed_row(rng: np.random.Generator, item_id: str, key: int, sample: int) -> Row:
    low, n_points = scale_of(item_id)
    kind = rng.random()
    if kind < 0.4:
        return Row(item_id, key, int(rng.integers(low, low + n_points)), sample=sample)
    if kind < 0.7:
        return Row(item_id, key, probabilities=rng.dirichlet(np.ones(n_points)).tolist(), sample=sample)
    if kind < 0.85:
        return Row(item_id, key, probabilities=[1 / n_points] * n_points, sample=sample)
    return Row(item_id, key, unparsed="refusal", sample=sample)


def stated_row(rng: np.random.Generator, item_id: str, key: int, sample: int) -> Row:
    """Probabilities, one in three of which leave out points altogether."""
    n_points = scale_of(item_id)[1]
    shares = rng.dirichlet(np.ones(n_points)) * rng.uniform(0.5, 1)
    if rng.random() < 1 / 3:
        shares[rng.integers(n_points)] = 0
    return Row(item_id, key, probabilities=shares.tolist(), sample=sample)


@pytest.fixture(scope="module")
def tables(people: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[Row]]:
    """The rows of three sources: ratings, ratings and probabilities in three samples, probabilities alone."""
    rng = np.random.default_rng(22)
    asked = [(item_id, 101 + k) for item_id in ITEMS for k in range(N_PEOPLE) if rng.random() < 0.9]
    ratings = [Row(item_id, key, int(rng.integers(*np.cumsum(scale_of(item_id))))) for item_id, key in asked]
    mixed = [mixed_row(rng, *key, sample) for key in asked for sample in range(3)]
    stated = [stated_row(rng, *key, sample) for key in asked for sample in range(2)]
    return {"ratings": ratings, "mixed": mixed, "stated": stated}


@pytest.fixture(scope="module")
def sources(tables: Mapping[str, Sequence[Row]], people: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("sources")
    file = write_answers(folder / "ratings.tsv", [(r.item_id, r.respondent_id, r.rating) for r in tables["ratings"]])
    runs = [make_run(folder / name, tables[name], people) for name in ("mixed", "stated")]
    return {path.stem: read_answers(path) for path in (file, *runs)}


def responses_of(people: Dataset) -> dict[tuple[str, int], int]:
    wide = people.responses()
    return {
        (item_id, key): rating
        for item_id in ITEMS
        for key, rating in zip(wide["respondent_id"].to_list(), wide[item_id].to_list(), strict=True)
        if rating >= 0
    }


Judged = dict[tuple[str, int], dict[str, float]]


def judge(shares: Sequence[float], place: int, *, is_stated: bool) -> dict[str, float]:
    """What the shares given to the points of one example say of the response at this place."""
    top = max(shares)
    tops = [point for point, share in enumerate(shares) if share > top - 1e-9]
    found = {
        "accuracy": (place in tops) / len(tops),
        "expected_accuracy": shares[place],
        "absolute_error": sum(share * abs(point - place) for point, share in enumerate(shares)) / (len(shares) - 1),
    }
    return found | ({"log_loss": -log(max(shares[place], 1e-6))} if is_stated else {})


def judged_by_loops(rows: Sequence[Row], people: Dataset) -> Judged:
    responses = responses_of(people)
    given = defaultdict[tuple[str, int], list[list[float]]](list)
    for row in rows:
        low, n_points = scale_of(row.item_id)
        if row.rating is not None:
            given[row.item_id, row.respondent_id].append([float(low + k == row.rating) for k in range(n_points)])
        if row.probabilities is not None:
            given[row.item_id, row.respondent_id].append([p / sum(row.probabilities) for p in row.probabilities])
    is_stated = not any(row.rating is not None for row in rows)
    return {
        key: judge(np.mean(several, axis=0).tolist(), responses[key] - scale_of(key[0])[0], is_stated=is_stated)
        for key, several in given.items()
        if key in responses
    }


def attributes_of(people: Dataset) -> dict[int, dict[str, Any]]:
    return {row["respondent_id"]: row for row in people.respondents().to_dicts()}


def values_in(
    judged: Judged, people: Dataset, item_id: str, group_codes: str | None, measure: str
) -> tuple[list[float], list[float]]:
    """Values of a measure in one cell, and the weights of their people."""
    known = attributes_of(people)
    kept = [
        (found[measure], known[key]["W_WEIGHT"])
        for (item, key), found in judged.items()
        if item == item_id and group_codes in (None, str(known[key]["H_URBRURAL"])) and measure in found
    ]
    return [value for value, _ in kept], [weight for _, weight in kept]


@pytest.mark.parametrize("name", ["ratings", "mixed", "stated"])
def test_means_and_intervals_of_cells_equal_those_of_loops_over_examples(
    name: str, sources: Mapping[str, Answers], tables: Mapping[str, Sequence[Row]], people: Dataset
) -> None:
    reference = respondents_reference(people)
    scores = score_answers([sources[name]], reference, groupings=parse_groupings("H_URBRURAL"), how=ALL)
    judged = judged_by_loops(tables[name], people)
    rows = scores.tables["individuals"].filter(answered_by=name).to_dicts()
    assert len(rows) == 9
    for row in rows:
        for measure in MEASURES:
            values, _ = values_in(judged, people, row["item_id"], row["group_codes"], measure)
            if not values:
                assert (measure, row[measure]) == ("log_loss", None)
                continue
            mean, half = np.mean(values), Z * stdev(values) / sqrt(len(values))
            assert row["n"] == len(values)
            assert row[measure] == pytest.approx(mean, abs=1e-12)
            assert row[f"{measure}_low"] == pytest.approx(max(mean - half, 0), abs=1e-12)
            most = np.inf if measure == "log_loss" else 1
            assert row[f"{measure}_high"] == pytest.approx(min(mean + half, most), abs=1e-12)
    assert (name == "stated") == all(row["log_loss"] is not None for row in rows)


@pytest.mark.parametrize("name", ["ratings", "mixed", "stated"])
def test_weighted_means_are_those_of_a_loop_that_weighs_people(
    name: str, sources: Mapping[str, Answers], tables: Mapping[str, Sequence[Row]], people: Dataset
) -> None:
    reference = respondents_reference(people, "probe", "W_WEIGHT")
    scores = score_answers([sources[name]], reference, groupings=parse_groupings("H_URBRURAL"), how=ALL)
    judged = judged_by_loops(tables[name], people)
    for row in scores.tables["individuals"].filter(answered_by=name).to_dicts():
        for measure in ("accuracy", "expected_accuracy", "absolute_error"):
            values, weights = values_in(judged, people, row["item_id"], row["group_codes"], measure)
            mean = np.average(values, weights=weights)
            moved = [w * (value - mean) / sum(weights) for value, w in zip(values, weights, strict=True)]
            half = Z * sqrt(sum(x**2 for x in moved) * len(values) / (len(values) - 1))
            assert row[measure] == pytest.approx(mean, abs=1e-12)
            assert row[f"{measure}_low"] == pytest.approx(max(mean - half, 0), abs=1e-12)


def test_a_share_of_nothing_on_the_response_counts_as_a_millionth_and_is_counted(
    sources: Mapping[str, Answers], tables: Mapping[str, Sequence[Row]], people: Dataset, tmp_path: Path
) -> None:
    dataset = make_dataset(tmp_path / "people", {"Q111": [1, 2, 2]})
    rows = [Row("Q111", 101, probabilities=[1, 0]), Row("Q111", 102, probabilities=[1, 0])]
    rows += [Row("Q111", 103, probabilities=[0.5, 0.5])]
    answers = read_answers(make_run(tmp_path / "run", rows, dataset))
    scores = score_answers([answers], respondents_reference(dataset), how=ALL)
    for table in ("individuals", "individuals_summary"):
        row = scores.tables[table].filter(answered_by="run").row(0, named=True)
        assert (row["n"], row["n_clipped"]) == (3, 1)
        assert row["log_loss"] == pytest.approx((0 + 6 * log(10) + log(2)) / 3)
        assert row["accuracy"] == pytest.approx((1 + 0 + 1 / 2) / 3)
        assert row["expected_accuracy"] == pytest.approx((1 + 0 + 1 / 2) / 3)


def test_several_equally_probable_points_share_a_hit(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 4]})
    rows = [Row("Q1", key, 1 + sample, sample=sample) for key in (101, 102, 103) for sample in range(3)]
    answers = read_answers(make_run(tmp_path / "run", rows, dataset))
    row = score_answers([answers], respondents_reference(dataset), how=ALL).tables["individuals"].row(0, named=True)
    assert row["accuracy"] == pytest.approx(2 / 9), "1, 2 and 3 are equally frequent, and 4 is never said"
    assert row["expected_accuracy"] == pytest.approx(2 / 9)
    # from 1: (0 + 1 + 2) / 9; from 2: (1 + 0 + 1) / 9; from 4: (3 + 2 + 1) / 9
    assert row["absolute_error"] == pytest.approx((3 + 2 + 6) / 9 / 3)
    assert row["log_loss"] is None, "samples are no stated shares"


def test_baselines_know_the_humans_that_they_are_judged_by(
    sources: Mapping[str, Answers], tables: Mapping[str, Sequence[Row]], people: Dataset
) -> None:
    scores = score_answers(
        [sources["mixed"]], respondents_reference(people), groupings=parse_groupings("H_URBRURAL"), how=ALL
    )
    keys, responses, known = judged_by_loops(tables["mixed"], people), responses_of(people), attributes_of(people)
    for row in scores.tables["individuals"].filter(pl.col("answered_by") != "mixed").to_dicts():
        low, n_points = scale_of(row["item_id"])
        everybody = [responses[key] - low for key in keys if key[0] == row["item_id"]]
        mode = min(range(n_points), key=lambda point: (-everybody.count(point), point))
        shares = {"uniform": [1 / n_points] * n_points, "majority": [float(k == mode) for k in range(n_points)]}
        inside = [
            responses[item, key] - low
            for item, key in keys
            if item == row["item_id"] and row["group_codes"] in (None, str(known[key]["H_URBRURAL"]))
        ]
        found = [
            judge(shares[row["answered_by"]], place, is_stated=row["answered_by"] == "uniform") for place in inside
        ]
        for measure in MEASURES:
            values = [one[measure] for one in found if measure in one]
            expected = np.mean(values) if values else None
            assert row[measure] == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_the_mean_over_items_is_the_mean_of_the_rows_of_cells(sources: Mapping[str, Answers], people: Dataset) -> None:
    scores = score_answers(
        list(sources.values()), respondents_reference(people), groupings=parse_groupings("H_URBRURAL"), how=ALL
    )
    keys = ["answers", "grouping", "group", "answered_by"]
    of_cells = scores.tables["individuals"].group_by(keys, maintain_order=True)
    expected = of_cells.agg(*(pl.col(name).mean() for name in MEASURES), pl.col("n", "n_clipped").sum())
    found = scores.tables["individuals_summary"]
    assert found.height == 3 * 3 * 3
    both = found.join(expected, on=keys, suffix="_naive", validate="1:1")
    assert both.height == found.height
    for name in (*MEASURES, "n", "n_clipped"):
        for mine, naive in both.select(name, f"{name}_naive").iter_rows():
            assert mine == (None if naive is None else pytest.approx(naive, abs=1e-12))


def test_the_interval_of_a_mean_over_items_counts_each_person_once(tmp_path: Path) -> None:
    """Where all people have all items it is that of the means of single persons."""
    rng = np.random.default_rng(23)
    leaning = rng.random((40, 1)) * 0.8 + 0.1
    items = [item for item in load_codebook().items if item.scale.n_points == 2][:6]
    said = rng.random((40, 6)) < leaning
    responses = {item.item_id: (item.scale.low + said[:, k]).tolist() for k, item in enumerate(items)}
    dataset = make_dataset(tmp_path / "people", responses)
    rows = [(item.item_id, 101 + person, item.scale.high) for item in items for person in range(40)]
    answers = read_answers(write_answers(tmp_path / "model.tsv", rows))
    row = score_answers([answers], respondents_reference(dataset)).tables["individuals_summary"].row(0, named=True)
    of_persons = said.mean(axis=1)
    half = Z * of_persons.std(ddof=1) / sqrt(40)
    assert row["accuracy"] == pytest.approx(of_persons.mean())
    assert row["accuracy_high"] - row["accuracy"] == pytest.approx(half)
    as_if_apart = Z * sqrt(sum(said[:, k].var(ddof=1) / 40 for k in range(6))) / 6
    assert half > 1.15 * as_if_apart, "people lean, so what is said of their items is alike"


@pytest.mark.parametrize("weight", ["none", "W_WEIGHT"])
def test_the_interval_of_a_mean_over_items_is_as_wide_as_that_of_people_drawn_anew(
    weight: Any, sources: Mapping[str, Answers], tables: Mapping[str, Sequence[Row]], people: Dataset
) -> None:
    """Of 2,000 bootstrap means the spread is known to 2%; and people have two items or three, whose cells differ."""
    scores = score_answers([sources["mixed"]], respondents_reference(people, "probe", weight), how=ALL)
    row = scores.tables["individuals_summary"].filter(answered_by="mixed").row(0, named=True)
    judged, known = judged_by_loops(tables["mixed"], people), attributes_of(people)
    rng = np.random.default_rng(24)
    weights = np.array([known[101 + k]["W_WEIGHT"] if weight != "none" else 1.0 for k in range(N_PEOPLE)])
    for measure in ("accuracy", "absolute_error"):
        value = np.full((N_PEOPLE, len(ITEMS)), np.nan)
        for (item_id, key), found in judged.items():
            value[key - 101, ITEMS.index(item_id)] = found[measure]
        means = []
        for _ in range(2000):
            times = np.bincount(rng.integers(N_PEOPLE, size=N_PEOPLE), minlength=N_PEOPLE) * weights
            has = ~np.isnan(value)
            means.append(np.mean((times @ np.where(has, value, 0)) / (times @ has)))
        spread = (row[f"{measure}_high"] - row[measure]) / Z
        assert spread == pytest.approx(np.std(means), rel=0.08)


def test_one_person_has_no_interval_and_no_example_no_row(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2], "Q2": [1, 1]}, {"H_URBRURAL": [1, 2]})
    answers = read_answers(write_answers(tmp_path / "model.tsv", [("Q1", 101, 1), ("Q1", 102, 4), ("Q2", 101, 1)]))
    tables = score_answers(
        [answers], respondents_reference(dataset), groupings=parse_groupings("H_URBRURAL"), how=ALL
    ).tables
    rural = tables["individuals"].filter(group="Rural", answered_by="model")
    columns = ["item_id", "n", "accuracy", "accuracy_low", "accuracy_high"]
    assert rural.select(columns).rows() == [("Q1", 1, 0.0, None, None), ("Q2", 0, None, None, None)]
    over_items = tables["individuals_summary"].filter(group="Rural", answered_by="model")
    assert over_items.select("n_items", "n", "accuracy").rows() == [(1, 1, 0.0)]


def test_no_interval_goes_beyond_what_a_share_can_be(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "people", {"Q1": [1] * 12})
    answers = read_answers(write_answers(tmp_path / "model.tsv", [("Q1", 101 + k, 1 + k // 11) for k in range(12)]))
    row = score_answers([answers], respondents_reference(dataset)).tables["individuals"].row(0, named=True)
    assert row["accuracy_low"] < row["accuracy"] == 11 / 12
    assert row["accuracy_high"] == 1


def test_as_published_no_single_respondent_is_judged(tmp_path: Path) -> None:
    """The published scorer pools; by default an answer off the scale, or a second one, is no respondent's answer."""
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 3, 4], "Q2": [1, 1, 1, 1]})
    rows = [("Q1", 101, 9), ("Q1", 102, 2), ("Q1", 102, 4), ("Q1", 103, 3), ("Q1", 104, 4)]
    files = [write_answers(tmp_path / "model.tsv", rows), write_answers(tmp_path / "other.tsv", [("Q2", 101, 1)])]
    answers, reference = [read_answers(file) for file in files], respondents_reference(dataset)
    tables = score_answers(answers, reference, how=ALL).tables
    published = score_answers(answers, reference, as_published=True, how=ALL).tables
    for name in ("individuals", "individuals_summary"):
        assert published[name].schema == tables[name].schema
        assert (published[name].height, tables[name].is_empty()) == (0, False)
    row = tables["individuals"].filter(answered_by="model").row(0, named=True)
    assert (row["n"], row["accuracy"], row["absolute_error"]) == (3, 1, 0)
    over_items = tables["individuals_summary"].filter(answered_by="model").row(0, named=True)
    assert (over_items["n_items"], over_items["accuracy"]) == (1, 1), "Q2 is an item of the other file alone"


def test_against_the_world_nobody_is_known(sources: Mapping[str, Answers]) -> None:
    tables = score_answers([sources["ratings"]], world_reference(), how=ALL).tables
    assert tables["individuals"].height == tables["individuals_summary"].height == 0


def test_the_level_of_intervals_is_that_of_the_resampling(sources: Mapping[str, Answers], people: Dataset) -> None:
    reference = respondents_reference(people)
    wide, narrow = (
        score_answers([sources["ratings"]], reference, how=replace(ALL, resampling=Resampling(n=10, level=level)))
        .tables["individuals"]
        .row(0, named=True)
        for level in (0.95, 0.5)
    )
    half = [row["absolute_error_high"] - row["absolute_error"] for row in (wide, narrow)]
    assert half[0] / half[1] == pytest.approx(Z / NormalDist().inv_cdf(0.75))


@pytest.mark.parametrize("name", ["mixed", "stated"])
def test_how_many_examples_are_judged_at_a_time_changes_nothing(
    name: str, sources: Mapping[str, Answers], people: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = score_answers([sources[name]], respondents_reference(people), how=ALL)
    monkeypatch.setattr(persons, "AT_ONCE", 7)
    parts = score_answers([sources[name]], respondents_reference(people), how=ALL)
    assert whole.tables["individuals"].equals(parts.tables["individuals"])
