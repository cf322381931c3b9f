"""`deploy/setup.sh`, on a copy of the project with stand-ins for Python, pip and apt-get."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PYTHON = """#!/bin/sh
echo "python $*" >>"$CALLS"
case "$*" in
  *version_info*) echo "$VERSION" ;;
  *ensurepip*) exit "${NO_ENSUREPIP:-0}" ;;
  "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *get_path*) echo "$STUBS" ;;
esac
"""
NOTE = '#!/bin/sh\necho "${0##*/} $*" >>"$CALLS"\n'


class Machine:
    """A project and a machine that has all system packages, unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.calls_file = folder / "calls"
        self._stubs = folder / "stubs"
        for name in ("deploy", "tests"):
            (self.project / name).mkdir(parents=True)
        for path in ("deploy/setup.sh", "deploy/requirements.txt", "tests/requirements.txt", "pyproject.toml"):
            shutil.copy(ROOT / path, self.project / path)
        self._stubs.mkdir()
        (self._stubs / "Python.h").touch()
        for name, text in {"python3": PYTHON, "apt-get": NOTE, "sudo": NOTE}.items():
            (self._stubs / name).write_text(text)
            (self._stubs / name).chmod(0o755)
        # What setup asks the machine: everything is there.
        for name in ("ldconfig", "pkg-config", "cc"):
            (self._stubs / name).write_text("#!/bin/sh\necho libEGL.so.1 libGLESv2.so.2 libseccomp.so.2\n")
            (self._stubs / name).chmod(0o755)

    def run(self, what="run", **environment):
        """Run setup; the result and the calls that were made."""
        self.calls_file.write_text("")
        variables = {"PATH": f"{self._stubs}:{os.environ['PATH']}", "CALLS": str(self.calls_file), "VERSION": "3.12"}
        done = subprocess.run(
            ["bash", "deploy/setup.sh", what],
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=variables | {"STUBS": str(self._stubs)} | environment,
        )
        return done, self.calls_file.read_text().splitlines()


@pytest.fixture
def machine(tmp_path):
    """A machine to set up."""
    return Machine(tmp_path)


def installs(calls):
    """What pip was asked to install."""
    return [call for call in calls if "pip" in call and " install " in call]


def test_the_second_time_nothing_is_done(machine):
    """First the locked environment by hash, then silence until the lock changes."""
    done, calls = machine.run()
    assert done.returncode == 0, done.stderr
    locked, project = installs(calls)
    assert "--require-hashes --requirement deploy/requirements.txt" in locked
    assert "--no-deps" in locked
    assert project.endswith("--no-build-isolation --editable .")
    done, calls = machine.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert installs(calls) == []
    with (machine.project / "deploy" / "requirements.txt").open("a") as lock:
        lock.write("# changed\n")
    assert len(installs(machine.run()[1])) == 2


def test_a_test_environment_serves_a_run_and_not_the_other_way_round(machine):
    """`make test` then `make demo` sets up once."""
    assert "tests/requirements.txt" in installs(machine.run("test")[1])[0]
    assert installs(machine.run("run")[1]) == []
    assert installs(machine.run("test")[1]) == []
    shutil.rmtree(machine.project / ".venv")
    machine.run("run")
    assert len(installs(machine.run("test")[1])) == 2


def test_an_environment_that_was_not_finished_is_made_anew(machine):
    """The stamp is written last."""
    machine.run()
    (machine.project / ".venv" / "lock.sha256").unlink()
    assert len(installs(machine.run()[1])) == 2


def test_an_environment_that_is_a_link_is_left_alone(machine, tmp_path):
    """Python's venv would empty the folder that the link names."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "precious").touch()
    (machine.project / ".venv").symlink_to(theirs)
    done, calls = machine.run()
    assert (done.returncode, installs(calls)) == (1, [])
    assert f".venv is a link to {theirs}" in done.stderr
    assert (theirs / "precious").exists()


def test_missing_packages_are_named_before_they_are_installed(machine):
    """With apt-get, directly as root and else with sudo."""
    done, calls = machine.run(NO_ENSUREPIP="1")
    assert done.returncode == 0, done.stderr
    named, installing = [line for line in done.stderr.splitlines() if "packages needed" in line or "apt-get" in line][
        :2
    ]
    assert named == "setup: system packages needed: python3-venv"
    assert installing == "setup: installing them with apt-get"
    tool = "apt-get" if os.geteuid() == 0 else "sudo"
    assert [call for call in calls if call.startswith(tool)][-1].endswith("python3-venv")


@pytest.mark.parametrize("version", ["3.10", "3.14", "2.7"])
def test_an_unsuitable_python_is_refused(machine, version):
    """With what is needed and how to name another."""
    done, calls = machine.run(VERSION=version)
    assert done.returncode == 1
    assert f"is Python {version}; piapp needs 3.11 to 3.13" in done.stderr
    assert "PYTHON=" in done.stderr
    assert installs(calls) == []


def test_no_python_at_all(machine):
    """Says how to get it."""
    done, _ = machine.run(PYTHON="python-that-is-not-here")
    assert done.returncode == 1
    assert "python-that-is-not-here is missing" in done.stderr


def test_no_package_registry_is_written_down():
    """Locks and scripts work with whatever registry the machine is set up for."""
    for path in (ROOT / "deploy/requirements.txt", ROOT / "tests/requirements.txt", ROOT / "deploy/setup.sh"):
        text = path.read_text()
        assert not re.search(r"^\s*--(?:extra-)?index-url|--trusted-host|https?://", text, re.MULTILINE), path
