"""What an answer says of a batch, and how the batch is taken apart: against a service made of a few rules."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import log2
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_client import APIError, ConnectionDroppedError, KubernautError, Outcome
from kubernaut_client.batches import Blame, Mistimed, Pieces, Refusal, refusal
from kubernaut_client.errors import error_for
from kubernaut_client.problems import parse

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DATE = {"date": format_datetime(NOW, usegmt=True)}
SCHEMA = "request body has an error: doesn't match schema: "
DUMP = '\nSchema:\n  {\n    "enum": [\n      "a | Error at \\"/0/x\\": y"\n    ]\n  }\n\nValue:\n  "x"\n'


def answered(
    status: int, slug: str, detail: str | None = None, headers: dict[str, str] | None = None, **more: Any
) -> APIError:
    members = {
        "type": f"https://kubernaut.ai/problems/{slug}",
        "title": "T",
        "status": status,
        "detail": detail,
        **more,
    }
    return error_for(parse(status, json.dumps(members).encode()), write=True, headers=headers)


# What an answer says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", ["validation-error", "invalid_event_data", "conversion_error", "invalid-request"])
@pytest.mark.parametrize("index", [0, 1, 9])
def test_the_first_one_is_named(slug: str, index: int) -> None:
    said = refusal(answered(400, slug, f"event at index {index}: some reason\nwith lines", DATE), 10)
    assert said is not None
    assert (said.blame, said.now) == (Blame.FIRST, NOW)
    assert said.named == {index: "some reason\\nwith lines"}


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 31 Jan 2026 25:00:00 GMT"])
def test_a_date_that_is_none(date: str) -> None:
    said = refusal(answered(400, "validation-error", "event at index 1: x", {"date": date}), 2)
    assert said is not None and said.now is None


def test_all_that_break_the_schema_are_named() -> None:
    items = [
        f'Error at "/1/event_outcome": value is not one of the allowed values ["a"]{DUMP}',
        f'Error at "/3/severity": too long{DUMP}',
        f'Error at "/1/version": property "version" is missing{DUMP}',
        f'Error at "/4": value must be an object{DUMP}',
    ]
    said = refusal(answered(400, "validation-error", SCHEMA + " | ".join(items), DATE), 5)
    assert said is not None
    assert said.blame is Blame.ALL
    assert said.named == {
        1: 'event_outcome: value is not one of the allowed values ["a"]; version: property "version" is missing',
        3: "severity: too long",
        4: "value must be an object",
    }


def test_a_time_among_other_reasons() -> None:
    fields = {"/0/event_timestamp": "timestamp is too old (x)", "/1/severity": "too long"}
    said = refusal(answered(400, "validation-error", "v", field_errors=fields), 2)
    assert said is not None
    assert (said.blame, said.mistimed, set(said.named)) == (Blame.ALL, Mistimed.TOO_OLD, {0, 1})


NONE_NAMED = {
    "decoder": answered(400, "invalid_request", "request body must be a JSON array: parsing time"),
    "event data without an index": answered(400, "invalid_event_data", "failed to unmarshal event_data"),
    "index beyond the batch": answered(400, "validation-error", "event at index 2: x"),
    "rule without a field": answered(400, "validation-error", "some rule"),
    "no detail": answered(400, "invalid-request"),
}


@pytest.mark.parametrize("name", NONE_NAMED)
def test_none_is_named(name: str) -> None:
    said = refusal(NONE_NAMED[name], 2)
    assert said is not None and (said.blame, dict(said.named)) == (Blame.NONE, {})
    assert said.reason.isprintable() and said.reason


@pytest.mark.parametrize("error", [answered(400, "batch-size-exceeded", "500"), answered(413, "x"), answered(413, "")])
def test_too_many(error: APIError) -> None:
    said = refusal(error, 2)
    assert said is not None and said.blame is Blame.SIZE


ABOUT_THE_REQUEST: dict[str, KubernautError] = {
    "no array": answered(400, "validation-error", SCHEMA + "value must be an array" + DUMP),
    "content type": answered(
        400, "validation-error", 'request body has an error: header Content-Type has unexpected value "x"'
    ),
    "no body": answered(400, "validation-error", "request body has an error: value is required but missing"),
    "pointer beyond the batch": answered(400, "validation-error", SCHEMA + 'Error at "/2/x": y' + DUMP),
    "pointer without an index": answered(400, "validation-error", SCHEMA + 'Error at "/x": y' + DUMP),
    "a field": answered(400, "validation-error", "v", field_errors={"page": "too large"}),
    "bad-request": answered(400, "bad-request", "event at index 1: x"),
    "400 of a proxy": error_for(parse(400, b"<html>event at index 1: x</html>"), write=True),
    "401": answered(401, "validation-error", "event at index 1: x"),
    "409": answered(409, "conflict"),
    "429": answered(429, "x"),
    "500": answered(500, "database-error"),
    "500 that names one": answered(500, "validation-error", "event at index 1: x"),
    "503": answered(503, "service-unavailable"),
    "a drop": ConnectionDroppedError("m", outcome=Outcome.UNKNOWN),
}


@pytest.mark.parametrize("name", ABOUT_THE_REQUEST)
def test_what_says_nothing_of_the_events(name: str) -> None:
    assert refusal(ABOUT_THE_REQUEST[name], 2) is None


@given(
    st.integers(200, 599), st.sampled_from(["validation-error", "invalid_request", "x"]), st.text(), st.integers(1, 5)
)
def test_any_answer_is_read(status: int, slug: str, detail: str, count: int) -> None:
    said = refusal(answered(status, slug, detail), count)
    if said is not None:
        assert status in (400, 413)
        assert all(0 <= index < count for index in said.named)


# How a batch is taken apart ------------------------------------------------------------------------------------------


@dataclass
class Service:
    """Refuses what has a bad place in it. `said` makes the refusal out of the bad places of a request, in order."""

    bad: set[int]
    said: Callable[[list[int], list[int]], Refusal]
    stored: list[int] = field(default_factory=list[int])
    requests: list[list[int]] = field(default_factory=list[list[int]])

    def run(self, times: list[datetime]) -> Pieces:
        pieces = Pieces(times, range(len(times)))
        while sent := pieces.next():
            self.requests.append(list(sent))
            found = [index for index in sent if index in self.bad]
            if not found:
                self.stored += sent
                pieces.accepted()
            else:
                assert pieces.refused(self.said(sent, found))
        return pieces

    @property
    def events(self) -> int:
        return sum(map(len, self.requests))

    def settled(self, times: list[datetime]) -> dict[int, str]:
        """Every good event is stored once, every bad one rejected."""
        rejected = self.run(times).rejected
        assert sorted(self.stored) == [index for index in range(len(times)) if index not in self.bad]
        assert set(rejected) == self.bad
        return rejected


def none_named(sent: list[int], found: list[int]) -> Refusal:
    return Refusal(Blame.NONE, reason=f"a decoder's text about {found[0]}")


def all_named(sent: list[int], found: list[int]) -> Refusal:
    return Refusal(Blame.ALL, {sent.index(index): f"schema {index}" for index in found})


def first_named(sent: list[int], found: list[int]) -> Refusal:
    return Refusal(Blame.FIRST, {sent.index(found[0]): f"no good: {found[0]}"}, now=NOW)


COUNTS = st.integers(1, 200)


@st.composite
def batches(draw: st.DrawFn, least: int = 0, most: int = 12) -> tuple[int, set[int]]:
    count = draw(COUNTS)
    return count, draw(st.sets(st.integers(0, count - 1), min_size=min(least, count), max_size=most))


@given(batches())
def test_events_that_are_not_named(batch: tuple[int, set[int]]) -> None:
    count, bad = batch
    service = Service(bad, none_named)
    rejected = service.settled([NOW] * count)
    for index in bad:
        assert rejected[index] == f"a decoder's text about {index}"
        assert [index] in service.requests  # nothing is rejected that wasn't refused alone


@pytest.mark.parametrize("count", [*range(1, 70), 127, 128, 129, 1000])
def test_one_event_that_is_not_named_costs_two_requests_a_halving(count: int) -> None:
    for bad in range(count):
        service = Service({bad}, none_named)
        service.settled([NOW] * count)
        assert len(service.requests) <= 2 + 2 * log2(count)


def test_what_must_hold_the_event_is_not_sent_whole() -> None:
    """Where the first half was taken, the refused event is in the other one, however often that is halved."""
    service = Service({7}, none_named)
    service.settled([NOW] * 8)
    assert service.requests == [[*range(8)], [*range(4)], [4, 5], [6], [7]]


@given(batches())
def test_events_that_are_all_named(batch: tuple[int, set[int]]) -> None:
    count, bad = batch
    service = Service(bad, all_named)
    assert service.settled([NOW] * count) == {index: f"schema {index}" for index in bad}
    assert len(service.requests) <= 2
    assert service.events <= 2 * count


@given(batches())
def test_events_of_which_the_first_is_named(batch: tuple[int, set[int]]) -> None:
    count, bad = batch
    service = Service(bad, first_named)
    assert service.settled([NOW] * count) == {index: f"no good: {index}" for index in bad}
    assert len(service.requests) <= 2 * len(bad) + 1
    assert service.requests[:1] == [list(range(count))]


def by_the_clock(sent: list[int], found: list[int], times: list[datetime], now: datetime | None) -> Refusal:
    """As the service words it: the first one whose time is bad."""
    age = NOW - times[found[0]]
    text = "timestamp is too old (must be within 7 days)" if age > timedelta() else "timestamp is in the future (x)"
    mistimed = Mistimed.TOO_OLD if age > timedelta() else Mistimed.IN_FUTURE
    return Refusal(Blame.FIRST, {sent.index(found[0]): f"invalid timestamp: {text}"}, now=now, mistimed=mistimed)


def out_of_time(moment: datetime, oldest: timedelta, newest: timedelta) -> bool:
    return not NOW - oldest <= moment <= NOW + newest


MOMENTS = st.sampled_from([-40, -20, -9, -8, -7.001, -6.9, -1, 0, 0.003, 0.004, 0.02, 1, 9])


@given(
    st.lists(MOMENTS, min_size=1, max_size=120),
    st.booleans(),
    st.sampled_from([(7, 5), (7, 60), (1, 1), (30, 5)]),
)
def test_events_with_bad_times(days: list[float], told: bool, window: tuple[int, int]) -> None:
    """Also where the service's window isn't the one that the guesses go by, and where its clock isn't told."""
    oldest, newest = timedelta(days=window[0]), timedelta(minutes=window[1])
    times = [NOW + timedelta(days=each) for each in days]
    bad = {index for index, moment in enumerate(times) if out_of_time(moment, oldest, newest)}
    service = Service(bad, lambda sent, found: by_the_clock(sent, found, times, NOW if told else None))
    rejected = service.settled(times)
    for index, reason in rejected.items():
        assert ("too old" in reason) is (times[index] < NOW)
    k, n = len(bad), len(times)
    if told and window == (7, 5):
        assert len(service.requests) <= (min(2 * k + 1, 5) if k else 1)
        assert service.events <= 2 * n
    elif not told:
        assert len(service.requests) <= 2 * k + 1


