"""The rows of a file or run, sorted: each counts, or is left out for exactly one reason."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.runs import OUTCOMES, REASONS, UNPARSED, VALID
from worldvaluesbench.scoring.measure import Askings, find_askings, is_first
from worldvaluesbench.scoring.sources._answers import Answers
from worldvaluesbench.scoring.sources._coverage import at_coverage
from worldvaluesbench.scoring.sources._ratings import FLAWS, Ratings, read_numbers, read_ratings
from worldvaluesbench.scoring.sources._reference import Humans
from worldvaluesbench.stats import MIN_COVERAGE, Ints, Mask
from worldvaluesbench.survey import load_codebook

ROWS_AT_ONCE = 2**18


@dataclass(frozen=True)
class Rows:
    """Every row of a file of answers or of a run, in its order there, as arrays of shape (rows,).

    `item` and `respondent` are places among the humans' items and respondents (-1: unknown, or of another split than
    the one that is compared; against the world every respondent is -1). `human_point` is the place from 0 of that
    respondent's response on the item's scale (negative: none; against the world 0 where the item has marginals),
    `point` that of the answer, truncated to a whole number. `has_number`: whether there is one; `is_off_scale`:
    whether it lies beyond the scale. `outcome` is an index into `OUTCOMES`. `off_points`, shape (off-scale rows,), says
    exactly where the rows off the scale lie.
    `askings`: what a run has on top; None for a file, where every row is an example of its own. `split`: the split
    whose respondents are the humans, as its place in `SPLITS`; None where splits do not matter or nobody is known.
    """

    item: Ints
    respondent: Ints
    human_point: Ints
    point: Ints
    has_number: Mask
    is_off_scale: Mask
    off_points: NDArray[np.float64]
    outcome: NDArray[np.int8]
    askings: Askings | None = None
    split: int | None = None

    @property
    def is_valid(self) -> Mask:
        """Which rows count."""
        return np.equal(self.outcome, OUTCOMES.index(VALID))

    @property
    def has_response(self) -> Mask:
        """Which rows name a known item and respondent with a response, whatever their answer."""
        return np.greater_equal(self.human_point, 0)

    def outcome_counts(self, n_items: int) -> NDArray[np.int64]:
        """Rows by item and outcome, shape (items + 1, outcomes); the last line is the unknown items."""
        counts = np.zeros((n_items + 1) * len(OUTCOMES), dtype=np.int64)
        for part in _parts(self.item.size):
            # -1, an unknown item, would fall before the first bin: shift all by one
            flat = (self.item[part] + 1) * len(OUTCOMES) + self.outcome[part]
            counts += np.bincount(flat, minlength=counts.size)
        return np.roll(counts.reshape(n_items + 1, len(OUTCOMES)), -1, axis=0)


def sort_rows(answers: Answers, humans: Humans, min_coverage: float = MIN_COVERAGE) -> Rows:
    """Find out for every row whether it counts, and if not, why. See `REASONS` for the order of the reasons.

    A distribution of less coverage than the minimum is taken for an answer that could not be read.
    """
    answers = at_coverage(answers, min_coverage)
    respondent = _find_respondents(answers.frame["respondent_id"], humans)
    # numpy works on slices side by side
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        slices = answers.frame.iter_slices(ROWS_AT_ONCE)
        of_slices = (respondent[part] for part in _parts(respondent.size))
        parts = list(pool.map(lambda frame, places: _sort_slice(frame, places, humans), slices, of_slices))
    names = [field.name for field in fields(Rows) if field.name not in ("askings", "respondent", "split")]
    arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    arrays["respondent"] = respondent
    askings = None if answers.run is None else find_askings(answers.frame, arrays["item"])
    rows = Rows(**arrays, askings=askings, split=None)
    if humans.splits is not None:
        rows = _of_one_split(rows, humans.splits)
    rows.outcome[_duplicates(answers.frame["respondent_id"], rows, humans)] = OUTCOMES.index("duplicate")
    return rows


def _of_one_split(rows: Rows, splits: NDArray[np.uint8]) -> Rows:
    """The rows with those for respondents of another split than most rows are for left out."""
    split = split_of_most(rows.respondent, splits)
    if split is None:
        return rows
    is_known = rows.respondent >= 0
    of_row = np.where(is_known, np.take(splits, rows.respondent), -1).astype(np.int16)
    is_other = is_known & (of_row != split)
    if not is_other.any():
        return replace(rows, split=split)
    is_named = is_other & (rows.item >= 0)
    return replace(
        rows,
        respondent=np.where(is_other, -1, rows.respondent).astype(rows.respondent.dtype),
        human_point=np.where(is_other, -1, rows.human_point).astype(rows.human_point.dtype),
        outcome=np.where(is_named, OUTCOMES.index("other_split"), rows.outcome).astype(rows.outcome.dtype),
        split=split,
    )


def split_of_most(respondent: Ints, splits: NDArray[np.uint8]) -> int | None:
    """The split that most rows are for, as its place in `SPLITS`; None where nobody is known.

    `respondent`: the place of each row's respondent (-1: unknown); `splits`: of all respondents. Where several splits
    have the most rows, it is the first of them in the order of `SPLITS`.
    """
    known = respondent[respondent >= 0]
    return int(np.bincount(splits[known]).argmax()) if known.size else None


def _parts(n_rows: int) -> Iterator[slice]:
    """The rows, so many at a time that small arrays stay in the cache."""
    return (slice(start, start + ROWS_AT_ONCE) for start in range(0, n_rows, ROWS_AT_ONCE))


def _sort_slice(frame: pl.DataFrame, respondent: Ints, humans: Humans) -> Rows:
    """Sort some rows, each by itself: without looking for duplicates."""
    item = _find_items(frame["item_id"], humans)
    low = np.take(humans.low.astype(np.int16), item)
    human_point = _human_points(item, respondent, low, humans)
    ratings = read_ratings(frame["answer"])
    has_number, point = ratings.has_number, ratings.rating - low
    is_off_scale = has_number & ((point < 0) | (point >= np.take(humans.n_points.astype(np.int16), item)))
    found = _find_flaws(frame, ratings, is_off_scale) | {
        "unknown_item": item < 0,
        "unknown_id": (respondent < 0) & (humans.marginals is None),
        "no_response": human_point < 0,
    }
    outcome = np.full(item.size, OUTCOMES.index(VALID), dtype=np.int8)
    for reason in reversed(REASONS):
        if reason in found and found[reason].any():
            outcome[found[reason]] = OUTCOMES.index(reason)
    off = np.flatnonzero(is_off_scale)
    off_points = np.trunc(read_numbers(frame["answer"].gather(off))) - np.take(humans.low.astype(np.float64), item[off])
    return Rows(item, respondent, human_point, point, has_number, is_off_scale, off_points, outcome)


def _find_flaws(frame: pl.DataFrame, ratings: Ratings, is_off_scale: Mask) -> dict[str, Mask]:
    """Which rows have no answer or none on the scale, by reason."""
    found = {flaw: ratings.flaw == place for place, flaw in enumerate(FLAWS) if flaw} | {"off_scale": is_off_scale}
    if "unparsed" in frame.columns:
        # where there is no text a run has a distribution, or says itself what is wrong
        found["empty"] = found["empty"] & frame["answer"].is_not_null().to_numpy()
        unparsed = frame["unparsed"].to_physical().fill_null(len(UNPARSED)).to_numpy()
        for place in np.unique(unparsed[unparsed < len(UNPARSED)]).tolist():
            reason = UNPARSED[place]
            found[reason] = found.get(reason, False) | (unparsed == place)
    return found


def _find_items(item_ids: pl.Series, humans: Humans) -> Ints:
    """Each row's item as its place among the humans' items; -1 for an unknown one."""
    place_of = {item.item_id: place for place, item in enumerate(humans.items)}
    # unknown items are null, and land on the last entry
    places = np.array([place_of.get(item_id, -1) for item_id in load_codebook().item_ids] + [-1], dtype=np.int16)
    return np.take(places, item_ids.to_physical().fill_null(places.size - 1).to_numpy())


def _find_respondents(ids: pl.Series, humans: Humans) -> Ints:
    """Each row's respondent as its place among the humans' respondents; -1 for an unknown one."""
    if humans.respondent_ids is None:
        return np.full(ids.len(), -1, dtype=np.int32)
    places = pl.int_range(humans.respondent_ids.len(), dtype=pl.Int32, eager=True)
    stretches = ids.rle().struct
    # where the rows of a respondent stand together, each is looked up once
    lengths, keys = stretches.field("len"), stretches.field("value")
    are_few = keys.len() < ids.len() // 2
    found = (keys if are_few else ids).replace_strict(humans.respondent_ids, places, default=-1, return_dtype=pl.Int32)
    return np.repeat(found.to_numpy(), lengths.to_numpy()) if are_few else found.to_numpy()


def _human_points(item: Ints, respondent: Ints, low: Ints, humans: Humans) -> Ints:
    """Where each row's respondent stands on its item's scale; negative where an id is unknown or without a response."""
    if humans.responses is None:
        assert humans.marginals is not None
        has_marginals = np.append(np.where(humans.marginals.sum(axis=1) > 0, 0, -1), -1)
        return np.take(has_marginals.astype(np.int16), item)
    points: Ints = np.take(humans.responses.reshape(-1), _pairs(item, respondent, humans)) - low
    points[(item < 0) | (respondent < 0)] = -1
    return points


def _pairs(item: Ints, respondent: Ints, humans: Humans) -> Ints:
    """The place of each row's item and respondent in the flat `humans.responses`; from the end if one is unknown."""
    assert humans.responses is not None
    pairs: Ints = item * np.int64(humans.responses.shape[1]) + respondent
    return pairs


