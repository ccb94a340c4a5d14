"""Invented responses: codes cut along a hidden tendency, so that groups differ and the whole has the world's counts.

For every variable the people are ranked by a tendency of their own, and the ranks are cut by the world's shares:
the lowest share of them gives the lowest code, and so on. Who gives no response, and why, is drawn before.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.survey import Codebook, Item, RawCounts, load_marginals
from worldvaluesbench.survey.synthetic._respondents import (
    People,
    Tendencies,
    Whole,
    noise,
    read_synthetic_table,
    standardised,
)

Codes = NDArray[np.int16]

DONT_KNOW, NO_ANSWER, NOT_APPLICABLE, NOT_ASKED, NOT_AVAILABLE = -1, -2, -3, -4, -5
ORDINARY_REASONS = (DONT_KNOW, NO_ANSWER, NOT_AVAILABLE)
SHARES_FOR_ITEMS, SHARES_FOR_ATTRIBUTES = (0.58, 0.4, 0.02), (0.12, 0.8, 0.08)
ORDINARY_SHARE = 0.05
"""Missing responses beyond this share of the people are whole countries where the question was not asked."""
MOST_SKIPPED = 0.3
"""No more than this share of a continent's countries skips a question, so each of its cells has responses to all."""
TRAIT_WEIGHT = 0.72
"""How much of an item's tendency its traits make; the rest is chance."""


@dataclass(frozen=True, slots=True)
class Driver:
    """What responses to a variable follow: a tendency, how closely, and (else as numbered) the codes from low to high.

    `not_applicable` names the people to whom the question does not apply.
    """

    tendency: str
    weight: float
    order: tuple[int, ...]
    not_applicable: str


@dataclass(frozen=True)
class Variable:
    """What one column is drawn from: its codes from low to high, their counts, and how many are missing of how many.

    The last `n_unordered` codes are listed but have no place on the scale; they are given at random.
    """

    name: str
    codes: tuple[int, ...]
    counts: Whole
    n_unordered: int
    missing_share: float
    item: Item | None
    driver: Driver | None


def draw_responses(people: People, *, rng: np.random.Generator, codebook: Codebook) -> dict[str, Codes]:
    """The raw codes of every variable that has counts, real or invented, each of shape (people,)."""
    topics = {topic: noise(len(people.traits), rng) for topic in codebook.topics}
    responses: dict[str, Codes] = {}
    for variable in load_variables(codebook):
        not_applicable = _not_applicable(variable, people, responses, rng)
        missing = _draw_missing(variable, people, not_applicable, rng)
        tendency = _tendency_of(variable, people, responses, topics, rng)
        responses[variable.name] = _draw_codes(variable, tendency, missing, rng)
    return responses


def load_variables(codebook: Codebook) -> Iterator[Variable]:
    """All variables that have counts; those with a driver first, in the order of `drivers.csv`."""
    counts = dict(load_marginals(codebook).raw) | _load_invented_counts()
    drivers = {
        row["variable"]: Driver(
            tendency=row["driver"],
            weight=float(row["weight"]),
            order=tuple(int(code) for code in row["order"].split()),
            not_applicable=row["not_applicable"],
        )
        for row in read_synthetic_table("drivers")
    }
    for name in dict.fromkeys([*drivers, *counts]):
        item = codebook.item(name) if name in codebook.item_ids else None
        yield _variable(name, counts[name], item, drivers.get(name))


def scaled_counts(counts: Whole, n: int, rng: np.random.Generator) -> Whole:
    """Counts in the same proportion that sum to `n`, each rounded up or down at random."""
    edges = np.cumsum(counts) * (n / counts.sum())
    edges[-1] = n
    result: Whole = np.diff(np.floor(edges + rng.uniform(0.0, 1.0 - 1e-9)).astype(np.int64), prepend=0)
    return result


def cut_by_rank(tendency: Tendencies, codes: tuple[int, ...], counts: Whole) -> Codes:
    """Give the first code to the `counts[0]` lowest tendencies, the second to the `counts[1]` next, and so on."""
    edges = np.cumsum(counts)[:-1]
    inner = np.unique(edges[(edges > 0) & (edges < tendency.size)])
    order = np.argpartition(tendency, inner) if inner.size else np.arange(tendency.size)
    result = np.empty(tendency.size, dtype=np.int16)
    result[order] = np.repeat(np.array(codes, dtype=np.int16), counts)
    return result


def _variable(name: str, counts: RawCounts, item: Item | None, driver: Driver | None) -> Variable:
    codes = [code for code in counts if code is not None]
    unordered: list[int] = []
    if driver and driver.order:
        codes = [code for code in driver.order if code in codes] + [code for code in codes if code not in driver.order]
    elif item:
        unordered = [code for code in codes if item.rating_of(code) is None]
        codes = sorted(set(codes) - set(unordered), key=lambda code: (item.rating_of(code), code)) + unordered
    n_missing = counts.get(None, 0)
    return Variable(
        name=name,
        codes=tuple(codes),
        counts=np.array([counts[code] for code in codes], dtype=np.int64),
        n_unordered=len(unordered),
        missing_share=n_missing / sum(counts.values()),
        item=item,
        driver=driver,
    )


