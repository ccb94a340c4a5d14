"""A dataset: the respondents of one survey file, what they responded, and how they are split.

On disk it is a folder: `respondents.parquet`, `responses.parquet`, `items.json`, `attributes.json`,
`question_metadata.json` and `manifest.json`. See docs/formats.md for every column.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench._io import check_files
from worldvaluesbench.benchmark._identity import identity_of, secret_of
from worldvaluesbench.benchmark._split import SPLITS
from worldvaluesbench.errors import DatasetError, FolderError
from worldvaluesbench.survey import Codebook, check_attribute_id, read_wordings

RESPONDENTS, RESPONSES = "respondents.parquet", "responses.parquet"
CATALOGUE = "question_metadata.json"
EVERYONE = "full"
"""The name of the whole dataset where a split is asked for."""


@dataclass(frozen=True)
class Dataset:
    """A built dataset. Tables are read from disk when they are asked for, and only the columns asked for.

    `respondents`: one row a respondent, in file order: `respondent_id` (Int64), `split` and `place` (its place in
    the split), the 42 attributes and the derived ones (Int32 and Int8 codes, negative: a missing reason), and the
    weights and clusters of the file. `responses`: in the same row order, `respondent_id` and a column for each of the
    239 items (Int8: an on-scale rating, or the negative code of a missing reason).
    """

    folder: Path
    manifest: Mapping[str, Any] = field(repr=False)
    codebook: Codebook = field(repr=False)

    @property
    def edition(self) -> str:
        """The edition, `paper` or `corrected`."""
        return str(self.manifest["edition"])

    @property
    def is_invented(self) -> bool:
        """Whether the people in it were invented by `wvb synthetic`."""
        return bool(self.manifest["is_invented"])

    @cached_property
    def identity(self) -> str:
        """The hash of what is in it, the same for every download of one survey in one edition; see `identity_of`."""
        # a dataset that an earlier version built does not say it
        return str(self.manifest.get("identity") or identity_of(*self._content()))

    @property
    def receipt(self) -> dict[str, Any]:
        """What later folders say of the dataset they were made from."""
        kept = ("edition", "source", "file_version", "is_invented", "n_respondents", "worldvaluesbench")
        return {key: self.manifest[key] for key in kept} | {"identity": self.identity}

    def secret(self) -> bytes:
        """32 bytes that only a holder of the responses can compute; never to be written or printed. See `secret_of`."""
        return self._secret

    @cached_property
    def _secret(self) -> bytes:
        return secret_of(*self._content())

    def _content(self) -> tuple[str, pl.DataFrame, pl.DataFrame, Codebook]:
        return self.edition, self.respondents(), self.responses(), self.codebook

    def respondents(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The respondents table, or these columns of it, in file order."""
        return self._read(RESPONDENTS, columns)

    def responses(self, item_ids: Sequence[str] | None = None) -> pl.DataFrame:
        """`respondent_id` and the responses to these items (default: all), in file order."""
        return self._read(RESPONSES, None if item_ids is None else ["respondent_id", *item_ids])

    def examples(
        self, split: str = EVERYONE, item_ids: Iterable[str] | None = None, attribute_ids: Iterable[str] = ()
    ) -> pl.LazyFrame:
        """The examples of a split in long form: `respondent_id`, attribute codes, `item_id`, `response`.

        Missing responses are left out. Respondents stand in the order of the split (file order for `full`), items
        in questionnaire order. The tables are read now; their long form, thirty times as long, is made when it is
        collected or sunk to a file.

        Raises DatasetError for an unknown split or item, CodebookError for an unknown attribute.
        """
        wanted = list(self.codebook.item_ids if item_ids is None else item_ids)
        attributes = list(dict.fromkeys(attribute_ids))
        for attribute_id in attributes:
            check_attribute_id(attribute_id, self.codebook)
        kept = ["respondent_id", *attributes]
        order = self.split_order(split)["row"]
        wide = pl.concat([self.respondents(kept), self.responses(wanted).drop("respondent_id")], how="horizontal")
        return _long(wide[order].lazy(), kept, wanted)

    def split_order(self, split: str) -> pl.DataFrame:
        """`respondent_id` and `row` (its row in both tables) of a split's respondents, in the order of the split.

        Raises DatasetError for an unknown split.
        """
        if split not in (*SPLITS, EVERYONE):
            raise DatasetError(f"There is no split {split!r}; there are {', '.join((*SPLITS, EVERYONE))}.")
        keys = self.respondents(["respondent_id", "split", "place"]).with_row_index("row")
        if split != EVERYONE:
            keys = keys.filter(pl.col("split") == split).sort("place")
        return keys.select("respondent_id", "row")

    def _read(self, name: str, columns: Sequence[str] | None) -> pl.DataFrame:
        try:
            return pl.read_parquet(self.folder / name, columns=None if columns is None else list(columns), glob=False)
        except (OSError, pl.exceptions.ComputeError) as error:
            first = str(error).splitlines()[0]
            raise FolderError(f"{self.folder / name}: cannot be read ({first}); build the dataset again.") from None
        except pl.exceptions.ColumnNotFoundError as error:
            first = str(error).splitlines()[0]
            raise DatasetError(f"{self.folder / name}: there is no such column ({first}).") from None


def load_dataset(folder: Path | str) -> Dataset:
    """Open a dataset folder made by `wvb build`.

    Raises FolderError where it is absent, unfinished or damaged.
    """
    folder = Path(folder)
    manifest = check_files(folder, "dataset")
    return Dataset(folder, manifest, read_wordings(folder / CATALOGUE))


def _long(wide: pl.LazyFrame, kept: Sequence[str], item_ids: Sequence[str]) -> pl.LazyFrame:
    names = pl.lit(pl.Series([list(item_ids)], dtype=pl.List(pl.Enum(item_ids))))
    return (
        wide.select(*kept, item_id=names, response=pl.concat_list(item_ids))
        .explode("item_id", "response")
        .filter(pl.col("response") >= 0)
    )
