"""What the demo may be asked for, whoever parses it."""

JOBS = 300
JOBS_AT_MOST = 1000
LONGEST = 8.0
"""Seconds after which the last import has ended, unless told otherwise."""
SECONDS_AT_LEAST = 0.1
SECONDS_AT_MOST = 3600.0
