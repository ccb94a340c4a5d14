"""Which examples are asked: those of a probe set, of a split, or of a user's file.

Only an example with a valid response is asked, for nothing else can be scored. They are never held as a long table:
for one item at a time, they are row numbers of the dataset.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench._io import check_files, check_fits, file_facts, reason_of, split_header
from worldvaluesbench.benchmark import PROBE, Dataset, dataset_difference
from worldvaluesbench.errors import DatasetError, FolderError, ProbeError
from worldvaluesbench.survey import Codebook

Rows = NDArray[np.int32]

KEY_NAMES = {
    "item_id": ("item_id", "question_id", "question"),
    "respondent_id": ("respondent_id", "participant_id", "d_interview"),
}
"""What each column may be called, in any case; the last of each is that of the published samples."""

SEPARATORS = ("\t", ",", ";", "|")


@dataclass(frozen=True, eq=False)
class ExampleSet:
    """Examples of a dataset that are to be asked, each once.

    `counts`: how many there are of each item, in questionnaire order. `rows_of` gives, for one of these items, the
    rows of its respondents in the dataset's tables, in the order of the source. `source` says where they come from.
    `n_left_out` counts what the source names and nothing can be compared with: there is no valid response.
    """

    dataset: Dataset
    counts: Mapping[str, int] = field(repr=False)
    rows_of: Callable[[str], Rows] = field(repr=False)
    source: Mapping[str, Any]
    n_left_out: int = 0

    def __post_init__(self) -> None:
        if not self.n:
            raise DatasetError(
                f"{self.dataset.folder}: none of the examples to ask has a valid response "
                f"({self.n_left_out:,} were left out); choose other items or respondents."
            )

    @property
    def n(self) -> int:
        """The number of examples."""
        return sum(self.counts.values())

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The items that are asked, in questionnaire order."""
        return tuple(self.counts)

    def first(self, n: int | None) -> "ExampleSet":
        """The first n examples in the order in which they are asked, item by item; all of them for None."""
        if n is None or n >= self.n:
            return self
        counts: dict[str, int] = {}
        for item_id, count in self.counts.items():
            if (left := n - sum(counts.values())) > 0:
                counts[item_id] = min(count, left)
        source = {**self.source, "limit": n}
        return replace(
            self, counts=counts, rows_of=lambda item_id: self.rows_of(item_id)[: counts[item_id]], source=source
        )

    def describe(self) -> dict[str, Any]:
        """What a run's files say of its examples: the source, how many, which items. No respondent."""
        counts = {"n": self.n, "n_left_out": self.n_left_out}
        return {**self.source, **counts, "item_ids": list(self.item_ids)}


def probe_examples(dataset: Dataset, probe_folder: Path | str, item_ids: Iterable[str] | None = None) -> ExampleSet:
    """The examples of a probe set made by `wvb probe` from this dataset, or those for these items.

    Raises FolderError where the folder is no whole probe set, ProbeError where it was made from another dataset or
    has none of the items, CodebookError for an unknown item.
    """
    folder = Path(probe_folder)
    manifest = check_files(folder, "probe", "spec", "dataset")
    difference = dataset_difference(manifest["dataset"], dataset.receipt)
    if difference is not None:
        raise ProbeError(
            f"{folder}: was drawn from another dataset than {dataset.folder}: {difference}; draw a probe from this one."
        )
    try:
        check_fits((folder / PROBE).read_bytes())
        keys = pl.read_parquet(folder / PROBE, columns=["item_id", "respondent_id"], glob=False)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise FolderError(f"{folder / PROBE}: cannot be read ({reason_of(error)}); draw the probe again.") from None
    spec, sha256 = manifest["spec"], manifest["files"][PROBE]["sha256"]
    source = {"source": "probe"} | {key: spec.get(key) for key in ("name", "split", "cross")} | {"sha256": sha256}
    rows, n_left_out = _rows_of(dataset, keys, item_ids, folder)
    if n_left_out:
        raise ProbeError(f"{folder}: {n_left_out:,} of its examples have no valid response here; draw the probe again.")
    return _listed(dataset, rows, 0, source)


def split_examples(dataset: Dataset, split: str, item_ids: Iterable[str] | None = None) -> ExampleSet:
    """All examples of a split (`full`: of all respondents), or those for these items: every valid response is one.

    Raises DatasetError for an unknown split or where there is no response, CodebookError for an unknown item.
    """
    order = dataset.split_order(split)["row"].to_numpy().astype(np.int32)
    wanted = _in_order(dataset.codebook.item_ids if item_ids is None else item_ids, dataset.codebook)
    responses = dataset.responses(wanted)[order]

    def is_asked(item_id: str) -> NDArray[np.bool_]:
        return responses[item_id].to_numpy() >= 0

    counts = {item_id: int(np.count_nonzero(is_asked(item_id))) for item_id in wanted}
    counts = {item_id: n for item_id, n in counts.items() if n}
    return ExampleSet(dataset, counts, lambda item_id: order[is_asked(item_id)], {"source": "split", "split": split})


def read_examples(dataset: Dataset, file: Path | str, item_ids: Iterable[str] | None = None) -> ExampleSet:
    """The examples that a file names (csv, tsv or parquet), or those for these items; one named twice is asked once.

    Its columns are `item_id` and `respondent_id`, or as in published files `QUESTION_ID` and `PARTICIPANT_ID`.

    Raises DatasetError where it cannot be read or names an unknown item or respondent, CodebookError for an unknown
    item in `item_ids`.
    """
    path = Path(file)
    keys = _read_keys(path, dataset.codebook)
    source = {"source": "file", "name": path.name, "sha256": file_facts(path)["sha256"]}
    return _listed(dataset, *_rows_of(dataset, keys, item_ids, path), source)


