"""Makes the learnt fall detector: simulated bodies, cameras and landmarker errors, training and judging.

Development only. Needs mujoco and torch from requirements.txt here; the program itself needs neither.
"""
