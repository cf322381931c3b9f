import itertools
import logging
import shutil
import socket
import subprocess
import threading
import time

import cv2
import numpy as np
import pytest

from piapp.camera import open_camera, stream
from piapp.camera.stream_clock import StreamClock
from piapp.camera.v4l2 import LiveCamera
from piapp.errors import CameraBusyError, CameraError, CameraNotFoundError, CameraTimeoutError, MediaError

pytestmark = pytest.mark.usefixtures("no_leaks")


def grey_of(frame):
    """Mean of the clip's right half, where frame n is n * 10."""
    return frame.image[:, -10:].mean()


@pytest.fixture
def play(config):
    """Open a file and take all its frames."""

    def run(path, options="", **changes):
        return list(open_camera(config(f"file:{path}{options}", **changes)).frames())

    return run


def test_lockstep_gives_every_frame(play, make_video):
    """All frames, in order, with the file's own times, and red stays red."""
    frames = play(make_video(count=12, fps=15), "?pace=lockstep")
    assert [frame.ts_ms - frames[0].ts_ms for frame in frames] == [round(n * 1000 / 15) for n in range(12)]
    assert [round(grey_of(frame) / 10) for frame in frames] == list(range(12))
    red, green, blue = frames[0].image[:, :20].reshape(-1, 3).mean(axis=0)
    assert red > 200
    assert max(green, blue) < 40


def test_lockstep_counts_from_hand_over(config, make_video):
    """In lock-step a frame is as old as its hand-over, however long the consumer took before."""
    frames = open_camera(config(f"file:{make_video(count=3, fps=50)}?pace=lockstep")).frames()
    next(frames)
    asked_ns = time.monotonic_ns()
    assert next(frames).captured_ns >= asked_ns
    assert len(list(frames)) == 1


def test_realtime_paces(play, make_video):
    """Frames come when they are due, and count from then."""
    started = time.monotonic()
    frames = play(make_video(count=10, fps=20))
    assert time.monotonic() - started >= 9 / 20
    assert len(frames) >= 2
    for frame in frames:
        due_ms = (frame.captured_ns - frames[0].captured_ns) / 1e6
        assert due_ms == pytest.approx(frame.ts_ms - frames[0].ts_ms)


def test_realtime_skips_what_is_late(config, make_video):
    """A consumer that sleeps loses the frames of that time, as with a camera, and stays on time."""
    frames = open_camera(config(f"file:{make_video(count=20, fps=20)}")).frames()
    first = next(frames)
    time.sleep(0.4)
    second = next(frames)
    frames.close()
    assert second.ts_ms - first.ts_ms >= 300
    assert round(grey_of(second) / 10) == (second.ts_ms - first.ts_ms) // 50


@pytest.mark.parametrize(("pace", "rounds"), [("lockstep", 3), ("realtime", 2)])
def test_loop_goes_on(play, make_video, pace, rounds):
    """Rounds join without a gap in time."""
    frames = play(make_video(count=4, fps=20), f"?pace={pace}&loop={rounds}")
    times = [frame.ts_ms - frames[0].ts_ms for frame in frames]
    assert times[-1] == (4 * rounds - 1) * 50
    if pace == "lockstep":
        assert times == [n * 50 for n in range(4 * rounds)]
        assert [round(grey_of(frame) / 10) for frame in frames] == [0, 1, 2, 3] * rounds


def test_endless_loop(config, make_video):
    """loop=0 plays until closed."""
    camera = open_camera(config(f"file:{make_video(count=2, fps=50)}?pace=lockstep&loop=0"))
    assert len(list(itertools.islice(camera.frames(), 50))) == 50
    camera.close()


def test_files_keep_their_size_and_are_turned(play, make_video):
    """`width` and `height` do not concern a file; orientation does."""
    frame = play(make_video(count=1, size=(64, 48)), rotation=90, width=640, height=480)[0]
    assert frame.size == (48, 64)
    assert frame.image[0, :, 0].mean() > 200  # the red left half is on top after a clockwise turn
    assert frame.image[-1, :, 0].mean() < 40


