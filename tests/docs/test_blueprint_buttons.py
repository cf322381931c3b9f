"""The README's buttons that import the blueprints into Home Assistant."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
BLUEPRINTS = ROOT / "deploy" / "homeassistant"

# As Home Assistant's `components/blueprint/importer.py` has it: what it turns into the file's own address.
GITHUB_FILE = re.compile(r"^https://github.com/(?P<repository>.+)/blob/(?P<path>.+)$")


@pytest.fixture(scope="module")
def render():
    """The names of docs/render.py, which is a program."""
    return runpy.run_path(str(ROOT / "docs" / "render.py"))


def test_each_blueprint_has_a_button_that_names_its_file(render):
    """The link is the one that my.home-assistant.io documents, and the file is there."""
    rows = render["blueprint_buttons"]("https://github.com/somebody/piapp").splitlines()[2:]
    files = []
    for row in rows:
        link = urlsplit(re.search(r"\]\((https://my\.home-assistant\.io/redirect/[^)]+)\)", row)[1])
        assert link.path == "/redirect/blueprint_import/"
        (file,) = parse_qs(link.query)["blueprint_url"]
        found = GITHUB_FILE.match(file)
        assert found["repository"] == "somebody/piapp"
        branch, _, path = found["path"].partition("/")
        assert branch == "main"
        files.append(ROOT / path)
    assert files == sorted(BLUEPRINTS.glob("*.yaml"))


def test_without_an_address_there_is_no_button(render):
    """No address is invented; the ways that need none are told, and the file that they name is there."""
    text = render["blueprint_buttons"]("")
    assert "my.home-assistant.io" not in text
    (name,) = re.findall(r":8000/(\w+\.yaml)", text)
    assert (BLUEPRINTS / name).exists()


def test_the_readme_has_what_follows_from_the_address(render):
    """Whoever sets the address in pyproject.toml and forgets the README is told."""
    readme = (ROOT / "README.md").read_text()
    assert f"\n\n{render['blueprint_buttons'](render['homepage']())}\n\n" in readme
