"""Which events of a file go into the next batch, and how far each file has been put into batches.

A batch has events of one month, none like another that is on its way, and is as large as the service takes. Events that
don't fit wait, and hold up no other. Reads the files; what is done with a batch is left to `sender`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .batch import Batch, Row, Twins
from .spoolfile import SpoolFile
from .tuning import Tuning

_SKIPPED_LIMIT = 1000
"""Events of a file that wait for others; with more, what comes after them waits too."""


@dataclass(slots=True)
class _Place:
    """How far a file has been put into batches."""

    sealed: int = 0
    """The highest id that was looked at."""
    skipped: list[int] = field(default_factory=list[int])
    """Those before it that wait: one like them is on its way, or they belong to another month."""
    taken: set[int] = field(default_factory=set[int])
    """Those behind it that belong to batches already."""
    not_before: float = 0.0
    """When it is looked at again, after nothing of it could be sent."""


class Sealing:
    """Times are those of the monotonic clock."""

    def __init__(self, tuning: Tuning) -> None:
        self.twins: Twins = Twins()
        self._tuning = tuning
        self._places: dict[SpoolFile, _Place] = {}
        self._most_events = tuning.batch_events
        self._most_bytes = tuning.batch_bytes

    def knows(self, file: SpoolFile) -> bool:
        """Whether it was told what of the file belongs to batches already. Nothing is taken from another."""
        return file in self._places

    def begin(self, file: SpoolFile, taken: set[int]) -> None:
        """A file, with the ids that belong to batches already."""
        self._places[file] = _Place(taken=taken)

    def take(self, file: SpoolFile, identity: int) -> None:
        """An event that belongs to a batch before it was looked at."""
        self._places[file].taken.add(identity)

    def forget(self, file: SpoolFile) -> None:
        self._places.pop(file, None)

    def ready_in(self, file: SpoolFile, now: float, *, urgent: bool) -> float | None:
        """In how many seconds a batch of a file is to be made; None where there is nothing for one.

        `urgent`: without waiting for more events.
        """
        place = self._places[file]
        fresh = file.appended - place.sealed
        if fresh <= 0 and not place.skipped:
            return None
        if now < place.not_before:
            return place.not_before - now
        if urgent or place.skipped or fresh >= self._most_events:
            return 0
        since = file.unsealed_since
        return 0 if since is None else max(since + self._tuning.linger - now, 0)

    def seal(self, file: SpoolFile, now: float) -> tuple[Batch, Sequence[Row]] | None:
        """The next batch of a file; None if nothing can be sent now."""
        place = self._places[file]
        # Before reading, or an event that comes in between would be passed over.
        last = file.appended
        rows = file.rows(place.skipped[: self._most_events], self._most_bytes) if place.skipped else []
        if len(place.skipped) < _SKIPPED_LIMIT:
            fresh, more = file.after(place.sealed, self._most_events, self._most_bytes)
            behind = fresh[-1].id if more else max(fresh[-1].id if fresh else 0, last)
        else:
            fresh, behind = [], place.sealed
        waiting = set(place.skipped)
        batch = Batch(file, [], "")
        kept: list[Row] = []
        size = 1  # of the request: brackets, and a comma between two events
        for row in [*rows, *fresh]:
            if row.id in place.taken:
                place.taken.discard(row.id)
                continue
            if len(kept) >= self._most_events or (kept and size + len(row.body) + 1 > self._most_bytes):
                # What was looked at ends before it; of what was skipped earlier the rest just stays.
                behind = place.sealed if row.id in waiting else min(behind, row.id - 1)
                break
            if (kept and row.month != batch.month) or not self.twins.add(row, batch):
                if row.id not in waiting:
                    place.skipped.append(row.id)
                continue
            if row.id in waiting:
                place.skipped.remove(row.id)
            batch.month = row.month
            kept.append(row)
            size += len(row.body) + 1
        # Ids that are missing were set apart, or released again under another one.
        place.sealed = max(place.sealed, behind)
        file.unsealed_since = None if place.sealed >= file.appended else now
        if not kept:
            place.not_before = now + self._tuning.linger
            return None
        batch.ids = [row.id for row in kept]
        return batch, kept

    def claim(self, batch: Batch, rows: Sequence[Row]) -> bool:
        """Whether no event like one of these is on its way; then these are."""
        if all(self.twins.add(row, batch) for row in rows):
            return True
        self.twins.forget(batch)
        return False

    def shrink(self, rows: Sequence[Row]) -> None:
        """A request with these was too large."""
        self._most_events = max(min(self._most_events, len(rows) // 2), 1)
        self._most_bytes = max(min(self._most_bytes, sum(len(row.body) for row in rows) // 2), 1)

    def grow(self) -> None:
        """A request was taken: the next one may be larger again, up to what is usual."""
        self._most_events = min(self._most_events * 2, self._tuning.batch_events)
        self._most_bytes = min(self._most_bytes * 2, self._tuning.batch_bytes)
