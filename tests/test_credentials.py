"""Credentials are obtained once, renewed once, and shown nowhere."""

from __future__ import annotations

import asyncio
import json
import re
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from gespoll import (
    AccessKey,
    AuthenticationError,
    Credentials,
    PasswordCredentials,
    PermissionDenied,
    ProtocolError,
    ServiceUnavailable,
    SourceError,
    Token,
    TransportError,
)
from gespoll._credentials import Errand, Surroundings
from gespoll._signing import sign, skew
from gespoll._wire.reply import Reply

pytestmark = pytest.mark.anyio

SECRET = "MIIabc-secret"
URL = "https://ges.example/v2/p/graphs/jobs"


class Mint:
    """An async callable that gives token-1, token-2, ..., and takes its time."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.calls = 0

    async def __call__(self) -> str:
        """Give the next token."""
        self.calls += 1
        number = self.calls
        await anyio.sleep(self.seconds)
        return f"token-{number}"


async def headers(token: Token) -> Mapping[str, str]:
    """Ask for the headers of a request."""
    return await token.authorize("GET", URL)


class TestFixedToken:
    """A token that cannot be renewed."""

    async def test_it_stands_in_the_header_of_the_api(self) -> None:
        """And in no other."""
        assert await headers(Token(SECRET)) == {"X-Auth-Token": SECRET}

    async def test_its_rejection_is_final(self) -> None:
        """There is nothing to replace it with."""
        token = Token(SECRET)
        assert not await token.renew(await headers(token))

    @pytest.mark.parametrize("value", ["", " ", "a\nb", "a\r\nX-Evil: 1", "\x00", "tökén", "令牌"])
    async def test_it_must_fit_in_a_header(self, value: str) -> None:
        """It is refused at once, and not shown."""
        with pytest.raises(ValueError, match=r"^the token is empty or holds characters that cannot stand in a header$"):
            Token(value)

    @pytest.mark.parametrize(
        ("value", "kind"),
        [
            (None, "NoneType"),
            (7, "int"),
            (b"t", "bytes"),
            (["t"], "list"),
        ],
    )
    async def test_it_must_be_text_or_callable(self, value: Any, kind: str) -> None:
        """The error names the type and not the value."""
        with pytest.raises(TypeError) as caught:
            Token(value)
        assert str(caught.value) == f"a token must be a str or an async callable, not {kind}"


class TestCallable:
    """A token that can be renewed."""

    async def test_first_request_fetches_it(self) -> None:
        """Making it calls nothing; the fetched token is kept."""
        mint = Mint()
        token = Token(mint)
        assert mint.calls == 0
        assert await headers(token) == await headers(token) == {"X-Auth-Token": "token-1"}
        assert mint.calls == 1

    async def test_a_thousand_first_requests_fetch_it_once(self) -> None:
        """All get the same token."""
        mint = Mint()
        token = Token(mint)
        found = await asyncio.gather(*(headers(token) for _ in range(1000)))
        assert mint.calls == 1
        assert all(item == {"X-Auth-Token": "token-1"} for item in found)

    async def test_a_thousand_rejections_renew_it_once(self) -> None:
        """Each is told that another try is worth it."""
        mint = Mint()
        token = Token(mint)
        rejected = await headers(token)
        assert all(await asyncio.gather(*(token.renew(rejected) for _ in range(1000))))
        assert mint.calls == 2
        assert await headers(token) == {"X-Auth-Token": "token-2"}

    async def test_second_rejection_in_a_row_is_final(self) -> None:
        """A fresh token that is rejected shows that renewing does not help."""
        mint = Mint()
        token = Token(mint)
        assert await token.renew(await headers(token))
        assert not await token.renew(await headers(token))
        assert not await token.renew(await headers(token))
        assert mint.calls == 2

    async def test_late_rejection_of_an_old_token_is_worth_another_try(self) -> None:
        """Somebody renewed it while the request was under way."""
        token = Token(Mint())
        old = await headers(token)
        await token.renew(old)
        assert await token.renew(old)
        assert await headers(token) == {"X-Auth-Token": "token-2"}

    async def test_accepted_token_may_be_renewed_again(self) -> None:
        """Tokens expire once a day, for as long as the process lives."""
        mint = Mint()
        token = Token(mint)
        for _ in range(5):
            assert await token.renew(await headers(token))
            token.accepted(await headers(token))
        assert mint.calls == 6

    async def test_late_acceptance_of_an_old_token_proves_nothing(self) -> None:
        """The new one is still unproved."""
        token = Token(Mint())
        old = await headers(token)
        await token.renew(old)
        token.accepted(old)
        assert not await token.renew(await headers(token))

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ("", "the token is empty"),
            ("a\nb", "the token is empty"),
            (None, "a token must be"),
            (b"t", "a token must be"),
        ],
    )
    async def test_unusable_token_is_an_authentication_error(self, given: Any, reason: str) -> None:
        """It names what was wrong and not the token."""

        async def fetch() -> Any:
            return given

        with pytest.raises(AuthenticationError) as caught:
            await headers(Token(fetch))
        assert str(caught.value).startswith(f"the token callable is no async callable of a token: {reason}")

    async def test_callable_that_is_not_async_is_an_authentication_error(self) -> None:
        """A text cannot be awaited."""
        token = Token(lambda: SECRET)  # type: ignore[arg-type, return-value]
        with pytest.raises(AuthenticationError, match="no async callable of a token: a token must be a str"):
            await headers(token)

    async def test_callable_that_raises_is_tried_again(self) -> None:
        """Its error is transient, and the secret in its text is told nowhere."""
        calls = 0

        async def fetch() -> str:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise ConnectionError(f"password {SECRET} refused")
            return "token"

        token = Token(fetch)
        with pytest.raises(ServiceUnavailable) as caught:
            await headers(token)
        assert str(caught.value) == "the token callable raised ConnectionError"
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        assert await headers(token) == {"X-Auth-Token": "token"}

    async def test_error_of_ours_passes_as_it_is(self) -> None:
        """A callable that knows better than we do says so."""
        error = PermissionDenied("the user is locked")

        async def fetch() -> str:
            raise error

        with pytest.raises(SourceError) as caught:
            await headers(Token(fetch))
        assert caught.value is error

    async def test_renewal_that_fails_leaves_the_next_one_free(self) -> None:
        """The lock is given back, and the failure does not count as a rejection."""
        answers = iter(["token-1", None, "token-2"])

        async def fetch() -> str:
            answer = next(answers)
            if answer is None:
                raise OSError
            return answer

        token = Token(fetch)
        rejected = await headers(token)
        with pytest.raises(ServiceUnavailable):
            await token.renew(rejected)
        assert await token.renew(rejected)
        assert await headers(token) == {"X-Auth-Token": "token-2"}

    async def test_cancelled_renewal_leaves_the_next_one_free(self) -> None:
        """Cancelling one waiter takes nothing from the others."""
        mint = Mint(seconds=10)
        token = Token(mint)
        with anyio.move_on_after(1):
            await headers(token)
        assert await headers(token) == {"X-Auth-Token": "token-2"}


class TestSecrecy:
    """No secret stands in a repr."""

    async def test_repr(self) -> None:
        """It says of which kind the token is."""
        assert repr(Token(SECRET)) == "Token(fixed)"
        assert str(Token(Mint())) == "Token(from a callable)"

    async def test_repr_after_fetching(self) -> None:
        """A fetched token is no less secret."""
        token = Token(Mint())
        await headers(token)
        assert "token-1" not in repr(token)


NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
AK, SK, SECURITY_TOKEN = "AKAKAKAKAKAKAKAKAKAK", "sk-secret", "st-secret"
PASSWORD = "pass word-secret"
IAM = "https://iam.example"


class Iam:
    """Answers the errands of credentials, as told; a number is a status, a text a token, a float a lifetime."""

    def __init__(self, *answers: Any, seconds: float = 1.0) -> None:
        self.answers = list(answers)
        self.seconds = seconds
        self.errands: list[Errand] = []

    async def __call__(self, errand: Errand) -> Reply:
        """Answer one errand; the last answer serves for ever."""
        self.errands.append(errand)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await anyio.sleep(self.seconds)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else issued(answer)

    def lend(self, project_id: str = "p", *, allow_http: bool = False) -> Surroundings:
        """Give what a source lends."""
        return Surroundings(project_id=project_id, allow_http=allow_http, send=self)


def issued(token: str = "iam-1", lifetime: float = 86_400.0, **fields: Any) -> Reply:
    """Make IAM's reply with a token."""
    record = {"issued_at": NOON.isoformat(), "expires_at": (NOON + timedelta(seconds=lifetime)).isoformat()} | fields
    return Reply(201, json.dumps({"token": record}).encode(), {"X-Subject-Token": token})


