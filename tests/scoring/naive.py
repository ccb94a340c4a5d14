"""A second scorer, slow and plain, in pandas and SciPy: what every score of ours must equal."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import wasserstein_distance

from worldvaluesbench.survey._codebook import load_codebook

Responses = Mapping[str, Mapping[int, int]]
"""Item id -> respondent id -> rating."""

Row = tuple[str, str, str]
"""Item id, respondent id and score, as written."""


@dataclass(frozen=True)
class Score:
    n_responses: int
    n_answers: int
    distance: float
    uniform: float
    majority: float


def read_rows(path: Path) -> list[Row]:
    frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    return list(frame[["QUESTION_ID", "PARTICIPANT_ID", "SCORE"]].itertuples(index=False, name=None))


def outcome_of(row: Row, ids: set[int], responses: Responses, seen: set[tuple[str, int]]) -> str:
    """What becomes of one row by default, given the pairs of the rows before it."""
    item_id, id_text, score = row
    items = {item.item_id: item for item in load_codebook().items}
    if item_id not in items:
        return "unknown_item"
    respondent_id = whole_number(id_text)
    if respondent_id not in ids:
        return "unknown_id"
    if not score.strip():
        return "empty"
    number = pandas_number(score)
    if number is None:
        return "no_number"
    if number != int(number):
        return "not_integer"
    if not items[item_id].scale.low <= number <= items[item_id].scale.high:
        return "off_scale"
    if respondent_id not in responses.get(item_id, {}):
        return "no_response"
    if (item_id, respondent_id) in seen:
        return "duplicate"
    seen.add((item_id, respondent_id))
    return "valid"


@cache
def pandas_number(text: str) -> float | None:
    whole, comma, rest = text.partition(",")
    if comma and len(rest) != 3:  # "3,0", but not "3,000"
        text = f"{whole}.{rest}"
    number = pd.to_numeric(pd.Series([text], dtype=object), errors="coerce").iloc[0]
    return float(number) if np.isfinite(number) else None


def whole_number(text: str) -> int | None:
    try:
        exact = Fraction(text.strip())
    except ValueError:
        return None
    return exact.numerator if exact.denominator == 1 else None


def valid_rows(rows: Sequence[Row], ids: set[int], responses: Responses) -> list[Row]:
    """The rows that count by default."""
    seen = set[tuple[str, int]]()
    return [row for row in rows if outcome_of(row, ids, responses, seen) == "valid"]


def score_valid(rows: Sequence[Row], item_id: str, responses: Responses, people: set[int]) -> Score:
    """The default treatment of one item, of rows that all count, for the respondents in `people`."""
    found = [(whole_number(key), pandas_number(text)) for item, key, text in rows if item == item_id]
    chosen = [(key, number) for key, number in found if key in people and number is not None]
    human = [responses[item_id][key] for key, _ in chosen if key is not None]
    return compare(item_id, human, [number for _, number in chosen], lambda counts: min(tops(counts)))


def score_as_published(rows: Sequence[Row], item_id: str, responses: Responses, people: set[int]) -> Score:
    """The published treatment of one item, for the respondents in `people`."""
    said = responses.get(item_id, {})
    chosen = [(whole_number(row[1]), row[2]) for row in rows if row[0] == item_id]
    chosen = [(key, text) for key, text in chosen if key in said and key in people]
    human = [said[key] for key, _ in chosen if key is not None]
    numbers = [number for _, text in chosen if (number := pandas_number(text)) is not None]
    return compare(item_id, human, [int(number) for number in numbers], lambda counts: tops(counts)[0])


def tops(counts: Counter[int]) -> list[int]:
    """The most frequent ratings, in the order in which they were met."""
    return [rating for rating, n in counts.items() if n == max(counts.values())]


def compare(
    item_id: str, human: Sequence[int], answers: Sequence[float], choose: Callable[[Counter[int]], int]
) -> Score:
    scale = load_codebook().item(item_id).scale
    if not human:
        return Score(0, len(answers), np.nan, np.nan, np.nan)
    spread = [(rating - scale.low) / (scale.high - scale.low) for rating in human]
    positions = [(answer - scale.low) / (scale.high - scale.low) for answer in answers]
    even = [rank / (scale.high - scale.low) for rank in range(scale.high - scale.low + 1)]
    top = (choose(Counter(human)) - scale.low) / (scale.high - scale.low)
    return Score(
        len(human),
        len(answers),
        wasserstein_distance(positions, spread) if answers else np.nan,
        wasserstein_distance(even, spread),
        wasserstein_distance([top], spread),
    )
