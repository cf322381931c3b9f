"""Falls of people who were low before, seated, kneeling or squatting for a while, and their ordinary life.

Films show that such falls are missed most: nobody is seen to stand, and the trunk comes down by half a metre only.
People bend deep on a chair and tip over, slide off an armchair, sink from the knees to a hip, or topple from a squat.
"""

from __future__ import annotations

import numpy as np

from models.falls import life, poses
from models.falls.motion import Key, Player, joint_angles
from models.falls.physics import Release
from models.falls.tumbles import Beginning, Rng, direction, loss_of_strength, push, put_seat

_SEEN_COMING = 0.35  # share of low falls whose beginning, sitting down or kneeling down, is seen, too


def _come_to(player: Player, rng: Rng, key: Key) -> None:
    """Be in a low posture for some seconds, in most cases from the first moment on."""
    if rng.random() < _SEEN_COMING:
        player.hold(rng.uniform(0.2, 1.5))
        player.to(key, rng.uniform(0.6, 1.8))
    else:
        player.begin(key)
    player.hold(rng.uniform(0.4, 4.0))


def _reaching(rng: Rng, sideways_deg: float) -> Key:
    """Bent down deep on a seat, for something on the floor."""
    depth = rng.uniform(20, 110)
    return Key({"hip_bend": 80 + depth * 0.3, "knee": rng.uniform(70, 110), "waist_bend": depth * 0.55,
                "waist_side": sideways_deg * 0.6, "shoulder_bend": rng.uniform(20, 110), "elbow": rng.uniform(0, 50),
                "neck_bend": rng.uniform(-20, 20)}, depth * 0.4, sideways_deg * 0.4)  # fmt: skip


def reaches_from_chair(player: Player, rng: Rng) -> Release:
    """Bends down on a chair, to the front or a side, and tips over, in some cases with the chair."""
    _come_to(player, rng, poses.chair(rng))
    side = float(rng.choice([-1.0, 0.0, 0.0, 1.0]))
    player.to(_reaching(rng, side * rng.uniform(15, 50)), rng.uniform(0.4, 1.8))
    player.hold(rng.uniform(0.0, 3.0), 4.0)
    if rng.random() < 0.6:
        put_seat(player, 0.2, 0.2, 0.03)
    release = loss_of_strength(rng, limp=rng.uniform(0.4, 2.0), support=0.4)
    angle = side * np.pi / 2
    push(rng, player, release, "chest", 0.5, angle)
    tip = direction(rng, player, angle) * rng.uniform(0.1, 0.45)
    release.pushes.append(("pelvis", tip, 0.0, rng.uniform(0.3, 1.0)))
    return release


def slides_off_armchair(player: Player, rng: Rng) -> Release:
    """From the front edge of a sofa or armchair; some end half lying against it."""
    _come_to(player, rng, poses.chair(rng, low=True))
    put_seat(player, 0.36, 0.36, rng.uniform(0.24, 0.36))
    if rng.random() < 0.6:
        ahead = np.array([np.cos(player.yaw), np.sin(player.yaw)])
        centre = np.array([*(player.qpos[:2] - ahead * rng.uniform(0.75, 0.95)), 0.45])
        player.human.place_box("back", centre, np.array([0.36, 0.36, 0.45]))
    release = loss_of_strength(rng, limp=rng.uniform(0.5, 2.0), slow=1.3, support=0.4)
    ahead_push = direction(rng, player, 0.0) * rng.uniform(0.2, 0.55)
    release.pushes.append(("pelvis", ahead_push, 0.0, rng.uniform(0.4, 1.5)))
    if rng.random() < 0.4:
        push(rng, player, release, "chest", 0.4, float(rng.choice([0.0, np.pi / 2, -np.pi / 2])))
    return release


def sinks_from_knees(player: Player, rng: Rng) -> Release:
    """Kneels at a bed or a cupboard, then sinks to a hip and lies, or rolls back."""
    _come_to(player, rng, poses.kneeling(rng))
    side = str(rng.choice(["back", "left", "right", "left", "right", "front"]))
    angle = {"back": np.pi, "front": 0.0, "left": np.pi / 2, "right": -np.pi / 2}[side]
    release = loss_of_strength(rng, limp=rng.uniform(0.3, 2.5), support=0.5)
    if rng.random() < 0.7:
        release.target = joint_angles(poses.lying(rng, side), rng)
    push(rng, player, release, "chest", 0.5, angle)
    if rng.random() < 0.5:
        push(rng, player, release, "pelvis", 0.3, angle)
    return release


def topples_from_squat(player: Player, rng: Rng) -> Release:
    """Crouches at a drawer or a shoe, and falls back or to a side."""
    _come_to(player, rng, poses.squatting(rng))
    angle = float(rng.choice([np.pi, np.pi, np.pi / 2, -np.pi / 2]))
    release = loss_of_strength(rng, limp=rng.uniform(0.4, 2.0), support=0.3)
    push(rng, player, release, "chest", 0.5, angle)
    return release


def picks_up_from_chair(player: Player, rng: Rng) -> None:
    """Bends down deep on a chair, and up again."""
    _come_to(player, rng, poses.chair(rng, low=rng.random() < 0.4))
    for _ in range(rng.integers(1, 4)):
        player.to(_reaching(rng, rng.normal(0, 20)), rng.uniform(0.3, 1.5))
        player.hold(rng.uniform(0.1, 3.0), 4.0)
        player.to(poses.chair(rng), rng.uniform(0.5, 1.5))
        player.hold(rng.uniform(0.3, 2.0))


def settles_from_knees(player: Player, rng: Rng) -> None:
    """Kneels or squats, then sits down on a hip or the buttocks, and stays or rises."""
    _come_to(player, rng, rng.choice([poses.kneeling, poses.squatting])(rng))
    player.to(rng.choice([poses.side_seat, poses.seated_floor])(rng), rng.uniform(0.5, 1.6))
    player.hold(rng.uniform(1.0, 4.0))
    if rng.random() < 0.5:
        player.to(poses.kneeling(rng), rng.uniform(0.6, 1.5))
        player.hold(rng.uniform(0.3, 2.0))


FALLS: dict[Beginning, float] = {
    reaches_from_chair: 13, slides_off_armchair: 7, sinks_from_knees: 9, topples_from_squat: 5,
}  # fmt: skip
LIFE: dict[life.Activity, float] = {
    picks_up_from_chair: 8, settles_from_knees: 8, life.leans_in_chair: 8, life.kneels: 6, life.squats: 5,
    life.sits: 5, life.drops_into_seat: 5, life.sits_on_floor: 5, life.lies_from_floor: 5, life.lies_on_floor: 5,
    life.exercises: 4, life.toddles: 4, life.crawls: 3, life.rests: 2, life.gets_up: 2, life.lies_on_bed: 2,
}  # fmt: skip
