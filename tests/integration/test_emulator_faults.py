"""Scripted faults of the emulator, over plain HTTP and raw sockets, and the control interface that scripts them."""

import json
import threading
import time
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator, Fault
from tests.integration.emulator_tools import (
    WORKFLOWS,
    Answer,
    call,
    eventually,
    names,
    raw,
    read_all,
    request_bytes,
)
from tests.workflows import workflow

pytestmark = pytest.mark.emulator


def create(emulator: Emulator, name: str = "a", version: str = "1.0.0", **options: Any) -> Answer:
    return call(emulator, "POST", WORKFLOWS, workflow(name, version), **options)


def test_status_in_the_place_of_the_service(emulator: Emulator) -> None:
    fault = emulator.fault("createWorkflow", status=503, body={"title": "down"}, headers={"Retry-After": "7"})
    answer = create(emulator)
    assert (answer.status, answer.json, answer.headers["Retry-After"]) == (503, {"title": "down"}, "7")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert names(emulator) == []
    assert (fault.used, fault.active, emulator.faults) == (1, False, ())
    assert create(emulator).status == 201
    assert [record.fault for record in emulator.requests] == ["status=503", None]


@pytest.mark.parametrize(
    ("body", "status", "kind", "sent"),
    [
        (None, 502, None, b""),
        ("<html>", 502, "text/plain; charset=utf-8", b"<html>"),
        (b"\xff\x00", 200, "text/plain; charset=utf-8", b"\xff\x00"),
        ({"a": [1]}, 202, "application/json", b'{"a": [1]}\n'),
        (None, 204, None, b""),
        (None, 599, None, b""),
    ],
)
def test_bodies(emulator: Emulator, body: Any, status: int, kind: str | None, sent: bytes) -> None:
    emulator.fault("healthCheck", status=status, body=body)
    answer = call(emulator, "GET", "/health")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (status, kind, sent)


def test_headers_are_replaced_and_taken_away(emulator: Emulator) -> None:
    emulator.fault("livenessCheck", headers={"content-type": "text/html", "Vary": None, "X-Proxy": "yes"})
    answer = call(emulator, "GET", "/health/live")
    assert (answer.status, answer.json) == (200, {"status": "alive"})
    assert answer.headers["Content-Type"] == "text/html"
    assert "Vary" not in answer.headers and answer.headers["X-Proxy"] == "yes"


def test_wrong_length_is_sent_and_the_connection_closed(emulator: Emulator) -> None:
    emulator.fault("livenessCheck", headers={"Content-Length": "500"})
    with raw(emulator, request_bytes("GET", "/health/live")) as connection:
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert b"Content-Length: 500" in head and body == b'{"status":"alive"}'


def test_count_and_skip(emulator: Emulator) -> None:
    fault = emulator.fault("livenessCheck", count=2, skip=1, status=500)
    assert [call(emulator, "GET", "/health/live").status for _ in range(5)] == [200, 500, 500, 200, 200]
    assert fault.used == 2


def test_first_in_first_out(emulator: Emulator) -> None:
    emulator.fault("livenessCheck", status=501)
    emulator.fault("*", status=502, count=2)
    emulator.fault("livenessCheck", status=503)
    assert call(emulator, "GET", "/nowhere").status == 502
    assert [call(emulator, "GET", "/health/live").status for _ in range(4)] == [501, 502, 503, 200]


def test_until_cleared(emulator: Emulator) -> None:
    fault = emulator.fault("*", count=None, status=500)
    assert {call(emulator, "GET", path).status for path in ("/health", "/health/live", WORKFLOWS)} == {500}
    assert list(emulator.faults) == [fault]
    emulator.clear_faults()
    assert not fault.active and not emulator.faults
    assert call(emulator, "GET", "/health").status == 200


@pytest.mark.parametrize(("moment", "stored"), [("before", []), ("after", [("a", "1.0.0")])])
def test_drop(emulator: Emulator, moment: Any, stored: list[tuple[str, str]]) -> None:
    emulator.fault("createWorkflow", drop=moment)
    with raw(emulator, request_bytes("POST", WORKFLOWS, workflow("a"))) as connection:
        assert read_all(connection) == b""
    assert names(emulator) == stored
    (record,) = emulator.writes
    assert (record.status, record.fault) == (None, f"drop={moment}")
    assert record.seconds is not None


