"""Boosted trees: what can be told of a person's response from all that is known of the person (extra `baselines`).

LightGBM, one classifier an item, with probabilities over the points of its scale. It begins with the distributions of
`cell`, and trees are added for what these leave to be told.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.baselines._chain import COUNTRIES, Level, find_levels
from worldvaluesbench.baselines._distributions import Distributions, fit_distributions
from worldvaluesbench.baselines._features import Features
from worldvaluesbench.baselines._people import People
from worldvaluesbench.benchmark import Dataset
from worldvaluesbench.errors import ModelError
from worldvaluesbench.planning import Rows
from worldvaluesbench.stats import Array
from worldvaluesbench.survey import COUNTRY_COLUMN

HELD_OUT, PATIENCE, MOST_ROUNDS = 0.15, 10, 300
"""Trees are added as long as they help with this share of the people, who are held out of growing them: until so many
in a row have not. Few people bear few trees."""

PARAMETERS: Mapping[str, Any] = {
    "learning_rate": 0.1,
    "num_leaves": 6,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "cat_smooth": 100,
    "cat_l2": 1000,
    "min_data_per_group": 100,
}
"""How the trees grow: small ones, and slow to believe what few people with the same country or faith say."""

FEWEST = 2 * PARAMETERS["min_data_in_leaf"]
"""Fewer people than this cannot be split in two leaves, and bear no tree."""

RAREST = 1e-6
"""The least that a point may begin with, so that it has a logarithm."""

_EXACT: Mapping[str, Any] = {"num_threads": 1, "deterministic": True, "force_col_wise": True, "verbosity": -1}
"""What gives the same trees each time, however many items are fitted at a time."""

Watch = Callable[[int, int], None]
"""Told how many items are done, of how many."""


@dataclass(frozen=True)
class Trees:
    """Fitted trees: the distributions they begin with, what they see, and the model of each item.

    Models are in LightGBM's text format; empty where there are no trees, and the beginning stands.
    """

    start: Distributions = field(repr=False)
    features: Features
    models: Mapping[str, str] = field(repr=False)
    dataset: Dataset = field(repr=False)

    def probabilities(self, item_id: str, rows: Rows) -> Array:
        """What the trees give these respondents, shape (rows, points); to seven digits, which take half the room."""
        scores = _logarithms(self.start, item_id, rows)
        if self.models[item_id]:
            booster = load_lightgbm().Booster(model_str=self.models[item_id])
            scores = scores + booster.predict(self._matrix[rows], raw_score=True)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        rounded: Array = shares.astype(np.float32).astype(np.float64)
        return rounded

    @cached_property
    def _matrix(self) -> NDArray[np.float32]:
        return self.features.matrix(self.dataset)


def start_levels(dataset: Dataset, attribute_ids: Sequence[str]) -> tuple[Level, ...]:
    """The groups with whose distributions trees begin: countries, where these are seen; else everybody."""
    return find_levels(dataset, COUNTRIES) if COUNTRY_COLUMN in attribute_ids else ()


def fit_trees(
    people: People,
    item_ids: Sequence[str],
    features: Features,
    *,
    seed: int = 0,
    threads: int | None = None,
    watch: Watch | None = None,
) -> Trees:
    """Fit the classifiers of some items, several at a time. The same seed gives the same trees.

    While they grow, trees begin with the distributions of the people they grow on; when they answer, with those of all
    the people, which are the better ones.

    Raises ModelError where LightGBM is not installed, DatasetError where nobody has a response to an item.
    """
    levels = start_levels(people.dataset, features.attribute_ids)
    data = _data_of(people, features, levels, {**PARAMETERS, **_EXACT, "seed": seed})
    models: dict[str, str] = {}
    fitted = _fit_all(data, item_ids, threads or os.cpu_count() or 1)
    for n_done, (item_id, model) in enumerate(fitted, start=1):
        models[item_id] = model
        if watch is not None:
            watch(n_done, len(item_ids))
    in_order = {item_id: models[item_id] for item_id in item_ids}
    return Trees(fit_distributions(people, item_ids, levels), features, in_order, people.dataset)


def describe_growing() -> dict[str, Any]:
    """How the trees grow, for a manifest."""
    growing = {"held_out": HELD_OUT, "patience": PATIENCE, "most_rounds": MOST_ROUNDS}
    return {"parameters": dict(PARAMETERS) | growing}


def load_lightgbm() -> Any:
    """LightGBM, which takes a second to load.

    Raises ModelError where it is not installed, or cannot be loaded.
    """
    try:
        import lightgbm
    except ImportError:
        raise ModelError("trees: needs LightGBM; pip install 'worldvaluesbench[baselines]'.") from None
    except OSError as error:  # its library is there, and that of OpenMP is not
        reason = str(error).splitlines()[0]
        raise ModelError(f"trees: LightGBM cannot be loaded ({reason}); install OpenMP (libgomp1, libomp).") from None
    return lightgbm


def has_lightgbm() -> bool:
    """Whether trees can be fitted here."""
    try:
        load_lightgbm()
    except ModelError:
        return False
    return True


@dataclass(frozen=True)
class _Data:
    """What all items are fitted on: the people, what is seen of them in bins, who is held out, where trees begin."""

    people: People
    binned: Any
    is_held_out: NDArray[np.bool_]
    levels: tuple[Level, ...]
    parameters: Mapping[str, Any]

    @property
    def growers(self) -> People:
        """The people on whom trees grow."""
        kept = ~self.is_held_out
        weights = None if self.people.weights is None else self.people.weights[kept]
        return People(self.people.dataset, self.people.rows[kept], weights)


def _data_of(people: People, features: Features, levels: tuple[Level, ...], parameters: Mapping[str, Any]) -> _Data:
    matrix = features.matrix(people.dataset)[people.rows]
    nobody = np.zeros(people.rows.size)
    # binned once, for items are fitted on parts of it
    binned = load_lightgbm().Dataset(matrix, nobody, categorical_feature=features.nominal, params=dict(parameters))
    is_held_out = np.random.default_rng(parameters["seed"]).random(people.rows.size) < HELD_OUT
    return _Data(people, binned.construct(), is_held_out, levels, parameters)


def _fit_all(data: _Data, item_ids: Sequence[str], n_threads: int) -> Iterator[tuple[str, str]]:
    """Each item with its model, as they get ready. LightGBM lets other threads work while it does."""
    with ThreadPoolExecutor(n_threads) as pool:
        waiting = {pool.submit(_fit_item, data, item_id): item_id for item_id in item_ids}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fit_item(data: _Data, item_id: str) -> str:
    lightgbm = load_lightgbm()
    item = data.people.dataset.codebook.item(item_id)
    who, points = data.people.responses_to(item)
    held_out = data.is_held_out[who]
    if who.size < FEWEST or held_out.all() or not held_out.any():
        return ""
    start = _logarithms(fit_distributions(data.growers, [item_id], data.levels), item_id, data.people.rows[who])
    weights = data.people.weights_of(who)
    parameters = {**data.parameters, "objective": "multiclass", "num_class": item.scale.n_points}

    def part(is_in: NDArray[np.bool_]) -> Any:
        sample = data.binned.subset(who[is_in].tolist(), params=parameters).construct()
        sample.set_label(points[is_in].astype(np.float32))
        sample.set_init_score(start[is_in])
        if weights is not None:
            sample.set_weight(weights[is_in] / weights.mean())  # what a leaf wants is counted in people
        return sample

    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    grown = lightgbm.train(parameters, part(~held_out), MOST_ROUNDS, valid_sets=[part(held_out)], callbacks=[stop])
    return str(grown.model_to_string(num_iteration=grown.best_iteration))


def _logarithms(start: Distributions, item_id: str, rows: Rows) -> Array:
    logarithms: Array = np.log(np.maximum(start.probabilities(item_id, rows), RAREST))
    return logarithms
