"""Personas in bulk: which respondents are shown alike, counted and numbered without rendering any of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.benchmark import Dataset
from worldvaluesbench.prompts import Fact, Persona, Settings, persona_of
from worldvaluesbench.survey import Codebook


@dataclass(frozen=True, eq=False)
class Personas:
    """The distinct personas of some respondents, numbered from 0 by their codes, the first attribute first.

    `facts`: for each attribute its distinct facts, None for a missing one. `parts`, shape (personas, attributes):
    which of them each persona shows. `number_of`: the persona of every row of the dataset's tables, -1 where the row
    is of nobody concerned.
    """

    facts: tuple[tuple[Fact | None, ...], ...]
    parts: NDArray[np.int32]
    number_of: NDArray[np.int32]

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.parts)

    def persona(self, number: int) -> Persona:
        """The persona of this number."""
        shown = (facts[part] for facts, part in zip(self.facts, self.parts[number].tolist(), strict=True))
        return Persona(tuple(fact for fact in shown if fact is not None))


def number_personas(dataset: Dataset, rows: NDArray[np.bool_], settings: Settings) -> Personas:
    """The distinct personas of the respondents in `rows` (one flag a row of the dataset's tables).

    Two respondents are shown alike where all their facts are the same: codes of one label are one fact, and missing
    codes are none, whatever their reason.

    Raises CodebookError for an unknown attribute, PromptError for a code that the codebook does not list.
    """
    attribute_ids = settings.attributes if settings.uses_persona else ()
    n_people = int(np.count_nonzero(rows))
    numbers = np.zeros(n_people, dtype=np.int64)
    all_facts, all_parts = [], []
    people = dataset.respondents(["respondent_id", *attribute_ids]).filter(pl.Series(rows))
    for attribute_id in attribute_ids:
        facts, parts = _facts_of(attribute_id, people[attribute_id].to_numpy(), settings, dataset.codebook)
        all_facts.append(facts)
        all_parts.append(parts)
        # dense after each attribute, so that the product never overflows
        numbers = np.unique(numbers * len(facts) + parts, return_inverse=True)[1]
    _, firsts = np.unique(numbers, return_index=True)
    number_of = np.full(rows.size, -1, dtype=np.int32)
    number_of[rows] = numbers
    shown = [parts[firsts] for parts in all_parts]
    table = np.stack(shown, axis=1) if shown else np.zeros((firsts.size, 0), dtype=np.int32)
    return Personas(tuple(all_facts), table, number_of)


def merge_personas(personas: Personas, render: Callable[[Persona], str]) -> Personas:
    """The personas that `render` tells apart; of those it renders alike the first is kept.

    A template of one's own may show only some of the facts it is given.
    """
    place_of: dict[bytes, int] = {}
    places = np.empty(personas.n, dtype=np.int32)
    firsts: list[int] = []
    for number in range(personas.n):
        text = render(personas.persona(number))
        places[number] = place_of.setdefault(blake2b(text.encode(), digest_size=16).digest(), len(place_of))
        if len(place_of) > len(firsts):
            firsts.append(number)
    if len(firsts) == personas.n:
        return personas
    number_of = np.where(personas.number_of < 0, -1, places[personas.number_of]).astype(np.int32)
    return replace(personas, parts=personas.parts[firsts], number_of=number_of)


def _facts_of(
    attribute_id: str, codes: NDArray[np.int32], settings: Settings, codebook: Codebook
) -> tuple[tuple[Fact | None, ...], NDArray[np.int32]]:
    """The distinct facts of an attribute in the order of their codes, and which of them each person shows."""
    distinct, places = np.unique(np.maximum(codes, -1), return_inverse=True)
    number_of: dict[Fact | None, int] = {}
    numbers = np.zeros(distinct.size, dtype=np.int32)
    for place, code in enumerate(distinct.tolist()):
        shown = persona_of({attribute_id: code}, codebook, settings.attribute_questions).facts
        numbers[place] = number_of.setdefault(shown[0] if shown else None, len(number_of))
    return tuple(number_of), numbers[places]
