"""Splits: the published shuffle, and the hash that needs no row order."""

import hashlib
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._edition import load_edition
from worldvaluesbench.benchmark._split import SPLITS, split_by_hash, split_by_shuffle

N_PUBLISHED = 93_278
SALT = "worldvaluesbench-wvs7"
"""Whoever changes the salt moves everyone to another split."""

# the first ten rows of the published splits, which Python has drawn alike since 3.2
FIRST_TRAIN = [26897, 59406, 12110, 90521, 77169, 12030, 85256, 37499, 57382, 85858]
FIRST_TEST = [41700, 69201, 28668, 75758, 15717, 86036, 66993, 79867, 86483, 60324]
FIRST_VALID = [74039, 42170, 62732, 89982, 42245, 92528, 88660, 59807, 86523, 23620]


def documented_number(country: int, respondent_id: int, salt: str = SALT) -> float:
    """The first eight bytes of SHA-256 of `salt:country:id`, as a share of all they could be."""
    digest = hashlib.sha256(f"{salt}:{country}:{respondent_id}".encode()).hexdigest()
    return int(digest[:16], base=16) / 16**16


def documented_split(number: float) -> str:
    return "train" if number < 0.70 else "test" if number < 0.85 else "valid"


def test_the_published_sizes() -> None:
    split = split_by_shuffle(N_PUBLISHED, seed=0, train=0.7, test=0.15)
    sizes = dict(zip(SPLITS, np.bincount(split.split).tolist(), strict=True))
    assert sizes == {"train": 65_294, "test": 13_991, "valid": 13_993}


def test_python_still_shuffles_and_samples_as_it_did_for_the_published_splits_and_probe() -> None:
    random.seed(0)
    order = list(range(N_PUBLISHED))
    random.shuffle(order)
    assert order[:10] == FIRST_TRAIN
    assert order[65_294:65_304] == FIRST_TEST
    assert order[79_285:79_295] == FIRST_VALID
    random.seed(0)
    assert random.sample(range(100), 5) == [49, 97, 53, 5, 33]
    random.seed(0)
    assert random.sample(range(15), 5) == [13, 6, 12, 14, 0]  # from so few, Python draws another way


@pytest.mark.parametrize(("split", "first"), [("train", FIRST_TRAIN), ("test", FIRST_TEST), ("valid", FIRST_VALID)])
def test_the_first_of_each_published_split(split: str, first: list[int]) -> None:
    found = split_by_shuffle(N_PUBLISHED, seed=0, train=0.7, test=0.15)
    members = np.flatnonzero(found.split == SPLITS.index(split))
    assert members[np.argsort(found.place[members])][:10].tolist() == first


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=50, unique=True), st.randoms())
def test_a_hash_split_depends_on_country_and_id_alone(ids: list[int], shuffler: object) -> None:
    countries = [key % 7 for key in ids]
    order = list(range(len(ids)))
    shuffler.shuffle(order)  # type: ignore[attr-defined]
    first = split_by_hash(countries, ids, salt="s", train=0.7, test=0.15)
    again = split_by_hash([countries[k] for k in order], [ids[k] for k in order], salt="s", train=0.7, test=0.15)
    assert (first.split[order] == again.split).all()
    assert (first.place[order] == again.place).all()


def test_a_hash_split_is_the_documented_number() -> None:
    number = documented_number(156, 156070594, salt="salt")
    split = split_by_hash([156], [156070594], salt="salt", train=number + 1e-9, test=0.0)
    assert SPLITS[int(split.split[0])] == "train"
    split = split_by_hash([156], [156070594], salt="salt", train=number - 1e-9, test=1e-6)
    assert SPLITS[int(split.split[0])] == "test"


@pytest.mark.parametrize(
    ("country", "respondent_id", "number", "split"),
    [
        (156, 156070594, 0.471556616172, "train"),
        (392, 392070007, 0.823925503136, "test"),
        (20, 20070001, 0.855448501418, "valid"),
    ],
)
def test_the_corrected_split_of_someone_never_changes(
    country: int, respondent_id: int, number: float, split: str
) -> None:
    edition = load_edition("corrected")
    assert round(documented_number(country, respondent_id), 12) == number

    def split_at(train: float, test: float) -> str:
        found = split_by_hash([country], [respondent_id], salt=edition.salt, train=train, test=test)
        return SPLITS[int(found.split[0])]

    assert split_at(edition.train, edition.test) == split == documented_split(number)
    assert split_at(number + 1e-12, 0.0) == "train"
    assert split_at(number - 1e-12, 1e-11) == "test"
    assert split_at(0.0, number - 1e-12) == "valid"


def test_everyone_has_the_corrected_split_and_place_of_their_number(corrected: Dataset) -> None:
    people = corrected.respondents(["B_COUNTRY", "respondent_id", "split", "place"]).rows()
    numbers = {key: documented_number(country, key) for country, key, _, _ in people}
    assert {key: split for _, key, split, _ in people} == {key: documented_split(numbers[key]) for key in numbers}
    for split in SPLITS:
        by_number = sorted((key for key in numbers if documented_split(numbers[key]) == split), key=numbers.__getitem__)
        assert len(by_number) > 100
        assert {key: place for _, key, own, place in people if own == split} == {
            key: place for place, key in enumerate(by_number)
        }
        assert corrected.split_order(split)["respondent_id"].to_list() == by_number


def test_a_hash_split_has_the_shares_asked_for_up_to_chance() -> None:
    ids = np.arange(50_000)
    shares = np.bincount(split_by_hash(ids % 60, ids, salt="s", train=0.7, test=0.15).split) / ids.size
    assert np.allclose(shares, [0.70, 0.15, 0.15], atol=0.01)
