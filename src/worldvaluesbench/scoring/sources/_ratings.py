"""Reading answers: the whole number that a answer says, or what is wrong with it."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.survey.reader import BLANKS_AROUND as SPACES
from worldvaluesbench.survey.reader import numbers_of

FLAWS = ("", "empty", "no_number", "not_integer")
"""What can be wrong with a answer by itself, whatever its item; first: nothing."""

LARGEST = np.iinfo(np.int16).max


@dataclass(frozen=True)
class Ratings:
    """What answers say, as arrays of shape (rows,).

    `rating` is the number truncated toward zero and held within ±32,767, far beyond any scale (0 where there is no
    number); `flaw` is an index into `FLAWS`.
    """

    rating: NDArray[np.int16]
    flaw: NDArray[np.int8]

    @property
    def has_number(self) -> NDArray[np.bool_]:
        """Which answers are finite numbers, whole or not."""
        return np.asarray((self.flaw == FLAWS.index("")) | (self.flaw == FLAWS.index("not_integer")))


def read_ratings(answers: pl.Series) -> Ratings:
    """Read answers: " 4", "4.0", "4,0" and "4e0" all say 4.

    >>> ratings = read_ratings(pl.Series(["4", " 4.0", "4e0", "4.7", "four", " "]))
    >>> ratings.rating.tolist(), [FLAWS[flaw] for flaw in ratings.flaw.tolist()]
    ([4, 4, 4, 4, 0, 0], ['', '', '', 'not_integer', 'no_number', 'empty'])
    """
    if answers.dtype != pl.String:
        return _judge_numbers(read_numbers(answers), answers.is_null().to_numpy())
    plain = answers.cast(pl.Int16, strict=False)
    rating, flaw = plain.fill_null(0).to_numpy().clip(-LARGEST), np.zeros(answers.len(), dtype=np.int8)
    if not plain.null_count():
        return Ratings(rating, flaw)
    places = plain.is_null().arg_true().to_numpy()
    rest = answers.gather(places).fill_null("")
    judged = _judge_numbers(read_numbers(rest), (rest.str.strip_chars(SPACES) == "").to_numpy())
    rating[places], flaw[places] = judged.rating, judged.flaw
    return Ratings(rating, flaw)


def read_numbers(answers: pl.Series) -> NDArray[np.float64]:
    """The finite numbers that answers say; NaN for all else."""
    numbers = numbers_of(answers).to_numpy()
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _judge_numbers(numbers: NDArray[np.float64], is_empty: NDArray[np.bool_]) -> Ratings:
    whole = np.trunc(numbers)
    flaw = np.where(whole == numbers, FLAWS.index(""), FLAWS.index("not_integer")).astype(np.int8)
    flaw[np.isnan(numbers)] = FLAWS.index("no_number")
    flaw[is_empty] = FLAWS.index("empty")
    return Ratings(np.nan_to_num(whole).clip(-LARGEST, LARGEST).astype(np.int16), flaw)
