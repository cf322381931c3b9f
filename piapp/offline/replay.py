"""Results through the posture logic again: what `piapp replay`, `evaluate`, `plot` and simulated nodes are made of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from piapp.config.sections import Config
from piapp.errors import MediaError, PiappError
from piapp.fall_model import monitor_of
from piapp.offline.recording import Recorded, iterate_recording
from piapp.types import PoseResult, PostureEvent, State

if TYPE_CHECKING:
    from piapp.offline.detect import Advance, EventLines  # bring OpenCV along, which simulated nodes do without

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One result of a recording and what the posture logic made of it."""

    recorded: Recorded
    state: State
    events: tuple[PostureEvent, ...]

    @property
    def result(self) -> PoseResult:
        """What was recorded, without when."""
        return self.recorded.result


def replay(path: Path, config: Config, advance: Advance | None = None) -> Iterator[Step]:
    """Run the posture logic over a recording, with the configuration's thresholds and zones.

    Args:
        path: The recording.
        config: The posture logic's.
        advance: Told after each result.

    Raises:
        MediaError: The file is not there, or is not a recording.
    """
    monitor = monitor_of(config)
    for recorded in iterate_recording(path):
        yield Step(recorded, *monitor.update(recorded.result))
        if advance:
            advance(0)


def replay_files(
    paths: Sequence[Path], config: Config, lines: EventLines, advance: Callable[[Path], Advance]
) -> list[PiappError]:
    """Write each recording's events; one that cannot be read is reported and the rest go on.

    Args:
        paths: The recordings.
        config: The posture logic's.
        lines: Where events go.
        advance: Gives the function that is called with a recording's progress.

    Returns:
        What went wrong, one error a file.
    """
    errors: list[PiappError] = []
    for path in paths:
        try:
            for step in replay(path, config, advance(path)):
                lines.write_events(path, step.events)
        except MediaError as error:
            log.error("%s", error)  # noqa: TRY400 - the message is for the user, the trace is not
            errors.append(error)
    return errors
