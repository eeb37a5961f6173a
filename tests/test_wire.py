"""Reply bytes to jobs or to an error, as every version of the API documents writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gespoll import (
    AuthenticationError,
    GespollError,
    ImportFile,
    Job,
    JobNotFound,
    JobRef,
    JobRequest,
    JobStatus,
    PermissionDenied,
    ProtocolError,
    RequestRejected,
    ServiceUnavailable,
    SourceError,
    Throttled,
)
from gespoll._jobs import extended_words
from gespoll._wire import engine_list, engine_status, iam_token, status_v1, status_v2
from gespoll._wire.job_centre import V1, V2
from gespoll._wire.listing import Glance, Page
from gespoll._wire.reply import Reply, error_code, failure

GOLDEN = Path(__file__).parent / "golden"
REF = JobRef("j", "g")
DATE = "Wed, 02 Jan 2030 12:00:00 GMT"
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
HTML = b"<html><body>502 Bad Gateway</body></html>"

Read = Callable[[Reply, JobRef], Job]
ReadEntry = Callable[[Glance], Job | None]
UNDECODABLE = [b'"x": 1e400', b'"x": ' + b"9" * 5000, b'"x": ' + b"[" * 5000 + b"]" * 5000, b'"a": [1], "a": []']
"""Fields that make a record say less than was sent, or nothing, when it is decoded."""
SINGLE_READERS = pytest.mark.parametrize("read", [status_v1.read, status_v2.read, engine_status.read])


def golden(name: str, status: int = 200) -> Reply:
    """Take a reply from the documents."""
    return Reply(status, (GOLDEN / f"{name}.json").read_bytes(), {"Date": DATE})


def reply(body: object, status: int = 200, **headers: str) -> Reply:
    """Make a reply of a JSON value, or of bytes as they are."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, body if isinstance(body, bytes) else json.dumps(body).encode(), named)


def v2(**fields: Any) -> Job:
    """Read a v2 record that is a success unless the fields say otherwise."""
    return status_v2.read(reply({"status": "success"} | fields), REF)


def first_file(entry: object) -> ImportFile:
    """Read a v2 record of one edge file."""
    files = v2(job_detail={"edgeset_path": [entry]}).files
    assert files is not None
    return files[0]


def engine(**fields: Any) -> Job:
    """Read an engine job."""
    return engine_status.read(reply(fields), REF)


def glances(page: Page) -> list[Glance]:
    """Read all entries of a page."""
    return [found for part in page.parts() for found in part.glances(range(len(part.ids)))]


def emptied(page: Page) -> int | None:
    """Give the total of a page that has no entries."""
    assert glances(page) == []
    return page.total


def listed(page: Page) -> list[tuple[str, str | None]]:
    """Return id and word of each entry."""
    return [(found.job_id, found.word) for found in glances(page)]


def centre(entries: object) -> list[tuple[str, str | None]]:
    """Return id and word of each entry of a v2 job list."""
    return listed(V2.read_page(reply({"job_count": 1, "job_list": entries})))


def centre_job(body: bytes) -> Job:
    """Read the only entry of a v2 job list."""
    (found,) = glances(V2.read_page(reply(b'{"job_list": [' + body + b"]}")))
    return readable(V2.read_job(found, None))


def readable(job: Job | None) -> Job:
    """Make sure that an entry is a job, not only a sighting."""
    assert job is not None
    return job


def engine_job(**fields: Any) -> Job:
    """Read the only entry of an engine list."""
    (found,) = glances(engine_list.read(reply({"jobs": [{"jobId": "j", "status": "success"} | fields]}), "g"))
    return readable(engine_list.read_job(found, "g", NOON))


def entry_job(field: bytes, key: str, read_page: Callable[[Reply], Page], read_job: ReadEntry) -> Job | None:
    """Read the only entry of a list, which is a success with some field beside it; its id is read in any case."""
    body = b'{"%b": [{"jobId": "j", "status": "success", %b}]}' % (key.encode(), field)
    (found,) = glances(read_page(reply(body)))
    assert found.job_id == "j"
    return read_job(found)


def fault(body: object, status: int = 400, ref: JobRef | None = REF, **headers: str) -> GespollError:
    """Tell what an error reply to a single query means."""
    return failure(reply(body, status, **headers), "looking at job g/j", ref)


class TestGoldenReplies:
    """The documents' own examples, byte for byte."""

    @pytest.mark.parametrize(
        ("name", "read"),
        [
            ("v2_status_success", status_v2.read),
            ("v1_status_website_success", status_v1.read),
            ("v1_status_github_success", status_v1.read),
        ],
    )
    def test_finished_import(self, name: str, read: Read) -> None:
        """Every field of the record is read, in both spellings."""
        ref = JobRef("ff80808167f09aaa0167f19b35ec0305", "g")
        found = read(golden(name), ref)
        assert found == Job(
            ref=ref,
            status=JobStatus.SUCCESS,
            reported_status="success",
            job_type="GraphManagement",
            name="ImportGraph",
            related_graph="GES_UI_AUTO",
            is_import=True,
            begin_time=datetime(2018, 11, 27, 21, 39, tzinfo=UTC),
            end_time=datetime(2018, 11, 27, 21, 39, 56, tzinfo=UTC),
            fail_reason=None,
            files=(
                ImportFile(kind="schema", path="ges-ui/auDatas/list_set_schema.xml", status="success"),
                ImportFile(kind="vertexset", path="ges-ui/auDatas/list_set_vertex.csv", status="success"),
                ImportFile(kind="edgeset", path="ges-ui/auDatas/list_set_edge.csv", status="success"),
            ),
            as_of=NOON,
        )
        assert found.raw == json.loads(golden(name).body)

    @pytest.mark.parametrize(
        ("name", "read"),
        [
            ("v2_status_failure", status_v2.read),
            ("v1_status_website_failure", status_v1.read),
            ("v1_status_github_failure", status_v1.read),
            ("v1_status_github_failure", engine_status.read),
        ],
    )
    def test_unknown_job(self, name: str, read: Read) -> None:
        """It is not found, and its graph is not said to be missing."""
        with pytest.raises(JobNotFound) as caught:
            read(golden(name, 400), REF)
        assert (caught.value.ref, caught.value.job, caught.value.graph_missing) == (REF, None, False)

    def test_job_centre(self) -> None:
        """An import without vertices, and a deletion without files."""
        page = V1.read_page(golden("job_centre_success"))
        assert page.total == 136
        first, second = (V1.read_job(found, NOON) for found in glances(page))
        assert first == Job(
            ref=JobRef("ff80808167bb90340167bc3c7b5b026a"),
            status=JobStatus.SUCCESS,
            reported_status="success",
            job_type="GraphManagement",
            name="ImportGraph",
            related_graph="test1217",
            is_import=True,
            begin_time=datetime(2018, 12, 17, 12, 55, 40, tzinfo=UTC),
            end_time=datetime(2018, 12, 17, 12, 56, 32, tzinfo=UTC),
            files=(
                ImportFile(kind="schema", path="hkmovie/schema.xml", status="success"),
                ImportFile(kind="edgeset", path="hkmovie/edge.csv", status="success"),
            ),
            as_of=NOON,
        )
        assert second == Job(
            ref=JobRef("ff80808167bb90340167bc5d0b1d0358"),
            status=JobStatus.SUCCESS,
            reported_status="success",
            job_type="GraphManagement",
            name="DeleteGraph",
            related_graph="test1218",
            is_import=False,
            begin_time=datetime(2018, 12, 17, 13, 31, 14, tzinfo=UTC),
            end_time=datetime(2018, 12, 17, 13, 34, 48, tzinfo=UTC),
            files=None,
            as_of=NOON,
        )
        assert [first.raw, second.raw] == json.loads(golden("job_centre_success").body)["jobList"]

    def test_failed_job_centre(self) -> None:
        """GES.9999 says nothing but "failed": it is worth another try."""
        with pytest.raises(ServiceUnavailable) as caught:
            V1.read_page(golden("job_centre_failure", 400))
        assert (caught.value.status, caught.value.code) == (400, "GES.9999")
        assert caught.value.detail == "listing the project's jobs: the service cannot answer now: failed"

    def test_engine_list(self) -> None:
        """Ids, words and requests, with the raw request decoded; nothing else is told."""
        page = engine_list.read(golden("engine_list_success"), "ges_j60071198_hdfs_fdb")
        assert page.total == 3
        jobs = [readable(engine_list.read_job(found, "ges_j60071198_hdfs_fdb", NOON)) for found in glances(page)]
        entries = json.loads(golden("engine_list_success").body)["jobs"]
        assert jobs == [
            Job(
                ref=JobRef(entry["jobId"], "ges_j60071198_hdfs_fdb"),
                status=JobStatus.SUCCESS,
                reported_status="success",
                name=command,
                related_graph="ges_j60071198_hdfs_fdb",
                is_import=command == "import_graph",
                request=JobRequest(
                    command=command, url=entry["request"]["url"], body=json.loads(entry["request"]["rawRequest"])
                ),
                as_of=NOON,
            )
            for entry, command in zip(entries, ["batch_build_index", "import_graph", "import_graph"], strict=True)
        ]
        assert [job.raw for job in jobs] == entries
        assert all(job.files is None and job.lag is None for job in jobs)

    def test_failed_engine_list(self) -> None:
        """A parameter error is the request's."""
        with pytest.raises(RequestRejected) as caught:
            engine_list.read(golden("engine_list_failure", 400), "g")
        assert (caught.value.status, caught.value.code) == (400, "GES.8005")
        assert caught.value.detail == (
            "listing the jobs of graph g: the request was rejected: Parameter error!; "
            "check the project id and the token"
        )


