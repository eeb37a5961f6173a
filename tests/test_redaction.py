"""Rules 9 and 19: however a server spells a secret, no error and no job tells it.

`GESPOLL_ECHOES=100000 pytest tests/test_redaction.py` draws so many echoes.
"""

from __future__ import annotations

import base64
import html
import json
import os
import random
import re
import string
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from gespoll import GespollError, Job, JobRef, JobStatus, SourceError
from gespoll._secrecy import secrets_behind, secrets_given, secrets_in
from gespoll._wire import engine_list, engine_status, status_v1, status_v2
from gespoll._wire.job_centre import V2
from gespoll._wire.redaction import Secrets, forms_of
from gespoll._wire.reply import Reply, failure

ECHOES = int(os.environ.get("GESPOLL_ECHOES", "400"))
REF = JobRef("j", "g")
# The head that all tokens of IAM share: the frame of a signed message in DER, whose lengths alone differ.
COMMON = "MIIEhAYJKoZIhvcNAQcCoIIEdTCCBHECAQExDTALBglghkgBZQMEAgEwggKW"
LETTERS = {
    "token": string.ascii_letters + string.digits + "+/-_=",
    "password": string.ascii_letters + string.digits + "\"\\/<>&%+ '=!@#;,:{}",
    "foreign": 'p\u00e4ss\u7b2c\U0001f600w0rd"/+&%\\',
}
Spell = Callable[[str], str]


def each_escaped(text: str) -> str:
    """Write every letter as JSON may."""
    return json.dumps("".join(f"\ue000{letter}" for letter in text))[1:-1].replace("\\ue000", "")


def in_unicode(text: str) -> str:
    """Write every letter by its number."""
    pairs = text.encode("utf-16-be")
    return "".join(f"\\u{pairs[at]:02x}{pairs[at + 1]:02X}" for at in range(0, len(pairs), 2))


