"""One client across `fork()`, event loops, threads, cancellation and interrupts."""

import asyncio
import gc
import json
import os
import random
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from kubernaut_client import AsyncDataStorageClient, DataStorageClient, RetryPolicy
from tests.unit.wire.conftest import Certificates, Serve
from tests.unit.wire.driver import IDENTITY, ONCE, STORED, Driver
from tests.unit.wire.server import Connection, Received, WireServer, answer, keep_alive

EMPTY = answer(200, b'{"versions": null}')


def echo(received: Received) -> bytes:
    """A list whose one workflow has the name that was asked for, and the request's id in its description."""
    name = received.target.split("/")[-2]
    row = {**STORED, "workflow_name": name, "description": received.headers["x-request-id"]}
    return answer(200, json.dumps({"versions": [row]}).encode())


# fork() --------------------------------------------------------------------------------------------------------------

# A program of its own: a fork of the test's process would take its threads' locks along.
FORKING = """
import asyncio, os, sys, threading
from kubernaut_client import AsyncDataStorageClient, ConfigurationError, DataStorageClient
from kubernaut_client import RetryPolicy

url, colour, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
retry = RetryPolicy(attempts=1)

def asked_sync(client, who):
    for number in range(count):
        name = f"{who}-{number}"
        rows = client.workflows.versions(name)
        assert [row.workflow_name for row in rows] == [name], (name, rows)

async def asked_async(client, who):
    for number in range(count):
        name = f"{who}-{number}"
        rows = await client.workflows.versions(name)
        assert [row.workflow_name for row in rows] == [name], (name, rows)

if colour == "sync":
    client = DataStorageClient(url, retry=retry)
    def asked(who):
        asked_sync(client, who)
else:
    client = AsyncDataStorageClient(url, retry=retry)
    runner = asyncio.Runner()
    def asked(who):
        if who.startswith("parent"):
            runner.run(asked_async(client, who))
        else:
            asyncio.run(asked_async(client, who))

asked("parent-before")
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        try:
            asked(f"child{number}")
            if number == 2:
                # Closing in the child must not end what the parent uses.
                asyncio.run(client.close()) if colour == "async" else client.close()
        except BaseException as error:
            print(f"child{number}: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(7)
    children.append(child)
asked("parent")
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert codes == [7, 7, 7], codes
asked("parent-after")
print("well")
"""

FORKING_THREADS = """
import os, sys, threading, warnings
from kubernaut_client import DataStorageClient, RetryPolicy

# Forking with threads is what is tested; the interpreter warns of it.
warnings.simplefilter("ignore", DeprecationWarning)
url = sys.argv[1]
client = DataStorageClient(url, retry=RetryPolicy(attempts=1))
stop = threading.Event()
failures = []

def asked(who, count):
    for number in range(count):
        name = f"{who}-{number}"
        rows = client.workflows.versions(name)
        assert [row.workflow_name for row in rows] == [name], (name, rows)

def busy(who):
    turn = 0
    while not stop.is_set():
        turn += 1
        try:
            asked(f"{who}-{turn}", 5)
        except BaseException as error:
            failures.append(repr(error))
            return

threads = [threading.Thread(target=busy, args=(f"thread{n}",)) for n in range(4)]
for thread in threads:
    thread.start()
codes = []
for number in range(10):
    child = os.fork()
    if child == 0:
        try:
            asked(f"child{number}", 5)
        except BaseException as error:
            print(f"child{number}: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(7)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop.set()
for thread in threads:
    thread.join()
assert codes == [7] * 10, codes
assert not failures, failures
print("well")
"""

