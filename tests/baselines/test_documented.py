"""docs/baselines.md and docs/formats.md say what is done: their commands and code run, every file and key is named."""

import json
import re
import runpy
import shlex
from pathlib import Path

import polars as pl
import pytest

from tests.baselines.made import TEST
from tests.cli.test_commands import run
from tests.test_docs import blocks
from tests.test_formats import keys_of, named
from worldvaluesbench.baselines._build import build_baseline
from worldvaluesbench.baselines._options import BASELINES, BaselineName, BaselineOptions
from worldvaluesbench.baselines._trees import LEFT_OUT
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._probe import build_probe
from worldvaluesbench.planning._examples import split_examples

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "baselines.md").read_text(encoding="utf-8")


def test_the_commands_and_the_python_of_the_page_run(
    paper: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("lightgbm")
    build_probe(paper, "paper36", tmp_path / "probe")
    (tmp_path / "wvs").symlink_to(paper.folder)
    monkeypatch.chdir(tmp_path)
    (commands,) = blocks(PAGE, "sh")
    for line in commands.splitlines():
        assert run(*shlex.split(line)[1:]) == 0, line
    for name in ("runs/cell", "runs/trees", "fits/trees", "baselines/trees", "baselines/human", "scores"):
        assert (tmp_path / name / "manifest.json").is_file()
    (code,) = blocks(PAGE, "python")
    (tmp_path / "block.py").write_text(code)
    capsys.readouterr()
    runpy.run_path("block.py")
    assert int(capsys.readouterr().out) == split_examples(paper, TEST, ["Q1", "Q57"]).n


def test_every_baseline_and_every_attribute_that_is_not_seen_is_named() -> None:
    for name in (*BASELINES, *LEFT_OUT):
        assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", ["cell", "trees"])
def test_a_fit_folder_is_as_documented(paper: Dataset, tmp_path: Path, name: BaselineName) -> None:
    if name == "trees":
        pytest.importorskip("lightgbm")
    options = BaselineOptions(fit=tmp_path / "fit")
    build_baseline(name, split_examples(paper, TEST, ["Q1"]), tmp_path / "run", options=options)
    for path in (tmp_path / "fit").glob("*.parquet"):
        assert named(path.name) == set(pl.read_parquet_schema(path))
    assert named("manifest.json of a fit") == keys_of(tmp_path / "fit" / "manifest.json")
    assert named("run.json of a baseline") == keys_of(tmp_path / "run" / "run.json")
    formats = (DOCS / "formats.md").read_text(encoding="utf-8")
    described = re.search(r"^\| `model` \|.*backend.*$", formats, flags=re.MULTILINE)
    assert described
    for key in json.loads((tmp_path / "run" / "run.json").read_text())["model"]:
        assert f"`{key}`" in described.group(0)
    for key in json.loads((tmp_path / "run" / "manifest.json").read_text()):
        assert f"`{key}`" in formats
