"""Prompt templates, presets that name a way of asking, and prompts rendered from a template, a persona and an item.

A template is a text file in jinja2 whose first line names it, `{# name: mine #}`, and is not part of the prompt. It
may use `persona` (the persona as text, empty without facts), `facts` (its facts one by one), `question`, `options`
(pairs of symbol and label), `low` and `high`; any other name is refused.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import jinja2
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from worldvaluesbench.errors import PromptError
from worldvaluesbench.prompts._options import Options, choices_of, shown_options
from worldvaluesbench.prompts._persona import Fact, Persona, Style, load_paper_questions, render_persona
from worldvaluesbench.survey import Item

Method = Literal["greedy", "sampled", "token_probs", "option_likelihood", "verbalised"]
Questions = Literal["paper", "codebook"]

METHODS: tuple[Method, ...] = get_args(Method)
DEFAULT_PRESET = "default"
VARIABLES = ("persona", "facts", "question", "options", "low", "high")
SUFFIX = ".jinja"

_DATA = files("worldvaluesbench") / "data"
# no autoescape: a prompt is plain text. One final line end is the editor's; "4" and " 4" are different tokens
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
class Preset:
    """A named way of asking: the name of a template, an elicitation method and its sampling.

    `n` is the number of completions of each distinct prompt, `max_tokens` the most tokens of one (None: the server's
    own limit), `questions` the source of the attribute questions that a persona shows.
    """

    name: str
    template: str
    uses_persona: bool
    questions: Questions
    method: Method
    temperature: float
    n: int
    stop: tuple[str, ...]
    max_tokens: int | None = None

    @property
    def attribute_questions(self) -> Mapping[str, str]:
        """The wordings that replace the codebook's, for `persona_of`."""
        return load_paper_questions() if self.questions == "paper" else {}


@dataclass(frozen=True, slots=True)
class Template:
    """A template: its name, its text without the front line, and which variables it uses."""

    name: str
    text: str
    variables: frozenset[str]
    _compiled: jinja2.Template = field(repr=False, compare=False)

    @property
    def uses_persona(self) -> bool:
        """Whether its prompts can differ between personas."""
        return bool(self.variables & {"persona", "facts"})


@cache
def load_presets() -> Mapping[str, Preset]:
    """The packaged presets by name, in the order of their table."""
    tables = tomllib.loads((_DATA / "presets.toml").read_text(encoding="utf-8"))
    return MappingProxyType(
        {name: Preset(name, **(table | {"stop": tuple(table["stop"])})) for name, table in tables.items()}
    )


def load_preset(name: str) -> Preset:
    """The preset of this name.

    Raises PromptError for an unknown name.
    """
    presets = load_presets()
    if name not in presets:
        raise PromptError(f"There is no preset {name!r}; there are {', '.join(presets)}.")
    return presets[name]


@cache
def load_template(name: str) -> Template:
    """A packaged template by its name, such as `paper-figure-5` or `default`.

    Raises PromptError for an unknown name.
    """
    known = template_names()
    if name not in known:
        raise PromptError(f"There is no template {name!r}; there are {', '.join(known)}.")
    file = f"{name}{SUFFIX}"
    return parse_template((_DATA / "prompts" / file).read_text(encoding="utf-8"), file)


def template_names() -> tuple[str, ...]:
    """The names of the packaged templates."""
    names = (path.name for path in (_DATA / "prompts").iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)))


def read_template(path: Path | str) -> Template:
    """A template from a user's file.

    Raises PromptError where it cannot be read, its first line does not name it, or it is not a template.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise PromptError(f"{path}: there is no such file; expected a template.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8"
        raise PromptError(f"{path}: cannot be read as text ({reason}).") from None
    return parse_template(text, path.name)


def parse_template(text: str, source: str) -> Template:
    """A template from text; `source` is its name in messages.

    It is rendered once with an invented persona and once without facts, so that its faults show before any request.

    Raises PromptError where its first line does not name it, it is not jinja2, or it uses an unknown name.
    """
    first, _, body = text.partition("\n")
    named = _FRONT_LINE.fullmatch(first)
    if named is None:
        raise PromptError(f"{source} line 1: {_shortened(first)!r} names no template; expected {{# name: mine #}}.")
    try:
        variables = meta.find_undeclared_variables(_ENVIRONMENT.parse(body))
        compiled = _ENVIRONMENT.from_string(body)
    except jinja2.TemplateSyntaxError as error:
        raise PromptError(f"{source} line {error.lineno + 1}: is no template ({_shortened(str(error))}).") from None
    except RecursionError:
        raise PromptError(f"{source}: is nested too deeply for a template.") from None
    # what jinja2 brings along (range, dict) is not a variable
    unknown = sorted(variables - {*VARIABLES, *_ENVIRONMENT.globals})
    if unknown:
        raise PromptError(f"{source}: there is no {unknown[0]!r}; a template may use {', '.join(VARIABLES)}.")
    values = {"question": "Yes?", "options": [("1", "Yes"), ("2", "No")], "low": 1, "high": 2}
    for facts, whose in ((_EXAMPLE_FACTS, "a person of two facts"), ((), "a person without facts")):
        try:
            prompt = compiled.render(values | {"persona": render_persona(Persona(facts)), "facts": facts})
        except Exception as error:  # as in render_prompt; the persona is invented, so the message may be shown
            what = _shortened(str(error)) or type(error).__name__
            raise PromptError(f"{source}: fails when rendered for {whose} ({what}).") from None
        if not prompt.strip():
            raise PromptError(f"{source}: its prompt is empty; expected text that asks {{{{ question }}}}.")
    return Template(named[1], body, frozenset(variables), compiled)


def render_prompt(
    template: Template,
    persona: Persona,
    item: Item,
    *,
    style: Style = "list",
    options: Options | None = None,
    persona_text: str | None = None,
) -> str:
    """The prompt that asks a model how this person answered an item.

    `options` replaces the item's scale points where they are shown in another order or by other symbols.
    `persona_text` is the persona already rendered, for callers that ask one persona many items.

    Raises PromptError where the template fails; the message repeats nothing of the persona.
    """
    values: dict[str, object] = {"question": item.question, "low": item.scale.low, "high": item.scale.high}
    # made only for templates that use them: millions of prompts are rendered for a plan
    if template.uses_persona:
        text = render_persona(persona, style) if persona_text is None else persona_text
        values |= {"persona": text, "facts": persona.facts}
    if "options" in template.variables:
        values["options"] = shown_options(choices_of(item)) if options is None else options
    try:
        return template._compiled.render(values)
    except Exception as error:  # a user's template is a program, and can fail in any way
        raise PromptError(
            f"{template.name}: the template fails for {item.item_id} ({type(error).__name__}); "
            f"expected one that renders for every person and item."
        ) from None


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 120 else text[:120] + "…"
