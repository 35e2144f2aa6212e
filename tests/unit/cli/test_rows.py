"""What is said of a workflow: commands that can be copied, paragraphs that fit, counts."""

import contextlib
import io
import shlex
import sys

import pytest

from kubernaut_client import Plan, PlanRow
from kubernaut_client.cli.output import Output
from kubernaut_client.cli.rows import CREATE, DRIFTED, Item, advice_of, counts, paragraph
from kubernaut_client.cli.workflow_rows import command_line


def shown(
    output: Output, width: int | None, monkeypatch: pytest.MonkeyPatch, text: str, *, indent: int, hanging: int = 0
) -> list[str]:
    monkeypatch.setattr(Output, "width", width)
    stdout = io.StringIO()
    with contextlib.redirect_stdout(stdout):
        paragraph(output, text, indent=indent, hanging=hanging)
    return stdout.getvalue().splitlines()


def test_paragraphs(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "stored: some words that take more than a line of forty columns, so-called \x1b words"
    assert shown(Output(), None, monkeypatch, text, indent=2) == [f"  {text}".replace("\x1b", "\\x1b")]
    wrapped = shown(Output(), 40, monkeypatch, text, indent=2, hanging=8)
    assert wrapped == [
        "  stored: some words that take more than",
        "          a line of forty columns,",
        "          so-called \\x1b words",
    ]
    assert shown(Output(), 40, monkeypatch, "", indent=2) == ["  "]
    narrow = shown(Output(), 20, monkeypatch, "x" * 50, indent=6, hanging=8)
    assert all(len(line) <= 34 for line in narrow)
    assert "".join(narrow).replace(" ", "") == "x" * 50
    wide = shown(Output(), 30, monkeypatch, "stored: 日本語 日本語 " + "日本" * 10, indent=2, hanging=8)
    assert wide == ["  stored: 日本語 日本語 日本日", "          " + "本日" * 5, "          " + "本日" * 3 + "本"]


def test_a_section(capsys: pytest.CaptureFixture[str]) -> None:
    CREATE.show(Output(), [])
    CREATE.show(Output(), [Item(name="a\x07", version="1"), Item(name="b", version="2", sentences=["odd"])])
    assert capsys.readouterr().out == "2 to create:\n  a\\x07@1\n  b@2\n    odd\n\n"
    DRIFTED.show(Output(json=True), [Item(name="a", version="1")])
    assert capsys.readouterr().out == ""


def test_names_longer_than_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Output, "width", 20)
    name = "x" * 30
    CREATE.show(Output(), [Item(name=name, version="1"), Item(name=name, version="2", remark="as that one")])
    CREATE.show(Output(), [Item(name="a", version="3", remark="as that one")])
    assert capsys.readouterr().out == (
        f"2 to create:\n  {name}@1\n  {name}@2\n    as that one\n\n1 to create:\n  a@3  as that one\n\n"
    )


@pytest.mark.parametrize("name", ["plain", "two words", "it's", "-option", "$(id)", "a@b"])
def test_commands_are_quoted(name: str) -> None:
    row = PlanRow(name, "1.0.0", "superseded", latest="1.1.0", payload={"status": "active"})
    (advice,) = advice_of(Plan((row,)))[id(row)]
    words = shlex.split(advice.command)
    assert words[:3] == ["kubernaut-client", "workflows", "rollback"]
    assert name in words[3:] and words[words.index("--to") + 1] == "1.0.0"
    assert not name.startswith("-") or words[-2:] == ["--", name]


@pytest.mark.parametrize(
    ("name", "encoding"), [("esc\x1b", "utf-8"), ("two\nlines", "utf-8"), ("\ud800", "utf-8"), ("caf\xe9", "ascii")]
)
def test_no_command_names_another_workflow(name: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    row = PlanRow(name, "1.0.0", "superseded", latest="1.1.0", payload={"status": "active"})
    (advice,) = advice_of(Plan((row,)))[id(row)]
    assert (str(advice), advice.command) == ("to have search show this one again, use 'workflows rollback'", "")
    assert command_line("disable", name) is None


def test_the_way_back_is_said_once_for_a_name() -> None:
    rows = [PlanRow("a", version, "superseded", latest="2.0.0") for version in ("1.0.0", "1.1.0")]
    advice = advice_of(Plan(tuple(rows)))
    assert advice[id(rows[0])] == []
    assert "--to 1.1.0" in str(advice[id(rows[1])][0])
    known = advice_of(Plan(tuple(rows)), {("a", "1.1.0")})
    assert [str(each) for each in known[id(rows[1])]] == [
        "2.0.0 has the same content: set the version in the file to 2.0.0"
    ]


def test_counts() -> None:
    assert counts({"a": 1, "b": 0, "c": 0}, always=("c",)) == "1 a, 0 c"
    assert counts({"a": 0}) == ""
