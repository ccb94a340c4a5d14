"""The demonstration: the whole path once, on invented people, with stand-in models that answer over real HTTP.

It ends with the report of two stand-in models, with and without demographics, beside baselines of people.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
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
from worldvaluesbench.pipeline._people import mean_by_group
from worldvaluesbench.pipeline._report import CountWatch, report_results
from worldvaluesbench.pipeline._results import PARTS, Results, ask_model, plan_probe, run_name, slug_of
from worldvaluesbench.planning import split_examples
from worldvaluesbench.prompts import Settings, settle
from worldvaluesbench.scoring import MIN_N, How, score_answers
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import majority_distances, read_answers, respondents_reference, uniform_distances
from worldvaluesbench.stats import Array
from worldvaluesbench.survey import Grouping, Marginals, load_marginals
from worldvaluesbench.survey.synthetic import write_synthetic

SURVEY, DATASET, RESULTS, WORLD = "survey.csv", "dataset", "results", "world_baselines.csv"
FITS, BY_COUNTRY = "fits", "baselines"
PARTS_OF_DEMO = (SURVEY, DATASET, RESULTS, WORLD, FITS, BY_COUNTRY)

MIN_RESPONDENTS = 2_000

ITEMS = ("Q1", "Q46", "Q57", "Q106", "Q112", "Q121", "Q131", "Q158", "Q164", "Q176", "Q199", "Q235")
"""One item of each topic of the paper's probe set: a third of its requests."""

COUNTRY = Grouping(("B_COUNTRY",))

MODELS = ("mock-good", "mock-poor")
PRESETS = ("default", "default-no-demographics")


@dataclass(frozen=True)
class Watches:
    """Whom to tell of progress: of asking, and of fitting."""

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
    """Invent a survey, build a dataset, ask two stand-in models over HTTP, hold them and baselines against people.

    `say` is told of each step as it starts. Every step writes into `folder`.
    """
    if n_respondents < MIN_RESPONDENTS:
        raise ProbeError(
            f"A demonstration has at least {MIN_RESPONDENTS:,} respondents, got {n_respondents:,}: "
            f"of fewer too few are in each cell of the probe."
        )
    _check_folder(folder)
    told = watches or Watches()
    say(f"1. Invent a survey of {n_respondents:,} respondents")
    write_synthetic(folder / SURVEY, n_respondents, seed=seed, force=force)
    say("2. Build a dataset from it")
    dataset = build_dataset(folder / SURVEY, folder / DATASET, force=force)
    if force:
        for part in (RESULTS, FITS, BY_COUNTRY):  # of people who are no more
            shutil.rmtree(folder / part, ignore_errors=True)
    say("3. Draw the paper's probe set, and ask two stand-in models over HTTP, with and without demographics")
    results = Results(folder / RESULTS, dataset, ITEMS)
    with mock_process() as base_url:
        outcomes = dict(_ask(results, base_url, name, preset, told.asking) for name in MODELS for preset in PRESETS)
    say("4. Fit baselines of people, and let them answer for the whole test split")
    by_country = _by_country(folder, dataset, told.fitting)
    say("5. Compare the models with one another and with baselines of people, and write the report")
    comparison, page = report_results(results, fit=folder / FITS, watch=told.fitting)
    say("6. Hold the baselines against the real world marginals, all items\n")
    world = world_baselines(load_marginals())
    with new_file(folder / WORLD, force=force) as path:
        world.write_csv(path)
    return Demo(folder, dataset, outcomes, comparison, page, by_country, world)


def _by_country(folder: Path, dataset: Dataset, watch: CountWatch | None) -> dict[str, float]:
    """The mean distance by country of every baseline, for all people of the test split."""
    examples = split_examples(dataset, "test", ITEMS)
    made = build_baselines(examples, folder / BY_COUNTRY, options=BaselineOptions(fit=folder / FITS), watch=watch)
    answers = [read_answers(folder / BY_COUNTRY / name) for name in made]
    # means beside one another are over the same cells, of however few that have a number; no interval needs more
    how = How(min_n_stated=MIN_N)
    scores = score_answers(answers, respondents_reference(dataset), groupings=[COUNTRY], how=how)
    return mean_by_group(scores.summary, COUNTRY.name)


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


def _ask(results: Results, base_url: str, model_name: str, preset: str, watch: Watch | None) -> tuple[str, Outcome]:
    settings = _settings_of(preset)
    name = run_name(model_name, settings)
    plan = plan_probe(results, settings)
    return name, ask_model(results, plan, HostedModel(model_name, base_url), name, watch=watch)


def _settings_of(preset: str) -> Settings:
    """How a demonstration asks: by sampled completions both ways, so that two runs differ in the persona alone."""
    return settle(preset, method="sampled")


def _check_folder(folder: Path) -> None:
    """Raise FolderError where the folder holds anything that no demonstration makes."""
    if folder.is_file():
        raise FolderError(f"{folder}: is a file; expected the name of a folder to make.")
    foreign = sorted({path.name for path in folder.iterdir()} - set(PARTS_OF_DEMO)) if folder.is_dir() else []
    names = {path.name for path in (folder / RESULTS).iterdir()} if (folder / RESULTS).is_dir() else set()
    foreign += sorted(f"{RESULTS}/{name}" for name in names - _names_in_results())
    if foreign:
        raise FolderError(f"{folder}: holds {foreign[0]}, which is not of a demonstration; choose another folder.")


def _names_in_results() -> set[str]:
    runs = {slug_of(run_name(name, _settings_of(preset))) for name in MODELS for preset in PRESETS}
    return set(PARTS) | runs


def world_baselines(marginals: Marginals) -> pl.DataFrame:
    """For every item with world marginals: topic, n, and the distances of the uniform and the majority baseline."""
    items = [item for item in marginals.codebook.items if item.item_id in marginals.item_ids]
    counts = marginals.as_array()
    n_points = np.array([item.scale.n_points for item in items])
    distances: dict[str, Array] = {
        "uniform": uniform_distances(counts, n_points),
        "majority": majority_distances(counts, n_points),
    }
    return pl.DataFrame(
        {
            "item_id": [item.item_id for item in items],
            "topic": [item.topic for item in items],
            "n_responses": counts.sum(axis=1),
            **distances,
        }
    )
