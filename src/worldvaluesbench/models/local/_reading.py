"""Reading: tokens into a transformers model, what it has read kept and shared, its logits out.

A `Memory` is what the model has read, a row for each text. `read_on` lets rows go on from rows of a memory, as many
from one as wanted, with trees of continuations behind them; all in one forward pass, padding masked out and positions
counted from each text's own begin. Every logit equals that of the full text read alone, up to rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.local._groups import Tokens
from worldvaluesbench.models.local._loading import shown_name
from worldvaluesbench.models.local._tree import END, Row, Tree

PADDING = 0
"""The token in places that nothing attends to; any token does."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a model has read.

    `layers`: keys and values of each layer, [rows, heads, slots, size]. `is_real`: which slots hold a token and no
    padding, [rows, slots]. `lengths`: how many of them do, [rows].
    """

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    is_real: torch.Tensor
    lengths: torch.Tensor

    @property
    def n_slots(self) -> int:
        """Slots of each row, padding included."""
        return int(self.is_real.shape[1])

    def rows(self, places: Sequence[int]) -> "Memory":
        """These rows, in this order, any of them several times."""
        if len(self.is_real) == 1:
            n = len(places)  # a view is enough: what is read next is put behind a copy of it anyway
            layers = tuple((keys.expand(n, -1, -1, -1), values.expand(n, -1, -1, -1)) for keys, values in self.layers)
            return Memory(layers, self.is_real.expand(n, -1), self.lengths.expand(n))
        index = torch.tensor(places, device=self.is_real.device)
        layers = tuple((keys.index_select(0, index), values.index_select(0, index)) for keys, values in self.layers)
        return Memory(layers, self.is_real.index_select(0, index), self.lengths.index_select(0, index))


def read_on(model: Any, memory: Memory | None, rows: Sequence[Row]) -> tuple[torch.Tensor, Memory]:
    """Read rows, each behind the row of the memory at its place (None: from the begin).

    Returns logits [rows, 1 + nodes of the largest tree, vocabulary] at the end of each row and at the nodes of its
    tree (what stands behind a smaller tree means nothing), and the memory of everything but the trees.
    """
    device = model.device
    width = max(len(row.tokens) for row in rows)
    n_nodes = max(len(row.tree.tokens) for row in rows)
    tokens, positions, sees = _arrange(rows, width, n_nodes)
    past = 0 if memory is None else memory.n_slots
    tokens, positions, sees = tokens.to(device), positions.to(device), sees.to(device)
    if memory is not None:
        positions = positions + memory.lengths[:, None]
        sees = torch.cat([memory.is_real[:, None, :].expand(-1, width + n_nodes, -1), sees], dim=2)
    cache = _cache_of(memory)
    logits = model(
        input_ids=tokens,
        attention_mask=_additive(sees, model.dtype),
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1 + n_nodes,
    ).logits
    return logits, _memory_of(cache, memory, rows, past + width)


def _arrange(rows: Sequence[Row], width: int, n_nodes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, positions and what sees what: padding, then the row's tokens, then its tree, then padding."""
    size = width + n_nodes
    tokens = torch.full((len(rows), size), PADDING)
    positions = torch.zeros((len(rows), size), dtype=torch.long)
    starts = torch.tensor([width - len(row.tokens) for row in rows])
    places = torch.arange(size)
    is_token = (places >= starts[:, None]) & (places < width)
    causal = places[None, :] <= places[:, None]
    sees = causal & is_token[:, None, :]
    # a place that sees nothing would divide by nothing
    sees |= torch.eye(size, dtype=torch.bool)
    sees[:, width:, width:] = torch.eye(n_nodes, dtype=torch.bool)
    for number, row in enumerate(rows):
        start, length = width - len(row.tokens), len(row.tokens)
        tokens[number, start:width] = torch.tensor(row.tokens, dtype=torch.long)
        positions[number, start:width] = torch.arange(length)
        for node, token in enumerate(row.tree.tokens):
            tokens[number, width + node] = token
            positions[number, width + node] = length + row.tree.depth(node)
            sees[number, width + node, [width + other for other in row.tree.line(node)]] = True
    return tokens, positions, sees


