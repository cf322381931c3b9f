"""The program that renders the README's pictures."""

from __future__ import annotations

import importlib.util
from pathlib import Path

RENDER = Path(__file__).parents[2] / "deploy" / "pictures" / "render.py"


def test_what_renders_the_pictures_finds_the_parts_that_it_uses():
    """Rendering takes minutes and a browser; a name that is gone shows at once."""
    spec = importlib.util.spec_from_file_location("render", RENDER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(module.main)
