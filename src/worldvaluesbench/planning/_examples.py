"""Which examples are asked: those of a probe set, of a split, or of a list of one's own.

Only an example with a valid response is asked, for nothing else can be scored. They are never held as a long table:
for one item at a time, they are row numbers of the dataset.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench._io import check_files, check_fits, file_facts, reason_of
from worldvaluesbench.benchmark import PROBE, Dataset, dataset_difference
from worldvaluesbench.errors import DatasetError, FolderError, ProbeError
from worldvaluesbench.planning._keys import read_keys
from worldvaluesbench.survey import Codebook

Rows = NDArray[np.int32]


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
    rows, n_left_out = _rows_of(_only(keys, item_ids, dataset.codebook, str(folder)), dataset, folder)
    if n_left_out:
        raise ProbeError(f"{folder}: {n_left_out:,} of its examples have no valid response here; draw the probe again.")
    spec = manifest["spec"]
    facts = manifest["files"][PROBE]
    source = {"source": "probe"} | {key: spec.get(key) for key in ("name", "split", "cross")}
    source["sha256"] = facts["sha256"]
    return _listed(dataset, rows, source)


def split_examples(dataset: Dataset, split: str, item_ids: Iterable[str] | None = None) -> ExampleSet:
    """All examples of a split (`full`: of everyone), or those for these items: every valid response is one.

    Raises DatasetError for an unknown split or where nobody responded, CodebookError for an unknown item.
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
    keys = _only(read_keys(path, dataset.codebook), item_ids, dataset.codebook, str(path))
    rows, n_left_out = _rows_of(keys, dataset, path)
    source = {"source": "file", "name": path.name, "sha256": file_facts(path)["sha256"]}
    return _listed(dataset, rows, source, n_left_out)


def _listed(dataset: Dataset, rows: Mapping[str, Rows], source: Mapping[str, Any], n_left_out: int = 0) -> ExampleSet:
    return ExampleSet(
        dataset, {item_id: named.size for item_id, named in rows.items()}, rows.__getitem__, source, n_left_out
    )


def _in_order(item_ids: Iterable[str], codebook: Codebook) -> list[str]:
    """These items in questionnaire order, each once; raises CodebookError for an unknown one."""
    wanted = {codebook.item(item_id).item_id for item_id in item_ids}
    return [item_id for item_id in codebook.item_ids if item_id in wanted]


def _only(keys: pl.DataFrame, item_ids: Iterable[str] | None, codebook: Codebook, source: str) -> pl.DataFrame:
    if item_ids is None:
        return keys
    wanted = _in_order(item_ids, codebook)
    kept = keys.filter(pl.col("item_id").cast(pl.String).is_in(wanted))
    if kept.is_empty():
        raise DatasetError(f"{source}: holds no example of {', '.join(wanted[:5])}; choose items that it has.")
    return kept


def _rows_of(keys: pl.DataFrame, dataset: Dataset, source: Path) -> tuple[dict[str, Rows], int]:
    """The rows of the distinct examples by item, without those that have no valid response, and how many these are."""
    named = _rows_named(keys["respondent_id"].to_numpy(), dataset, source)
    items = keys["item_id"].cast(pl.Enum(dataset.codebook.item_ids)).to_physical().to_numpy()
    by_item = np.argsort(items, kind="stable")
    numbers, starts = np.unique(items[by_item], return_index=True)
    wanted = [dataset.codebook.item_ids[number] for number in numbers.tolist()]
    responses = dataset.responses(wanted)
    rows: dict[str, Rows] = {}
    n_left_out = 0
    for item_id, places in zip(wanted, np.split(by_item, starts[1:]), strict=True):
        _, firsts = np.unique(named[places], return_index=True)
        distinct = named[places][np.sort(firsts)]
        valid = distinct[responses[item_id].to_numpy()[distinct] >= 0]
        n_left_out += distinct.size - valid.size
        if valid.size:
            rows[item_id] = valid
    return rows, n_left_out


def _rows_named(respondent_ids: NDArray[np.int64], dataset: Dataset, source: Path) -> Rows:
    """The row of each of these respondents in the dataset's tables; raises DatasetError where one has none."""
    known = dataset.respondents(["respondent_id"])["respondent_id"].to_numpy()
    order = np.argsort(known)
    places = np.searchsorted(known, respondent_ids, sorter=order).clip(max=known.size - 1)
    rows: Rows = order[places].astype(np.int32)
    unknown = respondent_ids[known[rows] != respondent_ids]
    if unknown.size:
        raise DatasetError(
            f"{source}: names {np.unique(unknown).size:,} respondents whom {dataset.folder} does not have, the first "
            f"of them {unknown[0]}; expected ids of this dataset and its edition."
        )
    return rows
