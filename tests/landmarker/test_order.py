"""Results of several workers in the order of their frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from piapp.landmarker.order import ResultOrder
from piapp.types import PoseResult


def result(ts_ms):
    """An empty result."""
    return PoseResult(ts_ms, 0, (1, 1), ())


def times(results):
    """Their times."""
    return [result.ts_ms for result in results]


def test_a_result_waits_for_older_frames_in_flight():
    """The newer one is released with the older one, in order."""
    order = ResultOrder(limit=4)
    for ts_ms in (1, 2, 3):
        order.submitted(ts_ms)
    assert times(order.finished(result(2))) == []
    assert times(order.finished(result(1))) == [1, 2]
    assert times(order.finished(result(3))) == [3]
    assert order.late == 0


def test_too_many_waiting_give_up_the_frame_they_wait_for():
    """The stuck frame's result is late and dropped when it comes after all."""
    order = ResultOrder(limit=2)
    for ts_ms in range(1, 6):
        order.submitted(ts_ms)
    assert times(order.finished(result(2))) == []
    assert times(order.finished(result(3))) == []
    assert times(order.finished(result(4))) == [2]
    assert times(order.finished(result(5))) == [3]
    assert times(order.finished(result(1))) == [4, 5]
    assert order.late == 1


@st.composite
def histories(draw):
    """Frames handed to a few workers and finished in any order a worker can: (step, ts_ms) pairs."""
    workers = draw(st.integers(1, 4))
    left = draw(st.lists(st.integers(0, 10_000), unique=True, max_size=40))
    left.sort(reverse=True)
    flying, steps = [], []
    while left or flying:
        if left and len(flying) < workers and (not flying or draw(st.booleans())):
            flying.append(left.pop())
            steps.append(("submitted", flying[-1]))
        else:
            steps.append(("finished", flying.pop(draw(st.integers(0, len(flying) - 1)))))
    return steps


@given(histories(), st.integers(1, 8))
def test_any_history_comes_out_in_order_and_complete(steps, limit):
    """Strictly increasing; every frame is released or counted late; nothing waits once nothing flies."""
    order, released = ResultOrder(limit), []
    for step, ts_ms in steps:
        if step == "submitted":
            order.submitted(ts_ms)
        else:
            released += times(order.finished(result(ts_ms)))
    assert released == sorted(set(released))
    assert len(released) + order.late == sum(step == "finished" for step, _ in steps)


@given(histories())
def test_with_room_for_all_nothing_is_late(steps):
    """Only the limit makes results late."""
    order, released = ResultOrder(limit=len(steps)), []
    for step, ts_ms in steps:
        if step == "submitted":
            order.submitted(ts_ms)
        else:
            released += times(order.finished(result(ts_ms)))
    assert order.late == 0
    assert released == sorted(ts_ms for step, ts_ms in steps if step == "submitted")
