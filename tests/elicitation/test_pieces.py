"""Prompts of a plan: an item that is rendered once for all personas has the prompts of the template itself."""

import pytest

from worldvaluesbench.planning._plan import _only_prints_persona, item_prompts
from worldvaluesbench.prompts._persona import Persona, persona_of
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.prompts._template import Template, load_template, parse_template, render_prompt, template_names
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
@pytest.mark.parametrize("persona", [SOMEONE, Persona()], ids=["someone", "nobody"])
def test_a_template_that_only_prints_the_persona_is_rendered_once(wanted: Template, persona: Persona) -> None:
    assert _only_prints_persona(wanted.text) == ("facts" not in wanted.variables)
    check_prompts(wanted, persona)


def check_prompts(wanted: Template, persona: Persona) -> None:
    items = [CODEBOOK.item(item_id) for item_id in ("Q1", "Q48", "Q240")]
    for style in ("list", "prose") if wanted.uses_persona else ("list",):
        settings = make_settings(template=wanted, style=None if style == "list" else style)
        expected = {item.item_id: render_prompt(wanted, persona, item, style=style) for item in items}
        assert item_prompts(items, settings, persona) == expected


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
def test_a_template_that_does_more_with_the_persona_is_rendered_for_each(body: str) -> None:
    assert not _only_prints_persona(body)
    check_prompts(template(body), SOMEONE)
    check_prompts(template(body), Persona())
