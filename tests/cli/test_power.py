"""`--detect` prints what a plan detects; a pilot that cannot be used is refused before anything is planned."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.cli.test_commands import Capture, refusal, run
from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.pipeline._design import design_of
from worldvaluesbench.planning._examples import split_examples
from worldvaluesbench.planning._plan import build_plan
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compare import compare_answers
from worldvaluesbench.scoring.compare._comparison import Comparison, write_comparison
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.stats._power import DEFAULT_VARIANCE, DifferenceVariance, detectable_difference, needed

ITEMS = ("Q1", "Q2", "Q48", "Q57", "Q240", "Q241")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Two sources over two items, without the tables that a pilot needs."""
    folder = tmp_path_factory.mktemp("answers")
    rng = np.random.default_rng(7)
    dataset = make_dataset(folder / "dataset", {item: rng.integers(1, 5, 40).tolist() for item in ("Q1", "Q2")})
    rows = [(item, 101 + k) for item in ("Q1", "Q2") for k in range(40)]
    answers = [
        read_answers(write_answers(folder / f"{name}.tsv", [(*row, rng.integers(1, 5)) for row in rows]))
        for name in ("gpt", "other")
    ]
    return compare_answers(answers, respondents_reference(dataset), how=How(resampling=Resampling(n=20)))


def pilot_tables(differences: tuple[float, ...] = (0.0, 0.2, 0.1, 0.3)) -> dict[str, pl.DataFrame]:
    """Four items of two topics; everything beside what a pilot is made of is as a comparison has it, but empty."""
    n = len(differences)
    compared = pl.concat(
        pl.DataFrame(
            {
                "answers": [name] * n,
                "item_id": [f"Q{k}" for k in range(n)],
                "topic": [f"topic {k // 2}" for k in range(n)],
                "n_examples": [100] * n,
                "corrected": corrected,
                "variance": [0.001] * n,
            }
        )
        for name, corrected in (("gpt", [0.1 + one for one in differences]), ("other", [0.1] * n))
    ).with_columns(
        pl.lit("all").alias("grouping"),
        pl.lit("all").alias("group"),
        pl.lit(None, pl.String).alias("group_codes"),
        *(pl.lit(None, pl.Float64).alias(name) for name in ("distance", "noise_floor", "uniform")),
        *(pl.lit(None, pl.Float64).alias(name) for name in ("squared", "squared_variance")),
    )
    rows = [("gpt", "gpt", 2e-5), ("gpt", "other", 1e-5), ("other", "other", 2e-5)]
    covariances = pl.DataFrame(rows, ["first", "second", "covariance"], orient="row").with_columns(
        pl.lit("all").alias("grouping"),
        pl.lit("all").alias("group"),
        pl.lit(None, pl.String).alias("group_codes"),
        pl.lit(n).alias("n_items"),
        pl.lit(0.0).alias("same_item_covariance"),
        pl.lit(None, pl.Float64).alias("squared_covariance"),
        pl.lit(None, pl.Float64).alias("squared_same_item_covariance"),
    )
    return {"compared": compared, "covariances": covariances}


def write_pilot(comparison: Comparison, folder: Path, tables: dict[str, pl.DataFrame]) -> Path:
    write_comparison(replace(comparison, tables=dict(comparison.tables) | tables), folder)
    return folder


