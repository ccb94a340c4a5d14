"""`human`: another person's response, of the same group, never of whoever is asked about."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.baselines.made import TEST, TRAIN, VALID, answers_of
from tests.scoring.people import make_dataset
from worldvaluesbench.baselines._build import build_baseline
from worldvaluesbench.baselines._options import BaselineOptions
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._probe import build_probe
from worldvaluesbench.benchmark._spec import parse_spec
from worldvaluesbench.errors import DatasetError
from worldvaluesbench.planning._examples import probe_examples

CHINA, JAPAN, GERMANY, BRAZIL = 156, 392, 276, 76
CONTINENTS = {CHINA: 2, JAPAN: 2, GERMANY: 3, BRAZIL: 6}


def people_of(folder: Path, rows: Sequence[tuple[str, int, int]], **weights: Sequence[float | None]) -> Dataset:
    """People as (split, country, rating of Q1), with weights by name."""
    homes = [home for _, home, _ in rows]
    attributes = {"B_COUNTRY": homes, "continent": [CONTINENTS.get(home, 1) for home in homes]}
    splits = [split for split, _, _ in rows]
    return make_dataset(folder, {"Q1": [row[2] for row in rows]}, attributes, weights=weights, splits=splits)


def drawn_for(dataset: Dataset, out: Path, **options: Any) -> Mapping[int, int]:
    """The rating drawn for each test person."""
    table = answers_of(dataset, out, "human", **options)
    assert table["probabilities"].null_count() == table.height
    assert table["coverage"].to_list() == [1.0] * table.height
    return dict(table.select("respondent_id", "rating").rows())


def test_nobody_of_the_test_split_is_drawn_and_so_nobody_answers_for_himself(tmp_path: Path) -> None:
    rows = [(TRAIN, CHINA, 2), (VALID, CHINA, 3)] * 20 + [(TEST, CHINA, 1)] * 90
    drawn = drawn_for(people_of(tmp_path / "d", rows), tmp_path / "run")
    assert set(drawn.values()) == {2, 3}


def test_people_are_drawn_from_the_same_group(tmp_path: Path) -> None:
    rows = [(TRAIN, CHINA, 2), (VALID, JAPAN, 3), (TRAIN, GERMANY, 4)]
    rows += [(TEST, CHINA, 1), (TEST, JAPAN, 1), (TEST, GERMANY, 1)] * 3
    drawn = drawn_for(people_of(tmp_path / "d", rows), tmp_path / "run")
    assert list(drawn.values()) == [2, 3, 4] * 3


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_everybody_is_drawn_once_before_anybody_is_drawn_again(tmp_path: Path, rounds: int) -> None:
    rows = [(TRAIN, CHINA, rating) for rating in (1, 2, 3, 4)] + [(TEST, CHINA, 1)] * 4 * rounds
    for seed in range(5):
        drawn = drawn_for(people_of(tmp_path / f"d{seed}", rows), tmp_path / "run", seed=seed)
        assert Counter(drawn.values()) == {1: rounds, 2: rounds, 3: rounds, 4: rounds}


def test_where_a_country_has_nobody_its_continent_answers_and_else_the_world(tmp_path: Path) -> None:
    rows = [(TRAIN, JAPAN, 2), (TRAIN, GERMANY, -1), (TRAIN, JAPAN, 2)]
    rows += [(TEST, CHINA, 1), (TEST, GERMANY, 1), (TEST, BRAZIL, 1), (TEST, -1, 1)]
    drawn = drawn_for(people_of(tmp_path / "d", rows), tmp_path / "run")
    assert list(drawn.values()) == [2, 2, 2, 2]
    nearer = [*rows, (VALID, GERMANY, 4)]
    drawn = drawn_for(people_of(tmp_path / "d2", nearer), tmp_path / "run")
    assert list(drawn.values())[:2] == [2, 4]


def test_people_are_drawn_in_proportion_to_their_weights(tmp_path: Path) -> None:
    """In each of two thousand countries one person weighs nine times the other, and one of them is drawn."""
    countries = range(1_000, 3_000)
    rows = [(TRAIN, home, rating) for home in countries for rating in (1, 2)] + [(TEST, home, 1) for home in countries]
    weights = [9.0, 1.0] * 2_000 + [None] * 2_000
    dataset = people_of(tmp_path / "d", rows, W_WEIGHT=weights)
    heavy = Counter(drawn_for(dataset, tmp_path / "1", weight="W_WEIGHT").values())[1]
    plain = Counter(drawn_for(dataset, tmp_path / "2").values())[1]
    assert 1_760 < heavy < 1_840
    assert 930 < plain < 1_070


def test_a_missing_weight_of_anybody_who_may_be_drawn_is_refused(tmp_path: Path) -> None:
    rows = [(TRAIN, CHINA, 1), (VALID, CHINA, 2), (TEST, CHINA, 1)]
    dataset = people_of(tmp_path / "d", rows, W_WEIGHT=[1.0, None, None])
    with pytest.raises(DatasetError, match="train and valid: 1 of 2 respondents who are used have a missing or zero"):
        drawn_for(dataset, tmp_path / "run", weight="W_WEIGHT")


def test_the_same_seed_draws_the_same_whatever_else_is_asked(paper: Dataset, tmp_path: Path) -> None:
    one = answers_of(paper, tmp_path / "1", "human", ("Q1", "Q48"))
    again = answers_of(paper, tmp_path / "2", "human", ("Q48", "Q1"))
    alone = answers_of(paper, tmp_path / "3", "human", ("Q48",))
    other = answers_of(paper, tmp_path / "4", "human", ("Q48",), seed=1)
    assert one.equals(again)
    assert alone.equals(one.filter(item_id="Q48"))
    assert not other.equals(alone)


def test_of_a_probe_set_the_groups_are_those_of_its_cross(paper: Dataset, tmp_path: Path) -> None:
    spec = parse_spec("mine", 'items = ["Q1"]\ncross = ["continent", "H_URBRURAL"]\nper_cell = 5', paper.codebook)
    build_probe(paper, spec, tmp_path / "probe")
    examples = probe_examples(paper, tmp_path / "probe")
    manifest = build_baseline("human", examples, tmp_path / "run")
    assert manifest["model"]["groups"] == ["continent", "continent*H_URBRURAL"]
    assert manifest["examples"]["cross"] == ["continent", "H_URBRURAL"]
    by_country = build_baseline(
        "human", examples, tmp_path / "country", options=BaselineOptions(groups=None, seed=3), force=True
    )
    assert by_country["model"]["seed"] == 3


def test_what_is_drawn_is_what_somebody_of_the_country_said(paper: Dataset, tmp_path: Path) -> None:
    table = answers_of(paper, tmp_path / "run", "human", ("Q48",))
    people = pl.concat([paper.respondents(["B_COUNTRY", "split"]), paper.responses(["Q48"])], how="horizontal")
    said = people.filter(pl.col("split") != TEST, pl.col("Q48") >= 0).group_by("B_COUNTRY").agg("Q48")
    joined = table.join(people.drop("Q48"), on="respondent_id", how="left").join(said, on="B_COUNTRY", how="left")
    assert joined.select(pl.col("rating").is_in(pl.col("Q48"))).to_series().all()
