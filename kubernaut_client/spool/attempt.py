"""One request about a batch and what is learnt from it: an attempt to store it, a look for it, or both in this order.

Runs in the threads that make the requests. What follows from a result is left to `sender`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubernaut_client.errors import KubernautError

from .batch import Batch, Row, content_of, witnesses
from .service import Service
from .tuning import Tuning
from .verdict import Judged, Verdict, arrived, forbidden, judge, told


@dataclass(slots=True)
class Result:
    """What came of it."""

    batch: Batch
    rows: Sequence[Row]
    judged: Judged | None = None
    """Of an attempt."""
    healthy: bool | None = None
    """What the service's health was after it said that it failed."""
    seen: bool | None = None
    """Whether the batch is there; None if that couldn't be asked."""
    looked: float = 0.0
    """When it was asked for, by the monotonic clock."""
    trouble: KubernautError | None = None
    """Why it couldn't."""
    fault: Exception | None = None
    """What stopped the job itself."""


class Attempts:
    """Makes the requests. A job always comes back with a result, or its batch would be in progress for ever."""

    def __init__(self, service: Service, tuning: Tuning) -> None:
        self._service = service
        self._tuning = tuning
        self._clock = tuning.clock

    def send(self, batch: Batch, rows: Sequence[Row]) -> Result:
        """Send a batch, and look for it if its answer leaves that open."""
        result = Result(batch, rows)
        try:
            self._send(batch, rows, result)
        except Exception as error:  # noqa: BLE001 - see the class
            result.fault = error
        return result

    def look(self, batch: Batch, rows: Sequence[Row]) -> Result:
        """Look for a batch that may have arrived."""
        result = Result(batch, rows)
        self._look(result)
        return result

    def _send(self, batch: Batch, rows: Sequence[Row], result: Result) -> None:
        standing = witnesses(sorted(rows), self._tuning.witnesses)
        if standing and not standing[0].own:
            # Somebody else may have stored the same event, with the time that it was given there, too.
            try:
                batch.baseline = self._service.copies(standing[0].payload())
            except KubernautError as error:
                # Without it a copy that was stored before would be taken for this one.
                if not forbidden(error):
                    result.judged = Judged(Verdict.UNSENT, told(error), error=error)
                    return
                # Whoever may write but not read goes without: nothing can be looked for then, either.
        # Its time begins before it is written down until when it may arrive: a process that is paused in between comes
        # too late to send anything.
        store = self._service.begin()
        batch.until = self._clock.monotonic() + self._service.attempt + self._tuning.fence
        batch.final = False
        batch.looks = 0
        batch.looked = 0.0
        batch.sent = batch.file.sending(batch.ranges, self._clock.time(), self._clock.boot, batch.until, batch.baseline)
        try:
            answer: int | KubernautError = store(content_of(rows))
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

    def _look(self, result: Result) -> None:
        result.looked = self._clock.monotonic()
        try:
            copies = [
                self._service.copies(row.payload()) for row in witnesses(sorted(result.rows), self._tuning.witnesses)
            ]
            result.seen = arrived(copies, result.batch.baseline)
        except KubernautError as error:
            result.trouble = error
        except Exception as error:  # noqa: BLE001 - see the class
            result.fault = error
