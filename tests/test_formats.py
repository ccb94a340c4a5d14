"""docs/formats.md names every file, column and key of a dataset and of a probe set."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._export import export_tsv
from worldvaluesbench.benchmark._probe import build_probe
from worldvaluesbench.benchmark._spec import parse_spec

TEXT = (Path(__file__).parents[1] / "docs" / "formats.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    found = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^##)", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert found, title
    return found.group(1)


def named(title: str) -> set[str]:
    """The names in the first column of a section's table."""
    rows = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def keys_of(path: Path) -> set[str]:
    content: Any = json.loads(path.read_text(encoding="utf-8"))
    return set(content[0] if isinstance(content, list) else content)


@pytest.fixture(scope="module")
def probe(paper: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("probe") / "probe"
    spec = parse_spec("mine", 'items = ["Q1"]\ncross = ["Q260"]\nper_cell = 2', paper.codebook)
    build_probe(paper, spec, out)
    return out


def test_a_dataset_folder_is_as_documented(paper: Dataset) -> None:
    assert named("items.json") == keys_of(paper.folder / "items.json")
    assert named("attributes.json") == keys_of(paper.folder / "attributes.json")
    assert named("manifest.json of a dataset") == keys_of(paper.folder / "manifest.json")
    spans = {"A_YEAR", "Q290"}
    columns = set(paper.respondents().columns)
    assert named("respondents.parquet") - spans == columns - set(paper.codebook.attribute_ids)
    assert (paper.codebook.attribute_ids[0], paper.codebook.attribute_ids[-1]) == ("A_YEAR", "Q290")
    assert paper.responses().columns == ["respondent_id", *paper.codebook.item_ids]
    assert (paper.codebook.item_ids[0], paper.codebook.item_ids[-1]) == ("Q1", "Q259")


def test_a_probe_folder_is_as_documented(probe: Path) -> None:
    assert named("manifest.json of a probe set") == keys_of(probe / "manifest.json")
    assert named("probe.parquet") == set(pl.read_parquet(probe / "probe.parquet").columns) - {"Q260"}
    assert named("cells.parquet") == set(pl.read_parquet(probe / "cells.parquet").columns) - {"Q260"}
    spec = json.loads((probe / "manifest.json").read_text())["spec"]
    for key in spec:
        assert f"`{key}`" in section("manifest.json of a probe set")


def test_every_file_has_its_section(paper: Dataset, probe: Path, tmp_path: Path) -> None:
    for folder in (paper.folder, probe):
        for path in folder.iterdir():
            assert f"### {path.name}" in TEXT
    export_tsv(paper, tmp_path / "export")
    for key in json.loads((tmp_path / "export" / "manifest.json").read_text()):
        assert f"`{key}`" in TEXT.split("## Export")[1]


def test_the_documented_specification_is_one(paper: Dataset) -> None:
    example = re.search(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    assert example
    spec = parse_spec("example", example.group(1), paper.codebook)
    assert (len(spec.item_ids), spec.per_cell, spec.minimum, spec.split, spec.seed) == (239, 5, 6, "test", 0)
