"""Presets: the ways of asking that have a name. Template, method and sampling in one row of `data/presets.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, get_args

from worldvaluesbench.errors import PromptError
from worldvaluesbench.prompts._persona import load_paper_questions
from worldvaluesbench.prompts._prompt import load_template

Method = Literal["greedy", "sampled", "token_probs", "option_likelihood", "verbalised"]
Questions = Literal["paper", "codebook"]

METHODS: tuple[Method, ...] = get_args(Method)
DEFAULT_PRESET = "default"
_FIELDS = ("template", "uses_persona", "questions", "method", "temperature", "n", "stop", "max_tokens")


@dataclass(frozen=True, slots=True)
class Preset:
    """A named way of asking.

    `n` is the number of completions of each distinct prompt, `max_tokens` the most tokens of one (None: the server's
    own limit), `questions` whose wordings of the attribute questions a persona shows.
    """

    name: str
    template: str
    uses_persona: bool
    questions: Questions
    method: Method
    temperature: float
    n: int
    stop: tuple[str, ...]
    max_tokens: int | None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise PromptError(f"{self.name}: there is no method {self.method!r}; there are {', '.join(METHODS)}.")
        if self.questions not in get_args(Questions):
            raise PromptError(f"{self.name}: questions is {self.questions!r}; expected paper or codebook.")
        if self.temperature < 0:
            raise PromptError(f"{self.name}: temperature is {self.temperature}; expected 0 or more.")
        if self.n < 1 or (self.max_tokens is not None and self.max_tokens < 1):
            raise PromptError(f"{self.name}: n is {self.n}, max_tokens {self.max_tokens}; expected at least 1 of each.")
        if self.method == "greedy" and (self.temperature, self.n) != (0, 1):
            raise PromptError(
                f"{self.name}: greedy asks once at temperature 0, found n {self.n} and temperature {self.temperature}; "
                f"expected method sampled."
            )

    @property
    def attribute_questions(self) -> Mapping[str, str]:
        """The wordings that replace the codebook's, for `persona_of`."""
        return load_paper_questions() if self.questions == "paper" else {}


@cache
def load_presets() -> Mapping[str, Preset]:
    """The packaged presets by name, in the order of their table.

    Raises PromptError where the table contradicts itself or the templates.
    """
    text = (files("worldvaluesbench") / "data" / "presets.toml").read_text(encoding="utf-8")
    presets = parse_presets(text)
    for preset in presets.values():
        if preset.uses_persona and not load_template(preset.template).uses_persona:
            raise PromptError(f"{preset.name}: uses_persona does not fit its template {preset.template}.")
    return presets


def load_preset(name: str) -> Preset:
    """The preset of this name.

    Raises PromptError for an unknown name.
    """
    presets = load_presets()
    if name not in presets:
        raise PromptError(f"There is no preset {name!r}; there are {', '.join(presets)}.")
    return presets[name]


def parse_presets(text: str) -> Mapping[str, Preset]:
    """Presets from TOML text: a table for each.

    Raises PromptError for a field that is unknown, absent (max_tokens apart) or cannot be one.
    """
    return MappingProxyType({name: _preset_of(name, fields) for name, fields in tomllib.loads(text).items()})


def _preset_of(name: str, fields: Mapping[str, Any]) -> Preset:
    unknown, absent = sorted(set(fields) - set(_FIELDS)), sorted(set(_FIELDS) - {"max_tokens"} - set(fields))
    if unknown or absent:
        raise PromptError(f"{name}: unknown fields {unknown}, absent {absent}; a preset has {', '.join(_FIELDS)}.")
    return Preset(
        name=name,
        template=fields["template"],
        uses_persona=fields["uses_persona"],
        questions=fields["questions"],
        method=fields["method"],
        temperature=float(fields["temperature"]),
        n=fields["n"],
        stop=tuple(fields["stop"]),
        max_tokens=fields.get("max_tokens"),
    )
