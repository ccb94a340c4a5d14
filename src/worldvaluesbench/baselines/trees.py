"""Boosted trees: what can be told of a person's response from all that is known of the person (extra `baselines`).

LightGBM, one classifier an item, with probabilities over the points of its scale.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.baselines.features import Features
from worldvaluesbench.baselines.people import People
from worldvaluesbench.benchmark.dataset import Dataset
from worldvaluesbench.distribution import Array
from worldvaluesbench.elicitation.examples import Rows
from worldvaluesbench.errors import ModelError

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
"""Fewer people than this cannot be split in two leaves."""

_EXACT: Mapping[str, Any] = {"num_threads": 1, "deterministic": True, "force_col_wise": True, "verbosity": -1}
"""What gives the same trees on every machine, however many items are fitted at a time."""

Watch = Callable[[int, int], None]
"""Told how many items are done, of how many."""


@dataclass(frozen=True)
class Trees:
    """Fitted trees: what they see, and the model of each item in LightGBM's text format."""

    features: Features
    models: Mapping[str, str] = field(repr=False)
    dataset: Dataset = field(repr=False)

    def probabilities(self, item_id: str, rows: Rows) -> Array:
        """What the trees give these respondents, shape (rows, points); to seven digits, which take half the room."""
        booster = load_lightgbm().Booster(model_str=self.models[item_id])
        found: Array = np.asarray(booster.predict(self._matrix[rows]), dtype=np.float32).astype(np.float64)
        return found

    @cached_property
    def _matrix(self) -> NDArray[np.float32]:
        return self.features.matrix(self.dataset)


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

    Raises ModelError where LightGBM is not installed, DatasetError where nobody has a response to an item.
    """
    parameters = {**PARAMETERS, **_EXACT, "seed": seed}
    data = _Data(people, _bin(people, features, parameters), _hold_out(people, seed), parameters)
    models: dict[str, str] = {}
    fitted = _fit_all(data, item_ids, threads or os.cpu_count() or 1)
    for n_done, (item_id, model) in enumerate(fitted, start=1):
        models[item_id] = model
        if watch is not None:
            watch(n_done, len(item_ids))
    return Trees(features, {item_id: models[item_id] for item_id in item_ids}, people.dataset)


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
    """What all items are fitted on: the people, what is seen of them in bins, and who of them is held out."""

    people: People
    binned: Any
    is_held_out: NDArray[np.bool_]
    parameters: Mapping[str, Any]


def _bin(people: People, features: Features, parameters: Mapping[str, Any]) -> Any:
    """What is seen of all the people, in bins: made once, for items are fitted on parts of it."""
    matrix = features.matrix(people.dataset)[people.rows]
    nobody = np.zeros(people.rows.size)
    binned = load_lightgbm().Dataset(matrix, nobody, categorical_feature=features.nominal, params=dict(parameters))
    return binned.construct()


def _hold_out(people: People, seed: int) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(people.rows.size) < HELD_OUT


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
    weights = data.people.weights_of(who)
    parameters = {**data.parameters, "objective": "multiclass", "num_class": item.scale.n_points}

    def part(is_in: NDArray[np.bool_]) -> Any:
        sample = data.binned.subset(who[is_in].tolist(), params=parameters).construct()
        sample.set_label(points[is_in].astype(np.float32))
        if weights is not None:
            sample.set_weight(weights[is_in] / weights.mean())  # what a leaf wants is counted in people
        return sample

    held_out = data.is_held_out[who]
    if who.size < FEWEST or not held_out.any():  # no tree splits them: the model is what they said
        everybody = part(np.ones_like(held_out))
        return str(lightgbm.train(parameters | {"bagging_freq": 0}, everybody, num_boost_round=1).model_to_string())
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    grown = lightgbm.train(parameters, part(~held_out), MOST_ROUNDS, valid_sets=[part(held_out)], callbacks=[stop])
    return str(grown.model_to_string(num_iteration=grown.best_iteration))
