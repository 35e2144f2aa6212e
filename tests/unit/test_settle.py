"""The deciders of the create, not-found and update procedures, over the full product of their inputs.

The tables state the procedures on their own, as data: nothing in them is computed by what is tested.
"""

import json
from itertools import product
from typing import Any

import httpx
import pytest

from kubernaut_client import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ConnectError,
    ConnectionDroppedError,
    DatabaseError,
    InternalServerError,
    InvalidRequestError,
    KubernautError,
    NotFoundError,
    Outcome,
    Problem,
    RateLimitError,
    RequestTimeoutError,
    ResponseDecodeError,
    RetryPolicy,
    ServiceUnavailableError,
    ValidationError,
)
from kubernaut_client.settle import (
    CreateSeen,
    CreateVerdict,
    Found,
    UpdateVerdict,
    create_again,
    create_seen,
    create_verdict,
    is_absent,
    update_unsettled,
    update_verdict,
)
from tests.colours import COLOURS, Colour, opened
from tests.workflows import workflow

PREFIX = "https://kubernaut.ai/problems/"


def answered(cls: type[APIError], status: int, slug: str = "", outcome: Outcome = Outcome.REFUSED) -> APIError:
    """An answer: with a slug it came as a problem document, without one it didn't."""
    problem = Problem(status, PREFIX + slug, is_document=True) if slug else Problem(status)
    return cls("m", problem=problem, outcome=outcome)


# What a POST, a GET or a PATCH can come to.
FAILURES: dict[str, KubernautError] = {
    "refused connection": ConnectError("m"),
    "timeout before the first byte": RequestTimeoutError("m", outcome=Outcome.NOT_SENT),
    "timeout": RequestTimeoutError("m", outcome=Outcome.UNKNOWN),
    "silent drop": ConnectionDroppedError("m", outcome=Outcome.UNKNOWN, silent=True),
    "drop": ConnectionDroppedError("m", outcome=Outcome.UNKNOWN),
    "cut success": ResponseDecodeError("m", status=201, outcome=Outcome.APPLIED),
    "another 2xx": ResponseDecodeError("m", status=200, outcome=Outcome.UNKNOWN),
    "302": answered(APIError, 302),
    "400": answered(BadRequestError, 400, "bad-request"),
    "400 validation": answered(ValidationError, 400, "validation-error"),
    "401": answered(AuthenticationError, 401),
    "404": answered(NotFoundError, 404, "not-found"),
    "404 of a router": answered(APIError, 404),
    "409": answered(ConflictError, 409, "conflict"),
    "409 of a proxy": answered(ConflictError, 409),
    "429": answered(RateLimitError, 429),
    "500 internal-error": answered(InternalServerError, 500, "internal-error", Outcome.UNKNOWN),
    "500 database-error": answered(DatabaseError, 500, "database-error", Outcome.UNKNOWN),
    "500 conversion-error": answered(InternalServerError, 500, "conversion-error", Outcome.UNKNOWN),
    "501": answered(InternalServerError, 501, "", Outcome.UNKNOWN),
    "502": answered(InternalServerError, 502, "", Outcome.UNKNOWN),
    "502 with a document": answered(InternalServerError, 502, "internal-error", Outcome.UNKNOWN),
    "503": answered(ServiceUnavailableError, 503, "", Outcome.UNKNOWN),
    "503 with a document": answered(ServiceUnavailableError, 503, "service-unavailable", Outcome.UNKNOWN),
    "504": answered(InternalServerError, 504, "", Outcome.UNKNOWN),
    "token failed": KubernautError("m"),
}

# Create --------------------------------------------------------------------------------------------------------------

