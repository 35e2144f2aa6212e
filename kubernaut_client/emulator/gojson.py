"""JSON the way the service's language reads and writes it.

The service is written in Go; its JSON package decides which bodies are refused, with which words, and how replies look:
members in the order of the struct, `<`, `>` and `&` escaped, numbers without a trailing `.0`, keys matched whatever
their case. This module knows JSON and nothing of HTTP or of workflows.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import Final, Literal, TypeAlias

from kubernaut_client.emulator.gotime import GoTime, TimeError

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


class Number(str):
    """A JSON number with the digits that the caller sent."""

    __slots__ = ()


class Members(list[tuple[str, "Node"]]):
    """A JSON object as a list of pairs, with repetitions and in the order that the caller sent."""

    __slots__ = ()


class Raw(str):
    """JSON text that goes into a reply as it is."""

    __slots__ = ()


Node: TypeAlias = "bool | Number | str | list[Node] | Members | None"


class SyntaxFailure(ValueError):
    """The text is no JSON; the message is that of Go's decoder."""


class DecodeFailure(ValueError):
    """The text is JSON that doesn't fit the struct; the message is that of Go's decoder."""


# ---- writing -------------------------------------------------------------------------------------------------------

_HTML: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def encode_string(value: str) -> str:
    """Return a text as a JSON string."""
    return encode_basestring(clean(value)).translate(_HTML)


def encode_float(value: float) -> str:
    """Return a number with as few digits as it takes: 1, 0.123, 1e-7, 1e+21."""
    if not math.isfinite(value):
        raise ValueError("JSON has no infinity and no NaN")
    if value == int(value) and abs(value) < 1e21:
        return "-0" if value == 0 and math.copysign(1, value) < 0 else str(int(value))
    digits, _, exponent = repr(value).partition("e")
    if 1e-6 <= abs(value) < 1e21:
        return f"{value:.{_decimals(digits, exponent)}f}" if exponent else digits
    if not exponent:
        digits, _, exponent = f"{value:e}".partition("e")
    return f"{digits}e{'-' if exponent[0] == '-' else '+'}{exponent.lstrip('+-').lstrip('0')}"


def _decimals(digits: str, exponent: str) -> int:
    return len(digits.partition(".")[2]) - int(exponent)


def encode(value: object) -> str:
    """Return a value as compact JSON, the members of objects in their given order.

    Takes None, bool, int, float, str, lists, tuples, mappings, `Raw`, and what `parse` returns.
    """
    parts: list[str] = []
    _append(value, parts.append)
    return "".join(parts)


def _append(value: object, write: Callable[[str], None]) -> None:
    if isinstance(value, str):
        write(value if isinstance(value, (Raw, Number)) else encode_string(value))
    elif value is None:
        write("null")
    elif isinstance(value, bool):
        write("true" if value else "false")
    elif isinstance(value, int):
        write(str(value))
    elif isinstance(value, float):
        write(encode_float(value))
    elif isinstance(value, (Mapping, Members)):
        # A caller's object keeps its repetitions; that is what makes it different from a mapping.
        pairs: Sequence[tuple[str, object]] = value if isinstance(value, Members) else list(value.items())
        separator = "{"
        for name, item in pairs:
            write(f"{separator}{encode_string(name)}:")
            _append(item, write)
            separator = ","
        write("}" if pairs else "{}")
    elif isinstance(value, (list, tuple)):
        items: Sequence[object] = value
        separator = "["
        for item in items:
            write(separator)
            _append(item, write)
            separator = ","
        write("]" if items else "[]")
    else:
        raise TypeError(f"{type(value).__name__} has no form in JSON")


def encode_indented(value: JSON, indent: str) -> str:
    """Return a value as Go's encoder indents it: two spaces a level, after `indent`, with sorted keys."""
    text = json.dumps(_tidy(value), ensure_ascii=False, indent=2, sort_keys=True)
    # Within a string a line break is escaped, so that every one here belongs to the layout.
    return text.translate(_HTML).replace("\n", "\n" + indent)


