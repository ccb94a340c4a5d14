"""Distributions of items as bars in the terminal: of a dataset by group, or of a comparison's sources beside humans."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from worldvaluesbench.benchmark import WeightName, check_weights, load_dataset, read_weights
from worldvaluesbench.cli import _terminal as terminal
from worldvaluesbench.cli._options import groupings_of
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring import MIN_N
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE, find_groups, respondents_reference
from worldvaluesbench.stats import Array, shares_of
from worldvaluesbench.survey import Item

WIDTH, LABEL_WIDTH = 16, 30
NARROW, NARROW_WIDTH, LEAST_LABEL = 60, 8, 12
"""In a terminal of fewer columns than the first, bars have fewer cells; labels and names are cut, never below these."""

DISTANCE = " W1 "
BEFORE = len("rating") + 2 * terminal.GAP
"""Columns before the bars, beside a label."""


def show_respondents(item: Item, data: Path, by: str | None, weight_name: WeightName) -> None:
    """Draw the responses of a dataset to an item, pooled or by group."""
    dataset = load_dataset(data)
    terminal.say_synthetic(dataset.is_invented)
    ratings = dataset.responses([item.item_id])[item.item_id].to_numpy()
    weight = read_weights(dataset, weight_name)
    has_response = ratings >= 0
    if weight is None:
        weight = np.ones(ratings.size)
    else:
        check_weights(weight[has_response], weight_name, str(dataset.folder))
    groups = find_groups(respondents_reference(dataset), groupings_of(by, dataset.codebook), 1)[-1]
    member = np.zeros(ratings.size, dtype=np.int64) if groups.member is None else groups.member
    titles, shares, small = [], [], 0
    for group, label in enumerate(groups.labels):
        chosen = has_response & (member == group)
        n = int(chosen.sum())
        if n < MIN_N:
            small += 1
            continue
        titles.append(f"{'all' if label == EVERYONE else label} ({n:,})")
        points = ratings[chosen] - item.scale.low
        shares.append(shares_of(np.bincount(points, weights=weight[chosen], minlength=item.scale.n_points)))
    show_columns(item, titles, shares)
    weighed = "unweighted" if weight_name == "none" else f"weighted by {weight_name}"
    terminal.say(f"{weighed}, edition {dataset.edition}.")
    _say_not_shown(small, MIN_N)


def show_sources(item: Item, comparison: Comparison, by: str | None) -> None:
    """Draw the answers of every source beside the human responses, pooled or by group."""
    grouping = by or EVERYONE
    if grouping not in (EVERYONE, *comparison.groupings):
        groupings = ", ".join(comparison.groupings) or "none"
        raise AnswersError(f"The comparison has no grouping {grouping!r}; it has {groupings}.")
    terminal.say_synthetic(comparison.is_invented)
    found = comparison.tables["distributions"].filter(item_id=item.item_id, grouping=grouping)
    if found.is_empty():
        raise AnswersError(f"{item.item_id}: there is no distribution by {grouping} that is not too small.")
    scores = comparison.tables["scores"].filter(item_id=item.item_id, grouping=grouping)
    for (group, codes), rows in found.group_by("group", "group_codes", maintain_order=True):
        of_group = scores.filter(pl.col("group_codes").eq_missing(pl.lit(codes, dtype=pl.String)))
        n = of_group["n_responses"].to_list()[0]
        terminal.say(f"\n{'all' if group == EVERYONE else group} (n = {n:,})")
        titles, shares = ["humans"], [rows.filter(answers=rows["answers"][0])["humans"].to_numpy()]
        for name in comparison.names:
            own = rows.filter(answers=name)
            if own.height:
                titles.append(_title(name, of_group.filter(answers=name)))
                shares.append(own["given"].to_numpy())
        show_columns(item, titles, shares)
    n_not_shown = scores["group_codes"].n_unique() - found["group_codes"].n_unique()
    _say_not_shown(n_not_shown, comparison.receipt["settings"]["min_n"])


def _say_not_shown(n: int, min_n: int) -> None:
    if n:
        terminal.say(f"Not shown, with fewer than {min_n} respondents: {terminal.counted(n, 'group')}.")


def _title(name: str, score: pl.DataFrame) -> str:
    row = score.row(0, named=True)
    return f"{name}{DISTANCE}{row['distance']:.3f}"


def show_columns(item: Item, titles: Sequence[str], shares: Sequence[Array]) -> None:
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
