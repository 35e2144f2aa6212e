"""Generated answers of a service: good ones, odd ones and broken ones, and what must be made of each.

Seeded and cheap (no shrinking: a failing answer is printed whole). What is expected is worked out here from how the
answer was put together, not by reading it, so that it can't share the client's mistakes.
"""

import gzip
import json
import random
import string
import zlib
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from tests.unit.wire.driver import EVENT, IDENTITY, STORED

SECRET = "s3cr3t-token-6f1c0e"  # quoted by the server in bodies, headers and reason phrases

JSON = "application/json"
PROBLEM = "application/problem+json"
MEDIA_TYPES = (JSON,) * 6 + (
    "application/json; charset=utf-8",
    "Application/JSON;x=y",
    PROBLEM,
    "text/html",
    "text/plain; charset=utf-8",
    "",
    "application/json; charset=utf-16",
    "application/jsonp",
    "json",
    "*/*",
    ";",
    "application/json,text/html",
    "\xe9/\xff",
)
USUAL = (
    200,
    200,
    200,
    200,
    202,
    201,
    201,
    201,
    202,
    204,
    301,
    302,
    307,
    400,
    400,
    401,
    403,
    404,
    404,
    405,
    409,
    409,
    413,
    422,
    429,
    500,
    500,
    500,
    502,
    503,
    503,
    504,
)
SLUGS = (
    "validation-error",
    "bad-request",
    "invalid-request",
    "immutable-field-violation",
    "not-found",
    "conflict",
    "database-error",
    "database_error",
    "internal-error",
    "service-unavailable",
    "who-knows",
    "",
    "https://kubernaut.dev/problems/not-found",
    "invalid-event-data",
    "CONFLICT",
    "conflict/",
    "/",
)
PREFIXES = (
    "https://kubernaut.ai/problems/",
    "https://kubernaut.io/errors/",
    "",
    "https://a/b/https://c/d/",
    "urn:x:",
    "/",
)
FINDINGS = (
    'request body has an error: doesn\'t match schema #/x: Error at "/labels/severity": value is not one of the '
    'allowed values\nSchema:\n  {"enum": []}\n\nValue:\n  "x"\n | Error at "/name": minimum string length is 1'
)
INDICES = (
    "0",
    "1",
    "2",
    "3",
    "00",
    "-1",
    "1e3",
    "+1",
    "\u0663",
    "\xb2",
    "1_0",
    "9" * 9,
    "9" * 10,
    "9" * 4301,
    "9" * 5000,
)
POINTERS = ("", "/event_data/a~1b~0c", "/~01/~", "/-", "//", "/\ud83d", "/" + "9" * 5000, "/a" * 200)
TIMES = (
    "invalid timestamp: timestamp is too old (must be within 7 days, age: 200h0m0s)",
    "invalid timestamp: timestamp is in the future (server time: a, event time: b)",
    "conversion failed",
    "\ud800",
    "",
)
NUMBERS = {
    "@int 4000": "9" * 4000,
    "@int 4301": "9" * 4301,
    "@int 5000": "-" + "9" * 5000,
    "@infinite": "1e999",
    "@minus infinite": "-1E+999",
    "@tiny": "1e-999",
    "@long": "0." + "3" * 5000,
    "@zero": "-0.0",
    "@large": "1e308",
    "@64 bits": str(2**63),
}
"""JSON numbers that Python doesn't write, or doesn't read again; a text of a drawn document stands for each."""
TEXTS = (
    "Workflow Already Exists",
    "a detail",
    "",
    " ",
    "\x00\x1b[31mred\x1b[0m",
    "two\nlines\r\nand three",
    "\u2028\u2029\x85",
    "\ud800 lone",
    "\U0001f600" * 50,
    "x" * 5000,
    "\u202eright to left",
    SECRET,
    f"Bearer {SECRET} is wrong",
    "\ufeff",
    FINDINGS,
    'parameter "limit" in query has an error: number must be at least 1',
    "%s %d {} {0}",
    "\t",
    "\x7f\x80\x9f",
)
HEADERS = (
    ("Retry-After", "3"),
    ("Retry-After", "1e309"),
    ("Retry-After", "-5"),
    ("Retry-After", "nan"),
    ("Retry-After", "\xe9"),
    ("Retry-After", "Wed, 21 Oct 2099 07:28:00 GMT"),
    ("Retry-After", "Wed, 99 Oct 20999 07:28:00 GMT"),
    ("Retry-After", "Mon, 01 Jan 0001 00:00:00 +2359"),
    ("Retry-After", "1 Jan 1 0:0:0 +99999999"),
    ("Retry-After", SECRET),
    ("Retry-After", "9" * 400),
    ("Retry-After", "Fri, 31 Dec 9999 23:59:59 -1200"),
    ("Retry-After", "2 Jan 70"),
    ("Set-Cookie", "a=b; Path=/"),
    ("Set-Cookie", "a=\xe9\xff; Domain=.127.0.0.1; expires=never"),
    ("Set-Cookie", "=;;=,;"),
    ("Set-Cookie", f"token={SECRET}; max-age=99999999999999999999"),
    ("Set-Cookie", 'x; version=1; port="a,b"'),
    ("Set-Cookie2", "a=b; Version=\xb2; Max-Age=\xb3"),
    ("Set-Cookie", "a=b; expires=Mon, 99-Foo-9999999 99:99:99 GMT"),
    ("X-Request-ID", "\xfcber"),
    ("X-Echo", SECRET),
    ("WWW-Authenticate", f"Bearer {SECRET}"),
    ("X-Long", "y" * 3000),
    ("Content-Language", "\x80"),
    ("Vary", "Origin"),
    ("Allow", "GET"),
    ("Date", "never"),
    ("Date", "Mon, 01 Jan 0001 00:00:00 GMT"),
    ("Date", "Fri, 31 Dec 9999 23:59:59 GMT"),
    ("Date", "Sat, 01 Jan 9999999999 00:00:00 GMT"),
    ("Retry-After", "1_0"),
    ("Retry-After", "9" * 5000),
    ("Retry-After", "\xb2"),
    ("Retry-After", "Fri, 31 Dec " + "9" * 5000 + " 23:59:59 GMT"),
    ("Link", "<"),
    ("X-Empty", ""),
    ("Content-Disposition", "attachment; filename*=\xe9''x"),
    ("Alt-Svc", 'h3=":443"'),
    ("Refresh", "0; url=javascript:"),
)
GOOD_LOCATIONS = ("/elsewhere", "http://127.0.0.1:1/", "https://example.invalid/x?y#z", "", "?q", "//host/x")
BAD_LOCATIONS = ("http://x:y:z/", "http://[::1", f"http://{SECRET}:port/")
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(slots=True)
class Generated:
    """One answer. `body` is as it goes over the wire; `cut` is how many of its bytes arrive (None: all)."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    reason: str = "X"
    cut: int | None = None
    location: str | None = None
    media_type: str = JSON
    notes: list[str] = field(default_factory=list[str])

    @property
    def bad_location(self) -> bool:
        return self.status in REDIRECTS and self.location in BAD_LOCATIONS

    def outcomes(self, documented: Container[int], media_types: tuple[str, ...], *, write: bool) -> set[str]:
        """Which outcomes an error for this answer may have; the status line is known to have arrived."""
        if self.bad_location:
            return {"unknown"}
        if 200 <= self.status < 300:
            plain = self.media_type.partition(";")[0].strip().lower()
            return {"applied"} if self.status in documented and plain in media_types else {"unknown"}
        if 300 <= self.status < 500:
            return {"refused"}
        if self.status >= 500:
            return {"unknown"} if write else {"refused"}
        # An interim status as the last one: it says nothing, and no server sends it.
        return {"unknown", "refused"}


class Generator:
    """Draws answers; the same seed gives the same answers on every interpreter."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def draw(self) -> Generated:
        pick = self._random
        status = pick.choice(USUAL) if pick.random() < 0.85 else pick.randint(100, 999)
        media_type = pick.choice(MEDIA_TYPES) if status < 300 else pick.choice((PROBLEM, *MEDIA_TYPES))
        headers = [("Content-Type", media_type)] if media_type else []
        body = self._good() if 200 <= status < 300 and pick.random() < 0.7 else self._any()
        made = Generated(status, headers, body, media_type=media_type)
        if pick.random() < 0.3:
            headers += pick.sample(HEADERS, pick.randint(1, 4))
        if 300 <= status < 400 and pick.random() < 0.7:
            made.location = pick.choice(GOOD_LOCATIONS + BAD_LOCATIONS)
            headers.append(("Location", made.location))
        if pick.random() < 0.1:
            self._encode(made)
        if pick.random() < 0.1:
            made.reason = pick.choice(("", SECRET, "\xe9\xff", "a" * 300, "OK OK OK", "\t"))
        if pick.random() < 0.25:
            made.cut = pick.randint(0, len(made.body))
        return made

    def _encode(self, made: Generated) -> None:
        pick = self._random
        encoding = pick.choice(
            ("gzip", "gzip", "deflate", "gzip, deflate", "x-who", "identity", "br", "zstd", ",", "\xe9")
        )
        if encoding == "gzip" and pick.random() < 0.5:
            made.body = gzip.compress(made.body, 1)
        elif encoding == "deflate" and pick.random() < 0.5:
            made.body = zlib.compress(made.body, 1)
        elif pick.random() < 0.5:
            made.body = b"\x1f\x8b\x08" + pick.randbytes(30)
        if pick.random() < 0.2 and made.body:
            at = pick.randrange(len(made.body))
            made.body = made.body[:at] + bytes([made.body[at] ^ 0xFF]) + made.body[at + 1 :]
        made.headers.append(("Content-Encoding", encoding))

    def _good(self) -> bytes:
        """A body that some operation may read, mostly with something odd in it."""
        pick = self._random
        row: dict[str, Any] = dict(STORED)
        for _ in range(pick.choice((0, 0, 1, 1, 2, 3))):
            row[pick.choice((*row, "created_at", "detected_labels", "parameters", "who_knows"))] = self._value()
        if pick.random() < 0.3:
            row.pop(pick.choice((*row,)))
        row["created_at"] = pick.choice(
            ("0001-01-01T00:00:00Z", "2025-12-30T10:00:00.123456789Z", "yesterday", 5, None)
        )
        shape = pick.randrange(5)
        if shape == 0:
            return dump(row)
        if shape == 1:
            return self._audit()
        rows: Any = pick.choice(([], None, [row], [row, row], [row, self._value()], self._value()))
        total = pick.choice((0, 1, 2, 10**30, -1, None, "2", 1.5, *pick.sample(sorted(NUMBERS), 2)))
        key = pick.choice(("workflows", "versions", "who"))
        return dump({key: rows, "total": total, "status": "healthy", "database": "unreachable"})

    def _audit(self) -> bytes:
        """A reply of an audit route: the id of an event, those of a batch, a page of events, a notification."""
        pick = self._random
        row: dict[str, Any] = dict(EVENT)
        for _ in range(pick.choice((0, 0, 1, 2))):
            row[pick.choice((*row, "retention_days", "who_knows"))] = self._value()
        if pick.random() < 0.3:
            row.pop(pick.choice((*row,)))
        shape = pick.randrange(4)
        if shape == 0:
            return dump({"event_id": pick.choice((IDENTITY, "x", None, 7)), "message": ""})
        if shape == 1:
            return dump({"event_ids": pick.choice(([IDENTITY], [IDENTITY] * 3, [], None, ["x"], [None]))})
        if shape == 2:
            return dump({**row, "id": pick.choice((1, "1", None, 10**30)), "sent_at": row.get("event_timestamp")})
        rows: Any = pick.choice(([], None, [row], [row, row], [row, self._value()], self._value()))
        pagination = pick.choice(({"has_more": False}, {"has_more": "no"}, {}, None, {"has_more": pick.random() < 0.1}))
        return dump({"data": rows, "pagination": pagination})

    def _any(self) -> bytes:
        pick = self._random
        shape = pick.randrange(16)
        if shape < 6:
            return self._problem()
        if shape == 6:
            return (
                b"<html><body><h1>502 Bad Gateway</h1>"
                + pick.choice((b"", b"\xff", SECRET.encode()))
                + b"</body></html>"
            )
        if shape == 7:
            return b""
        if shape == 8:
            return pick.randbytes(pick.randint(1, 200))
        if shape == 9:
            text = pick.choice(TEXTS).encode("utf-8", "surrogatepass")
            return text if pick.random() < 0.5 else b"404 page not found\n" + text
        if shape == 10:
            depth = pick.choice((50, 300, 700, 1500, 5000, 100_000))
            opening, closing = pick.choice(((b"[", b"]"), (b'{"a":', b"}")))
            nest = opening * depth + b"1" + (closing * depth if pick.random() < 0.7 else b"")
            return nest if pick.random() < 0.5 else b'{"title":"t","type":"conflict","nest":%b}' % nest
        if shape == 11:
            return pick.choice(
                (b"NaN", b"null", b"[]", b"1e999", b"-0", b"true", b'"text"', b"{", b"9" * 5000, b'{"a":NaN}')
            )
        if shape == 12:
            return b"\xef\xbb\xbf" + self._problem()
        if shape == 13:
            return (
                self._problem()
                .decode("utf-8", "surrogatepass")
                .encode("utf-16" if pick.random() < 0.5 else "utf-32", "surrogatepass")
            )
        if shape == 14:
            return b'{"status":"unhealthy","database":"unreachable","error":"dial tcp "x": \n refused"}'
        return dump(self._value())

    def _detail(self) -> str:
        """A text of the service that names events by their place, or fields by their pointers."""
        pick = self._random
        if pick.random() < 0.4:
            return f"event at index {pick.choice(INDICES)}: {pick.choice(TIMES)}"
        found = [
            f'Error at "/{pick.choice(INDICES)}{pick.choice(POINTERS)}": {pick.choice(TIMES)}'
            for _ in range(pick.randint(1, 4))
        ]
        return pick.choice(("", "request body has an error: doesn't match schema #/x: ")) + " | ".join(found)

    def _problem(self) -> bytes:
        pick = self._random
        members: dict[str, Any] = {
            "type": pick.choice(PREFIXES) + pick.choice(SLUGS),
            "title": pick.choice(TEXTS),
            "status": pick.choice((200, 409, 500, "409", None, -1, 10**40)),
            "detail": pick.choice(TEXTS) if pick.random() < 0.6 else self._detail(),
        }
        if pick.random() < 0.4:
            members["instance"] = pick.choice(TEXTS)
        if pick.random() < 0.4:
            named = {f"/{pick.choice(INDICES)}{pick.choice(POINTERS)}": pick.choice(TIMES)}
            members["field_errors"] = pick.choice(
                ({"a": "b"}, {"a": 1, "b": None}, [], "x", {"\n": "\x00"}, None, named, named)
            )
        if pick.random() < 0.3:
            members[pick.choice(("resource", "field", "value", "retry", "\u0000", "args", "__class__"))] = self._value()
        for name in list(members):
            if pick.random() < 0.08:
                members[name] = self._value()
            elif pick.random() < 0.05:
                del members[name]
        return dump(members)

    def _value(self) -> Any:
        pick = self._random
        return pick.choice(
            (
                None,
                True,
                0,
                -1,
                1.5,
                10**50,
                1e300,
                "",
                "text",
                [],
                {},
                [None],
                {"a": [{"b": None}]},
                "\ud83d",
                "\x00",
                {"_schema": 1, "self": 2},
                [[[[[[]]]]]],
                pick.choice(TEXTS),
                pick.choice(string.printable),
                IDENTITY,
                {"": ""},
                *pick.sample(sorted(NUMBERS), 3),
                {"failed_detections": pick.choice((5, "x", [None], {}, [[]]))},
                pick.choice(("9999-12-31T23:59:59.999999-23:59", "0001-01-01T00:00:00+23:59", "2026-02-30T00:00:00Z")),
            )
        )


def dump(value: Any) -> bytes:
    text = json.dumps(value)
    if '"@' in text:
        for name, number in NUMBERS.items():
            text = text.replace(f'"{name}"', number)
    return text.encode()
