"""The published construction once more, by another road: plain loops over a csv, as the facts describe it.

No code of the package is used but its tables of facts (recodes, countries, items).
"""

import csv
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[2] / "src" / "worldvaluesbench" / "data" / "wvs7"
EDUCATION = {
    **dict.fromkeys((0, 1), "Primary or No Education"),
    2: "Lower Secondary",
    **dict.fromkeys((3, 4, 5), "Upper to Post Secondary"),
    **dict.fromkeys((6, 8), "Tertiary"),
}

Person = dict[str, int | None]


def rows_of(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((DATA / f"{name}.csv").read_text(encoding="utf-8").splitlines()))


ITEMS = {row["item_id"]: (int(row["low"]), int(row["high"])) for row in rows_of("items")}
RECODES = {(row["item_id"], int(row["from_code"])): row["to_code"] for row in rows_of("recodes")}
CONTINENTS = {int(row["code"]): row["continent"] for row in rows_of("countries")}
MISSING = {int(row["file_code"]): int(row["code"]) for row in rows_of("missing") if row["file_code"]}
NOT_ORDINAL = -7
VERSION_5 = {int(row["code"]) for row in rows_of("countries") if row["in_v5"] == "1"}


def read_people(path: Path) -> list[Person]:
    """Every row that the paper keeps, in file order; ratings recoded, None where missing."""
    people = []
    for row in read_rows(path):
        if row["D_INTERVIEW"] == "858069901" or int(row["B_COUNTRY"]) not in VERSION_5:
            continue
        person: Person = {name: int(row[name]) for name in ("D_INTERVIEW", "B_COUNTRY", "H_URBRURAL", "Q275")}
        for item_id in ITEMS:
            person[item_id] = rating_of(item_id, int(row[item_id]))
        people.append(person)
    return people


def read_rows(path: Path) -> list[dict[str, str]]:
    """Every row of a survey file in csv, as text."""
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def outcome_of(column: str, code: int) -> int:
    """What a listed code becomes in our tables: a rating or valid code, or the negative code of a missing reason."""
    recoded = RECODES.get((column, code), str(MISSING.get(code, code)))
    return NOT_ORDINAL if recoded == "missing" else int(recoded)


def rating_of(item_id: str, code: int) -> int | None:
    if code < 0:
        return None
    recoded = RECODES.get((item_id, code), str(code))
    if recoded == "missing":
        return None
    low, high = ITEMS[item_id]
    return int(recoded) if low <= int(recoded) <= high else None


def split_people(people: list[Person]) -> dict[str, list[Person]]:
    order = list(range(len(people)))
    random.seed(0)
    random.shuffle(order)
    n = len(people)
    first, second = int(0.7 * n), int(0.7 * n) + int(0.15 * n)
    parts = {"train": order[:first], "test": order[first:second], "valid": order[second:]}
    return {name: [people[row] for row in rows] for name, rows in parts.items()}


def draw_samples(test: list[Person], item_ids: list[str]) -> Iterator[tuple[str, str, str, str, int]]:
    """Item, continent, settlement, education level and id of every draw, as in the published samples file."""

    def first_met(levels: list[str]) -> list[str]:
        return [level for level in dict.fromkeys(levels) if level]

    def continent(person: Person) -> str:
        return CONTINENTS[person["B_COUNTRY"] or 0]

    def education(person: Person) -> str:
        return EDUCATION.get(-1 if person["Q275"] is None else person["Q275"], "")

    random.seed(0)
    for item_id in item_ids:
        for place in first_met([continent(person) for person in test]):
            for code, settlement in ((1, "Urban"), (2, "Rural")):
                for level in first_met([education(person) for person in test]):
                    cell = [
                        person["D_INTERVIEW"]
                        for person in test
                        if person[item_id] is not None
                        and continent(person) == place
                        and person["H_URBRURAL"] == code
                        and education(person) == level
                    ]
                    if len(cell) <= 5:
                        continue
                    for drawn in random.sample(cell, 5):
                        assert drawn is not None
                        yield item_id, place, settlement, level, drawn


def draw_corrected(
    people: Sequence[Mapping[str, int]],
    item_ids: Sequence[str],
    cross: Sequence[str],
    *,
    per_cell: int,
    minimum: int,
    seed: int,
) -> Iterator[tuple[str, tuple[int, ...], int, list[int]]]:
    """Item, cell, number of candidates and the ids drawn, for every item and cell of a draw of edition `corrected`.

    `people` stand in the order of their split, and have their codes and responses by name.
    """
    rng = np.random.default_rng(seed)
    levels = [sorted({person[name] for person in people if person[name] >= 0}) for name in cross]
    for item_id in item_ids:
        for cell in itertools.product(*levels):
            candidates = [
                person["respondent_id"]
                for person in people
                if person[item_id] >= 0 and tuple(person[name] for name in cross) == cell
            ]
            is_drawn = len(candidates) >= minimum
            drawn = rng.choice(candidates, size=per_cell, replace=False).tolist() if is_drawn else []
            yield item_id, cell, len(candidates), drawn
