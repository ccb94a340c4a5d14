"""The design of a plan, counted here example by example."""

from itertools import combinations
from math import inf
from pathlib import Path

import pytest

from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._probe import build_probe
from worldvaluesbench.pipeline._design import design_of
from worldvaluesbench.planning._examples import ExampleSet, probe_examples, read_examples, split_examples
from worldvaluesbench.planning._plan import build_plan
from worldvaluesbench.prompts._settings import make_settings

SPEC = 'items = ["Q1", "Q2", "Q240"]\ncross = ["Q260"]\nper_cell = 40\nseed = 3\n'


@pytest.fixture(scope="module")
def probe(paper: Dataset, tmp_path_factory: pytest.TempPathFactory) -> ExampleSet:
    """Eighty respondents of each of three items of two topics, some of whom answer more than one."""
    folder = tmp_path_factory.mktemp("probe")
    (folder / "mine.toml").write_text(SPEC)
    build_probe(paper, folder / "mine.toml", folder / "probe")
    return probe_examples(paper, folder / "probe")


def test_a_design_counts_items_topics_and_the_respondents_that_items_share(probe: ExampleSet) -> None:
    design = design_of(build_plan(probe, make_settings()))
    assert (design.n_items, design.n_topics) == (3, 2)
    assert design.n_respondents == pytest.approx(80)
    asked = {item_id: set(probe.rows_of(item_id).tolist()) for item_id in probe.item_ids}
    shared = [len(asked[first] & asked[second]) / 80 for first, second in combinations(asked, 2)]
    assert sum(shared) > 0, "or the test could not fail"
    assert design.overlap == pytest.approx(sum(shared) / 3)


def test_where_all_answer_all_the_overlap_is_whole(paper: Dataset, tmp_path: Path) -> None:
    both = set(split_examples(paper, "test", ["Q1"]).rows_of("Q1").tolist())
    both &= set(split_examples(paper, "test", ["Q2"]).rows_of("Q2").tolist())
    ids = paper.respondents()["respondent_id"].gather(sorted(both)[:50]).to_list()
    rows = [f"{item},{one}" for item in ("Q1", "Q2") for one in ids]
    (tmp_path / "all.csv").write_text("\n".join(["item_id,respondent_id", *rows]))
    design = design_of(build_plan(read_examples(paper, tmp_path / "all.csv"), make_settings()))
    assert design.n_respondents == pytest.approx(50)
    assert design.overlap == pytest.approx(1)


def test_respondents_of_items_that_differ_in_number_are_their_harmonic_mean(paper: Dataset) -> None:
    examples = split_examples(paper, "test", ["Q1", "Q240"])
    first, second = examples.counts.values()
    assert first != second
    assert design_of(build_plan(examples, make_settings())).n_respondents == pytest.approx(2 / (1 / first + 1 / second))


def test_one_item_shares_nothing(paper: Dataset) -> None:
    assert design_of(build_plan(split_examples(paper, "test", ["Q1"]), make_settings())).overlap == 0


def test_samples_are_the_completions_there_are_for_each_respondent(probe: ExampleSet) -> None:
    def n_samples(**given: object) -> float:
        return design_of(build_plan(probe, make_settings(**given))).n_samples  # type: ignore[arg-type]

    assert n_samples() == 1, "a greedy answer for each"
    assert n_samples(attributes=()) == inf, "one greedy answer for all has no sampling noise"
    assert n_samples(method="token_probs") == n_samples(method="verbalised") == inf
    sampled = build_plan(probe, make_settings(method="sampled", n=3))
    assert n_samples(method="sampled", n=3) == pytest.approx(3 * sampled.n_requests / 240)
    assert n_samples(method="sampled", n=3) < 3, "respondents who are shown alike share completions"
    assert n_samples(method="sampled", attributes=(), n=80) == pytest.approx(1), "a completion for each respondent"
