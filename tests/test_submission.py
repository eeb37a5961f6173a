"""Replies to submissions: the job that was started, or the service's own error."""

from __future__ import annotations

from typing import Any

import pytest

from gespoll import (
    AuthenticationError,
    JobRef,
    PermissionDenied,
    RequestRejected,
    ServiceUnavailable,
    SourceError,
    Throttled,
)


@pytest.mark.parametrize(
    ("body", "job_id"),
    [
        ({"job_id": "ff80"}, "ff80"),
        ({"jobId": "ff80"}, "ff80"),
        ('{"job_id": "ff80"}', "ff80"),
        (b'{"jobId": "ff80", "errorCode": "", "errorMessage": null}', "ff80"),
        ({"jobId": "ff80", "result": "success", "errorMessage": "import job is submitted"}, "ff80"),
        ({"job_id": None, "jobId": "ff80"}, "ff80"),
        ({"job_id": 7167787425}, "7167787425"),
        (b'{"jobId": 123456789012345678}', "123456789012345678"),
        (b'{"jobId": 12345678901234567890123}', "12345678901234567890123"),
        ({"job_id": "ff80", "extra": object()}, "ff80"),
    ],
)
def test_the_job_of_a_reply_is_read(body: Any, job_id: str) -> None:
    """In either spelling, decoded or not; a number is its digits."""
    ref = JobRef.from_reply(body, "movies", key="films")
    assert (ref, ref.key) == (JobRef(job_id, "movies"), "films")


def test_graph_and_key_may_be_left_out() -> None:
    """The graph may be told later."""
    ref = JobRef.from_reply({"job_id": "ff80"})
    assert (ref.job_id, ref.graph, ref.key) == ("ff80", None, None)


@pytest.mark.parametrize(
    ("body", "kind", "code", "said"),
    [
        ({"error_code": "GES.7001", "error_msg": "not running"}, RequestRejected, "GES.7001", "not running"),
        (
            {"errorCode": "GES.8005", "errorMessage": "Parameter error!"},
            RequestRejected,
            "GES.8005",
            "Parameter error!",
        ),
        (b'{"errorMessage": "failed", "errorCode": "GES.9999"}', ServiceUnavailable, "GES.9999", "failed"),
        ({"errorCode": "GES.8020", "jobId": None, "raw": object()}, PermissionDenied, "GES.8020", "no text"),
        ({"error_code": "APIGW.0301", "error_msg": "expired"}, AuthenticationError, "APIG.0301", "expired"),
        ({"error_code": "APIG.0308", "error_msg": "slow"}, Throttled, "APIG.0308", "slow"),
        ({"error": {"code": 401, "message": "who?"}}, AuthenticationError, "IAM.401", "who?"),
        ({"error_code": "GES.7777", "error_msg": "new"}, RequestRejected, "GES.7777", "new"),
        ({"errorMessage": "no such file", "result": "failed", "errorCode": ""}, RequestRejected, None, "no such file"),
        ({"result": "Failed"}, RequestRejected, None, "no text"),
        ({"error_code": "GES.7001", "error_msg": "x", "job_id": "ff80"}, RequestRejected, "GES.7001", "x"),
        ({"error_code": "GES.7001", "error_msg": "cut \ud800"}, RequestRejected, "GES.7001", "cut ?"),
        ({"error": {"code": [], "message": "odd"}}, RequestRejected, None, "odd"),
    ],
)
def test_an_error_of_the_service_is_raised(body: Any, kind: type[SourceError], code: str | None, said: str) -> None:
    """As a poll would raise it; the HTTP status is not known."""
    with pytest.raises(SourceError) as caught:
        JobRef.from_reply(body, "movies")
    error = caught.value
    assert (type(error), error.code, error.status) == (kind, code, None)
    assert error.detail.startswith("submitting a job: ")
    assert said in error.detail


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "the reply holds no job id, neither job_id nor jobId, and nothing else"),
        (
            {"id": "a", "name": "movies"},
            (
                "the reply holds no job id, neither job_id nor jobId, but id, name: pass the body of a reply to a "
                "submission"
            ),
        ),
        (
            {"job_id": True, "a\x1b": 1},
            (
                "the reply holds no job id, neither job_id nor jobId, but job_id, a : pass the body of a reply to a "
                "submission"
            ),
        ),
        (
            b"<html>\xff</html>",
            "the reply is no JSON object but '<html>\ufffd</html>': pass the body of a reply to a submission",
        ),
        ("[]", "the reply is no JSON object but '[]': pass the body of a reply to a submission"),
        ("", "the reply is no JSON object but '': pass the body of a reply to a submission"),
        ({"job_id": "../x"}, "job_id '../x' is a path, not an id: pass the id alone, or 'graph/job' to JobRef.parse"),
    ],
)
def test_what_holds_no_job_is_refused(body: Any, text: str) -> None:
    """The text says what is there instead."""
    with pytest.raises(ValueError, match=r"job|reply") as caught:
        JobRef.from_reply(body)
    assert str(caught.value) == text


def test_a_reply_is_a_mapping_or_text() -> None:
    """A response object of some client is not read."""
    with pytest.raises(TypeError) as caught:
        JobRef.from_reply(["ff80"])  # type: ignore[arg-type]
    assert str(caught.value) == "a reply is a mapping, or its JSON as str or bytes, not list"
