"""`kubernaut-client doctor`: asks a service everything that tells how it is, and says what is wrong and what to do.

Here it is asked and shown; what the answers mean is decided in `diagnosis`. Everything goes through the public client:
its `raw` gives headers and bodies as they came.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import click

from .command import Result, command
from .diagnosis import Check, Effect, Probe, Seen, Verdict, Written, diagnose
from .exits import Facts
from .failures import CommandFailed, in_options
from .observation import Answer, Failure
from .options import DEFAULT_TIMEOUT, Settings
from .output import Output
from .text import Style, Styled, printable, wrapped

if TYPE_CHECKING:
    from kubernaut_client import CallRecord, DataStorageClient, HealthStatus, KubernautError

EVENT_TYPE = "kubernaut-client.doctor"
_NOBODY = "kubernaut-client-doctor"
"""A workflow name that nobody has; the versions of an unknown name are an empty list."""
_MISTIMED = re.compile(r"timestamp is (in the future|too old)")
_STYLES: dict[Verdict, Style] = {"ok": "green", "problem": "red", "not_checked": "yellow"}
_NARROW = 60


@command("doctor")
@click.option("--write", is_flag=True, help="Also store an audit event, which stays there.")
def doctor(settings: Settings, write: bool) -> Result:
    """Find out what is wrong with the service, and say what to do.

    Looks at the connection, what answers there, token, clock, health, missing migrations, the audit trail, events that
    wait in Redis, response times and the build. Each question is asked once and only reads; with --write one audit
    event of type kubernaut-client.doctor is stored through the batch route. If the database is down, it goes by the
    route for single events instead, which queues it in Redis, and so shows whether Redis is up. What can't be known is
    "not checked", never "ok".

    Exit code 0 if all that was checked is well, 4 if nobody answers, 1 for any other problem.

    \b
    Example:
      kubernaut-client doctor --url http://localhost:8080
      kubernaut-client doctor --write --output json
    """
    with replace(settings, attempts=1).client() as client:
        url = client.base_url
    seen = _look(settings, url, write)
    settings.output.base_url = url
    checks = diagnose(seen)
    bad = [check.id for check in checks if check.verdict == "problem"]
    return Result(
        facts=Facts(failed=bool(bad), unreachable="connection" in bad),
        keys={"ok": not bad, "event": _event(seen), "checks": [asdict(check) for check in checks]},
        show=lambda output: _show(output, checks),
        error=CommandFailed("NotWellError", f"not well: {', '.join(bad)}") if bad else None,
    )


def _look(settings: Settings, url: str, write: bool) -> Seen:
    """Ask everything that the answers so far leave a reason to ask for."""
    from kubernaut_client.config import proxy_for, without_credentials

    from .config import token_source

    proxy = proxy_for(url)
    seen = Seen(
        url=url,
        proxy=proxy and without_credentials(proxy),
        token=token_source(settings)["set"],
        timeout=DEFAULT_TIMEOUT if settings.timeout is None else settings.timeout,
        write=write,
        live=Answer(),
    )
    calls: list[CallRecord] = []
    with replace(settings, attempts=1).client(on_call=calls.append) as client:

        def ask(path: str, **params: int) -> Answer:
            return _ask(client, path, params)

        def probe(question: Callable[[], HealthStatus]) -> Probe:
            return _probe(question(), calls[-1])

        seen = replace(seen, live=ask("/health/live"))
        if seen.live.status is None and seen.live.failure not in ("dropped", "late"):
            return seen
        # Something took the connection, perhaps: one answer that is lost isn't nobody.
        seen = replace(seen, rows=ask("/api/v1/workflows", limit=1))
        if seen.first is None:
            return replace(seen, rows=None)
        if not seen.is_data_storage:
            return replace(seen, elsewhere=_elsewhere(settings, url) if seen.live.status in (404, 405) else None)
        seen = replace(
            seen,
            health=probe(client.health.check),
            ready=probe(client.health.ready),
            row=ask(f"/api/v1/workflows/{uuid4()}"),
            versions=ask(f"/api/v1/workflows/by-name/{_NOBODY}/versions"),
            events=ask("/api/v1/audit/events"),
            metrics=ask("/metrics"),
        )
        return replace(seen, written=_write(client, seen)) if write and seen.route else seen


def _ask(client: DataStorageClient, path: str, params: dict[str, int]) -> Answer:
    """The answer to one GET."""
    from kubernaut_client import KubernautError

    begun, clock = time.time(), time.monotonic()
    found: dict[str, Any]
    try:
        response = client.raw.get_httpx_client().request(method="get", url=path, params=params or None)
        found = {"accepted": True, "status": response.status_code, "headers": response.headers}
        found["body"] = response.content
    except KubernautError as error:
        found = _came(error)
    took = time.monotonic() - clock
    return Answer(**found, seconds=took, at=begun + took / 2)


def _came(error: KubernautError) -> dict[str, Any]:
    """What came in place of a success, as members of an `Answer`."""
    from kubernaut_client import APIError, ResponseDecodeError

    if isinstance(error, APIError):
        problem = error.problem.summary if error.problem.is_document else None
        return {"status": error.status, "headers": error.headers, "body": error.body, "problem": problem}
    if isinstance(error, ResponseDecodeError):
        return {"status": error.status, "headers": error.headers, "body": error.body}
    return {"failure": _failure(error), "reason": _reason(error)}


def _failure(error: BaseException) -> Failure:
    """Why no answer came, by what is below the client's own exception."""
    import socket
    import ssl

    from kubernaut_client import ConnectionDroppedError, RequestTimeoutError

    if isinstance(error, RequestTimeoutError):
        return "late"
    if isinstance(error, ConnectionDroppedError):
        return "dropped"
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "certificate"
        if isinstance(cause, ssl.SSLError):
            return "plain" if cause.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE") else "tls"
        if isinstance(cause, socket.gaierror):
            return "name"
        if isinstance(cause, ConnectionRefusedError):
            return "refused"
        if type(cause).__name__ == "ProxyError":
            return "proxy"
    return "unreachable"


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(error: BaseException) -> str:
    """What the client says, without the URL, which is said already, and without the names of exceptions."""
    message = str(error.args[0]) if error.args else type(error).__name__
    for start in ("no connection to ", "no answer from "):
        if message.startswith(start):
            message = message.partition(": ")[2] or message
    message = message.partition(", through the proxy that ")[0]
    message = re.sub(r"^no answer from \S+ within", "nothing within", message)
    return re.sub(r"^\w+: |\[Errno -?\d+\] ", "", message).rstrip(".")


