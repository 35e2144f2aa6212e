"""Whatever arrives, with whatever status: a `KubernautError` with the right outcome, or a value. Nothing else, ever.

100,000 generated answers through a mocked transport, half of them in each colour, and 5,000 over sockets in each. The
environment variable KUBERNAUT_TEST_SEED replaces the seed, which a run prints beside what came of its answers.
"""

import asyncio
import copy
import json
import logging
import os
import pickle
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
import pytest

from kubernaut_client import (
    APIError,
    AsyncDataStorageClient,
    ConflictError,
    DataStorageClient,
    HealthStatus,
    InvalidRequestError,
    KubernautError,
    RateLimitError,
    RequestTimeoutError,
    ResponseDecodeError,
    TransportError,
    ValidationError,
)
from kubernaut_client.operations import (
    CREATE_AUDIT_EVENT,
    CREATE_AUDIT_EVENTS_BATCH,
    CREATE_NOTIFICATION_AUDIT,
    CREATE_WORKFLOW,
    DISABLE_WORKFLOW,
    GET_WORKFLOW,
    HEALTH_CHECK,
    LIST_VERSIONS,
    LIST_WORKFLOWS,
    QUERY_AUDIT_EVENTS,
    SEARCH_WORKFLOWS,
    UPDATE_WORKFLOW,
    Body,
    Operation,
    Unread,
)
from tests.audit_events import event, notification
from tests.unit.wire.driver import IDENTITY, ONCE, WORKFLOW, Driver, create_request
from tests.unit.wire.generator import SECRET, Generated, Generator
from tests.unit.wire.server import Connection, WireServer

SEED = int(os.environ.get("KUBERNAUT_TEST_SEED", "20251230"))
MOCKED = 100_000
SHARDS = 5
SOCKETS = 5_000
MESSAGE_BOUND = 1000

# Operation, its request, the status that it documents, and whether it writes.
BARE: tuple[tuple[Operation[Any], Any], ...] = (
    (CREATE_WORKFLOW, create_request()),
    (GET_WORKFLOW, GET_WORKFLOW.request(IDENTITY)),
    (LIST_WORKFLOWS, LIST_WORKFLOWS.request(limit=100, offset=0)),
    (LIST_VERSIONS, LIST_VERSIONS.request("wire-test")),
    (UPDATE_WORKFLOW, UPDATE_WORKFLOW.request(IDENTITY, body=Body({"status": "active"}))),
    (DISABLE_WORKFLOW, DISABLE_WORKFLOW.request(IDENTITY, body=Body({"reason": "x"}))),
    (HEALTH_CHECK, HEALTH_CHECK.request()),
    (SEARCH_WORKFLOWS, SEARCH_WORKFLOWS.request(body=Body({}))),
    (CREATE_AUDIT_EVENT, CREATE_AUDIT_EVENT.request(body=Body({}))),
    (CREATE_AUDIT_EVENTS_BATCH, CREATE_AUDIT_EVENTS_BATCH.request(body=[Body({})])),
    (QUERY_AUDIT_EVENTS, QUERY_AUDIT_EVENTS.request(limit=10)),
    (CREATE_NOTIFICATION_AUDIT, CREATE_NOTIFICATION_AUDIT.request(body=Body({}))),
    (Unread.of(LIST_WORKFLOWS), LIST_WORKFLOWS.request()),
    (Unread.of(CREATE_WORKFLOW), create_request()),
)
WRITES = {
    "createWorkflow",
    "updateWorkflow",
    "disableWorkflow",
    "createAuditEvent",
    "createAuditEventsBatch",
    "createNotificationAudit",
}
SEARCH: dict[str, Any] = {**WORKFLOW["labels"]}


class Watch(logging.Handler):
    """Formats every record of the client, as a log file would get it, and keeps what must not be in one."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.count = 0
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self.count += 1
        if SECRET in text or WORKFLOW["content"].strip() in text or not text.isprintable():
            self.leaks.append(text)


@contextmanager
def watched() -> Iterator[Watch]:
    logger = logging.getLogger("kubernaut_client")
    watch, level = Watch(), logger.level
    logger.addHandler(watch)
    logger.setLevel(logging.DEBUG)
    try:
        yield watch
    finally:
        logger.removeHandler(watch)
        logger.setLevel(level)


# What holds for every error ------------------------------------------------------------------------------------------


def shown(error: BaseException) -> Iterator[str]:
    """All texts that a log, a traceback or a debugger has of an exception and of what caused it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        item = waiting.pop()
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        yield str(item)
        yield repr(item)
        yield repr(item.args)
        for name, value in vars(item).items():
            yield f"{name}={value!r}"
        if isinstance(item, UnicodeDecodeError | UnicodeEncodeError):
            yield repr(item.object)
        request = getattr(item, "_request", None)
        if isinstance(request, httpx.Request):
            yield repr(request.headers.raw)
        waiting.append(item.__cause__ if item.__suppress_context__ else item.__context__)


