"""How the answers of an operation are read: success, what can't be read, and what each says of the outcome."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client import APIError, CallRecord, HealthStatus, KubernautError, Outcome, ResponseDecodeError
from kubernaut_client.http import Answer
from kubernaut_client.limits import REMEDIATION_WORKFLOW
from kubernaut_client.models import UNSET
from kubernaut_client.operations import (
    CREATE_AUDIT_EVENT,
    CREATE_AUDIT_EVENTS_BATCH,
    CREATE_NOTIFICATION_AUDIT,
    CREATE_WORKFLOW,
    GET_WORKFLOW,
    HEALTH_CHECK,
    LIST_VERSIONS,
    LIST_WORKFLOWS,
    OPERATIONS,
    QUERY_AUDIT_EVENTS,
    SEARCH_WORKFLOWS,
    EventPage,
    Operation,
    Unread,
    audit_event,
    stored_workflow,
)
from kubernaut_client.plan import compare
from tests.audit_events import event
from tests.workflows import workflow

ROW: dict[str, Any] = {
    **workflow(),
    "workflow_id": "00000000-0000-4000-8000-000000000001",
    "detected_labels": {},
    "is_latest_version": True,
    "total_executions": 0,
    "successful_executions": 0,
    "created_at": "2026-01-31T12:00:00.5Z",
    "updated_at": "2026-01-31T12:00:00.5Z",
}
JSON_TYPE = {"content-type": "application/json"}


def answer(status: int, body: Any, headers: dict[str, str] | None = None, *, complete: bool = True) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, JSON_TYPE if headers is None else headers, raw, complete)


def unreadable(operation: Operation[Any], given_answer: Answer) -> ResponseDecodeError:
    with pytest.raises(ResponseDecodeError) as caught:
        operation.read(given_answer)
    error = caught.value
    assert (error.status, error.headers, error.body) == (given_answer.status, given_answer.headers, given_answer.body)
    assert str(error).isprintable()
    assert "SECRET" not in str(error)
    return error


# A stored workflow ---------------------------------------------------------------------------------------------------


def test_a_workflow() -> None:
    row = stored_workflow(ROW)
    assert str(row.workflow_id) == ROW["workflow_id"]
    assert (row.workflow_name, row.version, row.status) == ("restart-pod", "1.0.0", "active")
    assert row.labels.severity == "critical"
    assert row.approved_at is UNSET


@pytest.mark.parametrize("name", ["created_at", "updated_at", "disabled_at", "approved_at"])
@pytest.mark.parametrize("zero", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00", None])
def test_times_of_the_year_one_are_absent(name: str, zero: str | None) -> None:
    assert getattr(stored_workflow({**ROW, name: zero}), name) is UNSET


@pytest.mark.parametrize(
    "name", ["owner", "parameters", "custom_labels", "detected_labels", "expected_success_rate", "status_reason"]
)
def test_nulls_are_absent(name: str) -> None:
    assert not getattr(stored_workflow({**ROW, name: None}), name)


def test_what_a_newer_service_may_say() -> None:
    row = stored_workflow(
        {
            **ROW,
            "status": "superseded",
            "brand_new": {"a": [1]},
            "labels": {**ROW["labels"], "severity": "warning", "cluster": "x"},
            "detected_labels": {"gitOpsTool": "other", "brandNew": True},
        }
    )
    assert str(row.status) == "superseded"
    assert str(row.labels.severity) == "warning"
    assert row["brand_new"] == {"a": [1]}


def test_free_form_members_are_plain() -> None:
    row = stored_workflow({**ROW, "parameters": {"a": [1, {"b": None}]}, "custom_labels": {"t": ["x"]}})
    assert row.parameters == {"a": [1, {"b": None}]}
    assert type(row.parameters) is dict
    assert row.custom_labels == {"t": ["x"]}


REQUIRED = (
    "workflow_id workflow_name version name description content content_hash labels execution_engine status "
    "is_latest_version"
).split()


IDENTITY = REQUIRED[:3]


@pytest.mark.parametrize("name", REQUIRED[3:])
@pytest.mark.parametrize("value", ["absent", None])
def test_a_row_that_lacks_a_documented_member_is_read(name: str, value: Any) -> None:
    """As the service shows what isn't stored; and such a member is no drift."""
    members = {**ROW, name: value}
    if value == "absent":
        del members[name]
    row = stored_workflow(members)
    shown = row.to_dict()[name]
    assert not any(shown.values()) if name == "labels" else not shown
    wanted = REMEDIATION_WORKFLOW.check(workflow())
    assert name == "execution_engine" or compare(wanted, row) == ()


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", ["absent", None, "", 1.5, ["SECRET"], True])
def test_required_members_that_are_absent_or_of_another_type(name: str, value: Any) -> None:
    members = {**ROW, name: value}
    if value == "absent":
        del members[name]
    if (name == "is_latest_version" and value is True) or (name not in IDENTITY and value in ("absent", None, "")):
        return
    error = unreadable(GET_WORKFLOW, answer(200, members))
    assert error.outcome is Outcome.APPLIED
    assert "can't be read" in str(error)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workflow_id", "SECRET"),
        ("owner", 3),
        ("total_executions", "3"),
        ("expected_success_rate", "0.5"),
        ("created_at", "SECRET"),
        ("created_at", 3),
        ("approved_at", ["SECRET"]),
        ("labels", ["SECRET"]),
        ("labels", {**workflow()["labels"], "severity": {"SECRET": 1}}),
        ("detected_labels", "SECRET"),
        ("status", {"SECRET": 1}),
    ],
    ids=range(11),
)
def test_members_of_another_type_or_form(name: str, value: Any) -> None:
    unreadable(GET_WORKFLOW, answer(200, {**ROW, name: value}))


