"""The options of every command that scores: against whom, with what weight, and how sure one can be."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from worldvaluesbench.benchmark.dataset import load_dataset
from worldvaluesbench.benchmark.weights import WEIGHTS
from worldvaluesbench.cli import options
from worldvaluesbench.estimate import METHODS, Resampling
from worldvaluesbench.scoring.how import MIN_N, How
from worldvaluesbench.scoring.reference import WHOM, Reference, respondents_reference, world_reference
from worldvaluesbench.scoring.runs import is_finished, is_run
from worldvaluesbench.survey.attributes import parse_groupings
from worldvaluesbench.survey.codebook import Codebook

Command = TypeVar("Command", bound=Callable[..., Any])
Given = Mapping[str, Any]

RESAMPLES = 1000

DRAWN = ("resamples", "interval", "level", "side", "strata", "seed")
"""Options that say how people are drawn."""


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
    """The options of intervals and small cells."""
    return _how_sure(command, 0, "Draws of people for intervals; 0: no intervals.")


def how_sure_of_comparisons(command: Command) -> Command:
    """The same where there must be intervals."""
    return _how_sure(command, 2, "Draws of people for intervals.")


def _how_sure(command: Command, least: int, help_of_resamples: str) -> Command:
    default = Resampling()
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
                "--interval", type=click.Choice(METHODS), default=default.method, show_default=True, help="Their kind."
            ),
            click.option(
                "--level",
                type=click.FloatRange(0.5, 0.999),
                default=default.level,
                show_default=True,
                help="Their level.",
            ),
            click.option(
                "--side",
                type=click.Choice(["both", "reference"]),
                default=default.side,
                show_default=True,
                help="Draw people with the answers given for them, or the humans alone.",
            ),
            click.option(
                "--strata", help="Draw people within the groups of this grouping. Default: the cells of a probe."
            ),
            click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the draws."),
            click.option(
                "--min-n",
                type=click.IntRange(min=1),
                default=MIN_N,
                show_default=True,
                help="Cells with fewer humans or people answered for are too small for a number.",
            ),
        ]
    ):
        command = option(command)
    return command


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
        resampling = Resampling(given["resamples"], given["seed"], given["level"], given["interval"], given["side"])
    strata = parse_groupings(given["strata"], codebook) if given["strata"] else ()
    if resampling is None:
        _check_undrawn(given)
    if len(strata) > 1:
        raise click.UsageError("--strata is one grouping; cross its attributes with *.")
    return How(given["min_n"], resampling, strata[0] if strata else None, has_refusals)


def _check_undrawn(given: Given) -> None:
    """Raise UsageError for an option that says how people are drawn, where nobody is."""
    usual = Resampling()
    said = {"strata": None, "interval": usual.method, "level": usual.level, "side": usual.side}
    for name, default in said.items():
        if given[name] not in (default, ""):
            raise click.UsageError(f"--{name} says how people are drawn, and with --resamples 0 nobody is.")


def warn_of_small_cells(min_n: int) -> None:
    """Say on standard error that cells are shown which may not be shared."""
    if min_n < MIN_N:
        click.echo(f"wvb: Cells of fewer than {MIN_N} people are shown: not to be shared.", err=True)


def given_options(names: Iterable[str]) -> list[str]:
    """Those of these parameters of the running command that were given on the command line, as options."""
    context = click.get_current_context()
    given = [name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    return [f"--{name.replace('_', '-')}" for name in given]


def make_partial_answers(paths: Sequence[Path]) -> None:
    """Make the answers of those paths that are unfinished runs, from what their journals hold by now."""
    # only here, for scoring files must not wait for what reads completions
    from worldvaluesbench.elicitation.answers import write_answers as write_answers_of_run

    for path in paths:
        if is_run(path) and not is_finished(path):
            write_answers_of_run(path)
