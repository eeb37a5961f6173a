"""Access keys that are provided: fetched when they are needed, before they expire, and when one is rejected."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
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
from gespoll._wire.reply import Reply

pytestmark = pytest.mark.anyio

URL = "https://ges.example/v2/p/graphs/jobs"
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


async def signed_by(credentials: Credentials) -> tuple[str, str | None]:
    """Return the key id and the security token of a request."""
    headers = await credentials.authorize("GET", URL)
    return headers["Authorization"].split("Access=")[1].split(",")[0], headers.get("X-Security-Token")


class Agency:
    """Gives key 1, key 2, ..., each for some seconds, by a clock that goes with the event loop's."""

    def __init__(self, lifetime: float | None = None, *, repeats: bool = False) -> None:
        self.lifetime, self.repeats, self.calls = lifetime, repeats, 0

    def clock(self) -> datetime:
        """Return the present time."""
        return NOON + timedelta(seconds=anyio.current_time())

    async def __call__(self) -> dict[str, Any]:
        """Give a key."""
        self.calls += 1
        number = 1 if self.repeats else self.calls
        found: dict[str, Any] = {"ak": f"ak-{number}", "sk": f"sk-secret-{number}", "security_token": f"st-{number}"}
        return (
            found if self.lifetime is None else {**found, "expires_at": self.clock() + timedelta(seconds=self.lifetime)}
        )

    def key(self) -> AccessKey:
        """Make a key that is provided."""
        return AccessKey.from_provider(self, clock=self.clock)


class VendorProvider:
    """As the providers of the vendor's SDK: it blocks."""

    thread: threading.Thread | None = None

    def get_credentials(self) -> Any:
        """Give the SDK's credentials."""
        self.thread = threading.current_thread()
        return SimpleNamespace(ak="ak", sk="sk", security_token="st", _expired_at=None)


async def in_async() -> tuple[str, str, str]:
    """Give a key."""
    return "ak", "sk", "st"


FORMS: dict[str, Any] = {
    "async callable": in_async,
    "callable": lambda: ("ak", "sk", "st"),
    "callable that returns an awaitable": lambda: in_async(),
    "mapping": lambda: {"ak": "ak", "sk": "sk", "security_token": "st"},
    "the API's own JSON": lambda: {"credential": {"access": "ak", "secret": "sk", "securitytoken": "st"}},
    "object of the SDK's accessors": lambda: SimpleNamespace(
        access="ak", secret="sk", security_token="st", expire_at=9e9
    ),
    "provider of the SDK": VendorProvider(),
    "credentials of the SDK": SimpleNamespace(ak="ak", sk="sk", security_token="st", with_ak=print),
}


class TestForms:
    """Whatever can give a key."""

    @pytest.mark.parametrize("form", FORMS)
    async def test_it_signs(self, form: str) -> None:
        """With what it was given."""
        assert await signed_by(AccessKey.from_provider(FORMS[form])) == ("ak", "st")

    async def test_a_key_without_security_token(self) -> None:
        """It may be permanent, and rotated."""
        assert await signed_by(AccessKey.from_provider(lambda: ("ak", "sk"))) == ("ak", None)

    async def test_what_may_block_is_called_in_a_thread(self) -> None:
        """The vendor's providers ask over HTTP."""
        provider = VendorProvider()
        await signed_by(AccessKey.from_provider(provider))
        assert provider.thread not in {None, threading.current_thread()}

    async def test_credentials_that_their_owner_renews(self) -> None:
        """They are read again when they are rejected."""
        owned = SimpleNamespace(ak="ak-1", sk="sk", security_token="st")
        key = AccessKey.from_provider(owned)
        headers = await key.authorize("GET", URL)
        owned.ak = "ak-2"
        assert await key.renew(headers)
        assert await signed_by(key) == ("ak-2", "st")

    @pytest.mark.parametrize("given", [None, 7, "metadata", ("ak", "sk"), dict, SimpleNamespace(ak="ak")])
    def test_what_is_no_provider(self, given: Any) -> None:
        """It is refused at once, by its type."""
        with pytest.raises(TypeError) as caught:
            AccessKey.from_provider(given)
        assert str(caught.value) == (
            "a provider must be a callable that gives an access key, an object of the vendor's SDK, or "
            f"'instance-metadata', not {type(given).__name__}"
        )

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            (None, "the access key id (ak) must be a str, not NoneType"),
            (("ak",), "the access key id (ak) must be a str, not NoneType"),
            ("ak", "the access key id (ak) must be a str, not NoneType"),
            (("ak", "sk-secret\n"), "the secret key (sk) is empty or holds characters that cannot stand in a header"),
            (("a k", "sk-secret"), "the access key id (ak) holds a blank, a comma or an equals sign"),
        ],
    )
    async def test_what_is_no_key(self, given: Any, problem: str) -> None:
        """The error says what is wrong with it, and does not show it."""
        with pytest.raises(AuthenticationError) as caught:
            await signed_by(AccessKey.from_provider(lambda: given))
        assert str(caught.value) == f"the provider of access keys gave none that can be used: {problem}"
        shown = [repr(value) for frame, _ in traceback.walk_tb(caught.value.__traceback__) for value in frame.f_locals]
        assert "sk-secret" not in "".join(shown)

    async def test_a_provider_that_raises(self) -> None:
        """Its text may hold a secret, and is told nowhere; it is asked again after a pause."""
        calls = 0

        def provide() -> tuple[str, str]:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise OSError("sk-secret")
            return "ak", "sk"

        key = AccessKey.from_provider(provide)
        for _ in range(3):
            with pytest.raises(ServiceUnavailable) as caught:
                await signed_by(key)
        assert str(caught.value) == "the provider of access keys raised OSError"
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        await anyio.sleep(5)
        assert await signed_by(key) == ("ak", None)
        assert calls == 2

    async def test_a_provider_that_knows_better(self) -> None:
        """An error of gespoll's passes as it is."""

        async def provide() -> None:
            raise PermissionDenied("no agency")

        with pytest.raises(PermissionDenied, match=r"^no agency$"):
            await signed_by(AccessKey.from_provider(provide))

    async def test_a_provider_that_hangs(self) -> None:
        """It is given up, sooner than a request."""

        async def provide() -> None:
            await anyio.sleep_forever()

        with pytest.raises(ServiceUnavailable, match=r"^the provider of access keys gave none within 20 s$"):
            await signed_by(AccessKey.from_provider(provide))
        assert anyio.current_time() == pytest.approx(20)


