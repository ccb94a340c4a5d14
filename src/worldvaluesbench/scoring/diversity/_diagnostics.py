"""Diagnostics of every source: do its answers vary as people do, within groups, between them and across items?"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from worldvaluesbench.scoring import How
from worldvaluesbench.scoring.diversity._diversity import (
    describe_collapse,
    describe_determination,
    summarise_collapse,
    summarise_determination,
)
from worldvaluesbench.scoring.diversity._structure import compare_structure, positions_of
from worldvaluesbench.scoring.measure import Entries, Source, tally_panel
from worldvaluesbench.scoring.sources import POOLED, Groups
from worldvaluesbench.stats import Array


def diagnose(sources: Sequence[Source], groups: Groups, how: How) -> Iterator[tuple[str, pl.DataFrame]]:
    """The diagnostic tables of every source by the groups of one grouping, each with its name.

    A cell that is too small for one source is left out for all, as in what is compared: so all are over the same cells.
    """
    least = max(how.least_n(is_stated=source.panel.is_stated) for source in sources)
    for source in sources:
        keys = (pl.lit(source.answers.name).alias("answers"), pl.lit(groups.grouping).alias("grouping"))
        for name, table in _of_source(source, groups, least):
            yield name, table.select(*keys, pl.all())


def _of_source(source: Source, groups: Groups, least: int) -> Iterator[tuple[str, pl.DataFrame]]:
    tally = tally_panel(source.panel, groups.member, len(groups.labels))
    is_shown = np.asarray((tally.n_responses >= least) & (tally.n_examples >= least))
    item_ids = [item.item_id for item in source.humans.items]
    cells = describe_collapse(
        tally.humans,
        tally.answers,
        tally.n_points,
        item_ids=item_ids,
        groups=groups,
        is_shown=is_shown,
    ).filter(is_shown.ravel())
    yield "collapse", cells
    yield "collapse_summary", summarise_collapse(cells)
    if groups is not POOLED:
        shown = is_shown[..., None]
        n_effective = np.where(is_shown, tally.n_effective, 0)
        items = describe_determination(
            tally.humans * shown, tally.answers * shown, tally.n_points, item_ids=item_ids, n_effective=n_effective
        )
        yield "determination", items
        yield "determination_summary", summarise_determination(items)
    elif source.panel.marginals is None:
        yield "structure", _structure(source)


def _structure(source: Source) -> pl.DataFrame:
    """Which items go together in the responses, and in the answers given for the same people."""
    panel = source.panel
    people, place = np.unique(panel.examples.person, return_inverse=True)
    of_answers = Entries(
        np.searchsorted(people, panel.answers.person), panel.answers.item, panel.answers.point, panel.answers.weight
    )
    of_humans = Entries(place, panel.examples.item, panel.examples.point, panel.examples.weight)
    positions = [positions_of(side, panel.n_points, people.size) for side in (of_humans, of_answers)]
    weight: Array | None = None if source.humans.weights is None else source.humans.weights[people]
    topics = [item.topic for item in source.humans.items]
    return compare_structure(positions[0], positions[1], topics, weight=weight)
