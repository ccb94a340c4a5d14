"""Respondents without a level of a grouping are counted, said in words, and not shown where they are few."""

from pathlib import Path

import polars as pl
import pytest

from tests.cli.test_commands import Capture, run
from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.reporting.disclosure._suppress import protect
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.compare._compare import compare_answers
from worldvaluesbench.scoring.measure._without_level import GROUPINGS, protect_groupings, without_level_sentences
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference, world_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings

N = 60
HOMES = [-5] * 12 + [1, 2] * 24
CONTINENTS = [1] * 50 + [-2] * 10
GROUPED = "H_URBRURAL,continent,H_URBRURAL*continent"


@pytest.fixture
def people(tmp_path: Path) -> Dataset:
    """Sixty respondents: of the first twelve no settlement type is known, of the last ten no continent."""
    return make_dataset(tmp_path / "people", {"Q1": [1, 2, 3, 4] * 15}, {"H_URBRURAL": HOMES, "continent": CONTINENTS})


def file_for(folder: Path, name: str, places: range) -> Path:
    """A file of answers for the respondents at these places, with one answer that cannot be read."""
    rows = [("Q1", 101 + k, "no" if k == places[0] else 2) for k in places]
    return write_answers(folder / f"{name}.tsv", rows)


def answers_for(folder: Path, name: str, places: range) -> Answers:
    return read_answers(file_for(folder, name, places))


def test_they_are_counted_among_those_with_a_row_that_counts(people: Dataset, tmp_path: Path) -> None:
    sources = [answers_for(tmp_path, "all", range(N)), answers_for(tmp_path, "late", range(8, N))]
    scores = score_answers(sources, respondents_reference(people), groupings=parse_groupings(GROUPED), how=How(1))
    assert scores.tables[GROUPINGS].rows() == [
        # the first respondent of each has no answer that can be read
        ("all", "H_URBRURAL", 2, 59, 11),
        ("all", "continent", 1, 59, 10),
        ("all", "H_URBRURAL*continent", 2, 59, 21),
        ("late", "H_URBRURAL", 2, 51, 3),
        ("late", "continent", 1, 51, 10),
        ("late", "H_URBRURAL*continent", 2, 51, 13),
    ]


def test_they_and_the_groups_are_everybody(people: Dataset, tmp_path: Path) -> None:
    source = answers_for(tmp_path, "all", range(N))
    scores = score_answers([source], respondents_reference(people), groupings=parse_groupings(GROUPED), how=How(1))
    sizes = dict(scores.table.group_by("grouping").agg(pl.col("n_responses").sum()).rows())
    for row in scores.tables[GROUPINGS].iter_rows(named=True):
        assert sizes[row["grouping"]] + row["n_without_level"] == sizes["all"] == row["n_respondents"]


def test_without_groupings_and_against_the_world_there_are_no_rows(people: Dataset, tmp_path: Path) -> None:
    source = answers_for(tmp_path, "all", range(N))
    for reference in (respondents_reference(people), world_reference()):
        assert score_answers([source], reference, how=How(1)).tables[GROUPINGS].is_empty()


def test_a_grouping_of_which_nobody_has_a_level_has_a_row_all_the_same(tmp_path: Path) -> None:
    people = make_dataset(tmp_path / "d", {"Q1": [1] * 12}, {"H_URBRURAL": [-5] * 12})
    source = answers_for(tmp_path, "all", range(12))
    scores = score_answers([source], respondents_reference(people), groupings=parse_groupings("H_URBRURAL"))
    assert scores.tables[GROUPINGS].rows() == [("all", "H_URBRURAL", 0, 11, 11)]


def grouped(*rows: tuple[str, str, int | None]) -> pl.DataFrame:
    columns = ("answers", "grouping", "n_without_level")
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(n_groups=2, n_respondents=230)


@pytest.mark.parametrize(
    ("n", "shown"), [((0, 0), (0, 0)), ((9, 10), (None, 10)), ((12, 30), (12, 30)), ((12, 21), (12, None))]
)
def test_few_are_not_shown_nor_a_difference_of_few(n: tuple[int, int], shown: tuple[int | None, int | None]) -> None:
    table = grouped(("a", "Q260*continent", n[1]), ("a", "Q260", n[0]), ("b", "Q260", 3), ("b", "Q260*continent", 12))
    found = protect_groupings(table, 10)["n_without_level"].to_list()
    assert found == [shown[1], shown[0], None, 12]
    assert protect_groupings(protect_groupings(table, 10), 10)["n_without_level"].to_list() == found


def test_words_say_how_many_and_name_sources_only_where_they_differ() -> None:
    same = grouped(("a", "H_URBRURAL", 12), ("b", "H_URBRURAL", 12), ("a", "Q260", 0), ("b", "Q260", 0))
    assert without_level_sentences(same) == [
        "12 of 230 respondents have no level of 'urban or rural' and are in none of its groups."
    ]
    assert without_level_sentences(grouped(("a", "H_URBRURAL", 1), ("b", "H_URBRURAL", None))) == [
        "a: 1 of 230 respondents has no level of 'urban or rural' and is in none of its groups.",
        "b: Some of 230 respondents (how many is not shown) have no level of 'urban or rural' and are in none of its "
        "groups.",
    ]
    (cross,) = without_level_sentences(grouped(("a", "Q260*continent", 40)))
    assert "no level of 'sex' or of 'continent'" in cross


def test_what_is_shared_of_a_comparison_does_not_count_few_of_them(people: Dataset, tmp_path: Path) -> None:
    sources = [answers_for(tmp_path, name, range(5, N)) for name in ("a", "b")]
    how = How(resampling=Resampling(n=20))
    reference = respondents_reference(people)
    comparison = compare_answers(sources, reference, groupings=parse_groupings("H_URBRURAL,continent"), how=how)
    assert comparison.tables[GROUPINGS]["n_without_level"].to_list() == [6, 10] * 2
    assert protect(comparison).tables[GROUPINGS]["n_without_level"].to_list() == [None, 10] * 2


@pytest.mark.parametrize("command", ["score", "compare"])
def test_commands_say_them_under_what_is_grouped(
    capsys: Capture, people: Dataset, tmp_path: Path, command: str
) -> None:
    file = file_for(tmp_path, "model", range(N))
    arguments = ("--data", people.folder, "--by", "H_URBRURAL", "--resamples", 20, "--out", tmp_path / "out")
    assert run(command, file, *arguments) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "11 of 59 respondents have no level of 'urban or rural' and are in none of its groups." in said
