"""Every clip: who does what in front of which camera. `SCENES` is the table; functions write the scripts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import room
import stances as st
from body import Look
from camera import CAMERAS, Camera
from motion import Moment, Script, drop, steady
from render import Sensor
from room import Quad

MAN = Look()
WOMAN = Look(
    sex="female", shirt=(0.62, 0.50, 0.14), trousers=(0.10, 0.12, 0.20), skin=(0.46, 0.27, 0.18),
    hair=(0.03, 0.02, 0.015), long_sleeves=True,
)  # fmt: skip
OLD_WOMAN = Look(
    sex="female", age="old", shirt=(0.30, 0.36, 0.28), trousers=(0.28, 0.24, 0.20), hair=(0.45, 0.44, 0.42),
    long_sleeves=True,
)  # fmt: skip
OLD_MAN = Look(
    sex="male", age="old", shirt=(0.42, 0.40, 0.36), trousers=(0.12, 0.13, 0.15), hair=(0.40, 0.39, 0.38),
    long_sleeves=True,
)  # fmt: skip
DIM = Sensor(exposure=0.22, noise=9.0, blur_px=0.6)
GRAINY = Sensor(exposure=0.6, noise=12.0)

Carried = Callable[[Moment], list[Quad]]


@dataclass(frozen=True)
class Scene:
    """One clip.

    Attributes:
        cast: Who, and what they do; persons of the ground truth keep this order.
        seat: Furniture put under whoever sits, made for the height of the seat.
        still: Other furniture.
        carried: What moves with the first of the cast.
        whole_body: False when the camera sees too little for a posture: labels become "unknown".
        gestures: False when hands go up as part of an exercise: no hand events are derived.
    """

    name: str
    cast: Sequence[tuple[Look, Script]]
    camera: Camera = CAMERAS["front"]
    fps: int = 15
    sensor: Sensor = field(default_factory=Sensor)
    seat: Callable[[float], list[Quad]] | None = None
    still: Sequence[Quad] = ()
    carried: Carried | None = None
    whole_body: bool = True
    gestures: bool = True

    @property
    def seconds(self) -> float:
        """Length: as long as the longest script."""
        return max(script.seconds for _, script in self.cast)


def room_demo() -> Script:
    """The clip of `piapp demo`: comes in, raises a hand, sits, stands up, falls, gets up."""
    script = Script(at=(-1.36, -3.42), yaw=24, appears_s=1.2).walk(4.45).go(st.STAND, 0.25, yaw=30)
    script.go(st.STAND, 0.7, yaw=60).hold(1.0).go(st.RAISE_RIGHT, 0.6).hold(1.8).go(st.STAND, 0.6)
    script.go(st.STAND, 0.6, yaw=85).go(st.SIT_DOWN, 0.6).go(st.SIT, 0.6).hold(2.8)
    script.go(st.SIT_DOWN, 0.6).go(st.STAND, 0.7).go(st.STAND, 1.1, yaw=-5)
    script.fall(st.LIE_BACK, 0.7, [(3 / 7, st.BACK_LOST), (5 / 7, st.BACK_LOW)], yaw=-14, warp=steady).hold(3.5)
    script.go(st.HALF_UP, 0.9, yaw=-10).go(st.CROUCH, 0.9, yaw=0, label="transition").go(st.STAND, 0.9, yaw=30)
    return script.hold(1.7)


def get_up(script: Script, seconds: float) -> Script:
    """From the floor to standing, by sitting and crouching."""
    script.go(st.SIT_FLOOR, seconds * 0.35)
    return script.go(st.STAND, seconds * 0.65, via=[(0.3, st.SIT_LOW), (0.6, st.CROUCH)])


BACK = [(0.26, st.BACK_LOST), (0.57, st.BACK_LOW)]
FRONT = [(0.28, st.FRONT_LOST), (0.60, st.FRONT_LOW)]
SIDE = [(0.26, st.SIDE_LOST), (0.58, st.SIDE_LOW)]
COLLAPSE = [(0.35, st.SLUMP), (0.62, st.SLUMP_LOW)]


def falling(
    end: st.Stance, via: Sequence[tuple[float, st.Stance]], seconds: float, *, at: tuple[float, float] = (0, 0),
    yaw: float = 0, before: float = 2.5, after: float = 4.0, turn: float = 0,
) -> Script:  # fmt: skip
    """Stand, fall, stay."""
    return Script(at=at, yaw=yaw).hold(before).fall(end, seconds, via, yaw=yaw + turn).hold(after)


def tripping(end: st.Stance, via: Sequence[tuple[float, st.Stance]], seconds: float, *, at: tuple[float, float],
             yaw: float, walk_s: float, speed: float = 0.92, after: float = 4.0) -> Script:  # fmt: skip
    """Walk, fall, stay."""
    return Script(at=at, yaw=yaw).walk(walk_s, speed).fall(end, seconds, via).hold(after)


def sitting(down_s: float, *, at: tuple[float, float] = (0, 0), yaw: float = 0, hold_s: float = 3.0,
            up_s: float = 1.3, fast: bool = False) -> Script:  # fmt: skip
    """Stand, sit down, stand up."""
    script = Script(at=at, yaw=yaw).hold(2.0)
    script.go(st.SIT, down_s, via=[(0.5, st.SIT_DOWN)], warp=drop if fast else steady).hold(hold_s)
    return script.go(st.STAND, up_s, via=[(0.45, st.SIT_DOWN)]).hold(1.5)


def lying_down(
    seconds: float, *, at: tuple[float, float] = (0, 0), yaw: float = 0, hold_s: float = 3.0, up_s: float = 3.0
) -> Script:
    """Stand, go down to the floor with care, lie, get up."""
    script = Script(at=at, yaw=yaw).hold(1.5)
    script.go(st.SIT_FLOOR, seconds * 0.65, via=[(0.55, st.CROUCH), (0.8, st.SIT_LOW)])
    script.go(st.LIE_BACK, seconds * 0.35).hold(hold_s)
    return get_up(script, up_s).hold(1.0)


def to_bed(*, height: float, edge_z: float = 0.3) -> Script:
    """Walk to a bed that stands along x at z = edge_z - 0.45, sit on its edge, lie down; the pillow is at -x."""
    script = Script(at=(0.0, edge_z + 0.22)).hold(1.5)
    script.go(st.SIT, 1.2, via=[(0.5, st.SIT_DOWN)]).hold(1.5)
    return script.go(st.LIE_BACK, 2.2, yaw=90, lift=height, hips_to=(0.05, edge_z - 0.42)).hold(4.0)


def repeating(stance: st.Stance, times: int, *, kind: str | None, down_s: float = 0.9, up_s: float = 0.8,
              at: tuple[float, float] = (0, 0), yaw: float = 0) -> Script:  # fmt: skip
    """An exercise from standing; `kind` names the repetitions that count, None when they don't."""
    script = Script(at=at, yaw=yaw).hold(1.5)
    for count in range(1, times + 1):
        script.go(stance, down_s).hold(0.25).go(st.STAND, up_s)
        if kind:
            script.event("repetition", kind=kind, count=count)
        script.hold(0.3)
    return script.hold(1.0)


