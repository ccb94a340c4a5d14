"""The demonstration: the whole path once, on invented people, with stand-ins where a model would answer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from worldvaluesbench.benchmark.build import build_dataset
from worldvaluesbench.benchmark.dataset import Dataset
from worldvaluesbench.benchmark.probe import ProbeSet, build_probe
from worldvaluesbench.distribution import Array
from worldvaluesbench.errors import FolderError, ProbeError
from worldvaluesbench.folder import new_file
from worldvaluesbench.scoring.answers import read_answers
from worldvaluesbench.scoring.baselines import majority_distances, uniform_distances
from worldvaluesbench.scoring.reference import respondents_reference
from worldvaluesbench.scoring.score import score_answers
from worldvaluesbench.scoring.scores import Scores, write_scores
from worldvaluesbench.survey.attributes import Grouping
from worldvaluesbench.survey.marginals import Marginals, load_marginals
from worldvaluesbench.survey.synthetic import write_synthetic

SURVEY, DATASET, PROBE, ANSWERS, SCORES, WORLD = (
    "survey.csv", "dataset", "probe", "answers", "scores", "world_baselines.csv",
)  # fmt: skip


MIN_RESPONDENTS = 2_000


@dataclass(frozen=True)
class Demo:
    """What a demonstration leaves behind: its folder, and the results in it.

    `world`: for every item that has world marginals its distances from the uniform and the majority baseline.
    """

    folder: Path
    dataset: Dataset
    probe: ProbeSet
    scores: Scores
    world: pl.DataFrame


def run_demo(folder: Path, *, n_respondents: int, seed: int, force: bool, say: Callable[[str], None]) -> Demo:
    """Invent a survey, build a dataset, draw the paper's probe, answer it by stand-ins, score, and look at the world.

    `say` is told of each step as it starts. Every step writes into `folder`.
    """
    if n_respondents < MIN_RESPONDENTS:
        raise ProbeError(
            f"A demonstration has at least {MIN_RESPONDENTS:,} respondents, got {n_respondents:,}: "
            f"of fewer too few are in each cell of the probe."
        )
    _check_folder(folder)
    say(f"1. Invent a survey of {n_respondents:,} respondents")
    write_synthetic(folder / SURVEY, n_respondents, seed=seed, force=force)
    say("2. Build a dataset from it")
    dataset = build_dataset(folder / SURVEY, folder / DATASET, force=force)
    say("3. Draw the paper's probe set")
    probe = build_probe(dataset, "paper36", folder / PROBE, force=force)
    say("4. Answer it by stand-ins for a model, and score them with the baselines")
    paths = write_stand_ins(probe, dataset, folder / ANSWERS, rng=np.random.default_rng(seed), force=force)
    scores = score_answers(
        [read_answers(path) for path in paths], respondents_reference(dataset), groupings=[Grouping(("H_URBRURAL",))]
    )
    write_scores(scores, folder / SCORES, force=force)
    say("5. Hold the baselines against the real world marginals, all items\n")
    world = world_baselines(load_marginals())
    with new_file(folder / WORLD, force=force) as path:
        world.write_csv(path)
    return Demo(folder, dataset, probe, scores, world)


def _check_folder(folder: Path) -> None:
    """Raise FolderError where the folder holds anything that no demonstration makes."""
    own = {SURVEY, DATASET, PROBE, ANSWERS, SCORES, WORLD}
    if folder.is_file():
        raise FolderError(f"{folder}: is a file; expected the name of a folder to make.")
    foreign = sorted({path.name for path in folder.iterdir()} - own) if folder.is_dir() else []
    if foreign:
        raise FolderError(f"{folder}: holds {foreign[0]}, which is not of a demonstration; choose another folder.")


def world_baselines(marginals: Marginals) -> pl.DataFrame:
    """For every item with world marginals: topic, n, and the distances of the uniform and the majority baseline."""
    items = [item for item in marginals.codebook.items if item.item_id in marginals.item_ids]
    counts = marginals.as_array()
    n_points = np.array([item.scale.n_points for item in items])
    distances: dict[str, Array] = {
        "uniform": uniform_distances(counts, n_points),
        "majority": majority_distances(counts, n_points),
    }
    return pl.DataFrame(
        {
            "item_id": [item.item_id for item in items],
            "topic": [item.topic for item in items],
            "n_responses": counts.sum(axis=1),
            **distances,
        }
    )


def write_stand_ins(
    probe: ProbeSet, dataset: Dataset, folder: Path, *, rng: np.random.Generator, force: bool
) -> list[Path]:
    """Files of answers in the published shape, as a model's would be.

    `same-cell`: for each example the response of a random person of the train split from the same cell, which a
    perfect model with attributes would resemble; `anybody`: of any person of the train split, as one without
    attributes; `guessing`: any rating of the scale.
    """
    scales = {item.item_id: item.scale for item in dataset.codebook.items}
    item_ids = probe.examples["item_id"]
    low = pl.Series([scales[item_id].low for item_id in item_ids])
    n_points = np.array([scales[item_id].n_points for item_id in item_ids])
    people = dataset.examples("train", probe.spec.item_ids, probe.spec.cross).with_columns(
        pl.col("item_id").cast(pl.String)
    )
    stand_ins = {
        "same-cell": _responses_of_others(probe, people.collect(), ["item_id", *probe.spec.cross], rng),
        "anybody": _responses_of_others(probe, people.collect(), ["item_id"], rng),
        "guessing": low + pl.Series(rng.integers(0, n_points)),
    }
    paths = []
    for name, ratings in stand_ins.items():
        with new_file(folder / f"{name}.tsv", force=force) as path:
            pl.DataFrame(
                {"QUESTION_ID": item_ids, "PARTICIPANT_ID": probe.examples["respondent_id"], "SCORE": ratings}
            ).write_csv(path, separator="\t")
        paths.append(folder / f"{name}.tsv")
    return paths


def _responses_of_others(probe: ProbeSet, people: pl.DataFrame, keys: list[str], rng: np.random.Generator) -> pl.Series:
    """For each example the rating of a random person with the same keys."""
    pools = people.group_by(keys, maintain_order=True).agg(pl.col("rating").alias("pool"))
    luck = pl.Series("luck", rng.random(probe.examples.height))
    drawn = probe.examples.with_columns(luck).join(pools, on=keys, how="left", maintain_order="left")
    place = (pl.col("luck") * pl.col("pool").list.len()).floor().cast(pl.UInt32)
    return drawn.select(pl.col("pool").list.get(place, null_on_oob=True))["pool"]
