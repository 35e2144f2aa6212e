"""What differs between a stored workflow and its file: as lines for a person, and as texts for a program."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .text import Part, Styled, printable

if TYPE_CHECKING:
    from kubernaut_client import Difference

DIFF_LINES = 20
"""Lines of a diff that are shown unless all are asked for."""
VALUE_LIMIT = 200
"""Characters of a value, or of a line of a diff, that are shown."""
_INLINE = 80
_CONTEXT = 2
# Comparing takes the square of it in the worst case, a second or so.
_COMPARED_LINES = 1000
_NOTHING = "(nothing)"
_NO_NEWLINE = "\\ no newline at the end"


class Value(NamedTuple):
    """A value on a line of its own: "stored" or "wanted", and the text."""

    label: str
    text: str


def difference_keys(difference: Difference) -> dict[str, object]:
    """A difference in JSON. A content is told by its SHA-256 only; what is no text is told as JSON."""
    return {
        "field": difference.field,
        "stored": _json_text(difference.field, difference.stored),
        "wanted": _json_text(difference.field, difference.wanted),
    }


def difference_lines(differences: Sequence[Difference], *, whole: bool) -> Iterator[Part | Value]:
    """The lines of all differences of a workflow, field by field; `whole`: diffs are not cut.

    Short values stand below each other, texts of several lines and large values are shown as a unified diff. The hash
    of a content that differs, too, has no lines of its own.
    """
    fields = {each.field for each in differences}
    for each in differences:
        if each.field == "content_hash" and "content" in fields:
            continue
        name = "content, and with it content_hash" if {"content", "content_hash"} <= fields else "content"
        yield Styled(name if each.field == "content" else each.field, "bold")
        yield from _body(each, whole)


def _body(difference: Difference, whole: bool) -> Iterator[Part | Value]:
    stored, wanted = (_sorted_sets(difference.field, each) for each in (difference.stored, difference.wanted))
    texts = [each if isinstance(each, str) else _pretty(each) for each in (stored, wanted)]
    if any("\n" in text for text in texts) and None not in (stored, wanted):
        lines = list(unified(*texts))
        kept = lines if whole or len(lines) <= DIFF_LINES + 1 else lines[:DIFF_LINES]
        yield from (_indented(line) for line in kept)
        if len(kept) < len(lines):
            yield Styled(f"  … {len(lines) - len(kept)} more lines, which -v shows", "dim")
        return
    before, after = _shown(stored), _shown(wanted)
    if _look(before) == _look(after):
        before, after = _escaped(stored), _escaped(wanted)
    before, after = excerpts(before, after)
    yield Value("stored", before)
    yield Value("wanted", after)


def _indented(part: Part) -> Part:
    return Styled(f"  {part.text}", part.style) if isinstance(part, Styled) else f"  {part}"


def unified(stored: str, wanted: str) -> Iterator[Part]:
    """The lines of a unified diff of two texts, long ones cut to where they differ."""
    before, after = _lines(stored), _lines(wanted)
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    changed = len(before) - head - tail, len(after) - head - tail
    yield Styled("--- stored", "red")
    yield Styled("+++ wanted", "green")
    if max(changed) > _COMPARED_LINES:
        yield Styled(f"from line {head + 1} on: {changed[0]} lines stored, {changed[1]} wanted", "cyan")
        return
    start = max(head - _CONTEXT, 0)
    end = max(tail - _CONTEXT, 0)
    before, after = before[start : len(before) - end], after[start : len(after) - end]
    for group in SequenceMatcher(None, before, after).get_grouped_opcodes(_CONTEXT):
        _, i, _, j, _ = group[0]
        _, _, i_end, _, j_end = group[-1]
        yield Styled(f"@@ -{_range(start + i, start + i_end)} +{_range(start + j, start + j_end)} @@", "cyan")
        for tag, i, i_end, j, j_end in group:
            if tag == "equal":
                yield from (f" {excerpts(line, line)[0]}" for line in before[i:i_end])
                continue
            old, new = before[i:i_end], after[j:j_end]
            if len(old) == len(new):
                pairs = [excerpts(*pair) for pair in zip(old, new, strict=True)]
                old, new = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            alike = {_look(line) for line in old} & {_look(line) for line in new}
            old, new = ([_escaped(line) if _look(line) in alike else line for line in each] for each in (old, new))
            yield from (Styled(f"-{excerpts(line, line)[0]}", "red") for line in old)
            yield from (Styled(f"+{excerpts(line, line)[0]}", "green") for line in new)


def excerpts(one: str, other: str) -> tuple[str, str]:
    """Two texts as they are if they are short, else what surrounds the first place where they differ."""
    if max(len(one), len(other)) <= VALUE_LIMIT + 2:
        return one, other
    same = _common(one, other)
    start = 0 if one == other or same < VALUE_LIMIT * 3 // 4 else same - VALUE_LIMIT // 4
    return _part(one, start), _part(other, start)


def _part(text: str, start: int) -> str:
    before = "…" if start else ""
    after = "…" if len(text) > start + VALUE_LIMIT else ""
    return f"{before}{text[start : start + VALUE_LIMIT]}{after}"


def _shown(value: Any) -> str:
    """A value on a line. A text stands for itself unless it could be taken for something else."""
    if value is None:
        return _NOTHING
    if isinstance(value, str) and value.strip() == value and not _ambiguous(value):
        return value
    return _compact(value)


def _look(text: str) -> str:
    """What two texts that can't be told apart by looking at them have in common."""
    return unicodedata.normalize("NFC", printable(text))


def _escaped(value: Any) -> str:
    """A value as ASCII, so that it looks like no other."""
    return _NOTHING if value is None else json.dumps(value, sort_keys=True)


def _ambiguous(text: str) -> bool:
    """Whether a text looks like a number, a truth value or nothing at all."""
    try:
        return not isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return text in ("", _NOTHING)


def _json_text(field: str, value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else _compact(_sorted_sets(field, value))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest() if field == "content" else text


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _pretty(value: Any) -> str:
    """What isn't a text as JSON, over several lines if it is long."""
    text = _compact(value)
    return text if len(text) <= _INLINE else json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2)


def _sorted_sets(field: str, value: Any) -> Any:
    """Custom labels with the values of each in order, as theirs doesn't count."""
    if field != "custom_labels" or not isinstance(value, dict):
        return value
    labels = cast("dict[str, list[Any] | str]", value)
    return {key: sorted(each, key=str) if isinstance(each, list) else each for key, each in labels.items()}


def _lines(text: str) -> list[str]:
    """Lines as an editor counts them: only a line feed ends one."""
    lines = text.split("\n")
    return [*lines[:-1], *([lines[-1], _NO_NEWLINE] if lines[-1] else [])]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines, or characters, two have in common from their start."""
    number = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        number += 1
    return number


def _range(start: int, end: int) -> str:
    """Lines as a unified diff names them: an empty range by the line before it."""
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"