def _probe(status: HealthStatus, call: CallRecord) -> Probe:
    found: dict[str, Any] = {"status": call.status, "accepted": True} if call.error is None else _came(call.error)
    return Probe(
        answer=Answer(**found, seconds=call.elapsed),
        status=status.status,
        reason=status.reason and in_options(status.reason),
        error=status.error and in_options(status.error),
    )


def _elsewhere(settings: Settings, url: str) -> str | None:
    """The URL without its path, if Data Storage answers there."""
    root = url.removesuffix(urlsplit(url).path)
    if root == url:
        return None
    with replace(settings, url=root, attempts=1).client() as client:
        return root if client.health.live().ok else None


def _write(client: DataStorageClient, seen: Seen) -> Written:
    """Send one event, with the time that the service has."""
    from kubernaut_client import KubernautError, __version__

    day = datetime.now(UTC) + timedelta(seconds=seen.ahead or 0.0)
    correlation_id = f"{_NOBODY}-{uuid4().hex[:12]}"
    event = {
        "version": "1.0",
        "event_type": EVENT_TYPE,
        "event_timestamp": day,
        "event_category": "workflow",
        "event_action": "checked",
        "event_outcome": "success",
        "correlation_id": correlation_id,
        "actor_type": "tool",
        "actor_id": "kubernaut-client",
        "event_data": {"written_by": "kubernaut-client doctor --write", "kubernaut_client": __version__},
    }
    single = seen.route == "single"
    known: dict[str, Any] = {"correlation_id": correlation_id, "day": day, "single": single}
    clock = time.monotonic()
    try:
        receipt = client.audit.write(event) if single else client.audit.write_batch([event])[0]
    except KubernautError as error:
        answer = Answer(**_came(error), seconds=time.monotonic() - clock)
        return Written(effect=_effect(error, answer), words=answer.words, answer=answer, **known)
    took = time.monotonic() - clock
    if receipt.status == "rejected":
        # A batch of one, which was answered with 400 for this event.
        answer = Answer(status=400, problem=receipt.reason or "", seconds=took)
        return Written(effect=_refusal(answer), words=answer.words, answer=answer, **known)
    answer = Answer(status=201 if receipt.status == "stored" else 202, accepted=True, seconds=took)
    event_id = None if receipt.event_id is None else str(receipt.event_id)
    return Written(effect=receipt.status, event_id=event_id, answer=answer, **known)


