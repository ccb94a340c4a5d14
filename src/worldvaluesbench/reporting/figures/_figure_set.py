"""All figures of a comparison: which there are, under which names, and their folder."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import polars as pl

from worldvaluesbench._io import name_key, new_folder, write_manifest
from worldvaluesbench.reporting.disclosure import protect
from worldvaluesbench.reporting.figures._attainment import plot_attainment
from worldvaluesbench.reporting.figures._data import NothingToDraw, check_any
from worldvaluesbench.reporting.figures._demographics import plot_demographics
from worldvaluesbench.reporting.figures._disparity import plot_disparity
from worldvaluesbench.reporting.figures._distributions import plot_distributions
from worldvaluesbench.reporting.figures._diversity import plot_collapse
from worldvaluesbench.reporting.figures._forest import plot_forest
from worldvaluesbench.reporting.figures._heatmap import plot_groups, plot_heatmap
from worldvaluesbench.reporting.figures._save import Format, figure_bytes
from worldvaluesbench.reporting.figures._theme import Chart
from worldvaluesbench.reporting.figures._world import plot_map
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE, tested_pairs

KIND = "figures"
MAX_FIGURE_GROUPS = 24
"""Panels and columns of more groups than these are not drawn."""

LONGEST_NAME = 180
"""Bytes of the name of a file."""

N_ITEMS = 2
"""So many items nearest to people, and so many farthest, are drawn unless others are asked for."""

Job = tuple[str, Callable[[], Chart]]


def figure_jobs(comparison: Comparison, item_ids: Sequence[str] | None = None) -> Iterator[Job]:
    """The figures of a comparison by name, each to be made when it is called.

    `item_ids`: whose distributions are drawn (default: the nearest and farthest items).
    """
    yield "forest", partial(plot_forest, comparison)
    yield "attainment", partial(plot_attainment, comparison)
    yield "heatmap", partial(plot_heatmap, comparison)
    if tested_pairs(comparison.sorts):
        yield "demographics", partial(plot_demographics, comparison)
    yield "collapse", partial(plot_collapse, comparison)
    for item_id in telling_items(comparison) if item_ids is None else item_ids:
        yield f"item-{item_id}", partial(plot_distributions, comparison, item_id)
    for grouping in comparison.groupings:
        yield from _grouped_jobs(comparison, grouping)
    for name in comparison.tables["countries"]["answered_by"].unique(maintain_order=True).to_list():
        if name in comparison.names:
            yield f"map-{name}", partial(plot_map, comparison, name)


def _grouped_jobs(comparison: Comparison, grouping: str) -> Iterator[Job]:
    slug = grouping.replace("*", "-x-")
    n_groups = groups_with_numbers(comparison, grouping)
    if n_groups["disparity"] >= 2:
        yield f"disparity-{slug}", partial(plot_disparity, comparison, grouping)
    if 2 <= n_groups["attainment"] <= MAX_FIGURE_GROUPS:
        yield f"attainment-{slug}", partial(plot_attainment, comparison, grouping)
    if tested_pairs(comparison.sorts) and 2 <= n_groups["disparity"] <= MAX_FIGURE_GROUPS:
        yield f"demographics-{slug}", partial(plot_demographics, comparison, grouping)
    scores = comparison.tables["scores"].filter(grouping=grouping, is_too_small=False)
    for name in comparison.names:
        if 2 <= scores.filter(answers=name)["group"].n_unique() <= MAX_FIGURE_GROUPS:
            yield f"groups-{slug}-{name}", partial(plot_groups, comparison, name, grouping)


def groups_with_numbers(comparison: Comparison, grouping: str) -> dict[str, int]:
    """How many groups of a grouping have numbers: over the examples of all sources, and over any source's own."""
    own = comparison.tables["attainment"].filter(grouping=grouping).drop_nulls("share")
    common = comparison.tables["leaderboard"].filter(grouping=grouping)
    return {"disparity": common["group"].n_unique(), "attainment": own["group"].n_unique()}


def telling_items(comparison: Comparison) -> list[str]:
    """The items that sources are nearest to on average, and those they are farthest from; all where there are few."""
    pooled = comparison.tables["scores"].filter(pl.col("grouping") == EVERYONE).drop_nulls("distance")
    means = pooled.group_by("item_id", maintain_order=True).agg(pl.col("distance").mean()).sort("distance")
    item_ids = means["item_id"].to_list()
    return item_ids if len(item_ids) <= 2 * N_ITEMS else [*item_ids[:N_ITEMS], *item_ids[-N_ITEMS:]]


def write_figures(
    comparison: Comparison,
    folder: Path | str,
    *,
    formats: Sequence[Format] = ("svg",),
    item_ids: Sequence[str] | None = None,
    force: bool = False,
) -> list[str]:
    """Write every figure of a comparison in each of these formats into a new folder; returns their names.

    Figures for which the comparison has no numbers are left out. Raises FolderError where the folder is occupied,
    AnswersError for an item that the comparison does not have, and where there is nothing to draw at all.
    """
    comparison = protect(comparison)
    check_any(comparison)
    names: list[str] = []
    with new_folder(Path(folder), KIND, force=force) as staging:
        for name, plot in figure_jobs(comparison, item_ids):
            try:
                chart = plot()
            except NothingToDraw:
                continue
            names.append(free_name(file_name(name), names))
            for ending in formats:
                (staging / f"{names[-1]}.{ending}").write_bytes(figure_bytes(chart, ending))
        kept = ("is_invented", "reference", "settings", "sorts", "n_common")
        write_manifest(staging, KIND, {key: comparison.receipt[key] for key in kept} | {"figures": names})
    return names


def free_name(name: str, taken: Sequence[str]) -> str:
    """A name of a file that none of those taken has, on any system: numbered where one is alike but for capitals.

    >>> free_name("map-x-1", ["map-x-1", "map-X-1-2"])
    'map-x-1-3'
    """
    have = set(map(name_key, taken))
    return next(one for one in _numbered(name) if name_key(one) not in have)


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in count(2))


def file_name(name: str) -> str:
    """The name of a figure as that of a file.

    >>> file_name("map-org/model:7b")
    'map-org-model-7b'
    """
    plain = "".join(letter if letter.isalnum() or letter in "._+-=" else "-" for letter in name)
    # systems take names of 255 bytes; the ends of long ones tell them apart
    while len(plain.encode()) > LONGEST_NAME:
        plain = f"{plain[: len(plain) // 2 - 1]}{plain[len(plain) // 2 + 1 :]}"
    return plain
