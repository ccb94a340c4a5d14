"""The paper's Table 2 as it was printed: facts to stand beside one's own numbers, always marked as published."""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def load_published() -> Mapping[str, Mapping[str, float]]:
    """The distances of Table 2 of Zhao et al. (2024), by column and item: two baselines, four models both ways."""
    text = (files("worldvaluesbench") / "data" / "wvs7" / "table2.csv").read_text(encoding="utf-8")
    found: dict[str, dict[str, float]] = {}
    for row in csv.DictReader(text.splitlines()):
        item_id = row.pop("item_id")
        for name, value in row.items():
            found.setdefault(name, {})[item_id] = float(value)
    return found
