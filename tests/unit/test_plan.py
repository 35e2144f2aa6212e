"""What a bootstrap would do: comparison by the rules, order of versions, and the action for each workflow."""

import copy
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client import Difference, InvalidRequestError, Plan, PlanRow
from kubernaut_client.limits import REMEDIATION_WORKFLOW
from kubernaut_client.models import StoredWorkflow
from kubernaut_client.operations import stored_workflow
from kubernaut_client.plan import Wanted, ascending, check, compare, decide, version_key
from tests.workflows import workflow

FULL: dict[str, Any] = workflow(
    owner="team-a",
    maintainer="a@example.com",
    parameters={"limit": 3, "nested": [{"a": None}, 1.5, True]},
    container_image="registry.example/x:1",
    container_digest="sha256:" + "0" * 64,
    custom_labels={"team": ["a", "b"]},
    detected_labels={"gitOpsManaged": True, "gitOpsTool": "flux", "failed_detections": ["stateful", "hpaEnabled"]},
    previous_version="0.9.0",
    version_notes="notes",
    change_summary="summary",
    approved_by="someone",
    approved_at="2026-01-31T12:00:00Z",
    expected_success_rate=0.5,
    expected_duration_seconds=60,
    created_by="me",
)


def stored(members: dict[str, Any] | None = None, **others: Any) -> StoredWorkflow:
    """A row as the service hands it out; a member that is None is left out, as the service does."""
    row = {
        "workflow_id": "00000000-0000-4000-8000-000000000001",
        "detected_labels": {},
        "is_latest_version": True,
        "total_executions": 0,
        "successful_executions": 0,
        "created_at": "2026-01-31T12:00:00.5Z",
        "updated_at": "2026-01-31T12:00:00.5Z",
        **(workflow() if members is None else members),
        **others,
    }
    return stored_workflow(copy.deepcopy({name: value for name, value in row.items() if value is not None}))


def having(field: str, value: Any) -> dict[str, Any]:
    """The request body with one field set."""
    return {**workflow(), field: value}


def differing(wanted: dict[str, Any], row: StoredWorkflow) -> set[str]:
    return {difference.field for difference in compare(REMEDIATION_WORKFLOW.check(wanted), row)}


# Comparison ----------------------------------------------------------------------------------------------------------


def test_equal() -> None:
    assert compare(FULL, stored(FULL)) == ()
    assert compare(workflow(), stored()) == ()


OTHER: dict[str, Any] = {
    "name": "Other",
    "description": "Other.",
    "content": "other",
    "content_hash": "f" * 64,
    "execution_engine": "argo",
    "owner": "team-b",
    "maintainer": "b@example.com",
    "parameters": {"limit": 4},
    "container_image": "registry.example/x:2",
    "container_digest": "sha256:1",
    "custom_labels": {"team": ["a"]},
    "previous_version": "0.8.0",
    "version_notes": "other",
    "change_summary": "other",
    "approved_by": "else",
    "approved_at": "2026-01-31T12:00:01Z",
    "expected_success_rate": 0.6,
    "expected_duration_seconds": 61,
    "created_by": "you",
}


def test_every_field_is_in_the_table() -> None:
    known = {*REMEDIATION_WORKFLOW.required, *REMEDIATION_WORKFLOW.optional}
    assert set(OTHER) == known - {"workflow_name", "version", "status", "labels", "detected_labels"}


@pytest.mark.parametrize("field", OTHER)
def test_a_field_that_differs(field: str) -> None:
    found = compare(FULL, stored({**FULL, field: OTHER[field]}))
    assert [difference.field for difference in found] == [field]
    assert found[0].wanted == FULL[field]


@pytest.mark.parametrize("field", [name for name in OTHER if name not in REMEDIATION_WORKFLOW.required])
def test_only_fields_that_the_input_sets(field: str) -> None:
    wanted = {name: value for name, value in FULL.items() if name != field}
    assert compare(wanted, stored({**FULL, field: OTHER[field]})) == ()
    assert differing({**wanted, field: None}, stored(FULL)) == set()


