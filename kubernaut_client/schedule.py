"""The order in which an apply sends what its plan creates. Pure: it sends nothing, and time doesn't matter to it.

Many processes may apply the same workflows at once. So each starts at a random place, and when it meets what another
has stored it has the catalog read and goes on elsewhere, at a random place among what is left. A name is in progress
once at a time, and its versions go out in ascending order, the next one only when the one before is known to be stored.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kubernaut_datastorage.models import StoredWorkflow

from .errors import KubernautError
from .plan import PlanRow, above

CONFLICTS_PER_WALK = 4
"""A walk through what is new takes a request or two; without it, most of what is sent next would be duplicates."""
CREATES_PER_STEP = 20
"""Creates in a row, after which one more name is written at a time."""
LEAST_CREATES_PER_WALK = 4
"""Versions that others may miss, after which at the earliest a walk looks for those of others."""


@dataclass(slots=True)
class _Name:
    """What is left to do for one name."""

    rows: deque[PlanRow]
    busy: bool = False
    dispute: KubernautError | None = None
    """The 409, or the 500 that may be one, that its first row met, while the stored row hasn't been seen."""
    stored: dict[str, StoredWorkflow] = field(default_factory=dict[str, StoredWorkflow])
    """What walks have shown of it, by version."""
    ours: set[str] = field(default_factory=set[str])
    """The versions that we have stored, so that a walk which shows them says nothing of others."""

    def add(self, rows: Iterable[StoredWorkflow]) -> None:
        """Take in what a walk has shown. A latest version replaces the one that a walk before has shown."""
        rows = list(rows)
        if any(row.is_latest_version for row in rows):
            for before in self.stored.values():
                before.is_latest_version = False
        self.stored.update((row.version, row) for row in rows)

    @property
    def overtaken(self) -> bool:
        """Whether a walk has shown a latest version that is higher than the one that would be sent next."""
        return any(row.is_latest_version and above(row.version, self.rows[0].version) for row in self.stored.values())


