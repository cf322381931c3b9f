"""Sets the version of the next release wherever it stands: program, README, changelog, documents.

usage: version.py VERSION

The changelog's section of unreleased changes gets the version and today's date. Afterwards: look at `git diff`, run
`make test`, commit, `make release`, and tag the commit.
"""

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

PROJECT = Path(__file__).parents[1]

# Files with the text around the version that is theirs, `{}` for the version.
PLACES = {
    "piapp/__init__.py": ('__version__ = "{}"',),
    "README.md": ("piapp-node-{}-requirements.txt", "piapp-node-{}-constraints.txt", "piapp-node-{}-overrides.txt"),
    "docs/mqtt.md": ('"piapp": "{}"',),
    "docs/asyncapi.json": ('"version": "{}"',),
    "docs/examples/info.json": ('"piapp": "{}"',),
}
STABLE = {False: "Development Status :: 4 - Beta", True: "Development Status :: 5 - Production/Stable"}


def set_version(project: Path, version: str, date: str) -> None:
    """Write the version and the date of a release.

    Args:
        project: The working tree.
        version: Such as "1.2.3".
        date: Such as "2026-11-28".

    Raises:
        ValueError: It is no version of a release, not the next one, or there is nothing to release.
    """
    texts = {name: (project / name).read_text(encoding="utf-8") for name in (*PLACES, "CHANGELOG.md", "pyproject.toml")}
    old = re.findall(r'^__version__ = "(.+)"$', texts["piapp/__init__.py"], re.MULTILINE)[0]
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version):
        raise ValueError(f"{version}: expected MAJOR.MINOR.PATCH, such as 1.0.0")
    if _numbers(version) < _numbers(old):
        raise ValueError(f"{version}: is older than {old}, which stands in piapp/__init__.py")
    unreleased = f"## {old} (unreleased)"
    if texts["CHANGELOG.md"].count(unreleased) != 1:
        raise ValueError(f"CHANGELOG.md: expected one section '{unreleased}', which says what this release changes")
    for name, forms in PLACES.items():
        for form in forms:
            if form.format(old) not in texts[name]:
                raise ValueError(f"{name}: expected '{form.format(old)}' in it")
            texts[name] = texts[name].replace(form.format(old), form.format(version))
    texts["CHANGELOG.md"] = texts["CHANGELOG.md"].replace(unreleased, f"## {version} ({date})")
    texts["pyproject.toml"] = texts["pyproject.toml"].replace(STABLE[False], STABLE[_numbers(version) >= (1, 0, 0)])
    for name, text in texts.items():
        (project / name).write_text(text, encoding="utf-8")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


if __name__ == "__main__":
    try:
        set_version(PROJECT, sys.argv[1], datetime.now(UTC).date().isoformat())
    except ValueError as error:
        sys.exit(f"version: ERROR: {error}")
