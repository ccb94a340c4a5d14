"""Making a baseline: fit it on people, let it answer for others, write a run that is scored as a model's is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench._io import check_destination, check_name
from worldvaluesbench.baselines._chain import COUNTRIES, Level, find_levels
from worldvaluesbench.baselines._distributions import (
    Distributions,
    fit_distributions,
    with_world_marginals,
    world_distributions,
)
from worldvaluesbench.baselines._features import default_attributes, find_features
from worldvaluesbench.baselines._fits import (
    describe_fit,
    find_fit,
    read_distributions,
    read_trees,
    write_distributions,
    write_trees,
)
from worldvaluesbench.baselines._human import draw_ratings
from worldvaluesbench.baselines._options import (
    BASELINES,
    FITTED_ON,
    BaselineName,
    BaselineOptions,
    check_options,
    fitted_on,
    options_for,
)
from worldvaluesbench.baselines._people import check_asked, read_people
from worldvaluesbench.baselines._trees import Trees, Watch, describe_growing, fit_trees, has_lightgbm, load_lightgbm
from worldvaluesbench.errors import RunError
from worldvaluesbench.planning import ExampleSet, Rows
from worldvaluesbench.runs import ANSWER_COLUMNS, RUN_KIND, describe_run, used_versions, write_precomputed_run
from worldvaluesbench.survey import Grouping

Answer = Callable[[str, Rows], NDArray[Any]]
"""Given an item and respondents: their ratings, shape (rows,), or probabilities, shape (rows, points)."""


@dataclass(frozen=True)
class Baseline:
    """A baseline that is ready to answer, and what a run says of it."""

    answer: Answer
    settings: Mapping[str, Any]


def build_baseline(
    name: BaselineName,
    examples: ExampleSet,
    out: Path | str,
    *,
    options: BaselineOptions | None = None,
    watch: Watch | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Make a finished run folder of a baseline's answers to these examples; returns its manifest.

    `marginal`, `cell` and `trees` answer with probabilities and are fitted on the train split; `human` answers with
    ratings that other people of train and valid gave. The world has no marginals of a few items, which are left out;
    the manifest names them. `watch` is told how many items `trees` has fitted.

    Raises RunError for an option that the baseline has no use for or a fit that is another one; DatasetError where
    anyone asked about is among the people it is made from; ModelError where `trees` lacks its library; FolderError
    where the folder cannot be made.
    """
    chosen = options or BaselineOptions()
    _check(name, examples, Path(out), chosen, force=force)
    asked = with_world_marginals(examples) if chosen.source == "world" else examples
    baseline = _make(name, asked, chosen, watch)
    table = answers_table(asked, baseline.answer)
    model = {"backend": "baseline", "model": name, **baseline.settings}
    content = describe_run(chosen.called or name, model, asked.describe(), asked.dataset, None, (asked.n, 0, 0))
    left_out = [item_id for item_id in examples.item_ids if item_id not in asked.item_ids]
    counts = {"n_answers": table.height, "unparsed": {}, "items_left_out": left_out, "versions": used_versions()}
    return write_precomputed_run(Path(out), content, table, counts=counts, force=force)


def build_baselines(
    examples: ExampleSet,
    out: Path | str,
    *,
    options: BaselineOptions | None = None,
    watch: Watch | None = None,
    force: bool = False,
) -> dict[BaselineName, dict[str, Any]]:
    """Make every baseline that can be made here, each in the folder of its name under `out`; returns their manifests.

    `trees` is left out where its library is absent. Each takes of the options what it has a use for, and keeps its
    fit in a folder of its name under theirs.

    Raises as `build_baseline` does; what can be known before long work before anything is made.
    """
    chosen = options or BaselineOptions()
    if chosen.called is not None:
        raise RunError(f"Several baselines cannot all be called {chosen.called!r}; each has the name of its own.")
    own = {name: options_for(name, chosen) for name in makeable()}
    folders = {name: Path(out) / name for name in own}
    for name, its in own.items():
        _check(name, examples, folders[name], its, force=force)
    return {
        name: build_baseline(name, examples, folders[name], options=its, watch=watch, force=force)
        for name, its in own.items()
    }


def makeable() -> tuple[BaselineName, ...]:
    """The baselines that can be made here: all, but for `trees` where its library is absent."""
    return tuple(name for name in BASELINES if name != "trees" or has_lightgbm())


