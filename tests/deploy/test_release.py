"""What a release consists of, besides the packages: checksums that fit, a parts list, notes."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]

slow = pytest.mark.skipif(not os.environ.get("PIAPP_TEST_PACKAGES"), reason="slow: `make test-packages` runs it")


def test_the_parts_list_names_every_locked_package():
    """As CycloneDX wants it: a type, a name, a version and an address for each, and the same bytes each time."""
    lock = (PROJECT / "deploy" / "requirements.txt").read_text()
    make = runpy.run_path(str(PROJECT / "deploy" / "python" / "sbom.py"))["document"]
    made = make(lock, "1.2.3")
    assert make(lock, "1.2.3") == made
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.5")
    assert made["metadata"]["component"]["version"] == "1.2.3"
    locked = re.findall(r"^([a-z0-9-]+)==([^ ;]+)", lock, re.MULTILINE)
    assert [(part["name"], part["version"]) for part in made["components"]] == locked
    references = [part["bom-ref"] for part in made["components"]]
    assert len(set(references)) == len(references)
    assert all(part["properties"] for part in made["components"])


def test_the_workflows_run_nothing_that_can_change_under_them():
    """Each action by the hash of its commit, and a release only for the tag that names the program's version."""
    workflows = {path.stem: yaml.safe_load(path.read_text()) for path in (PROJECT / ".github" / "workflows").glob("*")}
    assert set(workflows) == {"ci", "release"}
    steps = [step for flow in workflows.values() for job in flow["jobs"].values() for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    assert actions
    assert [action for action in actions if not re.fullmatch(r"[a-z-]+/[a-z-]+@[0-9a-f]{40}", action)] == []
    check = next(step["run"] for step in steps if step.get("name") == "The tag names the version of the program")
    version = re.search(r'^__version__ = "(.+)"$', (PROJECT / "piapp" / "__init__.py").read_text(), re.MULTILINE)[1]
    for tag, fits in ((f"v{version}", True), ("v98.0.0", False), (version, False)):
        done = subprocess.run(
            ["bash", "-ec", check], cwd=PROJECT, env=os.environ | {"GITHUB_REF_NAME": tag}, check=False
        )
        assert (done.returncode == 0) == fits


@slow
@pytest.mark.timeout(900)
def test_a_release_is_the_same_twice_and_its_checksums_fit(tmp_path):
    """The script compares two builds itself and would fail."""
    out = tmp_path / "release"
    subprocess.run([PROJECT / "deploy" / "release.sh", "--python-only", "--output", out], check=True)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=out, check=True)
    assert json.loads(next(out.glob("*.cdx.json")).read_text())["components"]
    assert (out / "NOTES.md").read_text().startswith("## ")
    again = subprocess.run(
        [PROJECT / "deploy" / "release.sh", "--output", out], capture_output=True, text=True, check=False
    )
    assert (again.returncode, "is not empty" in again.stderr) == (1, True)
