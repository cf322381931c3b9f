"""The languages of the pages: none lacks a text, and each viewer gets theirs."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from piapp.preview.languages import LANGUAGES, chosen, rendered, texts
from tests.preview.conftest import Page

STATIC = resources.files("piapp.preview").joinpath("static")
SOURCES = {file.name: file.read_text() for file in STATIC.iterdir() if file.name.endswith((".js", ".html"))}

# Texts that pages name themselves; those of a group are chosen by what the node sends.
NAMED = re.compile(
    r'\{\{([a-z_.]+)\}\}|"((?:[a-z]+)\.[a-z_]+(?:\.[a-z_]+)*)"',
)
COUNTED = re.compile(r'counted\("([a-z_.]+)"')
GROUPED = re.compile(r"`([a-z_]+\.(?:[a-z_]+[._])?)\$\{")
# Strings of the same form that are no texts: files, and keys of the configuration.
OTHER = ("posture.f", "posture.r", "posture.i", "power.", "node.", "camera.", "landmarker.", "schedule.", "mqtt.")
NO_TEXTS = {"language", "part.head", "part.header", "part.footer", "part.live", "part.zone_fields"}


def used(pattern):
    """What the pages' sources name in this way."""
    found = (match for source in SOURCES.values() for match in pattern.findall(source))
    return {next(filter(None, match)) if isinstance(match, tuple) else match for match in found}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_missing(language):
    """Each language has the same texts with the same places for values; none is empty."""
    english, other = texts("en"), texts(language)
    assert list(other) == list(english)
    assert [key for key, text in other.items() if not text.strip()] == []
    places = {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in english.items()}
    assert {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in other.items()} == places


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_texts_are_translated(language):
    """Few are the same as in English: names, and words that both languages have."""
    english, other = texts("en"), texts(language)
    same = [key for key, text in other.items() if text == english[key] and re.search(r"[a-z]{3}", text)]
    assert len(same) < 0.1 * len(english), same


def test_pages_use_texts_that_there_are_and_all_of_them():
    """A key that nothing names is dead; one that is not there would be shown to people."""
    known = set(texts("en"))
    plurals = {f"{key}.{form}" for key in used(COUNTED) for form in ("one", "other")}
    named = {key for key in used(NAMED) - NO_TEXTS - used(COUNTED) if not key.startswith(OTHER)} | plurals
    assert named - known == set()
    groups = tuple(used(GROUPED))
    assert {key for key in known - named if not key.startswith(groups)} == set()


def test_no_page_has_text_of_its_own():
    """What stands between tags is a mark, but for the names of languages, the project's own, signs and numbers."""
    allowed = {"English", "Deutsch", "Français", "Español", "piapp", "piapp restore"}
    for name, source in SOURCES.items():
        if name.endswith(".html"):
            bare = re.sub(r"\{\{[a-z_.]+\}\}|<[^>]*>|<!--.*?-->", "\n", source)
            words = {word.strip() for word in bare.splitlines()}
            left = {word.strip(" \N{EN DASH}") for word in words} - allowed - {""}
            assert left == set(), name


@pytest.mark.parametrize(
    ("cookie", "accept", "language"),
    [
        ("", "", "en"),
        ("", "de-CH,de;q=0.9,en;q=0.8", "de"),
        ("", "it,es;q=0.5,fr;q=0.7", "fr"),
        ("", "it-IT", "en"),
        ("", "fr;q=0,es", "es"),
        ("", "de;q=many", "en"),
        ("es", "de", "es"),
        ("../en", "de", "de"),
    ],
)
def test_which_language_a_viewer_gets(cookie, accept, language):
    """What they have chosen, else what their browser asks for, else English."""
    assert chosen(cookie, accept) == language


def test_texts_in_a_page_cannot_be_markup():
    """A text is escaped; marks of parts are replaced first."""
    page = rendered("<html lang='{{language}}'>{{part.x}}", "de", {"part.x": "<a>{{nav.settings}}</a>"})
    assert page == "<html lang='de'><a>Einstellungen</a>"


def test_pages_come_in_the_language_of_their_viewer(serve):
    """As their browser asks, or by the cookie; the texts for scripts as well."""
    page: Page = serve()
    for headers, language, word in (
        ({"Accept__Language": "fr-FR,en;q=0.5"}, "fr", "Réglages"),
        ({"Accept__Language": "fr", "Cookie": "piapp_language=de"}, "de", "Einstellungen"),
        ({}, "en", "Settings"),
    ):
        body = page.ask("/settings", **headers).body.decode()
        assert f'<html lang="{language}">' in body
        assert f"<h1>{word}</h1>" in body
        assert "{{" not in body
        assert page.ask("/texts", **headers).document["settings.title"] == word
