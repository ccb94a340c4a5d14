"""The world marginals of file version 5."""

from dataclasses import replace

import numpy as np
import pytest

from worldvaluesbench.errors import CodebookError
from worldvaluesbench.survey._codebook import load_codebook, read_table
from worldvaluesbench.survey._marginals import Marginals, check_marginals, load_marginals


@pytest.fixture(scope="module")
def marginals() -> Marginals:
    return load_marginals()


def test_280_variables_each_count_all_interviews(marginals: Marginals) -> None:
    totals: dict[str, int] = {}
    for row in read_table("marginals_v5"):
        totals[row["item_id"]] = totals.get(row["item_id"], 0) + int(row["n"])
    assert len(totals) == len(marginals.raw) == 280
    assert set(totals.values()) == {94_278}


def test_the_responses_on_the_scale_are_those_of_the_facts(marginals: Marginals) -> None:
    assert len(marginals.item_ids) == 238
    assert int(marginals.as_array().sum()) == 21_560_529
    assert sum(marginals.n(item_id) for item_id in marginals.item_ids) == 21_560_529


def test_the_one_item_that_version_5_lacks_is_refused(marginals: Marginals) -> None:
    assert "Q234A" not in marginals.item_ids
    with pytest.raises(CodebookError, match="Q234A has no world marginals; 280 variables"):
        marginals.counts("Q234A")
    with pytest.raises(CodebookError, match="no item 'Q999'"):
        marginals.counts("Q999")


def test_counts_of_a_plain_item_are_the_raw_ones(marginals: Marginals) -> None:
    assert marginals.raw_counts("Q1") == {1: 84_694, 2: 8_315, 3: 896, 4: 218, None: 155}
    assert marginals.counts("Q1").tolist() == [84_694, 8_315, 896, 218]
    assert marginals.n("Q1") == 94_278 - 155


def test_recodes_move_swap_join_and_remove_counts(marginals: Marginals) -> None:
    swapped, hard_to_say = marginals.raw_counts("Q56"), marginals.raw_counts("Q119")
    assert marginals.counts("Q56").tolist() == [swapped[1], swapped[3], swapped[2]]
    assert marginals.counts("Q119").tolist() == [hard_to_say[code] for code in (1, 2, 0, 3, 4)]
    against = marginals.raw_counts("Q241")
    assert marginals.counts("Q241")[0] == against[0] + against[1]
    foreigner = marginals.raw_counts("Q254")
    assert marginals.n("Q254") == sum(foreigner[code] for code in (1, 2, 3, 4))


def test_an_array_of_items_is_padded_and_keeps_their_order(marginals: Marginals) -> None:
    table = marginals.as_array(["Q164", "Q1"])
    assert table.shape == (2, 10)
    assert table.dtype == np.int64
    assert table[1].tolist() == [84_694, 8_315, 896, 218, 0, 0, 0, 0, 0, 0]
    with pytest.raises(CodebookError, match="Q164 has 10 scale points, which do not fit a width of 5"):
        marginals.as_array(["Q164"], width=5)


def test_counts_that_do_not_sum_or_are_unlisted_are_refused(marginals: Marginals) -> None:
    short = replace(marginals, raw={"Q1": {1: 5, None: 2}})
    with pytest.raises(CodebookError, match="Q1 sums to 7, expected 94278 interviews"):
        check_marginals(short)
    with pytest.raises(CodebookError, match=r"Q1 counts codes \[9\] that choices.csv does not list"):
        check_marginals(Marginals(load_codebook(), {"Q1": {9: 94_278}}))
