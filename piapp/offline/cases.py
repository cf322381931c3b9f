"""Kept alarms: a folder with a recording of landmarks and a description for each, and what the owner says of it.

Owns the folder's form, its bounds, and reading and changing descriptions. What goes into a recording is
`piapp.node.black_box`'s; what is made of it, `piapp.offline.case_replay`'s.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from piapp.errors import MediaError, PiappError
from piapp.mqtt.payload import EventPayload
from piapp.offline.recording import Recorded, RecordingWriter
from piapp.posture.snapshot import MonitorSnapshot
from piapp.whole_file import write_whole

Verdict = Literal["right", "no fall"]
Kind = Literal["alarm", "missed"]

_log = logging.getLogger(__name__)


class CaseError(PiappError, LookupError):
    """There is no such case."""

    exit_code = 1


class Case(Struct, frozen=True, kw_only=True):
    """The description of a case.

    Attributes:
        id: Of the event that opened the alarm; for what was missed, of the request's time.
        kind: "alarm", or "missed" where somebody fell and no alarm came.
        t: When its recording begins, UTC as in payloads.
        events: Of the alarm, oldest first.
        start_ms: Time of the recording's beginning on the line of the events' `ts_ms`; its own times begin at 0.
        learnt: The tilt and the usual places to lie, as learnt by then; nobody is in it.
        settings: `[posture]`, `[[zones]]` and `camera.tilt_deg` as they were.
        verdict: What the owner says; None until then.
        version: Of this form.
    """

    id: str
    kind: Kind
    node: str
    t: str
    events: tuple[EventPayload, ...]
    start_ms: int
    learnt: MonitorSnapshot
    settings: dict[str, Any]
    verdict: Verdict | None = None
    version: Literal[1] = 1

    @property
    def happened(self) -> str:
        """When the alarm came, UTC as in payloads; for what was missed, when its recording begins."""
        return next((event.t for event in self.events if event.id == self.id), self.t)

    def named_by(self, name: str) -> bool:
        """Whether this is the case's id, or that of one of its events."""
        return name == self.id or any(name == event.id for event in self.events)


@dataclass(frozen=True, slots=True)
class CaseFolder:
    """The cases of one node.

    Attributes:
        path: Where they are; made when the first is written.
        max_cases: How many are kept at most; the oldest go first.
        max_bytes: How much they may take together.
    """

    path: Path
    max_cases: int = 1000
    max_bytes: int = 1_000_000_000

    def all(self) -> list[Case]:
        """All that can be read, oldest first."""
        found = (self._read(file) for file in self._descriptions())
        return [case for case in found if case is not None]

    def get(self, case_id: str | None) -> Case:
        """The case of an id, which may be that of any of its events; without one the newest alarm.

        Raises:
            CaseError: There is none.
        """
        cases = [case for case in self.all() if (case.kind == "alarm" if case_id is None else case.named_by(case_id))]
        if not cases:
            which = "no alarm" if case_id is None else f"no case {case_id!r}"
            raise CaseError(f"{which} is kept in {self.path}; `piapp cases list` names those that are")
        return cases[-1]

    def recording(self, case: Case) -> Path:
        """The recording of a case."""
        return self.path / f"{case.id}.npz"

    def append(self, case: Case, results: Sequence[Recorded]) -> None:
        """Write or extend a case's recording, replace its description, and keep the bounds.

        Raises:
            RecordingError: The recording cannot be written.
            OSError: The description cannot be.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with RecordingWriter(self.recording(case), append=True, compression=zipfile.ZIP_LZMA) as writer:
            for recorded in results:
                writer.add(recorded)
        self.describe(self._with_verdict(case))
        self._keep_bounds()

    def _with_verdict(self, case: Case) -> Case:
        """The case with what somebody has said of it while its recording went on."""
        file = self.path / f"{case.id}.json"
        known = self._read(file) if file.exists() else None
        return case if known is None else msgspec.structs.replace(case, verdict=case.verdict or known.verdict)

    def describe(self, case: Case) -> None:
        """Replace a description.

        Raises:
            OSError: It cannot be written.
        """
        write_whole(self.path / f"{case.id}.json", msgspec.json.encode(case), mode=0o600)

    def judge(self, case_id: str | None, verdict: Verdict) -> Case:
        """Note what the owner says of a case; without an id of the newest alarm.

        Raises:
            CaseError: There is none, or it cannot be written.
        """
        case = msgspec.structs.replace(self.get(case_id), verdict=verdict)
        try:
            self.describe(case)
        except OSError as error:
            raise CaseError(f"{self.path}: cannot be written: {error.strerror}") from error
        return case

    def delete(self, case: Case) -> None:
        """Delete a case."""
        for suffix in (".npz", ".json"):
            (self.path / f"{case.id}{suffix}").unlink(missing_ok=True)

    def _descriptions(self) -> list[Path]:
        try:
            return sorted(self.path.glob("*.json"), key=lambda file: (file.stat().st_mtime_ns, file.name))
        except OSError:
            return []

    def _read(self, file: Path) -> Case | None:
        try:
            return msgspec.json.decode(file.read_bytes(), type=Case)
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("%s: is left out: %s", file, error)
            return None

    def _keep_bounds(self) -> None:
        cases = self.all()
        sizes = [self._size(case) for case in cases]
        while cases[1:] and (len(cases) > self.max_cases or sum(sizes) > self.max_bytes):
            self.delete(cases.pop(0))
            sizes.pop(0)

    def _size(self, case: Case) -> int:
        file = self.recording(case)
        return file.stat().st_size if file.exists() else 0


def case_folder(folder: Path | None, node: str, **bounds: int) -> CaseFolder | None:
    """Where a node keeps its cases; None where it keeps nothing."""
    return None if folder is None else CaseFolder(folder / f"cases-{node}", **bounds)


def require_folder(folder: CaseFolder | None) -> CaseFolder:
    """The folder, for a command that needs one.

    Raises:
        MediaError: This machine keeps nothing.
    """
    if folder is None:
        raise MediaError("there is no folder for state here: name the node's with --set spool.dir=/var/lib/piapp")
    return folder
