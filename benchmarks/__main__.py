"""Time the package and the plain reference side by side, on an invented survey of real size, and print ratios."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import wasserstein_distance

from benchmarks.measure import Timing, time_call, time_command
from worldvaluesbench.benchmark.build import build_dataset
from worldvaluesbench.benchmark.dataset import Dataset
from worldvaluesbench.benchmark.export import export_tsv
from worldvaluesbench.benchmark.probe import draw_probe
from worldvaluesbench.benchmark.spec import read_spec
from worldvaluesbench.distribution import shares_of, wasserstein
from worldvaluesbench.survey.synthetic import write_synthetic

FOLDER = Path("bench-data")
PYTHON = [sys.executable, "-m"]
WVB, REFERENCE = [*PYTHON, "worldvaluesbench"], [*PYTHON, "benchmarks.reference"]


def main() -> None:
    dataset = prepare()
    print(f"{'job':<44}{'reference':>12}{'ours':>10}{'ratio':>8}{'reference':>12}{'ours':>10}")
    print(f"{'':<44}{'seconds':>12}{'seconds':>10}{'':>8}{'GB':>12}{'GB':>10}")
    report("build: 94,278 x 377 csv -> dataset", *time_build())
    for name, size in (("probe", "8,280"), ("test", f"{next_count(dataset):,}")):
        report(f"score: {name}, {size} answers, as a process", *time_score(name))
    report("W1 in bulk: 239 items x 63 countries, a call", *time_bulk())
    check_same_scores()


def prepare() -> Dataset:
    """An invented survey of real size, its dataset, the published layout of it, and files of answers."""
    print(f"Preparing {FOLDER}/ ...", flush=True)
    write_synthetic(FOLDER / "survey.csv", 94_278, seed=0, force=True)
    dataset = build_dataset(FOLDER / "survey.csv", FOLDER / "dataset", force=True)
    export_tsv(dataset, FOLDER / "published", force=True)
    rng = np.random.default_rng(0)
    probe = draw_probe(dataset, read_spec("paper36", dataset.codebook)).examples
    write_answers(FOLDER / "probe.tsv", probe.select("item_id", "respondent_id"), dataset, rng)
    test = dataset.examples("test").select(pl.col("item_id").cast(pl.String), "respondent_id").collect()
    write_answers(FOLDER / "test.tsv", test, dataset, rng)
    return dataset


def write_answers(path: Path, examples: pl.DataFrame, dataset: Dataset, rng: np.random.Generator) -> None:
    scales = {item.item_id: item.scale for item in dataset.codebook.items}
    low = examples["item_id"].replace_strict({key: scale.low for key, scale in scales.items()})
    n_points = examples["item_id"].replace_strict({key: scale.n_points for key, scale in scales.items()})
    ratings = low + pl.Series(rng.integers(0, n_points.to_numpy()))
    pl.DataFrame(
        {"QUESTION_ID": examples["item_id"], "PARTICIPANT_ID": examples["respondent_id"], "SCORE": ratings}
    ).write_csv(path, separator="\t")


def next_count(dataset: Dataset) -> int:
    return int(next(count["n_examples"] for count in dataset.manifest["counts"] if count["split"] == "test"))


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
    command = [*WVB, "score", "--answers", answers, "--data", str(FOLDER / "dataset"), "--out", str(out)]
    reference = time_command([*REFERENCE, "score", answers, published, plain], n_runs=2)
    ours = time_command(command, n_runs=5, before=lambda: shutil.rmtree(out, ignore_errors=True))
    return reference, ours


def time_bulk() -> tuple[Timing, Timing]:
    rng = np.random.default_rng(0)
    humans, answers = rng.integers(1, 100, (2, 239 * 63, 10))
    positions = np.linspace(0, 1, 10)

    def one_by_one() -> list[float]:
        pairs = zip(humans, answers, strict=True)
        return [float(wasserstein_distance(positions, positions, u, v)) for u, v in pairs]

    reference = time_call(one_by_one, n_runs=3)
    ours = time_call(lambda: wasserstein(shares_of(humans), shares_of(answers)), n_runs=20)
    assert np.allclose(one_by_one(), wasserstein(shares_of(humans), shares_of(answers)), atol=1e-12)
    return reference, ours


def check_same_scores() -> None:
    for name in ("probe", "test"):
        plain = json.loads((FOLDER / f"plain-{name}.json").read_text())
        ours = pl.read_parquet(FOLDER / f"scores-{name}" / "scores.parquet")
        both = [(plain[key], distance) for key, distance in ours.select("item_id", "distance").rows()]
        assert len(both) == len(plain)
        largest = max(abs(a - b) for a, b in both)
        print(f"Largest difference of a distance between the two, {name}: {largest:.1e}")


def report(job: str, reference: Timing, ours: Timing) -> None:
    ratio = reference.seconds / ours.seconds
    memory = "".join(
        f"{t.peak_gb:>{width}.2f}" if t.peak_gb else " " * width for t, width in ((reference, 12), (ours, 10))
    )
    print(f"{job:<44}{reference.seconds:>12.3f}{ours.seconds:>10.3f}{ratio:>8.1f}{memory}", flush=True)


if __name__ == "__main__":
    main()
