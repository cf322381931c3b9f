"""piapp: a posture sensor for the Raspberry Pi, from camera frames to MQTT."""

__version__ = "0.1.0"
