"""The limits of the service: at, below and above each, and that nothing is sent for what is refused."""

import copy
import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
import respx
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client import InvalidField, InvalidRequestError
from kubernaut_client.limits import (
    DETECTED_LABELS,
    MANDATORY_LABELS,
    REMEDIATION_WORKFLOW,
    WORKFLOW_DISABLE,
    WORKFLOW_LIST,
    WORKFLOW_UPDATE,
    Findings,
    Table,
    instant,
    version,
    workflow_id,
    workflow_name,
)
from kubernaut_client.models import UNSET, DetectedLabels, MandatoryLabels, RemediationWorkflow
from kubernaut_client.operations import CREATE_WORKFLOW, Body
from tests.colours import COLOURS, Colour, opened
from tests.workflows import workflow

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = yaml.safe_load((ROOT / "openapi" / "data-storage-v1.yaml").read_text("utf-8"))
SCHEMAS: dict[str, Any] = CONTRACT["components"]["schemas"]

FULL: dict[str, Any] = workflow(
    owner="team-a",
    maintainer="not-an-email",
    parameters={"limit": 3, "nested": [{"a": None}, 1.5, True]},
    container_image="registry.example/x:1",
    container_digest="sha256:" + "0" * 64,
    custom_labels={"team": ["a", "b"]},
    detected_labels={"gitOpsManaged": True, "gitOpsTool": "flux", "failed_detections": ["stateful"]},
    previous_version="0.9.0",
    version_notes="notes",
    change_summary="summary",
    approved_by="someone",
    approved_at="2026-01-31T12:00:00Z",
    expected_success_rate=0.5,
    expected_duration_seconds=60,
    created_by="me",
)


def kind(value: object) -> str:
    """What a case is called: not every value has a repr, or the same one in every run."""
    if type(value) is int and value.bit_length() > 64:
        return f"{'-' if value < 0 else ''}{value.bit_length()} bits"
    return "object" if type(value) is object else repr(value)[:30]


def check(**members: Any) -> dict[str, Any]:
    return REMEDIATION_WORKFLOW.check({**workflow(), **members})


def refuse(members: object, table: Table = REMEDIATION_WORKFLOW) -> InvalidRequestError:
    """The refusal, which is one printable line without the content."""
    with pytest.raises(InvalidRequestError) as caught:
        table.check(members)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < (500 if len(caught.value.problems) == 1 else 2000)
    assert "SECRET" not in message
    return caught.value


def refused(field: str, limit: str, **members: Any) -> None:
    error = refuse({**workflow(), **members})
    assert error.field == field
    assert field in str(error)
    assert limit in str(error), str(error)


# What is taken -------------------------------------------------------------------------------------------------------


def test_a_complete_workflow_is_taken_as_it_is() -> None:
    assert REMEDIATION_WORKFLOW.check(FULL) == FULL


@pytest.mark.parametrize(
    ("table", "schema"),
    [
        (REMEDIATION_WORKFLOW, "RemediationWorkflow"),
        (MANDATORY_LABELS, "MandatoryLabels"),
        (DETECTED_LABELS, "DetectedLabels"),
        (WORKFLOW_UPDATE, "WorkflowUpdateRequest"),
        (WORKFLOW_DISABLE, "WorkflowDisableRequest"),
    ],
)
def test_the_tables_name_every_member_of_the_contract(table: Table, schema: str) -> None:
    known = {*table.required, *table.optional}
    assert known == set(SCHEMAS[schema]["properties"])
    assert set(SCHEMAS[schema].get("required", ())) <= set(table.required)


def test_the_example_has_every_member() -> None:
    assert set(FULL) == {*REMEDIATION_WORKFLOW.required, *REMEDIATION_WORKFLOW.optional}


# Characters: field → (the least, the most) that the service takes.
LENGTHS: dict[str, tuple[int, int | None]] = {
    "workflow_name": (1, 255),
    "version": (1, 50),
    "name": (1, 255),
    "description": (1, None),
    "content": (1, None),
    "content_hash": (64, 64),
    "execution_engine": (0, 50),
    "owner": (0, 255),
    "maintainer": (0, 255),
    "container_image": (0, None),
    "container_digest": (0, 71),
    "previous_version": (0, 50),
    "version_notes": (0, None),
    "change_summary": (0, None),
    "approved_by": (0, 255),
    "created_by": (0, 255),
}