FORKING_GIVEN = """
import asyncio, os, sys
import httpx
from kubernaut_client import AsyncDataStorageClient, ConfigurationError, DataStorageClient

url, colour = sys.argv[1], sys.argv[2]
own = httpx.Client() if colour == "sync" else httpx.AsyncClient()
client = (DataStorageClient if colour == "sync" else AsyncDataStorageClient)(url, http_client=own)

def asked():
    if colour == "sync":
        return client.workflows.versions("x")
    async def ask():
        try:
            return await client.workflows.versions("x")
        finally:
            if os.getpid() == parent:
                await own.aclose()
    return asyncio.run(ask())

parent = os.getpid()
child = os.fork()
if child == 0:
    try:
        asked()
    except ConfigurationError as error:
        os._exit(7 if "http_client" in str(error) and "fork" in str(error) else 2)
    except BaseException:
        os._exit(3)
    os._exit(4)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert code == 7, code
assert len(asked()) == 1
print("well")
"""


def program(text: str, *arguments: str) -> None:
    """Run a program that forks, in an interpreter that has no thread of the test's."""
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", text, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (0, "well\n"), done.stderr


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_parent_and_children_call_at_once(colour: str, serve: Serve) -> None:
    server = serve(keep_alive(echo))
    program(FORKING, server.url, colour, "100")
    assert len(server.requests) == 600


def test_fork_while_threads_are_calling(serve: Serve) -> None:
    program(FORKING_THREADS, serve(keep_alive(echo)).url)


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_given_http_client_refuses_to_work_after_fork(colour: str, serve: Serve) -> None:
    program(FORKING_GIVEN, serve(keep_alive(echo)).url, colour)


# Event loops ---------------------------------------------------------------------------------------------------------


def test_second_run_with_the_same_client(serve: Serve) -> None:
    server = serve(keep_alive(echo))
    client = AsyncDataStorageClient(server.url, retry=ONCE)

    async def ask(name: str, *, last: bool) -> list[str]:
        try:
            return [row.workflow_name for row in await client.workflows.versions(name)]
        finally:
            if last:
                await client.close()

    assert asyncio.run(ask("first", last=False)) == ["first"]
    assert asyncio.run(ask("second", last=False)) == ["second"]
    assert asyncio.run(ask("third", last=True)) == ["third"]
    gc.collect()


def test_many_runs_leave_nothing_open(serve: Serve) -> None:
    """A service that uses a loop for each job must not run out of file descriptors."""
    server = serve(keep_alive(echo))
    client = AsyncDataStorageClient(server.url, retry=ONCE)

    async def ask() -> int:
        return len(await client.workflows.versions("x"))

    assert asyncio.run(ask()) == 1
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(30):
        assert asyncio.run(ask()) == 1
    gc.collect()
    # Each connection has an end in the server, whose thread closes it a moment after the client's.
    server.close()
    assert len(os.listdir("/proc/self/fd")) < before + 10
    asyncio.run(client.close())