def _duplicates(ids: pl.Series, rows: Rows, humans: Humans) -> NDArray[np.int64]:
    """The rows that would count but for an earlier one that does, for the same item and respondent.

    Of a run, for the same order and sample as well. Against the world ids that are no whole numbers repeat nothing.
    """
    if rows.askings is not None:
        return np.asarray(np.flatnonzero(rows.is_valid)[~is_first(rows.askings.asking[rows.is_valid])])
    if humans.responses is None:
        could_repeat = np.flatnonzero(rows.is_valid & ids.is_not_null().to_numpy())
        pairs = pl.DataFrame({"item": rows.item[could_repeat], "id": ids[could_repeat]}).to_struct("pair")
        return np.asarray(could_repeat[~pairs.is_first_distinct().to_numpy()])
    is_valid, seen = rows.is_valid, np.zeros(humans.responses.size, dtype=bool)
    for part in _parts(rows.item.size):
        # respondent by respondent, as most files are ordered, so that marks fall close to each other
        pair = rows.respondent[part] * np.int64(len(humans.items)) + rows.item[part]
        seen[pair[is_valid[part]]] = True
    if np.count_nonzero(seen) == np.count_nonzero(is_valid):
        return np.empty(0, dtype=np.int64)
    pairs = pl.Series(_pairs(rows.item, rows.respondent, humans)[is_valid])
    return np.asarray(np.flatnonzero(is_valid)[~pairs.is_first_distinct().to_numpy()])
