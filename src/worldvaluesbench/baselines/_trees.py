"""`trees`: boosted trees predict a response from all attributes of a respondent (extra `baselines`).

LightGBM, one classifier per item, with probabilities over the points of its scale. Boosting starts from the
distributions of `cell`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.baselines._distributions import Distributions, fit_distributions, read_distributions
from worldvaluesbench.baselines._respondents import COUNTRIES, Level, Respondents, find_levels
from worldvaluesbench.benchmark import Dataset
from worldvaluesbench.errors import ModelError
from worldvaluesbench.planning import Rows
from worldvaluesbench.stats import Array, Mask
from worldvaluesbench.survey import COUNTRY_COLUMN, Codebook, load_derived_attributes

MODELS, LEVELS = "models.parquet", "levels.parquet"

LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "A_YEAR": "when the interview was held, which is decided by the country",
        "J_INTDATE": "when the interview was held: a number that hardly any two respondents share",
        "N_TOWN": "thousands of places with a few respondents each: a tree would memorise the sample",
        "Q261": "the year of the interview less the age, which is a feature itself",
        "X003R": "made from the age, which is a feature itself",
        "education_level": "made from the education, which is a feature itself",
        "age_band": "made from the age, which is a feature itself",
    }
)
"""The attributes that are no features unless they are named, and why."""

ORDERED = (
    "G_TOWNSIZE", "H_SETTLEMENT", "X003R", "Q275", "Q276", "Q277", "Q278", "Q286", "Q287", "Q288",
    "education_level", "age_band",
)  # fmt: skip
"""Ordinal attributes, beside the free numbers: education, size of place, income, class."""

RARE = 50
"""Levels of a nominal attribute with fewer respondents of the train split are merged into one, "another"."""

HELD_OUT, PATIENCE, MOST_ROUNDS = 0.15, 10, 300
"""Early stopping: the share of respondents held out for validation, the rounds without improvement after which boosting
stops, and the most rounds."""

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
"""Small trees, strongly regularised for levels that few respondents have."""

FEWEST = 2 * PARAMETERS["min_data_in_leaf"]
"""Fewer respondents cannot be split into two leaves."""

RAREST = 1e-6
"""The least starting probability of a point, so that it has a logarithm."""

_EXACT: Mapping[str, Any] = {"num_threads": 1, "deterministic": True, "force_col_wise": True, "verbosity": -1}
"""What makes the trees reproducible, however many items are fitted at a time."""

Watch = Callable[[int, int], None]
"""A progress callback: the number of items done, and of all."""


@dataclass(frozen=True)
class Features:
    """The attributes that trees see, in order, and the levels of those that are nominal."""

    attribute_ids: tuple[str, ...]
    levels: Mapping[str, tuple[int, ...]]

    @property
    def nominal(self) -> list[int]:
        """The column numbers of the nominal attributes."""
        return [place for place, name in enumerate(self.attribute_ids) if name in self.levels]

    def table(self) -> pl.DataFrame:
        """The levels of nominal attributes: `attribute_id`, `code`, and the `number` of the level."""
        rows = [(name, code, place) for name, codes in self.levels.items() for place, code in enumerate(codes)]
        schema = {"attribute_id": pl.String, "code": pl.Int32, "number": pl.Int32}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def matrix(self, dataset: Dataset) -> NDArray[np.float32]:
        """The features of all respondents, shape (respondents, attributes); missing is NaN."""
        codes = dataset.respondents(list(self.attribute_ids))
        return np.stack([self._column(name, codes[name].to_numpy()) for name in self.attribute_ids], axis=1)

    def _column(self, name: str, codes: NDArray[np.int32]) -> NDArray[np.float32]:
        column = codes.astype(np.float32)
        if name in self.levels:
            known = np.array(self.levels[name], dtype=np.int64)
            place = np.searchsorted(known, codes)
            column = np.where(np.append(known, -1)[place] == codes, place, known.size).astype(np.float32)
        column[codes < 0] = np.nan
        return column


def default_attributes(codebook: Codebook) -> tuple[str, ...]:
    """All attributes and derived attributes but those of `LEFT_OUT`."""
    return tuple(name for name in (*codebook.attribute_ids, *load_derived_attributes()) if name not in LEFT_OUT)


def find_features(respondents: Respondents, attribute_ids: Sequence[str]) -> Features:
    """These attributes as features, with the levels that at least `RARE` of these respondents have."""
    dataset = respondents.dataset
    nominal = [name for name in attribute_ids if is_nominal(name, dataset.codebook)]
    codes = dataset.respondents(nominal)[respondents.rows] if nominal else pl.DataFrame()
    levels = {}
    for name in nominal:
        found, n = np.unique(codes[name].to_numpy(), return_counts=True)
        levels[name] = tuple(found[(n >= RARE) & (found >= 0)].tolist())
    return Features(tuple(attribute_ids), levels)


def is_nominal(attribute_id: str, codebook: Codebook) -> bool:
    """Whether the codes of an attribute have no order."""
    if attribute_id in ORDERED:
        return False
    return attribute_id in load_derived_attributes() or not codebook.attribute(attribute_id).is_free


@dataclass(frozen=True)
class Trees:
    """Fitted trees: the distributions they start from, their features, and the model of each item.

    Models are in LightGBM's text format; empty for an item without trees, which has the starting distributions.
    """

    start: Distributions = field(repr=False)
    features: Features
    models: Mapping[str, str] = field(repr=False)
    dataset: Dataset = field(repr=False)

    def probabilities(self, item_id: str, rows: Rows) -> Array:
        """Predicted probabilities of these respondents, shape (rows, points), in single precision."""
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

    def write(self, folder: Path) -> None:
        """Write the trees, and the distributions they start from, to a fit folder."""
        self.start.write(folder)
        models = pl.DataFrame({"item_id": list(self.models), "model": list(self.models.values())})
        models.write_parquet(folder / MODELS, compression="zstd")
        self.features.table().write_parquet(folder / LEVELS, compression="zstd")


def read_trees(folder: Path, attribute_ids: Sequence[str], dataset: Dataset) -> Trees:
    """The trees of a fit folder, with these attributes as features, for respondents of this dataset."""
    known = pl.read_parquet(folder / LEVELS, glob=False)
    nominal = [name for name in attribute_ids if is_nominal(name, dataset.codebook)]
    levels = {name: tuple(known.filter(attribute_id=name)["code"].to_list()) for name in nominal}
    start = read_distributions(folder, _start_levels(dataset, attribute_ids))
    models = pl.read_parquet(folder / MODELS, glob=False)
    return Trees(start, Features(tuple(attribute_ids), levels), dict(models.rows()), dataset)


def _start_levels(dataset: Dataset, attribute_ids: Sequence[str]) -> tuple[Level, ...]:
    """The groups with whose distributions boosting starts: countries, where these are a feature; else none."""
    return find_levels(dataset, COUNTRIES) if COUNTRY_COLUMN in attribute_ids else ()


def fit_trees(
    fitted_on: Respondents,
    item_ids: Sequence[str],
    features: Features,
    *,
    seed: int = 0,
    threads: int | None = None,
    watch: Watch | None = None,
) -> Trees:
    """Fit the classifiers of some items, several at a time. The same seed gives the same trees.

    While they are fitted, trees start from the distributions of the respondents not held out; when they predict, from
    those of all, which are better.

    Raises ModelError where LightGBM is not installed, DatasetError where there is no response to an item.
    """
    lightgbm, dataset = load_lightgbm(), fitted_on.dataset
    levels = _start_levels(dataset, features.attribute_ids)
    parameters = {**PARAMETERS, **_EXACT, "seed": seed}
    matrix, labels = features.matrix(dataset)[fitted_on.rows], np.zeros(fitted_on.rows.size)
    # binned once; items are fitted on subsets
    binned = lightgbm.Dataset(matrix, labels, categorical_feature=features.nominal, params=parameters).construct()
    held_out = np.random.default_rng(seed).random(fitted_on.rows.size) < HELD_OUT
    grown_on = fitted_on.only(~held_out)

    def fit(item_id: str) -> str:
        item = dataset.codebook.item(item_id)
        given, places, points = fitted_on.responses_to(item)
        is_held_out = held_out[places]
        if places.size < FEWEST or is_held_out.all() or not is_held_out.any():
            return ""
        start = _logarithms(fit_distributions(grown_on, [item_id], levels), item_id, given.rows)
        chosen = {**parameters, "objective": "multiclass", "num_class": item.scale.n_points}

        def part(is_in: Mask) -> Any:
            sample = binned.subset(places[is_in].tolist(), params=chosen).construct()
            sample.set_label(points[is_in].astype(np.float32))
            sample.set_init_score(start[is_in])
            if given.weights is not None:
                sample.set_weight(given.weights[is_in] / given.weights.mean())  # leaf sizes are counts of respondents
            return sample

        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        valid = part(is_held_out)
        booster = lightgbm.train(chosen, part(~is_held_out), MOST_ROUNDS, valid_sets=[valid], callbacks=[stop])
        return str(booster.model_to_string(num_iteration=booster.best_iteration))

    models: dict[str, str] = {}
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:  # LightGBM releases the interpreter's lock
        waiting = {pool.submit(fit, item_id): item_id for item_id in item_ids}
        try:
            for done in as_completed(waiting):
                models[waiting[done]] = done.result()
                if watch is not None:
                    watch(len(models), len(item_ids))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    in_order = {item_id: models[item_id] for item_id in item_ids}
    return Trees(fit_distributions(fitted_on, item_ids, levels), features, in_order, dataset)


def describe_growing() -> dict[str, Any]:
    """The parameters of the trees, for a manifest."""
    growing = {"held_out": HELD_OUT, "patience": PATIENCE, "most_rounds": MOST_ROUNDS}
    return {"parameters": dict(PARAMETERS) | growing}


def load_lightgbm() -> Any:
    """The module of LightGBM, whose import takes a second.

    Raises ModelError where it is not installed, or cannot be loaded.
    """
    try:
        import lightgbm
    except ImportError:
        raise ModelError("trees: needs LightGBM; pip install 'worldvaluesbench[baselines]'.") from None
    except OSError as error:  # LightGBM is installed, and OpenMP is not
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


def _logarithms(start: Distributions, item_id: str, rows: Rows) -> Array:
    logarithms: Array = np.log(np.maximum(start.probabilities(item_id, rows), RAREST))
    return logarithms
