"""The audit methods of both colours over a mocked service: what is asked, in which order, and what it comes to."""

import copy
import json
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import httpx
import pytest

from kubernaut_client import (
    AuditReceipt,
    AuthenticationError,
    BadRequestError,
    BatchResult,
    ConflictError,
    ConnectionDroppedError,
    DatabaseError,
    InternalServerError,
    InvalidRequestError,
    KubernautError,
    Outcome,
    PayloadTooLargeError,
    RateLimitError,
    RequestTimeoutError,
    ResponseDecodeError,
    RetryPolicy,
    ServiceUnavailableError,
    ValidationError,
)
from tests.audit_events import event, filled, notification
from tests.colours import COLOURS, Colour, opened
from tests.unit.test_operations import EVENT
from tests.unit.test_settle import html, problem

QUICK = RetryPolicy(attempts=3, wait_initial=0, wait_max=0, jitter=0)
PARENT = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
Answer = httpx.Response | None
NAMES = {
    ("POST", "/api/v1/audit/events"): "write",
    ("POST", "/api/v1/audit/events/batch"): "batch",
    ("POST", "/api/v1/audit/notifications"): "notify",
    ("GET", "/api/v1/audit/events"): "query",
    ("GET", "/health"): "health",
}


class Service:
    """Answers writes one after another (None: the connection is dropped), queries from `stored`, health as told."""

    def __init__(
        self,
        *writes: Answer,
        stored: list[dict[str, Any]] | None = None,
        healthy: bool = True,
        health: httpx.Response | None = None,
    ) -> None:
        self.writes = list(writes)
        self.stored = stored
        said = {"status": "healthy" if healthy else "unhealthy", "database": "x"}
        self.health = health or httpx.Response(200 if healthy else 503, json=said)
        self.asked: list[str] = []
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = NAMES[request.method, request.url.path]
        self.asked.append(name)
        self.requests.append(request)
        if name == "health":
            return httpx.Response(self.health.status_code, headers=self.health.headers, content=self.health.content)
        if name == "query":
            return self.found(dict(request.url.params)) if self.stored is not None else problem(500, "database-error")
        answer = self.writes.pop(0)
        if answer is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def found(self, parameters: dict[str, str]) -> httpx.Response:
        rows = [
            {**EVENT, **filled(each), "event_id": str(UUID(int=number)), "event_timestamp": moment(each).isoformat()}
            for number, each in enumerate(self.stored or [], 1)
            if all(str(each[name]) == parameters[name] for name in FILTERS & parameters.keys())
            and moment(each) >= datetime.fromisoformat(parameters.get("since", "2000-01-01T00:00:00Z"))
            and moment(each) <= datetime.fromisoformat(parameters.get("until", "2100-01-01T00:00:00Z"))
        ]
        return httpx.Response(200, json={"data": rows, "pagination": {"has_more": False}})

    def bodies(self, name: str) -> list[Any]:
        return [json.loads(request.content) for request in self.requests if NAMES["POST", request.url.path] == name]


FILTERS = {"correlation_id", "event_type", "severity"}


def moment(each: dict[str, Any]) -> datetime:
    value: datetime = each["event_timestamp"]
    return value


def created(*numbers: int) -> httpx.Response:
    ids = [str(UUID(int=number)) for number in numbers]
    return httpx.Response(201, json={"event_ids": ids, "message": ""})


ONE = httpx.Response(201, json={"event_id": str(UUID(int=7)), "event_timestamp": "x", "message": ""})
QUEUED = httpx.Response(202, json={"status": "accepted", "message": ""})
CUT = httpx.Response(201, headers={"content-type": "application/json"}, content=b'{"event_id": "00')


@pytest.fixture(params=COLOURS)
def client(request: pytest.FixtureRequest) -> Iterator[Callable[[Service], Any]]:
    """Opens a client of the colour on a service."""
    colour: Colour = request.param
    with ExitStack() as stack:

        def on(service: Service, **options: Any) -> Any:
            transport = httpx.MockTransport(service)
            http_client: Any = (httpx.Client if colour == "sync" else httpx.AsyncClient)(transport=transport)
            options = {"retry": QUICK, **options}
            return stack.enter_context(opened(colour, "http://ds.example", http_client=http_client, **options))

        yield on


Open = Callable[..., Any]


# One event -----------------------------------------------------------------------------------------------------------


def test_stored_and_queued(client: Open) -> None:
    service = Service(ONE, QUEUED)
    given = event()
    receipt = client(service).audit.write(given)
    assert (receipt.status, receipt.event_id, receipt.recovered, receipt.reason) == ("stored", UUID(int=7), False, None)
    assert receipt.event is given
    assert "remediation" not in repr(receipt)
    receipt = client(service).audit.write(given)
    assert (receipt.status, receipt.event_id, receipt.recovered) == ("queued", None, False)
    assert service.asked == ["write", "write"]


