"""The command that scores: `wvb score`."""

import json
from collections.abc import Sequence
from pathlib import Path

import click
import polars as pl

from worldvaluesbench.benchmark.dataset import load_dataset
from worldvaluesbench.cli import options, show
from worldvaluesbench.folder import check_destination
from worldvaluesbench.scoring.answers import read_answers
from worldvaluesbench.scoring.baselines import BASELINES
from worldvaluesbench.scoring.reference import Reference, respondents_reference, world_reference
from worldvaluesbench.scoring.runs import is_finished, is_run
from worldvaluesbench.scoring.score import score_answers
from worldvaluesbench.scoring.scores import KIND, Scores, scores_document, write_scores
from worldvaluesbench.survey.attributes import parse_groupings

MAX_ITEMS_SHOWN = 60


@click.command()
@click.argument("files", nargs=-1, type=options.PATH)
@click.option("--answers", multiple=True, type=options.PATH, help="A file or run; more may follow it.")
@click.option("--data", type=options.PATH, help="A dataset folder: score against its respondents.")
@click.option("--against", type=click.Choice(["world"]), help="Score against the embedded world marginals.")
@click.option("--by", default="", help="Groupings, separated by commas; * crosses: continent,Q260*age_band.")
@click.option("--partial", is_flag=True, help="Score unfinished runs as far as their answers go.")
@click.option("--as-published", is_flag=True, help="Treat off-scale and unreadable answers as the published scorer.")
@options.out("The scores folder to make.")
@click.option("--json", "as_json", is_flag=True, help="Print scores.json instead of tables.")
@options.force
def score(  # noqa: PLR0913  one parameter an option
    files: tuple[Path, ...],
    answers: tuple[Path, ...],
    data: Path | None,
    against: str | None,
    by: str,
    partial: bool,
    as_published: bool,
    out: Path,
    as_json: bool,
    force: bool,
) -> None:
    """Score runs and files of answers: Wasserstein-1 distance from the humans, item by item.

    FILES, or those after --answers, are run folders made by `wvb ask`, or csv, tsv or parquet with the columns
    QUESTION_ID, PARTICIPANT_ID and SCORE. Give either --data or --against world.
    """
    if (data is None) == (against is None):
        raise click.UsageError("Expected either --data DIR or --against world.")
    paths = (*answers, *files)
    if not paths:
        raise click.UsageError("Expected at least one file of answers or run: --answers FILE...")
    check_destination(out, KIND, force=force)
    reference = world_reference() if data is None else respondents_reference(load_dataset(data))
    groupings = parse_groupings(by, reference.codebook) if by else ()
    if partial:
        make_partial_answers(paths)
    scores = score_answers(
        [read_answers(path, partial=partial) for path in paths],
        reference,
        groupings=groupings,
        as_published=as_published,
    )
    write_scores(scores, out, force=force)
    if as_json:
        click.echo(json.dumps(scores_document(scores), ensure_ascii=False))
        return
    show_scores(scores)
    for name in names_without_valid_rows(scores):
        click.echo(
            f"wvb: warning: no row of {name} counts, so it has no distance; see what became of its rows.", err=True
        )
    show.say(f"Scores: {out}")


def make_partial_answers(paths: Sequence[Path]) -> None:
    """Make the answers of those paths that are unfinished runs, from what their journals hold by now."""
    # only here, for scoring files must not wait for what reads completions
    from worldvaluesbench.elicitation.answers import write_answers as write_answers_of_run

    for path in paths:
        if is_run(path) and not is_finished(path):
            write_answers_of_run(path)


def show_scores(scores: Scores) -> None:
    """Print scores: what counted, summaries, and the distance of every item where there are not too many."""
    show.say_invented(scores.is_invented)
    show.say(describe_reference(scores.reference) + (", as published" if scores.as_published else ""))
    for one in scores.answers:
        if one.run is not None and one.run.is_partial:
            show.say(f"{one.name} is not finished: scored as far as its answers go.")
    _show_outcomes(scores)
    _show_summary(scores)
    items = scores.table["item_id"].n_unique()
    if items <= MAX_ITEMS_SHOWN:
        _show_items(scores)
    else:
        show.say(f"{items} items; their scores are in scores.parquet.")


def names_without_valid_rows(scores: Scores) -> list[str]:
    """The files and runs of which no row counts."""
    totals = scores.counts.group_by("answers", maintain_order=True).agg(pl.col("valid").sum())
    return totals.filter(pl.col("valid") == 0)["answers"].to_list()


def describe_reference(reference: Reference) -> str:
    """Who the humans are, in words."""
    if reference.dataset is None:
        return "Humans: the world marginals of file version 5, unweighted"
    return f"Humans: the respondents answered for, edition {reference.edition}"


def _show_outcomes(scores: Scores) -> None:
    totals = scores.counts.drop("item_id").group_by("answers", maintain_order=True).sum()
    met = [name for name in totals.columns[1:] if name in ("n_rows", "valid") or totals[name].sum()]
    rows = totals.select("answers", *met).rows()
    show.table(("answers", *(name.replace("n_rows", "rows") for name in met)), rows, title="What became of the rows")


def _show_summary(scores: Scores) -> None:
    several = scores.summary.filter(pl.col("grouping") != "all").height > 0
    rows = [
        (
            *((row["grouping"], row["group"]) if several else ()),
            row["answered_by"],
            row["n_items"],
            row["mean"],
            row["sd"],
            _percent(row["attained_0_1"]),
            _percent(row["attained_0_2"]),
        )
        for row in _once_a_baseline(scores.summary).iter_rows(named=True)
    ]
    groups = ("grouping", "group") if several else ()
    columns = (*groups, "answered by", "items", "mean W1", "sd", "W1 <= 0.1", "W1 <= 0.2")
    show.table(columns, rows, title="\nMean distance over items", left=3 if several else 1)


def _once_a_baseline(summary: pl.DataFrame) -> pl.DataFrame:
    """Group by group: files and runs, then the baselines, once where they are the same for all of them."""
    table = summary.unique([name for name in summary.columns if name != "answers"], keep="first", maintain_order=True)
    order = table.select("grouping", "group").unique(maintain_order=True).with_row_index("place")
    is_baseline = pl.col("answered_by").is_in(list(BASELINES))
    placed = table.join(order, on=["grouping", "group"], how="left", maintain_order="left")
    return placed.sort("place", is_baseline, maintain_order=True)


def _show_items(scores: Scores) -> None:
    pooled = scores.table.filter(pl.col("grouping") == "all")
    names = pooled["answers"].unique(maintain_order=True).to_list()
    wide = pooled.pivot("answers", index="item_id", values="distance", maintain_order=True)
    first = pooled.filter(pl.col("answers") == names[0]).select("item_id", "n_responses", "uniform", "majority")
    table = wide.join(first, on="item_id", how="left", maintain_order="left")
    rows = table.select("item_id", "n_responses", *names, "uniform", "majority").rows()
    show.table(("item", "humans", *names, "uniform", "majority"), rows, title="\nDistance by item")


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.1%}"
