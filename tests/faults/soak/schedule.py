"""What goes wrong in a run of the soak, and when: drawn from a seed. Pure.

Requests go wrong, the service as a whole, and the processes that emit, side by side. What goes wrong inside
of a process, its disk and its clock, is drawn by the process itself (`emitter`).
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .setting import Setting

BATCH = "createAuditEventsBatch"
QUERY = "queryAuditEvents"
HEALTH = "healthCheck"
DATABASE_ERROR = {
    "type": "https://kubernaut.ai/problems/database-error",
    "title": "Database Error",
    "status": 500,
    "detail": "Failed to write audit events batch to database",
}
ACCEPTED = {"status": "accepted", "message": "audit batch queued for async processing"}
NO_IDS = {"event_ids": [], "message": "0 audit events created successfully"}

State = Literal["restart", "shutdown", "refuse", "database", "redis", "clock", "partition"]
Deed = Literal["kill", "stop", "close"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that begins at `at` and is over after `lasts`, both in simulated seconds."""

    at: float
    lasts: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Requests(Step):
    """Requests of an operation meet a fault, each with a chance; `how` is that of `Emulator.fault`."""

    operation: str
    how: Mapping[str, Any]
    chance: float = 1.0
    seed: int = 0
    most: int | None = None
    """So many requests meet it, and no more."""
    queued: bool = False
    """The service has queued them, and has said so: they are neither stored nor lost."""


@dataclass(frozen=True, kw_only=True)
class Service(Step):
    """The service as a whole is in a state; `offset` is for its clock, in real seconds."""

    state: State
    offset: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Deal(Step):
    """Something happens to one of the processes that emit."""

    deed: Deed
    process: int


@dataclass(frozen=True, kw_only=True)
class Throw(Step):
    """A damaged spool file of a dead process appears in the directory."""

    seed: int


@dataclass(frozen=True)
class _Kind:
    """A kind of fault, and how likely it is compared to the others."""

    operation: str
    how: Mapping[str, Any]
    weight: float = 1.0
    draws: Mapping[str, Callable[[random.Random, Setting], float]] = field(default_factory=dict)
    queued: bool = False


def _short(chance: random.Random, setting: Setting) -> float:
    return chance.uniform(0.1, setting.timeout / 2)


def _too_long(chance: random.Random, setting: Setting) -> float:
    """Longer than the client waits, and shorter than the fence: see `Setting.slack`."""
    return setting.timeout + chance.uniform(0.5, max(setting.fence, 35.0) * 0.4)


_KINDS = (
    # Nobody answers.
    _Kind(BATCH, {"drop": "before"}, 3),
    _Kind(BATCH, {"drop": "after"}, 3),
    _Kind(BATCH, {"stall": "before"}, 2),
    _Kind(BATCH, {"stall": "after"}, 2),
    _Kind(BATCH, {}, 1, {"delay": _short}),
    _Kind(BATCH, {}, 1, {"delay": _too_long}),
    # The service stores it while nobody waits any more.
    _Kind(BATCH, {}, 3, {"hold": _too_long}),
    _Kind(BATCH, {"drop": "after"}, 2, {"hold": _short}),
    # Somebody else answers.
    *(_Kind(BATCH, {"status": status, "html": True}) for status in (200, 202, 302, 400, 401, 403, 404, 413, 429)),
    *(_Kind(BATCH, {"status": status, "html": True}) for status in (500, 502, 503, 504)),
    *(_Kind(BATCH, {"status": status, "html": True, "commit": True}) for status in (200, 202, 500, 502, 503, 504)),
    _Kind(BATCH, {"status": 504, "html": True, "commit": True}, 1, {"hold": _short}),
    _Kind(BATCH, {"status": 202, "body": b""}),
    _Kind(BATCH, {"status": 202, "body": b"", "commit": True}),
    _Kind(BATCH, {"status": 202, "body": ACCEPTED}, queued=True),
    _Kind(BATCH, {"status": 201, "body": NO_IDS}),
    _Kind(BATCH, {"status": 201, "body": NO_IDS, "commit": True}),
    _Kind(BATCH, {"truncate": 20}, 2),
    # The service fails.
    _Kind(BATCH, {"status": 500, "body": DATABASE_ERROR}, 2),
    _Kind(BATCH, {"status": 500, "body": DATABASE_ERROR, "commit": True}),
    _Kind(BATCH, {"status": 500, "body": "Internal Server Error\n"}, 2),
    _Kind(BATCH, {"status": 500, "body": "Internal Server Error\n", "commit": True}),
    # Looking fails.
    _Kind(QUERY, {"drop": "before"}),
    _Kind(QUERY, {"stall": "before"}),
    _Kind(QUERY, {}, 1, {"delay": _short}),
    _Kind(QUERY, {}, 1, {"delay": _too_long}),
    *(_Kind(QUERY, {"status": status, "html": True}, 0.5) for status in (200, 302, 403, 404, 429, 500, 502, 504)),
    _Kind(QUERY, {"status": 500, "body": DATABASE_ERROR}),
    _Kind(QUERY, {"truncate": 20}),
    _Kind(HEALTH, {"status": 503, "html": True}),
    _Kind(HEALTH, {"drop": "before"}),
)


