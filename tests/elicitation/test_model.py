"""Models of one's own: plain functions that answer requests."""

from dataclasses import replace

from worldvaluesbench.models._bodies import seed_of
from worldvaluesbench.models._model import FunctionModel
from worldvaluesbench.prompts._request import Request, Sampling

REQUEST = Request("0" * 16, "Q1", 0, "Which?", "sampled", ("1", "2"), Sampling(0.7, seed=5), n=3)


def seeds_given(request: Request) -> list[int | None]:
    """The seeds with which a function is called for a request."""
    seeds: list[int | None] = []

    def complete(prompt: str, sampling: Sampling) -> str:
        seeds.append(sampling.seed)
        return prompt

    assert len(list(FunctionModel("mine", complete).replies([request]))) == 1
    return seeds


def test_every_sample_has_a_seed_of_its_own() -> None:
    # a function that draws by the seed would else say the same n times
    first, second, third = seeds_given(REQUEST)
    assert len({first, second, third}) == 3
    assert seeds_given(replace(REQUEST, n=1, first_sample=2)) == [third]
    again = replace(REQUEST, first_sample=1, attempt=1)
    assert seeds_given(again)[0] == seed_of(again)
    assert not set(seeds_given(again)) & set(seeds_given(REQUEST))


def test_without_a_seed_there_is_none() -> None:
    assert seeds_given(replace(REQUEST, sampling=Sampling(0.7))) == [None, None, None]
