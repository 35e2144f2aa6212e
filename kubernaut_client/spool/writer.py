"""`AuditWriter`: events that are safe once `emit` has returned, whatever becomes of the service or of this process.

Checks and encodes events, and stamps those without a time. Keeping them is left to `spool`, delivering them to
`sender`.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import sqlite3
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NoReturn, Self, cast

from kubernaut_client import clock, limits
from kubernaut_client.client import AsyncDataStorageClient, DataStorageClient
from kubernaut_client.errors import ConfigurationError, InvalidRequestError
from kubernaut_client.problems import shown
from kubernaut_client.receipts import Event
from kubernaut_client.retry import seconds

from . import forks
from .directory import Directory
from .report import AlarmKind, SpoolAlarm, SpoolReport, SpoolStatus
from .rows import EVENT_BYTES_LIMIT
from .sender import Sender, logger
from .service import service_for
from .spool import Spool
from .spoolfile import Locks, SpoolFile, held
from .tuning import Tuning

_OLDEST_SQLITE = (3, 32)
"""The oldest that the tests run with."""

_AT_EXIT_SECONDS = 5.0
_POLL = 0.05
_GRACE = 0.2
_SET_BACK = 5_000_000
_LONGEST_JOIN = 86400.0
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_open: weakref.WeakSet[AuditWriter] = weakref.WeakSet()


class AuditWriter:
    """Writes audit events through a spool on the disk: `emit` returns once an event is in it, and never waits for the
    service. A background thread delivers them, in batches, for as long as it takes.

    What is promised, of an event for which `emit` returned:

    * It isn't lost: it is in the service's database (or in its dead letter queue, if it says so: `queued`), or it is
      in the spool. With `durability="process"` that holds
      through `kill -9`, with `"power"` also when the machine dies, on a disk that keeps what it confirmed.
    * It isn't stored twice, unless the service stores a request later than 35 s after the attempt at it ended, or
      somebody else writes an event equal in every member, with the same microsecond, just while ours is on its way.
    * What the service refuses is set apart with the reason, and stays in the spool. Only what its database can't store,
      while it stores others, is tried again by itself, once a day.

    Args:
        client_or_url: A `DataStorageClient` or `AsyncDataStorageClient`, which stays yours and must stay open; or a
            URL; else KUBERNAUT_DATASTORAGE_URL or DATA_STORAGE_URL. Its timeout holds for an attempt, up to 30 s.
        spool: The directory, on a local file system; made if need be, mode 0700. Any number of processes may share it:
            each has a file of its own, and delivers the files of those that died.
        durability: `"process"` or `"power"`; the second waits for the disk in every `emit`.
        spool_bytes: For the events of all processes that share the directory; at least 64 KiB. The files may be larger
            by up to 16 MiB for each process.
        on_invalid: What `emit` does with an event that the service could never store: `"raise"` it back, or keep it in
            `"quarantine"` and return.
        on_alarm: Called with a `SpoolAlarm`, in the background thread, or in that of an `emit` that sets an event
            apart; what it raises is logged. Alarms are logged, too, by `kubernaut_client.spool`.

    Safe to use from several threads, and after `fork()`: the child leaves the parent's file alone, and has one of its
    own from its first `emit` on. What is left in the end is delivered by the next process with the same directory.
    Raises `ConfigurationError` for arguments and platforms that it can't work with, and `SpoolError` for a directory
    that others can change, or that can't be written or locked.
    """

    def __init__(
        self,
        client_or_url: DataStorageClient | AsyncDataStorageClient | str | None = None,
        *,
        spool: str | os.PathLike[str],
        durability: Literal["process", "power"] = "process",
        spool_bytes: int = 2**30,
        on_invalid: Literal["raise", "quarantine"] = "raise",
        on_alarm: Callable[[SpoolAlarm], object] | None = None,
    ) -> None:
        self._set_up(Tuning(), client_or_url, spool, durability, spool_bytes, on_invalid, on_alarm)

    @classmethod
    def _tuned(
        cls,
        tuning: Tuning,
        client_or_url: DataStorageClient | AsyncDataStorageClient | str | None = None,
        *,
        spool: str | os.PathLike[str],
        durability: Literal["process", "power"] = "process",
        spool_bytes: int = 2**30,
        on_invalid: Literal["raise", "quarantine"] = "raise",
        on_alarm: Callable[[SpoolAlarm], object] | None = None,
    ) -> Self:
        """For tests: a writer in a time of its own."""
        writer = cls.__new__(cls)
        writer._set_up(tuning, client_or_url, spool, durability, spool_bytes, on_invalid, on_alarm)
        return writer

    def _set_up(
        self,
        tuning: Tuning,
        client_or_url: object,
        spool: str | os.PathLike[str],
        durability: str,
        spool_bytes: int,
        on_invalid: str,
        on_alarm: Callable[[SpoolAlarm], object] | None,
    ) -> None:
        given = os.fspath(spool) if isinstance(spool, os.PathLike) else cast("object", spool)
        if not isinstance(given, str) or not given or "\0" in given:
            raise ConfigurationError(f"spool must be the path of a directory, not {shown(spool)}")
        _one_of("durability", durability, "process", "power")
        _one_of("on_invalid", on_invalid, "raise", "quarantine")
        if type(spool_bytes) is not int or spool_bytes < 2**16:
            raise ConfigurationError(f"spool_bytes must be an integer of at least {2**16}, not {shown(spool_bytes)}")
        if on_alarm is not None and not callable(on_alarm):
            raise ConfigurationError(f"on_alarm must be a callable, not {type(on_alarm).__name__}")
        self._tuning = tuning
        self._on_alarm = on_alarm
        self._on_invalid = on_invalid
        self._power = durability == "power"
        self._limit = spool_bytes
        self._stamping = threading.RLock()
        self._last_stamp = self._highest_stamp = 0
        self._ending = threading.RLock()
        self._put_off: float | None = None
        """The timeout of a `close` that a signal handler called in the middle of an `emit`, which comes first."""
        self._closed = False
        self._ended: SpoolReport | None = None
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            needed = ".".join(map(str, _OLDEST_SQLITE))
            raise ConfigurationError(f"AuditWriter needs SQLite {needed}, and this Python has {sqlite3.sqlite_version}")
        if not getattr(sys.modules.get("uwsgi"), "has_threads", True):
            raise ConfigurationError("uWSGI runs this program without threads, so nothing is delivered: enable-threads")
        try:
            threading.Thread(daemon=True)
        except RuntimeError as error:  # isolated sub-interpreters have none
            raise ConfigurationError(f"AuditWriter needs threads: {error}") from error
        self._service = service_for(client_or_url, tuning.attempt)
        # Absolute, as a service may change its directory.
        self._directory = Directory(Path(os.path.abspath(given)))
        self._process = forks.Process(self._forked)
        self._process.enter()
        self._begin()
        _open.add(self)
        forks.register(self._locks, self._process.enter)
        # What a process before this one left is delivered, also if this one never emits anything.
        if self._directory.has_files():
            self._wake()

    def _begin(self) -> None:
        self._spool = Spool(
            self._directory, limit=self._limit, power=self._power, tuning=self._tuning, alarm=self._alarm
        )
        self._sender = Sender(self._spool, self._service, self._tuning, self._alarm)
        self._started = False

    # ---- emitting --------------------------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Keep an event, to be delivered; a model, or a mapping with the names of the wire. Takes some 40 µs.

        The limits are those of `client.audit.write`. `event_timestamp` may be left out: it is the moment of the call
        then, to a microsecond that no other event of this writer has. An event may be 7 days old at most, and 5 MiB
        large as JSON. A time that is at most 25 hours ahead waits for the service's clock.

        Raises `InvalidRequestError` for an event that the service could never store (but see `on_invalid`), and
        `SpoolError` where it can't be kept: the spool is full, the disk is full or can't be written, or the writer is
        closed. Then the event isn't kept, and emitting it again is right.
        """
        self._process.enter()
        try:
            emitted, stamp, own, body = self._encoded(event)
        except InvalidRequestError as error:
            if self._on_invalid == "raise":
                raise
            self._keep_invalid(event, error)
            return
        if self._spool.append(emitted, stamp, own, body):
            self._wake()
        if self._put_off is not None and not self._spool.busy_here():
            self.close(self._put_off)

    def _encoded(self, event: Event) -> tuple[int, str, bool, bytes]:
        """When it is emitted, its time, whether that was made here, and the event as it is sent."""
        members = _members(event)
        emitted, unique = self._stamp()
        missing = members.get("event_timestamp") is None
        if missing:
            stamp = datetime.fromtimestamp(emitted // 1_000_000, UTC).replace(microsecond=emitted % 1_000_000)
            members["event_timestamp"] = stamp
        payload = limits.AUDIT_EVENT.check(members)
        at: str = payload["event_timestamp"]
        if not missing:
            age = emitted / 1e6 - datetime.fromisoformat(at).timestamp()
            if age > limits.EVENT_AGE_LIMIT.total_seconds():
                reason = f"is {age / 86400:.1f} days old, and the service takes no event older than 7 days"
                raise InvalidRequestError(f"event_timestamp: {reason}", field="event_timestamp")
            if -age > limits.EVENT_AHEAD_LIMIT.total_seconds():
                reason = f"is {-age / 86400:.1f} days ahead, and the service takes no event more than an hour ahead"
                raise InvalidRequestError(f"event_timestamp: {reason}", field="event_timestamp")
        body = _encode(payload).encode()
        if len(body) > EVENT_BYTES_LIMIT:
            reason = f"has {len(body)} bytes as JSON, of {EVENT_BYTES_LIMIT} that the service takes"
            raise InvalidRequestError(f"event: {reason}", field="event_data")
        return emitted, at, missing and unique, body

    def _stamp(self) -> tuple[int, bool]:
        """Now, in microseconds since 1970, and whether no event had this time before.

        A clock that is set back by seconds isn't waited for; until it is where it was before, a time may come again.
        """
        now = int(self._tuning.clock.time() * 1e6)
        with self._stamping:
            if now <= self._last_stamp < now + _SET_BACK:
                now = self._last_stamp + 1
            self._last_stamp = now
            unique = now > self._highest_stamp
            self._highest_stamp = max(now, self._highest_stamp)
            return now, unique

    def _keep_invalid(self, event: object, error: InvalidRequestError) -> None:
        try:
            body = json.dumps(_members(cast("Any", event)), ensure_ascii=False, default=repr).encode()
        # It may be anything, and what is wrong with it may be that it can't be written down.
        except Exception:  # noqa: BLE001 - see above
            body = json.dumps({"of type": type(event).__name__}).encode()
        self._spool.keep_apart("invalid", str(error), self._stamp()[0], body)
        self._sender.count_quarantined()
        # The reason may quote the event, so it stays in the file.
        self._alarm("quarantined", f"set apart as invalid: 1 event, for its {_field(error)}; `list` tells why", 1)
        self._wake()

    # ---- waiting ---------------------------------------------------------------------------------------------------

    def flush(self, timeout: float | None = None) -> SpoolReport:
        """Wait until all that is in the spool now is delivered or set apart; None: for however long that takes.

        Returns how it stands then, also when the time is up. Files that were adopted are waited for, too.
        """
        end = self._end(timeout)
        wanted: dict[SpoolFile, int] = {}
        with self._urgently():
            while not self._delivered(wanted, end) and clock.monotonic() < end:
                with self._sender.progress:
                    self._sender.progress.wait(min(_POLL, max(end - clock.monotonic(), 0)))
        return self._report()

    async def aflush(self, timeout: float | None = None) -> SpoolReport:
        """`flush` for asyncio: the event loop goes on meanwhile."""
        clock.running_loop()
        end = self._end(timeout)
        wanted: dict[SpoolFile, int] = {}
        with self._urgently():
            while not await asyncio.to_thread(self._delivered, wanted, end) and clock.monotonic() < end:
                # Threads settle them, and can't wake a task of a loop that may be gone by then.
                await clock.sleep(min(_POLL, max(end - clock.monotonic(), 0)))
        return self._report()

    def close(self, timeout: float | None = 5.0) -> SpoolReport:
        """Take no more events, and wait up to `timeout` seconds for those that are there; safe to call again.

        What isn't delivered then stays in the spool, for the next process with the same directory. Called by a signal
        handler in the middle of an `emit`, it is done at the end of that.
        """
        end = self._end(timeout)
        self._refuse_more(end)
        if self._spool.busy_here():
            self._put_off = 5.0 if timeout is None else timeout
            return self._report()
        if self._ended is None:
            self.flush(None if timeout is None else max(end - clock.monotonic(), 0))
        return self._finish(end)

    async def aclose(self, timeout: float | None = 5.0) -> SpoolReport:
        """`close` for asyncio; cancelled, it waits no more."""
        clock.running_loop()
        end = self._end(timeout)
        self._refuse_more(end)
        try:
            if self._ended is None:
                await self.aflush(None if timeout is None else max(end - clock.monotonic(), 0))
            return await asyncio.to_thread(self._finish, end)
        except asyncio.CancelledError:
            self._finish(clock.monotonic())
            raise

    def status(self) -> SpoolStatus:
        """How it is, from what this process knows: nothing is asked of the service."""
        self._process.enter()
        sender, since = self._sender, self._sender.outage.since
        totals = self._report()
        return SpoolStatus(
            waiting=totals.waiting + totals.unsettled,
            oldest_seconds=0.0 if self._ended else self._spool.oldest(),
            bytes=self._spool.size,
            totals=totals,
            last_error=sender.last_error,
            last_success=sender.last_success,
            away_seconds=0.0 if since is None else max(self._tuning.clock.monotonic() - since, 0.0),
        )

    @property
    def closed(self) -> bool:
        """Whether it was closed; then `emit` raises `SpoolError`."""
        return self._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        clock.running_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("an AuditWriter can't be copied or sent to another process: make one in each process")

    def __repr__(self) -> str:
        return f"<AuditWriter {self._directory.path}{' closed' if self._closed else ''}>"

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Have the sender look; it is begun first where that is still to be done, as in a forked child."""
        if not self._started:
            with self._stamping:
                # An event that is in the spool isn't refused because there is no thread for it now.
                self._started = self._started or self._sender.start()
        self._sender.wake()

    def _end(self, timeout: float | None) -> float:
        self._process.enter()
        if timeout is None:
            return float("inf")
        return clock.monotonic() + seconds("timeout", timeout, zero=True, kind=InvalidRequestError)

    def _delivered(self, wanted: dict[SpoolFile, int], end: float) -> bool:
        """Whether nothing is left of what was there at the first call, which `wanted` keeps: file → its last event.

        Not before the directory was looked at for what others left. Looks at no file later than `end`.
        """
        if self._ended is not None or not self._started or self._spool.busy_here() or self._sender.decides():
            return True
        if not self._sender.scanned:
            return False
        if not wanted:
            wanted.update({file: file.last for file in tuple(self._spool.files)})
        with held(self._spool.locks.reading, _left(end)) as have:
            return have and all(self._is_delivered(file, last, wanted) for file, last in tuple(wanted.items()))

    def _is_delivered(self, file: SpoolFile, last: int, wanted: dict[SpoolFile, int]) -> bool:
        if file in self._spool.files:
            oldest = self._spool.oldest_in(file)
            return oldest is None or oldest[0] > last
        if file in self._spool.moved:
            # It was corrupt, and what could be read of it is in another one.
            wanted.clear()
            self._spool.moved.discard(file)
            return False
        return True

    @contextmanager
    def _urgently(self) -> Generator[None]:
        self._sender.urgent += 1
        if self._started or self._spool.files or (not self._closed and self._spool.directory.has_files()):
            self._wake()
        try:
            yield
        finally:
            self._sender.urgent -= 1

    def _report(self) -> SpoolReport:
        return self._ended or self._sender.totals()

    def _refuse_more(self, end: float) -> None:
        # So that no emit goes on after this; but it may not take longer, whatever an emit waits for.
        with held(self._spool.locks.writing, _left(end)):
            self._closed = self._spool.closed = True

    def _finish(self, end: float) -> SpoolReport:
        with self._ending:
            if self._ended is not None:
                return self._ended
            # What is in progress although all is delivered is no more than a look around.
            self._sender.stop(max(_left(end), _GRACE))
            with self._spool.locks.both(max(_left(end), _GRACE)) as have:
                report = self._sender.totals()
                if have:
                    self._spool.close()
                self._ended = report
            if not have:  # a thread is inside SQLite: the files are given back when it is back
                with suppress(RuntimeError):  # at the end of an interpreter they are anyway
                    threading.Thread(target=self._spool.close, daemon=True).start()
            self._service.close()
            _open.discard(self)
        if not report.done:
            logger.warning("the audit writer is closed; what isn't delivered stays in the spool: %s", report)
        return report

    def _alarm(self, kind: AlarmKind, message: str, count: int) -> None:
        logger.log(logging.WARNING if kind in ("away", "back") else logging.ERROR, "%s", message)
        if self._on_alarm is None:
            return
        try:
            self._on_alarm(SpoolAlarm(kind, message, count))
        # A broken observer must not stop what it observes.
        except Exception as error:  # noqa: BLE001 - see above
            logger.warning("on_alarm raised %s; the writer goes on", type(error).__name__)

    def _locks(self) -> Locks:
        """What must be held while this process forks."""
        self._process.enter()
        return self._spool.locks

    def _forked(self) -> None:
        """In a forked child: leave what the parent has, and have nothing yet."""
        self._sender.give_up()
        forks.leave(*self._spool.abandon())
        self._stamping, self._ending = threading.RLock(), threading.RLock()
        self._begin()
        self._spool.closed = self._closed


def _left(end: float) -> float:
    """Seconds until then, as a lock or a thread can be waited for."""
    return min(max(end - clock.monotonic(), 0), _LONGEST_JOIN)


def _members(event: Event) -> dict[str, Any]:
    """A copy, with the names of the wire."""
    findings = limits.Findings()
    try:
        members = limits.as_mapping(event, "event", findings)
        findings.raise_found()
        return dict(cast("Mapping[str, Any]", members))
    except InvalidRequestError:
        raise
    # Callers give mappings of their own.
    except Exception as error:
        reason = f"event: can't be read ({type(error).__name__})"
        raise InvalidRequestError(reason, field="event") from error


def _field(error: InvalidRequestError) -> str:
    """The member that is wrong; names of the caller's own aren't shown."""
    name = (error.field or "").partition(".")[0]
    return name if name in limits.AUDIT_EVENT.required or name in limits.AUDIT_EVENT.optional else "members"


def _one_of(name: str, value: object, *choices: str) -> None:
    if value not in choices:
        raise ConfigurationError(f"{name} must be one of {', '.join(choices)}, not {shown(value)}")


@atexit.register
def _close_all() -> None:
    for writer in tuple(_open):
        try:
            writer.close(_AT_EXIT_SECONDS)
        # Each of them is to be closed; what is left in the spool is safe.
        except Exception as error:  # noqa: BLE001 - see above
            logger.warning("the audit writer could not be closed: %s", type(error).__name__)
