"""The Python package: what is in it, what its metadata says, and the documented commands that install it.

The commands of README are run as they stand there, in empty folders, by `make test-packages`; they download 200 MB.
"""

from __future__ import annotations

import email
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
VERSION = re.search(r'"(.+)"', (PROJECT / "piapp" / "__init__.py").read_text().splitlines()[-1])[1]

README = (PROJECT / "README.md").read_text()

slow = pytest.mark.skipif(not os.environ.get("PIAPP_TEST_PACKAGES"), reason="slow: `make test-packages` runs it")


def build(folder: Path, **environment: str) -> Path:
    """Build the package's files."""
    subprocess.run(
        [sys.executable, PROJECT / "deploy" / "python" / "build.py", folder],
        env=os.environ | environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's files, built once, for a project that is at home somewhere."""
    return build(tmp_path_factory.mktemp("built"), PIAPP_PROJECT_URL="https://git.example/piapp")


def wheel_of(folder: Path) -> Path:
    """The wheel."""
    return next(folder.glob("*.whl"))


def metadata_of(folder: Path) -> email.message.Message:
    """The wheel's metadata."""
    with zipfile.ZipFile(wheel_of(folder)) as wheel:
        return email.message_from_bytes(wheel.read(f"piapp_node-{VERSION}.dist-info/METADATA"))


def test_the_wheel_is_whole(built: Path) -> None:
    """Every file of the package that git knows is in it, and what the package reads at run time."""
    with zipfile.ZipFile(wheel_of(built)) as wheel:
        names = set(wheel.namelist())
    tracked = subprocess.run(["git", "ls-files", "piapp"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert set(tracked.stdout.split()) <= names
    assert {"piapp/models/models.json", "piapp/systemd/piapp.service", "piapp/py.typed"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests", "deploy"))]


def test_the_sdist_needs_nothing_else(built: Path) -> None:
    """The wheel was built from it; it has the licence and the changes too."""
    with tarfile.open(built / f"piapp_node-{VERSION}.tar.gz") as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "models/models.json"} <= names
    assert not [name for name in names if name.startswith("tests")]


def test_the_metadata_says_who_and_what(built: Path) -> None:
    """Licence, authors, addresses and classifiers, as an index shows them."""
    metadata = metadata_of(built)
    assert metadata["Name"] == "piapp-node"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Author"]
    assert "Homepage, https://git.example/piapp" in metadata.get_all("Project-URL")
    assert "Topic :: Home Automation" in metadata.get_all("Classifier")
    assert {"demo", "preview", "plot", "metrics", "pi", "backup"} == set(metadata.get_all("Provides-Extra"))


def test_the_description_leads_somewhere_from_anywhere(built: Path) -> None:
    """Pictures and links are absolute; where the project has no address there are none."""
    links = re.compile(r"\[[^]]*]\(([^)]+)\)")
    text = metadata_of(built).get_payload()
    assert f"https://git.example/piapp/raw/v{VERSION}/deploy/pictures/demo.jpg" in text
    assert not [link for link in links.findall(text) if not link.startswith("https://")]
    homeless = runpy.run_path(str(PROJECT / "deploy" / "python" / "metadata.py"))["description"](README, "", VERSION)
    assert not [link for link in links.findall(homeless) if not link.startswith("http")]


@slow
def test_the_same_source_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    """Twice built, equal files."""
    again = build(tmp_path, PIAPP_PROJECT_URL="https://git.example/piapp")
    names = sorted(path.name for path in built.iterdir())
    assert [(again / name).read_bytes() for name in names] == [(built / name).read_bytes() for name in names]


def test_the_requirements_hold_one_opencv_and_no_build_tools(built: Path) -> None:
    """What is installed with --no-deps must be whole, and each line must have its hash."""
    text = (built / f"piapp-node-{VERSION}-requirements.txt").read_text()
    names = re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)
    assert [name for name in names if "opencv" in name] == ["opencv-python-headless"]
    assert {"piapp-node", "mediapipe", "amqtt", "uvicorn", "cryptography"} <= set(names)
    assert not {"hatchling", "pathspec", "editables"} & set(names)
    assert all("--hash=" in block for block in re.split(r"\n(?=[a-z])", text)[1:])


def documented(tool: str) -> str:
    """The command of README's section that begins with a tool's name; its lines joined."""
    section = README.split("With pip, pipx or uv", 1)[1].split("\n## ", 1)[0]
    return re.search(rf"^(?:python3 -m venv .*?)?({tool} .*?)$", section.replace("\\\n", " "), re.MULTILINE)[0]


@slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("tool", ["pip", "pipx", "uv"])
def test_the_documented_commands_give_one_opencv_and_a_demo(built: Path, tmp_path: Path, tool: str) -> None:
    """In an empty home, with the release's files in the folder where the command runs."""
    if shutil.which(tool) is None:
        pytest.skip(f"NOT TESTED: {tool} is not installed")
    home = tmp_path / "home"
    folder = shutil.copytree(built, tmp_path / "release")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON"))}
    environment |= {"HOME": str(home), "PATH": f"{home}/.local/bin:{home}/piapp/bin:{os.environ['PATH']}"}
    home.mkdir()
    command = documented(tool)
    done = subprocess.run(
        ["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    def piapp(*arguments: str) -> str:
        found = shutil.which("piapp", path=environment["PATH"])
        assert Path(found).is_relative_to(home)
        return subprocess.run([found, *arguments], env=environment, capture_output=True, text=True, check=True).stdout

    assert "opencv-python-headless" in piapp("check", "opencv")
    assert "done" in piapp("demo")
