"""A probe set: a small sample of people for each item, drawn cell by cell, so that every group is heard alike."""

import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench._io import check_destination, new_folder, write_manifest
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._spec import ProbeSpec, read_spec
from worldvaluesbench.errors import ProbeError
from worldvaluesbench.survey import level_label, load_derived_attributes

PROBE, CELLS, SAMPLES = "probe.parquet", "cells.parquet", "samples.tsv"
MAX_CELLS = 200_000
PUBLISHED_NAMES: dict[str, str] = {
    "continent": "Continent",
    "H_URBRURAL": "Urban / Rural",
    "education_level": "Education",
}

Draw = Callable[[Sequence[int], int], list[int]]


@dataclass(frozen=True)
class ProbeSet:
    """A drawn probe set.

    `examples`: one row an example, in the order of the draw: `item_id`, the codes of the crossed attributes,
    `respondent_id`. `cells`: one row an item and cell: the codes, `n_candidates`, `n_drawn` (0: skipped).
    """

    spec: ProbeSpec
    edition: str
    examples: pl.DataFrame = field(repr=False)
    cells: pl.DataFrame = field(repr=False)


def draw_probe(dataset: Dataset, spec: ProbeSpec) -> ProbeSet:
    """Draw a probe set from a dataset.

    Edition `paper` repeats the published draw: Python's `random`, one stream through items and cells; the levels
    of derived attributes in order of first appearance in the split, those of attributes in order of their codes.
    Edition `corrected` takes all levels in order of their codes and draws with a numpy generator.

    Raises ProbeError where no cell has enough people.
    """
    order = dataset.split_order(spec.split)["row"]
    people = dataset.respondents(["respondent_id", *spec.cross])[order]
    responses = dataset.responses(spec.item_ids)[order]
    is_paper = dataset.edition == "paper"
    cells = _cells(people, spec.cross, by_appearance=is_paper)
    cell_of = _cell_of(people, spec.cross, cells)
    draw = _draw_with_random(spec.seed) if is_paper else _draw_with_numpy(spec.seed)
    examples, counts = _draw_all(responses, spec, cell_of, len(cells), draw)
    if not examples[0].size:
        raise ProbeError(
            f"{spec.name}: no cell of {' x '.join(spec.cross)} has {spec.minimum} people in the {spec.split} split of "
            f"{dataset.folder}; lower minimum and per_cell or cross fewer attributes."
        )
    return ProbeSet(spec, dataset.edition, _examples(spec, cells, people, examples), _counts(spec, cells, counts))


def build_probe(dataset: Dataset, spec: str | Path | ProbeSpec, out: Path | str, *, force: bool = False) -> ProbeSet:
    """Draw a probe set and write it as a folder: `probe.parquet`, `cells.parquet`, `samples.tsv`, `manifest.json`.

    Raises ProbeError for an impossible specification, FolderError where the folder cannot be made.
    """
    check_destination(Path(out), "probe", force=force)
    probe = draw_probe(dataset, spec if isinstance(spec, ProbeSpec) else read_spec(spec, dataset.codebook))
    with new_folder(Path(out), "probe", force=force) as staging:
        probe.examples.write_parquet(staging / PROBE)
        probe.cells.write_parquet(staging / CELLS)
        published_samples(probe, dataset).write_csv(staging / SAMPLES, separator="\t")
        content: dict[str, Any] = {
            "edition": dataset.edition,
            "is_invented": dataset.is_invented,
            "spec": asdict(probe.spec),
            "dataset": dataset.receipt,
            "n_examples": probe.examples.height,
            "n_respondents": probe.examples["respondent_id"].n_unique(),
            "n_cells": probe.cells.filter(pl.col("n_drawn") > 0).select(probe.spec.cross).n_unique(),
        }
        write_manifest(staging, "probe", content)
    return probe


def published_samples(probe: ProbeSet, dataset: Dataset) -> pl.DataFrame:
    """The probe set in the shape of the published `samples.tsv`: labels instead of codes, and the topic."""
    codebook = dataset.codebook
    topics = {item.item_id: item.topic for item in codebook.items}
    columns = [
        pl.col("item_id").alias("Question"),
        pl.col("item_id").replace_strict(topics, return_dtype=pl.String).alias("Question Category"),
    ]
    for attribute_id in probe.spec.cross:
        codes = probe.examples[attribute_id].unique().to_list()
        labels = {code: level_label(attribute_id, code, codebook) for code in codes}
        name = PUBLISHED_NAMES.get(attribute_id, attribute_id)
        columns.append(pl.col(attribute_id).replace_strict(labels, return_dtype=pl.String).alias(name))
    return probe.examples.select(*columns, pl.col("respondent_id").alias("D_INTERVIEW"))