class TestRecord:
    """What the versions of the management documents write differently."""

    @pytest.mark.parametrize("value", [None, []])
    def test_array_without_files(self, value: object) -> None:
        """Null and empty arrays hold no file."""
        assert v2(job_detail={"vertexset_path": value, "edgeset_path": value, "schema_path": value}).files == ()

    def test_absent_arrays(self) -> None:
        """Neither does a detail without arrays."""
        assert v2(job_detail={}).files == ()

    @pytest.mark.parametrize("detail", [None, "", [], 7])
    def test_absent_detail(self, detail: object) -> None:
        """Without a detail the files are untold, which is not "none"."""
        assert v2(job_detail=detail).files is None
        assert v2().files is None

    def test_array_of_one_file_without_its_brackets(self) -> None:
        """A single object is that file."""
        files = v2(job_detail={"edgeset_path": {"path": "e", "status": "failed"}}).files
        assert files == (ImportFile(kind="edgeset", path="e", status="failed"),)

    def test_file_that_is_only_a_path(self) -> None:
        """A text is the path of a file of which nothing else is told."""
        assert first_file("e.csv") == ImportFile(kind="edgeset", path="e.csv")

    @pytest.mark.parametrize(
        ("told", "lines"),
        [
            (-1, None),
            (None, None),
            ("", None),
            ("-1", None),
            (" ", None),
            (" -1 ", None),
            (-1.0, None),
            (0, 0),
            ("0", 0),
            (12, 12),
            ("12", 12),
            (" 12 ", 12),
            (12.0, 12),
            ("0" * 30 + "5", 5),
            (" " * 30 + "5", 5),
            ("9" * 5000, 10**18 - 1),
        ],
    )
    def test_line_counts(self, told: object, lines: int | None) -> None:
        """Absent, null, blank and -1 are untold."""
        found = first_file({"total_lines": told, "failed_lines": told, "successful_lines": told})
        assert (found.total_lines, found.failed_lines, found.successful_lines) == (lines, lines, lines)
        assert not found.has_unreadable_count

    @pytest.mark.parametrize(
        "told", [True, False, "12x", "x", 1.5, "1.5", "3.0", "NaN", -7, "-7", "+3", "٣", [], [1], {}]
    )
    @pytest.mark.parametrize("name", ["total_lines", "failed_lines", "successful_lines"])
    def test_count_that_is_no_whole_number_spoils_the_file(self, name: str, told: object) -> None:
        """Nobody knows what was lost, and the file is still named."""
        (found,) = v2(job_detail={"edgeset_path": [{"path": "e", "status": "success", name: told}]}).bad_files
        assert (found.path, found.outcome, getattr(found, name)) == ("e", "partial", None)
        assert "its line counts cannot be read" in str(found)

    @pytest.mark.parametrize("told", [7, True, {}, {"a": 1}, ["failed", "success"]])
    def test_file_word_that_is_no_text_is_an_unknown_word(self, told: object) -> None:
        """It is there, and it does not say success."""
        assert first_file({"path": "e", "status": told}).outcome == "partial"

    @pytest.mark.parametrize(
        ("told", "moment"),
        [
            ("2030-01-02T12:00:00", NOON),
            ("2030-01-02 12:00:00", NOON),
            (" 2030-01-02T12:00:00 ", NOON),
            ("2030-01-02T12:00:00Z", NOON),
            ("2030-01-02T20:00:00+08:00", NOON),
            ("2030-01-02T12:00:00.000000", NOON),
            ("", None),
            (" ", None),
            (None, None),
            (1893585600, None),
            ("yesterday", None),
            ("2030-13-02T12:00:00", None),
            ("0001-01-01T00:00:00+05:00", None),
            ("9999-12-31T23:59:59-05:00", None),
        ],
    )
    def test_times_are_utc(self, told: object, moment: datetime | None) -> None:
        """With a T or a space; what is no time is untold."""
        found = v2(begin_time=told, end_time=told)
        assert (found.begin_time, found.end_time) == (moment, moment)
        assert moment is None or found.end_time is None or found.end_time.tzinfo is UTC

    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("Failed", JobStatus.FAILED),
            ("waiting", JobStatus.PENDING),
            ("pending", JobStatus.PENDING),
            ("running", JobStatus.RUNNING),
            ("complete", JobStatus.SUCCESS),
            ("partiallyFailed", JobStatus.PARTIALLY_FAILED),
            ("CANCELLED", JobStatus.CANCELLED),
            ("Partially_Failed", JobStatus.PARTIALLY_FAILED),
            ("part-failed", JobStatus.PARTIALLY_FAILED),
            ("Stopped", JobStatus.CANCELLED),
            ("terminated", JobStatus.CANCELLED),
            ("KILLED", JobStatus.CANCELLED),
            ("freezing", JobStatus.UNKNOWN),
        ],
    )
    def test_words(self, word: str, status: JobStatus) -> None:
        """Each word of any version is understood or kept, everywhere a word may stand."""
        told = {"job_id": "j", "status": word}
        jobs = [
            v2(status=word),
            status_v1.read(reply({"status": word}), REF),
            engine(status=word),
            engine_job(status=word),
            centre_job(json.dumps(told).encode()),
        ]
        assert {(job.status, job.reported_status) for job in jobs} == {(status, word)}

    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("Failed", JobStatus.FAILED),
            ("partFailed", JobStatus.PARTIALLY_FAILED),
            ("odd", JobStatus.PARTIALLY_FAILED),
            ("success", JobStatus.SUCCESS),
            (None, JobStatus.SUCCESS),
        ],
    )
    def test_file_words_correct_a_success(self, word: str | None, status: JobStatus) -> None:
        """Servers without a word for a partial failure tell it by their files alone."""
        assert v2(job_detail={"edgeset_path": [{"status": word}]}).status is status

    def test_job_name_as_array(self) -> None:
        """One document types it as an array of one text."""
        found = status_v1.read(reply({"status": "success", "jobName": ["ImportGraph"]}), REF)
        assert (found.name, found.is_import) == ("ImportGraph", True)

    def test_status_alone(self) -> None:
        """Before 2021 the reply held nothing else."""
        found = status_v1.read(reply({"status": "success"}), REF)
        assert found == Job(ref=REF, status=JobStatus.SUCCESS, reported_status="success")

    @pytest.mark.parametrize(
        ("fields", "is_import"),
        [
            ({}, None),
            ({"job_name": "ImportGraph"}, True),
            ({"job_name": " importgraph "}, True),
            ({"job_name": "DeleteGraph"}, False),
            ({"job_name": "DeleteGraph", "job_detail": {}}, False),
            ({"job_detail": {}}, None),
            ({"job_name": "X", "job_detail": {"edgeset_path": [{}]}}, True),
        ],
    )
    def test_what_is_an_import(self, fields: dict[str, Any], is_import: bool | None) -> None:
        """Its name says so, or its files do; else it is untold."""
        assert v2(**fields).is_import is is_import

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"fail_reason": "disk full", "error_msg": "no"}, "disk full"),
            ({"fail_reason": " ", "error_msg": "no"}, "no"),
            ({"errorMessage": "no"}, "no"),
            ({}, "GES.8013"),
            ({"error_code": "0"}, None),
        ],
    )
    def test_reason_of_a_failure(self, fields: dict[str, str], reason: str | None) -> None:
        """The reason, or else the error text beside it, or else its code."""
        assert v2(**{"status": "failed", "error_code": "GES.8013"} | fields).fail_reason == reason

    @pytest.mark.parametrize("word", ["success", "running", "thawing"])
    @SINGLE_READERS
    def test_error_text_beside_another_word_is_no_reason(self, read: Read, word: str) -> None:
        """Some servers say "OK" there."""
        found = read(reply({"status": word, "errorMessage": "OK", "error_msg": "OK", "errorCode": "0"}), REF)
        assert (found.reported_status, found.fail_reason) == (word, None)

    def test_reason_beside_a_success(self) -> None:
        """It is none, unless files say that something failed."""
        assert v2(fail_reason="none").fail_reason is None
        assert v2(fail_reason="row 3", job_detail={"edgeset_path": [{"failed_lines": 1}]}).fail_reason == "row 3"

    def test_record_inside_job(self) -> None:
        """One document's table shows it so, with the error beside it; its example does not."""
        detail = {"edgesetPath": [{"path": "e", "status": "partFailed"}]}
        inner = {"jobId": "j", "status": "success", "jobName": "ImportGraph", "jobDetail": detail, "errorCode": ""}
        found = status_v1.read(reply({"errorCode": "", "errorMessage": None, "Job": inner}), REF)
        assert (found.status, found.name, len(found.bad_files)) == (JobStatus.PARTIALLY_FAILED, "ImportGraph", 1)
        assert found.raw["Job"] == inner

    @SINGLE_READERS
    def test_error_beside_a_record_inside_job(self, read: Read) -> None:
        """It explains a failure, and makes a success a failed poll."""
        body = {"errorCode": "GES.7006", "errorMessage": "no", "Job": {"status": "failed"}}
        assert (read(reply(body), REF).fail_reason or "").startswith("no")
        with pytest.raises(ServiceUnavailable):
            read(reply(body | {"Job": {"status": "success"}}), REF)

    @pytest.mark.parametrize("status", [200, 201, 202, 203, 206])
    @SINGLE_READERS
    def test_record_with_any_status_of_success_is_read(self, read: Read, status: int) -> None:
        """A proxy that transforms makes a 203 of a 200."""
        assert read(reply({"status": "success"}, status), REF).status is JobStatus.SUCCESS

    @SINGLE_READERS
    def test_words_of_ones_own(self, read: Callable[..., Job]) -> None:
        """They are read like those of the documents, and what they mean decides what an error beside them is."""
        words = extended_words({"halted": "cancelled"})
        found = read(reply({"status": "Halted", "errorCode": "GES.1", "errorMessage": "by hand"}), REF, words)
        assert (found.status, found.reported_status) == (JobStatus.CANCELLED, "Halted")
        assert (found.fail_reason or "").startswith("by hand")

    @pytest.mark.parametrize("field", [*UNDECODABLE, b'"status": "failed"'])
    @SINGLE_READERS
    def test_record_that_cannot_be_read_in_full_is_a_failed_poll(self, read: Read, field: bytes) -> None:
        """It is not read in part."""
        with pytest.raises(ProtocolError):
            read(reply(b'{"status": "success", ' + field + b"}"), REF)

    def test_field_that_stands_twice_is_named(self) -> None:
        """Its first value would be lost, and it may be the one that counts."""
        with pytest.raises(ProtocolError, match="the reply holds a field twice"):
            status_v2.read(reply(b'{"status": "success", "a": {"b": 1, "b": 2}}'), REF)

    @given(st.dictionaries(st.text(), st.text() | st.dictionaries(st.text(), st.sampled_from(['":', '\\":', '"a":']))))
    def test_text_that_looks_like_a_field_is_none(self, fields: dict[str, object]) -> None:
        """Only what stands twice is taken for it."""
        record = {**fields, "status": "running", "x": '": ":'}
        for body in (json.dumps(record), json.dumps(record, ensure_ascii=False, indent=1)):
            assert status_v2.read(reply(body.encode()), REF).status is JobStatus.RUNNING

    @pytest.mark.parametrize("code", ["", None, " ", "0"])
    @SINGLE_READERS
    def test_blank_error_code_of_a_success(self, read: Read, code: str | None) -> None:
        """It is no error."""
        fields = {"error_code": code, "errorCode": code, "error_msg": code, "errorMessage": code}
        assert read(reply({"status": "success"} | fields), REF).status is JobStatus.SUCCESS

    @pytest.mark.parametrize("word", ["success", "complete", "running", "pending"])
    @SINGLE_READERS
    def test_error_code_beside_a_good_word(self, read: Read, word: str) -> None:
        """It is the query that failed, not the job that is done."""
        with pytest.raises(ServiceUnavailable, match="code GES"):
            read(reply({"status": word, "errorCode": "GES.7006"}), REF)

    @pytest.mark.parametrize("word", ["cancelled", "partiallyFailed", "part_failed", "killed"])
    @SINGLE_READERS
    def test_error_code_beside_another_bad_end(self, read: Read, word: str) -> None:
        """It is the job's own, too."""
        found = read(reply({"status": word, "errorCode": "GES.8013", "errorMessage": "format"}), REF)
        assert found.status in {JobStatus.CANCELLED, JobStatus.PARTIALLY_FAILED}
        assert found.fail_reason in {"format", "format (GES.8013)"}

    @pytest.mark.parametrize("word", ["failed", "Failed", " failed "])
    @SINGLE_READERS
    def test_error_code_beside_failed(self, read: Read, word: str) -> None:
        """It is the job's own."""
        found = read(reply({"status": word, "errorCode": "GES.8013", "errorMessage": "format"}), REF)
        assert found.status is JobStatus.FAILED
        assert found.fail_reason in {"format", "format (GES.8013)"}

    @pytest.mark.parametrize("body", [{}, {"status": ""}, {"status": " "}, {"status": None}, {"status": 7}])
    @SINGLE_READERS
    def test_blank_status(self, read: Read, body: object) -> None:
        """It is a failed poll."""
        with pytest.raises(ProtocolError) as caught:
            read(reply(body, X_Request_Id="r1"), REF)
        assert str(caught.value) == "looking at job g/j: the reply has no status (HTTP 200, request r1)"

    @SINGLE_READERS
    def test_error_body_in_a_200(self, read: Read) -> None:
        """It is the error it would be with any other HTTP status."""
        with pytest.raises(ServiceUnavailable):
            read(reply({"error_code": "GES.7004", "error_msg": "IaaS"}), REF)
        with pytest.raises(JobNotFound):
            read(reply({"errorCode": "GES.7007", "errorMessage": "no job"}), REF)

    def test_reply_about_another_job(self) -> None:
        """It is a failed poll that names both."""
        with pytest.raises(ProtocolError) as caught:
            v2(job_id="other")
        assert str(caught.value) == "looking at job g/j: the reply describes another job, other"

    def test_what_another_job_is_called_stays_one_line(self) -> None:
        """However long it is, and whatever stands in it."""
        with pytest.raises(ProtocolError) as caught:
            v2(job_id="a\n" + "b" * 999)
        assert str(caught.value) == f"looking at job g/j: the reply describes another job, a {'b' * 198}"

    @pytest.mark.parametrize("key", ["job_id", "jobId"])
    def test_job_id_that_is_a_whole_number_is_its_digits(self, key: str) -> None:
        """It is compared as such."""
        read = status_v2.read if key == "job_id" else status_v1.read
        assert read(reply({"status": "running", key: 42}), JobRef("42", "g")).status is JobStatus.RUNNING
        with pytest.raises(ProtocolError, match="the reply describes another job, 42"):
            read(reply({"status": "running", key: 42}), REF)

    @pytest.mark.parametrize("told", ["j", None, "", 5.5])
    def test_job_id_may_be_untold(self, told: object) -> None:
        """The reply is about the job that was asked for."""
        assert v2(job_id=told).ref is REF

    def test_unknown_fields_are_kept(self) -> None:
        """They stand in `raw`, as they came."""
        fields = {"status": "running", "job_progress": 0.5, "new": {"a": [1]}}
        assert v2(**fields).raw == fields

    def test_text_that_is_no_utf8_does_not_hide_the_status(self) -> None:
        """Some servers write reasons in the encoding of their country."""
        found = status_v2.read(reply(b'{"status": "failed", "fail_reason": "\xb4\xed\xce\xf3"}'), REF)
        assert found.status is JobStatus.FAILED
        assert found.fail_reason is not None

    @pytest.mark.parametrize("body", [b"[]", b"null", b'"success"', b'{"status": "succ', b"", b"\xff", b"[" * 10**5])
    @SINGLE_READERS
    def test_body_that_is_no_object(self, read: Read, body: bytes) -> None:
        """A cut off reply is a failed poll."""
        with pytest.raises(ProtocolError) as caught:
            read(reply(body), REF)
        assert str(caught.value) == (
            "looking at job g/j was answered with something that is no JSON object, perhaps by a proxy in between "
            "(HTTP 200)"
        )

    def test_date_of_the_reply_is_the_servers_clock(self) -> None:
        """A reply without a readable Date tells none."""
        assert status_v2.read(reply({"status": "success"}, Date=DATE), REF).as_of == NOON
        assert status_v2.read(reply({"status": "success"}, Date="noon"), REF).as_of is None

    @pytest.mark.parametrize(
        ("date", "moment"),
        [
            ("Wed, 02 Jan 2030 14:00:00 +0200", NOON),
            ("Wed, 02 Jan 2030 12:00:00", NOON),
            ("Wed, 02 Jan 99999999999999999999 12:00:00 GMT", None),
            ("Wed, 02 Jan 2030 12:00:00 +99999999999999999999", None),
            ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ],
    )
    def test_date_in_another_zone_or_out_of_bounds(self, date: str, moment: datetime | None) -> None:
        """It is UTC, or not known."""
        assert status_v2.read(reply({"status": "success"}, Date=date), REF).as_of == moment
        assert reply({}, Retry_After=date, Date=DATE).retry_after == (None if moment is None else 0.0)


