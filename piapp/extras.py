"""Optional packages: what to say when a feature needs one that is not installed.

Owns the distribution's name on a package index, which differs from the name that is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from piapp.errors import ConfigError, PiappError, UsageError

# `piapp` is taken by another project: an index does not tell letters from digits that look like them.
DISTRIBUTION = "piapp-node"


@contextmanager
def optional(feature: str, way_out: str, *, error: type[PiappError] = UsageError) -> Iterator[None]:
    """Import optional packages inside of this; one that cannot be imported raises an error that names the way out.

    Args:
        feature: What needs them; begins the message.
        way_out: What to do; ends the message.
        error: What is raised.
    """
    try:
        yield
    except ImportError as missing:
        if (missing.name or "").partition(".")[0] == "piapp":
            raise
        raise error(f"{feature} needs a package that is not installed ({missing}); {way_out}") from missing


def extra(name: str, feature: str, *, error: type[PiappError] = UsageError) -> AbstractContextManager[None]:
    """The same for packages that an extra of pyproject.toml brings."""
    way_out = f"install {DISTRIBUTION}[{name}], as README says under 'With pip, pipx or uv'"
    return optional(feature, way_out, error=error)


def mediapipe(feature: str) -> AbstractContextManager[None]:
    """The same for MediaPipe, which boards that cannot run it are spared."""
    way_out = "install mediapipe (on Debian: apt-get install piapp-mediapipe)"
    return optional(feature, f'{way_out}, or set landmarker.runtime = "litert"', error=ConfigError)
