"""The walk through the audit trail: no event missed that was there, none twice, whatever arrives meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_client.cursor import FAULTS_LIMIT, STALE_LIMIT, Cursor, WalkCheck
from kubernaut_client.operations import EventPage, EventRow, audit_event
from tests.unit.test_operations import EVENT

BASE = datetime(2026, 1, 31, 12, tzinfo=UTC)


def row(microsecond: int, number: int, fault: str = "") -> EventRow:
    """An event, or what a bad one is read as: without an event, `?` also without a time."""
    moment = BASE + timedelta(microseconds=microsecond)
    if fault:
        return EventRow(None if fault == "?" else moment, None, f"event {number}: {fault}")
    members = {**EVENT, "event_id": str(UUID(int=number)), "event_timestamp": moment.isoformat()}
    return EventRow(moment, audit_event(members))


def key(each: EventRow) -> Any:
    return each.event.event_id if each.event else each.fault


@dataclass
class Trail:
    """The service's query: newest first, then by id, both downwards; events are added and never taken away."""

    rows: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])

    def known(self, parameters: dict[str, Any]) -> list[tuple[int, int, str]]:
        until = parameters.get("until")
        return [
            each
            for each in sorted(self.rows, reverse=True)
            if until is None or BASE + timedelta(microseconds=each[0]) <= datetime.fromisoformat(until)
        ]

    def page(
        self, parameters: dict[str, Any], *, says: bool = True, between: Sequence[tuple[int, int, str]] = ()
    ) -> EventPage:
        """`between` arrives after the service has counted and before it selects."""
        start, limit = parameters["offset"], parameters["limit"]
        total = len(self.known(parameters))
        self.rows += between
        rows = self.known(parameters)[start : start + limit]
        return EventPage([row(*each) for each in rows], start + len(rows) < total if says else None)


def walk(
    trail: Trail, limit: int, arrivals: list[list[tuple[int, int, str]]], *, says: bool = True, between: bool = False
) -> list[EventRow]:
    cursor = Cursor(limit)
    found: list[EventRow] = []
    pages = 0
    while not cursor.done:
        pages += 1
        assert pages < 1000
        arriving = arrivals.pop() if arrivals else []
        found += cursor.take(trail.page(cursor.parameters(), says=says, between=arriving if between else ()))
        trail.rows += () if between else arriving
    return found


FAULTS = st.sampled_from(["", "", "", "", "bad", "?"])


@st.composite
def trails(draw: st.DrawFn, faults: st.SearchStrategy[str] = FAULTS) -> tuple[Trail, list[list[tuple[int, int, str]]]]:
    """Some events, many of them in the same microsecond, and what arrives after each page."""
    numbers = iter(draw(st.permutations(range(1, 120))))
    moment = st.integers(0, draw(st.integers(0, 6)))
    rows = [(draw(moment), next(numbers), draw(faults)) for _ in range(draw(st.integers(0, 40)))]
    arriving = st.integers(-2, 9)
    arrivals = [
        [(draw(arriving), next(numbers), "") for _ in range(draw(st.integers(0, 4)))]
        for _ in range(draw(st.integers(0, 8)))
    ]
    return Trail(rows), arrivals


@settings(max_examples=400)
@given(trails(), st.integers(1, 12), st.booleans())
def test_none_is_missed_and_none_comes_twice(
    made: tuple[Trail, list[list[tuple[int, int, str]]]], limit: int, between: bool
) -> None:
    trail, arrivals = made
    before = {key(row(*each)) for each in trail.rows}
    found = [key(each) for each in walk(trail, limit, arrivals, between=between)]
    assert len(found) == len(set(found))
    assert before <= set(found)


@given(trails(st.just("")), st.integers(1, 12))
def test_without_arrivals_the_order_is_that_of_the_service(
    made: tuple[Trail, list[list[tuple[int, int, str]]]], limit: int
) -> None:
    trail, _ = made
    for says in (True, False):
        found = walk(trail, limit, [], says=says)
        assert [key(each) for each in found] == [key(row(*each)) for each in sorted(trail.rows, reverse=True)]


def test_a_full_page_that_is_said_to_be_the_last() -> None:
    """One event arrived between the count and the selection, and pushed one that was there off the page."""
    trail = Trail([(n, n + 1, "") for n in range(10)])
    found = walk(trail, 10, [[(20, 50, "")]], between=True)
    assert [each.event.event_id.int for each in found if each.event] == [50, *range(10, 0, -1)]


def test_an_empty_page_is_the_last_one_whatever_it_announces() -> None:
    cursor = Cursor(2)
    assert cursor.take(EventPage([], True)) == []
    assert cursor.done


def test_a_microsecond_that_fills_pages() -> None:
    trail = Trail([(5, number, "") for number in range(1, 36)] + [(4, 50, ""), (6, 51, "")])
    assert len(walk(trail, 10, [[(5, 60 + n, "") for n in range(3)] for _ in range(3)])) >= 37


def test_a_service_that_ignores_where_the_walk_stands_is_noticed() -> None:
    cursor = Cursor(2)
    page = EventPage([row(2, 2), row(1, 1)], True)
    assert len(cursor.take(page)) == 2
    for number in range(1, 5):
        fresh = cursor.take(page)
        assert len(fresh) == (1 if number == 1 else 0)
    assert not cursor.done


def test_a_walk_ends_when_page_after_page_brings_nothing_new() -> None:
    check = WalkCheck()
    for faults in ((), ("a",), ("a", "b")):
        assert check.take(1, faults) is None
        for _ in range(STALE_LIMIT):
            assert check.take(0, faults) is None
    assert "nothing new" in str(check.take(0, ("b",)))
    assert list(check.faults) == ["a", "b"]


def test_a_walk_ends_when_too_many_rows_can_not_be_read() -> None:
    check = WalkCheck()
    for page in range(10):
        assert check.take(0, (f"{page} {number}" for number in range(FAULTS_LIMIT // 10))) is None
    assert "can't be read" in str(check.take(1, ("one more",)))


def test_what_is_kept_is_one_microsecond() -> None:
    cursor = Cursor(100)
    trail = Trail([(n, n + 1, "") for n in range(5000)])
    while not cursor.done:
        cursor.take(trail.page(cursor.parameters()))
        assert len(cursor._seen) == 1  # pyright: ignore[reportPrivateUsage]
