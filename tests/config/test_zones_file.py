"""Zones written into a configuration file that people keep by hand."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piapp.config.load import defaults_text, load_config
from piapp.config.sections import ZoneConfig
from piapp.config.zones_file import may_write, write_zones, zones_replaced
from piapp.errors import ConfigError


def zone(name: str, *ignore: str, x: float = 0.0) -> ZoneConfig:
    """A triangle."""
    return ZoneConfig(name=name, polygon=((x, 0.0), (1.0, 0.25), (1.0, 1.0)), ignore=ignore)


BED, SOFA, DOOR = zone("bed", "fall"), zone("sofa"), zone("door", x=0.5)

TRIANGLE = "polygon = [[0, 0], [1, 0], [1, 1]]\nignore = []"

KEPT_BY_HAND = """\
# The hall's sensor.

# The bed by the window
[[zones]]
name = "bed"  # where she sleeps
polygon = [
  [0.0, 0.0],  # the head
  [1, 0.25],
  [1.0, 1.0],
]
ignore = ["fall"]

# In front of the television
[[zones]]
# Big enough for three.
name = "sofa"
polygon = [[0.0, 0.0], [1.0, 0.25], [1.0, 1.0]]
ignore = []
# Where to send it
[mqtt]
url = "mqtt://broker"  # upstairs

[node]
name = '''
[[zones]]
name = "no zone but a name"'''
"""


def test_one_more_leaves_every_letter_as_it_is():
    """New zones come last."""
    text = zones_replaced(KEPT_BY_HAND, [BED, SOFA, DOOR])
    assert text.startswith(KEPT_BY_HAND)
    assert text[len(KEPT_BY_HAND) :] == (
        '\n[[zones]]\nname = "door"\npolygon = [[0.5, 0.0], [1.0, 0.25], [1.0, 1.0]]\nignore = []\n'
    )


def test_one_less_leaves_the_others_as_they_are():
    """Its keys go, and the comments between them; comments above tables stay."""
    assert zones_replaced(KEPT_BY_HAND, [BED]) == KEPT_BY_HAND.replace(
        '[[zones]]\n# Big enough for three.\nname = "sofa"\n'
        "polygon = [[0.0, 0.0], [1.0, 0.25], [1.0, 1.0]]\nignore = []\n",
        "",
    )
    text = zones_replaced(KEPT_BY_HAND, [SOFA])
    assert "# The bed by the window\n" in text
    assert "# Big enough for three.\n" in text
    assert '"bed"' not in text


def test_another_order_is_written_anew():
    """Zones are told in the order of the file."""
    text = zones_replaced(KEPT_BY_HAND, [SOFA, BED])
    assert [row["name"] for row in tomllib.loads(text)["zones"]] == ["sofa", "bed"]
    assert "# Where to send it\n[mqtt]\n" in text


def test_again_and_again_does_not_grow():
    """What is added and taken away leaves no empty lines behind."""
    text = first = zones_replaced(KEPT_BY_HAND, [BED, SOFA, DOOR])
    for _ in range(3):
        text = zones_replaced(zones_replaced(text, [BED, SOFA]), [BED, SOFA, DOOR])
    assert text == first


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "zones = []\n",
        "zones = [] # none\n[mqtt]\nurl = 'mqtt://b'",
        'zones = [\n  { name = "a", polygon = [[0, 0], [1, 0], [1, 1]], ignore = [] },\n]\n\n[node]\nid = "x"\n',
        '"zones" = []\n',
        f'[node]\nid = "x"\n[[ zones ]]\nname = "a"\n{TRIANGLE}\n[mqtt.tls]\nca = ""',
        f'[[zones]]\nname="a"\n{TRIANGLE}\n# b\n[[zones]]\nname="b"\n{TRIANGLE}',
        '# only\u2028a comment\n[node]\nname = "\u2028 \u0085"\n',
    ],
)
@pytest.mark.parametrize("zones", [[], [BED], [SOFA, DOOR]])
def test_whatever_the_file_looks_like(text, zones, newline):
    """The rest means what it meant before."""
    text = text.replace("\n", newline)
    new = zones_replaced(text, zones)
    before, after = tomllib.loads(text), tomllib.loads(new)
    assert msgspec.convert(after.pop("zones", []), list[ZoneConfig]) == zones
    before.pop("zones", None)
    assert after == before


def test_the_shipped_file_can_take_zones():
    """People copy it as a whole; its `zones = []` gives way, and nothing else does."""
    text = zones_replaced(defaults_text(), [BED])
    assert text.startswith(defaults_text().replace("zones = []\n", "", 1))


@given(st.text(min_size=1, max_size=64))
def test_any_name(name):
    """Quotes, control characters and all."""
    text = zones_replaced("[node]\n", [zone(name)])
    assert tomllib.loads(text)["zones"][0]["name"] == name


def test_the_file_is_replaced_as_a_whole(tmp_path):
    """With its mode, through a link, and nothing beside it."""
    file = tmp_path / "etc" / "piapp.toml"
    file.parent.mkdir()
    file.write_text(KEPT_BY_HAND)
    file.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    assert may_write(link)
    write_zones(link, [DOOR])
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(file.parent.iterdir()) == [file]
    assert load_config(file, environ={}).config.zones == (DOOR,)


def test_a_file_that_is_none():
    """Zones cannot be kept in what is not a file."""
    assert not may_write(None)
    assert not may_write(Path("/dev/null"))
    assert not may_write(Path("/gone/piapp.toml"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"zones = [", "not TOML any more"),
        (b"\xff", "edit .* by hand"),
    ],
)
def test_a_file_that_cannot_be_changed_safely(tmp_path, content, words):
    """It stays as it is, and the reason is told."""
    file = tmp_path / "piapp.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        write_zones(file, [BED])
    assert file.read_bytes() == content


def test_a_file_that_went(tmp_path):
    """The reason is told."""
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        write_zones(tmp_path / "gone.toml", [BED])
