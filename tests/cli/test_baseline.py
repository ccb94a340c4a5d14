"""`wvb baseline`: every baseline at once, scored beside one another; what is refused."""

import json
import sys
from pathlib import Path

import pytest

from tests.cli.test_commands import Capture, refusal, run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._probe import build_probe
from worldvaluesbench.benchmark._spec import parse_spec
from worldvaluesbench.cli._terminal import counting


@pytest.fixture(scope="module")
def probe(paper: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("probe") / "probe"
    text = 'items = ["Q1", "Q48", "Q57", "Q106"]\ncross = ["continent", "H_URBRURAL"]\nper_cell = 10'
    build_probe(paper, parse_spec("mine", text, paper.codebook), out)
    return out


def test_all_baselines_of_a_probe_set_and_their_scores(
    capsys: Capture, paper: Dataset, probe: Path, tmp_path: Path
) -> None:
    pytest.importorskip("lightgbm")
    runs, fits = tmp_path / "runs", tmp_path / "fits"
    assert run("baseline", "all", paper.folder, "--probe", probe, "--out", runs, "--fit", fits) == 0
    said = capsys.readouterr()
    assert "SYNTHETIC" in said.out
    assert "trees: 440 distributions. Run:" in said.out
    assert "human: 440 ratings. Run:" in said.out
    assert "4 of 4 items fitted" in said.err
    assert sorted(path.name for path in fits.iterdir()) == ["cell", "marginal", "trees"]
    names = sorted(path.name for path in runs.iterdir())
    assert names == ["cell", "human", "marginal", "trees"]
    scores = tmp_path / "scores"
    assert run("score", *(runs / name for name in names), "--data", paper.folder, "--out", scores) == 0
    document = json.loads((scores / "scores.json").read_text())
    pooled = {row["answered_by"]: row["mean"] for row in document["summary"]}
    assert max(pooled[name] for name in names) < min(pooled["uniform"], pooled["majority"])
    assert all(counts["valid"] == counts["n_rows"] == 440 for counts in document["outcomes"].values())


def test_without_the_library_trees_are_left_out_with_a_note(
    capsys: Capture, paper: Dataset, probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    assert run("baseline", "all", paper.folder, "--probe", probe, "--out", tmp_path / "runs") == 0
    shown = capsys.readouterr().out
    assert "trees is left out: it needs LightGBM; pip install 'worldvaluesbench[baselines]'." in shown
    assert not (tmp_path / "runs" / "trees").exists()
    message = refusal(capsys, "baseline", "trees", paper.folder, "--probe", probe, "--out", tmp_path / "trees")
    assert "needs LightGBM" in message


def test_one_baseline_with_options(capsys: Capture, paper: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "run"
    asked = (paper.folder, "--split", "test", "--items", "Q1,Q48", "--out", out)
    given = ("--groups", "continent*Q260", "--weight", "S018", "--name", "by-sex")
    assert run("baseline", "cell", *asked, *given) == 0
    model = json.loads((out / "run.json").read_text())["model"]
    assert (model["groups"], model["weight"]) == (["continent", "continent*Q260"], "S018")
    assert "by-sex: " in capsys.readouterr().out


def test_items_all_are_all_items_and_the_world_lacks_one(capsys: Capture, paper: Dataset, tmp_path: Path) -> None:
    asked = (paper.folder, "--split", "test", "--items", "all", "--out", tmp_path / "run")
    assert run("baseline", "marginal", *asked, "--from", "world") == 0
    assert "Left out, because the world marginals lack them: Q234A." in capsys.readouterr().out
    content = json.loads((tmp_path / "run" / "run.json").read_text())
    assert len(content["examples"]["item_ids"]) == 238


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--split", "train"), "are in train, which it is made from"),
        (("--split", "test", "--seed", "1"), "cell: has no use for the option seed"),
        (("--split", "test", "--groups", "nonsense"), "There is no attribute 'nonsense'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    capsys: Capture, paper: Dataset, tmp_path: Path, given: tuple[str, ...], message: str
) -> None:
    assert message in refusal(capsys, "baseline", "cell", paper.folder, "--out", tmp_path / "run", *given)
    assert not (tmp_path / "run").exists()


def test_wrong_calls_exit_with_2(capsys: Capture, paper: Dataset, tmp_path: Path) -> None:
    assert run("baseline", "cell", paper.folder, "--out", tmp_path / "run") == 2
    assert "Give one of --probe DIR" in capsys.readouterr().err
    several = ("--split", "test", "--groups", "continent,Q260")
    assert run("baseline", "cell", paper.folder, "--out", tmp_path / "run", *several) == 2
    assert "expected one grouping" in capsys.readouterr().err
    assert run("baseline", "uniform", paper.folder, "--split", "test", "--out", tmp_path / "run") == 2


def test_how_far_work_is_shows_as_a_bar_in_a_terminal_and_else_as_few_lines(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counting("items fitted") as watch:
        for n_done in range(1, 201):
            watch(n_done, 200)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("20 of 200 items fitted, 0 s, ")
    assert lines[-1] == "200 of 200 items fitted, 0 s"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with counting("items fitted") as watch:
        watch(3, 4)
    assert "3 of 4 items fitted" in capsys.readouterr().err
