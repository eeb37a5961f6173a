"""The vendor's own SDK reads what FakeGES answers.

The rule: FakeGES is right about the wire when a client nobody here wrote understands it. Every field the
SDK's models have is compared with the job that was put in. Run it where `requirements.txt` is installed
beside the library's own dependencies: `python tests/vendor_sdk/check.py`. It talks to 127.0.0.1 only.

Signatures are compared both ways: FakeGES accepts those of the SDK, and the library's own are byte for byte
those of the SDK's signer, over paths, queries and headers that Hypothesis makes.
"""

# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from huaweicloudsdkges.v1 import GesClient as GesClientV1
from huaweicloudsdkges.v1 import ListJobsRequest, ShowJobRequest
from huaweicloudsdkges.v2 import GesClient as GesClientV2
from huaweicloudsdkges.v2 import ListJobs2Request, ShowJob2Request
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2]))

from gespoll._signing import sign
from gespoll.testing._fake_ges import FakeGES
from gespoll.testing._timeline import FakeFile, FakeJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ORIGIN = datetime(2030, 1, 1, 12, tzinfo=UTC)
DONE = ((0.0, "pending"), (1.0, "running"), (4.0, "partiallyFailed"))
FILES = (
    FakeFile(
        "edgeset",
        "obs/edge.csv",
        status="partFailed",
        cause="bad row",
        log="obs/log",
        total_lines=100,
        failed_lines=3,
        successful_lines=97,
    ),
    FakeFile("vertexset", "obs/vertex.csv", total_lines=-1, failed_lines=-1, successful_lines=-1),
    FakeFile("schema", "obs/schema.xml", total_lines=7, failed_lines=0, successful_lines=7),
)
JOBS = (
    FakeJob("job-partial", graph="g", graph_name="movies", steps=DONE, files=FILES, fail_reason="3 bad rows", age=3600),
    FakeJob("job-failed", graph="g", graph_name="movies", steps=[(0.0, "failed")], name="StartGraph", age=1800),
    FakeJob("job-running", graph="h", graph_name="people", steps=[(0.0, "running")], files=FILES, age=900),
)
FIELDS = ("status", "job_type", "job_name", "related_graph", "begin_time", "end_time", "fail_reason", "job_progress")
EXPECTED: dict[str, tuple[object, ...]] = {
    "job-partial": (
        "partiallyFailed",
        "GraphManagement",
        "ImportGraph",
        "movies",
        "2030-01-01T11:00:00",
        "2030-01-01T11:00:04",
        "3 bad rows",
        0,
    ),
    "job-failed": (
        "failed",
        "GraphManagement",
        "StartGraph",
        "movies",
        "2030-01-01T11:30:00",
        "2030-01-01T11:30:00",
        None,
        0,
    ),
    "job-running": ("running", "GraphManagement", "ImportGraph", "people", "2030-01-01T11:45:00", None, None, 0),
}
GRAPHS = {"job-partial": "g", "job-failed": "g", "job-running": "h"}


class Checks:
    """Counts what held and remembers what did not."""

    def __init__(self) -> None:
        self.passed = 0
        self.failures: list[str] = []

    def equal(self, what: str, found: object, expected: object) -> None:
        """Compare one value."""
        if found == expected:
            self.passed += 1
        else:
            self.failures.append(f"{what}: found {found!r}, expected {expected!r}")


async def _serve(started: Callable[[FakeGES], None], stop: asyncio.Event, options: dict[str, Any]) -> None:
    async with FakeGES(**options) as ges:
        ges.add_jobs(JOBS)
        started(ges)
        await stop.wait()


@contextlib.contextmanager
def serving(**options: Any) -> Iterator[FakeGES]:
    """Run a server on the loop of another thread, since the SDK blocks this one."""
    loop, stop, ready, found = asyncio.new_event_loop(), asyncio.Event(), threading.Event(), list[FakeGES]()

    def started(ges: FakeGES) -> None:
        found.append(ges)
        ready.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(_serve(started, stop, options)))
    thread.start()
    try:
        if not ready.wait(10):
            raise RuntimeError("FakeGES did not start within 10 s")
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def client_of(kind: Any, ges: FakeGES, ak: str = "dummy-ak", sk: str = "dummy-sk", token: str | None = None) -> Any:
    """Return a client of the SDK that signs, with keys that the server does not know unless told otherwise."""
    keys = BasicCredentials(ak, sk, ges.project_id).with_security_token(token)
    return kind.new_builder().with_credentials(keys).with_endpoint(ges.endpoint).build()


