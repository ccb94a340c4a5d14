"""Make every baseline for all examples of the test split of an invented survey of real size, time it, and score it.

Run as `python -m benchmarks.baselines [FOLDER]`; the survey is made where FOLDER (bench-data) has none. Prints how long
each took, the mean distance by country of every baseline, and whether they stand in the order that one would expect.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.measure import Timing, time_command
from worldvaluesbench.baselines._options import BASELINES
from worldvaluesbench.benchmark._dataset import Dataset, load_dataset
from worldvaluesbench.pipeline._demo import LISTED, explain_order, mean_by_group
from worldvaluesbench.scoring._scores import once_a_baseline

WVB = [sys.executable, "-m", "worldvaluesbench"]
COUNTRY, FINER = "B_COUNTRY", "continent*H_URBRURAL*education_level"


def main(folder: Path) -> None:
    data, runs, scores = folder / "dataset", folder / "baselines", folder / "scores-baselines"
    if not data.exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"Preparing {folder}/ ...", flush=True)
        subprocess.run([sys.executable, "-m", "benchmarks.prepare", str(folder)], check=True)
    shutil.rmtree(runs, ignore_errors=True)
    print(f"{'test split, all items':<24}{'seconds':>10}{'on cores':>10}{'GB':>8}{'MB written':>12}")
    for name in BASELINES:
        asked = ["--split", "test", "--items", "all", "--out", str(runs / name)]
        timing = time_command([*WVB, "baseline", name, str(data), *asked], n_runs=1)
        report(name, timing, sum(path.stat().st_size for path in (runs / name).iterdir()))
    paths = [str(runs / name) for name in BASELINES]
    judged = ["--data", str(data), "--by", f"{COUNTRY},{FINER}", "--resamples", "0", "--out", str(scores), "--force"]
    report("score, all four", time_command([*WVB, "score", *paths, *judged], n_runs=1))
    summary = pl.read_parquet(scores / "summary.parquet")
    show_countries(summary)
    for grouping in ("all", COUNTRY, FINER):
        show_order(f"Mean distance by {grouping}", mean_by_group(summary, grouping))
    show_order("Log loss of one response", log_losses(runs, load_dataset(data)))


def report(job: str, timing: Timing, size: int = 0) -> None:
    written = f"{size / 1e6:>12.0f}" if size else ""
    cores = timing.cpu_seconds / timing.seconds
    print(f"{job:<24}{timing.seconds:>10.1f}{cores:>10.2f}{timing.peak_gb:>8.2f}{written}", flush=True)


def show_countries(summary: pl.DataFrame) -> None:
    """The mean distance over items of every baseline, country by country."""
    rows = once_a_baseline(summary.filter(grouping=COUNTRY)).filter(pl.col("answered_by").is_in(LISTED))
    wide = rows.pivot("answered_by", index="group", values="mean").sort("group")
    print(f"\n{'mean W1 over items':<24}" + "".join(f"{name:>10}" for name in LISTED))
    for row in wide.iter_rows(named=True):
        print(f"{row['group'][:23]:<24}" + "".join(f"{row[name]:>10.4f}" for name in LISTED))


def show_order(what: str, found: dict[str, float]) -> None:
    """Print the numbers from far to near, and why those that stand in another order than expected do."""
    named = sorted(found.items(), key=lambda pair: -pair[1])
    print(f"\n{what}: " + " > ".join(f"{name} {value:.4f}" for name, value in named))
    for sentence in explain_order(found):
        print(f"  {sentence}")


def log_losses(runs: Path, dataset: Dataset) -> dict[str, float]:
    """Minus the mean log probability of the responses, of the baselines that give any."""
    return {name: log_loss(runs / name / "answers.parquet", dataset) for name in BASELINES if name != "human"}


def log_loss(path: Path, dataset: Dataset) -> float:
    answers = pl.read_parquet(path, columns=["item_id", "respondent_id", "probabilities"])
    losses = []
    for part in answers.partition_by("item_id", maintain_order=True):
        item = dataset.codebook.item(part["item_id"][0])
        humans = dataset.responses([item.item_id])
        points = part.join(humans, on="respondent_id", maintain_order="left")[item.item_id].to_numpy() - item.scale.low
        shares = part["probabilities"].explode(empty_as_null=False).to_numpy().reshape(-1, item.scale.n_points)
        losses.append(-np.log(np.maximum(shares[np.arange(points.size), points], 1e-9)))
    return float(np.concatenate(losses).mean())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench-data"))
