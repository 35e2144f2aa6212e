"""The limits of events, batches, queries, notifications and searches: at and beyond each."""

import itertools
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client import BatchResult, InvalidRequestError
from kubernaut_client.batches import Delivery
from kubernaut_client.limits import (
    AUDIT_EVENT,
    AUDIT_QUERY,
    NOTIFICATION_AUDIT,
    WORKFLOW_SEARCH,
    WORKFLOW_SEARCH_FILTERS,
    Table,
    search,
)
from kubernaut_client.models import UNSET, AuditEventRequest, DetectedLabels, NotificationAudit
from kubernaut_client.operations import CREATE_AUDIT_EVENT, Body
from tests.audit_events import event, notification

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = yaml.safe_load((ROOT / "openapi" / "data-storage-v1.yaml").read_text("utf-8"))
SCHEMAS: dict[str, Any] = CONTRACT["components"]["schemas"]
MOMENT = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
SEARCH: dict[str, Any] = {
    "signal_type": "OOMKilled",
    "severity": "high",
    "component": "pod",
    "environment": "production",
    "priority": "P0",
}
INPUTS: dict[str, tuple[Table, dict[str, Any]]] = {
    "event": (AUDIT_EVENT, event(event_timestamp=MOMENT)),
    "notification": (NOTIFICATION_AUDIT, notification(sent_at=MOMENT)),
    "query": (AUDIT_QUERY, {}),
    "search": (WORKFLOW_SEARCH, SEARCH),
}


def check(kind: str, **members: Any) -> dict[str, Any]:
    table, base = INPUTS[kind]
    return table.check({**base, **members})


def refused(kind: str, field: str, limit: str, value: Any) -> None:
    table, base = INPUTS[kind]
    with pytest.raises(InvalidRequestError) as caught:
        table.check({**base, field: value})
    message = str(caught.value)
    assert str(caught.value.field).startswith(field)
    assert limit in message, message
    assert message.isprintable()
    assert len(message) < 500
    assert "SECRET" not in message


# Texts ---------------------------------------------------------------------------------------------------------------

# (input, member) → the least and the most characters that the service stores.
LENGTHS: dict[tuple[str, str], tuple[int, int | None]] = {
    ("event", "version"): (1, 10),
    ("event", "event_type"): (1, 100),
    ("event", "event_action"): (1, 50),
    ("event", "correlation_id"): (1, 255),
    ("event", "actor_type"): (0, 50),
    ("event", "actor_id"): (0, 255),
    ("event", "resource_type"): (0, 100),
    ("event", "resource_id"): (0, 255),
    ("event", "namespace"): (0, 253),
    ("event", "cluster_name"): (0, 255),
    ("event", "severity"): (0, 20),
    ("notification", "message_summary"): (1, 1000),
    ("notification", "delivery_status"): (0, 255),
    ("notification", "error_message"): (0, 1000),
    ("query", "event_type"): (1, 100),
    ("query", "event_category"): (1, 50),
    ("query", "severity"): (1, 20),
    ("query", "correlation_id"): (1, 255),
    ("search", "signal_type"): (1, None),
    ("search", "component"): (1, None),
    ("search", "environment"): (1, None),
    ("search", "remediation_id"): (1, 255),
}
# Counted in bytes by the service.
BYTES = [("notification", "remediation_id"), ("notification", "notification_id"), ("notification", "recipient")]
# (input, member) → the words that are taken, and some that aren't.
WORDS: dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...]]] = {
    ("event", "event_category"): (tuple(SCHEMAS["EventCategory"]["enum"]), ("Workflow", "", "workflow_catalog")),
    ("event", "event_outcome"): (("success", "failure", "pending"), ("Success", "", "error")),
    ("query", "event_outcome"): (("success", "failure", "pending"), ("Success", "", "*")),
    # The service's published lists are longer, and its handler refuses what is more in them.
    ("notification", "channel"): (("email", "slack", "pagerduty"), ("webhook", "sms", "Email", "")),
    ("notification", "status"): (("sent", "failed"), ("pending", "acknowledged", "escalated", "Sent", "")),
    ("search", "severity"): (("critical", "high", "medium", "low"), ("*", "High", "")),
    ("search", "priority"): (("P0", "P1", "P2", "P3"), ("*", "p0", "")),
}
TIMES = [("event", "event_timestamp"), ("notification", "sent_at")]
OTHERS = {
    ("event", "event_data"),
    ("event", "parent_event_id"),
    ("event", "duration_ms"),
    ("notification", "escalation_level"),
    ("query", "since"),
    ("query", "until"),
    ("query", "page_size"),
    ("search", "custom_labels"),
    ("search", "detected_labels"),
    ("search", "top_k"),
    ("search", "min_score"),
    ("search", "include_disabled"),
}


