"""The pool of connections: who gets which, what is never lent again, and that no place is ever lost."""

from __future__ import annotations

import asyncio
import threading

import pytest

from kubernaut_client import pool
from kubernaut_client.pool import AsyncPool, Pool


class Client:
    """Stands for an HTTP client of either colour."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        assert not self.closed
        self.closed = True

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.close()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pool, "clock", clock)
    return clock


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MAX_CONNECTIONS", 2)


def take(clients: Pool[Client], count: int) -> list[Client]:
    return [clients.take(0) for _ in range(count)]


def test_the_one_used_last_is_lent_first() -> None:
    clients = Pool(Client)
    first, second = take(clients, 2)
    clients.put(second, whole=True)
    clients.put(first, whole=True)
    assert take(clients, 2) == [first, second]
    assert clients.take(0) not in (first, second)


def test_new_one_though_another_is_idle() -> None:
    clients = Pool(Client)
    idle = clients.take(0)
    clients.put(idle, whole=True)
    assert clients.take(0, new=True) is not idle
    assert clients.take(0) is idle


def test_what_was_interrupted_is_closed_and_never_lent_again() -> None:
    clients = Pool(Client)
    client = clients.take(0)
    clients.put(client, whole=False)
    assert client.closed
    assert clients.take(0) is not client


def test_twenty_stay_idle_and_the_oldest_goes() -> None:
    clients = Pool(Client)
    lent = take(clients, 25)
    for client in lent:
        clients.put(client, whole=True)
    assert [client.closed for client in lent] == [True] * 5 + [False] * 20


def test_idle_for_more_than_fifteen_seconds(clock: Clock) -> None:
    clients = Pool(Client)
    old, recent, last = take(clients, 3)
    clients.put(old, whole=True)
    clock.now += 1
    clients.put(recent, whole=True)
    clock.now += 14.5
    clients.put(last, whole=True)
    assert (old.closed, recent.closed, last.closed) == (True, False, False)


def test_closed_with_some_lent() -> None:
    clients = Pool(Client)
    idle, lent = take(clients, 2)
    clients.put(idle, whole=True)
    clients.close()
    assert (idle.closed, lent.closed) == (True, False)
    clients.put(lent, whole=True)
    assert lent.closed


@pytest.mark.usefixtures("small")
def test_no_place_within_the_limit() -> None:
    clients = Pool(Client)
    lent = take(clients, 2)
    with pytest.raises(TimeoutError):
        clients.take(0.01)
    clients.put(lent[0], whole=False)
    clients.put(clients.take(0), whole=True)
    clients.put(lent[1], whole=True)
    assert len(take(clients, 2)) == 2


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_client_that_cannot_be_made_takes_no_place(error: type[BaseException]) -> None:
    errors = [error, error, error]

    def make() -> Client:
        if errors:
            raise errors.pop()
        return Client()

    clients = Pool(make)
    for _ in range(3):
        with pytest.raises(error):
            clients.take(0)
    assert len(take(clients, 2)) == 2


@pytest.mark.usefixtures("small")
def test_threads_share_the_places() -> None:
    clients, lock = Pool(Client), threading.Lock()
    lent: set[Client] = set()
    most = 0

    def use() -> None:
        nonlocal most
        for number in range(200):
            client = clients.take(20)
            with lock:
                assert client not in lent
                lent.add(client)
                most = max(most, len(lent))
            with lock:
                lent.remove(client)
            clients.put(client, whole=number % 7 != 0)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 2
    assert len(take(clients, 2)) == 2


@pytest.mark.usefixtures("small")
def test_async_no_place_within_the_limit() -> None:
    async def main() -> None:
        clients = AsyncPool(Client)
        lent = [await clients.take(0), await clients.take(0)]
        with pytest.raises(TimeoutError):
            await clients.take(0.01)
        await clients.put(lent[0], whole=False)
        assert lent[0].closed
        assert await clients.take(0) is not lent[0]

    asyncio.run(main())


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("limit", [5.0, 0.0])
def test_tasks_cancelled_or_timed_out_while_they_wait_take_no_place(turns: int, limit: float) -> None:
    """Cancelled at each turn of the loop, also in the very one in which a place became free."""

    async def main() -> None:
        clients = AsyncPool(Client)

        async def use() -> None:
            client = await clients.take(limit)
            whole = False
            try:
                await asyncio.sleep(0)
                whole = True
            finally:
                await clients.put(client, whole=whole)

        tasks = [asyncio.create_task(use()) for _ in range(8)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        first, second = await clients.take(1), await clients.take(1)
        assert not (first.closed or second.closed)
        with pytest.raises(TimeoutError):
            await clients.take(0)

    asyncio.run(main())
