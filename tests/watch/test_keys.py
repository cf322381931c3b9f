"""Keys and what they choose."""

from __future__ import annotations

import os
import pickle

import pytest

from piapp.watch.keys import Choice, Key, KeyReader


def test_keys_in_any_pieces():
    """Sequences of both modes of xterm, letters, and a lone escape; split wherever a slow line splits them."""
    data = b"\x1b[A\x1bOBkj\r\n\x1b[5~\x1b[6~\x1b[H\x1b[F\x1b\x1b[Aq"
    expected = [Key.UP, Key.DOWN, Key.UP, Key.DOWN, Key.ENTER, Key.ENTER, Key.PAGE_UP, Key.PAGE_DOWN]
    expected += [Key.FIRST, Key.LAST, Key.ESCAPE, Key.UP, Key.QUIT]
    assert KeyReader().feed(data) == expected
    reader = KeyReader()
    assert [key for byte in data for key in reader.feed(bytes([byte]))] == expected


def test_escape_alone_is_known_by_the_pause():
    """Until then it may begin an arrow."""
    reader = KeyReader()
    assert reader.feed(b"\x1b") == []
    assert reader.pause() == [Key.ESCAPE]
    assert reader.pause() == []
    assert reader.feed(b"\x1b[") == []
    assert reader.pause() == []
    assert reader.feed(b"A") == []


def test_what_is_no_key_does_nothing():
    """Mouse, paste, umlauts and noise."""
    assert KeyReader().feed("\x1b[<0;1;1Mü\x1b[200~x\x1b[201~".encode()) == []
    reader = KeyReader()
    for _ in range(100):
        reader.feed(os.urandom(100))
    assert len(pickle.dumps(reader)) < len(pickle.dumps(KeyReader())) + 40, "noise is not kept"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (Key.UP, "b"), (Key.DOWN, "d"), (Key.PAGE_UP, "a"), (Key.PAGE_DOWN, "e"), (Key.FIRST, "a"), (Key.LAST, "e"),
        (Key.ENTER, "c"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_open", [False, True])
def test_moving(key, name, is_open):
    """To the ends and no further; enter opens, and moving keeps open."""
    assert Choice("c", is_open).press(key, "abcde", page=4) == Choice(name, is_open or key is Key.ENTER)


def test_escape_and_lost_places():
    """Escape closes; a cursor whose node has gone is at the first; without nodes nothing can be opened."""
    assert Choice("c", is_open=True).press(Key.ESCAPE, [], page=4) == Choice("c")
    assert Choice("gone").press(Key.ENTER, ["a", "b"], page=4) == Choice("a", is_open=True)
    assert Choice("").press(Key.ENTER, [], page=4) == Choice("")