def test_a_202_is_queued_whatever_it_says(client: Open) -> None:
    for said in ({}, {"status": "failed"}, {"event_id": str(UUID(int=7))}):
        receipt = client(Service(httpx.Response(202, json=said))).audit.write(event())
        assert (receipt.status, receipt.event_id) == ("queued", None)


def test_a_202_that_is_cut_was_taken(client: Open) -> None:
    cut = httpx.Response(202, headers={"content-type": "application/json"}, content=b'{"status": "acc')
    with pytest.raises(ResponseDecodeError) as caught:
        client(Service(cut, stored=[])).audit.write(event())
    assert caught.value.outcome is Outcome.APPLIED


LOST: dict[str, tuple[Answer, type[Exception], Outcome]] = {
    "drop": (None, ConnectionDroppedError, Outcome.UNKNOWN),
    "cut": (CUT, ResponseDecodeError, Outcome.APPLIED),
    "login page": (html(200), ResponseDecodeError, Outcome.UNKNOWN),
    "500 of the service": (problem(500, "database_error"), DatabaseError, Outcome.UNKNOWN),
    "500 of a proxy": (html(500), InternalServerError, Outcome.UNKNOWN),
    "502": (html(502), InternalServerError, Outcome.UNKNOWN),
    "503": (html(503), ServiceUnavailableError, Outcome.UNKNOWN),
}


@pytest.mark.parametrize("name", LOST)
def test_a_lost_answer_is_settled_by_one_look(client: Open, name: str) -> None:
    answer, cls, outcome = LOST[name]
    given = event()
    service = Service(answer, stored=[event(), given])
    receipt = client(service).audit.write(given)
    assert (receipt.status, receipt.event_id, receipt.recovered) == ("stored", UUID(int=2), True)
    assert service.asked == ["write", "query"]
    asked = dict(service.requests[1].url.params)
    at = given["event_timestamp"].isoformat().replace("+00:00", "Z")
    assert (asked["since"], asked["until"]) == (at, at)
    assert (asked["correlation_id"], asked["event_type"]) == (given["correlation_id"], given["event_type"])
    for stored in ([], [event(event_timestamp=given["event_timestamp"], event_action="other")]):
        service = Service(answer, stored=stored)
        with pytest.raises(cls) as caught:
            client(service).audit.write(given)
        error: Any = caught.value
        assert error.outcome is outcome
        assert error.operation == "createAuditEvent"
        assert [attempt.operation for attempt in error.history] == ["createAuditEvent", "queryAuditEvents"]
        assert [attempt.delay for attempt in error.history] == [0, 0]
        assert service.asked == ["write", "query"]


def test_an_event_that_differs_in_its_version_is_another_one(client: Open) -> None:
    """A single write stores the version, a batch doesn't."""
    given = event(version="1.0")
    service = Service(None, stored=[{**given, "version": "1.1"}])
    with pytest.raises(ConnectionDroppedError) as caught:
        client(service).audit.write(given)
    assert (caught.value.outcome, service.asked) == (Outcome.UNKNOWN, ["write", "query"])


def test_a_look_that_fails_leaves_it_unknown(client: Open) -> None:
    service = Service(None, stored=None)
    with pytest.raises(ConnectionDroppedError) as caught:
        client(service).audit.write(event())
    assert caught.value.outcome is Outcome.UNKNOWN
    assert service.asked == ["write", "query", "query", "query"]
    assert [attempt.operation for attempt in caught.value.history][1:] == ["queryAuditEvents"] * 3


REFUSED: dict[str, tuple[httpx.Response, type[Exception]]] = {
    "400": (problem(400, "validation-error"), ValidationError),
    "400 of the decoder": (problem(400, "invalid_request"), BadRequestError),
    "401": (html(401), AuthenticationError),
    "413": (html(413), PayloadTooLargeError),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_was_refused_is_not_looked_for(client: Open, name: str) -> None:
    answer, cls = REFUSED[name]
    service = Service(answer, stored=[])
    with pytest.raises(cls) as caught:
        client(service).audit.write(event())
    error: Any = caught.value
    assert error.outcome is Outcome.REFUSED
    assert service.asked == ["write"]


def test_only_what_was_not_carried_out_is_sent_again(client: Open) -> None:
    service = Service(html(429), ONE)
    assert client(service).audit.write(event()).status == "stored"
    assert service.asked == ["write", "write"]
    service = Service(html(429), html(429), html(429))
    with pytest.raises(RateLimitError):
        client(service).audit.write(event())


def parent_missing() -> httpx.Response:
    members = {"type": "https://kubernaut.ai/problems/validation-error", "title": "Validation Error", "status": 400}
    return httpx.Response(400, json={**members, "detail": "parent event does not exist"})


def test_a_missing_parent(client: Open) -> None:
    service = Service(parent_missing())
    with pytest.raises(ValidationError) as caught:
        client(service).audit.write(event(parent_event_id=PARENT))
    assert service.asked == ["write", "health"]
    assert [attempt.operation for attempt in caught.value.history] == ["createAuditEvent", "healthCheck"]
    service = Service(parent_missing(), healthy=False)
    with pytest.raises(ServiceUnavailableError) as unavailable:
        client(service).audit.write(event(parent_event_id=PARENT))
    error = unavailable.value
    assert (error.outcome, error.inferred, error.operation) == (Outcome.REFUSED, True, "createAuditEvent")
    assert isinstance(error.__cause__, ValidationError)
    assert len(error.history) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 405, 502, 503])
