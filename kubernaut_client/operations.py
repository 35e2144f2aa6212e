"""The operation table: one row per operation of the contract, and how its answers are read.

A row says how its request is built (by the generated client), which statuses are success and how each is decoded,
whether it writes, and what settles it when its outcome isn't known. Nothing here does I/O: `execute` sends, `settle`
decides.
"""

# The generated builders have private names; calling them instead of `sync_detailed` is the design of this package.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from kubernaut_datastorage.api.audit_write_api import (
    create_audit_event,
    create_audit_events_batch,
    create_notification_audit,
    query_audit_events,
)
from kubernaut_datastorage.api.health import get_metrics, health_check, liveness_check, readiness_check
from kubernaut_datastorage.api.workflow_catalog_api import (
    create_workflow,
    disable_workflow,
    get_workflow_by_id,
    list_workflow_versions,
    list_workflows,
    search_workflows,
    update_workflow,
)
from kubernaut_datastorage.models import (
    AuditEvent,
    NotificationAuditResponse,
    StoredWorkflow,
    WorkflowSearchResponse,
)

from .body import BodyError, BodyRefusedError, BodyTimeoutError
from .errors import (
    InvalidRequestError,
    KubernautError,
    Outcome,
    RequestTimeoutError,
    ResponseDecodeError,
    error_for,
)
from .http import Answer, Request
from .limits import ZERO_TIME
from .problems import READ_LIMIT, deeper, load_json, one_line, parse

T = TypeVar("T")


class Settlement(StrEnum):
    """What is done when the outcome of an operation isn't known; the procedures are in `settle`."""

    REPEAT = "repeat"
    """A read: repeating it is harmless."""
    CREATE = "create"
    """The unique index on name and version makes repeating harmless; then the versions of the name are looked at."""
    NOT_FOUND = "not_found"
    """A read whose connection the service closes when the id is unknown: it and the control question are asked."""
    UPDATE = "update"
    """Never repeated before the row has been looked at."""
    LOOK = "look"
    """Sent once: the service has no key that would make a second one harmless. What may have arrived is looked for."""
    UNIQUE = "unique"
    """A unique key makes repeating harmless; a conflict after a lost answer shows that it arrived. Nothing reads it."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One attempt, as `on_call` gets it.

    `route` is `METHOD /path/{template}`, `attempt` counts from 1 within the call (questions that settle an outcome
    included), `status` is None when no status line came, `outcome` is APPLIED for a success, `elapsed` is in seconds,
    `error` is the exception of this attempt, None for a success.
    """

    operation: str
    route: str
    attempt: int
    status: int | None
    outcome: Outcome
    elapsed: float
    request_id: str
    error: KubernautError | None = None


@dataclass(frozen=True, slots=True)
class HealthStatus:
    """What a probe came to; true in a condition when it is well.

    `status` is the service's own word (healthy, unhealthy, ready, not_ready, alive), None when no usable answer came;
    `reason` says why it isn't well (`database_unreachable`, `shutting_down`, or what kept us from an answer), `error`
    is the text that came with it.
    """

    ok: bool
    status: str | None = None
    reason: str | None = None
    error: str | None = None

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True)
class Operation(Generic[T]):
    """One row: `build` is the generated `_get_kwargs`, `decoders` maps each success status to what reads its JSON."""

    name: str
    method: str
    path: str
    build: Callable[..., dict[str, Any]]
    decoders: Mapping[int, Callable[[Any], T]]
    settlement: Settlement
    media_types: tuple[str, ...] = ("application/json",)
    depth: int | None = READ_LIMIT
    """Levels of arrays and objects that its answer may have; None where each item is held to a limit of its own."""

    @property
    def write(self) -> bool:
        """Whether it changes what the service stores."""
        return self.settlement not in (Settlement.REPEAT, Settlement.NOT_FOUND)

    @property
    def route(self) -> str:
        return f"{self.method} {self.path}"

    def request(self, *arguments: Any, **members: Any) -> Request:
        """The request for these arguments of the generated builder, encoded once for all attempts."""
        return encode(self.build(*arguments, **members))

    def read(self, answer: Answer) -> T:
        """The decoded success, else the exception that the answer is."""
        decode = self.accept(answer)
        try:
            return decode(load_json(answer.body, self.depth))
        # The generated models raise whatever their code runs into when a member is missing or of another type.
        except Exception as error:  # noqa: BLE001 - see above
            reason = f"{answer.status} whose body can't be read: {_reason(error)}"
        raise _unreadable(reason, answer, Outcome.APPLIED)

    def accept(self, answer: Answer) -> Callable[[Any], T]:
        """What decodes the body of a documented success; raises the exception that any other answer is."""
        status, headers, body = answer.status, answer.headers, answer.body
        if not 200 <= status < 300:
            raise error_for(parse(status, body), write=self.write, headers=headers, body=body)
        decode = self.decoders.get(status)
        if decode is None:
            expected = " or ".join(map(str, self.decoders))
            raise _unreadable(f"{status} where {expected} is documented", answer, Outcome.UNKNOWN)
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in self.media_types:
            shown = one_line(repr(media_type), 60) if media_type else "no content type"
            reason = f"{status} with {shown} where {self.media_types[0]} is documented; is base_url right?"
            raise _unreadable(reason, answer, Outcome.UNKNOWN)
        if not answer.complete:
            reason = (
                str(answer.cause) if isinstance(answer.cause, BodyError) else "whose body was cut or can't be decoded"
            )
            if isinstance(answer.cause, BodyTimeoutError) and not self.write:
                raise RequestTimeoutError(f"{status} {reason}", outcome=Outcome.UNKNOWN) from answer.cause
            raise _unreadable(f"{status} {reason}", answer, Outcome.APPLIED) from answer.cause
        return decode


