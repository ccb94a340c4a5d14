"""The options of every command that scores: against whom, with what weight, and how sure one can be."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from worldvaluesbench.benchmark import CLUSTERS, WEIGHTS, load_dataset
from worldvaluesbench.cli import options
from worldvaluesbench.scoring import MIN_N, MIN_N_STATED, How
from worldvaluesbench.scoring.sources import (
    WHOM,
    Reference,
    is_finished,
    is_run,
    respondents_reference,
    world_reference,
)
from worldvaluesbench.stats import ITEM_SAMPLING, METHODS, MIN_COVERAGE, Resampling
from worldvaluesbench.survey import Codebook, parse_groupings

Command = TypeVar("Command", bound=Callable[..., Any])
Given = Mapping[str, Any]

RESAMPLES = 1000

DRAWN = ("resamples", "interval", "level", "item_sampling", "strata", "cluster", "seed")
"""Options that say how samples are drawn."""


min_coverage = click.option(
    "--min-coverage",
    type=click.FloatRange(0, 1),
    default=MIN_COVERAGE,
    show_default=True,
    help="Leave out token probabilities of which less than this was on the options (low_coverage).",
)


def against_whom(command: Command) -> Command:
    """The options that say whom answers are compared with."""
    for option in reversed(
        [
            click.option("--data", type=options.PATH, help="The dataset folder with the respondents."),
            click.option(
                "--reference",
                type=click.Choice(list(WHOM)),
                help="Compare with the people answered for (probe, the default), their split, all, or the world.",
            ),
            click.option(
                "--weight", type=click.Choice(WEIGHTS), default="none", show_default=True, help="The survey weight."
            ),
        ]
    ):
        command = option(command)
    return command


def how_sure(command: Command) -> Command:
    """The options of confidence intervals and small cells."""
    return _how_sure(command, 0, "Bootstrap resamples of respondents (0: no confidence intervals).")


def how_sure_of_comparisons(command: Command) -> Command:
    """The same where there must be intervals."""
    return _how_sure(command, 2, "Bootstrap resamples of respondents.")


def _how_sure(command: Command, least: int, help_of_resamples: str) -> Command:
    default = Resampling()
    # commands that draw some items have an --items of their own
    short = () if command.__name__ in HAVE_ITEMS else ("--items",)
    for option in reversed(
        [
            click.option(
                "--resamples",
                type=click.IntRange(min=least, max=100_000),
                default=RESAMPLES,
                show_default=True,
                help=help_of_resamples,
            ),
            click.option(
                "--interval",
                type=click.Choice(METHODS),
                default=default.method,
                show_default=True,
                help="Method of confidence intervals: of bias-corrected distances, or of distances as they are.",
            ),
            click.option(
                "--level",
                type=click.FloatRange(0.5, 0.999),
                default=default.level,
                show_default=True,
                help="Confidence level.",
            ),
            click.option(
                "--item-sampling",
                *short,
                "item_sampling",
                type=click.Choice(ITEM_SAMPLING),
                default=How().item_sampling,
                show_default=True,
                help="What intervals of means generalise to: other items of these topics; other topics; or these "
                "items alone (fixed).",
            ),
            click.option(
                "--strata",
                help="Resample respondents within the groups of this grouping. Default: the cells of a probe set.",
            ),
            click.option(
                "--cluster",
                type=click.Choice(CLUSTERS),
                help="Resample whole clusters of respondents: primary sampling units, regions or interviewers.",
            ),
            click.option(
                "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the resamples."
            ),
            click.option(
                "--min-n",
                type=click.IntRange(min=1),
                help=f"Cells with fewer humans or respondents answered for are too small for a number.  "
                f"[default: {MIN_N}; {MIN_N_STATED} for sources that state probabilities]",
            ),
            min_coverage,
        ]
    ):
        command = option(command)
    return command


HAVE_ITEMS = ("figures", "show", "run")
"""Commands whose --items names items."""


def reference_of(given: Given) -> Reference:
    """The reference: of a dataset, or the world.

    Raises UsageError where neither or both are given.
    """
    data, whom = given["data"], given["reference"]
    if data is not None and whom == "world":
        raise click.UsageError("Both --data and --reference world are given; expected one of the two.")
    if data is None and whom != "world":
        raise click.UsageError("Expected --data DIR, or --reference world.")
    if data is None:
        if given["weight"] != "none":
            raise click.UsageError("The world marginals are unweighted counts; --weight needs --data.")
        return world_reference()
    return respondents_reference(load_dataset(data), whom or "probe", given["weight"])


def how_of(given: Given, codebook: Codebook, *, has_refusals: bool = False) -> How:
    """How scores are made.

    Raises UsageError for strata that nobody is drawn from, or of several groupings.
    """
    resampling = None
    if given["resamples"]:
        resampling = Resampling(given["resamples"], given["seed"], given["level"], given["interval"])
    strata = parse_groupings(given["strata"], codebook) if given["strata"] else ()
    if resampling is None:
        _check_undrawn(given)
    if len(strata) > 1:
        raise click.UsageError("--strata is one grouping; cross its attributes with *.")
    least = given["min_n"]
    return How(
        min_n=least or MIN_N,
        resampling=resampling,
        strata=strata[0] if strata else None,
        has_refusals=has_refusals,
        cluster=given["cluster"],
        item_sampling=given["item_sampling"],
        min_n_stated=least or MIN_N_STATED,
        min_coverage=given["min_coverage"],
    )


def _check_undrawn(given: Given) -> None:
    """Raise UsageError for an option that says how respondents are resampled, where nobody is."""
    usual = Resampling()
    said: dict[str, object] = {"strata": None, "cluster": None, "interval": usual.method, "level": usual.level}
    said["item_sampling"] = How().item_sampling
    for name, default in said.items():
        if given[name] not in (default, ""):
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} says how samples are drawn, and with --resamples 0 there are none.")


def warn_of_small_cells(min_n: int | None) -> None:
    """Say on standard error that cells are shown which may not be shared."""
    if min_n is not None and min_n < MIN_N:
        click.echo(f"wvb: Cells of fewer than {MIN_N} people are shown: not to be shared.", err=True)


def given_options(names: Iterable[str]) -> list[str]:
    """Those of these parameters of the running command that were given on the command line, as options."""
    context = click.get_current_context()
    given = [name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    return [f"--{name.replace('_', '-')}" for name in given]


def make_partial_answers(paths: Sequence[Path]) -> None:
    """Make the answers of those paths that are unfinished runs, from what their journals hold by now."""
    # only here, for scoring files must not wait for what reads completions
    from worldvaluesbench.asking import damage_note
    from worldvaluesbench.asking import write_answers as write_answers_of_run

    for path in paths:
        if is_run(path) and not is_finished(path):
            damaged: list[int] = []
            write_answers_of_run(path, damaged=damaged)
            if damaged:
                click.echo(f"wvb: {path}: {damage_note(damaged)}", err=True)
