"""Small groups that can be computed from what is shown: which other groups must not be shown, so that they cannot.

Everybody less the women are the men. Groups of several groupings, shown with their n and shares, are a system of linear
equations; whoever solves it has what was left out. So groups are left out until no small one has a solution. Source:
complementary cell suppression; Willenborg and de Waal (2001), *Elements of Statistical Disclosure Control*, chapter 6.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.distribution import Array
from worldvaluesbench.survey.attributes import load_derived_attributes

Group = frozenset[tuple[str, int]]
"""A group by its attributes and the codes of their levels; the empty one is everybody."""

NEAR_0 = 1e-8


@dataclass(frozen=True)
class _Relation:
    """A group is the sum of its parts by one more attribute, and of those who lack a level of it."""

    whole: Group
    parts: tuple[Group, ...]
    n_lacking: int


def find_complements(counts: Mapping[Group, int], hidden: Collection[Group], least: int) -> set[Group]:
    """The groups that must be hidden as well, so that nothing is known of a hidden group of fewer than `least` people.

    `counts`: how many people each group has, hidden ones (if known) among them. Of several that would do, the smallest
    is hidden. Those who lack a level are no group, and nothing is hidden for their sake.
    """
    relations = list(_relations(counts))
    more: set[Group] = set()
    while found := _solved(relations, counts, {*hidden, *more}, least):
        more |= found
    return more


def _solved(
    relations: Sequence[_Relation], counts: Mapping[Group, int], hidden: Collection[Group], least: int
) -> set[Group]:
    """For each small hidden group that has a solution, the smallest group without which it has none."""
    targets = list(_targets(relations, counts, hidden, least))
    wanted = {group for target in targets for group in target}
    told, unknown = _that_tell(relations, counts, hidden, wanted)
    place = {
        group: number for number, group in enumerate(sorted({group for one in unknown for group in one}, key=sorted))
    }
    system = _standing(list(place), told).T
    free = _null_space(system)
    shown = [group for group in counts if group not in hidden]
    # how each shown group stands in each relation, and the ways to add relations up to nothing
    standing = _standing(shown, told)
    idle = standing @ _null_space(system.T)
    found: set[Group] = set()
    for target in targets:
        if not all(group in place for group in target):
            continue
        sum_of = np.zeros(len(place))
        sum_of[[place[group] for group in target]] = 1
        if np.abs(sum_of @ free).max(initial=0.0) < NEAR_0:
            used = standing @ np.linalg.lstsq(system.T, sum_of, rcond=None)[0]
            is_met = np.abs(used) > NEAR_0
            is_needed = is_met & (np.abs(idle).max(axis=1, initial=0.0) < NEAR_0)
            # without one that is needed there is no other way; everybody is hidden where nothing else is met
            ways = _of(shown, is_needed) or _of(shown, is_met) or [frozenset()]
            if not found & set(ways):
                found.add(min(ways, key=lambda group: (counts[group], sorted(group))))
    return found


def _of(groups: Sequence[Group], which: NDArray[np.bool_]) -> list[Group]:
    """Some of the groups, without everybody."""
    return [group for group in compress(groups, which.tolist()) if group]


def _standing(groups: Sequence[Group], relations: Sequence[_Relation]) -> Array:
    """1 where a group is a part, -1 where it is the whole, else 0; shape (groups, relations)."""
    place = {group: number for number, group in enumerate(groups)}
    found = np.zeros((len(groups), len(relations)))
    for number, relation in enumerate(relations):
        found[[place[group] for group in relation.parts if group in place], number] = 1
        if relation.whole in place:
            found[place[relation.whole], number] = -1
    return found


def _that_tell(
    relations: Sequence[_Relation], counts: Mapping[Group, int], hidden: Collection[Group], wanted: Collection[Group]
) -> tuple[list[_Relation], list[list[Group]]]:
    """The relations that may tell something, with their unknown groups.

    One that holds something unknown that is in no other, and that nobody asks for, tells nothing: so do those with
    people who lack a level.
    """
    told = [relation for relation in relations if relation.n_lacking == 0]
    unknown = [[group for group in (one.whole, *one.parts) if group in hidden or group not in counts] for one in told]
    while True:
        times = Counter(group for groups in unknown for group in groups)
        is_kept = [bool(groups) and all(times[group] > 1 or group in wanted for group in groups) for groups in unknown]
        if all(is_kept):
            return told, unknown
        told, unknown = list(compress(told, is_kept)), list(compress(unknown, is_kept))


def _null_space(system: Array) -> Array:
    """What may be added to a solution, (unknown, dimensions)."""
    _, values, rows = np.linalg.svd(system, full_matrices=True)
    rank = int((values > NEAR_0).sum())
    free: Array = rows[rank:].T
    return free


def _targets(
    relations: Sequence[_Relation], counts: Mapping[Group, int], hidden: Collection[Group], least: int
) -> Iterator[tuple[Group, ...]]:
    """What nobody may know: each small hidden group, and those of one whole that are small together."""
    related = {group for relation in relations for group in (relation.whole, *relation.parts)}
    small = [group for group in hidden if 0 < counts.get(group, 0) < least and group in related]
    yield from ((group,) for group in sorted(small, key=sorted))
    for relation in relations:
        together = tuple(group for group in relation.parts if group in hidden and counts.get(group, 0) > 0)
        if len(together) > 1 and sum(counts[group] for group in together) < least:
            yield together


def _relations(counts: Mapping[Group, int]) -> Iterator[_Relation]:
    """Every group as the sum of its parts, for groups that are shown and for those that could be."""
    sums = list(_sums(set(counts)))
    # what is not counted has at least the people of its parts
    totals = dict(counts)
    for whole, parts in sums:
        if whole not in counts:
            totals[whole] = max(totals.get(whole, 0), sum(totals.get(part, 0) for part in parts))
    for whole, parts in sums:
        yield _Relation(whole, parts, max(totals[whole] - sum(totals.get(part, 0) for part in parts), 0))


def _sums(groups: set[Group]) -> Iterator[tuple[Group, tuple[Group, ...]]]:
    """Groups and their parts, the finest first; groups between those that there are come with them."""
    attributes = {name for group in groups for name, _ in group}
    waiting = {_attributes(group) for group in groups}
    done: set[frozenset[str]] = set()
    while waiting:
        finest = max(waiting, key=lambda one: (_depth(one), sorted(one)))
        waiting.remove(finest)
        done.add(finest)
        members = sorted((group for group in groups if _attributes(group) == finest), key=sorted)
        for drop, keep in _coarser(finest, attributes):
            wholes: dict[Group, list[Group]] = {}
            for group in members:
                whole = _merge(group, drop, keep)
                if whole is not None:
                    wholes.setdefault(whole, []).append(group)
            groups |= set(wholes)
            waiting |= {frozenset(finest - {drop} | ({keep} if keep else set()))} - done
            yield from ((whole, tuple(parts)) for whole, parts in wholes.items())


def _attributes(group: Group) -> frozenset[str]:
    return frozenset(name for name, _ in group)


def _depth(attributes: Collection[str]) -> int:
    """How fine groups by these attributes are; one by a country is finer than one by a continent."""
    derived = load_derived_attributes()
    return sum(1 if name in derived else 2 for name in attributes)


def _coarser(attributes: frozenset[str], all_attributes: Collection[str]) -> Iterator[tuple[str, str | None]]:
    """What to leave out for the next coarser groups, and what to put in place: a level derived from it, or nothing."""
    for name in sorted(attributes):
        yield name, None
        for key, derived in load_derived_attributes().items():
            if derived.source == name and key in all_attributes and key not in attributes:
                yield name, key


def _merge(group: Group, drop: str, keep: str | None) -> Group | None:
    """The coarser group that a group is part of; None where the level in place has no such level."""
    rest = {(name, code) for name, code in group if name != drop}
    if keep is None:
        return frozenset(rest)
    level = load_derived_attributes()[keep].level_of.get(dict(group)[drop])
    return None if level is None else frozenset(rest | {(keep, level)})
