"""Commands over comparisons: `wvb compare`, and `wvb report`, `figures`, `tables`, `bundle` of what it made."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
import polars as pl

from worldvaluesbench._io import check_destination, kind_of
from worldvaluesbench.benchmark import WeightName, check_weights, load_dataset, read_weights
from worldvaluesbench.cli import _terminal as show
from worldvaluesbench.cli._command import PATH, Given, command, force, given_options, option, out
from worldvaluesbench.cli._score import (
    ANSWERS,
    BOOTSTRAP,
    answer_options,
    config_of,
    describe_reference,
    groupings_of,
    interval_options,
    read_sources,
    reference_of,
    reference_options,
    say_columns,
    say_without_level,
    warn_of_small_cells,
)
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.reporting import is_bundle, read_bundle
from worldvaluesbench.reporting.tables import own_means
from worldvaluesbench.scoring import MIN_N
from worldvaluesbench.scoring.compare import (
    KIND,
    Comparison,
    compare_answers,
    comparison_document,
    load_comparison,
    merge_comparisons,
    write_comparison,
)
from worldvaluesbench.scoring.measure import GROUPINGS
from worldvaluesbench.scoring.sources import (
    EVERYONE,
    GUESSED,
    KIND_FROM,
    KINDS,
    Kind,
    coverage_sentences,
    find_groups,
    pairs_of,
    respondents_reference,
)
from worldvaluesbench.stats import Array, interval_text, shares_of
from worldvaluesbench.survey import Item
from worldvaluesbench.tables import distance_text, p_text, poll_text, rank_text

MAX_PAIRS_SHOWN = 30
DEFAULT_GROUPINGS = "H_URBRURAL,continent"
DISPARITIES = (
    "Group disparities (bias-corrected means over the items that all groups of a source have;\n"
    "p: of the part of the gap that bias cannot explain)"
)

HOW_MADE = ("data", "reference", "weight", "by", "partial", "answer_column", *BOOTSTRAP, "min_n", "min_coverage")
"""Parameters that have no effect on comparisons that are already made."""


@command()
@click.argument("files", nargs=-1, type=PATH, required=True)
@reference_options
@answer_options
@option(
    "--pair",
    multiple=True,
    metavar="WITHOUT,WITH",
    section=ANSWERS,
    help="Two sources that are one model, without and with demographics; may be repeated.",
)
@option(
    "--kind",
    multiple=True,
    metavar="NAME=KIND",
    section=ANSWERS,
    help=f"The kind of a source: {', '.join(KINDS)}; may be repeated.",
)
@interval_options(2)
@out("The comparison folder to make.")
@option("--json", "as_json", is_flag=True, help="Print comparison.json instead of tables.")
@force
def compare(files: tuple[Path, ...], out: Path, force: bool, as_json: bool, **given: Any) -> None:
    """Compare sources: paired differences, ranks, demographics, group disparity, response diversity.

    FILES are as for wvb score, and comparison folders and bundles, which are merged. Sources are compared over the
    examples that all of them answer.
    """
    check_destination(out, KIND, force=force)
    comparison = _comparison_of(files, given)
    warn_of_small_cells(comparison.receipt["settings"]["min_n"])
    write_comparison(comparison, out, force=force)
    if as_json:
        click.echo(json.dumps(comparison_document(comparison)))  # in ASCII, without terminal controls
        return
    show_comparison(comparison)
    show.say(f"Comparison: {out}")


def _comparison_of(files: Sequence[Path], given: Given) -> Comparison:
    """The comparison of runs and answer files, merged with those that are already made.

    Raises UsageError where the reference is missing, or an option would have no effect.
    """
    opened = {path: found for path in files if (found := _open(path)) is not None}
    sources = [path for path in files if path not in opened]
    made = list(opened.values())
    if sources:
        reference = reference_of(given)
        by = given["by"] if given["by"] is not None else ("" if reference.dataset is None else DEFAULT_GROUPINGS)
        own = compare_answers(
            read_sources(sources, given),
            reference,
            groupings=groupings_of(by, reference.codebook),
            how=config_of(given, reference.codebook),
        )
        made.insert(0, own)
    else:
        said = given_options(HOW_MADE)
        if said:
            raise click.UsageError(f"{said[0]} has no effect on comparisons that are already made; compare the runs.")
    pairs = [_split("--pair", text, ",") for text in given["pair"]]
    return merge_comparisons(made, kinds=dict(_kinds_of(given)), pairs=pairs)


def _open(path: Path) -> Comparison | None:
    """The comparison in a folder or bundle; None for a run or an answer file."""
    if path.is_dir() and kind_of(path) == KIND:
        return load_comparison(path)
    # a .zip can be nothing else, however damaged
    return read_bundle(path) if path.suffix == ".zip" or is_bundle(path) else None


def open_comparison(path: Path) -> Comparison:
    """The comparison in a folder or bundle.

    Raises UsageError for anything else.
    """
    comparison = _open(path)
    if comparison is None:
        raise click.UsageError(
            f"{path} is neither a comparison folder nor a bundle; make one of runs and answer files: "
            f"wvb compare {path} --data DIR --out DIR"
        )
    return comparison


def _kinds_of(given: Given) -> Iterator[tuple[str, Kind]]:
    for text in given["kind"]:
        name, kind = _split("--kind", text, "=")
        yield name, cast("Kind", kind)


def _split(option: str, text: str, separator: str) -> tuple[str, str]:
    parts = [part.strip() for part in text.split(separator)]
    if len(parts) != 2 or not all(parts):
        raise click.UsageError(f"{option} is {text!r}; expected two names with a {separator!r} between.")
    return parts[0], parts[1]


comparison_argument = click.argument("comparison", type=PATH)
published = option("--with-published", is_flag=True, help="Add the columns of the paper's Table 2, marked as such.")


@command()
@comparison_argument
@option("--format", "formats", default="svg", show_default=True, help="html, png, svg, pdf; comma-separated.")
@option("--items", help="Items whose distributions are drawn: Q1,Q106. Default: the nearest and farthest.")
@out("The folder of figures to make.")
@force
def figures(comparison: Path, out: Path, formats: str, items: str | None, force: bool) -> None:
    """Draw all figures of a comparison folder or bundle."""
    from worldvaluesbench.reporting.figures import FORMATS, write_figures
    from worldvaluesbench.reporting.figures import KIND as FIGURES

    wanted = [name for name in FORMATS if name in formats.replace(" ", "").split(",")]
    unknown = set(formats.replace(" ", "").split(",")) - set(FORMATS)
    if unknown:
        raise click.UsageError(f"There is no format {sorted(unknown)[0]!r}; there are {', '.join(FORMATS)}.")
    check_destination(out, FIGURES, force=force)
    opened = open_comparison(comparison)
    item_ids = None if items is None else [item.strip() for item in items.split(",")]
    names = write_figures(opened, out, formats=wanted, item_ids=item_ids, force=force)
    warn_of_small_cells(opened.receipt["settings"]["min_n"])
    show.say_synthetic(opened.is_invented)
    show.say(f"{show.counted(len(names), 'figure')}: {', '.join(names)}\nFigures: {out}")


@command()
@comparison_argument
@option("--data", type=PATH, help="The dataset folder, for Table 1 of the paper.")
@published
@out("The folder of tables to make.")
@force
def tables(comparison: Path, data: Path | None, with_published: bool, out: Path, force: bool) -> None:
    """Write Table 2, the leaderboard and, with --data, Table 1 of the paper, as HTML and LaTeX."""
    from worldvaluesbench.reporting.tables import KIND as TABLES
    from worldvaluesbench.reporting.tables import write_table_set

    check_destination(out, TABLES, force=force)
    opened = open_comparison(comparison)
    names = write_table_set(opened, out, data, with_published=with_published, force=force)
    warn_of_small_cells(opened.receipt["settings"]["min_n"])
    show.say_synthetic(opened.is_invented)
    show.say(f"{', '.join(names)}\nTables: {out}")


@command()
@comparison_argument
@published
@out("The folder of the report to make.")
@force
def report(comparison: Path, with_published: bool, out: Path, force: bool) -> None:
    """Write an HTML report: leaderboard, items, groups, response diversity, provenance.

    COMPARISON is a folder made by wvb compare, or a bundle. The page is one file and needs no network.
    """
    from worldvaluesbench.reporting.page import KIND as REPORT
    from worldvaluesbench.reporting.page import write_report
    from worldvaluesbench.reporting.tables import load_published

    check_destination(out, REPORT, force=force)
    opened = open_comparison(comparison)
    page = write_report(opened, out, published=load_published() if with_published else None, force=force)
    warn_of_small_cells(opened.receipt["settings"]["min_n"])
    show.say_synthetic(opened.is_invented)
    show.say(f"Report: {page} ({page.stat().st_size / 1e6:.1f} MB)")


@command()
@click.argument("comparison", nargs=-1, required=True, type=PATH)
@option("-o", "--out", type=PATH, help="The bundle to make, a .zip.")
@force
def bundle(comparison: tuple[Path, ...], out: Path | None, force: bool) -> None:
    """Pack aggregates, report, card and checksums into one zip that is made to be shared: no microdata.

    COMPARISON is a folder made by wvb compare. `wvb bundle check FILE.zip` says whether a bundle is whole and holds
    only aggregates of at least ten respondents.
    """
    from worldvaluesbench.reporting import check_bundle, check_bundle_destination, write_bundle

    if comparison[0] == Path("check"):
        if len(comparison) != 2 or out is not None:
            raise click.UsageError("Expected one bundle: wvb bundle check FILE.zip.")
        problems = check_bundle(comparison[1])
        for problem in problems:
            show.warn(f"{comparison[1]}: {problem}")
        if problems:
            raise click.exceptions.Exit(1)
        show.say(f"{comparison[1]}: {_SOUND}")
        return
    if len(comparison) > 1:
        raise click.UsageError("Expected one comparison; merge several first: wvb compare A B --out DIR.")
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    check_bundle_destination(out, force=force)
    opened = open_comparison(comparison[0])
    write_bundle(opened, out, force=force)
    show.say_synthetic(opened.is_invented)
    show.say(f"Bundle: {out} ({out.stat().st_size / 1e6:.1f} MB)")


_SOUND = (
    "whole. Every cell has at least 10 respondents, and fewer are not left when one is taken from another; "
    "no respondent ids, no resamples. Other bundles of the same data are not looked at (docs/report.md)."
)


def show_comparison(comparison: Comparison) -> None:
    """Print a comparison: ranks, differences, demographics, group disparity, response diversity."""
    show.say_synthetic(comparison.is_invented)
    show.say(describe_reference(comparison.receipt["reference"]))
    show.say(compared_over(comparison))
    say_columns({one["name"]: one.get("answer_column") for one in comparison.receipt["answers"]})
    for sentence in coverage_sentences(comparison.receipt):
        show.say(sentence)
    if comparison.tables["leaderboard"].is_empty():
        n = comparison.receipt["settings"]["min_n"]
        show.say(
            f"No item has {n} respondents that all sources answer for; see --min-n, or compare runs of the same probe."
        )
        return
    show_leaderboard(comparison)
    _show_own_means(comparison)
    _show_differences(comparison, "pairs", ("first", "second"), "Paired differences of mean W1, first − second")
    show_demographics(comparison)
    _show_disparity(comparison)
    say_without_level(comparison.tables[GROUPINGS])
    _show_collapse(comparison)


def compared_over(comparison: Comparison) -> str:
    """What a comparison is over, in words."""
    if comparison.n_common is None:
        return "Compared apart: ranked over the items that all sources have, each over its own examples."
    return f"Compared over the {comparison.n_common:,} examples that all sources answer."


def show_leaderboard(comparison: Comparison) -> None:
    """Print the leaderboard, with rank confidence intervals."""
    table = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE).sort("corrected", nulls_last=True)
    rows = [
        (
            row["answers"],
            row["kind"],
            rank_text(row),
            row["n_items"],
            distance_text(row["corrected"], row["low"], row["high"]),
            row["noise_floor"],
            None if row["skill"] is None else f"{row['skill']:.2f}",
            poll_text(row),
        )
        for row in table.iter_rows(named=True)
    ]
    columns = ("answers", "kind", "rank", "items", "mean W1, bias-corrected", "noise floor", "skill", "worth a poll of")
    show.table(columns, rows, title="\nLeaderboard (ranks and sizes of polls with confidence intervals)", left=2)
    guessed = [name for name, sort in comparison.sorts.items() if sort.kind_from == "name"]
    if guessed:
        show.say(f"Kinds {KIND_FROM['name']}: {', '.join(guessed)}; --kind NAME=with|without|baseline settles it.")


def _show_own_means(comparison: Comparison) -> None:
    rows = [
        (
            row["answers"],
            row["n_items"],
            row["n_examples"],
            distance_text(row["corrected"], row["low"], row["high"]),
        )
        for row in own_means(comparison).iter_rows(named=True)
    ]
    if rows:
        columns = ("answers", "items", "examples", "mean W1, bias-corrected")
        show.table(columns, rows, title="\nEach source over its own items and examples (not ranked)")


def show_demographics(comparison: Comparison) -> None:
    """Print the effect of demographics on each model that was asked with and without them."""
    title = "Δ W1 (with − without demographics); negative = demographics help"
    _show_differences(comparison, "demographics", ("model",), title)
    for pair in pairs_of(comparison.sorts):
        if not pair.is_tested:
            show.say(
                f"Not tested as a persona effect: {pair.without} and {pair.shown} differ in {pair.differs_in}. "
                f"If they are one model without and with demographics: --pair {pair.without},{pair.shown}"
                if pair.differs_in != GUESSED
                else f"Not tested as a persona effect: {pair.without} and {pair.shown} ({GUESSED}); if they are one "
                f"model without and with demographics, say so: --pair {pair.without},{pair.shown}"
            )


def _show_differences(comparison: Comparison, name: str, keys: tuple[str, ...], title: str) -> None:
    pooled = comparison.tables[name].filter((pl.col("grouping") == EVERYONE) & pl.col("difference").is_not_null())
    rows = [
        (
            *(row[key] for key in keys),
            interval_text(row["difference"], row["low"], row["high"]),
            p_text(row["p"]),
            p_text(row["p_holm"]),
            p_text(row["squared_p_holm"]),
        )
        for row in pooled.head(MAX_PAIRS_SHOWN).iter_rows(named=True)
    ]
    if rows:
        show.table((*keys, "difference", "p", "p (Holm)", "squared p (Holm)"), rows, title=f"\n{title}", left=len(keys))
    if pooled.height > MAX_PAIRS_SHOWN:
        show.say(f"{pooled.height - MAX_PAIRS_SHOWN} more are in {name}.parquet.")


def _show_disparity(comparison: Comparison) -> None:
    rows = [
        (
            row["grouping"],
            row["answers"],
            row["worst"],
            row["best"],
            interval_text(row["gap"], row["gap_low"], row["gap_high"]),
            row["gap_by_chance"],
            p_text(row["p"]),
            interval_text(row["spread"], row["spread_low"], row["spread_high"]),
            row["n_items"],
        )
        for row in comparison.tables["disparity"].iter_rows(named=True)
    ]
    if rows:
        columns = ("grouping", "answers", "worst group", "best group", "gap", "gap by chance", "p", "spread", "items")
        show.table(columns, rows, title=f"\n{DISPARITIES}", left=4)


def _show_collapse(comparison: Comparison) -> None:
    pooled = comparison.tables["collapse_summary"].filter(pl.col("grouping") == EVERYONE)
    rows = [
        (
            row["answers"],
            row["n_items"],
            row["entropy_ratio"],
            row["variance_ratio"],
            row["modal_share_humans"],
            row["modal_share_answers"],
        )
        for row in pooled.iter_rows(named=True)
    ]
    columns = ("answers", "items", "entropy ratio", "variance ratio", "modal share, humans", "answers")
    show.table(columns, rows, title="\nHow varied the answers are (1: as people; below: collapsed)")


# ---- distributions of items as bars (`wvb items ITEM --data` or `--comparison`) ----

WIDTH, LABEL_WIDTH = 16, 30
NARROW, NARROW_WIDTH, LEAST_LABEL = 60, 8, 12
"""In a terminal of fewer columns than the first, bars have fewer cells; labels and names are cut, never below these."""

DISTANCE = " W1 "
BEFORE = len("rating") + 2 * show.GAP
"""Columns before the bars, beside a label."""


def show_respondents(item: Item, data: Path, by: str | None, weight_name: WeightName) -> None:
    """Draw the responses of a dataset to an item, pooled or by group."""
    dataset = load_dataset(data)
    show.say_synthetic(dataset.is_invented)
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
    show.say(f"{weighed}, edition {dataset.edition}.")
    _say_not_shown(small, MIN_N)


def show_sources(item: Item, comparison: Comparison, by: str | None) -> None:
    """Draw the answers of every source beside the human responses, pooled or by group."""
    grouping = by or EVERYONE
    if grouping not in (EVERYONE, *comparison.groupings):
        groupings = ", ".join(comparison.groupings) or "none"
        raise AnswersError(f"The comparison has no grouping {grouping!r}; it has {groupings}.")
    show.say_synthetic(comparison.is_invented)
    found = comparison.tables["distributions"].filter(item_id=item.item_id, grouping=grouping)
    if found.is_empty():
        raise AnswersError(f"{item.item_id}: there is no distribution by {grouping} that is not too small.")
    scores = comparison.tables["scores"].filter(item_id=item.item_id, grouping=grouping)
    for (group, codes), rows in found.group_by("group", "group_codes", maintain_order=True):
        of_group = scores.filter(pl.col("group_codes").eq_missing(pl.lit(codes, dtype=pl.String)))
        n = of_group["n_responses"].to_list()[0]
        show.say(f"\n{'all' if group == EVERYONE else group} (n = {n:,})")
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
        show.say(f"Not shown, with fewer than {min_n} respondents: {show.counted(n, 'group')}.")


def _title(name: str, score: pl.DataFrame) -> str:
    row = score.row(0, named=True)
    return f"{name}{DISTANCE}{row['distance']:.3f}"


def show_columns(item: Item, titles: Sequence[str], shares: Sequence[Array]) -> None:
    """A bar for every scale point in each column, all on one scale; in a narrow terminal one column under another."""
    top = max((float(one.max()) for one in shares), default=1.0) or 1.0
    room = show.console().width
    bar_width = WIDTH if room >= NARROW else NARROW_WIDTH
    column = max(bar_width + 5, min(max(map(len, titles), default=0), room - BEFORE - LEAST_LABEL))
    label_width = min(LABEL_WIDTH, max(LEAST_LABEL, room - BEFORE - column))
    rows = [
        (
            rating,
            _short_label(item, rating, label_width),
            *(f"{show.bar(float(one[point]) / top, bar_width):<{bar_width}}{one[point]:>5.0%}" for one in shares),
        )
        for point, rating in enumerate(item.scale.ratings)
    ]
    show.table(("rating", "label", *(_heading(title, column) for title in titles)), rows, left=2)


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
