"""The query for audit events: the grammar of its times, its filters, and the form of what it finds.

Which parameters exist and what type they have is checked against the contract before; see `validation.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg.rows import TupleRow

from kubernaut_client.emulator import early, goduration, gojson
from kubernaut_client.emulator.clock import Clock
from kubernaut_client.emulator.gojson import Raw
from kubernaut_client.emulator.gotime import GoTime, TimeError
from kubernaut_client.emulator.service import Service

_DEFAULT_LIMIT: Final = 100  # of the handler; the contract's own, 50, comes first unless the parameter is empty
_LARGEST_LIMIT: Final = 1000

_FILTERS: Final[Mapping[str, LiteralString]] = {
    "correlation_id": "correlation_id = %s",
    "event_type": "event_type = %s",
    "event_category": "event_category = %s",
    "event_outcome": "event_outcome = %s",
    "severity": "severity = %s",
}
_SELECT: Final[LiteralString] = (
    "SELECT event_id::text, event_timestamp, event_date::text, event_type, event_version, event_category,"
    " event_action, event_outcome, correlation_id, parent_event_id::text, resource_type, resource_id, namespace,"
    " cluster_name, severity, actor_id, actor_type, event_data::text FROM audit_events"
)
_COUNT: Final[LiteralString] = "SELECT count(*) FROM audit_events"
_ORDER: Final[LiteralString] = " ORDER BY event_timestamp DESC, event_id DESC LIMIT %s OFFSET %s"

_ABSOLUTE: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d{1,2})(:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)


class QueryFailure(ValueError):
    """A parameter makes no sense; `field` is what the answer calls it."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class Query:
    """A query, ready for the database."""

    where: LiteralString
    values: tuple[str, ...]
    limit: int
    offset: int


def parse_query(parameters: Mapping[str, str], clock: Clock) -> Query:
    """Read the parameters of a query.

    Raises:
        QueryFailure: A time, or the page, makes no sense.
    """
    conditions: list[LiteralString] = []
    values: list[str] = []
    for name, condition in _FILTERS.items():
        if parameters.get(name):
            conditions.append(condition)
            values.append(parameters[name])
    bounds: tuple[tuple[str, LiteralString], ...] = (
        ("since", "event_timestamp >= %s::timestamptz"),
        ("until", "event_timestamp <= %s::timestamptz"),
    )
    for name, condition in bounds:
        text = parameters.get(name)
        if text:
            moment = parse_time(text, clock)
            if moment != GoTime.ZERO:  # which means "not given"
                conditions.append(condition)
                values.append(_for_database(moment))
    limit = _integer(parameters.get("limit", ""), _DEFAULT_LIMIT)
    offset = _integer(parameters.get("offset", ""), 0)
    if not 1 <= limit <= _LARGEST_LIMIT:
        raise QueryFailure("pagination", _page_failure(f"limit must be between 1 and {_LARGEST_LIMIT}, got {limit}"))
    if offset < 0:
        raise QueryFailure("pagination", _page_failure(f"offset must be non-negative, got {offset}"))
    where: LiteralString = " WHERE " + " AND ".join(conditions) if conditions else ""
    return Query(where, tuple(values), limit, offset)


def parse_time(text: str, clock: Clock) -> GoTime:
    """Read a time: a number of days, a duration that goes back from now, or a time or date, UTC unless it says.

    Raises:
        QueryFailure: It is none of these.
    """
    back = goduration.days(text[:-1]) if text.endswith("d") else None
    if back is None:
        back = goduration.parse(text)
    if back is not None:
        return GoTime.from_nanoseconds(clock.go_time().nanoseconds() - back)
    match = _ABSOLUTE.fullmatch(text)
    if match is not None:
        date, hour, rest, fraction, zone = match.groups()
        # Without a zone it is UTC. Hours of one digit and a decimal comma are fine with Go.
        clock_time = f"{hour:0>2}{rest}{f'.{fraction}' if fraction else ''}" if hour else "00:00:00"
        try:
            return GoTime.parse(f"{date}T{clock_time}{zone or 'Z'}")
        except TimeError:
            pass
    raise QueryFailure("query", f"invalid time format: {text} (expected: 24h, 7d, or RFC3339 timestamp)")


async def run(service: Service, query: Query) -> dict[str, object]:
    """Run a query; return the reply.

    Raises:
        DatabaseFailure: PostgreSQL can't be reached, or doesn't take a value.
    """
    async with service.database.connection() as connection:
        counted = await connection.execute(_COUNT + query.where, query.values)
        (total,) = await counted.fetchone() or (0,)
        cursor = await connection.execute(_SELECT + query.where + _ORDER, [*query.values, query.limit, query.offset])
        events = [_shown(row) for row in await cursor.fetchall()]
    if service.early:
        events = [early.event(event) for event in events]
    has_more = query.offset + len(events) < total
    page = {"limit": query.limit, "offset": query.offset, "total": total, "has_more": has_more}
    return {"data": events, "pagination": page}


def _shown(row: TupleRow) -> dict[str, object]:
    """A row of `_SELECT` as replies show it. What the service doesn't select has the zero of its type."""
    event_id, event_timestamp, event_date, event_type, version, category, action, outcome, correlation_id, *rest = row
    parent_event_id, resource_type, resource_id, namespace, cluster_name, severity, actor_id, actor_type, data = rest
    return {
        "event_id": event_id,
        "event_timestamp": GoTime.from_database(event_timestamp).text,
        "event_date": event_date,
        "event_type": event_type,
        "version": version,
        "event_category": category,
        "event_action": action,
        "event_outcome": outcome,
        "correlation_id": correlation_id,
        "parent_event_id": parent_event_id,
        "parent_event_date": None,
        "resource_type": resource_type,
        "resource_id": resource_id,
        "namespace": namespace or "",
        "cluster_name": cluster_name or "",
        "severity": severity or "",
        "duration_ms": 0,
        "error_code": "",
        "error_message": "",
        "actor_id": actor_id,
        "actor_type": actor_type,
        "retention_days": 0,
        "is_sensitive": False,
        "event_data": Raw(gojson.encode_any(gojson.parse(data))),
    }


def _integer(text: str, default: int) -> int:
    """The digits that a text begins with, as the handler reads them: decimal, whatever the contract's check took."""
    match = re.match(r"[+-]?[0-9]+", text)
    return int(match[0]) if match else default


def _page_failure(text: str) -> str:
    return f"pagination validation failed: {text} (BR-STORAGE-023)"


def _for_database(moment: GoTime) -> str:
    """A bound as PostgreSQL reads it, which has no year 0; no event is that old."""
    return "-infinity" if moment.text.startswith("0000") else moment.for_database()
