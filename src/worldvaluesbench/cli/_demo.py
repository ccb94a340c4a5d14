"""The command that shows everything: `wvb demo`."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from worldvaluesbench.cli import _terminal as show
from worldvaluesbench.cli._ask import watching
from worldvaluesbench.cli._benchmark import show_dataset
from worldvaluesbench.cli._command import PATH, command, force, option
from worldvaluesbench.cli._compare import show_demographics, show_leaderboard
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
