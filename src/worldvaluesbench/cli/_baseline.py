"""The command that makes baselines: `wvb baseline`."""

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
from worldvaluesbench.benchmark import load_dataset
from worldvaluesbench.cli import _terminal as show
from worldvaluesbench.cli._command import PATH, Given, command, dataset_folder, force, option, out, weight_option
from worldvaluesbench.cli._options import examples_of, what_to_ask
from worldvaluesbench.prompts import parse_attributes
from worldvaluesbench.survey import Codebook, Grouping, parse_groupings

ALL = "all"


@command()
@click.argument("name", type=click.Choice([*BASELINES, ALL]))
@dataset_folder
@what_to_ask
@out("The run folder to make; with all, the folder of the runs.")
@option("--name", "called", help="What scores and tables call the run. Default: the baseline's name.")
@option(
    "--from",
    "source",
    type=click.Choice(SOURCES),
    default="train",
    show_default=True,
    help="Whose marginals: of the train split, or of the world (marginal).",
)
@option(
    "--groups",
    help="The finest groups, such as B_COUNTRY*H_URBRURAL (cell, human). Default: B_COUNTRY; human: a probe's cross.",
)
@weight_option
@option("--attributes", help="What trees see, separated by commas. Default: all but docs/baselines.md's few.")
@option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn (trees, human).")
@option("--fit", type=PATH, help="Keep what is fitted in this folder, or use what is kept there.")
@option("--threads", type=click.IntRange(min=1), help="Items that trees fits at a time. Default: one a core.")
@force
def baseline(name: str, data: Path, out: Path, force: bool, **given: Any) -> None:
    """Make a baseline from other respondents, as a run that is scored like any other.

    NAME is marginal: the distribution over all respondents; cell: that of the respondent's group; trees: boosted trees
    on all attributes (worldvaluesbench[baselines]); human: the response of another respondent of the same group; or
    all of them. They are fitted on the train split (human: train and valid) and refuse to answer for respondents that
    they were fitted on.
    """
    dataset = load_dataset(data)
    chosen = options_of(given, dataset.codebook)
    examples = examples_of(given, dataset)
    with show.counting("items fitted") as watch:
        if name == ALL:
            made = build_baselines(examples, out, options=chosen, watch=watch, force=force)
        else:
            (one,) = (known for known in BASELINES if known == name)
            made = {one: build_baseline(one, examples, out, options=chosen, watch=watch, force=force)}
    show.say_synthetic(dataset.is_invented)
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
        show.say(f"Left out, because the world marginals lack them: {', '.join(manifest['items_left_out'])}.")


def _groups_of(text: str | None, codebook: Codebook) -> Grouping | None:
    if text is None:
        return None
    groupings = parse_groupings(text, codebook)
    if len(groupings) != 1:
        raise click.UsageError(f"--groups is {text}; expected one grouping, such as B_COUNTRY*H_URBRURAL.")
    return groupings[0]
