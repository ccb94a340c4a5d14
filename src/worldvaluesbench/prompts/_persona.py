"""A persona: the text that describes a respondent to a model, one fact for each attribute that has a value.

It is made from codes and a codebook, never from labels: no prompt holds a label that does not belong to the code.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, get_args

from worldvaluesbench.errors import PromptError
from worldvaluesbench.survey import Codebook, check_attribute_id, level_label, load_derived_attributes

Style = Literal["list", "prose"]

STYLES: tuple[Style, ...] = get_args(Style)
DEFAULT_ATTRIBUTES = ("B_COUNTRY", "H_URBRURAL", "Q275")
"""The three that the paper shows: country, urban or rural, education."""
MAX_CODES_NAMED = 12


@dataclass(frozen=True, slots=True)
class Fact:
    """One demographic attribute of a respondent: its short name, the question that was asked, the label."""

    attribute_id: str
    name: str
    question: str
    label: str


@dataclass(frozen=True, slots=True)
class Persona:
    """The facts that a prompt shows of a respondent, in order. Attributes without a value are left out."""

    facts: tuple[Fact, ...] = ()


@cache
def load_paper_questions() -> Mapping[str, str]:
    """The paper's wordings of the three attribute questions that it shows, by attribute."""
    return MappingProxyType({row["attribute_id"]: row["question"] for row in _read_rows("paper_questions")})


def persona_of(codes: Mapping[str, int], codebook: Codebook, questions: Mapping[str, str] | None = None) -> Persona:
    """The persona for these codes, by attribute or derived attribute, in the order given.

    A negative code is a missing reason: its attribute is left out. `questions` replaces the codebook's wordings.

    Raises CodebookError for an unknown attribute, and PromptError for a code that the codebook does not list; the
    message names the attribute and not the code, for the code is a respondent's.
    """
    wordings = questions or {}
    facts = []
    for attribute_id, code in codes.items():
        if attribute_id in load_derived_attributes():
            name, question = _load_derived_questions()[attribute_id]
        else:
            attribute = codebook.attribute(attribute_id)
            name, question = attribute.name, attribute.question
        if code < 0:
            continue
        if not _is_listed(attribute_id, code, codebook):
            raise PromptError(f"{attribute_id}: the codebook does not list this person's code; it cannot be shown.")
        label = level_label(attribute_id, code, codebook)
        facts.append(Fact(attribute_id, name, wordings.get(attribute_id, question), label))
    return Persona(tuple(facts))


def render_persona(persona: Persona, style: Style = "list") -> str:
    """A persona as text: the numbered questions and answers of an interview, or a sentence for each fact.

    >>> print(render_persona(Persona((Fact("Q260", "Sex", "What is your sex?", "Female"),))))
    1. Question: What is your sex?
       Answer: Female
    >>> render_persona(Persona((Fact("Q260", "Sex", "What is your sex?", "Female"),)), "prose")
    'Sex: Female.'
    """
    if style == "prose":
        return " ".join(f"{fact.name}: {fact.label.removesuffix('.')}." for fact in persona.facts)
    return "\n".join(
        f"{number}. Question: {fact.question}\n   Answer: {fact.label}" for number, fact in enumerate(persona.facts, 1)
    )


def parse_attributes(text: str, codebook: Codebook) -> tuple[str, ...]:
    """Attribute ids as written on the command line: `all` (the 42), `none`, or ids separated by commas.

    Raises CodebookError for an unknown attribute, PromptError for one that is given twice.
    """
    if text in ("all", "none"):
        return codebook.attribute_ids if text == "all" else ()
    attribute_ids = tuple(name.strip() for name in text.split(","))
    for attribute_id in attribute_ids:
        check_attribute_id(attribute_id, codebook)
    if len(set(attribute_ids)) != len(attribute_ids):
        raise PromptError(f"The attributes {text!r} name one twice; each is shown once.")
    return attribute_ids


def parse_codes(settings: Sequence[str], codebook: Codebook) -> dict[str, int]:
    """Codes by attribute from settings such as `B_COUNTRY=156` or `B_COUNTRY=China`.

    A label may be given for its code where exactly one code has it.

    Raises CodebookError for an unknown attribute, PromptError for an unknown or unclear value, or an attribute that
    is set twice.
    """
    codes: dict[str, int] = {}
    for setting in settings:
        attribute_id, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not value:
            raise PromptError(f"{setting!r} sets nothing; expected an attribute and its code, as in B_COUNTRY=156.")
        check_attribute_id(attribute_id, codebook)
        if attribute_id in codes:
            raise PromptError(f"{attribute_id} is set twice; a person has one value of it.")
        codes[attribute_id] = _parse_code(attribute_id, value, codebook)
    return codes


def _parse_code(attribute_id: str, value: str, codebook: Codebook) -> int:
    labels = _labels(attribute_id, codebook)
    if value.isascii() and value.isdigit() and len(value) < 19 and _is_listed(attribute_id, int(value), codebook):
        return int(value)
    same = [code for code, label in labels.items() if label == value]
    if len(same) == 1:
        return same[0]
    if same:
        named = ", ".join(map(str, same[:MAX_CODES_NAMED]))
        raise PromptError(f"{attribute_id}: {value!r} is the label of {len(same)} codes ({named}); give the code.")
    if not labels:
        attribute = codebook.attribute(attribute_id)
        expected = f"expected a number from {attribute.low} to {attribute.high}"
    elif len(labels) > MAX_CODES_NAMED:
        expected = f"`wvb items {attribute_id}` shows its codes"
    else:
        expected = f"expected one of {', '.join(map(str, labels))}"
    raise PromptError(f"{attribute_id} has no code or label {value!r}; {expected}.")


def _labels(attribute_id: str, codebook: Codebook) -> Mapping[int, str]:
    derived = load_derived_attributes().get(attribute_id)
    return codebook.attribute(attribute_id).choices if derived is None else derived.levels


def _is_listed(attribute_id: str, code: int, codebook: Codebook) -> bool:
    if attribute_id in load_derived_attributes() or not codebook.attribute(attribute_id).is_free:
        return code in _labels(attribute_id, codebook)
    attribute = codebook.attribute(attribute_id)
    return attribute.low is not None and attribute.high is not None and attribute.low <= code <= attribute.high


@cache
def _load_derived_questions() -> Mapping[str, tuple[str, str]]:
    return {row["attribute_id"]: (row["name"], row["question"]) for row in _read_rows("derived_questions")}


def _read_rows(name: str) -> list[dict[str, str]]:
    text = (files("worldvaluesbench") / "data" / "prompts" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
