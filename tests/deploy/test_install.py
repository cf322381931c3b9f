"""What install.sh finds out and would do, on machines that are described to it; nothing is changed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from piapp.config.addresses import with_scheme

PROJECT = Path(__file__).parents[2]
SCRIPTS = sorted(
    [*(PROJECT / "deploy").rglob("*.sh"), *(PROJECT / "systemd").glob("*.sh"), *(PROJECT / "tests").rglob("*.sh")],
    key=lambda path: path.as_posix(),
)

A53 = "Features\t: fp asimd evtstrm crc32 cpuid\n"
A76 = "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid\n"


@dataclass
class Machine:
    """A machine as install.sh sees it."""

    folder: Path
    codename: str = "trixie"
    machine: str = "aarch64"
    board: str = "Raspberry Pi 5 Model B Rev 1.0"
    cpuinfo: str = A76
    memory_kb: int = 4_000_000
    devices: list[str] = field(default_factory=lambda: ["video0"])

    def install(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run install.sh for it, dry."""
        contents = {
            "etc/os-release": f'PRETTY_NAME="Debian ({self.codename})"\nID=debian\nVERSION_CODENAME={self.codename}\n',
            "proc/cpuinfo": self.cpuinfo,
            "proc/meminfo": f"MemTotal:        {self.memory_kb} kB\n",
            "proc/device-tree/model": self.board + "\0",
            **{f"dev/{name}": "" for name in self.devices},
        }
        for name, text in contents.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return subprocess.run(
            [PROJECT / "deploy" / "install.sh", "--dry-run", *options],
            env=os.environ | {"PIAPP_FACTS": str(self.folder), "PIAPP_MACHINE": self.machine},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def pi(tmp_path: Path) -> Machine:
    """A Raspberry Pi 5 with Debian 13."""
    if not Path("/usr/bin/python3").exists() or shutil.which("dpkg-query") is None:
        pytest.skip("install.sh is for Debian, which this machine is not: no /usr/bin/python3 or dpkg-query")
    return Machine(tmp_path / "machine")


def test_a_pi_5_gets_everything(pi: Machine) -> None:
    """On the board it is made for: MediaPipe, the camera's packages, the service."""
    done = pi.install()
    assert done.returncode == 0, done.stderr
    assert "board: Raspberry Pi 5" in done.stderr
    assert "runtime: mediapipe" in done.stderr
    assert "camera: picamera2:" in done.stderr
    assert "python3-picamera2" in done.stderr
    assert "+ systemctl enable --quiet piapp.service\n" in done.stderr
    steps = done.stderr.splitlines()
    note = steps.index("+ write /opt/piapp/newest")  # while the version before still runs, or once it runs again
    assert "/opt/piapp/current\n" in "\n".join(steps[note:])
    assert "/opt/piapp/current\n" not in "\n".join(steps[:note])
    assert "WARNING" not in done.stderr


def test_only_an_installation_without_a_broker_is_set_up_in_a_browser(pi: Machine) -> None:
    """The page is opened before the service starts; a board that was told everything opens nothing to its network."""
    said = pi.install().stderr
    assert 0 < said.index("piapp setup-page\n") < said.index("+ systemctl restart ")
    assert "setup-page" not in pi.install("--broker", "mqtt://broker.lan").stderr


@pytest.mark.parametrize("board", ["Raspberry Pi 4 Model B Rev 1.4", "Raspberry Pi Zero 2 W Rev 1.0"])
def test_a_processor_without_lse_gets_litert(pi: Machine, board: str) -> None:
    """Where MediaPipe would abort, the installer says so, chooses what runs, and leaves MediaPipe's libraries out."""
    pi.board, pi.cpuinfo = board, A53
    done = pi.install()
    assert done.returncode == 0, done.stderr
    assert "runtime: litert" in done.stderr
    assert "LSE" in done.stderr
    assert "libgles2" not in done.stderr


def test_a_pc_with_a_usb_camera(pi: Machine) -> None:
    """Any 64-bit Debian with a V4L2 camera works as well."""
    pi.machine, pi.board = "x86_64", ""
    done = pi.install()
    assert done.returncode == 0, done.stderr
    assert "camera: v4l2:/dev/video0" in done.stderr
    assert "python3-picamera2" not in done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"machine": "armv7l"}, "install the 64-bit Raspberry Pi OS"),
        ({"machine": "riscv64"}, "unknown processor"),
        ({"codename": "bullseye"}, "expected Debian or Raspberry Pi OS 12 (bookworm) or 13 (trixie)"),
    ],
)
def test_what_cannot_work_is_refused(pi: Machine, change: dict[str, str], words: str) -> None:
    """A machine that cannot run it is named, with the way out, before anything is touched."""
    for name, value in change.items():
        setattr(pi, name, value)
    done = pi.install()
    assert done.returncode == 1
    assert words in done.stderr
    assert "\n+ " not in done.stderr