def test_every_text_has_a_row() -> None:
    texts = {name for name, value in FULL.items() if isinstance(value, str)} - {"status", "approved_at"}
    assert set(LENGTHS) == texts


@pytest.mark.parametrize("character", ["x", "ß", "語", "😀"])  # counted in code points, as the service does
@pytest.mark.parametrize("field", LENGTHS)
def test_lengths_at_the_limits(field: str, character: str) -> None:
    least, most = LENGTHS[field]
    for length in (least, least + 1 if least != most else least, most or 100_000):
        assert check(**{field: character * length})[field] == character * length


@pytest.mark.parametrize("character", ["x", "語", "\ud800"])
@pytest.mark.parametrize("field", [field for field, (_, most) in LENGTHS.items() if most])
def test_texts_above_the_limit(field: str, character: str) -> None:
    most = LENGTHS[field][1]
    assert most is not None
    for length in (most + 1, most * 10):
        refused(field, str(most), **{field: character * length})


@pytest.mark.parametrize("field", [field for field, (least, _) in LENGTHS.items() if least])
def test_texts_below_the_limit(field: str) -> None:
    least = LENGTHS[field][0]
    refused(field, "64" if least == 64 else "empty", **{field: "x" * (least - 1)})


@pytest.mark.parametrize("value", [1, 1.5, True, False, b"x", [], {}, ["x"], object(), 10**5000], ids=kind)
@pytest.mark.parametrize("field", [*LENGTHS, "status"])
def test_texts_of_another_type(field: str, value: object) -> None:
    refused(field, "string", **{field: value})


@pytest.mark.parametrize("field", sorted(REMEDIATION_WORKFLOW.required))
def test_missing_fields(field: str) -> None:
    for absent in ({}, {field: None}, {field: UNSET}):
        members = {name: value for name, value in workflow().items() if name != field} | absent
        error = refuse(members)
        assert error.field == field
        assert "missing" in str(error)


@pytest.mark.parametrize("field", sorted(REMEDIATION_WORKFLOW.optional))
@pytest.mark.parametrize("absent", [None, UNSET])
def test_optional_fields_that_are_none_are_left_out(field: str, absent: object) -> None:
    assert check(**{field: absent}) == workflow()


@pytest.mark.parametrize("field", sorted(REMEDIATION_WORKFLOW.ignored))
@pytest.mark.parametrize("absent", [None, UNSET])
def test_ignored_fields_that_are_none_are_left_out(field: str, absent: object) -> None:
    assert check(**{field: absent}) == workflow()


@pytest.mark.parametrize(
    "field",
    (
        "workflow_id is_latest_version created_at updated_at updated_by status_reason disabled_at disabled_by "
        "disabled_reason deprecation_notice actual_success_rate total_executions successful_executions"
    ).split(),
)
def test_fields_that_the_service_would_not_store(field: str) -> None:
    for value in ("x", 0, ""):
        refused(field, "not be stored", **{field: value})


@pytest.mark.parametrize("field", ["Content", "workflowName", "workflow-name", "risk_tolerance", ""])
def test_fields_that_do_not_exist(field: str) -> None:
    error = refuse({**workflow(), field: "x"})
    assert error.field == field
    assert "not a field of RemediationWorkflow" in str(error)


def test_keys_that_are_no_strings() -> None:
    keys: list[Any] = [1, None, ("a",), b"name"]
    for key in keys:
        assert "not a field" in str(refuse({**workflow(), key: "x"}))


def test_all_that_is_wrong_is_there() -> None:
    error = refuse({**workflow(), "name": "", "labels": {"severity": "grave"}, "unknown": 1})
    assert error.problems[0] == InvalidField("name", "must not be empty")
    fields = ["name", *(f"labels.{name}" for name in MANDATORY_LABELS.required), "unknown"]
    assert [problem.field for problem in error.problems] == fields
    assert error.field == "name"
    assert str(error) == "; ".join(f"{field}: {reason}" for field, reason in error.problems)
    restored = pickle.loads(pickle.dumps(error))
    assert restored.problems == error.problems
    assert isinstance(restored.problems[0], InvalidField)
    assert copy.deepcopy(error).problems == error.problems


def test_the_text_lists_ten() -> None:
    names = [f"x{number}" for number in range(12)]
    for count, more in ((1, ""), (9, ""), (10, ""), (11, " (and 1 more)"), (12, " (and 2 more)")):
        error = refuse({**workflow(), **dict.fromkeys(names[:count], 1)})
        assert [problem.field for problem in error.problems] == names[:count]
        reason = "is not a field of RemediationWorkflow"
        assert str(error) == "; ".join(f"{name}: {reason}" for name in names[: min(count, 10)]) + more


