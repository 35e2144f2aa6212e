"""Reading by id against the emulator: the not-found procedure, the walk through the list, and versions."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from kubernaut_client import (
    APIError,
    ConnectionDroppedError,
    InternalServerError,
    InvalidRequestError,
    NotFoundError,
    RequestTimeoutError,
    ResponseDecodeError,
    RetryPolicy,
)
from kubernaut_client.emulator import Emulator
from tests.colours import opened
from tests.workflows import workflow


def asked(emulator: Emulator) -> list[str | None]:
    return [record.operation for record in emulator.requests]


def test_found(client: Any) -> None:
    created = client.workflows.create(workflow("a"))
    row = client.workflows.get(created.workflow_id)
    assert row.content == workflow("a")["content"]
    assert client.workflows.get(str(created.workflow_id).upper()) == row


def test_unknown_id(client: Any, emulator: Emulator) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.workflows.get(uuid4())
    error = caught.value
    assert (error.status, error.inferred, error.operation) == (404, True, "getWorkflowByID")
    assert len(error.evidence) == 3
    get = "getWorkflowByID"
    assert asked(emulator) == [get, get, "healthCheck", get, get]
    emulator.clear_requests()
    with pytest.raises(NotFoundError):
        client.workflows.get(uuid4())
    assert asked(emulator) == [get, get, "healthCheck", get], "that this build drops unknown ids is remembered"


def test_one_attempt_is_enough(client: Any) -> None:
    with pytest.raises(NotFoundError):
        client.with_options(retry=RetryPolicy(attempts=1)).workflows.get(uuid4())


def test_dropped_once(client: Any, emulator: Emulator) -> None:
    created = client.workflows.create(workflow("a"))
    emulator.fault("getWorkflowByID", drop="before")
    assert client.workflows.get(created.workflow_id).workflow_name == "a"


@pytest.mark.parametrize("drops", [2, 3])
def test_dropped_in_an_answering_service(client: Any, emulator: Emulator, drops: int) -> None:
    """The control question or the third request brings the truth out: the row is there."""
    created = client.workflows.create(workflow("a"))
    emulator.fault("getWorkflowByID", drop="before", count=drops)
    assert client.workflows.get(created.workflow_id).workflow_name == "a"


def test_dropped_and_then_refused(client: Any, emulator: Emulator) -> None:
    emulator.fault("getWorkflowByID", drop="before")
    emulator.fault("getWorkflowByID", status=500, body={"title": "x"})
    with pytest.raises(InternalServerError):
        client.workflows.get(uuid4())
    assert len(emulator.requests) == 2


def test_outage_is_not_absence(client: Any, emulator: Emulator) -> None:
    emulator.fault("*", drop="before", count=None)
    with pytest.raises(ConnectionDroppedError):
        client.workflows.get(uuid4())


def test_unhealthy_service_is_not_absence(client: Any, emulator: Emulator) -> None:
    emulator.fault("healthCheck", status=503, body={"status": "unhealthy"}, count=None)
    with pytest.raises(ConnectionDroppedError):
        client.workflows.get(uuid4())


def test_service_that_answers_for_unknown_ids(client: Any, emulator: Emulator) -> None:
    """Control question answered: this id alone is dropped, so nothing can be concluded."""
    problem = {"type": "https://kubernaut.ai/problems/not-found", "title": "Not Found", "status": 404}
    for _ in range(3):
        emulator.fault("getWorkflowByID", drop="before", count=2)
        emulator.fault("getWorkflowByID", status=404, body=problem)
    with pytest.raises(ConnectionDroppedError):
        client.workflows.get(uuid4())


def test_gateway_in_front_of_a_dropped_connection(client: Any, emulator: Emulator) -> None:
    emulator.fault("getWorkflowByID", status=503, body="upstream connect error", count=None)
    with pytest.raises(NotFoundError) as caught:
        client.workflows.get(uuid4())
    assert caught.value.inferred


@pytest.mark.parametrize("body", [{"status": "UP"}, {"status": "unhealthy"}, {}])
def test_health_in_other_words_is_no_health(client: Any, emulator: Emulator, body: Any) -> None:
    emulator.fault("healthCheck", status=200, body=body, headers={"Content-Type": "application/json"}, count=None)
    with pytest.raises(ConnectionDroppedError):
        client.workflows.get(uuid4())


def test_two_symptoms_are_an_outage(client: Any, emulator: Emulator) -> None:
    once = client.with_options(retry=RetryPolicy(attempts=1))
    emulator.fault("getWorkflowByID", status=503, body="upstream connect error")
    with pytest.raises(ConnectionDroppedError):
        once.workflows.get(uuid4())


def test_real_404(client: Any, emulator: Emulator) -> None:
    problem = {"type": "https://kubernaut.ai/problems/not-found", "title": "Not Found", "status": 404, "detail": "gone"}
    emulator.fault("getWorkflowByID", status=404, body=problem)
    with pytest.raises(NotFoundError) as caught:
        client.workflows.get(uuid4())
    assert not caught.value.inferred
    assert len(emulator.requests) == 1


def test_database_down(client: Any, emulator: Emulator) -> None:
    with emulator.database_down():
        with pytest.raises(InternalServerError):
            client.workflows.get(uuid4())
        with pytest.raises(InternalServerError):
            list(client.workflows.list())
        with pytest.raises(InternalServerError):
            client.workflows.versions("a")
    with pytest.raises(NotFoundError):
        client.workflows.get(uuid4())


def test_wrong_base_url(client: Any, emulator: Emulator) -> None:
    with opened("sync", emulator.url + "/wrong") as wrong, pytest.raises(APIError) as caught:
        wrong.workflows.get(uuid4())
    assert not isinstance(caught.value, NotFoundError)
    assert "check base_url" in str(caught.value)


@pytest.mark.parametrize(
    "bad", ["", "nope", "3f2504e0-4f89-41d3-9a0c", "{3f2504e0-4f89-41d3-9a0c-0305e82c3301}", 7, None]
)
def test_malformed_id(client: Any, emulator: Emulator, bad: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: client.workflows.get(bad),
        lambda: client.workflows.update(bad, status="active"),
        lambda: client.workflows.disable(bad),
        lambda: client.workflows.republish(bad, version="2.0.0"),
    ]
    for call in calls:
        with pytest.raises(InvalidRequestError, match="workflow_id"):
            call()
    assert emulator.requests == ()


def test_versions(client: Any) -> None:
    assert client.workflows.versions("unknown") == []
    for version in ("1.0.0", "1.1.0", "0.9.0"):
        client.workflows.create(workflow("a", version))
    assert [row.version for row in client.workflows.versions("a")] == ["0.9.0", "1.1.0", "1.0.0"]
    assert [row.is_latest_version for row in client.workflows.versions("a")] == [True, False, False]


def test_list_walks_pages_and_filters(client: Any, emulator: Emulator) -> None:
    for number in range(7):
        client.workflows.create(workflow(f"w{number}", labels=workflow()["labels"] | {"component": f"c{number % 2}"}))
    emulator.clear_requests()
    assert [row.workflow_name for row in client.workflows.list(page_size=3)] == [f"w{n}" for n in range(6, -1, -1)]
    assert len(emulator.requests) == 3
    assert len(list(client.workflows.list(component="c0"))) == 4
    assert list(client.workflows.list(status="disabled")) == []
    assert len(list(client.workflows.list(environment="production", priority="P0", status="active"))) == 7


def test_list_follows_the_silent_cap(client: Any, emulator: Emulator) -> None:
    for number in range(105):
        client.workflows.create(workflow(f"w{number}"))
    emulator.clear_requests()
    assert len({row.workflow_name for row in client.workflows.list(page_size=1000)}) == 105
    assert len(emulator.requests) == 2


def test_list_while_rows_arrive(client: Any, emulator: Emulator) -> None:
    for number in range(6):
        client.workflows.create(workflow(f"w{number}"))
    seen = []
    for row in client.workflows.list(page_size=2):
        seen.append(row.workflow_name)
        if len(seen) < 4:
            client.workflows.create(workflow(f"new{len(seen)}"))
    assert len(seen) == len(set(seen))
    assert {f"w{number}" for number in range(6)} <= set(seen)


def test_walks_without_a_total(client: Any, emulator: Emulator) -> None:
    """A page without total isn't the last one; a page that comes again and again ends the walk with an error."""
    row = {**workflow("a"), "workflow_id": str(uuid4()), "is_latest_version": True}
    answer: dict[str, Any] = {"status": 200, "headers": {"Content-Type": "application/json"}}
    emulator.fault("listWorkflows", body={"workflows": [row]}, **answer)
    emulator.fault("listWorkflows", body={"workflows": [{**row, "workflow_id": str(uuid4())}]}, **answer)
    emulator.fault("listWorkflows", body={"workflows": []}, **answer)
    assert len(list(client.workflows.list())) == 2
    emulator.fault("listWorkflows", body={"workflows": [row]}, count=None, **answer)
    walk = client.workflows.list()
    assert next(walk).workflow_name == "a"
    with pytest.raises(ResponseDecodeError, match="pages in a row hold nothing new"):
        next(walk)


