"""Forward passes of a transformers model: a KV cache that rows share, trees of options, batches that fit into memory.

`forward` lets rows continue rows of a KV cache, as many from one as wanted, with trees of options behind them; all in
one forward pass, padding masked out and positions counted from the beginning of each text. Every logit equals that of
the full text computed alone, up to rounding. `BatchRunner` decides what is computed together and which prefixes are
computed once, halves what does not fit into memory, and computes each text whole where a model cannot share.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.local._loading import shown_name
from worldvaluesbench.models.local._prefixes import (
    Group,
    Row,
    Tokens,
    batches,
    chunks,
    group_prompts,
    in_halves,
    levels_of,
)

_PADDING = 0
"""The token in places that nothing attends to; any token does."""


@dataclass(frozen=True, slots=True)
class KVCache:
    """Keys and values of texts, a row each.

    `layers`: keys and values of each layer, [rows, heads, slots, size]. `is_real`: which slots hold a token and no
    padding, [rows, slots].
    """

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    is_real: torch.Tensor

    @property
    def n_slots(self) -> int:
        """Slots of each row, padding included."""
        return int(self.is_real.shape[1])

    def rows(self, places: Sequence[int]) -> "KVCache":
        """These rows, in this order, any of them several times."""
        index = torch.tensor(places, device=self.is_real.device)

        def take(values: torch.Tensor) -> torch.Tensor:
            if len(values) == 1:  # a view is enough: the next forward pass copies it anyway
                return values.expand(len(places), *values.shape[1:])
            return values.index_select(0, index)

        return KVCache(tuple((take(keys), take(values)) for keys, values in self.layers), take(self.is_real))


def forward(model: Any, cache: KVCache | None, rows: Sequence[Row]) -> tuple[torch.Tensor, KVCache]:
    """Compute rows, each behind the row of the cache at its place (None: from the beginning).

    Returns logits [rows, places of the largest tree, vocabulary] at the end of each row and behind the paths of its
    tree (values beyond a smaller tree mean nothing), and the KV cache of everything but the trees.
    """
    width, n_places = max(len(row.tokens) for row in rows), max(len(row.tree) for row in rows)
    tokens, positions, sees = (values.to(model.device) for values in _arrange(rows, width, n_places - 1))
    is_real = torch.arange(width) >= torch.tensor([[width - len(row.tokens)] for row in rows])
    is_real = is_real.to(model.device)
    past = DynamicCache()
    if cache is not None:
        positions = positions + cache.is_real.sum(dim=1)[:, None]
        sees = torch.cat([cache.is_real[:, None, :].expand(-1, sees.shape[1], -1), sees], dim=2)
        is_real = torch.cat([cache.is_real, is_real], dim=1)
    for keys, values in cache.layers if cache is not None else ():
        # a layer without knowledge of windows, filled in place: its own way of being filled copies everything
        layer: Any = DynamicLayer()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        past.layers.append(layer)
    mask = torch.zeros(sees.shape, dtype=model.dtype, device=model.device)
    logits = model(
        input_ids=tokens,
        attention_mask=mask.masked_fill_(~sees, torch.finfo(model.dtype).min)[:, None],
        position_ids=positions,
        past_key_values=past,
        use_cache=True,
        logits_to_keep=n_places,
    ).logits
    n_slots = is_real.shape[1]
    layers = tuple((layer.keys[:, :, :n_slots], layer.values[:, :, :n_slots]) for layer in past.layers)
    return logits, KVCache(layers, is_real)


def _arrange(rows: Sequence[Row], width: int, n_nodes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, positions and which place sees which: padding, then the row's tokens, then its tree, then padding."""
    size = width + n_nodes
    tokens = torch.full((len(rows), size), _PADDING)
    positions = torch.zeros((len(rows), size), dtype=torch.long)
    starts = torch.tensor([width - len(row.tokens) for row in rows])
    places = torch.arange(size)
    is_token = (places >= starts[:, None]) & (places < width)
    sees = (places[None, :] <= places[:, None]) & is_token[:, None, :]
    # a place that sees nothing would divide by zero
    sees |= torch.eye(size, dtype=torch.bool)
    sees[:, width:, width:] = torch.eye(n_nodes, dtype=torch.bool)
    for number, row in enumerate(rows):
        start, length = width - len(row.tokens), len(row.tokens)
        tokens[number, start:width] = torch.tensor(row.tokens, dtype=torch.long)
        positions[number, start:width] = torch.arange(length)
        known = {path: width + node for node, path in enumerate(row.tree, start=-1)}
        for path in row.tree[1:]:
            tokens[number, known[path]] = path[-1]
            positions[number, known[path]] = length + len(path) - 1
            sees[number, known[path], [known[path[:n]] for n in range(1, len(path))]] = True
    return tokens, positions, sees


