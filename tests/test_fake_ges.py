"""FakeGES answers as the API documents say, and goes wrong as the service does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest

from gespoll.testing._fake_ges import FakeGES
from gespoll.testing._faults import FAULT_KINDS, FaultKind, Faults
from gespoll.testing._timeline import FakeFile, FakeJob
from gespoll.testing._virtual_time import virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

pytestmark = pytest.mark.anyio

TOKEN = {"X-Auth-Token": "fake-token"}
ENGINE = {"X-Auth-Token": "fake-token", "X-Language": "en-us"}
DONE = [(0, "pending"), (1, "running"), (4, "success")]

V2_STATUS_EXAMPLE = """{"job_id": "ff80808167f09aaa0167f19b35ec0305", "status": "success",
 "job_type": "GraphManagement", "job_name": "ImportGraph", "related_graph": "GES_UI_AUTO",
 "begin_time": "2018-11-27T21:39:00", "end_time": "2018-11-27T21:39:56", "job_detail": {
 "vertexset_path": [{"path": "v.csv", "log": null, "cause": null, "status": "success"}],
 "edgeset_path": [{"path": "e.csv", "log": null, "cause": null, "status": "success"}],
 "schema_path": [{"path": "s.xml", "log": null, "cause": null, "status": "success"}]}, "job_progress": 0}"""
V1_STATUS_EXAMPLE = """{"jobId": "ff80808167f09aaa0167f19b35ec0305", "status": "success",
 "jobType": "GraphManagement", "jobName": "ImportGraph", "relatedGraph": "GES_UI_AUTO",
 "beginTime": "2018-11-27T21:39:00", "endTime": "2018-11-27T21:39:56", "jobDetail": {
 "vertexsetPath": [{"path": "v.csv", "log": null, "cause": null, "status": "success"}],
 "edgesetPath": [{"path": "e.csv", "log": null, "cause": null, "status": "success"}],
 "schemaPath": [{"path": "s.xml", "log": null, "cause": null, "status": "success"}]}, "jobProgress": 0}"""
V1_LIST_EXAMPLE = """{"jobCount": 136, "jobList": [
 {"jobId": "ff80808167bb90340167bc3c7b5b026a", "status": "success", "jobType": "GraphManagement",
 "jobName": "ImportGraph", "relatedGraph": "test1217", "beginTime": "2018-12-17T12:55:40",
 "endTime": "2018-12-17T12:56:32", "jobDetail": {"vertexsetPath": null,
 "edgesetPath": [{"path": "hkmovie/edge.csv", "log": null, "cause": null, "status": "success"}],
 "schemaPath": [{"path": "hkmovie/schema.xml", "log": null, "cause": null, "status": "success"}]},
 "jobProgress": 0},
 {"jobId": "ff80808167bb90340167bc5d0b1d0358", "status": "success", "jobType": "GraphManagement",
 "jobName": "DeleteGraph", "relatedGraph": "test1218", "beginTime": "2018-12-17T13:31:14",
 "endTime": "2018-12-17T13:34:48", "jobProgress": 0}]}"""
ENGINE_LIST_EXAMPLE = """{"jobs": [{"jobId": "d33bdeef9923fc24e20a38b11dbb13540000382489090",
 "status": "success", "request": {"command": "import_graph", "url": "/ges/v1.0/p/graphs/g/action",
 "rawRequest": "{}"}}], "totalCount": 3, "result": "success"}"""
THREE_FILES = (FakeFile("vertexset", "v.csv"), FakeFile("edgeset", "e.csv"), FakeFile("schema", "s.xml"))


@pytest.fixture
def anyio_backend() -> str:
    """Sockets stay on the ordinary loop."""
    return "asyncio"


@attrs.frozen
class Answer:
    """A reply read to its end."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.text)


@attrs.frozen
class Client:
    """A client that only knows paths."""

    ges: FakeGES
    session: aiohttp.ClientSession

    async def ask(
        self, path: str, headers: Mapping[str, str] = TOKEN, method: str = "GET", body: object = None, **query: Any
    ) -> Answer:
        """Return the answer to one request; `{p}` is the project."""
        url = self.ges.endpoint + path.format(p=self.ges.project_id)
        params = {name: str(value) for name, value in query.items()}
        async with self.session.request(method, url, params=params, headers=headers, json=body) as response:
            return Answer(response.status, response.headers, await response.text())

    async def status(self, job_id: str = "job-1", graph: str = "graph-1", version: str = "v2") -> Answer:
        """Ask for one management job."""
        return await self.ask(f"/{version}/{{p}}/graphs/{graph}/jobs/{job_id}/status")

    async def centre(self, version: str = "v2", **query: Any) -> Answer:
        """Ask for a page of the job centre."""
        return await self.ask(f"/{version}/{{p}}/graphs/jobs", **query)

    async def ids(self, **query: Any) -> list[str]:
        """Return the job ids of a page of the job centre."""
        return [job["job_id"] for job in (await self.centre(**query)).json["job_list"]]

    async def engine(self, path: str = "status", headers: Mapping[str, str] = ENGINE, **query: Any) -> Answer:
        """Ask the engine of the graph "movies"."""
        return await self.ask(f"/ges/v1.0/{{p}}/graphs/movies/jobs/{path}", headers, **query)


