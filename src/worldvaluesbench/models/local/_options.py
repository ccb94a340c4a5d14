"""Options: how likely each is behind a prompt, from logits at the end of the prompt and within a tree of options."""

from collections.abc import Sequence
from math import inf, log1p
from typing import Any

import torch

from worldvaluesbench.models.local._groups import Tokens
from worldvaluesbench.models.local._tree import Tree
from worldvaluesbench.models.local._vocabulary import Vocabulary
from worldvaluesbench.prompts import log_sum

TOP = 20
"""So many of the most likely tokens are reported whatever they say, as endpoints do."""


def sequence_logprobs(logits: Any, trees: Sequence[Tree], sequences: Sequence[Sequence[Tokens]]) -> list[list[float]]:
    """The natural log-probability of each row's sequences, full length, [row][sequence].

    `logits`: [rows, places, vocabulary], places as in `Tree`. A sequence may go on: "1" includes "10" where the
    tokenizer splits digits.
    """
    rows: list[int] = []
    places: list[int] = []
    tokens: list[int] = []
    for number, (tree, options) in enumerate(zip(trees, sequences, strict=True)):
        known = tree.places()
        for option in options:
            rows += [number] * len(option)
            places += [known[option[:length]] for length in range(len(option))]
            tokens += option
    at = (torch.tensor(rows, device=logits.device), torch.tensor(places, device=logits.device))
    totals = torch.logsumexp(logits.float(), dim=-1)
    chosen = torch.tensor(tokens, device=logits.device)
    each = iter((logits[at[0], at[1], chosen].float() - totals[at]).double().tolist())
    return [[sum(next(each) for _ in option) for option in options] for options in sequences]


def token_table(logprobs: Any, tree: Tree, vocabulary: Vocabulary, options: Sequence[str]) -> dict[str, float]:
    """The log-probabilities of what an answer may begin with, by its text.

    `logprobs`: [places, vocabulary], places as in `Tree`. Listed are the most likely tokens and every token that begins
    an option, in any spelling. Tokens of the tree, from which an option may go on, are joined to what follows them
    ("1" and "0" to "10"); what they say themselves counts as far as the word or number ends there, and is left out
    where that is no option ("Not" of "Not at all"). The model may have fewer rows than the vocabulary has tokens, or
    more: what no token stands for is listed nowhere.
    """
    known = {option.casefold() for option in options}
    table: dict[str, float] = {}
    places = tree.places()
    n_tokens = min(len(vocabulary.texts), logprobs.shape[-1])

    def list_place(path: Tokens, begun: str, total: float) -> float:
        """List what may stand at a place; returns the share of it, given the place, that goes on from there."""
        here = logprobs[places[path], :n_tokens].double()
        listed = vocabulary.beginnings(tuple(options), begun) | set(tree.children(places[path]))
        listed = {token for token in listed if token < n_tokens}
        goes_on = vocabulary.going_on(listed, is_word=begun[-1:].isalnum())[:n_tokens]
        texts = vocabulary.behind if path else vocabulary.texts
        if path == ():
            top = here.topk(min(TOP, len(here))).indices.tolist()
            listed |= {token for token in top if texts[token]}
        for token in sorted(listed):
            text, logprob = begun + texts[token], total + float(here[token])
            if (*path, token) in places:
                share = list_place((*path, token), text, logprob)
                is_option = text.strip().casefold() in known
                logprob = logprob + log1p(-share) if is_option and share < 1 else -inf
            if logprob != -inf:  # nan is listed, and refused
                table[text] = log_sum(table.get(text, -inf), logprob)
        return float(here[torch.from_numpy(goes_on)].exp().sum())

    list_place((), "", 0.0)
    return table
