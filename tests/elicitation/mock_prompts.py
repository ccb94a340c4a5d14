"""Prompts as the package renders them, for tests of the mock server."""

from collections.abc import Mapping

from worldvaluesbench.prompts._options import AnswerOption, Labels, choices_of, shown_options
from worldvaluesbench.prompts._persona import Persona, Style, persona_of
from worldvaluesbench.prompts._template import load_template, render_prompt
from worldvaluesbench.survey._codebook import load_codebook

SOMEBODY: Mapping[str, int] = {"B_COUNTRY": 156, "H_URBRURAL": 1, "Q275": 3}


def choices(item_id: str, labels: Labels = "digits", order: int = 0) -> tuple[AnswerOption, ...]:
    return choices_of(load_codebook().item(item_id), labels, order)


def prompt_of(
    item_id: str,
    template: str = "default",
    codes: Mapping[str, int] | None = SOMEBODY,
    *,
    labels: Labels = "digits",
    order: int = 0,
    style: Style = "list",
) -> str:
    """A rendered prompt; `codes` None shows nobody."""
    codebook = load_codebook()
    persona = Persona() if codes is None else persona_of(codes, codebook)
    options = shown_options(choices(item_id, labels, order))
    return render_prompt(load_template(template), persona, codebook.item(item_id), style=style, options=options)
