"""Answers of a local model by each method: requests in, replies out, batch by batch."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, takewhile

import numpy as np

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models import seed_of
from worldvaluesbench.models.local._groups import Tokens
from worldvaluesbench.models.local._loading import Loaded
from worldvaluesbench.models.local._options import sequence_logprobs, token_table
from worldvaluesbench.models.local._reader import Reader
from worldvaluesbench.models.local._tree import Row, tree_of
from worldvaluesbench.models.local._writing import Draft, Written, write
from worldvaluesbench.prompts import Completion, Reply, Request, TokenChoice, apart

MAX_TOKENS = 1_024
"""The most tokens of a completion where the sampling sets no limit."""

MAX_DRAFTS = 512
"""So many completions are planned together."""

MAX_PLACES = 3
"""At so many places an answer is looked for, where the model first says a blank, a quote or "Answer:"."""

_SAYS_NOTHING = " \t\r\n\"'`*_([{:"


@dataclass(frozen=True, slots=True)
class _Question:
    """A request whose answer is looked for at the next place, and what was said before that."""

    request: Request
    row: Row
    said: tuple[TokenChoice, ...] = ()


def answer_by_likelihood(loaded: Loaded, reader: Reader, requests: Sequence[Request]) -> Iterator[Reply]:
    """`option_likelihood`: the probability of each option's full token sequence."""
    found = loaded.wording.with_options([r.prompt for r in requests], [r.options for r in requests])
    rows = [Row(prompt, tree_of(frozenset(options))) for prompt, options in found]
    _check_fit(loaded, found)
    for batch in reader.read(rows):
        sequences = [found[place][1] for place in batch.places]
        logprobs = sequence_logprobs(batch.logits, [rows[place].tree for place in batch.places], sequences)
        for place, own, each in zip(batch.places, sequences, logprobs, strict=True):
            found_apart = tuple(apart(list(zip(own, each, strict=True))))
            n_prompt = len(rows[place].tokens)
            yield Reply(requests[place], option_logprobs=found_apart, prompt_tokens=n_prompt, completion_tokens=0)


def answer_by_tokens(loaded: Loaded, reader: Reader, requests: Sequence[Request]) -> Iterator[Reply]:
    """`token_probs`: what the answer may begin with, whole options where they need several tokens."""
    found = loaded.wording.with_spellings([r.prompt for r in requests], [r.options for r in requests])
    _check_fit(loaded, found)
    rows = [Row(prompt, tree_of(frozenset(options))) for prompt, options in found]
    asked = [_Question(request, row) for request, row in zip(requests, rows, strict=True)]
    for n_said in range(1, MAX_PLACES + 1):
        again: list[_Question] = []
        for question, first in _look(loaded, reader, asked):
            says_nothing = question.said[-1].token.strip(_SAYS_NOTHING).casefold() in ("", "answer", "the")
            if says_nothing and n_said < MAX_PLACES and first not in loaded.ends:
                again.append(replace(question, row=replace(question.row, tokens=(*question.row.tokens, first))))
            else:
                n_prompt = len(question.row.tokens) + 1 - n_said
                yield Reply(question.request, tokens=question.said, prompt_tokens=n_prompt, completion_tokens=n_said)
        asked = again


def _look(loaded: Loaded, reader: Reader, asked: Sequence[_Question]) -> Iterator[tuple[_Question, int]]:
    """Each question with what was said at one more place, and the most likely token there."""
    vocabulary = loaded.wording.vocabulary
    for batch in reader.read([question.row for question in asked]):
        all_logprobs = batch.logits.float().log_softmax(dim=-1).cpu()
        for place, logprobs in zip(batch.places, all_logprobs, strict=True):
            question = asked[place]
            table = token_table(logprobs, question.row.tree, vocabulary, question.request.options)
            is_text = vocabulary.is_text[: logprobs.shape[-1]]
            first = int(np.where(is_text, logprobs[0, : len(is_text)].numpy(), -np.inf).argmax())
            text = vocabulary.texts[first]
            # what begins an option stands for it: of what is listed the most likely
            said = text if text in table else max(table, key=lambda text: table[text])
            yield replace(question, said=(*question.said, TokenChoice(said, table))), first


def answer_by_text(loaded: Loaded, reader: Reader, requests: Sequence[Request]) -> Iterator[Reply]:
    """`greedy`, `sampled`, `verbalised`: completions; a reply as soon as all samples of its request are written."""
    wording = loaded.wording
    prompts = wording.encode(wording.texts([request.prompt for request in requests]))
    _check_fit(loaded, [(prompt, [prompt[:1]]) for prompt in prompts])
    drafts: list[tuple[int, int, Draft]] = []
    for place, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
        samples = range(request.first_sample, request.first_sample + request.n)
        drafts += [(place, sample, _draft(loaded, request, sample, prompt)) for sample in samples]
    ready: dict[int, dict[int, Written]] = defaultdict(dict)
    for start in range(0, len(drafts), MAX_DRAFTS):
        taken = drafts[start : start + MAX_DRAFTS]
        try:
            for number, written in write(reader, wording, loaded.ends, [draft for _, _, draft in taken]):
                place, sample, _ = taken[number]
                ready[place][sample] = written
                if len(ready[place]) == requests[place].n:
                    yield _text_reply(requests[place], ready.pop(place), len(prompts[place]))
        except KeyboardInterrupt:
            yield from _begun(requests, ready, prompts)
            raise
    yield from _begun(requests, ready, prompts)


def _begun(
    requests: Sequence[Request], ready: Mapping[int, dict[int, Written]], prompts: Sequence[Tokens]
) -> Iterator[Reply]:
    """What there is of requests whose other samples were not written any more."""
    for place, written in ready.items():
        if requests[place].first_sample in written:
            yield _text_reply(requests[place], written, len(prompts[place]))


def _text_reply(request: Request, written: Mapping[int, Written], n_prompt: int) -> Reply:
    """A reply of the first samples, up to one that is missing: a reply numbers its completions by their order."""
    in_order = [written[sample] for sample in takewhile(written.__contains__, count(request.first_sample))]
    completions: tuple[Completion, ...] = tuple(one.completion for one in in_order)
    n_written = sum(one.n_tokens for one in in_order)
    return Reply(request, completions, prompt_tokens=n_prompt, completion_tokens=n_written)


def _draft(loaded: Loaded, request: Request, sample: int, prompt: Tokens) -> Draft:
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
    return Draft(prompt, temperature, limit, sampling.stop, key)


def _check_fit(loaded: Loaded, found: Sequence[tuple[Tokens, Sequence[Tokens]]]) -> None:
    """Raise ModelError where a prompt with what may follow it is longer than the model reads, or has unknown tokens."""
    longest = max(len(prompt) + max(map(len, behind)) for prompt, behind in found)
    if loaded.context is not None and longest > loaded.context:
        raise ModelError(
            f"A prompt with its answer has {longest} tokens, the model reads at most {loaded.context}; show fewer "
            f"attributes or choose a model with a longer context."
        )
    if min(len(prompt) for prompt, _ in found) == 0:
        raise ModelError(f"{loaded.wording.name}: its tokenizer makes no tokens of a prompt; choose another model.")
    highest = max(max(token for tokens in (prompt, *behind) for token in tokens) for prompt, behind in found)
    if highest >= loaded.n_tokens:
        raise ModelError(
            f"{loaded.wording.name}: its tokenizer writes token {highest}, but the model has {loaded.n_tokens} rows "
            f"(0 to {loaded.n_tokens - 1}), so they do not belong together; take the tokenizer that the model was "
            f"trained with, or --prompt plain where its chat template writes such a token."
        )
