"""Delivering what is in the spool: which batch goes next, what is asked about it, and what follows from the answers.

One thread decides, all alone, so nothing here is shared; a few others make the requests. What an answer means is in
`verdict`, how events are put together in `batch`, when nothing is sent at all in `outage`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue

from kubernaut_client import limits
from kubernaut_client.batches import Blame, Refusal
from kubernaut_client.errors import APIError, KubernautError

from .batch import Batch, Row, Twins, content_of, witnesses
from .outage import Outage, logger
from .report import AlarmKind, SpoolReport
from .service import Service
from .spool import Spool
from .spoolfile import SpoolFile, TakenError, explained, is_corrupt
from .tuning import Tuning
from .verdict import Judged, Verdict, arrived, forbidden, in_future, judge, too_old

Alarm = Callable[[AlarmKind, str, int], None]

_DISK_PAUSE = 1.0
_ALARM_CHECK = 60.0
_SKIPPED_LIMIT = 1000
"""Events of a file that wait for a twin; with more, what comes after them waits too."""
_LONGEST_WAIT = 3600.0


@dataclass(slots=True)
class _Place:
    """How far a file has been put into batches."""

    sealed: int = 0
    """The highest id that was looked at."""
    skipped: list[int] = field(default_factory=list[int])
    """Those before it that wait, as one like them is on its way."""
    taken: set[int] = field(default_factory=set[int])
    """Those behind it that belong to batches already."""
    not_before: float = 0.0
    """When it is looked at again, after nothing of it could be sent."""


@dataclass(slots=True)
class _Result:
    """What came of a job: an attempt, a look, or both, in this order."""

    batch: Batch
    rows: Sequence[Row]
    judged: Judged | None = None
    healthy: bool | None = None
    """What the service's health was after it said that it failed."""
    seen: bool | None = None
    """Whether the batch is there; None if that couldn't be asked."""
    looked: float = 0.0
    """When it was asked for."""
    trouble: KubernautError | None = None
    """Why it couldn't."""
    fault: Exception | None = None
    """What stopped the job itself."""


