"""Rule 19: what can be read of a spoilt reply is read, what cannot is a sighting, and neither is read as less."""

from __future__ import annotations

import json
import pickle

import pytest

from gespoll import Job, JobRef, JobStatus, ManagementSource, ProtocolError, Token
from gespoll._wire import engine_list, status_v2
from gespoll._wire.decoding import decode, decode_record, in_utf_8
from gespoll._wire.job_centre import V2
from gespoll._wire.reply import Reply
from tests.raw_server import RawServer, Turn, http

REF = JobRef("j", "g")
SPOILT = {
    "a cut emoji": rb'"cut \ud83d"',
    "the other half of it": rb'"\ude00 cut"',
    "halves in the wrong order": rb'"\ude00\ud83d"',
    "cut UTF-8": b'"\xe7\xac"',
    "Latin-1": b'"\xfc"',
    "a surrogate in UTF-8": b'"\xed\xa0\xbd"',
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "a raw tab": b'"a\tb"',
    "a raw line end": b'"a\r\nb\x00"',
}
ANY_SPOILT = pytest.mark.parametrize("text", SPOILT.values(), ids=SPOILT)
LETTERS = "\u7b2c7\u884c"


def record(text: bytes = b'"x"', status: bytes = b'"success"', job_id: str = "j", more: bytes = b"") -> bytes:
    """Write a record with a text in a field that no verdict hangs on."""
    return b'{"job_id": "%b", "status": %b, "fail_reason": %b%b}' % (job_id.encode(), status, text, more)


def listed(body: bytes) -> dict[str, Job | None]:
    """Read all entries of a list."""
    page = V2.read_page(Reply(200, body))
    found = [glance for part in page.parts() for glance in part.glances(range(len(part.ids)))]
    return {glance.job_id: V2.read_job(glance, None) for glance in found}


def imported(files: bytes) -> Job:
    """Read a successful import."""
    return status_v2.read(Reply(200, b'{"status": "success", "job_detail": {"edgeset_path": [%b]}}' % files), REF)


@ANY_SPOILT
def test_rule_19_a_spoilt_text_does_not_hide_the_status(text: bytes) -> None:
    """A job whose reason is cut has failed all the same."""
    job = status_v2.read(Reply(200, record(text, b'"failed"')), REF)
    assert job.status is JobStatus.FAILED
    f"{job.fail_reason}".encode()


@ANY_SPOILT
@pytest.mark.parametrize("rows", [2, 5000])
def test_rule_19_a_spoilt_row_hides_no_other_and_not_itself(text: bytes, rows: int) -> None:
    """However long the list is, and whatever arrays stand beside the jobs."""
    others = [record(job_id=f"o{number}") for number in range(rows)]
    jobs = b",".join([*others, record(text), *others])
    more = b'"warnings": [[1, "]"], {"a": []}], "note": %b' % text
    found = listed(b'{"errors": [{"a": [1]}], "job_list": [%b], %b, "job_count": 9}' % (jobs, more))
    assert {job.status for job in found.values() if job} == {JobStatus.SUCCESS}
    assert len(found) == rows + 1


@ANY_SPOILT
def test_rule_19_a_spoilt_envelope_does_not_hide_the_jobs(text: bytes) -> None:
    """What else the reply says is read as far as it can be."""
    page = V2.read_page(Reply(200, b'{"note": %b, "job_list": [%b], "job_count": 1}' % (text, record())))
    assert (page.total, [part.ids for part in page.parts()]) == (1, [["j"]])


def test_rule_19_an_unreadable_total_is_none() -> None:
    """It is not taken for 0."""
    page = V2.read_page(Reply(200, b'{"job_count": NaN, "job_list": null}'))
    assert (page.total, [part.ids for part in page.parts()]) == (None, [[]])


@ANY_SPOILT
def test_rule_19_a_spoilt_status_is_none_or_a_word_that_nobody_knows(text: bytes) -> None:
    """It is never a good end, and of a list's row the id stays."""
    found = listed(b'{"job_list": [%b]}' % record(status=text))["j"]
    assert found is None or found.status is JobStatus.UNKNOWN


@ANY_SPOILT
@pytest.mark.parametrize("field", ["failed_lines", "total_lines", "successful_lines", "status"])
def test_rule_19_a_spoilt_count_or_word_of_a_file_is_a_doubt(text: bytes, field: str) -> None:
    """What cannot be read may be a loss."""
    job = imported(b'{"path": "p", "%b": %b}' % (field.encode(), text))
    assert job.status is JobStatus.PARTIALLY_FAILED


