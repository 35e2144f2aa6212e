"""The control interface over HTTP, under /_emulator: what `Emulator` offers in Python, for any other language.

GET /_emulator lists its routes, from `_ROUTES` below; docs/testing.md shows each of them. A fault has the members that
`Emulator.fault` has arguments; `when` is an object.

A body is JSON and declared as such. No page of another origin gets an answer. On a loopback address, only a caller that
names a loopback host or the one that the emulator was bound to does, so that a rebound DNS name gets nothing, either.
On any other address the emulator can't know by which names it is reached; there that holds for browsers alone.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import importlib.metadata
import inspect
import ipaddress
import json
import math
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias
from urllib.parse import urlsplit

from kubernaut_client.emulator.database import DatabaseFailure
from kubernaut_client.emulator.faults import Fault
from kubernaut_client.emulator.messages import Reply, Request, json_reply
from kubernaut_client.emulator.requestlog import RequestRecord

if TYPE_CHECKING:
    from kubernaut_client.emulator.instance import Instance

_FAULT_MEMBERS: Final = frozenset(inspect.signature(Fault).parameters) - {"state"}
_LARGEST_OFFSET: Final = 100 * 365 * 86_400.0
# Those that hold no credentials; any other may, whatever its name.
_SHOWN_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "access-control-request-headers",
        "access-control-request-method",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "expect",
        "host",
        "origin",
        "sec-fetch-site",
        "traceparent",
        "transfer-encoding",
        "user-agent",
        "x-request-id",
    }
)


_SHUTDOWN: Final[dict[str, Any]] = {"delay": 5, "deadline": 30, "restart_after": 1}
_Body: TypeAlias = dict[str, Any] | None
_Action: TypeAlias = Callable[[Any, Request], Awaitable[object]]  # methods of `Control`


class Control:
    """Answers the requests to the control interface of one emulator."""

    def __init__(self, emulator: Instance) -> None:
        self._emulator = emulator

    async def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        refused = self._refuse(request)
        if refused:
            return json_reply({"error": refused[1]}, refused[0])
        name = request.path.split("/")[2] if request.path.count("/") > 1 else ""
        action = self._ACTIONS.get((request.method, name))
        if action is None:
            methods = sorted(method for method, other in self._ACTIONS if other == name)
            if not methods:
                return json_reply({"error": f"there is no {request.path} here; GET /_emulator lists the routes"}, 404)
            allow = tuple(("Allow", method) for method in methods)
            return Reply(405, b"", None, allow)
        try:
            return json_reply(await action(self, request))
        except (ValueError, TypeError) as error:
            return json_reply({"error": str(error)}, 400)
        except LookupError as error:
            return json_reply({"error": str(error.args[0])}, 404)
        except (DatabaseFailure, OSError) as error:
            return json_reply({"error": str(error)}, 503)

    def _refuse(self, request: Request) -> tuple[int, str] | None:
        """Status and reason if this caller is to get nothing."""
        host = request.headers.get("host", "")
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site")
        from_browser = origin is not None or site is not None
        if (from_browser or self._emulator.on_loopback) and not self._is_ours(host):
            return 403, f"Host {host!r} is neither a loopback address nor the one that the emulator is bound to"
        if not _same_site(origin, host):
            return 403, "cross-site requests are refused"
        if site not in (None, "none", "same-origin"):
            return 403, "cross-site requests are refused"
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method == "POST" and request.body and kind != "application/json":
            return 415, "Content-Type must be application/json"
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in ("localhost", self._emulator.host.lower()) or is_loopback(name)

    async def _about(self, request: Request) -> object:
        routes = [
            {"method": method, "path": f"/_emulator/{path}".rstrip("/"), "body": body, "does": does}
            for method, path, body, does, _ in self._ROUTES
        ]
        return {"build": self._emulator.build, "version": version(), "routes": routes}

    async def _requests(self, request: Request) -> object:
        return {"requests": [_shown(record) for record in self._emulator.log.records()]}

    async def _clear_requests(self, request: Request) -> object:
        self._emulator.log.clear()
        return {}

    async def _table(self, request: Request) -> object:
        name = "/".join(request.path.split("/")[3:])
        rows = await self._emulator.rows(name)
        return {"rows": [{column: _plain(value) for column, value in row.items()} for row in rows]}

    async def _faults(self, request: Request) -> object:
        return {"faults": [fault.as_dict() for fault in self._emulator.faults.active()]}

    async def _add_fault(self, request: Request) -> object:
        members = _object(request.body)
        unknown = sorted(set(members) - _FAULT_MEMBERS)
        if unknown:
            raise ValueError(f"a fault has no {', '.join(unknown)}; it has {', '.join(sorted(_FAULT_MEMBERS))}")
        if not isinstance(members.get("operation"), str):
            raise ValueError('operation must be the name of an operation, or "*"')
        return self._emulator.faults.add(Fault(**members)).as_dict()

    async def _clear_faults(self, request: Request) -> object:
        await self._emulator.clear_faults()
        return {}

    async def _reset(self, request: Request) -> object:
        await self._emulator.reset()
        return {}

    async def _flush(self, request: Request) -> object:
        return {"stored": await self._emulator.flush_self_audit()}

    async def _restart(self, request: Request) -> object:
        self._emulator.begin_restart()
        return {}

    async def _dead_letters(self, request: Request) -> object:
        return {"dead_letters": [letter.as_dict() for letter in self._emulator.dead_letters.entries()]}

    async def _database(self, request: Request) -> object:
        up = _state(request, "up", "down")
        await self._emulator.set_database(up=up)
        return _object(request.body)

    async def _redis(self, request: Request) -> object:
        await self._emulator.set_redis(up=_state(request, "up", "down"))
        return _object(request.body)

    async def _migration(self, request: Request) -> object:
        await self._emulator.set_migration(applied=_state(request, "applied", "missing"))
        return _object(request.body)

    async def _partition(self, request: Request) -> object:
        await self._emulator.set_partition(there=_state(request, "there", "missing"))
        return _object(request.body)

    async def _clock(self, request: Request) -> object:
        offset = _seconds(_object(request.body), "offset", None, least=-_LARGEST_OFFSET, most=_LARGEST_OFFSET)
        await self._emulator.set_clock(datetime.timedelta(seconds=offset))
        return {"offset": offset}

    async def _connections(self, request: Request) -> object:
        seconds = _seconds(_object(request.body), "refused", None)
        await self._emulator.set_connections(accepted=False, seconds=seconds)
        return {"refused": seconds}

    async def _shutdown(self, request: Request) -> object:
        members = _object(request.body)
        delay, deadline = _seconds(members, "delay", 5.0), _seconds(members, "deadline", 30.0)
        restart = _seconds(members, "restart_after", 0.0) if "restart_after" in members else None
        # This answer is on its way before anything ends.
        self._emulator.begin_shutdown(delay, deadline, restart)
        return {"delay": delay, "deadline": deadline, "restart_after": restart}

    # Method, path, an example of the body (None: there is none), what it does.
    _ROUTES: ClassVar[tuple[tuple[str, str, _Body, str, _Action], ...]] = (
        ("GET", "", None, "build, version and these routes", _about),
        ("GET", "requests", None, "the request log", _requests),
        ("DELETE", "requests", None, "empty the request log", _clear_requests),
        ("GET", "tables/NAME", None, "the rows of a table", _table),
        ("GET", "faults", None, "the active faults and states", _faults),
        ("POST", "faults", {"operation": "createWorkflow", "status": 503, "count": 2}, "add a fault", _add_fault),
        ("DELETE", "faults", None, "forget all faults and end all states", _clear_faults),
        ("GET", "dead-letters", None, "what was answered with 202 and waits in Redis", _dead_letters),
        ("POST", "reset", None, "no rows, no faults, an empty log, everything up", _reset),
        ("POST", "database", {"state": "down"}, "take the database down, or bring it up", _database),
        ("POST", "redis", {"state": "down"}, "take Redis down, or bring it up", _redis),
        ("POST", "migration-018", {"state": "missing"}, "unapply migration 018; applied: apply it", _migration),
        ("POST", "partition", {"state": "missing"}, "take this month's partition away; there: back", _partition),
        ("POST", "clock", {"offset": 600}, "seconds that the clock is ahead; 0: it is right", _clock),
        ("POST", "connections", {"refused": 3}, "refuse connections for so many seconds", _connections),
        ("POST", "self-audit", None, "write the audit events of searches that wait", _flush),
        ("POST", "shutdown", _SHUTDOWN, "stop as on SIGTERM, in good order", _shutdown),
        ("POST", "restart", None, "kill the service and start it again, after this answer", _restart),
    )
    _ACTIONS: ClassVar = {(method, path.partition("/")[0]): action for method, path, _, _, action in _ROUTES}


def is_loopback(name: str) -> bool:
    """Whether a text is a loopback address."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def version() -> str:
    """The version of this package; `unknown` in a source tree that isn't installed."""
    try:
        return importlib.metadata.version("kubernaut-client")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _same_site(origin: str | None, host: str) -> bool:
    """Whether a request comes from a page of this host, or from no page at all."""
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _object(body: bytes) -> dict[str, Any]:
    try:
        members = json.loads(body or b"{}", parse_float=_finite, parse_constant=_finite)
    except ValueError as error:
        raise ValueError(f"the body is no JSON: {error}") from None
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None
    if not isinstance(members, dict):
        raise ValueError("the body must be a JSON object")
    return members  # pyright: ignore[reportUnknownVariableType]


def _finite(text: str) -> float:
    """A number that JSON can carry back, which Python's parser doesn't insist on."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def _state(request: Request, good: str, bad: str) -> bool:
    """Whether the good one of two states is asked for."""
    state = _object(request.body).get("state")
    if state not in (good, bad):
        raise ValueError(f'state must be "{good}" or "{bad}", not {state!r}')
    return bool(state == good)


def _seconds(
    members: dict[str, Any], name: str, default: float | None, *, least: float = 0.0, most: float = 86_400.0
) -> float:
    value = members.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ValueError(f"{name} must be a number of seconds from {least:.0f} to {most:.0f}, not {value!r}")
    return value


def _shown(record: RequestRecord) -> dict[str, object]:
    try:
        body = {"body": record.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(record.body).decode()}
    headers = {name: value if name in _SHOWN_HEADERS else "<hidden>" for name, value in record.headers.items()}
    names = ("number", "method", "path", "operation", "status", "fault", "request_id", "seconds")
    return {**{name: getattr(record, name) for name in names}, "headers": headers, **body}


def _plain(value: object) -> object:
    """A value of a column as JSON has it."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    return value
