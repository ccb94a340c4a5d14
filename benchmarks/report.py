"""The report of ten models, 239 items and 63 countries: how long comparing and drawing take, how large the page is.

Run as `python -m benchmarks.report FOLDER [PEOPLE]`, a folder that `benchmarks.prepare` made. The models are invented:
each gives a response that somebody of the world gave, or in some share of cases any at all, for PEOPLE of the test
split in every country (default: 30), every item.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.measure import time_command
from worldvaluesbench.benchmark._dataset import Dataset, load_dataset

WVB = [sys.executable, "-m", "worldvaluesbench"]
N_MODELS = 10
COUNTRY = "B_COUNTRY"


def main(folder: Path, n_people: int) -> None:
    answers, comparison, report = folder / "ten-models", folder / "ten-compared", folder / "ten-report"
    for part in (answers, comparison, report):
        shutil.rmtree(part, ignore_errors=True)
    answers.mkdir()
    write_models(answers, load_dataset(folder / "dataset"), n_people)
    files = [str(path) for path in sorted(answers.iterdir())]
    judged = ["--data", str(folder / "dataset"), "--by", f"{COUNTRY},H_URBRURAL"]
    compared = time_command([*WVB, "compare", *files, *judged, "--out", str(comparison)], n_runs=1)
    drawn = time_command([*WVB, "report", str(comparison), "--out", str(report)], n_runs=1)
    page = report / "report.html"
    items, countries = counts_of(comparison)
    print(f"{N_MODELS} models, {items} items, {countries} countries with numbers, {n_people} people in each at most")
    print(f"{'':<34}{'seconds':>10}{'on cores':>10}{'GB':>8}")
    for what, timing in (("compare, 1,000 resamples", compared), ("report of the comparison", drawn)):
        cores = timing.cpu_seconds / timing.seconds
        print(f"{what:<34}{timing.seconds:>10.1f}{cores:>10.2f}{timing.peak_gb:>8.2f}", flush=True)
    print(f"The page has {page.stat().st_size / 1e6:.1f} MB.")


def write_models(folder: Path, dataset: Dataset, n_people: int) -> None:
    """The answers of every model, in files of the published shape."""
    order = dataset.split_order("test")["row"].to_numpy()
    people = dataset.respondents(["respondent_id", COUNTRY])[order].with_row_index("row")
    chosen = people.group_by(COUNTRY, maintain_order=True).head(n_people)["row"].to_numpy()
    rows = order[chosen]
    ids = dataset.respondents(["respondent_id"])["respondent_id"].to_numpy()[rows]
    items = dataset.codebook.items
    responses = dataset.responses([item.item_id for item in items])
    for model in range(N_MODELS):
        rng = np.random.default_rng(model)
        parts = []
        for item in items:
            ratings = responses[item.item_id].to_numpy()
            valid = rows[ratings[rows] >= 0]
            drawn = rng.choice(ratings[ratings >= 0], valid.size)
            is_any = rng.random(valid.size) < 0.08 * (model // 2 + 1)
            drawn[is_any] = rng.integers(item.scale.low, item.scale.high + 1, is_any.sum())
            given = {"PARTICIPANT_ID": ids[ratings[rows] >= 0], "SCORE": drawn}
            parts.append(pl.DataFrame(given).select(pl.lit(item.item_id).alias("QUESTION_ID"), pl.all()))
        name = f"model-{model // 2}" + ("+demographics" if model % 2 else "")
        pl.concat(parts).write_csv(folder / f"{name}.tsv", separator="\t")


def counts_of(comparison: Path) -> tuple[int, int]:
    """How many items have a number for everybody, and how many countries have any."""
    scores = pl.read_parquet(comparison / "scores.parquet").filter(pl.col("distance").is_not_null())
    of_countries = scores.filter(grouping=COUNTRY)["group"].n_unique()
    return scores.filter(grouping="all")["item_id"].n_unique(), of_countries


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 30)
