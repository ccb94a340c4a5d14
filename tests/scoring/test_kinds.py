"""Kinds: what a run says of itself, else what a name says; and which two sources are one model asked both ways."""

from pathlib import Path
from typing import Any

import pytest

from tests.scoring.people import make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.scoring.sources import _kinds as kinds
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._kinds import (
    GUESSED,
    Pair,
    Sort,
    pairs_of,
    read_sort,
    sort_of,
    sorts_of,
)


@pytest.fixture
def people(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "people", {"Q1": [1, 2]})


def file_called(name: str, folder: Path) -> Answers:
    return read_answers(write_answers(folder / f"{name}.tsv", [("Q1", 101, 1)]))


def run_called(name: str, dataset: Dataset, *, attributes: list[str] | None = None, **described: Any) -> Answers:
    settings = make_settings().describe() | {"attributes": attributes or []}
    folder = make_run(dataset.folder.parent / name, [Row("Q1", 101, 1)], dataset, **{"settings": settings, **described})
    return read_answers(folder)


@pytest.mark.parametrize(
    ("name", "kind", "family"),
    [
        ("alpaca-7b", "without", "alpaca-7b"),
        ("alpaca-7b+demographics", "with", "alpaca-7b"),
        ("alpaca_with_demographics", "with", "alpaca"),
        ("gpt-3.5 (with demographics)", "with", "gpt-3.5"),
        ("gpt-3.5.Demographics", "with", "gpt-3.5"),
        ("alpaca_without_demographics", "without", "alpaca"),
        ("alpaca no demographics", "without", "alpaca"),
        ("volcano-demographics", "with", "volcano"),
        ("alpaca+demographics+verbalised", "with", "alpaca+verbalised"),
        ("alpaca-no-demographics.greedy", "without", "alpaca.greedy"),
        ("demographics", "without", "demographics"),
        ("demographics-model", "without", "demographics-model"),
    ],
)
def test_the_name_of_a_file_says_its_kind(name: str, kind: str, family: str, tmp_path: Path) -> None:
    found = sort_of(file_called(name, tmp_path))
    assert (found.kind, found.family, found.asked) == (kind, family, None)


def test_a_run_is_what_it_says_of_itself_whatever_its_name(people: Dataset) -> None:
    shown = sort_of(run_called("plain", people, attributes=["Q260"]))
    silent = sort_of(run_called("x+demographics", people))
    asked = ("by-hand", make_settings().method)
    assert (shown.kind, shown.family, shown.asked, shown.kind_from) == ("with", "plain", asked, "manifest")
    assert (silent.kind, silent.family, silent.asked, silent.kind_from) == ("without", "x", asked, "manifest")
    assert shown.conditions == silent.conditions is not None, "who is shown is no condition"
    baseline = run_called("cell", people, attributes=["Q260"], model={"backend": "baseline", "model": "cell"})
    assert sort_of(baseline) == Sort("baseline", "cell", kind_from="manifest")


def test_a_run_that_says_nothing_of_attributes_is_what_its_name_says(people: Dataset) -> None:
    assert sort_of(run_called("x+demographics", people, settings=None)) == Sort("with", "x")
    assert sort_of(run_called("y", people, settings=None)) == Sort("without", "y")


def test_a_sort_is_read_as_it_was_described(people: Dataset) -> None:
    for sort in (sort_of(run_called("read", people)), Sort("with", "x", None, "given", None, "y")):
        assert read_sort(sort.describe()) == sort


def names_of(pairs: list[Pair]) -> list[tuple[str, str, str]]:
    return [(pair.family, pair.without, pair.shown) for pair in pairs]


def test_the_papers_names_make_its_four_pairs_which_are_guesses() -> None:
    families = ["alpaca-7b", "vicuna-7b-v1.5", "mixtral-8x7b-instruct", "gpt-3.5-turbo"]
    sorts = {name: Sort("without", name) for name in families}
    sorts |= {f"{name}+demographics": Sort("with", name) for name in families}
    assert names_of(pairs_of(sorts)) == [(name, name, f"{name}+demographics") for name in families]
    assert {pair.differs_in for pair in pairs_of(sorts)} == {GUESSED}
    assert kinds.tested_pairs(sorts) == []


