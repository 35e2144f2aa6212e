"""Scripted faults: what is to go wrong, for which requests, and how often.

A fault only says what happens; the server makes it happen. Faults are matched in the order they were added; the first
one that fits a request decides about it. What is wrong with the installation as a whole, such as a database that is
down, is listed among them as a fault with a `state`; making and ending such states is the business of `instance.py`.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import threading
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from types import NoneType
from typing import Final, Literal, cast

from kubernaut_client.emulator.conditions import Condition, compiled
from kubernaut_client.emulator.requestlog import RequestRecord

Moment = Literal["before", "after"]
State = Literal[
    "database down",
    "redis down",
    "migration missing",
    "no partition",
    "clock off",
    "connections refused",
    "shut down",
]
ANY_OPERATION: Final = "*"

_HTML: Final = "text/html; charset=utf-8"
_PAGE_STATUS: Final = 502
# What the service answers when it has queued a record.
_QUEUED: Final = {
    "createAuditEvent": {"status": "accepted", "message": "audit event queued for async processing"},
    "createNotificationAudit": {"status": "accepted", "message": "audit record queued for processing"},
}
_SHOWN: Final = ("status", "html", "content_type", "truncate", "commit", "drop", "stall", "hold", "delay", "trickle")

LONGEST: Final = 1e9  # seconds; far more than any test waits, and still a time that the system can wait

_counter = itertools.count(1)


class Fault:
    """One scripted fault. `used` counts the requests it was applied to; `active` is False once it is spent or cleared.

    The attributes are the arguments of `Emulator.fault`, where they are explained. `state` is None for those; for what
    `Emulator.database_down` and the like did it says what is wrong, and the rest means nothing.
    """

    def __init__(
        self,
        operation: str,
        *,
        count: int | None = 1,
        skip: int = 0,
        probability: float | None = None,
        seed: int | None = None,
        when: Condition | None = None,
        status: int | None = None,
        body: bytes | str | Mapping[str, object] | list[object] | None = None,
        html: bool = False,
        page: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        content_type: str | None = None,
        truncate: int | None = None,
        commit: bool = False,
        drop: Moment | None = None,
        stall: Moment | Literal[True] | None = None,
        hold: float | None = None,
        delay: float | None = None,
        trickle: float | None = None,
        state: State | None = None,
    ) -> None:
        if stall is True:
            stall = "after"
        if not isinstance(operation, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(
                f'operation must be the name of an operation, a method and a path, or "*"; not {operation!r}'
            )
        _check_count("count", count, 1)
        _check_count("skip", skip, 0)
        _check_probability(probability, seed)
        _check_seconds("hold", hold)
        _check_seconds("delay", delay)
        _check_seconds("trickle", trickle)
        _check_moment("drop", drop)
        _check_moment("stall", stall)
        _check_status(status)
        _check_flag("html", html)
        _check_flag("commit", commit)
        if truncate is not None:
            _check_count("truncate", truncate, 0)
        pairs = _check_headers(headers)
        _check_content_type(content_type, pairs)
        if page is not None:
            if not isinstance(page, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ValueError(f"page must be a text, not {page!r}")
            html = True
        if html:
            if body is not None:
                raise ValueError("html and body exclude each other: the page is the body; give your own as page")
            if status is None and drop is None and stall is None:
                status = _PAGE_STATUS
        if body is not None and status is None:
            raise ValueError("body needs a status: it takes the place of the service's own answer")
        if commit and status is None:
            raise ValueError("commit needs a status: without one the service answers by itself once it has committed")
        if truncate is not None and status in (204, 304):
            raise ValueError(f"truncate and status {status} exclude each other: there is no body to cut")
        if drop is not None and stall is not None:
            raise ValueError("drop and stall exclude each other: a connection can't be both closed and kept open")
        answers = {
            "status": status,
            "html": html or None,
            "headers": headers,
            "content_type": content_type,
            "truncate": truncate,
            "trickle": trickle,
        }
        silent = "drop" if drop else "stall" if stall else None
        for name, value in answers.items():
            if silent and value is not None:
                raise ValueError(f"{silent} and {name} exclude each other: {silent} sends no answer")
        if silent is None and state is None and all(value is None for value in (*answers.values(), hold, delay)):
            raise ValueError(
                "a fault needs one of status, html, headers, content_type, truncate, drop, stall, hold,"
                " delay or trickle"
            )
        self.id: int = next(_counter)
        self.operation = operation
        self.count = count
        self.skip = skip
        self.probability = probability
        self.seed = seed
        self.when: Condition | None = when
        self.status = status
        self.body: bytes | None
        self.content_type: str | None
        if html and status is not None:
            self.body, self.content_type = (_page(status) if page is None else page).encode(), _HTML
        else:
            self.body, self.content_type = _encode(body if body is not None else _queued(operation, status), status)
        self.headers: tuple[tuple[str, str | None], ...] = pairs
        if content_type is not None:
            self.content_type = content_type
            self.headers = (*pairs, ("Content-Type", content_type))
        self.html = html
        self.truncate = truncate
        self.commit = commit
        self.drop: Moment | None = drop
        self.stall: Moment | None = stall
        self.hold = hold
        self.delay = delay
        self.trickle = trickle
        self.state: State | None = state
        self.used = 0
        self.skipped = 0
        self.active = True
        self._method, _, path = operation.partition(" ")
        self._path: list[str] = path.split("/") if path else []
        self._holds = compiled(when)
        self._chance = random.Random(seed)

    @property
    def path(self) -> tuple[str, str] | None:
        """The method and the path that it is meant for; None if it is meant for an operation."""
        return (self._method, "/".join(self._path)) if self._path else None

    def describe(self) -> str:
        """What goes wrong, in a few words: `drop=after delay=0.5`. Bodies and headers are not shown."""
        if self.state is not None:
            return self.state
        # Of a media type only the one that was asked for is worth a word.
        asked = {name for name, _ in self.headers}
        values = {name: getattr(self, name) for name in _SHOWN if name != "content_type" or "Content-Type" in asked}
        shown = [name if value is True else f"{name}={value}" for name, value in values.items() if _given(value)]
        return " ".join(shown or ["headers"])

    def as_dict(self) -> dict[str, object]:
        """The fault as the control interface shows it."""
        if self.state is not None:
            return {"id": self.id, "state": self.state, "active": self.active}
        names = ("id", "operation", "count", "skip", "probability", "seed", *_SHOWN, "used", "active")
        members = {name: getattr(self, name) for name in names}
        members["when"] = "a Python function" if callable(self.when) else self.when
        return members

    def matches(self, operation: str | None, record: RequestRecord) -> bool:
        """Whether it is meant for a request; the operation is None for a path that the service doesn't know."""
        if self.state is not None:
            return False
        if self._path:
            if record.method != self._method or not _fits(self._path, record.path.partition("?")[0].split("/")):
                return False
        elif self.operation not in (ANY_OPERATION, operation):
            return False
        return self._holds is None or bool(self._holds(record))

    def happens(self) -> bool:
        """Throw the dice for one request."""
        return self.probability is None or self._chance.random() < self.probability

    def __repr__(self) -> str:
        state = "" if self.active else ", done"
        if self.state is not None:
            return f"<Fault {self.id}: {self.state}{state}>"
        return f"<Fault {self.id} {self.operation}: {self.describe()}, used {self.used}{state}>"