def push_ups(times: int, *, at: tuple[float, float], yaw: float) -> Script:
    """Get down, push-ups, get up."""
    script = Script(at=at, yaw=yaw).hold(1.2)
    script.go(st.CROUCH, 0.9, label="transition").go(st.ALL_FOURS, 0.8).go(st.PLANK, 0.8).hold(0.5)
    for count in range(1, times + 1):
        script.go(st.PLANK_LOW, 0.7).hold(0.15).go(st.PLANK, 0.65).event("repetition", kind="push_up", count=count)
        script.hold(0.15)
    script.go(st.ALL_FOURS, 0.7).go(st.CROUCH, 0.8, label="transition")
    return script.go(st.STAND, 0.8).hold(1.0)


def jacks(times: int, *, yaw: float = 0) -> Script:
    """Jumping jacks."""
    script = Script(yaw=yaw).hold(1.5)
    for count in range(1, times + 1):
        script.go(st.JACK_OPEN, 0.5, via=[(0.5, st.SPREAD)], warp=steady, hop=0.07)
        script.go(st.STAND, 0.5, via=[(0.5, st.SPREAD)], warp=steady, hop=0.07)
        script.event("repetition", kind="jumping_jack", count=count).hold(0.07)
    return script.hold(1.2)


def picking_up(*, at: tuple[float, float] = (0, 0), yaw: float = 0, seconds: float = 1.0) -> Script:
    """Pick something up from the floor, twice: with bent knees and with a bent back."""
    script = Script(at=at, yaw=yaw).hold(1.8)
    script.go(st.PICK, seconds).hold(0.6).go(st.STAND, seconds).hold(1.4)
    return script.go(st.BEND, seconds * 0.8).hold(1.2).go(st.STAND, seconds * 0.8).hold(1.2)


