"""Survey weights: read by name, refused where they are missing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.scoring.people import make_dataset
from worldvaluesbench.benchmark._weights import WEIGHTS, check_weights, read_weights
from worldvaluesbench.errors import DatasetError


def test_weights_are_read_by_name_and_both_are_multiplied(tmp_path: Path) -> None:
    given: dict[str, list[float | None]] = {"W_WEIGHT": [0.5, 2.0, None], "S018": [3.0, 0.25, 1.0]}
    given |= {"PWGHT": [7.0, 7.0, 0.5], "S017": [0.5, None, 1.0]}
    expected = {name: [np.nan if value is None else value for value in values] for name, values in given.items()}
    expected["product"] = [1.5, 0.5, np.nan]
    dataset = make_dataset(tmp_path / "d", {"Q1": [1, 2, 3]}, weights=given)
    assert read_weights(dataset, "none") is None
    assert set(WEIGHTS) == {"none", *expected}
    for name, weights in expected.items():
        known: Any = name
        np.testing.assert_array_equal(read_weights(dataset, known), weights)


def test_an_unknown_weight_is_refused(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", {"Q1": [1]})
    unknown: Any = "S019"
    with pytest.raises(DatasetError, match=r"no weight 'S019'; there are none, W_WEIGHT, S018, product, PWGHT, S017\."):
        read_weights(dataset, unknown)


def test_a_dataset_without_weights_is_said_to_have_none(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", {"Q1": [1]}, weights={"W_WEIGHT": [1.0]})
    with pytest.raises(DatasetError) as found:
        read_weights(dataset, "product")
    assert "d: has no weight S018, for the survey file had none; go without weights" in str(found.value)
    assert len(str(found.value)) < 250 + len(str(tmp_path))


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0, np.inf])
def test_a_weight_that_says_nothing_is_counted_and_refused(bad: float) -> None:
    check_weights(np.array([1.0, 2.0]), "S018", "here")
    with pytest.raises(DatasetError, match="here: 1 of 2 respondents who are used have a missing or zero weight S018"):
        check_weights(np.array([1.0, bad]), "S018", "here")
