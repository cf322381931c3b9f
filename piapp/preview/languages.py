"""The languages of the pages: which one a viewer gets, and pages with its texts in them.

Texts are in `languages/LANGUAGE.json`, one file a language; English is the one that all others translate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from importlib import resources

import msgspec

LANGUAGES = ("en", "de", "fr", "es")

COOKIE = "piapp_language"

_MARK = re.compile(r"\{\{([a-z_.]+)\}\}")


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: str) -> Mapping[str, str]:
    """All texts of a language by key."""
    file = resources.files("piapp.preview").joinpath("languages", f"{language}.json")
    return msgspec.json.decode(file.read_bytes(), type=dict[str, str])


def chosen(cookie: str, accept: str) -> str:
    """The language for a viewer.

    Args:
        cookie: What they have chosen on a page; empty where they have not.
        accept: Their browser's Accept-Language header.
    """
    if cookie in LANGUAGES:
        return cookie
    wanted = sorted((_weighed(part) for part in accept.split(",")), key=lambda pair: -pair[1])
    return next((name for name, weight in wanted if weight > 0 and name in LANGUAGES), LANGUAGES[0])


def rendered(page: str, language: str, parts: Mapping[str, str]) -> str:
    """A page with the texts of a language in place of its marks, such as `{{live.title}}`.

    Args:
        page: HTML with marks.
        language: One of `LANGUAGES`.
        parts: HTML that several pages share, by the name of its mark; may itself have marks of texts.
    """
    known = texts(language)
    known_parts = {**parts, "language": language}
    whole = _MARK.sub(lambda mark: known_parts.get(mark[1], mark[0]), page)
    return _MARK.sub(lambda mark: escape(known[mark[1]]), whole)


def _weighed(part: str) -> tuple[str, float]:
    """A language of the header, without its region, and how much it is wanted."""
    name, _, weight = part.partition(";q=")
    try:
        return name.strip().partition("-")[0].lower(), float(weight) if weight else 1.0
    except ValueError:
        return "", 0.0
