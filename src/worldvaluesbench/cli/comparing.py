"""The command that compares: `wvb compare`."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import click
import polars as pl

from worldvaluesbench._io import check_destination, kind_of
from worldvaluesbench.cli import options, show
from worldvaluesbench.cli.judging import (
    DRAWN,
    Given,
    against_whom,
    given_options,
    how_of,
    how_sure_of_comparisons,
    make_partial_answers,
    reference_of,
    warn_of_small_cells,
)
from worldvaluesbench.cli.scoring import at_least_0, describe_reference, say_columns, say_without_level, with_interval
from worldvaluesbench.reporting.bundle import is_bundle, read_bundle
from worldvaluesbench.reporting.tables import own_means
from worldvaluesbench.scoring.compare import (
    KIND,
    Comparison,
    compare_answers,
    comparison_document,
    merge_comparisons,
    read_comparison,
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
    pairs_of,
    read_answers,
)
from worldvaluesbench.survey import parse_groupings
from worldvaluesbench.tables import p_text, poll_text, rank_text

Command = TypeVar("Command", bound=Callable[..., Any])

MAX_PAIRS_SHOWN = 30

DISPARITIES = (
    "Group disparities (corrected means over the items that all groups of a source have;\n"
    "p: of the part of the gap that no bias can have made)"
)
DEFAULT_GROUPINGS = "H_URBRURAL,continent"


def comparison_options(command: Command) -> Command:
    """What every command takes that is about a comparison: files, against whom, groupings, intervals."""
    by = f"Groupings, separated by commas; * crosses. With respondents: {DEFAULT_GROUPINGS}, unless you say otherwise."
    for option in reversed(
        [
            click.argument("files", nargs=-1, type=options.PATH, required=True),
            against_whom,
            click.option("--by", default=None, help=by),
            click.option("--partial", is_flag=True, help="Take unfinished runs as far as their answers go."),
            click.option(
                "--pair",
                multiple=True,
                metavar="WITHOUT,WITH",
                help="Two sources that are one model, without and with demographics; may be repeated.",
            ),
            click.option(
                "--kind",
                multiple=True,
                metavar="NAME=KIND",
                help=f"The kind of a source: {', '.join(KINDS)}; may be repeated.",
            ),
            options.answer_column,
            how_sure_of_comparisons,
        ]
    ):
        command = option(command)
    return command


def comparison_of(
    files: Sequence[Path], given: Given, *, used: Collection[str] = (), is_shared: bool = False
) -> Comparison:
    """The comparison of these files: made from runs and files of answers, opened from folders and bundles, together.

    `used`: options that the command uses of comparisons that are made already; the others would change nothing there.
    `is_shared`: whether it is to be shared, which small cells forbid.

    Raises UsageError where runs are to be compared and it is not said against whom, or an option would change nothing.
    """
    made = [_open(path) for path in files]
    answers = [path for path, found in zip(files, made, strict=True) if found is None]
    opened = [found for found in made if found is not None]
    comparison = merge_comparisons(
        [*([_compare(answers, given)] if answers else []), *opened],
        kinds=dict(_kinds_of(given)),
        pairs=[_split("--pair", text, ",") for text in given.get("pair", ())],
    )
    if not answers:
        _refuse_what_changes_nothing(comparison, [name for name in _MAKING if name not in used])
    if not is_shared:
        warn_of_small_cells(comparison.receipt["settings"]["min_n"])
    return comparison


_MAKING = ("data", "reference", "weight", "by", "partial", "answer_column", *DRAWN, "min_n", "min_coverage")
"""Options that say how a comparison is made."""


def _refuse_what_changes_nothing(comparison: Comparison, names: Sequence[str]) -> None:
    """Raise UsageError for options that say how to make a comparison, where it is made already."""
    said = given_options(names)
    if said:
        many = "change" if len(said) > 1 else "changes"
        raise click.UsageError(
            f"{' and '.join(said)} {many} nothing in a comparison that is made already ({_how_made(comparison)}); "
            f"compare the runs anew."
        )


def _how_made(comparison: Comparison) -> str:
    """How a comparison was made, by the options that make it so."""
    reference, settings = comparison.receipt["reference"], comparison.receipt["settings"]
    drawn = settings["resampling"]
    made = {"reference": reference["name"], "weight": reference["weight"], "by": ",".join(settings["groupings"])}
    made |= {"min-n": settings["min_n"], "resamples": drawn["n"], "interval": drawn["method"], "level": drawn["level"]}
    made |= {"item-sampling": settings["item_sampling"], "strata": settings["strata"], "cluster": settings["cluster"]}
    made |= {"seed": drawn["seed"], "min-coverage": settings.get("min_coverage")}
    return " ".join(f"--{name} {value}" for name, value in made.items() if value not in (None, ""))


def _open(path: Path) -> Comparison | None:
    """The comparison in a folder or bundle; None for a run or a file of answers."""
    if path.is_dir() and kind_of(path) == KIND:
        return read_comparison(path)
    # what is called a zip can be nothing else, however damaged
    return read_bundle(path) if path.suffix == ".zip" or is_bundle(path) else None


def _compare(paths: Sequence[Path], given: Given) -> Comparison:
    reference = reference_of(given)
    if given["partial"]:
        make_partial_answers(paths)
    by = given["by"] if given["by"] is not None else ("" if reference.dataset is None else DEFAULT_GROUPINGS)
    return compare_answers(
        [read_answers(path, partial=given["partial"], answer_column=given["answer_column"]) for path in paths],
        reference,
        groupings=parse_groupings(by, reference.codebook) if by else (),
        how=how_of(given, reference.codebook),
    )


def _kinds_of(given: Given) -> Iterator[tuple[str, Kind]]:
    """The kinds that are given, by the names of their sources."""
    for text in given.get("kind", ()):
        name, kind = _split("--kind", text, "=")
        yield name, cast("Kind", kind)


def _split(option: str, text: str, separator: str) -> tuple[str, str]:
    """The two parts of an option's value. Raises UsageError unless there are two."""
    parts = [part.strip() for part in text.split(separator)]
    if len(parts) != 2 or not all(parts):
        raise click.UsageError(f"{option} is {text!r}; expected two names with a {separator!r} between.")
    return parts[0], parts[1]