@pytest.mark.parametrize("document", [None, [], "SECRET", 3, True, [ROW]])
def test_what_is_no_workflow(document: Any) -> None:
    assert unreadable(CREATE_WORKFLOW, answer(201, document)).outcome is Outcome.APPLIED


# Lists ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("operation", "key"), [(LIST_WORKFLOWS, "workflows"), (LIST_VERSIONS, "versions")])
def test_pages(operation: Operation[Any], key: str) -> None:
    page = operation.read(answer(200, {key: [ROW, ROW], "total": 7, "limit": 2, "offset": 0}))
    assert (len(page.workflows), page.bad, page.returned, page.total) == (2, [], 2, 7)
    empty: list[Any] = [[], None]
    for nothing in empty:
        page = operation.read(answer(200, {key: nothing, "total": 0}))
        assert (page.workflows, page.bad, page.returned, page.total) == ([], [], 0, 0)


@pytest.mark.parametrize("total", [None, "7", 7.0, True, [7]])
def test_a_total_of_another_type_is_no_total(total: Any) -> None:
    assert LIST_WORKFLOWS.read(answer(200, {"workflows": [], "total": total})).total is None


def test_good_rows_survive_bad_ones() -> None:
    rows = [ROW, None, {**ROW, "version": 3}, "SECRET", {**ROW, "version": "2.0.0"}]
    page = LIST_WORKFLOWS.read(answer(200, {"workflows": rows, "total": 5}))
    assert [row.version for row in page.workflows] == ["1.0.0", "2.0.0"]
    assert page.returned == 5
    places = [text.partition(":")[0] for text in page.bad]
    assert places == ["workflows[1]", f"workflow {ROW['workflow_id']}", "workflows[3]"]
    assert "SECRET" not in "".join(page.bad)


@pytest.mark.parametrize("document", [None, [], {}, {"workflows": {}}, {"workflows": "SECRET"}, {"workflows": 3}, 3])
def test_what_is_no_page(document: Any) -> None:
    assert unreadable(LIST_WORKFLOWS, answer(200, document)).outcome is Outcome.APPLIED


# Outcomes of a success that can't be read ----------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"{", b'{"workflow_id": "SECRET', b"NaN", b"\xff", b"[" * 100_000])
def test_the_documented_status_with_json_that_is_cut_or_unreadable_is_applied(body: bytes) -> None:
    assert unreadable(CREATE_WORKFLOW, answer(201, body)).outcome is Outcome.APPLIED
    assert unreadable(CREATE_WORKFLOW, answer(201, body, complete=False)).outcome is Outcome.APPLIED


def test_a_body_that_was_cut_is_not_read_even_if_it_could_be() -> None:
    assert unreadable(CREATE_WORKFLOW, answer(201, ROW, complete=False)).outcome is Outcome.APPLIED