class Faults:
    """The faults of one emulator. Safe to use from several threads.

    Args:
        operations: The operations of the service.
        known: Whether the service has a method and a path, which may hold placeholders.
    """

    def __init__(self, operations: Collection[str], known: Callable[[str, str], bool]) -> None:
        self._operations = operations
        self._known = known
        self._active: list[Fault] = []
        self._lock = threading.RLock()  # a condition may look at the faults

    def add(self, fault: Fault) -> Fault:
        """Add a fault behind those that are there.

        Raises:
            ValueError: The service has no such operation.
        """
        if fault.path is not None:
            if not self._known(*fault.path):
                raise ValueError(f"operation: the service has no {fault.operation!r}")
        elif fault.operation != ANY_OPERATION and fault.operation not in self._operations:
            known = ", ".join(sorted(self._operations))
            words = f"operation must be one of {known}, a method and a path, or {ANY_OPERATION!r}"
            raise ValueError(f"{words}; not {fault.operation!r}")
        with self._lock:
            self._active.append(fault)
        return fault

    def take(self, operation: str | None, record: RequestRecord) -> Fault | None:
        """Return the fault to apply to a request, and count it; None if the request is to go through."""
        with self._lock:
            for fault in self._active:
                if not fault.matches(operation, record):
                    continue
                if fault.skipped < fault.skip:
                    fault.skipped += 1
                    return None
                if not fault.happens():
                    continue
                fault.used += 1
                if fault.used == fault.count:
                    fault.active = False
                    self._active.remove(fault)
                return fault
        return None

    def active(self) -> tuple[Fault, ...]:
        """The faults that may still be applied, and the states that last, in the order in which they came."""
        with self._lock:
            return tuple(self._active)

    def states(self) -> frozenset[State]:
        """What is wrong with the installation as a whole."""
        return frozenset(fault.state for fault in self.active() if fault.state is not None)

    def note(self, state: State, lasts: bool) -> None:
        """List a state, or take it from the list."""
        if lasts and state not in self.states():
            fault = Fault(ANY_OPERATION, count=None, state=state)
            with self._lock:
                self._active.append(fault)
        elif not lasts:
            self._drop(lambda fault: fault.state == state)

    def clear(self) -> None:
        """Forget those that were scripted. States are not over because nobody lists them."""
        self._drop(lambda fault: fault.state is None)

    def _drop(self, wanted: Callable[[Fault], bool]) -> None:
        with self._lock:
            for fault in [fault for fault in self._active if wanted(fault)]:
                fault.active = False
                self._active.remove(fault)