@pytest.mark.parametrize(
    ("change", "words"), [({"devices": []}, "no camera"), ({"memory_kb": 420_000}, "MB of memory")]
)
def test_what_may_still_come_is_a_warning(pi: Machine, change: dict[str, object], words: str) -> None:
    """A camera can be connected later, and little memory is the owner's choice."""
    for name, value in change.items():
        setattr(pi, name, value)
    done = pi.install()
    assert done.returncode == 0, done.stderr
    assert any("WARNING" in line and words in line for line in done.stderr.splitlines())


@pytest.mark.parametrize("options", [["--brocker", "x"], ["--set", "fps"], ["--broker"]])
def test_mistyped_options_are_refused(pi: Machine, options: list[str]) -> None:
    """An option that is not understood changes nothing."""
    done = pi.install(*options)
    assert done.returncode == 1
    assert options[0] in done.stderr


def test_dry_run_changes_nothing(pi: Machine) -> None:
    """Everything is said, nothing done: neither in /opt nor in /etc."""
    there = [Path(name).exists() for name in ("/opt/piapp", "/etc/piapp", "/etc/systemd/system/piapp.service")]
    said = pi.install("--broker", "10.0.0.5", "--set", "camera.fps=10", "--with-broker").stderr
    assert said.splitlines()[-1] == "install: nothing was changed"
    for step in (" -m venv ", "piapp.toml", "useradd", "/etc/piapp/tls", "daemon-reload", "/usr/local/bin/piapp"):
        assert step in said
    assert there == [Path(name).exists() for name in ("/opt/piapp", "/etc/piapp", "/etc/systemd/system/piapp.service")]


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("broker.lan", "mqtt://broker.lan"),
        ("10.0.0.5:8883", "mqtts://10.0.0.5:8883"),
        ("ws://b/mqtt", "ws://b/mqtt"),
        ("", ""),
    ],
)
def test_a_broker_without_a_scheme_is_understood(typed: str, address: str) -> None:
    """As `piapp setup` understands it."""
    script = f'source {PROJECT / "systemd" / "service.sh"}; broker_address "$1"'
    done = subprocess.run(["bash", "-c", script, "address", typed], capture_output=True, text=True, check=True)
    assert done.stdout == address == with_scheme(typed)


def test_words_are_quoted_only_where_a_shell_needs_it() -> None:
    """So that steps can be read, and pasted."""
    script = f'source {PROJECT / "systemd" / "service.sh"}; quoted "$@"'
    words = ["apt-get", "-o", "Dir::State=/x", "two words", "", "it's", "a;b", "~"]
    done = subprocess.run(["bash", "-c", script, "quoted", *words], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("apt-get -o Dir::State=/x 'two words' ''")
    assert shlex.split(done.stdout) == words


def test_settings_become_tables(tmp_path: Path) -> None:
    """--broker and --set are written as TOML that a person can go on editing."""
    script = PROJECT / "systemd" / "service.sh"
    settings = ['mqtt.url="mqtt://a"', "camera.fps=10", 'mqtt.tls.ca="/x"', "camera.hflip=true"]
    done = subprocess.run(
        ["bash", "-c", f'source {script}; tables "$@"', "tables", *settings], capture_output=True, text=True, check=True
    )
    code = "import sys, tomllib, json; print(json.dumps(tomllib.loads(sys.stdin.read()), sort_keys=True))"
    read = subprocess.run([sys.executable, "-c", code], input=done.stdout, capture_output=True, text=True, check=True)
    assert read.stdout.strip() == (
        '{"camera": {"fps": 10, "hflip": true}, "mqtt": {"tls": {"ca": "/x"}, "url": "mqtt://a"}}'
    )
    assert done.stdout.count("[camera]") == 1


def test_uninstall_dry_run_names_everything() -> None:
    """The uninstaller names what it would remove."""
    done = subprocess.run(
        [PROJECT / "deploy" / "uninstall.sh", "--dry-run"], capture_output=True, text=True, check=True
    )
    for name in ("/opt/piapp", "/var/lib/piapp", "/etc/piapp", "/usr/local/bin/piapp", "piapp.service"):
        assert name in done.stderr
    kept = subprocess.run(
        [PROJECT / "deploy" / "uninstall.sh", "--dry-run", "--keep-config"], capture_output=True, text=True, check=True
    )
    assert "/etc/piapp\n" not in kept.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_scripts_are_clean(script: Path) -> None:
    """No script has anything that shellcheck would say."""
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed; `apt install shellcheck` runs these tests")
    done = subprocess.run([shellcheck, "-x", script], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
