"""A prompt: the text sent to a model, rendered from a template, a persona and an item.

A template is a text file in jinja2 whose first line names it, `{# name: mine #}`, and is not part of the prompt. It
may use `persona` (the person as text, empty where nothing is shown), `facts` (the same one by one), `question`,
`options` (pairs of symbol and label), `low` and `high`; any other name is refused.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import jinja2
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from worldvaluesbench.errors import PromptError
from worldvaluesbench.prompts._persona import Fact, Persona, Style, render_persona
from worldvaluesbench.survey import Item

VARIABLES = ("persona", "facts", "question", "options", "low", "high")
SUFFIX = ".jinja"
Options = Sequence[tuple[str, str]]
"""What can be answered, in the order shown: the symbol (such as "1") and its label, empty where it has none."""

# no autoescape: a prompt is text and no page. One final line end is the editor's; "4" and " 4" are different tokens
_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=jinja2.StrictUndefined,
    autoescape=False,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=False,
)
_FRONT_LINE = re.compile(r"\{#-?\s*name:\s*([\w.+-]+)\s*-?#\}\s*")
_EXAMPLE_FACTS = (Fact("a", "Colour", "Which colour?", "Red"), Fact("b", "Size", "Which size?", "Large"))


@dataclass(frozen=True, slots=True)
class Template:
    """A template: its name, its text without the front line, and which variables it uses."""

    name: str
    text: str
    variables: frozenset[str]
    _compiled: jinja2.Template = field(repr=False, compare=False)

    @property
    def uses_persona(self) -> bool:
        """Whether its prompts can differ from person to person."""
        return bool(self.variables & {"persona", "facts"})


@cache
def load_template(name: str) -> Template:
    """A packaged template by its name, such as `paper-figure-5` or `default`.

    Raises PromptError for an unknown name.
    """
    known = template_names()
    if name not in known:
        raise PromptError(f"There is no template {name!r}; there are {', '.join(known)}.")
    template = parse_template((_folder() / f"{name}{SUFFIX}").read_text(encoding="utf-8"), f"{name}{SUFFIX}")
    if template.name != name:
        raise PromptError(f"{name}{SUFFIX}: its first line names it {template.name!r}; expected its file name.")
    return template


def template_names() -> tuple[str, ...]:
    """The names of the packaged templates."""
    return tuple(sorted(path.name.removesuffix(SUFFIX) for path in _folder().iterdir() if path.name.endswith(SUFFIX)))


def read_template(path: Path) -> Template:
    """A template from a file of one's own.

    Raises PromptError where it cannot be read, its first line does not name it, or it is no template.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise PromptError(f"{path}: there is no such file; expected a template.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8"
        raise PromptError(f"{path}: cannot be read as text ({reason}).") from None
    return parse_template(text, path.name)


def parse_template(text: str, source: str) -> Template:
    """A template from text; `source` is what messages call it.

    It is rendered once with an invented person and once with none, so that its faults show before anyone's attributes
    are at hand.

    Raises PromptError where its first line does not name it, it is no jinja2, or it uses an unknown name.
    """
    first, _, body = text.partition("\n")
    named = _FRONT_LINE.fullmatch(first)
    if named is None:
        raise PromptError(f"{source} line 1: {_shortened(first)!r} names no template; expected {{# name: mine #}}.")
    try:
        variables = meta.find_undeclared_variables(_ENVIRONMENT.parse(body))
        compiled = _ENVIRONMENT.from_string(body)
    except jinja2.TemplateSyntaxError as error:
        raise PromptError(f"{source} line {error.lineno + 1}: is no template ({_one_line(error)}).") from None
    except RecursionError:
        raise PromptError(f"{source}: is nested too deeply for a template.") from None
    # what jinja2 brings along (range, dict) is no variable
    unknown = sorted(variables - {*VARIABLES, *_ENVIRONMENT.globals})
    if unknown:
        raise PromptError(f"{source}: there is no {unknown[0]!r}; a template may use {', '.join(VARIABLES)}.")
    template = Template(named[1], body, frozenset(variables), compiled)
    _check_renders(template, source)
    return template


def scale_options(item: Item) -> Options:
    """The scale points of an item in order, each with its label; without one where the label is the number itself."""
    symbols = [str(rating) for rating in item.scale.ratings]
    return [(symbol, "" if label == symbol else label) for symbol, label in zip(symbols, item.labels, strict=True)]


def render_prompt(
    template: Template,
    persona: Persona,
    item: Item,
    *,
    style: Style = "list",
    options: Options | None = None,
    persona_text: str | None = None,
) -> str:
    """The prompt that asks a model what this person answered to an item.

    `options` replaces the item's scale points where they are shown in another order or by other symbols.
    `persona_text` is the persona as rendered before, for whoever asks the same person many items.

    Raises PromptError where the template fails; the message repeats nothing of the person.
    """
    values: dict[str, object] = {"question": item.question, "low": item.scale.low, "high": item.scale.high}
    # made only for templates that use them: millions of prompts are rendered for a plan
    if template.uses_persona:
        text = render_persona(persona, style) if persona_text is None else persona_text
        values |= {"persona": text, "facts": persona.facts}
    if "options" in template.variables:
        values["options"] = scale_options(item) if options is None else options
    try:
        return template._compiled.render(values)
    except Exception as error:  # a template is a program of the user's own, and can fail in any way
        raise PromptError(
            f"{template.name}: the template fails for {item.item_id} ({type(error).__name__}); "
            f"expected one that renders for every person and item."
        ) from None


def _check_renders(template: Template, source: str) -> None:
    for facts in (_EXAMPLE_FACTS, ()):
        try:
            text = template._compiled.render(_example_values(facts))
        except Exception as error:  # as in render_prompt; the person is invented, so the message may be told
            what = _one_line(error) or type(error).__name__
            who = "a person of two facts" if facts else "a person without facts"
            raise PromptError(f"{source}: fails when rendered for {who} ({what}).") from None
        if not text.strip():
            raise PromptError(f"{source}: its prompt is empty; expected text that asks {{{{ question }}}}.")


def _example_values(facts: tuple[Fact, ...]) -> Mapping[str, object]:
    options = [("1", "Yes"), ("2", "No")]
    persona = render_persona(Persona(facts))
    return {"persona": persona, "facts": facts, "question": "Yes?", "options": options, "low": 1, "high": 2}


def _folder() -> Traversable:
    return files("worldvaluesbench") / "data" / "prompts"


def _one_line(error: Exception) -> str:
    return _shortened(" ".join(str(error).split()))


def _shortened(text: str) -> str:
    return text if len(text) <= 120 else text[:120] + "…"
