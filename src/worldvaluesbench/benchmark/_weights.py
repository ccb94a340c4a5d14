"""Survey weights: how many people each respondent stands for."""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import polars as pl

from worldvaluesbench.benchmark._dataset import RESPONDENTS, Dataset
from worldvaluesbench.errors import DatasetError
from worldvaluesbench.stats import Array

WeightName = Literal["none", "W_WEIGHT", "S018", "product", "PWGHT", "S017"]
WEIGHTS: tuple[WeightName, ...] = get_args(WeightName)
"""`none`: everybody counts once. `W_WEIGHT`: the weight within a country. `S018`: every country counts as 1,000 people,
each of them alike. `product`: W_WEIGHT times S018. `PWGHT`: countries count by population. `S017`: the original weight
of the country, as the survey's files of several waves name it."""

_COLUMNS: Mapping[WeightName, tuple[str, ...]] = {
    "W_WEIGHT": ("W_WEIGHT",),
    "S018": ("S018",),
    "product": ("W_WEIGHT", "S018"),
    "PWGHT": ("PWGHT",),
    "S017": ("S017",),
}
_ALIKE = "every country counts as 1,000 interviews, Andorra as much as China"
_COUNTRIES: Mapping[str, str] = {"S018": _ALIKE, "product": _ALIKE, "PWGHT": "countries count by population"}


def describe_weight(name: str) -> str:
    """What a weighted number is of, in words: the weight, and how much each country counts where the weight settles it.

    >>> describe_weight("PWGHT"), describe_weight("W_WEIGHT"), describe_weight("none")
    ('weighted by PWGHT (countries count by population)', 'weighted by W_WEIGHT', 'unweighted')
    """
    if name == "none":
        return "unweighted"
    return f"weighted by {name}" + (f" ({_COUNTRIES[name]})" if name in _COUNTRIES else "")


def read_weights(dataset: Dataset, name: WeightName) -> Array | None:
    """The weight of every respondent in file order, shape (respondents,); NaN where it is missing. None: no weights.

    Raises DatasetError for an unknown name, or where the survey file had no such column.
    """
    if name not in WEIGHTS:
        raise DatasetError(f"There is no weight {name!r}; there are {', '.join(WEIGHTS)}.")
    if name == "none":
        return None
    known = pl.read_parquet_schema(dataset.folder / RESPONDENTS)
    absent = [column for column in _COLUMNS[name] if column not in known]
    if absent:
        raise DatasetError(
            f"{dataset.folder}: has no weight {' and no '.join(absent)}, for the survey file had none; "
            f"go without weights, or build it from a file that has them."
        )
    frame = dataset.respondents(list(_COLUMNS[name]))
    columns = [frame[column].to_numpy().astype(np.float64) for column in _COLUMNS[name]]
    weights: Array = np.prod(columns, axis=0)
    return weights


def check_weights(weights: Array, name: WeightName, what: str) -> None:
    """Raise DatasetError where any of these weights, those of people who are used, is missing, zero or negative."""
    bad = ~(np.isfinite(weights) & (weights > 0))
    if bad.any():
        raise DatasetError(
            f"{what}: {np.count_nonzero(bad):,} of {weights.size:,} respondents who are used have a missing or zero "
            f"weight {name}; go without weights, or build from a file that has them."
        )


def effective_n(weight_sum: Array, square_sum: Array) -> Array:
    """How many people of equal weight would say as much (Kish): the square of the sum by the sum of squares.

    Shapes agree; NaN where nobody is. Source: Kish (1965), Survey Sampling, section 11.7.

    >>> effective_n(np.array([4.0]), np.array([4.0]))
    array([4.])
    """
    n: Array = np.divide(weight_sum**2, square_sum, out=np.full_like(square_sum, np.nan), where=square_sum > 0)
    return n