def test_the_text_is_one_bounded_line() -> None:
    error = refuse({**workflow(), "parameters": {"\n" * 10**5 + str(number): {1: 2} for number in range(100)}})
    assert len(error.problems) == 100
    assert str(error).isprintable()


@pytest.mark.parametrize("colour", COLOURS)
def test_all_arguments_that_are_wrong_are_there(colour: Colour) -> None:
    wrong: dict[str, Any] = {"concurrency": 0, "on_drift": "stop", "progress": 1}
    with opened(colour, "http://ds.example") as client:
        with pytest.raises(InvalidRequestError) as caught:
            client.workflows.bootstrap([], **wrong)
        assert [problem.field for problem in caught.value.problems] == list(wrong)
        with pytest.raises(InvalidRequestError) as caught:
            client.workflows.update(UUID(int=1), status="active", disabled_by="a", disabled_reason="b")
        assert [problem.field for problem in caught.value.problems] == ["disabled_by", "disabled_reason"]


def test_a_single_problem_is_a_problem_too() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        workflow_id("x")
    reason = "must be a UUID of 36 characters, not 'x'"
    assert caught.value.problems == (InvalidField("workflow_id", reason),)
    assert str(caught.value) == f"workflow_id: {reason}"


@pytest.mark.parametrize("value", [None, 1, "x", b"x", [], [("a", 1)], object(), RemediationWorkflow, UNSET], ids=kind)
def test_what_is_no_workflow(value: object) -> None:
    assert "model or a mapping" in str(refuse(value))


# Words ---------------------------------------------------------------------------------------------------------------

WORDS = {
    "status": ("active", "disabled", "deprecated", "archived"),
    "labels.severity": ("critical", "high", "medium", "low"),
    "labels.priority": ("P0", "P1", "P2", "P3", "*"),
    "detected_labels.gitOpsTool": ("argocd", "flux", "*"),
    "detected_labels.serviceMesh": ("istio", "linkerd", "*"),
}


def placed(path: str, value: object) -> dict[str, Any]:
    outer, _, inner = path.partition(".")
    if not inner:
        return {**workflow(), outer: value}
    return {**workflow(), outer: {**workflow().get(outer, {}), inner: value}}


@pytest.mark.parametrize("path", WORDS)
def test_words(path: str) -> None:
    for word in WORDS[path]:
        assert REMEDIATION_WORKFLOW.check(placed(path, word)) == placed(path, word)
        for wrong in (word + " ", word.swapcase() if word != "*" else "**", ""):
            error = refuse(placed(path, wrong))
            assert error.field == path
            assert all(allowed in str(error) for allowed in WORDS[path])


def test_words_are_those_of_the_contract() -> None:
    assert SCHEMAS["WorkflowStatus"]["enum"] == list(WORDS["status"])
    assert SCHEMAS["Severity"]["enum"] == list(WORDS["labels.severity"])
    assert SCHEMAS["Priority"]["enum"] == list(WORDS["labels.priority"])


def test_p0_in_lower_case_is_refused_here() -> None:
    assert refuse(placed("labels.priority", "p0")).field == "labels.priority"


@pytest.mark.parametrize("label", sorted(MANDATORY_LABELS.required))
def test_labels_are_mandatory(label: str) -> None:
    labels = {name: value for name, value in workflow()["labels"].items() if name != label}
    for given_labels in (labels, {**labels, label: None}):
        error = refuse({**workflow(), "labels": given_labels})
        assert error.field == f"labels.{label}"
        assert "missing" in str(error)


def test_an_empty_environment_is_taken_and_other_empty_labels_are_not() -> None:
    assert REMEDIATION_WORKFLOW.check(placed("labels.environment", ""))["labels"]["environment"] == ""
    for label in ("signal_type", "component"):
        assert refuse(placed(f"labels.{label}", "")).field == f"labels.{label}"


@pytest.mark.parametrize("label", ["risk_tolerance", "Severity", "signal"])
def test_labels_that_the_service_would_drop(label: str) -> None:
    assert refuse(placed(f"labels.{label}", "low")).field == f"labels.{label}"


@pytest.mark.parametrize("label", ["git_ops_managed", "gitopsManaged", "gitOpsmanaged", "helm"])
def test_detected_labels_that_the_service_would_drop(label: str) -> None:
    assert refuse(placed(f"detected_labels.{label}", True)).field == f"detected_labels.{label}"


