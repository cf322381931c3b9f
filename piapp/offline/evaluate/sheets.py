"""Contact sheets: random frames with their skeletons, for judging by eye whether a pose is on the person.

Of each clip some frames are kept; those in which a search brought a pose back are preferred, and have a red edge.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from piapp.draw import EMPTY, OutputError, photo_picture, skeleton_picture, write_image
from piapp.offline.evaluate.manifest import Clip
from piapp.types import ImageArray, PoseResult

_COLUMNS, _ROWS, _SHEETS = 5, 4, 3
_TILES = _COLUMNS * _ROWS * _SHEETS
_TEXT_SCALE = 0.45
_TILE_WIDTH, _TILE_HEIGHT = 384, 288
_EDGE_PX = 4
_RED, _WHITE = (220, 30, 30), (255, 255, 255)


@dataclass(frozen=True, slots=True, eq=False)
class _Tile:
    luck: float
    reacquired: bool
    image: ImageArray


class Sheets:
    """Collects frames of one set of clips after another, and writes them as `SET-1.png`, `SET-2.png`, `SET-3.png`.

    Args:
        folder: Where to; made when it is not there.
        seed: Of the choice of frames.

    Raises:
        OutputError: The folder cannot be made.
    """

    def __init__(self, folder: Path, seed: int = 0) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
        self._folder = folder
        self._random = random.Random(seed)  # noqa: S311 - a choice of pictures, no secret
        self._tiles: dict[str, list[_Tile]] = {}  # at most _TILES of each set: the luckiest stay

    def offer(self, clip: Clip, image: ImageArray | None, result: PoseResult) -> None:
        """Keep the frame when it is among the chosen of its set; frames without a pose are passed over."""
        if not result.poses:
            return
        reacquired = any(getattr(pose, "found", "tracked") == "reacquired" for pose in result.poses)
        luck = self._random.random() + reacquired
        tiles = self._tiles.setdefault(clip.footage, [])
        if len(tiles) == _TILES:
            least = min(tiles, key=lambda tile: tile.luck)
            if least.luck >= luck:
                return
            tiles.remove(least)
        tiles.append(_Tile(luck, reacquired, _draw(clip, image, result, reacquired=reacquired)))

    def write(self) -> list[Path]:
        """Write the sheets of each set; return their paths.

        Raises:
            OutputError: A sheet cannot be written.
        """
        paths = []
        for footage, tiles in self._tiles.items():
            for start in range(0, len(tiles), _COLUMNS * _ROWS):
                part = tiles[start : start + _COLUMNS * _ROWS]
                paths.append(self._folder / f"{footage}-{start // (_COLUMNS * _ROWS) + 1}.png")
                write_image(paths[-1], _sheet([tile.image for tile in part]))
        return paths


def _draw(clip: Clip, image: ImageArray | None, result: PoseResult, *, reacquired: bool) -> ImageArray:
    drawn = skeleton_picture(result.size, result.poses) if image is None else photo_picture(image, result.poses)
    height, width = drawn.shape[:2]
    scale = min(_TILE_WIDTH / width, _TILE_HEIGHT / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    tile = np.full((_TILE_HEIGHT, _TILE_WIDTH, 3), EMPTY, np.uint8)
    tile[: size[1], : size[0]] = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    if reacquired:
        cv2.rectangle(tile, (0, 0), (size[0] - 1, size[1] - 1), _RED, _EDGE_PX)
    title = f"{clip.name} {result.ts_ms / 1000:.2f} s"
    cv2.putText(tile, title, (8, _TILE_HEIGHT - 8), cv2.FONT_HERSHEY_SIMPLEX, _TEXT_SCALE, _WHITE, 1, cv2.LINE_AA)
    return tile


def _sheet(tiles: list[ImageArray]) -> ImageArray:
    empty = np.full((_TILE_HEIGHT, _TILE_WIDTH, 3), EMPTY, np.uint8)
    rows = [tiles[start : start + _COLUMNS] for start in range(0, len(tiles), _COLUMNS)]
    filled = [np.hstack(row + [empty] * (_COLUMNS - len(row))) for row in rows]
    sheet: ImageArray = np.vstack(filled)
    return sheet
