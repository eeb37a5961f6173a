"""The API over HTTP: one request, one reading or one error.

Rule: the only module that knows aiohttp's client. Its errors are translated at one door and never
chained, because they carry the request's headers. No redirect is followed, no status raises by
itself, and a session that is not ours is neither closed nor reconfigured.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Literal, Self, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import anyio
import anyio.lowlevel
import attrs
from yarl import URL

from gespoll import _signing
from gespoll._credentials import Credentials, Errand, Surroundings, credentials_problem
from gespoll._endpoints import checked_base, is_clear_text
from gespoll._errors import AuthenticationError, JobNotFound, ProtocolError, SourceError, TransportError
from gespoll._jobs import Job, JobRef, JobStatus, extended_words, furthest, status_of_word
from gespoll._pacing import CERTIFICATE_REJECTED
from gespoll._secrecy import without_echo, without_frames
from gespoll._source import CredentialsRenewed, ListingSource, ListWindow, Wanted, keeps_budget
from gespoll._wire import engine_list, engine_status, job_centre, status_v1, status_v2
from gespoll._wire.listing import Glance, Page
from gespoll._wire.reply import Reply

Session = aiohttp.ClientSession
"""What a caller may lend: its proxies, TLS settings and connections are used, and it is never closed here."""
MAX_REPLY_BYTES = 128 * 1024 * 1024
_PAGE = 100
_PAGE_SECONDS = 30.0
_CHUNK = 256 * 1024
_URLS_KEPT = 2000  # making one takes longer than decoding a reply
_SILENCE = 1.0
_HELD_UP = 0.01
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
_LONGEST_HEADER = 64 * 1024  # a token has about 9 KB, more than aiohttp takes by default
_ECHO_AT_MOST = 64 * 1024
_UNPROVED_AT_ONCE = 2  # fewer than lock a key, and more than one that a silent server may hold
_PUBLIC_HEADERS = frozenset({"host", "content-type", "x-project-id", "x-sdk-date"})
_PARTS = re.compile(r"(?:Access|Signature)=([^,\s]+)")
_HEADERS = {"Accept": "application/json", "Content-Type": "application/json", "X-Language": "en-us"}

_Reading = TypeVar("_Reading")


class _Client:
    """Sends GETs, and the errands of credentials, over one session."""

    def __init__(self, session: Session | None, max_reply_bytes: int, *, allow_http: bool) -> None:
        if isinstance(max_reply_bytes, bool) or not isinstance(max_reply_bytes, int):
            raise TypeError(f"max_reply_bytes must be a whole number, not {type(max_reply_bytes).__name__}")
        if max_reply_bytes < 1:
            raise ValueError(f"max_reply_bytes={max_reply_bytes!r} must be 1 or more")
        self._session = session
        self._owned: aiohttp.ClientSession | None = None
        self._max_reply_bytes = max_reply_bytes
        self._allow_http = allow_http

    def open(self) -> None:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            jar = aiohttp.DummyCookieJar()
            self._owned = aiohttp.ClientSession(connector=connector, cookie_jar=jar, timeout=_NO_TIMEOUT)

    async def aclose(self) -> None:
        owned, self._owned = self._owned, None
        if owned is not None:
            with anyio.CancelScope(shield=True):
                await owned.close()

    def ensure_open(self) -> None:
        if self._session is None and self._owned is None:
            raise RuntimeError("the source is not open: use it in `async with`")

    async def get(self, url: URL, proof: Mapping[str, str], action: str) -> Reply:
        """Send one authorized request."""
        secrets = tuple(_secrets_of(proof))
        return await self._send(_Message("GET", url, {**_HEADERS, **proof}, action, secrets))

    async def post(self, errand: Errand) -> Reply:
        """Send what credentials want sent.

        Raises:
            SourceError: when no usable reply came.
            ValueError: when it would go out in clear text.
        """
        if is_clear_text(errand.url) and not self._allow_http:
            raise ValueError(f"{errand.action} would send a secret in clear text: use https, or pass allow_http=True")
        url = URL(errand.url, encoded=True)
        return await self._send(_Message("POST", url, _HEADERS, errand.action, errand.secrets, errand.body))

    async def _send(self, message: _Message) -> Reply:
        self.ensure_open()
        failure: SourceError
        try:
            return await self._reply(message)
        except aiohttp.ClientConnectorCertificateError:
            text = f"{message.action}: the server's certificate could not be verified; pass a session that trusts it"
            failure = TransportError(text, code=CERTIFICATE_REJECTED)
        except (aiohttp.ClientError, OSError) as error:
            failure = TransportError(f"{message.action}: no usable reply came: {_reason(error)}")
        raise failure

    async def _reply(self, message: _Message) -> Reply:
        session = self._session or self._owned
        assert session is not None  # it is open
        async with session.request(
            message.method,
            message.url,
            data=message.body,
            headers=message.headers,
            allow_redirects=False,
            raise_for_status=False,
            timeout=_NO_TIMEOUT,
            max_field_size=_LONGEST_HEADER,
            middlewares=(*_middlewares_of(session), _send_once),
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > self._max_reply_bytes:
                    response.close()
                    text = f"{message.action}: the reply is larger than max_reply_bytes={self._max_reply_bytes}"
                    raise ProtocolError(text, status=response.status)
            told = bytes(body)
            if response.status >= 300 or (message.body is None and len(told) <= _ECHO_AT_MOST):
                told = without_echo(told, message.secrets)
            return Reply(response.status, told, response.headers, datetime.now(UTC))


@attrs.frozen
class _Message:
    """A request, with what must not be told when the reply echoes it."""

    method: str
    url: URL
    headers: Mapping[str, str] = attrs.field(repr=False)
    action: str
    secrets: Sequence[str] = attrs.field(repr=False)
    body: bytes | None = attrs.field(default=None, repr=False)


def _secrets_of(proof: Mapping[str, str]) -> Iterator[str]:
    """Iterate over what proves something in some headers, the parts of a signature too."""
    for name, value in proof.items():
        if name.lower() not in _PUBLIC_HEADERS:
            yield value
            yield from _PARTS.findall(value)


class _Dropped(aiohttp.ClientError):
    """The connection was lost before a reply came."""


async def _send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a dropped request again by itself, past the request budget."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        reason = _reason(error)
    raise _Dropped(reason)


def _middlewares_of(session: Session) -> Sequence[aiohttp.ClientMiddlewareType]:
    """Tell those of a borrowed session, which those of a request would replace; aiohttp has no public name for them."""
    return getattr(session, "_middlewares", ())


def _reason(error: Exception) -> str:
    """Say what happened on the way; never in aiohttp's words, which may quote headers."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    if isinstance(cause, _Dropped):
        return str(cause)
    return next((words for kind, words in _REASONS.items() if isinstance(cause, kind)), type(cause).__name__)


