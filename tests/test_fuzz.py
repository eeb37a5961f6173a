"""Replies that no document describes: bytes that were replies, and were spoilt.

Each begins as a reply of the API documents; then fields are dropped, doubled and swapped for other types, numbers grow
without bounds, texts lose their encoding, and bytes are cut off and flipped. Whatever comes, a decoder gives what its
annotations say, or raises an error of the library's own.
"""

from __future__ import annotations

import json
import pickle
import types
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import anyio
import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gespoll import (
    EngineSource,
    GespollError,
    ImportFile,
    Job,
    JobRef,
    JobRequest,
    ManagementSource,
    SourceError,
    Token,
)
from gespoll._errors import error_of
from gespoll._source import ListWindow
from gespoll._wire import engine_list, engine_status, iam_token, status_v1, status_v2
from gespoll._wire.job_centre import V1, V2
from gespoll._wire.listing import Glance, Page
from gespoll._wire.reply import Reply, failure
from gespoll.testing import virtual_time
from tests.raw_server import RawServer, Turn

GOLDEN = Path(__file__).parent / "golden"
REF = JobRef("j", "g")
LONGEST_TEXT = 1000


# Documents


ENGINE_STATUS: list[Any] = [
    {"errorMessage": "", "errorCode": "", "jobId": "j", "status": "success", "progress": 1.0, "jobType": 1},
    {"errorMessage": "no vertex", "errorCode": "GES.8402", "jobId": "j", "status": "failed", "data": {"outputs": {}}},
    {"result": "failed", "errorCode": "GES.8007", "errorMessage": "token", "status": ""},
]
ENVELOPES: list[Any] = [
    {"error_code": "GES.8301", "error_msg": "can not find job"},
    {"errorCode": "GES.8005", "errorMessage": "no", "result": "failed"},
    {"errCode": "GES.8000", "externalMessage": "no"},
    {"error_code": "APIG.0308", "error_msg": "policy user over ratelimit,limit:10,time:1 minute", "request_id": "r"},
    {"error": {"code": 401, "message": "no", "title": "Unauthorized"}},
    {"error": {"code": "IAM.0012", "message": "no"}},
]
TOKENS: list[Any] = [
    {"token": {"expires_at": "2030-01-02T12:00:00.000000Z", "issued_at": "2030-01-01T12:00:00.000000Z"}},
    {"token": {"expires_at": "2030-01-02T12:00:00.000000Z", "methods": ["password"], "user": {"name": "u"}}},
]


def golden(*names: str) -> list[Any]:
    """Read replies of the documents, as if they were about the job that is asked for."""
    documents = [json.loads((GOLDEN / f"{name}.json").read_bytes()) for name in names]
    return [
        {name: REF.job_id if name in {"job_id", "jobId"} else value for name, value in each.items()}
        for each in documents
    ]


V1_STATUS = golden("v1_status_website_success", "v1_status_github_success", "v1_status_website_failure")
V2_STATUS = golden("v2_status_success", "v2_status_failure")
CENTRE = golden("job_centre_success", "job_centre_failure")
CENTRE.append({"job_count": 1, "job_list": V2_STATUS[:1]})
ENGINE_LIST = golden("engine_list_success", "engine_list_failure")
ENGINE_LIST.append(golden("engine_list_memory")[0])


# What spoils them


@attrs.frozen
class Verbatim:
    """What stands in JSON as it is, whether it may or not."""

    text: bytes


@attrs.frozen
class Pairs:
    """An object whose names may be doubled."""

    pairs: tuple[tuple[str, Any], ...]


UNREADABLE = [
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-1e-999",
    b"9" * 400,
    b"-9223372036854775809",
    b"1.",
    b"tru",
    b"",
    b"'x'",
]
ODD_TEXTS = [
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\\u0000"',
    b'"\xff\xfe"',
    b'"\xed\xa0\x80"',
    b'"\x01"',
    b'"',
    b'"\\x"',
]
DEEP = [b"[" * 3000 + b"]" * 3000, b'{"a":' * 3000 + b"1" + b"}" * 3000, b"[" * 500]
ODD_WORDS = ["", " ", "success", "Failed", "partFailed", "running", "\u2028", "x" * 3000, "1", "-1", "j", "2030-01-01"]
LEAVES = st.one_of(
    st.sampled_from([Verbatim(text) for text in UNREADABLE + ODD_TEXTS + DEEP]),
    st.sampled_from(ODD_WORDS),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from([[], {}, [[]], [None], ["a"], {"a": 1}, [{}], {"code": 7}]),
)


