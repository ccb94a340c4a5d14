"""Prefix sharing in plain integers: which beginnings of prompts are computed once, and which rows form a batch.

A prompt is the tuple of its token ids. Nothing here needs PyTorch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

Tokens = tuple[int, ...]
Tree = tuple[Tokens, ...]
"""Token paths behind a prompt, parents before children, the first of them empty: the end of the prompt."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

MIN_SHARED = 8
MIN_SAVED = 200
"""A prefix is shared where it is longer by `MIN_SHARED` tokens, and saves so many in all; else it costs more."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a batch: the tokens of a prompt, and the tree of options computed behind them."""

    tokens: Tokens
    tree: Tree = ((),)

    @property
    def n_tokens(self) -> int:
        """The tokens of the prompt and of the tree."""
        return len(self.tokens) + len(self.tree) - 1


@lru_cache(maxsize=4096)
def tree_of(sequences: frozenset[Tokens]) -> Tree:
    """The tree from which every sequence gets its probability: all their beginnings, each once.

    The last token of a sequence needs no computing, so options of one token each have a tree with the empty path only.
    """
    return tuple(sorted({sequence[:length] for sequence in sequences for length in range(len(sequence))} | {()}))


@dataclass(frozen=True, slots=True)
class Group:
    """Prompts, by their index, that share prefixes of these lengths, each longer than the one before.

    Other groups may share the shorter ones: all prompts the first, one person's the second, and so on.
    """

    shared: tuple[int, ...]
    members: tuple[int, ...]

    @property
    def n_shared(self) -> int:
        """The length of the longest shared prefix."""
        return self.shared[-1] if self.shared else 0


def group_prompts(prompts: Sequence[Tokens]) -> list[Group]:
    """Groups of prompts by the prefixes that they share, similar ones next to each other.

    A prefix is shared where it is longer by `MIN_SHARED` tokens than what more prompts share, and saves `MIN_SAVED`.
    At least the last token of a prompt is not shared: its logits are needed for each prompt.
    """
    order = sorted(range(len(prompts)), key=lambda place: prompts[place])
    ordered = [prompts[place] for place in order]
    n_shared = [min(_n_shared_by(one, two), len(one) - 1, len(two) - 1) for one, two in pairwise(ordered)]
    return list(_groups(order, [0, *n_shared], range(len(order)), (), 0))


def _groups(
    order: Sequence[int], n_shared: Sequence[int], span: range, shared: tuple[int, ...], base: int
) -> Iterator[Group]:
    """Groups in a span of sorted prompts that share these prefixes and have at least `base` first tokens in common.

    `n_shared`: how many first tokens each prompt has in common with the one before.
    """
    start, alone = span.start, []
    while start < span.stop:
        stop = start + 1
        while stop < span.stop and n_shared[stop] - base >= MIN_SHARED:
            stop += 1
        if stop - start > 1:
            length = min(n_shared[start + 1 : stop])
            saved = (stop - start - 1) * (length - (shared[-1] if shared else 0))
            # where all of them share too little, some may still share more
            longer = (*shared, length) if saved >= MIN_SAVED else shared
            yield from _groups(order, n_shared, range(start, stop), longer, length)
        else:
            alone.append(order[start])
        start = stop
    if alone:
        yield Group(shared, tuple(alone))


def _n_shared_by(one: Tokens, two: Tokens) -> int:
    """How many first tokens two prompts have in common."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == two[low:middle] else (low, middle - 1)
    return low


Level = list[tuple[Tokens, int]]
"""What is computed in one batch: tokens, and the row of the level before that each continues."""


def levels_of(groups: Sequence[Group], prompts: Sequence[Tokens]) -> tuple[list[Level], list[int]]:
    """The shared prefixes, each computed once: levels, and the row of each group in the last of them.

    A group whose prefixes end before the last level continues through the other levels without tokens.
    """
    levels: list[Level] = []
    begun, rows = [()] * len(groups), [0] * len(groups)
    before: list[Tokens] = list(begun)
    for depth in range(1, 1 + max(len(group.shared) for group in groups)):
        prefixes = [prompts[group.members[0]][: max((0, *group.shared[:depth]))] for group in groups]
        level: dict[Tokens, tuple[Tokens, int]] = {}
        for prefix, known, row in zip(prefixes, before, rows, strict=True):
            level.setdefault(prefix, (prefix[len(known) :], row))
        place = {prefix: number for number, prefix in enumerate(level)}
        levels.append(list(level.values()))
        before, rows = prefixes, [place[prefix] for prefix in prefixes]
    return levels, rows


def batches(lengths: Sequence[int], budget: int, *, fixed: int = 0) -> Iterator[list[int]]:
    """Indices in batches, longest first, so that a batch padded to its longest row holds at most `budget` tokens.

    Each row counts `fixed` tokens more than its length. A row that exceeds the budget on its own is a batch on its own.
    """
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if batch and (len(batch) + 1) * (lengths[batch[0]] + fixed) > budget:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def chunks(groups: Iterable[Group], budget: int) -> Iterator[list[Group]]:
    """Groups whose shared prefixes fit into one KV cache of so many tokens."""
    chunk: list[Group] = []
    for group in groups:
        if chunk and (len(chunk) + 1) * max(member.n_shared for member in [*chunk, group]) > budget:
            yield chunk
            chunk = []
        chunk.append(group)
    yield chunk


def in_halves(
    items: Sequence[_Item], compute: Callable[[Sequence[_Item]], _Result], is_too_much: Callable[[Exception], bool]
) -> Iterator[tuple[Sequence[_Item], _Result]]:
    """Compute items together, or, where that is too much, each half of them; a single item that is too much raises."""
    try:
        result = compute(items)
    except Exception as error:
        if len(items) == 1 or not is_too_much(error):
            raise
    else:
        yield items, result
        return
    # outside the except clause: the traceback there keeps the failed batch's tensors alive
    middle = len(items) // 2
    for half in (items[:middle], items[middle:]):
        yield from in_halves(half, compute, is_too_much)
