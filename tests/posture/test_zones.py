from collections.abc import Callable

from piapp.config.sections import PostureConfig, ZoneConfig
from piapp.posture.monitor import Monitor
from piapp.posture.zones import ZonePresence
from piapp.types import PostureEvent
from tests.support import stick
from tests.support.stick import Stance, film

Watch = Callable[..., tuple[list, list[PostureEvent]]]

LEFT = ZoneConfig(name="left", polygon=((0.0, 0.0), (0.45, 0.0), (0.45, 1.0), (0.0, 1.0)), ignore=())
RIGHT = ZoneConfig(name="right", polygon=((0.55, 0.0), (1.0, 0.0), (1.0, 1.0), (0.55, 1.0)), ignore=("fall",))


def test_walking_from_zone_to_zone(watch: Watch) -> None:
    """Entered and left in order, with the zone's name, and in the state."""
    across = [(1.5, Stance(x=-1.2)), (4, Stance(x=1.2)), (1.5, Stance(x=1.2))]
    states, events = watch(film(across, camera=stick.SIDE, start=Stance(x=-1.2)), zones=(LEFT, RIGHT))
    told = [(event.event_type, event.zones) for event in events if "zone" in event.event_type]
    first, second = ("right", "left") if told[0][1] == ("right",) else ("left", "right")
    assert told == [("zone_entered", (first,)), ("zone_left", (first,)), ("zone_entered", (second,))]
    assert states[-1].persons[0].zones == (second,)


def test_a_step_over_the_line_does_not_count(config: PostureConfig) -> None:
    """Shorter than the dwell time is no change."""
    presence = ZonePresence(config, (LEFT,))
    assert presence.step((0.2, 0.5), 0) == []
    assert presence.step((0.2, 0.5), 1000) == [("left", True)]
    assert presence.step((0.6, 0.5), 1100) == []
    assert presence.step((0.2, 0.5), 1200) == []
    assert presence.step((0.6, 0.5), 1300) == []
    assert presence.step((0.6, 0.5), 2000) == [("left", False)]
    assert presence.inside == ()


def test_zones_that_share_a_place(config: PostureConfig) -> None:
    """Both are entered, and listed in the configuration's order."""
    everywhere = ZoneConfig(name="room", polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), ignore=())
    presence = ZonePresence(config, (LEFT, everywhere))
    presence.step((0.2, 0.5), 0)
    assert presence.step((0.2, 0.5), 1000) == [("left", True), ("room", True)]
    assert presence.inside == ("left", "room")


def test_a_leaving_person_leaves_the_zones(watch: Watch) -> None:
    """`zone_left` before `person_left`."""
    results = [
        *film([(2, Stance(x=-1.2))], camera=stick.SIDE, start=Stance(x=-1.2)),
        *(stick.result(2 + k, []) for k in range(1, 5)),
    ]
    _, events = watch(results, zones=(LEFT, RIGHT))
    assert [event.event_type for event in events][-2:] == ["zone_left", "person_left"]


def test_falls_are_ignored_where_the_zone_says_so(config: PostureConfig) -> None:
    """Only in zones that ignore them."""
    presence = ZonePresence(config, (LEFT, RIGHT))
    assert presence.ignores_fall([(0.8, 0.5)])
    assert not presence.ignores_fall([(0.2, 0.5)])
    assert not presence.ignores_fall([(0.2, 0.5), (0.8, 0.5)])
    assert not presence.ignores_fall([])
    assert not ZonePresence(config, ()).ignores_fall([(0.8, 0.5)])


def test_zones_change_under_people(config: PostureConfig) -> None:
    """Who was in one that is no more has left it; one of the same name is the same at another place."""
    presence = ZonePresence(config, (LEFT, RIGHT))
    presence.step((0.2, 0.5), 0)
    assert presence.step((0.2, 0.5), 1000) == [("left", True)]
    presence.use((RIGHT,))
    assert presence.step((0.2, 0.5), 1100) == [("left", False)]
    assert presence.inside == ()
    assert presence.step((0.2, 0.5), 2000) == []
    presence.step((0.8, 0.5), 3000)
    assert presence.step((0.8, 0.5), 4000) == [("right", True)]
    moved = ZoneConfig(name="right", polygon=LEFT.polygon, ignore=())
    presence.use((moved,))
    assert presence.step((0.8, 0.5), 4100) == []
    assert presence.step((0.8, 0.5), 5000) == [("right", False)]


def test_a_monitor_takes_other_zones(config: PostureConfig) -> None:
    """For those who are there, and for those who come."""
    films = list(film([(3, Stance(x=-1.2))], camera=stick.SIDE, start=Stance(x=-1.2)))
    everywhere = ZoneConfig(name="room", polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), ignore=())
    monitor = Monitor(config)
    told = []
    for number, result in enumerate(films):
        if number == len(films) // 3:
            monitor.use_zones((everywhere,))
        if number == 2 * len(films) // 3:
            monitor.use_zones(())
        state, events = monitor.update(result)
        told += [(event.event_type, event.zones) for event in events if "zone" in event.event_type]
    assert told == [("zone_entered", ("room",)), ("zone_left", ("room",))]
    assert state.persons[0].zones == ()
