"""Clusters are kept by a build, told apart within a country, used by intervals, and shown nowhere else."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench._io._folder import MANIFEST, file_facts, read_manifest, write_json
from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.benchmark._clusters import CLUSTERS, read_clusters
from worldvaluesbench.benchmark._dataset import RESPONDENTS, Dataset
from worldvaluesbench.benchmark._export import export_tsv
from worldvaluesbench.cli import main
from worldvaluesbench.errors import CodebookError, DatasetError
from worldvaluesbench.survey._attributes import parse_groupings


def clustered(
    folder: Path,
    countries: Sequence[int],
    units: Sequence[int | None],
    responses: Mapping[str, Sequence[int]] | None = None,
) -> Dataset:
    """A dataset made by hand, with primary sampling units."""
    dataset = make_dataset(folder, responses or {"Q1": [1] * len(units)}, {"B_COUNTRY": countries})
    people = dataset.respondents().with_columns(pl.Series("I_PSU", units, dtype=pl.Int64))
    people.write_parquet(folder / RESPONDENTS)
    manifest = dict(read_manifest(folder, "dataset"))
    manifest["files"] = manifest["files"] | {RESPONDENTS: file_facts(folder / RESPONDENTS)}
    write_json(folder / MANIFEST, manifest)
    return Dataset(folder, manifest, dataset.codebook)


def test_clusters_are_told_apart_within_a_country_and_who_has_none_is_alone(tmp_path: Path) -> None:
    countries = [20, 20, 20, 156, 156, 20, 156, 20]
    units = [7, 7, 8, 7, 7, None, None, 2]
    found = read_clusters(clustered(tmp_path / "d", countries, units), "I_PSU").tolist()
    keys = [
        (country, unit) if unit is not None else k
        for k, (country, unit) in enumerate(zip(countries, units, strict=True))
    ]
    assert [[a == b for b in found] for a in found] == [[a == b for b in keys] for a in keys]
    assert sorted(set(found)) == list(range(len(set(keys))))


def test_a_build_keeps_the_clusters_of_the_file(survey_csv: Path, paper: Dataset) -> None:
    with survey_csv.open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["D_INTERVIEW"] != "858069901"]
    people = paper.respondents(CLUSTERS)
    for name in CLUSTERS:
        assert people[name].dtype == pl.Int64
        assert people[name].to_list() == [int(row[name]) for row in rows]
        keys = {(row["B_COUNTRY"], row[name]) for row in rows}
        assert len(set(read_clusters(paper, name).tolist())) == len(keys)


def test_invented_units_lie_in_one_region_and_have_one_interviewer(paper: Dataset) -> None:
    people = paper.respondents(["B_COUNTRY", *CLUSTERS])
    of_unit = people.group_by("B_COUNTRY", "I_PSU").agg(
        pl.len(), pl.col("N_REGION_WVS").n_unique(), pl.col("L_INTERVIEWER_NUMBER").n_unique()
    )
    assert of_unit["N_REGION_WVS"].max() == of_unit["L_INTERVIEWER_NUMBER"].max() == 1
    assert 1 < people.height / of_unit.height <= 12
    # numbers begin at 1 in each country, so the country is needed to tell them apart
    assert people.group_by("B_COUNTRY").agg(pl.col("I_PSU").min())["I_PSU"].unique().to_list() == [1]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_missing_and_blank_clusters_are_null_and_words_leave_the_column_out(
    suffix: str, survey_csv: Path, tmp_path: Path
) -> None:
    frame = pl.read_csv(survey_csv, infer_schema=False)[:60]
    n = frame.height
    changed = frame.with_columns(
        I_PSU=pl.Series(["-4", " ", "3000000001", *["7.0"] * (n - 3)]),
        N_REGION_WVS=pl.Series(["AD-02", *["1"] * (n - 1)]),
    ).drop("L_INTERVIEWER_NUMBER")
    path = tmp_path / f"survey{suffix}"
    if suffix == ".csv":
        changed.write_csv(path)
    else:
        changed.write_parquet(path)
    dataset = build_dataset(path, tmp_path / "d")
    assert dataset.respondents(["I_PSU"])["I_PSU"].to_list() == [None, None, 3_000_000_001, *[7] * (n - 3)]
    assert dataset.manifest["clusters"] == ["I_PSU"]
    note = "column N_REGION_WVS holds other than whole numbers, and is left out: no clusters by it."
    assert note in dataset.manifest["notes"]


REFUSED: dict[str, tuple[Callable[[Path], Dataset], str]] = {
    "I_PSU": (
        lambda folder: make_dataset(folder, {"Q1": [1, 2]}, {"B_COUNTRY": [20, 20]}),
        "d: has no clusters I_PSU, for the survey file had no such column or an earlier version built the dataset; b",
    ),
    "missing": (
        lambda folder: clustered(folder, [20, 20], [None, None]),
        "d: I_PSU is missing for all respondents, so there are no clusters; choose another column or go without",
    ),
    "N_TOWN": (
        lambda folder: clustered(folder, [20, 20], [1, 1]),
        r"There is no column of clusters 'N_TOWN'; there are I_PSU, N_REGION_WVS, L_INTERVIEWER_NUMBER\.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_clusters_that_a_dataset_does_not_have_are_refused(name: str, tmp_path: Path) -> None:
    make, message = REFUSED[name]
    with pytest.raises(DatasetError, match=message) as refused:
        read_clusters(make(tmp_path / "d"), "I_PSU" if name == "missing" else name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", CLUSTERS)
def test_clusters_are_no_attributes_and_stay_out_of_what_leaves_the_dataset(
    name: str, paper: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(CodebookError, match=name):
        parse_groupings(name, paper.codebook)
    with pytest.raises(CodebookError, match=name):
        paper.examples("test", ["Q1"], [name])
    assert name not in paper.codebook.attribute_ids
    export_tsv(paper, tmp_path / "export")
    for path in (tmp_path / "export").rglob("*.tsv"):
        assert name not in path.read_text(encoding="utf-8").split("\n", 1)[0].split("\t")
    assert name not in (Path(__file__).parents[2] / "src/worldvaluesbench/data/shared_columns.csv").read_text()


def scored(dataset: Dataset, answers: Path, out: Path, *options: str) -> dict[str, Any]:
    """The summary of one file of answers, scored on the command line."""
    command = ["score", str(answers), "--data", str(dataset.folder), "--resamples", "200", "--item-sampling", "fixed"]
    with pytest.raises(SystemExit) as stopped:
        main([*command, *options, "--out", str(out)])
    assert not stopped.value.code
    summary = pl.read_parquet(out / "summary.parquet").filter(pl.col("answered_by") == "model")
    row: dict[str, Any] = summary.row(0, named=True)
    return row


def test_answers_that_depend_on_the_unit_have_wider_intervals_by_clusters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    n_units, size = 40, 25
    units = np.repeat(np.arange(n_units), size)
    of_unit = rng.choice([1, 2, 3, 4], n_units)[units]
    responses = {
        item: np.where(rng.random(units.size) < 0.5, of_unit, rng.integers(1, 5, units.size)).tolist()
        for item in ("Q1", "Q2", "Q3", "Q4")
    }
    dataset = clustered(tmp_path / "d", [20] * units.size, units.tolist(), responses)
    answers = write_answers(
        tmp_path / "model.tsv",
        [(item, 101 + k, max(3, int(of_unit[k]))) for item in responses for k in range(units.size)],
    )
    alone = scored(dataset, answers, tmp_path / "alone")
    capsys.readouterr()
    together = scored(dataset, answers, tmp_path / "together", "--cluster", "I_PSU")
    assert "design effect" in capsys.readouterr().out
    assert alone["design_effect"] is None
    assert together["mean"] == alone["mean"]
    widths = [row["mean_high"] - row["mean_low"] for row in (alone, together)]
    assert widths[1] > 2 * widths[0]
    # the variance of a mean of means of units, by that of a mean of respondents
    said = np.array(list(responses.values()), dtype=float)
    by_units = said.reshape(-1, n_units, size).mean(axis=2).var(axis=1, ddof=1) / n_units
    expected = np.mean(by_units / (said.var(axis=1, ddof=1) / units.size))
    assert together["design_effect"] == pytest.approx(expected, rel=0.2)
    assert expected > 4


def test_scoring_by_clusters_that_there_are_not_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = make_dataset(tmp_path / "d", {"Q1": [1, 2]}, {"B_COUNTRY": [20, 20]})
    answers = write_answers(tmp_path / "model.tsv", [("Q1", 101, 1), ("Q1", 102, 2)])
    with pytest.raises(SystemExit) as stopped:
        main(["score", str(answers), "--data", str(dataset.folder), "--cluster", "I_PSU", "--out", str(tmp_path / "s")])
    assert stopped.value.code
    said = capsys.readouterr().err.strip()
    assert "has no clusters I_PSU" in said
    assert "\n" not in said
    assert not (tmp_path / "s").exists()
