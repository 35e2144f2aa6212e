"""Credentials that are quoted back: masked however they are escaped, wherever an error, a log or a traceback is."""

import base64
import json
import logging
import pickle
import string
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client import CallRecord, ConfigurationError, KubernautError, RetryPolicy, ValidationError
from kubernaut_client.masking import Credentials
from tests.audit_events import event
from tests.unit.wire.conftest import Serve
from tests.unit.wire.driver import EVENT, IDENTITY, STORED, WORKFLOW, Driver
from tests.unit.wire.server import Connection, Received, answer, keep_alive

TOKEN = "s3cr3t+t0ken/6F1c=~x"
PROBLEM = "application/problem+json"


def credentials(**headers: str) -> Credentials:
    made = Credentials({})
    made.sent({name.replace("_", "-"): value for name, value in headers.items()})
    return made


# Spellings ------------------------------------------------------------------------------------------------------------

SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "as it is": lambda c: c,
    "upper case": str.upper,
    "JSON": lambda c: f"\\u{ord(c):04x}",
    "JSON in upper case": lambda c: f"\\u{ord(c):04X}",
    "JSON in JSON": lambda c: f"\\\\u{ord(c):04x}",
    "JSON in JSON in JSON": lambda c: f"\\\\\\\\u{ord(c):04x}",
    "escaped slash, or quoted pair": lambda c: f"\\{c}" if c not in "uU" else c,
    "URL": lambda c: f"%{ord(c):02X}",
    "URL in lower case": lambda c: f"%{ord(c):02x}",
    "URL in URL": lambda c: f"%25{ord(c):02X}",
    "form": lambda c: "+" if c == " " else c,
    "HTML": lambda c: f"&#{ord(c)};",
    "HTML in hexadecimal": lambda c: f"&#x{ord(c):X};",
    "HTML by name": lambda c: {"&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;"}.get(c, c),
}
# A credential of nothing but escape characters can't be told from the escapes of others.
VALUES = st.text(string.printable[:95], min_size=1, max_size=20).map(str.strip).filter(lambda text: text.strip("\\="))


@given(VALUES.filter(lambda text: "%" not in text and "&" not in text and "\\" not in text), st.data())
def test_each_character_in_any_spelling(value: str, data: st.DataObject) -> None:
    value = value.rstrip("=")
    ways = data.draw(st.lists(st.sampled_from(list(SPELLINGS)), min_size=len(value), max_size=len(value)))
    spelled = "".join(SPELLINGS[way](c) for way, c in zip(ways, value, strict=True))
    for around in ("§", "§" * 5000):
        assert credentials(x_password=value).mask(around + spelled + around) == f"{around}***{around}"


@given(VALUES, st.sampled_from(["json", "url", "repr", "as it is"]))
def test_whole_values(value: str, way: str) -> None:
    """Also those that look escaped themselves."""
    value = value.rstrip("=")
    spelled = {"json": json.dumps(value)[1:-1], "url": quote(value, safe=""), "repr": repr(value)[1:-1]}.get(way, value)
    # A backslash that escapes nothing may stay.
    masked = credentials(x_password=value).mask(f"§{spelled}§")
    assert masked.replace("\\", "").replace("%5C", "") == "§***§"


def test_backslashes_within() -> None:
    for spelled in (r"a\b", r"a\\b", "a%5Cb", r"a\u005cb", "a&#92;b", "a%255cb"):
        for around in ("§", "§" * 5000):
            assert credentials(x_password=r"a\b").mask(around + spelled + around) == f"{around}***{around}"


@pytest.mark.parametrize("size", range(4, len(TOKEN) + 1))
@pytest.mark.parametrize("spell", [str, lambda text: json.dumps(text).replace("/", "\\/"), quote])
def test_the_beginning_of_one_that_a_message_was_cut_in(size: int, spell: Callable[[str], str]) -> None:
    masked = credentials(authorization=f"Bearer {TOKEN}").mask(f"it holds {spell(TOKEN[:size])[:-1]}…")
    assert TOKEN[:4] not in masked


