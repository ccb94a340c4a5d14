"""A probe specification: which items, which cells, how many people from each. A small TOML file.

::

    items = "all"                    # or a list of ids; or: topics = ["Ethical Values"]
    cross = ["continent", "Q260"]    # attributes or derived attributes; their full cross makes the cells
    per_cell = 5                     # people drawn for each item from each cell
    minimum = 6                      # smaller cells are skipped; per_cell if left out
    split = "test"                   # test if left out
    seed = 0                         # 0 if left out
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from worldvaluesbench.benchmark._dataset import EVERYONE
from worldvaluesbench.benchmark._split import SPLITS
from worldvaluesbench.errors import CodebookError, ProbeError
from worldvaluesbench.survey import Codebook, check_attribute_id

FIELDS = ("items", "topics", "cross", "per_cell", "minimum", "split", "seed")


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """Which people to draw for which items: `per_cell` from every cell of `cross` with at least `minimum` of them."""

    name: str
    item_ids: tuple[str, ...]
    cross: tuple[str, ...]
    per_cell: int
    minimum: int
    split: str
    seed: int

    def __post_init__(self) -> None:
        if self.per_cell < 1:
            raise ProbeError(f"{self.name}: per_cell is {self.per_cell}; expected at least 1.")
        if self.minimum < self.per_cell:
            raise ProbeError(
                f"{self.name}: minimum is {self.minimum}, but {self.per_cell} people are to be drawn from each cell; "
                f"expected a minimum of at least per_cell."
            )
        if self.split not in (*SPLITS, EVERYONE):
            raise ProbeError(f"{self.name}: there is no split {self.split!r}; there are {(*SPLITS, EVERYONE)}.")


def read_spec(spec: str | Path, codebook: Codebook) -> ProbeSpec:
    """A packaged specification by name (`paper36`), or one from a TOML file.

    Raises ProbeError where it is malformed, unknown, or names items, topics or attributes that do not exist.
    """
    packaged = files("worldvaluesbench") / "data" / "probes" / f"{spec}.toml"
    if "/" not in str(spec) and packaged.is_file():
        return parse_spec(str(spec), packaged.read_text("utf-8"), codebook)
    path = Path(spec)
    if not path.is_file():
        raise ProbeError(f"{spec}: neither a packaged probe (there is paper36) nor a TOML file.")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProbeError(f"{path.name}: cannot be read as UTF-8 text ({error}).") from None
    return parse_spec(path.stem, text, codebook)


def parse_spec(name: str, text: str, codebook: Codebook) -> ProbeSpec:
    """A specification from TOML text.

    Raises ProbeError as `read_spec` does.
    """
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProbeError(f"{name}: is no TOML ({error}).") from None
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise ProbeError(f"{name}: unknown field {unknown[0]!r}; a probe has {', '.join(FIELDS)}.")
    cross = _names(name, fields, "cross")
    for attribute_id in cross:
        try:
            check_attribute_id(attribute_id, codebook)
        except CodebookError as error:
            raise ProbeError(f"{name}: {error}") from None
    per_cell = _number(name, fields, "per_cell", None)
    return ProbeSpec(
        name=name,
        item_ids=_item_ids(name, fields, codebook),
        cross=cross,
        per_cell=per_cell,
        minimum=_number(name, fields, "minimum", per_cell),
        split=str(fields.get("split", "test")),
        seed=_number(name, fields, "seed", 0),
    )


def _item_ids(name: str, fields: Mapping[str, Any], codebook: Codebook) -> tuple[str, ...]:
    if ("items" in fields) == ("topics" in fields):
        raise ProbeError(f"{name}: expected either items or topics.")
    if fields.get("items") == "all":
        return codebook.item_ids
    if "topics" in fields:
        topics = _names(name, fields, "topics")
        unknown = sorted(set(topics) - set(codebook.topics))
        if unknown:
            raise ProbeError(f"{name}: there is no topic {unknown[0]!r}; there are {', '.join(codebook.topics)}.")
        return tuple(item.item_id for item in codebook.items if item.topic in topics)
    wanted = _names(name, fields, "items")
    unknown = [item_id for item_id in wanted if item_id not in codebook.item_ids]
    if unknown:
        raise ProbeError(f"{name}: there is no item {unknown[0]!r}; `wvb items` lists them.")
    return tuple(item_id for item_id in codebook.item_ids if item_id in wanted)


def _names(name: str, fields: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value: Sequence[Any] = fields.get(key, [])
    if key not in fields:
        raise ProbeError(f"{name}: {key} is missing; expected a list of at least one name.")
    if not isinstance(value, list) or not value or not all(isinstance(entry, str) for entry in value):
        raise ProbeError(f"{name}: {key} is {value!r}; expected a list of at least one name.")
    if len(set(value)) != len(value):
        raise ProbeError(f"{name}: {key} names something twice: {value!r}.")
    return tuple(value)


def _number(name: str, fields: Mapping[str, Any], key: str, default: int | None) -> int:
    value = fields.get(key, default)
    if value is None:
        raise ProbeError(f"{name}: {key} is missing; expected a whole number.")
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ProbeError(f"{name}: {key} is {value!r}; expected a whole number that is not negative.")
    return value
