"""A world that lies: jobs with one truth each, and two channels that report it independently and badly.

`python -m tests.world --seeds 0:1000` draws worlds, lets a poller wait in each, and judges what came of it from the
replies that were given, never from the inside of the library.
"""