def dumped(value: Any) -> bytes:
    """Write a value, wrong as it may be."""
    match value:
        case Verbatim():
            return value.text
        case Pairs():
            return (
                b"{" + b",".join(json.dumps(name).encode() + b":" + dumped(part) for name, part in value.pairs) + b"}"
            )
        case dict():
            return dumped(Pairs(tuple(value.items())))
        case list():
            return b"[" + b",".join(map(dumped, value)) + b"]"
        case _:
            return json.dumps(value).encode()


@st.composite
def spoilt(draw: st.DrawFn, value: Any) -> Any:
    """Change one place of a value: this one, or one further down."""
    places: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        places += value.items() if isinstance(value, dict) else enumerate(value)
    if not places or draw(st.integers(0, 3)) == 0:
        how = draw(st.sampled_from(["swap", "wrap", "name"]))
        return (
            draw(LEAVES) if how == "swap" else [value] if how == "wrap" else {draw(st.sampled_from(ODD_WORDS)): value}
        )
    at = draw(st.integers(0, len(places) - 1))
    name, part = places[at]
    how = draw(st.sampled_from(["inside", "inside", "drop", "double"]))
    if how == "inside":
        places[at] = name, draw(spoilt(part))
    elif how == "drop":
        del places[at]
    else:
        places.insert(draw(st.integers(0, len(places))), (name, draw(LEAVES)))
    return Pairs(tuple(places)) if isinstance(value, dict) else [each for _, each in places]


@st.composite
def bodies(draw: st.DrawFn, documents: list[Any]) -> bytes:
    """Draw a spoilt reply: now and then a whole one, or anything at all."""
    value = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(0, 3))):
        value = draw(spoilt(value))
    body = dumped(value)
    how = draw(st.sampled_from(["whole"] * 6 + ["cut", "flip", "more", "anything"]))
    at = draw(st.integers(0, max(len(body) - 1, 0)))
    match how:
        case "cut":
            return body[:at]
        case "flip":
            return body[:at] + bytes([draw(st.integers(0, 255))]) + body[at + 1 :]
        case "more":
            return body + draw(st.binary(max_size=20))
        case "anything":
            return draw(st.binary(max_size=200))
    return body


DATES = st.one_of(
    st.sampled_from(
        [
            "Wed, 02 Jan 2030 12:00:00 GMT",
            "Wed, 99 Jan 2030 12:00:00 GMT",
            "Wed, 02 Jan 0000 12:00:00 GMT",
            "Wed, 02 Jan 99999999999999999999 12:00:00 GMT",
            "Wed, 02 Jan 2030 12:00:00 +9999",
            "Wed, 02 Jan 2030 12:00:00 +99999999999999999999",
            "Wed, 02 Jan 0001 00:00:00 +2359",
            "2030-01-02T12:00:00Z",
            "",
            "0",
            "-1",
            "1e9",
            "9" * 5000,
            "\u0663",
            "\udcff",
        ]
    ),
    st.text(alphabet="WedJan, 0123456789:+-GMT()\t", max_size=40),
    st.text(max_size=20),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Date": DATES,
        "Retry-After": DATES,
        "X-Request-Id": st.one_of(st.text(max_size=10), st.just("x" * 3000), st.just("\udcff\n")),
        "X-Subject-Token": st.one_of(st.just("a-token"), st.text(max_size=10)),
    },
)
STATUSES = st.sampled_from([200] * 24 + [201, 204, 206, 302, 400, 401, 403, 404, 408, 418, 429, 500, 503, 599])


def replies(documents: list[Any]) -> st.SearchStrategy[Reply]:
    """Draw replies, spoilt in body and headers."""
    return st.builds(Reply, STATUSES, bodies(documents), HEADERS)


# What must come of them


hints: Callable[[Any], dict[str, Any]] = cache(get_type_hints)


def fits(value: object, wanted: Any) -> bool:
    """Tell whether a value is of an annotated type; times are UTC."""
    origin = get_origin(wanted)
    if wanted is Any:
        return True
    if origin in {types.UnionType, Union}:
        return any(fits(value, one) for one in get_args(wanted))
    if origin is Literal:
        return value in get_args(wanted)
    if origin is tuple:
        return isinstance(value, tuple) and all(fits(each, get_args(wanted)[0]) for each in value)
    if origin is Mapping:
        return isinstance(value, dict) and all(isinstance(name, str) for name in value)
    if wanted is datetime:
        return isinstance(value, datetime) and value.tzinfo is UTC
    if wanted in {ImportFile, JobRequest}:
        return isinstance(value, wanted) and is_well_formed(value)
    return isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))