def check(error: KubernautError) -> None:
    """Prints in one bounded line, pickles, copies, deep-copies, and shows no secret wherever one looks."""
    text, representation = str(error), repr(error)
    assert text.isprintable(), text
    assert representation.isprintable(), representation
    assert len(text) <= MESSAGE_BOUND
    if error.history:
        assert error.request_id
        assert error.request_id in text
    else:  # what is concluded from several calls
        assert isinstance(error, InvalidRequestError | RequestTimeoutError)
    pickled = pickle.dumps(error)
    assert SECRET.encode() not in pickled, f"pickle of {representation}"
    for twin in (pickle.loads(pickled), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert (str(twin), repr(twin)) == (text, representation)
        assert (twin.outcome, twin.history, twin.request_id) == (error.outcome, error.history, error.request_id)
    for what in shown(error):
        assert SECRET not in what, f"{representation} shows it in {what[:300]}"
    if isinstance(error, APIError):
        assert 100 <= error.status <= 999
        assert isinstance(error.problem.summary, str)
        assert isinstance(error.problem.field_errors, dict)
    if isinstance(error, RateLimitError):
        assert error.retry_after is None or error.retry_after >= 0
    if isinstance(error, ValidationError):
        assert all(isinstance(reason, str) for reason in error.field_errors.values())
    if isinstance(error, ConflictError):
        assert all(isinstance(part, str | None) for part in (error.resource, error.field, error.value))


def check_value(value: object) -> None:
    if isinstance(value, HealthStatus):
        for text in (value.status, value.reason, value.error):
            assert text is None or text.isprintable()
        # Without a word of the service's own the rest is the message of an error.
        assert value.status is not None or SECRET not in str(value)


# Through a mocked transport ------------------------------------------------------------------------------------------

BEFORE_THE_ANSWER: tuple[tuple[type[Exception], str], ...] = (
    (httpx.ConnectError, "not_sent"),
    (httpx.ConnectTimeout, "not_sent"),
    (httpx.PoolTimeout, "not_sent"),
    (httpx.ProxyError, "not_sent"),
    (httpx.UnsupportedProtocol, "not_sent"),
    (httpx.ReadTimeout, "unknown"),
    (httpx.WriteTimeout, "unknown"),
    (httpx.ReadError, "unknown"),
    (httpx.WriteError, "unknown"),
    (httpx.RemoteProtocolError, "unknown"),
    (httpx.DecodingError, "unknown"),
    (OSError, "unknown"),
    (ValueError, "unknown"),
    (RuntimeError, "unknown"),
    (TimeoutError, "unknown"),
)


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in one or two pieces that may end in an exception, as a cut connection gives it."""

    def __init__(self, body: bytes, cut: int | None) -> None:
        self._body = body
        self._cut = cut

    def __iter__(self) -> Iterator[bytes]:
        if self._cut is None:
            yield self._body
        else:
            yield self._body[: self._cut]
            raise httpx.RemoteProtocolError(f"peer closed connection while it sent {SECRET}")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


class Mocked:
    """Gives out one drawn answer after another, and remembers what the last request got."""

    def __init__(self, seed: int) -> None:
        self._generator = Generator(seed)
        self._picks = Generator(~seed)._random
        self.answer: Generated | None = None
        self.raised: tuple[type[Exception], str] | None = None
        self.given = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert "cookie" not in request.headers
        self.given += 1
        self.answer = self.raised = None
        if self._picks.random() < 0.05:
            self.raised = self._picks.choice(BEFORE_THE_ANSWER)
            kind = self.raised[0]
            if issubclass(kind, httpx.RequestError):
                raise kind("it ended", request=request)
            raise kind("it ended")
        made = self.answer = self._generator.draw()
        headers = [(name.encode(), value.encode("latin-1")) for name, value in made.headers]
        extensions = {"reason_phrase": made.reason.encode("latin-1")}
        return httpx.Response(made.status, headers=headers, stream=Stream(made.body, made.cut), extensions=extensions)

    async def acall(self, request: httpx.Request) -> httpx.Response:
        return self(request)

    def judge(self, error: KubernautError, operation: Operation[Any]) -> None:
        """Compare the outcome of a bare attempt with what was worked out from its answer."""
        if self.raised is not None:
            assert isinstance(error, TransportError)
            expected = {self.raised[1]}
        else:
            assert self.answer is not None
            if not self.answer.bad_location:
                assert isinstance(error, APIError | ResponseDecodeError)
                assert error.status == self.answer.status
            expected = self.answer.outcomes(operation.decoders, operation.media_types, write=operation.name in WRITES)
        assert error.outcome.value in expected


def own_cookies() -> CookieJar:
    """A jar that keeps nothing: cookies of a caller's own httpx client are that client's."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def methods(client: Any) -> tuple[Callable[[], Any], ...]:
    """The calls of the public API that the answers are spread over, besides the bare attempts."""
    return (
        lambda: client.workflows.create(WORKFLOW),
        lambda: client.workflows.get(IDENTITY),
        client.workflows.list,
        lambda: client.workflows.versions("wire-test"),
        lambda: client.workflows.update(IDENTITY, status="active"),
        lambda: client.workflows.disable(IDENTITY, reason="x"),
        lambda: client.workflows.republish(IDENTITY, version="9.0.0"),
        lambda: client.workflows.ensure(WORKFLOW),
        lambda: client.workflows.bootstrap([WORKFLOW]),
        client.health.check,
        client.health.ready,
        lambda: client.workflows.search(**SEARCH),
        lambda: client.audit.write(event(parent_event_id=IDENTITY)),
        lambda: client.audit.write_batch([event() for _ in range(3)]),
        client.audit.query,
        lambda: client.notifications.create(notification()),
    )


def impatient(client: Any) -> tuple[Callable[[], Any], ...]:
    """Calls that don't wait for their answers, so that over a socket one would be given out after the call."""
    return lambda: client.audit.wait_for(timeout=0.01), lambda: client.wait_until_ready(0.01)


def told(what: str, counts: Counter[str], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        total = sum(counts.values())
        listed = ", ".join(f"{name} {count}" for name, count in counts.most_common())
        print(f"\n{what}: seed {SEED}, {total} results: {listed}")


def spread_sync(mocked: Mocked, count: int) -> Counter[str]:
    """Calls until so many answers were given."""
    counts: Counter[str] = Counter()
    with (
        httpx.Client(transport=httpx.MockTransport(mocked), cookies=own_cookies()) as own,
        DataStorageClient("http://127.0.0.1:1", token=SECRET, retry=ONCE, http_client=own) as client,
    ):
        calls = methods(client) + impatient(client)
        number = 0
        while mocked.given < count:
            number += 1
            bare = number % 5
            operation, request = BARE[number % len(BARE)]
            try:
                if bare:
                    value = client._options.call().attempt(operation, request)
                else:
                    value = calls[number // 5 % len(calls)]()
                    value = list(value) if isinstance(value, Iterator) else value
            except KubernautError as error:
                judged(error, mocked, operation if bare else None)
                counts[type(error).__name__] += 1
            else:
                check_value(value)
                counts[type(value).__name__] += 1
    return counts


async def spread_async(mocked: Mocked, count: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(mocked.acall), cookies=own_cookies()) as own,
        AsyncDataStorageClient("http://127.0.0.1:1", token=SECRET, retry=ONCE, http_client=own) as client,
    ):
        calls = methods(client) + impatient(client)
        number = 0
        while mocked.given < count:
            number += 1
            bare = number % 5
            operation, request = BARE[number % len(BARE)]
            try:
                if bare:
                    value = await client._options.call().attempt(operation, request)
                else:
                    value = calls[number // 5 % len(calls)]()
                    value = await value if isinstance(value, Awaitable) else [item async for item in value]
            except KubernautError as error:
                judged(error, mocked, operation if bare else None)
                counts[type(error).__name__] += 1
            else:
                check_value(value)
                counts[type(value).__name__] += 1
    return counts


def judged(error: KubernautError, mocked: Mocked, operation: Operation[Any] | None) -> None:
    try:
        check(error)
        if operation is not None:
            mocked.judge(error, operation)
    except BaseException as failure:
        failure.add_note(f"answer {mocked.given} of its seed: {str(mocked.answer)[:2000]} or {mocked.raised}")
        raise


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_mocked_answers(colour: str, shard: int, capsys: pytest.CaptureFixture[str]) -> None:
    mocked = Mocked(SEED + shard + (SHARDS if colour == "async" else 0))
    share = MOCKED // SHARDS // 2
    with watched() as watch:
        counts = spread_sync(mocked, share) if colour == "sync" else asyncio.run(spread_async(mocked, share))
    assert mocked.given >= share
    assert not watch.leaks
    assert watch.count >= share
    told(f"mocked answers {mocked.given} ({colour}, shard {shard})", counts, capsys)


# Over sockets --------------------------------------------------------------------------------------------------------


def over_the_wire(made: Generated, generator: Generator) -> tuple[bytes, bool, bool]:
    """The bytes of an answer as a server sends them; whether they are regular HTTP, and whether to keep the connection.

    Irregular: a byte of the head changed, or a length that isn't the body's; then the outcome can't be worked out.
    """
    pick = generator._random
    headers = list(made.headers)
    body = made.body
    regular = True
    framing = pick.randrange(4)
    if made.status in (204, 304) or made.status < 200:
        body = b""
    elif framing == 0:
        headers.append(("Transfer-Encoding", "chunked"))
        half = len(body) // 2
        parts = [part for part in (body[:half], body[half:]) if part]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    elif framing < 3:
        headers.append(("Content-Length", str(len(body))))
    lines = [f"HTTP/1.1 {made.status} {made.reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
    head = "\r\n".join(lines).encode("latin-1")
    if pick.random() < 0.1:
        at = pick.randrange(len(head))
        head = head[:at] + pick.randbytes(pick.randint(0, 3)) + head[at + pick.randint(0, 2) :]
        regular = False
    if framing == 2 and pick.random() < 0.1:
        length = pick.choice((b"Content-Length: 1", b"Content-Length: -", b"Content-Length: " + b"9" * 5000, b"X: "))
        head = head.replace(b"Content-Length: ", length)
        regular = False
    data = head + body
    if made.cut is not None:
        data = data[: pick.randint(0, len(data))]
    keep = regular and made.cut is None and framing < 3 and made.status >= 200
    return data, regular, keep


class Wire:
    """A script for a server that gives out drawn answers; the last one is what the client got last."""

    def __init__(self, seed: int) -> None:
        self._generator = Generator(seed)
        self.sent: deque[tuple[Generated, bytes, bool]] = deque(maxlen=3)
        self.given = 0

    def __call__(self, connection: Connection) -> None:
        while connection.request() is not None:
            connection.server.requests.clear()
            made = self._generator.draw()
            data, regular, keep = over_the_wire(made, self._generator)
            self.sent.append((made, data, regular))
            self.given += 1
            connection.send(data)
            if not keep:
                return

    def judge(self, error: KubernautError, operation: Operation[Any], given_before: int) -> None:
        if self.given == given_before:
            # The server had just closed the connection that the client kept: no answer was given out.
            assert isinstance(error, TransportError)
            assert error.outcome.value == "unknown"
            return
        made, data, regular = self.sent[-1]
        if not regular or made.status < 200:
            return
        if b"\r\n\r\n" not in data:
            assert isinstance(error, TransportError)
            assert error.outcome.value == "unknown"
            return
        assert error.outcome.value in made.outcomes(
            operation.decoders, operation.media_types, write=operation.name in WRITES
        )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_answers_over_sockets(driver: Driver, capsys: pytest.CaptureFixture[str]) -> None:
    wire = Wire(SEED)
    counts: Counter[str] = Counter()
    with watched() as watch, WireServer(wire) as server:
        client = driver.client(server.url, token=SECRET, timeout=20)
        calls = methods(client)

        def step(number: int) -> Callable[[], Any]:
            if number % 10 == 0:
                return calls[number // 10 % len(calls)]
            operation, request = BARE[number % len(BARE)]
            return lambda: client._options.call().attempt(operation, request)

        number = 0
        while wire.given < SOCKETS:
            number += 1
            before = wire.given
            try:
                value = driver.run(step(number))
            except KubernautError as error:
                try:
                    check(error)
                    if number % 10:
                        wire.judge(error, BARE[number % len(BARE)][0], before)
                except BaseException as failure:
                    failure.add_note(f"answer {wire.given}: {str(wire.sent[-1])[:3000]}")
                    raise
                counts[type(error).__name__] += 1
            else:
                check_value(value)
                counts[type(value).__name__] += 1
    assert not watch.leaks
    told(f"answers over sockets {wire.given} ({driver.colour})", counts, capsys)


def test_a_good_answer_is_read_after_all_of_them(driver: Driver) -> None:
    """A call still works after 300 broken answers over the same client: nothing of them stays in its pool."""
    wire = Wire(SEED + 99)
    good = b'{"versions": null}'

    def script(connection: Connection) -> None:
        if wire.given < 300:
            wire(connection)
            return
        while connection.request() is not None:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n" + good)

    with WireServer(script) as server:
        client = driver.client(server.url, token=SECRET, timeout=20)
        while wire.given < 300:
            try:
                driver.run(lambda: client._options.call().attempt(LIST_VERSIONS, LIST_VERSIONS.request("x")))
            except KubernautError as error:
                check(error)
        results = [driver.start(lambda: client.workflows.versions("x")) for _ in range(50)]
        values = [result.exception(20) or result.result() for result in results]
    assert json.loads(good) == {"versions": None}
    assert [value for value in values if value == []]
