"""JSON the way the service's language reads and writes it.

The service is written in Go; its JSON package decides which bodies are refused, with which words, and how replies look:
members in the order of the struct, `<`, `>` and `&` escaped, numbers without a trailing `.0`, keys matched whatever
their case. Structs are in `gostruct.py`.
"""

from __future__ import annotations

import codecs
import functools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Final, Literal, TypeAlias, cast

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


# ---- writing -------------------------------------------------------------------------------------------------------

_ESCAPED: Final = (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"))
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def encode_string(value: str) -> str:
    """Return a text as a JSON string."""
    return _escape(encode_basestring(clean(value)))


# Few names make up most of what is written.
_encode_name: Final = functools.lru_cache(4096)(encode_string)


def _escape(text: str) -> str:
    """Escape what Go escapes for the sake of HTML and JavaScript. None of it occurs outside of strings."""
    for character, escape in _ESCAPED:
        if character in text:
            text = text.replace(character, escape)
    return text


def encode_float(value: float) -> str:
    """Return a number with as few digits as it takes: 1, 0.123, 1e-7, 1e+21."""
    if not math.isfinite(value):
        raise ValueError("JSON has no infinity and no NaN")
    if value.is_integer() and abs(value) < 1e21:
        if abs(value) < 2**53:
            return "-0" if value == 0 and math.copysign(1, value) < 0 else str(int(value))
        # Zeros after the digits that matter, not the digits of the exact value.
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
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
        pairs = value if isinstance(value, Members) else cast(Mapping[str, object], value).items()
        separator = "{"
        for name, item in pairs:
            write(f"{separator}{_encode_name(name)}:")
            _append(item, write)
            separator = ","
        write("}" if pairs else "{}")
    elif isinstance(value, (list, tuple)):
        items = cast(Sequence[object], value)
        separator = "["
        for item in items:
            write(separator)
            _append(item, write)
            separator = ","
        write("]" if items else "[]")
    else:
        raise TypeError(f"{type(value).__name__} has no form in JSON")


def encode_any(node: Node, *, digits: bool = False) -> str:
    """Return what was parsed as Go writes it after decoding it into no type in particular.

    Members are sorted by name, of equal names the last one counts, and all numbers are floats. The nesting may be as
    deep as the parser takes it, hence no recursion.

    Args:
        digits: Leave the digits of numbers as they were sent, as Go does after decoding with UseNumber.

    Raises:
        ValueError: A number is too large for a float; it is the argument.
    """
    parts: list[str] = []
    pending: list[Node | Raw] = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, Raw) or (digits and isinstance(item, Number)):
            parts.append(item)
        elif isinstance(item, Number):
            value = float(item)
            if not math.isfinite(value):
                raise ValueError(item)
            parts.append(encode_float(value))
        elif isinstance(item, str):
            parts.append(encode_string(item))
        elif item is None or isinstance(item, bool):
            parts.append(encode(item))
        else:
            pending.extend(reversed(_pieces(item)))
    return "".join(parts)


def _pieces(node: list[Node] | Members) -> list[Node | Raw]:
    """An array or object as punctuation, ready to be written, and what stands between it."""
    pieces: list[Node | Raw] = []
    if isinstance(node, Members):
        members = {clean(name): item for name, item in node}
        for name in sorted(members):
            pieces += [Raw(f"{',' if pieces else ''}{_encode_name(name)}:"), members[name]]
        return [Raw("{"), *pieces, Raw("}")]
    for item in node:
        pieces += [Raw(","), item] if pieces else [item]
    return [Raw("["), *pieces, Raw("]")]


def encode_indented(value: JSON, indent: str) -> str:
    """Return a value as Go's encoder indents it: two spaces a level, after `indent`, with sorted keys."""
    text = json.dumps(_tidy(value), ensure_ascii=False, indent=2, sort_keys=True)
    # Within a string a line break is escaped, so that every one here belongs to the layout.
    return _escape(text).replace("\n", "\n" + indent)


def _tidy(value: JSON) -> JSON:
    """Whole floats as integers, as Go writes them, and no lone surrogates."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(name): _tidy(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    return value


def raw_text(node: Node) -> str:
    """Return what was parsed as compact JSON that decodes to the same, half surrogate pairs included."""
    return encode(_escape_surrogates(node))


def _escape_surrogates(node: Node) -> object:
    if isinstance(node, Number) or node is None or isinstance(node, bool):
        return node
    if isinstance(node, str):
        return Raw(_SURROGATE.sub(_as_escape, _escape(encode_basestring(node))))
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
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


# ---- reading -------------------------------------------------------------------------------------------------------


def _replace_one_byte(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\ufffd", error.start + 1


codecs.register_error("kubernaut.go", _replace_one_byte)


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _integer(digits: str) -> int | float:
    # The service's validator sees every number as a 64-bit float; only what may be an int64 is worth more.
    return int(digits) if len(digits) < 19 else _float(digits)


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


def _decode_first(decoder: json.JSONDecoder, text: str) -> Any:
    start = _SPACE.match(text)
    assert start is not None
    try:
        return decoder.raw_decode(text, start.end())[0]
    except (ValueError, RecursionError):
        raise SyntaxFailure(_Scanner(text).complaint()) from None


class _Scanner:
    """Finds the first character that makes a text no JSON, and says so in Go's words. Runs after a failure only."""

    _NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at: int = 0

    def complaint(self) -> str:
        try:
            self._skip()
            if self._at >= len(self._text):
                return "EOF"
            self._value()
        except SyntaxFailure as failure:
            return str(failure)
        # It is JSON, nested deeper than Python can follow. Go gives up in these words, at ten thousand levels.
        return "exceeded max depth"

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
        elif character in "-0123456789":
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
