"""What `piapp run` does, without the library that reads the other commands' options and writes help.

A node runs for months on boards with little memory; that library and its company would take a tenth of the node's, and
be of no use after the first moment.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from piapp.cli.loading import load
from piapp.cli.process import LogLevel, leave, start_logging, stop_on_signals
from piapp.config.instances import board_of
from piapp.config.load import LoadedConfig, changed
from piapp.node.state_folder import restore_file, state_folder
from piapp.service.identity import default_node_id

if TYPE_CHECKING:
    from piapp.node.outlets import LastHealth  # brings the whole node along
    from piapp.node.page import PageTools
    from piapp.service.log_memory import LogMemory

# The options of `piapp run`, all of which have a value; "--set" may come more than once.
OPTIONS = ("--config", "--set", "--source", "--broker", "--node", "--duration", "--log-level")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What was asked of `piapp run`.

    Attributes:
        config: The configuration file; None for the usual one.
        sets: "KEY=VALUE" each.
        duration_s: Stop after so long; None runs until a signal.
    """

    config: Path | None = None
    sets: tuple[str, ...] = ()
    source: str | None = None
    broker: str | None = None
    node: str | None = None
    duration_s: float | None = None
    log_level: LogLevel = LogLevel.INFO


def read_options(arguments: Sequence[str]) -> RunOptions | None:
    """The options when they are plainly right; None for help and whatever needs a message."""
    pairs = _pairs(arguments)
    values = dict(pairs or ())
    known = pairs is not None and all(name in OPTIONS for name, _ in pairs)
    duration_s = _seconds(values.get("--duration"))
    if not known or duration_s == _WRONG or values.get("--log-level", "info") not in list(LogLevel):
        return None
    return RunOptions(
        config=Path(values["--config"]) if "--config" in values else None,
        sets=tuple(value for name, value in pairs or () if name == "--set"),
        source=values.get("--source"),
        broker=values.get("--broker"),
        node=values.get("--node"),
        duration_s=duration_s,
        log_level=LogLevel(values.get("--log-level", "info")),
    )


_WRONG = -1.0


def _pairs(arguments: Sequence[str]) -> list[tuple[str, str]] | None:
    """(option, value) from "--option value" and "--option=value"; None when a value is missing or unclear."""
    pairs = []
    left = list(reversed(arguments))
    while left:
        name, equals, value = left.pop().partition("=")
        if not equals:
            if not left or left[-1].startswith("-"):
                return None
            value = left.pop()
        pairs.append((name, value))
    return pairs


def _seconds(text: str | None) -> float | None:
    """A time that is not negative, or `_WRONG`."""
    try:
        seconds = None if text is None else float(text)
    except ValueError:
        return _WRONG
    return seconds if seconds is None or seconds >= 0.0 else _WRONG


def run_node(options: RunOptions) -> None:
    """Run the node until its time is over or a signal comes."""
    shortcuts = {"camera.source": options.source, "mqtt.url": options.broker, "node.id": options.node}
    loaded = _with_shared_cores(load(options.config, options.sets, shortcuts))
    stop = stop_on_signals()
    start_logging(options.log_level, node=loaded.config.node.id or default_node_id())
    log = _remember_log() if loaded.config.preview.enabled else None
    _restore(loaded)
    # Imported here, so that errors in the configuration come at once.
    from piapp.node.app import Node, kept_config, make_parts  # noqa: PLC0415
    from piapp.node.outlets import LastHealth  # noqa: PLC0415
    from piapp.node.setup_outlet import is_invited  # noqa: PLC0415

    config = kept_config(loaded.config)
    parts = make_parts(config)
    if log is None and (config.preview.enabled or is_invited(config)):
        log = _remember_log()
    health = LastHealth()
    tools = partial(_page_tools, loaded, log, health)
    running = Node(loaded.config, parts, loaded.file, observers=(health,), tools=tools)
    try:
        running.run(stop, options.duration_s)
    except BaseException as error:
        if running.hung:
            leave(error)
        raise
    if running.hung:
        leave(None)


def _with_shared_cores(loaded: LoadedConfig) -> LoadedConfig:
    """The configuration with fewer landmarkers where several nodes of this board share its cores."""
    nodes = len(board_of(loaded.file))
    if nodes < 2 or loaded.config.landmarker.workers:  # noqa: PLR2004 - several
        return loaded
    from piapp.landmarker.live import worker_count  # noqa: PLC0415 - only where it is needed

    workers = worker_count(loaded.config.landmarker, nodes=nodes)
    config = changed(loaded.config, {"landmarker.workers": workers}, f"{nodes} cameras share the cores")
    return replace(loaded, config=config)


def _restore(loaded: LoadedConfig) -> None:
    """Restore a backup that was confirmed on the page; a start without one reads no more than a file's name."""
    node, state = loaded.config.node.id or default_node_id(), state_folder(loaded.config.spool)
    if state is not None and restore_file(state, node).exists():
        from piapp.operate.waiting_restore import carry_out  # noqa: PLC0415 - brings the whole node along

        carry_out(loaded.config, node, state)


def _remember_log() -> LogMemory:
    """Remember the log from now on, for the page."""
    from piapp.service.log_memory import LogMemory  # noqa: PLC0415

    memory = LogMemory.of_this_process()
    logging.getLogger().addHandler(memory)
    return memory


def _page_tools(loaded: LoadedConfig, log: LogMemory | None, health: LastHealth) -> PageTools:
    """What the page can do for this node's upkeep; with the first visitor, for it takes 1 % of a node's memory."""
    from piapp.operate.upkeep import Upkeep  # noqa: PLC0415

    return Upkeep(loaded, log or _remember_log(), lambda: health.report).tools
