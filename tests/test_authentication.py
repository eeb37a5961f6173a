"""All kinds of credentials, over real sockets: FakeGES verifies each signature and each token."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import aiohttp
import aiohttp.web
import anyio
import pytest

from gespoll import (
    AccessKey,
    AuthenticationError,
    Credentials,
    EngineSource,
    Job,
    JobRef,
    JobStatus,
    ManagementSource,
    PasswordCredentials,
    Poller,
    SourceError,
    TransportError,
    connect,
)
from gespoll._credentials import Errand
from gespoll._source import CredentialsRenewed
from gespoll.testing import FakeGES, Faults
from tests.test_http import IDS, add_import, add_imports, assert_within_budget, serving

pytestmark = pytest.mark.anyio

ORIGIN = datetime(2030, 1, 1, tzinfo=UTC)


def key(ges: FakeGES, sk: str = "fake-sk", ahead: float = 0.0, security_token: str | None = None) -> AccessKey:
    """Make the access key of a server, with a clock that may be wrong."""
    return AccessKey("fake-ak", sk, security_token, clock=lambda: ges.wall_clock() + timedelta(seconds=ahead))


def user(ges: FakeGES, password: str = "fake-password", **options: Any) -> PasswordCredentials:
    """Make the user of a server."""
    endpoint = options.pop("endpoint", ges.endpoint)
    return PasswordCredentials(domain="fake-domain", user="fake-user", password=password, endpoint=endpoint, **options)


Make = Callable[[FakeGES], Credentials]
KINDS = pytest.mark.parametrize("make", [key, user, partial(user, project="fake-project")])


def polling(ges: FakeGES, credentials: Credentials, **options: Any) -> Poller:
    """Make a poller of the server's management plane."""
    return connect(ges.endpoint, ges.project_id, credentials=credentials, rng=random.Random(0), **options)


def plane(ges: FakeGES, *names: str) -> list[int | None]:
    """Give the HTTP statuses of the requests to some planes."""
    return [request.status for request in ges.requests if request.plane in names]


@contextlib.asynccontextmanager
async def of_engine(ges: FakeGES, credentials: Credentials) -> AsyncIterator[Poller]:
    """Open a poller of the engine of the graph "movies"."""
    source = EngineSource({"movies": ges.endpoint}, ges.project_id, credentials=credentials)
    async with Poller(source, close_source=True, rng=random.Random(0)) as poller:
        yield poller


