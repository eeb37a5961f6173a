"""The signature, against vectors of the vendor's own signer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gespoll._signing import sign, skew

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
JSON = {"Content-Type": "application/json"}
VECTORS = [
    (
        "GET",
        "https://ges.cn-north-4.myhuaweicloud.com/v2/p/graphs/jobs?limit=10&offset=0",
        JSON | {"X-Project-Id": "p"},
        b"",
        "content-type;host;x-project-id;x-sdk-date",
        "d554435acb73cce4f4f4ed0d8ba08f66b109c9456b955ec9bbb22be64a76c8d0",
    ),
    (
        "GET",
        "http://127.0.0.1:8080/v2/p/graphs/a%2Fb~c/jobs/%E4%BD%9C%20%25/status",
        JSON | {"X-Project-Id": "p", "X-Security-Token": "t0k"},
        b"",
        "content-type;host;x-project-id;x-sdk-date;x-security-token",
        "172d70a9f7e389bee5d6677463111d50bef153fbc86e77d3bfe991a15fa10a14",
    ),
    (
        "GET",
        "https://h.example:443/?graph_name=a%20b%2Bc%26d%3D%C3%A9~&a=",
        {},
        b"",
        "host;x-sdk-date",
        "a2b8941a6eb62c8804bd0eae4b35c4c127a70e2daaccaa8f5d6c951e5da22cfc",
    ),
    (
        "POST",
        "https://h.example/x/",
        {"Content-Type": "text/plain"},
        b"body",
        "content-type;host;x-sdk-content-sha256;x-sdk-date",
        "5793ef54788ed213e560ec93b69715206d60ab18182ab681f26391d07704393d",
    ),
    (
        "POST",
        "https://h.example/x",
        JSON | {"With_Underscore": "1"},
        b"{}",
        "content-type;host;x-sdk-date",
        "c19a43f48744ce033e1d7db84d8fa5246c3a4a2aa45a82b7bfffbd46bf41553c",
    ),
]


def signed(url: str, method: str = "GET", at: datetime = NOON, project: str = "p") -> dict[str, str]:
    """Sign with the key of the vectors."""
    return sign(method, url, {"X-Project-Id": project}, ak="fake-ak", sk="fake-sk", at=at)


@pytest.mark.parametrize(("method", "url", "headers", "body", "names", "signature"), VECTORS)
def test_the_signature_is_the_vendors(
    method: str, url: str, headers: dict[str, str], body: bytes, names: str, signature: str
) -> None:
    """Paths, queries, headers and bodies give what the vendor's signer gave for the same request."""
    found = sign(method, url, headers, ak="fake-ak", sk="fake-sk", at=NOON, body=body)
    assert found["Authorization"] == f"SDK-HMAC-SHA256 Access=fake-ak, SignedHeaders={names}, Signature={signature}"
    assert found["X-Sdk-Date"] == "20300101T120000Z"
    assert headers.items() <= found.items()


def test_a_slash_at_the_end_changes_no_signature() -> None:
    """In the canonical form it is always there."""
    assert signed("https://h/a") == signed("https://h/a/")


def test_parameters_may_be_sent_in_any_order() -> None:
    """They are signed in the order of their names and values."""
    assert signed("https://h/?b=2&a=1&b=1") == signed("https://h/?a=1&b=1&b=2")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://h.example/a", "h.example"),
        ("https://h.example:443/a", "h.example"),
        ("https://h.example:80/a", "h.example:80"),
        ("http://h.example:80/a", "h.example"),
        ("http://127.0.0.1:8080/a", "127.0.0.1:8080"),
        ("http://[::1]:8080/a", "[::1]:8080"),
        ("https://[::1]/a", "[::1]"),
    ],
)
def test_the_host_is_signed_as_it_is_sent(url: str, host: str) -> None:
    """A default port is left out, as by every client."""
    assert signed(url)["Host"] == host


def test_the_time_is_told_in_utc() -> None:
    """Whatever zone the caller's clock shows."""
    there = NOON.astimezone(timezone(timedelta(hours=8)))
    assert signed("https://h/", at=there) == signed("https://h/")


@pytest.mark.parametrize(
    "other",
    [
        signed("https://h/b"),
        signed("https://h/a?x=1"),
        signed("https://other/a"),
        signed("https://h/a", method="POST"),
        signed("https://h/a", at=NOON + timedelta(seconds=1)),
        signed("https://h/a", project="q"),
        sign("GET", "https://h/a", {"X-Project-Id": "p"}, ak="fake-ak", sk="other", at=NOON),
    ],
)
def test_everything_that_matters_is_signed(other: dict[str, str]) -> None:
    """Another path, query, host, method, time, header or key gives another signature."""
    assert other["Authorization"].rpartition("=")[2] != signed("https://h/a")["Authorization"].rpartition("=")[2]


@given(st.integers(-(10**6), 10**6))
def test_the_skew_is_told_in_seconds(seconds: int) -> None:
    """It is positive where the clock that signed is ahead."""
    proof = signed("https://h/", at=NOON + timedelta(seconds=seconds))
    assert skew(proof, NOON) == seconds


def test_no_skew_without_a_signature_or_a_date() -> None:
    """Nothing is guessed."""
    assert skew({"X-Auth-Token": "t"}, NOON) is None
    assert skew(signed("https://h/"), None) is None
