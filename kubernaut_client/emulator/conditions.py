"""Conditions on a request: which of an operation's requests a fault is meant for.

In Python a condition is a function of the request as the log shows it. Over HTTP, and where that is enough, it is a
mapping: all of what it names must hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, cast

from kubernaut_client.emulator.requestlog import RequestRecord

Predicate: TypeAlias = Callable[[RequestRecord], bool]
Condition: TypeAlias = Predicate | Mapping[str, Any]


def compiled(when: object) -> Predicate | None:
    """A condition as a function.

    Raises:
        ValueError: It is neither a function nor a mapping of the known members.
    """
    if when is None:
        return None
    if callable(when):
        return cast("Predicate", when)
    if not isinstance(when, Mapping):
        raise ValueError(f"when must be a function of the request, or a mapping; not {when!r}")
    given = cast("Mapping[str, object]", when)
    unknown = sorted(str(name) for name in given if name not in _CONDITIONS)
    if unknown or not given:
        raise ValueError(f"when has {', '.join(_CONDITIONS)}; not {', '.join(unknown) or 'nothing at all'}")
    tests = [_CONDITIONS[name](value) for name, value in given.items()]
    return lambda record: all(test(record) for test in tests)


def _headers_are(value: object) -> Predicate:
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):  # pyright: ignore[reportUnknownVariableType]
        raise ValueError(f"when: headers must map names to texts, not {value!r}")
    wanted = {name.lower(): text for name, text in cast("Mapping[str, str]", value).items()}
    return lambda record: all(record.headers.get(name) == text for name, text in wanted.items())


def _body_contains(value: object) -> Predicate:
    if not isinstance(value, str):
        raise ValueError(f"when: body_contains must be a text, not {value!r}")
    wanted = value.encode()
    return lambda record: wanted in record.body


def _members_are(value: object) -> Predicate:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):  # pyright: ignore[reportUnknownVariableType]
        raise ValueError(f"when: members must map names or JSON pointers to values, not {value!r}")
    wanted = dict(cast("Mapping[str, object]", value))

    def holds(record: RequestRecord) -> bool:
        try:
            body: object = json.loads(record.body)
        except (ValueError, RecursionError):
            return False
        # Of a batch one event is enough.
        documents = cast("list[object]", body) if isinstance(body, list) else [body]
        return any(all(_same(_at(document, name), want) for name, want in wanted.items()) for document in documents)

    return holds


_CONDITIONS: Final[Mapping[str, Callable[[object], Predicate]]] = {
    "headers": _headers_are,
    "body_contains": _body_contains,
    "members": _members_are,
}
_NOTHING: Final = object()


def _at(document: object, name: str) -> object:
    """The value of a member, or at a JSON pointer (RFC 6901)."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in name[1:].split("/")] if name[:1] == "/" else [name]
    for part in parts:
        if isinstance(document, dict):
            document = cast("dict[str, object]", document).get(part, _NOTHING)
        elif isinstance(document, list) and part.isdigit() and int(part) < len(cast("list[object]", document)):
            document = cast("list[object]", document)[int(part)]
        else:
            return _NOTHING
    return document


def _same(value: object, wanted: object) -> bool:
    """Equality as JSON has it: true is not 1."""
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
