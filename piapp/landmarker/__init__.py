"""Frames in, poses out: running the landmarker (`live`, `offline`) and having its model (`model`, `bundle`, `origin`)."""
