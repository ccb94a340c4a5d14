"""Commands that ask models: `wvb ask` (with `--dry-run` and `--show-prompt`) and `wvb run`."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import ceil, inf
from pathlib import Path
from typing import Any

import click
import polars as pl

from worldvaluesbench._io import printable
from worldvaluesbench.asking import Budget, CostIs, Outcome, Progress, Run, Watch, begin_run
from worldvaluesbench.asking import ask as ask_run
from worldvaluesbench.benchmark import Dataset, load_dataset
from worldvaluesbench.cli import _terminal as show
from worldvaluesbench.cli._command import Given, command, dataset_folder, option, out
from worldvaluesbench.cli._options import (
    ITEMS,
    PROMPT,
    check_model,
    examples_of,
    how_to_ask,
    item_ids_of,
    items_option,
    limit_option,
    model_of,
    settings_of,
    what_it_costs,
    what_to_ask,
    which_model,
)
from worldvaluesbench.cli._score import groupings_of, min_coverage, say_coverage, show_scores
from worldvaluesbench.errors import AnswersError, DatasetError, PromptError
from worldvaluesbench.models import Model
from worldvaluesbench.pipeline import DEFAULT_PROBE, Results, design_of, plan_probe, run_name, score_results
from worldvaluesbench.planning import Costs, Plan, build_plan, estimate_costs, load_tokenizer
from worldvaluesbench.prompts import choices_of, parse_attributes, parse_codes, persona_of, render_prompt, shown_options
from worldvaluesbench.scoring import How
from worldvaluesbench.scoring.compare import COMPARED, COVARIANCES, load_comparison, mean_variance, pilot_variances
from worldvaluesbench.stats import (
    DEFAULT_VARIANCE,
    LEVEL,
    POWER,
    Design,
    DifferenceVariance,
    Needed,
    detectable_difference,
    needed,
)
from worldvaluesbench.survey import Grouping

INTERRUPTED = 130
SAMPLES = (1, 3, 5, 10)

EXACT = "exact"
"""What is said of a model whose answers have no sampling noise."""


@command()
@dataset_folder
@what_to_ask
@out("The run folder to make, or to resume.", required=False)
@option("--dry-run", is_flag=True, help="Print requests, tokens, cost and power; send and write nothing.")
@option("--begin-only", is_flag=True, help="Make the run folder and send nothing: for wvb batch export.")
@option("--show-prompt", is_flag=True, help="Print the prompt of one item and respondent, exactly as it is sent.")
@option("--respondent", type=int, section=PROMPT, help="With --show-prompt: a respondent of the dataset.")
@option("--set", "settings", multiple=True, section=PROMPT, help="Or a persona: B_COUNTRY=China; may be repeated.")
@option("--order", type=click.IntRange(min=0), default=0, section=PROMPT, help="Which of the option orders to show.")
@which_model
@how_to_ask
@what_it_costs
def ask(data: Path, out: Path | None, dry_run: bool, begin_only: bool, show_prompt: bool, **given: Any) -> None:
    """Ask a model, and keep every answer as it arrives.

    The same command on an unfinished run resumes it and pays for nothing twice. The API key is read from the
    environment and never written.
    """
    if dry_run + begin_only + show_prompt > 1:
        raise click.UsageError("Give one of --dry-run, --begin-only and --show-prompt.")
    if show_prompt:
        _show_prompt(load_dataset(data), given)
        return
    if begin_only and given["budget"] is not None:
        raise click.UsageError("--begin-only sends nothing, so it has no --budget.")
    for name in ("respondent", "settings"):
        if given[name]:
            raise click.UsageError(f"--{name.replace('settings', 'set')} is an option of --show-prompt.")
    wanted = power_wanted(given)
    if dry_run:
        dataset = load_dataset(data)
        plan = build_plan(examples_of(given, dataset), settings_of(given, dataset.codebook))
        show.say_synthetic(dataset.is_invented)
        show_costs(costs_of(given, plan), given["rate"])
        show_power(wanted, plan)
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    budget, model = budget_of(given), model_of(given)
    dataset = load_dataset(data)
    settings = settings_of(given, dataset.codebook)
    check_model(given, model, settings)
    plan = build_plan(examples_of(given, dataset), settings)
    costs = costs_of(given, plan, model)  # a tokenizer that cannot be loaded leaves no folder behind
    run = begin_run(plan, model, out, given["name"] or run_name(model.name, settings))
    _show_begun(run, model, costs, given)
    show_power(wanted, plan)
    if begin_only:
        show.say(f"Begun; nothing was sent. Run: {out}")
        return
    with watching() as watch:
        outcome = ask_run(run, model, budget=budget, watch=watch)
    show_outcome(outcome, out)
    say_coverage(out)


@command()
@dataset_folder
@out("The results folder: probe, runs, scores.", required=False, default="results", show_default=True)
@option("--spec", section=ITEMS, help=f"The probe to draw if there is none yet.  [default: {DEFAULT_PROBE}]")
@items_option
@limit_option
@option("--by", default="", help="Groupings to score by, comma-separated; * crosses: continent*Q260.")
@option("--report", "has_report", is_flag=True, help="Also baselines, a comparison of all runs, and its report.")
@which_model
@how_to_ask
@what_it_costs
@min_coverage
def run(data: Path, out: Path, spec: str | None, by: str, has_report: bool, **given: Any) -> None:
    """Do everything for one model: draw a probe set (if there is none), ask, score.

    Runs of other models in the same results folder are scored beside it.
    """
    least = How(min_coverage=given["min_coverage"]).min_coverage  # refused before anything is paid for
    budget, model = budget_of(given), model_of(given)
    wanted = power_wanted(given)
    dataset = load_dataset(data)
    settings = settings_of(given, dataset.codebook)
    groupings = groupings_of(by, dataset.codebook)
    check_model(given, model, settings)
    results = Results(out, dataset, item_ids_of(given, dataset.codebook))
    plan = plan_probe(results, settings, spec, limit=given["limit"])
    name = given["name"] or run_name(model.name, settings)
    folder = results.run_folder(name)
    costs = costs_of(given, plan, model)
    begun = begin_run(plan, model, folder, name)
    _show_begun(begun, model, costs, given)
    show_power(wanted, plan)
    with watching() as watch:
        outcome = ask_run(begun, model, budget=budget, watch=watch)
    show_outcome(outcome, folder)
    show_scores(score_results(results, groupings, min_coverage=least))
    show.say(f"Scores: {results.scores}")
    if has_report:
        say_report(results, groupings, least)


def _show_prompt(dataset: Dataset, given: Given) -> None:
    """Print the prompt of one item for one respondent or persona, and nothing else."""
    if given["respondent"] is not None and given["settings"]:
        raise click.UsageError("Give --respondent or --set, not both.")
    item_ids = item_ids_of(given, dataset.codebook)
    if item_ids is None or len(item_ids) != 1:
        raise click.UsageError("--show-prompt shows one item: give --items Q3.")
    settings = settings_of(given, dataset.codebook)
    if settings.uses_persona and given["respondent"] is None and not given["settings"]:
        raise click.UsageError(
            f"The template {settings.template.name} describes a person; give --respondent ID, --set B_COUNTRY=156 or "
            f"--attributes none."
        )
    if not settings.uses_persona:
        codes = {}
    elif given["respondent"] is None:
        codes = _chosen_codes(given["settings"], given["attributes"], dataset)
    else:
        found = dataset.respondents(["respondent_id", *settings.attributes]).filter(
            pl.col("respondent_id") == given["respondent"]
        )
        if found.is_empty():
            raise DatasetError(f"{dataset.folder}: there is no respondent {given['respondent']}.")
        row = found.row(0, named=True)
        codes = {attribute_id: row[attribute_id] for attribute_id in settings.attributes}
    item = dataset.codebook.item(item_ids[0])
    persona = persona_of(codes, dataset.codebook, settings.attribute_questions)
    options = shown_options(choices_of(item, settings.labels, given["order"]))
    text = render_prompt(settings.template, persona, item, style=settings.style, options=options)
    # nothing is added to what is sent; on a terminal a line end keeps the shell's prompt on its own line
    click.echo(printable(text, keep="\n\t"), nl=sys.stdout.isatty())


def _chosen_codes(settings: Sequence[str], attributes: str | None, dataset: Dataset) -> dict[str, int]:
    """The codes of `--set`, in the order of the attributes to show (default: those set, as set).

    Raises PromptError where an attribute is set that is not shown.
    """
    codes = parse_codes(settings, dataset.codebook)
    if attributes is None:
        return codes
    wanted = parse_attributes(attributes, dataset.codebook)
    unused = [attribute_id for attribute_id in codes if attribute_id not in wanted]
    if unused:
        raise PromptError(f"{unused[0]} is set but not shown; add it to --attributes.")
    return {attribute_id: codes[attribute_id] for attribute_id in wanted if attribute_id in codes}


def say_report(results: Results, groupings: Sequence[Grouping], least: float) -> None:
    """Write the report of a results folder and print where it is."""
    from worldvaluesbench.pipeline import COMPARED_BY, report_results  # only here: drawing takes a while to load

    with show.counting("items fitted") as watch:
        _, page = report_results(results, groupings or COMPARED_BY, watch=watch, min_coverage=least)
    show.say(f"Report: {page}")


def _show_begun(run: Run, model: Model, costs: Costs, given: Given) -> None:
    show.say_synthetic(run.is_invented)
    if run.note:
        show.say(run.note)
    show_costs(costs, given["rate"])
    for note in getattr(model, "notes", ()):
        show.say(f"Note: {note}")


def budget_of(given: Given) -> Budget:
    """The budget and its prices."""
    return Budget(given["budget"], given["price_in"], given["price_out"])


def costs_of(given: Given, plan: Plan, model: Model | None = None) -> Costs:
    """The cost estimate of a plan, with the tokenizer that is available."""
    path = given["tokenizer"]
    count = load_tokenizer(path) if path is not None else None if model is None else model.count_tokens
    return estimate_costs(
        plan, count_tokens=count, price_in=given["price_in"], price_out=given["price_out"], rate=given["rate"]
    )


def show_costs(costs: Costs, rate: float | None = None) -> None:
    """Print the cost estimate of a plan, and which numbers of it are exact."""
    per = costs.n_examples / max(costs.n_requests, 1)
    lines = [
        f"{show.counted(costs.n_examples, 'example')}, {show.counted(costs.n_requests, 'distinct request')} "
        f"({per:.1f} examples each), {show.counted(costs.n_completions, 'completion')}.",
        f"Prompt tokens: {costs.prompt_tokens:,} ({_how_counted(costs)}).",
        f"Completion tokens: about {costs.completion_tokens:,}, at {costs.tokens_each:,.0f} for each completion"
        + ("." if costs.most_completion_tokens is None else f"; {costs.most_completion_tokens:,} at most."),
    ]
    if costs.cost is not None:
        most = "" if costs.most_cost is None else f", {money(costs.most_cost)} at most"
        lines.append(f"Cost: about {money(costs.cost)}{most}, in the unit of the prices; without --retry-unparsed.")
    if costs.seconds is not None and rate is not None:
        lines.append(f"Time: {show.duration(costs.seconds)} at {rate:g} requests per second.")
    if costs.note is not None:
        lines.append(f"Note: {costs.note}")
    show.say("\n".join(lines))


def _how_counted(costs: Costs) -> str:
    if not costs.has_tokenizer:
        return "estimated from the number of characters: no tokenizer is available"
    if costs.is_estimate:
        return f"estimated from {costs.n_counted:,} prompts, counted by the tokenizer"
    return "counted by the tokenizer"


@contextmanager
def watching() -> Iterator[Watch]:
    """What to give `ask` as `watch`: it shows progress on standard error until the block ends."""
    with show.progress_bar() as shown:
        yield lambda now: shown(describe(now), now.n_done, now.n_completions, now.notice)


def describe(progress: Progress) -> str:
    """One line: how many are done, how fast, the unparsed share, the spending, the time left."""
    share = progress.n_done / max(progress.n_completions, 1)
    parts = [f"{progress.n_done:,} of {progress.n_completions:,} ({share:.0%})", f"{progress.rate:,.0f}/s"]
    if progress.n_done:
        parts.append(f"unparsed {progress.n_unparsed / progress.n_done:.1%}")
    if progress.n_failed:
        parts.append(f"failed {progress.n_failed:,}")
    if progress.cost is not None:
        limit = "" if progress.budget is None else f" of {money(progress.budget)}"
        parts.append(f"spent {bounded_money(progress.cost, progress.cost_is)}{limit}")
    if progress.seconds_left is not None and progress.n_done < progress.n_completions:
        parts.append(f"{show.duration(progress.seconds_left)} left")
    return ", ".join(parts)


def show_outcome(outcome: Outcome, folder: Path) -> None:
    """Print how asking ended; exit with 130 where it was interrupted, 1 where it is not finished."""
    parts = [show.counted(outcome.n_done, "completion"), f"{outcome.n_unparsed:,} unparsed"]
    if outcome.n_retried:
        parts.append(f"{outcome.n_retried:,} asked again")
    if outcome.prompt_tokens or outcome.completion_tokens:
        parts.append(f"{outcome.prompt_tokens:,} prompt and {outcome.completion_tokens:,} completion tokens")
    if outcome.cost is not None:
        parts.append(f"cost {bounded_money(outcome.cost, outcome.cost_is)}")
    if outcome.seconds:
        parts.append(show.duration(outcome.seconds))
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


def _usage_missing(outcome: Outcome) -> str:
    said = f"No usage reported for {outcome.n_without_usage:,} of {show.counted(outcome.n_received, 'completion')}"
    if outcome.cost is None:
        return f"{said}: their tokens are not counted."
    if outcome.cost_is == "at least":
        return f"{said}: the cost leaves them out, because completions have no limit (--max-tokens)."
    return f"{said}: the cost takes the most that they can have, and the tokens leave them out."


def money(amount: float) -> str:
    """An amount in the unit of the prices: two decimals, four where it is small.

    >>> money(0.0123), money(12.5)
    ('0.0123', '12.50')
    """
    return f"{amount:,.4f}" if 0 < amount < 1 else f"{amount:,.2f}"


def bounded_money(amount: float, cost_is: CostIs | None) -> str:
    """An amount, with the side on which it is a bound.

    >>> bounded_money(12.5, "at most"), bounded_money(12.5, "exact")
    ('at most 12.50', '12.50')
    """
    return money(amount) if cost_is in (None, "exact") else f"{cost_is} {money(amount)}"


# ---- power analysis (--detect, --pilot) ----


@dataclass(frozen=True)
class Wanted:
    """The difference to detect, and the tables of the pilot, if there is one."""

    difference: float
    pilot: Path | None = None
    compared: pl.DataFrame = field(default_factory=pl.DataFrame, repr=False)
    covariances: pl.DataFrame = field(default_factory=pl.DataFrame, repr=False)


def power_wanted(given: Given) -> Wanted | None:
    """What `--detect` and `--pilot` ask for, the pilot read; None where `--detect` is not given.

    Raises UsageError for `--pilot` alone, FolderError and AnswersError where the pilot cannot be used.
    """
    difference, pilot = given["detect"], given["pilot"]
    if difference is None:
        if pilot is not None:
            raise click.UsageError("--pilot says what varies between sources for --detect; give --detect DIFFERENCE.")
        return None
    if pilot is None:
        return Wanted(difference)
    tables = load_comparison(pilot).tables
    wanted = Wanted(difference, pilot, tables[COMPARED], tables[COVARIANCES])
    _of_pilot(wanted, 1)
    return wanted


def show_power(wanted: Wanted | None, plan: Plan) -> None:
    """Print what a plan detects, if that is asked for, and what it needs to detect the difference that is wanted."""
    if wanted is None:
        return
    design = design_of(plan)
    if wanted.pilot is None:
        variance, source = DEFAULT_VARIANCE, "defaults, from published and simulated models; --pilot knows better"
    else:
        # a pilot is taken to be asked as the plan asks, and its items to share as many respondents
        variance, source = _of_pilot(wanted, design.n_samples)
        design = replace(design, overlap=1.0)
    _show_detectable(design, variance)
    found = detectable_difference(variance, design)
    show.say(f"The plan: {_describe(design)}. Detected: {_difference(found)}.")
    if found > wanted.difference:
        n_there = len(plan.examples.dataset.codebook.item_ids)
        for line in _what_it_needs(wanted.difference, needed(wanted.difference, variance, design), n_there):
            show.say(line)
    else:
        show.say(f"That is enough to detect {wanted.difference:g}.")
    of_these = detectable_difference(variance, replace(design, has_fixed_items=True))
    show.say(f"On these very items alone, which says nothing of others: {_difference(of_these)}.")
    show.say(f"Variances: {source}.")


def _of_pilot(wanted: Wanted, n_samples: float) -> tuple[DifferenceVariance, str]:
    """What varies between two sources of a pilot with so many samples, and what it is taken from."""
    try:
        pairs = pilot_variances(wanted.compared, wanted.covariances, n_samples=n_samples)
    except AnswersError as error:
        raise AnswersError(f"{wanted.pilot}: {error}") from None
    n_sources = len({name for pair in pairs for name in pair})
    of = f"{show.counted(n_sources, 'source')}, mean over {show.counted(len(pairs), 'pair')}"
    return mean_variance(list(pairs.values())), f"{wanted.pilot}, {of}"


def _show_detectable(design: Design, variance: DifferenceVariance) -> None:
    """The table: half, all and twice the items and respondents, by samples for each respondent."""
    samples = sorted({*SAMPLES, design.n_samples})
    columns = ["items", "respondents", *(_count(n) for n in samples)]
    rows = []
    for n_items in _around(design.n_items):
        for n_respondents in _around(round(design.n_respondents)):
            one = replace(design, n_items=n_items, n_respondents=n_respondents)
            found = (detectable_difference(variance, replace(one, n_samples=n)) for n in samples)
            rows.append((str(n_items), str(n_respondents), *map(_difference, found)))
    show.say(
        f"Smallest difference of mean W1 between two sources that is detected (two-sided test\n"
        f"at {1 - LEVEL:.0%}, power {POWER:.0%}) and holds for items like these; by samples for each respondent:"
    )
    show.table(columns, rows, left=2)


def _around(n: int) -> list[int]:
    return sorted({max(ceil(n / 2), 1), n, 2 * n})


def _what_it_needs(wanted: float, need: Needed, n_there: int) -> Sequence[str]:
    there = f" (the survey has {n_there})" if n_there < need.n_items < inf else ""
    kinds = (
        ("items of the same topics" + there, need.n_items),
        ("respondents of each item", need.n_respondents),
        ("samples for each respondent", need.n_samples),
    )
    enough = [f"{n:,.0f} {what}" for what, n in kinds if n < inf]
    never = [what for what, n in kinds if n == inf]
    lines = [f"To detect {wanted:g} it needs {', or '.join(enough)}; the rest as it is."] if enough else []
    if never:
        lines.append(f"However many {' or '.join(never)}: they alone are not enough for {wanted:g}.")
    return lines


def _describe(design: Design) -> str:
    sampled = {inf: "answers without sampling noise", 1: "1 sample"}.get(
        design.n_samples, f"{design.n_samples:.3g} samples"
    )
    each = "" if design.n_samples == inf else " for each"
    respondents = show.counted(round(design.n_respondents), "respondent")
    return f"{show.counted(design.n_items, 'item')}, {respondents} of each, {sampled}{each}"


def _count(n: float) -> str:
    return EXACT if n == inf else f"{n:.3g}"


def _difference(value: float) -> str:
    """A difference that is detected; none is where it would have to be larger than W1 can be."""
    return "none" if value > 1 else f"{value:.3f}"