REPEATED = {  # the POST is sent again: never sent, told to come later, or harmless because of the unique index
    "refused connection",
    "timeout before the first byte",
    "timeout",
    "silent drop",
    "drop",
    "429",
    "502",
    "502 with a document",
    "503",
    "503 with a document",
    "504",
}
SEEN = {
    "timeout": CreateSeen.LOST,
    "silent drop": CreateSeen.LOST,
    "drop": CreateSeen.LOST,
    "502": CreateSeen.LOST,
    "502 with a document": CreateSeen.LOST,
    "503": CreateSeen.LOST,
    "503 with a document": CreateSeen.LOST,
    "504": CreateSeen.LOST,
    "cut success": CreateSeen.UNREADABLE,
    # A 2xx that the service doesn't send, so perhaps a proxy's page: nobody knows what became of the request.
    "another 2xx": CreateSeen.LOST,
    "409": CreateSeen.CONFLICT,
    "409 of a proxy": CreateSeen.CONFLICT,
    "500 internal-error": CreateSeen.FAULT,
}


@pytest.mark.parametrize("failure", FAILURES)
def test_when_a_create_is_repeated(failure: str) -> None:
    assert create_again(FAILURES[failure]) is (failure in REPEATED)


@pytest.mark.parametrize("unknown_before", [False, True])
@pytest.mark.parametrize("failure", FAILURES)
def test_which_row_of_the_create_procedure_a_failure_is(failure: str, unknown_before: bool) -> None:
    # After a lost answer everything else leaves the lost one to be settled.
    other = CreateSeen.LOST if unknown_before else CreateSeen.OTHER
    assert create_seen(FAILURES[failure], unknown_before=unknown_before) is SEEN.get(failure, other)


RECOVERED, CONFLICT, REFUSED, RAISE = CreateVerdict
SAME, DIFFERENT, ABSENT, FAILED = Found

# What was seen, what looking showed → the verdict without and with an earlier attempt that had no answer.
CREATE = {
    (CreateSeen.UNREADABLE, SAME): (RECOVERED, RECOVERED),
    (CreateSeen.UNREADABLE, DIFFERENT): (RECOVERED, RECOVERED),
    (CreateSeen.UNREADABLE, ABSENT): (RAISE, RAISE),
    (CreateSeen.UNREADABLE, FAILED): (RAISE, RAISE),
    (CreateSeen.CONFLICT, SAME): (CONFLICT, RECOVERED),
    (CreateSeen.CONFLICT, DIFFERENT): (CONFLICT, CONFLICT),
    (CreateSeen.CONFLICT, ABSENT): (CONFLICT, CONFLICT),
    (CreateSeen.CONFLICT, FAILED): (CONFLICT, CONFLICT),
    (CreateSeen.FAULT, SAME): (CONFLICT, RECOVERED),
    (CreateSeen.FAULT, DIFFERENT): (CONFLICT, CONFLICT),
    # What an earlier attempt sent may still be on its way, so its absence says nothing.
    (CreateSeen.FAULT, ABSENT): (REFUSED, RAISE),
    (CreateSeen.FAULT, FAILED): (RAISE, RAISE),
    (CreateSeen.LOST, SAME): (RECOVERED, RECOVERED),
    (CreateSeen.LOST, DIFFERENT): (CONFLICT, CONFLICT),
    (CreateSeen.LOST, ABSENT): (RAISE, RAISE),
    (CreateSeen.LOST, FAILED): (RAISE, RAISE),
}


def test_the_create_table_is_complete() -> None:
    # OTHER is raised before anything is looked for; a test below shows that nothing is.
    assert set(CREATE) == set(product(set(CreateSeen) - {CreateSeen.OTHER}, Found))
    assert len(CREATE) == 16


@pytest.mark.parametrize("unknown_before", [False, True])
@pytest.mark.parametrize(("seen", "found"), CREATE)
def test_create_verdict(seen: CreateSeen, found: Found, unknown_before: bool) -> None:
    assert create_verdict(seen, found, unknown_before=unknown_before) is CREATE[seen, found][unknown_before]


# Not found -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("healthy", [False, True])
@pytest.mark.parametrize("symptoms", list(product(["", "silence", "503"], repeat=4)), ids=" ".join)
def test_is_absent(healthy: bool, symptoms: tuple[str, ...]) -> None:
    expected = healthy and symptoms in {("silence",) * 4, ("503",) * 4}
    assert is_absent(healthy=healthy, symptoms=symptoms) is expected