def _unreadable(reason: str, answer: Answer, outcome: Outcome) -> ResponseDecodeError:
    return ResponseDecodeError(
        reason,
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        cut=not answer.complete and not isinstance(answer.cause, BodyRefusedError),
        outcome=outcome,
    )


@dataclass(frozen=True)
class Unread(Operation[Answer]):
    """An operation whose documented successes are handed on as they are, for the generated client to decode."""

    @classmethod
    def of(cls, row: Operation[Any]) -> Unread:
        return cls(row.name, row.method, row.path, row.build, row.decoders, row.settlement, row.media_types, row.depth)

    def read(self, answer: Answer) -> Answer:
        self.accept(answer)
        return answer


class Text(Operation[str]):
    """An operation that answers with a text instead of JSON."""

    def read(self, answer: Answer) -> str:
        self.accept(answer)
        return answer.body.decode("utf-8", "replace")


class Body:
    """A request body that has been checked and encoded already, in the shape that the generated builders call."""

    __slots__ = ("_members",)

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    def to_dict(self) -> dict[str, Any]:
        return self._members


def encode(arguments: Mapping[str, Any]) -> Request:
    """The arguments that a generated builder makes for httpx, as a request with its JSON encoded."""
    body = arguments.get("json")
    content = None
    if body is not None:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    given: dict[str, str] = arguments.get("headers") or {}
    headers = {name: value for name, value in given.items() if name.lower() != "content-type"}
    method = str(arguments["method"]).upper()
    return Request(method, str(arguments["url"]), arguments.get("params"), content, headers or None)


# What a stored workflow's members must be before other code relies on it: the generated models take any type for most.
_TEXTS = """
    workflow_name version name description content content_hash execution_engine status owner maintainer container_image
    container_digest status_reason disabled_by disabled_reason previous_version deprecation_notice version_notes
    change_summary approved_by created_by updated_by
"""
_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(_TEXTS.split(), str),
    "is_latest_version": bool,
    **dict.fromkeys(("expected_duration_seconds", "total_executions", "successful_executions"), int),
    **dict.fromkeys(("expected_success_rate", "actual_success_rate"), (int, float)),
    **dict.fromkeys(("labels", "detected_labels"), dict),
}
_TIMES = ("created_at", "updated_at", "disabled_at", "approved_at")


# What stands for a documented member that a row of another build lacks: what the service shows where nothing is stored.
_ABSENT_TEXTS = dict.fromkeys(("name", "description", "content", "content_hash", "execution_engine", "status"), "")
_ABSENT_LABELS = dict.fromkeys(("signal_type", "severity", "component", "environment", "priority"), "")


