"""Who is there, how they hold themselves, what just happened: pure logic from landmarks to state and events."""

from piapp.posture.monitor import Monitor

__all__ = ["Monitor"]
