"""The published layout: same rows, same order, text for attributes and ratings for items."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.benchmark import naive
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._export import export_tsv
from worldvaluesbench.survey._catalogue import read_wordings
from worldvaluesbench.survey._codebook import load_codebook


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


@pytest.fixture(scope="module")
def as_published(paper: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "published"
    export_tsv(paper, out, labels="published")
    return out


# Written out by hand from the codebook: the texts by which the published code finds education levels. It spells 7 with
# an s where the codebook has none, and so loses those with a master's degree.
PUBLISHED_LEVELS = {
    "Early childhood education (ISCED 0) / no education": "Primary or No Education",
    "Primary education (ISCED 1)": "Primary or No Education",
    "Lower secondary education (ISCED 2)": "Lower Secondary",
    "Upper secondary education (ISCED 3)": "Upper to Post Secondary",
    "Post-secondary non-tertiary education (ISCED 4)": "Upper to Post Secondary",
    "Short-cycle tertiary education (ISCED 5)": "Upper to Post Secondary",
    "Bachelor or equivalent (ISCED 6)": "Tertiary",
    "Masters or equivalent (ISCED 7)": "Tertiary",
    "Doctoral or equivalent (ISCED 8)": "Tertiary",
}


def test_code_that_groups_by_the_published_texts_finds_the_groups_of_the_paper(
    as_published: Path, survey_csv: Path
) -> None:
    continents = {country.name: country.continent for country in load_codebook().countries}
    rows = rows_of(as_published / "test" / "test_demographic_qa.tsv")
    by_text = Counter(
        (continents[row["B_COUNTRY"]], row["H_URBRURAL"], PUBLISHED_LEVELS.get(row["Q275"], "")) for row in rows
    )
    levels = ["Primary or No Education", "Lower Secondary", "Upper to Post Secondary", "Tertiary"]
    continent_of = {country.code: country.continent for country in load_codebook().countries}
    by_code: Counter[tuple[str, str, str]] = Counter()
    for person in naive.split_people(naive.read_people(survey_csv))["test"]:
        country, urban, education = (person[name] or 0 for name in ("B_COUNTRY", "H_URBRURAL", "Q275"))
        level = "" if education < 0 or education == 7 else levels[sum(education >= start for start in (2, 3, 6))]
        by_code[continent_of[country], {1: "Urban", 2: "Rural"}[urban], level] += 1
    assert by_text == by_code


def test_published_texts_are_the_codebooks_with_those_of_missing_codes(as_published: Path, paper: Dataset) -> None:
    exported = rows_of(as_published / "full" / "full_demographic_qa.tsv")
    codes = paper.respondents().to_dicts()
    texts: dict[tuple[str, int], set[str]] = {}
    for row, person in zip(exported, codes, strict=True):
        for attribute_id in paper.codebook.attribute_ids:
            texts.setdefault((attribute_id, person[attribute_id]), set()).add(row[attribute_id])
    assert all(len(spelled) == 1 for spelled in texts.values())
    said = {key: spelled.pop() for key, spelled in texts.items()}
    expected = {
        ("Q275", 7): "Master or equivalent (ISCED 7)",
        ("Q275", -2): "No answer",
        ("Q288", 8): "8",
        ("Q288", -1): "",
        ("Q274", 0): "No children",
        ("N_TOWN", 20005): "AD: Andorra la Vella",
        ("Q290", 840002): "US: Black, Non-Hispanic",
        ("Q272", 1270): "Spanish; Castilian",
        ("Q289", 4): "Jew",
        ("Q262", 34): "34",
    }
    assert {key: text for key, text in said.items() if key in expected} == {
        key: text for key, text in expected.items() if key in said
    }
    assert len(expected.keys() & said.keys()) > 7
    not_asked = {attribute_id: text for (attribute_id, code), text in said.items() if code == -4}
    # the codebook prints no label for towns that were not asked, so published code keeps their number
    assert not_asked == {"Q290": "Not asked", "N_TOWN": "-4"}


def test_the_published_catalogue_has_the_published_shape(as_published: Path, paper: Dataset) -> None:
    catalogue = json.loads((as_published / "question_metadata.json").read_text())
    ids = list(catalogue)
    assert ids[:5] == ["A_YEAR", "B_COUNTRY", "D_INTERVIEW", "J_INTDATE", "N_TOWN"]
    assert ids[9:12] == ["E1_LITERACY", "Q1", "Q2"]
    assert ids[-3:] == ["Q289", "Q289CS9", "Q290"]
    assert len(ids) == 239 + 42 + 1
    assert [key for key, entry in catalogue.items() if entry["category"] == "Technical Variables"] == ids[:10]
    ordinal = {key for key, entry in catalogue.items() if entry["answer_data_type"] == "ordinal"}
    assert ordinal == {*paper.codebook.item_ids, "Q288"}
    assert (catalogue["Q288"]["answer_scale_min"], catalogue["Q288"]["answer_scale_max"]) == (1, 10)
    demographic = [key for key, entry in catalogue.items() if entry["use_case"] == "demographic"]
    header = rows_of(as_published / "full" / "full_demographic_qa.tsv")[0]
    assert list(header) == ["D_INTERVIEW", *(key for key in demographic if key != "D_INTERVIEW")]
    assert read_wordings(as_published / "question_metadata.json") == paper.codebook


def test_values_are_the_same_with_either_labels(layout: Path, as_published: Path) -> None:
    for split in ("full", "train", "valid", "test"):
        file = f"{split}/{split}_value_qa.tsv"
        assert (layout / file).read_bytes() == (as_published / file).read_bytes()
