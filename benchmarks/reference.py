"""The same jobs as plain pandas and SciPy code would do them: the reference that timings are compared with.

Run as `python -m benchmarks.reference build FILE OUT` or `... score ANSWERS DATASET OUT`.
"""

import csv
import json
import random
import sys
from importlib.resources import files
from pathlib import Path

import pandas as pd
from scipy.stats import wasserstein_distance

DATA = files("worldvaluesbench") / "data" / "wvs7"


def rows_of(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((DATA / f"{name}.csv").read_text(encoding="utf-8").splitlines()))


def build(file: Path, out: Path) -> None:
    """Read the whole csv, recode, label, split and write the published layout, column by column."""
    frame = pd.read_csv(file, low_memory=False)
    frame = frame[frame["D_INTERVIEW"] != 858069901]
    items = [row["item_id"] for row in rows_of("items")]
    attributes = [row["attribute_id"] for row in rows_of("attributes")]
    recodes: dict[str, dict[int, str]] = {}
    for row in rows_of("recodes"):
        recodes.setdefault(row["item_id"], {})[int(row["from_code"])] = row["to_code"]
    labels: dict[str, dict[int, str]] = {}
    for row in rows_of("attribute_choices"):
        labels.setdefault(row["attribute_id"], {})[int(row["code"])] = row["label"]
    values = frame[["D_INTERVIEW", *items]].copy()
    for item_id in items:
        values[item_id] = values[item_id].map(lambda code, item_id=item_id: rating_of(code, recodes.get(item_id, {})))
    demographic = frame[["D_INTERVIEW", *attributes]].copy()
    for name, choices in labels.items():
        demographic[name] = demographic[name].map(choices)
    order = list(values.index)
    random.seed(0)
    random.shuffle(order)
    n = len(order)
    first, second = int(0.7 * n), int(0.7 * n) + int(0.15 * n)
    parts = {"full": values.index, "train": order[:first], "test": order[first:second], "valid": order[second:]}
    for split, rows in parts.items():
        (out / split).mkdir(parents=True, exist_ok=True)
        demographic.loc[rows].to_csv(out / split / f"{split}_demographic_qa.tsv", sep="\t", index=False)
        values.loc[rows].to_csv(out / split / f"{split}_value_qa.tsv", sep="\t", index=False)


def rating_of(code: int, recodes: dict[int, str]) -> int | None:
    if code < 0:
        return None
    recoded = recodes.get(code, code)
    return None if recoded == "missing" else int(recoded)


def score(answers: Path, dataset: Path, out: Path) -> None:
    """Wasserstein-1 per item of a file of answers, one SciPy call an item."""
    scales = {row["item_id"]: (int(row["low"]), int(row["high"])) for row in rows_of("items")}
    humans = pd.read_csv(dataset / "full" / "full_value_qa.tsv", sep="\t", index_col="D_INTERVIEW")
    frame = pd.read_csv(answers, sep="\t")
    frame["SCORE"] = pd.to_numeric(frame["SCORE"], errors="coerce")
    distances = {}
    for item_id in frame["QUESTION_ID"].unique():
        low, high = scales[item_id]
        rows = frame[frame["QUESTION_ID"] == item_id]
        responses = (humans.loc[rows["PARTICIPANT_ID"], item_id].dropna() - low) / (high - low)
        scores = (rows["SCORE"].dropna() - low) / (high - low)
        distances[item_id] = float(wasserstein_distance(responses, scores))
    out.write_text(json.dumps(distances, indent=1))


if __name__ == "__main__":
    job, *paths = sys.argv[1:]
    if job == "build":
        build(Path(paths[0]), Path(paths[1]))
    else:
        score(Path(paths[0]), Path(paths[1]), Path(paths[2]))
