"""A survey file becomes the dataset that the facts describe, whole or not at all."""

import filecmp
import random
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from tests.benchmark import naive
from worldvaluesbench.benchmark._build import build_dataset, what_corrected_changes
from worldvaluesbench.benchmark._dataset import Dataset, load_dataset
from worldvaluesbench.errors import CodebookError, DatasetError, FolderError, SurveyFileError, WorldValuesBenchError


@pytest.fixture(scope="session")
def people(survey_csv: Path) -> list[naive.Person]:
    return naive.read_people(survey_csv)


def test_paper_keeps_63_countries_and_no_uruguayan(paper: Dataset) -> None:
    respondents = paper.respondents(["respondent_id", "B_COUNTRY"])
    assert respondents["B_COUNTRY"].n_unique() == 63 == paper.manifest["n_countries"]
    assert not respondents["respondent_id"].is_in([858069901]).any()


def test_paper_splits_are_those_of_the_naive_construction_row_by_row(
    paper: Dataset, people: list[naive.Person]
) -> None:
    for split, expected in naive.split_people(people).items():
        order = paper.split_order(split)
        assert order["respondent_id"].to_list() == [person["D_INTERVIEW"] for person in expected]


def test_paper_ratings_are_those_of_the_naive_construction(paper: Dataset, people: list[naive.Person]) -> None:
    responses = paper.responses()
    assert responses["respondent_id"].to_list() == [person["D_INTERVIEW"] for person in people]
    for item_id in naive.ITEMS:
        column = responses[item_id]
        ours = [rating if rating >= 0 else None for rating in column.to_list()]
        assert ours == [person[item_id] for person in people], item_id


def test_table_1_counts_respondents_and_examples(paper: Dataset, people: list[naive.Person]) -> None:
    counts = {count["split"]: count for count in paper.manifest["counts"]}
    for split, members in naive.split_people(people).items():
        assert counts[split]["n_respondents"] == len(members)
        assert counts[split]["n_examples"] == sum(p[item] is not None for p in members for item in naive.ITEMS)
    assert counts["total"]["n_examples"] == sum(counts[split]["n_examples"] for split in ("train", "valid", "test"))


def test_paper_loses_the_masters_degrees_and_corrected_does_not(paper: Dataset, corrected: Dataset) -> None:
    for dataset, lost in ((paper, True), (corrected, False)):
        masters = dataset.respondents(["Q275", "education_level"]).filter(pl.col("Q275") == 7)
        assert masters.height > 0
        assert (masters["education_level"] < 0).all() == lost
        assert (masters["education_level"] == 4).all() != lost


