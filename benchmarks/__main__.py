"""Time the package and the plain reference side by side, on an invented survey of real size, and print ratios."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Timing, time_command
from worldvaluesbench.pipeline._demo import mock_process

FOLDER = Path("bench-data")
PYTHON = [sys.executable, "-m"]
WVB, REFERENCE = [*PYTHON, "worldvaluesbench"], [*PYTHON, "benchmarks.reference"]


def main() -> None:
    print(f"Preparing {FOLDER}/ ...", flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    subprocess.run([*PYTHON, "benchmarks.prepare", str(FOLDER)], check=True)
    print(f"{'job':<46}{'reference':>12}{'ours':>10}{'ratio':>8}{'reference':>12}{'ours':>10}")
    print(f"{'':<46}{'seconds':>12}{'seconds':>10}{'':>8}{'GB':>12}{'GB':>10}")
    report("build: 94,278 x 377 csv -> dataset", *time_build())
    for name in ("probe", "test"):
        report(f"score: {name}, {count_rows(FOLDER / f'{name}.tsv'):,} answers, as a process", *time_score(name))
    report("W1 in bulk: 239 items x 63 countries, a call", *time_bulk())
    check_same_scores()
    print("Scoring as published, beside an earlier build:", flush=True)
    subprocess.run([*PYTHON, "benchmarks.earlier", str(FOLDER)], check=True)
    show_intervals()
    print("Planning all examples of the test split:", flush=True)
    subprocess.run([*PYTHON, "benchmarks.plan", str(FOLDER / "dataset")], check=True)
    ours = time_ask()
    print(f"ask: the probe set against a mock server, as a process, journal and answers included: {ours.seconds:.1f} s")
    subprocess.run([*PYTHON, "benchmarks.ask"], check=True)
    for script in ("benchmarks.report", "benchmarks.baselines"):
        subprocess.run([*PYTHON, script, str(FOLDER)], check=True)


def time_ask() -> Timing:
    data, probe, out = str(FOLDER / "dataset"), FOLDER / "probe", FOLDER / "run"
    if not probe.exists():
        subprocess.run([*WVB, "probe", data, "--out", str(probe)], check=True, capture_output=True)
    with mock_process() as base_url:
        whom = ["--model", "mock-good", "--base-url", base_url]
        command = [*WVB, "ask", data, "--probe", str(probe), *whom, "--out", str(out)]
        return time_command(command, n_runs=3, before=lambda: shutil.rmtree(out, ignore_errors=True))


def show_intervals() -> None:
    """What intervals take: 1,000 resamples of people in every cell."""
    print("Intervals, 1,000 resamples of respondents:", flush=True)
    for name, by in (("probe", "continent*H_URBRURAL*education_level"), ("test", "B_COUNTRY")):
        out = FOLDER / f"scores-{name}-sure"
        command = [*WVB, "score", str(FOLDER / f"{name}.tsv"), "--data", str(FOLDER / "dataset"), "--by", by]
        shutil.rmtree(out, ignore_errors=True)
        timing = time_command([*command, "--out", str(out)], n_runs=1)
        cores = timing.cpu_seconds / timing.seconds
        print(
            f"score: {name} by {by}, as a process: {timing.seconds:.1f} s on {cores:.1f} cores, {timing.peak_gb:.2f} GB"
        )
    subprocess.run([*PYTHON, "benchmarks.resample", str(FOLDER)], check=True)


def time_build() -> tuple[Timing, Timing]:
    survey, out = str(FOLDER / "survey.csv"), FOLDER / "out"

    def clear() -> None:
        shutil.rmtree(out, ignore_errors=True)

    reference = time_command([*REFERENCE, "build", survey, str(out)], n_runs=1, before=clear)
    ours = time_command([*WVB, "build", survey, "--out", str(out)], n_runs=5, before=clear)
    return reference, ours


def time_score(name: str) -> tuple[Timing, Timing]:
    answers, out = str(FOLDER / f"{name}.tsv"), FOLDER / f"scores-{name}"
    published, plain = str(FOLDER / "published"), str(FOLDER / f"plain-{name}.json")
    # the reference knows no intervals
    command = [*WVB, "score", answers, "--data", str(FOLDER / "dataset"), "--resamples", "0", "--out", str(out)]
    reference = time_command([*REFERENCE, "score", answers, published, plain], n_runs=2)
    ours = time_command(command, n_runs=5, before=lambda: shutil.rmtree(out, ignore_errors=True))
    return reference, ours


def time_bulk() -> tuple[Timing, Timing]:
    shown = subprocess.run([*PYTHON, "benchmarks.bulk"], check=True, capture_output=True, text=True).stdout
    one_by_one, in_bulk = json.loads(shown)
    return Timing(one_by_one, 0.0), Timing(in_bulk, 0.0)


def check_same_scores() -> None:
    for name in ("probe", "test"):
        plain = json.loads((FOLDER / f"plain-{name}.json").read_text())
        document = json.loads((FOLDER / f"scores-{name}" / "scores.json").read_text())
        ours = {row["item_id"]: row["distance"] for row in document["scores"]}
        assert ours.keys() == plain.keys()
        largest = max(abs(ours[key] - plain[key]) for key in plain)
        print(f"Largest difference of a distance between the two, {name}: {largest:.1e}")


def count_rows(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as lines:
        return sum(1 for _ in csv.reader(lines)) - 1


def report(job: str, reference: Timing, ours: Timing) -> None:
    ratio = reference.seconds / ours.seconds
    memory = f"{reference.peak_gb:>12.2f}{ours.peak_gb:>10.2f}" if ours.peak_gb else ""
    print(f"{job:<46}{reference.seconds:>12.3f}{ours.seconds:>10.3f}{ratio:>8.1f}{memory}", flush=True)


if __name__ == "__main__":
    main()
