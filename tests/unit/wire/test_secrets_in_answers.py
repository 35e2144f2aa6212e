"""What is sent as a credential and quoted in an answer changes nothing but what an error shows of the answer.

Every case is one call, made twice with the same answers: once without a secret, and once with a secret that is a part
of them. KUBERNAUT_TEST_SECRETS is the number of cases (3,000 without it), KUBERNAUT_TEST_SEED replaces the seed.
"""

import asyncio
import json
import os
import random
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
import pytest

from kubernaut_client import (
    APIError,
    AsyncDataStorageClient,
    BatchResult,
    BootstrapReport,
    ConflictError,
    DataStorageClient,
    HealthStatus,
    KubernautError,
    RateLimitError,
    ResponseDecodeError,
    RetryPolicy,
)
from kubernaut_client.http import AsyncSession, Session
from kubernaut_client.operations import OPERATIONS, Unread
from kubernaut_client.spool.verdict import judge
from tests.audit_events import event, notification
from tests.unit.wire.driver import EVENT, IDENTITY, STORED, WORKFLOW
from tests.unit.wire.generator import Generator
from tests.unit.wire.test_generated_answers import BARE, SEARCH

SEED = int(os.environ.get("KUBERNAUT_TEST_SEED", "20251230"))
CASES = int(os.environ.get("KUBERNAUT_TEST_SECRETS", "3000"))
SHARDS = 4
AT_ONCE = 25
"""Secrets that are tried with the same answers."""
# No limit of time decides anything here, however busy the machine is.
TWICE = RetryPolicy(attempts=2, wait_initial=0, jitter=0, deadline=86400)
PATIENT: Mapping[str, Any] = {"retry": TWICE, "timeout": 86400}

EVENTS = [event(correlation_id=f"c-{number}") for number in range(5)]
PARENTED = event(parent_event_id=IDENTITY)
NOTIFICATION = notification()

Answer = tuple[int, Sequence[tuple[str, str]], bytes]
Answers = Callable[[int, httpx.Request], Answer]
"""The answer to the request of that number."""

JSON = "application/json"
PROBLEM = "application/problem+json"
NEW, OLD, GLUED = (
    "https://kubernaut.ai/problems/",
    "https://kubernaut.io/errors/",
    "https://kubernaut.io/errors/https://",
)
FINDING = 'Error at "/3/event_type": minimum string length is 1\nSchema:\n  {"minLength": 1}\n\nValue:\n  ""\n'
HEALTHY = (200, [("Content-Type", "text/plain")], b'{"status":"healthy","database":"connected"}')
UNHEALTHY = (
    503,
    [("Content-Type", "text/plain")],
    b'{"status":"unhealthy","database":"unreachable","error":"dial "x""}',
)
WORDS = {None, "healthy", "unhealthy", "ready", "not_ready", "alive"}


def made(status: int, body: object, kind: str = JSON, *headers: tuple[str, str]) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return status, [("Content-Type", kind), *headers], data


def problem(status: int, slug: str, title: str, detail: str, base: str = NEW, *headers: tuple[str, str]) -> Answer:
    members = {"type": base + slug, "title": title, "status": status, "detail": detail, "instance": "/api/v1"}
    return made(status, members, PROBLEM, *headers)


def always(answer: Answer) -> Answers:
    return lambda _, request: HEALTHY if request.url.path == "/health" else answer


def in_turn(*answers: Answer) -> Answers:
    return lambda number, _: answers[min(number, len(answers) - 1)]


def by_method(write: Answer, read: Answer, health: Answer = HEALTHY) -> Answers:
    def answer(_: int, request: httpx.Request) -> Answer:
        if request.url.path == "/health":
            return health
        return read if request.method == "GET" else write

    return answer


def refusing(text: Callable[[int], str], bad: frozenset[str]) -> Answers:
    """A batch is refused as long as one of these events is in it; the text names the first of them by its place."""

    def answer(_: int, request: httpx.Request) -> Answer:
        sent = [each["correlation_id"] for each in json.loads(request.content)]
        places = [place for place, name in enumerate(sent) if name in bad]
        if places:
            return problem(400, "validation-error", "Validation Error", text(places[0]), OLD, ("Date", DATE))
        return made(201, {"event_ids": [f"{number:032x}" for number in range(len(sent))]})

    return answer


