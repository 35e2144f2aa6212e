"""Every value that a create accepts comes back equal: a second plan finds nothing to do, whatever it holds."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubernaut_client import DataStorageClient, InvalidRequestError
from kubernaut_client.emulator import Emulator
from tests.colours import QUICK
from tests.workflows import workflow

BUILDS = {"2025-12-30": "emulator", "2025-12-12": "early_emulator"}
_names = count()


@pytest.fixture(params=BUILDS)
def client(request: pytest.FixtureRequest) -> Iterator[DataStorageClient]:
    emulator: Emulator = request.getfixturevalue(BUILDS[request.param])
    with DataStorageClient(emulator.url, retry=QUICK) as client:
        yield client


def check(client: DataStorageClient, members: dict[str, Any]) -> None:
    """Refused, or unchanged ever after, by name as well as by a walk."""
    name = f"w{next(_names)}"
    given_ = [{**workflow(name), **members}]
    report = client.workflows.bootstrap(given_)
    if isinstance(report.rows[0].error, InvalidRequestError):
        return
    report.raise_for_errors()
    for wanted in (given_, [*given_, workflow("z")]):
        row = client.workflows.plan(wanted).get(name)
        assert row.action == "unchanged", [(each.field, each.wanted, each.stored) for each in row.differences]


TEXTS = [
    "",
    " ",
    "a\n",
    "a\r\nb",
    "a\u2028b",
    "\ufeffa",
    "e\u0301",
    "\u00e9",
    "\U0001f600",
    "\ud800",
    "a\0b",
    "<&>\u007f",
]
TEXT_FIELDS = (
    "name description owner maintainer content container_image container_digest execution_engine previous_version "
    "version_notes change_summary approved_by created_by"
).split()
TIMES: list[Any] = [
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00.5Z",
    "0001-01-01T05:00:00+05:00",
    "0001-01-01T00:00:01Z",
    "0001-01-02T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.9999999Z",
    "2026-01-31T12:00:00.1234567Z",
    "2026-01-31T12:00:00.000001-23:59",
    "2026-01-31T12:00:00+14:00",
    "2026-01-31T12:00:00+00:00:30",
    "2026-01-31T12:00:60Z",
    "1969-12-31T23:59:59.999999Z",
    "1883-11-18T12:03:58-04:56",
    datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=5, minutes=30, seconds=7))),
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
]
NUMBERS: list[Any] = [0, -0.0, 1, 1.0, 0.12345, 0.1234999999, 0.0005, 0.99951, 1e-300, 5e-324, 0.1 + 0.2, float("nan")]
PARAMETERS: list[Any] = [
    {},
    {"a": 1.0, "b": -0.0, "c": 1e300, "d": 5e-324, "e": 2**64, "f": -(2**63), "g": 0.1 + 0.2, "h": 10**300},
    {"a": float("inf")},
    {"a": None, "": {}, "b": [], "c": [[], {}, None, True]},
    {"e\u0301": 1, "\u00e9": 2},
    {"a": "a\u2028b\r\n\ufeff", "\U0001f600": "</script>&"},
    {"a": "\ud800"},
    {"a": {"b": [1, 1.5, "1"]}},
]
LABELS: list[Any] = [{}, {"a": []}, {"a": ["b", "b"]}, {"a": ["c", "b"], "b": []}, {"e\u0301": [""]}, {"": ["a\n"]}]
DETECTED: list[Any] = [
    {},
    {"gitOpsManaged": False, "stateful": None},
    {"gitOpsTool": "", "failed_detections": []},
    {"failed_detections": ["stateful", "stateful"], "serviceMesh": "istio"},
]
CASES: list[dict[str, Any]] = [
    *({name: text} for name in TEXT_FIELDS for text in TEXTS),
    *({"approved_at": time} for time in TIMES),
    *({"expected_success_rate": number} for number in NUMBERS),
    *({"expected_duration_seconds": number} for number in (0, 2**31 - 1, 2**31)),
    *({"parameters": value} for value in PARAMETERS),
    *({"custom_labels": value} for value in LABELS),
    *({"detected_labels": value} for value in DETECTED),
    *({"labels": {**workflow()["labels"], "environment": text, "component": text or "pod"}} for text in TEXTS),
]


def test_odd_values(client: DataStorageClient) -> None:
    for case in CASES:
        check(client, case)


TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(TEXT_FIELDS, TEXT),
        "approved_at": st.datetimes(timezones=st.timezones() | st.just(UTC)),
        "expected_success_rate": st.floats(0, 1) | st.integers(0, 1),
        "expected_duration_seconds": st.integers(0, 2**31 - 1),
        "parameters": st.dictionaries(TEXT, JSON, max_size=4),
        "custom_labels": st.dictionaries(TEXT, st.lists(TEXT, max_size=3), max_size=3),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(members=MEMBERS)
def test_any_values(client: DataStorageClient, members: dict[str, Any]) -> None:
    check(client, members)
