"""Cameras, small media files and an RTSP server for the tests of this folder."""

from __future__ import annotations

import base64
import contextlib
import gc
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from piapp.config.load import default_config


@pytest.fixture
def config():
    """A maker of `[camera]` sections: the shipped defaults but for what is named."""
    defaults = default_config().camera

    def make(source="picamera2:", **changes):
        return msgspec.convert(msgspec.to_builtins(defaults) | {"source": source} | changes, type(defaults))

    return make


@pytest.fixture
def wait_for():
    """Wait until a condition holds; fails after a generous deadline."""

    def wait(condition, what="the condition", timeout_s=20.0):
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not come true in {timeout_s} s")
            time.sleep(0.005)

    return wait


@pytest.fixture
def make_video(tmp_path):
    """Write a clip whose frame n is grey n * 10 (left half red), and return its path."""

    def make(name="clip.mp4", count=8, fps=20.0, size=(64, 48)):
        path = tmp_path / name
        fourcc = cv2.VideoWriter_fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
        writer = cv2.VideoWriter(str(path), fourcc, fps, size)
        assert writer.isOpened()
        for number in range(count):
            picture = np.full((size[1], size[0], 3), number * 10 % 256, np.uint8)
            picture[:, : size[0] // 2] = (0, 0, 220)
            writer.write(picture)
        writer.release()
        return path

    return make


@pytest.fixture
def no_leaks(wait_for):
    """Fail if the test leaves threads or descriptors behind."""
    gc.collect()
    threads, descriptors = set(threading.enumerate()), _descriptors()
    yield

    def clean():
        gc.collect()
        return set(threading.enumerate()) <= threads and len(_descriptors()) <= len(descriptors)

    with contextlib.suppress(pytest.fail.Exception):
        wait_for(clean)
    assert set(threading.enumerate()) <= threads
    assert sorted(_descriptors().values()) == sorted(descriptors.values())


def _descriptors():
    found = {}
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[link.name] = str(link.readlink()).split(":")[0]
    return found


# Of H.264 in RTP: a slice of a key frame, and a part of something longer.
NAL_KEY = 5
NAL_FRAGMENT = 28


class RtspServer:
    """Serves one client at a time a red H.264 picture: RTP made by ffmpeg, carried inside the RTSP connection.

    `stalled` loses what is sent meanwhile; `held` keeps it back, as a network does, and sends it at once afterwards;
    `refusing` wants a login.

    Args:
        sdp_file: Where ffmpeg writes the session's description.
        key_frames_every: So many frames.
        udp: Send in datagrams alone, as some cameras do.
        slices: Of each picture. With several, parameters are repeated in front of each slice of a key frame.
    """

    def __init__(self, sdp_file, *, key_frames_every=5, udp=False, slices=1):
        self.refusing = threading.Event()
        self.connections = 0
        self._udp = udp
        self._repeats = slices > 1
        self._sequence = 0
        self.held = threading.Event()
        self.stalled = threading.Event()
        self.ended = threading.Event()
        self._sdp_file = sdp_file
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.bind(("127.0.0.1", 0))
        self._rtp.settimeout(0.1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/live"
        self._closing = threading.Event()
        self._ffmpeg = subprocess.Popen(
            [
                *("ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "color=red:size=320x240:rate=20"),
                *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"),
                *("-g", str(key_frames_every)),
                *("-vf", f"noise=alls={30 if self._repeats else 0}", "-pix_fmt", "yuv420p", "-sdp_file", str(sdp_file)),
                *("-x264-params", f"repeat-headers=1:slices={slices}", "-flags", "+global_header"),
                *("-f", "rtp", f"rtp://127.0.0.1:{self._rtp.getsockname()[1]}?pkt_size=1200"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        self._sdp()  # whoever connects is answered at once
        self._thread = threading.Thread(target=self._run, name="rtsp-server")
        self._thread.start()

    def close(self):
        """End the server and its ffmpeg."""
        self._closing.set()
        self._ffmpeg.kill()
        self._ffmpeg.wait()
        self._thread.join()
        self._listener.close()
        self._rtp.close()

    def _run(self):
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError, ConnectionError):
                connection, _ = self._listener.accept()
                self.connections += 1
                with connection:
                    connection.settimeout(5)
                    self._serve(connection)

    def _serve(self, connection):
        reader = connection.makefile("rb")
        while request := self._request(reader):
            method, headers = request
            self._answer(connection, method, headers)
            if method == "PLAY":
                self._play(connection)
                return

    @staticmethod
    def _request(reader):
        lines = []
        while (line := reader.readline().decode().strip()) or not lines:
            if not line:
                return None
            lines.append(line)
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])}
        return lines[0].split()[0], headers

    def _answer(self, connection, method, asked):
        status, headers, body = "200 OK", {}, b""
        if method == "OPTIONS":
            headers["Public"] = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"
        if method == "DESCRIBE":
            body = self._sdp()
            headers |= {"Content-Type": "application/sdp", "Content-Base": self.url + "/"}
        if method == "SETUP":
            headers |= {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1", "Session": "1"}
        if method == "SETUP" and self._udp:
            port = asked["transport"].partition("client_port=")[2].partition("-")[0]
            status = "200 OK" if port else "461 Unsupported Transport"
            self._viewer = ("127.0.0.1", int(port or 0))
            headers["Transport"] = f"RTP/AVP;unicast;client_port={port}-{int(port or 0) + 1};server_port=6970-6971"
        if self.refusing.is_set():
            status, headers["WWW-Authenticate"] = "401 Unauthorized", 'Basic realm="camera"'
        if method == "PLAY":
            headers["Session"] = "1"
        headers |= {"CSeq": asked["cseq"], "Content-Length": len(body)}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"RTSP/1.0 {status}\r\n{head}\r\n".encode() + body)

    def _sdp(self):
        deadline = time.monotonic() + 20
        while not (self._sdp_file.exists() and b"m=video" in self._sdp_file.read_bytes()):
            assert time.monotonic() < deadline, "ffmpeg wrote no session description"
            time.sleep(0.01)
        text = self._sdp_file.read_text().replace("SDP:\n", "")
        return (text + "a=control:track1\r\n").encode()

    def _play(self, connection):
        waiting = b""
        while not (self._closing.is_set() or self.ended.is_set()):
            with contextlib.suppress(TimeoutError):
                packet = self._rtp.recv(65536)
                if self._udp:
                    self._rtp.sendto(packet, self._viewer)
                elif not self.stalled.is_set():
                    waiting += b"".join(b"$\0" + len(part).to_bytes(2, "big") + part for part in self._parts(packet))
            if waiting and not self.held.is_set():
                connection.sendall(waiting)
                waiting = b""

    def _parts(self, packet):
        """A packet, and, in front of one that begins a slice of a key frame, the stream's parameters once more."""
        kind = packet[12] & 31
        begins = kind == NAL_KEY or (kind == NAL_FRAGMENT and packet[13] & 0x80 and packet[13] & 31 == NAL_KEY)
        payloads = [*(self._parameters() if begins and self._repeats else ()), packet[12:]]
        for payload in payloads:
            self._sequence = (self._sequence + 1) % 65536
            last = packet[1] if payload is payloads[-1] else packet[1] & 0x7F
            yield packet[:1] + bytes([last]) + self._sequence.to_bytes(2, "big") + packet[4:12] + payload

    def _parameters(self):
        text = self._sdp_file.read_text().partition("sprop-parameter-sets=")[2].split(";")[0]
        return [base64.b64decode(part) for part in text.split()[0].split(",")]


@pytest.fixture
def start_rtsp_server(tmp_path):
    """Start an RTSP server on loopback: `start_rtsp_server(key_frames_every=...)`."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("NOT TESTED: RTSP, because ffmpeg is not installed (apt install ffmpeg)")
    servers = []

    def start(**options):
        servers.append(RtspServer(tmp_path / f"session{len(servers)}.sdp", **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def rtsp_server(start_rtsp_server):
    """A running RTSP server on loopback."""
    return start_rtsp_server()
