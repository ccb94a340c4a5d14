"""Manifests say what is so: every value worked out again from the survey file and the files that were written."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.benchmark import naive
from worldvaluesbench._version import __version__
from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._export import export_tsv
from worldvaluesbench.benchmark._probe import build_probe
from worldvaluesbench.benchmark._spec import parse_spec

MASTER, SHARED_ID = "7", "858069901"
NEWER = ("356", "860")


@pytest.fixture(scope="module")
def odd_csv(survey_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of version 6 that lacks columns, holds unlisted codes, and does not say that it is invented."""
    frame = pl.read_csv(survey_csv, infer_schema=False)
    columns = {name: frame[name].to_list() for name in ("B_COUNTRY", "Q1", "Q260", "Q275")}
    columns["B_COUNTRY"][10:13] = ["356", "860", "356"]
    columns["B_COUNTRY"][20] = "999"
    columns["Q1"][:3] = ["7", "9", "7"]
    columns["Q260"][5] = "3"
    columns["Q275"][10] = MASTER
    frame = frame.with_columns(
        pl.lit("6-0-0 (2024-04-30)").alias("version"), *(pl.Series(name, cells) for name, cells in columns.items())
    )
    path = tmp_path_factory.mktemp("odd") / "odd.csv"
    frame.drop("Q2", "Q290", "S018").write_csv(path)
    return path


