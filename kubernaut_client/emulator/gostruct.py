"""Decoding JSON into structs, as the service's handlers do: the second of its two validators.

What a handler refuses here, it refuses with a problem type of its own and in the words of Go's decoder. Parsing and
writing JSON is in `gojson.py`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from kubernaut_client.emulator.gojson import Members, Node, Number, clean, encode_any, raw_text
from kubernaut_client.emulator.gotime import GoTime, TimeError


class DecodeFailure(ValueError):
    """The text is JSON that doesn't fit the struct; the message is that of Go's decoder."""


_UUID_GROUPS: Final = tuple(f"([0-9a-fA-F]{{{length}}})" for length in (8, 4, 4, 4, 12))
_UUID: Final = re.compile("-".join(_UUID_GROUPS))
_BARE_UUID: Final = re.compile("".join(_UUID_GROUPS))

Scalar: TypeAlias = Literal["string", "bool", "int", "float64"]


@dataclass(frozen=True)
class Field:
    """One member of a struct.

    kind: a scalar; "time" (`GoTime`); "uuid" (str, in the usual form); "raw" (compact JSON text); "any" (JSON text
        as `encode_any` writes it); "strings" (list of str); "map" (dict of lists of str); or a `Struct`.
    optional: a pointer in Go: None unless it was sent; otherwise it has its zero value.
    """

    name: str
    kind: Scalar | Literal["time", "uuid", "raw", "any", "strings", "map"] | Struct
    optional: bool = False


@dataclass(frozen=True)
class Struct:
    """A Go struct: its name, as error messages show it, and its members in order."""

    name: str
    fields: tuple[Field, ...]
    _folded: dict[str, Field] = field(default_factory=dict[str, Field], init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._folded.update({_fold(member.name): member for member in self.fields})

    def zero(self) -> dict[str, object]:
        """Return a value with nothing set."""
        return {member.name: _zero(member) for member in self.fields}

    def member(self, key: str) -> Field | None:
        """Return the member that a key stands for; Go doesn't mind its case."""
        return self._folded.get(_fold(key))


def _fold(name: str) -> str:
    return name.replace("\u017f", "s").replace("\u212a", "k").lower()


def _zero(member: Field) -> object:
    if member.optional:
        return None
    if isinstance(member.kind, Struct):
        return member.kind.zero()
    return {"string": "", "bool": False, "int": 0, "float64": 0.0, "time": GoTime.ZERO}.get(member.kind)


def decode(node: Node, struct: Struct) -> dict[str, object]:
    """Return a struct filled from JSON, as a dict with every member.

    Raises:
        DecodeFailure: A member has the wrong type. The first such one is named, unless a time that can't be read comes
            before the end of the text: Go gives up there.
    """
    decoder = _Decoder(struct)
    value = struct.zero()
    if node is not None:
        if isinstance(node, Members):
            decoder.fill(node, struct, value, [])
        else:
            decoder.mismatch(node, [], f"models.{struct.name}")
    if decoder.first is not None:
        raise DecodeFailure(decoder.first)
    return value


def decode_all(node: Node, struct: Struct) -> list[dict[str, object]]:
    """Return structs filled from a JSON array.

    Raises:
        DecodeFailure: As `decode`; of several failures in the array, Go names the first.
    """
    decoder = _Decoder(struct)
    values: list[dict[str, object]] = []
    items = node if isinstance(node, list) and not isinstance(node, Members) else []
    for item in items:
        value = struct.zero()
        if isinstance(item, Members):
            decoder.fill(item, struct, value, [])
        values.append(value)
    if decoder.first is not None:
        raise DecodeFailure(decoder.first)
    return values


