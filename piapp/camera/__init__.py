"""Sources of frames: one adapter a kind of source behind one small protocol.

Owns opening and reading sources and turning what they give into RGB frames with a time. Does not own threads: the
capture thread in `piapp.camera.capture` runs any of these. Vendor libraries are imported only in their adapter.
"""

from piapp.camera.base import Camera
from piapp.camera.opening import open_camera
from piapp.camera.source import SourceSpec, parse_source

__all__ = ["Camera", "SourceSpec", "open_camera", "parse_source"]
