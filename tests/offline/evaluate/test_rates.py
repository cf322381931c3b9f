import pytest
from hypothesis import given
from hypothesis import strategies as st

from piapp.offline.evaluate.rates import Z_95, Share, WorkingPoint, quantile, trade_off, wilson

COUNTS = st.integers(0, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(COUNTS)
def test_the_bounds_solve_the_score_equation(counts):
    """Wilson's interval by its definition: 1.96 standard errors of the bound away from the share."""
    count, of = counts
    for bound in wilson(count, of) if of else ():
        assert (count / of - bound) ** 2 == pytest.approx(Z_95**2 * bound * (1 - bound) / of, abs=1e-9)


@given(COUNTS)
def test_an_interval_holds_the_share_and_lies_within_bounds(counts):
    """Whatever was counted."""
    low, high = wilson(*counts)
    share = Share(*counts).value
    assert 0.0 <= low <= high <= 1.0
    assert share is None or low <= share <= high


def test_of_nothing_nothing_is_known():
    """The interval is everything, there is no share, and people see a dash."""
    assert wilson(0, 0) == (0.0, 1.0)
    assert Share(0, 0).value is None
    assert Share(0, 0).text() == "-"


@pytest.mark.parametrize("counts", [(2, 1), (-1, 3)])
def test_impossible_counts_are_refused(counts):
    """The error names both numbers."""
    with pytest.raises(ValueError, match=f"{counts[0]} of {counts[1]} is no share"):
        wilson(*counts)


def test_a_share_is_written_with_its_interval():
    """For people and for JSON."""
    assert Share(5, 10).text() == "5 of 10 (24 to 76 %)"
    assert Share(5, 10).as_dict() == {"count": 5, "of": 10, "low": 0.2366, "high": 0.7634}


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2.0), (0.9, 4.0), (0.0, 1.0)])
def test_quantiles_are_values_that_occurred(share, expected):
    """The smallest value that the share does not exceed."""
    assert quantile([4.0, 1.0, 3.0, 2.0], share) == expected
    assert quantile([], share) is None


def test_the_trade_off_falls_with_the_threshold():
    """One point a score; clips without an alarm are never found."""
    points = trade_off(falls=[0.9, 0.6, None, 0.9], calm=[0.6, None])
    assert points == [WorkingPoint(0.6, 0.75, 0.5), WorkingPoint(0.9, 0.5, 0.0)]
