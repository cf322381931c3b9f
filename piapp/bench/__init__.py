"""`piapp bench`: this pipeline's speed and memory beside MediaPipe's own loop, in one run on the same frames.

`session` is the parent, which takes turns; every variant lives in a process of its own, `child`, so that memory and
start-up are each one's own. Nothing is imported here: a child must not carry what its variant does not need.
"""
