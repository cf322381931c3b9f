import re
from collections import defaultdict
from pathlib import Path

import pytest

from piapp.offline.evaluate.manifest import read_manifest

ONE_ACTOR = {"upfall", "mat", "gmdcsa24"}


@pytest.fixture(scope="module")
def clips():
    return read_manifest(Path(__file__).parent / "manifest.json")


def test_every_clip_is_named_once_and_hashed(clips):
    """Two clips of one name or content would count twice."""
    assert len({clip.title for clip in clips}) == len(clips)
    assert len({clip.sha256 for clip in clips}) == len(clips)
    assert all(re.fullmatch(r"[0-9a-f]{64}", clip.sha256) for clip in clips)


def test_corner_holds_forty_falls(clips):
    """Its 71 clips show them from up to five cameras."""
    falls = [clip for clip in clips if clip.footage == "corner" and clip.fall]
    assert len(falls) == 71
    assert len({clip.group for clip in falls}) == 40
    assert all(
        clip.onset_s is not None and clip.impact_s is not None and clip.onset_s < clip.impact_s for clip in falls
    )


def test_no_fall_and_no_actor_is_in_both_parts(clips):
    """What was tuned on must not be checked on; sets of one actor are split by fall alone."""
    parts = defaultdict(set)
    for clip in clips:
        parts[clip.footage, "fall", clip.group].add(clip.split)
        if clip.actor and clip.footage not in ONE_ACTOR:
            parts[clip.footage, "actor", clip.actor].add(clip.split)
    assert [key for key, splits in parts.items() if len(splits) > 1] == []


def test_a_clip_that_shows_lying_down_on_purpose_shows_no_fall(clips):
    """They are the hardest calm clips, and are there."""
    on_purpose = [clip for clip in clips if clip.lies_down]
    assert len(on_purpose) >= 9
    assert not any(clip.fall for clip in on_purpose)
