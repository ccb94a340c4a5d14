"""The fit folder: what a baseline was fitted to, kept, so that it can answer again without being fitted again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench._io import MANIFEST, check_files, new_folder, write_manifest
from worldvaluesbench.baselines._chain import Level
from worldvaluesbench.baselines._distributions import Distributions, distributions_of
from worldvaluesbench.baselines._features import Features, is_nominal
from worldvaluesbench.baselines._trees import Trees, start_levels
from worldvaluesbench.benchmark import Dataset, dataset_difference
from worldvaluesbench.errors import RunError
from worldvaluesbench.prompts import differences
from worldvaluesbench.runs import used_versions

KIND = "fit"
DISTRIBUTIONS, MODELS, LEVELS = "distributions.parquet", "models.parquet", "levels.parquet"

Content = Mapping[str, Any]


def describe_fit(name: str, settings: Mapping[str, Any], dataset: Dataset, item_ids: Sequence[str]) -> dict[str, Any]:
    """What the manifest of a fit says, beside versions and files: which baseline, how, of which dataset and items."""
    return {
        "baseline": name,
        "settings": dict(settings),
        "dataset": dataset.receipt,
        "is_invented": dataset.is_invented,
        "item_ids": list(item_ids),
    }


def find_fit(folder: Path, wanted: Content) -> bool:
    """Whether a fit is kept in this folder; False where there is nothing yet.

    Raises RunError where the folder holds something else, or a fit of another baseline, dataset or settings, or
    without some of the items; FolderError where it is damaged.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if not (folder / MANIFEST).is_file():
        raise RunError(f"{folder}: holds no fit; choose an absent or empty folder to keep one in.")
    found = check_files(folder, KIND)
    different = differences(_compared(found), _compared(wanted))
    other = dataset_difference(found["dataset"], wanted["dataset"])
    if other is not None:
        different.append(f"dataset: {other}")
    if different:
        raise RunError(f"{folder}: holds another fit ({'; '.join(different[:3])}); choose another folder for this one.")
    absent = [item_id for item_id in wanted["item_ids"] if item_id not in found["item_ids"]]
    if absent:
        raise RunError(
            f"{folder}: was fitted without {len(absent)} of the {len(wanted['item_ids'])} items that are asked, the "
            f"first of them {absent[0]}; fit them in another folder."
        )
    return True


def write_distributions(folder: Path, fit: Distributions, dataset: Dataset, content: Content) -> None:
    """Keep distributions in a folder of their own."""
    with new_folder(folder, KIND) as staging:
        fit.table(dataset.codebook).write_parquet(staging / DISTRIBUTIONS, compression="zstd")
        write_manifest(staging, KIND, {**content, "versions": used_versions()})


def read_distributions(folder: Path, levels: Sequence[Level]) -> Distributions:
    """Distributions that were kept, for the groups of this dataset.

    Raises DatasetError where the groups are others.
    """
    return distributions_of(pl.read_parquet(folder / DISTRIBUTIONS, glob=False), levels)


def write_trees(folder: Path, fit: Trees, content: Content) -> None:
    """Keep trees, and the distributions they begin with, in a folder of their own."""
    models = pl.DataFrame({"item_id": list(fit.models), "model": list(fit.models.values())})
    with new_folder(folder, KIND) as staging:
        fit.start.table(fit.dataset.codebook).write_parquet(staging / DISTRIBUTIONS, compression="zstd")
        models.write_parquet(staging / MODELS, compression="zstd")
        fit.features.table().write_parquet(staging / LEVELS, compression="zstd")
        write_manifest(staging, KIND, {**content, "versions": used_versions()})


def read_trees(folder: Path, attribute_ids: Sequence[str], dataset: Dataset) -> Trees:
    """Trees that were kept, which see these attributes, to answer for people of this dataset."""
    nominal = [attribute_id for attribute_id in attribute_ids if is_nominal(attribute_id, dataset.codebook)]
    known = pl.read_parquet(folder / LEVELS, glob=False)
    levels = {name: tuple(known.filter(attribute_id=name)["code"].to_list()) for name in nominal}
    start = read_distributions(folder, start_levels(dataset, attribute_ids))
    models = pl.read_parquet(folder / MODELS, glob=False)
    return Trees(start, Features(tuple(attribute_ids), levels), dict(models.rows()), dataset)


def _compared(content: Content) -> dict[str, Any]:
    return {"baseline": content["baseline"], "settings": content["settings"]}
