"""The routes of the workflow catalog: create, list, get, versions, update, disable.

Each handler does what the service's does, in the same order, odd parts included. Checks of the contract have happened
before; see `validation.py`.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg.rows import TupleRow

from kubernaut_client.emulator import early, gojson, problems
from kubernaut_client.emulator.database import UNIQUE_VIOLATION, DatabaseFailure
from kubernaut_client.emulator.gojson import Raw
from kubernaut_client.emulator.gostruct import DecodeFailure, Field, Struct, decode
from kubernaut_client.emulator.gotime import GoTime
from kubernaut_client.emulator.messages import Dropped, Reply, json_reply
from kubernaut_client.emulator.service import Call, Service

_LABELS: Final = Struct(
    "MandatoryLabels",
    tuple(Field(name, "string") for name in ("signal_type", "severity", "component", "environment", "priority")),
)
DETECTED: Final = Struct(
    "DetectedLabels",
    (
        Field("failed_detections", "strings"),
        Field("gitOpsManaged", "bool"),
        Field("gitOpsTool", "string"),
        Field("pdbProtected", "bool"),
        Field("hpaEnabled", "bool"),
        Field("stateful", "bool"),
        Field("helmManaged", "bool"),
        Field("networkIsolated", "bool"),
        Field("serviceMesh", "string"),
    ),
)
# The members of a workflow, in the order in which replies show them. What is optional is left out while not set.
_WORKFLOW: Final = Struct(
    "RemediationWorkflow",
    (
        Field("workflow_id", "string"),
        Field("workflow_name", "string"),
        Field("version", "string"),
        Field("name", "string"),
        Field("description", "string"),
        Field("owner", "string", optional=True),
        Field("maintainer", "string", optional=True),
        Field("content", "string"),
        Field("content_hash", "string"),
        Field("parameters", "raw", optional=True),
        Field("execution_engine", "string"),
        Field("container_image", "string", optional=True),
        Field("container_digest", "string", optional=True),
        Field("labels", _LABELS),
        Field("custom_labels", "map", optional=True),
        Field("detected_labels", DETECTED),
        Field("status", "string"),
        Field("status_reason", "string", optional=True),
        Field("disabled_at", "time", optional=True),
        Field("disabled_by", "string", optional=True),
        Field("disabled_reason", "string", optional=True),
        Field("is_latest_version", "bool"),
        Field("previous_version", "string", optional=True),
        Field("deprecation_notice", "string", optional=True),
        Field("version_notes", "string", optional=True),
        Field("change_summary", "string", optional=True),
        Field("approved_by", "string", optional=True),
        Field("approved_at", "time", optional=True),
        Field("expected_success_rate", "float64", optional=True),
        Field("expected_duration_seconds", "int", optional=True),
        Field("actual_success_rate", "float64", optional=True),
        Field("total_executions", "int"),
        Field("successful_executions", "int"),
        Field("created_at", "time"),
        Field("updated_at", "time"),
        Field("created_by", "string", optional=True),
        Field("updated_by", "string", optional=True),
    ),
)
_UPDATE: Final = Struct(
    "WorkflowUpdateRequest",
    (
        Field("status", "string", optional=True),
        Field("disabled_by", "string", optional=True),
        Field("disabled_reason", "string", optional=True),
        Field("description", "string", optional=True),
        Field("content", "string", optional=True),
        Field("labels", "raw", optional=True),
    ),
)
_DISABLE: Final = Struct(
    "WorkflowDisableRequest",
    (Field("reason", "string", optional=True), Field("updated_by", "string", optional=True)),
)

_NO_LABELS_SET: Final = _LABELS.zero()
_NOTHING_DETECTED: Final = DETECTED.zero()
_REQUIRED: Final = ("workflow_name", "version", "name", "description", "content")
_REQUIRED_LABELS: Final = ("signal_type", "severity", "component")
_NO_LABELS: Final = "labels are required (signal_type, severity, component, environment, priority)"
_IMMUTABLE: Final = (
    "Cannot update immutable fields (description, content, labels). Create a new version instead. See DD-WORKFLOW-012."
)
_FILTERS: Final[Mapping[str, LiteralString]] = {
    "status": "status = %s",
    "environment": "labels->>'environment' = %s",
    "priority": "labels->>'priority' = %s",
    "component": "labels->>'component' = %s",
}
_DEFAULT_PAGE: Final = 50
_LARGEST_PAGE: Final = 100

Workflow = dict[str, object]

_DEMOTE: Final[LiteralString] = (
    "UPDATE remediation_workflow_catalog SET is_latest_version = false"
    " WHERE workflow_name = %s AND is_latest_version = true"
)
_INSERT: Final[LiteralString] = (
    "INSERT INTO remediation_workflow_catalog (workflow_name, version, name, description, owner, maintainer, content,"
    " content_hash, parameters, execution_engine, container_image, container_digest, labels, custom_labels,"
    " detected_labels, status, is_latest_version, previous_version, version_notes, change_summary, approved_by,"
    " approved_at, expected_success_rate, expected_duration_seconds, created_by) VALUES (%s, %s, %s, %s, %s, %s, %s,"
    " %s, %s::jsonb, %s, %s, %s, %s::jsonb, %s::jsonb, %s::jsonb, %s, true, %s, %s, %s, %s, %s::timestamptz, %s, %s,"
    " %s) RETURNING workflow_id::text"
)
_COLUMNS: Final[LiteralString] = (
    "workflow_id::text, workflow_name, version, name, description, owner, maintainer, content, content_hash,"
    " parameters::text, execution_engine, container_image, container_digest, labels, custom_labels, detected_labels,"
    " status, status_reason, disabled_at, disabled_by, disabled_reason, is_latest_version, previous_version,"
    " deprecation_notice, version_notes, change_summary, approved_by, approved_at, expected_success_rate,"
    " expected_duration_seconds, actual_success_rate, total_executions, successful_executions, created_at, updated_at,"
    " created_by, updated_by"
)
_FROM: Final[LiteralString] = " FROM remediation_workflow_catalog"
_SELECT: Final[LiteralString] = "SELECT " + _COLUMNS + _FROM
_COUNT: Final[LiteralString] = "SELECT count(*) FROM remediation_workflow_catalog"
_DISABLED: Final[LiteralString] = (
    "UPDATE remediation_workflow_catalog SET status = %s, status_reason = %s, updated_by = %s, disabled_at = now(),"
    " disabled_by = %s, disabled_reason = %s WHERE workflow_id = %s::uuid AND version = %s"
)
_OTHER_STATUS: Final[LiteralString] = (
    "UPDATE remediation_workflow_catalog SET status = %s, status_reason = %s, updated_by = %s"
    " WHERE workflow_id = %s::uuid AND version = %s"
)


async def create(call: Call) -> Reply:
    """POST /api/v1/workflows."""
    try:
        workflow = decode(gojson.parse(gojson.decode_text(call.body)), _WORKFLOW)
    except (gojson.SyntaxFailure, DecodeFailure) as failure:
        return problems.bad_request(f"Invalid request body: {failure}")
    for name in _REQUIRED:
        if not workflow[name]:
            return problems.bad_request(f"{name} is required")
    labels = _members(workflow["labels"])
    if not all(labels[name] for name in _REQUIRED_LABELS):
        return problems.bad_request(_NO_LABELS)
    workflow["status"] = workflow["status"] or "active"
    try:
        async with call.service.database.connection() as connection, connection.transaction():
            await connection.execute(_DEMOTE, (workflow["workflow_name"],))
            cursor = await connection.execute(_INSERT, _stored(workflow))
            row = await cursor.fetchone()
    except DatabaseFailure as failure:
        if failure.sqlstate == UNIQUE_VIOLATION and call.service.build == "2025-12-30":
            detail = f"Workflow '{workflow['workflow_name']}' version '{workflow['version']}' already exists"
            return problems.problem(409, "conflict", "Workflow Already Exists", detail)
        return problems.internal_error("Failed to create workflow")
    assert row is not None
    # The reply is the request with two members replaced. Times are not read back: they stay in the year 1.
    workflow.update(workflow_id=row[0], is_latest_version=True)
    return json_reply(_shown(call.service, workflow), 201)


async def list_all(call: Call) -> Reply:
    """GET /api/v1/workflows."""
    wanted = [name for name in _FILTERS if call.query.get(name)]
    values = [call.query[name] for name in wanted]
    conditions: list[LiteralString] = [_FILTERS[name] for name in wanted]
    if call.service.early:
        conditions.append("is_latest_version")
    where: LiteralString = " WHERE " + " AND ".join(conditions) if conditions else ""
    limit = _integer(call.query.get("limit", ""))
    limit = _DEFAULT_PAGE if limit is None or limit <= 0 else min(limit, _LARGEST_PAGE)
    offset = max(_integer(call.query.get("offset", "")) or 0, 0)
    page: LiteralString = " ORDER BY created_at DESC LIMIT %s OFFSET %s"
    try:
        async with call.service.database.reading() as connection:
            counted = await connection.execute(_COUNT + where, values)
            (total,) = await counted.fetchone() or (0,)
            cursor = await connection.execute(_SELECT + where + page, [*values, limit, offset])
            workflows = [_read(row) for row in await cursor.fetchall()]
    except DatabaseFailure:
        return problems.internal_error("Failed to list workflows")
    shown = [_shown(call.service, workflow) for workflow in workflows]
    return json_reply({"workflows": shown, "limit": limit, "offset": offset, "total": total})


async def get(call: Call) -> Reply:
    """GET /api/v1/workflows/{workflow_id}."""
    try:
        workflow = await _find(call.service, call.arguments["workflow_id"])
    except DatabaseFailure:
        return problems.internal_error("Failed to get workflow")
    if workflow is None:
        return _unknown(call)
    return json_reply(_shown(call.service, workflow))


async def versions(call: Call) -> Reply:
    """GET /api/v1/workflows/by-name/{workflow_name}/versions."""
    name = call.arguments["workflow_name"]
    try:
        rows = await call.service.database.read(_SELECT + " WHERE workflow_name = %s ORDER BY created_at DESC", (name,))
    except DatabaseFailure:
        return problems.internal_error("Failed to list workflow versions")
    shown = [_shown(call.service, _read(row)) for row in rows] or None
    return json_reply({"workflow_name": name, "versions": shown, "total": len(rows)})


async def update(call: Call) -> Reply:
    """PATCH /api/v1/workflows/{workflow_id}."""
    try:
        change = decode(gojson.parse(gojson.decode_text(call.body)), _UPDATE)
    except (gojson.SyntaxFailure, DecodeFailure) as failure:
        return problems.bad_request(f"Invalid request body: {failure}")
    if any(change[name] is not None for name in ("description", "content", "labels")):
        return problems.problem(400, "immutable-field-violation", "Bad Request", _IMMUTABLE)
    workflow = await _find_for_change(call)
    if isinstance(workflow, Reply):
        return workflow
    if change["status"] is not None:
        workflow["status"] = change["status"]
        if change["status"] == "disabled":
            workflow["disabled_at"] = call.service.clock.go_time()
            workflow["disabled_by"] = change["disabled_by"]
            workflow["disabled_reason"] = change["disabled_reason"]
    try:
        await _set_status(call.service, workflow)
    except DatabaseFailure:
        return problems.internal_error("Failed to update workflow")
    return json_reply(_shown(call.service, workflow))


async def disable(call: Call) -> Reply:
    """PATCH /api/v1/workflows/{workflow_id}/disable."""
    try:
        change = decode(gojson.parse(gojson.decode_text(call.body)), _DISABLE)
    except (gojson.SyntaxFailure, DecodeFailure) as failure:
        return problems.bad_request(f"Invalid request body: {failure}")
    workflow = await _find_for_change(call)
    if isinstance(workflow, Reply):
        return workflow
    workflow["status"] = "disabled"
    workflow["disabled_at"] = call.service.clock.go_time()
    workflow["disabled_by"] = change["updated_by"]
    workflow["disabled_reason"] = change["reason"]
    try:
        await _set_status(call.service, workflow)
    except DatabaseFailure:
        return problems.internal_error("Failed to disable workflow")
    return json_reply(_shown(call.service, workflow))


async def _find(service: Service, workflow_id: str) -> Workflow | None:
    # PostgreSQL parses the id, hence upper case, braces and missing hyphens are fine.
    rows = await service.database.read(_SELECT + " WHERE workflow_id = %s::uuid", (workflow_id,))
    return _read(rows[0]) if rows else None


async def _find_for_change(call: Call) -> Workflow | Reply:
    """Look up what a PATCH is about; any failure to do so is a 404."""
    workflow_id = call.arguments["workflow_id"]
    try:
        workflow = await _find(call.service, workflow_id)
    except DatabaseFailure:
        return _not_found(workflow_id)
    return _unknown(call) if workflow is None else workflow


def _unknown(call: Call) -> Reply:
    """The answer for an id that isn't stored: none at all, except from the early build."""
    if not call.service.early:
        raise Dropped
    return _not_found(call.arguments["workflow_id"])


