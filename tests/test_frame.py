"""The frame that tests and texts of this repository keep to."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).relative_to(ROOT).as_posix()

# Rooms whose modules only mean something together, and their tests.
ROOMS_TESTED_BY = {"bench/": "test_bench", "cli/": "cli/test_app"}

# Modules without a test file of their own, and the tests that run them. A line goes when the module gets its file.
TESTED_BY = {
    "__main__": "cli/test_app",  # `python -m piapp` is how those tests call it
    "camera/file": "camera/test_contract",  # one suite runs on every kind of camera
    "camera/files": "camera/test_images",
    "camera/opening": "camera/test_base",
    "camera/pictures": "camera/test_images",
    "camera/source": "camera/test_base",
    "camera/v4l2": "camera/test_base",
    "config/display": "config/test_sections",
    "config/layers": "config/test_sections",
    "config/load": "config/test_sections",
    "config/schema": "config/test_sections",
    "errors": "cli/test_app",  # names and exit codes
    "fleet/node": "fleet/test_simulate",
    "fleet/script": "fleet/test_simulate",
    "fleet/worker": "fleet/test_simulate",
    "landmarker/litert/numbers": "landmarker/litert/test_parity",  # bit for bit with MediaPipe
    "landmarker/litert/reader": "landmarker/litert/test_parity",
    "landmarker/litert/turn": "landmarker/litert/test_parity",
    "mqtt/client": "mqtt/test_publisher",  # against a real broker
    "mqtt/client_socket": "mqtt/test_publisher",
    "mqtt/connection": "mqtt/test_publisher",
    "mqtt/connection_loop": "mqtt/test_publisher",
    "mqtt/device": "mqtt/test_discovery",
    "mqtt/entities_node": "mqtt/test_discovery",
    "mqtt/entities_seen": "mqtt/test_discovery",
    "mqtt/event_queue": "mqtt/test_outbox",
    "mqtt/event_sender": "mqtt/test_outbox",
    "mqtt/failures": "mqtt/test_connection_failures",
    "mqtt/frame_limiter": "mqtt/test_outbox",
    "mqtt/frame_queue": "mqtt/test_outbox",
    "mqtt/incoming": "mqtt/test_commands",
    "mqtt/journal": "mqtt/test_spool",
    "mqtt/leaf_pages": "mqtt/test_spool",  # files with damaged first pages
    "mqtt/message": "mqtt/test_outbox",
    "mqtt/message_queue": "mqtt/test_outbox",
    "mqtt/properties": "mqtt/test_publisher",
    "mqtt/salvage": "mqtt/test_spool",
    "mqtt/spool_file": "mqtt/test_spool",  # every way in which a disk can fail
    "mqtt/subscriptions": "mqtt/test_publisher",
    "mqtt/wake": "mqtt/test_publisher",
    "node/cases_outlet": "e2e/test_alarm_chain",  # with the requests about what it has kept
    "node/announcer": "node/test_app",
    "node/assembly": "node/test_app",
    "node/control": "e2e/test_commands",  # requests to a running node
    "node/health_report": "node/test_app",
    "node/info": "node/test_app",
    "node/reporter": "node/test_app",
    "posture/down_watch": "posture/test_monitor",  # what a person's parts make together
    "posture/exercises": "posture/test_repetitions",
    "posture/finding": "posture/test_monitor",
    "posture/person": "posture/test_monitor",
    "posture/reading": "posture/test_monitor",
    "preview/answers": "preview/test_server",
    "preview/api": "preview/test_server",
    "preview/gate": "preview/test_access",
    "preview/messages": "preview/test_server",
    "preview/owner": "preview/test_server",  # what a node must have; the tests' own node has it
    "preview/pages": "preview/test_server",
    "preview/setup_gate": "preview/test_doorstep",
    "preview/viewer": "preview/test_connections",
    "preview/viewers": "preview/test_connections",
    "progress": "offline/test_detect",
    "testing/landmarker": "landmarker/test_live_contract",  # one suite on the fake and the real one
    "types": "mqtt/test_payload",  # values without behaviour
    "watch/listing": "watch/test_layout",
    "watch/one_node": "watch/test_layout",
    "watch/page": "watch/test_layout",
}

# Papers that are not in this repository; whoever reads a mention of them looks in vain.
ELSEWHERE = re.compile(r"CONTRACT|DESIGN\b|\bFACTS\b|STYLE\.md|FALLS\.md|MEDIA\.md|briefing")


def tracked(pattern):
    """Files of the repository that match a glob pattern, from its root."""
    listed = subprocess.run(["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("NOT TESTED: not a git repository")
    return [Path(line) for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def modules():
    """Each module of the package as `room/name`."""
    return [
        path.relative_to("piapp").with_suffix("").as_posix()
        for path in tracked("piapp/*.py")
        if path.name != "__init__.py"
    ]


def own_test(module):
    """Where a module's own tests are."""
    path = Path(module)
    return ROOT / "tests" / path.parent / f"test_{path.name}.py"


def test_each_module_has_its_test_file():
    """Same name, same place; exceptions name the file that tests them, and are removed when they are none any more."""
    rooms = tuple(ROOMS_TESTED_BY)
    alone = [module for module in modules() if not own_test(module).exists() and not module.startswith(rooms)]
    assert [module for module in alone if module not in TESTED_BY] == []
    assert [module for module in TESTED_BY if own_test(module).exists() or module not in modules()] == []
    assert [
        by for by in (*TESTED_BY.values(), *ROOMS_TESTED_BY.values()) if not (ROOT / "tests" / f"{by}.py").exists()
    ] == []


MAX_MODULE_LINES = 400
MAX_CLASS_LINES = 200


def test_modules_and_classes_stay_small():
    """What grows beyond these does more than one thing: it comes apart by what it owns."""
    large = []
    for path in tracked("piapp/*.py"):
        text = (ROOT / path).read_text()
        if len(text.splitlines()) > MAX_MODULE_LINES:
            large.append(f"{path}: {len(text.splitlines())} lines")
        for node in ast.walk(ast.parse(text)):
            lines = node.end_lineno - node.lineno + 1 if isinstance(node, ast.ClassDef) else 0
            if lines > MAX_CLASS_LINES:
                large.append(f"{path}: class {node.name} has {lines} lines")
    assert large == []


def test_no_test_reaches_into_another():
    """What tests share is in tests/support, a conftest or a module that is no test; nothing edits the import path."""
    for path in tracked("tests/*.py"):
        tree = ast.parse((ROOT / path).read_text())
        names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        assert not [name for name in names if re.search(r"(^|\.)test_", name)], path
        if path.as_posix() != HERE:
            assert "sys.path" not in (ROOT / path).read_text(), path


def test_nothing_names_a_paper_that_is_not_here():
    """Comments, docstrings, configuration and documents."""
    for path in tracked("*"):
        if path.as_posix() == HERE or path.suffix in {".npz", ".mp4", ".task", ".png", ".jpg", ".svg", ".txt"}:
            continue
        text = (ROOT / path).read_text(errors="replace").replace("PIAPP_FACTS", "")
        assert not ELSEWHERE.search(text), f"{path}: {ELSEWHERE.search(text)[0]}"


def test_what_tests_alone_use_is_not_in_the_package():
    """The fake libcamera stays with the tests; fakes that `piapp demo` or users need may ship."""
    assert not (ROOT / "piapp/testing/libcamera.py").exists()
