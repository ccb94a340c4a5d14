"""Clusters: respondents who were sampled together, in one place or by one interviewer, and may answer alike."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.benchmark._dataset import RESPONDENTS, Dataset
from worldvaluesbench.errors import DatasetError
from worldvaluesbench.survey import CLUSTER_COLUMNS, COUNTRY_COLUMN

CLUSTERS = CLUSTER_COLUMNS
"""`I_PSU`: the primary sampling unit. `N_REGION_WVS`: the region. `L_INTERVIEWER_NUMBER`: the interviewer."""


def read_clusters(dataset: Dataset, name: str) -> NDArray[np.int64]:
    """The cluster of every respondent in file order, shape (respondents,), numbered from 0.

    Numbers of the file are told apart within a country: unit 12 of one is not unit 12 of another. A respondent without
    a number is a cluster alone.

    Raises DatasetError for an unknown column, and where the dataset lacks it or it is missing for everybody.
    """
    if name not in CLUSTERS:
        raise DatasetError(f"There is no column of clusters {name!r}; there are {', '.join(CLUSTERS)}.")
    if name not in pl.read_parquet_schema(dataset.folder / RESPONDENTS):
        raise DatasetError(
            f"{dataset.folder}: has no clusters {name}, for the survey file had no such column or an earlier version "
            f"built the dataset; build it again from a file that has it, or go without clusters."
        )
    people = dataset.respondents([COUNTRY_COLUMN, name])
    is_alone = people[name].is_null().to_numpy()
    if is_alone.all():
        raise DatasetError(
            f"{dataset.folder}: {name} is missing for all respondents, so there are no clusters; choose another column "
            f"or go without them."
        )
    numbers = np.where(is_alone, np.arange(people.height), people[name].fill_null(0).to_numpy())
    keys = np.stack([is_alone, people[COUNTRY_COLUMN].to_numpy(), numbers])
    clusters: NDArray[np.int64] = np.unique(keys, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return clusters
