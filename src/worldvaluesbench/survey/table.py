"""A survey table: a file whose column names are known and whose cells are read when asked for."""

from collections.abc import Sequence
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

    def read_cells(self, codes: Sequence[str], texts: Sequence[str]) -> TableCells:
        """The columns named in `codes` (expected to be numbers) and in `texts`."""
