"""Resampling: the distances that other people, drawn from the same ones, would have given.

Whole people are drawn, with all their responses and, where the answers given for them move too, with those answers; so
what is summed over items moves as it does in truth. One draw of people is a row of numbers, how often each is in it,
and all distances of a group come from one matrix product of these rows with what each person adds to each point.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.distribution import Array, shares_of
from worldvaluesbench.estimate import Draws, Floats, Resampling, draw_multiplicities
from worldvaluesbench.scoring.askings import Ints
from worldvaluesbench.scoring.baselines import MAJORITY, UNIFORM, WORLD
from worldvaluesbench.scoring.panel import Entries, Panel
from worldvaluesbench.scoring.summary import ANSWERS

PEOPLE_AT_ONCE = 4096
"""Sheets, what each person adds to each point, are made for so many people at a time."""

AT_ONCE = 2_000_000
"""Numbers of one batch of groups: 8 MB, which a processor keeps at hand."""

SPARSE = 30
"""Where people have entries for less than one in so many columns, entries are added up one by one."""


@dataclass(frozen=True)
class Columns:
    """The columns of a sheet: for each item, one for each point of its scale, in order. Shapes (columns,), (items,).

    Sums over columns stand the other way round, (columns, draws), for then all steps run along whole rows of draws.
    """

    item: Ints
    start: Ints
    n_points: Ints

    @property
    def n(self) -> int:
        """How many there are."""
        return self.item.size

    @property
    def last(self) -> Ints:
        """The column of the last point of each item."""
        return self.start + self.n_points - 1

    def shares(self, sums: Floats) -> Floats:
        """Cumulative sums (columns, draws) as shares of their totals; NaN where the total is 0."""
        total = sums[self.last]
        with np.errstate(invalid="ignore", divide="ignore"):
            inverse = 1 / np.where(total > 0, total, np.nan)
        return np.asarray(sums * inverse[self.item].astype(sums.dtype))

    def mean_gap(self, sizes: Floats) -> Floats:
        """Sizes of the gaps between cumulative shares (columns, draws) as distances, (items, draws)."""
        total = sizes[self.start]
        for place in range(1, int(self.n_points.max()) - 1):
            has = np.flatnonzero(self.n_points > place + 1)
            total[has] += sizes[self.start[has] + place]
        return np.asarray(total / (self.n_points - 1).astype(sizes.dtype)[:, None])

    def uniform(self) -> Draws:
        """The cumulative shares of the uniform distribution, shape (columns, 1)."""
        place = np.arange(self.n) - self.start[self.item]
        return ((place + 1) / self.n_points[self.item]).astype(np.float32)[:, None]

    def masses(self, cumulated: Floats) -> Floats:
        """The shares (or sums) of single points, (columns, draws), of cumulative ones."""
        single = np.diff(cumulated, axis=0, prepend=0).astype(cumulated.dtype)
        single[self.start] = cumulated[self.start]
        return single

    def by_scale(self, cumulated: Floats) -> Iterator[tuple[Ints, Floats]]:
        """Items with scales of one length: which they are, and their shares, (points, such items, draws)."""
        single = self.masses(cumulated)
        for n in np.unique(self.n_points).tolist():
            items = np.flatnonzero(self.n_points == n)
            yield items, single[self.start[items] + np.arange(n)[:, None]]

    def majority(self, humans: Floats) -> Draws:
        """The cumulative shares of all on the most frequent point of cumulative sums, the lowest of several."""
        single = self.masses(humans)
        top = single[self.start]
        for place in range(1, int(self.n_points.max())):
            has = np.flatnonzero(self.n_points > place)
            top[has] = np.maximum(top[has], single[self.start[has] + place])
        is_top = self.cumulated(single >= top[self.item] - np.float32(1e-7))
        return np.where(np.isnan(humans), np.float32(np.nan), np.minimum(is_top, np.float32(1)))

    def cumulated(self, sums: NDArray[Any]) -> Draws:
        """Sums (columns, draws) cumulated over the points of each item."""
        cumulated: Draws = sums.astype(np.float32)
        for place in range(1, int(self.n_points.max())):
            column = self.start[self.n_points > place] + place
            cumulated[column] += cumulated[column - 1]
        return cumulated


def columns_of(n_points: Ints) -> Columns:
    """The columns for items with scales of these lengths."""
    n_points = n_points.astype(np.int64)
    start = np.cumsum(n_points) - n_points
    return Columns(np.repeat(np.arange(n_points.size), n_points), start, n_points)


@dataclass(frozen=True)
class People:
    """Who is drawn: people by their places, sorted by group, and how often each is in each resample.

    `place`, shape (people,), holds places as panels have them; `member` their groups; `times`, shape (people,
    resamples), how often they are drawn, each time counting as `factor`, shape (people,).
    """

    place: Ints
    member: Ints
    times: NDArray[np.uint8]
    factor: NDArray[np.float32]

    def drawn(self, which: slice | Ints) -> Draws:
        """How much some of the people count in each resample, shape (such people, resamples)."""
        return self.times[which] * self.factor[which, None]


def draw_people(
    panels: Sequence[Panel], member: NDArray[np.int64] | None, stratum: NDArray[np.int64] | None, resampling: Resampling
) -> People:
    """Draw the people of some panels anew, those of a stratum among themselves; None: all are in one group or stratum.

    The same seed draws the same people for every grouping, whatever the order of the groups.
    """
    sides = [entries for panel in panels for entries in (panel.humans, panel.answers) if panel.marginals is None]
    sides += [panel.answers for panel in panels if panel.marginals is not None]
    is_met = np.zeros(max(panel.n_people for panel in panels), dtype=bool)
    for entries in sides:
        is_met[entries.person] = True
    place = np.flatnonzero(is_met)
    of_stratum = np.zeros(place.size, dtype=np.int64) if stratum is None else without_loners(stratum[place])
    drawn = draw_multiplicities(of_stratum, resampling.n, rng=np.random.default_rng(resampling.seed))
    group = np.zeros(place.size, dtype=np.int64) if member is None else member[place]
    order = np.argsort(group, kind="stable")
    order = order[group[order] >= 0]
    return People(place[order], group[order], np.ascontiguousarray(drawn.times[order]), drawn.factor[order])


def without_loners(stratum: NDArray[np.int64]) -> NDArray[np.int64]:
    """Strata, (people,), with those of one person put together, for nobody could stand for whoever is alone.

    A single one is put with the smallest of the others. Source: collapsed strata, Wolter (2007), section 2.5.
    """
    names, place, n = np.unique(stratum, return_inverse=True, return_counts=True)
    loners = np.flatnonzero(n == 1)
    if not loners.size or names.size == 1:
        return place.astype(np.int64)
    together = loners[0]
    if loners.size == 1:
        together = np.argmin(np.where(n == 1, n.max() + 1, n))
    return np.where(n[place] == 1, together, place).astype(np.int64)


@dataclass(frozen=True)
class Drawn:
    """What the people of some groups add up to, cumulated over the points of each item, in shares.

    `columns` are those of all items of the first group, then of the next. `humans` and `answers` as they are, shape
    (columns, 1), and as drawn, (columns, resamples); answers that are left as they are, (columns, 1). `n_humans` and
    `n_answers`, shape (groups x items,), are the sums that they are shares of. `has_refusals`: the last point of each
    item is a refusal. `world`: the cumulative shares of the world marginals, (columns, 1).
    """

    columns: Columns
    humans: Floats
    answers: Floats
    drawn_humans: Floats
    drawn_answers: Floats
    n_humans: Array
    n_answers: Array
    has_refusals: bool = False
    world: Floats | None = None

    @property
    def answered_by(self) -> Iterator[tuple[str, Floats, Floats]]:
        """The gaps between the cumulative shares of humans and of each answerer: as they are, and as drawn.

        First those of the answers, then of each baseline: the humans' most frequent point is found anew in each draw.
        """
        columns = self.columns
        yield ANSWERS, self.humans - self.answers, self.drawn_humans - self.drawn_answers
        if self.has_refusals:
            return  # baselines do not refuse
        yield UNIFORM, self.humans - columns.uniform(), self.drawn_humans - columns.uniform()
        of_draws = self.drawn_humans - columns.majority(self.drawn_humans)
        yield MAJORITY, self.humans - columns.majority(self.humans), of_draws
        if self.world is not None:
            yield WORLD, self.humans - self.world, self.drawn_humans - self.world


class Drawing:
    """A panel whose people are drawn, group by group."""

    def __init__(self, panel: Panel, people: People, resampling: Resampling) -> None:
        self.panel = panel
        self.people = people
        self.columns = columns_of(panel.n_points)
        self._side = resampling.side
        self._seed = resampling.seed
        self._humans, self._answers = _by_person(panel.humans), _by_person(panel.answers)

    @property
    def is_sparse(self) -> bool:
        """Whether people have so few entries that no matrix product will be made."""
        return max(self._humans.size, self._answers.size) * SPARSE < self.people.place.size * self.columns.n

    def batches(self, n_groups: int) -> Iterator[range]:
        """Groups side by side, as many at a time as fit into `AT_ONCE` numbers."""
        step = max(1, AT_ONCE // (self.columns.n * max(1, self.people.times.shape[1])))
        for first in range(0, n_groups, step):
            yield range(first, min(first + step, n_groups))

    def sums(self, groups: range) -> Drawn:
        """The sums of some groups."""
        columns = columns_of(np.tile(self.panel.n_points, len(groups)))
        humans, drawn_humans = self._sums(self._humans, groups, is_drawn=self.panel.marginals is None)
        answers, drawn_answers = self._sums(self._answers, groups, is_drawn=self._side == "both")
        if self.panel.marginals is not None:
            humans, drawn_humans = self._world()
        sums = [columns.cumulated(found) for found in (humans, answers, drawn_humans)]
        sums.append(columns.cumulated(drawn_answers) if self._side == "both" else sums[1])
        n_humans, n_answers = (found[columns.last, 0].astype(np.float64) for found in sums[:2])
        humans, answers, drawn_humans, drawn_answers = map(columns.shares, sums)
        return Drawn(
            columns,
            humans,
            answers,
            drawn_humans,
            drawn_answers,
            n_humans,
            n_answers,
            self.panel.has_refusals,
            self._world_shares(len(groups)),
        )

    def influence(self, group: int, of_humans: Array, of_answers: Array) -> Iterator[Array]:
        """The influence of each person of a group on the distance of each item, shape (people at once, items).

        It is the weight of the person's entries times the gradients at their columns (`gradients`).
        """
        for part in self._parts(group):
            place, columns = self.people.place[part], self.columns
            found = np.zeros((place.size, columns.n_points.size), dtype=np.float64)
            if self.panel.marginals is None:
                _add_influence(found, *_of_people(self._humans, place, columns), of_humans, columns)
            if self._side == "both":
                _add_influence(found, *_of_people(self._answers, place, columns), -of_answers, columns)
            yield found

    def _sums(self, entries: Entries, groups: range, *, is_drawn: bool) -> tuple[Floats, Floats]:
        """Sums of weight, shape (columns of all groups, 1), and as drawn, (columns of all groups, resamples)."""
        columns, people = self.columns, self.people
        total = np.zeros((len(groups) * columns.n, 1), dtype=np.float64)
        drawn = np.zeros((total.shape[0], people.times.shape[1] if is_drawn else 0), dtype=np.float32)
        for place, group in enumerate(groups):
            which = slice(place * columns.n, (place + 1) * columns.n)
            for part in self._parts(group):
                person, column, weight = _of_people(entries, people.place[part], columns)
                total[which, 0] += np.bincount(column, weights=weight, minlength=columns.n)
                n_people = part.stop - part.start
                if is_drawn and person.size * SPARSE < n_people * columns.n:
                    _add_entries(drawn[which], people, part.start + person, column, weight)
                elif is_drawn:
                    drawn[which] += _sheet(person, column, weight, n_people, columns).T @ people.drawn(part)
        return total, drawn

    def _world(self) -> tuple[Floats, Floats]:
        """The world's counts, and counts of as many other interviews; each item apart, for nobody is known by name."""
        assert self.panel.marginals is not None
        columns, rng = self.columns, np.random.default_rng([self._seed, 1])  # not the stream of people
        value = np.zeros((columns.n, 1), dtype=np.float64)
        drawn = np.zeros((columns.n, self.people.times.shape[1]), dtype=np.float32)
        for item, padded in enumerate(self.panel.marginals):
            which = slice(columns.start[item], columns.start[item] + columns.n_points[item])
            counts = padded[: columns.n_points[item]]
            n = int(counts.sum())
            value[which, 0] = counts
            if n:
                drawn[which] = rng.multinomial(n, counts / n, size=drawn.shape[1]).T
        return value, drawn

    def _world_shares(self, n_groups: int) -> Draws | None:
        """The cumulative shares of the world marginals in the columns of so many groups; NaN for items without."""
        if self.panel.world is None:
            return None
        shares = np.cumsum(shares_of(self.panel.world), axis=-1)
        place = np.arange(self.columns.n) - self.columns.start[self.columns.item]
        return np.tile(shares[self.columns.item, place], n_groups).astype(np.float32)[:, None]

    def _parts(self, group: int) -> Iterator[slice]:
        start, end = (int(edge) for edge in np.searchsorted(self.people.member, [group, group + 1]))
        for first in range(start, end, PEOPLE_AT_ONCE):
            yield slice(first, min(first + PEOPLE_AT_ONCE, end))


