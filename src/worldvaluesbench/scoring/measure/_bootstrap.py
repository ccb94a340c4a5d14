"""The bootstrap of respondents: the distances that other respondents, drawn from the same ones, would have given.

Whole respondents (or whole clusters of them) are resampled, with all their responses and with the answers given for
them; so what is summed over items moves as it does in truth. A completion that several respondents share is one draw
of the model and not several: such completions are resampled for themselves. One resample is a row of numbers, how often
each respondent is in it, and all distances of a group come from one matrix product of these rows with what each
respondent adds to each scale point.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.scoring.measure._pairing import Entries, Panel
from worldvaluesbench.scoring.measure._summary import ANSWERS
from worldvaluesbench.scoring.sources import MAJORITY, UNIFORM, WORLD
from worldvaluesbench.stats import (
    Array,
    Draws,
    Floats,
    Ints,
    Resampling,
    collapse_singletons,
    draw_multiplicities,
    shares_of,
)

PEOPLE_AT_ONCE = 4096
"""Sheets, what each person adds to each point, are made for so many people at a time."""

AT_ONCE = 2_000_000
"""Numbers of one batch of groups: 8 MB, which a processor keeps at hand."""

LEAST_SHAPE = 0.1
"""The least shape of the random weights of shared completions."""

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
class Design:
    """How respondents were sampled: the stratum and the cluster of each, shape (respondents,), as whole numbers.

    None: one stratum; respondents are no clusters, each was drawn alone.
    """

    stratum: NDArray[np.int64] | None = None
    cluster: NDArray[np.int64] | None = None

    def is_same(self, other: "Design") -> bool:
        """Whether another design is the same."""
        pairs = (self.stratum, other.stratum), (self.cluster, other.cluster)
        return all(
            one is two or (one is not None and two is not None and np.array_equal(one, two)) for one, two in pairs
        )


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
    panels: Sequence[Panel],
    member: NDArray[np.int64] | None,
    design: Design,
    resampling: Resampling,
) -> People:
    """Resample the respondents of some panels within the strata of a design, by its clusters.

    `member`: the group of each respondent; None: all are in one. The same seed draws the same respondents for every
    grouping, whatever the order of the groups. Whoever lacks the responses cannot repeat the draws: the generator is
    seeded with a keyed hash of them as well (`Panel.key`).
    """
    sides = [entries for panel in panels for entries in (panel.humans, panel.answers) if panel.marginals is None]
    sides += [panel.answers for panel in panels if panel.marginals is not None]
    is_met = np.zeros(max(panel.n_people for panel in panels), dtype=bool)
    for entries in sides:
        is_met[entries.person] = True
    place = np.flatnonzero(is_met)
    stratum = np.zeros(place.size, dtype=np.int64) if design.stratum is None else design.stratum[place]
    cluster = np.arange(place.size) if design.cluster is None else design.cluster[place]
    # a cluster that reaches into several strata is one in each of them
    pairs = stratum.astype(np.int64) * (int(cluster.max(initial=0)) + 1) + cluster
    _, first, unit = np.unique(pairs, return_index=True, return_inverse=True)
    drawn = draw_multiplicities(
        collapse_singletons(stratum[first]), resampling.n, rng=generator_of(panels[0], resampling)
    )
    group = np.zeros(place.size, dtype=np.int64) if member is None else member[place]
    order = np.argsort(group, kind="stable")
    order = order[group[order] >= 0]
    of_unit = unit[order]
    return People(place[order], group[order], np.ascontiguousarray(drawn.times[of_unit]), drawn.factor[of_unit])


def generator_of(panel: Panel, resampling: Resampling, *stream: int) -> np.random.Generator:
    """The generator of one stream of random numbers: of the seed, and of the responses where there are any."""
    return np.random.default_rng([resampling.seed, *stream, *panel.key])


@dataclass(frozen=True)
class Drawn:
    """What the people of some groups add up to, cumulated over the points of each item, in shares.

    `columns` are those of all items of the first group, then of the next. `humans` and `answers` as they are, shape
    (columns, 1), and as drawn, (columns, resamples). `n_respondents`, shape (groups x items,), is the number of humans.
    `has_refusals`: the last point of each item is a refusal. `world`: the cumulative shares of the world marginals,
    (columns, 1).
    """

    columns: Columns
    humans: Floats
    answers: Floats
    drawn_humans: Floats
    drawn_answers: Floats
    n_respondents: Array
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
    """A panel whose respondents are resampled, group by group."""

    def __init__(self, panel: Panel, people: People, resampling: Resampling) -> None:
        self.panel = panel
        self.people = people
        self.columns = columns_of(panel.n_points)
        self._resampling = resampling
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
        answers, drawn_answers = self._sums(self._answers, groups, is_drawn=True)
        if self.panel.marginals is not None:
            humans, drawn_humans = self._world()
        sums = [columns.cumulated(found) for found in (humans, answers, drawn_humans, drawn_answers)]
        humans, answers, drawn_humans, drawn_answers = map(columns.shares, sums)
        return Drawn(
            columns,
            humans,
            answers,
            drawn_humans,
            drawn_answers,
            self._n_respondents(groups),
            self.panel.has_refusals,
            self._world_shares(len(groups)),
        )

    def _sums(self, entries: Entries, groups: range, *, is_drawn: bool) -> tuple[Floats, Floats]:
        """Sums of weight, shape (columns of all groups, 1), and as drawn, (columns of all groups, resamples)."""
        columns, people = self.columns, self.people
        total = np.zeros((len(groups) * columns.n, 1), dtype=np.float64)
        drawn = np.zeros((total.shape[0], people.times.shape[1] if is_drawn else 0), dtype=np.float32)
        for place, group in enumerate(groups):
            which = slice(place * columns.n, (place + 1) * columns.n)
            shared = []
            for part in self._parts(group):
                index, person = _of_people(entries, people.place[part])
                column = columns.start[entries.item[index]] + entries.point[index]
                weight = None if entries.weight is None else entries.weight[index]
                total[which, 0] += np.bincount(column, weights=weight, minlength=columns.n)
                if is_drawn and entries.completion is not None:
                    is_shared = entries.completion[index] >= 0
                    taken = index[is_shared]
                    of_taken = np.ones(taken.size) if weight is None else weight[is_shared]
                    found = (entries.completion[taken], column[is_shared], entries.item[taken], of_taken)
                    shared.append(np.column_stack(found))
                    person, column = person[~is_shared], column[~is_shared]
                    weight = None if weight is None else weight[~is_shared]
                n_people = part.stop - part.start
                if is_drawn and person.size * SPARSE < n_people * columns.n:
                    _add_entries(drawn[which], people, part.start + person, column, weight)
                elif is_drawn:
                    drawn[which] += _sheet(person, column, weight, n_people, columns).T @ people.drawn(part)
            if any(part.size for part in shared):
                drawn[which] += self._resample_completions(np.concatenate(shared))
        return total, drawn

    def _resample_completions(self, shared: Array) -> Draws:
        """What completions that several respondents share add to each column, in each resample, (columns, resamples).

        `shared`: for each entry its completion, column, item, weight. Completions of an item are exchangeable draws of
        the model, so each gets a random weight: a gamma variable with the shape (U - 2) / U for U completions, for
        which a mean over them varies by the variance between completions over U - 1, as it should. Source: the
        Bayesian bootstrap (Rubin, 1981), whose weights are gamma variables of shape 1. A single one cannot vary.
        """
        columns, n = self.columns, self.people.times.shape[1]
        completion, column, item = (part.astype(np.int64) for part in shared.T[:3])
        known, place = np.unique(completion, return_inverse=True)
        sheet = np.bincount(place * columns.n + column, weights=shared[:, 3], minlength=known.size * columns.n)
        pairs = np.unique(item * known.size + place)
        n_of_item = np.bincount(pairs // known.size)
        typical = float(np.median(n_of_item[n_of_item > 0]))
        if typical < 2:
            return np.asarray(sheet.reshape(known.size, columns.n).sum(axis=0)[:, None], dtype=np.float32)
        shape = max((typical - 2) / typical, LEAST_SHAPE)
        drawn = generator_of(self.panel, self._resampling, 2).standard_gamma(shape, (known.size, n), dtype=np.float32)
        return np.asarray(sheet.reshape(known.size, columns.n).astype(np.float32).T @ (drawn / np.float32(shape)))

    def _n_respondents(self, groups: range) -> Array:
        """How many humans each item of some groups has, shape (groups x items,)."""
        if self.panel.marginals is not None:
            return np.tile(self.panel.marginals.sum(axis=1).astype(np.float64), len(groups))
        found = []
        for group in groups:
            start, end = np.searchsorted(self.people.member, [group, group + 1])
            index, _ = _of_people(self._humans, self.people.place[start:end])
            found.append(np.bincount(self._humans.item[index], minlength=self.panel.n_items))
        return np.concatenate(found).astype(np.float64)

    def _world(self) -> tuple[Floats, Floats]:
        """The world's counts, and counts of as many other interviews; each item apart, for nobody is known by name."""
        assert self.panel.marginals is not None
        columns, rng = self.columns, generator_of(self.panel, self._resampling, 1)  # not the stream of respondents
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


def _by_person(entries: Entries) -> Entries:
    """The entries in the order of their respondents."""
    if entries.size == 0 or bool((np.diff(entries.person) >= 0).all()):
        return entries
    return entries.take(np.argsort(entries.person, kind="stable"))


def _of_people(entries: Entries, place: Ints) -> tuple[Ints, Ints]:
    """The entries of these respondents: where they are, and whose of them (from 0) each is."""
    first = np.searchsorted(entries.person, place, side="left")
    size = np.searchsorted(entries.person, place, side="right") - first
    person = np.repeat(np.arange(place.size), size)
    return np.arange(person.size) + np.repeat(first - (np.cumsum(size) - size), size), person


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
