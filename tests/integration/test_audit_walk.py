"""A walk over 100,000 events while others arrive: none missed that was there, none twice, memory that doesn't grow."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import psycopg
import pytest

from kubernaut_client.emulator import Emulator
from tests.colours import COLOURS, Colour, opened

pytestmark = pytest.mark.emulator

PAGE = 1000
TRACED = range(60, 70)
"""Pages of the long walk whose memory is traced."""

_COLUMNS = (
    "event_id, event_version, event_timestamp, event_date, event_type, event_category, event_action, event_outcome,"
    " correlation_id, resource_type, resource_id, actor_id, actor_type, event_data"
)
INSERT = f"""
    INSERT INTO audit_events ({_COLUMNS})
    SELECT gen_random_uuid(), '1.0', at, (at AT TIME ZONE 'UTC')::date, %(kind)s, 'workflow', 'a', 'success', 'c', 'r',
        'r', 'a', 'service', '{{"step": 1}}'
    FROM (
        SELECT %(newest)s::timestamptz - (n / %(same)s) * %(apart)s::interval AS at
        FROM generate_series(0, %(last)s) AS n
    ) AS rows
"""


@pytest.fixture
def insert(emulator: Emulator) -> Iterator[Callable[..., None]]:
    """Puts events into the emulator's database, `same` of them in each microsecond."""
    with psycopg.connect(emulator.dsn, autocommit=True) as connection:

        def add(
            count: int, newest: datetime, apart: timedelta = timedelta(), kind: str = "before", same: int = 1
        ) -> None:
            values = {"kind": kind, "newest": newest, "same": same, "apart": apart, "last": count - 1}
            connection.execute(INSERT, values)

        yield add


def walk(client: Any, arrive: Callable[[Any], None]) -> Iterator[Any]:
    """The events of a walk; after each page `arrive` gets the last one that was handed out."""
    for number, row in enumerate(client.audit.query(page_size=PAGE), 1):
        yield row
        if number % PAGE == 0:
            arrive(row)


@pytest.fixture
def traced() -> Iterator[None]:
    """Tracing ends with the test, however that ends."""
    yield
    tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
@pytest.mark.timeout(600)
def test_a_hundred_thousand_events(emulator: Emulator, insert: Callable[..., None]) -> None:
    # Seven in each microsecond, so that almost every page ends within one.
    insert(100_000, datetime.now(UTC) - timedelta(minutes=1), timedelta(milliseconds=5), same=7)
    # Counted in place, so that what the test itself needs doesn't grow with the walk.
    times = dict.fromkeys((row["event_id"].int for row in emulator.rows("audit_events")), 0)
    assert len(times) == 100_000
    others: set[int] = set()
    objects: list[int] = []
    held: list[int] = []

    def arrive(row: Any) -> None:
        insert(10, datetime.now(UTC), timedelta(microseconds=1), "after")  # newer than all
        insert(5, row.event_timestamp, timedelta(), "after")  # in the microsecond where the walk stands
        insert(5, row.event_timestamp + timedelta(seconds=2), timedelta(milliseconds=100), "after")  # around there
        objects.append(len(gc.get_objects()))
        if len(objects) == TRACED.start:
            tracemalloc.start()  # makes everything several times slower, so for some of the pages
        elif len(objects) in TRACED:
            held.append(tracemalloc.get_traced_memory()[0])
        elif len(objects) == TRACED.stop:
            tracemalloc.stop()

    with opened("sync", emulator.url) as client:
        for row in walk(client, arrive):
            number = row.event_id.int
            if number in times:
                times[number] += 1
            else:
                assert number not in others
                others.add(number)
    assert set(times.values()) == {1}
    assert len(objects) >= 100
    # A page is a few thousand objects; the emulator, which logs every request, is in the same process.
    assert max(objects[10:]) < objects[10] + 20_000, objects
    assert len(held) == len(TRACED) - 1
    assert max(held) < min(held) + 3_000_000, held


@pytest.mark.parametrize("colour", COLOURS)
def test_a_walk_while_events_arrive(emulator: Emulator, insert: Callable[..., None], colour: Colour) -> None:
    insert(5_500, datetime.now(UTC), timedelta(milliseconds=1), same=400)
    before = {row["event_id"] for row in emulator.rows("audit_events")}

    def arrive(row: Any) -> None:
        insert(20, row.event_timestamp, timedelta(), "after")

    with opened(colour, emulator.url) as client:
        found = [row.event_id for row in walk(client, arrive)]
    assert len(found) == len(set(found))
    assert before <= set(found)


def test_more_than_a_page_in_one_microsecond(emulator: Emulator, insert: Callable[..., None]) -> None:
    insert(3_300, datetime.now(UTC))
    with opened("sync", emulator.url) as client:
        found = [row.event_id for row in walk(client, lambda row: insert(20, row.event_timestamp, kind="after"))]
    assert len(found) == len(set(found))
    assert {row["event_id"] for row in emulator.rows("audit_events") if row["event_type"] == "before"} <= set(found)


def test_events_that_arrive_while_the_service_answers(emulator: Emulator, insert: Callable[..., None]) -> None:
    """Between its count and its selection, too: nothing keeps the two together."""
    moment = datetime.now(UTC) - timedelta(minutes=1)
    with opened("sync", emulator.url) as client, ThreadPoolExecutor(1) as writer:
        for number in range(40):
            kind = f"walk.{number}"
            insert(10, moment, timedelta(milliseconds=1), kind)
            before = {row["event_id"] for row in emulator.rows("audit_events") if row["event_type"] == kind}
            start = Barrier(2)

            def arrive(kind: str = kind, start: Barrier = start) -> None:
                start.wait()
                for later in range(8):
                    insert(1, moment + timedelta(seconds=later + 1), kind=kind)

            arriving = writer.submit(arrive)
            start.wait()
            found = [row.event_id for row in client.audit.query(event_type=kind, page_size=10)]
            arriving.result()
            assert len(before) == 10
            assert before <= set(found)
            assert len(found) == len(set(found))