def gradients(drawn: Drawn) -> tuple[Array, Array]:
    """How distances move with a little more weight on a point, of the humans and of the answers; shapes (columns,).

    Weight on a point moves the cumulative shares at and above it up, and all of them towards where they are.
    """
    columns = drawn.columns
    sign = np.nan_to_num(np.sign(drawn.humans - drawn.answers).astype(np.float64))
    sign[columns.last] = 0
    total = np.add.reduceat(sign, columns.start, axis=0)
    above = total[columns.item] - (columns.cumulated(sign) - sign)
    steps = (columns.n_points - 1)[columns.item]
    found = []
    for share, n_items in ((drawn.humans, drawn.n_humans), (drawn.answers, drawn.n_answers)):
        mass = np.nan_to_num(np.diff(share.astype(np.float64), axis=0, prepend=0))
        mass[columns.start] = np.nan_to_num(share[columns.start])
        mean = np.add.reduceat(above * mass, columns.start, axis=0)[columns.item]
        n = n_items[columns.item]
        found.append(np.divide((above - mean)[:, 0], n * steps, out=np.zeros_like(n), where=n > 0))
    return found[0], found[1]


def _by_person(entries: Entries) -> Entries:
    """The entries in the order of their persons."""
    if entries.size == 0 or bool((np.diff(entries.person) >= 0).all()):
        return entries
    order = np.argsort(entries.person, kind="stable")
    weight = None if entries.weight is None else entries.weight[order]
    return Entries(entries.person[order], entries.item[order], entries.point[order], weight)