def test_every_member_is_tested() -> None:
    every = {(kind, name) for kind, (table, _) in INPUTS.items() for name in (*table.required, *table.optional)}
    assert every == {*LENGTHS, *BYTES, *WORDS, *TIMES, *OTHERS}


@pytest.mark.parametrize(
    ("table", "schema"),
    [(AUDIT_EVENT, "AuditEventRequest"), (NOTIFICATION_AUDIT, "NotificationAudit")],
)
def test_the_tables_name_every_member_of_the_contract(table: Table, schema: str) -> None:
    assert {*table.required, *table.optional} == set(SCHEMAS[schema]["properties"])
    assert set(table.required) == set(SCHEMAS[schema]["required"])


def test_the_query_has_every_parameter_of_the_contract() -> None:
    parameters = {row["name"] for row in CONTRACT["paths"]["/api/v1/audit/events"]["get"]["parameters"]}
    assert {*AUDIT_QUERY.optional} == parameters - {"limit", "offset"} | {"page_size"}


def test_the_search_has_every_member_of_the_contract_that_does_something() -> None:
    inner, outer = SCHEMAS["WorkflowSearchFilters"]["properties"], SCHEMAS["WorkflowSearchRequest"]["properties"]
    assert {*WORKFLOW_SEARCH_FILTERS.required, *WORKFLOW_SEARCH_FILTERS.optional} == {*inner} - {"status"}
    assert {*WORKFLOW_SEARCH.required, *WORKFLOW_SEARCH.optional} == {*inner, *outer} - {"status", "filters"}


@pytest.mark.parametrize(("kind", "field"), LENGTHS)
def test_lengths(kind: str, field: str) -> None:
    least, most = LENGTHS[kind, field]
    for character in "x語😀":
        for length in {least, least + 1, most or 5000}:
            assert check(kind, **{field: character * length})[field] == character * length
        if most:
            refused(kind, field, f"at most {most} characters, has {most + 1}", character * (most + 1))
    if least:
        refused(kind, field, "must not be empty", "")


@pytest.mark.parametrize(("kind", "field"), BYTES)
def test_lengths_in_bytes(kind: str, field: str) -> None:
    for text in ("x" * 255, "語" * 85, "x"):
        assert check(kind, **{field: text})[field] == text
    for text in ("x" * 256, "語" * 86):
        refused(kind, field, "at most 255 bytes", text)


@pytest.mark.parametrize(("kind", "field"), [*BYTES, ("notification", "message_summary")])
def test_blank_texts(kind: str, field: str) -> None:
    refused(kind, field, "empty", "")
    for blank in (" ", "\t\n", "\u3000"):
        refused(kind, field, "blank", blank)


@pytest.mark.parametrize(("kind", "field"), [*LENGTHS, *BYTES])
def test_characters_that_cannot_be_stored(kind: str, field: str) -> None:
    refused(kind, field, "NUL", "a\0b")
    refused(kind, field, "surrogate", "a\ud800b")
    others: list[Any] = [1, True, b"x", ["x"], {}]
    for value in others:
        refused(kind, field, "string", value)


