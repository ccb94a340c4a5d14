"""A model: whoever answers requests. Two small promises are enough for one of your own; `FunctionModel` keeps them.

What runs a plan wants a `Model`: an iterator of requests in, an iterator of replies out, in any order and at any pace.
`worldvaluesbench.elicitation.models` holds those that ship. A model of your own need not know about requests: it
promises text (`TextModel`), token log-probabilities (`TokenModel`) or both, and `FunctionModel` makes a `Model` of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from worldvaluesbench.errors import LogprobError, ModelError
from worldvaluesbench.models._bodies import seed_of
from worldvaluesbench.prompts import METHODS, TEXT_METHODS, Completion, Method, Reply, Request, Sampling


@runtime_checkable
class TextModel(Protocol):
    """A model that continues a prompt."""

    def complete(self, prompt: str, sampling: Sampling) -> str | Completion:
        """One completion of this prompt."""
        ...


@runtime_checkable
class TokenModel(Protocol):
    """A model that knows how likely a continuation of a prompt is."""

    def option_logprobs(self, prompt: str, options: Sequence[str]) -> Sequence[float]:
        """The natural log-probability that each option, and none of the others, is the continuation of the prompt.

        That of all its tokens, and of no more of them where they begin another option's: P("1") is of "1" alone, with
        "10" taken off it where a tokenizer makes "1" and "0" of that (`logprobs.apart` does so). Options exclude one
        another, so their probabilities sum to at most 1; more is refused.
        """
        ...


@runtime_checkable
class Model(Protocol):
    """What answers requests."""

    @property
    def name(self) -> str:
        """The model's name, for tables and folders."""
        ...

    @property
    def methods(self) -> frozenset[Method]:
        """The elicitation methods it can answer."""
        ...

    def describe(self) -> Mapping[str, object]:
        """What identifies the model in a manifest and must not change within a run. Never a key."""
        ...

    def replies(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """A reply for every request, in any order, as they arrive.

        Requests are taken one after another as there is room for them: whoever gives them can stop giving. An iterator
        whose attribute `is_withdrawn` turns true wants nothing sent any more that is not on its way: a model that
        waits before it sends may look at it, and give no reply to what it drops.

        A request that failed for now has a reply with `failure`; where no request can ever succeed (a wrong key, an
        unknown model), ModelError is raised, after the replies that did arrive.
        """
        ...

    def count_tokens(self, text: str) -> int | None:
        """How many tokens the model makes of a text; None where no tokenizer is at hand."""
        ...


def check_method(model: Model, method: Method, hint: str = "") -> None:
    """Raise ModelError where a model cannot answer by a method; `hint` ends the message."""
    if method not in model.methods:
        raise ModelError(f"{model.name}: cannot answer by {method}, only by {', '.join(sorted(model.methods))}{hint}.")


@dataclass(frozen=True)
class FunctionModel:
    """A `Model` made of plain functions: a `TextModel`'s `complete`, a `TokenModel`'s `option_logprobs`, or both.

    Requests are answered one by one, in order. What a function raises is not caught: it is your code. Log-probabilities
    that cannot be any are refused (LogprobError).

    >>> model = FunctionModel("always-two", complete=lambda prompt, sampling: "2")
    >>> sorted(model.methods)
    ['greedy', 'sampled', 'verbalised']
    """

    name: str
    complete: Callable[[str, Sampling], str | Completion] | None = None
    option_logprobs: Callable[[str, Sequence[str]], Sequence[float]] | None = None

    def __post_init__(self) -> None:
        if self.complete is None and self.option_logprobs is None:
            raise ModelError(f"{self.name}: a model needs a function for text (complete) or for option_logprobs.")

    @property
    def methods(self) -> frozenset[Method]:
        """The elicitation methods that its functions allow."""
        return frozenset(method for method in METHODS if self._can(method))

    def describe(self) -> Mapping[str, object]:
        """Its name: a function says nothing else about itself."""
        return {"backend": "function", "model": self.name}

    def replies(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """A reply for every request, in order."""
        for request in requests:
            yield self._reply(request)

    def count_tokens(self, text: str) -> int | None:  # noqa: ARG002 - of the protocol
        """None: a function has no tokenizer."""
        return None

    def _can(self, method: Method) -> bool:
        if method in TEXT_METHODS:
            return self.complete is not None
        return method == "option_likelihood" and self.option_logprobs is not None

    def _reply(self, request: Request) -> Reply:
        check_method(self, request.method)
        if request.method == "option_likelihood":
            assert self.option_logprobs is not None
            logprobs = tuple(map(float, self.option_logprobs(request.prompt, request.options)))
            n, n_options = len(logprobs), len(request.options)
            if n != n_options:
                raise ModelError(f"{self.name}: option_logprobs gives {n} log-probabilities of {n_options} options.")
            try:
                return Reply(request, option_logprobs=logprobs)
            except LogprobError as error:
                raise LogprobError(f"{self.name}: {error}") from None
        assert self.complete is not None
        given = [self.complete(request.prompt, sampling) for sampling in _samplings(request)]
        return Reply(request, tuple(Completion(text, "stop") if isinstance(text, str) else text for text in given))


def _samplings(request: Request) -> Iterator[Sampling]:
    """The sampling of each completion of a request: with a seed, each has one of its own."""
    for sample in range(request.first_sample, request.first_sample + request.n):
        yield replace(request.sampling, seed=seed_of(replace(request, first_sample=sample)))
