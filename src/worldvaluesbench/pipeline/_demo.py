"""The demonstration: the whole path once, on a synthetic survey, with stand-in models that answer over real HTTP.

It ends with the report of two stand-in models, with and without demographics, beside the baselines.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from worldvaluesbench._io import new_file
from worldvaluesbench.asking import Outcome, Watch
from worldvaluesbench.baselines import BaselineOptions, build_baselines
from worldvaluesbench.benchmark import Dataset, build_dataset
from worldvaluesbench.errors import FolderError, ModelError, ProbeError
from worldvaluesbench.models.hosted import HostedModel
from worldvaluesbench.pipeline._report import CountWatch, report_results
from worldvaluesbench.pipeline._results import PARTS, Results, ask_model, plan_probe, run_name, slug_of
from worldvaluesbench.planning import split_examples
from worldvaluesbench.prompts import make_settings
from worldvaluesbench.scoring import MIN_N, How, once_a_baseline, score_answers
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import (
    MAJORITY,
    UNIFORM,
    majority_distances,
    read_answers,
    respondents_reference,
    uniform_distances,
)
from worldvaluesbench.survey import Grouping, Marginals, load_marginals
from worldvaluesbench.survey.synthetic import write_synthetic

SURVEY, DATASET, RESULTS, WORLD = "survey.csv", "dataset", "results", "world_baselines.csv"
FITS, BY_COUNTRY = "fits", "baselines"

MIN_RESPONDENTS = 2_000

ITEMS = ("Q1", "Q46", "Q57", "Q106", "Q112", "Q121", "Q131", "Q158", "Q164", "Q176", "Q199", "Q235")
"""One item of each topic of the paper's probe set: a third of its requests."""

COUNTRY = Grouping(("B_COUNTRY",))

MODELS = ("mock-good", "mock-poor")

EXPECTED = (UNIFORM, "marginal", "cell", "trees", "human")
"""Baselines in the order expected, the farthest first: nothing, the item, the country, all attributes, a respondent."""

LISTED = (UNIFORM, MAJORITY, *EXPECTED[1:])

_WHY = {
    "marginal": "the marginal shares are farther from these countries than uniform ones",
    "trees": (
        "what attributes tell beyond the country averages out over it, and estimating it adds error; it shows in finer "
        "groups and at the individual level"
    ),
    "human": (
        "it answers with one rating per respondent, so its distance has the sampling error of two samples, and that of "
        "a baseline that answers with probabilities of one"
    ),
}


@dataclass(frozen=True)
class Watches:
    """Progress callbacks: of asking, and of fitting."""

    asking: Watch | None = None
    fitting: CountWatch | None = None


@dataclass(frozen=True)
class Demo:
    """What a demonstration leaves behind: its folder, and the results in it.

    `outcomes`: how each run ended, by its name. `page`: the report of `comparison`. `by_country`: the mean distance of
    every baseline over countries. `world`: for every item that has world marginals its distances from the uniform and
    the majority baseline.
    """

    folder: Path
    dataset: Dataset
    outcomes: dict[str, Outcome]
    comparison: Comparison
    page: Path
    by_country: dict[str, float]
    world: pl.DataFrame


def run_demo(
    folder: Path,
    *,
    n_respondents: int,
    seed: int,
    force: bool,
    say: Callable[[str], None],
    watches: Watches | None = None,
) -> Demo:
    """Make a synthetic survey and its dataset, ask two stand-in models over HTTP, compare them with baselines.

    `say` is called with the title of each step as it starts. Every step writes into `folder`.
    """
    if n_respondents < MIN_RESPONDENTS:
        raise ProbeError(
            f"A demonstration has at least {MIN_RESPONDENTS:,} respondents, got {n_respondents:,}: "
            f"of fewer too few are in each cell of the probe."
        )
    # two runs that differ in the persona alone
    chosen = [make_settings(preset, method="sampled") for preset in ("default", "default-no-demographics")]
    named = {
        run_name(model, settings): (model, settings) for model in ("mock-good", "mock-poor") for settings in chosen
    }
    _check_folder(folder, named)
    told = watches or Watches()
    say(f"1. Make a synthetic survey of {n_respondents:,} respondents")
    write_synthetic(folder / SURVEY, n_respondents, seed=seed, force=force)
    say("2. Build a dataset from it")
    dataset = build_dataset(folder / SURVEY, folder / DATASET, force=force)
    if force:
        for part in (RESULTS, FITS, BY_COUNTRY):  # of the survey that was replaced
            shutil.rmtree(folder / part, ignore_errors=True)
    say("3. Draw the paper's probe set, and ask two stand-in models over HTTP, with and without demographics")
    results = Results(folder / RESULTS, dataset, ITEMS)
    with mock_process() as base_url:
        outcomes = {
            name: ask_model(
                results, plan_probe(results, settings), HostedModel(model, base_url), name, watch=told.asking
            )
            for name, (model, settings) in named.items()
        }
    say("4. Fit baselines, and let them answer for the whole test split")
    by_country = _by_country(folder, dataset, told.fitting)
    say("5. Compare the models with one another and with baselines, and write the report")
    comparison, page = report_results(results, fit=folder / FITS, watch=told.fitting)
    say("6. Compare the uniform and the majority baseline with the real world marginals, all items\n")
    world = world_baselines(load_marginals())
    with new_file(folder / WORLD, force=force) as path:
        world.write_csv(path)
    return Demo(folder, dataset, outcomes, comparison, page, by_country, world)


