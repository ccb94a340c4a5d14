"""Scoring as published by an earlier build and by this one, in interleaved rounds on the same file of answers.

Run as `python -m benchmarks.earlier FOLDER [COMMIT]`, a folder that `benchmarks.prepare` made. The earlier build comes
out of the history of this clone into a temporary folder. A second file has odd answers: off the scale, no number,
given twice. Each build scores both as a library call and as a whole process. Prints best and median times, their
ratios, and by how much the scores differ.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from worldvaluesbench.scoring.sources._baselines import BASELINES

ROOT = Path(__file__).parents[1]
EARLIER = "825cf41"
"""The last commit at which the published treatment ran through the same steps as the default one."""

ROUNDS = 5
COMPARED = ("n_responses", "n_answers", "distance", *BASELINES)
ODD = ("", "I cannot say", "4.0", "2.7", "0", "-3", "11", "1e9", "nan")

CALL = """
import json, sys, time
from worldvaluesbench.benchmark._dataset import load_dataset
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.scoring._score import score_answers
answers, reference = [read_answers(sys.argv[1])], respondents_reference(load_dataset(sys.argv[2]))
score_answers(answers, reference, as_published=True)
start = time.perf_counter()
score_answers(answers, reference, as_published=True)
print(json.dumps(time.perf_counter() - start))
"""


def main(folder: Path, commit: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        earlier = check_out(commit, Path(scratch) / "earlier")
        if earlier is None:
            print(f"as published beside {commit}: not available, for the commit is not in this clone")
            return
        odd = Path(scratch) / "odd.tsv"
        write_odd(folder / "test.tsv", odd)
        builds = {"earlier": earlier, "ours": ROOT / "src"}
        print(f"{'as published, best (median) of ' + str(ROUNDS):<46}{'earlier s':>16}{'ours s':>16}{'ratio':>14}")
        for name, file in (("test split", folder / "test.tsv"), ("the same, 2% odd", odd)):
            for how, timed in (("a call", time_call), ("as a process", time_process)):
                taken: dict[str, list[float]] = {build: [] for build in builds}
                for place in range(ROUNDS + 1):
                    for build, source in builds.items():
                        seconds = timed(file, folder / "dataset", source, Path(scratch) / build)
                        if place:  # the first round fills caches of files and bytecode
                            taken[build].append(seconds)
                report(f"{name}, {how}", taken["earlier"], taken["ours"])
            difference = largest_difference(*(Path(scratch) / build / "scores" for build in builds))
            print(f"{name}: largest difference of a score or count between the two: {difference:.1e}")


def check_out(commit: str, folder: Path) -> Path | None:
    """The sources of an earlier build; None where the clone does not have the commit."""
    archive = folder.with_suffix(".tar")
    command = ["git", "-C", str(ROOT), "archive", "--output", str(archive), commit, "src"]
    if shutil.which("git") is None or subprocess.run(command, check=False, capture_output=True).returncode:
        return None
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return folder / "src"


def write_odd(file: Path, out: Path) -> None:
    """The same answers, of which one in fifty is odd and one in a hundred stands twice."""
    rng = np.random.default_rng(0)
    answers = pl.read_csv(file, separator="\t", infer_schema=False)
    is_odd = pl.Series(rng.random(answers.height) < 1 / 50)
    odd = pl.Series(np.array(ODD)[rng.integers(0, len(ODD), answers.height)])
    changed = answers.with_columns(SCORE=pl.when(is_odd).then(odd).otherwise("SCORE"))
    pl.concat([changed, changed.sample(fraction=0.01, seed=0)]).write_csv(out, separator="\t")


def environment(source: Path, scratch: Path) -> dict[str, str]:
    """That of a build, with its bytecode kept as that of an installed package is."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(source), "PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}


def time_call(file: Path, dataset: Path, source: Path, scratch: Path) -> float:
    command = [sys.executable, "-P", "-c", CALL, str(file), str(dataset)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, env=environment(source, scratch))
    return float(json.loads(shown.stdout))


def time_process(file: Path, dataset: Path, source: Path, scratch: Path) -> float:
    asked = ["--data", str(dataset), "--unparsed", "as-published", "--out", str(scratch / "scores"), "--force"]
    command = [sys.executable, "-P", "-m", "worldvaluesbench", "score", str(file), *asked]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment(source, scratch))
    return time.perf_counter() - start


def report(job: str, earlier: list[float], ours: list[float]) -> None:
    cells = [f"{min(taken):.2f} ({median(taken):.2f})" for taken in (earlier, ours)]
    ratio = f"{min(earlier) / min(ours):.1f} ({median(earlier) / median(ours):.1f})"
    print(f"{job:<46}{cells[0]:>16}{cells[1]:>16}{ratio:>14}", flush=True)


def largest_difference(earlier: Path, ours: Path) -> float:
    """Over the numbers of every item that the published rule determines."""
    one, other = (pl.read_parquet(folder / "scores.parquet").select(COMPARED) for folder in (earlier, ours))
    gaps = np.abs(one.to_numpy().astype(np.float64) - other.to_numpy().astype(np.float64))
    return float(np.nanmax(gaps))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else EARLIER)
