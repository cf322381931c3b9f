"""What a live page can be asked for. Importing this loads what serves it."""

from __future__ import annotations

from starlette.routing import Route

from piapp.preview.pages import Pages
from tests.preview.conftest import FakeOwner


def addresses() -> list[tuple[str, str]]:
    """(Method, path) of every route that a page has, with each name that the tests' node knows."""
    routes = Pages(None, FakeOwner(), None, None, None).application().routes
    assert all(isinstance(route, Route) for route in routes)
    pairs = [(method, route.path) for route in routes for method in sorted(route.methods)]
    names = ("note", "file", "echo", "upload")
    return sorted({(method, path.replace("{name}", name)) for method, path in pairs for name in names})