def stored_workflow(document: object) -> StoredWorkflow:
    """A workflow of a reply; only one without id, name or version can't be read.

    Nulls and year-0001 times count as absent; what is of another type raises TypeError.
    """
    if not isinstance(document, dict):
        raise TypeError("a workflow must be an object")
    members: dict[str, Any] = {**_ABSENT_TEXTS, "is_latest_version": False, "labels": {}}
    for name, value in cast("dict[str, Any]", document).items():
        if value is not None:
            if not isinstance(value, _KINDS.get(name, object)):
                raise TypeError(f"{name} is of type {type(value).__name__}")
            members[name] = value
    for name in _TIMES:
        if str(members.get(name, "")).startswith(ZERO_TIME):
            del members[name]
    for name in ("labels", "detected_labels"):
        if None in members.get(name, {}).values():
            members[name] = {key: value for key, value in members[name].items() if value is not None}
    for key, value in members.get("labels", {}).items():
        if not isinstance(value, str):
            raise TypeError(f"labels.{one_line(str(key), 40)} is of type {type(value).__name__}")
    members["labels"] = {**_ABSENT_LABELS, **members["labels"]}
    for name in ("workflow_name", "version"):
        if not members[name]:
            raise TypeError(f"{name} must be a text")
    return StoredWorkflow.from_dict(members)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of workflows: the good rows, what is wrong with the bad ones, and how many rows there were at all."""

    workflows: list[StoredWorkflow]
    bad: list[str]
    returned: int
    total: int | None


_UUID = re.compile(r"[0-9A-Fa-f-]{36}")


def _page(key: str) -> Callable[[Any], Page]:
    def decode(document: Any) -> Page:
        if not isinstance(document, dict):
            raise TypeError("a list must be an object")
        members = cast("dict[str, Any]", document)
        items = members[key]
        # Go encodes an empty list that was never filled as null.
        rows = cast("list[object]", [] if items is None else items)
        if not isinstance(rows, list):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{key} is of type {type(items).__name__}")
        good: list[StoredWorkflow] = []
        bad: list[str] = []
        for index, row in enumerate(rows):
            try:
                good.append(stored_workflow(row))
            except Exception as error:  # noqa: BLE001 - as in Operation.read
                identity = cast("dict[str, Any]", row).get("workflow_id") if isinstance(row, dict) else None
                known = isinstance(identity, str) and _UUID.fullmatch(identity)
                bad.append(f"{f'workflow {identity}' if known else f'{key}[{index}]'}: {_reason(error)}")
        total = members.get("total")
        return Page(good, bad, len(rows), total if type(total) is int else None)

    return decode


_EVENT_TEXTS = """
    event_type version event_category event_action event_outcome correlation_id resource_type resource_id actor_id
    actor_type
"""
# What the service never reads from its database, and shows as this whatever is stored.
_CONSTANT = {
    "parent_event_date": None,
    "duration_ms": 0,
    "error_code": "",
    "error_message": "",
    "retention_days": 0,
    "is_sensitive": False,
}


# The build of 2025-12-12 has other names for two members.
_RENAMED = {"resource_namespace": "namespace", "cluster_id": "cluster_name"}
# What stands for a documented member that a row lacks: the version that all events of a batch have, else what the
# service shows where nothing is stored.
_ABSENT_EVENT = {**dict.fromkeys(_EVENT_TEXTS.split(), ""), "version": "1.0"}


def audit_event(document: object) -> AuditEvent:
    """An event of a reply; only one without id, time or type can't be read.

    What the service never fills is absent, what is of another type raises TypeError.
    """
    if not isinstance(document, dict):
        raise TypeError("an event must be an object")
    if deeper(cast("object", document), READ_LIMIT):
        raise TypeError("an event must be nested less deeply")
    members = {
        name: value
        for name, value in cast("dict[str, Any]", document).items()
        if name not in _CONSTANT or value not in (None, _CONSTANT[name])
    }
    for name, documented in _RENAMED.items():
        if documented not in members and isinstance(members.get(name), str):
            members[documented] = members.pop(name)
    for name, value in _ABSENT_EVENT.items():
        if members.get(name) is None:
            members[name] = value
    if members.get("event_data") is None:
        members["event_data"] = {}
    if not members["event_type"]:
        raise TypeError("event_type must be a text")
    for name in _EVENT_TEXTS.split():
        if not isinstance(members[name], str):
            raise TypeError(f"{name} is of type {type(members[name]).__name__}")
    if not isinstance(members["event_data"], dict):
        raise TypeError(f"event_data is of type {type(members['event_data']).__name__}")
    for name in ("namespace", "cluster_name", "severity"):
        if not isinstance(members.get(name, ""), str):
            del members[name]
    if isinstance(members.get("event_date"), str):
        members["event_date"] = members["event_date"][:10]  # that build shows it with a time
    event = AuditEvent.from_dict(members)
    if event.event_timestamp.tzinfo is None:
        raise TypeError("event_timestamp must be a time with a zone")
    if not _in_utc(event.event_timestamp):
        raise TypeError("event_timestamp must be a time that utc has")
    return event


def _in_utc(moment: datetime) -> bool:
    """Whether an aware time lies in the years 1 to 9999 of UTC, too, without which little can be done with it."""
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class EventRow:
    """One row of a page: its event, else what is wrong with it. `time` is None where not even that can be read."""

    time: datetime | None
    event: AuditEvent | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of events, newest first; `more`: whether the service says that others follow, None if it doesn't say."""

    rows: list[EventRow]
    more: bool | None


