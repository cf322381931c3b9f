"""What each request does. Main thread only; the form of requests is `piapp.mqtt.commands`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from piapp.config.live import LiveSettings
from piapp.config.load import public_tree
from piapp.errors import ConfigError
from piapp.mqtt.commands import Commands, Parameters, Request, Set
from piapp.node.pauses import PausedBy

if TYPE_CHECKING:
    from piapp.node.picture_feed import Answer  # brings OpenCV along

log = logging.getLogger(__name__)


class Control:
    """Carries out the requests that wait, one after another.

    Args:
        commands: Where they come from and are answered.
        settings: What may change.
        on_change: Called after something has changed.
        ask_picture: Has the next frame's picture published, and then answers; None when no picture may leave.

    Attributes:
        watching: Set while frames are processed, cleared while paused.
        paused_by: What paused it; None while it is not.
        actions: What carries out each command.
        restart_wanted: The process should end, so that whoever supervises it starts it anew.
    """

    def __init__(
        self,
        commands: Commands,
        settings: LiveSettings,
        on_change: Callable[[], None],
        ask_picture: Callable[[Answer], None] | None = None,
    ) -> None:
        self._commands = commands
        self._ask_picture = ask_picture
        self._settings = settings
        self._on_change = on_change
        self._started_s = time.monotonic()
        self.actions: dict[str, Callable[[Any], Any]] = {
            "ping": self._ping,
            "get_config": self._get_config,
            "restart": self._restart,
        }
        self.watching = threading.Event()
        self.watching.set()
        self.paused_by: PausedBy | None = None
        self.restart_wanted = False

    def add(self, command: str, action: Callable[[Any], Any]) -> None:
        """Carry out a command by a part of the node that is made later.

        Args:
            command: Its name in `piapp.mqtt.commands.COMMANDS`.
            action: Takes its parameters and returns the answer's data; ConfigError is answered as an error.
        """
        self.actions[command] = action

    def carry_out(self, command: str, parameters: Parameters, sender: str) -> Any:
        """Carry out one command at once, and return the answer's data.

        Args:
            command: Any but `snapshot`, which is answered later.
            parameters: Of that command.
            sender: Who asks for it, such as "mqtt".

        Raises:
            ConfigError: It cannot be done; nothing was changed.
        """
        if isinstance(parameters, Set):
            return self._set(parameters, sender)
        return self.actions[command](parameters)

    def tick(self) -> None:
        """Carry out the oldest request, if there is one."""
        request = self._commands.take()
        if request is not None:
            self._carry_out(request)

    def state(self) -> dict[str, Any]:
        """What requests may change, as it is now: fields of the `settings` topic."""
        paused = not self.watching.is_set()
        return {"paused": paused, "paused_by": self.paused_by, "values": self._settings.values()}

    def set_paused(self, by: PausedBy | None) -> None:
        """Process frames, or none because of this."""
        self.paused_by = by
        (self.watching.set if by is None else self.watching.clear)()
        self._on_change()

    def _carry_out(self, request: Request) -> None:
        try:
            if request.command == "snapshot":
                self._snapshot(request)
                return
            data = self.carry_out(request.command, request.parameters, "mqtt")
        except ConfigError as error:
            self._commands.answer(request, error=str(error))
        else:
            log.debug("request %s: done", request.command)
            self._commands.answer(request, data=data)

    def _ping(self, _: object) -> dict[str, Any]:
        uptime_s = round(time.monotonic() - self._started_s, 1)
        return {"uptime_s": uptime_s, "paused": not self.watching.is_set()}

    def _snapshot(self, request: Request) -> None:
        """Ask for a picture; the answer follows it, when a frame has come."""
        if self._ask_picture is None:
            raise ConfigError("publish.image is off: this node sends no pictures")
        if not self.watching.is_set():
            raise ConfigError("paused: no frames are processed; ask for `resume` first")

        def answer(data: dict[str, Any] | None, error: str | None) -> None:
            self._commands.answer(request, data=data, error=error)

        self._ask_picture(answer)

    def _get_config(self, _: object) -> dict[str, Any]:
        return public_tree(self._settings.config)

    def _set(self, parameters: Set, sender: str) -> dict[str, Any]:
        self._settings.change(parameters.values, persist=parameters.persist, by=sender)
        log.info("set by %s: %s%s", sender, parameters.values, ", kept" if parameters.persist else "")
        self._on_change()
        return {key: value for key, value in self._settings.values().items() if key in parameters.values}

    def _restart(self, _: object) -> dict[str, Any]:
        log.warning("ending on request, to be started again")
        self.restart_wanted = True
        return {"restarting": True}
