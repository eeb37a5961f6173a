"""The hook: what a connection must say, and what is told when it does not."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException

from gespoll.airflow import GesHook, get_provider_info
from tests.airflow.conftest import Connect, Service

REGION = {"region": "cn-north-4", "project_id": "p"}
KEY = {"login": "an-ak", "password": "an-sk"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "fields",
    [
        {**KEY, "extra": REGION},
        {**KEY, "extra": {**REGION, "security_token": "temporary", "enterprise_project_id": "not used"}},
        {**KEY, "extra": {"endpoint": "https://ges.example", "project_id": "p", "token": ""}},
        {"extra": {**REGION, "token": "a-token"}},
        {"extra": {"endpoint": "http://ges.example", "project_id": "p", "token": "a-token", "allow_http": True}},
        {"extra": {"endpoint": "http://ges.example", "project_id": "p", "token": "a-token", "allow_http": "true"}},
    ],
)
async def test_a_connection_makes_a_poller(connect: Connect, fields: dict[str, Any]) -> None:
    """Here and in a loop alike; it tells nothing of its secrets."""
    connect(**fields)
    hook = GesHook()
    for poller in (hook.get_conn(), await hook.aget_conn(interval=9.0)):
        assert "https://ges.cn-north-4.myhuaweicloud.com" in repr(poller) or "://ges.example" in repr(poller)
        assert not [secret for secret in ("an-ak", "an-sk", "a-token", "temporary") if secret in repr(poller)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"login": "an-ak", "extra": REGION}, "has a login .AK. but no password .SK."),
        ({"password": "an-sk", "extra": REGION}, "has a password .SK. but no login .AK."),
        ({"extra": REGION}, "has no credentials: give login .AK. and password .SK., or token in extra"),
        ({**KEY, "extra": {"region": "cn-north-4", "project_id": " "}}, "has no project_id in extra"),
        ({**KEY, "extra": {"project_id": "p"}}, "has neither region nor endpoint in extra"),
        ({}, "no credentials.*; has no project_id.*; has neither region nor endpoint"),
        ({**KEY, "extra": [1]}, "has no project_id in extra; has neither"),
        ({**KEY, "extra": {**REGION, "region": "nowhere"}}, "must be the id of a region, such as cn-north-4"),
        ({**KEY, "extra": {"endpoint": "http://ges.example", "project_id": "p"}}, "in clear text.*allow_http"),
    ],
)
async def test_what_a_connection_lacks_is_told(connect: Connect, fields: dict[str, Any], told: str) -> None:
    """All of it at once, by name and without values, and nothing is looked for elsewhere."""
    connect(**fields)
    with pytest.raises(ValueError, match=told) as caught:
        await GesHook().aget_conn()
    assert "an-ak" not in str(caught.value)
    assert GesHook().test_connection()[0] is False


def test_a_connection_that_is_not_there() -> None:
    """Airflow's own error."""
    with pytest.raises(AirflowNotFoundException, match="nowhere"):
        GesHook("nowhere").get_conn()


def test_a_connection_is_tested_by_reading_the_list(service: Service, connect: Connect) -> None:
    """With few requests; what keeps it from working is told."""
    service.add("1")
    connect(service.ges)
    assert GesHook().test_connection() == (True, "the list of jobs was read")
    assert {request.kind for request in service.ges.requests} == {"list"}
    assert len(service.ges.requests) < 10
    service.expire_token()
    works, told = GesHook().test_connection()
    assert works is False
    assert "HTTP 401" in told
    connect(**KEY, extra={"endpoint": "http://127.0.0.1:9", "project_id": "p"})
    works, told = GesHook().test_connection()
    assert works is False
    assert "Connect call failed" in told


@pytest.mark.parametrize(("sk", "security_token"), [("fake-sk", None), (("fake-sk", "temporary"), "temporary")])
def test_an_access_key_signs(service: Service, connect: Connect, sk: Any, security_token: str | None) -> None:
    """A permanent one, and a temporary one with its security token."""
    service.ges.access_keys = {"fake-ak": sk}
    extra = {"endpoint": service.ges.endpoint, "project_id": service.ges.project_id, "security_token": security_token}
    connect(login="fake-ak", password="fake-sk", extra=extra)
    assert GesHook().test_connection() == (True, "the list of jobs was read")


def test_the_form_of_the_connection_names_what_the_hook_reads() -> None:
    """The type is the hook's, and each field is one that it knows."""
    [form] = get_provider_info()["connection-types"]
    assert form["connection-type"] == GesHook.conn_type
    assert form["hook-name"] == GesHook.hook_name
    fields = ["region", "endpoint", "project_id", "security_token", "token", "allow_http"]
    assert list(form["conn-fields"]) == fields