@pytest.fixture(scope="module")
def pilot(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pilot(comparison, tmp_path_factory.mktemp("pilot") / "comparison", pilot_tables())


def plan(paper: Dataset, *options: object) -> int:
    return run("plan", paper.folder, "--split", "test", "--items", ",".join(ITEMS), *options)


def rows_of(shown: str) -> dict[tuple[int, int], list[float]]:
    """The table: what is detected, by items and respondents."""
    lines = [re.findall(r"[\d.]+", line) for line in shown.splitlines() if re.match(r"\d+ +\d+ +[\d.]", line)]
    return {(int(items), int(n)): [float(one) for one in rest] for items, n, *rest in lines}


def test_a_plan_prints_what_it_detects_and_what_it_needs(capsys: Capture, paper: Dataset) -> None:
    assert plan(paper, "--detect", 0.02) == 0
    shown = capsys.readouterr().out
    assert shown.index("Prompt tokens") < shown.index("Smallest difference of mean W1")
    design = design_of(build_plan(split_examples(paper, "test", ITEMS), make_settings()))
    n = round(design.n_respondents)
    table = rows_of(shown)
    assert list(table) == [(items, k) for items in (3, 6, 12) for k in ((n + 1) // 2, n, 2 * n)]
    for place, samples in enumerate((1, 3, 5, 10)):
        expected = detectable_difference(DEFAULT_VARIANCE, replace(design, n_items=12, n_samples=samples))
        assert table[12, n][place] == pytest.approx(expected, abs=0.0006)
    more = needed(0.02, DEFAULT_VARIANCE, design)
    assert f"To detect 0.02 it needs {more.n_items:.0f} items of the same topics (the survey has 239)" in shown
    assert "However many respondents of each item or samples for each respondent" in shown
    assert "Variances: defaults" in shown
    heading = next(line for line in shown.splitlines() if line.startswith("items"))
    assert max(len(line) for line in [heading, *re.findall(r"^\d+ +\d+ .*$", shown, flags=re.MULTILINE)]) <= 80


def test_what_is_not_asked_for_is_not_printed(capsys: Capture, paper: Dataset) -> None:
    assert plan(paper) == 0
    assert "detect" not in capsys.readouterr().out.lower()


def test_a_plan_that_is_enough_needs_no_more(capsys: Capture, paper: Dataset) -> None:
    assert plan(paper, "--detect", 0.9) == 0
    shown = capsys.readouterr().out
    assert "That is enough to detect 0.9." in shown
    assert "it needs" not in shown


def test_a_method_without_sampling_noise_has_a_column_of_its_own(capsys: Capture, paper: Dataset) -> None:
    assert plan(paper, "--detect", 0.1, "--method", "token_probs") == 0
    shown = capsys.readouterr().out
    assert "  exact\n" in shown
    assert "answers without sampling noise" in shown


def test_one_item_alone_detects_nothing_about_others(capsys: Capture, paper: Dataset) -> None:
    assert run("plan", paper.folder, "--split", "test", "--items", "Q1", "--detect", 0.1) == 0
    shown = capsys.readouterr().out
    assert "1 item, " in shown
    assert "Detected: none." in shown
    assert re.search(r"On these very items alone, which says nothing of others: 0\.\d{3}\.", shown)


def test_a_pilot_takes_the_place_of_the_defaults(capsys: Capture, paper: Dataset, pilot: Path) -> None:
    assert plan(paper, "--detect", 0.02, "--pilot", pilot) == 0
    shown = capsys.readouterr().out
    assert f"Variances: {pilot}, 2 sources, mean over 1 pair." in shown
    # within topics differences are 0.2 apart, of which sampling makes 0.002 less what is shared
    parts = DifferenceVariance(0.02 - 0.002 + 2e-5, 0.2, 2e-5 * 100)
    design = replace(design_of(build_plan(split_examples(paper, "test", ITEMS), make_settings())), overlap=1.0)
    found = rows_of(shown)[6, round(design.n_respondents)][0]
    assert found == pytest.approx(detectable_difference(parts, design), abs=0.0006)


def test_asking_prints_it_with_its_plan(capsys: Capture, paper: Dataset, tmp_path: Path) -> None:
    command = ("ask", paper.folder, "--split", "test", "--items", "Q1,Q2", "--model", "m", "--begin-only")
    assert run(*command, "--out", tmp_path / "run", "--detect", 0.05) == 0
    assert "Smallest difference of mean W1 between two sources" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["0", "1.5", "-0.1", "much"])
def test_a_difference_that_cannot_be_is_refused(capsys: Capture, paper: Dataset, value: str) -> None:
    assert plan(paper, "--detect", value) == 2
    assert "Invalid value for '--detect'" in capsys.readouterr().err


def test_a_pilot_that_cannot_be_used_is_refused_before_anything_is_made(
    capsys: Capture, paper: Dataset, comparison: Comparison, pilot: Path, tmp_path: Path
) -> None:
    assert plan(paper, "--pilot", pilot) == 2
    assert "--pilot says what varies between sources for --detect; give --detect" in capsys.readouterr().err
    command = ("run", paper.folder, "--model", "m", "--out", tmp_path / "results", "--detect", 0.1, "--pilot")
    assert "there is no such folder" in refusal(capsys, *command, tmp_path / "nowhere")
    assert "expected a comparison" in refusal(capsys, *command, paper.folder)
    bare = replace(comparison, tables={k: v for k, v in comparison.tables.items() if k not in pilot_tables()})
    write_comparison(bare, tmp_path / "bare")
    assert "compare again" in refusal(capsys, *command, tmp_path / "bare")
    tables = pilot_tables()
    one = tables | {"compared": tables["compared"].filter(answers="gpt")}
    alone = write_pilot(comparison, tmp_path / "alone", one)
    assert f"{alone}: A pilot compares two sources or more" in refusal(capsys, *command, alone)
    assert not (tmp_path / "results").exists()