def test_frame_without_pictures(config, tmp_path, make_video):
    """A video cut off before its first picture is an error, not an empty success."""
    whole = make_video("a.avi", count=5).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: whole.index(b"movi") + 4])
    with pytest.raises(MediaError, match=r"cut\.avi"):
        list(open_camera(config(f"file:{cut}")).frames())


def test_truncated_file_plays_as_far_as_it_goes(config, tmp_path, make_video, caplog):
    """A recording without its end plays, with one warning, however often it is repeated."""
    cut = _cut_off_mp4(make_video, tmp_path)
    with caplog.at_level(logging.WARNING):
        frames = list(open_camera(config(f"file:{cut}?pace=lockstep&loop=2")).frames())
    assert 0 < len(frames) < 120
    assert len([record for record in caplog.records if "cut off" in record.message]) == 1


def _cut_off_mp4(make_video, tmp_path):
    """An MP4 file with its index in front and half of its pictures."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("NOT TESTED: cut-off MP4, because ffmpeg is not installed (apt install ffmpeg)")
    whole = tmp_path / "whole.mp4"
    command = ["ffmpeg", "-v", "error", "-i", make_video(count=60), "-c", "copy", "-movflags", "faststart", whole]
    subprocess.run(command, check=True)
    data = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: (data.index(b"mdat") + len(data)) // 2])
    return cut


def test_rtsp(config, rtsp_server):
    """A real stream over TCP: red stays red, and the pace is the sender's."""
    camera = open_camera(config(rtsp_server.url, frame_timeout_s=20.0))
    frames = list(itertools.islice(camera.frames(), 10))
    camera.close()
    assert frames[0].size == (320, 240)
    assert frames[-1].image[120, 160, 0] > 200
    assert frames[-1].image[120, 160, 1:].max() < 40
    assert all(later.ts_ms > earlier.ts_ms for earlier, later in itertools.pairwise(frames))
    assert "320x240" in camera.description


def test_a_stream_that_ends_is_connected_anew(config, rtsp_server, wait_for):
    """Frames go on, the loss is told meanwhile, and the program does not end."""
    camera = open_camera(config(rtsp_server.url, frame_timeout_s=1.0))
    frames = camera.frames()
    next(frames)
    assert camera.status().lost == ""
    rtsp_server.ended.set()
    wait_for(lambda: camera.status().lost, "the loss to be told")
    assert rtsp_server.url in camera.status().lost
    rtsp_server.ended.clear()
    newest = next(frames)
    assert newest.image[120, 160, 0] > 200
    assert camera.status().lost == ""
    assert camera.status().reconnects > 0
    camera.close()


def test_a_silent_connection_is_given_up(config, rtsp_server, wait_for):
    """One that stays open is noticed within the deadline, and made anew."""
    camera = open_camera(config(rtsp_server.url, frame_timeout_s=1.0))
    frames = camera.frames()
    next(frames)
    rtsp_server.stalled.set()
    wait_for(lambda: camera.status().reconnects, "the connection to be given up")
    assert "no data for" in camera.status().lost  # what FFmpeg still held is no sign of life
    rtsp_server.stalled.clear()
    next(frames)
    camera.close()


def test_a_network_that_stalls_changes_no_times(config, rtsp_server):
    """What it kept back comes at once afterwards; frames keep the camera's times, and the old ones are left out."""
    camera = open_camera(config(rtsp_server.url, frame_timeout_s=20.0))
    frames = camera.frames()
    times = [next(frames).ts_ms for _ in range(20)]
    rtsp_server.held.set()
    time.sleep(2.0)
    rtsp_server.held.clear()
    times += [next(frames).ts_ms for _ in range(20)]
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(steps) >= 25  # 50 ms apart at the camera; those of the stall would be under 5 on arrival
    assert max(steps) > 1000
    assert camera.status().stale > 5
    assert camera.status().age_ms < 1000
    camera.close()


