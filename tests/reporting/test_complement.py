"""No small group can be computed from the groups that are shown: an attack on invented people, by linear algebra."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from worldvaluesbench.reporting.disclosure._complement import find_complements, small_remainders
from worldvaluesbench.reporting.disclosure._partition import Group
from worldvaluesbench.survey._attributes import load_derived_attributes

LEAST = 10
CONTINENT = load_derived_attributes()["continent"].level_of
COUNTRIES = [20, 32, 36, 50, 68, 76]
GROUPINGS = (
    ("H_URBRURAL",),
    ("continent",),
    ("B_COUNTRY",),
    ("Q260",),
    ("continent", "Q260"),
    ("B_COUNTRY", "H_URBRURAL"),
    ("Q260", "H_URBRURAL"),
)


def level_of(person: dict[str, int], attribute_id: str) -> int:
    return CONTINENT[person["B_COUNTRY"]] if attribute_id == "continent" else person[attribute_id]


def members_of(people: list[dict[str, int]], groupings: list[tuple[str, ...]]) -> dict[Group, NDArray[np.int64]]:
    """Who is in each group, shape (people,); whoever lacks a level is in none."""
    found: dict[Group, NDArray[np.int64]] = {frozenset(): np.ones(len(people), dtype=np.int64)}
    for grouping in groupings:
        for place, person in enumerate(people):
            levels = [(name, level_of(person, name)) for name in grouping]
            if all(level >= 0 for _, level in levels):
                found.setdefault(frozenset(levels), np.zeros(len(people), dtype=np.int64))[place] = 1
    return found


def can_be_computed(wanted: NDArray[np.int64], shown: list[NDArray[np.int64]]) -> bool:
    """Whether a group is a sum of shown ones, each with some factor: the attack of somebody who knows who is where."""
    system = np.array(shown).T
    solution = np.linalg.lstsq(system, wanted, rcond=None)[0]
    return bool(np.abs(system @ solution - wanted).max() < 1e-6)


def check(people: list[dict[str, int]], groupings: list[tuple[str, ...]]) -> tuple[int, int]:
    """Attack what is shown; how many groups were small, and how many more were hidden."""
    members = members_of(people, groupings)
    counts = {group: int(who.sum()) for group, who in members.items()}
    small = {group for group, n in counts.items() if n < LEAST}
    more = find_complements(counts, small, LEAST)
    assert not more & small
    assert frozenset() not in more, "everybody together is always shown"
    shown = [who for group, who in members.items() if group not in small | more]
    for group in small:
        assert not can_be_computed(members[group], shown), group
    return len(small), len(more)


def test_the_rest_of_a_whole_is_hidden_with_a_small_part() -> None:
    people = [{"Q260": 1}] * 30 + [{"Q260": 2}] * 6
    assert check(people, [("Q260",)]) == (1, 1)


def test_nothing_more_is_hidden_where_nothing_is_small_or_many_lack_a_level() -> None:
    assert check([{"Q260": 1}] * 30 + [{"Q260": 2}] * 12, [("Q260",)]) == (0, 0)
    assert check([{"Q260": 1}] * 30 + [{"Q260": 2}] * 6 + [{"Q260": -1}] * 20, [("Q260",)]) == (1, 0)


def test_few_who_lack_a_level_are_protected_as_a_group_is() -> None:
    """Everybody less both levels are three respondents; with ten nothing is hidden."""
    urban, rural = (frozenset({("H_URBRURAL", code)}) for code in (1, 2))
    for n in (3, 10):
        counts = {frozenset(): 60 + n, urban: 35, rural: 25}
        is_few = n < LEAST
        assert find_complements(counts, set(), LEAST) == ({rural} if is_few else set())
        assert small_remainders(counts, LEAST) == ({frozenset(): n} if is_few else {})


def test_few_small_parts_are_protected_together() -> None:
    """Three and four of them: neither can be computed, but both together are seven people."""
    counts = {frozenset(): 57, **{frozenset({("Q260", code)}): n for code, n in ((1, 50), (2, 3), (3, 4))}}
    hidden = {group for group, n in counts.items() if n < LEAST}
    assert find_complements(counts, hidden, LEAST) == {frozenset({("Q260", 1)})}


def test_a_country_is_protected_by_another_of_its_continent() -> None:
    """Argentina has few people; Bolivia, smaller than the others of South America, is hidden with it."""
    sizes = {32: 5, 68: 20, 76: 40, 36: 15, 554: 30}
    people = [{"B_COUNTRY": code} for code, n in sizes.items() for _ in range(n)]
    members = members_of(people, [("continent",), ("B_COUNTRY",)])
    counts = {group: int(who.sum()) for group, who in members.items()}
    argentina, bolivia = (frozenset({("B_COUNTRY", code)}) for code in (32, 68))
    assert find_complements(counts, {argentina}, LEAST) == {bolivia}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.sampled_from(GROUPINGS), min_size=1, max_size=5, unique=True))
def test_no_small_group_can_be_computed(seed: int, groupings: list[tuple[str, ...]]) -> None:
    rng = np.random.default_rng(seed)
    countries = rng.choice(COUNTRIES, 80, p=rng.dirichlet(np.ones(len(COUNTRIES))))
    people = [
        {"B_COUNTRY": int(country)} | {name: int(rng.integers(1, 3)) for name in ("Q260", "H_URBRURAL")}
        for country in countries
    ]
    check(people, groupings)
