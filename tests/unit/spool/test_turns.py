"""Threads that want the same lock get their turn, and what was torn apart is put right."""

import threading
import time

from kubernaut_client.spool.turns import Turns


def test_whoever_comes_alone_waits_for_nobody() -> None:
    turns = Turns()
    started = time.perf_counter()
    for _ in range(1000):
        token = turns.ask()
        turns.enter(token)
        turns.leave()
        turns.give_way(token)
    assert time.perf_counter() - started < 1
    assert turns._since == {}


def test_a_thread_that_waits_is_let_in() -> None:
    turns, lock = Turns(), threading.RLock()
    seen: list[str] = []

    def again_and_again() -> None:
        while "other" not in seen:
            token = turns.ask()
            with lock:
                turns.enter(token)
                time.sleep(0.0002)
                turns.leave()
            turns.give_way(token)

    greedy = threading.Thread(target=again_and_again)
    greedy.start()
    token = turns.ask()
    with lock:
        turns.enter(token)
        seen.append("other")
        turns.leave()
    turns.give_way(token)
    greedy.join(10)
    assert not greedy.is_alive()


def test_it_is_re_entrant_and_heals() -> None:
    turns = Turns()
    turns.enter(turns.ask())
    turns.enter(turns.ask())  # a signal handler, in the middle
    turns.leave()
    turns.leave()
    forgotten = turns.ask()
    turns._since[forgotten] = time.perf_counter() - 10
    turns.give_way(turns.ask())
    assert turns._since == {}
