"""The accounting at the end of a run: what was emitted, against what is in the database and in the spool."""

import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from kubernaut_client.spool import __main__ as command
from kubernaut_client.spool import inspection

from .debris import Debris, is_altered
from .ledger import Noted


@dataclass(kw_only=True)
class Count:
    """Events, unless it says otherwise; of one run, or of several added up."""

    emitted: int = 0
    """`emit` returned."""
    stored: int = 0
    queued: int = 0
    """The service said that it has queued them."""
    lost: int = 0
    doubled: int = 0
    quarantined: int = 0
    waiting: int = 0
    in_doubt: int = 0
    """The process died while it emitted them: they may be stored, or not."""
    refused: int = 0
    """`emit` raised `SpoolError`."""
    thrown: int = 0
    """In damaged files that appeared in the directory."""
    salvaged: int = 0
    """Those among them that were delivered, or quarantined with a reason."""
    named: int = 0
    """Those that weren't, of files that are kept as damaged, newer or foreign ones."""
    altered: int = 0
    """Events in which damage has changed a letter of the key, which SQLite has no sum to tell by; they are stored."""
    kills: int = 0
    """Processes that `kill -9` hit."""
    batches: int = 0
    """Requests to store something."""
    faulty: int = 0
    """Those among them that met a fault."""
    troubles: list[str] = field(default_factory=list[str])
    """What must not happen: an error that the writer didn't expect, a file that is left over."""
    stalled: float = 0.0
    """For how many seconds this machine did nothing, at most."""

    @property
    def bad(self) -> bool:
        return bool(self.lost or self.doubled or self.waiting or self.troubles)

    def add(self, other: "Count") -> None:
        for each in fields(self):
            if each.name == "stalled":
                self.stalled = max(self.stalled, other.stalled)
            else:
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def __str__(self) -> str:
        names = [each.name for each in fields(self) if each.name not in ("troubles", "stalled")]
        return ", ".join(f"{getattr(self, name)} {name.replace('_', ' ')}" for name in names)


def key_of(event: Any) -> str:
    """The key of an event, a stored one too; "" if damage has changed it."""
    try:
        key = str(event["event_data"]["soak"])
    except (TypeError, KeyError):
        return ""
    return "" if is_altered(key) else key


def keys_of(bodies: Iterable[bytes]) -> Counter[str]:
    """Those of all events in request bodies."""
    return Counter(key for body in bodies for event in json.loads(body) if (key := key_of(event)))


def retry_quarantined(spool: Path) -> None:
    """What the command does: events that the service couldn't store are sent again, and refused ones refused again."""
    with redirect_stdout(io.StringIO()):
        command.main(["retry", str(spool)])


def count(
    place: Path, rows: Iterable[Mapping[str, Any]], queued: Counter[str], debris: Debris
) -> tuple[Count, list[str], list[str]]:
    """Also the keys of what is lost, and of what is doubled."""
    noted = Noted(place)
    stored = Counter(key_of(row) for row in rows)
    quarantined: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    for entry in inspection.entries(place / "spool"):
        if entry.readable:
            kept = waiting if entry.reason is None else quarantined
            kept[_key_in(entry.body)] += 1
    thrown = {key: name for name, keys in debris.keys.items() for key in keys}
    lost: Counter[str] = Counter()
    doubled: Counter[str] = Counter()
    salvaged = named = 0
    altered = stored.pop("", 0) + quarantined.pop("", 0) + waiting.pop("", 0)
    unknown = altered
    for key in noted.tried.keys() | stored.keys() | quarantined.keys() | waiting.keys() | thrown.keys():
        settled = stored[key] + quarantined[key]
        if key not in thrown:
            # An event that was queued may have been stored as well, if the process died before it could read the
            # answer.
            lost[key] = max(noted.kept[key] - settled - waiting[key] - queued[key], 0)
            doubled[key] = max(settled - noted.possible(key), 0)
            continue
        doubled[key] = max(settled - 1, 0)
        if settled + waiting[key] + queued[key]:
            salvaged += 1
        elif debris.is_named(thrown[key]):
            named += 1
        elif unknown:
            unknown -= 1
        else:
            lost[key] = 1
        waiting.pop(key, None)
    found = Count(
        emitted=noted.kept.total(),
        stored=stored.total(),
        queued=queued.total(),
        lost=lost.total(),
        doubled=doubled.total(),
        quarantined=quarantined.total(),
        waiting=waiting.total(),
        in_doubt=noted.tried.total() - noted.kept.total() - noted.refused.total(),
        refused=noted.refused.total(),
        thrown=len(thrown),
        salvaged=salvaged,
        named=named,
        altered=altered,
    )
    return found, sorted(+lost), sorted(+doubled)


def _key_in(body: bytes) -> str:
    try:
        return key_of(json.loads(body))
    except ValueError:
        return ""
