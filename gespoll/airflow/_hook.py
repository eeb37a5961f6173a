"""From an Airflow connection to a poller.

Rule: what a connection lacks is told in one error, by the names of its fields and never by their values.
Nothing is looked for in the environment of whatever process happens to run: a connection says it all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import anyio
from airflow.sdk import BaseHook

import gespoll

DEFAULT_CONNECTION = "huaweicloud_default"
_TEST_SECONDS = 20.0
_OUTAGE_SECONDS = 5.0


class GesHook(BaseHook):
    """Opens pollers by an Airflow connection of type `huaweicloud`.

    The connection: login = access key id (AK), password = secret access key (SK); in extra `project_id`,
    `region` or `endpoint`, for a temporary key `security_token`, instead of a key `token`, and `allow_http`.

    Args:
        ges_conn_id: id of the connection.
    """

    conn_name_attr = "ges_conn_id"
    default_conn_name = DEFAULT_CONNECTION
    conn_type = "huaweicloud"
    hook_name = "Huawei Cloud"

    def __init__(self, ges_conn_id: str = DEFAULT_CONNECTION) -> None:
        super().__init__()
        self.ges_conn_id = ges_conn_id

    def get_conn(self, **knobs: Any) -> gespoll.Poller:
        """Make a poller, to be entered with `async with`. Not for an event loop: see `aget_conn`.

        Args:
            knobs: as for `gespoll.Poller`, such as `interval` and `max_per_second`.

        Raises:
            AirflowNotFoundException: when there is no such connection.
            ValueError: when the connection cannot work; the text says what it lacks.
        """
        connection = self.get_connection(self.ges_conn_id)
        return self._poller(connection, connection.extra_dejson, knobs)

    async def aget_conn(self, **knobs: Any) -> gespoll.Poller:
        """Make a poller inside an event loop, such as a triggerer's. Cancelling it leaves nothing behind.

        Args:
            knobs: as for `gespoll.Poller`, such as `interval` and `max_per_second`.

        Raises:
            AirflowNotFoundException: when there is no such connection.
            ValueError: when the connection cannot work; the text says what it lacks.
        """
        connection = await self.aget_connection(self.ges_conn_id)
        return self._poller(connection, await connection.aextra_dejson(), knobs)

    def test_connection(self) -> tuple[bool, str]:
        """Read the project's list of jobs, and tell whether that worked, and why not, within half a minute."""
        try:
            return anyio.run(_try, self.get_conn(interval=0.1, not_found_grace=0.1, outage_timeout=_OUTAGE_SECONDS))
        except (gespoll.GespollError, ValueError) as error:
            return False, str(error)

    def _poller(self, connection: Any, extra: Any, knobs: Mapping[str, Any]) -> gespoll.Poller:
        arguments, problems = _arguments(connection, extra if isinstance(extra, Mapping) else {})
        del connection, extra  # a crash reporter would show them
        if problems:
            raise ValueError(f"connection {self.ges_conn_id!r} {'; '.join(problems)}")
        return gespoll.connect(**arguments, **knobs)


async def _try(poller: gespoll.Poller) -> tuple[bool, str]:
    """Look for a job that is not there: without a graph, that reads the list. To be told so is a success."""
    async with poller:
        with contextlib.suppress(gespoll.JobNotFound):
            await poller.wait("connection-test", timeout=_TEST_SECONDS)
    return True, "the list of jobs was read"


def _arguments(connection: Any, extra: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Give the arguments of `gespoll.connect`, or what keeps the connection from working."""
    told = {name: _text(extra.get(name)) for name in ("region", "endpoint", "project_id", "security_token", "token")}
    ak, sk = _text(connection.login), _text(connection.password)
    problems = []
    if (ak is None) is not (sk is None):
        lacking, there = ("login (AK)", "password (SK)") if ak is None else ("password (SK)", "login (AK)")
        problems.append(f"has a {there} but no {lacking}")
    elif ak is None and told["token"] is None:
        problems.append("has no credentials: give login (AK) and password (SK), or token in extra")
    if told["project_id"] is None:
        problems.append("has no project_id in extra")
    if told["region"] is None and told["endpoint"] is None:
        problems.append("has neither region nor endpoint in extra")
    if problems:
        return {}, problems
    return {
        "endpoint": told["endpoint"],
        "region": told["region"],
        "project_id": told["project_id"],
        "credentials": _credentials(ak, sk, told),
        "allow_http": str(extra.get("allow_http", "")).strip().lower() == "true",
    }, []


def _credentials(ak: str | None, sk: str | None, told: Mapping[str, str | None]) -> gespoll.Credentials:
    if ak is not None and sk is not None:
        return gespoll.AccessKey(ak, sk, told["security_token"])
    return gespoll.Token(told["token"] or "")


def _text(value: Any) -> str | None:
    """Give what a field says; what a form leaves blank counts as not said."""
    return value if isinstance(value, str) and value.strip() else None