class TestEngineStatus:
    """One engine job, with or without its results."""

    def test_results_are_not_asked_for(self) -> None:
        """The default limit is a hundred thousand of them."""
        assert engine_status.QUERY == {"offset": "0", "limit": "1"}

    def test_results_are_left_out(self) -> None:
        """A hundred thousand vertices are nothing a waiter keeps."""
        data = {"vertices": ["v"], "outputs": {"data_total_size": 1}}
        found = engine(status="success", data=data, result="success", errorCode="", errorMessage=None)
        assert found == Job(ref=REF, status=JobStatus.SUCCESS, reported_status="success", related_graph="g")
        assert "data" not in found.raw
        assert found.raw["result"] == "success"

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"errorMessage": "no memory", "errorCode": "GES.8402"}, "no memory (GES.8402)"),
            ({"errorMessage": "no memory"}, "no memory"),
            ({"errorCode": "GES.8402"}, "GES.8402"),
            ({}, None),
        ],
    )
    def test_reason_of_a_failure(self, fields: dict[str, str], reason: str | None) -> None:
        """The text with its code, as far as they are told."""
        assert engine(status="failed", **fields).fail_reason == reason

    def test_blank_status_beside_an_error_is_the_queries(self) -> None:
        """The database edition says result: failed."""
        with pytest.raises(JobNotFound):
            engine(status="", errorCode="GES.8301", errorMessage="can not find job, jobId is j", result="failed")

    @pytest.mark.parametrize("status", [200, 400, 404])
    def test_missing_graph(self, status: int) -> None:
        """Its code is elsewhere that of a wrong parameter, which this query cannot have."""
        body = {"errorMessage": "Graph [ p -g] does not exist", "errorCode": "GES.8000", "result": "failed"}
        with pytest.raises(JobNotFound) as caught:
            engine_status.read(reply(body, status), REF)
        assert caught.value.graph_missing
        with pytest.raises(RequestRejected):
            status_v2.read(reply(body, status), REF)


