"""Every way in which an attempt can end, on a real socket: the class of its error and what it says of the outcome."""

import gzip
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import trustme

from kubernaut_client import (
    APIError,
    BadRequestError,
    ConflictError,
    ConnectError,
    ConnectionDroppedError,
    DatabaseError,
    ImmutableFieldError,
    InternalServerError,
    KubernautError,
    NotFoundError,
    Outcome,
    RateLimitError,
    RequestTimeoutError,
    ResponseDecodeError,
    RetryPolicy,
    ServiceUnavailableError,
    pool,
)
from kubernaut_client.operations import UPDATE_WORKFLOW, Body
from tests.unit.wire.conftest import Certificates, Serve
from tests.unit.wire.driver import IDENTITY, STORED, WORKFLOW, Driver
from tests.unit.wire.server import Connection, Script, answer, closed_port, full_backlog, keep_alive, once

STORED_BODY = json.dumps(STORED).encode()
HTML = b"<html><body>Welcome</body></html>"


def problem(status: int, slug: str, title: str = "A title", detail: str = "a detail") -> bytes:
    members = {"type": f"https://kubernaut.ai/problems/{slug}", "title": title, "status": status, "detail": detail}
    return answer(f"{status} Something", json.dumps(members).encode(), "application/problem+json")


def has_form(error: KubernautError, kind: type[KubernautError], outcome: Outcome, status: int | None) -> None:
    """What holds for the error of every bare attempt."""
    assert type(error) is kind
    assert error.outcome is outcome
    assert error.operation
    assert error.request_id
    assert len(error.history) == 1
    (attempt,) = error.history
    assert (attempt.operation, attempt.status) == (error.operation, status)
    assert (attempt.outcome, attempt.error) == (outcome, kind.__name__)
    assert attempt.delay == 0
    assert attempt.elapsed >= 0
    assert error.request_id in str(error)
    assert error.operation in str(error)


# Nothing was sent ----------------------------------------------------------------------------------------------------


def test_refused_connection(driver: Driver) -> None:
    client = driver.client(f"http://127.0.0.1:{closed_port()}")
    has_form(driver.failed_create(client), ConnectError, Outcome.NOT_SENT, None)


def test_connecting_takes_too_long(driver: Driver) -> None:
    with full_backlog() as port:
        client = driver.client(f"http://127.0.0.1:{port}", timeout=0.3)
        started = time.monotonic()
        error = driver.failed_create(client)
        assert time.monotonic() - started < 0.8
    has_form(error, RequestTimeoutError, Outcome.NOT_SENT, None)
    assert isinstance(error, TimeoutError)
    assert "within 0.3 s, waiting for a connection" in str(error)


def test_unknown_host(driver: Driver) -> None:
    """RFC 6761 keeps the domain `invalid` without a single host."""
    client = driver.client("http://data-storage.invalid:8080", timeout=5)
    error = driver.failed_create(client)
    assert error.outcome is Outcome.NOT_SENT
    assert isinstance(error, ConnectError | RequestTimeoutError)


def test_host_that_no_resolver_takes(driver: Driver) -> None:
    """A label of 64 characters is more than DNS has room for, and raises an error of its own kind."""
    client = driver.client(f"http://{'a' * 64}.invalid:8080")
    has_form(driver.failed_create(client), ConnectError, Outcome.NOT_SENT, None)


def test_url_that_httpx_refuses(driver: Driver) -> None:
    """httpx takes no URL above 64 KiB, which only shows when the request is built."""
    client = driver.client("http://127.0.0.1:9/" + "a" * 70000)
    has_form(driver.failed_create(client), ConnectError, Outcome.NOT_SENT, None)


def test_plain_server_on_a_tls_url(driver: Driver, serve: Serve) -> None:
    def script(connection: Connection) -> None:
        connection.sock.recv(1024)
        connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    server = serve(script)
    client = driver.client(f"https://127.0.0.1:{server.port}")
    has_form(driver.failed_create(client), ConnectError, Outcome.NOT_SENT, None)


def test_certificate_that_nobody_vouches_for(driver: Driver, serve: Serve) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = serve(once(answer(201, STORED_BODY)), tls=context)
    error = driver.failed_create(driver.client(server.url))
    has_form(error, ConnectError, Outcome.NOT_SENT, None)
    assert "certificate" in str(error).lower()
    assert server.requests == []


