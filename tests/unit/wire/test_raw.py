"""Every public member of the generated client, as `client.raw` has it: through our session, or refused."""

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import httpx
import pytest
from kubernaut_datastorage.api.health import liveness_check
from kubernaut_datastorage.client import AuthenticatedClient, Client

from kubernaut_client import (
    ConfigurationError,
    DatabaseError,
    InvalidRequestError,
    RequestTimeoutError,
    ServiceUnavailableError,
)
from kubernaut_client.models import UNSET
from tests.unit.wire.conftest import Serve
from tests.unit.wire.driver import Driver
from tests.unit.wire.server import Received, answer, keep_alive

ALIVE = answer(200, b'{"status": "alive"}', "application/json")
FAILED = answer(500, b'{"type": "x/database-error", "title": "No database", "status": 500}', "application/problem+json")


def live(driver: Driver, raw: Client) -> Callable[[], Any]:
    """A call of a generated function."""
    function = liveness_check.asyncio_detailed if driver.is_async else liveness_check.sync_detailed
    return lambda: function(client=raw)


def http_of(driver: Driver, raw: Client) -> Any:
    return raw.get_async_httpx_client() if driver.is_async else raw.get_httpx_client()


def within(driver: Driver, manager: Any, call: Callable[[Any], Any]) -> Any:
    """What a call gives inside a context manager of the driver's kind."""

    async def later() -> Any:
        async with manager as entered:
            return await call(entered)

    def now() -> Any:
        with manager as entered:
            return call(entered)

    return driver.run(later if driver.is_async else now)


WAYS: dict[str, Callable[[Driver, Client], Callable[[], Any]]] = {
    "a generated function": live,
    "with_headers": lambda driver, raw: live(driver, raw.with_headers({"X-Team": "a"})),
    "with_timeout": lambda driver, raw: live(driver, raw.with_timeout(httpx.Timeout(5))),
    "with_timeout of seconds": lambda driver, raw: live(driver, raw.with_timeout(5)),  # type: ignore[arg-type]
    "two of them": lambda driver, raw: live(driver, raw.with_headers({}).with_timeout(httpx.Timeout(5))),
    "copy": lambda driver, raw: live(driver, copy.copy(raw)),
    "deepcopy": lambda driver, raw: live(driver, copy.deepcopy(raw)),
    "request": lambda driver, raw: lambda: http_of(driver, raw).request("GET", "/health/live"),
    "get": lambda driver, raw: lambda: http_of(driver, raw).get("/health/live"),
    "get with a timeout": lambda driver, raw: lambda: http_of(driver, raw).get("/health/live", timeout=5),
    "get with headers": lambda driver, raw: lambda: http_of(driver, raw).get("/health/live", headers={"X-Team": "a"}),
    "get with arguments that are not set": lambda driver, raw: (
        lambda: http_of(driver, raw).get("/health/live", auth=None)
    ),
    "post": lambda driver, raw: lambda: http_of(driver, raw).post("/api/v1/workflows/search", json={"filters": {}}),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_sends_through_our_session(way: str, driver: Driver, serve: Serve) -> None:
    """With the token, the request id and our errors."""
    answers = iter([ALIVE, FAILED])
    server = serve(keep_alive(lambda _: next(answers)))
    calls: list[Any] = []
    raw = driver.client(server.url, token="t0ken", on_call=calls.append).raw
    call = WAYS[way](driver, raw)
    assert driver.run(call).status_code == 200
    assert isinstance(driver.error(call), DatabaseError)
    assert [received.headers["authorization"] for received in server.requests] == ["Bearer t0ken"] * 2
    assert [received.headers["x-request-id"] for received in server.requests] == [call.request_id for call in calls]


def test_with_headers_sends_them(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: ALIVE))
    raw = driver.client(server.url, headers={"X-One": "1", "X-Two": "2"}).raw
    other = raw.with_headers({"x-two": "two", "X-Three": "3"})
    driver.run(live(driver, other))
    driver.run(live(driver, raw))
    sent = [
        {name: received.headers.get(name) for name in ("x-one", "x-two", "x-three")} for received in server.requests
    ]
    assert sent == [{"x-one": "1", "x-two": "two", "x-three": "3"}, {"x-one": "1", "x-two": "2", "x-three": None}]