def answers_table(examples: ExampleSet, answer: Answer) -> pl.DataFrame:
    """The answers table of a run: a row an example, item by item, with a rating or probabilities."""
    ids = examples.dataset.respondents(["respondent_id"])["respondent_id"].to_numpy()
    parts = []
    for item_id in examples.item_ids:
        rows = examples.rows_of(item_id)
        given = answer(item_id, rows)
        kind = "rating" if given.ndim == 1 else "probabilities"
        answers = pl.Series(kind, given) if given.ndim == 1 else pl.Series(kind, given).arr.to_list()
        part = pl.DataFrame([pl.Series("respondent_id", ids[rows]), answers])
        parts.append(part.select(pl.lit(item_id, dtype=_items(examples)).alias("item_id"), pl.all()))
    found = pl.concat(parts)
    constants = {"order": 0, "sample": 0, "coverage": 1.0, "n": 1, "attempt": 0}
    values = [
        pl.col(name).cast(dtype) if name in found.columns else pl.lit(constants.get(name), dtype=dtype).alias(name)
        for name, dtype in ANSWER_COLUMNS.items()
    ]
    return found.select("item_id", *values)


def _items(examples: ExampleSet) -> pl.Enum:
    return pl.Enum(examples.dataset.codebook.item_ids)


def _check(name: BaselineName, examples: ExampleSet, out: Path, options: BaselineOptions, *, force: bool) -> None:
    """Everything that can be known to fail before long work."""
    check_options(name, options)
    check_name(options.called or name, out, RunError, what="run's name", advice="choose another with --name")
    check_destination(out, RUN_KIND, force=force)
    check_asked(name, examples, fitted_on(name, options))


def _make(name: BaselineName, examples: ExampleSet, options: BaselineOptions, watch: Watch | None) -> Baseline:
    if name == "human":
        return _human(examples, options)
    if name == "trees":
        return _trees(examples, options, watch)
    return _distributions(name, examples, options)


def _distributions(name: BaselineName, examples: ExampleSet, options: BaselineOptions) -> Baseline:
    dataset = examples.dataset
    if options.source == "world":
        world = world_distributions(examples.item_ids, dataset.codebook)
        return Baseline(world.probabilities, {"made_from": "world"})
    levels = find_levels(dataset, options.groups or COUNTRIES) if name == "cell" else ()
    settings = _settings(name, options) | ({"groups": _names(levels)} if levels else {})
    content = describe_fit(name, settings, dataset, examples.item_ids)

    def fit() -> Distributions:
        return fit_distributions(read_people(dataset, FITTED_ON[name], options.weight), examples.item_ids, levels)

    if options.fit is None:
        return Baseline(fit().probabilities, settings)
    if not find_fit(options.fit, content):
        write_distributions(options.fit, fit(), dataset, content)
    return Baseline(read_distributions(options.fit, levels).probabilities, settings)


def _trees(examples: ExampleSet, options: BaselineOptions, watch: Watch | None) -> Baseline:
    load_lightgbm()  # says at once where it is absent
    dataset = examples.dataset
    attributes = default_attributes(dataset.codebook) if options.attributes is None else options.attributes
    seen = {"attributes": list(attributes), "seed": options.seed}
    settings = _settings("trees", options) | seen | describe_growing()
    content = describe_fit("trees", settings, dataset, examples.item_ids)

    def fit() -> Trees:
        people = read_people(dataset, FITTED_ON["trees"], options.weight)
        features = find_features(people, attributes)
        return fit_trees(people, examples.item_ids, features, seed=options.seed, threads=options.threads, watch=watch)

    if options.fit is None:
        return Baseline(fit().probabilities, settings)
    if not find_fit(options.fit, content):
        write_trees(options.fit, fit(), content)
    return Baseline(read_trees(options.fit, attributes, dataset).probabilities, settings)


def _human(examples: ExampleSet, options: BaselineOptions) -> Baseline:
    dataset = examples.dataset
    cross = tuple(examples.source.get("cross", ()))
    levels = find_levels(dataset, options.groups or (Grouping(cross) if cross else COUNTRIES))
    people = read_people(dataset, FITTED_ON["human"], options.weight)

    def answer(item_id: str, rows: Rows) -> NDArray[np.int8]:
        # a generator for each item, so that its draws do not depend on which other items are asked
        rng = np.random.default_rng([options.seed, dataset.codebook.item_ids.index(item_id)])
        return draw_ratings(people, dataset.codebook.item(item_id), rows, levels, rng=rng)

    return Baseline(answer, _settings("human", options) | {"groups": _names(levels), "seed": options.seed})


def _settings(name: BaselineName, options: BaselineOptions) -> dict[str, Any]:
    return {"made_from": list(FITTED_ON[name]), "weight": options.weight}


def _names(levels: Sequence[Level]) -> list[str]:
    return [level.grouping.name for level in levels]