@pytest.mark.parametrize("field", [name for name in OTHER if name not in REMEDIATION_WORKFLOW.required])
def test_a_field_that_is_not_stored(field: str) -> None:
    found = compare(FULL, stored({**FULL, field: None}))
    assert [(difference.field, difference.stored) for difference in found] == [(field, None)]


@pytest.mark.parametrize("field", ["owner", "container_image", "version_notes", "created_by", "approved_by"])
def test_an_empty_text_is_as_good_as_none(field: str) -> None:
    assert differing(having(field, ""), stored()) == set()
    assert differing(having(field, ""), stored(having(field, ""))) == set()
    assert differing(having(field, ""), stored(having(field, "x"))) == {field}


@pytest.mark.parametrize("field", ["parameters", "custom_labels"])
def test_an_empty_map_is_as_good_as_none(field: str) -> None:
    assert differing(having(field, {}), stored()) == set()
    assert differing(having(field, {}), stored(having(field, {}))) == set()
    assert differing(having(field, {}), stored(having(field, {"a": ["x"]}))) == {field}


@pytest.mark.parametrize("field", ["expected_success_rate", "expected_duration_seconds"])
def test_zero_is_a_value(field: str) -> None:
    assert differing(having(field, 0), stored(having(field, 0))) == set()
    assert differing(having(field, 0), stored(having(field, 1))) == {field}
    assert differing(having(field, 0), stored()) == {field}


def test_the_status_is_a_note_and_never_drift() -> None:
    for status in ("disabled", "deprecated", "archived"):
        assert compare(FULL, stored({**FULL, "status": status})) == ()


def test_what_the_service_fills_in_is_never_compared() -> None:
    row = stored(
        FULL,
        is_latest_version=False,
        total_executions=5,
        successful_executions=4,
        actual_success_rate=0.8,
        updated_by="x",
        status_reason="y",
        disabled_by="z",
        disabled_reason="",
        deprecation_notice="old",
        something_new={"a": 1},
    )
    assert compare(FULL, row) == ()


@pytest.mark.parametrize("label", ["signal_type", "severity", "component", "environment", "priority"])
def test_labels_by_their_keys(label: str) -> None:
    other = {"severity": "low", "priority": "P3"}.get(label, "other")
    row = stored({**FULL, "labels": {**FULL["labels"], label: other}})
    assert compare(FULL, row) == (Difference(f"labels.{label}", FULL["labels"][label], other),)


def test_labels_beyond_the_five_are_not_compared() -> None:
    assert compare(FULL, stored({**FULL, "labels": {**FULL["labels"], "risk_tolerance": "low"}})) == ()


DETECTED: list[tuple[dict[str, Any] | None, dict[str, Any], set[str]]] = [
    (None, {"gitOpsManaged": True}, set()),
    ({}, {}, set()),
    ({"gitOpsManaged": False}, {}, set()),
    ({"gitOpsManaged": False, "failed_detections": []}, {"hpaEnabled": False, "gitOpsTool": ""}, set()),
    ({}, {"gitOpsManaged": True}, {"gitOpsManaged"}),
    ({"gitOpsManaged": False}, {"gitOpsManaged": True}, {"gitOpsManaged"}),
    ({"gitOpsManaged": True}, {}, {"gitOpsManaged"}),
    ({"gitOpsManaged": True}, {"gitOpsManaged": False}, {"gitOpsManaged"}),
    ({"gitOpsTool": "flux"}, {"gitOpsTool": "argocd"}, {"gitOpsTool"}),
    ({"serviceMesh": "*"}, {"serviceMesh": "istio"}, {"serviceMesh"}),
    ({"stateful": True}, {"stateful": True, "brandNew": True}, set()),
    ({"failed_detections": ["stateful", "hpaEnabled"]}, {"failed_detections": ["hpaEnabled", "stateful"]}, set()),
    ({"failed_detections": ["stateful", "stateful"]}, {"failed_detections": ["stateful"]}, set()),
    ({"failed_detections": ["stateful"]}, {}, {"failed_detections"}),
    ({"failed_detections": ["stateful"]}, {"failed_detections": ["hpaEnabled"]}, {"failed_detections"}),
]