def _event_page(document: Any) -> EventPage:
    members = _document(document)
    items = members["data"]
    rows = cast("list[object]", [] if items is None else items)
    if not isinstance(rows, list):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"data is of type {type(items).__name__}")
    pagination: Any = members.get("pagination")
    more: Any = cast("dict[str, Any]", pagination).get("has_more") if isinstance(pagination, dict) else None
    return EventPage([_event_row(row) for row in rows], more if isinstance(more, bool) else None)


def _event_row(row: object) -> EventRow:
    try:
        event = audit_event(row)
        return EventRow(event.event_timestamp, event)
    except Exception as error:  # noqa: BLE001 - as in Operation.read
        fault = _reason(error)
    members = cast("dict[str, Any]", row) if isinstance(row, dict) else {}
    try:
        time = datetime.fromisoformat(members["event_timestamp"])
        return EventRow(time if time.tzinfo and _in_utc(time) else None, None, f"event {_shown_id(members)}: {fault}")
    except (KeyError, TypeError, ValueError):
        return EventRow(None, None, f"event {_shown_id(members)}: {fault}")


def _shown_id(members: Mapping[str, Any]) -> str:
    return one_line(str(members.get("event_id", "without an id")), 60)


def _event_id(document: Any) -> UUID:
    return UUID(_document(document)["event_id"])


def _event_ids(document: Any) -> list[UUID]:
    return [UUID(each) for each in _document(document)["event_ids"]]


def _queued(document: Any) -> None:
    """A 202 says nothing but that it is one."""
    _document(document)


def _notification(document: Any) -> NotificationAuditResponse:
    members = _document(document)
    if type(members["id"]) is not int:
        raise TypeError(f"id is of type {type(members['id']).__name__}")
    return NotificationAuditResponse.from_dict(members)


_NUMBERS = ("confidence", "final_score", "label_boost", "label_penalty")


def _search(document: Any) -> WorkflowSearchResponse:
    members = dict(_document(document))
    rows = cast("list[object]", members["workflows"] or [])
    members["workflows"] = [_search_result(row) for row in rows]
    return WorkflowSearchResponse.from_dict(members)


def _search_result(row: object) -> dict[str, Any]:
    """A result as it came, without nulls; what is of another type raises TypeError."""
    members = {name: value for name, value in _document(row).items() if value is not None}
    for name in ("title", "description", "signal_type"):
        if not isinstance(members[name], str):
            raise TypeError(f"{name} is of type {type(members[name]).__name__}")
    for name in _NUMBERS:
        value = members.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} is of type {type(value).__name__}")
    return members