@pytest.mark.parametrize("status", [200, 202, 203, 204, 206, 226, 299])
def test_another_2xx_is_unknown(status: int) -> None:
    error = unreadable(CREATE_WORKFLOW, answer(status, ROW))
    assert error.outcome is Outcome.UNKNOWN
    assert "201" in str(error)


@pytest.mark.parametrize(
    "media_type", ["text/html", "text/plain", "application/problem+json", "", None, "application/jsonx", "SECRET" * 50]
)
def test_success_with_another_content_type_is_unknown(media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    with pytest.raises(ResponseDecodeError) as caught:
        CREATE_WORKFLOW.read(answer(201, ROW, headers))
    assert caught.value.outcome is Outcome.UNKNOWN
    assert "base_url" in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8", "Application/JSON ;x=y"])
def test_spellings_of_the_content_type(media_type: str) -> None:
    assert CREATE_WORKFLOW.read(answer(201, ROW, {"content-type": media_type})).version == "1.0.0"


@pytest.mark.parametrize("media_type", ["text/plain; charset=utf-8", "application/json"])
def test_health_comes_as_text(media_type: str) -> None:
    assert HEALTH_CHECK.read(answer(200, {"status": "healthy"}, {"content-type": media_type})) == {"status": "healthy"}


@pytest.mark.parametrize("body", [{"status": "accepted", "message": "queued"}, {}, {"event_id": None}])
@pytest.mark.parametrize("operation", [CREATE_AUDIT_EVENT, CREATE_NOTIFICATION_AUDIT], ids=lambda row: row.name)
def test_a_202_says_no_more_than_that(operation: Operation[Any], body: dict[str, Any]) -> None:
    assert operation.read(answer(202, body)) is None
    assert unreadable(operation, answer(202, b"{")).outcome is Outcome.APPLIED
    assert unreadable(operation, answer(202, [])).outcome is Outcome.APPLIED
    assert unreadable(operation, answer(202, body, {"content-type": "text/html"})).outcome is Outcome.UNKNOWN


# Audit events --------------------------------------------------------------------------------------------------------

CONSTANT: dict[str, Any] = {
    "parent_event_date": None,
    "duration_ms": 0,
    "error_code": "",
    "error_message": "",
    "retention_days": 0,
    "is_sensitive": False,
}
EVENT: dict[str, Any] = {
    **event(),
    **CONSTANT,
    "event_id": "00000000-0000-4000-8000-000000000002",
    "event_timestamp": "2026-01-31T12:00:00.20496Z",
    "event_date": "2026-01-31",
    "parent_event_id": None,
    "resource_type": "Pod",
    "resource_id": "p",
    "actor_type": "service",
    "actor_id": "workflow-service",
    "namespace": "",
    "cluster_name": "",
    "severity": "info",
}


def test_an_event() -> None:
    row = audit_event(EVENT)
    assert str(row.event_id) == EVENT["event_id"]
    assert row.event_timestamp == datetime(2026, 1, 31, 12, 0, 0, 204960, tzinfo=UTC)
    assert (row.namespace, row.severity, row.event_data) == ("", "info", EVENT["event_data"])
    assert row.parent_event_id is None
    for name in CONSTANT:
        assert getattr(row, name) is UNSET


@pytest.mark.parametrize(
    ("name", "value"), [("duration_ms", 12), ("error_code", "E1"), ("retention_days", 90), ("is_sensitive", True)]
)
def test_what_a_newer_service_fills_is_kept(name: str, value: object) -> None:
    assert getattr(audit_event({**EVENT, name: value}), name) == value


def test_an_event_of_a_newer_service() -> None:
    row = audit_event({**EVENT, "event_category": "security", "event_hash": "x", "severity": None})
    assert (row.event_category, row.additional_properties, row.severity) == ("security", {"event_hash": "x"}, UNSET)


@pytest.mark.parametrize("name", sorted(EVENT.keys() - {"event_id", "event_timestamp", "event_type"}))
@pytest.mark.parametrize("lacks", [True, False])
def test_an_event_that_lacks_a_documented_member_is_read(name: str, lacks: bool) -> None:
    members = {**EVENT, name: None}
    if lacks:
        del members[name]
    shown = getattr(audit_event(members), name)
    assert not shown or (name, shown) == ("version", "1.0")


def test_an_event_of_the_build_of_2025_12_12() -> None:
    members = {k: v for k, v in EVENT.items() if k not in ("version", "namespace", "cluster_name")}
    members |= {"event_action": "", "event_date": f"{EVENT['event_timestamp'][:10]}T00:00:00Z"}
    row = audit_event({**members, "resource_namespace": "n", "cluster_id": "c"})
    assert (row.namespace, row.cluster_name, row.version, row.event_action) == ("n", "c", "1.0", "")
    assert row.event_date == row.event_timestamp.date()
    assert row.additional_properties == {}


def nested(depth: int) -> Any:
    return {} if depth == 0 else {"a": nested(depth - 1)}


BAD_EVENTS: dict[str, Any] = {
    "null": None,
    "list": [],
    "text": "SECRET",
    "no members": {},
    "no id": {k: v for k, v in EVENT.items() if k != "event_id"},
    "id that is none": {**EVENT, "event_id": "x"},
    "null type": {**EVENT, "event_type": None},
    "number for a text": {**EVENT, "resource_id": 1},
    "event data of text": {**EVENT, "event_data": "SECRET"},
    "time that is none": {**EVENT, "event_timestamp": "SECRET"},
    "time without a zone": {**EVENT, "event_timestamp": "2026-01-31T12:00:00"},
    "time before that of UTC": {**EVENT, "event_timestamp": "0001-01-01T00:00:00+05:00"},
    "time after that of UTC": {**EVENT, "event_timestamp": "9999-12-31T23:59:59-05:00"},
    "event data that is nested too deeply": {**EVENT, "event_data": nested(150)},
}


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_a_bad_event_spoils_no_other(name: str) -> None:
    page = QUERY_AUDIT_EVENTS.read(answer(200, {"data": [EVENT, BAD_EVENTS[name], EVENT]}))
    good, bad, other = page.rows
    assert good.event is not None and other.event is not None and bad.event is None
    assert bad.fault.startswith("event ") and bad.fault.isprintable()
    assert "SECRET" not in bad.fault
    if name == "event data of text":
        assert EVENT["event_id"] in bad.fault
        assert bad.time == good.time
    if name.endswith("of UTC"):
        assert bad.time is None
        assert bad.fault == f"event {EVENT['event_id']}: event_timestamp must be a time that utc has"
    assert page.more is None


@pytest.mark.parametrize(
    ("pagination", "more"),
    [({"has_more": True}, True), ({"has_more": False}, False), ({}, None), (None, None), ({"has_more": 1}, None)],
)
def test_whether_more_follows(pagination: Any, more: bool | None) -> None:
    assert QUERY_AUDIT_EVENTS.read(answer(200, {"data": None, "pagination": pagination})) == EventPage([], more)


@pytest.mark.parametrize("body", [{}, [], {"data": {}}, {"data": "x"}, {"data": 1}])
def test_a_page_that_is_none(body: Any) -> None:
    assert unreadable(QUERY_AUDIT_EVENTS, answer(200, body)).outcome is Outcome.APPLIED


@pytest.mark.parametrize("body", [{}, [], {"event_id": "x"}, {"event_id": None}, {"event_id": 1}])
def test_a_stored_event_has_an_id(body: Any) -> None:
    assert unreadable(CREATE_AUDIT_EVENT, answer(201, body)).outcome is Outcome.APPLIED


def test_ids_of_a_batch() -> None:
    ids = CREATE_AUDIT_EVENTS_BATCH.read(answer(201, {"event_ids": [EVENT["event_id"]], "message": "1"}))
    assert list(map(str, ids)) == [EVENT["event_id"]]
    bodies: list[Any] = [{}, {"event_ids": None}, {"event_ids": ["x"]}, {"event_ids": [None]}, []]
    for body in bodies:
        assert unreadable(CREATE_AUDIT_EVENTS_BATCH, answer(201, body)).outcome is Outcome.APPLIED


RESULT: dict[str, Any] = {
    "workflow_id": ROW["workflow_id"],
    "title": "t",
    "description": "d",
    "signal_type": "s",
    "confidence": 0.5,
    "label_boost": 0,
    "label_penalty": 0,
    "final_score": 0.5,
    "rank": 1,
    "detected_labels": {},
}
FILTERS = {
    "signal_type": "s",
    "severity": "high",
    "component": "c",
    "environment": "e",
    "priority": "P0",
    "detected_labels": {},
}


def test_a_search() -> None:
    found = SEARCH_WORKFLOWS.read(
        answer(200, {"workflows": [{**RESULT, "container_image": None}], "total_results": 1, "filters": FILTERS})
    )
    assert [(row.final_score, row.rank, row.container_image) for row in found.workflows] == [(0.5, 1, UNSET)]
    empty = SEARCH_WORKFLOWS.read(answer(200, {"workflows": None, "total_results": 0, "filters": FILTERS}))
    assert empty.workflows == []
    for rows in (5, [None], {"a": 1}):
        error = unreadable(SEARCH_WORKFLOWS, answer(200, {"workflows": rows, "total_results": 0, "filters": FILTERS}))
        assert "a member is of another type or form than documented (TypeError)" in str(error)
    for bad in ({**RESULT, "final_score": "high"}, {**RESULT, "title": None}, {**RESULT, "confidence": True}, None):
        body = {"workflows": [bad], "total_results": 1, "filters": FILTERS}
        assert unreadable(SEARCH_WORKFLOWS, answer(200, body)).outcome is Outcome.APPLIED


@pytest.mark.parametrize("status", [300, 302, 400, 404, 409, 500, 503, 199, 100, 0, 700])
def test_whatever_is_no_2xx_is_an_api_error(status: int) -> None:
    for operation in (CREATE_WORKFLOW, GET_WORKFLOW, Unread.of(CREATE_WORKFLOW)):
        with pytest.raises(APIError) as caught:
            operation.read(answer(status, ROW))
        assert caught.value.outcome is (Outcome.UNKNOWN if operation.write and status >= 500 else Outcome.REFUSED)


def test_a_raw_success_is_handed_on_as_it_is() -> None:
    given_answer = answer(201, b"anything", {"content-type": "application/json"})
    assert Unread.of(CREATE_WORKFLOW).read(given_answer) is given_answer
    for status in (200, 204, 299):
        assert unreadable(Unread.of(CREATE_WORKFLOW), answer(status, b"anything", {})).outcome is Outcome.UNKNOWN
    assert unreadable(Unread.of(CREATE_WORKFLOW), answer(201, ROW, complete=False)).outcome is Outcome.APPLIED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ROW, "workflows", "versions"]), inner)
    ),
    max_leaves=12,
)


