"""`trees`: more is told by more attributes; the same trees however they are fitted; what is not seen and why."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.baselines.made import TEST, TRAIN, answers_of, log_loss, probabilities_of
from tests.scoring.people import make_dataset
from worldvaluesbench.baselines._build import build_baseline, build_baselines
from worldvaluesbench.baselines._options import BaselineName, BaselineOptions
from worldvaluesbench.baselines._respondents import read_respondents
from worldvaluesbench.baselines._trees import (
    LEFT_OUT,
    ORDERED,
    default_attributes,
    find_features,
    fit_trees,
    has_lightgbm,
    is_nominal,
    load_lightgbm,
)
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import ModelError, RunError
from worldvaluesbench.planning._examples import split_examples
from worldvaluesbench.survey._attributes import check_attribute_id
from worldvaluesbench.survey._codebook import load_codebook

ITEMS = ("Q1", "Q48", "Q57", "Q199")

needs_lightgbm = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("lightgbm") is None, reason="LightGBM is not installed"
)


@needs_lightgbm
def test_trees_know_more_than_the_country_and_that_more_than_the_marginal(paper: Dataset, tmp_path: Path) -> None:
    names: tuple[BaselineName, ...] = ("marginal", "cell", "trees")
    losses = [log_loss(answers_of(paper, tmp_path / name, name, ITEMS), paper) for name in names]
    assert losses[2] < losses[1] < losses[0] - 0.01


@needs_lightgbm
def test_trees_of_one_attribute_give_its_groups_what_they_said(tmp_path: Path) -> None:
    """Two thousand urban people, of whom nine in ten say 1, and as many rural ones, of whom nine in ten say 4."""
    said = ([1] * 9 + [4]) * 200 + ([4] * 9 + [1]) * 200
    urban = [1] * 2_000 + [2] * 2_000
    dataset = make_dataset(
        tmp_path / "d",
        {"Q1": [*said, 1, 1, 1]},
        {"H_URBRURAL": [*urban, 1, 2, -1]},
        splits=[TRAIN] * 4_000 + [TEST] * 3,
    )
    given = probabilities_of(dataset, tmp_path / "run", "trees", attributes=("H_URBRURAL",))
    assert given[4101] == pytest.approx([0.9, 0, 0, 0.1], abs=0.02)
    assert given[4102] == pytest.approx([0.1, 0, 0, 0.9], abs=0.02)
    for shares in given.values():
        assert len(shares) == 4
        assert sum(shares) == pytest.approx(1)
        assert min(shares) > 0


@needs_lightgbm
def test_the_same_trees_with_any_number_of_threads_and_other_items_beside(paper: Dataset, tmp_path: Path) -> None:
    one = answers_of(paper, tmp_path / "one", "trees", ITEMS, threads=1)
    two = answers_of(paper, tmp_path / "two", "trees", ITEMS, threads=4)
    alone = answers_of(paper, tmp_path / "alone", "trees", ITEMS[1:2])
    other = answers_of(paper, tmp_path / "other", "trees", ITEMS, seed=1)
    assert one.equals(two)
    assert alone.equals(one.filter(item_id=ITEMS[1]))
    assert not other.equals(one)


@needs_lightgbm
def test_a_weight_counts_as_people_do(tmp_path: Path) -> None:
    """Nobody differs: trees can only give what the weighted people said."""
    said, weights = [1, 2] * 200, [3.0, 1.0] * 200
    homes = {"H_URBRURAL": [1] * 401}
    splits = [TRAIN] * 400 + [TEST]
    dataset = make_dataset(tmp_path / "d", {"Q1": [*said, 1]}, homes, weights={"S018": [*weights, None]}, splits=splits)
    given = probabilities_of(dataset, tmp_path / "run", "trees", attributes=("H_URBRURAL",), weight="S018")
    assert given[501] == pytest.approx([0.75, 0.25, 0, 0], abs=0.01)


@needs_lightgbm
def test_attributes_that_nobody_has_are_no_hindrance(tmp_path: Path) -> None:
    codes = {"H_URBRURAL": [-4] * 601, "Q262": [-4] * 601}
    dataset = make_dataset(tmp_path / "d", {"Q1": [1, 2, 3] * 200 + [1]}, codes, splits=[TRAIN] * 600 + [TEST])
    given = probabilities_of(dataset, tmp_path / "run", "trees", attributes=("H_URBRURAL", "Q262"))
    assert given[701] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0], abs=0.05)


@needs_lightgbm
@pytest.mark.parametrize("n", [1, 2, 49])
def test_a_handful_of_people_bears_no_trees_and_the_cell_stands(tmp_path: Path, n: int) -> None:
    homes = {"B_COUNTRY": [156, 392] * n + [392, 276], "continent": [2] * 2 * n + [2, 3]}
    ratings, splits = [1, 2] * n + [1, 1], [TRAIN] * 2 * n + [TEST] * 2
    dataset = make_dataset(tmp_path / "d", {"Q1": ratings}, homes, splits=splits)
    by_trees = probabilities_of(dataset, tmp_path / "1", "trees", attributes=("B_COUNTRY", "continent"))
    by_cell = probabilities_of(dataset, tmp_path / "2", "cell")
    for person, shares in by_cell.items():
        assert by_trees[person] == pytest.approx(shares, abs=1e-5)


@needs_lightgbm
def test_whoever_watches_is_told_of_each_item(paper: Dataset) -> None:
    told: list[tuple[int, int]] = []
    people = read_respondents(paper, [TRAIN])
    features = find_features(people, ("B_COUNTRY",))
    trees = fit_trees(people, ITEMS[:2], features, watch=lambda n_done, n: told.append((n_done, n)))
    assert told == [(1, 2), (2, 2)]
    assert tuple(trees.models) == ITEMS[:2]


@needs_lightgbm
def test_a_watcher_that_gives_up_ends_it(paper: Dataset) -> None:
    def give_up(n_done: int, n: int) -> None:
        raise KeyboardInterrupt

    people = read_respondents(paper, [TRAIN])
    with pytest.raises(KeyboardInterrupt):
        fit_trees(people, ITEMS, find_features(people, ("B_COUNTRY",)), threads=1, watch=give_up)


def test_without_the_library_one_line_says_how_to_get_it(
    paper: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    examples = split_examples(paper, TEST, ["Q1"])
    with pytest.raises(ModelError, match=r"^trees: needs LightGBM; pip install 'worldvaluesbench\[baselines\]'\.$"):
        build_baseline("trees", examples, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert set(build_baselines(examples, tmp_path / "runs")) == {"marginal", "cell", "human"}


def test_a_library_that_cannot_be_loaded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        """Finds LightGBM, and then the system lacks OpenMP."""

        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name == "lightgbm":
                raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(ModelError, match=r"cannot be loaded \(libgomp.so.1: .*\); install OpenMP"):
        load_lightgbm()
    assert not has_lightgbm()


def test_trees_that_would_see_nothing_are_refused() -> None:
    with pytest.raises(RunError, match="trees would see no attribute"):
        BaselineOptions(attributes=())


def test_every_attribute_is_seen_or_left_out_for_a_reason() -> None:
    codebook = load_codebook()
    for name in (*LEFT_OUT, *ORDERED):
        check_attribute_id(name, codebook)
    seen = default_attributes(codebook)
    assert not set(seen) & set(LEFT_OUT)
    assert set(codebook.attribute_ids) <= set(seen) | set(LEFT_OUT)
    assert "continent" in seen
    assert [name for name in ("Q262", "Q275", "B_COUNTRY", "Q289") if is_nominal(name, codebook)] == [
        "B_COUNTRY",
        "Q289",
    ]


def test_rare_levels_are_one_and_missing_is_missing(tmp_path: Path) -> None:
    homes = [156] * 60 + [392] * 49 + [276] * 55 + [-4]
    ages = [*range(20, 20 + 164), -1]
    dataset = make_dataset(tmp_path / "d", {"Q1": [1] * 165}, {"B_COUNTRY": homes, "Q262": ages}, splits=[TRAIN] * 165)
    features = find_features(read_respondents(dataset, [TRAIN]), ("B_COUNTRY", "Q262"))
    assert features.levels == {"B_COUNTRY": (156, 276)}
    assert features.nominal == [0]
    matrix = features.matrix(dataset)
    np.testing.assert_array_equal(matrix[:, 0], [0] * 60 + [2] * 49 + [1] * 55 + [np.nan])
    np.testing.assert_array_equal(matrix[:, 1], [*range(20, 184), np.nan])
    assert features.table().rows() == [("B_COUNTRY", 156, 0), ("B_COUNTRY", 276, 1)]
