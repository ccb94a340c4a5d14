"""Complementary suppression: which other groups must be hidden, so that small groups cannot be computed from the rest.

Everybody less the women are the men, and everybody less all levels of an attribute are the respondents who lack a
level. Groups of several groupings, shown with their n and shares, are a system of linear equations. Groups are hidden
until the system has no solution for any small group. Source: complementary cell suppression; Willenborg and de Waal
(2001), *Elements of Statistical Disclosure Control*, chapter 6.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heappush
from itertools import compress

import numpy as np

from worldvaluesbench.reporting.disclosure._partition import LACKING, Group, Relation, relations_of
from worldvaluesbench.stats import Array

NEAR_0 = 1e-8


def find_complements(
    counts: Mapping[Group, int], hidden: Collection[Group], least: int, edition: str | None = None
) -> set[Group]:
    """The groups that must be hidden as well, so that no group of fewer than `least` respondents can be computed.

    `counts`: the number of respondents of each group, those of hidden groups (if known) among them. `edition`: of the
    dataset, for it decides which codes have a level of a derived attribute. Respondents who lack a level are a group
    too, one that is never shown. Of several groups that would do, the smallest is hidden.
    """
    relations = _relations_of(frozenset(counts) | frozenset(hidden), edition)
    totals = _totals(relations, counts)
    more: set[Group] = set()
    while found := (
        _solved(relations, counts, totals, {*hidden, *more}, least)
        or _uncovered(relations, counts, {*hidden, *more}, least)
    ):
        more |= found
    return more


def small_remainders(counts: Mapping[Group, int], least: int, edition: str | None = None) -> dict[Group, int]:
    """Shown groups of which fewer than `least` respondents, but not none, are in none of the finer groups shown.

    `counts`: the number of respondents of each group that is shown. The value is the number of those respondents.
    """
    relations = _relations_of(frozenset(counts), edition)
    return {relation.whole: n for relation, n in _remainders(relations, counts) if 0 < n < least}


@lru_cache(maxsize=64)
def _relations_of(groups: frozenset[Group], edition: str | None) -> tuple[Relation, ...]:
    """The relations among groups; most items of a comparison have the same groups."""
    return tuple(relations_of(groups, edition))


def _totals(relations: Sequence[Relation], counts: Mapping[Group, int]) -> dict[Group, int]:
    """How many respondents each group has, as far as the counts say; those who lack a level are what is left.

    A group that is not counted has at least the respondents of its parts.
    """
    totals = dict(counts)
    plain = [relation for relation in relations if LACKING not in relation.codes]
    for whole, parts, _ in plain:
        if whole not in counts:
            totals[whole] = max(totals.get(whole, 0), sum(totals.get(part, 0) for part in parts))
    # with one attribute lacking, then with two, and so on: each needs those before it
    rests = [relation for relation in relations if relation.rest is not None]
    for whole, parts, rest in sorted(rests, key=lambda one: one.codes.count(LACKING)):
        assert rest is not None
        totals[rest] = max(totals.get(rest, 0), totals.get(whole, 0) - sum(totals.get(part, 0) for part in parts))
    return totals


def _remainders(relations: Sequence[Relation], counts: Mapping[Group, int]) -> Iterator[tuple[Relation, int]]:
    """How many respondents of a group that is counted are in none of the counted groups that are finer."""
    totals = _totals(relations, counts)
    for relation in relations:
        if relation.whole in counts:
            yield relation, counts[relation.whole] - sum(totals.get(part, 0) for part in relation.parts)


def _uncovered(
    relations: Sequence[Relation], counts: Mapping[Group, int], hidden: Collection[Group], least: int
) -> set[Group]:
    """The smallest group in the way of the first small remainder of a group; what is found here is rare.

    It is made of small groups of several levels, none of which has a solution by itself.
    """
    shown = {group: n for group, n in counts.items() if group not in hidden}
    parts_of: dict[Group, list[Group]] = {}
    for whole, parts, _ in relations:
        parts_of.setdefault(whole, []).extend(parts)
    for relation, n in _remainders(relations, shown):
        if 0 < n < least:
            waiting, met = list(relation.parts), set()
            while waiting:
                group = waiting.pop()
                if group in shown:
                    met.add(group)
                else:
                    waiting += parts_of.get(group, [])
            return {_smallest(met or {relation.whole}, counts)}
    return set()


def _solved(
    relations: Sequence[Relation],
    counts: Mapping[Group, int],
    totals: Mapping[Group, int],
    hidden: Collection[Group],
    least: int,
) -> set[Group]:
    """For each small hidden group that has a solution, the smallest group without which that solution fails.

    Most solutions follow one relation at a time, and those are found quickly; the rest is left to linear algebra.
    """
    unknown = _unknown(relations, counts, totals, hidden)
    targets = list(_targets(relations, totals, unknown, least))
    if not targets:
        return set()
    solved_by = _peel(relations, unknown)
    shown = {group: n for group, n in counts.items() if group not in hidden}
    found: set[Group] = set()
    for target in targets:
        if all(group in solved_by for group in target):
            chain = _chain(target, solved_by)
            met = {group for relation in chain for group in relation.groups if group and group in shown}
            if not found & met:
                found.add(_smallest(met, counts))
    return found or _solved_together(relations, counts, unknown - set(solved_by), targets, shown)


def _peel(relations: Sequence[Relation], unknown: Collection[Group]) -> dict[Group, Relation]:
    """The unknown groups that are what is left of a relation when all others in it are known, and that relation.

    Relations with few parts come first: what must be hidden then is near the group that it protects.
    """
    left = [{group for group in relation.groups if group in unknown} for relation in relations]
    places: dict[Group, list[int]] = {}
    for place, groups in enumerate(left):
        for group in groups:
            places.setdefault(group, []).append(place)
    solved_by: dict[Group, Relation] = {}
    waiting = [(len(relations[place].parts), place) for place, groups in enumerate(left) if len(groups) == 1]
    heapify(waiting)
    while waiting:
        _, place = heappop(waiting)
        if len(left[place]) == 1:
            (group,) = left[place]
            solved_by[group] = relations[place]
            for other in places[group]:
                left[other].discard(group)
                if len(left[other]) == 1:
                    heappush(waiting, (len(relations[other].parts), other))
    return solved_by


def _chain(target: Collection[Group], solved_by: Mapping[Group, Relation]) -> list[Relation]:
    """The relations that a solution follows, each once."""
    chain: dict[Relation, None] = {}
    waiting = list(target)
    while waiting:
        group = waiting.pop()
        relation = solved_by[group]
        if relation not in chain:
            chain[relation] = None
            waiting += [other for other in relation.groups if other in solved_by and other != group]
    return list(chain)


def _smallest(groups: Collection[Group], counts: Mapping[Group, int]) -> Group:
    """The smallest of some groups; everybody where there are none."""
    return min(groups, key=lambda group: (counts[group], sorted(group)), default=frozenset())


def _solved_together(
    relations: Sequence[Relation],
    counts: Mapping[Group, int],
    unknown_groups: Collection[Group],
    targets: Sequence[tuple[Group, ...]],
    shown: Collection[Group],
) -> set[Group]:
    """As `_solved`, for solutions that need several relations at once."""
    # what was solved in another way is known, and adds nothing to a target
    rest = [tuple(group for group in target if group in unknown_groups) for target in targets]
    wanted = {group for target in rest for group in target}
    told, unknown = _that_tell(relations, unknown_groups, wanted)
    place = {
        group: number for number, group in enumerate(sorted({group for one in unknown for group in one}, key=sorted))
    }
    asked = [target for target in rest if target and all(group in place for group in target)]
    if not asked:
        return set()
    system = _standing(list(place), told)
    left, values, right = np.linalg.svd(system, full_matrices=True)
    rank = int((values > NEAR_0).sum())
    sums = np.zeros((len(asked), len(place)))
    for number, target in enumerate(asked):
        sums[number, [place[group] for group in target]] = 1
    has_solution = np.abs(sums @ left[:, rank:]).max(axis=1, initial=0.0) < NEAR_0
    if not has_solution.any():
        return set()
    groups = [group for group in shown if group]
    # how each shown group stands in each relation, and the ways to add relations up to nothing
    standing = _standing(groups, told)
    is_free = np.abs(standing @ right[rank:].T).max(axis=1, initial=0.0) >= NEAR_0
    used = standing @ (right[:rank].T / values[:rank]) @ (sums[has_solution] @ left[:, :rank]).T
    found: set[Group] = set()
    for is_met in (np.abs(used) > NEAR_0).T:
        # without one that is needed there is no other way
        ways = list(compress(groups, is_met & ~is_free)) or list(compress(groups, is_met))
        if not found & set(ways):
            found.add(_smallest(ways, counts))
    return found


def _unknown(
    relations: Sequence[Relation], counts: Mapping[Group, int], totals: Mapping[Group, int], hidden: Collection[Group]
) -> set[Group]:
    """The groups that nobody is told of. One without any respondent hides nobody and is no unknown."""
    found = {group for group in hidden if counts.get(group, 1) > 0}
    # finest first: what is made of something unknown is unknown as well
    for relation in relations:
        for group in relation.groups:
            if group not in counts and group not in hidden and totals.get(group, 0) > 0:
                found.add(group)
        if relation.whole not in counts and any(part in found for part in relation.parts):
            found.add(relation.whole)
    return found & {group for relation in relations for group in relation.groups}


def _standing(groups: Sequence[Group], relations: Sequence[Relation]) -> Array:
    """1 where a group is a part, -1 where it is the whole, else 0; shape (groups, relations)."""
    place = {group: number for number, group in enumerate(groups)}
    found = np.zeros((len(groups), len(relations)))
    for number, relation in enumerate(relations):
        found[[place[group] for group in relation.all_parts if group in place], number] = 1
        if relation.whole in place:
            found[place[relation.whole], number] = -1
    return found


def _that_tell(
    relations: Sequence[Relation], unknown_groups: Collection[Group], wanted: Collection[Group]
) -> tuple[list[Relation], list[list[Group]]]:
    """The relations that may tell something, with their unknown groups.

    One that holds something unknown that is in no other, and that nobody asks for, tells nothing.
    """
    told = list(relations)
    unknown = [[group for group in one.groups if group in unknown_groups] for one in told]
    while True:
        times = Counter(group for groups in unknown for group in groups)
        is_kept = [bool(groups) and all(times[group] > 1 or group in wanted for group in groups) for groups in unknown]
        if all(is_kept):
            return told, unknown
        told, unknown = list(compress(told, is_kept)), list(compress(unknown, is_kept))


def _targets(
    relations: Sequence[Relation], totals: Mapping[Group, int], unknown: Collection[Group], least: int
) -> Iterator[tuple[Group, ...]]:
    """What nobody may know: each small group that is not shown, and those of one whole that are small together."""
    small = {group for group in unknown if 0 < totals.get(group, 0) < least}
    yield from ((group,) for group in sorted(small, key=sorted))
    for relation in relations:
        together = tuple(group for group in relation.all_parts if group in small)
        if len(together) > 1 and sum(totals[group] for group in together) < least:
            yield together
