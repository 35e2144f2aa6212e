"""The emulator's HTTP: framing, odd and broken requests, many callers at once, and callers that go away."""

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from kubernaut_client.emulator import Emulator
from tests.integration.emulator_tools import WORKFLOWS, call, closed, eventually, names, raw, read_all, request_bytes
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

LIVE = request_bytes("GET", "/health/live")
LAST = request_bytes("GET", "/health/live", None, "Connection: close")


def test_headers_as_the_service_sends_them(emulator: Emulator) -> None:
    with raw(emulator, LAST) as connection:
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK" and body == b'{"status":"alive"}'
    headers = dict(line.split(": ") for line in lines[1:])
    assert headers.pop("Date").endswith(" GMT")
    assert headers == {
        "Content-Type": "text/plain; charset=utf-8",
        "Vary": "Origin",
        "Content-Length": "18",
        "Connection": "close",
    }


def test_long_replies_are_chunked_except_for_http_1_0(emulator: Emulator) -> None:
    call(emulator, "POST", WORKFLOWS, workflow(content="x" * 5000))
    with raw(emulator, request_bytes("GET", WORKFLOWS, None, "Connection: close")) as connection:
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head and b"Content-Length" not in head and body.endswith(b"\r\n0\r\n\r\n")
    old = request_bytes("GET", WORKFLOWS).replace(b"HTTP/1.1", b"HTTP/1.0")
    with raw(emulator, old) as connection:
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head and json.loads(body)["total"] == 1


def test_connection_is_kept(emulator: Emulator) -> None:
    connection = http.client.HTTPConnection(emulator.host, emulator.port, timeout=20)
    connection.connect()
    local = connection.sock.getsockname()
    for path, status in (("/health", 200), ("/nowhere", 404), (WORKFLOWS, 200), (f"{WORKFLOWS}?limit=x", 400)):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status and connection.sock.getsockname() == local
    connection.close()


@pytest.mark.parametrize(
    ("path", "fault", "status"),
    [
        ("/nope", {}, 404),
        ("/metrics", {}, 200),
        ("/health", {"status": 503, "body": "x" * 5000}, 503),
        ("/health", {"html": True}, 502),
        ("/nope", {"trickle": 0.0}, 404),
        ("/_emulator", {}, 405),
        ("/_emulator/nope", {}, 404),
        (f"{WORKFLOWS}?limit=x", {}, 405),
    ],
)
def test_the_answer_to_head_has_no_body(emulator: Emulator, path: str, fault: dict[str, Any], status: int) -> None:
    if fault:
        emulator.fault("*", **fault)
    request = request_bytes("HEAD", path)
    with raw(emulator, request + LAST) as connection:
        head, _, rest = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status) and b"chunked" not in head
    # What follows is the next answer, whatever length was announced.
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n") and rest.endswith(b'{"status":"alive"}')


def test_head_announces_the_length_and_keeps_the_connection(emulator: Emulator) -> None:
    with httpx.Client(base_url=emulator.url, trust_env=False) as client:
        for _ in range(3):
            missing = client.head("/nope")
            assert (missing.status_code, missing.headers["Content-Length"], missing.content) == (404, "19", b"")
            shown = client.head("/metrics", headers={"Accept-Encoding": "identity"})
            assert shown.status_code == 200 and int(shown.headers["Content-Length"]) > 0 and shown.content == b""
            emulator.fault("*", status=500, body="x" * 5000)
            assert client.head("/health").headers["Content-Length"] == "5000"
            assert client.get("/health/live").text == '{"status":"alive"}'


def test_pipelined_requests_are_answered_in_order(emulator: Emulator) -> None:
    data = b"".join(request_bytes("POST", WORKFLOWS, workflow(f"w{number}")) for number in range(5))
    with raw(emulator, data + LIVE + LAST) as connection:
        text = read_all(connection)
    assert text.count(b"HTTP/1.1 201 Created") == 5 and text.count(b"HTTP/1.1 200 OK") == 2
    assert names(emulator) == [(f"w{number}", "1.0.0") for number in range(5)]


def test_drop_ends_a_pipeline(emulator: Emulator) -> None:
    emulator.fault("livenessCheck", skip=1, drop="before")
    with raw(emulator, LIVE * 3) as connection:
        assert read_all(connection).count(b"HTTP/1.1 200 OK") == 1
    assert [record.status for record in emulator.requests] == [200, None]


