"""Decoding: completions token by token, many side by side, each drawn from random numbers of its own."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from worldvaluesbench.models.local._forward import Batch, BatchRunner, check_logits, forward, last_logits
from worldvaluesbench.models.local._loading import LoadedModel
from worldvaluesbench.models.local._prefixes import Row, Tokens
from worldvaluesbench.prompts import Completion

Decoded = tuple[Completion, int]
"""A completion, and how many tokens were generated for it, an ending one included."""


@dataclass
class Decoder:
    """A completion to generate: its prompt, how it is drawn, and its tokens so far.

    `temperature` 0 takes the most likely token. `key` makes the random numbers: the same key, the same completion,
    whatever is generated beside it.
    """

    prompt: Tokens
    temperature: float
    max_tokens: int
    stop: tuple[str, ...]
    key: str
    tokens: list[int] = field(default_factory=list, init=False)

    @cached_property
    def random(self) -> np.random.Generator:
        """Its random numbers."""
        return np.random.default_rng(int(hashlib.blake2b(self.key.encode(), digest_size=16).hexdigest(), 16))

    def add(self, token: int, loaded: LoadedModel) -> Decoded | None:
        """Add a token; returns the completion where that was its last."""
        self.tokens.append(token)
        decode, n_tokens = loaded.encoder.decode, len(self.tokens)
        if token in loaded.ends:
            return Completion(decode(self.tokens[:-1]), "stop"), n_tokens
        # a token may hold a single byte: this many last ones hold every stop text that has just become complete
        n_last = 4 + max((len(stop.encode()) for stop in self.stop), default=0)
        if any(stop in decode(self.tokens[-n_last:]) for stop in self.stop):
            text = decode(self.tokens)
            cuts = [text.find(stop) for stop in self.stop if stop in text]
            if cuts:
                return Completion(text[: min(cuts)], "stop"), n_tokens
        if n_tokens == self.max_tokens:
            return Completion(decode(self.tokens), "length"), n_tokens
        return None


def decode_all(runner: BatchRunner, loaded: LoadedModel, decoders: Sequence[Decoder]) -> Iterator[tuple[int, Decoded]]:
    """Generate every completion; each with its index, as it becomes ready. Halves what does not fit into memory."""
    rows = [Row(decoder.prompt) for decoder in decoders]
    for batch in runner.run(rows, extra=max((decoder.max_tokens for decoder in decoders), default=0)):
        left, is_full = list(batch.places), False
        try:
            for place, decoded in _decode_batch(loaded, batch, [(place, replace(decoders[place])) for place in left]):
                left.remove(place)
                yield place, decoded
        except torch.OutOfMemoryError:
            if len(batch.places) == 1:
                raise
            is_full = True
        del batch
        for half in (left[: len(left) // 2], left[len(left) // 2 :]) if is_full else ():
            for place, decoded in decode_all(runner, loaded, [decoders[place] for place in half]):
                yield half[place], decoded


def _decode_batch(
    loaded: LoadedModel, batch: Batch, decoders: list[tuple[int, Decoder]]
) -> Iterator[tuple[int, Decoded]]:
    """Each completion as it ends, so that an interrupt costs only those that have not ended."""
    model, logits, cache = loaded.model, batch.logits[:, 0], batch.cache
    while True:
        left: list[int] = []
        tokens = _choose(logits.float(), [decoder for _, decoder in decoders])
        for number, (token, (place, decoder)) in enumerate(zip(tokens, decoders, strict=True)):
            decoded = decoder.add(token, loaded)
            if decoded is None:
                left.append(number)
            else:
                yield place, decoded
        if not left:
            return
        # no yield within: the consumer of what is yielded would be in inference mode too
        with torch.inference_mode():
            if cache is not None and len(left) < len(decoders):
                cache = cache.rows(left)
            decoders = [decoders[number] for number in left]
            if cache is None:
                logits = last_logits(model, [one.prompt + tuple(one.tokens) for _, one in decoders])
            else:
                at_places, cache = forward(model, cache, [Row((one.tokens[-1],)) for _, one in decoders])
                logits = at_places[:, 0]
            check_logits(model, logits)


def _choose(logits: Any, decoders: Sequence[Decoder]) -> list[int]:
    """The next token of each: the most likely, or where a random number falls on the cumulative probabilities."""
    temperatures = [decoder.temperature for decoder in decoders]
    best: list[int] = logits.argmax(dim=-1).tolist()
    if not any(temperatures):
        return best
    divisors = torch.tensor([temperature or 1.0 for temperature in temperatures], device=logits.device)
    sums = (logits / divisors[:, None]).softmax(dim=-1).cpu().double().cumsum(dim=-1)
    # numbers are drawn for greedy rows too, so that a row's numbers do not depend on its neighbours
    drawn = torch.tensor([decoder.random.random() for decoder in decoders], dtype=torch.float64)
    found = torch.searchsorted(sums, (drawn * sums[:, -1])[:, None], right=True)[:, 0].clamp(max=logits.shape[1] - 1)
    return [
        sampled if temperature else greedy
        for greedy, sampled, temperature in zip(best, found.tolist(), temperatures, strict=True)
    ]
