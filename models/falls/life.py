"""Ordinary life that may look like a fall, and is none.

Much of it goes down to the floor, a bed or a seat on purpose; the last part of lying down is left to physics, for
people let themselves drop there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from models.falls import poses
from models.falls.body import Human, random_build
from models.falls.motion import FPS, Clip, Key, Player, joint_angles, minimum_jerk, velocity
from models.falls.physics import Release, let_go, trunk_heights
from models.falls.tumbles import furniture

Rng = np.random.Generator
Activity = Callable[[Player, Rng], None]


def blend_to(player: Player, key: Key, seconds: float) -> None:
    """Go from any state, such as physics left, to a key on the spot."""
    human, start = player.human, player.qpos.copy()
    ahead = human.pose(start)[[11, 12]].mean(axis=0) - start[:3]
    if np.hypot(*ahead[:2]) > 0.15:
        player.yaw = float(np.arctan2(ahead[1], ahead[0]))
    angles, lean = joint_angles(key, player.rng), np.radians([key.pitch_deg, key.roll_deg])
    end = player._settled(angles, lean, start[:2], key.support_m)  # noqa: SLF001 - a player's own motion
    turn = end[3:7] if np.dot(start[3:7], end[3:7]) >= 0 else -end[3:7]
    steps = max(3, round(seconds * FPS))
    for step in range(1, steps + 1):
        share = float(minimum_jerk(step / steps))
        qpos = start + share * (end - start)
        spin = start[3:7] + share * (turn - start[3:7])
        qpos[3:7] = spin / np.linalg.norm(spin)
        human.pose(qpos)
        qpos[2] += max(0.0, -human.lowest_m())
        player.frames.append(qpos)
    player.qpos = end
    player._angles, player._lean, player._key = angles, lean, key  # noqa: SLF001


def drop(
    player: Player, key: Key, rng: Rng, *, support: float, seconds: float, push: float = 0.12, side: float | None = None
) -> None:
    """Let oneself down into a pose: strength stays, most of the weight is held for a while."""
    human = player.human
    release = Release(
        np.exp(rng.uniform(np.log(0.04), np.log(0.5), 3)), rng.uniform(0.2, 1.0, 3), support,
        rng.uniform(0.35, 1.4), seconds, stirring=rng.random() < 0.5, target=joint_angles(key, rng),
    )  # fmt: skip
    if side is None:
        side = float(rng.choice([0.0, np.pi / 2, -np.pi / 2, np.pi]))
        if abs(key.pitch_deg) > 45:
            side = 0.0 if key.pitch_deg > 0 else np.pi
    angle = player.yaw + side + rng.normal(0, 0.3)
    force = np.array([np.cos(angle), np.sin(angle), 0.0]) * rng.uniform(0.04, push)
    release.pushes.append(("chest", force, 0.0, rng.uniform(0.3, 0.9)))
    frames = let_go(human, player.qpos, velocity(human, player.frames[-2], player.frames[-1]), release, rng)
    if frames:
        player.follow(frames)


def walks(player: Player, rng: Rng) -> None:
    """To and fro."""
    for _ in range(rng.integers(1, 4)):
        player.walk(rng.uniform(1, 4), rng.uniform(0.4, 1.6), poses.standing(rng), stoop_deg=rng.uniform(0, 25))
        player.face(rng.uniform(-np.pi, np.pi))
        player.hold(rng.uniform(0.2, 2))


def passes(player: Player, rng: Rng) -> None:
    """Straight through, in and out of the picture."""
    player.walk(rng.uniform(4, 8), rng.uniform(0.7, 2.0), poses.standing(rng))


def sits(player: Player, rng: Rng) -> None:
    """On a chair and up again."""
    _arrive(player, rng)
    player.to(poses.chair(rng, low=rng.random() < 0.4), rng.uniform(0.6, 2.2))
    player.hold(rng.uniform(1, 6))
    if rng.random() < 0.3:
        player.to(poses.bending(rng) if rng.random() < 0.2 else _lean_in_chair(rng), rng.uniform(0.5, 1.5))
        player.hold(rng.uniform(0.3, 2))
    player.to(poses.standing(rng), rng.uniform(0.7, 2))
    player.hold(rng.uniform(0.3, 2))


def _lean_in_chair(rng: Rng) -> Key:
    lean = rng.uniform(-40, 60)
    return Key({"hip_bend": 90 + lean * 0.4, "knee": rng.uniform(60, 110), "waist_bend": max(0, lean * 0.6),
                "waist_side": rng.uniform(-30, 30), "shoulder_bend": rng.uniform(0, 100)}, lean * 0.6,
               rng.normal(0, 12))  # fmt: skip


def leans_in_chair(player: Player, rng: Rng) -> None:
    """Reaches for things from a chair, nods off."""
    player.begin(poses.chair(rng))
    for _ in range(rng.integers(1, 4)):
        player.hold(rng.uniform(0.5, 3))
        player.to(_lean_in_chair(rng), rng.uniform(0.4, 2))
        player.hold(rng.uniform(0.3, 3))
        player.to(poses.chair(rng), rng.uniform(0.5, 1.5))


def drops_into_seat(player: Player, rng: Rng) -> None:
    """Lets go above a sofa or chair."""
    _arrive(player, rng)
    scale = player.human.build.scale
    player.to(Key({"knee": 55, "hip_bend": 60, "waist_bend": 20, "ankle": 20}, 15), rng.uniform(0.3, 0.8))
    top = rng.uniform(0.3, 0.48) * scale
    ahead = np.array([np.cos(player.yaw), np.sin(player.yaw)])
    centre = np.array([*(player.qpos[:2] - ahead * 0.2), top / 2])
    player.human.place_box("seat", centre, np.array([0.36, 0.36, top / 2]))
    player.human.place_box("back", np.array([*(player.qpos[:2] - ahead * 0.85), 0.5]), np.array([0.36, 0.36, 0.5]))
    target = Key(poses.chair(rng, low=True).joints)
    drop(player, target, rng, support=rng.uniform(0, 0.5), seconds=rng.uniform(2, 5), push=0.2, side=np.pi)


def lies_on_bed(player: Player, rng: Rng) -> None:
    """Sits on the bed, lies down, stays or rises."""
    _arrive(player, rng)
    height = rng.uniform(0.35, 0.6)
    player.to(poses.chair(rng), rng.uniform(0.6, 1.8))
    player.hold(rng.uniform(0, 2.5))
    if rng.random() < 0.5:
        player.to(poses.propped(rng, height), rng.uniform(0.5, 1.5))
    player.to(poses.lying(rng, support_m=height), rng.uniform(0.5, 2.5))
    player.hold(rng.uniform(1.5, 5))
    if rng.random() < 0.4:
        player.to(poses.chair(rng), rng.uniform(1, 2.5))
        player.to(poses.standing(rng), rng.uniform(0.8, 2))


def drops_onto_bed(player: Player, rng: Rng) -> None:
    """Quickly, by letting go."""
    _arrive(player, rng)
    height = rng.uniform(0.35, 0.6)
    if rng.random() < 0.6:
        player.to(poses.chair(rng), rng.uniform(0.5, 1.2))
    ahead = np.array([np.cos(player.yaw), np.sin(player.yaw)])
    low = min(height, player.qpos[2] - 0.12)
    centre = np.array([*(player.qpos[:2] - ahead * 0.75), low / 2])
    player.human.place_box("seat", centre, np.array([0.85, 0.85, low / 2]))
    side = str(rng.choice(["back", "left", "right"]))
    drop(player, poses.lying(rng, side), rng, support=rng.uniform(0, 0.5), seconds=rng.uniform(3, 5), push=0.35)


def lies_on_floor(player: Player, rng: Rng) -> None:
    """Kneels or sits down, pauses, lies down on purpose; the last part is physics in two of three."""
    _arrive(player, rng)
    stage = rng.choice([poses.kneeling, poses.all_fours, poses.seated_floor, poses.side_seat, poses.squatting])
    player.to(stage(rng), rng.uniform(0.7, 2.2))
    player.hold(rng.uniform(0.15, 2.5))
    if rng.random() < 0.5:
        player.to(
            rng.choice([poses.side_seat, poses.propped, poses.all_fours, poses.seated_floor])(rng),
            rng.uniform(0.5, 1.5),
        )
        if rng.random() < 0.5:
            player.hold(rng.uniform(0.1, 1))
    if rng.random() < 0.67:
        drop(player, poses.lying(rng), rng, support=rng.uniform(0.3, 0.95), seconds=rng.uniform(3, 5), push=0.25)
    else:
        player.to(poses.lying(rng), rng.uniform(0.6, 2.5))
        player.hold(rng.uniform(2, 5))
    _perhaps_rise(player, rng)


def lies_from_floor(player: Player, rng: Rng) -> None:
    """Already on the floor: lies down and sits up again."""
    player.begin(rng.choice([poses.seated_floor, poses.kneeling, poses.side_seat])(rng))
    for _ in range(rng.integers(1, 3)):
        player.hold(rng.uniform(1, 4))
        if rng.random() < 0.5:
            drop(player, poses.lying(rng), rng, support=rng.uniform(0.3, 0.95), seconds=rng.uniform(2, 4), push=0.25)
        else:
            player.to(poses.lying(rng), rng.uniform(0.5, 2))
            player.hold(rng.uniform(1, 3))
        blend_to(player, rng.choice([poses.seated_floor, poses.kneeling])(rng), rng.uniform(0.8, 2))


def _perhaps_rise(player: Player, rng: Rng) -> None:
    if rng.random() < 0.35:
        blend_to(player, rng.choice([poses.seated_floor, poses.kneeling])(rng), rng.uniform(0.8, 2.5))
        player.to(poses.standing(rng), rng.uniform(0.8, 2))


def sits_on_floor(player: Player, rng: Rng) -> None:
    """Down to the buttocks and up."""
    _arrive(player, rng)
    if rng.random() < 0.5:
        player.to(rng.choice([poses.squatting, poses.kneeling])(rng), rng.uniform(0.5, 1.5))
    player.to(poses.seated_floor(rng), rng.uniform(0.5, 1.8))
    player.hold(rng.uniform(1, 5))
    if rng.random() < 0.5:
        player.to(poses.standing(rng), rng.uniform(0.9, 2.2))


def kneels(player: Player, rng: Rng) -> None:
    """On the knees, working or praying."""
    _arrive(player, rng)
    player.to(poses.kneeling(rng), rng.uniform(0.5, 1.8))
    for _ in range(rng.integers(0, 4)):
        player.hold(rng.uniform(0.5, 2))
        player.to(rng.choice([poses.all_fours, poses.folded, poses.kneeling])(rng), rng.uniform(0.5, 1.8))
    player.hold(rng.uniform(0.5, 2))
    player.to(poses.standing(rng), rng.uniform(0.7, 2))


def bends(player: Player, rng: Rng) -> None:
    """Picks up, cleans, works bent."""
    for _ in range(rng.integers(1, 4)):
        _arrive(player, rng)
        player.to(poses.bending(rng), rng.uniform(0.35, 1.5))
        player.hold(rng.uniform(0.1, 3), 5.0)
        player.to(poses.standing(rng), rng.uniform(0.4, 1.5))


def squats(player: Player, rng: Rng) -> None:
    """Crouches, ties shoes."""
    for _ in range(rng.integers(1, 4)):
        player.hold(rng.uniform(0.2, 1.5))
        player.to(poses.squatting(rng), rng.uniform(0.3, 1.4))
        player.hold(rng.uniform(0.1, 4), 4.0)
        player.to(poses.standing(rng), rng.uniform(0.5, 1.5))


def exercises(player: Player, rng: Rng) -> None:
    """Burpees, push-ups, sit-ups, yoga."""
    plan = rng.integers(4)
    if plan == 0:
        for _ in range(rng.integers(2, 5)):
            player.to(poses.squatting(rng), rng.uniform(0.3, 0.8))
            player.to(poses.plank(rng), rng.uniform(0.3, 0.8))
            if rng.random() < 0.5:
                player.to(poses.plank_low(rng), 0.5)
                player.to(poses.plank(rng), 0.5)
            player.to(poses.squatting(rng), rng.uniform(0.3, 0.8))
            player.to(poses.standing(rng), rng.uniform(0.3, 0.8))
    elif plan == 1:
        player.to(poses.kneeling(rng), rng.uniform(0.6, 1.5))
        player.to(poses.plank(rng), rng.uniform(0.5, 1.2))
        for _ in range(rng.integers(2, 6)):
            player.to(poses.plank_low(rng), rng.uniform(0.4, 1))
            player.to(poses.plank(rng), rng.uniform(0.4, 1))
    elif plan == 2:
        player.to(poses.seated_floor(rng), rng.uniform(0.8, 2))
        for _ in range(rng.integers(2, 6)):
            player.to(poses.lying(rng, "back"), rng.uniform(0.6, 1.5))
            player.to(poses.seated_floor(rng), rng.uniform(0.6, 1.5))
    else:
        for stage in (poses.bending, poses.all_fours, poses.folded, poses.plank, poses.all_fours, poses.kneeling):
            player.to(stage(rng), rng.uniform(0.8, 2))
            player.hold(rng.uniform(0.2, 2))


def crawls(player: Player, rng: Rng) -> None:
    """On all fours, adults and small children."""
    player.begin(poses.all_fours(rng))
    for _ in range(rng.integers(4, 14)):
        step = np.array([np.cos(player.yaw), np.sin(player.yaw)]) * rng.uniform(0.05, 0.35)
        player.to(poses.all_fours(rng), rng.uniform(0.25, 0.7), walk=step, turn=rng.normal(0, 0.3))
        if rng.random() < 0.12:
            player.to(rng.choice([poses.seated_floor, poses.lying, poses.folded])(rng), rng.uniform(0.4, 1.2))
            player.hold(rng.uniform(0.3, 2))


def toddles(player: Player, rng: Rng) -> None:
    """A small child that stands, plumps down, crawls."""
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.5:
            player.to(poses.standing(rng), rng.uniform(0.5, 1.5))
            player.to(poses.seated_floor(rng), rng.uniform(0.3, 0.8))
            player.hold(rng.uniform(0.5, 2))
        crawls(player, rng)


def rests(player: Player, rng: Rng) -> None:
    """Lies all along, turning over, on floor, bed or sofa."""
    height = rng.choice([0.0, 0.45])
    player.begin(poses.lying(rng, support_m=height))
    for _ in range(rng.integers(1, 4)):
        player.hold(rng.uniform(1, 4))
        player.to(poses.lying(rng, support_m=height), rng.uniform(0.6, 2))


def gets_up(player: Player, rng: Rng) -> None:
    """From lying to standing."""
    player.begin(poses.lying(rng, support_m=rng.choice([0.0, 0.45])))
    player.hold(rng.uniform(1, 4))
    player.to(poses.seated_floor(rng), rng.uniform(0.8, 2))
    if rng.random() < 0.5:
        player.to(poses.kneeling(rng), rng.uniform(0.5, 1.2))
    player.to(poses.standing(rng), rng.uniform(0.8, 2))
    player.hold(rng.uniform(0.5, 3))


def stumbles(player: Player, rng: Rng) -> None:
    """Nearly falls and catches themselves."""
    player.walk(rng.uniform(1, 2.5), rng.uniform(0.6, 1.5), poses.standing(rng))
    ahead = np.array([np.cos(player.yaw), np.sin(player.yaw)])
    player.to(
        rng.choice([poses.bending, poses.squatting])(rng), rng.uniform(0.25, 0.5), walk=ahead * rng.uniform(0.2, 0.7)
    )
    player.to(poses.standing(rng), rng.uniform(0.4, 1), walk=ahead * rng.uniform(0, 0.4))
    player.hold(rng.uniform(0.3, 2))


def jumps(player: Player, rng: Rng) -> None:
    """Hops and waves."""
    for _ in range(rng.integers(2, 7)):
        crouch = Key({"knee": 45, "hip_bend": 40, "ankle": 20, "shoulder_bend": rng.uniform(-30, 160)}, 10)
        player.to(crouch, rng.uniform(0.2, 0.4))
        high = poses.standing(rng)
        player.to(Key(high.joints, 0, 0, high.anchor, rng.uniform(0.05, 0.3)), 0.22)
        player.to(high, 0.22)


KINDS: dict[Activity, float] = {
    sits: 8, drops_into_seat: 10, lies_on_bed: 8, drops_onto_bed: 7, walks: 7, passes: 9, bends: 8, lies_on_floor: 14,
    lies_from_floor: 5, sits_on_floor: 6, squats: 6, kneels: 6, exercises: 8, toddles: 7, leans_in_chair: 5, crawls: 4,
    rests: 4, gets_up: 4, stumbles: 4, jumps: 2,
}  # fmt: skip

# What people do at home, by how often; a thirtieth of an hour each.
DAILY: dict[Activity, float] = {
    walks: 22, passes: 14, sits: 18, leans_in_chair: 8, bends: 14, squats: 5,
    kneels: 3, drops_into_seat: 6, lies_on_bed: 1, drops_onto_bed: 0.5, rests: 2,
    gets_up: 1, sits_on_floor: 1.5, lies_on_floor: 0.7, exercises: 0.8, stumbles: 0.5,
    crawls: 0.6, toddles: 1, jumps: 0.5,
}  # fmt: skip


ON_FURNITURE = frozenset({drops_into_seat, drops_onto_bed, lies_on_bed})


def random_life(rng: Rng, chances: Mapping[Activity, float] = KINDS) -> Clip:
    """A piece of ordinary life; `chances` weighs the kinds, by default towards what looks like a fall."""
    kinds = list(chances)
    weights = np.array(list(chances.values()), float)
    kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    human = Human(random_build(rng, child=kind is toddles))
    player = Player(human, rng, poses.standing(rng), rng.uniform(-np.pi, np.pi))
    kind(player, rng)
    clip = player.clip(kind.__name__, furniture(human))
    if kind in ON_FURNITURE and trunk_heights(clip.points)[0].min() < 0.22 * human.build.scale:
        return random_life(rng, chances)  # slid off, which is a fall
    return clip


def _arrive(player: Player, rng: Rng) -> None:
    """Stands there, or walks up first."""
    if rng.random() < 0.5:
        player.walk(rng.uniform(0.6, 2.5), rng.uniform(0.4, 1.4), poses.standing(rng), stoop_deg=rng.uniform(0, 15))
        player.to(poses.standing(rng), 0.4)
    if rng.random() < 0.6:
        player.face(player.yaw + rng.uniform(-np.pi, np.pi))
    player.hold(rng.uniform(0.2, 2))