@contextlib.asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[tuple[FakeGES, Client]]:
    """A running server and a client of it."""
    async with FakeGES(**options) as ges, aiohttp.ClientSession() as session:
        yield ges, Client(ges, session)


def keys(body: Any) -> Any:
    """Return the key structure of a body."""
    if isinstance(body, dict):
        return {key: keys(value) for key, value in body.items()}
    if isinstance(body, list):
        return [keys(value) for value in body]
    return None


class TestShapes:
    """Bodies have exactly the documented keys."""

    @pytest.mark.parametrize(("version", "example"), [("v2", V2_STATUS_EXAMPLE), ("v1.0", V1_STATUS_EXAMPLE)])
    async def test_status_has_the_keys_of_the_document(self, version: str, example: str) -> None:
        """A finished import has every key of the example and no other."""
        async with serving() as (ges, client):
            ges.add_job("job-1", steps=DONE, files=THREE_FILES, age=10)
            assert keys((await client.status(version=version)).json) == keys(json.loads(example))

    async def test_job_centre_has_the_keys_of_the_document(self) -> None:
        """An import without vertices and a deletion look like the example's two jobs."""
        async with serving(order="oldest") as (ges, client):
            ges.add_job("job-1", steps=DONE, files=THREE_FILES[1:], age=10)
            ges.add_job("job-2", steps=DONE, name="DeleteGraph", age=9)
            body = (await client.centre("v1.0")).json
        assert keys(body) == keys(json.loads(V1_LIST_EXAMPLE))
        assert body["jobCount"] == 2

    async def test_engine_list_has_the_keys_of_the_document(self) -> None:
        """The raw request is a JSON string; with the older form it is an object."""
        async with serving() as (ges, client):
            ges.add_job("job-1", engine=True, graph_name="movies", request_body={"edgesetPath": "e.csv"})
            body = (await client.engine()).json
            ges.raw_request = False
            older = (await client.engine()).json
        assert keys(body) == keys(json.loads(ENGINE_LIST_EXAMPLE))
        assert json.loads(body["jobs"][0]["request"]["rawRequest"]) == {"edgesetPath": "e.csv"}
        assert older["jobs"][0]["request"]["body"] == {"edgesetPath": "e.csv"}

    async def test_memory_edition_list_has_the_keys_of_the_document(self) -> None:
        """A failed algorithm, a lossy import and a running export look like the example's three jobs."""
        lossy = FakeFile("edgeset", "e.csv", total_lines=9, failed_lines=3, successful_lines=6)
        files = [lossy, *(attrs.evolve(lossy, kind=kind, failed_lines=0) for kind in ("vertexset", "schema"))]
        example = json.loads((Path(__file__).parent / "golden" / "engine_list_memory.json").read_bytes())
        async with serving(edition="memory", order="oldest") as (ges, client):
            on_engine: dict[str, Any] = {"engine": True, "graph_name": "movies", "files": files}
            ges.add_job("1", steps=[(0, "failed")], name="Algorithm", request_body={"a": 1}, age=12, **on_engine)
            ges.add_job("2", steps=DONE, age=11, **on_engine)
            ges.add_job("3", steps=[(0, "running"), (25, "success")], name="ExportGraph", age=10, **on_engine)
            body = (await client.engine()).json
        assert keys(body) == keys(example)
        failed, imported, running = body["jobs"]
        assert (failed["rawRequest"], failed["failReason"], failed["progress"]) == ('{"a":1}', "job failed", "100")
        assert (running["progress"], running["canStop"], imported["canStop"]) == ("40", True, False)
        assert imported["files"][0]["edgeFiles"]["failedLines"] == 3

    async def test_times_of_the_memory_edition(self) -> None:
        """Those of a job are local, those of its files count from 1970: only the latter say when it was."""
        async with serving(edition="memory", origin=datetime(2026, 3, 1, 12, tzinfo=UTC)) as (ges, client):
            file = FakeFile("edgeset", "e.csv")
            ges.add_job("1", steps=[(0, "success")], engine=True, graph_name="movies", files=[file])
            (entry,) = (await client.engine()).json["jobs"]
        assert entry["startTime"] == "2026-03-01 20:00:00"
        assert entry["files"][0]["edgeFiles"]["startTime"] // 1_000_000 == 1_772_366_400

    @pytest.mark.parametrize(
        ("path", "headers", "error_keys"),
        [
            ("/v2/{p}/graphs/g/jobs/j/status", TOKEN, {"error_code", "error_msg"}),
            ("/v1.0/{p}/graphs/g/jobs/j/status", TOKEN, {"errorCode", "errorMessage"}),
            ("/ges/v1.0/{p}/graphs/g/jobs/j/status", ENGINE, {"errorCode", "errorMessage"}),
        ],
    )
    async def test_unknown_job_is_8301_in_the_envelope_of_its_document(
        self, path: str, headers: Mapping[str, str], error_keys: set[str]
    ) -> None:
        """HTTP 400 with the documented keys and text."""
        async with serving() as (_, client):
            answer = await client.ask(path, headers)
        assert answer.status == 400
        assert set(answer.json) == error_keys
        assert set(answer.json.values()) == {"GES.8301", "can not find job, jobId is j"}

    async def test_old_envelopes_can_be_asked_for(self) -> None:
        """The v1.0 job centre says errCode, the engine adds a result."""
        async with serving(old_errors=True) as (_, client):
            assert set((await client.centre("v1.0", limit="x")).json) == {"errCode", "externalMessage"}
            assert (await client.engine("j/status")).json["result"] == "failed"

    async def test_line_counts_are_told_except_for_the_v1_schema(self) -> None:
        """A count of None is left out and -1 is sent as it is."""
        counts = {"total_lines": 100, "failed_lines": -1}
        files = [FakeFile("edgeset", "e", **counts), FakeFile("schema", "s", **counts)]  # type: ignore[arg-type]
        async with serving() as (ges, client):
            ges.add_job("job-1", steps=DONE, files=files, age=10)
            v2 = (await client.status()).json["job_detail"]
            v1 = (await client.status(version="v1.0")).json["jobDetail"]
        assert v2["schema_path"][0].items() >= counts.items()
        assert "successful_lines" not in v2["edgeset_path"][0]
        assert v1["edgesetPath"][0]["failedLines"] == -1
        assert set(v1["schemaPath"][0]) == {"path", "log", "cause", "status"}

    @pytest.mark.parametrize(("told", "value"), [("null", {"edgeset_path": None}), ("empty", {"edgeset_path": []})])
    async def test_arrays_without_files_are_told_as_asked(self, told: str, value: dict[str, Any]) -> None:
        """They are null or empty."""
        async with serving(empty_arrays=told) as (ges, client):
            ges.add_job("job-1", steps=DONE, age=10)
            assert (await client.status()).json["job_detail"].items() >= value.items()

    async def test_arrays_without_files_may_be_absent(self) -> None:
        """Only the arrays with files are told."""
        async with serving(empty_arrays="absent") as (ges, client):
            ges.add_job("job-1", steps=DONE, files=THREE_FILES[:1], age=10)
            assert set((await client.status()).json["job_detail"]) == {"vertexset_path"}

    async def test_successful_replies_may_carry_blank_error_keys(self) -> None:
        """They are "" or null, in the spelling of the document."""
        async with serving(error_keys="blank") as (ges, client):
            ges.add_job("job-1")
            assert (await client.status()).json["error_code"] == ""
            ges.error_keys = "null"
            assert (await client.centre("v1.0")).json["errorMessage"] is None