def test_with_timeout_holds(driver: Driver, serve: Serve) -> None:
    server = serve(lambda connection: connection.stall())
    for raw in (
        driver.client(server.url).raw.with_timeout(0.2),
        driver.client(server.url).raw.with_timeout(httpx.Timeout(0.2)),
    ):
        error = driver.error(live(driver, raw))
        assert isinstance(error, RequestTimeoutError)
        assert "0.2 s" in str(error)
    error = driver.error(lambda: http_of(driver, driver.client(server.url).raw).get("/health/live", timeout=0.2))
    assert isinstance(error, RequestTimeoutError)


def test_leaving_it_closes_nothing(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: ALIVE))
    raw = driver.client(server.url).raw
    assert within(driver, raw, lambda entered: live(driver, entered)()).status_code == 200
    assert within(driver, http_of(driver, raw), lambda entered: entered.get("/health/live")).status_code == 200
    http = http_of(driver, raw)
    driver.run(http.aclose if driver.is_async else http.close)
    assert driver.run(live(driver, raw)).status_code == 200
    assert server.accepted == 1


def test_it_ends_with_its_client(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: ALIVE))
    client = driver.client(server.url)
    raw = client.raw
    driver.run(client.close)
    assert isinstance(driver.error(live(driver, raw)), ConfigurationError)
    assert isinstance(driver.error(live(driver, raw.with_timeout(3))), ConfigurationError)


REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "with_cookies": lambda raw, _: raw.with_cookies({"a": "b"}),
    "set_httpx_client": lambda raw, _: raw.set_httpx_client(httpx.Client()),
    "set_async_httpx_client": lambda raw, _: raw.set_async_httpx_client(httpx.AsyncClient()),
    "with_timeout of parts": lambda raw, _: raw.with_timeout(httpx.Timeout(5, connect=1)),
    "with_timeout of nothing": lambda raw, _: raw.with_timeout(None),
    "with_timeout without limits": lambda raw, _: raw.with_timeout(httpx.Timeout(None)),
    "with_timeout of text": lambda raw, _: raw.with_timeout("5"),
    "with_timeout of a list": lambda raw, _: raw.with_timeout([5]),
    "with_headers of ours": lambda raw, _: raw.with_headers({"X-Request-Id": "1"}),
    "with_headers of a second token": lambda raw, _: raw.with_headers({"Authorization": "Bearer other"}),
    "evolve": lambda raw, _: attrs.evolve(raw, timeout=httpx.Timeout(5)),
    "evolve to the same": lambda raw, _: attrs.evolve(raw),
    "a class of its own": lambda raw, _: type(raw)(base_url="http://ds.example"),
    "stream": lambda _, http: http.stream("GET", "/health/live"),
    "send": lambda _, http: http.send(httpx.Request("GET", "http://ds.example/health/live")),
    "build_request": lambda _, http: http.build_request("GET", "/health/live"),
    "headers": lambda _, http: http.headers.update({"X-Team": "a"}),
    "cookies": lambda _, http: http.cookies,
    "timeout": lambda _, http: http.timeout,
    "event_hooks": lambda _, http: http.event_hooks,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_can_not_do_is_refused(name: str, driver: Driver) -> None:
    raw = driver.client("http://ds.example", token="t0ken").raw
    with pytest.raises(ConfigurationError):
        REFUSED[name](raw, http_of(driver, raw))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"content": b"{}"}, "content"),
        ({"data": {"a": "b"}}, "data"),
        ({"files": {}}, "files"),
        ({"auth": ("a", "b")}, "auth"),
        ({"cookies": {"a": "b"}}, "cookies"),
        ({"follow_redirects": True}, "follow_redirects"),
        ({"extensions": {}}, "extensions"),
        ({"json": {"a": float("nan")}}, "json"),
        ({"json": {"a": {1}}}, "json"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": httpx.Timeout(3)}, "timeout"),
    ],
    ids=str,
)
def test_requests_that_are_not_sent(arguments: dict[str, Any], field: str, driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: ALIVE))
    http = http_of(driver, driver.client(server.url).raw)
    error = driver.error(lambda: http.post("/api/v1/workflows/search", **arguments))
    assert isinstance(error, InvalidRequestError)
    assert error.field == field
    assert server.accepted == 0