def percent(text: str) -> str:
    """Write every byte by its number."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


def base64_at(offset: int, *, url: bool = False) -> Spell:
    """Write it in Base64, behind some bytes."""
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    return lambda text: encode(b"user:"[: 3 + offset] + text.encode() + b"@x").decode()


SPELLINGS: dict[str, Spell] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, not in ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON, slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[3:-3],
    "JSON in JSON in JSON": lambda text: json.dumps(json.dumps(json.dumps(text)))[6:-6],
    "Gson": lambda text: re.sub(r"[=<>&']", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text)[1:-1]),
    "by number": in_unicode,
    "by number in JSON": lambda text: json.dumps(in_unicode(text))[1:-1],
    "URL": lambda text: quote(text, safe=""),
    "URL, slashes": quote,
    "form": quote_plus,
    "form, small": lambda text: re.sub("%..", lambda found: found[0].lower(), quote_plus(text)),
    "URL twice": lambda text: quote(quote(text, safe=""), safe=""),
    "every byte": percent,
    "form undone": lambda text: text.replace("+", " "),
    "HTML": html.escape,
    "HTML by number": lambda text: "".join(f"&#x{ord(letter):x};" for letter in text),
    "HTML by decimal number": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "Python": lambda text: repr(text)[1:-1],
    **{f"Base64, {offset}": base64_at(offset) for offset in range(3)},
    **{f"Base64 of URLs, {offset}": base64_at(offset, url=True) for offset in range(3)},
    "Base64 in URL": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
    "Base64 in lines": lambda text: base64.encodebytes(b"some header: " + text.encode()).decode().strip(),
    "Base64 of JSON": lambda text: base64.b64encode(json.dumps({"password": text}).encode()).decode(),
}


def secrets_of(*values: str) -> Secrets:
    """Make them of some values."""
    return Secrets([form for value in values for form in forms_of(value)])


def told_by(reply: Reply) -> Iterator[str]:
    """Iterate over the texts that come of a reply, to a query and to a list."""
    for read in (status_v2.read, status_v1.read, engine_status.read):
        try:
            yield from texts_of(read(reply, REF))
        except GespollError as error:
            yield from texts_of(error)
    page = b'{"job_list": [%b], "jobs": [%b], "job_count": 1}' % (reply.body, reply.body)
    listed = Reply(200, page, reply.headers, None, reply.secrets)
    for part in V2.read_page(listed).parts():
        yield from (
            text for glance in part.glances(range(len(part.ids))) for text in texts_of(V2.read_job(glance, None))
        )
    for part in engine_list.read(listed, "g").parts():
        yield from (
            text
            for glance in part.glances(range(len(part.ids)))
            for text in texts_of(engine_list.read_job(glance, "g", None))
        )


def texts_of(told: object) -> Iterator[str]:
    """Iterate over all texts in a job or an error, with names and in whatever it holds."""
    if isinstance(told, str):
        yield told
    elif isinstance(told, dict):
        yield from (text for pair in told.items() for each in pair for text in texts_of(each))
    elif isinstance(told, list | tuple):
        yield from (text for each in told for text in texts_of(each))
    elif isinstance(told, Job):
        yield from (f"{told!r}", *texts_of([told.raw, told.files, told.fail_reason, told.reported_status]))
        yield from texts_of([] if told.request is None else [told.request.body, told.request.url, told.request.command])
    elif isinstance(told, GespollError):
        yield from (f"{told}", f"{told!r}", *texts_of([*vars(told).values()]))
    elif told is not None and hasattr(told, "path"):
        yield from (f"{told}", f"{told!r}")


def body_with(text: str, place: str, *, ascii_only: bool) -> bytes:
    """Write a reply that has a text in a place."""
    record: dict[str, Any] = {"job_id": "j", "jobId": "j", "status": "failed", "job_name": "ImportGraph"}
    match place:
        case "file":
            files = [{"path": text, "status": "failed", "cause": text, "log": text}]
            record |= {"job_detail": {"edgeset_path": files}, "files": [{"edgeFiles": {"fileName": text}}]}
        case "request":
            record["request"] = {"rawRequest": json.dumps({"a": [text]}), "url": f"/x?y={text}", "command": text}
        case "error":
            record = {"error_code": "GES.9", "error_msg": text}
        case "name":
            record[text] = 1
        case _:
            record[place] = text
    return json.dumps(record, ensure_ascii=ascii_only).encode(errors="replace")


PLACES = ["fail_reason", "failReason", "status", "job_type", "related_graph", "unheard_of", "file", "request", "error"]
PLACES += ["name", "error_code", "errorMessage"]


def drawn_secret(draw: random.Random) -> str:
    """Draw a secret of any length: a token, a key, a password."""
    kind = draw.choice(sorted(LETTERS))
    length = draw.choice([5, 7, 8, 11, 12, 13, 20, 40, 200, draw.randint(5, 60)])
    secret = "".join(draw.choices(LETTERS[kind], k=length))
    secret = (COMMON if draw.random() < 0.2 else "") + secret
    return secret if secret[0].isalnum() and secret[-1].isalnum() else f"A{secret}9"


def leaks(secret: str, text: str) -> bool:
    """Tell whether a text tells a secret: all of it, or twelve letters of it, as it is or with its escapes undone."""
    letters = min(12, len(secret))
    heads = {secret[:letters], secret[-letters:]} if len(secret) >= 8 else {secret}
    spelled = {spell(each) for each in heads for spell in (str, quote, in_unicode, percent, html.escape)}
    return any(each in text for each in spelled)


def test_rule_9_echoes_in_any_spelling_place_and_length() -> None:
    """As a whole or in its first letters, in the middle of words or alone, in a reply of any status and length."""
    draw = random.Random(int(os.environ.get("GESPOLL_SEED", "20260101")))
    for number in range(ECHOES):
        secret = drawn_secret(draw)
        name, place = draw.choice(sorted(SPELLINGS)), draw.choice(PLACES)
        echoed = secret
        if len(secret) > 30 and draw.random() < 0.4:
            echoed = secret[: draw.randint(12, len(secret))]
        spelled = SPELLINGS[name](echoed)
        before, after = draw.choice(
            [("token ", " is wrong"), ("", ""), ("'", "'"), ("[", "]"), ("x=", ";"), ("<", ">")]
        )
        padding = "word " * (14_000 if number % 200 == 0 else draw.choice([0, 0, 1, 30]))  # beyond 64 KiB
        said = body_with(f"{padding}{before}{spelled}{after}", place, ascii_only=draw.random() < 0.5)
        reply = Reply(draw.choice([200, 203, 299, 400, 401, 403, 404, 429, 500]), said, {}, None, secrets_of(secret))
        for text in told_by(reply):
            told = leaks(echoed, text) or (len(spelled) >= 16 and spelled in text and not spelled.isspace())
            assert not told, (number, name, place, secret, echoed, spelled, text[-300:])


@pytest.mark.parametrize("name", SPELLINGS)
def test_rule_9_each_spelling_of_each_kind_is_hidden(name: str) -> None:
    """What stands around it is not."""
    for secret in ("MIIEsecret/token+AAAA==9x", 'Pa"ss\\w0rd-of-mine<\u00fc>7', "a%41b\\u0041&amp;c9"):
        text = f"before {SPELLINGS[name](secret)} after"
        shown = secrets_of(secret).text(text)
        assert shown.startswith("before ")
        assert shown.endswith(" after")
        assert "***" in shown
        assert len(shown) < 24


@pytest.mark.parametrize("length", range(12, 90))
def test_rule_9_the_first_letters_are_an_echo(length: int) -> None:
    """Also those that are common to many tokens, and then the run of letters that they stand in."""
    token = COMMON + "u7Xp" * 30
    assert secrets_of(token).text(f"token {token[:length]}") == "token ***"
    assert secrets_of(token).text(f"token {token[:length]}... is wrong") == "token ***... is wrong"


@pytest.mark.parametrize("secret", ["hunter2", "ab", "x9"])
def test_rule_9_a_short_secret_is_a_whole_word(secret: str) -> None:
    """Within words it is no secret."""
    assert secrets_of(secret).text(f"wrong '{secret}': {secret}") == "wrong '***': ***"
    assert secrets_of(secret).text(f"1{secret} {secret}s") == f"1{secret} {secret}s"


def test_rule_9_a_blank_is_no_secret() -> None:
    """Nor is nothing."""
    assert secrets_of("", "  ").text("a b  c") == "a b  c"


SHAPES = {
    "Authorization: Bearer abcDEF123456": "Authorization: Bearer ***",
    "Bearer authentication is required": "Bearer authentication is required",
    "Basic dXNlcjpwYXNzd29yZA==": "Basic ***",
    "Basic information is missing": "Basic information is missing",
    "{'Authorization': 'Basic dXNlcjpwYXNzd29yZA=='}": "{'Authorization': 'Basic ***'}",
    'Digest username="Mufasa", realm="x", response="6629fae49393a053"': "Digest ***",
    "SDK-HMAC-SHA256 Access=AKAKAKAK, SignedHeaders=host;x-sdk-date, Signature=0f0f0f0f0f": "SDK-HMAC-SHA256 ***",
    "Cookie: SID=31d4d96e407aad42; lang=en": "Cookie: ***",
    "Set-Cookie: SID=31d4d96e": "Set-Cookie: ***",
    "url?X-Amz-Signature=0123456789abcdef&a=b": "url?***&a=b",
    "accessKey=AKIDAKID&secretKey=s3cr3t&x=y": "accessKey=***&secretKey=***&x=y",
    "<accessKey>AKIDAKID</accessKey>": "<accessKey>***</accessKey>",
    '{"obs_secret_key": "s3cr3t", "a": 1}': '{"obs_secret_key":"***","a":1}',
    '{"a": "{\\"PassWord\\": \\"x\\\\\\"y\\", \\"b\\": 2}"}': '{"a":"{\\"PassWord\\":\\"***\\",\\"b\\":2}"}',
    'request {"password": "pass word", "b": 2} refused': 'request {"password": "***", "b": 2} refused',
    f"other people's {COMMON}{'u7Xp' * 20}= is wrong": "other people's *** is wrong",
    "the key of the graph": "the key of the graph",
    "100% of basic rows\nread & kept": "100% of basic rows\nread & kept",
}


@pytest.mark.parametrize("text", SHAPES)
def test_rule_9_what_proves_something_is_known_by_its_shape_or_its_name(text: str) -> None:
    """Whoever's it is."""
    assert Secrets().text(text) == SHAPES[text]