def test_of_what_looks_too_old_the_nearest_is_tried_first() -> None:
    """A service that takes more than the guess allows still stores what is only a little older."""
    times = [NOW - timedelta(days=days) for days in (0, 20, 40, 9, 7.5)]
    bad = {1, 2, 3}
    service = Service(bad, lambda sent, found: by_the_clock(sent, found, times, NOW))
    service.settled(times)
    assert service.requests[:3] == [[0, 1, 2, 3, 4], [0], [4]]


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_ten_thousand_events_with_a_hundred_bad_times(random: Any) -> None:
    times = [NOW] * 10_000
    bad = set(random.sample(range(10_000), 100))
    for index in bad:
        times[index] = NOW + timedelta(days=random.choice([-400, -30, -8, 1, 40]), seconds=random.random())
    service = Service(bad, lambda sent, found: by_the_clock(sent, found, times, NOW))
    service.settled(times)
    assert len(service.requests) <= 5
    assert service.events <= 2 * len(times)


@given(batches(most=6), st.integers(1, 60))
def test_a_limit_of_size(batch: tuple[int, set[int]], limit: int) -> None:
    """A newer service takes so many events at most; what is in them it says as always."""
    count, bad = batch
    pieces = Pieces([NOW] * count, range(count))
    stored: list[int] = []
    while sent := pieces.next():
        found = [index for index in sent if index in bad]
        if len(sent) > limit:
            assert pieces.refused(Refusal(Blame.SIZE))
        elif found:
            assert pieces.refused(none_named(sent, found))
        else:
            stored += sent
            pieces.accepted()
    assert sorted(stored) == [index for index in range(count) if index not in bad]
    assert set(pieces.rejected) == bad


