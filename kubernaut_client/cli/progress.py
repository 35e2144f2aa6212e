"""How far a long work is, on stderr: a bar on a terminal, a line now and then elsewhere.

With `--output json` the lines are left out, as programs don't read them; the bar isn't, if a person sees stderr.
"""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .text import cut, printable, width_of

if TYPE_CHECKING:
    from .output import Output

_REDRAW = 0.05
_LINES = 10
_BAR = 24


class Progress:
    """A context; call `update(done)` as often as you like, from the thread that prints.

    On a terminal one line is drawn again and again, at most 20 times a second, and wiped at the end; messages printed
    meanwhile stand above it. Elsewhere there is a line each tenth of the way, or each step if they are ten or fewer.
    """

    def __init__(self, output: Output, total: int, label: str) -> None:
        from .output import is_terminal

        self._output = output
        self._total = total
        self._label = printable(label)
        self._bar = is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
        self._silent = output.json and not self._bar
        self._drawn = 0
        self._last_draw = 0.0
        self._tenths = 0

    def update(self, done: int, detail: str = "") -> None:
        """`done` steps of all are done; `detail` is what the last one was about."""
        if self._bar:
            now = time.monotonic()
            if now - self._last_draw >= _REDRAW or done >= self._total:
                self._last_draw = now
                self._draw(done, detail)
        elif not self._silent:
            tenths = min(done * _LINES // self._total, _LINES) if self._total > _LINES else done
            if tenths > self._tenths:
                self._tenths = tenths
                about = f": {detail}" if detail and self._total <= _LINES else ""
                self._output.note(f"{self._label}: {done} of {self._total}{about}")

    def hide(self) -> None:
        """Wipe the bar; the next update draws it again."""
        from .output import terminal_width

        if self._drawn:
            # The whole line: terminals show a Ctrl-C behind the bar, as ^C.
            self._output.write_stderr("\r" + " " * ((terminal_width(sys.stderr) or 80) - 1) + "\r")
            self._drawn = 0
            self._last_draw = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.hide()

    def _draw(self, done: int, detail: str) -> None:
        from .output import terminal_width

        # The last column stays free: a terminal that wraps there would leave a line behind each time.
        width = (terminal_width(sys.stderr) or 80) - 1
        filled = _BAR * done // self._total if self._total else _BAR
        count = f"{done}/{self._total}"
        bar = f" [{'#' * filled}{'.' * (_BAR - filled)}]" if width >= 60 else ""
        ascii_detail = printable(detail).encode("ascii", "backslashreplace").decode("ascii")
        text = cut(f"{self._label}{bar} {count} {ascii_detail}".rstrip(), width, "...")
        blanks = max(self._drawn - width_of(text), 0)
        self._output.write_stderr("\r" + text + " " * blanks + "\b" * blanks)
        self._drawn = width_of(text)