def is_well_formed(noun: object) -> bool:
    """Check every field of a noun against its annotation."""
    for name, wanted in hints(type(noun)).items():
        assert fits(getattr(noun, name), wanted), (name, getattr(noun, name))
    return True


def check_job(job: object) -> None:
    """A job is what it is annotated to be, can be told of, and can be kept."""
    assert isinstance(job, Job)
    assert is_well_formed(job)
    assert job.reported_status.strip()
    assert job.lag is None or job.lag.total_seconds() >= 0
    assert pickle.loads(pickle.dumps(job)) == job
    f"{job!r} {error_of(job)} {job.bad_files}".encode()


def check_error(error: GespollError) -> None:
    """An error's text is one line that any log can take; its numbers are numbers."""
    assert str(error).isprintable()
    assert len(str(error)) <= LONGEST_TEXT
    if isinstance(error, SourceError):
        assert fits(error.retry_after, float | None)
        assert error.retry_after is None or 0 <= error.retry_after < 1e10
        assert fits(error.code, str | None)
        assert fits(error.request_id, str | None)


def outcome(decode: Callable[[], object]) -> object:
    """Give what a decoder gives; its errors are checked, and any other passes through."""
    try:
        return decode()
    except GespollError as error:
        check_error(error)
        return None


def check_single(read: Callable[[Reply, JobRef], Job], reply: Reply) -> None:
    """One query's reply is a job or an error."""
    job = outcome(partial(read, reply, REF))
    if job is not None:
        check_job(job)


@given(reply=replies(V1_STATUS))
def test_a_spoilt_v1_status(reply: Reply) -> None:
    """It is a job, or an error."""
    check_single(status_v1.read, reply)


@given(reply=replies(V2_STATUS))
def test_a_spoilt_v2_status(reply: Reply) -> None:
    """It is a job, or an error."""
    check_single(status_v2.read, reply)


@given(reply=replies(ENGINE_STATUS))
def test_a_spoilt_engine_status(reply: Reply) -> None:
    """It is a job, or an error."""
    check_single(engine_status.read, reply)


def check_page(page: Page, read_job: Callable[[Glance], Job | None]) -> None:
    """Entries are jobs or sightings, whatever stands between them."""
    assert fits(page.total, int | None)
    for part in page.parts():
        assert len(part.ids) == len(part.words)
        assert all(part.ids)
        assert part.newest_at() in {None, "start", "end"}
        for glance in part.glances(range(len(part.ids))):
            assert glance.job_id in part.ids
            job = read_job(glance)
            assert job is None or glance.word is not None
            if job is not None:
                check_job(job)


@given(reply=replies(CENTRE), centre=st.sampled_from([V1, V2]))
def test_a_spoilt_job_centre(reply: Reply, centre: Any) -> None:
    """Whichever version is expected."""

    def read() -> None:
        check_page(centre.read_page(reply), lambda glance: centre.read_job(glance, reply.as_of))

    outcome(read)


@given(reply=replies(ENGINE_LIST))
def test_a_spoilt_engine_list(reply: Reply) -> None:
    """It is entries, or an error."""

    def read() -> None:
        check_page(engine_list.read(reply, "g"), lambda glance: engine_list.read_job(glance, "g", reply.as_of))

    outcome(read)


@settings(max_examples=40)
@given(entries=st.lists(spoilt(ENGINE_LIST[0]["jobs"][0]), min_size=1, max_size=4), cut=st.integers(0, 40))
def test_a_long_list_of_spoilt_entries(entries: list[Any], cut: int) -> None:
    """It is read by parts, which are cut where entries seem to end; good entries are all found."""
    good = [{"jobId": f"j{number}", "status": "running", "request": {"url": "u" * 999}} for number in range(400)]
    body = dumped({"errorCode": "", "jobs": [*good[:200], *entries, *good[200:]], "totalCount": 400})
    found: list[str] = []

    def read() -> bool:
        page = engine_list.read(Reply(200, body[: len(body) - cut]), "g")
        found.extend(job_id for part in page.parts() for job_id in part.ids)
        check_page(page, lambda glance: engine_list.read_job(glance, "g", None))
        return True

    if outcome(read):
        assert {entry["jobId"] for entry in good} <= set(found)