class TestEngineList:
    """Entries of the engine's list in both published forms."""

    @pytest.mark.parametrize("key", ["jobId", "job_id"])
    def test_id_in_either_spelling(self, key: str) -> None:
        """The table says one, the example the other."""
        page = engine_list.read(reply({"jobs": [{key: "j", "status": "running"}], "result": "success"}), "g")
        assert listed(page) == [("j", "running")]
        assert page.total is None

    @pytest.mark.parametrize(
        ("request_", "body"),
        [
            ({"body": {"a": 1}}, {"a": 1}),
            ({"rawRequest": '{"a": 1}'}, {"a": 1}),
            ({"rawRequest": {"a": 1}}, {"a": 1}),
            ({"rawRequest": "{a"}, "{a"),
            ({"rawRequest": "["}, "["),
            ({"rawRequest": ""}, ""),
            ({}, None),
            ({"body": {"a": 1}, "rawRequest": "{}"}, {"a": 1}),
        ],
    )
    def test_body_of_the_request(self, request_: dict[str, Any], body: object) -> None:
        """It stands in body or, as a text, in rawRequest; what is no JSON stays a text."""
        assert engine_job(request=request_).request == JobRequest(body=body)

    @pytest.mark.parametrize(
        ("command", "is_import"), [("import_graph", True), ("delete", False), (None, None), ("", None)]
    )
    def test_what_is_an_import(self, command: str | None, is_import: bool | None) -> None:
        """The command of the request says so."""
        assert engine_job(request={"command": command}).is_import is is_import

    @pytest.mark.parametrize("request_", [None, "x", []])
    def test_request_may_be_untold(self, request_: object) -> None:
        """Then so are name and kind."""
        found = engine_job(request=request_)
        assert (found.request, found.name, found.is_import) == (None, None, None)

    @pytest.mark.parametrize("total", [3, "3", 3.0])
    def test_total_as_number_or_text(self, total: object) -> None:
        """It is typed either way."""
        assert engine_list.read(reply({"jobs": [], "totalCount": total}), "g").total == 3

    def test_failed_query(self) -> None:
        """result: failed is about the query, with or without a code."""
        with pytest.raises(ServiceUnavailable):
            engine_list.read(reply({"result": "failed", "jobs": []}), "g")
        body = {"errorMessage": "graph : movidde not exist", "errorCode": "GES.8000", "result": "failed"}
        with pytest.raises(RequestRejected, match="graph : movidde not exist"):
            engine_list.read(reply(body), "movidde")


TRICKY = {"command": "x", "body": [{"a": "},{"}, {"b": "}  ,  {"}], "text": '"}, {"jobId": "no"'}


class TestLongLists:
    """A long reply is cut between entries, and read part by part."""

    def body(self, count: int, **envelope: Any) -> bytes:
        """Write a list whose entries hold everything that looks like the end of one."""
        entries = [{"jobId": f"j{number}", "status": "running", "request": TRICKY} for number in range(count)]
        return json.dumps({"errorCode": "", "jobs": entries, **envelope}).encode()

    @pytest.mark.parametrize("envelope", [{"totalCount": 9000, "result": "success"}, {}])
    def test_every_entry_is_read_once_in_order(self, envelope: dict[str, Any]) -> None:
        """Whatever stands in the entries, and whatever follows the list."""
        page = engine_list.read(reply(self.body(9000, **envelope)), "g")
        parts = list(page.parts())
        assert len(parts) > 2
        assert [job_id for part in parts for job_id in part.ids] == [f"j{number}" for number in range(9000)]
        assert {word for part in parts for word in part.words} == {"running"}
        assert page.total == envelope.get("totalCount")

    def test_a_wanted_entry_is_read_whole(self) -> None:
        """From the part in which it stands."""
        page = engine_list.read(reply(self.body(9000)), "g")
        *_, last = page.parts()
        (found,) = last.glances([len(last.ids) - 1])
        job = readable(engine_list.read_job(found, "g", None))
        assert (job.ref.job_id, job.request) == ("j8999", JobRequest(command="x", body=TRICKY["body"]))

    def test_one_entry_of_a_wrong_shape_hides_no_other(self) -> None:
        """It is passed over, or read without what is wrong."""
        body = self.body(9000).replace(b'"j5"', b"{}", 1).replace(b'"j6", "status": "running"', b'"j6", "status": 7', 1)
        found = listed(engine_list.read(reply(body), "g"))
        assert len(found) == 8999
        assert found[4:7] == [("j4", "running"), ("j6", None), ("j7", "running")]

    def test_an_error_beside_a_long_list_is_an_error(self) -> None:
        """The envelope decides."""
        with pytest.raises(ServiceUnavailable):
            engine_list.read(reply(self.body(9000).replace(b'"errorCode": ""', b'"errorCode": "GES.8302"')), "g")

    @pytest.mark.parametrize(("whole", "damaged"), [(b'"j4500"', b'"j4500'), (b'"j8999"', b"]"), (b"]}", b"")])
    def test_a_long_list_that_is_damaged_is_unreadable(self, whole: bytes, damaged: bytes) -> None:
        """In its middle, in its last entry, or where it is cut off."""
        with pytest.raises(ProtocolError):
            listed(engine_list.read(reply(self.body(9000).replace(whole, damaged)), "g"))

    def test_a_long_reply_without_a_list_is_none(self) -> None:
        """A key of that name inside something else is not taken for it."""
        body = json.dumps({"data": {"jobs": [{"jobId": "x"}] * 30_000}}).encode()
        with pytest.raises(ProtocolError, match="the reply holds no list of jobs"):
            engine_list.read(reply(body), "g")

    @pytest.mark.parametrize("opening", [b"[", b'{"a": '])
    def test_deep_nesting_is_survived(self, opening: bytes) -> None:
        """The entry is there, and not read."""
        nested = opening * 20_000 + b"1" + {b"[": b"]"}.get(opening, b"}") * 20_000
        body = b'{"jobs": [{"jobId": "a", "request": ' + nested + b"}]}"
        assert listed(engine_list.read(reply(body), "g")) == [("a", None)]

    def test_entry_that_is_neither_readable_nor_short_is_a_failed_poll(self) -> None:
        """Looking for its end would take too long."""
        body = b'{"jobs": [{"jobId": "a", "x": NaN, "y": "' + b"y" * 2_000_000 + b'"}]}'
        with pytest.raises(ProtocolError):
            listed(engine_list.read(reply(body), "g"))

    @pytest.mark.parametrize("damage", [b'{"jobId": "b", "x": [}', b'{"jobId": "b", "x": "}', b'{"jobId": "b"]', b"}"])
    def test_brackets_that_do_not_match_are_a_failed_poll(self, damage: bytes) -> None:
        """Nobody knows where the next entry begins."""
        body = b'{"jobs": [{"jobId": "a", "status": "running"}, ' + damage + b', {"jobId": "c"}]}'
        with pytest.raises(ProtocolError):
            listed(engine_list.read(reply(body), "g"))

    def test_another_array_behind_a_damaged_list_is_not_read_as_entries(self) -> None:
        """The list ends where it is closed."""
        body = b'{"jobs": [{"jobId": "a", "x": NaN}, {"jobId": "b"}], "more": [{"jobId": "no"}], "totalCount": 2}'
        page = engine_list.read(reply(body), "g")
        assert [job_id for part in page.parts() for job_id in part.ids] == ["a", "b"]

    def test_id_of_an_unreadable_entry_is_its_own(self) -> None:
        """Not one of something inside it, nor of a text."""
        inside = b'{"a": {"jobId": "no"}, "b": "\\"jobId\\": \\"no\\"", "c": NaN, "d": "jobId", "e": "no"'
        for end, ids in ((b', "jobId": "j"}', ["j"]), (b', "jobId": 7}', []), (b"}", [])):
            (part,) = engine_list.read(reply(b'{"jobs": [' + inside + end + b"]}"), "g").parts()
            assert (part.ids, part.skipped) == (ids, 1 - len(ids))

    @pytest.mark.parametrize(
        ("begins", "newest"),
        [
            (["03", "02", "01"], "start"),
            (["01", "01", "02"], "end"),
            (["01", "03", "02"], None),
            (["01", "01", "01"], None),
            (["01", None, "?"], None),
            (["01"], None),
        ],
    )
    def test_times_tell_where_the_newest_stand(self, begins: list[str | None], newest: str | None) -> None:
        """Where all samples agree."""
        times = [None if begin is None else f"2030-01-{begin}T00:00:00" for begin in begins]
        page = V2.read_page(reply({"job_list": [{"job_id": str(n), "begin_time": at} for n, at in enumerate(times)]}))
        (part,) = page.parts()
        assert part.newest_at() == newest


