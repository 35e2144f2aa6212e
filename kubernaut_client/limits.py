"""Every limit that Data Storage has, as a table, checked before anything is sent.

The service answers some of these with a long 400, some with a 500 of its database and some with a success that loses
the value; here each is an `InvalidRequestError` that names the field and the limit. What is checked comes back as it
goes on the wire: members that are None or UNSET are left out, times are UTC with `Z`. A limit that only the service
knows (its clock, what is stored already) stays with the service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, Protocol, cast, runtime_checkable
from uuid import UUID

from kubernaut_datastorage.types import Unset

from .errors import InvalidField, InvalidRequestError
from .problems import DEPTH_LIMIT, LISTED, MESSAGE_LIMIT, listed, one_line, shown

STATUSES = ("active", "disabled", "deprecated", "archived")
SEVERITIES = ("critical", "high", "medium", "low")
PRIORITIES = ("P0", "P1", "P2", "P3", "*")
CATEGORIES = ("gateway", "notification", "analysis", "signalprocessing", "workflow", "execution", "orchestration")
EVENT_OUTCOMES = ("success", "failure", "pending")
CHANNELS = ("email", "slack", "pagerduty")
NAME_LIMIT = 255
VERSION_LIMIT = 50
CORRELATION_LIMIT = 255
PAGE_LIMIT = 1000
"""The service refuses a larger page; it silently returns at most 100 workflows a page."""
EVENT_AGE_LIMIT = timedelta(days=7)
EVENT_LEAD_LIMIT = timedelta(minutes=5)
"""How far before and after the service's clock the time of an event may lie; only the service can tell."""
EVENT_AHEAD_LIMIT = timedelta(days=1, hours=1)
"""How far ahead of our clock a time is at most: later builds take an hour (2026-01), and a day is for the clocks."""

ZERO_TIME = "0001-01-01T00:00:00"
"""How the service, written in Go, shows a time that it doesn't know."""

_INTEGER_MAX = 2**31 - 1  # PostgreSQL INTEGER
_EXACT_MAX = 2**53  # the service reads the numbers of event data as 64-bit floating point
# Ours: it keeps a structure that holds itself many times over from being written out.
_VALUES_LIMIT = 1_000_000
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@runtime_checkable
class _Encodable(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


@dataclass(slots=True)
class Findings:
    """What is wrong with one input, in the order of the table.

    A path inside a free-form member is cut where it gets longer than a message shows.
    """

    found: list[InvalidField] = field(default_factory=list[InvalidField])
    values: int = 0
    """JSON values seen in free-form members."""

    def add(self, path: str, reason: str) -> None:
        self.found.append(InvalidField(path, reason))

    def raise_found(self) -> None:
        """Raise `InvalidRequestError` if anything was found: with all of it, its text with the first ten."""
        if self.found:
            longest = MESSAGE_LIMIT if len(self.found) == 1 else 80
            first = [f"{one_line(path, longest)}: {reason}" for path, reason in self.found[:LISTED]]
            text = listed(first, len(self.found))
            raise InvalidRequestError(text, field=self.found[0].field, problems=self.found)


Rule = Callable[[object, str, Findings], Any]
"""Checks a value found at a path, notes what is wrong, and returns the value for the wire."""


def text(most: int | None = None, least: int = 0, choices: Sequence[str] = ()) -> Rule:
    """A string, counted in code points as the service does; PostgreSQL stores neither NUL nor lone surrogates."""

    def check(value: object, path: str, findings: Findings) -> object:
        if not isinstance(value, str):
            findings.add(path, f"must be a string, not {type(value).__name__}")
            return value
        value = str.__str__(value)  # the text itself: an enum's own str() is its name
        if choices and value not in choices:
            findings.add(path, f"must be one of {', '.join(choices)}, not {shown(value)}")
        elif len(value) < least:
            findings.add(path, "must not be empty" if least == 1 else f"must have {least} characters, has {len(value)}")
        elif most is not None and len(value) > most:
            findings.add(path, f"must have at most {most} characters, has {len(value)}")
        elif fault := _unstorable(value):
            findings.add(path, fault)
        return value

    return check


def integer(low: int, high: int) -> Rule:
    """An integer that PostgreSQL's column takes."""

    def check(value: object, path: str, findings: Findings) -> object:
        if type(value) is not int:
            findings.add(path, f"must be an integer, not {type(value).__name__}")
        elif not low <= value <= high:
            findings.add(path, f"must be from {low} to {high}, not {shown(value)}")
        return value

    return check


def number(low: float, high: float) -> Rule:
    """A finite number."""

    def check(value: object, path: str, findings: Findings) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float):
            findings.add(path, f"must be a number, not {type(value).__name__}")
        elif not low <= value <= high:
            findings.add(path, f"must be from {low:g} to {high:g}")
        return value

    return check