def call(invoker: Any, token: str = "fake-token") -> Any:
    """Send a call with a token beside the signature."""
    return invoker.add_header("X-Auth-Token", token).invoke()


def check_job(checks: Checks, where: str, job: Any, *, schema_counts: bool) -> None:
    """Compare one job, files included, with what was put in."""
    for name, expected in zip(FIELDS, EXPECTED[job.job_id], strict=True):
        checks.equal(f"{where} {job.job_id} {name}", getattr(job, name), expected)
    if job.job_id != "job-partial":
        checks.equal(f"{where} {job.job_id} job_detail", job.job_detail, None)
        return
    for file in FILES:
        (entry,) = getattr(job.job_detail, f"{file.kind}_path")
        names = ["path", "status", "cause", "log"]
        if schema_counts or file.kind != "schema":
            names += ["total_lines", "failed_lines", "successful_lines"]
        for name in names:
            checks.equal(f"{where} {file.path} {name}", getattr(entry, name), getattr(file, name))


def check_v2(checks: Checks, ges: FakeGES) -> None:
    """Read everything through the v2 client."""
    client = client_of(GesClientV2, ges)
    for job_id, graph in GRAPHS.items():
        job = call(client.show_job2_invoker(ShowJob2Request(graph_id=graph, job_id=job_id)))
        check_job(checks, "v2 status", job, schema_counts=True)
    page = call(client.list_jobs2_invoker(ListJobs2Request(limit="2", offset="1")))
    checks.equal("v2 job_count", page.job_count, 3)
    checks.equal("v2 page", [job.job_id for job in page.job_list], ["job-failed", "job-partial"])
    for job in page.job_list:
        check_job(checks, "v2 list", job, schema_counts=True)
    dated = ListJobs2Request(graph_name="movies", status="failed", start_time="2030-01-01", end_time="2030-01-01")
    checks.equal("v2 filters", [job.job_id for job in call(client.list_jobs2_invoker(dated)).job_list], ["job-failed"])
    missing = client.show_job2_invoker(ShowJob2Request(graph_id="g", job_id="nobody"))
    check_error(checks, "v2 unknown", missing, 400, "GES.8301", "can not find job, jobId is nobody")
    wrong = client.show_job2_invoker(ShowJob2Request(graph_id="g", job_id="job-failed"))
    text = "Incorrect IAM authentication information: decrypt token fail"
    check_error(checks, "v2 token", wrong, 401, "APIGW.0301", text, token="stale")


def check_v1(checks: Checks, ges: FakeGES) -> None:
    """Read everything through the v1.0 client, which does not parse GES errors."""
    client = client_of(GesClientV1, ges)
    for job_id, graph in GRAPHS.items():
        job = call(client.show_job_invoker(ShowJobRequest(graph_id=graph, job_id=job_id)))
        check_job(checks, "v1 status", job, schema_counts=False)
        checks.equal(f"v1 {job_id} error", (job.error_code, job.error_message), (None, None))
    page = call(client.list_jobs_invoker(ListJobsRequest(limit="2", offset="1")))
    checks.equal("v1 job_count", page.job_count, 3)
    checks.equal("v1 page", [job.job_id for job in page.job_list], ["job-failed", "job-partial"])
    for job in page.job_list:
        check_job(checks, "v1 list", job, schema_counts=False)
    dated = ListJobsRequest(graph_name="people", status="running", start_time="2030-01-01", end_time="2030-01-01")
    checks.equal("v1 filters", [job.job_id for job in call(client.list_jobs_invoker(dated)).job_list], ["job-running"])
    try:
        call(client.show_job_invoker(ShowJobRequest(graph_id="g", job_id="nobody")))
    except ClientRequestException as error:
        checks.equal("v1 unknown status", error.status_code, 400)
        checks.equal("v1 unknown code is in the text", "GES.8301" in error.error_msg, True)
    else:
        checks.failures.append("v1 unknown: no error")


def check_error(
    checks: Checks, what: str, invoker: Any, status: int, code: str, message: str, token: str = "fake-token"
) -> None:
    """Compare the error a call raises."""
    try:
        call(invoker, token)
    except ClientRequestException as error:
        found = (error.status_code, error.error_code, error.error_msg)
        checks.equal(what, found, (status, code, message))
        checks.equal(f"{what} request id", len(error.request_id), 32)
    else:
        checks.failures.append(f"{what}: no error")


