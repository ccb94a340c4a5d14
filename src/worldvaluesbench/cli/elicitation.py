"""Commands that ask models: `wvb prompt`."""

from collections.abc import Sequence
from pathlib import Path

import click
import polars as pl

from worldvaluesbench.benchmark.dataset import Dataset, load_dataset
from worldvaluesbench.cli import options
from worldvaluesbench.elicitation.persona import (
    DEFAULT_ATTRIBUTES,
    STYLES,
    Style,
    parse_attributes,
    parse_codes,
    persona_of,
)
from worldvaluesbench.elicitation.presets import DEFAULT_PRESET, load_preset
from worldvaluesbench.elicitation.prompt import load_template, read_template, render_prompt
from worldvaluesbench.errors import DatasetError, PromptError


@click.command()
@options.dataset_folder
@click.option("--item", required=True, help="The item to ask, such as Q3.")
@click.option("--respondent", type=int, help="The respondent of the dataset to describe.")
@click.option(
    "--set", "settings", multiple=True, help="Or a person made up: B_COUNTRY=156 or B_COUNTRY=China; repeat it."
)
@click.option("--preset", default=DEFAULT_PRESET, show_default=True, help="How to ask; docs/prompts.md lists them.")
@click.option("--template", type=options.PATH, help="A template file of your own, instead of the preset's.")
@click.option(
    "--attributes",
    help=f"Which attributes to show, separated by commas; or all, or none. Default: {','.join(DEFAULT_ATTRIBUTES)}, "
    "or those of --set.",
)
@click.option(
    "--style",
    type=click.Choice(STYLES),
    default="list",
    show_default=True,
    help="The person as questions and answers, or as sentences.",
)
def prompt(  # noqa: PLR0913 - one parameter for each option
    data: Path,
    item: str,
    respondent: int | None,
    settings: Sequence[str],
    preset: str,
    template: Path | None,
    attributes: str | None,
    style: Style,
) -> None:
    """Print the prompt that a model would be sent, and nothing else.

    Attributes that a respondent has no value for are left out. Presets without demographics show nobody.
    """
    chosen = load_preset(preset)
    wanted = load_template(chosen.template) if template is None else read_template(template)
    if respondent is not None and settings:
        raise click.UsageError("Give --respondent or --set, not both.")
    if wanted.uses_persona and respondent is None and not settings and attributes != "none":
        raise click.UsageError(
            f"The template {wanted.name} describes a person; give --respondent ID, --set B_COUNTRY=156 or "
            f"--attributes none."
        )
    dataset = load_dataset(data)
    asked = dataset.codebook.item(item)
    if respondent is None:
        codes = chosen_codes(settings, attributes, dataset)
    else:
        codes = respondent_codes(respondent, attributes, dataset)
    persona = persona_of(codes, dataset.codebook, chosen.attribute_questions)
    click.echo(render_prompt(wanted, persona, asked, style=style))


def respondent_codes(respondent: int, attributes: str | None, dataset: Dataset) -> dict[str, int]:
    """The codes of a respondent for the attributes to show (default: the paper's three).

    Raises DatasetError for an unknown respondent.
    """
    wanted = DEFAULT_ATTRIBUTES if attributes is None else parse_attributes(attributes, dataset.codebook)
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