class TestListPage:
    """The envelope first, the entries one by one."""

    @pytest.mark.parametrize("code", ["", None])
    def test_blank_error_code_of_a_success(self, code: str | None) -> None:
        """It is no error."""
        assert emptied(V1.read_page(reply({"jobCount": 0, "jobList": [], "errorCode": code}))) == 0

    @pytest.mark.parametrize(
        "entry",
        [
            {},
            {"status": "running"},
            {"job_id": None},
            {"job_id": 5.5},
            {"job_id": True},
            {"job_id": ""},
            "x",
            None,
            7,
            [],
        ],
    )
    def test_entry_without_id_is_passed_over(self, entry: object) -> None:
        """The entries beside it are read."""
        assert centre([entry, {"job_id": "k", "status": "running"}]) == [("k", "running")]

    @pytest.mark.parametrize(("job_id", "digits"), [(5, "5"), (0, "0"), (10**30, "1" + "0" * 30), (7.0, "7")])
    @pytest.mark.parametrize("key", ["job_id", "jobId"])
    def test_id_that_is_a_whole_number_is_its_digits(self, key: str, job_id: object, digits: str) -> None:
        """However the list mixes them with texts, each id keeps its own record."""
        entries = [{"job_id": " ", "status": "a"}, {key: job_id, "status": "b"}, {}, {"job_id": "k", "status": "c"}]
        assert centre(entries) == [(digits, "b"), ("k", "c")]

    @pytest.mark.parametrize("job_id", [" ", "\x00", "a\nb"])
    def test_entry_with_an_id_that_is_none_is_passed_over(self, job_id: str) -> None:
        """No job could be made of it."""
        assert centre([{"job_id": job_id, "status": "running"}]) == []

    @pytest.mark.parametrize("entry", [{}, {"status": None}, {"status": ""}, {"status": " "}])
    def test_entry_without_status_has_no_word(self, entry: dict[str, object]) -> None:
        """It is there, but tells nothing."""
        assert centre([{"job_id": "k"} | entry]) == [("k", None)]

    def test_entry_whose_status_is_no_text_counts_as_blank(self) -> None:
        """The job is there, and its status is to be asked for."""
        assert centre([{"job_id": "j", "status": 5}, {"job_id": "k", "status": "x"}]) == [("j", None), ("k", "x")]

    @pytest.mark.parametrize("field", [b'"name": "\xb4\xed"', b'"job_name": "\xb4\xed"', b'"x": 1e99'])
    def test_entry_with_an_odd_field_keeps_its_status(self, field: bytes) -> None:
        """A text that is no UTF-8, and a huge number that can be read, spoil neither the entry nor the list."""
        found = centre_job(b'{"job_id": "j", "status": "failed", ' + field + b"}")
        assert (found.ref, found.status) == (JobRef("j"), JobStatus.FAILED)

    def test_entry_whose_id_is_no_utf8_is_passed_over(self) -> None:
        """The entries beside it are read."""
        body = b'{"job_list": [{"job_id": "\xff"}, {"job_id": "k"}]}'
        assert listed(V2.read_page(reply(body))) == [("k", None)]

    def test_null_list_is_empty(self) -> None:
        """With or without a total."""
        assert emptied(V2.read_page(reply({"job_list": None, "job_count": 0}))) == 0
        assert emptied(V2.read_page(reply({"job_list": None}))) is None

    def test_missing_list_beside_a_total_is_empty(self) -> None:
        """The total shows that it is a list reply."""
        assert emptied(V2.read_page(reply({"job_count": 0}))) == 0

    def test_missing_list_and_total_are_a_failed_poll(self) -> None:
        """Something else was answered."""
        with pytest.raises(ProtocolError) as caught:
            V2.read_page(reply({"status": "success"}))
        assert str(caught.value) == "listing the project's jobs: the reply holds no list of jobs (HTTP 200)"

    @pytest.mark.parametrize("value", [{}, "x", 7, True])
    def test_list_that_is_no_array_is_a_failed_poll(self, value: object) -> None:
        """An object typed as one job is not guessed at."""
        with pytest.raises(ProtocolError, match="the list of jobs is no array"):
            V2.read_page(reply({"job_list": value}))

    @pytest.mark.parametrize("total", [b"1e999", b'"\xff"', b"-1", b"null", b"[]"])
    def test_unreadable_total_is_untold(self, total: bytes) -> None:
        """The list is read all the same."""
        assert emptied(V2.read_page(reply(b'{"job_list": [], "job_count": ' + total + b"}"))) is None

    @pytest.mark.parametrize("body", [b"[]", b"{", b"", b"\xff", b'{"job_list": [' + b"[" * 10**5, HTML])
    def test_body_that_is_no_object_is_a_failed_poll(self, body: bytes) -> None:
        """A proxy answered, or the reply was cut off."""
        with pytest.raises(ProtocolError, match="no JSON object"):
            V2.read_page(reply(body))

    def test_error_body_in_a_200(self) -> None:
        """It is the error it would be with any other HTTP status."""
        with pytest.raises(PermissionDenied):
            V2.read_page(reply({"error_code": "GES.7041", "error_msg": "no", "job_list": []}))

    def test_absence_means_nothing_to_a_list(self) -> None:
        """No single job is not found by it."""
        with pytest.raises(RequestRejected):
            V2.read_page(reply({"error_code": "GES.7000", "error_msg": "no graph"}, 400))


LIST_READERS = pytest.mark.parametrize(
    ("key", "read_page", "read_job"),
    [
        pytest.param("jobList", V1.read_page, lambda found: V1.read_job(found, NOON), id="job centre"),
        pytest.param(
            "jobs",
            lambda found: engine_list.read(found, "g"),
            lambda found: engine_list.read_job(found, "g", NOON),
            id="engine",
        ),
    ],
)


class TestSighting:
    """Entries that show that a job is there, and tell nothing else of it."""

    @pytest.mark.parametrize("field", UNDECODABLE)
    @LIST_READERS
    def test_entry_that_cannot_be_read_in_full(
        self, field: bytes, key: str, read_page: Callable[[Reply], Page], read_job: ReadEntry
    ) -> None:
        """It is not read as less than it says."""
        assert entry_job(field, key, read_page, read_job) is None

    @LIST_READERS
    def test_entry_with_the_error_of_a_poll(
        self, key: str, read_page: Callable[[Reply], Page], read_job: ReadEntry
    ) -> None:
        """A success that the service could not look up is none."""
        assert entry_job(b'"errorCode": "GES.7006"', key, read_page, read_job) is None
        assert entry_job(b'"errorCode": "0"', key, read_page, read_job) is not None

    @pytest.mark.parametrize(
        "field", [b'"x": ' + b"[" * 5000 + b"]" * 5000, b'"x": "\\ud83d"', b'"x": NaN', b'"x": "\t"']
    )
    @pytest.mark.parametrize("others", [1, 9000])
    def test_entry_that_no_decoder_takes_hides_no_other(self, field: bytes, others: int) -> None:
        """In a short list and in a long one."""
        good = [b'{"jobId": "%d", "status": "running", "b": "]}, {"}' % number for number in range(others)]
        body = b'{"jobs": [' + b", ".join([*good, b'{"jobId": "bad", ' + field + b"}", *good]) + b'], "jobCount": 7}'
        page = engine_list.read(reply(body), "g")
        assert page.total == 7
        found = listed(page)
        assert [each for each in found if each[0] != "bad"] == [
            (str(number), "running") for number in range(others)
        ] * 2