DATE = "Fri, 30 Jan 2026 12:00:00 GMT"
EXISTS = "Workflow 'wire-test' version '1.0.0' already exists"
FAULT = problem(500, "internal-error", "Internal Server Error", "Failed to create workflow")
STORED_ROWS = made(200, {"versions": [STORED], "total": 1})
TOO_OLD = "event at index {}: invalid timestamp: timestamp is too old (must be within 7 days, age: 200h0m0s)"
AHEAD = "event at index {}: invalid timestamp: timestamp is in the future (server time: a, event time: b)"
PARENT = problem(400, "validation-error", "Validation Error", "parent event does not exist: x", OLD)
PAGE = made(502, b"<html><body><h1>502 Bad Gateway</h1><p>upstream</p></body></html>", "text/html")

Call = Callable[[Any], Any]
CREATE: Call = lambda client: client.workflows.create(WORKFLOW)  # noqa: E731
UPDATE: Call = lambda client: client.workflows.update(IDENTITY, status="active")  # noqa: E731
BATCH: Call = lambda client: client.audit.write_batch(EVENTS)  # noqa: E731
WRITE: Call = lambda client: client.audit.write(PARENTED)  # noqa: E731
NOTIFY: Call = lambda client: client.notifications.create(NOTIFICATION)  # noqa: E731
CHECK: Call = lambda client: client.health.check()  # noqa: E731

SCRIPTED: tuple[tuple[Call, Answers], ...] = (
    (CREATE, by_method(problem(409, "conflict", "Resource Conflict", EXISTS), STORED_ROWS)),
    (CREATE, by_method(FAULT, STORED_ROWS)),
    (CREATE, by_method(FAULT, made(200, {"versions": None, "total": 0}))),
    (CREATE, by_method(problem(500, "database_error", "Database Error", "pool closed", GLUED), STORED_ROWS)),
    (CREATE, by_method(PAGE, STORED_ROWS)),
    (CREATE, by_method(made(201, b'{"workflow_id": "cut'), STORED_ROWS)),
    (CREATE, by_method(made(200, STORED), STORED_ROWS)),
    (CREATE, always(problem(429, "too-many", "Too Many Requests", "slow down", NEW, ("Retry-After", "37")))),
    (UPDATE, by_method(problem(404, "not-found", "Not Found", "workflow not found"), made(200, STORED))),
    (UPDATE, by_method(problem(400, "immutable-field-violation", "Bad Request", "content"), made(200, STORED))),
    (lambda client: client.workflows.get(IDENTITY), always(PAGE)),
    (lambda client: client.workflows.get(IDENTITY), always(made(200, {**STORED, "labels": {"a": 7}}))),
    (lambda client: client.workflows.ensure(WORKFLOW), in_turn(made(200, {"versions": None}), FAULT, STORED_ROWS)),
    (lambda client: client.workflows.list(), always(made(200, {"workflows": [STORED, {}], "total": 2}))),
    (BATCH, refusing(lambda place: FINDING.replace("3", str(place)), frozenset({"c-3"}))),
    (BATCH, refusing(TOO_OLD.format, frozenset({"c-1", "c-3"}))),
    (BATCH, refusing(AHEAD.format, frozenset({"c-0", "c-4"}))),
    (BATCH, refusing(lambda place: f"event at index {place}: conversion", frozenset({"c-3"}))),
    (BATCH, refusing(lambda _: "invalid JSON: cannot unmarshal", frozenset({"c-2"}))),
    (BATCH, always(problem(400, "batch-size-exceeded", "Batch Too Large", "at most 1"))),
    (BATCH, always(problem(400, "missing_request", "Bad Request", 'parameter "x" in header has an error: missing'))),
    (BATCH, always(made(201, {"event_ids": [IDENTITY]}))),
    (BATCH, always(made(202, {"status": "accepted", "message": "queued"}))),
    (WRITE, by_method(PARENT, made(200, {"data": []}), UNHEALTHY)),
    (WRITE, by_method(PARENT, made(200, {"data": []}))),
    (WRITE, by_method(made(201, b"{}"), made(200, {"data": [EVENT], "pagination": {"has_more": False}}))),
    (WRITE, always(made(202, {"status": "accepted"}))),
    (NOTIFY, in_turn(PAGE, problem(409, "conflict", "Resource Conflict", "notification_id exists"))),
    (
        NOTIFY,
        in_turn(problem(503, "service-unavailable", "Unavailable", "x"), problem(409, "conflict", "Conflict", "")),
    ),
    (CHECK, lambda *_: UNHEALTHY),
    (CHECK, lambda *_: made(503, {"status": "unhealthy", "reason": "shutting_down"}, "text/plain")),
    (lambda client: client.health.ready(), always(made(200, {"status": "ready"}))),
)