def test_a_rare_key_frame_is_waited_for(config, start_rtsp_server, wait_for):
    """Joining takes longer than a frame may take; data comes all the while, so nothing is lost."""
    server = start_rtsp_server(key_frames_every=100)
    camera = open_camera(config(server.url, frame_timeout_s=1.0))
    began_s = time.monotonic()
    first = next(camera.frames())
    waited_s = time.monotonic() - began_s
    assert first.image[120, 160, 0] > 200
    assert camera.status().lost == ""
    assert camera.status().reconnects == 0
    assert waited_s < 20.0
    camera.close()


def test_who_cannot_keep_up_takes_key_frames_alone(config, start_rtsp_server, wait_for, monkeypatch, caplog):
    """Pictures become young again, and the log names a smaller stream as the way out."""
    captured_ns = StreamClock.captured_ns

    def slowly(clock, presentation_ns, now_ns):
        time.sleep(0.2)  # asked for every picture that is decoded; four come meanwhile
        return captured_ns(clock, presentation_ns, now_ns)

    monkeypatch.setattr(StreamClock, "captured_ns", slowly)
    monkeypatch.setattr(stream, "PATIENCE_NS", 300_000_000)
    server = start_rtsp_server(key_frames_every=20)
    camera = open_camera(config(server.url, frame_timeout_s=20.0))
    frames = camera.frames()
    wait_for(lambda: next(frames) and "decoding falls behind" in caplog.text, "the warning")
    assert "smaller stream" in caplog.text
    wait_for(lambda: next(frames) and camera.status().age_ms < 300, "young pictures")
    assert camera.status().reconnects == 0
    camera.close()


def test_who_never_catches_up_connects_anew(config, start_rtsp_server, wait_for, monkeypatch):
    """What the old connection still holds is given up, and the next picture is of the present."""
    for name, limit_s in {"JOIN_NS": 0.3, "PATIENCE_NS": 0.5, "HOPE_NS": 0.5, "TOO_OLD_NS": 1.5}.items():
        monkeypatch.setattr(stream, name, int(limit_s * 1e9))
    captured_ns, slow = StreamClock.captured_ns, threading.Event()
    slow.set()

    def slowly(clock, presentation_ns, now_ns):
        if slow.is_set():
            time.sleep(0.6)  # longer than from one key frame to the next
        return captured_ns(clock, presentation_ns, now_ns)

    monkeypatch.setattr(StreamClock, "captured_ns", slowly)
    camera = open_camera(config(start_rtsp_server().url, frame_timeout_s=20.0))
    frames = camera.frames()
    wait_for(lambda: next(frames) and camera.status().reconnects, "another connection")
    slow.clear()
    wait_for(lambda: next(frames) and camera.status().age_ms < 300, "young pictures")
    assert camera.status().lost == ""
    camera.close()


def test_a_picture_in_slices_is_whole(config, start_rtsp_server):
    """GStreamer repeats a stream's parameters in front of each slice of a key frame; half of it was green then."""
    server = start_rtsp_server(key_frames_every=10, slices=2)
    camera = open_camera(config(server.url, frame_timeout_s=20.0))
    frames = list(itertools.islice(camera.frames(), 25))
    camera.close()
    for frame in frames:
        for half in (frame.image[:120], frame.image[120:]):
            red, green, blue = half.reshape(-1, 3).mean(axis=0)
            assert red > 200
            assert max(green, blue) < 60


def test_a_camera_that_knows_udp_alone(config, start_rtsp_server):
    """TCP is asked for first, then what the camera can."""
    server = start_rtsp_server(udp=True)
    camera = open_camera(config(server.url, frame_timeout_s=20.0))
    newest = list(itertools.islice(camera.frames(), 10))[-1]
    camera.close()
    assert newest.image[120, 160, 0] > 200
    assert camera.status().reconnects == 0


