"""The search of the workflow catalog: hard filters, scores, order and cut, all of it one statement.

The scores are computed by PostgreSQL in decimals, as the service does; what they are made of is in `_boosts`.
"""

from __future__ import annotations

import decimal
import re
import time
from collections.abc import Mapping
from typing import Any, Final, LiteralString

from psycopg.rows import TupleRow

from kubernaut_client.emulator import gojson, problems
from kubernaut_client.emulator.database import DatabaseFailure
from kubernaut_client.emulator.gostruct import DecodeFailure, Field, Struct, decode
from kubernaut_client.emulator.messages import Reply, json_reply
from kubernaut_client.emulator.routes.workflows import DETECTED, present
from kubernaut_client.emulator.service import Call

_MANDATORY: Final = ("signal_type", "severity", "component", "environment", "priority")
_FILTERS: Final = Struct(
    "WorkflowSearchFilters",
    (
        *(Field(name, "string") for name in _MANDATORY),
        Field("custom_labels", "map", optional=True),
        Field("detected_labels", DETECTED),
        Field("status", "strings", optional=True),
    ),
)
_REQUEST: Final = Struct(
    "WorkflowSearchRequest",
    (
        Field("remediation_id", "string"),
        Field("filters", _FILTERS),
        Field("top_k", "int"),
        Field("min_score", "float64"),
        Field("include_disabled", "bool"),
    ),
)
_DEFAULT_RESULTS: Final = 10
_NOT_IN_KEYS: Final = re.compile("[^A-Za-z0-9_-]")

# Only a component is stored with a wildcard that means something.
_WHERE: Final[LiteralString] = (
    "is_latest_version AND labels->>'signal_type' = %s AND labels->>'severity' = %s"
    " AND (labels->>'component' = %s OR labels->>'component' = '*')"
    " AND labels->>'environment' = %s AND labels->>'priority' = %s"
)
_FLAGS: Final[tuple[tuple[str, LiteralString], ...]] = (
    ("gitOpsManaged", "CASE WHEN detected_labels->>'gitOpsManaged' = 'true' THEN 0.10 ELSE 0.0 END"),
    ("pdbProtected", "CASE WHEN detected_labels->>'pdbProtected' = 'true' THEN 0.05 ELSE 0.0 END"),
    ("networkIsolated", "CASE WHEN detected_labels->>'networkIsolated' = 'true' THEN 0.03 ELSE 0.0 END"),
    ("helmManaged", "CASE WHEN detected_labels->>'helmManaged' = 'true' THEN 0.02 ELSE 0.0 END"),
    ("stateful", "CASE WHEN detected_labels->>'stateful' = 'true' THEN 0.02 ELSE 0.0 END"),
    ("hpaEnabled", "CASE WHEN detected_labels->>'hpaEnabled' = 'true' THEN 0.02 ELSE 0.0 END"),
)
# Label, its boost for the same value, its boost where any value will do.
_TOOLS: Final[tuple[tuple[str, LiteralString, LiteralString], ...]] = (
    (
        "gitOpsTool",
        "CASE WHEN detected_labels->>'gitOpsTool' = %s THEN 0.10 ELSE 0.0 END",
        "CASE WHEN detected_labels->>'gitOpsTool' <> '' THEN 0.05 ELSE 0.0 END",
    ),
    (
        "serviceMesh",
        "CASE WHEN detected_labels->>'serviceMesh' = %s THEN 0.05 ELSE 0.0 END",
        # Half of 0.05, printed by the service with two decimals.
        "CASE WHEN detected_labels->>'serviceMesh' <> '' THEN 0.03 ELSE 0.0 END",
    ),
)
_CUSTOM: Final[LiteralString] = (
    "CASE WHEN custom_labels->%s::text @> %s::jsonb THEN 0.05 WHEN custom_labels->%s::text @> '\"*\"'::jsonb THEN 0.03"
    " ELSE 0.0 END"
)
_UNMANAGED: Final[LiteralString] = (
    "CASE WHEN coalesce(detected_labels->>'gitOpsManaged', 'false') = 'false' THEN 0.10 ELSE 0.0 END"
)
_OTHER_TOOL: Final[LiteralString] = (
    "CASE WHEN detected_labels->>'gitOpsTool' IS NULL"
    " OR detected_labels->>'gitOpsTool' NOT IN (%s, '') THEN 0.10 ELSE 0.0 END"
)
_FROM: Final[LiteralString] = " FROM remediation_workflow_catalog"
_SELECT: Final[LiteralString] = (
    "SELECT workflow_id::text, name, description, labels->>'signal_type', container_image, container_digest,"
    " custom_labels, detected_labels, detected_boost, custom_boost, penalty, score"
)
_SCORED: Final[LiteralString] = (
    " CROSS JOIN LATERAL (SELECT (5.0 + detected_boost + custom_boost - penalty) / 10.0 AS score) AS scored"
    " WHERE score >= %s ORDER BY score DESC, created_at DESC LIMIT %s"
)
_ANY: Final = "*"