def forward_uncached(model: Any, rows: Sequence[Row]) -> torch.Tensor:
    """The same logits as `forward` without a cache, for any model: each path of each tree is a text of its own."""
    at_end = last_logits(model, [row.tokens + path for row in rows for path in row.tree])
    each = at_end.split([len(row.tree) for row in rows])
    return torch.nn.utils.rnn.pad_sequence(list(each), batch_first=True)


def last_logits(model: Any, texts: Sequence[Tokens]) -> torch.Tensor:
    """The logits behind each text, [texts, vocabulary]: padded on the right, without a cache."""
    padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(text) for text in texts], batch_first=True)
    lengths = torch.tensor([len(text) for text in texts])
    is_real = (torch.arange(padded.shape[1]) < lengths[:, None]).long()
    logits: torch.Tensor = model(
        input_ids=padded.to(model.device), attention_mask=is_real.to(model.device), use_cache=False
    ).logits
    return logits[torch.arange(len(texts)), lengths - 1]


def check_logits(model: Any, logits: torch.Tensor) -> None:
    """Check that there is a highest logit at each place.

    Raises ModelError where there is none: a half-precision model that overflows, or damaged weights.
    """
    if bool(torch.isfinite(logits.amax(dim=-1)).all()):
        return
    dtype = str(model.dtype).removeprefix("torch.")
    raise ModelError(
        f"{shown_name(model.config.name_or_path)}: its logits are not finite numbers in {dtype}; choose another "
        f"--dtype (bfloat16, float32), or download the weights again if they are damaged."
    )


