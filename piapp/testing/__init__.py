"""Stand-ins for hardware and servers, shipped because tests, the demo and long runs all use them.

Each behaves like the real part, fails like it when told to, and remembers what was done to it.
"""
