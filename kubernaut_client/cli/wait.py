"""`kubernaut-client wait`: until the service is ready, telling what it waits for."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast

import click

from .command import Result, command
from .exits import Facts
from .failures import AUTHENTICATE, CommandFailed, describe
from .options import FiniteFloat, Settings
from .text import Styled, cut, printable

if TYPE_CHECKING:
    from kubernaut_client import CallRecord


_NOT_OURS = "answers, but not as Data Storage does: is --url right?"


@command("wait")
@click.option(
    "--for",
    "limit",
    type=FiniteFloat(0, 86400, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait at most.",
)
def wait(settings: Settings, limit: float) -> Result:
    """Wait until the service takes requests.

    A line on stderr says each time when what it waits for has changed. Exit code 0 once it is ready; after the time is
    up 4 if nobody answered the last time, 1 if it answers that it isn't ready.

    \b
    Example:
      kubernaut-client wait --for 120 --url http://localhost:8080
    """
    from kubernaut_client import RequestTimeoutError

    watch = _Watch(settings)
    with settings.client(on_call=watch.seen) as client:
        watch.start()
        try:
            status = client.wait_until_ready(limit)
        except RequestTimeoutError:
            return Result(keys=watch.keys(ready=False), error=_too_late(settings, limit, watch.last))
        url = client.base_url
    watch.state = status.status
    waited = watch.waited
    return Result(
        keys=watch.keys(ready=True),
        show=lambda output: output.line(url, " is ", Styled("ready", "green"), f" after {waited:.1f} s"),
    )


def _too_late(settings: Settings, limit: float, last: CallRecord | None) -> CommandFailed:
    """That the time is up, and what was wrong the last time."""
    unreachable = last is None or last.status is None
    why = "no answer" if last is None else _state(last)
    if last is not None and last.error is not None and unreachable:
        why = describe(last.error, settings.output.base_url).message
    elif last is not None and last.error is None:
        # Data Storage that isn't ready says so with a 503.
        why = _NOT_OURS
    return CommandFailed(
        "NotReadyError", f"not ready within {limit:g} s: {why}", Facts(unreachable=unreachable, failed=True)
    )


class _Watch:
    """What was seen while waiting; tells each change."""

    def __init__(self, settings: Settings) -> None:
        self.last: CallRecord | None = None
        self.state: str | None = None
        self.attempts = 0
        self._output = settings.output
        self._start = 0.0

    def start(self) -> None:
        self._start = time.monotonic()

    @property
    def waited(self) -> float:
        return time.monotonic() - self._start

    def seen(self, call: CallRecord) -> None:
        self.attempts += 1
        self.last = call
        state = _state(call)
        if state != self.state and call.error is not None:
            self._output.note(f"{self.waited:.1f} s: {state}")
        self.state = state

    def keys(self, *, ready: bool) -> dict[str, object]:
        return {
            "ready": ready,
            "state": self.state,
            "waited_seconds": round(self.waited, 3),
            "attempts": self.attempts,
        }


def _state(call: CallRecord) -> str:
    """What an attempt found, in a few words that stay the same while nothing changes."""
    from kubernaut_client import APIError, ResponseDecodeError

    if call.status is None:
        return f"no answer ({type(call.error).__name__})"
    if isinstance(call.error, ResponseDecodeError):
        return _NOT_OURS
    if not isinstance(call.error, APIError):
        return "answers"
    if call.status in (401, 403):
        return f"answers {call.status}: is the token right? {AUTHENTICATE}"
    if call.status != 503:
        return f"answers {call.status}: is it the right URL?"
    reason = _reason(call.error.body)
    return f"not ready: {reason}" if reason else "not ready (503)"


def _reason(body: bytes) -> str | None:
    """Why it isn't ready, by the body of its answer; None if it doesn't say so."""
    try:
        members: Any = json.loads(body)
    except ValueError:
        return None
    if not isinstance(members, dict):
        return None
    named = cast("dict[str, object]", members)
    reason = named.get("reason") or named.get("status")
    return cut(printable(reason), 80) if isinstance(reason, str) else None
