"""What is shared of a comparison: nothing of small groups, nothing that they can be computed from."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench.reporting._bundle import check_bundle, read_bundle, write_bundle
from worldvaluesbench.reporting.disclosure._suppress import protect
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compare import compare_answers, merge_comparisons
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings

N = 60


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Six of sixty people live in the country; the second file lacks the answers for three people."""
    folder = tmp_path_factory.mktemp("few")
    homes = {"H_URBRURAL": [2 if k < 6 else 1 for k in range(N)], "Q260": [1 + k % 2 for k in range(N)]}
    dataset = make_dataset(folder / "d", {"Q1": [1 + k % 4 for k in range(N)]}, homes)
    full = [("Q1", 101 + k, 1 + k % 3) for k in range(N)]
    files = [
        read_answers(write_answers(folder / f"{name}.tsv", rows)) for name, rows in (("all", full), ("few", full[3:]))
    ]
    return compare_answers(
        files,
        respondents_reference(dataset),
        groupings=parse_groupings("H_URBRURAL,Q260"),
        how=How(resampling=Resampling(n=20)),
    )


def test_the_other_part_of_a_whole_is_left_out_with_the_small_one(comparison: Comparison) -> None:
    before = comparison.tables["scores"].filter(grouping="H_URBRURAL", answers="all")
    assert before.select("group", "n_responses", "is_too_small").rows() == [("Urban", 54, False), ("Rural", 6, True)]
    tables = protect(comparison).tables
    scores = tables["scores"].filter(grouping="H_URBRURAL")
    assert scores["is_too_small"].to_list() == [True] * 4
    assert (
        scores.select("n_responses", "n_examples", "distance", "corrected", "majority").null_count().row(0) == (4,) * 5
    )
    for name in ("distributions", "individuals", "collapse"):
        assert tables[name].filter(grouping="H_URBRURAL").is_empty(), name
        assert not tables[name].filter(grouping="Q260").is_empty(), name
    assert tables["distances"].filter(grouping="H_URBRURAL")["total_variation"].null_count() == 4


def test_nothing_is_said_of_a_group_without_any_cell(comparison: Comparison) -> None:
    """There is one item: the mean of a group is its distance."""
    before, after = comparison.tables, protect(comparison).tables
    for name in ("summary", "attainment", "collapse_summary", "leaderboard", "pairs"):
        assert not before[name].filter(grouping="H_URBRURAL").is_empty(), name
        assert after[name].filter(grouping="H_URBRURAL").is_empty(), name
        assert_frame_equal(after[name].filter(grouping="Q260"), before[name].filter(grouping="Q260"), abs_tol=5.1e-7)


def test_what_need_not_be_hidden_stays_as_it_is(comparison: Comparison) -> None:
    tables = protect(comparison).tables
    for name in ("scores", "distances"):
        kept = tables[name].filter(pl.col("grouping") != "H_URBRURAL")
        before = comparison.tables[name].filter(pl.col("grouping") != "H_URBRURAL")
        assert_frame_equal(kept, before, abs_tol=5.1e-7)


def test_people_that_one_source_lacks_are_not_to_be_read_from_the_difference(comparison: Comparison) -> None:
    """Of the three people the second file lacks nobody learns the responses: both show those of the first."""
    humans = {
        name: protect(comparison).tables["distributions"].filter(grouping="all", answers=name)["humans"].to_list()
        for name in ("all", "few")
    }
    own = comparison.tables["distributions"].filter(grouping="all", answers="few")["humans"].to_list()
    assert humans["all"] == humans["few"] == [0.25] * 4
    assert own != humans["few"]


def test_what_is_protected_once_stays_so(comparison: Comparison) -> None:
    once = protect(comparison)
    twice = protect(once)
    assert all(table.equals(twice.tables[name]) for name, table in once.tables.items())