@given(reply=replies(TOKENS + ENVELOPES))
def test_a_spoilt_token(reply: Reply) -> None:
    """It is a token that can be sent and a lifetime, or an error."""
    told = outcome(partial(iam_token.read, reply, "obtaining a token"))
    if isinstance(told, tuple):
        token, lifetime = told
        assert token.isascii()
        assert token.isprintable()
        assert lifetime is None or 0 < lifetime < 1e12


@given(reply=replies(ENVELOPES), ref=st.sampled_from([REF, None]))
def test_a_spoilt_error_envelope(reply: Reply, ref: JobRef | None) -> None:
    """It is an error of ours all the same, told in one line, with a code that is text."""
    check_error(failure(reply, "listing the project's jobs", ref))
    assert fits(reply.as_of, datetime | None)


# The same over HTTP


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Draw what a server sends: a reply whose head is spoilt, too."""
    body = draw(bodies(V2_STATUS + CENTRE + ENGINE_STATUS + ENGINE_LIST))
    length = draw(st.sampled_from([b"%d" % len(body)] * 4 + [b"0", b"7", b"-1", b"9999999999999999999999", b"x", b""]))
    head = [
        draw(
            st.sampled_from(
                [b"HTTP/1.1 200 OK"] * 6 + [b"HTTP/1.0 200", b"HTTP/1.1 999 \xff", b"HTTP/9.9 200 OK", b"x"]
            )
        ),
        b"Content-Length: " + length,
    ]
    odd = [
        b"Content-Encoding: gzip",
        b"Content-Encoding: br",
        b"Transfer-Encoding: chunked",
        b"X-Request-Id: \xff\xfe",
        b"Date: Wed, 02 Jan 2030 12:00:00 +99999999999999999999",
        b"Retry-After: \xd9\xa3",
        b"Set-Cookie: \xff=;;;=",
        b"Content-Type: application/json; charset=\xff",
        b"Location: http://[",
        b"WWW-Authenticate: \xff",
        b"Connection: \x00",
        b"no colon",
        b": no name",
        b"X-Folded: a\r\n b",
        b"Upgrade: websocket\r\nConnection: upgrade",
    ]
    head += draw(st.lists(st.sampled_from(odd), max_size=2))
    return b"\r\n".join([*head, b"", b""]) + body


@settings(max_examples=150)
@given(message=messages())
def test_a_spoilt_message_over_http(message: bytes) -> None:
    """Whatever a server sends, a look is a job or an error of ours, and so is a window."""

    async def answer(turn: Turn) -> None:
        turn.write(message)
        turn.hang_up()

    async def main() -> None:
        async with (
            RawServer(answer) as server,
            ManagementSource(server.endpoint, "p", credentials=Token("t")) as managed,
            EngineSource({"g": server.endpoint}, "p", credentials=Token("t")) as engine,
        ):
            for source in (managed, engine):
                scope = source.scope(REF)
                await check(partial(source.get, REF))
                await check(
                    partial(source.list_window, scope, offset=0, limit=9, wanted=lambda ids, _: range(len(ids)))
                )

    async def check(look: Callable[[], Any]) -> None:
        try:
            told = await look()
        except GespollError as error:
            check_error(error)
            return
        for job in told.jobs if isinstance(told, ListWindow) else [told]:
            check_job(job)

    anyio.run(main, backend_options={"loop_factory": virtual_time})


def _read_centre(reply: Reply) -> object:
    return [part for part in V1.read_page(reply).parts() if part.ids] or None


def _read_list(reply: Reply) -> object:
    return [part for part in engine_list.read(reply, "g").parts() if part.ids] or None


@pytest.mark.parametrize(
    ("documents", "read"),
    [
        (V1_STATUS, lambda reply: status_v1.read(reply, REF)),
        (V2_STATUS, lambda reply: status_v2.read(reply, REF)),
        (ENGINE_STATUS, lambda reply: engine_status.read(reply, REF)),
        (CENTRE, _read_centre),
        (ENGINE_LIST, _read_list),
        (TOKENS, partial(iam_token.read, action="obtaining a token")),
    ],
)
def test_many_replies_are_read_and_many_are_not(documents: list[Any], read: Callable[[Reply], object]) -> None:
    """Neither proves anything by itself."""
    counts: Counter[bool] = Counter()

    @settings(max_examples=200, database=None, derandomize=True)
    @given(reply=replies(documents))
    def draw(reply: Reply) -> None:
        counts[outcome(partial(read, reply)) is not None] += 1

    draw()
    assert min(counts[True], counts[False]) >= 10
