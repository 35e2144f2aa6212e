"""The first of the service's two validators: it checks requests against the contract before any handler sees them.

The checking is done by a JSON Schema library; this module renders its findings in the order and the words of the
service's own validator (kin-openapi), whose texts end up in the problem documents that callers read. The second
validator, the decoding into structs, is `gostruct.py`, in the handlers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import jsonschema_rs

from kubernaut_client.emulator import gojson
from kubernaut_client.emulator.contract import Contract, Operation, Parameter, Schema, as_json_schema

DATE_TIME: Final = (
    r"^[0-9]{4}-(0[1-9]|10|11|12)-(0[1-9]|[12][0-9]|3[01])T([0-1][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)"
    r"(\.[0-9]+)?(Z|(\+|-)[0-9]{2}:[0-9]{2})?$"
)
_DATE_TIME: Final = re.compile(DATE_TIME.removesuffix("$") + r"\Z", re.ASCII)
# The order in which the service reports several violations by one value.
_KEYWORDS: Final = (
    "enum",
    "type",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
)

_Parsed = TypeVar("_Parsed")


class ValidationFailure(Exception):
    """The request breaks the contract; the text is the `detail` of the answer."""


@dataclass(frozen=True)
class Violation:
    """One finding: where, by which keyword, and against which schema."""

    path: tuple[str | int, ...]
    keyword: str
    schema: Schema
    value: gojson.JSON
    missing: str | None = None

    @property
    def pointer(self) -> tuple[str | int, ...]:
        return self.path if self.missing is None else (*self.path, self.missing)

    def order(self) -> tuple[Any, ...]:
        """Sorts as the service walks: members by name, elements by index, then what is missing, as listed."""
        steps = tuple((0, 0, part) if isinstance(part, str) else (0, part, "") for part in self.path)
        if self.missing is not None:
            return (*steps, (1, self.schema["required"].index(self.missing), ""))
        return (*steps, (-1, _KEYWORDS.index(self.keyword) if self.keyword in _KEYWORDS else len(_KEYWORDS), ""))

    def reason(self) -> str:
        """The words for it."""
        if self.missing is not None:
            return f'property "{self.missing}" is missing'
        limit = self.schema.get(self.keyword)
        match self.keyword:
            case "enum":
                return f"value is not one of the allowed values {gojson.encode(limit)}"
            case "type" if self.value is None:
                return "Value is not nullable"
            case "type":
                kind = str(limit)
                return f"value must be {'an' if kind[0] in 'aoi' else 'a'} {kind}"
            case "minimum" | "maximum" if isinstance(limit, (int, float)):
                return f"number must be at {'least' if self.keyword == 'minimum' else 'most'} {limit:g}"
            case "minLength" | "maxLength":
                return f"{'minimum' if self.keyword == 'minLength' else 'maximum'} string length is {limit}"
            case "minItems" | "maxItems":
                return f"{'minimum' if self.keyword == 'minItems' else 'maximum'} number of items is {limit}"
            case "format":
                return f'string doesn\'t match the format "{limit}": string doesn\'t match pattern "{DATE_TIME}"'
            case _:
                return f"doesn't match {self.keyword}"

    def render(self) -> str:
        """The finding with its place and, except for formats, with the schema and the value."""
        where = f'Error at "{"".join(f"/{part}" for part in self.pointer)}": ' if self.pointer else ""
        if self.keyword == "format":
            return f"{where}{self.reason()}"
        schema = gojson.encode_indented(as_printed(self.schema), "  ")
        value = gojson.encode_indented(self.value, "  ")
        return f"{where}{self.reason()}\nSchema:\n  {schema}\n\nValue:\n  {value}\n"


class Validator:
    """Checks requests of all operations. Safe to use from several threads; the schemas are compiled on first use.

    Args:
        on_failure: Called for every request that breaks the contract.
    """

    def __init__(self, contract: Contract, on_failure: Callable[[], None]) -> None:
        self._contract = contract
        self._on_failure = on_failure
        self._definitions = {name: as_json_schema(schema) for name, schema in contract.schemas.items()}
        self._compiled: dict[str, jsonschema_rs.Draft7Validator] = {}

    def check_query(self, operation: Operation, query: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Check a query; return its first values, defaults filled in.

        Raises:
            ValidationFailure: With all findings, joined by ` | `.
        """
        values = {name: given[0] for name, given in query.items() if given}
        failures: list[str] = []
        for parameter in operation.parameters:
            reason = self._check_parameter(operation, parameter, values)
            if reason:
                failures.append(f'parameter "{parameter.name}" in query has an error: {reason}')
        if failures:
            self._on_failure()
            raise ValidationFailure(" | ".join(failures))
        return values

    def _check_parameter(self, operation: Operation, parameter: Parameter, values: dict[str, str]) -> str:
        text = values.get(parameter.name)
        if text is None:
            if parameter.default is not None:
                values[parameter.name] = str(parameter.default)
            return ""
        integer = self._contract.resolve(parameter.schema).get("type") == "integer"
        if not text:
            return "" if integer else "empty value is not allowed"
        # What is no UTF-8 has passed once it is clean; the handler gets the bytes that were sent.
        value: gojson.JSON = gojson.clean(text)
        if integer:
            number = _parse_integer(text)
            if isinstance(number, str):
                return f"value {text}: an invalid integer: {number}"
            value = number
        key = f"{operation.id}?{parameter.name}"
        return " | ".join(finding.render() for finding in self._violations(key, parameter.schema, value))

    def check_body(self, operation: Operation, content_type: str, body: bytes) -> bytes:
        """Check a body; return it, or one with defaults filled in.

        Raises:
            ValidationFailure: With all findings, joined by ` | `.
        """
        try:
            return self._check_body(operation, content_type, body)
        except ValidationFailure:
            self._on_failure()
            raise

    def _check_body(self, operation: Operation, content_type: str, body: bytes) -> bytes:
        expected = operation.body
        if expected is None:
            return body
        if not body:
            if expected.required:
                raise ValidationFailure("request body has an error: value is required but missing")
            return body
        if content_type.partition(";")[0] != "application/json":
            shown = _quote(content_type)
            raise ValidationFailure(f"request body has an error: header Content-Type has unexpected value {shown}")
        text = gojson.decode_text(body)
        value = _parsed(gojson.parse_plain, text)
        if "\\ud" in text or "\\uD" in text:
            value = _cleaned(value)
        defaults = self._fill_defaults(expected.schema, value)
        findings = self._violations(operation.id, expected.schema, value)
        if findings:
            name = f" #/components/schemas/{expected.name}" if expected.name else ""
            items = " | ".join(finding.render() for finding in findings)
            raise ValidationFailure(f"request body has an error: doesn't match schema{name}: {items}")
        return _with_members(_parsed(gojson.parse, text), defaults).encode() if defaults else body

    def _fill_defaults(self, schema: Schema, value: gojson.JSON) -> dict[str, gojson.JSON]:
        """Add the defaults of absent and null members in place; return what was added."""
        if not isinstance(value, dict):
            return {}
        properties: dict[str, Schema] = self._contract.resolve(schema).get("properties", {})
        defaults = {
            name: member["x-default"]
            for name, member in properties.items()
            if "x-default" in member and value.get(name) is None
        }
        value.update(defaults)
        return defaults

    def _violations(self, key: str, schema: Schema, value: gojson.JSON) -> list[Violation]:
        validator = self._compiled.get(key)
        if validator is None:
            document = {**as_json_schema(schema), "components": {"schemas": self._definitions}}
            validator = jsonschema_rs.Draft7Validator(
                {"allOf": [document], "components": document["components"]},
                formats={"date-time": _is_date_time},
                validate_formats=True,
            )
            self._compiled[key] = validator
        if validator.is_valid(value):
            return []
        # Older releases of the library take 3.0 for no integer where null is allowed, too.
        value = _whole(value)
        if validator.is_valid(value):
            return []
        found: dict[tuple[str | int, ...], list[Violation]] = {}
        for error in validator.iter_errors(value):
            path = tuple(error.instance_path)
            found.setdefault(path, []).extend(self._findings(schema, value, path, str(error.schema_path[-1])))
        violations = [finding for group in found.values() for finding in _reported(group)]
        return sorted(violations, key=Violation.order)

    def _findings(
        self, schema: Schema, value: gojson.JSON, path: tuple[str | int, ...], keyword: str
    ) -> list[Violation]:
        """Describe what a keyword found at a path. All missing members are found again at each of their errors."""
        place, at = self._descend(schema, value, path)
        if keyword != "required":
            return [Violation(path, keyword, place, at)]
        assert isinstance(at, dict)
        return [Violation(path, keyword, place, at, name) for name in place["required"] if name not in at]

    def _descend(self, schema: Schema, value: gojson.JSON, path: tuple[str | int, ...]) -> tuple[Schema, gojson.JSON]:
        schema = self._contract.resolve(schema)
        for part in path:
            if isinstance(part, int):
                assert isinstance(value, list)
                schema, value = schema["items"], value[part]
            else:
                assert isinstance(value, dict)
                schema = schema.get("properties", {}).get(part) or schema["additionalProperties"]
                value = value[part]
            schema = self._contract.resolve(schema)
        return schema, value