def test_corrected_keeps_uruguay_under_ids_of_its_own(corrected: Dataset) -> None:
    respondents = corrected.respondents(["respondent_id", "B_COUNTRY"])
    assert respondents["B_COUNTRY"].n_unique() == 64
    assert respondents["respondent_id"].is_unique().all()
    fresh = respondents.filter(pl.col("B_COUNTRY") == 858)["respondent_id"]
    assert fresh.len() == corrected.manifest["renamed"] > 0
    assert (fresh // 10**9 == 858).all()


def shuffled(source: Path, target: Path, seed: int) -> Path:
    header, *rows = source.read_text().splitlines()
    random.Random(seed).shuffle(rows)
    target.write_text("\n".join([header, *rows]) + "\n")
    return target


def test_a_corrected_split_survives_another_row_order(survey_csv: Path, corrected: Dataset, tmp_path: Path) -> None:
    again = build_dataset(shuffled(survey_csv, tmp_path / "s.csv", 5), tmp_path / "again", edition="corrected")
    for split in ("train", "valid", "test"):
        assert (
            again.split_order(split)["respondent_id"].to_list()
            == corrected.split_order(split)["respondent_id"].to_list()
        )


def test_a_paper_split_does_not_survive_another_row_order(survey_csv: Path, paper: Dataset, tmp_path: Path) -> None:
    again = build_dataset(shuffled(survey_csv, tmp_path / "s.csv", 5), tmp_path / "again")
    assert set(again.split_order("test")["respondent_id"]) != set(paper.split_order("test")["respondent_id"])


def with_version_6(source: Path, target: Path) -> Path:
    """The same survey as a version-6 file: two rows moved to India and Uzbekistan."""
    frame = pl.read_csv(source, infer_schema=False)
    rows = frame.with_row_index("row")
    country = pl.when(pl.col("row") == 10).then(pl.lit("356")).when(pl.col("row") == 11).then(pl.lit("860"))
    rows = rows.with_columns(
        country.otherwise(pl.col("B_COUNTRY")).alias("B_COUNTRY"), pl.lit("6-0-0 (invented)").alias("version")
    )
    rows.drop("row").write_csv(target)
    return target


def test_paper_leaves_out_the_countries_that_version_5_lacks(survey_csv: Path, paper: Dataset, tmp_path: Path) -> None:
    newer = build_dataset(with_version_6(survey_csv, tmp_path / "v6.csv"), tmp_path / "v6")
    assert newer.manifest["file_version"] == "6.0"
    assert newer.manifest["dropped"]["country_not_in_version_5"] == 2
    assert newer.manifest["n_respondents"] == paper.manifest["n_respondents"] - 2
    kept = build_dataset(tmp_path / "v6.csv", tmp_path / "v6c", edition="corrected")
    assert {356, 860} <= set(kept.respondents(["B_COUNTRY"])["B_COUNTRY"])


def test_one_line_says_what_corrected_would_change(paper: Dataset) -> None:
    masters = paper.respondents(["Q275"]).filter(pl.col("Q275") == 7).height
    line = what_corrected_changes(paper)
    assert f"give {masters:,} master's graduates" in line
    assert f"{paper.manifest['dropped']['shared_id']:,} under the shared Uruguayan id" in line
    assert "\n" not in line


def test_two_builds_are_equal_byte_for_byte(survey_csv: Path, tmp_path: Path) -> None:
    for edition in ("paper", "corrected"):
        first, second = tmp_path / f"{edition}1", tmp_path / f"{edition}2"
        build_dataset(survey_csv, first, edition=edition)
        build_dataset(survey_csv, second, edition=edition)
        names = sorted(path.name for path in first.iterdir())
        assert names == sorted(path.name for path in second.iterdir())
        assert filecmp.cmpfiles(first, second, names, shallow=False) == (names, [], [])


def test_invented_people_are_marked(paper: Dataset) -> None:
    assert paper.is_invented
    assert paper.manifest["is_invented"] is True


def test_examples_are_the_long_form_of_the_responses(paper: Dataset) -> None:
    examples = paper.examples("test", attribute_ids=["B_COUNTRY"]).collect()
    assert examples.columns == ["respondent_id", "B_COUNTRY", "item_id", "response"]
    assert examples.height == next(c["n_examples"] for c in paper.manifest["counts"] if c["split"] == "test")
    order = paper.split_order("test")
    assert examples["respondent_id"].unique(maintain_order=True).to_list() == order["respondent_id"].to_list()
    row = order.row(3)
    wide = paper.responses().row(row[1], named=True)
    long = examples.filter(pl.col("respondent_id") == row[0])
    assert dict(zip(long["item_id"], long["response"], strict=True)) == {
        item: rating for item, rating in wide.items() if item != "respondent_id" and rating >= 0
    }


def test_unknown_names_are_refused(paper: Dataset, survey_csv: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There is no split 'dev'"):
        paper.split_order("dev")
    with pytest.raises(DatasetError, match="There is no edition 'new'"):
        build_dataset(survey_csv, tmp_path / "x", edition="new")
    with pytest.raises(DatasetError, match="no such column"):
        paper.respondents(["nonsense"])
    with pytest.raises(CodebookError, match="There is no attribute 'place'"):
        paper.examples("test", attribute_ids=["place"])


def edited(source: Path, target: Path, column: str, row: int, value: str) -> Path:
    frame = pl.read_csv(source, infer_schema=False)
    values = frame[column].to_list()
    values[row] = value
    frame.with_columns(pl.Series(column, values)).write_csv(target)
    return target


def test_an_unlisted_code_is_counted_and_missing_never_a_guess(survey_csv: Path, tmp_path: Path) -> None:
    path = edited(survey_csv, tmp_path / "odd.csv", "Q1", 0, "7")
    dataset = build_dataset(path, tmp_path / "out")
    assert {"column": "Q1", "code": 7, "n": 1} in dataset.manifest["unlisted"]
    assert dataset.responses(["Q1"])["Q1"][0] == -6
    with pytest.raises(SurveyFileError, match=r"not in the codebook: .*Q1=7 \(1x\)"):
        build_dataset(path, tmp_path / "strict", strict=True)
    assert not (tmp_path / "strict").exists()


def test_a_listed_answer_without_place_on_the_scale_is_missing_for_that_reason(
    survey_csv: Path, tmp_path: Path
) -> None:
    dataset = build_dataset(edited(survey_csv, tmp_path / "odd.csv", "Q111", 0, "3"), tmp_path / "out")
    assert dataset.responses(["Q111"])["Q111"][0] == -7


def test_a_file_without_weights_builds(survey_csv: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(survey_csv, infer_schema=False)
    frame.select("D_INTERVIEW", "B_COUNTRY", "Q1").write_csv(tmp_path / "small.csv")
    dataset = build_dataset(tmp_path / "small.csv", tmp_path / "out")
    assert dataset.manifest["weights"] == []
    assert dataset.manifest["n_items"] == 1
    assert (dataset.responses(["Q2"])["Q2"] == -4).all()


def test_a_file_without_any_listed_country_is_refused(survey_csv: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(survey_csv, infer_schema=False)
    frame.with_columns(B_COUNTRY=pl.lit("-5")).write_csv(tmp_path / "odd.csv")
    with pytest.raises(DatasetError, match="no row has a country that the codebook lists"):
        build_dataset(tmp_path / "odd.csv", tmp_path / "out")
    some = edited(survey_csv, tmp_path / "some.csv", "B_COUNTRY", 0, "-5")
    assert "without a listed country, and so without a continent: 1." in str(
        build_dataset(some, tmp_path / "some").manifest["notes"]
    )


def test_two_respondents_with_one_id_are_refused(survey_csv: Path, tmp_path: Path) -> None:
    ids = pl.read_csv(survey_csv, columns=["D_INTERVIEW"])["D_INTERVIEW"]
    path = edited(survey_csv, tmp_path / "twice.csv", "D_INTERVIEW", 1, str(ids[0]))
    with pytest.raises(DatasetError, match=f"D_INTERVIEW occur in several rows, first {ids[0]}"):
        build_dataset(path, tmp_path / "out")


def test_a_damaged_dataset_is_not_loaded(survey_csv: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_dataset(survey_csv, out)
    content = (out / "responses.parquet").read_bytes()
    for damaged in (content[:1000], content[:500] + b"\0" + content[501:], b""):
        (out / "responses.parquet").write_bytes(damaged)
        with pytest.raises(FolderError, match=r"responses\.parquet: is absent or was changed"):
            load_dataset(out)
    (out / "responses.parquet").write_bytes(content)
    assert load_dataset(out).responses().height > 0


def is_whole_or_absent(out: Path) -> bool:
    try:
        dataset = load_dataset(out)
    except WorldValuesBenchError:
        return not out.exists()
    heights = {dataset.responses().height, dataset.respondents().height, dataset.manifest["n_respondents"]}
    return len(heights) == 1


@pytest.mark.parametrize("has_old", [False, True])
def test_a_build_killed_at_any_moment_leaves_the_old_dataset_or_none(
    survey_csv: Path, tmp_path: Path, has_old: bool
) -> None:
    out = tmp_path / "out"
    if has_old:
        build_dataset(survey_csv, out, edition="corrected")
    command = [sys.executable, "-m", "worldvaluesbench", "build", str(survey_csv), "--out", str(out), "--force"]
    rng = random.Random(7)
    for _ in range(8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.2, 1.6))  # the moment of the kill is what is tested
        process.kill()
        process.wait()
        assert is_whole_or_absent(out)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert load_dataset(out).edition == "paper"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
