"""Durations the way the service reads and writes them, in nanoseconds: `1h30m`, `168h0m0.5s`.

Points in time are in `gotime.py`.
"""

from __future__ import annotations

import re
from typing import Final

SECOND: Final = 10**9
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_MICRO: Final = ("\u00b5s", "\u03bcs")  # the sign and the Greek letter
_UNITS: Final = {
    "ns": 1,
    "us": 1000,
    **dict.fromkeys(_MICRO, 1000),
    "ms": 10**6,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
}
_PART: Final = re.compile(r"([0-9]*)(?:(\.)([0-9]*))?([^0-9.]+)")
_END: Final = 2**63


def parse(text: str) -> int | None:
    """Read a duration as Go does: a sign, then numbers with units; `0` needs none. None if it is no duration."""
    sign, rest = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
    if rest == "0":
        return 0
    total = at = 0
    while at < len(rest):
        match = _PART.match(rest, at)
        if match is None or not (match[1] or match[3]):
            return None
        unit = _UNITS.get(match[4])
        if unit is None:
            return None
        fraction = match[3] or ""
        total += int(match[1] or "0") * unit
        # Go goes through a float here, hence it doesn't round.
        total += int(float(int(fraction[:18])) * (unit / 10.0 ** len(fraction[:18]))) if fraction else 0
        at = match.end()
    if not rest or total > _END or (total == _END and sign != "-"):
        return None
    return -total if sign == "-" else total


def days(text: str) -> int | None:
    """Read a number of days, fractions allowed, without its unit. Too many of them wrap around, as in Go."""
    hours = parse(f"{text}h")
    return None if hours is None else (hours * 24 + _END) % (2 * _END) - _END


def show(nanoseconds: int) -> str:
    """Write a duration as Go does: `0s`, `1.5ms`, `168h0m0.5s`."""
    if nanoseconds < 0:
        return f"-{show(-nanoseconds)}"
    if nanoseconds < SECOND:
        if nanoseconds == 0:
            return "0s"
        for unit, name in ((10**6, "ms"), (1000, _MICRO[0]), (1, "ns")):
            if nanoseconds >= unit:
                return _decimal(nanoseconds, unit) + name
    hours, rest = divmod(nanoseconds, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds = _decimal(rest, SECOND) + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(value: int, unit: int) -> str:
    whole, fraction = divmod(value, unit)
    digits = str(unit + fraction)[1:].rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