class TestMemoryEditionList:
    """Entries of the engine's list as the memory edition writes them."""

    def test_the_documents_example(self) -> None:
        """Kind, reason, files, progress and request; no time, since nothing says in which zone they are."""
        page = engine_list.read(golden("engine_list_memory"), "g")
        assert page.total == 3
        failed, lossy, running = (readable(engine_list.read_job(found, "g", NOON)) for found in glances(page))
        assert (failed.status, failed.name, failed.is_import) == (JobStatus.FAILED, "Algorithm", False)
        assert failed.fail_reason == "Running algorithm [shortest_path] error: parameter [source] is invalid!"
        assert failed.request == JobRequest(body={"algorithmName": "shortest_path", "parameters": {"target": "Lily"}})
        assert (lossy.status, lossy.name, lossy.is_import) == (JobStatus.PARTIALLY_FAILED, "ImportGraph", True)
        assert lossy.bad_files == (
            ImportFile(
                kind="edgeset",
                path="/bucket/edge.csv",
                status="success",
                total_lines=1659,
                failed_lines=3,
                successful_lines=1656,
            ),
        )
        assert [file.kind for file in lossy.files or ()] == ["edgeset", "vertexset", "schema"]
        assert (lossy.total_lines, lossy.failed_lines, lossy.request) == (1854, 3, None)
        assert (running.status, running.files, running.progress) == (JobStatus.RUNNING, None, 0.4)
        assert {each.begin_time for each in (failed, lossy, running)} == {None}
        assert {each.end_time for each in (failed, lossy, running)} == {None}
        assert (failed.as_of, failed.raw["canStop"]) == (NOON, False)

    @pytest.mark.parametrize(
        ("told", "progress"),
        [(0, 0.0), ("0", 0.0), (50, 0.5), (" 50 ", 0.5), (12.5, 0.125), ("12.5", 0.125), (100, 1.0), ("100", 1.0)],
    )
    def test_progress(self, told: object, progress: float) -> None:
        """From 0 to 100, a number or a text; from 0 to 1 here."""
        assert engine_job(progress=told).progress == progress

    @pytest.mark.parametrize("told", [None, "", "x", -1, 101, "101", True, [50], "1e1"])
    def test_progress_that_is_none(self, told: object) -> None:
        """Nothing is guessed."""
        assert engine_job(progress=told).progress is None

    def test_progress_of_the_management_plane_is_not_used(self) -> None:
        """It is reserved, and always 0."""
        assert v2(status="running", job_progress=50).progress is None

    @pytest.mark.parametrize(
        ("told", "moment"),
        [
            ("2030-01-02T12:00:00Z", NOON),
            ("2030-01-02 20:00:00+08:00", NOON),
            (1893585600, NOON),
            ("1893585600", NOON),
            (1893585600000, NOON),
            (1893585600000000, NOON),
            (1893585600.0, NOON),
            ("2030-01-02 12:00:00", None),
            ("20300102", None),
            ("20300102120000", None),
            (0, None),
            (-1, None),
            (True, None),
            (1e300, None),
            ("", None),
            (None, None),
            ({}, None),
        ],
    )
    def test_times_that_name_no_zone_are_not_read(self, told: object, moment: datetime | None) -> None:
        """They are local to a zone that nobody tells, and never UTC."""
        found = engine_job(taskType="Algorithm", startTime=told, endTime=told)
        assert (found.begin_time, found.end_time) == (moment, moment)

    @pytest.mark.parametrize(
        ("files", "kinds"),
        [
            (None, None),
            ("x", None),
            ([], ()),
            ([{"edgeFiles": {}}, {"vertexFiles": {}}], ("edgeset", "vertexset")),
            ([{"edgeFiles": {}, "schemaFiles": {}}], ("edgeset", "schema")),
            ({"edgeFiles": [{}, {}]}, ("edgeset", "edgeset")),
            ([{"deltaFiles": {}}], ("other",)),
            ([{"fileName": "a"}], ("other",)),
            (["a"], ("other",)),
        ],
    )
    def test_shapes_of_the_files(self, files: object, kinds: tuple[str, ...] | None) -> None:
        """No file is passed over, whatever it is called."""
        found = engine_job(files=files).files
        assert (None if found is None else tuple(file.kind for file in found)) == kinds

    @given(
        st.sampled_from(["edgeFiles", "vertexFiles", "schemaFiles", "newFiles"]),
        st.sampled_from(["Lines", "Labels"]),
        st.sampled_from(["success", "complete", "", None]),
        st.integers(1, 10**9),
        st.sampled_from([("failed", 0), ("failed", 1), ("successful", -1)]),
    )
    def test_a_spoilt_file_is_never_a_success(
        self, key: str, unit: str, word: str | None, lines: int, loss: tuple[str, int]
    ) -> None:
        """The counts outweigh the words (rule 3)."""
        name, number = loss
        losses: dict[str, dict[str, object]] = {
            "failed": {f"failed{unit}": lines if number else f"{lines} lost"},
            "successful": {f"total{unit}": lines, f"successful{unit}": lines - 1},
        }
        file = {"fileName": "a", "status": word, **losses[name]}
        assert (
            engine_job(files=[{"edgeFiles": {"status": "success"}}, {key: file}]).status is JobStatus.PARTIALLY_FAILED
        )

    def test_reason_only_of_what_failed(self) -> None:
        """A success has none."""
        assert engine_job(status="failed", failReason="no").fail_reason == "no"
        assert engine_job(status="success", failReason="no").fail_reason is None

    @pytest.mark.parametrize(("raw", "body"), [('{"a": 1}', {"a": 1}), ("{a", "{a"), ({"a": 1}, {"a": 1}), ([1], [1])])
    def test_request(self, raw: object, body: object) -> None:
        """Its body alone, a text as a rule."""
        assert engine_job(taskType="Algorithm", rawRequest=raw).request == JobRequest(body=body)

    @pytest.mark.parametrize(
        ("entry", "edition"),
        [
            ({"jobId": "j", "status": "success"}, None),
            ({"jobId": "j", "request": {}}, "database"),
            ({"jobId": "j", "request": None}, "database"),
            ({"jobId": "j", "taskType": "Algorithm"}, "memory"),
            ({"jobId": "j", "progress": 0}, "memory"),
            ({"jobId": "j", "request": {}, "files": []}, "memory"),
            (7, None),
        ],
    )
    def test_shape_of_an_entry_shows_the_edition(self, entry: object, edition: str | None) -> None:
        """By the fields that only one of them has."""
        assert engine_list.edition_of(json.dumps(entry).encode()) == edition

    @pytest.mark.parametrize("total", ["jobCount", "totalCount"])
    def test_total_in_either_spelling(self, total: str) -> None:
        """The editions differ in it."""
        assert engine_list.read(reply({"jobs": [], total: 3}), "g").total == 3
        assert emptied(engine_list.read(reply({total: 0}), "g")) == 0

    def test_local_times_tell_where_the_newest_stand(self) -> None:
        """Among themselves they can be compared."""
        jobs = [{"jobId": str(n), "startTime": f"2030-01-0{n} 12:00:00"} for n in (3, 2, 1)]
        (part,) = engine_list.read(reply({"jobs": jobs}), "g").parts()
        assert part.newest_at() == "start"


class TestFilters:
    """The query of the job centre, as each version spells it."""

    def test_v1(self) -> None:
        """Camel case, but for the graph's name."""
        found = V1.filters(JobStatus.PENDING, "movies", date(2030, 1, 2), date(2030, 1, 3))
        assert found == {
            "status": "waiting",
            "graph_name": "movies",
            "startTime": "2030-01-02",
            "endTime": "2030-01-03",
        }

    def test_v2(self) -> None:
        """Snake case, and nothing that was not asked for."""
        assert V2.filters(None, None, date(2030, 1, 2), None) == {"start_time": "2030-01-02"}
        assert V2.filters(JobStatus.PARTIALLY_FAILED, None, None, None) == {"status": "partiallyFailed"}

    @pytest.mark.parametrize("status", [JobStatus.CANCELLED, JobStatus.UNKNOWN])
    def test_status_without_filter_word(self, status: JobStatus) -> None:
        """The error lists those that have one."""
        with pytest.raises(ValueError, match="it can by pending, running, success, partially_failed, failed") as caught:
            V2.filters(status, None, None, None)
        assert str(caught.value).startswith(f"the job centre cannot filter by {status.value};")


CODES: dict[str, type[SourceError]] = {
    "GES.8007": AuthenticationError,
    "APIG.0301": AuthenticationError,
    "APIG.0303": AuthenticationError,
    "APIG.0305": AuthenticationError,
    "APIG.0307": AuthenticationError,
    "GES.7041": PermissionDenied,
    "GES.8020": PermissionDenied,
    "APIG.0302": PermissionDenied,
    "APIG.0306": PermissionDenied,
    "APIG.0308": Throttled,
    "IAM.0012": Throttled,
    "GES.7004": ServiceUnavailable,
    "GES.7005": ServiceUnavailable,
    "GES.7006": ServiceUnavailable,
    "GES.7051": ServiceUnavailable,
    "GES.9999": ServiceUnavailable,
    "GES.8002": ServiceUnavailable,
    "GES.8008": ServiceUnavailable,
    "GES.8302": ServiceUnavailable,
    "GES.8601": ServiceUnavailable,
    "GES.8602": ServiceUnavailable,
    "APIG.0201": ServiceUnavailable,
    "APIG.0601": ServiceUnavailable,
    "APIG.0606": ServiceUnavailable,
    "APIG.0608": ServiceUnavailable,
    "GES.0001": RequestRejected,
    "GES.0016": RequestRejected,
    "GES.7001": RequestRejected,
    "GES.7002": RequestRejected,
    "GES.7003": RequestRejected,
    "GES.7008": RequestRejected,
    "GES.7009": RequestRejected,
    "GES.7016": RequestRejected,
    "GES.7042": RequestRejected,
    "GES.7048": RequestRejected,
    "GES.8000": RequestRejected,
    "GES.8001": RequestRejected,
    "GES.8005": RequestRejected,
    "GES.8006": RequestRejected,
    "GES.8011": RequestRejected,
    "GES.8012": RequestRejected,
    "GES.8013": RequestRejected,
    "GES.8303": RequestRejected,
    "GES.8304": RequestRejected,
    "APIG.0101": RequestRejected,
    "APIG.0602": RequestRejected,
}
LIST_CODES: dict[str, type[SourceError]] = {
    "GES.7000": RequestRejected,
    "GES.7007": RequestRejected,
    "GES.7054": RequestRejected,
    "GES.8301": ServiceUnavailable,
}
ADVICE = {
    "GES.0001": "check the project id, the graph and the token",
    "GES.0016": "check that the project id is that of the credentials and of the graph",
    "GES.8002": "check whether the token has expired",
    "GES.8005": "check the project id and the token",
    "GES.8006": "check the project id",
    "APIG.0303": "check this machine's clock: a signature made more than 15 minutes from the service's time is refused",
}
STATUSES: dict[int, type[GespollError]] = {
    300: ProtocolError,
    302: ProtocolError,
    400: RequestRejected,
    401: AuthenticationError,
    403: PermissionDenied,
    404: JobNotFound,
    405: RequestRejected,
    407: RequestRejected,
    408: ServiceUnavailable,
    413: RequestRejected,
    429: Throttled,
    500: ServiceUnavailable,
    501: RequestRejected,
    502: ServiceUnavailable,
    503: ServiceUnavailable,
    504: ServiceUnavailable,
    599: ServiceUnavailable,
}


