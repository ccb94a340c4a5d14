"""A scale refuses to be none, and knows its points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldvaluesbench.errors import ScaleError
from worldvaluesbench.stats._scale import MAX_POINTS, Scale
from worldvaluesbench.survey._codebook import load_codebook

scales = st.builds(lambda low, steps: Scale(low, low + steps), st.integers(-5, 5), st.integers(1, 12))


@pytest.mark.parametrize(("low", "high"), [(1, 1), (4, 1)])
def test_a_scale_has_at_least_two_points(low: int, high: int) -> None:
    with pytest.raises(ScaleError, match=rf"at least two points, got {low}\.\.{high}"):
        Scale(low, high)


@given(scales)
def test_ratings_run_from_one_end_to_the_other(scale: Scale) -> None:
    assert list(scale.ratings) == [scale.low + rank for rank in range(scale.n_points)]
    assert scale.ratings[-1] == scale.high


def test_only_whole_numbers_between_its_ends_are_on_a_scale() -> None:
    assert [rating for rating in (0, 1, 4, 5, 2.5, "2", None) if rating in Scale(1, 4)] == [1, 4]


def test_a_scale_reads_as_its_ends() -> None:
    assert str(Scale(0, 10)) == "0..10"


def test_the_longest_scale_of_the_survey_fits_the_padding() -> None:
    assert max(item.scale.n_points for item in load_codebook().items) == MAX_POINTS