def _effect(error: KubernautError, answer: Answer) -> Effect:
    """What became of an event that failed so.

    Only a problem document of the service's own says that it tried; any other 5xx is that of something before it.
    """
    from kubernaut_client import Outcome, ResponseDecodeError

    if error.outcome is Outcome.NOT_SENT:
        return "unsent"
    if answer.status is None or isinstance(error, ResponseDecodeError):
        return "unknown"
    if answer.kind in ("denied", "limited"):
        return "denied" if answer.kind == "denied" else "limited"
    if answer.status >= 500:
        return "unknown" if answer.problem is None else "failed"
    return _refusal(answer)


def _refusal(answer: Answer) -> Effect:
    if answer.problem is None or answer.status not in (400, 422):
        return "foreign"
    return "mistimed" if _MISTIMED.search(answer.problem) else "rejected"


def _event(seen: Seen) -> dict[str, object] | None:
    """The event that was sent, as JSON."""
    written = seen.written
    if written is None:
        return None
    return {
        "event_type": EVENT_TYPE,
        "correlation_id": written.correlation_id,
        "event_id": written.event_id,
        "stored": {"stored": True, "unknown": None}.get(written.effect, False),
    }


def _show(output: Output, checks: Sequence[Check]) -> None:
    narrow = output.width is not None and output.width < _NARROW
    verdicts = max(len(_word(check.verdict)) for check in checks)
    names = max(len(check.id) for check in checks)
    indent = 2 if narrow else verdicts + names + 4
    for names_alike, check in _alike(checks):
        name = ", ".join(names_alike)
        beside = not narrow and len(names_alike) == 1
        verdict = Styled(f"{_word(check.verdict):{verdicts}}", _STYLES[check.verdict])
        lines = _lines(output, check.seen, indent)
        if beside:
            output.line(verdict, "  ", Styled(f"{name:{names}}", "bold"), "  ", lines.pop(0))
        else:
            first, *others = _lines(output, name, verdicts + 2)
            output.line(verdict, "  ", Styled(first, "bold"))
            for line in others:
                output.line(" " * (verdicts + 2), Styled(line, "bold"))
        for line in [*lines, *_lines(output, check.meaning, indent)]:
            output.line(" " * indent, line)
        for line in _lines(output, check.advice and f"-> {check.advice}", indent):
            output.line(" " * indent, Styled(line, "cyan"))
    left = [check.id for check in checks if check.verdict == "not_checked"]
    if all(check.verdict != "problem" for check in checks):
        output.line()
        output.paragraph(f"All that was checked is well. Not checked: {', '.join(left)}." if left else "All is well.")


def _alike(checks: Sequence[Check]) -> Iterator[tuple[list[str], Check]]:
    """The checks, those together that couldn't be made for the same reason."""
    for (verdict, _), group in groupby(checks, lambda check: (check.verdict, check.seen)):
        alike = list(group)
        if verdict == "not_checked":
            yield [check.id for check in alike], alike[0]
        else:
            yield from (([check.id], check) for check in alike)


def _word(verdict: Verdict) -> str:
    return verdict.replace("_", " ")


def _lines(output: Output, text: str | None, indent: int) -> list[str]:
    if not text:
        return []
    return wrapped(printable(text), None if output.width is None else output.width - indent)