class TestTimeline:
    """A job looks as its script says for the moment."""

    @pytest.mark.parametrize(
        ("age", "word"), [(0, "pending"), (1.5, "running"), (4, "success"), (100, "success"), (-0.0, "pending")]
    )
    async def test_status_follows_the_steps(self, age: float, word: str) -> None:
        """The last step reached is in force, on both planes."""
        async with serving() as (ges, client):
            ges.add_job("job-1", steps=DONE, age=age)
            ges.add_job("job-1", steps=DONE, age=age, engine=True, graph_name="movies")
            assert (await client.status()).json["status"] == word
            assert (await client.engine("job-1/status")).json["status"] == word

    async def test_end_time_is_absent_while_running(self) -> None:
        """So are the files and the reason."""
        async with serving() as (ges, client):
            ges.add_job("job-1", steps=[(0, "running")], files=THREE_FILES, fail_reason="late")
            body = (await client.status()).json
        assert body.keys().isdisjoint({"end_time", "job_detail", "fail_reason"})

    @pytest.mark.parametrize(
        ("spaced", "layout"), [(False, "%Y-%m-%dT%H:%M:%S"), (True, "%Y-%m-%d %H:%M:%S")], ids=["T", "space"]
    )
    async def test_times_and_date_share_one_clock(self, spaced: bool, layout: str) -> None:
        """A job that ended two seconds ago ended two seconds before the reply's Date."""
        origin = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
        async with serving(origin=origin, space_in_times=spaced) as (ges, client):
            ges.add_job("job-1", steps=[(0, "running"), (4, "failed")], age=6, fail_reason="disk full")
            answer = await client.status()
        ended = datetime.strptime(answer.json["end_time"], layout).replace(tzinfo=UTC)
        begun = datetime.strptime(answer.json["begin_time"], layout).replace(tzinfo=UTC)
        assert 2 <= (parsedate_to_datetime(answer.headers["Date"]) - ended).total_seconds() <= 3
        assert (ended - begun).total_seconds() == 4
        assert answer.json["fail_reason"] == "disk full"

    async def test_job_appears_late_and_vanishes(self) -> None:
        """Before and after it is neither found nor listed."""
        async with serving() as (ges, client):
            for age in (1, 3, 9):
                ges.add_job(f"job-{age}", visible_after=2, vanishes_after=8, age=age)
            assert [(await client.status(f"job-{age}")).status for age in (1, 3, 9)] == [400, 200, 400]
            assert await client.ids() == ["job-3"]

    async def test_files_may_be_told_late_or_always(self) -> None:
        """Late in the list only, late everywhere, or before the end."""
        async with serving(order="oldest") as (ges, client):
            ges.add_job("a", steps=DONE, files=THREE_FILES, list_detail_after=60, age=10)
            ges.add_job("b", steps=DONE, files=THREE_FILES, detail_after=60, age=10)
            ges.add_job("c", steps=[(0, "running")], files=THREE_FILES, files_always=True)
            single = ["job_detail" in (await client.status(job)).json for job in "abc"]
            listed = ["job_detail" in job for job in (await client.centre()).json["job_list"]]
            ges.list_has_files = False
            bare = ["job_detail" in job for job in (await client.centre()).json["job_list"]]
        assert (single, listed, bare) == ([True, False, True], [False, False, True], [False] * 3)

    async def test_engine_tells_results_of_a_finished_job(self) -> None:
        """As many records as the limit allows; the sizes stand in the outputs."""
        async with serving() as (ges, client):
            ges.add_job("job-1", steps=DONE, age=10, engine=True, graph_name="movies", results=5)
            whole = (await client.engine("job-1/status")).json
            part = (await client.engine("job-1/status", limit=2, offset=4)).json
        assert len(whole["data"]["vertices"]) == 5
        assert (whole["errorCode"], whole["errorMessage"]) == ("", "")
        assert part["data"]["outputs"] == {"data_return_size": 1, "data_offset": 4, "data_total_size": 5}

    async def test_failed_engine_job_tells_code_and_text(self) -> None:
        """The reason is the error message, at HTTP 200."""
        async with serving() as (ges, client):
            ges.add_job("job-1", steps=[(0, "failed")], engine=True, graph_name="movies", fail_reason="no such file")
            answer = await client.engine("job-1/status")
        assert answer.status == 200
        assert answer.json == {"errorCode": "GES.8013", "errorMessage": "no such file", "status": "failed"}


