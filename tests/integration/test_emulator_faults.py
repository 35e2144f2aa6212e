"""Scripted faults of the emulator, over plain HTTP and raw sockets, and the control interface that scripts them."""

import contextlib
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator, Fault
from kubernaut_client.emulator.control import Control
from tests.events import event, moment
from tests.integration.emulator_tools import (
    WORKFLOWS,
    Answer,
    call,
    closed,
    eventually,
    names,
    raw,
    read_all,
    request_bytes,
)
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

EVENTS = "/api/v1/audit/events"
FORM = "application/x-www-form-urlencoded"


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


@pytest.mark.parametrize(("size", "length"), [(0, 18), (5, 18), (18, 19), (100, 101)])
def test_truncated_body(emulator: Emulator, size: int, length: int) -> None:
    emulator.fault("livenessCheck", truncate=size)
    with raw(emulator, request_bytes("GET", "/health/live")) as connection:
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK") and f"Content-Length: {length}".encode() in head
    assert body == b'{"status":"alive"}'[:size]


def test_a_truncated_answer_of_a_create_is_committed(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", truncate=10, trickle=0)
    with pytest.raises(http.client.IncompleteRead) as caught:
        create(emulator)
    assert caught.value.partial == b'{"workflow' and names(emulator) == [("a", "1.0.0")]
    # Such an answer is long enough to go in chunks; cut, it is counted.
    assert emulator.requests[0].fault == "truncate=10 trickle=0"


def test_wrong_content_type(emulator: Emulator) -> None:
    emulator.fault("livenessCheck", content_type="text/html")
    emulator.fault("livenessCheck", status=500, body={"a": 1}, content_type="application/json")
    answers = [call(emulator, "GET", "/health/live") for _ in range(2)]
    assert [answer.headers.get_all("Content-Type") for answer in answers] == [["text/html"], ["application/json"]]
    assert [answer.json for answer in answers] == [{"status": "alive"}, {"a": 1}]
    assert [record.fault for record in emulator.requests] == [
        "content_type=text/html",
        "status=500 content_type=application/json",
    ]


@pytest.mark.parametrize(
    ("settings", "status", "words"),
    [
        ({"html": True}, 502, "<h1>502 Bad Gateway</h1>"),
        ({"html": True, "status": 504}, 504, "<title>504 Gateway Timeout</title>"),
        ({"html": True, "status": 599}, 599, "<title>599</title>"),
        ({"page": "<p>Sign in, été", "status": 200}, 200, "<p>Sign in, été"),
        ({"page": "<p>gone"}, 502, "<p>gone"),
    ],
)
def test_page_of_a_proxy(emulator: Emulator, settings: dict[str, Any], status: int, words: str) -> None:
    emulator.fault("createWorkflow", **settings)
    answer = create(emulator)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert words in answer.body.decode()
    assert names(emulator) == [] and emulator.requests[0].fault == f"status={status} html"


def test_commit_behind_the_back_of_a_proxy(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", html=True, status=504, commit=True, count=2)
    emulator.fault("getWorkflowByID", status=502, commit=True)
    assert [create(emulator).status for _ in range(3)] == [504, 504, 409]
    assert names(emulator) == [("a", "1.0.0")]
    # Where the service would have dropped the connection, the proxy still has its page.
    assert call(emulator, "GET", f"{WORKFLOWS}/3f2504e0-4f89-41d3-9a0c-0305e82c3301").status == 502


@pytest.mark.parametrize(
    ("operation", "path", "message"),
    [
        ("createAuditEvent", "/api/v1/audit/events", "audit event queued for async processing"),
        ("createNotificationAudit", "/api/v1/audit/notifications", "audit record queued for processing"),
    ],
)
def test_202_has_the_body_of_the_service(emulator: Emulator, operation: str, path: str, message: str) -> None:
    emulator.fault(operation, status=202, count=2)
    emulator.fault(operation, status=202, body={"own": 1})
    answers = [call(emulator, "POST", path, {}) for _ in range(3)]
    assert [answer.headers["Content-Type"] for answer in answers] == ["application/json"] * 3
    queued = {"status": "accepted", "message": message}
    assert [answer.json for answer in answers] == [queued, queued, {"own": 1}]


# ---- which requests --------------------------------------------------------------------------------------------------


def test_method_and_path(emulator: Emulator) -> None:
    emulator.fault("GET /health/live", status=501)
    emulator.fault("GET /api/v1/workflows/{any}", status=502, count=2)
    emulator.fault("GET /api/v1/workflows/b", status=503)
    answers = [
        call(emulator, "GET", path).status
        for path in ("/health", "/health/live", WORKFLOWS, f"{WORKFLOWS}/a?x=1", f"{WORKFLOWS}/b", f"{WORKFLOWS}/b")
    ]
    assert answers == [200, 501, 200, 502, 502, 503]
    assert call(emulator, "PATCH", f"{WORKFLOWS}/a", {}).status == 404


def test_probability_is_seeded(emulator: Emulator) -> None:
    def drawn(seed: int | None) -> str:
        emulator.clear_faults()
        emulator.fault("livenessCheck", status=500, count=None, probability=0.3, seed=seed)
        return "".join("x" if call(emulator, "GET", "/health/live").status == 500 else "." for _ in range(60))

    first = drawn(7)
    assert first == drawn(7) != drawn(8)
    assert 5 <= first.count("x") <= 35
    assert len({drawn(None) for _ in range(3)}) > 1


def test_what_chance_spares_the_next_may_have(emulator: Emulator) -> None:
    rare = emulator.fault("livenessCheck", status=500, count=1, probability=1e-9, seed=1)
    emulator.fault("livenessCheck", status=501, count=1)
    assert [call(emulator, "GET", "/health/live").status for _ in range(2)] == [501, 200]
    assert rare.active and rare.used == 0


def test_skip_counts_before_chance(emulator: Emulator) -> None:
    emulator.fault("livenessCheck", status=500, skip=2, probability=1.0)
    assert [call(emulator, "GET", "/health/live").status for _ in range(4)] == [200, 200, 500, 200]


def test_condition_as_a_function(emulator: Emulator) -> None:
    fault = emulator.fault("createWorkflow", status=500, count=None, when=lambda record: b'"2.0.0"' in record.body)
    assert [create(emulator, version=version).status for version in ("1.0.0", "2.0.0", "3.0.0")] == [201, 500, 201]
    assert fault.used == 1 and emulator.requests[1].fault == "status=500"


def test_a_condition_that_fails_is_a_failure_of_the_emulator(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.fault("livenessCheck", status=503, when=lambda record: record.headers["nope"] == "")
    answer = call(emulator, "GET", "/health/live")
    assert (answer.status, answer.body) == (500, b"emulator failure: KeyError\n")
    assert "the condition of a fault failed" in caplog.text


@pytest.mark.parametrize(
    ("when", "hit"),
    [
        ({"headers": {"x-request-id": "r1"}}, True),
        ({"headers": {"X-Request-ID": "r2"}}, False),
        ({"headers": {"Absent": ""}}, False),
        ({"body_contains": '"Restarts a pod."'}, True),
        ({"body_contains": "absent"}, False),
        ({"members": {"workflow_name": "a", "version": "1.0.0"}}, True),
        ({"members": {"workflow_name": "a", "version": "2.0.0"}}, False),
        ({"members": {"/labels/priority": "P0", "labels": workflow()["labels"]}}, True),
        ({"members": {"/labels/nope": None}}, False),
        ({"members": {"/name/deeper": 1}}, False),
        ({"members": {"/custom_labels/a~1b~0/1": "y"}}, True),
        ({"members": {"/custom_labels/a~1b~0/2": "y"}}, False),
        ({"members": {"expected_duration_seconds": True}}, False),
        ({"members": {"expected_duration_seconds": 1}}, True),
        ({"members": {"workflow_name": "a"}, "body_contains": "absent"}, False),
    ],
)
def test_condition_as_a_mapping(emulator: Emulator, when: dict[str, Any], hit: bool) -> None:
    emulator.fault("createWorkflow", status=500, when=when)
    body = workflow("a", custom_labels={"a/b~": ["x", "y"]}, expected_duration_seconds=1)
    answer = call(emulator, "POST", WORKFLOWS, body, headers={"X-Request-ID": "r1"})
    assert answer.status == (500 if hit else 201)


@pytest.mark.parametrize(
    ("body", "hit"), [([{"a": 1}, {"a": 2}], True), ([{"a": 1}], False), ("{", False), ([], False)]
)
def test_condition_on_one_of_a_batch(emulator: Emulator, body: Any, hit: bool) -> None:
    emulator.fault("createAuditEventsBatch", status=503, when={"members": {"a": 2}})
    assert (call(emulator, "POST", "/api/v1/audit/events/batch", body).status == 503) is hit


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
        ({"delay": 10**400}, "delay must be at most 1000000000 seconds"),
        ({"trickle": 1e300}, "trickle must be at most"),
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
        ({"body": {"a": float("nan")}, "status": 500}, "body must be .*JSON can carry"),
        ({"body": [float("-inf")], "status": 500}, "body must be"),
        ({"headers": 5}, "headers must map names to values, not 5"),
        ({"headers": {"a": 5}}, "headers: 'a' must be a text"),
        ({"headers": {"a b": "c"}}, "headers: 'a b' is no name of a header"),
        ({"headers": {"a": "b\r\nc: d"}}, "headers: the value of a can't be sent"),
        ({}, "a fault needs one of"),
        ({"operation": 5, "status": 500}, "operation must be"),
        (
            {"operation": "POST /api/v1/workflow", "status": 500},
            "operation: the service has no 'POST /api/v1/workflow'",
        ),
        ({"operation": "post /api/v1/workflows", "status": 500}, "operation"),
        ({"operation": "GET /health?x=1", "status": 500}, "operation"),
        ({"probability": 0, "status": 500}, "probability must be a number above 0 and up to 1, not 0"),
        ({"probability": 1.1, "status": 500}, "probability"),
        ({"probability": True, "status": 500}, "probability"),
        ({"probability": float("nan"), "status": 500}, "probability"),
        ({"seed": 1, "status": 500}, "seed needs a probability"),
        ({"probability": 0.5, "seed": 0.5, "status": 500}, "seed must be an integer"),
        ({"when": 5, "status": 500}, "when must be a function of the request, or a mapping; not 5"),
        ({"when": {}, "status": 500}, "when has headers, body_contains, members; not nothing at all"),
        ({"when": {"header": {}}, "status": 500}, "when has .*; not header"),
        ({"when": {"headers": {"a": 1}}, "status": 500}, "when: headers"),
        ({"when": {"headers": "a"}, "status": 500}, "when: headers"),
        ({"when": {"body_contains": b"a"}, "status": 500}, "when: body_contains"),
        ({"when": {"members": ["a"]}, "status": 500}, "when: members"),
        ({"when": {"members": {1: "a"}}, "status": 500}, "when: members"),
        ({"html": "<p>"}, "html must be true or false, not '<p>'"),
        ({"page": b"<p>"}, "page must be a text"),
        ({"html": True, "body": "x", "status": 500}, "html and body exclude each other"),
        ({"html": True, "drop": "after"}, "drop and html exclude each other"),
        ({"truncate": -1}, "truncate must be an integer of at least 0, not -1"),
        ({"truncate": 1, "status": 204}, "truncate and status 204 exclude each other"),
        ({"truncate": 1, "drop": "before"}, "drop and truncate exclude each other"),
        ({"content_type": "a\r\nb: c"}, "content_type must be a media type"),
        ({"content_type": 5}, "content_type"),
        ({"content_type": "a/b", "headers": {"content-type": "c/d"}}, "content_type and a header Content-Type exclude"),
        ({"commit": True}, "commit needs a status"),
        ({"commit": 1, "status": 500}, "commit must be true or false"),
    ],
)
def test_bad_arguments(emulator: Emulator, arguments: dict[str, Any], named: str) -> None:
    settings: dict[str, Any] = {"operation": "createWorkflow", **arguments}
    with pytest.raises(ValueError, match=named):
        emulator.fault(**settings)
    assert emulator.faults == ()


def test_a_condition_on_members_of_what_is_nested_too_deeply(emulator: Emulator) -> None:
    emulator.fault("createWorkflow", status=503, when={"members": {"a": 1}})
    answer = call(emulator, "POST", WORKFLOWS, b"[" * 100_000)
    assert (answer.status, answer.json["title"]) == (400, "Validation Error")


# ---- the installation as a whole -------------------------------------------------------------------------------------


STATES: dict[str, Callable[[Emulator], AbstractContextManager[None]]] = {
    "database down": Emulator.database_down,
    "redis down": Emulator.redis_down,
    "migration missing": Emulator.migration_missing,
    "no partition": Emulator.no_partition,
    "connections refused": Emulator.refuse_connections,
    "clock off": lambda emulator: emulator.clock(offset=timedelta(minutes=10)),
}
CHECKS = (
    ("GET", "/health", None),
    ("GET", WORKFLOWS, None),
    ("POST", EVENTS, event()),
    ("POST", f"{EVENTS}/batch", [event()]),
    ("POST", EVENTS, event(event_data={"text": "\x00"})),
)
GOOD = [200, 200, 201, 201, 202]
BROKEN = {
    "database down": [503, 500, 202, 500, 202],
    "redis down": [200, 200, 201, 201, 500],
    "migration missing": [200, 500, 201, 201, 202],
    "no partition": [200, 200, 202, 500, 202],
    "connections refused": [None] * 5,
    "clock off": GOOD,
}


def observed(emulator: Emulator) -> list[int | None]:
    """The status of one request of each kind; None where the connection is refused."""
    found: list[int | None] = []
    for method, path, body in CHECKS:
        try:
            found.append(call(emulator, method, path, body).status)
        except ConnectionRefusedError:
            found.append(None)
    return found


@pytest.mark.parametrize("state", STATES)
def test_states(emulator: Emulator, state: str) -> None:
    with STATES[state](emulator):
        (fault,) = emulator.faults
        assert (fault.state, fault.active, fault.describe()) == (state, True, state)
        assert state in repr(fault)
        assert observed(emulator) == BROKEN[state]
    assert emulator.faults == () and not fault.active
    if state == "migration missing":
        assert call(emulator, "GET", WORKFLOWS).status == 500  # the plan of the one connection in use
    assert observed(emulator) == GOOD
    assert all(record.fault is None for record in emulator.requests)


@pytest.mark.parametrize("end", [Emulator.clear_faults, Emulator.reset])
def test_all_states_end_with_the_faults(emulator: Emulator, end: Callable[[Emulator], None]) -> None:
    call(emulator, "GET", WORKFLOWS)
    with ExitStack() as stack:
        for state in sorted(STATES, key="database down".__eq__):
            stack.enter_context(STATES[state](emulator))
        emulator.fault("*", status=500)
        assert {fault.state for fault in emulator.faults} == {*STATES, None}
        end(emulator)
        assert emulator.faults == ()
        assert observed(emulator) == GOOD
    assert observed(emulator) == GOOD


def test_migration_applied_while_the_service_runs(emulator: Emulator) -> None:
    stored = create(emulator).json
    path = f"{WORKFLOWS}/{stored['workflow_id']}"
    with emulator.migration_missing():
        assert [call(emulator, "GET", url).status for url in (path, WORKFLOWS)] == [500, 500]
        assert call(emulator, "PATCH", path, {}).status == 404
        (row,) = emulator.rows("remediation_workflow_catalog")
        assert "execution_bundle" in row and "container_image" not in row
    # The next read, whichever it is, goes over the same connection.
    assert [call(emulator, "PATCH", path, {}).status, call(emulator, "PATCH", path, {}).status] == [404, 200]
    with emulator.migration_missing():
        assert call(emulator, "GET", path).status == 500
        emulator.clear_faults()
        assert call(emulator, "GET", path).status == 200


def test_refused_connections_keep_the_port(emulator: Emulator) -> None:
    port = emulator.port
    kept = http.client.HTTPConnection(emulator.host, port)
    kept.request("GET", "/health/live")
    assert kept.getresponse().read() == b'{"status":"alive"}'
    emulator.fault("createWorkflow", stall="before")
    emulator.fault("getWorkflowByID", hold=0.2, status=418)
    with (
        raw(emulator, request_bytes("POST", WORKFLOWS, workflow())) as stalled,
        raw(emulator, request_bytes("GET", f"{WORKFLOWS}/a")) as busy,
    ):
        eventually(lambda: len(emulator.requests) == 3)
        with emulator.refuse_connections():
            with pytest.raises(ConnectionRefusedError):
                call(emulator, "GET", "/health/live")
            with pytest.raises(OSError, match=f"port {port} on 127.0.0.1 can't be listened on"):
                Emulator(port=port).start()
            # The idle connection is closed; a request that is being worked on is answered before its connection ends.
            assert kept.sock is not None and closed(kept.sock)
            answer = read_all(busy)
            assert answer.startswith(b"HTTP/1.1 418 ") and b"Connection: close" in answer
            with pytest.raises(ConnectionRefusedError):
                call(emulator, "GET", "/health/live")
        assert call(emulator, "GET", "/health/live").status == 200 and emulator.port == port
        emulator.clear_faults()
        assert read_all(stalled) == b""
    kept.close()


@pytest.mark.parametrize(
    ("offset", "ago", "status"),
    [
        (timedelta(minutes=10), timedelta(minutes=-14), 201),
        (timedelta(minutes=10), timedelta(minutes=-16), 400),
        (timedelta(minutes=-10), timedelta(minutes=6), 201),
        (timedelta(minutes=-10), timedelta(), 400),
        (timedelta(days=8), timedelta(), 400),
        (timedelta(days=-8), timedelta(days=9), 201),
    ],
)
def test_clock(emulator: Emulator, offset: timedelta, ago: timedelta, status: int) -> None:
    with emulator.clock(offset=offset):
        answer = call(emulator, "POST", EVENTS, event(event_timestamp=moment(ago)))
        assert (answer.status == 400) == (status == 400)
        shown = parsedate_to_datetime(answer.headers["Date"])
        assert abs(shown - datetime.now(UTC) - offset) < timedelta(seconds=5)
        disabled = create(emulator).json["workflow_id"]
        reply = call(emulator, "PATCH", f"{WORKFLOWS}/{disabled}/disable", {}).json
        assert abs(datetime.fromisoformat(reply["disabled_at"][:26] + "Z") - shown) < timedelta(seconds=5)
    date = call(emulator, "GET", "/health").headers["Date"]
    assert abs(parsedate_to_datetime(date) - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("offset", [600, timedelta(days=40000), None])
def test_bad_clock(emulator: Emulator, offset: Any) -> None:
    with pytest.raises(ValueError, match="offset must be a timedelta"), emulator.clock(offset=offset):
        pass
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
    assert about["build"] == "2025-12-30" and set(about) == {"build", "version", "routes"}
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


def test_control_scripts_every_kind_of_fault(emulator: Emulator) -> None:
    settings = {
        "operation": "POST /api/v1/workflows",
        "html": True,
        "status": 503,
        "commit": True,
        "count": None,
        "probability": 1.0,
        "seed": 3,
        "when": {"headers": {"X-Request-ID": "r1"}, "members": {"/labels/priority": "P0"}},
    }
    shown = control(emulator, "POST", "/faults", settings).json
    assert settings.items() <= shown.items()
    assert create(emulator, "a").status == 201
    assert create(emulator, "b", headers={"X-Request-ID": "r1"}).status == 503
    assert names(emulator) == [("a", "1.0.0"), ("b", "1.0.0")]
    emulator.fault("livenessCheck", status=500, when=lambda record: True)
    assert control(emulator, "GET", "/faults").json["faults"][1]["when"] == "a Python function"


@pytest.mark.parametrize(
    ("path", "broken", "good", "state"),
    [
        ("/database", {"state": "down"}, {"state": "up"}, "database down"),
        ("/redis", {"state": "down"}, {"state": "up"}, "redis down"),
        ("/migration-018", {"state": "missing"}, {"state": "applied"}, "migration missing"),
        ("/partition", {"state": "missing"}, {"state": "there"}, "no partition"),
        ("/clock", {"offset": -3600}, {"offset": 0}, "clock off"),
    ],
)
def test_control_of_the_states(
    emulator: Emulator, path: str, broken: dict[str, Any], good: dict[str, Any], state: str
) -> None:
    for _ in range(2):
        assert control(emulator, "POST", path, broken).json == broken
    (listed,) = control(emulator, "GET", "/faults").json["faults"]
    assert listed == {"id": emulator.faults[0].id, "state": state, "active": True}
    for _ in range(2):
        assert control(emulator, "POST", path, good).json == good
    assert control(emulator, "GET", "/faults").json == {"faults": []}
    control(emulator, "POST", path, broken)
    control(emulator, "DELETE", "/faults")
    assert emulator.faults == () and observed(emulator) == GOOD


def test_control_refuses_connections_for_a_while(emulator: Emulator) -> None:
    assert control(emulator, "POST", "/connections", {"refused": 0.3}).json == {"refused": 0.3}
    with pytest.raises(ConnectionRefusedError):
        control(emulator, "GET", "")
    eventually(lambda: emulator.faults == ())
    assert control(emulator, "GET", "").status == 200


def test_control_shows_dead_letters(emulator: Emulator) -> None:
    with emulator.no_partition():
        assert call(emulator, "POST", EVENTS, event("rr-7")).status == 202
    (letter,) = control(emulator, "GET", "/dead-letters").json["dead_letters"]
    assert letter["stream"] == "audit:dlq:events" and letter["payload"]["correlation_id"] == "rr-7"


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
        ("POST", "/redis", {"state": 1}, 400, "not 1"),
        ("POST", "/migration-018", {}, 400, "state must be"),
        ("POST", "/partition", {"state": "up"}, 400, "not 'up'"),
        ("POST", "/clock", {}, 400, "offset must be a number of seconds"),
        ("POST", "/clock", {"offset": 1e12}, 400, "offset must be"),
        ("POST", "/connections", {"refused": -1}, 400, "refused must be a number of seconds from 0"),
        ("POST", "/connections", {"refused": True}, 400, "refused must be"),
        ("POST", "/shutdown", {"delay": "1"}, 400, "delay must be"),
        ("POST", "/shutdown", {"restart_after": None}, 400, "restart_after must be"),
        ("POST", "/faults", {"operation": "*", "state": "database down"}, 400, "a fault has no state"),
        ("POST", "/faults", {"operation": "GET /nowhere", "status": 500}, 400, "the service has no 'GET /nowhere'"),
        ("POST", "/faults", {"operation": "*", "status": 500, "when": []}, 400, "when must be"),
        ("POST", "/faults", b'{"operation": "*", "delay": 1' + b"0" * 400 + b"}", 400, "delay must be at most"),
        ("POST", "/faults", b"[" * 200_000, 400, "the body is nested too deeply"),
        ("POST", "/faults", b'{"operation": "*", "status": 500, "body": {"a": NaN}}', 400, "NaN is no finite number"),
        (
            "POST",
            "/faults",
            b'{"operation": "*", "status": 500, "when": {"members": {"a": 1e999}}}',
            400,
            "1e999 is no",
        ),
        ("POST", "/shutdown", b'{"delay": 1' + b"0" * 400 + b"}", 400, "delay must be"),
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
        ({"Host": "emulator:8080"}, 403),
    ],
)
def test_control_answers_neither_foreign_hosts_nor_other_sites(
    emulator: Emulator, headers: dict[str, str], status: int
) -> None:
    answer = call(emulator, "POST", "/_emulator/reset", {}, headers=headers)
    assert answer.status == status
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_foreign_origin_writes_nothing_to_the_log(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    answer = call(emulator, "GET", "/_emulator/requests", headers={"Origin": "http://[\x1b[31mhttp://evil.example"})
    assert answer.status == 403
    assert caplog.records == []


def test_no_text_of_a_request_acts_on_whoever_reads_the_log(
    emulator: Emulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of the emulator's own is logged with the path and the exception, which may quote the request."""

    async def wrong(*_: object) -> Any:
        try:
            raise ValueError("\x1b[31m\nforged: line")
        except ValueError as error:
            raise KeyError("\x9b31m\u202e") from error

    monkeypatch.setattr(Control, "__call__", wrong)
    assert call(emulator, "GET", "/_emulator/%1b[31m%0Aforged").status == 500
    assert r"\x1b[31m\nforged failed" in caplog.text
    assert r"ValueError: \x1b[31m\nforged: line" in caplog.text and r"KeyError: '\x9b31m\u202e'" in caplog.text
    assert "in wrong" in caplog.text
    assert not set("\x1b\x9b\u202e") & set(caplog.text)
    assert not [line for line in caplog.text.splitlines() if line.startswith("forged")]


CREDENTIALS = ("Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Password", "X-Session-Id", "X-Other")


def test_the_log_of_requests_shows_no_credentials_over_http(emulator: Emulator) -> None:
    create(emulator, headers=dict.fromkeys(CREDENTIALS, "SECRET") | {"X-Request-ID": "r1"})
    answer = control(emulator, "GET", "/requests")
    assert b"SECRET" not in answer.body
    headers = answer.json["requests"][0]["headers"]
    assert {headers[name.lower()] for name in CREDENTIALS} == {"<hidden>"}
    assert (headers["x-request-id"], headers["content-type"]) == ("r1", "application/json")


def test_a_browser_gets_no_leave_to_delete(emulator: Emulator) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "DELETE"}
    answer = call(emulator, "OPTIONS", "/_emulator/requests", headers=headers)
    assert answer.status == 403 and "Access-Control-Allow-Methods" not in answer.headers


def test_an_empty_body_needs_no_media_type(emulator: Emulator) -> None:
    call(emulator, "POST", WORKFLOWS, workflow())
    assert call(emulator, "POST", "/_emulator/reset").status == 200
    assert call(emulator, "POST", "/_emulator/reset", b"", headers={"Content-Type": FORM}).status == 200
    assert call(emulator, "POST", "/_emulator/reset", b"{}", headers={"Content-Type": FORM}).status == 415
    assert names(emulator) == []


def test_the_routes_are_listed_and_each_takes_its_body(emulator: Emulator) -> None:
    routes: list[dict[str, Any]] = []
    for path in ("/_emulator", "/_emulator/"):
        routes = call(emulator, "GET", path).json["routes"]
        assert {"GET /_emulator/requests", "POST /_emulator/database", "POST /_emulator/redis"} <= {
            f"{route['method']} {route['path']}" for route in routes
        }
    quick = {"shutdown": {"delay": 0, "deadline": 0, "restart_after": 0}}
    for route in routes:
        name = route["path"].rpartition("/")[2]
        path = route["path"].replace("NAME", "audit_events")
        assert call(emulator, route["method"], path, quick.get(name, route["body"])).status == 200, route
        emulator.reset()


def test_database_and_redis_go_down_over_http(emulator: Emulator) -> None:
    assert control(emulator, "POST", "/database", {"state": "down"}).json == {"state": "down"}
    assert control(emulator, "POST", "/redis", {"state": "down"}).json == {"state": "down"}
    assert call(emulator, "POST", EVENTS, event()).status == 500
    control(emulator, "POST", "/redis", {"state": "up"})
    assert call(emulator, "POST", EVENTS, event()).status == 202
    assert control(emulator, "POST", "/reset").status == 200
    assert call(emulator, "POST", EVENTS, event()).status == 201


def test_a_restart_over_http_is_answered_first(emulator: Emulator) -> None:
    with raw(emulator) as idle:
        assert control(emulator, "POST", "/restart").json == {}
        assert closed(idle)

    def up() -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            return call(emulator, "GET", "/health").status == 200
        return False

    eventually(up)


OPEN_TO_OTHERS = [
    ({"Host": "emulator:8080"}, 200),
    ({"Host": "emulator.ci.svc.cluster.local"}, 200),
    ({"Host": "10.1.2.3:80"}, 200),
    # What a page in a browser sends: the name could have been rebound.
    ({"Host": "emulator:8080", "Origin": "http://emulator:8080"}, 403),
    ({"Host": "emulator:8080", "Origin": "http://evil.example"}, 403),
    ({"Host": "emulator:8080", "Sec-Fetch-Site": "same-origin"}, 403),
    ({"Host": "localhost", "Origin": "http://localhost"}, 200),
    ({"Host": "localhost", "Origin": "http://evil.example"}, 403),
]


@pytest.fixture(scope="module")
def open_emulator() -> Iterator[Emulator]:
    """An emulator that other machines can reach."""
    with Emulator(host="0.0.0.0") as emulator:
        yield emulator


@pytest.mark.parametrize(("headers", "status"), OPEN_TO_OTHERS)
def test_control_answers_whoever_was_let_in(open_emulator: Emulator, headers: dict[str, str], status: int) -> None:
    assert call(open_emulator, "POST", "/_emulator/reset", headers=headers).status == status


def test_a_caller_that_goes_away_is_not_logged(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    emulator.fault("*", trickle=0.0001, status=200, body="x" * 10_000)
    with raw(emulator, request_bytes("GET", "/health")) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert connection.recv(1)
    for _ in range(50):  # each takes longer than a byte of the other
        call(emulator, "GET", "/health/live")
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []
