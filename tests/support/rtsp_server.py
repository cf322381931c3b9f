#!/usr/bin/python3
"""GStreamer's RTSP server with one film, as a network camera: it plays from the start on, and viewers join in.

Run by the system's Python, for which apt brings GStreamer. Prints a JSON line {"began": SECONDS}: the wall clock's time
of the film's first frame.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import gi

for name, version in (("Gst", "1.0"), ("GstApp", "1.0"), ("GstRtsp", "1.0"), ("GstRtspServer", "1.0")):
    gi.require_version(name, version)
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402 - versions are chosen first

TRANSPORTS = {"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP}


class Film:
    """The film, played in its own time whether anybody watches or not."""

    def __init__(self, file: str, codec: str) -> None:
        self.caps = f"video/x-{codec},stream-format=byte-stream,alignment=au"
        self._pipeline = Gst.parse_launch(
            f"filesrc location={file} ! qtdemux ! {codec}parse config-interval=-1 ! {self.caps} "
            "! appsink name=film sync=true emit-signals=true"
        )
        self._pipeline.get_by_name("film").connect("new-sample", self._passed)
        self._began = False
        self._viewer: GstApp.AppSrc | None = None

    def play(self) -> None:
        """Begin."""
        self._pipeline.set_state(Gst.State.PLAYING)

    def shown_by(self, _factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
        """Somebody watches."""
        media.connect("unprepared", self._unwatched)
        self._viewer = media.get_element().get_by_name("camera")

    def _unwatched(self, _media: GstRtspServer.RTSPMedia) -> None:
        self._viewer = None

    def _passed(self, sink: GstApp.AppSink) -> Gst.FlowReturn:
        """Hand a frame on, with its time by the viewer's pipeline."""
        buffer = sink.emit("pull-sample").get_buffer()
        if not self._began:
            self._began = True
            sys.stdout.write(json.dumps({"began": time.time() - buffer.pts / Gst.SECOND}) + "\n")
            sys.stdout.flush()
        viewer = self._viewer
        if viewer is not None and viewer.get_base_time() > 0:
            shown = buffer.copy_deep()
            shown.pts = max(0, buffer.pts + self._pipeline.get_base_time() - viewer.get_base_time())
            shown.dts = Gst.CLOCK_TIME_NONE
            viewer.emit("push-buffer", shown)
        return Gst.FlowReturn.OK


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--port", required=True)
    parser.add_argument("--codec", choices=("h264", "h265"), default="h264")
    parser.add_argument("--transport", choices=tuple(TRANSPORTS), default="tcp")
    arguments = parser.parse_args()
    Gst.init(None)
    film = Film(arguments.file, arguments.codec)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f'( appsrc name=camera is-live=true format=time caps="{film.caps}" '
        f"! rtp{arguments.codec}pay name=pay0 config-interval=-1 )"
    )
    factory.set_shared(True)
    factory.set_protocols(TRANSPORTS[arguments.transport])
    factory.connect("media-configure", film.shown_by)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(arguments.port)
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    film.play()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
