"""The keys of the JSON documents: as docs/cli-json.md lists them, and as a document has them."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[3] / "docs" / "cli-json.md"
EVERY = "Every document"
_ROW = re.compile(r"^\| `([^`]+)` \| ([a-z ]+) \|")
_SECTION = re.compile(r"^## `?([^`]+?)`?$")

Keys = dict[str, set[str]]


def documented() -> dict[str, Keys]:
    """Section of the page → key path → names of its types; a section is a command or `EVERY`."""
    sections: dict[str, Keys] = {}
    keys: Keys = {}
    for line in PAGE.read_text("utf-8").splitlines():
        if section := _SECTION.match(line):
            keys = {}
            sections[section[1]] = keys
        elif row := _ROW.match(line):
            assert row[1] not in keys, f"{row[1]} is listed twice"
            keys[row[1]] = set(row[2].split(" or "))
    return {name: keys for name, keys in sections.items() if keys}


def keys_of(documents: Iterable[dict[str, Any]]) -> Keys:
    """Key path → the types that were seen, over all documents."""
    seen: Keys = {}
    for document in documents:
        for path, kind in _walk("", document):
            seen.setdefault(path, set()).add(kind)
    return seen


def differences(command: str, documents: Iterable[dict[str, Any]]) -> list[str]:
    """What the documents of a command and the page don't agree on; `error` may be absent, and a `map` has any keys."""
    page = documented()
    common, own = page[EVERY], page.get(command, {})
    maps = tuple(f"{path}." for path, kinds in own.items() if "map" in kinds)
    seen = {path: kinds for path, kinds in keys_of(documents).items() if not path.startswith(maps)}
    found = [f"{path} is in no table" for path in seen if path not in common and path not in own]
    found += [f"{path} was never seen" for path in own if path not in seen]
    for path, kinds in seen.items():
        allowed = own.get(path) or common.get(path) or kinds
        if "number" in allowed:
            allowed = allowed | {"integer"}
        if "map" in allowed:
            allowed = allowed | {"object"}
        if kinds - allowed:
            found.append(f"{path} is {sorted(kinds)}, listed as {sorted(allowed)}")
    return sorted(found)


def _walk(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if path:
        yield path, _type(value)
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _walk(f"{path}.{key}" if path else key, member)
    elif isinstance(value, list):
        for member in value:
            yield from _walk(f"{path}[]", member)


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {
        int: "integer",
        float: "number",
        str: "string",
        dict: "object",
        list: "array",
        type(None): "null",
    }
    return names[type(value)]
