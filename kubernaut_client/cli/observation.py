"""What was seen of a service: one `Answer` for each question, sorted by what kind of answer it is.

No I/O here, nothing is concluded; asking is up to `doctor`, what it all means to `diagnosis`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

from .text import printable

Failure = Literal["name", "refused", "certificate", "plain", "tls", "proxy", "late", "dropped", "unreachable"]
"""Why no answer came. `plain`: TLS was offered to something that doesn't speak it."""
Kind = Literal["well", "fails", "denied", "limited", "refused", "gateway", "foreign", "silent"]
"""`fails`: a 5xx. `gateway`: one of a proxy that got no answer. `foreign`: nothing that Data Storage would answer."""

_SHOWN = 200
_GATEWAY = (502, 503, 504)
_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})?[ \t]+(?P<value>[^ \t\n]+)", re.MULTILINE)
_NAME = re.compile(r"^datastorage_\w", re.MULTILINE)
_LABEL = re.compile(r'\b(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one request. `status` None: no answer; `failure` says why, `reason` in the words of whoever knew.

    `accepted`: a documented success with the documented media type. `problem` is the one line that a problem document
    comes to. `at` is the time here, in seconds since 1970, half-way between question and answer.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)
    accepted: bool = False
    problem: str | None = None
    failure: Failure | None = None
    reason: str = ""
    seconds: float = 0.0
    at: float = 0.0

    @property
    def kind(self) -> Kind:
        if self.status is None:
            return "silent"
        if self.accepted:
            return "well"
        if self.status in (401, 403):
            return "denied"
        if self.status == 429:
            return "limited"
        if self.problem is not None:
            return "fails" if self.status >= 500 else "refused"
        if self.status in _GATEWAY:
            return "gateway"
        return "fails" if self.status >= 500 else "foreign"

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object that the body is; empty if it isn't one."""
        try:
            value: object = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}

    def member(self, *path: str | int) -> object:
        """What the JSON has at a path of names and places; None if there is nothing."""
        value: object = self.document
        for step in path:
            if isinstance(step, str) and isinstance(value, dict):
                value = cast("dict[str, object]", value).get(step)
            elif isinstance(step, int) and isinstance(value, list) and step < len(cast("list[object]", value)):
                value = cast("list[object]", value)[step]
            else:
                return None
        return value

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def location(self) -> str:
        """Where a redirect leads, without a query, which may hold secrets."""
        return shown(re.split(r"[?#]", self.headers.get("location", ""))[0])

    @property
    def words(self) -> str:
        """What came, in a few words: a status with its media type, problem or target, or why nothing came."""
        if self.status is None:
            return shown(self.reason)
        if 300 <= self.status < 400 and self.location:
            return f"{self.status}, to {self.location}"
        if self.problem is not None:
            return f"{self.status} ({shown(self.problem)})"
        return f"{self.status} ({shown(self.media_type)})" if self.media_type else str(self.status)

    @property
    def ahead(self) -> float | None:
        """Seconds by which the clock of whoever answered is ahead of the one here, to about a second.

        None without a Date header that a clock could have, or if a cache kept the answer.
        """
        from email.utils import parsedate_to_datetime

        if self.headers.get("age", "0").strip() != "0":
            return None
        try:
            date = parsedate_to_datetime(self.headers.get("date", ""))
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        if not 1970 <= date.year < 9999:
            return None
        # The header has whole seconds, cut.
        return date.replace(tzinfo=date.tzinfo or UTC).timestamp() + 0.5 - self.at


def shown(text: str) -> str:
    """Words of a stranger's: one line, bounded, nothing that a terminal would obey."""
    # By characters and not by columns, of which combining ones take none.
    safe = printable(text[: _SHOWN + 1])
    return safe if len(safe) <= _SHOWN else f"{safe[: _SHOWN - 3]}..."


def samples(text: str, name: str) -> dict[str, float]:
    """The values of one metric by the label `stream` (text exposition format of Prometheus); "" without it."""
    found: dict[str, float] = {}
    for sample in _SAMPLE.finditer(text):
        if sample["name"] == name:
            try:
                value = float(sample["value"])
            except ValueError:
                continue
            stream = dict(_LABEL.findall(sample["labels"] or "")).get("stream", "")
            total = found.get(stream, 0.0) + value
            if math.isfinite(total):
                found[stream] = total
    return found


def is_data_storage(text: str) -> bool:
    """Whether metrics are those of Data Storage, which shows some from its start, counted or not."""
    return _NAME.search(text) is not None


def moment(text: object) -> datetime | None:
    """A time of the service's; None if it is none."""
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
        return time.astimezone(UTC) if time is not None and time.tzinfo else None
    # The latter for what is before year 1, or after 9999, in UTC.
    except (ValueError, OverflowError):
        return None
