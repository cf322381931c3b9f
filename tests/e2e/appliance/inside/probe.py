"""Tries what the service must not do, and what it must, under the unit's own sandbox; prints the outcome as JSON."""

import ctypes
import errno
import json
import mmap
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p

PTRACE_ATTACH = 16
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
CLONE_NEWUSER = 0x10000000


def outcome(attempt: Callable[[], object]) -> str:
    """`done`, or the name of the error."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


def call(name: str, *arguments: object) -> None:
    """Call the C library; raise what it says in errno."""
    if getattr(libc, name)(*arguments) in (-1, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), name)


def write(path: str) -> Callable[[], object]:
    """Write a file."""
    return lambda: Path(path).write_text("x")


def open_device(path: str) -> Callable[[], object]:
    """Open a device for reading and writing."""
    return lambda: os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def send(address: str) -> Callable[[], object]:
    """Send a datagram to the discard port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return lambda: socket.socket(family, socket.SOCK_DGRAM).sendto(b"x", (address, 9))


attempts: dict[str, Callable[[], object]] = {
    "write /etc": write("/etc/x"),
    "write own configuration": write("/etc/piapp/x"),
    "write /opt": write("/opt/piapp/x"),
    "write /usr": write("/usr/x"),
    "write /sys": write("/sys/kernel/uevent_helper"),
    "write own state": write("/var/lib/piapp/probe"),
    "list /root": lambda: list(Path("/root").iterdir()),
    "read password file": lambda: Path("/etc/piapp/mqtt_password").read_text(),
    "read shadow": lambda: Path("/etc/shadow").read_text(),
    "see process 1": lambda: Path("/proc/1/status").stat(),
    "ptrace": lambda: call("ptrace", PTRACE_ATTACH, os.getppid() or 1, 0, 0),
    "new user namespace": lambda: call("unshare", CLONE_NEWUSER),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "become root": lambda: os.setuid(0),
    "memory to write and execute": lambda: call(
        "mmap", None, ctypes.c_size_t(4096), mmap.PROT_WRITE | mmap.PROT_EXEC, PRIVATE, -1, 0
    ),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "device that is allowed": open_device("/dev/vcio"),
    "device that is not": open_device("/dev/stranger"),
    "send to this machine": send("127.0.0.1"),
    "send to a local network": send("192.168.77.1"),
    "send elsewhere": send("203.0.113.1"),
    "send elsewhere by IPv6": send("2001:db8::1"),
}  # fmt: skip
results = {name: outcome(attempt) for name, attempt in attempts.items()}
results["user"] = str(os.getuid())
results["capabilities"] = next(
    line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd")
)
credential = Path(os.environ["CREDENTIALS_DIRECTORY"], "mqtt_password")
results["credential"] = outcome(credential.read_text)
json.dump(results, sys.stdout)
