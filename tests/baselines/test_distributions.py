"""`marginal` and `cell`: numbers worked by hand, back-off where nobody is, weights."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.baselines.made import TEST, TRAIN, VALID, answers_of, log_loss, probabilities_of
from tests.scoring.people import make_dataset
from worldvaluesbench.baselines._distributions import fit_distributions, read_distributions
from worldvaluesbench.baselines._respondents import effective_counts, find_levels, read_respondents
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import DatasetError
from worldvaluesbench.stats._shrinkage import find_concentration
from worldvaluesbench.survey._attributes import Grouping, parse_groupings
from worldvaluesbench.survey._marginals import load_marginals

CHINA, JAPAN, GERMANY, FRANCE, BRAZIL = 156, 392, 276, 250, 76
ASIA, EUROPE, SOUTH_AMERICA = 2, 3, 6
CONTINENTS = {CHINA: ASIA, JAPAN: ASIA, GERMANY: EUROPE, FRANCE: EUROPE, BRAZIL: SOUTH_AMERICA}

SAID = {
    CHINA: [1] * 30 + [2] * 10,
    JAPAN: [1] * 12 + [2] * 20 + [3] * 8,
    GERMANY: [2] * 5 + [3] * 30 + [4] * 5,
    FRANCE: [2] * 20 + [3] * 15 + [4] * 5,
}
"""What the train people of four countries said to Q1. Nobody of Brazil was asked."""


def world(folder: Path) -> Dataset:
    """Forty train people of each of four countries; then a test person of each of five, and one without a country."""
    homes = [country for country, ratings in SAID.items() for _ in ratings] + [*CONTINENTS, -1]
    ratings = [rating for ratings in SAID.values() for rating in ratings] + [1] * 6
    attributes = {"B_COUNTRY": homes, "continent": [CONTINENTS.get(home, -1) for home in homes]}
    return make_dataset(folder, {"Q1": ratings}, attributes, splits=[TRAIN] * 160 + [TEST] * 6)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return world(tmp_path_factory.mktemp("world") / "dataset")


def counts_of(*countries: int) -> np.ndarray:
    said = [rating for country in countries for rating in SAID[country]]
    return np.bincount(said, minlength=5)[1:].astype(np.float64)


def test_the_marginal_is_what_the_train_people_said(people: Dataset, tmp_path: Path) -> None:
    given = probabilities_of(people, tmp_path / "run", "marginal")
    assert list(given) == [261, 262, 263, 264, 265, 266]
    for shares in given.values():
        assert shares == [42 / 160, 55 / 160, 53 / 160, 10 / 160]


def test_the_marginal_of_the_world_is_the_embedded_one(people: Dataset, tmp_path: Path) -> None:
    given = probabilities_of(people, tmp_path / "run", "marginal", source="world")
    counts = load_marginals().counts("Q1")
    np.testing.assert_allclose(given[261], counts / counts.sum())


def test_a_cell_is_drawn_from_country_to_continent_to_world(people: Dataset, tmp_path: Path) -> None:
    given = probabilities_of(people, tmp_path / "run", "cell")
    everybody = counts_of(*SAID) / 160
    continents = {ASIA: counts_of(CHINA, JAPAN), EUROPE: counts_of(GERMANY, FRANCE)}
    a = find_concentration(np.array(list(continents.values())), np.tile(everybody, (2, 1)))
    means = {code: (counts + a * everybody) / (80 + a) for code, counts in continents.items()}
    countries = np.array([counts_of(country) for country in SAID])
    of_continent = np.array([means[CONTINENTS[country]] for country in SAID])
    b = find_concentration(countries, of_continent)
    assert 1 < a < 1_000
    assert 1 < b < 1_000
    for person, counts, mean in zip((261, 262, 263, 264), countries, of_continent, strict=True):
        np.testing.assert_allclose(given[person], (counts + b * mean) / (40 + b), rtol=1e-12)


def test_an_unseen_country_gets_its_continents_and_an_unseen_continent_the_worlds(
    people: Dataset, tmp_path: Path
) -> None:
    given = probabilities_of(people, tmp_path / "run", "cell")
    assert given[265] == pytest.approx([42 / 160, 55 / 160, 53 / 160, 10 / 160])
    fit = fit_distributions(read_respondents(people, [TRAIN]), ["Q1"], find_levels(people, Grouping(("B_COUNTRY",))))
    table = fit.table
    brazil = table.filter(pl.col("group_codes") == "76")
    assert brazil["n"].to_list() == [0]
    assert table.filter(grouping="continent")["group_codes"].to_list() == ["2", "3", "6"]
    assert table["n"].sum() == 3 * 160


def test_a_person_whose_country_is_unknown_gets_the_worlds(people: Dataset, tmp_path: Path) -> None:
    given = probabilities_of(people, tmp_path / "run", "cell")
    assert given[266] == [42 / 160, 55 / 160, 53 / 160, 10 / 160]


def test_finer_groups_are_drawn_to_the_coarser_ones(people: Dataset, tmp_path: Path) -> None:
    """Within each country the first half of the people are urban, who say lower numbers, but for Japan, all urban."""
    urban = [1] * 20 + [2] * 20
    homes = [country for country, ratings in SAID.items() for _ in ratings]
    attributes = {
        "B_COUNTRY": [*homes, CHINA, CHINA, JAPAN],
        "continent": [CONTINENTS[home] for home in homes] + [ASIA] * 3,
        "H_URBRURAL": [*urban, *[1] * 40, *urban, *urban, 1, -1, 2],
    }
    ratings = [rating for ratings in SAID.values() for rating in ratings] + [1] * 3
    splits = [TRAIN] * 160 + [TEST] * 3
    dataset = make_dataset(tmp_path / "finer", {"Q1": ratings}, attributes, splits=splits)
    finer = probabilities_of(dataset, tmp_path / "1", "cell", groups="B_COUNTRY*H_URBRURAL")
    country = probabilities_of(dataset, tmp_path / "2", "cell")
    urban_china = np.array([20, 0, 0, 0])
    low, high = sorted([country[261][0], urban_china[0] / 20])
    assert low < finer[261][0] < high
    assert finer[262] == country[262], "whose urbanity is unknown has the country's"
    assert finer[263] == country[263], "rural people of a country that has none have the country's"


def test_a_single_country_of_a_continent_does_not_say_how_countries_differ(tmp_path: Path) -> None:
    said = {CHINA: SAID[CHINA], JAPAN: SAID[JAPAN], BRAZIL: [4] * 40}
    homes = [country for country, ratings in said.items() for _ in ratings]
    attributes = {"B_COUNTRY": homes, "continent": [CONTINENTS[home] for home in homes]}
    ratings = [rating for ratings in said.values() for rating in ratings]
    dataset = make_dataset(tmp_path / "d", {"Q1": ratings}, attributes, splits=[TRAIN] * len(ratings))
    levels = find_levels(dataset, Grouping(("B_COUNTRY",)))
    fit = fit_distributions(read_respondents(dataset, [TRAIN]), ["Q1"], levels)
    asia = fit.table["probabilities"][1].to_numpy()
    expected = find_concentration(np.array([counts_of(CHINA), counts_of(JAPAN)]), np.tile(asia, (2, 1)))
    assert fit.table.filter(grouping="B_COUNTRY")["concentration"][0] == expected


RATINGS, WEIGHTS = [1, 2, 3, 4, 1], [3, 1, 2, 1, 2]


def weighted(folder: Path, weights: Sequence[float | None] | None, ratings: Sequence[int] = RATINGS) -> Dataset:
    """Train people of one country with these weights, and a test person."""
    n = len(ratings)
    attributes = {"B_COUNTRY": [CHINA] * (n + 1), "continent": [ASIA] * (n + 1)}
    given = None if weights is None else {"W_WEIGHT": [*weights, None]}
    return make_dataset(folder, {"Q1": [*ratings, 1]}, attributes, weights=given, splits=[TRAIN] * n + [TEST])


def test_a_weight_is_so_many_people(tmp_path: Path) -> None:
    repeated = [rating for rating, weight in zip(RATINGS, WEIGHTS, strict=True) for _ in range(weight)]
    for name in ("marginal", "cell"):
        by_weight = probabilities_of(
            weighted(tmp_path / f"{name}-w", WEIGHTS), tmp_path / f"{name}-1", name, weight="W_WEIGHT"
        )
        by_people = probabilities_of(weighted(tmp_path / f"{name}-r", None, repeated), tmp_path / f"{name}-2", name)
        assert by_weight[106] == pytest.approx(by_people[110])


def test_equal_weights_are_none(paper: Dataset) -> None:
    rng = np.random.default_rng(0)
    group, points = rng.integers(-1, 5, 300).astype(np.int32), rng.integers(0, 4, 300).astype(np.int8)
    plain = effective_counts(group, points, 5, 4, None)
    expected = [[np.count_nonzero((group == g) & (points == point)) for point in range(4)] for g in range(5)]
    np.testing.assert_array_equal(plain, expected)
    np.testing.assert_allclose(effective_counts(group, points, 5, 4, np.full(300, 0.37)), plain)


def test_a_group_whose_weight_lies_on_few_counts_as_few() -> None:
    group, points = np.zeros(4, dtype=np.int32), np.array([0, 0, 1, 1], dtype=np.int8)
    counts = effective_counts(group, points, 1, 2, np.array([6.0, 1.0, 1.0, 2.0]))
    assert counts.sum() == pytest.approx(100 / 42)
    assert (counts[0] / counts.sum()).tolist() == pytest.approx([0.7, 0.3])


@pytest.mark.parametrize("bad", [None, 0.0, float("nan")])
def test_a_missing_weight_is_refused_with_their_count(tmp_path: Path, bad: float | None) -> None:
    dataset = weighted(tmp_path / "d", [1.0, bad, 2.0, bad, 1.0])
    with pytest.raises(DatasetError, match=r"train: 2 of 5 respondents who are used have a missing or zero weight W_W"):
        answers_of(dataset, tmp_path / "run", "cell", weight="W_WEIGHT")


def test_weights_that_the_file_lacks_are_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no weight S018, for the survey file had none"):
        answers_of(weighted(tmp_path / "d", None), tmp_path / "run", "marginal", weight="S018")


def test_an_item_that_nobody_responded_to_is_refused(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", {"Q1": [-1, -2, 3]}, {}, splits=[TRAIN, VALID, TEST])
    with pytest.raises(
        DatasetError, match="none of the 1 respondents that the baseline is made from has a response to Q1"
    ):
        answers_of(dataset, tmp_path / "run", "marginal")


def test_nobody_to_learn_from_is_refused(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", {"Q1": [1, 2]}, {})
    with pytest.raises(DatasetError, match="train: holds no respondent to make a baseline from"):
        answers_of(dataset, tmp_path / "run", "marginal")


def test_a_cell_knows_more_than_the_marginal(paper: Dataset, tmp_path: Path) -> None:
    items = ("Q1", "Q57", "Q106", "Q199")
    losses = [log_loss(answers_of(paper, tmp_path / name, name, items), paper) for name in ("marginal", "cell")]
    assert losses[1] < losses[0]


def test_far_too_many_groups_are_refused(paper: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worldvaluesbench.baselines._respondents.MAX_GROUPS", 100)
    with pytest.raises(DatasetError, match=r"B_COUNTRY\*Q262: makes [\d,]+ groups, far too many to learn from"):
        find_levels(paper, parse_groupings("B_COUNTRY*Q262")[0])


def test_a_table_of_other_groups_is_refused(people: Dataset, tmp_path: Path) -> None:
    levels = find_levels(people, Grouping(("B_COUNTRY",)))
    fit = fit_distributions(read_respondents(people, [TRAIN]), ["Q1"], levels)
    fit.write(tmp_path)
    assert read_distributions(tmp_path, levels).table.equals(fit.table)
    with pytest.raises(DatasetError, match="Q1: the fit is of other groups; fit again in another folder"):
        read_distributions(tmp_path, levels[:1])