@given(
    operation=st.sampled_from(OPERATIONS),
    status=st.integers(100, 599) | st.sampled_from([200, 201, 202]),
    media_type=st.sampled_from(["application/json", "text/plain", "text/html", ""]),
    body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    complete=st.booleans(),
)
def test_reading_gives_a_value_or_an_error_of_ours(
    operation: Operation[Any], status: int, media_type: str, body: bytes, complete: bool
) -> None:
    try:
        operation.read(Answer(status, {"content-type": media_type}, body, complete))
    except KubernautError as error:
        assert str(error).isprintable()  # noqa: PT017 - either is right
        assert error.outcome is not Outcome.NOT_SENT  # noqa: PT017 - as above
    else:
        assert status in operation.decoders
        assert complete


@given(changes=st.dictionaries(st.sampled_from(list(ROW)), JSON, min_size=1, max_size=3))
def test_a_workflow_with_anything_in_it_is_a_workflow_or_an_error_of_ours(changes: dict[str, Any]) -> None:
    body = json.dumps({**ROW, **changes}).encode("utf-8", "surrogatepass")
    try:
        row = GET_WORKFLOW.read(answer(200, body))
    except ResponseDecodeError:
        return
    assert isinstance(row.content, str)
    assert isinstance(row.version, str)
    assert isinstance(row.is_latest_version, bool)
    assert isinstance(row.to_dict(), dict)


# Records -------------------------------------------------------------------------------------------------------------


def test_health_status_is_a_condition() -> None:
    assert HealthStatus(True, "healthy")
    assert not HealthStatus(False, "unhealthy", "database_unreachable", "text")


def test_records_are_frozen() -> None:
    record = CallRecord("op", "GET /x", 1, 200, Outcome.APPLIED, 0.1, "id")
    with pytest.raises(AttributeError):
        record.attempt = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
