"""The sans-I/O core.

Its floors: settings, doubt, evidence; verdict, record; explanation, change_id, standing, requests, latest; view;
ledger, line, page_size, singles; scan; memory, observation; judge; core.
"""

from gespoll._scheduler._core import Outcome, Scheduler
from gespoll._scheduler._explanation import ChannelReport, Explanation
from gespoll._scheduler._ledger import Ledger, outcome_of
from gespoll._scheduler._memory import Clocks, Writing
from gespoll._scheduler._record import Key
from gespoll._scheduler._requests import Get, Request, Window
from gespoll._scheduler._settings import Knobs, Settings, Unconfirmed, check_knobs, check_max_open, check_timeout
from gespoll._scheduler._statistics import Statistics

__all__ = [
    "ChannelReport",
    "Clocks",
    "Explanation",
    "Get",
    "Key",
    "Knobs",
    "Ledger",
    "Outcome",
    "Request",
    "Scheduler",
    "Settings",
    "Statistics",
    "Unconfirmed",
    "Window",
    "Writing",
    "check_knobs",
    "check_max_open",
    "check_timeout",
    "outcome_of",
]