def test_a_missing_parent_where_the_health_is_hidden(client: Open, status: int) -> None:
    """A proxy that doesn't let the question through mustn't make a wrong parent an outage for ever."""
    service = Service(parent_missing(), health=html(status))
    with pytest.raises(ValidationError) as caught:
        client(service).audit.write(event(parent_event_id=PARENT))
    assert service.asked == ["write", "health"]
    assert caught.value.outcome is Outcome.REFUSED


def test_a_missing_parent_and_a_slow_service(client: Open) -> None:
    """The share of the deadline that is kept for such questions is there for them."""

    class Slow(Service):
        limits: list[float]

        def __call__(self, request: httpx.Request) -> httpx.Response:
            self.limits.append(request.extensions["timeout"]["read"])
            return super().__call__(request)

    service = Slow(parent_missing())
    service.limits = []
    with pytest.raises(ValidationError):
        client(service).audit.write(event(parent_event_id=PARENT), deadline=5)
    write, health = service.limits
    assert write <= 4.5 < health <= 5


def test_bad_input_is_not_sent(client: Open) -> None:
    service = Service()
    audit = client(service).audit
    calls: list[Callable[[], Any]] = [
        lambda: audit.write(event(severity="x" * 21)),
        lambda: audit.write(event(version="x" * 11)),
        lambda: audit.write(event(event_data={"a": "\0"})),
        lambda: audit.write(event(event_timestamp=datetime(2026, 1, 1))),  # noqa: DTZ001 - naive is what is tested
        lambda: audit.write({k: v for k, v in event().items() if k != "event_timestamp"}),
        lambda: audit.write_batch(event()),
        lambda: audit.query(event_outcome="x"),
        lambda: audit.query(page_size=0),
        lambda: audit.query(timeout=0),
        lambda: audit.wait_for(0),
        lambda: audit.wait_for(True),
        lambda: audit.wait_for(timeout=0),
        lambda: audit.wait_for(since="soon"),
        lambda: audit.wait_for(since="1h", until="2h"),
        lambda: audit.query(since="2026-01-02", until="2026-01-01T23:59:59.999999Z"),
        lambda: client(service).notifications.create(notification(channel="sms")),
    ]
    for call in calls:
        with pytest.raises(InvalidRequestError):
            call()
    assert service.asked == []


# A batch -------------------------------------------------------------------------------------------------------------


def test_a_batch_of_nothing(client: Open) -> None:
    service = Service()
    nothings: tuple[Iterable[dict[str, Any]], ...] = ([], (), iter(()))
    for nothing in nothings:
        result = client(service).audit.write_batch(nothing)
        assert (len(result), result.receipts) == (0, ())
        assert result.raise_for_rejected() is result
    assert service.asked == []


@pytest.mark.parametrize("more", [{}, {"count": 2}], ids=str)
def test_a_batch_that_the_service_queued(client: Open, more: dict[str, Any]) -> None:
    """It keeps all of it, and sending it again could store it twice."""
    said = {"status": "accepted", "message": "audit events queued for async processing", **more}
    service = Service(httpx.Response(202, json=said))
    given = [event(), event(version=""), event()]
    result = client(service).audit.write_batch(given)
    assert [receipt.status for receipt in result] == ["queued", "rejected", "queued"]
    assert [receipt.event_id for receipt in result] == [None] * 3
    assert result.queued[1].event is given[2]
    assert service.asked == ["batch"]


def test_a_queued_part_of_a_batch_is_not_sent_again(client: Open) -> None:
    accepted = httpx.Response(202, json={"status": "accepted", "message": ""})
    service = Service(problem(413, "x"), accepted, problem(401, "x"))
    with pytest.raises(AuthenticationError) as caught:
        client(service).audit.write_batch([event(), event()])
    assert service.asked == ["batch"] * 3
    assert [receipt and receipt.status for receipt in caught.value.receipts] == ["queued", None]
    assert (caught.value.unstored, caught.value.outcome) == ((1,), Outcome.UNKNOWN)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(202, json={"status": "ok", "message": ""}),
        httpx.Response(202, json=["accepted"]),
        httpx.Response(202, content=b'{"status": "accep', headers={"content-type": "application/json"}),
        httpx.Response(202),
        html(202),
    ],
    ids=range(5),
)
def test_another_202_of_a_batch_says_nothing(client: Open, answer: httpx.Response) -> None:
    with pytest.raises(ResponseDecodeError) as caught:
        client(Service(answer, stored=[])).audit.write_batch([event()])
    assert caught.value.outcome is Outcome.UNKNOWN