@pytest.mark.parametrize("label", "gitOpsManaged pdbProtected hpaEnabled stateful helmManaged networkIsolated".split())
def test_detected_booleans(label: str) -> None:
    for value in (True, False):
        assert REMEDIATION_WORKFLOW.check(placed(f"detected_labels.{label}", value))["detected_labels"] == {
            label: value
        }
    for wrong in (1, 0, "true", [True]):
        assert refuse(placed(f"detected_labels.{label}", wrong)).field == f"detected_labels.{label}"


def test_failed_detections() -> None:
    names = "gitOpsManaged pdbProtected hpaEnabled stateful helmManaged networkIsolated serviceMesh".split()
    taken = REMEDIATION_WORKFLOW.check(placed("detected_labels.failed_detections", tuple(names)))
    assert taken["detected_labels"] == {"failed_detections": names}
    for wrong in (["gitOpsTool"], ["x"], [1], [None]):
        assert (
            refuse(placed("detected_labels.failed_detections", wrong)).field == "detected_labels.failed_detections[0]"
        )
    assert refuse(placed("detected_labels.failed_detections", "stateful")).field == "detected_labels.failed_detections"


@pytest.mark.parametrize("member", ["labels", "detected_labels", "custom_labels", "parameters"])
@pytest.mark.parametrize("value", ["x", 1, True, [], [["a", "b"]], ()])
def test_objects_of_another_type(member: str, value: object) -> None:
    refused(member, "mapping", **{member: value})


# Numbers and times ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 0.5, 0.12345, 1e-9])
def test_rates_that_are_taken(value: float) -> None:
    assert check(expected_success_rate=value)["expected_success_rate"] == value


@pytest.mark.parametrize("value", [-0.001, 1.001, -1, 2, float("nan"), float("inf"), float("-inf"), 10**5000], ids=kind)
def test_rates_out_of_range(value: float) -> None:
    refused("expected_success_rate", "from 0 to 1", expected_success_rate=value)


@pytest.mark.parametrize("value", [True, False, "0.5", [0.5], 1j])
def test_rates_of_another_type(value: object) -> None:
    refused("expected_success_rate", "number", expected_success_rate=value)


@pytest.mark.parametrize("value", [0, 1, 2**31 - 1])
def test_durations_that_are_taken(value: int) -> None:
    assert check(expected_duration_seconds=value)["expected_duration_seconds"] == value


@pytest.mark.parametrize("value", [-1, 2**31, 2**63, 10**5000, -(10**5000)], ids=kind)
def test_durations_out_of_range(value: int) -> None:
    refused("expected_duration_seconds", "2147483647", expected_duration_seconds=value)


@pytest.mark.parametrize("value", [1.0, True, "1", [1], float("nan")])
def test_durations_of_another_type(value: object) -> None:
    refused("expected_duration_seconds", "integer", expected_duration_seconds=value)


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00Z"),
        (datetime(2026, 1, 31, 12, 0, 0, 500, tzinfo=UTC), "2026-01-31T12:00:00.000500Z"),
        (datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=-5, minutes=-30))), "2026-01-31T17:30:00Z"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
        ("2026-01-01T00:30:00.25+01:00", "2025-12-31T23:30:00.250000Z"),
    ],
)
def test_times_go_as_utc(value: object, wire: str) -> None:
    assert check(approved_at=value)["approved_at"] == wire


@pytest.mark.parametrize("value", [datetime(2026, 1, 31), "2026-01-31T12:00:00", "2026-01-31"])  # noqa: DTZ001
def test_naive_times_are_refused(value: object) -> None:
    refused("approved_at", "time zone", approved_at=value)


@pytest.mark.parametrize("value", ["", "yesterday", "SECRET", "2026-13-01T00:00:00Z", "\ud800"])
def test_texts_that_are_no_time(value: str) -> None:
    refused("approved_at", "RFC 3339", approved_at=value)


@pytest.mark.parametrize("value", [0, 1.5, True, datetime(2026, 1, 1, tzinfo=UTC).date(), []])
def test_times_of_another_type(value: object) -> None:
    refused("approved_at", "datetime", approved_at=value)


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_times_beyond_the_calendar(value: str) -> None:
    refused("approved_at", "years 1 to 9999", approved_at=value)


