"""How the answers of an operation are read: success, what can't be read, and what each says of the outcome."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client import APIError, CallRecord, HealthStatus, KubernautError, Outcome, ResponseDecodeError
from kubernaut_client.http import Answer
from kubernaut_client.models import UNSET
from kubernaut_client.operations import (
    CREATE_AUDIT_EVENT,
    CREATE_WORKFLOW,
    GET_WORKFLOW,
    HEALTH_CHECK,
    LIST_VERSIONS,
    LIST_WORKFLOWS,
    OPERATIONS,
    Operation,
    Unread,
    stored_workflow,
)
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


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", ["absent", None, 1.5, ["SECRET"], True])
def test_required_members_that_are_absent_or_of_another_type(name: str, value: Any) -> None:
    members = {**ROW, name: value}
    if value == "absent":
        del members[name]
    if name == "is_latest_version" and value is True:
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
        ("labels", {}),
        ("labels", {**workflow()["labels"], "severity": {"SECRET": 1}}),
        ("detected_labels", "SECRET"),
        ("status", {"SECRET": 1}),
    ],
    ids=range(12),
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
    assert [text.partition(":")[0] for text in page.bad] == ["workflows[1]", "workflows[2]", "workflows[3]"]
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


def test_a_202_has_a_shape_of_its_own() -> None:
    queued = CREATE_AUDIT_EVENT.read(answer(202, {"status": "accepted", "message": "queued"}))
    assert queued.to_dict() == {"status": "accepted", "message": "queued"}


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
