"""Which route a request belongs to: the service's route table, with its plain-text 404 and its empty 405."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kubernaut_client.emulator.messages import TEXT_TYPE, Reply
from kubernaut_client.emulator.routes import audit, health, metrics, notifications, search, workflows
from kubernaut_client.emulator.service import Handler

_HTTP_METHODS: Final = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"))
_WORKFLOWS: Final = "/api/v1/workflows"
_AUDIT: Final = "/api/v1/audit"


@dataclass(frozen=True)
class Route:
    """One method of one path."""

    method: str | None  # None: all that the router knows
    path: str
    operation: str
    handler: Handler


# Where several paths fit a request, those with fewer placeholders come first.
ROUTES: Final = (
    Route("POST", _WORKFLOWS, "createWorkflow", workflows.create),
    Route("GET", _WORKFLOWS, "listWorkflows", workflows.list_all),
    Route("POST", f"{_WORKFLOWS}/search", "searchWorkflows", search.search),
    Route("GET", f"{_WORKFLOWS}/by-name/{{workflow_name}}/versions", "listWorkflowVersions", workflows.versions),
    Route("GET", f"{_WORKFLOWS}/{{workflow_id}}", "getWorkflowByID", workflows.get),
    Route("PATCH", f"{_WORKFLOWS}/{{workflow_id}}", "updateWorkflow", workflows.update),
    Route("PATCH", f"{_WORKFLOWS}/{{workflow_id}}/disable", "disableWorkflow", workflows.disable),
    Route("POST", f"{_AUDIT}/events", "createAuditEvent", audit.create),
    Route("GET", f"{_AUDIT}/events", "queryAuditEvents", audit.query),
    Route("POST", f"{_AUDIT}/events/batch", "createAuditEventsBatch", audit.create_batch),
    Route("POST", f"{_AUDIT}/notifications", "createNotificationAudit", notifications.create),
    Route("GET", "/health", "healthCheck", health.health),
    Route("GET", "/health/ready", "readinessCheck", health.ready),
    Route("GET", "/health/live", "livenessCheck", health.live),
    Route(None, "/metrics", "getMetrics", metrics.metrics),
)
OPERATIONS: Final = frozenset(route.operation for route in ROUTES)

_NOT_FOUND: Final = Reply(404, b"404 page not found\n", TEXT_TYPE, (("X-Content-Type-Options", "nosniff"),))
_SPLIT: Final = tuple((route, tuple(route.path.split("/"))) for route in ROUTES)


@dataclass(frozen=True)
class Match:
    """The outcome: a route with its arguments, or without one the reply of the router itself."""

    route: Route | None
    arguments: Mapping[str, str]
    fallback: Reply
    validated: bool = True


def match(method: str, path: str) -> Match:
    """Find the route for a request."""
    if method not in _HTTP_METHODS:
        return Match(None, {}, Reply(405))
    parts = path.split("/")
    allowed: set[str] = set()
    literal = False  # a path without placeholders fits, though not with this method
    for route, pattern in _SPLIT:
        arguments = _fit(pattern, parts)
        if arguments is None:
            continue
        if route.method is None or route.method == method:
            # The schema validator looks at the most literal path only; where that lacks the method it steps aside. It
            # has no placeholder that may be empty, either.
            return Match(route, arguments, _NOT_FOUND, validated=not (literal and arguments) and "" not in parts[1:])
        allowed.add(route.method)
        literal = literal or not arguments
    if allowed:
        return Match(None, {}, Reply(405, headers=tuple(("Allow", name) for name in sorted(allowed))))
    return Match(None, {}, _NOT_FOUND)


def knows(method: str, path: str) -> bool:
    """Whether the service has this method and path; a part in braces may stand for any."""
    return match(method, path).route is not None


def _fit(pattern: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    # The service's router (chi) takes nothing between two slashes for a value, but not nothing at the end.
    if len(pattern) != len(parts) or not parts[-1]:
        return None
    arguments: dict[str, str] = {}
    for expected, part in zip(pattern, parts, strict=True):
        if expected.startswith("{"):
            arguments[expected[1:-1]] = part
        elif expected != part:
            return None
    return arguments