# Update --------------------------------------------------------------------------------------------------------------

LOOKED = {  # after these the row is looked at
    "404",
    "timeout",
    "silent drop",
    "drop",
    "cut success",
    "another 2xx",
    "502",
    "502 with a document",
    "503",
    "503 with a document",
    "504",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_update_unsettled(failure: str) -> None:
    assert update_unsettled(FAILURES[failure]) is (failure in LOOKED)


# What was seen → the verdict when the row isn't as asked for, and when it is.
UPDATE = {
    # The look-up of the service failed, so it did nothing, whoever else may have.
    "404": (UpdateVerdict.REPEAT, UpdateVerdict.REPEAT),
    # Symptom S for a row that is there: asked by GET first, it may be sent again.
    "silent drop": (UpdateVerdict.REPEAT, UpdateVerdict.RECOVERED),
    "502": (UpdateVerdict.REPEAT, UpdateVerdict.RECOVERED),
    "503": (UpdateVerdict.REPEAT, UpdateVerdict.RECOVERED),
    "504": (UpdateVerdict.REPEAT, UpdateVerdict.RECOVERED),
    # It may still be carried out.
    "timeout": (UpdateVerdict.RAISE, UpdateVerdict.RECOVERED),
    "drop": (UpdateVerdict.RAISE, UpdateVerdict.RECOVERED),
    "cut success": (UpdateVerdict.RAISE, UpdateVerdict.RECOVERED),
    "another 2xx": (UpdateVerdict.RAISE, UpdateVerdict.RECOVERED),
    "502 with a document": (UpdateVerdict.RAISE, UpdateVerdict.RECOVERED),
    "503 with a document": (UpdateVerdict.RAISE, UpdateVerdict.RECOVERED),
}


def test_the_update_table_is_complete() -> None:
    assert set(UPDATE) == LOOKED


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("failure", UPDATE)
def test_update_verdict(failure: str, done: bool) -> None:
    assert update_verdict(FAILURES[failure], done=done) is UPDATE[failure][done]


# The create procedure as a caller meets it ---------------------------------------------------------------------------

STORED = {"workflow_id": "00000000-0000-4000-8000-000000000001", "detected_labels": {}, "is_latest_version": True}
QUICK = RetryPolicy(attempts=3, wait_initial=0, wait_max=0, jitter=0)


class Service:
    """Answers POSTs one after another, and every look-up with the same rows; None: the connection is dropped."""

    def __init__(self, posts: list[httpx.Response | None], rows: list[dict[str, Any]] | None) -> None:
        self.posts = posts
        self.rows = rows
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.method)
        if request.method == "POST":
            answer = self.posts.pop(0)
            if answer is None:
                raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
            # A response can be sent but once.
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        if self.rows is None:
            return problem(500, "internal-error")
        return httpx.Response(200, json={"workflow_name": "x", "versions": self.rows or None, "total": len(self.rows)})


def problem(status: int, slug: str) -> httpx.Response:
    body = json.dumps({"type": PREFIX + slug, "title": "T", "status": status}).encode()
    return httpx.Response(status, headers={"content-type": "application/problem+json"}, content=body)


def html(status: int) -> httpx.Response:
    return httpx.Response(status, headers={"content-type": "text/html"}, content=b"<html>proxy</html>")


def create(colour: Colour, service: Service) -> Any:
    http_client = (httpx.Client if colour == "sync" else httpx.AsyncClient)(transport=httpx.MockTransport(service))
    with opened(colour, "http://ds.example", retry=QUICK, http_client=http_client) as client:
        return client.workflows.create(workflow())


MINE = {**workflow(), **STORED}
THEIRS = {**workflow(content="something else"), **STORED}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(
    "answer",
    [problem(500, "database-error"), problem(500, "conversion-error"), problem(400, "bad-request"), html(501)],
    ids=["database-error", "conversion-error", "400", "501"],
)
def test_what_cannot_be_a_duplicate_is_not_looked_for(colour: Colour, answer: httpx.Response) -> None:
    service = Service([answer], [MINE])
    with pytest.raises(APIError) as caught:
        create(colour, service)
    assert service.asked == ["POST"]
    assert caught.value.outcome is (Outcome.UNKNOWN if answer.status_code >= 500 else Outcome.REFUSED)


