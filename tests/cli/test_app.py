"""The command line: what goes to which stream, exit codes, help."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest

from piapp import __version__
from piapp.cli.app import ENTRIES, run_command
from piapp.config.load import defaults_text
from piapp.draw import write_image
from tests.e2e.node import piapp

COMMANDS = [
    [name, *more]
    for name, entry in ENTRIES.items()
    for more in ([[command] for command in entry.load(name).commands] if entry.group else [[]])
]


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch):
    """This machine's own configuration does not count."""
    monkeypatch.setenv("PIAPP_CONFIG", "/dev/null")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(command, capsys):
    """On standard output, exit 0."""
    assert run_command([*command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert "Usage: piapp" in out
    assert re.search(rf"Example: (sudo )?(\S+/)?piapp {' '.join(command)}\b", " ".join(out.split()))
    assert err == ""


@pytest.mark.parametrize("name", ENTRIES)
def test_the_root_s_help_says_of_a_command_what_its_own_help_does(name, capsys):
    """The root's help is written without loading the commands."""
    assert ENTRIES[name].load(name).help.splitlines()[0] == ENTRIES[name].summary
    assert run_command(["--help"]) == 0
    assert " ".join(ENTRIES[name].summary.split()) in " ".join(capsys.readouterr().out.split())


def test_a_mistyped_command_is_guessed(capsys):
    """Exit 2, and the name that was probably meant."""
    assert run_command(["detct"]) == 2
    assert "Did you mean 'detect'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "demo", "detect"])
def test_the_main_commands_explain_themselves(command, capsys):
    """Each with an example that starts with the command."""
    assert run_command([command, "--help"]) == 0
    assert f"Example: piapp {command}" in capsys.readouterr().out


def test_version(capsys):
    """The package's own."""
    assert run_command(["--version"]) == 0
    assert capsys.readouterr().out == f"piapp {__version__}\n"
    assert piapp("--version").stdout == f"piapp {__version__}\n"


def test_no_command_shows_the_help(capsys):
    """Whatever typer thinks of it, somebody who types `piapp` sees what there is."""
    run_command([])
    captured = capsys.readouterr()
    assert "detect" in captured.out + captured.err


def test_config_show_prints_toml_with_origins(capsys, monkeypatch):
    """Every key = value is TOML, followed by where it comes from."""
    monkeypatch.setenv("PIAPP_NODE__AREA", "Hall")
    assert run_command(["config", "show", "--set", "camera.fps=10", "--set", "camera.source=rtsp://u:s3cret@h/x"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^camera\.fps = 10\.0 +# command line$", out, re.MULTILINE)
    assert re.search(r'^node\.area = "Hall" +# environment PIAPP_NODE__AREA$', out, re.MULTILINE)
    assert re.search(r'^mqtt\.base_topic = "piapp" +# default$', out, re.MULTILINE)
    assert "s3cret" not in out
    values = tomllib.loads("\n".join(line for line in out.splitlines() if " = {" not in line))
    assert values["camera"]["fps"] == 10.0


def test_config_check(capsys, tmp_path):
    """OK with the file's name, or every problem."""
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text("[camera]\nfps = 10\n")
    bad.write_text("[camera]\nfps = -10\nhflip = 1\n")
    assert run_command(["config", "check", str(good)]) == 0
    assert capsys.readouterr().out == f"{good}: OK\n"
    assert run_command(["config", "check", str(bad)]) == 78
    err = capsys.readouterr().err
    assert "camera.fps = -10" in err
    assert "camera.hflip = 1" in err


def test_config_schema_and_default(capsys):
    """Data alone on standard output."""
    assert run_command(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "piapp.toml"
    assert run_command(["config", "default"]) == 0
    assert capsys.readouterr().out == defaults_text()


def test_model_list_and_verify(capsys):
    """Six bundles; the shipped ones are in order."""
    assert run_command(["model", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [
        [name, variant] for name in ("lite", "full", "heavy") for variant in ("complete", "landmarks")
    ]
    assert run_command(["model", "verify"]) == 0
    assert "model lite (landmarks) is ok, sha256 " in capsys.readouterr().out


def test_an_unknown_model_is_explained(capsys):
    """With the names there are, and the likely one."""
    assert run_command(["model", "fetch", "ful"]) == 69
    assert 'did you mean "full"?' in capsys.readouterr().err


def test_the_log_goes_to_standard_error_at_the_level_asked(tmp_path):
    """Standard output stays for data; debug says more than error."""
    clip = tmp_path / "nobody.png"
    write_image(clip, np.zeros((48, 64, 3), np.uint8))
    quiet = piapp("detect", clip, "--log-level", "error")
    loud = piapp("detect", clip, "--log-level", "debug")
    assert quiet.stdout == loud.stdout
    assert quiet.stderr == ""
    assert "DEBUG" in loud.stderr


def test_standard_output_that_is_full():
    """An error with the reason and exit code 1, whatever is printed; nothing is an internal error."""
    with open("/dev/full", "w") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "piapp", "config", "default"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "standard output cannot be written: No space left on device" in done.stderr
    assert "internal error" not in done.stderr