def draw(setting: Setting) -> list[Step]:
    """The steps of a run, by the time at which they begin."""
    chance = random.Random(setting.seed)
    steps: list[Step] = [*_requests(chance, setting), *_services(chance, setting), *_deals(chance, setting)]
    steps += _throws(random.Random(f"{setting.seed} throws"), setting)
    return sorted(steps, key=lambda step: step.at)


def _requests(chance: random.Random, setting: Setting) -> list[Step]:
    steps: list[Step] = []
    for _ in range(max(round(setting.minutes * 20), 1)):
        kind = chance.choices(_KINDS, [each.weight for each in _KINDS])[0]
        step = Requests(
            at=chance.uniform(0, setting.seconds * 0.95),
            lasts=chance.uniform(2, 15),
            operation=kind.operation,
            how={**kind.how, **{name: draw(chance, setting) for name, draw in kind.draws.items()}},
            chance=chance.choice((0.1, 0.3, 0.6, 1.0)),
            seed=chance.getrandbits(32),
            queued=kind.queued,
        )
        steps.append(step)
    return steps


def _services(chance: random.Random, setting: Setting) -> list[Step]:
    """One state after the other, with good times in between."""
    steps: list[Step] = []
    at = 0.0
    # Only as long as nothing is stored: with the partition all that is in it goes out of sight, which the service
    # can't do.
    if chance.random() < 0.15:
        steps.append(Service(at=0, lasts=chance.uniform(1, 10), state="partition"))
        at = 12.0
    names: tuple[State, ...] = ("restart", "shutdown", "refuse", "database", "redis", "clock")
    while True:
        at += chance.expovariate(1 / 9)
        lasts = chance.uniform(1, 8)
        if at + lasts >= setting.seconds:
            return steps
        state = chance.choices(names, (4, 2, 3, 1, 1, 1))[0]
        offset = chance.choice((-1200.0, -400.0, 400.0, 1200.0)) if state == "clock" else 0.0
        steps.append(Service(at=at, lasts=lasts, state=state, offset=offset))
        at += lasts


def _deals(chance: random.Random, setting: Setting) -> list[Step]:
    def some(deed: Deed, number: int, longest: float = 0.0) -> list[Step]:
        return [
            Deal(
                at=chance.uniform(0.02, 0.98) * setting.seconds,
                lasts=chance.uniform(longest / 10, longest) if longest else 0.0,
                deed=deed,
                process=chance.randrange(setting.processes),
            )
            for _ in range(number)
        ]

    # For longer than a batch is waited for, some of them.
    stops = some("stop", round(setting.minutes * 1.5), (setting.timeout + setting.fence) * 1.5)
    return [*some("kill", setting.kills), *stops, *some("close", round(setting.minutes * 1.5))]


def _throws(chance: random.Random, setting: Setting) -> list[Step]:
    return [
        Throw(at=chance.uniform(0.02, 0.9) * setting.seconds, seed=chance.getrandbits(32))
        for _ in range(setting.thrown)
    ]
