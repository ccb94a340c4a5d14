"""A dataset in the published layout: tab-separated text answers and ratings by split, and the catalogue."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from worldvaluesbench.benchmark.dataset import CATALOGUE, EVERYONE, Dataset
from worldvaluesbench.benchmark.split import SPLITS
from worldvaluesbench.folder import check_destination, new_folder, write_json, write_manifest
from worldvaluesbench.survey.catalogue import catalogue_of
from worldvaluesbench.survey.codebook import Attribute, Codebook

ID_NAME = "D_INTERVIEW"


def export_tsv(dataset: Dataset, out: Path | str, *, force: bool = False) -> None:
    """Write a dataset in the published layout, same rows in the same order.

    For each of `full`, `train`, `valid` and `test` a folder with `*_demographic_qa.tsv` (attributes as text) and
    `*_value_qa.tsv` (ratings); a missing response or attribute is an empty cell. `question_metadata.json` beside.

    Raises FolderError where the folder cannot be made.
    """
    check_destination(Path(out), "export", force=force)
    codebook = dataset.codebook
    demographic = dataset.respondents(["respondent_id", *codebook.attribute_ids]).select(
        pl.col("respondent_id").alias(ID_NAME), *attribute_texts(codebook)
    )
    values = dataset.responses().select(
        pl.col("respondent_id").alias(ID_NAME),
        *(pl.when(pl.col(item_id) >= 0).then(pl.col(item_id)).alias(item_id) for item_id in codebook.item_ids),
    )
    with new_folder(Path(out), "export", force=force) as staging:
        for split in (EVERYONE, *SPLITS):
            rows = dataset.split_order(split)["row"]
            (staging / split).mkdir()
            demographic[rows].write_csv(staging / split / f"{split}_demographic_qa.tsv", separator="\t")
            values[rows].write_csv(staging / split / f"{split}_value_qa.tsv", separator="\t")
        write_json(staging / CATALOGUE, catalogue_of(codebook))
        content = {"edition": dataset.edition, "is_invented": dataset.is_invented, "dataset": dataset.receipt}
        write_manifest(staging, "export", content)


def attribute_texts(codebook: Codebook) -> Iterator[pl.Expr]:
    """For each attribute an expression that turns its codes to text; missing ones to null."""
    for attribute in codebook.attributes:
        yield _text_of(attribute)


def _text_of(attribute: Attribute) -> pl.Expr:
    codes = pl.col(attribute.attribute_id)
    if attribute.is_free:
        # the published files hold these as the plain numbers of the survey file, dates too
        return pl.when(codes >= 0).then(codes.cast(pl.String)).alias(attribute.attribute_id)
    labels = dict(attribute.choices)
    valid = pl.when(codes >= 0).then(codes)
    return valid.replace_strict(labels, return_dtype=pl.String).alias(attribute.attribute_id)
