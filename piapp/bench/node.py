"""The daemon's own `Node` in a thread, for whoever measures it."""

from __future__ import annotations

import threading

from piapp.errors import PiappError
from piapp.node.app import Node

STOP_S = 5.0


class NodeThread:
    """Runs a node in a thread named "node"."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="node", daemon=True)

    def start(self) -> None:
        """Start the node."""
        self._thread.start()

    def check(self) -> None:
        """Tell what ended it.

        Raises:
            PiappError: It has failed.
        """
        if self._error is not None:
            raise PiappError(f"the pipeline failed: {self._error}") from self._error

    def stop(self) -> None:
        """End the node."""
        self._stop.set()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        try:
            self._node.run(self._stop)
        except BaseException as error:  # noqa: BLE001 - raised again by `check`
            self._error = error
