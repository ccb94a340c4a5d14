"""Comparisons put together: ranked over what all sources have, by the same numbers as sources compared at once."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compare import compare_answers, merge_comparisons
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings

ITEMS = ("Q1", "Q2", "Q3", "Q4", "Q106", "Q107", "Q108")
N_PEOPLE = 90
HOW = How(resampling=Resampling(n=60, seed=3))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    rng = np.random.default_rng(61)
    responses = {item: rng.integers(1, 5, N_PEOPLE).tolist() for item in ITEMS}
    return make_dataset(tmp_path_factory.mktemp("people") / "d", responses, {"H_URBRURAL": [1, 2] * (N_PEOPLE // 2)})


def answered(folder: Path, name: str, items: Sequence[str], lean: float, n: int = N_PEOPLE) -> Answers:
    rng = np.random.default_rng([len(name), *map(ord, name)])
    rows = [(item, 101 + k, int(np.clip(round(rng.normal(2.5 + lean, 1)), 1, 4))) for item in items for k in range(n)]
    return read_answers(write_answers(folder / f"{name}.tsv", rows))


def compared(sources: Sequence[Answers], people: Dataset, how: How = HOW) -> Comparison:
    return compare_answers(sources, respondents_reference(people), groupings=parse_groupings("H_URBRURAL"), how=how)


def test_sources_compared_apart_have_the_means_of_sources_compared_at_once(people: Dataset, tmp_path: Path) -> None:
    sources = [answered(tmp_path, name, ITEMS, lean) for name, lean in (("a", 0.2), ("b", 1.0), ("c", -0.6))]
    at_once = compared(sources, people)
    apart = merge_comparisons([compared(sources[:2], people), compared(sources[2:], people)])
    assert apart.n_common == at_once.n_common
    keys = ["answers", "grouping", "group"]
    both = at_once.tables["leaderboard"].join(apart.tables["leaderboard"], on=keys, suffix="_apart", validate="1:1")
    assert both.height == 9
    for name in ("mean", "corrected", "noise_floor", "uniform", "skill", "poll_n"):
        assert both[name].to_list() == pytest.approx(both[f"{name}_apart"].to_list(), rel=2e-3, abs=1e-6)
    # a and b were compared together, so all of their difference is known; of c with the others it is bounded
    pairs = at_once.tables["pairs"].join(apart.tables["pairs"], on=["first", "second", "grouping", "group"])
    for row in pairs.to_dicts():
        widths = row["high"] - row["low"], row["high_right"] - row["low_right"]
        if row["second"] == "b":
            assert widths[0] == pytest.approx(widths[1], rel=1e-6)
        else:
            assert widths[1] >= widths[0] * 0.999
        assert row["difference"] == pytest.approx(row["difference_right"], abs=2e-3)


def test_only_items_that_all_sources_have_are_ranked(people: Dataset, tmp_path: Path) -> None:
    """b is farther on both items that a has, and nearly perfect on others: over all its items it would look better."""
    rng = np.random.default_rng(62)
    responses = people.responses()
    near = [(item, 101 + k, int(rng.integers(1, 3))) for item in ("Q1", "Q2") for k in range(N_PEOPLE)]
    far = [(item, 101 + k, 1) for item in ("Q1", "Q2") for k in range(N_PEOPLE)]
    copies = [(item, 101 + k, int(responses[item][k])) for item in ITEMS[2:] for k in range(N_PEOPLE)]
    a = read_answers(write_answers(tmp_path / "a.tsv", near))
    b = read_answers(write_answers(tmp_path / "b.tsv", far + copies))
    merged = merge_comparisons([compared([a], people), compared([b], people)])
    board = merged.tables["leaderboard"].filter(grouping="all").sort("rank")
    assert board.select("answers", "rank", "n_items").rows() == [("a", 1, 2), ("b", 2, 2)]
    assert board["n_examples"].to_list() == [2 * N_PEOPLE] * 2
    own = merged.tables["summary"].filter(pl.col("answered_by") == pl.col("answers"), grouping="all")
    means = dict(own.select("answers", "mean").rows())
    assert means["b"] < means["a"], "over its own items, which are shown apart"
    assert dict(own.select("answers", "n_items").rows()) == {"a": 2, "b": 7}


def test_counts_are_each_sources_own(people: Dataset, tmp_path: Path) -> None:
    sources = [answered(tmp_path, "all", ITEMS, 0.1), answered(tmp_path, "few", ITEMS, 0.1, n=50)]
    merged = merge_comparisons([compared([one], people) for one in sources])
    assert merged.n_common is None
    counts = merged.tables["leaderboard"].filter(grouping="all").select("answers", "n_examples").rows()
    assert dict(counts) == {"all": 7 * N_PEOPLE, "few": 7 * 50}


def test_other_numbers_of_resamples_and_seeds_join_and_other_levels_do_not(people: Dataset, tmp_path: Path) -> None:
    a, b = (answered(tmp_path, name, ITEMS, 0.3) for name in "ab")
    more = replace(HOW, resampling=Resampling(n=90, seed=8))
    merged = merge_comparisons([compared([a], people), compared([b], people, more)])
    assert merged.tables["pairs"]["p"].null_count() == 0
    at_90 = compared([b], people, replace(HOW, resampling=Resampling(n=60, level=0.9)))
    fixed = compared([b], people, replace(HOW, item_sampling="fixed"))
    for other, message in ((at_90, r"in the level of confidence intervals: 0\.95 and 0\.9"), (fixed, "item_sampling")):
        with pytest.raises(AnswersError, match=message):
            merge_comparisons([merged, other])


def test_no_table_of_a_comparison_holds_draws(people: Dataset, tmp_path: Path) -> None:
    found = compared([answered(tmp_path, name, ITEMS, 0.3) for name in "ab"], people)
    for table in found.tables.values():
        assert not any(isinstance(dtype, pl.List | pl.Array | pl.Struct) for dtype in table.dtypes)


def test_whoever_lacks_the_responses_cannot_repeat_the_draws(people: Dataset, tmp_path: Path) -> None:
    """The same answers, numbers of respondents and distances; one response more is another: other random numbers."""
    source = answered(tmp_path, "a", ["Q1"], 0.3)
    responses = people.responses()
    same = {item: responses[item].to_list() for item in ITEMS}
    other = {**same, "Q108": [*same["Q108"][:-1], 5 - same["Q108"][-1]]}
    attributes = {"H_URBRURAL": [1, 2] * (N_PEOPLE // 2)}
    datasets = [make_dataset(tmp_path / name, of, attributes) for name, of in (("same", same), ("other", other))]
    boards = [compared([source], one).tables["leaderboard"] for one in (people, *datasets)]
    numbers = ["low", "high"]
    assert boards[0].select(numbers).equals(boards[1].select(numbers)), "whoever has the data repeats them"
    assert not boards[0].select(numbers).equals(boards[2].select(numbers))
