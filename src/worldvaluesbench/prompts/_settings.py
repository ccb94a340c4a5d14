"""Settings: everything that decides what is sent to a model, but for the model itself. A run has one of them.

They start from a preset; what is given besides replaces what the preset says. Two runs with equal settings and
the same dataset send the same requests, and a run is resumed only with the settings it was begun with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from worldvaluesbench.errors import PromptError
from worldvaluesbench.prompts._options import LABELS, Labels, option_orders
from worldvaluesbench.prompts._persona import DEFAULT_ATTRIBUTES, Style, load_paper_questions
from worldvaluesbench.prompts._request import MAX_N, TEXT_METHODS, Sampling
from worldvaluesbench.prompts._template import DEFAULT_PRESET, Method, Questions, Template, load_preset, load_template
from worldvaluesbench.runs import fingerprint_of
from worldvaluesbench.stats import MAX_POINTS

METHOD_TEMPLATES: Mapping[Method, str] = {
    "token_probs": "symbol",
    "option_likelihood": "symbol",
    "verbalised": "shares",
}
"""The packaged templates that ask for one symbol, or for a share of each symbol, in place of JSON with a rating."""

MAX_TOKENS: Mapping[Method, int | None] = {"token_probs": 3, "option_likelihood": None, "verbalised": 512}
N_WITHOUT_PERSONA = 230
"""Samples of a prompt without persona: as many as an item of the paper's probe set has respondents."""

MAX_ORDERS = 2 * MAX_POINTS
MAX_RETRIES = 255
"""Attempts are numbered in 8 bits."""

MAX_SEED = 2**48
"""Each sample has a seed of its own, hashed from this one; every JSON reader keeps so large a number exact."""


