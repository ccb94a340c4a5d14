"""Dataset folders made by hand, small enough to be checked by eye, and files of answers to go with them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from worldvaluesbench._io._folder import MANIFEST, file_facts, manifest_of, write_json
from worldvaluesbench.benchmark._dataset import CATALOGUE, RESPONDENTS, RESPONSES, Dataset, load_dataset
from worldvaluesbench.scoring._config import How
from worldvaluesbench.survey._catalogue import catalogue_of
from worldvaluesbench.survey._codebook import load_codebook

ALL = How(min_n=1, min_n_stated=1)
"""No cell is too small: for people who can be counted on the fingers."""

HEADER = ("QUESTION_ID", "PARTICIPANT_ID", "SCORE")
URBAN, RURAL = 1, 2


def make_dataset(
    folder: Path,
    responses: Mapping[str, Sequence[int]],
    attributes: Mapping[str, Sequence[int]] | None = None,
    *,
    weights: Mapping[str, Sequence[float | None]] | None = None,
    splits: Sequence[str] | None = None,
) -> Dataset:
    """A dataset of respondents 101, 102, ... with a response of each to every item, and a code for every attribute.

    All are in the test split unless `splits` says otherwise; `weights` are survey weights by name.
    """
    folder.mkdir(parents=True)
    n = len(next(iter(responses.values())))
    ids = pl.Series("respondent_id", range(101, 101 + n), dtype=pl.Int64)
    people = pl.DataFrame({"respondent_id": ids}).with_columns(
        pl.Series("split", splits or ["test"] * n, dtype=pl.Enum(["train", "valid", "test"])),
        pl.int_range(pl.len(), dtype=pl.Int32).alias("place"),
        *(pl.Series(key, codes, dtype=pl.Int32) for key, codes in (attributes or {}).items()),
        *(pl.Series(key, values, dtype=pl.Float64) for key, values in (weights or {}).items()),
    )
    people.write_parquet(folder / RESPONDENTS)
    columns = [pl.Series(item_id, ratings, dtype=pl.Int8) for item_id, ratings in responses.items()]
    pl.DataFrame([ids, *columns]).write_parquet(folder / RESPONSES)
    write_json(folder / CATALOGUE, catalogue_of(load_codebook()))
    content = {
        "edition": "paper",
        "source": {"name": "by_hand.csv", "size": 0, "sha256": ""},
        "file_version": "5.0",
        "is_invented": True,
        "n_respondents": n,
        "counts": [],
        "files": {path.name: file_facts(path) for path in folder.iterdir()},
    }
    write_json(folder / MANIFEST, manifest_of("dataset", content))
    return load_dataset(folder)


def write_answers(path: Path, rows: Iterable[tuple[object, object, object]], separator: str = "\t") -> Path:
    """A file of answers in the published shape."""
    lines = [HEADER, *rows]
    path.write_text("".join(separator.join(map(str, line)) + "\n" for line in lines), encoding="utf-8")
    return path
