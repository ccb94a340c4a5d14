"""Wordings from a catalogue in the published shape."""

import json
from pathlib import Path

import pytest

from worldvaluesbench.errors import CodebookError
from worldvaluesbench.survey._catalogue import catalogue_of, read_wordings
from worldvaluesbench.survey._codebook import load_codebook


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_catalogue_replaces_wordings_and_nothing_else(tmp_path: Path) -> None:
    entry = {"question": "How important is family?", "answer_scale_min": 1, "answer_scale_max": 4}
    catalogue = {"Q1": entry, "Q260": {"question": "Man or woman?"}, "D_INTERVIEW": {"question": "Which id?"}}
    given = read_wordings(write(tmp_path / "words.json", catalogue))
    ours = load_codebook()
    assert given.item("Q1").question == "How important is family?"
    assert given.attribute("Q260").question == "Man or woman?"
    assert given.item("Q1").labels == ours.item("Q1").labels
    assert given.items[1:] == ours.items[1:]


def test_our_own_catalogue_gives_our_codebook_back(tmp_path: Path) -> None:
    ours = load_codebook()
    assert read_wordings(write(tmp_path / "words.json", catalogue_of(ours))) == ours


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected an object of item ids, found a list"),
        ({"Q1": "How?"}, "Q1 has no 'question' text"),
        ({"Q1": {"question": " "}}, "Q1 has no 'question' text"),
        ({"X1": {"question": "How?"}}, "no known item or attribute id among its 1 keys"),
        (
            {"Q1": {"question": "How?", "answer_scale_min": 1, "answer_scale_max": 5}},
            "Q1 has the scale 1..5, expected 1..4",
        ),
    ],
)
def test_what_is_no_catalogue_is_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(CodebookError, match=message.replace(".", r"\.")):
        read_wordings(write(tmp_path / "words.json", content))


def test_unreadable_catalogues_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CodebookError, match="there is no such file"):
        read_wordings(tmp_path / "none.json")
    (tmp_path / "odd.json").write_text("{")
    with pytest.raises(CodebookError, match="cannot be read as JSON"):
        read_wordings(tmp_path / "odd.json")