class TestRenewal:
    """A key is replaced by another one, never tried again."""

    async def test_it_is_asked_once_for_many(self) -> None:
        """Whatever source they are of."""
        agency = Agency()
        key = agency.key()
        bound = [key.bind(Host().lend(f"p{number}")) for number in range(9)]
        found = await asyncio.gather(*(signed_by(each) for each in bound for _ in range(9)))
        assert (set(found), agency.calls) == ({("ak-1", "st-1")}, 1)

    async def test_before_it_expires_another_one_is_asked_for(self) -> None:
        """As with tokens: ten minutes before, or a tenth of its life."""
        agency = Agency(lifetime=3600.0)
        key = agency.key()
        await signed_by(key)
        await anyio.sleep(3200)
        assert await signed_by(key) == ("ak-1", "st-1")
        await anyio.sleep(100)
        assert await signed_by(key) == ("ak-2", "st-2")

    async def test_a_key_that_hardly_lives(self) -> None:
        """The provider is not asked at every poll."""
        agency = Agency(lifetime=0.001)
        key = agency.key()
        for _ in range(1000):
            await signed_by(key)
            await anyio.sleep(0.1)
        assert agency.calls == 20

    async def test_a_rejected_key_is_replaced_once(self) -> None:
        """However many requests were under way."""
        agency = Agency()
        key = agency.key()
        headers = await key.authorize("GET", URL)
        assert all(await asyncio.gather(*(key.renew(headers) for _ in range(9))))
        assert (await signed_by(key), agency.calls) == (("ak-2", "st-2"), 2)

    async def test_the_second_rejection_in_a_row_is_final(self) -> None:
        """Then it is not the key that is wrong; nothing is signed with it any more."""
        key = Agency().key()
        assert await key.renew(await key.authorize("GET", URL))
        assert not await key.renew(await key.authorize("GET", URL))
        with pytest.raises(AuthenticationError, match=r"^the access key was rejected before and is not tried again"):
            await key.authorize("GET", URL)

    async def test_an_accepted_key_may_be_replaced_again(self) -> None:
        """For as long as the process lives."""
        agency = Agency()
        key = agency.key()
        for number in range(1, 6):
            headers = await key.authorize("GET", URL)
            key.accepted(headers)
            assert await key.renew(headers)
            assert await signed_by(key) == (f"ak-{number + 1}", f"st-{number + 1}")
            await anyio.sleep(5)

    async def test_the_same_key_again_is_not_tried(self) -> None:
        """Wrong signatures lock a key, whoever provides it."""
        agency = Agency(repeats=True)
        key = agency.key()
        with pytest.raises(AuthenticationError, match=r"; its provider gives no other$"):
            await key.renew(await key.authorize("GET", URL))
        with pytest.raises(AuthenticationError):
            await key.authorize("GET", URL)
        assert agency.calls == 2

    async def test_repr(self) -> None:
        """Nothing of it is shown."""
        key = Agency().key()
        assert repr(key) == "AccessKey(from a provider)"
        await signed_by(key)
        assert "1" not in repr(key)
        assert "secret" not in repr(key._standing)


class Host:
    """The metadata service of a cloud server's host."""

    def __init__(self, *answers: Reply | SourceError, seconds: float = 0.0) -> None:
        self.answers, self.seconds, self.errands = list(answers), seconds, list[Errand]()

    async def __call__(self, errand: Errand) -> Reply:
        """Answer."""
        self.errands.append(errand)
        await anyio.sleep(self.seconds)
        answer = self.answers.pop(0)
        if isinstance(answer, SourceError):
            raise answer
        return answer

    def lend(self, project_id: str = "p") -> Surroundings:
        """Give what a source lends."""
        return Surroundings(project_id=project_id, allow_http=False, send=self)


