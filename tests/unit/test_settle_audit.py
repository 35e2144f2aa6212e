"""The deciders of writes to the audit trail, and which stored event is the one that was sent."""

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client import (
    ConflictError,
    ConnectError,
    ConnectionDroppedError,
    KubernautError,
    Outcome,
    Problem,
    RequestTimeoutError,
    ResponseDecodeError,
    ServiceUnavailableError,
    ValidationError,
)
from kubernaut_client.errors import error_for
from kubernaut_client.limits import AUDIT_EVENT
from kubernaut_client.models import AuditEvent
from kubernaut_client.operations import audit_event
from kubernaut_client.problems import parse
from kubernaut_client.settle import (
    conflict_is_ours,
    is_outage,
    may_be_there,
    parent_in_doubt,
    same_event,
    same_sent,
    unavailable,
    witnesses,
)
from tests.audit_events import event
from tests.unit.test_operations import EVENT
from tests.unit.test_settle import FAILURES, PREFIX

PARENT = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

# After these a write is looked for: it may have arrived.
DOUBTED = {
    "timeout",
    "silent drop",
    "drop",
    "cut success",
    "another 2xx",
    *(name for name in FAILURES if name.startswith("5")),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_may_be_there(failure: str) -> None:
    assert may_be_there(FAILURES[failure]) is (failure in DOUBTED)


def refusal(cls: type[KubernautError], detail: str | None) -> KubernautError:
    problem = Problem(400, PREFIX + "validation-error", detail=detail, is_document=True)
    return cls("m", problem=problem, headers={"a": "b"}, body=b"x", outcome=Outcome.REFUSED)  # type: ignore[call-arg]


@pytest.mark.parametrize("detail", ["parent event does not exist", "Parent event does not exist.", "x", None])
@pytest.mark.parametrize("parent", [True, False])
@pytest.mark.parametrize("cls", [ValidationError, ConflictError])
def test_parent_in_doubt(cls: type[KubernautError], detail: str | None, parent: bool) -> None:
    payload = {"parent_event_id": PARENT} if parent else {}
    expected = cls is ValidationError and parent and "parent" in (detail or "").lower()
    assert parent_in_doubt(refusal(cls, detail), payload) is expected


@pytest.mark.parametrize("failure", FAILURES)
def test_no_other_failure_is_about_a_parent(failure: str) -> None:
    assert not parent_in_doubt(FAILURES[failure], {"parent_event_id": PARENT})


UNHEALTHY = b'{"status":"unhealthy","database":"unreachable","error":"%s"}'


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        (503, UNHEALTHY % b"refused", True),
        (503, UNHEALTHY % b'role "x" does not exist', True),
        (503, b'{"type":"https://kubernaut.ai/problems/service-unavailable","title":"T"}', True),
        (503, b"<html>no backend</html>", False),
        (503, b'{"message":"no route"}', False),
        (503, b"", False),
        (500, b'{"type":"https://kubernaut.ai/problems/database-error","title":"T"}', False),
        (502, b"<html>", False),
        (404, b"404 page not found", False),
        (404, UNHEALTHY % b"", False),
        (401, b'{"type":"about:blank","title":"Unauthorized"}', False),
        (302, b"", False),
    ],
)
def test_what_an_answer_says_of_an_outage(status: int, body: bytes, shown: bool) -> None:
    assert is_outage(error_for(parse(status, body), write=False, body=body)) is shown


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ConnectError("m"), True),
        (ConnectionDroppedError("m", outcome=Outcome.UNKNOWN), True),
        (RequestTimeoutError("m", outcome=Outcome.UNKNOWN), True),
        (RequestTimeoutError("the deadline was over before it was sent"), False),
        (ResponseDecodeError("a login page", status=200, outcome=Outcome.UNKNOWN), False),
    ],
)
def test_what_no_answer_says_of_an_outage(error: KubernautError, shown: bool) -> None:
    assert is_outage(error) is shown


def test_unavailable() -> None:
    error = unavailable(refusal(ValidationError, "parent event does not exist"))
    assert type(error) is ServiceUnavailableError
    assert (error.status, error.outcome, error.inferred, error.body) == (503, Outcome.REFUSED, True, b"x")
    assert len(error.evidence) == 2


@pytest.mark.parametrize(("failure", "before"), list(product(FAILURES, [False, True])))
def test_conflict_is_ours(failure: str, before: bool) -> None:
    assert conflict_is_ours(FAILURES[failure], unknown_before=before) is (failure == "409" and before)


@given(st.integers(0, 1000))
def test_witnesses(count: int) -> None:
    found = witnesses(count)
    assert len(found) == min(count, 3)
    assert sorted(set(found)) == found
    assert set(found) <= set(range(count))
    if count:
        assert {0, count - 1} <= set(found)


# Which event it is ---------------------------------------------------------------------------------------------------

MOMENT = datetime(2026, 1, 31, 12, 0, 0, 204960, tzinfo=UTC)
FULL: dict[str, Any] = event(
    event_timestamp=MOMENT,
    actor_type="service",
    actor_id="a",
    resource_type="Pod",
    resource_id="p",
    parent_event_id=PARENT,
    namespace="n",
    cluster_name="c",
    severity="high",
    duration_ms=12,
)


def stored(**members: Any) -> AuditEvent:
    """FULL as a query shows it, or something else."""
    shown = {**EVENT, **FULL, "event_timestamp": "2026-01-31T12:00:00.20496Z", "duration_ms": 0, **members}
    return audit_event(shown)


def same(payload: dict[str, Any], row: AuditEvent, *, in_batch: bool = False) -> bool:
    return same_event(AUDIT_EVENT.check(payload), row, in_batch=in_batch)


