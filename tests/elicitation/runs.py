"""Small plans and models for tests that ask: a few real examples of the invented survey, answered by functions."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worldvaluesbench.asking._run import Run, begin_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.models._model import FunctionModel
from worldvaluesbench.planning._examples import read_examples
from worldvaluesbench.planning._plan import Plan, build_plan
from worldvaluesbench.prompts._request import Completion, Reply, Request, Sampling
from worldvaluesbench.prompts._settings import make_settings

ITEMS = ("Q1", "Q48")


def small_plan(dataset: Dataset, folder: Path, n_each: int = 20, /, **given: Any) -> Plan:
    """A plan of `n_each` examples of each of two items; `given` goes to `make_settings`."""
    file = folder / "examples.csv"
    examples = dataset.examples("test", ITEMS).select("item_id", "respondent_id").collect()
    examples.group_by("item_id", maintain_order=True).head(n_each).write_csv(file)
    return build_plan(read_examples(dataset, file), make_settings(**given))


def digit_of(prompt: str) -> int:
    """1 to 4, by the prompt: what `steady_model` answers to it."""
    return 1 + sum(prompt.encode()) % 4


def steady_model(name: str = "steady") -> FunctionModel:
    """Answers every prompt by `digit_of`."""
    return FunctionModel(name, complete=lambda prompt, sampling: str(digit_of(prompt)))


@dataclass
class CountingModel:
    """Answers by a function of the request and writes down every request it was given.

    `hold` keeps so many requests before it answers the first of them, as a model with several in flight does.
    """

    answer: Callable[[Request], Reply]
    hold: int = 1
    name: str = "counting"
    methods: frozenset[Any] = frozenset({"greedy", "sampled", "verbalised", "token_probs", "option_likelihood"})
    given: list[Request] = field(default_factory=list)

    def describe(self) -> dict[str, object]:
        return {"backend": "function", "model": self.name}

    def count_tokens(self, text: str) -> int | None:
        return None

    def replies(self, requests: Iterable[Request]) -> Iterator[Reply]:
        waiting: list[Request] = []
        for request in requests:
            self.given.append(request)
            waiting.append(request)
            if len(waiting) >= self.hold:
                yield self.answer(waiting.pop(0))
        for request in waiting:
            yield self.answer(request)

    @property
    def samples(self) -> list[tuple[str, int, int]]:
        """Every sample it was asked for: request, sample, attempt."""
        return [
            (request.request_id, request.first_sample + place, request.attempt)
            for request in self.given
            for place in range(request.n)
        ]


def replying(text: str | Callable[[Request], str], tokens: tuple[int, int] | None = None) -> Callable[[Request], Reply]:
    """A function for `CountingModel`: completions of this text, paid for with these token counts."""

    def answer(request: Request) -> Reply:
        said = text if isinstance(text, str) else text(request)
        counts = (None, None) if tokens is None else tokens
        return Reply(request, (Completion(said, "stop"),) * request.n, (), (), *counts)

    return answer


STEADY = replying(lambda request: str(digit_of(request.prompt)))
"""Answers as `steady_model` does."""


def failing_after(n: int, error: Exception, answer: Callable[[Request], Reply] = STEADY) -> Callable[[Request], Reply]:
    """A function for `CountingModel`: answers `n` requests, then raises."""
    left = [n]

    def answered(request: Request) -> Reply:
        left[0] -= 1
        if left[0] < 0:
            raise error
        return answer(request)

    return answered


Begin = Callable[..., Run]


def beginner(dataset: Dataset, folder: Path) -> Begin:
    """A function that begins a run of 20 examples an item for a `CountingModel`; arguments go to `make_settings`."""

    def begin(name: str = "run", **given: Any) -> Run:
        return begin_run(small_plan(dataset, folder, 20, **given), CountingModel(STEADY), folder / name)

    return begin


def sampling_of(max_tokens: int | None = None) -> Sampling:
    """A sampling for requests made by hand."""
    return Sampling(0.7, max_tokens)
