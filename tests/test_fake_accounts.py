"""FakeGES lets in who signs right, who has a token that lives, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import anyio
import attrs
import pytest
from yarl import URL

from gespoll._signing import sign
from gespoll.testing import FakeGES

pytestmark = pytest.mark.anyio

ORIGIN = datetime(2030, 1, 1, tzinfo=UTC)
USER = {"name": "fake-user", "password": "fake-password", "domain": {"name": "fake-domain"}}


@attrs.frozen
class Answer:
    """A reply read to its end."""

    status: int
    headers: Mapping[str, str]
    json: Any

    @property
    def code(self) -> str | None:
        """The error code, in the envelope of the management plane or of the engine."""
        found: str | None = self.json.get("error_code") or self.json.get("errorCode")
        return found


@attrs.frozen
class Client:
    """A client that signs as it is told."""

    ges: FakeGES
    session: aiohttp.ClientSession

    async def signed(
        self, path: str = "/v2/{p}/graphs/jobs", query: str = "", ak: str = "fake-ak", sk: str = "fake-sk", **how: Any
    ) -> Answer:
        """Ask with a signature; `ahead` is by how many seconds its clock is wrong, `send` what is sent besides."""
        url = self.ges.endpoint + path.format(p=self.ges.project_id) + query
        at = self.ges.wall_clock() + timedelta(seconds=how.get("ahead", 0))
        headers = sign("GET", url, {"X-Language": "en-us"} | how.get("sign", {}), ak=ak, sk=sk, at=at)
        return await self.ask("GET", how.get("instead", url), headers | how.get("send", {}))

    async def with_token(self, token: str) -> Answer:
        """Ask with a token."""
        return await self.ask("GET", f"{self.ges.endpoint}/v2/{self.ges.project_id}/graphs/jobs", token_header(token))

    async def iam(self, user: Any = USER, project: Any = None, body: Any = None) -> Answer:
        """Ask IAM for a token."""
        scope = {"project": project or {"id": self.ges.project_id}}
        identity = {"methods": ["password"], "password": {"user": user}}
        asked = {"auth": {"identity": identity, "scope": scope}} if body is None else body
        return await self.ask("POST", f"{self.ges.endpoint}/v3/auth/tokens?nocatalog=true", {}, asked)

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: Any = None) -> Answer:
        """Send one request."""
        target = URL(url, encoded=True)
        async with self.session.request(method, target, headers=headers, json=body) as response:
            return Answer(response.status, response.headers, await response.json())


def token_header(token: str) -> dict[str, str]:
    """Give the header of a token."""
    return {"X-Auth-Token": token}


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[tuple[FakeGES, Client]]:
    """A running server and a client of it."""
    async with (
        FakeGES(**{"origin": ORIGIN, **options}) as ges,
        aiohttp.ClientSession(max_field_size=65_536) as session,
    ):
        yield ges, Client(ges, session)


class TestSignature:
    """A signature is verified as it came over the wire."""

    @pytest.mark.parametrize("query", ["", "?limit=5&offset=0", "?offset=0&limit=5", "?graph_name=a%20b%2B%E4%BD%9C~"])
    async def test_right_one_is_let_in(self, query: str) -> None:
        """On the management plane and on the engine, whatever the query."""
        async with serving() as (_, client):
            assert (await client.signed(query=query)).status == 200
            assert (await client.signed("/ges/v1.0/{p}/graphs/movies/jobs/status")).status == 200

    async def test_ids_may_be_encoded(self) -> None:
        """What is one segment on the wire is decoded for the signature."""
        async with serving() as (ges, client):
            ges.add_job("a/b 作", graph="g%")
            path = "/v2/{p}/graphs/g%25/jobs/a%2Fb%20%E4%BD%9C/status"
            assert (await client.signed(path)).status == 200

    @pytest.mark.parametrize(
        "wrong",
        [
            {"sk": "other"},
            {"ak": "other"},
            {"send": {"X-Sdk-Date": "20300101T000001Z"}},
            {"send": {"X-Sdk-Date": "yesterday"}},
            {"send": {"X-Language": "zh-cn"}},
            {"send": {"Host": "elsewhere"}},
            {"send": {"Authorization": "SDK-HMAC-SHA256 Access=fake-ak"}},
            {"send": {"Authorization": "Basic Og=="}},
            {"send": {"X-Security-Token": "unsigned"}},
            {"sign": {"X-Security-Token": "foreign"}},
        ],
    )
    async def test_wrong_one_is_refused(self, wrong: Any) -> None:
        """With the codes of each plane."""
        async with serving() as (_, client):
            managed = await client.signed(**wrong)
            engine = await client.signed("/ges/v1.0/{p}/graphs/movies/jobs/status", **wrong)
        assert (managed.status, managed.code) == (401, "APIGW.0301")
        assert (engine.status, engine.code) == (400, "GES.8007")

    @pytest.mark.parametrize("instead", ["/v2/{p}/graphs/jobs?limit=2", "/v1.0/{p}/graphs/jobs?limit=1"])
    async def test_signature_of_another_request_is_refused(self, instead: str) -> None:
        """Path and query are signed."""
        async with serving() as (ges, client):
            url = ges.endpoint + instead.format(p=ges.project_id)
            assert (await client.signed(query="?limit=1", instead=url)).status == 401

    @pytest.mark.parametrize("left_out", ["host", "x-sdk-date"])
    async def test_host_and_date_must_be_signed(self, left_out: str) -> None:
        """Even a right signature of less is refused."""
        async with serving() as (ges, client):
            url = f"{ges.endpoint}/v2/{ges.project_id}/graphs/jobs"
            headers = sign("GET", url, {}, ak="fake-ak", sk="fake-sk", at=ORIGIN)
            names = "host;x-sdk-date".replace(left_out, "").strip(";")
            headers["Authorization"] = headers["Authorization"].replace("host;x-sdk-date", names)
            assert (await client.ask("GET", url, headers)).status == 401

    async def test_temporary_key_needs_its_token(self) -> None:
        """And a permanent one must not have any."""
        async with serving(access_keys={"fake-ak": ("fake-sk", "st")}) as (_, client):
            assert (await client.signed(sign={"X-Security-Token": "st"})).status == 200
            assert (await client.signed()).status == 401
            assert (await client.signed(sign={"X-Security-Token": "other"})).status == 401

    @pytest.mark.parametrize(("ahead", "status"), [(899, 200), (-899, 200), (901, 401), (-901, 401)])
    async def test_clock_may_be_wrong_by_a_quarter_of_an_hour(self, ahead: float, status: int) -> None:
        """Else the code says so, and it does not count as a wrong signature."""
        async with serving() as (_, client):
            for _ in range(6):
                answer = await client.signed(ahead=ahead)
                assert answer.status == status
                assert answer.code == (None if status == 200 else "APIGW.0303")
            assert (await client.signed()).status == 200

    async def test_five_wrong_ones_lock_the_key(self) -> None:
        """For five minutes in which right ones are refused, too."""
        async with serving() as (_, client):
            for _ in range(4):
                await client.signed(sk="wrong")
            assert (await client.signed()).status == 200
            for _ in range(5):
                await client.signed(sk="wrong")
            locked = await client.signed()
            assert (locked.status, locked.code) == (401, "APIGW.0301")
            assert "AK access failed to reach the limit" in locked.json["error_msg"]
            await anyio.sleep(301)
            assert (await client.signed()).status == 200

    async def test_a_token_goes_before_a_signature(self) -> None:
        """What stands beside a token is not looked at."""
        async with serving() as (_, client):
            assert (await client.signed(sk="wrong", send=token_header("fake-token"))).status == 200
            assert (await client.signed(send=token_header("wrong"))).status == 401

    async def test_foreign_project(self) -> None:
        """A right signature does not open another project."""
        async with serving() as (_, client):
            assert (await client.signed("/v2/else/graphs/jobs")).code == "GES.0016"


class TestIam:
    """Tokens are issued to users, and die."""

    @pytest.mark.parametrize("project", [None, {"name": "fake-project"}])
    async def test_token_is_issued(self, project: Any) -> None:
        """In a header, about as long as a real one; the body tells how long it lives."""
        async with serving(token_lifetime=3600.0) as (ges, client):
            answer = await client.iam(project=project)
            token = answer.headers["X-Subject-Token"]
            assert answer.status == 201
            assert len(token) > 9000
            assert answer.json["token"]["issued_at"] == "2030-01-01T00:00:00.000000Z"
            assert answer.json["token"]["expires_at"] == "2030-01-01T01:00:00.000000Z"
            assert (await client.with_token(token)).status == 200
            assert [request.plane for request in ges.requests] == ["iam", "management"]

    async def test_token_expires(self) -> None:
        """At the second that was told; others live on."""
        async with serving(token_lifetime=100.0) as (_, client):
            old = (await client.iam()).headers["X-Subject-Token"]
            await anyio.sleep(50)
            new = (await client.iam()).headers["X-Subject-Token"]
            await anyio.sleep(50)
            expired = await client.with_token(old)
            assert (expired.status, expired.code) == (401, "APIGW.0307")
            assert (await client.with_token(new)).status == 200
            assert (await client.with_token("fake-token")).status == 200

    async def test_tokens_can_be_revoked(self) -> None:
        """All that were issued; new ones are good."""
        async with serving() as (ges, client):
            old = (await client.iam()).headers["X-Subject-Token"]
            ges.revoke_tokens()
            assert (await client.with_token(old)).code == "APIGW.0307"
            assert (await client.with_token((await client.iam()).headers["X-Subject-Token"])).status == 200

    @pytest.mark.parametrize(
        "wrong",
        [
            {"user": USER | {"password": "wrong"}},
            {"user": USER | {"name": "nobody"}},
            {"user": USER | {"domain": {"name": "elsewhere"}}},
            {"project": {"id": "else"}},
        ],
    )
    async def test_wrong_user_or_project_is_refused(self, wrong: Any) -> None:
        """In IAM's own envelope."""
        async with serving() as (_, client):
            answer = await client.iam(**wrong)
        assert (answer.status, answer.json["error"]["code"]) == (401, 401)
        assert set(answer.json["error"]) == {"code", "message", "title"}

    @pytest.mark.parametrize("body", [[], {}, {"auth": None}, {"auth": {"identity": {"password": {"user": 7}}}}])
    async def test_body_that_asks_nothing(self, body: Any) -> None:
        """It is a bad request."""
        async with serving() as (_, client):
            assert (await client.iam(body=body)).status == 400

    async def test_another_method_is_refused(self) -> None:
        """Only passwords are known here."""
        async with serving() as (_, client):
            identity = {"methods": ["token"], "password": {"user": USER}}
            assert (await client.iam(body={"auth": {"identity": identity, "scope": {}}})).status == 400

    async def test_five_wrong_passwords_lock_the_user(self) -> None:
        """The right one no longer helps, for five minutes; a wrong project is no wrong password."""
        async with serving() as (_, client):
            for _ in range(6):
                await client.iam(project={"id": "else"})
            for _ in range(5):
                await client.iam(user=USER | {"password": "wrong"})
            locked = await client.iam()
            assert (locked.status, locked.json["error"]["message"]) == (401, "The account is locked.")
            await anyio.sleep(301)
            assert (await client.iam()).status == 201

    async def test_the_quota_of_the_service_is_not_spent(self) -> None:
        """IAM is another service; it throttles with its own code."""
        async with serving(max_rate=1.0) as (ges, client):
            assert {(await client.iam()).status for _ in range(5)} == {201}
            ges.inject("throttle_retry_after", match="/auth/")
            answer = await client.iam()
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, "IAM.0012", "1")

    async def test_the_log_shows_no_secret(self) -> None:
        """Neither token nor signature; bodies are not kept."""
        async with serving() as (ges, client):
            token = (await client.iam()).headers["X-Subject-Token"]
            await client.with_token(token)
            await client.signed()
        told = repr(ges.requests)
        assert token not in told
        assert "fake-password" not in told
        assert "Signature=" not in told


async def test_the_wall_clock_follows_the_loops() -> None:
    """It exists while the server runs."""
    async with serving() as (ges, _):
        await anyio.sleep(90)
        assert ges.wall_clock() - ORIGIN >= timedelta(seconds=90)
    with pytest.raises(RuntimeError, match="FakeGES is not running"):
        FakeGES().wall_clock()
