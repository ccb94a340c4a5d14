"""Making a baseline: fit it on some respondents, predict for others, write a run that is scored as a model's is."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench._io import (
    MANIFEST,
    check_destination,
    check_files,
    check_name,
    new_folder,
    write_manifest,
)
from worldvaluesbench.baselines._distributions import (
    fit_distributions,
    read_distributions,
    with_world_marginals,
    world_distributions,
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
from worldvaluesbench.baselines._respondents import COUNTRIES, Level, check_asked, find_levels, read_respondents
from worldvaluesbench.baselines._trees import (
    Watch,
    default_attributes,
    describe_growing,
    find_features,
    fit_trees,
    has_lightgbm,
    load_lightgbm,
    read_trees,
)
from worldvaluesbench.benchmark import dataset_difference
from worldvaluesbench.errors import RunError
from worldvaluesbench.planning import ExampleSet, Rows
from worldvaluesbench.prompts import differences
from worldvaluesbench.runs import RUN_KIND, complete_answers, describe_run, used_versions, write_precomputed_run
from worldvaluesbench.survey import Grouping

FIT_KIND = "fit"

Answer = Callable[[str, Rows], NDArray[Any]]
"""From an item and respondents to their ratings, shape (rows,), or probabilities, shape (rows, points)."""

Made = tuple[Answer, dict[str, Any]]
"""A baseline that is ready to answer, and its settings as a run says them."""


class Fit(Protocol):
    """Something fitted: it predicts, and can be written to a folder."""

    def probabilities(self, item_id: str, rows: Rows) -> NDArray[np.float64]: ...

    def write(self, folder: Path) -> None: ...


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
    ratings of other respondents of train and valid. A few items have no world marginals and are left out; the manifest
    names them. `watch` is called with the number of items that `trees` has fitted.

    Raises RunError for an option that the baseline does not use or a fit that is another one; DatasetError where an
    example's respondent is among those it is made from; ModelError where `trees` lacks its library; FolderError where
    the folder cannot be made.
    """
    chosen = options or BaselineOptions()
    _check(name, examples, Path(out), chosen, force=force)
    asked = with_world_marginals(examples) if chosen.source == "world" else examples
    answer, settings = _human(asked, chosen) if name == "human" else _fitted(name, asked, chosen, watch)
    table = answers_table(asked, answer)
    model = {"backend": "baseline", "model": name, **settings}
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

    `trees` is left out where its library is absent. Each uses its own part of the options, and keeps its fit in a
    folder of its name under theirs.

    Raises as `build_baseline` does; what can be known before long work before anything is made.
    """
    chosen = options or BaselineOptions()
    if chosen.called is not None:
        raise RunError(f"Several baselines cannot all be called {chosen.called!r}; each has the name of its own.")
    own = {name: options_for(name, chosen) for name in makeable()}
    for name, its in own.items():
        _check(name, examples, Path(out) / name, its, force=force)
    return {
        name: build_baseline(name, examples, Path(out) / name, options=its, watch=watch, force=force)
        for name, its in own.items()
    }


def makeable() -> tuple[BaselineName, ...]:
    """The baselines that can be made here: all, but for `trees` where its library is absent."""
    return tuple(name for name in BASELINES if name != "trees" or has_lightgbm())


def answers_table(examples: ExampleSet, answer: Answer) -> pl.DataFrame:
    """The answers table of a run: a row per example, item by item, with a rating or probabilities."""
    ids = examples.dataset.respondents(["respondent_id"])["respondent_id"].to_numpy()
    items = pl.Enum(examples.dataset.codebook.item_ids)
    parts = []
    for item_id in examples.item_ids:
        rows = examples.rows_of(item_id)
        given = answer(item_id, rows)
        answers = pl.Series("rating", given) if given.ndim == 1 else pl.Series("probabilities", given).arr.to_list()
        part = pl.DataFrame([pl.Series("respondent_id", ids[rows]), answers])
        parts.append(part.select(pl.lit(item_id, dtype=items).alias("item_id"), pl.all()))
    return complete_answers(pl.concat(parts))


def _check(name: BaselineName, examples: ExampleSet, out: Path, options: BaselineOptions, *, force: bool) -> None:
    """Everything that can be known to fail before long work."""
    check_options(name, options)
    check_name(options.called or name, out, RunError, what="run's name", advice="choose another with --name")
    check_destination(out, RUN_KIND, force=force)
    check_asked(name, examples, fitted_on(name, options))


def _human(examples: ExampleSet, options: BaselineOptions) -> Made:
    dataset = examples.dataset
    cross = tuple(examples.source.get("cross", ()))
    levels = find_levels(dataset, options.groups or (Grouping(cross) if cross else COUNTRIES))
    donors = read_respondents(dataset, FITTED_ON["human"], options.weight)

    def answer(item_id: str, rows: Rows) -> NDArray[np.int8]:
        # a generator for each item, so that its draws do not depend on which other items are asked
        rng = np.random.default_rng([options.seed, dataset.codebook.item_ids.index(item_id)])
        return draw_ratings(donors, dataset.codebook.item(item_id), rows, levels, rng=rng)

    return answer, _settings("human", options) | {"groups": _names(levels), "seed": options.seed}


def _fitted(name: BaselineName, examples: ExampleSet, options: BaselineOptions, watch: Watch | None) -> Made:
    dataset, items = examples.dataset, examples.item_ids
    if options.source == "world":
        return world_distributions(items, dataset.codebook).probabilities, {"made_from": "world"}
    settings = _settings(name, options)
    if name == "trees":
        load_lightgbm()  # fails at once where it is absent
        attributes = default_attributes(dataset.codebook) if options.attributes is None else options.attributes
        settings |= {"attributes": list(attributes), "seed": options.seed} | describe_growing()
    else:
        levels = find_levels(dataset, options.groups or COUNTRIES) if name == "cell" else ()
        settings |= {"groups": _names(levels)} if levels else {}

    def fit() -> Fit:
        respondents = read_respondents(dataset, FITTED_ON[name], options.weight)
        if name != "trees":
            return fit_distributions(respondents, items, levels)
        features = find_features(respondents, attributes)
        return fit_trees(respondents, items, features, seed=options.seed, threads=options.threads, watch=watch)

    if options.fit is None:
        return fit().probabilities, settings
    content = {
        "baseline": name,
        "settings": settings,
        "dataset": dataset.receipt,
        "is_invented": dataset.is_invented,
        "item_ids": list(items),
    }
    if not _has_fit(options.fit, content):
        made = fit()
        with new_folder(options.fit, FIT_KIND) as staging:
            made.write(staging)
            write_manifest(staging, FIT_KIND, {**content, "versions": used_versions()})
    if name == "trees":
        return read_trees(options.fit, attributes, dataset).probabilities, settings
    return read_distributions(options.fit, levels).probabilities, settings


def _has_fit(folder: Path, wanted: Mapping[str, Any]) -> bool:
    """Whether this folder holds the fit wanted; False where there is nothing yet.

    Raises RunError where the folder holds something else, or a fit of another baseline, dataset or settings, or
    without some of the items; FolderError where it is damaged.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if not (folder / MANIFEST).is_file():
        raise RunError(f"{folder}: holds no fit; choose an absent or empty folder to keep one in.")
    found = check_files(folder, FIT_KIND)
    different = differences(*({key: one[key] for key in ("baseline", "settings")} for one in (found, wanted)))
    other = dataset_difference(found["dataset"], wanted["dataset"])
    if other is not None:
        different.append(f"dataset: {other}")
    if different:
        raise RunError(f"{folder}: holds another fit ({'; '.join(different[:3])}); choose another folder for this one.")
    absent = [item_id for item_id in wanted["item_ids"] if item_id not in found["item_ids"]]
    if absent:
        raise RunError(
            f"{folder}: was fitted without {len(absent)} of the {len(wanted['item_ids'])} items that are asked, the "
            f"first of them {absent[0]}; fit them in another folder."
        )
    return True


def _settings(name: BaselineName, options: BaselineOptions) -> dict[str, Any]:
    return {"made_from": list(FITTED_ON[name]), "weight": options.weight}


def _names(levels: Sequence[Level]) -> list[str]:
    return [level.grouping.name for level in levels]