def test_a_login_that_is_refused_is_tried_rarely(config, rtsp_server, wait_for, monkeypatch):
    """Many cameras shut out who comes again and again with a wrong password."""
    monkeypatch.setattr(stream, "RETRY_MIN_S", 0.1)
    monkeypatch.setattr(stream, "RETRY_MAX_S", 0.1)
    camera = open_camera(config(rtsp_server.url, frame_timeout_s=1.0))
    next(camera.frames())
    rtsp_server.refusing.set()
    rtsp_server.ended.set()
    wait_for(lambda: "login" in camera.status().lost, "the refusal")
    tried = rtsp_server.connections
    time.sleep(1.0)  # ten of the usual pauses
    assert rtsp_server.connections - tried <= 1
    camera.close()


def test_rtsp_nobody_listens(config):
    """A refused connection is named as such, without the password."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CameraNotFoundError) as caught:
        open_camera(config(f"rtsp://me:secret@127.0.0.1:{port}/x", frame_timeout_s=2.0))
    assert f"cannot be reached at port {port}" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_rtsp_wrong_server(config):
    """Something that listens and is silent gives up within the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"rtsp://127.0.0.1:{listener.getsockname()[1]}/x"
        with pytest.raises(CameraError, match="answers at port"):
            open_camera(config(url, frame_timeout_s=0.5))


def test_v4l2_not_a_device(config, tmp_path):
    """A file is not a device, and the message says what plays files."""
    path = tmp_path / "x"
    path.touch()
    with pytest.raises(CameraError, match="file:"):
        open_camera(config(f"v4l2:{path}"))


def test_v4l2_not_a_camera(config):
    """A device that is no camera cannot be told from one that is held; both ways out are named."""
    with pytest.raises(CameraBusyError, match="fuser -v /dev/null"):
        open_camera(config("v4l2:/dev/null"))


class HangingCapture:
    """OpenCV's capture object of a device that gives one frame and then hangs in its driver."""

    def __init__(self):
        self.returns = threading.Event()
        self.released = threading.Event()
        self._left = 1

    def grab(self):
        """True once, then wait."""
        self._left -= 1
        return self._left >= 0 or not self.returns.wait(60)

    def retrieve(self):
        """A blue picture in OpenCV's order."""
        return True, np.full((4, 6, 3), (255, 0, 0), np.uint8)

    def get(self, key):
        """A time stamp of now."""
        return time.monotonic_ns() / 1e6 if key == cv2.CAP_PROP_POS_MSEC else 0

    def release(self):
        """Remember it."""
        self.released.set()


def test_hanging_device(config, wait_for):
    """A driver that hangs is noticed, does not hold `close`, and is released once it returns."""
    capture = HangingCapture()
    camera = LiveCamera("dev", lambda: capture, config(frame_timeout_s=0.3), way_out="look")
    frames = camera.frames()
    assert tuple(next(frames).image[0, 0]) == (0, 0, 255)
    with pytest.raises(CameraTimeoutError, match=r"no frame for 0\.3 s; look"):
        list(frames)
    started = time.monotonic()
    camera.close()
    assert time.monotonic() - started < 10
    assert not capture.released.is_set()
    capture.returns.set()
    wait_for(capture.released.is_set, "the release")


def test_v4l2_clock(config):
    """The driver's time stamp is the capture time."""
    capture = HangingCapture()
    stamp_ms = time.monotonic_ns() / 1e6 - 80
    capture.get = lambda key: stamp_ms if key == cv2.CAP_PROP_POS_MSEC else 0
    camera = LiveCamera("dev", lambda: capture, config(), way_out="look")
    frame = next(camera.frames())
    capture.returns.set()
    camera.close()
    assert frame.captured_ns == pytest.approx(stamp_ms * 1e6, abs=1e6)
