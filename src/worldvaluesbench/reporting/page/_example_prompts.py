"""Prompts as examples, with a persona that is invented: what a run asked, without showing whom it was asked about."""

from collections.abc import Mapping, Sequence
from typing import Any

from worldvaluesbench.asking import settings_of
from worldvaluesbench.errors import WorldValuesBenchError
from worldvaluesbench.planning import item_prompts
from worldvaluesbench.prompts import persona_of
from worldvaluesbench.survey import Codebook, load_codebook, load_derived_attributes

YEAR, AGE, INCOME_OR_COUNT = 1980, 40, 2
PREFERRED = {"B_COUNTRY": 404, "H_URBRURAL": 2, "Q260": 2, "Q275": 3}
"""Codes of the invented person where there is something to choose: a woman in the country, in Kenya."""


def example_prompts(about: Mapping[str, Any], item_ids: Sequence[str]) -> dict[str, str]:
    """The prompt by which a run asked each of these items, shown for an invented person; by item.

    `about` is what a comparison's receipt says of a run. Empty where it says nothing of its settings, or they are those
    of another version.
    """
    if not about.get("settings"):
        return {}
    codebook = load_codebook()
    try:
        settings = settings_of("the run", about["settings"])
        persona = persona_of(invented_codes(settings.attributes, codebook), codebook, settings.attribute_questions)
        return item_prompts([codebook.item(item_id) for item_id in item_ids], settings, persona)
    except WorldValuesBenchError:
        return {}


def invented_codes(attribute_ids: Sequence[str], codebook: Codebook) -> dict[str, int]:
    """A code of each attribute for a person who does not exist: the preferred one, else the middle of all."""
    return {attribute_id: _invented_code(attribute_id, codebook) for attribute_id in attribute_ids}


def _invented_code(attribute_id: str, codebook: Codebook) -> int:
    derived = load_derived_attributes().get(attribute_id)
    if derived is not None:
        codes = sorted(derived.levels)
    else:
        attribute = codebook.attribute(attribute_id)
        if attribute_id in PREFERRED and PREFERRED[attribute_id] in attribute.choices:
            return PREFERRED[attribute_id]
        if attribute.is_free:
            low, high = attribute.low or 0, attribute.high or 0
            return next(code for code in (YEAR, AGE, INCOME_OR_COUNT, (low + high) // 2) if low <= code <= high)
        codes = sorted(code for code in attribute.choices if code >= 0)
    return codes[len(codes) // 2]
