"""Commands that ask models: `wvb plan`, `wvb ask`, `wvb run`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from worldvaluesbench.asking import Budget, Outcome, Run, begin_run
from worldvaluesbench.asking import ask as ask_run
from worldvaluesbench.benchmark import load_dataset
from worldvaluesbench.cli import options, show
from worldvaluesbench.cli.asking import (
    Given,
    budget_option,
    check_method,
    costs_of,
    examples_of,
    how_it_is_estimated,
    how_to_ask,
    item_ids_of,
    items_option,
    model_of,
    name_option,
    settings_of,
    what_it_costs,
    what_to_ask,
    whom_to_ask,
)
from worldvaluesbench.cli.judging import min_coverage
from worldvaluesbench.cli.power import power_wanted, show_power, what_it_detects
from worldvaluesbench.cli.progress import bounded_money, counting, duration, money, watching
from worldvaluesbench.cli.scoring import say_coverage, show_scores
from worldvaluesbench.models import Model
from worldvaluesbench.pipeline import DEFAULT_PROBE, Results, plan_probe, run_name, score_results
from worldvaluesbench.planning import Costs, build_plan
from worldvaluesbench.scoring import How
from worldvaluesbench.stats import MIN_COVERAGE
from worldvaluesbench.survey import Grouping, parse_groupings

INTERRUPTED = 130


@click.command()
@options.dataset_folder
@what_to_ask
@how_to_ask
@what_it_costs
@how_it_is_estimated
@what_it_detects
def plan(data: Path, **given: Any) -> None:
    """Say what asking would take, before anything is asked: requests, tokens, cost, time.

    Nothing is sent and nothing is written.
    """
    wanted = power_wanted(given)
    dataset = load_dataset(data)
    planned = build_plan(examples_of(given, dataset), settings_of(given, dataset.codebook))
    show.say_invented(dataset.is_invented)
    show_costs(costs_of(given, planned), given["rate"])
    show_power(wanted, planned)


@click.command()
@options.dataset_folder
@what_to_ask
@options.out("The run folder to make, or to go on with.")
@name_option
@whom_to_ask
@how_to_ask
@what_it_costs
@how_it_is_estimated
@what_it_detects
@budget_option
@click.option("--begin-only", is_flag=True, help="Begin the run and send nothing: for wvb batch export.")
def ask(data: Path, out: Path, name: str | None, begin_only: bool, **given: Any) -> None:
    """Ask a model, and keep every answer as it arrives.

    The same command on an unfinished run goes on where it stopped and pays for nothing twice. The key is read from
    the environment and never written.
    """
    if begin_only and given["budget"] is not None:
        raise click.UsageError("--begin-only sends nothing, so it has no --budget.")
    budget, model = budget_of(given), model_of(given)
    wanted = power_wanted(given)
    dataset = load_dataset(data)
    settings = settings_of(given, dataset.codebook)
    check_method(given, model, settings)
    planned = build_plan(examples_of(given, dataset), settings)
    costs = costs_of(given, planned, model)  # a tokenizer that cannot be loaded leaves no folder behind
    run = begin_run(planned, model, out, name or run_name(model.name, settings))
    say_begun(run)
    show_costs(costs, given["rate"])
    say_notes(model)
    show_power(wanted, planned)
    if begin_only:
        show.say(f"Begun, nothing is sent. Run: {out}")
        return
    with watching() as watch:
        outcome = ask_run(run, model, budget=budget, watch=watch)
    show_outcome(outcome, out)
    say_coverage(out)


@click.command()
@options.dataset_folder
@click.option(
    "--out", type=options.PATH, default="results", show_default=True, help="The results folder: probe, runs, scores."
)
@click.option("--spec", help=f"The probe to draw if there is none yet.  [default: {DEFAULT_PROBE}]")
@items_option
@click.option("--by", default="", help="Groupings to score by, separated by commas; * crosses: continent*Q260.")
@click.option(
    "--report", "has_report", is_flag=True, help="And baselines of people, a comparison of all, and a page about it."
)
@name_option
@whom_to_ask
@how_to_ask
@what_it_costs
@how_it_is_estimated
@what_it_detects
@budget_option
@min_coverage
def run(data: Path, out: Path, spec: str | None, by: str, name: str | None, has_report: bool, **given: Any) -> None:
    """Do it all for one model: draw a probe set (if there is none), ask, score.

    Runs of other models in the same results folder are scored beside it.
    """
    least = How(min_coverage=given["min_coverage"]).min_coverage  # refused before anything is paid for
    budget, model = budget_of(given), model_of(given)
    wanted = power_wanted(given)
    dataset = load_dataset(data)
    settings = settings_of(given, dataset.codebook)
    groupings = parse_groupings(by, dataset.codebook) if by else ()
    check_method(given, model, settings)
    results = Results(out, dataset, item_ids_of(given, dataset.codebook))
    planned = plan_probe(results, settings, spec)
    name = name or run_name(model.name, settings)
    folder = results.run_folder(name)
    costs = costs_of(given, planned, model)
    begun = begin_run(planned, model, folder, name)
    say_begun(begun)
    show_costs(costs, given["rate"])
    say_notes(model)
    show_power(wanted, planned)
    with watching() as watch:
        outcome = ask_run(begun, model, budget=budget, watch=watch)
    show_outcome(outcome, folder)
    show_scores(score_results(results, groupings, min_coverage=least))
    show.say(f"Scores: {results.scores}")
    if has_report:
        say_report(results, groupings, least)


def say_begun(run: Run) -> None:
    """Print what is to be told of a run that was begun, or opened, before its plan is printed."""
    show.say_invented(run.is_invented)
    if run.note:
        show.say(run.note)


def say_report(results: Results, groupings: Sequence[Grouping], least: float = MIN_COVERAGE) -> None:
    """Make the report of a results folder and print where it lies."""
    # only here, for what draws takes a while to load
    from worldvaluesbench.pipeline import COMPARED_BY, report_results

    with counting("items fitted") as watch:
        _, page = report_results(results, groupings or COMPARED_BY, watch=watch, min_coverage=least)
    show.say(f"Report: {page}")


def say_notes(model: Model) -> None:
    """Print what a model says is to be known before it is asked."""
    for note in getattr(model, "notes", ()):
        show.say(f"Note: {note}")


def budget_of(given: Given) -> Budget:
    """The budget and the prices it is counted with."""
    return Budget(given["budget"], given["price_in"], given["price_out"])


def show_costs(costs: Costs, rate: float | None = None) -> None:
    """Print what asking a plan takes, and which of it is known and which estimated."""
    per = costs.n_examples / max(costs.n_requests, 1)
    lines = [
        f"{show.counted(costs.n_examples, 'example')}, {show.counted(costs.n_requests, 'distinct request')} "
        f"({per:.1f} examples each), {show.counted(costs.n_completions, 'completion')}.",
        f"Prompt tokens: {costs.prompt_tokens:,} ({_how_counted(costs)}).",
        f"Completion tokens: about {costs.completion_tokens:,}, taking {costs.tokens_each:,.0f} for each completion"
        + ("." if costs.most_completion_tokens is None else f"; {costs.most_completion_tokens:,} at most."),
    ]
    if costs.cost is not None:
        most = "" if costs.most_cost is None else f", {money(costs.most_cost)} at most"
        lines.append(
            f"Cost: about {money(costs.cost)}{most}, in the unit of the prices; unparsed ones asked again apart."
        )
    if costs.seconds is not None and rate is not None:
        lines.append(f"Time: {duration(costs.seconds)} at {rate:g} requests a second.")
    show.say("\n".join(lines))


def _how_counted(costs: Costs) -> str:
    if not costs.has_tokenizer:
        return "an estimate from the number of characters: no tokenizer is at hand"
    if costs.is_estimate:
        return f"an estimate from {costs.n_counted:,} prompts, counted by the tokenizer"
    return "counted by the tokenizer"


def _usage_missing(outcome: Outcome) -> str:
    """For how many completions there are no token counts, and what that makes of the cost."""
    said = f"No usage reported for {outcome.n_without_usage:,} of {show.counted(outcome.n_received, 'completion')}"
    if outcome.cost is None:
        return f"{said}: their tokens are not counted."
    if outcome.cost_is == "at least":
        return f"{said}: the cost leaves them out, for completions have no limit (--max-tokens)."
    return f"{said}: the cost takes the most that they can have, and the tokens leave them out."


def show_outcome(outcome: Outcome, folder: Path) -> None:
    """Print how a session of asking ended; exit with 130 where it was interrupted, 1 where it is not finished."""
    parts = [show.counted(outcome.n_done, "completion"), f"{outcome.n_unparsed:,} unparsed"]
    if outcome.n_retried:
        parts.append(f"{outcome.n_retried:,} asked again")
    if outcome.prompt_tokens or outcome.completion_tokens:
        parts.append(f"{outcome.prompt_tokens:,} prompt and {outcome.completion_tokens:,} completion tokens")
    if outcome.cost is not None:
        parts.append(f"cost {bounded_money(outcome.cost, outcome.cost_is)}")
    if outcome.seconds:
        parts.append(duration(outcome.seconds))
    show.say(", ".join(parts) + ".")
    if outcome.n_without_usage and (outcome.cost is not None or outcome.prompt_tokens or outcome.completion_tokens):
        show.say(_usage_missing(outcome))
    if outcome.unparsed:
        show.say("Unparsed: " + ", ".join(f"{reason} {n:,}" for reason, n in outcome.unparsed.items()) + ".")
    if outcome.is_finished:
        show.say(f"{outcome.why} Run: {folder}".strip())
        return
    show.warn(outcome.why)
    raise click.exceptions.Exit(INTERRUPTED if outcome.is_interrupted else 1)
