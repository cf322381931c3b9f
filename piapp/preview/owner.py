"""What the pages may ask of the node and have it do. Whoever runs the pages provides one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
"""Like an action, but it changes nothing and may take long: called on a thread of its own."""


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
    def actions(self) -> Mapping[str, Action]:
        """What can be done, by name."""
        ...
