"""Scripted faults: what is to go wrong, for which operation, and how often.

A fault only says what happens; the server makes it happen. Faults are matched in the order they were added; the first
one that fits a request decides about it.
"""

from __future__ import annotations

import itertools
import json
import math
import threading
from collections.abc import Collection, Mapping
from types import NoneType
from typing import Final, Literal, cast

Moment = Literal["before", "after"]
ANY_OPERATION: Final = "*"

_counter = itertools.count(1)


class Fault:
    """One scripted fault. `used` counts the requests it was applied to; `active` is False once it is spent or cleared.

    The attributes are the arguments of `Emulator.fault`, where they are explained.
    """

    def __init__(
        self,
        operation: str,
        *,
        count: int | None = 1,
        skip: int = 0,
        status: int | None = None,
        body: bytes | str | Mapping[str, object] | list[object] | None = None,
        headers: Mapping[str, str | None] | None = None,
        drop: Moment | None = None,
        stall: Moment | Literal[True] | None = None,
        hold: float | None = None,
        delay: float | None = None,
        trickle: float | None = None,
    ) -> None:
        if stall is True:
            stall = "after"
        _check_count("count", count, 1)
        _check_count("skip", skip, 0)
        _check_seconds("hold", hold)
        _check_seconds("delay", delay)
        _check_seconds("trickle", trickle)
        _check_moment("drop", drop)
        _check_moment("stall", stall)
        _check_status(status)
        if body is not None and status is None:
            raise ValueError("body needs a status: it takes the place of the service's own answer")
        if drop is not None and stall is not None:
            raise ValueError("drop and stall exclude each other: a connection can't be both closed and kept open")
        answers = {"status": status, "headers": headers, "trickle": trickle}
        silent = "drop" if drop else "stall" if stall else None
        for name, value in answers.items():
            if silent and value is not None:
                raise ValueError(f"{silent} and {name} exclude each other: {silent} sends no answer")
        if silent is None and all(value is None for value in (*answers.values(), hold, delay)):
            raise ValueError("a fault needs one of status, headers, drop, stall, hold, delay or trickle")
        self.id: int = next(_counter)
        self.operation = operation
        self.count = count
        self.skip = skip
        self.status = status
        self.body: bytes | None
        self.content_type: str | None
        self.body, self.content_type = _encode(body, status)
        self.headers: tuple[tuple[str, str | None], ...] = _check_headers(headers)
        self.drop: Moment | None = drop
        self.stall: Moment | None = stall
        self.hold = hold
        self.delay = delay
        self.trickle = trickle
        self.used = 0
        self.skipped = 0
        self.active = True

    def describe(self) -> str:
        """What goes wrong, in a few words: `drop=after delay=0.5`. Bodies and headers are not shown."""
        settings = ("status", "drop", "stall", "hold", "delay", "trickle")
        shown = [f"{name}={getattr(self, name)}" for name in settings if getattr(self, name) is not None]
        return " ".join(shown or ["headers"])

    def as_dict(self) -> dict[str, object]:
        """The fault as the control interface shows it."""
        names = ("id", "operation", "count", "skip", "status", "drop", "stall", "hold", "delay", "trickle", "used")
        return {name: getattr(self, name) for name in (*names, "active")}

    def matches(self, operation: str | None) -> bool:
        """Whether it is meant for an operation; None is a path that the service doesn't know."""
        return self.operation in (ANY_OPERATION, operation)

    def __repr__(self) -> str:
        state = "" if self.active else ", done"
        return f"<Fault {self.id} {self.operation}: {self.describe()}, used {self.used}{state}>"


class Faults:
    """The faults of one emulator. Safe to use from several threads."""

    def __init__(self, operations: Collection[str]) -> None:
        self._operations = operations
        self._active: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Add a fault behind those that are there.

        Raises:
            ValueError: The service has no such operation.
        """
        if fault.operation != ANY_OPERATION and fault.operation not in self._operations:
            known = ", ".join(sorted(self._operations))
            raise ValueError(f"operation must be one of {known}, or {ANY_OPERATION!r}; not {fault.operation!r}")
        with self._lock:
            self._active.append(fault)
        return fault

    def take(self, operation: str | None) -> Fault | None:
        """Return the fault to apply to a request, and count it; None if the request is to go through."""
        with self._lock:
            for fault in self._active:
                if not fault.matches(operation):
                    continue
                if fault.skipped < fault.skip:
                    fault.skipped += 1
                    return None
                fault.used += 1
                if fault.used == fault.count:
                    fault.active = False
                    self._active.remove(fault)
                return fault
        return None

    def active(self) -> tuple[Fault, ...]:
        """The faults that may still be applied, in order."""
        with self._lock:
            return tuple(self._active)

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            for fault in self._active:
                fault.active = False
            self._active.clear()


def _check_count(name: str, value: object, least: int) -> None:
    if name == "count" and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}")


def _check_seconds(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {value!r}")


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
        return json.dumps(body).encode() + b"\n", kind
    except (TypeError, ValueError) as error:
        raise ValueError(f"body must be bytes, a text, or something that JSON can carry: {error}") from None
