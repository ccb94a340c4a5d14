"""Splits: the published shuffle, and the hash that needs no row order."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worldvaluesbench.benchmark.split import SPLITS, split_by_hash, split_by_shuffle


def test_the_published_sizes() -> None:
    split = split_by_shuffle(93_278, seed=0, train=0.7, test=0.15)
    sizes = dict(zip(SPLITS, np.bincount(split.split).tolist(), strict=True))
    assert sizes == {"train": 65_294, "test": 13_991, "valid": 13_993}


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
    digest = hashlib.sha256(b"salt:156:156070594").digest()
    number = int.from_bytes(digest[:8], "big") / 2**64
    split = split_by_hash([156], [156070594], salt="salt", train=number + 1e-9, test=0.0)
    assert SPLITS[int(split.split[0])] == "train"
    split = split_by_hash([156], [156070594], salt="salt", train=number - 1e-9, test=1e-6)
    assert SPLITS[int(split.split[0])] == "test"


def test_a_hash_split_has_the_shares_asked_for_up_to_chance() -> None:
    ids = np.arange(50_000)
    shares = np.bincount(split_by_hash(ids % 60, ids, salt="s", train=0.7, test=0.15).split) / ids.size
    assert np.allclose(shares, [0.70, 0.15, 0.15], atol=0.01)
