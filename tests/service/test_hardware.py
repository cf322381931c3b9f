"""Facts about the machine, on machines that tell them and on those that do not."""

from __future__ import annotations

import stat

import pytest

from piapp.service import hardware


@pytest.fixture
def files(monkeypatch):
    """Pretend that only these files are there: {path: text}."""
    texts: dict[str, str] = {}
    monkeypatch.setattr(hardware, "read_file", texts.get)
    return texts


@pytest.fixture
def vcgencmd(monkeypatch, tmp_path, files):
    """Put a `vcgencmd` on the path that runs a shell script."""

    def make(script):
        command = tmp_path / "vcgencmd"
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(hardware, "vcgencmd", lambda: str(command))

    monkeypatch.setattr(hardware, "vcgencmd", lambda: None)
    return make


@pytest.mark.parametrize(
    ("value", "now", "since_boot"),
    [
        (0x0, [], []),
        (0x50005, ["under_voltage", "throttled"], ["under_voltage", "throttled"]),
        (0x80002, ["frequency_capped"], ["soft_temperature_limit"]),
        (0xF000F, list(hardware.THROTTLED_BITS.values()), list(hardware.THROTTLED_BITS.values())),
    ],
)
def test_the_firmwares_bits_have_names(value, now, since_boot):
    """Low half: now. High half: since boot."""
    assert hardware.throttled_flags(value) == (now, since_boot)


def test_throttling_is_read_from_the_kernel_before_a_program_is_asked(files, vcgencmd):
    """Its file holds hexadecimal digits without 0x."""
    vcgencmd("exit 1")
    files[hardware.THROTTLED_FILES[0]] = "50000\n"
    assert hardware.throttled() == ([], ["under_voltage", "throttled"])


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo throttled=0x1", (["under_voltage"], [])),
        ("echo 'error=1 error_msg=\"Command not registered\"'", None),
        ("echo VCHI initialization failed >&2; exit 255", None),
        ("exit 0", None),
        ("exec sleep 60", None),
        ("not-a-command-at-all", None),
    ],
)
def test_whatever_the_firmwares_program_says(vcgencmd, monkeypatch, script, found):
    """An answer, an error, nothing, or no end: never an exception, which would end the node."""
    monkeypatch.setattr(hardware, "ANSWER_TIMEOUT_S", 0.3 if "sleep" in script else 20.0)
    vcgencmd(script)
    assert hardware.throttled() == found


def test_a_machine_that_tells_nothing(files, vcgencmd):
    """No file, no program: None, and a board all the same."""
    assert hardware.throttled() is None
    assert hardware.temperature_c() is None
    assert hardware.board()


def test_temperature(files):
    """Thousandths of a degree in the kernel's file; nonsense is nothing."""
    path = "/sys/class/thermal/thermal_zone0/temp"
    files[path] = "48312\n"
    assert hardware.temperature_c() == 48.312
    files[path] = "n/a\n"
    assert hardware.temperature_c() is None


def test_the_boards_own_name_comes_first(files):
    """From the device tree, without the NUL at its end; else the processor's."""
    files["/proc/cpuinfo"] = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n"
    assert hardware.board() == "Some CPU @ 2 GHz"
    files["/proc/device-tree/model"] = "Raspberry Pi 5 Model B Rev 1.0\0"
    assert hardware.board() == "Raspberry Pi 5 Model B Rev 1.0"


def test_this_machine_is_described():
    """Every fact that `info` names, from the real files."""
    facts = hardware.describe()
    assert facts.keys() == {"board", "machine", "cores", "memory_mb", "system", "kernel"}
    assert facts["cores"] >= 1
    assert facts["memory_mb"] > 100
