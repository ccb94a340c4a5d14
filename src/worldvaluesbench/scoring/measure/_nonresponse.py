"""Item nonresponse: how often respondents did not know or did not answer, beside a source's refusals.

The two sides are over different people and are no distance: the humans are all who were asked, whether or not the
source answers for them, and the source's rows are those it has for respondents with or without a response.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.benchmark import EVERYONE as FULL
from worldvaluesbench.benchmark import SPLITS
from worldvaluesbench.runs import OUTCOMES, UNPARSED
from worldvaluesbench.scoring.measure._pairing import REFUSALS
from worldvaluesbench.scoring.sources import Groups, Humans, Reference, Rows, split_of_most
from worldvaluesbench.stats import Mask
from worldvaluesbench.survey import Item

NONRESPONSE = "nonresponse"
"""The name of the table."""

DONT_KNOW, NO_ANSWER = REFUSALS
REFUSAL = "refusal"

HUMAN_COUNTS = ("n_humans_asked", "n_dont_know", "n_no_answer")
HUMAN_SHARES = ("share_dont_know", "share_no_answer")
SOURCE_COUNTS = ("n_rows", "n_refusals", "n_unparsed")
SOURCE_SHARES = ("share_refusal", "share_unparsed")

NONRESPONSE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("answers", "reference", "edition", "split"), pl.String),
    **dict.fromkeys(("item_id", "topic", "grouping", "group", "group_codes"), pl.String),
    **dict.fromkeys(HUMAN_COUNTS, pl.Int64),
    **dict.fromkeys(HUMAN_SHARES, pl.Float64),
    **dict.fromkeys(SOURCE_COUNTS, pl.Int64),
    **dict.fromkeys(SOURCE_SHARES, pl.Float64),
}
"""A row for each source, group and item; docs/scores.md says what each number is over."""

_KINDS = np.zeros(256, dtype=np.int64)
"""By a response as an unsigned byte: 0 not asked, 1 a rating, 2 does not know, 3 no answer."""
_KINDS[:128] = 1
_KINDS[np.array([DONT_KNOW, NO_ANSWER]).astype(np.uint8)] = 2, 3


class Nonresponse:
    """The table of nonresponse, source by source; the human side is counted once for each split and grouping.

    Every respondent counts once: survey weights are left aside. Against the world, which has no respondents, the table
    has no rows.
    """

    def __init__(self, reference: Reference, min_n: int) -> None:
        self._reference, self._min_n = reference, min_n
        self._split: NDArray[np.uint8] | None = None
        self._counted: dict[tuple[int, str], NDArray[np.int64]] = {}
        self._parts = [pl.DataFrame(schema=NONRESPONSE_SCHEMA)]

    def add(self, name: str, rows: Rows, humans: Humans, all_groups: Iterable[Groups]) -> None:
        """Add the rows of one source for the groups that its rows meet and the items that they name."""
        if self._reference.dataset is None:
            return
        if self._split is None:
            self._split = self._reference.dataset.respondents(["split"])["split"].to_physical().to_numpy()
        split = self._split_of(rows)
        for groups in all_groups:
            of_humans = self._count(humans, groups, split)
            keys = {
                "answers": name,
                "reference": self._reference.name,
                "edition": self._reference.edition,
                "split": FULL if split < 0 else SPLITS[split],
                "grouping": groups.grouping,
            }
            table = _describe(rows, groups, humans.items, of_humans, self._min_n)
            named = table.with_columns(pl.lit(value, dtype=pl.String).alias(key) for key, value in keys.items())
            self._parts.append(named.select(list(NONRESPONSE_SCHEMA)))

    def table(self) -> pl.DataFrame:
        """What was added, one source after another."""
        return pl.concat(self._parts)

    def _split_of(self, rows: Rows) -> int:
        """The split that most rows of a source are for, as its place in `SPLITS`; -1 where everyone is asked about."""
        assert self._split is not None
        split = None if self._reference.name == "all" else split_of_most(rows.respondent, self._split)
        return -1 if split is None else split

    def _count(self, humans: Humans, groups: Groups, split: int) -> NDArray[np.int64]:
        key = (split, groups.grouping)
        if key not in self._counted:
            assert humans.responses is not None
            assert self._split is not None
            is_in = np.full(humans.responses.shape[1], True) if split < 0 else np.equal(self._split, split)
            self._counted[key] = _count_humans(humans.responses, groups, is_in)
        return self._counted[key]


def _count_humans(responses: NDArray[np.int8], groups: Groups, is_in: Mask) -> NDArray[np.int64]:
    """Humans asked, who did not know, and who did not answer: (3, groups, items)."""
    n_groups = len(groups.labels)
    member = np.zeros(is_in.size, dtype=np.int64) if groups.member is None else groups.member
    who = np.flatnonzero(is_in & (member >= 0))
    base = member[who] * 4
    counts = np.empty((len(responses), n_groups, 4), dtype=np.int64)
    for item, of_item in enumerate(responses.view(np.uint8)):
        counts[item] = np.bincount(base + _KINDS[of_item[who]], minlength=4 * n_groups).reshape(n_groups, 4)
    found = np.moveaxis(counts, (2, 1), (0, 1))
    return np.stack([found[1:].sum(axis=0), found[2], found[3]])


def _describe(
    rows: Rows, groups: Groups, items: Sequence[Item], of_humans: NDArray[np.int64], least: int
) -> pl.DataFrame:
    """The cells of one source and grouping; human numbers of fewer than `least` are null, and shares of nothing."""
    is_enough = of_humans[0] >= least
    of_source = _count_rows(rows, groups, len(items))
    is_row = groups.are_met_by(rows.respondent)[:, None] & np.isin(np.arange(len(items)), rows.item)[None]
    group, item = np.nonzero(is_row)
    parts = (
        (HUMAN_COUNTS, HUMAN_SHARES, of_humans, is_enough),
        (SOURCE_COUNTS, SOURCE_SHARES, of_source, np.full(is_enough.shape, True)),
    )
    cells: dict[str, pl.Series] = {}
    for counts, shares, found, is_shown in parts:
        for key, of in zip(counts, found, strict=True):
            shown = pl.when(pl.Series(is_shown[is_row])).then(pl.Series(of[is_row]))
            cells[key] = pl.select(shown).to_series()
        for key, of in zip(shares, found[1:], strict=True):
            share = np.divide(of, found[0], out=np.full(of.shape, np.nan), where=is_shown & (found[0] > 0))
            cells[key] = pl.Series(key, share[is_row]).fill_nan(None)
    return pl.DataFrame(
        {
            "item_id": pl.Series([one.item_id for one in items], dtype=pl.String).gather(item),
            "topic": pl.Series([one.topic for one in items], dtype=pl.String).gather(item),
            "group": pl.Series(groups.labels, dtype=pl.String).gather(group),
            "group_codes": pl.Series(groups.codes, dtype=pl.String).gather(group),
            **cells,
        }
    )


def _count_rows(rows: Rows, groups: Groups, n_items: int) -> NDArray[np.int64]:
    """A source's rows for known respondents, those that are refusals, and those without an answer else: (3, ...)."""
    is_asked = (rows.item >= 0) & (rows.respondent >= 0) & (rows.outcome != OUTCOMES.index("duplicate"))
    group = groups.of_respondents(rows.respondent)
    if group is not None:
        is_asked &= group >= 0
    cell = rows.item[is_asked].astype(np.int64)
    if group is not None:
        cell += group[is_asked] * n_items
    outcome = rows.outcome[is_asked]
    others = [OUTCOMES.index(reason) for reason in UNPARSED if reason != REFUSAL]
    kinds = (np.full(cell.size, True), outcome == OUTCOMES.index(REFUSAL), np.isin(outcome, others))
    shape = len(groups.labels), n_items
    return np.stack([np.bincount(cell[is_in], minlength=shape[0] * n_items).reshape(shape) for is_in in kinds])
