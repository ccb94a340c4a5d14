"""How near the baselines of people come by country, and why they do not stand as one would expect."""

from collections.abc import Mapping, Sequence

import polars as pl

from worldvaluesbench.scoring import once_a_baseline
from worldvaluesbench.scoring.sources import MAJORITY, UNIFORM

EXPECTED = (UNIFORM, "marginal", "cell", "trees", "human")
"""From far to near, as one would think: knowing nothing, the item, the country, everything, another person."""

LISTED = (UNIFORM, MAJORITY, *EXPECTED[1:])

_OF_TREES = (
    "what they tell beyond the country evens out over it, and telling it has an error of its own; it shows in finer "
    "groups and in single responses"
)
_OF_HUMAN = (
    "it answers with one rating a person, so the chance of two samples stands in its distance, and of one in that of a "
    "baseline that answers with probabilities"
)
_WHY = {
    "marginal": "the shares of everybody are farther from these countries than even ones are",
    "trees": _OF_TREES,
    "human": _OF_HUMAN,
}


def mean_by_group(summary: pl.DataFrame, grouping: str) -> dict[str, float]:
    """The mean distance of every baseline over the groups of a grouping, each alike, from a `summary` of scores.

    `noise floor` among them: the mean distance that two samples of people of the groups' sizes have by chance.
    """
    rows = once_a_baseline(summary.filter(pl.col("grouping") == grouping))
    means = rows.group_by("answered_by").agg(pl.col("mean", "noise_floor").mean())
    found = {name: (mean, floor) for name, mean, floor in means.rows()}
    distances = {name: found[name][0] for name in LISTED if name in found and found[name][0] is not None}
    floors = [floor for name, (_, floor) in found.items() if name == "human" and floor is not None]
    return distances | ({"noise floor": floors[0]} if floors else {})


def explain_order(means: Mapping[str, float], expected: Sequence[str] = EXPECTED) -> list[str]:
    """A sentence for each baseline that stands farther than one that should be farther still.

    >>> explain_order({"uniform": 0.2, "cell": 0.02, "trees": 0.01})
    []
    >>> explain_order({"uniform": 0.1, "marginal": 0.2})
    ['marginal stands behind uniform: the shares of everybody are farther from these countries than even ones are.']
    """
    names = [name for name in expected if name in means]
    sentences = []
    for place, nearer in enumerate(names):
        behind = [name for name in names[:place] if means[name] < means[nearer]]
        if behind:
            why = f": {_WHY[nearer]}." if nearer in _WHY else "."
            sentences.append(f"{nearer} stands behind {' and '.join(behind)}{why}")
    return sentences
