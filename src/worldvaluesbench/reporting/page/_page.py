"""The report: one page that answers first, then says where, how varied, how it was made, and where it ends.

It is one HTML file that needs nothing else: figures are drawings within it, the explorer's data are packed into it.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from worldvaluesbench._io import new_folder, write_manifest
from worldvaluesbench._version import __version__
from worldvaluesbench.reporting.disclosure import protect
from worldvaluesbench.reporting.figures import (
    GRID,
    INK,
    MAX_FIGURE_GROUPS,
    MUTED,
    Chart,
    NothingToDraw,
    change_tags,
    file_name,
    free_name,
    groups_with_numbers,
    humans_note,
    interval_note,
    plot_attainment,
    plot_collapse,
    plot_demographics,
    plot_disparity,
    plot_distributions,
    plot_forest,
    plot_heatmap,
    plot_map,
    render_figure,
    renumber,
    telling_items,
    words_of,
)
from worldvaluesbench.reporting.page._example_prompts import example_prompts
from worldvaluesbench.reporting.page._explorer import build_explorer
from worldvaluesbench.reporting.page._templating import read_template, render_page, script_safe
from worldvaluesbench.reporting.page._wording import headline, summary_sentences
from worldvaluesbench.reporting.tables import ReportTables, render_table_2
from worldvaluesbench.scoring.compare import Comparison, is_paired
from worldvaluesbench.scoring.measure import GROUPINGS, without_level_sentences
from worldvaluesbench.scoring.sources import coverage_sentences, tested_pairs
from worldvaluesbench.survey import grouping_name, load_codebook

KIND = "report"
PAGE_NAME = "report.html"
MAX_MAPS = 2

LIBRARIES = ("polars", "numpy", "altair", "vl-convert-python")
"""What numbers and figures are made with, whose versions the page says."""

MAX_PROMPTS = 2**25
"""Once the prompts of some sources have more characters than these together, those of others are left out."""

INKS = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)"}
"""Colours of drawings that a page puts its own in place of, light or dark."""


def build_report(comparison: Comparison, published: Mapping[str, Mapping[str, float]] | None = None) -> str:
    """The report of a comparison as HTML. `published`: columns of the paper's Table 2 to stand beside.

    Nothing of cells that are too small is in it, nor what they could be computed from.
    """
    comparison = protect(comparison)
    prompts = _prompts(comparison)
    explorer = build_explorer(comparison, prompts)
    tables = ReportTables(comparison)
    receipt = comparison.receipt
    context = {
        "title": headline(comparison),
        "sentences": summary_sentences(comparison),
        "is_invented": comparison.is_invented,
        "is_paired": is_paired(receipt),
        "humans": humans_note(comparison),
        "interval": interval_note(comparison),
        "receipt": receipt,
        "coverage": coverage_sentences(receipt),
        "groupings": [{"id": name, "name": grouping_name(name)} for name in comparison.groupings],
        "without_level": without_level_sentences(comparison.tables[GROUPINGS]),
        "figures": _draw(comparison),
        "has_map": bool(_mapped(comparison)),
        "tables": tables,
        "table_2": Markup(render_table_2(comparison.tables["table_2"], published)),
        "explorer": asdict(explorer) | {"index": _script_json(explorer.index)},
        "example": next(((name, texts) for name, texts in prompts.items() if texts), None),
        "css": Markup(read_template("report.css")),
        "js": Markup(read_template("report.js")),
        "version": __version__,
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }
    return render_page("report.html.jinja", context)


def write_report(
    comparison: Comparison,
    folder: Path | str,
    *,
    published: Mapping[str, Mapping[str, float]] | None = None,
    force: bool = False,
) -> Path:
    """Write the report to a new folder; returns the page.

    Raises FolderError where the folder is occupied or cannot be written.
    """
    with new_folder(Path(folder), KIND, force=force) as staging:
        (staging / PAGE_NAME).write_text(build_report(comparison, published), encoding="utf-8")
        kept = ("is_invented", "reference", "settings", "sorts", "n_common", "answers")
        write_manifest(staging, KIND, {key: comparison.receipt[key] for key in kept})
    return Path(folder) / PAGE_NAME


def _figures(comparison: Comparison) -> dict[str, Callable[[], Chart]]:
    """The figures of the page by name; those that say nothing here are left out."""
    figures: dict[str, Callable[[], Chart]] = {
        "forest": partial(plot_forest, comparison),
        "attainment": partial(plot_attainment, comparison),
        "heatmap": partial(plot_heatmap, comparison),
        "collapse": partial(plot_collapse, comparison),
    }
    if tested_pairs(comparison.sorts):
        figures["demographics"] = partial(plot_demographics, comparison)
    for item_id in telling_items(comparison)[:1] + telling_items(comparison)[-1:]:
        figures[f"item-{item_id}"] = partial(plot_distributions, comparison, item_id)
    for grouping in comparison.groupings:
        n_groups = groups_with_numbers(comparison, grouping)
        if n_groups["disparity"] >= 2:
            figures[f"disparity-{grouping}"] = partial(plot_disparity, comparison, grouping)
        if 2 <= n_groups["attainment"] <= MAX_FIGURE_GROUPS // 2:
            figures[f"attainment-{grouping}"] = partial(plot_attainment, comparison, grouping)
    for name in _mapped(comparison):
        figures[f"map-{name}"] = partial(plot_map, comparison, name)
    return figures


def _mapped(comparison: Comparison) -> list[str]:
    """The sources that have a map: the nearest ones that are no baselines."""
    has_countries = set(comparison.tables["countries"]["answered_by"].to_list())
    board = comparison.tables["leaderboard"].filter((pl.col("grouping") == "all") & (pl.col("kind") != "baseline"))
    nearest = board.sort("corrected", nulls_last=True)["answers"].to_list()
    return [name for name in nearest or comparison.names if name in has_countries][:MAX_MAPS]


def _draw(comparison: Comparison) -> dict[str, Markup]:
    """The figures of the page that can be drawn, each as a drawing within it."""
    found: dict[str, Markup] = {}
    identities: list[str] = []
    for name, plot in _figures(comparison).items():
        with suppress(NothingToDraw):
            identities.append(free_name(f"figure-{file_name(name)}", identities))
            found[name] = _inline(plot(), identities[-1])
    return found


def _inline(chart: Chart, identity: str) -> Markup:
    """A figure as a drawing within the page, in the page's own inks, with words for those who do not see it."""
    drawing = renumber(str(render_figure(chart, "svg")), f"{identity}-")
    title, notes = words_of(chart.to_dict())
    drawing = change_tags(drawing[drawing.index("<svg") :], _for_page)
    drawing = drawing.replace("<svg", f'<svg role="img" aria-label="{escape(f"{title}. {notes}")}"', 1)
    figure = f'<figure id="{escape(identity)}"><div class="scroll" tabindex="0">{drawing}</div></figure>'
    return Markup(figure)


def _for_page(tag: str) -> str:
    """A tag of a drawing in the page's own inks, without what it says of itself."""
    for ink, variable in INKS.items():
        tag = tag.replace(f'"{ink}"', f'"{variable}"')
    # the drawing is one picture with one description; what its marks say of themselves would be read one by one
    return re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", tag)


def _prompts(comparison: Comparison) -> dict[str, dict[str, str]]:
    """By source, the prompts of all items as examples; none of a source whose settings are not known."""
    item_ids = [
        item for item in load_codebook().item_ids if item in set(comparison.tables["scores"]["item_id"].to_list())
    ]
    found, room = {}, MAX_PROMPTS
    for answers in comparison.receipt["answers"]:
        about: Mapping[str, Any] = (answers["run"] or {}).get("about") or {}
        texts = example_prompts(about, item_ids) if room > 0 else {}
        room -= sum(map(len, texts.values()))
        found[answers["name"]] = texts
    return found


def _script_json(content: object) -> Markup:
    """JSON that may stand within a script element."""
    return Markup(script_safe(json.dumps(content, ensure_ascii=False)))
