"""Messages under way: how many may be, and that each is notified once."""

from __future__ import annotations

from piapp.mqtt.in_flight import MAX_UNACKNOWLEDGED, InFlight
from piapp.mqtt.message import Message


def test_acknowledged_messages_wait_for_their_number():
    """QoS 1 counts against what the broker allows, QoS 0 does not; room is there again when one is through."""
    in_flight = InFlight()
    in_flight.max_unacknowledged = 2
    for packet_id, qos in enumerate((0, 1, 0, 1)):
        assert in_flight.may_add_acknowledged
        in_flight.add(packet_id, Message("t", b"", qos))
    assert not in_flight.may_add_acknowledged
    assert in_flight.pop(0) == Message("t", b"", 0)
    assert not in_flight.may_add_acknowledged
    in_flight.pop(1)
    assert in_flight.may_add_acknowledged


def test_unknown_packets_change_nothing():
    """What was written at once is reported by paho all the same."""
    in_flight = InFlight()
    assert in_flight.pop(7) is None
    for packet_id in range(MAX_UNACKNOWLEDGED):
        assert in_flight.may_add_acknowledged
        in_flight.add(packet_id, Message("t", b"", qos=1))
    assert not in_flight.may_add_acknowledged


def test_a_lost_connection_notifies_each_message_once():
    """None as the reason code; afterwards nothing is under way."""
    in_flight = InFlight()
    codes: list[int | None] = []
    for packet_id in range(3):
        in_flight.add(packet_id, Message("t", b"", qos=1, on_done=codes.append))
    in_flight.lose()
    in_flight.lose()
    assert codes == [None] * 3
    assert not in_flight
    assert in_flight.may_add_acknowledged
