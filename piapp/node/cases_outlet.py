"""The black box as a part of the node: what it is offered, and the requests about what it has kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from piapp.config.sections import Config
from piapp.errors import ConfigError
from piapp.mqtt.clock import WallClock
from piapp.mqtt.commands import Feedback
from piapp.mqtt.payload import EventPayload
from piapp.node.black_box import BlackBox
from piapp.node.control import Control
from piapp.node.outlets import Observation, Outlet
from piapp.offline.cases import CaseError, CaseFolder, case_folder
from piapp.posture.monitor import Monitor

STOP_CASES_S = 0.3

_MB = 1_000_000

_log = logging.getLogger(__name__)


class CasesOutlet(Outlet):
    """Keeps a recording around each alarm.

    Args:
        folder: Where.
        node: The node's id.
        monitor: The posture logic.
        config: Gives the configuration that is in force.
    """

    name = "cases"

    def __init__(self, folder: CaseFolder, node: str, monitor: Monitor, config: Callable[[], Config]) -> None:
        self._folder = folder
        self._config = config
        self._clock = WallClock()
        self._line_ns = 0  # `CLOCK_MONOTONIC` at 0 of the results' time line
        self._box = BlackBox(folder, node, self._settings, monitor.snapshot, self._utc_ms)

    def start(self) -> None:
        """Start the thread that writes."""
        self._box.start()

    def offer(self, observation: Observation) -> None:
        """Remember a result."""
        result = observation.result
        self._line_ns = result.captured_ns - result.ts_ms * 1_000_000
        self._box.offer(result)

    def event(self, payload: EventPayload) -> None:
        """Begin, extend or end a recording; a test is no alarm."""
        if payload.test is not True:
            self._box.note([payload])

    def stop(self) -> bool:
        """Write what is open."""
        return self._box.stop(STOP_CASES_S)

    def feedback(self, parameters: Feedback) -> dict[str, Any]:
        """Carry out `request/feedback`: note what somebody says of an alarm.

        Raises:
            ConfigError: There is no such alarm.
        """
        try:
            case = self._folder.judge(parameters.event, parameters.verdict)
        except CaseError as error:
            raise ConfigError(str(error)) from error
        _log.info("case %s: %s", case.id, case.verdict)
        return {"event": case.id, "verdict": case.verdict}

    def missed(self, _: object) -> dict[str, Any]:
        """Carry out `request/missed`: keep the last minutes, for somebody fell and no alarm came.

        Raises:
            ConfigError: Nothing was seen yet.
        """
        case = self._box.missed((time.monotonic_ns() - self._line_ns) // 1_000_000)
        if case is None:
            raise ConfigError("nothing was seen since the start, so nothing can be kept")
        return {"event": case.id}

    def _settings(self) -> dict[str, Any]:
        config = self._config()
        return {
            "posture": msgspec.to_builtins(config.posture),
            "zones": msgspec.to_builtins(config.zones),
            "tilt_deg": config.camera.tilt_deg,
        }

    def _utc_ms(self, ts_ms: int) -> int:
        return self._clock.utc_ms(self._line_ns + ts_ms * 1_000_000)


def cases_outlet(
    folder: Path | None, node: str, monitor: Monitor, control: Control, config: Callable[[], Config]
) -> CasesOutlet | None:
    """What keeps alarms, or None where none are kept; its requests are carried out or refused."""
    cases = config().cases
    found = case_folder(folder, node, max_cases=cases.max_cases, max_bytes=cases.max_mb * _MB)
    if found is None or not cases.enabled:
        control.add("feedback", _refuse)
        control.add("missed", _refuse)
        return None
    outlet = CasesOutlet(found, node, monitor, config)
    control.add("feedback", outlet.feedback)
    control.add("missed", outlet.missed)
    return outlet


def _refuse(_: object) -> dict[str, Any]:
    """Answer the requests of a node that keeps no cases.

    Raises:
        ConfigError: Always.
    """
    raise ConfigError(
        "this node keeps no alarms: cases.enabled is false, or it has no folder for its state (spool.dir)"
    )