def test_drop_after_a_delay(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", drop="after", delay=0.2)
    start = time.monotonic()
    assert create(emulator).lost
    assert time.monotonic() - start >= 0.2
    assert names(emulator) == [("a", "1.0.0")]


def test_delay_comes_after_the_commit(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", delay=30)
    with raw(emulator, request_bytes("POST", WORKFLOWS, workflow("a"))) as connection:
        eventually(lambda: names(emulator) == [("a", "1.0.0")])
        emulator.reset()
        assert read_all(connection) == b""


def test_hold_comes_before_the_commit(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", hold=0.3)
    start = time.monotonic()
    with raw(emulator, request_bytes("POST", WORKFLOWS, workflow("a"))):
        eventually(lambda: len(emulator.requests) == 1)
    # The caller has gone; what it sent is committed all the same, just later.
    eventually(lambda: names(emulator) == [("a", "1.0.0")])
    assert time.monotonic() - start >= 0.3


def test_status_after_a_delay(emulator: Emulator) -> None:
    emulator.fault("livenessCheck", status=504, delay=0.2)
    start = time.monotonic()
    assert call(emulator, "GET", "/health/live").status == 504
    assert time.monotonic() - start >= 0.2


def test_trickle(emulator: Emulator) -> None:
    whole = call(emulator, "GET", "/health/live").body
    emulator.fault("livenessCheck", trickle=0.001)
    with raw(emulator, request_bytes("GET", "/health/live", None, "Connection: close")) as connection:
        start = time.monotonic()
        first = connection.recv(1)
        rest = read_all(connection)
        seconds = time.monotonic() - start
    text = first + rest
    assert text.startswith(b"HTTP/1.1 200 OK\r\n") and text.endswith(b"\r\n\r\n" + whole)
    assert seconds >= 0.001 * (len(text) - 1)


def test_connection_stays_open_after_a_trickle(emulator: Emulator) -> None:
    emulator.fault("livenessCheck", trickle=0)
    data = request_bytes("GET", "/health/live") + request_bytes("GET", "/health/ready", None, "Connection: close")
    with raw(emulator, data) as connection:
        assert read_all(connection).count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(("moment", "stored"), [("before", []), ("after", [("a", "1.0.0")]), (True, [("a", "1.0.0")])])
def test_stall(emulator: Emulator, moment: Any, stored: list[tuple[str, str]]) -> None:
    emulator.fault("createWorkflow", stall=moment)
    with raw(emulator, request_bytes("POST", WORKFLOWS, workflow("a"))) as connection:
        eventually(lambda: len(emulator.requests) == 1 and names(emulator) == stored)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert emulator.requests[0].seconds is None
        connection.settimeout(20)
        emulator.clear_faults()
        assert read_all(connection) == b""
    assert names(emulator) == stored
    assert emulator.requests[0].status is None and emulator.requests[0].seconds is not None


def test_reset_ends_what_waits(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", stall="before")
    emulator.fault("createWorkflow", hold=60)
    emulator.fault("createWorkflow", delay=60)
    emulator.fault("createWorkflow", trickle=60)
    emulator.fault("createWorkflow", drop="after", delay=60)
    results: list[Answer] = []

    def one(number: int) -> None:
        results.append(create(emulator, f"w{number}"))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(emulator.requests) == 5)
    emulator.reset()
    for thread in threads:
        thread.join(20)
    assert [answer.lost for answer in results] == [True] * 5
    assert names(emulator) == [] and emulator.requests == () and emulator.faults == ()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (
            {"operation": "createWorkflows", "status": 500},
            "operation must be one of .*createWorkflow.*'createWorkflows'",
        ),
        ({"operation": "", "status": 500}, "operation"),
        ({"status": 199}, "status must be from 200 to 599, not 199"),
        ({"status": 600}, "status"),
        ({"status": True}, "status"),
        ({"delay": -1}, "delay must be a number of seconds, 0 or more, not -1"),
        ({"delay": float("nan")}, "delay"),
        ({"hold": "1"}, "hold"),
        ({"trickle": float("inf")}, "trickle"),
        ({"drop": "during"}, 'drop must be "before" or "after" the handler, not \'during\''),
        ({"stall": "now"}, "stall"),
        ({"count": 0, "status": 500}, "count must be an integer of at least 1, not 0"),
        ({"count": 1.5, "status": 500}, "count"),
        ({"skip": -1, "status": 500}, "skip"),
        ({"skip": None, "status": 500}, "skip"),
        ({"body": "x"}, "body needs a status"),
        ({"drop": "after", "status": 500}, "drop and status exclude each other"),
        ({"stall": "after", "trickle": 1}, "stall and trickle exclude each other"),
        ({"drop": "after", "stall": "after"}, "drop and stall"),
        ({"body": {1, 2}, "status": 500}, "body must be bytes, a text, or something that JSON can carry"),
        ({"headers": 5}, "headers must map names to values, not 5"),
        ({"headers": {"a": 5}}, "headers: 'a' must be a text"),
        ({"headers": {"a b": "c"}}, "headers: 'a b' is no name of a header"),
        ({"headers": {"a": "b\r\nc: d"}}, "headers: the value of a can't be sent"),
        ({}, "a fault needs one of"),
    ],
)
def test_bad_arguments(emulator: Emulator, arguments: dict[str, Any], named: str) -> None:
    settings: dict[str, Any] = {"operation": "createWorkflow", **arguments}
    with pytest.raises(ValueError, match=named):
        emulator.fault(**settings)
    assert emulator.faults == ()


def test_repr_shows_no_content(emulator: Emulator) -> None:
    fault = emulator.fault("createWorkflow", status=500, body="secret", headers={"X-Secret": "secret"})
    assert "secret" not in repr(fault) and "createWorkflow" in repr(fault)
    create(emulator, headers={"Authorization": "Bearer secret"})
    (record,) = emulator.requests
    assert record.headers["authorization"] == "Bearer secret" and b"workflow_name" in record.body
    assert "secret" not in repr(record) and "workflow_name" not in repr(record)


# ---- over HTTP ------------------------------------------------------------------------------------------------------


def control(emulator: Emulator, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    return call(emulator, method, f"/_emulator{path}", body, headers=headers)


def test_control_does_what_python_does(emulator: Emulator) -> None:
    about = control(emulator, "GET", "").json
    assert about["build"] == "2025-12-30" and set(about) == {"build", "version"}
    created = control(emulator, "POST", "/faults", {"operation": "createWorkflow", "status": 500, "body": {"a": 1}})
    assert created.status == 200 and created.json["operation"] == "createWorkflow" and created.json["active"]
    assert control(emulator, "GET", "/faults").json["faults"] == [created.json]
    assert isinstance(emulator.faults[0], Fault)
    assert create(emulator).json == {"a": 1}
    assert create(emulator, headers={"Authorization": "Bearer t", "X-Request-ID": "r1"}).status == 201
    requests = control(emulator, "GET", "/requests").json["requests"]
    assert [(record["operation"], record["status"]) for record in requests] == [
        ("createWorkflow", 500),
        ("createWorkflow", 201),
    ]
    assert requests[1]["request_id"] == "r1" and requests[1]["headers"]["authorization"] == "<hidden>"
    assert json.loads(requests[1]["body"])["workflow_name"] == "a"
    (row,) = control(emulator, "GET", "/tables/remediation_workflow_catalog").json["rows"]
    assert row["workflow_name"] == "a" and row["labels"]["priority"] == "P0"
    assert control(emulator, "DELETE", "/requests").status == 200 and emulator.requests == ()
    assert control(emulator, "POST", "/database", {"state": "down"}).status == 200
    assert call(emulator, "GET", "/health").status == 503
    assert control(emulator, "GET", "/tables/remediation_workflow_catalog").status == 503
    assert control(emulator, "POST", "/database", {"state": "up"}).status == 200
    assert call(emulator, "GET", "/health").status == 200
    control(emulator, "POST", "/faults", {"operation": "*", "drop": "before", "count": None})
    assert control(emulator, "DELETE", "/faults").status == 200 and emulator.faults == ()
    assert control(emulator, "POST", "/reset", {}).status == 200
    assert names(emulator) == [] and emulator.requests == ()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/faults", {"operation": "nope", "status": 500}, 400, "operation must be one of"),
        ("POST", "/faults", {"operation": "*", "status": 1}, 400, "status must be from 200"),
        ("POST", "/faults", {"status": 500}, 400, "operation must be"),
        ("POST", "/faults", {"operation": "*", "explode": 1}, 400, "a fault has no explode"),
        ("POST", "/faults", [], 400, "must be a JSON object"),
        ("POST", "/faults", b"{", 400, "no JSON"),
        ("POST", "/faults", {"operation": "*", "headers": 1}, 400, "headers must map"),
        ("POST", "/database", {"state": "sideways"}, 400, "state must be"),
        ("GET", "/tables/pg_class", None, 404, "there is no table 'pg_class'"),
        ("GET", "/tables", None, 404, "there is no table"),
        ("GET", "/nothing", None, 404, "there is no /_emulator/nothing"),
        ("PUT", "/faults", None, 405, ""),
    ],
)
def test_control_names_what_is_wrong(
    emulator: Emulator, method: str, path: str, body: Any, status: int, words: str
) -> None:
    answer = control(emulator, method, path, body)
    assert answer.status == status and words in answer.body.decode()
    assert emulator.faults == () and emulator.requests == ()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost"}, 200),
        ({"Host": "127.0.0.1:1"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "127.9.9.9"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "localhost@evil.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": "localhost", "Origin": "http://localhost"}, 200),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403),
        ({"Host": "localhost", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost", "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_control_answers_neither_foreign_hosts_nor_other_sites(
    emulator: Emulator, headers: dict[str, str], status: int
) -> None:
    answer = call(emulator, "POST", "/_emulator/reset", {}, headers=headers)
    assert answer.status == status
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_browser_gets_no_leave_to_delete(emulator: Emulator) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "DELETE"}
    answer = call(emulator, "OPTIONS", "/_emulator/requests", headers=headers)
    assert answer.status == 403 and "Access-Control-Allow-Methods" not in answer.headers
