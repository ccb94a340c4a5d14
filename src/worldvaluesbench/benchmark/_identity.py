"""The identity of a dataset: a hash of what was built, so that one survey is one dataset in whatever format it came.

Hashed are the edition, who is in which split, and every code and rating, all missing ones alike. Left out is what may
differ between downloads of one survey: the file and its version, missing reasons, weights, design columns, wordings.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from worldvaluesbench.benchmark._split import SPLITS
from worldvaluesbench.survey import Codebook

MISSING = -1
"""What stands for every missing reason."""

SHOWN = 12
"""How many hex digits of an identity are shown in messages."""

SAME_DATASET = ("edition", "file_version", "is_invented", "n_respondents")
"""What two receipts without identities must agree on, beside the hash of the survey file."""


def identity_of(edition: str, respondents: pl.DataFrame, responses: pl.DataFrame, codebook: Codebook) -> str:
    """The SHA-256 of a dataset's content, 64 hex digits.

    `respondents` and `responses` are the tables of the dataset, in file order.
    """
    digest = hashlib.sha256()
    for part in _content(edition, respondents, responses, codebook):
        digest.update(part)
    return digest.hexdigest()


def secret_of(edition: str, respondents: pl.DataFrame, responses: pl.DataFrame, codebook: Codebook) -> bytes:
    """32 bytes that only a holder of the responses can compute: another hash of the same content, never written.

    It is keyed differently from the identity, which is published, so that neither gives the other away.
    """
    digest = hashlib.blake2b(digest_size=32, key=b"worldvaluesbench resampling", person=b"respondents")
    for part in _content(edition, respondents, responses, codebook):
        digest.update(part)
    return digest.digest()


def dataset_difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> str | None:
    """Wherein two receipts of datasets differ, so that an id need not be the same respondent in both; None: nowhere.

    Identities decide where both receipts have one. Receipts of earlier versions have none: there the survey file does.

    >>> dataset_difference({"edition": "paper"}, {"edition": "corrected"})
    'edition paper, not corrected'
    """
    identities = [receipt.get("identity") for receipt in (first, second)]
    have_both = None not in identities
    if have_both and identities[0] == identities[1]:
        return None
    shown = f" (identity {identities[0]!s:.{SHOWN}}, not {identities[1]!s:.{SHOWN}})" if have_both else ""
    for key in SAME_DATASET:
        if first.get(key) != second.get(key):
            return f"{key} {first.get(key)}, not {second.get(key)}{shown}"
    sources = [receipt.get("source") or {} for receipt in (first, second)]
    if not have_both and sources[0].get("sha256") == sources[1].get("sha256"):
        return None
    names = [source.get("name") for source in sources]
    if names[0] != names[1]:
        return f"survey file {names[0]}, not {names[1]}{shown}"
    return f"survey file {names[0]} by name, but with other content{shown}"


def describe_dataset(receipt: Mapping[str, Any]) -> str:
    """A dataset in a few words, from its receipt.

    >>> describe_dataset({"source": {"name": "a.csv"}, "edition": "paper", "file_version": "5.0", "n_respondents": 900})
    'a.csv (edition paper, file version 5.0, 900 respondents)'
    """
    source = receipt.get("source") or {}
    return (
        f"{source.get('name', 'no file')} (edition {receipt.get('edition')}, file version "
        f"{receipt.get('file_version')}, {receipt.get('n_respondents', 0):,} respondents)"
    )


def _content(edition: str, respondents: pl.DataFrame, responses: pl.DataFrame, codebook: Codebook) -> Iterator[bytes]:
    """The canonical serialisation: a header of JSON, then the columns one after another, little-endian."""
    header = {
        "serialisation": 1,
        "edition": edition,
        "n_respondents": respondents.height,
        "splits": SPLITS,
        "attributes": codebook.attribute_ids,
        "items": codebook.item_ids,
    }
    yield json.dumps(header, separators=(",", ":")).encode()
    yield respondents["respondent_id"].to_numpy().astype("<i8").tobytes()
    yield respondents["split"].cast(pl.Enum(SPLITS)).to_physical().to_numpy().astype("u1").tobytes()
    for table, names, dtype in ((respondents, codebook.attribute_ids, "<i4"), (responses, codebook.item_ids, "i1")):
        # a column that the file lacks counts like one that nobody was asked
        absent = np.full(respondents.height, MISSING, dtype=dtype)
        for name in names:
            codes = table[name].to_numpy() if name in table.columns else absent
            yield np.maximum(codes, MISSING).astype(dtype).tobytes()
