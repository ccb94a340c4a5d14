"""The command that shows it all: `wvb demo`."""

from pathlib import Path

import click
import polars as pl

from worldvaluesbench.cli import options, show
from worldvaluesbench.cli.benchmark import show_dataset
from worldvaluesbench.cli.scoring import show_scores
from worldvaluesbench.demo import ANSWERS, DATASET, PROBE, SCORES, SURVEY, WORLD, Demo, run_demo


@click.command()
@click.option("--out", type=options.PATH, default="demo", show_default=True, help="The folder to make.")
@click.option("--respondents", default=20_000, show_default=True, help="How many people to invent.")
@click.option("--seed", default=0, show_default=True, help="The same seed invents the same people.")
@options.force
def demo(out: Path, respondents: int, seed: int, force: bool) -> None:
    """Run the whole path once on invented people: survey, dataset, probe, scores."""
    result = run_demo(out, n_respondents=respondents, seed=seed, force=force, say=show.say)
    show_dataset(result.dataset)
    show.say("")
    show_scores(result.scores)
    _show_world(result)
    show.say(f"\nWhat is in {out}/")
    for name, what in (
        (SURVEY, "the invented survey file, as if downloaded"),
        (DATASET, "respondents and responses by split, items, attributes (wvb build)"),
        (PROBE, "the paper's probe set drawn from it (wvb probe)"),
        (ANSWERS, "stand-ins for a model's answers, in the published shape"),
        (SCORES, "their scores, and those of the baselines (wvb score)"),
        (WORLD, "baselines against the real world marginals, all items"),
    ):
        show.say(f"  {name:<22}{what}")


def _show_world(result: Demo) -> None:
    by_topic = result.world.group_by("topic", maintain_order=True).agg(
        pl.len().alias("items"), pl.col("uniform").mean(), pl.col("majority").mean()
    )
    mean = result.world.select(pl.lit("all"), pl.len(), pl.col("uniform").mean(), pl.col("majority").mean())
    title = "\nReal world marginals (file version 5, unweighted): mean W1 of two baselines"
    show.table(("topic", "items", "uniform", "majority"), [*by_topic.rows(), *mean.rows()], title=title)
    lacking = set(result.dataset.codebook.item_ids) - set(result.world["item_id"])
    show.say(f"No world marginals: {', '.join(sorted(lacking))}.")