@given(moment=st.datetimes(timezones=st.timezones()))
def test_instants_keep_the_instant(moment: datetime) -> None:
    try:
        in_utc = moment.astimezone(UTC)
    except OverflowError:
        return
    text = instant(moment)
    assert text.endswith("Z")
    # Compared in UTC: within a gap or a fold a local time equals none of another zone.
    assert datetime.fromisoformat(text) == in_utc


# What PostgreSQL can't store -----------------------------------------------------------------------------------------


def unstorable(fault: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of a workflow where a text can be, with a fault in it: (path, members)."""
    for field in LENGTHS:
        if field != "content_hash":
            yield field, {field: f"a{fault}b"}
    yield "content_hash", {"content_hash": fault + "0" * 63}
    for label in ("signal_type", "component", "environment"):
        yield f"labels.{label}", {"labels": {**workflow()["labels"], label: fault}}
    yield "custom_labels.team[1]", {"custom_labels": {"team": ["a", fault]}}
    yield "custom_labels", {"custom_labels": {f"a{fault}": ["a"]}}
    yield "parameters.a", {"parameters": {"a": fault}}
    yield "parameters", {"parameters": {fault: 1}}
    yield "parameters.a[0].b[1]", {"parameters": {"a": [{"b": [1, fault]}]}}
    yield "parameters.a[0]", {"parameters": {"a": [{fault: 1}]}}


@pytest.mark.parametrize("fault", ["\0", "\ud800"])
def test_what_the_database_cannot_store(fault: str) -> None:
    places = list(unstorable(fault))
    assert len(places) > 20
    for path, members in places:
        refused(path, "NUL" if fault == "\0" else "surrogate", **members)


def test_a_pair_of_surrogates_in_two_halves_is_no_character() -> None:
    refused("name", "surrogate", name="\ud83d\ude00")


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50))
def test_every_other_text_is_taken(text: str) -> None:
    assert check(description=text, parameters={text: text}, custom_labels={text: [text]})["parameters"] == {text: text}


# Free-form members ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [{}, {"a": []}, {"a": ["x"], "b": ["y", "y"]}, {"": [""]}, {"a": ("x",)}])
def test_custom_labels(labels: dict[str, Any]) -> None:
    assert check(custom_labels=labels)["custom_labels"] == {key: list(value) for key, value in labels.items()}


@pytest.mark.parametrize("value", ["x", 1, None, {"x": 1}, {"x"}, b"x", True], ids=kind)
def test_custom_labels_of_another_type(value: object) -> None:
    refused("custom_labels.team", "list of strings", custom_labels={"team": value})


@pytest.mark.parametrize("value", [1, None, True, ["x"], b"x"])
def test_custom_labels_with_values_of_another_type(value: object) -> None:
    refused("custom_labels.team[1]", "string", custom_labels={"team": ["x", value]})


@pytest.mark.parametrize("key", [1, None, True, b"x", ("a",)])
@pytest.mark.parametrize("member", ["custom_labels", "parameters"])
def test_keys_that_json_does_not_have(member: str, key: object) -> None:
    refused(member, "strings as keys", **{member: {key: ["x"]}})


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), b"x", {1}, object(), datetime(2026, 1, 1, tzinfo=UTC), 1j, 2**1025, 10**5000],
    ids=kind,
)
def test_values_that_json_does_not_have(value: object) -> None:
    refused("parameters.a[0]", "must be", parameters={"a": [value]})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5), inner, max_size=3
        )
    ),
    max_leaves=10,
)


@given(parameters=st.dictionaries(st.sampled_from("abc"), JSON))
def test_every_json_object_goes_as_it_is(parameters: dict[str, Any]) -> None:
    payload = check(parameters=parameters)
    sent = CREATE_WORKFLOW.request(body=Body(payload)).content
    assert sent is not None
    assert json.loads(sent)["parameters"] == parameters


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return {"a": value}


def test_nesting() -> None:
    assert check(parameters=nested(99))["parameters"] == nested(99)
    for depth in (101, 5000):
        assert "100" in str(refuse({**workflow(), "parameters": nested(depth)}))


def test_a_structure_that_contains_itself() -> None:
    loop: dict[str, Any] = {}
    loop["a"] = [loop]
    assert "100" in str(refuse({**workflow(), "parameters": loop}))


@pytest.mark.parametrize("member", ["parameters", "custom_labels"])
def test_a_path_is_cut_where_a_message_cuts_it(member: str) -> None:
    """A long key would otherwise be there again for each value below it."""
    key = "k" * 10_000
    findings = Findings()
    REMEDIATION_WORKFLOW({**workflow(), member: {key: [float("nan")] * 100, "a": [float("nan")]}}, "", findings)
    assert [path for path, _ in findings.found] == [f"{member}.{key}"[:301]] * 100 + [f"{member}.a[0]"]
    assert f"{member}.{'k' * (298 - len(member))}…: must" in str(refuse({**workflow(), member: {key: [b"x"]}}))


@pytest.mark.parametrize("length", [299, 300, 301])
def test_a_path_as_long_as_a_message_is_marked_as_cut_below(length: int) -> None:
    key = "k" * (length - len("parameters."))
    findings = Findings()
    REMEDIATION_WORKFLOW({**workflow(), "parameters": {key: [float("nan")]}}, "", findings)
    assert [path for path, _ in findings.found] == [f"parameters.{key}[0]"[:301]]


def test_what_is_checked_is_a_copy() -> None:
    given_members = {**FULL, "parameters": {"a": [1]}, "custom_labels": {"t": ["x"]}}
    payload = REMEDIATION_WORKFLOW.check(given_members)
    payload["parameters"]["a"].append(2)
    payload["custom_labels"]["t"].append("y")
    payload["labels"]["severity"] = "low"
    assert given_members["parameters"] == {"a": [1]}
    assert given_members["custom_labels"] == {"t": ["x"]}
    assert given_members["labels"]["severity"] == "critical"


def test_mappings_of_any_kind() -> None:
    frozen = MappingProxyType({**workflow(), "parameters": MappingProxyType({"a": (1, 2)})})
    assert REMEDIATION_WORKFLOW.check(frozen) == {**workflow(), "parameters": {"a": [1, 2]}}


# Models --------------------------------------------------------------------------------------------------------------


def sent(value: object) -> Any:
    content = CREATE_WORKFLOW.request(body=Body(REMEDIATION_WORKFLOW.check(value))).content
    assert content is not None
    return json.loads(content)


def model(**members: Any) -> RemediationWorkflow:
    """FULL as a model, built by hand: from_dict would be the generated code checking itself."""
    detected = DetectedLabels(git_ops_managed=True, git_ops_tool="flux", failed_detections=["stateful"])
    values = {
        **FULL,
        "labels": MandatoryLabels(**FULL["labels"]),
        "detected_labels": detected,
        "approved_at": datetime(2026, 1, 31, 12, tzinfo=UTC),
        **members,
    }
    return RemediationWorkflow(**values)


def test_a_model_and_a_mapping_give_the_same_request() -> None:
    assert sent(model()) == sent(FULL) == FULL
    mixed = {**FULL, "labels": MandatoryLabels(**FULL["labels"])}
    assert sent(mixed) == FULL


def test_a_model_with_unset_members_sends_only_the_others() -> None:
    members: dict[str, Any] = workflow()
    small = RemediationWorkflow(**{**members, "labels": MandatoryLabels(**members["labels"])})
    assert sent(small) == workflow()


MEMBERS_OF_MODELS: list[tuple[str, Any]] = [
    ("labels", "x"),
    ("labels", None),
    ("labels", 3),
    ("detected_labels", "x"),
    ("detected_labels", [1]),
    ("approved_at", "yesterday"),
    ("approved_at", 3),
    ("approved_at", datetime(2026, 1, 31)),  # noqa: DTZ001 - naive on purpose
    ("name", None),
    ("name", 3),
    ("version", 1.0),
    ("content", b"SECRET"),
    ("content", ["SECRET"]),
    ("content_hash", 64),
    ("status", "Active"),
    ("custom_labels", [1]),
    ("custom_labels", {"team": "SECRET"}),
    ("parameters", "SECRET"),
    ("parameters", [{"SECRET": 1}]),
    ("expected_success_rate", "SECRET"),
    ("expected_duration_seconds", 1.5),
]


@pytest.mark.parametrize(("name", "value"), MEMBERS_OF_MODELS, ids=range(len(MEMBERS_OF_MODELS)))
def test_models_with_members_of_the_wrong_type(name: str, value: Any) -> None:
    error = refuse(model(**{name: value}))
    assert error.field is not None


def test_members_that_a_model_does_not_know() -> None:
    extra = model()
    extra.additional_properties["risk"] = 1
    assert refuse(extra).field == "risk"


def test_a_mandatory_label_of_a_model() -> None:
    values: dict[str, Any] = {**FULL["labels"], "severity": None}
    assert refuse(model(labels=MandatoryLabels(**values))).field == "labels.severity"


# Arguments -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".", "..", "", "x" * 256, "a\0", "\ud800", None, 3, b"x", ["x"]])
def test_names_that_are_refused(name: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"workflow_name") as caught:
        workflow_name(name)
    assert caught.value.field == "workflow_name"
    assert refuse({**workflow(), "workflow_name": name}).field == "workflow_name"


@pytest.mark.parametrize(
    "name", ["x", "x" * 255, "語" * 255, "a/b", "...", " ", "a b", "%2F", "?", "#", "\\", "+:@&=$,;"]
)
def test_names_that_are_taken(name: str) -> None:
    assert workflow_name(name) == name


@pytest.mark.parametrize("value", ["", "x" * 51, "a\0", None, 1, 1.0, b"1.0.0"])
def test_versions_that_are_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"^version: "):
        version(value)


@pytest.mark.parametrize("value", ["x", "x" * 50, "1.0.0", "any text"])
def test_versions_that_are_taken(value: str) -> None:
    assert version(value) == value


ID = UUID("3f2504e0-4f89-41d3-9a0c-0305e82c3301")


@pytest.mark.parametrize("value", [ID, str(ID), str(ID).upper()])
def test_ids_that_are_taken(value: object) -> None:
    assert workflow_id(value) == ID


IDS: list[object] = [
    "",
    "nope",
    "search",
    "{3f2504e0-4f89-41d3-9a0c-0305e82c3301}",
    "urn:uuid:3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "3f2504e04f8941d39a0c0305e82c3301",
    "3f2504e0-4f8941d3-9a0c-0305e82c3301",
    "3f2504e-04f89-41d3-9a0c-0305e82c3301",
    "3f2504e0-4f89-41d3-9a0c-0305e82c330",
    "3f2504e0-4f89-41d3-9a0c-0305e82c33011",
    "3f2504e0-4f89-41d3-9a0c-0305e82c330g",
    " 3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301\n",
    "3f2504e0-4f89-41d3-9a0c-0305e82c330١",
    "3f2504e0‐4f89‐41d3‐9a0c‐0305e82c3301",
    "../3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "\ud800",
    "x" * 10_000,
    b"3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    ID.int,
    ID.bytes,
    None,
    True,
    [str(ID)],
    object(),
]


@pytest.mark.parametrize("value", IDS, ids=range(len(IDS)))
def test_ids_that_are_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"^workflow_id: must be a UUID of 36 characters") as caught:
        workflow_id(value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("status", WORDS["status"])
def test_updates(status: str) -> None:
    full = {"status": status, "disabled_by": "x" * 255, "disabled_reason": "y" * 100_000}
    assert WORKFLOW_UPDATE.check(full) == full
    assert WORKFLOW_UPDATE.check({"status": status, "disabled_by": None}) == {"status": status}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({}, "status"),
        ({"status": None}, "status"),
        ({"status": "live"}, "status"),
        ({"status": "disabled", "disabled_by": "x" * 256}, "disabled_by"),
        ({"status": "disabled", "disabled_by": 1}, "disabled_by"),
        ({"status": "disabled", "disabled_reason": "a\0"}, "disabled_reason"),
        ({"status": "disabled", "content": "x"}, "content"),
        ({"status": "disabled", "labels": {}}, "labels"),
        ({"status": "disabled", "description": "x"}, "description"),
    ],
)
def test_updates_that_are_refused(members: dict[str, Any], field: str) -> None:
    assert refuse(members, WORKFLOW_UPDATE).field == field


@pytest.mark.parametrize(
    ("members", "field"),
    [({"updated_by": "x" * 256}, "updated_by"), ({"reason": 1}, "reason"), ({"reason": "\0"}, "reason")],
)
def test_disables_that_are_refused(members: dict[str, Any], field: str) -> None:
    assert WORKFLOW_DISABLE.check({"reason": None, "updated_by": "x" * 255}) == {"updated_by": "x" * 255}
    assert refuse(members, WORKFLOW_DISABLE).field == field


@pytest.mark.parametrize("size", [1, 100, 1000])
def test_page_sizes_that_are_taken(size: int) -> None:
    assert WORKFLOW_LIST.check({"page_size": size}) == {"page_size": size}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"page_size": 0}, "page_size"),
        ({"page_size": -1}, "page_size"),
        ({"page_size": 1001}, "page_size"),
        ({"page_size": 10.0}, "page_size"),
        ({"page_size": True}, "page_size"),
        ({"page_size": "10"}, "page_size"),
        ({"status": "live"}, "status"),
        ({"status": ""}, "status"),
        ({"status": "active,disabled"}, "status"),
        ({"environment": ""}, "environment"),
        ({"component": ""}, "component"),
        ({"component": "\0"}, "component"),
        ({"priority": ""}, "priority"),
        ({"priority": 0}, "priority"),
    ],
)
def test_filters_that_are_refused(members: dict[str, Any], field: str) -> None:
    assert refuse(members, WORKFLOW_LIST).field == field


# Nothing is sent -----------------------------------------------------------------------------------------------------

BAD: list[tuple[str, Callable[[Any], object]]] = [
    ("workflow_name", lambda ds: ds.workflows.create({**workflow(), "workflow_name": ""})),
    ("version", lambda ds: ds.workflows.create(workflow(version="x" * 51))),
    (
        "labels.severity",
        lambda ds: ds.workflows.create({**workflow(), "labels": {**workflow()["labels"], "severity": 1}}),
    ),
    ("content", lambda ds: ds.workflows.create({**workflow(), "content": "SECRET\0"})),
    ("approved_at", lambda ds: ds.workflows.create(workflow(approved_at=datetime(2026, 1, 1)))),  # noqa: DTZ001
    ("workflow_name", lambda ds: ds.workflows.create(workflow(".."))),
    ("name", lambda ds: ds.workflows.ensure(workflow(name="n", version="1") | {"name": ""})),
    ("workflow_id", lambda ds: ds.workflows.get("nope")),
    ("workflow_name", lambda ds: ds.workflows.versions("..")),
    ("page_size", lambda ds: list(ds.workflows.list(page_size=0))),
    ("status", lambda ds: list(ds.workflows.list(status="live"))),
    ("workflow_id", lambda ds: ds.workflows.update("nope", status="active")),
    ("status", lambda ds: ds.workflows.update(ID, status="live")),
    ("disabled_by", lambda ds: ds.workflows.update(ID, status="active", disabled_by="me")),
    ("disabled_reason", lambda ds: ds.workflows.update(ID, status="archived", disabled_reason="why")),
    ("disabled_by", lambda ds: ds.workflows.update(ID, status="disabled", disabled_by="x" * 256)),
    ("workflow_id", lambda ds: ds.workflows.disable("{" + str(ID) + "}")),
    ("updated_by", lambda ds: ds.workflows.disable(ID, updated_by="x" * 256)),
    ("workflow_id", lambda ds: ds.workflows.republish(b"x", version="2.0.0")),
    ("version", lambda ds: ds.workflows.republish(ID, version="x" * 51)),
    ("workflows", lambda ds: ds.workflows.plan(workflow())),
    ("workflows", lambda ds: ds.workflows.bootstrap("path")),
    ("concurrency", lambda ds: ds.workflows.bootstrap([], concurrency=0)),
    ("concurrency", lambda ds: ds.workflows.bootstrap([], concurrency=65)),
    ("on_drift", lambda ds: ds.workflows.bootstrap([], on_drift="overwrite")),
    ("plan", lambda ds: ds.workflows.apply([])),
]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("field", "call"), BAD, ids=[f"{number}-{field}" for number, (field, _) in enumerate(BAD)])
def test_nothing_is_sent_for_bad_input(colour: Colour, field: str, call: Callable[[Any], object]) -> None:
    with respx.mock() as router, opened(colour, "http://ds.example") as client:
        with pytest.raises(InvalidRequestError) as caught:
            call(client)
        assert len(router.calls) == 0
    assert caught.value.field == field
    assert field in str(caught.value)
    assert str(caught.value).isprintable()
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("colour", COLOURS)
def test_an_invalid_workflow_of_a_bootstrap_is_a_row_and_nothing_is_sent(colour: Colour) -> None:
    bad: list[Mapping[str, Any]] = [{**workflow(), "content": ""}, {}]
    with respx.mock() as router, opened(colour, "http://ds.example") as client:
        plan = client.workflows.plan(bad)
        report = client.workflows.bootstrap(bad)
        assert len(router.calls) == 0
    assert [row.action for row in plan] == ["invalid", "invalid"]
    assert [row.error.field for row in report.failed] == ["content", "workflow_name"]