def test_two_loops_in_two_threads(serve: Serve) -> None:
    server = serve(keep_alive(echo))
    client = AsyncDataStorageClient(server.url, retry=ONCE)
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    async def ask(who: str) -> None:
        for number in range(100):
            name = f"{who}-{number}"
            rows = await client.workflows.versions(name)
            assert [row.workflow_name for row in rows] == [name]
        # Closing marks the client as closed for everybody: each loop waits until all have asked.
        await asyncio.to_thread(together.wait, 30)
        await client.close()

    def run(who: str) -> None:
        try:
            asyncio.run(ask(who))
        except BaseException as error:  # noqa: BLE001 - raised in the thread of the test
            failures.append(error)

    threads = [threading.Thread(target=run, args=(f"loop{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_many_at_once_get_their_own_answers(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(echo))
    client = driver.client(server.url, timeout=60)
    names = [f"name-{number}" for number in range(300)]
    calls = [driver.start(lambda name=name: client.workflows.versions(name)) for name in names]  # type: ignore[misc]
    assert [call.result(60)[0].workflow_name for call in calls] == names
    ids = {received.headers["x-request-id"] for received in server.requests}
    assert len(ids) == 300


# Cancellation and interrupts -----------------------------------------------------------------------------------------


class Held:
    """A script that stalls after a part of the answer, until it is told to answer all of it."""

    def __init__(self, part: bytes) -> None:
        self.part = part
        self.answering = threading.Event()

    def __call__(self, connection: Connection) -> None:
        while (received := connection.request()) is not None:
            if not self.answering.is_set():
                connection.send(self.part)
                connection.stall()
                return
            connection.send(echo(received))


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 2", EMPTY[:-5]], ids=["before", "status line", "body"])
def test_cancelled_requests_leave_the_pool_usable(part: bytes, serve: Serve) -> None:
    """Twice as many as the pool has room for, cancelled while they wait for an answer or for a connection."""
    held = Held(part)
    server = serve(held)

    async def cancelled(client: AsyncDataStorageClient, count: int) -> None:
        tasks = [asyncio.create_task(client.workflows.versions(f"x{number}")) for number in range(count)]
        arrived = len(server.requests) + min(count, 100)
        await asyncio.to_thread(server.wait_for_requests, arrived)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)

    async def main() -> None:
        async with AsyncDataStorageClient(server.url, timeout=20, retry=ONCE) as client:
            await cancelled(client, 200)
            await cancelled(client, 1)
            held.answering.set()
            names = [f"later-{number}" for number in range(120)]
            rows = await asyncio.gather(*(client.workflows.versions(name) for name in names))
            assert [found[0].workflow_name for found in rows] == names

    asyncio.run(main())


def test_cancelled_one_by_one_at_any_moment(serve: Serve) -> None:
    """200 requests, each cancelled after another number of turns of the loop, then normal ones."""
    server = serve(keep_alive(echo))

    async def main() -> None:
        async with AsyncDataStorageClient(server.url, timeout=20, retry=ONCE) as client:
            ended = 0
            for number in range(200):
                task = asyncio.create_task(client.workflows.versions(f"x{number}"))
                for _ in range(number % 25):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    await task
                    ended += 1
                except asyncio.CancelledError:
                    pass
            assert ended < 200
            names = [f"later-{number}" for number in range(120)]
            rows = await asyncio.gather(*(client.workflows.versions(name) for name in names))
            assert [found[0].workflow_name for found in rows] == names
        await asyncio.to_thread(server.wait_for_ends)

    asyncio.run(main())


def test_crowds_cancelled_at_any_moment(serve: Serve) -> None:
    """Each leaves connections that are new, in use and idle; room that got lost would add up."""
    server = serve(keep_alive(echo))
    chance = random.Random(20261121)

    async def main() -> None:
        async with AsyncDataStorageClient(server.url, timeout=20, retry=ONCE) as client:
            cancelled = 0
            for _ in range(40):
                count = chance.choice([1, 1, 30, 60])
                tasks = [asyncio.create_task(client.workflows.versions(f"x{number}")) for number in range(count)]
                for _ in range(chance.randrange(80)):
                    await asyncio.sleep(0)
                await asyncio.sleep(chance.choice([0, chance.random() / 20]))
                for task in tasks:
                    if chance.random() < 0.7:
                        task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert not [result for result in results if isinstance(result, Exception)]
                cancelled += sum(isinstance(result, asyncio.CancelledError) for result in results)
            assert cancelled > 10  # how many depends on how fast the machine is
            rows = await asyncio.gather(*(client.workflows.versions(f"later-{number}") for number in range(120)))
            assert len(rows) == 120
        await asyncio.to_thread(server.wait_for_ends)

    asyncio.run(main())


def test_cancelled_again_at_every_turn(serve: Serve) -> None:
    """As a cancel scope of anyio's does until a task has ended; the connection is closed all the same."""
    arrived = threading.Event()

    def silent(connection: Connection) -> None:
        while connection.request() is not None:
            arrived.set()

    server = serve(silent)

    async def main() -> None:
        async with AsyncDataStorageClient(server.url, timeout=20, retry=ONCE) as client:
            task = asyncio.create_task(client.workflows.versions("x"))
            assert await asyncio.to_thread(arrived.wait, 20)
            while not task.done():
                task.cancel()
                await asyncio.sleep(0)
            assert task.cancelled()
            await asyncio.to_thread(server.wait_for_ends)

    asyncio.run(main())


@pytest.mark.parametrize("turns", range(1, 13))
def test_closing_cancelled_at_any_moment(turns: int, serve: Serve) -> None:
    """Once it has begun, a close ends all connections, at whichever turn of the loop it is cancelled."""
    server = serve(keep_alive(echo))

    async def main() -> None:
        client = AsyncDataStorageClient(server.url, timeout=20, retry=ONCE)
        await asyncio.gather(*(client.workflows.versions(f"x{number}") for number in range(5)))
        assert server.accepted == 5
        task = asyncio.create_task(client.close())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(server.wait_for_ends)

    asyncio.run(main())


def test_cancelled_in_the_middle_of_a_tls_handshake(serve: Serve, certificates: Certificates) -> None:
    begun = threading.Event()

    def silent(connection: Connection) -> None:
        while connection.sock.recv(65536):
            begun.set()

    server = serve(silent)
    url = server.url.replace("http:", "https:")

    async def main() -> None:
        async with AsyncDataStorageClient(url, timeout=20, retry=ONCE, tls=certificates.trusting()) as client:
            task = asyncio.create_task(client.workflows.versions("x"))
            assert await asyncio.to_thread(begun.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(server.wait_for_ends)

    asyncio.run(main())


def test_limit_of_the_callers_own(serve: Serve) -> None:
    """`asyncio.timeout` ends a call as everything else that cancels, and stays a TimeoutError of asyncio's."""
    held = Held(b"")
    server = serve(held)

    async def main() -> None:
        async with AsyncDataStorageClient(server.url, timeout=20, retry=ONCE) as client:
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.1):
                    await client.workflows.versions("x")
            assert type(caught.value) is TimeoutError
            held.answering.set()
            assert len(await client.workflows.versions("y")) == 1

    asyncio.run(main())


def test_interrupt_passes_unchanged(serve: Serve) -> None:
    """Ctrl-C while the main thread waits for an answer: no retry, no other exception, and later calls work."""
    held = Held(b"HTTP/1.1 200 OK\r\n")
    server = serve(held)
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        server.wait_for_requests(1)
        signal.pthread_kill(main, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    try:
        with DataStorageClient(server.url, timeout=20, retry=RetryPolicy(wait_initial=0, jitter=0)) as client:
            thread.start()
            with pytest.raises(KeyboardInterrupt):
                client.workflows.get(IDENTITY)
            assert len(server.requests) == 1
            held.answering.set()
            names = [f"later-{number}" for number in range(5)]
            assert [client.workflows.versions(name)[0].workflow_name for name in names] == names
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)


def test_exception_of_a_callers_in_the_middle(driver: Driver, serve: Serve) -> None:
    """What is no Exception, raised in the token source or by `on_call`, passes unchanged as well."""

    class Stop(BaseException):
        pass

    def stop(*_: Any) -> str:
        raise Stop

    server = serve(keep_alive(echo))
    with pytest.raises(Stop):
        driver.run(lambda: driver.client(server.url, token=stop).workflows.versions("x"))
    client = driver.client(server.url, on_call=stop)
    with pytest.raises(Stop):
        driver.run(lambda: client.workflows.versions("x"))
    assert len(driver.run(lambda: driver.client(server.url).workflows.versions("x"))) == 1


def test_close_while_calls_are_running(driver: Driver, serve: Serve) -> None:
    """A close in another thread or task ends what is running with an error of ours, whatever it was doing."""
    held = Held(b"")
    server: WireServer = serve(held)
    client = driver.client(server.url, timeout=3)
    running = [driver.start(lambda: client.workflows.versions("x")) for _ in range(5)]
    server.wait_for_requests(5)
    driver.run(client.close)
    server.close()
    for call in running:
        error = call.exception(20)
        assert type(error).__module__ == "kubernaut_client", repr(error)
