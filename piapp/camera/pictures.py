"""Reads picture files. Owns colour order, orientation marks, and clear errors about files that are no pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from piapp.camera.files import check_file
from piapp.errors import MediaError
from piapp.types import ImageArray

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# ISO base media files by their brands; AVIF and HEIC are videos of one picture.
_AVIF = frozenset({b"avif", b"avis"})
_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


def to_rgb(bgr: ImageArray) -> ImageArray:
    """A (height, width, 3) uint8 picture in OpenCV's order B, G, R as a new C-contiguous array in R, G, B."""
    rgb: ImageArray = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


def read_image(path: str | Path) -> ImageArray:
    """Read a picture: 1, 3 or 4 channels (alpha is dropped), 8 or 16 bit, turned and mirrored as its marks say.

    JPEG, PNG, WebP, BMP, TIFF, AVIF, and HEIC where the package pillow-heif is installed.

    Returns:
        (height, width, 3) uint8, R, G, B, C-contiguous.

    Raises:
        CameraNotFoundError: There is no such file.
        MediaError: It is not a picture, or is cut off.
    """
    path = Path(path)
    check_file(path, "a picture")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error
    brands = _brands(data)
    if brands & _AVIF:
        return _read_avif(path)
    if brands & _HEIC:
        return _read_heic(path)
    if _is_cut_off_jpeg(data):
        raise MediaError(f"{path}: is a JPEG picture whose end is missing; copy it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise MediaError(f"{path}: cannot be decoded as a picture: {error.err}") from error
    if image is None:
        raise MediaError(
            f"{path}: is not a picture that can be decoded; expected a complete JPEG, PNG, WebP, BMP, TIFF, AVIF, HEIC"
        )
    return np.ascontiguousarray(image)


def _read_avif(path: Path) -> ImageArray:
    from piapp.camera.video import VideoFile  # noqa: PLC0415 - brings PyAV, which other pictures do without

    with VideoFile(path) as video:
        if video.grab() is None:
            raise MediaError(f"{path}: is an AVIF picture that is cut off or damaged; copy it again")
        return video.retrieve()


def _read_heic(path: Path) -> ImageArray:
    try:
        import pillow_heif  # noqa: PLC0415 - not installed with piapp
    except ImportError as error:
        raise MediaError(
            f"{path}: is a HEIC picture; install the package pillow-heif to read it, or convert it to JPEG"
        ) from error
    try:
        picture = pillow_heif.open_heif(path, convert_hdr_to_8bit=True)
        return np.ascontiguousarray(np.asarray(picture)[..., :3])
    except (ValueError, OSError, EOFError) as error:
        raise MediaError(f"{path}: is a HEIC picture that cannot be decoded: {error}") from error


def _brands(data: bytes) -> set[bytes]:
    """The brands of an ISO base media file, none for anything else."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4]), 256)
    return {data[8:12], *(data[place : place + 4] for place in range(16, end, 4))}


def _is_cut_off_jpeg(data: bytes) -> bool:
    """Whether the end marker is missing after the last scan; decoders fill the rest with grey and report nothing."""
    return data.startswith(b"\xff\xd8\xff") and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
