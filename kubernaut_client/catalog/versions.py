"""The version that a WorkflowSchema document says of itself, rewritten in place.

Nothing but the one scalar changes: comments, order, quotes and line ends are the author's. Which version is due, and
storing it, is left to the caller.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from kubernaut_client import limits
from kubernaut_client.catalog.text import is_schema
from kubernaut_client.errors import CatalogError

_STRING = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
# Needs no quotes whatever version of YAML reads it; `1.0` and `1e3` are numbers to some.
_BARE = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]*)?")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
# JSON allows these in a string as they are, YAML doesn't, or takes them for the end of a line.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
# Allowed in JSON only; none of them tells where a value is.
_NOT_YAML = re.compile(r"[^\x20-\x7e\r\n]")


def with_version(content: str, version: str) -> str:
    """The content with its `metadata.version` set to a version of 1 to 50 characters.

    Takes YAML and JSON. The quotes stay as they are where the version allows it (`1.10` without them is a number). A
    content that is no single WorkflowSchema document, or has no `metadata.version`, comes back as it is.

    Raises `InvalidRequestError` for a bad version, and `CatalogError` where the version can't be changed alone: it is
    no scalar, or an anchor or merge key makes it another field's, too.
    """
    version = limits.version(version)
    root = _composed(content)
    kind, _ = _found(root, "kind")
    if root is None or not is_schema({"kind": kind.value if kind else None}):
        return content
    node, own = _found(_found(root, "metadata")[0], "version")
    if node is None or node.tag == _NULL:
        return content
    if not isinstance(node, ScalarNode):
        raise CatalogError("metadata.version: must be a string")
    if node.value == version and node.tag == _STRING:
        return content
    if not own or not _found(root, "metadata")[1] or _is_shared(root, node):
        raise CatalogError("metadata.version: is shared with another field by an anchor or merge key; write it out")
    start, end = _span(content, node)
    old = content[start:end]
    tail = old[len(old.rstrip()) :]  # a block scalar ends with the line
    for text in _written(version, old[:1]):
        changed = f"{content[:start]}{text}{tail}{content[end:]}"
        if _is_json(content) and _json_differs_in_version_only(content, changed, version):
            return changed
        if not _is_json(content) and _differs_in_version_only(root, node, changed, version):
            return changed
    raise CatalogError("metadata.version: can't be changed without changing something else")


def json_text(value: object, indent: int | None = None) -> str:
    """JSON that is YAML, too, and shows no control character to a terminal; other letters stay readable."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=indent)
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which has no UTF-8
        return json.dumps(value, indent=indent)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _is_json(content: str) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def _readable(content: str) -> str:
    """The content as PyYAML reads it, every character where it was: JSON may be indented by tabs."""
    return _NOT_YAML.sub(" ", content) if _is_json(content) else content


def _composed(content: str) -> Node | None:
    """The nodes of a text that is one document, else None. Aliases are not expanded."""
    try:
        node: Node | None = yaml.compose(_readable(content), Loader=yaml.SafeLoader)
    # PyYAML lets through what chr() raises for an escape beyond Unicode.
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
        return None
    return node


def _pairs(mapping: MappingNode) -> list[tuple[Node, Node]]:
    pairs: list[tuple[Node, Node]] = mapping.value
    return pairs


def _items(sequence: SequenceNode) -> list[Node]:
    items: list[Node] = sequence.value
    return items


def _found(node: Node | None, key: str) -> tuple[Node | None, bool]:
    """The value of a key and whether the mapping itself has it; else a merge key's, in the order of PyYAML."""
    waiting, seen, own = [node], set[int](), True
    while waiting:
        mapping = waiting.pop(0)
        if not isinstance(mapping, MappingNode) or id(mapping) in seen:
            continue
        seen.add(id(mapping))
        for name, value in reversed(_pairs(mapping)):  # of a key given twice the last one counts
            if isinstance(name, ScalarNode) and name.tag == _STRING and name.value == key:
                return value, own
        own = False
        for name, value in _pairs(mapping):
            if name.tag == _MERGE:
                waiting += _items(value) if isinstance(value, SequenceNode) else [value]
    return None, False


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for pair in _pairs(node):
            yield from pair
    elif isinstance(node, SequenceNode):
        yield from _items(node)


def _is_shared(root: Node, node: Node) -> bool:
    """Whether a scalar, or a mapping around it, is reached in more than one way."""
    parents: dict[int, list[Node]] = {}
    waiting, seen = [root], {id(root)}
    while waiting:
        parent = waiting.pop()
        for child in _children(parent):
            parents.setdefault(id(child), []).append(parent)
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append(child)
    while node is not root:
        ways = parents[id(node)]
        if len(ways) > 1:
            return True
        node = ways[0]
    return id(root) in parents


def _span(content: str, node: ScalarNode) -> tuple[int, int]:
    """Where a scalar stands, without its tag and anchor, which its own mark includes."""
    assert node.end_mark is not None
    end = node.end_mark.index
    for token in yaml.scan(_readable(content), Loader=yaml.SafeLoader):
        if isinstance(token, yaml.ScalarToken) and token.end_mark.index == end:
            return token.start_mark.index, end
    return end, end  # an empty scalar with a tag


def _written(version: str, quote: str) -> Iterator[str]:
    """Ways to write a version, the one most like what was there first."""
    if quote == "'" and _PRINTABLE.fullmatch(version):
        yield "'" + version.replace("'", "''") + "'"
    elif quote not in ("'", '"', "|", ">", "") and _BARE.fullmatch(version):
        yield version
    yield json_text(version)


def _json_differs_in_version_only(before: str, after: str, version: str) -> bool:
    wanted = json.loads(before)
    wanted["metadata"]["version"] = version
    try:
        return bool(json.loads(after) == wanted)
    except (ValueError, RecursionError):
        return False


def _differs_in_version_only(before: Node, place: Node, content: str, version: str) -> bool:
    after = _composed(content)
    if after is None:
        return False
    waiting, seen = [(before, after)], dict[int, int]()
    while waiting:
        one, other = waiting.pop()
        if id(one) in seen:
            # The same anchor must stand for the same node again.
            if seen[id(one)] != id(other):
                return False
            continue
        seen[id(one)] = id(other)
        if one is place:
            if not isinstance(other, ScalarNode) or (other.tag, other.value) != (_STRING, version):
                return False
            continue
        if type(one) is not type(other) or one.tag != other.tag:
            return False
        if isinstance(one, ScalarNode) and one.value != other.value:
            return False
        mine, theirs = list(_children(one)), list(_children(other))
        if len(mine) != len(theirs):
            return False
        waiting += zip(mine, theirs, strict=True)
    return True
