"""Tables that are printed while their rows come, sentences that are broken between words, and texts as exact bytes."""

import errno
import io
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client.cli.output import Output
from kubernaut_client.cli.text import Part, Styled, table, table_lines, width_of, wrapped
from tests.unit.cli.tools import environment, in_terminal

ROWS: list[list[Part]] = [["a", "1"], ["bb", "2"], ["a-longer-one", Styled("3", "red")]]


def texts(lines: Iterator[list[Part]] | list[list[Part]]) -> list[str]:
    return ["".join(part.text if isinstance(part, Styled) else part for part in line) for line in lines]


def test_columns_are_as_wide_as_the_sample_needs() -> None:
    assert texts(table_lines(["NAME", "V"], ROWS, None, sample=2)) == [
        "NAME  V",
        "a     1",
        "bb    2",
        "a-longer-one  3",
    ]
    assert texts(table_lines(["NAME", "V"], ROWS, 40, sample=2))[3] == "a-l…  3"


def test_a_sample_of_all_is_the_whole_table() -> None:
    for width in (None, 12, 40):
        assert list(table_lines(["NAME", "V"], ROWS, width, sample=3)) == table(["NAME", "V"], ROWS, width)


def test_no_row_is_taken_before_its_time() -> None:
    taken: list[int] = []

    def rows() -> Iterator[list[Part]]:
        for number in range(5):
            taken.append(number)
            yield [str(number)]

    lines = table_lines(["N"], rows(), None, sample=2)
    for expected in ([0, 1], [0, 1], [0, 1], [0, 1, 2]):
        next(lines)
        assert taken == expected


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", None, ["one two three"]),
        ("one two three", 7, ["one two", "three"]),
        ("one two three", 3, ["one", "two", "three"]),
        ("one-longer-than-that is", 6, ["one-longer-than-that", "is"]),
        ("日本 日本 日本", 9, ["日本 日本", "日本"]),
        ("  one two", 20, ["  one two"]),
        ("", 5, [""]),
    ],
)
def test_wrapping(text: str, width: int | None, lines: list[str]) -> None:
    assert wrapped(text, width) == lines
    assert " ".join(wrapped(text, width)) == text
    assert all(width is None or width_of(line) <= width or " " not in line for line in wrapped(text, width))


@given(
    text=st.lists(st.text("xé日e\u0301", max_size=40)).map(" ".join),
    width=st.integers(min_value=1, max_value=30),
    hanging=st.integers(min_value=0, max_value=8),
)
def test_no_line_is_too_wide_where_words_are_broken(text: str, width: int, hanging: int) -> None:
    lines = wrapped(text, width, hanging=hanging, break_words=True)
    assert all(width_of(line) <= max(width, hanging + 2) for line in lines)
    assert all(line.startswith(" " * hanging) for line in lines[1:])
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


SCRIPT = """
import sys
from kubernaut_client.cli.output import Output
Output().exactly({text!r})
Output().paragraph("one two three four five six seven eight nine")
"""


@pytest.mark.parametrize("text", ["a\n", "no end", "\x1b[31mé\r\n\u202e\n\n"])
def test_exact_bytes_in_a_pipe_and_escapes_on_a_terminal(text: str) -> None:
    command = [sys.executable, "-c", SCRIPT.format(text=text)]
    env = environment({"PYTHONIOENCODING": "ascii"})
    done = subprocess.run(command, capture_output=True, check=True, env=env)
    assert done.stdout == text.encode() + b"one two three four five six seven eight nine\n"
    seen = in_terminal(command=command, columns=20)
    assert seen.code == 0
    assert seen.stdout.replace("\n", "").isprintable()
    assert seen.stdout.endswith("one two three four\nfive six seven eight\nnine\n")


def test_with_json_they_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(json=True)
    output.exactly("x")
    output.paragraph("x")
    assert capsys.readouterr().out == ""


def test_exact_text_where_there_are_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    Output().exactly("\x1b\n")
    assert stream.getvalue() == "\x1b\n"
    monkeypatch.setattr(sys, "stdout", None)
    Output().exactly("x")


def test_a_full_disk_is_noticed() -> None:
    script = (
        "from kubernaut_client.cli.output import Output as O; o = O(); o.exactly('x' * 99999); exit(o.finish().errno)"
    )
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-c", script], stdout=full, check=False)
    assert done.returncode == errno.ENOSPC


def written(items: Iterator[dict[str, object]], code: int = 0, **keys: object) -> BaseException | None:
    """A document of these items, ended with a code and keys; what ended the items too early."""
    output = Output(json=True)
    output.base_url = "http://x"
    return output.array_document(
        "rows", items, command="test", end=lambda error: (code, {**keys, "failed": bool(error)})
    )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_array_that_is_written_as_it_comes(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert written(({"a\n\x7f": [number, {}]} for number in range(count)), 3, more=None) is None
    text = capsys.readouterr().out
    document = json.loads(text)
    assert list(document) == ["schema_version", "command", "base_url", "rows", "more", "failed", "exit_code"]
    assert document["rows"] == [{"a\n\x7f": [number, {}]} for number in range(count)]
    assert (document["exit_code"], document["more"], document["failed"]) == (3, None, False)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert text == json.dumps(document, indent=2).replace("\x7f", "\\u007f") + "\n"


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_an_array_that_ends_too_early(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    def items() -> Iterator[dict[str, object]]:
        yield {"a": 1}
        raise error

    assert written(items(), 1) is error
    document = json.loads(capsys.readouterr().out)
    assert (document["rows"], document["failed"], document["exit_code"]) == ([{"a": 1}], True, 1)


def test_no_item_is_taken_for_nobody() -> None:
    script = (
        "import sys\n"
        "from kubernaut_client.cli.output import Output\n"
        "taken = 0\n"
        "def items():\n"
        "    global taken\n"
        "    while True:\n"
        "        taken += 1\n"
        "        yield {'a': 'x' * 1000}\n"
        "Output(json=True).array_document('rows', items(), command='test', end=lambda error: (0, {}))\n"
        "print(taken, file=sys.stderr)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.read(2) == b"{\n"
    process.stdout.close()
    assert process.stderr is not None
    assert 0 < int(process.stderr.read()) < 1000
    process.stderr.close()
    assert process.wait() == 0
