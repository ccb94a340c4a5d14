"""Answers made elsewhere score the same as a file and as the run that they were imported into."""

from pathlib import Path

import numpy as np
import pytest
from polars.testing import assert_frame_equal

from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._imported import import_answers
from worldvaluesbench.scoring.sources._reference import Reference, respondents_reference, world_reference

SHARED = Path(__file__).parents[2] / ".." / "shared"
OUTPUTS = SHARED / "published" / "model_outputs"
PUBLISHED = sorted(OUTPUTS.glob("*.tsv"))

SCORES = (
    "1",
    "2",
    "3",
    "4",
    "4.0",
    " 2",
    "2.7",
    "-0.5",
    "0",
    "11",
    "1e9",
    "nan",
    "inf",
    "",
    " ",
    "I cannot say",
    "2,0",
)
KEYS = ("nobody", "", "7", "101.5", "1e30", "101.0")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Thirty people, of whom some gave no response."""
    rng = np.random.default_rng(3)
    responses = {item_id: rng.choice([-1, 1, 2, 3, 4], 30).tolist() for item_id in ("Q1", "Q2")}
    return make_dataset(tmp_path_factory.mktemp("people") / "dataset", responses)


@pytest.fixture(scope="module")
def odd_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred answers, many of them odd and given several times."""
    rng = np.random.default_rng(4)
    rows = []
    for _ in range(400):
        key = rng.choice(KEYS) if rng.random() < 0.1 else str(rng.integers(101, 131))
        rows.append((rng.choice(["Q1", "Q2", "Q999"], p=[0.5, 0.45, 0.05]), key, rng.choice(SCORES)))
    return write_answers(tmp_path_factory.mktemp("answers") / "odd.tsv", rows)


def assert_same_scores(file: Path, run: Path, reference: Reference, *, as_published: bool) -> None:
    one, other = (score_answers([read_answers(path)], reference, as_published=as_published) for path in (file, run))
    for name, table in one.tables.items():
        assert_frame_equal(table, other.tables[name], check_exact=True)


@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize("against", ["respondents", "world"])
def test_odd_answers_score_as_their_file(
    against: str, as_published: bool, people: Dataset, odd_file: Path, tmp_path: Path
) -> None:
    import_answers(read_answers(odd_file), tmp_path / "run", dataset=people if against == "respondents" else None)
    reference = respondents_reference(people) if against == "respondents" else world_reference()
    assert_same_scores(odd_file, tmp_path / "run", reference, as_published=as_published)


@pytest.mark.skipif(not PUBLISHED, reason="the published answers are not beside this checkout")
@pytest.mark.parametrize("file", PUBLISHED, ids=lambda path: path.stem)
def test_published_answers_score_as_their_file(file: Path, tmp_path: Path) -> None:
    import_answers(read_answers(file), tmp_path / "run")
    for as_published in (False, True):
        assert_same_scores(file, tmp_path / "run", world_reference(), as_published=as_published)


def test_imported_answers_have_no_settings_and_say_so(odd_file: Path, people: Dataset, tmp_path: Path) -> None:
    import_answers(read_answers(odd_file), tmp_path / "run", name="alpaca", dataset=people)
    answers = read_answers(tmp_path / "run")
    described = answers.describe()["run"]
    assert answers.name == described["model"] == "alpaca"
    assert (described["method"], described["fingerprint"], described["dataset"]) == (None, None, people.receipt)