@pytest.mark.parametrize("headers", [{"Host": "x"}, {"X-A": "b\r\nX-C: d"}, {"authorization": "Bearer other"}], ids=str)
def test_headers_that_are_not_sent(headers: dict[str, str], driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: ALIVE))
    http = http_of(driver, driver.client(server.url, token="t0ken").raw)
    assert isinstance(driver.error(lambda: http.get("/health/live", headers=headers)), ConfigurationError)
    assert server.accepted == 0


@pytest.mark.parametrize("url", ["http://elsewhere.example/health/live", "/unknown", "", "/health/live?a=b"])
def test_urls_that_are_not_in_the_contract(url: str, driver: Driver) -> None:
    error = driver.error(lambda: http_of(driver, driver.client("http://ds.example").raw).get(url))
    assert isinstance(error, InvalidRequestError)


def test_functions_of_the_other_kind_are_refused(driver: Driver) -> None:
    raw = driver.client("http://ds.example").raw

    async def asynchronous() -> None:
        async with raw:
            pass

    def synchronous() -> None:
        with raw:
            pass

    calls: tuple[Callable[[], Any], ...]
    if driver.is_async:
        calls = (synchronous, lambda: liveness_check.sync_detailed(client=raw), raw.get_httpx_client)
    else:
        calls = (raw.get_async_httpx_client,)
        for make in (asynchronous, lambda: liveness_check.asyncio_detailed(client=raw)):
            coroutine = make()
            with pytest.raises(ConfigurationError, match="AsyncDataStorageClient"):
                coroutine.send(None)
    for call in calls:
        with pytest.raises(ConfigurationError, match="raw client of"):
            call()


def test_it_is_not_pickled(driver: Driver) -> None:
    with pytest.raises(TypeError, match="make a client in each process"):
        pickle.dumps(driver.client("http://ds.example", token="t0ken").raw)


def test_every_public_member_is_looked_at_here() -> None:
    """A member that the generator adds must be ours or be refused, too."""
    known = {name for name in (*WAYS, *REFUSED) if name.isidentifier()}
    for cls in (Client, AuthenticatedClient):
        public = {name for name in dir(cls) if not name.startswith("_")}
        data = {"raise_on_unexpected_status", "token", "prefix", "auth_header_name"}
        assert public - data - known == {"get_httpx_client", "get_async_httpx_client"}


# Views ---------------------------------------------------------------------------------------------------------------


def sent(received: Received) -> dict[str, str | None]:
    return {name: received.headers.get(name) for name in ("x-one", "x-two", "user-agent", "authorization")}


def test_none_removes_headers_and_what_is_not_given_stays(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: ALIVE))
    headers = {"X-One": "1", "User-Agent": "mine", "Authorization": "Basic a"}
    client = driver.client(server.url, headers=headers)
    view = client.with_options(headers={"X-Two": "2"})
    views = (
        view.with_options(),
        view.with_options(headers=UNSET),
        view.with_options(headers={}),
        view.with_options(headers=None),
        view.with_options(headers=None).with_options(headers={"X-Two": "two"}),
        client,
    )
    for each in views:
        driver.run(each.health.live)
    whole = {"x-one": "1", "x-two": "2", "user-agent": "mine", "authorization": "Basic a"}
    bare = {"x-one": None, "x-two": None, "authorization": None}
    ours = server.requests[3].headers["user-agent"]
    assert ours.startswith("kubernaut-client/")
    assert [sent(received) for received in server.requests] == [
        whole,
        whole,
        whole,
        {**bare, "user-agent": ours},
        {**bare, "x-two": "two", "user-agent": ours},
        {**whole, "x-two": None},
    ]


def test_none_removes_the_observer(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: answer(503, b"", "")))
    calls: list[Any] = []
    client = driver.client(server.url, on_call=calls.append)
    for view, count in (
        (client, 1),
        (client.with_options(on_call=None), 1),
        (client.with_options(on_call=None).with_options(timeout=3), 1),
        (client.with_options(timeout=3), 2),
        (client.with_options(on_call=UNSET), 3),
    ):
        assert isinstance(driver.error(partial(view.workflows.versions, "x")), ServiceUnavailableError)
        assert len(calls) == count