@pytest.mark.parametrize("name", [b"failed\xff_lines", rb"failed\ud83d_lines", b"failed_lin\xe7\xac"])
def test_rule_19_a_field_whose_name_cannot_be_read_may_be_the_one_that_counts(name: bytes) -> None:
    """So a query with one is a failed poll, and a row a sighting."""
    more = b', "job_detail": {"edgeset_path": [{"%b": 5}]}' % name
    with pytest.raises(ProtocolError, match="or one whose name cannot be read"):
        status_v2.read(Reply(200, record(more=more)), REF)
    assert listed(b'{"job_list": [%b]}' % record(more=more)) == {"j": None}


def test_rule_19_a_spoilt_record_may_not_hold_a_field_twice() -> None:
    """Leniency is no way around that."""
    assert decode_record(b'{"status": "failed", "x": NaN, "status": "success"}') is None


def test_rule_19_a_number_that_no_float_holds_is_not_guessed_at() -> None:
    """Nor is what is no JSON."""
    assert [decode(body) for body in (b"[NaN, 1e999]", b"[NaN", b"[tru]", b"{'a': 1}", b"[" * 99_999)] == [None] * 5


def test_rule_19_what_is_damaged_and_huge_is_not_read() -> None:
    """Reading it leniently would hold the loop."""
    assert decode(b'["%b", NaN]' % (b"x" * 3_000_000)) is None


def test_rule_19_a_spoilt_request_of_an_engine_job() -> None:
    """A row of the memory edition is read in full, too."""
    row = rb'{"jobId": "j", "status": "failed", "failReason": "\ud83d", "request": {"body": {"a": NaN}}}'
    (part,) = engine_list.read(Reply(200, b'{"jobs": [%b]}' % row), "g").parts()
    job = engine_list.read_job(part.glances([0])[0], "g", None)
    assert job is not None
    assert (job.status, job.fail_reason) == (JobStatus.FAILED, "\ufffd")
    assert pickle.loads(pickle.dumps(job)) == job


CHARSETS = {
    "utf-8-sig": ["", "utf-8", "iso-8859-1"],
    "gbk": ["GBK", '"gb2312"', "x-gbk", "gb18030"],
    "utf-16": ["utf-16", "UTF-16LE", "", "utf-8"],
    "utf-16-be": ["utf-16be", "utf-16", ""],
    "utf-16-le": ["utf-16", ""],
    "utf-32": ["utf-32", ""],
    "big5": ["Big5"],
    "shift_jis": ["Shift_JIS"],
    "utf-8": ["", "utf-8", "gbk", "iso-8859-1", "us-ascii", "utf-16", "rot13", "nobody-knows"],
}


@pytest.mark.parametrize(
    ("encoding", "label"), [(name, label) for name, labels in CHARSETS.items() for label in labels]
)
def test_rule_19_letters_are_read_in_the_charset_that_they_are_in(encoding: str, label: str) -> None:
    """By the label, unless the bytes say otherwise; a byte order mark is no part of the reply."""
    body = json.dumps({"a": LETTERS}, ensure_ascii=False).encode(encoding)
    assert json.loads(in_utf_8(body, f"application/json; charset={label}" if label else "application/json")) == {
        "a": LETTERS
    }


def test_rule_19_one_letter_that_is_lost_hides_no_other() -> None:
    """A charset may be cut, too."""
    body = '{"a": "\u7b2c'.encode("gbk")[:-1] + b'", "b": "\xfc"}'
    assert decode(in_utf_8(body, "text/json;charset=gbk"))["a"] == "\ufffd"
    assert decode(in_utf_8(b'{"b": "\xfc"}', "text/json;charset=ISO-8859-1")) == {"b": "\u00fc"}


@pytest.mark.anyio
@pytest.mark.parametrize("charset", ["utf-8-sig", "gbk", "utf-16"])
async def test_rule_19_a_reply_in_any_charset(charset: str) -> None:
    """Over HTTP, where its label stands in a header."""
    text = {"status": "failed", "fail_reason": LETTERS}
    sent = json.dumps(text, ensure_ascii=False).encode(charset)

    async def answer(turn: Turn) -> None:
        turn.write(http(sent, "200 OK", f"Content-Type: application/json; charset={charset}"))

    async with (
        RawServer(answer) as server,
        ManagementSource(f"http://127.0.0.1:{server.port}", "p", credentials=Token("t")) as source,
    ):
        assert (await source.get(REF)).fail_reason == LETTERS