DEFAULTS: dict[str, Any] = {
    "actor_type": "service",
    "actor_id": "workflow-service",
    "resource_type": "workflow",
    "resource_id": "remediation-1",
    "parent_event_id": None,
    "namespace": "",
    "cluster_name": "",
    "severity": "info",
}
"""What the service shows for members that were left out."""
BARE = event(event_timestamp=MOMENT)


def test_the_event_itself() -> None:
    for in_batch in (True, False):
        assert same(FULL, stored(), in_batch=in_batch)
        assert same(BARE, stored(**DEFAULTS), in_batch=in_batch)
    assert same(FULL, stored(event_timestamp="2026-01-31T14:00:00.20496+02:00"))
    assert same({**FULL, "parent_event_id": PARENT.upper()}, stored())


OTHERS = {
    "version": "2.0",
    "event_type": "x",
    "event_timestamp": "2026-01-31T12:00:00.204961Z",
    "event_category": "gateway",
    "event_action": "x",
    "event_outcome": "failure",
    "correlation_id": "x",
    "event_data": {"step": 2},
    "actor_type": "user",
    "actor_id": "x",
    "resource_type": "x",
    "resource_id": "x",
    "parent_event_id": "3f2504e0-4f89-41d3-9a0c-0305e82c3302",
    "namespace": "",
    "cluster_name": "x",
    "severity": "low",
}


def test_every_member_that_comes_back_is_compared() -> None:
    assert {*OTHERS, "duration_ms"} == {*AUDIT_EVENT.required, *AUDIT_EVENT.optional} == set(FULL)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("in_batch", [False, True])
def test_another_event(name: str, in_batch: bool) -> None:
    ignored = name == "version" and in_batch  # a batch doesn't store it
    assert same(FULL, stored(**{name: OTHERS[name]}), in_batch=in_batch) is ignored


def test_no_parent_is_another() -> None:
    assert not same(FULL, stored(parent_event_id=None))


def test_every_member_that_may_be_left_out_has_a_default() -> None:
    assert {*DEFAULTS, "duration_ms"} == {*AUDIT_EVENT.optional}


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("in_batch", [False, True])
def test_a_member_that_was_left_out(name: str, in_batch: bool) -> None:
    """An event that has it is another one, and so is one without it, where it was sent."""
    assert not same(BARE, stored(**{**DEFAULTS, name: FULL[name] if name != "actor_type" else "user"}))
    sent = {key: value for key, value in FULL.items() if key != name}
    assert same(sent, stored(**{name: DEFAULTS[name]}), in_batch=in_batch)
    assert same({**BARE, name: FULL[name]}, stored(**{**DEFAULTS, name: FULL[name]}), in_batch=in_batch)
    if name != "actor_type":  # which is given as its default
        assert not same({**BARE, name: FULL[name]}, stored(**DEFAULTS), in_batch=in_batch)
        assert not same(sent, stored(), in_batch=in_batch)


@pytest.mark.parametrize("category", ["workflow", "gateway"])
def test_defaults_go_by_the_event(category: str) -> None:
    sent = {**BARE, "event_category": category, "correlation_id": "c"}
    shown = {
        **DEFAULTS,
        "event_category": category,
        "correlation_id": "c",
        "actor_id": f"{category}-service",
        "resource_type": category,
        "resource_id": "c",
    }
    assert same(sent, stored(**shown))
    assert not same(sent, stored(**{**shown, "resource_id": "remediation-1"}))


@pytest.mark.parametrize(
    ("members", "in_batch", "equal"),
    [
        ({}, True, True),
        ({"severity": "info"}, True, True),
        ({"namespace": ""}, True, True),
        ({"duration_ms": 5}, False, True),
        ({"version": "2.0"}, True, True),
        ({"version": "2.0"}, False, False),
        ({"severity": ""}, True, False),
        ({"event_data": {"a": True}}, True, False),
        ({"event_data": {"a": 1.0}}, True, True),
        ({"parent_event_id": PARENT}, True, False),
        ({"event_timestamp": MOMENT.replace(microsecond=1)}, True, False),
    ],
    ids=str,
)
def test_which_of_those_sent_are_stored_alike(members: dict[str, Any], in_batch: bool, equal: bool) -> None:
    one, other = ({**BARE, "event_data": {"a": 1}, **given} for given in ({}, members))
    checked = [AUDIT_EVENT.check(each) for each in (one, other)]
    assert same_sent(*checked, in_batch=in_batch) is equal
    assert same_sent(*reversed(checked), in_batch=in_batch) is equal


@pytest.mark.parametrize("name", ["namespace", "cluster_name", "severity"])
def test_null_is_shown_as_empty(name: str) -> None:
    assert same({**FULL, name: ""}, stored(**{name: ""}))
    assert same({**FULL, name: ""}, stored(**{name: None}))
    assert not same(FULL, stored(**{name: None}))


@pytest.mark.parametrize(
    ("sent", "shown", "equal"),
    [
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": 1e300}, {"a": 10**300}, True),
        ({"a": -0.0}, {"a": 0}, True),
        ({"a": 0.1}, {"a": 0.1}, True),
        ({"a": 2**53}, {"a": 2**53}, True),
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 0}, {"a": False}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1.5}, {"a": "1.5"}, False),
        ({"a": 1.5}, {"a": 10**400}, False),
        ({"a": 0.5}, {"a": None}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({}, {"a": None}, False),
        ({"a": 1}, {}, False),
    ],
    ids=str,
)
def test_event_data_is_compared_as_json(sent: dict[str, Any], shown: dict[str, Any], equal: bool) -> None:
    assert same({**FULL, "event_data": sent}, stored(event_data=shown)) is equal
