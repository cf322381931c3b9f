"""The configuration: layers, every type and range, every message, and what is kept secret."""

from __future__ import annotations

import json
import math
import re
import tomllib
import typing
from pathlib import Path

import msgspec
import pytest

from piapp.config.addresses import BrokerAddress, broker_address
from piapp.config.load import default_config, defaults_text, flatten, load_config, public_tree
from piapp.config.schema import json_schema
from piapp.config.sections import Config, Section
from piapp.errors import ConfigError

NO_ENVIRONMENT: dict[str, str] = {}


@pytest.fixture
def write(tmp_path):
    """Write a configuration file."""

    def make(text: str) -> Path:
        path = tmp_path / "piapp.toml"
        path.write_text(text)
        return path

    return make


def load(*overrides, path=Path("/dev/null"), environ=NO_ENVIRONMENT):
    """A configuration without this machine's own file and environment."""
    return load_config(path, overrides=overrides, environ=environ)


def problems(*overrides, path=Path("/dev/null"), environ=NO_ENVIRONMENT):
    """What is wrong, a line each."""
    with pytest.raises(ConfigError) as caught:
        load(*overrides, path=path, environ=environ)
    head, *lines = str(caught.value).splitlines()
    assert head == f"configuration: {len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return [line.strip() for line in lines]


def leaves(section=Config, prefix=""):
    """(dotted key, type, Meta list) of every key that holds a value."""
    for name, hint in typing.get_type_hints(section, include_extras=True).items():
        if isinstance(hint, type) and issubclass(hint, Section):
            yield from leaves(hint, f"{prefix}{name}.")
        elif f"{prefix}{name}" != "zones":
            bounds = hint.__metadata__ if typing.get_origin(hint) is typing.Annotated else ()
            yield f"{prefix}{name}", hint, bounds


LEAVES = list(leaves())
KEYS = [key for key, _, _ in LEAVES]


def kind(hint):
    """The plain type under annotations."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


def wrong_texts(key, hint, metas):
    """Texts of values just outside the range, and of other types; on the command line any text can be a string."""
    step = 1 if kind(hint) is int else 0.001
    for meta in metas:
        if meta.ge is not None:
            yield str(meta.ge - step)
        if meta.gt is not None:
            yield str(float(meta.gt))
        if meta.le is not None:
            yield str(meta.le + step)
        if meta.max_length is not None:
            yield '"' + "x" * (meta.max_length + 1) + '"'
        if meta.min_length:
            yield '""'
    choices = {
        int: ["1.5", '"many"', "true"],
        float: ['"fast"', "true", "nan", "inf", "{}"],
        bool: ["1", '"yes"'],
        str: [],
    }
    yield from choices.get(kind(hint), ['"no such choice"', "1717", "[]"])


def rounds():
    """Wrong values for as many keys at a time as possible, {key: text}; each key's are all in."""
    texts = {key: list(wrong_texts(key, hint, metas)) for key, hint, metas in LEAVES}
    for number in range(max(map(len, texts.values()))):
        yield {key: wrong[number] for key, wrong in texts.items() if len(wrong) > number}


@pytest.mark.parametrize("wrong", list(rounds()))
def test_every_key_refuses_what_does_not_fit(wrong):
    """All at once, each with key, value, origin and what is expected."""
    found = problems(*wrong.items())
    for key, text in wrong.items():
        (problem,) = [line for line in found if line.startswith(f"{key} = ")]
        assert "(command line): expected " in problem
        assert "expected a value" not in problem
        if text in ("nan", "inf"):
            assert f"= {text} " in problem


def test_every_keys_near_miss_is_unknown():
    """A typing error is an error, and the right word is offered."""
    names = [key for key in KEYS if key != "camera.controls"]
    found = problems(*((f"{key}x", "1") for key in names))
    for key in names:
        name = key.rpartition(".")[2]
        assert f'{key}x = 1 (command line): is not a known key; did you mean "{name}"?' in found


@pytest.mark.parametrize("end", ["ge", "le"])
def test_every_key_takes_the_ends_of_its_range(end, write):
    """From a file, where numbers are numbers."""
    bounds = {key: getattr(meta, end) for key, _, metas in LEAVES for meta in metas if getattr(meta, end) is not None}
    tables: dict[str, list[str]] = {}
    for key, bound in bounds.items():
        table, _, name = key.rpartition(".")
        tables.setdefault(f"[{table}]", []).append(f"{name} = {bound}")
    text = "\n".join("\n".join([table, *lines]) for table, lines in tables.items())
    flat = flatten(load(path=write(text)).config)
    assert len(bounds) > 40
    assert {key: flat[key] for key in bounds} == bounds


