"""The order of an apply's writes, over every kind of event that can come in between."""

import random
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernaut_datastorage.models import StoredWorkflow

from kubernaut_client import ConflictError, PlanRow
from kubernaut_client.problems import Problem
from kubernaut_client.schedule import CONFLICTS_PER_WALK, CREATES_PER_STEP, Schedule
from tests.workflows import workflow


def row(name: str, version: str = "1.0.0") -> PlanRow:
    return PlanRow(name, version, "create", payload=workflow(name, version))


def stored(name: str, version: str = "1.0.0", *, latest: bool = True) -> StoredWorkflow:
    members: dict[str, Any] = {**workflow(name, version), "workflow_id": str(uuid4()), "is_latest_version": latest}
    return StoredWorkflow.from_dict(members)


def conflict() -> ConflictError:
    return ConflictError("409", problem=Problem(409))


def taken(schedule: Schedule) -> PlanRow:
    found = schedule.take()
    assert found is not None
    return found


def test_versions_of_a_name_go_out_one_after_another() -> None:
    schedule = Schedule([row("a", "1.0.0"), row("a", "1.1.0"), row("b")], 8, random.Random(1))
    first = {taken(schedule).name, taken(schedule).name}
    assert first == {"a", "b"}
    assert schedule.take() is None, "1.1.0 waits until 1.0.0 is stored"
    schedule.created(row("a", "1.0.0"))
    assert taken(schedule).version == "1.1.0"


def test_the_start_is_random() -> None:
    starts = Counter(taken(Schedule([row(f"w{n}") for n in range(4)], 8)).name for _ in range(400))
    assert len(starts) == 4
    assert min(starts.values()) > 40


def test_a_conflict_waits_for_a_walk() -> None:
    schedule = Schedule([row("a"), row("b")], 8)
    first = taken(schedule)
    assert schedule.conflict(first, conflict()) == []
    assert schedule.walk_due
    assert list(schedule.unsettled) == [first.name]
    other = taken(schedule)
    assert other.name != first.name
    assert schedule.take() is None
    found = stored(first.name)
    assert schedule.news([found]) == [(first, [found])]
    assert not schedule.walk_due
    schedule.drop(first)
    assert not schedule.unsettled
    assert schedule.left == {other.name: [other]}


def test_a_conflict_that_a_walk_has_shown_already_is_settled_at_once() -> None:
    schedule = Schedule([row("a"), row("b")], 8)
    first, second = taken(schedule), taken(schedule)
    schedule.conflict(first, conflict())
    shown, found = stored(first.name), stored(second.name)
    assert schedule.news([shown, found]) == [(first, [shown])]
    schedule.drop(first)
    assert schedule.in_progress(second), "what is in progress is settled by its own answer"
    assert schedule.conflict(second, conflict()) == [found]
    assert not schedule.unsettled
    schedule.drop(second)
    assert schedule.left == {}


def test_what_we_stored_ourselves_is_ours_although_a_walk_shows_it() -> None:
    schedule = Schedule([row("a")], 8)
    first = taken(schedule)
    assert schedule.news([stored("a")]) == []
    schedule.created(first)
    assert schedule.left == {}


@pytest.mark.parametrize("conflicts", range(1, 3 * CONFLICTS_PER_WALK + 2))
def test_a_walk_is_due_at_the_first_conflict_and_at_every_fourth_from_then_on(conflicts: int) -> None:
    schedule = Schedule([row(f"w{n}") for n in range(conflicts)], 64)
    walks = 0
    for _ in range(conflicts):
        schedule.conflict(taken(schedule), conflict())
        if schedule.walk_due:
            walks += 1
            schedule.news([])
    assert walks == (conflicts - 1) // CONFLICTS_PER_WALK + 1


def test_a_name_that_somebody_else_is_at_comes_last() -> None:
    schedule = Schedule([row(name, version) for name in "abc" for version in ("1.0.0", "1.1.0")], 8)
    met = taken(schedule)
    schedule.conflict(met, conflict())
    for explained, _ in schedule.news([stored(met.name)]):
        schedule.drop(explained)
    order = []
    while (found := schedule.take()) is not None:
        order.append(found)
        schedule.created(found)
    assert [found.name for found in order][-1] == met.name
    assert order[-1].version == "1.1.0"


