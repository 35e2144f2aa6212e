"""The generated client: that it is what the contract gives, and that the two overridden templates do what they are for.

Everything here runs the code that is shipped. How the adapter uses it is tested elsewhere.
"""

import copy
import importlib
import json
import pickle
import pkgutil
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol, Self, get_args, get_origin
from uuid import UUID

import attrs
import kubernaut_datastorage
import pytest
from kubernaut_datastorage import models
from kubernaut_datastorage.types import UNSET, Unset

from tests.contract.recorded import replay

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "tests" / "contract" / "recorded"
PACKAGE = "generated/kubernaut_datastorage"


class Model(Protocol):
    """What every generated model offers."""

    additional_properties: dict[str, Any]

    @classmethod
    def from_dict(cls, src_dict: dict[str, Any]) -> Self: ...

    def to_dict(self) -> dict[str, Any]: ...


# Generation ----------------------------------------------------------------------------------------------------------


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "scripts" / "generate"), *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_generated_code_is_what_the_contract_gives() -> None:
    done = generate(ROOT, "--check")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of all that generation needs, at a path with a space, which shares the environment of this clone."""
    root = tmp_path / "a clone"
    for name in ("openapi", "generated"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "generate", root / "scripts" / "generate")
    environment = ROOT / ".venv-generate"
    if environment.exists():
        (root / environment.name).symlink_to(environment)
    return root


def contents(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }


def test_generate_notices_and_mends_every_kind_of_drift(clone: Path) -> None:
    before = contents(ROOT / "generated")
    changed, missing = clone / PACKAGE / "models/severity.py", clone / PACKAGE / "py.typed"
    left_over = clone / PACKAGE / "models/retired/thing.py"
    changed.write_text(changed.read_text("utf-8") + "\n", "utf-8")
    missing.unlink()
    left_over.parent.mkdir()
    left_over.write_text("", "utf-8")
    damaged = contents(clone / "generated")

    check = generate(clone, "--check")
    assert check.returncode == 1
    assert re.findall(r"^  kubernaut_datastorage/(\S+): (.+)$", check.stderr, re.MULTILINE) == [
        ("models/retired/thing.py", "left over"),
        ("models/severity.py", "changed"),
        ("py.typed", "missing"),
    ]
    assert contents(clone / "generated") == damaged, "--check writes nothing"

    assert generate(clone).returncode == 0
    mended = contents(clone / "generated")
    assert {name: data for name, (data, _) in mended.items()} == {name: data for name, (data, _) in before.items()}
    assert not left_over.parent.exists()

    again = generate(clone)
    assert again.returncode == 0, again.stderr
    assert contents(clone / "generated") == mended, "a second run touches nothing"


def test_a_change_of_the_contract_is_drift(clone: Path) -> None:
    contract = clone / "openapi" / "data-storage-v1.yaml"
    contract.write_text(
        contract.read_text("utf-8").replace("enum: [sent, failed]", "enum: [sent, failed, read]"), "utf-8"
    )
    check = generate(clone, "--check")
    assert check.returncode == 1
    assert "kubernaut_datastorage/models/notification_status.py: changed" in check.stderr


def test_a_changed_original_of_an_overridden_template_is_noticed(clone: Path) -> None:
    originals = clone / "openapi" / "templates" / "ORIGINALS.sha256"
    recorded = originals.read_text("utf-8")
    assert {line.split()[1] for line in recorded.splitlines()} == {"literal_enum.py.jinja", "types.py.jinja"}
    # The same to the script: the sum on record isn't that of the template installed.
    originals.write_text(re.sub(r"^[0-9a-f]{64}(?=  types)", "0" * 64, recorded, flags=re.MULTILINE), "utf-8")
    check = generate(clone, "--check")
    assert check.returncode == 1
    assert "the original of openapi/templates/types.py.jinja has changed" in check.stderr


def test_an_override_without_a_recorded_original_is_refused(clone: Path) -> None:
    shutil.copy(clone / "openapi/templates/types.py.jinja", clone / "openapi/templates/client.py.jinja")
    check = generate(clone, "--check")
    assert check.returncode == 1
    assert "ORIGINALS.sha256 must list ['client.py.jinja', 'literal_enum.py.jinja', 'types.py.jinja']" in check.stderr


def test_the_package_is_typed_and_needs_attrs_and_httpx_alone() -> None:
    home = Path(kubernaut_datastorage.__file__).parent
    assert (home / "py.typed").is_file()
    imported = {
        name.partition(".")[0]
        for path in home.rglob("*.py")
        for name in re.findall(r"^\s*(?:from|import) (\w[\w.]*)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert imported - sys.stdlib_module_names == {"attrs", "httpx"}


# The template `types` ------------------------------------------------------------------------------------------------


def pickled(value: Any, protocol: int = pickle.DEFAULT_PROTOCOL) -> Any:
    return pickle.loads(pickle.dumps(value, protocol))


def test_unset_survives_copy() -> None:
    assert copy.copy(UNSET) is UNSET
    assert copy.deepcopy(UNSET) is UNSET
    assert copy.deepcopy([UNSET])[0] is UNSET
    assert Unset() is UNSET


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_unset_survives_pickle(protocol: int) -> None:
    assert pickled(UNSET, protocol) is UNSET


def test_unset_reads_well_and_is_falsy() -> None:
    assert repr(UNSET) == "UNSET"
    assert not UNSET


def workflow(**members: Any) -> models.RemediationWorkflow:
    return models.RemediationWorkflow(
        workflow_name="oomkill",
        version="1.0.0",
        name="OOM kill",
        description="Raises the memory limit.",
        content="kind: WorkflowSchema\n",
        content_hash="a" * 64,
        labels=models.MandatoryLabels("OOMKilled", "critical", "pod", "production", "P0"),
        execution_engine="tekton",
        status="active",
        **members,
    )


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_members_left_out_stay_left_out_in_a_copy(duplicate: Any) -> None:
    model = workflow(owner="sre")
    again = duplicate(model)
    assert again == model
    assert again.maintainer is UNSET
    assert json.dumps(again.to_dict()) == json.dumps(model.to_dict())
    assert "maintainer" not in again.to_dict()


# The template `literal_enum` -----------------------------------------------------------------------------------------


def enumerations() -> Iterator[tuple[str, types.ModuleType]]:
    for info in pkgutil.iter_modules(models.__path__):
        module = importlib.import_module(f"kubernaut_datastorage.models.{info.name}")
        if hasattr(module, f"{info.name.upper()}_VALUES"):
            yield info.name, module


ENUMERATIONS = dict(enumerations())


def test_every_enumeration_of_the_contract_is_a_literal() -> None:
    assert sorted(ENUMERATIONS) == [
        "detectable_label",
        "event_category",
        "event_outcome",
        "git_ops_tool",
        "notification_channel",
        "notification_status",
        "priority",
        "search_priority",
        "service_mesh",
        "severity",
        "workflow_status",
    ]
    for name, module in ENUMERATIONS.items():
        literal = getattr(models, "".join(part.title() for part in name.split("_")))
        assert get_origin(literal) is Literal
        assert set(get_args(literal)) == getattr(module, f"{name.upper()}_VALUES")


@pytest.mark.parametrize("name", ENUMERATIONS)
def test_a_value_from_a_newer_service_passes_through(name: str) -> None:
    check = getattr(ENUMERATIONS[name], f"check_{name}")
    for value in ("from-a-newer-service", *getattr(ENUMERATIONS[name], f"{name.upper()}_VALUES")):
        assert check(value) is value


NEWER = "from-a-newer-service"


def test_a_workflow_with_unknown_values_decodes_and_re_encodes() -> None:
    body = {
        **workflow().to_dict(),
        "workflow_id": "00000000-0000-4000-8000-000000000001",
        "is_latest_version": True,
        "status": NEWER,
        "labels": {
            "signal_type": "OOMKilled",
            "severity": NEWER,
            "component": "pod",
            "environment": "production",
            "priority": NEWER,
            "cluster": "member of a newer service",
        },
        "detected_labels": {"failed_detections": ["stateful", NEWER], "gitOpsTool": NEWER, "serviceMesh": NEWER},
        "signed_by": "member of a newer service",
    }
    decoded = models.StoredWorkflow.from_dict(body)
    assert [str(decoded.status), str(decoded.labels.severity)] == [NEWER, NEWER]
    assert decoded["signed_by"] == "member of a newer service"
    assert decoded.to_dict() == body


def test_audit_replies_with_unknown_values_decode_and_re_encode() -> None:
    event = {
        "event_id": "00000000-0000-4000-8000-000000000001",
        "event_timestamp": "2026-11-21T09:48:25.276213+00:00",
        "event_type": "workflow.started",
        "version": "1.0",
        "event_category": NEWER,
        "event_action": "started",
        "event_outcome": NEWER,
        "correlation_id": "r",
        "resource_type": "workflow",
        "resource_id": "r",
        "actor_type": "service",
        "actor_id": "workflow-service",
        "event_data": {},
    }
    assert models.AuditEvent.from_dict(event).to_dict() == event
    notification = {
        "id": 7,
        "remediation_id": "r",
        "notification_id": "n",
        "recipient": "ops@example.com",
        "channel": NEWER,
        "message_summary": "m",
        "status": NEWER,
        "sent_at": "2026-11-21T09:48:25+02:00",
        "created_at": "2026-11-21T09:48:25+00:00",
        "updated_at": "2026-11-21T09:48:25+00:00",
    }
    assert models.NotificationAuditResponse.from_dict(notification).to_dict() == notification


# Free-form members ---------------------------------------------------------------------------------------------------

FREE_FORM: dict[str, Any] = {
    "team": ["name=payments"],
    "deep": {"list": [1, 2.5, None, {"x": True}]},
    "additional_properties": 1,
}


@pytest.mark.parametrize("member", ["custom_labels", "parameters"])
def test_free_form_members_of_a_workflow_are_plain(member: str) -> None:
    assert workflow(**{member: FREE_FORM}).to_dict()[member] is FREE_FORM
    reply = {
        **workflow().to_dict(),
        "workflow_id": "00000000-0000-4000-8000-000000000001",
        "is_latest_version": True,
        member: FREE_FORM,
    }
    decoded = models.StoredWorkflow.from_dict(reply)
    assert type(getattr(decoded, member)) is dict
    assert getattr(decoded, member) == FREE_FORM
    assert decoded.to_dict() == reply


def test_free_form_members_of_a_search_are_plain() -> None:
    filters = models.WorkflowSearchFilters("OOMKilled", "critical", "pod", "production", "P0", custom_labels=FREE_FORM)
    assert models.WorkflowSearchRequest(filters).to_dict() == {
        "filters": {
            "signal_type": "OOMKilled",
            "severity": "critical",
            "component": "pod",
            "environment": "production",
            "priority": "P0",
            "custom_labels": FREE_FORM,
        }
    }, "and nothing is sent that the caller did not set"


def test_event_data_is_plain_and_event_may_be_null_only_where_the_service_takes_it() -> None:
    body = {
        "version": "1.0",
        "event_type": "workflow.started",
        "event_timestamp": "2026-11-21T09:48:25.276213+00:00",
        "event_category": "workflow",
        "event_action": "started",
        "event_outcome": "success",
        "correlation_id": "r",
        "event_data": FREE_FORM,
    }
    nulls = dict.fromkeys(["parent_event_id", "namespace", "cluster_name", "severity", "duration_ms"])
    decoded = models.AuditEventRequest.from_dict({**body, **nulls})
    assert type(decoded.event_data) is dict
    assert decoded.to_dict() == {**body, **nulls}
    nullable = {field.name for field in attrs.fields(models.AuditEventRequest) if "None" in str(field.type)}
    assert nullable == set(nulls)
    nullable = {field.name for field in attrs.fields(models.NotificationAudit) if "None" in str(field.type)}
    assert nullable == {"delivery_status", "error_message"}
    for sent in (models.RemediationWorkflow, models.WorkflowUpdateRequest, models.WorkflowDisableRequest):
        assert not [field.name for field in attrs.fields(sent) if "None" in str(field.type)]


def test_members_that_are_always_there_need_no_narrowing() -> None:
    required = {field.name for field in attrs.fields(models.StoredWorkflow) if "Unset" not in str(field.type)}
    assert required - {"additional_properties"} == {
        "workflow_id",
        "workflow_name",
        "version",
        "name",
        "description",
        "content",
        "content_hash",
        "labels",
        "execution_engine",
        "status",
        "is_latest_version",
    }


# Recorded answers ----------------------------------------------------------------------------------------------------

ANSWERS: list[tuple[str, str, int, type[Model]]] = [
    ("POST", r"/api/v1/workflows", 201, models.StoredWorkflow),
    ("GET", r"/api/v1/workflows", 200, models.WorkflowListResponse),
    ("POST", r"/api/v1/workflows/search", 200, models.WorkflowSearchResponse),
    ("GET", r"/api/v1/workflows/[^/]+", 200, models.StoredWorkflow),
    ("PATCH", r"/api/v1/workflows/[^/]+(/disable)?", 200, models.StoredWorkflow),
    ("GET", r"/api/v1/workflows/by-name/[^/]+/versions", 200, models.WorkflowVersionsResponse),
    ("POST", r"/api/v1/audit/events", 201, models.AuditEventResponse),
    ("POST", r"/api/v1/audit/events", 202, models.AcceptedResponse),
    ("GET", r"/api/v1/audit/events", 200, models.AuditEventsQueryResponse),
    ("POST", r"/api/v1/audit/events/batch", 201, models.BatchAuditEventResponse),
    ("POST", r"/api/v1/audit/notifications", 201, models.NotificationAuditResponse),
    ("POST", r"/api/v1/audit/notifications", 202, models.AcceptedResponse),
]


def model_of(step: dict[str, Any]) -> type[Model]:
    path = step["path"].partition("?")[0]
    (model,) = (
        model
        for method, pattern, status, model in ANSWERS
        if (step["method"], step["answer"]["status"]) == (method, status) and re.fullmatch(pattern, path)
    )
    return model


def recorded() -> Iterator[tuple[str, type[Model], Any]]:
    for path in sorted(RECORDED.glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            scenario = json.loads(line)
            for number, step in enumerate(scenario["steps"], 1):
                answer = step["answer"]
                if answer.get("status", 0) // 100 == 2 and answer["type"] == "application/json":
                    body = replay.concrete(answer["json"])
                    for ignored in step.get("ignore", []):
                        # A list of which the recording keeps nothing, for its order or its length is nobody's contract.
                        assert body.setdefault(ignored.removeprefix("$."), []) == []
                    yield f"{path.stem}-{scenario['id']}-{number}", model_of(step), body


def zulu(value: Any) -> Any:
    """Times as the service writes them: a model writes UTC as +00:00."""
    if isinstance(value, dict):
        return {key: zulu(member) for key, member in value.items()}
    if isinstance(value, list):
        return [zulu(member) for member in value]
    return re.sub(r"(T\d\d:\d\d:\d\d(?:\.\d+)?)\+00:00$", r"\1Z", value) if isinstance(value, str) else value


def unknown_members(model: object, where: str = "$") -> Iterator[str]:
    """Members of an answer that the contract doesn't name."""
    if isinstance(model, list):
        for member in model:
            yield from unknown_members(member, f"{where}[]")
    elif attrs.has(kind := type(model)):
        for field in attrs.fields(kind):
            value = getattr(model, field.name)
            if field.name == "additional_properties":
                yield from (f"{where}.{name}" for name in value)
            else:
                yield from unknown_members(value, f"{where}.{field.name}")