SESSION = Reply(200, b"session-secret", {})
GIVEN = {"access": "ak", "secret": "sk", "securitytoken": "st", "expires_at": "2030-01-02T00:00:00.000000Z"}
KEY = Reply(200, json.dumps({"credential": GIVEN}).encode(), {})


def metadata(host: Host) -> AccessKey:
    """Make credentials of a cloud server's agency."""
    return AccessKey.from_provider("instance-metadata", clock=lambda: NOON).bind(host.lend())


class TestInstanceMetadata:
    """One more provider."""

    async def test_what_is_asked(self) -> None:
        """A session, then the key; only on this machine, so that plain http is no harm."""
        host = Host(SESSION, KEY)
        assert await signed_by(metadata(host)) == ("ak", "st")
        first, second = host.errands
        assert (first.method, first.url) == ("PUT", "http://169.254.169.254/meta-data/latest/api/token")
        assert (second.method, second.url) == ("GET", "http://169.254.169.254/openstack/latest/securitykey")
        assert first.headers == {"X-Metadata-Token-Ttl-Seconds": "300"}
        assert (second.headers, second.secrets) == ({"X-Metadata-Token": "session-secret"}, ("session-secret",))
        assert first.is_local
        assert second.is_local
        assert "secret" not in repr(second)

    async def test_an_older_service_knows_no_sessions(self) -> None:
        """The key is asked for without."""
        host = Host(Reply(404, b"", {}), KEY)
        assert await signed_by(metadata(host)) == ("ak", "st")
        assert host.errands[1].headers == {}

    @pytest.mark.parametrize(
        ("answers", "kind", "text"),
        [
            (
                [SESSION, Reply(404, b"", {})],
                AuthenticationError,
                "it has none; the server needs a cloud service agency, with",
            ),
            ([SESSION, Reply(503, b"", {})], ServiceUnavailable, "it answers with HTTP 503"),
            ([SESSION, Reply(302, b"", {})], ProtocolError, "it answers with HTTP 302"),
            ([SESSION, Reply(200, b"{}", {})], ProtocolError, "the reply holds no key"),
            ([SESSION, Reply(200, b'{"credential": {"access": "a"}}', {})], ProtocolError, "the reply holds no key"),
            ([Reply(200, b"a\nb", {})], ProtocolError, "the reply holds no session"),
            ([Reply(500, b"", {})], ServiceUnavailable, "it answers with HTTP 500"),
        ],
    )
    async def test_what_it_may_answer_instead(self, answers: list[Reply], kind: type[SourceError], text: str) -> None:
        """The error says who was asked."""
        with pytest.raises(kind) as caught:
            await signed_by(metadata(Host(*answers)))
        asked = "asking the instance metadata at http://169.254.169.254 for an access key: "
        assert str(caught.value).startswith(f"{asked}{text}")

    async def test_there_is_none(self) -> None:
        """Off the cloud nobody answers."""
        with pytest.raises(TransportError, match=r"for an access key: no reply came within 5 s$"):
            await signed_by(metadata(Host(SESSION, seconds=60)))

    async def test_it_is_asked_through_a_source(self) -> None:
        """Which has the client."""
        with pytest.raises(RuntimeError, match=r"^the instance metadata is asked through a source: pass these as "):
            await signed_by(AccessKey.from_provider("instance-metadata"))


SECRETIVE: dict[str, Callable[[], Any]] = {
    "Token": lambda: Token("t-secret"),
    "AccessKey": lambda: AccessKey("ak", "sk-secret"),
    "PasswordCredentials": lambda: PasswordCredentials(domain="d", user="u", password="secret", region="cn-north-4"),
    "Errand": lambda: Errand(url=URL, action="asking", body=b"secret"),
}


class TestPickle:
    """A pickle is a place where a secret stands readable."""

    @pytest.mark.parametrize("name", SECRETIVE)
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_what_holds_a_secret_is_not_pickled(self, name: str, protocol: int) -> None:
        """The error says what to do instead; what holds it is not either."""
        for held in (SECRETIVE[name](), [SECRETIVE[name]()]):
            with pytest.raises(TypeError) as caught:
                pickle.dumps(held, protocol)
            assert str(caught.value) == (
                f"{name} holds secrets and is not pickled: hand over what finds them, such as the name of a file or an "
                "environment variable, and make the credentials in the process that uses them"
            )

    async def test_a_copy_knows_what_was_refused(self) -> None:
        """It is the same key."""
        key = AccessKey("ak", "sk")
        copies = copy.copy(key), copy.deepcopy([key])[0]
        assert not await key.renew(await key.authorize("GET", URL))
        for each in copies:
            with pytest.raises(AuthenticationError):
                await each.authorize("GET", URL)
