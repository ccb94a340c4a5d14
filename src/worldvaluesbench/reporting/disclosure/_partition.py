"""How groups of respondents make up one another: a group is the sum of its parts by one more attribute.

Respondents who lack a level of the attribute are a part as well, though no table shows it.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from worldvaluesbench.benchmark import load_edition
from worldvaluesbench.survey import load_derived_attributes

Group = frozenset[tuple[str, int]]
"""A group by its attributes and the codes of their levels; the empty one is everybody."""

LACKING = -1
"""The code that stands for lacking a level, whatever the reason; codes of levels are 0 and more."""


class Relation(NamedTuple):
    """A group and its parts by one more attribute, or by the attribute from which one of its own is derived.

    `rest`: the respondents who lack a level of the attribute; None where the parts are all there is.
    """

    whole: Group
    parts: tuple[Group, ...]
    rest: Group | None

    @property
    def all_parts(self) -> tuple[Group, ...]:
        """The parts, and the respondents who lack a level."""
        return self.parts if self.rest is None else (*self.parts, self.rest)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The whole and its parts."""
        return (self.whole, *self.all_parts)

    @property
    def codes(self) -> list[int]:
        """The codes of the whole."""
        return [code for _, code in self.whole]


def group_of(grouping: str, codes: str | None) -> Group:
    """The group of a row of a table, by its grouping and its codes as they stand there; everybody is the empty one.

    >>> sorted(group_of("continent*H_URBRURAL", "2·1"))
    [('H_URBRURAL', 1), ('continent', 2)]
    """
    return (
        frozenset() if codes is None else frozenset(zip(grouping.split("*"), map(int, codes.split("·")), strict=True))
    )


def relations_of(groups: Collection[Group], edition: str | None = None) -> Iterator[Relation]:
    """Every group as the sum of its parts, the finest first, for groups that there are and for those between them.

    `edition`: of the dataset; some codes have no level of a derived attribute there.
    """
    known = set(groups)
    attributes = {name for group in known for name, _ in group}
    waiting = {_attributes(group) for group in known}
    done: set[frozenset[str]] = set()
    while waiting:
        finest = max(waiting, key=lambda one: (_depth(one), sorted(one)))
        waiting.remove(finest)
        done.add(finest)
        members = _with_lacking([group for group in known if _attributes(group) == finest])
        for drop, keep in _coarser(finest, attributes):
            wholes: dict[Group, list[Group]] = {}
            for group in members:
                wholes.setdefault(_merge(group, drop, keep, edition), []).append(group)
            known |= set(wholes)
            waiting |= {frozenset(finest - {drop} | ({keep} if keep else set()))} - done
            for whole, parts in wholes.items():
                rest = None if keep else whole | {(drop, LACKING)}
                yield Relation(whole, tuple(part for part in parts if part != rest), rest)


def _with_lacking(members: Sequence[Group]) -> list[Group]:
    """Groups by the same attributes, and all that have no level of some of these attributes."""
    found = set(members)
    for group in members:
        for n in range(1, len(group) + 1):
            for levels in combinations(sorted(group), n):
                found.add((group - set(levels)) | {(name, LACKING) for name, _ in levels})
    return sorted(found, key=sorted)


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


def _merge(group: Group, drop: str, keep: str | None, edition: str | None) -> Group:
    """The coarser group that a group is part of; a code without a level of the attribute in place lacks one."""
    rest = {(name, code) for name, code in group if name != drop}
    if keep is None:
        return frozenset(rest)
    code, derived = dict(group)[drop], load_derived_attributes()[keep]
    has_none = drop == "Q275" and edition is not None and code in load_edition(edition).education_without_level
    return frozenset(rest | {(keep, LACKING if has_none else derived.level_of.get(code, LACKING))})
