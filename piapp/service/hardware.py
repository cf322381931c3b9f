"""Facts about the machine, read from /proc and /sys. A fact that this machine does not tell is None."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

import psutil

# Bits of the firmware's get_throttled (Raspberry Pi documentation, vcgencmd): now in the low half, since boot above.
THROTTLED_BITS = {0: "under_voltage", 1: "frequency_capped", 2: "throttled", 3: "soft_temperature_limit"}
_SINCE_BOOT_SHIFT = 16
ANSWER_TIMEOUT_S = 1.0  # the main loop waits; an answer takes milliseconds
THROTTLED_FILES = ("/sys/devices/platform/soc/soc:firmware/get_throttled",)


def board() -> str:
    """The board's own name, such as "Raspberry Pi 5 Model B Rev 1.0"; elsewhere the processor's."""
    model = read_file("/proc/device-tree/model")
    if model:
        return model.rstrip("\0")
    for line in (read_file("/proc/cpuinfo") or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def describe() -> dict[str, str | int | None]:
    """The machine, for `info`."""
    return {
        "board": board(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "system": _system(),
        "kernel": platform.release(),
    }


def disk_free_mb(folder: Path) -> int:
    """Room left where a folder is."""
    free_bytes: int = psutil.disk_usage(str(folder)).free
    return free_bytes // 2**20


def temperature_c() -> float | None:
    """The processor's temperature in degrees Celsius."""
    text = read_file("/sys/class/thermal/thermal_zone0/temp")
    try:
        return int(text) / 1000 if text else None
    except ValueError:
        return None


def throttled() -> tuple[list[str], list[str]] | None:
    """What the Pi's firmware complains of: (now, since boot) by name; None on other machines."""
    text = next(filter(None, map(read_file, THROTTLED_FILES)), None) or _ask_firmware()
    try:
        return throttled_flags(int(text, 16)) if text else None
    except ValueError:
        return None


def throttled_flags(value: int) -> tuple[list[str], list[str]]:
    """Names of the bits that are set in the low half (now) and above (since boot)."""
    now = [name for bit, name in THROTTLED_BITS.items() if value >> bit & 1]
    since_boot = [name for bit, name in THROTTLED_BITS.items() if value >> (bit + _SINCE_BOOT_SHIFT) & 1]
    return now, since_boot


def _ask_firmware() -> str | None:
    """The answer of `vcgencmd get_throttled` after its "="; None without the command or an answer."""
    if (command := vcgencmd()) is None:
        return None
    try:
        answer = subprocess.run(  # noqa: S603
            [command, "get_throttled"], capture_output=True, text=True, timeout=ANSWER_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.partition("=")[2].strip()


@cache
def vcgencmd() -> str | None:
    """Where the firmware's command is, None where there is none."""
    return shutil.which("vcgencmd")


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def read_file(path: str) -> str | None:
    """A file of the kernel's; None where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
