"""Fixtures shared by all tests: an invented survey, small enough to be made anew for every run."""

from pathlib import Path

import pytest
from hypothesis import settings

from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.survey.synthetic._synthetic import write_synthetic

N_INVENTED = 4_000

# no test asserts a time, not even this way: a slow machine must not fail one
settings.register_profile("untimed", parent=settings(), deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def survey_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An invented survey file of 4,000 respondents."""
    path = tmp_path_factory.mktemp("survey") / "invented.csv"
    write_synthetic(path, N_INVENTED, seed=1)
    return path


@pytest.fixture(scope="session")
def paper(survey_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Its dataset in edition `paper`."""
    return build_dataset(survey_csv, tmp_path_factory.mktemp("data") / "paper")


@pytest.fixture(scope="session")
def corrected(survey_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Its dataset in edition `corrected`."""
    return build_dataset(survey_csv, tmp_path_factory.mktemp("data") / "corrected", edition="corrected")