def _document(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise TypeError("must be an object")
    return cast("dict[str, Any]", document)


def _reason(error: Exception) -> str:
    """What is wrong with a document, without quoting it."""
    if isinstance(error, KeyError):
        return f"member {one_line(repr(error.args[0]), 60)} is missing"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON at character {error.pos}"
    if type(error) is TypeError and re.fullmatch(r"[\w.\[\]]+ is of type \w+|[a-z_ ]+ must be [a-z ]+", str(error)):
        return str(error)
    return f"a member is of another type or form than documented ({type(error).__name__})"


_BY_NAME_UNESCAPED = re.compile("%(24|26|2B|2C|3A|3B|3D|40)")


def _list_versions(workflow_name: str) -> dict[str, Any]:
    # The service compares the escaped form of a name unless it is escaped just as Go does it, which leaves $&+,:;=@ as
    # they are; the generated builder escapes them.
    arguments = list_workflow_versions._get_kwargs(workflow_name)
    arguments["url"] = _BY_NAME_UNESCAPED.sub(lambda found: chr(int(found[1], 16)), arguments["url"])
    return arguments


_CATALOG, _WORKFLOW, _EVENTS = "/api/v1/workflows", "/api/v1/workflows/{workflow_id}", "/api/v1/audit/events"
_VERSIONS = "/api/v1/workflows/by-name/{workflow_name}/versions"
_READ = Settlement.REPEAT
# The service sends its health as JSON without a content type, which Go's server then takes for text.
_HEALTH = ("text/plain", "application/json")
_EVENT: dict[int, Callable[[Any], UUID | None]] = {201: _event_id, 202: _queued}
_NOTIFICATION: dict[int, Callable[[Any], NotificationAuditResponse | None]] = {201: _notification, 202: _queued}

CREATE_WORKFLOW = Operation(
    "createWorkflow", "POST", _CATALOG, create_workflow._get_kwargs, {201: stored_workflow}, Settlement.CREATE
)
LIST_WORKFLOWS = Operation(
    "listWorkflows", "GET", _CATALOG, list_workflows._get_kwargs, {200: _page("workflows")}, _READ
)
SEARCH_WORKFLOWS = Operation(
    "searchWorkflows",
    "POST",
    _CATALOG + "/search",
    search_workflows._get_kwargs,
    {200: _search},
    _READ,
)
GET_WORKFLOW = Operation(
    "getWorkflowByID", "GET", _WORKFLOW, get_workflow_by_id._get_kwargs, {200: stored_workflow}, Settlement.NOT_FOUND
)
UPDATE_WORKFLOW = Operation(
    "updateWorkflow", "PATCH", _WORKFLOW, update_workflow._get_kwargs, {200: stored_workflow}, Settlement.UPDATE
)
DISABLE_WORKFLOW = Operation(
    "disableWorkflow",
    "PATCH",
    _WORKFLOW + "/disable",
    disable_workflow._get_kwargs,
    {200: stored_workflow},
    Settlement.UPDATE,
)
LIST_VERSIONS = Operation("listWorkflowVersions", "GET", _VERSIONS, _list_versions, {200: _page("versions")}, _READ)
CREATE_AUDIT_EVENT = Operation(
    "createAuditEvent", "POST", _EVENTS, create_audit_event._get_kwargs, _EVENT, Settlement.LOOK
)
QUERY_AUDIT_EVENTS = Operation(
    "queryAuditEvents", "GET", _EVENTS, query_audit_events._get_kwargs, {200: _event_page}, _READ, depth=None
)
CREATE_AUDIT_EVENTS_BATCH = Operation(
    "createAuditEventsBatch",
    "POST",
    _EVENTS + "/batch",
    create_audit_events_batch._get_kwargs,
    {201: _event_ids},
    Settlement.LOOK,
)
CREATE_NOTIFICATION_AUDIT = Operation(
    "createNotificationAudit",
    "POST",
    "/api/v1/audit/notifications",
    create_notification_audit._get_kwargs,
    _NOTIFICATION,
    Settlement.UNIQUE,
)
HEALTH_CHECK = Operation("healthCheck", "GET", "/health", health_check._get_kwargs, {200: _document}, _READ, _HEALTH)
READINESS_CHECK = Operation(
    "readinessCheck", "GET", "/health/ready", readiness_check._get_kwargs, {200: _document}, _READ, _HEALTH
)
LIVENESS_CHECK = Operation(
    "livenessCheck", "GET", "/health/live", liveness_check._get_kwargs, {200: _document}, _READ, _HEALTH
)
METRICS = Text("getMetrics", "GET", "/metrics", get_metrics._get_kwargs, {200: str}, _READ, ("text/plain",))

OPERATIONS: tuple[Operation[Any], ...] = (
    CREATE_WORKFLOW,
    LIST_WORKFLOWS,
    SEARCH_WORKFLOWS,
    GET_WORKFLOW,
    UPDATE_WORKFLOW,
    DISABLE_WORKFLOW,
    LIST_VERSIONS,
    CREATE_AUDIT_EVENT,
    QUERY_AUDIT_EVENTS,
    CREATE_AUDIT_EVENTS_BATCH,
    CREATE_NOTIFICATION_AUDIT,
    HEALTH_CHECK,
    READINESS_CHECK,
    LIVENESS_CHECK,
    METRICS,
)
"""Every operation of the contract."""

# A value in a path stays one segment of it: neither a query, nor one of those that a URL is resolved by.
_SEGMENT = r"(?!(?:\\.|%2[eE]){1,2}(?:/|$))[^/?#]+"
_ROUTES = [(operation, re.compile(re.sub(r"\{\w+\}", _SEGMENT, operation.path))) for operation in OPERATIONS]


def operation_for(request: Request) -> Operation[Any]:
    """The row that a request built by the generated client belongs to; raises `InvalidRequestError` for any other."""
    for operation, path in _ROUTES:
        if operation.method == request.method and path.fullmatch(request.path):
            return operation
    raise InvalidRequestError(f"url: {request.method} {one_line(request.path, 80)} isn't in the contract", field="url")