def _not_found(workflow_id: str) -> Reply:
    return problems.problem(404, "not-found", "Not Found", f"Workflow not found: {workflow_id}")


async def _set_status(service: Service, workflow: Workflow) -> None:
    """Store status, reason and author; what isn't set is stored as an empty text."""
    reason, author = workflow["disabled_reason"] or "", workflow["disabled_by"] or ""
    key = (workflow["workflow_id"], workflow["version"])
    async with service.database.connection() as connection:
        if workflow["status"] == "disabled":
            await connection.execute(_DISABLED, ("disabled", reason, author, author, reason, *key))
        else:
            await connection.execute(_OTHER_STATUS, (workflow["status"], reason, author, *key))


def _integer(text: str) -> int | None:
    """A decimal number, as the handler reads it: no underscores, no prefix."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 30):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _members(value: object) -> dict[str, Any]:
    assert isinstance(value, dict)
    return value  # pyright: ignore[reportUnknownVariableType]


def _stored(workflow: Workflow) -> Sequence[object]:
    """The values of the INSERT."""
    approved_at = workflow["approved_at"]
    rate = workflow["expected_success_rate"]
    return (
        workflow["workflow_name"],
        workflow["version"],
        workflow["name"],
        workflow["description"],
        workflow["owner"],
        workflow["maintainer"],
        workflow["content"],
        workflow["content_hash"],
        workflow["parameters"],
        workflow["execution_engine"],
        workflow["container_image"],
        workflow["container_digest"],
        gojson.encode(workflow["labels"]),
        gojson.encode(workflow["custom_labels"] or {}),
        gojson.encode(present(_members(workflow["detected_labels"]))),
        workflow["status"],
        workflow["previous_version"],
        workflow["version_notes"],
        workflow["change_summary"],
        workflow["approved_by"],
        approved_at.for_database() if isinstance(approved_at, GoTime) else None,
        # As text a float keeps all its digits; the column rounds them.
        None if rate is None else decimal.Decimal(str(rate)),
        workflow["expected_duration_seconds"],
        workflow["created_by"],
    )


def _read(row: TupleRow) -> Workflow:
    """A row of `_SELECT` as the struct."""
    workflow: Workflow = {}
    for member, value in zip(_WORKFLOW.fields, row, strict=True):
        if isinstance(value, datetime):
            workflow[member.name] = GoTime.from_database(value)
        elif isinstance(value, decimal.Decimal):
            workflow[member.name] = float(value)
        else:
            workflow[member.name] = value
    for zero, name in ((_NO_LABELS_SET, "labels"), (_NOTHING_DETECTED, "detected_labels")):
        found = _members(workflow[name])
        workflow[name] = {key: found.get(key, value) for key, value in zero.items()}
    if workflow["parameters"] is not None:
        workflow["parameters"] = gojson.raw_text(gojson.parse(str(workflow["parameters"])))
    return workflow


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    """Members that are set: neither false, nor empty, nor zero."""
    return {name: value for name, value in members.items() if value}


def _shown(service: Service, workflow: Workflow) -> dict[str, object]:
    """A workflow as replies show it."""
    shown: dict[str, object] = {}
    for member in _WORKFLOW.fields:
        value = workflow[member.name]
        if member.name == "custom_labels":
            if value:
                shown[member.name] = dict(sorted(_members(value).items()))
        elif member.name == "detected_labels":
            shown[member.name] = present(_members(value))
        elif value is None and member.optional:
            continue
        elif member.kind == "raw":
            shown[member.name] = Raw(value)
        elif isinstance(value, GoTime):
            shown[member.name] = value.text
        else:
            shown[member.name] = value
    return early.workflow(shown) if service.early else shown
