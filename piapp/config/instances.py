"""The cameras of one board: each is a node with a service and a configuration file of its own.

`piapp.service` reads /etc/piapp/piapp.toml. `piapp@NAME.service`, one for each further camera, reads
/etc/piapp/NAME/piapp.toml. Owns where these files are and how units are called.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from piapp.config.load import DEFAULT_FILE

# Without "-", which state files have in their names: further cameras keep their state in folders between them.
NAME = re.compile(r"[a-z][a-z0-9]{0,15}")

# Certificates for the broker.
RESERVED = ("tls",)


@dataclass(frozen=True, slots=True)
class Instance:
    """A node of this board.

    Attributes:
        name: Empty for the first camera.
        file: Its configuration.
    """

    name: str
    file: Path

    @property
    def unit(self) -> str:
        """The systemd unit that runs it."""
        return f"piapp@{self.name}.service" if self.name else "piapp.service"


def instances(folder: Path = DEFAULT_FILE.parent) -> tuple[Instance, ...]:
    """All nodes whose configurations are in a folder, the first camera before the others, which are in order."""
    first = folder / DEFAULT_FILE.name
    files = sorted(folder.glob(f"*/{DEFAULT_FILE.name}"))
    further = [Instance(file.parent.name, file) for file in files if is_name(file.parent.name)]
    return (*([Instance("", first)] if first.is_file() else []), *further)


def instance_of(file: Path | None) -> Instance:
    """The node that a configuration file belongs to; the first camera's for a file that is elsewhere."""
    return next(
        (found for found in board_of(file) if file and found.file == file.absolute()), Instance("", DEFAULT_FILE)
    )


def board_of(file: Path | None) -> tuple[Instance, ...]:
    """All nodes of the board that a configuration file belongs to; none for a file of another name."""
    if file is None or file.name != DEFAULT_FILE.name:
        return ()
    folder = file.absolute().parent
    if is_name(folder.name) and (folder.parent / DEFAULT_FILE.name).is_file():
        folder = folder.parent
    return instances(folder)


def is_name(text: str) -> bool:
    """Whether a further camera may be called so."""
    return bool(NAME.fullmatch(text)) and text not in RESERVED
