"""`piapp evaluate`: how good the readings are, on clips of which the truth is known.

`labels` compares events and postures with labels in time, clip by clip. `footage` judges falls on a whole manifest of
clips: how many are found, how many are false, how late, with intervals.
"""
