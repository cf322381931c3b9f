"""MediaPipe's pose pipeline on LiteRT: the same bundle, options and results, on every 64-bit processor.

Written from MediaPipe's published graphs (google-ai-edge/mediapipe, mediapipe/tasks/cc/vision/pose_detector and
pose_landmarker, and the calculators they name) and from the paper on BlazePose (arXiv 2006.10204). `network` is the
only module that imports ai_edge_litert, `crop` the only one that imports cv2; the others are arithmetic on arrays.
"""

from piapp.landmarker.litert.landmarker import LiveLandmarker, OfflineLandmarker
from piapp.landmarker.litert.network import Models, read_models

__all__ = ["LiveLandmarker", "Models", "OfflineLandmarker", "read_models"]