def kneeling(*, at: tuple[float, float] = (0, 0), yaw: float = 0) -> Script:
    """Kneel on both knees for a while."""
    script = Script(at=at, yaw=yaw).hold(1.5)
    script.go(st.KNEEL, 1.3, via=[(0.5, st.KNEEL_ONE)], warp=steady).hold(3.0)
    return script.go(st.STAND, 1.4, via=[(0.5, st.KNEEL_ONE)], warp=steady).hold(1.2)


def tying(*, yaw: float = 0, at: tuple[float, float] = (0, 0)) -> Script:
    """Down on one knee, tie the shoe, up again."""
    script = Script(at=at, yaw=yaw).hold(1.5)
    script.go(st.KNEEL_ONE, 0.9).go(st.TIE, 0.6).hold(2.8).go(st.KNEEL_ONE, 0.5)
    return script.go(st.STAND, 0.9).hold(1.5)


def tying_seated(*, yaw: float = 0, at: tuple[float, float] = (0, 0)) -> Script:
    """Sit down, bend to the shoes, sit up, stand up."""
    script = Script(at=at, yaw=yaw).hold(1.2).go(st.SIT, 1.2, via=[(0.5, st.SIT_DOWN)]).hold(1.5)
    script.go(st.SIT_TIE, 0.8).hold(2.2).go(st.SIT, 0.8).hold(1.0)
    return script.go(st.STAND, 1.2, via=[(0.45, st.SIT_DOWN)]).hold(1.2)


def waving(script: Script, swings: int = 4) -> Script:
    """Wave with the right hand; the event is due once it has gone out, in and out again."""
    script.go(st.WAVE_OUT, 0.6)
    for swing in range(swings):
        script.go(st.WAVE_IN, 0.28).go(st.WAVE_OUT, 0.28)
        if swing == 1:
            script.event("wave", side="right")
    return script.go(st.STAND, 0.6)


def hands() -> Script:
    """Each hand, then both."""
    script = Script(at=(0, -0.9)).hold(1.5)
    for stance in (st.RAISE_LEFT, st.RAISE_RIGHT, st.RAISE_BOTH):
        script.go(stance, 0.7).hold(1.4).go(st.STAND, 0.7).hold(0.9)
    return script


def pushed_frame(ahead: float = 0.34) -> Carried:
    """A walking frame that stays in front of its user while they stand, and where it is when they fall."""
    spot: list[tuple[float, float, float]] = []

    def place(moment: Moment) -> list[Quad]:
        if moment.label in ("standing", "absent") or not spot:
            x, _, z = moment.hips
            rad = math.radians(moment.yaw)
            spot[:] = [(x + ahead * math.sin(rad), z + ahead * math.cos(rad), moment.yaw)]
        return room.moved(room.walking_frame(), *spot[0])

    return place


def stick(moment: Moment) -> list[Quad]:
    """A walking stick below the right wrist."""
    x, y, z = moment.joints["right_wrist"]
    low, high = (x - 0.012, 0.0, z - 0.012), (x + 0.012, max(0.05, y - 0.06), z + 0.012)
    return room.furniture((low, high, (0.14, 0.08, 0.04)))


FRONT_CAM, CORNER, SIDE_CAM, HIGH, LOW, NEAR = (
    CAMERAS[name] for name in ("front", "corner", "side", "high", "front_low", "near")
)
BED_HEIGHT = 0.46


def _scenes() -> list[Scene]:
    return [
        *_demo(),
        *_falls(),
        *_hard_falls(),
        *_seats_and_beds(),
        *_daily(),
        *_exercise(),
        *_company(),
        *_poor_views(),
    ]


def _demo() -> list[Scene]:
    return [Scene("room_demo", [(MAN, room_demo())], CORNER, seat=room.stool)]


def _falls() -> list[Scene]:
    back, front, side = st.LIE_BACK, st.LIE_FRONT, st.LIE_SIDE
    return [
        Scene("fall_back_corner", [(MAN, falling(back, BACK, 0.8, yaw=40))], CORNER),
        Scene("fall_towards_front", [(MAN, falling(front, FRONT, 0.85, at=(0.1, -1.2)))], fps=30),
        Scene("fall_away_front", [(WOMAN, falling(front, FRONT, 0.8, at=(0, 0.3), yaw=172))]),
        Scene("fall_side_front", [(WOMAN, falling(side, SIDE, 0.75, at=(-0.5, 0)))]),
        Scene("fall_side_corner", [(OLD_MAN, falling(side.mirrored(), _mirrored(SIDE), 0.9, yaw=60))], CORNER),
        Scene("fall_back_front", [(WOMAN, falling(back, BACK, 0.7, at=(0, 0.4), yaw=-8))], LOW),
        Scene("fall_back_towards_front", [(MAN, falling(back, BACK, 0.85, at=(0.2, -0.9), yaw=185))]),
        Scene("fall_forward_side", [(OLD_MAN, falling(front, FRONT, 0.9, at=(0, -0.5), yaw=5))], SIDE_CAM),
        Scene("fall_back_side", [(WOMAN, falling(back, BACK, 0.65, at=(0, 0.4)))], SIDE_CAM, fps=30),
        Scene("fall_side_high", [(OLD_WOMAN, falling(side, SIDE, 0.8, yaw=-20, turn=15))], HIGH),
        Scene("fall_forward_high", [(MAN, falling(front, FRONT, 0.8, at=(0.3, -0.6), yaw=-35))], HIGH),
    ]


