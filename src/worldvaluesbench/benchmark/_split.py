"""Splits: which respondents are for training, validation and testing, and in which order.

Two rules: `shuffle` repeats the published draw (Python's `random`, over the rows in file order); `hash` depends
on country and respondent id alone, so it survives another row order or file version.
"""

import hashlib
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """For every respondent, in file order: an index into `SPLITS`, and the place within that split from 0."""

    split: NDArray[np.int8]
    place: NDArray[np.int32]


def split_by_shuffle(n: int, *, seed: int, train: float, test: float) -> Split:
    """The published split: shuffle the rows, first `train`, then `test`, the rest for validation.

    `random.shuffle` is Python's own; its result for this seed is the same in all versions supported (a test pins it).
    """
    order = list(range(n))
    random.Random(seed).shuffle(order)
    n_train, n_test = int(train * n), int(test * n)
    split, place = np.empty(n, dtype=np.int8), np.empty(n, dtype=np.int32)
    parts = {"train": order[:n_train], "test": order[n_train : n_train + n_test], "valid": order[n_train + n_test :]}
    for name, rows in parts.items():
        split[rows] = SPLITS.index(name)
        place[rows] = np.arange(len(rows))
    return Split(split, place)


def split_by_hash(countries: ArrayLike, respondent_ids: ArrayLike, *, salt: str, train: float, test: float) -> Split:
    """A split by SHA-256 of `salt:country:respondent_id`, read as a number in [0, 1).

    Below `train` is for training, the next `test` for testing, the rest for validation; within a split
    respondents stand in order of that number. Shares hold up to chance.
    """
    pairs = zip(np.asarray(countries).tolist(), np.asarray(respondent_ids).tolist(), strict=True)
    digests = b"".join(hashlib.sha256(f"{salt}:{country}:{key}".encode()).digest()[:8] for country, key in pairs)
    numbers = np.frombuffer(digests, dtype=">u8").astype(np.uint64)
    uniform = numbers / 2.0**64
    split = np.where(uniform < train, 0, np.where(uniform < train + test, 2, 1)).astype(np.int8)
    place = np.empty(split.size, dtype=np.int32)
    # equal digests are as good as impossible, but ids of equal rows must still land in one order
    order = np.lexsort((np.asarray(respondent_ids), numbers))
    for index in range(len(SPLITS)):
        rows = order[split[order] == index]
        place[rows] = np.arange(rows.size)
    return Split(split, place)
