"""The contract of the service, as its schema validator sees it.

Reads the OpenAPI document and applies its conventions: keywords that the handler or the database enforces are dropped
(`x-enforced-by`), those of the real validator are merged in (`x-validator`). What is done with a request is up to
`validation.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

FILE_NAME: Final = "data-storage-v1.yaml"

Schema: TypeAlias = dict[str, Any]

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_ANY_VALUE: Final = ["object", "array", "string", "number", "boolean"]
_FORMATS: Final = ("date-time",)  # the only one that the service checks


@dataclass(frozen=True)
class Parameter:
    """A query parameter: its name, its schema for validation, the default that the service fills in."""

    name: str
    schema: Schema
    default: object = None


@dataclass(frozen=True)
class Body:
    """A request body: whether it must be there, its schema, and the schema's name if it has one."""

    required: bool
    schema: Schema
    name: str | None


@dataclass(frozen=True)
class Operation:
    """One operation of the contract. `validated` is False for a route that the service's validator doesn't know."""

    id: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body: Body | None
    validated: bool


@dataclass(frozen=True)
class Contract:
    """All operations by id, and the schemas they refer to, ready for a JSON Schema validator."""

    operations: Mapping[str, Operation]
    schemas: Mapping[str, Schema]

    def resolve(self, schema: Schema) -> Schema:
        """Follow a reference, if the schema is one."""
        reference = schema.get("$ref")
        return self.schemas[reference.rpartition("/")[2]] if isinstance(reference, str) else schema


@functools.cache
def load() -> Contract:
    """Read the contract that belongs to this installation. Takes some ten milliseconds, once.

    Raises:
        OSError: The file is missing.
    """
    import yaml

    with open(find(), "rb") as file:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        document: dict[str, Any] = yaml.load(file, Loader=loader)  # noqa: S506  # both loaders are safe
    components: dict[str, Any] = document.get("components", {})
    parameters: dict[str, Schema] = components.get("parameters", {})
    schemas = {name: as_validated(schema) for name, schema in components.get("schemas", {}).items()}
    operations = {operation.id: operation for operation in _operations(document, parameters)}
    return Contract(operations, schemas)


def find() -> Path:
    """Return the path of the contract: beside this module once installed, else in the source tree.

    Raises:
        OSError: It is in neither place.
    """
    here = Path(__file__).resolve().parent
    for place in (here / FILE_NAME, here.parents[1] / "openapi" / FILE_NAME):
        if place.is_file():
            return place
    raise FileNotFoundError(f"{FILE_NAME}, the contract, is not part of this installation of kubernaut-client")


def _operations(document: dict[str, Any], shared: Mapping[str, Schema]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method not in item:
                continue
            operation = item[method]
            listed = [*item.get("parameters", ()), *operation.get("parameters", ())]
            parameters = [shared[entry["$ref"].rpartition("/")[2]] if "$ref" in entry else entry for entry in listed]
            yield Operation(
                id=operation["operationId"],
                method=method.upper(),
                path=path,
                parameters=tuple(
                    Parameter(entry["name"], as_validated(entry["schema"]), entry["schema"].get("x-default"))
                    for entry in parameters
                    if entry["in"] == "query"
                ),
                body=_body(operation.get("requestBody")),
                validated=operation.get("x-validated", True),
            )


def _body(body: dict[str, Any] | None) -> Body | None:
    if body is None:
        return None
    schema = body["content"]["application/json"]["schema"]
    name = schema["$ref"].rpartition("/")[2] if "$ref" in schema else None
    required = bool(body.get("required")) and "required" not in body.get("x-enforced-by", {})
    return Body(required, as_validated(schema), name)


def as_validated(schema: Schema) -> Schema:
    """Return a schema with exactly the keywords that the service's validator enforces, and its annotations."""
    result = {key: value for key, value in schema.items() if key not in schema.get("x-enforced-by", {})}
    extra: Schema = result.pop("x-validator", {})
    result.pop("x-enforced-by", None)
    if "properties" in extra:
        result["properties"] = {**result.get("properties", {}), **extra["properties"]}
    result.update({key: value for key, value in extra.items() if key != "properties"})
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            result[key] = as_validated(result[key])
    if "properties" in result:
        result["properties"] = {name: as_validated(member) for name, member in result["properties"].items()}
    return result


def as_json_schema(schema: Schema) -> Schema:
    """Return a schema of OpenAPI 3.0 as JSON Schema draft 7.

    What is nullable there has the type null here, too; what has no type takes anything but null.
    """
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    result = {key: value for key, value in schema.items() if not key.startswith("x-") and key != "nullable"}
    kinds = [result["type"]] if "type" in result else list(_ANY_VALUE)
    if schema.get("nullable"):
        kinds.append("null")
        if "enum" in result:
            result["enum"] = [*result["enum"], None]
    result["type"] = kinds
    if result.get("format") not in _FORMATS:
        result.pop("format", None)
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            result[key] = as_json_schema(result[key])
    if "properties" in result:
        result["properties"] = {name: as_json_schema(member) for name, member in result["properties"].items()}
    return result