RECORDED_ANSWERS = {name: (model, body) for name, model, body in recorded()}


def test_the_recordings_hold_every_kind_of_answer() -> None:
    assert len(RECORDED_ANSWERS) == 151
    assert {model for model, _ in RECORDED_ANSWERS.values()} == {model for _, _, _, model in ANSWERS}


@pytest.mark.parametrize("name", RECORDED_ANSWERS)
def test_a_recorded_answer_decodes_and_re_encodes(name: str) -> None:
    model, body = RECORDED_ANSWERS[name]
    decoded = model.from_dict(body)
    assert list(unknown_members(decoded)) == []
    assert zulu(decoded.to_dict()) == zulu(body)


def test_an_unknown_name_has_null_for_versions() -> None:
    body = {"workflow_name": "nobody", "versions": None, "total": 0}
    decoded = models.WorkflowVersionsResponse.from_dict(body)
    assert decoded.versions is None
    assert decoded.to_dict() == body


def test_times_of_the_year_one_and_ids_become_values() -> None:
    _, body = RECORDED_ANSWERS["exchanges-create-201-1"]
    decoded = models.StoredWorkflow.from_dict(body)
    assert isinstance(decoded.workflow_id, UUID)
    assert not isinstance(decoded.created_at, Unset)
    assert decoded.created_at.year == 1
    assert decoded.created_at.tzinfo is not None
