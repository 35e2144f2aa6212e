"""What the routes share: the database, the contract, the build that is played.

Kept apart from the HTTP server, so that routes know nothing of connections, and from the routes, so that these don't
know each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args

from kubernaut_client.emulator.clock import Clock
from kubernaut_client.emulator.contract import Contract
from kubernaut_client.emulator.database import Database
from kubernaut_client.emulator.dlq import DeadLetters
from kubernaut_client.emulator.messages import Reply, Request
from kubernaut_client.emulator.metrics import Metrics
from kubernaut_client.emulator.self_audit import SelfAudit
from kubernaut_client.emulator.validation import Validator

Build: TypeAlias = Literal["2025-12-30", "2025-12-27", "2025-12-12"]
BUILDS: Final[tuple[Build, ...]] = get_args(Build)


@dataclass(frozen=True)
class Service:
    """One instance of the service. `shutting_down` is set from the signal to stop on, which readiness tells first."""

    build: Build
    contract: Contract
    validator: Validator
    database: Database
    clock: Clock
    metrics: Metrics
    dead_letters: DeadLetters
    self_audit: SelfAudit
    shutting_down: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def early(self) -> bool:
        """Whether it is the build of 2025-12-12, which has no schema validator and forms of its own (`early.py`)."""
        return self.build == "2025-12-12"


@dataclass(frozen=True)
class Call:
    """A request on its way into a handler, past the schema validator.

    arguments: what the path holds in the place of its placeholders.
    query: first value of each parameter, defaults filled in.
    body: as sent, or with defaults filled in.
    """

    service: Service
    request: Request
    arguments: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


Handler: TypeAlias = Callable[[Call], Awaitable[Reply]]
