"""Pieces of a prompt: put together they are what the template renders, or there are none."""

import pytest

from worldvaluesbench.planning._pieces import pieces_of
from worldvaluesbench.prompts._persona import NOBODY, Persona, persona_of, render_persona
from worldvaluesbench.prompts._prompt import (
    Template,
    load_template,
    parse_template,
    render_prompt,
    scale_options,
    template_names,
)
from worldvaluesbench.survey._codebook import load_codebook

CODEBOOK = load_codebook()
SOMEONE = persona_of({"B_COUNTRY": 20, "H_URBRURAL": 1, "Q262": 41}, CODEBOOK)


def template(body: str) -> Template:
    return parse_template(f"{{# name: mine #}}\n{body}", "mine.jinja")


PLAIN = [
    *map(load_template, template_names()),
    template("{{ persona }}|{{ question }}|{{ persona }}"),
    template(
        "{% if persona %}Known: {{ persona }}{% elif high > 4 %}Long scale{% else %}Nothing{% endif %} {{ question }}"
    ),
    template("{{ (persona if high > 4 else 'Someone') or 'Nobody' }}, {{ persona and high }}: {{ question }}"),
    template("{{ not persona }} {{ question }}"),
    template("{% if high > 4 %}{% if not persona %}Nobody{% endif %}{{ persona }}{% endif %}{{ question }}"),
]


@pytest.mark.parametrize("wanted", PLAIN, ids=lambda wanted: wanted.text[:30])
@pytest.mark.parametrize("persona", [SOMEONE, NOBODY], ids=["someone", "nobody"])
def test_pieces_put_together_are_the_prompt(wanted: Template, persona: Persona) -> None:
    for item_id in ("Q1", "Q48", "Q240"):
        item = CODEBOOK.item(item_id)
        pieces = pieces_of(wanted, item, scale_options(item))
        if "facts" in wanted.variables:
            assert pieces is None
            continue
        assert pieces is not None
        for style in ("list", "prose"):
            expected = render_prompt(wanted, persona, item, style=style)
            assert pieces.prompt(render_persona(persona, style)) == expected


@pytest.mark.parametrize(
    "body",
    [
        "{{ persona | upper }} {{ question }}",
        "{{ persona[:20] }} {{ question }}",
        "{{ persona ~ question }}",
        "{% if persona | length > 40 %}{{ persona }}{% endif %}{{ question }}",
        "{% if (persona or question) == persona %}{{ persona }}{% endif %}{{ question }}",
        "{% if 'Andorra' in persona %}{{ persona }}{% endif %}{{ question }}",
        "{% set text = persona %}{{ text | upper }} {{ question }}",
        "{% set text %}{{ persona }}{% endset %}{{ text | upper }} {{ question }}",
        "{% filter upper %}{{ persona }}{% endfilter %} {{ question }}",
        "{% macro shown() %}{{ persona }}{% endmacro %}{{ shown() | upper }} {{ question }}",
        "{% for line in persona.splitlines() %}{{ line }};{% endfor %} {{ question }}",
        "{% for _ in options %}{{ persona }}{% endfor %} {{ question }}",
        "{% for fact in facts %}{{ fact.label }}{% endfor %} {{ question }}",
        "{{ (persona if high > 4 else question) | upper }} {{ question }}",
    ],
)
def test_a_template_that_does_more_with_the_persona_than_print_it_has_no_pieces(body: str) -> None:
    item = CODEBOOK.item("Q48")
    assert pieces_of(template(body), item, scale_options(item)) is None
