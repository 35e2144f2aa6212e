"""What reaches stdout and stderr: a document or lines, nothing that acts on a terminal, no traceback."""

import contextlib
import io
import json
import logging
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client import CatalogError, ConnectError, KubernautError, Outcome, ResponseDecodeError
from kubernaut_client.cli.command import Result, command
from kubernaut_client.cli.exits import Facts
from kubernaut_client.cli.group import COMMANDS, LazyGroup
from kubernaut_client.cli.output import Output
from kubernaut_client.cli.text import Styled, printable
from tests.unit.cli.keys import EVERY, documented, keys_of
from tests.unit.cli.tools import COMMAND, PATIENCE, Ran, call, environment, in_terminal, piped

HOSTILE = "\x1b[31m\x9b1m\u202e\u200b\r\n\x07\ud800\x7f"

Body = Callable[[Any], Result]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ran]]:
    """Runs a function as the command `test`."""

    def ran(body: Body, *arguments: str) -> Ran:
        made = command("test")(body)
        whole = LazyGroup.get_command

        def get(self: LazyGroup, context: click.Context, name: str) -> click.Command | None:
            return made if name == "test" else whole(self, context, name)

        with monkeypatch.context() as patch:
            patch.setattr(LazyGroup, "get_command", get)
            return call("test", *arguments)

    yield ran
    assert "test" not in COMMANDS


def test_a_result_for_a_person(run: Callable[..., Ran]) -> None:
    ran = run(lambda settings: Result(keys={"n": 1}, show=lambda output: output.line("one")))
    assert ran == Ran(0, "one\n", "")


def test_a_result_for_a_program(run: Callable[..., Ran]) -> None:
    ran = run(lambda settings: Result(keys={"n": 1}, show=lambda output: output.line("one")), "-ojson")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.document == {"schema_version": 1, "command": "test", "base_url": None, "exit_code": 0, "n": 1}


def test_a_command_that_prints_lines_by_itself_leaves_the_document_alone(run: Callable[..., Ran]) -> None:
    def body(settings: Any) -> Result:
        settings.output.line("stray")
        settings.output.table(["A"], [["stray"]])
        settings.output.note("said")
        return Result(keys={})

    ran = run(body, "-ojson")
    assert ran.document["exit_code"] == 0
    assert ran.stderr == "said\n"


def test_a_failure_told_after_the_result(run: Callable[..., Ran]) -> None:
    result = Result(
        keys={"rows": [1]},
        facts=Facts(written=True, failed=True),
        show=lambda output: output.line("1 created"),
        error=KeyboardInterrupt(),
    )
    assert run(lambda settings: result) == Ran(5, "1 created\n", "Error: interrupted\n")
    ran = run(lambda settings: result, "-ojson")
    assert (ran.code, ran.document["exit_code"], ran.document["rows"]) == (5, 5, [1])
    assert ran.document["error"]["type"] == "Interrupted"


def test_interrupted_while_it_shows_what_was_written(run: Callable[..., Ran]) -> None:
    def show(output: Output) -> None:
        raise KeyboardInterrupt

    ran = run(lambda settings: Result(keys={}, facts=Facts(written=True), show=show))
    assert ran == Ran(5, "", "Error: interrupted\n")


class Problem:
    file, line, column, field, reason = "a.yaml", 3, None, "labels", f"must not be {HOSTILE}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


FAILURES = [
    (KeyboardInterrupt(), 1),
    (ResponseDecodeError("200 with 'text/html'; is base_url right?"), 1),
    (ConnectError("no connection to x: refused", request_id="1", outcome=Outcome.NOT_SENT), 4),
    (CatalogError("2 problems", errors=[Problem(), Problem()]), 2),
    (click.UsageError("not both"), 2),
    (OSError(28, "No space left on device"), 1),
    (ZeroDivisionError("SECRET"), 1),
    (ImportError(f"missing {HOSTILE}"), 2),
    (KubernautError(f"words {HOSTILE}"), 1),
]


