"""The command that draws in the terminal: `wvb show`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl

from worldvaluesbench.benchmark.dataset import load_dataset
from worldvaluesbench.benchmark.weights import check_weights, read_weights
from worldvaluesbench.cli import options
from worldvaluesbench.cli import show as terminal
from worldvaluesbench.cli.comparing import comparison_of
from worldvaluesbench.cli.judging import against_whom, how_sure
from worldvaluesbench.distribution import Array, shares_of
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring.comparison import Comparison
from worldvaluesbench.scoring.groups import EVERYONE, find_groups
from worldvaluesbench.scoring.reference import respondents_reference
from worldvaluesbench.survey.attributes import parse_groupings
from worldvaluesbench.survey.codebook import Item, load_codebook
from worldvaluesbench.survey.marginals import load_marginals

WIDTH, LABEL_WIDTH = 16, 30


@click.command()
@click.argument("item_id")
@click.argument("files", nargs=-1, type=options.PATH)
@against_whom
@click.option(
    "--by", default=None, help="A grouping: draw each of its groups. Needs --data, or a comparison that has it."
)
@click.option("--partial", is_flag=True, help="Take unfinished runs as far as their answers go.")
@how_sure
def show(item_id: str, files: tuple[Path, ...], **given: Any) -> None:
    """Draw the distribution of an item in the terminal: of the world, of a dataset, or of answers beside people.

    Without FILES it is the world's, or with --data that of all respondents; FILES are runs, files of answers,
    comparison folders or bundles.
    """
    item = load_codebook().item(item_id.upper() if item_id[:1] in "qQ" else item_id)
    terminal.say(f"{item.item_id}  {item.name}  ({item.topic})\n{item.question}")
    if files:
        _show_answers(item, comparison_of(files, given), given["by"])
    elif given["data"] is None:
        counts = load_marginals().counts(item.item_id)[: item.scale.n_points]
        _show_columns(item, ["world"], [shares_of(counts)])
        terminal.say(f"n = {int(counts.sum()):,}, file version 5, unweighted.")
    else:
        _show_people(item, given)


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
        if n < given["min_n"]:
            small += 1
            continue
        titles.append(f"{'everybody' if label == EVERYONE else label} ({n:,})")
        points = ratings[chosen] - item.scale.low
        shares.append(shares_of(np.bincount(points, weights=weight[chosen], minlength=item.scale.n_points)))
    _show_columns(item, titles, shares)
    weighed = "unweighted" if given["weight"] == "none" else f"weighted by {given['weight']}"
    terminal.say(f"{weighed}, edition {dataset.edition}.")
    if small:
        terminal.say(f"Not shown, with fewer than {given['min_n']} people: {terminal.counted(small, 'group')}.")


def _show_answers(item: Item, comparison: Comparison, by: str | None) -> None:
    """The answers of every source beside the humans, pooled or by group."""
    terminal.say_invented(comparison.is_invented)
    found = comparison.tables["distributions"].filter(item_id=item.item_id, grouping=by or EVERYONE)
    if found.is_empty():
        raise AnswersError(f"{item.item_id}: there is no distribution by {by or EVERYONE} that is not too small.")
    scores = comparison.tables["scores"].filter(item_id=item.item_id, grouping=by or EVERYONE)
    for (group,), rows in found.group_by("group", maintain_order=True):
        n = scores.filter(group=group)["n_responses"].to_list()[0]
        terminal.say(f"\n{'everybody' if group == EVERYONE else group} (n = {n:,})")
        titles, shares = ["humans"], [rows.filter(answers=rows["answers"][0])["humans"].to_numpy()]
        for name in comparison.names:
            own = rows.filter(answers=name)
            if own.height:
                titles.append(_title(name, scores.filter(group=group, answers=name)))
                shares.append(own["given"].to_numpy())
        _show_columns(item, titles, shares)


def _title(name: str, score: pl.DataFrame) -> str:
    row = score.row(0, named=True)
    return f"{name} W1 {row['distance']:.3f}"


def _show_columns(item: Item, titles: Sequence[str], shares: Sequence[Array]) -> None:
    """A bar for every scale point in each column, all on one scale; in a narrow terminal one column under another."""
    top = max((float(one.max()) for one in shares), default=1.0) or 1.0
    rows = [
        (
            rating,
            _short_label(item, rating),
            *(f"{terminal.bar(float(one[point]) / top, WIDTH):<{WIDTH}}{one[point]:>5.0%}" for one in shares),
        )
        for point, rating in enumerate(item.scale.ratings)
    ]
    terminal.table(("rating", "label", *titles), rows, left=2)


def _short_label(item: Item, rating: int) -> str:
    """The label of a rating, short enough to leave room for bars; nothing where it says no more than the rating."""
    label = item.label_of(rating) if len(item.labels) == item.scale.n_points else ""
    if label == str(rating):
        return ""
    return label if len(label) <= LABEL_WIDTH else label[: LABEL_WIDTH - 1].rstrip() + "…"
