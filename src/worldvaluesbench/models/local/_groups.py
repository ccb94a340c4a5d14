"""Groups of prompts that begin alike: which beginnings are worth computing once, and which rows go into one batch.

Plain integers and lists; nothing here knows of a model. A prompt is its tuple of token ids.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

Tokens = tuple[int, ...]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

MIN_SHARED = 8
MIN_SAVED = 200
"""A beginning is shared where it is longer by `MIN_SHARED` tokens, and saves so many in all; else it costs more."""


@dataclass(frozen=True, slots=True)
class Group:
    """Prompts, by their places in the list, that share beginnings of these lengths, each longer than the one before.

    Other groups may share the shorter ones: all prompts the first, one person's the second, and so on.
    """

    shared: tuple[int, ...]
    members: tuple[int, ...]

    @property
    def n_shared(self) -> int:
        """The length of the longest beginning that is shared."""
        return self.shared[-1] if self.shared else 0


def group_prompts(prompts: Sequence[Tokens]) -> list[Group]:
    """Groups of prompts by the beginnings that they share, alike ones beside one another.

    A beginning is shared where it is longer by `MIN_SHARED` tokens than what more prompts share, and saves
    `MIN_SAVED`. At least the last token of a prompt is not shared: what follows it is asked of each prompt.
    """
    order = sorted(range(len(prompts)), key=lambda place: prompts[place])
    alike = [0, *(_n_alike(prompts[one], prompts[two]) for one, two in pairwise(order))]
    # of equal prompts, and where one begins another, all but the last token
    alike = [min(n, len(prompts[order[k]]) - 1, len(prompts[order[k - 1]]) - 1) for k, n in enumerate(alike)]
    return list(_groups((order, alike), (0, len(order)), (), 0))


def _groups(
    prompts: tuple[Sequence[int], Sequence[int]], span: tuple[int, int], shared: tuple[int, ...], base: int
) -> Iterator[Group]:
    """Groups within a span of sorted prompts that share these beginnings and are alike in `base` tokens or more.

    `prompts`: their places, and in how many tokens each is alike with the one before.
    """
    order, alike = prompts
    known = shared[-1] if shared else 0
    start, end = span
    alone: list[int] = []
    while start < end:
        stop = start + 1
        while stop < end and alike[stop] - base >= MIN_SHARED:
            stop += 1
        if stop - start > 1:
            length = min(alike[start + 1 : stop])
            is_worth_it = (stop - start - 1) * (length - known) >= MIN_SAVED
            # where all of them share too little, some may still share more
            yield from _groups(prompts, (start, stop), (*shared, length) if is_worth_it else shared, length)
        else:
            alone.append(order[start])
        start = stop
    if alone:
        yield Group(shared, tuple(alone))


@dataclass(frozen=True, slots=True)
class Level:
    """What is read side by side: tokens, and behind which text of the level before each of them."""

    segments: tuple[Tokens, ...]
    parents: tuple[int, ...]


def levels_of(groups: Sequence[Group], prompts: Sequence[Tokens]) -> tuple[list[Level], list[int]]:
    """How the shared beginnings are read, each once: levels, and each group's place in the last of them.

    A group whose beginnings end before the last level goes on through the rest with no tokens.
    """
    levels: list[Level] = []
    places = [0] * len(groups)
    for depth in range(max(len(group.shared) for group in groups)):
        segments: list[Tokens] = []
        parents: list[int] = []
        known: dict[Tokens, int] = {}
        for number, group in enumerate(groups):
            cuts = (0, *group.shared)[depth : depth + 2]
            tokens = prompts[group.members[0]]
            beginning = tokens[: cuts[-1] if len(cuts) == 2 else group.n_shared]
            if beginning not in known:
                known[beginning] = len(segments)
                segments.append(tokens[slice(*cuts)] if len(cuts) == 2 else ())
                parents.append(places[number])
            places[number] = known[beginning]
        levels.append(Level(tuple(segments), tuple(parents)))
    return levels, places


def _n_alike(one: Tokens, two: Tokens) -> int:
    """How many first tokens two prompts share."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == two[low:middle] else (low, middle - 1)
    return low


def batches(lengths: Sequence[int], budget: int, *, fixed: int = 0) -> Iterator[list[int]]:
    """Places in batches, longest first, so that a batch padded to its longest row holds at most `budget` tokens.

    Each row counts `fixed` tokens more than its length. A row that exceeds the budget alone is a batch alone.
    """
    batch: list[int] = []
    widest = 0
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if batch and (len(batch) + 1) * (widest + fixed) > budget:
            yield batch
            batch = []
        widest = lengths[place] if not batch else widest
        batch.append(place)
    if batch:
        yield batch


def in_halves(
    items: Sequence[_Item],
    compute: Callable[[Sequence[_Item]], _Result],
    is_too_much: Callable[[Exception], bool],
) -> Iterator[tuple[Sequence[_Item], _Result]]:
    """Compute items together, or, where that is too much, each half of them; one alone that is too much raises."""
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