def boolean(value: object, path: str, findings: Findings) -> object:
    if not isinstance(value, bool):
        findings.add(path, f"must be true or false, not {type(value).__name__}")
    return value


def time(value: object, path: str, findings: Findings) -> object:
    """A point in time with a zone; the service's decoder refuses one without."""
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            findings.add(path, "must be a time as in RFC 3339, 2026-01-31T12:00:00Z")
            return value
    if not isinstance(moment, datetime):
        findings.add(path, f"must be a datetime, not {type(value).__name__}")
    elif moment.utcoffset() is None:
        findings.add(path, "must have a time zone (a naive datetime names no instant)")
    else:
        try:
            text = instant(moment)
        except OverflowError:
            findings.add(path, "must lie in the years 1 to 9999 in UTC")
            return value
        if text.startswith(ZERO_TIME):
            findings.add(path, f"must be later than {ZERO_TIME}Z, which the service takes for no time")
        return text
    return value


def instant(moment: datetime) -> str:
    """An aware datetime as the service takes it: UTC, microseconds, `Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def json_object(value: object, path: str, findings: Findings) -> object:
    """A JSON object; the service refuses any other JSON value here."""
    if not isinstance(value, Mapping):
        findings.add(path, f"must be a mapping, not {type(value).__name__}")
        return value
    return _json(cast("object", value), path, findings, 0)


def event_data(value: object, path: str, findings: Findings) -> object:
    """A JSON object whose integers the service keeps: it reads every number as 64-bit floating point."""
    if not isinstance(value, Mapping):
        findings.add(path, f"must be a mapping, not {type(value).__name__}")
        return value
    return _json(cast("object", value), path, findings, 0, _EXACT_MAX)


def written(most: int | None = None, most_bytes: int | None = None) -> Rule:
    """A string with more in it than white space, as notifications need it; `most_bytes` is counted in UTF-8."""
    rule = text(most, 1)

    def check(value: object, path: str, findings: Findings) -> object:
        before = len(findings.found)
        value = rule(value, path, findings)
        if len(findings.found) == before and isinstance(value, str):
            if not value.strip():
                findings.add(path, "must not be blank")
            elif most_bytes is not None and len(value.encode()) > most_bytes:
                findings.add(path, f"must have at most {most_bytes} bytes in UTF-8, has {len(value.encode())}")
        return value

    return check


def identity(value: object, path: str, findings: Findings) -> object:
    """A UUID, or its canonical text."""
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        findings.add(path, f"must be a UUID of 36 characters, not {shown(value)}")
    return value


def bound(value: object, path: str, findings: Findings) -> object:
    """A bound of a query as an instant, resolved by the clock of this machine.

    A datetime with a zone, a timedelta (that long ago; a negative one reaches into the future), or the service's own
    text: `7d`, `1.5d`, `24h`, `1h30m`, or a time as in RFC 3339; a date, or a time without a zone, is UTC.
    """
    if isinstance(value, str):
        found: datetime | timedelta | None = _ago(value)
        if found is None and _ABSOLUTE.fullmatch(value):
            with suppress(ValueError):
                moment = datetime.fromisoformat(value)
                found = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if found is None:
            findings.add(path, "must be a time as in RFC 3339, a date, or how long ago as 7d, 24h or 1h30m")
            return value
        value = found
    if isinstance(value, timedelta):
        try:
            value = datetime.now(UTC) - value
        except OverflowError:
            findings.add(path, "must lie in the years 1 to 9999 in UTC")
            return value
    return time(value, path, findings)


_ABSOLUTE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_TERM = re.compile(rf"({_NUMBER})(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(rf"([+-]?)(?:0|{_NUMBER}d|(?:{_TERM.pattern})+)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


def _ago(value: str) -> timedelta | None:
    """A duration in Go's notation, or a number of days; None for any other text."""
    found = _DURATION.fullmatch(value)
    if not found:
        return None
    terms = _TERM.findall(value)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in terms)
    if value.endswith("d"):
        seconds = abs(float(value[:-1])) * 86400
    try:
        return timedelta(seconds=-seconds if found[1] == "-" else seconds)
    except OverflowError:
        return timedelta.max