def _parsed(parse: Callable[[str], _Parsed], text: str) -> _Parsed:
    try:
        return parse(text)
    except gojson.SyntaxFailure as failure:
        raise ValidationFailure(f"request body has an error: failed to decode request body: {failure}") from None


def _with_members(node: gojson.Node, members: Mapping[str, gojson.JSON]) -> str:
    """An object with more members, as the service writes it anew: sorted, and with the digits that were sent."""
    assert isinstance(node, gojson.Members)
    added = [(name, gojson.parse(gojson.encode(value))) for name, value in members.items()]
    return gojson.encode_any(gojson.Members([*node, *added]), digits=True)


def _reported(group: list[Violation]) -> list[Violation]:
    """Of all findings about one value, those that the service reports: a wrong enum or type hides the rest."""
    unique = list({(finding.keyword, finding.missing): finding for finding in group}.values())
    for finding in unique:
        if finding.keyword == "enum":
            return [finding]
    for finding in unique:
        number = isinstance(finding.value, (int, float)) and not isinstance(finding.value, bool)
        if finding.keyword == "type" and not (number and finding.schema.get("type") == "integer"):
            return [finding]
    return unique


def as_printed(schema: Schema) -> Schema:
    """A schema as the service prints it into its errors: without this contract's own annotations."""
    result: Schema = {}
    for key, value in schema.items():
        if key == "x-default":
            result["default"] = value
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            result[key] = as_printed(value)  # pyright: ignore[reportUnknownArgumentType]
        elif key == "properties":
            result[key] = {name: as_printed(member) for name, member in value.items()}
        elif not key.startswith("x-"):
            result[key] = value
    return result


