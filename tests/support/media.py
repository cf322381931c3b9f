"""Where the test pictures and clips are: other people's work, so no part of this project.

Tests that need them are skipped where they are absent.
"""

import os
from pathlib import Path

MEDIA = Path(os.environ.get("PIAPP_TEST_MEDIA") or Path(__file__).parents[3] / "shared" / "media")
"""The folder with `stills`, `clips` and `expected`: `$PIAPP_TEST_MEDIA`, or `shared/media` beside the checkout."""