def test_expect_100_continue(emulator: Emulator) -> None:
    body = json.dumps(workflow()).encode()
    head = request_bytes(
        "POST",
        WORKFLOWS,
        None,
        "Expect: 100-continue",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    with raw(emulator, head) as connection:
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert read_all(connection).startswith(b"HTTP/1.1 201 Created")


def test_chunked_body(emulator: Emulator) -> None:
    body = json.dumps(workflow()).encode()
    head = request_bytes(
        "POST", WORKFLOWS, None, "Content-Type: application/json", "Transfer-Encoding: chunked", "Connection: close"
    )
    pieces = b"".join(b"1\r\n" + body[at : at + 1] + b"\r\n" for at in range(len(body)))
    with raw(emulator, head + pieces + b"0\r\n\r\n") as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 201 Created")
    assert emulator.requests[0].body == body


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"\r\n\r\n\r\n", b"400 Bad Request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400 Bad Request"),
        (b"GET\r\n\r\n", b"400 Bad Request"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400 Bad Request: missing required Host header"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400 Bad Request: too many Host headers"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", b"400 Bad Request"),
        (b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", b"400 Bad Request"),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", b"505 HTTP Version Not Supported"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505 HTTP Version Not Supported"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"400 Bad Request"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400 Bad Request"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", b"501 Not Implemented"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", b"400 Bad Request"),
        (b"G" * 3_000_000, b"431 Request Header Fields Too Large"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 3_000_000, b"431 Request Header Fields Too Large"),
    ],
    ids=range(15),
)
def test_garbage_is_refused(emulator: Emulator, data: bytes, answer: bytes) -> None:
    with raw(emulator) as connection:
        try:
            connection.sendall(data)
            text = read_all(connection)
        except (BrokenPipeError, ConnectionResetError):
            text = b""  # it may have been closed while we were still sending
    if len(data) < 1_000_000:
        assert text.startswith(b"HTTP/1.1 " + answer[:3]) and text.endswith(b"\r\n\r\n" + answer)
    assert call(emulator, "GET", "/health").status == 200
    assert len(emulator.requests) == 1


def test_random_bytes_never_end_the_server(emulator: Emulator) -> None:
    import random

    source = random.Random(20251230)
    for _ in range(150):
        data = source.choice((LIVE, request_bytes("POST", WORKFLOWS, workflow())))
        mutable = bytearray(data)
        for _ in range(source.randrange(1, 6)):
            mutable[source.randrange(len(mutable))] = source.randrange(256)
        with raw(emulator, bytes(mutable[: source.randrange(len(mutable) + 1)])) as connection:
            connection.shutdown(socket.SHUT_WR)
            read_all(connection)
    emulator.reset()
    assert call(emulator, "GET", "/health").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/api/v1/workflows/", 404, None),
        ("PATCH", "/api/v1/workflows/", 404, None),
        ("GET", "/api/v1/workflows//", 404, None),
        ("GET", "/api/v1/workflows//disable", 405, ["PATCH"]),
        ("GET", "/api/v1", 404, None),
        ("GET", "/", 404, None),
        ("GET", "/api/v1/workflow%73", 404, None),
        ("GET", "/api/v1/workflows/by-name/x", 404, None),
        ("GET", "/api/v1/workflows/a/b/c", 404, None),
        ("HEAD", "/health", 405, ["GET"]),
        ("HEAD", WORKFLOWS, 405, ["GET", "POST"]),
        ("OPTIONS", WORKFLOWS, 405, ["GET", "POST"]),
        ("PUT", f"{WORKFLOWS}/x", 405, ["GET", "PATCH"]),
        ("GET", f"{WORKFLOWS}/x/disable", 405, ["PATCH"]),
        ("POST", f"{WORKFLOWS}/by-name/x/versions", 405, ["GET"]),
        ("DELETE", f"{WORKFLOWS}/search", 405, ["GET", "PATCH", "POST"]),
        ("PUT", "/api/v1/audit/events", 405, ["GET", "POST"]),
        ("GET", "/api/v1/audit/notifications", 405, ["POST"]),
        ("BREW", "/health", 405, None),
        ("BREW", "/nowhere", 405, None),
        ("BREW", "/metrics", 405, None),
    ],
)
def test_router_fallbacks(emulator: Emulator, method: str, path: str, status: int, allow: list[str] | None) -> None:
    answer = call(emulator, method, path)
    assert answer.status == status
    assert sorted(answer.headers.get_all("Allow") or []) == (allow or [])
    if status == 404:
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.body == b"404 page not found\n"
    else:
        assert "Content-Type" not in answer.headers and answer.body == b""
    assert answer.headers["Vary"] == "Origin" and "Server" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status", "kind", "detail"),
    [
        (f"{WORKFLOWS}?component=%ff", 500, "internal-error", "Failed to list workflows"),
        (f"{WORKFLOWS}?status=active%ff", 400, "validation-error", 'parameter "status" in query has an error: '),
        (f"{WORKFLOWS}?limit=%ff", 400, "validation-error", 'parameter "limit" in query has an error: value \ufffd: '),
        ("/api/v1/audit/events?correlation_id=%ff", 500, "database-error", "Failed to query audit events"),
        ("/api/v1/audit/events?since=%ff", 400, "validation-error", "Validation failed for query parameters: query - "),
    ],
)
def test_a_query_that_is_no_utf_8(emulator: Emulator, path: str, status: int, kind: str, detail: str) -> None:
    answer = call(emulator, "GET", path)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert answer.json["type"].removeprefix("https://kubernaut.ai/problems/") == kind
    assert answer.json["detail"].startswith(detail)
    assert ("\ufffd" in answer.body.decode()) is (status == 400)
    assert kind != "database-error" or answer.json["instance"] == "/api/v1/audit/events"