def _tidy(value: JSON) -> JSON:
    """Whole floats as integers, as Go writes them, and no lone surrogates."""
    if isinstance(value, float):
        return int(value) if value == int(value) and abs(value) < 1e21 else value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(name): _tidy(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    return value


def raw_text(node: Node) -> str:
    """Return what was parsed as compact JSON that decodes to the same, half surrogate pairs included."""
    text = _escape_surrogates(node)
    return encode(text)


def _escape_surrogates(node: Node) -> object:
    if isinstance(node, Number) or node is None or isinstance(node, bool):
        return node
    if isinstance(node, str):
        return Raw(_SURROGATE.sub(_as_escape, encode_basestring(node).translate(_HTML)))
    if isinstance(node, Members):
        pairs: list[str] = []
        for name, item in node:
            key = _escape_surrogates(name)
            pairs.append(f"{key}:{encode(_escape_surrogates(item))}")
        return Raw("{" + ",".join(pairs) + "}")
    return [_escape_surrogates(item) for item in node]


def _as_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def clean(text: str) -> str:
    """Return a text in which everything that UTF-8 can't carry is U+FFFD."""
    return _SURROGATE.sub("\ufffd", text) if not text.isascii() else text


# ---- reading -------------------------------------------------------------------------------------------------------


def _replace_one_byte(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\ufffd", error.start + 1


codecs.register_error("kubernaut.go", _replace_one_byte)


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _integer(digits: str) -> int | float:
    # int() refuses very long texts, and no schema tells such a number from the largest float.
    return int(digits) if len(digits) < 400 else _float(digits)


def _float(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else math.copysign(1.7e308, value)


_PLAIN: Final = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant)
_EXACT: Final = json.JSONDecoder(
    parse_int=Number, parse_float=Number, parse_constant=_refuse_constant, object_pairs_hook=Members
)
_SPACE: Final = re.compile(r"[ \t\r\n]*")


def decode_text(body: bytes) -> str:
    """Return the body as text; every byte that is no UTF-8 becomes U+FFFD."""
    return body.decode("utf-8", "kubernaut.go")


def parse_plain(text: str) -> JSON:
    """Return the first JSON value of a text, ignoring what follows it; the last of two equal keys wins.

    Raises:
        SyntaxFailure: There is none.
    """
    value: JSON = _decode_first(_PLAIN, text)
    return value


def parse(text: str) -> Node:
    """Return the first JSON value of a text with its numbers and repeated keys as they were sent.

    Raises:
        SyntaxFailure: There is none.
    """
    value: Node = _decode_first(_EXACT, text)
    return value


def _decode_first(decoder: json.JSONDecoder, text: str):  # type: ignore[no-untyped-def]  # what json returns is untyped
    start = _SPACE.match(text)
    assert start is not None
    try:
        return decoder.raw_decode(text, start.end())[0]
    except RecursionError:
        raise SyntaxFailure("exceeded max depth") from None
    except ValueError:
        raise SyntaxFailure(_Scanner(text).complaint()) from None


class _Scanner:
    """Finds the first character that makes a text no JSON, and says so in Go's words. Runs after a failure only."""

    _NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def complaint(self) -> str:
        try:
            self._skip()
            if self._at >= len(self._text):
                return "EOF"
            self._value()
        except SyntaxFailure as failure:
            return str(failure)
        return "unexpected EOF"

    def _value(self) -> None:
        """Scan one value with a stack of its own, as nesting may be deeper than Python's."""
        stack: list[Literal["{", "["]] = []
        while True:
            opened = self._scalar_or_opening(stack)
            while not opened:
                if not stack:
                    return
                opened = self._after_value(stack)

    def _scalar_or_opening(self, stack: list[Literal["{", "["]]) -> bool:
        """Scan a scalar, or open an object or array; True if a value must follow."""
        self._skip()
        character = self._peek()
        if character == "{":
            self._at += 1
            self._skip()
            if self._peek() == "}":
                self._at += 1
                return False
            self._key()
            stack.append("{")
            return True
        if character == "[":
            self._at += 1
            self._skip()
            if self._peek() == "]":
                self._at += 1
                return False
            stack.append("[")
            return True
        if character == '"':
            self._string()
        elif character == "-" or character.isdigit():
            self._number()
        else:
            for word in ("true", "false", "null"):
                if character == word[0]:
                    self._word(word)
                    return False
            self._fail("looking for beginning of value")
        return False

    def _after_value(self, stack: list[Literal["{", "["]]) -> bool:
        """Scan what may follow a value in an object or array; True if another value must follow."""
        self._skip()
        character = self._peek()
        if stack[-1] == "{":
            if character == ",":
                self._at += 1
                self._key()
                return True
            if character != "}":
                self._fail("after object key:value pair")
        else:
            if character == ",":
                self._at += 1
                return True
            if character != "]":
                self._fail("after array element")
        self._at += 1
        stack.pop()
        return False

    def _key(self) -> None:
        self._skip()
        if self._peek() != '"':
            self._fail("looking for beginning of object key string")
        self._string()
        self._skip()
        if self._peek() != ":":
            self._fail("after object key")
        self._at += 1

    def _string(self) -> None:
        self._at += 1
        while True:
            character = self._peek()
            if character == '"':
                self._at += 1
                return
            if character < " ":
                self._fail("in string literal")
            self._at += 1
            if character == "\\":
                escape = self._peek()
                if escape not in 'bfnrt\\/"u':
                    self._fail("in string escape code")
                self._at += 1
                for _ in range(4 if escape == "u" else 0):
                    if self._peek() not in "0123456789abcdefABCDEF":
                        self._fail("in \\u hexadecimal character escape")
                    self._at += 1

    def _number(self) -> None:
        match = self._NUMBER.match(self._text, self._at)
        if match is None:
            self._at += 1
            self._peek()
            self._fail("in numeric literal")
            return
        self._at = match.end()
        following = self._text[self._at : self._at + 1]
        if following == "." and "." not in match[0] and "e" not in match[0].lower():
            self._at += 1
            self._peek()
            self._fail("after decimal point in numeric literal")
        if following in ("e", "E") and "e" not in match[0].lower():
            self._at += 1
            if self._peek() in "+-":
                self._at += 1
            self._peek()
            self._fail("in exponent of numeric literal")

    def _word(self, word: str) -> None:
        for expected in word:
            if self._peek() != expected:
                self._fail(f"in literal {word} (expecting '{expected}')")
            self._at += 1

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _peek(self) -> str:
        if self._at >= len(self._text):
            raise SyntaxFailure("unexpected EOF")
        return self._text[self._at]

    def _fail(self, context: str) -> None:
        # Go looks at bytes: of a character beyond ASCII it names the first one.
        first = chr(self._text[self._at].encode("utf-8", "surrogatepass")[0])
        shown = {"'": "\\'", '"': '"', "\\": "\\\\"}.get(first, first)
        if not first.isprintable():
            shown = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}.get(first, f"\\x{ord(first):02x}")
            if ord(first) >= 0x80:
                shown = f"\\u{ord(first):04x}"
        raise SyntaxFailure(f"invalid character '{shown}' {context}")


# ---- decoding into structs -----------------------------------------------------------------------------------------

Scalar: TypeAlias = Literal["string", "bool", "int", "float64"]


@dataclass(frozen=True)
class Field:
    """One member of a struct.

    kind: a scalar; "time" (`GoTime`); "raw" (compact JSON text); "strings" (list of str); "map" (dict of lists of str);
        or a `Struct`.
    optional: a pointer in Go: None unless it was sent; otherwise it has its zero value.
    """

    name: str
    kind: Scalar | Literal["time", "raw", "strings", "map"] | Struct
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
            return None if member.optional or kind in ("raw", "strings", "map") else old
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
        if kind == "strings":
            return self._strings(node, path)
        if kind == "map":
            if not isinstance(node, Members):
                self.mismatch(node, path, "models.CustomLabels")
                return old
            return {clean(name): self._strings(item, path) for name, item in node}
        return self._scalar(node, kind, old, path)

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


def _kind(node: Node) -> str:
    if isinstance(node, Number):
        return "number"
    if isinstance(node, str):
        return "string"
    if isinstance(node, bool):
        return "bool"
    return "object" if isinstance(node, Members) else "array"
