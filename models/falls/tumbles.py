"""Falls: an ordinary beginning, then physics.

Kinds and their weights follow what films of falls show: many begin bent, seated or kneeling, and go in stages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from models.falls import poses
from models.falls.body import Human, random_build
from models.falls.motion import FPS, ROOT, Clip, Key, Player, joint_angles, velocity
from models.falls.physics import Release, impact_frame, let_go, trunk_heights

Rng = np.random.Generator
Beginning = Callable[[Player, Rng], Release]


def loss_of_strength(rng: Rng, *, limp: float = 1.0, slow: float = 1.0, support: float = 0.3) -> Release:
    """A random loss of strength; `limp` below 1 leaves less, `slow` above 1 takes longer."""
    floors = np.exp(rng.uniform(np.log(0.005), np.log(0.3), 3)) * limp
    fade_s = np.array([rng.uniform(0.02, 0.9), rng.uniform(0.05, 1.2), rng.uniform(0.05, 1.6)]) * slow
    return Release(floors, fade_s, rng.uniform(0, support), rng.uniform(0.3, 1.5) * slow, rng.uniform(3.5, 6.0),
                   stirring=rng.random() < 0.67)  # fmt: skip


def direction(rng: Rng, player: Player, angle: float | None = None) -> np.ndarray:
    """A unit vector along the floor, `angle` from where the body faces."""
    turn = player.yaw + (rng.uniform(-np.pi, np.pi) if angle is None else angle + rng.normal(0, 0.4))
    return np.array([np.cos(turn), np.sin(turn), 0.0])


def push(rng: Rng, player: Player, release: Release, body: str, most: float, angle: float | None = None) -> None:
    """Add a random push, at most of `most` times the weight, `angle` from where the body faces or anywhere."""
    start_s = rng.uniform(0, 0.15)
    force = direction(rng, player, angle) * rng.uniform(0.15, 1) * most
    release.pushes.append((body, force, start_s, start_s + rng.uniform(0.1, 0.4)))


def _stand_about(player: Player, rng: Rng) -> None:
    """Some seconds of being up before a fall."""
    if rng.random() < 0.6:
        player.walk(rng.uniform(0.5, 2.5), rng.uniform(0.4, 1.3), poses.standing(rng))
    player.to(poses.standing(rng), rng.uniform(0.3, 0.8))
    player.hold(rng.uniform(0.2, 3.0))


def faint(player: Player, rng: Rng) -> Release:
    """Everything gives way."""
    _stand_about(player, rng)
    release = loss_of_strength(rng, limp=0.3, slow=0.6, support=0.3)
    if rng.random() < 0.6:
        push(rng, player, release, "chest", 0.3)
    return release


def trip(player: Player, rng: Rng) -> Release:
    """The feet stop while walking."""
    player.walk(rng.uniform(1.0, 3.0), rng.uniform(0.6, 1.6), poses.standing(rng), stoop_deg=rng.uniform(0, 15))
    release = loss_of_strength(rng)
    push(rng, player, release, "chest", 0.7, 0.0)
    side = rng.choice(["left", "right"])
    release.pushes.append((f"{side}_shank", -direction(rng, player, 0.0) * rng.uniform(0.2, 0.6), 0.0, 0.3))
    return release


def slip(player: Player, rng: Rng) -> Release:
    """The feet slide away."""
    player.walk(rng.uniform(1.0, 3.0), rng.uniform(0.5, 1.4), poses.standing(rng))
    release = loss_of_strength(rng)
    for side in ("left", "right"):
        release.pushes.append((f"{side}_shank", direction(rng, player, 0.0) * rng.uniform(0.2, 0.6), 0.0, 0.35))
    push(rng, player, release, "chest", 0.3, np.pi)
    return release


def pushed(player: Player, rng: Rng) -> Release:
    """Loses balance to any side."""
    _stand_about(player, rng)
    release = loss_of_strength(rng, slow=1.2)
    push(rng, player, release, "chest", 0.8)
    return release


def from_bending(player: Player, rng: Rng) -> Release:
    """Tips over while bent down."""
    _stand_about(player, rng)
    player.to(poses.bending(rng), rng.uniform(0.5, 1.8))
    player.hold(rng.uniform(0.0, 4.0))
    release = loss_of_strength(rng)
    push(rng, player, release, "chest", 0.4)
    return release


def lowers_first(player: Player, rng: Rng) -> Release:
    """Bends or sinks a way down, then lets go."""
    _stand_about(player, rng)
    player.to(rng.choice([poses.bending, poses.squatting])(rng), rng.uniform(0.4, 1.2))
    release = loss_of_strength(rng)
    push(rng, player, release, "chest", 0.5)
    return release


def staged(player: Player, rng: Rng) -> Release:
    """To the knees, a squat or a hand on the way, a moment there, then down."""
    _stand_about(player, rng)
    stage = rng.choice([poses.squatting, poses.kneeling, poses.all_fours, poses.bending])
    player.to(stage(rng), rng.uniform(0.35, 0.9))
    if rng.random() < 0.5:
        player.hold(rng.uniform(0.1, 0.5))
    release = loss_of_strength(rng, slow=0.8)
    push(rng, player, release, "chest", 0.5)
    return release


def sinking(player: Player, rng: Rng) -> Release:
    """Slowly, held up in part, as by a walker or a hand on the table."""
    _stand_about(player, rng)
    release = loss_of_strength(rng, slow=2.0, support=0.6)
    release.support = rng.uniform(0.4, 0.85)
    release.support_s = rng.uniform(1.0, 3.5)
    push(rng, player, release, "chest", 0.3)
    return release


def braced(player: Player, rng: Rng) -> Release:
    """Goes down with some strength left, as people do who see it coming: to the side, back or front."""
    _stand_about(player, rng)
    side = str(rng.choice(["back", "front", "left", "right"]))
    angle = {"back": np.pi, "front": 0.0, "left": np.pi / 2, "right": -np.pi / 2}[side]
    if rng.random() < 0.5:
        _half(player, rng.choice([poses.squatting, poses.kneeling, poses.chair])(rng), rng.uniform(0.4, 0.9), 0.8)
    release = loss_of_strength(rng, support=0.5)
    release.floors = rng.uniform(0.05, 0.5, 3)
    release.support_s = rng.uniform(0.3, 0.9)
    release.target = joint_angles(poses.lying(rng, side), rng)
    push(rng, player, release, "chest", 0.6, angle)
    return release


def put_seat(player: Player, width: float, depth: float, behind: float) -> np.ndarray:
    """Put a seat under the pelvis; its centre is `behind` it. Returns (centre, half size)."""
    scale = player.human.build.scale
    top = max(0.15, player.qpos[2] - 0.115 * scale)
    ahead = np.array([np.cos(player.yaw), np.sin(player.yaw)])
    centre = np.array([*(player.qpos[:2] - ahead * behind), top / 2])
    half = np.array([max(width, depth) if width == depth else (abs(ahead[0]) * depth + abs(ahead[1]) * width),
                     abs(ahead[1]) * depth + abs(ahead[0]) * width, top / 2])  # fmt: skip
    player.human.place_box("seat", centre, half)
    return np.array([centre, half])


def from_chair(player: Player, rng: Rng) -> Release:
    """Tips or slides out of a chair or wheelchair."""
    _sit_long(player, rng)
    if rng.random() < 0.4:
        player.to(Key({"hip_bend": 90, "knee": 90, "waist_bend": rng.uniform(20, 60), "shoulder_bend": 40},
                      rng.uniform(10, 40)), rng.uniform(0.4, 1.5))  # fmt: skip
    put_seat(player, 0.2, 0.2, 0.03)
    release = loss_of_strength(rng, limp=0.5)
    angle = rng.choice([0.0, np.pi / 2, -np.pi / 2])
    push(rng, player, release, "chest", 0.5, angle)
    release.pushes.append(("pelvis", direction(rng, player, angle) * rng.uniform(0.1, 0.4), 0.0, rng.uniform(0.3, 1.2)))
    return release


def _sit_long(player: Player, rng: Rng) -> None:
    player.to(poses.chair(rng), 0.8)
    player.hold(rng.uniform(0.5, 4.0))


def off_bed_edge(player: Player, rng: Rng) -> Release:
    """Slides off the edge of a bed while seated."""
    _sit_long(player, rng)
    put_seat(player, 0.5, 0.5, 0.42)
    release = loss_of_strength(rng, limp=0.6, slow=1.3)
    release.pushes.append(("pelvis", direction(rng, player, 0.0) * rng.uniform(0.2, 0.5), 0.0, rng.uniform(0.4, 1.5)))
    return release


def while_rising(player: Player, rng: Rng) -> Release:
    """Gives way on the way up from a chair."""
    _sit_long(player, rng)
    _half(player, poses.standing(rng, 20), rng.uniform(0.8, 1.6), rng.uniform(0.45, 1.0))
    release = loss_of_strength(rng)
    push(rng, player, release, "chest", 0.5)
    return release


def misses_seat(player: Player, rng: Rng) -> Release:
    """Sits down where no seat is."""
    _stand_about(player, rng)
    _half(player, poses.chair(rng), rng.uniform(0.6, 1.2), rng.uniform(0.4, 0.9))
    release = loss_of_strength(rng, limp=0.5)
    push(rng, player, release, "pelvis", 0.3, np.pi)
    return release


def _half(player: Player, key: Key, seconds: float, share: float) -> None:
    """The first part of a motion."""
    before = len(player.frames)
    player.to(key, seconds)
    keep = before + max(2, round((len(player.frames) - before) * share))
    del player.frames[keep:]
    player.qpos = player.frames[-1].copy()


def from_kneeling(player: Player, rng: Rng) -> Release:
    """Tips over from the knees, unbraced."""
    _stand_about(player, rng)
    player.to(poses.kneeling(rng, upright=True), rng.uniform(0.7, 1.8))
    player.hold(rng.uniform(0.2, 3.0))
    release = loss_of_strength(rng, limp=0.3, slow=0.6, support=0.1)
    push(rng, player, release, "chest", 0.6)
    return release


def along_wall(player: Player, rng: Rng) -> Release:
    """Slides down a wall."""
    _stand_about(player, rng)
    back = np.array([np.cos(player.yaw), np.sin(player.yaw)])
    centre = np.array([*(player.qpos[:2] - back * (0.16 + 0.5)), 1.0])
    player.human.place_box("back", centre, np.array([0.36, 0.36, 1.0]))
    release = loss_of_strength(rng, slow=1.5, support=0.5)
    release.pushes.append(("chest", -np.array([*back, 0.0]) * rng.uniform(0.05, 0.2), 0.0, 2.0))
    release.floors[2] = max(release.floors[2], 0.05)
    return release


def rolls_off_bed(player: Player, rng: Rng) -> Release:
    """Out of bed while lying."""
    scale = player.human.build.scale
    height = rng.uniform(0.4, 0.6)
    player.begin(poses.lying(rng, support_m=height))
    player.hold(rng.uniform(0.5, 3.0))
    sign = rng.choice([-1.0, 1.0])
    across = np.array([-np.sin(player.yaw), np.cos(player.yaw)]) * sign
    centre = np.array([*(player.qpos[:2] - across * 0.95), (height - 0.02) / 2])
    player.human.place_box("seat", centre, np.array([1.0, 1.0, (height - 0.02) / 2]) * np.array([1, 1, scale**0]))
    release = loss_of_strength(rng, limp=0.5)
    release.pushes.append(("chest", np.array([*across, 0.0]) * rng.uniform(0.2, 0.5), 0.0, 0.8))
    release.pushes.append(("pelvis", np.array([*across, 0.0]) * rng.uniform(0.2, 0.5), 0.0, 0.8))
    return release


KINDS: dict[Beginning, float] = {
    lowers_first: 12, braced: 13, staged: 11, sinking: 11, from_chair: 12, off_bed_edge: 7, while_rising: 8,
    from_bending: 8, faint: 7, from_kneeling: 3, trip: 6, pushed: 6, misses_seat: 6, along_wall: 5, slip: 5,
    rolls_off_bed: 3,
}  # fmt: skip


def random_fall(rng: Rng, chances: Mapping[Beginning, float] = KINDS) -> Clip | None:
    """A fall, of kinds by their weights; None when the body stayed up or the physics failed."""
    human = Human(random_build(rng))
    kinds = list(chances)
    weights = np.array(list(chances.values()), float)
    kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    player = Player(human, rng, poses.standing(rng), rng.uniform(-np.pi, np.pi))
    release = kind(player, rng)
    first = len(player.frames) - 1
    qvel = velocity(human, player.frames[-2], player.frames[-1])
    release.target = _loose(release.target, player, rng)
    frames = let_go(human, player.qpos, qvel, release, rng)
    if len(frames) < 2 * FPS:
        return None
    player.follow(frames)
    return _checked(player, kind.__name__, first, rng)


def _loose(target: np.ndarray | None, player: Player, rng: Rng) -> np.ndarray:
    """What the limp body tends to: between the pose it had and a curled one."""
    if target is not None:
        return target
    limbs = {"hip_bend": rng.uniform(0, 80), "knee": rng.uniform(10, 100), "elbow": rng.uniform(10, 90)}
    arms = {"shoulder_bend": rng.uniform(-20, 110), "shoulder_side": rng.uniform(0, 60)}
    curled = joint_angles(Key({**limbs, **arms, "waist_bend": rng.uniform(0, 40)}), rng, 12)
    return player.qpos[ROOT:] + rng.uniform(0.2, 1.0) * (curled - player.qpos[ROOT:])


def _checked(player: Player, kind: str, first: int, rng: Rng) -> Clip | None:
    clip = player.clip(kind, furniture(player.human))
    impact = impact_frame(clip.points, first)
    if impact is None:
        return None
    hips, shoulders = trunk_heights(clip.points[-FPS:])
    scale = player.human.build.scale
    if np.median(hips) > 0.42 * scale or np.median(shoulders) > 0.75 * scale:
        return None
    clip.onset_s, clip.impact_s = first / FPS, impact / FPS
    if rng.random() < 1 / 8:
        get_up(player, rng)
        clip.points = player.clip(kind).points
    return clip


def get_up(player: Player, rng: Rng) -> None:
    """Rise from wherever physics left the body, by way of a seat on the floor or the knees."""
    from models.falls.life import blend_to  # noqa: PLC0415 - life needs this module's helpers too

    blend_to(player, rng.choice([poses.kneeling, poses.seated_floor, poses.all_fours])(rng), rng.uniform(0.8, 2.5))
    player.to(poses.standing(rng), rng.uniform(0.8, 2.0))
    player.hold(rng.uniform(0.5, 2.0))


def furniture(human: Human) -> list[tuple[np.ndarray, np.ndarray]]:
    """The boxes that stand in the room."""
    boxes = []
    for name in ("seat", "back"):
        centre = human.model.body(name).pos
        if centre[2] > 0:
            boxes.append((centre.copy(), human.model.geom(name).size.copy()))
    return boxes
