"""Delivering what is in the spool: what is done next, and what follows from what came of it.

One thread decides, all alone, so nothing here is shared but what `totals` tells; a few others make the requests
(`attempt`). What an answer means is in `verdict`, what goes into a batch in `sealing`, when nothing is sent in
`outage`.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from kubernaut_client import limits
from kubernaut_client.batches import Blame, Mistimed, Refusal
from kubernaut_client.errors import APIError, KubernautError

from .attempt import Attempts, Result
from .batch import Batch, Row
from .outage import Outage
from .report import AlarmKind, SpoolReport, numbered
from .rows import is_corrupt
from .sealing import Sealing
from .service import Service
from .spool import Spool
from .spoolfile import SpoolFile, TakenError, explained
from .tuning import Tuning
from .verdict import Judged, Verdict, told

logger: logging.Logger = logging.getLogger("kubernaut_client.spool")

T = TypeVar("T")

Alarm = Callable[[AlarmKind, str, int], None]
Job = Callable[[], Result]

_DISK_PAUSE = 1.0
_FAULT_PAUSE = 60.0
"""How long a file rests with which something is wrong that isn't expected."""
_CHECK = 60.0
_TOLD_AGAIN = 3600.0
_LONGEST_WAIT = 3600.0
_RELEASED_AT_ONCE = 4
"""Events of the quarantine that are tried again at a time."""
_FRESH = 4
"""Batches that may be begun however many can't be stored."""
_HELD_LIMIT = 256
_TOO_LARGE_TOLD = 3
"""Events in a row that are too large alone; then it is hardly the events."""


@dataclass(slots=True)
class _Fault:
    """What is wrong with a file. Nothing of it is read or written before `until`."""

    until: float
    text: str
    told: float
    """When it was told."""