@dataclass(frozen=True)
class Settings:
    """How every example of a run is asked.

    `preset` is where they started. `attributes` are those shown, in order; none where the template shows no persona.
    `n` is the number of completions of each prompt, `orders` that of the orders of the options, `is_structured`
    whether the server is to hold answers to a JSON schema, `retry_unparsed` how often an unparsed sample is asked
    again. `temperature` None is not sent (some models take none).
    """

    preset: str
    template: Template
    attributes: tuple[str, ...]
    style: Style
    questions: Questions
    method: Method
    n: int
    temperature: float | None
    max_tokens: int | None
    stop: tuple[str, ...]
    seed: int | None = None
    labels: Labels = "digits"
    orders: int = 1
    is_structured: bool = False
    retry_unparsed: int = 0

    def __post_init__(self) -> None:
        if self.n < 1 or self.retry_unparsed < 0 or (self.max_tokens is not None and self.max_tokens < 1):
            raise PromptError(
                f"n is {self.n}, max_tokens {self.max_tokens}, retry_unparsed {self.retry_unparsed}; expected at least "
                f"1, 1 and 0."
            )
        if self.n > MAX_N:
            raise PromptError(f"n is {self.n}; expected at most {MAX_N:,}.")
        if any(not text for text in self.stop):
            raise PromptError("A stop is an empty text, at which every completion would end; leave it out.")
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise PromptError(f"The seed is {self.seed}; expected 0 to {MAX_SEED}.")
        if self.temperature is not None and not 0 <= self.temperature <= 100:
            raise PromptError(f"The temperature is {self.temperature}; expected a number from 0.")
        if self.method == "greedy" and (self.n > 1 or self.temperature):
            raise PromptError(
                f"greedy asks once at temperature 0, found n {self.n} and temperature {self.temperature}; "
                f"choose method sampled."
            )
        if self.method != "sampled" and self.n > 1:
            raise PromptError(
                f"{self.method} asks each prompt once, found n {self.n}; only sampled asks several times."
            )
        if self.is_structured and self.method in ("token_probs", "option_likelihood"):
            raise PromptError(
                f"{self.method} reads probabilities, no text; structured output is for greedy, sampled and verbalised."
            )
        if self.method not in TEXT_METHODS and self.retry_unparsed:
            raise PromptError(
                f"{self.method} reads probabilities, which would be the same again, found retry_unparsed "
                f"{self.retry_unparsed}; only methods that read text ask again."
            )
        drawn = {"temperature": self.temperature or None, "max_tokens": self.max_tokens, "stop": self.stop or None}
        unused = [name for name, value in (drawn | {"seed": self.seed}).items() if value is not None]
        if self.method == "option_likelihood" and unused:
            raise PromptError(
                f"option_likelihood writes no completion, so it has no {unused[0]}; leave it out or choose another "
                f"method."
            )
        if self.retry_unparsed > MAX_RETRIES:
            raise PromptError(f"retry_unparsed is {self.retry_unparsed}; expected at most {MAX_RETRIES}.")
        if self.labels not in LABELS:
            raise PromptError(f"There are no labels {self.labels!r}; there are {', '.join(LABELS)}.")
        if not 1 <= self.orders <= MAX_ORDERS:
            raise PromptError(f"orders is {self.orders}; expected 1 to {MAX_ORDERS}.")
        if (self.labels != "digits" or self.orders > 1) and "options" not in self.template.variables:
            raise PromptError(
                f"The template {self.template.name} words its scale itself and cannot show other labels or orders; "
                f"choose the preset {DEFAULT_PRESET} or a template that uses options."
            )

    @property
    def uses_persona(self) -> bool:
        """Whether prompts can differ between personas."""
        return bool(self.attributes) and self.template.uses_persona

    @property
    def attribute_questions(self) -> Mapping[str, str]:
        """The wordings that replace the codebook's, for `persona_of`."""
        return load_paper_questions() if self.questions == "paper" else {}

    @property
    def sampling(self) -> Sampling:
        """How completions are drawn."""
        return Sampling(self.temperature, self.max_tokens, self.stop, self.seed)

    @cached_property
    def asked(self) -> str:
        """A hash of what is sent besides the prompt; part of every request's id."""
        kept = (self.method, self.temperature, self.max_tokens, list(self.stop), self.seed, self.is_structured)
        return fingerprint_of(kept)

    @property
    def fingerprint(self) -> str:
        """The hash of all settings."""
        return fingerprint_of(self.describe())

    def n_orders_of(self, n_points: int) -> int:
        """In how many different orders an item with so many scale points is asked."""
        return len(option_orders(n_points, self.orders))

    def describe(self) -> dict[str, Any]:
        """The settings as written in a run's files, the template with its whole text."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        tuples = {name: list(value) for name, value in content.items() if isinstance(value, tuple)}
        return content | tuples | {"template": {"name": self.template.name, "text": self.template.text}}


def make_settings(
    preset: str = DEFAULT_PRESET,
    *,
    template: Template | None = None,
    method: Method | None = None,
    attributes: tuple[str, ...] | None = None,
    without_temperature: bool = False,
    **others: Any,
) -> Settings:
    """The settings of a preset with what is given besides; None counts as not given.

    `others` are further fields of `Settings` by name. A method other than the preset's brings its own template
    (`METHOD_TEMPLATES`) where none is given, and its own sampling: `sampled` temperature 0.7 and, where no persona
    is shown, `N_WITHOUT_PERSONA` samples; all others temperature 0.
    `without_temperature` sends none at all, for models that accept none.

    Raises PromptError where they do not fit together.
    """
    start = load_preset(preset)
    chosen = method or start.method
    own = METHOD_TEMPLATES.get(chosen)
    if template is None and own is not None and start.template != load_preset(DEFAULT_PRESET).template:
        raise PromptError(
            f"The preset {preset} asks for JSON with a rating, which {chosen} does not read; choose the preset "
            f"{DEFAULT_PRESET} or give a template."
        )
    wanted = template or load_template(own or start.template)
    usual = DEFAULT_ATTRIBUTES if start.uses_persona or template is not None else ()
    shown = usual if attributes is None else attributes
    if attributes and not wanted.uses_persona:
        raise PromptError(
            f"The template {wanted.name} shows no persona, so it cannot show {attributes[0]}; choose a preset or "
            f"template that shows a persona, or no attributes."
        )
    if others.get("style") is not None and not (shown and wanted.uses_persona):
        raise PromptError(f"The style is {others['style']}, but no persona is shown; leave it out or show attributes.")
    if without_temperature and others.get("temperature") is not None:
        raise PromptError(f"The temperature is {others['temperature']} and none is to be sent; give one of the two.")
    shown = shown if wanted.uses_persona else ()
    is_same = chosen == start.method
    # without persona each respondent takes a sample of its own, as in the paper
    usual_n = N_WITHOUT_PERSONA if chosen == "sampled" and not shown else 1
    content: dict[str, Any] = {
        "preset": preset,
        "template": wanted,
        "attributes": shown,
        "style": "list",
        "questions": start.questions,
        "method": chosen,
        "n": start.n if is_same else usual_n,
        "temperature": start.temperature if is_same else 0.7 if chosen == "sampled" else 0.0,
        "max_tokens": MAX_TOKENS.get(chosen, start.max_tokens),
        "stop": start.stop if chosen not in METHOD_TEMPLATES else (),
    }
    content |= {name: value for name, value in others.items() if value is not None}
    return Settings(**content | ({"temperature": None} if without_temperature else {}))


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Where two descriptions of settings, models or datasets differ, one line each: name, before, now."""
    lines = []
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += [f"{name}.{line}" for line in differences(old, new)]
        elif old != new:
            lines.append(f"{name}: {_shortened(old)} before, {_shortened(new)} now")
    return lines


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
