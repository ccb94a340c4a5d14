"""Which beginnings are shared and which rows go together; trees and disjoint options. No model is needed."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.local._encoding import Vocabulary
from worldvaluesbench.models.local._model import LocalModel, LocalOptions
from worldvaluesbench.models.local._prefixes import batches, group_prompts, in_halves, levels_of, tree_of
from worldvaluesbench.prompts._request import Request, Sampling

ROOT = tuple(range(1000, 1050))


def test_people_are_found_by_what_their_prompts_share() -> None:
    ann, bob = (*ROOT, *range(2000, 2250)), (*ROOT, *range(3000, 3300))
    stem = tuple(range(4000, 4200))
    prompts = [(*ann, 1), (*bob, 1), (*ann, 2, 3), (*bob, *stem, 3), (*ROOT, 7), (*bob, *stem, 4)]
    assert {(group.shared, frozenset(group.members)) for group in group_prompts(prompts)} == {
        ((50, 300), frozenset({0, 2})),
        ((50, 350), frozenset({1})),
        ((50, 350, 550), frozenset({3, 5})),
        ((50,), frozenset({4})),
    }


def test_two_that_share_much_are_found_among_many_that_share_little() -> None:
    begin, much = tuple(range(9)), tuple(range(5000, 5300))
    prompts = [(*begin, *range(k * 100, k * 100 + 50)) for k in range(1, 6)] + [(*begin, *much, 1), (*begin, *much, 2)]
    assert [group.members for group in group_prompts(prompts) if group.shared == (309,)] == [(5, 6)]


def test_of_equal_prompts_all_but_the_last_token_is_shared() -> None:
    (group,) = group_prompts([ROOT] * 6)
    assert group.shared == (len(ROOT) - 1,)
    assert sorted(group.members) == [0, 1, 2, 3, 4, 5]
    assert group_prompts([ROOT] * 2)[0].shared == ()  # would save too little
    assert group_prompts([ROOT])[0].shared == ()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.lists(st.integers(0, 3), min_size=1)), min_size=1))
def test_every_prompt_is_in_one_group_and_is_read_whole(parts: list[tuple[int, int, list[int]]]) -> None:
    prompts = [tuple([one] * 150 + [two] * 120 + rest) for one, two, rest in parts]
    groups = group_prompts(prompts)
    assert sorted(member for group in groups for member in group.members) == list(range(len(prompts)))
    levels, places = levels_of(groups, prompts)
    read: list[Sequence[int]] = [()]
    n_read = 0
    for level in levels:
        read = [(*read[parent], *tokens) for tokens, parent in level]
        n_read += sum(len(tokens) for tokens, _ in level)
    for group, place in zip(groups, places, strict=True):
        for member in group.members:
            assert tuple(read[place]) == prompts[member][: group.n_shared]
            assert group.n_shared < len(prompts[member])
            n_read += len(prompts[member]) - group.n_shared
    assert n_read <= sum(map(len, prompts))


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 200), st.integers(0, 20))
def test_a_batch_padded_to_its_longest_row_keeps_to_the_budget(lengths: list[int], budget: int, fixed: int) -> None:
    found = list(batches(lengths, budget, fixed=fixed))
    assert sorted(place for batch in found for place in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * (max(lengths[place] for place in batch) + fixed) <= budget


def test_what_is_too_much_is_halved_until_it_fits() -> None:
    tried = []

    def add(numbers: Sequence[int]) -> int:
        tried.append(len(numbers))
        if len(numbers) > 2:
            raise MemoryError
        return sum(numbers)

    found = list(in_halves(range(5), add, lambda error: isinstance(error, MemoryError)))
    assert [result for _, result in found] == [1, 2, 7]
    assert tried == [5, 2, 3, 1, 2]
    with pytest.raises(MemoryError):
        list(in_halves([1], lambda numbers: add([1, 2, 3]), lambda error: isinstance(error, MemoryError)))


def test_a_tree_holds_every_beginning_once_and_no_last_token() -> None:
    tree = tree_of(frozenset({(5,), (1,), (1, 0), (7, 8, 9), (7, 8, 6)}))
    assert tree == ((), (1,), (7,), (7, 8))
    assert tree_of(frozenset({(1,), (2,)})) == ((),)


def test_a_vocabulary_knows_what_begins_an_option_in_any_spelling() -> None:
    texts = ["4", " 4", "42", " not", "Not", "N", " at", "t", "0", ""]
    words = Vocabulary(texts, texts)
    assert words.beginnings(("4", "10")) == {0, 1}
    assert words.beginnings(("Not at all",)) == {3, 4, 5}
    assert words.beginnings(("Not at all",), " not") == {6}
    assert words.continuing([6], is_word=True).nonzero()[0].tolist() == [0, 2, 4, 5, 6, 7, 8]


def test_options_that_cannot_be_are_refused() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"dtype": "int4"}, "no dtype"),
        ({"prompt": "song"}, "no prompts"),
        ({"window": 0}, "least 1"),
    ]
    for fields, message in cases:
        with pytest.raises(ModelError, match=message):
            LocalOptions(**fields)


def test_a_name_in_the_hub_is_its_own_name() -> None:
    model = LocalModel("someone/some-model")
    assert model.name == "someone/some-model"
    assert model.describe()["files"] is None


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    request = Request("r", "Q1", 0, "Trust?", "greedy", ("1", "2"), Sampling())
    with pytest.raises(ModelError, match=r"pip install worldvaluesbench\[local\]"):
        next(LocalModel(str(tmp_path)).replies([request]))