class Sender:
    """`start` begins it, `stop` ends it; in between it is left alone, but for `wake`."""

    def __init__(self, spool: Spool, service: Service, tuning: Tuning, alarm: Alarm) -> None:
        self.urgent = 0
        """How many wait for all to be delivered; then no batch waits for more events."""
        self.scanned = False
        """Whether the directory was looked at for files without an owner."""
        self.last_error: str | None = None
        self.last_success: datetime | None = None
        self.outage = Outage(tuning, alarm)
        self.progress = threading.Condition()
        """Told whenever something was settled."""
        self._spool = spool
        self._service = service
        self._tuning = tuning
        self._clock = tuning.clock
        self._alarm = alarm
        self._totals = {Verdict.STORED: 0, Verdict.QUEUED: 0}
        self._quarantined = 0
        self._bell = threading.Event()
        self._jobs: SimpleQueue[Callable[[], _Result] | None] = SimpleQueue()
        self._results: SimpleQueue[_Result] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stopping = self._given_up = False
        self._active: set[Batch] = set()
        self._unsettled: list[Batch] = []
        self._held: list[Batch] = []
        """Known not to have arrived; sent again when their time comes."""
        self._unrecorded: list[Callable[[], None]] = []
        """What the disk didn't take yet."""
        self._disk_until = 0.0
        self._places: dict[SpoolFile, _Place] = {}
        self._twins = Twins()
        self._most_events = tuning.batch_events
        self._most_bytes = tuning.batch_bytes
        self._examined: object = None
        """The family that is taken apart although nothing shows that the service can store anything."""
        self._stored_in: dict[str, float] = {}
        """Month → when an event of it was stored last."""
        self._told: set[str] = set()
        """Months of which it was told that their events can't be stored."""
        self._next_scan = 0.0
        self._next_alarm = 0.0

    # ---- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        names = ["decides", *(f"sends {number}" for number in range(1, self._tuning.in_flight + 1))]
        targets = [self._run, *(self._work for _ in range(self._tuning.in_flight))]
        self._threads = [
            threading.Thread(target=target, name=f"kubernaut_client.spool {name}", daemon=True)
            for name, target in zip(names, targets, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        if not self._bell.is_set():
            self._bell.set()

    def stop(self, timeout: float) -> None:
        """Begin nothing more, and wait so long for what is in progress; its result is lost if that takes longer."""
        self._stopping = True
        self._bell.set()
        if self._threads:
            self._threads[0].join(timeout)
            self._given_up = True
            self._bell.set()
        for _ in self._threads[1:]:
            self._jobs.put(None)

    def count_quarantined(self) -> None:
        """One more was set apart, by somebody else."""
        with self.progress:
            self._quarantined += 1

    # ---- what it knows ---------------------------------------------------------------------------------------------

    def totals(self) -> SpoolReport:
        with self.progress:
            unsettled = sum(len(batch) for batch in (*self._unsettled, *self._active))
            return SpoolReport(
                stored=self._totals[Verdict.STORED],
                queued=self._totals[Verdict.QUEUED],
                quarantined=self._quarantined,
                unsettled=unsettled,
                waiting=max(self._spool.count - unsettled, 0),
            )

    # ---- the thread that decides -----------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                self._collect()
                if self._stopping:
                    # What is in progress may still come to an end, and should be noted.
                    if not self._active or self._given_up:
                        return
                    pause = _DISK_PAUSE
                else:
                    self._keep_up()
                    pause = self._dispatch()
            except sqlite3.Error as error:
                if self._given_up:  # the files are closed by now
                    return
                pause = self._disk_failed(error)
            # Whatever it is, events go on being kept, and are delivered once it has passed.
            except Exception as error:  # noqa: BLE001 - see above
                logger.exception("delivering audit events failed; they are kept, and it is tried again")
                self.last_error = type(error).__name__
                pause = _DISK_PAUSE
            if pause > 0:
                self._bell.wait(pause)
            self._bell.clear()

    def _collect(self) -> None:
        for record in self._unrecorded[:]:
            record()
            self._unrecorded.remove(record)
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
            try:
                self._handle(result)
            finally:
                with self.progress:
                    self.progress.notify_all()

    def _dispatch(self) -> float:
        """Begin what can be begun; for how long there is nothing else to do."""
        while True:
            now = self._clock.monotonic()
            if now < self._disk_until:
                return self._disk_until - now
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
                return max(wait, 0.001)
            self._jobs.put(job)

    def _next(self, now: float) -> tuple[Callable[[], _Result] | None, float]:
        """What is most due, or for how long nothing is."""
        waiting = sorted((*self._unsettled, *self._held), key=lambda batch: batch.not_before)
        for batch in waiting:
            if batch.not_before > now:
                break
            job = self._again(batch, now)
            if job is not None:
                return job, 0
        wait = self._tuning.scan
        if self._open() < self._tuning.open_batches:
            for file in (*self._spool.files[1:], *self._spool.files[:1]):
                ready = self._ready_in(file, now)
                if ready > 0:
                    wait = min(wait, ready)
                elif job := self._seal(file):
                    return job, 0
        due = [batch.not_before - now for batch in waiting if batch.not_before > now]
        return None, min([wait, *due])

    def _open(self) -> int:
        return len(self._active) + len(self._unsettled) + sum(batch.failures > 0 for batch in self._held)

    def _again(self, batch: Batch, now: float) -> Callable[[], _Result] | None:
        """Another look at what may have arrived, or another attempt at what has not."""
        rows = batch.file.rows(batch.ids)
        if len(rows) < len(batch):  # some were set apart, or are gone with their file
            batch.ids = [row.id for row in rows]
        if not rows:
            self._forget(batch)
            return None
        if batch.sent is not None:
            with self.progress:
                self._unsettled.remove(batch)
                self._active.add(batch)
            return lambda: self._look(_Result(batch, rows))
        if not self._claim(batch, rows):
            batch.not_before = now + self._tuning.linger
            return None
        if batch.newest_first:
            rows.sort(key=lambda row: row.time.rstrip("Z"), reverse=True)
        with self.progress:
            self._held.remove(batch)
            self._active.add(batch)
        return lambda: self._send(batch, rows)

    def _claim(self, batch: Batch, rows: Sequence[Row]) -> bool:
        """Whether no event like one of these is on its way; then these are."""
        for number, row in enumerate(rows):
            if not self._twins.add(row, batch):
                self._twins.forget(rows[:number], batch)
                return False
        return True

    def _ready_in(self, file: SpoolFile, now: float) -> float:
        """In how many seconds a batch of a file is to be made; 0 for now, and `scan` where there is nothing."""
        place = self._places.setdefault(file, _Place())
        fresh = file.last - place.sealed
        if fresh <= 0 and not place.skipped:
            return self._tuning.scan
        if now < place.not_before:
            return place.not_before - now
        if fresh >= self._most_events or place.skipped or self.urgent or file is not self._spool.current:
            return 0
        since = file.unsealed_since
        return 0 if since is None else max(since + self._tuning.linger - now, 0)

    def _seal(self, file: SpoolFile) -> Callable[[], _Result] | None:
        """Put the next events of a file together and send them; None if there are none that could be."""
        place = self._places[file]
        # Before reading, or an event that comes in between would be passed over.
        last = file.last
        rows = file.rows(place.skipped[: self._most_events]) if place.skipped else []
        behind = place.sealed
        if len(place.skipped) < _SKIPPED_LIMIT:
            fresh = file.after(place.sealed, self._most_events)
            behind = fresh[-1].id if len(fresh) == self._most_events else last
            rows += fresh
        batch = Batch(file, [], "")
        kept: list[Row] = []
        size = 2
        for row in rows:
            if row.id in place.taken:
                place.taken.discard(row.id)
                place.sealed = max(place.sealed, row.id)
                continue
            full = len(kept) >= self._most_events or (kept and size + len(row.body) + 1 > self._most_bytes)
            if full or (kept and row.month != batch.month):
                behind = place.sealed
                break
            place.sealed = max(place.sealed, row.id)
            skipped = row.id in place.skipped
            if not self._twins.add(row, batch):
                if not skipped:
                    place.skipped.append(row.id)
                continue
            if skipped:
                place.skipped.remove(row.id)
            batch.month = row.month
            kept.append(row)
            size += len(row.body) + 1
        with self._spool.locks.writing:
            # Ids that are missing were set apart, or released again under another one.
            place.sealed = max(place.sealed, behind)
            file.unsealed_since = None if place.sealed >= file.last else self._clock.monotonic() - self._tuning.linger
        if not kept:
            place.not_before = self._clock.monotonic() + self._tuning.linger
            return None
        batch.ids = [row.id for row in kept]
        with self.progress:
            self._active.add(batch)
        return lambda: self._send(batch, kept)

    # ---- the threads that make the requests ------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                self._results.put(job())
                self._bell.set()
        finally:
            self._service.leave()

    def _send(self, batch: Batch, rows: Sequence[Row]) -> _Result:
        result = _Result(batch, rows)
        try:
            self._attempt(batch, rows, result)
        # A worker must come back with something, or its batch would be in progress for ever.
        except Exception as error:  # noqa: BLE001 - see above
            result.fault = error
        return result

    def _attempt(self, batch: Batch, rows: Sequence[Row], result: _Result) -> None:
        standing = witnesses(sorted(rows), self._tuning.witnesses)
        batch.baseline = None
        if standing and not standing[0].own:
            # Somebody else may have stored the same event, with the time that it was given there, too.
            try:
                batch.baseline = self._service.copies(standing[0].payload())
            except KubernautError as error:
                # Without it a copy that was stored before would be taken for this one.
                if not forbidden(error):
                    result.judged = Judged(Verdict.UNSENT, f"{type(error).__name__}: {error}", error=error)
                    return
                # Whoever may write but not read goes without: nothing can be looked for then, either.
        longest = self._service.attempt + self._tuning.fence
        batch.until = self._clock.monotonic() + longest
        batch.final = False
        batch.looks = 0
        batch.sent = batch.file.sending(batch.ranges, self._clock.time(), self._clock.boot, batch.until, batch.baseline)
        try:
            answer: int | KubernautError = self._service.store(content_of(rows))
        except KubernautError as error:
            answer = error
        result.judged = judge(answer, len(rows))
        if result.judged.verdict is Verdict.LOST:
            batch.until = self._clock.monotonic() + self._tuning.fence
            self._look(result)
        elif result.judged.verdict is Verdict.FAILED:
            batch.final = True
            try:
                self._service.healthy()
                result.healthy = True
            except KubernautError:
                result.healthy = False
            self._look(result)

    def _look(self, result: _Result) -> _Result:
        """Whether a batch is there."""
        result.looked = self._clock.monotonic()
        try:
            copies = [
                self._service.copies(row.payload()) for row in witnesses(sorted(result.rows), self._tuning.witnesses)
            ]
            result.seen = arrived(copies, result.batch.baseline)
        except KubernautError as error:
            result.trouble = error
        # As in `_send`.
        except Exception as error:  # noqa: BLE001 - see above
            result.fault = error
        return result

    # ---- what follows ----------------------------------------------------------------------------------------------

    def _handle(self, result: _Result) -> None:
        batch, judged = result.batch, result.judged
        if result.fault is not None and batch.sent is None:
            self._twins.forget(result.rows, batch)
        if isinstance(result.fault, TakenError):
            self._lost_file(batch.file)
        elif isinstance(result.fault, sqlite3.Error):
            self._disk_failed(result.fault, batch.file)
        elif result.fault is not None:
            logger.error("delivering a batch failed: %s", type(result.fault).__name__, exc_info=result.fault)
            self._trouble(type(result.fault).__name__)
        elif judged is not None and judged.verdict in (Verdict.STORED, Verdict.QUEUED):
            self._settled(batch, result.rows, judged.verdict)
        elif judged is not None and judged.verdict is Verdict.REFUSED:
            self._absent(batch, result.rows)
            self.last_error = judged.reason
            self._refused(batch, result.rows, judged)
        elif judged is not None and judged.verdict is Verdict.UNSENT:
            self._absent(batch, result.rows)
            self._trouble(judged.reason, judged.error)
        else:
            self._looked(result)
        if batch.sent is not None and batch in self._unsettled and not batch.not_before > self._clock.monotonic():
            batch.not_before = self._clock.monotonic() + self._tuning.pause.wait(1)

    def _looked(self, result: _Result) -> None:
        """After an attempt whose outcome had to be looked for, or another look."""
        batch, judged = result.batch, result.judged
        if result.seen:
            self._settled(batch, result.rows, Verdict.STORED)
            return
        if judged is not None and (judged.verdict is Verdict.LOST or not result.healthy):
            self._trouble(judged.reason, judged.error)
        elif judged is not None:
            self.last_error = judged.reason
        elif result.trouble is not None:
            self._trouble(f"{type(result.trouble).__name__}: {result.trouble}", result.trouble)
        if result.seen is None:
            batch.not_before = self._clock.monotonic() + self._tuning.pause.wait(max(self.outage.failures, 1))
        elif batch.final or result.looked >= batch.until:
            self._absent(batch, result.rows)
            if judged is not None and judged.verdict is Verdict.FAILED and result.healthy:
                self._failing(batch, judged)
        else:
            self._look_later(batch, result.looked)

    def _look_later(self, batch: Batch, looked: float) -> None:
        if not batch.looks:
            batch.looked = looked
        later = [batch.looked + after for after in self._tuning.looks]
        next_look = later[batch.looks] if batch.looks < len(later) else batch.until
        batch.looks += 1
        batch.not_before = min(max(next_look, looked), batch.until)

    def _settled(self, batch: Batch, rows: Sequence[Row], how: Verdict) -> None:
        """A batch arrived."""
        now = self._clock.monotonic()
        sent, ranges = batch.sent, batch.ranges
        with self.progress:
            self._unsettled.remove(batch)
            self._totals[how] += len(batch)
        self._twins.forget(rows, batch)
        self._stored_in[batch.month] = now
        self._told.discard(batch.month)
        self.last_success = datetime.fromtimestamp(self._clock.time(), UTC)
        self._well(now)
        if sent is not None:
            self._record(batch.file, lambda: batch.file.stored(sent, ranges))
            batch.file.keep_log_below(self._spool.directory.wal_limit())

    def _absent(self, batch: Batch, rows: Sequence[Row]) -> None:
        """A batch didn't arrive, and won't any more: it may be sent again."""
        self._twins.forget(rows, batch)
        sent, batch.sent = batch.sent, None
        batch.not_before = 0.0
        with self.progress:
            if batch in self._unsettled:
                self._unsettled.remove(batch)
                self._held.append(batch)
        if sent is not None:
            self._record(batch.file, lambda: batch.file.absent(sent))

    def _well(self, now: float) -> None:
        if self.outage.over(now):
            for batch in self._held:
                batch.not_before = min(batch.not_before, now) if batch.failures else batch.not_before

    def _trouble(self, reason: str, error: KubernautError | None = None) -> None:
        self.last_error = reason
        self.outage.failed(self._clock.monotonic(), reason, self._spool.count, error)

    def _failing(self, batch: Batch, judged: Judged) -> None:
        """The service can't store a batch, although it says that it is well: a fault of one of its events, or not."""
        now = self._clock.monotonic()
        batch.failures += 1
        batch.failing = now if batch.failing is None else batch.failing
        batch.not_before = now + self._tuning.put_off.wait(min(batch.failures, 30))
        if batch.failures < self._tuning.failures:
            return
        able = self._stored_in.get(batch.month, 0.0) > batch.failing
        if not able:
            # Nothing of the month can be stored: then it is hardly the events. One batch is taken apart to find out.
            self._trouble(judged.reason, judged.error)
            self._tell_unstorable(batch, judged)
            others = (*self._held, *self._active)
            if not any(self._examined is other.family for other in others):
                self._examined = batch.family
            smaller = any(1 < len(other) < len(batch) for other in others if other.family is batch.family)
            if len(batch) == 1 or self._examined is not batch.family or smaller:
                return
        if len(batch) == 1:
            again = self._clock.time() + self._tuning.unstorable_again
            self._quarantine(batch, [(batch.ids[0], "unstorable", judged.reason)], int(again))
            return
        self._replace(batch, *batch.halves())

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
        self._well(self._clock.monotonic())
        if why.blame is Blame.NONE and len(batch) > 1:
            self._replace(batch, *batch.halves())
            return
        named = why.named or {0: why.reason}
        first, reason = next(iter(named.items()))
        if why.blame is Blame.FIRST and in_future(reason):
            self._too_early(batch, rows, rows[first], why, judged)
            return
        kinds = {rows[place].id: ("refused", text) for place, text in named.items()}
        if why.blame is Blame.FIRST and too_old(reason):
            batch.newest_first = True
            oldest = _moment(rows[first])
            kinds |= {row.id: ("expired", reason) for row in rows if _moment(row) <= oldest}
        self._quarantine(batch, [(identity, kind, text) for identity, (kind, text) in kinds.items()])

    def _too_early(self, batch: Batch, rows: Sequence[Row], named: Row, why: Refusal, judged: Judged) -> None:
        """An event is ahead of the service's clock: it waits, and all that are further ahead with it."""
        service_now = why.now or _date(judged.error) or datetime.fromtimestamp(self._clock.time(), UTC)
        edge = min(_moment(named), service_now + limits.EVENT_LEAD_LIMIT)
        early = [row for row in rows if _moment(row) >= edge]
        lead = min(_moment(row) for row in early) - limits.EVENT_LEAD_LIMIT - service_now
        waits = batch.of(row.id for row in early)
        waits.not_before = self._clock.monotonic() + min(max(lead.total_seconds(), 1.0), _LONGEST_WAIT)
        others = batch.of(row.id for row in rows if _moment(row) < edge)
        self._replace(batch, waits, others)

    def _too_large(self, batch: Batch, rows: Sequence[Row], judged: Judged) -> None:
        if len(batch) > 1:
            self._most_events = max(min(self._most_events, len(batch) // 2), 1)
            self._most_bytes = max(min(self._most_bytes, sum(len(row.body) for row in rows) // 2), 1)
            self._replace(batch, *batch.halves())
            return
        if not batch.refusals:
            self._alarm("too_large", f"an audit event of {len(rows[0].body)} bytes is kept: {judged.reason}", 1)
        batch.refusals += 1
        batch.not_before = self._clock.monotonic() + self._tuning.put_off.wait(min(batch.refusals, 30))

    def _quarantine(self, batch: Batch, reasons: list[tuple[int, str, str]], again: int | None = None) -> None:
        gone = {identity for identity, _, _ in reasons}
        now = int(self._clock.time())
        with self.progress:
            self._quarantined += len(gone)
        self._record(batch.file, lambda: batch.file.quarantine(reasons, now, again))
        rest = batch.of(identity for identity in batch.ids if identity not in gone)
        self._replace(batch, *([rest] if rest.ids else []))
        identity, _, reason = reasons[0]
        text = f"{len(gone)} audit events are set apart in {batch.file.path.name}, the first is {identity}: {reason}"
        logger.error("%s", text)
        self._alarm("quarantined", text, len(gone))

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
            self._lost_file(file)
        for file in self._spool.corrupt[:]:
            self._spool.corrupt.remove(file)
            self._corrupt(file)
        if self._spool.directory.path.is_dir():
            for file in self._spool.adopt():
                self._load(file)
        for file in tuple(self._spool.files):
            for identity in file.due(self._clock.time()):
                released = file.release(identity)
                # Alone, and one failure from being set apart again, as it was.
                batch = Batch(file, [released], file.rows([released])[0].month, failures=self._tuning.failures - 1)
                self._places.setdefault(file, _Place()).taken.add(released)
                with self.progress:
                    self._held.append(batch)
            file.tidy(self._spool.directory.wal_limit())
            if self._spool.drop(file):
                self._places.pop(file, None)
        if now >= self._next_alarm:
            self._next_alarm = now + _ALARM_CHECK
            self._tell_expiring()
        self.scanned = True
        with self.progress:
            self.progress.notify_all()

    def _tell_expiring(self) -> None:
        earliest = min(filter(None, (file.earliest() for file in self._spool.files)), default=None)
        if earliest is None:
            return
        age = self._clock.time() - datetime.fromisoformat(earliest).timestamp()
        if age >= self._tuning.expiry_alarm:
            left = limits.EVENT_AGE_LIMIT.total_seconds() - age
            text = f"the oldest audit event is {age / 86400:.1f} days old; after 7 the service refuses it"
            logger.error("%s", text)
            self._alarm("expiring", text if left > 0 else f"{text}, as it does by now", 0)

    def _load(self, file: SpoolFile) -> None:
        """What may have arrived of a file that was adopted, or of which something was saved."""
        place = self._places.setdefault(file, _Place())
        now, boot = self._clock.monotonic(), self._clock.boot
        longest = self._tuning.attempt + self._tuning.fence
        known = {batch.sent for batch in (*self._unsettled, *self._active) if batch.file is file}
        for each in file.sent():
            if each.id in known:
                continue
            ids = file.ids(each.ranges)
            if each.stored or not ids:
                file.stored(each.id, each.ranges)
                continue
            rows = file.rows(ids)
            # The clock of another boot says nothing, so all of the time is waited for once more.
            same = each.boot == boot != "" and each.until <= now + longest
            batch = Batch(
                file,
                ids,
                rows[0].month,
                sent=each.id,
                until=each.until if same else now + longest,
                baseline=each.baseline,
            )
            for row in rows:
                self._twins.add(row, batch)
            place.taken.update(ids)
            with self.progress:
                self._unsettled.append(batch)

    def _forget(self, batch: Batch) -> None:
        with self.progress:
            for batches in (self._unsettled, self._held):
                if batch in batches:
                    batches.remove(batch)

    def _lost_file(self, file: SpoolFile) -> None:
        """Another process has it, and delivers what is in it."""
        self._spool.lose(file)
        self._spool.clear_lost()
        self._drop_batches(file)

    def _corrupt(self, file: SpoolFile) -> None:
        self._drop_batches(file)
        for saved in self._spool.set_aside(file):
            self._load(saved)

    def _drop_batches(self, file: SpoolFile) -> None:
        self._places.pop(file, None)
        for batch in self._batches_of(file):
            self._forget(batch)

    def _batches_of(self, file: SpoolFile) -> Iterator[Batch]:
        yield from [batch for batch in (*self._unsettled, *self._held) if batch.file is file]

    def _record(self, file: SpoolFile, write: Callable[[], None]) -> None:
        """Write something down; if the disk doesn't take it, again and again, before anything else is sent."""
        try:
            write()
        except sqlite3.Error as error:
            if not is_corrupt(error):
                self._unrecorded.append(write)
            self._disk_failed(error, file)

    def _disk_failed(self, error: sqlite3.Error, file: SpoolFile | None = None) -> float:
        if file is not None and is_corrupt(error):
            if file in self._spool.files:
                self._corrupt(file)
            return 0.0
        for each in tuple(self._spool.files):
            # What was written since the last checkpoint takes several times as much as what is in it.
            with suppress(sqlite3.Error), self._spool.locks.writing:
                each.cut_log()
        path = file.path if file is not None else self._spool.directory.path
        text = str(explained(error, path))
        if self.last_error != text:
            logger.error("%s", text)
            self._alarm("disk", text, 0)
        self.last_error = text
        self._disk_until = self._clock.monotonic() + _DISK_PAUSE
        return _DISK_PAUSE


def _moment(row: Row) -> datetime:
    return datetime.fromisoformat(row.time)


def _date(error: KubernautError | None) -> datetime | None:
    """The service's clock, by the Date header of its answer."""
    if not isinstance(error, APIError):
        return None
    try:
        date = parsedate_to_datetime(error.headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