@pytest.mark.parametrize(("kind", "field"), WORDS)
def test_words(kind: str, field: str) -> None:
    taken, others = WORDS[kind, field]
    for word in taken:
        assert check(kind, **{field: word})[field] == word
    for word in others:
        refused(kind, field, taken[0], word)


@pytest.mark.parametrize("kind", INPUTS)
def test_members_that_do_not_exist(kind: str) -> None:
    for name in ("event_id", "retention_days", "id", "status_", ""):
        refused(kind, name, "is not a field", "x")


@pytest.mark.parametrize("kind", INPUTS)
def test_what_is_none_is_left_out(kind: str) -> None:
    table, base = INPUTS[kind]
    absent: tuple[Any, ...] = (None, UNSET)
    for name, value in itertools.product(table.optional, absent):
        assert name not in check(kind, **{name: value})
    for name, value in itertools.product(table.required, absent):
        assert name in base
        refused(kind, name, "is missing", value)


# Times ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "field"), TIMES)
def test_times_go_as_utc_with_their_microseconds(kind: str, field: str) -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    for moment in (MOMENT, MOMENT.astimezone(east), "2026-01-31T12:00:00.123456Z", "2026-01-31T13:00:00.123456+01:00"):
        assert check(kind, **{field: moment})[field] == "2026-01-31T12:00:00.123456Z"
    assert check(kind, **{field: MOMENT.replace(microsecond=0)})[field] == "2026-01-31T12:00:00Z"
    assert check(kind, **{field: "2026-01-31T12:00:00.123456789Z"})[field] == "2026-01-31T12:00:00.123456Z"


@pytest.mark.parametrize(("kind", "field"), TIMES)
def test_times_without_a_zone_are_no_instants(kind: str, field: str) -> None:
    for naive in (MOMENT.replace(tzinfo=None), "2026-01-31T12:00:00"):
        refused(kind, field, "time zone", naive)
    others: list[Any] = ["yesterday", "", 1769860800, MOMENT.date(), []]
    for other in others:
        refused(kind, field, "must be a", other)


BOUNDS: dict[str, Any] = {
    "datetime": MOMENT,
    "RFC 3339": "2026-01-31T12:00:00.123456Z",
    "with an offset": "2026-01-31T14:00:00.123456+02:00",
    "without a zone": "2026-01-31T12:00:00.123456",
}


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("value", BOUNDS.values(), ids=BOUNDS)
def test_absolute_bounds(name: str, value: Any) -> None:
    assert check("query", **{name: value})[name] == "2026-01-31T12:00:00.123456Z"


def test_a_date_is_midnight_utc() -> None:
    assert check("query", since="2026-01-31")["since"] == "2026-01-31T00:00:00Z"


DURATIONS: dict[Any, float] = {
    timedelta(hours=1): 3600,
    timedelta(seconds=-30): -30,
    timedelta(): 0,
    "24h": 86400,
    "7d": 7 * 86400,
    "1.5d": 1.5 * 86400,
    "-1d": -86400,
    "1h30m": 5400,
    "-5m": -300,
    "+5m": 300,
    "1h30m10.5s": 5410.5,
    "1.5h": 5400,
    ".5h": 1800,
    "2.h": 7200,
    "100ms": 0.1,
    "3us": 3e-6,
    "3µs": 3e-6,
    "3μs": 3e-6,
    "900ns": 0,
    "0": 0,
    "1m1m": 120,
}


@pytest.mark.parametrize(("value", "seconds"), DURATIONS.items(), ids=map(str, DURATIONS))
def test_relative_bounds(value: Any, seconds: float) -> None:
    before = datetime.now(UTC)
    given_bound = datetime.fromisoformat(check("query", since=value)["since"])
    after = datetime.now(UTC)
    slack = timedelta(microseconds=1)
    assert before - slack <= given_bound + timedelta(seconds=seconds) <= after + slack


