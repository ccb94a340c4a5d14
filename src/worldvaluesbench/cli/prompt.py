"""The command that shows what a model is sent: `wvb prompt`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import polars as pl

from worldvaluesbench._io import printable
from worldvaluesbench.benchmark import Dataset, load_dataset
from worldvaluesbench.cli import options
from worldvaluesbench.cli.asking import how_to_ask, settings_of
from worldvaluesbench.errors import DatasetError, PromptError
from worldvaluesbench.prompts import choices_of, parse_attributes, parse_codes, persona_of, render_prompt, shown_options


@click.command()
@options.dataset_folder
@click.option("--item", required=True, help="The item to ask, such as Q3.")
@click.option("--respondent", type=int, help="The respondent of the dataset to describe.")
@click.option(
    "--set", "settings", multiple=True, help="Or a person made up: B_COUNTRY=156 or B_COUNTRY=China; repeat it."
)
@click.option("--order", type=click.IntRange(min=0), default=0, help="Which of the orders of the options; 0 is as is.")
@how_to_ask
def prompt(data: Path, item: str, respondent: int | None, settings: Sequence[str], order: int, **given: Any) -> None:
    """Print the prompt that a model would be sent, and nothing else.

    Attributes that a respondent has no value for are left out. Presets without demographics show nobody. Without
    --attributes a person made up is shown with what was --set.
    """
    if respondent is not None and settings:
        raise click.UsageError("Give --respondent or --set, not both.")
    dataset = load_dataset(data)
    chosen = settings_of(given, dataset.codebook)
    if chosen.uses_persona and respondent is None and not settings:
        raise click.UsageError(
            f"The template {chosen.template.name} describes a person; give --respondent ID, --set B_COUNTRY=156 or "
            f"--attributes none."
        )
    asked = dataset.codebook.item(item)
    if not chosen.uses_persona:
        codes = {}
    elif respondent is None:
        codes = chosen_codes(settings, given["attributes"], dataset)
    else:
        codes = respondent_codes(respondent, chosen.attributes, dataset)
    persona = persona_of(codes, dataset.codebook, chosen.attribute_questions)
    shown = shown_options(choices_of(asked, chosen.labels, order))
    text = render_prompt(chosen.template, persona, asked, style=chosen.style, options=shown)
    click.echo(printable(text, keep="\n\t"))


def respondent_codes(respondent: int, wanted: Sequence[str], dataset: Dataset) -> dict[str, int]:
    """The codes of a respondent for these attributes.

    Raises DatasetError for an unknown respondent.
    """
    table = dataset.respondents(["respondent_id", *wanted])
    found = table.filter(pl.col("respondent_id") == respondent)
    if found.is_empty():
        raise DatasetError(f"{dataset.folder}: there is no respondent {respondent}.")
    row = found.row(0, named=True)
    return {attribute_id: row[attribute_id] for attribute_id in wanted}


def chosen_codes(settings: Sequence[str], attributes: str | None, dataset: Dataset) -> dict[str, int]:
    """The codes of a person made up, in the order of the attributes to show (default: those set, as set).

    Raises PromptError where an attribute is set that is not to be shown.
    """
    codes = parse_codes(settings, dataset.codebook)
    if attributes is None:
        return codes
    wanted = parse_attributes(attributes, dataset.codebook)
    unused = [attribute_id for attribute_id in codes if attribute_id not in wanted]
    if unused:
        raise PromptError(f"{unused[0]} is set but not shown; add it to --attributes.")
    return {attribute_id: codes[attribute_id] for attribute_id in wanted if attribute_id in codes}
