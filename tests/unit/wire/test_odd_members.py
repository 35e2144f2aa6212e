"""Numbers, times, pointers and texts of a reply that nothing expects: a `KubernautError` or a value, receipts kept.

Each member of a row holds each odd value once, in replies that otherwise fit, so that what reads them later meets it:
comparisons, look-ups, cursors, new requests. Generated answers are in `test_generated_answers`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import httpx
import pytest

from kubernaut_client import BatchResult, DataStorageClient, KubernautError, RateLimitError
from kubernaut_client.batches import refusal
from kubernaut_client.spool.verdict import judge
from tests.audit_events import event, notification
from tests.unit.wire.driver import EVENT, IDENTITY, ONCE, STORED, WORKFLOW
from tests.unit.wire.generator import INDICES, NUMBERS, POINTERS, TIMES, dump
from tests.unit.wire.test_generated_answers import SEARCH

_FAILED: tuple[Any, ...] = (5, [[]], "@int 4000")
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**50, 1e300, "", "x", [], {}, [None], {"a": [{"b": None}]}, "\ud83d", "\x00"),
    *NUMBERS,
    *({"failed_detections": each} for each in _FAILED),
    *({"a": "@int 4000"}, {"a": ["@int 4000"]}, [["@infinite"]], {"x": ["\ud800"]}),
    *("9999-12-31T23:59:59.999999-23:59", "0001-01-01T00:00:00+23:59", "2026-01-01T00:00:00", "2026-01-01"),
    *("9" * 255, "1." + "9" * 200, "%2f", "..", "a/b", "\ud800/x"),
)
WANTED: Mapping[str, Any] = {
    **WORKFLOW,
    "approved_at": "2026-01-01T00:00:00Z",
    "approved_by": "x",
    "expected_success_rate": 0.5,
    "expected_duration_seconds": 5,
    "custom_labels": {"a": ["b"]},
    "detected_labels": {"git_ops_managed": True, "failed_detections": ["pdb_protected"]},
    "parameters": {"a": 1.5},
}
MEMBERS = (
    *dict.fromkeys((*STORED, *WANTED)),
    *("created_at", "updated_at", "disabled_at", "actual_success_rate", "total_executions", "previous_version", "more"),
)
HEADERS = {"content-type": "application/json"}
Reply = Callable[[httpx.Request], httpx.Response]


def replied(status: int, document: object, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={**HEADERS, **headers}, content=dump(document))


def always(document: object) -> Reply:
    return lambda _: replied(200, document)


def outcomes(reply: Reply, *calls: Callable[[DataStorageClient], Any]) -> Iterator[object]:
    """The value or the KubernautError of each call, both shown as text; anything else fails the test."""
    with (
        httpx.Client(transport=httpx.MockTransport(reply)) as own,
        DataStorageClient("http://127.0.0.1:1", retry=ONCE, http_client=own) as client,
    ):
        for call in calls:
            try:
                value = call(client)
                value = list(value) if isinstance(value, Iterator) else value
            except KubernautError as error:
                value = error
            assert repr(value)
            yield value


def catalog(row: object, post: int) -> Reply:
    """A service whose every row is this one, and that answers a POST with that status."""

    def reply(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/health":
            return replied(200, {"status": "healthy"})
        if request.method == "POST" and path.endswith("/workflows"):
            return replied(post, row if post == 201 else {"type": "x/conflict" if post == 409 else "x/internal-error"})
        if path.endswith("/versions"):
            return replied(200, {"versions": [row]})
        if path.endswith("/workflows"):
            return replied(200, {"workflows": [row], "total": 1})
        return replied(200, row)

    return reply


@pytest.mark.slow
@pytest.mark.parametrize("member", MEMBERS)
def test_workflows(member: str) -> None:
    for odd in ODD:
        row = {**WANTED, "workflow_id": IDENTITY, "is_latest_version": True, member: odd}
        for post in (201, 409, 500)[: 1 + 2 * (member in WANTED)]:
            for value in outcomes(
                catalog(row, post),
                lambda client: client.workflows.create(WANTED),
                lambda client: client.workflows.ensure(WANTED),
                lambda client: client.workflows.bootstrap([WANTED]),
            ):
                with suppress(KubernautError):
                    getattr(value, "raise_for_errors", str)()
        list(
            outcomes(
                catalog(row, 409),
                lambda client: client.workflows.get(IDENTITY),
                lambda client: client.workflows.list(),
                lambda client: client.workflows.plan([WANTED]),
                lambda client: client.workflows.update(IDENTITY, status="active"),
                lambda client: client.workflows.disable(IDENTITY, reason="r"),
                lambda client: client.workflows.republish(IDENTITY, version="9.0.0"),
                lambda client: client.workflows.republish(IDENTITY, version="9.0.0", content="x"),
            )
        )


@pytest.mark.parametrize("member", ["confidence", "final_score", "label_boost", "title", "total_results", "workflows"])
def test_searches(member: str) -> None:
    for odd in ODD:
        row = {"workflow_id": IDENTITY, "title": "t", "description": "d", "signal_type": "s", "confidence": 0.5}
        row |= {"final_score": 0.5, "rank": 1}
        document = {"workflows": [{**row, member: odd}], "total_results": 1}
        for each in (document, {**document, member: odd}):
            list(outcomes(always(each), lambda client: client.workflows.search(**SEARCH)))


@pytest.mark.slow
@pytest.mark.parametrize("member", [*EVENT, "retention_days", "more"])
def test_events(member: str) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return replied(200, {"data": [{**EVENT, member: odd}], "pagination": {"has_more": odd, "total": odd}})
        if "notifications" in request.url.path:
            stored = {**json.loads(request.content), "id": 1, "created_at": odd, member: odd}
            return replied(201, stored)
        return replied(502, {})

    for odd in ODD:  # noqa: B007 - read by `reply`
        list(
            outcomes(
                reply,
                lambda client: client.audit.query(),
                lambda client: client.audit.wait_for(5, timeout=0.01),
                lambda client: client.audit.write(event(correlation_id="c", event_timestamp=EVENT["event_timestamp"])),
                lambda client: client.audit.write_batch([event(), event()]),
                lambda client: client.notifications.create(notification()),
            )
        )


@pytest.mark.parametrize("odd", ODD)
def test_pages_and_ids(odd: object) -> None:
    for document in (
        {"workflows": [STORED], "total": odd},
        {"workflows": odd, "total": odd},
        {"data": odd, "pagination": odd},
        {"event_ids": odd},
        {"event_ids": [odd, odd]},
        {"event_id": odd},
        odd,
    ):

        def reply(request: httpx.Request, document: object = document) -> httpx.Response:
            # The page after the first is empty, whatever the total was.
            later = request.url.params.get("offset", "0") != "0"
            status = 201 if request.method == "POST" else 200
            return replied(status, {"workflows": [], "data": [], "total": 0} if later else document)

        list(
            outcomes(
                reply,
                lambda client: client.workflows.list(),
                lambda client: client.workflows.plan([WANTED] * 3),
                lambda client: client.audit.query(),
                lambda client: client.audit.write(event()),
                lambda client: client.audit.write_batch([event(), event()]),
                lambda client: client.health.check(),
            )
        )


# Refusals of batches --------------------------------------------------------------------------------------------------

DATES = (
    "Mon, 01 Jan 0001 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Sat, 01 Jan 9999999999 00:00:00 GMT",
    "9" * 5000,
    "",
)
DETAILS = (
    *(f"event at index {index}: {text}" for index in INDICES for text in TIMES),
    *(f'Error at "/{index}{pointer}": why' for index in INDICES for pointer in POINTERS),
    *(f'Error at "/0": x | Error at "/{index}": y' for index in INDICES),
)


@pytest.mark.parametrize("date", DATES)
def test_a_refusal_keeps_the_receipts(date: str) -> None:
    """The first two of four events are refused in an odd way; whatever that comes to, each event has its receipt."""
    events = [event(correlation_id=f"c-{number}") for number in range(4)]

    refused: dict[str, Any] = {}

    def reply(request: httpx.Request) -> httpx.Response:
        sent = [each["correlation_id"] for each in json.loads(request.content)]
        if "c-0" in sent or "c-1" in sent:
            return replied(400, {"type": "x/validation-error", **refused}, date=date)
        return replied(201, {"event_ids": [f"{number:032x}" for number in range(len(sent))]})

    members: list[dict[str, Any]] = [
        *({"detail": detail} for detail in DETAILS),
        *({"field_errors": {f"/{index}{pointer}": "why"}} for index in INDICES for pointer in POINTERS),
    ]
    for refused in members:  # noqa: B007 - read by `reply`
        (result,) = outcomes(reply, lambda client: client.audit.write_batch(events))
        if isinstance(result, KubernautError):
            assert len(result.receipts) == len(events)
            assert judge(result, len(events)).verdict
            refusal(result, len(events))
        else:
            assert isinstance(result, BatchResult)
            assert len(result) == len(events)


@pytest.mark.parametrize("value", ["9" * 5000, "1e999", "-1e999", "nan", "inf", "1_0", "\u0663", "-5", *DATES])
def test_retry_after(value: str) -> None:
    (error,) = outcomes(
        lambda _: httpx.Response(429, headers=[(b"Retry-After", value.encode())]),
        lambda client: client.workflows.get(IDENTITY),
    )
    assert isinstance(error, RateLimitError)
    assert error.retry_after is None or error.retry_after >= 0