class Sender:
    """`start` begins it, `stop` ends it; in between it is left alone, but for `wake`."""

    def __init__(self, spool: Spool, service: Service, tuning: Tuning, alarm: Alarm) -> None:
        self.urgent: int = 0
        """How many wait for all to be delivered; then no batch waits for more events."""
        self.scanned: bool = False
        """Whether the directory was looked at for files without an owner, since the last file was set aside."""
        self.last_error: str | None = None
        self.last_success: datetime | None = None
        self.outage: Outage = Outage(tuning, alarm)
        self.progress: threading.Condition = threading.Condition()
        """Told whenever something was settled."""
        self._process_id = os.getpid()
        self._spool = spool
        self._service = service
        self._tuning = tuning
        self._clock = tuning.clock
        self._alarm = alarm
        self._attempts = Attempts(service, tuning)
        self._sealing = Sealing(tuning)
        self._totals = {Verdict.STORED: 0, Verdict.QUEUED: 0}
        self._quarantined = 0
        self._bell: SimpleQueue[None] = SimpleQueue()  # not an event: a signal handler may ring in the middle of a ring
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._results: SimpleQueue[Result] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stopping = self._given_up = False
        self._active: set[Batch] = set()
        self._unsettled: list[Batch] = []
        self._held: list[Batch] = []
        """Known not to have arrived; sent again when their time comes."""
        self._unrecorded: list[tuple[SpoolFile, Callable[[], None]]] = []
        """What the disk didn't take yet."""
        self._faults: dict[SpoolFile, _Fault] = {}
        """Files with which something is wrong."""
        self._examined: object = None
        """The family that is taken apart although nothing shows that the service can store anything."""
        self._stored = 0.0
        """When something was stored last."""
        self._stored_in: dict[str, float] = {}
        """The same for each month."""
        self._told: set[str] = set()
        """Months of which it was told that their events can't be stored."""
        self._too_large_in_row = 0
        self._fresh_turn = False
        self._next_scan = 0.0
        self._next_check = self._next_expiring = 0.0

    # ---- life ------------------------------------------------------------------------------------------------------

    def start(self) -> bool:
        """Begin, or go on beginning: False if a thread can't be had now, as at the end of an interpreter."""
        targets = [self._run, *(self._work for _ in range(self._tuning.in_flight))]
        while len(self._threads) < len(targets):
            number = len(self._threads)
            name = f"kubernaut_client.spool {f'sends {number}' if number else 'decides'}"
            thread = threading.Thread(target=targets[number], name=name, daemon=True)
            # Noted first: a signal handler may come in the middle, and emit, and so get here.
            self._threads.append(thread)
            try:
                thread.start()
            except BaseException as error:
                if thread.ident is None:
                    self._threads.remove(thread)
                if not isinstance(error, RuntimeError):
                    raise
                self.last_error = str(error)
                return False
        return True

    def wake(self) -> None:
        self._bell.put(None)

    def decides(self) -> bool:
        """Whether the calling thread is the one that decides, which must not wait for itself."""
        return bool(self._threads) and threading.current_thread() is self._threads[0]

    def stop(self, timeout: float) -> None:
        """Begin nothing more, and wait so long for what is in progress; its result is lost if that takes longer."""
        self._stopping = True
        self.wake()
        if self._threads and self._threads[0].is_alive() and not self.decides():
            self._threads[0].join(timeout)
        self.give_up()

    def give_up(self) -> None:
        """Wait for nothing more."""
        self._given_up = True
        self.wake()
        for _ in self._threads[1:]:
            self._jobs.put(None)

    # ---- what it knows ---------------------------------------------------------------------------------------------

    def count_quarantined(self) -> None:
        """One more was set apart, by somebody else."""
        with self.progress:
            self._quarantined += 1

    def totals(self) -> SpoolReport:
        count = self._spool.count
        with self.progress:
            unsettled = sum(len(batch) for batch in (*self._unsettled, *self._active))
            return SpoolReport(
                stored=self._totals[Verdict.STORED],
                queued=self._totals[Verdict.QUEUED],
                quarantined=self._quarantined,
                unsettled=unsettled,
                waiting=max(count - unsettled, 0),
            )

    # ---- the threads -----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                with self._spool.locks.requests:
                    self._results.put(job())
                self.wake()
        finally:
            self._service.leave()

    def _run(self) -> None:
        # Greenlets, unlike threads, go on in a forked child.
        while not self._given_up and os.getpid() == self._process_id:
            try:
                self._collect()
                if self._given_up:
                    return
                if self._stopping:
                    # What is in progress may still come to an end, and should be noted.
                    if not self._active and not self._unrecorded:
                        return
                    pause = _DISK_PAUSE
                else:
                    self._keep_up()
                    pause = self._dispatch()
                    if self._spool.salvaging:
                        self._spool.salvage(self._clock.monotonic())
                        pause = 0
            # Whatever it is, events go on being kept, and are delivered once it has passed.
            except BaseException as error:  # an observer's SystemExit, too
                if self._given_up:  # the files are closed by now
                    return
                logger.exception("delivering audit events failed; they are kept, and it is tried again")
                self.last_error = type(error).__name__
                pause = _DISK_PAUSE
            with suppress(Empty):
                self._bell.get(timeout=max(pause, 0.001))
                while True:
                    self._bell.get_nowait()

    def _collect(self) -> None:
        again, self._unrecorded = self._unrecorded, []
        now = self._clock.monotonic()
        for file, write in again:
            if self._rests(file, now):
                self._unrecorded.append((file, write))
            else:
                self._record(file, write)
        while True:
            try:
                result = self._results.get_nowait()
            except Empty:
                return
            with self.progress:
                self._active.discard(result.batch)
                if result.batch.sent is not None:
                    self._unsettled.append(result.batch)
                else:
                    self._held.append(result.batch)
            self._of_file(result.batch.file, self._handle, result)
            with self.progress:
                self.progress.notify_all()

    # ---- what is done next -----------------------------------------------------------------------------------------

    def _dispatch(self) -> float:
        """Begin what can be begun; for how long there is nothing else to do."""
        while True:
            now = self._clock.monotonic()
            if self.outage.since is not None:
                if self._active:
                    return self._tuning.scan
                if now < self.outage.until:
                    return min(self.outage.until - now, self._tuning.scan)
            # One more than can be sent is ready, so that nobody waits for it.
            if len(self._active) > self._tuning.in_flight:
                return self._tuning.scan
            job, wait = self._next(now)
            if job is None:
                return wait
            self._jobs.put(job)

    def _next(self, now: float) -> tuple[Job | None, float]:
        """What is most due, or for how long nothing is."""
        usable = [batch for batch in (*self._unsettled, *self._held) if not self._rests(batch.file, now)]
        due = sorted((batch for batch in usable if batch.not_before <= now), key=lambda batch: batch.not_before)
        rounds: list[list[Batch] | None] = [due, None]
        # Every other turn begins with what is new: however much a file has that is to be looked for, no other waits.
        self._fresh_turn = not self._fresh_turn
        if self._fresh_turn and self.outage.since is not None:
            # While nothing gets through, it begins with what hasn't failed: the others may be to blame.
            good = [batch for batch in due if batch.sent is not None or not (batch.unsent or batch.failures)]
            rounds = [good, None, due]
        elif self._fresh_turn:
            rounds = [None, due]
        wait = self._tuning.scan
        for batches in rounds:
            if batches is None:
                job, wait = self._next_fresh(now)
            else:
                jobs = (self._of_file(batch.file, self._again, batch, now) for batch in batches)
                job = next(filter(None, jobs), None)
            if job is not None:
                return job, 0
        return None, min([wait, *(max(batch.not_before - now, 0.001) for batch in usable)])

    def _next_fresh(self, now: float) -> tuple[Job | None, float]:
        wait = self._tuning.scan
        held = Counter(batch.file for batch in self._held)
        failing = Counter(batch.file for batch in self._held if batch.failures)
        begun = Counter(batch.file for batch in (*self._active, *self._unsettled))
        for file in (*self._spool.files[1:], *self._spool.files[:1]):
            # As in a long outage: memory stays flat, the events are on the disk.
            room = self._tuning.open_batches - begun[file]
            if held[file] >= _HELD_LIMIT or room <= min(failing[file], self._tuning.open_batches - _FRESH):
                continue
            if self._rests(file, now):
                continue
            fresh = self._of_file(file, self._fresh, file, now)
            if callable(fresh):
                return fresh, 0
            wait = wait if fresh is None else min(wait, fresh)
        return None, wait

    def _rests(self, file: SpoolFile, now: float) -> bool:
        """Whether a file is left alone for now, as something is wrong with it."""
        fault = self._faults.get(file)
        return fault is not None and now < fault.until

    def _of_file(self, file: SpoolFile, ask: Callable[..., T], *arguments: Any) -> T | None:
        """What is asked of a file; None if that fails, whatever it is, which is a matter of this file alone."""
        try:
            return ask(*arguments)
        except Exception as error:  # noqa: BLE001 - see above
            self._file_failed(error, file)
            return None

    def _again(self, batch: Batch, now: float) -> Job | None:
        """Another look at what may have arrived, or another attempt at what has not."""
        rows = batch.file.rows(batch.ids)
        batch.ids = [row.id for row in rows]  # some may have been set apart
        if not rows:
            self._forget(batch)
            return None
        if batch.sent is not None:
            with self.progress:
                self._unsettled.remove(batch)
                self._active.add(batch)
            return lambda: self._attempts.look(batch, rows)
        if not self._sealing.claim(batch, rows):
            batch.not_before = now + self._tuning.linger
            return None
        if batch.newest_first:
            rows.sort(key=lambda row: row.time.rstrip("Z"), reverse=True)
        with self.progress:
            self._held.remove(batch)
            self._active.add(batch)
        return lambda: self._attempts.send(batch, rows)

    def _fresh(self, file: SpoolFile, now: float) -> Job | float | None:
        """An attempt at the next events of a file; else in how many seconds there may be one."""
        if not self._sealing.knows(file):
            self._load(file)
        urgent = bool(self.urgent) or file is not self._spool.current
        wait = self._sealing.ready_in(file, now, urgent=urgent)
        if wait is None or wait > 0:
            return wait
        sealed = self._sealing.seal(file, now)
        if sealed is None:
            return self._tuning.linger
        batch, rows = sealed
        with self.progress:
            self._active.add(batch)
        return lambda: self._attempts.send(batch, rows)

    # ---- what follows ----------------------------------------------------------------------------------------------

    def _handle(self, result: Result) -> None:
        batch, judged = result.batch, result.judged
        now = self._clock.monotonic()
        if result.fault is not None and batch.sent is None:
            self._sealing.twins.forget(batch)
            batch.not_before = now
        if batch.file not in self._spool.files:
            self._forget(batch)
        elif isinstance(result.fault, TakenError):
            self._lost_file(batch.file)
        elif result.fault is not None:
            batch.unsent += 1
            batch.not_before = now + self._tuning.put_off.wait(min(batch.unsent, 30))
            self._file_failed(result.fault, batch.file)
        elif judged is not None and judged.verdict in (Verdict.STORED, Verdict.QUEUED):
            self._settled(batch, judged.verdict)
        elif judged is not None and judged.verdict is Verdict.REFUSED:
            self._absent(batch)
            self.last_error = judged.reason
            self._refused(batch, result.rows, judged)
        elif judged is not None and judged.verdict is Verdict.UNSENT:
            self._absent(batch)
            self._unsent(batch, judged)
        else:
            self._looked(result)
        if batch.sent is not None and batch.not_before <= now:
            batch.not_before = now + self._tuning.pause.wait(1)

    def _looked(self, result: Result) -> None:
        """After an attempt whose outcome had to be looked for, or another look."""
        batch, judged = result.batch, result.judged
        if result.seen:
            self._settled(batch, Verdict.STORED)
            return
        refused = isinstance(result.trouble, APIError) and result.trouble.status < 500
        if judged is not None and (judged.verdict is Verdict.LOST or not result.healthy):
            self._trouble(judged.reason, judged.error)
        elif judged is not None:
            self.last_error = judged.reason
        elif result.trouble is not None:
            reason = told(result.trouble)
            # Who may not read may still write.
            if refused:
                self.last_error = reason
            else:
                self._trouble(reason, result.trouble)
        if result.seen is None:
            batch.looks += 1
            batch.not_before = self._clock.monotonic() + self._tuning.pause.wait(min(batch.looks, 30))
        elif batch.final or result.looked >= batch.until:
            self._absent(batch)
            if judged is not None and judged.verdict is Verdict.FAILED and result.healthy:
                self._failing(batch, judged)
        else:
            self._look_later(batch, result.looked)

    def _look_later(self, batch: Batch, looked: float) -> None:
        batch.looked = batch.looked or looked
        later = [batch.looked + after for after in self._tuning.looks if batch.looked + after > looked]
        batch.not_before = min([*later[:1], batch.until])

    def _settled(self, batch: Batch, how: Verdict) -> None:
        """A batch arrived."""
        now = self._clock.monotonic()
        sent, ranges, file = batch.sent, batch.ranges, batch.file
        with self.progress:
            self._unsettled.remove(batch)
            self._totals[how] += len(batch)
        self._sealing.twins.forget(batch)
        self._sealing.grow()
        before, self._stored = self._stored, now
        self._too_large_in_row = 0
        self.last_success = datetime.fromtimestamp(self._clock.time(), UTC)
        # What could not be stored of the month may be stored now.
        if now - self._stored_in.get(batch.month, 0.0) > self._tuning.put_off.wait_max or batch.month in self._told:
            for other in self._held:
                if other.failures and other.month == batch.month:
                    other.not_before = min(other.not_before, now)
        self._stored_in[batch.month] = now
        self._told.discard(batch.month)
        self._well(now, before)
        if sent is not None:
            self._record(file, lambda: file.stored(sent, ranges))
            self._record(file, lambda: self._spool.trim(file))

    def _absent(self, batch: Batch) -> None:
        """A batch didn't arrive, and won't any more: it may be sent again."""
        self._sealing.twins.forget(batch)
        sent, batch.sent, file = batch.sent, None, batch.file
        batch.not_before = self._clock.monotonic()
        batch.looked = 0.0
        with self.progress:
            if batch in self._unsettled:
                self._unsettled.remove(batch)
                self._held.append(batch)
        if sent is not None:
            self._record(file, lambda: file.absent(sent))

    def _unsent(self, batch: Batch, judged: Judged) -> None:
        """Nothing of a batch arrived, and as far as anybody says it isn't its fault."""
        now = self._clock.monotonic()
        batch.unsent += 1
        batch.unsent_since = batch.unsent_since or now
        self._trouble(judged.reason, judged.error)
        if self._stored > batch.unsent_since:
            # Others get through: it may be something before the service that dislikes just this one.
            batch.not_before = now + self._tuning.put_off.wait(min(batch.unsent, 30))

    def _well(self, now: float, stored_before: float) -> None:
        """The service has taken, or refused, something; when it had stored something last before that."""
        if self.outage.over(now):
            for batch in self._held:
                if batch.unsent and batch.unsent_since >= stored_before:
                    batch.not_before = min(batch.not_before, now)

    def _trouble(self, reason: str, error: KubernautError | None = None) -> None:
        self.last_error = reason
        self.outage.failed(self._clock.monotonic(), reason, self._spool.count, error)

    def _failing(self, batch: Batch, judged: Judged) -> None:
        """The service can't store a batch, although it says that it is well: a fault of one of its events, or not."""
        now = self._clock.monotonic()
        batch.failures += 1
        batch.failing = now if batch.failing is None else batch.failing
        batch.not_before = now + self._tuning.put_off.wait(min(batch.failures, 30))
        if batch.released and len(batch) == 1:
            self._set_unstorable(batch, judged)
            return
        if batch.failures < self._tuning.failures:
            return
        able = self._stored_in.get(batch.month, 0.0) > batch.failing
        if not able:
            # Nothing of the month can be stored: then it is hardly the events. One batch is taken apart to find out.
            if self._stored <= batch.failing:
                self._trouble(judged.reason, judged.error)
            self._tell_unstorable(batch, judged)
            others = (*self._held, *self._active)
            if not any(self._examined is other.family for other in others):
                self._examined = batch.family
            smaller = any(1 < len(other) < len(batch) for other in others if other.family is batch.family)
            if len(batch) == 1 or self._examined is not batch.family or smaller:
                return
        if len(batch) == 1:
            self._set_unstorable(batch, judged)
        else:
            self._replace(batch, *batch.halves())

    def _set_unstorable(self, batch: Batch, judged: Judged) -> None:
        again = self._clock.time() + self._tuning.unstorable_again
        self._quarantine(batch, {batch.ids[0]: ("unstorable", judged.reason)}, int(again))

    def _tell_unstorable(self, batch: Batch, judged: Judged) -> None:
        if batch.month not in self._told:
            self._told.add(batch.month)
            why = (
                f"the service can't store audit events of {batch.month} although its health is good, as when the table "
                f"has no partition for the month; they are kept: {judged.reason}"
            )
            self._alarm("unstorable", why, len(batch))

    # ---- refusals --------------------------------------------------------------------------------------------------

    def _refused(self, batch: Batch, rows: Sequence[Row], judged: Judged) -> None:
        why = judged.refusal or Refusal(Blame.NONE, reason=judged.reason)
        if why.blame is Blame.SIZE:
            self._too_large(batch, rows, judged)
            return
        self._well(self._clock.monotonic(), self._stored)
        if why.blame is Blame.NONE and len(batch) > 1:
            self._replace(batch, *batch.halves())
            return
        named = why.named or {0: why.reason}
        first, reason = next(iter(named.items()))
        if why.blame is Blame.FIRST and why.mistimed is Mistimed.IN_FUTURE:
            self._too_early(batch, rows, rows[first], why)
            return
        apart = {rows[place].id: ("refused", text) for place, text in named.items()}
        if why.blame is Blame.FIRST and why.mistimed is Mistimed.TOO_OLD:
            batch.newest_first = True
            oldest = _moment(rows[first])
            apart |= {row.id: ("expired", reason) for row in rows if _moment(row) <= oldest}
        self._quarantine(batch, apart)

    def _too_early(self, batch: Batch, rows: Sequence[Row], named: Row, why: Refusal) -> None:
        """An event is ahead of the service's clock: it waits, and all that are further ahead with it."""
        service_now = why.now or datetime.fromtimestamp(self._clock.time(), UTC)
        edge = min(_moment(named), service_now + limits.EVENT_LEAD_LIMIT)
        early = [row for row in rows if _moment(row) >= edge]
        lead = min(_moment(row) for row in early) - limits.EVENT_LEAD_LIMIT - service_now
        waits = batch.of(row.id for row in early)
        waits.not_before = self._clock.monotonic() + min(max(lead.total_seconds(), 1.0), _LONGEST_WAIT)
        others = batch.of(row.id for row in rows if _moment(row) < edge)
        self._replace(batch, waits, others)

    def _too_large(self, batch: Batch, rows: Sequence[Row], judged: Judged) -> None:
        if len(batch) > 1:
            self._sealing.shrink(rows)
            self._replace(batch, *batch.halves())
            return
        self._too_large_in_row += not batch.refusals
        if self._too_large_in_row > _TOO_LARGE_TOLD:
            self._trouble(judged.reason, judged.error)
        elif not batch.refusals:
            self._alarm("too_large", f"an audit event of {len(rows[0].body)} bytes is kept: {judged.reason}", 1)
        batch.refusals += 1
        batch.not_before = self._clock.monotonic() + self._tuning.put_off.wait(min(batch.refusals, 30))

    def _quarantine(self, batch: Batch, reasons: dict[int, tuple[str, str]], again: int | None = None) -> None:
        file, now = batch.file, int(self._clock.time())
        rows = [(identity, kind, reason) for identity, (kind, reason) in reasons.items()]
        with self.progress:
            self._quarantined += len(rows)
        self._record(file, lambda: file.quarantine(rows, now, again))
        self._replace(batch, batch.of(identity for identity in batch.ids if identity not in reasons))
        # The reason may quote the event, so it stays in the file.
        identity, kind, _ = rows[0]
        name = f"{file.path.stem}:{identity}"
        text = f"set apart as {kind}: {numbered(len(rows))}, the first is {name}; `list` tells why"
        self._alarm("quarantined", text, len(rows))

    def _replace(self, batch: Batch, *others: Batch) -> None:
        with self.progress:
            self._held.remove(batch)
            self._held += [other for other in others if other.ids]

    # ---- files -----------------------------------------------------------------------------------------------------

    def _keep_up(self) -> None:
        """Now and then: adopt files, release what is due, tidy up, and see whether events expire."""
        now = self._clock.monotonic()
        if now < self._next_scan:
            return
        self._next_scan = now + self._tuning.scan
        for file in self._spool.clear_lost():
            self._drop_batches(file)
        while self._spool.corrupt:
            self._corrupt(*self._spool.corrupt.pop())
        self._spool.notice_removal()
        complete = True
        with suppress(OSError):
            complete = self._spool.adopt(now)
        check = now >= self._next_check
        for file in tuple(self._spool.files):
            if not self._rests(file, now):
                self._of_file(file, self._keep_up_file, file, check)
        self._faults = {file: fault for file, fault in self._faults.items() if file in self._spool.files}
        if check:
            self._next_check = now + _CHECK
            if now >= self._next_expiring:
                self._tell_expiring(now)
        self.scanned = complete and not self._spool.salvaging
        with self.progress:
            self.progress.notify_all()

    def _keep_up_file(self, file: SpoolFile, check: bool) -> None:
        if not self._sealing.knows(file):
            self._load(file)
        file.notice_appended()
        if check:
            file.recount()
        released = sum(batch.released for batch in self._held)
        for identity in file.due(self._clock.time(), max(_RELEASED_AT_ONCE - released, 0)):
            row = file.release(identity)
            if row is None:
                continue
            self._sealing.take(file, row.id)
            # Alone, and set apart again if it fails, as it was.
            batch = Batch(file, [row.id], row.month, released=True)
            with self.progress:
                self._held.append(batch)
        file.tidy()
        self._spool.trim(file)
        rests = not file.count and not any(self._batches_of(file))
        if self._spool.drop(file) or (rests and self._spool.rest(file, self._clock.monotonic())):
            self._drop_batches(file)

    def _tell_expiring(self, now: float) -> None:
        earliest: list[str] = []
        for file in self._spool.files:
            found = self._of_file(file, file.earliest)
            earliest += [found] if found else []
        if not earliest:
            return
        age = self._clock.time() - datetime.fromisoformat(min(earliest)).timestamp()
        if age >= self._tuning.expiry_alarm:
            self._next_expiring = now + _TOLD_AGAIN
            left = limits.EVENT_AGE_LIMIT.total_seconds() - age
            text = f"the oldest audit event is {age / 86400:.1f} days old; after 7 the service refuses it"
            self._alarm("expiring", text if left > 0 else f"{text}, as it does by now", 0)

    def _load(self, file: SpoolFile) -> None:
        """What may have arrived of a file that was opened; nothing of it is sent before that is known."""
        now, boot = self._clock.monotonic(), self._clock.boot
        longest = self._tuning.attempt + self._tuning.fence
        found: list[Batch] = []
        arrived: list[tuple[int, tuple[tuple[int, int], ...]]] = []
        taken: set[int] = set()
        try:
            for each in file.sent():
                ids = file.ids(each.ranges)
                taken.update(ids)
                if each.stored or not ids:
                    arrived.append((each.id, each.ranges))
                    continue
                # The clock of another boot says nothing, so all of the time is waited for once more.
                same = each.boot == boot != "" and each.until <= now + longest
                until = each.until if same else now + longest
                batch = Batch(file, ids, "", sent=each.id, until=until, baseline=each.baseline)
                found.append(batch)
                for row in file.rows(ids):
                    batch.month = batch.month or row.month
                    self._sealing.twins.add(row, batch)
        except BaseException:
            for batch in found:
                self._sealing.twins.forget(batch)
            raise
        self._sealing.begin(file, taken)
        with self.progress:
            self._unsettled += found
        for identity, ranges in arrived:
            self._record(file, partial(file.stored, identity, ranges))

    def _forget(self, batch: Batch) -> None:
        self._sealing.twins.forget(batch)
        with self.progress:
            for batches in (self._unsettled, self._held):
                if batch in batches:
                    batches.remove(batch)

    def _lost_file(self, file: SpoolFile) -> None:
        """Another process has it, and delivers what is in it."""
        self._spool.lose(file)
        for each in self._spool.clear_lost():
            self._drop_batches(each)

    def _corrupt(self, file: SpoolFile, error: Exception) -> None:
        self.scanned = False
        self._drop_batches(file)
        self._spool.set_aside(file, error)

    def _drop_batches(self, file: SpoolFile) -> None:
        self._sealing.forget(file)
        for batch in self._batches_of(file):
            self._forget(batch)

    def _batches_of(self, file: SpoolFile) -> Iterator[Batch]:
        yield from [batch for batch in (*self._unsettled, *self._held) if batch.file is file]

    def _record(self, file: SpoolFile, write: Callable[[], None]) -> None:
        """Write something down; if the disk doesn't take it, again and again, before anything else is sent."""
        if file not in self._spool.files:
            return
        try:
            write()
        except Exception as error:  # noqa: BLE001 - see `_of_file`
            if not is_corrupt(error):
                self._unrecorded.append((file, write))
            self._file_failed(error, file)

    def _file_failed(self, error: Exception, file: SpoolFile) -> None:
        """Something is wrong with a file, or with the disk: the file is left alone for a while."""
        if file not in self._spool.files:
            return
        if is_corrupt(error):
            self._corrupt(file, error)
            return
        now = self._clock.monotonic()
        if isinstance(error, (sqlite3.Error, OSError)):
            text, pause = str(explained(error, file.path)), _DISK_PAUSE
            for each in tuple(self._spool.files):
                # What was written since the last checkpoint takes several times as much as what is in it.
                with suppress(sqlite3.Error), self._spool.locks.writing:
                    each.cut_log()
        else:
            text, pause = f"{file.path} can't be delivered: {type(error).__name__}", _FAULT_PAUSE
            logger.error("delivering what is in a file failed", exc_info=error)
        before = self._faults.get(file)
        told = before is not None and before.text == text and now < before.told + _TOLD_AGAIN
        self._faults[file] = _Fault(now + pause, text, before.told if told and before else now)
        self.last_error = text
        if not told:
            self._alarm("disk", text, 0)


def _moment(row: Row) -> datetime:
    return datetime.fromisoformat(row.time)
