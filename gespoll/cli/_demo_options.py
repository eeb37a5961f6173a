"""What the demo may be asked for, whoever parses it."""

JOBS = 300
JOBS_AT_MOST = 1000
SECONDS_AT_LEAST = 0.1
"""When the last import ends, at the soonest."""
SECONDS_AT_MOST = 3600.0