@pytest.mark.parametrize(
    "name", ["accessKey", "secret_key", "SECURITY-TOKEN", "Password", "obsAccessKeyId", "userPassword"]
)
@pytest.mark.parametrize("as_text", [False, True])
def test_rule_9_other_peoples_keys_in_a_request_are_masked(name: str, as_text: bool) -> None:
    """The engine's list shows the bodies of everybody's imports, as values or as a text."""
    body = {"edgesetPath": "b/e.csv", name: "AKIDOTHERS", "parameters": {name: ["OTHERS", 12345678], "kept": None}}
    request = {"command": "import_graph", "rawRequest": json.dumps(body) if as_text else None, "body": body}
    if as_text:
        del request["body"]
    row = json.dumps({"jobId": "j", "status": "success", "request": request}).encode()
    (part,) = engine_list.read(Reply(200, b'{"jobs": [%b]}' % row), "g").parts()
    job = engine_list.read_job(part.glances([0])[0], "g", None)
    assert job is not None
    assert job.request is not None
    assert job.request.body == {
        "edgesetPath": "b/e.csv",
        name: "***",
        "parameters": {name: ["***", "***"], "kept": None},
    }
    assert not any("OTHERS" in text or "12345678" in text for text in texts_of(job))


def test_rule_9_a_password_is_no_verdict() -> None:
    """One that is a word of the API, or an id, changes nothing of what a record says."""
    body = {
        "job_id": "j",
        "status": "success",
        "job_detail": {"edgeset_path": [{"status": "failed", "failed_lines": "7"}]},
    }
    for secret in ("success", "failed", "status", "j", "7", "job_detail", "edgeset_path"):
        job = status_v2.read(Reply(200, json.dumps(body).encode(), {}, None, secrets_of(secret)), REF)
        assert (job.status, job.reported_status) == (JobStatus.FAILED, "success")
        assert [(file.status, file.failed_lines) for file in job.files or ()] == [("failed", 7)]


