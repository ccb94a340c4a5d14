"""Probe sets: the published draw repeated, and draws by one's own specification."""

from pathlib import Path

import polars as pl
import pytest

from tests.benchmark import naive
from worldvaluesbench._io._folder import read_manifest
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._probe import build_probe, draw_probe, published_samples
from worldvaluesbench.benchmark._spec import ProbeSpec, parse_spec, read_spec
from worldvaluesbench.benchmark._verify import read_samples, verify_samples
from worldvaluesbench.errors import ProbeError
from worldvaluesbench.survey._codebook import load_codebook

CODEBOOK = load_codebook()
PUBLISHED = Path(__file__).parents[2].parent / "shared" / "published" / "samples.tsv"


def test_paper36_in_edition_paper_is_the_published_draw_bit_for_bit(paper: Dataset, survey_csv: Path) -> None:
    spec = read_spec("paper36", CODEBOOK)
    ours = published_samples(draw_probe(paper, spec), paper)
    test = naive.split_people(naive.read_people(survey_csv))["test"]
    expected = list(naive.draw_samples(test, list(spec.item_ids)))
    assert len(expected) > 1000
    columns = ["Question", "Continent", "Urban / Rural", "Education", "D_INTERVIEW"]
    assert ours.select(columns).rows() == expected


def test_paper36_is_the_papers_probe() -> None:
    spec = read_spec("paper36", CODEBOOK)
    assert spec.item_ids == tuple(item.item_id for item in CODEBOOK.items if item.is_in_paper_probe)
    assert (spec.cross, spec.per_cell, spec.minimum) == (("continent", "H_URBRURAL", "education_level"), 5, 6)


def test_the_corrected_probe_draws_masters_graduates_too(corrected: Dataset) -> None:
    probe = draw_probe(corrected, read_spec("paper36", CODEBOOK))
    drawn = probe.examples["respondent_id"].unique()
    masters = corrected.respondents(["respondent_id", "Q275"]).filter(pl.col("Q275") == 7)["respondent_id"]
    assert drawn.is_in(masters.implode()).any()


OWN = """
items = ["Q57", "Q2", "Q1"]
cross = ["age_band", "Q260", "continent"]
per_cell = 3
minimum = 4
split = "valid"
seed = 11
"""


@pytest.mark.parametrize("text", ["paper36", OWN], ids=["paper36", "own"])
def test_a_corrected_probe_is_that_of_the_naive_construction_row_by_row(corrected: Dataset, text: str) -> None:
    spec = read_spec(text, CODEBOOK) if text == "paper36" else parse_spec("own", text, CODEBOOK)
    order = corrected.split_order(spec.split)["row"]
    responses = corrected.responses(spec.item_ids).drop("respondent_id")
    wide = corrected.respondents(["respondent_id", *spec.cross]).hstack(responses)[order]
    derived = wide["continent"].filter(wide["continent"] >= 0).unique(maintain_order=True)
    assert not derived.is_sorted()  # otherwise order of appearance could not be told from order of codes
    expected = list(
        naive.draw_corrected(
            wide.to_dicts(),
            [item_id for item_id in naive.ITEMS if item_id in spec.item_ids],
            spec.cross,
            per_cell=spec.per_cell,
            minimum=spec.minimum,
            seed=spec.seed,
        )
    )
    probe = draw_probe(corrected, spec)
    examples = [(item, *cell, key) for item, cell, _, drawn in expected for key in drawn]
    assert len(examples) > 100
    assert probe.examples.columns == ["item_id", *spec.cross, "respondent_id"]
    assert probe.examples.rows() == examples
    assert probe.cells.columns == ["item_id", *spec.cross, "n_candidates", "n_drawn"]
    assert probe.cells.rows() == [(item, *cell, n, len(drawn)) for item, cell, n, drawn in expected]


@pytest.mark.parametrize("edition", ["paper", "corrected"])
def test_everyone_drawn_is_in_their_cell_once_and_has_a_response(edition: str, request: pytest.FixtureRequest) -> None:
    dataset: Dataset = request.getfixturevalue(edition)
    text = 'topics = ["Ethical Values"]\ncross = ["Q260", "age_band"]\nper_cell = 7\nminimum = 9\nsplit = "valid"'
    probe = draw_probe(dataset, parse_spec("mine", text, CODEBOOK))
    people = dataset.respondents(["respondent_id", "split", "Q260", "age_band"])
    joined = probe.examples.join(people, on="respondent_id", suffix="_true")
    assert joined.height == probe.examples.height > 0
    assert (joined["split"] == "valid").all()
    assert (joined["Q260"] == joined["Q260_true"]).all()
    assert (joined["age_band"] == joined["age_band_true"]).all()
    assert not probe.examples.select("item_id", "respondent_id").is_duplicated().any()
    for item_id in probe.spec.item_ids:
        responses = dataset.responses([item_id]).filter(pl.col(item_id) >= 0)["respondent_id"]
        assert probe.examples.filter(pl.col("item_id") == item_id)["respondent_id"].is_in(responses.implode()).all()
    sizes = probe.cells.filter(pl.col("n_candidates") >= 9)["n_drawn"]
    assert (sizes == 7).all()
    assert (probe.cells.filter(pl.col("n_candidates") < 9)["n_drawn"] == 0).all()
    assert probe.cells["n_drawn"].sum() == probe.examples.height


