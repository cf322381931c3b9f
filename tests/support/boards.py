"""A board's folders for configuration and state, filled as a node and its owner fill them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from piapp.config.load import LoadedConfig, default_config, load_config
from piapp.node.alarm_file import keep_learnt
from piapp.offline.cases import Case, CaseFolder, case_folder
from piapp.offline.recording import Recorded
from piapp.posture.snapshot import MonitorSnapshot
from piapp.types import PoseResult

NODE = "hall"
LEARNT = MonitorSnapshot(tilt_samples_deg=(12.5, 13.0))


@dataclass(frozen=True)
class Board:
    """Folders of one board.

    Attributes:
        root: Where both are.
    """

    root: Path

    @property
    def config_file(self) -> Path:
        """The configuration."""
        return self.root / "etc" / "piapp.toml"

    @property
    def state(self) -> Path:
        """The folder for state."""
        return self.root / "state"

    @property
    def overrides(self) -> list[tuple[str, str]]:
        """What makes piapp use this state folder."""
        return [("spool.dir", str(self.state))]

    @property
    def cases(self) -> CaseFolder:
        """The node's cases."""
        folder = case_folder(self.state, NODE)
        assert folder is not None
        return folder

    def fill(self, extra: str = "") -> LoadedConfig:
        """Write configuration, certificate, secrets, settings, what was learnt, and one case."""
        etc = self.config_file.parent
        (etc / "tls").mkdir(parents=True)
        self.state.mkdir()
        (etc / "tls" / "ca.crt").write_text("authority")
        (etc / "mqtt_password").write_text("open sesame\n")
        (etc / "mqtt_password").chmod(0o600)
        self.config_file.write_text(
            f'# The hall.\n[node]\nid = "{NODE}"\n[mqtt]\nurl = "mqtts://broker.lan"\nusername = "hall"\n'
            f'password_file = "{etc}/mqtt_password"\n[mqtt.tls]\nca = "{etc}/tls/ca.crt"\n'
            f'[[zones]]\nname = "Bed"\npolygon = [[0, 0], [1, 0], [1, 1]]\nignore = ["fall"]\n{extra}'
        )
        (self.state / f"settings-{NODE}.json").write_bytes(
            msgspec.json.encode({"values": {"posture.fallen_after_s": 7}})
        )
        keep_learnt(self.state, NODE, LEARNT, owner=(os.geteuid(), os.getegid()))
        settings = {"posture": msgspec.to_builtins(default_config().posture)}
        head = {"id": "9f2c61aa-000001", "kind": "alarm", "node": NODE, "t": "2026-11-22T06:01:02.345Z", "events": ()}
        case = Case(**head | {"start_ms": 0, "learnt": LEARNT, "settings": settings, "verdict": "right"})
        self.cases.append(case, [Recorded(PoseResult(0, 0, (640, 480), ()))])
        return self.load()

    def load(self) -> LoadedConfig:
        """The configuration, as a command would load it."""
        return load_config(self.config_file, overrides=self.overrides, environ={})