@pytest.mark.parametrize(("wanted", "have", "fields"), DETECTED)
def test_detected_labels_without_what_is_false_empty_or_unknown(
    wanted: dict[str, Any] | None, have: dict[str, Any], fields: set[str]
) -> None:
    members = workflow() if wanted is None else workflow(detected_labels=wanted)
    assert differing(members, stored(detected_labels=have)) == {f"detected_labels.{field}" for field in fields}


CUSTOM: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"a": ["x", "y"]}, {"a": ["y", "x"]}, True),
    ({"a": ["x", "x"]}, {"a": ["x"]}, True),
    ({"a": ["x"], "b": ["y"]}, {"b": ["y"], "a": ["x"]}, True),
    ({"a": []}, {"a": []}, True),
    ({"a": ["x"]}, {"a": ["X"]}, False),
    ({"a": ["x"]}, {"a": ["x", "y"]}, False),
    ({"a": ["x"]}, {"b": ["x"]}, False),
    ({"a": ["x"]}, {"a": ["x"], "b": ["y"]}, False),
]


@pytest.mark.parametrize(("wanted", "have", "same"), CUSTOM)
def test_custom_labels_as_a_map_of_sets(wanted: dict[str, Any], have: dict[str, Any], same: bool) -> None:
    found = differing(workflow(custom_labels=wanted), stored(custom_labels=have))
    assert found == (set() if same else {"custom_labels"})


PARAMETERS: list[tuple[Any, Any, bool]] = [
    (1, 1.0, True),
    (1, True, False),
    (0, False, False),
    (0, None, False),
    ("", None, False),
    ([], None, False),
    ({}, None, False),
    ("1", 1, False),
    ([1, 2], [2, 1], False),
    ([1], [1, 1], False),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
    ({"a": 1}, {"a": 1, "b": None}, False),
    ([{"a": [True]}], [{"a": [1]}], False),
    ([{"a": [1.0]}], [{"a": [1]}], True),
    (0.1, 0.1005, False),
    ("é", "e\u0301", False),
]


@pytest.mark.parametrize(("wanted", "have", "same"), PARAMETERS)
def test_parameters_as_json_values(wanted: Any, have: Any, same: bool) -> None:
    for one, other in ((wanted, have), (have, wanted)):
        found = differing(workflow(parameters={"p": one}), stored(parameters={"p": other}))
        assert found == (set() if same else {"parameters"})


@pytest.mark.parametrize(
    ("wanted", "have", "same"),
    [(0.5, 0.5, True), (0.12345, 0.123, True), (1, 1.0, True), (0, 0, True), (0.5, 0.501, False), (0.5, 0.499, False)],
)
def test_rates(wanted: float, have: float, same: bool) -> None:
    found = differing(workflow(expected_success_rate=wanted), stored(expected_success_rate=have))
    assert found == (set() if same else {"expected_success_rate"})


@given(rate=st.decimals(0, 1, places=4) | st.decimals(0, 1, places=7))
def test_a_rate_equals_what_the_service_makes_of_it(rate: Decimal) -> None:
    """numeric(4,3): three decimals, halves rounded away from zero."""
    row = stored(expected_success_rate=float(rate.quantize(Decimal("0.001"), ROUND_HALF_UP)))
    assert differing(workflow(expected_success_rate=float(rate)), row) == set()


@given(rate=st.decimals(0, 1, places=3), off=st.integers(1, 1000))
def test_a_rate_equals_no_other_of_three_decimals(rate: Decimal, off: int) -> None:
    other = (rate + Decimal(off) / 1000) % 1
    expected = set[str]() if other == rate else {"expected_success_rate"}
    row = stored(expected_success_rate=float(other))
    assert differing(workflow(expected_success_rate=float(rate)), row) == expected


