"""Kinds: what a run says of itself, else what a name says; and which two sources are one model asked both ways."""

from pathlib import Path
from typing import Any

import pytest

from tests.scoring.people import make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.benchmark.dataset import Dataset
from worldvaluesbench.elicitation.settings import settle
from worldvaluesbench.scoring.answers import Answers, read_answers
from worldvaluesbench.scoring.kinds import Sort, pairs_of, sort_of


@pytest.fixture
def people(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "people", {"Q1": [1, 2]})


def file_called(name: str, folder: Path) -> Answers:
    return read_answers(write_answers(folder / f"{name}.tsv", [("Q1", 101, 1)]))


def run_called(name: str, dataset: Dataset, *, attributes: list[str] | None = None, **described: Any) -> Answers:
    settings = settle().describe() | {"attributes": attributes or []}
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
    shown = run_called("plain", people, attributes=["Q260"])
    silent = run_called("x+demographics", people)
    asked = ("by-hand", settle().method)
    assert sort_of(shown) == Sort("with", "plain", asked)
    assert sort_of(silent) == Sort("without", "x", asked)
    baseline = run_called("cell", people, attributes=["Q260"], model={"backend": "baseline", "model": "cell"})
    assert sort_of(baseline) == Sort("baseline", "cell")


def test_a_run_that_says_nothing_of_attributes_is_what_its_name_says(people: Dataset) -> None:
    assert sort_of(run_called("x+demographics", people, settings=None)) == Sort("with", "x")
    assert sort_of(run_called("y", people, settings=None)) == Sort("without", "y")


def test_the_papers_names_make_its_four_pairs() -> None:
    families = ["alpaca-7b", "vicuna-7b-v1.5", "mixtral-8x7b-instruct", "gpt-3.5-turbo"]
    sorts = {name: Sort("without", name) for name in families}
    sorts |= {f"{name}+demographics": Sort("with", name) for name in families}
    assert pairs_of(sorts) == [(name, name, f"{name}+demographics") for name in families]


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
    assert pairs_of(sorts) == [("llama", "llama", "llama+demographics"), ("gpt", "monday", "tuesday")]