@pytest.fixture(scope="module")
def odd(odd_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    folder = tmp_path_factory.mktemp("odd_data")
    return {name: build_dataset(odd_csv, folder / name, edition=name) for name in ("paper", "corrected")}


def manifest_in(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return content


def facts_of(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def kept_rows(path: Path, edition: str) -> list[dict[str, str]]:
    rows = naive.read_rows(path)
    if edition == "corrected":
        return rows
    return [row for row in rows if row["D_INTERVIEW"] != SHARED_ID and row["B_COUNTRY"] not in NEWER]


def recounted(rows: list[dict[str, str]], splits: list[str]) -> list[dict[str, Any]]:
    """Respondents and examples by split, from the text of the survey file."""
    n_respondents: Counter[str] = Counter(splits)
    n_examples: Counter[str] = Counter()
    for row, split in zip(rows, splits, strict=True):
        ratings = [naive.rating_of(item_id, int(row[item_id])) for item_id in naive.ITEMS if item_id in row]
        n_examples[split] += sum(rating is not None for rating in ratings)
    counts: list[dict[str, Any]] = [
        {"split": split, "n_respondents": n_respondents[split], "n_examples": n_examples[split]}
        for split in ("train", "valid", "test")
    ]
    return [*counts, {"split": "total", "n_respondents": len(rows), "n_examples": n_examples.total()}]


def check_dataset(dataset: Dataset, survey: Path, edition: str, **expected: Any) -> None:
    """Hold the manifest against the survey file, and against what the caller expects."""
    manifest, everyone, kept = manifest_in(dataset.folder), naive.read_rows(survey), kept_rows(survey, edition)
    assert manifest == dataset.manifest
    source = {"name": survey.name, **facts_of(survey), "format": "csv"}
    assert {key: manifest["source"][key] for key in source} == source
    is_paper = edition == "paper"
    n_shared = sum(row["D_INTERVIEW"] == SHARED_ID for row in everyone)
    n_newer = sum(row["B_COUNTRY"] in NEWER for row in everyone)
    assert n_shared > 0
    values = {
        "kind": "dataset",
        "worldvaluesbench": __version__,
        "edition": edition,
        "survey": "World Values Survey wave 7",
        "is_inverted": False,
        "n_rows_in_file": len(everyone),
        "n_respondents": len(kept),
        "dropped": {"shared_id": n_shared * is_paper, "country_not_in_version_5": n_newer * is_paper},
        "renamed": 0 if is_paper else n_shared,
        "without_education_level": sum(row["Q275"] == MASTER for row in kept) * is_paper,
        "n_countries": len({row["B_COUNTRY"] for row in kept if int(row["B_COUNTRY"]) in naive.CONTINENTS}),
        "counts": recounted(kept, dataset.respondents(["split"])["split"].to_list()),
        "notes": [],
        "wordings": None,
        "clusters": ["I_PSU", "N_REGION_WVS", "L_INTERVIEWER_NUMBER"],
        **expected,
    }
    assert {key: manifest[key] for key in values} == values
    assert sum(row["Q275"] == MASTER for row in kept) > 0


@pytest.mark.parametrize("edition", ["paper", "corrected"])
def test_a_dataset_says_what_its_survey_file_holds(
    edition: str, survey_csv: Path, request: pytest.FixtureRequest
) -> None:
    check_dataset(
        request.getfixturevalue(edition),
        survey_csv,
        edition,
        is_invented=True,
        file_version="5.0",
        n_items=239,
        absent_items=[],
        absent_attributes=[],
        unlisted=[],
        weights=["W_WEIGHT", "S018", "PWGHT", "S017"],
    )


@pytest.mark.parametrize("edition", ["paper", "corrected"])
def test_a_dataset_says_what_is_odd_about_its_survey_file(edition: str, odd: dict[str, Dataset], odd_csv: Path) -> None:
    check_dataset(
        odd[edition],
        odd_csv,
        edition,
        is_invented=False,
        file_version="6.0",
        n_items=238,
        absent_items=["Q2"],
        absent_attributes=["Q290"],
        unlisted=[
            {"column": "B_COUNTRY", "code": 999, "n": 1},
            {"column": "Q260", "code": 3, "n": 1},
            {"column": "Q1", "code": 7, "n": 2},
            {"column": "Q1", "code": 9, "n": 1},
        ],
        weights=["W_WEIGHT", "PWGHT", "S017"],
        notes=["Respondents without a listed country, and so without a continent: 1."],
    )


def test_a_dataset_names_the_wordings_it_was_given(survey_csv: Path, paper: Dataset, tmp_path: Path) -> None:
    catalogue = paper.folder / "question_metadata.json"
    dataset = build_dataset(survey_csv, tmp_path / "out", wordings=catalogue)
    assert dataset.manifest["wordings"] == {"name": "question_metadata.json", **facts_of(catalogue)}


@pytest.fixture(params=["invented", "not invented"])
def source(request: pytest.FixtureRequest) -> Dataset:
    """A dataset of invented people, and one that does not say so."""
    if request.param == "invented":
        paper: Dataset = request.getfixturevalue("paper")
        return paper
    corrected: Dataset = request.getfixturevalue("odd")["corrected"]
    return corrected


def receipt_of(dataset: Dataset) -> dict[str, Any]:
    names = ("edition", "source", "file_version", "is_invented", "n_respondents", "worldvaluesbench", "identity")
    manifest = manifest_in(dataset.folder)
    return {name: manifest[name] for name in names}


TEXT = """
items = ["Q3", "Q1"]
cross = ["Q260", "age_band"]
per_cell = 40
minimum = 50
split = "train"
seed = 9
"""


def test_a_probe_says_what_was_drawn_from_what(source: Dataset, tmp_path: Path) -> None:
    build_probe(source, parse_spec("mine", TEXT, source.codebook), tmp_path / "probe")
    drawn = pl.read_parquet(tmp_path / "probe" / "probe.parquet").to_dicts()
    assert len(drawn) > len({row["respondent_id"] for row in drawn}) > 10
    manifest = manifest_in(tmp_path / "probe")
    del manifest["files"]
    assert manifest == {
        "kind": "probe",
        "worldvaluesbench": __version__,
        "edition": "paper" if source.is_invented else "corrected",
        "is_invented": source.manifest["file_version"] == "5.0",
        "spec": {
            "name": "mine",
            "item_ids": ["Q1", "Q3"],
            "cross": ["Q260", "age_band"],
            "per_cell": 40,
            "minimum": 50,
            "split": "train",
            "seed": 9,
        },
        "dataset": receipt_of(source),
        "n_examples": len(drawn),
        "n_respondents": len({row["respondent_id"] for row in drawn}),
        "n_cells": len({(row["Q260"], row["age_band"]) for row in drawn}),
    }


def test_a_probe_counts_the_cells_it_drew_from_and_no_others(paper: Dataset, tmp_path: Path) -> None:
    text = 'items = ["Q1", "Q3"]\ncross = ["B_COUNTRY", "Q260"]\nper_cell = 2\nminimum = 6\nseed = 1'
    build_probe(paper, parse_spec("small", text, paper.codebook), tmp_path / "probe")
    drawn = pl.read_parquet(tmp_path / "probe" / "probe.parquet").to_dicts()
    cells = pl.read_parquet(tmp_path / "probe" / "cells.parquet").to_dicts()
    n_cells = len({(row["B_COUNTRY"], row["Q260"]) for row in drawn})
    assert n_cells < len({(row["B_COUNTRY"], row["Q260"]) for row in cells})
    assert manifest_in(tmp_path / "probe")["n_cells"] == n_cells < sum(row["n_drawn"] > 0 for row in cells)


def test_an_export_says_whether_its_people_are_invented(source: Dataset, tmp_path: Path) -> None:
    export_tsv(source, tmp_path / "export")
    manifest = manifest_in(tmp_path / "export")
    del manifest["files"]
    assert manifest == {
        "kind": "export",
        "worldvaluesbench": __version__,
        "edition": "paper" if source.is_invented else "corrected",
        "labels": "ours",
        "is_invented": source.manifest["file_version"] == "5.0",
        "dataset": receipt_of(source),
    }


def test_every_folder_lists_its_files_with_size_and_sum(source: Dataset, tmp_path: Path) -> None:
    build_probe(source, parse_spec("mine", TEXT, source.codebook), tmp_path / "probe")
    export_tsv(source, tmp_path / "export")
    for folder in (source.folder, tmp_path / "probe", tmp_path / "export"):
        files = [path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
        assert len(files) >= 3
        assert manifest_in(folder)["files"] == {
            path.relative_to(folder).as_posix(): facts_of(path) for path in sorted(files)
        }
