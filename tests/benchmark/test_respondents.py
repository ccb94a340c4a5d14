"""Respondents carry what the survey file says of them: weights of their own, and ids that anyone can work out again."""

import hashlib
import random
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.benchmark import naive
from worldvaluesbench.benchmark import _respondents as respondents
from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.survey._responses import Coded

URUGUAY, SHARED_ID = "858", 858069901
WEIGHTS = ["W_WEIGHT", "S018"]


def weights_in_file(path: Path, *, of_uruguay: bool) -> list[tuple[int, float, float]]:
    """Id and weights of every row in or outside Uruguay, in file order."""
    rows = [row for row in naive.read_rows(path) if (row["B_COUNTRY"] == URUGUAY) == of_uruguay]
    return [(int(row["D_INTERVIEW"]), float(row["W_WEIGHT"]), float(row["S018"])) for row in rows]


def weights_in_dataset(dataset: Dataset, *, of_uruguay: bool) -> list[tuple[int, float, float]]:
    people = dataset.respondents(["respondent_id", *WEIGHTS, "B_COUNTRY"])
    return people.filter((pl.col("B_COUNTRY") == int(URUGUAY)) == of_uruguay).drop("B_COUNTRY").rows()


@pytest.mark.parametrize("edition", ["paper", "corrected"])
def test_everyone_has_the_weights_of_their_own_row(
    edition: str, survey_csv: Path, request: pytest.FixtureRequest
) -> None:
    dataset: Dataset = request.getfixturevalue(edition)
    expected = weights_in_file(survey_csv, of_uruguay=False)
    assert weights_in_dataset(dataset, of_uruguay=False) == expected
    assert len({weight for _, weight, _ in expected}) > 0.9 * len(expected)  # they tell people apart


def test_uruguayans_have_the_weights_of_their_own_row(corrected: Dataset, survey_csv: Path) -> None:
    expected = [weights for _, *weights in weights_in_file(survey_csv, of_uruguay=True)]
    assert [weights for _, *weights in weights_in_dataset(corrected, of_uruguay=True)] == expected
    assert len(expected) == corrected.manifest["renamed"] > 10


def test_weights_follow_people_into_another_row_order(corrected: Dataset, survey_csv: Path, tmp_path: Path) -> None:
    header, *lines = survey_csv.read_text().splitlines()
    random.Random(11).shuffle(lines)
    (tmp_path / "shuffled.csv").write_text("\n".join([header, *lines]) + "\n")
    again = build_dataset(tmp_path / "shuffled.csv", tmp_path / "again", edition="corrected")
    for of_uruguay in (False, True):
        ours = weights_in_dataset(again, of_uruguay=of_uruguay)
        assert ours != weights_in_dataset(corrected, of_uruguay=of_uruguay)
        assert sorted(ours) == sorted(weights_in_dataset(corrected, of_uruguay=of_uruguay))


def documented_id(codes: Sequence[int]) -> int:
    """The country's three digits, then nine from SHA-256 of attributes and responses as little-endian int32."""
    digest = hashlib.sha256(struct.pack(f"<{len(codes)}i", *codes)).digest()
    return 858 * 10**9 + int.from_bytes(digest[:8], "big") % 10**9


def test_uruguayans_have_the_documented_ids(corrected: Dataset, survey_csv: Path) -> None:
    columns = [row["attribute_id"] for row in naive.rows_of("attributes")] + list(naive.ITEMS)
    assert len(columns) == 42 + 239
    expected = [
        documented_id([naive.outcome_of(column, int(row[column])) for column in columns])
        for row in naive.read_rows(survey_csv)
        if row["B_COUNTRY"] == URUGUAY
    ]
    assert len(set(expected)) == len(expected) > 10
    people = corrected.respondents(["respondent_id", "B_COUNTRY"])
    assert people.filter(pl.col("B_COUNTRY") == 858)["respondent_id"].to_list() == expected
    assert corrected.responses(["Q1"])["respondent_id"].to_list() == people["respondent_id"].to_list()


def ids_of(*rows: tuple[int, int, int, int]) -> list[int]:
    """Fresh ids of rows that say no more than this: country, age, and two responses."""
    country, age, q1, q2 = zip(*rows, strict=True)
    coded = Coded(
        responses=pl.DataFrame({"Q1": q1, "Q2": q2}, schema={"Q1": pl.Int8, "Q2": pl.Int8}),
        attributes=pl.DataFrame({"B_COUNTRY": country, "Q262": age}, schema={"B_COUNTRY": pl.Int32, "Q262": pl.Int32}),
        unlisted=(),
    )
    fresh = respondents.fresh_ids(coded, np.arange(len(rows)), np.full(len(rows), SHARED_ID))
    return [int(key) for key in fresh]


def test_a_fresh_id_is_the_one_worked_out_by_hand() -> None:
    assert ids_of((858, 30, 1, -2)) == [858951431712] == [documented_id([858, 30, 1, -2])]


def test_one_other_response_or_attribute_makes_another_id() -> None:
    rows = [(858, 30, 1, 2), (858, 30, 1, 3), (858, 30, 2, 2), (858, 31, 1, 2), (858, 30, 1, -2)]
    ids = ids_of(*rows)
    assert ids == [documented_id(row) for row in rows]
    assert len(set(ids)) == len(rows)


def test_rows_that_say_the_same_get_ids_one_after_another() -> None:
    first = documented_id([858, 30, 1, 2])
    assert sorted(ids_of((858, 30, 1, 2), (858, 30, 1, 2))) == [first, first + 1]
    other = documented_id([858, 44, 4, 1])
    assert ids_of((858, 30, 1, 2), (858, 44, 4, 1), (858, 30, 1, 2), (858, 30, 1, 2)) == [
        first,
        other,
        first + 1,
        first + 2,
    ]


def test_the_number_after_the_last_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(respondents, "FRESH_ID_SPAN", 3)
    assert sorted(ids_of(*[(858, 30, 1, 2)] * 3)) == [858 * 3, 858 * 3 + 1, 858 * 3 + 2]


def test_equal_rows_of_a_file_are_told_apart_by_a_running_number(survey_csv: Path, tmp_path: Path) -> None:
    rows = pl.read_csv(survey_csv, infer_schema=False).filter(pl.col("B_COUNTRY") == URUGUAY)
    other = "1" if rows["Q1"][0] != "1" else "2"
    nearly = rows[:1].with_columns(pl.lit(other).alias("Q1"))
    pl.concat([rows[:2], nearly, rows[:1]]).write_csv(tmp_path / "uruguay.csv")
    dataset = build_dataset(tmp_path / "uruguay.csv", tmp_path / "out", edition="corrected")
    first, second, changed, copied = dataset.respondents(["respondent_id"])["respondent_id"].to_list()
    assert copied == first + 1
    assert len({first, second, changed, copied}) == 4
    assert abs(changed - first) > 1