@pytest.mark.parametrize(
    ("wanted", "have", "same"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z", True),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z", True),
        ("2026-01-31T12:00:00.500Z", "2026-01-31T12:00:00.5Z", True),
        (datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=1))), "2026-01-31T12:00:00+01:00", True),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00+01:00", False),
        ("2026-01-31T12:00:00.000001Z", "2026-01-31T12:00:00Z", False),
    ],
)
def test_times_as_instants(wanted: Any, have: str, same: bool) -> None:
    found = differing(workflow(approved_at=wanted), stored(approved_at=have))
    assert found == (set() if same else {"approved_at"})


def test_content_itself_is_compared_and_not_just_its_hash() -> None:
    assert differing(workflow(), stored({**workflow(), "content": workflow()["content"] + " "})) == {"content"}


def test_texts_are_compared_exactly() -> None:
    for other in (" x", "x ", "X", "x\n"):
        assert differing(workflow(owner="x"), stored(owner=other)) == {"owner"}


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
DETECTABLE = "gitOpsManaged pdbProtected hpaEnabled stateful helmManaged networkIsolated serviceMesh".split()
WORKFLOWS = st.fixed_dictionaries(
    {
        "workflow_name": TEXT.filter(lambda name: name not in ("", ".", "..")),
        "version": TEXT.filter(bool),
        "name": TEXT.filter(bool),
        "description": TEXT.filter(bool),
        "content": TEXT.filter(bool),
        "content_hash": st.text("0123456789abcdef", min_size=64, max_size=64),
        "labels": st.fixed_dictionaries(
            {
                "signal_type": TEXT.filter(bool),
                "severity": st.sampled_from(["critical", "high", "medium", "low"]),
                "component": TEXT.filter(bool),
                "environment": TEXT,
                "priority": st.sampled_from(["P0", "P1", "P2", "P3", "*"]),
            }
        ),
        "execution_engine": TEXT,
        "status": st.sampled_from(["active", "disabled", "deprecated", "archived"]),
    },
    optional={
        "owner": st.none() | TEXT,
        "parameters": st.dictionaries(TEXT, JSON, max_size=3),
        "custom_labels": st.dictionaries(TEXT, st.lists(TEXT, max_size=3), max_size=3),
        "detected_labels": st.fixed_dictionaries(
            {},
            optional={
                "gitOpsManaged": st.booleans(),
                "stateful": st.none() | st.booleans(),
                "gitOpsTool": st.sampled_from(["argocd", "flux", "*"]),
                "failed_detections": st.lists(st.sampled_from(DETECTABLE), max_size=3),
            },
        ),
        "approved_at": st.datetimes(
            min_value=datetime(2, 1, 1),  # noqa: DTZ001 - made aware by timezones
            max_value=datetime(9998, 1, 1),  # noqa: DTZ001 - as above
            timezones=st.timezones(),
        ),
        "expected_success_rate": st.floats(0, 1),
        "expected_duration_seconds": st.integers(0, 2**31 - 1),
    },
)


def as_stored(payload: dict[str, Any]) -> StoredWorkflow:
    """What the service would hand out for a request body: rounded rates, no false labels, other order of keys."""
    row = json.loads(json.dumps(payload, sort_keys=True))
    if "expected_success_rate" in row:
        row["expected_success_rate"] = round(row["expected_success_rate"], 3)
    row["detected_labels"] = {key: value for key, value in row.get("detected_labels", {}).items() if value}
    for name in ("owner", "custom_labels"):
        if not row.get(name):
            row.pop(name, None)
    return stored(row)