def _hard_falls() -> list[Scene]:
    back, front, side = st.LIE_BACK, st.LIE_FRONT, st.LIE_SIDE
    trip = tripping(front, FRONT, 0.75, at=(-1.6, -1.1), yaw=88, walk_s=2.2)
    aided = Script(at=(-1.2, 0.1), yaw=78, stance=st.STAND_AID)
    aided.walk(5.0, 0.33, reach=0.45, arms=st.AID_ARMS).fall(back, 0.85, BACK).hold(4.0)
    off_side = _off_chair(side, [(0.35, st.CHAIR_SIDE), (0.7, st.CHAIR_SIDE_LOW)], (0.55, 0.0))
    off_front = _off_chair(front, [(0.3, st.CHAIR_FRONT), (0.55, st.FOLDED)], (0.6, 0.75), yaw=38)
    recovering = get_up(falling(back, BACK, 0.75, at=(0.5, -0.2), yaw=65, after=3.5), 3.5).hold(1.5)
    return [
        Scene("fall_walking_corner", [(WOMAN, trip)], CORNER),
        Scene("fall_recovered_front", [(MAN, recovering)]),
        Scene("fall_chair_side_front", [(OLD_WOMAN, off_side)], seat=room.chair),
        Scene("fall_chair_forward_corner", [(OLD_MAN, off_front)], CORNER, seat=room.chair),
        Scene("collapse_front", [(OLD_MAN, falling(side, COLLAPSE, 1.3, yaw=15))]),
        Scene("collapse_corner", [(OLD_WOMAN, falling(side, COLLAPSE, 1.2, yaw=80))], CORNER),
        Scene("fall_dim_corner", [(MAN, falling(back, BACK, 0.8, yaw=70))], CORNER, sensor=DIM),
        Scene(
            "fall_behind_sofa_front",
            [(WOMAN, falling(side, SIDE, 0.75, at=(-0.2, -0.7)))],
            still=room.moved(room.sofa(), -0.8, 0.4),
        ),
        Scene("fall_walking_frame_front", [(OLD_WOMAN, aided)], LOW, carried=pushed_frame()),
    ]


def _seats_and_beds() -> list[Scene]:
    onto_bed = room.moved(room.bed(BED_HEIGHT), 0.1, -0.15)
    return [
        Scene("sit_fast_front", [(MAN, sitting(0.65, fast=True))], seat=room.chair),
        Scene("sit_fast_corner", [(WOMAN, sitting(0.6, yaw=60, fast=True))], CORNER, seat=room.chair),
        Scene("sit_fast_side", [(OLD_MAN, sitting(0.75, fast=True))], SIDE_CAM, fps=30, seat=room.stool),
        Scene("sit_slow_high", [(OLD_WOMAN, sitting(1.8, yaw=-30, up_s=2.0))], HIGH, seat=room.chair),
        Scene("lie_down_floor_corner", [(MAN, lying_down(3.0, yaw=45))], CORNER),
        Scene("lie_down_floor_side", [(WOMAN, lying_down(2.4, at=(-0.3, 0.6), yaw=-15))], SIDE_CAM),
        Scene("lie_down_floor_front", [(WOMAN, lying_down(2.6, at=(0, 0.2), yaw=10))]),
        Scene("lie_bed_corner", [(MAN, to_bed(height=BED_HEIGHT))], CORNER, still=onto_bed),
        Scene("lie_bed_front", [(OLD_WOMAN, to_bed(height=BED_HEIGHT))], still=onto_bed),
    ]