_REASONS: dict[type[Exception], str] = {
    aiohttp.ServerDisconnectedError: "the server closed the connection before it had answered",
    aiohttp.ClientPayloadError: "the reply was cut off or is damaged",
    aiohttp.ClientResponseError: "the reply is no HTTP that can be read",
}


class _HttpSource(ListingSource):
    """What both planes share: the client, and how an authorized reading is made."""

    _project = ""

    def __init__(
        self,
        project_id: str,
        credentials: Credentials,
        session: Session | None,
        max_reply_bytes: int,
        *,
        allow_http: bool,
        status_words: Mapping[str, JobStatus | str] | None,
    ) -> None:
        self._words = extended_words(status_words)
        if not isinstance(project_id, str) or not (project_id.isascii() and project_id.isalnum()):
            raise ValueError(f"project_id {project_id!r} must be the letters and digits of a project id")
        self._project = project_id
        self._client = _Client(session, max_reply_bytes, allow_http=allow_http)
        self._credentials = credentials.bind(
            Surroundings(project_id=project_id, allow_http=allow_http, send=self._client.post)
        )
        self._unproved = anyio.Semaphore(_UNPROVED_AT_ONCE) if credentials.locks else None

    async def __aenter__(self) -> Self:
        self._client.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        await self.aclose()

    def status_of(self, word: str, /) -> JobStatus:
        """Return what a status word means by itself, without the job's files."""
        return status_of_word(word, self._words)

    async def aclose(self) -> None:
        """Close the session, unless it was borrowed. Shielded from cancellation."""
        await self._client.aclose()

    def _url(self, base: str, template: str, query: Mapping[str, str], **parts: str) -> URL:
        segments = {name: quote(part, safe="") for name, part in parts.items()}
        path = template.format(project=self._project, **segments)
        return URL(
            f"{base}{path}?{urlencode(query, quote_via=quote, safe='')}" if query else f"{base}{path}", encoded=True
        )

    async def _ask(self, url: URL, action: str, read: Callable[[Reply], _Reading]) -> _Reading:
        """Send a request and read its reply; a first rejection of the credentials renews them.

        The frames below this one hold secrets; what is raised leaves without them.
        """
        self._client.ensure_open()
        try:
            return await self._exchange(url, action, read)
        except BaseException as error:
            without_frames(error)
            raise

    async def _exchange(self, url: URL, action: str, read: Callable[[Reply], _Reading]) -> _Reading:
        begun_at = anyio.current_time()
        if self._unproved is None:
            return await self._authorized(url, action, read, begun_at)
        async with self._unproved:
            return await self._authorized(url, action, read, begun_at)

    async def _authorized(self, url: URL, action: str, read: Callable[[Reply], _Reading], begun_at: float) -> _Reading:
        proof = await self._credentials.authorize("GET", str(url))
        if keeps_budget.get() and anyio.current_time() - begun_at > _HELD_UP:
            raise CredentialsRenewed  # all who were held up here would leave at once
        reply = await self._client.get(url, proof, action)
        try:
            reading = read(reply)
        except AuthenticationError as error:
            rejected = _named_skew(error, proof, reply)
        except JobNotFound:
            self._accept(proof)
            raise
        else:
            self._accept(proof)
            return reading
        if await self._credentials.renew(proof):
            raise CredentialsRenewed
        raise rejected

    def _accept(self, proof: Mapping[str, str]) -> None:
        self._credentials.accepted(proof)
        self._unproved = None


