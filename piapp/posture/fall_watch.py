"""One person's falls: what the learnt network and the rules make of them together.

The network decides about what is seen. Rules that see a fall, too, make it easier to convince; they decide alone about
a person who was lost on the way down, and where there is no network.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from piapp.config.sections import PostureConfig
from piapp.posture.fall_decision import FALL_THRESHOLDS, FallDecision, Probability
from piapp.posture.fall_net import FallNet
from piapp.posture.fall_window import FallWindow
from piapp.posture.falls import Fall, FallDetector
from piapp.posture.features import Features
from piapp.posture.finding import Numbers
from piapp.posture.geometry import Body
from piapp.types import FloatArray, Posture

# How likely a fall the network must have thought, at least, when somebody was last seen who is lost on the way down.
# Measured on films of both runtimes and on simulated bodies: under 0.6 in calm ones, 0.81 and more in those who fell.
LEAST_WHEN_LOST = 0.6
# The same of somebody whom an edge of the picture cut off, and who has rather left it. Measured on simulated bodies: at
# most 0.93 in those who left, at least 0.99 in those who fell.
LEAST_WHEN_LEAVING = 0.97


@dataclass(frozen=True, slots=True)
class FoundFall:
    """A fall, and the numbers that decided.

    Attributes:
        score: How sure it is, 0..1.
    """

    score: float
    numbers: Numbers


class _Asked:
    """The network's probability for one window, which is computed once, when somebody wants to know it."""

    __slots__ = ("_channels", "_net", "_value")

    def __init__(self, net: FallNet, channels: FloatArray) -> None:
        self._net, self._channels = net, channels
        self._value: float | None = None

    def __call__(self) -> float:
        if self._value is None:
            self._value = self._net.probability(self._channels)
        return self._value


class FallWatch:
    """Watches one person fall.

    Args:
        config: `[posture]`.
        net: The learnt network; None leaves all to the rules.
    """

    __slots__ = ("_bent", "_decision", "_least_when_lost", "_net", "_probability", "_window", "rules")

    def __init__(self, config: PostureConfig, net: FallNet | None) -> None:
        self.rules = FallDetector()
        self._net = net
        self._window = FallWindow()
        self._probability: Probability = float  # 0 before the first window
        self._least_when_lost = LEAST_WHEN_LOST
        self._bent = False
        self._decision = FallDecision(FALL_THRESHOLDS[config.fall_sensitivity])

    def use(self, config: PostureConfig) -> None:
        """Take other values from the next result on."""
        self._decision.use(FALL_THRESHOLDS[config.fall_sensitivity])

    def see(
        self, body: Body, size: tuple[int, int], features: Features, posture: Posture, ts_ms: int
    ) -> FoundFall | None:
        """Take what is seen now.

        Args:
            body: As the landmarker gave it, not smoothed.
            size: (width, height) of the picture in pixels.
            features: Of the smoothed body.
            posture: The judgement of this result alone.
            ts_ms: Its time.
        """
        fall = self.rules.step(features, posture, ts_ms)
        if self._net is None:
            return None if fall is None else _by_rules(fall)
        self._window.push(body, size, ts_ms)
        self._bent = posture == "bending"
        if fall is not None:
            self._decision.agree(ts_ms)
        return self._learnt(self._net, ts_ms)

    def miss(self, ts_ms: int) -> FoundFall | None:
        """The person is not seen now."""
        lost = self.rules.missing(ts_ms)
        if lost is not None and (self._net is None or self._probability() >= self._least_when_lost):
            return _by_rules(lost)
        return None if self._net is None else self._learnt(self._net, ts_ms)

    def _learnt(self, net: FallNet, ts_ms: int) -> FoundFall | None:
        window = self._window.window(ts_ms)
        if window is None:
            return None
        self._probability = _Asked(net, window.channels)
        self._least_when_lost = LEAST_WHEN_LEAVING if window.motion.edge_m < 0.0 else LEAST_WHEN_LOST
        fall = self._decision.step(window, self._probability, bent=self._bent)
        if fall is None:
            return None
        return FoundFall(fall.probability, _rounded(asdict(fall)) | {"lost": 0})


def _by_rules(fall: Fall) -> FoundFall:
    numbers = _rounded(asdict(fall))
    del numbers["score"]
    return FoundFall(fall.score, numbers)


def _rounded(numbers: dict[str, float]) -> Numbers:
    return {name: round(number, 2) for name, number in numbers.items()}
