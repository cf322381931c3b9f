"""The other cameras of this board, for the page of one of them: where their pages are, and what goes on there.

Owns asking the other nodes, over their own pages. They are asked while a page that shows it is open, and not else.
"""

from __future__ import annotations

import http.client
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import msgspec

from piapp.config.addresses import read_token
from piapp.config.instances import Instance, board_of, instance_of
from piapp.config.load import CREDENTIALS_FOLDER, LoadedConfig, load_config
from piapp.config.sections import Config, PreviewConfig
from piapp.errors import ConfigError

ANSWER_WAIT_S = 1.0

# An answer has some hundred bytes.
MAX_ANSWER = 64 * 1024


class Board:
    """All cameras of this board.

    Args:
        loaded: The configuration of the node that asks.
    """

    def __init__(self, loaded: LoadedConfig) -> None:
        self._loaded = loaded

    def document(self, _query: Mapping[str, str]) -> dict[str, Any]:
        """Every camera with its page's port and what goes on there; waits for nodes that do not answer."""
        cameras = board_of(self._loaded.file)
        if len(cameras) < 2:  # noqa: PLR2004 - others
            return {"cameras": []}
        here = instance_of(self._loaded.file)
        with ThreadPoolExecutor(max_workers=8, thread_name_prefix="board") as asking:
            return {"cameras": list(asking.map(lambda camera: self._camera(camera, here=camera == here), cameras))}

    def _camera(self, camera: Instance, *, here: bool) -> dict[str, Any]:
        config = self._loaded.config if here else _config_of(camera)
        page = config.preview if config is not None else None
        name = (config.node.name if config is not None else "") or camera.name or "piapp"
        served = page is not None and page.enabled and page.port
        described = {"name": name, "here": here, "port": page.port if page is not None and served else None}
        if here or page is None or not served:
            return described | {"now": None}
        return described | {"now": _asked(page)}


def _config_of(camera: Instance) -> Config | None:
    """Its configuration; None when it is wrong, which its own node says. The page's token is the board's."""
    ours = {name: os.environ[name] for name in (CREDENTIALS_FOLDER,) if name in os.environ}
    try:
        return load_config(camera.file, environ=ours).config
    except ConfigError:
        return None


def _asked(page: PreviewConfig) -> dict[str, Any] | None:
    """What a node answers; None when it does not."""
    host = ip_address(page.bind)
    if host.is_unspecified:
        host = ip_address("127.0.0.1" if host.version == 4 else "::1")  # noqa: PLR2004 - IPv4
    connection = http.client.HTTPConnection(str(host), page.port, timeout=ANSWER_WAIT_S)
    try:
        connection.request("GET", "/api/now", headers=_credentials(page))
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            return None
        found: dict[str, Any] = msgspec.json.decode(answer.read(MAX_ANSWER), type=dict[str, Any])
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return found


def _credentials(page: PreviewConfig) -> dict[str, str]:
    """The token of a page; none where it cannot be read, and the page answers as it does to strangers."""
    with suppress(ValueError):
        if page.token_file:
            return {"Authorization": f"Bearer {read_token(page.token_file)}"}
    return {}
