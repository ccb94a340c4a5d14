"""A dataset is found by its folder alone: whatever signs its name has, and wherever it was moved."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.benchmark._dataset import Dataset, load_dataset
from worldvaluesbench.benchmark._export import export_tsv
from worldvaluesbench.benchmark._probe import build_probe, draw_probe
from worldvaluesbench.benchmark._spec import ProbeSpec
from worldvaluesbench.benchmark._verify import read_samples
from worldvaluesbench.survey.synthetic._synthetic import write_synthetic

SPEC = ProbeSpec("own", ("Q1", "Q2"), ("Q260",), 3, 3, "test", 1)


def assert_equal(dataset: Dataset, other: Dataset) -> None:
    """Every way of reading gives the same of both."""
    assert dataset.respondents().equals(other.respondents())
    assert dataset.responses().equals(other.responses())
    assert dataset.responses(["Q7"]).equals(other.responses(["Q7"]))
    assert dataset.split_order("valid").equals(other.split_order("valid"))
    assert (
        dataset.examples("test", ["Q1"], ["Q260"]).collect().equals(other.examples("test", ["Q1"], ["Q260"]).collect())
    )
    assert draw_probe(dataset, SPEC).examples.equals(draw_probe(other, SPEC).examples)


@pytest.mark.parametrize(("name", "neighbour"), [("data [1]", "data 1"), ("data*", "data2"), ("data ?", "data 3")])
def test_a_folder_name_with_glob_signs_means_that_folder(
    name: str, neighbour: str, paper: Dataset, survey_csv: Path, tmp_path: Path
) -> None:
    write_synthetic(tmp_path / "other.csv", 1000, seed=2)
    build_dataset(tmp_path / "other.csv", tmp_path / neighbour)
    built = build_dataset(survey_csv, tmp_path / name)
    assert_equal(built, paper)
    assert_equal(load_dataset(tmp_path / name), paper)
    other = load_dataset(tmp_path / neighbour)
    assert other.respondents().height == other.manifest["n_respondents"] < 1001
    export_tsv(built, tmp_path / name / "export")
    lines = (tmp_path / name / "export" / "full" / "full_value_qa.tsv").read_text().splitlines()
    assert len(lines) == 1 + paper.manifest["n_respondents"]


def test_a_folder_name_with_glob_signs_needs_no_neighbour(survey_csv: Path, tmp_path: Path) -> None:
    dataset = build_dataset(survey_csv, tmp_path / "data [1]")
    assert dataset.respondents().height == dataset.responses().height == dataset.manifest["n_respondents"]


def test_samples_in_a_folder_with_glob_signs_are_those_of_that_folder(
    paper: Dataset, corrected: Dataset, tmp_path: Path
) -> None:
    build_probe(corrected, SPEC, tmp_path / "probe 1")
    build_probe(paper, ProbeSpec("o", ("Q3",), ("continent", "H_URBRURAL", "education_level"), 1, 1, "test", 0),
                tmp_path / "probe [1]")  # fmt: skip
    samples = read_samples(tmp_path / "probe [1]" / "samples.tsv")
    assert set(samples["Question"]) == {"Q3"}


def test_tables_are_found_after_their_folder_was_moved(survey_csv: Path, paper: Dataset, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "worldvaluesbench", "build", str(survey_csv), "--out", "data"]
    subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    here = tmp_path / "data"
    assert_equal(load_dataset(here), paper)
    there = tmp_path / "else where" / "mine"
    there.parent.mkdir()
    here.rename(there)
    moved = load_dataset(there)
    assert_equal(moved, paper)
    assert moved.manifest == paper.manifest
    build_probe(moved, SPEC, there.parent / "probe")
    assert str(tmp_path).encode() not in b"".join(path.read_bytes() for path in there.parent.rglob("*.*"))


def test_a_relative_folder_is_read_from_where_one_stands(
    survey_csv: Path, paper: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    built = build_dataset(survey_csv, Path("data"))
    assert built.folder == Path("data")
    assert_equal(built, paper)
    (tmp_path / "deeper").mkdir()
    os.chdir("deeper")
    assert_equal(load_dataset(Path("../data")), paper)
