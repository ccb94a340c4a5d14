"""The command that draws in the terminal: `wvb show`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl

from worldvaluesbench.benchmark import check_weights, load_dataset, read_weights
from worldvaluesbench.cli import options
from worldvaluesbench.cli import show as terminal
from worldvaluesbench.cli.comparing import comparison_of
from worldvaluesbench.cli.judging import (
    DRAWN,
    against_whom,
    given_options,
    how_sure_of_comparisons,
    warn_of_small_cells,
)
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring import MIN_N
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE, find_groups, respondents_reference
from worldvaluesbench.stats import Array, shares_of
from worldvaluesbench.survey import Item, load_codebook, load_marginals, parse_groupings

WIDTH, LABEL_WIDTH = 16, 30
NARROW, NARROW_WIDTH, LEAST_LABEL = 60, 8, 12
"""In a terminal of fewer columns than the first, bars have fewer cells; labels and names are cut, never below these."""

DISTANCE = " W1 "
BEFORE = len("rating") + 2 * terminal.GAP
"""What stands before bars beside a label."""


@click.command()
@click.argument("item_id")
@click.argument("files", nargs=-1, type=options.PATH)
@against_whom
@click.option(
    "--by", default=None, help="A grouping: draw each of its groups. Needs --data, or a comparison that has it."
)
@click.option("--partial", is_flag=True, help="Take unfinished runs as far as their answers go.")
@options.answer_column
@how_sure_of_comparisons
def show(item_id: str, files: tuple[Path, ...], **given: Any) -> None:
    """Draw the distribution of an item in the terminal: of the world, of a dataset, or of answers beside people.

    Without FILES it is the world's, or with --data that of all respondents; FILES are runs, files of answers,
    comparison folders or bundles.
    """
    item = load_codebook().item(item_id.upper() if item_id[:1] in "qQ" else item_id)
    if not files:
        _check_without_files(given)
    heading = f"{item.item_id}  {item.name}  ({item.topic})\n{item.question}"
    if files:
        comparison = comparison_of(files, given, used=["by"])
        terminal.say(heading)
        _show_answers(item, comparison, given["by"])
    elif given["data"] is None:
        terminal.say(heading)
        counts = load_marginals().counts(item.item_id)[: item.scale.n_points]
        _show_columns(item, ["world"], [shares_of(counts)])
        terminal.say(f"n = {int(counts.sum()):,}, file version 5, unweighted.")
    else:
        warn_of_small_cells(given["min_n"])
        terminal.say(heading)
        _show_people(item, given)


def _check_without_files(given: dict[str, Any]) -> None:
    """Raise UsageError for options that say nothing where there are no answers, or no respondents."""
    if given["by"] and given["data"] is None:
        raise click.UsageError("--by needs --data DIR, or a comparison that has the grouping: the world has no groups.")
    has_people = given["data"] is not None
    idle = ["partial", "answer_column", "min_coverage", *DRAWN, *(() if has_people else ("weight", "min_n"))]
    idle += ["reference"] if has_people or given["reference"] != "world" else []
    said = given_options(idle)
    if said:
        what = "answers" if has_people else "answers and no people, but the world alone"
        raise click.UsageError(f"{said[0]} changes nothing here: there are no {what}.")


def _show_people(item: Item, given: dict[str, Any]) -> None:
    """Everyone of a dataset, pooled or by group."""
    dataset = load_dataset(given["data"])
    terminal.say_invented(dataset.is_invented)
    ratings = dataset.responses([item.item_id])[item.item_id].to_numpy()
    weight = read_weights(dataset, given["weight"])
    has_response = ratings >= 0
    if weight is None:
        weight = np.ones(ratings.size)
    else:
        check_weights(weight[has_response], given["weight"], str(dataset.folder))
    groupings = parse_groupings(given["by"], dataset.codebook) if given["by"] else ()
    groups = find_groups(respondents_reference(dataset), groupings, 1)[-1]
    member = np.zeros(ratings.size, dtype=np.int64) if groups.member is None else groups.member
    titles, shares, small = [], [], 0
    for group, label in enumerate(groups.labels):
        chosen = has_response & (member == group)
        n = int(chosen.sum())
        if n < (given["min_n"] or MIN_N):
            small += 1
            continue
        titles.append(f"{'everybody' if label == EVERYONE else label} ({n:,})")
        points = ratings[chosen] - item.scale.low
        shares.append(shares_of(np.bincount(points, weights=weight[chosen], minlength=item.scale.n_points)))
    _show_columns(item, titles, shares)
    weighed = "unweighted" if given["weight"] == "none" else f"weighted by {given['weight']}"
    terminal.say(f"{weighed}, edition {dataset.edition}.")
    _say_not_shown(small, given["min_n"] or MIN_N)


def _show_answers(item: Item, comparison: Comparison, by: str | None) -> None:
    """The answers of every source beside the humans, pooled or by group."""
    grouping = by or EVERYONE
    if grouping not in (EVERYONE, *comparison.groupings):
        groupings = ", ".join(comparison.groupings) or "none"
        raise AnswersError(f"The comparison has no grouping {grouping!r}; it has {groupings}.")
    terminal.say_invented(comparison.is_invented)
    found = comparison.tables["distributions"].filter(item_id=item.item_id, grouping=grouping)
    if found.is_empty():
        raise AnswersError(f"{item.item_id}: there is no distribution by {grouping} that is not too small.")
    scores = comparison.tables["scores"].filter(item_id=item.item_id, grouping=grouping)
    for (group, codes), rows in found.group_by("group", "group_codes", maintain_order=True):
        of_group = scores.filter(pl.col("group_codes").eq_missing(pl.lit(codes, dtype=pl.String)))
        n = of_group["n_responses"].to_list()[0]
        terminal.say(f"\n{'everybody' if group == EVERYONE else group} (n = {n:,})")
        titles, shares = ["humans"], [rows.filter(answers=rows["answers"][0])["humans"].to_numpy()]
        for name in comparison.names:
            own = rows.filter(answers=name)
            if own.height:
                titles.append(_title(name, of_group.filter(answers=name)))
                shares.append(own["given"].to_numpy())
        _show_columns(item, titles, shares)
    n_not_shown = scores["group_codes"].n_unique() - found["group_codes"].n_unique()
    _say_not_shown(n_not_shown, comparison.receipt["settings"]["min_n"])


def _say_not_shown(n: int, min_n: int) -> None:
    if n:
        terminal.say(f"Not shown, with fewer than {min_n} people: {terminal.counted(n, 'group')}.")


def _title(name: str, score: pl.DataFrame) -> str:
    row = score.row(0, named=True)
    return f"{name}{DISTANCE}{row['distance']:.3f}"


def _show_columns(item: Item, titles: Sequence[str], shares: Sequence[Array]) -> None:
    """A bar for every scale point in each column, all on one scale; in a narrow terminal one column under another."""
    top = max((float(one.max()) for one in shares), default=1.0) or 1.0
    room = terminal.console().width
    bar_width = WIDTH if room >= NARROW else NARROW_WIDTH
    column = max(bar_width + 5, min(max(map(len, titles), default=0), room - BEFORE - LEAST_LABEL))
    label_width = min(LABEL_WIDTH, max(LEAST_LABEL, room - BEFORE - column))
    rows = [
        (
            rating,
            _short_label(item, rating, label_width),
            *(f"{terminal.bar(float(one[point]) / top, bar_width):<{bar_width}}{one[point]:>5.0%}" for one in shares),
        )
        for point, rating in enumerate(item.scale.ratings)
    ]
    terminal.table(("rating", "label", *(_heading(title, column) for title in titles)), rows, left=2)


def _heading(title: str, width: int) -> str:
    """A title of a column within a width; what it says of the distance stays whole, in a line of its own if need be."""
    if len(title) <= width:
        return title
    name, mark, distance = title.rpartition(DISTANCE)
    return _shortened(title, width) if not mark else f"{_shortened(name, width)}\n{(mark + distance).strip()}"


def _short_label(item: Item, rating: int, width: int) -> str:
    """The label of a rating, short enough to leave room for bars; nothing where it says no more than the rating."""
    label = item.label_of(rating) if len(item.labels) == item.scale.n_points else ""
    return "" if label == str(rating) else _shortened(label, width)


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"
