"""Writes the parts of the package's metadata that depend on where the project is at home: README and addresses.

An index shows README away from its repository, where relative links lead nowhere. The variable PIAPP_PROJECT_URL names
the repository's page. Without it the description has no pictures, links become plain text, and there are no addresses.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(r"!\[([^]]*)]\((?!https?:)([^)]+)\)\n*")
_LINK = re.compile(r"(?<!!)\[([^]]*)]\((?!https?:|#)([^)]+)\)")
_WITHIN = re.compile(r"(?<!!)\[([^]]*)]\(#[^)]*\)")  # an index's page has other places


class CustomMetadataHook(MetadataHookInterface):
    """What pyproject.toml lists under `dynamic`, besides the version."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `readme` and `urls`."""
        url = os.environ.get("PIAPP_PROJECT_URL", "").rstrip("/")
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        version = _version(Path(self.root) / "piapp" / "__init__.py")
        metadata["readme"] = {"content-type": "text/markdown", "text": description(readme, url, version)}
        metadata["urls"] = urls(url)


def description(readme: str, url: str, version: str) -> str:
    """README with links that lead somewhere from anywhere.

    Args:
        readme: Its Markdown.
        url: The repository's page; empty when there is none.
        version: Names the tag whose files are linked.
    """
    readme = _WITHIN.sub(r"\1", readme)
    if not url:
        return _LINK.sub(r"\1", _PICTURE.sub("", readme))
    pictures = _PICTURE.sub(rf"![\1]({url}/raw/v{version}/\2)\n\n", readme)
    return _LINK.sub(rf"[\1]({url}/blob/v{version}/\2)", pictures)


def urls(url: str) -> dict[str, str]:
    """The addresses of the project."""
    if not url:
        return {}
    return {
        "Homepage": url,
        "Changelog": f"{url}/blob/main/CHANGELOG.md",
        "Documentation": f"{url}/tree/main/docs",
        "Issues": f"{url}/issues",
    }


def _version(file: Path) -> str:
    found = re.search(r'^__version__ = "(.+)"$', file.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise ValueError(f'{file}: has no line __version__ = "..."')
    return found[1]
