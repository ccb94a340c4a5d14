"""Answers of a local model by each method: requests in, replies out, batch by batch."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, takewhile
from math import inf, log1p
from typing import Any

import numpy as np
import torch

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models import seed_of
from worldvaluesbench.models.local._decoder import Decoded, Decoder, decode_all
from worldvaluesbench.models.local._encoding import Encoded, Vocabulary
from worldvaluesbench.models.local._forward import BatchRunner
from worldvaluesbench.models.local._loading import LoadedModel
from worldvaluesbench.models.local._prefixes import Row, Tokens, Tree, tree_of
from worldvaluesbench.prompts import Reply, Request, TokenChoice, apart, log_sum

MAX_TOKENS = 1_024
"""The most tokens of a completion where the sampling sets no limit."""

MAX_PLANNED = 512
"""So many completions are planned together."""

MAX_PLACES = 3
"""At so many places an answer is looked for, where the model first says a blank, a quote or "Answer:"."""

N_TOP = 20
"""So many of the most likely tokens are reported whatever they say, as endpoints do."""

_SAYS_NOTHING = " \t\r\n\"'`*_([{:"


def answer_by_likelihood(loaded: LoadedModel, runner: BatchRunner, requests: Sequence[Request]) -> Iterator[Reply]:
    """`option_likelihood`: the probability of each option's full token sequence."""
    encoded = loaded.encoder.encode_options([r.prompt for r in requests], [r.options for r in requests], spelled=False)
    _check_fit(loaded, encoded)
    rows = [Row(prompt, tree_of(frozenset(options))) for prompt, options in encoded]
    for batch in runner.run(rows):
        options = [encoded[place][1] for place in batch.places]
        logprobs = sequence_logprobs(batch.logits, [rows[place].tree for place in batch.places], options)
        for place, own, each in zip(batch.places, options, logprobs, strict=True):
            found = tuple(apart(list(zip(own, each, strict=True))))
            n_prompt = len(rows[place].tokens)
            yield Reply(requests[place], option_logprobs=found, prompt_tokens=n_prompt, completion_tokens=0)


def sequence_logprobs(logits: Any, trees: Sequence[Tree], sequences: Sequence[Sequence[Tokens]]) -> list[list[float]]:
    """The natural log-probability of each row's sequences, full length, [row][sequence].

    `logits`: [rows, places, vocabulary], places as in `Tree`. A sequence may continue: "1" includes "10" where the
    tokenizer splits digits.
    """
    at: list[tuple[int, int, int]] = []
    for number, (tree, options) in enumerate(zip(trees, sequences, strict=True)):
        places = {path: place for place, path in enumerate(tree)}
        at += [(number, places[option[:n]], token) for option in options for n, token in enumerate(option)]
    rows, nodes, tokens = (torch.tensor(each, device=logits.device) for each in zip(*at, strict=True))
    totals = torch.logsumexp(logits.float(), dim=-1)
    each = iter((logits[rows, nodes, tokens].float() - totals[rows, nodes]).double().tolist())
    return [[sum(next(each) for _ in option) for option in options] for options in sequences]


def answer_by_tokens(loaded: LoadedModel, runner: BatchRunner, requests: Sequence[Request]) -> Iterator[Reply]:
    """`token_probs`: what the answer may begin with, whole options where they need several tokens."""
    vocabulary = loaded.encoder.vocabulary
    encoded = loaded.encoder.encode_options([r.prompt for r in requests], [r.options for r in requests], spelled=True)
    _check_fit(loaded, encoded)
    asked: list[tuple[Request, Row, tuple[TokenChoice, ...]]] = [
        (request, Row(prompt, tree_of(frozenset(options))), ())
        for request, (prompt, options) in zip(requests, encoded, strict=True)
    ]
    for n_said in range(1, MAX_PLACES + 1):
        again = []
        for batch in runner.run([row for _, row, _ in asked]):
            for place, logprobs in zip(batch.places, batch.logits.float().log_softmax(dim=-1).cpu(), strict=True):
                request, row, before = asked[place]
                table = token_table(logprobs, row.tree, vocabulary, request.options)
                is_text = vocabulary.is_text[: logprobs.shape[-1]]
                first = int(np.where(is_text, logprobs[0, : len(is_text)].numpy(), -inf).argmax())
                # what begins an option stands for it: of what is listed the most likely
                said = vocabulary.texts[first]
                said = said if said in table else max(table, key=lambda text: table[text])
                choices = (*before, TokenChoice(said, table))
                says_nothing = said.strip(_SAYS_NOTHING).casefold() in ("", "answer", "the")
                if says_nothing and n_said < MAX_PLACES and first not in loaded.ends:
                    again.append((request, replace(row, tokens=(*row.tokens, first)), choices))
                else:
                    n_prompt = len(row.tokens) + 1 - n_said
                    yield Reply(request, tokens=choices, prompt_tokens=n_prompt, completion_tokens=n_said)
        asked = again