@pytest.mark.parametrize("seed", range(8))
def test_a_name_that_a_walk_has_shown_comes_last_too(seed: int) -> None:
    """Whoever stored a version of it is likely to store the next one."""
    schedule = Schedule([row(name) for name in "abcd"], 8, random.Random(seed))
    assert schedule.news([stored("b", "0.9.0")]) == []
    order = [taken(schedule).name for _ in range(4)]
    assert (sorted(order), order[-1]) == (list("abcd"), "b")


def test_conflicts_make_it_narrow_and_creates_make_it_wide_again() -> None:
    schedule = Schedule([row(f"w{n}") for n in range(500)], 8)
    assert schedule.width == 8
    for expected in (4, 2, 1, 1):
        schedule.conflict(taken(schedule), conflict())
        assert schedule.width == expected
    for _ in range(7 * CREATES_PER_STEP + 1):
        schedule.created(taken(schedule))
    assert schedule.width == 8
    for _ in range(2 * CREATES_PER_STEP):
        schedule.created(taken(schedule))
    assert schedule.width == 8, "never wider than it was asked to be"


def test_a_failure_gives_up_the_later_versions_of_its_name_only() -> None:
    rows = [row("a", "1.0.0"), row("a", "1.1.0"), row("a", "1.2.0"), row("b")]
    schedule = Schedule(rows, 8)
    while (first := taken(schedule)).name != "a":
        pass
    assert schedule.failed(first) == rows[1:3]
    assert schedule.left == {"b": rows[3:]}


def test_overtaken() -> None:
    schedule = Schedule([row("a", "1.0.0"), row("b", "2.0.0"), row("c", "x")], 8)
    assert schedule.unsettled == {}
    schedule.news([stored("a", "1.1.0"), stored("b", "1.9.0"), stored("c", "9.0.0")])
    assert list(schedule.unsettled) == ["a"]
    schedule.drop(schedule.left["a"][0])
    assert schedule.unsettled == {}
    assert schedule.left.keys() == {"b", "c"}


def test_a_version_that_is_dropped_while_it_is_disputed_doesn_t_block_the_next_one() -> None:
    rows = [row("a", "1.0.0"), row("a", "4.0.0")]
    schedule = Schedule(rows, 8)
    schedule.conflict(taken(schedule), conflict())
    schedule.drop(rows[0])
    assert taken(schedule) is rows[1]


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=12),
    st.integers(1, 8),
    st.randoms(use_true_random=False),
)
def test_every_row_ends_once_whatever_comes(versions: list[int], width: int, draw: random.Random) -> None:
    """Creates, conflicts, failures and walks in any order: each row has one end, and each name's come in order."""
    rows = [row(f"w{n}", f"1.{v}.0") for n, count in enumerate(versions) for v in range(count)]
    schedule = Schedule(rows, width, draw)
    ended: list[PlanRow] = []
    active: list[PlanRow] = []
    held: dict[str, list[StoredWorkflow]] = {}
    for _ in range(100 * len(rows)):
        while len(active) < schedule.width and (ready := schedule.take()) is not None:
            assert all(other.name != ready.name for other in active), "one version of a name at a time"
            active.append(ready)
        if not active and not schedule.unsettled:
            break
        if active and draw.random() < 0.8:
            each = active.pop(draw.randrange(len(active)))
            kind = draw.choice(["created", "conflict", "met", "failed"])
            if kind == "failed":
                ended += [each, *schedule.failed(each)]
                continue
            held.setdefault(each.name, []).append(stored(each.name, each.version))
            if kind == "conflict":
                if schedule.conflict(each, conflict()):
                    schedule.drop(each)
                    ended.append(each)
            else:
                (schedule.created if kind == "created" else schedule.met)(each)
                ended.append(each)
        else:
            known = [found for rows_of in held.values() for found in rows_of]
            for explained, _ in schedule.news(known):
                schedule.drop(explained)
                ended.append(explained)
    assert Counter((one.name, one.version) for one in ended) == Counter((one.name, one.version) for one in rows)
    for name in {one.name for one in rows}:
        order = [one.version for one in ended if one.name == name]
        assert order == sorted(order)