class TestRefusals:
    """What is refused, by whom and with which code."""

    async def test_management_token_is_checked_by_the_gateway(self) -> None:
        """Missing, wrong and expired tokens are 401 with the gateway's codes."""
        async with serving() as (ges, client):
            ges.add_job("job-1")
            path = "/v2/{p}/graphs/graph-1/jobs/job-1/status"
            missing, wrong = await client.ask(path, {}), await client.ask(path, {"X-Auth-Token": "no"})
            ges.expire_token(new="other")
            expired, renewed = await client.ask(path), await client.ask(path, {"X-Auth-Token": "other"})
        answers = [missing, wrong, expired]
        assert [answer.status for answer in answers] == [401] * 3
        assert [answer.json["error_code"] for answer in answers] == ["APIGW.0301", "APIGW.0301", "APIGW.0307"]
        assert (renewed.status, ges.token) == (200, "other")

    async def test_engine_checks_token_project_and_language(self) -> None:
        """All are HTTP 400 with the engine's codes."""
        async with serving() as (_, client):
            token = await client.engine(headers={"X-Language": "en-us"})
            language = await client.engine(headers=TOKEN)
            project = await client.ask("/ges/v1.0/else/graphs/movies/jobs/status", ENGINE)
        assert [a.json["errorCode"] for a in (token, language, project)] == ["GES.8007", "GES.8005", "GES.8006"]
        assert {a.status for a in (token, language, project)} == {400}

    async def test_wrong_project_and_wrong_path(self) -> None:
        """A foreign project is GES.0016, an unknown path or method is the gateway's 404."""
        async with serving() as (_, client):
            project = await client.ask("/v2/else/graphs/jobs")
            path = await client.ask("/v3/{p}/graphs/jobs")
            method = await client.ask("/v2/{p}/graphs/jobs", method="DELETE")
        assert (project.status, project.json["error_code"]) == (400, "GES.0016")
        assert {(a.status, a.json["error_code"]) for a in (path, method)} == {(404, "APIG.0101")}
        assert set(path.json) == {"error_code", "error_msg", "request_id"}

    async def test_job_of_another_graph_is_not_found(self) -> None:
        """A job is found under its own graph and plane only."""
        async with serving() as (ges, client):
            ges.add_job("job-1")
            ges.add_job("job-2", engine=True, graph_name="movies")
            assert (await client.status(graph="graph-2")).json["error_code"] == "GES.8301"
            assert (await client.status("job-2")).status == 400
            assert (await client.engine("job-1/status")).status == 400

    async def test_deleted_graph_refuses_single_calls_only(self) -> None:
        """The job centre still shows its jobs; its engine is gone."""
        async with serving() as (ges, client):
            ges.add_job("job-1")
            ges.delete_graph("graph-1")
            ges.delete_graph("movies")
            assert (await client.status()).json["error_code"] == "GES.7000"
            assert await client.ids() == ["job-1"]
            assert (await client.engine()).json["errorCode"] == "GES.8000"

    async def test_second_job_of_the_same_id_is_refused(self) -> None:
        """An id is unique on the management plane and per engine."""
        async with serving() as (ges, _):
            for engine in (False, True):
                ges.add_job("job-1", engine=engine)
                with pytest.raises(ValueError, match="'job-1' already"):
                    ges.add_job("job-1", engine=engine)

    async def test_huge_token_is_accepted(self) -> None:
        """A real token has about nine kilobytes."""
        token = "t" * 9120
        async with serving(token=token) as (_, client):
            assert (await client.ask("/v2/{p}/graphs/jobs", {"X-Auth-Token": token})).status == 200

    async def test_limiter_answers_429_when_the_quota_is_used_up(self) -> None:
        """The text names the policy."""
        async with serving(max_rate=0.05, window=60) as (_, client):
            answers = [await client.centre() for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert answers[3].json["error_code"] == "APIG.0308"
        assert answers[3].json["error_msg"].endswith("policy user over ratelimit,limit:3,time:1 minute")


class TestLists:
    """Windows, filters, orders and the list's own failings."""

    async def test_window_is_limit_and_offset(self) -> None:
        """The default is ten from the newest; the count tells all."""
        async with serving() as (ges, client):
            ges.add_jobs(FakeJob(f"job-{number:02}") for number in range(25))
            assert await client.ids() == [f"job-{number:02}" for number in range(24, 14, -1)]
            assert await client.ids(limit=3, offset=23) == ["job-01", "job-00"]
            assert (await client.centre()).json["job_count"] == 25

    @pytest.mark.parametrize(
        ("order", "ids"), [("newest", ["b", "c", "a"]), ("oldest", ["a", "c", "b"]), ("id", ["a", "b", "c"])]
    )
    async def test_order_is_kept(self, order: str, ids: list[str]) -> None:
        """By time either way, or by id."""
        async with serving(order=order) as (ges, client):
            for job, age in (("b", 1), ("a", 3), ("c", 2)):
                ges.add_job(job, age=age)
            assert await client.ids() == ids

    async def test_random_order_is_reshuffled_and_repeats_with_the_seed(self) -> None:
        """Two requests differ; two servers of one seed do not."""

        async def two_pages() -> list[list[str]]:
            async with serving(order="random", seed=7) as (ges, client):
                ges.add_jobs(FakeJob(f"job-{number}") for number in range(10))
                return [await client.ids() for _ in range(2)]

        first, second = await two_pages()
        assert first != second
        assert sorted(first) == sorted(second)
        assert await two_pages() == [first, second]

    async def test_page_is_cut_or_refused(self) -> None:
        """A limit above the most gives fewer entries, or 400."""
        async with serving(max_page=5, engine_max_page=5) as (ges, client):
            ges.add_jobs(FakeJob(f"job-{number}") for number in range(9))
            ges.add_jobs(FakeJob(f"job-{number}", engine=True, graph="movies") for number in range(9))
            assert len(await client.ids(limit=9)) == 5
            ges.page_policy = "refuse"
            assert (await client.centre(limit=9)).json["error_code"] == "GES.0001"
            assert (await client.engine(limit=9)).json["errorCode"] == "GES.8005"
            assert len((await client.engine()).json["jobs"]) == 5

    async def test_status_filter_knows_five_words(self) -> None:
        """Waiting finds pending jobs; any other word is refused."""
        async with serving() as (ges, client):
            for word in ("pending", "waiting", "running", "success", "partiallyFailed", "failed"):
                ges.add_job(word, steps=[(0, word)])
            assert await client.ids(status="waiting") == ["waiting", "pending"]
            for word in ("running", "success", "partiallyFailed", "failed"):
                assert await client.ids(status=word) == [word]
            assert (await client.centre(status="pending")).status == 400

    @pytest.mark.parametrize("version", ["v2", "v1.0"])
    async def test_graph_and_date_filters(self, version: str) -> None:
        """Each version has its own names for the dates; a bad date is refused."""
        names = ("start_time", "end_time") if version == "v2" else ("startTime", "endTime")
        listed, job_id = ("job_list", "job_id") if version == "v2" else ("jobList", "jobId")

        async with serving(origin=datetime(2030, 1, 3, 12, tzinfo=UTC), order="oldest") as (ges, client):
            for days in (2, 1, 0):
                ges.add_job(f"{days}", steps=[(0, "success")], age=days * 86400, graph_name=f"name-{days}")

            async def ids(**query: str) -> list[str]:
                return [job[job_id] for job in (await client.centre(version, **query)).json[listed]]

            assert await ids(graph_name="name-1") == ["1"]
            assert await ids(**{names[0]: "2030-01-02"}) == ["1", "0"]
            assert await ids(**{names[1]: "2030-01-02"}) == ["2", "1"]
            assert (await client.centre(version, **{names[0]: "yesterday"})).status == 400

    async def test_list_lags_and_freezes(self) -> None:
        """A lagging list shows the past; a frozen one stays until it thaws."""
        async with serving(list_lag=5, order="id") as (ges, client):
            ges.add_job("a", steps=DONE, age=7)
            ges.add_job("b", steps=DONE, age=3)
            assert [(j["job_id"], j["status"]) for j in (await client.centre()).json["job_list"]] == [("a", "running")]
            ges.list_lag = 0
            ges.freeze_list()
            await asyncio.sleep(0.001)
            ges.add_job("c")
            assert await client.ids() == ["a", "b"]
            ges.thaw_list()
            assert await client.ids() == ["a", "b", "c"]

    async def test_list_may_be_refused_or_unsupported(self) -> None:
        """By the gateway, by a code at HTTP 400, or as an unknown path."""
        async with serving(list_refused=True) as (ges, client):
            first, engine = await client.centre(), await client.engine()
            ges.list_refused = "GES.7041"
            second = await client.centre()
            ges.list_unsupported = True
            third = await client.centre()
        answers = [first, second, third]
        assert [a.status for a in answers] == [403, 400, 404]
        assert [a.json["error_code"] for a in answers] == ["APIGW.0302", "GES.7041", "APIG.0101"]
        assert engine.json["errorCode"] == "GES.8020"

    async def test_list_may_hide_count_offset_and_jobs(self) -> None:
        """Three failings of a list that a client must notice."""
        async with serving(list_count=False, list_ignores_offset=True) as (ges, client):
            ges.add_job("shown")
            ges.add_job("hidden", in_list=False)
            assert (await client.status("hidden")).status == 200
            assert set((await client.centre()).json) == {"job_list"}
            assert set((await client.engine()).json) == {"jobs", "result"}
            assert await client.ids(offset=5) == ["shown"]

    async def test_foreign_jobs_fill_the_list(self) -> None:
        """They are finished, and older unless they are told to be the newest."""
        async with serving() as (ges, client):
            ges.add_job("mine")
            ges.add_foreign(30)
            assert (await client.ids(limit=2))[0] == "mine"
            ges.add_foreign(1, age=0)
            assert await client.ids(limit=2) == ["foreign-000030", "mine"]
            assert (await client.centre(status="success")).json["job_count"] == 31

    @pytest.mark.parametrize("query", [{"limit": "x"}, {"limit": 0}, {"limit": -1}, {"offset": "²"}])
    async def test_numbers_that_are_none_are_refused(self, query: dict[str, Any]) -> None:
        """With HTTP 400 on either plane."""
        async with serving() as (_, client):
            assert (await client.centre(**query)).json["error_code"] == "GES.0001"
            assert (await client.engine(**query)).json["errorCode"] == "GES.8005"


class TestImports:
    """The write calls make jobs."""

    async def test_every_import_call_answers_a_job_that_can_be_followed(self) -> None:
        """v2 says job_id, v1.0 and the engine say jobId, and nothing else."""
        async with serving() as (_, client):
            body = {"edgesetPath": "e.csv"}
            v2 = await client.ask("/v2/{p}/graphs/g/import-graph", method="POST", body=body)
            v1 = await client.ask("/v1.0/{p}/graphs/g/action", method="POST", body=body, action_id="import-graph")
            engine_path = "/ges/v1.0/{p}/graphs/movies/action"
            engine = await client.ask(engine_path, ENGINE, "POST", body, action_id="import-graph")
            assert [a.json for a in (v2, v1, engine)] == [
                {"job_id": "import-1"},
                {"jobId": "import-2"},
                {"jobId": "import-3"},
            ]
            assert (await client.status("import-2", "g")).json["status"] == "pending"
            entry = (await client.engine()).json["jobs"][0]
        assert json.loads(entry["request"]["rawRequest"]) == body

    async def test_import_takes_its_future_from_the_caller(self) -> None:
        """The n-th import is what `imports(n)` says."""
        async with serving(imports=lambda number: FakeJob(f"own-{number}", steps=[(0, "failed")])) as (ges, client):
            ges.add_job("job-1", graph="g", graph_name="movies")
            answer = await client.ask("/v2/{p}/graphs/g/import-graph", method="POST")
            job = (await client.status(answer.json["job_id"], "g")).json
        assert (job["job_id"], job["status"], job["related_graph"]) == ("own-1", "failed", "movies")

    async def test_bad_imports_are_refused(self) -> None:
        """Unknown action, deleted graph, a body that is no object."""
        async with serving() as (ges, client):
            ges.delete_graph("gone")
            action = await client.ask("/v1.0/{p}/graphs/g/action", method="POST", action_id="dance")
            gone = await client.ask("/v2/{p}/graphs/gone/import-graph", method="POST")
            body = await client.ask("/v2/{p}/graphs/g/import-graph", method="POST", body=[1])
        assert action.json["errorCode"] == "GES.7048"
        assert [a.json["error_code"] for a in (gone, body)] == ["GES.7000", "GES.8013"]


ANSWERED: dict[FaultKind, tuple[int, str]] = {
    "throttle": (429, "APIG.0308"),
    "throttle_retry_after": (429, "APIG.0308"),
    "server_error": (500, "GES.8302"),
    "unavailable": (503, "GES.8602"),
    "bad_gateway": (502, "APIG.0201"),
    "transient_400": (400, "GES.7006"),
    "not_found": (400, "GES.8301"),
    "error_in_200": (200, "GES.8302"),
    "html": (502, "<html>"),
    "html_200": (200, "<html>"),
}


class TestFaults:
    """Each fault hits as its name says."""

    @pytest.mark.parametrize("kind", ANSWERED)
    async def test_fault_is_answered(self, kind: FaultKind) -> None:
        """Status, code and the log agree; the next request is served again."""
        async with serving() as (ges, client):
            ges.add_job("job-1")
            ges.inject(kind)
            hit, after = await client.status(), await client.status()
        status, text = ANSWERED[kind]
        assert hit.status == status
        assert text in hit.text
        assert after.status == 200
        assert [(logged.fault, logged.status) for logged in ges.requests] == [(kind, status), (None, 200)]

    async def test_retry_after_is_a_header_in_seconds(self) -> None:
        """As many as the faults say."""
        async with serving(faults=Faults(retry_after=7)) as (ges, client):
            ges.inject("throttle_retry_after")
            assert (await client.centre()).headers["Retry-After"] == "7"

    async def test_blank_status_blanks_single_and_list_entries(self) -> None:
        """On both planes, without spoiling later answers."""
        async with serving() as (ges, client):
            ges.add_job("job-1")
            ges.add_job("job-1", engine=True, graph_name="movies")
            ges.inject("blank_status", times=4)
            words = [
                (await client.status()).json["status"],
                (await client.centre()).json["job_list"][0]["status"],
                (await client.engine("job-1/status")).json["status"],
                (await client.engine()).json["jobs"][0]["status"],
            ]
            assert words == [""] * 4
            assert (await client.centre()).json["job_list"][0]["status"] == "pending"

    async def test_invalid_and_wrong_json(self) -> None:
        """One cannot be decoded; the other is no job."""
        async with serving() as (ges, client):
            ges.add_job("job-1")
            ges.inject("invalid_json")
            ges.inject("wrong_json", times=8)
            with pytest.raises(json.JSONDecodeError):
                _ = (await client.status()).json
            bodies = [(await client.status()).json for _ in range(8)]
        assert all(not isinstance(body, dict) or isinstance(body["status"], dict) for body in bodies)

    @pytest.mark.parametrize(
        ("kind", "error"), [("drop", aiohttp.ServerDisconnectedError), ("truncate", aiohttp.ClientPayloadError)]
    )
    async def test_connection_is_cut(self, kind: FaultKind, error: type[Exception]) -> None:
        """Before the answer, or in its middle. aiohttp asks twice when there is no answer at all."""
        async with serving() as (ges, client):
            ges.inject(kind, times=2 if kind == "drop" else 1)
            with pytest.raises(error):
                await client.centre()
            assert {logged.fault for logged in ges.requests} == {kind}
            assert {logged.status for logged in ges.requests} == {None if kind == "drop" else 200}
            assert (await client.centre()).status == 200

    async def test_slow_reply_arrives_whole(self) -> None:
        """Its body is spread over the seconds asked for."""
        async with serving(faults=Faults(slow_seconds=0.02)) as (ges, client):
            ges.add_job("job-1")
            ges.inject("slow")
            begun = asyncio.get_running_loop().time()
            assert (await client.status()).json["job_id"] == "job-1"
            assert asyncio.get_running_loop().time() - begun >= 0.02

    async def test_stall_ends_when_the_client_leaves(self) -> None:
        """The server then serves nothing any more."""
        async with serving() as (ges, client):
            ges.inject("stall")
            url = f"{ges.endpoint}/v2/{ges.project_id}/graphs/jobs"
            async with client.session.get(url, headers=TOKEN) as stalled:
                stalled.close()
            assert (await client.centre()).status == 200
            assert ges.requests[1].in_flight == 1

    async def test_stall_ends_with_the_server_and_by_itself(self) -> None:
        """Leaving the block does not wait for it; its own bound cuts the connection."""
        async with serving(faults=Faults(stall_seconds=0.01)) as (ges, client):
            ges.inject("stall")
            with pytest.raises(aiohttp.ClientPayloadError):
                await client.centre()
        async with aiohttp.ClientSession() as session:
            async with FakeGES() as ges:
                ges.inject("stall")
                url = f"{ges.endpoint}/v2/{ges.project_id}/graphs/jobs"
                response = await session.get(url, headers=TOKEN)
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()

    async def test_scripted_faults_wait_for_their_path(self) -> None:
        """They hit as often as asked, in the order queued, and never where they make no sense."""
        async with serving() as (ges, client):
            ges.add_job("job-1")
            ges.inject("not_found")
            ges.inject("throttle", times=2, match="/graphs/jobs")
            ges.inject("unavailable", match="/graphs/jobs")
            lists = [(await client.centre()).status for _ in range(4)]
            singles = [(await client.status()).status for _ in range(2)]
        assert (lists, singles) == ([429, 429, 503, 200], [400, 200])
        assert ges.fault_counts == {"not_found": 1, "throttle": 2, "unavailable": 1}

    async def test_drawn_faults_repeat_with_the_seed(self) -> None:
        """The rates are shares of the requests drawn for."""

        async def met(seed: int) -> list[FaultKind | None]:
            faults = Faults({"throttle": 0.2, "unavailable": 0.1}, on=["list"])
            async with serving(faults=faults, seed=seed) as (ges, client):
                for _ in range(200):
                    await client.centre()
                assert (await client.status()).status == 400
                return [logged.fault for logged in ges.requests]

        first = await met(1)
        assert first == await met(1)
        assert first != await met(2)
        assert 20 <= first.count("throttle") <= 60
        assert 8 <= first.count("unavailable") <= 35

    def test_faults_refuse_nonsense(self) -> None:
        """Unknown kinds and shares that exceed all requests."""
        with pytest.raises(ValueError, match="unknown fault kinds \\['flood'\\]"):
            Faults({"flood": 0.1})  # type: ignore[dict-item]
        with pytest.raises(ValueError, match="add up to 1"):
            Faults({"throttle": 0.7, "drop": 0.7})
        with pytest.raises(ValueError, match="unknown fault kind 'flood'"):
            FakeGES().inject("flood")  # type: ignore[arg-type]

    def test_every_fault_kind_is_tested(self) -> None:
        """The kinds answered by status and those with a test of their own are all there are."""
        own = {"blank_status", "invalid_json", "wrong_json", "drop", "truncate", "slow", "stall"}
        assert own | set(ANSWERED) == set(FAULT_KINDS)


class TestLog:
    """What the server remembers of the requests."""

    async def test_requests_are_logged_without_secrets(self) -> None:
        """Token and signature are masked; the request id is the reply's."""
        async with serving() as (ges, client):
            headers = {**TOKEN, "Authorization": "SDK-HMAC-SHA256 Access=ak", "X-Language": "en-us"}
            answer = await client.ask("/v2/{p}/graphs/g/jobs/a%2Fb/status", headers, why="1")
        (logged,) = ges.requests
        assert (logged.method, logged.plane, logged.kind, logged.job_id) == ("GET", "management", "get", "a/b")
        assert (logged.status, logged.fault, logged.query) == (400, None, {"why": "1"})
        assert logged.headers["X-Auth-Token"] == logged.headers["Authorization"] == "***"
        assert logged.headers["X-Language"] == "en-us"
        assert answer.headers["X-Request-Id"] == logged.request_id

    async def test_requests_in_flight_are_counted(self) -> None:
        """Four at once are seen as four."""
        async with serving(faults=Faults(slow_seconds=0.02)) as (ges, client):
            ges.inject("slow", times=4)
            await asyncio.gather(*(client.centre() for _ in range(4)))
            await client.engine()
        assert ges.max_in_flight == 4
        assert [logged.in_flight for logged in ges.requests] == [1, 2, 3, 4, 1]
        assert len(ges.arrivals("list")) == len(ges.arrivals()) == 5
        assert ges.arrivals("get") == []

    async def test_server_runs_once_and_says_where(self) -> None:
        """Its repr is a sentence without the token; its endpoint exists while it runs."""
        ges = FakeGES(token="secret")
        with pytest.raises(RuntimeError, match="enter it"):
            _ = ges.endpoint
        with pytest.raises(RuntimeError, match="enter it"):
            ges.freeze_list()
        async with ges:
            assert ges.endpoint.startswith("http://127.0.0.1:")
            assert "0 jobs, 0 requests" in repr(ges)
            assert "secret" not in repr(ges)
        with pytest.raises(RuntimeError, match="runs once"):
            await ges.__aenter__()

    async def test_a_port_may_be_chosen(self) -> None:
        """One that is taken is an `OSError` that leaves nothing behind."""
        before = asyncio.all_tasks()
        async with FakeGES() as ges:
            port = int(ges.endpoint.rpartition(":")[2])
            with pytest.raises(OSError, match="in use"):
                await FakeGES(port=port).__aenter__()
        async with FakeGES(port=port) as ges:
            assert ges.endpoint == f"http://127.0.0.1:{port}"
        assert asyncio.all_tasks() == before

    async def test_leaving_leaves_no_task(self) -> None:
        """Not even with an idle connection open."""
        before = asyncio.all_tasks()
        async with serving() as (ges, client):
            assert (await client.ask("/")).status == 404
            await ges.aclose()
            assert asyncio.all_tasks() == before

    def test_virtual_time_moves_the_jobs_and_the_wall_clock(self) -> None:
        """An hour passes in no time, for the timeline, the times told and a slow reply alike."""

        async def an_hour() -> tuple[str, str]:
            async with serving(origin=datetime(2030, 1, 1, tzinfo=UTC), faults=Faults(slow_seconds=120)) as (
                ges,
                client,
            ):
                ges.add_job("job-1", steps=[(0, "running"), (1800, "success")])
                await asyncio.sleep(3600)
                ges.inject("slow")
                answer = await client.status()
                return answer.json["end_time"], (await client.centre()).headers["Date"]

        with asyncio.Runner(loop_factory=virtual_time) as runner:
            assert runner.run(an_hour()) == ("2030-01-01T00:30:00", "Tue, 01 Jan 2030 01:02:00 GMT")

    async def test_thousands_of_jobs_are_paged_whole(self) -> None:
        """Two windows of a thousand show two thousand jobs once each."""
        async with serving() as (ges, client):
            ges.add_jobs(FakeJob(f"job-{number}", steps=DONE, age=10) for number in range(2000))
            pages = [await client.ids(limit=1000, offset=offset) for offset in (0, 1000)]
        assert len(set(pages[0]) | set(pages[1])) == 2000