class TestFailure:
    """Codes decide, then the HTTP status, never the text."""

    @pytest.mark.parametrize(("code", "kind"), CODES.items())
    def test_code_decides(self, code: str, kind: type[SourceError]) -> None:
        """Whatever the HTTP status, and for lists as for single queries."""
        for status in (200, 400, 401, 404, 429, 500):
            for ref in (REF, None):
                error = fault({"error_code": code, "error_msg": "can not find job"}, status, ref)
                assert type(error) is kind
                assert isinstance(error, SourceError)
                assert (error.status, error.code) == (status, code)

    @pytest.mark.parametrize(("code", "kind"), LIST_CODES.items())
    def test_code_of_absence_means_something_else_for_a_list(self, code: str, kind: type[SourceError]) -> None:
        """No job was asked for that could be missing; 8301 then says "network fluctuation: retry"."""
        for status in (200, 400, 404, 500):
            error = fault({"error_code": code, "error_msg": "x"}, status, None)
            assert type(error) is kind

    @pytest.mark.parametrize("code", sorted(CODES | LIST_CODES))
    def test_advice_of_the_vendor_is_in_the_text(self, code: str) -> None:
        """Where the error code pages say what to check, so does the error."""
        error = fault({"error_code": code, "error_msg": "Because."}, 400, None)
        assert isinstance(error, SourceError)
        assert error.detail.partition("Because.")[2] == (f"; {ADVICE[code]}" if code in ADVICE else "")

    @pytest.mark.parametrize("code", [code for code in CODES if code.startswith("APIG.")])
    def test_both_prefixes_of_the_gateway_are_one(self, code: str) -> None:
        """APIGW. is read as APIG."""
        error = fault({"error_code": code.replace("APIG.", "APIGW."), "error_msg": "x"})
        assert type(error) is CODES[code]
        assert isinstance(error, SourceError)
        assert error.code == code

    @pytest.mark.parametrize(
        ("code", "graph_missing"), [("GES.7007", False), ("GES.8301", False), ("GES.7000", True), ("GES.7054", True)]
    )
    def test_code_of_absence(self, code: str, graph_missing: bool) -> None:
        """A single query says that the job, or its graph, is gone; the HTTP status does not matter."""
        for status in (200, 400, 404, 500):
            error = fault({"errorCode": code, "errorMessage": "x"}, status)
            assert isinstance(error, JobNotFound)
            assert (error.ref, error.graph_missing) == (REF, graph_missing)

    @pytest.mark.parametrize("body", [{}, b"", {"error_code": "GES.1234"}])
    def test_404_without_a_known_code_is_absence(self, body: object) -> None:
        """It is documented, though no example shows it."""
        assert isinstance(fault(body, 404), JobNotFound)
        assert isinstance(fault(body, 404, None), RequestRejected)

    @pytest.mark.parametrize("body", [{}, {"error_code": "GES.1234"}, {"error_code": None}])
    @pytest.mark.parametrize(("status", "kind"), STATUSES.items())
    def test_http_status_decides_where_no_code_is_known(
        self, body: object, status: int, kind: type[GespollError]
    ) -> None:
        """An unknown code is kept in the error all the same."""
        assert type(fault(body, status)) is kind

    @pytest.mark.parametrize(
        ("body", "code", "text"),
        [
            ({"error_code": "GES.8000", "error_msg": "no"}, "GES.8000", "no"),
            ({"errorCode": "GES.8000", "errorMessage": "no", "result": "failed"}, "GES.8000", "no"),
            ({"errCode": "GES.8000", "externalMessage": "no"}, "GES.8000", "no"),
            ({"error_code": "APIG.0101", "error_msg": "no", "request_id": "r"}, "APIG.0101", "no"),
            ({"error": {"code": 401, "message": "no", "title": "Unauthorized"}}, "IAM.401", "no"),
            ({"error": {"code": "IAM.0012", "message": "no"}}, "IAM.0012", "no"),
            ({"message": "no"}, None, "no"),
            ({}, None, "it gave no text"),
            ({"error": "x"}, None, "it gave no text"),
            ({"error": {}}, None, "it gave no text"),
            ({"error_msg": "  "}, None, "it gave no text"),
        ],
    )
    def test_envelopes(self, body: dict[str, Any], code: str | None, text: str) -> None:
        """Code and text are found in all five."""
        error = fault(body, 400)
        assert isinstance(error, SourceError)
        assert error.code == code == error_code(body)
        assert error.detail.endswith(f": {text}")

    def test_rejected_iam_token(self) -> None:
        """IAM's own envelope comes with its HTTP status."""
        body = {"error": {"code": 401, "message": "The request you have made requires authentication."}}
        assert isinstance(fault(body, 401), AuthenticationError)

    @pytest.mark.parametrize(
        ("kind", "code", "words"),
        [
            (AuthenticationError, "GES.8007", "the credentials were rejected"),
            (PermissionDenied, "GES.7041", "no permission"),
            (Throttled, "APIG.0308", "too many requests"),
            (ServiceUnavailable, "GES.7006", "the service cannot answer now"),
            (RequestRejected, "GES.8000", "the request was rejected"),
        ],
    )
    def test_text_says_what_was_asked_and_what_came_of_it(self, kind: type[SourceError], code: str, words: str) -> None:
        """The server's words come last, its code and request id in brackets."""
        error = fault({"error_code": code, "error_msg": "Because."}, 400, X_Request_Id="r1")
        assert type(error) is kind
        assert str(error) == f"looking at job g/j: {words}: Because. (HTTP 400, code {code}, request r1)"

    def test_unexpected_status_with_a_body(self) -> None:
        """A redirect with a JSON body is no record either."""
        assert str(fault({"message": "moved"}, 302)) == "looking at job g/j: an unexpected answer: moved (HTTP 302)"

    def test_text_of_the_server_is_shortened_and_printable(self) -> None:
        """Line breaks, control characters and novels do not reach a log line."""
        error = fault({"error_code": "GES.8000", "error_msg": "a\r\n\x1b[31m" + "b" * 999})
        assert isinstance(error, SourceError)
        text = error.detail.removeprefix("looking at job g/j: the request was rejected: ")
        assert text.isprintable()
        assert (text[:10], len(text)) == ("a   [31mbb", 200)

    def test_code_and_request_id_are_shortened_and_printable(self) -> None:
        """They stand in the text, too; a header may hold bytes that no log can take."""
        error = fault({"error_code": "X.1\n" + "x" * 999}, 400, X_Request_Id="\udcff" + "r" * 999)
        assert isinstance(error, SourceError)
        assert error.code == "X.1 " + "x" * 196
        assert error.request_id == " " + "r" * 199
        assert str(error).isprintable()

    @pytest.mark.parametrize("status", [200, 400, 403, 404, 405])
    def test_html_where_a_reply_was_due(self, status: int) -> None:
        """A proxy's page proves nothing, neither an absence nor a refusal."""
        error = fault(HTML, status)
        assert isinstance(error, ProtocolError)
        assert error.status == status
        assert error.detail.endswith("no JSON object, perhaps by a proxy in between")

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (401, AuthenticationError),
            (407, RequestRejected),
            (408, ServiceUnavailable),
            (429, Throttled),
            (500, ServiceUnavailable),
            (502, ServiceUnavailable),
            (503, ServiceUnavailable),
            (504, ServiceUnavailable),
        ],
    )
    def test_html_with_a_status_that_says_enough(self, status: int, kind: type[SourceError]) -> None:
        """These mean the same whoever sent them."""
        error = fault(HTML, status)
        assert type(error) is kind
        assert str(error).endswith(f": it gave no text (HTTP {status})")

    @pytest.mark.parametrize("body", [b"", HTML])
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirect(self, status: int, body: bytes) -> None:
        """It is never followed, and the text says what to check."""
        error = fault(body, status, Location="https://elsewhere")
        assert isinstance(error, ProtocolError)
        assert str(error) == (
            "looking at job g/j was answered with a redirect, which is never followed; check the endpoint "
            f"(HTTP {status})"
        )

    @pytest.mark.parametrize("body", [{"error_code": "APIG.0308"}, HTML, b""])
    def test_every_error_carries_the_time_to_wait_and_the_request_id(self, body: object) -> None:
        """Also when the body was not readable."""
        for status in (302, 400, 429, 503):
            error = fault(body, status, None, Retry_After="7", X_Request_Id="r1")
            assert isinstance(error, SourceError)
            assert (error.retry_after, error.request_id) == (7.0, "r1")


class TestRetryAfter:
    """In seconds, or as a date that counts from the server's own clock."""

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0.0),
            ("120", 120.0),
            (" 120 ", 120.0),
            (" " * 20 + "120", 120.0),
            ("9" * 400, 999_999_999.0),
            ("Wed, 02 Jan 2030 12:00:30 GMT", 30.0),
            ("Wed, 02 Jan 2030 12:00:30 -0000", 30.0),
            ("Wed, 02 Jan 2030 20:00:30 +0800", 30.0),
            ("Wed, 02 Jan 2030 11:00:00 GMT", 0.0),
            ("-5", None),
            ("1.5", 2.0),
            ("0.2", 1.0),
            ("3.0", 3.0),
            ("3.", 3.0),
            ("1.5s", None),
            (".", None),
            ("1e3", None),
            ("soon", None),
            ("٣", None),
            ("", None),
            ("Wed, 99 Foo 2030 12:00:30 GMT", None),
        ],
    )
    def test_value(self, value: str, seconds: float | None) -> None:
        """Nonsense is no wish."""
        assert Reply(429, b"", {"Retry-After": value, "Date": DATE}).retry_after == seconds

    def test_date_without_the_replys_own_date(self) -> None:
        """It counts from when the reply came, rounded up."""
        came_at = NOON - timedelta(seconds=29.5)
        for headers in ({"Retry-After": DATE}, {"Retry-After": DATE, "Date": "?"}):
            assert Reply(429, b"", headers, came_at).retry_after == 30.0
            assert Reply(429, b"", headers, NOON + timedelta(hours=1)).retry_after == 0.0
            assert Reply(429, b"", headers).retry_after is None

    def test_no_header(self) -> None:
        """Nothing was asked."""
        assert Reply(429, b"").retry_after is None

    @given(st.text(), st.text())
    def test_any_headers_are_survived(self, value: str, moment: str) -> None:
        """Whatever a proxy writes there."""
        found = Reply(429, b"", {"Retry-After": value, "Date": moment})
        assert found.retry_after is None or found.retry_after >= 0
        assert found.as_of is None or found.as_of.tzinfo is not None


