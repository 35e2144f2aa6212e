"""Points in time the way the service reads and writes them: RFC 3339 to the nanosecond, offset kept.

Python's datetime has microseconds and no year 0, and it doesn't complain in the words that callers see.
"""

from __future__ import annotations

import calendar
import datetime
import re
from dataclasses import dataclass
from typing import ClassVar, Final

LAYOUT: Final = "2006-01-02T15:04:05Z07:00"

_TIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_EPOCH: Final = datetime.date(1970, 1, 1).toordinal()
# How far into a text each part of the layout reaches, for saying at which part reading stopped.
_PARTS: Final = (
    (r"\d{4}", "2006"),
    ("-", "-"),
    (r"\d\d", "01"),
    ("-", "-"),
    (r"\d\d", "02"),
    ("T", "T"),
    (r"\d\d?", "15"),
    (":", ":"),
    (r"\d\d", "04"),
    (":", ":"),
    (r"\d\d(?:[.,]\d+)?", "05"),
    (r"Z|[+-]\d\d:\d\d", "Z07:00"),
)


class TimeError(ValueError):
    """The text is no time; the message is that of Go's parser."""


@dataclass(frozen=True)
class GoTime:
    """A time as a caller sent it, or as the clock or the database gave it: RFC 3339 without trailing zeros."""

    text: str

    ZERO: ClassVar[GoTime]

    @classmethod
    def parse(cls, text: str) -> GoTime:
        """Read a time as Go's JSON decoder does.

        Raises:
            TimeError: The text is no time, or there is no such time.
        """
        match = _TIME.fullmatch(text)
        if match is None:
            raise TimeError(_complaint(text))
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        if not 1 <= month <= 12:
            raise TimeError(f"parsing time {quote(text)}: month out of range")
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        last = 29 if month == 2 and leap else calendar.monthrange(2001, month)[1]
        zone = match[8]
        for wrong, name in (
            (not 1 <= day <= last, "day"),
            (hour > 23, "hour"),
            (minute > 59, "minute"),
            (second > 59, "second"),
            (zone != "Z" and int(zone[1:3]) > 24, "time zone offset hour"),
            (zone != "Z" and int(zone[4:6]) > 60, "time zone offset minute"),
        ):
            if wrong:
                raise TimeError(f"parsing time {quote(text)}: {name} out of range")
        fraction = (match[7] or "")[:10].rstrip("0").rstrip(".")
        if zone[1:] == "00:00":
            zone = "Z"
        return cls(text[:19] + fraction + zone)

    @classmethod
    def from_nanoseconds(cls, nanoseconds: int) -> GoTime:
        """A point in time by its distance from 1970, in UTC."""
        moment = datetime.datetime.fromtimestamp(nanoseconds // 10**9, datetime.UTC)
        fraction = f"{nanoseconds % 10**9:09}".rstrip("0")
        return cls(f"{moment:%Y-%m-%dT%H:%M:%S}{'.' + fraction if fraction else ''}Z")

    @classmethod
    def from_database(cls, moment: datetime.datetime) -> GoTime:
        """A timestamp of the database, in UTC, to the microsecond."""
        moment = moment.astimezone(datetime.UTC)
        fraction = f".{moment.microsecond:06}".rstrip("0").rstrip(".")
        return cls(f"{moment.replace(microsecond=0, tzinfo=None).isoformat()}{fraction}Z")

    @property
    def offset(self) -> int:
        """Seconds by which its zone is ahead of UTC."""
        if self.text.endswith("Z"):
            return 0
        sign, hours, minutes = self.text[-6], int(self.text[-5:-3]), int(self.text[-2:])
        return (hours * 3600 + minutes * 60) * (-1 if sign == "-" else 1)

    def nanoseconds(self) -> int:
        """Its distance from 1970; negative before."""
        year, month, day = int(self.text[:4]), int(self.text[5:7]), int(self.text[8:10])
        # Python has no year 0. The calendar repeats every 400 years, of 146,097 days.
        days = datetime.date(year or 400, month, day).toordinal() - (0 if year else 146_097) - _EPOCH
        hour, minute, second = int(self.text[11:13]), int(self.text[14:16]), int(self.text[17:19])
        fraction = re.match(r"\.\d+", self.text[19:])
        below = int(fraction[0][1:].ljust(9, "0")) if fraction else 0
        return ((days * 24 + hour) * 3600 + minute * 60 + second - self.offset) * 10**9 + below

    def without_fraction(self) -> str:
        """The time in whole seconds, in its own zone."""
        return re.sub(r"\.\d+", "", self.text)

    def for_database(self) -> str:
        """The time as PostgreSQL reads it, cut, not rounded, to microseconds."""
        return re.sub(r"(\.\d{6})\d+", r"\1", self.text)

    def __str__(self) -> str:
        return self.text


GoTime.ZERO = GoTime("0001-01-01T00:00:00Z")


def quote(text: str) -> str:
    """A text in double quotes, as Go's time package prints it in errors."""
    pieces: list[str] = []
    for character in text:
        if character in '"\\':
            pieces.append("\\" + character)
        elif character < " " or ord(character) >= 0x80:
            pieces.extend(f"\\x{byte:02x}" for byte in character.encode("utf-8", "replace"))
        else:
            pieces.append(character)
    return '"' + "".join(pieces) + '"'


def _complaint(text: str) -> str:
    rest = text
    for pattern, name in _PARTS:
        match = re.match(pattern, rest)
        if match is None:
            return f"parsing time {quote(text)} as {quote(LAYOUT)}: cannot parse {quote(rest)} as {quote(name)}"
        rest = rest[match.end() :]
    return f"parsing time {quote(text)}: extra text: {quote(rest)}"
