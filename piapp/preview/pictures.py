"""Which pictures of the camera the page may show, and until when. Pure but for the clock that is handed in.

Nothing of it leaves by MQTT: what may is `publish.image`'s business alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

PictureKind = Literal["edges", "photo"]
PictureMode = Literal["off", "edges", "consent"]

# Long enough to aim a camera and draw a zone, too short to be forgotten.
CONSENT_S = 600.0


class PictureRules:
    """Decides what may be shown.

    Args:
        mode: `preview.picture`.
        always: The picture may be shown at any time, for it is published, too.
        clock: Seconds, monotonic.
    """

    def __init__(self, mode: PictureMode, *, always: bool, clock: Callable[[], float]) -> None:
        self._mode = mode
        self._always = always
        self._clock = clock
        self._until_s = clock()

    @property
    def left_s(self) -> float:
        """How long the consent still lasts; 0 without one."""
        return max(0.0, self._until_s - self._clock())

    def allows(self, kind: PictureKind) -> bool:
        """Whether this kind may be shown now."""
        if kind == "edges":
            return self._mode != "off"
        return self._always or (self._mode == "consent" and self.left_s > 0)

    def consent(self, *, shown: bool) -> bool:
        """Somebody agrees to the picture from now on, or does not any more; False where that is not asked for."""
        if self._mode != "consent":
            return False
        self._until_s = self._clock() + (CONSENT_S if shown else 0.0)
        return True

    def described(self) -> dict[str, Any]:
        """What the page says of it."""
        kinds: tuple[PictureKind, ...] = ("edges", "photo")
        return {
            "pictures": [kind for kind in kinds if self.allows(kind)],
            "consent": {"asked": self._mode == "consent" and not self._always, "left_s": round(self.left_s)},
        }