def _additive(sees: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    mask = torch.zeros(sees.shape, dtype=dtype, device=sees.device)
    return mask.masked_fill_(~sees, torch.finfo(dtype).min)[:, None]


def _cache_of(memory: Memory | None) -> DynamicCache:
    """A cache without knowledge of windows, filled in place: its own way of being filled copies everything."""
    cache = DynamicCache()
    make_layer: Any = DynamicLayer
    for keys, values in memory.layers if memory is not None else ():
        layer = make_layer()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        cache.layers.append(layer)
    return cache


def _memory_of(cache: Any, memory: Memory | None, rows: Sequence[Row], n_slots: int) -> Memory:
    device = cache.layers[0].keys.device
    lengths = torch.tensor([len(row.tokens) for row in rows], device=device)
    width = n_slots - (memory.n_slots if memory is not None else 0)
    is_real = torch.arange(width, device=device) >= (width - lengths)[:, None]
    if memory is not None:
        is_real = torch.cat([memory.is_real, is_real], dim=1)
        lengths = lengths + memory.lengths
    layers = tuple((layer.keys[:, :, :n_slots], layer.values[:, :, :n_slots]) for layer in cache.layers)
    return Memory(layers, is_real, lengths)


def read_plainly(model: Any, rows: Sequence[Row]) -> torch.Tensor:
    """The same logits as `read_on` without a memory, for any model: each place of each tree is a text of its own."""
    places = [(number, place) for number, row in enumerate(rows) for place in range(len(row.tree.tokens) + 1)]
    texts = [rows[number].tokens + rows[number].tree.path(place) for number, place in places]
    at_end = last_logits(model, texts)
    n_places = 1 + max(len(row.tree.tokens) for row in rows)
    logits = at_end.new_zeros((len(rows), n_places, at_end.shape[1]))
    for (number, place), values in zip(places, at_end, strict=True):
        logits[number, place] = values
    return logits


def last_logits(model: Any, texts: Sequence[Tokens]) -> torch.Tensor:
    """The logits behind each text, [texts, vocabulary]: padded on the right, read with nothing kept."""
    width = max(len(text) for text in texts)
    tokens = torch.full((len(texts), width), PADDING)
    is_real = torch.zeros((len(texts), width), dtype=torch.long)
    for number, text in enumerate(texts):
        tokens[number, : len(text)] = torch.tensor(text)
        is_real[number, : len(text)] = 1
    tokens, is_real = tokens.to(model.device), is_real.to(model.device)
    logits: torch.Tensor = model(input_ids=tokens, attention_mask=is_real, use_cache=False).logits
    return logits[torch.arange(len(texts)), is_real.sum(dim=1) - 1]


def checked(model: Any, logits: torch.Tensor) -> torch.Tensor:
    """The logits, of which each place has a highest.

    Raises ModelError where a place has none: a half-precision model that overflows, or damaged weights.
    """
    if bool(torch.isfinite(logits.amax(dim=-1)).all()):
        return logits
    dtype = str(model.dtype).removeprefix("torch.")
    raise ModelError(
        f"{shown_name(model.config.name_or_path)}: its logits are no finite numbers in {dtype}; choose another --dtype "
        f"(bfloat16, float32), or get the weights again if they are damaged."
    )


def shares_exactly(model: Any, vocabulary: int) -> bool:
    """Whether `read_on` gives this model's own logits: tried on invented tokens, for not every architecture allows it.

    Models whose positions are not told by position ids, or that keep something else than keys and values, do not.
    """
    generator = torch.Generator().manual_seed(1)
    invented = torch.randint(vocabulary, (24,), generator=generator).tolist()
    begin, one, two = tuple(invented[:9]), tuple(invented[9:17]), tuple(invented[17:21])
    tree = Tree((invented[22], invented[23], invented[21]), (END, 1, END))
    with torch.inference_mode():
        try:
            _, memory = read_on(model, None, [Row(begin)])
            found, _ = read_on(model, memory.rows([0, 0]), [Row(one, tree), Row(two, tree)])
        except (TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError, IndexError):
            return False
        wanted = read_plainly(model, [Row(begin + one, tree), Row(begin + two, tree)])
    distance = found.float().log_softmax(-1) - wanted.float().log_softmax(-1)
    return bool(distance.abs().mean() < (1e-3 if model.dtype == torch.float32 else 0.1))
