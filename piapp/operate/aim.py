"""Whether the camera stands well, in numbers: of whoever stands in view, as a running node sees them.

Owns what is concluded from a frame's landmarks (the live page's `aim.js` concludes the same) and asking for frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec

from piapp.config.sections import Config
from piapp.errors import BrokerError
from piapp.mqtt.payload import decode_frame
from piapp.mqtt.subscriber import Subscriber
from piapp.mqtt.topics import Topics
from piapp.node.assembly import node_id
from piapp.types import LANDMARK_COUNT

_Row = Annotated[list[float | None], msgspec.Meta(min_length=5)]

# A landmark below it is a guess.
_VISIBLE = 0.5

# Of the picture's height; below it the lite model loses people.
LEAST_SHARE = 0.3

# The crown lies above the eyes by this share of the rest of the body.
_CROWN = 1.08

# A body that comes so near to the picture's edge is cut off there.
_EDGE = 0.01

_HEAD = (0, 2, 5, 7, 8)  # nose, eyes, ears
_FEET = (27, 28, 29, 30, 31, 32)  # ankles, heels, toes

# No frame for so long means that this user may not read them, or that the camera gives none.
_SILENCE_S = 15.0

_PERIOD_S = 1.0


class SeenPose(msgspec.Struct, frozen=True):
    """One person of a frame message, as far as aiming needs it."""

    landmarks: Annotated[list[_Row], msgspec.Meta(min_length=LANDMARK_COUNT)]
    posture: str = "unknown"


class SeenFrame(msgspec.Struct, frozen=True):
    """A frame message, as far as aiming needs it."""

    poses: list[SeenPose]


def aim_text(frame: SeenFrame) -> str:
    """What the frame shows of how the camera stands, for people."""
    if not frame.poses:
        return "nobody is seen"
    return "; ".join(_person_text(pose) for pose in frame.poses)


def _person_text(pose: SeenPose) -> str:
    if pose.posture != "standing":
        return f"somebody is seen ({pose.posture}): stand still, upright"
    top, bottom = _heights(pose.landmarks, _HEAD), _heights(pose.landmarks, _FEET)
    if not top or not bottom or min(top) < _EDGE or max(bottom) > 1 - _EDGE:
        return "head or feet are not in view: turn the camera, or put it farther away"
    crown, sole = min(top), max(bottom)
    share = _CROWN * (sole - crown)
    text = f"fills {share:.0%} of the picture's height, {crown:.0%} left above and {1 - sole:.0%} below"
    if share < LEAST_SHARE:
        return f"{text}: too small (at least {LEAST_SHARE:.0%}), put the camera nearer or expect misses"
    return f"{text}: good"


def _heights(landmarks: Sequence[_Row], which: Sequence[int]) -> list[float]:
    """Heights of those landmarks that can be seen, as shares of the picture from the top."""
    rows = [landmarks[number] for number in which]
    return [row[1] for row in rows if row[1] is not None and (1.0 if row[3] is None else row[3]) >= _VISIBLE]


def aims(config: Config, show: Callable[[str], None], done: Callable[[float], bool]) -> None:
    """Show about once a second how the camera stands, until `done`.

    Args:
        config: The node's, with a login that may read its frames.
        show: Called with each line.
        done: Waits so many seconds at most; returns whether to end.

    Raises:
        BrokerError: The broker cannot be reached or refuses, or no frame comes.
    """
    topics = Topics(config.mqtt.base_topic, node_id(config))
    newest: deque[bytes] = deque(maxlen=1)  # the one that waits is dropped for a newer one
    silent_s = 0.0
    with Subscriber(config.mqtt.url, [topics.frame], lambda _, payload: newest.append(payload), login=config.mqtt):
        while not done(_PERIOD_S):
            silent_s = 0.0 if newest else silent_s + _PERIOD_S
            if newest:
                show(aim_text(_frame(newest.pop())))
            elif silent_s > _SILENCE_S:
                raise BrokerError(
                    f"{topics.frame}: no frame in {_SILENCE_S:g} s; does the node run (`piapp check`), and may this "
                    "user read that topic?"
                )


def _frame(payload: bytes) -> SeenFrame:
    """What can be read of a frame message; nobody when it is none, for anybody may publish."""
    try:
        return decode_frame(payload, SeenFrame)
    except ValueError:
        return SeenFrame([])