@given(members=WORKFLOWS)
def test_a_workflow_equals_what_is_stored_of_it(members: dict[str, Any]) -> None:
    payload = REMEDIATION_WORKFLOW.check(members)
    row = as_stored(payload)
    assert compare(payload, row) == ()
    again = decided(Wanted(payload["workflow_name"], payload["version"], payload), [row])
    assert again.action == "unchanged"


@given(one=WORKFLOWS, other=WORKFLOWS)
def test_comparing_never_raises_and_names_fields_that_are_set(one: dict[str, Any], other: dict[str, Any]) -> None:
    payload = REMEDIATION_WORKFLOW.check(one)
    for difference in compare(payload, as_stored(REMEDIATION_WORKFLOW.check(other))):
        assert difference.field.partition(".")[0] in payload
        assert difference.wanted != difference.stored


def test_a_difference_shows_no_values() -> None:
    difference = compare(workflow(content="SECRET"), stored())[0]
    assert difference.field == "content"
    assert "SECRET" not in repr(difference)


# Versions ------------------------------------------------------------------------------------------------------------

# Precedence as SemVer 2.0 (item 11) has it, lowest first; what stands in one row is equal.
LADDER: list[list[str]] = [
    ["0.0.0-0"],
    ["0.0.0", "0", "0.0", "v0"],
    ["0.0.1"],
    ["0.9.9"],
    ["1.0.0--"],
    ["1.0.0-0A"],
    ["1.0.0-alpha", "v1.0.0-alpha", "1-alpha", "1.0-alpha+build"],
    ["1.0.0-alpha.1"],
    ["1.0.0-alpha.2"],
    ["1.0.0-alpha.10"],
    ["1.0.0-alpha.beta"],
    ["1.0.0-alpha-"],
    ["1.0.0-beta"],
    ["1.0.0-beta.2"],
    ["1.0.0-beta.11"],
    ["1.0.0-rc.1"],
    ["1.0.0-rc.1.0"],
    ["1.0.0", "1.0", "1", "v1", "v1.0.0", "1.0.0+20130313144700", "1+a.b-c"],
    ["1.0.1"],
    ["1.2.0", "v1.2"],
    ["1.10.0"],
    ["2.0.0"],
    ["2.1.0"],
    ["2.1.1"],
    ["10.0.0"],
    ["99999999999999999999.0.0"],
]
UNORDERED = [
    "",
    "v",
    "latest",
    "1.",
    ".1",
    "1..0",
    "1.0.0.0",
    "1.x",
    "V1.0.0",
    "vv1",
    " 1.0.0",
    "1.0.0 ",
    "1.0.0\n",
    "-1.0.0",
    "+1.0.0",
    "1.0.0-",
    "1.0.0+",
    "1.0.0-a..b",
    "1.0.0-a_b",
    "1.0.0-ä",
    "1,0",
    "1.0.0-a+b+c",
    "١.٠.٠",
    "²",
    "2026-01-31T12:00:00",
    "\ud800",
]


def test_precedence() -> None:
    keys = [[version_key(text) for text in row] for row in LADDER]
    for row in keys:
        assert None not in row
        assert all(key == row[0] for key in row)
    for lower, higher in combinations([row[0] for row in keys], 2):
        assert lower is not None
        assert higher is not None
        assert lower < higher
        assert not higher < lower


@pytest.mark.parametrize("text", UNORDERED, ids=range(len(UNORDERED)))
def test_what_cannot_be_ordered(text: str) -> None:
    assert version_key(text) is None


@pytest.mark.parametrize("text", ["1" * 5000, "1.0.0-" + "1" * 5000, "1." * 5000, "v" * 5000])
def test_a_version_of_any_length_has_a_key_or_none(text: str) -> None:
    """The service takes 50 characters, but what answers may be anything."""
    key = version_key(text)
    assert key is None or key > (0, 0, 0)


@given(text=st.text(max_size=50) | st.text("0123456789.-+va", max_size=20))
def test_keys_can_be_compared_with_each_other(text: str) -> None:
    key = version_key(text)
    for row in LADDER:
        other = version_key(row[0])
        assert other is not None
        assert key is None or key < other or key == other or key > other