def test_what_is_there_twice_makes_no_pair() -> None:
    a, b = Sort("without", "a"), Sort("with", "a")
    assert pairs_of({"a": a, "a_with_demographics": b, "a+demographics": b}) == []
    assert pairs_of({"a": a, "b": Sort("with", "b")}) == []
    assert pairs_of({"cell": Sort("baseline", "cell"), "cell+demographics": Sort("with", "cell")}) == []
    assert pairs_of({}) == []


def test_runs_of_one_model_and_method_are_a_pair_whatever_their_names() -> None:
    sorts = {
        "monday": Sort("without", "monday", ("gpt", "greedy")),
        "tuesday": Sort("with", "tuesday", ("gpt", "greedy")),
        "wednesday": Sort("with", "wednesday", ("gpt", "sampled")),
        "llama": Sort("without", "llama", ("llama", "greedy")),
        "llama+demographics": Sort("with", "llama", ("llama", "greedy")),
        "llama-again": Sort("with", "llama-again", ("llama", "greedy")),
        "file": Sort("without", "file"),
    }
    assert names_of(pairs_of(sorts)) == [("llama", "llama", "llama+demographics"), ("gpt", "monday", "tuesday")]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"temperature": 0.9}, "temperature"),
        ({"labels": "letters"}, "labels"),
        ({"orders": 3}, "orders"),
        ({"method": "sampled"}, "method"),
        ({"template": {"name": "mine", "text": "{{ question }}"}}, "template"),
        ({"stop": ["."]}, "stop"),
        ({"n": 230, "seed": 4, "preset": "default-no-demographics", "style": "prose"}, None),
    ],
)
def test_a_pair_of_runs_is_tested_where_they_differ_in_the_persona_alone(
    changed: dict[str, Any], named: str | None, people: Dataset
) -> None:
    """The number of samples and what only words the persona are no other way of asking."""
    number = named or "same"
    shown = run_called(f"m{number}+demographics", people, attributes=["Q260"])
    silent = run_called(f"m{number}", people, settings=make_settings().describe() | {"attributes": []} | changed)
    (pair,) = pairs_of({one.name: sort_of(one) for one in (silent, shown)})
    assert pair.is_tested == (named is None)
    if named is None:
        assert pair.differs_in is None
    else:
        assert pair.differs_in is not None
        assert pair.differs_in.startswith(f"{named} (")


def test_what_the_caller_says_is_tested_and_what_differs_is_still_named(people: Dataset) -> None:
    warm = make_settings().describe() | {"attributes": [], "temperature": 0.9}
    sources = [
        run_called("given+demographics", people, attributes=["Q260"]),
        run_called("given", people, settings=warm),
    ]
    sorts = sorts_of(sources, pairs=[("given", "given+demographics")])
    (pair,) = pairs_of(sorts)
    assert (pair.is_given, pair.is_tested) == (True, True)
    assert pair.differs_in is not None
    assert "temperature" in pair.differs_in
    assert {sort.kind_from for sort in sorts.values()} == {"given"}


def test_files_are_a_pair_that_is_tested_where_the_caller_says_so(tmp_path: Path) -> None:
    files = [file_called(name, tmp_path) for name in ("one", "two", "three")]
    sorts = sorts_of(files, pairs=[("two", "one")], kinds={"three": "baseline"})
    assert [(pair.without, pair.shown, pair.is_tested) for pair in pairs_of(sorts)] == [("two", "one", True)]
    assert sorts["three"].kind == "baseline"
    for pairs, given, message in (
        ([("one", "two"), ("one", "three")], {}, "'one' is in two pairs"),
        ([("one", "two")], {"one": "with"}, "of two kinds"),
        ([("one", "four")], {}, "no source 'four'"),
        ([], {"one": "model"}, "no kind 'model'"),
    ):
        with pytest.raises(AnswersError, match=message):
            sorts_of(files, pairs=pairs, kinds=given)  # type: ignore[arg-type]