def test_groups_that_other_bundles_hide_are_hidden(tmp_path: Path) -> None:
    """Two models answer for 40, 35, 12 and 5 people of four ages; each lacks three of another large group.

    Bundled apart, each hides the five and the twelve or another group; together nobody may see what either hides.
    """
    ages = [1] * 40 + [2] * 35 + [3] * 14 + [4] * 13 + [5] * 5
    dataset = make_dataset(tmp_path / "d", {"Q1": [1 + k % 4 for k in range(len(ages))]}, {"G_TOWNSIZE": ages})
    reference = respondents_reference(dataset)
    opened = []
    for name, lost in (("first", range(75, 78)), ("second", range(89, 92))):
        rows = [("Q1", 101 + k, 1 + k % 3) for k in range(len(ages)) if k not in lost]
        file = read_answers(write_answers(tmp_path / f"{name}.tsv", rows))
        found = compare_answers(
            [file], reference, groupings=parse_groupings("G_TOWNSIZE"), how=How(resampling=Resampling(n=20))
        )
        write_bundle(found, tmp_path / f"{name}.zip")
        opened.append(read_bundle(tmp_path / f"{name}.zip"))
    hidden = [one.tables["scores"].filter("is_too_small")["group"].to_list() for one in opened]
    assert hidden[0] != hidden[1]
    scores = protect(merge_comparisons(opened)).tables["scores"]
    of_both = [scores.filter("is_too_small", answers=name)["group"].to_list() for name in ("first", "second")]
    assert of_both[0] == of_both[1]
    assert set(of_both[0]) == {*hidden[0], *hidden[1]}


def test_few_people_between_any_two_sources_are_not_to_be_read(tmp_path: Path) -> None:
    """The second source lacks fifteen people, the third two more: it shows those of the second, not its own."""
    dataset = make_dataset(tmp_path / "d", {"Q1": [1 + k % 4 for k in range(N)]})
    full = [("Q1", 101 + k, 1 + k % 3) for k in range(N)]
    named = {"a": full, "b": full[15:], "c": full[17:]}
    files = [read_answers(write_answers(tmp_path / f"{name}.tsv", rows)) for name, rows in named.items()]
    found = protect(compare_answers(files, respondents_reference(dataset), how=How(resampling=Resampling(n=20))))
    humans = {name: found.tables["distributions"].filter(answers=name)["humans"].to_list() for name in named}
    assert humans["b"] == humans["c"] != humans["a"]


def test_bounds_that_depend_on_a_few_responses_more_are_left_out(tmp_path: Path) -> None:
    """Of three of sixty respondents the answers cannot be read: what they could have made tells what the three said."""
    dataset = make_dataset(tmp_path / "d", {"Q1": [1 + k % 4 for k in range(N)]})
    files = [
        read_answers(write_answers(tmp_path / f"{name}.tsv", [("Q1", 101 + k, "?" if k < n else 2) for k in range(N)]))
        for name, n in (("none", 0), ("three", 3), ("many", 12))
    ]
    scores = protect(
        compare_answers(files, respondents_reference(dataset), how=How(resampling=Resampling(n=20)))
    ).tables["scores"]
    assert scores["n_missing"].to_list() == [0, 3, 12]
    assert scores["best"].is_null().to_list() == scores["worst"].is_null().to_list() == [False, True, False]


def test_few_respondents_without_a_response_are_not_counted(tmp_path: Path) -> None:
    """Three of sixty gave no response to Q1, twenty none to Q46: neither the three are shown, nor the rows of Q1."""
    responses = {
        "Q1": [-1 if k < 3 else 1 + k % 4 for k in range(N)],
        "Q46": [-1 if k < 20 else 1 + k % 4 for k in range(N)],
    }
    dataset = make_dataset(tmp_path / "d", responses)
    rows = [(item, 101 + k, 2) for item in responses for k in range(N)]
    file = read_answers(write_answers(tmp_path / "a.tsv", rows))
    found = protect(compare_answers([file], respondents_reference(dataset), how=How(resampling=Resampling(n=20))))
    counts = found.tables["counts"].select("item_id", "n_rows", "valid", "no_response").rows()
    assert counts == [("Q1", None, 57, None), ("Q46", 60, 40, 20)]
    outcomes = found.receipt["outcomes"]["a"]
    assert (outcomes["n_rows"], outcomes["no_response"], outcomes["valid"]) == (None, None, 97)
    assert found.tables["scores"]["left_out"].to_list() == [None, None]
    write_bundle(found, tmp_path / "b.zip")
    assert check_bundle(tmp_path / "b.zip") == []
