"""The command that makes baselines of people: `wvb baseline`."""

from pathlib import Path
from typing import Any

import click

from worldvaluesbench.baselines import (
    BASELINES,
    SOURCES,
    BaselineName,
    BaselineOptions,
    build_baseline,
    build_baselines,
)
from worldvaluesbench.benchmark import WEIGHTS, load_dataset
from worldvaluesbench.cli import options, show
from worldvaluesbench.cli.asking import Given, examples_of, what_to_ask
from worldvaluesbench.cli.progress import counting
from worldvaluesbench.prompts import parse_attributes
from worldvaluesbench.survey import Codebook, Grouping, parse_groupings

ALL = "all"


@click.command()
@click.argument("name", type=click.Choice([*BASELINES, ALL]))
@options.dataset_folder
@what_to_ask
@options.out("The run folder to make; with all, the folder of the runs.")
@click.option("--name", "called", help="What scores and tables call the run. Default: the baseline's name.")
@click.option(
    "--from",
    "source",
    type=click.Choice(SOURCES),
    default="train",
    show_default=True,
    help="Whose marginals: of the train split, or of the world (marginal).",
)
@click.option(
    "--groups",
    help="The finest groups, such as B_COUNTRY*H_URBRURAL (cell, human). Default: B_COUNTRY; human: a probe's cross.",
)
@click.option(
    "--weight",
    type=click.Choice(WEIGHTS),
    default="none",
    show_default=True,
    help="The survey weight by which people count.",
)
@click.option("--attributes", help="What trees see, separated by commas. Default: all but docs/baselines.md's few.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn (trees, human).")
@click.option("--fit", type=options.PATH, help="Keep what is fitted in this folder, or use what is kept there.")
@click.option("--threads", type=click.IntRange(min=1), help="Items that trees fits at a time. Default: one a core.")
@options.force
def baseline(name: str, data: Path, out: Path, force: bool, **given: Any) -> None:
    """Make a baseline of people, as a run that is scored like any other.

    NAME is marginal: everybody's distribution; cell: that of the person's group; trees: what boosted trees tell from
    all that is known of the person (worldvaluesbench[baselines]); human: the response of another person of the same
    group; or all of them. They are made from the train split (human: from train and valid) and refuse to answer for
    people that they are made from.
    """
    dataset = load_dataset(data)
    chosen = options_of(given, dataset.codebook)
    examples = examples_of(given, dataset)
    with counting("items fitted") as watch:
        if name == ALL:
            made = build_baselines(examples, out, options=chosen, watch=watch, force=force)
        else:
            (one,) = (known for known in BASELINES if known == name)
            made = {one: build_baseline(one, examples, out, options=chosen, watch=watch, force=force)}
    show.say_invented(dataset.is_invented)
    for made_name, manifest in made.items():
        say_made(made_name, manifest, out / made_name if name == ALL else out)
    if name == ALL and "trees" not in made:
        show.say("trees is left out: it needs LightGBM; pip install 'worldvaluesbench[baselines]'.")


def options_of(given: Given, codebook: Codebook) -> BaselineOptions:
    """How the baseline is made.

    Raises CodebookError for an unknown attribute, RunError for an option that cannot be.
    """
    attributes = given["attributes"]
    return BaselineOptions(
        source=given["source"],
        weight=given["weight"],
        groups=_groups_of(given["groups"], codebook),
        attributes=None if attributes is None else parse_attributes(attributes, codebook),
        seed=given["seed"],
        fit=given["fit"],
        called=given["called"],
        threads=given["threads"],
    )


def say_made(name: BaselineName, manifest: dict[str, Any], folder: Path) -> None:
    """Print what a baseline answered, and where the run lies."""
    answers = "ratings" if name == "human" else "distributions"
    show.say(f"{manifest['name']}: {manifest['n_answers']:,} {answers}. Run: {folder}")
    if manifest["items_left_out"]:
        show.say(f"Left out, for the world has no marginals of them: {', '.join(manifest['items_left_out'])}.")


def _groups_of(text: str | None, codebook: Codebook) -> Grouping | None:
    if text is None:
        return None
    groupings = parse_groupings(text, codebook)
    if len(groupings) != 1:
        raise click.UsageError(f"--groups is {text}; expected one grouping, such as B_COUNTRY*H_URBRURAL.")
    return groupings[0]
