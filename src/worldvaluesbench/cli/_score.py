"""The command that scores: `wvb score`, its options, which others share, and what it prints."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import polars as pl

from worldvaluesbench._io import check_destination
from worldvaluesbench.benchmark import CLUSTERS, describe_weight, load_dataset
from worldvaluesbench.cli import _terminal as show
from worldvaluesbench.cli._command import (
    PATH,
    REFERENCE,
    Decorator,
    Given,
    command,
    force,
    given_options,
    option,
    out,
    together,
    weight_option,
)
from worldvaluesbench.runs import is_finished, is_run
from worldvaluesbench.scoring import (
    KIND,
    MIN_N,
    MIN_N_STATED,
    How,
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
    REFERENCES,
    Answers,
    Reference,
    coverage_sentences,
    read_answers,
    respondents_reference,
    sentences_of,
    world_reference,
)
from worldvaluesbench.stats import ITEM_SAMPLING, MIN_COVERAGE, Resampling
from worldvaluesbench.stats import METHODS as CI_METHODS
from worldvaluesbench.survey import WHICH_WORLD, Codebook, Grouping, parse_groupings
from worldvaluesbench.tables import distance_text

MAX_ITEMS_SHOWN = 60
MAX_NONRESPONSE_SHOWN = 12
"""Of more items than these only the means of their nonresponse are shown."""


RESAMPLES = 1000
BOOTSTRAP = ("resamples", "interval", "level", "item_sampling", "strata", "cluster", "seed")
"""The parameters of the bootstrap."""

ANSWERS, INTERVALS = "Answers", "Confidence intervals"

min_coverage = option(
    "--min-coverage",
    type=click.FloatRange(0, 1),
    default=MIN_COVERAGE,
    show_default=True,
    section=ANSWERS,
    help="Least probability on the answer options (token_probs) for an answer to count.",
)

reference_options = together(
    option("--data", type=PATH, section=REFERENCE, help="The dataset folder with the respondents."),
    option(
        "--reference", type=click.Choice(list(REFERENCES)), section=REFERENCE,
        help="Compare with the respondents answered for (probe, the default), their split, all, or the world.",
    ),
    weight_option,
    option(
        "--by", default=None, section=REFERENCE, help="Groupings, comma-separated; * crosses: continent,Q260*age_band."
    ),
)  # fmt: skip

answer_column = option(
    "--answer-column", metavar="NAME", section=ANSWERS, help="The column with the answers, if several could be."
)

answer_options = together(
    option("--partial", is_flag=True, section=ANSWERS, help="Take unfinished runs as far as their answers go."),
    answer_column,
    min_coverage,
)


def interval_options(least: int) -> Decorator[Any]:
    """The options of confidence intervals and small cells; `least` is the smallest number of resamples."""
    default = Resampling()
    zero = "" if least else " (0: no confidence intervals)"
    return together(
        option(
            "--resamples", type=click.IntRange(min=least, max=100_000), default=RESAMPLES, show_default=True,
            section=INTERVALS, help=f"Bootstrap resamples of respondents{zero}.",
        ),
        option(
            "--ci-method", "interval", type=click.Choice(CI_METHODS), default=default.method, show_default=True,
            section=INTERVALS, help="Confidence interval method.",
        ),
        option(
            "--confidence-level", "level", type=click.FloatRange(0.5, 0.999), default=default.level, show_default=True,
            section=INTERVALS, help="Confidence level.",
        ),
        option(
            "--item-sampling", type=click.Choice(ITEM_SAMPLING), default=How().item_sampling, show_default=True,
            section=INTERVALS, help="What means generalise to: other items of the same topics, other topics, or these.",
        ),
        option("--strata", section=INTERVALS, help="Grouping to resample within. Default: the cells of a probe set."),
        option("--cluster", type=click.Choice(CLUSTERS), section=INTERVALS, help="Resample whole sampling clusters."),
        option(
            "--seed", type=click.IntRange(min=0), default=0, show_default=True, section=INTERVALS,
            help="Seed of the bootstrap.",
        ),
        option(
            "--min-n", type=click.IntRange(min=1), section=INTERVALS,
            help=f"Smallest cell with a number.  [default: {MIN_N}; {MIN_N_STATED} for stated probabilities]",
        ),
    )  # fmt: skip


def reference_of(given: Given) -> Reference:
    """The reference: respondents of a dataset, or the world marginals.

    Raises UsageError where neither or both are given.
    """
    data, name = given["data"], given["reference"]
    if data is not None and name == "world":
        raise click.UsageError("Both --data and --reference world are given; expected one of the two.")
    if data is None and name != "world":
        raise click.UsageError("Expected --data DIR, or --reference world.")
    if data is None:
        if given["weight"] != "none":
            raise click.UsageError("The world marginals are unweighted counts; --weight needs --data.")
        return world_reference()
    return respondents_reference(load_dataset(data), name or "probe", given["weight"])


def groupings_of(by: str | None, codebook: Codebook) -> Sequence[Grouping]:
    """The groupings of `--by`; none where it is empty."""
    return parse_groupings(by, codebook) if by else ()


def config_of(given: Given, codebook: Codebook, *, has_refusals: bool = False) -> How:
    """How scores are made.

    Raises UsageError for several strata, and for options of the bootstrap without one.
    """
    strata = groupings_of(given["strata"], codebook)
    if len(strata) > 1:
        raise click.UsageError("--strata is one grouping; cross its attributes with *.")
    resampling = None
    if given["resamples"]:
        resampling = Resampling(given["resamples"], given["seed"], given["level"], given["interval"])
    else:
        unused = given_options(name for name in BOOTSTRAP if name not in ("resamples", "seed"))
        if unused:
            raise click.UsageError(f"{unused[0]} is an option of the bootstrap, and --resamples is 0.")
    return How(
        min_n=given["min_n"] or MIN_N,
        resampling=resampling,
        strata=strata[0] if strata else None,
        has_refusals=has_refusals,
        cluster=given["cluster"],
        item_sampling=given["item_sampling"],
        min_n_stated=given["min_n"] or MIN_N_STATED,
        min_coverage=given["min_coverage"],
    )


def warn_of_small_cells(min_n: int | None) -> None:
    """Say on standard error that cells are shown which must not be shared."""
    if min_n is not None and min_n < MIN_N:
        show.warn(f"Cells of fewer than {MIN_N} respondents are shown: not to be shared.")


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
    return f"Humans: {REFERENCES[reference['name']]}, edition {reference['edition']}, {weight}"


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
            distance_text(row["mean_corrected"], row["mean_low"], row["mean_high"]),
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
    return distance_text(row["distance"] if row["low"] is None else row["corrected"], row["low"], row["high"])


def _percent(share: float | None, low: float | None = None, high: float | None = None) -> str | None:
    if share is None:
        return None
    return f"{share:.1%}" if low is None or high is None else f"{share:.1%} [{low:.0%}, {high:.0%}]"
