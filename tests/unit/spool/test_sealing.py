"""Which events go into one batch, to the event and to the byte."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client.spool import sealing as module
from kubernaut_client.spool.batch import content_of
from kubernaut_client.spool.sealing import Sealing
from kubernaut_client.spool.spoolfile import Locks, SpoolFile
from kubernaut_client.spool.tuning import Tuning
from tests.damage import body

TIME = "2026-01-31T12:00:00.{:06d}Z"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SpoolFile]:
    path = tmp_path / "0123456789ab.spool"
    path.touch(0o600)
    found = SpoolFile(path, Locks(), "ours")
    yield found
    found.close()


def sealing(file: SpoolFile, **changes: Any) -> Sealing:
    found = Sealing(Tuning(**changes))
    found.begin(file, set())
    return found


def fill(file: SpoolFile, count: int, own: bool = True, time: Callable[[int], str] = TIME.format) -> int:
    """Events of one size each, which is returned."""
    size = 0
    for number in range(10_000, 10_000 + count):
        content = body(number, time(number))
        file.append(1, time(number), own, content)
        size = len(content)
    return size


def ids(sealed: Any) -> list[int]:
    batch, rows = sealed
    assert [row.id for row in rows] == batch.ids
    return list(batch.ids)


def test_a_batch_is_as_large_as_a_request_may_be(file: SpoolFile) -> None:
    """To the byte: brackets, events, and the commas between them."""
    size = fill(file, 10)
    exact = len(content_of(file.rows([1, 2, 3])))
    assert exact == 3 * size + 4
    assert ids(sealing(file, batch_bytes=exact).seal(file, 0)) == [1, 2, 3]
    assert ids(sealing(file, batch_bytes=exact - 1).seal(file, 0)) == [1, 2]
    assert ids(sealing(file, batch_bytes=exact + size).seal(file, 0)) == [1, 2, 3]


def test_an_event_larger_than_a_request_goes_alone(file: SpoolFile) -> None:
    fill(file, 3)
    each = sealing(file, batch_bytes=10)
    assert [ids(each.seal(file, 0)) for _ in range(3)] == [[1], [2], [3]]
    assert each.seal(file, 0) is None


@pytest.mark.parametrize("most_bytes", [10, 1500, 5000, 2**20])
@pytest.mark.parametrize("most_events", [1, 7, 500])
def test_each_event_is_in_one_batch(file: SpoolFile, most_events: int, most_bytes: int) -> None:
    fill(file, 30)
    each = sealing(file, batch_events=most_events, batch_bytes=most_bytes)
    found: list[int] = []
    while (sealed := each.seal(file, 0)) is not None:
        found += ids(sealed)
    assert found == list(range(1, 31)) and each.ready_in(file, 0, urgent=True) is None


def test_not_all_of_a_file_is_read_for_a_batch(file: SpoolFile) -> None:
    size = fill(file, 100)
    rows, more = file.after(0, 500, 5 * size)
    assert len(rows) == 5 and more
    assert file.after(95, 5, 2**20) == (file.rows(list(range(96, 101))), False)
    assert file.after(0, 99, 2**20)[1]


def test_equal_events_wait_for_each_other_and_hold_up_no_others(file: SpoolFile) -> None:
    for _ in range(3):
        file.append(1, TIME.format(1), False, body(1, TIME.format(1)))
    fill(file, 2)
    each = sealing(file)
    first = each.seal(file, 0)
    assert ids(first) == [1, 4, 5]
    assert each.seal(file, 1.0) is None
    assert each.ready_in(file, 1.0, urgent=True) == pytest.approx(0.1), "it isn't asked all the time"
    assert first is not None
    each.twins.forget(first[0])
    assert ids(each.seal(file, 2.0)) == [2]


def test_a_month_at_a_time(file: SpoolFile) -> None:
    fill(file, 2)
    fill(file, 2, time=lambda number: f"2026-02-01T00:00:00.{number:06d}Z")
    each = sealing(file)
    assert [ids(each.seal(file, 0)) for _ in range(2)] == [[1, 2], [3, 4]]


def test_many_that_wait_hold_up_what_comes_after_them(file: SpoolFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory stays flat."""
    monkeypatch.setattr(module, "_SKIPPED_LIMIT", 5)
    for _ in range(6):
        file.append(1, TIME.format(1), False, body(1, TIME.format(1)))
    fill(file, 1)
    each = sealing(file, batch_events=6)
    first = each.seal(file, 0)
    assert ids(first) == [1] and each.seal(file, 1) is None
    assert first is not None
    each.twins.forget(first[0])
    assert ids(each.seal(file, 2)) == [2], "what comes after them wasn't looked at"
    assert ids(each.seal(file, 3)) == [7], "until fewer wait"


def test_a_request_that_is_too_large_halves_the_next_ones(file: SpoolFile) -> None:
    """By number and by size; each one that is taken doubles them again, up to what is usual."""
    fill(file, 100)
    each = sealing(file, batch_events=16)
    first = each.seal(file, 0)
    assert first is not None and len(ids(first)) == 16
    each.shrink(first[1])
    assert len(ids(each.seal(file, 0))) in (7, 8)
    each.grow()
    assert len(ids(each.seal(file, 0))) in (15, 16)
    each.grow()
    assert len(ids(each.seal(file, 0))) == 16


def test_a_request_of_large_events_that_is_too_large_halves_their_size(file: SpoolFile) -> None:
    size = fill(file, 100)
    each = sealing(file, batch_bytes=16 * size)
    first = each.seal(file, 0)
    assert first is not None and len(first[1]) == 15
    each.shrink(first[1])
    second = each.seal(file, 0)
    assert second is not None and len(second[1]) == 7


def test_the_next_request_has_half_the_events_also_if_they_are_small(file: SpoolFile) -> None:
    """The limit of the service may be one of their number."""
    fill(file, 16)
    for number in range(100):
        file.append(1, TIME.format(number), True, body(number, TIME.format(number), event_data={"n": number}))
    each = sealing(file, batch_events=16)
    first = each.seal(file, 0)
    assert first is not None and len(first[1]) == 16
    each.shrink(first[1])
    assert len(ids(each.seal(file, 0))) == 8


def test_when_a_batch_is_made(file: SpoolFile) -> None:
    """At once where it is full or where it is waited for, else after the linger."""
    each = sealing(file, batch_events=10)
    assert each.ready_in(file, 5, urgent=True) is None
    fill(file, 9)
    file.unsealed_since = 5.0
    assert each.ready_in(file, 5.04, urgent=False) == pytest.approx(0.06)
    assert each.ready_in(file, 5.2, urgent=False) == 0
    assert each.ready_in(file, 5.04, urgent=True) == 0
    fill(file, 1)
    assert each.ready_in(file, 5.04, urgent=False) == 0
