"""How events are put together: ranges, witnesses, and events that can't be told apart."""

import json
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client.spool.batch import Batch, Row, Twins, content_of, ranges_of, within, witnesses
from kubernaut_client.spool.spoolfile import SpoolFile

NOBODY = cast("SpoolFile", None)
TIME = "2026-01-31T12:00:00.000001Z"


def row(identity: int, time: str = TIME, own: bool = False, **members: Any) -> Row:
    event = {
        "version": "1.0",
        "event_type": "t",
        "event_timestamp": time,
        "event_category": "workflow",
        "event_action": "a",
        "event_outcome": "success",
        "correlation_id": "c",
        "event_data": {},
        **members,
    }
    return Row(identity, time, own, json.dumps(event).encode())


@given(st.sets(st.integers(1, 60)))
def test_ranges_hold_the_ids_and_no_others(ids: set[int]) -> None:
    ranges = ranges_of(ids)
    assert {each for each in range(62) if within(ranges, each)} == ids
    gaps = [after[0] - before[1] for before, after in pairwise(ranges)]
    assert all(gap > 1 for gap in gaps), "as few ranges as can be"


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 3))
def test_witnesses_are_those_whose_time_is_ours_if_there_are_any(own: list[bool], most: int) -> None:
    rows = [row(number, own=each) for number, each in enumerate(own, 1)]
    found = witnesses(rows, most)
    assert 1 <= len(found) <= most and len({each.id for each in found}) == len(found)
    assert [each.id for each in found] == sorted(each.id for each in found)
    assert all(each.own for each in found) or not any(own)
    assert witnesses(rows, 0) == []


def test_halves_and_parts_keep_what_is_known() -> None:
    batch = Batch(NOBODY, [1, 2, 3, 4, 5], "2026-01", failures=3, failing=1.5, newest_first=True, sent=7)
    first, second = batch.halves()
    assert (first.ids, second.ids) == ([1, 2], [3, 4, 5])
    for half in (first, second):
        assert (half.failures, half.failing, half.newest_first) == (3, 1.5, True)
        assert half.family is batch.family and half.sent is None


def test_the_content_is_the_events_as_they_were_encoded() -> None:
    rows = [row(1, event_data={"ü": 1}), row(2)]
    assert json.loads(content_of(rows)) == [json.loads(each.body) for each in rows]
    assert content_of(rows) == b"[" + rows[0].body + b"," + rows[1].body + b"]"


class TestTwins:
    """Two events that can't be told apart once they are stored are never on their way together."""

    def test_equal_ones(self) -> None:
        twins = Twins()
        assert twins.add(row(1), "first")
        assert not twins.add(row(2), "second")
        twins.forget("first")
        assert twins.add(row(2), "second")

    @pytest.mark.parametrize(
        "members",
        [
            {"version": "2.0"},  # a batch doesn't store it
            {"duration_ms": 5},  # no reply shows it
            {"actor_type": "service"},  # as the service fills it in
            {"severity": "info", "resource_id": "c", "namespace": ""},
        ],
    )
    def test_what_no_reply_shows_makes_no_difference(self, members: dict[str, Any]) -> None:
        twins = Twins()
        assert twins.add(row(1), "first") and not twins.add(row(2, **members), "second")

    def test_numbers_are_compared_as_the_service_keeps_them(self) -> None:
        twins = Twins()
        assert twins.add(row(1, event_data={"a": [1.0, {"b": 2}]}), "first")
        assert not twins.add(row(2, event_data={"a": [1, {"b": 2.0}]}), "second")
        assert twins.add(row(3, event_data={"a": [1.5, {"b": 2}]}), "third")

    @pytest.mark.parametrize("members", [{"event_type": "u"}, {"event_data": {"a": 1}}, {"namespace": "n"}])
    def test_different_ones(self, members: dict[str, Any]) -> None:
        twins = Twins()
        assert twins.add(row(1), "first") and twins.add(row(2, **members), "first")

    def test_another_microsecond(self) -> None:
        twins = Twins()
        assert twins.add(row(1), "first") and twins.add(row(2, "2026-01-31T12:00:00.000002Z"), "first")

    def test_a_time_of_our_own_has_no_twin(self) -> None:
        twins = Twins()
        assert twins.add(row(1, own=True), "first") and twins.add(row(2, own=True), "second")

    def test_what_one_forgets_the_others_keep(self) -> None:
        twins = Twins()
        assert twins.add(row(1), "first") and twins.add(row(2, event_type="u"), "second")
        twins.forget("second")
        assert not twins.add(row(3), "third")
        assert twins.add(row(4, event_type="u"), "third")