METHODS: tuple[Call, ...] = (
    CREATE,
    UPDATE,
    BATCH,
    WRITE,
    NOTIFY,
    CHECK,
    lambda client: client.workflows.get(IDENTITY),
    lambda client: client.workflows.list(),
    lambda client: client.workflows.versions("wire-test"),
    lambda client: client.workflows.disable(IDENTITY, reason="x"),
    lambda client: client.workflows.ensure(WORKFLOW),
    lambda client: client.workflows.republish(IDENTITY, version="9.0.0"),
    lambda client: client.workflows.bootstrap([WORKFLOW]),
    lambda client: client.workflows.search(**SEARCH),
    lambda client: client.audit.query(),
    lambda client: client.health.ready(),
    lambda client: client.health.live(),
    *(lambda client, row=row: client._options.call().attempt(*row) for row in BARE),
)


@dataclass(frozen=True)
class Situation:
    """A call and the answers to its requests; `texts` are those that secrets are taken from."""

    call: Call
    answers: Answers


class Service:
    """Gives the answers, and keeps the texts of them and what was asked."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.asked: list[tuple[str, str, int]] = []
        self.texts: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        number = len(self.asked)
        # The control question asks for an id of its own.
        path = re.sub("[0-9a-f-]{36}", "ID", request.url.path)
        self.asked.append((request.method, path, request.content.count(b"event_type")))
        status, headers, body = self._answers(number, request)
        head = "\n".join(f"{name}: {value}" for name, value in headers)
        self.texts += [head, body.decode("latin-1")]
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        return httpx.Response(status, headers=raw, stream=httpx.ByteStream(body))

    async def acall(self, request: httpx.Request) -> httpx.Response:
        return self(request)


def seen(result: Any) -> object:
    """Class, outcome, value and what else callers decide by; not the texts of refusals, which are masked."""
    if isinstance(result, KubernautError):
        return {
            "class": type(result).__name__,
            "outcome": result.outcome,
            "inferred": result.inferred,
            "history": [(each.operation, each.status, each.outcome, each.error) for each in result.history],
            "receipts": [each and receipt(each) for each in result.receipts],
            "unstored": result.unstored,
            "status": result.status if isinstance(result, APIError | ResponseDecodeError) else None,
            "document": result.problem.is_document if isinstance(result, APIError) else None,
            "wait": result.retry_after if isinstance(result, RateLimitError) else None,
            "cut": result.cut if isinstance(result, ResponseDecodeError) else None,
            "conflict": (result.identical, result.maybe_ours) if isinstance(result, ConflictError) else None,
            "spool": verdict(result),
        }
    if isinstance(result, BatchResult):
        return [receipt(each) for each in result]
    if isinstance(result, HealthStatus):
        return (result.ok, result.status in WORDS and result.status, result.reason == "database_unreachable")
    if isinstance(result, list):
        return [seen(each) for each in result]
    if isinstance(result, BootstrapReport):
        return [(row.action, row.by, row.id, seen(row.error)) for row in result]
    return repr(result.to_dict() if hasattr(result, "to_dict") else result)


def receipt(each: Any) -> tuple[Any, ...]:
    return each.status, each.event_id, each.recovered, each.event["correlation_id"], each.reason is None


def verdict(error: KubernautError) -> tuple[Any, ...]:
    judged = judge(error, len(EVENTS))
    why = judged.refusal
    return judged.verdict, why and (why.blame, sorted(why.named), why.now, why.mistimed)


def called(situation: Situation, **credentials: Any) -> tuple[object, Service]:
    service = Service(situation.answers)
    with (
        httpx.Client(transport=httpx.MockTransport(service), cookies=no_cookies()) as own,
        DataStorageClient("http://127.0.0.1:1", http_client=own, **PATIENT, **credentials) as client,
    ):
        try:
            value = situation.call(client)
            result = list(value) if isinstance(value, Iterator) else value
        except KubernautError as error:
            result = error
    return (seen(result), service.asked), service


async def acalled(situation: Situation, **credentials: Any) -> tuple[object, Service]:
    service = Service(situation.answers)
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(service.acall), cookies=no_cookies()) as own,
        AsyncDataStorageClient("http://127.0.0.1:1", http_client=own, **PATIENT, **credentials) as client,
    ):
        try:
            value = situation.call(client)
            result = await value if isinstance(value, Awaitable) else [item async for item in value]
        except KubernautError as error:
            result = error
    return (seen(result), service.asked), service


def no_cookies() -> CookieJar:
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def again_and_again(answers: Sequence[Answer]) -> Answers:
    return lambda at, _: answers[at % len(answers)]


def situations(pick: random.Random) -> Iterator[Situation]:
    """Scripted and generated answers in turn, for ever."""
    generator = Generator(pick.randrange(2**32))
    number = pick.randrange(1000)
    while True:
        number += 1
        yield Situation(*SCRIPTED[number % len(SCRIPTED)])
        drawn = [generator.draw() for _ in range(pick.choice((1, 1, 2, 5)))]
        answers = [(each.status, each.headers, each.body) for each in drawn]
        yield Situation(METHODS[number % len(METHODS)], again_and_again(answers))


def secrets(texts: Sequence[str], pick: random.Random, count: int) -> Iterator[Mapping[str, Any]]:
    """Parts of the answers as tokens or headers; short ones and whole words more often than others."""
    words = [word for text in texts for word in re.findall("[!-~]+", text)]
    names = [name for text in texts for name in re.findall("[A-Za-z0-9_-]+", text)]
    for _ in range(count):
        part = pick.choice(pick.choice((words, words, names)) or ["x"])
        if pick.random() < 0.7:
            start = pick.randrange(len(part))
            part = part[start : start + pick.choice((1, 1, 2, 3, 5, 8, 20, 200))]
        kind = pick.randrange(4)
        if kind < 2:
            yield {"token": part}
        else:
            yield {
                "headers": {pick.choice(("X-Password", "Cookie", "X-Session-Id")): part if kind == 2 else f"a={part}"}
            }


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_secret_changes_nothing(colour: str, shard: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "sleep", lambda *_: None)
    monkeypatch.setattr(AsyncSession, "sleep", no_sleep)
    pick = random.Random(f"{SEED} {colour} {shard}")
    share = CASES // SHARDS // 2
    done = 0
    for situation in situations(pick):
        if done >= share:
            break
        plain, service = run(colour, situation)
        for credentials in secrets(service.texts, pick, AT_ONCE):
            found, _ = run(colour, situation, **credentials)
            done += 1
            assert found == plain, f"{credentials} in {service.texts}"
    assert done >= share


async def no_sleep(*_: object) -> None:
    """What a Retry-After asks for isn't waited."""


def run(colour: str, situation: Situation, **credentials: Any) -> tuple[object, Service]:
    if colour == "sync":
        return called(situation, **credentials)
    return asyncio.run(acalled(situation, **credentials))


def test_every_operation_is_among_the_cases() -> None:
    """By what is asked: the operations that the calls of this module send."""
    asked: set[tuple[str, str]] = set()
    for call in METHODS:
        for situation in (Situation(call, always(FAULT)), Situation(call, always(STORED_ROWS))):
            asked |= {(method, path) for method, path, _ in called(situation)[1].asked}
    for row in OPERATIONS:
        path = re.sub(r"\{workflow_id\}", "ID", row.path).replace("{workflow_name}", "wire-test")
        assert (row.method, path) in asked or row.name in UNASKED, row.name
    assert issubclass(Unread, type(OPERATIONS[0]))


UNASKED = {"getMetrics"}
