"""What a camera's page knows of the board's other cameras, asked of a real page."""

from __future__ import annotations

import pytest

from piapp.config.load import load_config
from piapp.operate.board import Board
from tests.mosquitto import free_port
from tests.preview.conftest import TOKEN, serve  # noqa: F401 - a fixture

NOW = {"node": "bed", "name": "Bed", "people": 2, "paused": False, "alarms": []}


@pytest.fixture
def board(tmp_path):
    """Write the configurations of two cameras; the board as the first sees it."""

    def write(port, **second):
        (tmp_path / "etc" / "bedroom").mkdir(parents=True)
        first = tmp_path / "etc" / "piapp.toml"
        first.write_text('[node]\nname = "Hall"\n[preview]\nenabled = true\nport = 8088\n')
        keys = {"enabled": "true", "port": port} | second
        lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
        (first.parent / "bedroom" / "piapp.toml").write_text(f"[preview]\n{lines}")
        return Board(load_config(first, environ={}))

    return write


def answering(page):
    """Let a page answer as a node's does."""
    page.owner.documents["now"] = lambda _query: NOW
    return page


def test_a_board_with_one_camera_has_no_list(tmp_path):
    """So that its pages show none."""
    (tmp_path / "piapp.toml").write_text("")
    assert Board(load_config(tmp_path / "piapp.toml", environ={})).document({}) == {"cameras": []}


def test_the_other_camera_is_asked(board, serve):  # noqa: F811
    """Name, port and what goes on there."""
    page = answering(serve())
    first, second = board(page.port).document({})["cameras"]
    assert first == {"name": "Hall", "here": True, "port": 8088, "now": None}
    assert second == {"name": "bedroom", "here": False, "port": page.port, "now": NOW}


def test_it_signs_in_with_the_boards_token(board, serve, tmp_path):  # noqa: F811
    """A page that asks for a token gets it; with another one it answers nothing."""
    page = answering(serve(token=TOKEN))
    found = board(page.port, token_file=f'"{tmp_path / "token"}"').document({})["cameras"][1]
    assert found["now"] == NOW
    (tmp_path / "token").write_text("another-token-that-is-long\n")
    assert Board(load_config(tmp_path / "etc" / "piapp.toml", environ={})).document({})["cameras"][1]["now"] is None


@pytest.mark.parametrize(
    ("keys", "port"),
    [({}, True), ({"enabled": "false"}, False), ({"colour": '"red"'}, False), ({"bind": '"0.0.0.0"'}, False)],
)
def test_a_camera_that_does_not_answer_is_named_all_the_same(board, keys, port):
    """Off, without a page, or with a configuration that is wrong."""
    closed = free_port()
    found = board(closed, **keys).document({})["cameras"][1]
    assert found == {"name": "bedroom", "here": False, "port": closed if port else None, "now": None}