def test_the_shipped_file_is_the_schema():
    """Every key is in it, no other is, and it is valid."""
    tree = tomllib.loads(defaults_text())

    def keys(table, prefix=""):
        for name, value in table.items():
            if isinstance(value, dict) and f"{prefix}{name}" != "camera.controls":
                yield from keys(value, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}"

    assert sorted(keys(tree)) == sorted([*KEYS, "zones"])
    assert load().config == default_config()
    assert msgspec.to_builtins(default_config(), builtin_types=(tuple,)) == {**tree, "zones": ()}


def test_every_key_of_the_shipped_file_is_explained():
    """A comment stands right above each key, and its lines together say more than the name."""
    comment: list[str] = []
    for line in defaults_text().splitlines():
        if line.startswith("# "):
            comment.append(line)
            continue
        if match := re.match(r"(\w+) = ", line):
            assert len(" ".join(comment)) > len(match[1]) + 10, f"{match[1]}: {comment}"
        comment = []


def test_later_layers_win_and_origins_tell(write):
    """Defaults, file, environment, command line; the last of several --set."""
    path = write('[camera]\nfps = 5\nwidth = 320\nheight = 240\n[mqtt]\nurl = "mqtt://file"\n')
    environ = {"PIAPP_CAMERA__WIDTH": "800", "PIAPP_CAMERA__HEIGHT": "600", "PIAPP_MQTT__TLS__CA": "", "HOME": "/x"}
    loaded = load(("camera.height", "1"), ("camera.height", "100"), path=path, environ=environ)
    camera = loaded.config.camera
    assert (camera.fps, camera.width, camera.height) == (5.0, 800, 100)
    assert loaded.file == path
    expected = {
        "camera.fps": str(path),
        "camera.width": "environment PIAPP_CAMERA__WIDTH",
        "camera.height": "command line",
        "camera.rotation": "default",
        "mqtt.url": str(path),
        "mqtt.tls.ca": "environment PIAPP_MQTT__TLS__CA",
    }
    assert {key: loaded.origins[key] for key in expected} == expected


def test_the_file_is_named_by_argument_or_environment(write, tmp_path):
    """The argument wins over $PIAPP_CONFIG; a named file must be there."""
    path = write("[camera]\nfps = 5\n")
    other = tmp_path / "other.toml"
    other.write_text("[camera]\nfps = 6\n")
    environ = {"PIAPP_CONFIG": str(path)}
    assert load_config(environ=environ).config.camera.fps == 5
    assert load_config(other, environ=environ).config.camera.fps == 6
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read: No such file"):
        load_config(environ={"PIAPP_CONFIG": str(tmp_path / "gone.toml")})


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("camera.fps", "10", 10.0),
        ("camera.hflip", "true", True),
        ("camera.source", "v4l2:/dev/video1", "v4l2:/dev/video1"),
        ("camera.source", '"v4l2:/dev/video1"', "v4l2:/dev/video1"),
        ("camera.tilt_deg", "auto", "auto"),
        ("camera.tilt_deg", "30", 30.0),
        ("node.id", "12", "12"),
        ("node.name", "true", "true"),
        ("node.name", "1979-05-27", "1979-05-27"),
        ("node.name", "Hall = 3", "Hall = 3"),
        ("node.name", "", ""),
        ("mqtt.protocol", "5", "5"),
        ("mqtt.protocol", "3.1.1", "3.1.1"),
    ],
)
def test_text_is_toml_or_a_plain_string(key, text, value):
    """The command line and the environment take TOML, and text where only a string fits."""
    assert flatten(load((key, text)).config)[key] == value
    name = "PIAPP_" + key.upper().replace(".", "__")
    assert flatten(load(environ={name: text}).config)[key] == value


def test_controls_pass_through_with_their_own_names():
    """The names of libcamera keep their case, in each layer, and add up."""
    environ = {"PIAPP_CAMERA__CONTROLS__AfMode": "2"}
    loaded = load(("camera.controls.AeExposureMode", "1"), ("camera.controls.Text", "abc"), environ=environ)
    assert loaded.config.camera.controls == {"AfMode": 2, "AeExposureMode": 1, "Text": "abc"}


def test_the_file_is_stricter_than_the_command_line(write):
    """A number is no string where a file can say exactly what it means."""
    (problem,) = problems(path=write("[mqtt]\nprotocol = 5\n"))
    assert "mqtt.protocol = 5" in problem
    assert 'expected one of "5", "3.1.1", "auto"' in problem