def test_a_batch(client: Open) -> None:
    service = Service(created(1, 2))
    events = [event(), event()]
    result = client(service).audit.write_batch(iter(events))
    assert [(each.status, each.event_id, each.recovered) for each in result] == [
        ("stored", UUID(int=1), False),
        ("stored", UUID(int=2), False),
    ]
    assert [each.event for each in result] == events
    assert (len(result), result[1].event_id, result[:1]) == (2, UUID(int=2), result.receipts[:1])
    assert result.stored == result.receipts and result.queued == result.rejected == ()
    assert result.raise_for_rejected() is result
    assert repr(result) == "<BatchResult 2 stored, 0 queued, 0 rejected>"


def test_what_is_refused_here_is_rejected_and_the_others_go(client: Open) -> None:
    service = Service(created(1, 2))
    result = client(service).audit.write_batch([event(), event(severity="SECRET" * 9), event()])
    assert [each.status for each in result] == ["stored", "rejected", "stored"]
    assert len(service.bodies("batch")[0]) == 2
    with pytest.raises(ValidationError) as caught:
        result.raise_for_rejected()
    error = caught.value
    assert error.field_errors == {"/1": "severity: must have at most 20 characters, has 54"}
    assert (error.status, error.outcome, error.inferred) == (400, Outcome.UNKNOWN, True)
    assert error.receipts == result.receipts
    assert "SECRET" not in str(error)


def test_all_refused_here(client: Open) -> None:
    service = Service()
    result = client(service).audit.write_batch([event(version=""), {}])
    assert len(result.rejected) == 2
    assert service.asked == []
    with pytest.raises(ValidationError) as caught:
        result.raise_for_rejected()
    assert caught.value.outcome is Outcome.REFUSED


@pytest.mark.parametrize("ids", [(), (1,), (1, 2, 3), (1, 1)])
def test_another_number_of_ids_is_no_success(client: Open, ids: tuple[int, ...]) -> None:
    events = [event(), event()]
    service = Service(created(*ids), stored=events)
    with pytest.raises(ResponseDecodeError) as caught:
        client(service).audit.write_batch(events)
    error = caught.value
    assert (error.outcome, error.status, error.operation) == (Outcome.UNKNOWN, 201, "createAuditEventsBatch")
    assert (error.receipts, len(error.history), bool(error.request_id)) == ((None, None), 1, True)
    assert service.asked == ["batch"]  # not known to be one transaction, so witnesses say nothing


@pytest.mark.parametrize("name", LOST)
def test_a_lost_batch_is_settled_by_its_witnesses(client: Open, name: str) -> None:
    answer, cls, outcome = LOST[name]
    events = [event() for _ in range(7)]
    service = Service(answer, stored=[*events, event()])
    result = client(service).audit.write_batch(events)
    assert [each.recovered for each in result] == [True] * 7
    known = [None if each.event_id is None else each.event_id.int for each in result]
    assert known == [1, None, None, 4, None, None, 7]
    assert service.asked == ["batch", "query", "query", "query"]
    # Some of them were there before: that isn't this batch.
    for stored in ([], events[:1], events[:4], events[4:], [*events[:6], event()]):
        service = Service(answer, stored=stored)
        with pytest.raises(cls) as caught:
            client(service).audit.write_batch(events)
        error: Any = caught.value
        assert error.outcome is outcome
        assert error.receipts == (None,) * 7
        assert service.asked.count("batch") == 1
        assert error.history[0].operation == "createAuditEventsBatch"


def test_copies_of_one_event_are_counted(client: Open) -> None:
    twice = event()
    for there, recovered in (([twice], False), ([twice, twice], True)):
        service = Service(None, stored=list(there))
        if recovered:
            result = client(service).audit.write_batch([twice, twice])
            assert [(each.event_id, each.recovered) for each in result] == [(None, True)] * 2
        else:
            with pytest.raises(ConnectionDroppedError):
                client(service).audit.write_batch([twice, twice])


def test_copies_are_those_that_are_stored_alike(client: Open) -> None:
    """True isn't 1, and what the service fills in is as good as what is given."""
    moment = datetime.now(UTC)
    ones = [event(event_timestamp=moment, event_data={"a": value}) for value in (1, True)]
    result = client(Service(None, stored=ones)).audit.write_batch(ones)
    assert [each.event_id for each in result] == [UUID(int=1), UUID(int=2)]
    alike = [event(event_timestamp=moment, **given) for given in ({}, {"severity": "info"}, {"duration_ms": 1})]
    with pytest.raises(ConnectionDroppedError):
        client(Service(None, stored=alike[:2])).audit.write_batch(alike)
    result = client(Service(None, stored=alike)).audit.write_batch(alike)
    assert [(each.event_id, each.recovered) for each in result] == [(None, True)] * 3


