"""A reader: a loaded model as seen by those who want logits, in batches of its own choosing.

It decides what is read together and which beginnings are read once, halves what does not fit into memory, and falls
back to reading each text whole where a model does not allow sharing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from worldvaluesbench.models.local._groups import (
    Group,
    Tokens,
    batches,
    group_prompts,
    in_halves,
    levels_of,
)
from worldvaluesbench.models.local._reading import Memory, checked, read_on, read_plainly
from worldvaluesbench.models.local._tree import Row


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that were read together, by their places in what was asked for.

    `logits`: [rows, 1 + nodes of the largest tree, vocabulary]; `memory` of the rows' prompts, None where the model
    keeps none.
    """

    places: tuple[int, ...]
    logits: torch.Tensor
    memory: Memory | None


@dataclass(frozen=True, slots=True)
class Reader:
    """A model and how it reads: tokens a batch may hold, whether beginnings are shared, and from which length on a
    text is not read whole by each token (`window`; None: never), so that nothing is shared. Once `is_withdrawn` turns
    true no further batch is read.
    """

    model: Any
    batch_tokens: int
    is_sharing: bool
    keeps_memory: bool
    window: int | None = None
    is_withdrawn: Callable[[], bool] = lambda: False

    def read(self, rows: Sequence[Row], *, extra: int = 0) -> Iterator[Batch]:
        """Read rows in batches; `extra` tokens of each are still to come and need room."""
        read = self._read(rows, extra)
        while not self.is_withdrawn() and (batch := next(read, None)) is not None:
            yield batch

    def _read(self, rows: Sequence[Row], extra: int) -> Iterator[Batch]:
        if not rows:
            return
        longest = [len(row.tokens) + len(row.tree.tokens) for row in rows]
        limit = self.window if self.keeps_memory else 0
        whole = [place for place, length in enumerate(longest) if limit is not None and length + extra > limit]
        rest = sorted(set(range(len(rows))) - set(whole))
        if rest:
            yield from _renamed(self._read_sharing([rows[place] for place in rest], extra), rest)
        if whole:
            yield from _renamed(self._read_whole([rows[place] for place in whole], extra), whole)

    def _read_sharing(self, rows: Sequence[Row], extra: int) -> Iterator[Batch]:
        prompts = [row.tokens for row in rows]
        groups = group_prompts(prompts) if self.is_sharing else [Group((), tuple(range(len(rows))))]
        for chunk in _chunks(groups, self.batch_tokens):
            for part, shared in in_halves(chunk, lambda part: self._read_shared(part, prompts), _is_full):
                yield from self._read_members(shared, part, rows, extra)

    def _read_shared(self, groups: Sequence[Group], prompts: Sequence[Tokens]) -> tuple[Memory | None, list[int]]:
        """What groups share, and the row of each in that memory."""
        memory: Memory | None = None
        levels, places = levels_of(groups, prompts)
        with torch.inference_mode():
            for level in levels:
                before = memory.rows(level.parents) if memory is not None else None
                _, memory = read_on(self.model, before, [Row(tokens) for tokens in level.segments])
        return memory, places

    def _read_members(
        self, shared: tuple[Memory | None, list[int]], groups: Sequence[Group], rows: Sequence[Row], extra: int
    ) -> Iterator[Batch]:
        """The rest of each row, behind what its group shares; rows of all groups side by side, by length."""
        memory, of_group = shared
        parents: list[int] = []
        places: list[int] = []
        rests: list[Row] = []
        for row_of_memory, group in zip(of_group, groups, strict=True):
            parents += [row_of_memory] * len(group.members)
            places += group.members
            rests += [replace(rows[m], tokens=rows[m].tokens[group.n_shared :]) for m in group.members]

        def read(part: Sequence[int]) -> Batch:
            with torch.inference_mode():
                parent = memory.rows([parents[p] for p in part]) if memory is not None else None
                logits, after = read_on(self.model, parent, [rests[p] for p in part])
            return Batch(tuple(places[p] for p in part), checked(self.model, logits), after)

        lengths = [len(rest.tokens) + len(rest.tree.tokens) for rest in rests]
        fixed = extra + (memory.n_slots if memory is not None else 0)
        for batch in batches(lengths, self.batch_tokens, fixed=fixed):
            for _, result in in_halves(batch, read, _is_full):
                yield result

    def _read_whole(self, rows: Sequence[Row], extra: int) -> Iterator[Batch]:
        def read(part: Sequence[int]) -> Batch:
            with torch.inference_mode():
                logits = read_plainly(self.model, [rows[place] for place in part])
            return Batch(tuple(part), checked(self.model, logits), None)

        # a text for each place of a tree
        lengths = [(len(row.tokens) + extra) * (len(row.tree.tokens) + 1) for row in rows]
        for batch in batches(lengths, self.batch_tokens):
            for _, result in in_halves(batch, read, _is_full):
                yield result


def _renamed(found: Iterator[Batch], places: Sequence[int]) -> Iterator[Batch]:
    for batch in found:
        yield replace(batch, places=tuple(places[place] for place in batch.places))


def _chunks(groups: Sequence[Group], budget: int) -> Iterator[list[Group]]:
    """Groups whose shared beginnings fit into memory together."""
    chunk: list[Group] = []
    for group in groups:
        if chunk and (len(chunk) + 1) * max(member.n_shared for member in [*chunk, group]) > budget:
            yield chunk
            chunk = []
        chunk.append(group)
    yield chunk


def _is_full(error: Exception) -> bool:
    """Whether the device's memory was too small."""
    if not isinstance(error, torch.OutOfMemoryError):
        return False
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return True