class TestAllKinds:
    """What the service accepts."""

    @KINDS
    @pytest.mark.parametrize("api", ["v2", "v1.0"])
    async def test_many_jobs_of_the_management_plane(self, make: Make, api: Literal["v2", "v1.0"]) -> None:
        """By the list and by single queries, without one rejection."""
        async with FakeGES() as ges, polling(ges, make(ges), api=api) as poller:
            results = await poller.wait_all(add_imports(ges, 30))
            assert {type(result) for result in results} == {Job}
            assert set(plane(ges, "management")) == {200}

    @KINDS
    async def test_the_engine(self, make: Make) -> None:
        """The other plane verifies the same."""
        async with FakeGES() as ges, of_engine(ges, make(ges)) as poller:
            for number in range(5):
                ges.add_job(f"{number}", graph="movies", engine=True, steps=[(0, "running"), (9, "success")])
            await poller.wait_all(map(str, range(5)), graph="movies")
            assert set(plane(ges, "engine")) == {200}

    @KINDS
    @pytest.mark.parametrize("job_id", [*IDS, "a" * 10_000, "~", "é~%7E", "x=1&y=2"])
    async def test_any_id(self, make: Make, job_id: str) -> None:
        """It is encoded once, and signed as it is decoded."""
        async with FakeGES() as ges, polling(ges, make(ges)) as poller:
            add_import(ges, job_id, 0, graph="g é")
            assert (await poller.wait(job_id, graph="g é")).status is JobStatus.SUCCESS

    @KINDS
    async def test_graph_name_of_a_filter(self, make: Make) -> None:
        """A query is signed in the spelling it has on the wire."""
        async with (
            FakeGES() as ges,
            ManagementSource(ges.endpoint, ges.project_id, credentials=make(ges)) as source,
        ):
            ges.add_job("j", graph_name="a b+c&d=e/作 %41~")
            assert [job.ref.job_id async for job in source.jobs(graph="a b+c&d=e/作 %41~")] == ["j"]

    @KINDS
    async def test_borrowed_session(self, make: Make) -> None:
        """Its own limits on headers do not get in the way of a token of 9 KB."""
        async with FakeGES() as ges, aiohttp.ClientSession() as session:
            add_import(ges)
            async with polling(ges, make(ges), session=session) as poller:
                assert (await poller.wait("job", graph="g")).status is JobStatus.SUCCESS

    async def test_temporary_key(self) -> None:
        """Its security token goes along."""
        async with FakeGES(access_keys={"fake-ak": ("fake-sk", "st/+=")}) as ges:
            add_import(ges)
            async with polling(ges, key(ges, security_token="st/+=")) as poller:
                assert (await poller.wait("job", graph="g")).status is JobStatus.SUCCESS
            async with polling(ges, key(ges)) as poller:
                with pytest.raises(AuthenticationError):
                    await poller.wait("job", graph="g")

    async def test_endpoint_with_a_path(self) -> None:
        """What stands in front of the path is signed, too."""
        key_of_time = AccessKey("ak", "sk", clock=lambda: ORIGIN)
        seen: list[str] = []

        async def answer(request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
            seen.append(request.headers["Authorization"])
            assert request.headers["Host"] == f"127.0.0.1:{request.url.port}"
            assert request.headers["X-Project-Id"] == "p"
            return aiohttp.web.json_response({"status": "running"})

        async with (
            serving(answer) as endpoint,
            ManagementSource(f"{endpoint}/prefix/", "p", credentials=key_of_time) as source,
        ):
            await source.get(JobRef("j", "g"))
            url = f"{endpoint}/prefix/v2/p/graphs/g/jobs/j/status"
            expected = await source._credentials.authorize("GET", url)
        assert seen == [expected["Authorization"]]


class TestAccessKey:
    """A key that is rejected is not tried again."""

    @pytest.mark.parametrize("delay", [0.01, 5.0])
    async def test_wrong_key_does_not_lock_it(self, delay: float) -> None:
        """However slow the answers: two requests at most are under way until one was accepted."""
        slow = Faults({"slow": 1.0}, slow_seconds=delay)
        async with FakeGES(faults=slow) as ges, polling(ges, key(ges, "wrong"), max_per_second=100) as poller:
            refs = add_imports(ges, 100)
            with pytest.raises(AuthenticationError) as caught:
                await poller.wait_all(refs)
            assert len(ges.requests) <= 2
            assert set(caught.value.pending) == set(refs)
            async with polling(ges, key(ges)) as good:
                assert {type(result) for result in await good.wait_all(refs)} == {Job}
        assert (caught.value.status, caught.value.code) == (401, "APIG.0301")

    async def test_wrong_key_is_not_locked_by_many_who_ask_at_once(self) -> None:
        """They wait for the first verdicts, and are told without another request."""
        errors: list[AuthenticationError] = []

        async def ask(number: int) -> None:
            with pytest.raises(AuthenticationError) as caught:
                await source.get(JobRef(f"job-{number}", "g"))
            errors.append(caught.value)

        async with FakeGES(faults=Faults({"slow": 1.0}, slow_seconds=2.0)) as ges:
            source = ManagementSource(ges.endpoint, ges.project_id, credentials=key(ges, "wrong"))
            async with source, anyio.create_task_group() as tasks:
                for number in range(10):
                    tasks.start_soon(ask, number)
            assert (len(errors), len(ges.requests)) == (10, 2)

    async def test_once_it_was_accepted_all_go_at_once(self) -> None:
        """Being careful costs the first answer only."""
        slow = Faults({"slow": 1.0}, slow_seconds=2.0)
        async with (
            FakeGES(faults=slow, list_unsupported=True) as ges,
            polling(ges, key(ges), max_per_second=100) as poller,
        ):
            await poller.wait_all(add_imports(ges, 30))
            assert ges.max_in_flight == 10
            assert_within_budget(ges.arrivals(), 100)

    async def test_silent_server_lets_another_through(self) -> None:
        """Only a verdict is waited for, and not by all on one server."""

        async def silent(request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
            await anyio.sleep(3600)
            return aiohttp.web.Response()

        async with serving(silent) as dead, FakeGES() as ges:
            ges.add_job("1", graph="good", engine=True, steps=[(0, "success")])
            source = EngineSource({"dead": dead, "good": ges.endpoint}, ges.project_id, credentials=key(ges))
            async with (
                Poller(source, close_source=True) as poller,
                poller.watch([JobRef("1", "dead"), JobRef("1", "good")]) as changes,
            ):
                change = await anext(changes)
                assert (change.ref.graph, change.is_final) == ("good", True)
                assert anyio.current_time() < 5

    async def test_another_source_does_not_try_it_again(self) -> None:
        """The key is the same."""
        async with FakeGES() as ges:
            wrong = key(ges, "wrong")
            for _ in range(10):
                async with polling(ges, wrong) as poller:
                    with pytest.raises(AuthenticationError):
                        await poller.wait("job", graph="g")
            assert len(ges.requests) == 1

    @pytest.mark.parametrize(("ahead", "text"), [(1200.0, "20 minutes ahead of"), (-7200.0, "120 minutes behind")])
    async def test_wrong_clock_is_named(self, ahead: float, text: str) -> None:
        """With its distance from the server's, and what to do."""
        async with FakeGES(origin=ORIGIN) as ges, polling(ges, key(ges, ahead=ahead)) as poller:
            with pytest.raises(AuthenticationError) as caught:
                await poller.wait("job", graph="g")
        assert caught.value.code == "APIG.0303"
        assert caught.value.detail.endswith(
            "; check this machine's clock: a signature made more than 15 minutes from the service's time is refused; "
            f"this machine's clock is {text} the server's: set it"
        )

    async def test_wrong_clock_is_named_whatever_the_code(self) -> None:
        """The engine rejects with a code that says nothing of time."""
        async with FakeGES(origin=ORIGIN) as ges, of_engine(ges, key(ges, ahead=1200.0)) as poller:
            with pytest.raises(AuthenticationError) as caught:
                await poller.wait("1", graph="movies")
        assert caught.value.code == "GES.8007"
        assert "Invalid token.; this machine's clock is 20 minutes ahead of the server's: set it" in str(caught.value)

    async def test_right_clock_is_not_blamed(self) -> None:
        """A wrong key is only a wrong key."""
        async with FakeGES(origin=ORIGIN) as ges, polling(ges, key(ges, "wrong", ahead=600)) as poller:
            with pytest.raises(AuthenticationError) as caught:
                await poller.wait("job", graph="g")
        assert "clock" not in str(caught.value)


class TestPassword:
    """Tokens of IAM, over the same session."""

    async def test_a_day_of_tokens(self) -> None:
        """Each is renewed before it expires, so that no poll is ever rejected."""
        async with (
            FakeGES(token_lifetime=3600.0) as ges,
            polling(ges, user(ges), interval=60) as poller,
        ):
            add_import(ges, end=86_400)
            await poller.wait("job", graph="g")
            assert set(plane(ges, "management")) == {200}
            assert 24 <= len(plane(ges, "iam")) <= 27

    async def test_revoked_token_is_renewed_once_for_many_polls(self) -> None:
        """A change of permissions kills it at once; the wait goes on, and IAM is asked once more."""
        slow = Faults({"slow": 1.0}, slow_seconds=2.0)
        async with (
            FakeGES(faults=slow, list_unsupported=True) as ges,
            polling(ges, user(ges), interval=1) as poller,
        ):
            refs = add_imports(ges, 30)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(poller.wait_all, refs)
                await anyio.sleep(15)
                ges.revoke_tokens()
            assert plane(ges, "management").count(401) > 3
            assert len(plane(ges, "iam")) == 2
            arrivals = [request.at for request in ges.requests if request.plane == "management"]
            assert_within_budget(arrivals)

    @pytest.mark.parametrize("when", ["first", "expired", "revoked"])
    async def test_waiting_for_iam_saves_up_no_requests(self, when: str) -> None:
        """However long it takes, those who waited for the token do not leave all at once."""
        slow = Faults({"slow": 1.0}, on={"other"}, match="/auth/", slow_seconds=3.0)
        async with (
            FakeGES(faults=slow, list_unsupported=True, token_lifetime=100.0) as ges,
            polling(ges, user(ges), interval=1, max_per_second=5) as poller,
        ):
            ends = {"first": 10, "expired": 200, "revoked": 60}
            refs = add_imports(ges, 30, end=ends[when])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(poller.wait_all, refs)
                await anyio.sleep(40)
                if when == "revoked":
                    ges.revoke_tokens()
            assert len(plane(ges, "iam")) == {"first": 1, "expired": 3, "revoked": 2}[when]
            assert_within_budget([request.at for request in ges.requests if request.plane == "management"], 5)

    async def test_one_look_waits_for_its_token(self) -> None:
        """A wait that looks once does look."""
        slow = Faults({"slow": 1.0}, on={"other"}, match="/auth/", slow_seconds=3.0)
        async with FakeGES(faults=slow) as ges, polling(ges, user(ges)) as poller:
            add_import(ges, end=0)
            assert (await poller.wait("job", graph="g", timeout=0)).status is JobStatus.SUCCESS

    async def test_who_keeps_no_budget_just_waits(self) -> None:
        """A source that is asked by itself sends when the token is there."""
        slow = Faults({"slow": 1.0}, on={"other"}, match="/auth/", slow_seconds=3.0)
        async with (
            FakeGES(faults=slow) as ges,
            ManagementSource(ges.endpoint, ges.project_id, credentials=user(ges)) as source,
        ):
            refs = add_imports(ges, 50)
            async with anyio.create_task_group() as tasks:
                for ref in refs:
                    tasks.start_soon(source.get, ref)
            assert (len(plane(ges, "iam")), len(plane(ges, "management"))) == (1, 50)

    async def test_iam_is_not_counted_in_the_budget(self) -> None:
        """A renewal takes no request from the jobs."""
        async with FakeGES() as ges, polling(ges, user(ges), max_per_second=1.0) as poller:
            add_import(ges, end=0)
            await poller.wait("job", graph="g")
            first, second = ges.requests
            assert (first.plane, second.plane) == ("iam", "management")
            assert second.at - first.at < 0.5

    async def test_source_tells_that_a_request_must_be_sent_again(self) -> None:
        """It does not send it itself, because the budget is not its own."""
        async with FakeGES() as ges, ManagementSource(ges.endpoint, ges.project_id, credentials=user(ges)) as source:
            add_import(ges)
            await source.get(JobRef("job", "g"))
            ges.revoke_tokens()
            with pytest.raises(CredentialsRenewed):
                await source.get(JobRef("job", "g"))
            assert (await source.get(JobRef("job", "g"))).status is JobStatus.RUNNING

    @pytest.mark.parametrize("password", ["token", "null", "expires_at"])
    async def test_password_that_is_a_word_of_the_reply(self, password: str) -> None:
        """Hiding echoes of it spoils no reply that is none."""
        async with (
            FakeGES(token_lifetime=3600.0, users={"fake-user": password}) as ges,
            polling(ges, user(ges, password), interval=60) as poller,
        ):
            add_import(ges, end=8000)
            await poller.wait("job", graph="g")
            assert set(plane(ges, "management")) == {200}

    async def test_wrong_password_is_sent_once(self) -> None:
        """The error names the jobs that are left open; the account is not locked."""
        async with FakeGES() as ges:
            wrong = user(ges, "wrong-password")
            refs = add_imports(ges, 30)
            for _ in range(8):
                async with polling(ges, wrong) as poller:
                    with pytest.raises(AuthenticationError) as caught:
                        await poller.wait_all(refs)
            assert plane(ges, "iam", "management") == [401]
            assert set(caught.value.pending) == set(refs)
            async with polling(ges, user(ges)) as poller:
                await poller.wait_all(refs)

    async def test_token_that_is_never_accepted_is_final(self) -> None:
        """One renewal, then the error."""
        async with FakeGES(token_lifetime=0.001) as ges, polling(ges, user(ges)) as poller:
            ges._front.accounts.options.token_lifetime = -1.0
            with pytest.raises(AuthenticationError):
                await poller.wait_all(add_imports(ges, 30))
            assert len(plane(ges, "iam")) == 2

    @pytest.mark.parametrize("kind", ["unavailable", "throttle_retry_after", "drop", "truncate", "html", "html_200"])
    async def test_iam_that_fails_for_a_while_only_delays(self, kind: Any) -> None:
        """It is a failed look, and asked again after a pause."""
        async with FakeGES() as ges, polling(ges, user(ges)) as poller:
            add_import(ges)
            ges.inject(kind, times=3, match="/auth/")
            assert (await poller.wait("job", graph="g", timeout=60)).status is JobStatus.SUCCESS
            at = [request.at for request in ges.requests if request.plane == "iam"]
            assert len(at) == 4
            assert min(later - sooner for sooner, later in pairwise(at)) >= 5

    async def test_iam_that_is_away_is_an_outage(self) -> None:
        """The error tells what did not answer."""
        async with FakeGES() as ges, polling(ges, user(ges)) as poller:
            add_import(ges)
            ges.inject("stall", times=100, match="/auth/")
            endpoint = ges.endpoint
            with pytest.raises(SourceError) as caught:
                await poller.wait("job", graph="g")
            assert plane(ges, "management") == []
        assert type(caught.value) is TransportError
        assert caught.value.detail == f"asking {endpoint} for a token: no reply came within 20 s"

    async def test_redirect_of_iam_is_not_followed(self) -> None:
        """The password goes to nobody else."""
        strangers: list[str] = []

        async def stranger(request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
            strangers.append(request.path)
            return aiohttp.web.Response(status=201, headers={"X-Subject-Token": "t"})

        async with serving(stranger) as elsewhere, FakeGES() as ges:

            async def redirect(request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
                return aiohttp.web.Response(status=308, headers={"Location": f"{elsewhere}{request.path}"})

            async with (
                serving(redirect) as iam,
                ManagementSource(ges.endpoint, ges.project_id, credentials=user(ges, endpoint=iam)) as source,
            ):
                with pytest.raises(SourceError, match="was answered with a redirect, which is never followed"):
                    await source.get(JobRef("j", "g"))
            assert strangers == []
            assert ges.requests == []

    async def test_reply_of_iam_over_the_limit_is_not_read(self) -> None:
        """It is bounded as every other."""
        async with (
            FakeGES() as ges,
            ManagementSource(ges.endpoint, ges.project_id, credentials=user(ges), max_reply_bytes=10) as source,
        ):
            with pytest.raises(SourceError, match="for a token: the reply is larger than max_reply_bytes=10"):
                await source.get(JobRef("j", "g"))

    async def test_errand_in_clear_text_is_refused(self) -> None:
        """Whoever sends it: a source that did not allow plain http sends no secret over it."""
        async with FakeGES() as ges, ManagementSource(ges.endpoint, ges.project_id, credentials=key(ges)) as source:
            errand = Errand(url="http://iam.example/x", body=b"{}", secrets=(), action="asking for a token")
            with pytest.raises(
                ValueError,
                match=r"^asking for a token would send a secret in clear text: use https, or pass allow_http=True$",
            ):
                await source._client.post(errand)