def named(index: int, reason: str = "timestamp is too old") -> httpx.Response:
    members = {"type": "https://kubernaut.ai/problems/validation-error", "title": "Validation Error", "status": 400}
    return httpx.Response(400, json={**members, "detail": f"event at index {index}: invalid timestamp: {reason}"})


def test_one_that_is_named(client: Open) -> None:
    service = Service(named(1), created(1), created(2, 3))
    events = [event() for _ in range(4)]
    result = client(service).audit.write_batch(events)
    assert [each.status for each in result] == ["stored", "rejected", "stored", "stored"]
    assert [each.event_id.int if each.event_id else 0 for each in result] == [1, 0, 2, 3]
    assert result[1].reason == "invalid timestamp: timestamp is too old"
    times = [[each["event_timestamp"] for each in body] for body in service.bodies("batch")]
    assert times == [times[0], times[0][:1], times[0][2:]]


def test_what_ends_it_half_way(client: Open) -> None:
    """Receipts say what is known; of the rest nothing is claimed."""
    events = [event() for _ in range(4)]
    service = Service(named(1), created(1), None, stored=[events[0]])
    with pytest.raises(ConnectionDroppedError) as caught:
        client(service).audit.write_batch(events)
    error = caught.value
    assert [each and each.status for each in error.receipts] == ["stored", "rejected", None, None]
    assert (error.outcome, error.unstored) == (Outcome.UNKNOWN, ())
    assert error.evidence == ("of 4 events: 1 stored, 0 queued, 1 rejected",)
    for twin in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert (twin.receipts, twin.unstored) == (error.receipts, error.unstored)
    service = Service(named(1), created(1), html(401))
    with pytest.raises(AuthenticationError) as refused:
        client(service).audit.write_batch(events)
    assert refused.value.outcome is Outcome.UNKNOWN  # some of it is stored
    assert refused.value.unstored == (2, 3)
    service = Service(html(401))
    with pytest.raises(AuthenticationError) as refused:
        client(service).audit.write_batch(events)
    assert (refused.value.outcome, refused.value.receipts) == (Outcome.REFUSED, (None,) * 4)
    assert refused.value.unstored == (0, 1, 2, 3)


ENDS: dict[str, tuple[list[Answer], Outcome, tuple[int, ...]]] = {
    "lost at once": ([None], Outcome.UNKNOWN, ()),
    "refused at once": ([html(429)] * 3, Outcome.REFUSED, (0, 1, 3, 4)),
    "the first part lost": ([named(1), None], Outcome.UNKNOWN, (3, 4)),
    "the first part refused": ([named(1), html(401)], Outcome.REFUSED, (0, 3, 4)),
    "the second part lost": ([named(1), created(1), None], Outcome.UNKNOWN, ()),
    "the second part refused": ([named(1), created(1), html(429), html(429), html(429)], Outcome.UNKNOWN, (3, 4)),
    "the second part cut": ([named(1), created(1), CUT], Outcome.APPLIED, ()),
    "too many ids": ([named(1), created(1, 2)], Outcome.UNKNOWN, (3, 4)),
}


@pytest.mark.parametrize("name", ENDS)
def test_which_events_are_certainly_not_stored(client: Open, name: str) -> None:
    answers, outcome, unstored = ENDS[name]
    events = [event(), event(), event(severity="x" * 21), event(), event()]
    with pytest.raises(KubernautError) as caught:
        client(Service(*answers, stored=[])).audit.write_batch(events)
    error = caught.value
    assert (error.outcome, error.unstored) == (outcome, unstored)
    assert all(error.receipts[index] is None for index in unstored)


def test_a_part_that_was_recovered_casts_no_doubt_on_the_next(client: Open) -> None:
    events = [event() for _ in range(4)]
    service = Service(named(1), None, html(401), stored=[events[0]])
    with pytest.raises(AuthenticationError) as caught:
        client(service).audit.write_batch(events)
    assert [each and each.recovered for each in caught.value.receipts] == [True, False, None, None]
    assert (caught.value.outcome, caught.value.unstored) == (Outcome.UNKNOWN, (2, 3))
    assert service.asked == ["batch", "batch", "query", "batch"]