def test_tls_handshake_takes_too_long(driver: Driver, serve: Serve) -> None:
    server = serve(lambda connection: connection.stall())
    client = driver.client(f"https://127.0.0.1:{server.port}", timeout=0.3)
    has_form(driver.failed_create(client), RequestTimeoutError, Outcome.NOT_SENT, None)


def test_tls_handshake_is_cut(driver: Driver, serve: Serve) -> None:
    def script(connection: Connection) -> None:
        connection.sock.recv(1024)

    client = driver.client(f"https://127.0.0.1:{serve(script).port}")
    has_form(driver.failed_create(client), ConnectError, Outcome.NOT_SENT, None)


def test_every_connection_is_busy(driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MAX_CONNECTIONS", 2)

    def script(connection: Connection) -> None:
        connection.request()
        connection.stall()

    server = serve(script)
    client = driver.client(server.url, timeout=20)
    busy = [driver.start(lambda: client.workflows.versions("busy")) for _ in range(2)]
    server.wait_for_requests(2)
    started = time.monotonic()
    has_form(driver.failed_create(client.with_options(timeout=0.3)), RequestTimeoutError, Outcome.NOT_SENT, None)
    assert time.monotonic() - started < 0.8
    assert len(server.requests) == 2
    server.close()
    for call in busy:
        assert isinstance(call.exception(5), ConnectionDroppedError)


def test_hundred_stalled_requests_use_up_the_pool(driver: Driver, serve: Serve) -> None:
    def script(connection: Connection) -> None:
        connection.request()
        connection.stall()

    server = serve(script)
    client = driver.client(server.url, timeout=20)
    busy = [driver.start(lambda: client.workflows.versions("busy")) for _ in range(100)]
    server.wait_for_requests(100)
    has_form(driver.failed_create(client.with_options(timeout=0.3)), RequestTimeoutError, Outcome.NOT_SENT, None)
    server.close()
    for call in busy:
        assert isinstance(call.exception(5), ConnectionDroppedError)


def test_deadline_is_over_before_the_first_byte(driver: Driver, serve: Serve) -> None:
    """Here a token that takes its time uses the deadline up."""
    server = serve(once(answer(201, STORED_BODY)))
    clock = time.monotonic

    def slow_token() -> str:
        end = clock() + 0.05
        while clock() < end:
            pass
        return "token"

    client = driver.client(server.url, token=slow_token, retry=RetryPolicy(attempts=1, deadline=0.03))
    has_form(driver.failed_create(client), RequestTimeoutError, Outcome.NOT_SENT, None)
    assert server.accepted == 0


# No status line ------------------------------------------------------------------------------------------------------


def without_reading(connection: Connection) -> None:
    """A clean close of a connection whose request was never read is a RST for the client."""
    connection.sock.recv(1)


def reads_and_closes(connection: Connection) -> None:
    connection.request()


def reads_and_resets(connection: Connection) -> None:
    connection.request()
    connection.reset()


def reads_and_stalls(connection: Connection) -> None:
    connection.request()
    connection.stall()


@dataclass(frozen=True)
class Ending:
    script: Script
    silent: bool = False
    kind: type[KubernautError] = ConnectionDroppedError


ENDINGS = {
    "clean close": Ending(reads_and_closes, silent=True),
    "reset": Ending(reads_and_resets, silent=True),
    "close without reading": Ending(without_reading, silent=True),
    "garbage": Ending(once(b"\x16\x03\x01\x00\x02\x02\x28 not HTTP at all\r\n\r\n")),
    "zeros": Ending(once(bytes(200))),
    "one byte": Ending(once(b"H")),
    "half a status line": Ending(once(b"HTTP/1.1 20")),
    "a status line and nothing else": Ending(once(b"HTTP/1.1 201 Created\r\n")),
    "half a header": Ending(once(b"HTTP/1.1 201 Created\r\nContent-Ty")),
    "status of four digits": Ending(once(b"HTTP/1.1 2000 OK\r\n\r\n")),
    "status of letters": Ending(once(b"HTTP/1.1 abc OK\r\n\r\n")),
    "another protocol": Ending(once(b"SSH-2.0-OpenSSH_9.6\r\n")),
    "only a 103": Ending(once(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")),
    "header without a colon": Ending(once(b"HTTP/1.1 201 Created\r\nno colon\r\n\r\n")),
    "endless header": Ending(once(b"HTTP/1.1 201 Created\r\nX: " + b"x" * 300_000)),
    "lengths that differ": Ending(once(b"HTTP/1.1 201 Created\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")),
    "length of letters": Ending(once(b"HTTP/1.1 201 Created\r\nContent-Length: two\r\n\r\nab")),
    "silence": Ending(reads_and_stalls, kind=RequestTimeoutError),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_ends_without_a_status_line(name: str, driver: Driver, serve: Serve) -> None:
    ending = ENDINGS[name]
    server = serve(ending.script)
    client = driver.client(server.url, timeout=0.3 if name == "silence" else 10)
    error = driver.failed_create(client)
    has_form(error, ending.kind, Outcome.UNKNOWN, None)
    if isinstance(error, ConnectionDroppedError):
        assert error.silent is ending.silent
    if server.requests:
        assert [received.headers["x-request-id"] for received in server.requests] == [error.request_id]
        assert json.loads(server.requests[0].body) == WORKFLOW


def test_drop_on_a_connection_that_worked_before(driver: Driver, serve: Serve) -> None:
    """The second request on a kept connection gets no byte: what arrived for the first one doesn't count."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(answer(200, b'{"versions": null}'))
        connection.request()

    server = serve(script)
    client = driver.client(server.url)
    assert driver.run(lambda: client.workflows.versions("first")) == []
    error = driver.failed_create(client)
    has_form(error, ConnectionDroppedError, Outcome.UNKNOWN, None)
    assert error.silent
    assert server.accepted == 1


def test_connection_that_was_closed_while_it_was_idle_is_not_used(driver: Driver, serve: Serve) -> None:
    server = serve(once(answer(200, b'{"versions": null}')))
    client = driver.client(server.url)
    for number in range(1, 4):
        assert driver.run(lambda: client.workflows.versions("x")) == []
        server.wait_for_ends()
        assert server.accepted == number


def test_drop_over_tls_is_silent(driver: Driver, serve: Serve, certificates: Certificates) -> None:
    """The bytes of the handshake aren't part of an answer."""
    server = serve(reads_and_closes, tls=certificates.server())
    error = driver.failed_create(driver.client(server.url, tls=certificates.trusting()))
    has_form(error, ConnectionDroppedError, Outcome.UNKNOWN, None)
    assert error.silent


# An answer -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What the server sends, and what a POST and a GET must make of it (None: a value)."""

    data: bytes
    write: tuple[type[KubernautError], Outcome, int | None] | None
    read: tuple[type[KubernautError], Outcome, int | None] | None


def both(data: bytes, kind: type[KubernautError], outcome: Outcome, status: int | None) -> Row:
    return Row(data, (kind, outcome, status), (kind, outcome, status))


def fault(data: bytes, kind: type[KubernautError], status: int) -> Row:
    """5xx: it says of a read that it failed, of a write nothing."""
    return Row(data, (kind, Outcome.UNKNOWN, status), (kind, Outcome.REFUSED, status))


def success(make: Callable[[int], bytes], outcome: Outcome) -> Row:
    """An unreadable success, with the status that each operation documents."""
    return Row(make(0), (ResponseDecodeError, outcome, 201), (ResponseDecodeError, outcome, 200))


def redirect(location: str) -> bytes:
    return answer("302 Found", b"", "", f"Location: {location}")


PLAIN_404 = answer("404 Not Found", b"404 page not found\n", "text/plain; charset=utf-8")
NOT_ALLOWED = answer("405 Method Not Allowed", b"", "", "Allow: GET", "Allow: POST")
UNREADABLE_REDIRECT = (ConnectionDroppedError, Outcome.UNKNOWN, None)

ANSWERS = {
    "300": both(answer("300 Multiple Choices", HTML, "text/html"), APIError, Outcome.REFUSED, 300),
    "302": both(redirect("http://127.0.0.1:1/elsewhere"), APIError, Outcome.REFUSED, 302),
    "302 without a host": both(redirect("/login?next=/"), APIError, Outcome.REFUSED, 302),
    "302 without a location": both(answer("302 Found", b"", ""), APIError, Outcome.REFUSED, 302),
    "304": both(b"HTTP/1.1 304 Not Modified\r\n\r\n", APIError, Outcome.REFUSED, 304),
    "302 to a port of letters": both(redirect("http://x:y:z/"), *UNREADABLE_REDIRECT),
    "307 to an open bracket": both(answer("307 Go", b"", "", "Location: http://[::1"), *UNREADABLE_REDIRECT),
    "302 with the type of a conflict": both(problem(302, "conflict"), APIError, Outcome.REFUSED, 302),
    "400": both(problem(400, "bad-request"), BadRequestError, Outcome.REFUSED, 400),
    "400 immutable": both(problem(400, "immutable-field-violation"), ImmutableFieldError, Outcome.REFUSED, 400),
    "400 of HTML": both(answer(400, HTML, "text/html"), BadRequestError, Outcome.REFUSED, 400),
    "404 problem": both(problem(404, "not-found"), NotFoundError, Outcome.REFUSED, 404),
    "404 plain": both(PLAIN_404, APIError, Outcome.REFUSED, 404),
    "405": both(NOT_ALLOWED, APIError, Outcome.REFUSED, 405),
    "409": both(problem(409, "conflict"), ConflictError, Outcome.REFUSED, 409),
    "409 cut": both(problem(409, "conflict")[:-20], ConflictError, Outcome.REFUSED, 409),
    "418": both(answer(418, b"", ""), APIError, Outcome.REFUSED, 418),
    "429": both(answer(429, b"", "", "Retry-After: 3"), RateLimitError, Outcome.REFUSED, 429),
    "500 internal-error": fault(problem(500, "internal-error"), InternalServerError, 500),
    "500 database-error": fault(problem(500, "database-error"), DatabaseError, 500),
    "500 database_error": fault(problem(500, "database_error"), DatabaseError, 500),
    "500 of an older build": fault(
        problem(500, "https://kubernaut.dev/problems/internal-error"), InternalServerError, 500
    ),
    "500 of HTML": fault(answer(500, HTML, "text/html"), InternalServerError, 500),
    "500 without a body": fault(answer(500, b"", ""), InternalServerError, 500),
    "500 cut": fault(answer(500, b'{"type": "https://kubernaut.ai/problems/da')[:-2], InternalServerError, 500),
    "502": fault(answer(502, HTML, "text/html"), InternalServerError, 502),
    "503": fault(problem(503, "service-unavailable"), ServiceUnavailableError, 503),
    "503 without a body": fault(answer(503, b"", ""), ServiceUnavailableError, 503),
    "504": fault(answer(504, b"", ""), InternalServerError, 504),
    "599": fault(answer(599, b"", ""), InternalServerError, 599),
}


@pytest.mark.parametrize("colourless", ["write", "read"])
@pytest.mark.parametrize("name", ANSWERS)
def test_answer_that_is_no_success(name: str, colourless: str, driver: Driver, serve: Serve) -> None:
    row = ANSWERS[name]
    server = serve(once(row.data))
    client = driver.client(server.url)
    expected = row.write if colourless == "write" else row.read
    assert expected is not None
    error = (driver.failed_create if colourless == "write" else driver.failed_get)(client)
    has_form(error, *expected)
    assert [received.headers["x-request-id"] for received in server.requests] == [error.request_id]
    if isinstance(error, APIError):
        assert error.status == expected[2]
        assert str(error).startswith(f"{error.status} ")


def test_switching_protocols_is_no_refusal(driver: Driver, serve: Serve) -> None:
    """A 101 that nobody asked for says nothing of what became of a write."""
    server = serve(once(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"))
    error = driver.failed_create(driver.client(server.url))
    assert error.outcome is Outcome.UNKNOWN


def test_early_hints_before_an_answer_are_passed_over(driver: Driver, serve: Serve) -> None:
    hints = b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3
    server = serve(once(hints + answer(200, STORED_BODY)))
    client = driver.client(server.url)
    assert driver.run(lambda: client.workflows.get(IDENTITY)).workflow_name == "wire-test"


# A success that can't be read ----------------------------------------------------------------------------------------


def framed(status: int, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(status: int, *chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return framed(status, body + end, "Transfer-Encoding: chunked")


PACKED = gzip.compress(STORED_BODY)
UNREADABLE: dict[str, tuple[Callable[[int], bytes], Outcome]] = {
    "JSON cut": (lambda s: answer(s, STORED_BODY[:-9]), Outcome.APPLIED),
    "empty": (lambda s: answer(s, b""), Outcome.APPLIED),
    "null": (lambda s: answer(s, b"null"), Outcome.APPLIED),
    "a list": (lambda s: answer(s, b"[]"), Outcome.APPLIED),
    "a number": (lambda s: answer(s, b"12"), Outcome.APPLIED),
    "no members": (lambda s: answer(s, b"{}"), Outcome.APPLIED),
    "NaN": (lambda s: answer(s, STORED_BODY.replace(b'"active"', b"NaN")), Outcome.APPLIED),
    "members of other types": (lambda s: answer(s, STORED_BODY.replace(b'"tekton"', b"[1]")), Outcome.APPLIED),
    "id that is none": (lambda s: answer(s, STORED_BODY.replace(IDENTITY.encode(), b"x")), Outcome.APPLIED),
    "nested too deeply": (lambda s: answer(s, b"[" * 200_000), Outcome.APPLIED),
    "number too long": (lambda s: answer(s, b"9" * 6000), Outcome.APPLIED),
    "content length cut": (lambda s: framed(s, STORED_BODY[:-9], length=len(STORED_BODY)), Outcome.APPLIED),
    "content length too long": (lambda s: framed(s, STORED_BODY, length=len(STORED_BODY) + 1), Outcome.APPLIED),
    "no body after its length": (lambda s: framed(s, b"", length=100), Outcome.APPLIED),
    "chunked cut": (lambda s: chunked(s, STORED_BODY[:50], STORED_BODY[50:], end=b""), Outcome.APPLIED),
    "chunk cut": (lambda s: chunked(s, STORED_BODY)[:-30], Outcome.APPLIED),
    "chunk without a size": (lambda s: chunked(s, end=b"zz\r\n{}\r\n"), Outcome.APPLIED),
    "gzip broken": (lambda s: answer(s, b"\x1f\x8b\x08" + bytes(40), "application/json", "Content-Encoding: gzip"),
                    Outcome.APPLIED),
    "gzip that is none": (lambda s: answer(s, STORED_BODY, "application/json", "Content-Encoding: gzip"),
                          Outcome.APPLIED),
    "gzip cut": (lambda s: answer(s, PACKED[:-20], "application/json", "Content-Encoding: gzip"), Outcome.APPLIED),
    "deflate broken": (lambda s: answer(s, b"\xff" * 40, "application/json", "Content-Encoding: deflate"),
                       Outcome.APPLIED),
    "encoding that nobody knows": (
        lambda s: answer(s, b"\x00\x01", "application/json", "Content-Encoding: x"), Outcome.APPLIED),
    "not UTF-8": (lambda s: answer(s, STORED_BODY.replace(b"tekton", b"\xff\xfe")), Outcome.APPLIED),
    "HTML": (lambda s: answer(s, HTML, "text/html"), Outcome.UNKNOWN),
    "HTML, and cut": (lambda s: answer(s, HTML, "text/html")[:-9], Outcome.UNKNOWN),
    "no content type": (lambda s: answer(s, STORED_BODY, ""), Outcome.UNKNOWN),
    "JSON called text": (lambda s: answer(s, STORED_BODY, "text/plain"), Outcome.UNKNOWN),
    "204": (lambda _: b"HTTP/1.1 204 No Content\r\n\r\n", Outcome.UNKNOWN),
    "202": (lambda _: answer(202, b'{"status": "accepted"}'), Outcome.UNKNOWN),
    "206": (lambda _: answer(206, STORED_BODY), Outcome.UNKNOWN),
    "299": (lambda _: answer(299, STORED_BODY), Outcome.UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize("colourless", ["write", "read"])
@pytest.mark.parametrize("name", UNREADABLE)
def test_success_that_cannot_be_read(name: str, colourless: str, driver: Driver, serve: Serve) -> None:
    make, outcome = UNREADABLE[name]
    documented = 201 if colourless == "write" else 200
    server = serve(once(make(documented)))
    client = driver.client(server.url)
    error = (driver.failed_create if colourless == "write" else driver.failed_get)(client)
    has_form(error, ResponseDecodeError, outcome, int(name) if name.isdecimal() else documented)
    assert error.status == error.history[0].status
    assert [received.headers["x-request-id"] for received in server.requests] == [error.request_id]
    assert "apiVersion" not in str(error)


def test_success_of_the_other_operation(driver: Driver, serve: Serve) -> None:
    """200 where 201 is documented: another service, or another version of this one; nobody knows."""
    server = serve(once(answer(200, STORED_BODY)))
    error = driver.failed_create(driver.client(server.url))
    has_form(error, ResponseDecodeError, Outcome.UNKNOWN, 200)


@pytest.mark.parametrize(
    "data",
    [
        answer(200, STORED_BODY, "application/json; charset=utf-8"),
        answer(200, STORED_BODY, "Application/JSON"),
        answer(200, b"\xef\xbb\xbf" + STORED_BODY),
        answer(200, PACKED, "application/json", "Content-Encoding: gzip"),
        chunked(200, STORED_BODY[:7], STORED_BODY[7:]),
        framed(200, STORED_BODY),
    ],
    ids=["charset", "upper case", "byte order mark", "gzip", "chunked", "ended by the close"],
)
def test_success_in_other_clothes(data: bytes, driver: Driver, serve: Serve) -> None:
    client = driver.client(serve(once(data)).url)
    assert str(driver.run(lambda: client.workflows.get(IDENTITY)).workflow_id) == IDENTITY


# Through the methods -------------------------------------------------------------------------------------------------


def test_update_that_gets_a_fault_is_sent_once(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: problem(500, "internal-error")))
    client = driver.client(server.url, retry=RetryPolicy(attempts=3, wait_initial=0, jitter=0))
    error = driver.error(lambda: client.workflows.update(IDENTITY, status="active"))
    has_form(error, InternalServerError, Outcome.UNKNOWN, 500)
    assert [(received.method, received.body) for received in server.requests] == [("PATCH", b'{"status":"active"}')]


def test_update_without_content_type_of_json(driver: Driver, serve: Serve) -> None:
    server = serve(once(answer(200, HTML, "text/html")))
    request = UPDATE_WORKFLOW.request(IDENTITY, body=Body({"status": "active"}))
    error = driver.failed_attempt(driver.client(server.url), UPDATE_WORKFLOW, request)
    has_form(error, ResponseDecodeError, Outcome.UNKNOWN, 200)
    assert "base_url" in str(error)


def test_every_attempt_of_a_call_has_its_request_id(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: answer(503, b"", "")))
    client = driver.client(server.url, retry=RetryPolicy(attempts=3, wait_initial=0, jitter=0))
    errors = [driver.error(lambda: client.workflows.versions("x")) for _ in range(2)]
    sent = [received.headers["x-request-id"] for received in server.requests]
    assert sent == [errors[0].request_id] * 3 + [errors[1].request_id] * 3
    assert errors[0].request_id != errors[1].request_id
    for error in errors:
        assert [attempt.status for attempt in error.history] == [503] * 3
        assert [attempt.delay for attempt in error.history] == [0, 0, 0]


def test_raw_raises_the_same(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: problem(500, "database-error")))
    client = driver.client(server.url)
    error = driver.error(lambda: raw_request(driver, client, "GET", "/api/v1/workflows"))
    has_form(error, DatabaseError, Outcome.REFUSED, 500)


def test_raw_passes_an_answer_with_odd_headers(driver: Driver, serve: Serve) -> None:
    """Header values beyond ASCII, as proxies send them, must not keep a good answer from its reader."""
    data = answer(200, b'{"versions": null}', "application/json", "X-Gateway: \xfcber", "Set-Cookie: a=\xe9")
    client = driver.client(serve(once(data)).url)
    response = driver.run(lambda: raw_request(driver, client, "GET", "/api/v1/workflows/by-name/x/versions"))
    assert response.status_code == 200
    assert response.json() == {"versions": None}


def raw_request(driver: Driver, client: Any, method: str, url: str) -> Any:
    raw = client.raw.get_async_httpx_client() if driver.is_async else client.raw.get_httpx_client()
    return raw.request(method=method, url=url)