def raising(error: BaseException) -> Body:
    def body(settings: Any) -> Result:
        raise error

    return body


@pytest.mark.parametrize(("error", "code"), FAILURES, ids=[type(error).__name__ for error, _ in FAILURES])
def test_every_failure_is_a_line_and_a_document(error: BaseException, code: int, run: Callable[..., Ran]) -> None:
    for arguments in ((), ("--output", "json")):
        ran = run(raising(error), *arguments)
        assert ran.code == code
        *problems, last = ran.stderr.splitlines()
        assert last.startswith("Error: ")
        assert len(problems) == (2 if isinstance(error, CatalogError) else 0)
        assert ran.stderr.replace("\n", "").isprintable()
        assert "SECRET" not in ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        assert "base_url" not in ran.stderr
        if not arguments:
            assert ran.stdout == ""
            continue
        document = ran.document
        assert (document["command"], document["exit_code"]) == ("test", code)
        page = documented()[EVERY]
        assert all(kinds <= page[path] for path, kinds in keys_of([document]).items())
        message = printable(document["error"]["message"])
        # Problems of files stand above the last line, one each.
        told = f"{message.partition(': ')[0]}, nothing was sent" if problems else message
        assert last == f"Error: {told}"


def test_the_keys_that_every_document_may_have(run: Callable[..., Ran]) -> None:
    failing = [run(raising(error), "-ojson").document for error, _ in FAILURES]
    assert keys_of([*failing, call("-ojson").document]).keys() == documented()[EVERY].keys()


def test_a_traceback_only_of_what_nobody_foresaw_and_only_if_asked_for(run: Callable[..., Ran]) -> None:
    assert "ZeroDivisionError" in run(raising(ZeroDivisionError()), "-vv").stderr
    assert "Traceback" in run(raising(ZeroDivisionError()), "-vv").stderr
    assert "Traceback" not in run(raising(ZeroDivisionError()), "-v").stderr
    assert "Traceback" not in run(raising(KubernautError("no")), "-vv").stderr


JSON_WANTED = [
    ["--output", "json"],
    ["--output=json"],
    ["-o", "json"],
    ["-ojson"],
    ["-o=json"],
    ["-vvo", "json"],
    ["-vojson"],
    ["-o", "table", "--output", "json"],
]
JSON_NOT_WANTED = [[], ["--output", "table"], ["--output", "json", "-otable"], ["--", "-ojson"], ["--output"], ["json"]]


@pytest.mark.parametrize("words", JSON_WANTED, ids=" ".join)
def test_a_document_also_where_parsing_failed(words: list[str]) -> None:
    for arguments in (
        [*words, "health", "--bogus"],
        ["health", "--bogus", *words],
        [*words, "--bogus"],
        [*words, "bogus"],
    ):
        ran = call(*arguments)
        assert ran.code == ran.document["exit_code"] == 2
        assert ran.document["error"]["type"] == "UsageError"
        assert ran.document["command"] in ("health", None)
        assert ran.document["base_url"] is None


@pytest.mark.parametrize("words", JSON_NOT_WANTED, ids=" ".join)
def test_no_document_where_none_was_asked_for(words: list[str]) -> None:
    ran = call("--bogus", *words)
    assert (ran.code, ran.stdout) == (2, "")


