"""Makes pictures worse in one way at a time, to see how far off, dark or blurred somebody may be. Pure."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from piapp.types import ImageArray

# Read-out noise of a small sensor at high gain, in grey levels.
_NOISE_LEVELS = 6.0


def shrink(image: ImageArray, factor: float) -> ImageArray:
    """The scene at this share of its size, in a picture of the same size with grey around it: somebody farther away."""
    height, width = image.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    canvas = np.full_like(image, round(float(image.mean())))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas


def darken(image: ImageArray, factor: float) -> ImageArray:
    """This share of the grey levels, with a sensor's noise; the same noise for the same picture."""
    noise = np.random.default_rng(int(image[::16, ::16].sum())).normal(0, _NOISE_LEVELS, image.shape)
    worse: ImageArray = (image * factor + noise).clip(0, 255).astype(np.uint8)
    return worse


def blur(image: ImageArray, factor: float) -> ImageArray:
    """Out of focus by this share of the picture's height (standard deviation)."""
    worse: ImageArray = cv2.GaussianBlur(image, (0, 0), max(1e-3, factor * image.shape[0]))
    return worse


def tilt(image: ImageArray, factor: float) -> ImageArray:
    """Turned by so many degrees about the middle, as by a camera that hangs askew."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), factor, 1.0)
    worse: ImageArray = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return worse


def fade(image: ImageArray, factor: float) -> ImageArray:
    """With this share of its colour: 0 is grey, as by infra-red light."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, np.newaxis].astype(np.float32)
    worse: ImageArray = (grey + (image - grey) * factor).clip(0, 255).round().astype(np.uint8)
    return worse


DEGRADATIONS: dict[str, Callable[[ImageArray, float], ImageArray]] = {
    "small": shrink,
    "dark": darken,
    "blurred": blur,
    "grey": fade,
    "askew": tilt,
}
