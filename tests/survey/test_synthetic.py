"""The invented survey: real world counts, invented people."""

import json
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pyreadstat
import pytest

from worldvaluesbench.errors import FolderError, SurveyFileError
from worldvaluesbench.survey._catalogue import catalogue_of, read_wordings
from worldvaluesbench.survey._codebook import Codebook, load_codebook
from worldvaluesbench.survey._marginals import load_marginals
from worldvaluesbench.survey.reader._microdata import read_microdata
from worldvaluesbench.survey.synthetic._respondents import load_places, sizes_of
from worldvaluesbench.survey.synthetic._responses import cut_by_rank, load_variables, scaled_counts
from worldvaluesbench.survey.synthetic._synthetic import build_synthetic, write_synthetic

N = 3_000


@pytest.fixture(scope="module")
def codebook() -> Codebook:
    return load_codebook()


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return build_synthetic(N, rng=np.random.default_rng(7))


def seeded(n: int, seed: int) -> pl.DataFrame:
    return build_synthetic(n, rng=np.random.default_rng(seed))


def spread_of_means(frame: pl.DataFrame, item_id: str, group: str) -> float:
    """The between-group share of an item's variance, less what chance alone would give."""
    responded = frame.filter((pl.col(item_id) >= 0) & (pl.col(group) >= 0))
    means = responded.group_by(group).agg(pl.col(item_id).mean().alias("mean"), pl.len())
    rating = responded[item_id].cast(pl.Float64)
    between = float((means["len"] * (means["mean"] - rating.mean()) ** 2).sum()) / len(rating)
    return between / float(np.var(rating.to_numpy())) - (len(means) - 1) / len(rating)


def test_one_seed_gives_one_survey_and_another_seed_another() -> None:
    assert seeded(200, 1).equals(seeded(200, 1))
    assert not seeded(200, 1).equals(seeded(200, 2))


def test_the_file_has_the_columns_of_the_real_one(frame: pl.DataFrame, codebook: Codebook) -> None:
    assert frame.shape == (N, 378)
    assert frame.columns[:3] == ["version", "doi", "A_WAVE"]
    assert set(codebook.item_ids) | set(codebook.attribute_ids) <= set(frame.columns)
    questions = [name for name in frame.columns if name in codebook.item_ids]
    assert questions == list(codebook.item_ids)
    assert frame["version"].unique().to_list() == ["invented 5-0-0 (worldvaluesbench)"]


def test_every_variable_has_the_counts_of_the_world(frame: pl.DataFrame) -> None:
    for variable, counts in load_marginals().raw.items():
        found = dict(frame[variable].value_counts().iter_rows())
        n_missing = sum(n for code, n in found.items() if code < 0)
        assert abs(n_missing - N * (counts[None] / 94_278)) <= 1, variable
        n_responses = 94_278 - counts[None]
        for code, n in counts.items():
            if code is not None:
                # Q33_3 and its like join two codes, each rounded on its own
                assert abs(found.get(code, 0) - (N - n_missing) * (n / n_responses)) <= 2, (variable, code)


def test_no_code_is_unlisted_but_the_one_that_is_unlisted_in_the_real_file(
    frame: pl.DataFrame, codebook: Codebook
) -> None:
    for item in codebook.items:
        assert set(frame[item.item_id]) <= {choice.code for choice in item.choices} | {-1, -2, -3, -4, -5}
    for attribute in codebook.attributes:
        listed = pl.Series([*attribute.choices, *range(-5, 0)]).cast(frame[attribute.attribute_id].dtype)
        codes = frame[attribute.attribute_id]
        if attribute.is_free:
            assert attribute.low is not None
            assert attribute.high is not None
            assert codes.filter(codes >= 0).is_between(attribute.low, attribute.high).all()
        else:
            assert codes.is_in(listed.to_list()).all(), attribute.attribute_id


def test_a_question_is_not_asked_in_whole_countries(frame: pl.DataFrame) -> None:
    skipped = frame.group_by("B_COUNTRY").agg((pl.col("Q240") == -4).mean().alias("share"))
    assert set(skipped["share"]) == {0.0, 1.0}
    reasons = set(frame["Q240"].filter(frame["Q240"] < 0))
    assert {-1, -2, -4} <= reasons <= {-1, -2, -4, -5}


def test_64_countries_stand_in_blocks_that_are_not_sorted_by_code(frame: pl.DataFrame, codebook: Codebook) -> None:
    countries = frame["B_COUNTRY"]
    blocks = countries.rle().struct.field("value").to_list()
    assert len(blocks) == len(set(blocks)) == 64
    assert set(blocks) == {country.code for country in codebook.countries if country.is_in_version_5}
    assert blocks != sorted(blocks)


def test_sizes_of_countries_are_those_of_the_table_in_a_full_file(codebook: Codebook) -> None:
    places = load_places(codebook)
    full = dict(zip((place.code for place in places), sizes_of(94_278, places).tolist(), strict=True))
    assert sum(full.values()) == 94_278
    assert full[858] == 1_000
    assert min(full, key=lambda code: full[code]) == 909
    for n in (100, 3_000, 94_277, 2_000_000):
        sizes = sizes_of(n, places)
        assert sizes.sum() == n
        assert sizes.min() >= 1