def test_a_missing_click_is_told_without_it() -> None:
    script = (
        "import sys; sys.modules['click'] = None\n"
        "from kubernaut_client.cli import main\nsys.exit(main(['-ojson', 'health']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, 'Error: click is not installed: pip install "kubernaut-client[cli]"\n')
    assert Ran(2, done.stdout, "").document["error"]["type"] == "ImportError"


@given(text=st.text(st.characters(codec=None)))
def test_a_document_is_ascii_whatever_it_holds(text: str) -> None:
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        Output(json=True).document({"texts": {text: text}}, command="test", code=0)
    shown = stream.getvalue().replace("\n", "")
    assert shown.isascii()
    assert shown.isprintable()
    # JSON has no lone surrogates of its own: a pair of them is one character.
    assert [*json.loads(shown)["texts"].items()] == [(paired(text), paired(text))]


def paired(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def test_keys_of_the_frame_are_not_overwritten(run: Callable[..., Ran]) -> None:
    assert run(lambda settings: Result(keys={"exit_code": 7}), "-ojson").code == 1


# Colours -------------------------------------------------------------------------------------------------------------


def painted(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, output: Output) -> str:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        output.line("a ", Styled("b\x1b[0m", "red"))
    return stream.getvalue()


PLAIN, COLORED = "a b\\x1b[0m\n", "a \x1b[31mb\\x1b[0m\x1b[0m\n"


@pytest.mark.parametrize(
    ("variables", "terminal", "color", "shown"),
    [
        ({}, True, None, COLORED),
        ({}, False, None, PLAIN),
        ({}, True, False, PLAIN),
        ({"NO_COLOR": "1"}, True, None, PLAIN),
        ({"NO_COLOR": ""}, True, None, COLORED),
        ({"FORCE_COLOR": "1"}, False, None, COLORED),
        ({"FORCE_COLOR": "1"}, False, False, PLAIN),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, None, PLAIN),
        ({"TERM": "dumb"}, True, None, PLAIN),
    ],
)
def test_colors(
    variables: dict[str, str], terminal: bool, color: bool | None, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert painted(monkeypatch, Terminal() if terminal else io.StringIO(), Output(color=color)) == shown


@pytest.mark.parametrize("method", ["line", "block", "note", "warning", "error"])
def test_no_raw_escape_gets_through(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    getattr(Output(), method)(HOSTILE)
    seen = capsys.readouterr()
    assert (seen.out + seen.err).replace("\n", "").isprintable()
    assert "\\x1b[31m" in seen.out + seen.err


def test_tables_and_fields_are_escaped_too(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(["NAME"], [[HOSTILE], [Styled(HOSTILE, "red")]])
    Output().fields([(HOSTILE, HOSTILE), ("empty", "")])
    seen = capsys.readouterr().out
    assert seen.replace("\n", "").isprintable()
    assert len(seen.splitlines()) == 5


# Streams -------------------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
from kubernaut_client.cli import main
from kubernaut_client.cli.command import Result, command
from kubernaut_client.cli.exits import Facts
from kubernaut_client.cli.group import LazyGroup
from kubernaut_client.cli.text import Styled

def show(output):
    output.table(["NAME", "VERSION", "TEXT"], [["größe-日本-" + "x" * 30, "1.0.0", "y" * 60]] * {rows})

@command("test")
def test(settings):
    with settings.output.progress({total}, "apply") as bar:
        for done in range(1, {total} + 1):
            bar.update(done, "restart\\x1b[31m-日本")
            if done == 2:
                settings.output.note("a note")
    return Result(keys={{"rows": ["x" * 100] * {rows}}}, facts=Facts(drift=True), show=show)

LazyGroup.get_command = lambda self, context, name: test
sys.exit(main(["test", *sys.argv[1:]]))
"""


def script(rows: int = 1, total: int = 0) -> list[str]:
    return [sys.executable, "-c", SCRIPT.format(rows=rows, total=total)]


@pytest.mark.parametrize("arguments", [(), ("-ojson",)])
def test_a_reader_that_goes_away_ends_the_output_and_not_the_command(arguments: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [*script(rows=20000), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(PATIENCE) == 3
    process.stderr.close()


@pytest.mark.parametrize("arguments", [(), ("-ojson",)])
def test_a_full_disk_is_a_failure(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*script(), *arguments], stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), check=False
        )
    assert (done.returncode, done.stderr) == (1, "Error: stdout can't be written: No space left on device\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [(), ("-ojson",)])
def test_a_file_that_may_not_grow_is_a_failure(arguments: tuple[str, ...], unbuffered: str, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    for index, words in enumerate((script(rows=50), [sys.executable, "-c", EXACTLY])):
        path = tmp_path / str(index)
        with open(path, "wb") as file:
            done = subprocess.run(
                [*words, *arguments],
                stdout=file,
                stderr=subprocess.PIPE,
                text=True,
                env=environment({"PYTHONUNBUFFERED": unbuffered, "PYTHONDONTWRITEBYTECODE": "1"}),
                preexec_fn=limit,
                check=False,
            )
        assert (done.returncode, done.stderr) == (1, "Error: stdout can't be written: File too large\n")
        assert path.stat().st_size == 1000


EXACTLY = """
import sys
from kubernaut_client.cli.failures import handed_over
from kubernaut_client.cli.output import Output
output = Output()
output.line("x" * 10)
output.exactly("é" * 2000)
sys.exit(handed_over(output, 0))
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_pipe_that_does_not_wait_is_a_failure_once_it_is_full(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        done = subprocess.run(
            script(rows=20000),
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            env=environment({"PYTHONUNBUFFERED": unbuffered}),
            check=False,
        )
    finally:
        os.close(reader)
        os.close(writer)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: stdout can't be written: ")


def test_text_and_bytes_and_what_others_wrote_keep_their_order() -> None:
    script = (
        "from kubernaut_client.cli.output import Output\noutput = Output()\n"
        "print('a')\noutput.line('b')\noutput.exactly('c\\n')\noutput.line('d')\noutput.finish()"
    )
    for variables in ({}, {"PYTHONUNBUFFERED": "1"}):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, env=environment(variables), check=True
        )
        assert done.stdout == b"a\nb\nc\nd\n"


def test_what_goes_to_stderr_is_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar is no whole line, which a buffered stream would keep."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(raw, 1000), "utf-8"))
    Output().write_stderr("\rapply 1/2")
    assert raw.getvalue() == b"\rapply 1/2"


def test_what_is_flushed_has_reached_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw, 1000), "utf-8"))
    output = Output()
    output.line("http://127.0.0.1:1")
    output.flush()
    assert raw.getvalue() == b"http://127.0.0.1:1\n"


def test_an_encoding_with_a_mark_has_it_once() -> None:
    ran = subprocess.run(
        script(rows=2), capture_output=True, env=environment({"PYTHONIOENCODING": "utf-16"}), check=False
    )
    assert ran.stdout.count("\ufeff".encode("utf-16-le")) == 1
    assert len(ran.stdout.decode("utf-16").splitlines()) == 3


@pytest.mark.parametrize(
    ("redirect", "code", "stderr"),
    [(">&-", 1, b"Error: stdout can't be written: Bad file descriptor\n"), ("2>&-", 3, b"")],
)
def test_a_closed_stream(redirect: str, code: int, stderr: bytes) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirect}', "sh", *script()], capture_output=True, env=environment(), check=False
    )
    assert (done.returncode, done.stderr) == (code, stderr)


