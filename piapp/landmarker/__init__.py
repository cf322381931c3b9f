"""Frames in, poses out (`live`, `offline`), and the model that does it (`model`, `bundle`, `origin`)."""