def test_names_with_a_slash_keep_to_the_deadline(client: Any, emulator: Emulator) -> None:
    emulator.fault("listWorkflows", stall="before", count=None)
    with pytest.raises(RequestTimeoutError):
        client.workflows.versions("a/b", deadline=0.5)


def test_list_hands_out_the_good_rows_before_it_names_the_bad(client: Any, emulator: Emulator) -> None:
    good = {**workflow("a"), "workflow_id": str(uuid4()), "is_latest_version": True, "status": "brand-new"}
    page = {"workflows": [{"workflow_id": 7}, good, {**good, "workflow_id": str(uuid4()), "version": 3}], "total": 3}
    emulator.fault("listWorkflows", status=200, body=page, headers={"Content-Type": "application/json"})
    walk = client.workflows.list()
    assert next(walk).status == "brand-new"
    with pytest.raises(ResponseDecodeError) as caught:
        next(walk)
    assert len(caught.value.items) == 2


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"status": "actve"}, "status"),
        ({"page_size": 0}, "page_size"),
        ({"page_size": 1001}, "page_size"),
        ({"component": ""}, "component"),
        ({"environment": "a\0b"}, "environment"),
    ],
)
def test_list_refuses_bad_filters_at_once(client: Any, emulator: Emulator, filters: Any, field: str) -> None:
    with pytest.raises(InvalidRequestError, match=field):
        client.workflows.list(**filters)
    assert emulator.requests == ()