def test_bodies_in_other_encodings() -> None:
    sent = credentials(authorization=f"Bearer {TOKEN}")
    for encoding, times in product(("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"), (1, 5000)):
        error = KubernautError()
        error.body = f"{'§' * times}{TOKEN}§".encode(encoding)  # type: ignore[attr-defined]
        sent.hide(error)
        assert TOKEN[:8].encode(encoding) not in error.body  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name",
    """
    Authorization Proxy-Authorization X-Auth-Token X-Api-Key Apikey X-ApiKey Cookie X-Access-Token X-Amz-Security-Token
    X-Password X-Passwd X-Pwd X-PW X-Passphrase X-Session-Id X-Session X-SID X-Csrf-Token X-XSRF X-Credential Signature
    X-Hub-Signature-256 X-Sig X-JWT X-JWT-Assertion X-Client-Secret X-Private-Key X-OTP X-Pin Ocp-Apim-Subscription-Key
    X-Vault-Token Private-Token Job-Token X-Goog-Iap-Jwt-Assertion X-Bearer Dpop-Nonce X-Ticket X-SAML X-Pass_Word
    """.split(),
)
@pytest.mark.parametrize("value", ["x", "7Q", "abc", "v4lue-0f-s0me-length"])
def test_names_of_credentials(name: str, value: str) -> None:
    assert credentials(**{name: value}).mask(f"§{value}§") == "§***§"


def test_a_long_value_under_any_name_and_a_short_one_of_no_telling_name() -> None:
    sent = credentials(X_Whatever="0123456789abcdef", X_Team="blue", User_Agent="kubernaut-client/1 python/3")
    assert sent.mask("0123456789abcdef blue kubernaut-client/1 python/3") == "*** blue kubernaut-client/1 python/3"


BASIC = base64.b64encode(b"us3r:p4ss:w0rd").decode()
PARTS = [
    ({"Authorization": "Bearer abc.def"}, ["Bearer abc.def", "abc.def"]),
    ({"authorization": f"basic {BASIC}"}, [BASIC, BASIC.rstrip("="), "us3r:p4ss:w0rd", "p4ss:w0rd"]),
    ({"Authorization": f"Basic {BASIC.rstrip('=')}"}, ["us3r:p4ss:w0rd", "p4ss:w0rd"]),
    ({"Authorization": "Basic !!!"}, ["!!!"]),
    ({"Cookie": 'a=one1; b="two2"; c=th=ree'}, ["one1", "two2", "th=ree"]),
    ({"Authorization": 'Digest username="us3r", response="6629f"'}, ["us3r", "6629f"]),
    ({"Authorization": "AWS4-HMAC-SHA256 Credential=AKID/1, Signature=fe5f"}, ["AKID/1", "fe5f"]),
]


@pytest.mark.parametrize(("headers", "parts"), PARTS)
def test_parts_of_a_value(headers: Mapping[str, str], parts: list[str]) -> None:
    for part in parts:
        assert credentials(**headers).mask(f"§{part}§").rstrip("=§") == "§***", part


@pytest.mark.parametrize("url", ["http://us3r:p%40ss@proxy:3128", "socks5://us3r:p%40ss@[::1]:1"])
def test_parts_of_a_proxy(url: str) -> None:
    sent = Credentials({}, url)
    for part in ("p@ss", "p%40ss", "us3r:p@ss", base64.b64encode(b"us3r:p@ss").decode().rstrip("=")):
        assert sent.mask(f"§{part}§") == "§***§", part
    assert sent.mask("us3r") == "us3r", "no secret, and often a word of a message"
    assert Credentials({}, "http://t0ken@proxy:3128").mask("t0ken") == "***"
    for plain in ("http://proxy:3128", "http://[", "http://[::1"):
        assert Credentials({}, plain).mask("proxy") == "proxy"


