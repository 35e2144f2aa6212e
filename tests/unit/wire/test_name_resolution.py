"""Deadlines hold while a host's name is looked up, and no look-up keeps a process or a child waiting."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kubernaut_client import ConnectError, Outcome, RequestTimeoutError, RetryPolicy
from tests.unit.wire.conftest import Serve
from tests.unit.wire.driver import Driver
from tests.unit.wire.server import answer, closed_port, keep_alive

EMPTY = answer(200, b'{"versions": null}')
HOST = "data-storage.test"
BOUND = 5.0
"""Seconds that are certainly fewer than a silent name server takes, also on a busy machine."""


class Names:
    """A name server for one name, which may keep silent."""

    def __init__(self) -> None:
        self.heard = threading.Event()
        self.addresses = ["127.0.0.1"]
        self.asked = 0
        self._resolve = socket.getaddrinfo

    def getaddrinfo(self, host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host != HOST:
            return self._resolve(host, port, *arguments, **options)
        self.asked += 1
        self.heard.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    yield names
    names.heard.set()


def test_attempt(driver: Driver, names: Names) -> None:
    started = time.monotonic()
    error = driver.failed_create(driver.client(f"http://{HOST}:8080", timeout=0.3))
    assert time.monotonic() - started < BOUND
    assert type(error) is RequestTimeoutError
    assert error.outcome is Outcome.NOT_SENT
    assert "waiting for the address of the host" in str(error)


def test_deadline_of_a_call(driver: Driver, names: Names) -> None:
    client = driver.client(f"http://{HOST}:8080", retry=RetryPolicy(attempts=3, deadline=0.3, wait_initial=0.01))
    started = time.monotonic()
    assert type(driver.error(lambda: client.workflows.versions("x"))) is RequestTimeoutError
    assert driver.run(lambda: client.health.check(deadline=0.3)).reason == "no answer"
    assert type(driver.error(lambda: client.wait_until_ready(0.3))) is RequestTimeoutError
    assert type(driver.error(lambda: client.audit.wait_for(timeout=0.3))) is RequestTimeoutError
    assert time.monotonic() - started < BOUND


def test_one_thread_for_a_silent_name_server(driver: Driver, names: Names) -> None:
    client = driver.client(f"http://{HOST}:8080", timeout=0.05)
    calls = [driver.start(lambda: client.workflows.versions("x")) for _ in range(5)]
    assert all(isinstance(call.exception(30), RequestTimeoutError) for call in calls)
    driver.failed_create(client)
    assert names.asked == 1
    threads = [thread for thread in threading.enumerate() if "resolver" in thread.name]
    assert len(threads) == 1
    assert threads[0].daemon


def test_name_server_that_is_back(driver: Driver, serve: Serve, names: Names) -> None:
    client = driver.client(f"http://{HOST}:{serve(keep_alive(lambda _: EMPTY)).port}")
    assert driver.failed_create(client.with_options(timeout=0.05)).outcome is Outcome.NOT_SENT
    names.heard.set()
    assert driver.run(lambda: client.workflows.versions("x")) == []


@pytest.mark.parametrize("addresses", [["127.0.0.2", "127.0.0.1"], ["127.0.0.3", "127.0.0.2", "127.0.0.1"]])
def test_address_that_refuses_before_one_that_answers(
    addresses: list[str], driver: Driver, serve: Serve, names: Names
) -> None:
    names.addresses = addresses
    names.heard.set()
    client = driver.client(f"http://{HOST}:{serve(keep_alive(lambda _: EMPTY)).port}", timeout=30)
    assert driver.run(lambda: client.workflows.versions("x")) == []


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1"], ["127.0.0.2", "127.0.0.1"]])
def test_no_address_that_answers(addresses: list[str], driver: Driver, names: Names) -> None:
    names.addresses = addresses
    names.heard.set()
    error = driver.failed_create(driver.client(f"http://{HOST}:{closed_port()}"))
    assert type(error) is ConnectError


PROGRAM = """
import asyncio, os, socket, sys, threading, time, warnings

warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads, which is tested
resolve, parent = socket.getaddrinfo, os.getpid()

def getaddrinfo(host, port, *arguments, **options):
    if os.getpid() == parent:
        time.sleep(600)
    return resolve("127.0.0.1", port, *arguments, **options)

socket.getaddrinfo = getaddrinfo

from kubernaut_client import AsyncDataStorageClient, DataStorageClient, RequestTimeoutError, RetryPolicy

once = RetryPolicy(attempts=1)
port = int(sys.argv[1])

def ask(timeout):
    with DataStorageClient(f"http://data-storage.test:{port}", timeout=timeout, retry=once) as client:
        return client.workflows.versions("x")

async def aask(timeout):
    async with AsyncDataStorageClient(f"http://data-storage.test:{port}", timeout=timeout, retry=once) as client:
        return await client.workflows.versions("x")

for call in (lambda: ask(0.1), lambda: asyncio.run(aask(0.1))):
    try:
        call()
    except RequestTimeoutError:
        print("timeout", flush=True)
child = os.fork()
if child == 0:
    os._exit(7 if ask(30) == [] and asyncio.run(aask(30)) == [] else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_exit_and_fork_while_a_name_is_looked_up(serve: Serve) -> None:
    server = serve(keep_alive(lambda _: EMPTY))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(server.port)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout.split() == ["timeout", "timeout", "7"], done.stderr
    assert done.returncode == 0, done.stderr