def _is_date_time(text: str) -> bool:
    return _DATE_TIME.match(text) is not None


def _parse_integer(text: str) -> int | str:
    """A number with an optional prefix 0x, 0o, 0b or 0, or what is wrong with the text."""
    match = re.fullmatch(r"([+-]?)(0[xX]|0[oO]|0[bB]|0)?(_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)?", text)
    if match is None or (match[3] is None and match[2] != "0") or (match[2] is None and match[3].startswith("_")):
        return "invalid syntax"
    base = {"x": 16, "o": 8, "b": 2, "0": 8}[match[2][-1].lower()] if match[2] else 10
    digits = (match[3] or "0").replace("_", "")
    if len(digits) > 100:
        digits = digits.lstrip("0")[:100] or "0"
    try:
        number = int(match[1] + digits, base)
    except ValueError:
        return "invalid syntax"
    return number if -(2**63) <= number < 2**63 else "value out of range"


def _quote(text: str) -> str:
    """A text in double quotes, as Go prints it."""
    return '"' + "".join(f"\\{part}" if part in '"\\' else part for part in text) + '"'


def _whole(value: gojson.JSON) -> gojson.JSON:
    """The same value with whole floats as integers."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value


def _cleaned(value: gojson.JSON) -> gojson.JSON:
    """The same value with U+FFFD for half surrogate pairs, which no JSON Schema library takes."""
    if isinstance(value, str):
        return gojson.clean(value)
    if isinstance(value, dict):
        return {gojson.clean(name): _cleaned(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value