class Unruly(dict[str, Any]):
    """A mapping of the caller's that doesn't want to be copied."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise RuntimeError("no")


UNPICKLED: dict[str, tuple[Any, Any]] = {
    "read-only": (MappingProxyType(READ_ONLY := event()), READ_ONLY),
    "a mapping of its own": (Unruly(READ_ONLY), READ_ONLY),
    "a function in it": ({**READ_ONLY, "event_data": {"a": lambda: None}}, {}),
    "an object in it": ({**READ_ONLY, "event_data": Unruly()}, {}),
    "no event": (lambda: None, {}),
}


def test_a_receipt_can_be_copied() -> None:
    receipt = AuditReceipt("stored", UUID(int=1), event())
    assert not receipt.recovered
    assert copy.copy(receipt) is receipt
    assert copy.deepcopy(receipt) == receipt
    assert copy.deepcopy(receipt).event is not receipt.event


def test_what_a_batch_came_to_by_its_statuses() -> None:
    receipts = tuple(AuditReceipt(status, None, {}) for status in ("stored", "queued", "rejected", "queued"))
    result = BatchResult(receipts)
    assert (result.stored, result.queued, result.rejected) == (receipts[:1], receipts[1::2], receipts[2:3])
    assert str(result) == "1 stored, 2 queued, 1 rejected"


@pytest.mark.parametrize("name", UNPICKLED)
def test_what_was_given_keeps_no_error_from_being_pickled(name: str) -> None:
    given, kept = UNPICKLED[name]
    others = (AuditReceipt("stored", UUID(int=1), event()), None)
    error = AuthenticationError("m", receipts=(AuditReceipt("rejected", None, given, reason="x"), *others))
    for twin in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error), copy.copy(error)):
        odd, *rest = twin.receipts
        assert tuple(rest) == others
        assert odd is not None
        assert (odd.status, odd.event_id, odd.reason) == ("rejected", None, "x")
    assert pickle.loads(pickle.dumps(error)).receipts[0].event == kept
    assert copy.copy(error).receipts == error.receipts
    result = BatchResult((error.receipts[0], others[0]))  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(result))[1] == copy.deepcopy(result)[1] == others[0]
    assert copy.deepcopy(result)[1].event is not result[1].event


def test_a_refused_batch_that_holds_anything_is_pickled(client: Open) -> None:
    events = [event(event_data={"a": lambda: None}), MappingProxyType(event()), event()]
    with pytest.raises(ConnectionDroppedError) as caught:
        client(Service(named(1), created(1), None, stored=[])).audit.write_batch([*events[1:], *events])
    error = caught.value
    for twin in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert [each and each.status for each in twin.receipts] == [each and each.status for each in error.receipts]
    assert [each and each.status for each in error.receipts] == ["stored", "rejected", "rejected", None, None]


def test_a_copy_that_is_stored_already_is_no_witness_of_the_rest(client: Open) -> None:
    """The same event before and after the one that is refused: the first is stored, the second lost."""
    twice = event()
    service = Service(named(1), created(1), None, stored=[twice])
    with pytest.raises(ConnectionDroppedError) as caught:
        client(service).audit.write_batch([twice, event(), twice])
    assert [each and each.status for each in caught.value.receipts] == ["stored", "rejected", None]


def test_one_event_that_is_too_large(client: Open) -> None:
    service = Service(html(413), html(413), created(1))
    with pytest.raises(PayloadTooLargeError) as caught:
        client(service).audit.write_batch([event(), event()])
    assert caught.value.receipts == (None, None)
    assert service.asked == ["batch", "batch"]


# Reading -------------------------------------------------------------------------------------------------------------


def test_a_query(client: Open) -> None:
    events = [event(severity="high"), event(severity="low")]
    service = Service(stored=events)
    audit = client(service).audit
    assert [row.severity for row in audit.query(severity="high", correlation_id="remediation-1")] == ["high"]
    asked = dict(service.requests[0].url.params)
    assert asked == {"severity": "high", "correlation_id": "remediation-1", "limit": "1000", "offset": "0"}
    list(audit.query(page_size=7, since=timedelta(hours=1), until="2100-01-01"))
    asked = dict(service.requests[1].url.params)
    assert (asked["limit"], asked["until"]) == ("7", "2100-01-01T00:00:00Z")
    assert abs(datetime.fromisoformat(asked["since"]) - datetime.now(UTC) + timedelta(hours=1)) < timedelta(seconds=20)


class Pages:
    """Answers with one page after another."""

    def __init__(self, *pages: list[dict[str, Any]], last: bool = True) -> None:
        self.pages = list(pages)
        self.last = last
        self.more: bool | None = None
        self.asked: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(dict(request.url.params))
        page = self.pages.pop(0) if len(self.pages) > 1 or self.last else self.pages[0]
        more = bool(self.pages) if self.more is None else self.more
        return httpx.Response(200, json={"data": page, "pagination": {"has_more": more}})


def row(number: int, second: int = 0, **members: Any) -> dict[str, Any]:
    at = f"2026-01-31T12:00:{second:02d}.5Z"
    return {**EVENT, "event_id": str(UUID(int=number)), "event_timestamp": at, **members}


def test_bad_rows_come_at_the_end(client: Open) -> None:
    service: Any = Pages([row(9, 9), row(8, 8, event_data=1)], [row(8, 8, event_data=1), row(7, 7), {}], [row(6, 6)])
    found: list[int] = []
    with pytest.raises(ResponseDecodeError) as caught:
        found.extend(each.event_id.int for each in client(service).audit.query(page_size=2))
    assert found == [9, 7, 6]
    error = caught.value
    assert len(error.items) == 2
    assert str(UUID(int=8)) in error.items[0]
    assert (error.outcome, error.operation, error.status) == (Outcome.APPLIED, "queryAuditEvents", 200)
    assert [each.get("until") for each in service.asked] == [
        None,
        "2026-01-31T12:00:08.500000Z",
        "2026-01-31T12:00:07.500000Z",
    ]
    assert [each["offset"] for each in service.asked] == ["0", "1", "2"]


def test_a_page_that_ends_in_a_time_that_utc_does_not_have(client: Open) -> None:
    times = ("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00")
    odd = [row(number, event_timestamp=at) for number, at in enumerate(times, 1)]
    service: Any = Pages([row(9, 9), odd[0]], [odd[1], row(8, 8)], [row(7, 7), *odd], [])
    found: list[int] = []
    with pytest.raises(ResponseDecodeError, match="2 row") as caught:
        found.extend(each.event_id.int for each in client(service).audit.query(page_size=2))
    assert (found, len(caught.value.items)) == ([9, 8, 7], 2)


def test_relative_bounds_are_resolved_once(client: Open) -> None:
    service: Any = Pages([row(9, 9)], [row(8, 8)], [row(7, 7)], [])
    list(client(service).audit.query(since="24h", page_size=1))
    assert len({each["since"] for each in service.asked}) == 1
    assert len(service.asked) == 4


def test_a_full_page_is_not_the_last_one(client: Open) -> None:
    """The service counts before it selects, so what arrives in between makes it say that nothing follows."""
    service: Any = Pages([row(9, 9), row(8, 8)], [row(8, 8), row(7, 7)], [row(7, 7)])
    service.more = False
    assert [each.event_id.int for each in client(service).audit.query(page_size=2)] == [9, 8, 7]
    assert len(service.asked) == 3


def test_the_same_page_for_ever(client: Open) -> None:
    service: Any = Pages([row(9, 9), row(8, 8)], last=False)
    with pytest.raises(ResponseDecodeError, match="nothing new") as caught:
        list(client(service).audit.query())
    assert (caught.value.status, caught.value.outcome) == (200, Outcome.APPLIED)
    assert len(service.asked) < 20


# Waiting -------------------------------------------------------------------------------------------------------------


class Arriving(Service):
    """Each query finds one event more; the first ones fail."""

    def __init__(self, *failures: httpx.Response | None) -> None:
        super().__init__(stored=[])
        self.failures = list(failures)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.failures:
            answer = self.failures.pop(0)
            if answer is None:
                raise httpx.ConnectError("refused")
            return answer
        assert self.stored is not None
        self.stored.append(event(event_type=f"type.{len(self.stored)}"))
        return super().__call__(request)


def test_wait_for(client: Open) -> None:
    service = Arriving()
    assert len(client(service).audit.wait_for(correlation_id="remediation-1")) == 1
    found = client(service).audit.wait_for(4, correlation_id="remediation-1")
    assert [each.event_type for each in found] == ["type.0", "type.1", "type.2", "type.3"]
    assert len(service.asked) == 4


def test_wait_for_counts_what_can_be_read(client: Open) -> None:
    """One that can't be read keeps it neither from returning nor from waiting for another."""
    bad = row(8, 8, event_data=1)
    service: Any = Pages([row(9, 9), bad], [row(9, 9), bad], [row(10, 10), row(9, 9), bad])
    service.more = False
    audit = client(service).audit
    assert [each.event_id.int for each in audit.wait_for()] == [9]
    assert [each.event_id.int for each in audit.wait_for(2)] == [10, 9]
    assert len(service.asked) == 3
    service = Pages([row(9, 9), bad], last=False)
    service.more = False
    with pytest.raises(RequestTimeoutError) as caught:
        client(service).audit.wait_for(2, timeout=1.0)
    reason = f"event {UUID(int=8)}: event_data is of type int"
    assert f"1 of 2 events within 1 s; 1 more can't be read: {reason}; there is workflow.started (1)" in str(
        caught.value
    )


