"""How many lines an import may lose and still be accepted.

Rule: a tolerance changes what a partial failure raises, never its status; and it holds only where every lost line is
counted. What is not told, or cannot be counted in lines, is never tolerated.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from gespoll._jobs import ImportFile, Job, JobStatus

MaxFailedLines = int | float | str
"""Lines as an int; a share of all lines as a float below 1, or as a percentage such as "1%"."""
_PERCENTAGE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%", re.ASCII)


def read_tolerance(value: object) -> int | float | None:
    """Check what was given as `max_failed_lines`.

    Returns:
        A number of lines as an int, a share as a float below 1; `None` where nothing is tolerated.

    Raises:
        TypeError: when it is no number and no text.
        ValueError: when it is out of range; the text says what it may be.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        kind = type(value).__name__
        raise TypeError(f"max_failed_lines must be lines (100), a share (0.01) or a percentage ('1%'), not {kind}")
    if isinstance(value, str):
        return _share_in(value)
    if isinstance(value, int) and value < 0:
        raise ValueError(f"max_failed_lines={value!r} must be 0 or more lines")
    if isinstance(value, float) and not (math.isfinite(value) and 0 <= value < 1):
        raise ValueError(f"max_failed_lines={value!r} must be a share from 0 to below 1; give lines as an int")
    return int(value) if isinstance(value, int) else float(value)


def _share_in(text: str) -> float:
    found = _PERCENTAGE.fullmatch(text.strip())
    share = None if found is None else Fraction(found[1]) / 100
    if share is None or share >= 1:
        advice = "give lines as an int, and a share as a float"
        raise ValueError(f"max_failed_lines={text!r} must be a percentage below 100, such as '1%'; {advice}")
    return float(share)


def tolerates(most: float, job: Job) -> bool:
    """Whether an import that was only partly loaded has lost no more than it may.

    Args:
        most: lines as an int, a share of the lines of all files as a float.
        job: the job as it ended.
    """
    if job.status is not JobStatus.PARTIALLY_FAILED or not job.bad_files or not job.tells_files:
        return False
    lost = [_lost_lines(file) for file in job.bad_files]
    if None in lost:
        return False
    failed = sum(filter(None, lost))
    if isinstance(most, int):
        return failed <= most
    return failed <= Fraction(repr(most)) * (job.total_lines or 0)  # 29 of 100 lines are 29 %


def _lost_lines(file: ImportFile) -> int | None:
    """Count the lines that a bad file lost; `None` where they cannot be counted, or lines are not what was lost."""
    if file.kind == "schema" or file.outcome == "failed" or file.has_unreadable_count:
        return None
    missing = None
    if file.total_lines is not None and file.successful_lines is not None:
        missing = file.total_lines - file.successful_lines
    lost = max(file.failed_lines or 0, missing or 0)
    is_whole = file.total_lines is not None and lost >= file.total_lines
    return lost if lost and not is_whole else None  # a file that is bad and lost none was hurt otherwise
