"""The nine errors found in other systems: each has a test that fails on the wrong formula, here or where it is named.

1. W1 of the shares as values: `test_distance_is_that_of_the_points_not_of_the_shares_as_values` and the next.
2. Labels of raw codes on recoded answers: `tests/survey/test_codebook.py`,
   `test_the_label_of_a_recoded_code_is_the_label_of_its_raw_code`,
   `test_q56_and_q119_have_their_words_in_the_recoded_order`.
3. "1" and the first token of "10" taken for one another: `tests/elicitation/test_local.py`,
   `test_one_and_ten_are_different_answers_when_digits_are_split`; `tests/elicitation/test_hosted_logprobs.py`,
   `test_ten_is_as_likely_whatever_the_tokens_of_the_mock_server_are`; `tests/support/test_mock_answers.py`,
   `test_split_digits_are_read_right_where_the_answer_begins_with_one`.
4. Answers off the scale scored, replaced or spread out: `test_an_answer_off_the_scale_is_neither_scored_nor_replaced`;
   `tests/elicitation/test_parse.py`, `test_a_rating_off_the_scale_is_said_as_written`.
5. The answer dropped and its respondent kept:
   `test_the_respondent_of_an_answer_that_does_not_count_leaves_as_well` and the next.
6. Samples averaged before the distribution is formed:
   `test_several_samples_are_not_averaged_before_the_distribution_is_formed`,
   `test_several_samples_for_one_person_are_several_answers`.
7. Unequal samples by interpolated quantiles, or means for distributions:
   `test_distance_is_not_the_difference_of_means`,
   `test_samples_of_unequal_sizes_are_not_matched_by_interpolated_quantiles`.
8. The order of the options never varied: `test_a_model_that_likes_the_first_option_is_seen_through_by_two_orders`;
   `tests/elicitation/test_choices.py`, `test_all_orders_together_put_every_point_everywhere_equally_often`;
   `tests/elicitation/test_answers_table.py`, `test_orders_are_read_back_to_the_same_scale`.
9. Settings changed silently as a call is made again: `tests/elicitation/test_hosted_faults.py`,
   `test_a_call_that_failed_for_now_is_made_again` (the same body). Ids parsed as floats:
   `test_ids_that_went_through_floats_still_find_their_respondent`.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import wasserstein_distance

from tests.scoring.people import ALL, make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring._scores import Scores
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._distribution import shares_of, wasserstein


def score_q1(folder: Path, responses: Sequence[int], rows: Sequence[tuple[object, object]]) -> Scores:
    """Scores of answers to Q1 (scale 1..4), `rows` of respondent id and score, against people 101, 102, ..."""
    dataset = make_dataset(folder / "people", {"Q1": responses})
    file = write_answers(folder / "model.tsv", [("Q1", key, score) for key, score in rows])
    return score_answers([read_answers(file)], respondents_reference(dataset), how=ALL)


def outcome(scores: Scores, reason: str) -> int:
    return int(scores.counts[reason].sum())


def test_distance_is_that_of_the_points_not_of_the_shares_as_values() -> None:
    u, v = [0.7, 0.2, 0.1], [0.1, 0.2, 0.7]
    assert wasserstein_distance(u, v) == pytest.approx(0), "what the shares as values would say"
    assert wasserstein(u, v) == pytest.approx(0.6)


def test_opposed_distributions_are_opposed_from_file_to_score(tmp_path: Path) -> None:
    # ten people of whom 7 said 1, 2 said 2, 1 said 4; the model turns them round
    responses, answers = [1] * 7 + [2] * 2 + [4], [4] * 7 + [2] * 2 + [1]
    scores = score_q1(tmp_path, responses, list(zip(range(101, 111), answers, strict=True)))
    assert scores.table["distance"].item() == pytest.approx(0.6)


def test_several_samples_are_not_averaged_before_the_distribution_is_formed(tmp_path: Path) -> None:
    """Half of the answers at each end match half of the people at each end; their average would be 1/2 away."""
    scores = score_q1(tmp_path, [1, 1, 4, 4], [(101, 4), (102, 1), (103, 4), (104, 1)])
    assert scores.table["distance"].item() == 0


def score_run(folder: Path, responses: Sequence[int], rows: Sequence[Row]) -> Scores:
    """Scores of a run about Q1, against people 101, 102, ..."""
    dataset = make_dataset(folder / "people", {"Q1": responses})
    return score_answers(
        [read_answers(make_run(folder / "run", rows, dataset))], respondents_reference(dataset), how=ALL
    )


def test_several_samples_for_one_person_are_several_answers(tmp_path: Path) -> None:
    """Each of two people is said to answer 1 half of the time and 4 the other; the mean of the samples would be 2.5."""
    rows = [Row("Q1", key, rating, sample=sample) for key in (101, 102) for sample, rating in enumerate((1, 4))]
    row = score_run(tmp_path, [1, 4], rows).table.row(0, named=True)
    assert (row["n_responses"], row["n_answers"], row["distance"]) == (2, 4, 0)


def test_a_model_that_likes_the_first_option_is_seen_through_by_two_orders(tmp_path: Path) -> None:
    """It says 1 of 1 to 4, and 4 of 4 to 1. One order makes it agree with people who say 1; both show what it does."""
    forward = [Row("Q1", key, 1, order=0) for key in (101, 102)]
    backward = [Row("Q1", key, 4, order=1) for key in (101, 102)]
    one, both = (
        score_run(tmp_path / name, [1, 1], rows).table["distance"].item()
        for name, rows in (("one", forward), ("both", [*forward, *backward]))
    )
    assert (one, both) == (0, 0.5)


def test_distance_is_not_the_difference_of_means() -> None:
    polarised, middling = [0.5, 0, 0, 0, 0.5], [0, 0, 1.0, 0, 0]
    assert np.dot(polarised, range(5)) == np.dot(middling, range(5))
    assert wasserstein(polarised, middling) == pytest.approx(0.5)


def test_samples_of_unequal_sizes_are_not_matched_by_interpolated_quantiles() -> None:
    few, many = [0.0, 1.0], [0.0, 0.0, 1.0, 1.0]
    interpolated = np.abs(np.quantile(few, np.linspace(0, 1, 4)) - many).mean()
    assert interpolated == pytest.approx(1 / 6), "what quantiles would say of two equal distributions"
    assert wasserstein(shares_of([1, 1]), shares_of([2, 2])) == pytest.approx(0)


@pytest.mark.parametrize("answer", [0, 5, 7, -1])
def test_an_answer_off_the_scale_is_neither_scored_nor_replaced(tmp_path: Path, answer: int) -> None:
    """Were it scored, clipped, taken for the first option or spread out, the distance would not be 0."""
    scores = score_q1(tmp_path, [2, 2, 3], [(101, 2), (102, answer), (103, 3)])
    assert outcome(scores, "off_scale") == 1
    assert scores.table.select("n_responses", "n_answers", "distance").row(0) == (2, 2, 0)


@pytest.mark.parametrize("answer", ["", "I prefer not to say", "2.5"])
def test_the_respondent_of_an_answer_that_does_not_count_leaves_as_well(tmp_path: Path, answer: str) -> None:
    """The one who said 4 was not answered for; were he kept among the humans, the distance would be 1/3."""
    scores = score_q1(tmp_path, [1, 1, 4], [(101, 1), (102, 1), (103, answer)])
    assert scores.table.select("n_responses", "n_answers", "distance").row(0) == (2, 2, 0)


def test_respondents_who_were_not_answered_for_are_not_among_the_humans(tmp_path: Path) -> None:
    scores = score_q1(tmp_path, [1, 4, 4, 4], [(101, 1)])
    assert scores.table.select("n_responses", "distance").row(0) == (1, 0)


def test_ids_that_went_through_floats_still_find_their_respondent(tmp_path: Path) -> None:
    """In 32-bit floats the ids 156070593 to 156070599 are all one."""
    ids = [156070593, 156070594, 156070595]
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 2, 4]})
    for name in ("respondents", "responses"):
        path = dataset.folder / f"{name}.parquet"
        pl.read_parquet(path).with_columns(respondent_id=pl.Series(ids)).write_parquet(path)
    rows = [("Q1", "156070595.0", 4), ("Q1", "1.56070593E8", 1)]
    file = write_answers(tmp_path / "model.tsv", rows)
    scores = score_answers([read_answers(file)], respondents_reference(dataset), how=ALL)
    assert scores.table.select("n_responses", "distance").row(0) == (2, 0)


def test_the_first_row_of_a_pair_that_counts_stands_so_a_rerun_of_an_unreadable_one_helps(tmp_path: Path) -> None:
    scores = score_q1(tmp_path, [1, 1], [(101, 4), (102, "?"), (101, 1), (102, 1), (102, 4)])
    assert (outcome(scores, "duplicate"), outcome(scores, "no_number"), outcome(scores, "valid")) == (2, 1, 2)
    assert scores.table["distance"].item() == 0.5


def test_every_test_that_is_named_above_is_there() -> None:
    assert __doc__ is not None
    for error in re.split(r"\n\d\. ", __doc__)[1:]:
        named = re.findall(r"`([\w/]+\.py|test_\w+)`", error.replace("\n   ", " "))
        assert named
        where = Path(__file__)
        for name in named:
            if name.endswith(".py"):
                where = Path(__file__).parents[2] / name
            elif f"def {name}(" in Path(__file__).read_text(encoding="utf-8"):
                where = Path(__file__)
            assert f"def {name}(" in where.read_text(encoding="utf-8") or name.endswith(".py"), name