def _check_folder(folder: Path, run_names: Mapping[str, object]) -> None:
    """Raise FolderError where the folder holds anything that no demonstration makes."""
    if folder.is_file():
        raise FolderError(f"{folder}: is a file; expected the name of a folder to make.")
    own = {"": {SURVEY, DATASET, RESULTS, WORLD, FITS, BY_COUNTRY}, f"{RESULTS}/": {*PARTS, *map(slug_of, run_names)}}
    foreign = [
        f"{within}{name}"
        for within, known in own.items()
        if (folder / within).is_dir()
        for name in sorted({path.name for path in (folder / within).iterdir()} - known)
    ]
    if foreign:
        raise FolderError(f"{folder}: holds {foreign[0]}, which is not of a demonstration; choose another folder.")


@contextmanager
def mock_process() -> Iterator[str]:
    """A mock server in a process of its own, on a free port; gives its base URL.

    Raises ModelError where it does not start.
    """
    call = [sys.executable, "-m", "worldvaluesbench", "mock-server", "--port", "0"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            first = server.stdout.readline()
            found = next((word for word in first.split() if word.startswith("http")), None)
            if found is None:
                raise ModelError("The mock server did not start; `wvb mock-server` says why.")
            yield found
        finally:
            server.terminate()


def _by_country(folder: Path, dataset: Dataset, watch: CountWatch | None) -> dict[str, float]:
    """The mean distance by country of every baseline, over the whole test split."""
    examples = split_examples(dataset, "test", ITEMS)
    made = build_baselines(examples, folder / BY_COUNTRY, options=BaselineOptions(fit=folder / FITS), watch=watch)
    answers = [read_answers(folder / BY_COUNTRY / name) for name in made]
    # means that are compared are over the same cells; no confidence interval needs more respondents in each
    how = How(min_n_stated=MIN_N)
    scores = score_answers(answers, respondents_reference(dataset), groupings=[COUNTRY], how=how)
    return mean_by_group(scores.summary, COUNTRY.name)


def mean_by_group(summary: pl.DataFrame, grouping: str) -> dict[str, float]:
    """The unweighted mean distance of every baseline over the groups of a grouping, from a `summary` of scores.

    `noise floor` among them: the mean distance of two human samples of the groups' sizes.
    """
    rows = once_a_baseline(summary.filter(pl.col("grouping") == grouping))
    means = rows.group_by("answered_by").agg(pl.col("mean", "noise_floor").mean())
    found = {name: (mean, floor) for name, mean, floor in means.rows()}
    distances = {name: found[name][0] for name in LISTED if name in found and found[name][0] is not None}
    floor = found.get("human", (None, None))[1]
    return distances if floor is None else distances | {"noise floor": floor}


def explain_order(means: Mapping[str, float], expected: Sequence[str] = EXPECTED) -> list[str]:
    """A sentence for each baseline that scores worse than one that is expected to score worse still.

    >>> explain_order({"uniform": 0.2, "cell": 0.02, "trees": 0.01})
    []
    >>> explain_order({"uniform": 0.1, "marginal": 0.2})
    ['marginal scores worse than uniform: the marginal shares are farther from these countries than uniform ones.']
    """
    names = [name for name in expected if name in means]
    sentences = []
    for place, name in enumerate(names):
        better = [other for other in names[:place] if means[other] < means[name]]
        if better:
            why = f": {_WHY[name]}." if name in _WHY else "."
            sentences.append(f"{name} scores worse than {' and '.join(better)}{why}")
    return sentences


def world_baselines(marginals: Marginals) -> pl.DataFrame:
    """For every item with world marginals: topic, n, and the distances of the uniform and the majority baseline."""
    items = [item for item in marginals.codebook.items if item.item_id in marginals.item_ids]
    counts = marginals.as_array()
    n_points = np.array([item.scale.n_points for item in items])
    return pl.DataFrame(
        {
            "item_id": [item.item_id for item in items],
            "topic": [item.topic for item in items],
            "n_responses": counts.sum(axis=1),
            "uniform": uniform_distances(counts, n_points),
            "majority": majority_distances(counts, n_points),
        }
    )
