"""A network camera made of GStreamer's RTSP server, to be killed, frozen and started again; and films for it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from piapp.camera.source import demo_clip
from tests.mosquitto import free_port, wait_until

PROGRAM = Path(__file__).with_name("rtsp_server.py")
# Debian's GStreamer belongs to Debian's Python.
PYTHON = "/usr/bin/python3"
# Frames a second of the bundled clip, and of the large film.
FPS = 15
FPS_4K = 25

# Of a frame's number.
BITS = 10
BIT_PX = 120

PACKAGES = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"


def missing() -> str:
    """What is missing for such a camera, with the way out; empty when it can be had."""
    if shutil.which("ffmpeg") is None:
        return "ffmpeg is not installed: apt-get install ffmpeg"
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    done = subprocess.run([PYTHON, "-W", "ignore", "-c", probe], capture_output=True, check=False)
    return f"GStreamer's RTSP server is not installed: apt-get install {PACKAGES}" if done.returncode else ""


class RtspCamera:
    """Plays a film once, from its start on; who joins later sees what is on then."""

    def __init__(self, film: Path, *, codec: str = "h264", transport: str = "tcp") -> None:
        self.port = free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/live"
        self._command = [
            *(PYTHON, "-W", "ignore", str(PROGRAM), str(film), "--port", str(self.port)),
            *("--codec", codec, "--transport", transport),
        ]
        self._log = film.with_name(f"camera-{self.port}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it; it listens when this returns."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stdin=subprocess.DEVNULL)
        wait_until(self._listens, "the camera to listen")
        return self

    @property
    def began_s(self) -> float:
        """When the film began, since the last start, by the wall clock."""
        wait_until(self._log.read_text, "the film to begin")
        return float(json.loads(self._log.read_text().splitlines()[-1])["began"])

    def kill(self) -> None:
        """Take its power away."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Hang it: connections stay, nothing comes."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        # Without connecting, which would count as a viewer of a server that serves few.
        listening = f":{self.port:04X} 00000000:0000 0A"
        return listening in Path("/proc/net/tcp").read_text()


def film(path: Path, filters: str, *, gop: int = 2 * FPS) -> Path:
    """Make a film of the bundled clip: H.264 in two slices and without B-frames, as cameras send it.

    Args:
        path: Of the MP4 file to write.
        filters: Of ffmpeg, for the picture.
        gop: Frames from one key frame to the next.
    """
    coder = ("libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-x264-params", "slices=2:scenecut=0")
    return _encoded(path, filters, *coder, "-g", str(gop))


def standing(seconds: int) -> str:
    """Filters of ffmpeg: somebody stands there for so long, multiples of 2 s."""
    return f"trim=4.5:6.5,setpts=PTS-STARTPTS,loop=loop={seconds // 2 - 1}:size={2 * FPS},fps={FPS}"


# Somebody stands for 20 s, lies down with care (the clip's getting up, backwards), and stays there.
LYING_DOWN = (
    f"split=2[a][b];[a]{standing(20)}[stands];"
    f"[b]trim=18:23.5,setpts=PTS-STARTPTS,reverse,tpad=stop={6 * FPS}:stop_mode=clone,fps={FPS}[lies];"
    "[stands][lies]concat"
)


def numbered_4k(path: Path, *, seconds: int) -> Path:
    """Make a film in H.265, 3840x2160 with sensor noise, whose frames have their number on top (see `number_of`)."""
    bit = "drawbox=x={x}:y=0:w={w}:h={w}:c=white:t=fill:enable='mod(floor((t*{fps}+0.5)/{value})\\,2)'"
    boxes = [bit.format(x=n * BIT_PX, w=BIT_PX, value=1 << n, fps=FPS_4K) for n in range(BITS)]
    strip = f"drawbox=x=0:y=0:w={BITS * BIT_PX}:h={BIT_PX}:c=black:t=fill"
    picture = f"fps={FPS_4K},scale=3840:2160,setsar=1,noise=alls=6:allf=t"
    # One slice and no wavefronts, so that no second core helps.
    x265 = f"keyint={2 * FPS_4K}:bframes=0:slices=1:wpp=0:log-level=error"
    coder = ("libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-crf", "30", "-x265-params", x265)
    return _encoded(path, ",".join([standing(seconds), picture, strip, *boxes]), *coder)


def number_of(image: npt.NDArray[np.uint8]) -> int:
    """Read the number of a frame of `numbered_4k` from a grey picture of any size."""
    scale = image.shape[1] / 3840
    middles = (int((n + 0.5) * BIT_PX * scale) for n in range(BITS))
    return sum(1 << n for n, x in enumerate(middles) if image[int(BIT_PX * scale / 2), x] > 128)


def _encoded(path: Path, filters: str, *coder: str) -> Path:
    command = ["ffmpeg", "-v", "error", "-y", "-i", demo_clip(), "-vf", filters, "-pix_fmt", "yuv420p"]
    command += ["-c:v", *coder, "-movflags", "faststart", path]
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL)
    return path