def check_signed_calls(checks: Checks) -> None:
    """Let the SDK sign with keys that the server knows, without a token; its clock is this machine's."""
    temporary = ("temporary-ak", "temporary-sk", "security token/+=")
    keys = {"fake-ak": "fake-sk", temporary[0]: temporary[1:]}
    odd = "a/b c~%2F+作业"
    with serving(access_keys=keys) as ges:
        for key in (("fake-ak", "fake-sk", None), temporary):
            client = client_of(GesClientV2, ges, *key)
            page = client.list_jobs2_invoker(ListJobs2Request(limit="2", offset="1", graph_name="movies")).invoke()
            checks.equal(f"{key[0]} list", page.job_count, 2)
            job = client.show_job2(ShowJob2Request(graph_id="g", job_id="job-failed"))
            checks.equal(f"{key[0]} status", job.status, "failed")
            page = client.list_jobs2(ListJobs2Request(graph_name=odd))
            checks.equal(f"{key[0]} odd query", page.job_count, 0)
        wrong = client_of(GesClientV2, ges, "fake-ak", "wrong-sk")
        try:
            wrong.list_jobs2(ListJobs2Request())
        except ClientRequestException as error:
            checks.equal("wrong key", (error.status_code, error.error_code), (401, "APIGW.0301"))
        else:
            checks.failures.append("wrong key: no error")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,10}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
RESERVED = {"host", "x-sdk-date", "authorization", "content-type", "x-sdk-content-sha256"}
HEADERS = st.dictionaries(NAMES, VALUES, max_size=4).filter(
    lambda found: len({name.lower() for name in found} - RESERVED) == len(found)
)
TYPES = st.sampled_from([{}, {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}])


def check_signer(checks: Checks) -> None:
    """Sign the same requests with the SDK's signer and with the library's."""

    @settings(max_examples=1000, deadline=None, derandomize=True, database=None)
    @given(
        method=st.sampled_from(["GET", "POST", "delete"]),
        segments=st.lists(TEXTS, max_size=5),
        query=st.lists(st.tuples(TEXTS.filter(bool), TEXTS), max_size=4),
        headers=HEADERS,
        kind=TYPES,
        body=st.sampled_from([b"", b"{}", b"any\x00thing"]),
        keys=st.tuples(NAMES, VALUES.filter(bool)),
    )
    def compare(
        method: str,
        segments: list[str],
        query: list[tuple[str, str]],
        headers: dict[str, str],
        kind: dict[str, str],
        body: bytes,
        keys: tuple[str, str],
    ) -> None:
        path = "/" + "/".join(quote(segment, safe="") for segment in segments)
        given_headers = headers | kind
        theirs = SdkRequest(
            method=method,
            schema="https",
            host="ges.example:8443",
            resource_path=path,
            query_params=list(query),
            header_params={**given_headers, "X-Sdk-Date": "20300101T120000Z"},
            body=body,
        )
        Signer(SimpleNamespace(ak=keys[0], sk=keys[1])).sign(theirs)
        url = f"https://ges.example:8443{theirs.uri}"
        ours = sign(method, url, given_headers, ak=keys[0], sk=keys[1], at=ORIGIN, body=body)
        assert ours["Authorization"] == theirs.header_params["Authorization"]
        assert set(ours) == set(theirs.header_params)
        checks.passed += 1

    try:
        compare()
    except AssertionError as error:
        checks.failures.append(f"signer: {error}")


def main() -> int:
    """Run all checks; return the exit status."""
    checks = Checks()
    check_signer(checks)
    check_signed_calls(checks)
    with serving(origin=ORIGIN) as ges:
        check_v2(checks, ges)
        check_v1(checks, ges)
        signed = all(logged.headers.get("Authorization") == "***" for logged in ges.requests)
        checks.equal("every request was signed beside its token", signed, True)
    for failure in checks.failures:
        print(failure, file=sys.stderr)
    print(
        f"vendor SDK: {checks.passed} checks passed" + (f", {len(checks.failures)} failed" if checks.failures else "")
    )
    return 1 if checks.failures else 0


if __name__ == "__main__":
    sys.exit(main())
