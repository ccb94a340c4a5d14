"""A pilot's tables give back what the sources of a simulation vary by."""

import numpy as np
import polars as pl
import pytest
from benchmarks.coverage import models_of
from benchmarks.power import Items, Sampled, all_ends, covariances_of, draw_sample, load_items, paper_items, parts_of
from numpy.typing import NDArray

from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring.compare._pilot import mean_variance, pilot_variances
from worldvaluesbench.stats._distribution import wasserstein
from worldvaluesbench.stats._power import DifferenceVariance

N = 230
PAIR = ("gpt", "mixtral")


def tables_of(sampled: Sampled, topic: NDArray[np.int64], n: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The two tables that a comparison of two sources would hold of this sample."""
    each = [covariances_of(one) for one in sampled.influence]
    # cov(A, B) from the covariance of their sum
    cross = (covariances_of(sampled.influence.sum(axis=0))[1] - each[0][1] - each[1][1]) / 2
    compared = pl.concat(
        pl.DataFrame(
            {
                "answers": name,
                "grouping": "all",
                "item_id": [f"Q{row}" for row in range(topic.size)],
                "topic": topic,
                "n_examples": n,
                "corrected": sampled.corrected[number],
                "variance": each[number][0],
            }
        )
        for number, name in enumerate(PAIR)
    )
    within = (covariances_of(sampled.influence.sum(axis=0))[0] - each[0][0] - each[1][0]).mean() / 2
    pairs = {
        (PAIR[0], PAIR[0]): (each[0][1], each[0][0].mean()),
        PAIR: (cross, within),
        (PAIR[1], PAIR[1]): (each[1][1], each[1][0].mean()),
    }
    rows = [
        {"grouping": "all", "first": a, "second": b, "covariance": between, "same_item_covariance": same}
        for (a, b), (between, same) in pairs.items()
    ]
    return compared, pl.DataFrame(rows)


@pytest.fixture(scope="module")
def items() -> Items:
    return load_items(paper_items())


@pytest.fixture(scope="module")
def pilot(items: Items) -> tuple[pl.DataFrame, pl.DataFrame]:
    models = models_of(items.population)
    ends = all_ends(items, (models["leaning"], models["uniform"]))
    sampled = draw_sample(ends, items.population.n_points, N, 1, np.random.default_rng(4))
    return tables_of(sampled, items.topic, N)


def test_pilots_say_on_average_what_the_variance_is_made_of(items: Items) -> None:
    models = models_of(items.population)
    pair = models["leaning"], models["uniform"]
    ends = all_ends(items, pair)
    rng = np.random.default_rng(5)
    _, truth = parts_of(items, ends, pair, N, rng, 80)
    n_points, found = items.population.n_points, []
    for _ in range(25):
        tables = tables_of(draw_sample(ends, n_points, N, 1, rng), items.topic, N)
        found.append(pilot_variances(*tables)[PAIR])
    average = mean_variance(found)
    # the variance over three items of a topic divides by two
    first, second = (wasserstein(items.population.shares, model, n_points) for model in pair)
    _, varies = items.means_over_topics(first - second)
    assert average.items == pytest.approx(varies * 3 / 2, rel=0.15)
    assert average.sampling == pytest.approx(truth.sampling, rel=0.15)
    assert average.shared == pytest.approx(truth.shared, abs=0.01)


def test_an_example_worked_by_hand() -> None:
    """Two topics of two items; differences 0.1 and 0.3, 0 and 0.4: variance within topics (0.02 + 0.08) / 2."""
    compared = pl.DataFrame(
        {
            "answers": ["a"] * 4 + ["b"] * 4,
            "grouping": "all",
            "item_id": ["Q1", "Q2", "Q3", "Q4"] * 2,
            "topic": ["x", "x", "y", "y"] * 2,
            "n_examples": [100, 100, 50, 50] * 2,
            "corrected": [0.3, 0.5, 0.2, 0.5, 0.2, 0.2, 0.2, 0.1],
            "variance": [0.001, 0.001, 0.002, 0.002, 0.003, 0.003, 0.004, 0.004],
        }
    )
    rows = [("all", "b", "a", 0.0001, 0.0005), ("all", "a", "a", 0.0003, 1.0), ("all", "b", "b", 0.0005, 1.0)]
    rows.append(("Q260", "a", "a", 9.0, 9.0))
    names = ["grouping", "first", "second", "covariance", "same_item_covariance"]
    covariances = pl.DataFrame(rows, names, orient="row")
    found = pilot_variances(compared, covariances)["a", "b"]
    shared = 0.0003 + 0.0005 - 2 * 0.0001
    # the variances of the items' differences, 0.004 and 0.006, less twice what the two share within an item
    assert found.items == pytest.approx(0.05 - 0.004 + shared)
    assert found.sampling == pytest.approx((0.004 * 100 + 0.006 * 50) / 2 * 0.8)
    assert found.shared == pytest.approx(shared * 200 / 3)
    with_five = pilot_variances(compared, covariances, n_samples=5)["a", "b"]
    assert with_five.sampling == pytest.approx(found.sampling / 0.6)
    assert with_five.items == found.items
    single = compared.with_columns(topic="item_id")
    assert pilot_variances(single, covariances)["a", "b"].items == pytest.approx(
        np.var([0.1, 0.3, 0, 0.4], ddof=1) - 0.004 + shared
    )


def test_groups_and_items_that_one_source_lacks_are_left_out(pilot: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    compared, covariances = pilot
    expected = pilot_variances(compared, covariances)
    other = compared.with_columns(grouping=pl.lit("continent"), corrected=pl.lit(9.0))
    unknown = compared.head(2).with_columns(item_id=pl.Series(["QX", "QY"]))
    absent = unknown.with_columns(
        answers=pl.lit("mixtral"), corrected=pl.Series([None, float("nan")], dtype=pl.Float64)
    )
    assert pilot_variances(pl.concat([compared, other, unknown, absent]), covariances) == expected


def test_three_sources_make_three_pairs(pilot: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    compared, covariances = pilot
    third = compared.filter(answers="gpt").with_columns(answers=pl.lit("copy"))
    found = pilot_variances(pl.concat([compared, third]), covariances)
    assert list(found) == [("gpt", "mixtral"), ("gpt", "copy"), ("mixtral", "copy")]
    assert found["gpt", "copy"].items == 0, "two copies differ on no item"


def test_a_mean_of_variances_is_taken_part_by_part() -> None:
    mean = mean_variance([DifferenceVariance(0.01, 0.2, 0.0, 0.4), DifferenceVariance(0.03, 0.4, 0.1, 0.6)])
    assert vars(mean) == pytest.approx({"items": 0.02, "sampling": 0.3, "shared": 0.05, "human_share": 0.5})


def test_a_pilot_of_one_source_or_without_a_column_is_refused(pilot: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    compared, covariances = pilot
    with pytest.raises(AnswersError, match="two sources or more over two items or more, this one has 1 with 36"):
        pilot_variances(compared.filter(answers="gpt"), covariances)
    with pytest.raises(AnswersError, match="compared of a pilot lacks topic, variance; compare again"):
        pilot_variances(compared.drop("topic", "variance"), covariances)
    with pytest.raises(AnswersError, match="covariances of a pilot lacks second"):
        pilot_variances(compared, covariances.drop("second"))
