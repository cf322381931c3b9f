"""Which pictures the page may show, and until when."""

from __future__ import annotations

import pytest

from piapp.preview.pictures import CONSENT_S, PictureRules


class Clock:
    """Seconds, set by hand."""

    now_s = 1000.0

    def __call__(self):
        """The time."""
        return self.now_s


@pytest.mark.parametrize(
    ("mode", "always", "edges", "photo"),
    [
        ("off", False, False, False),
        ("edges", False, True, False),
        ("consent", False, True, False),
        ("off", True, False, True),
        ("edges", True, True, True),
    ],
)
def test_what_may_be_shown_without_consent(mode, always, edges, photo):
    """Edges where they are wanted; the picture only where it is published anyway."""
    rules = PictureRules(mode, always=always, clock=Clock())
    assert (rules.allows("edges"), rules.allows("photo")) == (edges, photo)


def test_a_consent_ends_by_itself():
    """After ten minutes; the page is told how long it still lasts."""
    clock = Clock()
    rules = PictureRules("consent", always=False, clock=clock)
    assert rules.described() == {"pictures": ["edges"], "consent": {"asked": True, "left_s": 0}}
    assert rules.consent(shown=True)
    clock.now_s += CONSENT_S - 1
    assert rules.described() == {"pictures": ["edges", "photo"], "consent": {"asked": True, "left_s": 1}}
    clock.now_s += 1
    assert not rules.allows("photo")


def test_a_consent_can_be_taken_back():
    """At once."""
    rules = PictureRules("consent", always=False, clock=Clock())
    rules.consent(shown=True)
    assert rules.consent(shown=False)
    assert not rules.allows("photo")


@pytest.mark.parametrize("mode", ["off", "edges"])
def test_only_the_file_lets_anybody_agree(mode):
    """Elsewhere a consent does nothing."""
    rules = PictureRules(mode, always=False, clock=Clock())
    assert not rules.consent(shown=True)
    assert not rules.allows("photo")
