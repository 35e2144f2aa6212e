"""Differences as lines and as JSON: readable, bounded, and never the content in JSON."""

import json
from hashlib import sha256
from typing import Any

import pytest

from kubernaut_client import Difference
from kubernaut_client.cli.differences import (
    DIFF_LINES,
    VALUE_LIMIT,
    Value,
    difference_keys,
    difference_lines,
    excerpts,
    unified,
)
from kubernaut_client.cli.text import Styled


def lines(*differences: Difference, whole: bool = False) -> list[str]:
    found: list[str] = []
    for part in difference_lines(differences, whole=whole):
        if isinstance(part, Value):
            found.append(f"{part.label}: {part.text}")
        else:
            found.append(part.text if isinstance(part, Styled) else part)
    return found


def diff(stored: str, wanted: str) -> list[str]:
    return [part.text if isinstance(part, Styled) else part for part in unified(stored, wanted)][2:]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("P0", "P0"),
        ("two words", "two words"),
        (None, "(nothing)"),
        ("(nothing)", '"(nothing)"'),
        ("", '""'),
        (" x", '" x"'),
        ("5", '"5"'),
        (5, "5"),
        ("true", '"true"'),
        (True, "true"),
        ("null", '"null"'),
        ('{"a": 1}', '{"a": 1}'),
        ({"b": [1], "a": "ü"}, '{"a": "ü", "b": [1]}'),
    ],
)
def test_short_values(value: Any, shown: str) -> None:
    assert lines(Difference("field", value, "other")) == ["field", "stored: other", f"wanted: {shown}"]


@pytest.mark.parametrize(
    ("stored", "wanted", "shown"),
    [
        ("caf\xe9", "cafe\u0301", ('"caf\\u00e9"', '"cafe\\u0301"')),
        ("\x1b[31m", "\\x1b[31m", ('"\\u001b[31m"', '"\\\\x1b[31m"')),
        ({"a": "\xe9"}, {"a": "e\u0301"}, ('{"a": "\\u00e9"}', '{"a": "e\\u0301"}')),
        ("x" * 500 + "\xe9", "x" * 500 + "e\u0301", None),
    ],
)
def test_values_that_look_alike_are_told_apart(stored: Any, wanted: Any, shown: tuple[str, str] | None) -> None:
    _, before, after = lines(Difference("field", wanted, stored))
    assert (before + after).replace("…", "").isascii()
    assert before.removeprefix("stored: ") != after.removeprefix("wanted: ")
    assert shown is None or (before, after) == (f"stored: {shown[0]}", f"wanted: {shown[1]}")


def test_lines_that_look_alike_are_told_apart() -> None:
    assert diff("a\ncaf\xe9\nb\n", "a\ncafe\u0301\nb\n")[1:] == [
        " a",
        '-"caf\\u00e9"',
        '+"cafe\\u0301"',
        " b",
    ]
    assert diff("\x1b\n", "\\x1b\nmore\n")[1:] == ['-"\\u001b"', '+"\\\\x1b"', "+more"]


def test_order_of_custom_labels_does_not_count() -> None:
    assert lines(Difference("custom_labels", {"team": ["b", "a"]}, {"team": ["c", "a"]})) == [
        "custom_labels",
        'stored: {"team": ["a", "c"]}',
        'wanted: {"team": ["a", "b"]}',
    ]


def test_a_text_of_several_lines_is_a_diff_and_its_hash_goes_with_it() -> None:
    stored, wanted = "a\nb\nc\nd\ne\nf\ng\n", "a\nb\nc\nD\ne\nf\ng\n"
    assert lines(Difference("content", wanted, stored), Difference("content_hash", "b2", "a1")) == [
        "content, and with it content_hash",
        "  --- stored",
        "  +++ wanted",
        "  @@ -2,5 +2,5 @@",
        "   b",
        "   c",
        "  -d",
        "  +D",
        "   e",
        "   f",
    ]
    assert lines(Difference("content_hash", "b2", "a1")) == ["content_hash", "stored: a1", "wanted: b2"]


@pytest.mark.parametrize(
    ("stored", "wanted", "expected"),
    [
        ("a\n", "a", ["@@ -1 +1,2 @@", " a", "+\\ no newline at the end"]),
        ("a\n", "a\n\n", ["@@ -1 +1,2 @@", " a", "+"]),
        ("", "a\n", ["@@ -0,0 +1 @@", "+a"]),
        ("a\r\nb\n", "a\nb\n", ["@@ -1,2 +1,2 @@", "-a\r", "+a", " b"]),
        ("a\x85b\n", "a\u2028b\n", ["@@ -1 +1 @@", "-a\x85b", "+a\u2028b"]),
    ],
)
def test_ends_of_lines(stored: str, wanted: str, expected: list[str]) -> None:
    assert diff(stored, wanted) == expected


def test_numbers_of_lines_far_down() -> None:
    before = [f"line {i}" for i in range(1, 3001)]
    after = [*before[:2499], "changed", *before[2500:]]
    found = diff("\n".join(before) + "\n", "\n".join(after) + "\n")
    assert found == [
        "@@ -2498,5 +2498,5 @@",
        " line 2498",
        " line 2499",
        "-line 2500",
        "+changed",
        " line 2501",
        " line 2502",
    ]


def test_what_is_too_long_to_compare_is_counted() -> None:
    stored, wanted = "same\n" + "x\ny\n" * 20_000, "same\n" + "y\nz\n" * 30_000
    assert diff(stored, wanted) == ["from line 2 on: 40000 lines stored, 60000 wanted"]


def test_a_long_diff_is_cut_and_says_so() -> None:
    stored = "".join(f"{i}\n" for i in range(60))
    wanted = "".join(f"{i}!\n" for i in range(60))
    cut = lines(Difference("content", wanted, stored))
    assert len(cut) == DIFF_LINES + 2
    assert cut[-1] == "  … 103 more lines, which -v shows"
    assert len(lines(Difference("content", wanted, stored), whole=True)) == 1 + 3 + 120


def test_long_values_are_cut_to_where_they_differ() -> None:
    one, other = "a" * 500 + "1" + "b" * 500, "a" * 500 + "2" + "b" * 500
    shown = excerpts(one, other)
    assert shown == tuple(f"…{'a' * 50}{digit}{'b' * 149}…" for digit in "12")
    assert excerpts("x" * VALUE_LIMIT, "y") == ("x" * VALUE_LIMIT, "y")
    assert excerpts("x" * 300, "") == ("x" * 200 + "…", "")
    assert diff(f"{one}\n", f"{other}\n") == ["@@ -1 +1 @@", f"-{shown[0]}", f"+{shown[1]}"]


def test_large_values_are_diffs_of_their_json() -> None:
    found = lines(Difference("parameters", {"steps": list(range(41))}, {"steps": list(range(40))}))
    assert found[:4] == ["parameters", "  --- stored", "  +++ wanted", "  @@ -40,5 +40,6 @@"]
    assert found[-4:] == ["  +    39,", "  +    40", "     ]", "   }"]


def test_json_has_texts_and_no_content() -> None:
    content = Difference("content", "wanted", None)
    assert difference_keys(content) == {
        "field": "content",
        "stored": None,
        "wanted": sha256(b"wanted").hexdigest(),
    }
    assert difference_keys(Difference("labels.priority", "P1", "P0"))["wanted"] == "P1"
    parameters = difference_keys(Difference("parameters", {"b": 1, "a": [None]}, None))
    assert parameters["wanted"] == '{"a": [null], "b": 1}'
    assert json.dumps(difference_keys(Difference("name", "\ud800", "x")))