def test_interrupted_while_the_document_is_written(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Output._hand_over  # pyright: ignore[reportPrivateUsage]

    def half(self: Output, data: str | bytes) -> None:
        whole(self, data[: len(data) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Output, "_hand_over", half)
    ran = run(lambda settings: Result(keys={"n": 1}), "-ojson")
    assert (ran.code, ran.stderr) == (1, "Error: interrupted\n")
    assert ran.stdout.count("schema_version") == 1


@pytest.mark.parametrize("arguments", ["--help", "health --help", "--version"])
def test_help_whose_reader_has_gone(arguments: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*COMMAND, *arguments.split()], stdout=writer, stderr=subprocess.PIPE, env=environment(), check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


INTERRUPTED = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

from kubernaut_client.cli import main
sys.meta_path.insert(0, Finder())
sys.exit(main(["config", "-ojson"]))
"""


@pytest.mark.parametrize("module", ["output", "group", "failures", "options"])
def test_interrupted_while_it_is_being_imported(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(module=f"kubernaut_client.cli.{module}")],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "Error: interrupted\n")
    assert Ran(1, done.stdout, "").document["error"]["type"] == "Interrupted"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_that_lacks_characters(encoding: str) -> None:
    done = subprocess.run(
        script(total=1), capture_output=True, env=environment({"PYTHONIOENCODING": encoding}), check=False
    )
    name = b"gr\\xf6\\xdfe" if encoding == "ascii" else "größe".encode("latin-1")
    assert done.returncode == 3
    assert name + b"-\\u65e5\\u672c-" in done.stdout
    assert b"Traceback" not in done.stderr


def test_lines_of_progress_where_there_is_no_terminal() -> None:
    def lines(total: int, *arguments: str) -> list[str]:
        done = subprocess.run(
            [*script(total=total), *arguments], capture_output=True, text=True, env=environment(), check=False
        )
        return done.stderr.splitlines()

    assert lines(3) == [
        "apply: 1 of 3: restart\\x1b[31m-日本",
        "apply: 2 of 3: restart\\x1b[31m-日本",
        "a note",
        "apply: 3 of 3: restart\\x1b[31m-日本",
    ]
    assert lines(1000) == ["a note", *(f"apply: {done} of 1000" for done in range(100, 1001, 100))]
    assert lines(1000, "-ojson") == ["a note"]


@pytest.mark.parametrize("columns", [40, 100])
@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}], ids=str)
def test_a_terminal(columns: int, variables: dict[str, str]) -> None:
    ran = in_terminal(columns=columns, env=variables, command=script(rows=2, total=50))
    assert ran.code == 3
    *drawn, head, first, second = ran.stdout.splitlines()
    assert any("50/50" in line for line in drawn)
    assert any(line.endswith("a note") for line in drawn)
    assert all(len(part) < columns for line in drawn for part in line.split("\r"))
    assert ("\x1b" in ran.stdout) is not bool(variables)
    plain = [line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in (head, first, second)]
    assert all(line.isprintable() for line in plain)
    if columns == 40:
        assert plain[0].split() == ["NAME", "VERSION", "TEXT"]
        assert first.endswith("…")
        # Two of the characters are two columns wide.
        assert [len(line) + 2 for line in plain[1:]] == [40, 40]
    else:
        assert plain[1].startswith(f"größe-日本-{'x' * 30}")
        assert plain[1].endswith("…")


def test_a_pipe_has_all_and_no_color() -> None:
    done = subprocess.run(script(rows=2), capture_output=True, text=True, env=environment(), check=False)
    name = f"größe-日本-{'x' * 30}"
    assert done.stdout.splitlines()[1:] == [f"{name}  1.0.0    {'y' * 60}"] * 2
    assert "\x1b" not in done.stdout


def test_a_terminal_without_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        assert Output().width == 80
        patch.setenv("COLUMNS", "33")
        assert Output().width == 33
        patch.setenv("COLUMNS", "5")
        assert Output().width == 20


def test_the_log_is_shown_if_asked_for(run: Callable[..., Ran]) -> None:
    logger = logging.getLogger("kubernaut_client")
    before = (logger.level, list(logger.handlers))

    def body(settings: Any) -> Result:
        logger.debug("an attempt %s", "\x1b[31m\r\n")
        logger.warning("a retry")
        return Result(keys={})

    assert run(body).stderr == ""
    assert run(body, "-v").stderr == "warning: a retry\n"
    first, second = run(body, "-vv", "-ojson").stderr.splitlines()
    assert (first.partition(":")[0], second) == ("debug", "warning: a retry")
    assert first.isprintable()
    assert (logger.level, list(logger.handlers)) == before


def test_arguments_of_any_bytes() -> None:
    ran = piped(os.fsdecode(b"\xff\x1b[31m"), "-ojson")
    assert ran.code == 2
    assert "\x1b" not in ran.stdout + ran.stderr
    assert ran.document["error"]["message"].startswith("No such command")