def _of_people(entries: Entries, place: Ints, columns: Columns) -> tuple[Ints, Ints, Array | None]:
    """The entries of these people: who of them (from 0), the column, the weight."""
    first = np.searchsorted(entries.person, place, side="left")
    size = np.searchsorted(entries.person, place, side="right") - first
    person = np.repeat(np.arange(place.size), size)
    index = np.arange(person.size) + np.repeat(first - (np.cumsum(size) - size), size)
    column = columns.start[entries.item[index]] + entries.point[index]
    return person, column, None if entries.weight is None else entries.weight[index]


def _sheet(person: Ints, column: Ints, weight: Array | None, n_people: int, columns: Columns) -> Draws:
    """What each of these people adds to each point, shape (people, columns)."""
    flat = np.bincount(person * columns.n + column, weights=weight, minlength=n_people * columns.n)
    return flat.reshape(n_people, columns.n).astype(np.float32)


def _add_entries(drawn: Draws, people: People, person: Ints, column: Ints, weight: Array | None) -> None:
    """Add up entries one by one, which is faster than a matrix product where people have few of them."""
    if not person.size:
        return
    order = np.argsort(column, kind="stable")
    rows = people.drawn(person[order])
    if weight is not None:
        rows *= weight[order].astype(np.float32)[:, None]
    met, start = np.unique(column[order], return_index=True)
    drawn[met] += np.add.reduceat(rows, start, axis=0)


def _add_influence(
    found: Array, person: Ints, column: Ints, weight: Array | None, gradient: Array, columns: Columns
) -> None:
    """Add what entries do to the distance of their item, shape (people, items)."""
    n_items = found.shape[1]
    moved = gradient[column] if weight is None else gradient[column] * weight
    found += np.bincount(person * n_items + columns.item[column], moved, found.size).reshape(found.shape)