def test_rule_9_a_reply_of_no_secret_is_not_touched() -> None:
    """What came is kept as it came."""
    body = {"status": "failed", "fail_reason": "line 7: 100 % broken\\\n\ttab & <b>", "x": [1, None, {"a": "\u7b2c"}]}
    job = status_v2.read(Reply(200, json.dumps(body).encode(), {}, None, secrets_of("MIIEsecret/token+AAAA")), REF)
    assert (job.raw, job.fail_reason) == (body, body["fail_reason"])


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ("0123456789abcdef0123456789abcdef", True),
        ("6ad54cf9-8d4c-1f4a-2f3b-5a11", True),
        ("MIIEsecrettoken1234567890", False),
        ("MIIEsecrettok", False),
        ("two words", False),
        ("a\x1b[2J", False),
        ("x" * 200, False),
        ("", False),
    ],
)
def test_rule_9_a_request_id_looks_like_one(told: str, taken: bool) -> None:
    """And is no echo."""
    reply = Reply(400, b"{}", {"X-Request-Id": told}, None, secrets_of("MIIEsecrettoken1234567890"))
    error = failure(reply, "asking")
    assert isinstance(error, SourceError)
    assert error.request_id == (told if taken else None)


def test_rule_9_an_id_that_is_a_secret_is_no_job() -> None:
    """A list of all jobs does not print it."""
    row = b'{"job_id": "MIIEsecrettoken1234567890", "status": "success"}'
    page = V2.read_page(Reply(200, b'{"job_list": [%b]}' % row, {}, None, secrets_of("MIIEsecrettoken1234567890")))
    assert [glance for part in page.parts() for glance in part.glances([0])] == []


def test_rule_9_what_proves_something_in_headers() -> None:
    """Those that gespoll made, those that others made, and what a reply hands out."""
    basic = base64.b64encode(b"robot:pa:ss").decode()
    headers = {"Host": "h", "Authorization": f"Basic {basic}", "Cookie": "a=b1; c=d2", "X-Own": "own secret"}
    assert list(secrets_in(headers, {"host"})) == [basic, "pa:ss", "b1", "d2", "own secret", "secret"]
    signed = "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=0f"
    assert list(secrets_in({"Authorization": signed}, ())) == ["AK", "0f"]
    assert list(secrets_in({"Authorization": "Bearer x.y+z=="}, ())) == ["x.y+z=="]
    assert list(secrets_behind({"Accept": "a", "X-Api-Key": "k1", "DNT": "1"})) == ["k1"]
    assert list(secrets_given({"Set-Cookie": "s=t9; Path=/", "Date": "x"})) == ["t9"]


def test_rule_9_a_hostile_text_is_searched_in_bounded_time() -> None:
    """Whatever looks like the beginning of something, over and over, does not make it quadratic."""
    secrets = secrets_of("A" * 40)
    for piece in (
        "password",
        'password":"',
        "\\u0041",
        "&#65;",
        "cookie:",
        "Bearer ",
        "A" * 11 + " ",
        "a=b,",
        "MII",
        "%41\n",
    ):
        text = piece * (60_000 // len(piece))
        secrets.text(text)


def test_rule_9_a_signature_is_found_in_a_reply_that_differs_from_the_last() -> None:
    """What came before cannot hold it; whatever else came is searched for it."""
    clean: set[bytes] = set()
    plain, signature = b'{"status":"running"}', "0f" * 32
    assert not Secrets([], ["ab" * 32], clean).may_stand_in_reply(plain)
    assert clean == {plain}
    secrets = Secrets([], [signature], clean)
    assert not secrets.may_stand_in_reply(plain)
    assert secrets.may_stand_in_reply(plain + signature.encode())
    assert secrets.text(f"wrong: {signature}") == "wrong: ***"
    for number in range(2500):
        secrets.may_stand_in_reply(b"%d" % number)
    assert len(clean) <= 2000
