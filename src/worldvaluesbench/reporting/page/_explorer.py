"""The data of the item explorer in a report: every cell that is shown, packed small enough for one file.

It holds aggregates of cells with enough people, no more. `templates/report.js` reads what is written here.
"""

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from worldvaluesbench.reporting.figures import OVERALL, item_labels, look_of
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE
from worldvaluesbench.survey import grouping_name, load_codebook

ABSENT, SAME_HUMANS, OWN_HUMANS = 0, 1, 2
"""How a source stands in a cell: not at all; held against the humans of the first source there; against its own."""

STEP = 10_000
"""Shares and distances are whole parts of so many."""

CELL = struct.Struct("<BIHHHhH")
"""How it stands; n of humans; distance, low, high, corrected and noise floor."""

Cell = tuple[float, ...]


@dataclass(frozen=True)
class Explorer:
    """What the explorer reads: `index`, the names of everything, as JSON; `cells` and `prompts`, packed as text."""

    index: Mapping[str, Any]
    cells: str
    prompts: str


def build_explorer(comparison: Comparison, prompts: Mapping[str, Mapping[str, str]]) -> Explorer:
    """Pack the cells of a comparison. `prompts`: by source and item, the text of an example."""
    item_ids = _item_ids(comparison)
    groupings = [_Grouping(EVERYONE, OVERALL, comparison)]
    groupings += [_Grouping(name, grouping_name(name), comparison) for name in comparison.groupings]
    packed = b"".join(_pack_grouping(comparison, grouping, item_ids) for grouping in groupings)
    look = look_of(comparison.sorts)
    index = {
        "items": [_describe_item(item_id) for item_id in item_ids],
        "groupings": [{"id": one.grouping, "name": one.name, "groups": one.groups} for one in groupings],
        "sources": [
            {"name": name, "colour": look.colours[name], "kind": sort.kind} for name, sort in comparison.sorts.items()
        ],
        "step": STEP,
        "minimum": comparison.receipt["settings"]["min_n"],
    }
    return Explorer(index, pack(packed), pack(json.dumps(_alike(prompts)).encode()))


def pack(content: bytes) -> str:
    """Bytes as text: deflated, then base 64."""
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")


class _Grouping:
    """A grouping with the groups of it that have any number, in their order."""

    def __init__(self, grouping: str, name: str, comparison: Comparison) -> None:
        self.grouping, self.name = grouping, name
        rows = comparison.tables["distributions"].filter(grouping=grouping)
        labelled = rows.select("group", "group_codes").unique(maintain_order=True)
        self.groups: list[str] = labelled["group"].to_list()
        self.codes: list[str | None] = labelled["group_codes"].to_list()


def _pack_grouping(comparison: Comparison, grouping: _Grouping, item_ids: Sequence[str]) -> bytes:
    """Every cell, group by group, item by item, source by source; after each its shares, first those of the humans."""
    keys = ["group_codes", "item_id", "answers"]
    shares = (
        comparison.tables["distributions"]
        .filter(grouping=grouping.grouping)
        .group_by(keys, maintain_order=True)
        .agg(pl.col("humans"), pl.col("given"))
    )
    numbers = comparison.tables["scores"].filter(grouping=grouping.grouping)
    columns = ("n_responses", "distance", "low", "high", "corrected", "noise_floor")
    joined = shares.join(numbers.select(*keys, *columns), on=keys, how="left", nulls_equal=True, maintain_order="left")
    cells = {(row[0], row[1], row[2]): row[3:] for row in joined.iter_rows()}
    parts: list[bytes] = []
    for codes in grouping.codes:
        for item_id in item_ids:
            parts += _pack_cell([cells.get((codes, item_id, name)) for name in comparison.names])
    return b"".join(parts)


def _pack_cell(found: Sequence[tuple[Any, ...] | None]) -> Iterator[bytes]:
    first: list[int] | None = None
    for row in found:
        if row is None:
            yield bytes([ABSENT])
            continue
        humans, given = _parts(row[0]), _parts(row[1])
        is_own = humans != first
        distance, low, high, corrected, floor = (0.0 if value is None else value for value in row[3:])
        values = (distance, low, high)
        yield CELL.pack(
            OWN_HUMANS if is_own else SAME_HUMANS, row[2], *map(_part, values), _part(corrected), _part(floor)
        )
        first = humans if first is None else first
        yield struct.pack(f"<{len(given)}H", *given)
        if is_own:
            yield struct.pack(f"<{len(humans)}H", *humans)


def _part(value: float) -> int:
    return max(-STEP, min(round(value * STEP), 2**16 - 1))


def _parts(values: Sequence[float]) -> list[int]:
    return [_part(value) for value in values]


def _describe_item(item_id: str) -> dict[str, Any]:
    item = load_codebook().item(item_id)
    return {
        "id": item_id,
        "name": item.name,
        "question": item.question,
        "topic": item.topic,
        "labels": item_labels(item),
    }


def _item_ids(comparison: Comparison) -> list[str]:
    met = set(comparison.tables["distributions"]["item_id"].unique().to_list())
    return [item_id for item_id in load_codebook().item_ids if item_id in met]


def _alike(prompts: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Prompts with those that several sources share once: `texts`, and the place of each source's."""
    texts: list[Mapping[str, str]] = []
    places = {}
    for name, of_items in prompts.items():
        if of_items not in texts:
            texts.append(of_items)
        places[name] = texts.index(of_items)
    return {"texts": texts, "places": places}