def same(text: str) -> str:
    return text


def test_ascending() -> None:
    ladder = [row[0] for row in LADDER]
    assert ascending(same, reversed(ladder)) == ladder
    assert ascending(same, sorted(ladder)) == ladder


def test_ascending_keeps_the_order_of_equals_and_puts_what_has_none_last() -> None:
    assert ascending(same, ["b", "v1.0.0", "a", "1.0.0", "0.1", "1"]) == ["0.1", "v1.0.0", "1.0.0", "1", "b", "a"]


@given(texts=st.permutations(["1.0.0", "1.0.0-rc.1", "2.0.0", "1.0.0+b", "x"]))
def test_ascending_loses_nothing(texts: list[str]) -> None:
    assert sorted(ascending(same, texts)) == sorted(texts)


# Actions -------------------------------------------------------------------------------------------------------------


def wanted(version: str = "1.0.0", **members: Any) -> Wanted:
    payload = REMEDIATION_WORKFLOW.check(workflow(version=version, **members))
    return Wanted(payload["workflow_name"], version, payload)


def at(version: str, *, latest: bool = False, **members: Any) -> StoredWorkflow:
    number = int.from_bytes(version.encode()[:6], "big")
    return stored(
        workflow(version=version, **members),
        is_latest_version=latest,
        workflow_id=f"00000000-0000-4000-8000-{number:012x}",
    )


def decided(
    item: Wanted, rows: Sequence[StoredWorkflow] = (), also: Sequence[str] = (), *, allow_demote: bool = False
) -> PlanRow:
    return decide(item, rows, frozenset({item.version, *also}), allow_demote=allow_demote)


def test_create_when_the_name_is_unknown() -> None:
    row = decided(wanted())
    assert (row.action, row.latest, row.existing, row.differences, row.warnings) == ("create", None, None, (), ())
    assert row.payload == workflow()


def test_create_above_the_latest() -> None:
    row = decided(wanted("2.0.0"), [at("1.0.0", latest=True)])
    assert (row.action, row.latest, row.warnings) == ("create", "1.0.0", ())


def test_create_beside_an_equal_version() -> None:
    """Build metadata and a `v` have no precedence, so neither demotes the other."""
    for text in ("1.0.0+build", "v1.0.0", "1"):
        assert decided(wanted(text), [at("1.0.0", latest=True)]).action == "create"


def test_unchanged() -> None:
    row = decided(wanted(), [at("1.0.0", latest=True)])
    assert (row.action, row.latest, row.warnings) == ("unchanged", "1.0.0", ())
    assert row.existing is not None


def test_unchanged_below_a_latest_that_is_given_too() -> None:
    row = decided(wanted(), [at("2.0.0", latest=True), at("1.0.0")], ["2.0.0"])
    assert (row.action, row.latest) == ("unchanged", "2.0.0")


def test_superseded_by_a_version_that_no_input_has() -> None:
    for version in ("2.0.0", "0.5.0", "nightly"):
        row = decided(wanted(), [at(version, latest=True), at("1.0.0")])
        assert (row.action, row.latest) == ("superseded", version)
        assert any(version in warning for warning in row.warnings)
        assert row.existing is not None


def test_drifted_comes_before_superseded() -> None:
    row = decided(wanted(owner="x"), [at("2.0.0", latest=True), at("1.0.0")])
    assert row.action == "drifted"
    assert [difference.field for difference in row.differences] == ["owner"]


def test_drifted() -> None:
    row = decided(wanted(), [at("1.0.0", latest=True, content="other", content_hash="0" * 64)])
    assert row.action == "drifted"
    assert {difference.field for difference in row.differences} == {"content", "content_hash"}