def test_an_id_that_is_nothing(emulator: Emulator) -> None:
    answer = call(emulator, "PATCH", f"{WORKFLOWS}//disable", {})
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert answer.json["type"] == "https://kubernaut.ai/problems/not-found"
    assert answer.json["detail"] == "Workflow not found: "
    # The contract knows no such path, so that only the handler looks at the body.
    refused = call(emulator, "PATCH", f"{WORKFLOWS}//disable", '{"reason": 5}', headers={"Content-Type": "text/plain"})
    assert refused.status == 400 and refused.json["detail"].startswith("Invalid request body: json: cannot unmarshal")


def test_absolute_target(emulator: Emulator) -> None:
    with raw(emulator, LAST.replace(b"GET /", b"GET http://anywhere:1/")) as connection:
        assert read_all(connection).endswith(b'{"status":"alive"}')


def test_cross_origin(emulator: Emulator) -> None:
    plain = call(emulator, "GET", "/health", headers={"Origin": "http://a"}).headers
    assert (plain["Access-Control-Allow-Origin"], plain["Vary"]) == ("*", "Origin")
    patched = call(emulator, "PATCH", f"{WORKFLOWS}/x", {}, headers={"Origin": "http://a"}).headers
    assert "Access-Control-Allow-Origin" not in patched and patched["Vary"] == "Origin"

    def preflight(method: str) -> Any:
        headers = {"Origin": "http://a", "Access-Control-Request-Method": method}
        headers["Access-Control-Request-Headers"] = "content-type"
        answer = call(emulator, "OPTIONS", WORKFLOWS, headers=headers)
        assert answer.status == 200
        return answer.headers

    allowed = preflight("POST")
    assert allowed["Access-Control-Allow-Methods"] == "POST" and allowed["Access-Control-Max-Age"] == "300"
    assert allowed["Access-Control-Allow-Headers"] == "Content-Type"
    assert "Access-Control-Allow-Methods" not in preflight("PATCH")


def test_a_preflight_that_asks_for_nothing_is_none(emulator: Emulator) -> None:
    headers = ("Origin: http://a", "Access-Control-Request-Method:", "Connection: close")
    with raw(emulator, request_bytes("OPTIONS", WORKFLOWS, None, *headers)) as connection:
        head = read_all(connection)
    assert head.startswith(b"HTTP/1.1 405 ") and b"\r\nVary: Origin\r\n" in head
    assert b"Access-Control-Request-Headers" not in head


# ---- many, large and slow --------------------------------------------------------------------------------------------


def test_a_hundred_callers_at_once(emulator: Emulator) -> None:
    def one(number: int) -> tuple[int, int, int]:
        created = call(emulator, "POST", WORKFLOWS, workflow(f"w{number % 10}", str(number)))
        duplicate = call(emulator, "POST", WORKFLOWS, workflow(f"w{number % 10}", str(number)))
        read = call(emulator, "GET", f"{WORKFLOWS}/{created.json['workflow_id']}")
        return created.status, duplicate.status, read.status

    with ThreadPoolExecutor(100) as pool:
        outcomes = list(pool.map(one, range(100)))
    assert outcomes == [(201, 409, 200)] * 100
    assert len(names(emulator)) == 100
    assert [record.number for record in emulator.requests] == list(range(1, 301))