def text_lists(value: object, path: str, findings: Findings, rule: Rule | None = None) -> object:
    """A mapping of strings to lists of strings, as custom labels are."""
    if not isinstance(value, Mapping):
        findings.add(path, f"must be a mapping of names to lists of strings, not {type(value).__name__}")
        return value
    return {
        str.__str__(cast("str", key)): texts(item, below(path, f".{key}"), findings, rule)
        for key, item in cast("Mapping[object, object]", value).items()
        if _key(key, path, findings)
    }


def texts(value: object, path: str, findings: Findings, rule: Rule | None = None) -> object:
    """A list of strings."""
    if not isinstance(value, list | tuple):
        findings.add(path, f"must be a list of strings, not {type(value).__name__}")
        return value
    rule = rule or text()
    return [rule(item, below(path, f"[{i}]"), findings) for i, item in enumerate(cast("Iterable[object]", value))]


def below(path: str, part: str) -> str:
    """The path of what a free-form value holds. Cut, as a long key would come again with each value below it."""
    return path if len(path) > MESSAGE_LIMIT else f"{path}{part}"[: MESSAGE_LIMIT + 1]


@dataclass(frozen=True)
class Table:
    """The members of one kind of object. A member that isn't listed is refused: the service would drop it silently."""

    name: str
    required: Mapping[str, Rule]
    optional: Mapping[str, Rule] = field(default_factory=dict[str, Rule])
    ignored: frozenset[str] = frozenset()
    """Members that the service takes and doesn't store."""

    def __call__(self, value: object, path: str, findings: Findings) -> object:
        members = as_mapping(value, path or self.name, findings)
        if members is None:
            return value
        prefix = f"{path}." if path else ""
        clean: dict[str, Any] = {}
        for name, rule in (*self.required.items(), *self.optional.items()):
            given = members.get(name)
            if given is not None and not _is_unset(given):
                clean[name] = rule(given, prefix + name, findings)
            elif name in self.required:
                findings.add(prefix + name, "is missing")
        for name, given in members.items():
            if name in self.ignored and (given is None or _is_unset(given)):
                continue
            if name in self.ignored:
                findings.add(prefix + name, "is set by the service and would not be stored")
            elif name not in self.required and name not in self.optional:
                label = name if isinstance(name, str) else shown(name)  # pyright: ignore[reportUnnecessaryIsInstance]
                findings.add(prefix + label, f"is not a field of {self.name}")
        return clean

    def known(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """The members of a reply that a request takes, in the order of the table, within known objects too."""
        found: dict[str, Any] = {}
        for name, rule in (*self.required.items(), *self.optional.items()):
            if name in members:
                value = members[name]
                if isinstance(rule, Table) and isinstance(value, Mapping):
                    value = rule.known(cast("Mapping[str, Any]", value))
                found[name] = value
        return found

    def check(self, value: object) -> dict[str, Any]:
        """The object for the wire; raises `InvalidRequestError` with all that is wrong with it."""
        findings = Findings()
        clean = self(value, "", findings)
        findings.raise_found()
        return cast("dict[str, Any]", clean)


_DETECTIONS: dict[str, Rule] = {
    "gitOpsManaged": boolean,
    "gitOpsTool": text(choices=("argocd", "flux", "*")),
    "pdbProtected": boolean,
    "hpaEnabled": boolean,
    "stateful": boolean,
    "helmManaged": boolean,
    "networkIsolated": boolean,
    "serviceMesh": text(choices=("istio", "linkerd", "*")),
}


def _failed_detections(value: object, path: str, findings: Findings) -> object:
    # The service's schema leaves gitOpsTool out here.
    return texts(value, path, findings, text(choices=[name for name in _DETECTIONS if name != "gitOpsTool"]))


DETECTED_LABELS = Table("DetectedLabels", {}, {"failed_detections": _failed_detections, **_DETECTIONS})
MANDATORY_LABELS = Table(
    "MandatoryLabels",
    {
        "signal_type": text(least=1),
        "severity": text(choices=SEVERITIES),
        "component": text(least=1),
        "environment": text(),
        "priority": text(choices=PRIORITIES),
    },
)


def _workflow_name(value: object, path: str, findings: Findings) -> object:
    if isinstance(value, str) and str.__str__(value) in (".", ".."):
        findings.add(path, "must not be '.' or '..': no URL can name it")
    return text(NAME_LIMIT, 1)(value, path, findings)


_SERVER_OWNED = """
    workflow_id is_latest_version created_at updated_at updated_by status_reason disabled_at disabled_by disabled_reason
    deprecation_notice actual_success_rate total_executions successful_executions
"""
REMEDIATION_WORKFLOW = Table(
    "RemediationWorkflow",
    {
        "workflow_name": _workflow_name,
        "version": text(VERSION_LIMIT, 1),
        "name": text(NAME_LIMIT, 1),
        "description": text(least=1),
        "content": text(least=1),
        "content_hash": text(64, 64),
        "labels": MANDATORY_LABELS,
        "execution_engine": text(50),
        "status": text(choices=STATUSES),
    },
    {
        "owner": text(255),
        "maintainer": text(255),
        "parameters": json_object,
        "container_image": text(),
        "container_digest": text(71),
        "custom_labels": text_lists,
        "detected_labels": DETECTED_LABELS,
        "previous_version": text(VERSION_LIMIT),
        "version_notes": text(),
        "change_summary": text(),
        "approved_by": text(255),
        "approved_at": time,
        "expected_success_rate": number(0, 1),
        "expected_duration_seconds": integer(0, _INTEGER_MAX),
        "created_by": text(255),
    },
    ignored=frozenset(_SERVER_OWNED.split()),
)
WORKFLOW_UPDATE = Table(
    "WorkflowUpdateRequest", {"status": text(choices=STATUSES)}, {"disabled_by": text(255), "disabled_reason": text()}
)
WORKFLOW_DISABLE = Table("WorkflowDisableRequest", {}, {"reason": text(), "updated_by": text(255)})
WORKFLOW_LIST = Table(
    "list",
    {},
    {
        "status": text(choices=STATUSES),
        "environment": text(least=1),
        "priority": text(least=1),
        "component": text(least=1),
        "page_size": integer(1, PAGE_LIMIT),
    },
)


_CUSTOM_VALUE = re.compile(r'["\\\x00-\x1f]')


def _custom_value(value: object, path: str, findings: Findings) -> object:
    value = text()(value, path, findings)
    if isinstance(value, str) and (found := _CUSTOM_VALUE.search(value)) and found[0] != "\0":
        what = {'"': "a double quote", "\\": "a backslash"}.get(found[0], "a control character")
        reason = "the service puts the value into JSON text as it is, and the search fails or asks for something else"
        findings.add(path, f"must not contain {what} (at {found.start()}): {reason}")
    return value


def _search_labels(value: object, path: str, findings: Findings) -> object:
    return text_lists(value, path, findings, _custom_value)


WORKFLOW_SEARCH_FILTERS = Table(
    "search",
    {
        "signal_type": text(least=1),
        "severity": text(choices=SEVERITIES),
        "component": text(least=1),
        "environment": text(least=1),
        "priority": text(choices=PRIORITIES[:-1]),  # no workflow can be searched for by `*`
    },
    {"custom_labels": _search_labels, "detected_labels": DETECTED_LABELS},
)
WORKFLOW_SEARCH = Table(
    "search",
    WORKFLOW_SEARCH_FILTERS.required,
    {
        **WORKFLOW_SEARCH_FILTERS.optional,
        "top_k": integer(1, 100),
        "min_score": number(0, 1),
        "include_disabled": boolean,
        "remediation_id": text(CORRELATION_LIMIT, 1),  # becomes the correlation id of the service's own event
    },
)
AUDIT_EVENT = Table(
    "AuditEventRequest",
    {
        "version": text(10, 1),
        "event_type": text(100, 1),
        "event_timestamp": time,
        "event_category": text(choices=CATEGORIES),
        "event_action": text(50, 1),
        "event_outcome": text(choices=EVENT_OUTCOMES),
        "correlation_id": text(CORRELATION_LIMIT, 1),
        "event_data": event_data,
    },
    {
        "actor_type": text(50),
        "actor_id": text(255),
        "resource_type": text(100),
        "resource_id": text(255),
        "parent_event_id": identity,
        "namespace": text(253),
        "cluster_name": text(255),
        "severity": text(20),
        "duration_ms": integer(-_INTEGER_MAX - 1, _INTEGER_MAX),
    },
)
AUDIT_QUERY = Table(
    "query",
    {},
    {
        "event_type": text(100, 1),
        "event_category": text(50, 1),
        "event_outcome": text(choices=EVENT_OUTCOMES),
        "severity": text(20, 1),
        "correlation_id": text(CORRELATION_LIMIT, 1),
        "since": bound,
        "until": bound,
        "page_size": integer(1, PAGE_LIMIT),
    },
)
NOTIFICATION_AUDIT = Table(
    "NotificationAudit",
    {
        "remediation_id": written(most_bytes=255),
        "notification_id": written(most_bytes=255),
        "recipient": written(most_bytes=255),
        "channel": text(choices=CHANNELS),
        "message_summary": written(1000),
        "status": text(choices=("sent", "failed")),
        "sent_at": time,
    },
    {"delivery_status": text(255), "error_message": text(1000), "escalation_level": integer(0, 5)},
)


def search(members: Mapping[str, object]) -> dict[str, Any]:
    """The request body of a search out of its arguments; raises `InvalidRequestError`."""
    clean = WORKFLOW_SEARCH.check(members)
    filters = {name: clean.pop(name) for name in WORKFLOW_SEARCH_FILTERS.known(clean)}
    return {"filters": filters, **clean}


def workflow_name(value: object) -> str:
    """A name as the by-name route takes it; raises `InvalidRequestError`."""
    return _argument(_workflow_name, value, "workflow_name")


def version(value: object) -> str:
    """A version as the catalog stores it; raises `InvalidRequestError`."""
    return _argument(text(VERSION_LIMIT, 1), value, "version")


def workflow_id(value: object) -> UUID:
    """A workflow id: a UUID, or its canonical text (8-4-4-4-12 hexadecimal digits); raises `InvalidRequestError`.

    The service answers a malformed id with 500 on one route and 404 on another.
    """
    if isinstance(value, UUID):
        return value
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    raise InvalidRequestError(f"workflow_id: must be a UUID of 36 characters, not {shown(value)}", field="workflow_id")


def as_mapping(value: object, path: str, findings: Findings) -> Mapping[str, Any] | None:
    """A model or a mapping as a mapping with the names of the wire; None, with a finding, for anything else."""
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    if isinstance(value, _Encodable) and not isinstance(value, type):
        try:
            members = cast("object", value.to_dict())
        # A generated model takes any value for any attribute and fails in many ways when it is encoded.
        except Exception as error:  # noqa: BLE001 - see above
            findings.add(path, f"can't be encoded ({type(error).__name__}); is a member of the wrong type?")
            return None
        if isinstance(members, Mapping):
            return cast("Mapping[str, Any]", members)
    findings.add(path, f"must be a model or a mapping, not {type(value).__name__}")
    return None


def _argument(rule: Rule, value: object, name: str) -> str:
    findings = Findings()
    clean = rule(value, name, findings)
    findings.raise_found()
    return cast("str", clean)


def _is_unset(value: object) -> bool:
    return isinstance(value, Unset)


def _unstorable(value: str) -> str:
    if "\0" in value:
        return f"must not contain a NUL character (at {value.index(chr(0))})"
    try:
        value.encode()
    except UnicodeEncodeError as error:
        return f"must not contain a lone surrogate (at {error.start})"
    return ""


def _key(key: object, path: str, findings: Findings) -> bool:
    if not isinstance(key, str):
        findings.add(path, f"must have strings as keys, not {type(key).__name__}")
        return False
    if fault := _unstorable(key):
        findings.add(path, f"a key {fault}")
    return True


def _json(value: object, path: str, findings: Findings, depth: int, most: int | None = None) -> object:
    """A copy of a JSON value whose integers lie within `most` and its negative; by default within a float's range."""
    findings.values += 1
    if findings.values > _VALUES_LIMIT:
        if findings.values == _VALUES_LIMIT + 1:
            findings.add(path, f"must not hold more than {_VALUES_LIMIT} values")
    elif depth > DEPTH_LIMIT:
        findings.add(path, f"must not be nested deeper than {DEPTH_LIMIT} levels")
    elif isinstance(value, str):
        if fault := _unstorable(value):
            findings.add(path, fault)
        return str.__str__(value)
    elif isinstance(value, Mapping):
        return {
            str.__str__(cast("str", key)): _json(item, below(path, f".{key}"), findings, depth + 1, most)
            for key, item in cast("Mapping[object, object]", value).items()
            if _key(key, path, findings)
        }
    elif isinstance(value, list | tuple):
        items = cast("Iterable[object]", value)
        return [_json(item, below(path, f"[{i}]"), findings, depth + 1, most) for i, item in enumerate(items)]
    elif isinstance(value, float):
        if not isfinite(value):
            findings.add(path, "must be a finite number: JSON has no NaN and no infinity")
    elif isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() > 1024:
            findings.add(path, "must be an integer below 2^1024")
        elif most is not None and abs(value) > most:
            findings.add(path, f"must be an integer within 2^{most.bit_length() - 1}: the service would round it")
    elif value is not None and not isinstance(value, bool):
        findings.add(path, f"must be a JSON value, not {type(value).__name__}")
    return value