@pytest.mark.parametrize("text", ["1.0.0", "2.0.0-rc.1", "1.9.9"])
def test_demotes(text: str) -> None:
    row = decided(wanted(text), [at("2.0.0", latest=True)])
    assert (row.action, row.latest) == ("demotes", "2.0.0")
    assert any("2.0.0" in warning for warning in row.warnings)
    allowed = decided(wanted(text), [at("2.0.0", latest=True)], allow_demote=True)
    assert allowed.action == "create"
    assert any("2.0.0" in warning for warning in allowed.warnings)


def test_only_the_row_that_is_latest_now_counts() -> None:
    """The service marks whatever came last; a higher version that isn't the latest is demoted already."""
    row = decided(wanted("2.0.0"), [at("1.0.0", latest=True), at("3.0.0")])
    assert (row.action, row.latest) == ("create", "1.0.0")


def test_without_a_latest_row_nothing_is_demoted() -> None:
    assert decided(wanted(), [at("2.0.0")]).action == "create"


@pytest.mark.parametrize(("text", "latest"), [("nightly", "2.0.0"), ("1.0.0", "nightly"), ("a", "b")])
def test_what_cannot_be_ordered_is_created_with_a_warning(text: str, latest: str) -> None:
    row = decided(wanted(text), [at(latest, latest=True)])
    assert row.action == "create"
    assert any("ordered" in warning and latest in warning for warning in row.warnings)


def test_what_cannot_be_ordered_against_the_rest_of_the_input_is_created_with_a_warning() -> None:
    row = decided(wanted("nightly"), [], ["1.0.0"])
    assert row.action == "create"
    assert any("ordered" in warning for warning in row.warnings)


def test_what_was_refused_is_invalid() -> None:
    error = InvalidRequestError("name: is missing", field="name")
    row = decided(Wanted("x", "1.0.0", {}, error), [at("1.0.0", latest=True)])
    assert (row.action, row.error, row.differences) == ("invalid", error, ())


def test_another_status_is_a_warning() -> None:
    row = decided(wanted(), [at("1.0.0", latest=True, status="deprecated")])
    assert row.action == "unchanged"
    assert any("deprecated" in warning for warning in row.warnings)


def hides(row: PlanRow) -> list[str]:
    return [warning for warning in row.warnings if "hides" in warning]


def test_a_disabled_latest_hides_the_others() -> None:
    rows = [at("2.0.0", latest=True, status="disabled"), at("1.0.0"), at("0.9.0"), at("0.8.0", status="archived")]
    assert any("2 active" in warning for warning in hides(decided(wanted("2.0.0", status="disabled"), rows)))
    assert hides(decided(wanted("1.0.0"), rows, ["2.0.0"])) == []


def test_creating_a_disabled_one_hides_the_others() -> None:
    active = [at("1.0.0", latest=True)]
    assert hides(decided(wanted("2.0.0", status="disabled"), active))
    assert hides(decided(wanted("2.0.0"), active)) == []
    assert hides(decided(wanted("2.0.0", status="disabled"), [at("1.0.0", latest=True, status="archived")])) == []
    assert hides(decided(wanted("2.0.0", status="disabled"))) == []
    assert hides(decided(wanted("0.5.0", status="disabled"), active)) == []


def test_warnings_are_one_line_each() -> None:
    hostile = "9\n\x1b[31m" + "x" * 40
    rows = [at(hostile, latest=True, status="active"), at("1.0.0", status="disabled")]
    for item in (wanted("1.0.0"), wanted("2.0.0"), wanted("nightly")):
        for warning in decided(item, rows).warnings:
            assert warning.isprintable()


def test_a_row_shows_neither_content_nor_parameters() -> None:
    row = decided(wanted(content="SECRET", parameters={"a": "SECRET"}), [at("1.0.0", latest=True)])
    assert row.action == "drifted"
    assert "SECRET" not in repr(row)
    assert "SECRET" not in repr(Plan((row,)))
    assert "SECRET" not in repr(wanted(content="SECRET"))


# The input -----------------------------------------------------------------------------------------------------------