def test_the_same_workflow_from_many_callers(emulator: Emulator) -> None:
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: call(emulator, "POST", WORKFLOWS, workflow()).status, range(20)))
    assert sorted(statuses) == [201] + [409] * 19
    assert names(emulator) == [("restart-pod", "1.0.0")]


def test_a_body_of_30_megabytes(emulator: Emulator) -> None:
    content = "x<é" * 8_000_000
    created = call(emulator, "POST", WORKFLOWS, workflow(content=content))
    assert created.status == 201
    assert call(emulator, "GET", f"{WORKFLOWS}/{created.json['workflow_id']}").json["content"] == content


def test_a_caller_that_sends_slowly_disturbs_nobody(emulator: Emulator) -> None:
    data = request_bytes("POST", WORKFLOWS, workflow())
    with raw(emulator, data[:20]) as connection:
        for byte in data[20:]:
            connection.sendall(bytes((byte,)))
        assert call(emulator, "GET", "/health").status == 200
        assert connection.recv(12) == b"HTTP/1.1 201"


def test_a_caller_that_does_not_read_disturbs_nobody(emulator: Emulator) -> None:
    call(emulator, "POST", WORKFLOWS, workflow(content="x" * 8_000_000))
    with raw(emulator, request_bytes("GET", WORKFLOWS)) as connection:
        eventually(lambda: len(emulator.requests) == 2 and emulator.requests[1].status == 200)
        assert call(emulator, "GET", "/health").status == 200
        emulator.reset()
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_callers_that_go_away_in_the_middle(emulator: Emulator) -> None:
    data = request_bytes("POST", WORKFLOWS, workflow())
    for cut in (1, 20, len(data) // 2, len(data) - 1):
        with raw(emulator, data[:cut]):
            pass
        with raw(emulator, data[:cut]) as connection:
            connection.shutdown(socket.SHUT_WR)
            text = read_all(connection)
            assert text == b"" or text.startswith(b"HTTP/1.1 400 ")
    assert names(emulator) == [] and emulator.requests == ()


def test_a_caller_that_has_said_all_still_gets_its_answer(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", delay=0.1)
    with raw(emulator, request_bytes("POST", WORKFLOWS, workflow())) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).startswith(b"HTTP/1.1 201 Created")


def test_a_caller_that_gives_up_is_no_trouble(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", delay=0.05)
    with raw(emulator, request_bytes("POST", WORKFLOWS, workflow())):
        pass
    eventually(lambda: names(emulator) == [("restart-pod", "1.0.0")])
    assert call(emulator, "GET", "/health").status == 200


def test_connections_that_say_nothing(emulator: Emulator) -> None:
    connections = [socket.create_connection((emulator.host, emulator.port)) for _ in range(200)]
    assert call(emulator, "GET", "/health").status == 200
    for connection in connections:
        connection.close()


def test_reads_and_faults_from_many_threads(emulator: Emulator) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def look() -> None:
        try:
            while not stop.is_set():
                assert all(record.number > 0 for record in emulator.requests)
                emulator.fault("livenessCheck", status=503)
                call(emulator, "GET", "/health/live")
                emulator.clear_faults()
        except BaseException as failure:  # noqa: BLE001  # shown by the test
            failures.append(failure)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    limit = time.monotonic() + 1.0
    while time.monotonic() < limit:
        emulator.clear_requests()
        call(emulator, "GET", "/health/live")
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_idle_connection_survives_a_reset(emulator: Emulator) -> None:
    with raw(emulator) as connection:
        call(emulator, "GET", "/health")
        emulator.reset()
        connection.sendall(LAST)
        assert read_all(connection).endswith(b'{"status":"alive"}')
        assert closed(connection)


def test_a_connection_serves_one_request_after_another(emulator: Emulator) -> None:
    with raw(emulator) as connection:
        for _ in range(3):
            connection.sendall(request_bytes("GET", "/health"))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("number", [0x80, 0xA0, 0xFF])
def test_bytes_of_a_target_beyond_ascii(emulator: Emulator, number: int) -> None:
    with raw(emulator, b"GET /a%c HTTP/1.1\r\nHost: localhost\r\n\r\n" % number) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 404")
    assert [record.path for record in emulator.requests] == [f"/a%{number:X}"]
