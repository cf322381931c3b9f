"""Falls: a fast descent of shoulders and hips that ends low.

Owns one person's falls. Heights above the floor are the mean of two witnesses. The world landmarks say how the body is
folded, also when it points at the camera, but are unsure while it is hidden or blurred. The picture says how far
shoulders and hips have sunk towards where the feet were when the person was last up, but not for what moves along the
line of reading. Sitting down, squatting and bending end too high; lying down on purpose takes longer than a fall; a
person who was lost while falling fast counts as fallen when they do not come up again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from piapp.config.sections import PostureConfig
from piapp.posture.features import Features
from piapp.posture.tuned import Tuned
from piapp.types import Posture

# Height of the hips from which a fall begins, at least. Measured: falls from a chair 0.45, squats 0.25 to 0.4.
_FALL_TOP_HIPS_M = 0.42
# Metres that the shoulders may have been higher in the 2 s before it: more, and it is the end of going down with care,
# by way of a squat. Guess: a stoop.
_FALL_REST_M = 0.15
# Metres that shoulders come down in a fall, at least. Measured: 0.51 to 1.9; sitting down 0.3 to 0.45, but higher up.
_FALL_DROP_M = 0.45
# Metres that hips come down in a fall, at least. Measured: 0.34 (from a chair) to 0.9; lying back on a bed 0.
_FALL_HIPS_DROP_M = 0.25
# Seconds that a fall may take, at most, from a tenth to four fifths of the way. Measured: 0.2 to 0.8; lying down on
# purpose 1.3 and more.
_FALL_DESCENT_S = 1.0
# Speed of the shoulders downwards, metres a second over 0.2 s, at least. Measured: 0.9 to 2.5.
_FALL_SPEED_M_S = 0.9
# Height of the shoulders below which somebody is low. Measured: after falls 0 to 0.4, sitting on the floor 0.45 to 0.5.
_FALL_SHOULDERS_M = 0.45
# Height of the hips below which somebody is low. Measured: after falls -0.1 to 0.3, squats 0.25 to 0.5.
_FALL_HIPS_M = 0.33
# Seconds low before it is a fall. Guess: longer than a glitch, shorter than a rest.
_FALL_CONFIRM_S = 0.3
# Inclination of the trunk from which that is enough. Measured: level trunks 68 to 115.
_FALL_LEVEL_DEG = 65.0
# Seconds low when the trunk is not level: the model sometimes folds people who pick things up. Measured: 0.75.
_FALL_FOLDED_S = 1.0
# Seconds that somebody may be low before a fall is told: the model may see little of them at first. Guess.
_FALL_SETTLE_S = 2.5
# Height of the shoulders from which somebody is up again and may fall anew. Guess: kneeling.
_FALL_UP_M = 0.7
# Seconds after which somebody lost while falling has fallen. Measured: blurred falls are lost for up to 0.5.
_FALL_LOST_S = 0.8
# Height of the shoulders, where lost, below which that may be a fall. Guess: half of standing.
_FALL_LOST_SHOULDERS_M = 0.75
# Speed of the shoulders where lost, metres a second. Guess: faster than any sitting down.
_FALL_LOST_SPEED_M_S = 1.2
# Height of the hips from which somebody may be up again. Guess: a low seat.
RECOVER_HIPS_M = 0.35
# Seconds sitting or bent before a fall is over. Guess: people sit up and fall back.
_RECOVER_SITTING_S = 3.0

_LOW_LATE_S = 1.0  # how long after most of the descent somebody may be seen to be low
_AWAY_M = 1.5  # farther than anybody falls
_BEFORE_S = 2.0  # how far before a descent is looked at, for what it is a part of


@dataclass(frozen=True, slots=True)
class Height:
    """Heights above the floor in metres, as fused, and where they came from."""

    ts_ms: int
    shoulders_m: float
    hips_m: float


@dataclass(frozen=True, slots=True)
class Fall:
    """A fall that has ended low.

    Attributes:
        drop_m: How far the shoulders came down; hips_drop_m the hips.
        descent_s: Time from leaving the height to being low.
        speed_m_s: Highest speed of the shoulders downwards, over 0.2 s or more.
        lost: The person was lost on the way down.
    """

    drop_m: float
    hips_drop_m: float
    descent_s: float
    speed_m_s: float
    shoulders_m: float
    hips_m: float
    lost: bool
    score: float


class Floor:
    """Where the feet are while somebody is up, and how large they look: what heights in the picture refer to.

    The place holds until they stand again, or are somewhere else without having stood, as in a wheelchair.
    """

    __slots__ = ("_feet_y", "_scale", "_seated", "_x")

    def __init__(self) -> None:
        self._x: float | None = None
        self._seated = False
        self._feet_y, self._scale = 0.0, 1.0

    @property
    def known(self) -> bool:
        """Whether they were seen up at this place."""
        return self._x is not None

    def step(self, features: Features, posture: Posture) -> None:
        """Follow somebody who stands, or sits without having stood before."""
        if self._x is not None and abs(features.hips_px[0] - self._x) > _AWAY_M * self._scale:
            self._x = None
        upright = features.trunk_deg < 40 and features.hips_m > 0.4  # noqa: PLR2004
        known = self._x is not None and not self._seated
        if not upright or not (posture == "standing" or (posture == "sitting" and not known)):
            return
        share = 0.3 if self._x is not None else 1.0
        self._seated = posture == "sitting"
        self._x = features.hips_px[0]
        self._feet_y += share * (features.hips_px[1] + features.hips_m * features.scale - self._feet_y)
        self._scale += share * (features.scale - self._scale)

    def height(self, features: Features, ts_ms: int) -> Height:
        """Fused heights of shoulders and hips."""
        if self._x is None:
            return Height(ts_ms, features.shoulders_m, features.hips_m)
        shoulders = (self._feet_y - features.shoulders_px[1]) / self._scale
        hips = (self._feet_y - features.hips_px[1]) / self._scale
        return Height(ts_ms, (shoulders + features.shoulders_m) / 2, (hips + features.hips_m) / 2)


class FallDetector:
    """Watches one person come down."""

    __slots__ = ("_floor", "_heights", "_lost_reported", "_low_ms")

    def __init__(self) -> None:
        self._floor = Floor()
        self._heights: deque[Height] = deque()
        self._low_ms: int | None = None
        self._lost_reported = False

    def step(self, features: Features, posture: Posture, ts_ms: int) -> Fall | None:
        """Take what is seen now; `posture` is the judgement of this result alone."""
        self._floor.step(features, posture)
        self._lost_reported = False
        height = self._floor.height(features, ts_ms)
        oldest = ts_ms - (_FALL_DESCENT_S + _FALL_SETTLE_S + _BEFORE_S) * 1000
        while self._heights and self._heights[0].ts_ms < oldest:
            self._heights.popleft()
        self._heights.append(height)
        if height.shoulders_m > _FALL_UP_M:
            self._low_ms = None
        low = self._is_low(height, posture)
        if self._low_ms is None and low:
            self._low_ms = ts_ms
        if self._low_ms is None or not low:
            return None
        low_s = (ts_ms - self._low_ms) / 1000
        level = posture == "lying" and features.trunk_deg > _FALL_LEVEL_DEG
        confirm_s = _FALL_CONFIRM_S if level else _FALL_FOLDED_S
        if not confirm_s <= low_s <= _FALL_SETTLE_S:
            return None
        fall = self._judge(height, self._low_ms, lost=False)
        if fall is not None:
            self._low_ms = ts_ms - round(_FALL_SETTLE_S * 1000)  # told once
        return fall

    def missing(self, ts_ms: int) -> Fall | None:
        """Say that the person is not seen now; a fall, once, when they were lost on the way down."""
        if self._lost_reported or not self._heights:
            return None
        last = self._heights[-1]
        if ts_ms - last.ts_ms < _FALL_LOST_S * 1000:
            return None
        self._lost_reported = True
        return self._judge(last, last.ts_ms, lost=True)

    @property
    def height(self) -> Height | None:
        """How high the person was last, where it is known from when they stood; None otherwise."""
        return self._heights[-1] if self._heights and self._floor.known else None

    @property
    def vertical_m_s(self) -> float:
        """Speed of the hips now, up positive, over 0.15 s or a little more; 0 when there is too little to say."""
        if not self._heights:
            return 0.0
        now = self._heights[-1]
        for then in reversed(self._heights):
            if now.ts_ms - then.ts_ms >= 150:  # noqa: PLR2004
                return (now.hips_m - then.hips_m) / (now.ts_ms - then.ts_ms) * 1000
        return 0.0

    def _is_low(self, height: Height, posture: Posture) -> bool:
        if posture == "bending":  # over legs that stand, or propped up on the arms
            return False
        low = height.hips_m < _FALL_HIPS_M and height.shoulders_m < _FALL_SHOULDERS_M
        return low or posture == "lying"

    def _judge(self, end: Height, low_ms: int, *, lost: bool) -> Fall | None:
        """Look back from being low to when the person was still high."""
        first_ms = low_ms - (_FALL_DESCENT_S + _LOW_LATE_S) * 1000
        before = [height for height in self._heights if first_ms <= height.ts_ms <= low_ms]
        top = max(before or [end], key=lambda height: height.shoulders_m)
        drop = top.shoulders_m - end.shoulders_m
        hips_drop = top.hips_m - end.hips_m
        # The descent begins when a tenth of it is done, and ends when four fifths are, for good.
        start_ms = max((h.ts_ms for h in before if h.shoulders_m > top.shoulders_m - 0.1 * drop), default=top.ts_ms)
        end_ms = max((h.ts_ms for h in self._heights if h.shoulders_m > top.shoulders_m - 0.8 * drop), default=low_ms)
        descent_s = max(0.0, (end_ms - start_ms) / 1000)
        speed = _speed(self._heights)
        if self._was_higher(top, start_ms):
            return None
        enough = drop >= _FALL_DROP_M and hips_drop >= _FALL_HIPS_DROP_M and top.hips_m >= _FALL_TOP_HIPS_M
        if not enough or descent_s > _FALL_DESCENT_S or speed < _FALL_SPEED_M_S:
            return None
        if lost and (end.shoulders_m > _FALL_LOST_SHOULDERS_M or speed < _FALL_LOST_SPEED_M_S):
            return None
        score = min(1.0, 0.4 + 0.3 * drop + 0.2 * speed - (0.2 if lost else 0.0))
        return Fall(drop, hips_drop, descent_s, speed, end.shoulders_m, end.hips_m, lost, score)

    def _was_higher(self, top: Height, start_ms: int) -> bool:
        """Whether the person came from higher up just before: then this is the last part of going down with care."""
        since_ms = start_ms - _BEFORE_S * 1000
        limit_m = top.shoulders_m + _FALL_REST_M
        return any(since_ms <= h.ts_ms <= start_ms and h.shoulders_m > limit_m for h in self._heights)


def _speed(heights: deque[Height]) -> float:
    """Highest mean speed downwards over any 0.2 s to 0.5 s, or over a gap that is longer."""
    best = 0.0
    samples = list(heights)
    first = 0
    for last, end in enumerate(samples):
        while first < last - 1 and samples[first].ts_ms < end.ts_ms - 500:
            first += 1
        for start in samples[first:last]:
            elapsed_s = (end.ts_ms - start.ts_ms) / 1000
            if elapsed_s >= 0.2:  # noqa: PLR2004
                best = max(best, (start.shoulders_m - end.shoulders_m) / elapsed_s)
    return best


class FloorTime(Tuned):
    """The time on the floor after a fall.

    Attributes:
        since_ms: When the fall was told, None while nobody is down.
    """

    __slots__ = ("_reported", "_up_ms", "since_ms")

    def __init__(self, config: PostureConfig) -> None:
        super().__init__(config)
        self.since_ms: int | None = None
        self._reported = False
        self._up_ms: int | None = None

    @property
    def fallen_reported(self) -> bool:
        """Whether `fallen` was due already."""
        return self._reported

    def begin(self, ts_ms: int, *, reported: bool = False) -> None:
        """The person is down since then; `reported` says that `fallen` is told by whoever calls."""
        self.since_ms, self._reported, self._up_ms = ts_ms, reported, None

    def restore(self, since_ms: int | None, *, fallen_reported: bool) -> None:
        """Go on with a time on the floor that began before."""
        self.since_ms, self._reported, self._up_ms = since_ms, fallen_reported, None

    def end(self, ts_ms: int) -> float | None:
        """Give up on somebody who is not seen any more; seconds on the floor, None when they were not down."""
        if self.since_ms is None:
            return None
        down_s = (ts_ms - self.since_ms) / 1000
        self.since_ms = self._up_ms = None
        return down_s

    def still(self, ts_ms: int) -> float | None:
        """Seconds on the floor, once, when it is time to say `fallen`; seen or not."""
        if self.since_ms is None or self._reported:
            return None
        down_s = (ts_ms - self.since_ms) / 1000
        self._reported = down_s >= self._config.fallen_after_s
        return down_s if self._reported else None

    def over(self, features: Features, posture: Posture, *, stands: bool, ts_ms: int) -> float | None:
        """Seconds on the floor when the person is up again; `stands` says that standing is the kept posture."""
        if self.since_ms is None:
            return None
        raised = features.hips_m > RECOVER_HIPS_M
        if posture in ("lying", "unknown") or (posture != "standing" and not raised):
            self._up_ms = None
            return None
        if self._up_ms is None:
            self._up_ms = ts_ms
        wait_s = self._config.recover_dwell_s if stands else _RECOVER_SITTING_S
        if ts_ms - self._up_ms < wait_s * 1000:
            return None
        down_s = (ts_ms - self.since_ms) / 1000
        self.since_ms = self._up_ms = None
        return down_s