def _load_invented_counts() -> dict[str, RawCounts]:
    counts: dict[str, dict[int | None, int]] = {}
    for row in read_synthetic_table("invented_counts"):
        code = None if row["code"] == "missing" else int(row["code"])
        counts.setdefault(row["item_id"], {})[code] = int(row["n"])
    return dict(counts)


def _tendency_of(
    variable: Variable,
    people: People,
    responses: Mapping[str, Codes],
    topics: Mapping[str, Tendencies],
    rng: np.random.Generator,
) -> Tendencies:
    chance = noise(people.n, rng)
    if variable.driver:
        weight = variable.driver.weight
        driver = _driver_tendencies(variable.driver.tendency, people, responses)
        driven: Tendencies = weight * driver + np.float32(np.sqrt(1 - weight**2)) * chance
        return driven
    loadings = 0.7 * noise(len(people.traits), rng)
    if variable.item:
        loadings += topics[variable.item.topic]
    loadings *= TRAIT_WEIGHT / np.sqrt(np.sum(loadings**2))
    tendency = np.float32(np.sqrt(1 - TRAIT_WEIGHT**2)) * chance
    # one trait at a time: a matrix product would sum in another order on another machine
    for loading, trait in zip(loadings, people.traits, strict=True):
        tendency += loading * trait
    return tendency


def _driver_tendencies(name: str, people: People, responses: Mapping[str, Codes]) -> Tendencies:
    if name != "occupation":
        return people.tendencies[name]
    without_work = _never_worked(responses).astype(np.float32)
    return standardised(people.tendencies["education"] - 3 * without_work)


def _not_applicable(
    variable: Variable, people: People, responses: Mapping[str, Codes], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """To whom the question does not apply, by the responses drawn so far."""
    group = variable.driver.not_applicable if variable.driver else ""
    if group == "no_partner":
        return ~np.isin(responses["Q273"], (1, 2))
    if group == "never_worked":
        return _never_worked(responses)
    if group == "not_sought":
        return rng.random(people.n) < variable.missing_share / 4
    return np.zeros(people.n, dtype=np.bool_)


def _never_worked(responses: Mapping[str, Codes]) -> NDArray[np.bool_]:
    """Housewives and students."""
    return np.isin(responses["Q279"], (5, 6))


def _draw_missing(
    variable: Variable, people: People, not_applicable: NDArray[np.bool_], rng: np.random.Generator
) -> Codes:
    """The missing reason of each person, shape (people,); 0 for those who respond."""
    reasons = np.zeros(people.n, dtype=np.int16)
    n_missing = int(people.n * variable.missing_share + rng.uniform(0.0, 1.0 - 1e-9))
    excused = rng.permutation(np.flatnonzero(not_applicable))[: int(0.97 * n_missing)]
    reasons[excused] = NOT_APPLICABLE
    budget = n_missing - excused.size
    if variable.item is None and variable.driver is not None:
        shares = SHARES_FOR_ATTRIBUTES
    else:
        shares = SHARES_FOR_ITEMS
        is_skipped = _draw_skipped_places(people, budget - int(0.8 * ORDINARY_SHARE * people.n), rng)[people.home]
        reasons[is_skipped] = NOT_ASKED
        budget -= int(is_skipped.sum())
    responding = np.flatnonzero(reasons == 0)
    # the less educated respond a little less often
    reluctance = noise(responding.size, rng) - 0.2 * people.tendencies["education"][responding]
    if 0 < budget < responding.size:
        silent = responding[np.argpartition(-reluctance, budget)[:budget]]
        reasons[silent] = rng.choice(np.array(ORDINARY_REASONS, dtype=np.int16), budget, p=shares)
    return reasons


def _draw_skipped_places(people: People, budget: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Places where the question was not asked, drawn until their people use up the budget; shape (places,)."""
    is_skipped = np.zeros(len(people.places), dtype=np.bool_)
    if budget < 0.2 * ORDINARY_SHARE * people.n:
        return is_skipped
    sizes = people.sizes
    continents = Counter(place.continent for place in people.places)
    left = {continent: int(MOST_SKIPPED * n) for continent, n in continents.items()}
    for place in rng.permutation(len(people.places)):
        continent = people.places[place].continent
        if left[continent] and sizes[place] <= budget:
            is_skipped[place] = True
            budget -= int(sizes[place])
            left[continent] -= 1
    return is_skipped


def _draw_codes(variable: Variable, tendency: Tendencies, missing: Codes, rng: np.random.Generator) -> Codes:
    responding = np.flatnonzero(missing == 0)
    counts = scaled_counts(variable.counts, responding.size, rng)
    own = tendency[responding]
    if variable.n_unordered:
        n_outside = int(counts[-variable.n_unordered :].sum())
        own[rng.choice(own.size, n_outside, replace=False)] = np.inf
    result = missing.copy()
    result[responding] = cut_by_rank(own, variable.codes, counts)
    return result
