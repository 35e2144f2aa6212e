"""Every recorded answer, fed to both clients: what it is decoded to, or raised as.

The client asks with good input of its own; the mocked service answers its first request, and every repeat of it, with
the recorded answer. The questions that a procedure asks beside it are answered as the same installation answered them.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from kubernaut_client import (
    APIError,
    BadRequestError,
    BatchResult,
    ConflictError,
    ConnectionDroppedError,
    DatabaseError,
    HealthStatus,
    ImmutableFieldError,
    InternalServerError,
    KubernautError,
    NotFoundError,
    Outcome,
    RetryPolicy,
    ServiceUnavailableError,
    ValidationError,
)
from kubernaut_client.models import UNSET, StoredWorkflow
from tests.audit_events import event, notification
from tests.colours import COLOURS, Colour, opened
from tests.contract.recorded import replay
from tests.workflows import workflow

RECORDED = Path(__file__).resolve().parent / "recorded"
ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
UNKNOWN, REFUSED = Outcome.UNKNOWN, Outcome.REFUSED
QUICK = RetryPolicy(attempts=2, wait_initial=0, wait_max=0, jitter=0)

# Which method of the client meets a recorded request. What no client sends is an answer that its route may give.
ROUTES = [
    ("create", "POST", r"/api/v1/workflows"),
    ("search", "POST", r"/api/v1/workflows/search"),
    ("list", "GET", r"/api/v1/workflows/?(\?.*)?"),
    ("versions", "GET", r"/api/v1/workflows/by-name/[^/]+(/versions)?"),
    ("get", "GET|DELETE", r"/api/v1/workflows/[^/]+"),
    ("update", "PATCH", r"/api/v1/workflows/[^/]+"),
    ("disable", "PATCH", r"/api/v1/workflows/[^/]+/disable"),
    ("write", "POST", r"/api/v1/audit/events"),
    ("write_batch", "POST", r"/api/v1/audit/events/batch"),
    ("query", "GET", r"/api/v1/audit/events(\?.*)?"),
    ("notify", "GET|POST", r"/api/v1/audit/notifications"),
    ("check", "GET", r"/health"),
    ("ready", "GET", r"/health/ready"),
    ("live", "GET", r"/health/live"),
]


def method_of(step: dict[str, Any]) -> str | None:
    for name, methods, path in ROUTES:
        if re.fullmatch(methods, step["method"]) and re.fullmatch(path, step["path"]):
            return name
    return None


def recorded() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(file/scenario/step, method of the client, answer) of every recorded step."""
    for file in sorted(RECORDED.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            scenario = json.loads(line)
            for number, step in enumerate(scenario["steps"]):
                name = method_of(step)
                assert name is not None, f"no method of the client meets {step['method']} {step['path']}"
                yield f"{file.stem}/{scenario['id']}/{number}", name, step["answer"]


STEPS = {key: (name, answer) for key, name, answer in recorded()}


def asides(installation: str) -> dict[str, dict[str, Any]]:
    """How an installation answers the questions of the procedures: looking at versions, a row, events, its health."""
    # Nothing is wrong with the installation of exchanges.jsonl, nor with this one as far as reading goes.
    source = "broken-partition" if installation == "exchanges" else installation
    return {name: STEPS[f"{source}/{scenario}/0"][1] for name, scenario in ASIDES.items()}


ASIDES = {"versions": "versions", "get": "get", "query": "query", "check": "health"}


def response(answer: dict[str, Any]) -> httpx.Response:
    if answer.get("closed"):
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
    content = body(answer)
    headers = {"content-type": answer["type"]} if answer["type"] else {}
    if "allow" in answer:
        headers["allow"] = ", ".join(answer["allow"])
    return httpx.Response(answer["status"], headers=headers, content=content)


def document(answer: dict[str, Any]) -> Any:
    """The JSON of an answer; lists that weren't recorded are made up."""
    members = replay.concrete(answer["json"])
    if answer["status"] == 201 and "event_ids" not in members and "events" in str(members.get("message")):
        members["event_ids"] = ids(int(members["message"].split()[0]))
    if "pagination" in members:
        members.setdefault("data", [])
    return members


def body(answer: dict[str, Any]) -> bytes:
    return str(json.dumps(document(answer)) + "\n" if "json" in answer else replay.concrete(answer["text"])).encode()


def ids(count: int) -> list[str]:
    return [str(UUID(int=number)) for number in range(1, count + 1)]


@dataclass
class Service:
    """Answers one method of the client with a recorded answer, and all others as the installation does."""

    method: str
    answer: dict[str, Any]
    others: dict[str, dict[str, Any]]
    asked: list[str] = field(default_factory=list[str])

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        name = method_of({"method": request.method, "path": path})
        assert name is not None
        again = name in self.asked
        self.asked.append(name)
        if name == "write_batch" and again:
            # What is sent again is what is good.
            return httpx.Response(201, json={"event_ids": ids(len(json.loads(request.content))), "message": ""})
        return response(self.answer if name == self.method else self.others[name])


SEARCH = {"signal_type": "s", "severity": "high", "component": "c", "environment": "e", "priority": "P0"}
# With a parent, as only then an answer about one is the service's.
EVENTS = [event(parent_event_id=ID) for _ in range(200)]


def number_of_events(answer: dict[str, Any]) -> int:
    """How many events a recorded batch answer was given to; two where it doesn't say."""
    return len(document(answer)["event_ids"]) if answer["status"] == 201 else 2


def ask(colour: Colour, key: str) -> tuple[Any, Service]:
    method, answer = STEPS[key]
    service = Service(method, answer, asides(key.partition("/")[0]))
    transport = httpx.MockTransport(service)
    http_client: Any = (httpx.Client if colour == "sync" else httpx.AsyncClient)(transport=transport)
    with opened(colour, "http://ds.example", retry=QUICK, http_client=http_client) as client:
        calls = {
            "create": lambda: client.workflows.create(workflow()),
            "list": lambda: list(client.workflows.list()),
            "versions": lambda: client.workflows.versions("restart-pod"),
            "get": lambda: client.workflows.get(ID),
            "update": lambda: client.workflows.update(ID, status="disabled"),
            "disable": lambda: client.workflows.disable(ID),
            "search": lambda: client.workflows.search(**SEARCH),
            "write": lambda: client.audit.write(EVENTS[0]),
            "write_batch": lambda: client.audit.write_batch(EVENTS[: number_of_events(answer)]),
            "query": lambda: list(client.audit.query(correlation_id="c")),
            "notify": lambda: client.notifications.create(notification()),
            "check": client.health.check,
            "ready": client.health.ready,
            "live": client.health.live,
        }
        return raised_by(calls[method]), service


def raised_by(call: Callable[[], Any]) -> Any:
    """What a call returns, or the error of ours that it raises."""
    try:
        return call()
    except KubernautError as error:
        return error


# What is raised ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Raised:
    cls: type[KubernautError]
    outcome: Outcome
    inferred: bool = False
    status: int | None = None
    asked: str = ""
    """What was asked after the first request, where the outcome needs it."""


VALIDATION = Raised(ValidationError, REFUSED, status=400)
BAD_REQUEST = Raised(BadRequestError, REFUSED, status=400)
IMMUTABLE = Raised(ImmutableFieldError, REFUSED, status=400)
FAULT = Raised(InternalServerError, REFUSED, status=500)
# Looked at, and nothing there; looked at in vain; a 404 that was a failed look-up of the service, as the GET shows.
NOT_STORED = Raised(InternalServerError, REFUSED, status=500, asked="versions")
NOBODY_KNOWS = Raised(InternalServerError, UNKNOWN, status=500, asked="versions")
LOOK_UP_FAILED = Raised(InternalServerError, REFUSED, status=500, asked="get")
# The not-found procedure; before it, for a PATCH, nothing but the PATCH.
ABSENT = Raised(NotFoundError, REFUSED, inferred=True, status=404, asked="get check get get")
ABSENT_AT_CHANGE = Raised(NotFoundError, REFUSED, inferred=True, status=404, asked="get get check get get")

# Asked for in vain, twice; a parent that the service could not look for, and one that isn't there.
NOT_READ = Raised(DatabaseError, REFUSED, status=500, asked="query")
NOT_WRITTEN = Raised(DatabaseError, UNKNOWN, status=500, asked="query query")
NO_LOOK_UP = Raised(ServiceUnavailableError, REFUSED, inferred=True, status=503, asked="check")
NO_PARENT = Raised(ValidationError, REFUSED, status=400, asked="check")

RAISED: dict[str, Raised] = {
    "broken-database-and-redis/create/0": NOBODY_KNOWS,
    "broken-database-and-redis/get/0": FAULT,
    "broken-database-and-redis/get-malformed/0": FAULT,
    "broken-database-and-redis/list/0": FAULT,
    "broken-database-and-redis/versions/0": FAULT,
    "broken-database-and-redis/update/0": LOOK_UP_FAILED,
    "broken-database-and-redis/disable/0": LOOK_UP_FAILED,
    "broken-database/create/0": NOBODY_KNOWS,
    "broken-database/get/0": FAULT,
    "broken-database/get-malformed/0": FAULT,
    "broken-database/list/0": FAULT,
    "broken-database/versions/0": FAULT,
    "broken-database/update/0": LOOK_UP_FAILED,
    "broken-database/disable/0": LOOK_UP_FAILED,
    "broken-migration-018/create/0": NOBODY_KNOWS,
    "broken-migration-018/get/0": FAULT,
    "broken-migration-018/get-malformed/0": FAULT,
    "broken-migration-018/list/0": FAULT,
    "broken-migration-018/versions/0": FAULT,
    "broken-migration-018/update/0": LOOK_UP_FAILED,
    "broken-migration-018/disable/0": LOOK_UP_FAILED,
    "broken-partition/get/0": ABSENT,
    "broken-partition/get-malformed/0": FAULT,
    "broken-partition/update/0": ABSENT_AT_CHANGE,
    "broken-partition/disable/0": ABSENT_AT_CHANGE,
    "exchanges/create-missing-workflow_name/0": VALIDATION,
    "exchanges/create-missing-version/0": VALIDATION,
    "exchanges/create-missing-name/0": VALIDATION,
    "exchanges/create-missing-description/0": VALIDATION,
    "exchanges/create-missing-content/0": VALIDATION,
    "exchanges/create-missing-content_hash/0": VALIDATION,
    "exchanges/create-missing-labels/0": VALIDATION,
    "exchanges/create-missing-execution_engine/0": VALIDATION,
    "exchanges/create-missing-status/0": VALIDATION,
    "exchanges/create-empty-version/0": BAD_REQUEST,
    "exchanges/create-empty-name/0": BAD_REQUEST,
    "exchanges/create-null-owner/0": VALIDATION,
    "exchanges/create-null-container_image/0": VALIDATION,
    "exchanges/create-null-approved_at/0": VALIDATION,
    "exchanges/create-label-missing-environment/0": VALIDATION,
    "exchanges/create-label-empty-signal_type/0": BAD_REQUEST,
    "exchanges/create-label-empty-component/0": BAD_REQUEST,
    "exchanges/create-label-bad-severity/0": VALIDATION,
    "exchanges/create-label-bad-priority/0": VALIDATION,
    "exchanges/create-version-51/0": VALIDATION,
    "exchanges/create-digest-72-500/0": NOT_STORED,
    "exchanges/create-parameters-array/0": VALIDATION,
    "exchanges/create-rate-out-of-range/0": VALIDATION,
    "exchanges/create-zoneless-time/0": BAD_REQUEST,
    "exchanges/create-two-problems/0": VALIDATION,
    "exchanges/create-wrong-types/0": VALIDATION,
    "exchanges/create-no-content-type/0": VALIDATION,
    "exchanges/create-text-plain/0": VALIDATION,
    "exchanges/create-malformed-json/0": VALIDATION,
    "exchanges/create-array-body/0": VALIDATION,
    "exchanges/get-unknown-uuid-closed/0": ABSENT,
    "exchanges/versions-no-suffix-404/0": Raised(APIError, REFUSED, status=404),
    "exchanges/trailing-slash-404/0": Raised(APIError, REFUSED, status=404),
    "exchanges/method-405-delete/0": Raised(APIError, REFUSED, status=405),
    "exchanges/list-limit-word/0": VALIDATION,
    "exchanges/list-status-bad/0": VALIDATION,
    "exchanges/list-status-empty/0": VALIDATION,
    "exchanges/update-immutable-content/1": IMMUTABLE,
    "exchanges/update-immutable-labels/1": IMMUTABLE,
    "exchanges/update-null-status/1": VALIDATION,
    "exchanges/update-no-body/1": VALIDATION,
    "exchanges/update-unknown-closed/0": ABSENT_AT_CHANGE,
    "exchanges/update-malformed-404/0": ABSENT_AT_CHANGE,
    "exchanges/disable-no-body/1": BAD_REQUEST,
    "exchanges/disable-unknown-closed/0": ABSENT_AT_CHANGE,
    "exchanges/disable-malformed-404/0": ABSENT_AT_CHANGE,
    "exchanges/disable-null-reason/1": VALIDATION,
    "broken-database-and-redis/search/0": FAULT,
    "broken-database-and-redis/event/0": NOT_WRITTEN,
    "broken-database-and-redis/event-with-parent/0": NO_LOOK_UP,
    "broken-database-and-redis/event-invalid/0": VALIDATION,
    "broken-database-and-redis/batch/0": NOT_WRITTEN,
    "broken-database-and-redis/query/0": NOT_READ,
    "broken-database-and-redis/notification/0": Raised(ServiceUnavailableError, UNKNOWN, status=503, asked="notify"),
    "broken-database/search/0": FAULT,
    "broken-database/event-with-parent/0": NO_LOOK_UP,
    "broken-database/event-invalid/0": VALIDATION,
    "broken-database/batch/0": NOT_WRITTEN,
    "broken-database/query/0": NOT_READ,
    "broken-migration-018/search/0": FAULT,
    "broken-migration-018/event-with-parent/0": NO_PARENT,
    "broken-migration-018/event-invalid/0": VALIDATION,
    "broken-partition/event-with-parent/0": NO_PARENT,
    "broken-partition/event-invalid/0": VALIDATION,
    "broken-partition/batch/0": Raised(DatabaseError, UNKNOWN, status=500, asked="query"),
    "exchanges/search-custom-quote-500/1": FAULT,
    "exchanges/search-top-k-0/0": VALIDATION,
    "exchanges/search-min-score-bad/0": VALIDATION,
    "exchanges/search-empty-object/0": VALIDATION,
    "exchanges/search-missing-signal_type/0": VALIDATION,
    "exchanges/search-missing-component/0": VALIDATION,
    "exchanges/search-missing-environment/0": VALIDATION,
    "exchanges/search-empty-component/0": BAD_REQUEST,
    "exchanges/search-severity-star/0": VALIDATION,
    "exchanges/search-priority-star/0": VALIDATION,
    "exchanges/event-missing-version/0": VALIDATION,
    "exchanges/event-missing-event_type/0": VALIDATION,
    "exchanges/event-missing-event_category/0": VALIDATION,
    "exchanges/event-missing-event_action/0": VALIDATION,
    "exchanges/event-missing-event_outcome/0": VALIDATION,
    "exchanges/event-empty-event_action/0": VALIDATION,
    "exchanges/event-empty-correlation_id/0": VALIDATION,
    "exchanges/event-null-actor_id/0": VALIDATION,
    "exchanges/event-null-resource_type/0": VALIDATION,
    "exchanges/event-null-event_category/0": VALIDATION,
    "exchanges/event-bad-outcome/0": VALIDATION,
    "exchanges/event-data-array/0": BAD_REQUEST,
    "exchanges/event-data-string/0": BAD_REQUEST,
    "exchanges/event-not-a-time/0": VALIDATION,
    "exchanges/event-type-101/0": VALIDATION,
    "exchanges/event-parent-malformed/0": BAD_REQUEST,
    "exchanges/event-duration-float/0": BAD_REQUEST,
    "exchanges/batch-object/0": VALIDATION,
    "exchanges/query-limit-1001/0": VALIDATION,
    "exchanges/query-since-plus-unescaped/0": VALIDATION,
    "exchanges/query-since-empty/0": VALIDATION,
    "exchanges/notification-duplicate-409/1": Raised(ConflictError, REFUSED, status=409),
    "exchanges/notification-missing-notification_id/0": VALIDATION,
    "exchanges/notification-missing-recipient/0": VALIDATION,
    "exchanges/notification-missing-message_summary/0": VALIDATION,
    "exchanges/notification-missing-status/0": VALIDATION,
    "exchanges/notification-missing-sent_at/0": VALIDATION,
    "exchanges/notification-empty-recipient/0": VALIDATION,
    "exchanges/notification-recipient-256/0": VALIDATION,
    "exchanges/notification-channel-webhook/0": VALIDATION,
    "exchanges/notification-channel-sms/0": VALIDATION,
    "exchanges/notification-status-pending/0": VALIDATION,
    "exchanges/notification-future/0": VALIDATION,
    "exchanges/notification-zoneless/0": VALIDATION,
    "exchanges/notification-get-405/0": Raised(APIError, REFUSED, status=405),
}

UNREACHABLE = HealthStatus(False, "unhealthy", "database_unreachable", "<text>")
NOT_READY = HealthStatus(False, "not_ready", "database_unreachable", "<text>")
HEALTH: dict[str, HealthStatus] = {
    "broken-database-and-redis/health/0": UNREACHABLE,
    "broken-database-and-redis/ready/0": NOT_READY,
    "broken-database-and-redis/live/0": HealthStatus(True, "alive"),
    "broken-database/health/0": UNREACHABLE,
    "broken-database/ready/0": NOT_READY,
    "broken-database/live/0": HealthStatus(True, "alive"),
    "broken-migration-018/health/0": HealthStatus(True, "healthy"),
    "broken-migration-018/ready/0": HealthStatus(True, "ready"),
    "broken-migration-018/live/0": HealthStatus(True, "alive"),
    "broken-partition/health/0": HealthStatus(True, "healthy"),
    "broken-partition/ready/0": HealthStatus(True, "ready"),
    "broken-partition/live/0": HealthStatus(True, "alive"),
    "exchanges/health-live/0": HealthStatus(True, "alive"),
}

# Written: the status of the receipt; of a batch, how many were stored and which were rejected for what.
WRITTEN: dict[str, str | tuple[int, dict[int, str]]] = {
    "broken-migration-018/event/0": "stored",
    "broken-migration-018/notification/0": "stored",
    "broken-partition/notification/0": "stored",
    "exchanges/event-201/0": "stored",
    "exchanges/event-full-then-query/0": "stored",
    "exchanges/event-nulls/0": "stored",
    "exchanges/event-old-6d/0": "stored",
    "exchanges/event-resend-twice-stored/0": "stored",
    "exchanges/event-resend-twice-stored/1": "stored",
    "exchanges/notification-duplicate-409/0": "stored",
    "exchanges/notification-nulls/0": "stored",
    "exchanges/notification-offset-kept/0": "stored",
    "broken-database/event/0": "queued",
    "broken-database/notification/0": "queued",
    "broken-partition/event/0": "queued",
    "exchanges/event-version-11-202/0": "queued",
    "exchanges/event-nul-202/0": "queued",
    "broken-migration-018/batch/0": (2, {}),
    "exchanges/batch-seed-curl/0": (1, {0: 'version: property "version" is missing'}),
    "exchanges/batch-one-bad-enum/0": (1, {1: "event_outcome: value is not one of the allowed values"}),
    "exchanges/batch-one-old/0": (1, {1: "timestamp is too old"}),
    "exchanges/batch-zoneless/0": (2, {}),  # it names none, and each alone is taken here
    "exchanges/batch-version-ignored/0": (1, {}),
    "exchanges/batch-parent-unchecked/0": (1, {}),
    "exchanges/batch-200/0": (200, {}),
    "exchanges/query-pages/0": (3, {}),
    "exchanges/query-filters/0": (2, {}),
}

# Decoded: what the answer holds.
DECODED = {
    f"{installation}/{step}"
    for installation, steps in {
        "broken-migration-018": "query/0",
        "broken-partition": "create/0 list/0 versions/0 search/0 query/0",
        "exchanges": """
            create-201/0 create-second-version-flips-latest/0 create-second-version-flips-latest/1
            create-second-version-flips-latest/2 create-second-version-flips-latest/3
            create-older-version-becomes-latest/0 create-older-version-becomes-latest/1
            create-older-version-becomes-latest/2 create-label-empty-environment/0 create-label-priority-star/0
            create-label-priority-star/1 create-status-disabled/0 create-status-disabled/1 create-rate-rounded/0
            create-rate-rounded/1 create-full/0 create-full/1 create-echo-unstored/0 create-echo-unstored/1
            create-unknown-property/0 create-maintainer-not-email/0 get-upper-case-id/0 get-upper-case-id/1
            versions-unknown-null/0 versions-two/0 versions-two/1 versions-two/2 list-empty/0 list-one/0 list-one/1
            list-status-filter/0 list-status-filter/1 list-status-filter/2 list-limit-0/0 list-limit-1000/0
            list-offset-negative/0 list-offset-beyond/0 list-offset-beyond/1 list-environment-priority/0
            list-environment-priority/1 list-environment-priority/2 list-ignores-others/0 list-ignores-others/1
            update-disable-bare/0 update-disable-bare/1 update-disable-bare/2 update-deprecate/0 update-deprecate/1
            update-deprecate/2 update-reactivate/0 update-reactivate/1 update-reactivate/2 update-reactivate/3
            update-empty-object/0 update-empty-object/1 update-immutable-content/0 update-immutable-labels/0
            update-ignored-name/0 update-ignored-name/1 update-ignored-name/2 update-null-status/0 update-no-body/0
            disable-empty/0 disable-empty/1 disable-empty/2 disable-no-body/0 disable-null-reason/0
            search-all-boosts/0 search-tool-star-request/0 search-tool-star-stored/0 search-mesh-star-request/0
            search-custom-exact/0 search-custom-star/0 search-custom-miss/0 search-custom-dotted-key/0
            search-custom-quote-500/0 search-component-star-stored/0 search-environment-star-stored/0
            search-case-sensitive/0 search-status-ignored/0 search-failed-detections/0 search-top-k-1/0
            search-top-k-1/1 search-min-score-hit/0 search-min-score-miss/0
            search-none/0 search-all-boosts/1 search-tool-star-request/1 search-tool-star-stored/1
            search-mesh-star-request/1 search-custom-exact/1 search-custom-star/1 search-custom-miss/1
            search-custom-dotted-key/1 search-component-star-stored/1 search-environment-star-stored/1
            search-case-sensitive/1 search-status-ignored/1 search-failed-detections/1 search-top-k-1/2
            search-min-score-hit/1 search-min-score-miss/1 event-full-then-query/1 event-nulls/1
            event-version-11-202/1 event-resend-twice-stored/2 batch-one-bad-enum/1 batch-one-old/1
            batch-version-ignored/1 batch-parent-unchecked/1 batch-200/1 query-pages/1 query-pages/2
            query-default-limit/0 query-limit-empty/0 query-category-free/0 query-filters/1 query-filters/2
            query-filters/3 query-filters/4 query-since-days/0 query-since-date/0
        """,
    }.items()
    for step in steps.split()
}


def test_the_tables_hold_every_recorded_step_once_and_no_other() -> None:
    scenarios = {tuple(key.split("/")[:2]) for key in STEPS}
    assert Counter(installation for installation, _ in scenarios) == {
        "exchanges": 162,
        "broken-database": 17,
        "broken-database-and-redis": 17,
        "broken-migration-018": 17,
        "broken-partition": 17,
    }
    named = [*RAISED, *HEALTH, *DECODED, *WRITTEN]
    assert len(named) == len(set(named))
    assert set(named) == set(STEPS)
    for key in DECODED:
        assert 200 <= STEPS[key][1]["status"] < 300
    for key, written in WRITTEN.items():
        assert 200 <= STEPS[key][1]["status"] < 300 or isinstance(written, tuple)
    for key in RAISED:
        assert not 200 <= STEPS[key][1].get("status", 0) < 300


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("key", RAISED)
def test_every_recorded_error(key: str, colour: Colour) -> None:
    expected = RAISED[key]
    error: Any
    error, service = ask(colour, key)
    method, answer = STEPS[key]
    kind = type(error)
    assert kind is expected.cls
    assert (error.outcome, error.inferred) == (expected.outcome, expected.inferred)
    assert error.status == expected.status
    assert service.asked == [method, *expected.asked.split()]
    assert len(error.history) == len(service.asked)
    assert error.request_id
    if not expected.inferred and expected is not LOOK_UP_FAILED:
        assert error.body == body(answer)
        for member in ("type", "title", "detail", "instance"):
            if member in answer.get("json", {}):
                assert getattr(error.problem, member) == replay.concrete(answer["json"])[member]
    if expected.inferred:
        assert error.evidence
    if expected.cls is ValidationError and expected is not NO_PARENT:
        assert error.field_errors
    for shown in (str(error), repr(error)):
        assert shown.isprintable()
        assert "Schema:" not in shown
        assert "WorkflowSchema" not in shown
    if expected.cls is APIError and expected.status == 404:
        assert "base_url" in str(error)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("key", HEALTH)
def test_every_recorded_probe(key: str, colour: Colour) -> None:
    status, service = ask(colour, key)
    assert status == HEALTH[key]
    assert bool(status) is HEALTH[key].ok
    assert len(service.asked) == 1


# Members that the answer of a method shows as they were sent, or as they were before, instead of as they are stored.
UNTRUE = {
    "create": """
        created_at updated_at updated_by status_reason disabled_at disabled_by disabled_reason deprecation_notice
        actual_success_rate total_executions successful_executions
    """.split(),
    "update": ["updated_at", "updated_by", "status_reason", "disabled_at"],
    "disable": ["updated_at", "updated_by", "status_reason", "disabled_at"],
    "query": "parent_event_date duration_ms error_code error_message retention_days is_sensitive".split(),
}


LISTS = {"list": "workflows", "versions": "versions", "query": "data"}


def comparable(row: dict[str, Any], method: str) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if name not in UNTRUE.get(method, ())}
    for name in ("created_at", "updated_at", "disabled_at", "approved_at", "event_timestamp"):
        if name in kept:
            kept[name] = str(kept[name]).replace("+00:00", "Z")
    return kept


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("key", sorted(DECODED))
def test_every_recorded_success(key: str, colour: Colour) -> None:
    method, answer = STEPS[key]
    value, service = ask(colour, key)
    assert service.asked == [method]
    members = document(answer)
    if method == "search":
        assert value.to_dict() == members
        return
    if method in LISTS:
        rows = members[LISTS[method]] or []
        assert isinstance(value, list)
        assert [comparable(row.to_dict(), method) for row in value] == [comparable(row, method) for row in rows]
        return
    assert isinstance(value, StoredWorkflow)
    assert comparable(value.to_dict(), method) == comparable(members, method)
    assert str(value.workflow_id) == members["workflow_id"]
    for name in UNTRUE.get(method, ()):
        assert getattr(value, name) is UNSET


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("key", WRITTEN)
def test_every_recorded_write(key: str, colour: Colour) -> None:
    value, service = ask(colour, key)
    method, answer = STEPS[key]
    expected = WRITTEN[key]
    assert set(service.asked) == {method}
    if isinstance(expected, tuple):
        stored, rejected = expected
        assert isinstance(value, BatchResult)
        assert (len(value.stored), len(value.queued), len(value.rejected)) == (stored, 0, len(rejected))
        assert [receipt.event for receipt in value] == EVENTS[: len(value)]
        for index, reason in rejected.items():
            assert value[index].status == "rejected"
            assert reason in str(value[index].reason)
        assert not any(receipt.recovered for receipt in value)
        return
    assert value.status == expected
    assert not value.recovered
    if method == "write":
        assert value.event_id == (UUID(document(answer)["event_id"]) if expected == "stored" else None)
        return
    assert (value.stored_record is None) == (expected == "queued")


@pytest.mark.parametrize("colour", COLOURS)
def test_a_drop_of_an_unhealthy_service_stays_a_drop(colour: Colour) -> None:
    """The same closed connection, when the database of the service is down, says nothing about the id."""
    key = "exchanges/get-unknown-uuid-closed/0"
    others = asides("broken-database")
    service = Service("get", STEPS[key][1], others)
    http_client: Any = (httpx.Client if colour == "sync" else httpx.AsyncClient)(transport=httpx.MockTransport(service))
    once = RetryPolicy(attempts=1)
    with opened(colour, "http://ds.example", retry=once, http_client=http_client) as client:
        caught = raised_by(lambda: client.workflows.get(ID))
    assert type(caught) is ConnectionDroppedError
    assert caught.outcome is UNKNOWN
    assert service.asked == ["get", "get", "check"]
