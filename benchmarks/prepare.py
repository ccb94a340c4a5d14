"""What the timings need: an invented survey of real size, its dataset, the published layout, files of answers.

Run as `python -m benchmarks.prepare FOLDER`, in a process of its own: the peak memory of a measured command starts at
that of the process which starts it.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._export import export_tsv
from worldvaluesbench.benchmark._probe import draw_probe
from worldvaluesbench.benchmark._spec import read_spec
from worldvaluesbench.survey.synthetic._synthetic import write_synthetic


def prepare(folder: Path) -> None:
    write_synthetic(folder / "survey.csv", 94_278, seed=0, force=True)
    dataset = build_dataset(folder / "survey.csv", folder / "dataset", force=True)
    export_tsv(dataset, folder / "published", force=True)
    rng = np.random.default_rng(0)
    probe = draw_probe(dataset, read_spec("paper36", dataset.codebook)).examples
    write_answers(folder / "probe.tsv", probe.select("item_id", "respondent_id"), dataset, rng)
    test = dataset.examples("test").select(pl.col("item_id").cast(pl.String), "respondent_id").collect()
    write_answers(folder / "test.tsv", test, dataset, rng)


def write_answers(path: Path, examples: pl.DataFrame, dataset: Dataset, rng: np.random.Generator) -> None:
    """Random ratings as answers, in the published shape."""
    scales = {item.item_id: item.scale for item in dataset.codebook.items}
    low = examples["item_id"].replace_strict({key: scale.low for key, scale in scales.items()})
    n_points = examples["item_id"].replace_strict({key: scale.n_points for key, scale in scales.items()})
    ratings = low + pl.Series(rng.integers(0, n_points.to_numpy()))
    pl.DataFrame(
        {"QUESTION_ID": examples["item_id"], "PARTICIPANT_ID": examples["respondent_id"], "SCORE": ratings}
    ).write_csv(path, separator="\t")


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
