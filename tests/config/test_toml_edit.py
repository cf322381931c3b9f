"""Values in a TOML file are changed, and nothing else is."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piapp.config.load import defaults_text
from piapp.config.toml_edit import with_strings
from piapp.errors import ConfigError

TEXT = """\
# mine
[mqtt] # the broker
url = "mqtt://old"
keepalive_s = 30

[[zones]]
name = "bed"
"""


def test_the_rest_stays():
    """Comments, other keys and other tables are as they were; what is missing is added."""
    text = with_strings(TEXT, {"mqtt.url": "mqtt://new", "mqtt.username": "hall", "node.name": 'Küche "2"'}, "f")
    assert tomllib.loads(text) == {
        "mqtt": {"url": "mqtt://new", "username": "hall", "keepalive_s": 30},
        "zones": [{"name": "bed"}],
        "node": {"name": 'Küche "2"'},
    }
    assert text.startswith("# mine\n[mqtt] # the broker\n")
    assert [line for line in TEXT.splitlines() if line not in text.splitlines()] == ['url = "mqtt://old"']


def test_an_empty_file_gets_tables():
    """One for each."""
    assert with_strings("", {"node.id": "hall"}, "f") == '[node]\nid = "hall"\n'


def test_the_whole_default_file_can_be_changed():
    """It has every key, and arrays over several lines."""
    text = with_strings(defaults_text(), {"mqtt.url": "mqtt://new", "node.area": "Hall"}, "f")
    expected = tomllib.loads(defaults_text())
    expected["mqtt"]["url"], expected["node"]["area"] = "mqtt://new", "Hall"
    assert tomllib.loads(text) == expected


@pytest.mark.parametrize(
    "text", ['mqtt.url = "mqtt://old"\n', 'mqtt = {url = "mqtt://old"}\n', "node = 3\n", '[mqtt]\nurl = """a\nb"""\n']
)
def test_what_cannot_be_changed_safely_is_refused(text):
    """With the file's name; never a file that means something else."""
    with pytest.raises(ConfigError, match="the-file"):
        with_strings(text, {"mqtt.url": "mqtt://new", "node.id": "hall"}, "the-file")


@settings(max_examples=30)
@given(st.text("aä🛋\"'\\\n\t\x00\x7f =[]#", max_size=12))
def test_every_string_comes_back(value):
    """Whatever signs it has, or it is refused."""
    try:
        text = with_strings(TEXT, {"node.name": value}, "f")
    except ConfigError:
        assert "\x7f" in value
    else:
        assert tomllib.loads(text)["node"]["name"] == value