def test_one_event_that_is_too_large_cannot_be_halved() -> None:
    pieces = Pieces([NOW], [0])
    assert pieces.next() == [0]
    assert not pieces.refused(Refusal(Blame.SIZE))
    assert pieces.rejected == {}


@given(st.lists(st.integers(-9, 2), min_size=1, max_size=40), st.data())
def test_whatever_is_said_it_comes_to_an_end(days: list[int], data: st.DataObject) -> None:
    """And nothing is both stored and rejected, stored twice, or forgotten."""
    count = len(days)
    times = [NOW + timedelta(days=each) for each in days]
    pieces = Pieces(times, range(count))
    stored: list[int] = []
    requests = 0
    while sent := pieces.next():
        requests += 1
        assert requests <= 4 * count + 4
        blame = data.draw(st.sampled_from([None, *Blame]))
        place = data.draw(st.integers(0, len(sent) - 1))
        mistimed = data.draw(st.sampled_from([None, *Mistimed]))
        if blame is None or (blame is Blame.SIZE and len(sent) == 1):
            stored += sent
            pieces.accepted()
        else:
            named = {place: "x"} if blame in (Blame.ALL, Blame.FIRST) else {}
            assert pieces.refused(Refusal(blame, named, "x", data.draw(st.sampled_from([None, NOW])), mistimed))
    assert sorted([*stored, *pieces.rejected]) == list(range(count))