def _named_skew(error: AuthenticationError, proof: Mapping[str, str], reply: Reply) -> AuthenticationError:
    """Say so where a signature was rejected and this machine's clock is far from the server's."""
    skew = _signing.skew(proof, reply.as_of)
    if skew is None or abs(skew) <= _signing.SKEW_AT_MOST:
        return error
    place = "ahead of" if skew > 0 else "behind"
    detail = f"{error.detail}; this machine's clock is {abs(skew) / 60:.0f} minutes {place} the server's: set it"
    return AuthenticationError(detail, status=error.status, code=error.code, request_id=error.request_id)


class ManagementSource(_HttpSource):
    """The management plane: jobs of all graphs of a project, by graph id.

    Queries and the list tell the same of a job. Where one leaves out the files of an import, a query may tell them.

    Args:
        endpoint: such as `https://ges.eu-west-101.myhuaweicloud.eu`.
        project_id: the project's id.
        credentials: such as a `Token`.
        api: "v2" or "v1.0"; both tell the same of a job, only v2 has a word for a partial failure.
        session: an `aiohttp.ClientSession` to borrow, with its proxies and TLS settings; never closed here.
        allow_http: allow plain http to a host other than loopback.
        max_reply_bytes: the largest reply that is read, in bytes.
        status_words: what words mean that no API document names, such as `{"halted": "cancelled"}`: word to
            `JobStatus` or its value. Case, `_` and `-` make no difference. They outweigh the documents' own.

    Raises:
        TypeError: when an argument has a wrong type.
        ValueError: when an argument cannot work; the text says what to give.
    """

    confirms_imports = True
    _base = ""

    def __init__(
        self,
        endpoint: str,
        project_id: str,
        *,
        credentials: Credentials,
        api: Literal["v2", "v1.0"] = "v2",
        session: Session | None = None,
        allow_http: bool = False,
        max_reply_bytes: int = MAX_REPLY_BYTES,
        status_words: Mapping[str, JobStatus | str] | None = None,
    ) -> None:
        problem = credentials_problem(credentials)
        if problem:
            del credentials  # a bare token, perhaps, which a crash reporter would show
            raise TypeError(problem)
        if api not in {"v2", "v1.0"}:
            raise ValueError(f"api={api!r} must be 'v2' or 'v1.0'")
        super().__init__(
            project_id, credentials, session, max_reply_bytes, allow_http=allow_http, status_words=status_words
        )
        self._base = checked_base(endpoint, "endpoint", allow_http=allow_http)
        self._status = status_v2 if api == "v2" else status_v1
        self._urls: dict[JobRef, URL] = {}
        self._centre = job_centre.V2 if api == "v2" else job_centre.V1

    def __repr__(self) -> str:
        return f"ManagementSource of project {self._project} at {self._base}"

    def scope(self, ref: JobRef, /) -> str:
        """Name the project: one list shows its jobs, and a job id alone means one job."""
        return self._project

    async def get(self, ref: JobRef, /) -> Job:
        """Read one job (Querying the Job Status, v2 or v1.0). May be cancelled at any await.

        Raises:
            JobNotFound: when the service knows no such job or graph.
            SourceError: when the state could not be read.
            ValueError: when the ref has no graph, without which this query cannot be made.
        """
        if ref.graph is None:
            raise ValueError(f"job {ref} can be queried by itself only with its graph id: give graph=")
        url = self._urls.get(ref)
        if url is None:
            if len(self._urls) >= _URLS_KEPT:
                self._urls.clear()
            url = self._urls[ref] = self._url(self._base, self._status.PATH, {}, graph=ref.graph, job=ref.job_id)
        return await self._ask(url, f"looking at job {ref}", lambda reply: self._status.read(reply, ref, self._words))

    async def list_window(self, scope: str, /, *, offset: int, limit: int, wanted: Wanted) -> ListWindow:
        """Read a part of the job centre (Querying Job Details in the Job Center). May be cancelled at any await.

        Raises:
            SourceError: when the list could not be read.
        """
        page, as_of = await self._page({"offset": str(offset), "limit": str(limit)})
        return await _window(page, wanted, lambda found: self._centre.read_job(found, as_of, self._words))

    async def jobs(
        self,
        *,
        status: JobStatus | None = None,
        graph: str | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> AsyncIterator[Job]:
        """Iterate over the jobs of the project, each once, in the server's order.

        Args:
            status: only jobs that the server files under this status.
            graph: only jobs of the graph of this *name*.
            start: only jobs from this day (UTC) on.
            end: only jobs up to this day (UTC).

        Raises:
            SourceError: when the list could not be read.
            ValueError: when the server has no filter for that status.
        """
        filters = self._centre.filters(status, graph, start, end)

        async def window(offset: int) -> ListWindow:
            page, as_of = await self._page({**filters, "offset": str(offset), "limit": str(_PAGE)})
            return await _window(page, _everything, lambda found: self._centre.read_job(found, as_of, self._words))

        async for job in _pages(window):
            yield job

    async def _page(self, query: Mapping[str, str]) -> tuple[Page, datetime | None]:
        url = self._url(self._base, self._centre.path, query)
        return await self._ask(
            url, "listing the project's jobs", lambda reply: (self._centre.read_page(reply), reply.as_of)
        )


class EngineSource(_HttpSource):
    """The engines of some graphs: jobs by graph name, each graph at its own server.

    A query tells the status word, and the reason of a failure. What the list tells depends on the edition of the
    graph. The memory edition's tells progress, the reason of a failure and the files of an import, so that a partly
    loaded import is found there and nowhere else; its times only where they name their zone. The database edition's
    tells nothing but the request that started the job, so that nobody can tell there whether an import was loaded
    in full. A graph counts as one of the memory edition until its list shows otherwise.

    Args:
        endpoints: graph name to the URL of its server, or to several URLs of the same; the next is
            tried when one does not answer.
        project_id: the project's id.
        credentials: such as a `Token`.
        session: an `aiohttp.ClientSession` to borrow, with its proxies and TLS settings; never closed here.
        allow_http: allow plain http to a host other than loopback.
        max_reply_bytes: the largest reply that is read, in bytes.
        status_words: what words mean that no API document names, such as `{"halted": "cancelled"}`: word to
            `JobStatus` or its value. Case, `_` and `-` make no difference. They outweigh the documents' own.

    Raises:
        TypeError: when an argument has a wrong type.
        ValueError: when an argument cannot work; the text says what to give.
    """

    explains_failures = True
    list_confirms_imports = True
    list_tells_progress = True

    def __init__(
        self,
        endpoints: Mapping[str, str | Sequence[str]],
        project_id: str,
        *,
        credentials: Credentials,
        session: Session | None = None,
        allow_http: bool = False,
        max_reply_bytes: int = MAX_REPLY_BYTES,
        status_words: Mapping[str, JobStatus | str] | None = None,
    ) -> None:
        self._bases: dict[str, deque[str]] = {}
        self._editions: dict[str, engine_list.Edition] = {}
        problem = credentials_problem(credentials)
        if problem:
            del credentials
            raise TypeError(problem)
        if not isinstance(endpoints, Mapping) or not endpoints:
            raise ValueError('endpoints must map graph names to server URLs, such as {"movies": "https://10.0.0.5"}')
        super().__init__(
            project_id, credentials, session, max_reply_bytes, allow_http=allow_http, status_words=status_words
        )
        self._bases = {graph: _checked_bases(graph, urls, allow_http=allow_http) for graph, urls in endpoints.items()}

    def __repr__(self) -> str:
        return f"EngineSource of project {self._project} for {len(self._bases)} graphs"

    def check(self, ref: JobRef, /) -> None:
        """Accept a ref whose graph has a server.

        Raises:
            ValueError: when it has none; the text names the graphs that do.
        """
        if ref.graph is None:
            raise ValueError(f"job {ref.job_id} needs the name of its graph on the engine: give graph=")
        if ref.graph not in self._bases:
            known = ", ".join(sorted(self._bases))
            raise ValueError(f"graph {ref.graph!r} has no engine endpoint; endpoints are given for: {known}")

    def scope(self, ref: JobRef, /) -> str:
        """Name the graph: its engine keeps its own list."""
        return ref.graph or ""

    def tells_files(self, scope: str, /) -> Literal["query", "list"] | None:
        """Return "list" for a graph of the memory edition, and of an edition that is not known yet; else `None`."""
        return None if self._editions.get(scope) == "database" else "list"

    def tells_reason(self, scope: str, /) -> Literal["query", "list", "either"] | None:
        """Return "query" for a graph of the database edition, else "either"."""
        return "query" if self._editions.get(scope) == "database" else "either"

    def tells_progress(self, scope: str, /) -> bool:
        """Return whether a graph is of the memory edition, or of an edition that is not known yet."""
        return self._editions.get(scope) != "database"

    async def get(self, ref: JobRef, /) -> Job:
        """Read one job, and not its results. May be cancelled at any await.

        Raises:
            JobNotFound: when the engine knows no such job.
            SourceError: when the state could not be read.
            ValueError: when the ref's graph has no endpoint.
        """
        self.check(ref)
        graph = ref.graph or ""
        base = self._bases[graph][0]
        url = self._url(base, engine_status.PATH, engine_status.QUERY, graph=graph, job=ref.job_id)
        with self._turning(graph, base):
            return await self._ask(
                url, f"looking at job {ref}", lambda reply: engine_status.read(reply, ref, self._words)
            )

    async def list_window(self, scope: str, /, *, offset: int, limit: int, wanted: Wanted) -> ListWindow:
        """Read a part of a graph's engine list (Querying the Job List). May be cancelled at any await.

        Raises:
            SourceError: when the list could not be read.
        """
        query = {"limit": str(limit), "offset": str(offset)}
        base = self._bases[scope][0]
        url = self._url(base, engine_list.PATH, query, graph=scope)
        with self._turning(scope, base):
            page, as_of = await self._ask(
                url,
                f"listing the jobs of graph {scope}",
                lambda reply: (engine_list.read(reply, scope), reply.as_of),
            )
        if scope not in self._editions:
            for entry in next(page.parts()).samples():
                self._learn_edition(scope, engine_list.edition_of(entry))

        def read(found: Glance) -> Job | None:
            self._learn_edition(scope, engine_list.edition_of(found.entry))
            return engine_list.read_job(found, scope, as_of, self._words)

        return await _window(page, wanted, read)

    def _learn_edition(self, graph: str, edition: engine_list.Edition | None) -> None:
        if edition is not None:
            self._editions[graph] = edition

    async def jobs(self, *, status: JobStatus | None = None, graph: str | None = None) -> AsyncIterator[Job]:
        """Iterate over the jobs the engines keep, each once; for finding ids that were lost.

        Args:
            status: only jobs that stand so.
            graph: only jobs of this graph; of all graphs when `None`.

        Raises:
            SourceError: when a list could not be read.
            ValueError: when the graph has no endpoint.
        """
        for name in self._bases if graph is None else (graph,):
            self.check(JobRef("any", name))

            async def window(offset: int, name: str = name) -> ListWindow:
                return await self.list_window(name, offset=offset, limit=_PAGE, wanted=_everything)

            async for job in _pages(window):
                if status in {None, job.status}:
                    yield job

    @contextmanager
    def _turning(self, graph: str, base: str) -> Iterator[None]:
        """Turn to the next of a graph's URLs, which serves from then on, when this one does not answer.

        A request that is cut off by its time limit is only seen to be cancelled, so after some silence that counts.
        """
        asked_at = anyio.current_time()
        try:
            yield
        except TransportError:
            self._turn(graph, base)
            raise
        except anyio.get_cancelled_exc_class():
            if anyio.current_time() - asked_at >= _SILENCE:
                self._turn(graph, base)
            raise

    def _turn(self, graph: str, base: str) -> None:
        bases = self._bases[graph]
        if bases[0] == base:  # else another request that failed with this one has turned already
            bases.rotate(-1)


def _everything(ids: Sequence[str], words: Sequence[str | None]) -> Sequence[int]:
    return range(len(ids))


async def _window(page: Page, wanted: Wanted, read_job: Callable[[Glance], Job | None]) -> ListWindow:
    """Read a page part by part, giving control back to the event loop between them.

    Of a job that stands in it more than once, the furthest state is taken.
    """
    ids: list[str] = []
    jobs: dict[str, Job] = {}
    words: list[str | None] = []
    unread: set[str] = set()
    skipped = 0
    newest_at: Literal["start", "end"] | None = None
    for part in page.parts():
        newest_at = newest_at or (None if ids else part.newest_at())
        for found in part.glances(wanted(part.ids, part.words)):
            job = read_job(found)
            if job is None:
                unread.add(found.job_id)
            else:
                earlier = jobs.get(found.job_id)
                jobs[found.job_id] = job if earlier is None else furthest(earlier, job)
        ids += part.ids
        words += part.words
        skipped += part.skipped
        await anyio.lowlevel.checkpoint()
    if not all(words):
        named = {job_id for job_id, word in zip(ids, words, strict=True) if word}
        unread.update(job_id for job_id in ids if job_id not in named)
    return ListWindow(
        ids=tuple(ids),
        jobs=tuple(jobs.values()),
        total=page.total,
        unread=frozenset(unread - jobs.keys()),
        skipped=skipped,
        newest_at=newest_at,
    )


async def _pages(window: Callable[[int], Awaitable[ListWindow]]) -> AsyncIterator[Job]:
    """Page through a list to its end.

    Newcomers push what was read to later pages, so as many pages without news are passed over as there were with;
    a list that ignores the offset ends there.
    """
    seen: set[str] = set()
    offset = read = stale = 0
    while True:
        page = None
        with anyio.move_on_after(_PAGE_SECONDS):
            try:
                page = await window(offset)
            except CredentialsRenewed:
                continue
        if page is None:
            raise TransportError(f"listing jobs: no reply came within {_PAGE_SECONDS:g} s")
        new = set(page.ids) - seen
        for job in page.jobs:
            if job.ref.job_id in new:
                yield job
        read, stale = (read + 1, 0) if new else (read, stale + 1)
        if not page.ids or stale > read:
            return
        seen |= new
        offset += len(page.ids)


def _checked_bases(graph: str, urls: str | Sequence[str], *, allow_http: bool) -> deque[str]:
    several = list(urls) if isinstance(urls, Iterable) and not isinstance(urls, str) else [urls]
    if not several:
        raise ValueError(f"graph {graph!r} has no URL: give the URL of its server, or several")
    return deque(checked_base(url, f"endpoint of graph {graph!r}", allow_http=allow_http) for url in several)