class Schedule:
    """The rows that are still to be created. `take` one, then say what became of it.

    With `demote` a version is sent also where a higher one is the latest.
    """

    def __init__(
        self, rows: Iterable[PlanRow], most: int, draw: random.Random | None = None, *, demote: bool = False
    ) -> None:
        self._draw = draw or random.Random()
        self._demote = demote
        self._most = most
        self._width = float(most)
        self._names: dict[str, _Name] = {}
        for row in rows:
            self._names.setdefault(row.name, _Name(deque())).rows.append(row)
        self._ready = deque(self._names)
        self._ours: deque[str] = deque()
        self._late: list[str] = []
        self._conflicts = 0
        self._walked_at = 0
        self._unwatched = 0
        self._all_listed = False
        self._rotate()

    @property
    def width(self) -> int:
        """How many names to write at a time; halved by a conflict, as what is in progress is likely to meet one too."""
        return int(self._width)

    def take(self) -> PlanRow | None:
        """A row to send now; None while every name that is left is in progress or waits for a walk or a look."""
        while self._ready or self._ours or self._late:
            if self._ready or self._ours:
                name = (self._ready or self._ours).popleft()
            else:
                name = self._late.pop(self._draw.randrange(len(self._late)))
            state = self._names.get(name)
            if state is not None and not state.busy and state.dispute is None and not self._waits(state):
                state.busy = True
                return state.rows[0]
        return None

    def created(self, row: PlanRow) -> None:
        """It is stored by us; the next version of its name comes in the next round, as nobody else is at it."""
        self._width = min(self._most, self._width + 1 / CREATES_PER_STEP)
        self._names[row.name].ours.add(row.version)
        self._pop(row.name)
        if row.name in self._names:
            # In rounds only where the list may hide what isn't the latest: going on at once meets fewer others.
            (self._ours.appendleft if self._all_listed else self._ours.append)(row.name)
            self._unwatched += 1

    def met(self, row: PlanRow) -> None:
        """It is stored by someone else, and the stored row is known."""
        self._meet()
        self._pop(row.name)
        self._late.append(row.name)

    def conflict(self, row: PlanRow, error: KubernautError) -> list[StoredWorkflow]:
        """It seems to exist: what walks have shown of its name if it is among that, else nothing until it is."""
        state = self._names[row.name]
        state.busy = False
        if row.version in state.stored:
            return list(state.stored.values())
        self._meet()
        state.dispute = error
        return []

    def failed(self, row: PlanRow) -> list[PlanRow]:
        """It can't be stored; gives the later versions of its name, which aren't sent."""
        rows = self._names.pop(row.name).rows
        return list(rows)[1:]

    @property
    def walk_due(self) -> bool:
        """Whether the catalog is to be read: at the first conflict, and at every fourth from then on.

        Where others are at work and the list may hide what isn't the latest any more, also several times a round.
        """
        walks = -(-self._conflicts // CONFLICTS_PER_WALK)
        if walks > -(-self._walked_at // CONFLICTS_PER_WALK):
            return True
        round_due = self._unwatched >= max(LEAST_CREATES_PER_WALK, len(self._ours) // 8)
        return round_due and self._conflicts > 0 and not self._all_listed

    @property
    def unsettled(self) -> dict[str, tuple[PlanRow, KubernautError | None]]:
        """The names that wait for a look: their first row, and the error that it met if it was sent."""
        return {
            name: (state.rows[0], state.dispute)
            for name, state in self._names.items()
            if not state.busy and (state.dispute or self._waits(state))
        }

    @property
    def left(self) -> dict[str, list[PlanRow]]:
        """The rows of each name that are neither stored nor given up, those in progress included."""
        return {name: list(state.rows) for name, state in self._names.items()}

    def in_progress(self, row: PlanRow) -> bool:
        """Whether it was taken and nothing was said of it since."""
        state = self._names.get(row.name)
        return state is not None and state.busy and state.rows[0] is row

    def news(self, rows: Iterable[StoredWorkflow]) -> list[tuple[PlanRow, list[StoredWorkflow]]]:
        """What a walk has shown: gives the rows that it explains, each with what is known of its name.

        What is left goes on at another place.
        """
        self._walked_at, self._unwatched = self._conflicts, 0
        shown: dict[str, list[StoredWorkflow]] = {}
        for stored in rows:
            shown.setdefault(stored.workflow_name, []).append(stored)
        self._all_listed = self._all_listed or any(len(versions) > 1 for versions in shown.values())
        touched: set[str] = set()
        for name, versions in shown.items():
            state = self._names.get(name)
            if state is not None:
                state.add(versions)
                if any(row.version not in state.ours for row in versions):
                    touched.add(name)
        self._rotate(last=touched)
        explained: list[tuple[PlanRow, list[StoredWorkflow]]] = []
        for name in touched:
            state = self._names[name]
            # A row in progress is settled by its own answer, so that what we stored is ours.
            seen = [row.version in state.stored for row in state.rows]
            count = 0 if state.busy else (seen.index(False) if False in seen else len(seen))
            explained += [(row, list(state.stored.values())) for row in list(state.rows)[:count]]
        return explained

    def known(self, name: str, rows: Iterable[StoredWorkflow]) -> None:
        """Take in all that is stored of a name; what is left of it is sent late if nothing is against it."""
        if name in self._names:
            self._names[name].stored = {row.version: row for row in rows}
            self._late.append(name)

    def drop(self, row: PlanRow) -> None:
        """It isn't to be sent, or not again: somebody else is at its name, which comes last."""
        rows = self._names[row.name].rows
        if rows[0] is row:
            self._pop(row.name)
            self._late.append(row.name)
        else:
            rows.remove(row)

    def _waits(self, state: _Name) -> bool:
        return state.overtaken and not self._demote

    def _meet(self) -> None:
        self._conflicts += 1
        self._width = max(1.0, self._width / 2)

    def _pop(self, name: str) -> None:
        state = self._names[name]
        state.rows.popleft()
        state.busy, state.dispute = False, None
        if not state.rows:
            del self._names[name]

    def _rotate(self, last: Iterable[str] = ()) -> None:
        late = {*self._late, *last}
        names: Mapping[str, _Name] = self._names
        self._ours = deque(name for name in self._ours if name in names and name not in late)
        ours = set(self._ours)
        self._ready = deque(name for name in names if name not in late and name not in ours and not names[name].busy)
        self._late = [name for name in names if name in late and not names[name].busy]
        if self._ready:
            self._ready.rotate(-self._draw.randrange(len(self._ready)))
