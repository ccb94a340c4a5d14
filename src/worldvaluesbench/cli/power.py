"""What a plan detects: the options `--detect` and `--pilot`, and the table that they print."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, inf
from pathlib import Path
from typing import Any, TypeVar

import click
import polars as pl

from worldvaluesbench.cli import options, show
from worldvaluesbench.cli.asking import Given
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.pipeline import design_of
from worldvaluesbench.planning import Plan
from worldvaluesbench.scoring.compare import COMPARED, COVARIANCES, mean_variance, pilot_variances, read_comparison
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

Command = TypeVar("Command", bound=Callable[..., Any])

SAMPLES = (1, 3, 5, 10)

EXACT = "exact"
"""What is said of a model whose answers have no sampling noise."""


@dataclass(frozen=True)
class Wanted:
    """The difference that is to be detected, and the pilot that says what varies, if there is one."""

    difference: float
    pilot: Path | None = None
    compared: pl.DataFrame = field(default_factory=pl.DataFrame, repr=False)
    covariances: pl.DataFrame = field(default_factory=pl.DataFrame, repr=False)


def what_it_detects(command: Command) -> Command:
    """The options of commands that plan which say that its statistical power is wanted."""
    for option in (
        click.option(
            "--pilot", type=options.PATH, help="A comparison (wvb compare) to take variances from, for --detect."
        ),
        click.option(
            "--detect",
            type=click.FloatRange(min=0, max=1, min_open=True),
            help="Print which differences of mean W1 the plan detects with 80% power, and what this one needs.",
        ),
    ):
        command = option(command)
    return command


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
    tables = read_comparison(pilot).tables
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
