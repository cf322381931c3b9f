"""The error tree. Every error that a user can meet says what, where, why and the way out, and knows its exit code.

Owns nothing else: no logging, no formatting. `exit_code` is what the command line returns when the error ends it.
"""


class PiappError(Exception):
    """Root of all errors that piapp raises on purpose."""

    exit_code = 70


class ConfigError(PiappError, ValueError):
    """The configuration cannot be used; the message lists every problem found, one a line."""

    exit_code = 78


class UsageError(PiappError, ValueError):
    """A command was called in a way that it does not understand."""

    exit_code = 2


class CameraError(PiappError, RuntimeError):
    """A source of frames cannot be opened or has stopped giving frames."""

    exit_code = 69


class CameraNotFoundError(CameraError, FileNotFoundError):
    """There is no such camera, stream or file."""


class CameraBusyError(CameraError):
    """The camera exists and another program holds it."""


class CameraTimeoutError(CameraError, TimeoutError):
    """The camera gave no frame within its deadline."""


class MediaError(CameraError):
    """A file is there and is not a picture or video that can be read."""


class ModelError(PiappError, RuntimeError):
    """A model bundle is missing, altered or unusable."""

    exit_code = 69


class LandmarkerError(PiappError, RuntimeError):
    """The landmarker failed."""


class LandmarkerTimeoutError(LandmarkerError, TimeoutError):
    """The landmarker took frames and returned no result within its deadline."""


class PreviewError(PiappError, OSError):
    """The live page cannot be served at its address."""

    exit_code = 69


class BrokerError(PiappError, ConnectionError):
    """A broker that must be there cannot be reached or refuses the connection."""

    exit_code = 69
