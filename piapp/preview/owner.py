"""What the pages may ask of the node and have it do. Whoever runs the pages provides one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Document = Callable[[Mapping[str, str]], Any]
"""Makes what `GET /api/NAME` answers, of the query's values. Called on a thread of its own.

Raises LookupError (404) or a PiappError (422); the message is shown to people.
"""

Action = Callable[[bytes, str], Any]
"""Does what `POST /api/NAME` asks for, and returns the answer: takes the body, and who asks. Called on the main thread.

Raises ValueError for a body of another form, and a PiappError where it cannot be done (422).
"""

Job = Callable[[bytes, str], Any]
"""Like an action, but it may take long, and changes nothing of the running node: called on a thread of its own."""


@dataclass(frozen=True, slots=True)
class Download:
    """An answer that the browser keeps as a file.

    Attributes:
        name: The file's, of letters, digits, "-" and ".".
        media_type: What it is.
        content: All of it.
    """

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that the page may send by `PUT /api/NAME`.

    Attributes:
        media_type: What it must call itself.
        max_bytes: How long it may be.
        folder: Where it is kept while it is read; None where nothing can be kept.
        take: Takes the file, and who sent it; a file that is still there afterwards is deleted. Called on a thread of
            its own. Raises a PiappError for a file that is not what it should be (422).
    """

    media_type: str
    max_bytes: int
    folder: Path | None
    take: Callable[[Path, str], Any]


class Owner(Protocol):
    """The node, as its owner sees it in a browser."""

    def status(self) -> Mapping[str, Any]:
        """What the node says of itself each second; called on the page's thread."""
        ...

    def change_zones(self, zones: Any, by: str) -> bool:
        """Put zones in force and say whether they are kept; main thread. Raises ConfigError."""
        ...

    @property
    def documents(self) -> Mapping[str, Document]:
        """What can be read, by name."""
        ...

    @property
    def jobs(self) -> Mapping[str, Job]:
        """What can be made, by name."""
        ...

    @property
    def uploads(self) -> Mapping[str, Upload]:
        """What can be sent, by name."""
        ...

    @property
    def actions(self) -> Mapping[str, Action]:
        """What can be done, by name."""
        ...
