"""What is said when an optional package is missing, in a process that has it not."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from piapp.errors import ConfigError
from piapp.extras import extra
from tests.e2e.node import piapp

PROJECT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("package", "command", "name"),
    [
        ("amqtt", ["demo"], "demo"),
        ("matplotlib", ["plot", "a.npz", "-o", "a.png"], "plot"),
        ("uvicorn", ["run", "--source", "demo:", "--set", "preview.enabled=true"], "preview"),
        (
            "prometheus_client",
            ["run", "--source", "demo:", "--set", "health.prometheus_bind=127.0.0.1:9464"],
            "metrics",
        ),
    ],
)
def test_each_command_names_its_extra(tmp_path, package, command, name):
    """One line with the way out, and no word of an internal error."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\n\nsys.modules[{package!r}] = None  # as if it were missing\n"
    )
    done = piapp(*command, PYTHONPATH=f"{tmp_path}:{PROJECT}")
    assert f"install piapp-node[{name}]" in done.stderr
    assert "internal error" not in done.stderr
    assert done.returncode in (2, 78)


def test_a_mistake_of_ours_is_no_missing_package():
    """An import of a module of piapp's own that is not there stays the defect that it is."""
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), extra("demo", "a test", error=ConfigError):
        importlib.import_module("piapp.no_such_module")
