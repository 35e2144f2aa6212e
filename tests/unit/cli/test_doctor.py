"""What `doctor --write` makes of each way in which sending its event can end, by both routes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from kubernaut_client import (
    AuditReceipt,
    ConnectError,
    ConnectionDroppedError,
    DataStorageClient,
    KubernautError,
    Outcome,
    RequestTimeoutError,
    ResponseDecodeError,
)
from kubernaut_client.cli import doctor
from kubernaut_client.cli.diagnosis import Effect, Probe, Seen, Written
from kubernaut_client.cli.observation import Answer
from kubernaut_client.errors import error_for
from kubernaut_client.problems import Problem
from tests.unit.cli.tools import call

ID = UUID("6a1e3f43-9d0f-4c6b-8a7e-0b9f3a1c2d4e")
PAGE = Answer(status=200, accepted=True, body=b'{"data": [], "workflows": []}')
BATCH = Seen(
    url="http://a.example",
    proxy=None,
    token=False,
    timeout=10.0,
    write=True,
    live=Answer(status=200, accepted=True, body=b'{"status": "alive"}'),
    rows=PAGE,
    events=PAGE,
)
SINGLE = replace(
    BATCH,
    health=Probe(answer=Answer(status=503), status="unhealthy"),
    events=Answer(status=500, problem="Database Error"),
)


def sent(end: KubernautError | AuditReceipt, seen: Seen) -> tuple[Written, list[dict[str, Any]]]:
    """What is made of it, and the events that were sent."""
    events: list[dict[str, Any]] = []

    def write(event: dict[str, Any]) -> AuditReceipt:
        events.append(event)
        if isinstance(end, KubernautError):
            raise end
        return end

    def write_batch(batch: list[dict[str, Any]]) -> list[AuditReceipt]:
        (event,) = batch
        return [write(event)]

    route = {"write": write} if seen.route == "single" else {"write_batch": write_batch}
    audit = SimpleNamespace(**route)
    return doctor._write(cast("DataStorageClient", SimpleNamespace(audit=audit)), seen), events


def answered(status: int, problem: str | None = None, *, detail: str | None = None, media: str = "text/html") -> Any:
    headers = {"content-type": media}
    document = Problem(status, title=problem, detail=detail, is_document=problem is not None)
    return error_for(document, write=True, headers=headers)


@pytest.mark.parametrize("seen", [BATCH, SINGLE], ids=["batch", "single"])
@pytest.mark.parametrize(
    ("end", "effect", "words"),
    [
        (answered(500, "Database Error"), "failed", "500 (Database Error)"),
        (answered(503, "Service Unavailable"), "failed", "503 (Service Unavailable)"),
        (answered(500), "unknown", "500 (text/html)"),
        (answered(502), "unknown", "502 (text/html)"),
        (answered(503, media=""), "unknown", "503"),
        (answered(504, media="text/plain"), "unknown", "504 (text/plain)"),
        (answered(429), "limited", "429 (text/html)"),
        (answered(429, "Too Many Requests"), "limited", "429 (Too Many Requests)"),
        (answered(401), "denied", "401 (text/html)"),
        (answered(403, "Forbidden"), "denied", "403 (Forbidden)"),
        (answered(302), "foreign", "302 (text/html)"),
        (answered(400), "foreign", "400 (text/html)"),
        (answered(404, media="text/plain"), "foreign", "404 (text/plain)"),
        (answered(404, "Not Found"), "foreign", "404 (Not Found)"),
        (answered(405), "foreign", "405 (text/html)"),
        (answered(407), "foreign", "407 (text/html)"),
        (answered(413), "foreign", "413 (text/html)"),
        (answered(413, "Too Large"), "foreign", "413 (Too Large)"),
        (answered(400, "Bad Request"), "rejected", "400 (Bad Request)"),
        (answered(422, "Bad"), "rejected", "422 (Bad)"),
        (
            answered(400, "Validation Error", detail="invalid timestamp: timestamp is too old (x)"),
            "mistimed",
            "400 (Validation Error: invalid timestamp: timestamp is too old (x))",
        ),
        (ConnectError("no connection to http://a.example: Connection refused"), "unsent", "Connection refused"),
        (RequestTimeoutError("no time left"), "unsent", "no time left"),
        (
            RequestTimeoutError("no answer from http://a.example within 1 s", outcome=Outcome.UNKNOWN),
            "unknown",
            "nothing within 1 s",
        ),
        (
            ConnectionDroppedError("no answer from http://a.example: it ended.", outcome=Outcome.UNKNOWN),
            "unknown",
            "it ended",
        ),
        (
            ResponseDecodeError("no", status=200, headers={"content-type": "text/html"}, outcome=Outcome.UNKNOWN),
            "unknown",
            "200 (text/html)",
        ),
        (ResponseDecodeError("no", status=201, outcome=Outcome.APPLIED), "unknown", "201"),
    ],
)
def test_a_failure(end: KubernautError, effect: Effect, words: str, seen: Seen) -> None:
    written, events = sent(end, seen)
    assert (written.effect, written.words, written.event_id) == (effect, words, None)
    assert written.single is (seen is SINGLE)
    assert len(events) == 1
    assert written.answer.status == getattr(end, "status", None)


@pytest.mark.parametrize(
    ("reason", "effect"),
    [
        ("invalid timestamp: timestamp is in the future (server time: 1, event time: 2)", "mistimed"),
        ("invalid timestamp: timestamp is too old (must be within 7 days, age: 200h)", "mistimed"),
        ("event_outcome: value is not one of the allowed values", "rejected"),
    ],
)
def test_a_rejected_event(reason: str, effect: Effect) -> None:
    written, _ = sent(AuditReceipt("rejected", None, {}, reason=reason), BATCH)
    assert (written.effect, written.words) == (effect, f"400 ({reason})")


def test_success() -> None:
    written, (event,) = sent(AuditReceipt("stored", ID, {}), BATCH)
    assert (written.effect, written.event_id, written.single, written.answer.status) == ("stored", str(ID), False, 201)
    assert event["correlation_id"] == written.correlation_id
    queued, _ = sent(AuditReceipt("queued", None, {}), SINGLE)
    assert (queued.effect, queued.event_id, queued.single, queued.answer.status) == ("queued", None, True, 202)


def test_the_event_has_the_time_of_the_service() -> None:
    receipt = AuditReceipt("stored", ID, {})
    now = datetime.now(UTC)
    live = replace(BATCH.live, headers={"date": "Mon, 01 Dec 2025 12:00:00 GMT"}, at=now.timestamp())
    for seen, expected in ((BATCH, now), (replace(BATCH, live=live), datetime(2025, 12, 1, 12, tzinfo=UTC))):
        written, (event,) = sent(receipt, seen)
        assert abs(written.day - expected) < timedelta(minutes=1)
        assert event["event_timestamp"] == written.day


def test_help_says_by_which_route() -> None:
    words = " ".join(call("doctor", "--help").stdout.split())
    assert "through the batch route" in words
    assert "queues it in Redis" in words