def _cells(people: pl.DataFrame, cross: Sequence[str], *, by_appearance: bool) -> list[tuple[int, ...]]:
    """The full cross of the levels that occur, last attribute running fastest.

    Raises ProbeError where there are far more cells than people could fill.
    """
    levels = []
    for attribute_id in cross:
        column = people[attribute_id]
        occurring = column.filter(column >= 0).unique(maintain_order=True)
        is_by_appearance = by_appearance and attribute_id in load_derived_attributes()
        levels.append((occurring if is_by_appearance else occurring.sort()).to_list())
    n_cells = math.prod(map(len, levels))
    if n_cells > MAX_CELLS:
        raise ProbeError(
            f"The cross of {' x '.join(cross)} has {n_cells:,} cells, far more than people could fill; "
            f"cross fewer or coarser attributes (at most {MAX_CELLS:,} cells)."
        )
    return list(itertools.product(*levels))


def _cell_of(people: pl.DataFrame, cross: Sequence[str], cells: list[tuple[int, ...]]) -> NDArray[np.int64]:
    """For every person the number of their cell; -1 where a level is missing."""
    table = pl.DataFrame(cells, schema={name: people.schema[name] for name in cross}, orient="row")
    joined = people.select(cross).join(table.with_row_index("cell"), on=list(cross), how="left", maintain_order="left")
    return joined["cell"].cast(pl.Int64).fill_null(-1).to_numpy()


def _draw_all(
    responses: pl.DataFrame, spec: ProbeSpec, cell_of: NDArray[np.int64], n_cells: int, draw: Draw
) -> tuple[tuple[NDArray[np.int64], ...], NDArray[np.int64]]:
    """Item, cell and person numbers of every draw, and candidates by item and cell."""
    # people of one cell side by side, each cell's in split order
    by_cell = np.argsort(cell_of, kind="stable")
    by_cell = by_cell[np.searchsorted(cell_of[by_cell], 0) :]
    drawn: list[tuple[int, int, int]] = []
    counts = np.zeros((len(spec.item_ids), n_cells), dtype=np.int64)
    for item, item_id in enumerate(spec.item_ids):
        candidates = by_cell[responses[item_id].to_numpy()[by_cell] >= 0]
        counts[item] = np.bincount(cell_of[candidates], minlength=n_cells)
        ends = np.cumsum(counts[item])
        for cell in np.flatnonzero(counts[item] >= spec.minimum).tolist():
            members = candidates[ends[cell] - counts[item, cell] : ends[cell]].tolist()
            drawn += [(item, cell, person) for person in draw(members, spec.per_cell)]
    return tuple(np.array(drawn, dtype=np.int64).reshape(-1, 3).T), counts


def _draw_with_random(seed: int) -> Draw:
    stream = random.Random(seed)
    return lambda members, k: stream.sample(members, k)


def _draw_with_numpy(seed: int) -> Draw:
    rng = np.random.default_rng(seed)
    return lambda members, k: rng.choice(members, size=k, replace=False).tolist()


def _examples(
    spec: ProbeSpec, cells: list[tuple[int, ...]], people: pl.DataFrame, drawn: tuple[NDArray[np.int64], ...]
) -> pl.DataFrame:
    items, cell_numbers, persons = drawn
    codes = np.array(cells)[cell_numbers]
    return pl.DataFrame(
        [
            pl.Series("item_id", np.array(spec.item_ids)[items]),
            *(pl.Series(name, codes[:, k], dtype=people.schema[name]) for k, name in enumerate(spec.cross)),
            people["respondent_id"][persons],
        ]
    )


def _counts(spec: ProbeSpec, cells: list[tuple[int, ...]], counts: NDArray[np.int64]) -> pl.DataFrame:
    codes = np.tile(np.array(cells), (len(spec.item_ids), 1))
    flat = counts.ravel()
    return pl.DataFrame(
        [
            pl.Series("item_id", np.repeat(np.array(spec.item_ids), len(cells))),
            *(pl.Series(name, codes[:, k]) for k, name in enumerate(spec.cross)),
            pl.Series("n_candidates", flat),
            pl.Series("n_drawn", np.where(flat >= spec.minimum, spec.per_cell, 0)),
        ]
    )