class _Decoder:
    def __init__(self, struct: Struct) -> None:
        self._struct = struct
        self.first: str | None = None

    def mismatch(self, node: Node, path: list[str], wanted: str) -> None:
        """Note that a value has the wrong type; only the first note counts."""
        if self.first is None:
            where = f"Go struct field {self._struct.name}.{'.'.join(path)}" if path else "Go value"
            self.first = f"json: cannot unmarshal {_kind(node)} into {where} of type {wanted}"

    def fill(self, node: Members, struct: Struct, into: dict[str, object], path: list[str]) -> None:
        for key, item in node:
            member = struct.member(key)
            if member is not None:
                into[member.name] = self._value(item, member, into[member.name], [*path, member.name])

    def _value(self, node: Node, member: Field, old: object, path: list[str]) -> object:
        kind = member.kind
        if node is None:
            # null changes nothing, except that it empties pointers, maps and slices.
            return None if member.optional or kind in ("raw", "any", "strings", "map") else old
        if isinstance(kind, Struct):
            if not isinstance(node, Members):
                self.mismatch(node, path, f"models.{kind.name}")
                return old
            value = dict(old) if isinstance(old, dict) else kind.zero()  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            self.fill(node, kind, value, path)  # pyright: ignore[reportUnknownArgumentType]
            return value  # pyright: ignore[reportUnknownVariableType]
        if kind == "raw":
            return raw_text(node)
        if kind == "time":
            if isinstance(node, Number) or not isinstance(node, str):
                raise DecodeFailure("Time.UnmarshalJSON: input is not a JSON string")
            try:
                return GoTime.parse(clean(node))
            except TimeError as error:
                raise DecodeFailure(str(error)) from None
        if kind == "uuid":
            if isinstance(node, Number) or not isinstance(node, str):
                self.mismatch(node, path, "uuid.UUID")
                return old
            return parse_uuid(clean(node))
        if kind == "any":
            return self._any(node, path)
        if kind == "strings":
            return self._strings(node, path)
        if kind == "map":
            if not isinstance(node, Members):
                self.mismatch(node, path, "models.CustomLabels")
                return old
            return {clean(name): self._strings(item, path) for name, item in node}
        return self._scalar(node, kind, old, path)

    def _any(self, node: Node, path: list[str]) -> str:
        try:
            return encode_any(node)
        except ValueError as failure:
            self._bad_number(Number(failure.args[0]), path, "float64")
            return "null"

    def _strings(self, node: Node, path: list[str]) -> list[str] | None:
        if node is None:
            return None
        if not isinstance(node, list) or isinstance(node, Members):
            self.mismatch(node, path, "[]string")
            return None
        items: list[Node] = node
        result: list[str] = []
        for item in items:
            if isinstance(item, str) and not isinstance(item, Number):
                result.append(clean(item))
            else:
                if item is not None:
                    self.mismatch(item, path, "string")
                result.append("")
        return result

    def _scalar(self, node: Node, kind: str, old: object, path: list[str]) -> object:
        if kind == "string" and isinstance(node, str) and not isinstance(node, Number):
            return clean(node)
        if kind == "bool" and isinstance(node, bool):
            return node
        if kind == "float64" and isinstance(node, Number):
            value = float(node)
            if math.isfinite(value):
                return value
            self._bad_number(node, path, kind)
            return old
        if kind == "int" and isinstance(node, Number):
            if not re.fullmatch("-?[0-9]{1,19}", node) or not -(2**63) <= int(node) < 2**63:
                self._bad_number(node, path, kind)
                return old
            return int(node)
        self.mismatch(node, path, kind)
        return old

    def _bad_number(self, node: Number, path: list[str], wanted: str) -> None:
        if self.first is None:
            where = f"{self._struct.name}.{'.'.join(path)}"
            self.first = f"json: cannot unmarshal number {node} into Go struct field {where} of type {wanted}"


def parse_uuid(text: str) -> str:
    """Return a UUID in its usual form; it may come in braces, with `urn:uuid:` before it, or without hyphens.

    Raises:
        DecodeFailure: It is none.
    """
    length = len(text.encode())
    if length == 45:
        if text[:9].lower() != "urn:uuid:":
            raise DecodeFailure(f'invalid urn prefix: "{text[:9]}"')
        text = text[9:]
    elif length == 38:
        text = text[1:37]
    elif length not in (32, 36):
        raise DecodeFailure(f"invalid UUID length: {length}")
    match = (_BARE_UUID if length == 32 else _UUID).fullmatch(text)
    if match is None:
        raise DecodeFailure("invalid UUID format")
    return "-".join(match.groups()).lower()


def _kind(node: Node) -> str:
    if isinstance(node, Number):
        return "number"
    if isinstance(node, str):
        return "string"
    if isinstance(node, bool):
        return "bool"
    return "object" if isinstance(node, Members) else "array"
