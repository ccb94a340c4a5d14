"""Which examples are asked: those with a valid response, each once, however they are named."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from worldvaluesbench._io._folder import write_manifest
from worldvaluesbench.benchmark._dataset import Dataset, load_dataset
from worldvaluesbench.benchmark._probe import build_probe
from worldvaluesbench.errors import CodebookError, DatasetError, FolderError, ProbeError
from worldvaluesbench.planning._examples import ExampleSet, probe_examples, read_examples, split_examples

Keys = list[tuple[str, int]]


def keys_of(examples: ExampleSet) -> Keys:
    ids = examples.dataset.respondents(["respondent_id"])["respondent_id"].to_list()
    return [(item_id, ids[row]) for item_id in examples.item_ids for row in examples.rows_of(item_id).tolist()]


@pytest.fixture(scope="module")
def probe(paper: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probe") / "probe"
    build_probe(paper, "paper36", folder)
    return folder


@pytest.mark.parametrize("split", ["train", "test", "full"])
def test_a_split_asks_every_valid_response_in_the_order_of_the_split(paper: Dataset, split: str) -> None:
    wanted = ("Q1", "Q106", "Q240")
    examples = split_examples(paper, split, wanted)
    long = paper.examples(split, wanted).select(pl.col("item_id").cast(pl.String), "respondent_id").collect()
    assert keys_of(examples) == [key for item_id in wanted for key in long.rows() if key[0] == item_id]
    assert examples.n == long.height
    assert examples.describe() == {
        "source": "split",
        "split": split,
        "n": long.height,
        "n_left_out": 0,
        "item_ids": list(wanted),
    }


def test_all_items_of_a_split_are_asked_where_none_are_chosen(paper: Dataset) -> None:
    examples = split_examples(paper, "valid")
    assert examples.n == paper.examples("valid").select(pl.len()).collect().item()
    assert examples.item_ids == tuple(item for item in paper.codebook.item_ids if item in examples.item_ids)


def test_a_probe_is_asked_as_it_was_drawn(paper: Dataset, probe: Path) -> None:
    drawn = pl.read_parquet(probe / "probe.parquet").select("item_id", "respondent_id").rows()
    examples = probe_examples(paper, probe)
    place = {item_id: number for number, item_id in enumerate(paper.codebook.item_ids)}
    assert keys_of(examples) == sorted(drawn, key=lambda key: place[key[0]])
    said = examples.describe()
    assert (said["source"], said["name"], said["split"], said["n"]) == ("probe", "paper36", "test", len(drawn))


def test_some_items_of_a_probe_can_be_asked(paper: Dataset, probe: Path) -> None:
    drawn = pl.read_parquet(probe / "probe.parquet")["item_id"].to_list()
    first, last = drawn[0], drawn[-1]
    examples = probe_examples(paper, probe, [last, first])
    assert {key[0] for key in keys_of(examples)} == {first, last}
    assert examples.n == sum(item_id in (first, last) for item_id in drawn)
    absent = next(item_id for item_id in paper.codebook.item_ids if item_id not in drawn)
    with pytest.raises(DatasetError, match=f"holds no example of {absent};"):
        probe_examples(paper, probe, [absent])
    with pytest.raises(CodebookError, match="There is no item 'Q999'"):
        probe_examples(paper, probe, ["Q999"])


def test_a_probe_of_another_dataset_is_refused_with_the_difference(corrected: Dataset, probe: Path) -> None:
    with pytest.raises(ProbeError) as caught:
        probe_examples(corrected, probe)
    assert ": edition paper, not corrected (identity " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_dataset_built_again_by_another_version_still_has_its_probe(paper: Dataset, probe: Path) -> None:
    newer = Dataset(paper.folder, {**paper.manifest, "worldvaluesbench": "99.0"}, paper.codebook)
    assert keys_of(probe_examples(newer, probe)) == keys_of(probe_examples(paper, probe))


def test_a_probe_that_names_someone_without_a_response_is_refused(paper: Dataset, probe: Path, tmp_path: Path) -> None:
    drawn = pl.read_parquet(probe / "probe.parquet")
    item_id = drawn["item_id"][0]
    silent = paper.responses([item_id]).filter(pl.col(item_id) < 0)["respondent_id"][0]
    is_first = pl.int_range(pl.len()) == 0
    changed = pl.when(is_first).then(silent).otherwise(pl.col("respondent_id")).alias("respondent_id")
    drawn.with_columns(changed).write_parquet(tmp_path / "probe.parquet")
    manifest = json.loads((probe / "manifest.json").read_text())
    write_manifest(tmp_path, "probe", {name: manifest[name] for name in ("dataset", "spec")})
    with pytest.raises(ProbeError, match="1 of its examples have no valid response here"):
        probe_examples(paper, tmp_path)


def test_what_is_no_probe_folder_is_refused(paper: Dataset) -> None:
    with pytest.raises(FolderError, match="expected a probe folder"):
        probe_examples(paper, paper.folder)


def as_csv(keys: Keys) -> str:
    return "item_id,respondent_id\n" + "".join(f"{item_id},{respondent}\n" for item_id, respondent in keys)


def as_published(keys: Keys) -> str:
    lines = [f"{respondent}\t4\t{item_id}\n" for item_id, respondent in keys]
    return "PARTICIPANT_ID\tSCORE\tQUESTION_ID\n" + "".join(lines)


def as_samples(keys: Keys) -> str:
    return "Question;Question Category;D_INTERVIEW\r\n" + "".join(f"{item};x;{who}\r\n" for item, who in keys) + "\r\n"


@pytest.mark.parametrize("written", [as_csv, as_published, as_samples])
def test_a_file_names_examples_in_any_usual_shape(
    paper: Dataset, tmp_path: Path, written: Callable[[Keys], str]
) -> None:
    keys = keys_of(split_examples(paper, "test", ["Q1", "Q48"]))[::97]
    (tmp_path / "mine.txt").write_text(written(keys))
    assert keys_of(read_examples(paper, tmp_path / "mine.txt")) == keys
    assert keys_of(read_examples(paper, tmp_path / "mine.txt", ["Q48"])) == [key for key in keys if key[0] == "Q48"]


def test_a_parquet_file_names_examples_too(paper: Dataset, tmp_path: Path) -> None:
    examples = paper.examples("test", ["Q1", "Q48"]).collect()
    examples.write_parquet(tmp_path / "mine.parquet")
    assert sorted(keys_of(read_examples(paper, tmp_path / "mine.parquet"))) == sorted(
        examples.select(pl.col("item_id").cast(pl.String), "respondent_id").rows()
    )


def test_an_example_named_twice_is_asked_once_and_one_without_response_is_counted(
    paper: Dataset, tmp_path: Path
) -> None:
    responses = paper.responses(["Q1", "Q240"])
    valid = responses.filter(pl.col("Q1") >= 0)["respondent_id"].head(3).to_list()
    missing = responses.filter(pl.col("Q240") < 0)["respondent_id"].head(2).to_list()
    keys = [("Q1", who) for who in valid * 2] + [("Q240", who) for who in missing + missing]
    (tmp_path / "mine.csv").write_text(as_csv(keys))
    examples = read_examples(paper, tmp_path / "mine.csv")
    assert keys_of(examples) == [("Q1", who) for who in valid]
    assert examples.n_left_out == len(Counter(missing))
    assert examples.describe()["n_left_out"] == 2
    assert examples.describe()["name"] == "mine.csv"
    assert str(tmp_path) not in json.dumps(examples.describe())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item_id,respondent_id\n", "holds no examples"),
        ("item_id,rating\nQ1,3\n", "has no column respondent_id"),
        ("respondent_id\n3\n", "has no column item_id"),
        ("item_id\rQ1,respondent_id\n3,4\n", "has no column item_id"),
        ("item_id,respondent_id\nQ1,{who}\nQ999,{who}\n", "row 2: item_id is 'Q999'"),
        ("item_id,respondent_id\nQ1,{who}\n\nQ1,someone\n", "respondent_id is 'someone'"),
        ("item_id,respondent_id\nQ1,\n", "respondent_id is ''"),
        ("item_id,respondent_id\nQ1,{who}\nQ1,5\nQ3,5\nQ1,6\n", "names 2 respondents that"),
    ],
)
def test_a_file_that_names_no_examples_is_refused_in_one_line(
    paper: Dataset, tmp_path: Path, text: str, message: str
) -> None:
    who = paper.respondents(["respondent_id"])["respondent_id"][0]
    (tmp_path / "odd.csv").write_text(text.replace("{who}", str(who)))
    with pytest.raises(DatasetError) as caught:
        read_examples(paper, tmp_path / "odd.csv")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_is_refused_in_one_line(paper: Dataset, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01" * 9)
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    for path in (tmp_path / "none.csv", tmp_path, tmp_path / "binary", tmp_path / "cut.parquet"):
        with pytest.raises(DatasetError) as caught:
            read_examples(paper, path)
        assert "\n" not in str(caught.value)


def test_a_set_without_any_valid_response_is_refused(paper: Dataset, tmp_path: Path) -> None:
    missing = paper.responses(["Q240"]).filter(pl.col("Q240") < 0)["respondent_id"].head(2).to_list()
    (tmp_path / "mine.csv").write_text(as_csv([("Q240", who) for who in missing]))
    with pytest.raises(DatasetError, match=r"none of the examples to ask has a valid response \(2 were left out\)"):
        read_examples(paper, tmp_path / "mine.csv")


def test_a_dataset_that_was_opened_again_gives_the_same_examples(paper: Dataset) -> None:
    again = load_dataset(paper.folder)
    assert keys_of(split_examples(again, "test", ["Q1"])) == keys_of(split_examples(paper, "test", ["Q1"]))
