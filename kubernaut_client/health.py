"""The service's health: three probes that never raise for an unhealthy service, and waiting until it is ready.

The service sends its health as text, and with an error in it that isn't always escaped for JSON; it looks at its
database only, not at Redis. The synchronous twin of this module is generated from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from . import clock
from .errors import (
    APIError,
    ConfigurationError,
    InvalidRequestError,
    KubernautError,
    Outcome,
    RequestTimeoutError,
    ResponseDecodeError,
    received,
)
from .execute import AsyncCall, AsyncOptions
from .operations import HEALTH_CHECK, LIVENESS_CHECK, READINESS_CHECK, HealthStatus, Operation
from .problems import json_object, one_line
from .retry import POLL, seconds

_LEAST = 0.05  # seconds
_WORDS = frozenset({"healthy", "unhealthy", "ready", "not_ready", "alive", "database_unreachable", "shutting_down"})


class AsyncHealth:
    """`client.health`: `check`, `ready` and `live` make one attempt each and answer for 200, 503 and no answer alike.

    They raise only what comes before anything is sent (`ConfigurationError`, `InvalidRequestError`).
    """

    def __init__(self, options: AsyncOptions) -> None:
        self._options = options

    async def check(self, *, timeout: float | None = None, deadline: float | None = None) -> HealthStatus:
        """Whether the service reaches its database (`/health`)."""
        return await self._probe(HEALTH_CHECK, "healthy", self._options.call(timeout, deadline))

    async def ready(self, *, timeout: float | None = None, deadline: float | None = None) -> HealthStatus:
        """Whether it takes requests (`/health/ready`): not while it shuts down or its database is unreachable."""
        return await self._probe(READINESS_CHECK, "ready", self._options.call(timeout, deadline))

    async def live(self, *, timeout: float | None = None, deadline: float | None = None) -> HealthStatus:
        """Whether its process answers at all (`/health/live`)."""
        return await self._probe(LIVENESS_CHECK, "alive", self._options.call(timeout, deadline))

    async def wait_until_ready(self, timeout: float = 60.0) -> HealthStatus:
        """Ask `/health/ready` until it says so, for up to `timeout` seconds, else `RequestTimeoutError` saying why."""
        end = clock.monotonic() + seconds("timeout", timeout, kind=InvalidRequestError)
        failures = 0
        left = timeout
        while True:
            call = self._options.call(min(self._options.timeout, left), left)
            status = await self._probe(READINESS_CHECK, "ready", call)
            if status.ok:
                return status
            failures += 1
            pause = POLL.wait(failures)
            if clock.monotonic() + pause >= end:
                break
            await self._options.session.sleep(pause)
            left = end - clock.monotonic()
            # A pause may take longer than it should, and an attempt without time would say that nobody answers.
            if left < _LEAST:
                break
        why = ", ".join(filter(None, (status.status, status.reason, status.error)))
        raise RequestTimeoutError(
            f"not ready within {timeout:g} s: {one_line(why)}", operation=READINESS_CHECK.name, outcome=Outcome.UNKNOWN
        )

    async def _probe(self, operation: Operation[dict[str, Any]], word: str, call: AsyncCall) -> HealthStatus:
        try:
            members = await call.attempt(operation, operation.request())
            return _status(members, word, call.mask)
        except APIError as error:
            if error.status != 503:
                return HealthStatus(False, None, "unexpected answer; is base_url right?", one_line(str(error)))
            body = received(error).body
            return _status(json_object(body) or _unescaped(body), word, call.mask)
        except ResponseDecodeError as error:
            return HealthStatus(False, None, "unexpected answer; is base_url right?", one_line(str(error)))
        except ConfigurationError:
            raise
        except KubernautError as error:
            return HealthStatus(False, None, "no answer", one_line(str(error)))


def _status(members: Mapping[str, Any], word: str, mask: Callable[[str], str]) -> HealthStatus:
    said, reason, error = (_text(members.get(name), mask) for name in ("status", "reason", "error"))
    if said is None:
        return HealthStatus(False, None, "unexpected answer; is base_url right?", error)
    if reason is None and members.get("database") == "unreachable":
        reason = "database_unreachable"
    return HealthStatus(said == word, said, reason, error)


def _text(value: object, mask: Callable[[str], str]) -> str | None:
    if not isinstance(value, str):
        return None
    return value if value in _WORDS else one_line(mask(value))


def _unescaped(body: bytes) -> dict[str, str]:
    """The members of a health body whose error text breaks its JSON: it is the last member, put in as it is."""
    text = body.decode("utf-8", "replace")
    head, found, error = text.partition('"error":"')
    members = dict(re.findall(r'"(status|reason|database)":"([a-z_]+)"', head))
    if found:
        members["error"] = error.removesuffix('"}')
    return members
