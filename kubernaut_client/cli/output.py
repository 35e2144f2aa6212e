"""Everything that reaches the terminal: lines and tables, one JSON document, messages, and colours.

Whatever text is handed in is made harmless here (`text.printable`) before a colour is put around it, so a command
can't leak an escape sequence of a stranger's. With `--output json` stdout carries the one document and nothing else.
A reader that goes away (`| head`) ends the output, not the command: its exit code stays what it came to.
"""

from __future__ import annotations

import codecs
import errno
import os
import re
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, TextIO

from .text import Part, Style, Styled, printable, table_lines, width_of, wrapped

if TYPE_CHECKING:
    from .progress import Progress

SCHEMA_VERSION = 1

_CODES: dict[Style, int] = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
_DEFAULT_WIDTH = 80
_LEAST_WIDTH = 20


class Output:
    """Where a command's words go. `base_url` is the service's, once it is known."""

    def __init__(self, *, json: bool = False, color: bool | None = None) -> None:
        self.json = json
        self.base_url: str | None = None
        self.color = color
        self._lock = threading.RLock()
        self._stdout_error: OSError | None = None
        self._encoder: codecs.IncrementalEncoder | None = None
        self._documented = False
        self._progress: Progress | None = None

    @classmethod
    def for_arguments(cls, arguments: Sequence[str]) -> Output:
        """What the words of a command line ask for, for failures that come before they are parsed."""
        words = _before_dashes(arguments)
        return cls(json=_asks_for_json(words), color=False if "--no-color" in words else None)

    # Words for people: stdout

    def line(self, *parts: Part) -> None:
        """A line on stdout; nothing with `--output json`."""
        if not self.json:
            self._write_stdout(self._painted(sys.stdout, parts) + "\n")

    def block(self, text: str, style: Style | None = None) -> None:
        """A text of several lines on stdout."""
        for line in text.split("\n"):
            self.line(Styled(line, style) if style else line)

    def paragraph(self, text: str, style: Style | None = None) -> None:
        """Sentences on stdout, broken between words on a terminal."""
        for line in wrapped(printable(text), self.width):
            self.line(Styled(line, style) if style else line)

    def exactly(self, text: str) -> None:
        """A text as it is, in UTF-8 and without a line feed more, for a file or a pipe; escaped lines on a terminal."""
        if is_terminal(sys.stdout):
            self.block(text.removesuffix("\n"))
        elif not self.json:
            self._write_stdout(text.encode("utf-8", "backslashreplace"))

    def table(
        self,
        head: Sequence[str],
        rows: Iterable[Sequence[Part]],
        *,
        sample: int | None = None,
        uncut: Collection[str] = (),
    ) -> None:
        """A table on stdout that fits the terminal; in a pipe or file nothing is cut.

        With `sample` rows are printed as they come, in columns as wide as the first so many need; when nobody reads
        them any more, no further row is taken. The columns named in `uncut` are the last to be cut.
        """
        # Escaped for the encoding first, so that the columns are as wide as what is shown.
        shown = ([_harmless(sys.stdout, part) for part in row] for row in rows)
        lines = table_lines(head, shown, self.width, _ellipsis(sys.stdout), sample=sample, uncut=uncut)
        for count, parts in enumerate(lines):
            self.line(*parts)
            if sample and count % sample == 0:
                self.flush()
            if self._stdout_error is not None:
                return

    def fields(self, pairs: Iterable[tuple[str, Part]]) -> None:
        """Names and values on stdout, one pair a line, the values below each other."""
        known = list(pairs)
        widest = max((width_of(name) for name, _ in known), default=0)
        for name, value in known:
            self.line(Styled(f"{name}:", "bold"), " " * (widest - width_of(name) + 1), value or "-")

    @property
    def width(self) -> int | None:
        """Columns of the terminal that stdout is; None if it isn't one."""
        return terminal_width(sys.stdout)

    # Words for programs: stdout

    def document(self, keys: Mapping[str, object], *, command: str | None, code: int | None) -> None:
        """The JSON document of a command; its text is ASCII and holds no control character but line feeds.

        One of a run only: a failure while it is being written doesn't put a second one behind its first half.
        """
        import json

        if self._documented:
            return
        frame = {"schema_version": SCHEMA_VERSION, "command": command, "base_url": self.base_url, "exit_code": code}
        if taken := frame.keys() & keys.keys():
            raise ValueError(f"{sorted(taken)} are keys of every document")
        text = json.dumps({**frame, **keys}, indent=2, allow_nan=False).replace("\x7f", "\\u007f")
        self._documented = True
        self._write_stdout(text + "\n")

    def array_document(
        self,
        name: str,
        items: Iterable[Mapping[str, object]],
        *,
        command: str,
        end: Callable[[BaseException | None], tuple[int, Mapping[str, object]]],
    ) -> BaseException | None:
        """A document whose member `name` is an array that is printed while its items come, however many they are.

        `end` gets what ended the items too early, if anything did, and gives the exit code and the keys behind them;
        so the document is complete also then. When nobody reads any more, no further item is taken.
        """
        import json

        def member(key: str, value: object, indent: str) -> str:
            text = json.dumps(value, indent=2, allow_nan=False).replace("\x7f", "\\u007f")
            return f"{indent}{json.dumps(key)}: " + text.replace("\n", "\n" + indent)

        frame = {"schema_version": SCHEMA_VERSION, "command": command, "base_url": self.base_url}
        self._documented = True
        self._write_stdout("{\n" + "".join(member(key, value, "  ") + ",\n" for key, value in frame.items()))
        self._write_stdout(f"  {json.dumps(name)}: [")
        failure: BaseException | None = None
        between = "\n    "
        try:
            for item in items:
                text = json.dumps(item, indent=2, allow_nan=False).replace("\x7f", "\\u007f")
                self._write_stdout(between + text.replace("\n", "\n    "))
                between = ",\n    "
                if self._stdout_error is not None:
                    break
        # Told behind what there is of the array.
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - see above
            failure = error
        code, keys = end(failure)
        self._write_stdout("]" if between == "\n    " else "\n  ]")
        for key, value in {**keys, "exit_code": code}.items():
            self._write_stdout(",\n" + member(key, value, "  "))
        self._write_stdout("\n}\n")
        return failure

    # Messages: stderr

    def note(self, *parts: Part) -> None:
        """A line on stderr."""
        with self._lock:
            if self._progress is not None:
                self._progress.hide()
            self.write_stderr(self._painted(sys.stderr, parts) + "\n")

    def warning(self, *parts: Part) -> None:
        """A line on stderr that starts with "Warning:"."""
        self.note(Styled("Warning:", "yellow"), " ", *parts)

    def error(self, *parts: Part) -> None:
        """A line on stderr that starts with "Error:"."""
        self.note(Styled("Error:", "red"), " ", *parts)

    def progress(self, total: int, label: str) -> Progress:
        """A context that shows on stderr how far a work of `total` steps is; see `Progress`."""
        from .progress import Progress

        progress = self._progress = Progress(self, total, label)
        return progress

    # Streams

    def flush(self) -> None:
        """Hand over what was written so far."""
        if sys.stdout is not None and self._stdout_error is None:  # pyright: ignore[reportUnnecessaryComparison]
            try:
                sys.stdout.flush()
            except OSError as error:
                self._give_up_stdout(error)

    def finish(self) -> OSError | None:
        """Hand over everything; what kept stdout from taking it, a reader that went away not counted."""
        self.flush()
        return None if isinstance(self._stdout_error, BrokenPipeError) else self._stdout_error

    @property
    def given_up(self) -> bool:
        """Whether stdout is known to take no more."""
        return self._stdout_error is not None

    def reader_is_gone(self) -> bool:
        """Whether nobody reads stdout any more, for text that others wrote there; what is left goes nowhere then."""
        import select

        try:
            poll = select.poll()
            poll.register(sys.stdout.fileno(), 0)
            gone = any(event & select.POLLERR for _, event in poll.poll(0))
        # A closed stdout is None, and not every system can poll.
        except (OSError, ValueError, AttributeError):
            return False
        if gone:
            self._give_up_stdout(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))
        return gone

    def write_stderr(self, text: str) -> None:
        """Text that is harmless already; lost if nobody reads stderr any more."""
        with self._lock:
            try:
                sys.stderr.write(text)
                sys.stderr.flush()
            # A closed stderr is None, and there is nowhere left to say that it fails.
            except (OSError, ValueError, AttributeError):
                return

    def _write_stdout(self, data: str | bytes) -> None:
        if self._stdout_error is None:
            try:
                self._hand_over(data)
            except OSError as error:
                self._give_up_stdout(error)

    def _hand_over(self, data: str | bytes) -> None:
        """Write all of a text or of bytes to stdout, or raise `OSError`."""
        stream: TextIO | None = sys.stdout
        # Closed when the process was started.
        if stream is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        buffer: BinaryIO | None = getattr(stream, "buffer", None)
        if buffer is None:
            # A stream that takes text only, as a test's.
            stream.write(data if isinstance(data, str) else data.decode())
            return
        if self._encoder is None:
            # What others wrote comes first. One encoder for all: some encodings start with a mark.
            stream.flush()
            self._encoder = codecs.getincrementalencoder(_encoding(stream))("backslashreplace")
        if isinstance(data, str):
            data = self._encoder.encode(data.replace("\n", os.linesep))
        _write_all(buffer, data)
        if getattr(stream, "line_buffering", False):
            buffer.flush()

    def _give_up_stdout(self, error: OSError) -> None:
        """Send what is still buffered nowhere, or the interpreter would complain about it when it ends."""
        self._stdout_error = error
        if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
            return
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
        except OSError:
            return

    def _painted(self, stream: TextIO | None, parts: Iterable[Part]) -> str:
        colored = self._colored(stream)
        words: list[str] = []
        for part in parts:
            safe = _harmless(stream, part)
            if isinstance(safe, Styled):
                words.append(f"\x1b[{_CODES[safe.style]}m{safe.text}\x1b[0m" if colored and safe.text else safe.text)
            else:
                words.append(safe)
        return "".join(words)

    def _colored(self, stream: TextIO | None) -> bool:
        if self.color is not None:
            return self.color
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def _write_all(buffer: BinaryIO, data: bytes) -> None:
    """Write every byte; a raw stream, as of an unbuffered Python, may take less at a time, and a text stream on top
    of it drops the rest without a word."""
    view = memoryview(data)
    while view:
        count = buffer.write(view)
        # Of a raw stream that would have to wait.
        if count is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        view = view[count:]


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal; not if it is closed."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def terminal_width(stream: TextIO | None) -> int | None:
    """Columns of the terminal that a stream is (COLUMNS, if set, is believed); None if it isn't one."""
    if stream is None or not is_terminal(stream):
        return None
    said = os.environ.get("COLUMNS", "")
    if re.fullmatch(r"[1-9][0-9]{0,4}", said):
        return max(int(said), _LEAST_WIDTH)
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except OSError:
        columns = 0
    return max(columns, _LEAST_WIDTH) if columns else _DEFAULT_WIDTH


def _harmless(stream: TextIO | None, part: Part) -> Part:
    """A part that does nothing to a terminal and that the stream's encoding has characters for."""
    text = printable(part.text if isinstance(part, Styled) else part)
    encoding = _encoding(stream)
    safe = text.encode(encoding, "backslashreplace").decode(encoding)
    return Styled(safe, part.style) if isinstance(part, Styled) else safe


def _ellipsis(stream: TextIO | None) -> str:
    try:
        "…".encode(_encoding(stream))
    except UnicodeEncodeError:
        return "..."
    return "…"


def _encoding(stream: TextIO | None) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def _before_dashes(arguments: Sequence[str]) -> list[str]:
    words = list(arguments)
    return words[: words.index("--")] if "--" in words else words


def _asks_for_json(words: Sequence[str]) -> bool:
    """Whether the last --output or -o among the words says json."""
    value: str | None = None
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else None
        if word == "--output" or re.fullmatch(r"-v*o", word):
            value = following
        elif match := re.match(r"--output=(.*)|-v*o=?(.*)", word, re.DOTALL):
            value = match[1] or match[2]
    return value == "json"
