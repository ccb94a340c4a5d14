"""The command that scores: `wvb score`, and what it prints."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import polars as pl

from worldvaluesbench._io import check_destination
from worldvaluesbench.benchmark import describe_weight
from worldvaluesbench.cli import _terminal as show
from worldvaluesbench.cli._command import PATH, command, given_options, option
from worldvaluesbench.cli._options import (
    ANSWERS,
    BOOTSTRAP,
    Given,
    answer_options,
    config_of,
    force,
    groupings_of,
    interval_options,
    out,
    reference_of,
    reference_options,
    warn_of_small_cells,
)
from worldvaluesbench.runs import is_finished, is_run
from worldvaluesbench.scoring import (
    KIND,
    Scores,
    once_a_baseline,
    receipt_of,
    score_answers,
    scores_document,
    write_scores,
)
from worldvaluesbench.scoring.measure import (
    GROUPINGS,
    HUMAN_SHARES,
    NONRESPONSE,
    SOURCE_SHARES,
    without_level_sentences,
)
from worldvaluesbench.scoring.sources import (
    EVERYONE,
    WHOM,
    Answers,
    coverage_sentences,
    read_answers,
    sentences_of,
)
from worldvaluesbench.stats import MIN_COVERAGE
from worldvaluesbench.survey import WHICH_WORLD

MAX_ITEMS_SHOWN = 60
MAX_NONRESPONSE_SHOWN = 12
"""Of more items than these only the means of their nonresponse are shown."""


@command()
@click.argument("files", nargs=-1, required=True, type=PATH)
@reference_options
@answer_options
@option(
    "--unparsed",
    type=click.Choice(["leave-out", "as-published", "refusal"]),
    default="leave-out",
    show_default=True,
    section=ANSWERS,
    help="Missing answers: listwise deletion; as the published scorer; or as a refusal, a category of its own.",
)
@interval_options(0)
@out("The scores folder to make.")
@option("--json", "as_json", is_flag=True, help="Print scores.json instead of tables.")
@force
def score(files: tuple[Path, ...], out: Path, force: bool, as_json: bool, **given: Any) -> None:
    """Score runs and answer files: Wasserstein-1 distance from human responses, item by item.

    FILES are run folders (wvb ask, wvb baseline), or csv, tsv or parquet files with the columns QUESTION_ID,
    PARTICIPANT_ID and SCORE. Give --data, or --reference world.
    """
    check_destination(out, KIND, force=force)
    as_published = given["unparsed"] == "as-published"
    if as_published and (unused := given_options(BOOTSTRAP)):
        raise click.UsageError(f"{unused[0]} is an option of the bootstrap, and the published scorer has none.")
    reference = reference_of(given)
    scores = score_answers(
        read_sources(files, given),
        reference,
        groupings=groupings_of(given["by"], reference.codebook),
        as_published=as_published,
        how=config_of(given, reference.codebook, has_refusals=given["unparsed"] == "refusal"),
    )
    write_scores(scores, out, force=force)
    warn_of_small_cells(given["min_n"])
    if as_json:
        click.echo(json.dumps(scores_document(scores)))  # in ASCII, without terminal controls
        return
    show_scores(scores)
    for name in names_without_valid_rows(scores):
        show.warn(f"warning: no row of {name} is valid, so it has no distance; see the table of rows.")
    show.say(f"Scores: {out}")


def read_sources(paths: Sequence[Path], given: Given) -> list[Answers]:
    """The sources of answers; with `--partial`, unfinished runs as far as their journals go."""
    if given["partial"]:
        # only here: scoring files must not wait for what reads completions
        from worldvaluesbench.asking import damage_note
        from worldvaluesbench.asking import write_answers as write_answers_of_run

        for path in paths:
            if is_run(path) and not is_finished(path):
                damaged: list[int] = []
                write_answers_of_run(path, damaged=damaged)
                if damaged:
                    show.warn(f"{path}: {damage_note(damaged)}")
    return [read_answers(path, partial=given["partial"], answer_column=given["answer_column"]) for path in paths]


def show_scores(scores: Scores) -> None:
    """Print scores: valid rows, summaries, and W1 by item where there are not too many."""
    show.say_synthetic(scores.is_invented)
    show.say(describe_reference(scores.reference.describe()) + (", as published" if scores.as_published else ""))
    say_columns({one.name: one.answer_column for one in scores.answers})
    for one in scores.answers:
        if one.run is not None and one.run.is_partial:
            show.say(f"{one.name} is not finished: scored as far as its answers go.")
    _show_outcomes(scores)
    for sentence in coverage_sentences(receipt_of(scores)):
        show.say(sentence)
    _show_summary(scores)
    say_without_level(scores.tables[GROUPINGS])
    items = scores.table["item_id"].n_unique()
    if items <= MAX_ITEMS_SHOWN:
        _show_items(scores)
    else:
        show.say(f"{items} items; their scores are in scores.parquet.")
    _show_nonresponse(scores.tables[NONRESPONSE])


def say_coverage(folder: Path) -> None:
    """Say which answers of a finished run have too little coverage to count where nobody says otherwise, if any."""
    for sentence in sentences_of([read_answers(folder)], MIN_COVERAGE):
        show.say(sentence)


def names_without_valid_rows(scores: Scores) -> list[str]:
    """The sources of which no row is valid."""
    totals = scores.counts.group_by("answers", maintain_order=True).agg(pl.col("valid").sum())
    return totals.filter(pl.col("valid") == 0)["answers"].to_list()


def describe_reference(reference: Mapping[str, Any]) -> str:
    """The reference in words, from what a manifest says about it."""
    if reference["name"] == "world":
        return f"Humans: the world marginals ({WHICH_WORLD})"
    weight = describe_weight(reference["weight"])
    return f"Humans: {WHOM[reference['name']]}, edition {reference['edition']}, {weight}"


def say_columns(columns: Mapping[str, str | None]) -> None:
    """Say which column of each file the answers were read from; runs have but one."""
    read: dict[str, list[str]] = {}
    for name, column in columns.items():
        if column is not None:
            read.setdefault(column, []).append(name)
    for column, names in read.items():
        whose = "" if len(read) == 1 else f" of {', '.join(names)}"
        show.say(f"Answers{whose} are read from the column {column}.")


def say_without_level(groupings: pl.DataFrame) -> None:
    """Say how many respondents are in no group of each grouping, where there are any."""
    for sentence in without_level_sentences(groupings):
        show.say(sentence)


def _show_outcomes(scores: Scores) -> None:
    totals = scores.counts.drop("item_id").group_by("answers", maintain_order=True).sum()
    met = [name for name in totals.columns[1:] if name in ("n_rows", "valid") or totals[name].sum()]
    rows = totals.select("answers", *met).rows()
    show.table(("answers", *(name.replace("n_rows", "rows") for name in met)), rows, title="Rows")


def _show_summary(scores: Scores) -> None:
    several = scores.summary.filter(pl.col("grouping") != "all").height > 0
    has_design = scores.summary["design_effect"].null_count() < scores.summary.height
    rows = [
        (
            *((row["grouping"], row["group"]) if several else ()),
            _answered_by(row),
            row["n_items"],
            row["mean"],
            with_interval(at_least_0(row["mean_corrected"]), row["mean_low"], row["mean_high"]),
            row["noise_floor"],
            row["sd"],
            _percent(row["attained_0_1"], row["attained_0_1_low"], row["attained_0_1_high"]),
            _percent(row["attained_0_2"], row["attained_0_2_low"], row["attained_0_2_high"]),
            *((row["design_effect"],) if has_design else ()),
        )
        for row in _with_places(once_a_baseline(scores.summary)).iter_rows(named=True)
    ]
    groups = ("grouping", "group") if several else ()
    columns = (
        *groups,
        "answered by",
        "items",
        "mean W1",
        "bias-corrected W1",
        "noise floor",
        "sd",
        "W1 <= 0.1",
        "W1 <= 0.2",
    )
    columns += ("design effect",) if has_design else ()
    show.table(columns, rows, title="\nMean W1 over items", left=3 if several else 1)
    if several and scores.table["is_too_small"].any():
        n = scores.table.filter("is_too_small").height
        show.say(
            f"Too small for a number, with fewer than {scores.how.min_n} humans or respondents answered for "
            f"({scores.how.least_n(is_stated=True)} where probabilities are stated): "
            f"{n:,} of {show.counted(scores.table.height, 'cell')}."
        )


def _with_places(summary: pl.DataFrame) -> pl.DataFrame:
    """The rows of a summary, and whether one baseline has several in a group, one for each source."""
    keys = ["grouping", "group", "group_codes", "answered_by"]
    return summary.with_columns(is_one_of_several=pl.struct(keys).is_duplicated())


def _answered_by(row: Mapping[str, Any]) -> str:
    """The source; a baseline that differs between sources names the source it belongs to."""
    return f"{row['answered_by']} (for {row['answers']})" if row["is_one_of_several"] else str(row["answered_by"])


def _show_nonresponse(nonresponse: pl.DataFrame) -> None:
    """Print item nonresponse of humans beside refusals: by item where they are few, else the means."""
    pooled = nonresponse.filter(pl.col("grouping") == EVERYONE)
    shares = (*HUMAN_SHARES, *SOURCE_SHARES)
    if not any((pooled[name] > 0).any() for name in shares):
        return
    if pooled["item_id"].n_unique() > MAX_NONRESPONSE_SHOWN:
        of_sources = pooled.group_by("answers", maintain_order=True).agg(pl.col(shares).mean(), pl.len())
        for row in of_sources.iter_rows(named=True):
            dont_know, no_answer, refusal, unparsed = (_percent(row[name]) or "–" for name in shares)
            show.say(
                f"Nonresponse, mean over {row['len']} items: humans asked don't know {dont_know}, no answer "
                f"{no_answer}; rows of {row['answers']} refusals {refusal}, unparsed {unparsed}."
            )
        return
    columns = ("answers", "item", "humans asked", "don't know", "no answer", "rows", "refusals", "unparsed")
    rows = [
        (
            *(row[name] for name in ("answers", "item_id", "n_humans_asked")),
            *(_percent(row[name]) for name in HUMAN_SHARES),
            row["n_rows"],
            *(_percent(row[name]) for name in SOURCE_SHARES),
        )
        for row in pooled.iter_rows(named=True)
    ]
    show.table(columns, rows, title="\nItem nonresponse (humans and sources are over different respondents)", left=2)


SHARED = ("n_responses", "noise_floor", "uniform", "majority")
"""Columns that are the same for every source of answers for the same respondents."""


def _show_items(scores: Scores) -> None:
    pooled = scores.table.filter(pl.col("grouping") == "all")
    names = pooled["answers"].unique(maintain_order=True).to_list()
    is_shared = pooled.select("item_id", *SHARED).unique().height == pooled["item_id"].n_unique()
    by_item: dict[str, dict[str, dict[str, Any]]] = {}
    for row in pooled.iter_rows(named=True):
        by_item.setdefault(row["item_id"], {})[row["answers"]] = row
    rows: list[tuple[object, ...]] = []
    for item_id, found in by_item.items():
        first = next(iter(found.values()))
        n, *others = (first[name] for name in SHARED)
        cells = [_cell(found.get(name)) for name in names]
        rows.append((item_id, n, *cells, *others) if is_shared else (item_id, *cells))
    columns = ("item", "humans", *names, "noise floor", "uniform", "majority") if is_shared else ("item", *names)
    show.table(
        columns,
        rows,
        title="\nW1 by item" + (", bias-corrected" if scores.how.resampling and not scores.as_published else ""),
    )
    if not is_shared:
        show.say(
            "Sources answer for different respondents: n, noise floors and baselines of each are in scores.parquet."
        )


def _cell(row: Mapping[str, Any] | None) -> str | None:
    """The distance of a cell; where it has an interval, the bias-corrected one, which the interval is of."""
    if row is None:
        return None
    if row["is_too_small"]:
        return "n too small"
    value = row["distance"] if row["low"] is None else at_least_0(row["corrected"])
    return with_interval(value, row["low"], row["high"])


def with_interval(value: float | None, low: float | None, high: float | None) -> str | None:
    """A value with its confidence interval in square brackets, where it has one.

    >>> with_interval(0.2, 0.18, 0.22), with_interval(0.2, None, None)
    ('0.200 [0.180, 0.220]', '0.200')
    """
    if value is None:
        return None
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def at_least_0(corrected: float | None) -> float | None:
    """A bias-corrected distance as tables show it: not below 0, where its interval ends as well."""
    return None if corrected is None else max(corrected, 0.0)


def _percent(share: float | None, low: float | None = None, high: float | None = None) -> str | None:
    if share is None:
        return None
    return f"{share:.1%}" if low is None or high is None else f"{share:.1%} [{low:.0%}, {high:.0%}]"