async def search(call: Call) -> Reply:
    """POST /api/v1/workflows/search."""
    started = time.monotonic()
    try:
        request = decode(gojson.parse(gojson.decode_text(call.body)), _REQUEST)
    except (gojson.SyntaxFailure, DecodeFailure) as failure:
        return problems.bad_request(f"Invalid request body: {failure}")
    filters: dict[str, Any] = request["filters"]  # type: ignore[assignment]  # a struct is decoded into a dict
    for name in _MANDATORY:
        if not filters[name] and not (call.service.early and name == "component"):
            return problems.bad_request(f"filters.{name} is required")
    statement, values = _statement(request, filters)
    try:
        rows = await call.service.database.read(statement, values)
    except DatabaseFailure:
        return problems.internal_error("Failed to search workflows")
    workflows = [_result(row, rank) for rank, row in enumerate(rows, 1)]
    response = {"workflows": workflows, "total_results": len(workflows), "filters": _echo(filters)}
    call.service.self_audit.record_search(request, response, time.monotonic() - started)
    return json_reply(response)


def _statement(request: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[LiteralString, list[object]]:
    """The whole search, with its values in order."""
    values: list[object] = []
    detected = _sum(_boosts(filters["detected_labels"], values))
    custom = _sum(_custom_boosts(filters["custom_labels"] or {}, values))
    penalty = _sum(_penalties(filters["detected_labels"], values))
    where: LiteralString = _WHERE if request["include_disabled"] else "status = 'active' AND " + _WHERE
    values += [filters[name] for name in _MANDATORY]
    # A float as its shortest decimal, so that a limit of 0.51 lets 0.51 through.
    values += [decimal.Decimal(repr(request["min_score"])), request["top_k"] or _DEFAULT_RESULTS]
    terms: LiteralString = f"{detected} AS detected_boost, {custom} AS custom_boost, {penalty} AS penalty"
    boosted: LiteralString = "SELECT *, " + terms + _FROM + " WHERE " + where
    return _SELECT + " FROM (" + boosted + ") AS boosted" + _SCORED, values


def _boosts(wanted: Mapping[str, Any], values: list[object]) -> list[LiteralString]:
    """What adds to the score: labels that the request sets and the workflow has."""
    terms: list[LiteralString] = [term for name, term in _FLAGS if wanted[name]]
    for name, same, some in _TOOLS:
        if wanted[name] == _ANY:
            terms.append(some)
        elif wanted[name]:
            terms.append(same)
            values.append(wanted[name])
    return terms


def _custom_boosts(wanted: Mapping[str, list[str] | None], values: list[object]) -> list[LiteralString]:
    """One term for each value asked for, repeated ones included."""
    terms: list[LiteralString] = []
    for key, items in wanted.items():
        for item in items or ():
            terms.append(_CUSTOM)
            name = _NOT_IN_KEYS.sub("", key)
            # The service puts quotes around the value and takes that for JSON, which a quote within it is not.
            values += [name, f'"{item}"', name]
    return terms


def _penalties(wanted: Mapping[str, Any], values: list[object]) -> list[LiteralString]:
    """What takes from the score: GitOps asked for, and not there or another."""
    terms: list[LiteralString] = [_UNMANAGED] if wanted["gitOpsManaged"] else []
    tool = wanted["gitOpsTool"]
    if tool and tool != _ANY:
        terms.append(_OTHER_TOOL)
        values.append(tool)
    return terms


def _sum(terms: list[LiteralString]) -> LiteralString:
    return "(" + " + ".join(terms) + ")" if terms else "0.0"


def _result(row: TupleRow, rank: int) -> dict[str, object]:
    """A row as the reply shows it."""
    workflow_id, title, description, signal_type, image, digest, custom, detected, *numbers = row
    detected_boost, custom_boost, penalty, score = (float(number) for number in numbers)
    result: dict[str, object] = {
        "workflow_id": workflow_id,
        "title": title,
        "description": description,
        "signal_type": signal_type,
    }
    result.update({name: text for name, text in (("container_image", image), ("container_digest", digest)) if text})
    result.update(
        confidence=score,
        # Each is a decimal of the database; the service adds them up as floats.
        label_boost=detected_boost + custom_boost,
        label_penalty=penalty,
        final_score=score,
        rank=rank,
    )
    if custom:
        result["custom_labels"] = dict(sorted(custom.items()))
    result["detected_labels"] = _detected(detected)
    return result


def _echo(filters: Mapping[str, Any]) -> dict[str, object]:
    """The filters as the service understood them."""
    echo: dict[str, object] = {name: filters[name] for name in _MANDATORY}
    echo["detected_labels"] = _detected(filters["detected_labels"])
    if filters["custom_labels"]:
        echo["custom_labels"] = dict(sorted(filters["custom_labels"].items()))
    if filters["status"]:
        echo["status"] = filters["status"]
    return echo


def _detected(labels: Mapping[str, Any]) -> dict[str, object]:
    return present({member.name: labels.get(member.name) for member in DETECTED.fields})
