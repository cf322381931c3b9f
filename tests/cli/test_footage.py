import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clips import write_manifest

# Each command starts from nothing, and a machine that does something else besides takes its time for that.
pytestmark = pytest.mark.timeout(600)

RECORDINGS = Path(__file__).parents[1] / "recordings"


@pytest.fixture
def folder(tmp_path):
    """A manifest with the demo, which holds a fall, and a calm clip that is not there."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "room_demo.npz").write_bytes((RECORDINGS / "room_demo.npz").read_bytes())
    write_manifest(
        tmp_path / "manifest.json",
        {"name": "room_demo", "onset_s": 16.4, "impact_s": 17.1},
        {"name": "absent", "fall": False, "split": "check"},
    )
    return tmp_path


def piapp_evaluate(*arguments):
    command = [sys.executable, "-m", "piapp", "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_manifest_is_judged(folder):
    """Figures as JSON, a picture of the trade-off, and sheets to look at."""
    extras = ["--perturbed", 4, "--picture", folder / "curve.png", "--sheets", folder / "sheets"]
    run = piapp_evaluate(folder, "--manifest", folder / "manifest.json", "--json", *extras)
    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout)
    assert (figures["clips"], figures["absent"], figures["rate_hz"]) == (1, 1, 15.0)
    assert figures["total"]["falls"]["count"] == 1
    assert figures["total"]["flips"]["all"]["of"] == 4
    assert (folder / "curve.png").stat().st_size > 1000
    assert (folder / "sheets" / "home-1.png").stat().st_size > 1000


def test_people_get_tables(folder):
    """With the interval of each share."""
    run = piapp_evaluate(folder, "--manifest", folder / "manifest.json", "--split", "tune")
    assert "1 of 1 (21 to 100 %)" in run.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--perturbed", "2"], "need a --manifest"),
        (["--manifest", "manifest.json", "--degrade", "foggy=2"], "kinds are small, dark, blurred, grey, askew"),
        (["--manifest", "m.json", "--labels", "l.json"], "exclude each other"),
    ],
)
def test_options_that_do_not_go_together_are_refused(folder, options, message):
    """As wrong usage, with the reason."""
    run = piapp_evaluate(folder, *options)
    assert run.returncode == 2
    assert message in run.stderr


def test_a_folder_without_the_clips_is_an_error(folder):
    """The part of the manifest that is asked for may be absent as a whole."""
    run = piapp_evaluate(folder, "--manifest", folder / "manifest.json", "--split", "check")
    assert run.returncode != 0
    assert "holds none of the manifest's clips" in run.stderr