def test_a_text_without_credentials_is_the_same_object() -> None:
    text = "with \\u0041 and %41, \ud800 and …"
    assert credentials(x_password="nothing of it").mask(text) is text


# Everywhere -----------------------------------------------------------------------------------------------------------


def everything(error: BaseException, *, frames: bool) -> Iterator[str]:
    """All texts of an exception and its causes; `frames`: also of the variables in our frames of their tracebacks."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        yield from (str(item), repr(item), repr(item.args), repr(vars(item)))
        if frames:
            yield from variables(item.__traceback__)
        waiting += [item.__cause__, item.__context__ if item.__suppress_context__ else None]


def variables(traceback: TracebackType | None) -> Iterator[str]:
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__"))
        if module.partition(".")[0] in ("kubernaut_client", "httpcore", "h11"):
            for name, value in traceback.tb_frame.f_locals.items():
                yield f"{module}: {name} = {value!r}"
        traceback = traceback.tb_next


def check(error: KubernautError, *secrets: str, frames: bool = True) -> None:
    pickled = pickle.dumps(error)
    for secret in secrets:
        assert secret.encode() not in pickled
        for text in everything(error, frames=frames):
            assert secret not in text, text


def quoting(secret: str) -> dict[str, bytes]:
    """Answers that quote a secret in every place that there is."""
    escaped = json.dumps(secret)[1:-1].replace("/", "\\/").replace("+", "\\u002B")
    members = {
        "type": f"https://kubernaut.ai/problems/{secret}",
        "title": f"T {secret}",
        "detail": f"{'x' * 280} Bearer {secret} isn't accepted",
        "instance": f"/{secret}",
        "field_errors": {f"/{secret}": f"{secret} is wrong"},
        secret: [{secret: secret}],
    }
    document = json.dumps(members).replace(secret, escaped)
    return {
        "problem": answer(400, document.encode(), PROBLEM, f"X-Echo: {secret}", f"WWW-Authenticate: Bearer {secret}"),
        "text": answer(401, f"{quote(secret, safe='')} or {secret}".encode(), "text/plain"),
        "page": answer(502, f"<p>{secret.replace('+', '&#43;')}".encode(), "text/html"),
        "media type": answer(200, b"{}", f"text/{secret}"),
        "cut": answer(200, f'{{"a": "{secret}'.encode()),
        "other success": answer(206, json.dumps({"a": secret}).encode()),
        "labels": answer(200, json.dumps({**STORED, "labels": {f"{'y' * 25}{secret}": 1}}).encode()),
        "reason": answer(f"503 {secret}", b"", ""),
        "no HTTP": f"HTTP/1.1 {secret}\r\n\r\n".encode(),
        "bad header": f"HTTP/1.1 200 OK\r\n{secret}\x00: x\r\n\r\n".encode(),
    }


@pytest.mark.parametrize("place", quoting("x"))
@pytest.mark.parametrize("given", ["token", "authorization", "cookie", "x-session-id"])
def test_nothing_shows_what_was_sent(
    place: str, given: str, driver: Driver, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    records: list[CallRecord] = []
    ways: dict[str, dict[str, Any]] = {
        "token": {"token": TOKEN},
        "authorization": {"headers": {"Authorization": f"Bearer {TOKEN}"}},
        "cookie": {"headers": {"Cookie": f"first=1; session={TOKEN}"}},
        "x-session-id": {"headers": {"X-Session-Id": TOKEN}},
    }
    server = serve(keep_alive(lambda _: quoting(TOKEN)[place]))
    client = driver.client(server.url, on_call=records.append, **ways[given])
    error = driver.failed_get(client)
    assert TOKEN in str(server.requests[0].headers)
    check(error, TOKEN, TOKEN[:12], TOKEN.lower(), quote(TOKEN, safe=""))
    for record in records:
        assert record.error is error
        assert TOKEN not in repr(record)
        assert TOKEN.encode() not in pickle.dumps(record)
    assert TOKEN not in caplog.text


def test_bad_rows_of_a_page(driver: Driver, serve: Serve) -> None:
    rows = [{**STORED, "labels": {TOKEN: 1}}]
    server = serve(keep_alive(lambda _: answer(200, json.dumps({"workflows": rows, "total": 1}).encode())))
    client = driver.client(server.url, token=TOKEN)
    error = driver.error(client.workflows.list)
    assert error.items
    check(error, TOKEN, TOKEN[:12])


def test_what_waiting_reports(driver: Driver, serve: Serve) -> None:
    rows = [{**EVENT, "event_type": TOKEN}, {**EVENT, "event_id": TOKEN}]

    def reply(received: Received) -> bytes:
        page = {"data": [] if "event_type" in received.target else rows, "pagination": {"has_more": False}}
        return answer(200, json.dumps(page).encode())

    client = driver.client(serve(keep_alive(reply)).url, token=TOKEN)
    error = driver.error(lambda: client.audit.wait_for(timeout=0.2, event_type="x"))
    assert "*** (1)" in str(error)
    check(error, TOKEN, TOKEN[:12], frames=False)  # they hold the events, which are values
    error = driver.error(lambda: client.audit.wait_for(5, timeout=0.2))
    check(error, TOKEN, TOKEN[:12], frames=False)


def test_reasons_of_receipts_and_health(driver: Driver, serve: Serve) -> None:
    """They are texts of refusals, so they are masked as errors are."""
    body = json.dumps({"type": "x/validation-error", "detail": f"event at index 0: Bearer {TOKEN}"}).encode()
    client = driver.client(serve(keep_alive(lambda _: answer(400, body, PROBLEM))).url, token=TOKEN)
    result = driver.run(lambda: client.audit.write_batch([event()]))
    assert [(each.status, each.reason) for each in result] == [("rejected", "***")]
    with pytest.raises(ValidationError) as caught:
        result.raise_for_rejected()
    check(caught.value, TOKEN)
    health = json.dumps({"status": "unhealthy", "reason": TOKEN, "error": f"dial {TOKEN}"}).encode()
    client = driver.client(serve(keep_alive(lambda _: answer(503, health, "text/plain"))).url, token=TOKEN)
    status = driver.run(client.health.check)
    assert (status.status, status.reason, status.error) == ("unhealthy", "***", "dial ***")


def test_a_version_that_is_stored_already(driver: Driver, serve: Serve) -> None:
    row = {**STORED, "version": "9.0.0"}

    def reply(received: Received) -> bytes:
        return answer(200, json.dumps({"versions": [row]} if "by-name" in received.target else row).encode())

    client = driver.client(serve(keep_alive(reply)).url, headers={"X-Pin": "9.0.0"})
    error = driver.error(lambda: client.workflows.republish(IDENTITY, version="1.0.0"))
    check(error, "9.0.0", frames=False)  # they hold the row, which is a value


def test_credentials_of_an_http_client_of_the_callers_own(driver: Driver, serve: Serve) -> None:
    def reply(received: Received) -> bytes:
        return answer(400, json.dumps({"title": "T", "detail": str(received.headers)}).encode(), PROBLEM)

    kind = httpx.AsyncClient if driver.is_async else httpx.Client
    own = kind(auth=("us3r", "p4ssw0rd"), cookies={"c": "c00kie"}, headers={"X-Api-Key": "k3y"})
    client = driver.client(serve(keep_alive(reply)).url, http_client=own)
    error = driver.failed_get(client)
    check(error, "p4ssw0rd", "c00kie", "k3y", base64.b64encode(b"us3r:p4ssw0rd").decode())
    driver.run(own.aclose if isinstance(own, httpx.AsyncClient) else own.close)


@pytest.mark.parametrize("status", [400, 407])
def test_credentials_of_a_proxy(status: int, driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(received: Received) -> bytes:
        basic = received.headers["proxy-authorization"].partition(" ")[2]
        decoded = base64.b64decode(basic).decode()
        return answer(f"{status} {basic}", f"{basic} is {decoded}".encode(), "text/plain")

    server = serve(keep_alive(reply))
    monkeypatch.setenv("HTTP_PROXY", server.url.replace("//", "//us3r:p%40ssw0rd@"))
    monkeypatch.setenv("HTTPS_PROXY", server.url.replace("//", "//us3r:p%40ssw0rd@"))
    for url in ("http://data-storage.test", "https://data-storage.test"):
        error = driver.failed_get(driver.client(url))
        check(error, "p@ssw0rd", "us3r", base64.b64encode(b"us3r:p@ssw0rd").decode())


def test_a_token_of_an_attempt_before(driver: Driver, serve: Serve) -> None:
    """A call masks all credentials that it has sent."""
    tokens = iter(["first-token", "second-token"])
    server = serve(keep_alive(lambda _: answer(429, b"first-token, second-token", "text/plain")))
    retry = RetryPolicy(attempts=2, wait_initial=0, jitter=0)
    client = driver.client(server.url, token=lambda: next(tokens), retry=retry)
    error = driver.error(lambda: client.workflows.versions("x"))
    assert error.body == b"***, ***"
    check(error, "first-token", "second-token")


@pytest.mark.parametrize(
    "options",
    [
        {"token": f"{TOKEN} {TOKEN}"},
        {"token": TOKEN, "headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"token": TOKEN, "timeout": -1},
        {"headers": {"X-Api-Key": f"{TOKEN}\n"}},
    ],
)
def test_a_client_that_cannot_be_made(options: dict[str, Any], driver: Driver) -> None:
    with pytest.raises(ConfigurationError) as caught:
        driver.client("http://127.0.0.1:1", **options)
    check(caught.value, TOKEN)
    with pytest.raises(ConfigurationError) as caught:
        driver.client("http://127.0.0.1:1", token=TOKEN).with_options(headers={"Authorization": TOKEN})
    check(caught.value, TOKEN)


def test_httpx_logs_nothing_of_our_requests(driver: Driver, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Its URLs hold what is asked for, and httpcore shows the headers of answers; requests of others are logged."""
    caplog.set_level(logging.DEBUG)
    server = serve(keep_alive(lambda _: answer(200, b'{"versions": null}')))
    own = httpx.AsyncClient() if driver.is_async else httpx.Client()
    clients = [driver.client(server.url), driver.client(server.url, http_client=own)]
    caplog.clear()  # of what httpx logs when it loads certificates
    for client in clients:
        driver.run(partial(client.workflows.versions, "c0rrelation"))
        assert "c0rrelation" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("http")]
    driver.run(lambda: own.get(f"{server.url}/of-others"))
    names = {record.name for record in caplog.records if "http" in record.name}
    assert {"httpx", "httpcore.http11"} <= names
    assert "of-others" in caplog.text
    driver.run(own.aclose if isinstance(own, httpx.AsyncClient) else own.close)


def test_what_is_never_masked(driver: Driver, serve: Serve) -> None:
    """Values are what came: a stored workflow that holds the token is returned as it is."""
    row = {**STORED, "description": f"uses {TOKEN}"}
    client = driver.client(serve(keep_alive(lambda _: answer(200, json.dumps(row).encode()))).url, token=TOKEN)
    assert driver.run(lambda: client.workflows.get(IDENTITY)).description == f"uses {TOKEN}"


def test_an_interrupted_answer(driver: Driver, serve: Serve) -> None:
    """The exception below an error is kept without frames: those of httpcore hold the headers."""

    def script(connection: Connection) -> None:
        if connection.request() is not None:
            connection.send(b"HTTP/1.1 20")

    error = driver.error(lambda: driver.client(serve(script).url, token=TOKEN).workflows.create(WORKFLOW))
    assert error.__cause__ is not None
    check(error, TOKEN)