def test_wait_for_outlasts_outages(client: Open) -> None:
    service = Arriving(None, problem(500, "database-error"), html(503))
    once = client(service, retry=RetryPolicy(attempts=1))
    assert len(once.audit.wait_for(2)) >= 2


def test_wait_for_does_not_outlast_a_refusal(client: Open) -> None:
    for answer, cls in ((html(401), AuthenticationError), (problem(400, "validation-error"), ValidationError)):
        with pytest.raises(cls):
            client(Arriving(answer)).audit.wait_for()


def test_wait_for_says_what_there_was_instead(client: Open) -> None:
    stored = [event(event_type="a"), event(event_type="b"), event(event_type="b"), event(correlation_id="other")]
    audit = client(Service(stored=stored)).audit
    with pytest.raises(RequestTimeoutError) as caught:
        audit.wait_for(3, timeout=1.0, event_type="b", correlation_id="remediation-1")
    assert "2 of 3 events within 1 s; there is a (1), b (2)" in str(caught.value)
    assert isinstance(caught.value, TimeoutError)
    with pytest.raises(RequestTimeoutError, match="no event of another type"):
        audit.wait_for(timeout=1.0, correlation_id="nobody")


def test_wait_for_says_why_it_could_not_ask(client: Open) -> None:
    service = Service(stored=None)
    with pytest.raises(RequestTimeoutError, match=r"0 of 1 events within 1 s; then 500") as caught:
        client(service).audit.wait_for(timeout=1.0)
    assert isinstance(caught.value.__cause__, DatabaseError)


