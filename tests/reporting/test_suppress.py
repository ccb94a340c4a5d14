"""What is shared of a comparison: nothing of small groups, nothing that they can be computed from."""

import polars as pl
import pytest

from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench.estimate import Resampling
from worldvaluesbench.reporting.suppress import protect
from worldvaluesbench.scoring.answers import read_answers
from worldvaluesbench.scoring.compare import compare_answers
from worldvaluesbench.scoring.comparison import Comparison
from worldvaluesbench.scoring.how import How
from worldvaluesbench.scoring.reference import respondents_reference
from worldvaluesbench.survey.attributes import parse_groupings

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
    for name in ("summary", "attainment", "collapse_summary", "leaderboard", "pairs", "draws"):
        assert not before[name].filter(grouping="H_URBRURAL").is_empty(), name
        assert after[name].filter(grouping="H_URBRURAL").is_empty(), name
        assert after[name].filter(grouping="Q260").equals(before[name].filter(grouping="Q260")), name


def test_what_need_not_be_hidden_stays_as_it_is(comparison: Comparison) -> None:
    tables = protect(comparison).tables
    for name in ("scores", "distances"):
        kept = tables[name].filter(pl.col("grouping") != "H_URBRURAL")
        assert kept.equals(comparison.tables[name].filter(pl.col("grouping") != "H_URBRURAL")), name


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
