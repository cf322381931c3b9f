"""Which model bundle runs: the one that is named, or for `landmarker.model = "auto"` the larger that is fast enough.

Owns that measurement, on frames of the bundled clip. Does not own where bundles are (`landmarker.model`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import quantiles

from piapp.camera.source import demo_clip
from piapp.config.sections import LandmarkerConfig
from piapp.errors import ModelError
from piapp.landmarker.model import ModelFile, find_model
from piapp.landmarker.offline import OfflineStage

AUTO = "auto"
_LARGE, _SMALL = "full", "lite"

# The large model must need no more than this for a frame with one person: 15 frames a second are 67 ms each, of which a
# third is left for everything else, for heat and for frames in which somebody is searched for.
MAX_FRAME_MS = 45.0
# Frames of the clip in which somebody walks about, and how many of the first are not measured: models load lazily.
_FIRST, _COUNT, _WARM_UP = 60, 20, 5

log = logging.getLogger(__name__)


def choose_model(
    config: LandmarkerConfig, *, masks: bool, measure: Callable[[LandmarkerConfig, Path], float] | None = None
) -> ModelFile:
    """The verified bundle to run; for "auto" this blocks for a second or two, while the large model is measured.

    Args:
        config: Which model is wanted, and how it is run.
        masks: Whether segmentation masks are asked for.
        measure: Gives the milliseconds that a model needs for a frame; None measures.

    Raises:
        ModelError: The bundle is missing, truncated or altered.
    """
    if config.model != AUTO:
        return find_model(config.model, masks=masks)
    try:
        large = find_model(_LARGE, masks=masks)
    except ModelError as error:
        log.info('landmarker.model = "auto": %s is chosen, because %s cannot be used: %s', _SMALL, _LARGE, error)
        return find_model(_SMALL, masks=masks)
    needed_ms = (measure or frame_ms)(config, large.path)
    fast_enough = needed_ms <= MAX_FRAME_MS
    chosen = large if fast_enough else find_model(_SMALL, masks=masks)
    log.info(
        'landmarker.model = "auto": %s is chosen; %s needs %.0f ms a frame here, and may need %.0f',
        chosen.name,
        _LARGE,
        needed_ms,
        MAX_FRAME_MS,
    )
    return chosen


def frame_ms(config: LandmarkerConfig, model: Path) -> float:
    """Milliseconds that a model needs for a frame with one person, in one landmarker.

    The lower quartile, since a machine that is starting has other things to do in between.
    """
    from piapp.camera.video import VideoFile  # noqa: PLC0415 - a node measures once, and needs no decoder after that

    with VideoFile(demo_clip()) as video:
        frames = list(islice(video.frames(), _FIRST, _FIRST + _COUNT))
    needed_ms = []
    with OfflineStage(config, model, video=True) as stage:
        for ts_ms, image in frames:
            started_s = time.perf_counter()
            stage.detect(image, ts_ms)
            needed_ms.append((time.perf_counter() - started_s) * 1000)
    return quantiles(needed_ms[_WARM_UP:])[0]