def _daily() -> list[Scene]:
    greeting = waving(Script(at=(0, -0.2), yaw=5).hold(1.5)).hold(1.5)
    entering = Script(at=(-2.7, 0.2), yaw=90).walk(3.4).go(st.STAND, 0.8, yaw=0).hold(2.0)
    entering.go(st.STAND, 0.8, yaw=90).walk(3.4).hold(1.0)
    aided = Script(at=(-1.2, -0.2), yaw=80, stance=st.STAND_AID).walk(7.0, 0.33, reach=0.45, arms=st.AID_ARMS)
    with_stick = Script(at=(-1.3, -0.4), yaw=70).walk(5.0, 0.5, reach=0.6).go(st.STAND, 0.8, yaw=0).hold(2.0)
    return [
        Scene("pick_up_front", [(MAN, picking_up())]),
        Scene("pick_up_corner", [(WOMAN, picking_up(yaw=75, seconds=0.75))], CORNER),
        Scene("pick_up_side", [(OLD_MAN, picking_up(seconds=1.2))], SIDE_CAM),
        Scene("kneel_front", [(WOMAN, kneeling(yaw=15))]),
        Scene("kneel_corner", [(MAN, kneeling(yaw=70))], CORNER),
        Scene("tie_shoe_front", [(MAN, tying(yaw=-20))]),
        Scene("tie_shoes_seated_corner", [(WOMAN, tying_seated(yaw=65))], CORNER, seat=room.stool),
        Scene("wave_front", [(WOMAN, greeting)], fps=30),
        Scene("wave_corner", [(MAN, waving(Script(yaw=45).hold(1.2)).hold(1.5))], CORNER),
        Scene("hands_front", [(MAN, hands())]),
        Scene("enter_leave_front", [(MAN, entering)]),
        Scene("walking_frame_front", [(OLD_WOMAN, aided.hold(2.0))], carried=pushed_frame()),
        Scene("walking_stick_corner", [(OLD_MAN, with_stick)], CORNER, carried=stick),
    ]


def _exercise() -> list[Scene]:
    return [
        Scene("squats_front", [(MAN, repeating(st.SQUAT, 5, kind="squat"))]),
        Scene("squats_side", [(WOMAN, repeating(st.SQUAT, 5, kind="squat", down_s=0.7, up_s=0.6))], SIDE_CAM, fps=30),
        Scene("squats_partial_front", [(WOMAN, repeating(st.HALF_SQUAT, 5, kind=None))]),
        Scene("push_ups_side", [(MAN, push_ups(4, at=(0, -0.6), yaw=0))], SIDE_CAM),
        Scene("push_ups_corner", [(MAN, push_ups(3, at=(-0.4, -0.4), yaw=80))], CORNER),
        Scene("jumping_jacks_front", [(WOMAN, jacks(5))], fps=30, gestures=False),
    ]


def _company() -> list[Scene]:
    left = Script(at=(-1.7, 0.45), yaw=90).walk(4.0).hold(1.5)
    right = Script(at=(1.9, -0.75), yaw=-90).walk(4.2).hold(1.3)
    falls = falling(st.LIE_SIDE, SIDE, 0.8, at=(-1.25, -0.1), yaw=10, before=2.5)
    watches = Script(at=(1.15, -0.6), yaw=-20).hold(4.0).go(st.STAND, 0.8, yaw=-50).hold(2.4)
    return [
        Scene("two_crossing_front", [(MAN, left), (WOMAN, right)]),
        Scene("two_one_falls_front", [(OLD_MAN, falls), (WOMAN, watches)]),
    ]


def _poor_views() -> list[Scene]:
    talking = waving(Script(yaw=-5).hold(2.5)).go(st.STAND, 1.0, yaw=15).hold(2.5)
    return [
        Scene("sit_dim_corner", [(WOMAN, sitting(1.2, yaw=60))], CORNER, sensor=DIM, seat=room.stool),
        Scene(
            "sit_behind_table_front",
            [(MAN, sitting(1.1, at=(0, -0.5)))],
            seat=room.chair,
            still=room.moved(room.table(), 0, 0.55),
        ),
        Scene("upper_body_near", [(WOMAN, talking)], NEAR, whole_body=False),
        Scene("squats_noisy_corner", [(WOMAN, repeating(st.SQUAT, 3, kind="squat", yaw=60))], CORNER, sensor=GRAINY),
    ]


def _mirrored(path: Sequence[tuple[float, st.Stance]]) -> list[tuple[float, st.Stance]]:
    return [(share, stance.mirrored()) for share, stance in path]


def _off_chair(end: st.Stance, via: Sequence[tuple[float, st.Stance]], hips_to: tuple[float, float], *,
               yaw: float = 0) -> Script:  # fmt: skip
    """Sit from the start, then fall off the chair."""
    script = Script(yaw=yaw, stance=st.SIT).hold(3.0)
    return script.fall(end, 0.85, via, hips_to=hips_to).hold(4.0)


SCENES = {scene.name: scene for scene in _scenes()}