@pytest.mark.parametrize("colour", COLOURS)
def test_another_2xx_never_makes_a_foreign_row_ours(colour: Colour) -> None:
    """A page of a proxy says nothing about a row that was there before."""
    with pytest.raises(ConflictError) as caught:
        create(colour, Service([html(200)], [THEIRS]))
    assert caught.value.existing is not None
    assert caught.value.existing.content == "something else"
    assert caught.value.identical is False


@pytest.mark.parametrize("colour", COLOURS)
def test_a_cut_201_is_settled_by_the_row(colour: Colour) -> None:
    cut = httpx.Response(201, headers={"content-type": "application/json"}, content=b'{"workflow_id": "00')
    row = create(colour, Service([cut], [MINE]))
    assert str(row.workflow_id) == STORED["workflow_id"]
    with pytest.raises(ResponseDecodeError) as caught:
        create(colour, Service([cut], []))
    assert caught.value.outcome is Outcome.APPLIED


@pytest.mark.parametrize("colour", COLOURS)
def test_a_500_of_a_proxy_is_no_refusal(colour: Colour) -> None:
    """Only the service's own internal-error says that it is done with the request."""
    with pytest.raises(InternalServerError) as caught:
        create(colour, Service([html(500)], []))
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("colour", COLOURS)
def test_a_fault_of_the_service_is_refused_only_when_nothing_is_there(colour: Colour) -> None:
    service = Service([problem(500, "internal-error")], [])
    with pytest.raises(InternalServerError) as caught:
        create(colour, service)
    assert caught.value.outcome is Outcome.REFUSED
    assert service.asked == ["POST", "GET"]
    with pytest.raises(InternalServerError) as caught:
        create(colour, Service([problem(500, "internal-error")], None))
    assert caught.value.outcome is Outcome.UNKNOWN
    assert [attempt.operation for attempt in caught.value.history][:2] == ["createWorkflow", "listWorkflowVersions"]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("status", [409, 500])
def test_a_duplicate_on_both_builds(colour: Colour, status: int) -> None:
    answer = problem(409, "conflict") if status == 409 else problem(500, "internal-error")
    for row, identical in ((MINE, True), (THEIRS, False)):
        with pytest.raises(ConflictError) as caught:
            create(colour, Service([answer], [row]))
        error = caught.value
        assert (error.identical, error.inferred, error.maybe_ours) == (identical, status == 500, False)
        assert error.existing is not None
        assert error.outcome is Outcome.REFUSED


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("status", [409, 500])
def test_a_repeat_after_a_lost_answer_finds_our_own_row(colour: Colour, status: int) -> None:
    answer = problem(409, "conflict") if status == 409 else problem(500, "internal-error")
    service = Service([None, answer], [MINE])
    assert str(create(colour, service).workflow_id) == STORED["workflow_id"]
    assert service.asked == ["POST", "POST", "GET"]
    with pytest.raises(ConflictError) as caught:
        create(colour, Service([None, answer], [THEIRS]))
    assert caught.value.identical is False


@pytest.mark.parametrize("colour", COLOURS)
def test_a_create_that_was_lost_three_times_is_unknown(colour: Colour) -> None:
    service = Service([None, None, None], [])
    with pytest.raises(ConnectionDroppedError) as caught:
        create(colour, service)
    assert caught.value.outcome is Outcome.UNKNOWN
    assert service.asked == ["POST", "POST", "POST", "GET"]


@pytest.mark.parametrize("colour", COLOURS)
def test_bad_input_is_neither_sent_nor_looked_for(colour: Colour) -> None:
    service = Service([], [])
    client = (httpx.Client if colour == "sync" else httpx.AsyncClient)(transport=httpx.MockTransport(service))
    with opened(colour, "http://ds.example", http_client=client) as ds, pytest.raises(InvalidRequestError):
        ds.workflows.create({})
    assert service.asked == []
