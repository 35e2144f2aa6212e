"""What a transport error shows of its cause: the first exception, in a traceback that fits a screen."""

import copy
import ssl
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trustme

from kubernaut_client import ConnectError, TransportError
from tests.unit.wire.conftest import Serve
from tests.unit.wire.driver import Driver
from tests.unit.wire.server import Connection, answer, closed_port, full_backlog, once


def lines(error: BaseException) -> list[str]:
    return "".join(traceback.format_exception(error)).splitlines()


def chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    link: BaseException | None = error
    while link is not None:
        found.append(link)
        link = link.__cause__ if link.__suppress_context__ else link.__context__
    return found


def untrusted(serve: Serve) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return serve(once(answer(201, b"{}")), tls=context).url


def hung_up(connection: Connection) -> None:
    connection.request()


def reset(connection: Connection) -> None:
    connection.request()
    connection.reset()


def cut(connection: Connection) -> None:
    connection.request()
    connection.send(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")


def stalled(connection: Connection) -> None:
    connection.request()
    connection.stall()


WAYS: dict[str, tuple[Callable[[Serve], str], type[BaseException] | None]] = {
    "refused": (lambda _: f"http://127.0.0.1:{closed_port()}", ConnectionRefusedError),
    "no such name": (lambda _: "http://data-storage.invalid", OSError),
    "certificate": (untrusted, ssl.SSLCertVerificationError),
    "hung up": (lambda serve: serve(hung_up).url, None),
    "reset": (lambda serve: serve(reset).url, ConnectionResetError),
    "stalled": (lambda serve: serve(stalled).url, None),
    "cut": (lambda serve: serve(cut).url, None),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_cause_is_kept_and_the_chain_is_short(way: str, driver: Driver, serve: Serve) -> None:
    make, cause = WAYS[way]
    error: Any = driver.failed_create(driver.client(make(serve), timeout=0.5 if way == "stalled" else 10))
    links = chain(error)
    assert 2 <= len(links) <= 3
    assert isinstance(links[1], httpx.TransportError | OSError)
    assert cause is None or isinstance(links[-1], cause)
    for link in links[1:]:
        assert link.__traceback__ is None
    assert str(error).count(type(error).__name__) == 0, "Python shows the class before the text"
    assert len(lines(error)) < 60
    assert isinstance(copy.copy(error), type(error))


def test_a_connection_that_is_refused_says_so_once(driver: Driver) -> None:
    error = driver.failed_create(driver.client(f"http://127.0.0.1:{closed_port()}"))
    text = "".join(traceback.format_exception_only(error))
    assert text.count("ConnectError") == 1
    assert "refused" in text or "Connect call failed" in text


def test_a_connection_that_takes_too_long(driver: Driver) -> None:
    with full_backlog() as port:
        error = driver.failed_create(driver.client(f"http://127.0.0.1:{port}", timeout=0.3))
    assert len(chain(error)) <= 3
    assert len(lines(error)) < 60


def test_what_the_caller_was_handling_is_no_cause(driver: Driver) -> None:
    client = driver.client(f"http://127.0.0.1:{closed_port()}")
    try:
        raise ValueError("the caller's own")
    except ValueError:
        error = driver.failed_create(client)
    assert "the caller's own" not in str(error)
    assert not any(isinstance(link, ValueError) for link in chain(error.__cause__))


def test_an_exception_of_the_callers_own_keeps_its_traceback(driver: Driver) -> None:
    """A defect of a hook, or of a transport, is found by it."""

    def broken(_: httpx.Request) -> httpx.Response:
        raise LookupError("a defect")

    kind: Any = httpx.AsyncClient if driver.is_async else httpx.Client
    given = kind(transport=httpx.MockTransport(broken))
    error: Any = driver.failed_create(driver.client("http://ds.example", http_client=given))
    assert isinstance(error, TransportError)
    assert not isinstance(error, ConnectError)
    assert any("in broken" in line for line in lines(error))
    driver.run(given.aclose if driver.is_async else given.close)
