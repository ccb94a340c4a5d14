"""Writing: completions token by token, many side by side, each drawn from random numbers of its own."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from worldvaluesbench.models.local._groups import Tokens
from worldvaluesbench.models.local._reader import Batch, Reader
from worldvaluesbench.models.local._reading import checked, last_logits, read_on
from worldvaluesbench.models.local._tree import Row
from worldvaluesbench.models.local._wording import Wording
from worldvaluesbench.prompts import Completion


@dataclass(frozen=True, slots=True)
class Draft:
    """A completion to be written: its prompt, how it is drawn, and from which random numbers.

    `temperature` 0 takes the most likely token. `key` makes the random numbers: the same key, the same completion,
    whatever is written beside it.
    """

    prompt: Tokens
    temperature: float
    max_tokens: int
    stop: tuple[str, ...]
    key: str


@dataclass(frozen=True, slots=True)
class Written:
    """A completion, and how many tokens were generated for it, an ending one included."""

    completion: Completion
    n_tokens: int


class _Pen:
    """One completion while it is written."""

    def __init__(self, draft: Draft, place: int, wording: Wording, ends: frozenset[int]) -> None:
        self.draft, self.place, self._wording, self._ends = draft, place, wording, ends
        self.tokens: list[int] = []
        self._random = np.random.default_rng(int(hashlib.blake2b(draft.key.encode(), digest_size=16).hexdigest(), 16))
        # a token may hold a single byte: this many last ones hold every stop that has just become complete
        self._n_last = 4 + max((len(stop.encode()) for stop in draft.stop), default=0)

    def draw(self) -> float:
        """The next random number in [0, 1)."""
        return float(self._random.random())

    def write(self, token: int) -> Written | None:
        """Put a token behind the others; the completion where that was its last."""
        self.tokens.append(token)
        n_tokens = len(self.tokens)
        if token in self._ends:
            return Written(Completion(self._wording.decode(self.tokens[:-1]), "stop"), n_tokens)
        if any(stop in self._wording.decode(self.tokens[-self._n_last :]) for stop in self.draft.stop):
            text = self._wording.decode(self.tokens)
            cuts = [text.find(stop) for stop in self.draft.stop if stop in text]
            if cuts:
                return Written(Completion(text[: min(cuts)], "stop"), n_tokens)
        if n_tokens == self.draft.max_tokens:
            return Written(Completion(self._wording.decode(self.tokens), "length"), n_tokens)
        return None


def write(
    reader: Reader, wording: Wording, ends: frozenset[int], drafts: Sequence[Draft]
) -> Iterator[tuple[int, Written]]:
    """Write every draft; each by its place, as it becomes ready. What does not fit into memory is written in halves."""
    rows = [Row(draft.prompt) for draft in drafts]
    for batch in reader.read(rows, extra=max((draft.max_tokens for draft in drafts), default=0)):
        left = list(batch.places)
        is_full = False
        try:
            for place, written in _write_batch(reader, batch, [_Pen(drafts[p], p, wording, ends) for p in left]):
                left.remove(place)
                yield place, written
        except torch.OutOfMemoryError:
            if len(batch.places) == 1:
                raise
            is_full = True
        del batch
        for half in (left[: len(left) // 2], left[len(left) // 2 :]) if is_full else ():
            for place, completion in write(reader, wording, ends, [drafts[place] for place in half]):
                yield half[place], completion


def _write_batch(reader: Reader, batch: Batch, pens: list[_Pen]) -> Iterator[tuple[int, Written]]:
    """Each completion as it ends, so that an interrupt costs only those that have not ended."""
    logits, memory = batch.logits[:, 0], batch.memory
    while True:
        left: list[int] = []
        for number, token in enumerate(_choose(logits.float(), pens)):
            written = pens[number].write(token)
            if written is None:
                left.append(number)
            else:
                yield pens[number].place, written
        if not left:
            return
        # no yield within: whoever takes what is yielded would be in inference mode too
        with torch.inference_mode():
            if memory is not None and len(left) < len(pens):
                memory = memory.rows(left)
            pens = [pens[number] for number in left]
            if memory is None:
                logits = last_logits(reader.model, [pen.draft.prompt + tuple(pen.tokens) for pen in pens])
            else:
                all_logits, memory = read_on(reader.model, memory, [Row((pen.tokens[-1],)) for pen in pens])
                logits = all_logits[:, 0]
            checked(reader.model, logits)


def _choose(logits: Any, pens: Sequence[_Pen]) -> list[int]:
    """The next token of each: the most likely, or where a random number falls on the summed probabilities."""
    temperatures = [pen.draft.temperature for pen in pens]
    best = logits.argmax(dim=-1)
    if not any(temperatures):
        return [int(token) for token in best.tolist()]
    warm = torch.tensor([temperature or 1.0 for temperature in temperatures], device=logits.device)
    sums = (logits / warm[:, None]).softmax(dim=-1).cpu().double().cumsum(dim=-1)
    # numbers are drawn for greedy rows too, so that a row's numbers do not depend on its neighbours
    drawn = torch.tensor([pen.draw() for pen in pens], dtype=torch.float64)
    found = torch.searchsorted(sums, (drawn * sums[:, -1])[:, None], right=True)[:, 0].clamp(max=logits.shape[1] - 1)
    pairs = zip(best.tolist(), found.tolist(), temperatures, strict=True)
    return [int(sampled) if temperature else int(greedy) for greedy, sampled, temperature in pairs]
