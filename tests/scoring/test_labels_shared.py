"""Groups of several codes with one label keep their own numbers in every table, in the explorer and in the terminal."""

import base64
import re
import struct
import zlib
from pathlib import Path

import pytest

from tests.cli.test_commands import Capture, run
from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.reporting.page._explorer import CELL, STEP, build_explorer
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compare import compare_answers
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings
from worldvaluesbench.survey._codebook import load_codebook

SIZES = {20999: 12, 32999: 15, 51007: 20}
"""Three codes of Q290 that are all called "Other", and how many respondents have each; the k-th all respond k."""

CODES = [code for code, n in SIZES.items() for _ in range(n)]
RATINGS = [rating for rating, n in enumerate(SIZES.values(), 1) for _ in range(n)]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    assert {load_codebook().attribute("Q290").label_of(code) for code in SIZES} == {"Other"}
    return make_dataset(tmp_path_factory.mktemp("people") / "d", {"Q1": RATINGS}, {"Q290": CODES})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [("Q1", 101 + k, 1) for k in range(len(CODES))]
    return write_answers(tmp_path_factory.mktemp("answers") / "ones.tsv", rows)


@pytest.fixture(scope="module")
def comparison(people: Dataset, file: Path) -> Comparison:
    how = How(resampling=Resampling(n=20))
    groupings = parse_groupings("Q290")
    return compare_answers([read_answers(file)], respondents_reference(people), groupings=groupings, how=how)


def test_every_table_with_groups_names_their_codes_and_no_two_have_one_label(comparison: Comparison) -> None:
    for name, table in comparison.tables.items():
        if "group" not in table.columns or table.is_empty():
            continue
        groups = table.filter(grouping="Q290").select("group", "group_codes").unique()
        assert set(groups["group_codes"]) == set(map(str, SIZES)), name
        assert groups["group"].n_unique() == len(SIZES), name


def test_scores_and_collapse_are_those_of_each_group(comparison: Comparison) -> None:
    scores = comparison.tables["scores"].filter(grouping="Q290")
    found = {row["group_codes"]: (row["n_responses"], row["distance"]) for row in scores.iter_rows(named=True)}
    assert found == {str(code): (n, pytest.approx(k / 3)) for k, (code, n) in enumerate(SIZES.items())}
    summary = comparison.tables["collapse_summary"].filter(grouping="Q290")
    assert summary.height == len(SIZES)
    # within each group all respond alike, which no two groups together would
    assert summary["modal_share_humans"].to_list() == [1.0] * len(SIZES)


def test_the_explorer_has_the_numbers_of_each_group(comparison: Comparison) -> None:
    explorer = build_explorer(comparison, {})
    packed = zlib.decompress(base64.b64decode(explorer.cells))
    pooled, by_code = explorer.index["groupings"]
    assert (len(pooled["groups"]), len(by_code["groups"])) == (1, 3)
    assert len(set(by_code["groups"])) == 3
    size = CELL.size + 2 * struct.calcsize("<4H")
    cells = [CELL.unpack_from(packed, place * size) for place in range(4)]
    assert [cell[1] for cell in cells] == [sum(SIZES.values()), *SIZES.values()]
    assert [cell[2] / STEP for cell in cells[1:]] == pytest.approx([0, 1 / 3, 2 / 3], abs=1e-4)


@pytest.mark.parametrize("has_answers", [True, False], ids=["answers", "people"])
def test_an_item_is_drawn_for_each_group(
    capsys: Capture, people: Dataset, file: Path, tmp_path: Path, has_answers: bool
) -> None:
    source: tuple[object, ...] = ("--data", people.folder)
    if has_answers:
        out = tmp_path / "comparison"
        assert run("compare", file, *source, "--by", "Q290", "--resamples", 20, "--out", out) == 0
        source = ("--comparison", out)
        capsys.readouterr()
    assert run("items", "Q1", *source, "--by", "Q290") == 0
    said = capsys.readouterr().out
    numbers = re.findall(r"^Other .*\(n = (\d+)\)$", said, flags=re.MULTILINE)
    if not has_answers:
        numbers = re.findall(r"Other \(.*?\) \((\d+)\)", " ".join(said.split()))
    assert list(map(int, numbers)) == list(SIZES.values())


def test_groups_that_are_too_small_are_counted(capsys: Capture, people: Dataset, file: Path, tmp_path: Path) -> None:
    arguments = ("--data", people.folder, "--by", "Q290", "--resamples", 20, "--min-n", 13)
    assert run("compare", file, *arguments, "--out", tmp_path / "comparison") == 0
    assert run("items", "Q1", "--comparison", tmp_path / "comparison", "--by", "Q290") == 0
    assert "Not shown, with fewer than 13 respondents: 1 group." in capsys.readouterr().out
