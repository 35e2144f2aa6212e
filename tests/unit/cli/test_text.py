"""Strangers' words made harmless, and tables that fit."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client.cli.text import Part, Styled, cut, printable, shared, table, width_of

HOSTILE = {
    "\x1b[31mred\x1b[0m": "\\x1b[31mred\\x1b[0m",
    "\x1b]0;title\x07": "\\x1b]0;title\\x07",
    "\x9b31m": "\\x9b31m",
    "a\rb\nc\td\0e\x08f\x7f": "a\\rb\\nc\\td\\x00e\\x08f\\x7f",
    "\u202eevil\u2069": "\\u202eevil\\u2069",
    "zero\u200bwidth\ufeff": "zero\\u200bwidth\\ufeff",
    "line\u2028para\u2029nel\x85": "line\\u2028para\\u2029nel\\x85",
    "no\u00a0break": "no\\xa0break",
    "\ud800\udcff": "\\ud800\\udcff",
    "\U000e0041tag": "\\U000e0041tag",
    "a\u034fb\u115fc\u1160d\u17b4e\u17b5f": "a\\u034fb\\u115fc\\u1160d\\u17b4e\\u17b5f",
    "hangul\u3164\uffa0filler": "hangul\\u3164\\uffa0filler",
    "braille\u2800blank": "braille\\u2800blank",
    "variation\ufe0f\u180b\U000e0100": "variation\\ufe0f\\u180b\\U000e0100",
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=range(len(HOSTILE)))
def test_what_would_act_on_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["plain", "größe", "日本語", "🎉", "עברית", "e\u0301", "back\\slash", ""])
def test_what_can_be_seen_is_kept(text: str) -> None:
    assert printable(text) == text


@given(text=st.text(st.characters(codec=None), max_size=30))
def test_any_text_becomes_one_visible_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("ｆｕｌｌ", 8), ("ö", 1), ("", 0)]
)
def test_columns_of_a_text(text: str, columns: int) -> None:
    assert width_of(text) == columns


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("日本語文", 8, "日本語文"),
        ("日本語文", 7, "日本語…"),
        ("日本語文", 6, "日本…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_cutting(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


@given(text=st.text(max_size=20).map(printable), width=st.integers(0, 25), ellipsis=st.sampled_from(["…", "..."]))
def test_a_cut_text_fits(text: str, width: int, ellipsis: str) -> None:
    assert width_of(cut(text, width, ellipsis)) <= width or cut(text, width, ellipsis) == text == ""


def shown(lines: list[list[Part]]) -> list[str]:
    return ["".join(part.text if isinstance(part, Styled) else part for part in line) for line in lines]


def test_a_table_in_a_pipe_cuts_nothing() -> None:
    rows: list[list[Part]] = [["restart", "1.0.0", "x" * 200], ["日本", Styled("", "red"), ""]]
    assert shown(table(["NAME", "VERSION", "TEXT"], rows, None)) == [
        "NAME     VERSION  TEXT",
        f"restart  1.0.0    {'x' * 200}",
        "日本     -        -",
    ]


def test_a_table_on_a_narrow_terminal() -> None:
    rows = [["restart-a-deployment-slowly", "1.0.0", "everything that there is to say"]]
    assert shown(table(["NAME", "VERSION", "TEXT"], rows, 40)) == [
        "NAME             VERSION  TEXT",
        "restart-a-depl…  1.0.0    everything th…",
    ]


@given(
    rows=st.lists(st.lists(st.text(max_size=30), min_size=3, max_size=3), max_size=5),
    width=st.integers(20, 120),
)
def test_any_table_fits_and_no_line_ends_with_a_space(rows: list[list[str]], width: int) -> None:
    lines = shown(table(["A", "B", "C"], rows, width))
    assert len(lines) == len(rows) + 1
    for line in lines:
        assert width_of(line) <= width
        assert line.isprintable()
    for line, row in zip(lines[1:], rows, strict=True):
        if not row[-1].endswith(" "):
            assert not line.endswith(" ")


@given(
    natural=st.lists(st.integers(8, 60), min_size=2, max_size=6),
    keep=st.integers(0, 1),
    available=st.integers(48, 200),
)
def test_a_column_that_is_kept_is_the_last_to_be_cut(natural: list[int], keep: int, available: int) -> None:
    widths = shared(natural, available, [keep])
    assert sum(widths) <= available
    if natural[keep] + 8 * (len(natural) - 1) <= available:
        assert widths[keep] == natural[keep]


@given(natural=st.lists(st.integers(0, 60), min_size=1, max_size=6), available=st.integers(6, 100))
def test_widths_are_shared_fairly(natural: list[int], available: int) -> None:
    widths = shared(natural, available)
    assert sum(widths) <= max(available, 0)
    assert all(given <= wanted for given, wanted in zip(widths, natural, strict=True))
    cut_ones = [given for given, wanted in zip(widths, natural, strict=True) if given < wanted]
    if cut_ones:
        assert sum(widths) == available
        assert max(cut_ones) - min(cut_ones) <= 1
        assert max(widths) <= max(cut_ones) + 1