@pytest.mark.parametrize(
    "value",
    [
        *("", "now", "1", "-", "d", "h", "1w", "1h2", "1 h", "1e3s", "infd", "٣h", "2026-13-01", "2026-01-31 12:00:00"),
        *("2026-01-31T12:00Z", "2026-01-31t12:00:00z", "24h\n", "99999999999d", "9" * 400 + "h", "-99999999999d"),
        *(MOMENT.replace(tzinfo=None), timedelta.max, timedelta.min, 24, 1.5, b"24h", MOMENT.date()),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_bounds_that_are_none(value: Any) -> None:
    for name in ("since", "until"):
        refused("query", name, "must", value)


@given(st.text(max_size=12) | st.from_regex(r"[+-]?[0-9.]{0,5}[a-z]{1,2}[0-9.]{0,3}[a-z]?"))
def test_any_text_is_a_bound_or_refused(text: str) -> None:
    with suppress(InvalidRequestError):
        assert check("query", since=text)["since"].endswith("Z")


# Numbers -------------------------------------------------------------------------------------------------------------

INTEGERS = {
    ("event", "duration_ms"): (-(2**31), 2**31 - 1),
    ("notification", "escalation_level"): (0, 5),
    ("query", "page_size"): (1, 1000),
    ("search", "top_k"): (1, 100),
}


@pytest.mark.parametrize(("kind", "field"), INTEGERS)
def test_integers(kind: str, field: str) -> None:
    low, high = INTEGERS[kind, field]
    for value in (low, high, 1):
        assert check(kind, **{field: value})[field] == value
    for wrong in (low - 1, high + 1):
        refused(kind, field, f"from {low} to {high}", wrong)
    for other in (1.0, "1", True):
        refused(kind, field, "integer", other)


def test_the_least_score() -> None:
    for value in (0, 1, 0.51, 1.0):
        assert check("search", min_score=value)["min_score"] == value
    for wrong in (-0.1, 1.1, float("nan")):
        refused("search", "min_score", "from 0 to 1", wrong)
    refused("search", "min_score", "number", "0.5")
    for value in (True, False):
        assert check("search", include_disabled=value)["include_disabled"] is value
    refused("search", "include_disabled", "true or false", 1)


# Event data ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [[], "SECRET", 1, True, [{}], b"{}"])
def test_event_data_is_an_object(value: Any) -> None:
    refused("event", "event_data", "mapping", value)


def test_integers_that_the_service_keeps() -> None:
    for number in (2**53, -(2**53), 0, 2**53 - 1):
        assert check("event", event_data={"n": [number]})["event_data"] == {"n": [number]}
    for number in (2**53 + 1, -(2**53) - 1, 12345678901234567890, 10**400):
        refused("event", "event_data", "event_data.n[0]: must be an integer", {"n": [number]})
    assert check("event", event_data={"n": 1e300, "m": 1.0})["event_data"] == {"n": 1e300, "m": 1.0}


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "a\0", "\ud800", {"a\0": 1}, {1: 1}, {"\ud800": 1}, object(), {1, 2}, b"x", MOMENT],
    ids=[str(number) for number in range(11)],
)
def test_event_data_that_json_or_postgresql_cannot_hold(value: Any) -> None:
    refused("event", "event_data", "must", {"a": value})
    refused("event", "event_data", "must", {"a": [{"b": value}]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
)  # fmt: skip


@given(data=st.dictionaries(st.text("abc", max_size=3), JSON))
def test_every_json_object_goes_as_it_is(data: dict[str, Any]) -> None:
    sent = CREATE_AUDIT_EVENT.request(body=Body(check("event", event_data=data))).content
    assert sent is not None
    assert json.loads(sent)["event_data"] == data


def test_a_parent_is_a_uuid() -> None:
    assert check("event", parent_event_id=UUID(ID))["parent_event_id"] == ID
    assert check("event", parent_event_id=ID.upper())["parent_event_id"] == ID.upper()
    for wrong in ("x", "", ID.replace("-", ""), f"{{{ID}}}", 1):
        refused("event", "parent_event_id", "UUID", wrong)


# Models --------------------------------------------------------------------------------------------------------------


def test_models_and_mappings_give_the_same_request() -> None:
    members = event(event_timestamp=MOMENT, severity="high", duration_ms=5)
    assert AUDIT_EVENT.check(AuditEventRequest(**members)) == AUDIT_EVENT.check(members)
    parent = AuditEventRequest(**members, parent_event_id=UUID(ID), namespace=None)
    assert AUDIT_EVENT.check(parent)["parent_event_id"] == ID
    record = notification(sent_at=MOMENT, escalation_level=2)
    assert NOTIFICATION_AUDIT.check(NotificationAudit(**record)) == NOTIFICATION_AUDIT.check(record)


@pytest.mark.parametrize("value", [None, 1, "x", [], AuditEventRequest, {1}], ids=str)
def test_what_is_no_event(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="model or a mapping"):
        AUDIT_EVENT.check(value)


# Batches -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 1, "events", b"bytes", {}, event(), AuditEventRequest(**event())])
def test_what_is_no_batch(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="list of events") as caught:
        Delivery.check(value)
    assert caught.value.field == "events"


def test_an_empty_batch() -> None:
    empty: list[Any] = [[], (), iter([])]
    for events in empty:
        assert Delivery.check(events).result() == BatchResult(())


def test_a_bad_event_of_a_batch_is_rejected_alone() -> None:
    events: list[Any] = [event(), event(severity="x" * 21), event(version="12345678901"), {}, 7, event()]
    batch = Delivery.check(iter(events))
    assert [each is None for each in batch.payloads] == [False, True, True, True, True, False]
    rejected = [receipt for receipt in batch.receipts if receipt]
    assert [receipt.event for receipt in rejected] == events[1:5]
    reasons = ["severity: must have at most 20", "version: must have at most 10", "version: is missing", "a model or a"]
    assert all(reason in str(receipt.reason) for reason, receipt in zip(reasons, rejected, strict=True))
    assert {receipt.status for receipt in rejected} == {"rejected"}


# Searches ------------------------------------------------------------------------------------------------------------


def test_the_body_of_a_search() -> None:
    labels = DetectedLabels(git_ops_managed=True, git_ops_tool="flux")
    body = search({**SEARCH, "custom_labels": {"team": ("a", "b")}, "detected_labels": labels, "top_k": 3})
    assert body == {
        "filters": {
            **SEARCH,
            "custom_labels": {"team": ["a", "b"]},
            "detected_labels": {"gitOpsManaged": True, "gitOpsTool": "flux"},
        },
        "top_k": 3,
    }
    assert search({**SEARCH, "detected_labels": {"gitOpsManaged": True}})["filters"]["detected_labels"] == {
        "gitOpsManaged": True
    }


@pytest.mark.parametrize(
    ("value", "what"),
    [('a"b', "double quote"), ("a\\b", "backslash"), ("a\nb", "control character"), ("\x1f", "control character")],
)
def test_custom_label_values_that_break_the_search(value: str, what: str) -> None:
    refused("search", "custom_labels", what, {"team": ["fine", value]})
    refused("search", "custom_labels", "JSON text", {"team": [value]})


def test_custom_labels() -> None:
    for value in ("it's", "a b", "語", "*", "", "%s", "\x7f"):
        assert check("search", custom_labels={"team": [value]})["custom_labels"] == {"team": [value]}
    refused("search", "custom_labels", "NUL", {"team": ["a\0"]})
    others: list[Any] = ["x", [], {"team": "x"}, {"team": [1]}, {1: ["x"]}]
    for wrong in others:
        refused("search", "custom_labels", "must", wrong)
    refused("search", "detected_labels", "not a field", {"git_ops_managed": True})
