"""RFC 9457 problem documents: read leniently, shown in one line. Nothing in here raises.

All members of a problem document are optional, members of the wrong type are ignored, and the HTTP status wins over the
body's. What isn't a problem document at all (HTML of a proxy, plain text of a router, a body that was cut) gives a
problem made from the status. Which exception a problem becomes is decided in `errors`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

DEPTH_LIMIT = 100
"""Levels of arrays and objects in a value that is sent."""
READ_LIMIT = DEPTH_LIMIT + 10
"""The same for an answer, so that the reply around a value that was sent can be read."""
MESSAGE_LIMIT = 300
"""Characters of a foreign text that a message shows."""

_MEMBERS = ("type", "title", "status", "detail", "instance")
# The service's schema validator joins its findings with " | " and follows each with dumps of the schema and the value,
# which may hold the joiner. A finding after the first is told from a dump by its quoted pointer or parameter: in a dump
# the quotes of a text are escaped, and the quote that ends a key is followed by a colon.
_ITEM = re.compile(r'(?:request body has an error: [^"\n]*)?Error at "(/[^"\n]*)": ([^\n]*)')
_PARAMETER = re.compile(r'parameter "([\w.\[\]-]+)" in \w+ has an error: ([^\n]*)')
_BODY = re.compile(r"request body has an error: (?:doesn't match schema(?: [^\s:]+)?: )?([^\n]*)")
_DUMP = "\nSchema:"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document (RFC 9457), or what stands in for one.

    `type` is "about:blank" when the service named none. `extensions` holds every other member as decoded JSON.
    """

    status: int
    type: str = "about:blank"
    title: str | None = None
    detail: str | None = field(default=None, repr=False)
    instance: str | None = None
    extensions: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    is_document: bool = field(default=False, repr=False)
    """Whether this was read from a problem document rather than made from the status of something else."""

    @property
    def slug(self) -> str:
        """The last path segment of `type`, with `_` read as `-`; "" for about:blank.

        Whatever stands before it says nothing: the service has used three hosts, `/problems/` and `/errors/`, and an
        older build glues one URL to another.
        """
        if self.type == "about:blank":
            return ""
        path = re.split("[?#]", self.type)[0].rstrip("/")
        return path.rpartition("/")[2].replace("_", "-").lower()

    @property
    def summary(self) -> str:
        """`title: detail` in one bounded line, without the dumps that the service's validator appends."""
        title = one_line(self.title or reason_phrase(self.status))
        detail = one_line("; ".join(text for text, _, _ in _findings(self.detail))) if self.detail else ""
        return f"{title}: {detail}" if detail else title

    @property
    def field_errors(self) -> dict[str, str]:
        """Field → reason: the member `field_errors` where there is one, else parsed out of `detail`.

        Fields of a body are JSON pointers (`/labels/severity`, "" for the body itself), others parameter names.
        """
        given = self.extensions.get("field_errors")
        if isinstance(given, Mapping):
            pairs = cast("Mapping[object, object]", given).items()
            return {key: value for key, value in pairs if isinstance(key, str) and isinstance(value, str)}
        found: dict[str, str] = {}
        for _, name, reason in _findings(self.detail or ""):
            if name is not None:
                found.setdefault(name, reason.strip())
        return found


def parse(status: int, body: bytes) -> Problem:
    """Read a problem document out of any bytes; the HTTP status given wins over the body's."""
    members = json_object(body)
    if members is None:
        return Problem(status, title=reason_phrase(status))
    texts: dict[str, Any] = {
        name: members[name] for name in ("type", "title", "detail", "instance") if isinstance(members.get(name), str)
    }
    document = "type" in texts or "title" in texts
    texts.setdefault("title", reason_phrase(status))
    others = {name: value for name, value in members.items() if name not in _MEMBERS}
    return Problem(status, extensions=others, is_document=document, **texts)


def json_object(body: bytes) -> dict[str, Any] | None:
    """Decode a JSON object; None for anything else."""
    try:
        document = load_json(body)
    except ValueError:
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


# `json.loads` makes a new one for every call that has options.
_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def load_json(body: bytes, limit: int | None = READ_LIMIT) -> object:
    """Decode JSON (RFC 8259: UTF-8, neither NaN nor Infinity); ValueError for whatever can't be decoded.

    Also for what is nested deeper than `limit`: so deeply that copying or pickling it would fail.
    """
    text = body.removeprefix(b"\xef\xbb\xbf").decode()
    try:
        document: object = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if limit is not None and text.count("[") + text.count("{") > limit and deeper(document, limit):
        raise ValueError("nested too deeply")
    return document


def deeper(document: object, limit: int) -> bool:
    """Whether a document has more levels of arrays and objects than `limit`."""
    level = _nested([document])
    for _ in range(limit):
        level = _nested(value for each in level for value in (each.values() if isinstance(each, dict) else each))
    return bool(level)


def _nested(values: Iterable[object]) -> list[dict[str, object] | list[object]]:
    return [cast("dict[str, object] | list[object]", each) for each in values if isinstance(each, dict | list)]


def reason_phrase(status: int) -> str:
    """The registered phrase for a status, else `HTTP <status>`."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP {status}"


def one_line(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """A foreign text as one bounded line: control, format and separator characters become escapes."""
    cut = text[: limit + 1]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)
    return cut if len(text) <= limit and len(cut) <= limit else cut[: limit - 1] + "…"


LISTED = 10
"""Findings that a message shows."""


def listed(findings: Sequence[str], count: int) -> str:
    """The first of `count` findings in one line, each bounded, and how many more there are."""
    more = f" (and {count - LISTED} more)" if count > LISTED else ""
    return "; ".join(one_line(each, 2 * MESSAGE_LIMIT) for each in findings[:LISTED]) + more


def shown(value: object, limit: int = 60) -> str:
    """A value for a message that refuses it: bounded, on one line, and without running code of the caller's."""
    if type(value) in (str, float, bool, type(None)):
        return one_line(repr(value), limit)
    if type(value) is int:
        return repr(value) if value.bit_length() <= 128 else f"an integer of {value.bit_length()} bits"
    return type(value).__name__


def _findings(detail: str) -> list[tuple[str, str | None, str]]:
    """What a detail says, without dumps: (text, field or None, reason); a field is "" for the body itself."""
    first, *others = detail.split(" | ")
    text = first.partition(_DUMP)[0]
    found: list[tuple[str, str | None, str]] = []
    if match := _ITEM.match(text) or _PARAMETER.match(text):
        found.append((text, match[1], match[2]))
    elif match := _BODY.match(text):
        found.append((text, "", match[1]))
    else:
        # Not the validator's words, so a joiner in it is no joiner.
        return [(detail.partition(_DUMP)[0], None, "")]
    matches = ((part, _ITEM.match(part) or _PARAMETER.match(part)) for part in others)
    return found + [(part.partition(_DUMP)[0], match[1], match[2]) for part, match in matches if match]