def refusing(status: int, message: str = "no", **headers: str) -> Reply:
    """Make IAM's reply with an error."""
    body = {"error": {"code": status, "message": message, "title": "x"}}
    return Reply(status, json.dumps(body).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


def password(iam: Iam, **options: Any) -> Credentials:
    """Make password credentials that ask an IAM."""
    options = {"endpoint": IAM, **options}
    return PasswordCredentials(domain="corp", user="robot", password=PASSWORD, **options).bind(iam.lend())


async def token_of(credentials: Credentials) -> str:
    """Ask for the token of a request."""
    return (await credentials.authorize("GET", URL))["X-Auth-Token"]


class TestAccessKey:
    """Each request is signed."""

    async def test_a_request_is_signed_for_its_project(self) -> None:
        """With the type, the project and the time that are sent along."""
        signer = AccessKey(AK, SK, clock=lambda: NOON).bind(Iam(None).lend("p1"))
        headers = {"Content-Type": "application/json", "X-Project-Id": "p1"}
        assert await signer.authorize("GET", URL) == sign("GET", URL, headers, ak=AK, sk=SK, at=NOON)

    async def test_a_temporary_key_sends_its_token_signed(self) -> None:
        """Neither the secret key nor a stranger's name goes along."""
        headers = await AccessKey(AK, SK, SECURITY_TOKEN, clock=lambda: NOON).authorize("GET", URL)
        assert headers["X-Security-Token"] == SECURITY_TOKEN
        assert ";x-security-token," in headers["Authorization"]
        assert SK not in str(headers)

    async def test_the_clock_is_this_machines(self) -> None:
        """Unless another is given."""
        headers = await AccessKey(AK, SK).authorize("GET", URL)
        ahead = skew(headers, datetime.now(UTC))
        assert ahead is not None
        assert abs(ahead) < 60

    async def test_the_first_rejection_is_final_everywhere(self) -> None:
        """Five wrong signatures lock a key; so it is not tried again, by whatever source."""
        given = AccessKey(AK, SK)
        one, other = given.bind(Iam(None).lend("p1")), given.bind(Iam(None).lend("p2"))
        assert not await one.renew(await one.authorize("GET", URL))
        for credentials in (given, one, other):
            with pytest.raises(AuthenticationError) as caught:
                await credentials.authorize("GET", URL)
            assert str(caught.value) == (
                "the access key was rejected before and is not tried again, because wrong signatures lock a key; "
                "make another AccessKey"
            )

    @pytest.mark.parametrize(
        ("parts", "name"),
        [
            (("", SK), "the access key id (ak)"),
            ((AK, ""), "the secret key (sk)"),
            ((AK, SK, ""), "the security token"),
            ((f"{AK}\n", SK), "the access key id (ak)"),
            ((AK, f"{SK}\r\nX-Evil: 1"), "the secret key (sk)"),
            ((AK, SK, "tökén"), "the security token"),
        ],
    )
    async def test_it_must_fit_in_a_header(self, parts: Any, name: str) -> None:
        """The error names the part and does not show it."""
        with pytest.raises(ValueError, match=r"^the ") as caught:
            AccessKey(*parts)
        assert str(caught.value) == f"{name} is empty or holds characters that cannot stand in a header"

    @pytest.mark.parametrize("ak", ["a b", "a,b", "a=b"])
    async def test_the_id_must_fit_in_the_signature(self, ak: str) -> None:
        """Its header has a grammar."""
        with pytest.raises(ValueError, match=r"^the access key id \(ak\) holds a blank, a comma or an equals sign$"):
            AccessKey(ak, SK)

    async def test_it_must_be_text(self) -> None:
        """What it is instead is named by its type."""
        with pytest.raises(ValueError, match=r"^the secret key \(sk\) must be a str, not bytes$"):
            AccessKey(AK, b"secret")  # type: ignore[arg-type]

    async def test_repr(self) -> None:
        """Not even the id is shown."""
        assert repr(AccessKey(AK, SK)) == "AccessKey(permanent)"
        assert repr(AccessKey(AK, SK, SECURITY_TOKEN)) == "AccessKey(temporary)"


class TestPassword:
    """A token is obtained from IAM, and renewed before it expires."""

    async def test_what_is_asked(self) -> None:
        """The documented body, to the documented address."""
        iam = Iam("iam-1")
        assert await token_of(password(iam)) == "iam-1"
        (errand,) = iam.errands
        assert errand.url == "https://iam.example/v3/auth/tokens?nocatalog=true"
        user = {"name": "robot", "password": PASSWORD, "domain": {"name": "corp"}}
        assert json.loads(errand.body) == {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"id": "p"}},
            }
        }

    async def test_project_by_name(self) -> None:
        """A name that is given goes before the source's id."""
        iam = Iam("iam-1")
        await token_of(password(iam, project="eu-west-101"))
        assert json.loads(iam.errands[0].body)["auth"]["scope"] == {"project": {"name": "eu-west-101"}}

    @pytest.mark.parametrize(
        ("region", "host"), [("cn-north-4", "myhuaweicloud.com"), ("eu-west-101", "myhuaweicloud.eu")]
    )
    async def test_region(self, region: str, host: str) -> None:
        """Each has its own IAM."""
        iam = Iam("iam-1")
        await token_of(password(iam, region=region, endpoint=None))
        assert iam.errands[0].url.startswith(f"https://iam.{region}.{host}/v3/")

    async def test_a_thousand_first_requests_obtain_one_token(self) -> None:
        """All get it."""
        iam = Iam("iam-1", "iam-2")
        credentials = password(iam)
        assert set(await asyncio.gather(*(token_of(credentials) for _ in range(1000)))) == {"iam-1"}
        assert len(iam.errands) == 1

    async def test_a_thousand_rejections_obtain_one_more(self) -> None:
        """Each is told that another try is worth it; those who come meanwhile get the new one, too."""
        iam = Iam("iam-1", "iam-2", "iam-3")
        credentials = password(iam)
        rejected = await credentials.authorize("GET", URL)
        assert all(await asyncio.gather(*(credentials.renew(rejected) for _ in range(1000))))
        assert await token_of(credentials) == "iam-2"
        assert len(iam.errands) == 2

    async def test_second_rejection_in_a_row_is_final(self) -> None:
        """A fresh token that is rejected shows that renewing does not help."""
        iam = Iam("iam-1", "iam-2", "iam-3")
        credentials = password(iam)
        assert await credentials.renew(await credentials.authorize("GET", URL))
        assert not await credentials.renew(await credentials.authorize("GET", URL))
        assert len(iam.errands) == 2

    @pytest.mark.parametrize(("lifetime", "early"), [(86_400.0, 600.0), (6_000.0, 600.0), (600.0, 60.0), (10.0, 1.0)])
    async def test_it_is_renewed_before_it_expires(self, lifetime: float, early: float) -> None:
        """Ten minutes before, or a tenth of its life; by the event loop's clock."""
        iam = Iam(issued("iam-1", lifetime), "iam-2", seconds=0.0)
        credentials = password(iam)
        assert await token_of(credentials) == "iam-1"
        await anyio.sleep(lifetime - early - 0.5)
        assert await token_of(credentials) == "iam-1"
        await anyio.sleep(0.5)
        assert set(await asyncio.gather(*(token_of(credentials) for _ in range(1000)))) == {"iam-2"}
        assert len(iam.errands) == 2

    async def test_without_a_known_lifetime_it_serves_until_it_is_rejected(self) -> None:
        """Nothing is guessed."""
        iam = Iam(issued(expires_at=None), "iam-2")
        credentials = password(iam)
        await token_of(credentials)
        await anyio.sleep(10**6)
        assert await token_of(credentials) == "iam-1"

    async def test_while_it_lives_a_failed_renewal_harms_nobody(self) -> None:
        """It is tried again after half a minute, until the old one is dead."""
        iam = Iam(issued("iam-1", 6_000.0), refusing(503), seconds=0.0)
        credentials = password(iam)
        await token_of(credentials)
        await anyio.sleep(5_400)
        for _ in range(20):
            assert await token_of(credentials) == "iam-1"
            await anyio.sleep(30.01)
        assert len(iam.errands) == 21
        with pytest.raises(ServiceUnavailable):
            await token_of(credentials)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
    async def test_refusal_is_final_and_nothing_is_asked_again(self, status: int) -> None:
        """Wrong passwords lock the account; the text says what to check."""
        iam = Iam(refusing(status, "wrong"), "iam-1")
        credentials = password(iam)
        for _ in range(3):
            found = await asyncio.gather(*(token_of(credentials) for _ in range(100)), return_exceptions=True)
            assert {type(error) for error in found} == {AuthenticationError}
            await anyio.sleep(1000)
        assert len(iam.errands) == 1
        assert isinstance(found[0], AuthenticationError)
        assert (found[0].status, found[0].code) == (status, f"IAM.{status}")
        assert str(found[0]).startswith("asking https://iam.example for a token: ")
        assert (
            ": wrong; check domain, user, password and project, then make new credentials: these are not tried again, "
            "because wrong passwords lock an account (HTTP "
        ) in str(found[0])

    async def test_refusal_is_final_for_all_sources(self) -> None:
        """The password is the same."""
        iam = Iam(refusing(401), "iam-1")
        shared = PasswordCredentials(domain="corp", user="robot", password=PASSWORD, endpoint=IAM)
        for project_id in ("p1", "p2"):
            with pytest.raises(AuthenticationError):
                await token_of(shared.bind(iam.lend(project_id)))
        assert len(iam.errands) == 1

    async def test_refusal_of_a_renewal_is_final(self) -> None:
        """The password was changed meanwhile."""
        iam = Iam("iam-1", refusing(401), "iam-2")
        credentials = password(iam)
        rejected = await credentials.authorize("GET", URL)
        for _ in range(2):
            with pytest.raises(AuthenticationError):
                await credentials.renew(rejected)
        assert len(iam.errands) == 2

    async def test_sources_of_one_project_share_the_token(self) -> None:
        """Those of another have their own, because its scope is the project."""
        iam = Iam("iam-1", "iam-2", "iam-3")
        shared = PasswordCredentials(domain="corp", user="robot", password=PASSWORD, endpoint=IAM)
        found = [await token_of(shared.bind(iam.lend(project_id))) for project_id in ("p1", "p2", "p1", "p2")]
        assert found == ["iam-1", "iam-2", "iam-1", "iam-2"]

    @pytest.mark.parametrize(
        ("answer", "kind", "pause"),
        [
            (refusing(429), ServiceUnavailable, 5.0),
            (refusing(429, Retry_After="60"), ServiceUnavailable, 60.0),
            (refusing(429, Retry_After="99999"), ServiceUnavailable, 900.0),
            (refusing(500), ServiceUnavailable, 5.0),
            (TransportError("reset"), TransportError, 5.0),
            (Reply(200, b"<html>", {}), ProtocolError, 5.0),
            (Reply(404, b"<html>", {}), ProtocolError, 5.0),
            (Reply(307, b"", {"Location": "https://elsewhere"}), ProtocolError, 5.0),
            (Reply(201, b"{}", {"X-Subject-Token": "a\tb"}), ProtocolError, 5.0),
        ],
    )
    async def test_iam_that_cannot_answer_is_not_pressed(
        self, answer: Any, kind: type[SourceError], pause: float
    ) -> None:
        """Polls fail without asking it, until a pause is over."""
        iam = Iam(answer, "iam-1", seconds=0.0)
        credentials = password(iam)
        for _ in range(10):
            with pytest.raises(kind):
                await token_of(credentials)
        await anyio.sleep(pause - 0.01)
        with pytest.raises(kind):
            await token_of(credentials)
        assert len(iam.errands) == 1
        await anyio.sleep(0.01)
        assert await token_of(credentials) == "iam-1"

    async def test_silent_iam_is_given_up(self) -> None:
        """After twenty seconds, which are fewer than a request has."""
        credentials = password(Iam("iam-1", seconds=3600))
        with pytest.raises(TransportError) as caught:
            await token_of(credentials)
        assert str(caught.value) == "asking https://iam.example for a token: no reply came within 20 s"
        assert anyio.current_time() == pytest.approx(20)

    async def test_cancelling_one_takes_nothing_from_the_others(self) -> None:
        """Whoever began to ask: IAM is asked once."""
        iam = Iam("iam-1", "iam-2", seconds=10)
        credentials = password(iam)
        found: list[str] = []

        async def first() -> None:
            with anyio.move_on_after(5):
                await token_of(credentials)

        async def other() -> None:
            found.append(await token_of(credentials))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            await anyio.sleep(1)
            tasks.start_soon(other)
            tasks.start_soon(other)
        assert found == ["iam-1", "iam-1"]
        assert len(iam.errands) == 1

    async def test_without_a_source_they_say_so(self) -> None:
        """They have no client of their own."""
        lonely = PasswordCredentials(domain="corp", user="robot", password=PASSWORD, endpoint=IAM)
        with pytest.raises(
            RuntimeError, match=r"^password credentials are used through a source: pass them as credentials=$"
        ):
            await token_of(lonely)

    @pytest.mark.parametrize(
        ("wrong", "text"),
        [
            ({"domain": ""}, "domain must be a str that is not empty"),
            ({"user": None}, "user must be a str that is not empty"),
            ({"password": " "}, "password must be a str that is not empty"),
            ({"password": b"secret"}, "password must be a str that is not empty"),
            ({"endpoint": None}, "IAM is found by region= or by endpoint=: give one of them"),
            ({"region": "cn-north-4"}, "IAM is found by region= or by endpoint=: give one of them"),
            ({"endpoint": "iam.example"}, "the endpoint of IAM 'iam.example' must be a URL with its scheme, such as "),
            (
                {"endpoint": None, "region": "x"},
                "region 'x' must be the id of a region, such as cn-north-4",
            ),
        ],
    )
    async def test_arguments_that_cannot_work(self, wrong: Any, text: str) -> None:
        """The text says what to give, and never the password."""
        arguments = {"domain": "corp", "user": "robot", "password": PASSWORD, "endpoint": IAM} | wrong
        with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
            PasswordCredentials(**arguments)

    async def test_clear_text_needs_the_sources_consent(self) -> None:
        """As for its own endpoint."""
        plain = PasswordCredentials(domain="corp", user="robot", password=PASSWORD, endpoint="http://iam.example")
        with pytest.raises(ValueError, match=r"would send credentials in clear text: use https, or pass allow_http"):
            plain.bind(Iam(None).lend())
        plain.bind(Iam(None).lend(allow_http=True))
        local = PasswordCredentials(domain="corp", user="robot", password=PASSWORD, endpoint="http://127.0.0.1:80")
        local.bind(Iam(None).lend())

    async def test_repr(self) -> None:
        """Who and where, and not the password."""
        assert repr(password(Iam(None))) == "PasswordCredentials(of 'robot' at https://iam.example)"
        errand = Errand(url=IAM, body=b"secret", secrets=("secret",), action="asking")
        assert "secret" not in repr(errand)


class TestOfOnesOwn:
    """Whoever writes credentials writes two methods."""

    async def test_the_others_have_defaults(self) -> None:
        """They are used as they are, and lock nothing."""

        class Mine(Credentials):
            async def authorize(self, method: str, url: str, /) -> Mapping[str, str]:
                return {"X-Auth-Token": "t"}

            async def renew(self, rejected: Mapping[str, str], /) -> bool:
                return False

        mine = Mine()
        assert mine.bind(Iam(None).lend()) is mine
        assert not mine.locks
        mine.accepted({})
