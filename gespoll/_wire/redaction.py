"""Secrets in what a server says: found in every spelling, and hidden.

Rule: a text of a reply passes `Secrets` before it stands in an error or in a job. It is searched as it is and with its
escapes undone, several times over, so that a spelling of JSON, of a URL, of HTML or a mixture of them makes no
difference; Base64 is searched for what a secret looks like in it at each of the three offsets. What proves something
is known to the request; what others use to prove something is known by its shape, or by the name beside it.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

import attrs

from gespoll._jobs import ImportFile, Job, JobRequest, JobStatus, status_of_word
from gespoll._wire.decoding import decode

HIDDEN = "***"
_HEAD = 12  # letters of a secret that are an echo of it; fewer are common to many tokens
_PART_OF_A_WORD = 8  # letters; a shorter secret is only found as a whole word, or every "abc" would be hidden
_BASE64_AT_LEAST = 6  # letters of Base64 that are not there by chance
_CLEAN_AT_MOST = 2000  # texts known to hold nothing: a job that is still running is told by the same bytes
_CLEAN_LETTERS = 1024
_ODD = "surrogatepass"
_LAYERS = 5  # escapes in escapes in escapes
_JSON_IN_JSON = 3
_SEARCHED_AT_MOST = (
    256 * 1024
)  # letters; what is suspicious and longer is cut there, or searching it would hold the loop

_PLAIN = str.maketrans("-_ ", "+/+")  # Base64 of both kinds alike, and a blank that was a plus or the other way round
_PLAIN_BYTES = bytes.maketrans(b"-_ ", b"+/+")
_MARKS = (b"\\", b"%", b"&")
"""What begins an escape."""
_HINTS = (
    *(b"key", b"token", b"passw", b"passphrase", b"pwd", b"secret", b"cookie", b"signature", b"authorization", b"mii"),
    *(b"bearer", b"basic", b"digest", b"negotiate", b"ntlm", b"hmac", b"eyj", b'"ak"', b'"sk"'),
)
"""What stands in or beside whatever is known by its shape or name, in lower case."""
_RUN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_")

_ESCAPE = re.compile(
    r"\\u([0-9a-fA-F]{4})|%u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|%([0-9a-fA-F]{2})"
    r"|\\([bfnrt])|\\([\"\\/'])|(&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|\w{2,31});?)|(\r?\n[ \t]*)",
    re.DOTALL,
)
_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

_NAME = (
    r"(?:access|secret|private|api)[\s_.-]?key(?:[\s_.-]?id)?|pass[\s_.-]?(?:word|wd|phrase)|pwd|client[\s_.-]?secret"
    r"|(?:security|auth|access|session|refresh|subject)[\s_.-]?token"
)
_VALUE = (
    r"(?:(?P<quote>\\*[\"'])(?P<quoted>(?:(?!(?<!\\)(?P=quote)).)*)|(?P<list>\[[^\]]*)|(?P<bare>[^\s\"'<>,;&}\])]+))"
)
_NAMED = re.compile(rf"(?:{_NAME})[\w.-]{{0,24}}(?:\\*[\"'])?\s{{0,8}}(?:=>|[:=>])\s{{0,8}}[bu]?{_VALUE}", re.I | re.S)
_SCHEME = re.compile(
    r"\b(?P<scheme>bearer|basic|digest|negotiate|ntlm|[\w-]{2,12}-hmac-sha\d{1,3})[\s:=]{1,4}[\"']?"
    r"(?P<value>\w{1,32}=[\"'\w][^\s,]*(?:,\s{0,4}\w{1,32}=[^\s,]*)+|[\w.~+/-]+=*)",
    re.I,
)
_COOKIE = re.compile(r"cookie2?(?:\\*[\"'])?\s{0,4}[:=]\s{0,4}[\"']?(?P<value>[^\s=;,\"']{1,128}=[^\r\n\"']*)", re.I)
_SIGNATURE = re.compile(r"\b(?P<value>(?:[\w-]{1,16}-)?signature[\"']*\s{0,4}[:=]\s{0,4}[\"']?[\w+/=%.-]{8,})", re.I)
_TOKEN = re.compile(r"(?P<value>MII[A-Za-z0-9+/_-]{60,}={0,2}|eyJ[\w-]{8,}\.[\w-]{8,}\.?[\w-]*)")
_INNOCENT = frozenset(
    {
        *("access", "auth", "authentication", "authorization", "bearer", "credential", "credentials", "error"),
        *(
            "expired",
            "header",
            "invalid",
            "missing",
            "realm",
            "required",
            "scheme",
            "string",
            "token",
            "tokens",
            "type",
        ),
    }
)
"""What stands behind the name of a scheme in plain English."""
_NAMES = re.compile(
    "accesskey|secretkey|privatekey|apikey|password|passwd|passphrase|clientsecret"
    "|securitytoken|authtoken|accesstoken|sessiontoken|refreshtoken|subjecttoken"
)
_WHOLE_NAMES = frozenset({"ak", "sk", "pwd", "secret", "token", "authorization", "cookie", "setcookie", "signature"})


class Form(NamedTuple):
    """One spelling of a secret."""

    head: bytes
    """What must stand somewhere, in plain letters."""
    secret: bytes
    """As it is, in plain letters; of a spelling in Base64 what is written so."""
    offset: int | None = None
    """Where a spelling in Base64 begins: so many bytes behind a multiple of three; `None` for any other."""
    is_word: bool = False
    """Whether it counts only between letters that are no part of it."""

    @property
    def whole(self) -> str:
        """All of it, in plain letters."""
        return (self.secret if self.offset is None else _in_base64(self.secret, self.offset)).decode(errors=_ODD)

    def spans(self, letters: str, plain: str) -> Iterator[tuple[int, int]]:
        """Iterate over its places in a text, which is given as it is and in plain letters."""
        head = self.head.decode(errors=_ODD)
        at = plain.find(head)
        while at >= 0:
            end = self._end(letters, plain, at, len(head))
            if not self.is_word or not _is_in_a_word(letters, at, end):
                yield (at if self.offset is None else _run_begins(letters, at)), end
            at = plain.find(head, end)

    def _end(self, letters: str, plain: str, at: int, known: int) -> int:
        """Return where it ends: as a whole, or where the run of letters ends that its first letters begin."""
        whole = self.whole
        if plain.startswith(whole, at):
            end = at + len(whole)
            return end if self.offset is None else _run_ends(letters, end)
        end = at + known
        while end < len(plain) and end - at < len(whole) and plain[end] == whole[end - at]:
            end += 1
        return _run_ends(letters, end)


def _holds(plain: bytes, forms: Sequence[Form]) -> bool:
    return any(form.head in plain for form in forms)


def _is_in_a_word(letters: str, start: int, end: int) -> bool:
    return letters[start - 1 : start].isalnum() or letters[end : end + 1].isalnum()


def _run_begins(letters: str, at: int) -> int:
    while at and letters[at - 1] in _RUN:
        at -= 1
    return at


def _run_ends(letters: str, at: int) -> int:
    while at < len(letters) and letters[at] in _RUN:
        at += 1
    return at


def forms_of(secret: str) -> tuple[Form, ...]:
    """Return the spellings of a secret, besides those that are undone before it is searched for; none of a blank."""
    if not secret.strip():
        return ()
    forms = [_plain_form(each) for each in _as_read(secret)]
    for data in _as_written(secret):
        head = data[:_HEAD] if len(secret) >= _HEAD else data
        if len(head) * 8 // 6 >= _BASE64_AT_LEAST:
            forms += [Form(_in_base64(head, offset), data, offset) for offset in range(3)]
    return tuple(forms)


def _plain_form(secret: str) -> Form:
    plain = secret.translate(_PLAIN)
    head = plain[:_HEAD].encode(errors=_ODD)
    return Form(head, plain.encode(errors=_ODD), is_word=len(secret) < _PART_OF_A_WORD)


def _as_read(secret: str) -> Iterator[str]:
    """Iterate over what a secret may be read as: with what looks like an escape undone, or in another charset."""
    yield secret
    if secret.isalnum() and secret.isascii():
        return
    letters, places = secret, range(len(secret) + 1)
    for layer in range(3):
        if layer and letters:
            yield letters
        if not letters.isascii():
            yield letters.encode(errors=_ODD).decode("latin-1")
            pairs = letters.encode("utf-16-le", errors=_ODD)
            yield "".join(chr(int.from_bytes(pairs[at : at + 2], "little")) for at in range(0, len(pairs), 2))
        undone = _undone(letters, places)
        if undone is None:
            return
        letters, places = undone  # type: ignore[assignment]


def _as_written(secret: str) -> Iterator[bytes]:
    """Iterate over the bytes that may stand in Base64."""
    written = [secret]
    if not secret.isalnum() or not secret.isascii():
        written += [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe="")]
        written.append(secret.replace("/", r"\/"))
    yield from dict.fromkeys(each.encode() for each in written)
    if not secret.isascii():
        yield secret.encode("latin-1", errors="replace")


def _in_base64(data: bytes, offset: int) -> bytes:
    """Return the letters that bytes always have in Base64, so many bytes behind a multiple of three."""
    written = base64.b64encode(b"\0\0"[:offset] + data)
    return written[(offset * 8 + 5) // 6 : (offset + len(data)) * 8 // 6]


def _undone(letters: str, places: Sequence[int]) -> tuple[str, list[int]] | None:
    """Undo one layer of escapes; `None` when there is none.

    Args:
        letters: the text.
        places: where each letter begins in the text that all began with, and where that ends.
    """
    parts: list[str] = []
    new: list[int] = []
    at = 0
    for escape in _ESCAPE.finditer(letters):
        start, letter = escape.start(), _letter(escape)
        parts += letters[at:start], letter
        new += places[at:start]
        new += [places[start]] * len(letter)
        at = escape.end()
    if not at:
        return None
    parts.append(letters[at:])
    new += places[at:]
    return "".join(parts), new


def _letter(escape: re.Match[str]) -> str:
    kind, told = escape.lastindex or 0, escape[escape.lastindex or 0]
    if kind <= 4:
        return chr(int(told, 16))
    if kind == 5:
        return _CONTROL[told]
    if kind == 7:
        return html.unescape(told)
    return told if kind == 6 else ""


class Secrets:
    """What proves something in one request, and must not be told when the reply echoes it.

    Args:
        forms: the spellings of what proves all requests.
        fresh: what proves this one alone, such as a signature.
        clean: bodies that are known to hold nothing of `forms`, nor of what is known by its shape; more are noted here.
    """

    def __init__(self, forms: Sequence[Form] = (), fresh: Sequence[str] = (), clean: set[bytes] | None = None) -> None:
        self._lasting = forms
        self._fresh = fresh
        self._clean = clean

    def __repr__(self) -> str:
        return f"{len(self._lasting)} spellings of secrets, and {len(self._fresh)} fresh ones"

    @cached_property
    def _forms(self) -> Sequence[Form]:
        return [*self._lasting, *(form for secret in self._fresh for form in forms_of(secret))]

    def may_stand_in(self, text: bytes) -> bool:
        """Tell, fast, whether there may be anything to hide in some JSON or text."""
        plain = text.translate(_PLAIN_BYTES)
        if any(map(plain.__contains__, _MARKS)) or _holds(plain, self._forms):
            return True
        lower = text.lower()
        return any(map(lower.__contains__, _HINTS))

    def may_stand_in_reply(self, body: bytes) -> bool:
        """Tell the same of the reply to a query.

        It often is what came before; then it cannot hold what is fresh.
        """
        if self._clean is None or len(body) > _CLEAN_LETTERS:
            return self.may_stand_in(body)
        if body in self._clean:
            return False
        if self.may_stand_in(body):
            return True
        if len(self._clean) >= _CLEAN_AT_MOST:
            self._clean.clear()
        self._clean.add(body)
        return False

    def name(self, job_id: str) -> bool:
        """Whether an id is, or holds, one of them in full."""
        plain = job_id.translate(_PLAIN)
        return any(form.whole in plain for form in self._forms if not form.is_word)

    def hidden(self, value: Any) -> Any:
        """Return a decoded value with `***` in the place of secrets.

        Raises:
            RecursionError: when it is nested too deeply.
        """
        return self._hidden(value, _JSON_IN_JSON)

    def text(self, text: str) -> str:
        """Return a text with `***` in the place of secrets."""
        return self._text(text, _JSON_IN_JSON)

    def _hidden(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, dict):
            return {self._text(name, 0): self._field(name, part, depth) for name, part in value.items()}
        return [self._hidden(part, depth) for part in value] if isinstance(value, list) else value

    def _field(self, name: str, value: Any, depth: int) -> Any:
        spelled = "".join(filter(str.isalnum, name)).lower()
        if _NAMES.search(spelled):
            return _masked(value)
        if spelled in _WHOLE_NAMES and isinstance(value, str | int) and not isinstance(value, bool):
            return _masked(value)
        return self._hidden(value, depth)

    def _text(self, text: str, depth: int) -> str:
        if "\n" not in text and not self.may_stand_in(text.encode(errors=_ODD)):
            return text
        if len(text) > _SEARCHED_AT_MOST:
            text = f"{text[:_SEARCHED_AT_MOST]}…"
        if depth and text.lstrip()[:1] in {"{", "["}:
            value = decode(text.encode(errors="replace"))
            hidden = self._hidden(value, depth - 1)
            if hidden != value:
                return json.dumps(hidden, ensure_ascii=False, separators=(",", ":"))
        return _without(text, sorted(self._places(text)))

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        letters, places = text, range(len(text) + 1)
        for _ in range(_LAYERS):
            plain = letters.translate(_PLAIN)
            for form in self._forms:
                yield from ((places[start], places[end]) for start, end in form.spans(letters, plain))
            yield from ((places[start], places[end]) for start, end in _known_by_shape(letters))
            undone = _undone(letters, places)
            if undone is None:
                return
            letters, places = undone  # type: ignore[assignment]


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_masked(part) for part in value]
    return value if value is None or value == "" or isinstance(value, bool) else HIDDEN


def _without(text: str, places: list[tuple[int, int]]) -> str:
    parts: list[str] = []
    at = 0
    for start, end in places:
        if end <= at:
            continue
        if start >= at:
            parts += text[at:start], HIDDEN
        at = end
    return "".join([*parts, text[at:]])


def _known_by_shape(letters: str) -> Iterator[tuple[int, int]]:
    for found in _NAMED.finditer(letters):
        yield found.span(next(name for name in ("quoted", "list", "bare") if found[name] is not None))
    for found in _SCHEME.finditer(letters):
        if _is_proof(found["scheme"].lower(), found["value"]):
            yield found.span("value")
    for shape in (_COOKIE, _SIGNATURE, _TOKEN):
        yield from (found.span("value") for found in shape.finditer(letters))


def _is_proof(scheme: str, value: str) -> bool:
    """Whether what stands behind the name of a scheme proves something, and is no word of a sentence."""
    if value.strip(".").lower() in _INNOCENT or len(value) < 4:
        return False
    return scheme == "bearer" or not value.isalpha() or not (value.islower() or value.istitle()) or _holds_a_user(value)


def _holds_a_user(value: str) -> bool:
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def without_secrets(job: Job, secrets: Secrets) -> Job:
    """Return a job whose texts tell no secret. How it stands was read before, and is not touched."""
    request = job.request
    return attrs.evolve(
        job,
        reported_status=_word(job.reported_status, secrets),
        job_type=_told(job.job_type, secrets),
        name=_told(job.name, secrets),
        related_graph=_told(job.related_graph, secrets),
        fail_reason=_told(job.fail_reason, secrets),
        files=None if job.files is None else tuple(_file(file, secrets) for file in job.files),
        request=None if request is None else _request(request, secrets),
        raw=secrets.hidden(job.raw),
    )


def _told(text: str | None, secrets: Secrets) -> str | None:
    return None if text is None else secrets.text(text)


def _word(word: str, secrets: Secrets) -> str:
    """Hide a secret that stands in the place of a word; a word of the documents is none, whatever the password is."""
    return word if status_of_word(word) is not JobStatus.UNKNOWN else secrets.text(word)


def _file(file: ImportFile, secrets: Secrets) -> ImportFile:
    return attrs.evolve(
        file,
        path=_told(file.path, secrets),
        status=None if file.status is None else _word(file.status, secrets),
        log=_told(file.log, secrets),
        cause=_told(file.cause, secrets),
    )


def _request(request: JobRequest, secrets: Secrets) -> JobRequest:
    return JobRequest(
        command=_told(request.command, secrets), url=_told(request.url, secrets), body=secrets.hidden(request.body)
    )
