"""The bundle's two networks in LiteRT interpreters with XNNPACK; nothing here knows what their numbers mean."""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ai_edge_litert.interpreter import Interpreter

from piapp.errors import LandmarkerError, ModelError
from piapp.landmarker.litert.precision import with_half_precision
from piapp.landmarker.litert.unnamed_file import FOLDER, UnnamedFile
from piapp.types import FloatArray

# As in `bundle`, which imports more than an inference needs.
DETECTOR_ENTRY = "pose_detector.tflite"
LANDMARKS_ENTRY = "pose_landmarks_detector.tflite"


Model = bytes | UnnamedFile
"""A TFLite model: its bytes, or the file that they are in."""


_log = logging.getLogger(__name__)


class Network:
    """One TFLite model with a square picture as its input; used by one thread at a time.

    Args:
        model: The TFLite model, or the file that it is in, which is mapped.
        name: What messages call it.
        threads: How many threads share one inference.
        outputs: How many outputs the model must have.

    Attributes:
        size: Width and height of the input in pixels.

    Raises:
        ModelError: LiteRT cannot load the model, or it has another form.
    """

    def __init__(self, model: Model, name: str, *, threads: int, outputs: int) -> None:
        self._name = name
        source = {"model_content": model} if isinstance(model, bytes) else {"model_path": model}
        try:
            self._interpreter = Interpreter(**source, num_threads=threads)
            self._interpreter.allocate_tensors()
            self._interpreter.invoke()  # a network whose weights are missing fails here, not at the first frame
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{name}: LiteRT cannot load this model: {error}") from error
        (details,) = self._interpreter.get_input_details()
        found = self._interpreter.get_output_details()
        shape = [int(length) for length in details["shape"]]
        if len(found) != outputs or shape != [1, shape[1], shape[1], 3]:
            raise ModelError(
                f"{name}: has an input of shape {shape} and {len(found)} outputs; expected [1, n, n, 3] and {outputs}; "
                "take a Pose Landmarker bundle"
            )
        self._input = self._interpreter.tensor(details["index"])
        self._outputs = [self._interpreter.tensor(output["index"]) for output in found]
        self.size: int = shape[1]

    def fill(self, write: Callable[[FloatArray], None]) -> None:
        """Have the input written.

        Args:
            write: Writes it, (size, size, 3) float32, and keeps no reference to it: LiteRT refuses to run while anybody
                refers to its memory.
        """
        write(self._input()[0])

    def run(self) -> None:
        """Infer; blocks, with Python's lock released while the network computes.

        Raises:
            LandmarkerError: The inference failed.
        """
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise LandmarkerError(f"{self._name}: inference failed: {error}") from error

    def output(self, index: int) -> FloatArray:
        """A view of one output without its batch axis; valid, and to be let go, before the next `run`."""
        view: FloatArray = self._outputs[index]()[0]
        return view


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """A bundle's two TFLite models. Networks refer to them as long as they live, and any number can share them."""

    path: Path
    detector: Model
    landmarks: Model


def read_models(path: Path, *, half: bool = False) -> Models:
    """Read a bundle.

    Args:
        path: The bundle.
        half: Allow half precision, which networks then compute in where the processor can.

    Raises:
        ModelError: It cannot be read.
    """
    # Not `read_bundle`, which holds the whole file twice.
    try:
        with zipfile.ZipFile(path) as archive:
            return Models(path, *(_read_model(archive, name, half=half) for name in (DETECTOR_ENTRY, LANDMARKS_ENTRY)))
    except KeyError as error:
        raise ModelError(f"{path}: {error.args[0]}; expected {DETECTOR_ENTRY} and {LANDMARKS_ENTRY}") from error
    except zipfile.BadZipFile as error:
        raise ModelError(f"{path}: expected a bundle, which is a zip file: {error}") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _read_model(archive: zipfile.ZipFile, name: str, *, half: bool) -> Model:
    """One model of a bundle, in a file where the disk takes one."""
    if half:
        return _on_disk(io.BytesIO(with_half_precision(archive.read(name))))
    with archive.open(name) as stream:
        return _on_disk(stream)


def _on_disk(stream: IO[bytes]) -> Model:
    try:
        return UnnamedFile(stream)
    except OSError as error:
        _log.debug("%s: %s; the model stays in memory", FOLDER, error.strerror)
    stream.seek(0)
    return stream.read()


def open_networks(models: Models, threads: int) -> tuple[Network, Network]:
    """Networks of the (detector, landmark model).

    Raises:
        ModelError: LiteRT cannot load them, or they are other models.
    """
    return (
        Network(models.detector, f"{models.path}: {DETECTOR_ENTRY}", threads=threads, outputs=2),
        Network(models.landmarks, f"{models.path}: {LANDMARKS_ENTRY}", threads=threads, outputs=5),
    )
