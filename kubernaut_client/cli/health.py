"""`kubernaut-client health`: what the service says of itself, and whether it answers at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from .command import Result, command
from .exits import Facts
from .failures import AUTHENTICATE, CommandFailed, in_options
from .options import Settings
from .output import Output
from .text import Styled

if TYPE_CHECKING:
    from kubernaut_client import CallRecord, HealthStatus


@command("health")
def health(settings: Settings) -> Result:
    """Show whether the service is alive, reaches its database, and takes requests.

    One attempt each, never repeated. Exit code 0 if all is well, 1 if it answers that it isn't, 4 if nobody answers.

    \b
    Example:
      kubernaut-client health --url http://localhost:8080
      kubernaut-client health --output json --timeout 2
    """
    calls: list[CallRecord] = []
    with settings.client(on_call=calls.append) as client:

        def told(ask: Callable[[], HealthStatus]) -> HealthStatus:
            return _in_options(ask(), calls[-1])

        checks: dict[str, HealthStatus | None] = {"live": told(client.health.live), "health": None, "ready": None}
        error: BaseException | None = unanswered(calls[-1])
        if error is None:
            # Only a service that answers is asked on: each question may take the whole timeout.
            checks |= {"health": told(client.health.check), "ready": told(client.health.ready)}
    ok = all(checks.values())
    if not ok and error is None:
        error = CommandFailed("NotReadyError", f"{settings.output.base_url} answers but isn't well: {_why(checks)}")
    return Result(
        facts=Facts(failed=not ok),
        keys={"ok": ok, "checks": {name: None if check is None else asdict(check) for name, check in checks.items()}},
        show=lambda output: _show(output, checks),
        error=error,
    )


def unanswered(call: CallRecord) -> BaseException | None:
    """What kept an attempt from an answer; None if there was one, whatever it says."""
    return call.error if call.status is None else None


def _why(checks: dict[str, HealthStatus | None]) -> str:
    bad = next(check for check in checks.values() if check is not None and not check.ok)
    return bad.reason or bad.status or "it doesn't say why"


def _in_options(check: HealthStatus, call: CallRecord) -> HealthStatus:
    """What was found, in the words of whoever gives options."""
    reason = check.reason and in_options(check.reason)
    if call.status in (401, 403):
        reason = f"{call.status}: is the token right? {AUTHENTICATE}"
    return replace(check, reason=reason, error=check.error and in_options(check.error))


def _show(output: Output, checks: dict[str, HealthStatus | None]) -> None:
    rows: list[list[str | Styled]] = []
    for name, check in checks.items():
        if check is not None:
            status = Styled(check.status or "", "green") if check.ok else Styled(check.status or "", "red")
            rows.append([name, status, check.reason or "", check.error or ""])
    if len(rows) > 1:
        output.table(["CHECK", "STATUS", "REASON", "DETAIL"], rows)
