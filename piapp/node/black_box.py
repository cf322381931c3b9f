"""The black box: the last minutes of landmarks in memory, and a recording on disk around each alarm.

Owns the memory, when a recording begins and ends, and the thread that writes. No picture is kept, and nothing leaves.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from piapp.errors import PiappError
from piapp.mqtt.clock import utc_text
from piapp.mqtt.payload import EventPayload
from piapp.offline.cases import Case, CaseFolder, Kind
from piapp.offline.recording import Recorded
from piapp.posture.snapshot import MonitorSnapshot
from piapp.types import ALARM_EVENTS, PoseResult

# What stays in memory: some 4 MB with one person at 15 results a second.
MEMORY_MS = 180_000
MEMORY_RESULTS = 5_000

# What a recording holds: all results around the alarm's events, one a second before and after. All replay alike: the
# posture logic looks back for less than 8 s, and holds whoever is seen once a second.
BEFORE_MS, AFTER_MS = 40_000, 60_000
FULL_BEFORE_MS, FULL_AFTER_MS = 8_000, 1_000
FULL_LATER_MS = 2_000  # before `fallen` and `recovered`, which need no more
SPARSE_MS = 1_000

# The first part goes to disk so soon after an alarm began, for the power may be cut later.
FIRST_PART_MS = 3_000

# What somebody tells us that we missed: they come to it minutes later, and nobody knows the moment.
MISSED_SPARSE_MS = 100

MAX_JOBS = 8

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Open:
    """A recording that goes on."""

    case: Case
    opened_ms: int
    until_ms: int
    full_ms: list[tuple[int, int]] = field(default_factory=list)  # spans of which every result is kept
    written_ms: int = -1


class BlackBox:
    """Remembers results, and writes a case around each alarm. Main thread, but for its own thread named "cases".

    Args:
        folder: Where cases go.
        node: The node's id.
        settings: Gives what the posture logic works with now.
        learnt: Gives what the posture logic has learnt of the room.
        utc_ms: UTC of a time on the results' line, ms.
    """

    def __init__(
        self,
        folder: CaseFolder,
        node: str,
        settings: Callable[[], dict[str, Any]],
        learnt: Callable[[], MonitorSnapshot],
        utc_ms: Callable[[int], int],
    ) -> None:
        self._folder = folder
        self._node = node
        self._settings = settings
        self._learnt = learnt
        self._utc_ms = utc_ms
        self._memory: deque[PoseResult] = deque(maxlen=MEMORY_RESULTS)  # full: the oldest goes
        self._open: _Open | None = None
        self._jobs: queue.Queue[tuple[Case, list[Recorded]] | None] = queue.Queue(
            MAX_JOBS
        )  # full: left out, and logged
        self._thread = threading.Thread(target=self._run, name="cases", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish what is open and write it; False when that takes longer."""
        if self._open is not None:
            self._write(self._open, self._memory[-1].ts_ms if self._memory else 0)
            self._open = None
        if self._thread.ident is None:
            return True
        try:
            self._jobs.put(None, timeout=timeout_s)
        except queue.Full:
            return False
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def recording(self) -> bool:
        """Whether an alarm is being recorded."""
        return self._open is not None

    def offer(self, result: PoseResult) -> None:
        """Remember a result; write what is due."""
        self._memory.append(_without_pictures(result))
        while self._memory[-1].ts_ms - self._memory[0].ts_ms > MEMORY_MS:
            self._memory.popleft()
        if (open_ := self._open) is None:
            return
        if open_.written_ms < 0 and result.ts_ms >= open_.opened_ms + FIRST_PART_MS:
            self._write(open_, result.ts_ms)
        if result.ts_ms >= open_.until_ms:
            self._write(open_, result.ts_ms)
            self._open = None

    def note(self, payloads: Sequence[EventPayload]) -> None:
        """Begin, extend or end a recording by the alarm events among these."""
        for payload in payloads:
            if payload.event_type in ALARM_EVENTS:
                self._note(payload)

    def missed(self, now_ms: int) -> Case | None:
        """Keep what happened in the last minutes, for somebody fell and no alarm came; None when nothing is known."""
        if not self._memory:
            return None
        results = _spaced(self._memory, MISSED_SPARSE_MS)
        case = self._case(f"missed-{self._utc_ms(now_ms)}", "missed", results[0].ts_ms)
        self._put(case, self._recorded(results, case.start_ms))
        return case

    def _note(self, payload: EventPayload) -> None:
        if self._open is None:
            if payload.event_type == "recovered" or "repeat" in payload.evidence or not self._memory:
                return
            start_ms = max(self._memory[0].ts_ms, payload.ts_ms - BEFORE_MS)
            case = self._case(payload.id, "alarm", start_ms)
            self._open = _Open(case, payload.ts_ms, payload.ts_ms + AFTER_MS)
        open_ = self._open
        open_.case = msgspec.structs.replace(open_.case, events=(*open_.case.events, payload))
        before_ms = FULL_LATER_MS if open_.full_ms else FULL_BEFORE_MS
        open_.full_ms.append((payload.ts_ms - before_ms, payload.ts_ms + FULL_AFTER_MS))
        if payload.event_type == "recovered":
            open_.until_ms = min(open_.until_ms, payload.ts_ms + FULL_AFTER_MS)

    def _case(self, case_id: str, kind: Kind, start_ms: int) -> Case:
        return Case(
            id=case_id,
            kind=kind,
            node=self._node,
            t=utc_text(self._utc_ms(start_ms)),
            events=(),
            start_ms=start_ms,
            learnt=replace(self._learnt(), persons=()),
            settings=self._settings(),
        )

    def _write(self, open_: _Open, until_ms: int) -> None:
        """Hand the results since the last part to the thread."""
        since_ms = max(open_.case.start_ms, open_.written_ms + 1)
        results = [result for result in self._memory if since_ms <= result.ts_ms <= until_ms]
        chosen = _spaced(results, SPARSE_MS, open_.full_ms)
        open_.written_ms = until_ms
        self._put(open_.case, self._recorded(chosen, open_.case.start_ms))

    def _recorded(self, results: Sequence[PoseResult], start_ms: int) -> list[Recorded]:
        return [
            Recorded(replace(result, ts_ms=result.ts_ms - start_ms), utc_ms=self._utc_ms(result.ts_ms))
            for result in results
        ]

    def _put(self, case: Case, results: list[Recorded]) -> None:
        try:
            self._jobs.put_nowait((case, results))
        except queue.Full:
            _log.warning("case %s is left out: the disk is too slow", case.id)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            case, results = job
            try:
                self._folder.append(case, results)
            except (PiappError, OSError) as error:
                _log.warning("case %s cannot be kept: %s", case.id, error)
            else:
                _log.info("case %s kept in %s", case.id, self._folder.path)


def _without_pictures(result: PoseResult) -> PoseResult:
    """A result without its picture and the outlines of bodies, which take a thousand times the space."""
    masked = any(pose.mask is not None for pose in result.poses)
    poses = tuple(replace(pose, mask=None) for pose in result.poses) if masked else result.poses
    return replace(result, image=None, poses=poses) if masked or result.image is not None else result


def _spaced(results: Iterable[PoseResult], period_ms: int, full_ms: Sequence[tuple[int, int]] = ()) -> list[PoseResult]:
    """Results of which each is so much later than the one before, and all of certain spans."""
    chosen: list[PoseResult] = []
    for result in results:
        wanted = any(first_ms <= result.ts_ms <= last_ms for first_ms, last_ms in full_ms)
        if wanted or not chosen or result.ts_ms - chosen[-1].ts_ms >= period_ms:
            chosen.append(result)
    return chosen
