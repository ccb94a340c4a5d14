"""A catalogue of wordings in the published shape (`question_metadata.json`): read in place of ours, or written."""

import re
from dataclasses import replace
from pathlib import Path
from typing import cast

from worldvaluesbench._io import parse_json, reason_of
from worldvaluesbench.errors import CodebookError
from worldvaluesbench.stats import Scale
from worldvaluesbench.survey._codebook import Codebook, Item, load_codebook

MAX_QUESTION = 10_000
"""No wording of a question has more characters."""

ORDINAL_ATTRIBUTES = ("Q288",)
"""Attributes that the published files hold as numbers on a scale, and not as text: ten steps of income."""

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_DEMOGRAPHIC = "Demographic and Socioeconomic Variables"
_FIRST_OF_QUESTIONNAIRE = "Q260"  # attributes before it are about the interview and stand before the items


def read_wordings(path: Path | str, codebook: Codebook | None = None) -> Codebook:
    """A codebook whose question wordings come from a catalogue in the published shape.

    The catalogue is JSON: item or attribute id -> `question`, `answer_scale_min`, `answer_scale_max`, ... Ids that
    it lacks keep our wording; ids that are neither item nor attribute are passed over.

    Raises CodebookError where the file is no such catalogue, or an item's scale is not ours.
    """
    path, codebook = Path(path), codebook or load_codebook()
    catalogue = _read_catalogue(path)
    questions = {key: _question_of(path, key, entry) for key, entry in catalogue.items()}
    if not questions.keys() & {*codebook.item_ids, *codebook.attribute_ids}:
        raise CodebookError(f"{path.name}: no known item or attribute id among its {len(questions)} keys.")
    for item in codebook.items:
        if item.item_id in catalogue:
            _check_catalogue_scale(path, item, catalogue[item.item_id])
    return replace(
        codebook,
        items=tuple(replace(item, question=questions.get(item.item_id, item.question)) for item in codebook.items),
        attributes=tuple(
            replace(attribute, question=questions.get(attribute.attribute_id, attribute.question))
            for attribute in codebook.attributes
        ),
    )


def catalogue_of(codebook: Codebook, *, as_published: bool = False) -> dict[str, dict[str, object]]:
    """The codebook as a catalogue in the published shape (`question_metadata.json`).

    `as_published` adds what only the published one has: `D_INTERVIEW`, the categories of attributes, their places among
    the items, and that the steps of income are ordinal.
    """
    items = {item.item_id: _entry(item.question, item.topic, "value", item.scale) for item in codebook.items}
    attributes = {
        attribute.attribute_id: _entry(attribute.question, _DEMOGRAPHIC, "demographic", None)
        for attribute in codebook.attributes
    }
    if not as_published:
        return attributes | items
    technical = {}
    for attribute_id in codebook.attribute_ids[: codebook.attribute_ids.index(_FIRST_OF_QUESTIONNAIRE)]:
        technical[attribute_id] = attributes.pop(attribute_id) | {"category": "Technical Variables"}
        if attribute_id == "B_COUNTRY":
            id_question = "Which number identifies this interview?"
            technical["D_INTERVIEW"] = _entry(id_question, "Technical Variables", "demographic", None)
    for attribute_id in ORDINAL_ATTRIBUTES:
        question = codebook.attribute(attribute_id).question
        scale = Scale(min(codebook.attribute(attribute_id).choices), max(codebook.attribute(attribute_id).choices))
        attributes[attribute_id] = _entry(question, _DEMOGRAPHIC, "demographic", scale)
    return technical | items | attributes


def _entry(question: str, category: str, use_case: str, scale: Scale | None) -> dict[str, object]:
    return {
        "question": question,
        "category": category,
        "use_case": use_case,
        "answer_scale_min": "" if scale is None else scale.low,
        "answer_scale_max": "" if scale is None else scale.high,
        "answer_data_type": "non_ordinal" if scale is None else "ordinal",
    }


def _read_catalogue(path: Path) -> dict[str, object]:
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CodebookError(f"{path}: there is no such file; expected a catalogue of wordings (JSON).") from None
    except (OSError, ValueError) as error:
        raise CodebookError(f"{path}: cannot be read as JSON ({reason_of(error)}).") from None
    if not isinstance(content, dict):
        raise CodebookError(f"{path.name}: expected an object of item ids, found a {type(content).__name__}.")
    return content


def _question_of(path: Path, key: str, entry: object) -> str:
    question = entry.get("question") if isinstance(entry, dict) else None
    if not isinstance(question, str) or not question.strip():
        raise CodebookError(f"{path.name}: {key[:60]} has no 'question' text; every entry needs one.")
    if len(question) > MAX_QUESTION or _CONTROLS.search(question):
        raise CodebookError(
            f"{path.name}: the question of {key[:60]} has control characters or more than {MAX_QUESTION:,} "
            f"characters; expected the text that is asked."
        )
    return question.strip()


def _check_catalogue_scale(path: Path, item: Item, entry: object) -> None:
    fields = cast(dict[str, object], entry)
    given = fields.get("answer_scale_min"), fields.get("answer_scale_max")
    if given not in ((None, None), (item.scale.low, item.scale.high)):
        raise CodebookError(
            f"{path.name}: {item.item_id} has the scale {given[0]}..{given[1]}, expected {item.scale}; "
            f"its wording would not fit the ratings."
        )
