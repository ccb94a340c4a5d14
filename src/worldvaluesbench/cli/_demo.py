"""Commands to try it out: `wvb demo`, `wvb mock-server`."""

import signal
import threading
from collections.abc import Mapping
from pathlib import Path

import click
import polars as pl

from worldvaluesbench.cli import _terminal as show
from worldvaluesbench.cli._ask import watching
from worldvaluesbench.cli._benchmark import show_dataset
from worldvaluesbench.cli._command import PATH, command, option
from worldvaluesbench.cli._compare import show_demographics, show_leaderboard
from worldvaluesbench.cli._options import force
from worldvaluesbench.models.standin import STAND_INS
from worldvaluesbench.models.standin import mock_server as running_server
from worldvaluesbench.pipeline import (
    BY_COUNTRY,
    DATASET,
    FITS,
    RESULTS,
    SURVEY,
    WORLD,
    Demo,
    Watches,
    explain_order,
    run_demo,
)


@command()
@option("--out", type=PATH, default="demo", show_default=True, help="The folder to make.")
@option("--respondents", default=20_000, show_default=True, help="How many synthetic respondents.")
@option("--seed", default=0, show_default=True, help="The same seed gives the same respondents.")
@force
def demo(out: Path, respondents: int, seed: int, force: bool) -> None:
    """Run everything once on synthetic respondents: dataset, probe, two models, scores, a report."""
    with watching() as asking, show.counting("items fitted") as fitting:
        watches = Watches(asking, fitting)
        result = run_demo(out, n_respondents=respondents, seed=seed, force=force, say=show.say, watches=watches)
    show_dataset(result.dataset)
    show.say("\nTwo stand-in models, asked over HTTP with and without demographics (wvb run)")
    for name, outcome in result.outcomes.items():
        asked, unparsed = show.counted(outcome.n_done, "completion"), outcome.n_unparsed
        show.say(f"  {name:<24}{asked}, {unparsed:,} unparsed, {outcome.seconds:.1f} s")
    show_leaderboard(result.comparison)
    show_demographics(result.comparison)
    _show_by_country(result.by_country)
    _show_world(result)
    show.say(f"\nWhat is in {out}/")
    for name, what in (
        (SURVEY, "the synthetic survey file, as if downloaded"),
        (DATASET, "respondents and responses by split, items, attributes (wvb build)"),
        (RESULTS, "the paper's probe set, a run for each model, comparison and report (wvb run --report)"),
        (BY_COUNTRY, "baselines of people for the whole test split (wvb baseline), and their fits in " + FITS),
        (WORLD, "baselines against the real world marginals, all items"),
    ):
        show.say(f"  {name:<22}{what}")
    show.say(f"\nThe report, to be opened in a browser: {result.page}")


def _show_by_country(means: Mapping[str, float]) -> None:
    title = (
        "\nBaselines against the synthetic respondents of the test split, by country: mean W1 over items and countries"
    )
    show.table(tuple(means), [tuple(means.values())], title=title, left=0)
    for sentence in explain_order(means):
        show.say(sentence)


def _show_world(result: Demo) -> None:
    by_topic = result.world.group_by("topic", maintain_order=True).agg(
        pl.len().alias("items"), pl.col("uniform").mean(), pl.col("majority").mean()
    )
    mean = result.world.select(pl.lit("all"), pl.len(), pl.col("uniform").mean(), pl.col("majority").mean())
    title = "\nReal world marginals (file version 5, unweighted): mean W1 of two baselines"
    show.table(("topic", "items", "uniform", "majority"), [*by_topic.rows(), *mean.rows()], title=title)
    lacking = set(result.dataset.codebook.item_ids) - set(result.world["item_id"])
    show.say(f"No world marginals: {', '.join(sorted(lacking))}.")


@command("mock-server")
@option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free port.")
@option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@option("--models", default=",".join(STAND_INS), show_default=True, help="Names of the models to serve.")
@option("--seed", type=int, default=0, show_default=True, help="Decides all answers.")
@option("--latency", type=click.FloatRange(0), default=0.0, help="Seconds that each answer takes.")
def mock_server(models: str, host: str, port: int, seed: int, latency: float) -> None:
    """Serve made-up answers over OpenAI's API until Ctrl-C.

    The stand-in models mock-good, mock-poor and mock-first answer survey questions from the prompt alone;
    docs/mock-server.md says how. Nothing leaves the machine.
    """
    names = [name.strip() for name in models.split(",") if name.strip()]
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with running_server(host, port, models=names, seed=seed, latency=latency) as base_url:
            click.echo(f"Mock server: {base_url} serves {', '.join(names)}; Ctrl-C stops it.")
            stopped.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    click.echo("Mock server: stopped.")