def can_share(model: Any, n_tokens: int) -> bool:
    """Whether `forward` gives this model's own logits: tried on random tokens, because not every architecture does.

    Models that do not use position ids, or that cache something other than keys and values, cannot share prefixes.
    """
    random = torch.randint(n_tokens, (24,), generator=torch.Generator().manual_seed(1)).tolist()
    begin, one, two = tuple(random[:9]), tuple(random[9:17]), tuple(random[17:21])
    tree = ((), (random[22],), (random[22], random[23]), (random[21],))
    with torch.inference_mode():
        try:
            _, cache = forward(model, None, [Row(begin)])
            found, _ = forward(model, cache.rows([0, 0]), [Row(one, tree), Row(two, tree)])
        except (TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError, IndexError):
            # what models raise that do not take such a cache
            return False
        wanted = forward_uncached(model, [Row(begin + one, tree), Row(begin + two, tree)])
    distance = found.float().log_softmax(-1) - wanted.float().log_softmax(-1)
    return bool(distance.abs().mean() < (1e-3 if model.dtype == torch.float32 else 0.1))


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that were computed together, by their index in what was asked for.

    `logits`: [rows, places of the largest tree, vocabulary]; `cache` of the rows' prompts, None where the model cannot
    share.
    """

    places: tuple[int, ...]
    logits: torch.Tensor
    cache: KVCache | None


@dataclass(frozen=True, slots=True)
class BatchRunner:
    """Runs a model on rows, in batches of its own choosing.

    `batch_tokens`: the tokens of a batch. `shares_prefixes`: whether they are computed once. `can_share`: see the
    function. From `window` tokens on a text is not seen whole by each of its tokens, so that nothing is shared (None:
    never). Once `is_withdrawn` is true no further batch is computed.
    """

    model: Any
    batch_tokens: int
    shares_prefixes: bool
    can_share: bool
    window: int | None = None
    is_withdrawn: Callable[[], bool] = lambda: False

    def run(self, rows: Sequence[Row], *, extra: int = 0) -> Iterator[Batch]:
        """Compute rows in batches; `extra` tokens of each are still to come and need room."""
        limit = self.window if self.can_share else 0
        is_whole = [limit is not None and row.n_tokens + extra > limit for row in rows]
        parts = [[place for place, whole in enumerate(is_whole) if whole == wanted] for wanted in (False, True)]
        for run, places in ((self._run_sharing, parts[0]), (self._run_whole, parts[1])):
            found = run([rows[place] for place in places], extra) if places else iter(())
            while not self.is_withdrawn() and (batch := next(found, None)) is not None:
                yield replace(batch, places=tuple(places[place] for place in batch.places))

    def _run_sharing(self, rows: Sequence[Row], extra: int) -> Iterator[Batch]:
        prompts = [row.tokens for row in rows]
        groups = group_prompts(prompts) if self.shares_prefixes else [Group((), tuple(range(len(rows))))]

        def prefill(part: Sequence[Group]) -> tuple[KVCache | None, list[int]]:
            """The KV cache of what groups share, and the row of each in it."""
            cache: KVCache | None = None
            levels, of_group = levels_of(part, prompts)
            with torch.inference_mode():
                for level in levels:
                    before = cache.rows([parent for _, parent in level]) if cache is not None else None
                    _, cache = forward(self.model, before, [Row(tokens) for tokens, _ in level])
            return cache, of_group

        for chunk in chunks(groups, self.batch_tokens):
            for part, (cache, of_group) in in_halves(chunk, prefill, _is_full):
                yield from self._run_members(part, cache, of_group, rows, extra)

    def _run_members(
        self, groups: Sequence[Group], cache: KVCache | None, of_group: Sequence[int], rows: Sequence[Row], extra: int
    ) -> Iterator[Batch]:
        """The rest of each row, behind what its group shares; rows of all groups side by side, by length."""
        parents, places, rests = [], [], []
        for group, parent in zip(groups, of_group, strict=True):
            for member in group.members:
                parents.append(parent)
                places.append(member)
                rests.append(replace(rows[member], tokens=rows[member].tokens[group.n_shared :]))

        def compute(part: Sequence[int]) -> Batch:
            with torch.inference_mode():
                before = cache.rows([parents[p] for p in part]) if cache is not None else None
                logits, after = forward(self.model, before, [rests[p] for p in part])
            return Batch(tuple(places[p] for p in part), logits, after)

        fixed = extra + (cache.n_slots if cache is not None else 0)
        yield from self._computed([rest.n_tokens for rest in rests], compute, fixed)

    def _run_whole(self, rows: Sequence[Row], extra: int) -> Iterator[Batch]:
        def compute(part: Sequence[int]) -> Batch:
            with torch.inference_mode():
                return Batch(tuple(part), forward_uncached(self.model, [rows[place] for place in part]), None)

        # a text for each place of a tree
        yield from self._computed([(len(row.tokens) + extra) * len(row.tree) for row in rows], compute, 0)

    def _computed(
        self, lengths: Sequence[int], compute: Callable[[Sequence[int]], Batch], fixed: int
    ) -> Iterator[Batch]:
        for places in batches(lengths, self.batch_tokens, fixed=fixed):
            for _, batch in in_halves(places, compute, _is_full):
                check_logits(self.model, batch.logits)
                yield batch


def _is_full(error: Exception) -> bool:
    """Whether the memory of the device was too small."""
    if not isinstance(error, torch.OutOfMemoryError):
        return False
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return True