# Notifications -------------------------------------------------------------------------------------------------------

STORED = {**notification(), "sent_at": "2026-01-31T12:00:00Z", "id": 7}
NOTED = httpx.Response(201, json={**STORED, "created_at": "2026-01-31T12:00:00Z", "updated_at": "2026-01-31T12:00:00Z"})


def test_a_notification(client: Open) -> None:
    record = notification()
    receipt = client(Service(NOTED)).notifications.create(record)
    assert (receipt.status, receipt.recovered) == ("stored", False)
    assert receipt.stored_record.id == 7
    assert receipt.record is record
    assert "Restarted" not in repr(receipt)
    receipt = client(Service(QUEUED)).notifications.create(record)
    assert (receipt.status, receipt.stored_record, receipt.recovered) == ("queued", None, False)


def test_a_stored_notification_has_a_numeric_id(client: Open) -> None:
    answer = httpx.Response(201, json={**json.loads(NOTED.content), "id": "7"})
    with pytest.raises(ResponseDecodeError, match="id is of type str") as caught:
        client(Service(answer)).notifications.create(notification())
    assert caught.value.outcome is Outcome.APPLIED


def test_a_notification_that_exists(client: Open) -> None:
    service = Service(problem(409, "conflict"))
    with pytest.raises(ConflictError) as caught:
        client(service).notifications.create(notification())
    assert caught.value.outcome is Outcome.REFUSED
    assert service.asked == ["notify"]


OUTAGE = problem(503, "service-unavailable")


@pytest.mark.parametrize("lost", [None, html(502), html(503), html(504), problem(504, "x"), OUTAGE])
def test_a_lost_notification_is_repeated(client: Open, lost: Answer) -> None:
    if lost is not OUTAGE:
        for answers in ([lost], [lost, OUTAGE], [OUTAGE, lost]):
            service = Service(*answers, problem(409, "conflict"))
            receipt = client(service).notifications.create(notification())
            assert (receipt.status, receipt.stored_record, receipt.recovered) == ("stored", None, True)
    service = Service(lost, NOTED)
    receipt = client(service).notifications.create(notification())
    assert (receipt.status, receipt.recovered) == ("stored", False)
    service = Service(lost, lost, lost)
    with pytest.raises((ConnectionDroppedError, InternalServerError, ServiceUnavailableError)) as caught:
        client(service).notifications.create(notification())
    assert caught.value.outcome is Outcome.UNKNOWN
    assert service.asked == ["notify"] * 3


def test_an_unreadable_201_after_a_lost_answer_was_applied(client: Open) -> None:
    """What the last answer shows isn't put in doubt by the attempt before it."""
    cut = httpx.Response(201, headers={"content-type": "application/json"}, content=b'{"id": 7')
    service = Service(None, cut)
    with pytest.raises(ResponseDecodeError) as caught:
        client(service).notifications.create(notification())
    assert (caught.value.outcome, service.asked) == (Outcome.APPLIED, ["notify", "notify"])


def test_a_conflict_of_a_proxy_shows_nothing(client: Open) -> None:
    with pytest.raises(ConflictError) as caught:
        client(Service(None, html(409))).notifications.create(notification())
    assert (caught.value.outcome, caught.value.maybe_ours) == (Outcome.UNKNOWN, True)


def test_a_conflict_after_the_service_said_that_it_stored_nothing(client: Open) -> None:
    """That is most likely somebody else's record; the service may have been wrong, though."""
    with pytest.raises(ConflictError) as caught:
        client(Service(OUTAGE, OUTAGE, problem(409, "conflict"))).notifications.create(notification())
    assert (caught.value.outcome, caught.value.maybe_ours) == (Outcome.UNKNOWN, True)
    with pytest.raises(ConflictError) as caught:
        client(Service(html(429), problem(409, "conflict"))).notifications.create(notification())
    assert (caught.value.outcome, caught.value.maybe_ours) == (Outcome.REFUSED, False)


def test_one_attempt_is_one_attempt(client: Open) -> None:
    service = Service(None)
    with pytest.raises(ConnectionDroppedError):
        client(service, retry=RetryPolicy(attempts=1)).notifications.create(notification())
    assert service.asked == ["notify"]