def token_table(logprobs: Any, tree: Tree, vocabulary: Vocabulary, options: Sequence[str]) -> dict[str, float]:
    """The log-probabilities of what an answer may begin with, by its text.

    `logprobs`: [places, vocabulary], places as in `Tree`. Listed are the most likely tokens and every token that begins
    an option, in any spelling. Tokens of the tree, from which an option may continue, are joined to what follows them
    ("1" and "0" to "10"); their own text counts as far as the word or number ends there, and is left out where that is
    not an option ("Not" of "Not at all"). The model may have fewer rows than the vocabulary has tokens, or more: rows
    without a token are listed nowhere.
    """
    known = {option.casefold() for option in options}
    table: dict[str, float] = {}
    places = {path: place for place, path in enumerate(tree)}
    n_tokens = min(len(vocabulary.texts), logprobs.shape[-1])

    def list_place(path: Tokens, begun: str, total: float) -> float:
        """List what may follow a path; returns the share of it, given the path, that continues from there."""
        here = logprobs[places[path], :n_tokens].double()
        children = {longer[-1] for longer in tree if longer and longer[:-1] == path}
        listed = {token for token in vocabulary.beginnings(options, begun) | children if token < n_tokens}
        continues = vocabulary.continuing(listed, is_word=begun[-1:].isalnum())[:n_tokens]
        texts = vocabulary.behind if path else vocabulary.texts
        if not path:
            listed |= {token for token in here.topk(min(N_TOP, len(here))).indices.tolist() if texts[token]}
        for token in sorted(listed):
            text, logprob = begun + texts[token], total + float(here[token])
            if (*path, token) in places:
                share = list_place((*path, token), text, logprob)
                is_option = text.strip().casefold() in known
                logprob = logprob + log1p(-share) if is_option and share < 1 else -inf
            if logprob != -inf:  # nan is listed, and refused
                table[text] = log_sum(table.get(text, -inf), logprob)
        return float(here[torch.from_numpy(continues)].exp().sum())

    list_place((), "", 0.0)
    return table


def answer_by_text(loaded: LoadedModel, runner: BatchRunner, requests: Sequence[Request]) -> Iterator[Reply]:
    """`greedy`, `sampled`, `verbalised`: completions; a reply as soon as all samples of its request are generated."""
    prompts = loaded.encoder.encode([loaded.encoder.render(request.prompt) for request in requests])
    _check_fit(loaded, [(prompt, [prompt[:1]]) for prompt in prompts])
    planned = [
        (place, sample, _decoder_of(loaded, request, sample, prompt))
        for place, (request, prompt) in enumerate(zip(requests, prompts, strict=True))
        for sample in range(request.first_sample, request.first_sample + request.n)
    ]
    ready: dict[int, dict[int, Decoded]] = defaultdict(dict)

    def reply_of(place: int) -> Reply:
        """The first samples, up to one that is missing: a reply numbers its completions by their order."""
        own = ready.pop(place)
        in_order = [own[sample] for sample in takewhile(own.__contains__, count(requests[place].first_sample))]
        n_generated = sum(n_tokens for _, n_tokens in in_order)
        completions = tuple(completion for completion, _ in in_order)
        n_prompt = len(prompts[place])
        return Reply(requests[place], completions, prompt_tokens=n_prompt, completion_tokens=n_generated)

    def begun() -> Iterator[Reply]:
        """What there is of requests whose other samples were not generated."""
        yield from (reply_of(place) for place in list(ready) if requests[place].first_sample in ready[place])

    for start in range(0, len(planned), MAX_PLANNED):
        taken = planned[start : start + MAX_PLANNED]
        try:
            for number, decoded in decode_all(runner, loaded, [decoder for _, _, decoder in taken]):
                place, sample, _ = taken[number]
                ready[place][sample] = decoded
                if len(ready[place]) == requests[place].n:
                    yield reply_of(place)
        except KeyboardInterrupt:
            yield from begun()
            raise
    yield from begun()


def _decoder_of(loaded: LoadedModel, request: Request, sample: int, prompt: Tokens) -> Decoder:
    sampling = request.sampling
    temperature = sampling.temperature
    if temperature is None:
        own = getattr(loaded.model.generation_config, "temperature", None)
        temperature = 0.0 if request.method == "greedy" else 1.0 if own is None else float(own)
    limit = MAX_TOKENS if sampling.max_tokens is None else sampling.max_tokens
    if loaded.context is not None:
        limit = min(limit, loaded.context - len(prompt))
    seeded = replace(sampling, seed=sampling.seed or 0)
    key = str(seed_of(replace(request, sampling=seeded, first_sample=sample)))
    return Decoder(prompt, temperature, limit, sampling.stop, key)


def _check_fit(loaded: LoadedModel, encoded: Encoded) -> None:
    """Raise ModelError where a prompt with what may follow it exceeds the context, or has unknown tokens."""
    name = loaded.encoder.name
    longest = max(len(prompt) + max(map(len, behind)) for prompt, behind in encoded)
    if loaded.context is not None and longest > loaded.context:
        raise ModelError(
            f"A prompt with its answer has {longest} tokens, the model reads at most {loaded.context}; show fewer "
            f"attributes or choose a model with a longer context."
        )
    if min(len(prompt) for prompt, _ in encoded) == 0:
        raise ModelError(f"{name}: its tokenizer makes no tokens of a prompt; choose another model.")
    highest = max(max(token for tokens in (prompt, *behind) for token in tokens) for prompt, behind in encoded)
    if highest >= loaded.n_tokens:
        raise ModelError(
            f"{name}: its tokenizer writes token {highest}, but the model has {loaded.n_tokens} rows (0 to "
            f"{loaded.n_tokens - 1}), so they do not belong together; take the tokenizer that the model was trained "
            f"with, or --prompt plain where its chat template writes such a token."
        )
