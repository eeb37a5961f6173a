"""Airflow waits for GES jobs: many jobs in one deferred task, which takes no worker slot while it waits.

Rule: importing this package imports nothing of Airflow, and each name only what it needs. Airflow loads
`get_provider_info` wherever gespoll is installed, and an error there would keep any Airflow from starting.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gespoll.airflow._batches import batched_jobs
from gespoll.airflow._provider import get_provider_info

if TYPE_CHECKING:
    from gespoll.airflow._hook import GesHook
    from gespoll.airflow._operator import GesJobsOperator
    from gespoll.airflow._sensor import GesJobsSensor
    from gespoll.airflow._trigger import GesJobsTrigger

__all__ = ["GesHook", "GesJobsOperator", "GesJobsSensor", "GesJobsTrigger", "batched_jobs", "get_provider_info"]


def __getattr__(name: str) -> Any:
    """Import what needs Airflow when it is asked for.

    Raises:
        AttributeError: when there is no such name.
        ImportError: when Airflow is not installed, or is too old.
    """
    places = {
        "GesHook": "_hook",
        "GesJobsOperator": "_operator",
        "GesJobsSensor": "_sensor",
        "GesJobsTrigger": "_trigger",
    }
    if name not in places:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{places[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "airflow":
            raise
        raise ImportError(
            f'{__name__}.{name} needs Airflow 3.3.2 or later: install "gespoll[airflow]" (missing: {error.name})'
        ) from error
    return getattr(module, name)