def _listed(dataset: Dataset, rows: Mapping[str, Rows], n_left_out: int, source: Mapping[str, Any]) -> ExampleSet:
    counts = {item_id: valid.size for item_id, valid in rows.items()}
    return ExampleSet(dataset, counts, rows.__getitem__, source, n_left_out)


def _rows_of(
    dataset: Dataset, keys: pl.DataFrame, item_ids: Iterable[str] | None, path: Path
) -> tuple[dict[str, Rows], int]:
    """The dataset rows of the distinct examples by item, and how many have no valid response and are left out."""
    codebook = dataset.codebook
    keys = keys.select(pl.col("item_id").cast(pl.Enum(codebook.item_ids)), "respondent_id").unique(maintain_order=True)
    if item_ids is not None:
        wanted = _in_order(item_ids, codebook)
        keys = keys.filter(pl.col("item_id").cast(pl.String).is_in(wanted))
        if keys.is_empty():
            raise DatasetError(f"{path}: holds no example of {', '.join(wanted[:5])}; choose items that it has.")
    known = dataset.respondents(["respondent_id"]).with_row_index("row")
    named = keys.join(known, on="respondent_id", how="left", maintain_order="left")
    unknown = named.filter(pl.col("row").is_null())["respondent_id"]
    if unknown.len():
        raise DatasetError(
            f"{path}: names {unknown.n_unique():,} respondents that {dataset.folder} does not have, the first of them "
            f"{unknown[0]}; expected ids of this dataset and its edition."
        )
    groups = named.partition_by("item_id", as_dict=True)
    wanted = [item_id for item_id in codebook.item_ids if (item_id,) in groups]
    responses = dataset.responses(wanted)
    rows: dict[str, Rows] = {}
    for item_id in wanted:
        distinct = groups[item_id,]["row"].to_numpy().astype(np.int32)
        valid = distinct[responses[item_id].to_numpy()[distinct] >= 0]
        if valid.size:
            rows[item_id] = valid
    return rows, keys.height - sum(valid.size for valid in rows.values())


def _in_order(item_ids: Iterable[str], codebook: Codebook) -> list[str]:
    """These items in questionnaire order, each once; raises CodebookError for an unknown one."""
    wanted = {codebook.item(item_id).item_id for item_id in item_ids}
    return [item_id for item_id in codebook.item_ids if item_id in wanted]


def _read_keys(path: Path, codebook: Codebook) -> pl.DataFrame:
    """`item_id` (an Enum of all item ids) and `respondent_id` (Int64) of every row; other columns are passed over.

    Raises DatasetError where the file is absent, holds no rows, lacks a column, names an unknown item, or has an id
    that is no whole number; the message says in which row.
    """
    raw = _read_key_columns(path).with_row_index("row", offset=1)
    raw = raw.filter(~pl.all_horizontal(pl.col(*KEY_NAMES).is_null()))  # blank lines are no rows
    if raw.is_empty():
        raise DatasetError(f"{path}: holds no examples; expected a header and a row for each example.")
    keys = raw.select(
        pl.col("item_id").cast(pl.String).str.strip_chars().cast(pl.Enum(codebook.item_ids), strict=False),
        pl.col("respondent_id").cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False),
    )
    for name, expected in (("item_id", "an item such as Q1"), ("respondent_id", "the id of a respondent")):
        bad = raw.filter(keys[name].is_null())
        if bad.height:
            found = str(bad[name][0] or "")[:40]
            raise DatasetError(f"{path} row {bad['row'][0]}: {name} is {found!r}; expected {expected}.")
    return keys


def _read_key_columns(path: Path) -> pl.DataFrame:
    try:
        with path.open("rb") as stream:
            start = stream.read(1 << 16)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); expected a file of examples.") from None
    try:
        if start.startswith(b"PAR1"):
            check_fits(path.read_bytes())
            named = _columns(path, list(pl.read_parquet_schema(path)))
            return pl.read_parquet(path, columns=list(named), glob=False).rename(named)
        line = start.split(b"\n", 1)[0].decode("utf-8-sig").rstrip("\r")
        separator, names = split_header(line, SEPARATORS)
        named = _columns(path, names)
        read = partial(pl.read_csv, infer_schema=False, raise_if_empty=False, glob=False)
        return read(path, separator=separator, columns=list(named)).rename(named)
    except (pl.exceptions.PolarsError, ValueError) as error:
        first = str(error).splitlines()[0][:100]
        raise DatasetError(f"{path}: cannot be read as csv, tsv or parquet ({first}).") from None


def _columns(path: Path, names: list[str]) -> dict[str, str]:
    """Which column of the file is which key."""
    plain = {name.strip().casefold(): name for name in reversed(names)}
    found = {key: next((plain[name] for name in known if name in plain), None) for key, known in KEY_NAMES.items()}
    columns = {name: key for key, name in found.items() if name is not None}
    absent = [key for key, name in found.items() if name is None]
    if absent:
        raise DatasetError(
            f"{path}: has no column {absent[0]}; expected item_id and respondent_id, or QUESTION_ID and "
            f"PARTICIPANT_ID (found {', '.join(names[:6])})."
        )
    return columns