@click.command()
@comparison_options
@options.out("The comparison folder to make.")
@click.option("--json", "as_json", is_flag=True, help="Print comparison.json instead of tables.")
@options.force
def compare(files: tuple[Path, ...], out: Path, force: bool, as_json: bool, **given: Any) -> None:
    """Compare runs and files of answers: paired differences, ranks, with and without demographics, disparity, collapse.

    FILES are as for `wvb score`, and comparison folders and bundles. What is compared is what all of them answer, over
    the same people.
    """
    check_destination(out, KIND, force=force)
    comparison = comparison_of(files, given)
    write_comparison(comparison, out, force=force)
    if as_json:
        click.echo(json.dumps(comparison_document(comparison)))  # in ASCII, which no terminal obeys
        return
    show_comparison(comparison)
    show.say(f"Comparison: {out}")


def show_comparison(comparison: Comparison) -> None:
    """Print a comparison: who is nearer, by how much, with and without demographics, to whom, and how varied."""
    show.say_invented(comparison.is_invented)
    show.say(describe_reference(comparison.receipt["reference"]))
    show.say(compared_over(comparison))
    say_columns({one["name"]: one.get("answer_column") for one in comparison.receipt["answers"]})
    for sentence in coverage_sentences(comparison.receipt):
        show.say(sentence)
    if comparison.tables["leaderboard"].is_empty():
        n = comparison.receipt["settings"]["min_n"]
        show.say(
            f"No item has {n} people whom all of them answer for; see --min-n, or compare runs of the same people."
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
    return f"Compared over the {comparison.n_common:,} examples that all of them answer."


def show_leaderboard(comparison: Comparison) -> None:
    """Print who is nearest, with the ranks that chance allows."""
    table = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE).sort("corrected", nulls_last=True)
    rows = [
        (
            row["answers"],
            row["kind"],
            rank_text(row),
            row["n_items"],
            with_interval(at_least_0(row["corrected"]), row["low"], row["high"]),
            row["noise_floor"],
            None if row["skill"] is None else f"{row['skill']:.2f}",
            poll_text(row),
        )
        for row in table.iter_rows(named=True)
    ]
    columns = ("answers", "kind", "rank", "items", "mean W1, corrected", "noise floor", "skill", "worth a poll of")
    show.table(columns, rows, title="\nLeaderboard (ranks and sizes of polls with confidence intervals)", left=2)
    guessed = [name for name, sort in comparison.sorts.items() if sort.kind_from == "name"]
    if guessed:
        show.say(
            f"Kinds {KIND_FROM['name']}: {', '.join(guessed)}; --kind NAME=with|without|baseline says it for sure."
        )


def _show_own_means(comparison: Comparison) -> None:
    rows = [
        (
            row["answers"],
            row["n_items"],
            row["n_examples"],
            with_interval(at_least_0(row["corrected"]), row["low"], row["high"]),
        )
        for row in own_means(comparison).iter_rows(named=True)
    ]
    if rows:
        columns = ("answers", "items", "examples", "mean W1, corrected")
        show.table(columns, rows, title="\nEach source over its own items and examples (not ranked)")


def show_demographics(comparison: Comparison) -> None:
    """Print what showing demographics does to each model that was asked both ways."""
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
            with_interval(row["difference"], row["low"], row["high"]),
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
            with_interval(row["gap"], row["gap_low"], row["gap_high"]),
            row["gap_by_chance"],
            p_text(row["p"]),
            with_interval(row["spread"], row["spread_low"], row["spread_high"]),
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
