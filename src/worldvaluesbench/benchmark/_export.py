"""A dataset in the published layout: tab-separated text answers and ratings by split, and the catalogue."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import polars as pl

from worldvaluesbench._io import check_destination, new_folder, write_json, write_manifest
from worldvaluesbench.benchmark._dataset import CATALOGUE, EVERYONE, Dataset
from worldvaluesbench.benchmark._split import SPLITS
from worldvaluesbench.survey import ORDINAL_ATTRIBUTES, Attribute, Codebook, catalogue_of, load_codebook_labels

ID_NAME = "D_INTERVIEW"
Labels = Literal["ours", "published"]


def export_tsv(dataset: Dataset, out: Path | str, *, labels: Labels = "ours", force: bool = False) -> None:
    """Write a dataset in the published layout, same rows in the same order.

    For each of `full`, `train`, `valid` and `test` a folder with `*_demographic_qa.tsv` (attributes as text) and
    `*_value_qa.tsv` (ratings); a missing response or attribute is an empty cell. `question_metadata.json` beside.

    With the labels `published` attributes have the codebook's texts, those of missing codes among them ("Not asked"),
    the steps of income are numbers and `question_metadata.json` has `D_INTERVIEW`, as published code expects.

    Raises FolderError where the folder cannot be made.
    """
    check_destination(Path(out), "export", force=force)
    codebook = dataset.codebook
    texts = _codebook_texts(codebook) if labels == "published" else attribute_texts(codebook)
    demographic = dataset.respondents(["respondent_id", *codebook.attribute_ids]).select(
        pl.col("respondent_id").alias(ID_NAME), *texts
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
        write_json(staging / CATALOGUE, catalogue_of(codebook, as_published=labels == "published"))
        content = {
            "edition": dataset.edition,
            "labels": labels,
            "is_invented": dataset.is_invented,
            "dataset": dataset.receipt,
        }
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


def _codebook_texts(codebook: Codebook) -> Iterator[pl.Expr]:
    """The same with the codebook's labels, which missing codes have too; codes without a label are their own text.

    A reason that the survey has no code for, such as a code which the codebook does not list, is an empty cell.
    """
    reasons = [missing.code for missing in codebook.missing_reasons if missing.code in missing.file_codes]
    for attribute_id in codebook.attribute_ids:
        codes = pl.col(attribute_id)
        if attribute_id in ORDINAL_ATTRIBUTES:
            yield pl.when(codes >= 0).then(codes).alias(attribute_id)
            continue
        labels: Mapping[int, str] = load_codebook_labels()[attribute_id]
        told = pl.when((codes >= 0) | codes.is_in(reasons)).then(codes)
        yield told.replace_strict(labels, default=told.cast(pl.String), return_dtype=pl.String).alias(attribute_id)
