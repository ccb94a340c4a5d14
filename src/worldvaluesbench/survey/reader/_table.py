"""A survey table: a file whose column names are known and whose cells are read when asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl


@dataclass(frozen=True, slots=True)
class TableCells:
    """Cells as the file has them, one column per column asked for, and remarks on how the file spells them."""

    frame: pl.DataFrame
    details: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class SurveyTable(Protocol):
    """What every format offers: names first, so that only the columns needed are read."""

    @property
    def names(self) -> tuple[str, ...]:
        """The column names of the file, in its order."""

    @property
    def value_labels(self) -> Mapping[str, Mapping[float, str]]:
        """What the file itself says its numbers mean, by column; for checks, never in place of the numbers."""

    def read_cells(self, codes: Sequence[str], texts: Sequence[str]) -> TableCells:
        """The columns named in `codes` (expected to be numbers) and in `texts`."""
