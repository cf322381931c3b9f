"""A network camera made of GStreamer's RTSP server, to be killed, frozen and started again; and films for it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Self

from piapp.camera.source import demo_clip
from tests.mosquitto import free_port, wait_until

PROGRAM = Path(__file__).with_name("rtsp_server.py")
# Debian's GStreamer belongs to Debian's Python.
PYTHON = "/usr/bin/python3"
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


def film(path: Path, filters: str, *options: str) -> Path:
    """Make a film of the bundled clip: H.264 without B-frames, as cameras send it.

    Args:
        path: Of the MP4 file to write.
        filters: Of ffmpeg, for the picture.
        options: Of ffmpeg, for the encoder.
    """
    coder = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0", "-pix_fmt", "yuv420p")
    command = ["ffmpeg", "-v", "error", "-y", "-i", demo_clip(), "-vf", filters, *coder, *options]
    command += ["-movflags", "faststart", path]
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL)
    return path


def standing(seconds: int) -> str:
    """Filters of ffmpeg: somebody stands there for so long, multiples of 2 s."""
    return f"trim=4.5:6.5,setpts=PTS-STARTPTS,loop=loop={seconds // 2}:size=30,fps=15"


# Somebody stands, lies down with care (the clip's getting up, backwards), and stays there.
LYING_DOWN = (
    "split=2[a][b];"
    "[a]trim=4.5:6.5,setpts=PTS-STARTPTS,loop=loop=9:size=30,fps=15[stands];"
    "[b]trim=18:23.5,setpts=PTS-STARTPTS,reverse,tpad=stop=90:stop_mode=clone,fps=15[lies];"
    "[stands][lies]concat"
)
