"""The published layout: same rows, same order, text for attributes and ratings for items."""

import csv
import json
from pathlib import Path

import pytest

from tests.benchmark import naive
from worldvaluesbench.benchmark.dataset import Dataset
from worldvaluesbench.benchmark.export import export_tsv
from worldvaluesbench.survey.catalogue import read_wordings


@pytest.fixture(scope="module")
def layout(paper: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "published"
    export_tsv(paper, out)
    return out


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def test_the_layout_is_the_published_one(layout: Path) -> None:
    files = sorted(str(path.relative_to(layout)) for path in layout.rglob("*") if path.is_file())
    parts = [f"{s}/{s}_{kind}_qa.tsv" for s in ("full", "test", "train", "valid") for kind in ("demographic", "value")]
    assert files == sorted([*parts, "question_metadata.json", "manifest.json"])


def test_rows_stand_in_the_order_of_the_naive_construction(layout: Path, survey_csv: Path) -> None:
    people = naive.read_people(survey_csv)
    for split, members in {"full": people, **naive.split_people(people)}.items():
        values = rows_of(layout / split / f"{split}_value_qa.tsv")
        assert [row["D_INTERVIEW"] for row in values] == [str(person["D_INTERVIEW"]) for person in members]
        demographic = rows_of(layout / split / f"{split}_demographic_qa.tsv")
        assert [row["D_INTERVIEW"] for row in demographic] == [row["D_INTERVIEW"] for row in values]
        for row, person in zip(values[:200], members, strict=False):
            expected = {item: "" if person[item] is None else str(person[item]) for item in naive.ITEMS}
            assert {key: value for key, value in row.items() if key != "D_INTERVIEW"} == expected


def test_attributes_are_text_and_missing_ones_empty(layout: Path, paper: Dataset) -> None:
    exported = rows_of(layout / "full" / "full_demographic_qa.tsv")
    codes = paper.respondents()
    for attribute in paper.codebook.attributes:
        expected = [
            "" if code < 0 else str(code) if attribute.is_free else attribute.choices[code]
            for code in codes[attribute.attribute_id]
        ]
        assert [row[attribute.attribute_id] for row in exported] == expected


def test_the_catalogue_can_be_read_back_as_wordings(layout: Path, paper: Dataset) -> None:
    catalogue = json.loads((layout / "question_metadata.json").read_text())
    assert set(catalogue["Q1"]) == {
        "question", "category", "use_case", "answer_scale_min", "answer_scale_max", "answer_data_type"
    }  # fmt: skip
    assert read_wordings(layout / "question_metadata.json") == paper.codebook
