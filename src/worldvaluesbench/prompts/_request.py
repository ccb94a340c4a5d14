"""A request and the reply to it: what is sent to a model once, however many examples share it, and what came back."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from worldvaluesbench.prompts._logprobs import check_options, check_place
from worldvaluesbench.prompts._template import Method

TEXT_METHODS: frozenset[Method] = frozenset({"greedy", "sampled", "verbalised"})
"""The methods that read completions."""

MAX_N = 2**15 - 1
"""No request asks for more completions: the table of answers has no room for them."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How completions are drawn. None: the model's own default, nothing is sent.

    `seed` is that of the whole run; what is sent, or given to a function, is made of it (`models.bodies.seed_of`).
    """

    temperature: float | None = 0.0
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A distinct request: one prompt, one method, one sampling.

    `options`: the symbols that can be answered, in the order shown. `n`: how many completions are still wanted;
    `first_sample` numbers the first of them, `attempt` counts askings of the same sample after it was unparsed.
    `schema`: the JSON schema of a structured answer; None: free text. `item_id` and `order` say what is asked, for
    the reader of the reply; they are not sent.
    """

    request_id: str
    item_id: str
    order: int
    prompt: str
    method: Method
    options: tuple[str, ...]
    sampling: Sampling
    n: int = 1
    first_sample: int = 0
    attempt: int = 0
    schema: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion as received; `finish_reason` in the words of OpenAI's API (stop, length, content_filter, ...)."""

    text: str
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """One generated token, with the most likely tokens at its place and their natural log-probabilities.

    Raises LogprobError where they cannot be any: one above 0, or a sum of probabilities above 1.
    """

    token: str
    top: Mapping[str, float]

    def __post_init__(self) -> None:
        check_place(self.top.values())


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a request.

    `greedy`, `sampled`, `verbalised`: up to `n` `completions`, the first of them for `request.first_sample`.
    `token_probs`: the first generated `tokens` (at most three) with their alternatives. `option_likelihood`:
    `option_logprobs`, the natural log-probability of each option as the answer, in the order of `request.options` (see
    `TokenModel`). Token counts are what the model says it was paid for (None: it says nothing).

    `failure`: why there is nothing, after all retries; the request can be made again. It holds no part of the prompt.
    `named`: the names under which a server says that it answered, each with the first reply after it was seen.

    Raises LogprobError where those of options cannot be any: one above 0, or a sum of probabilities above 1.
    """

    request: Request
    completions: tuple[Completion, ...] = ()
    tokens: tuple[TokenChoice, ...] = ()
    option_logprobs: tuple[float, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    failure: str | None = None
    named: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.option_logprobs:
            check_options(self.option_logprobs, self.request.options)


def request_id_of(prompt: str, asked: str) -> str:
    """The id of a request: a hash of its prompt and of `asked`, a hash of what else is sent with it."""
    return hashlib.blake2b(f"{asked}\n{prompt}".encode(), digest_size=8).hexdigest()
