"""Editions: the rules by which a benchmark is made from a survey file, read from `data/wvs7/editions.toml`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from worldvaluesbench.errors import DatasetError

EditionName = Literal["paper", "corrected"]


@dataclass(frozen=True, slots=True)
class Edition:
    """How one edition treats a survey file.

    Respondents with an id in `dropped_ids` are left out; those with one in `renamed_ids` get ids of their own.
    `education_without_level` are the Q275 codes that have no education level in this edition.
    """

    name: EditionName
    dropped_ids: tuple[int, ...]
    renamed_ids: tuple[int, ...]
    only_version_5_countries: bool
    education_without_level: tuple[int, ...]
    split: Literal["shuffle", "hash"]
    train: float
    test: float
    seed: int = 0
    salt: str = ""


@cache
def load_edition(name: str) -> Edition:
    """The edition of this name.

    Raises DatasetError for another name than `paper` or `corrected`.
    """
    editions = tomllib.loads((files("worldvaluesbench") / "data" / "wvs7" / "editions.toml").read_text("utf-8"))
    if name not in editions:
        raise DatasetError(f"There is no edition {name!r}; there are {', '.join(get_args(EditionName))}.")
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in editions[name].items()
    }
    return Edition(**({"name": name, "renamed_ids": ()} | fields))