def test_seeds_repeat_and_differ(corrected: Dataset) -> None:
    def drawn(seed: int) -> list[int]:
        spec = ProbeSpec("s", ("Q1", "Q2"), ("continent",), 3, 3, "test", seed)
        return draw_probe(corrected, spec).examples["respondent_id"].to_list()

    assert drawn(1) == drawn(1) != drawn(2)


def test_a_probe_folder_says_what_it_holds(paper: Dataset, tmp_path: Path) -> None:
    probe = build_probe(paper, "paper36", tmp_path / "probe")
    manifest = read_manifest(tmp_path / "probe", "probe")
    assert manifest["is_invented"] is True
    assert manifest["edition"] == "paper"
    assert manifest["n_examples"] == probe.examples.height == pl.read_parquet(tmp_path / "probe/probe.parquet").height
    assert read_samples(tmp_path / "probe" / "samples.tsv").height == probe.examples.height


def test_own_samples_verify_and_changed_ones_are_told(paper: Dataset, tmp_path: Path) -> None:
    build_probe(paper, "paper36", tmp_path / "probe")
    path = tmp_path / "probe" / "samples.tsv"
    found = verify_samples(paper, path)
    assert found.is_sound
    assert found.is_own_draw
    lines = path.read_text().splitlines()
    fields = lines[1].split("\t")
    train = paper.split_order("train")["respondent_id"][0]
    other = "Europe" if fields[2] != "Europe" else "Asia"
    changes = [
        "\t".join([*fields[:5], "123"]),
        "\t".join([*fields[:2], other, *fields[3:]]),
        "\t".join([*fields[:3], "Elsewhere", *fields[4:]]),
        "\t".join(["Q999", *fields[1:]]),
        "\t".join([*fields[:5], str(train)]),
    ]
    (tmp_path / "changed.tsv").write_text("\n".join([lines[0], *changes]) + "\n")
    found = verify_samples(paper, tmp_path / "changed.tsv")
    assert not found.is_own_draw
    assert found.differing["unknown_respondent"] == 1
    assert found.differing["not_in_test_split"] == 1
    assert found.differing["other_continent"] >= 1
    assert found.differing["other_H_URBRURAL"] >= 1
    assert found.differing["unknown_item"] == 1


@pytest.mark.skipif(not PUBLISHED.exists(), reason="needs ../shared/published")
def test_the_published_samples_are_read_and_are_not_of_an_invented_survey(paper: Dataset) -> None:
    found = verify_samples(paper, PUBLISHED)
    assert found.n_rows == 8280
    assert found.n_respondents == 4860
    assert not found.is_sound


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("items = ", "is no TOML"),
        ('items = "all"', "cross is missing"),
        ('items = "all"\ncross = ["continent"]', "per_cell is missing"),
        ('items = "all"\ncross = ["sex"]\nper_cell = 5', "There is no attribute 'sex'"),
        ('items = ["Q1", "Q42"]\ncross = ["continent"]\nper_cell = 5', "there is no item 'Q42'"),
        ('items = ["Q1", "Q1"]\ncross = ["continent"]\nper_cell = 5', "names something twice"),
        ('topics = ["Sport"]\ncross = ["continent"]\nper_cell = 5', "there is no topic 'Sport'"),
        ('items = "all"\ntopics = ["Ethical Values"]\ncross = ["continent"]\nper_cell = 5', "either items or topics"),
        ('cross = ["continent"]\nper_cell = 5', "either items or topics"),
        ('items = "all"\ncross = ["continent"]\nper_cell = 0', "expected at least 1"),
        ('items = "all"\ncross = ["continent"]\nper_cell = 5\nminimum = 2', "a minimum of at least per_cell"),
        ('items = "all"\ncross = ["continent"]\nper_cell = "5"', "expected a whole number"),
        ('items = "all"\ncross = ["continent"]\nper_cell = 5\nsplit = "dev"', "there is no split 'dev'"),
        ('items = "all"\ncross = ["continent"]\nper_cell = 5\ncolour = 1', "unknown field 'colour'"),
        ('items = "all"\ncross = "continent"\nper_cell = 5', "expected a list"),
    ],
)
def test_an_impossible_specification_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ProbeError) as caught:
        parse_spec("mine", text, CODEBOOK)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_specification_that_no_cell_meets_is_refused(paper: Dataset, tmp_path: Path) -> None:
    spec = ProbeSpec("s", ("Q1",), ("B_COUNTRY", "Q262"), 500, 500, "test", 0)
    with pytest.raises(ProbeError, match="no cell of B_COUNTRY x Q262 has 500 people in the test split"):
        build_probe(paper, spec, tmp_path / "probe")
    assert not (tmp_path / "probe").exists()


def test_an_absent_specification_or_samples_file_is_refused(paper: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="neither a packaged probe"):
        read_spec("paper37", CODEBOOK)
    with pytest.raises(ProbeError, match="there is no such file"):
        verify_samples(paper, tmp_path / "none.tsv")
    (tmp_path / "odd.tsv").write_text("a,b\n1,2\n")
    with pytest.raises(ProbeError, match="is no samples file"):
        verify_samples(paper, tmp_path / "odd.tsv")


def test_a_cross_of_millions_of_cells_is_refused_before_it_is_made(paper: Dataset) -> None:
    spec = ProbeSpec("s", ("Q1",), ("N_TOWN", "Q290", "Q262"), 5, 5, "test", 0)
    with pytest.raises(ProbeError, match="far more than people could fill"):
        draw_probe(paper, spec)
