"""One survey is one dataset, in whatever format it was downloaded; a dataset with other content is another."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.scoring.people import write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.benchmark._dataset import Dataset, load_dataset
from worldvaluesbench.benchmark._identity import dataset_difference
from worldvaluesbench.benchmark._probe import build_probe
from worldvaluesbench.benchmark._spec import parse_spec
from worldvaluesbench.errors import AnswersError, ProbeError, RunError
from worldvaluesbench.planning._examples import probe_examples
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.compare._compare import compare_answers, merge_comparisons
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey.synthetic._synthetic import write_synthetic

FORMATS = ("survey.csv", "survey.zip", "survey.sav", "survey.dta")
N = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def downloads(folder: Path) -> dict[str, Dataset]:
    """One survey in four formats, and the dataset built of each."""
    built = {}
    for name in FORMATS:
        write_synthetic(folder / name, N, seed=4)
        built[name] = build_dataset(folder / name, folder / f"of {name}")
    return built


def edited(folder: Path, name: str, change: Callable[[pl.DataFrame], pl.DataFrame], edition: str = "paper") -> Dataset:
    """The dataset of a csv with other cells."""
    (folder / name).mkdir()
    path = folder / name / "survey.csv"
    change(pl.read_csv(folder / "survey.csv", infer_schema=False)).write_csv(path)
    return build_dataset(path, folder / name / "dataset", edition=edition)


def first_rating_changed(frame: pl.DataFrame) -> pl.DataFrame:
    is_first = pl.int_range(pl.len()) == 0
    other = pl.when(pl.col("Q1") == "1").then(pl.lit("2")).otherwise(pl.lit("1"))
    return frame.with_columns(pl.when(is_first).then(other).otherwise("Q1").alias("Q1"))


def test_a_survey_has_one_identity_in_every_format(downloads: dict[str, Dataset]) -> None:
    hashes = {dataset.manifest["source"]["sha256"] for dataset in downloads.values()}
    assert len(hashes) == len(FORMATS)
    identities = {dataset.manifest["identity"] for dataset in downloads.values()}
    assert len(identities) == 1
    assert len({dataset.secret() for dataset in downloads.values()}) == 1


def test_the_identity_is_the_hash_that_is_documented(downloads: dict[str, Dataset]) -> None:
    """The serialisation, written anew from the tables."""
    dataset = downloads["survey.csv"]
    people, responses, codebook = dataset.respondents(), dataset.responses(), dataset.codebook
    header: dict[str, Any] = {"serialisation": 1, "edition": "paper", "n_respondents": people.height}
    header |= {"splits": ["train", "valid", "test"]}
    header |= {"attributes": list(codebook.attribute_ids), "items": list(codebook.item_ids)}
    digest = hashlib.sha256(json.dumps(header, separators=(",", ":")).encode())
    digest.update(b"".join(key.to_bytes(8, "little") for key in people["respondent_id"]))
    digest.update(bytes(["train", "valid", "test"].index(split) for split in people["split"]))
    for name in codebook.attribute_ids:
        digest.update(b"".join(max(code, -1).to_bytes(4, "little", signed=True) for code in people[name]))
    for name in codebook.item_ids:
        digest.update(b"".join(max(code, -1).to_bytes(1, "little", signed=True) for code in responses[name]))
    assert dataset.identity == digest.hexdigest()


SAME: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "other missing reasons": lambda frame: frame.with_columns(
        pl.col("Q1", "Q2", "Q262").replace({"-1": "-2", "-2": "-5", "-5": "-1"})
    ),
    "other weights": lambda frame: frame.with_columns(W_WEIGHT=pl.lit("1.0")),
    "no weights": lambda frame: frame.drop("W_WEIGHT", "S018"),
    "another version": lambda frame: frame.with_columns(version=pl.lit("invented 6-0-0")),
    "columns in another order": lambda frame: frame.select(reversed(frame.columns)),
}


@pytest.mark.parametrize("change", SAME)
def test_what_is_not_in_the_content_does_not_change_the_identity(
    change: str, folder: Path, downloads: dict[str, Dataset]
) -> None:
    dataset = edited(folder, change, SAME[change])
    assert dataset.identity == downloads["survey.csv"].identity
    assert dataset.secret() == downloads["survey.csv"].secret()


OTHER: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "another answer": first_rating_changed,
    "another attribute": lambda frame: frame.with_columns(Q260=pl.lit("1")),
    "rows in another order": lambda frame: frame.reverse(),
    "a row less": lambda frame: frame[:-1],
    "an item less": lambda frame: frame.drop("Q2"),
}


@pytest.mark.parametrize("change", OTHER)
def test_other_content_has_another_identity(change: str, folder: Path, downloads: dict[str, Dataset]) -> None:
    dataset = edited(folder, change, OTHER[change])
    assert dataset.identity != downloads["survey.csv"].identity
    assert dataset.secret() != downloads["survey.csv"].secret()


def test_an_absent_item_counts_like_one_that_nobody_answered(folder: Path, downloads: dict[str, Dataset]) -> None:
    absent = edited(folder, "absent", lambda frame: frame.drop("Q2"))
    unanswered = edited(folder, "unanswered", lambda frame: frame.with_columns(Q2=pl.lit("-1")))
    assert absent.identity == unanswered.identity != downloads["survey.csv"].identity


def test_editions_are_different_datasets(folder: Path, downloads: dict[str, Dataset]) -> None:
    corrected = edited(folder, "corrected", lambda frame: frame, "corrected")
    difference = dataset_difference(downloads["survey.csv"].receipt, corrected.receipt)
    assert difference is not None
    assert difference.startswith("edition paper, not corrected (identity ")


def test_two_builds_of_one_file_are_equal_byte_for_byte(folder: Path, downloads: dict[str, Dataset]) -> None:
    again = build_dataset(folder / "survey.csv", folder / "again")
    for path in sorted(again.folder.iterdir()):
        assert path.read_bytes() == (downloads["survey.csv"].folder / path.name).read_bytes(), path.name


def test_a_dataset_that_an_earlier_version_built_has_its_identity_worked_out(
    folder: Path, downloads: dict[str, Dataset]
) -> None:
    built = downloads["survey.csv"]
    earlier = {key: value for key, value in built.manifest.items() if key != "identity"}
    assert Dataset(built.folder, earlier, built.codebook).receipt == built.receipt


def test_the_secret_is_none_of_what_is_written(downloads: dict[str, Dataset], tmp_path: Path) -> None:
    dataset = downloads["survey.csv"]
    secret = dataset.secret()
    assert len(secret) == 32
    assert secret is dataset.secret()
    assert secret.hex() != dataset.identity
    comparison = compared(dataset, tmp_path, "model")
    written = [path.read_bytes() for path in dataset.folder.iterdir()] + [str(comparison.receipt).encode()]
    for text in (*written, repr(dataset).encode()):
        assert secret not in text
        assert secret.hex().encode() not in text


def answers_for(dataset: Dataset) -> list[tuple[str, int, int]]:
    people = dataset.split_order("test")["respondent_id"].to_list()
    return [(item_id, key, 1 + (key % 4)) for item_id in ("Q1", "Q2") for key in people]


def compared(dataset: Dataset, tmp_path: Path, name: str) -> Comparison:
    path = write_answers(tmp_path / f"{name}.tsv", answers_for(dataset))
    how = How(min_n=1, resampling=Resampling(20))
    return compare_answers([read_answers(path)], respondents_reference(dataset), how=how)


def test_what_was_made_of_one_format_goes_with_the_others(downloads: dict[str, Dataset], tmp_path: Path) -> None:
    csv, zipped, sav, dta = (downloads[name] for name in FORMATS)
    spec = parse_spec("mine", 'items = ["Q1"]\ncross = ["Q260"]\nper_cell = 2', csv.codebook)
    build_probe(csv, spec, tmp_path / "probe")
    assert probe_examples(sav, tmp_path / "probe").n == 4
    rows = [Row(*row) for row in answers_for(dta)]
    run = read_answers(make_run(tmp_path / "run", rows, dta))
    scored = [score_answers([run], respondents_reference(dataset)).table for dataset in (csv, zipped, sav, dta)]
    assert all(table.equals(scored[0]) for table in scored)
    together = merge_comparisons([compared(csv, tmp_path, "a"), compared(sav, tmp_path, "b")])
    assert together.names == ("a", "b")
    assert isinstance(together.receipt["examples_sha256"], str)


def test_what_was_made_of_other_content_is_refused_and_told_apart(
    folder: Path, downloads: dict[str, Dataset], tmp_path: Path
) -> None:
    ours, other = downloads["survey.csv"], edited(folder, "told apart", first_rating_changed)
    shown = f"identity {ours.identity[:12]}, not {other.identity[:12]}"
    difference = f"survey file survey.csv by name, but with other content ({shown})"
    assert dataset_difference(ours.receipt, other.receipt) == difference
    rows = [Row(*row) for row in answers_for(ours)]
    run = read_answers(make_run(tmp_path / "run", rows, ours))
    with pytest.raises(RunError) as refused:
        score_answers([run], respondents_reference(other))
    assert difference in str(refused.value)
    assert f"than {other.folder}" in str(refused.value)
    spec = parse_spec("mine", 'items = ["Q1"]\ncross = ["Q260"]\nper_cell = 2', ours.codebook)
    build_probe(ours, spec, tmp_path / "probe")
    with pytest.raises(ProbeError) as of_probe:
        probe_examples(other, tmp_path / "probe")
    assert difference in str(of_probe.value)
    with pytest.raises(AnswersError) as of_merge:
        merge_comparisons([compared(ours, tmp_path, "a"), compared(other, tmp_path, "b")])
    text = str(of_merge.value)
    assert text.startswith("The comparisons are with different datasets, the first with survey.csv (edition paper, ")
    assert difference in text
    assert "\n" not in text


def test_a_zip_of_an_spss_file_is_the_same_dataset(folder: Path, downloads: dict[str, Dataset]) -> None:
    with zipfile.ZipFile(folder / "sav.zip", "w") as archive:
        archive.write(folder / "survey.sav", "survey.sav")
    dataset = build_dataset(folder / "sav.zip", folder / "of sav.zip")
    assert dataset.identity == downloads["survey.csv"].identity
    assert load_dataset(dataset.folder).receipt["identity"] == dataset.identity