def _check_count(name: str, value: object, least: int) -> None:
    if name == "count" and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}")


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, not {value!r}")


def _check_probability(probability: object, seed: object) -> None:
    if probability is None:
        if seed is not None:
            raise ValueError("seed needs a probability: nothing else is left to chance")
        return
    if isinstance(probability, bool) or not isinstance(probability, (int, float)) or not 0 < probability <= 1:
        raise ValueError(f"probability must be a number above 0 and up to 1, not {probability!r}")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise ValueError(f"seed must be an integer, not {seed!r}")


def _check_content_type(value: object, headers: tuple[tuple[str, str | None], ...]) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not value or any(ord(part) > 255 or part in "\r\n\0" for part in value):
        raise ValueError(f"content_type must be a media type as a text, not {value!r}")
    if any(name.lower() == "content-type" for name, _ in headers):
        raise ValueError("content_type and a header Content-Type exclude each other")


def _check_seconds(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {value!r}")
    if value > LONGEST:
        raise ValueError(f"{name} must be at most {LONGEST:.0f} seconds")


def _check_status(value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise ValueError(f"status must be from 200 to 599, not {value!r}")


def _check_moment(name: str, value: object) -> None:
    if value not in (None, "before", "after"):
        raise ValueError(f'{name} must be "before" or "after" the handler, not {value!r}')


def _check_headers(headers: object) -> tuple[tuple[str, str | None], ...]:
    if headers is None:
        return ()
    if not isinstance(headers, Mapping):
        raise ValueError(f"headers must map names to values, not {headers!r}")
    pairs = tuple(cast("Mapping[str, str | None]", headers).items())
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, (str, NoneType)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"headers: {name!r} must be a text with a text, or None, as its value")
        if not name or not all(character.isalnum() or character in "!#$%&'*+-.^_`|~" for character in name):
            raise ValueError(f"headers: {name!r} is no name of a header")
        if value is not None and any(ord(character) > 255 or character in "\r\n\0" for character in value):
            raise ValueError(f"headers: the value of {name} can't be sent")
    return pairs


def _encode(body: object, status: int | None) -> tuple[bytes | None, str | None]:
    """A body as bytes, with the media type it gets unless the fault's headers name one."""
    if body is None:
        return (None, None) if status is None else (b"", None)
    if isinstance(body, bytes):
        return body, "text/plain; charset=utf-8"
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    kind = "application/problem+json" if status is not None and status >= 400 else "application/json"
    try:
        return json.dumps(body, allow_nan=False).encode() + b"\n", kind
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"body must be bytes, a text, or something that JSON can carry: {error}") from None


def _page(status: int) -> str:
    """What a proxy shows when it has no answer from the service."""
    try:
        words = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        words = str(status)
    return (
        f"<html>\n<head><title>{words}</title></head>\n<body>\n<h1>{words}</h1>\n"
        "<p>The proxy got no answer from the server behind it.</p>\n</body>\n</html>\n"
    )


def _queued(operation: str, status: int | None) -> Mapping[str, object] | None:
    return _QUEUED.get(operation) if status == 202 else None


def _given(value: object) -> bool:
    return value is not None and value is not False


def _fits(pattern: list[str], parts: list[str]) -> bool:
    """Whether a path is the pattern, in which a part in braces stands for any."""
    return len(pattern) == len(parts) and all(
        bool(part) if expected.startswith("{") and expected.endswith("}") else expected == part
        for expected, part in zip(pattern, parts, strict=True)
    )