def test_zones_are_read_and_their_mistakes_numbered(write):
    """An array of tables; a message names the row and the file."""
    zone = '[[zones]]\nname = "bed"\npolygon = [[0.1, 0.5], [0.6, 0.5], [0.6, 0.9]]\nignore = ["fall"]\n'
    assert load(path=write(zone)).config.zones[0].name == "bed"
    path = write(zone + '[[zones]]\nname = ""\npolygon = [[0, 0], [1, 1], [2, 0]]\nignore = ["fal"]\ncolor = 1\n')
    found = problems(path=path)
    assert [line.partition(" ")[0] for line in found] == [
        "zones[2].color", "zones[2].name", "zones[2].polygon", "zones[2].ignore",
    ]  # fmt: skip
    assert all(f"({path})" in line for line in found)
    assert "each item 2 values, each a number at least 0.0, at most 1.0" in found[2]
    assert 'each item "fall"' in found[3]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[camera\n", "is not TOML"),
        ("[camera]\nfps = 1\n[camera]\n", "is not TOML"),
        ("camera = 5\n", "camera = 5"),
        ("[mqtt]\ntls = 3\n", "expected a table, [mqtt.tls]"),
        ("zones = [1]\n", "zones[1] = 1"),
        ("fps = 1\n", "fps = 1"),
        ("[camra]\nfps = 1\n", 'did you mean "camera"?'),
    ],
)
def test_malformed_files(write, text, words):
    """A ConfigError with the file's name, whatever the file holds."""
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load(path=path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_files_that_are_no_text(tmp_path):
    """Binary, a folder: words, not a trace."""
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (binary, tmp_path):
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            load(path=path)


@pytest.mark.parametrize("key", ["fps", "camera.", ".fps", "", "camera..fps"])
def test_keys_without_a_section(key):
    """A key is SECTION.KEY."""
    (problem,) = problems((key, "1"))
    assert "is not SECTION.KEY, such as mqtt.url" in problem


def test_what_combines_keys_is_checked_although_others_are_wrong(write):
    """Pairs of TLS files, the password's user, the pauses: together with a wrong type elsewhere."""
    text = '[mqtt]\nkeepalive_s = "x"\nreconnect_min_s = 5\nreconnect_max_s = 2\npassword_file = "/gone"\n'
    found = problems(path=write(text + 'base_topic = "a/"\n[mqtt.tls]\ncert = "/gone.pem"\n'))
    assert [line.partition(" ")[0] for line in found] == [
        "mqtt.keepalive_s", "mqtt.tls.cert", "mqtt.tls.key", "mqtt.base_topic", "mqtt.reconnect_max_s",
        "mqtt.username", "mqtt.password_file",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker", BrokerAddress("broker", 1883, tls=False)),
        ("mqtts://broker.lan", BrokerAddress("broker.lan", 8883, tls=True)),
        ("mqtt://[::1]:1884/", BrokerAddress("::1", 1884, tls=False)),
    ],
)
def test_broker_addresses(url, address):
    """Scheme, host and port, with MQTT's own default ports."""
    assert broker_address(url) == address


@pytest.mark.parametrize(
    "url",
    ["", "broker", "http://broker", "mqtt://", "mqtt://:1883", "mqtt://b:0", "mqtt://b:99999", "mqtt://b/x", "mqtt://b?x",
     "mqtt://[::1"],
)  # fmt: skip
def test_what_is_no_broker_address(url):
    """A problem of mqtt.url."""
    (problem,) = problems(("mqtt.url", json.dumps(url)))
    assert problem.startswith("mqtt.url ")


def test_a_password_in_the_brokers_url_is_refused_and_not_repeated():
    """It would be seen in the process list."""
    (problem,) = problems(("mqtt.url", "mqtt://me:s3cret@broker"))
    assert "mqtt.password_file" in problem
    assert "s3cret" not in problem


def test_secrets_are_masked_wherever_the_configuration_is_shown():
    """A stream's URL may hold a password, in a value and in a message about it."""
    for url in ("rtsp://me:s3cret@camera/x", "rtsp://me:s3cr@t@camera/x"):
        config = load(("camera.source", url)).config
        assert config.camera.source == url
        assert flatten(config)["camera.source"] == "rtsp://***@camera/x"
        assert public_tree(config)["camera"]["source"] == "rtsp://***@camera/x"
        found = problems(("camera.sorce", url), ("camera.fps", url))
        assert not any("s3cr" in line for line in found)


def test_the_schema_describes_every_key():
    """Type, default and explanation of each key; ranges as the file's checks have them."""
    schema = json_schema()
    definitions = schema["$defs"]

    def properties(definition, prefix=""):
        for name, value in definition["properties"].items():
            reference = value.get("$ref", "").rpartition("/")[2]
            if reference:
                yield from properties(definitions[reference], f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}", value

    found = dict(properties(definitions[schema["$ref"].rpartition("/")[2]]))
    assert sorted(found) == sorted([*KEYS, "zones"])
    for key, _, metas in LEAVES:
        assert len(found[key]["description"]) > 5, key
        assert "default" in found[key]
        for meta in metas:
            assert meta.le is None or math.isclose(found[key]["maximum"], meta.le)


def test_flatten_keeps_the_files_order():
    """`config show` reads like the file."""
    flat = list(flatten(default_config()))
    sections = [key.partition(".")[0] for key in flat]
    assert sections == sorted(sections, key=sections.index)
    assert flat[: len(KEYS)] != sorted(flat)
