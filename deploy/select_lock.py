"""Prints what a lock means for another Python and processor: pip weighs markers for the machine that it runs on only.

usage: select_lock.py LOCK PYTHON MACHINE [NAME...]    (NAMEs: only these)
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement


def blocks(lock: str) -> Iterator[str]:
    """Yield each requirement with its hashes, joined into one line."""
    lines = (line for line in lock.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    for block in re.split(r"\n(?=\S)", "\n".join(lines)):
        yield re.sub(r"\s*\\\n\s*", " ", block)


def select(lock: str, python: str, machine: str, names: list[str]) -> Iterator[str]:
    """Yield the requirements that hold there, without their markers.

    Args:
        lock: The text of a requirements file.
        python: Such as "3.13".
        machine: As `uname -m` says.
        names: Only these; empty for all.
    """
    there = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": machine,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for block in blocks(lock):
        text, *hashes = block.split(" --hash=")
        requirement = Requirement(text)
        if names and requirement.name not in names:
            continue
        if requirement.marker is None or requirement.marker.evaluate(there):
            yield " --hash=".join([f"{requirement.name}{requirement.specifier}", *hashes])


if __name__ == "__main__":
    file, python_wanted, machine_wanted, *names_wanted = sys.argv[1:]
    for line in select(Path(file).read_text(encoding="utf-8"), python_wanted, machine_wanted, names_wanted):
        sys.stdout.write(line + "\n")
