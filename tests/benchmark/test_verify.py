"""Verifying: every way in which a samples file can differ from a dataset is told, and counted by row."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.benchmark import naive
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._verify import Verification, verify_samples

Sample = tuple[str, str, str, str, int]
Person = dict[str, int | str]

ITEMS = ("Q1", "Q57", "Q199")
COLUMNS = ("Question", "Continent", "Urban / Rural", "Education", "D_INTERVIEW")


def people_of(dataset: Dataset) -> list[Person]:
    """Whoever has a continent, a settlement and an education level by the paper's rules."""
    names = ["respondent_id", "split", "B_COUNTRY", "H_URBRURAL", "Q275"]
    wide = dataset.respondents(names).hstack(dataset.responses(ITEMS).drop("respondent_id"))
    return [person for person in wide.to_dicts() if person["Q275"] in naive.EDUCATION and person["H_URBRURAL"] > 0]


def sample_of(person: Person, item_id: str) -> Sample:
    """A true sample of this person."""
    country, settlement, education = (int(person[name]) for name in ("B_COUNTRY", "H_URBRURAL", "Q275"))
    return (
        item_id,
        naive.CONTINENTS[country],
        {1: "Urban", 2: "Rural"}[settlement],
        naive.EDUCATION[education],
        int(person["respondent_id"]),
    )


def true_samples(dataset: Dataset) -> Iterator[Sample]:
    for person in people_of(dataset):
        for item_id in ITEMS:
            if person["split"] == "test" and int(person[item_id]) >= 0:
                yield sample_of(person, item_id)


def untrue_samples(dataset: Dataset, kind: str) -> Iterator[Sample]:
    """Samples that are true but for one kind of difference."""
    if kind == "not_in_test_split":
        for split in ("train", "valid"):
            yield next(sample_of(p, "Q1") for p in people_of(dataset) if p["split"] == split and int(p["Q1"]) >= 0)
    elif kind == "no_response":
        for person in people_of(dataset):
            for item_id in ITEMS:
                if person["split"] == "test" and int(person[item_id]) < 0:
                    yield sample_of(person, item_id)
    else:
        for sample in true_samples(dataset):
            yield with_change(sample, kind)


def with_change(sample: Sample, kind: str) -> Sample:
    item_id, continent, settlement, education, respondent_id = sample
    match kind:
        case "unknown_item":
            item_id = f"{item_id}X"
        case "other_continent":
            continent = "Africa" if continent != "Africa" else "Europe"
        case "other_H_URBRURAL":
            settlement = "Rural" if settlement == "Urban" else "Urban"
        case "other_education_level":
            education = "Tertiary" if education != "Tertiary" else "Lower Secondary"
        case "unknown_respondent":
            respondent_id += 10**12
        case _:
            raise AssertionError(kind)
    return item_id, continent, settlement, education, respondent_id


def verified(dataset: Dataset, samples: list[Sample], folder: Path) -> Verification:
    path = folder / "samples.tsv"
    path.write_text("\n".join("\t".join(map(str, row)) for row in [COLUMNS, *samples]) + "\n")
    return verify_samples(dataset, path)


def told(found: Verification) -> dict[str, int]:
    return {kind: n for kind, n in found.differing.items() if n}


KINDS = (
    "unknown_respondent",
    "not_in_test_split",
    "other_continent",
    "other_H_URBRURAL",
    "other_education_level",
    "no_response",
    "unknown_item",
)


def test_true_samples_differ_in_nothing(paper: Dataset, tmp_path: Path) -> None:
    samples = list(true_samples(paper))
    found = verified(paper, samples, tmp_path)
    assert told(found) == {}
    assert found.is_sound
    assert found.n_rows == len(samples) > 1000
    assert found.n_respondents == len({sample[-1] for sample in samples})
    assert set(KINDS) <= set(found.differing)


@pytest.mark.parametrize("kind", KINDS)
def test_each_difference_is_counted_as_what_it_is(kind: str, paper: Dataset, tmp_path: Path) -> None:
    first, second = islice(untrue_samples(paper, kind), 2)
    true = [sample for sample in islice(true_samples(paper), 50) if (sample[0], sample[-1]) != (first[0], first[-1])]
    for untrue in ([first], [first, second]):
        samples = [*true[10:], *untrue]
        found = verified(paper, samples, tmp_path)
        assert told(found) == {kind: len(untrue)}
        assert found.n_rows == len(samples)
        assert not found.is_sound


def test_a_sample_that_differs_in_several_ways_is_counted_in_each(paper: Dataset, tmp_path: Path) -> None:
    sample = next(untrue_samples(paper, "no_response"))
    for kind in ("other_continent", "other_H_URBRURAL", "other_education_level"):
        sample = with_change(sample, kind)
    expected = {"other_continent": 1, "other_H_URBRURAL": 1, "other_education_level": 1, "no_response": 1}
    assert told(verified(paper, [sample], tmp_path)) == expected


def test_someone_given_again_for_an_item_is_counted_from_the_second_time_on(paper: Dataset, tmp_path: Path) -> None:
    samples = list(islice(true_samples(paper), 10))
    assert len({sample[-1] for sample in samples}) < 10  # the same person for another item is no repetition
    found = verified(paper, [*samples, samples[4], samples[7], samples[4]], tmp_path)
    assert told(found) == {"given_twice": 3}
    assert found.n_rows == 13


def test_the_lost_masters_degrees_differ_in_edition_paper_alone(
    paper: Dataset, corrected: Dataset, tmp_path: Path
) -> None:
    for dataset, expected in ((paper, {"other_education_level": 1}), (corrected, {})):
        wide = dataset.respondents(["respondent_id", "split", "B_COUNTRY", "H_URBRURAL", "Q275"])
        people = wide.hstack(dataset.responses(["Q1"]).drop("respondent_id")).to_dicts()
        person = next(p for p in people if p["split"] == "test" and p["Q275"] == 7 and p["Q1"] > 0 < p["H_URBRURAL"])
        tertiary = sample_of({**person, "Q275": 8}, "Q1")
        assert told(verified(dataset, [tertiary], tmp_path)) == expected


def test_someone_of_unknown_education_is_in_no_level(paper: Dataset, tmp_path: Path) -> None:
    wide = paper.respondents(["respondent_id", "split", "B_COUNTRY", "H_URBRURAL", "Q275"])
    people = wide.hstack(paper.responses(["Q1"]).drop("respondent_id")).to_dicts()
    person = next(p for p in people if p["split"] == "test" and p["Q275"] < 0 < p["Q1"] and p["H_URBRURAL"] > 0)
    found = verified(paper, [sample_of({**person, "Q275": level}, "Q1") for level in (1, 2, 3, 6)], tmp_path)
    assert found.differing["other_education_level"] == 4