def test_ids_are_unique_but_for_uruguay_and_begin_with_the_country(frame: pl.DataFrame) -> None:
    uruguay = frame.filter(pl.col("B_COUNTRY") == 858)
    assert set(uruguay["D_INTERVIEW"]) == {858_069_901}
    others = frame.filter(pl.col("B_COUNTRY") != 858)
    assert others["D_INTERVIEW"].is_unique().all()
    assert (others["D_INTERVIEW"] // 1_000_000 == others["B_COUNTRY"]).all()
    assert (others["D_INTERVIEW"] // 10_000 % 100 == 7).all()
    china = frame.filter(pl.col("B_COUNTRY") == 156)
    assert china["D_INTERVIEW"][0] == 156_070_001


def test_countries_and_levels_of_education_respond_differently(frame: pl.DataFrame, codebook: Codebook) -> None:
    some = codebook.item_ids[::5]
    by_country = [spread_of_means(frame, item_id, "B_COUNTRY") for item_id in some]
    by_education = [spread_of_means(frame, item_id, "Q275") for item_id in some]
    assert np.mean(by_country) > 0.05
    assert np.mean(by_education) > 0.005
    assert spread_of_means(frame, "Q275", "B_COUNTRY") > 0.1
    assert spread_of_means(frame, "H_URBRURAL", "B_COUNTRY") > 0.1


def test_responses_to_one_topic_hang_together(frame: pl.DataFrame) -> None:
    confident = frame.select(
        pl.col("Q65", "Q70", "Q71", "Q72").filter(pl.all_horizontal(pl.col("^Q(65|70|71|72)$") > 0))
    )
    off_diagonal = np.abs(np.corrcoef(confident.to_numpy().T))[np.triu_indices(4, 1)]
    assert off_diagonal.mean() > 0.1


def test_the_two_cells_that_the_paper_found_empty_are_nearly_so(codebook: Codebook) -> None:
    frame = seeded(20_000, 3)
    oceania_rural = frame.filter(pl.col("B_COUNTRY").is_in([36, 554]) & (pl.col("H_URBRURAL") == 2))
    few = oceania_rural.filter(pl.col("Q275").is_between(0, 2)).height
    many = oceania_rural.filter(pl.col("Q275") >= 3).height
    assert few / 20_000 < 10 / 13_991
    assert many > 60


def test_weights_have_mean_one_and_make_each_country_a_thousand(frame: pl.DataFrame) -> None:
    sums = frame.group_by("B_COUNTRY").agg(pl.col("W_WEIGHT").mean().alias("mean"), pl.col("S018").sum().alias("sum"))
    np.testing.assert_allclose(sums["mean"], 1.0, rtol=1e-12)
    np.testing.assert_allclose(sums["sum"], 1000.0, rtol=1e-12)
    assert frame["S017"].to_list() == frame["W_WEIGHT"].to_list()
    assert (frame["PWGHT"] > 0).all()
    assert frame.group_by("B_COUNTRY").agg(pl.col("PWGHT").n_unique())["PWGHT"].max() == 1
    assert frame["W_WEIGHT"].is_between(0.1, 4.0).all()


def test_particulars_of_a_respondent_agree(frame: pl.DataFrame) -> None:
    aged = frame.filter(pl.col("Q262") > 0)
    assert aged["Q262"].is_between(16, 100).all()
    assert (aged["A_YEAR"] - aged["Q262"] == aged["Q261"]).all()
    bounds = [25, 35, 45, 55, 65]
    assert (aged["X003R"].to_numpy() == 1 + np.digitize(aged["Q262"].to_numpy(), bounds)).all()
    assert (frame["J_INTDATE"] // 10_000 == frame["A_YEAR"]).all()
    assert (frame["J_INTDATE"] // 100).is_between(frame["FW_START"], frame["FW_END"]).all()
    towns = frame.filter(pl.col("N_TOWN") > 0)
    assert all(str(town).startswith(str(code)) for town, code in towns.select("N_TOWN", "B_COUNTRY").iter_rows())
    natives = frame.filter((pl.col("Q263") == 1) & (pl.col("B_COUNTRY") != 909))
    assert (natives["Q266"] == natives["B_COUNTRY"]).all()
    immigrants = frame.filter(pl.col("Q263") == 2)
    assert (immigrants["Q266"] != immigrants["B_COUNTRY"]).all()
    assert not frame.filter(pl.col("Q273").is_in([1, 2]))["Q276"].is_in([-3]).any()


def test_ranks_are_cut_by_counts() -> None:
    tendency = np.array([0.3, -1.0, 2.0, 0.1, 0.2], dtype=np.float32)
    assert cut_by_rank(tendency, (4, 7, 5), np.array([2, 0, 3])).tolist() == [5, 4, 5, 4, 5]


def test_scaled_counts_are_rounded_up_or_down_and_keep_their_sum() -> None:
    rng = np.random.default_rng(0)
    counts = np.array([1, 2, 4])
    drawn = np.array([scaled_counts(counts, 10, rng) for _ in range(4_000)])
    assert set(drawn.sum(axis=1)) == {10}
    exact = 10 * counts / 7
    assert (np.abs(drawn - exact) < 1).all()
    np.testing.assert_allclose(drawn.mean(axis=0), exact, atol=0.05)


def test_codes_stand_in_the_order_of_the_scale_not_of_their_numbers(codebook: Codebook) -> None:
    variables = {variable.name: variable for variable in load_variables(codebook)}
    assert variables["Q56"].codes == (1, 3, 2)
    assert variables["Q119"].codes == (1, 2, 0, 3, 4)
    assert variables["Q254"].codes == (1, 2, 3, 4, 5)
    assert variables["Q254"].n_unordered == 1


def test_every_format_holds_the_same_codes(tmp_path: Path) -> None:
    paths = {suffix: tmp_path / f"survey{suffix}" for suffix in (".csv", ".csv.gz", ".parquet", ".sav", ".dta")}
    for path in paths.values():
        write_synthetic(path, 150, seed=5)
    plain = pl.read_csv(paths[".csv"])
    assert set(plain["version"]) == {"invented 5-0-0 (worldvaluesbench, seed 5)"}
    coded = [name for name in plain.columns if plain[name].dtype == pl.Int64]
    assert len(coded) > 300
    sav, _ = pyreadstat.read_sav(paths[".sav"], user_missing=True, output_format="polars")
    dta, _ = pyreadstat.read_dta(paths[".dta"], output_format="polars")
    others = [pl.read_csv(paths[".csv.gz"]), pl.read_parquet(paths[".parquet"]), sav, dta]
    for other in others:
        assert other.columns == plain.columns
        assert other.select(pl.col(coded).cast(pl.Int64)).equals(plain.select(coded))


def test_a_sav_file_declares_its_missing_codes_and_labels_them(tmp_path: Path) -> None:
    path = tmp_path / "survey.sav"
    write_synthetic(path, 150, seed=5)
    blanked, _ = pyreadstat.read_sav(path, output_format="polars")
    assert blanked["Q240"].null_count() + blanked["Q240"].is_nan().sum() > 0
    _, described = pyreadstat.read_sav(path, user_missing=True, output_format="polars")
    assert described.missing_ranges["Q240"] == [{"lo": -5.0, "hi": -1.0}]
    assert described.variable_value_labels["Q260"] == {
        -5: "Not available", -4: "Not asked", -3: "Not applicable", -2: "No answer", -1: "Don't know",
        1: "Male", 2: "Female",
    }  # fmt: skip


def test_a_zip_holds_one_csv_and_a_seed_repeats_its_bytes(tmp_path: Path) -> None:
    first, second, plain = tmp_path / "a.zip", tmp_path / "b.zip", tmp_path / "a.csv"
    for path in (first, second, plain):
        write_synthetic(path, 120, seed=9)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        (name,) = archive.namelist()
        assert archive.read(name) == plain.read_bytes()


@pytest.mark.parametrize("n", [99, 0, -5, 2_000_001])
def test_too_few_or_too_many_respondents_are_refused(tmp_path: Path, n: int) -> None:
    with pytest.raises(SurveyFileError, match="A seed is 0 or more, got -1"):
        write_synthetic(tmp_path / "survey.csv", 100, seed=-1)
    with pytest.raises(SurveyFileError, match=f"has 100 to 2,000,000 respondents, got {n:,}"):
        write_synthetic(tmp_path / "survey.csv", n, seed=1)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_extension_and_an_occupied_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SurveyFileError, match=r"survey\.xlsx: unknown extension; .* written as \.csv, \.csv\.gz, \.zip"
    ):
        write_synthetic(tmp_path / "survey.xlsx", 100, seed=1)
    with pytest.raises(SurveyFileError, match=r"^\.: unknown extension"):
        write_synthetic(Path(), 100, seed=1)
    path = tmp_path / "survey.csv"
    path.write_text("mine")
    with pytest.raises(FolderError, match="exists already"):
        write_synthetic(path, 100, seed=1)
    with pytest.raises(FolderError, match="is no invented survey file, so --force does not replace it"):
        write_synthetic(path, 100, seed=1, force=True)
    assert path.read_text() == "mine"
    path.unlink()
    for seed in (1, 2):
        write_synthetic(path, 100, seed=seed, force=True)
    assert path.read_text().startswith("version,doi,A_WAVE")


def test_paths_may_be_texts(tmp_path: Path) -> None:
    write_synthetic(str(tmp_path / "survey.csv"), 100, seed=1)
    write_synthetic(tmp_path / "again.csv", 100, seed=1)
    assert (tmp_path / "survey.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()
    assert read_microdata(str(tmp_path / "survey.csv")).frame.height == 100
    (tmp_path / "words.json").write_text(json.dumps(catalogue_of(load_codebook())))
    assert read_wordings(str(tmp_path / "words.json")).item_ids == load_codebook().item_ids
