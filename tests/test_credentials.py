"""A token is fetched once, renewed once, and shown nowhere."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from gespoll import AuthenticationError, PermissionDenied, ServiceUnavailable, SourceError, Token

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