class TestIamToken:
    """Obtaining a token of IAM."""

    @pytest.mark.parametrize("status", [200, 201])
    def test_token_and_lifetime(self, status: int) -> None:
        """The token is in a header, the times in the body: the document's example."""
        told = {"expires_at": "2020-01-04T09:05:22.701000Z", "issued_at": "2020-01-03T09:05:22.701000Z"}
        found = iam_token.read(reply({"token": told}, status, X_Subject_Token="MIIT"), "asking")
        assert found == ("MIIT", 86_400.0)

    @pytest.mark.parametrize(
        ("told", "lifetime"),
        [
            ({"expires_at": "2030-01-02T13:00:00.000000Z"}, 3600.0),
            ({"expires_at": "2030-01-02T13:00:00.000000Z", "issued_at": "soon"}, 3600.0),
            ({"expires_at": "2030-01-02T12:00:00.000000Z"}, None),
            ({"expires_at": "2030-01-02T11:00:00.000000Z"}, None),
            ({"expires_at": None}, None),
            ({}, None),
            (None, None),
            ([], None),
        ],
    )
    def test_lifetime_by_the_servers_clock(self, told: object, lifetime: float | None) -> None:
        """Where the body lacks the time of issue, the reply's own date serves; nonsense is not known."""
        answer = reply({"token": told}, 201, X_Subject_Token="MIIT", Date=DATE)
        assert iam_token.read(answer, "asking") == ("MIIT", lifetime)

    @pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"token": 7}'])
    def test_token_without_a_readable_body(self, body: bytes) -> None:
        """The header is enough."""
        assert iam_token.read(reply(body, 201, X_Subject_Token="MIIT"), "asking") == ("MIIT", None)

    @pytest.mark.parametrize("token", ["", " ", "a\tb", "é"])
    def test_reply_without_a_token(self, token: str) -> None:
        """It is told as what it is, without what stood there."""
        with pytest.raises(ProtocolError) as caught:
            iam_token.read(reply({}, 201, X_Subject_Token=token), "asking IAM")
        assert str(caught.value) == "asking IAM: the reply has no token in its header X-Subject-Token (HTTP 201)"

    @pytest.mark.parametrize(
        ("status", "body", "kind", "code"),
        [
            (400, {"error": {"code": 400, "message": "no"}}, AuthenticationError, "IAM.400"),
            (401, {"error": {"code": 401, "message": "no"}}, AuthenticationError, "IAM.401"),
            (401, HTML, AuthenticationError, None),
            (403, {"error_code": "IAM.0003", "error_msg": "no"}, AuthenticationError, "IAM.0003"),
            (404, {"error": {"code": 404, "message": "no"}}, AuthenticationError, "IAM.404"),
            (404, HTML, ProtocolError, None),
            (429, {"error_code": "IAM.0012", "error_msg": "no"}, ServiceUnavailable, "IAM.0012"),
            (429, HTML, ServiceUnavailable, None),
            (302, b"", ProtocolError, None),
            (500, {"error": {"code": 500, "message": "no"}}, ServiceUnavailable, "IAM.500"),
            (503, HTML, ServiceUnavailable, None),
            (200, {"error": {"code": 401, "message": "no"}}, ProtocolError, None),
        ],
    )
    def test_refusals_are_final_and_the_rest_is_not(
        self, status: int, body: object, kind: type[SourceError], code: str | None
    ) -> None:
        """IAM's throttling is no throttling of the service, whose budget it must not touch."""
        with pytest.raises(SourceError) as caught:
            iam_token.read(reply(body, status, Retry_After="7"), "asking IAM")
        assert type(caught.value) is kind
        assert (caught.value.status, caught.value.code) == (status, code)
        if kind is ServiceUnavailable:
            assert caught.value.retry_after == 7.0


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("The throttling threshold has been reached: policy ip over ratelimit,limit:5,time:1 minute", 5 / 60),
        ("policy user over ratelimit,limit:200,time:1 second", 200.0),
        ("policy api over ratelimit,limit:10, time:10 second", 1.0),
        ("policy app over ratelimit,limit:7200,time:2 hour", 1.0),
        ("policy app over ratelimit,limit:1,time:1 day", 1 / 86400),
        ("limit:0,time:1 minute", None),
        ("limit:5,time:0 minute", None),
        ("limit:5,time:1 fortnight", None),
        ("The throttling threshold has been reached", None),
        ("", None),
    ],
)
def test_limit_in_the_text_of_a_throttled_reply(text: str, rate: float | None) -> None:
    """It is told in requests per second."""
    error = fault({"error_code": "APIG.0308", "error_msg": text}, 429)
    assert isinstance(error, Throttled)
    assert error.limit == pytest.approx(rate)


def test_reply_shows_no_body_and_no_header() -> None:
    """Both may hold what must not be logged."""
    assert repr(Reply(200, b"secret", {"Set-Cookie": "secret"})) == "Reply(status=200)"


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(
        ["success", "failed", "partFailed", " ", "-1", "9" * 400, "2030-01-02 12:00:00", "0001-01-01T00:00:00+05:00"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def shaped(fields: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw records in which every field may be absent, right, or anything."""
    return st.fixed_dictionaries({}, optional={name: ANYTHING | value for name, value in fields.items()})


WORDS = st.sampled_from(["success", "complete", "failed", "Failed", "running", "partFailed", "partiallyFailed", ""])
LINES = st.integers(-1, 3)
FILES = st.lists(shaped({"path": st.text(), "status": WORDS, "total_lines": LINES, "failed_lines": LINES}), max_size=3)
RECORDS = shaped(
    {
        "job_id": st.just("j"),
        "jobId": st.just("j"),
        "status": WORDS,
        "job_name": st.just("ImportGraph"),
        "begin_time": st.just("2030-01-02T12:00:00"),
        "end_time": st.just("2030-01-02 12:00:00"),
        "job_detail": shaped({"schema_path": FILES, "vertexset_path": FILES, "edgeset_path": FILES}),
        "fail_reason": st.text(),
        "error_code": st.sampled_from(["", "GES.8301", "APIGW.0308"]),
        "errorMessage": st.text(),
        "error": st.just({"code": 401}),
        "request": shaped({"command": st.just("import_graph"), "rawRequest": st.sampled_from(["{}", "{", "null"])}),
        "result": st.sampled_from(["success", "failed"]),
    }
)


class TestAnyRecord:
    """Whatever stands in the fields of a record."""

    @given(RECORDS, st.sampled_from([200, 302, 400, 404, 429, 500]))
    def test_only_the_librarys_own_errors_are_raised(self, record: dict[str, Any], status: int) -> None:
        """Every reader gives a job or a GespollError, and both can be shown."""
        found = reply(record, status, Date=DATE)
        for read in (status_v1.read, status_v2.read, engine_status.read):
            try:
                shown = str(read(found, REF))
            except GespollError as error:
                shown = str(error)
            assert shown

    @given(st.lists(RECORDS | ANYTHING, max_size=4), ANYTHING)
    def test_lists_raise_nothing(self, entries: list[Any], total: object) -> None:
        """Every entry that has a word, and no error of the poll, gives a job."""
        centre_page = V2.read_page(reply({"job_list": entries, "job_count": total}))
        engine_page = engine_list.read(reply({"jobs": entries, "totalCount": total}), "g")
        for found in glances(centre_page):
            job = V2.read_job(found, NOON)
            assert job.ref == JobRef(found.job_id) if job else found.word is None or b"error" in bytes(found.entry)
        for found in glances(engine_page):
            job = engine_list.read_job(found, "g", NOON)
            assert job.reported_status == found.word if job else found.word is None or b"error" in bytes(found.entry)

    @given(ANYTHING, ANYTHING)
    def test_envelopes_raise_only_the_librarys_own_errors(self, entries: object, total: object) -> None:
        """Whatever stands in place of the list."""
        try:
            page = V1.read_page(reply({"jobList": entries, "jobCount": total}))
        except GespollError:
            return
        assert page.total is None or page.total >= 0

    @given(st.binary() | st.text().map(str.encode))
    def test_any_bytes_are_survived(self, body: bytes) -> None:
        """They are a failed poll."""
        with pytest.raises(GespollError):
            status_v2.read(reply(body), REF)
        with pytest.raises(GespollError):
            V2.read_page(reply(body))

    @given(RECORDS, st.integers(0, 2), st.sampled_from(["partFailed", "failed", "Failed"]), st.integers(1, 10**9))
    def test_a_spoilt_file_is_never_a_success(
        self, record: dict[str, Any], place: int, word: str, failed_lines: int
    ) -> None:
        """A file's word or its counts outweigh everything else that is told (rule 3)."""
        kind = ("schema_path", "vertexset_path", "edgeset_path")[place]
        for spoilt in (
            {"status": word},
            {"status": "success", "failed_lines": failed_lines},
            {"status": "success", "failed_lines": f"{failed_lines} lines"},
            {"status": "success", "failed_lines": 0, "total_lines": failed_lines, "successful_lines": failed_lines - 1},
        ):
            detail = record.get("job_detail")
            detail = detail if isinstance(detail, dict) else {}
            others = detail.get(kind)
            told = record | {"job_detail": detail | {kind: [*(others if isinstance(others, list) else []), spoilt]}}
            try:
                found = status_v2.read(reply(told), REF)
            except GespollError:
                continue
            assert found.status is not JobStatus.SUCCESS
