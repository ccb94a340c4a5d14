"""Commands for answers that are made elsewhere: `wvb batch export`, `wvb batch import`, `wvb import-answers`."""

from dataclasses import replace
from pathlib import Path

import click

from worldvaluesbench.asking import Run, damage_note, load_run
from worldvaluesbench.asking.batch import (
    BatchFiles,
    BatchImport,
    BatchLimits,
    batch_model_of,
    export_batch,
    import_batch,
)
from worldvaluesbench.benchmark import load_dataset
from worldvaluesbench.cli import _terminal as show
from worldvaluesbench.cli._command import PATH, Command, command, force, option, out
from worldvaluesbench.cli._score import answer_column, say_coverage
from worldvaluesbench.prompts import LABELS, Labels
from worldvaluesbench.scoring.sources import import_answers as make_run
from worldvaluesbench.scoring.sources import read_answers

LIMITS = BatchLimits()
MEGABYTE = 1_000_000


@click.group()
def batch() -> None:
    """Ask by files: write requests for a batch service, read its results."""


@batch.command("export", cls=Command)
@click.argument("run", type=PATH)
@out("The folder of request files to make.")
@option("--max-requests", type=int, default=LIMITS.max_requests, show_default=True, help="The most lines of a file.")
@option(
    "--max-megabytes",
    type=float,
    default=LIMITS.max_bytes / MEGABYTE,
    show_default=True,
    help="The most megabytes of a file.",
)
@option(
    "--max-n", type=int, default=LIMITS.max_n, show_default=True, help="The most completions that one line asks for."
)
@option("--reasoning", is_flag=True, help="The model takes its limit as max_completion_tokens.")
@option("--top-logprobs", type=click.IntRange(min=2), help="How many alternatives token_probs asks for.")
@force
def export(  # noqa: PLR0913 - one parameter an option
    run: Path,
    out: Path,
    max_requests: int,
    max_megabytes: float,
    max_n: int,
    reasoning: bool,
    top_logprobs: int | None,
    force: bool,
) -> None:
    """Write what RUN still wants as request files in OpenAI's batch format.

    RUN is a run folder, begun or unfinished. What its journal holds already is left out.
    """
    opened = load_run(run)
    limits = BatchLimits(max_requests, int(max_megabytes * MEGABYTE), max_n)
    begun = batch_model_of(opened)
    top = begun.top_logprobs if top_logprobs is None else top_logprobs
    model = replace(begun, is_reasoning=reasoning or begun.is_reasoning, top_logprobs=top)
    show_export(export_batch(opened, out, model, limits=limits, force=force), opened)


def show_export(written: BatchFiles, run: Run) -> None:
    """Print what was exported, and how it comes back."""
    show.say_synthetic(run.is_invented)
    if written.damaged_lines:
        show.say(damage_note(written.damaged_lines))
    show.say(
        f"{show.counted(written.n_completions, 'completion')} wanted, {show.counted(written.n_lines, 'line')} in "
        f"{show.counted(len(written.paths), 'file')}:"
    )
    for path in written.paths:
        show.say(f"  {path}")
    show.say(f"When the results are there: wvb batch import {run.folder} RESULTS...")


@batch.command("import", cls=Command)
@click.argument("run", type=PATH)
@click.argument("files", nargs=-1, required=True, type=PATH)
def import_(run: Path, files: tuple[Path, ...]) -> None:
    """Read result files into RUN, and finish it if nothing is missing.

    FILES are output and error files in any order, plain or gz. What RUN has already is passed over, so a file can be
    given again.
    """
    opened = load_run(run)
    show_import(import_batch(opened, files), opened)


def show_import(done: BatchImport, run: Run) -> None:
    """Print what an import brought and what is still missing."""
    show.say_synthetic(run.is_invented)
    if done.damaged_lines:
        show.say(damage_note(done.damaged_lines))
    known = f", {done.n_known:,} were there before" if done.n_known else ""
    show.say(f"{show.counted(done.n_new, 'completion')} journalled{known}.")
    if done.n_unknown:
        show.say(f"{show.counted(done.n_unknown, 'line')} of no request of this run passed over.")
    if done.notice:
        show.say(done.notice)
    for name in done.torn:
        show.say(f"{name}: its last line breaks off; download it again and import it again.")
    if done.failed:
        show.table(("failed, still missing", "lines"), list(done.failed.items()))
    if done.unparsed:
        show.table(("could not be read", "completions"), list(done.unparsed.items()))
    if done.is_finished:
        say_coverage(run.folder)
        show.say(f"Nothing is missing. Run: {run.folder}")
        return
    missing, requests = show.counted(done.n_missing, "completion"), show.counted(done.n_requests_missing, "request")
    show.say(
        f"Still missing: {missing} of {requests}. For their request files: wvb batch export {run.folder} --out DIR"
    )


@command("import-answers")
@click.argument("file", type=PATH)
@out("The run folder to make.")
@option("--name", help="What the run is called. Default: the file's name without its ending.")
@answer_column
@option("--completions", is_flag=True, help="Answers are texts as the model wrote them: read them as `wvb ask` does.")
@option(
    "--labels",
    type=click.Choice(LABELS),
    help="How the prompts of --completions named the options. Default: digits.",
)
@option("--data", type=PATH, help="The dataset folder whose respondents were answered for.")
@force
def import_answers(  # noqa: PLR0913 - one parameter an option
    file: Path,
    out: Path,
    name: str | None,
    answer_column: str | None,
    completions: bool,
    labels: Labels | None,
    data: Path | None,
    force: bool,
) -> None:
    """Make a run folder of answers from elsewhere.

    FILE is csv, tsv or parquet with the columns QUESTION_ID, PARTICIPANT_ID and SCORE (or RATING, ANSWER, PREDICTION).
    Completions may also be in a column COMPLETION, RAW_COMPLETION, OUTPUT, GENERATED_TEXT, TEXT or RAW.
    Without --data, ids are kept as they are given.
    """
    if labels is not None and not completions:
        raise click.UsageError("--labels says how completions name the options; give it with --completions.")
    dataset = None if data is None else load_dataset(data)
    answers = read_answers(file, answer_column=answer_column, completions=completions)
    read_as = (labels or "digits") if completions else None
    made = make_run(answers, out, name=name, dataset=dataset, completions=read_as, force=force)
    show.say_synthetic(made["is_invented"])
    rows = [(made["imported"]["n_rows"], made["n_answers"], *made["unparsed"].values())]
    show.table(("rows", "ratings", *made["unparsed"]), rows, title=made["name"], left=0)
    show.say(f"Answers read from the column {made['imported']['answer_column']}.")
    if not completions and made["unparsed"].get("no_number", 0) > made["n_answers"]:
        show.say(
            "Most answers are no numbers: if they are texts as a model wrote them, import them with --completions."
        )
    if made["n_rows_of_unknown_respondents"]:
        n = show.counted(made["n_rows_of_unknown_respondents"], "row")
        show.say(f"{n} of respondents whom the dataset does not have.")
    show.say(f"Run: {out}")