def test_check_keeps_the_order_and_the_payload() -> None:
    items = check([workflow("b"), workflow("a", "2.0.0"), workflow("a")])
    assert [(item.name, item.version, item.error) for item in items] == [
        ("b", "1.0.0", None),
        ("a", "2.0.0", None),
        ("a", "1.0.0", None),
    ]
    assert items[0].payload == workflow("b")


def test_check_takes_any_iterable() -> None:
    assert len(check(iter([workflow()]))) == 1
    assert len(check(dict.fromkeys([1], workflow()).values())) == 1
    assert check(()) == []


@pytest.mark.parametrize("value", ["x", b"x", workflow(), None, 3, object()], ids=range(6))
def test_check_refuses_what_is_no_iterable_of_workflows(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^workflows: must be an iterable") as caught:
        check(value)
    assert caught.value.field == "workflows"


def test_check_reports_every_bad_workflow() -> None:
    bad: list[Any] = [workflow(), {**workflow("b"), "name": ""}, {}, 3, {"workflow_name": 3, "version": "1"}]
    items = check(bad)
    fields = [item.error.field if item.error else None for item in items]
    assert fields == [None, "name", "workflow_name", "RemediationWorkflow", "workflow_name"]
    assert [item.name for item in items] == ["restart-pod", "b", "?", "?", "?"]


def test_the_same_workflow_twice_is_one() -> None:
    assert len(check([workflow(), workflow(), workflow()])) == 1


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_two_of_one_version_with_different_content_are_refused(order: tuple[int, ...]) -> None:
    inputs = [workflow(), workflow(), workflow(content="other")]
    items = check([inputs[index] for index in order])
    assert len(items) == 1
    assert items[0].error is not None
    assert items[0].error.field == "version"
    assert "twice" in str(items[0].error)


def test_a_version_that_is_given_twice_is_found_without_comparing_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing each with every row before it would take the square of their number."""

    def compared(*_: object) -> bool:
        raise AssertionError

    inputs = [workflow(name, content=content) for content in ("x", "y") for name in ("a", "b", "c")]
    monkeypatch.setattr(Wanted, "__eq__", compared)
    assert [bool(item.error) for item in check(inputs)] == [True] * 3


def test_true_and_one_are_different_content() -> None:
    items = check([workflow(parameters={"a": 1}), workflow(parameters={"a": True})])
    assert len(items) == 1
    assert items[0].error is not None


def test_a_bad_one_does_not_spoil_a_good_one_of_the_same_version() -> None:
    items = check([{**workflow(), "name": ""}, workflow()])
    assert [bool(item.error) for item in items] == [True, False]


# The plan ------------------------------------------------------------------------------------------------------------

ACTIONS = {
    "creates": "create",
    "unchanged": "unchanged",
    "superseded": "superseded",
    "drifted": "drifted",
    "demotes": "demotes",
    "invalid": "invalid",
}


def test_the_rows_of_an_action() -> None:
    rows: Any = tuple(PlanRow(f"n-{action}", "1", action) for action in ACTIONS.values())  # type: ignore[arg-type]
    plan = Plan(rows)
    for attribute, action in ACTIONS.items():
        assert [row.name for row in getattr(plan, attribute)] == [f"n-{action}"]
    assert tuple(plan) == rows
    assert len(plan) == 6
    assert str(plan) == "1 create, 1 unchanged, 1 superseded, 1 drifted, 1 demotes, 1 invalid"


def test_an_empty_plan() -> None:
    assert str(Plan(())) == "nothing to do"
    assert len(Plan(())) == 0
    assert not Plan(()).allow_demote


def test_getting_a_row() -> None:
    plan = Plan((PlanRow("a", "1", "create"), PlanRow("a", "2", "create"), PlanRow("b", "1", "create")))
    assert plan.get("a").version == "2"
    assert plan.get("a", "1").version == "1"
    for arguments in (("c",), ("a", "3"), ("b", "2")):
        with pytest.raises(KeyError):
            plan.get(*arguments)
